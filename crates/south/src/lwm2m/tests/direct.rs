//! What operators ask of devices directly (LwM2M core, 6.3): each operation, and devices that refuse, sleep, are silent, come back or leave.

use super::{super::direct::Direct, *};
use futures_util::FutureExt;
use landfall_testkit::network::Conditions;
use std::{future::Future, pin::Pin};

type Waiting = Pin<Box<dyn Future<Output = Result<Json>>>>;

impl Ground {
    /// Leaves a request at the desk.
    fn direct(&self, sim: usize, direct: Direct) -> Waiting {
        let (desk, id) = (Arc::clone(&self.shared.desk), self.sims[sim].id);
        let mut waiting: Waiting = Box::pin(async move { desk.request(id, direct).await });
        match (&mut waiting).now_or_never() {
            Some(outcome) => Box::pin(std::future::ready(outcome)),
            None => waiting,
        }
    }

    async fn ask(&mut self, sim: usize, direct: Direct) -> Result<Json> {
        let waiting = self.direct(sim, direct);
        self.run_s(5).await;
        waiting.now_or_never().expect("an answer")
    }

    fn waiting(&self) -> usize {
        self.hub.orders.len()
    }
}

fn of(operation: &str, path: &str) -> Direct {
    let paths = if path.is_empty() { vec![] } else { path.split(' ').map(str::to_owned).collect() };
    Direct { operation: operation.into(), paths, wait_s: 30, ..Direct::default() }
}

fn with(operation: &str, path: &str, values: Json) -> Direct {
    let values = values.as_object().unwrap().clone().into_iter().collect();
    Direct { values, ..of(operation, path) }
}

fn offline(outcome: Option<Result<Json>>) -> String {
    let error = outcome.expect("an end").unwrap_err();
    assert_eq!(error.cause, Cause::DeviceOffline);
    error.detail.into_owned()
}

#[tokio::test]
async fn values_are_read_whole_in_any_format() {
    for version in [Version::V1_0, Version::V1_1, Version::V1_2] {
        let mut ground = Ground::new(1).await;
        let id = ground.known("m-1").await.id;
        let sim = ground.join(SimDevice::new(Client::new("m-1", version), 1).secured(key_of("m-1")), true, id);
        ground.tell(sim, SimDevice::register);
        ground.run_s(5).await;
        let told = ground.reports(sim).await;
        let one = ground.ask(sim, of("read", "/3/0/0")).await.unwrap();
        assert_eq!(one, json!({"code": "2.05", "values": {"/3/0/0": "Landfall"}}));
        let instance = ground.ask(sim, of("read", "/3/0/7/0")).await.unwrap();
        assert_eq!(instance["values"], json!({"/3/0/7/0": 3600}));
        let location = json!({"/6/0/0": 54.32, "/6/0/1": 10.13, "/6/0/5": 1_700_000_000});
        let formats: &[&str] = match version {
            Version::V1_0 => &["tlv", "json"],
            Version::V1_1 => &["tlv", "json", "senml+json", "senml+cbor"],
            Version::V1_2 => &["tlv", "json", "senml+json", "senml+cbor", "lwm2m+cbor"],
        };
        for format in [None].into_iter().chain(formats.iter().copied().map(Some)) {
            for path in ["/6", "/6/0"] {
                ground.sims[sim].device.take_served();
                let direct = Direct { format: format.map(str::to_owned), ..of("read", path) };
                let answer = ground.ask(sim, direct).await.unwrap();
                assert_eq!(answer, json!({"code": "2.05", "values": location}), "{version} {path} {format:?}");
                let accept = ground.sims[sim].device.take_served()[0].accept.and_then(|accept| accept.name());
                assert!(format.is_none() || accept == format, "{accept:?}");
            }
        }
        for path in ["/6", "/6/0", "/6/0/0"] {
            ground.sims[sim].device.take_served();
            let answer = ground.ask(sim, Direct { format: Some("any".into()), ..of("read", path) }).await.unwrap();
            assert_eq!(answer["values"]["/6/0/0"], 54.32, "{version} {path}");
            assert_eq!(ground.sims[sim].device.take_served()[0].accept, None, "{version} {path}");
        }
        let wrong = ground.ask(sim, Direct { format: Some("any".into()), ..of("discover", "/6") }).await.unwrap_err();
        assert_eq!(wrong.cause, Cause::InvalidField);
        assert_eq!(ground.reports(sim).await, told, "what an operator reads is no report");
    }
}

