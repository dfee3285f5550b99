//! Groups of devices at large: what they hold, who may join, and their pages; the same groups in every dialect.

use crate::{
    Ground, Tenant, cause,
    tree::{new as resource, node},
};
use landfall_core::{GroupChange, NewApp, NewGroup, ResourceChange, Scope, Target};
use landfall_model::{
    AccountPart, AppId, AppLimits, Batch, Cause, Device, DeviceId, DeviceInfo, Group, PageRequest, ResourceKind, Write,
};
use serde_json::{Value, json};

const GROUPS: Target = Target::Place(AccountPart::Groups);

fn group(name: &str, devices: &[DeviceId], max_members: u32) -> NewGroup {
    NewGroup { name: name.into(), description: None, max_members, devices: devices.to_vec() }
}

/// Another application of the same account.
async fn another(domain: &Ground, tenant: &Tenant, name: &str) -> Tenant {
    let new = NewApp { name: name.into(), limits: AppLimits::default() };
    let (app, secret) = domain.core.create_app(&tenant.all, new).await.unwrap();
    let scope = domain.core.narrow(&tenant.all, app.id).await.unwrap();
    let (all, product) = (tenant.all.clone(), tenant.product.clone());
    Tenant { all, app, secret: secret.expose().to_owned(), scope, product }
}

/// So many devices like one that is there, by id.
async fn many(domain: &Ground, like: &Device, n: usize) -> Vec<DeviceId> {
    let id = |i: usize| {
        let mut id = *like.id.0.as_bytes();
        id[..2].copy_from_slice(&(i as u16).to_be_bytes());
        DeviceId::from_random(id)
    };
    let one = |i: usize| Device { id: id(i), version: 1, node_id: format!("{}-{i}", like.node_id), ..like.clone() };
    for from in (0..n).step_by(1_000) {
        let writes = (from..n.min(from + 1_000)).map(|i| Write::Device(Box::new(one(i)))).collect();
        domain.core.store().commit(Batch { writes, events: vec![] }).await.unwrap();
    }
    (0..n).map(id).collect()
}

/// Lets exactly these applications see a device.
pub async fn shown_to(domain: &Ground, device: &Device, apps: &[AppId]) {
    let now = domain.reread(device).await;
    let next = Device { principals: apps.iter().copied().collect(), version: now.version + 1, ..(*now).clone() };
    domain.core.store().commit(Batch { writes: vec![Write::Device(Box::new(next))], events: vec![] }).await.unwrap();
}

/// Ids and total of a page.
async fn page(domain: &Ground, scope: &Scope, of: &Group, no: u64, size: u32) -> (Vec<DeviceId>, u64) {
    let found = domain.core.group_page(scope, of.id, PageRequest { no, size }).await.unwrap();
    (found.items, found.total)
}

/// What the tree shows of a group's devices.
async fn nds(domain: &Ground, tenant: &Tenant, group: &str) -> Value {
    let by = tenant.origin(domain, "Cmine").await;
    let Target::Resource(found) = domain.at(&by, &format!("device-group/{group}")).await else { panic!("no group {group}") };
    domain.core.whole_resource(&found).await.unwrap().attributes["nds"].clone()
}

