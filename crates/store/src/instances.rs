//! Content instances and the counters of their containers.
//!
//! Rows are kept in the order of their ids, which is that of time, so that an append writes to the end of the table and an eviction mostly to
//! its beginning; only a slim index and the counters are scattered over the containers. A name that was made of the id is not stored and
//! needs no index. Absent: containers' limits, which come with each append.

use crate::{
    record::{decode_instance, encode_instance},
    replay::id as uuid,
    rows::{Done, Effects, Refused},
    sql::{Row, Sql, SqlError, SqlResult, Value, from_db, query_all, query_one, to_db},
    tree::has_owner,
};
use landfall_model::{
    AccountId, Append, Cause, ContainerState, DeviceId, DevicePart, Error, IdKind, Instance, MessageBox, Page, PageRequest,
    ResourceId, Sort, Time,
};

const COLUMNS: &str = "SELECT i.id, i.container, i.n, i.name, i.size, i.expires_at, i.doc, c.account, c.device \
                       FROM instance i JOIN container c ON c.id = i.container";

/// The record of an append, made on the caller's thread.
pub(crate) fn encode(append: &Append) -> Vec<u8> {
    encode_instance(&append.instance)
}

/// What a container holds, as its row says.
#[derive(Clone, Copy, Default)]
struct Held {
    state: u64,
    instances: u64,
    bytes: u64,
}

/// Stores an instance, evicts the oldest ones beyond the limits and counts. Refused, it changes nothing that is not over.
pub(crate) fn append(sql: &mut dyn Sql, a: &Append, doc: &[u8], now: Time, effects: &mut Effects) -> Done {
    let r = &a.instance;
    let mut held = held(sql, r.container)?;
    // Counters go with the owner of their container, so that only a container without them needs a look at it.
    if !may_hold(r) || held.is_none() && !has_owner(sql, r.container, r.device)? {
        return Err(Refused::Batch(Error::new(Cause::ResourceNotFound, "the container is gone")));
    }
    if !insert(sql, r, held, doc, now)? {
        if !delete_over(sql, r, now)? {
            return Err(taken());
        }
        held = self::held(sql, r.container)?;
        if !insert(sql, r, held, doc, now)? {
            return Err(taken());
        }
    }
    let known = held.is_some();
    let mut held = held.unwrap_or_default();
    held.state += 1;
    held.instances += 1;
    held.bytes = held.bytes.saturating_add(r.size);
    while held.instances > 1 && (held.instances > a.max_instances || held.bytes > a.max_bytes) {
        let Some(size) = evict_oldest(sql, r.container)? else { break };
        held.instances -= 1;
        held.bytes = held.bytes.saturating_sub(size);
    }
    write_held(sql, r, held, known)?;
    effects.states.push(held.state);
    if let (true, Some(device)) = (is_outgoing(r.container), r.device) {
        effects.outgoing.push(device);
    }
    Ok(())
}

fn taken() -> Refused {
    Refused::Batch(Error::new(Cause::ResourceExists, "another instance of the container has this name"))
}

fn is_outgoing(container: ResourceId) -> bool {
    matches!(container.kind(), Some(IdKind::Device(_, DevicePart::Box(MessageBox::Outgoing))))
}

/// Whether the name that was chosen is one that another instance of the container has got from its id.
fn generated_name_is_taken(sql: &mut dyn Sql, r: &Instance, now: Time) -> SqlResult<bool> {
    let Some(other) = ResourceId::of_uuid_name(&r.name) else { return Ok(false) };
    let text =
        "SELECT n FROM instance WHERE id = ?1 AND container = ?2 AND name IS NULL AND (expires_at IS NULL OR expires_at > ?3)";
    let params = [Value::Bytes(&other.0), Value::Bytes(&r.container.0), Value::Int(now.0)];
    Ok(query_one(sql, text, &params, |_| Ok(()))?.is_some())
}

fn held(sql: &mut dyn Sql, container: ResourceId) -> SqlResult<Option<Held>> {
    query_one(sql, "SELECT state, instances, bytes FROM container WHERE id = ?1", &[Value::Bytes(&container.0)], |row| {
        Ok(Held { state: row.seq(0)?, instances: row.seq(1)?, bytes: row.seq(2)? })
    })
}

fn write_held(sql: &mut dyn Sql, r: &Instance, held: Held, known: bool) -> SqlResult<()> {
    const INSERT: &str = "INSERT INTO container (id, state, instances, bytes, modified_at, part, device, account) \
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    const UPDATE: &str = "UPDATE container SET state = ?2, instances = ?3, bytes = ?4, modified_at = ?5 WHERE id = ?1";
    let [.., part] = r.container.0;
    let params = [
        Value::Bytes(&r.container.0),
        Value::Int(to_db(held.state)),
        Value::Int(to_db(held.instances)),
        Value::Int(to_db(held.bytes)),
        Value::Int(r.created_at.0),
        Value::Int(i64::from(part)),
        Value::opt_bytes(r.device.as_ref().map(|id| id.0.as_bytes().as_slice())),
        Value::Bytes(r.account.0.as_bytes()),
    ];
    let (text, params) = if known { (UPDATE, &params[..5]) } else { (INSERT, &params[..]) };
    sql.execute(text, params)?;
    Ok(())
}

