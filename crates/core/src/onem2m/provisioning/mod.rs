//! Provisioning: lists of nodes that become devices in the background, each on its own (D2C, device-provisioning).
//!
//! A request is a job whose rows are its nodes: durable with its whole list before it is answered. What the tree shows of it is read from
//! that job. Absent: how a list is worked off, which is the engine's of jobs.

mod judge;
mod task;

use crate::{Core, JobFilter, NewJob, NodeFault, OriginCaller, Scope, TargetFilter, onem2m::tree::check_resource_name};
use judge::Seen;
use landfall_model::{
    AccountId, AppId, Cause, Error, Job, JobBlock, JobCounts, JobId, JobKind, NodeRequest, Page, PageRequest, ResourceId, Result,
    TargetState, Targets, Time,
};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
pub(crate) use task::{Nodes, Provisioned};

/// Nodes of one request.
pub const PROVISIONING_NODES: usize = 20_000;
/// Nodes of a dry run that are judged at once.
const PART: usize = 100;

/// Nodes to be provisioned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProvisioningRequest {
    /// Resource name; one is made where there is none.
    pub name: Option<String>,
    /// `lbl`
    pub labels: Vec<String>,
    /// 1 to [`PROVISIONING_NODES`] nodes.
    pub nodes: Vec<NodeRequest>,
}

/// A request to provision nodes (D2C, `device-provisioning/request`), and how far its job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provisioning {
    /// Id.
    pub id: ResourceId,
    /// Account.
    pub account: AccountId,
    /// The application that is to own the devices.
    pub app: AppId,
    /// Resource name, unique in the account.
    pub name: String,
    /// Originator.
    pub creator: String,
    /// `lbl`
    pub labels: Vec<String>,
    /// The word of the state of its job.
    pub state: &'static str,
    /// Nodes asked for.
    pub total: u64,
    /// Nodes dealt with, the failed ones included.
    pub done: u64,
    /// Nodes that became devices.
    pub made: u64,
    /// Nodes that failed.
    pub failed: u64,
    /// When it was taken.
    pub created_at: Time,
    /// When the first node was dealt with.
    pub started_at: Option<Time>,
    /// When the last one was.
    pub finished_at: Option<Time>,
}

/// Why a node cannot be provisioned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `errMe`
    pub message: String,
    /// What is logged.
    pub fault: NodeFault,
}

/// A node that was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct FailedNode {
    /// Place of the node in the list, from 0.
    pub place: u64,
    /// `errMe`
    pub message: String,
    /// What was asked for.
    pub node: NodeRequest,
}

/// What a request is beside its list.
#[derive(Serialize, Deserialize)]
struct Order {
    creator: String,
    labels: Vec<String>,
}

impl Core {
    /// Takes a list of nodes; it is durable when this returns, and worked off in the background.
    ///
    /// `InvalidField` for an empty or over-long list, `ResourceExists` for a name that is taken, `TooMany` while too many jobs are open.
    pub async fn request_provisioning(&self, by: &OriginCaller, request: ProvisioningRequest) -> Result<Provisioning> {
        self.take_list(&by.principal().in_name_of(&by.app)?, &by.name, request).await
    }

    /// The same for an operator, in the name of the originator of the scope's application. `InvalidField` where it has none.
    pub async fn request_provisioning_for(&self, scope: &Scope, request: ProvisioningRequest) -> Result<Provisioning> {
        let app = self.app(scope, scope.need_app()?).await?;
        let own = app.originator.as_ref().ok_or_else(|| Error::invalid("app", "the application has no originator"))?;
        self.take_list(scope, &own.name, request).await
    }

    async fn take_list(&self, scope: &Scope, creator: &str, request: ProvisioningRequest) -> Result<Provisioning> {
        if !(1..=PROVISIONING_NODES).contains(&request.nodes.len()) {
            return Err(Error::invalid("reqLt", format!("must be 1 to {PROVISIONING_NODES} nodes")));
        }
        let id = ResourceId::new(self.now(), self.random_16());
        let name = request.name.unwrap_or_else(|| id.uuid_name());
        check_resource_name(&name)?;
        let taken = || Error::new(Cause::ResourceExists, "another request of the account has this name");
        if self.provisioning_named(scope.account, &name).await?.is_some() {
            return Err(taken());
        }
        let order = json(&Order { creator: creator.to_owned(), labels: request.labels })?;
        if order.len() > Job::ORDER_BYTES {
            return Err(Error::invalid("lbl", "are too long together"));
        }
        let new = NewJob {
            id: id.as_job(),
            kind: JobKind::Provisioning,
            name,
            order,
            targets: Targets::Rows(request.nodes.iter().map(json).collect::<Result<_>>()?),
            choosing: None,
            in_flight: None,
            due_at: None,
            with: landfall_model::Batch::default(),
        };
        let made = self.make_job(scope, new).await;
        let made = made.map_err(|error| if error.cause == Cause::NameTaken { taken() } else { error })?;
        Provisioning::of(&made, &JobCounts::default())
    }

    /// The whole list of a request.
    pub async fn provisioning_nodes(&self, request: &Provisioning) -> Result<Vec<NodeRequest>> {
        let mut nodes = Vec::new();
        while let Some(block) = self.store.job_block(request.job(), nodes.len() as u64).await? {
            let Targets::Rows(rows) = block.targets else { break };
            for row in rows {
                nodes.push(node_of(&row)?);
            }
        }
        Ok(nodes)
    }

