//! Applications that receive their notifications: who may connect, what they may subscribe, and that they publish nothing.

use super::*;
use landfall_core::AppChange;

/// The topic of an application.
pub(super) fn topic(app: &App) -> String {
    format!("/huawei/v1/applications/{}/notifications", app.id)
}

/// An MQTT client that is an application.
pub(super) struct Receiver {
    pub(super) client: Client,
    pub(super) topic: String,
}

/// What a CONNECT says beside who it is.
#[derive(Clone, Copy, Default)]
pub(super) struct Wishes<'a> {
    pub(super) keeps: bool,
    /// MQTT 5 properties beside the session expiry.
    pub(super) properties: &'a [u8],
    pub(super) v5: bool,
}

impl Ground {
    /// The tenant's application, connected.
    pub(super) async fn receiver(&self, wishes: Wishes<'_>) -> (Receiver, Vec<u8>) {
        let mut client = self.dial();
        let id = self.app.id.to_string();
        let connack = connect(&mut client, [&id, &id, &self.secret], wishes).await;
        (Receiver { client, topic: topic(&self.app) }, connack)
    }

    /// The checks of the application's refusals, newest first.
    fn app_checks(&self) -> Vec<&'static str> {
        self.core.why().app(self.app.account, self.app.id).iter().map(|why| why.check).collect()
    }
}

pub(super) async fn connect(client: &mut Client, fields: [&str; 3], wishes: Wishes<'_>) -> Vec<u8> {
    client.v5 = wishes.v5;
    let flags = 0xc0 | u8::from(!wishes.keeps) << 1;
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', if wishes.v5 { 5 } else { 4 }, flags, 0, 60];
    if wishes.v5 {
        let expiry: &[u8] = if wishes.keeps { &[17, 0, 0, 1, 0] } else { &[] };
        let properties = [expiry, wishes.properties].concat();
        body.push(properties.len() as u8);
        body.extend(properties);
    }
    fields.iter().for_each(|field| text(&mut body, field));
    client.send(0x10, &body).await;
    client.expect(0x20).await[..2].to_vec()
}

impl Receiver {
    /// SUBSCRIBE to one filter; gives its code.
    pub(super) async fn subscribe(&mut self, filter: &str, qos: u8) -> u8 {
        let mut body = vec![0, 9];
        if self.client.v5 {
            body.push(0);
        }
        text(&mut body, filter);
        body.push(qos);
        self.client.send(0x82, &body).await;
        *self.client.expect(0x90).await.last().unwrap()
    }

    /// To its own topic.
    pub(super) async fn listen(&mut self, qos: u8) {
        let topic = self.topic.clone();
        assert_eq!(self.subscribe(&topic, qos).await, qos);
    }
}

#[tokio::test]
async fn an_application_logs_in_with_its_secret() {
    let ground = Ground::new().await;
    for (v5, keeps) in [(false, false), (false, true), (true, false), (true, true)] {
        let (receiver, connack) = ground.receiver(Wishes { v5, keeps, ..Wishes::default() }).await;
        assert_eq!((connack[1], ground.mqtt.applications.connected()), (0, 1), "v5 {v5}, keeps {keeps}");
        receiver.client.leave().await;
        assert_eq!(ground.mqtt.applications.connected(), 0);
    }
    let mut old = ground.dial();
    let mut body = vec![0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, 0xc2, 0, 60];
    let id = ground.app.id.to_string();
    [&id, &id, &ground.secret].iter().for_each(|field| text(&mut body, field));
    old.send(0x10, &body).await;
    assert_eq!(old.expect(0x20).await, [0, 0], "MQTT 3.1");
    old.leave().await;
    assert!(ground.app_checks().is_empty() && ground.connections.is_empty());
}

#[tokio::test]
async fn who_is_none_or_may_not_come_is_refused_and_told_to_its_operator() {
    let ground = Ground::new().await;
    let other = ground.domain.tenant("other").await;
    let (id, other_id) = (ground.app.id.to_string(), other.app.id.to_string());
    let no_one = ground.app.account.to_string();
    let cases = [
        ([&*id, &id, "wrong"], 4, "Unauthenticated", true),
        ([&id, &id, ""], 4, "Unauthenticated", true),
        ([&id, &id, &other.secret], 4, "Unauthenticated", true),
        ([&no_one, &no_one, &ground.secret], 4, "Unauthenticated", false),
        ([&id, &other_id, &ground.secret], 2, "username.differs", false),
        (["mosq-1", &id, &ground.secret], 2, "username.differs", false),
    ];
    for (fields, code, check, known) in cases {
        let mut client = ground.dial();
        assert_eq!(connect(&mut client, fields, Wishes::default()).await, [0, code], "{fields:?}");
        client.ended().await;
        let of_app = ground.core.why().app(ground.app.account, ground.app.id);
        let why = if known { of_app } else { ground.core.why().unknown() }.remove(0);
        assert_eq!((why.check, why.step, why.identity.as_str()), (check, "mqtt.connect", fields[0]));
        assert!(!why.detail.contains(&ground.secret) && !why.detail.contains(&other.secret));
    }
    assert!(ground.core.why().app(other.app.account, other.app.id).is_empty());
    let frozen = |frozen| AppChange { frozen: Some(frozen), ..AppChange::default() };
    ground.core.change_app(&ground.all, ground.app.id, frozen(true)).await.unwrap();
    assert_eq!(ground.receiver(Wishes::default()).await.1, [0, 5]);
    assert_eq!(ground.app_checks()[0], "AppFrozen");
    ground.core.change_app(&ground.all, ground.app.id, frozen(false)).await.unwrap();
    assert_eq!(ground.receiver(Wishes::default()).await.1, [0, 0]);
}

