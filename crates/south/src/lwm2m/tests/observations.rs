//! Values: observed and read after a registration, notified in order and exactly once whatever the network does, acknowledged when durable.

use super::*;
use landfall_coap::Retransmit;
use landfall_lwm2m::{Code, Entry, Method};
use landfall_testkit::network::Conditions;

#[tokio::test]
async fn what_the_product_binds_is_observed_and_read() {
    for version in [Version::V1_0, Version::V1_1, Version::V1_2] {
        let mut ground = Ground::new(1).await;
        let id = ground.known("m-1").await.id;
        let sim = ground.join(SimDevice::new(Client::new("m-1", version), 1).secured(key_of("m-1")), true, id);
        ground.tell(sim, |device, now| device.set(now, ZONE, Value::Text("UTC".into())));
        ground.tell(sim, SimDevice::register);
        ground.run_s(5).await;
        let served = ground.sims[sim].device.take_served();
        let asked: Vec<(Method, String, bool)> =
            served.iter().map(|request| (request.method, request.path.join("/"), request.observe.is_some())).collect();
        let expected = [("3303/0/5700", true), ("19/0/0", true), ("3/0", false)];
        assert_eq!(asked, expected.map(|(path, observe)| (Method::Get, path.to_owned(), observe)), "{version}");
        let settings = json!({"zone": "UTC", "maker": "Landfall"});
        let expected = [("Thermometer".to_owned(), json!({"temperature": 21.5})), ("Settings".to_owned(), settings)];
        assert_eq!(ground.reports(sim).await, expected, "{version}");
        let device = ground.device(sim).await;
        assert_eq!(device.info.fw_version.as_deref(), Some("1.0.0"), "object 3 tells its firmware");
    }
}

#[tokio::test]
async fn reports_come_in_order_and_once_whatever_the_network_does() {
    for seed in 1..=6 {
        let mut ground = Ground::new(seed).await;
        let id = ground.known("m-1").await.id;
        let patient = Retransmit { max_retransmit: 7, ack_timeout: Duration::from_millis(500), ..Retransmit::default() };
        let device = SimDevice::new(Client::new("m-1", Version::V1_1), seed).retransmitting(patient).secured(key_of("m-1"));
        let sim = ground.join(device, true, id);
        ground.network.put_behind_nat(ground.sims[sim].host, Some(7));
        ground.shuffle = (seed % 2 == 0).then(|| Seeded::new(seed));
        ground.tell(sim, SimDevice::register);
        ground.run_s(10).await;
        assert!(ground.happened(sim).contains(&Happened::Done(Verb::Register)), "seed {seed}");
        ground.network.set(Conditions { loss_percent: 20, duplicate_percent: 20, delay_ms: 5..=900 });
        let mut expected = vec![21.5];
        for n in 0..100 {
            let value = 100.0 + f64::from(n);
            expected.push(value);
            ground.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(value)));
            ground.run_s(if n % 10 == 9 { 60 } else { 1 }).await;
        }
        ground.run_s(400).await;
        assert_eq!(ground.sims[sim].device.unsettled(), 0, "seed {seed}");
        let happened = ground.happened(sim);
        assert_eq!(happened, vec![Happened::Notified; 100], "seed {seed}");
        assert_eq!(ground.temperatures(sim).await, expected, "seed {seed}");
        assert_eq!(ground.shared.counters().handshakes, 1, "seed {seed}: the Connection ID carried it through all addresses");
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_durable() {
    let mut ground = Ground::new(1).await;
    let sim = ground.running("m-1").await;
    let seen = ground.shared.counters().reports;
    ground.held = Some(vec![]);
    for value in [30.0, 31.0] {
        ground.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(value)));
    }
    let entry = Entry::new(TEMPERATURE, Value::Float(32.0));
    ground.tell(sim, |device, now| device.send(now, &[entry]).unwrap());
    ground.run_s(20).await;
    assert_eq!(ground.happened(sim), []);
    assert_eq!(ground.temperatures(sim).await, [21.5]);
    ground.release().await;
    ground.run_s(20).await;
    let happened = ground.happened(sim);
    let wanted = [Happened::Notified, Happened::Notified, Happened::Done(Verb::Send)];
    assert!(happened.len() == 3 && wanted.iter().all(|one| happened.contains(one)), "{happened:?}");
    let mut told = ground.temperatures(sim).await;
    // The Send did not wait for the second notification, which waited for the first.
    told.sort_by(f64::total_cmp);
    assert_eq!(told, [21.5, 30.0, 31.0, 32.0]);
    assert_eq!(ground.shared.counters().reports, seen + 3);
}

