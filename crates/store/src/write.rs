//! How each write changes the tables.
//!
//! Only the writer runs these statements, one batch after another, so that a check and the change it allows cannot be torn apart.

use crate::{
    account::{ACCOUNT, APP},
    alarm::{self, ALARM, DEVICE_EVENT},
    binary::{self, BINARY},
    command::{self, COMMAND, calls},
    device::{
        groups::{self, GROUP},
        members, presence,
        record::{self, DEVICE},
        shadows::{self, SHADOW},
    },
    device_request::{self, DEVICE_REQUEST},
    effects::{Done, Effects, delete},
    engine::{origin, sql::Sql},
    job::{self, JOB},
    object::{self, OBJECT, links},
    onem2m::{
        instances, labels,
        resources::{self, RESOURCE},
    },
    product::PRODUCT,
    stream::{frames, record::encode_registration},
    subscription::{self, SUBSCRIPTION, addresses},
    user::{self, USER},
    versioned::Table,
};
use landfall_model::{Cause, Command, Device, Error, ExternalId, Object, ObjectId, Result, Targets, Time, User, Write};
use serde::Serialize;

/// A write, ready to be applied.
pub(crate) struct Step {
    pub(crate) write: Write,
    plan: Plan,
}

/// Records of which many new ones are written together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Many {
    Commands,
    Devices,
    Users,
    Objects,
    ExternalIds,
}

/// The records of some steps, each as itself and as JSON.
fn each<'s, R>(steps: &'s [Step], record: impl Fn(&'s Step) -> Option<&'s R>) -> Vec<(&'s R, &'s str)> {
    steps.iter().filter_map(|step| Some((record(step)?, step.plan.doc.as_str()))).collect()
}

/// What is known of a write before it is applied.
struct Plan {
    /// Its record as JSON.
    doc: String,
    /// Its record in a binary form, where that is written most often.
    binary: Vec<u8>,
    /// Bytes that it writes beside them, roughly.
    more: usize,
    /// A text that becomes a column holds U+0000.
    nul: bool,
    outcome: Outcome,
}

/// What a write may do to its batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It changes something, and its batch is not refused because of it.
    Done,
    /// It changes something, or its batch is refused.
    DoneOrRefused,
    /// It only looks, and its batch may be refused.
    Looked,
}

impl Step {
    /// Makes the record's form and refuses texts that not every database can hold.
    pub(crate) fn new(write: Write) -> Result<Self> {
        let plan = plan(&write)?;
        if plan.nul {
            return Err(Error::new(Cause::InvalidField, "a text holds the character U+0000"));
        }
        Ok(Self { write, plan })
    }

    /// Bytes it will take, roughly.
    pub(crate) fn size(&self) -> usize {
        128 + 2 * (self.plan.doc.len() + self.plan.binary.len() + self.plan.more)
    }

    /// Whether its batch may be refused because of it.
    pub(crate) fn can_fail(&self) -> bool {
        self.plan.outcome != Outcome::Done
    }

    /// Whether it only looks.
    pub(crate) fn is_check(&self) -> bool {
        self.plan.outcome == Outcome::Looked
    }

    /// Applies steps in their order; new records of a kind that follow one another are written together.
    pub(crate) fn apply_all(steps: &[Self], sql: &mut dyn Sql, now: Time, effects: &mut Effects) -> Done {
        for alike in steps.chunk_by(|a, b| a.is_new().is_some() && a.is_new() == b.is_new()) {
            match (alike, alike[0].is_new()) {
                ([one], _) => one.apply(sql, now, effects)?,
                (_, Some(Many::Commands)) => {
                    command::put_new(sql, &each(alike, Self::command), &mut effects.counters.jobs)?;
                }
                (_, Some(Many::Devices)) => record::put_new(sql, &each(alike, Self::device), &mut effects.counters.devices)?,
                (_, Some(Many::Users)) => USER.put_new(sql, &each(alike, Self::user))?,
                (_, Some(Many::Objects)) => object::put_new(sql, &each(alike, Self::object))?,
                (_, Some(Many::ExternalIds)) => {
                    object::put_names(sql, &alike.iter().filter_map(Self::external_id).collect::<Vec<_>>())?;
                }
                (_, None) => alike.iter().try_for_each(|one| one.apply(sql, now, effects))?,
            }
        }
        Ok(())
    }

