//! Jobs as operators see them: the command line and the admin API.

use super::{
    api::{account, admin, send, text},
    server::{Server, until},
};
use landfall_testkit::contract::Contract;
use serde_json::{Value, json};

const KEY: &str = "c2VjcmV0LW9mLWEtbWV0ZXI=";

fn cli(server: &Server, arguments: &[&str]) -> Value {
    let (ok, out, error) = server.cli(arguments);
    assert!(ok, "{arguments:?}: {error}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{arguments:?} printed {out}: {e}"))
}

/// A list of nodes in an account of its own, or the server's first; some lack their keys. Gives the id of its job.
fn list(server: &Server, account: &str, nodes: usize, bad: &[usize]) -> String {
    let app = admin(server, "POST", &format!("/apps?account={account}"), Some(json!({"name": "meters"}))).json();
    let path = format!("/apps/{}/originator?account={account}", text(&app, "appId"));
    assert_eq!(admin(server, "PUT", &path, Some(json!({"originator": format!("C{account}")}))).status, 200);
    nodes_of(server, account, nodes, bad)
}

/// The nodes of such a list for an originator that is there.
pub fn nodes_of(server: &Server, account: &str, nodes: usize, bad: &[usize]) -> String {
    let node = |n: usize| {
        let mut keys = vec![format!("psk-id:{account}{n}"), format!("psk:{KEY}")];
        keys.truncate(if bad.contains(&n) { 1 } else { 2 });
        json!({"ni": format!("urn:x-dtiot:dev:sn:{account}-{n}"), "noRNe": format!("m{n}"), "profe": "SCS-LwM2M", "nCr": keys})
    };
    let nodes: Vec<Value> = (0..nodes).map(node).collect();
    let body = json!({"dtiot:noPRt": {"cnd": "com.telekom.iot.orchestrator.nodeProvisioningRequest", "reqLt": nodes}});
    let made = admin(server, "POST", &format!("/provisioning?account={account}"), Some(body));
    assert_eq!(made.status, 201, "{}", made.text);
    text(&made.json(), "jobId")
}

/// What came of a job, and the failed targets again.
#[test]
fn operators_follow_jobs_to_their_end() {
    let server = Server::start();
    let job = list(&server, "default", 250, &[120, 240]);
    let (ok, out, error) = server.cli(&["job", "watch", &job, "--json"]);
    assert!(!ok && error.contains("248 of 250 targets succeeded, 2 failed"), "{error}");
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&shown["kind"], &shown["state"], &shown["done"]), (&"provisioning".into(), &"finished".into(), &250.into()));
    assert_eq!(cli(&server, &["job", "show", &job, "--json"]), shown);
    let listed = cli(&server, &["job", "list", "--kind", "provisioning", "--state", "over", "--app", "meters", "--json"]);
    assert_eq!(listed, json!({"total": 1, "items": [shown]}));
    for none in [["--state", "open"], ["--kind", "commands"]] {
        assert_eq!(cli(&server, &[&["job", "list"], &none[..], &["--json"]].concat())["total"], 0);
    }
    let (ok, lines, error) = server.cli(&["job", "failed", &job]);
    assert!(ok, "{error}");
    assert_eq!(lines, "120 failed - psk info is missing\n240 failed - psk info is missing\n");
    let failed = cli(&server, &["job", "failed", &job, "--json"]);
    assert_eq!((&failed["total"], &failed["items"][1]["place"]), (&2.into(), &240.into()));
    for verb in ["pause", "resume", "stop"] {
        let (ok, _, error) = server.cli(&["job", verb, &job]);
        assert!(!ok && error.contains("JobNotReady"), "{verb}: {error}");
    }
    let (ok, out, error) = server.cli(&["job", "retry", &job, "--name", "again", "--watch", "--json"]);
    assert!(!ok && error.contains("0 of 2 targets succeeded, 2 failed"), "{error}");
    let again: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&again["retryOf"], &again["name"]), (&job.as_str().into(), &"again".into()));
    assert_eq!(cli(&server, &["provisioning", "list", "--json"])["total"], 2);
    let targets = admin(&server, "GET", &format!("/jobs/{job}/targets?pageSize=1000"), None).text;
    for shown in [targets, cli(&server, &["job", "list", "--json"]).to_string(), lines] {
        assert!(!shown.contains(KEY) && !shown.contains("psk-id"), "keys are shown: {shown}");
    }
    let bearer = format!("Bearer {}", server.admin_token());
    let metrics = send(&server, "GET", "/metrics", &[("Authorization", bearer.as_str())], None).text;
    for line in ["job_targets_begun_total 252", "job_targets_ended_total{outcome=\"failed\"} 4", "jobs_open 0"] {
        assert!(metrics.contains(&format!("landfall_{line}\n")), "{line} is missing in\n{metrics}");
    }
}

