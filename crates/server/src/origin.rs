//! Whether the data is where this server left it, or a copy: a restored backup must not go on with secrets whose counters the original used further.
//!
//! The marker is the file `origin` in the data directory. It holds its own inode and time of birth, those of the database, and a random number that the
//! database holds too. It is written anew, each time as another file, at the start, at the end, and once an hour. So a copy of the directory or of the database, a restored dump, and
//! an older state put back in place do not fit together. Not told: a file system or machine that is copied as a whole.

use crate::files::{PRIVATE, replace};
use landfall_core::{World, store::*};
use landfall_model::{Batch, Write};
use landfall_store::{SharedStore, file_identity};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tokio::sync::Mutex;

const NAME: &str = "origin";

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Marker {
    /// Identity of this very file.
    file: String,
    /// Place of the database.
    database: String,
    /// The number in the database; empty: none.
    number: String,
    /// The number that may have taken its place, while that is under way.
    next: Option<String>,
}

/// The marker of a running server.
pub struct Origin {
    file: PathBuf,
    store: SharedStore,
    copy: Option<String>,
    number: Mutex<String>,
}

impl Origin {
    /// Looks at marker and database. The marker stays as it is until [`Origin::renew`].
    pub async fn look(data: &Path, store: SharedStore) -> Result<Self, String> {
        let file = data.join(NAME);
        let number = store.origin().await.map_err(|e| e.to_string())?;
        let copy = difference(&file, store.place(), &number)?;
        Ok(Self { file, store, copy, number: Mutex::new(number) })
    }

    /// What shows that the data is a copy; `None` where it is what the last run left, or was never marked.
    pub fn copy(&self) -> Option<&str> {
        self.copy.as_deref()
    }

    /// Makes the present state the only one that is not a copy.
    pub async fn renew(&self, world: &dyn World) -> Result<(), String> {
        let mut random = [0; 16];
        world.random(&mut random);
        let next = hex::encode(random);
        let mut number = self.number.lock().await;
        let marker = |number: &str, next| Marker {
            file: String::new(),
            database: self.store.place().to_owned(),
            number: number.to_owned(),
            next,
        };
        write(&self.file, marker(&number, Some(next.clone())))?;
        let batch = Batch { writes: vec![Write::Origin(next.clone())], events: vec![] };
        self.store.commit(batch).await.map_err(|e| e.to_string())?;
        write(&self.file, marker(&next, None))?;
        *number = next;
        Ok(())
    }
}

fn difference(file: &Path, place: &str, number: &str) -> Result<Option<String>, String> {
    let named = |e: std::io::Error| format!("{}: {e}", file.display());
    let told = |what: &str| Ok(Some(format!("{}: {what}", file.display())));
    let content = match fs::read(file) {
        Ok(content) => content,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && number.is_empty() => return Ok(None),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return told("missing, and the database had one"),
        Err(e) => return Err(named(e)),
    };
    let Ok(marker) = serde_json::from_slice::<Marker>(&content) else { return told("cannot be read") };
    if marker.file != file_identity(&file.metadata().map_err(named)?) {
        return told("a copy of the file that was written here");
    }
    if marker.database != place {
        return told("written beside another database");
    }
    if marker.number != number && marker.next.as_deref() != Some(number) {
        return told("the database is in an older or later state than the one it was written beside");
    }
    Ok(None)
}

