//! Nodes: one device in every dialect, what it says of itself, messages to it, and what went wrong about it.

use crate::{
    Ground, Tenant, cause,
    onem2m::rights::caller,
    onem2m::tree::{new, node},
};
use landfall_core::{
    AppChange, DeviceChange, InfoChange, NewInstance, NodeFault, OriginCaller, Outcome, SelfDescription, Step, Target, Work,
    WorkOf,
};
use landfall_model::{Cause, Changed, Device, DeviceInfo, ManagedKind, PageRequest, ResourceKind, Sort};
use serde_json::{Map, Value, json};
use std::sync::Arc;

struct Case {
    domain: Ground,
    tenant: Tenant,
    by: OriginCaller,
    device: Arc<Device>,
}

impl Case {
    async fn new(seed: u64) -> Self {
        let domain = Ground::new(seed).await;
        let tenant = domain.tenant("t").await;
        let by = tenant.origin(&domain, "Capp").await;
        let mut wanted = node("d1");
        wanted.labels = vec!["d2c-uplink-property_AssetId:a:b".into()];
        assert_eq!(domain.provision(&by, vec![wanted]).await, 0);
        let device = domain.core.device_by_node("urn:gsma:imei:d1").await.unwrap();
        Self { domain, tenant, by, device }
    }

    /// Contents of a container of the device, oldest first.
    async fn contents(&self, name: &str) -> Vec<Value> {
        let target = self.domain.core.find(&self.by, &["device-communication", "d1", name]).await.unwrap();
        self.stored(&target).await
    }

    async fn logs(&self) -> Vec<Value> {
        self.stored(&self.domain.core.find(&self.by, &["device-provisioning", "logs"]).await.unwrap()).await
    }

    async fn stored(&self, target: &Target) -> Vec<Value> {
        let (store, id) = (self.domain.core.store(), target.id(self.by.account().id));
        let page = store.instances(id, self.domain.core.now(), Sort::Ascending, PageRequest { no: 0, size: 100 }).await.unwrap();
        page.items.iter().map(|one| serde_json::from_str(&one.content).unwrap()).collect()
    }

    async fn send(&self, text: &str) {
        let outgoing = self.domain.core.find(&self.by, &["device-communication", "d1", "outgoing-msg"]).await.unwrap();
        let new = NewInstance { content: json!(text).to_string(), size: text.len() as u64, ..NewInstance::default() };
        self.domain.core.append(&self.by, &outgoing, new).await.unwrap();
    }

    async fn next(&self) -> Option<Work> {
        self.domain.core.next_work(&self.domain.core.device_caller(&self.device), false).await.unwrap()
    }

    async fn info(&self) -> Map<String, Value> {
        let device = self.domain.reread(&self.device).await;
        landfall_core::info_of(&device, 0).unwrap().attributes.clone()
    }

    async fn labels(&self) -> Vec<String> {
        self.domain.reread(&self.device).await.node.as_ref().unwrap().labels.clone()
    }
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("{value}") };
    map
}

fn told(info: Value) -> SelfDescription {
    SelfDescription { info: object(info), managed: vec![] }
}

#[tokio::test]
async fn what_a_device_says_of_itself_is_known_in_every_dialect() {
    let case = Case::new(90).await;
    let core = &case.domain.core;
    let caller = core.device_caller(&case.device);
    let said = told(json!({ "man": "ACME", "mod": "M", "fwv": "1.0", "ptl": ["LWM2M"], "loc": "geo:1.0,2.0" }));
    core.learn_node(&caller, &said).await.unwrap();
    let expected = json!({ "man": "ACME", "dvnm": "ACME", "mod": "M", "fwv": "1.0", "ptl": ["LWM2M"], "loc": "geo:1.0,2.0",
        "dty": "device", "dlb": "urn:gsma:imei:d1" });
    assert_eq!(Value::Object(case.info().await), expected);
    let info = case.domain.reread(&case.device).await.info.clone();
    let known = (info.manufacturer_name.as_deref(), info.fw_version.as_deref(), info.location.as_deref());
    assert_eq!(known, (Some("ACME"), Some("1.0"), Some("geo:1.0,2.0")));
    let seq = case.domain.newest();
    core.learn_node(&caller, &said).await.unwrap();
    assert_eq!(case.domain.newest(), seq, "nothing new is nothing written");

    let change = InfoChange { attributes: object(json!({ "loc": "geo:3.0,4.0", "dc": "", "cnty": null })), labels: None };
    core.set_info(&case.by, case.device.id, 0, &change).await.unwrap();
    assert_eq!(case.domain.reread(&case.device).await.info.location.as_deref(), Some("geo:3.0,4.0"));
    let change =
        DeviceChange { info: DeviceInfo { location: Some("cellar".into()), ..DeviceInfo::default() }, ..DeviceChange::default() };
    core.modify_device(&case.tenant.scope, case.device.id, change).await.unwrap();
    assert_eq!(case.info().await["loc"], "cellar", "and back");
    assert!(!case.info().await.contains_key("dc"));
}

