//! Provisioning: lists of nodes that become devices in the background, each on its own (D2C, device-provisioning).
//!
//! A request is durable with its whole list before it is answered. It is then worked off in parts, in turns with others, one commit each, which
//! also moves its mark: after a crash the work goes on with the part that was not done.

use crate::{
    Claim, Core, NodeFault, OriginCaller, Scope, TakenNames, Target, Why, batch,
    device::check_node_id,
    onem2m::{
        made::{credentials, device},
        node::check_key,
        tree::{Happened, changed_of, check_resource_name, node_name},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use landfall_model::{
    AccountId, AccountPart, AppId, Batch, Cause, Device, DeviceId, DevicePart, Error, ErrorKind, Event, GroupId, Identity,
    NodeRequest, Page, PageRequest, Provisioning, ProvisioningFailure, ProvisioningPart, ResourceId, Result, Time, Write,
};
use std::collections::{BTreeMap, HashSet};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Nodes of one request.
pub const PROVISIONING_NODES: usize = 20_000;
/// Nodes in one part of a list, and in one commit.
const PART: usize = 100;
/// Requests that are not finished, of the whole server.
const OPEN: u32 = 1_000;
/// Requests that take turns.
const TURNS: u32 = 16;

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

/// Why a node cannot be provisioned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `errMe`
    pub message: String,
    /// What is logged.
    pub fault: NodeFault,
}

/// A node that was refused, as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct FailedNode {
    /// Why.
    pub failure: ProvisioningFailure,
    /// What was asked for.
    pub node: NodeRequest,
}

impl Core {
    /// Takes a list of nodes; it is durable when this returns, and worked off in the background.
    ///
    /// `InvalidField` for an empty or over-long list, `ResourceExists` for a name that is taken, `TooMany` while 1,000 requests are open.
    pub async fn request_provisioning(&self, by: &OriginCaller, request: ProvisioningRequest) -> Result<Provisioning> {
        self.take_list(by.account.id, by.app.id, &by.name, request).await
    }

    /// The same for an operator, in the name of the originator of the scope's application. `InvalidField` where it has none.
    pub async fn request_provisioning_for(&self, scope: &Scope, request: ProvisioningRequest) -> Result<Provisioning> {
        let app = self.app(scope, scope.need_app()?).await?;
        let own = app.originator.as_ref().ok_or_else(|| Error::invalid("app", "the application has no originator"))?;
        self.take_list(scope.account, app.id, &own.name, request).await
    }

    async fn take_list(
        &self,
        account: AccountId,
        app: AppId,
        creator: &str,
        request: ProvisioningRequest,
    ) -> Result<Provisioning> {
        let count = request.nodes.len();
        if !(1..=PROVISIONING_NODES).contains(&count) {
            return Err(Error::invalid("reqLt", format!("must be 1 to {PROVISIONING_NODES} nodes")));
        }
        if self.store.open_provisionings(OPEN).await?.len() as u32 >= OPEN {
            return Err(Error::new(Cause::TooMany, "too many provisioning requests are under way; try again"));
        }
        let now = self.now();
        let id = ResourceId::new(now, self.random_16());
        let name = request.name.unwrap_or_else(|| id.uuid_name());
        check_resource_name(&name)?;
        let made = Provisioning {
            id,
            account,
            app,
            version: 1,
            name,
            creator: creator.to_owned(),
            labels: request.labels,
            total: u32::try_from(count).unwrap_or(u32::MAX),
            done: 0,
            failed: 0,
            created_at: now,
            started_at: None,
            finished_at: None,
        };
        let mut writes = vec![Write::Provisioning(Box::new(made.clone()))];
        let mut nodes = request.nodes.into_iter();
        for first in (0..count).step_by(PART) {
            let part = ProvisioningPart { request: made.id, first: first as u32, nodes: nodes.by_ref().take(PART).collect() };
            writes.push(Write::ProvisioningPart(Box::new(part)));
        }
        self.store.commit(batch(writes, vec![])).await?;
        self.provisioning.ring();
        Ok(made)
    }

    /// The whole list of a request.
    pub async fn provisioning_nodes(&self, request: &Provisioning) -> Result<Vec<NodeRequest>> {
        let mut nodes = Vec::with_capacity(request.total as usize);
        while (nodes.len() as u32) < request.total {
            let Some(part) = self.store.provisioning_part(request.id, nodes.len() as u32).await? else { break };
            nodes.extend(part.nodes);
        }
        Ok(nodes)
    }

