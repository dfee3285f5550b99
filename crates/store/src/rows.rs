//! How each write changes the tables.
//!
//! Only the writer runs these statements, one batch after another, so that a check and the change it allows cannot be torn apart.

use crate::{
    command,
    device::{
        counts::{Counted, Counts},
        identities, presence, principals, shadows, unlinked,
    },
    engine::{
        origin,
        sql::{Sql, SqlError, Value, query_one, to_db},
    },
    onem2m::{instances, labels, provisioning, resources},
    stream::{frames, record::encode_registration},
    subscription,
    subscription::addresses,
};
use landfall_model::{
    Account, App, Cause, Device, DeviceId, DeviceLimit, Error, Identity, Principals, Product, ProductKey, ResourceId, Result,
    ServiceCall, StoredSession, Time, Write,
};
use serde::Serialize;

/// A write with its record as JSON, or in a binary form where that is written most often.
pub(crate) struct Step {
    pub(crate) write: Write,
    doc: String,
    binary: Vec<u8>,
}

/// Why a step was not done.
pub(crate) enum Refused {
    /// Its batch is refused.
    Batch(Error),
    /// The database failed.
    Group(SqlError),
}

impl From<SqlError> for Refused {
    fn from(error: SqlError) -> Self {
        Self::Group(error)
    }
}

pub(crate) type Done = std::result::Result<(), Refused>;

/// What a batch did that its writes alone do not tell.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// `st` of the instances that were appended.
    pub(crate) states: Vec<u64>,
    /// Resources that went with another record.
    pub(crate) dropped: Vec<ResourceId>,
    /// Devices whose outgoing messages changed.
    pub(crate) outgoing: Vec<DeviceId>,
    /// Counters of devices that changed, also by earlier batches of the group.
    pub(crate) counts: Counts,
}

impl Step {
    /// Makes the JSON and refuses texts that not every database can hold.
    pub(crate) fn new(write: Write) -> Result<Self> {
        let doc = match &write {
            Write::Account(r) => json(r)?,
            Write::App(r) => json(r)?,
            Write::Product(r) => json(r)?,
            Write::Device(r) => json(r)?,
            Write::Subscription(r) => json(r)?,
            Write::Cursor(r) => json(r)?,
            Write::Call(r) => json(r)?,
            Write::Session(r) => json(r)?,
            Write::Command(r) => json(r)?,
            Write::RevokeTask(r) => json(r)?,
            Write::Shadow(r) => json(r)?,
            Write::Setting(r) => json(r)?,
            Write::Observed(_, r) => json(r)?,
            Write::Resource(r) => json(r)?,
            Write::Provisioning(r) => json(r)?,
            Write::ProvisioningPart(r) => json(r)?,
            Write::ProvisioningFailure(r) => json(r)?,
            _ => String::new(),
        };
        let binary = match &write {
            Write::Registration(r) => encode_registration(r),
            Write::Append(r) => instances::encode(r),
            _ => Vec::new(),
        };
        if texts(&write).iter().any(|text| text.contains('\0')) {
            return Err(Error::new(Cause::InvalidField, "a text holds the character U+0000"));
        }
        Ok(Self { write, doc, binary })
    }

    /// Bytes it will take, roughly.
    pub(crate) fn size(&self) -> usize {
        let more = match &self.write {
            Write::SecureSession(r) => r.state.expose().len(),
            Write::Labels { labels, .. } => labels.iter().map(|label| 64 + label.len()).sum(),
            Write::Redecoded(r) => r.frames.iter().flat_map(|(_, s)| s).map(|s| 64 + s.service_id.len() + s.data.len()).sum(),
            _ => 0,
        };
        128 + 2 * (self.doc.len() + self.binary.len() + more)
    }

    /// Whether its batch may be refused because of it.
    pub(crate) fn can_fail(&self) -> bool {
        let registry = matches!(
            self.write,
            Write::Account(_) | Write::App(_) | Write::Product(_) | Write::Device(_) | Write::Subscription(_)
        );
        let tree = matches!(self.write, Write::Resource(_) | Write::Append(_) | Write::Provisioning(_));
        registry || tree || matches!(self.write, Write::DeviceLimit(_) | Write::Command(_) | Write::Shadow(_))
    }

