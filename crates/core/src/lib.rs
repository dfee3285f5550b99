//! The domain of Landfall: one registry, one event stream, pure decisions.
//!
//! Each noun has a file with its verbs on [`Core`] and its pure decisions beside them. The core awaits nothing but [`Store`],
//! [`PayloadCodec`] and [`Hashing`]; it names no socket, no database, no protocol, and reads neither clock nor randomness except through [`World`].

mod access;
mod account;
mod alarm;
mod bell;
mod binary;
mod clock;
mod command;
mod device;
mod device_request;
mod extension;
pub mod fuzz;
mod group;
mod import;
mod inventory;
mod job;
mod measurement;
mod metric;
mod minutes;
mod onem2m;
mod places;
mod product;
mod receiver;
mod settings;
pub mod store;
mod subscription;
mod throttle;
mod turns;
mod uplink;
mod user;
mod why;
mod world;

pub use access::{Access, CloseCause, Downlink, Obstacle, Purpose, Takes, Undelivered, Wake};
pub use account::app::{AppChange, NewApp, TokenPair};
pub use account::authority::{AppCaller, DeviceCaller, Operator, digest};
pub use account::principal::Scope;
pub use account::{AccountChange, NewAccount};
pub use alarm::event::{DeviceEventChange, DeviceEventQuery, NewDeviceEvent};
pub use alarm::{AlarmChange, AlarmQuery, NewAlarm};
pub use bell::Bell;
pub use binary::Upload;
pub use clock::{Clock, ClockChange, ClockDoubt, TimeBounds};
pub use command::batch::{BatchOrder, BatchTask, Selection, SubTask, Tag};
pub use command::call::{CallRequest, CallTaken};
pub use command::operation::{NewOperation, Operation, OperationChange, OperationQuery, OperationStatus};
pub use command::{CommandRequest, Outcome, Step, Work, WorkOf};
pub use device::change::DeviceChange;
pub use device::claim::ClaimRefused;
pub use device::gateway::BindRequest;
pub use device::history::HistoryFilter;
pub use device::key::{NewKey, RefreshKey};
pub use device::shadow::DesiredRequest;
pub use device::{ProductRef, RegisterDevice};
pub use device_request::{Accepting, Issued, NewDeviceRequest, check_device_id};
pub use group::{GroupChange, NewGroup, members::Members};
pub use import::{
    FailedRow, ImportMode, ImportOrder, NewCredentials, NewDevice, NewDeviceObject, NewImport, Row, RowFault, Unread,
};
pub use inventory::{DevicePlan, ManagedObject, NewObject, ObjectChange, plan_device_object};
pub use job::{Begun, Chosen, HandOver, JobsTurn, NewJob, ROW_BYTES, Task};
pub use measurement::{Measurement, MeasurementQuery, Measurements, NewMeasurement};
pub use metric::{Count, Metric};
pub use onem2m::*;
pub use places::{Crowded, Place, Places, Taking, network};
pub use product::ProductDraft;
pub use product::redecode::{RedecodeCursor, RedecodeFailure, RedecodePage, RedecodeRequest};
pub use product::trial::{CodecTrial, CommandSample, CommandTrial, Decoded};
pub use receiver::{Clients, Hindrance, Parcel, ParcelId, Receivers, Unreceived};
pub use settings::Settings;
pub use store::{
    AlarmFilter, CommandFilter, Committed, DeviceEventFilter, DeviceFilter, DeviceState, Due, FramePage, FrameQuery, HistoryOf,
    HistoryQuery, JobFilter, Listed, NameClash, ObjectFilter, OperationFilter, PointQuery, PointSlice, RevokeFilter,
    SettingFilter, Store, StoreStats, SubscriptionFilter, TargetFilter,
};
pub use subscription::SubscribeRequest;
pub use subscription::notifier::{Gathering, Needs, Notification, Notifier, Receipt, Subject, Verdict};
pub use throttle::{ShutOut, Throttle};
pub use uplink::acknowledgement::Owed;
pub use uplink::message::{Item, Message};
pub use uplink::{Reading, Taken, json};
pub use user::change::{NewUser, UserChange};
pub use user::password::{Hashing, PasswordKey};
pub use user::{Permission, UserCaller, UserSessions};
pub use why::{ApiCall, Why, WhyLog};
pub use world::{CallbackPolicy, CodecRun, PayloadCodec, World};

use landfall_model::{Batch, DeviceId, Digest, Event, EventBody, Result, Time, Write};
use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

/// The one domain behind every protocol and dialect.
pub struct Core {
    store: Arc<dyn Store>,
    world: Arc<dyn World>,
    live: access::Live,
    clients: Arc<Clients>,
    codecs: Arc<dyn PayloadCodec>,
    callbacks: Arc<dyn CallbackPolicy>,
    settings: Settings,
    tree: onem2m::State,
    admin_token: Digest,
    why: WhyLog,
    mids: AtomicU32,
    stamps: AtomicU64,
    jobs: job::Engine,
    tasks: &'static [&'static dyn Task],
    claims: device::claim::Claims,
    group_marks: group::marks::Marks,
    passwords: user::password::Passwords,
    logins: user::sign_in::Logins,
    turns: turns::Turns,
    polls: device_request::Polls,
}

