//! Groups of devices: whose they are, who is in them, and what oneM2M shows of them.

use crate::{Ground, Tenant, cause, onem2m::tree::node};
use landfall_core::{GroupChange, NewApp, NewGroup, NewResource, OriginCaller, ResourceChange, Scope, Settings, Target};
use landfall_model::{AccountPart, AppLimits, Cause, DeviceId, Group, GroupId, PageRequest, ResourceKind};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const GROUPS: Target = Target::Place(AccountPart::Groups);
const ALL: PageRequest = PageRequest { no: 0, size: 100 };

fn new(name: &str) -> NewGroup {
    NewGroup { name: name.into(), ..NewGroup::default() }
}

async fn made(domain: &Ground, scope: &Scope, name: &str) -> Arc<Group> {
    domain.core.create_group(scope, new(name)).await.unwrap()
}

/// The devices of a group, two looked at at a time.
async fn members(domain: &Ground, scope: &Scope, group: GroupId) -> Vec<DeviceId> {
    let (mut found, mut after) = (vec![], None);
    loop {
        let some = domain.core.group_members(scope, group, after, 2).await.unwrap();
        found.extend(some.devices);
        after = some.next;
        if after.is_none() {
            return found;
        }
    }
}

fn flex(name: &str, attributes: Value) -> NewResource {
    let Value::Object(mut attributes) = attributes else { panic!("attributes are an object") };
    attributes.insert("cnd".into(), landfall_core::GROUP_DEFINITION.into());
    NewResource {
        kind: ResourceKind::FlexContainer,
        name: Some(name.into()),
        labels: vec![],
        policies: vec![],
        attributes,
        expires_at: None,
    }
}

fn change(attributes: Value) -> ResourceChange {
    let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
    ResourceChange { attributes, ..ResourceChange::default() }
}

/// What applications read of a device group.
async fn shown(domain: &Ground, by: &OriginCaller, name: &str) -> Map<String, Value> {
    let Target::Resource(found) = domain.at(by, &format!("device-group/{name}")).await else { panic!("no group {name}") };
    domain.core.whole_resource(&found).await.unwrap().attributes.clone()
}

#[tokio::test]
async fn groups_are_their_owners() {
    let domain = Ground::new(501).await;
    let (mine, theirs) = domain.two_tenants().await;
    let core = &domain.core;
    let (a, of_account) = (made(&domain, &mine.scope, "a").await, made(&domain, &mine.all, "a").await);
    let foreign = made(&domain, &theirs.scope, "a").await;
    assert_eq!(cause(core.create_group(&mine.scope, new("a")).await), Cause::NameTaken);
    assert_eq!((a.owner, of_account.owner), (Some(mine.app.id), None));
    for (scope, group, there) in [
        (&mine.scope, &a, true),
        (&mine.scope, &of_account, false),
        (&mine.scope, &foreign, false),
        (&mine.all, &a, true),
        (&mine.all, &of_account, true),
        (&mine.all, &foreign, false),
        (&theirs.all, &a, false),
    ] {
        let found = core.group(scope, group.id).await;
        assert_eq!(found.map_err(|error| error.cause), if there { Ok(group.clone()) } else { Err(Cause::ResourceNotFound) });
    }
    let named = async |scope: &Scope| core.groups(scope, None, ALL).await.unwrap().items.len();
    assert_eq!((named(&mine.scope).await, named(&mine.all).await, named(&theirs.scope).await), (1, 2, 1));
    let described = GroupChange { name: Some("b".into()), description: Some(Some("cellar".into())), ..GroupChange::default() };
    let b = core.change_group(&mine.scope, a.id, described).await.unwrap();
    assert_eq!((b.name.as_str(), b.description.as_deref(), b.version), ("b", Some("cellar"), 2));
    let plain =
        core.change_group(&mine.scope, a.id, GroupChange { description: Some(None), ..GroupChange::default() }).await.unwrap();
    assert_eq!((plain.name.as_str(), plain.description.as_deref()), ("b", None));
    for bad in ["", "a\nb", &"x".repeat(257)] {
        assert_eq!(cause(core.create_group(&mine.scope, new(bad)).await), Cause::InvalidField, "{bad:?}");
    }
    let long = NewGroup { description: Some("x".repeat(1_025)), ..new("c") };
    assert_eq!(cause(core.create_group(&mine.scope, long).await), Cause::InvalidField);
    assert_eq!(cause(core.delete_group(&theirs.all, a.id).await), Cause::ResourceNotFound);
    core.delete_group(&mine.scope, a.id).await.unwrap();
    assert_eq!(cause(core.group(&mine.scope, a.id).await), Cause::ResourceNotFound);
    made(&domain, &mine.scope, "b").await;
}

