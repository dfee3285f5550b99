//! Files of devices, sent as clients send them: what is answered and what is there then.

use crate::cumulocity::tests::{Answer, Asked, Scene};
use landfall_core::{DeviceFilter, JobFilter, UserCaller};
use landfall_model::{Device, PageRequest, Role};
use landfall_testkit::{ground::Tenant, world::Seeded};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

const ALL: PageRequest = PageRequest { no: 0, size: 1_000 };
const SEED: &str = include_str!("seed.csv");

/// A form with a file.
fn form(file: impl AsRef<[u8]>) -> Vec<u8> {
    let head = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\n";
    [head.as_bytes(), file.as_ref(), b"\r\n--B--\r\n"].concat()
}

/// The answer to a body.
async fn sent(scene: &Scene, by: &UserCaller, body: &[u8]) -> Answer {
    let basic = scene.ground.basic(by).await;
    let headers =
        [("authorization", &*basic), ("accept", "application/json"), ("content-type", "multipart/form-data; boundary=B")];
    scene.answer(Asked { method: "POST", path: "/devicecontrol/bulkNewDeviceRequests", headers: &headers, body }).await
}

/// The answer to a file that is taken.
async fn taken(scene: &Scene, by: &UserCaller, file: impl AsRef<[u8]>) -> Value {
    let answer = sent(scene, by, &form(file)).await;
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    let told = answer.json();
    let [all, created, failed, successful] = numbers(&told);
    assert_eq!(
        (all, successful),
        (successful + failed, created + told["credentialUpdatedList"].as_array().unwrap().len() as u64)
    );
    assert_eq!(failed, told["failedCreationList"].as_array().unwrap().len() as u64);
    told
}

/// All, created, failed and successful.
fn numbers(told: &Value) -> [u64; 4] {
    ["numberOfAll", "numberOfCreated", "numberOfFailed", "numberOfSuccessful"].map(|name| told[name].as_u64().unwrap())
}

/// Why rows failed.
fn reasons(told: &Value) -> Vec<&str> {
    told["failedCreationList"].as_array().unwrap().iter().map(|row| row["failureReason"].as_str().unwrap()).collect()
}

async fn devices(scene: &Scene, tenant: &Tenant) -> BTreeMap<String, Arc<Device>> {
    let found = scene.ground.core.devices(&tenant.all, DeviceFilter::of(tenant.all.account()), ALL).await.unwrap();
    found.items.into_iter().map(|device| (device.info.name.clone().unwrap_or_default(), device)).collect()
}

/// The groups of a tenant, each with the names of the devices in it.
async fn groups(scene: &Scene, tenant: &Tenant) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for group in scene.ground.core.groups(&tenant.all, None, ALL).await.unwrap().items {
        let members = scene.ground.core.store().members(group.id, None, 1_000).await.unwrap();
        let names = members.iter().map(|device| device.info.name.clone().unwrap_or_default()).collect();
        found.insert(group.name.clone(), names);
    }
    found
}

/// Users of devices, without the one that the scene begins with.
async fn users(scene: &Scene, tenant: &Tenant) -> usize {
    let found = scene.ground.core.store().users(tenant.all.account(), Some(Role::Device), ALL).await.unwrap();
    found.items.iter().filter(|user| user.name != "device_dev1").count()
}

