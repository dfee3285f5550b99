//! Jobs: long work on many targets, done in the background, a part a commit, in turns that are fair between accounts.
//!
//! A job is durable when it is made; the targets that it does not know yet are chosen afterwards. What a kind of job does stands in its
//! [`Task`]; here is what all have in common. Absent: what a target is to its kind, and whoever wakes the engine.

mod engine;
mod hand_over;
mod over;
mod retry;
mod state;
mod step;
mod task;

pub(crate) use engine::Engine;
pub use engine::JobsTurn;
pub use hand_over::{HandOver, ROW_BYTES};
pub(crate) use task::TASKS;
pub use task::{Begun, Chosen, NewJob, Task};

use crate::{Bell, Core, JobFilter, Scope, TargetFilter, account::check_name, batch, turns::Record};
use landfall_model::{
    AccountId, AppId, Cause, Error, Job, JobCounts, JobId, JobKind, JobState, JobTarget, Page, PageRequest, Result, TargetState,
    Write,
};

/// Characters of a name.
const NAME: usize = 256;
/// Jobs of an application that go with one commit, and jobs that retention takes at once.
const AT_ONCE: u32 = 50;

impl Core {
    /// Makes a job of the scope's application, or of the account itself. For kinds of jobs, which have checked the rest.
    ///
    /// `InvalidField`, `NameTaken`; `TooMany` where its application, its account or the server has as many jobs that are not over as it may.
    pub async fn make_job(&self, scope: &Scope, new: NewJob) -> Result<Job> {
        self.make_job_in(scope, new, JobState::Waiting).await
    }

    async fn make_job_in(&self, scope: &Scope, new: NewJob, state: JobState) -> Result<Job> {
        let total = new.targets.len() as u64;
        let job = Job {
            id: new.id,
            account: scope.account,
            version: 1,
            app: scope.app,
            by: scope.by,
            kind: new.kind,
            name: new.name,
            order: new.order,
            state,
            reason: None,
            retry_of: None,
            choosing: new.choosing,
            total,
            begun: 0,
            in_flight: new.in_flight.unwrap_or(self.settings.job_in_flight).max(1),
            created_at: self.now(),
            started_at: None,
            finished_at: None,
            due_at: new.due_at,
        };
        let mut whole = batch(vec![Write::Job(Box::new(job.clone()))], vec![]);
        let blocks = new.targets.into_blocks(job.id, 0).into_iter();
        whole.writes.extend(blocks.map(|block| Write::JobBlock(Box::new(block))));
        whole.merge(new.with);
        self.commit_new_job(&job, whole).await?;
        Ok(job)
    }

    /// One job of an account is made after the other, so that each sees all before it.
    pub(crate) async fn commit_new_job(&self, job: &Job, whole: landfall_model::Batch) -> Result<()> {
        check_name(&job.name, NAME)?;
        if job.order.len() > Job::ORDER_BYTES {
            return Err(Error::invalid("order", format!("must be at most {} bytes", Job::ORDER_BYTES)));
        }
        let _turn = self.turns.take_all(&[Record::Account(job.account)]).await?;
        self.check_open_jobs(job).await?;
        self.store.commit(whole).await?;
        self.jobs.bell.ring();
        Ok(())
    }

    async fn check_open_jobs(&self, job: &Job) -> Result<()> {
        let all = JobFilter { over: Some(false), ..JobFilter::default() };
        let of_account = JobFilter { account: Some(job.account), ..all.clone() };
        let of_app = JobFilter { app: job.app, kind: Some(job.kind), ..of_account.clone() };
        let per_app = self.task(job.kind)?.jobs_per_app().filter(|_| job.app.is_some());
        for (filter, most, whose) in [
            (of_app, per_app, "the application"),
            (of_account, Some(self.settings.jobs_per_account), "the account"),
            (all, Some(self.settings.jobs), "the server"),
        ] {
            let Some(most) = most else { continue };
            if self.store.jobs(&filter, PageRequest { no: 0, size: 1 }).await?.total >= most {
                return Err(Error::new(Cause::TooMany, format!("{whose} has as many jobs that are not over as it may ({most})")));
            }
        }
        Ok(())
    }

