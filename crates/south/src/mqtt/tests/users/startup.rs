//! Who connects, and what a device and those behind it say of themselves.

use super::*;
use landfall_core::{AlarmQuery, DeviceEventQuery, MeasurementQuery};
use landfall_model::{AlarmStatus, ChildKind, DeviceStatus, PageRequest, Severity, Sort};
use serde_json::json;

const PAGE: PageRequest = PageRequest { no: 0, size: 10 };

#[tokio::test]
async fn the_first_message_makes_the_device() {
    let ground = Ground::new().await;
    let mut client = ground.agent("d-1").await;
    assert_eq!(client.says("s/us", "100,\"My, device\",my_type\n110,4711,model,1.0", 0).await, []);
    let made = ground.object("d-1").await;
    assert_eq!((made.name(), made.kind(), made.owner()), (Some("My, device"), Some("my_type"), Some("device_d-1")));
    assert_eq!(made.fragments()["c8y_Hardware"], json!({"serialNumber": "4711", "model": "model", "revision": "1.0"}));
    let device = made.device().unwrap().id;
    assert_eq!(ground.core.device_by_id(device).await.unwrap().status, DeviceStatus::Online);
    assert_eq!(client.error("100,another").await, "41,100,Device already existing");
    assert_eq!(ground.object("d-1").await.name(), Some("My, device"));
    let mut other = ground.agent("d-2").await;
    other.says("s/us", "211,25", 0).await;
    let made = ground.object("d-2").await;
    assert_eq!((made.name(), made.kind()), (Some("MQTT Device d-2"), Some("c8y_MQTTDevice")));
    client.leave().await;
    assert_eq!(ground.core.device_by_id(device).await.unwrap().status, DeviceStatus::Offline);
    let mut again = ground.agent("d-1").await;
    assert_eq!(again.error("100").await, "41,100,Device already existing");
    assert_eq!(ground.core.device_by_id(device).await.unwrap().status, DeviceStatus::Online);
}

#[tokio::test]
async fn a_device_reports_and_raises() {
    let ground = Ground::new().await;
    let mut client = ground.agent("d-1").await;
    let lines = "200,c8y_Temperature,T,21.5,C\n211,25\n301,hot,\"too hot\"\n301,hot\n304,cold\n306,cold\n305,hot,MINOR\n402,50.5,6.5\n400,done,\"all, well\"";
    assert_eq!(client.says("s/us", lines, 0).await, []);
    let (admin, device) = (ground.domain.admin(&ground.tenant()).await, ground.object("d-1").await.device().unwrap().id);
    let query =
        MeasurementQuery { device, kind: None, fragment: None, series: None, from: None, to: None, sort: Sort::Ascending };
    let measured = ground.core.measurements(&admin, &query, PAGE, false).await.unwrap().items;
    let measured: Vec<_> = measured.into_iter().map(|one| (one.kind, Value::Object(one.fragments))).collect();
    assert_eq!(
        measured,
        [
            ("c8y_Temperature".to_owned(), json!({"c8y_Temperature": {"T": {"value": 21.5, "unit": "C"}}})),
            ("c8y_TemperatureMeasurement".to_owned(), json!({"c8y_TemperatureMeasurement": {"T": {"value": 25, "unit": "C"}}})),
        ]
    );
    let alarms = ground.core.alarms(&admin, &AlarmQuery::default(), PAGE).await.unwrap().items;
    let mut alarms: Vec<_> = alarms.iter().map(|one| (&*one.kind, one.severity, one.status, one.count)).collect();
    alarms.sort_by_key(|(kind, ..)| *kind);
    assert_eq!(alarms, [("cold", Severity::Warning, AlarmStatus::Cleared, 1), ("hot", Severity::Minor, AlarmStatus::Active, 2),]);
    let events = ground.core.device_events(&admin, &DeviceEventQuery::default(), PAGE).await.unwrap().items;
    let mut events: Vec<_> = events.iter().map(|one| (&*one.kind, &*one.text)).collect();
    events.sort_unstable();
    assert_eq!(events, [("c8y_LocationUpdate", "Location updated"), ("done", "all, well")]);
    assert_eq!(ground.fragments("d-1").await["c8y_Position"], json!({"lat": 50.5, "lng": 6.5}));
}

