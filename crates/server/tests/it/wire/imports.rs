//! Imports: files through the command line and the admin API, and a server that dies again and again meanwhile.

use super::{
    api::{account, admin, send, text},
    server::{Server, until},
};
use landfall_testkit::contract::Contract;
use serde_json::{Value, json};
use std::{
    fmt::Write,
    io::{Read, Write as _},
    net::TcpStream,
    path::Path,
};

fn app_of(server: &Server, account: &str) {
    let made = admin(server, "POST", &format!("/apps?account={account}"), Some(json!({"name": "meters"})));
    assert_eq!(made.status, 201, "{}", made.text);
}

fn post(server: &Server, path: &str, media: &str, body: &str) -> (u16, Value) {
    let bearer = format!("Bearer {}", server.admin_token());
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", media)];
    let answer = send(server, "POST", &format!("/api/v1{path}"), &headers, Some(body.as_bytes()));
    let document = Contract::parse(include_str!("../../../../../spec/admin/openapi.yaml")).unwrap();
    let judged = document.check_answer("POST", path.split('?').next().unwrap(), answer.status, answer.text.as_bytes());
    assert!(judged.is_ok(), "{path}: {}", judged.unwrap_err());
    (answer.status, answer.json())
}

fn over(server: &Server, job: &str) -> Value {
    let look = || Some(admin(server, "GET", &format!("/jobs/{job}"), None).json());
    until("the end of the job", || look().filter(|job| !job["finishedAt"].is_null()))
}

fn devices(server: &Server, account: &str) -> u64 {
    admin(server, "GET", &format!("/devices?account={account}&pageSize=1"), None).json()["total"].as_u64().unwrap()
}

fn table(rows: usize) -> String {
    let mut text = "nodeId,secret,name,isSecure,tag:floor\n".to_owned();
    for n in 0..rows {
        writeln!(text, "m{n},secret-{n},\"meter, {n}\",,{}", n % 7).unwrap();
    }
    text
}

fn write(path: &Path, text: &str) -> String {
    std::fs::write(path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn files_are_imported_checked_and_undone_over_the_command_line() {
    let server = Server::start();
    app_of(&server, "default");
    let folder = tempfile::tempdir().unwrap();
    let mut rows = table(1_500);
    rows.push_str("m7,other,,,\nx1,s,,maybe,\nx2,s\n");
    let file = write(&folder.path().join("meters.csv"), &rows);
    let (ok, _, error) = server.cli(&["device", "import", &file, "--dry-run"]);
    assert!(!ok && error.contains("1500 devices are good, 3 failed"), "{error}");
    let (ok, _, error) = server.cli(&["device", "import", &file, "--all-or-nothing"]);
    assert!(!ok && error.contains("0 devices registered, 3 failed"), "{error}");
    assert_eq!(devices(&server, "default"), 0);
    let (ok, out, error) = server.cli(&["device", "import", &file, "--json"]);
    assert!(!ok && error.contains("1500 devices registered, 3 failed"), "{error}");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&told["good"], &told["failed"], devices(&server, "default")), (&json!(1_500), &json!(3), 1_500));
    let failed = std::fs::read_to_string(folder.path().join("meters.csv.failed.csv")).unwrap();
    let lines = [
        "nodeId,secret,name,isSecure,tag:floor,row,error",
        "m7,other,,,,1501,nodeId: NodeIdTaken: means the same as row 8 of the file",
        "x1,s,,maybe,,1502,isSecure: InvalidField: must be true or false",
        "x2,s,,,,1503,InvalidField: has 2 values; the header line has 5 columns",
    ];
    assert_eq!(failed.lines().collect::<Vec<_>>(), lines);
    let job = text(&told["job"], "jobId");
    let targets = admin(&server, "GET", &format!("/jobs/{job}/targets?pageSize=1000"), None).text;
    assert!(!targets.contains("secret-"), "secrets are shown");
    let shown = admin(&server, "GET", "/devices?nodeId=m9", None).json();
    assert_eq!((&shown["items"][0]["info"]["name"], &shown["items"][0]["tags"][0]["value"]), (&json!("meter, 9"), &json!("2")));
    let (ok, _, error) = server.cli(&["device", "import", "undo", &job]);
    assert!(ok, "{error}");
    assert_eq!(devices(&server, "default"), 0);
    let (ok, _, error) = server.cli(&["device", "import", "undo", &job]);
    assert!(!ok && error.contains("NameTaken"), "{error}");
    let json_file =
        write(&folder.path().join("meters.json"), "[{\"nodeId\":\"j1\"},\n{\"nodeId\":\"j2\",\"info\":{\"name\":\"n\"}}]");
    let (ok, _, error) = server.cli(&["device", "import", &json_file]);
    assert!(ok && devices(&server, "default") == 2, "{error}");
}