#[tokio::test]
async fn values_are_written_in_part_or_whole() {
    let mut ground = Ground::new(2).await;
    let sim = ground.running("m-1").await;
    let changed = json!({"code": "2.04"});
    assert_eq!(ground.ask(sim, with("write", "/3/0/15", json!({"/3/0/15": "Europe/Rome"}))).await, Ok(changed.clone()));
    assert_eq!(ground.sims[sim].device.lwm2m().get(&ZONE), Some(&Value::Text("Europe/Rome".into())));
    for (n, format) in ["tlv", "json", "senml+json", "senml+cbor"].into_iter().enumerate() {
        let (lifetime, pmin) = (300 + n, 5 + n);
        let values = json!({"/1/0/1": lifetime, "/1/0/2": pmin});
        let direct = Direct { format: Some(format.into()), ..with("update", "/1/0", values) };
        assert_eq!(ground.ask(sim, direct).await, Ok(changed.clone()), "{format}");
        let read = ground.ask(sim, of("read", "/1/0")).await.unwrap();
        assert_eq!((&read["values"]["/1/0/1"], &read["values"]["/1/0/2"]), (&json!(lifetime), &json!(pmin)), "{format}");
        assert_eq!(read["values"]["/1/0/3"], 0, "what was not named stays");
    }
    let cbor = Direct { format: Some("cbor".into()), ..with("write", "/1/0/1", json!({"/1/0/1": 77})) };
    assert_eq!(ground.ask(sim, cbor).await, Ok(changed));
    assert_eq!(ground.sims[sim].device.lwm2m().get(&Path::resource(1, 0, 1)), Some(&Value::Integer(77)));
    let wrong = ground.ask(sim, with("write", "/1/0/1", json!({"/1/0/1": "soon"}))).await.unwrap_err();
    assert_eq!((wrong.cause, wrong.detail.contains("/1/0/1")), (Cause::InvalidField, true));
}

#[tokio::test]
async fn resources_are_executed_and_instances_made_and_removed() {
    let mut ground = Ground::new(3).await;
    let sim = ground.running("m-1").await;
    let direct = Direct { arguments: "0='a',5".into(), ..of("execute", "/3/0/4") };
    assert_eq!(ground.ask(sim, direct).await, Ok(json!({"code": "2.04"})));
    let executed = ground.sims[sim].device.lwm2m().take_executed();
    let arguments: Vec<(u8, Option<&str>)> = executed[0].1.iter().map(|a| (a.digit, a.value.as_deref())).collect();
    assert_eq!((executed[0].0, arguments), (Path::resource(3, 0, 4), vec![(0, Some("a")), (5, None)]));
    let made = ground.ask(sim, with("create", "/16", json!({"/16/0/0/0": "Host"}))).await;
    assert_eq!(made, Ok(json!({"code": "2.01", "location": "/16/0"})));
    assert_eq!(ground.ask(sim, of("read", "/16")).await.unwrap()["values"], json!({"/16/0/0/0": "Host"}));
    for (at, values) in [("/16/0/0/0", json!({"/16/0/0/0": "One"})), ("/16/0", json!({"/16/0/0/0": "Two", "/16/0/0/1": "Three"}))]
    {
        assert_eq!(ground.ask(sim, with("write", at, values.clone())).await, Ok(json!({"code": "2.04"})), "{at}");
        assert_eq!(ground.ask(sim, of("read", at)).await.unwrap()["values"], values, "{at}");
    }
    assert_eq!(ground.ask(sim, of("delete", "/16/0")).await, Ok(json!({"code": "2.02"})));
    assert_eq!(ground.ask(sim, of("read", "/16/0")).await.unwrap()["code"], "4.04");
    for (direct, code) in [
        (with("write", "/3/0/0", json!({"/3/0/0": "x"})), "4.05"),
        (of("delete", "/3/0"), "4.05"),
        (of("read", "/9999"), "4.04"),
        (with("create", "/3", json!({"/3/1/9": 1})), "4.05"),
    ] {
        let word = direct.operation.clone();
        let answer = ground.ask(sim, direct).await.unwrap();
        assert_eq!(answer["code"], code, "{word}");
        assert!(answer["diagnostic"].is_string() && answer.get("values").is_none(), "{answer}");
    }
}

