//! Devices that several applications see, and devices that none does.

use super::{Ground, cause};
use landfall_core::{Criteria, DeviceFilter, NewApp, Scope, Target};
use landfall_model::{AccountPart, AppId, AppLimits, Batch, Cause, Device, EventBody, PageRequest, Write};
use landfall_testkit::Tenant;
use std::sync::Arc;

const PAGE: PageRequest = PageRequest { no: 0, size: 100 };

async fn another(domain: &Ground, tenant: &Tenant, name: &str) -> (AppId, Scope) {
    let new = NewApp { name: name.into(), limits: AppLimits::default() };
    let (app, _) = domain.core.create_app(&tenant.all, new).await.unwrap();
    (app.id, domain.core.narrow(&tenant.all, app.id).await.unwrap())
}

/// Lets exactly these applications see a device.
async fn shown_to(domain: &Ground, device: &Device, apps: &[AppId]) -> Arc<Device> {
    let now = domain.reread(device).await;
    let next = Device { principals: apps.iter().copied().collect(), version: now.version + 1, ..(*now).clone() };
    let batch = Batch { writes: vec![Write::Device(Box::new(next))], events: vec![] };
    domain.core.store().commit(batch).await.unwrap();
    domain.reread(device).await
}

#[tokio::test]
async fn each_principal_sees_a_device_and_nobody_else() {
    let domain = Ground::new(301).await;
    let (tenant, stranger) = (domain.tenant("a").await, domain.tenant("b").await);
    let (second, (_, third)) = (another(&domain, &tenant, "second").await, another(&domain, &tenant, "third").await);
    let device = domain.lwm2m_device(&tenant, "n").await;
    let core = &domain.core;
    for seen_by in [vec![tenant.app.id, second.0], vec![second.0, tenant.app.id], vec![second.0], vec![]] {
        let device = shown_to(&domain, &device, &seen_by).await;
        for (scope, sees) in [
            (&tenant.all, true),
            (&tenant.scope, seen_by.contains(&tenant.app.id)),
            (&second.1, seen_by.contains(&second.0)),
            (&third, false),
        ] {
            let found = core.device(scope, device.id).await;
            assert_eq!(found.is_ok(), sees, "{seen_by:?} {scope:?}");
            assert!(sees || cause(found) == Cause::DeviceForeign);
            let listed = core.devices(scope, DeviceFilter::of(scope.account()), PAGE).await.unwrap();
            assert_eq!((listed.total, listed.items.len()), (sees.into(), sees.into()));
        }
        assert_eq!(cause(core.device(&stranger.scope, device.id).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.device(&stranger.all, device.id).await), Cause::DeviceNotFound);
        // What happens is told to those who see it, and to nobody else.
        let before = domain.newest();
        core.modify_device(&tenant.all, device.id, Default::default()).await.unwrap();
        let told = domain.events_since(before).await;
        let changed = told.iter().find(|stored| matches!(stored.event.body, EventBody::DeviceInfoChanged(_))).unwrap();
        for app in [tenant.app.id, second.0, third.app().unwrap()] {
            assert_eq!(changed.event.concerns(device.account, app), seen_by.contains(&app));
            assert!(!changed.event.concerns(stranger.all.account(), app));
        }
    }
    let gone = core.delete_app(&tenant.all, second.0).await;
    assert!(gone.is_ok(), "it sees no device any more: {gone:?}");
    core.delete_device(&tenant.all, device.id, false).await.unwrap();
}

#[tokio::test]
async fn an_application_that_sees_a_device_stays() {
    let domain = Ground::new(302).await;
    let tenant = domain.tenant("a").await;
    let second = another(&domain, &tenant, "second").await;
    let device = domain.device(&tenant, "n").await;
    shown_to(&domain, &device, &[tenant.app.id, second.0]).await;
    assert_eq!(cause(domain.core.delete_app(&tenant.all, second.0).await), Cause::AppInUse);
}

#[tokio::test]
async fn a_device_of_two_principals_is_one_node() {
    let domain = Ground::new(303).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Cown").await;
    let (second, _) = another(&domain, &tenant, "second").await;
    // What the second one sees is open to the first.
    domain.core.authorize_app(&tenant.all, second, tenant.app.id, true).await.unwrap();
    let (one, two) = (domain.device(&tenant, "one").await, domain.device(&tenant, "two").await);
    shown_to(&domain, &one, &[tenant.app.id, second]).await;
    shown_to(&domain, &two, &[second]).await;
    let base = Target::Place(AccountPart::Base);
    let mut listed = vec![];
    for skip in 0..3 {
        let page = domain.core.children_within(&by, &base, &[14], skip, 1).await.unwrap();
        listed.extend(page.items.iter().filter_map(|item| item.device()));
    }
    listed.sort();
    let mut expected = vec![one.id, two.id];
    expected.sort();
    assert_eq!(listed, expected);
    let all = domain.core.children_within(&by, &base, &[14], 0, 100).await.unwrap();
    assert_eq!(all.items.len(), 2);
    let criteria = Criteria { types: vec![14], ..Criteria::default() };
    let found = domain.core.discover(&by, &base, &criteria, 0, 100).await.unwrap();
    assert_eq!(found.targets.len(), 2, "{found:?}");
    // Whose authorisation ends sees what it sees itself.
    domain.core.authorize_app(&tenant.all, second, tenant.app.id, false).await.unwrap();
    let all = domain.core.children_within(&by, &base, &[14], 0, 100).await.unwrap();
    assert_eq!(all.items.iter().filter_map(|item| item.device()).collect::<Vec<_>>(), [one.id]);
}