#[tokio::test]
async fn unconfirmed_notifications_are_taken_too_and_old_ones_are_no_news() {
    let mut ground = Ground::new(3).await;
    let id = ground.known("m-1").await.id;
    let device = SimDevice::new(Client::new("m-1", Version::V1_1), 1).unconfirmed().secured(key_of("m-1"));
    let sim = ground.join(device, true, id);
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    ground.network.set(Conditions { loss_percent: 0, duplicate_percent: 30, delay_ms: 1..=500 });
    for n in 0..100 {
        ground.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(f64::from(n) + 100.0)));
        ground.run_s(u32::from(n % 3 == 0)).await;
    }
    ground.run_s(10).await;
    let seen = ground.temperatures(sim).await;
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "only newer states count: {seen:?}");
    assert_eq!(seen.last(), Some(&199.0));
}

#[tokio::test]
async fn a_new_list_of_objects_begins_observations_anew() {
    let mut ground = Ground::new(4).await;
    let id = ground.known("m-1").await.id;
    let sim = ground.join(SimDevice::new(Client::new("m-1", Version::V1_1), 1).secured(key_of("m-1")), true, id);
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    ground.sims[sim].device.take_served();
    let list = ground.sims[sim].device.lwm2m().register().list;
    for (keep, observed) in [(false, vec!["19/0/0"]), (true, vec!["3303/0/5700", "19/0/0"])] {
        let mut told = list.clone();
        told.objects.retain(|object| keep || object.id != 3303);
        let change = landfall_lwm2m::UpdateRequest { list: Some(told), ..Default::default() };
        ground.tell(sim, |device, now| device.update_with(now, &change));
        ground.run_s(5).await;
        let served = ground.sims[sim].device.take_served();
        let paths: Vec<String> = served.iter().filter(|r| r.observe.is_some()).map(|r| r.path.join("/")).collect();
        assert_eq!(paths, observed);
    }
    assert!(!ground.happened(sim).iter().any(|one| matches!(one, Happened::Refused(..))));
}

#[tokio::test]
async fn a_notification_in_blocks_is_one_report() {
    let mut ground = Ground::new(5).await;
    let sim = ground.running("m-1").await;
    let long = "x".repeat(3_000);
    let item = json!({"serviceId": "Settings", "serviceData": {"zone": long}});
    let frame = json!({"msgType": "deviceReq", "data": [item]}).to_string();
    ground.tell(sim, |device, now| device.uplink(now, frame.as_bytes()));
    ground.run_s(20).await;
    let reports = ground.reports(sim).await;
    assert_eq!(reports.last(), Some(&("Settings".to_owned(), json!({"zone": long}))));
    assert_eq!(ground.happened(sim), [Happened::Notified]);
}

#[tokio::test]
async fn what_is_sent_without_a_meaning_is_told() {
    let mut ground = Ground::new(6).await;
    let sim = ground.running("m-1").await;
    let id = ground.sims[sim].id;
    let before = ground.shared.counters().reports;
    let unit = Entry::new(Path::resource(3303, 0, 5701), Value::Text("Cel".into()));
    let battery = Entry::new(Path::resource(3, 0, 9), Value::Integer(70));
    let many = (0..10).map(|id| Entry::new(Path::resource(3305, id, 5800), Value::Float(1.0))).collect();
    let cases = [
        (vec![Entry::new(TEMPERATURE, Value::Float(30.0)), unit], 1, Some("/3303/0/5701: sent, but")),
        (many, 0, Some("/3305/6/5800, /3305/7/5800 and 2 more: sent, but")),
        (vec![battery], 1, None),
    ];
    let (mut kept, mut told) = (before, 0);
    for (entries, reports, detail) in cases {
        ground.happened(sim);
        ground.tell(sim, |device, now| device.send(now, &entries).unwrap());
        ground.run_s(5).await;
        assert_eq!(ground.happened(sim), [Happened::Done(Verb::Send)]);
        kept += reports;
        assert_eq!(ground.shared.counters().reports, kept, "{detail:?}");
        let device = ground.device(sim).await;
        let whys = ground.core.why().device(device.account, id);
        told += usize::from(detail.is_some());
        assert_eq!(whys.len(), told, "{whys:?}");
        if let Some(detail) = detail {
            assert!(whys[0].check == "unbound" && whys[0].detail.contains(detail), "{}", whys[0].detail);
        }
    }
    assert_eq!(ground.temperatures(sim).await, [21.5, 30.0]);
}

impl Ground {
    /// A device of which one instance is observed whole.
    async fn observed_whole(&mut self) -> usize {
        let mut draft = meter("instances");
        draft.format = DataFormat::Json;
        for property in &mut draft.services[1].properties {
            property.method = "RE".into();
        }
        self.product = self.core.create_product(&self.all, draft).await.unwrap();
        self.running("m-1").await
    }

    fn zone(&mut self, sim: usize, zone: &str) {
        self.tell(sim, |device, now| device.set(now, ZONE, Value::Text(zone.into())));
    }

