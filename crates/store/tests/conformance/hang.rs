//! A database that hangs and closes nothing.

use crate::{
    life::{many_devices, totals},
    place::*,
    stall::Stall,
};
use landfall_core::store::*;
use landfall_model::{Cause, Error, PageRequest, Seq};
use landfall_store::Options;
use std::time::Duration;
use tokio::time::timeout;

fn is_silence(error: &Error) {
    assert_eq!(error.cause, Cause::Overloaded, "{error}");
    assert!(error.detail.contains("does not answer"), "{error}");
}

/// Reads and writes end, connections that were waited for are not used again, and all goes on when the database does.
pub async fn a_database_that_hangs_is_given_up(place: Place) {
    let At::Postgres { url, .. } = &place.at else { return };
    let stall = Stall::before(&format!("{url}&connect_timeout=1"));
    let options = Options { statement_ms: 1_000, readers: 2, ..Options::default() };
    let store = landfall_store::open(&stall.url, options, place.world.clone()).unwrap();
    let devices = many_devices(&store, 2).await;
    let read = || store.was_deleted(devices[0].id);
    assert!(!read().await.unwrap());
    stall.hang();
    let written = store.commit(tell(vec![reported(&devices[0], START, "s", "lost", START)]));
    // More than there are connections: the last one waits for its turn, and then for a new connection.
    let (first, second, third, written) = tokio::join!(read(), read(), read(), written);
    is_silence(&written.unwrap_err());
    for error in [first, second, third].map(Result::unwrap_err) {
        is_silence(&error);
    }
    let listed = store.products(devices[0].account, PageRequest { no: 0, size: 10 });
    assert_eq!(listed.await.unwrap_err().cause, Cause::Overloaded);
    assert_eq!(store.probe().await.unwrap_err().cause, Cause::Overloaded);
    let before = stall.connections();
    stall.go_on();
    assert!(!read().await.unwrap());
    assert!(stall.connections() > before, "it was read over a new connection");
    let written = async {
        loop {
            match store.commit(tell(vec![reported(&devices[1], START, "s", "after", START)])).await {
                Ok(committed) => return committed,
                Err(error) => assert_eq!(error.cause, Cause::Overloaded),
            }
            assert!(!read().await.unwrap());
        }
    };
    let taken = timeout(Duration::from_secs(30), written).await.expect("the writer comes back");
    assert_eq!((taken.seq, totals(&store, &devices).await), (Seq(1), 1));
    store.probe().await.unwrap();
    store.shutdown().await;
}

/// A store that ends while its database hangs ends all the same, and a start says what is wrong.
pub async fn a_database_that_hangs_holds_no_end_and_no_start(place: Place) {
    let At::Postgres { url, .. } = &place.at else { return };
    let stall = Stall::before(&format!("{url}&connect_timeout=1"));
    let open = || {
        let options = Options { statement_ms: 1_000, ..Options::default() };
        landfall_store::open(&stall.url, options, place.world.clone())
    };
    let store = open().unwrap();
    let de = many_devices(&store, 1).await.remove(0);
    store.commit(tell(vec![reported(&de, START, "s", "kept", START)])).await.unwrap();
    stall.hang();
    store.shutdown().await;
    let error = open().unwrap_err();
    assert!(error.detail.contains("no connection within"), "{error}");
    stall.go_on();
    let mut tries = 0;
    let store = loop {
        match open() {
            Ok(store) => break store,
            Err(error) => assert!(tries < 100 && error.detail.contains("in use by another process"), "{error}"),
        }
        tries += 1;
    };
    assert_eq!(totals(&store, &[de]).await, 1);
}