    /// Whether it only looks.
    pub(crate) fn is_check(&self) -> bool {
        matches!(self.write, Write::DeviceLimit(_))
    }

    pub(crate) fn apply(&self, sql: &mut dyn Sql, now: Time, effects: &mut Effects) -> Done {
        match &self.write {
            Write::Account(r) => put_account(sql, r, &self.doc),
            Write::App(r) => put_app(sql, r, &self.doc),
            Write::Product(r) => put_product(sql, r, &self.doc),
            Write::DeviceLimit(r) => check_device_limit(sql, r, &effects.counts),
            Write::Device(r) => put_device(sql, r, &self.doc, &mut effects.counts),
            Write::Subscription(r) => subscription::put_subscription(sql, r, &self.doc),
            Write::Cursor(r) => subscription::put_cursor(sql, r, &self.doc),
            Write::Call(r) => put_call(sql, r, &self.doc),
            Write::Session(r) => put_session(sql, r, &self.doc),
            Write::DeleteApp(id) => delete(sql, "DELETE FROM app WHERE id = ?1", id.0.as_bytes()),
            Write::DeleteProduct(id) => delete(sql, "DELETE FROM product WHERE id = ?1", id.0.as_bytes()),
            Write::DeleteDevice(id) => {
                if delete_device(sql, *id, now, &mut effects.counts)? {
                    resources::delete_of_device(sql, *id, effects)?;
                }
                Ok(())
            }
            Write::DeleteSubscription(id) => {
                delete(sql, "DELETE FROM subscription WHERE id = ?1", id.0.as_bytes())?;
                delete(sql, "DELETE FROM read_cursor WHERE subscription = ?1", id.0.as_bytes())
            }
            Write::FreeAddress(id) => addresses::free(sql, *id),
            Write::DeleteCall(id) => {
                addresses::let_go(sql, &id.0)?;
                delete(sql, "DELETE FROM service_call WHERE id = ?1", id.0.as_bytes())
            }
            Write::DeleteSession(id) => delete(sql, "DELETE FROM mqtt_session WHERE device = ?1", id.0.as_bytes()),
            Write::Command(r) => command::put_command(sql, r, &self.doc),
            Write::RevokeTask(r) => command::put_revoke_task(sql, r, &self.doc),
            Write::Shadow(r) => shadows::put_shadow(sql, r, &self.doc),
            Write::Setting(r) => shadows::put_setting(sql, r, &self.doc),
            Write::Registration(r) => presence::put_registration(sql, r, &self.binary),
            Write::Observed(id, _) => presence::put_observed(sql, *id, &self.doc),
            Write::DeleteRegistration(id) => delete(sql, "DELETE FROM registration WHERE device = ?1", id.0.as_bytes()),
            Write::SecureSession(r) => presence::put_secure_session(sql, r),
            Write::DeleteSecureSession(id) => presence::delete_secure_session(sql, *id),
            Write::Origin(number) => origin::put(sql, number),
            Write::Redecoded(r) => frames::replace(sql, r),
            Write::Resource(r) => resources::put_resource(sql, r, &self.doc),
            Write::DeleteResource(id) => resources::delete_resource(sql, *id, effects),
            Write::Append(r) => instances::append(sql, r, &self.binary, now, effects),
            Write::DeleteInstance(id) => instances::delete(sql, *id, effects),
            Write::Labels { account, subject, labels } => labels::put_labels(sql, *account, *subject, labels),
            Write::Provisioning(r) => provisioning::put_request(sql, r, &self.doc),
            Write::ProvisioningPart(r) => provisioning::put_part(sql, r, &self.doc),
            Write::ProvisioningFailure(r) => provisioning::put_failure(sql, r, &self.doc),
            Write::DeleteProvisioning(id) => provisioning::delete_request(sql, *id),
        }
    }
}

pub(crate) fn json<T: Serialize>(record: &T) -> Result<String> {
    serde_json::to_string(record).map_err(|_| Error::new(Cause::InvalidField, "the record cannot be written as JSON"))
}

