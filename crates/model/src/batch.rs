//! What one decision changes: versioned writes and the events they mean, applied together or not at all.

use crate::{
    Account, AccountId, Alarm, AlarmId, App, Append, CallId, ChildKind, Command, ContainerChange, Cursor, Device, DeviceEvent,
    DeviceEventId, DeviceId, Error, Event, ExternalId, Group, GroupId, Job, JobBlock, JobClaim, JobId, JobTarget, Object,
    ObjectId, Observed, Product, ProductId, Redecoded, Registration, Resource, ResourceId, RevokeTask, SecureSession,
    ServiceCall, Setting, Shadow, StoredSession, Subscription, SubscriptionId, TargetEnd, User,
};
use uuid::Uuid;

/// One decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Writes.
    pub writes: Vec<Write>,
    /// Events, in order.
    pub events: Vec<Event>,
}

impl Batch {
    /// Adds what another decision changes.
    pub fn merge(&mut self, other: Self) {
        self.writes.extend(other.writes);
        self.events.extend(other.events);
    }
}

/// One write. A record with a `version` is refused with `Cause::Stale` unless the stored version is one less (none for 1).
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Write {
    Account(Box<Account>),
    App(Box<App>),
    DeleteApp(crate::AppId),
    /// `NameTaken` where another user has its device id.
    User(Box<User>),
    /// By name, without regard to case.
    DeleteUser(AccountId, String),
    Product(Box<Product>),
    DeleteProduct(ProductId),
    /// Refused where the owner would then have more devices than it may; comes before the devices that are added.
    DeviceLimit(Box<DeviceLimit>),
    Device(Box<Device>),
    /// Also drops its state, history, calls, commands, alarms, events, shadow, registration, sessions, object with links and external ids, and the
    /// resources and instances below it; its id stays known as a tombstone.
    DeleteDevice(DeviceId),
    Group(Box<Group>),
    /// Also takes its devices out of it, and drops its object.
    DeleteGroup(GroupId),
    /// Devices of its account join a group, at most [`Group::SLICE`]; those that are gone or in it are passed over. `ResourceNotFound` where the
    /// group is gone, `GroupFull` where it would have more than it may.
    Join(GroupId, Vec<DeviceId>),
    /// Devices leave a group, at most [`Group::SLICE`].
    Leave(GroupId, Vec<DeviceId>),
    Subscription(Box<Subscription>),
    /// Also drops its cursor.
    DeleteSubscription(SubscriptionId),
    /// Deletes an address of calls and commands, unless one of them names it or something that was told to it is not delivered.
    FreeAddress(SubscriptionId),
    Cursor(Cursor),
    Call(Box<ServiceCall>),
    DeleteCall(CallId),
    Session(Box<StoredSession>),
    DeleteSession(DeviceId),
    /// Its place in the device's queue must be free when its version is 1.
    Command(Box<Command>),
    RevokeTask(Box<RevokeTask>),
    Shadow(Box<Shadow>),
    /// Appended.
    Setting(Box<Setting>),
    Registration(Box<Registration>),
    /// What stands of the observations of the registration that a device has; one of another generation counts for nothing.
    Observed(DeviceId, Observed),
    DeleteRegistration(DeviceId),
    SecureSession(Box<SecureSession>),
    DeleteSecureSession(u64),
    /// The random number by which a server knows its own database again; replaces the one before.
    Origin(String),
    /// Replaces the history points that came from these frames, and the newest values that hang on them. Frames whose history is gone
    /// meanwhile are passed over.
    Redecoded(Box<Redecoded>),
    /// `ResourceExists` where its parent has another one of this name, `ResourceNotFound` where the parent is gone.
    Resource(Box<Resource>),
    /// Also drops the resources and instances below it.
    DeleteResource(ResourceId),
    /// `ResourceExists` where its container has another one of this name, `ResourceNotFound` where the container is gone.
    Append(Box<Append>),
    /// Counts a change of a container, which is written beside it, and lets go what its limits do not allow.
    ContainerChange(ContainerChange),
    /// Counts a notice of a subscription to a resource; with the last one that its `exc` allows it goes. Of the notices in the batch that are for the
    /// same address, the n-th is sent if the n-th such write found the subscription, [`crate::Changed::Ended`] if that ended it.
    CountNotice(ResourceId),
    /// Counts a retrieval of an instance; with the last one that its `dcnt` allows it goes.
    CountRetrieval(ResourceId),
    DeleteInstance(ResourceId),
    /// Replaces the labels by which a resource is found.
    Labels {
        account: crate::AccountId,
        subject: ResourceId,
        labels: Vec<String>,
    },
    /// `NameTaken` where its application has another job of this kind and name.
    Job(Box<Job>),
    /// Stands after its job; `ResourceNotFound` where that is gone, `Stale` where the block is there already, `TooMany` beyond
    /// [`JobBlock::SIZE`].
    JobBlock(Box<JobBlock>),
    /// Of a block of rows these are left, each at its place, with empty texts for those that go; where all go, so does the block. Passed over where
    /// that is gone.
    KeepRows(Box<JobBlock>),
    /// What rows of a job claim for themselves in it, with the number of the row, as long as the job is kept; of several, the first stays. At most [`JobBlock::SIZE`]
    /// rows' worth at once. Stands after its job.
    JobClaims(JobId, Vec<JobClaim>),
    /// `Stale` where there is one for this id already, of whatever account.
    DeviceRequest(Box<crate::DeviceRequest>),
    /// By the id of its device.
    DeleteDeviceRequest(String),
    /// `Stale` where another file is kept with the same.
    Binary(Box<crate::Binary>),
    /// `Stale` where its file is gone or whole, or has this part; `TooMany` beyond [`crate::Binary::PART_BYTES`].
    BinaryPart(Box<crate::BinaryPart>),
    /// Also drops its bytes.
    DeleteBinary(crate::BinaryId),
    /// Targets that were begun, each once; they stand beside the job whose `begun` counts them. `ResourceNotFound` where that is gone, `Stale`
    /// where one was begun already, `TooMany` beyond [`JobBlock::SIZE`].
    JobTargets(Vec<JobTarget>),
    /// Passed over unless the target is under way.
    EndTarget(TargetEnd),
    /// Also drops its targets.
    DeleteJob(JobId),
    /// `Stale` where it is open and its device has another open one of its kind.
    Alarm(Box<Alarm>),
    DeleteAlarm(AlarmId),
    DeviceEvent(Box<DeviceEvent>),
    DeleteDeviceEvent(DeviceEventId),
    /// `ResourceNotFound` where the device or group that it is of is gone.
    Object(Box<Object>),
    /// Also drops its links and external ids, if there is one with this id.
    DeleteObject(ObjectId),
    /// The last one goes below the first one; passed over where it is. `ResourceNotFound` where one of them is gone or they are of two accounts,
    /// `ChildNotAllowed` where the first one is the last one or below it, `TooMany` where it has too many above it.
    Child(ObjectId, ChildKind, ObjectId),
    /// Passed over where it is not below it.
    Unchild(ObjectId, ChildKind, ObjectId),
    /// Names an object; passed over where that has the name. `NameTaken` where another one has, `ResourceNotFound` where the object is gone,
    /// `TooMany` beyond [`ExternalId::MOST`].
    ExternalId(Box<(ExternalId, ObjectId)>),
    DeleteExternalId(Box<ExternalId>),
}

/// How many devices somebody may have, looked at when the devices are written.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceLimit {
    /// Account of the devices.
    pub account: AccountId,
    /// Application that sees them, gateway they are behind, or product they are of.
    pub owner: Uuid,
    /// How many the batch adds.
    pub adding: u64,
    /// How many there may be then.
    pub most: u64,
    /// What the batch is refused with.
    pub error: Error,
}
