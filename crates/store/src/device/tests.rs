//! Devices of an older database are found again by every list and name, in both stores.

use crate::{
    Options, SharedStore,
    engine::{backend::Backend, migrate::migrate, postgres::Target, sql::Value},
};
use landfall_core::store::*;
use landfall_model::*;
use landfall_testkit::{World, ground::place::Place};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

const ALL: PageRequest = PageRequest { no: 0, size: 10_000 };
/// Schema of the program that wrote the database: devices have one application, names and identities are columns.
const BEFORE: usize = 6;
const STATEMENT: Duration = Duration::from_secs(30);

/// A directory, and a schema where there is a server.
pub(crate) fn places(test: &str) -> Vec<Place> {
    [Some(Place::sqlite()), Place::postgres(test)].into_iter().flatten().collect()
}

pub(crate) fn backend(place: &Place) -> Backend {
    match place {
        Place::Sqlite { folder, .. } => Backend::Sqlite(folder.clone()),
        Place::Postgres { url, .. } => Backend::Postgres(Arc::new(Target::parse(url, None, STATEMENT).unwrap())),
    }
}

fn open(place: &Place) -> SharedStore {
    crate::open(place.url(), Options::default(), Arc::new(World::new(1))).unwrap()
}

/// Writes these devices as the older program did.
fn older(place: &Place, devices: &[Device]) {
    let backend = backend(place);
    let _lock = backend.lock().unwrap();
    let mut sql = backend.writer().unwrap();
    migrate(&mut *sql, BEFORE).unwrap();
    for device in devices {
        let text = "INSERT INTO device (id, version, account, app, node_id, gateway, node_type, status, connected, activated, created_at, \
                    doc, psk_identity, node_name) VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, ?8, ?9, ?10, ?11)";
        let gateway = device.gateway_id();
        let params = [
            Value::Bytes(device.id.0.as_bytes()),
            Value::Bytes(device.account.0.as_bytes()),
            Value::Bytes(device.principals[0].0.as_bytes()),
            Value::Text(&device.node_id),
            Value::Bytes(gateway.0.as_bytes()),
            Value::Text(device.node_type.as_str()),
            Value::Text(device.status.as_str()),
            Value::Int(device.created_at.0),
            Value::Text(&serde_json::to_string(device).unwrap()),
            Value::Text(device.psk_identity()),
            Value::opt_text(device.node.as_ref().map(|node| node.name.as_str())),
        ];
        sql.execute(text, &params).unwrap();
    }
}

fn id(kind: u64, n: u64) -> Uuid {
    Uuid::from_u64_pair(n.wrapping_mul(0x9E37_79B9_7F4A_7C15), kind)
}

/// Devices of two accounts with two applications each; every third has a node, every fourth an identity of its own, half are behind another.
fn devices(count: u64) -> Vec<Device> {
    let device = |n: u64| {
        let (account, app) = (n % 2, n % 4);
        let node = Node {
            name: format!("node-{}", n / 2),
            labels: vec![],
            profile: None,
            iccid: None,
            infos: vec![],
            credentials_at: None,
            observed: vec![],
            managed: vec![],
            created_at: Time(1),
            modified_at: Time(1),
        };
        let psk_identity = (n % 4 == 1).then(|| format!("key-{n}"));
        Device {
            access: AccessMode::Secret,
            gateway: (n >= count / 2).then(|| DeviceId(id(1, n - count / 2))),
            node_type: if n >= count / 2 { NodeType::Endpoint } else { NodeType::Gateway },
            credentials: Credentials { psk_identity, ..Credentials::default() },
            status: if n.is_multiple_of(5) { DeviceStatus::Online } else { DeviceStatus::Inactive },
            modified_at: Time(1),
            node: n.is_multiple_of(3).then(|| Arc::new(node)),
            ..Device::new(
                DeviceId(id(1, n)),
                AccountId(id(2, account)),
                AppId(id(3, app)),
                format!("urn:imei:{n:015}"),
                Time((n / 3) as i64),
            )
        }
    };
    (0..count).map(device).collect()
}

