//! One rule for JSON, whoever sends it: what is around the text does not matter, of twins the last counts, numbers must fit a double.

use super::{
    api::{self, App},
    server::Server,
};

/// A body as firmware and editors send it, with a member of the name twice.
fn odd(json: &str) -> Vec<u8> {
    ["\u{feff}", json, "\r\n\0"].concat().into_bytes()
}

#[test]
fn every_dialect_reads_json_by_one_rule() {
    let server = Server::start();
    let account = api::account(&server, "bodies");
    let (app, product) = (App::create(&server, &account, "app"), api::thermometer(&server, &account));

    let bearer = format!("Bearer {}", app.token);
    let headers = [("app_key", app.id.as_str()), ("Authorization", &bearer), ("Content-Type", "application/json")];
    let register = |body: &[u8]| api::send(&server, "POST", "/iocm/app/reg/v2.0.0/deviceCredentials", &headers, Some(body));
    let body = format!(
        r#"{{"deviceInfo":{{"nodeId":"no"}},"deviceInfo":{{"nodeId":"n","nodeId":"node-1"}},"mqttConnect":true,"productId":"{product}"}}"#
    );
    let registered = register(&odd(&body));
    assert_eq!(registered.status, 200, "{}", registered.text);
    let device = api::text(&registered.json(), "deviceId");
    assert_eq!(register(br#"{"deviceInfo":{"nodeId":"node-2"},"timeout":1e400}"#).error(), (400, "100007".to_owned()));

    let token = format!("Bearer {}", server.admin_token());
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    let show = |method: &str, body: Option<&[u8]>| {
        api::send(&server, method, &format!("/api/v1/devices/{device}?account={account}"), &headers, body)
    };
    assert_eq!(show("GET", None).json()["nodeId"], "node-1");
    let changed = show("PATCH", Some(&odd(r#"{"info":{"name":"first","name":"last"}}"#)));
    assert_eq!((changed.status, &changed.json()["info"]["name"]), (200, &"last".into()), "{}", changed.text);
    let refused = show("PATCH", Some(br#"{"customFields":{"a":[1e400]}}"#));
    assert!(refused.status == 400 && refused.text.contains("beyond the range of a double"), "{}", refused.text);
}