#[tokio::test]
async fn management_objects_are_below_the_node_and_their_subscribers_are_told() {
    let case = Case::new(99).await;
    let (core, by) = (&case.domain.core, &case.by);
    let caller = core.device_caller(&case.device);
    let battery = |percent: u64| SelfDescription {
        managed: vec![(ManagedKind::Battery, object(json!({ "btl": percent, "bts": 1 })))],
        ..SelfDescription::default()
    };
    assert_eq!(case.domain.absent(by, "d1/battery").await, Cause::ResourceNotFound);
    core.learn_node(&caller, &battery(53)).await.unwrap();
    let target = case.domain.at(by, "d1/battery").await;
    assert_eq!(core.find_id(by, target.id(by.account().id)).await.unwrap(), target);
    assert_eq!((target.ty(), core.path_of(by, &target).await.unwrap()), (13, "t/d1/battery".to_owned()));
    let node = case.domain.at(by, "d1").await;
    let children = core.children_within(by, &node, &[13], 0, 10).await.unwrap();
    assert!(children.items.contains(&target), "{children:?}");
    assert_eq!(cause(core.delete_target(by, &target).await), Cause::OperationNotAllowed);
    let watch = new(ResourceKind::Subscription, "s", json!({ "nu": ["http://a.example/"] }));
    case.domain.made(by, &target, watch).await;
    let before = case.domain.newest();
    core.learn_node(&caller, &battery(52)).await.unwrap();
    let told = case.domain.notices_since(before).await;
    let levels = told.iter().map(|notice| match &notice.changed {
        Changed::Managed { object, .. } => object.attributes["btl"].clone(),
        other => panic!("{other:?}"),
    });
    assert_eq!(levels.collect::<Vec<_>>(), [json!(52)]);
}

#[tokio::test]
async fn messages_go_out_one_after_the_other_and_are_answered() {
    let case = Case::new(91).await;
    let core = &case.domain.core;
    let caller = core.device_caller(&case.device);
    case.send("GET /3/0").await;
    case.send("NONSENSE").await;
    case.send("PUT /1/0/1 300").await;
    assert_eq!(case.contents("outgoing-msg").await.len(), 3);
    let Some(Work { of: WorkOf::Message(id), steps }) = case.next().await else { panic!("no work") };
    assert_eq!(steps, [Step::Read { path: "/3/0".into() }]);
    assert_eq!(case.contents("sent-msg").await, [json!("GET /3/0")], "before it goes out");
    assert!(matches!(core.find_id(&case.by, id).await, Ok(Target::Instance(found, _)) if found.id == id), "under its id");
    core.message_outcome(&caller, Outcome::Done("[1]".into())).await.unwrap();
    let received = case.contents("received-msg").await;
    let expected = json!({ "nodeResourceName": "d1", "nodeID": "urn:gsma:imei:d1", "data": "[1]", "uplinkProperties": { "AssetId": "a:b" } });
    assert_eq!(received, [expected]);
    let Some(Work { of: WorkOf::Message(_), steps }) = case.next().await else { panic!("no work") };
    assert!(matches!(&steps[..], [Step::Write { path, value, .. }] if path == "/1/0/1" && value == "300"));
    core.message_outcome(&caller, Outcome::Refused("no".into())).await.unwrap();
    let errors = case.contents("error-msg").await;
    let data: Vec<&Value> = errors.iter().map(|one| &one["data"]).collect();
    assert_eq!(data, [&json!("NONSENSE"), &json!("no")]);
    assert_eq!(errors[0]["status"]["detail"], "Internal server error: device-provisioning unable to process notification data.");
    assert_eq!(case.logs().await.len(), 2);
    assert_eq!(case.next().await, None);
    assert_eq!(case.contents("sent-msg").await.len(), 3);
    assert_eq!(case.contents("outgoing-msg").await.len(), 0);
}

/// Another application leaves a message for the device while it may act for it.
#[tokio::test]
async fn a_message_of_an_application_that_may_no_more_goes_not_out() {
    for frozen in [false, true] {
        let mut case = Case::new(95).await;
        let (all, owner) = (case.tenant.all.clone(), case.by.clone());
        case.by = caller(&case.domain, &case.tenant, "Cguest").await;
        let guest = case.by.app().id;
        let core = case.domain.core.clone();
        core.authorize_app(&all, case.tenant.app.id, guest, true).await.unwrap();
        case.send("GET /3/0").await;
        case.by = owner;
        case.send("GET /1/0").await;
        let expected = if frozen {
            let change = AppChange { frozen: Some(true), ..AppChange::default() };
            core.change_app(&all, guest, change).await.unwrap();
            "the application Cguest is frozen"
        } else {
            core.authorize_app(&all, case.tenant.app.id, guest, false).await.unwrap();
            "the authorisation of the application Cguest by app was withdrawn"
        };
        let next = case.next().await.map(|work| work.steps);
        assert_eq!(next, Some(vec![Step::Read { path: "/1/0".into() }]), "the owner's own");
        assert_eq!((case.contents("sent-msg").await, case.contents("outgoing-msg").await.len()), (vec![json!("GET /1/0")], 0));
        assert_eq!(case.contents("error-msg").await[0]["data"], "GET /3/0");
        let whys = core.why().device(case.device.account, case.device.id);
        let told = whys.iter().filter(|why| why.step == "message.rights" && why.detail.contains(expected)).count();
        assert_eq!(told, 1, "{whys:?}");
    }
}

