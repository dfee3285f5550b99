//! The schema, brought forward step by step; a database of a newer program is refused.

use crate::{
    device::identities,
    engine::sql::{Sql, SqlError, SqlResult, query_one},
    onem2m::{access_points, grouped, provisioned},
    user,
};

/// One step forward.
enum Step {
    /// Statements, in the words of `Sql::dialect`.
    Ddl(&'static str),
    /// What no statement can do.
    Code(fn(&mut dyn Sql) -> SqlResult<()>),
}

/// Every step, oldest first; a step that was released never changes.
const STEPS: [Step; 33] = [
    Step::Ddl(include_str!("../../migrations/0001_registry.sql")),
    Step::Ddl(include_str!("../../migrations/0002_stream.sql")),
    Step::Ddl(include_str!("../../migrations/0003_history.sql")),
    Step::Ddl(include_str!("../../migrations/0004_lwm2m.sql")),
    Step::Ddl(include_str!("../../migrations/0005_frames.sql")),
    Step::Ddl(include_str!("../../migrations/0006_onem2m.sql")),
    Step::Ddl(include_str!("../../migrations/0010_origin.sql")),
    Step::Ddl(include_str!("../../migrations/0012_growth.sql")),
    Step::Ddl(include_str!("../../migrations/0007_identities.sql")),
    Step::Code(identities::fill),
    Step::Ddl(include_str!("../../migrations/0009_addresses.sql")),
    Step::Ddl(include_str!("../../migrations/0013_names.sql")),
    Step::Ddl(include_str!("../../migrations/0014_observed.sql")),
    Step::Ddl(include_str!("../../migrations/0015_principals.sql")),
    Step::Ddl(include_str!("../../migrations/0016_device_names.sql")),
    Step::Ddl(include_str!("../../migrations/0017_groups.sql")),
    Step::Ddl(include_str!("../../migrations/0018_originators.sql")),
    Step::Ddl(include_str!("../../migrations/0019_behind_gateways.sql")),
    Step::Code(grouped::fill),
    Step::Code(access_points::fill),
    Step::Ddl(include_str!("../../migrations/0024_channels.sql")),
    Step::Ddl(include_str!("../../migrations/0020_jobs.sql")),
    Step::Ddl(include_str!("../../migrations/0021_group_counts.sql")),
    Step::Code(provisioned::fill),
    Step::Ddl(include_str!("../../migrations/0022_provisioned.sql")),
    Step::Ddl(include_str!("../../migrations/0029_telemetry.sql")),
    Step::Ddl(include_str!("../../migrations/0026_requests.sql")),
    Step::Ddl(include_str!("../../migrations/0027_objects.sql")),
    Step::Ddl(include_str!("../../migrations/0025_users.sql")),
    Step::Code(user::fill_tenants),
    Step::Ddl(include_str!("../../migrations/0031_job_claims.sql")),
    Step::Ddl(include_str!("../../migrations/0028_operations.sql")),
    Step::Ddl(include_str!("../../migrations/0034_binaries.sql")),
];

/// The schema this program writes.
pub(crate) const NEWEST: usize = STEPS.len();

/// Brings the schema forward to `target` in one transaction.
pub(crate) fn migrate(sql: &mut dyn Sql, target: usize) -> SqlResult<()> {
    sql.begin_write()?;
    match forward(sql, target) {
        Ok(()) => sql.batch("COMMIT"),
        Err(error) => {
            sql.batch("ROLLBACK")?;
            Err(error)
        }
    }
}

fn forward(sql: &mut dyn Sql, target: usize) -> SqlResult<()> {
    sql.batch("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")?;
    let found = query_one(sql, "SELECT version FROM schema_version", &[], |row| row.int(0))?;
    let version = usize::try_from(found.unwrap_or(0)).map_err(|_| SqlError::wrong("the schema version is negative"))?;
    if version > NEWEST {
        return Err(SqlError::wrong(format!(
            "the database has schema {version}, this program knows schemas up to {NEWEST}: run the newer program that wrote it"
        )));
    }
    if found.is_none() {
        sql.batch("INSERT INTO schema_version (version) VALUES (0)")?;
    }
    for (i, step) in STEPS.iter().enumerate().take(target).skip(version) {
        match step {
            Step::Ddl(ddl) => {
                let ddl = sql.dialect(ddl);
                sql.batch(&ddl)?;
            }
            Step::Code(fill) => fill(sql)?,
        }
        sql.batch(&format!("UPDATE schema_version SET version = {}", i + 1))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Options,
        engine::{
            backend::Backend,
            sql::{Value, query_all},
        },
        stream::record::tests::scratch,
    };
    use landfall_model::{AccountId, AppId, DeviceId, DevicePart, Resource, ResourceId, ResourceKind, Time};
    use landfall_testkit::World;
    use std::sync::Arc;

    /// From here on accounts have tenant ids.
    const TENANTS: usize = 30;

    /// A directory as the program with that schema left it.
    fn older(dir: &std::path::Path, version: usize) {
        let backend = Backend::Sqlite(dir.to_path_buf());
        let _lock = backend.lock().unwrap();
        let mut sql = backend.writer().unwrap();
        migrate(&mut *sql, version).unwrap();
        let name = "INSERT INTO account (id, version, name, history_days, event_days, doc) VALUES (?1, 1, 'a', 1, 1, '{}')";
        sql.execute(name, &[Value::Bytes(&[1; 16])]).unwrap();
        let (column, value) = if version < 4 { ("", "") } else { (", psk_identity", ", 'd-1'") };
        let app = if version < 14 { "app" } else { "principals" };
        let device = format!(
            "INSERT INTO device (id, version, account, {app}, node_id, gateway, node_type, status, connected, activated, created_at, doc{column}) \
             VALUES (?1, 1, ?1, ?1, 'd-1', ?1, 'ENDPOINT', 'ONLINE', 0, 1, 1, '{{}}'{value})"
        );
        sql.execute(&device, &[Value::Bytes(&[1; 16])]).unwrap();
    }

    #[test]
    fn every_older_directory_is_brought_forward() {
        for version in 1..=NEWEST {
            let dir = scratch();
            older(&dir, version);
            for _ in 0..2 {
                drop(crate::open_sqlite(&dir, Options::default(), Arc::new(World::new(1))).unwrap());
            }
            let mut sql = Backend::Sqlite(dir.clone()).writer().unwrap();
            let count = |sql: &mut dyn Sql, text: &str| query_one(sql, text, &[], |row| row.int(0)).unwrap().unwrap();
            assert_eq!(count(&mut *sql, "SELECT version FROM schema_version"), NEWEST as i64);
            assert_eq!(count(&mut *sql, "SELECT COUNT(*) FROM account"), 1, "from version {version}");
            let identities = "SELECT COUNT(*) FROM device WHERE psk_identity = 'd-1'";
            assert_eq!(count(&mut *sql, identities), 1, "from version {version}");
            let tenant = format!(
                "SELECT COUNT(*) FROM account WHERE tenant = '{}'",
                AccountId(uuid::Uuid::from_bytes([1; 16])).derived_tenant()
            );
            assert_eq!(count(&mut *sql, &tenant), i64::from(version < TENANTS), "from version {version}");
            drop(sql);
            std::fs::remove_dir_all(dir).unwrap();
        }
    }

    /// What devices behind gateways did before it was noted which.
    #[test]
    fn older_history_is_found_by_its_gateway() {
        let dir = scratch();
        older(&dir, 17);
        let mut sql = Backend::Sqlite(dir.clone()).writer().unwrap();
        let (gateway, child) = ([1; 16], [2; 16]);
        let device = "INSERT INTO device (id, version, account, principals, node_id, gateway, node_type, status, connected, activated, created_at, doc, \
             psk_identity) VALUES (?1, 1, ?2, ?2, 'd-2', ?2, '', '', 0, 0, 0, '', 'd-2')";
        sql.execute(device, &[Value::Bytes(&child), Value::Bytes(&gateway)]).unwrap();
        for id in [&gateway, &child] {
            for text in [
                "INSERT INTO chunk (device, first_seq, last_seq, account, arrived_at, t0, t1, n, points) VALUES (?1, 1, 1, ?1, 0, 0, 0, 1, ?1)",
                "INSERT INTO setting (account, device, at, service_id, properties, doc) VALUES (?1, ?1, 0, '', '', '')",
            ] {
                sql.execute(text, &[Value::Bytes(id)]).unwrap();
            }
        }
        migrate(&mut *sql, NEWEST).unwrap();
        for table in ["chunk", "setting"] {
            let text = format!("SELECT device, gateway FROM {table} WHERE gateway IS NOT NULL");
            let found = query_all(&mut *sql, &text, &[], |row| Ok((row.bytes(0)?.to_vec(), row.bytes(1)?.to_vec()))).unwrap();
            assert_eq!(found, [(child.to_vec(), gateway.to_vec())], "{table}");
        }
        drop(sql);
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// A device group as it was kept: a record that lists devices by names, ids, and names of nobody.
    #[test]
    fn device_groups_of_older_directories_become_groups() {
        let (dir, place) = (scratch(), landfall_model::AccountPart::Groups);
        older(&dir, 17);
        let (account, device) = (AccountId(uuid::Uuid::from_bytes([1; 16])), DeviceId(uuid::Uuid::from_bytes([1; 16])));
        let record = ResourceId::new(Time(5), [7; 16]);
        let mut sql = Backend::Sqlite(dir.clone()).writer().unwrap();
        let node = ResourceId::of_device(device, DevicePart::Node).to_string();
        let named = "INSERT INTO device_name (scope, kind, name, device) VALUES (?1, 'node', 'meter', ?1)";
        sql.execute(named, &[Value::Bytes(&[1; 16])]).unwrap();
        for (id, name, nds) in [
            (record, "g", serde_json::json!(["meter", "nobody"])),
            (ResourceId::new(Time(6), [8; 16]), "h", serde_json::json!([node])),
        ] {
            let resource = Resource {
                id,
                account,
                app: AppId(uuid::Uuid::from_bytes([2; 16])),
                version: 3,
                parent: ResourceId::of_account(account, place),
                device: None,
                name: name.into(),
                kind: ResourceKind::FlexContainer,
                creator: "C".into(),
                labels: vec![],
                policies: vec![],
                attributes: serde_json::Map::from_iter([("nds".to_owned(), nds), ("aes".to_owned(), serde_json::json!(["app"]))]),
                expires_at: None,
                created_at: Time(5),
                modified_at: Time(5),
            };
            let text = "INSERT INTO resource (id, version, account, parent, name, kind, created_at, doc) VALUES (?1, 3, ?2, ?3, ?4, 28, 5, ?5)";
            let doc = serde_json::to_string(&resource).unwrap();
            let params = [
                Value::Bytes(&id.0),
                Value::Bytes(&[1; 16]),
                Value::Bytes(&resource.parent.0),
                Value::Text(name),
                Value::Text(&doc),
            ];
            sql.execute(text, &params).unwrap();
        }
        drop(sql);
        drop(crate::open_sqlite(&dir, Options::default(), Arc::new(World::new(1))).unwrap());
        let mut sql = Backend::Sqlite(dir.clone()).writer().unwrap();
        let texts = |sql: &mut dyn Sql, text: &str| {
            crate::engine::sql::query_all(sql, text, &[], |row| Ok(row.text(0)?.to_owned())).unwrap()
        };
        assert_eq!(texts(&mut *sql, "SELECT name FROM device_group ORDER BY name"), ["g", "h"]);
        let members = "SELECT g.name FROM group_member m JOIN device_group g ON g.id = m.member_of WHERE m.device = x'01010101010101010101010101010101' ORDER BY g.name";
        assert_eq!(texts(&mut *sql, members), ["g", "h"]);
        let counted = "SELECT g.name FROM device_group g JOIN device_count c ON c.account = g.account AND c.owner = g.id WHERE c.n = 1 ORDER BY g.name";
        assert_eq!(texts(&mut *sql, counted), ["g", "h"]);
        let docs = texts(&mut *sql, "SELECT doc FROM resource ORDER BY name");
        let kept: Vec<serde_json::Map<String, serde_json::Value>> =
            docs.iter().map(|doc| serde_json::from_str::<Resource>(doc).unwrap().attributes).collect();
        assert_eq!((kept[0].get("nds"), kept[1]["nds"].as_str()), (None, Some("ids")));
        assert!(kept.iter().all(|one| one["aes"] == serde_json::json!(["app"])));
        drop(sql);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_newer_directory_is_refused() {
        let dir = scratch();
        older(&dir, NEWEST);
        Backend::Sqlite(dir.clone()).writer().unwrap().batch("UPDATE schema_version SET version = 99").unwrap();
        let error = crate::open_sqlite(&dir, Options::default(), Arc::new(World::new(1))).unwrap_err();
        assert!(error.detail.contains("schema 99"), "{error}");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn only_the_owner_may_enter_the_directory() {
        use std::os::unix::fs::PermissionsExt;
        let dir = scratch();
        older(&dir, NEWEST);
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join("landfall.db"))), (0o700, 0o600));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
