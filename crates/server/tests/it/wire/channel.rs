//! Notifications over the channel MQTT (1.6.1) to a client that is not ours, against a server that dies.

use super::{
    api::{self, App, admin},
    device::Device,
    kill::{check_repeats, kept_values, publish_until_its_end, value},
    server::{Server, until},
};
use landfall_testkit::world::Seeded;
use rumqttc::{Client, Connection, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

const ROUNDS: u64 = 6;
const DEVICES: usize = 4;
const SUBSCRIPTIONS: &str = "/iocm/app/sub/v1.2.0/subscriptions";

/// An application that receives; what it hears outlives its connections.
struct Subscriber {
    id: String,
    secret: String,
    heard: Arc<Mutex<Vec<Value>>>,
    client: Option<Client>,
    hearing: Option<JoinHandle<()>>,
}

impl Subscriber {
    fn new(app: &App<'_>) -> Self {
        Self { id: app.id.clone(), secret: app.secret.clone(), heard: Arc::default(), client: None, hearing: None }
    }

    /// Connects with a session that is kept; whether there was one.
    fn connect(&mut self, server: &Server) -> Result<bool, String> {
        let mut options = MqttOptions::new(&self.id, "127.0.0.1", server.port("mqtt"));
        options.set_credentials(&self.id, &self.secret).set_clean_session(false).set_keep_alive(Duration::from_secs(30));
        let (client, mut connection) = Client::new(options, 100);
        let present = match connection.recv_timeout(Duration::from_secs(20)) {
            Ok(Ok(Event::Incoming(Packet::ConnAck(ack)))) => ack.session_present,
            other => return Err(format!("{other:?}")),
        };
        self.client = Some(client);
        let heard = Arc::clone(&self.heard);
        self.hearing = Some(std::thread::spawn(move || hear(connection, &heard)));
        Ok(present)
    }

    /// How much it has heard once its connection is gone.
    fn at_its_end(&mut self) -> usize {
        self.hearing.take().unwrap().join().unwrap();
        self.heard.lock().unwrap().len()
    }

    fn subscribe(&self, qos: QoS) {
        let topic = format!("/huawei/v1/applications/{}/notifications", self.id);
        self.client.as_ref().unwrap().subscribe(topic, qos).unwrap();
    }

    fn bodies(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }

    fn values(&self) -> Vec<u64> {
        self.bodies().iter().filter_map(value).collect()
    }
}

/// Until the connection ends.
fn hear(mut connection: Connection, heard: &Mutex<Vec<Value>>) {
    while let Ok(Ok(event)) = connection.recv() {
        if let Event::Incoming(Packet::Publish(publish)) = event {
            heard.lock().unwrap().push(serde_json::from_slice(&publish.payload).unwrap());
        }
    }
}

/// Subscribes over MQTT, for the devices of `about` where it is given; gives the subscription's id.
fn over_mqtt(app: &App<'_>, about: Option<&str>) -> String {
    let body = json!({"notifyType": "deviceDataChanged", "callbackUrl": "mqtt", "channel": "MQTT", "appId": about});
    let made = app.call("POST", SUBSCRIPTIONS, Some(body));
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json()["clientIds"], json!([app.id]));
    api::text(&made.json(), "subscriptionId")
}

fn measured(value: u64) -> Value {
    json!({"msgType": "deviceReq", "data": [{"serviceId": "Thermometer", "serviceData": {"temperature": value}}]})
}

#[test]
fn a_client_loses_nothing_by_restarts_and_kill_9() {
    restarts_and_kills(QoS::AtLeastOnce);
}

#[test]
fn a_client_of_qos_2_loses_nothing_either() {
    restarts_and_kills(QoS::ExactlyOnce);
}

fn restarts_and_kills(qos: QoS) {
    let mut server = Server::start();
    let account = api::account(&server, "channel");
    let product = api::thermometer(&server, &account);
    let app = App::create(&server, &account, "app");
    over_mqtt(&app, None);
    let mut subscriber = Subscriber::new(&app);
    let devices: Vec<_> = (0..DEVICES).map(|n| app.register(&format!("n{n}"), &product)).collect();
    let (id, secret, token) = (app.id.clone(), app.secret.clone(), app.token.clone());
    assert_eq!(subscriber.connect(&server), Ok(false));
    subscriber.subscribe(qos);
    let (mut random, mut deaths) = (Seeded::new(11), vec![]);
    for round in 0..ROUNDS {
        let after = 10 + random.next() % 100;
        publish_until_its_end(&mut server, &devices, (round * 100_000, after), |server| match round % 3 {
            0 => assert!(server.stop()),
            _ => server.kill(),
        });
        deaths.push(subscriber.at_its_end());
        server.resume();
        let present = subscriber.connect(&server).unwrap();
        assert_eq!(present, qos == QoS::AtLeastOnce, "the subscription outlives the server, the exchanges of QoS 2 do not");
        if !present {
            subscriber.subscribe(qos);
        }
    }
    let app = App { server: &server, id, secret, token };
    for (device, _) in &devices {
        let kept = kept_values(&app, device);
        until("all notifications", || {
            let bodies = subscriber.bodies();
            let told: BTreeSet<u64> = bodies.iter().filter(|body| body["deviceId"] == **device).filter_map(value).collect();
            kept.is_subset(&told).then_some(())
        });
    }
    let bodies = subscriber.bodies();
    assert!(bodies.len() >= 10 * ROUNDS as usize, "only {} notifications", bodies.len());
    check_repeats(&bodies, &deaths);
    let mut ids = BTreeMap::new();
    for body in &bodies {
        let of = (body["deviceId"].to_string(), value(body));
        assert_eq!(ids.entry(of).or_insert(&body["requestId"]), &&body["requestId"], "a repeat is known by its requestId");
    }
}

