//! How subscriptions and their cursors are written.

pub(crate) mod addresses;
pub(crate) mod read;

use crate::{
    effects::{Done, Refused},
    engine::sql::{Sql, Value, to_db},
    versioned::{Cell, Kind, Table, doc, key, moves, version},
};
use landfall_model::{Cause, Cursor, Error, Subscription, SubscriptionKind};
use std::sync::OnceLock;

/// The word of a kind, for filters.
pub(crate) fn kind_word(kind: SubscriptionKind) -> &'static str {
    match kind {
        SubscriptionKind::Notify(notify) => notify.as_str(),
        SubscriptionKind::CallAddress => "*callAddress",
        SubscriptionKind::Resource(..) => "*resource",
    }
}

pub(crate) static SUBSCRIPTION: Table<Subscription> = Table {
    name: "subscription",
    columns: &[
        key("id", |r| Cell::bytes(r.id.0.as_bytes())),
        version(),
        moves("account", |r| Cell::bytes(r.account.0.as_bytes())),
        moves("owner", |r| Cell::bytes(r.owner.0.as_bytes())),
        moves("target", |r| Cell::bytes(r.target.0.as_bytes())),
        moves("kind", |r| Cell::text(kind_word(r.kind))),
        moves("scope", |r| Cell::Text(scope(r))),
        moves("channel", |r| Cell::text(r.channel.as_str())),
        moves("callback_url", |r| Cell::text(&r.callback_url)),
        moves("created_at", |r| Cell::int(r.created_at.0)),
        doc(),
    ],
    version: |r| r.version,
    kind: Kind::Registry {
        unique: &[&["owner", "target", "scope"]],
        taken: Cause::SubscriptionExists,
        detail: "there is a subscription of this kind and scope",
    },
    statements: OnceLock::new(),
};

/// One subscription a notification and channel, one call address an address (1.6.1, 100227).
fn scope(r: &Subscription) -> String {
    let kind = kind_word(r.kind);
    let scope = match r.kind {
        SubscriptionKind::Notify(_) => serde_json::to_string(&(kind, r.channel)),
        SubscriptionKind::CallAddress => serde_json::to_string(&(kind, r.channel, &r.callback_url)),
        SubscriptionKind::Resource(id, address) => serde_json::to_string(&(kind, id, address)),
    };
    scope.unwrap_or_default()
}

pub(crate) fn put_subscription(sql: &mut dyn Sql, r: &Subscription, doc: &str) -> Done {
    // Another call has made the address meanwhile.
    let cause = if r.kind == SubscriptionKind::CallAddress { Cause::Stale } else { Cause::SubscriptionExists };
    SUBSCRIPTION.put_or(sql, r, doc, |_, error| Ok(Refused::Batch(Error { cause, ..error })))
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
