//! What an import made is deleted again, unless it was used since.

use super::{json, order_of};
use crate::{Begun, Chosen, CloseCause, Core, DeviceFilter, Scope, Task, batch, device::deletion::delete};
use async_trait::async_trait;
use landfall_model::{
    AppId, Batch, Cause, Device, DeviceId, Error, Job, JobBlock, JobId, JobKind, JobState, JobTarget, PageRequest, Result,
    TargetState, Targets, Write,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Rows of one commit.
const PART: usize = 200;

/// Undoing imports.
pub(crate) struct Undo;

/// What it was asked for.
#[derive(Serialize, Deserialize)]
struct Order {
    import: JobId,
}

/// What a row of the import made.
#[derive(Serialize, Deserialize)]
struct MadeByRow {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<DeviceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Core {
    /// Makes a job that deletes what an import of the scope made. Devices that were connected since stay, and are told as failed.
    ///
    /// `ResourceNotFound`, `JobNotReady` where the import is not over or made nothing, `NameTaken` where it is undone already.
    pub async fn undo_import(&self, scope: &Scope, id: JobId) -> Result<Job> {
        let (import, counts) = self.job(scope, id).await?;
        if import.kind != JobKind::Import {
            return Err(Error::new(Cause::ResourceNotFound, "there is no such import"));
        }
        let not_ready = |why: &'static str| Err(Error::new(Cause::JobNotReady, why));
        if !import.is_over() {
            return not_ready("the import is not over: stop it first");
        }
        if order_of(&import)?.dry_run || counts.succeeded == 0 {
            return not_ready("the import made nothing");
        }
        let job = self.undo_of(&import, scope.by)?;
        self.commit_new_job(&job, batch(vec![Write::Job(Box::new(job.clone()))], vec![])).await?;
        Ok(job)
    }

    /// The job that undoes an import. It has its name from that, so that there is one.
    pub(super) fn undo_of(&self, import: &Job, by: Option<AppId>) -> Result<Job> {
        let now = self.now();
        Ok(Job {
            id: JobId::new(now, self.random_16()),
            version: 1,
            by,
            kind: JobKind::Undo,
            name: import.id.to_string(),
            order: json(&Order { import: import.id })?,
            state: JobState::Waiting,
            reason: None,
            retry_of: None,
            choosing: Some("0".to_owned()),
            total: 0,
            begun: 0,
            created_at: now,
            started_at: None,
            finished_at: None,
            due_at: None,
            ..import.clone()
        })
    }
}

#[async_trait]
impl Task for Undo {
    fn kind(&self) -> JobKind {
        JobKind::Undo
    }

    fn part(&self) -> usize {
        PART
    }

    async fn choose(&self, core: &Core, job: &Job, at: &str) -> Result<Chosen> {
        let unreadable = || Error::new(Cause::Internal, format!("the job {} cannot be read", job.id));
        let Order { import } = serde_json::from_str(&job.order).map_err(|_| unreadable())?;
        let from: u64 = at.parse().map_err(|_| unreadable())?;
        let found = core.store.begun_targets(import, TargetState::Succeeded, from, JobBlock::SIZE as u32).await?;
        let next = found.last().filter(|_| found.len() == JobBlock::SIZE).map(|last| (last.place + 1).to_string());
        let row = |target: JobTarget| json(&MadeByRow { device: target.device, note: target.detail });
        Ok(Chosen::of(Targets::Rows(found.into_iter().map(row).collect::<Result<_>>()?), next))
    }

    async fn begin(&self, core: &Core, job: &Job, part: &JobBlock) -> Result<Begun> {
        let Targets::Rows(rows) = &part.targets else {
            return Err(Error::new(Cause::Internal, "what an import made is no list of rows"));
        };
        let mut begun = Begun { targets: part.each(TargetState::Succeeded, None), with: Batch::default() };
        let (now, mut going) = (core.now(), vec![]);
        for (row, target) in rows.iter().zip(&mut begun.targets) {
            let made: MadeByRow = serde_json::from_str(row)
                .map_err(|_| Error::new(Cause::Internal, "a row of what an import made cannot be read"))?;
            let Some(id) = made.device else { continue };
            target.device = Some(id);
            let Some(device) = core.store.device(id).await?.filter(|device| device.account == job.account) else {
                target.detail = Some("it was deleted before".to_owned());
                continue;
            };
            match core.worth_keeping(&device).await? {
                Some(why) => (target.state, target.detail) = (TargetState::Failed, Some(format!("it stays: {why}"))),
                None => going.push(device),
            }
        }
        begun.with.merge(core.released(&going, now).await?);
        going.iter().for_each(|device| delete(&mut begun.with, device, now));
        Ok(begun)
    }

    fn begun(&self, core: &Core, _: &Job, targets: &[JobTarget]) {
        for id in targets.iter().filter(|target| target.state == TargetState::Succeeded).filter_map(|target| target.device) {
            core.live.close(id, CloseCause::Deleted);
        }
    }
}

impl Core {
    /// Why a device that an import made is not deleted with it.
    async fn worth_keeping(&self, device: &Arc<Device>) -> Result<Option<&'static str>> {
        if device.activated || device.connected || device.heard_at.is_some() {
            return Ok(Some("it has connected since"));
        }
        let behind = DeviceFilter { gateway: Some(device.id), ..DeviceFilter::of(device.account) };
        // A gateway is listed with those behind it.
        let several = self.store.devices(&behind, PageRequest { no: 0, size: 1 }).await?.total > 1;
        Ok(several.then_some("devices are behind it"))
    }
}