#[tokio::test]
async fn attributes_are_written_and_discovered() {
    let mut ground = Ground::new(4).await;
    let sim = ground.running("m-1").await;
    let attributes =
        [("pmin", Some("10")), ("pmax", Some("60"))].map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
    let direct = Direct { attributes: attributes.to_vec(), ..of("attributes", "/3303/0/5700") };
    assert_eq!(ground.ask(sim, direct).await, Ok(json!({"code": "2.04"})));
    let found = ground.ask(sim, of("discover", "/3303")).await.unwrap();
    let links = found["links"].as_array().unwrap();
    let attributes = |path: &str| links.iter().find(|link| link["path"] == path).map(|link| link["attributes"].clone());
    assert_eq!(attributes("/3303/0/5700"), Some(json!({"pmin": "10", "pmax": "60"})));
    assert_eq!(attributes("/3303/0/5701"), Some(json!({})));
    let unset = Direct { attributes: vec![("pmin".into(), None)], ..of("attributes", "/3303/0/5700") };
    assert_eq!(ground.ask(sim, unset).await, Ok(json!({"code": "2.04"})));
    let found = ground.ask(sim, of("discover", "/3303/0/5700")).await.unwrap();
    assert_eq!(found["links"], json!([{"path": "/3303/0/5700", "attributes": {"pmax": "60"}}]));
    let id = ground.known("m-2").await.id;
    let new = ground.join(SimDevice::new(Client::new("m-2", Version::V1_2), 2).secured(key_of("m-2")), true, id);
    ground.tell(new, SimDevice::register);
    ground.run_s(5).await;
    for (depth, deepest) in [(1, 2), (3, 4)] {
        let found = ground.ask(new, Direct { depth: Some(depth), ..of("discover", "/3") }).await.unwrap();
        let depth_of = |link: &Json| link["path"].as_str().unwrap().matches('/').count();
        assert_eq!(found["links"].as_array().unwrap().iter().map(depth_of).max(), Some(deepest));
    }
}

#[tokio::test]
async fn composites_read_and_write_many_objects_at_once() {
    let mut ground = Ground::new(5).await;
    let sim = ground.running("m-1").await;
    let some = ground.ask(sim, of("readComposite", "/3/0/0 /1/0/1 /9999/0/0")).await.unwrap();
    assert_eq!(some, json!({"code": "2.05", "values": {"/3/0/0": "Landfall", "/1/0/1": 86_400}}));
    let all = ground.ask(sim, of("readComposite", "/")).await.unwrap();
    assert!(all["values"].as_object().unwrap().len() > 20, "{all}");
    let written = ground.ask(sim, with("writeComposite", "", json!({"/1/0/1": 500, "/3/0/15": "UTC"}))).await;
    assert_eq!(written, Ok(json!({"code": "2.04"})));
    assert_eq!(ground.sims[sim].device.lwm2m().get(&ZONE), Some(&Value::Text("UTC".into())));
    assert_eq!(ground.sims[sim].device.lwm2m().get(&Path::resource(1, 0, 1)), Some(&Value::Integer(500)));
    let id = ground.known("m-2").await.id;
    let old = ground.join(SimDevice::new(Client::new("m-2", Version::V1_0), 2).secured(key_of("m-2")), true, id);
    ground.tell(old, SimDevice::register);
    ground.run_s(5).await;
    let refused = ground.ask(old, of("readComposite", "/3/0/0")).await.unwrap_err();
    assert_eq!((refused.cause, refused.detail.contains("1.0")), (Cause::InvalidField, true));
}

#[tokio::test]
async fn what_is_no_request_is_refused_at_once() {
    let mut ground = Ground::new(6).await;
    let sim = ground.sleeping("m-1").await;
    for (direct, field) in [
        (of("reboot", "/3/0"), "operation"),
        (of("read", "/3/x"), "path"),
        (of("read", ""), "path"),
        (of("read", "/3 /4"), "path"),
        (of("readComposite", ""), "paths"),
        (with("read", "/3", json!({"/3/0/0": 1})), "values"),
        (of("write", "/1/0"), "values"),
        (Direct { arguments: "x".into(), ..of("execute", "/3/0/4") }, "arguments"),
        (Direct { attributes: vec![("pmin".into(), Some("x".into()))], ..of("attributes", "/3") }, "attributes"),
        (Direct { depth: Some(1), ..of("read", "/3") }, "depth"),
        (Direct { format: Some("xml".into()), ..of("read", "/3") }, "format"),
        (Direct { wait_s: 0, ..of("read", "/3") }, "waitS"),
        (Direct { wait_s: 301, ..of("read", "/3") }, "waitS"),
    ] {
        let error = ground.direct(sim, direct.clone()).now_or_never().expect("at once").unwrap_err();
        assert_eq!((error.cause, error.path.as_deref()), (Cause::InvalidField, Some(field)), "{direct:?}");
    }
    let stranger = ground.known("m-2").await.id;
    let nobody = ground.shared.desk.request(stranger, of("read", "/3")).now_or_never();
    assert!(offline(nobody).contains("not registered"));
}

