//! Frames of a product's own format through the object of binary data (object 19): up through the codec, down as commands.

use super::*;
use landfall_lwm2m::Entry;
use landfall_testkit::network::Conditions;

fn frames(events: &[EventBody]) -> Vec<(Vec<u8>, usize)> {
    let frame = |body: &EventBody| match body {
        EventBody::Reported(report) => report.raw.clone().map(|raw| (raw.bytes, report.services.len())),
        _ => None,
    };
    events.iter().filter_map(frame).collect()
}

#[tokio::test]
async fn frames_go_through_the_codec_and_unreadable_ones_are_kept() {
    for version in [Version::V1_0, Version::V1_1] {
        let mut ground = Ground::new(1).await;
        let id = ground.known("m-1").await.id;
        let sim = ground.join(SimDevice::new(Client::new("m-1", version), 1).secured(key_of("m-1")), true, id);
        ground.tell(sim, SimDevice::register);
        ground.run_s(5).await;
        let sent = [report(25), b"broken frame".to_vec(), b"{}".to_vec(), report(26)];
        for frame in &sent {
            ground.tell(sim, |device, now| device.uplink(now, frame));
            ground.run_s(5).await;
        }
        let kept = frames(&ground.events(sim).await);
        assert_eq!(kept, sent.into_iter().zip([1, 0, 0, 1]).collect::<Vec<_>>(), "{version}");
        assert_eq!(ground.temperatures(sim).await, [21.5, 25.0, 26.0]);
        let checks = ground.whys(id).await;
        assert_eq!(checks, [("codec.decode", "PayloadInvalid"), ("codec.decode", "CodecFailed")], "{version}");
        assert!(ground.happened(sim).ends_with(&vec![Happened::Notified; 4]), "the device is not made to repeat them");
    }
}

