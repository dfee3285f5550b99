//! How databases that are older than the rule of identities were brought forward: what the names of devices stand for, each held by one of them.

use crate::{
    engine::sql::{Sql, SqlResult, Value, query_all, query_one},
    stream::replay,
};
use landfall_model::{DeviceId, Identity};

/// Devices read at once by [`fill`].
const ROUND: i64 = 1_000;

struct Named {
    id: DeviceId,
    created_at: i64,
    identities: [Identity; 2],
}

/// Gives the devices of an older database their identities; where several want one, the oldest of them holds it.
pub(crate) fn fill(sql: &mut dyn Sql) -> SqlResult<()> {
    const TEXT: &str = "SELECT id, created_at, node_id, psk_identity FROM device WHERE id > ?1 ORDER BY id LIMIT ?2";
    let mut after = vec![];
    loop {
        let devices = query_all(sql, TEXT, &[Value::Bytes(&after), Value::Int(ROUND)], |row| {
            let identities = [Identity::of(row.text(2)?), Identity::of(row.text(3)?)];
            Ok(Named { id: DeviceId(replay::id(row.bytes(0)?)?), created_at: row.int(1)?, identities })
        })?;
        let Some(last) = devices.last() else { return Ok(()) };
        after = last.id.0.as_bytes().to_vec();
        for device in &devices {
            for identity in &device.identities {
                settle(sql, identity, device)?;
            }
        }
    }
}