/// The texts that become columns.
fn texts(write: &Write) -> Vec<&str> {
    match write {
        Write::Account(r) => vec![&r.name],
        Write::App(r) => vec![&r.name],
        Write::Product(r) => vec![&r.name],
        Write::Device(r) => {
            let info = &r.info;
            let optional = [&info.device_type, &info.name, &info.location];
            optional
                .into_iter()
                .flatten()
                .map(String::as_str)
                .chain([r.node_id.as_str(), r.psk_identity()])
                .chain(node_name(r))
                .collect()
        }
        Write::Subscription(r) => vec![&r.callback_url],
        Write::Call(r) => r.callback_url.iter().map(String::as_str).collect(),
        Write::Command(r) => r.callback_url.iter().map(String::as_str).collect(),
        Write::Setting(r) => vec![&r.service_id],
        Write::SecureSession(r) => vec![r.state.expose()],
        Write::Origin(number) => vec![number],
        Write::Resource(r) => vec![&r.name],
        Write::Append(r) => vec![&r.instance.name],
        Write::Labels { labels, .. } => labels.iter().map(String::as_str).collect(),
        Write::Provisioning(r) => vec![&r.name],
        _ => Vec::new(),
    }
}

/// The statements of a table whose records carry a version; `?1` is the id and `?2` the version.
pub(crate) struct Versioned {
    pub(crate) insert: &'static str,
    pub(crate) update: &'static str,
    pub(crate) version: &'static str,
    /// Cause when a new or changed record collides with another one.
    pub(crate) taken: Cause,
    pub(crate) taken_detail: &'static str,
}

