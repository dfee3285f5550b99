//! Groups as operators see them: the command line over files of devices.

use super::{
    api::{App, admin, text},
    jobs::nodes_of,
    server::Server,
};
use serde_json::{Value, json};
use std::path::PathBuf;

const NODES: usize = 2_500;

/// An application of the first account with its devices. Gives the devices.
fn devices(server: &Server, app: &App<'_>) -> Vec<String> {
    let path = format!("/apps/{}/originator", app.id);
    assert_eq!(admin(server, "PUT", &path, Some(json!({"originator": "Cdefault"}))).status, 200);
    let job = nodes_of(server, "default", NODES, &[]);
    let (ok, _, error) = server.cli(&["job", "watch", &job]);
    assert!(ok, "{error}");
    let page = |no: usize| admin(server, "GET", &format!("/jobs/{job}/targets?pageSize=1000&pageNo={no}"), None).json();
    let items = (0..NODES.div_ceil(1_000)).flat_map(|no| page(no)["items"].as_array().cloned().unwrap_or_default());
    let mut ids: Vec<String> = items.map(|target| text(&target, "deviceId")).collect();
    ids.sort_unstable();
    assert_eq!(ids.len(), NODES);
    ids
}

fn file(server: &Server, name: &str, lines: &[String]) -> PathBuf {
    let path = server.data().join(name);
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

/// More devices than one request takes join and leave; what a bad line stops is told, and what was before it stays.
#[test]
fn groups_are_filled_from_files() {
    let server = Server::start();
    let app = App::create(&server, "default", "meters");
    let ids = devices(&server, &app);
    let body = json!({"name": "fleet", "appId": app.id, "maxDevNum": 0, "deviceIds": []});
    let made = app.call("POST", "/iocm/app/devgroup/v1.3.0/devGroups", Some(body));
    assert_eq!(made.status, 200, "{}", made.text);
    let group = text(&made.json(), "id");
    let run = |arguments: &[&str]| {
        let (ok, out, error) = server.cli(&[&["group"], arguments].concat());
        assert!(ok, "{arguments:?}: {error}");
        out
    };
    let shown = |arguments: &[&str]| serde_json::from_str::<Value>(&run(arguments)).unwrap();
    let members = || run(&["members", &group]).lines().map(str::to_owned).collect::<Vec<_>>();
    let whole = file(&server, "whole", &ids);
    let done = shown(&["add", &group, "--file", whole.to_str().unwrap(), "--json"]);
    assert_eq!(done, json!({"done": NODES, "members": NODES}));
    assert_eq!(members(), ids, "each once, by id");
    let after = run(&["members", &group, "--after", &ids[NODES - 3]]);
    assert_eq!(after.lines().collect::<Vec<_>>(), &ids[NODES - 2..]);
    let one = shown(&["show", &group, "--json"]);
    assert_eq!((&one["name"], &one["appId"], &one["members"]), (&"fleet".into(), &app.id.as_str().into(), &NODES.into()));
    for filter in [&[][..], &["--app", "meters"], &["--name", "fleet"]] {
        assert_eq!(shown(&[&["list"], filter, &["--json"]].concat()), json!({"total": 1, "items": [one]}), "{filter:?}");
    }
    assert_eq!(shown(&["list", "--name", "other", "--json"])["total"], 0);
    let left = shown(&["remove", &group, &ids[0], &ids[1], "--json"]);
    assert_eq!(left, json!({"done": 2, "members": NODES - 2}));
    // The second slice has a line that is no device: the first is done, the second not at all.
    let mut lines = ids.clone();
    lines[1_500] = "00000000-0000-4000-8000-000000000000".into();
    let bad = file(&server, "bad", &lines);
    let (ok, _, error) = server.cli(&["group", "remove", &group, "--file", bad.to_str().unwrap()]);
    assert!(!ok && error.contains("(1000 devices before that are done)"), "{error}");
    assert_eq!(members(), &ids[1_000..]);
    let done = shown(&["remove", &group, "--file", whole.to_str().unwrap(), "--json"]);
    assert_eq!(done, json!({"done": NODES, "members": 0}));
    assert_eq!(run(&["members", &group]), "");
    let (ok, _, error) = server.cli(&["group", "show", "none"]);
    assert!(!ok && error.contains("ResourceNotFound"), "{error}");
}