#[tokio::test]
async fn a_device_tells_what_it_is() {
    let ground = Ground::new().await;
    let mut client = ground.agent("d-1").await;
    let lines =
        "113,\"a=1\nb=\"\"2\"\"\"\n114,c8y_Restart,c8y_Command\n115,f,1.0,u\n117,60\n118,agentlog\n119,sshd\n143,apt\n122,a,1,,m";
    assert_eq!(client.says("s/us", lines, 0).await, []);
    let known = ground.fragments("d-1").await;
    assert_eq!(known["c8y_Configuration"], json!({"config": "a=1\nb=\"2\""}));
    assert_eq!(known["c8y_SupportedOperations"], json!(["c8y_Restart", "c8y_Command"]));
    assert_eq!(known["c8y_RequiredAvailability"], json!({"responseInterval": 60}));
    let more = "117,5\n140,a,1,apt,u,b,2\n141,b,3,apt\n142,a\n107,c8y_Agent\n143\n104,up\n125";
    assert_eq!(client.says("s/us", more, 0).await, []);
    let known = ground.fragments("d-1").await;
    assert_eq!(known["c8y_RequiredAvailability"], json!({"responseInterval": 60}), "a value that is there stays");
    assert_eq!(known["c8y_SoftwareList"], json!([{"name": "b", "version": "3", "softwareType": "apt", "url": ""}]));
    assert!(!known.contains_key("c8y_Agent") && !known.contains_key("c8y_SupportedSoftwareTypes"));
    assert_eq!(known["status"], "up");
    let id = ground.object("d-1").await.id();
    assert_eq!(client.says("s/us", "123", 1).await, [("s/ds".to_owned(), format!("124,{id}"))]);
}

#[tokio::test]
async fn a_device_speaks_for_those_behind_it() {
    let ground = Ground::new().await;
    let mut client = ground.agent("g-1").await;
    assert_eq!(client.says("s/us", "101,c-1,Child,child_type\n101,c-1\n102,s-1,systemd,Database,up", 0).await, []);
    assert_eq!(client.says("s/us/c-2", "211,25\n114,c8y_Restart", 0).await, []);
    assert_eq!(client.says("s/us/c-1", "101,e-1", 0).await, []);
    assert_eq!(client.says("s/us/c-1/e-1", "301,hot", 0).await, []);
    let child = ground.object("c-1").await;
    assert_eq!((child.name(), child.kind()), (Some("Child"), Some("child_type")));
    assert_eq!(ground.fragments("c-2").await["c8y_SupportedOperations"], json!(["c8y_Restart"]));
    let (admin, gateway) = (ground.domain.admin(&ground.tenant()).await, ground.object("g-1").await.id());
    let below = |kind| ground.core.child_objects(&admin, gateway, kind, PAGE);
    assert_eq!((below(ChildKind::Device).await.unwrap().total, below(ChildKind::Addition).await.unwrap().total), (2, 1));
    let told = client.says("s/us", "105", 1).await;
    let mut children: Vec<_> = told[0].1.split(',').collect();
    children.sort_unstable();
    assert_eq!((&*told[0].0, children), ("s/ds", vec!["106", "c-1", "c-2"]));
    assert_eq!(client.says("s/us/s-1", "104,down", 0).await, []);
    let service = ground.object("s-1").await;
    assert_eq!((service.kind(), &service.fragments()["status"]), (Some("c8y_Service"), &json!("down")));
    let told = client.says("s/us/s-1", "211,25", 1).await;
    assert_eq!(told, [("s/e".to_owned(), "41,211,the id is that of an object which is no device".to_owned())]);
    let told = client.says("s/us/c-1/nobody", "211,25", 1).await;
    assert!(told[0].1.contains("make it with 101"), "{told:?}");
}

