//! Conversations in real time, from handshake to expiry, in virtual time.

use super::{Asked, Scene};
use landfall_core::{NewOperation, UserCaller};
use landfall_model::{DeviceId, ObjectId};
use landfall_testkit::golden::Bindings;
use serde_json::{Map, Value, json};

const OPERATIONS: &str = "/notification/operations";
const REALTIME: &str = "/notification/realtime";

impl Scene {
    async fn said(&self, path: &str, user: &str, messages: Value) -> Vec<Value> {
        let (headers, body) = ([("authorization", self.basic(user))], messages.to_string().into_bytes());
        let asked = Asked { method: "POST", path, headers: &headers, body: &body };
        let answer = self.answer(asked).await;
        assert_eq!(answer.status, 200);
        answer.json().as_array().unwrap().clone()
    }

    /// The id of a new client.
    async fn client(&self, path: &str, user: &str) -> String {
        let said = self.said(path, user, json!([{ "channel": "/meta/handshake", "version": "1.0" }])).await;
        said[0]["clientId"].as_str().unwrap().to_owned()
    }

    /// A new client that listens to these channels.
    async fn listener(&self, path: &str, user: &str, channels: &[&str]) -> String {
        let client = self.client(path, user).await;
        let message = json!({ "channel": "/meta/subscribe", "clientId": client, "subscription": channels });
        let said = self.said(path, user, message).await;
        assert_eq!(said[0]["successful"], true, "{said:?}");
        client
    }

    /// What a connect of a client brings, its own answer last.
    async fn connect(&self, path: &str, user: &str, client: &str, timeout: u64) -> Vec<Value> {
        let advice = json!({ "timeout": timeout });
        self.said(path, user, json!({ "channel": "/meta/connect", "clientId": client, "advice": advice })).await
    }

    /// Channels, actions and names of what a connect told.
    async fn told(&self, user: &str, client: &str) -> Vec<(String, String)> {
        let mut said = self.connect(REALTIME, user, client, 0).await;
        assert_eq!(said.pop().unwrap()["successful"], true);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        said.iter().map(|one| (text(&one["channel"]), text(&one["data"]["realtimeAction"]))).collect()
    }

