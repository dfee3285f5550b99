//! Devices: one record, whichever dialect onboarded them.

pub(crate) mod group;
pub(crate) mod identity;
pub(crate) mod info;
pub(crate) mod name;
pub(crate) mod principals;
pub(crate) mod registration;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod session;
pub(crate) mod shadow;

use crate::{AccountId, AppId, DeviceId, DeviceInfo, DeviceName, Identity, Node, Principals, ProductId, Secret, Time};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, sync::Arc};

/// A device of the registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Id.
    pub id: DeviceId,
    /// Owner.
    pub account: AccountId,
    /// Which applications see it.
    #[serde(rename = "app")]
    pub principals: Principals,
    /// Counts the writes, from 1.
    pub version: u64,
    /// What the device calls itself (MAC, serial number, IMEI). Its [`Identity`] is unique on the server, as what a device shows at its
    /// admission names no account.
    pub node_id: String,
    /// How it proves who it is.
    pub access: AccessMode,
    /// Its product, once known.
    pub product: Option<ProductId>,
    /// Its gateway, for an indirectly connected device.
    pub gateway: Option<DeviceId>,
    /// Kind of node.
    pub node_type: NodeType,
    /// What the dialects show of it; shared with the events that tell it.
    pub info: Arc<DeviceInfo>,
    /// Keys.
    pub credentials: Credentials,
    /// Reachability.
    pub status: DeviceStatus,
    /// Why; for show only (1.4.9).
    pub status_detail: StatusDetail,
    /// True from the first connection on (1.4.7).
    pub activated: bool,
    /// Whether a connection was open at the last write.
    pub connected: bool,
    /// Frozen: reports are taken and dropped (1.4.4).
    pub mute: bool,
    /// Commands that are shielded (100432).
    pub muted_commands: Vec<MutedCommand>,
    /// Days of history, 0 to 90 (1.4.4); absent: the account's retention.
    pub data_aging_days: Option<u8>,
    /// When it was registered.
    pub created_at: Time,
    /// When its record last changed.
    pub modified_at: Time,
    /// When it last connected or changed to ONLINE; reports since then are newer (`Store::device_state`).
    pub heard_at: Option<Time>,
    /// What it is in the resource tree, if it was provisioned or changed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Arc<Node>>,
    /// Name of the user that owns it, where one does: a device that logs in as this user speaks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Arc<str>>,
}

impl Device {
    /// A device as it is before its first connection: INACTIVE, NOT_ACTIVE (contract row 8).
    pub fn new(
        id: DeviceId,
        account: AccountId,
        principals: impl Into<Principals>,
        node_id: impl Into<String>,
        now: Time,
    ) -> Self {
        Self {
            id,
            account,
            principals: principals.into(),
            version: 1,
            node_id: node_id.into(),
            access: AccessMode::VerifyCode,
            product: None,
            gateway: None,
            node_type: NodeType::Gateway,
            info: Arc::default(),
            credentials: Credentials::default(),
            status: DeviceStatus::Inactive,
            status_detail: StatusDetail::NotActive,
            activated: false,
            connected: false,
            mute: false,
            muted_commands: vec![],
            data_aging_days: None,
            created_at: now,
            modified_at: now,
            heard_at: None,
            node: None,
            owner: None,
        }
    }

    /// What dialects and events show of it, without credentials.
    pub fn view(&self) -> DeviceView {
        DeviceView {
            node_id: self.node_id.clone(),
            node_type: self.node_type,
            gateway: self.gateway_id(),
            info: self.info.clone(),
            status: self.status,
            status_detail: self.status_detail,
            mute: self.mute,
            is_secure: self.credentials.is_secure,
            changed: None,
        }
    }

    /// The same with what of it is new since `before`.
    pub fn news(&self, before: &Self) -> DeviceView {
        let status = (self.status, self.status_detail) != (before.status, before.status_detail);
        let others = [
            (self.node_id != before.node_id, "nodeId"),
            // A status and its detail are always told together (1.4.9).
            (status, "status"),
            (status, "statusDetail"),
            (self.mute != before.mute, "mute"),
            (self.credentials.is_secure != before.credentials.is_secure, "isSecurity"),
        ];
        let mut changed: Vec<_> = others.into_iter().filter_map(|(differs, word)| differs.then_some(word.into())).collect();
        if !Arc::ptr_eq(&self.info, &before.info) {
            changed.extend(self.info.differing(&before.info).map(Cow::from));
        }
        DeviceView { changed: Some(changed), ..self.view() }
    }

    /// The application that registered it, which dialects show as its owner; none for a device of the account itself.
    pub fn app(&self) -> Option<AppId> {
        self.principals.first().copied()
    }

    /// `gatewayId` of 1.4.9: its gateway, or itself when directly connected.
    pub fn gateway_id(&self) -> DeviceId {
        self.gateway.unwrap_or(self.id)
    }

    /// What its pre-shared key goes with: an identity of its own, or the nodeId.
    pub fn psk_identity(&self) -> &str {
        self.credentials.psk_identity.as_deref().unwrap_or(&self.node_id)
    }

    /// Every name by which it is found, those of [`Device::identities`] first.
    pub fn names(&self) -> Vec<DeviceName> {
        let node = self.node.as_ref().map(|node| DeviceName::Node(self.account, node.name.as_str().into()));
        self.identities().into_iter().map(DeviceName::Identity).chain(node).collect()
    }

    /// What its names stand for, that of the nodeId first. No other device may have a name of one of them.
    pub fn identities(&self) -> Vec<Identity> {
        Identity::of_device(&self.node_id, self.credentials.psk_identity.as_deref())
    }
}

