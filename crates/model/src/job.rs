//! Jobs: long work on many targets, each of which has an outcome of its own.

use crate::{AccountId, AppId, CommandId, DeviceId, JobId, Time, id::ordered};
use serde::{Deserialize, Serialize};

/// One kind of work on many targets. How many are in which state is counted beside it ([`JobCounts`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Id.
    pub id: JobId,
    /// Account.
    pub account: AccountId,
    /// Counts the writes of this record, from 1; the ends of targets are none.
    pub version: u64,
    /// The application in whose name it runs; none: the account's own.
    pub app: Option<AppId>,
    /// The application that asked: that one, or one that it authorised; none: an operator.
    pub by: Option<AppId>,
    /// What is done.
    pub kind: JobKind,
    /// Unique among the jobs of its application and kind that are kept, 1 to 256 characters.
    pub name: String,
    /// What is done and to which targets, as a JSON document of its kind, at most [`Job::ORDER_BYTES`].
    pub order: String,
    /// How far it is.
    pub state: JobState,
    /// Why the server stopped it by itself, or carries nothing of it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The job whose failed targets are its targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<JobId>,
    /// Where the choice of targets goes on, in the words of its kind; none: all are chosen.
    pub choosing: Option<String>,
    /// Targets that were chosen so far.
    pub total: u64,
    /// Targets that were begun: those at the places below.
    pub begun: u64,
    /// Targets that may be under way at once.
    pub in_flight: u32,
    /// When it was asked for.
    pub created_at: Time,
    /// When the first target was begun.
    pub started_at: Option<Time>,
    /// When its last target was over, and with it the job; one that was stopped or timed out ends what is open first.
    pub finished_at: Option<Time>,
    /// When what is open then ends as timed out; none: never. While rows are handed over: when it is stopped unless more came.
    pub due_at: Option<Time>,
}

/// Kinds of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobKind {
    /// A command for each device (1.8.1).
    Commands,
    /// A device for each node of a list (D2C, device-provisioning).
    Provisioning,
    /// A device for each row of a file.
    Import,
    /// What an import made is deleted again.
    Undo,
}

/// States of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// Its rows are being handed over; none is begun before all are there.
    Receiving,
    /// No target was begun yet.
    Waiting,
    /// Targets are begun and end.
    Running,
    /// No further target is begun until it is resumed.
    Paused,
    /// Every target is over.
    Finished,
    /// Its time was over before all targets were.
    TimedOut,
    /// Somebody stopped it.
    Stopped,
}

/// States of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetState {
    /// Not begun.
    Waiting,
    /// Under way: its end comes later.
    Running,
    /// Done.
    Succeeded,
    /// Not done, with a reason.
    Failed,
    /// Its time, or the job's, was over.
    TimedOut,
    /// It was never sent within its validity.
    Expired,
    /// The job was stopped before it was over.
    Stopped,
}

/// Some of the targets of a job, in their order: at most [`JobBlock::SIZE`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobBlock {
    /// The job.
    pub job: JobId,
    /// Place of its first target, from 0.
    pub first: u64,
    /// The targets.
    pub targets: Targets,
}

/// Something that a row claims for itself within its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobClaim {
    /// Stands for what is claimed: the first half of its SHA-256.
    pub key: [u8; 16],
    /// The number of the row.
    pub row: u64,
}

/// Targets as they were chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Devices.
    Devices(Vec<DeviceId>),
    /// Rows of a list, in the words of the job's kind.
    Rows(Vec<String>),
}

/// One target of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobTarget {
    /// The job.
    pub job: JobId,
    /// Its place among the targets, from 0.
    pub place: u64,
    /// How far it is.
    pub state: TargetState,
    /// The device, where it is one or has become one.
    pub device: Option<DeviceId>,
    /// The command that was made for it.
    pub command: Option<CommandId>,
    /// What came of it, in the words of the job's kind; of a failure the reason. Only [`JobTarget::DETAIL`] bytes are kept.
    pub detail: Option<String>,
}

/// The end of a target that is under way. One that is over, or whose job is gone, stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetEnd {
    /// The job.
    pub job: JobId,
    /// Its place.
    pub place: u64,
    /// A state that is over.
    pub state: TargetState,
    /// As of the target; none: what there is stays.
    pub detail: Option<String>,
}

/// How many of a job's begun targets are in which state. Those that are not begun are `total - begun`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobCounts {
    /// [`TargetState::Running`]
    pub running: u64,
    /// [`TargetState::Succeeded`]
    pub succeeded: u64,
    /// [`TargetState::Failed`]
    pub failed: u64,
    /// [`TargetState::TimedOut`]
    pub timed_out: u64,
    /// [`TargetState::Expired`]
    pub expired: u64,
    /// [`TargetState::Stopped`]
    pub stopped: u64,
}