#[tokio::test]
async fn lines_that_are_refused_stop_no_others() {
    let ground = Ground::new().await;
    let mut client = ground.agent("d-1").await;
    let told = client.says("s/us", "100,d\n9999,x\n200,c8y_T,T,warm\n200,c8y_T,T,20\n400,e\n400,e,done", 3).await;
    let error = |text: &str| ("s/e".to_owned(), text.to_owned());
    assert_eq!(
        told,
        [
            error("41,9999,there is no static template of this id"),
            error("41,200,\"value must be a number, not warm; the form is 200,fragment,series,value,[unit],[time]\""),
            error("41,400,\"text is missing; the form is 400,type,text,[time]\""),
        ]
    );
    let device = ground.object("d-1").await.device().unwrap().clone();
    assert_eq!(ground.checks(&device), ["PayloadInvalid"; 3]);
    let admin = ground.domain.admin(&ground.tenant()).await;
    assert_eq!(ground.core.device_events(&admin, &DeviceEventQuery::default(), PAGE).await.unwrap().total, 1);
    let large = format!("400,e,{}", "x".repeat(16_184));
    let told = client.says("s/us", &large, 1).await;
    assert_eq!(told, [error("41,,\"the payload has 16190 bytes, at most 16184 are taken\"")]);
    let told = client.says("s/us", &"9999\n".repeat(1_000), 256).await;
    assert!(told.len() >= 256, "a flood of errors is bounded by the outbox and stops nothing");
}

#[tokio::test]
async fn topics_of_others_are_refused() {
    let ground = Ground::new().await;
    let mut client = ground.agent("d-1").await;
    let refused = ["#", "s/#", "s/us", "s/dcr", "/huawei/v1/devices/+/command/json"];
    assert_eq!(client.subscribe(&refused).await, [0x80; 5]);
    assert_eq!(client.subscribe(&["s/dat", "s/dc/x", "s/dt", "error", "devicecontrol/notifications"]).await, [1; 5]);
    for topic in ["s/ucr", "s/ds", "/huawei/v1/devices/x/data/json", "inventory/managedObjects/create"] {
        assert_eq!(client.says(topic, "100", 0).await, []);
    }
    assert_eq!(client.says("s/uat", "", 0).await, []);
    assert_eq!(ground.unknown_checks(), [["topic.form"; 3].as_slice(), &["topic.credentials"], &["topic.form"; 5]].concat());
}

#[tokio::test]
async fn json_is_taken_by_topic() {
    let ground = Ground::new().await;
    let mut client = ground.agent("d-1").await;
    assert_eq!(client.subscribe(&["error"]).await, [1]);
    assert_eq!(client.says("s/us", "100\n101,c-1", 0).await, []);
    let measurement = json!({"type": "m", "c8y_T": {"T": {"value": 21.5}}});
    let of_child =
        json!({"type": "m", "c8y_T": {"T": {"value": 7}}, "externalSource": {"externalId": "c-1", "type": "c8y_Serial"}});
    for (topic, document) in [
        ("measurement/measurements/create", measurement.clone()),
        ("measurement/measurements/createBulk", json!({"measurements": [measurement, of_child]})),
        ("event/events/create", json!({"type": "e", "text": "t", "more": 1})),
        ("event/events/createBulk", json!({"events": [{"type": "e", "text": "t"}]})),
        ("alarm/alarms/create", json!({"type": "a", "severity": "MAJOR", "text": "t"})),
        ("alarm/alarms/createBulk", json!({"alarms": [{"type": "a", "status": "CLEARED"}]})),
        ("inventory/managedObjects/update", json!({"name": "renamed", "type": "t2", "own": {"a": 1}})),
        ("inventory/managedObjects/update/c-1", json!({"own": [1, 2]})),
    ] {
        assert_eq!(client.says(topic, &document.to_string(), 0).await, [], "{topic}");
    }
    let made = ground.object("d-1").await;
    assert_eq!((made.name(), made.kind(), &made.fragments()["own"]), (Some("renamed"), Some("t2"), &json!({"a": 1})));
    assert_eq!(ground.fragments("c-1").await["own"], json!([1, 2]));
    let admin = ground.domain.admin(&ground.tenant()).await;
    assert_eq!(ground.core.device_events(&admin, &DeviceEventQuery::default(), PAGE).await.unwrap().total, 2);
    assert_eq!(ground.core.alarms(&admin, &AlarmQuery::default(), PAGE).await.unwrap().items[0].status, AlarmStatus::Cleared);
    let told = client.says("event/events/create", "{\"type\":", 1).await;
    let error: Value = serde_json::from_str(&told[0].1).unwrap();
    assert_eq!((&*told[0].0, &error["error"]), ("error", &json!("undefined/validationError")));
}

