//! Jobs and their targets.

use async_trait::async_trait;
use landfall_model::{
    AccountId, AppId, CommandId, DeviceId, Job, JobBlock, JobClaim, JobCounts, JobId, JobKind, JobTarget, Page, PageRequest,
    Result, TargetState, Time,
};

/// Jobs, the blocks of their targets, and what became of each.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// One job and its counts.
    async fn job(&self, id: JobId) -> Result<Option<(Job, JobCounts)>>;
    /// Jobs that match, newest first.
    async fn jobs(&self, filter: &JobFilter, page: PageRequest) -> Result<Page<(Job, JobCounts)>>;
    /// Jobs of all accounts that are not over ([`Job::is_over`]), oldest first, at most `limit`.
    async fn open_jobs(&self, limit: u32) -> Result<Vec<(Job, JobCounts)>>;
    /// Jobs that were over before, the longest over first, at most `limit`.
    async fn jobs_over_before(&self, before: Time, limit: u32) -> Result<Vec<JobId>>;
    /// The block that has the target at a place.
    async fn job_block(&self, job: JobId, place: u64) -> Result<Option<JobBlock>>;
    /// Which of these rows of a job have claimed already.
    async fn job_claims(&self, job: JobId, keys: Vec<[u8; 16]>) -> Result<Vec<JobClaim>>;
    /// Targets that match, by place; where several states are asked for, those of the first come first. Those that are not begun are told as [`TargetState::Waiting`].
    async fn job_targets(&self, filter: &TargetFilter, page: PageRequest) -> Result<Page<JobTarget>>;
    /// Targets of a job in one of the states of those that were begun, by place from `from` on, at most `limit`.
    async fn begun_targets(&self, job: JobId, state: TargetState, from: u64, limit: u32) -> Result<Vec<JobTarget>>;
}

/// Which jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Of this account; none: of all.
    pub account: Option<AccountId>,
    /// Of this application.
    pub app: Option<AppId>,
    /// Of this kind.
    pub kind: Option<JobKind>,
    /// With this name.
    pub name: Option<String>,
    /// Over ([`Job::is_over`]) or not.
    pub over: Option<bool>,
}

/// Which targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetFilter {
    /// Of this job.
    pub job: JobId,
    /// In one of these states; none: in any.
    pub states: Vec<TargetState>,
    /// This device.
    pub device: Option<DeviceId>,
    /// With this command.
    pub command: Option<CommandId>,
}