#[tokio::test]
async fn an_account_has_a_limit_of_groups() {
    let domain = Ground::plan(502).settings(Settings { groups: 2, ..Settings::default() }).open().await;
    let (mine, theirs) = domain.two_tenants().await;
    made(&domain, &mine.scope, "a").await;
    let by = mine.origin(&domain, "Cmine").await;
    domain.made(&by, &GROUPS, flex("b", json!({}))).await;
    assert_eq!(cause(domain.core.create_group(&mine.all, new("c")).await), Cause::TooMany);
    assert_eq!(cause(domain.core.create_resource(&by, &GROUPS, flex("c", json!({}))).await), Cause::TooMany);
    made(&domain, &theirs.scope, "c").await;
}

#[tokio::test]
async fn devices_join_and_leave_in_slices() {
    let domain = Ground::new(503).await;
    let (mine, theirs) = domain.two_tenants().await;
    let core = &domain.core;
    let group = made(&domain, &mine.scope, "g").await;
    let mut devices = vec![];
    for n in 0..5 {
        devices.push(domain.device(&mine, &format!("n{n}")).await.id);
    }
    devices.sort();
    let foreign = domain.device(&theirs, "foreign").await.id;
    let refused = core.join_group(&mine.scope, group.id, &[devices[0], foreign]).await;
    assert_eq!(cause(refused), Cause::DeviceNotFound);
    assert_eq!(core.group_size(&mine.scope, group.id).await, Ok(0), "all or none");
    assert_eq!(cause(core.join_group(&theirs.scope, group.id, &[foreign]).await), Cause::ResourceNotFound);
    assert_eq!(cause(core.join_group(&mine.scope, group.id, &vec![devices[0]; Group::SLICE + 1]).await), Cause::TooMany);
    for _ in 0..2 {
        core.join_group(&mine.scope, group.id, &devices).await.unwrap();
    }
    assert_eq!(members(&domain, &mine.scope, group.id).await, devices);
    assert_eq!(cause(core.leave_group(&mine.scope, group.id, &[devices[1], foreign]).await), Cause::DeviceNotFound);
    core.leave_group(&mine.scope, group.id, &[devices[1]]).await.unwrap();
    core.delete_device(&mine.scope, devices[2], false).await.unwrap();
    assert_eq!(members(&domain, &mine.scope, group.id).await, [devices[0], devices[3], devices[4]]);
    assert_eq!(core.group_size(&mine.scope, group.id).await, Ok(3));
    assert_eq!(cause(core.group_members(&theirs.all, group.id, None, 2).await), Cause::ResourceNotFound);
    assert_eq!(cause(core.group_size(&theirs.all, group.id).await), Cause::ResourceNotFound);
    let domain = domain.restart().await;
    assert_eq!(domain.core.group_size(&mine.scope, group.id).await, Ok(3));
}

/// An application is not shown what another one's devices are, though they are in its group.
#[tokio::test]
async fn members_are_those_that_the_caller_sees() {
    let domain = Ground::new(504).await;
    let mine = domain.tenant("mine").await;
    let core = &domain.core;
    let limits = AppLimits::default();
    let (other, _) = core.create_app(&mine.all, NewApp { name: "other".into(), limits }).await.unwrap();
    let others = core.narrow(&mine.all, other.id).await.unwrap();
    let device = domain.device(&mine, "n").await.id;
    let group = core.create_group(&others, new("g")).await.unwrap();
    assert_eq!(cause(core.join_group(&others, group.id, &[device]).await), Cause::DeviceForeign);
    let operated = core.join_group(&mine.all, group.id, &[device]).await;
    assert_eq!(cause(operated), Cause::DeviceForeign, "its owner does not see the device");
    core.authorize_app(&mine.all, mine.app.id, other.id, true).await.unwrap();
    core.join_group(&mine.all, group.id, &[device]).await.unwrap();
    assert_eq!(members(&domain, &others, group.id).await, []);
    assert_eq!(members(&domain, &mine.all, group.id).await, [device]);
}

