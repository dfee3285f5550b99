//! The measurements, one file each. Every one starts its own servers in a folder of its own and removes it.

mod batch;
mod connections;
mod cumulocity;
mod groups;
mod history;
mod latency;
mod lists;
mod lwm2m;
mod onem2m;
mod publish;
mod push;
mod registrations;
mod runs;
mod start;

use crate::{Outcome, clock, process, table::Row};
use clap::ValueEnum;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Of the folder of a run; its process id follows.
const PREFIX: &str = "landfall-bench-";

/// What can be measured, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// Durable publishes.
    Publish,
    /// Memory of idle connections, and connects.
    Connections,
    /// Deliveries to one receiver.
    Push,
    /// Latency of healthy receivers beside one that hangs.
    Latency,
    /// Device registrations.
    Registrations,
    /// History queries.
    History,
    /// Start with many devices, and their lists.
    Start,
    /// A batch task over many devices, and a group of them.
    Batch,
    /// Full DTLS handshakes.
    Lwm2mHandshakes,
    /// Encrypted requests.
    Lwm2mRequests,
    /// LwM2M registrations.
    Lwm2mRegistrations,
    /// Memory of live sessions, and a restart with them.
    Lwm2mMemory,
    /// Content instances of oneM2M.
    Onem2mInstances,
    /// Provisioning of nodes over oneM2M.
    Onem2mProvisioning,
    /// Bulk registration, measurements and objects of Cumulocity.
    Cumulocity,
}

impl Measure {
    /// As on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Measures.
    pub async fn run(self, bench: &mut Bench) -> Outcome<Vec<Row>> {
        let dir = bench.dir.join(self.name());
        std::fs::create_dir_all(&dir)?;
        let rows = match self {
            Self::Publish => publish::measure(bench, &dir).await,
            Self::Connections => connections::measure(bench, &dir).await,
            Self::Push => push::measure(bench, &dir).await,
            Self::Latency => latency::measure(bench, &dir).await,
            Self::Registrations => registrations::measure(bench, &dir).await,
            Self::History => history::measure(bench, &dir).await,
            Self::Start => start::measure(bench, &dir).await,
            Self::Batch => batch::measure(bench, &dir).await,
            Self::Lwm2mHandshakes => lwm2m::handshakes::measure(bench, &dir).await,
            Self::Lwm2mRequests => lwm2m::requests::measure(bench, &dir).await,
            Self::Lwm2mRegistrations => lwm2m::registrations::measure(bench, &dir).await,
            Self::Lwm2mMemory => lwm2m::fleet::measure(bench, &dir).await,
            Self::Onem2mInstances => onem2m::instances::measure(bench, &dir).await,
            Self::Onem2mProvisioning => onem2m::provisioning::measure(bench, &dir).await,
            Self::Cumulocity => cumulocity::measure(bench, &dir).await,
        };
        std::fs::remove_dir_all(&dir)?;
        rows
    }
}

/// How much of everything.
#[derive(Clone, Debug)]
pub struct Scale {
    /// Repetitions of each measurement.
    pub repeats: usize,
    /// Connections that publish.
    pub publishers: usize,
    /// Time of one run of publishes or registrations.
    pub run: Duration,
    /// Idle connections.
    pub idle: usize,
    /// Messages that are pushed in one run.
    pub pushes: u64,
    /// Applications with a receiver each.
    pub receivers: usize,
    /// Messages to each of them in one run.
    pub rounds: u32,
    /// Devices with history.
    pub history_devices: usize,
    /// Points of each.
    pub history_points: usize,
    /// Queries of one run.
    pub queries: usize,
    /// Devices on disk at the start.
    pub start_devices: usize,
    /// Devices of one batch task.
    pub batch_devices: usize,
    /// DTLS handshakes of one run.
    pub handshakes: usize,
    /// LwM2M registrations of one run.
    pub registrations: usize,
    /// LwM2M devices with a live session.
    pub fleet: usize,
    /// Nodes of one provisioning request.
    pub nodes: usize,
    /// Provisioning requests.
    pub provisionings: usize,
    /// Rows of a file of devices.
    pub bulk_rows: usize,
}

impl Scale {
    /// The whole, or a small one that only shows that everything runs.
    pub fn of(quick: bool) -> Self {
        if quick {
            Self {
                repeats: 1,
                publishers: 100,
                run: Duration::from_secs(1),
                idle: 500,
                pushes: 2_000,
                receivers: 10,
                rounds: 10,
                history_devices: 200,
                history_points: 100,
                queries: 200,
                start_devices: 5_000,
                batch_devices: 5_000,
                handshakes: 1_000,
                registrations: 1_000,
                fleet: 5_000,
                nodes: 500,
                provisionings: 1,
                bulk_rows: 5_000,
            }
        } else {
            Self {
                repeats: 3,
                publishers: 1_000,
                run: Duration::from_secs(8),
                idle: 10_000,
                pushes: 60_000,
                receivers: 100,
                rounds: 80,
                history_devices: 10_000,
                history_points: 1_000,
                queries: 2_000,
                start_devices: 1_000_000,
                batch_devices: 1_000_000,
                handshakes: 20_000,
                registrations: 20_000,
                fleet: 100_000,
                nodes: 10_000,
                provisionings: 5,
                bulk_rows: 1_000_000,
            }
        }
    }
}

/// What all measurements share.
pub struct Bench {
    dir: PathBuf,
    /// A copy of `landfall`, so that one run measures one program, whatever is built meanwhile.
    pub program: PathBuf,
    /// How much.
    pub scale: Scale,
    /// Whether a profile is wanted in any case.
    pub always_profile: bool,
    /// Profiles taken so far, as Markdown.
    pub profile: String,
    /// Zero of the stamps in messages.
    pub epoch: Instant,
    /// Files that this process may hold open.
    pub open_files: u64,
}

impl Bench {
    /// Makes the folder of the run.
    pub fn new(dir: Option<PathBuf>, scale: Scale, always_profile: bool) -> Outcome<Self> {
        let built = std::env::current_exe()?.parent().ok_or("this program is in no folder")?.to_path_buf();
        let parent = dir.unwrap_or_else(|| built.clone());
        let dir = parent.join(format!("{PREFIX}{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        remove_left_over(&parent)?;
        let program = dir.join("landfall");
        std::fs::copy(built.join("landfall"), &program)
            .map_err(|e| format!("landfall, beside this program: {e}; build landfall-server first"))?;
        let open_files = process::raise_open_files()?;
        Ok(Self { dir, program, scale, always_profile, profile: String::new(), epoch: clock::now(), open_files })
    }

    /// Keeps a profile for the document.
    fn add_profile(&mut self, of: &str, text: &str) {
        self.profile.push_str(&format!("### During {of}\n\n{}\n\n", text.trim()));
    }

    /// The folder of the run.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Removes folders of runs that were interrupted.
fn remove_left_over(parent: &Path) -> Outcome<()> {
    for entry in std::fs::read_dir(parent)? {
        let path = entry?.path();
        let pid = path.file_name().and_then(|name| name.to_str()?.strip_prefix(PREFIX)?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            std::fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            eprintln!("{} could not be removed: {error}", self.dir.display());
        }
    }
}

/// Topic and payload of a report.
pub fn report_of(device: &str, temperature: &str) -> crate::mqtt::Template {
    let topic = format!("/huawei/v1/devices/{device}/data/json");
    let payload = format!(
        r#"{{"msgType":"deviceReq","data":[{{"serviceId":"Thermometer","serviceData":{{"temperature":{temperature}}}}}]}}"#
    );
    crate::mqtt::Template::new(&topic, &payload)
}