    async fn post(&self, path: &str, user: &str, body: Value) -> Value {
        let headers = [("authorization", self.basic(user)), ("accept", "*/*")];
        let answer = self.answer(Asked { method: "POST", path, headers: &headers, body: body.to_string().as_bytes() }).await;
        assert_eq!(answer.status, 201, "{:?}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }

    async fn operated(&self, caller: &UserCaller, object: ObjectId) -> Value {
        let device = self.ground.core.device_of_object(caller, object).await.unwrap();
        let fragments = Map::from_iter([("c8y_Restart".to_owned(), json!({}))]);
        let made = self.ground.core.create_operation(caller, device.id, NewOperation { fragments }).await.unwrap();
        made.number().to_string().into()
    }
}

/// The objects of a device and of one of the other tenant.
async fn scene() -> (Scene, [ObjectId; 2]) {
    let scene = Scene::new().await;
    let mut bindings = Bindings::default();
    scene.name_devices(&mut bindings).await;
    let ids = ["sensor", "foreign"].map(|name| bindings.get(name).unwrap().parse().unwrap());
    (scene, ids)
}

#[tokio::test]
async fn a_connect_waits_until_there_is_an_operation() {
    let (scene, [sensor, _]) = scene().await;
    let admin = scene.ground.admin(&scene.mine).await;
    let before = scene.operated(&admin, sensor).await;
    scene.ground.advance_s(1);
    for (path, channel) in [(OPERATIONS, format!("/{sensor}")), (REALTIME, "/operations/*".to_owned())] {
        let client = scene.listener(path, "device", &[&channel]).await;
        let (said, made) = tokio::join!(scene.connect(path, "device", &client, 60_000), async {
            tokio::task::yield_now().await;
            scene.operated(&admin, sensor).await
        });
        let operation = if path == OPERATIONS { &said[0]["data"] } else { &said[0]["data"]["data"] };
        assert_eq!((said.len(), &operation["id"]), (2, &made), "and not {before}, which was there before: {said:?}");
        assert_eq!(scene.connect(path, "device", &client, 0).await.len(), 1, "it is told once");
        scene.ground.advance_s(1);
    }
}

#[tokio::test]
async fn a_new_connect_ends_the_one_that_waits() {
    let (scene, [sensor, _]) = scene().await;
    let client = scene.listener(OPERATIONS, "device", &[&format!("/{sensor}")]).await;
    let admin = scene.ground.admin(&scene.mine).await;
    // Whichever is ended by the other one asks for the operation, of which the other is told.
    let connect = async || {
        let said = scene.connect(OPERATIONS, "device", &client, 60_000).await;
        if said.len() == 1 {
            scene.operated(&admin, sensor).await;
        }
        said.len()
    };
    let (one, other) = tokio::join!(connect(), connect());
    assert_eq!([one.min(other), one.max(other)], [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_connect_ends_with_its_time() {
    let (scene, [sensor, _]) = scene().await;
    let client = scene.listener(OPERATIONS, "device", &[&format!("/{sensor}")]).await;
    let said = scene.connect(OPERATIONS, "device", &client, u64::MAX).await;
    assert_eq!((said.len(), &said[0]["successful"]), (1, &json!(true)));
}

#[tokio::test]
async fn each_tenant_is_told_what_is_its_own() {
    let (scene, [sensor, foreign]) = scene().await;
    let all = ["/operations/*", "/managedobjects/*", "/measurements/*", "/events/*", "/alarms/*"];
    let mine = scene.listener(REALTIME, "admin", &all).await;
    let device = scene.listener("/cep/realtime", "device", &all).await;
    let theirs = scene.listener(REALTIME, "stranger", &all).await;
    let above = scene.listener(REALTIME, "admin", &[&format!("/alarmsWithChildren/{sensor}")]).await;
    let (source, time) = (json!({ "id": sensor.to_string() }), "2026-01-01T00:00:00Z");
    scene
        .post(
            "/measurement/measurements",
            "device",
            json!({ "source": source, "type": "m", "time": time, "c8y_T": { "T": { "value": 1 } } }),
        )
        .await;
    scene.post("/event/events", "device", json!({ "source": source, "type": "e", "time": time, "text": "e" })).await;
    let alarm = json!({ "source": source, "type": "a", "time": time, "text": "a", "severity": "MAJOR" });
    scene.post("/alarm/alarms", "device", alarm.clone()).await;
    scene.post("/alarm/alarms", "device", alarm).await;
    let strangers = scene.ground.admin(&scene.theirs).await;
    scene.operated(&strangers, foreign).await;
    let named = |word: &str, action: &str| (format!("/{word}/{sensor}"), action.to_owned());
    let whole = [("measurements", "CREATE"), ("events", "CREATE"), ("alarms", "CREATE"), ("alarms", "UPDATE")];
    for (user, client) in [("admin", &mine), ("device", &device)] {
        let told = scene.told(user, client).await;
        let told: Vec<_> = told.into_iter().filter(|(channel, _)| !channel.starts_with("/managedobjects/")).collect();
        assert_eq!(told, whole.map(|(word, action)| named(word, action)), "{user}");
    }
    assert_eq!(scene.told("admin", &above).await, ["CREATE", "UPDATE"].map(|action| named("alarmsWithChildren", action)));
    assert_eq!(scene.told("stranger", &theirs).await, [(format!("/operations/{foreign}"), "CREATE".to_owned())]);
    assert_eq!(scene.told("admin", &mine).await, [], "all is told once");
    for (user, client) in [("stranger", &mine), ("device", &mine), ("admin", &theirs)] {
        assert_eq!(scene.connect(REALTIME, user, client, 0).await[0]["error"], "402::Unknown client", "{user}");
    }
}

#[tokio::test]
async fn who_is_idle_or_too_far_behind_begins_anew() {
    let (scene, _) = scene().await;
    let idle = scene.listener(OPERATIONS, "device", &["/*"]).await;
    let flooded = scene.listener(OPERATIONS, "device", &["/*"]).await;
    scene.ground.advance_s(120);
    assert_eq!(scene.connect(OPERATIONS, "device", &flooded, 0).await[0]["successful"], true);
    scene.ground.advance_s(1);
    let wake = |n: u16| {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        landfall_core::Access::wake(&*scene.realtime, DeviceId::from_random(bytes), landfall_core::Wake::Work);
    };
    (0..1_001).for_each(wake);
    for client in [idle, flooded] {
        let said = scene.connect(OPERATIONS, "device", &client, 0).await;
        assert_eq!((&said[0]["error"], &said[0]["advice"]["reconnect"]), (&json!("402::Unknown client"), &json!("handshake")));
    }
}

#[tokio::test]
async fn clients_and_channels_have_limits() {
    let (scene, [sensor, _]) = scene().await;
    for _ in 0..100 {
        scene.client(REALTIME, "device").await;
    }
    let said = scene.said(REALTIME, "device", json!([{ "channel": "/meta/handshake" }])).await;
    assert_eq!((&said[0]["error"], &said[0]["advice"]["reconnect"]), (&json!("429::There are too many clients"), &json!("none")));
    let client = scene.client(REALTIME, "admin").await;
    let spelled = (0_u32..128).map(|n| {
        let upper = |(at, letter): (usize, char)| if n >> at & 1 == 1 { letter.to_ascii_uppercase() } else { letter };
        format!("/{}/{sensor}", "operations".chars().enumerate().map(upper).collect::<String>())
    });
    let mut answers = vec![];
    for channel in spelled {
        let message = json!({ "channel": "/meta/subscribe", "clientId": client, "subscription": channel });
        answers.push(scene.said(REALTIME, "admin", message).await[0]["successful"] == true);
    }
    assert_eq!(answers.iter().filter(|taken| **taken).count(), 100);
}