#[tokio::test]
async fn a_group_is_made_whole_or_not_at_all() {
    let domain = Ground::new(521).await;
    let (mine, theirs) = domain.two_tenants().await;
    let core = &domain.core;
    let other = another(&domain, &mine, "other").await;
    let (a, b) = (domain.device(&mine, "a").await.id, domain.device(&mine, "b").await.id);
    let (foreign, theirs_is) = (domain.device(&other, "c").await.id, domain.device(&theirs, "d").await.id);
    let unknown = DeviceId::from_random([9; 16]);
    for (devices, max, refused) in [
        (vec![a, unknown], 0, Cause::DeviceNotFound),
        (vec![a, theirs_is], 0, Cause::DeviceNotFound),
        (vec![a, foreign], 0, Cause::DeviceForeign),
        (vec![a, b], 1, Cause::GroupFull),
    ] {
        assert_eq!(cause(core.create_group(&mine.scope, group("g", &devices, max)).await), refused);
        let there = core.groups(&mine.all, Some("g"), PageRequest { no: 0, size: 1 }).await.unwrap().total;
        assert_eq!(there, 0, "{devices:?}");
    }
    let made = core.create_group(&mine.scope, group("g", &[b, a, b], 2)).await.unwrap();
    assert_eq!((made.max_members, made.creator.as_str(), made.owner), (2, "app", Some(mine.app.id)));
    assert_eq!(core.group_size(&mine.scope, made.id).await, Ok(2));
    let more = domain.device(&mine, "e").await.id;
    assert_eq!(cause(core.join_group(&mine.scope, made.id, &[more]).await), Cause::GroupFull);
    assert_eq!(core.join_group(&mine.scope, made.id, &[a, b]).await, Ok(()), "they are in it");
    let bound = |max| GroupChange { max_members: Some(max), ..GroupChange::default() };
    assert_eq!(cause(core.change_group(&mine.scope, made.id, bound(1)).await), Cause::GroupFull);
    assert_eq!(core.group(&mine.scope, made.id).await.unwrap().version, 1);
    core.change_group(&mine.scope, made.id, bound(3)).await.unwrap();
    core.join_group(&mine.scope, made.id, &[more]).await.unwrap();
    assert_eq!(core.group_sizes(&mine.scope, &[made.id]).await, Ok(vec![3]));
    assert_eq!(core.group_sizes(&theirs.all, &[made.id]).await, Ok(vec![0]));
    // All or none leave as well.
    for (devices, refused) in [([a, unknown], Cause::DeviceNotFound), ([a, foreign], Cause::DeviceForeign)] {
        assert_eq!(cause(core.leave_group(&mine.scope, made.id, &devices).await), refused);
    }
    assert_eq!(core.group_size(&mine.scope, made.id).await, Ok(3));
    core.leave_group(&mine.scope, made.id, &[a, a]).await.unwrap();
    core.leave_group(&mine.scope, made.id, &[a]).await.unwrap();
    assert_eq!(core.group_size(&mine.scope, made.id).await, Ok(2));
    let operated = core.create_group(&mine.all, group("of the account", &[a, foreign], 0)).await.unwrap();
    assert_eq!((operated.creator.as_str(), core.group_size(&mine.all, operated.id).await), ("", Ok(2)));
}

#[tokio::test]
async fn the_creator_is_who_acts() {
    let domain = Ground::new(522).await;
    let mine = domain.tenant("mine").await;
    let other = another(&domain, &mine, "other").await;
    let core = &domain.core;
    core.authorize_app(&mine.all, mine.app.id, other.app.id, true).await.unwrap();
    let token = core.login(&other.app.id.to_string(), &other.secret).await.unwrap();
    let caller = core.authenticate(&other.app.id.to_string(), token.access.expose()).await.unwrap();
    let scope = core.act_for(&caller, Some(&mine.app.id.to_string())).await.unwrap();
    let made = core.create_group(&scope, group("g", &[], 0)).await.unwrap();
    assert_eq!((made.owner, made.creator.as_str()), (Some(mine.app.id), "other"));
}