fn settle(sql: &mut dyn Sql, identity: &Identity, device: &Named) -> SqlResult<()> {
    let (name, own) = (Value::Text(identity.as_str()), (device.created_at, device.id));
    let params = [name, Value::Bytes(own.1.0.as_bytes())];
    if sql.execute("INSERT INTO identity (name, device) VALUES (?1, ?2) ON CONFLICT DO NOTHING", &params)? > 0 {
        return Ok(());
    }
    let text = "SELECT d.created_at, d.id FROM identity i JOIN device d ON d.id = i.device WHERE i.name = ?1";
    let holder = query_one(sql, text, &[name], |row| Ok((row.int(0)?, DeviceId(replay::id(row.bytes(1)?)?))))?;
    let Some(holder) = holder.filter(|(_, id)| *id != device.id) else { return Ok(()) };
    if own < holder {
        sql.execute("UPDATE identity SET device = ?2 WHERE name = ?1", &params)?;
    }
    let (since, waits) = own.max(holder);
    sql.execute(
        "INSERT INTO identity_clash (name, created_at, device) VALUES (?1, ?2, ?3)",
        &[name, Value::Int(since), Value::Bytes(waits.0.as_bytes())],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Options, SharedStore,
        engine::{backend::Backend, migrate::migrate},
        stream::record::tests::scratch,
    };
    use landfall_core::store::*;
    use landfall_model::{AccessMode, AccountId, AppId, Batch, Cause, Credentials, Device, PageRequest, Time, Write};
    use landfall_testkit::World;
    use std::sync::Arc;

    fn device(byte: u8, created_at: i64, node_id: &str, psk_identity: Option<&str>) -> Device {
        Device {
            access: AccessMode::Secret,
            credentials: Credentials { psk_identity: psk_identity.map(str::to_owned), ..Credentials::default() },
            ..Device::new(
                DeviceId::from_random([byte; 16]),
                AccountId::from_random([byte; 16]),
                AppId::from_random([byte; 16]),
                node_id,
                Time(created_at),
            )
        }
    }

    /// A directory with these devices as the program before this rule left it, opened by this one.
    fn brought_forward(dir: &std::path::Path, devices: &[Device]) -> SharedStore {
        const BEFORE: usize = 6;
        let backend = Backend::Sqlite(dir.to_path_buf());
        let lock = backend.lock().unwrap();
        let mut sql = backend.writer().unwrap();
        migrate(&mut *sql, BEFORE).unwrap();
        for device in devices {
            let text = "INSERT INTO device (id, version, account, app, node_id, gateway, node_type, status, connected, activated, created_at, \
                        doc, psk_identity) VALUES (?1, 1, ?2, ?3, ?4, ?1, 'GATEWAY', 'INACTIVE', 0, 0, ?5, ?6, ?7)";
            let params = [
                Value::Bytes(device.id.0.as_bytes()),
                Value::Bytes(device.account.0.as_bytes()),
                Value::Bytes(device.principals[0].0.as_bytes()),
                Value::Text(&device.node_id),
                Value::Int(device.created_at.0),
                Value::Text(&serde_json::to_string(device).unwrap()),
                Value::Text(device.psk_identity()),
            ];
            sql.execute(text, &params).unwrap();
        }
        drop((sql, lock));
        open(dir)
    }

    fn open(dir: &std::path::Path) -> SharedStore {
        crate::open_sqlite(dir, Options::default(), Arc::new(World::new(1))).unwrap()
    }

    async fn put(store: &SharedStore, device: &Device) -> Result<(), Cause> {
        let batch = Batch { writes: vec![Write::Device(Box::new(device.clone()))], events: vec![] };
        store.commit(batch).await.map(|_| ()).map_err(|error| error.cause)
    }

    async fn found(store: &SharedStore, name: &str) -> Option<DeviceId> {
        store.device_of(&Identity::of(name)).await.unwrap().map(|device| device.id)
    }

    /// Clashes as (identity, who waits, who holds it).
    async fn clashes(store: &SharedStore) -> Vec<(String, DeviceId, DeviceId)> {
        let page = store.name_clashes(PageRequest { no: 0, size: 100 }).await.unwrap();
        assert_eq!(page.total, page.items.len() as u64);
        page.items.iter().map(|one| (one.identity.as_str().to_owned(), one.device.id, one.holder.id)).collect()
    }

    #[tokio::test]
    async fn the_older_device_keeps_a_name_and_the_other_waits_for_it() {
        const IMEI: &str = "863703030668222";
        let dir = scratch();
        // In the order of their ids neither the first nor the last is the oldest.
        let (second, oldest, third) = (
            device(1, 20, "urn:imei:863703030668222", None),
            device(2, 10, IMEI, Some("key")),
            device(3, 30, "meter", Some("imei:863703030668222")),
        );
        let apart = device(4, 5, "apart", None);
        let store = brought_forward(&dir, &[second.clone(), oldest.clone(), third.clone(), apart.clone()]);
        for _ in 0..2 {
            let waiting = [(IMEI.to_owned(), second.id, oldest.id), (IMEI.to_owned(), third.id, oldest.id)];
            assert_eq!(clashes(&store).await, waiting);
            assert_eq!(found(&store, "urn:imei:863703030668222").await, Some(oldest.id));
            assert_eq!(found(&store, "meter").await, Some(third.id));
            assert_eq!(found(&store, "apart").await, Some(apart.id));
            assert_eq!(store.device(second.id).await.unwrap().as_deref(), Some(&second), "under its id");
        }
        // It may be changed, does not get the name by that, and nobody else does.
        let changed = Device { version: 2, mute: true, data_aging_days: Some(3), ..second.clone() };
        put(&store, &changed).await.unwrap();
        assert_eq!(found(&store, IMEI).await, Some(oldest.id));
        assert_eq!(put(&store, &device(5, 40, "imei:863703030668222", None)).await, Err(Cause::NodeIdTaken));
        let taker = Device { version: 2, node_id: "urn:gsma:imei:863703030668222".into(), ..apart.clone() };
        assert_eq!(put(&store, &taker).await, Err(Cause::NodeIdTaken));
        // The text of a waiting device's nodeId stays its own.
        let same_text = Device { version: 2, node_id: second.node_id.clone(), ..oldest.clone() };
        assert_eq!(put(&store, &same_text).await, Err(Cause::NodeIdTaken));
        // One that takes another name waits no more; the next gets the name when it is free.
        let renamed = Device { version: 2, credentials: Credentials::default(), ..third };
        put(&store, &renamed).await.unwrap();
        assert_eq!(clashes(&store).await, [(IMEI.to_owned(), second.id, oldest.id)]);
        store.commit(Batch { writes: vec![Write::DeleteDevice(oldest.id)], events: vec![] }).await.unwrap();
        assert_eq!((clashes(&store).await, found(&store, IMEI).await), (vec![], Some(second.id)));
        assert_eq!(found(&store, "key").await, None);
        store.shutdown().await;
        drop(store);
        assert_eq!(found(&open(&dir), IMEI).await, Some(second.id));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn many_devices_are_brought_forward() {
        let dir = scratch();
        let mut devices: Vec<Device> = vec![];
        for n in 0..2_500_u32 {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&n.to_be_bytes());
            devices.push(Device { id: DeviceId::from_random(id), ..device(0, i64::from(n), &format!("n{n}"), None) });
        }
        let store = brought_forward(&dir, &devices);
        for device in devices.iter().step_by(499).chain(devices.last()) {
            assert_eq!(found(&store, &device.node_id).await, Some(device.id));
        }
        assert!(clashes(&store).await.is_empty());
        drop(store);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
