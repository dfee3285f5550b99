//! Content instances: appended, read, deleted (TS-0001, 9.6.7, 10.2.4).

use super::{Right, Target, notice::Happened};
use crate::{Core, OriginCaller, Wake, batch};
use landfall_model::{
    Account, AccountId, AccountPart, Append, Batch, Cause, Changed, DevicePart, Error, Instance, MessageBox, Resource,
    ResourceId, Result, Time, Write,
};
use serde_json::{Map, Value};

/// `mni` of a container that names none (D2C).
pub(crate) const MAX_INSTANCES: u64 = 100;
/// `mbs` of a container that names none, in bytes (D2C).
pub(crate) const MAX_BYTES: u64 = 1_000_000;
/// Instances of `device-provisioning/logs`, which all devices share.
const LOGS: u64 = 10_000;
const LOGS_BYTES: u64 = 16_000_000;

/// A content instance to be made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewInstance {
    /// Name; a UUID is made where there is none.
    pub name: Option<String>,
    /// `con` as JSON.
    pub content: String,
    /// `cs`: bytes of the content; of a text, without its quotes.
    pub size: u64,
    /// `cnf`
    pub format: Option<String>,
    /// `lbl`
    pub labels: Vec<String>,
    /// Attributes that need nothing else, by their short names: `or`, `dgt`, `dcnt`.
    pub other: Map<String, Value>,
    /// When it is to end by itself.
    pub expires_at: Option<Time>,
}

/// What a container may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerLimits {
    /// `mni`
    pub instances: u64,
    /// `mbs`
    pub bytes: u64,
    /// `mia`: seconds after which an instance ends.
    pub age_s: Option<u64>,
}

impl ContainerLimits {
    /// Those of a target that holds instances; what a container names itself, and defaults.
    pub fn of(target: &Target) -> Self {
        match target {
            Target::Resource(resource) => Self::of_record(resource),
            Target::Place(AccountPart::Logs) => Self { instances: LOGS, bytes: LOGS_BYTES, age_s: None },
            _ => Self { instances: MAX_INSTANCES, bytes: MAX_BYTES, age_s: None },
        }
    }

    pub(super) fn of_record(container: &Resource) -> Self {
        let given = |name: &str| container.attributes.get(name).and_then(Value::as_u64);
        Self { instances: given("mni").unwrap_or(MAX_INSTANCES), bytes: given("mbs").unwrap_or(MAX_BYTES), age_s: given("mia") }
    }
}

impl Core {
    /// Appends an instance; returns it with its `st`, once it is durable.
    ///
    /// `ChildNotAllowed` where no instances can be, `Forbidden`, `ResourceExists`, `TooMany` for more messages than may wait for a device,
    /// `ContentTooLarge` for more than the container may hold at all, `ResourceNotFound` where the container is gone.
    pub async fn append(&self, by: &OriginCaller, within: &Target, new: NewInstance) -> Result<Instance> {
        if !within.holds_instances() || *within == Target::Place(AccountPart::Logs) {
            return Err(Error::new(Cause::ChildNotAllowed, "content instances cannot be made here"));
        }
        self.check_right(by, within, Right::Create).await?;
        if matches!(within, Target::Box(_, MessageBox::Outgoing)) {
            self.check_outgoing(within.id(by.account.id), new.size).await?;
        }
        let id = ResourceId::new(self.now(), self.random_16());
        let mut append = self.new_append(id, by.account.id, within, Some(by.name.clone()), new)?;
        append.instance.by = Some(by.app.id);
        let made = append.instance.clone();
        let whole = self.append_batch(&by.account, within, append).await?;
        let state = self.store.commit(whole).await?.states.first().copied().unwrap_or_default();
        if let Target::Box(device, MessageBox::Outgoing) = within {
            self.live.wake(device.id, Wake::Work);
        }
        Ok(Instance { state, ..made })
    }

    /// Messages that wait for a device are refused when there are too many, not lost.
    async fn check_outgoing(&self, container: ResourceId, size: u64) -> Result<()> {
        let waiting = self.store.container_state(container).await?;
        if size <= MAX_BYTES && (waiting.instances >= MAX_INSTANCES || waiting.bytes.saturating_add(size) > MAX_BYTES) {
            return Err(Error::new(Cause::TooMany, "too many messages wait for the device already"));
        }
        Ok(())
    }

