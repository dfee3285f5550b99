//! Imports as a kind of job: a part of its rows is planned and written with one commit.
//!
//! Of all or nothing, the choice of targets is the checking pass: a bad row becomes the job's reason, and then every row is only told.

use super::{
    ImportMode, ImportOrder, Row, RowFault,
    credentials::updated,
    order_of,
    part::{Made, Part, key_of},
    read,
};
use crate::{Begun, Chosen, CloseCause, Core, Task, batch, user::credentials::name_of};
use async_trait::async_trait;
use landfall_model::{Batch, Cause, Error, Job, JobBlock, JobCounts, JobKind, JobTarget, Result, TargetState, Targets, Write};

/// Files of devices.
pub(crate) struct Import;

#[async_trait]
impl Task for Import {
    fn kind(&self) -> JobKind {
        JobKind::Import
    }

    fn forgets(&self) -> bool {
        true
    }

    /// The checking pass of all or nothing, a block at a time, to the first bad row.
    async fn choose(&self, core: &Core, job: &Job, at: &str) -> Result<Chosen> {
        let place: u64 = at.parse().map_err(|_| Error::new(Cause::Internal, format!("{at:?} is no place of a row")))?;
        let mut chosen = Chosen::of(Targets::Rows(vec![]), None);
        let Some(block) = core.store.job_block(job.id, place).await? else { return Ok(chosen) };
        let mut part = core.planned_part(job, &block, place, false).await?;
        match part.first_fault() {
            Some((number, fault)) => chosen.reason = Some(format!("nothing is made: row {number}: {fault}")),
            None => {
                chosen.with.writes.extend(part.kept_claims());
                let next = place + block.targets.len() as u64;
                chosen.next = (next < job.total).then(|| next.to_string());
            }
        }
        Ok(chosen)
    }

    async fn begin(&self, core: &Core, job: &Job, block: &JobBlock) -> Result<Begun> {
        let order = order_of(job)?;
        let whole = order.mode == ImportMode::AllOrNothing;
        let counts = match core.store.job(job.id).await? {
            Some((_, counts)) => counts,
            None => return Err(Error::new(Cause::ResourceNotFound, "the job is gone")),
        };
        let writes = !order.dry_run && job.reason.is_none();
        if writes && whole && counts.failed > 0 {
            return Ok(Begun { targets: block.each(TargetState::Stopped, Some(BROKEN)), with: Batch::default() });
        }
        let good_before = if order.dry_run { counts.succeeded } else { counts.stopped };
        let mut part = core.planned_part(job, block, if writes { 0 } else { good_before }, writes).await?;
        let broken = writes && whole && part.first_fault().is_some();
        let good = match (writes, order.dry_run) {
            (false, false) => Some((TargetState::Stopped, None)),
            _ if broken => Some((TargetState::Stopped, Some(BROKEN))),
            (false, true) => Some((TargetState::Succeeded, None)),
            (true, _) => None,
        };
        let mut with = match good {
            None => std::mem::take(&mut part.batch),
            Some(_) => Batch::default(),
        };
        if !writes {
            with.writes.extend(part.kept_claims());
        }
        let mut targets = block.each(TargetState::Succeeded, None);
        for (target, outcome) in targets.iter_mut().zip(part.outcomes) {
            follow(target, outcome, good);
        }
        Ok(Begun { targets, with })
    }

    async fn give_up(&self, _: &Core, _: &Job, part: &JobBlock, error: &Error) -> Result<Begun> {
        let fault = RowFault::from(error.clone()).to_string();
        Ok(Begun { targets: part.each(TargetState::Failed, Some(&fault)), with: Batch::default() })
    }

    /// Connections of devices that have another password end.
    fn begun(&self, core: &Core, _: &Job, targets: &[JobTarget]) {
        for (account, id) in targets.iter().filter_map(|target| updated(target.detail.as_deref())) {
            core.user_changed(account, &name_of(id), CloseCause::CredentialsChanged);
        }
    }

    /// What was made of all or nothing before somebody else's writes broke it is undone.
    async fn over(&self, core: &Core, job: &Job, counts: &JobCounts) -> Result<Batch> {
        let ImportOrder { mode, dry_run, .. } = order_of(job)?;
        if mode == ImportMode::KeepGood || dry_run || counts.succeeded == 0 || counts.succeeded == job.total {
            return Ok(Batch::default());
        }
        Ok(batch(vec![Write::Job(Box::new(core.undo_of(job, job.by)?))], vec![]))
    }
}

const BROKEN: &str = "nothing is made, as another row failed";

fn follow(target: &mut JobTarget, outcome: std::result::Result<Made, RowFault>, good: Option<(TargetState, Option<&str>)>) {
    match (outcome, good) {
        (Err(fault), _) => (target.state, target.detail) = (TargetState::Failed, Some(fault.to_string())),
        (Ok(_), Some((state, detail))) => (target.state, target.detail) = (state, detail.map(str::to_owned)),
        (Ok(made), None) => (target.device, target.detail) = (made.device, made.note),
    }
}

impl Core {
    /// What becomes of some rows. What they claim is held against what is kept of earlier ones, where those did not write it.
    async fn planned_part<'a>(&self, job: &'a Job, block: &JobBlock, good_before: u64, writes: bool) -> Result<Part<'a>> {
        let Targets::Rows(texts) = &block.targets else {
            return Err(Error::new(Cause::Internal, "the rows of an import are no rows"));
        };
        let rows = texts.iter().map(|text| read(text)).collect::<Result<Vec<_>>>()?;
        let mut part = Part::new(job, block.first + 1, rows.len(), writes, good_before);
        let (mut devices, mut credentials, mut keys) = (vec![], vec![], vec![]);
        for (at, row) in rows.into_iter().enumerate() {
            match row {
                Row::Device(new) => {
                    if !writes {
                        keys.extend(new.claims().map(|(_, claim)| key_of(&claim)));
                    }
                    devices.push((at, new));
                }
                Row::Credentials(new) => credentials.push((at, new)),
                Row::Unread(row) => {
                    let error = RowFault { column: row.column, cause: Cause::InvalidField, reason: row.reason };
                    part.fail(at, error);
                }
            }
        }
        if !keys.is_empty() {
            let claimed = self.store.job_claims(job.id, keys).await?;
            part.claimed = claimed.into_iter().map(|claim| (claim.key, claim.row)).collect();
        }
        self.plan_devices(&mut part, devices).await?;
        self.plan_credentials(&mut part, credentials).await?;
        Ok(part)
    }
}
