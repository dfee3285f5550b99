//! Why calls of applications were refused: kept for the operator of their account, and told to the application that asks.

use super::{
    api::{self, Answer, App, admin, send},
    server::Server,
};
use serde_json::{Value, json};

pub const ASKS: (&str, &str) = ("X-Landfall-Reason", "on");
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

pub fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// A call of OceanConnect with this token.
fn call(app: &App<'_>, token: &str, path: &str, more: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("app_key", app.id.as_str()), ("Authorization", &bearer)];
    send(app.server, "GET", path, &[&headers, more].concat(), None)
}

/// The records of an application, newest first.
pub fn why(app: &App<'_>, account: &str) -> Vec<Value> {
    let answer = admin(app.server, "GET", &format!("/apps/{}/why?account={account}", app.id), None);
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["items"].as_array().unwrap().clone()
}

#[test]
fn a_refused_call_leaves_its_reason_with_its_application() {
    let server = Server::start();
    let (mine, theirs) = (api::account(&server, "mine"), api::account(&server, "theirs"));
    let (app, other) = (App::create(&server, &mine, "app"), App::create(&server, &theirs, "app"));
    let path = format!("/iocm/app/dm/v1.4.0/devices/{NOBODY}");

    let plain = call(&app, &app.token, &path, &[]);
    let asked = call(&app, &app.token, &path, &[ASKS]);
    assert_eq!((plain.status, &plain.text), (404, &asked.text), "the body is the contract's");
    assert_eq!(header(&plain, "x-landfall-reason"), None);
    let reason = header(&asked, "x-landfall-reason").unwrap();
    assert!(reason.starts_with("DeviceNotFound: "), "{reason}");
    let good = call(&app, &app.token, "/iocm/app/dm/v1.4.0/devices?pageNo=0", &[ASKS]);
    assert_eq!((good.status, header(&good, "x-landfall-reason")), (200, None));

    let found = why(&app, &mine);
    assert_eq!(found.len(), 2, "{found:?}");
    let id = header(&asked, "x-request-id").unwrap();
    let expected =
        json!({"requestId": id, "dialect": "oceanconnect", "operation": "get_device", "status": 404, "code": "100403"});
    assert_eq!(
        (&found[0]["call"], &found[0]["check"], &found[0]["identity"]),
        (&expected, &"DeviceNotFound".into(), &json!(app.id))
    );
    assert!(found[0]["peer"].as_str().unwrap().starts_with("127.0.0.1:") && found[0]["at"].is_string(), "{}", found[0]);
    assert!(reason.ends_with(found[0]["detail"].as_str().unwrap()), "{reason} {}", found[0]);

    assert_eq!(why(&other, &theirs), Vec::<Value>::new());
    let foreign = admin(&server, "GET", &format!("/apps/{}/why?account={theirs}", app.id), None);
    assert_eq!(foreign.status, 404, "{}", foreign.text);
    let (ok, table, error) = server.cli(&["app", "why", &app.id, "--account", &mine]);
    assert!(ok && table.contains("get_device") && table.contains("100403"), "{table}{error}");
    let bearer = format!("Bearer {}", server.admin_token());
    let metrics = send(&server, "GET", "/metrics", &[("Authorization", bearer.as_str())], None).text;
    let line = r#"landfall_calls_refused_total{dialect="oceanconnect",operation="get_device",check="DeviceNotFound"} 2"#;
    assert!(metrics.lines().any(|l| l == line), "{metrics}");
}

#[test]
fn what_is_wrong_with_a_credential_is_for_the_operator_alone() {
    let server = Server::start();
    let account = api::account(&server, "mine");
    let mut app = App::create(&server, &account, "app");
    let path = "/iocm/app/dm/v1.4.0/devices?pageNo=0";
    let earlier = app.token.clone();
    app.login();
    let cases =
        [(earlier.as_str(), "a later login or refresh replaced it"), ("nonsense", "a later login or refresh replaced it")];
    for (token, detail) in cases {
        let refused = call(&app, token, path, &[ASKS]);
        assert_eq!(header(&refused, "x-landfall-reason"), Some("Unauthenticated: no credential, or a wrong one"));
        let found = &why(&app, &account)[0];
        assert!(found["detail"].as_str().unwrap().ends_with(detail) && !found.to_string().contains(token), "{found}");
        assert_eq!((&found["check"], &found["call"]["code"]), (&json!("Unauthenticated"), &json!("1010005")));
    }
    let login = |id: &str, secret: &str| {
        let body = format!("appId={id}&secret={secret}");
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        send(&server, "POST", "/iocm/app/sec/v1.1.0/login", &[form, ASKS], Some(body.as_bytes()))
    };
    let (known, unknown) = (login(&app.id, "wrong"), login(NOBODY, "wrong"));
    assert_eq!(header(&known, "x-landfall-reason"), header(&unknown, "x-landfall-reason"), "strangers do not learn who there is");
    let found = &why(&app, &account)[0];
    assert_eq!((&found["call"]["operation"], &found["check"]), (&json!("login"), &json!("Unauthenticated")));
    assert!(!found["detail"].as_str().unwrap().contains("wrong"), "{found}");

    let strangers = admin(&server, "GET", "/why", None).json();
    let found = &strangers["items"][0];
    assert_eq!(
        (&found["identity"], &found["step"], &found["call"]["operation"]),
        (&json!(NOBODY), &json!("oceanconnect"), &json!("login"))
    );
    assert!(!strangers.to_string().contains(&app.id), "what is known of an application is with it: {strangers}");
}

#[test]
fn calls_of_operators_and_of_nothing_leave_reasons_too() {
    let server = Server::start();
    let account = api::account(&server, "mine");
    let app = App::create(&server, &account, "app");
    let of_app = format!("/apps/{}/originator?account={account}", app.id);
    assert_eq!(admin(&server, "PUT", &of_app, Some(json!({"originator": "wrong"}))).status, 400);
    let found = &why(&app, &account)[0];
    let expected = json!({"dialect": "admin", "operation": "setAppOriginator", "status": 400, "code": "InvalidField"});
    let mut shown = found["call"].clone();
    shown.as_object_mut().unwrap().remove("requestId");
    assert_eq!((&shown, &found["check"]), (&expected, &json!("InvalidField")));

    let none = call(&app, &app.token, "/iocm/app/none/v1.0.0/of", &[ASKS]);
    assert!(header(&none, "x-landfall-reason").unwrap().starts_with("path.unknown: "), "{none:?}");
}
