//! Fills a data directory through Landfall's own store, where the public interfaces would take too long for a measurement's set-up.
//!
//! The account, the application, the product and a first device were made by the running server; more devices are copies of that one.

use crate::{Outcome, api, clock};
use futures_util::{StreamExt, TryStreamExt, stream};
use landfall_core::store::*;
use landfall_model::{Batch, Device, DeviceId, Event, EventBody, Report, Secret, ServiceReport, Time, Write};
use landfall_store::{Options, SharedStore, open_sqlite};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

const DATABASE: &str = "landfall.db";
/// Folders below the data directory in which the database may be.
const DEPTH: usize = 3;
const BATCH: usize = 10_000;
/// Batches in the making while others are written.
const AHEAD: usize = 3;
/// Between two points of a device.
const POINT_MS: i64 = 300_000;

/// An open store of a stopped server.
pub struct Preload {
    store: SharedStore,
    template: Device,
}

impl Preload {
    /// Opens the store below a data directory. `template` names one device of it.
    pub async fn open(data: &Path, template: &[api::Device]) -> Outcome<Self> {
        let dir = folder_of_database(data).ok_or("no database in the data directory")?;
        let store = open_sqlite(&dir, Options::default(), Arc::new(clock::world())).map_err(told)?;
        let id: DeviceId = template.first().ok_or("no device to copy")?.id.parse()?;
        let device = store.device(id).await.map_err(told)?.ok_or("the device to copy is not there")?;
        Ok(Self { store, template: Device::clone(&device) })
    }

    /// Registers copies of the template, with the event of their registration.
    pub async fn devices(&self, prefix: &str, count: usize) -> Outcome<Vec<DeviceId>> {
        let ids: Vec<DeviceId> = (0..count).map(|_| DeviceId::from_random(random())).collect();
        let batches = ids.chunks(BATCH).enumerate().map(|(i, chunk)| {
            let copies = chunk.iter().enumerate().map(|(j, id)| self.copy(*id, format!("{prefix}-copy-{:07}", i * BATCH + j)));
            let mut batch = Batch::default();
            for device in copies {
                batch.events.push(Event {
                    account: device.account,
                    principals: Some(device.principals.clone()),
                    device: Some(device.id),
                    at: device.created_at,
                    body: EventBody::DeviceAdded(Box::new(device.view())),
                });
                batch.writes.push(Write::Device(Box::new(device)));
            }
            self.store.commit(batch)
        });
        stream::iter(batches).buffered(AHEAD).try_for_each(|_| async { Ok(()) }).await.map_err(told)?;
        Ok(ids)
    }

    /// Stores `points` reports of each device, in the order in which devices would have sent them, the last one now.
    pub async fn points(&self, devices: &[DeviceId], points: usize) -> Outcome<()> {
        let now = clock::utc();
        let times = (0..points).map(|i| Time(now.0 - (points - 1 - i) as i64 * POINT_MS));
        let batches = times.flat_map(|at| devices.chunks(BATCH).map(move |chunk| (at, chunk)));
        let commits = batches.map(|(at, chunk)| {
            let events = chunk.iter().map(|device| self.report(*device, at)).collect();
            self.store.commit(Batch { writes: Vec::new(), events })
        });
        stream::iter(commits).buffered(AHEAD).try_for_each(|_| async { Ok(()) }).await.map_err(told)?;
        Ok(())
    }

    /// Cuts what waits into chunks and closes.
    pub async fn close(self) {
        self.store.shutdown().await;
    }

    fn copy(&self, id: DeviceId, node_id: String) -> Device {
        let mut device = self.template.clone();
        device.id = id;
        device.version = 1;
        device.node_id = node_id;
        device.credentials.secret = Some(Secret::new(hex::encode(random())));
        device.created_at = clock::utc();
        device
    }