/// Every answer is one of the document, of a job that rests, goes on and is stopped; who waits for a job is told when it is another.
#[test]
fn jobs_rest_and_are_stopped() {
    let server = Server::start();
    let document = Contract::parse(include_str!("../../../../../spec/admin/openapi.yaml")).unwrap();
    let call = |method: &str, path: &str, body: Option<Value>, status: u16| {
        let answer = admin(&server, method, path, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        let judged = document.check_answer(method, path.split('?').next().unwrap(), status, answer.text.as_bytes());
        assert!(judged.is_ok(), "{method} {path}: {}", judged.unwrap_err());
        answer.json()
    };
    let job = list(&server, "default", 10_000, &[]);
    let path = format!("/jobs/{job}");
    call("POST", &format!("{path}/retry"), Some(json!({})), 409);
    assert_eq!(call("POST", &format!("{path}/pause"), None, 200)["state"], "paused");
    // The part that was under way is over after this one.
    let rests = call("GET", &format!("{path}?seen=other"), None, 200);
    let seen = text(&rests, "mark");
    assert!(rests["expectedEnd"].is_null() && rests["counts"]["waiting"].as_u64() > Some(0), "{rests}");
    assert_eq!(call("GET", &format!("{path}?seen={seen}&waitS=1"), None, 200)["mark"], rests["mark"], "nothing changed");
    assert_eq!(call("GET", "/jobs?state=open&kind=provisioning&app=meters", None, 200)["total"], 1);
    call("POST", &format!("{path}/resume"), None, 200);
    assert_ne!(call("GET", &format!("{path}?seen={seen}"), None, 200)["mark"], rests["mark"]);
    assert_eq!(call("POST", &format!("{path}/stop"), None, 200)["state"], "stopped");
    let over = until("the end", || Some(call("GET", &path, None, 200)).filter(|job| !job["finishedAt"].is_null()));
    assert!(over["done"] == 10_000 && over["counts"]["stopped"].as_u64() > Some(0), "{over}");
    let stopped = over["counts"]["stopped"].as_u64().unwrap();
    let first = 10_000 - stopped;
    for query in ["state=stopped&pageSize=2".to_owned(), format!("state=stopped&from={first}&pageSize=2")] {
        let page = call("GET", &format!("{path}/targets?{query}"), None, 200);
        let places: Vec<u64> = page["items"].as_array().unwrap().iter().filter_map(|one| one["place"].as_u64()).collect();
        assert_eq!((&page["total"], places), (&stopped.into(), vec![first, first + 1]));
    }
    let (ok, _, error) = server.cli(&["job", "watch", &job]);
    assert!(!ok && error.contains(&format!("{stopped} stopped")), "{error}");
    let (ok, lines, _) = server.cli(&["job", "failed", &job]);
    assert!(ok && lines.lines().count() as u64 == stopped, "paged through to the end");
    for (query, field) in [("waitS=61", "waitS"), ("waitS=0", "waitS"), ("later=1", "later")] {
        assert_eq!(call("GET", &format!("{path}?{query}"), None, 400)["error"]["path"], field);
    }
    for (query, field) in [("state=gone", "state"), ("from=0", "from"), ("from=0&state=waiting", "from")] {
        assert_eq!(call("GET", &format!("{path}/targets?{query}"), None, 400)["error"]["path"], field);
    }
    for (query, field) in [("state=running", "state"), ("kind=other", "kind")] {
        assert_eq!(call("GET", &format!("/jobs?{query}"), None, 400)["error"]["path"], field);
    }
    for gone in ["/jobs/none", "/jobs/00000000-0000-4000-8000-000000000000", "/jobs/none/targets"] {
        call("GET", gone, None, 404);
    }
}

/// Operators of an account see its jobs alone.
#[test]
fn jobs_stay_within_their_account() {
    let server = Server::start();
    let (mine, theirs) = (account(&server, "mine"), account(&server, "theirs"));
    let (own, foreign) = (list(&server, &mine, 2, &[]), list(&server, &theirs, 2, &[]));
    let token = text(&admin(&server, "POST", "/accounts/mine/token", None).json(), "token");
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let call = |method: &str, path: &str| send(&server, method, &format!("/api/v1{path}"), &headers, Some(b"{}"));
    let listed = call("GET", "/jobs").json();
    assert_eq!((&listed["total"], &listed["items"][0]["jobId"]), (&1.into(), &own.as_str().into()));
    for (method, verb) in
        [("GET", ""), ("GET", "/targets"), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/stop"), ("POST", "/retry")]
    {
        assert_eq!(call(method, &format!("/jobs/{foreign}{verb}")).status, 404, "{method} {verb}");
    }
    assert_eq!(call("GET", &format!("/jobs/{own}")).status, 200);
}
