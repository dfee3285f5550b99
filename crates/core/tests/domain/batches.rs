//! Batches of commands (1.8.1): which devices they have, what each gets of it, and how it ends.

use super::{Ground, Tenant, cause, commands::reboot, groups::shown_to, new_device, sensor};
use landfall_core::{
    AppChange, BatchOrder, CommandFilter, NewApp, NewGroup, Outcome, RegisterDevice, Scope, Selection, Settings, SubTask,
    SubscriptionFilter, Tag, TargetFilter, WorkOf,
};
use landfall_model::{
    AppLimits, Cause, Command, CommandState, Device, DeviceId, DeviceInfo, EventBody, Job, JobState, PageRequest, Product, Seq,
    SubscriptionKind, TargetState,
};
use std::{collections::BTreeSet, sync::Arc};

const ALL: PageRequest = PageRequest { no: 0, size: 10_000 };
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// Two accounts, the first with a product of sensors that sleep.
struct Scene {
    domain: Ground,
    mine: Tenant,
    theirs: Tenant,
    sensors: Arc<Product>,
}

impl Scene {
    async fn new(seed: u64) -> Self {
        Self::on(Ground::new(seed).await).await
    }

    async fn on(domain: Ground) -> Self {
        let (mine, theirs) = domain.two_tenants().await;
        let sensors = domain.core.create_product(&mine.all, sensor()).await.unwrap();
        Self { domain, mine, theirs, sensors }
    }

    /// A sensor that never came.
    async fn sensor(&self, node_id: &str) -> Arc<Device> {
        self.domain.core.register_device(&self.mine.scope, new_device(node_id, &self.sensors)).await.unwrap()
    }

    async fn sensors(&self, count: usize) -> Vec<Arc<Device>> {
        let new: Vec<RegisterDevice> = (0..count).map(|n| new_device(&format!("s{n}"), &self.sensors)).collect();
        self.domain.core.register_devices(&self.mine.scope, &new).await.unwrap()
    }

    async fn made(&self, name: &str, order: BatchOrder) -> Job {
        self.domain.core.order_batch(&self.mine.scope, name.to_owned(), order).await.unwrap()
    }

    async fn work(&self) {
        loop {
            let turn = self.domain.core.turn_jobs().await.unwrap();
            assert!(turn.failed.is_empty(), "{turn:?}");
            if !turn.more {
                return;
            }
        }
    }

    /// A batch, once it has begun all that it can.
    async fn begun(&self, name: &str, order: BatchOrder) -> Job {
        let job = self.made(name, order).await;
        self.work().await;
        job
    }

    async fn parts(&self, job: &Job) -> Vec<SubTask> {
        self.domain.core.sub_tasks(&self.mine.scope, &of(job), ALL).await.unwrap().items
    }

    async fn part(&self, job: &Job, device: &Device) -> SubTask {
        let parts = self.parts(job).await;
        parts.into_iter().find(|part| part.device == device.id.to_string()).unwrap()
    }

    /// State of the job; running, succeeded, failed, timed out, expired, stopped.
    async fn counts(&self, job: &Job) -> (JobState, [u64; 6]) {
        let (job, counts) = self.domain.core.job(&self.mine.scope, job.id).await.unwrap();
        let all = [counts.running, counts.succeeded, counts.failed, counts.timed_out, counts.expired, counts.stopped];
        (job.state, all)
    }

    async fn command(&self, part: &SubTask) -> Command {
        self.domain.core.command(&self.mine.scope, part.command.unwrap()).await.unwrap()
    }

    /// Sends the next command of a device that has come; what becomes of it.
    async fn answers(&self, device: &Device, outcome: Option<Outcome>) {
        let caller = self.domain.core.device_caller(device);
        let work = self.domain.core.next_work(&caller, false).await.unwrap().unwrap();
        let WorkOf::Command(id) = work.of else { panic!("{work:?}") };
        if let Some(outcome) = outcome {
            self.domain.core.command_outcome(&caller, id, outcome).await.unwrap();
        }
    }

    async fn pass(&self, seconds: u32) {
        self.domain.advance_s(seconds);
        while self.domain.core.sweep().await.unwrap() {}
        self.work().await;
    }
}

