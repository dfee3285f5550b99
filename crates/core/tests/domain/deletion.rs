//! Deletions of what is large: in slices, so that a failure between two of them leaves what can be deleted again.

use super::{
    Ground, Tenant, cause,
    tree::{BASE, new, text},
};
use landfall_core::{DeviceFilter, Purpose, Target};
use landfall_model::{Cause, Device, DeviceInfo, DeviceStatus, EventBody, PageRequest, ResourceKind, Seq, StatusDetail};
use serde_json::json;
use std::{collections::HashSet, sync::Arc};

/// More than one slice has.
const BEHIND: usize = 250;
const SLICE: usize = 200;

async fn gateway(domain: &Ground, tenant: &Tenant) -> Arc<Device> {
    let gateway = domain.online_device(tenant, "gateway").await;
    let caller = domain.core.device_caller(&gateway);
    let mut adding = tokio::task::JoinSet::new();
    for n in 0..BEHIND {
        let (core, caller) = (domain.core.clone(), caller.clone());
        adding.spawn(async move { core.add_child(&caller, &format!("c{n}"), None, DeviceInfo::default()).await.unwrap() });
    }
    adding.join_all().await;
    gateway
}

async fn behind(domain: &Ground, gateway: &Device) -> u64 {
    let filter = DeviceFilter { gateway: Some(gateway.id), ..DeviceFilter::of(gateway.account) };
    let found = domain.core.store().devices(&filter, PageRequest { no: 0, size: 1 }).await.unwrap();
    found.total - u64::from(domain.core.store().device(gateway.id).await.unwrap().is_some())
}

/// The devices that were told as deleted or as changed.
async fn told_of_devices(domain: &Ground, since: Seq) -> Vec<landfall_model::DeviceId> {
    let told = domain.events_since(since).await;
    let fits = |body: &EventBody| matches!(body, EventBody::DeviceDeleted { .. } | EventBody::DeviceInfoChanged(_));
    told.iter().filter(|stored| fits(&stored.event.body)).filter_map(|stored| stored.event.device).collect()
}

#[tokio::test]
async fn a_gateway_whose_deletion_failed_midway_is_deleted_again() {
    for cascade in [true, false] {
        let domain = Ground::new(330).await;
        let tenant = domain.tenant("a").await;
        let gateway = gateway(&domain, &tenant).await;
        let before = domain.newest();
        let id = hex::encode(gateway.id.0.as_bytes());
        domain.beside(&format!(
            "CREATE TRIGGER fails BEFORE DELETE ON device WHEN OLD.id = x'{id}' BEGIN SELECT RAISE(ABORT, 'no'); END"
        ));
        domain.core.delete_device(&tenant.scope, gateway.id, cascade).await.unwrap_err();
        assert!(domain.core.device(&tenant.scope, gateway.id).await.is_ok(), "the gateway comes last");
        assert_eq!(behind(&domain, &gateway).await, (BEHIND - SLICE) as u64, "a slice a commit");
        assert_eq!(told_of_devices(&domain, before).await.len(), SLICE);

        domain.beside("DROP TRIGGER fails");
        domain.core.delete_device(&tenant.scope, gateway.id, cascade).await.unwrap();
        assert_eq!(cause(domain.core.device(&tenant.scope, gateway.id).await), Cause::DeviceNotFound);
        assert_eq!(behind(&domain, &gateway).await, 0);
        let told = told_of_devices(&domain, before).await;
        assert_eq!(told.len(), BEHIND + 1);
        assert_eq!(told.iter().collect::<HashSet<_>>().len(), BEHIND + 1, "each device once");
        assert_eq!(domain.live.closed.lock().len(), if cascade { BEHIND + 1 } else { 1 });
        let left = domain.core.devices(&tenant.scope, DeviceFilter::of(gateway.account), PageRequest { no: 0, size: 1 }).await;
        assert_eq!(left.unwrap().total, if cascade { 0 } else { BEHIND as u64 });
    }
}

#[tokio::test]
async fn whoever_is_here_is_told_of_a_deletion() {
    let domain = Ground::new(334).await;
    let tenant = domain.tenant("a").await;
    let (gateway, away) = (domain.online_device(&tenant, "gateway").await, domain.device(&tenant, "away").await);
    let caller = domain.core.device_caller(&gateway);
    let child = async |node| domain.core.add_child(&caller, node, None, DeviceInfo::default()).await.unwrap();
    let (first, second, third) = (child("c1").await, child("c2").await, child("c3").await);
    domain.core.delete_device(&tenant.scope, first.id, true).await.unwrap();
    domain.core.remove_child(&caller, second.id).await.unwrap();
    domain.core.delete_device(&tenant.scope, away.id, true).await.unwrap();
    domain.core.delete_device(&tenant.scope, gateway.id, true).await.unwrap();
    let told: Vec<_> = std::mem::take(&mut *domain.live.sent.lock());
    assert!(told.iter().all(|message| message.purpose == Purpose::Dismissal && !message.binary));
    let of: Vec<_> = told.iter().map(|message| message.device).collect();
    assert_eq!(of, [first.id, gateway.id], "not of what it has removed itself, nor one by one of what goes with it");
    let message: serde_json::Value = serde_json::from_slice(&told[0].payload).unwrap();
    let mid = message["mid"].as_u64().filter(|mid| (1..=65_535).contains(mid));
    assert_eq!(message, json!({"msgType": "cloudReq", "serviceId": "$agent", "cmd": "UNBIND", "paras": {}, "mid": mid}));
    let closed: Vec<_> = domain.live.closed.lock().iter().map(|(device, _)| *device).collect();
    assert_eq!(closed, [away.id, third.id, gateway.id]);
}

