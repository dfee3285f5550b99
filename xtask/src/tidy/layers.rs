//! The invariants of ARCHITECTURE.md that a text can show: who may name what.

use super::Finding;
use crate::rust::words;
use crate::tree::{File, Tree};
use std::collections::BTreeSet;

/// Folder, and the crates of ours that a crate there may depend on; `landfall-` is left out, `*` means all.
const OURS: [(&str, &[&str]); 12] = [
    ("crates/bench", &["*"]),
    ("crates/codec", &["core", "model"]),
    ("crates/core", &["model"]),
    ("crates/model", &[]),
    ("crates/north", &["core", "model", "ingress"]),
    ("crates/push", &["core", "model"]),
    ("crates/server", &["*"]),
    ("crates/south", &["core", "model", "coap", "dtls", "ingress", "lorawan", "lwm2m", "mqtt"]),
    ("crates/store", &["core", "model"]),
    ("crates/testkit", &["core", "model", "store", "coap", "dtls", "lwm2m"]),
    ("libs", &[]),
    ("xtask", &[]),
];
/// Folder, and the outside crates that a crate there must not depend on.
const BANNED: [(&str, &[&str]); 5] = [
    (
        "crates/core",
        &["axum", "hyper", "hyper-util", "postgres", "rusqlite", "rustls", "tokio", "tokio-postgres", "tokio-rustls"],
    ),
    ("crates/model", &["axum", "hyper", "postgres", "rusqlite", "tokio", "tokio-postgres"]),
    ("crates/north", &["mqtt-protocol-core", "postgres", "rusqlite", "tokio-postgres", "tokio-tungstenite"]),
    ("crates/push", &["mqtt-protocol-core", "postgres", "rusqlite", "tokio-postgres"]),
    ("libs", &["axum", "getrandom", "hyper", "postgres", "rusqlite", "tokio", "tokio-postgres"]),
];
/// What `libs` and `model` never name: runtimes, sockets, clocks, files, databases.
const IMPURE: [&str; 10] = [
    "tokio",
    "std::net",
    "std::fs",
    "std::thread",
    "std::process",
    "Instant::now",
    "SystemTime",
    "rusqlite",
    "postgres",
    "getrandom",
];
const SQL: [&str; 4] = ["SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE "];
const DEVICE_SIDE: [&str; 4] = ["landfall_mqtt", "landfall_south", "mqtt_protocol_core", "mqtt::"];
const NORTH: &str = "crates/north/src/";
/// Folders there that are no dialects.
const OWN_APIS: [&str; 2] = ["admin", "bind"];
/// Where dialects are known by their list alone.
const BEYOND_DIALECTS: [&str; 3] = ["crates/push/src/", "crates/server/src/", "crates/south/src/"];
/// The command line, a client like others.
const CLI: &str = "crates/server/src/cli/";
/// Folders beside the dialects and protocols that all of them may name.
const SHARED_FOLDERS: [&str; 2] = ["driver", "http"];
/// The shells that may start tasks or threads; everything else is a value or a future that they run.
const MAY_SPAWN: [&str; 10] = [
    "crates/bench/",
    "crates/codec/src/",
    "crates/north/src/http.rs",
    "crates/north/src/http/",
    "crates/push/src/",
    "crates/server/",
    "crates/south/src/driver.rs",
    "crates/south/src/driver/",
    "crates/store/src/",
    "crates/testkit/src/ground/place.rs",
];
/// What the driver of the device side runs without naming it.
const PROTOCOLS: [&str; 6] = ["crate::lwm2m", "crate::mqtt", "landfall_coap", "landfall_dtls", "landfall_lwm2m", "landfall_mqtt"];
/// How topics of MQTT clients begin.
const TOPICS: [&str; 2] = ["/huawei/", "$oc/"];
/// What the driver has alone: clocks, and sockets other than those it is given.
const CLOCKS: [&str; 5] = ["tokio::time", "Instant", "SystemTime", "TcpStream", "UdpSocket"];
const SPAWNS: [&str; 6] = ["tokio::spawn", "thread::spawn", "thread::Builder", "spawn_blocking", ".spawn(", "JoinSet"];

