//! The `landfall` program.

mod cli;

use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "landfall", version, about = "One program where any IoT device can come ashore")]
struct Arguments {
    #[command(subcommand)]
    command: cli::Command,
}

fn main() -> ExitCode {
    cli::run(Arguments::parse().command)
}
