//! stub
/// stub
#[derive(clap::Subcommand)]
pub enum Command {
    /// stub
    Status,
}
/// stub
pub fn run(_: Command) -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