impl JobId {
    /// An id that is in the order of `at`, with 40 of the given random bits.
    pub fn new(at: Time, random: [u8; 16]) -> Self {
        let mut id = [0; 16];
        id[..11].copy_from_slice(&ordered(at, random));
        Self(uuid::Uuid::from_bytes(id))
    }
}

impl Job {
    /// Greatest order.
    pub const ORDER_BYTES: usize = 131_072;

    /// Whether all its targets are over.
    pub fn is_over(&self) -> bool {
        self.finished_at.is_some()
    }
}

impl JobBlock {
    /// Targets of a block.
    pub const SIZE: usize = 1_000;

    /// Its targets from a place on, at most so many; none where there is none.
    pub fn part(&self, from: u64, most: usize) -> Option<Self> {
        let skipped = usize::try_from(from.checked_sub(self.first)?).ok()?;
        let targets = match &self.targets {
            Targets::Devices(all) => Targets::Devices(all.iter().skip(skipped).take(most).copied().collect()),
            Targets::Rows(all) => Targets::Rows(all.iter().skip(skipped).take(most).cloned().collect()),
        };
        (!targets.is_empty()).then_some(Self { job: self.job, first: from, targets })
    }

    /// What became of each of its targets, in their order.
    pub fn each(&self, state: TargetState, detail: Option<&str>) -> Vec<JobTarget> {
        let devices = match &self.targets {
            Targets::Devices(devices) => devices.as_slice(),
            Targets::Rows(_) => &[],
        };
        let target = |(at, place)| JobTarget {
            job: self.job,
            place,
            state,
            device: devices.get(at).copied(),
            command: None,
            detail: detail.map(str::to_owned),
        };
        (0..self.targets.len()).zip(self.first..).map(target).collect()
    }
}

impl JobTarget {
    /// Bytes of the detail that are kept.
    pub const DETAIL: usize = 4_096;
}

impl Targets {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Devices(devices) => devices.len(),
            Self::Rows(rows) => rows.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds further ones; false, and nothing is added, where they are of the other form.
    pub fn append(&mut self, mut more: Self) -> bool {
        if self.is_empty() {
            *self = more;
            return true;
        }
        match (self, &mut more) {
            (Self::Devices(all), Self::Devices(more)) => all.append(more),
            (Self::Rows(all), Self::Rows(more)) => all.append(more),
            (_, more) => return more.is_empty(),
        }
        true
    }

    /// As blocks of a job, the first of which begins at this place.
    pub fn into_blocks(self, job: JobId, first: u64) -> Vec<JobBlock> {
        let whole = JobBlock { job, first, targets: self };
        let places = (first..first + whole.targets.len() as u64).step_by(JobBlock::SIZE);
        places.filter_map(|place| whole.part(place, JobBlock::SIZE)).collect()
    }
}

impl JobKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Commands, Self::Provisioning, Self::Import, Self::Undo];

    /// The word for operators.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Provisioning => "provisioning",
            Self::Import => "import",
            Self::Undo => "undo",
        }
    }
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Receiving, Self::Waiting, Self::Running, Self::Paused, Self::Finished, Self::TimedOut, Self::Stopped];

    /// The word for operators.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::TimedOut => "timed-out",
            Self::Stopped => "stopped",
        }
    }

    /// Whether no further target is begun. What is open may still have to be ended ([`Job::is_over`]).
    pub fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::TimedOut | Self::Stopped)
    }
}

impl TargetState {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Running, Self::Succeeded, Self::Failed, Self::TimedOut, Self::Expired, Self::Stopped];

    /// The word for operators.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::Expired => "expired",
            Self::Stopped => "stopped",
        }
    }

    /// Whether nothing follows.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }
}

impl JobCounts {
    /// Targets that are over.
    pub fn over(&self) -> u64 {
        self.succeeded + self.failed + self.timed_out + self.expired + self.stopped
    }

    /// How many are in a state; none are told as waiting.
    pub fn of(mut self, state: TargetState) -> u64 {
        self.at(state).map_or(0, |n| *n)
    }

    /// So many more are in a state, or fewer.
    pub fn add(&mut self, state: TargetState, more: i64) {
        if let Some(n) = self.at(state) {
            *n = n.saturating_add_signed(more);
        }
    }

    fn at(&mut self, state: TargetState) -> Option<&mut u64> {
        match state {
            TargetState::Waiting => None,
            TargetState::Running => Some(&mut self.running),
            TargetState::Succeeded => Some(&mut self.succeeded),
            TargetState::Failed => Some(&mut self.failed),
            TargetState::TimedOut => Some(&mut self.timed_out),
            TargetState::Expired => Some(&mut self.expired),
            TargetState::Stopped => Some(&mut self.stopped),
        }
    }
}
