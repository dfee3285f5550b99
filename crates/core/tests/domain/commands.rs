//! Cached commands (1.7.1 to 1.7.6): the whole state machine in virtual time.

use super::{Ground, Tenant, cause, new_device, sensor};
use landfall_core::{
    CommandFilter, CommandRequest, DesiredRequest, DeviceCaller, DeviceChange, Outcome, ProductDraft, ProductRef, RevokeFilter,
    Step, WorkOf,
};
use landfall_model::{
    Cause, Command, CommandId, CommandState, DataFormat, Device, DeviceInfo, EventBody, PageRequest, RevokeState, SampleFrame,
    Seq,
};
use landfall_testkit::ground::{codec::UNWRITABLE, product::parameter};
use std::sync::Arc;

const PAGE: PageRequest = PageRequest { no: 0, size: 100 };
const HOUR_S: u32 = 3600;

/// A command that any LwM2M device takes.
pub fn reboot() -> CommandRequest {
    CommandRequest {
        service_id: "Device".into(),
        method: "REBOOT".into(),
        paras: r#"{"delay":5}"#.into(),
        callback_url: None,
        expire_s: None,
        max_retransmit: 0,
    }
}

/// An application with one registered device.
struct Scene {
    domain: Ground,
    tenant: Tenant,
    device: Arc<Device>,
    caller: DeviceCaller,
}

impl Scene {
    async fn new(seed: u64) -> Self {
        let domain = Ground::new(seed).await;
        let tenant = domain.tenant("a").await;
        let device = domain.lwm2m_device(&tenant, "n").await;
        let caller = domain.core.device_caller(&device);
        Self { domain, tenant, device, caller }
    }

    async fn submit(&self, request: CommandRequest) -> Command {
        self.domain.core.submit_command(&self.tenant.scope, self.device.id, request).await.unwrap()
    }

    async fn refused(&self, request: CommandRequest) -> Cause {
        cause(self.domain.core.submit_command(&self.tenant.scope, self.device.id, request).await)
    }

    /// The command that goes out next.
    async fn next(&self, asleep: bool) -> Option<CommandId> {
        let work = self.domain.core.next_work(&self.caller, asleep).await.unwrap()?;
        match work.of {
            WorkOf::Command(id) => Some(id),
            WorkOf::Desired { .. } | WorkOf::Message(_) => panic!("{work:?}"),
        }
    }

    async fn outcome(&self, id: CommandId, outcome: Outcome) -> bool {
        self.domain.core.command_outcome(&self.caller, id, outcome).await.unwrap().is_some()
    }

    async fn state(&self, id: CommandId) -> CommandState {
        self.domain.core.command(&self.tenant.scope, id).await.unwrap().state
    }

    async fn pass(&self, seconds: u32) {
        self.domain.advance_s(seconds);
        self.domain.core.sweep().await.unwrap();
    }

    /// The states told since, and nothing else.
    async fn told(&self, since: Seq) -> Vec<String> {
        let told = self.domain.told_since(since).await;
        told.into_iter().filter_map(|word| word.strip_prefix("command ").map(str::to_owned)).collect()
    }
}

