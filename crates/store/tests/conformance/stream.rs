//! The event stream: order, reading, waiting, retention, limits.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::{Options, SharedStore};

async fn numbers(store: &SharedStore, after: u64, limit: u32) -> Vec<u64> {
    store.events_after(Seq(after), limit).await.unwrap().iter().map(|e| e.seq.0).collect()
}

pub async fn events_have_places_in_order(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let mut tasks = Vec::new();
    for i in 0..50i64 {
        let events = (0..=i % 3).map(|k| reported(&de, Time(i), "s", &format!("{k}"), Time(k))).collect();
        let store = store.clone();
        tasks.push((i, tokio::spawn(async move { store.commit(tell(events)).await })));
    }
    let mut ends = Vec::new();
    for (i, task) in tasks {
        ends.push((i, task.await.unwrap().unwrap().seq.0));
    }
    let stored = store.events_after(Seq(0), 1_000).await.unwrap();
    assert!(stored.iter().zip(1..).all(|(e, seq)| e.seq.0 == seq));
    for (i, end) in ends {
        // A batch's events are neighbours and end where its commit said.
        for k in 0..=i % 3 {
            let event = &stored[(end as i64 - 1 - i % 3 + k) as usize].event;
            assert_eq!(**event, reported(&de, Time(i), "s", &format!("{k}"), Time(k)));
        }
    }
    // Polled one after another without waiting: applied in that order.
    let first = store.commit(tell(vec![gone(&de, Time(1))]));
    let second = store.commit(tell(vec![gone(&de, Time(2))]));
    let (first, second) = tokio::join!(first, second);
    assert_eq!(second.unwrap().seq.0, first.unwrap().seq.0 + 1);
    assert_eq!(seq(store.commit(Batch::default()).await), Ok(store.newest()));
}

pub async fn a_refused_batch_takes_no_place(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let bad = Batch { writes: vec![write_device(&de)], events: vec![gone(&de, Time(1))] };
    assert_eq!(cause(store.commit(bad).await), Cause::Stale);
    assert_eq!(store.newest(), Seq(0));
    assert_eq!(seq(store.commit(tell(vec![gone(&de, Time(2))])).await), Ok(Seq(1)));
    assert_eq!(store.events_after(Seq(0), 9).await.unwrap()[0].event.at, Time(2));
}

pub async fn events_are_read_from_anywhere(place: Place) {
    let small = Options { ring_events: 10, ..Options::default() };
    let store = place.try_open(small.clone()).unwrap();
    let de = one_device(&store, "n").await;
    for i in 0..30 {
        let events = (0..3).map(|k| if k == 1 { gone(&de, Time(i)) } else { reported(&de, Time(i), "s", "{}", Time(k)) });
        store.commit(tell(events.collect())).await.unwrap();
    }
    for round in 0..3 {
        let store = if round == 0 { store.clone() } else { place.try_open(small.clone()).unwrap() };
        for (after, limit) in [(0, 1), (0, 90), (0, 7), (1, 3), (2, 2), (44, 200), (79, 5), (80, 3), (88, 100), (89, 1)] {
            let expected: Vec<u64> = (after + 1..=90).take(limit as usize).collect();
            let found = numbers(&store, after, limit).await;
            assert_eq!(found, expected[..found.len()], "after {after}, {limit}");
            assert_eq!(found.len(), expected.len(), "after {after}, {limit}");
        }
        assert_eq!(numbers(&store, 90, 5).await, [] as [u64; 0]);
        assert_eq!(numbers(&store, u64::MAX, 5).await, [] as [u64; 0]);
        assert_eq!(numbers(&store, 5, 0).await, [] as [u64; 0]);
        let wanted = [0, 1, 2, 3, 50, 51, 79, 85, 90, 91, 5_000].map(Seq);
        let found = store.events_at(&wanted).await.unwrap();
        assert_eq!(found.iter().map(|e| e.seq.0).collect::<Vec<_>>(), [1, 2, 3, 50, 51, 79, 85, 90]);
        assert_eq!(*found[1].event, gone(&de, Time(0)));
        assert_eq!(cause(store.events_at(&[Seq(1); 1_001]).await), Cause::TooMany);
        store.shutdown().await;
    }
}

pub async fn waiting_ends_with_the_next_event(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let waiter = tokio::spawn({
        let store = store.clone();
        async move {
            store.wait_after(Seq(1)).await;
            store.newest()
        }
    });
    store.commit(tell(vec![gone(&de, Time(1))])).await.unwrap();
    store.wait_after(Seq(0)).await;
    assert_eq!(numbers(&store, 0, 5).await, [1]);
    assert!(!waiter.is_finished());
    store.commit(tell(vec![gone(&de, Time(2))])).await.unwrap();
    assert_eq!(waiter.await.unwrap(), Seq(2));
}

