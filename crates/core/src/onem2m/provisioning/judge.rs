//! What becomes of nodes: the checks of the contract, in its order, against what is there and against each other.

use super::Refusal;
use crate::{
    Claim, Core, NodeFault, TakenNames,
    device::check_node_id,
    onem2m::{
        made::{credentials, device},
        node::check_key,
        tree::{check_resource_name, node_name},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use landfall_model::{AccountId, AccountPart, AppId, Cause, Device, DeviceId, Error, Identity, NodeRequest, Result};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

/// What becomes of a node, and the device that is in its way.
pub(super) type Judged = (std::result::Result<Arc<Device>, Refusal>, Option<Arc<Device>>);

impl Core {
    /// What becomes of each node, in their order: the device to be made or the refusal, and the device that is in its way.
    pub(super) async fn judge(
        &self,
        account: AccountId,
        app: AppId,
        nodes: &[NodeRequest],
        seen: &mut Seen,
    ) -> Result<Vec<Judged>> {
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
            let id = self.new_device_id();
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

/// Names that earlier nodes have taken that were judged together with these and are not made yet, and by whom.
#[derive(Default)]
pub(super) struct Seen {
    /// How many are to be made.
    pub(super) good: u64,
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