impl Versioned {
    pub(crate) fn put(&self, sql: &mut dyn Sql, params: &[Value<'_>], version: u64) -> Done {
        let text = if version == 1 { self.insert } else { self.update };
        if sql.execute(text, params)? > 0 {
            return Ok(());
        }
        Err(self.refused(sql, params, version, || Error::new(self.taken, self.taken_detail))?)
    }

    /// Why a record was not written: it moved, or else what `taken` says.
    fn refused(
        &self,
        sql: &mut dyn Sql,
        params: &[Value<'_>],
        version: u64,
        taken: impl FnOnce() -> Error,
    ) -> std::result::Result<Refused, SqlError> {
        let stored = query_one(sql, self.version, &params[..1], |row| row.seq(0))?;
        if stored.unwrap_or(0).checked_add(1) != Some(version) {
            return Ok(Refused::Batch(Error::new(Cause::Stale, "the record changed meanwhile")));
        }
        Ok(Refused::Batch(taken()))
    }
}

/// After a write about a device that changed nothing: it came too late, unless the device is gone, whose records are not kept.
pub(crate) fn stale_or_gone(sql: &mut dyn Sql, device: DeviceId) -> Done {
    let found =
        query_one(sql, "SELECT version FROM device WHERE id = ?1", &[Value::Bytes(device.0.as_bytes())], |row| row.seq(0))?;
    match found {
        None => Ok(()),
        Some(_) => Err(Refused::Batch(Error::new(Cause::Stale, "the record or its place changed meanwhile"))),
    }
}

fn put_account(sql: &mut dyn Sql, r: &Account, doc: &str) -> Done {
    const SQL: Versioned = Versioned {
        insert: "INSERT INTO account (id, version, name, history_days, event_days, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        update: "UPDATE account SET version = ?2, name = ?3, history_days = ?4, event_days = ?5, doc = ?6 WHERE id = ?1 AND version + 1 = ?2 \
                 AND NOT EXISTS (SELECT 1 FROM account o WHERE o.name = ?3 AND o.id <> ?1)",
        version: "SELECT version FROM account WHERE id = ?1",
        taken: Cause::NameTaken,
        taken_detail: "another account has this name",
    };
    let params = [
        Value::Bytes(r.id.0.as_bytes()),
        Value::Int(to_db(r.version)),
        Value::Text(&r.name),
        Value::Int(i64::from(r.settings.history_retention_days)),
        Value::Int(i64::from(r.settings.event_retention_days)),
        Value::Text(doc),
    ];
    SQL.put(sql, &params, r.version)
}

fn put_app(sql: &mut dyn Sql, r: &App, doc: &str) -> Done {
    const SQL: Versioned = Versioned {
        insert: "INSERT INTO app (id, version, account, name, doc) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        update: "UPDATE app SET version = ?2, account = ?3, name = ?4, doc = ?5 WHERE id = ?1 AND version + 1 = ?2 \
                 AND NOT EXISTS (SELECT 1 FROM app o WHERE o.account = ?3 AND o.name = ?4 AND o.id <> ?1)",
        version: "SELECT version FROM app WHERE id = ?1",
        taken: Cause::NameTaken,
        taken_detail: "another application of the account has this name",
    };
    let params = [
        Value::Bytes(r.id.0.as_bytes()),
        Value::Int(to_db(r.version)),
        Value::Bytes(r.account.0.as_bytes()),
        Value::Text(&r.name),
        Value::Text(doc),
    ];
    SQL.put(sql, &params, r.version)
}

/// The five keys as one text; JSON, so that no two keys look alike.
pub(crate) fn product_key(key: &ProductKey) -> String {
    let keys = [&key.manufacturer_id, &key.manufacturer_name, &key.device_type, &key.model, &key.protocol_type];
    serde_json::to_string(&keys).unwrap_or_default()
}

fn put_product(sql: &mut dyn Sql, r: &Product, doc: &str) -> Done {
    const SQL: Versioned = Versioned {
        insert: "INSERT INTO product (id, version, account, product_key, name, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        update: "UPDATE product SET version = ?2, account = ?3, product_key = ?4, name = ?5, doc = ?6 WHERE id = ?1 AND version + 1 = ?2 \
                 AND NOT EXISTS (SELECT 1 FROM product o WHERE o.account = ?3 AND o.product_key = ?4 AND o.id <> ?1)",
        version: "SELECT version FROM product WHERE id = ?1",
        taken: Cause::ProductExists,
        taken_detail: "another product of the account has these keys",
    };
    let key = product_key(&r.key);
    let params = [
        Value::Bytes(r.id.0.as_bytes()),
        Value::Int(to_db(r.version)),
        Value::Bytes(r.account.0.as_bytes()),
        Value::Text(&key),
        Value::Text(&r.name),
        Value::Text(doc),
    ];
    SQL.put(sql, &params, r.version)
}

/// Changes a device whose place in lists stays: its presence, keys and settings. A database that is told to set an indexed column writes the
/// index even where the value is the same, and a device has ten of them.
const DEVICE_PRESENCE: &str = "UPDATE device SET version = ?2, status = ?12, connected = ?13, activated = ?14, \
     last_seen = CASE WHEN last_seen IS NULL OR last_seen < ?18 THEN COALESCE(?18, last_seen) ELSE last_seen END, doc = ?19 \
     WHERE id = ?1 AND version + 1 = ?2 AND account = ?3 AND principals = ?4 AND node_id = ?5 AND product IS NOT DISTINCT FROM ?6 AND gateway = ?7 \
     AND node_type = ?8 AND device_type IS NOT DISTINCT FROM ?9 AND name IS NOT DISTINCT FROM ?10 AND location IS NOT DISTINCT FROM ?11 \
     AND code_expires_at IS NOT DISTINCT FROM ?15 AND aging_days IS NOT DISTINCT FROM ?16 AND created_at = ?17 AND psk_identity = ?20 \
     AND node_name IS NOT DISTINCT FROM ?21";

fn check_device_limit(sql: &mut dyn Sql, r: &DeviceLimit, counts: &Counts) -> Done {
    if counts.total(sql, r.account, r.owner)?.saturating_add(r.adding) > r.most {
        return Err(Refused::Batch(r.error.clone()));
    }
    Ok(())
}

fn put_device(sql: &mut dyn Sql, r: &Device, doc: &str, counts: &mut Counts) -> Done {
    let before = if r.version > 1 { Counted::stored(sql, r.id)? } else { None };
    if r.principals.len() > Principals::MOST {
        let detail = format!("a device is seen by at most {} applications", Principals::MOST);
        return Err(Refused::Batch(Error::new(Cause::InvalidField, detail)));
    }
    write_device(sql, r, doc)?;
    let after = Counted::of(r);
    principals::follow(sql, r.id, before.as_ref(), Some(&after))?;
    counts.change(before.as_ref(), Some(&after));
    Ok(())
}

fn write_device(sql: &mut dyn Sql, r: &Device, doc: &str) -> Done {
    const SQL: Versioned = Versioned {
        insert: "INSERT INTO device (id, version, account, principals, node_id, product, gateway, node_type, device_type, name, location, status, \
                 connected, activated, code_expires_at, aging_days, created_at, last_seen, doc, psk_identity, node_name) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21) ON CONFLICT DO NOTHING",
        update: "UPDATE device SET version = ?2, account = ?3, principals = ?4, node_id = ?5, product = ?6, gateway = ?7, node_type = ?8, \
                 device_type = ?9, name = ?10, location = ?11, status = ?12, connected = ?13, activated = ?14, code_expires_at = ?15, \
                 aging_days = ?16, created_at = ?17, \
                 last_seen = CASE WHEN last_seen IS NULL OR last_seen < ?18 THEN COALESCE(?18, last_seen) ELSE last_seen END, doc = ?19, \
                 psk_identity = ?20, node_name = ?21 WHERE id = ?1 AND version + 1 = ?2 \
                 AND NOT EXISTS (SELECT 1 FROM device o WHERE o.node_id = ?5 AND o.id <> ?1) \
                 AND NOT EXISTS (SELECT 1 FROM device o WHERE o.account = ?3 AND o.node_name = ?21 AND o.id <> ?1)",
        version: "SELECT version FROM device WHERE id = ?1",
        taken: Cause::NodeIdTaken,
        taken_detail: "another device has this nodeId",
    };
    // A device without a gateway is its own, as 1.4.9 has it: one equality finds a gateway and what is behind it.
    let gateway = r.gateway_id();
    let principals = principals::bytes(&r.principals);
    let params = [
        Value::Bytes(r.id.0.as_bytes()),
        Value::Int(to_db(r.version)),
        Value::Bytes(r.account.0.as_bytes()),
        Value::Bytes(&principals),
        Value::Text(&r.node_id),
        Value::opt_bytes(r.product.as_ref().map(|id| id.0.as_bytes().as_slice())),
        Value::Bytes(gateway.0.as_bytes()),
        Value::Text(r.node_type.as_str()),
        Value::opt_text(r.info.device_type.as_deref()),
        Value::opt_text(r.info.name.as_deref()),
        Value::opt_text(r.info.location.as_deref()),
        Value::Text(r.status.as_str()),
        Value::Int(i64::from(r.connected)),
        Value::Int(i64::from(r.activated)),
        Value::opt_int(r.credentials.code_expires_at.map(|t| t.0)),
        Value::opt_int(r.data_aging_days.map(i64::from)),
        Value::Int(r.created_at.0),
        Value::opt_int(r.heard_at.map(|t| t.0)),
        Value::Text(doc),
        Value::Text(r.psk_identity()),
        Value::opt_text(node_name(r)),
    ];
    if r.version > 1 && sql.execute(DEVICE_PRESENCE, &params)? > 0 {
        return Ok(());
    }
    let before = if r.version > 1 { identities::stored(sql, r.id)? } else { vec![] };
    let identities = r.identities();
    if let Some(taken) = identities::taken(sql, r.id, &identities)? {
        return Err(SQL.refused(sql, &params, r.version, || name_taken(r, taken))?);
    }
    match SQL.put(sql, &params, r.version) {
        Ok(()) => Ok(identities::set(sql, r.id, &before, &identities)?),
        Err(Refused::Batch(error)) if error.cause == Cause::NodeIdTaken => Err(name_the_taken(sql, r, error)?),
        Err(refused) => Err(refused),
    }
}

/// Says that the name of the node is taken where it is.
fn name_the_taken(sql: &mut dyn Sql, r: &Device, error: Error) -> std::result::Result<Refused, SqlError> {
    let params = [Value::Bytes(r.account.0.as_bytes()), Value::opt_text(node_name(r)), Value::Bytes(r.id.0.as_bytes())];
    let text = "SELECT version FROM device WHERE account = ?1 AND node_name = ?2 AND id <> ?3";
    Ok(Refused::Batch(match query_one(sql, text, &params, |row| row.seq(0))? {
        Some(_) => Error::new(Cause::ResourceExists, "another device of the account has this node name"),
        None => error,
    }))
}

/// Says which name of the device another one has, in this or another form.
fn name_taken(r: &Device, taken: &Identity) -> Error {
    let (what, name) = match Identity::of(&r.node_id) == *taken {
        true => ("nodeId", r.node_id.as_str()),
        false => ("PSK identity", r.psk_identity()),
    };
    Error::new(Cause::NodeIdTaken, format!("another device has a name that means the same as the {what} {name}"))
}

/// What the device's node is called.
fn node_name(device: &Device) -> Option<&str> {
    device.node.as_ref().map(|node| node.name.as_str())
}

fn put_call(sql: &mut dyn Sql, r: &ServiceCall, doc: &str) -> Done {
    if let (Some(url), Some(app)) = (&r.callback_url, r.app) {
        addresses::hold(sql, &r.id.0, r.device, (app, r.by), url)?;
    }
    sql.execute(
        "INSERT INTO service_call (id, device, created_at, expires_at, doc) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE \
         SET device = excluded.device, created_at = excluded.created_at, expires_at = excluded.expires_at, doc = excluded.doc",
        &[
            Value::Bytes(r.id.0.as_bytes()),
            Value::Bytes(r.device.0.as_bytes()),
            Value::Int(r.created_at.0),
            Value::Int(r.expires_at.0),
            Value::Text(doc),
        ],
    )?;
    Ok(())
}

fn put_session(sql: &mut dyn Sql, r: &StoredSession, doc: &str) -> Done {
    sql.execute(
        "INSERT INTO mqtt_session (device, expires_at, doc) VALUES (?1, ?2, ?3) ON CONFLICT (device) DO UPDATE \
         SET expires_at = excluded.expires_at, doc = excluded.doc",
        &[Value::Bytes(r.device.0.as_bytes()), Value::Int(r.expires_at.0), Value::Text(doc)],
    )?;
    Ok(())
}

fn delete(sql: &mut dyn Sql, text: &str, id: &[u8]) -> Done {
    sql.execute(text, &[Value::Bytes(id)])?;
    Ok(())
}

/// Deletes a device's records; whether it was there.
fn delete_device(sql: &mut dyn Sql, id: DeviceId, now: Time, counts: &mut Counts) -> std::result::Result<bool, Refused> {
    let key = id.0.as_bytes();
    let Some(before) = Counted::stored(sql, id)? else { return Ok(false) };
    let identities = identities::stored(sql, id)?;
    sql.execute("DELETE FROM device WHERE id = ?1", &[Value::Bytes(key)])?;
    principals::follow(sql, id, Some(&before), None)?;
    counts.change(Some(&before), None);
    sql.execute(
        "INSERT INTO tombstone (device, deleted_at) VALUES (?1, ?2) ON CONFLICT (device) DO NOTHING",
        &[Value::Bytes(key), Value::Int(now.0)],
    )?;
    identities::leave(sql, id, identities.iter())?;
    delete(sql, "DELETE FROM device_state WHERE device = ?1", key)?;
    delete(sql, "DELETE FROM service_call WHERE device = ?1", key)?;
    delete(sql, "DELETE FROM address_use WHERE device = ?1", key)?;
    delete(sql, "DELETE FROM mqtt_session WHERE device = ?1", key)?;
    delete(sql, "DELETE FROM command WHERE device = ?1 AND state IN ('PENDING', 'SENT', 'DELIVERED')", key)?;
    delete(sql, "DELETE FROM shadow WHERE device = ?1", key)?;
    delete(sql, "DELETE FROM registration WHERE device = ?1", key)?;
    delete(sql, "DELETE FROM secure_session WHERE device = ?1", key)?;
    unlinked::put_device(sql, id)?;
    Ok(true)
}