#[tokio::test]
async fn the_file_of_the_contract_is_taken_twice_and_makes_things_once() {
    let scene = Scene::new().await;
    let (admin, tenant) = (scene.ground.admin(&scene.mine).await, &scene.mine);
    assert_eq!(numbers(&taken(&scene, &admin, SEED).await), [7, 7, 0, 7]);
    let (made, grouped) = (devices(&scene, tenant).await, groups(&scene, tenant).await);
    let names = |all: &[&str]| all.iter().map(|number| format!("Device {number}")).collect::<BTreeSet<_>>();
    let expected = [
        ("csv device", names(&[])),
        ("csv device/subgroup0", names(&["101", "102"])),
        ("csv device1", names(&[])),
        ("csv device1/subgroup1", names(&["111", "112"])),
        ("csv device1/subgroup2", names(&["121", "122"])),
        ("csv device1/subgroup3", names(&["131"])),
    ];
    assert_eq!(grouped, expected.map(|(name, members)| (name.to_owned(), members)).into());
    assert_eq!(made["Device 101"].owner.as_deref(), Some("device_id_101"));
    assert_eq!((made.len(), users(&scene, tenant).await), (7, 7));
    let again = taken(&scene, &admin, SEED).await;
    assert_eq!(numbers(&again), [7, 0, 0, 7]);
    assert_eq!(again["credentialUpdatedList"][6], json!({"bulkNewDeviceStatus": "CREDENTIAL_UPDATED", "deviceId": "id_131"}));
    assert_eq!((devices(&scene, tenant).await, groups(&scene, tenant).await), (made, grouped));
    assert_eq!((devices(&scene, &scene.theirs).await.len(), users(&scene, &scene.theirs).await), (0, 0));
    let (core, id) = (&scene.ground.core, core_tenant(&scene, tenant).await);
    assert!(core.sign_in(Some(&id), "device_id_111", "abcd1234", [192, 0, 2, 1].into()).await.is_ok());
}

async fn core_tenant(scene: &Scene, tenant: &Tenant) -> String {
    scene.ground.core.tenant_of(tenant.all.account()).await.unwrap()
}

#[tokio::test]
async fn bad_rows_are_told_and_the_others_are_done() {
    let scene = Scene::new().await;
    let (mine, theirs) = (scene.ground.admin(&scene.mine).await, scene.ground.admin(&scene.theirs).await);
    taken(&scene, &theirs, "ID;CREDENTIALS;TYPE;NAME\nforeign;1;t;Foreign\n").await;
    scene.ground.device_user(&scene.mine, "old").await;
    let file = "ID;CREDENTIALS;TYPE;NAME;PATH;external-x\n\
        good;1;t;Good;g/h;1\nold;2;t;Old;g;\nforeign;topsecret;t;Mine;k;\nshort;3\n;4;t;n;;\nb d;5;t;n;;\nclash;6;t;Clash;g/i;1\n\
        \u{1};7;t;n;;\nalone;8;;;g;\ngood;9;u;Other;k/l;1\n\n";
    let told = taken(&scene, &mine, file).await;
    assert_eq!(numbers(&told), [10, 2, 6, 4]);
    let ids = |list: &str| told[list].as_array().unwrap().iter().map(|row| row["deviceId"].as_str()).collect::<Vec<_>>();
    assert_eq!(ids("credentialUpdatedList"), [Some("old"), Some("good")]);
    assert_eq!(ids("failedCreationList"), [Some("foreign"), Some("short"), None, Some("b d"), Some("clash"), Some("\u{1}")]);
    let odd = "must be without white space and control characters";
    let expected = [
        "row 3, column ID: cannot be given to a device of this tenant".to_owned(),
        "row 4: has 2 values; the header line has 6 columns".into(),
        "row 5, column ID: must not be empty".into(),
        format!("row 6, column ID: {odd}"),
        "row 7, column external-x: another object has this external id".into(),
        format!("row 8, column ID: {odd}"),
    ];
    assert_eq!(reasons(&told), expected);
    let tenant = core_tenant(&scene, &scene.mine).await;
    let line = format!("DeviceInfo{{id='foreign', credentials='***', tenant='{tenant}'}}");
    assert_eq!(told["failedCreationList"][0]["line"], line);
    assert!(!told.to_string().contains("topsecret"));
    // What failed made nothing; what was there is left alone but for its group.
    assert_eq!(devices(&scene, &scene.mine).await.keys().collect::<Vec<_>>(), ["Good", "Old"]);
    let grouped = groups(&scene, &scene.mine).await;
    let members = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let expected = [("g", members(&["Old"])), ("g/h", members(&["Good"])), ("k", members(&[])), ("k/l", members(&["Good"]))];
    assert_eq!(grouped, expected.map(|(name, members)| (name.to_owned(), members)).into());
    assert_eq!(devices(&scene, &scene.theirs).await.keys().collect::<Vec<_>>(), ["Foreign"]);
}

