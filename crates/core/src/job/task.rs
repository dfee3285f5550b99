//! What a kind of job is to the engine, and the one list of them.

use crate::{
    Core,
    command::batch::Commands,
    extension::Nodes,
    import::{Import, Undo},
};
use async_trait::async_trait;
use landfall_model::{Batch, Error, Job, JobBlock, JobCounts, JobId, JobKind, JobTarget, Result, TargetState, Targets, Time};

/// Every kind of job; a new one is a line here.
pub(crate) const TASKS: &[&dyn Task] = &[&Commands, &Nodes, &Import, &Undo];

/// One kind of job.
///
/// The engine alone writes jobs, blocks and targets. A kind decides what becomes of targets and adds what else that means to the same
/// batch, which is decided anew when it meets a conflict: it must not do anything but read, except in what comes after the commit. It sees
/// only the targets of one part at a time. That the application of the job may still act is judged before each part.
#[async_trait]
pub trait Task: Sync {
    /// Whose jobs it works on.
    fn kind(&self) -> JobKind;

    /// Jobs of this kind that are not over that an application may have; none: as many as its account.
    fn jobs_per_app(&self) -> Option<u64> {
        None
    }

    /// Whether a row is dropped once it is begun and did not fail, as it may hold what is to be kept nowhere else. Of those that failed, rows
    /// are kept as long as the job.
    fn forgets(&self) -> bool {
        false
    }

    /// Targets that are begun with one commit, 1 to [`JobBlock::SIZE`].
    fn part(&self) -> usize {
        JobBlock::SIZE
    }

    /// The targets that follow at `at`: what the job was made with, or what the choice before it gave. Only what was there when the job was
    /// made. Of a job that is a retry, the engine chooses.
    async fn choose(&self, core: &Core, job: &Job, at: &str) -> Result<Chosen>;

    /// What becomes of some targets now: a [`JobTarget`] for each, in their order. A device may be gone since it was chosen: that target
    /// fails. A refusal (no fault of the server's) is met by trying with fewer targets; of a single one comes [`Task::give_up`].
    async fn begin(&self, core: &Core, job: &Job, part: &JobBlock) -> Result<Begun>;

    /// What becomes of the one target of `part`, which can not be begun.
    async fn give_up(&self, core: &Core, job: &Job, part: &JobBlock, error: &Error) -> Result<Begun> {
        let _ = (core, job);
        Ok(Begun { targets: part.each(TargetState::Failed, Some(&error.to_string())), with: Batch::default() })
    }

    /// Targets were begun, after the commit: to wake whom it concerns, and to count.
    fn begun(&self, core: &Core, job: &Job, targets: &[JobTarget]) {
        let _ = (core, job, targets);
    }

    /// What goes with targets that were under way and end by a stop or by time: what was not sent is withdrawn. A target that this ends keeps that
    /// end.
    async fn end(&self, core: &Core, job: &Job, targets: &[JobTarget], state: TargetState) -> Result<Batch> {
        let _ = (core, job, targets, state);
        Ok(Batch::default())
    }

    /// What is written when the job is over, which it is in the record given.
    async fn over(&self, core: &Core, job: &Job, counts: &JobCounts) -> Result<Batch> {
        let _ = (core, job, counts);
        Ok(Batch::default())
    }
}

/// Targets as a kind chose them.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Some thousands, or as many as fit a commit; there may be none, though others follow.
    pub targets: Targets,
    /// Where the choice goes on; none: these were the last.
    pub next: Option<String>,
    /// Why nothing of the job is carried out, where the choice found that: becomes the job's, which its kind looks at.
    pub reason: Option<String>,
    /// What else is written.
    pub with: Batch,
}

impl Chosen {
    /// These targets, and where the choice goes on.
    pub fn of(targets: Targets, next: Option<String>) -> Self {
        Self { targets, next, reason: None, with: Batch::default() }
    }
}

/// What became of targets that were begun.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Begun {
    /// One for each target, in their order.
    pub targets: Vec<JobTarget>,
    /// What else is written.
    pub with: Batch,
}

/// A job to be made by its kind, which has checked what was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// A new id.
    pub id: JobId,
    /// What is done.
    pub kind: JobKind,
    /// Unique among the jobs of its application and kind that are kept, 1 to 256 characters.
    pub name: String,
    /// What [`Job::order`] says.
    pub order: String,
    /// Targets that are known already.
    pub targets: Targets,
    /// Where the choice of further ones begins, in the words of the kind; none: these are all.
    pub choosing: Option<String>,
    /// Targets that may be under way at once, from 1; none: the server's default.
    pub in_flight: Option<u32>,
    /// When what is open then ends as timed out; none: never.
    pub due_at: Option<Time>,
    /// What is written with it.
    pub with: Batch,
}
