//! Every push against its exact text.

use super::*;
use landfall_model::{
    AccountId, AppId, Channel, CommandId, CommandState, DeviceInfo, DeviceStatus, NodeType, ProductId, Seq, StatusDetail,
    SubscriptionId, Time,
};
use std::sync::Arc;

const DEVICE: &str = "01010101-0101-4101-8101-010101010101";
const GATEWAY: &str = "02020202-0202-4202-8202-020202020202";
const APP: &str = "03030303-0303-4303-8303-030303030303";
const AT: Time = Time(1_449_922_332_000);
const INFO: &str = concat!(
    r#""deviceInfo":{"nodeId":"123456","name":"Sensor_12","description":null,"manufacturerId":null,"manufacturerName":"wulian","#,
    r#""mac":null,"location":null,"deviceType":null,"model":"90","swVersion":null,"fwVersion":null,"hwVersion":null,"#,
    r#""protocolType":"zigbee","bridgeId":null,"status":"INACTIVE","statusDetail":"NOT_ACTIVE","mute":"FALSE","#,
    r#""supportedSecurity":null,"isSecurity":"FALSE","signalStrength":null,"sigVersion":null,"serialNumber":null,"batteryLevel":null}"#
);

fn device() -> DeviceId {
    DeviceId::from_random([1; 16])
}

fn gateway() -> DeviceId {
    DeviceId::from_random([2; 16])
}

fn own_address() -> SubscriptionId {
    SubscriptionId::from_random([9; 16])
}

fn subscription(kind: SubscriptionKind) -> Subscription {
    Subscription {
        id: own_address(),
        account: AccountId::from_random([4; 16]),
        version: 1,
        owner: AppId::from_random([5; 16]),
        target: AppId::from_random([3; 16]),
        kind,
        channel: Channel::Http,
        callback_url: "https://na.example:443/push".into(),
        by: None,
        created_at: AT,
    }
}

fn event(body: EventBody) -> StoredEvent {
    let of_model = matches!(body, EventBody::ProductModel { .. });
    let event = Event {
        account: AccountId::from_random([4; 16]),
        principals: (!of_model).then(|| AppId::from_random([3; 16]).into()),
        device: (!of_model).then(device),
        at: AT,
        body,
    };
    StoredEvent { seq: Seq(7), event: Arc::new(event) }
}

fn view() -> Box<DeviceView> {
    let text = |text: &str| Some(text.to_owned());
    Box::new(DeviceView {
        node_id: "123456".into(),
        node_type: NodeType::Gateway,
        gateway: gateway(),
        info: Arc::new(DeviceInfo {
            name: text("Sensor_12"),
            manufacturer_name: text("wulian"),
            model: text("90"),
            protocol_type: text("zigbee"),
            ..DeviceInfo::default()
        }),
        status: DeviceStatus::Inactive,
        status_detail: StatusDetail::NotActive,
        mute: false,
        is_secure: false,
        changed: None,
    })
}

