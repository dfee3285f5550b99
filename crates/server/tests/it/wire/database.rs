//! What a server over PostgreSQL does when it loses the database.

use super::{
    api,
    server::{Server, until},
    stall::Stall,
};
use postgres::{Client, NoTls};
use std::io::Write as _;

/// A schema of its own; gone when dropped.
struct Database {
    admin: String,
    schema: String,
    url: String,
}

impl Database {
    /// `None`, loudly, without a server to test against.
    fn make(test: &str) -> Option<Self> {
        let Ok(admin) = std::env::var("LANDFALL_TEST_POSTGRES") else {
            // Written past the capture of the test harness on purpose.
            drop(std::io::stderr().write_all(format!("\nSKIPPED {test}: LANDFALL_TEST_POSTGRES holds no URL\n").as_bytes()));
            return None;
        };
        let schema = format!("landfall_{test}_{}", std::process::id());
        let url = format!("{admin}?options=-c%20search_path%3D{schema}");
        let database = Self { admin, schema, url };
        let schema = &database.schema;
        database.client().batch_execute(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")).unwrap();
        Some(database)
    }

    fn client(&self) -> Client {
        Client::connect(&self.admin, NoTls).unwrap()
    }

    /// Processes of PostgreSQL that hold the lock of this database, or wait for it.
    fn lockers(&self, granted: bool) -> Vec<i32> {
        let text = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 1279348294 AND granted = $1 \
                    AND objid::bigint = (hashtext($2)::bigint & 4294967295)";
        let rows = self.client().query(text, &[&granted, &self.schema]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        drop(self.client().batch_execute(&format!("DROP SCHEMA {} CASCADE", self.schema)));
    }
}

fn ready(server: &Server) -> (u16, String) {
    let answer = api::send(server, "GET", "/ready", &[], None);
    (answer.status, answer.text)
}

/// Another process has the database by the time that the connection is back: the server ends with status 1 and says why.
#[test]
fn a_server_whose_database_another_took_ends() {
    let Some(database) = Database::make("taken") else { return };
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut server = Server::start_logging_to(&[("LANDFALL_STORE_URL", &database.url)], Some(log.path()));
    assert_eq!(ready(&server).0, 200);
    let mut other = Client::connect(&database.url, NoTls).unwrap();
    let other = std::thread::spawn(move || {
        other.execute("SELECT pg_advisory_lock(1279348294, hashtext(current_schema()))", &[]).unwrap();
        other.execute("UPDATE meta SET value = value + 1 WHERE key = 'epoch'", &[]).unwrap();
        other
    });
    until("the other process at the lock", || database.lockers(false).pop());
    let holder = database.lockers(true);
    assert_eq!(holder.len(), 1);
    assert!(database.client().query_one("SELECT pg_terminate_backend($1)", &[&holder[0]]).unwrap().get::<_, bool>(0));
    let _other = other.join().unwrap();
    // Its writer notices when it writes, as a look at /ready makes it.
    let status = until("the end of the server", || {
        server.ended().or_else(|| {
            drop(std::panic::catch_unwind(|| ready(&server)));
            None
        })
    });
    let said = std::fs::read_to_string(log.path()).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.lines().last().is_some_and(|line| line.starts_with("landfall: ") && line.contains("another writer")), "{said}");
}

#[test]
fn a_server_whose_database_hangs_is_not_ready() {
    let Some(database) = Database::make("hangs") else { return };
    let stall = Stall::before(&database.url);
    let keys = [("LANDFALL_STORE_URL", stall.url.as_str()), ("LANDFALL_STORE_STATEMENT_S", "1")];
    let mut server = Server::start_with(&keys);
    assert_eq!(ready(&server).0, 200);
    let before = stall.connections();
    stall.hang();
    let (_, said) = until("/ready", || Some(ready(&server)).filter(|(status, _)| *status == 503));
    assert!(said.contains("the database does not answer"), "{said}");
    let listed = api::admin(&server, "GET", "/accounts", None);
    assert_eq!(listed.status, 503, "{}", listed.text);
    stall.go_on();
    until("/ready", || (ready(&server).0 == 200).then_some(()));
    assert_eq!(api::account(&server, "after"), "after");
    assert!(stall.connections() > before, "connections that were waited for are not used again");
    assert!(server.stop());
}
