//! The vocabulary of Landfall: ids, accounts, applications, products, devices, reports, commands, events, batches and errors.
//!
//! Absent on purpose: behaviour beyond small accessors, any runtime, socket, clock, randomness or database.

mod account;
mod alarm;
mod batch;
mod binary;
mod command;
mod device;
mod error;
mod event;
mod id;
mod job;
mod object;
mod onem2m;
mod page;
mod product;
mod secret;
mod subscription;
mod time;

pub use account::app::{App, AppLimits, ReceiverSession, TokenSlot};
pub use account::user::{PasswordHash, Role, User};
pub use account::{Account, AccountSettings};
pub use alarm::{Alarm, AlarmStatus, DeviceEvent, Severity};
pub use batch::{Batch, DeviceLimit, Write};
pub use binary::{Binary, BinaryOf, BinaryPart};
pub use command::call::{CallState, ServiceCall};
pub use command::{Command, CommandState, RevokeState, RevokeTask};
pub use device::group::Group;
pub use device::identity::Identity;
pub use device::info::DeviceInfo;
pub use device::name::DeviceName;
pub use device::principals::Principals;
pub use device::registration::{Observed, Registration, SecureSession};
pub use device::report::{Frame, HistoryPoint, KeptFrame, Redecoded, Report, Reported, ServiceReport};
pub use device::request::{DeviceRequest, RequestState};
pub use device::session::{OutboundMessage, StoredSession, SubscribedFilter};
pub use device::shadow::{Desired, Setting, Shadow};
pub use device::{AccessMode, Credentials, Device, DeviceStatus, DeviceView, MutedCommand, NodeType, StatusDetail, Tag};
pub use error::{Cause, Error, ErrorKind, Result};
pub use event::{BindResult, Confirmation, Event, EventBody, NotifyType, ProductChange, StoredEvent};
pub use id::{
    AccountId, AlarmId, AppId, BinaryId, CallId, CommandId, DeviceEventId, DeviceId, GroupId, JobId, ProductId, Seq,
    SubscriptionId, TaskId,
};
pub use job::{Job, JobBlock, JobClaim, JobCounts, JobKind, JobState, JobTarget, TargetEnd, TargetState, Targets};
pub use object::{ChildKind, ExternalId, Object, ObjectId, ObjectOf};
pub use onem2m::*;
pub use page::{Page, PageRequest, Sort};
pub use product::{
    AppData, Codec, CommandResponse, DataFormat, Lwm2mModel, Parameter, Product, ProductKey, Property, RAW_DATA, SampleFrame,
    Service, ServiceCommand,
};
pub use secret::{Digest, Secret};
pub use subscription::{Channel, Cursor, Subscription, SubscriptionKind};
pub use time::Time;
