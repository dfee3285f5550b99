//! Content instances and the counters of their containers.
//!
//! Rows are kept in the order of their ids, which is that of time, so that an append writes to the end of the table and an eviction mostly to
//! its beginning; only a slim index and the counters are scattered over the containers. A name that was made of the id is not stored and
//! needs no index. Absent: containers' limits, which come with each append.

use crate::{
    effects::{Done, Effects, Refused},
    engine::sql::{Row, Sql, SqlError, SqlResult, Value, from_db, query_all, query_one, to_db},
    onem2m::resources::has_owner,
    onem2m::unlinked,
    stream::{
        record::{decode_instance, encode_instance},
        replay::id as uuid,
    },
};
use landfall_model::{
    AccountId, Append, Cause, ContainerChange, ContainerState, DeviceId, DevicePart, Error, IdKind, Instance, MessageBox, Page,
    PageRequest, ResourceId, Sort, Time,
};
use std::ops::ControlFlow;

const COLUMNS: &str = "SELECT i.id, i.container, i.n, i.name, i.size, i.expires_at, i.doc, c.account, c.device \
                       FROM instance i JOIN container c ON c.id = i.container";

/// Instances of container `?1` that are not over at `?2`, from place `?3` on.
const IN_CONTAINER: &str = "SELECT i.id, i.container, i.n, i.name, i.size, i.expires_at, i.doc, c.account, c.device \
                            FROM container c JOIN instance i ON i.container = c.id WHERE c.id = ?1 \
                            AND i.n >= CASE WHEN c.first > ?3 THEN c.first ELSE ?3 END AND (i.expires_at IS NULL OR i.expires_at > ?2)";
/// Instances that an append evicts itself, at most.
const EVICTED: usize = 64;

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
    /// Those with a lower place are not in it any more.
    first: u64,
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
        if !delete_over(sql, r, held.map_or(0, |held| held.first), now)? {
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
    // One that is larger than allowed is the only one: it was small enough for the limits that it was made under.
    let limits = Limits { instances: a.max_instances, bytes: a.max_bytes, least: a.max_instances.min(1) };
    make_room(sql, r.container, limits, &mut held)?;
    write_held(sql, &Owner { container: r.container, account: r.account, device: r.device }, held, known, r.created_at)?;
    effects.held.push(held.shown(r.created_at));
    if let (true, Some(device)) = (is_outgoing(r.container), r.device) {
        effects.outgoing.push(device);
    }
    Ok(())
}

/// Counts a change of a container and evicts the oldest beyond its limits.
pub(crate) fn change(sql: &mut dyn Sql, change: &ContainerChange, effects: &mut Effects) -> Done {
    let before = held(sql, change.container)?;
    let mut held = before.unwrap_or_default();
    held.state += 1;
    let limits = Limits { instances: change.max_instances, bytes: change.max_bytes, least: 0 };
    make_room(sql, change.container, limits, &mut held)?;
    let owner = Owner { container: change.container, account: change.account, device: change.device };
    write_held(sql, &owner, held, before.is_some(), change.at)?;
    effects.held.push(held.shown(change.at));
    Ok(())
}

/// What a container may hold.
#[derive(Clone, Copy)]
struct Limits {
    instances: u64,
    bytes: u64,
    /// Instances that stay in any case.
    least: u64,
}

/// A container, and whose it is.
struct Owner {
    container: ResourceId,
    account: AccountId,
    device: Option<DeviceId>,
}

impl Held {
    fn shown(&self, at: Time) -> ContainerState {
        ContainerState { state: self.state, instances: self.instances, bytes: self.bytes, modified_at: Some(at) }
    }

    fn is_over(&self, limits: Limits) -> bool {
        self.instances > limits.least && (self.instances > limits.instances || self.bytes > limits.bytes)
    }

    fn leave(&mut self, size: u64) {
        self.instances -= 1;
        self.bytes = self.bytes.saturating_sub(size);
    }
}

/// Evicts the oldest beyond the limits. Where these were lowered by much, the others are unlinked and go later.
fn make_room(sql: &mut dyn Sql, container: ResourceId, limits: Limits, held: &mut Held) -> SqlResult<()> {
    for _ in 0..EVICTED {
        if !held.is_over(limits) {
            return Ok(());
        }
        let Some(size) = evict_oldest(sql, container, held.first)? else { return Ok(()) };
        held.leave(size);
    }
    if !held.is_over(limits) {
        return Ok(());
    }
    // Where none is left, the first one is the next that comes.
    let next = held.state + 1;
    let text = "SELECT n, size FROM instance WHERE container = ?1 AND n >= ?2 ORDER BY n";
    sql.query(text, &[Value::Bytes(&container.0), Value::Int(to_db(held.first))], &mut |row| {
        held.first = row.seq(0)?;
        if !held.is_over(limits) {
            return Ok(ControlFlow::Break(()));
        }
        held.leave(row.seq(1)?);
        held.first = next;
        Ok(ControlFlow::Continue(()))
    })?;
    unlinked::put_resource(sql, container)
}

fn taken() -> Refused {
    Refused::Batch(Error::new(Cause::ResourceExists, "another instance of the container has this name"))
}