fn report(services: usize) -> EventBody {
    let service = |n: usize| ServiceReport {
        service_id: format!("S{n}"),
        service_type: (n == 0).then(|| "Brightness".to_owned()),
        data: format!(r#"{{"z":{n}.50, "a":1}}"#),
        event_time: AT,
        meta: Some("{}".into()),
    };
    EventBody::Reported(Report {
        device: device(),
        account: AccountId::from_random([4; 16]),
        app: Some(AppId::from_random([3; 16])),
        gateway: gateway(),
        received_at: AT,
        services: (0..services).map(service).collect(),
        raw: None,
    })
}

fn confirmed(to: &str, address: Option<SubscriptionId>) -> EventBody {
    EventBody::MessageConfirmed {
        status: Confirmation::Delivered,
        request_id: "r1".into(),
        service_id: "Switch".into(),
        to: to.into(),
        address,
    }
}

fn answered(body: &str, errcode: i64, address: Option<SubscriptionId>) -> EventBody {
    EventBody::CommandAnswered {
        request_id: "r1".into(),
        service_id: "Switch".into(),
        service_type: "SwitchType".into(),
        method: "SET-RSP".into(),
        to: "/users/1".into(),
        body: body.into(),
        errcode,
        address,
    }
}

fn model(change: ProductChange) -> EventBody {
    let key = ProductKey {
        manufacturer_id: "wl".into(),
        manufacturer_name: "wulian".into(),
        device_type: "MultiSensor".into(),
        model: "90".into(),
        protocol_type: "zigbee".into(),
    };
    EventBody::ProductModel { change, product: ProductId::from_random([8; 16]), key }
}

fn told(kind: SubscriptionKind, body: EventBody) -> Vec<String> {
    let bodies = notifications(&subscription(kind), &event(body));
    bodies.into_iter().map(|body| String::from_utf8(body).unwrap()).collect()
}

fn told_as(kind: NotifyType, body: EventBody) -> Vec<String> {
    told(SubscriptionKind::Notify(kind), body)
}

#[test]
fn devices_are_told_as_the_contract_says() {
    let ids = format!(r#""deviceId":"{DEVICE}","gatewayId":"{GATEWAY}""#);
    let bound = |word: &str| format!(r#"{{"notifyType":"bindDevice","deviceId":"{DEVICE}","resultCode":"{word}",{INFO}}}"#);
    let cases = [
        (
            NotifyType::DeviceAdded,
            EventBody::DeviceAdded(view()),
            format!(r#"{{"notifyType":"deviceAdded",{ids},"nodeType":"GATEWAY",{INFO}}}"#),
        ),
        (NotifyType::BindDevice, EventBody::DeviceBound { result: BindResult::Succeeded, device: view() }, bound("succeeded")),
        (NotifyType::BindDevice, EventBody::DeviceBound { result: BindResult::Expired, device: view() }, bound("expired")),
        (
            NotifyType::DeviceInfoChanged,
            EventBody::DeviceInfoChanged(view()),
            format!(r#"{{"notifyType":"deviceInfoChanged",{ids},"networkStatus":null,{INFO}}}"#),
        ),
        (
            NotifyType::DeviceDeleted,
            EventBody::DeviceDeleted { gateway: gateway() },
            format!(r#"{{"notifyType":"deviceDeleted",{ids}}}"#),
        ),
    ];
    for (kind, body, expected) in cases {
        assert_eq!(told_as(kind, body), [expected], "{kind:?}");
    }
}

#[test]
fn what_did_not_change_is_null() {
    const NOTHING: &str = concat!(
        r#""deviceInfo":{"nodeId":null,"name":null,"description":null,"manufacturerId":null,"manufacturerName":null,"#,
        r#""mac":null,"location":null,"deviceType":null,"model":null,"swVersion":null,"fwVersion":null,"hwVersion":null,"#,
        r#""protocolType":null,"bridgeId":null,"status":null,"statusDetail":null,"mute":null,"#,
        r#""supportedSecurity":null,"isSecurity":null,"signalStrength":null,"sigVersion":null,"serialNumber":null,"batteryLevel":null}"#
    );
    let told = |changed: &[&'static str]| {
        let changed = Some(changed.iter().map(|word| (*word).into()).collect());
        told_as(NotifyType::DeviceInfoChanged, EventBody::DeviceInfoChanged(Box::new(DeviceView { changed, ..*view() })))
    };
    let head =
        format!(r#"{{"notifyType":"deviceInfoChanged","deviceId":"{DEVICE}","gatewayId":"{GATEWAY}","networkStatus":null,"#);
    assert_eq!(told(&[]), [format!("{head}{NOTHING}}}")]);
    for (changed, shown) in [
        (vec!["status", "statusDetail"], vec![("status", "INACTIVE"), ("statusDetail", "NOT_ACTIVE")]),
        (vec!["name", "mute", "imsi"], vec![("name", "Sensor_12"), ("mute", "FALSE")]),
        (vec!["nodeId", "isSecurity", "location"], vec![("nodeId", "123456"), ("isSecurity", "FALSE")]),
    ] {
        let filled = shown.iter().fold(NOTHING.to_owned(), |text, (word, value)| {
            text.replacen(&format!(r#""{word}":null"#), &format!(r#""{word}":"{value}""#), 1)
        });
        assert_eq!(told(&changed), [format!("{head}{filled}}}")], "{changed:?}");
    }
}

#[test]
fn a_report_is_told_for_each_service_and_once_as_a_whole() {
    let service = |n: usize, kind: &str| {
        format!(r#"{{"serviceId":"S{n}","serviceType":"{kind}","data":{{"z":{n}.50, "a":1}},"eventTime":"20151212T121212Z"}}"#)
    };
    let (first, second) = (service(0, "Brightness"), service(1, "S1"));
    let head = |kind: &str, n: usize| {
        let request_id = format!("7-{n}-09090909090949098909090909090909");
        format!(r#"{{"notifyType":"{kind}","requestId":"{request_id}","deviceId":"{DEVICE}","gatewayId":"{GATEWAY}","#)
    };
    let one = |n| head("deviceDataChanged", n);
    let expected = [format!(r#"{}"service":{first}}}"#, one(0)), format!(r#"{}"service":{second}}}"#, one(1))];
    assert_eq!(told_as(NotifyType::DeviceDataChanged, report(2)), expected);
    assert_eq!(told_as(NotifyType::DeviceDataChanged, report(1)), expected[..1]);
    let many = head("deviceDatasChanged", 0);
    assert_eq!(told_as(NotifyType::DeviceDatasChanged, report(2)), [format!(r#"{many}"services":[{first},{second}]}}"#)]);
    assert_eq!(told_as(NotifyType::DeviceDatasChanged, report(1)), [format!(r#"{many}"services":[{first}]}}"#)]);
    for kind in [NotifyType::DeviceDataChanged, NotifyType::DeviceDatasChanged] {
        assert!(told_as(kind, report(0)).is_empty(), "a frame that meant no service is kept, and told to nobody");
    }
}

#[test]
fn each_push_of_a_report_has_a_request_id_of_its_own_that_a_repeat_has_again() {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        request_id: String,
    }
    let kinds = [NotifyType::DeviceDataChanged, NotifyType::DeviceDatasChanged].map(SubscriptionKind::Notify);
    let subscriptions: Vec<_> = (1..)
        .zip([kinds[0], kinds[0], kinds[1]])
        .map(|(n, kind)| Subscription { id: SubscriptionId::from_random([n; 16]), ..subscription(kind) })
        .collect();
    let ids = || {
        let (first, second) = (event(report(3)), StoredEvent { seq: Seq(8), ..event(report(3)) });
        let bodies = subscriptions.iter().flat_map(|to| [notifications(to, &first), notifications(to, &second)]).flatten();
        bodies.map(|body| serde_json::from_slice::<Body>(&body).unwrap().request_id).collect::<Vec<_>>()
    };
    let distinct: std::collections::BTreeSet<_> = ids().into_iter().collect();
    assert_eq!(distinct.len(), 2 * (3 + 3 + 1), "{distinct:?}");
    assert!(distinct.iter().all(|id| id.len() <= 128));
    assert_eq!(ids(), ids());
}

fn command(state: CommandState, result: Option<&str>, address: Option<SubscriptionId>) -> EventBody {
    EventBody::CommandChanged { command: CommandId::from_random([7; 16]), state, result: result.map(str::to_owned), address }
}

#[test]
fn every_state_of_a_command_is_told_to_its_own_address() {
    let own = Some(own_address());
    let body = |code: &str, detail: &str| {
        format!(
            concat!(
                r#"{{"deviceId":"{}","commandId":"07070707070747078707070707070707","#,
                r#""result":{{"resultCode":"{}","resultDetail":{}}}}}"#
            ),
            DEVICE, code, detail
        )
    };
    for state in CommandState::ALL {
        let told = told(SubscriptionKind::CallAddress, command(state, None, own));
        assert_eq!(told, [body(state.as_str(), "null")]);
    }
    let done = command(CommandState::Successful, Some(r#"{"a": 1.0}"#), own);
    assert_eq!(told(SubscriptionKind::CallAddress, done), [body("SUCCESSFUL", r#"{"a": 1.0}"#)]);
    let other = Some(SubscriptionId::from_random([1; 16]));
    for address in [None, other] {
        assert!(told(SubscriptionKind::CallAddress, command(CommandState::Sent, None, address)).is_empty());
    }
    for kind in NotifyType::ALL {
        for address in [None, own] {
            assert!(told_as(kind, command(CommandState::Sent, None, address)).is_empty(), "{kind:?}");
        }
    }
}

#[test]
fn delivered_and_refused_settings_are_told_by_service() {
    let kind = NotifyType::DeviceDesiredPropertiesModifyStatusChanged;
    for (delivered, word) in [(true, "DELIVERED"), (false, "FAILED")] {
        let properties = r#"{"interval": 60.0}"#.to_owned();
        let body = EventBody::DesiredDelivered { service_id: "Settings".into(), properties, delivered };
        let expected = format!(
            concat!(
                r#"{{"notifyType":"deviceDesiredPropertiesModifyStatusChanged","deviceId":"{}","serviceId":"Settings","#,
                r#""properties":{{"interval": 60.0}},"status":"{}"}}"#
            ),
            DEVICE, word
        );
        assert_eq!(told_as(kind, body.clone()), [expected]);
        assert!(told_as(NotifyType::DeviceDataChanged, body).is_empty());
    }
}

#[test]
fn product_models_are_told_with_the_application_of_the_subscription() {
    let cases = [
        (NotifyType::DeviceCapabilitiesAdded, ProductChange::Added),
        (NotifyType::DeviceCapabilitiesChanged, ProductChange::Changed),
        (NotifyType::DeviceCapabilitiesDeleted, ProductChange::Deleted),
    ];
    for (kind, change) in cases {
        let expected = format!(
            concat!(
                r#"{{"notifyType":"{}","appId":"{}","deviceType":"MultiSensor","manufacturerName":"wulian","#,
                r#""manufacturerId":"wl","model":"90","protocolType":"zigbee"}}"#
            ),
            kind.as_str(),
            APP
        );
        assert_eq!(told_as(kind, model(change)), [expected]);
    }
    assert!(told_as(NotifyType::DeviceCapabilitiesAdded, model(ProductChange::Changed)).is_empty());
}

#[test]
fn calls_are_told_with_their_service() {
    let from = format!("/devices/{DEVICE}/services/Switch");
    let confirmation = |to: &str| {
        format!(
            concat!(
                r#"{{"notifyType":"messageConfirm","header":{{"requestId":"r1","from":"{}","to":"{}","status":"delivered","#,
                r#""timestamp":"20151212T121212Z"}},"body":{{}}}}"#
            ),
            from, to
        )
    };
    assert_eq!(told_as(NotifyType::MessageConfirm, confirmed("/users/1", None)), [confirmation("/users/1")]);
    assert_eq!(told_as(NotifyType::MessageConfirm, confirmed("", None)), [confirmation("/users/unknown")]);
    for (status, word) in [(Confirmation::Failed, "failed"), (Confirmation::Timeout, "timeout")] {
        let EventBody::MessageConfirmed { request_id, service_id, to, .. } = confirmed("/users/1", None) else { panic!() };
        let address = Some(own_address());
        let told =
            told(SubscriptionKind::CallAddress, EventBody::MessageConfirmed { status, request_id, service_id, to, address });
        assert_eq!(told, [confirmation("/users/1").replace("delivered", word)]);
    }
    let answer = |body: &str| {
        format!(
            concat!(
                r#"{{"notifyType":"commandRsp","header":{{"requestId":"r1","from":"{}","to":"/users/1","deviceId":"{}","#,
                r#""serviceType":"SwitchType","method":"SET-RSP"}},"body":{}}}"#
            ),
            from, DEVICE, body
        )
    };
    for (body, errcode, expected) in [
        (r#"{"result": 1.0}"#, 0, r#"{"result": 1.0}"#),
        (r#"{"result": 1.0}"#, 3, r#"{"errcode":3,"result": 1.0}"#),
        ("{ }", -1, r#"{"errcode":-1}"#),
        (r#"{"errcode":9}"#, 3, r#"{"errcode":9}"#),
    ] {
        assert_eq!(told_as(NotifyType::CommandRsp, answered(body, errcode, None)), [answer(expected)], "{body} {errcode}");
    }
}

#[test]
fn the_address_of_a_call_gets_its_pushes_and_subscribers_its_answer() {
    let own = Some(own_address());
    let other = Some(SubscriptionId::from_random([1; 16]));
    assert_eq!(told(SubscriptionKind::CallAddress, confirmed("/users/1", own)).len(), 1);
    assert_eq!(told(SubscriptionKind::CallAddress, answered("{}", 0, own)).len(), 1);
    for body in [confirmed("", other), confirmed("", None), answered("{}", 0, other), report(2), model(ProductChange::Added)] {
        assert!(told(SubscriptionKind::CallAddress, body).is_empty());
    }
    assert!(told_as(NotifyType::MessageConfirm, confirmed("", own)).is_empty());
    assert_eq!(told_as(NotifyType::CommandRsp, answered("{}", 0, own)).len(), 1);
    assert!(told_as(NotifyType::MessageConfirm, answered("{}", 0, own)).is_empty());
}

#[test]
fn other_types_applications_and_accounts_are_not_told() {
    assert!(told_as(NotifyType::DeviceAdded, EventBody::DeviceInfoChanged(view())).is_empty());
    assert!(told_as(NotifyType::DeviceAdded, EventBody::SubscriptionChanged(own_address())).is_empty());
    let own = subscription(SubscriptionKind::Notify(NotifyType::DeviceAdded));
    let added = event(EventBody::DeviceAdded(view()));
    assert_eq!(notifications(&own, &added).len(), 1);
    assert!(notifications(&Subscription { target: AppId::from_random([6; 16]), ..own.clone() }, &added).is_empty());
    assert!(notifications(&Subscription { account: AccountId::from_random([6; 16]), ..own }, &added).is_empty());
}