#[tokio::test]
async fn device_groups_show_the_devices_of_groups() {
    let domain = Ground::new(505).await;
    let (mine, theirs) = domain.two_tenants().await;
    let core = &domain.core;
    let (by, them) = (mine.origin(&domain, "Cmine").await, theirs.origin(&domain, "Ctheirs").await);
    assert_eq!(domain.provision(&by, vec![node("d1"), node("d2"), node("d3")]).await, 0);
    assert_eq!(domain.provision(&them, vec![node("foreign")]).await, 0);
    let id = async |name: &str| domain.at(&by, name).await.id(by.account().id).to_string();
    for (given, bad) in
        [(json!({"nds": ["d1", "x"]}), "nds"), (json!({"nds": ["foreign"]}), "nds"), (json!({"aes": ["app"]}), "aes")]
    {
        let error = core.create_resource(&by, &GROUPS, flex("g", given)).await.unwrap_err();
        assert_eq!((error.cause, error.path.as_deref()), (Cause::InvalidField, Some(bad)));
    }
    let group = domain.made(&by, &GROUPS, flex("g", json!({ "nds": ["d2", "d1", "d1"] }))).await;
    assert_eq!(shown(&domain, &by, "g").await["nds"], json!(["d1", "d2"]));
    let found = core.group(&mine.scope, group.id.as_group()).await.unwrap();
    assert_eq!((found.name.as_str(), core.group_size(&mine.scope, found.id).await), ("g", Ok(2)));
    let by_id = json!([id("d1").await, id("d3").await]);
    core.update_resource(&by, group.id, change(json!({ "nds": by_id }))).await.unwrap();
    let mut sorted = [id("d1").await, id("d3").await];
    sorted.sort();
    assert_eq!(shown(&domain, &by, "g").await["nds"], json!(sorted), "in the form in which they were given");
    core.update_resource(&by, group.id, change(json!({ "aes": [] }))).await.unwrap();
    assert_eq!(shown(&domain, &by, "g").await["nds"], json!(sorted), "who is not named stays");
    let d3 = domain.at(&by, "d3").await;
    core.delete_target(&by, &d3).await.unwrap();
    assert_eq!(shown(&domain, &by, "g").await["nds"], json!([id("d1").await]));
    core.update_resource(&by, group.id, change(json!({ "nds": null }))).await.unwrap();
    assert_eq!(shown(&domain, &by, "g").await["nds"], json!([]));
    core.delete_target(&by, &Target::Resource(group)).await.unwrap();
    assert_eq!(cause(core.group(&mine.scope, found.id).await), Cause::ResourceNotFound);
}

/// What was made elsewhere is seen here, and goes there.
#[tokio::test]
async fn groups_made_elsewhere_are_device_groups() {
    let domain = Ground::new(506).await;
    let mine = domain.tenant("mine").await;
    let core = &domain.core;
    let by = mine.origin(&domain, "Cmine").await;
    let device = domain.device(&mine, "n").await;
    let group = made(&domain, &mine.scope, "floor").await;
    made(&domain, &mine.all, "of the account").await;
    core.join_group(&mine.scope, group.id, &[device.id]).await.unwrap();
    assert_eq!(shown(&domain, &by, "floor").await["nds"], json!([device.id.to_string()]));
    let odd = made(&domain, &mine.scope, "not / a name").await;
    assert_eq!(shown(&domain, &by, &odd.id.to_string()).await["nds"], json!([]));
    let renamed = GroupChange { name: Some("roof".into()), ..GroupChange::default() };
    core.change_group(&mine.scope, group.id, renamed).await.unwrap();
    assert_eq!(domain.absent(&by, "device-group/floor").await, Cause::ResourceNotFound);
    let page = core.children_within(&by, &GROUPS, &[], 0, 100).await.unwrap();
    assert_eq!(page.total, 2, "those of applications");
    core.delete_group(&mine.scope, group.id).await.unwrap();
    assert_eq!(domain.absent(&by, "device-group/roof").await, Cause::ResourceNotFound);
    let Target::Resource(record) = domain.at(&by, &format!("device-group/{}", odd.id)).await else { panic!("no record") };
    core.delete_target(&by, &Target::Resource(record)).await.unwrap();
    assert_eq!(cause(core.group(&mine.scope, odd.id).await), Cause::ResourceNotFound);
}

