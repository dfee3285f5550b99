//! The statements, to the letter: a database plans what is written here, and a column that is set without need writes its index.

use super::Table;
use crate::{
    account::{ACCOUNT, APP},
    command::COMMAND,
    device::shadows::SHADOW,
    onem2m::resources::RESOURCE,
    product::PRODUCT,
    subscription::SUBSCRIPTION,
};

pub(crate) fn check<R>(table: &Table<R>, insert: &str, update: &str, version: &str) {
    let made = table.statements();
    assert_eq!(made.insert, insert);
    assert_eq!(made.update, update);
    assert_eq!(made.version, version);
}

#[test]
fn registry_statements_are_these() {
    check(
        &ACCOUNT,
        "INSERT INTO account (id, version, name, tenant, history_days, event_days, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT DO NOTHING",
        "UPDATE account SET version = ?2, name = ?3, tenant = ?4, history_days = ?5, event_days = ?6, doc = ?7 WHERE id = ?1 AND version + 1 = ?2 \
         AND NOT EXISTS (SELECT 1 FROM account o WHERE o.name = ?3 AND o.id <> ?1) \
         AND NOT EXISTS (SELECT 1 FROM account o WHERE o.tenant = ?4 AND o.id <> ?1)",
        "SELECT version FROM account WHERE id = ?1",
    );
    check(
        &APP,
        "INSERT INTO app (id, version, account, name, doc) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        "UPDATE app SET version = ?2, account = ?3, name = ?4, doc = ?5 WHERE id = ?1 AND version + 1 = ?2 \
         AND NOT EXISTS (SELECT 1 FROM app o WHERE o.account = ?3 AND o.name = ?4 AND o.id <> ?1)",
        "SELECT version FROM app WHERE id = ?1",
    );
    check(
        &PRODUCT,
        "INSERT INTO product (id, version, account, product_key, name, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        "UPDATE product SET version = ?2, account = ?3, product_key = ?4, name = ?5, doc = ?6 WHERE id = ?1 AND version + 1 = ?2 \
         AND NOT EXISTS (SELECT 1 FROM product o WHERE o.account = ?3 AND o.product_key = ?4 AND o.id <> ?1)",
        "SELECT version FROM product WHERE id = ?1",
    );
    check(
        &SUBSCRIPTION,
        "INSERT INTO subscription (id, version, account, owner, target, kind, scope, channel, callback_url, created_at, doc) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
        "UPDATE subscription SET version = ?2, account = ?3, owner = ?4, target = ?5, kind = ?6, scope = ?7, channel = ?8, \
         callback_url = ?9, created_at = ?10, doc = ?11 WHERE id = ?1 AND version + 1 = ?2 \
         AND NOT EXISTS (SELECT 1 FROM subscription o WHERE o.owner = ?4 AND o.target = ?5 AND o.scope = ?7 AND o.id <> ?1)",
        "SELECT version FROM subscription WHERE id = ?1",
    );
}

#[test]
fn tree_statements_are_these() {
    check(
        &RESOURCE,
        "INSERT INTO resource (id, version, account, parent, name, kind, device, originator, expires_at, created_at, doc) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
        "UPDATE resource SET version = ?2, name = ?5, expires_at = ?9, doc = ?11 WHERE id = ?1 AND version + 1 = ?2 \
         AND account = ?3 AND parent = ?4 AND kind = ?6 AND device IS NOT DISTINCT FROM ?7 \
         AND originator IS NOT DISTINCT FROM ?8 AND created_at = ?10 \
         AND NOT EXISTS (SELECT 1 FROM resource o WHERE o.parent = ?4 AND o.name = ?5 AND o.id <> ?1)",
        "SELECT version FROM resource WHERE id = ?1",
    );
}

#[test]
fn statements_about_devices_are_these() {
    check(
        &COMMAND,
        "INSERT INTO command (id, version, device, account, app, place, state, created_at, names, due_at, doc) \
         SELECT ?1, ?2, id, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM device WHERE id = ?3 ON CONFLICT DO NOTHING",
        "UPDATE command SET version = ?2, account = ?4, app = ?5, state = ?7, created_at = ?8, names = ?9, due_at = ?10, doc = ?11 \
         WHERE id = ?1 AND version + 1 = ?2 AND device = ?3 AND place = ?6",
        "SELECT version FROM command WHERE id = ?1",
    );
    check(
        &SHADOW,
        "INSERT INTO shadow (device, version, doc) SELECT id, ?2, ?3 FROM device WHERE id = ?1 ON CONFLICT DO NOTHING",
        "UPDATE shadow SET version = ?2, doc = ?3 WHERE device = ?1 AND version + 1 = ?2",
        "SELECT version FROM shadow WHERE device = ?1",
    );
}