#[test]
fn operators_see_that_the_client_is_away_and_it_gets_all_when_it_comes() {
    let server = Server::start();
    let account = api::account(&server, "away");
    let product = api::thermometer(&server, &account);
    let app = App::create(&server, &account, "app");
    let subscription = over_mqtt(&app, None);
    let (id, secret) = app.register("n", &product);
    let mut device = Device::login(&server, &id, &secret);
    (1..=3).for_each(|value| device.report(&measured(value)));
    let path = format!("/subscriptions/{subscription}?account={account}");
    let shown = until("the client to be missed", || {
        let shown = admin(&server, "GET", &path, None).json();
        shown["delivery"]["state"].as_str().is_some_and(|state| state.starts_with("waiting for the client")).then_some(shown)
    });
    assert_eq!((&shown["channel"], &shown["clientId"]), (&json!("MQTT"), &json!(app.id)));
    assert!(shown["delivery"]["lastError"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{shown}");
    let (_, listed, _) = server.cli(&["subscription", "list", "--account", &account]);
    assert!(listed.contains("CHANNEL") && listed.contains("MQTT"), "{listed}");
    let mut subscriber = Subscriber::new(&app);
    subscriber.connect(&server).unwrap();
    subscriber.subscribe(QoS::AtLeastOnce);
    until("what waited", || (subscriber.values() == [1, 2, 3]).then_some(()));
}

#[test]
fn each_client_gets_its_own_and_what_it_is_authorised_for() {
    let server = Server::start();
    let (ours, theirs) = (api::account(&server, "ours"), api::account(&server, "theirs"));
    let apps = [(&ours, "one"), (&ours, "two"), (&theirs, "three")].map(|(account, name)| App::create(&server, account, name));
    let mut devices = [&ours, &ours, &theirs].into_iter().zip(&apps).map(|(account, app)| {
        let product = match app.id == apps[1].id {
            true => product_of(&server, account),
            false => api::thermometer(&server, account),
        };
        let (id, secret) = app.register(&format!("of-{}", app.id), &product);
        Device::login(&server, &id, &secret)
    });
    let mut devices: [Device; 3] = std::array::from_fn(|_| devices.next().unwrap());
    let clients = apps.each_ref().map(|app| {
        over_mqtt(app, None);
        let mut client = Subscriber::new(app);
        client.connect(&server).unwrap();
        client.subscribe(if app.id == apps[0].id { QoS::ExactlyOnce } else { QoS::AtLeastOnce });
        client
    });
    let mut told = |value: u64| {
        for (n, device) in (0..).zip(&mut devices) {
            device.report(&measured(value + n));
        }
        let own = |n: usize| clients[n].values().contains(&(value + n as u64));
        until("each its own", || (own(0) && own(1) && own(2)).then_some(()));
        clients.each_ref().map(Subscriber::values)
    };
    assert_eq!(told(10), [vec![10], vec![11], vec![12]]);
    let authorized = format!("/apps/{}/authorized/{}?account={ours}", apps[0].id, apps[1].id);
    assert_eq!(admin(&server, "PUT", &authorized, Some(json!({}))).status, 200);
    let guests = over_mqtt(&apps[1], Some(&apps[0].id));
    told(20);
    until("the guest's", || clients[1].values().contains(&20).then_some(()));
    assert_eq!(admin(&server, "DELETE", &authorized, Some(json!({}))).status, 200);
    told(30);
    let path = format!("/subscriptions/{guests}?account={ours}");
    until("what was withheld", || (admin(&server, "GET", &path, None).json()["delivery"]["withheld"] == 1).then_some(()));
    // Devices are told of side by side.
    assert_eq!(clients.each_ref().map(sorted), [vec![10, 20, 30], vec![11, 20, 21, 31], vec![12, 22, 32]]);

    let frozen = admin(&server, "PATCH", &format!("/apps/{}?account={ours}", apps[1].id), Some(json!({"frozen": true})));
    assert_eq!(frozen.status, 200, "{}", frozen.text);
    devices[1].report(&measured(41));
    devices[0].report(&measured(40));
    until("the other one's", || clients[0].values().contains(&40).then_some(()));
    assert_eq!(sorted(&clients[1]), [11, 20, 21, 31]);
    let mut again = Subscriber::new(&apps[1]);
    assert!(again.connect(&server).is_err(), "a frozen application does not get in");
}

/// The product that the other application of the account has made.
fn product_of(server: &Server, account: &str) -> String {
    let products = admin(server, "GET", &format!("/products?account={account}"), None).json();
    api::text(&products["items"][0], "productId")
}

fn sorted(client: &Subscriber) -> Vec<u64> {
    let mut values = client.values();
    values.sort_unstable();
    values
}