/// More rows than go with one commit or one page of the answer.
#[tokio::test]
async fn lists_of_many_rows_are_whole_and_groups_are_made_once() {
    let scene = Scene::new().await;
    let admin = scene.ground.admin(&scene.mine).await;
    let rows = (0..2_600).map(|n| format!("m{n};{};t;N{n};Top/Street {}\n", if n % 2 == 1 { "" } else { "p" }, n % 3));
    let file = "ID;CREDENTIALS;TYPE;NAME;PATH\n".to_owned() + &rows.collect::<String>();
    let told = taken(&scene, &admin, &file).await;
    assert_eq!(numbers(&told), [2_600, 1_300, 1_300, 1_300]);
    let last = "row 2600, column CREDENTIALS: must not be empty";
    assert_eq!((reasons(&told)[0], reasons(&told).last()), ("row 2, column CREDENTIALS: must not be empty", Some(&last)));
    let again = taken(&scene, &admin, &file).await;
    let updated: Vec<_> = again["credentialUpdatedList"].as_array().unwrap().iter().map(|row| row["deviceId"].clone()).collect();
    assert_eq!(updated, (0..1_300).map(|n| json!(format!("m{}", 2 * n))).collect::<Vec<_>>());
    let grouped = groups(&scene, &scene.mine).await;
    assert_eq!(grouped.into_keys().collect::<Vec<_>>(), ["Top", "Top/Street 0", "Top/Street 1", "Top/Street 2"]);
}

/// The last password of a file counts, as of several files.
#[tokio::test]
async fn a_device_that_is_named_twice_has_the_last_password() {
    let scene = Scene::new().await;
    let admin = scene.ground.admin(&scene.mine).await;
    let told = taken(&scene, &admin, "ID;CREDENTIALS\ntwice;first\nTWICE;other\ntwice;last\n").await;
    assert_eq!(
        (numbers(&told), reasons(&told)),
        ([3, 1, 1, 2], vec!["row 2, column ID: cannot be given to a device of this tenant"])
    );
    let tenant = core_tenant(&scene, &scene.mine).await;
    for (password, right) in [("first", false), ("last", true)] {
        let signed_in = scene.ground.core.sign_in(Some(&tenant), "device_twice", password, [192, 0, 2, 1].into()).await;
        assert_eq!(signed_in.is_ok(), right, "{password}");
    }
}

#[tokio::test]
async fn the_server_itself_registers_for_the_tenants_that_its_file_names() {
    let scene = Scene::new().await;
    let management = scene.ground.management().await;
    let (mine, theirs) = (core_tenant(&scene, &scene.mine).await, core_tenant(&scene, &scene.theirs).await);
    let file = format!(
        "ID;CREDENTIALS;TENANT;TYPE;NAME;PATH\na;1;{mine};t;A;g\nb;2;{theirs};t;B;g\nc;3;nowhere;t;C;g\nd;4;;t;D;g\na;5;{theirs};t;A;g\ne;6;management;;;\n"
    );
    let told = taken(&scene, &management, &file).await;
    assert_eq!(numbers(&told), [6, 2, 4, 2]);
    let expected = [
        "row 3, column TENANT: there is no such tenant",
        "row 4, column TENANT: must not be empty",
        "row 5, column ID: cannot be given to a device of this tenant",
        "row 6, column TENANT: there is no such tenant",
    ];
    assert_eq!(reasons(&told), expected);
    assert_eq!(told["failedCreationList"][0]["line"], "DeviceInfo{id='c', credentials='***', tenant='nowhere'}");
    for (tenant, name) in [(&scene.mine, "A"), (&scene.theirs, "B")] {
        assert_eq!(devices(&scene, tenant).await.into_keys().collect::<Vec<_>>(), [name]);
        assert_eq!(groups(&scene, tenant).await, BTreeMap::from([("g".to_owned(), BTreeSet::from([name.to_owned()]))]));
    }
    let missing = sent(&scene, &management, &form("ID;CREDENTIALS\na;1\n")).await;
    assert_eq!((missing.status, missing.json()["message"].as_str()), (422, Some("file: the column TENANT is missing")));
}