#[test]
fn every_answer_to_a_file_is_told_in_the_document() {
    let server = Server::start();
    let (mine, theirs) = (account(&server, "mine"), account(&server, "theirs"));
    for account in [&mine, &theirs] {
        app_of(&server, account);
    }
    let path = |query: &str| format!("/imports?account={mine}{query}");
    for (query, media, body, field) in [
        ("&mode=some", "text/csv", "nodeId\nn\n", "mode"),
        ("&dryRun=x", "text/csv", "nodeId\nn\n", "dryRun"),
        ("&app=none", "text/csv", "nodeId\nn\n", "app"),
        ("", "text/plain", "nodeId\nn\n", "Content-Type"),
        ("", "text/csv", "name\nn\n", "body"),
        ("", "text/csv", "nodeId\n", "body"),
        ("", "application/json", "[]", "body"),
        ("", "application/json", "[{\"nodeId\":\"n\"", "body"),
    ] {
        let (status, answer) = post(&server, &path(query), media, body);
        assert!(status >= 400 && answer["error"]["path"] == field, "{query} {media} {body}: {answer}");
    }
    let lines = "{\"nodeId\":\"n1\",\"app\":\"meters\"}\n{\"nodeId\":\"n2\",\"app\":\"none\"}\n{\"nodeId\":\"n3\",\"acces\":1}\n";
    let (status, job) = post(&server, &path("&name=first"), "application/x-ndjson", lines);
    assert_eq!((status, &job["kind"], &job["name"]), (201, &json!("import"), &json!("first")));
    let job = text(&job, "jobId");
    until("the end", || Some(devices(&server, &mine)).filter(|there| *there == 1));
    assert_eq!(post(&server, &path("&name=first"), "application/x-ndjson", lines).0, 409);
    let failed = format!("/imports/{job}/failed?account={mine}");
    let file =
        until("the failed rows", || Some(admin(&server, "GET", &failed, None)).filter(|file| file.text.lines().count() == 3));
    assert!(
        file.text.starts_with("nodeId,app,")
            && file.text.contains("n2,none,")
            && file.text.contains("2,app: InvalidField: there is no application of this id or name"),
        "{}",
        file.text
    );
    assert!(file.text.contains("3,\"InvalidField: unknown field `acces`"), "{}", file.text);
    assert_eq!(admin(&server, "GET", &format!("/imports/{job}/failed?account={theirs}"), None).status, 404);
    assert_eq!(post(&server, &format!("/imports/{job}/undo?account={theirs}"), "application/json", "{}").0, 404);
    assert_eq!(post(&server, &format!("/imports/{job}/undo?account={mine}"), "application/json", "{}").0, 201);
    until("the undoing", || Some(devices(&server, &mine)).filter(|there| *there == 0));
}

const ROWS: usize = 20_000;
const DEATHS: u64 = 10;

/// Each good row exists once, however often the server dies.
#[test]
fn kill_import() {
    let mut server = Server::start();
    app_of(&server, "default");
    let mut rows = table(ROWS);
    rows.push_str("m1,again,,,\n");
    let (status, job) = post(&server, "/imports", "text/csv", &rows);
    assert_eq!(status, 201, "{job}");
    let job = text(&job, "jobId");
    for death in 0..DEATHS {
        let enough = death * ROWS as u64 / (DEATHS + 2);
        until("rows to be made", || Some(devices(&server, "default")).filter(|there| *there >= enough));
        server.kill();
        server.resume();
    }
    let job = over(&server, &job);
    assert_eq!((&job["counts"]["succeeded"], &job["counts"]["failed"]), (&json!(ROWS), &json!(1)));
    assert_eq!(devices(&server, "default"), ROWS as u64, "the counter is exact");
    let mut names = std::collections::BTreeSet::new();
    for no in 0..ROWS / 1_000 {
        let page = admin(&server, "GET", &format!("/devices?pageSize=1000&pageNo={no}"), None).json();
        names.extend(page["items"].as_array().unwrap().iter().map(|device| text(device, "nodeId")));
    }
    assert_eq!(names.len(), ROWS);
}

/// A server that dies while a file comes: nothing of it is made, and its job is stopped after a while.
#[test]
fn an_upload_that_broke_off_makes_nothing() {
    let mut server = Server::start_with(&[("LANDFALL_LIMITS_HAND_OVER_S", "10")]);
    app_of(&server, "default");
    let host = "127.0.0.1";
    let mut stream = TcpStream::connect((host, server.port("http"))).unwrap();
    let (head, rows) = (format!("Bearer {}", server.admin_token()), table(5_000));
    write!(
        stream,
        "POST /api/v1/imports HTTP/1.1\r\nHost: {host}\r\nAuthorization: {head}\r\nContent-Type: text/csv\r\nContent-Length: {}\r\n\r\n",
        rows.len() + 1
    )
    .unwrap();
    stream.write_all(rows.as_bytes()).unwrap();
    let receiving = until("rows that are kept", || {
        let jobs = admin(&server, "GET", "/jobs?kind=import", None).json();
        let job = jobs["items"][0].clone();
        Some(job).filter(|job| job["total"].as_u64().is_some_and(|total| total >= 3_000))
    });
    assert_eq!(receiving["state"], "receiving");
    server.kill();
    let _ = stream.read(&mut [0; 1]);
    server.resume();
    let job = over(&server, &text(&receiving, "jobId"));
    let why = "its rows stopped coming before all were there";
    assert_eq!((&job["state"], &job["reason"]), (&json!("stopped"), &json!(why)));
    assert_eq!((&job["counts"]["stopped"], devices(&server, "default")), (&job["total"], 0));
}