/// Puts another file in the place of the one before.
fn write(path: &Path, mut marker: Marker) -> Result<(), String> {
    replace(path, PRIVATE, |file| {
        marker.file = file_identity(file);
        serde_json::to_vec(&marker).map_err(|e| e.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::RealWorld;
    use std::{process::Command, sync::Arc};

    /// A child of another test holds the lock of a store, which it inherits, until its own program runs; so it is tried again.
    fn open(data: &Path) -> SharedStore {
        let open = || landfall_store::open_sqlite(data, landfall_store::Options::default(), Arc::new(RealWorld::default()));
        for _ in 0..10_000 {
            match open() {
                Err(error) if error.detail.contains("in use by another process") => std::thread::yield_now(),
                opened => return opened.unwrap(),
            }
        }
        open().unwrap()
    }

    /// A run of a server. Whether it found a copy, and its store, which still runs.
    async fn start(data: &Path) -> (bool, SharedStore) {
        let store = open(data);
        let origin = Origin::look(data, store.clone()).await.unwrap();
        origin.renew(&RealWorld::default()).await.unwrap();
        (origin.copy().is_some(), store)
    }

    /// A run that ends at once: in good order, or as by a kill.
    async fn run(data: &Path, orderly: bool) -> bool {
        let (copy, store) = start(data).await;
        if orderly {
            store.shutdown().await
        } else {
            store.abort().await
        }
        copy
    }

    fn shell(script: &str, from: &Path, to: &Path) {
        let done = Command::new("sh").args(["-ec", script, "sh"]).args([from, to]).status().unwrap();
        assert!(done.success(), "{script}");
    }

    fn scratch() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[tokio::test]
    async fn what_was_left_here_is_no_copy() {
        let data = scratch();
        for orderly in [true, false, true, true, false, false] {
            assert!(!run(data.path(), orderly).await);
        }
    }

    /// A crash at any of the steps of a renewal.
    #[tokio::test]
    async fn a_renewal_that_was_cut_off_makes_no_copy() {
        let data = scratch();
        run(data.path(), true).await;
        for committed in [false, true] {
            let store = open(data.path());
            let (place, number) = (store.place().to_owned(), store.origin().await.unwrap());
            let next = format!("{number}0");
            write(&data.path().join(NAME), Marker { file: String::new(), database: place, number, next: Some(next.clone()) })
                .unwrap();
            if committed {
                store.commit(Batch { writes: vec![Write::Origin(next)], events: vec![] }).await.unwrap();
            }
            store.abort().await;
            assert!(!run(data.path(), false).await, "committed: {committed}");
        }
    }

    /// `$1` is the data directory, `$2` another place.
    #[tokio::test]
    async fn copies_are_told_however_they_were_made() {
        for (keep, put_back) in [
            ("cp -a $1/. $2", "rm -rf $1/*; cp -a $2/. $1"),
            ("cp -a $1/. $2", "cp -a $2/. $1"),
            ("cp -a $1/. $2", "cat $2/origin >$1/origin; cat $2/landfall.db >$1/landfall.db; rm -f $1/landfall.db-*"),
            ("cp $1/landfall.db $2", "cp $2/landfall.db $1; rm -f $1/landfall.db-*"),
            ("cp $1/landfall.db $2", "mv $2/landfall.db $1; rm -f $1/landfall.db-*"),
            ("tar cf $2/all.tar -C $1 .", "tar xf $2/all.tar -C $1"),
            ("true", "rm $1/origin"),
            ("true", "cp $1/origin $2; mv $2/origin $1"),
            ("true", "cp $1/landfall.db $2; mv $2/landfall.db $1"),
            ("true", ">$1/origin"),
        ] {
            let (data, other) = (scratch(), scratch());
            assert!(!run(data.path(), true).await);
            shell(keep, data.path(), other.path());
            assert!(!run(data.path(), true).await);
            shell(put_back, data.path(), other.path());
            assert!(run(data.path(), true).await, "{keep}; {put_back}");
            assert!(!run(data.path(), false).await, "told once");
        }
    }

    #[tokio::test]
    async fn the_original_beside_a_copy_is_none() {
        let (data, other) = (scratch(), scratch());
        run(data.path(), true).await;
        shell("cp -a $1/. $2", data.path(), other.path());
        assert!(run(other.path(), true).await);
        assert!(!run(data.path(), true).await);
    }

    /// A copy of the running server's database, put back into the same file after a crash: older than the last renewal.
    #[tokio::test]
    async fn a_hot_copy_is_told_after_the_next_renewal() {
        for renewed in [false, true] {
            let (data, other) = (scratch(), scratch());
            let (_, store) = start(data.path()).await;
            shell("cp $1/landfall.db* $2", data.path(), other.path());
            if renewed {
                Origin::look(data.path(), store.clone()).await.unwrap().renew(&RealWorld::default()).await.unwrap();
            }
            store.abort().await;
            drop(store);
            shell("rm -f $1/landfall.db-*; cp $2/landfall.db* $1", data.path(), other.path());
            assert_eq!(run(data.path(), true).await, renewed);
        }
    }

    /// As an older program left it.
    #[tokio::test]
    async fn data_that_was_never_marked_is_no_copy() {
        let data = scratch();
        open(data.path()).shutdown().await;
        assert!(!run(data.path(), true).await);
    }
}
