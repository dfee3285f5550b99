//! Events: what happened, in the order in which it was committed.

use crate::{
    AccountId, Alarm, AppId, CommandId, CommandState, DeviceEvent, DeviceId, DeviceView, Notice, Principals, ProductId,
    ProductKey, Report, Seq, SubscriptionId, Time,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An event of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Account.
    pub account: AccountId,
    /// The applications that see its device, or the one it is for; absent for events of the whole account (product models).
    #[serde(rename = "app")]
    pub principals: Option<Principals>,
    /// Device; pushes keep the order of each device.
    pub device: Option<DeviceId>,
    /// When it was decided.
    pub at: Time,
    /// What happened.
    pub body: EventBody,
}

impl Event {
    /// Whether it is about what an application of the account sees.
    pub fn concerns(&self, account: AccountId, app: AppId) -> bool {
        account == self.account && self.principals.as_ref().is_none_or(|all| all.include(app))
    }
}

/// An event with its place in the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Its place.
    pub seq: Seq,
    /// What happened.
    pub event: Arc<Event>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EventBody {
    /// 1.6.7.1
    DeviceAdded(Box<DeviceView>),
    /// 1.6.7.2
    DeviceBound {
        /// How the binding ended.
        result: BindResult,
        /// The device then.
        device: Box<DeviceView>,
    },
    /// 1.6.7.3
    DeviceInfoChanged(Box<DeviceView>),
    /// 1.6.7.4 and 1.6.7.5
    Reported(Report),
    /// 1.6.7.9
    DeviceDeleted {
        /// Its gateway, or itself.
        gateway: DeviceId,
    },
    /// 1.6.7.10
    MessageConfirmed {
        /// How far the call came.
        status: Confirmation,
        /// `requestId` of the call.
        request_id: String,
        /// Service of the call.
        service_id: String,
        /// Who asked.
        to: String,
        /// Address of the call; absent: the subscribers of messageConfirm.
        address: Option<SubscriptionId>,
    },
    /// 1.6.7.11
    CommandAnswered {
        /// `requestId` of the call.
        request_id: String,
        /// Service of the call.
        service_id: String,
        /// Its type.
        service_type: String,
        /// Response command.
        method: String,
        /// Who asked.
        to: String,
        /// The device's answer: a JSON object.
        body: String,
        /// The device's errcode; 0 is success.
        errcode: i64,
        /// Address of the call, told beside the subscribers of commandRsp.
        address: Option<SubscriptionId>,
    },
    /// 1.6.7.12
    CommandChanged {
        /// The command.
        command: CommandId,
        /// Its state now.
        state: CommandState,
        /// The result as a JSON object.
        result: Option<String>,
        /// Address of the command; absent: told to nobody.
        address: Option<SubscriptionId>,
    },
    /// 1.6.7.14
    DesiredDelivered {
        /// Service.
        service_id: String,
        /// The JSON object of the properties concerned.
        properties: String,
        /// Whether the device took them.
        delivered: bool,
    },
    /// A subscription was made, changed or deleted; told to nobody, read by the push.
    SubscriptionChanged(SubscriptionId),
    /// 1.6.7.6 to 1.6.7.8
    ProductModel {
        /// Which of the three.
        change: ProductChange,
        /// The product.
        product: ProductId,
        /// Its keys.
        key: ProductKey,
    },
    /// What a subscription to a resource asked to be told (TS-0001, 10.2.10).
    Notice(Box<Notice>),
    /// An alarm was raised, counted up or changed.
    AlarmChanged(Box<Alarm>),
    /// An event of a device was told or changed.
    DeviceEvent(Box<DeviceEvent>),
}

impl EventBody {
    /// The address of its own that a call or command is told to.
    pub fn call_address(&self) -> Option<SubscriptionId> {
        match self {
            Self::MessageConfirmed { address, .. }
            | Self::CommandAnswered { address, .. }
            | Self::CommandChanged { address, .. } => *address,
            _ => None,
        }
    }

    /// Whether subscribers are told: of what goes to an address of its own, only the device's answer goes to them too.
    pub fn has_subscribers(&self) -> bool {
        match self {
            Self::Notice(_) | Self::SubscriptionChanged(_) | Self::CommandChanged { .. } => false,
            Self::AlarmChanged(_) | Self::DeviceEvent(_) => false,
            Self::MessageConfirmed { address, .. } => address.is_none(),
            _ => true,
        }
    }
}