    fn report(&self, device: DeviceId, at: Time) -> Event {
        let (account, app) = (self.template.account, self.template.app());
        // Values that differ, as those of thermometers do.
        let data = format!(r#"{{"temperature":{}.{}}}"#, 15 + below(10), below(10));
        let service = ServiceReport { service_id: "Thermometer".into(), service_type: None, data, event_time: at, meta: None };
        let report = Report { device, account, app, gateway: device, received_at: at, services: vec![service], raw: None };
        Event { account, principals: Some(app.into()), device: Some(device), at, body: EventBody::Reported(report) }
    }
}

/// A random number below `bound`.
pub fn below(bound: usize) -> usize {
    (u128::from_le_bytes(random()) % bound.max(1) as u128) as usize
}

#[allow(clippy::expect_used, reason = "without randomness there are no ids, and so nothing to measure")]
fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

fn told(error: landfall_model::Error) -> String {
    format!("store: {error:?}")
}

/// The write-ahead log of the database below a data directory.
pub fn log_of_database(data: &Path) -> Outcome<PathBuf> {
    Ok(folder_of_database(data).ok_or("no database in the data directory")?.join(format!("{DATABASE}-wal")))
}

fn folder_of_database(data: &Path) -> Option<PathBuf> {
    folder_below(data, DEPTH)
}

fn folder_below(dir: &Path, depth: usize) -> Option<PathBuf> {
    if dir.join(DATABASE).exists() {
        return Some(dir.to_path_buf());
    }
    let folders = std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    if depth == 0 { None } else { folders.into_iter().find_map(|folder| folder_below(&folder, depth - 1)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_core::{HistoryOf, HistoryQuery};
    use landfall_model::{AccessMode, Account, AccountId, App, AppId, Credentials, Digest, NodeType, PageRequest};

    fn first_device() -> (Batch, Device) {
        let (account, app, id) =
            (AccountId::from_random(random()), AppId::from_random(random()), DeviceId::from_random(random()));
        let at = clock::utc();
        let device = Device {
            access: AccessMode::Secret,
            node_type: NodeType::Unknown,
            credentials: Credentials { secret: Some(Secret::new("own")), ..Credentials::default() },
            ..Device::new(id, account, app, "first", at)
        };
        let account = Account {
            id: account,
            version: 1,
            name: "a".into(),
            tenant: None,
            token: None,
            settings: Default::default(),
            created_at: at,
        };
        let app = App {
            id: app,
            account: account.id,
            version: 1,
            name: "b".into(),
            secret: Digest([0; 32]),
            frozen: false,
            authorized: vec![],
            limits: Default::default(),
            token: None,
            originator: None,
            session: None,
            created_at: at,
        };
        let writes = vec![Write::Account(Box::new(account)), Write::App(Box::new(app)), Write::Device(Box::new(device.clone()))];
        (Batch { writes, events: vec![] }, device)
    }

    #[tokio::test]
    async fn what_is_filled_in_is_there_when_the_store_opens_again() {
        let data = std::env::temp_dir().join(format!("landfall-bench-test-{}", DeviceId::from_random(random())));
        let dir = data.join("store");
        let (batch, device) = first_device();
        let store = open_sqlite(&dir, Options::default(), Arc::new(clock::world())).unwrap();
        store.commit(batch).await.unwrap();
        store.shutdown().await;
        drop(store);

        let preload = Preload::open(&data, &[api::Device::new(device.id.to_string(), String::new())]).await.unwrap();
        let ids = preload.devices("x", 7).await.unwrap();
        preload.points(&ids, 30).await.unwrap();
        preload.close().await;

        let store = open_sqlite(&dir, Options::default(), Arc::new(clock::world())).unwrap();
        for id in ids {
            let copy = store.device(id).await.unwrap().unwrap();
            assert_ne!(copy.credentials.secret, device.credentials.secret, "each has a secret of its own");
            let query = HistoryQuery { of: HistoryOf::Device(id), after: None, before: None, now: Time(0) };
            let page = store.history(&query, PageRequest { no: 0, size: 20 }).await.unwrap();
            assert_eq!((page.total, page.items.len()), (30, 20));
        }
        store.shutdown().await;
        drop(store);
        std::fs::remove_dir_all(data).unwrap();
    }
}
