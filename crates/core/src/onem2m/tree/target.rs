//! What an address stands for, what every resource has (id, type, name, labels, times, parent), and what may be made below.

use super::{CREDENTIALS, DEVICE_INFO, OUTCOME_PREFIX, info_of, node_name};
use crate::onem2m::Provisioning;
use landfall_model::{
    AccountId, AccountPart, Device, DeviceId, DevicePart, Instance, ManagedKind, MessageBox, Resource, ResourceId, ResourceKind,
    Time,
};
use std::sync::Arc;

/// What an address in the tree stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A fixed place of the account.
    Place(AccountPart),
    /// The node of a device.
    Node(Arc<Device>),
    /// Its credentials.
    Credentials(Arc<Device>),
    /// One of its information objects.
    Info(Arc<Device>, u8),
    /// One of the management objects that it keeps up to date itself.
    Managed(Arc<Device>, ManagedKind),
    /// Its container of containers.
    Channel(Arc<Device>),
    /// One of its containers of messages.
    Box(Arc<Device>, MessageBox),
    /// A resource with a record.
    Resource(Arc<Resource>),
    /// An instance, and what it is in.
    Instance(Box<Instance>, Box<Target>),
    /// A provisioning request.
    Request(Box<Provisioning>),
    /// The outcome of one that is finished.
    Outcome(Box<Provisioning>),
}

impl Target {
    /// `ri`
    pub fn id(&self, account: AccountId) -> ResourceId {
        let part = |device: &Device, part| ResourceId::of_device(device.id, part);
        match self {
            Self::Place(place) => ResourceId::of_account(account, *place),
            Self::Node(device) => part(device, DevicePart::Node),
            Self::Credentials(device) => part(device, DevicePart::Credentials),
            Self::Info(device, index) => part(device, DevicePart::Info(*index)),
            Self::Managed(device, kind) => part(device, DevicePart::Managed(*kind)),
            Self::Channel(device) => part(device, DevicePart::Channel),
            Self::Box(device, which) => part(device, DevicePart::Box(*which)),
            Self::Resource(resource) => resource.id,
            Self::Instance(instance, _) => instance.id,
            Self::Request(request) => request.id,
            Self::Outcome(request) => request.id.outcome(),
        }
    }

    /// `ty`
    pub fn ty(&self) -> u8 {
        match self {
            Self::Place(AccountPart::Base) => 5,
            Self::Place(_) | Self::Channel(_) | Self::Box(..) => ResourceKind::Container.ty(),
            Self::Node(_) => 14,
            Self::Credentials(_) | Self::Info(..) | Self::Managed(..) => 13,
            Self::Resource(resource) => resource.kind.ty(),
            Self::Instance(..) => 4,
            Self::Request(_) | Self::Outcome(_) => ResourceKind::FlexContainer.ty(),
        }
    }

    /// `rn`; empty for the base, which has the account's name.
    pub fn name(&self) -> String {
        match self {
            Self::Place(place) => place.name().to_owned(),
            Self::Node(device) | Self::Channel(device) => node_name(device),
            Self::Credentials(_) => CREDENTIALS.to_owned(),
            Self::Info(device, index) => info_of(device, *index).map_or(DEVICE_INFO.to_owned(), |info| info.name.clone()),
            Self::Managed(_, kind) => kind.name().to_owned(),
            Self::Box(_, which) => which.name().to_owned(),
            Self::Resource(resource) => resource.name.clone(),
            Self::Instance(instance, _) => instance.name.clone(),
            Self::Request(request) => request.name.clone(),
            Self::Outcome(request) => format!("{OUTCOME_PREFIX}{}", request.id),
        }
    }

    /// `lbl`
    pub fn labels(&self) -> &[String] {
        match self {
            Self::Node(device) => device.node.as_ref().map_or(&[], |node| &node.labels),
            Self::Info(device, index) => info_of(device, *index).map_or(&[], |info| &info.labels),
            Self::Resource(resource) => &resource.labels,
            Self::Instance(instance, _) => &instance.labels,
            Self::Request(request) => &request.labels,
            _ => &[],
        }
    }