pub(super) fn dependencies(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().iter().filter(|f| f.path.ends_with("/Cargo.toml")) {
        let inside = |folder: &str| file.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let ours = OURS.iter().find(|(folder, _)| inside(folder)).map(|(_, names)| *names);
        let banned = BANNED.iter().find(|(folder, _)| inside(folder)).map_or(&[][..], |(_, names)| *names);
        for (line, name) in direct_dependencies(&file.text) {
            let foreign =
                |ours: &[&str]| name.strip_prefix("landfall-").is_some_and(|n| !ours.contains(&n) && !ours.contains(&"*"));
            if ours.is_some_and(foreign) || banned.contains(&name) {
                findings.push(Finding::new(&file.path, line, format!("must not depend on {name}")));
            }
        }
    }
    findings
}

/// Line and name of each entry in `[dependencies]`; development and build dependencies may be more.
fn direct_dependencies(manifest: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut section = "";
    (1..).zip(manifest.lines()).filter_map(move |(number, line)| {
        if let Some(header) = line.trim().strip_prefix('[') {
            section = header.trim_end_matches(']');
            return section.strip_prefix("dependencies.").map(|name| (number, name));
        }
        let name = line.split(['=', '.']).next().unwrap_or_default().trim();
        (section == "dependencies" && !name.is_empty() && !name.starts_with('#')).then_some((number, name))
    })
}

pub(super) fn pure(tree: &Tree) -> Vec<Finding> {
    let here = |file: &&File| file.path.starts_with("libs/") || file.path.starts_with("crates/model/");
    naming(tree.rust().filter(here), Part::Code, &IMPURE, |word| format!("a pure crate names `{word}`"))
}

pub(super) fn north(tree: &Tree) -> Vec<Finding> {
    let here = |file: &&File| ["crates/north/src/", "crates/push/src/"].iter().any(|folder| file.path.starts_with(folder));
    let mut findings = naming(tree.rust().filter(here), Part::Uncommented, &SQL, |word| format!("speaks SQL: `{word}`"));
    findings
        .extend(naming(tree.rust().filter(here), Part::Code, &DEVICE_SIDE, |word| format!("names a device protocol: `{word}`")));
    findings
}

pub(super) fn spawns(tree: &Tree) -> Vec<Finding> {
    let elsewhere = |file: &&File| {
        let ours = file.path.starts_with("crates/") || file.path.starts_with("libs/");
        ours && !MAY_SPAWN.iter().any(|place| file.path.starts_with(place))
    };
    naming(tree.rust().filter(elsewhere), Part::Code, &SPAWNS, |word| format!("`{word}`: only the shells start tasks"))
}

pub(super) fn dialects(tree: &Tree) -> Vec<Finding> {
    let mut findings = apart(tree, NORTH, "dialect");
    let mut names = folders(tree, NORTH);
    names.retain(|name| !OWN_APIS.contains(&name.as_str()));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let here = |file: &&File| BEYOND_DIALECTS.iter().any(|place| file.path.starts_with(place)) && !file.path.starts_with(CLI);
    let message = |word: &str| format!("names a dialect: `{word}`; they are known by their list");
    findings.extend(naming(tree.rust().filter(here), Part::Code, &names, message));
    findings
}

pub(super) fn protocols(tree: &Tree) -> Vec<Finding> {
    let of_driver = |file: &&File| file.path.starts_with("crates/south/src/driver");
    let of_protocol = |file: &&File| {
        let rest = file.path.strip_prefix("crates/south/src/");
        rest.is_some_and(|rest| rest.contains('/') && !rest.starts_with("driver/") && !rest.starts_with("transport/"))
    };
    let of_mqtt = |file: &&File| {
        let rest = file.path.strip_prefix("crates/south/src/mqtt/");
        rest.is_some_and(|rest| !rest.starts_with("faces/"))
    };
    let mut findings = apart(tree, "crates/south/src/", "protocol");
    findings.extend(apart(tree, "crates/south/src/mqtt/faces/", "face"));
    findings.extend(naming(tree.rust().filter(of_mqtt), Part::Uncommented, &TOPICS, |word| {
        format!("`{word}`: only faces know topics")
    }));
    findings.extend(naming(tree.rust().filter(of_driver), Part::Code, &PROTOCOLS, |word| format!("the driver names `{word}`")));
    findings.extend(naming(tree.rust().filter(of_protocol), Part::Code, &CLOCKS, |word| {
        format!("`{word}`: only the driver has sockets and clocks")
    }));
    findings
}