fn is_outgoing(container: ResourceId) -> bool {
    matches!(container.kind(), Some(IdKind::Device(_, DevicePart::Box(MessageBox::Outgoing))))
}

/// Whether the name that was chosen is one that another instance of the container has got from its id.
fn generated_name_is_taken(sql: &mut dyn Sql, r: &Instance, first: u64, now: Time) -> SqlResult<bool> {
    let Some(other) = ResourceId::of_uuid_name(&r.name) else { return Ok(false) };
    let text = "SELECT n FROM instance WHERE id = ?1 AND container = ?2 AND name IS NULL AND (expires_at IS NULL OR expires_at > ?3) \
                AND n >= ?4";
    let params = [Value::Bytes(&other.0), Value::Bytes(&r.container.0), Value::Int(now.0), Value::Int(to_db(first))];
    Ok(query_one(sql, text, &params, |_| Ok(()))?.is_some())
}

fn held(sql: &mut dyn Sql, container: ResourceId) -> SqlResult<Option<Held>> {
    query_one(sql, "SELECT state, instances, bytes, first FROM container WHERE id = ?1", &[Value::Bytes(&container.0)], |row| {
        Ok(Held { state: row.seq(0)?, instances: row.seq(1)?, bytes: row.seq(2)?, first: row.seq(3)? })
    })
}

