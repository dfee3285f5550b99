//! The command line against a running server, as an operator uses it.

use super::{
    api::{admin, send},
    server::Server,
};
use serde_json::Value;

fn json(server: &Server, arguments: &[&str]) -> Value {
    let (ok, out, error) = server.cli(arguments);
    assert!(ok, "{arguments:?}: {error}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{arguments:?} printed {out}: {e}"))
}

#[test]
fn the_command_line_does_the_operators_work() {
    let server = Server::start();
    let app = json(&server, &["app", "create", "meters", "--json"]);
    assert!(app["appId"].is_string() && app["secret"].is_string(), "{app}");
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model.json");
    std::fs::write(&model, super::api::thermometer_model().to_string()).unwrap();
    let product = json(&server, &["product", "import", model.to_str().unwrap(), "--json"]);
    assert!(product["productId"].is_string(), "{product}");

    let (ok, table, error) = server.cli(&["app", "list"]);
    assert!(ok && table.contains("meters"), "{table}{error}");
    let (ok, _, error) = server.cli(&["product", "import", model.to_str().unwrap()]);
    assert!(!ok && error.contains("ProductExists"), "{error}");
    let (ok, _, error) = server.cli(&["device", "show", "00000000-0000-4000-8000-000000000000"]);
    assert!(!ok && error.contains("DeviceNotFound"), "{error}");
    let (ok, script, _) = server.cli(&["completions", "bash"]);
    assert!(ok && script.contains("landfall"));
    let status = json(&server, &["status", "--json"]);
    assert!(status.is_object(), "{status}");
}

#[test]
fn health_readiness_and_metrics_are_served() {
    let server = Server::start();
    let get = |path: &str, token: Option<&str>| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
        send(&server, "GET", path, &headers, None)
    };
    assert_eq!(get("/health", None).status, 200);
    assert_eq!(get("/ready", None).status, 200);
    assert_eq!(get("/metrics", None).status, 401);
    let metrics = get("/metrics", Some(&server.admin_token()));
    assert!(metrics.status == 200 && metrics.text.contains("landfall_devices 0"), "{}", metrics.text);
    let account = super::api::account(&server, "blind");
    let rotated = admin(&server, "POST", &format!("/accounts/{account}/token"), None).json();
    assert_eq!(get("/metrics", rotated["token"].as_str()).status, 403, "an account's operator must not see the server's numbers");
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::start();
    let data = server.data().to_str().unwrap().to_owned();
    let (ok, _, error) = server.cli(&["serve", "--data", &data]);
    assert!(!ok && !error.is_empty(), "{error}");
    assert!(server.cli(&["status"]).0, "the first one is still found");
}

#[test]
fn configuration_is_printed_and_checked() {
    let server = Server::start();
    let (ok, text, _) = server.cli(&["config", "print"]);
    assert!(ok && text.contains("[listen]"));
    let file = server.data().join("bad.toml");
    std::fs::write(&file, "[listen]\nhtps = \"off\"\n").unwrap();
    let (ok, _, error) = server.cli(&["config", "check", "--config", file.to_str().unwrap()]);
    assert!(!ok && error.contains("htps"), "{error}");
}