    /// The kind of a job.
    pub(crate) fn task(&self, kind: JobKind) -> Result<&'static dyn Task> {
        let found = self.tasks.iter().find(|task| task.kind() == kind).copied();
        found.ok_or_else(|| Error::new(Cause::Internal, format!("nobody works on jobs of the kind {}", kind.as_str())))
    }

    /// Jobs of the scope that match, newest first.
    pub async fn jobs(&self, scope: &Scope, mut filter: JobFilter, page: PageRequest) -> Result<Page<(Job, JobCounts)>> {
        filter.account = Some(scope.account);
        filter.app = scope.app.or(filter.app);
        self.store.jobs(&filter, page).await
    }

    /// One job of the scope. `ResourceNotFound`.
    pub async fn job(&self, scope: &Scope, id: JobId) -> Result<(Job, JobCounts)> {
        let found = self.store.job(id).await?;
        let found = found.filter(|(job, _)| scope.covers_name(job.account, job.app));
        found.ok_or_else(|| Error::new(Cause::ResourceNotFound, "there is no such job"))
    }

    /// Targets of a job of the scope that match, by place; those that are not chosen yet are not among them. `ResourceNotFound`.
    pub async fn job_targets(&self, scope: &Scope, filter: &TargetFilter, page: PageRequest) -> Result<Page<JobTarget>> {
        self.job(scope, filter.job).await?;
        self.store.job_targets(filter, page).await
    }

    /// Targets of a job of the scope in one of the states of those that were begun, by place from `from` on, with how many are in that state in
    /// all. `ResourceNotFound`.
    pub async fn begun_targets(
        &self,
        scope: &Scope,
        id: JobId,
        state: TargetState,
        from: u64,
        limit: u32,
    ) -> Result<Page<JobTarget>> {
        let (_, counts) = self.job(scope, id).await?;
        let items = self.store.begun_targets(id, state, from, limit).await?;
        Ok(Page { total: counts.of(state), items })
    }

    /// Begins no further target until the job is resumed; what is under way goes on. `ResourceNotFound`, `JobNotReady`.
    pub async fn pause_job(&self, scope: &Scope, id: JobId) -> Result<Job> {
        self.move_job(scope, id, state::paused).await
    }

    /// Begins further targets again. `ResourceNotFound`, `JobNotReady`.
    pub async fn resume_job(&self, scope: &Scope, id: JobId) -> Result<Job> {
        self.move_job(scope, id, state::resumed).await
    }

    /// Stops a job: what is open ends as stopped in the background, and what was not sent is withdrawn. Targets that were not chosen yet
    /// never are. `ResourceNotFound`, `JobNotReady`.
    pub async fn stop_job(&self, scope: &Scope, id: JobId) -> Result<Job> {
        self.move_job(scope, id, state::stopped).await
    }

    async fn move_job(&self, scope: &Scope, id: JobId, next: fn(&Job) -> Result<Option<Job>>) -> Result<Job> {
        let moved = self
            .decide(&[Record::Job(id)], || {
                Box::pin(async move {
                    let (job, _) = self.job(scope, id).await?;
                    let next = next(&job)?;
                    let writes = next.iter().map(|next| Write::Job(Box::new(next.clone()))).collect();
                    Ok((batch(writes, vec![]), next.unwrap_or(job)))
                })
            })
            .await?;
        self.jobs.bell.ring();
        Ok(moved)
    }

    /// Deletes the jobs of an application that goes.
    pub(crate) async fn delete_jobs_of(&self, account: AccountId, app: AppId) -> Result<()> {
        let own = JobFilter { account: Some(account), app: Some(app), ..JobFilter::default() };
        loop {
            let some = self.store.jobs(&own, PageRequest { no: 0, size: AT_ONCE }).await?.items;
            if some.is_empty() {
                return Ok(());
            }
            let gone = some.iter().map(|(job, _)| Write::DeleteJob(job.id)).collect();
            self.store.commit(batch(gone, vec![])).await?;
        }
    }

    /// Deletes jobs that were over for as long as they are kept; returns whether more are left.
    pub(crate) async fn prune_jobs(&self) -> Result<bool> {
        let before = self.earliest().minus_s(self.settings.job_retention_s.into());
        let old = self.store.jobs_over_before(before, AT_ONCE).await?;
        if old.is_empty() {
            return Ok(false);
        }
        let more = old.len() as u32 == AT_ONCE;
        self.store.commit(batch(old.into_iter().map(Write::DeleteJob).collect(), vec![])).await?;
        Ok(more)
    }

    /// A target may have ended, which makes room for others.
    pub(crate) fn jobs_follow(&self, of: Option<(JobId, u64)>) {
        if of.is_some() {
            self.jobs.bell.ring();
        }
    }

    /// Rings when there may be something to do for a job.
    pub fn jobs_bell(&self) -> &Bell {
        &self.jobs.bell
    }
}