#[tokio::test]
async fn it_subscribes_to_its_own_topic_alone_and_not_with_qos_0() {
    let ground = Ground::new().await;
    let other = ground.domain.tenant("other").await;
    for v5 in [false, true] {
        let (mut receiver, _) = ground.receiver(Wishes { v5, ..Wishes::default() }).await;
        let (own, others) = (topic(&ground.app), topic(&other.app));
        let refused = |code| if v5 { code } else { 0x80 };
        let cases = [
            (&*own, 1, 1),
            (&own, 2, 2),
            ("#", 2, 2),
            ("/huawei/v1/applications/+/notifications", 1, 1),
            (&own, 0, refused(0x83)),
            ("#", 0, refused(0x83)),
            (&others, 1, refused(0x87)),
            (&others, 0, refused(0x87)),
            ("/huawei/v1/devices/+/data/json", 1, refused(0x87)),
            ("$share/group/#", 1, refused(0x9e)),
        ];
        for (filter, qos, code) in cases {
            assert_eq!(receiver.subscribe(filter, qos).await, code, "{filter} {qos}");
        }
        let checks = ["filter.shared", "topic.application", "topic.application", "topic.application", "qos.unconfirmed"];
        assert_eq!(ground.app_checks()[..5], checks);
        receiver.client.leave().await;
    }
}

#[tokio::test]
async fn it_publishes_nothing_and_leaves_no_will() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let newest = ground.core.store().newest();
    let (mut receiver, _) = ground.receiver(Wishes { v5: true, ..Wishes::default() }).await;
    for topic in [topic(&ground.app), data(device.id), commands(device.id)] {
        receiver.client.publish(&topic, 1, 7, &report(1)).await;
        assert_eq!(receiver.client.expect(0x40).await[..3], [0, 7, 0x87], "{topic}");
    }
    assert_eq!(ground.app_checks(), ["topic.application"; 3]);
    receiver.client.leave().await;
    let (mut client, id) = (ground.dial(), ground.app.id.to_string());
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0xc6, 0, 60];
    [&id, &data(device.id), "gone", &id, &ground.secret].iter().for_each(|field| text(&mut body, field));
    client.send(0x10, &body).await;
    assert_eq!(client.expect(0x20).await, [0, 0]);
    client.hang_up().await;
    assert_eq!(ground.app_checks()[0], "will.application");
    assert_eq!((ground.core.store().newest(), ground.mqtt.counters().publishes_refused), (newest, 3));
}

#[tokio::test]
async fn a_second_connection_takes_over() {
    let ground = Ground::new().await;
    let (mut first, _) = ground.receiver(Wishes { v5: true, ..Wishes::default() }).await;
    let (second, _) = ground.receiver(Wishes::default()).await;
    assert_eq!(first.client.expect(0xe0).await[0], 0x8e);
    first.client.ended().await;
    assert_eq!(ground.mqtt.applications.connected(), 1);
    second.client.hang_up().await;
    assert_eq!(ground.mqtt.applications.connected(), 0);
}

#[tokio::test]
async fn what_changes_for_an_application_ends_its_connection() {
    let ground = Ground::new().await;
    let own = ground.core.create_app(&ground.all, landfall_core::NewApp { name: "second".into(), limits: Default::default() });
    let (app, secret) = own.await.unwrap();
    let dial = async |secret: &str| {
        let (mut client, id) = (ground.dial(), app.id.to_string());
        let connack = connect(&mut client, [&id, &id, secret], Wishes { v5: true, keeps: true, ..Wishes::default() }).await;
        (client, connack[1])
    };
    let ends = async |mut client: Client, reason: u8| {
        assert_eq!(client.expect(0xe0).await[0], reason);
        client.ended().await;
    };
    let (client, _) = dial(secret.expose()).await;
    let rotated = ground.core.rotate_app_secret(&ground.all, app.id).await.unwrap();
    ends(client, 0x98).await;
    assert_eq!(dial(secret.expose()).await.1, 0x86);
    let (client, code) = dial(rotated.expose()).await;
    assert_eq!(code, 0);
    let freeze = AppChange { frozen: Some(true), ..AppChange::default() };
    ground.core.change_app(&ground.all, app.id, freeze).await.unwrap();
    ends(client, 0x98).await;
    let thaw = AppChange { frozen: Some(false), ..AppChange::default() };
    ground.core.change_app(&ground.all, app.id, thaw).await.unwrap();
    let (client, _) = dial(rotated.expose()).await;
    ground.core.delete_app(&ground.all, app.id).await.unwrap();
    ends(client, 0x87).await;
    assert_eq!(dial(rotated.expose()).await.1, 0x86);
}