/// What a [`Core`] is made of.
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Time and randomness.
    pub world: Arc<dyn World>,
    /// Sandbox of the codecs.
    pub codecs: Arc<dyn PayloadCodec>,
    /// Rules for callback addresses.
    pub callbacks: Arc<dyn CallbackPolicy>,
    /// Limits and defaults.
    pub settings: Settings,
    /// Digest of the server's operator token.
    pub admin_token: Digest,
    /// Of the passwords of devices.
    pub password_key: PasswordKey,
    /// Of the passwords of people.
    pub hashing: Arc<dyn Hashing>,
}

impl Core {
    /// Puts a core together.
    pub fn new(parts: Parts) -> Self {
        let mut first = [0; 2];
        parts.world.random(&mut first);
        let logins = user::sign_in::Logins::new(&*parts.world, parts.settings.wrong_passwords_per_minute);
        Self {
            store: parts.store,
            world: parts.world,
            live: access::Live::default(),
            clients: Arc::default(),
            codecs: parts.codecs,
            callbacks: parts.callbacks,
            settings: parts.settings,
            tree: onem2m::State::default(),
            admin_token: parts.admin_token,
            why: WhyLog::default(),
            mids: AtomicU32::new(u32::from(u16::from_le_bytes(first))),
            stamps: AtomicU64::new(0),
            jobs: job::Engine::default(),
            tasks: job::TASKS,
            claims: device::claim::Claims::default(),
            group_marks: group::marks::Marks::default(),
            passwords: user::password::Passwords::new(parts.password_key, parts.hashing),
            logins,
            turns: turns::Turns::default(),
            polls: device_request::Polls::default(),
        }
    }

    /// The same with other kinds of jobs, so that tests have some of their own.
    #[must_use]
    pub fn with_tasks(self, tasks: &'static [&'static dyn Task]) -> Self {
        Self { tasks, ..self }
    }

    /// The store, for consumers of the event stream and for reads that need no authority.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Asks this access too from now on, for as long as it lives.
    pub fn enlist<A: Access + 'static>(&self, access: &Arc<A>) {
        let access: Arc<dyn Access> = access.clone();
        self.live.enlist(Arc::downgrade(&access));
    }

    /// The applications that receive notifications over a connection of their own.
    pub fn clients(&self) -> &Arc<Clients> {
        &self.clients
    }

    /// Limits and defaults.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The log of refusals.
    pub fn why(&self) -> &WhyLog {
        &self.why
    }

    /// Now, UTC.
    pub fn now(&self) -> Time {
        self.world.now()
    }

    /// The time by which what cannot be undone is decided.
    pub(crate) fn earliest(&self) -> Time {
        self.world.bounds().earliest
    }

    /// When something ends that begins now and lasts so long; not too soon, even if the clock is wrong now.
    pub(crate) fn end_of(&self, lasts_s: i64) -> Time {
        self.world.bounds().latest.plus_s(lasts_s)
    }

    /// Deletes what retention no longer keeps; returns whether more is left.
    pub async fn prune(&self) -> Result<bool> {
        let more = self.prune_jobs().await?;
        Ok(self.store.prune(self.earliest()).await? || more)
    }

    /// The jump of the clock that is not taken for right yet, if there is one: meanwhile nothing is deleted for its age and nothing expires.
    pub fn clock_doubt(&self) -> Option<ClockDoubt> {
        self.world.clock_doubt()
    }

    /// Takes the clock for right. For the operator of the server: `Forbidden`.
    pub fn accept_clock(&self, operator: &Operator) -> Result<()> {
        account::need_server(operator)?;
        self.world.accept_clock();
        Ok(())
    }

    fn random_16(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.world.random(&mut bytes);
        bytes
    }

    /// A number of 60 bits, greater than all that were given out: milliseconds, and 12 bits that count within them.
    fn stamp(&self) -> u64 {
        let now = self.now().0.max(0).cast_unsigned() << 12;
        let last = self.stamps.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(now.max(last + 1)));
        now.max(last.unwrap_or_default() + 1)
    }

    /// The id of a new device; those of devices that are made together lie together.
    fn new_device_id(&self) -> DeviceId {
        let mut random = [0; 8];
        self.world.random(&mut random);
        DeviceId::stamped(self.stamp(), random)
    }

    /// A generated credential of `bytes` random bytes, in hex.
    fn generated(&self, bytes: usize) -> String {
        let mut random = vec![0; bytes];
        self.world.random(&mut random);
        hex::encode(random)
    }
}

/// A batch of writes and events.
fn batch(writes: Vec<Write>, events: Vec<Event>) -> Batch {
    Batch { writes, events }
}

/// An event about a device.
fn device_event(device: &landfall_model::Device, at: Time, body: EventBody) -> Event {
    Event { account: device.account, principals: Some(device.principals.clone()), device: Some(device.id), at, body }
}