    /// Requests of the scope, newest first.
    pub async fn provisionings(&self, scope: &Scope, page: PageRequest) -> Result<Page<Provisioning>> {
        self.provisionings_of(scope.account, scope.app, page).await
    }

    pub(super) async fn provisionings_of(
        &self,
        account: AccountId,
        app: Option<AppId>,
        page: PageRequest,
    ) -> Result<Page<Provisioning>> {
        let found = self.store.jobs(&JobFilter { app, ..of_account(account) }, page).await?;
        let items = found.items.iter().map(|(job, counts)| Provisioning::of(job, counts)).collect::<Result<_>>()?;
        Ok(Page { total: found.total, items })
    }

    /// One request of the scope. `ResourceNotFound`.
    pub async fn provisioning(&self, scope: &Scope, id: ResourceId) -> Result<Provisioning> {
        let found = self.provisioning_of(scope.account, id).await?.filter(|one| scope.covers_name(one.account, Some(one.app)));
        found.ok_or_else(|| Error::new(Cause::ResourceNotFound, "there is no such provisioning request"))
    }

    pub(super) async fn provisioning_of(&self, account: AccountId, id: ResourceId) -> Result<Option<Provisioning>> {
        let found = self.store.job(id.as_job()).await?;
        let found = found.filter(|(job, _)| job.account == account && job.kind == JobKind::Provisioning);
        found.map(|(job, counts)| Provisioning::of(&job, &counts)).transpose()
    }

    pub(super) async fn provisioning_named(&self, account: AccountId, name: &str) -> Result<Option<Provisioning>> {
        let filter = JobFilter { name: Some(name.to_owned()), ..of_account(account) };
        let found = self.store.jobs(&filter, PageRequest { no: 0, size: 1 }).await?.items;
        found.first().map(|(job, counts)| Provisioning::of(job, counts)).transpose()
    }

    /// Nodes of a request that failed so far, in the order of its list, with what was asked for.
    pub async fn failed_nodes(&self, request: &Provisioning, page: PageRequest) -> Result<Page<FailedNode>> {
        let job = request.job();
        let filter = TargetFilter { job, states: vec![TargetState::Failed], device: None, command: None };
        let found = self.store.job_targets(&filter, page).await?;
        let mut items = Vec::with_capacity(found.items.len());
        let mut block: Option<JobBlock> = None;
        for target in found.items {
            let at = |block: &JobBlock| block.part(target.place, 1);
            let mut one = block.as_ref().and_then(at);
            if one.is_none() {
                block = self.store.job_block(job, target.place).await?;
                one = block.as_ref().and_then(at);
            }
            let node = match one.map(|one| one.targets) {
                Some(Targets::Rows(rows)) => rows.first().map(|row| node_of(row)).transpose()?,
                _ => None,
            };
            let (message, node) = (target.detail.unwrap_or_default(), node.unwrap_or_default());
            items.push(FailedNode { place: target.place, message, node });
        }
        Ok(Page { total: found.total, items })
    }

    /// What would become of these nodes now, without making them: for each the refusal, or none.
    pub async fn try_provisioning(&self, scope: &Scope, nodes: &[NodeRequest]) -> Result<Vec<Option<Refusal>>> {
        let app = scope.need_app()?;
        let mut seen = Seen::default();
        let mut outcomes = Vec::with_capacity(nodes.len());
        for part in nodes.chunks(PART) {
            let judged = self.judge(scope.account, app, part, &mut seen).await?;
            outcomes.extend(judged.into_iter().map(|(outcome, _)| outcome.err()));
        }
        Ok(outcomes)
    }

    /// Nodes that were provisioned and nodes that failed since the start.
    pub fn provisioned_total(&self) -> (u64, u64) {
        (self.tree.provisioned.made.load(Ordering::Relaxed), self.tree.provisioned.failed.load(Ordering::Relaxed))
    }
}

impl Provisioning {
    /// The job that works it off.
    pub fn job(&self) -> JobId {
        self.id.as_job()
    }

    /// What a job is in the tree.
    fn of(job: &Job, counts: &JobCounts) -> Result<Self> {
        let unreadable = || Error::new(Cause::Internal, format!("the provisioning request of job {} cannot be read", job.id));
        let Order { creator, labels } = serde_json::from_str(&job.order).map_err(|_| unreadable())?;
        Ok(Self {
            id: ResourceId::of_job(job.id),
            account: job.account,
            app: job.app.ok_or_else(unreadable)?,
            name: job.name.clone(),
            creator,
            labels,
            state: job.state.as_str(),
            total: job.total,
            done: counts.over(),
            made: counts.succeeded,
            failed: counts.failed,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
        })
    }
}

fn of_account(account: AccountId) -> JobFilter {
    JobFilter { account: Some(account), kind: Some(JobKind::Provisioning), ..JobFilter::default() }
}

fn json(one: &impl Serialize) -> Result<String> {
    serde_json::to_string(one).map_err(|error| Error::new(Cause::Internal, error.to_string()))
}

fn node_of(row: &str) -> Result<NodeRequest> {
    serde_json::from_str(row).map_err(|_| Error::new(Cause::Internal, "a row of a provisioning request cannot be read"))
}
