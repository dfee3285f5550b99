//! The inventory: what users make, name, put below one another and delete, and what other dialects see of it.

use super::{Ground, Tenant, cause};
use landfall_core::{AccountChange, DeviceChange, ManagedObject, NewObject, ObjectChange, ObjectFilter, UserCaller};
use landfall_model::{
    AccountSettings, Cause, ChildKind, DeviceInfo, EventBody, ExternalId, ObjectId, ObjectOf, PageRequest, Result,
};
use serde_json::{Map, Value, json};

const ALL: PageRequest = PageRequest { no: 0, size: 1_000 };

fn fragments(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn new(name: &str, value: Value) -> NewObject {
    NewObject { name: Some(name.into()), fragments: fragments(&value), ..NewObject::default() }
}

async fn made(domain: &Ground, by: &UserCaller, name: &str, value: Value) -> ManagedObject {
    domain.core.create_object(by, new(name, value)).await.unwrap()
}

async fn a_device(domain: &Ground, by: &UserCaller, name: &str) -> ManagedObject {
    made(domain, by, name, json!({"c8y_IsDevice": {}})).await
}

async fn changed(domain: &Ground, by: &UserCaller, id: ObjectId, value: Value) -> Result<ManagedObject> {
    let mut fragments = fragments(&value);
    let name = fragments.remove("name").map(|name| name.as_str().map(str::to_owned));
    let owner = fragments.remove("owner").and_then(|owner| owner.as_str().map(str::to_owned));
    domain.core.change_object(by, id, ObjectChange { name, owner, fragments, ..ObjectChange::default() }).await
}

async fn below(domain: &Ground, by: &UserCaller, parent: ObjectId, kind: ChildKind) -> Vec<ObjectId> {
    let found = domain.core.child_objects(by, parent, kind, ALL).await.unwrap();
    assert_eq!(found.total, found.items.len() as u64);
    found.items.iter().map(ManagedObject::id).collect()
}

async fn listed(domain: &Ground, by: &UserCaller, change: impl FnOnce(&mut ObjectFilter)) -> Vec<ObjectId> {
    let mut filter = ObjectFilter::of(by.account());
    change(&mut filter);
    domain.core.managed_objects(by, filter, ALL).await.unwrap().items.iter().map(ManagedObject::id).collect()
}

/// Devices that join with a user are seen by the application of the tenant.
async fn shown_to_app(domain: &Ground, tenant: &Tenant) {
    let settings = AccountSettings { device_app: Some(tenant.app.id), ..AccountSettings::default() };
    let change = AccountChange { settings: Some(settings), ..AccountChange::default() };
    domain.core.change_account(&domain.operator, tenant.all.account(), change).await.unwrap();
}

#[tokio::test]
async fn a_device_that_starts_makes_and_names_its_object() {
    let domain = Ground::new(601).await;
    let (mine, theirs) = domain.two_tenants().await;
    shown_to_app(&domain, &mine).await;
    let (device, stranger) = (domain.device_user(&mine, "7").await, domain.device_user(&theirs, "8").await);
    let core = &domain.core;
    assert_eq!(cause(core.external(&device, "c8y_Serial", "S1").await), Cause::ResourceNotFound);
    let before = domain.newest();
    let hardware = json!({"c8y_IsDevice": {}, "c8y_Hardware": {"model": "M", "serialNumber": "S1", "revision": "r"}, "x": 1});
    let own = made(&domain, &device, "my meter", hardware).await;
    let record = own.device().unwrap();
    assert_eq!((record.node_id.as_str(), record.owner.as_deref(), record.app()), ("7", Some("device_7"), Some(mine.app.id)));
    assert_eq!((record.info.name.as_deref(), record.info.model.as_deref()), (Some("my meter"), Some("M")));
    assert_eq!((record.info.serial_number.as_deref(), record.info.hw_version.as_deref()), (Some("S1"), Some("r")));
    assert_eq!((own.name(), own.owner(), own.id()), (Some("my meter"), Some("device_7"), ObjectId::of_device(record.id)));
    let told = domain.events_since(before).await;
    assert!(told.iter().any(|event| matches!(event.event.body, EventBody::DeviceAdded(_))), "{told:?}");
    assert_eq!(core.device(&mine.scope, record.id).await.unwrap(), *record);
    core.bind_external(&device, own.id(), "c8y_Serial", "S1").await.unwrap();
    let wide = |bytes: usize| "\u{1f600}".repeat(bytes / 4);
    assert_eq!(cause(core.bind_external(&device, own.id(), "wide", &wide(ExternalId::BYTES)).await), Cause::InvalidField);
    core.bind_external(&device, own.id(), "wide", &wide(ExternalId::BYTES - 4)).await.unwrap();
    core.unbind_external(&device, "wide", &wide(ExternalId::BYTES - 4)).await.unwrap();
    assert_eq!(core.external(&device, "c8y_Serial", "S1").await.unwrap(), own);
    assert_eq!(cause(core.bind_external(&device, own.id(), "c8y_Serial", "S1").await), Cause::NameTaken);
    // Its other devices are called as their objects.
    let other = a_device(&domain, &device, "second").await;
    assert_eq!(other.device().unwrap().node_id, format!("c8y-{}", other.id()));
    assert_eq!(cause(core.bind_external(&device, other.id(), "c8y_Serial", "S1").await), Cause::NameTaken);
    // Nothing of that is there for another tenant, whose names are its own.
    assert_eq!(cause(core.managed_object(&stranger, own.id()).await), Cause::ResourceNotFound);
    assert_eq!(cause(core.external(&stranger, "c8y_Serial", "S1").await), Cause::ResourceNotFound);
    assert_eq!(cause(changed(&domain, &stranger, own.id(), json!({"x": 2})).await), Cause::ResourceNotFound);
    assert_eq!(cause(core.delete_object(&stranger, own.id(), true).await), Cause::ResourceNotFound);
    let theirs = a_device(&domain, &stranger, "theirs").await;
    core.bind_external(&stranger, theirs.id(), "c8y_Serial", "S1").await.unwrap();
    assert_eq!(core.external(&stranger, "c8y_Serial", "S1").await.unwrap().id(), theirs.id());
    assert_eq!(cause(core.add_child_object(&stranger, theirs.id(), ChildKind::Asset, own.id()).await), Cause::ResourceNotFound);
    core.unbind_external(&device, "c8y_Serial", "S1").await.unwrap();
    assert_eq!(cause(core.unbind_external(&device, "c8y_Serial", "S1").await), Cause::ResourceNotFound);
    assert_eq!(cause(core.unbind_external(&device, "c8y_Serial", "7").await), Cause::ResourceNotFound);
}

#[tokio::test]
async fn a_change_reaches_those_that_see_the_device() {
    let domain = Ground::new(602).await;
    let mine = domain.tenant("mine").await;
    shown_to_app(&domain, &mine).await;
    let device = domain.device_user(&mine, "7").await;
    let own = made(&domain, &device, "one", json!({"c8y_IsDevice": {}, "c8y_Firmware": {"version": "1"}, "x": 1, "y": 1})).await;
    let id = own.device().unwrap().id;
    let before = domain.newest();
    let value =
        json!({"name": "two", "c8y_Firmware": {"version": "2"}, "x": null, "z": [1], "c8y_Availability": {"status": "?"}});
    let next = changed(&domain, &device, own.id(), value).await.unwrap();
    let shown = next.fragments();
    assert_eq!((shown.get("x"), &shown["y"], &shown["z"]), (None, &json!(1), &json!([1])));
    assert_eq!(shown["c8y_Availability"], json!({"status": "UNAVAILABLE"}), "the server says that");
    let told = domain.events_since(before).await;
    let views: Vec<_> = told
        .iter()
        .filter_map(|event| match &event.event.body {
            EventBody::DeviceInfoChanged(view) => Some(view.clone()),
            _ => None,
        })
        .collect();
    let words: Vec<String> = views[0].changed.iter().flatten().map(ToString::to_string).collect();
    assert_eq!((views.len(), words), (1, vec!["name".to_owned(), "fwVersion".to_owned()]));
    // What an application said stays.
    let info = DeviceInfo { fw_version: Some("9".into()), model: Some("app".into()), ..DeviceInfo::default() };
    domain.core.modify_device(&mine.scope, id, DeviceChange { info, ..DeviceChange::default() }).await.unwrap();
    let value = json!({"c8y_Firmware": {"version": "3"}, "c8y_Hardware": {"model": "dev"}});
    let next = changed(&domain, &device, own.id(), value).await.unwrap();
    let info = &next.device().unwrap().info;
    assert_eq!((info.fw_version.as_deref(), info.model.as_deref()), (Some("9"), Some("app")));
    assert_eq!(next.fragments()["c8y_Firmware"], json!({"version": "3"}), "and is kept as it was written");
    let before = domain.newest();
    changed(&domain, &device, own.id(), json!({"y": 2})).await.unwrap();
    assert!(domain.events_since(before).await.iter().all(|event| !matches!(event.event.body, EventBody::DeviceInfoChanged(_))));
}

#[tokio::test]
async fn devices_of_other_dialects_are_objects_too() {
    let domain = Ground::new(603).await;
    let (mine, theirs) = domain.two_tenants().await;
    let (admin, stranger) = (domain.admin(&mine).await, domain.admin(&theirs).await);
    let device = domain.online_device(&mine, "n1").await;
    let info = DeviceInfo { model: Some("M".into()), fw_version: Some("1".into()), ..DeviceInfo::default() };
    domain.core.modify_device(&mine.scope, device.id, DeviceChange { info, ..DeviceChange::default() }).await.unwrap();
    let id = ObjectId::of_device(device.id);
    let shown = domain.core.managed_object(&admin, id).await.unwrap();
    let all = shown.fragments();
    assert_eq!((shown.name(), shown.kind(), shown.owner()), (Some("n1"), None, None));
    assert_eq!(
        (&all["c8y_IsDevice"], &all["c8y_Hardware"]["model"], &all["c8y_Firmware"]["version"]),
        (&json!({}), &json!("M"), &json!("1"))
    );
    assert_eq!(
        (&all["c8y_Availability"]["status"], &all["c8y_Connection"]["status"]),
        (&json!("AVAILABLE"), &json!("CONNECTED"))
    );
    // It is found by its nodeId until it has other names.
    assert_eq!(domain.core.external(&admin, "c8y_Serial", "n1").await.unwrap().id(), id);
    assert_eq!(cause(domain.core.external(&stranger, "c8y_Serial", "n1").await), Cause::ResourceNotFound);
    assert_eq!(domain.core.external_ids(&admin, id).await.unwrap()[0].value, "n1");
    let other = made(&domain, &admin, "asset", json!({})).await;
    assert_eq!(cause(domain.core.bind_external(&admin, other.id(), "c8y_Serial", "n1").await), Cause::NameTaken);
    domain.core.bind_external(&admin, id, "c8y_Imei", "1").await.unwrap();
    assert_eq!(cause(domain.core.external(&admin, "c8y_Serial", "n1").await), Cause::ResourceNotFound);
    domain.core.bind_external(&admin, other.id(), "c8y_Serial", "n1").await.unwrap();
    // A record is made when there is something to keep.
    let kept = changed(&domain, &admin, id, json!({"c8y_Notes": "n", "name": "renamed"})).await.unwrap();
    assert_eq!((kept.name(), &kept.fragments()["c8y_Notes"]), (Some("renamed"), &json!("n")));
    assert_eq!(domain.core.device(&mine.scope, device.id).await.unwrap().info.name.as_deref(), Some("renamed"));
    assert_eq!(listed(&domain, &admin, |filter| filter.fragments = vec!["c8y_IsDevice".into()]).await, [id]);
    assert_eq!(listed(&domain, &admin, |filter| filter.fragments = vec!["c8y_IsDevice".into(), "c8y_Notes".into()]).await, [id]);
    assert_eq!(listed(&domain, &admin, |_| ()).await, [other.id(), id]);
    assert_eq!(listed(&domain, &stranger, |_| ()).await, []);
    domain.core.delete_object(&admin, id, false).await.unwrap();
    assert_eq!(cause(domain.core.device(&mine.scope, device.id).await), Cause::DeviceNotFound);
    assert_eq!(cause(domain.core.external(&admin, "c8y_Imei", "1").await), Cause::ResourceNotFound);
}

#[tokio::test]
async fn users_do_what_their_role_says() {
    let domain = Ground::new(604).await;
    let mine = domain.tenant("mine").await;
    let (admin, reader) = (domain.admin(&mine).await, domain.reader(&mine).await);
    let (one, two) = (domain.device_user(&mine, "1").await, domain.device_user(&mine, "2").await);
    let core = &domain.core;
    let (own, asset) = (a_device(&domain, &one, "one").await, made(&domain, &admin, "asset", json!({})).await);
    assert_eq!(core.managed_object(&reader, own.id()).await.unwrap(), own);
    assert_eq!(cause(core.create_object(&reader, new("x", json!({}))).await), Cause::Forbidden);
    assert_eq!(cause(changed(&domain, &reader, own.id(), json!({"x": 1})).await), Cause::Forbidden);
    assert_eq!(cause(core.delete_object(&reader, own.id(), false).await), Cause::Forbidden);
    // A device reaches what it owns and what is below that.
    for id in [own.id(), asset.id()] {
        assert_eq!(cause(core.managed_object(&two, id).await), Cause::ResourceNotFound);
    }
    core.add_child_object(&admin, own.id(), ChildKind::Addition, asset.id()).await.unwrap();
    changed(&domain, &one, asset.id(), json!({"x": 1})).await.unwrap();
    assert_eq!(cause(core.managed_object(&two, asset.id()).await), Cause::ResourceNotFound);
    let plain = domain.device(&mine, "plain").await;
    assert_eq!(cause(core.reached_device(&one, plain.id).await), Cause::DeviceNotFound);
    core.add_child_object(&admin, asset.id(), ChildKind::Device, ObjectId::of_device(plain.id)).await.unwrap();
    assert_eq!(core.reached_device(&one, plain.id).await.unwrap().id, plain.id);
    // Membership of a group gives nothing.
    let group = made(&domain, &admin, "g", json!({"c8y_IsDeviceGroup": {}})).await;
    core.add_child_object(&admin, group.id(), ChildKind::Asset, own.id()).await.unwrap();
    changed(&domain, &admin, group.id(), json!({"owner": "device_2"})).await.unwrap();
    assert_eq!(cause(core.managed_object(&two, own.id()).await), Cause::ResourceNotFound);
    assert_eq!(cause(core.create_object(&one, new("g", json!({"c8y_IsDeviceGroup": {}}))).await), Cause::Forbidden);
    // Owners are given by administrators.
    let theirs = NewObject { owner: Some("device_2".into()), ..new("x", json!({"c8y_IsDevice": {}})) };
    assert_eq!(cause(core.create_object(&one, theirs.clone()).await), Cause::Forbidden);
    assert_eq!(cause(changed(&domain, &one, own.id(), json!({"owner": "device_2"})).await), Cause::Forbidden);
    let given = core.create_object(&admin, theirs).await.unwrap();
    assert_eq!(listed(&domain, &two, |_| ()).await, [group.id(), given.id()]);
    changed(&domain, &admin, own.id(), json!({"owner": "device_2"})).await.unwrap();
    assert_eq!(cause(core.managed_object(&one, own.id()).await), Cause::ResourceNotFound);
    assert_eq!(core.managed_object(&two, own.id()).await.unwrap().owner(), Some("device_2"));
}

#[tokio::test]
async fn groups_are_groups_of_devices() {
    let domain = Ground::new(605).await;
    let (mine, theirs) = domain.two_tenants().await;
    let (admin, account) = (domain.admin(&mine).await, mine.all.account());
    let core = &domain.core;
    let top = made(&domain, &admin, "csv device1", json!({"c8y_IsDeviceGroup": {}})).await;
    let mut ids = vec![top.id()];
    for name in ["subgroup1", "x"] {
        let below =
            NewObject { below: ids.last().map(|id| (*id, ChildKind::Asset)), ..new(name, json!({"c8y_IsDeviceGroup": {}})) };
        ids.push(core.create_object(&admin, below).await.unwrap().id());
    }
    let at_path = async |account, path: &[&str]| {
        let mut found = None;
        for name in path {
            found = core.store().group_below(account, found, name).await.unwrap().map(|object| object.id);
        }
        found
    };
    let last = at_path(account, &["csv device1", "subgroup1", "x"]).await.unwrap();
    let ObjectOf::Group(last_group) = core.managed_object(&admin, last).await.unwrap().of() else { panic!("no group") };
    assert_eq!(at_path(theirs.all.account(), &["csv device1"]).await, None);
    let names = async || -> Vec<String> {
        core.groups(&mine.all, None, ALL).await.unwrap().items.iter().map(|group| group.name.clone()).collect()
    };
    assert_eq!(names().await, ["csv device1", "csv device1/subgroup1", "csv device1/subgroup1/x"]);
    let sub = below(&domain, &admin, top.id(), ChildKind::Asset).await[0];
    assert_eq!(core.managed_object(&admin, last).await.unwrap().name(), Some("x"));
    // Devices below it are its members.
    let device = domain.device(&mine, "n").await;
    let object = ObjectId::of_device(device.id);
    core.add_child_object(&admin, last, ChildKind::Asset, object).await.unwrap();
    assert_eq!(core.group_members(&mine.all, last_group, None, 9).await.unwrap().devices, [device.id]);
    assert_eq!(below(&domain, &admin, last, ChildKind::Asset).await, [object]);
    assert_eq!(core.parent_objects(&admin, object).await.unwrap()[0].0.id(), last);
    core.remove_child_object(&admin, last, ChildKind::Asset, object).await.unwrap();
    assert_eq!(core.group_members(&mine.all, last_group, None, 9).await.unwrap().devices, []);
    assert_eq!(cause(core.remove_child_object(&admin, last, ChildKind::Asset, object).await), Cause::ResourceNotFound);
    core.join_group(&mine.all, last_group, &[device.id]).await.unwrap();
    // The name follows the object, and one that is taken gets a number.
    changed(&domain, &admin, sub, json!({"name": "renamed"})).await.unwrap();
    assert!(names().await.contains(&"csv device1/renamed".to_owned()));
    let twin = made(&domain, &admin, "csv device1", json!({"c8y_IsDeviceGroup": {}})).await;
    assert_eq!(names().await.iter().filter(|name| name.starts_with("csv device1 ")).count(), 1);
    core.add_child_object(&admin, sub, ChildKind::Asset, twin.id()).await.unwrap();
    assert!(names().await.contains(&"csv device1/renamed/csv device1".to_owned()));
    assert_eq!(at_path(account, &["csv device1", "renamed", "csv device1"]).await, Some(twin.id()));
    // With its groups goes no device.
    core.delete_object(&admin, top.id(), true).await.unwrap();
    assert_eq!(names().await, Vec::<String>::new());
    assert_eq!(listed(&domain, &admin, |_| ()).await, [object]);
    for id in [top.id(), sub, last, twin.id()] {
        assert_eq!(cause(core.managed_object(&admin, id).await), Cause::ResourceNotFound);
    }
}

#[tokio::test]
async fn a_group_that_operators_delete_takes_its_object_with_it() {
    let domain = Ground::new(606).await;
    let mine = domain.tenant("mine").await;
    let admin = domain.admin(&mine).await;
    let group = made(&domain, &admin, "g", json!({"c8y_IsDeviceGroup": {}})).await;
    let ObjectOf::Group(id) = group.of() else { panic!("no group") };
    domain.core.delete_group(&mine.all, id).await.unwrap();
    assert_eq!(cause(domain.core.managed_object(&admin, group.id()).await), Cause::ResourceNotFound);
    // One that is deleted before its name is taken by nobody leaves its name free.
    made(&domain, &admin, "g", json!({"c8y_IsDeviceGroup": {}})).await;
}

#[tokio::test]
async fn a_device_below_a_device_is_behind_it() {
    let domain = Ground::new(607).await;
    let mine = domain.tenant("mine").await;
    shown_to_app(&domain, &mine).await;
    let agent = domain.device_user(&mine, "agent").await;
    let core = &domain.core;
    let top = a_device(&domain, &agent, "top").await;
    let gateway = |object: &ManagedObject| object.device().unwrap().gateway;
    let own = top.device().unwrap().id;
    let reread = async |object: &ManagedObject| core.managed_object(&agent, object.id()).await.unwrap();
    // Made below it, put below it, and below what is below it.
    let inner = NewObject { below: Some((top.id(), ChildKind::Device)), ..new("inner", json!({"c8y_IsDevice": {}})) };
    let inner = core.create_object(&agent, inner).await.unwrap();
    let later = a_device(&domain, &agent, "later").await;
    assert_eq!((gateway(&inner), gateway(&later)), (Some(own), None));
    core.add_child_object(&agent, inner.id(), ChildKind::Device, later.id()).await.unwrap();
    assert_eq!(gateway(&reread(&later).await), Some(own));
    assert_eq!(below(&domain, &agent, top.id(), ChildKind::Device).await, [inner.id()]);
    assert_eq!(below(&domain, &agent, inner.id(), ChildKind::Device).await, [later.id()]);
    assert_eq!(cause(core.add_child_object(&agent, later.id(), ChildKind::Device, top.id()).await), Cause::ChildNotAllowed);
    // One that an application added behind it is below it too.
    let added = core.add_child_for(&mine.scope, own, "added", None, DeviceInfo::default()).await.unwrap();
    assert_eq!(below(&domain, &agent, top.id(), ChildKind::Device).await, [inner.id(), ObjectId::of_device(added.id)]);
    core.remove_child_object(&agent, top.id(), ChildKind::Device, ObjectId::of_device(added.id)).await.unwrap();
    assert_eq!(core.device(&mine.scope, added.id).await.unwrap().gateway, None);
    core.remove_child_object(&agent, inner.id(), ChildKind::Device, later.id()).await.unwrap();
    assert_eq!(gateway(&reread(&later).await), None);
    // With its device an addition goes, and with cascade what is below; else that is freed.
    let addition = NewObject { below: Some((top.id(), ChildKind::Addition)), ..new("addition", json!({})) };
    let addition = core.create_object(&agent, addition).await.unwrap();
    let shared = NewObject { below: Some((top.id(), ChildKind::Addition)), ..new("shared", json!({})) };
    let shared = core.create_object(&agent, shared).await.unwrap();
    core.add_child_object(&agent, later.id(), ChildKind::Addition, shared.id()).await.unwrap();
    core.delete_object(&agent, top.id(), false).await.unwrap();
    assert_eq!(gateway(&reread(&inner).await), None);
    assert_eq!(cause(core.managed_object(&agent, addition.id()).await), Cause::ResourceNotFound);
    assert_eq!(below(&domain, &agent, later.id(), ChildKind::Addition).await, [shared.id()]);
    core.add_child_object(&agent, inner.id(), ChildKind::Device, later.id()).await.unwrap();
    core.delete_object(&agent, inner.id(), true).await.unwrap();
    assert_eq!(listed(&domain, &domain.admin(&mine).await, |_| ()).await, [ObjectId::of_device(added.id)]);
}

#[tokio::test]
async fn what_no_object_may_be_is_refused() {
    let domain = Ground::new(608).await;
    let mine = domain.tenant("mine").await;
    let admin = domain.admin(&mine).await;
    let core = &domain.core;
    let long = "x".repeat(257);
    for (case, refused, why) in [
        ("name", new("", json!({})), Cause::InvalidField),
        ("long name", new(&long, json!({})), Cause::InvalidField),
        ("type", NewObject { kind: Some(long.clone()), ..new("a", json!({})) }, Cause::InvalidField),
        ("fragment", new("a", json!({"": 1})), Cause::InvalidField),
        ("both", new("a", json!({"c8y_IsDevice": {}, "c8y_IsDeviceGroup": {}})), Cause::InvalidField),
        ("size", new("a", json!({"x": "y".repeat(65_536)})), Cause::ContentTooLarge),
        ("size of a device", new("a", json!({"c8y_IsDevice": {}, "x": "y".repeat(65_536)})), Cause::ContentTooLarge),
        ("external id", NewObject { external: vec![(String::new(), "1".into())], ..new("a", json!({})) }, Cause::InvalidField),
        ("parent", NewObject { below: Some((ObjectId(1), ChildKind::Asset)), ..new("a", json!({})) }, Cause::ResourceNotFound),
        ("owner", NewObject { owner: Some(String::new()), ..new("a", json!({})) }, Cause::InvalidField),
    ] {
        assert_eq!(cause(core.create_object(&admin, refused).await), why, "{case}");
    }
    assert_eq!(listed(&domain, &admin, |_| ()).await, []);
    let (device, plain) = (a_device(&domain, &admin, "d").await, made(&domain, &admin, "p", json!({})).await);
    for (id, value) in [
        (device.id(), json!({"name": null})),
        (device.id(), json!({"c8y_IsDevice": null})),
        (device.id(), json!({"c8y_IsDeviceGroup": {}})),
        (plain.id(), json!({"c8y_IsDevice": {}})),
        (plain.id(), json!({"name": long})),
        (plain.id(), json!({"a\u{7}": 1})),
    ] {
        assert_eq!(cause(changed(&domain, &admin, id, value.clone()).await), Cause::InvalidField, "{value}");
    }
    assert_eq!(cause(changed(&domain, &admin, plain.id(), json!({"x": "y".repeat(65_536)})).await), Cause::ContentTooLarge);
    assert_eq!(changed(&domain, &admin, plain.id(), json!({"name": null})).await.unwrap().name(), None);
    // A taken external id leaves nothing of the object.
    core.bind_external(&admin, plain.id(), "t", "1").await.unwrap();
    for value in [json!({}), json!({"c8y_IsDevice": {}}), json!({"c8y_IsDeviceGroup": {}})] {
        let taken = NewObject { external: vec![("u".into(), "1".into()), ("t".into(), "1".into())], ..new("a", value) };
        assert_eq!(cause(core.create_object(&admin, taken).await), Cause::NameTaken);
    }
    assert_eq!(listed(&domain, &admin, |_| ()).await.len(), 2);
    assert_eq!(core.groups(&mine.all, None, ALL).await.unwrap().total, 0);
}

#[tokio::test]
async fn a_device_counts_for_the_application_that_sees_it() {
    let domain = Ground::new(609).await;
    let mine = domain.tenant("mine").await;
    shown_to_app(&domain, &mine).await;
    let limits = landfall_model::AppLimits { devices: Some(1), ..landfall_model::AppLimits::default() };
    let change = landfall_core::AppChange { limits: Some(limits), ..landfall_core::AppChange::default() };
    domain.core.change_app(&mine.all, mine.app.id, change).await.unwrap();
    let admin = domain.admin(&mine).await;
    a_device(&domain, &admin, "one").await;
    assert_eq!(cause(domain.core.create_object(&admin, new("two", json!({"c8y_IsDevice": {}}))).await), Cause::DeviceLimit);
}
