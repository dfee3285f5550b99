//! What tells a database from its copies.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;
use std::process::Command;

async fn keep(store: &SharedStore, number: &str) {
    store.commit(put([Write::Origin(number.into())])).await.unwrap();
}

pub async fn the_number_comes_back_where_it_was_left(place: Place) {
    let store = place.open();
    assert_eq!(store.origin().await, Ok(String::new()));
    for number in ["a1", "b2"] {
        keep(&store, number).await;
        assert_eq!(store.origin().await, Ok(number.into()));
    }
    let left = store.place().to_owned();
    store.shutdown().await;
    drop(store);
    for _ in 0..2 {
        let store = place.open();
        assert_eq!((store.place(), store.origin().await), (left.as_str(), Ok("b2".into())));
        store.abort().await;
    }
}

/// The same rows in another file, or in the same schema after a dump was restored.
pub async fn a_copy_is_in_another_place(place: Place) {
    let store = place.open();
    keep(&store, "a1").await;
    let left = store.place().to_owned();
    store.shutdown().await;
    drop(store);
    let copied = match &place.at {
        At::Sqlite { folder: dir, .. } => {
            let other = At::sqlite();
            std::fs::create_dir(other.folder().unwrap()).unwrap();
            std::fs::copy(dir.join("landfall.db"), other.folder().unwrap().join("landfall.db")).unwrap();
            place.beside(other)
        }
        At::Postgres { admin, schema, .. } => {
            let script = r#"dump=$(pg_dump -n "$2" "$1"); run() { psql -q -v ON_ERROR_STOP=1 -o /dev/null "$1" 2>/dev/null; }
                echo "DROP SCHEMA $2 CASCADE" | run "$1"; printf '%s\n' "$dump" | run "$1""#;
            assert!(Command::new("sh").args(["-ec", script, "sh", admin, schema]).status().unwrap().success());
            place
        }
    };
    let store = copied.open();
    assert_ne!(store.place(), left);
    assert_eq!(store.origin().await, Ok("a1".into()));
}
