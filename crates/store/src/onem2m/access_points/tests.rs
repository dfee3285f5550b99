//! Application entities of an older database are called, in both stores.

use super::*;
use crate::{
    device::tests::{backend, places},
    engine::migrate::migrate,
    stream::record::EVENTS_VERSION,
};
use landfall_core::{GROUP_DEFINITION, Needs, NewResource, SubscriptionFilter, Target};
use landfall_model::{
    Account, AccountId, AccountPart, AccountSettings, App, AppId, AppLimits, Digest, EventBody, PageRequest, ResourceId,
    ResourceKind, Subscription, Time,
};
use landfall_testkit::{Ground, Tenant, ground::place::Place, ground::product};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

/// Schema of the program that called nobody.
const BEFORE: usize = 19;
/// The newest place of its stream.
const NEWEST: u64 = 7;

fn account(n: u8) -> Account {
    let id = AccountId(Uuid::from_bytes([n; 16]));
    Account {
        id,
        version: 1,
        name: format!("t{n}"),
        tenant: None,
        token: None,
        settings: AccountSettings::default(),
        created_at: Time(1),
    }
}

fn app(n: u8) -> App {
    App {
        id: AppId(Uuid::from_bytes([n + 100; 16])),
        account: account(n).id,
        version: 1,
        name: "app".into(),
        secret: Digest([n; 32]),
        frozen: false,
        authorized: vec![],
        limits: AppLimits::default(),
        token: None,
        originator: None,
        session: None,
        created_at: Time(1),
    }
}

fn entity(n: u8, random: u8, name: &str, poa: serde_json::Value) -> Resource {
    let account = account(n).id;
    Resource {
        id: ResourceId::new(Time(5), [random; 16]),
        account,
        app: app(n).id,
        version: 3,
        parent: ResourceId::of_account(account, AccountPart::Base),
        device: None,
        name: name.into(),
        kind: ResourceKind::ApplicationEntity,
        creator: "Capp".into(),
        labels: vec!["type:d2c".into()],
        policies: vec![],
        attributes: serde_json::Map::from_iter([("api".to_owned(), "Nhook".into()), ("poa".to_owned(), poa)]),
        expires_at: None,
        created_at: Time(5),
        modified_at: Time(6),
    }
}

/// Writes two accounts with an application each, and these entities.
fn older(place: &Place, entities: &[Resource]) {
    const ACCOUNT: &str = "INSERT INTO account (id, version, name, history_days, event_days, doc) VALUES (?1, 1, ?2, 90, 7, ?3)";
    const APP: &str = "INSERT INTO app (id, version, account, name, doc) VALUES (?1, 1, ?2, 'app', ?3)";
    const ENTITY: &str =
        "INSERT INTO resource (id, version, account, parent, name, kind, created_at, doc) VALUES (?1, 3, ?2, ?3, ?4, 2, 5, ?5)";
    const STREAM: &str = "INSERT INTO stream (first_seq, last_seq, at, events) VALUES (1, ?1, 1, ?2)";
    let backend = backend(place);
    let _lock = backend.lock().unwrap();
    let mut sql = backend.writer().unwrap();
    migrate(&mut *sql, BEFORE).unwrap();
    for n in [1, 2] {
        let (account, app) = (account(n), app(n));
        let (of_account, of_app) = (json(&account).unwrap(), json(&app).unwrap());
        let id = Value::Bytes(account.id.0.as_bytes());
        sql.execute(ACCOUNT, &[id, Value::Text(&account.name), Value::Text(&of_account)]).unwrap();
        sql.execute(APP, &[Value::Bytes(app.id.0.as_bytes()), id, Value::Text(&of_app)]).unwrap();
    }
    for one in entities {
        let (account, doc) = (Value::Bytes(one.account.0.as_bytes()), json(one).unwrap());
        let params = [Value::Bytes(&one.id.0), account, Value::Bytes(&one.parent.0), Value::Text(&one.name), Value::Text(&doc)];
        sql.execute(ENTITY, &params).unwrap();
    }
    sql.execute(STREAM, &[Value::Int(to_db(NEWEST)), Value::Bytes(&[EVENTS_VERSION])]).unwrap();
    // What was there is not made twice.
    sql.begin_write().unwrap();
    fill(&mut *sql).unwrap();
    fill(&mut *sql).unwrap();
    sql.batch("ROLLBACK").unwrap();
}

async fn pushes(ground: &Ground) -> Vec<Arc<Subscription>> {
    let page = PageRequest { no: 0, size: 100 };
    let mut found = ground.core.store().subscriptions(&SubscriptionFilter::default(), page).await.unwrap().items;
    found.sort_by(|a, b| a.callback_url.cmp(&b.callback_url));
    found
}

async fn tenant(ground: &Ground, n: u8) -> Tenant {
    let all = ground.operator.over(account(n).id).unwrap();
    let scope = ground.core.narrow(&all, app(n).id).await.unwrap();
    let product = ground.core.create_product(&all, product::sensor()).await.unwrap();
    Tenant { all, app: Arc::new(app(n)), secret: String::new(), scope, product }
}

#[tokio::test]
async fn entities_of_an_older_database_are_called() {
    for place in places("called") {
        let addresses = json!(["mqtt://a.example", "https://a.example/", "https://b.example/\0", 7]);
        let (hook, theirs) = (entity(1, 1, "hook", addresses), entity(2, 2, "hook", json!(["http://c.example/"])));
        let entities = [hook.clone(), theirs.clone(), entity(1, 3, "silent", json!(null))];
        std::thread::scope(|scope| scope.spawn(|| older(&place, &entities)).join().unwrap());
        let ground = Ground::plan(540).place(place).open().await;
        let made = pushes(&ground).await;
        let expected = [("http://c.example/", theirs.id, theirs.app), ("https://a.example/", hook.id, hook.app)];
        assert_eq!(
            made.iter().map(|one| (one.callback_url.as_str(), one.id.resource(), one.owner)).collect::<Vec<_>>(),
            expected
        );
        for push in &made {
            let cursor = ground.core.store().cursor(push.id).await.unwrap().unwrap();
            assert_eq!((cursor.read_to, cursor.open.len()), (Seq(NEWEST), 0), "from now on: {}", push.callback_url);
        }
        let mine = tenant(&ground, 1).await;
        let by = mine.origin(&ground, "Capp").await;
        let device = ground.device(&mine, "n").await;
        let group = json!({ "cnd": GROUP_DEFINITION, "nds": [device.id.to_string()], "aes": ["hook"] });
        let serde_json::Value::Object(attributes) = group else { panic!("attributes are an object") };
        let (kind, name) = (ResourceKind::FlexContainer, Some("g".to_owned()));
        let group = NewResource { kind, name, labels: vec![], policies: vec![], attributes, expires_at: None };
        ground.made(&by, &Target::Place(AccountPart::Groups), group).await;
        let seq = ground.newest();
        ground.core.set_node_labels(&by, device.id, &["d2c:1.0".into()]).await.unwrap();
        let told = ground.events_since(seq).await;
        let of_push = |body: &EventBody| matches!(body, EventBody::Notice(notice) if notice.address == made[1].id);
        let first = told.iter().find(|one| of_push(&one.event.body)).expect("the change of a node is told");
        let needs = Needs { entity: true, ..Needs::NOTHING };
        assert!(ground.core.subject(&first.event, needs).await.unwrap().entity.is_some(), "it goes out");
        let ground = ground.restart().await;
        assert_eq!(pushes(&ground).await, made);
    }
}
