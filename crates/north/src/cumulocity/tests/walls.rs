//! Every operation, asked by whoever has no right to what it names: another tenant, a reader, a device that does not own it, the bootstrap user.

use super::{Answer, Asked, Scene};
use crate::cumulocity::{OPERATIONS, Operation};
use serde_json::{Value, json};

/// What all that is `mine` says of itself, and no answer to others may.
const MARK: &str = "behind-the-wall";

/// What there is in the tenant `mine`, by id.
struct Mine {
    object: String,
    /// Of each kind of child.
    children: [(&'static str, String); 3],
    alarm: String,
    event: String,
    measurement: String,
    operation: String,
}

async fn asked(scene: &Scene, user: &str, method: &str, path: &str, body: &Value) -> Answer {
    let headers = [("authorization", scene.basic(user)), ("accept", "application/json"), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    scene.answer(Asked { method, path, headers: &headers, body: body.as_bytes() }).await
}

async fn made(scene: &Scene, path: &str, body: Value) -> String {
    let answer = asked(scene, "admin", "POST", path, &body).await;
    assert_eq!(answer.status, 201, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()["id"].as_str().unwrap_or_default().to_owned()
}

/// What names the object in every way that a body can.
fn saying(object: &str, text: &str) -> Value {
    json!({
        "id": "wall", "source": { "id": object }, "deviceId": object, "managedObject": { "id": object }, "time": "2026-01-01T00:00:00Z",
        "type": text, "externalId": "other", "text": text, "severity": "MAJOR", "c8y_Wall": { "T": { "value": 1 } },
    })
}

impl Mine {
    async fn new(scene: &Scene) -> Self {
        let new = json!({ "name": MARK, "c8y_IsDevice": {} });
        let object = made(scene, "/inventory/managedObjects", new.clone()).await;
        let mut children = [("childDevices", String::new()), ("childAssets", String::new()), ("childAdditions", String::new())];
        for (kind, child) in &mut children {
            let of_kind = if *kind == "childDevices" { new.clone() } else { json!({ "name": MARK }) };
            *child = made(scene, "/inventory/managedObjects", of_kind).await;
            made(scene, &format!("/inventory/managedObjects/{object}/{kind}"), json!({ "managedObject": { "id": child } })).await;
        }
        made(scene, &format!("/identity/globalIds/{object}/externalIds"), json!({ "type": "c8y_Serial", "externalId": "s1" }))
            .await;
        made(scene, "/devicecontrol/newDeviceRequests", json!({ "id": "r1", "type": MARK })).await;
        let said = saying(&object, MARK);
        let (alarm, event) = (made(scene, "/alarm/alarms", said.clone()).await, made(scene, "/event/events", said.clone()).await);
        let measurement = made(scene, "/measurement/measurements", said).await;
        let restart = json!({ "deviceId": object, "description": MARK, "c8y_Restart": {} });
        let operation = made(scene, "/devicecontrol/operations", restart).await;
        Self { object, children, alarm, event, measurement, operation }
    }

    /// The path with what is mine in it.
    fn path(&self, operation: &Operation) -> String {
        let child = self.children.iter().find(|(kind, _)| operation.path.contains(kind)).map_or("", |(_, id)| id);
        let filled = [
            ("{id}", self.object.as_str()),
            ("{childId}", child),
            ("{alarmId}", &self.alarm),
            ("{eventId}", &self.event),
            ("{measurementId}", &self.measurement),
            ("{operationId}", &self.operation),
            ("{requestId}", "r1"),
            ("{externalId}", "s1"),
            ("{type}", if operation.path.starts_with("/tenant") { "BASIC" } else { "c8y_Serial" }),
        ];
        let path = filled.iter().fold(operation.path.to_owned(), |path, (name, value)| path.replace(name, value));
        assert!(!path.contains('{'), "say what stands for the parameter of {path}");
        match operation.method {
            "get" => format!("{path}?source={0}&deviceId={0}", self.object),
            "put" | "delete" if path.ends_with('s') => format!("{path}?source={}", self.object),
            _ => path,
        }
    }

    fn body(&self, operation: &Operation) -> Value {
        let area = operation.path.split('/').nth(2).unwrap_or_default();
        match (operation.method, area) {
            ("post", _) => saying(&self.object, "another"),
            ("put", "alarms") => json!({ "status": "CLEARED" }),
            ("put", "newDeviceRequests") => json!({ "status": "ACCEPTED" }),
            ("put", "operations") => json!({ "status": "EXECUTING" }),
            ("put", "events") => json!({ "text": "changed" }),
            ("put", _) => json!({ "name": "changed" }),
            _ => Value::Null,
        }
    }

    /// All of it, as an administrator of its tenant sees it.
    async fn seen(&self, scene: &Scene) -> Vec<Value> {
        let mut seen = vec![];
        let others = ["getCurrentUser", "listManagedObjects"];
        for operation in
            OPERATIONS.iter().filter(|one| one.method == "get" && !one.path.contains("binaries") && !others.contains(&one.id))
        {
            let answer = asked(scene, "admin", "GET", &self.path(operation), &Value::Null).await;
            assert_eq!(answer.status, 200, "{}", operation.id);
            seen.push(answer.json());
        }
        seen
    }
}

#[tokio::test]
async fn no_operation_reaches_over_a_wall() {
    let mut scene = Scene::new().await;
    let other = scene.ground.device_user(&scene.mine, "dev2").await;
    let basic = scene.ground.basic(&other).await;
    scene.bindings.set("other", basic);
    let mine = Mine::new(&scene).await;
    let before = mine.seen(&scene).await;
    assert!(before.iter().filter(|seen| seen.to_string().contains(MARK)).count() > 15, "{before:?}");
    for operation in OPERATIONS {
        let (path, body, method) = (mine.path(operation), mine.body(operation), operation.method.to_uppercase());
        let (open, own) = (operation.path.starts_with("/tenant/loginOptions"), operation.path.starts_with("/user/"));
        let named = operation.path.contains('{') && !open;
        let (binary, talk) = (operation.path.contains("binaries"), operation.media == "realtime");
        for user in ["stranger", "other", "reader", "bootstrap"] {
            let answer = asked(&scene, user, &method, &path, &body).await;
            let (status, text) = (answer.status, String::from_utf8_lossy(&answer.body).into_owned());
            let right = match user {
                _ if open => status == 200,
                "bootstrap" if operation.id == "createDeviceCredentials" => status == 404,
                "bootstrap" => status == 403,
                "reader" if method == "GET" => status == 200 || binary && status == 404,
                "reader" => own || talk || status == 403,
                _ if named && binary => (400..500).contains(&status),
                "stranger" if named => status == 404,
                _ if named => matches!(status, 403 | 404),
                _ => status < 500,
            };
            assert!(right, "{user} {method} {path}: {status} {text}");
            assert!(user == "reader" || !text.contains(MARK), "{user} {method} {path}: {text}");
        }
    }
    assert_eq!(mine.seen(&scene).await, before, "somebody changed what is behind the wall");
}
