//! Rows of an import a second: `imported_rows [ROWS] [objects]`, from rows in memory to devices in SQLite, in a directory of its own. With `objects`, rows give
//! credentials, an object in a group and two external ids.
//!
//! Told are the rows handed over, checked alone (a dry run) and made, and the most memory that the process had.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)] // A measurement reads the clock.

use landfall_core::{NewDevice, NewDeviceObject, NewImport, Row};
use landfall_model::Secret;
use landfall_testkit::{
    Ground,
    ground::{Tenant, new_device},
};
use std::time::Instant;

#[tokio::main]
async fn main() {
    let rows: usize = std::env::args().nth(1).map_or(200_000, |text| text.parse().unwrap());
    let objects = std::env::args().nth(2).is_some_and(|word| word == "objects");
    let ground = Ground::new(1).await;
    let tenant = ground.tenant("t").await;
    for dry_run in [true, false] {
        let begin = Instant::now();
        let mut open = ground.core.open_import(&tenant.scope, NewImport { dry_run, ..NewImport::default() }).await.unwrap();
        for first in (0..rows).step_by(1_000) {
            let some = (first..rows.min(first + 1_000))
                .map(|n| if objects { credentials(&ground, n) } else { row(&tenant, n) })
                .collect();
            ground.core.hand_over_rows(&mut open, some).await.unwrap();
        }
        let id = ground.core.close_job(open).await.unwrap().id;
        told("handed over", rows, begin);
        let begin = Instant::now();
        while ground.core.turn_jobs().await.unwrap().more {}
        told(if dry_run { "checked" } else { "made" }, rows, begin);
        let (job, counts) = ground.core.store().job(id).await.unwrap().unwrap();
        assert!(job.is_over() && counts.succeeded == rows as u64, "{counts:?}");
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
}

fn row(tenant: &Tenant, n: usize) -> Row {
    Row::Device(Box::new(NewDevice { app: None, device: new_device(&format!("meter-{n:07}"), &tenant.product) }))
}

fn credentials(ground: &Ground, n: usize) -> Row {
    let object = NewDeviceObject {
        kind: "c8y_Meter".into(),
        name: format!("Meter {n}"),
        id_type: "c8y_Serial".into(),
        external: vec![("iccid".into(), format!("8949{n:015}"))],
        path: vec![format!("group {}", n / 10_000)],
        ..NewDeviceObject::default()
    };
    let password = Secret::new("a-secret-of-24-characters");
    let made = ground.core.new_credentials(format!("meter-{n:07}"), &password, None, Some(object));
    Row::Credentials(Box::new(made.unwrap()))
}

fn told(what: &str, rows: usize, begin: Instant) {
    let s = begin.elapsed().as_secs_f64();
    println!("{what}: {:.0} rows a second ({rows} in {s:.1} s)", rows as f64 / s);
}
