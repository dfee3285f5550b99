//! The `landfall` program: the server, its command line, and a demonstration.

mod banner;
mod cli;
mod config;
mod demo;
mod files;
mod listeners;
mod northbound;
mod origin;
mod password;
mod serve;
mod tls;
mod wiring;
mod world;

use clap::{Parser, Subcommand};
use config::Config;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(name = "landfall", version, about = "One program where any IoT device can come ashore")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Serve(Serve),
    /// Print or check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Play the first journey against a server of its own, with simulated devices
    Demo,
    #[command(flatten)]
    Operator(cli::Command),
}

#[derive(clap::Args)]
struct Serve {
    /// Configuration file (TOML)
    #[arg(long, env = "LANDFALL_CONFIG")]
    config: Option<PathBuf>,
    /// Data directory
    #[arg(long, env = "LANDFALL_DATA", default_value = "landfall-data")]
    data: PathBuf,
    #[command(flatten)]
    once: serve::Once,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Print every key with its value
    Print {
        /// Configuration file (TOML)
        #[arg(long, env = "LANDFALL_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Tell whether the configuration can be used
    Check {
        /// Configuration file (TOML)
        #[arg(long, env = "LANDFALL_CONFIG")]
        config: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve(arguments) => load(arguments.config.as_deref()).and_then(|config| run(&config, &arguments)),
        Command::Config(ConfigCommand::Print { config }) => load(config.as_deref()).and_then(|config| print_config(&config)),
        Command::Config(ConfigCommand::Check { config }) => load(config.as_deref()).map(|_| ()),
        Command::Demo => runtime().and_then(|runtime| runtime.block_on(demo::play())),
        Command::Operator(command) => return cli::run(command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("landfall: {error}");
            ExitCode::FAILURE
        }
    }
}

fn load(file: Option<&Path>) -> Result<Config, String> {
    Config::load(file, std::env::vars())
}

#[allow(clippy::print_stdout, reason = "this is what the command is for")]
fn print_config(config: &Config) -> Result<(), String> {
    print!("{}", toml::to_string(config).map_err(|e| e.to_string())?);
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())
}

fn run(config: &Config, arguments: &Serve) -> Result<(), String> {
    serve::start_log(config)?;
    let runtime = runtime()?;
    runtime.block_on(async {
        // From before the start on: who reads the ports may end the server at once.
        let end = told_to_end()?;
        let server = serve::start(config, &arguments.data, arguments.once).await?;
        banner::print(&server);
        let ended = tokio::select! {
            () = end => Ok(()),
            reason = server.lost() => Err(reason),
        };
        tracing::info!("stopping");
        server.stop().await;
        ended
    })
}

/// Ready once the program is told to end; it no longer ends by itself from here on.
fn told_to_end() -> Result<impl Future<Output = ()>, String> {
    let listen = |kind| signal(kind).map_err(|error| error.to_string());
    let (mut terminated, mut interrupted) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => (),
            _ = interrupted.recv() => (),
        }
    })
}