    /// When it was made and when it last changed; none for a fixed place.
    pub fn times(&self) -> Option<(Time, Time)> {
        Some(match self {
            Self::Node(device) | Self::Channel(device) | Self::Box(device, _) => match &device.node {
                Some(node) => (node.created_at, node.modified_at),
                None => (device.created_at, device.modified_at),
            },
            Self::Credentials(device) => {
                let at = device.node.as_ref().and_then(|node| node.credentials_at).unwrap_or(device.created_at);
                (at, at)
            }
            Self::Info(device, index) => match info_of(device, *index) {
                Some(info) => (info.created_at, info.modified_at),
                None => (device.created_at, device.modified_at),
            },
            Self::Managed(device, kind) => {
                let object = device.node.as_ref()?.managed(*kind)?;
                (object.created_at, object.modified_at)
            }
            Self::Resource(resource) => (resource.created_at, resource.modified_at),
            Self::Instance(instance, _) => (instance.created_at, instance.created_at),
            Self::Request(request) => (request.created_at, request.created_at),
            Self::Outcome(request) => (request.finished_at?, request.finished_at?),
            Self::Place(_) => return None,
        })
    }

    /// Originator that made it, where one did.
    pub fn creator(&self) -> Option<&str> {
        match self {
            Self::Resource(resource) => Some(&resource.creator),
            Self::Instance(instance, _) => instance.creator.as_deref(),
            Self::Request(request) | Self::Outcome(request) => Some(&request.creator),
            _ => None,
        }
    }

    /// Whether instances can be in it.
    pub fn holds_instances(&self) -> bool {
        match self {
            Self::Place(AccountPart::Logs) | Self::Box(..) => true,
            Self::Resource(resource) => resource.kind == ResourceKind::Container,
            _ => false,
        }
    }

    /// `pi`: what it is right below; none for the base.
    pub fn parent(&self, account: AccountId) -> Option<ResourceId> {
        let part = |device: &Device, part| ResourceId::of_device(device.id, part);
        let place = |place| ResourceId::of_account(account, place);
        Some(match self {
            Self::Place(one) => place(one.parent()?),
            Self::Node(_) => place(AccountPart::Base),
            Self::Credentials(device) | Self::Info(device, _) | Self::Managed(device, _) => part(device, DevicePart::Node),
            Self::Channel(_) => place(AccountPart::Communication),
            Self::Box(device, _) => part(device, DevicePart::Channel),
            Self::Resource(resource) => resource.parent,
            Self::Instance(instance, _) => instance.container,
            Self::Request(_) => place(AccountPart::Requests),
            Self::Outcome(_) => place(AccountPart::Responses),
        })
    }

    /// The device that it is part of or below.
    pub fn device(&self) -> Option<DeviceId> {
        match self {
            Self::Node(device)
            | Self::Credentials(device)
            | Self::Info(device, _)
            | Self::Managed(device, _)
            | Self::Channel(device)
            | Self::Box(device, _) => Some(device.id),
            Self::Resource(resource) => resource.device,
            Self::Instance(instance, _) => instance.device,
            Self::Place(_) | Self::Request(_) | Self::Outcome(_) => None,
        }
    }
}

/// What applications may make below a target, beside instances.
pub(super) fn allowed_below(target: &Target) -> &'static [ResourceKind] {
    use ResourceKind as Kind;
    const GENERAL: &[ResourceKind] = &[
        Kind::AccessControlPolicy,
        Kind::ApplicationEntity,
        Kind::Container,
        Kind::Group,
        Kind::Subscription,
        Kind::FlexContainer,
    ];
    match target {
        Target::Place(AccountPart::Base) => GENERAL,
        Target::Place(AccountPart::Groups) => &[Kind::FlexContainer, Kind::Subscription],
        Target::Place(_) | Target::Box(..) | Target::Node(_) | Target::Info(..) | Target::Managed(..) => &[Kind::Subscription],
        Target::Channel(_) => &[Kind::Container, Kind::Subscription],
        Target::Resource(resource) => match resource.kind {
            Kind::ApplicationEntity => {
                &[Kind::AccessControlPolicy, Kind::Container, Kind::Group, Kind::Subscription, Kind::FlexContainer]
            }
            Kind::Container | Kind::FlexContainer => &[Kind::Container, Kind::Subscription, Kind::FlexContainer],
            Kind::AccessControlPolicy | Kind::Group => &[Kind::Subscription],
            Kind::Subscription => &[],
        },
        Target::Credentials(_) | Target::Instance(..) | Target::Request(_) | Target::Outcome(_) => &[],
    }
}