/// Whether the instance names the device of its container.
fn may_hold(r: &Instance) -> bool {
    match r.container.kind() {
        Some(IdKind::Device(first, _)) => r.device.is_some_and(|device| device.0.as_bytes().starts_with(&first)),
        _ => true,
    }
}

/// Inserts the row as the next one of its container, unless it collides. One row of values needs no journal of its own, other than a query.
fn insert(sql: &mut dyn Sql, r: &Instance, held: Option<Held>, doc: &[u8], now: Time) -> SqlResult<bool> {
    const TEXT: &str = "INSERT INTO instance (id, container, n, name, size, expires_at, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
    let chosen = Some(r.name.as_str()).filter(|name| *name != r.id.uuid_name());
    if chosen.is_some() && generated_name_is_taken(sql, r, now)? {
        return Ok(false);
    }
    let params = [
        Value::Bytes(&r.id.0),
        Value::Bytes(&r.container.0),
        Value::Int(to_db(held.map_or(1, |held| held.state + 1))),
        Value::opt_text(chosen),
        Value::Int(to_db(r.size)),
        Value::opt_int(r.expires_at.map(|t| t.0)),
        Value::Bytes(doc),
    ];
    Ok(sql.execute(TEXT, &params)? > 0)
}

/// Deletes the instance that has the name, if it is over.
fn delete_over(sql: &mut dyn Sql, r: &Instance, now: Time) -> SqlResult<bool> {
    let text = "SELECT id FROM instance WHERE container = ?1 AND name = ?2 AND expires_at <= ?3";
    let params = [Value::Bytes(&r.container.0), Value::Text(&r.name), Value::Int(now.0)];
    let over = query_one(sql, text, &params, |row| resource_id(row.bytes(0)?))?;
    let Some(id) = over else { return Ok(false) };
    remove(sql, id)?;
    Ok(true)
}

/// Deletes the oldest instance of a container and returns its size.
fn evict_oldest(sql: &mut dyn Sql, container: ResourceId) -> SqlResult<Option<u64>> {
    let text = "SELECT id, size FROM instance WHERE container = ?1 ORDER BY n LIMIT 1";
    let oldest = query_one(sql, text, &[Value::Bytes(&container.0)], |row| Ok((resource_id(row.bytes(0)?)?, row.seq(1)?)))?;
    let Some((id, size)) = oldest else { return Ok(None) };
    sql.execute("DELETE FROM instance WHERE id = ?1", &[Value::Bytes(&id.0)])?;
    Ok(Some(size))
}

/// Deletes an instance and lowers the counters.
pub(crate) fn delete(sql: &mut dyn Sql, id: ResourceId, effects: &mut Effects) -> Done {
    if let Some((container, Some(device))) = remove(sql, id)?
        && is_outgoing(container)
    {
        effects.outgoing.push(device);
    }
    Ok(())
}

/// Deletes an instance; returns its container and the device of that.
fn remove(sql: &mut dyn Sql, id: ResourceId) -> SqlResult<Option<(ResourceId, Option<DeviceId>)>> {
    let text = "SELECT i.container, i.size, c.device FROM instance i JOIN container c ON c.id = i.container WHERE i.id = ?1";
    let found = query_one(sql, text, &[Value::Bytes(&id.0)], |row| {
        Ok((resource_id(row.bytes(0)?)?, row.int(1)?, row.opt_bytes(2)?.map(uuid).transpose()?.map(DeviceId)))
    })?;
    let Some((container, size, device)) = found else { return Ok(None) };
    sql.execute("DELETE FROM instance WHERE id = ?1", &[Value::Bytes(&id.0)])?;
    sql.execute(
        "UPDATE container SET instances = instances - 1, bytes = bytes - ?2 WHERE id = ?1",
        &[Value::Bytes(&container.0), Value::Int(size)],
    )?;
    Ok(Some((container, device)))
}

/// Deletes a container's counters and all it holds.
pub(crate) fn delete_container(sql: &mut dyn Sql, container: ResourceId) -> SqlResult<()> {
    if sql.execute("DELETE FROM container WHERE id = ?1", &[Value::Bytes(&container.0)])? > 0 {
        sql.execute("DELETE FROM instance WHERE container = ?1", &[Value::Bytes(&container.0)])?;
    }
    Ok(())
}