#[tokio::test]
async fn templates_of_the_tenant_are_served() {
    let ground = Ground::new().await;
    let mut client = ground.agent("d-1").await;
    assert_eq!(client.subscribe(&["s/dt", "s/dc/own"]).await, [1, 1]);
    let told = |topic: &str, text: String| vec![(topic.to_owned(), text)];
    assert_eq!(client.says("s/ut/own", "", 1).await, told("s/dt", "41,own".into()));
    let templates = "10,net,PUT,INVENTORY,,false,c8y_Serial,c8y_Network.ip,STRING,\n10,get,GET,INVENTORY,,false,c8y_Serial\n\
                     10,warm,POST,EVENT,,warm,,\n11,88,,c8y_IsDevice,type,c8y_Network.ip";
    assert_eq!(client.says("s/ut/own", templates, 0).await, []);
    let admin = ground.domain.admin(&ground.tenant()).await;
    let object = ground.core.external(&admin, "c8y_SmartRest2DeviceIdentifier", "own").await.unwrap().id();
    assert_eq!(client.says("s/ut/own", "", 1).await, told("s/dt", format!("20,own,{object}")));
    assert!(client.says("s/ut/own", templates, 1).await[0].1.starts_with("41,own,"), "it is there already");
    assert_eq!(client.says("s/us", "100,,my_type", 0).await, []);
    assert_eq!(client.says("s/uc/own", "net,d-1,10.0.0.1\nwarm,words", 0).await, []);
    assert_eq!(ground.fragments("d-1").await["c8y_Network"], json!({"ip": "10.0.0.1"}));
    assert_eq!(ground.core.device_events(&admin, &DeviceEventQuery::default(), PAGE).await.unwrap().total, 1);
    assert_eq!(client.says("s/uc/own", "get,d-1", 1).await, told("s/dc/own", "88,my_type,10.0.0.1".into()));
    let none = client.says("s/uc/none", "dm100,d-1", 1).await;
    assert_eq!(none, told("s/e", "41,dm100,there is no template collection of this name".into()));
    let (_, name) = ground.device_login(&ground.tenant(), "d-2").await;
    let mut other = ground.dial();
    assert_eq!(other.connect("d:d-2:own", &name, PASSWORD, true).await, [0, 0]);
    assert_eq!(other.subscribe(&["s/dd", "s/e"]).await, [1, 1]);
    other.says("s/us", "100", 0).await;
    assert_eq!(other.says("s/ud", "get,d-2", 1).await, told("s/dd", "88,c8y_MQTTDevice,".into()));
    assert!(other.says("s/ud", "net,d-1,10.0.0.2", 1).await[0].1.starts_with("41,net,"), "the object of another device");
    let floods = other.says("s/ud", &"nothing\n".repeat(1_000), 256).await;
    assert!(floods.iter().all(|(topic, text)| topic == "s/e" && text.starts_with("41,nothing,")));
}

