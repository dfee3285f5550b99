//! Fault loops: a server under mixed load is killed, loses its database connections, its disk or its clock, or is sent bodies that never end, over and over.
//! Afterwards all that was acknowledged must be there, and all that is there must have been pushed.
//!
//! Absent: measurements. A round lasts as long as it lasts; only what was lost counts.

mod fault;
mod ground;
mod load;

use crate::{Outcome, clock, measure::Bench, preload::below};
use clap::ValueEnum;
use fault::Fault;
use ground::{Balance, Ground};
use std::time::{Duration, Instant};

/// Load before a fault: at least so long, and up to as much more, at random.
const CALM_MS: usize = 500;

/// Runs each kind of fault for its share of the minutes and prints what came of it. False: something was lost.
pub async fn run(bench: &Bench, minutes: u32) -> Outcome<bool> {
    let faults = Fault::value_variants();
    let share = Duration::from_secs(u64::from(minutes) * 60) / u32::try_from(faults.len())?;
    println!("| fault | rounds | acknowledged | lost | pushed | never pushed | pushed again |");
    println!("|---|---|---|---|---|---|---|");
    let mut whole = true;
    for fault in faults {
        if let Some(missing) = fault.missing() {
            println!("| {} | not run: {missing} | | | | | |", fault.name());
            continue;
        }
        match rounds(bench, *fault, share).await {
            Ok((rounds, balance)) => {
                whole &= balance.is_whole();
                println!("| {} | {rounds} | {balance} |", fault.name());
            }
            Err(error) => {
                whole = false;
                println!("| {} | failed: {error} | | | | | |", fault.name());
            }
        }
    }
    Ok(whole)
}

async fn rounds(bench: &Bench, fault: Fault, share: Duration) -> Outcome<(u64, Balance)> {
    let mut ground = Ground::prepare(bench, fault).await?;
    let began: Instant = clock::now();
    let mut rounds = 0;
    while rounds == 0 || began.elapsed() < share {
        ground.load();
        ground.wait_for_progress().await?;
        tokio::time::sleep(Duration::from_millis((CALM_MS + below(CALM_MS)) as u64)).await;
        fault.strike(&mut ground).await?;
        ground.wait_for_progress().await?;
        ground.rest().await?;
        rounds += 1;
    }
    Ok((rounds, ground.balance().await?))
}