    /// Requests of the scope, newest first.
    pub async fn provisionings(&self, scope: &Scope, page: PageRequest) -> Result<Page<Provisioning>> {
        self.store.provisionings(scope.account, scope.app, page).await
    }

    /// One request of the scope. `ResourceNotFound`.
    pub async fn provisioning(&self, scope: &Scope, id: ResourceId) -> Result<Provisioning> {
        let found = self.store.provisioning(id).await?;
        let found = found.filter(|one| scope.covers_name(one.account, Some(one.app)));
        found.ok_or_else(|| Error::new(Cause::ResourceNotFound, "there is no such provisioning request"))
    }

    /// Nodes of a request that failed so far, in the order of its list, with what was asked for.
    pub async fn failed_nodes(&self, request: &Provisioning, page: PageRequest) -> Result<Page<FailedNode>> {
        let found = self.store.provisioning_failures(request.id, page).await?;
        let mut items = Vec::with_capacity(found.items.len());
        let mut part: Option<ProvisioningPart> = None;
        for failure in found.items {
            let at = |part: &ProvisioningPart| {
                failure.place.checked_sub(part.first).and_then(|at| part.nodes.get(at as usize).cloned())
            };
            let mut node = part.as_ref().and_then(at);
            if node.is_none() {
                part = self.store.provisioning_part(request.id, failure.place).await?;
                node = part.as_ref().and_then(at);
            }
            items.push(FailedNode { failure, node: node.unwrap_or_default() });
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

    /// Works off one part of each of the oldest open requests. Returns whether there is more to do. What fails in one request keeps no other
    /// from its turn; the first failure is returned at the end.
    pub async fn provision_some(&self) -> Result<bool> {
        let open = self.store.open_provisionings(TURNS).await?;
        let mut outcome = Ok(!open.is_empty());
        for request in &open {
            if let Err(error) = self.provision_part(request).await {
                outcome = outcome.and(Err(error));
            }
        }
        outcome
    }

    /// Nodes that were provisioned and nodes that failed since the start.
    pub fn provisioned_total(&self) -> (u64, u64) {
        (self.tree.provisioned.made.load(Ordering::Relaxed), self.tree.provisioned.failed.load(Ordering::Relaxed))
    }

    /// One part of a request. While others take the names that it wants, it is decided anew; a node that even alone finds no place fails.
    async fn provision_part(&self, request: &Provisioning) -> Result<()> {
        let Some(part) = self.store.provisioning_part(request.id, request.done).await? else {
            return Err(Error::new(Cause::Internal, format!("the list of provisioning request {} is not whole", request.id)));
        };
        let nodes = part.nodes.get((request.done.saturating_sub(part.first)) as usize..).unwrap_or_default();
        for attempt in 0..8 {
            let taken = if attempt < 4 { nodes } else { nodes.get(..1).unwrap_or_default() };
            let (whole, next, ungrouped) = self.provisioned(request, taken, attempt == 7).await?;
            match self.store.commit(whole).await {
                Ok(_) => {
                    self.tree.provisioned.count(request, &next);
                    ungrouped.iter().for_each(|(device, group)| self.warn_of_group(request.account, *device, group));
                    return Ok(());
                }
                // Others took a name or the last place, or deleted a group, meanwhile.
                Err(error)
                    if error.kind() == ErrorKind::Conflict
                        || [Cause::DeviceLimit, Cause::GroupFull, Cause::ResourceNotFound].contains(&error.cause) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The batch of some nodes: devices, failures, and how far the request is then, which is also returned, with the groups that new devices
    /// named and are not in. `give_up`: all of them fail.
    async fn provisioned(
        &self,
        request: &Provisioning,
        nodes: &[NodeRequest],
        give_up: bool,
    ) -> Result<(Batch, Provisioning, Vec<(DeviceId, String)>)> {
        let now = self.now();
        let mut whole = Batch::default();
        let mut groups: BTreeMap<&str, Vec<DeviceId>> = BTreeMap::new();
        let mut made = vec![];
        let mut failed = 0;
        let mut seen = Seen::default();
        let judged = self.judge(request.account, request.app, nodes, &mut seen).await?;
        if seen.good > 0 && !give_up {
            whole.writes = self.device_limit(request.account, Some(request.app), seen.good).await?;
        }
        for (at, (node, (outcome, there))) in nodes.iter().zip(judged).enumerate() {
            let given_up = || Refusal { message: "unexpected error occurred".to_owned(), fault: NodeFault::Unexpected };
            match if give_up { Err(given_up()) } else { outcome } {
                Ok(device) => {
                    let subject = ResourceId::of_device(device.id, DevicePart::Node);
                    let labels = device.node.as_ref().map(|node| node.labels.clone()).unwrap_or_default();
                    whole.merge(self.added(&device).await?);
                    whole.writes.push(Write::Labels { account: device.account, subject, labels });
                    made.push(device.clone());
                    for group in node.groups.iter().flatten() {
                        groups.entry(group).or_default().push(device.id);
                    }
                }
                Err(refusal) => {
                    failed += 1;
                    let place = request.done + at as u32;
                    let told = self.refusal(request, node, place, &refusal, there.as_ref()).await?;
                    whole.merge(told);
                }
            }
        }
        let (joins, ungrouped) = self.joined((request.account, request.app), groups).await?;
        whole.events.extend(self.told_of_new(request.account, &joins, &made, now).await?);
        whole.writes.extend(joins);
        let done = request.done + nodes.len() as u32;
        let over = done >= request.total;
        let next = Provisioning {
            version: request.version + 1,
            done,
            failed: request.failed + failed,
            started_at: request.started_at.or(Some(now)),
            finished_at: over.then_some(now),
            ..request.clone()
        };
        if over && let Some(account) = self.store.account(request.account).await? {
            let responses = ResourceId::of_account(account.id, AccountPart::Responses);
            let told = || Target::Outcome(Box::new(next.clone())).into();
            let happened = Happened::ChildCreated;
            whole.merge(self.notices(&account, responses, happened, now, told).await?);
        }
        whole.writes.push(Write::Provisioning(Box::new(next.clone())));
        Ok((whole, next, ungrouped))
    }

    /// What is written about a node that failed: first `error-msg` of the device in whose way it came, then `logs`.
    async fn refusal(
        &self,
        request: &Provisioning,
        node: &NodeRequest,
        place: u32,
        refusal: &Refusal,
        there: Option<&Arc<Device>>,
    ) -> Result<Batch> {
        let creator = || Some(request.creator.clone());
        let mut whole = match there.filter(|device| device.account == request.account) {
            Some(device) => self.error_message(device, refusal.fault, "", creator()).await?,
            None => Batch::default(),
        };
        let what = "device provisioning failed";
        let logged = self.logged(request.account, &node.node_id, what, refusal.fault, "", creator()).await?;
        whole.merge(logged);
        let failure =
            ProvisioningFailure { request: request.id, place, node_id: node.node_id.clone(), message: refusal.message.clone() };
        whole.writes.push(Write::ProvisioningFailure(Box::new(failure)));
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

    /// A node is made though a group that it named is not there: a warning, to be read at the device.
    fn warn_of_group(&self, account: AccountId, device: DeviceId, group: &str) {
        let why = Why {
            at: self.now(),
            identity: device.to_string(),
            peer: None,
            call: None,
            step: "onem2m.provisioning",
            check: "deviceGroup",
            detail: format!(
                "nDGr: {group} is no device group to which the application may add, or it is full; the node is not in it"
            ),
        };
        self.why.of_device(account, device, why);
    }

    /// What becomes of each node, in their order: the device to be made or the refusal, and the device that is in its way.
    async fn judge(&self, account: AccountId, app: AppId, nodes: &[NodeRequest], seen: &mut Seen) -> Result<Vec<Judged>> {
        let now = self.now();
        let claim = |node: &NodeRequest| Claim {
            node_id: node.node_id.clone(),
            name: node.name.clone(),
            psk_identity: credentials(node).map(|(identity, _)| identity.to_owned()).unwrap_or_default(),
        };
        let taken = self.store.claims(account, nodes.iter().map(claim).collect()).await?;
        // One look for all of them; only where that fails, one for each.
        let roomy = self.full(account, app, seen.good + nodes.len() as u64).await?.is_none();
        let mut judged = Vec::with_capacity(nodes.len());
        for (node, mut taken) in nodes.iter().zip(taken) {
            // A device without a node is found under its id.
            if node.name.parse::<DeviceId>().is_ok() && taken.name.is_none() {
                taken.name = self.device_shown_as(account, &node.name).await?;
            }
            let there = taken.name.clone().or_else(|| taken.node_id.clone());
            let mut outcome = check(account, node, &taken, seen);
            if !roomy
                && outcome.is_ok()
                && let Some(error) = self.full(account, app, seen.good + 1).await?
            {
                outcome = refused(NodeFault::CreateDeviceObjects, error.detail.to_string());
            }
            seen.good += u64::from(outcome.is_ok());
            let id = DeviceId::from_random(self.random_16());
            judged.push((outcome.map(|key| Arc::new(device(id, account, app, node, key, now))), there));
        }
        Ok(judged)
    }

    /// Why an application may not have so many more devices; none: it may.
    async fn full(&self, account: AccountId, app: AppId, adding: u64) -> Result<Option<Error>> {
        let full = |error: Error| if error.cause == Cause::DeviceLimit { Ok(Some(error)) } else { Err(error) };
        self.check_device_limit(account, app, adding).await.map_or_else(full, |()| Ok(None))
    }
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
    made: AtomicU64,
    failed: AtomicU64,
}

impl Provisioned {
    fn count(&self, before: &Provisioning, after: &Provisioning) {
        let (done, failed) = (after.done.saturating_sub(before.done), after.failed.saturating_sub(before.failed));
        self.made.fetch_add(u64::from(done.saturating_sub(failed)), Ordering::Relaxed);
        self.failed.fetch_add(u64::from(failed), Ordering::Relaxed);
    }
}

type Judged = (std::result::Result<Arc<Device>, Refusal>, Option<Arc<Device>>);

/// Names that earlier nodes have taken that were judged together with these and are not made yet, and by whom.
#[derive(Default)]
struct Seen {
    /// How many are to be made.
    good: u64,
    identities: BTreeMap<Identity, String>,
    names: HashSet<String>,
}

fn refused<T>(fault: NodeFault, message: String) -> std::result::Result<T, Refusal> {
    Err(Refusal { message, fault })
}

/// Profile of devices that speak LwM2M under a pre-shared key.
const LWM2M: &str = "SCS-LwM2M";
/// Profile of devices without a key of their own (D2C, UDP devices).
const UDP: &str = "SCS-UDP";

/// The checks of a node in the contract's order; the first that fails is told. Gives the pre-shared key, where the profile asks for one or one
/// was given.
///
/// What nodeIDs and identities of keys stand for is unique on the server; the name of another account's device is not told.
fn check(
    account: AccountId,
    node: &NodeRequest,
    taken: &TakenNames,
    seen: &mut Seen,
) -> std::result::Result<Option<Vec<u8>>, Refusal> {
    let NodeRequest { node_id, name, .. } = node;
    if node_id.is_empty() {
        return refused(NodeFault::Unexpected, "nodeID can not be empty.".to_owned());
    }
    if name.is_empty() {
        return refused(NodeFault::NameMissing, "onboarding failed on missing node resource name".to_owned());
    }
    if ![LWM2M, UDP].contains(&node.profile.as_str()) {
        return refused(NodeFault::ProfileMissing, "device profile not supported".to_owned());
    }
    let keyless = node.profile == UDP && node.credentials.as_ref().is_none_or(Vec::is_empty);
    let key = credentials(node).and_then(|(identity, key)| Some((identity, STANDARD.decode(key).ok()?)));
    let key = key.filter(|(identity, key)| check_key(identity, key).is_ok());
    if key.is_none() && !keyless {
        return refused(NodeFault::CredentialsMissing, "psk info is missing".to_owned());
    }
    let shown = |device: &Arc<Device>| if device.account == account { node_name(device) } else { String::new() };
    let holder = taken.node_id.as_ref().map(shown).or_else(|| seen.identities.get(&Identity::of(node_id)).cloned());
    if let Some(holder) = holder {
        let message = format!("Node with nodeID {node_id} already exists, The existed node resourceName = {holder}");
        return refused(NodeFault::NameTaken, message);
    }
    let reserved = AccountPart::ALL.iter().any(|part| part.parent() == Some(AccountPart::Base) && part.name() == name);
    if taken.name.is_some() || taken.resource || reserved || seen.names.contains(name) {
        return refused(NodeFault::NameTaken, format!("{name} device already exists"));
    }
    let wanted = key.as_ref().map(|(identity, _)| *identity);
    if taken.psk_identity || wanted.is_some_and(|identity| seen.identities.contains_key(&Identity::of(identity))) {
        let message = format!("conflicting credentials for AddEndPointRequest {name}");
        return refused(NodeFault::CreateDeviceObjects, message);
    }
    if let Err(error) = check_node_id(node_id).and_then(|()| check_resource_name(name)) {
        return refused(NodeFault::Unexpected, error.to_string());
    }
    let names = std::iter::once(node_id.as_str()).chain(wanted);
    seen.identities.extend(names.map(|wanted| (Identity::of(wanted), name.clone())));
    seen.names.insert(name.clone());
    Ok(key.map(|(_, key)| key))
}
