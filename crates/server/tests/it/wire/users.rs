//! Users as operators make them, and as they log in.

use super::{
    api::{Answer, admin, send},
    server::Server,
};
use base64::prelude::{BASE64_STANDARD, Engine};
use landfall_testkit::contract::Contract;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

fn json(server: &Server, arguments: &[&str]) -> Value {
    let (ok, out, error) = server.cli(arguments);
    assert!(ok, "{arguments:?}: {error}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{arguments:?} printed {out}: {e}"))
}

/// Asks who one is.
fn who(server: &Server, name: &str, password: &str) -> Answer {
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")));
    send(server, "GET", "/user/currentUser", &[("Authorization", &basic)], None)
}

/// What operators read of the newest login that failed.
fn why(server: &Server) -> String {
    admin(server, "GET", "/why", None).json()["items"][0]["detail"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn users_are_made_by_command_line_and_log_in() {
    let server = Server::start();
    let account = json(&server, &["account", "set", "default", "--tenant", "acme", "--json"]);
    assert_eq!((&account["tenant"], &account["settings"]["deviceApp"]), (&"acme".into(), &Value::Null));
    let app = json(&server, &["app", "create", "shop", "--json"]);
    let set =
        |app: &str| json(&server, &["account", "set", "default", "--device-app", app, "--json"])["settings"]["deviceApp"].clone();
    assert_eq!((set("shop"), set("-")), (app["appId"].clone(), Value::Null));
    let made = json(&server, &["user", "add", "max", "--json"]);
    assert_eq!((&made["tenant"], &made["role"], &made["enabled"]), (&"acme".into(), &"admin".into(), &true.into()));
    let password = made["password"].as_str().unwrap();
    for name in ["acme/max", "max"] {
        let shown = who(&server, name, password);
        assert_eq!((shown.status, &shown.json()["userName"]), (200, &"max".into()), "{}", shown.text);
    }
    assert_eq!(who(&server, "acme/max", "wrong").status, 401);
    assert_eq!(why(&server), "the password is not the user's");
    let listed = json(&server, &["user", "list", "--role", "admin", "--json"]);
    assert_eq!((&listed["total"], &listed["items"][0]["name"]), (&1.into(), &"max".into()));
    json(&server, &["user", "set", "acme/max", "--enabled", "false", "--json"]);
    assert_eq!((who(&server, "acme/max", password).status, why(&server)), (401, "the user is disabled".into()));
    json(&server, &["user", "set", "max", "--enabled", "true", "--role", "reader", "--json"]);
    let other = json(&server, &["user", "password", "max", "--json"]);
    assert_eq!(who(&server, "max", password).status, 401);
    assert_eq!(who(&server, "max", other["password"].as_str().unwrap()).status, 200);
    let made = json(&server, &["user", "add", "management/devicebootstrap", "--role", "bootstrap", "--json"]);
    assert_eq!(who(&server, "management/devicebootstrap", made["password"].as_str().unwrap()).status, 403);
    let (ok, _, error) = server.cli(&["user", "add", "acme/boot", "--role", "bootstrap"]);
    assert!(!ok && error.contains("InvalidField: role"), "{error}");
    json(&server, &["user", "delete", "max", "--json"]);
    let (ok, _, error) = server.cli(&["user", "show", "max"]);
    assert!(!ok && error.contains("UserNotFound"), "{error}");
}

#[test]
fn a_database_without_its_key_lets_no_device_in_and_says_why() {
    let mut server = Server::start();
    let user = json!({"name": "max", "role": "admin", "password": "long enough"});
    assert_eq!(admin(&server, "POST", "/users", Some(user)).status, 201);
    let basic = format!("Basic {}", BASE64_STANDARD.encode("max:long enough"));
    let form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.csv\"\r\n\r\nID;CREDENTIALS\r\n1;a secret\r\n--x--\r\n";
    let headers = [("Authorization", &*basic), ("Content-Type", "multipart/form-data; boundary=x"), ("Accept", "*/*")];
    let made = send(&server, "POST", "/devicecontrol/bulkNewDeviceRequests", &headers, Some(form.as_bytes()));
    assert_eq!((made.status, &made.json()["numberOfCreated"]), (201, &1.into()), "{}", made.text);
    assert_eq!(who(&server, "device_1", "a secret").status, 200);
    let key = server.data().join("password.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read(&key).unwrap();
    assert!(server.stop());
    std::fs::remove_file(&key).unwrap();
    server.resume();
    assert_eq!(who(&server, "device_1", "a secret").status, 401);
    assert!(why(&server).contains("another password.key"), "{}", why(&server));
    assert_eq!(who(&server, "max", "long enough").status, 200, "people do not need it");
    assert!(server.stop());
    std::fs::write(&key, kept).unwrap();
    server.resume();
    assert_eq!(who(&server, "device_1", "a secret").status, 200);
}

/// Every answer about users is one of the document.
#[test]
fn users_are_told_as_their_document_says() {
    let server = Server::start();
    let document = Contract::parse(include_str!("../../../../../spec/admin/openapi.yaml")).unwrap();
    let call = |method: &str, path: &str, body: Option<Value>, status: u16| {
        let answer = admin(&server, method, path, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        let judged = document.check_answer(method, path.split('?').next().unwrap(), status, answer.text.as_bytes());
        judged.unwrap_or_else(|why| panic!("{method} {path}: {why}"));
    };
    let user = |role: &str| Some(json!({"name": "max", "role": role}));
    call("POST", "/users", user("reader"), 201);
    call("POST", "/users", user("reader"), 409);
    call("POST", "/users", user("device"), 400);
    call("POST", "/users?tenant=management", user("bootstrap"), 201);
    call("POST", "/users?tenant=nowhere", user("admin"), 404);
    call("GET", "/users", None, 200);
    call("GET", "/users?tenant=management&role=bootstrap", None, 200);
    call("GET", "/users?role=king", None, 400);
    call("GET", "/users/max", None, 200);
    call("GET", "/users/ann", None, 404);
    call("PATCH", "/users/max", Some(json!({"enabled": false, "role": "admin"})), 200);
    call("PATCH", "/users/max", Some(json!({"role": "bootstrap"})), 400);
    call("POST", "/users/max/password", Some(json!({})), 200);
    call("POST", "/users/max/password", Some(json!({"password": "long enough"})), 200);
    call("POST", "/users/max/password", Some(json!({"password": "short"})), 400);
    call("DELETE", "/users/max", None, 204);
    call("DELETE", "/users/max", None, 404);
    call("PATCH", "/accounts/default", Some(json!({"tenant": "acme"})), 200);
    call("PATCH", "/accounts/default", Some(json!({"tenant": "management"})), 400);
    call("GET", "/accounts/default", None, 200);
}