#[tokio::test]
async fn observations_are_labels_and_outlive_a_change_of_labels() {
    let case = Case::new(92).await;
    case.send("OBSERVE /3303/0/5700").await;
    assert_eq!(case.next().await, None);
    let observed = case.domain.reread(&case.device).await.node.as_ref().unwrap().observed.clone();
    assert_eq!(observed[0].path, "/3303/0/5700");
    let label = format!("d2c_resource_/3303/0/5700:{}", observed[0].id);
    assert!(case.labels().await.contains(&label));
    let kept = ["profile:SCS-LwM2M".to_owned()];
    case.domain.core.set_node_labels(&case.by, case.device.id, &kept).await.unwrap();
    assert_eq!(case.labels().await, kept, "as they were sent");
    let caller = case.domain.core.device_caller(&case.device);
    case.domain.core.learn_node(&caller, &SelfDescription::default()).await.unwrap();
    assert_eq!(case.labels().await, ["profile:SCS-LwM2M", "d2c_lifecycle:urn:gsma:imei:d1", &label]);
    case.send("CANCEL /3303/0/5700").await;
    assert_eq!(case.next().await, None);
    assert_eq!(case.labels().await, ["profile:SCS-LwM2M", "d2c_lifecycle:urn:gsma:imei:d1"]);
}

#[tokio::test]
async fn without_the_label_of_its_profile_a_device_is_not_heard() {
    let case = Case::new(93).await;
    let core = &case.domain.core;
    let caller = core.device_caller(&case.device);
    core.set_node_labels(&case.by, case.device.id, &["d2c:1.0".into()]).await.unwrap();
    core.learn_node(&caller, &told(json!({ "man": "ACME" }))).await.unwrap();
    core.node_said(&caller, "21.5").await.unwrap();
    assert!(case.info().await.is_empty());
    assert!(case.contents("received-msg").await.is_empty());
    let detail = "device event could not been handled. Check the data of device. profile is missed.";
    let errors = case.contents("error-msg").await;
    assert_eq!(
        errors[1],
        json!({ "nodeResourceName": "d1", "nodeID": "urn:gsma:imei:d1", "data": "21.5",
        "status": { "code": 400, "message": "bad request", "detail": detail } })
    );
    let logs = case.logs().await;
    assert_eq!(
        logs[1],
        json!({ "identifier": "urn:gsma:imei:d1", "type": "device processing failed", "service": "d2c-device-provisioning",
        "data": "21.5", "status": { "code": 400, "message": "bad request", "detail": detail } })
    );
    core.node_fault(&caller, NodeFault::GetDeviceData, "").await.unwrap();
    assert_eq!(case.contents("error-msg").await[2]["status"]["code"], 500);
}

#[tokio::test]
async fn credentials_and_information_objects_come_and_go() {
    let case = Case::new(94).await;
    let core = &case.domain.core;
    let id = case.device.id;
    assert_eq!(cause(core.create_credentials(&case.by, id, "new", b"key").await), Cause::ResourceExists);
    let credentials = core.find(&case.by, &["d1", "credentials"]).await.unwrap();
    core.delete_target(&case.by, &credentials).await.unwrap();
    assert_eq!(cause(core.find(&case.by, &["d1", "credentials"]).await), Cause::ResourceNotFound);
    assert_eq!(cause(core.create_credentials(&case.by, id, "", b"key").await), Cause::InvalidField);
    core.create_credentials(&case.by, id, "new", b"key").await.unwrap();
    let device = core.device_by_psk_identity("new").await.unwrap();
    assert_eq!((device.id, device.credentials.psk.as_ref().unwrap().expose()), (id, "6b6579"));
    let first = core.find(&case.by, &["d1", "device-info"]).await.unwrap();
    core.delete_target(&case.by, &first).await.unwrap();
    let new = InfoChange { attributes: object(json!({ "man": "ACME", "swv": "" })), labels: None };
    let (_, index) = core.create_info(&case.by, id, "device-info", &new).await.unwrap();
    assert_eq!(index, 0, "in the place of the deleted one");
    assert_eq!(Value::Object(case.info().await), json!({ "man": "ACME" }));
    assert_eq!(cause(core.create_info(&case.by, id, "device-info", &new).await), Cause::ResourceExists);
    for n in 1..8 {
        core.create_info(&case.by, id, &format!("i{n}"), &new).await.unwrap();
    }
    assert_eq!(cause(core.create_info(&case.by, id, "i9", &new).await), Cause::TooMany);
}