fn write_held(sql: &mut dyn Sql, r: &Owner, held: Held, known: bool, at: Time) -> SqlResult<()> {
    const INSERT: &str = "INSERT INTO container (id, state, instances, bytes, modified_at, first, part, device, account) \
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    const UPDATE: &str =
        "UPDATE container SET state = ?2, instances = ?3, bytes = ?4, modified_at = ?5, first = ?6 WHERE id = ?1";
    let [.., part] = r.container.0;
    let params = [
        Value::Bytes(&r.container.0),
        Value::Int(to_db(held.state)),
        Value::Int(to_db(held.instances)),
        Value::Int(to_db(held.bytes)),
        Value::Int(at.0),
        Value::Int(to_db(held.first)),
        Value::Int(i64::from(part)),
        Value::opt_bytes(r.device.as_ref().map(|id| id.0.as_bytes().as_slice())),
        Value::Bytes(r.account.0.as_bytes()),
    ];
    let (text, params) = if known { (UPDATE, &params[..6]) } else { (INSERT, &params[..]) };
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
    if chosen.is_some() && generated_name_is_taken(sql, r, held.map_or(0, |held| held.first), now)? {
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

/// Deletes the instance that has the name, if it is over or not of the container any more.
fn delete_over(sql: &mut dyn Sql, r: &Instance, first: u64, now: Time) -> SqlResult<bool> {
    let text = "SELECT id FROM instance WHERE container = ?1 AND name = ?2 AND (expires_at <= ?3 OR n < ?4)";
    let params = [Value::Bytes(&r.container.0), Value::Text(&r.name), Value::Int(now.0), Value::Int(to_db(first))];
    let over = query_one(sql, text, &params, |row| resource_id(row.bytes(0)?))?;
    let Some(id) = over else { return Ok(false) };
    remove(sql, id)?;
    Ok(true)
}

/// Deletes the oldest instance of a container and returns its size.
fn evict_oldest(sql: &mut dyn Sql, container: ResourceId, first: u64) -> SqlResult<Option<u64>> {
    let text = "SELECT id, size FROM instance WHERE container = ?1 AND n >= ?2 ORDER BY n LIMIT 1";
    let oldest = query_one(sql, text, &[Value::Bytes(&container.0), Value::Int(to_db(first))], |row| {
        Ok((resource_id(row.bytes(0)?)?, row.seq(1)?))
    })?;
    let Some((id, size)) = oldest else { return Ok(None) };
    sql.execute("DELETE FROM instance WHERE id = ?1", &[Value::Bytes(&id.0)])?;
    Ok(Some(size))
}

/// Counts a retrieval of an instance; with the last one that it allows it goes.
pub(crate) fn count_retrieval(sql: &mut dyn Sql, id: ResourceId, effects: &mut Effects) -> Done {
    let found = query_one(sql, &format!("{COLUMNS} WHERE i.id = ?1"), &[Value::Bytes(&id.0)], read)?;
    let Some(mut r) = found else { return Ok(()) };
    match r.other.get("dcnt").and_then(serde_json::Value::as_u64) {
        None => Ok(()),
        Some(0 | 1) => delete(sql, id, effects),
        Some(left) => {
            r.other.insert("dcnt".to_owned(), (left - 1).into());
            let params = [Value::Bytes(&id.0), Value::Bytes(&encode_instance(&r))];
            sql.execute("UPDATE instance SET doc = ?2 WHERE id = ?1", &params)?;
            Ok(())
        }
    }
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
    let text =
        "SELECT i.container, i.size, i.n, c.device FROM instance i LEFT JOIN container c ON c.id = i.container WHERE i.id = ?1";
    let found = query_one(sql, text, &[Value::Bytes(&id.0)], |row| {
        let device = row.opt_bytes(3)?.map(uuid).transpose()?.map(DeviceId);
        Ok((resource_id(row.bytes(0)?)?, row.int(1)?, row.int(2)?, device))
    })?;
    let Some((container, size, n, device)) = found else { return Ok(None) };
    sql.execute("DELETE FROM instance WHERE id = ?1", &[Value::Bytes(&id.0)])?;
    sql.execute(
        "UPDATE container SET instances = instances - 1, bytes = bytes - ?2 WHERE id = ?1 AND first <= ?3",
        &[Value::Bytes(&container.0), Value::Int(size), Value::Int(n)],
    )?;
    Ok(Some((container, device)))
}

/// Deletes a container's counters, by which all it holds is gone for readers.
pub(crate) fn delete_container(sql: &mut dyn Sql, container: ResourceId) -> SqlResult<()> {
    if sql.execute("DELETE FROM container WHERE id = ?1", &[Value::Bytes(&container.0)])? > 0 {
        unlinked::put_resource(sql, container)?;
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
    let text = format!("{COLUMNS} WHERE i.id = ?1 AND i.n >= c.first AND (i.expires_at IS NULL OR i.expires_at > ?2)");
    query_one(sql, &text, &[Value::Bytes(&id.0), Value::Int(now.0)], read)
}

/// The instance of this name.
pub(crate) fn named(sql: &mut dyn Sql, container: ResourceId, name: &str, now: Time) -> SqlResult<Option<Instance>> {
    let text = format!(
        "{COLUMNS} WHERE i.container = ?1 AND i.name = ?2 AND i.n >= c.first AND (i.expires_at IS NULL OR i.expires_at > ?3)"
    );
    let params = [Value::Bytes(&container.0), Value::Text(name), Value::Int(now.0)];
    let found = query_one(sql, &text, &params, read)?;
    match (found, ResourceId::of_uuid_name(name)) {
        (None, Some(id)) => Ok(one(sql, id, now)?.filter(|found| found.container == container && found.name == name)),
        (found, _) => Ok(found),
    }
}

/// Whose a container is; none for one that never held anything.
pub(crate) fn account(sql: &mut dyn Sql, container: ResourceId) -> SqlResult<Option<AccountId>> {
    let text = "SELECT account FROM container WHERE id = ?1";
    query_one(sql, text, &[Value::Bytes(&container.0)], |row| uuid(row.bytes(0)?).map(AccountId))
}

/// The oldest or the newest instance of a container.
pub(crate) fn end(sql: &mut dyn Sql, container: ResourceId, now: Time, sort: Sort) -> SqlResult<Option<Instance>> {
    let order = if sort == Sort::Ascending { "i.n" } else { "i.n DESC" };
    let text = format!("{IN_CONTAINER} ORDER BY {order} LIMIT 1");
    query_one(sql, &text, &[Value::Bytes(&container.0), Value::Int(now.0), Value::Int(0)], read)
}

/// The next instances of a container after a place, the oldest first.
pub(crate) fn after(sql: &mut dyn Sql, container: ResourceId, now: Time, after: u64, limit: u32) -> SqlResult<Vec<Instance>> {
    let text = format!("{IN_CONTAINER} ORDER BY i.n LIMIT ?4");
    let from = Value::Int(to_db(after).saturating_add(1));
    let params = [Value::Bytes(&container.0), Value::Int(now.0), from, Value::Int(i64::from(limit))];
    query_all(sql, &text, &params, read)
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
    let held = held(sql, container)?.unwrap_or_default();
    // Few are over and not deleted yet; those that are there are counted already.
    let over = "SELECT COUNT(*) FROM instance WHERE container = ?2 AND expires_at <= ?1 AND n >= ?3";
    let over = query_one(sql, over, &[Value::Int(now.0), key, Value::Int(to_db(held.first))], |row| row.seq(0))?.unwrap_or(0);
    let total = held.instances.saturating_sub(over);
    let mut items = Vec::new();
    if page.offset() < total {
        let order = match sort {
            Sort::Ascending => "i.n",
            Sort::Descending => "i.n DESC",
        };
        // Places without holes need not be passed over one by one.
        let oldest = end(sql, container, now, Sort::Ascending)?.map_or(0, |oldest| oldest.state);
        let whole = sort == Sort::Ascending && held.state.saturating_sub(oldest) + 1 == total;
        let (from, offset) = if whole { (oldest + page.offset(), 0) } else { (0, page.offset()) };
        let text = format!("{IN_CONTAINER} ORDER BY {order} LIMIT ?4 OFFSET ?5");
        let (from, offset) = (Value::Int(to_db(from)), Value::Int(to_db(offset)));
        let params = [key, Value::Int(now.0), from, Value::Int(i64::from(page.size)), offset];
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
        other: body.other,
        creator: body.creator,
        by: body.by,
        created_at: body.created_at,
        expires_at: row.opt_int(5)?.map(Time),
    })
}

pub(crate) fn resource_id(bytes: &[u8]) -> SqlResult<ResourceId> {
    bytes.try_into().map(ResourceId).map_err(|_| SqlError::wrong("a stored resource id has the wrong length"))
}