#[tokio::test]
async fn a_command_as_a_frame_waits_for_the_answer_with_its_number() {
    let mut ground = Ground::new(2).await;
    let sim = ground.running("m-1").await;
    ground.sims[sim].device.take_served();
    let first = ground.submit(sim, "READ", json!({"register": 7}), None).await;
    let second = ground.submit(sim, "READ", json!({"register": 8}), None).await;
    ground.run_s(10).await;
    assert_eq!(ground.states(&[first, second]).await, [CommandState::Delivered, CommandState::Delivered]);
    let served = ground.sims[sim].device.take_served();
    let down: Vec<Json> = served.iter().map(|request| serde_json::from_slice(&request.payload).unwrap()).collect();
    assert!(served.iter().all(|request| request.path.join("/") == "19/1/0"));
    assert_eq!(down.iter().map(|frame| &frame["paras"]["register"]).collect::<Vec<_>>(), [&json!(7), &json!(8)]);
    // Answered the other way round: the number tells which.
    for (frame, errcode) in [(&down[1], 1), (&down[0], 0)] {
        let answer = json!({"msgType": "deviceRsp", "mid": frame["mid"], "errcode": errcode, "body": {"value": 42}});
        ground.tell(sim, |device, now| device.uplink(now, answer.to_string().as_bytes()));
        ground.run_s(5).await;
    }
    assert_eq!(ground.states(&[first, second]).await, [CommandState::Successful, CommandState::Failed]);
    assert_eq!(ground.command(first).await.result.as_deref(), Some(r#"{"value":42}"#));
}

#[tokio::test]
async fn a_result_that_never_comes_is_a_timeout() {
    let mut ground = Ground::new(3).await;
    let sim = ground.running("m-1").await;
    let id = ground.submit(sim, "READ", json!({"register": 7}), None).await;
    ground.run_s(3_590).await;
    ground.sweep().await;
    assert_eq!(ground.states(&[id]).await, [CommandState::Delivered]);
    ground.run_s(20).await;
    ground.sweep().await;
    assert_eq!(ground.states(&[id]).await, [CommandState::Timeout]);
}

#[tokio::test]
async fn a_frame_that_was_overtaken_is_no_old_news() {
    let mut ground = Ground::new(4).await;
    let id = ground.known("m-1").await.id;
    let device = SimDevice::new(Client::new("m-1", Version::V1_1), 1).unconfirmed().secured(key_of("m-1"));
    let sim = ground.join(device, true, id);
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    ground.network.set(Conditions { loss_percent: 0, duplicate_percent: 30, delay_ms: 1..=500 });
    for n in 0..60 {
        ground.tell(sim, |device, now| device.uplink(now, &report(100 + n)));
        ground.run_s(u32::from(n % 3 == 0)).await;
    }
    ground.run_s(10).await;
    let mut seen = ground.temperatures(sim).await.split_off(1);
    assert!(!seen.is_sorted(), "some overtook others");
    seen.sort_by(f64::total_cmp);
    assert_eq!(seen, (100..160).map(f64::from).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_command_that_the_codec_cannot_write_does_not_hold_up_the_next() {
    let mut ground = Ground::new(5).await;
    let sim = ground.sleeping("m-1").await;
    let broken = ground.submit(sim, "READ", json!({"register": UNWRITABLE}), None).await;
    let next = ground.submit(sim, "READ", json!({"register": 7}), None).await;
    ground.tell(sim, SimDevice::wake);
    ground.tell(sim, SimDevice::update);
    ground.run_s(10).await;
    assert_eq!(ground.states(&[broken, next]).await, [CommandState::Failed, CommandState::Delivered]);
    assert!(ground.whys(ground.sims[sim].id).await.contains(&("command.encode", "CodecFailed")));
}

#[tokio::test]
async fn a_frame_that_is_sent_goes_the_way_of_a_notification() {
    let mut ground = Ground::new(6).await;
    let sim = ground.running("m-1").await;
    let id = ground.sims[sim].id;
    let before = ground.shared.counters().reports;
    let frame = |path: &str, bytes: &[u8]| Entry::new(path.parse().unwrap(), Value::Opaque(bytes.to_vec()));
    let sends = [
        vec![frame("/19/0/0", &report(25))],
        vec![frame("/19/0/0/0", &report(26)), frame("/19/0/0/1", &report(27)), Entry::new(TEMPERATURE, Value::Float(28.0))],
        vec![frame("/19/0/0", b"broken frame")],
        vec![frame("/19/0/0", b"")],
    ];
    for entries in &sends {
        ground.happened(sim);
        ground.tell(sim, |device, now| device.send(now, entries).unwrap());
        ground.run_s(5).await;
        assert_eq!(ground.happened(sim), [Happened::Done(Verb::Send)]);
    }
    assert_eq!(ground.temperatures(sim).await, [21.5, 25.0, 26.0, 27.0, 28.0]);
    let kept = [(report(25), 1), (report(26), 1), (report(27), 1), (b"broken frame".to_vec(), 0)];
    assert_eq!(frames(&ground.events(sim).await), kept);
    assert_eq!(ground.whys(id).await, [("codec.decode", "CodecFailed")]);
    assert_eq!(ground.shared.counters().reports, before + 3, "an empty frame is none");
}

/// A report whose codec asks for an acknowledgement.
fn acknowledged(temperature: i32) -> Vec<u8> {
    let mut message: Json = serde_json::from_slice(&report(temperature)).unwrap();
    message["cloudRsp"] = true.into();
    message.to_string().into_bytes()
}

#[tokio::test]
async fn a_report_is_acknowledged_by_a_frame_once_the_device_knows_that_it_came() {
    let mut ground = Ground::new(7).await;
    let sim = ground.running("m-1").await;
    ground.done_to(sim);
    ground.tell(sim, |device, now| device.uplink(now, &report(25)));
    ground.run_s(5).await;
    assert_eq!(ground.done_to(sim), [], "this codec did not ask");
    ground.happened(sim);
    ground.held = Some(vec![]);
    ground.tell(sim, |device, now| device.uplink(now, &acknowledged(26)));
    ground.settle().await;
    assert_eq!((ground.done_to(sim), ground.happened(sim)), (vec![], vec![]), "nothing before it is stored");
    ground.release().await;
    ground.run_s(1).await;
    let done = ground.done_to(sim);
    let [(path, text)] = done.as_slice() else { panic!("{done:?}") };
    let told: Json = serde_json::from_str(text).unwrap();
    assert_eq!((path.as_str(), &told["msgType"], &told["request"]), ("19/1/0", &json!("cloudRsp"), &json!(acknowledged(26))));
    assert_eq!(ground.happened(sim), [Happened::Notified]);
    assert_eq!(ground.temperatures(sim).await, [21.5, 25.0, 26.0]);
}

#[tokio::test]
async fn an_acknowledgement_that_comes_too_late_is_not_sent() {
    let mut ground = Ground::new(8).await;
    let sim = ground.sleeping("m-1").await;
    let id = ground.sims[sim].id;
    ground.tell(sim, SimDevice::wake);
    ground.tell(sim, SimDevice::update);
    ground.run_s(2).await;
    ground.done_to(sim);
    ground.held = Some(vec![]);
    ground.tell(sim, |device, now| device.uplink(now, &acknowledged(26)));
    ground.settle().await;
    ground.sims[sim].device.sleep();
    ground.run_s(200).await;
    ground.release().await;
    ground.run_s(5).await;
    assert_eq!(ground.done_to(sim), []);
    assert!(ground.whys(id).await.contains(&("lwm2m.acknowledge", "asleep")), "{:?}", ground.whys(id).await);
    assert_eq!(ground.temperatures(sim).await.last(), Some(&26.0), "the report is there");
}

#[tokio::test]
async fn acknowledgements_wait_in_a_short_line() {
    let mut ground = Ground::new(9).await;
    let sim = ground.running("m-1").await;
    let id = ground.sims[sim].id;
    ground.done_to(sim);
    let frames: Vec<Entry> =
        (0..20).map(|n| Entry::new(format!("/19/0/0/{n}").parse().unwrap(), Value::Opaque(acknowledged(n)))).collect();
    ground.tell(sim, |device, now| device.send(now, &frames).unwrap());
    ground.run_s(30).await;
    assert_eq!(ground.temperatures(sim).await.len(), 21, "every report is there");
    let sent = ground.done_to(sim).len();
    assert!((8..20).contains(&sent), "{sent}");
    assert!(ground.whys(id).await.iter().any(|why| why.0 == "lwm2m.acknowledge"), "{:?}", ground.whys(id).await);
}

#[tokio::test]
async fn frames_of_a_product_without_codec_are_raw_data_both_ways() {
    let mut ground = Ground::new(10).await;
    let mut model = draft("Meter", "raw", "LWM2M", DataFormat::Binary, vec![landfall_model::Service::raw_data()]);
    model.lwm2m = Lwm2mModel::default();
    ground.product = ground.core.create_product(&ground.all, model).await.unwrap();
    let sim = ground.running("r-1").await;
    ground.done_to(sim);
    ground.tell(sim, |device, now| device.uplink(now, &[0xfb, 0xff, 0]));
    ground.run_s(5).await;
    assert_eq!(ground.reports(sim).await, [("RawData".to_owned(), json!({"rawData": "+/8A"}))]);
    let request = CommandRequest {
        service_id: "RawData".into(),
        method: "START".into(),
        paras: json!({"rawData": "YWJj"}).to_string(),
        callback_url: None,
        expire_s: None,
        max_retransmit: 0,
    };
    let id = ground.core.submit_command(&ground.scope, ground.sims[sim].id, request).await.unwrap().id;
    ground.run_s(10).await;
    assert_eq!(ground.done_to(sim), [("19/1/0".to_owned(), "abc".to_owned())]);
    assert_eq!(ground.states(&[id]).await, [CommandState::Delivered], "no result is to come");
}
