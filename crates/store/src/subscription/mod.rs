//! How subscriptions and their cursors are written.

pub(crate) mod addresses;
mod read;

use crate::{
    engine::sql::{Sql, Value, to_db},
    rows::{Done, Refused, Versioned, json},
};
use landfall_model::{Cause, Cursor, Error, Subscription, SubscriptionKind};

/// The word of a kind, for filters.
pub(crate) fn kind_word(kind: SubscriptionKind) -> &'static str {
    match kind {
        SubscriptionKind::Notify(notify) => notify.as_str(),
        SubscriptionKind::CallAddress => "*callAddress",
        SubscriptionKind::Resource(..) => "*resource",
    }
}

pub(crate) fn put_subscription(sql: &mut dyn Sql, r: &Subscription, doc: &str) -> Done {
    const SQL: Versioned = Versioned {
        insert: "INSERT INTO subscription (id, version, account, owner, target, kind, scope, callback_url, created_at, doc) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        update: "UPDATE subscription SET version = ?2, account = ?3, owner = ?4, target = ?5, kind = ?6, scope = ?7, callback_url = ?8, \
                 created_at = ?9, doc = ?10 WHERE id = ?1 AND version + 1 = ?2 \
                 AND NOT EXISTS (SELECT 1 FROM subscription o WHERE o.owner = ?4 AND o.target = ?5 AND o.scope = ?7 AND o.id <> ?1)",
        version: "SELECT version FROM subscription WHERE id = ?1",
        taken: Cause::SubscriptionExists,
        taken_detail: "there is a subscription of this kind and scope",
    };
    let kind = kind_word(r.kind);
    // One subscription a notification and channel, one call address an address (1.6.1, 100227).
    let scope = match r.kind {
        SubscriptionKind::Notify(_) => json(&(kind, r.channel)),
        SubscriptionKind::CallAddress => json(&(kind, r.channel, &r.callback_url)),
        SubscriptionKind::Resource(id, address) => json(&(kind, id, address)),
    };
    let scope = scope.map_err(Refused::Batch)?;
    let params = [
        Value::Bytes(r.id.0.as_bytes()),
        Value::Int(to_db(r.version)),
        Value::Bytes(r.account.0.as_bytes()),
        Value::Bytes(r.owner.0.as_bytes()),
        Value::Bytes(r.target.0.as_bytes()),
        Value::Text(kind),
        Value::Text(&scope),
        Value::Text(&r.callback_url),
        Value::Int(r.created_at.0),
        Value::Text(doc),
    ];
    match SQL.put(sql, &params, r.version) {
        // Another call has made it meanwhile.
        Err(Refused::Batch(error)) if r.kind == SubscriptionKind::CallAddress && error.cause == Cause::SubscriptionExists => {
            Err(Refused::Batch(Error { cause: Cause::Stale, ..error }))
        }
        done => done,
    }
}

/// A cursor whose subscription is gone is not kept.
pub(crate) fn put_cursor(sql: &mut dyn Sql, r: &Cursor, doc: &str) -> Done {
    let done_to = r.open.first().map_or(r.read_to.0, |first| first.0.saturating_sub(1));
    sql.execute(
        "INSERT INTO read_cursor (subscription, doc, done_to) SELECT id, ?2, ?3 FROM subscription WHERE id = ?1 \
         ON CONFLICT (subscription) DO UPDATE SET doc = excluded.doc, done_to = excluded.done_to",
        &[Value::Bytes(r.subscription.0.as_bytes()), Value::Text(doc), Value::Int(to_db(done_to))],
    )?;
    Ok(())
}