#[tokio::test]
async fn a_request_for_the_credentials_of_a_device_is_removed_where_it_is_the_tenants_own() {
    let scene = Scene::new().await;
    let (mine, theirs) = (scene.ground.admin(&scene.mine).await, scene.ground.admin(&scene.theirs).await);
    let new = |id: &str| landfall_core::NewDeviceRequest { id: id.into(), ..Default::default() };
    scene.ground.core.create_device_request(&mine, new("own")).await.unwrap();
    scene.ground.core.create_device_request(&theirs, new("other")).await.unwrap();
    let told = taken(&scene, &mine, "ID;CREDENTIALS\nown;1\nother;2\n").await;
    assert_eq!(
        (numbers(&told), reasons(&told)),
        ([2, 1, 1, 1], vec!["row 2, column ID: cannot be given to a device of this tenant"])
    );
    assert!(scene.ground.core.device_request(&mine, "own").await.is_err());
    assert!(scene.ground.core.device_request(&theirs, "other").await.is_ok());
}

#[tokio::test]
async fn what_is_no_file_makes_nothing() {
    let scene = Scene::new().await;
    let admin = scene.ground.admin(&scene.mine).await;
    let good = "ID;CREDENTIALS\na;1\n";
    let twice = [&form(good)[..form(good).len() - 7], &form(good)].concat();
    for (body, status, error, message) in [
        (b"".to_vec(), 400, "undefined/validationError", "the body does not begin with the boundary that its Content-Type names"),
        (
            b"--B\r\nContent-Disposition: form-data; name=\"file\"".to_vec(),
            400,
            "undefined/validationError",
            "the header fields of a part do not end within 8192 bytes",
        ),
        (b"--B--".to_vec(), 422, "devicecontrol/validationError", "file: the form has no part of this name"),
        (
            b"--B\r\nContent-Disposition: form-data; name=\"File\"\r\n\r\nID;CREDENTIALS\r\n--B--".to_vec(),
            422,
            "devicecontrol/validationError",
            "file: the form has no part of this name",
        ),
        (twice, 422, "devicecontrol/validationError", "file: the form has more than one part of this name"),
        (form(""), 422, "devicecontrol/validationError", "file: the file has no header line"),
        (form("ID;TYPE\n"), 422, "devicecontrol/validationError", "file: the column CREDENTIALS is missing"),
        (
            form(b"ID;\xff\n"),
            422,
            "devicecontrol/validationError",
            "file: the header line, column 2 is not UTF-8 from its byte 1 on",
        ),
    ] {
        let answer = sent(&scene, &admin, &body).await;
        let told = answer.json();
        assert_eq!((answer.status, told["error"].as_str(), told["message"].as_str()), (status, Some(error), Some(message)));
    }
    assert_eq!(users(&scene, &scene.mine).await, 0);
    let open = JobFilter { over: Some(false), ..JobFilter::default() };
    while scene.ground.core.turn_jobs().await.unwrap().more {}
    assert_eq!(scene.ground.core.jobs(&scene.mine.all, open, ALL).await.unwrap().total, 0, "what was begun is given up");
}

#[tokio::test]
async fn only_who_administers_the_tenant_may_and_no_accept_means_no_body() {
    let scene = Scene::new().await;
    for by in
        [scene.ground.reader(&scene.mine).await, scene.ground.device_user(&scene.mine, "1").await, scene.ground.bootstrap().await]
    {
        assert_eq!(sent(&scene, &by, &form(SEED)).await.status, 403);
    }
    let basic = scene.ground.basic(&scene.ground.admin(&scene.mine).await).await;
    let asked = |headers, body| Asked { method: "POST", path: "/devicecontrol/bulkNewDeviceRequests", headers, body };
    let body = form(SEED);
    let bare = [("authorization", &*basic), ("content-type", "multipart/form-data; boundary=B")];
    let answer = scene.answer(asked(&bare, &body)).await;
    assert_eq!((answer.status, answer.body.len()), (201, 0));
    let plain = [("authorization", &*basic), ("accept", "*/*"), ("content-type", "text/csv")];
    assert_eq!(scene.answer(asked(&plain, SEED.as_bytes())).await.status, 415);
    let large = [bare[0], bare[1], ("accept", "*/*"), ("content-length", "1000000000000")];
    assert_eq!(scene.answer(asked(&large, &body)).await.status, 413);
}

