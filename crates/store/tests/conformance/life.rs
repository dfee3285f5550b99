//! Starts, ends and crashes.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::{Options, SharedStore};

pub async fn totals(store: &SharedStore, devices: &[Device]) -> u64 {
    let mut total = 0;
    let mut data = std::collections::BTreeSet::new();
    for de in devices {
        let query = HistoryQuery { of: HistoryOf::Device(de.id), after: None, before: None, now: START };
        let page = store.history(&query, PageRequest { no: 0, size: 100_000 }).await.unwrap();
        total += page.total;
        data.extend(page.items.into_iter().map(|point| point.data));
    }
    assert_eq!(data.len() as u64, total, "no point twice");
    total
}

pub async fn many_devices(store: &SharedStore, count: usize) -> Vec<Device> {
    let first = one_device(store, "n").await;
    let mut devices = vec![first.clone()];
    devices.extend((1..count).map(|i| device(first.account, first.app(), &format!("n{i}"))));
    let writes = devices[1..].iter().map(write_device).collect();
    store.commit(Batch { writes, events: vec![] }).await.unwrap();
    devices
}

pub async fn a_crash_loses_nothing(place: Place) {
    let store = place.open();
    let devices = many_devices(&store, 5).await;
    let mut count = 0;
    let mut store = Some(store);
    for round in 0..4 {
        let open = store.take().unwrap_or_else(|| place.open());
        assert_eq!(totals(&open, &devices).await, count, "round {round}");
        assert_eq!(open.newest(), Seq(count));
        for d in &devices {
            count += 1;
            open.commit(tell(vec![reported(d, place.now(), "s", &format!("{count:05}"), START)])).await.unwrap();
        }
        if round == 1 {
            open.flush().await.unwrap();
        }
        let newest: Vec<_> = newest(&open, &devices).await;
        open.abort().await;
        drop(open);
        let open = place.open();
        assert_eq!(self::newest(&open, &devices).await, newest);
        let recent = open.events_after(Seq(count - 1), 5).await.unwrap();
        assert_eq!(recent.len(), 1);
        open.abort().await;
    }
    // A copy of the files in the middle of work opens as well.
    if let At::Sqlite { folder, .. } = &place.at {
        let open = place.open();
        open.commit(tell(vec![reported(&devices[0], place.now(), "s", "last", START)])).await.unwrap();
        let copy = place.beside(At::sqlite());
        copy_dir(folder, copy.at.folder().unwrap());
        let copied = copy.open();
        assert_eq!(totals(&copied, &devices).await, count + 1);
        assert_eq!(totals(&open, &devices).await, count + 1);
    }
}

async fn newest(store: &SharedStore, devices: &[Device]) -> Vec<landfall_core::DeviceState> {
    let mut states = Vec::new();
    for d in devices {
        states.push(store.device_state(d.id).await.unwrap());
    }
    states
}

/// Flushes of 150 devices take three slices; the store stops at any of them.
pub async fn a_crash_inside_a_flush_repeats_nothing(place: Place) {
    let options = Options { flush_points: 150, ..Options::default() };
    let mut devices = Vec::new();
    let mut count = 0;
    for round in 0..12u64 {
        let store = place.try_open(options.clone()).unwrap();
        if round == 0 {
            devices = many_devices(&store, 150).await;
        }
        assert_eq!(totals(&store, &devices).await, count, "round {round}");
        let mut events = Vec::new();
        for d in &devices {
            count += 1;
            events.push(reported(d, place.now(), "s", &format!("{count:05}"), START));
        }
        store.commit(tell(events)).await.unwrap();
        // A few more commits let the flush go on for a few slices.
        for _ in 0..round % 4 {
            count += 1;
            store.commit(tell(vec![reported(&devices[0], place.now(), "s", &format!("{count:05}"), START)])).await.unwrap();
        }
        store.abort().await;
    }
    let store = place.try_open(options).unwrap();
    assert_eq!(totals(&store, &devices).await, count);
    store.flush().await.unwrap();
    assert_eq!(totals(&store, &devices).await, count);
    assert_eq!(store.stats().await.unwrap().pending_points, 0);
}

pub async fn a_second_process_is_refused(place: Place) {
    let store = place.open();
    let error = place.try_open(Options::default()).unwrap_err();
    assert!(error.detail.contains("in use by another process"), "{error}");
    store.shutdown().await;
    place.open();
}

pub async fn shutdown_drains(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let mut tasks = Vec::new();
    for i in 0..200 {
        let (store, event) = (store.clone(), reported(&de, START, "s", &format!("{i}"), START));
        tasks.push(tokio::spawn(async move { store.commit(tell(vec![event])).await }));
    }
    store.shutdown().await;
    let mut taken = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => taken += 1,
            Err(error) => assert_eq!(error.cause, Cause::Stopping),
        }
    }
    assert_eq!(store.stats().await.unwrap().pending_points, 0);
    store.shutdown().await;
    let store = place.open();
    assert_eq!(store.stats().await.unwrap().pending_points, 0);
    assert_eq!(totals(&store, &[de]).await, taken);
}