/// The containers that belong to a device.
pub(crate) fn containers_of(sql: &mut dyn Sql, device: DeviceId) -> SqlResult<Vec<ResourceId>> {
    let text = "SELECT id FROM container WHERE device = ?1";
    query_all(sql, text, &[Value::Bytes(device.0.as_bytes())], |row| resource_id(row.bytes(0)?))
}

/// Deletes the next instances that are over; returns how many there were.
pub(crate) fn prune(sql: &mut dyn Sql, now: Time, limit: i64) -> SqlResult<u64> {
    let text = "SELECT id FROM instance WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";
    let over = query_all(sql, text, &[Value::Int(now.0), Value::Int(limit)], |row| resource_id(row.bytes(0)?))?;
    for id in &over {
        remove(sql, *id)?;
    }
    Ok(over.len() as u64)
}

/// What a container holds; one that never held anything has no row.
pub(crate) fn state(sql: &mut dyn Sql, container: ResourceId) -> SqlResult<ContainerState> {
    let text = "SELECT state, instances, bytes, modified_at FROM container WHERE id = ?1";
    let found = query_one(sql, text, &[Value::Bytes(&container.0)], |row| {
        Ok(ContainerState {
            state: row.seq(0)?,
            instances: row.seq(1)?,
            bytes: row.seq(2)?,
            modified_at: row.opt_int(3)?.map(Time),
        })
    })?;
    Ok(found.unwrap_or_default())
}

pub(crate) fn one(sql: &mut dyn Sql, id: ResourceId, now: Time) -> SqlResult<Option<Instance>> {
    let text = format!("{COLUMNS} WHERE i.id = ?1 AND (i.expires_at IS NULL OR i.expires_at > ?2)");
    query_one(sql, &text, &[Value::Bytes(&id.0), Value::Int(now.0)], read)
}

/// The instance of this name.
pub(crate) fn named(sql: &mut dyn Sql, container: ResourceId, name: &str, now: Time) -> SqlResult<Option<Instance>> {
    let text = format!("{COLUMNS} WHERE i.container = ?1 AND i.name = ?2 AND (i.expires_at IS NULL OR i.expires_at > ?3)");
    let params = [Value::Bytes(&container.0), Value::Text(name), Value::Int(now.0)];
    let found = query_one(sql, &text, &params, read)?;
    match (found, ResourceId::of_uuid_name(name)) {
        (None, Some(id)) => Ok(one(sql, id, now)?.filter(|found| found.container == container && found.name == name)),
        (found, _) => Ok(found),
    }
}

/// A page of a container's instances in the order of `st`.
pub(crate) fn list(
    sql: &mut dyn Sql,
    container: ResourceId,
    now: Time,
    sort: Sort,
    page: PageRequest,
) -> SqlResult<Page<Instance>> {
    sql.begin_read()?;
    let key = Value::Bytes(&container.0);
    // Few are over and not deleted yet; those that are there are counted already.
    let over = "SELECT COUNT(*) FROM instance WHERE expires_at <= ?1 AND container = ?2";
    let over = query_one(sql, over, &[Value::Int(now.0), key], |row| row.seq(0))?.unwrap_or(0);
    let total = state(sql, container)?.instances.saturating_sub(over);
    let mut items = Vec::new();
    if page.offset() < total {
        let order = match sort {
            Sort::Ascending => "i.n",
            Sort::Descending => "i.n DESC",
        };
        let text = format!(
            "{COLUMNS} WHERE i.container = ?1 AND (i.expires_at IS NULL OR i.expires_at > ?2) ORDER BY {order} LIMIT ?3 OFFSET ?4"
        );
        let params = [key, Value::Int(now.0), Value::Int(i64::from(page.size)), Value::Int(to_db(page.offset()))];
        items = query_all(sql, &text, &params, read)?;
    }
    sql.batch("COMMIT")?;
    Ok(Page { total, items })
}

fn read(row: &dyn Row) -> SqlResult<Instance> {
    let id = resource_id(row.bytes(0)?)?;
    let body = decode_instance(row.bytes(6)?)?;
    Ok(Instance {
        id,
        container: resource_id(row.bytes(1)?)?,
        account: AccountId(uuid(row.bytes(7)?)?),
        device: row.opt_bytes(8)?.map(uuid).transpose()?.map(DeviceId),
        name: row.opt_text(3)?.map_or_else(|| id.uuid_name(), str::to_owned),
        state: row.seq(2)?,
        content: body.content,
        format: body.format,
        size: from_db(row.int(4)?),
        labels: body.labels,
        creator: body.creator,
        created_at: body.created_at,
        expires_at: row.opt_int(5)?.map(Time),
    })
}

pub(crate) fn resource_id(bytes: &[u8]) -> SqlResult<ResourceId> {
    bytes.try_into().map(ResourceId).map_err(|_| SqlError::wrong("a stored resource id has the wrong length"))
}