async fn lists_are_whole(store: &SharedStore, known: &[Device]) {
    let mut known: Vec<&Device> = known.iter().collect();
    known.sort_by_key(|device| (device.created_at, device.id));
    for account in 0..2 {
        let of = DeviceFilter { sort: Sort::Ascending, ..DeviceFilter::of(AccountId(id(2, account))) };
        for (app, status, node_type) in (0..4).flat_map(|app| {
            let statuses = [None, Some(DeviceStatus::Online)];
            statuses.into_iter().flat_map(move |status| [None, Some(NodeType::Endpoint)].map(|kind| (app, status, kind)))
        }) {
            let filter = DeviceFilter { principal: Some(AppId(id(3, app))), status, node_type, ..of.clone() };
            let fits = |device: &&&Device| {
                device.account == filter.account
                    && device.principals.include(AppId(id(3, app)))
                    && status.is_none_or(|status| status == device.status)
                    && node_type.is_none_or(|kind| kind == device.node_type)
            };
            let expected: Vec<DeviceId> = known.iter().filter(fits).map(|device| device.id).collect();
            let page = store.devices(&filter, ALL).await.unwrap();
            let found: Vec<DeviceId> = page.items.iter().map(|device| device.id).collect();
            assert_eq!((page.total, found), (expected.len() as u64, expected.clone()), "{filter:?}");
            let after = store.devices_after(&filter, None, ALL.size).await.unwrap();
            assert_eq!(after.iter().map(|device| device.id).collect::<Vec<_>>(), expected);
        }
    }
}

async fn names_are_found(store: &SharedStore, device: &Device) {
    let found = |device: Option<Arc<Device>>| device.map(|device| device.id);
    assert_eq!(found(store.device_by_node(&device.node_id).await.unwrap()), Some(device.id));
    let bare = device.node_id.trim_start_matches("urn:imei:");
    assert_eq!(found(store.device_of(&Identity::of(bare)).await.unwrap()), Some(device.id));
    assert_eq!(found(store.device_by_psk_identity(device.psk_identity()).await.unwrap()), Some(device.id));
    if let Some(node) = &device.node {
        assert_eq!(found(store.device_by_node_name(device.account, &node.name).await.unwrap()), Some(device.id));
    }
}

async fn put(store: &SharedStore, device: &Device) -> std::result::Result<(), Cause> {
    let batch = Batch { writes: vec![Write::Device(Box::new(device.clone()))], events: vec![] };
    store.commit(batch).await.map(|_| ()).map_err(|error| error.cause)
}

async fn names_stay_taken(store: &SharedStore, known: &mut Vec<Device>) {
    let (holder, last) = (known[0].clone(), known.last().unwrap().clone());
    let fresh = Device { id: DeviceId(id(9, 9)), gateway: None, node: None, node_id: "fresh".into(), ..holder.clone() };
    let other = Device { account: known[1].account, ..fresh.clone() };
    let cases = [
        (Device { node_id: holder.node_id.replace("urn:imei:", "imei:"), ..other.clone() }, Cause::NodeIdTaken),
        (Device { credentials: known[1].credentials.clone(), ..fresh.clone() }, Cause::NodeIdTaken),
        (Device { node: holder.node.clone(), ..fresh.clone() }, Cause::ResourceExists),
    ];
    for (taker, cause) in cases {
        assert_eq!(put(store, &taker).await, Err(cause), "{taker:?}");
    }
    // A name of a node is an account's own: the other one has it too.
    assert_eq!(store.device_by_node_name(other.account, "node-0").await.unwrap(), None);
    put(store, &Device { node: holder.node.clone(), ..other.clone() }).await.unwrap();
    store.commit(Batch { writes: vec![Write::DeleteDevice(other.id)], events: vec![] }).await.unwrap();
    // What goes leaves its names.
    store.commit(Batch { writes: vec![Write::DeleteDevice(last.id)], events: vec![] }).await.unwrap();
    known.pop();
    let again = Device { id: DeviceId(id(9, 1)), ..last };
    put(store, &again).await.unwrap();
    known.push(again);
}

#[test]
fn devices_of_an_older_database_are_found_again() {
    for place in places("found") {
        let mut known = devices(2_501);
        older(&place, &known);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        for _ in 0..2 {
            let store = open(&place);
            runtime.block_on(async {
                lists_are_whole(&store, &known).await;
                for device in known.iter().step_by(7) {
                    names_are_found(&store, device).await;
                }
                names_stay_taken(&store, &mut known).await;
                lists_are_whole(&store, &known).await;
                names_are_found(&store, known.last().unwrap()).await;
                store.shutdown().await;
            });
        }
    }
}