pub async fn small_chunks_are_merged(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    for i in 0..20 {
        store.commit(tell(vec![reported(&de, place.now(), "s", &format!("{i:03}"), START)])).await.unwrap();
        store.flush().await.unwrap();
        if i == 9 {
            place.pass_s(DAY_S);
        }
    }
    store.shutdown().await;
    let count = "SELECT COUNT(*) FROM chunk";
    let chunks: i64 = match &place.at {
        At::Sqlite { folder: dir, .. } => {
            rusqlite::Connection::open(dir.join("landfall.db")).unwrap().query_row(count, [], |row| row.get(0)).unwrap()
        }
        At::Postgres { url, .. } => {
            let url = url.clone();
            let ask = move || postgres::Client::connect(&url, postgres::NoTls).unwrap().query_one(count, &[]).unwrap().get(0);
            std::thread::spawn(ask).join().unwrap()
        }
    };
    assert_eq!(chunks, 2, "one a day");
    assert_eq!(totals(&place.open(), &[de]).await, 20);
}

/// Runs a statement beside the store; returns how many rows it gave.
async fn beside(admin: &str, statement: String) -> usize {
    let admin = admin.to_owned();
    let ask = move || postgres::Client::connect(&admin, postgres::NoTls).unwrap().query(&statement, &[]).unwrap().len();
    tokio::task::spawn_blocking(ask).await.unwrap()
}

fn end_of_the_writer(schema: &str) -> String {
    format!(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1279348294 \
         AND objid::bigint = (hashtext('{schema}')::bigint & 4294967295)"
    )
}

/// The database had another writer meanwhile: the store says so and ends.
pub async fn another_writer_ends_the_store(place: Place) {
    let At::Postgres { admin, schema, .. } = &place.at else { return };
    let store = place.open();
    let de = one_device(&store, "n").await;
    beside(admin, format!("UPDATE {schema}.meta SET value = value + 1 WHERE key = 'epoch'")).await;
    assert_eq!(beside(admin, end_of_the_writer(schema)).await, 1);
    // The writer notices when it writes.
    drop(store.commit(tell(vec![reported(&de, START, "s", "v", START)])).await);
    assert!(store.lost().await.contains("another writer"));
    assert_eq!(store.probe().await.unwrap_err().cause, Cause::Stopping);
}

/// Another process has the lock by the time the connection is back.
pub async fn a_lock_that_another_took_ends_the_store(place: Place) {
    let At::Postgres { admin, schema, url } = &place.at else { return };
    let store = place.open();
    let de = one_device(&store, "n").await;
    let url = url.clone();
    let (end, bump) = (end_of_the_writer(schema), "UPDATE meta SET value = value + 1 WHERE key = 'epoch'");
    // Waits for the lock, and gets it the moment that the writer's connection ends.
    let other = tokio::task::spawn_blocking(move || {
        let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        client.execute("SELECT pg_advisory_lock(1279348294, hashtext(current_schema()))", &[]).unwrap();
        client.execute(bump, &[]).unwrap();
        client
    });
    let waiting = format!(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid::bigint = (hashtext('{schema}')::bigint & 4294967295)"
    );
    while beside(admin, waiting.clone()).await == 0 {}
    assert_eq!(beside(admin, end.replace("WHERE", "WHERE granted AND")).await, 1);
    let client = other.await.unwrap();
    drop(store.commit(tell(vec![reported(&de, START, "s", "v", START)])).await);
    assert!(store.lost().await.contains("another writer"));
    tokio::task::spawn_blocking(move || drop(client)).await.unwrap();
}

pub async fn a_probe_writes(place: Place) {
    let store = place.open();
    store.probe().await.unwrap();
    store.probe().await.unwrap();
    store.shutdown().await;
    assert_eq!(store.probe().await.unwrap_err().cause, Cause::Stopping);
}

/// What is in the WAL is moved into the database at a clean end, so that this alone may be copied.
pub async fn a_clean_end_leaves_one_file(place: Place) {
    let At::Sqlite { folder: dir, .. } = &place.at else { return };
    let store = place.open();
    let devices = many_devices(&store, 50).await;
    store.device(devices[7].id).await.unwrap();
    let wal = || std::fs::metadata(dir.join("landfall.db-wal")).map_or(0, |file| file.len());
    assert!(wal() > 0);
    store.shutdown().await;
    assert_eq!(wal(), 0);
}

pub async fn a_database_that_is_gone_is_no_fresh_start(place: Place) {
    let options = Options { must_exist: true, ..Options::default() };
    let error = place.try_open(options.clone()).unwrap_err();
    assert!(error.detail.contains("--new-database"), "{error}");
    place.open().shutdown().await;
    place.try_open(options).unwrap();
}

/// The server ends the writer's connection; after a while the store goes on by itself, with nothing lost.
pub async fn a_lost_connection_is_replaced(place: Place) {
    let At::Postgres { admin, schema, .. } = &place.at else { return };
    let store = place.open();
    let devices = many_devices(&store, 3).await;
    store.commit(tell(vec![reported(&devices[0], START, "s", "before", START)])).await.unwrap();
    assert_eq!(beside(admin, end_of_the_writer(schema)).await, 1);
    let mut refused = 0;
    let taken = loop {
        match store.commit(tell(vec![reported(&devices[1], START, "s", "after", START)])).await {
            Ok(committed) => break committed,
            Err(error) => assert_eq!(error.cause, Cause::Overloaded),
        }
        refused += 1;
        assert!(refused < 1_000);
    };
    assert!(refused > 0);
    assert_eq!(taken.seq, Seq(2));
    assert_eq!(totals(&store, &devices).await, 2);
    assert!(store.device(devices[2].id).await.unwrap().is_some());
}