fn of(job: &Job) -> TargetFilter {
    TargetFilter { job: job.id, states: vec![], device: None, command: None }
}

fn order(selection: Selection) -> BatchOrder {
    let one = reboot();
    BatchOrder {
        selection,
        service_id: one.service_id,
        method: one.method,
        paras: one.paras,
        callback_url: None,
        max_retransmit: 0,
        timeout_min: 60,
        tags: vec![],
        group_tag: None,
    }
}

fn list<'a>(devices: impl IntoIterator<Item = &'a Arc<Device>>) -> BatchOrder {
    order(Selection::Devices(devices.into_iter().map(|device| device.id.to_string()).collect()))
}

fn ids<'a>(devices: impl IntoIterator<Item = &'a Arc<Device>>) -> BTreeSet<String> {
    devices.into_iter().map(|device| device.id.to_string()).collect()
}

#[tokio::test]
async fn every_selection_has_its_devices_once_and_none_that_came_later() {
    let scene = Scene::new(1).await;
    let (core, mine) = (&scene.domain.core, &scene.mine);
    let devices = scene.sensors(6).await;
    let other = core.create_app(&mine.all, NewApp { name: "other".into(), limits: AppLimits::default() }).await.unwrap().0;
    let others = core.narrow(&mine.all, other.id).await.unwrap();
    let others_device = core.register_device(&others, new_device("o", &scene.sensors)).await.unwrap();
    let hall = DeviceInfo { location: Some("hall".into()), ..DeviceInfo::default() };
    let located = RegisterDevice { info: hall.clone(), ..new_device("located", &mine.product) };
    let located = core.register_device(&mine.scope, located).await.unwrap();
    let theirs = RegisterDevice { info: hall, ..new_device("theirs", &scene.theirs.product) };
    core.register_device(&scene.theirs.scope, theirs).await.unwrap();
    let group = async |scope: &Scope, name: &str, devices: Vec<DeviceId>| {
        let new = NewGroup { name: name.into(), description: None, max_members: 0, devices };
        core.create_group(scope, new).await.unwrap().id.to_string()
    };
    let member = |range: std::ops::Range<usize>| devices[range].iter().map(|device| device.id).collect::<Vec<_>>();
    let a = group(&mine.scope, "a", member(0..4)).await;
    let b = group(&mine.scope, "b", member(2..6)).await;
    let foreign = group(&others, "c", vec![others_device.id]).await;
    let key = &scene.sensors.key;
    let model = Selection::Model {
        device_type: key.device_type.clone(),
        manufacturer_id: key.manufacturer_id.clone(),
        model: key.model.clone(),
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let cases = [
        ("model", model, ids(&devices)),
        ("no model", Selection::Model { device_type: "x".into(), manufacturer_id: "acme".into(), model: "L1".into() }, ids([])),
        ("hall", Selection::Location("hall".into()), ids([&located])),
        ("elsewhere", Selection::Location("h".into()), ids([])),
        ("names", Selection::GroupsNamed(names(&["a", "b", "c", "nobody"])), ids(&devices)),
        ("one name", Selection::GroupsNamed(names(&["b"])), ids(&devices[2..])),
        ("groups", Selection::Groups(names(&[&b, &a, &foreign, NOBODY, "none"])), ids(&devices)),
        ("no groups", Selection::Groups(names(&["a", &foreign])), ids([])),
        ("all", Selection::All, ids(devices.iter().chain([&located]))),
    ];
    let mut jobs = vec![];
    for (name, selection, _) in &cases {
        jobs.push(scene.made(name, order(selection.clone())).await);
    }
    scene.domain.advance_s(1);
    let late = scene.sensor("late").await;
    core.join_group(&mine.scope, a.parse().unwrap(), &[late.id]).await.unwrap();
    scene.work().await;
    for (job, (name, selection, expected)) in jobs.iter().zip(cases) {
        let parts = scene.parts(job).await;
        assert_eq!(parts.len(), expected.len(), "{name}: each once");
        assert_eq!(parts.into_iter().map(|part| part.device).collect::<BTreeSet<_>>(), expected, "{name}");
        let (state, _) = scene.counts(job).await;
        // What waits for a device keeps the batch open.
        let over = name == "hall" || expected.is_empty();
        assert_eq!(state, if over { JobState::Finished } else { JobState::Running }, "{name}");
        assert_eq!(core.batch_task(&mine.scope, job.id).await.unwrap().order.selection, selection);
    }
    // None of it is another account's, or another application's.
    for scope in [&scene.theirs.scope, &others] {
        assert_eq!(cause(core.batch_task(scope, jobs[0].id).await), Cause::ResourceNotFound);
        assert_eq!(cause(core.sub_tasks(scope, &of(&jobs[0]), ALL).await), Cause::ResourceNotFound);
    }
    let filter = |scope: &Scope| CommandFilter { account: scope.account(), app: None, device: None, after: None, before: None };
    assert_eq!(core.commands(&scene.theirs.all, filter(&scene.theirs.all), ALL).await.unwrap().total, 0);
    assert_eq!(core.commands(&others, filter(&others), ALL).await.unwrap().total, 0);
}

/// A group may have devices of applications that let its owner act for them; the owner's batches have its own devices all the same.
#[tokio::test]
async fn a_group_gives_only_devices_that_the_application_sees() {
    let scene = Scene::new(14).await;
    let (core, mine) = (&scene.domain.core, &scene.mine);
    let other = core.create_app(&mine.all, NewApp { name: "other".into(), limits: AppLimits::default() }).await.unwrap().0;
    let others = core.narrow(&mine.all, other.id).await.unwrap();
    core.authorize_app(&mine.all, other.id, mine.app.id, true).await.unwrap();
    let [own, shared, lost] = [scene.sensor("own").await, scene.sensor("shared").await, scene.sensor("lost").await];
    let foreign = core.register_device(&others, new_device("foreign", &scene.sensors)).await.unwrap();
    shown_to(&scene.domain, &shared, &[mine.app.id, other.id]).await;
    let group = NewGroup { name: "g".into(), description: None, max_members: 0, devices: vec![] };
    let group = core.create_group(&mine.scope, group).await.unwrap();
    let all = [&own, &shared, &lost, &foreign].map(|device| device.id);
    core.join_group(&mine.all, group.id, &all).await.unwrap();
    assert_eq!(core.group_size(&mine.all, group.id).await, Ok(4), "an operator puts all of them in");
    shown_to(&scene.domain, &lost, &[other.id]).await;
    for (name, selection) in
        [("ids", Selection::Groups(vec![group.id.to_string()])), ("names", Selection::GroupsNamed(vec!["g".into()]))]
    {
        let job = scene.begun(name, order(selection)).await;
        let parts = scene.parts(&job).await;
        assert!(parts.iter().all(|part| part.command.is_some()), "{name}: {parts:?}");
        assert_eq!(parts.into_iter().map(|part| part.device).collect::<BTreeSet<_>>(), ids([&own, &shared]), "{name}");
    }
    // Who is no longer seen when its turn comes has no command either.
    let job = scene.made("late", order(Selection::Groups(vec![group.id.to_string()]))).await;
    let chosen = core.turn_jobs().await.unwrap();
    assert!(chosen.more && scene.counts(&job).await.1 == [0; 6], "chosen and not begun: {chosen:?}");
    shown_to(&scene.domain, &shared, &[other.id]).await;
    scene.work().await;
    let late = scene.part(&job, &shared).await;
    assert_eq!((late.command, late.refused.map(|error| error.cause)), (None, Some(Cause::DeviceForeign)));
    let commands = core.commands(
        &others,
        CommandFilter { account: others.account(), app: None, device: None, after: None, before: None },
        ALL,
    );
    let foreigns: Vec<_> = commands.await.unwrap().items.into_iter().filter(|command| command.device == foreign.id).collect();
    assert_eq!(foreigns, [], "none for the device of the other");
}

#[tokio::test]
async fn a_list_is_shown_as_it_was_given_and_who_is_not_there_fails() {
    let scene = Scene::new(2).await;
    let (a, b) = (scene.sensor("a").await, scene.sensor("b").await);
    let given: Vec<String> = [&a.id.to_string(), "nobody", NOBODY, &b.id.to_string()].map(|text| text.to_owned()).into();
    let twice = [&given[..], &given[..1]].concat();
    let tags = vec![Tag { name: "site".into(), value: "plant 7".into() }];
    let order = BatchOrder { tags, group_tag: Some("west".into()), ..order(Selection::Devices(twice)) };
    let job = scene.begun("list", order.clone()).await;
    let task = scene.domain.core.batch_task(&scene.mine.scope, job.id).await.unwrap();
    assert_eq!(task.order, BatchOrder { selection: Selection::Devices(given.clone()), ..order });
    let parts = scene.parts(&job).await;
    assert_eq!(parts.iter().map(|part| part.device.clone()).collect::<Vec<_>>(), given);
    for (part, there) in parts.iter().zip([true, false, false, true]) {
        let expected = if there { TargetState::Running } else { TargetState::Failed };
        assert_eq!((part.state, part.command.is_some()), (expected, there));
        assert_eq!(part.refused.as_ref().map(|error| error.cause), (!there).then_some(Cause::DeviceNotFound));
    }
    let empty = scene.begun("empty", list([])).await;
    assert_eq!(scene.counts(&empty).await, (JobState::Finished, [0; 6]));
}

#[tokio::test]
async fn a_device_that_takes_no_command_fails_with_what_a_single_one_is_told() {
    let scene = Scene::new(3).await;
    let (core, mine) = (&scene.domain.core, &scene.mine);
    let zombie = scene.sensor("zombie").await;
    scene.domain.advance_s(8 * 86_400);
    let good = scene.sensor("good").await;
    let full = scene.sensor("full").await;
    for _ in 0..20 {
        core.submit_command(&mine.scope, full.id, reboot()).await.unwrap();
    }
    let mut draft = sensor();
    draft.key.protocol_type = "MQTT".into();
    let calls = core.create_product(&mine.all, draft).await.unwrap();
    let mqtt = core.register_device(&mine.scope, new_device("mqtt", &calls)).await.unwrap();
    let bare =
        core.register_device(&mine.scope, RegisterDevice { product: None, ..new_device("bare", &scene.sensors) }).await.unwrap();
    let other = core.create_app(&mine.all, NewApp { name: "other".into(), limits: AppLimits::default() }).await.unwrap().0;
    let others = core.narrow(&mine.all, other.id).await.unwrap();
    let foreign = core.register_device(&others, new_device("foreign", &scene.sensors)).await.unwrap();
    let theirs = scene.domain.device(&scene.theirs, "theirs").await;
    let devices = [&good, &zombie, &full, &mqtt, &bare, &foreign, &theirs];
    let job = scene.begun("all kinds", list(devices)).await;
    let mut causes = BTreeSet::new();
    for device in devices {
        let part = scene.part(&job, device).await;
        let single = core.submit_command(&mine.scope, device.id, reboot()).await;
        let (told, single) =
            (part.refused.map(|error| (error.cause, error.detail)), single.err().map(|error| (error.cause, error.detail)));
        // A path goes before the reason.
        assert_eq!(told.as_ref().map(|(cause, _)| *cause), single.as_ref().map(|(cause, _)| *cause), "{}", device.node_id);
        assert_eq!(part.command.is_some(), told.is_none(), "{}", device.node_id);
        if let Some((cause, _)) = told {
            causes.insert(cause.as_str());
            let why = scene.domain.core.why().device(mine.all.account(), device.id);
            assert_eq!(why.iter().any(|why| why.step == "command.batch"), cause != Cause::DeviceNotFound, "{}", device.node_id);
        }
    }
    assert_eq!(causes.len(), 6, "{causes:?}");
    // What the model does not know is no fault of the batch.
    let odd = BatchOrder { method: "DANCE".into(), ..list([&good]) };
    let odd = scene.begun("odd", odd).await;
    assert_eq!(scene.part(&odd, &good).await.refused.map(|error| error.cause), Some(Cause::InvalidField));
}

#[tokio::test]
async fn a_sub_task_ends_as_its_command() {
    let scene = Scene::new(4).await;
    let core = &scene.domain.core;
    let devices = scene.sensors(6).await;
    for device in &devices {
        scene.domain.come(device).await;
    }
    let job = scene
        .begun("ends", BatchOrder { method: "ASK".into(), service_id: "Meter".into(), paras: "{}".into(), ..list(&devices) })
        .await;
    let (state, counts) = scene.counts(&job).await;
    assert_eq!((state, counts), (JobState::Running, [6, 0, 0, 0, 0, 0]));
    let woken = scene.domain.live.woken.lock().iter().copied().collect::<BTreeSet<_>>();
    assert!(devices.iter().all(|device| woken.contains(&device.id)));
    let canceled = scene.part(&job, &devices[5]).await.command.unwrap();
    core.cancel_command(&scene.mine.scope, canceled).await.unwrap();
    // The product has no frames, so that none of these goes out.
    let parts = scene.parts(&job).await;
    assert_eq!(parts[5].ended, Some((CommandState::Canceled, None)));
    let job = scene.begun("again", list(&devices[..5])).await;
    for (device, outcome) in devices.iter().zip([
        Some(Outcome::Done(r#"{"ok":1}"#.into())),
        Some(Outcome::Refused(r#"{"no":1}"#.into())),
        Some(Outcome::Unanswered),
        Some(Outcome::Delivered),
        None,
    ]) {
        // First fails what cannot be put in the device's form.
        scene.answers(device, outcome).await;
    }
    let ended: Vec<_> = scene.parts(&job).await.into_iter().map(|part| (part.state, part.ended)).collect();
    let told = |state, result: Option<&str>| Some((state, result.map(str::to_owned)));
    let expected = [
        (TargetState::Succeeded, told(CommandState::Successful, Some(r#"{"ok":1}"#))),
        (TargetState::Failed, told(CommandState::Failed, Some(r#"{"no":1}"#))),
        (TargetState::TimedOut, told(CommandState::Timeout, None)),
        // Its model defines no result.
        (TargetState::Succeeded, told(CommandState::Delivered, None)),
        (TargetState::Running, None),
    ];
    assert_eq!(ended, expected);
    assert_eq!(scene.counts(&job).await, (JobState::Running, [1, 2, 1, 1, 0, 0]));
    let of_state = |states: &[TargetState]| TargetFilter { states: states.to_vec(), ..of(&job) };
    let found = core.sub_tasks(&scene.mine.scope, &of_state(&[TargetState::Failed, TargetState::Succeeded]), ALL).await.unwrap();
    assert_eq!(found.total, 3);
    scene.pass(301).await;
    assert_eq!(scene.counts(&job).await, (JobState::Finished, [0, 2, 1, 2, 0, 0]));
}

#[tokio::test]
async fn what_was_not_sent_in_time_expires_and_the_rest_is_timed_out() {
    for sweep_first in [true, false] {
        let scene = Scene::new(5).await;
        let devices = scene.sensors(2).await;
        scene.domain.come(&devices[0]).await;
        let order = BatchOrder { service_id: "Device".into(), timeout_min: 10, ..list(&devices) };
        let job = scene.begun("late", order).await;
        let waits = scene.command(&scene.part(&job, &devices[1]).await).await;
        assert_eq!((waits.expire_s, waits.due_at), (Some(600), job.due_at));
        scene.domain.advance_s(590);
        scene.answers(&devices[0], None).await;
        assert_eq!(scene.counts(&job).await, (JobState::Running, [2, 0, 0, 0, 0, 0]));
        if sweep_first {
            scene.pass(10).await;
        } else {
            scene.domain.advance_s(10);
            scene.work().await;
        }
        assert_eq!(scene.counts(&job).await, (JobState::TimedOut, [0, 0, 0, 1, 1, 0]), "{sweep_first}");
        assert_eq!(scene.part(&job, &devices[1]).await.ended, Some((CommandState::Expired, None)));
        assert_eq!(scene.command(&scene.part(&job, &devices[1]).await).await.state, CommandState::Expired);
        // What is on its way goes its own way, and changes the batch no more.
        let sent = scene.part(&job, &devices[0]).await;
        assert_eq!((scene.command(&sent).await.state, sent.ended), (CommandState::Sent, None));
        let caller = scene.domain.core.device_caller(&devices[0]);
        scene.domain.core.command_outcome(&caller, sent.command.unwrap(), Outcome::Done("{}".into())).await.unwrap();
        assert_eq!(scene.counts(&job).await, (JobState::TimedOut, [0, 0, 0, 1, 1, 0]));
    }
}

#[tokio::test]
async fn a_device_that_is_deleted_fails_before_and_after_its_turn() {
    let scene = Scene::new(6).await;
    let devices = scene.sensors(3).await;
    let job = scene.made("deleted", list(&devices)).await;
    scene.domain.core.delete_device(&scene.mine.scope, devices[0].id, false).await.unwrap();
    scene.work().await;
    scene.domain.core.delete_device(&scene.mine.scope, devices[1].id, false).await.unwrap();
    scene.work().await;
    let refused: Vec<_> =
        scene.parts(&job).await.into_iter().map(|part| (part.state, part.refused.map(|error| error.cause))).collect();
    let gone = (TargetState::Failed, Some(Cause::DeviceNotFound));
    assert_eq!(refused, [gone, gone, (TargetState::Running, None)]);
    assert_eq!(scene.counts(&job).await, (JobState::Running, [1, 0, 2, 0, 0, 0]));
}

#[tokio::test]
async fn a_group_that_is_deleted_keeps_those_that_were_chosen() {
    let scene = Scene::new(7).await;
    let core = &scene.domain.core;
    let devices = scene.sensors(3).await;
    let members = devices.iter().map(|device| device.id).collect();
    let new = NewGroup { name: "g".into(), description: None, max_members: 0, devices: members };
    let group = core.create_group(&scene.mine.scope, new).await.unwrap();
    let chosen = scene.begun("chosen", order(Selection::Groups(vec![group.id.to_string()]))).await;
    let later = scene.made("later", order(Selection::GroupsNamed(vec!["g".into()]))).await;
    core.delete_group(&scene.mine.scope, group.id).await.unwrap();
    scene.work().await;
    assert_eq!((scene.parts(&chosen).await.len(), scene.parts(&later).await.len()), (3, 0));
    assert_eq!(scene.counts(&later).await.0, JobState::Finished);
}

#[tokio::test]
async fn who_may_not_act_any_more_stops_its_batches() {
    for freeze in [true, false] {
        let scene = Scene::new(8).await;
        let (core, mine) = (&scene.domain.core, &scene.mine);
        let devices = scene.sensors(2).await;
        let new = NewApp { name: "guest".into(), limits: AppLimits::default() };
        let (guest, secret) = core.create_app(&mine.all, new).await.unwrap();
        core.authorize_app(&mine.all, mine.app.id, guest.id, true).await.unwrap();
        let acting = super::withdrawn::acting(&scene.domain, &guest, secret.expose(), &mine.app).await;
        let first = core.order_batch(&acting, "first".into(), list(&devices)).await.unwrap();
        scene.work().await;
        let second = core.order_batch(&acting, "second".into(), list(&devices)).await.unwrap();
        if freeze {
            let frozen = AppChange { frozen: Some(true), ..AppChange::default() };
            core.change_app(&mine.all, guest.id, frozen).await.unwrap();
        } else {
            core.authorize_app(&mine.all, mine.app.id, guest.id, false).await.unwrap();
        }
        scene.work().await;
        assert_eq!(scene.counts(&second).await, (JobState::Stopped, [0, 0, 0, 0, 0, 2]));
        let part = scene.part(&second, &devices[0]).await;
        assert_eq!(part.refused.map(|error| error.cause), Some(Cause::AppNotAuthorized), "{freeze}");
        // What waits is judged when it is sent.
        assert_eq!(scene.counts(&first).await, (JobState::Running, [2, 0, 0, 0, 0, 0]));
        scene.domain.come(&devices[0]).await;
        let caller = core.device_caller(&devices[0]);
        assert_eq!(core.next_work(&caller, false).await.unwrap(), None);
        let part = scene.part(&first, &devices[0]).await;
        assert!(matches!(part.ended, Some((CommandState::Failed, Some(_)))), "{part:?}");
    }
}

#[tokio::test]
async fn the_application_goes_with_its_batches() {
    let scene = Scene::new(9).await;
    let (core, mine) = (&scene.domain.core, &scene.mine);
    let device = scene.sensor("s").await;
    let job = scene.begun("b", list([&device])).await;
    core.delete_device(&mine.scope, device.id, false).await.unwrap();
    let open = scene.made("open", list([&device])).await;
    core.delete_app(&mine.all, mine.app.id).await.unwrap();
    scene.work().await;
    for job in [job, open] {
        assert_eq!(core.store().job(job.id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_operator_stops_and_retries_a_batch() {
    let scene = Scene::new(10).await;
    let core = &scene.domain.core;
    let devices = scene.sensors(3).await;
    let stopped = scene.begun("stopped", list(&devices[..2])).await;
    scene.domain.come(&devices[0]).await;
    scene.answers(&devices[0], None).await;
    core.stop_job(&scene.mine.all, stopped.id).await.unwrap();
    scene.work().await;
    assert_eq!(scene.counts(&stopped).await, (JobState::Stopped, [0, 0, 0, 0, 0, 2]));
    let states: Vec<_> = [&devices[0], &devices[1]].map(|device| scene.part(&stopped, device)).into();
    let mut found = vec![];
    for part in states {
        let part = part.await;
        found.push((part.refused.clone(), scene.command(&part).await.state));
    }
    assert_eq!(found, [(None, CommandState::Sent), (None, CommandState::Canceled)]);
    // What failed is tried again as a batch of its own, with its own time.
    let given = vec!["nobody".to_owned(), devices[2].id.to_string()];
    let failed = scene.begun("failed", BatchOrder { timeout_min: 10, ..order(Selection::Devices(given)) }).await;
    scene.pass(600).await;
    assert_eq!(scene.counts(&failed).await, (JobState::Finished, [0, 0, 1, 0, 1, 0]));
    let again = core.retry_job(&scene.mine.scope, failed.id, None).await.unwrap();
    scene.work().await;
    assert_eq!(scene.counts(&again).await, (JobState::Running, [1, 0, 1, 0, 0, 0]));
    let waits = scene.command(&scene.part(&again, &devices[2]).await).await;
    assert_eq!(waits.expire_s, Some(600));
}

#[tokio::test]
async fn an_application_has_ten_open_batches_with_names_of_their_own() {
    let scene = Scene::new(11).await;
    let (core, mine) = (&scene.domain.core, &scene.mine);
    let device = scene.sensor("s").await;
    for n in 0..10 {
        scene.begun(&format!("b{n}"), list([&device])).await;
    }
    let one_more = async |scope: &Scope, name: &str| core.order_batch(scope, name.to_owned(), list([&device])).await;
    assert_eq!(cause(one_more(&mine.scope, "b10").await), Cause::TooMany);
    let other = core.create_app(&mine.all, NewApp { name: "other".into(), limits: AppLimits::default() }).await.unwrap().0;
    one_more(&core.narrow(&mine.all, other.id).await.unwrap(), "b0").await.unwrap();
    one_more(&scene.theirs.scope, "b0").await.unwrap();
    scene.pass(3_600).await;
    assert_eq!(cause(one_more(&mine.scope, "b0").await), Cause::NameTaken);
    one_more(&mine.scope, "b10").await.unwrap();
    for (order, field) in [
        (BatchOrder { timeout_min: 9, ..list([]) }, "timeout"),
        (BatchOrder { timeout_min: 2_881, ..list([]) }, "timeout"),
        (BatchOrder { max_retransmit: 4, ..list([]) }, "maxRetransmit"),
        (BatchOrder { method: String::new(), ..list([]) }, "command.method"),
        (BatchOrder { paras: " ".repeat(65_537), ..list([]) }, "command.paras"),
        (BatchOrder { callback_url: Some("nowhere".into()), ..list([]) }, "callbackUrl"),
    ] {
        let refused = core.order_batch(&mine.scope, "bad".into(), order).await.unwrap_err();
        assert_eq!(refused.path.as_deref(), Some(field), "{refused:?}");
    }
}

#[tokio::test]
async fn an_address_is_one_for_the_whole_batch_and_lives_as_long_as_its_commands() {
    let settings = Settings { call_addresses: 1, ..Settings::default() };
    let scene = Scene::on(Ground::plan(12).settings(settings).open().await).await;
    let (core, mine) = (&scene.domain.core, &scene.mine);
    let devices = scene.sensors(30).await;
    let since = scene.domain.newest();
    let told = |url: &str| BatchOrder { callback_url: Some(url.into()), ..list(&devices) };
    let job = scene.begun("told", told("https://a.example/")).await;
    let addresses = || async {
        let kind = Some(SubscriptionKind::CallAddress);
        let filter = SubscriptionFilter { kind, owner: Some(mine.app.id), ..Default::default() };
        core.subscriptions(&mine.all, filter, ALL).await.unwrap().items
    };
    let [address] = &addresses().await[..] else { panic!("one") };
    assert_eq!(address.callback_url, "https://a.example/");
    let refused = core.order_batch(&mine.scope, "other".into(), told("https://b.example/")).await.unwrap_err();
    assert_eq!((refused.cause, refused.path.as_deref()), (Cause::TooMany, Some("callbackUrl")));
    scene.begun("same", told("https://a.example/")).await;
    assert!(
        scene.domain.told_since(since).await.iter().all(|word| !word.starts_with("command")),
        "nobody is told that it was made"
    );
    scene.domain.come(&devices[0]).await;
    scene.answers(&devices[0], Some(Outcome::Done("{}".into()))).await;
    let commands: Vec<(CommandState, bool)> = states_told(&scene.domain, since, address.id).await;
    assert_eq!(commands, [(CommandState::Sent, true), (CommandState::Delivered, true), (CommandState::Successful, true)]);
    scene.pass(3_600).await;
    assert_eq!(scene.counts(&job).await.1, [0, 1, 0, 0, 29, 0]);
    assert_eq!(states_told(&scene.domain, since, address.id).await.len(), 3 + 29 + 30);
}

/// States of commands that were told, and whether to that address.
async fn states_told(domain: &Ground, since: Seq, to: landfall_model::SubscriptionId) -> Vec<(CommandState, bool)> {
    let told = domain.events_since(since).await;
    let state = |body: &EventBody| match body {
        EventBody::CommandChanged { state, address, .. } => Some((*state, *address == Some(to))),
        _ => None,
    };
    told.iter().filter_map(|stored| state(&stored.event.body)).collect()
}

#[tokio::test]
async fn two_and_a_half_thousand_devices_get_one_command_each_across_a_restart() {
    let Scene { domain, mine, theirs, sensors } = Scene::new(13).await;
    let scene = Scene { domain, mine, theirs, sensors };
    let devices = scene.sensors(2_500).await;
    let job = scene.made("many", order(Selection::All)).await;
    for _ in 0..2 {
        assert!(scene.domain.core.turn_jobs().await.unwrap().more);
    }
    let half = scene.counts(&job).await.1[0];
    assert!((1..2_500).contains(&half), "{half}");
    let Scene { domain, mine, theirs, sensors } = scene;
    let scene = Scene { domain: domain.restart().await, mine, theirs, sensors };
    scene.work().await;
    assert_eq!(scene.counts(&job).await, (JobState::Running, [2_500, 0, 0, 0, 0, 0]));
    let filter = CommandFilter { account: scene.mine.all.account(), app: None, device: None, after: None, before: None };
    let commands = scene.domain.core.commands(&scene.mine.all, filter, ALL).await.unwrap();
    let given: BTreeSet<DeviceId> = commands.items.iter().map(|command| command.device).collect();
    assert_eq!((commands.total, given), (2_500, devices.iter().map(|device| device.id).collect()));
    let parts = scene.parts(&job).await;
    assert!(parts.iter().zip(&parts[1..]).all(|(a, b)| a.device != b.device) && parts.len() == 2_500);
    scene.pass(3_600).await;
    assert_eq!(scene.counts(&job).await, (JobState::Finished, [0, 0, 0, 0, 2_500, 0]));
}