#[tokio::test]
async fn nodes_join_the_groups_that_they_name() {
    let domain = Ground::new(507).await;
    let mine: Tenant = domain.tenant("mine").await;
    let by = mine.origin(&domain, "Cmine").await;
    let group = domain.made(&by, &GROUPS, flex("g", json!({}))).await;
    let mut named = node("d1");
    named.groups = Some(vec!["g".into(), "nowhere".into()]);
    let mut by_id = node("d2");
    by_id.groups = Some(vec![group.id.to_string()]);
    assert_eq!(domain.provision(&by, vec![named, by_id]).await, 0);
    assert_eq!(shown(&domain, &by, "g").await["nds"], json!(["d1", "d2"]));
    let warned = async |name: &str| {
        let device = domain.at(&by, name).await.device().unwrap();
        let found = domain.core.why().device(mine.all.account(), device);
        found.iter().map(|why| why.check).collect::<Vec<_>>()
    };
    assert_eq!((warned("d1").await, warned("d2").await), (vec!["deviceGroup"], vec![]));
}

#[tokio::test]
async fn groups_go_with_their_application() {
    let domain = Ground::new(508).await;
    let (mine, theirs) = domain.two_tenants().await;
    let core = &domain.core;
    let (by, them) = (mine.origin(&domain, "Cmine").await, theirs.origin(&domain, "Ctheirs").await);
    let (other, _) = core.create_app(&mine.all, NewApp { name: "other".into(), limits: AppLimits::default() }).await.unwrap();
    let others = core.narrow(&mine.all, other.id).await.unwrap();
    let device = domain.device(&mine, "n").await.id;
    let mut going = vec![];
    for n in 0..60 {
        going.push(made(&domain, &others, &format!("g{n}")).await.id);
    }
    let stay = [made(&domain, &mine.scope, "mine").await.id, made(&domain, &mine.all, "of the account").await.id];
    let foreign = made(&domain, &theirs.scope, "g0").await.id;
    core.authorize_app(&mine.all, mine.app.id, other.id, true).await.unwrap();
    for group in going.iter().chain(&stay) {
        core.join_group(&mine.all, *group, &[device]).await.unwrap();
    }
    core.delete_app(&mine.all, other.id).await.unwrap();
    let left = |page: landfall_model::Page<Arc<Group>>| page.items.iter().map(|group| group.id).collect::<Vec<_>>();
    assert_eq!(left(core.groups(&mine.all, None, ALL).await.unwrap()), stay);
    assert_eq!(left(core.groups(&theirs.all, None, ALL).await.unwrap()), [foreign]);
    let of_device = core.store().groups_of(device, None, 100).await.unwrap();
    let mut stay_by_id = stay;
    stay_by_id.sort();
    assert_eq!(of_device.iter().map(|group| group.id).collect::<Vec<_>>(), stay_by_id, "the device stays in the others");
    for group in going {
        assert_eq!(cause(core.group(&mine.all, group).await), Cause::ResourceNotFound);
    }
    assert_eq!(domain.absent(&by, "device-group/g0").await, Cause::ResourceNotFound);
    assert_eq!(shown(&domain, &by, "mine").await["nds"], json!([device.to_string()]));
    assert_eq!(shown(&domain, &them, "g0").await["nds"], json!([]));
}
