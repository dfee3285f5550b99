//! Requests to provision nodes and what came of them (D2C, sections 3 and 4): `dtiot:noPRt` and `dtiot:prRRe`.
//!
//! Absent: the form of the list, which operators' requests share, and what becomes of each node, which is the core's.

use super::list::{DEFINITION, node_json, parse_request};
use landfall_core::{Core, FailedNode, OUTCOME_PREFIX, OriginCaller, Provisioning, Target};
use landfall_model::{AccountId, AccountPart, PageRequest, ResourceId, Result, Time};
use serde_json::{Map, Value, json};

/// `cnd` of an outcome.
const OUTCOME_DEFINITION: &str = "com.telekom.iot.orchestrator.provisioningRequestResponse";
/// Failures that are read at once.
const PAGE: u32 = 1_000;

/// Takes a request: it is durable with its whole list when this returns. `InvalidField` at the exact attribute, `ResourceExists`, `TooMany`.
pub(super) async fn create(core: &Core, by: &OriginCaller, given: Map<String, Value>) -> Result<Target> {
    let made = core.request_provisioning(by, parse_request(given)?).await?;
    Ok(Target::Request(Box::new(made)))
}

/// `dtiot:noPRt`: the list as it was given, under short names.
pub(super) async fn show_request(core: &Core, request: &Provisioning) -> Result<Map<String, Value>> {
    let nodes = core.provisioning_nodes(request).await?;
    let list = nodes.iter().map(|node| Value::Object(node_json(node))).collect();
    Ok(request_form(request, list))
}

/// `dtiot:prRRe`, once the request is finished.
pub(super) async fn show_outcome(core: &Core, request: &Provisioning) -> Result<Map<String, Value>> {
    let mut failures = vec![];
    for no in 0.. {
        let page = core.failed_nodes(request, PageRequest { no, size: PAGE }).await?;
        failures.extend(page.items.iter().map(failure));
        if page.items.is_empty() || failures.len() as u64 >= page.total {
            break;
        }
    }
    Ok(outcome_form(request, failures))
}

fn request_form(request: &Provisioning, list: Vec<Value>) -> Map<String, Value> {
    let mut shown = flex_container(request.account, request.id, AccountPart::Requests, request.created_at);
    put(
        &mut shown,
        [
            ("cnd", DEFINITION.into()),
            ("rn", request.name.as_str().into()),
            ("opern", 1.into()),
            ("reqLt", list.into()),
            ("cr", request.creator.as_str().into()),
        ],
    );
    if !request.labels.is_empty() {
        put(&mut shown, [("lbl", json!(request.labels))]);
    }
    shown
}

/// `crr` is how the outcome names its creator; the usual name is given beside it (Amb-4).
fn outcome_form(request: &Provisioning, failures: Vec<Value>) -> Map<String, Value> {
    let over = request.finished_at.unwrap_or(request.created_at);
    let mut shown = flex_container(request.account, request.id.outcome(), AccountPart::Responses, over);
    let (total, processed, failed) = (request.total, request.made, request.failed);
    put(
        &mut shown,
        [
            ("cnd", OUTCOME_DEFINITION.into()),
            ("rn", format!("{OUTCOME_PREFIX}{}", request.id).into()),
            ("reqRD", request.id.to_string().into()),
            ("resSs", if processed == total { 1 } else { 2 }.into()),
            ("geEMe", format!("Total to be provisioned: {total}; Successfully processed: {processed}; Errors: {failed}").into()),
            ("inEMs", failures.into()),
            ("cr", request.creator.as_str().into()),
            ("crr", request.creator.as_str().into()),
        ],
    );
    shown
}

fn failure(failed: &FailedNode) -> Value {
    json!({ "niD": failed.node.node_id, "errMe": failed.message })
}

fn flex_container(account: AccountId, id: ResourceId, below: AccountPart, at: Time) -> Map<String, Value> {
    let mut shown = Map::new();
    put(
        &mut shown,
        [
            ("ty", 28.into()),
            ("st", 0.into()),
            ("ri", id.to_string().into()),
            ("pi", ResourceId::of_account(account, below).to_string().into()),
            ("ct", at.onem2m().into()),
            ("lt", at.onem2m().into()),
        ],
    );
    shown
}