/// No folder below `root` names another one beside it.
fn apart(tree: &Tree, root: &str, what: &str) -> Vec<Finding> {
    let folders = folders(tree, root);
    let mut findings = Vec::new();
    for own in &folders {
        for other in folders.iter().filter(|other| *other != own) {
            let names = ["crate", "super", "faces"].map(|parent| format!("{parent}::{other}"));
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            // What a folder has for another one stands in a folder of that name.
            let room = format!("{root}{own}/{other}/");
            let files = tree.rust().filter(|file| folder(file, root) == Some(own) && !file.path.starts_with(&room));
            findings.extend(naming(files, Part::Code, &names, |word| format!("{what} {own} names another: `{word}`")));
        }
    }
    findings
}

/// The folders below `root` that are a protocol or dialect each.
fn folders(tree: &Tree, root: &str) -> Vec<String> {
    let folders: BTreeSet<&str> = tree.rust().filter_map(|file| folder(file, root)).collect();
    folders.into_iter().filter(|name| !SHARED_FOLDERS.contains(name)).map(str::to_owned).collect()
}

fn folder<'a>(file: &'a File, root: &str) -> Option<&'a str> {
    Some(file.path.strip_prefix(root)?.split_once('/')?.0)
}

/// Which text of a source a rule looks at.
#[derive(Clone, Copy)]
enum Part {
    Code,
    Uncommented,
}