pub async fn places_by_time(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    assert_eq!(store.seq_before(START).await, Ok(Seq(0)));
    for s in [0, 10, 20, 5] {
        place.set(START.plus_s(s));
        store.commit(tell(vec![gone(&de, place.now()), gone(&de, place.now())])).await.unwrap();
    }
    // The clock went back for the last batch; its row keeps the time of the one before.
    for (s, expected) in [(-1, 0), (0, 0), (1, 2), (10, 2), (11, 4), (20, 4), (21, 8)] {
        assert_eq!(store.seq_before(START.plus_s(s)).await, Ok(Seq(expected)), "{s} s");
    }
}

pub async fn retention_of_events(place: Place) {
    let small = Options { ring_events: 1, flush_age_ms: i64::MAX, ..Options::default() };
    let store = place.try_open(small.clone()).unwrap();
    let de = one_device(&store, "n").await;
    let longer = Account { settings: AccountSettings { event_retention_days: 9, ..Default::default() }, ..account("long") };
    store.commit(put([Write::Account(Box::new(longer))])).await.unwrap();
    for day in 0..4 {
        place.set(START.plus_s(day * DAY_S));
        store.commit(tell(vec![reported(&de, place.now(), "s", "{}", place.now())])).await.unwrap();
    }
    let late = START.plus_s(10 * DAY_S + 3_601);
    assert_eq!(store.prune(late).await, Ok(false));
    assert_eq!(numbers(&store, 0, 9).await, [1, 2, 3, 4], "not flushed yet");
    store.flush().await.unwrap();
    assert_eq!(store.prune(START.plus_s(10 * DAY_S + 3_599)).await, Ok(false));
    assert_eq!(numbers(&store, 0, 9).await, [2, 3, 4], "an hour longer than the retention");
    assert_eq!(store.prune(late).await, Ok(false));
    assert_eq!(numbers(&store, 0, 9).await, [3, 4]);
    assert_eq!(store.events_at(&[Seq(1), Seq(3)]).await.unwrap().len(), 1);
    assert_eq!(store.stats().await.unwrap().oldest_seq, 3);
    assert_eq!(store.prune(START.plus_s(500 * DAY_S)).await, Ok(false));
    store.shutdown().await;
    let store = place.try_open(small).unwrap();
    assert_eq!(store.newest(), Seq(4));
    assert_eq!(seq(store.commit(tell(vec![gone(&de, place.now())])).await), Ok(Seq(5)));
}

pub async fn the_queue_is_bounded(place: Place) {
    let store = place.try_open(Options { queue_batches: 5, queue_bytes: 10_000, ..Options::default() }).unwrap();
    let de = one_device(&store, "n").await;
    let text = "x".repeat(20_000);
    let large = tell(vec![reported(&de, place.now(), "s", &text, place.now())]);
    assert_eq!(cause(store.commit(large).await), Cause::TooMany);
    let commits = (0..2_000).map(|i| {
        let store = store.clone();
        let event = reported(&de, Time(i), "s", "{}", Time(i));
        tokio::spawn(async move { store.commit(tell(vec![event])).await })
    });
    let mut taken = 0;
    for task in commits.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(_) => taken += 1,
            Err(error) => assert_eq!(error.cause, Cause::Overloaded),
        }
    }
    assert_eq!(store.newest(), Seq(taken));
    assert!(taken > 0);
    store.shutdown().await;
    assert_eq!(cause(store.commit(Batch::default()).await), Cause::Stopping);
    assert_eq!(cause(store.prune(START).await), Cause::Stopping);
}

pub async fn large_batches(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let data = "y".repeat(1_000);
    let events: Vec<Event> = (0..5_000).map(|i| reported(&de, Time(i), "s", &data, Time(i))).collect();
    let writes = (0..500).map(|i| write_device(&device(de.account, de.app(), &format!("m{i}")))).collect();
    assert_eq!(seq(store.commit(Batch { writes, events }).await), Ok(Seq(5_000)));
    assert_eq!(store.stats().await.unwrap().devices, 501);
    store.abort().await;
    let store = place.try_open(Options { ring_events: 10, ..Options::default() }).unwrap();
    assert_eq!(numbers(&store, 4_000, 2_000).await.len(), 1_000);
    assert_eq!(store.stats().await.unwrap().pending_points, 5_000);
}
