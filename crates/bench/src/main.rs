//! `landfall-bench`: measures the real `landfall` through its public interfaces, with a peer beside it in the same run, and writes a table.
//!
//! Every number is measured in the run that prints it. Absent: MQTT devices over TLS, networks other than loopback, more than one machine.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the result goes to standard output")]
#![allow(clippy::disallowed_methods, reason = "a measuring program spawns its own clients and receivers")]

mod api;
mod chaos;
mod clock;
mod conditions;
mod device;
mod landfall;
mod libcoap;
mod load;
mod measure;
mod mosquitto;
mod mqtt;
mod onem2m;
mod peers;
mod preload;
mod process;
mod profile;
mod receiver;
mod scene;
mod stats;
mod swarm;
mod table;

use clap::{Parser, ValueEnum};
use conditions::Conditions;
use measure::{Bench, Measure, Scale};
use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

/// Results of this program; the error is told and ends the measurement it happened in.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const DOCUMENT: &str = "docs/benchmarks.md";

/// Measures Landfall and writes docs/benchmarks.md.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Only these measurements, by name; the document is left alone.
    #[arg(long, value_enum)]
    only: Vec<Measure>,
    /// Small numbers, one repetition, two minutes: whether it runs at all. The document is left alone.
    #[arg(long)]
    quick: bool,
    /// Profiles the publish measurement even when its aim is reached.
    #[arg(long)]
    profile: bool,
    /// Fault loops instead of measurements, for so many minutes.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..=1440))]
    chaos: Option<u32>,
    /// Where data directories go; removed afterwards. Default: beside this program, so that it is the disk of the build.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Runs as a peer; used by the program itself.
    #[arg(long, value_enum, hide = true)]
    peer: Option<Peer>,
    #[arg(long, hide = true)]
    body: Option<PathBuf>,
    #[arg(long, hide = true)]
    certificate: Option<PathBuf>,
    #[arg(long, hide = true)]
    address: Option<SocketAddr>,
    #[arg(long, hide = true, default_value_t = 0)]
    count: u64,
    #[arg(long, hide = true, default_value_t = 1)]
    connections: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Peer {
    Echo,
    Post,
    Datagrams,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match options.peer {
        Some(peer) => run_peer(peer, &options).map(|()| true),
        None => run(&options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("landfall-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_peer(peer: Peer, options: &Options) -> Outcome<()> {
    if let Peer::Datagrams = peer {
        return peers::run_datagrams(usize::try_from(options.count)?);
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let body = options.body.as_deref().ok_or("no body")?;
    match peer {
        Peer::Echo => runtime.block_on(peers::run_echo(body, options.certificate.as_deref())),
        Peer::Post => {
            let address = options.address.ok_or("no address")?;
            runtime.block_on(peers::run_post(address, body, options.count, options.connections))
        }
        Peer::Datagrams => Ok(()),
    }
}

/// False: a measurement failed, and the table says which.
fn run(options: &Options) -> Outcome<bool> {
    let mut bench = Bench::new(options.dir.clone(), Scale::of(options.quick), options.profile)?;
    // One thread for clients: what they take is not there for the servers.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Some(minutes) = options.chaos {
        return runtime.block_on(chaos::run(&bench, minutes));
    }
    let conditions = Conditions::read(&bench)?;
    let mut rows = Vec::new();
    let mut whole = true;
    for measure in Measure::value_variants() {
        if !options.only.is_empty() && !options.only.contains(measure) {
            continue;
        }
        let began = clock::now();
        eprintln!("{} ...", measure.name());
        match runtime.block_on(measure.run(&mut bench)) {
            Ok(more) => rows.extend(more),
            Err(error) => {
                eprintln!("{} failed: {error}", measure.name());
                rows.push(table::Row::new(measure.name(), format!("failed: {error}")));
                whole = false;
            }
        }
        eprintln!("{} took {:.0} s", measure.name(), began.elapsed().as_secs_f64());
    }
    let text = format!("{}\n{}", conditions.markdown(options.quick)?, table::markdown(&rows));
    println!("{text}\n{}", bench.profile);
    if whole && options.only.is_empty() && !options.quick {
        write_document(&text, &bench.profile)?;
    }
    Ok(whole)
}

fn write_document(results: &str, profile: &str) -> Outcome<()> {
    let document =
        std::fs::read_to_string(DOCUMENT).map_err(|e| format!("{DOCUMENT}: {e}; run this at the root of the repository"))?;
    let none = "Every aim was reached, and no profile was asked for.";
    let profile = if profile.is_empty() { none } else { profile };
    let document = table::replace_between(&document, "results", results)
        .and_then(|document| table::replace_between(&document, "profile", profile))
        .ok_or_else(|| format!("{DOCUMENT} has lost its markers"))?;
    std::fs::write(DOCUMENT, document)?;
    eprintln!("wrote {DOCUMENT}");
    Ok(())
}