#[tokio::test]
async fn a_sleeper_answers_when_it_wakes_by_update_or_by_registering() {
    for verb in [SimDevice::update, SimDevice::register] {
        let mut ground = Ground::new(7).await;
        let sim = ground.sleeping("m-1").await;
        let waiting = ground.direct(sim, Direct { wait_s: 300, ..of("read", "/3/0/0") });
        ground.run_s(100).await;
        assert_eq!(ground.sims[sim].device.take_served().len(), 0, "nothing was sent to a device that sleeps");
        ground.tell(sim, SimDevice::wake);
        ground.tell(sim, verb);
        ground.run_s(5).await;
        assert_eq!(waiting.now_or_never().expect("an answer").unwrap()["values"], json!({"/3/0/0": "Landfall"}));
        assert_eq!(ground.waiting(), 0);
    }
}

#[tokio::test]
async fn a_device_that_sleeps_too_long_or_is_silent_gives_a_reason() {
    let mut ground = Ground::new(8).await;
    let sim = ground.sleeping("m-1").await;
    let mut waiting = ground.direct(sim, of("execute", "/3/0/4"));
    ground.run_s(29).await;
    assert!((&mut waiting).now_or_never().is_none());
    ground.run_s(2).await;
    assert!(offline(waiting.now_or_never()).starts_with("the device sleeps; it was last heard at 20"));
    ground.tell(sim, SimDevice::wake);
    ground.tell(sim, SimDevice::update);
    ground.run_s(10).await;
    assert_eq!(ground.done_to(sim), [], "it is not done when nobody waits any more");
    ground.network.set(Conditions { loss_percent: 100, ..Conditions::default() });
    let (short, long) = (ground.direct(sim, of("read", "/3")), ground.direct(sim, Direct { wait_s: 300, ..of("read", "/3") }));
    ground.run_s(31).await;
    assert!(offline(short.now_or_never()).contains("within 30 s"));
    ground.run_s(200).await;
    assert!(offline(long.now_or_never()).contains("did not answer"));
    assert_eq!((ground.waiting(), ground.hub.exchanges.len()), (0, 0));
}

#[tokio::test]
async fn who_left_and_who_is_too_many_hold_no_place() {
    let mut ground = Ground::new(9).await;
    let sim = ground.sleeping("m-1").await;
    let waiting: Vec<Waiting> = (0..8).map(|_| ground.direct(sim, of("execute", "/3/0/4"))).collect();
    let error = ground.direct(sim, of("execute", "/3/0/4")).now_or_never().expect("at once").unwrap_err();
    assert_eq!(error.cause, Cause::TooMany);
    ground.settle().await;
    assert_eq!(ground.waiting(), 8);
    drop(waiting);
    ground.settle().await;
    assert_eq!(ground.waiting(), 0);
    // One that leaves before the hub looked.
    drop(ground.direct(sim, of("execute", "/3/0/4")));
    let last = ground.direct(sim, Direct { wait_s: 300, ..of("execute", "/3/0/4") });
    ground.settle().await;
    assert_eq!(ground.waiting(), 1);
    ground.tell(sim, SimDevice::wake);
    ground.tell(sim, SimDevice::update);
    ground.run_s(5).await;
    assert_eq!(last.now_or_never().expect("an answer"), Ok(json!({"code": "2.04"})));
    assert_eq!(ground.sims[sim].device.lwm2m().take_executed().len(), 1);
    // A device that leaves takes its requests with it.
    ground.sims[sim].device.sleep();
    ground.run_s(100).await;
    let waiting = ground.direct(sim, Direct { wait_s: 300, ..of("read", "/3") });
    ground.settle().await;
    ground.tell(sim, SimDevice::wake);
    ground.shared.desk.close(ground.sims[sim].id, CloseCause::Deleted);
    ground.settle().await;
    assert!(offline(waiting.now_or_never()).contains("not registered"));
    assert_eq!(ground.waiting(), 0);
}

/// What is longer than a device takes, and cannot be cut, is told at once, to who asks and to the operator.
#[tokio::test]
async fn what_fits_no_record_is_told() {
    let mut ground = Ground::new(14).await;
    let id = ground.known("m-1").await.id;
    let config = ClientConfig { record_size_limit: Some(64), ..key_of("m-1") };
    let sim = ground.join(SimDevice::new(Client::new("m-1", Version::V1_1), 1).secured(config), true, id);
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    assert_eq!(ground.whys(id).await, []);
    let attributes = [("pmin", "1000000"), ("pmax", "2000000"), ("lt", "1234567"), ("gt", "9876543"), ("st", "1234567")];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).into();
    let error = ground.ask(sim, Direct { attributes, ..of("attributes", "/3303/0/5700") }).await.unwrap_err();
    assert_eq!(
        (error.cause, &*error.detail),
        (Cause::DeviceOffline, "the request is longer than the device takes in one record")
    );
    assert_eq!(ground.whys(id).await, [("dtls.send", "record.length")]);
}