/// What is known of the ids of a small model.
#[derive(Default)]
struct Model {
    users: BTreeSet<String>,
    objects: BTreeMap<String, BTreeSet<String>>,
    groups: BTreeSet<String>,
}

/// A row as a client means it: its cells by column, and whether it is good.
fn random_row(random: &mut Seeded) -> ([String; 5], bool) {
    let pick = |random: &mut Seeded, all: &[&str]| all[random.below(all.len())].to_owned();
    let id = pick(random, &["a", "b", "c", "ü;1", "d,\"e\"", "", "x y", "f", "g"]);
    let password = pick(random, &["p", "q\";r", "=1+1", "two, three", "\"", "", "tab"]);
    let kind = pick(random, &["t", "t", ""]);
    let name = pick(random, &["n", "Na;me", "N,\nm", "n"]);
    let path = pick(random, &["", "top", "top/below", "to,p/x;y", "top//x"]);
    let object = !kind.is_empty();
    let good = !id.is_empty() && id != "x y" && !password.is_empty() && (!object || path != "top//x");
    ([id, password, kind, name, path], good)
}

/// Random files, written in every manner, give exactly the numbers of a small model, and leave what that says.
#[tokio::test]
async fn random_files_are_counted_as_a_model_says() {
    let scene = Scene::new().await;
    let admin = scene.ground.admin(&scene.mine).await;
    let (mut random, mut model) = (Seeded::new(20), Model::default());
    for _ in 0..12 {
        let separator = [";", ",", "\t"][random.below(3)];
        let line_end = ["\n", "\r\n"][random.below(2)];
        let columns = ["ID", "credentials", "TYPE", "Name", "PATH"];
        let first = random.below(5);
        let order: Vec<usize> = (0..5).map(|at| (at + first) % 5).collect();
        let line = |cells: Vec<&str>, quoted: bool| {
            let cell = |cell: &&str| match quoted || cell.contains([';', ',', '\t', '"', '\n']) {
                true => format!("\"{}\"", cell.replace('"', "\"\"")),
                false => (*cell).to_owned(),
            };
            cells.iter().map(cell).collect::<Vec<_>>().join(separator) + line_end
        };
        let mut file = if random.below(2) == 0 { "\u{feff}".to_owned() } else { String::new() };
        file += &line(order.iter().map(|at| columns[*at]).collect(), random.below(2) == 0);
        let mut expected = [0; 4];
        for _ in 0..random.below(40) {
            let (cells, good) = random_row(&mut random);
            let short = random.below(12) == 0;
            let shown = order.iter().map(|at| cells[*at].as_str()).take(if short { 4 } else { 5 }).collect();
            file += &line(shown, random.below(3) == 0);
            if random.below(6) == 0 {
                file += line_end;
            }
            expected[0] += 1;
            let [id, _, kind, name, path] = cells;
            let makes = !kind.is_empty() && !model.objects.contains_key(&id);
            if short || !good || makes && name.contains('\n') {
                expected[2] += 1;
                continue;
            }
            expected[3] += 1;
            expected[1] += u64::from(model.users.insert(id.clone()));
            if !kind.is_empty() {
                let within = model.objects.entry(id).or_default();
                if !path.is_empty() {
                    within.insert(path.clone());
                    let slashes = path.match_indices('/').map(|(at, _)| path[..at].to_owned());
                    model.groups.extend(slashes.chain([path.clone()]));
                }
            }
        }
        assert_eq!(numbers(&taken(&scene, &admin, &file).await), expected, "{file:?}");
    }
    let objects = scene.ground.core.devices(&scene.mine.all, DeviceFilter::of(scene.mine.all.account()), ALL).await.unwrap();
    assert_eq!((users(&scene, &scene.mine).await, objects.total), (model.users.len(), model.objects.len() as u64));
    let grouped = groups(&scene, &scene.mine).await;
    assert_eq!(grouped.keys().collect::<BTreeSet<_>>(), model.groups.iter().collect());
    for group in scene.ground.core.groups(&scene.mine.all, None, ALL).await.unwrap().items {
        let members = scene.ground.core.store().member_count(group.id).await.unwrap();
        let meant = model.objects.values().filter(|within| within.contains(&group.name)).count();
        assert_eq!(members, meant as u64, "{}", group.name);
    }
}