    /// Of which kind it makes a new record, where those are written together.
    fn is_new(&self) -> Option<Many> {
        match &self.write {
            Write::Command(r) if r.version == 1 => Some(Many::Commands),
            Write::Device(r) if r.version == 1 => Some(Many::Devices),
            Write::User(r) if r.version == 1 => Some(Many::Users),
            Write::Object(r) if r.version == 1 => Some(Many::Objects),
            Write::ExternalId(_) => Some(Many::ExternalIds),
            _ => None,
        }
    }

    fn command(&self) -> Option<&Command> {
        if let Write::Command(r) = &self.write { Some(r) } else { None }
    }

    fn device(&self) -> Option<&Device> {
        if let Write::Device(r) = &self.write { Some(r) } else { None }
    }

    fn user(&self) -> Option<&User> {
        if let Write::User(r) = &self.write { Some(r) } else { None }
    }

    fn object(&self) -> Option<&Object> {
        if let Write::Object(r) = &self.write { Some(r) } else { None }
    }

    fn external_id(&self) -> Option<(&ExternalId, ObjectId)> {
        if let Write::ExternalId(r) = &self.write { Some((&r.0, r.1)) } else { None }
    }

    fn apply(&self, sql: &mut dyn Sql, now: Time, effects: &mut Effects) -> Done {
        let doc = self.plan.doc.as_str();
        match &self.write {
            Write::Account(r) => ACCOUNT.put(sql, &**r, doc),
            Write::App(r) => APP.put(sql, &**r, doc),
            Write::Product(r) => PRODUCT.put(sql, &**r, doc),
            Write::DeviceLimit(r) => record::check_device_limit(sql, r, &effects.counters.devices),
            Write::Device(r) => record::put_device(sql, r, doc, &mut effects.counters.devices),
            Write::Group(r) => groups::put_group(sql, r, doc, &effects.counters.devices),
            Write::DeleteGroup(id) => {
                groups::delete_group(sql, *id, &mut effects.counters.devices)?;
                Ok(object::delete_of_group(sql, *id)?)
            }
            Write::Join(group, devices) => members::join(sql, *group, devices, &mut effects.counters.devices),
            Write::Leave(group, devices) => members::leave(sql, *group, devices, &mut effects.counters.devices),
            Write::Subscription(r) => subscription::put_subscription(sql, r, doc),
            Write::Cursor(r) => subscription::put_cursor(sql, r, doc),
            Write::Call(r) => calls::put_call(sql, r, doc),
            Write::Session(r) => presence::put_session(sql, r, doc),
            Write::DeleteApp(id) => delete(sql, "DELETE FROM app WHERE id = ?1", id.0.as_bytes()),
            Write::User(r) => USER.put(sql, &**r, doc),
            Write::DeleteUser(account, name) => delete(sql, "DELETE FROM users WHERE id = ?1", &user::key_of(*account, name)),
            Write::DeleteProduct(id) => delete(sql, "DELETE FROM product WHERE id = ?1", id.0.as_bytes()),
            Write::DeleteDevice(id) => {
                if record::delete_device(sql, *id, now, &mut effects.counters.devices)? {
                    command::delete_open(sql, *id, &mut effects.counters.jobs)?;
                    object::delete_object(sql, ObjectId::of_device(*id))?;
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
            Write::Command(r) => command::put_command(sql, r, doc, &mut effects.counters.jobs),
            Write::RevokeTask(r) => command::put_revoke_task(sql, r, doc),
            Write::Shadow(r) => SHADOW.put(sql, &**r, doc),
            Write::Setting(r) => shadows::put_setting(sql, r, doc),
            Write::Registration(r) => presence::put_registration(sql, r, &self.plan.binary),
            Write::Observed(id, _) => presence::put_observed(sql, *id, doc),
            Write::DeleteRegistration(id) => delete(sql, "DELETE FROM registration WHERE device = ?1", id.0.as_bytes()),
            Write::SecureSession(r) => presence::put_secure_session(sql, r),
            Write::DeleteSecureSession(id) => presence::delete_secure_session(sql, *id),
            Write::Origin(number) => origin::put(sql, number),
            Write::Redecoded(r) => frames::replace(sql, r),
            Write::Resource(r) => resources::put_resource(sql, r, doc),
            Write::DeleteResource(id) => resources::delete_resource(sql, *id, effects),
            Write::Append(r) => instances::append(sql, r, &self.plan.binary, now, effects),
            Write::ContainerChange(r) => instances::change(sql, r, effects),
            Write::CountNotice(id) => resources::count_notice(sql, *id, effects),
            Write::CountRetrieval(id) => instances::count_retrieval(sql, *id, effects),
            Write::DeleteInstance(id) => instances::delete(sql, *id, effects),
            Write::Labels { account, subject, labels } => labels::put_labels(sql, *account, *subject, labels),
            Write::Binary(r) => BINARY.put(sql, &**r, doc),
            Write::BinaryPart(r) => binary::put_part(sql, r),
            Write::DeleteBinary(id) => binary::delete_binary(sql, *id),
            Write::DeviceRequest(r) => DEVICE_REQUEST.put(sql, &**r, doc),
            Write::DeleteDeviceRequest(id) => device_request::delete_request(sql, id),
            Write::Job(r) => JOB.put(sql, &**r, doc),
            Write::JobBlock(r) => job::put_block(sql, r),
            Write::KeepRows(r) => Ok(job::keep_rows(sql, r)?),
            Write::JobClaims(id, claims) => job::claims::put(sql, *id, claims),
            Write::JobTargets(r) => job::targets::begin(sql, r, &mut effects.counters.jobs),
            Write::EndTarget(r) => job::targets::end(sql, r, &mut effects.counters.jobs),
            Write::DeleteJob(id) => job::delete_job(sql, *id),
            Write::Alarm(r) => alarm::put_alarm(sql, r, doc),
            Write::DeleteAlarm(id) => delete(sql, "DELETE FROM alarm WHERE id = ?1", id.0.as_bytes()),
            Write::DeviceEvent(r) => DEVICE_EVENT.put(sql, &**r, doc),
            Write::DeleteDeviceEvent(id) => delete(sql, "DELETE FROM device_event WHERE id = ?1", id.0.as_bytes()),
            Write::Object(r) => object::put_object(sql, r, doc),
            Write::DeleteObject(id) => Ok(object::delete_object(sql, *id)?),
            Write::Child(parent, kind, child) => links::put(sql, *parent, *kind, *child),
            Write::Unchild(parent, kind, child) => links::remove(sql, *parent, *kind, *child),
            Write::ExternalId(r) => object::put_names(sql, &[(&r.0, r.1)]),
            Write::DeleteExternalId(name) => object::drop_name(sql, name),
        }
    }
}

impl Plan {
    fn bare() -> Self {
        Self { doc: String::new(), binary: Vec::new(), more: 0, nul: false, outcome: Outcome::Done }
    }

    /// Of a record whose table checks its version.
    fn row<R: Serialize>(table: &Table<R>, r: &R) -> Result<Self> {
        Ok(Self { nul: table.has_nul(r), outcome: Outcome::DoneOrRefused, ..Self::json(r)? })
    }

    fn json<R: Serialize>(r: &R) -> Result<Self> {
        let doc = serde_json::to_string(r);
        let doc = doc.map_err(|_| Error::new(Cause::InvalidField, "the record cannot be written as JSON"))?;
        Ok(Self { doc, ..Self::bare() })
    }

    fn binary(binary: Vec<u8>) -> Self {
        Self { binary, ..Self::bare() }
    }

    /// These texts become columns too.
    fn texts<'t>(self, texts: impl IntoIterator<Item = &'t String>) -> Self {
        Self { nul: self.nul || texts.into_iter().any(|text| text.contains('\0')), ..self }
    }
}

fn bytes_of(targets: &Targets) -> usize {
    match targets {
        Targets::Devices(devices) => 16 * devices.len(),
        Targets::Rows(rows) => rows.iter().map(|row| 8 + row.len()).sum(),
    }
}

/// One arm a variant, so that the compiler asks for that of a new one.
fn plan(write: &Write) -> Result<Plan> {
    let bare = Plan::bare();
    match write {
        Write::Account(r) => Plan::row(&ACCOUNT, &**r),
        Write::App(r) => Plan::row(&APP, &**r),
        Write::User(r) => Ok(Plan::row(&USER, &**r)?.texts([&r.name])),
        Write::DeleteUser(_, name) => Ok(bare.texts([name])),
        Write::Product(r) => Plan::row(&PRODUCT, &**r),
        Write::DeviceLimit(_) => Ok(Plan { outcome: Outcome::Looked, ..bare }),
        Write::Device(r) => Plan::row(&DEVICE, &**r),
        Write::Group(r) => Plan::row(&GROUP, &**r),
        Write::Join(_, devices) | Write::Leave(_, devices) => {
            Ok(Plan { more: 32 * devices.len(), outcome: Outcome::DoneOrRefused, ..bare })
        }
        Write::Subscription(r) => Plan::row(&SUBSCRIPTION, &**r),
        Write::Cursor(r) => Plan::json(r),
        Write::Call(r) => Ok(Plan::json(r)?.texts(&r.callback_url)),
        Write::Session(r) => Plan::json(r),
        Write::Command(r) => Ok(Plan::row(&COMMAND, &**r)?.texts(&r.callback_url)),
        Write::RevokeTask(r) => Plan::json(r),
        Write::Shadow(r) => Plan::row(&SHADOW, &**r),
        Write::Setting(r) => Ok(Plan::json(r)?.texts([&r.service_id])),
        Write::Registration(r) => Ok(Plan::binary(encode_registration(r))),
        Write::Observed(_, r) => Plan::json(r),
        Write::SecureSession(r) => {
            let state = r.state.expose();
            Ok(Plan { more: state.len(), nul: state.contains('\0'), ..bare })
        }
        Write::Origin(number) => Ok(bare.texts([number])),
        Write::Redecoded(r) => {
            let sizes = r.frames.iter().flat_map(|(_, s)| s).map(|s| 64 + s.service_id.len() + s.data.len());
            Ok(Plan { more: sizes.sum(), ..bare })
        }
        Write::Resource(r) => Plan::row(&RESOURCE, &**r),
        Write::Append(r) => {
            let plan = Plan::binary(instances::encode(r)).texts([&r.instance.name]);
            Ok(Plan { outcome: Outcome::DoneOrRefused, ..plan })
        }
        Write::Labels { labels, .. } => {
            Ok(Plan { more: labels.iter().map(|label| 64 + label.len()).sum(), ..bare }.texts(labels))
        }
        Write::Binary(r) => Plan::row(&BINARY, &**r),
        Write::BinaryPart(r) => Ok(Plan { more: r.bytes.len(), outcome: Outcome::DoneOrRefused, ..bare }),
        Write::DeviceRequest(r) => Plan::row(&DEVICE_REQUEST, &**r),
        Write::Job(r) => Plan::row(&JOB, &**r),
        Write::JobBlock(r) => Ok(Plan { more: bytes_of(&r.targets), outcome: Outcome::DoneOrRefused, ..bare }),
        Write::KeepRows(r) => Ok(Plan { more: bytes_of(&r.targets), ..bare }),
        Write::JobClaims(_, claims) => Ok(Plan { more: 64 * claims.len(), outcome: Outcome::DoneOrRefused, ..bare }),
        Write::JobTargets(r) => {
            let bytes = |detail: &Option<String>| 64 + detail.as_ref().map_or(0, String::len);
            Ok(Plan { more: r.iter().map(|target| bytes(&target.detail)).sum(), outcome: Outcome::DoneOrRefused, ..bare })
        }
        Write::Alarm(r) => Plan::row(&ALARM, &**r),
        Write::DeviceEvent(r) => Plan::row(&DEVICE_EVENT, &**r),
        Write::Object(r) => Plan::row(&OBJECT, &**r),
        Write::Child(..) => Ok(Plan { outcome: Outcome::DoneOrRefused, ..bare }),
        Write::ExternalId(r) => {
            let bare = Plan { more: r.0.kind.len() + r.0.value.len(), outcome: Outcome::DoneOrRefused, ..bare };
            Ok(bare.texts([&r.0.kind, &r.0.value]))
        }
        Write::DeleteExternalId(r) => Ok(bare.texts([&r.kind, &r.value])),
        Write::EndTarget(r) => Ok(Plan { more: r.detail.as_ref().map_or(0, String::len), ..bare }),
        Write::DeleteApp(_)
        | Write::DeleteProduct(_)
        | Write::DeleteDevice(_)
        | Write::DeleteGroup(_)
        | Write::DeleteSubscription(_)
        | Write::FreeAddress(_)
        | Write::DeleteCall(_)
        | Write::DeleteSession(_)
        | Write::DeleteRegistration(_)
        | Write::DeleteSecureSession(_)
        | Write::DeleteResource(_)
        | Write::ContainerChange(_)
        | Write::CountNotice(_)
        | Write::CountRetrieval(_)
        | Write::DeleteInstance(_)
        | Write::DeleteJob(_)
        | Write::DeleteAlarm(_)
        | Write::DeleteDeviceEvent(_)
        | Write::DeleteDeviceRequest(_)
        | Write::DeleteObject(_)
        | Write::Unchild(..) => Ok(bare),
        Write::DeleteBinary(_) => Ok(bare),
    }
}
