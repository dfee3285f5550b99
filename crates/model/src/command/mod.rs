//! Cached commands to LwM2M devices (1.7.1 to 1.7.6) and the tasks that revoke them.

pub(crate) mod call;

use crate::{AccountId, AppId, CommandId, DeviceId, JobId, TaskId, Time};
use serde::{Deserialize, Serialize};

/// A command of 1.7.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Id.
    pub id: CommandId,
    /// Account of the device.
    pub account: AccountId,
    /// The application in whose name it was asked for; none: an operator asked, of a device of the account itself.
    pub app: Option<AppId>,
    /// The application that asked: that one, or one that it authorized. Absent: an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<AppId>,
    /// The job that it was made for and its place among the job's targets, which ends with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<(JobId, u64)>,
    /// The device it is for.
    pub device: DeviceId,
    /// Counts the writes, from 1.
    pub version: u64,
    /// Place in the device's queue, from 1; unique among the device's commands. Commands go out in this order, one after the other.
    pub place: u64,
    /// Number by which a payload codec tells answers apart, 1 to 65535.
    pub mid: u16,
    /// Service.
    pub service_id: String,
    /// Command of the service.
    pub method: String,
    /// The JSON object of parameters.
    pub paras: String,
    /// Takes a callback on every change of state.
    pub callback_url: Option<String>,
    /// Seconds for which it may wait, as asked for; absent: the default of 1.7.1.
    pub expire_s: Option<u32>,
    /// Sends after the first that may follow when no acknowledgement came, 0 to 3.
    pub max_retransmit: u8,
    /// How far it came.
    pub state: CommandState,
    /// When it was made.
    pub created_at: Time,
    /// Sends so far.
    pub issued_times: u32,
    /// Last send.
    pub issued_at: Option<Time>,
    /// Acknowledgement of the device.
    pub delivered_at: Option<Time>,
    /// Result of the device.
    pub executed_at: Option<Time>,
    /// The result as a JSON object.
    pub result: Option<String>,
    /// When the state ends by itself: PENDING in EXPIRED, SENT and DELIVERED in TIMEOUT; absent: never.
    pub due_at: Option<Time>,
}

/// States of a command (1.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum CommandState {
    Pending,
    Sent,
    Delivered,
    Successful,
    Failed,
    Timeout,
    Expired,
    Canceled,
}

impl CommandState {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Sent,
        Self::Delivered,
        Self::Successful,
        Self::Failed,
        Self::Timeout,
        Self::Expired,
        Self::Canceled,
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Sent => "SENT",
            Self::Delivered => "DELIVERED",
            Self::Successful => "SUCCESSFUL",
            Self::Failed => "FAILED",
            Self::Timeout => "TIMEOUT",
            Self::Expired => "EXPIRED",
            Self::Canceled => "CANCELED",
        }
    }

    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Sent | Self::Delivered)
    }

    /// Whether the next command of the device may go: it was acknowledged, or is over (1.7.1).
    pub fn frees_the_queue(self) -> bool {
        self == Self::Delivered || self.is_final()
    }
}

/// A task that cancels all PENDING commands of a device (1.7.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeTask {
    /// Id.
    pub id: TaskId,
    /// Account.
    pub account: AccountId,
    /// The application in whose name it was asked for; none: an operator asked, of a device of the account itself.
    pub app: Option<AppId>,
    /// The device.
    pub device: DeviceId,
    /// How it ended.
    pub state: RevokeState,
    /// The commands that were PENDING when it began.
    pub commands: Vec<CommandId>,
    /// When it was made.
    pub created_at: Time,
}

/// States of a revocation task (1.7.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum RevokeState {
    Waiting,
    Running,
    Success,
    PartSuccess,
    Failed,
}

impl RevokeState {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Running => "RUNNING",
            Self::Success => "SUCCESS",
            Self::PartSuccess => "PART_SUCCESS",
            Self::Failed => "FAILED",
        }
    }
}