/// How a device proves who it is (device-side contract, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessMode {
    /// Registered with 1.4.2, and `mqttConnect` not false: a secret from the start.
    Secret,
    /// Registered with a verification code that is exchanged at the first access.
    VerifyCode,
    /// Behind a gateway, without credentials of its own.
    Child,
}

/// A device as events and dialects show it; holds no credential.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceView {
    /// Node id.
    pub node_id: String,
    /// Kind of node.
    pub node_type: NodeType,
    /// Its gateway, or itself.
    pub gateway: DeviceId,
    /// Descriptive fields.
    pub info: Arc<DeviceInfo>,
    /// Reachability.
    pub status: DeviceStatus,
    /// Why.
    pub status_detail: StatusDetail,
    /// Frozen.
    pub mute: bool,
    /// Encryption device.
    pub is_secure: bool,
    /// In the event of a change, the words of the fields of 1.4.9 that changed; absent: all count, as in events of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Vec<Cow<'static, str>>>,
}

/// A tag of a device (1.4.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// 1 to 128 characters.
    pub name: String,
    /// 1 to 1024 characters.
    pub value: String,
    /// Type, for the application alone.
    pub kind: Option<i64>,
}

/// Keys of a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Credentials {
    /// Message of the HMAC in the MQTT password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Pre-shared key: 8 to 32 hex digits, two for each byte, up to 128 where it was provisioned with a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psk: Option<Secret>,
    /// Identity that goes with the key; absent: the nodeId.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psk_identity: Option<String>,
    /// Verification code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_code: Option<Secret>,
    /// Validity of the code in seconds as it was asked for; 0 is for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_timeout_s: Option<u32>,
    /// When a registration that was not activated ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_expires_at: Option<Time>,
    /// The device was active before its key was refreshed (1.4.3).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refreshed: bool,
    /// Encryption device.
    pub is_secure: bool,
}

/// A command that a device's owner has shielded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MutedCommand {
    /// Service.
    pub service_id: String,
    /// Command.
    pub method: String,
}

/// Kind of node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum NodeType {
    Endpoint,
    Gateway,
    Unknown,
}

impl NodeType {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Endpoint => "ENDPOINT",
            Self::Gateway => "GATEWAY",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Reachability (1.4.9): INACTIVE before the first connection, ABNORMAL and OFFLINE after silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum DeviceStatus {
    Inactive,
    Online,
    Abnormal,
    Offline,
}

impl DeviceStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "INACTIVE",
            Self::Online => "ONLINE",
            Self::Abnormal => "ABNORMAL",
            Self::Offline => "OFFLINE",
        }
    }
}

/// Detail of the status (1.4.9); for show, not for logic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum StatusDetail {
    None,
    ConfigurationPending,
    UeReachability,
    AvailabilityAfterDdnFailure,
    CommunicationError,
    ConfigurationError,
    BridgeOffline,
    FirmwareUpdating,
    DutyCycle,
    NotActive,
    LossOfConnectivity,
    TimeOut,
}

impl StatusDetail {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::ConfigurationPending => "CONFIGURATION_PENDING",
            Self::UeReachability => "UE_REACHABILITY",
            Self::AvailabilityAfterDdnFailure => "AVAILABILITY_AFTER_DDN_FAILURE",
            Self::CommunicationError => "COMMUNICATION_ERROR",
            Self::ConfigurationError => "CONFIGURATION_ERROR",
            Self::BridgeOffline => "BRIDGE_OFFLINE",
            Self::FirmwareUpdating => "FIRMWARE_UPDATING",
            Self::DutyCycle => "DUTY_CYCLE",
            Self::NotActive => "NOT_ACTIVE",
            Self::LossOfConnectivity => "LOSS_OF_CONNECTIVITY",
            Self::TimeOut => "TIME_OUT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        let (account, app) = (AccountId::from_random([1; 16]), AppId::from_random([2; 16]));
        Device::new(DeviceId::from_random([3; 16]), account, app, "n", Time(0))
    }

    #[test]
    fn news_name_what_changed() {
        type Change = fn(&mut Device);
        let cases: [(Change, &[&str]); 7] = [
            (|_| {}, &[]),
            (|device| device.version += 1, &[]),
            (|device| device.status = DeviceStatus::Online, &["status", "statusDetail"]),
            (|device| device.status_detail = StatusDetail::TimeOut, &["status", "statusDetail"]),
            (|device| device.node_id = "m".into(), &["nodeId"]),
            (|device| (device.mute, device.credentials.is_secure) = (true, true), &["mute", "isSecurity"]),
            (|device| Arc::make_mut(&mut device.info).fw_version = Some("2".into()), &["fwVersion"]),
        ];
        for (change, words) in cases {
            let (before, mut after) = (device(), device());
            change(&mut after);
            let view = after.news(&before);
            assert_eq!(view.changed.as_deref(), Some(words.iter().map(|word| Cow::from(*word)).collect::<Vec<_>>().as_slice()));
            assert_eq!(DeviceView { changed: None, ..view }, after.view());
        }
    }

    #[test]
    fn events_of_older_programs_tell_all() {
        let view = device().view();
        let older = serde_json::to_string(&view).unwrap();
        assert!(!older.contains("changed"), "{older}");
        assert_eq!(serde_json::from_str::<DeviceView>(&older).unwrap(), view);
        let news = device().news(&device());
        assert_eq!(serde_json::from_str::<DeviceView>(&serde_json::to_string(&news).unwrap()).unwrap(), news);
    }
}
