//! What a node that is to be provisioned becomes: a device with its node, credentials and information objects (D2C, sections 3 and 5).

use super::{
    edit::{VERSION_LABEL, follow_labels, mirror, new_info},
    tree::DEVICE_INFO,
};
use landfall_model::{AccessMode, AccountId, AppId, Device, DeviceId, Node, NodeRequest, Secret, Time};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Identity and key in base64; none unless both are given.
pub(super) fn credentials(node: &NodeRequest) -> Option<(&str, &str)> {
    let given = |prefix: &str| {
        let mut all = node.credentials.iter().flatten();
        all.find_map(|one| one.expose().strip_prefix(prefix)).filter(|text| !text.is_empty())
    };
    Some((given("psk-id:")?, given("psk:")?))
}

/// The device that a node becomes; without a key it is one that comes in the clear.
pub(super) fn device(
    id: DeviceId,
    account: AccountId,
    app: AppId,
    request: &NodeRequest,
    key: Option<Vec<u8>>,
    now: Time,
) -> Device {
    let mut made = Device::new(id, account, app, request.node_id.clone(), now);
    made.access = AccessMode::Secret;
    let keyed = key.is_some();
    made.credentials.is_secure = keyed;
    made.credentials.psk = key.map(|key| Secret::new(hex::encode(key)));
    made.credentials.psk_identity = credentials(request).map(|(identity, _)| identity.to_owned());
    let mut labels = request.labels.clone();
    let iccid = request.iccid.as_ref().map(|iccid| format!("ICCID:{iccid}"));
    for label in [Some(VERSION_LABEL.to_owned()), Some(format!("profile:{}", request.profile)), iccid].into_iter().flatten() {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    let mut node = Node {
        name: request.name.clone(),
        labels,
        profile: Some(request.profile.clone()),
        iccid: request.iccid.clone(),
        infos: vec![],
        credentials_at: keyed.then_some(now),
        observed: vec![],
        managed: vec![],
        created_at: now,
        modified_at: now,
    };
    follow_labels(&made.node_id, &mut node);
    let empty = || new_info(DEVICE_INFO, vec![VERSION_LABEL.to_owned()], &Map::new(), now);
    match &request.info {
        None => node.infos.push(Some(empty())),
        Some(given) => {
            let name = given.get("rn").and_then(Value::as_str).filter(|name| !name.is_empty()).unwrap_or(DEVICE_INFO);
            let (labels, attributes) = split_info(given);
            if name != DEVICE_INFO {
                node.infos.push(Some(empty()));
            }
            let info = new_info(name, labels, &attributes, now);
            mirror(&mut made, &info.attributes);
            node.infos.push(Some(info));
        }
    }
    made.node = Some(Arc::new(node));
    made
}

/// Labels and attributes of an information object that was asked for.
fn split_info(given: &Map<String, Value>) -> (Vec<String>, Map<String, Value>) {
    let mut attributes = given.clone();
    attributes.remove("rn");
    attributes.remove("mgd");
    let labels = match attributes.remove("lbl") {
        Some(Value::Array(labels)) => labels.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => vec![VERSION_LABEL.to_owned()],
    };
    (labels, attributes)
}