/// A finding for each line outside of tests that names one of `forbidden`.
fn naming<'a>(
    files: impl Iterator<Item = &'a File>,
    part: Part,
    forbidden: &[&str],
    message: impl Fn(&str) -> String,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.filter(|file| !file.is_test()) {
        let source = file.source();
        let text = match part {
            Part::Code => &source.code,
            Part::Uncommented => &source.uncommented,
        };
        for (number, line) in source.live(text) {
            if let Some(word) = forbidden.iter().find(|word| words(line, word).next().is_some()) {
                findings.push(Finding::new(&file.path, number, message(word)));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::said;

    const NOTHING: Vec<String> = Vec::new();

    #[test]
    fn dependencies_point_one_way() {
        let manifest =
            |name: &str| format!("[package]\nname = \"x\"\n[dependencies]\n{name}\n[dev-dependencies]\ntokio = \"1\"\n");
        let good = [
            ("crates/core/Cargo.toml", "landfall-model = { workspace = true }"),
            ("crates/south/Cargo.toml", "landfall-mqtt.workspace = true"),
            ("crates/server/Cargo.toml", "landfall-north = { workspace = true }"),
            ("libs/mqtt/Cargo.toml", "bytes = \"1\""),
            ("Cargo.toml", "landfall-core = \"1\""),
        ];
        for (path, line) in good {
            assert_eq!(said(dependencies, &[(path, &manifest(line))]), NOTHING, "{path} {line}");
        }
        let bad = [
            ("crates/core/Cargo.toml", "landfall-store = { workspace = true }", "landfall-store"),
            ("crates/core/Cargo.toml", "tokio.workspace = true", "tokio"),
            ("crates/north/Cargo.toml", "landfall-south = { workspace = true }", "landfall-south"),
            ("crates/model/Cargo.toml", "landfall-core = { workspace = true }", "landfall-core"),
            ("libs/mqtt/Cargo.toml", "[dependencies.tokio]", "tokio"),
            ("libs/mqtt/Cargo.toml", "landfall-model = { path = \"x\" }", "landfall-model"),
        ];
        for (path, line, name) in bad {
            let want = format!("{path}:4: must not depend on {name}");
            assert_eq!(said(dependencies, &[(path, &manifest(line))]), [want], "{line}");
        }
    }

    #[test]
    fn pure_crates_stay_pure_outside_of_tests() {
        let good = "//! No tokio here.\nuse std::time::Instant;\nlet s = \"tokio\";\n#[cfg(test)]\nmod tests { use std::fs; }\n";
        assert_eq!(said(pure, &[("libs/a/src/lib.rs", good), ("crates/store/src/lib.rs", "use tokio::x;")]), NOTHING);
        for line in ["use tokio::net;", "let t = Instant::now();", "use std::net::IpAddr;"] {
            assert_eq!(said(pure, &[("crates/model/src/lib.rs", line)]).len(), 1, "{line}");
        }
    }

    #[test]
    fn north_and_push_speak_neither_sql_nor_mqtt() {
        let good = "// SELECT x\nlet mqtt_connect = \"MQTT\"; fn mqtt() {}\nlet t = \"Select an item\";\n";
        assert_eq!(said(north, &[("crates/north/src/a.rs", good), ("crates/store/src/a.rs", "\"SELECT 1\"")]), NOTHING);
        for line in ["q(\"SELECT 1\")", "q(r#\"DELETE FROM t\"#)", "use landfall_mqtt::x;", "crate::mqtt::y()"] {
            assert_eq!(said(north, &[("crates/push/src/a.rs", line)]).len(), 1, "{line}");
        }
    }

    #[test]
    fn only_shells_spawn() {
        let text = "fn f() { tokio::spawn(x); }\n// tokio::spawn\n#[cfg(test)]\nfn g() { std::thread::spawn(y); }\n";
        assert_eq!(
            said(spawns, &[("crates/south/src/driver.rs", text), ("crates/server/src/a.rs", text), ("xtask/src/a.rs", text)]),
            NOTHING
        );
        assert_eq!(said(spawns, &[("crates/south/src/mqtt/mod.rs", text)]).len(), 1);
        assert_eq!(said(spawns, &[("crates/core/src/a.rs", "scope.spawn(|| x)")]).len(), 1);
    }

    #[test]
    fn only_the_driver_has_clocks_and_it_names_no_protocol() {
        let clocks = "use tokio::net::TcpListener; tokio::time::sleep(x);";
        let (driver, protocol) = ("crates/south/src/driver/stream.rs", "crates/south/src/mqtt/link.rs");
        assert_eq!(said(protocols, &[(driver, clocks), (protocol, "use crate::driver::pause; // Instant")]), NOTHING);
        assert_eq!(
            said(protocols, &[(protocol, clocks)]),
            [format!("{protocol}:1: `tokio::time`: only the driver has sockets and clocks")]
        );
        assert_eq!(
            said(protocols, &[(driver, "use crate::mqtt::Link;")]),
            [format!("{driver}:1: the driver names `crate::mqtt`")]
        );
    }

    #[test]
    fn faces_do_not_know_each_other_and_only_they_know_topics() {
        let (one, other, session) = (
            "crates/south/src/mqtt/faces/one/mod.rs",
            "crates/south/src/mqtt/faces/two/mod.rs",
            "crates/south/src/mqtt/session.rs",
        );
        let topic = "let topic = \"/huawei/v1\";";
        assert_eq!(said(protocols, &[(one, topic), (other, ""), (session, "use super::faces::one; // /huawei/")]), NOTHING);
        assert_eq!(said(protocols, &[(session, topic)]), [format!("{session}:1: `/huawei/`: only faces know topics")]);
        let named = "use crate::mqtt::faces::two::x;";
        assert_eq!(said(protocols, &[(one, named), (other, "")]), [format!("{one}:1: face one names another: `faces::two`")]);
    }

    #[test]
    fn folders_beside_each_other_do_not_know_each_other() {
        let (a, b, http) = ("crates/north/src/alpha/mod.rs", "crates/north/src/beta/x.rs", "crates/north/src/http/mod.rs");
        let room = ("crates/north/src/alpha/beta/mod.rs", "use crate::beta::y;");
        let good =
            [(a, "use crate::alpha::y; use crate::http::z;"), (b, "use crate::core::q; // crate::alpha"), (http, ""), room];
        assert_eq!(said(dialects, &good), NOTHING);
        let bad = [(a, "use super::beta::y;"), (b, "\nuse crate::alpha::z;"), (http, "use crate::alpha::z;")];
        let want = [
            format!("{a}:1: dialect alpha names another: `super::beta`"),
            format!("{b}:2: dialect beta names another: `crate::alpha`"),
        ];
        assert_eq!(said(dialects, &bad), want);
        assert_eq!(said(protocols, &bad), NOTHING);
    }

    #[test]
    fn dialects_are_known_by_their_list() {
        let (own, api) = (("crates/north/src/alpha/mod.rs", ""), ("crates/north/src/admin/mod.rs", ""));
        let server =
            |text| said(dialects, &[own, api, ("crates/server/src/a.rs", text), ("crates/server/src/cli/b.rs", "mod alpha;")]);
        assert_eq!(server("use landfall_north::{admin, dialect}; // alpha\nlet s = \"alpha\";"), NOTHING);
        assert_eq!(server("alpha::go()"), ["crates/server/src/a.rs:1: names a dialect: `alpha`; they are known by their list"]);
    }
}