#[tokio::test]
async fn a_command_goes_from_pending_to_its_result() {
    let scene = Scene::new(70).await;
    let before = scene.domain.newest();
    let made = scene.submit(reboot()).await;
    assert_eq!((made.state, made.place, made.issued_times), (CommandState::Pending, 1, 0));
    assert_eq!(*scene.domain.live.woken.lock(), [scene.device.id], "the protocol is told");
    assert!(scene.domain.events_since(before).await.is_empty(), "its creation is told to nobody");

    scene.domain.advance_s(10);
    let work = scene.domain.core.next_work(&scene.caller, false).await.unwrap().unwrap();
    assert_eq!(work.of, WorkOf::Command(made.id));
    assert_eq!(work.steps, [Step::Execute { path: "/3/0/4".into(), arguments: vec!["5".into()] }]);
    let sent = scene.domain.core.command(&scene.tenant.scope, made.id).await.unwrap();
    assert_eq!((sent.state, sent.issued_times, sent.issued_at), (CommandState::Sent, 1, Some(scene.domain.core.now())));

    scene.domain.advance_s(1);
    assert!(!scene.outcome(made.id, Outcome::Done(r#"{"ok":1}"#.into())).await);
    let done = scene.domain.core.command(&scene.tenant.scope, made.id).await.unwrap();
    let now = Some(scene.domain.core.now());
    assert_eq!((done.state, done.delivered_at, done.executed_at), (CommandState::Successful, now, now));
    assert_eq!((done.result.as_deref(), done.due_at), (Some(r#"{"ok":1}"#), None));
    assert_eq!(scene.told(before).await, ["SENT", "DELIVERED", "SUCCESSFUL"]);
    assert!(!scene.outcome(made.id, Outcome::Refused("{}".into())).await, "what is over stays so");
    assert_eq!(scene.state(made.id).await, CommandState::Successful);
}

#[tokio::test]
async fn parameters_with_a_path_are_written() {
    let scene = Scene::new(71).await;
    let made = scene.submit(CommandRequest { method: "OFFSET".into(), paras: r#"{"offset":"+02"}"#.into(), ..reboot() }).await;
    let work = scene.domain.core.next_work(&scene.caller, false).await.unwrap().unwrap();
    let write = Step::Write { path: "/3/0/14".into(), data_type: "string".into(), value: r#""+02""#.into() };
    assert_eq!(work.steps, [write]);
    let before = scene.domain.newest();
    scene.outcome(made.id, Outcome::Refused(r#"{"code":"4.05"}"#.into())).await;
    assert_eq!(scene.told(before).await, ["DELIVERED", "FAILED"], "the refusal is its acknowledgement");
    assert!(scene.domain.core.command(&scene.tenant.scope, made.id).await.unwrap().delivered_at.is_some());
}

#[tokio::test]
async fn commands_go_one_after_the_other_and_in_order() {
    let scene = Scene::new(72).await;
    let ids = [scene.submit(reboot()).await.id, scene.submit(reboot()).await.id, scene.submit(reboot()).await.id];
    assert_eq!(scene.next(false).await, Some(ids[0]));
    assert_eq!(scene.next(false).await, None, "the one before was not acknowledged");
    scene.outcome(ids[0], Outcome::Delivered).await;
    assert_eq!(scene.next(false).await, Some(ids[1]));
    scene.outcome(ids[1], Outcome::Unanswered).await;
    assert_eq!(scene.state(ids[1]).await, CommandState::Timeout);
    assert_eq!(scene.next(true).await, None, "a sleeping device is not disturbed");
    assert_eq!(scene.next(false).await, Some(ids[2]));
    assert_eq!(scene.state(ids[0]).await, CommandState::Delivered, "without responses in the model it stays so");
    scene.pass(48 * HOUR_S).await;
    assert_eq!(scene.state(ids[0]).await, CommandState::Delivered);
}

#[tokio::test]
async fn a_command_that_waited_too_long_is_never_sent() {
    let scene = Scene::new(73).await;
    let short = scene.submit(CommandRequest { expire_s: Some(60), ..reboot() }).await;
    let usual = scene.submit(reboot()).await;
    let before = scene.domain.newest();
    scene.pass(59).await;
    assert_eq!(scene.state(short.id).await, CommandState::Pending);
    scene.pass(1).await;
    assert_eq!(scene.state(short.id).await, CommandState::Expired);
    assert_eq!(scene.told(before).await, ["EXPIRED"]);
    scene.pass(48 * HOUR_S - 61).await;
    assert_eq!(scene.state(usual.id).await, CommandState::Pending, "48 h where none is named");
    scene.pass(1).await;
    assert_eq!(scene.state(usual.id).await, CommandState::Expired);
    assert_eq!(scene.next(false).await, None);
}

#[tokio::test]
async fn an_immediate_command_is_sent_at_once_or_never() {
    let scene = Scene::new(74).await;
    let now = || CommandRequest { expire_s: Some(0), ..reboot() };
    let cached = scene.submit(reboot()).await;
    let immediate = scene.submit(now()).await;
    assert_eq!(scene.next(true).await, Some(immediate.id), "before what is cached, whether it sleeps or not");
    assert_eq!(scene.next(false).await, Some(cached.id), "immediate ones do not hold the queue");
    scene.pass(300).await;
    assert_eq!(scene.state(immediate.id).await, CommandState::Timeout, "registered but silent");

    let unsent = scene.submit(now()).await;
    scene.pass(300).await;
    assert_eq!(scene.state(unsent.id).await, CommandState::Timeout);
    scene.domain.live.registered.lock().clear();
    assert_eq!(scene.refused(now()).await, Cause::DeviceOffline, "no registration at all");
    scene.submit(reboot()).await;
}

#[tokio::test]
async fn a_command_is_sent_again_as_often_as_it_may() {
    let scene = Scene::new(75).await;
    let before = scene.domain.newest();
    let made = scene.submit(CommandRequest { max_retransmit: 2, ..reboot() }).await;
    assert_eq!(scene.next(false).await, Some(made.id));
    assert!(scene.outcome(made.id, Outcome::Unanswered).await);
    assert!(scene.outcome(made.id, Outcome::Unanswered).await);
    assert!(!scene.outcome(made.id, Outcome::Unanswered).await);
    let over = scene.domain.core.command(&scene.tenant.scope, made.id).await.unwrap();
    assert_eq!((over.state, over.issued_times), (CommandState::Timeout, 3));
    assert_eq!(scene.told(before).await, ["SENT", "SENT", "SENT", "TIMEOUT"]);
}

#[tokio::test]
async fn what_cannot_be_queued_is_refused_with_its_reason() {
    let scene = Scene::new(76).await;
    let core = &scene.domain.core;
    for (request, expected) in [
        (CommandRequest { service_id: "None".into(), ..reboot() }, Cause::ServiceNotFound),
        (CommandRequest { method: "NONE".into(), ..reboot() }, Cause::InvalidField),
        (CommandRequest { method: String::new(), ..reboot() }, Cause::InvalidField),
        (CommandRequest { method: "m".repeat(129), ..reboot() }, Cause::InvalidField),
        (CommandRequest { paras: r#"{"delay":"x"}"#.into(), ..reboot() }, Cause::InvalidField),
        (CommandRequest { paras: r#"{"more":1}"#.into(), ..reboot() }, Cause::InvalidField),
        (CommandRequest { paras: "[]".into(), ..reboot() }, Cause::InvalidField),
        (CommandRequest { max_retransmit: 4, ..reboot() }, Cause::InvalidField),
        (CommandRequest { callback_url: Some("ftp://a".into()), ..reboot() }, Cause::CallbackInvalid),
    ] {
        assert_eq!(scene.refused(request.clone()).await, expected, "{request:?}");
    }
    assert_eq!(core.commands(&scene.tenant.scope, filter(&scene), PAGE).await.unwrap().total, 0);
    for _ in 0..20 {
        scene.submit(reboot()).await;
    }
    assert_eq!(scene.refused(reboot()).await, Cause::CommandLimit);
    let first = scene.next(false).await.unwrap();
    scene.outcome(first, Outcome::Delivered).await;
    scene.submit(reboot()).await;
    assert_eq!(scene.refused(reboot()).await, Cause::CommandLimit, "only pending ones count");

    scene.pass(7 * 24 * HOUR_S).await;
    scene.submit(reboot()).await;
    scene.domain.advance_s(1);
    assert_eq!(scene.refused(reboot()).await, Cause::DeviceZombie, "not seen for seven days");
    scene.domain.come(&scene.device).await;
    scene.submit(reboot()).await;
}

fn filter(scene: &Scene) -> CommandFilter {
    CommandFilter { account: scene.tenant.scope.account(), app: None, device: Some(scene.device.id), after: None, before: None }
}

#[tokio::test]
async fn pending_commands_are_canceled_one_by_one_or_all() {
    let scene = Scene::new(77).await;
    let core = &scene.domain.core;
    let scope = &scene.tenant.scope;
    let before = scene.domain.newest();
    let mut ids = vec![];
    for _ in 0..4 {
        ids.push(scene.submit(reboot()).await.id);
        scene.domain.advance_s(1);
    }
    assert_eq!(core.cancel_command(scope, ids[3]).await.unwrap().state, CommandState::Canceled);
    assert_eq!(cause(core.cancel_command(scope, ids[3]).await), Cause::CommandNotPending, "canceled already");
    assert_eq!(scene.next(false).await, Some(ids[0]));
    assert_eq!(cause(core.cancel_command(scope, ids[0]).await), Cause::CommandNotPending, "on its way");
    assert_eq!(cause(core.cancel_command(scope, CommandId::from_random([9; 16])).await), Cause::CommandNotFound);

    let (task, commands) = core.revoke_commands(scope, scene.device.id).await.unwrap();
    assert_eq!((task.state, task.commands.as_slice()), (RevokeState::Success, &ids[1..3]));
    assert!(commands.iter().all(|command| command.state == CommandState::Canceled));
    assert_eq!(scene.state(ids[0]).await, CommandState::Sent, "what was sent cannot be revoked");
    assert_eq!(scene.told(before).await, ["CANCELED", "SENT", "CANCELED", "CANCELED"]);
    scene.domain.advance_s(1);
    let (none, _) = core.revoke_commands(scope, scene.device.id).await.unwrap();
    assert_eq!((none.state, none.commands.len()), (RevokeState::Success, 0));

    let all =
        RevokeFilter { account: scope.account(), app: None, task: None, device: None, state: None, after: None, before: None };
    let listed = core.revoke_tasks(scope, all.clone(), PAGE).await.unwrap();
    let found: Vec<_> = listed.items.iter().map(|(task, commands)| (task.id, commands.len())).collect();
    assert_eq!(found, [(none.id, 0), (task.id, 2)], "newest first");
    for (filter, total) in [
        (RevokeFilter { task: Some(task.id), ..all.clone() }, 1),
        (RevokeFilter { state: Some(RevokeState::Failed), ..all.clone() }, 0),
        (RevokeFilter { before: Some(none.created_at), ..all.clone() }, 1),
        (RevokeFilter { device: Some(scene.device.id), ..all.clone() }, 2),
    ] {
        assert_eq!(core.revoke_tasks(scope, filter.clone(), PAGE).await.unwrap().total, total, "{filter:?}");
    }
    let listed = core.commands(scope, filter(&scene), PageRequest { no: 0, size: 3 }).await.unwrap();
    assert_eq!((listed.total, listed.items[0].id, listed.items.len()), (4, ids[3], 3), "newest first");
    let bounds = CommandFilter { after: Some(listed.items[2].created_at), ..filter(&scene) };
    assert_eq!(core.commands(scope, bounds, PAGE).await.unwrap().total, 2, "bounds are exclusive");
}

#[tokio::test]
async fn the_answer_to_a_frame_is_the_result() {
    let domain = Ground::new(78).await;
    let tenant = domain.tenant("a").await;
    let draft = ProductDraft { format: DataFormat::Binary, ..sensor() };
    let product = domain.core.create_product(&tenant.all, draft).await.unwrap();
    let report = r#"{"msgType":"deviceReq","data":[{"serviceId":"Meter","serviceData":{"value":1}}]}"#;
    let sample = SampleFrame { hex: hex::encode(report), expected: None };
    domain.core.upload_codec(&tenant.all, product.id, "codec", &[sample]).await.unwrap();
    let device = domain.lwm2m_device(&tenant, "n").await;
    let caller = domain.core.device_caller(&device);
    let scene = Scene { domain, tenant, device, caller };
    let ask = || CommandRequest { service_id: "Meter".into(), method: "ASK".into(), paras: "{}".into(), ..reboot() };
    let made = [scene.submit(ask()).await, scene.submit(ask()).await, scene.submit(ask()).await];
    for command in &made {
        let work = scene.domain.core.next_work(&scene.caller, false).await.unwrap().unwrap();
        let [Step::Frame { path, bytes }] = work.steps.as_slice() else { panic!("{work:?}") };
        let text: String = bytes.iter().rev().map(|byte| char::from(*byte)).collect();
        assert_eq!(path, "/19/1/0");
        assert_eq!(
            text,
            format!(r#"{{"msgType":"cloudReq","serviceId":"Meter","mid":{},"cmd":"ASK","paras":{{}},"hasMore":0}}"#, command.mid)
        );
        scene.outcome(command.id, Outcome::Delivered).await;
    }
    let before = scene.domain.newest();
    for (command, errcode) in [(&made[1], 7), (&made[0], 0)] {
        let answer = format!(r#"{{"msgType":"deviceRsp","mid":{},"errcode":{errcode},"body":{{"r":1.0}}}}"#, command.mid);
        scene.domain.core.take_binary(&scene.caller, scene.device.id, answer.as_bytes(), "{}").await.unwrap();
    }
    assert_eq!(scene.told(before).await, ["FAILED", "SUCCESSFUL"], "by mid, in any order");
    let first = scene.domain.core.command(&scene.tenant.scope, made[0].id).await.unwrap();
    assert_eq!(first.result.as_deref(), Some(r#"{"r":1.0}"#));
    scene.pass(HOUR_S).await;
    assert_eq!(scene.state(made[2].id).await, CommandState::Timeout, "no result in time");
}

#[tokio::test]
async fn a_command_without_a_way_to_the_device_fails_when_its_turn_comes() {
    let scene = Scene::new(79).await;
    let ask = CommandRequest { service_id: "Meter".into(), method: "ASK".into(), paras: "{}".into(), ..reboot() };
    let (odd, good) = (scene.submit(ask).await, scene.submit(reboot()).await);
    assert_eq!(scene.next(false).await, Some(good.id), "it does not hold up the next one");
    let failed = scene.domain.core.command(&scene.tenant.scope, odd.id).await.unwrap();
    assert_eq!(failed.state, CommandState::Failed);
    assert!(failed.result.unwrap().contains("no LwM2M resource"));
}

#[tokio::test]
async fn an_address_of_its_own_takes_all_changes() {
    let scene = Scene::new(80).await;
    let url = Some("https://a.example/commands".to_owned());
    let first = scene.submit(CommandRequest { callback_url: url.clone(), ..reboot() }).await;
    let before = scene.domain.newest();
    scene.next(false).await;
    scene.outcome(first.id, Outcome::Done("{}".into())).await;
    scene.submit(CommandRequest { callback_url: url, ..reboot() }).await;
    scene.next(false).await;
    let events = scene.domain.events_since(before).await;
    let addresses: Vec<_> = events
        .iter()
        .filter_map(|stored| match &stored.event.body {
            EventBody::CommandChanged { address, .. } => Some(*address),
            _ => None,
        })
        .collect();
    assert_eq!(addresses.len(), 4);
    assert!(addresses[0].is_some() && addresses.iter().all(|address| *address == addresses[0]), "one hidden subscription");
    scene.domain.core.delete_device(&scene.tenant.scope, scene.device.id, true).await.unwrap();
    assert_eq!(cause(scene.domain.core.command(&scene.tenant.scope, first.id).await), Cause::CommandNotFound);
}

#[tokio::test]
async fn a_device_that_nothing_can_wait_for_refuses_at_once_with_its_reason() {
    let domain = Ground::new(79).await;
    let tenant = domain.tenant("a").await;
    let sensors = domain.core.create_product(&tenant.all, sensor()).await.unwrap();
    let set = || CommandRequest { service_id: "Switch".into(), method: "SET".into(), paras: r#"{"value":4}"#.into(), ..reboot() };
    let gateway = domain.online_device(&tenant, "gateway").await;
    let child = domain.core.add_child(&domain.core.device_caller(&gateway), "child", None, DeviceInfo::default()).await.unwrap();
    let product = Some(ProductRef::Id(sensors.id.to_string()));
    let child =
        domain.core.modify_device(&tenant.scope, child.id, DeviceChange { product, ..DeviceChange::default() }).await.unwrap();
    let register = async |node_id: &str| domain.core.register_device(&tenant.scope, new_device(node_id, &sensors)).await.unwrap();
    let (connected, never_came) = (register("connected").await, register("never came").await);
    domain.live.open(connected.id);
    let (registered, other) = (domain.device(&tenant, "registered").await, domain.device(&tenant, "other").await);
    domain.come(&registered).await;
    for (device, request, refused) in [
        (&gateway, set(), Some("protocol of calls")),
        (&connected, reboot(), Some("protocol of calls")),
        (&child, reboot(), Some("behind a gateway")),
        (&other, set(), Some("protocolType MQTT")),
        (&registered, set(), None),
        (&never_came, reboot(), None),
    ] {
        for expire_s in [None, Some(60)] {
            let outcome =
                domain.core.submit_command(&tenant.scope, device.id, CommandRequest { expire_s, ..request.clone() }).await;
            let whys = domain.core.why().device(device.account, device.id);
            let Some(why) = refused else {
                assert!(outcome.is_ok() && whys.is_empty(), "{} {outcome:?}", device.node_id);
                continue;
            };
            let error = outcome.unwrap_err();
            assert_eq!(error.cause, Cause::TakesNoWork, "{}", device.node_id);
            assert!(error.detail.contains(why), "{error}");
            assert_eq!((whys[0].step, whys[0].check), ("command.access", "TakesNoWork"));
        }
        let settings = [DesiredRequest { service_id: "Settings".into(), desired: r#"{"interval":1}"#.into() }];
        if device.product == Some(sensors.id) {
            let outcome = domain.core.set_desired(&tenant.scope, device.id, &settings).await;
            assert_eq!(outcome.err().map(|error| error.cause), refused.map(|_| Cause::TakesNoWork), "{}", device.node_id);
        }
    }
    assert!(domain.core.store().open_commands(gateway.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_command_that_no_codec_puts_into_a_frame_fails_with_its_reason() {
    let domain = Ground::new(80).await;
    let tenant = domain.tenant("a").await;
    let mut draft = ProductDraft { format: DataFormat::Binary, ..sensor() };
    draft.services[2].commands[0].paras = vec![parameter("value", "int")];
    let product = domain.core.create_product(&tenant.all, draft).await.unwrap();
    let report = r#"{"msgType":"deviceReq","data":[{"serviceId":"Meter","serviceData":{"value":1}}]}"#;
    let sample = SampleFrame { hex: hex::encode(report), expected: None };
    domain.core.upload_codec(&tenant.all, product.id, "codec", &[sample]).await.unwrap();
    let device = domain.lwm2m_device(&tenant, "n").await;
    let caller = domain.core.device_caller(&device);
    let scene = Scene { domain, tenant, device, caller };
    for expire_s in [None, Some(0)] {
        let paras = format!(r#"{{"value":{UNWRITABLE}}}"#);
        let ask = CommandRequest { service_id: "Meter".into(), method: "ASK".into(), paras, expire_s, ..reboot() };
        let made = scene.submit(ask).await;
        assert_eq!(scene.next(false).await, None, "it does not go out");
        let failed = scene.domain.core.command(&scene.tenant.scope, made.id).await.unwrap();
        assert_eq!((failed.state, failed.issued_times, failed.delivered_at), (CommandState::Failed, 0, None));
        assert_eq!(failed.result.as_deref(), Some(r#"{"error":"encode: unwritable"}"#));
        let why = scene.domain.core.why().device(scene.device.account, scene.device.id).remove(0);
        assert_eq!((why.step, why.check), ("command.encode", "CodecFailed"));
    }
}