#[tokio::test]
async fn pages_are_in_the_order_of_ids() {
    let domain = Ground::new(523).await;
    let (mine, theirs) = domain.two_tenants().await;
    let core = &domain.core;
    let like = domain.device(&mine, "n").await;
    let ids = many(&domain, &like, 2_500).await;
    let made = core.create_group(&mine.scope, group("g", &ids, 0)).await.unwrap();
    let read = async |no, size| page(&domain, &mine.scope, &made, no, size).await;
    assert_eq!(read(2, 1_000).await, (ids[2_000..].to_vec(), 2_500));
    assert_eq!(read(0, 1_000).await, (ids[..1_000].to_vec(), 2_500));
    assert_eq!(read(1, 1_000).await, (ids[1_000..2_000].to_vec(), 2_500));
    assert_eq!(read(3, 1_000).await, (vec![], 2_500));
    assert_eq!(read(u64::MAX, 1_000).await, (vec![], 2_500));
    assert_eq!(read(249, 10).await, (ids[2_490..].to_vec(), 2_500));
    assert_eq!(read(0, 5_000).await.0.len(), Group::SLICE);
    let foreign = core.group_page(&theirs.all, made.id, PageRequest { no: 0, size: 1 }).await;
    assert_eq!(cause(foreign), Cause::ResourceNotFound);
    let (mut walked, mut after) = (vec![], None);
    loop {
        let some = core.group_members(&mine.all, made.id, after, 600).await.unwrap();
        walked.extend(some.devices);
        after = some.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(walked, ids);
}

/// Who reads page after page sees each device that stays, once, though others leave before it.
#[tokio::test]
async fn pages_go_on_while_devices_leave() {
    let domain = Ground::new(524).await;
    let mine = domain.tenant("mine").await;
    let core = &domain.core;
    let ids = many(&domain, &*domain.device(&mine, "n").await, 300).await;
    let made = core.create_group(&mine.scope, group("g", &ids, 0)).await.unwrap();
    let mut seen = vec![];
    for no in 0..30 {
        let (some, _) = page(&domain, &mine.scope, &made, no, 10).await;
        core.leave_group(&mine.scope, made.id, &some[..some.len().min(3)]).await.unwrap();
        seen.extend(some);
    }
    assert_eq!(seen, ids);
    // Another reader, or the same one later, finds a page at its place.
    let left = 300 - 90;
    let (of_account, total) = page(&domain, &mine.all, &made, 1, 10).await;
    assert_eq!((total, &of_account[..2]), (left, &[ids[16], ids[17]][..]));
    assert_eq!(page(&domain, &mine.scope, &made, 1, 10).await.0[0], ids[13], "after the first ten that it read");
    domain.advance_s(61);
    assert_eq!(page(&domain, &mine.scope, &made, 1, 10).await.0, of_account);
}

/// Rights are judged when a list goes out, not when a device joined.
#[tokio::test]
async fn who_sees_a_device_no_more_is_not_shown_it_in_a_group() {
    let domain = Ground::new(525).await;
    let mine = domain.tenant("mine").await;
    let other = another(&domain, &mine, "other").await;
    let core = &domain.core;
    let (a, b) = (domain.device(&mine, "a").await, domain.device(&mine, "b").await);
    let made = core.create_group(&mine.scope, group("g", &[a.id, b.id], 0)).await.unwrap();
    assert_eq!(nds(&domain, &mine, &made.name).await.as_array().unwrap().len(), 2);
    shown_to(&domain, &a, &[other.app.id]).await;
    assert_eq!(page(&domain, &mine.scope, &made, 0, 10).await, (vec![b.id], 2));
    assert_eq!(core.group_members(&mine.scope, made.id, None, 10).await.unwrap().devices, [b.id]);
    assert_eq!(page(&domain, &mine.all, &made, 0, 10).await.0.len(), 2);
    assert_eq!(nds(&domain, &mine, &made.name).await, json!([b.id.to_string()]));
    // Its owner takes it out, and not in again.
    core.leave_group(&mine.scope, made.id, &[a.id]).await.unwrap();
    for scope in [&mine.scope, &mine.all] {
        assert_eq!(cause(core.join_group(scope, made.id, &[a.id]).await), Cause::DeviceForeign);
    }
    assert_eq!(core.group_size(&mine.scope, made.id).await, Ok(1));
}

/// The bound of a group holds for those that come over the tree; a node that finds no room is made all the same.
#[tokio::test]
async fn a_full_group_is_full_in_the_tree() {
    let domain = Ground::new(526).await;
    let mine = domain.tenant("mine").await;
    let core = &domain.core;
    let by = mine.origin(&domain, "Cmine").await;
    let made = core.create_group(&mine.scope, group("floor", &[], 2)).await.unwrap();
    let named = |name: &str| landfall_model::NodeRequest { groups: Some(vec!["floor".into()]), ..node(name) };
    assert_eq!(domain.provision(&by, ["d1", "d2", "d3"].map(named).to_vec()).await, 0);
    assert_eq!(core.group_size(&mine.scope, made.id).await, Ok(2));
    let d3 = domain.at(&by, "d3").await.device().unwrap();
    assert_eq!(core.why().device(mine.all.account(), d3).iter().map(|why| why.check).collect::<Vec<_>>(), ["deviceGroup"]);
    let Target::Resource(record) = domain.at(&by, "device-group/floor").await else { panic!("no group") };
    let wanted = |names: Value| ResourceChange {
        attributes: serde_json::Map::from_iter([("nds".to_owned(), names)]),
        ..ResourceChange::default()
    };
    let refused = core.update_resource(&by, record.id, wanted(json!(["d1", "d2", "d3"]))).await;
    assert_eq!(cause(refused), Cause::GroupFull);
    core.update_resource(&by, record.id, wanted(json!(["d3", "d1"]))).await.unwrap();
    assert_eq!(core.group_size(&mine.scope, made.id).await, Ok(2));
}

/// In the group of an application are devices that it sees: its own, or of one that has authorised it, as long as that lasts.
#[tokio::test]
async fn no_way_leads_into_the_group_of_who_does_not_see_a_device() {
    let domain = Ground::new(527).await;
    let mine = domain.tenant("mine").await;
    let other = another(&domain, &mine, "other").await;
    let core = &domain.core;
    let (by, others) = (mine.origin(&domain, "Cmine").await, other.origin(&domain, "Cother").await);
    let made = core.create_group(&mine.scope, group("floor", &[], 0)).await.unwrap();
    // It may change what `mine` has; `mine` does not see what it has.
    core.authorize_app(&mine.all, mine.app.id, other.app.id, true).await.unwrap();
    let named = |name: &str| landfall_model::NodeRequest { groups: Some(vec!["floor".into()]), ..node(name) };
    assert_eq!(domain.provision(&others, vec![named("o1")]).await, 0);
    let Target::Resource(record) = domain.at(&others, "device-group/floor").await else { panic!("no group") };
    let wanted = ResourceChange {
        attributes: serde_json::Map::from_iter([("nds".to_owned(), json!(["o1"]))]),
        ..ResourceChange::default()
    };
    let refused = core.update_resource(&others, record.id, wanted.clone()).await.unwrap_err();
    assert_eq!((refused.cause, refused.path.as_deref()), (Cause::InvalidField, Some("nds")));
    assert_eq!(core.group_size(&mine.scope, made.id).await, Ok(0));
    core.authorize_app(&mine.all, other.app.id, mine.app.id, true).await.unwrap();
    assert_eq!(domain.provision(&others, vec![named("o2")]).await, 0);
    core.update_resource(&by, record.id, wanted).await.unwrap();
    assert_eq!(nds(&domain, &mine, &made.name).await, json!(["o1"]));
    core.authorize_app(&mine.all, other.app.id, mine.app.id, false).await.unwrap();
    assert_eq!(nds(&domain, &mine, &made.name).await, json!([]));
    // Made over the tree, a group is the application's as any other.
    let floor = domain
        .made(&by, &GROUPS, resource(ResourceKind::FlexContainer, "roof", json!({"cnd": landfall_core::GROUP_DEFINITION})))
        .await;
    let found = core.group(&mine.scope, floor.id.as_group()).await.unwrap();
    assert_eq!((found.name.as_str(), found.creator.as_str(), found.max_members), ("roof", "app", 0));
}

#[tokio::test]
async fn a_gateway_takes_its_devices_out_of_groups() {
    let domain = Ground::new(528).await;
    let mine = domain.tenant("mine").await;
    let core = &domain.core;
    let gateway = domain.online_device(&mine, "gateway").await;
    let caller = core.device_caller(&gateway);
    let mut devices = vec![gateway.id, domain.device(&mine, "n").await.id];
    for n in 0..3 {
        devices.push(core.add_child(&caller, &format!("c{n}"), None, DeviceInfo::default()).await.unwrap().id);
    }
    let made = core.create_group(&mine.scope, group("g", &devices, 5)).await.unwrap();
    core.delete_device(&mine.scope, gateway.id, true).await.unwrap();
    assert_eq!(page(&domain, &mine.scope, &made, 0, 10).await, (vec![devices[1]], 1));
    let more: Vec<DeviceId> = many(&domain, &*domain.device(&mine, "more").await, 4).await;
    core.join_group(&mine.scope, made.id, &more).await.unwrap();
    let domain = domain.restart().await;
    assert_eq!(domain.core.group_size(&mine.scope, made.id).await, Ok(5));
}