/// How a binding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum BindResult {
    Succeeded,
    Expired,
}

/// How far a call came: the words of 1.6.7.10, and two for its own address (1.7.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Confirmation {
    Sent,
    Delivered,
    Executed,
    Failed,
    Timeout,
}

/// What became of a product model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ProductChange {
    Added,
    Changed,
    Deleted,
}

/// The subscribable notifications: those of 1.6.1, those that the SDK chapters name beside them (2.3.4.1), which nothing fires, and those of 1.6.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum NotifyType {
    DeviceAdded,
    BindDevice,
    DeviceInfoChanged,
    DeviceDataChanged,
    DeviceDatasChanged,
    DeviceCapabilitiesChanged,
    DeviceCapabilitiesAdded,
    DeviceCapabilitiesDeleted,
    DeviceDeleted,
    MessageConfirm,
    CommandRsp,
    RuleEvent,
    DeviceDesiredPropertiesModifyStatusChanged,
    DeviceEvent,
    ServiceInfoChanged,
    DeviceModelAdded,
    DeviceModelDeleted,
    SwUpgradeStateChangeNotify,
    SwUpgradeResultNotify,
    FwUpgradeStateChangeNotify,
    FwUpgradeResultNotify,
}

impl NotifyType {
    /// All of them, the 13 of 1.6.1 first.
    pub const ALL: [Self; 21] = [
        Self::DeviceAdded,
        Self::BindDevice,
        Self::DeviceInfoChanged,
        Self::DeviceDataChanged,
        Self::DeviceDatasChanged,
        Self::DeviceCapabilitiesChanged,
        Self::DeviceCapabilitiesAdded,
        Self::DeviceCapabilitiesDeleted,
        Self::DeviceDeleted,
        Self::MessageConfirm,
        Self::CommandRsp,
        Self::RuleEvent,
        Self::DeviceDesiredPropertiesModifyStatusChanged,
        Self::DeviceEvent,
        Self::ServiceInfoChanged,
        Self::DeviceModelAdded,
        Self::DeviceModelDeleted,
        Self::SwUpgradeStateChangeNotify,
        Self::SwUpgradeResultNotify,
        Self::FwUpgradeStateChangeNotify,
        Self::FwUpgradeResultNotify,
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeviceAdded => "deviceAdded",
            Self::BindDevice => "bindDevice",
            Self::DeviceInfoChanged => "deviceInfoChanged",
            Self::DeviceDataChanged => "deviceDataChanged",
            Self::DeviceDatasChanged => "deviceDatasChanged",
            Self::DeviceCapabilitiesChanged => "deviceCapabilitiesChanged",
            Self::DeviceCapabilitiesAdded => "deviceCapabilitiesAdded",
            Self::DeviceCapabilitiesDeleted => "deviceCapabilitiesDeleted",
            Self::DeviceDeleted => "deviceDeleted",
            Self::MessageConfirm => "messageConfirm",
            Self::CommandRsp => "commandRsp",
            Self::RuleEvent => "ruleEvent",
            Self::DeviceDesiredPropertiesModifyStatusChanged => "deviceDesiredPropertiesModifyStatusChanged",
            Self::DeviceEvent => "deviceEvent",
            Self::ServiceInfoChanged => "serviceInfoChanged",
            Self::DeviceModelAdded => "deviceModelAdded",
            Self::DeviceModelDeleted => "deviceModelDeleted",
            Self::SwUpgradeStateChangeNotify => "swUpgradeStateChangeNotify",
            Self::SwUpgradeResultNotify => "swUpgradeResultNotify",
            Self::FwUpgradeStateChangeNotify => "fwUpgradeStateChangeNotify",
            Self::FwUpgradeResultNotify => "fwUpgradeResultNotify",
        }
    }

    /// The type with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == word)
    }

    /// Whether 1.6.2 (upgrades) and not 1.6.1 takes it.
    pub fn is_management(self) -> bool {
        self >= Self::SwUpgradeStateChangeNotify
    }
}