fn put<const N: usize>(shown: &mut Map<String, Value>, fields: [(&str, Value); N]) {
    shown.extend(fields.map(|(name, value)| (name.to_owned(), value)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onem2m::list::{parse_body, request_json};
    use landfall_model::{AppId, NodeRequest};

    fn request(failed: u64) -> Provisioning {
        let at = Time(1_732_180_667_984);
        Provisioning {
            id: ResourceId::new(at, [7; 16]),
            account: AccountId::from_random([1; 16]),
            app: AppId::from_random([2; 16]),
            name: "myProvisioningRequest01".to_owned(),
            creator: "CmyApplication".to_owned(),
            labels: vec![],
            state: "finished",
            total: 3,
            done: 3,
            made: 3 - failed,
            failed,
            created_at: at,
            started_at: Some(at),
            finished_at: Some(Time(1_733_384_406_516)),
        }
    }

    #[test]
    fn a_request_is_shown_as_the_contract_shows_it() {
        let node = json!({
            "ni": "urn:gsma:imei:351934546788011", "noRNe": "myLwM2M-Device01", "ICCID": "89800000000000020111",
            "profe": "SCS-LwM2M", "lbl": ["d2c:1.0"], "nCr": ["psk-id:myLwM2M-Device01Id", "psk:dGVzdDEyMw=="],
            "nDGr": ["myDeviceGroup"],
            "ndvi": {"rn": "device-info", "mgd": 1007, "man": "ACME", "dty": "Some sensor", "mod": "12345",
                     "dlb": ["d2c:1.0", "some:label"], "dc": "measured something"}
        });
        let body = request_json(&[], [node.as_object().unwrap().clone()]);
        let parsed = parse_body(body).unwrap();
        let list = parsed.nodes.iter().map(|node| Value::Object(node_json(node))).collect();
        let shown = Value::Object(request_form(&request(0), list));
        let id = request(0).id.to_string();
        let parent = ResourceId::of_account(request(0).account, AccountPart::Requests).to_string();
        let expected = json!({
            "cnd": "com.telekom.iot.orchestrator.nodeProvisioningRequest", "rn": "myProvisioningRequest01", "opern": 1,
            "reqLt": [node], "ty": 28, "cr": "CmyApplication", "st": 0, "ri": id, "pi": parent,
            "ct": "20241121T091747,984000", "lt": "20241121T091747,984000"
        });
        assert_eq!(shown, expected);
        let labelled = request_form(&Provisioning { labels: vec!["a:b".into()], ..request(0) }, vec![]);
        assert_eq!(labelled["lbl"], json!(["a:b"]));
    }

    #[test]
    fn an_outcome_counts_what_was_done_and_names_what_failed() {
        let id = request(0).id;
        let node = NodeRequest { node_id: "urn:gsma:imei:351934546700116".to_owned(), ..NodeRequest::default() };
        let failed = FailedNode { place: 1, message: "device profile not supported".to_owned(), node };
        let shown = Value::Object(outcome_form(&request(1), vec![failure(&failed)]));
        let parent = ResourceId::of_account(request(0).account, AccountPart::Responses).to_string();
        let expected = json!({
            "cnd": "com.telekom.iot.orchestrator.provisioningRequestResponse", "rn": format!("responseToRequest-{id}"),
            "reqRD": id.to_string(), "resSs": 2,
            "geEMe": "Total to be provisioned: 3; Successfully processed: 2; Errors: 1",
            "inEMs": [{"niD": "urn:gsma:imei:351934546700116", "errMe": "device profile not supported"}],
            "ty": 28, "cr": "CmyApplication", "crr": "CmyApplication", "st": 0, "ri": id.outcome().to_string(), "pi": parent,
            "ct": "20241205T074006,516000", "lt": "20241205T074006,516000"
        });
        assert_eq!(shown, expected);
        let well = outcome_form(&request(0), vec![]);
        assert_eq!((&well["resSs"], &well["inEMs"]), (&json!(1), &json!([])));
        assert_eq!(well["geEMe"], "Total to be provisioned: 3; Successfully processed: 3; Errors: 0");
    }
}
