//! Callback addresses of calls and commands: what holds them, what they owe, and when they may go.
//!
//! An address is held by each open command and waiting call of its owner for its target that names it, and owes what was told to it until its
//! cursor is beyond. Only the writer asks and frees, so that nothing is told to an address in between.

use crate::{
    effects::Done,
    engine::{
        documents::parse,
        sql::{Sql, SqlResult, Value, query_all, to_db},
    },
};
use landfall_model::{AppId, DeviceId, Seq, Subscription, SubscriptionId};
use std::sync::Arc;
use uuid::Uuid;

/// Nothing holds it, and all that was told to it is done.
const IDLE: &str = "kind = '*callAddress' AND told_seq <= (SELECT c.done_to FROM read_cursor c WHERE c.subscription = subscription.id) \
     AND NOT EXISTS (SELECT 1 FROM address_use u WHERE u.owner = subscription.owner AND u.target = subscription.target \
     AND u.callback_url = subscription.callback_url)";

/// A call or command names the address.
pub(crate) fn hold(sql: &mut dyn Sql, holder: &Uuid, device: DeviceId, (app, by): (AppId, Option<AppId>), url: &str) -> Done {
    let text = "INSERT INTO address_use (holder, device, owner, target, callback_url) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    let owner = by.unwrap_or(app);
    let [holder, device, owner, app] = [holder, &device.0, &owner.0, &app.0].map(|id| Value::Bytes(id.as_bytes()));
    sql.execute(text, &[holder, device, owner, app, Value::Text(url)])?;
    Ok(())
}

/// A call or command is over.
pub(crate) fn let_go(sql: &mut dyn Sql, holder: &Uuid) -> Done {
    sql.execute("DELETE FROM address_use WHERE holder = ?1", &[Value::Bytes(holder.as_bytes())])?;
    Ok(())
}

/// An event at this place is for the address. False: the address is not there.
pub(crate) fn tell(sql: &mut dyn Sql, id: SubscriptionId, seq: Seq) -> SqlResult<bool> {
    let params = [Value::Bytes(id.0.as_bytes()), Value::Int(to_db(seq.0))];
    Ok(sql.execute("UPDATE subscription SET told_seq = ?2 WHERE id = ?1", &params)? > 0)
}

/// Deletes an address, unless it is needed again.
pub(crate) fn free(sql: &mut dyn Sql, id: SubscriptionId) -> Done {
    let id = Value::Bytes(id.0.as_bytes());
    if sql.execute(&format!("DELETE FROM subscription WHERE id = ?1 AND {IDLE}"), &[id])? > 0 {
        sql.execute("DELETE FROM read_cursor WHERE subscription = ?1", &[id])?;
    }
    Ok(())
}

/// Addresses that may go, at most `limit`.
pub(crate) fn idle(sql: &mut dyn Sql, limit: u32) -> SqlResult<Vec<Arc<Subscription>>> {
    let text = format!("SELECT doc FROM subscription WHERE {IDLE} ORDER BY id LIMIT ?1");
    query_all(sql, &text, &[Value::Int(i64::from(limit))], |row| parse(row, 0).map(Arc::new))
}
