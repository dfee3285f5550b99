//! The `landfall` program.

mod cli;

use clap::{CommandFactory, Parser};
use std::process::ExitCode;

/// An IoT platform in one program
#[derive(Parser)]
#[command(name = "landfall", version)]
struct Program {
    #[command(subcommand)]
    command: cli::Command,
}

fn main() -> ExitCode {
    cli::run(Program::parse().command, Program::command())
}