#[tokio::test]
async fn a_gateway_whose_disconnection_failed_midway_is_disconnected_again() {
    let domain = Ground::new(333).await;
    let tenant = domain.tenant("a").await;
    let gateway = gateway(&domain, &tenant).await;
    let caller = domain.core.device_caller(&gateway);
    let filter = DeviceFilter { gateway: Some(gateway.id), ..DeviceFilter::of(gateway.account) };
    let behind = domain.core.store().devices(&filter, PageRequest { no: 0, size: 1_000 }).await.unwrap().items;
    let online = behind
        .iter()
        .filter(|child| child.id != gateway.id)
        .map(|child| domain.core.report_status(&caller, child.id, DeviceStatus::Online, StatusDetail::None));
    futures_util::future::try_join_all(online).await.unwrap();
    domain.live.shut(gateway.id);
    let before = domain.newest();
    let id = hex::encode(gateway.id.0.as_bytes());
    domain.beside(&format!(
        "CREATE TRIGGER fails BEFORE UPDATE ON device WHEN OLD.id = x'{id}' BEGIN SELECT RAISE(ABORT, 'no'); END"
    ));
    domain.core.disconnected(&caller).await.unwrap_err();
    assert_eq!(domain.reread(&gateway).await.status, DeviceStatus::Online, "the gateway comes last");
    let told = told_of_devices(&domain, before).await.len();
    assert!((SLICE - 1..=SLICE).contains(&told), "a slice a commit: {told}");

    domain.beside("DROP TRIGGER fails");
    domain.core.reconcile().await.unwrap();
    let told = told_of_devices(&domain, before).await;
    assert_eq!(told.len(), BEHIND + 1);
    assert_eq!(told.iter().collect::<HashSet<_>>().len(), BEHIND + 1, "each device once");
    let offline = DeviceFilter { status: Some(DeviceStatus::Offline), ..filter };
    let offline = domain.core.store().devices(&offline, PageRequest { no: 0, size: 1 }).await.unwrap().total;
    assert_eq!(offline, BEHIND as u64 + 1);
}

/// What is below is there for nobody, although its rows go later.
#[tokio::test]
async fn a_large_subtree_is_gone_at_once() {
    let domain = Ground::new(334).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Capp").await;
    let container = |name: &str| new(ResourceKind::Container, name, json!({}));
    let device = domain.online_device(&tenant, "d").await;
    let channel = domain.at(&by, &format!("device-communication/{}", device.id)).await;
    let top = domain.made(&by, &BASE, container("top")).await;
    for (at, whole) in [(Target::Resource(top.clone()), Target::Resource(top)), (channel, Target::Node(device))] {
        let mut deep = at.clone();
        for n in 0..BEHIND {
            deep = Target::Resource(domain.made(&by, &at, container(&format!("c{n}"))).await);
        }
        let deepest = Target::Resource(domain.made(&by, &deep, container("deepest")).await);
        let instance = domain.core.append(&by, &deepest, text("x")).await.unwrap().id;
        let id = |target: &Target| target.id(by.account().id);
        let below = async || domain.core.store().resources_below(id(&at), 1_000).await.unwrap().len();
        assert_eq!(below().await, BEHIND + 1);

        domain.core.delete_target(&by, &whole).await.unwrap();
        assert!((1..=BEHIND + 1 - SLICE).contains(&below().await), "the rows of others are still there");
        for gone in [id(&deep), id(&deepest), instance] {
            assert_eq!(cause(domain.core.find_id(&by, gone).await), Cause::ResourceNotFound);
        }
        let late = domain.core.create_resource(&by, &deepest, container("late")).await;
        assert_eq!(cause(late), Cause::ResourceNotFound);
        while domain.core.prune().await.unwrap() {}
        assert_eq!(below().await, 0);
        assert_eq!(domain.core.store().resource(id(&deepest)).await, Ok(None));
        assert_eq!(domain.core.store().instance(instance, domain.core.now()).await, Ok(None));
    }
}

#[tokio::test]
async fn the_tree_has_32_levels() {
    let domain = Ground::new(335).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Capp").await;
    let mut at = BASE;
    for _ in 0..32 {
        at = Target::Resource(domain.made(&by, &at, new(ResourceKind::Container, "c", json!({}))).await);
    }
    let deeper = domain.core.create_resource(&by, &at, new(ResourceKind::Container, "c", json!({}))).await;
    assert_eq!(cause(deeper), Cause::ChildNotAllowed);
    assert_eq!(domain.core.find_id(&by, at.id(by.account().id)).await.unwrap(), at);
}

/// What comes while its gateway goes is gone with it, is freed or is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_device_is_left_behind_a_gateway_that_goes() {
    let domain = Ground::new(332).await;
    let tenant = domain.tenant("a").await;
    for round in 0..40 {
        let gateway = domain.device(&tenant, &format!("gateway{round}")).await;
        let mut adding = tokio::task::JoinSet::new();
        for n in 0..4 {
            let (core, caller) = (domain.core.clone(), domain.core.device_caller(&gateway));
            adding.spawn(async move { core.add_child(&caller, &format!("c{round}-{n}"), None, DeviceInfo::default()).await });
        }
        domain.core.delete_device(&tenant.scope, gateway.id, round % 2 == 0).await.unwrap();
        adding.join_all().await;
        assert_eq!(behind(&domain, &gateway).await, 0, "round {round}");
    }
}
