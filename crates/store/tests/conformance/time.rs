//! Clocks that are wrong, and what a start knows of the time.

use crate::{life::totals, place::*};
use landfall_core::store::*;
use landfall_model::*;

const fn days(days: i64) -> i64 {
    days * DAY_S
}

/// A clock that was wrong for a minute does not hold the time of the stream: what comes later is kept for its retention and no longer.
pub async fn a_wrong_time_is_not_held(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let mut places = vec![];
    for at in [START, START.plus_s(days(400)), START.minus_s(days(400)), START.plus_s(60)] {
        place.set(at);
        places.push(store.commit(tell(vec![reported(&de, at, "s", "v", at)])).await.unwrap().seq);
    }
    place.set(START.plus_s(days(30)));
    let last = store.commit(tell(vec![reported(&de, place.now(), "s", "v", place.now())])).await.unwrap().seq;
    store.flush().await.unwrap();
    while store.prune(place.now()).await.unwrap() {}
    store.shutdown().await;
    let store = place.open();
    let left: Vec<Seq> = store.events_after(Seq(0), 10).await.unwrap().iter().map(|stored| stored.seq).collect();
    assert_eq!(left, [places[1], last]);
    place.set(START.plus_s(days(500)));
    store.commit(tell(vec![reported(&de, place.now(), "s", "v", place.now())])).await.unwrap();
    store.flush().await.unwrap();
    while store.prune(place.now()).await.unwrap() {}
    store.shutdown().await;
    let left = place.open().events_after(Seq(0), 10).await.unwrap();
    assert_eq!(left.len(), 1, "the newest");
}

/// What was stamped by a clock that was wrong is kept for its retention, and nobody is seen in the future.
pub async fn a_report_of_a_wrong_time_counts_as_of_now(place: Place) {
    let store = place.open();
    let (behind, ahead) = (one_device(&store, "behind").await, one_device(&store, "ahead").await);
    let late = START.plus_s(days(400));
    store.commit(tell(vec![reported(&behind, START.minus_s(days(400)), "s", "v", START)])).await.unwrap();
    store.commit(tell(vec![reported(&ahead, late, "s", "w", START)])).await.unwrap();
    for flushed in [false, true] {
        if flushed {
            store.flush().await.unwrap();
        }
        assert_eq!(store.device_state(ahead.id).await.unwrap().last_seen, Some(START), "flushed: {flushed}");
    }
    while store.prune(START.plus_s(days(1))).await.unwrap() {}
    assert_eq!(totals(&store, &[behind, ahead]).await, 2);
}

/// A small step back is not shown, so that places stay in the order of time.
pub async fn a_small_step_back_is_not_shown(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    for at in [START, START.minus_s(600)] {
        place.set(at);
        store.commit(tell(vec![reported(&de, at, "s", "v", at)])).await.unwrap();
    }
    assert_eq!(store.seq_before(START).await.unwrap(), Seq(0));
    assert_eq!(store.seq_before(START.plus_s(1)).await.unwrap(), Seq(2));
}

/// A start tells when the database was in use last: as it was noted, else by its newest row.
pub async fn a_start_tells_when_the_database_was_in_use(place: Place) {
    let known = || place.world.last_known();
    let store = place.open();
    assert_eq!(known(), None, "a new database knows nothing");
    let de = one_device(&store, "n").await;
    store.commit(tell(vec![reported(&de, START, "s", "v", START)])).await.unwrap();
    store.abort().await;
    drop(store);
    let store = place.open();
    assert_eq!(known(), Some(START));
    store.prune(START.plus_s(days(1))).await.unwrap();
    store.abort().await;
    drop(store);
    let store = place.open();
    assert_eq!(known(), Some(START.plus_s(days(1))));
    place.set(START.plus_s(days(2)));
    store.shutdown().await;
    drop(store);
    place.open();
    assert_eq!(known(), Some(START.plus_s(days(2))), "at a clean end");
}