    async fn zones(&self, sim: usize) -> Vec<Json> {
        self.reports(sim).await.into_iter().filter_map(|(_, data)| data.get("zone").cloned()).collect()
    }
}

#[tokio::test]
async fn the_rest_of_a_notification_comes_in_its_format() {
    let mut ground = Ground::new(6).await;
    let sim = ground.observed_whole().await;
    ground.sims[sim].device.take_served();
    let long = "x".repeat(3_000);
    ground.zone(sim, &long);
    ground.run_s(20).await;
    let served = ground.sims[sim].device.take_served();
    let in_format = |request: &landfall_lwm2m::Request| request.path == ["3", "0"] && request.accept.is_some();
    assert!(!served.is_empty() && served.iter().all(in_format), "{served:?}");
    assert_eq!(ground.zones(sim).await.last(), Some(&json!(long)));
}

/// The device falls silent between its blocks, or its value changes between them.
#[tokio::test]
async fn what_a_notification_did_not_bring_whole_is_read() {
    for silent in [true, false] {
        let mut ground = Ground::new(7).await;
        let sim = ground.observed_whole().await;
        let (long, other) = ("x".repeat(3_000), "y".repeat(3_000));
        ground.happened(sim);
        ground.zone(sim, &long);
        ground.settle().await;
        if silent {
            ground.sims[sim].device.sleep();
            ground.run_s(300).await;
            ground.tell(sim, SimDevice::wake);
            ground.tell(sim, SimDevice::update);
        } else {
            ground.zone(sim, &other);
        }
        ground.run_s(60).await;
        let id = ground.sims[sim].id;
        assert!(ground.whys(id).await.contains(&("lwm2m.notify", "block")), "silent: {silent}");
        let expected = if silent { &long } else { &other };
        assert_eq!(ground.zones(sim).await.last(), Some(&json!(expected)), "silent: {silent}");
        let happened = ground.happened(sim);
        assert!(!happened.iter().any(|one| matches!(one, Happened::NotNotified(_))), "the observation lives: {happened:?}");
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_used_is_told_and_the_others_are_stored() {
    let mut ground = Ground::new(7).await;
    let sim = ground.meter("m-1").await;
    let id = ground.sims[sim].id;
    let battery = Entry::new(Path::resource(3, 0, 9), Value::Text("full".into()));
    ground.tell(sim, |device, now| device.set(now, ZONE, Value::Text("UTC".into())));
    ground.tell(sim, |device, now| device.set(now, battery.path, battery.value.clone()));
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    let reports = ground.reports(sim).await;
    assert_eq!(reports.last(), Some(&("Settings".to_owned(), json!({"zone": "UTC", "maker": "Landfall"}))));
    assert_eq!(ground.whys(id).await, [("lwm2m.payload", "value")]);
    ground.happened(sim);
    for (entries, done) in [
        (vec![battery.clone(), Entry::new(TEMPERATURE, Value::Float(30.0))], Happened::Done(Verb::Send)),
        (vec![battery], Happened::Refused(Verb::Send, Code::BAD_REQUEST)),
    ] {
        ground.tell(sim, |device, now| device.send(now, &entries).unwrap());
        ground.run_s(5).await;
        assert_eq!(ground.happened(sim), [done]);
    }
    assert_eq!(ground.temperatures(sim).await, [21.5, 30.0]);
    let device = ground.device(sim).await;
    let whys = ground.core.why().device(device.account, id);
    assert_eq!((whys[0].check, whys[1].check), ("payload", "value"));
    assert!(whys[1].detail.contains("left out: value of /3/0/9 has another type (record 0)"), "{}", whys[1].detail);
}

#[tokio::test]
async fn a_value_that_does_not_fit_its_property_is_left_out_by_itself() {
    let mut ground = Ground::new(8).await;
    let mut mixed = meter("mixed");
    mixed.services[0].properties.push(property("RE", bound("lowest", "int", "/3303/0/5601")));
    let product = ground.core.create_product(&ground.all, mixed).await.unwrap();
    let product = Some(ProductRef::Id(product.id.to_string()));
    let asked = RegisterDevice { product, ..ground.registration("m-1", true) };
    let id = ground.core.register_device(&ground.scope, asked).await.unwrap().id;
    let device = SimDevice::new(Client::new("m-1", Version::V1_1), 1).secured(key_of("m-1"));
    let sim = ground.join(device, true, id);
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    let thermometer = |data: Json| ("Thermometer".to_owned(), data);
    assert_eq!(ground.reports(sim).await[0], thermometer(json!({"temperature": 21.5})));
    let device = ground.device(sim).await;
    let whys = ground.core.why().device(device.account, id);
    assert_eq!((whys.len(), whys[0].step), (1, "lwm2m.values"), "{whys:?}");
    assert!(whys[0].detail.contains("lowest: must be an integer"), "{}", whys[0].detail);
}