#[tokio::test]
async fn only_users_come_in_and_speak_for_what_is_theirs() {
    let ground = Ground::new().await;
    let [_, other] = [ground.tenant(), ground.domain.tenant("other").await];
    let mut first = ground.agent("d-1").await;
    first.says("s/us", "100", 0).await;
    let (_, name) = ground.device_login(&ground.tenant(), "d-1").await;
    let (_, stranger) = ground.device_login(&ground.tenant(), "d-9").await;
    let (_, foreign) = ground.device_login(&other, "x-1").await;
    let reader = ground.domain.reader(&ground.tenant()).await;
    let tenant = name.split('/').next().unwrap().to_owned();
    let cases = [
        ("a wrong password", "d-1", name.clone(), "wrong", 4),
        ("an unknown user", "d-1", format!("{tenant}/nobody"), PASSWORD, 4),
        ("an unknown tenant", "d-1", "nowhere/device_d-1".to_owned(), PASSWORD, 4),
        ("another one's device", "d-1", stranger.clone(), PASSWORD, 5),
        ("who only reads", "d-1", format!("{tenant}/{}", reader.user().name), PASSWORD, 5),
        ("a clientId without an id", "d:", name.clone(), PASSWORD, 2),
        ("nobody of the server", "d-1", "management/devicebootstrap".to_owned(), PASSWORD, 4),
        ("a free id", "free", stranger, PASSWORD, 0),
        ("the same id in another tenant", "d:d-1:own", foreign, PASSWORD, 0),
        ("a device by its own name", "d-1", "device_d-1".to_owned(), PASSWORD, 0),
    ];
    for (who, client_id, name, password, code) in cases {
        let mut client = ground.dial();
        assert_eq!(client.connect(client_id, &name, password, true).await, [0, code], "{who}");
    }
    first.ended().await;
}

#[tokio::test]
async fn tenants_do_not_meet() {
    let ground = Ground::new().await;
    let other = ground.domain.tenant("other").await;
    let (_, name) = ground.device_login(&other, "x-1").await;
    let mut client = ground.dial();
    assert_eq!(client.connect("d-1", &name, PASSWORD, true).await, [0, 0]);
    assert_eq!(client.subscribe(&["s/e", "s/ds"]).await, [1, 1]);
    let mut own = ground.agent("d-1").await;
    own.says("s/us", "100,mine\n101,c-1", 0).await;
    assert_eq!(client.says("s/us", "100,theirs", 0).await, []);
    assert_eq!(client.says("s/us/c-1", "110,theirs", 0).await, []);
    assert_eq!(ground.object("d-1").await.name(), Some("mine"));
    assert!(!ground.fragments("c-1").await.contains_key("c8y_Hardware"));
    let theirs = ground.core.external(&ground.domain.admin(&other).await, "c8y_Serial", "d-1").await.unwrap();
    assert_eq!(theirs.name(), Some("theirs"));
}

#[tokio::test]
async fn a_login_that_is_disabled_ends() {
    let ground = Ground::new().await;
    let mut client = ground.agent("d-1").await;
    client.says("s/us", "100", 0).await;
    let change = landfall_core::UserChange { enabled: Some(false), ..landfall_core::UserChange::default() };
    let (operator, account) = (&ground.domain.operator, ground.all.account());
    ground.core.change_user(operator, account, "device_d-1", change).await.unwrap();
    client.ended().await;
    let (tenant, mut again) = (ground.core.tenant_of(account).await.unwrap(), ground.dial());
    assert_eq!(again.connect("d-1", &format!("{tenant}/device_d-1"), PASSWORD, true).await, [0, 4]);
}

#[tokio::test]
async fn a_will_is_what_the_device_says_last() {
    let ground = Ground::new().await;
    let (_, name) = ground.device_login(&ground.tenant(), "d-1").await;
    let mut client = ground.dial();
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0xc6, 0, 60];
    for field in ["d-1", "s/us", "400,gone,lost", &name, PASSWORD] {
        text(&mut body, field);
    }
    client.send(0x10, &body).await;
    assert_eq!(client.expect(0x20).await, [0, 0]);
    client.hang_up().await;
    let admin = ground.domain.admin(&ground.tenant()).await;
    let events = ground.core.device_events(&admin, &DeviceEventQuery::default(), PAGE).await.unwrap().items;
    assert_eq!(events.iter().map(|event| &*event.kind).collect::<Vec<_>>(), ["gone"]);
}