    /// The batch of a new instance.
    pub(crate) async fn appended(
        &self,
        account: &Account,
        within: &Target,
        creator: Option<String>,
        new: NewInstance,
    ) -> Result<Batch> {
        let id = ResourceId::new(self.now(), self.random_16());
        let append = self.new_append(id, account.id, within, creator, new)?;
        self.append_batch(account, within, append).await
    }

    /// An instance as it is to be appended under this id. `ContentTooLarge`.
    pub(crate) fn new_append(
        &self,
        id: ResourceId,
        account: AccountId,
        within: &Target,
        creator: Option<String>,
        new: NewInstance,
    ) -> Result<Append> {
        let (limits, now) = (ContainerLimits::of(within), self.now());
        if new.size > limits.bytes {
            return Err(Error::new(Cause::ContentTooLarge, "the content is larger than the container's mbs").at("con"));
        }
        let aged = limits.age_s.map(|age_s| self.end_of(i64::try_from(age_s).unwrap_or(i64::MAX)));
        let instance = Instance {
            id,
            container: within.id(account),
            account,
            device: within.device(),
            name: new.name.unwrap_or_else(|| id.uuid_name()),
            state: 0,
            content: new.content,
            format: new.format,
            size: new.size,
            labels: new.labels,
            other: new.other,
            creator,
            by: None,
            created_at: now,
            expires_at: new.expires_at.into_iter().chain(aged).min(),
        };
        // What waits for a device is not evicted: there is room for what comes at the same time as the last one that is not refused.
        let room: u64 = if matches!(within, Target::Box(_, MessageBox::Outgoing)) { 10 } else { 1 };
        let (max_instances, max_bytes) = (room.saturating_mul(limits.instances), room.saturating_mul(limits.bytes));
        Ok(Append { instance, max_instances, max_bytes })
    }

    /// The batch that appends it and tells the container's subscribers.
    pub(crate) async fn append_batch(&self, account: &Account, within: &Target, append: Append) -> Result<Batch> {
        let instance = &append.instance;
        let told = || shown(instance, within).into();
        let (happened, at) = (Happened::ChildCreated, instance.created_at);
        let notices = self.notices(account, instance.container, happened, at, told).await?;
        let mut hooks = vec![];
        if let Target::Box(device, which @ (MessageBox::Received | MessageBox::Errors)) = within {
            let changed = || Changed::Instance(Box::new(instance.clone()));
            hooks = self.hook_notices(account, device, DevicePart::Box(*which), (happened, at), changed).await?;
        }
        let mut whole = batch(vec![Write::Append(Box::new(append))], vec![]);
        whole.merge(notices);
        whole.events.extend(hooks);
        Ok(whole)
    }

    /// Counts the retrieval of an instance that allows only so many (`dcnt`); with the last one it goes, and the container's subscribers are told.
    pub async fn retrieved(&self, by: &OriginCaller, instance: &Instance, within: &Target) -> Result<()> {
        let Some(left) = instance.other.get("dcnt").and_then(Value::as_u64) else { return Ok(()) };
        let mut whole = batch(vec![Write::CountRetrieval(instance.id)], vec![]);
        if left <= 1 {
            let gone = || shown(instance, within).into();
            whole.merge(self.notices(&by.account, instance.container, Happened::ChildDeleted, self.now(), gone).await?);
        }
        self.store.commit(whole).await.map(|_| ())
    }

    /// Deletes an instance and tells the container's subscribers. `Forbidden`.
    pub(super) async fn delete_instance(&self, by: &OriginCaller, instance: &Instance, within: &Target) -> Result<()> {
        self.check_right(by, within, Right::Delete).await?;
        let gone = || shown(instance, within).into();
        let mut whole = batch(vec![Write::DeleteInstance(instance.id)], vec![]);
        whole.merge(self.notices(&by.account, instance.container, Happened::ChildDeleted, self.now(), gone).await?);
        self.store.commit(whole).await.map(|_| ())
    }
}

fn shown(instance: &Instance, within: &Target) -> Target {
    Target::Instance(Box::new(instance.clone()), Box::new(within.clone()))
}
