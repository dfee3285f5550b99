//! Provisioning as a kind of job: a row is a node, and becomes a device or a failure with the next commit.

use super::{Provisioning, Refusal, judge::Seen, node_of};
use crate::{
    Begun, Chosen, Core, NodeFault, Target, Task, Why,
    onem2m::tree::{Happened, changed_of},
};
use async_trait::async_trait;
use landfall_model::{
    AccountId, AccountPart, Batch, Cause, Device, DeviceId, DevicePart, Error, Event, GroupId, Job, JobBlock, JobCounts, JobKind,
    JobTarget, NodeRequest, ResourceId, Result, TargetState, Targets, Time, Write,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Nodes in one commit.
const PART: usize = 200;

/// Lists of nodes.
pub(crate) struct Nodes;

#[async_trait]
impl Task for Nodes {
    fn kind(&self) -> JobKind {
        JobKind::Provisioning
    }

    fn part(&self) -> usize {
        PART
    }

    /// A list is whole when it is taken.
    async fn choose(&self, _core: &Core, _job: &Job, _at: &str) -> Result<Chosen> {
        Ok(Chosen::of(Targets::Rows(vec![]), None))
    }

    async fn begin(&self, core: &Core, job: &Job, part: &JobBlock) -> Result<Begun> {
        let (request, nodes) = read(job, part)?;
        let app = request.app;
        let mut seen = Seen::default();
        let judged = core.judge(request.account, app, &nodes, &mut seen).await?;
        let mut begun = Begun { targets: part.each(TargetState::Succeeded, None), with: Batch::default() };
        if seen.good > 0 {
            begun.with.writes = core.device_limit(request.account, Some(app), seen.good).await?;
        }
        let mut groups: BTreeMap<&str, Vec<DeviceId>> = BTreeMap::new();
        let mut made = vec![];
        for ((node, (outcome, there)), target) in nodes.iter().zip(judged).zip(&mut begun.targets) {
            match outcome {
                Ok(device) => {
                    let subject = ResourceId::of_device(device.id, DevicePart::Node);
                    let labels = device.node.as_ref().map(|node| node.labels.clone()).unwrap_or_default();
                    begun.with.merge(core.added(&device).await?);
                    begun.with.writes.push(Write::Labels { account: device.account, subject, labels });
                    target.device = Some(device.id);
                    for group in node.groups.iter().flatten() {
                        groups.entry(group).or_default().push(device.id);
                    }
                    made.push(device);
                }
                Err(refusal) => {
                    begun.with.merge(core.refused_node(&request, node, refusal.fault, there.as_ref()).await?);
                    fail(target, refusal);
                }
            }
        }
        let (joins, ungrouped) = core.joined((request.account, app), groups).await?;
        begun.with.events.extend(core.told_of_new(request.account, &joins, &made, core.now()).await?);
        begun.with.writes.extend(joins);
        for (device, group) in ungrouped {
            if let Some(target) = begun.targets.iter_mut().find(|target| target.device == Some(device)) {
                target.detail.get_or_insert_with(|| lacks(&group));
            }
        }
        Ok(begun)
    }

    /// A node that even alone finds no place.
    async fn give_up(&self, core: &Core, job: &Job, part: &JobBlock, _error: &Error) -> Result<Begun> {
        let (request, nodes) = read(job, part)?;
        let mut begun = Begun { targets: part.each(TargetState::Failed, None), with: Batch::default() };
        for (node, target) in nodes.iter().zip(&mut begun.targets) {
            begun.with.merge(core.refused_node(&request, node, NodeFault::Unexpected, None).await?);
            fail(target, Refusal { message: "unexpected error occurred".to_owned(), fault: NodeFault::Unexpected });
        }
        Ok(begun)
    }

    fn begun(&self, core: &Core, job: &Job, targets: &[JobTarget]) {
        core.tree.provisioned.count(targets);
        // A node is made though a group that it named is not there: a warning, to be read at the device.
        for (device, detail) in targets.iter().filter_map(|target| target.device.zip(target.detail.clone())) {
            let why = Why {
                at: core.now(),
                identity: device.to_string(),
                peer: None,
                call: None,
                step: "onem2m.provisioning",
                check: "deviceGroup",
                detail,
            };
            core.why.of_device(job.account, device, why);
        }
    }

    /// The outcome appears in the tree.
    async fn over(&self, core: &Core, job: &Job, counts: &JobCounts) -> Result<Batch> {
        let (request, Some(account)) = (Provisioning::of(job, counts)?, core.store.account(job.account).await?) else {
            return Ok(Batch::default());
        };
        let responses = ResourceId::of_account(account.id, AccountPart::Responses);
        let told = || Target::Outcome(Box::new(request.clone())).into();
        core.notices(&account, responses, Happened::ChildCreated, core.now(), told).await
    }
}

impl Core {
    /// What is written about a node that failed: first `error-msg` of the device in whose way it came, then `logs`.
    async fn refused_node(
        &self,
        request: &Provisioning,
        node: &NodeRequest,
        fault: NodeFault,
        there: Option<&Arc<Device>>,
    ) -> Result<Batch> {
        let creator = || Some(request.creator.clone());
        let mut whole = match there.filter(|device| device.account == request.account) {
            Some(device) => self.error_message(device, fault, "", creator()).await?,
            None => Batch::default(),
        };
        let what = "device provisioning failed";
        whole.merge(self.logged(request.account, &node.node_id, what, fault, "", creator()).await?);
        Ok(whole)
    }

    /// What the applications of the groups that new nodes join are told of them.
    async fn told_of_new(&self, account: AccountId, joins: &[Write], made: &[Arc<Device>], now: Time) -> Result<Vec<Event>> {
        let mut events = vec![];
        if !self.store.has_telling_groups(account) {
            return Ok(events);
        }
        let Some(account) = self.store.account(account).await? else { return Ok(events) };
        for device in made {
            let groups = joined_by(joins, device.id);
            let (node, what) = ((device, DevicePart::Node), (Happened::ChildCreated, now));
            let changed = || changed_of(&account, &Target::Node(device.clone()));
            events.extend(self.hook_notices_in(&account, node, &groups, what, changed).await?);
        }
        Ok(events)
    }
}

/// The request of a job, and the nodes of a part of it.
fn read(job: &Job, part: &JobBlock) -> Result<(Provisioning, Vec<NodeRequest>)> {
    let Targets::Rows(rows) = &part.targets else {
        return Err(Error::new(Cause::Internal, "the list of a provisioning request holds no nodes"));
    };
    Ok((Provisioning::of(job, &JobCounts::default())?, rows.iter().map(|row| node_of(row)).collect::<Result<_>>()?))
}

fn fail(target: &mut JobTarget, refusal: Refusal) {
    target.state = TargetState::Failed;
    target.detail = Some(refusal.message);
}

fn lacks(group: &str) -> String {
    format!("nDGr: {group} is no device group to which the application may add, or it is full; the node is not in it")
}

/// The groups that a device joins.
fn joined_by(joins: &[Write], device: DeviceId) -> Vec<GroupId> {
    let joined = joins.iter().filter_map(|join| match join {
        Write::Join(group, devices) if devices.contains(&device) => Some(*group),
        _ => None,
    });
    joined.collect()
}

/// Nodes dealt with since the start.
#[derive(Debug, Default)]
pub(crate) struct Provisioned {
    pub(super) made: AtomicU64,
    pub(super) failed: AtomicU64,
}

impl Provisioned {
    fn count(&self, targets: &[JobTarget]) {
        let made = targets.iter().filter(|target| target.state == TargetState::Succeeded).count() as u64;
        self.made.fetch_add(made, Ordering::Relaxed);
        self.failed.fetch_add(targets.len() as u64 - made, Ordering::Relaxed);
    }
}
