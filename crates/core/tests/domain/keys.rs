//! New keys for registered devices (1.4.3), and the identities of pre-shared keys.

use super::{Ground, cause, new_device};
use landfall_core::{DeviceChange, RefreshKey, RegisterDevice};
use landfall_model::{Cause, DeviceStatus, Secret, StatusDetail};

fn nothing() -> RefreshKey {
    RefreshKey { node_id: None, verify_code: None, timeout_s: None }
}

#[tokio::test]
async fn a_refreshed_device_must_bind_again_or_is_deleted() {
    let domain = Ground::new(100).await;
    let tenant = domain.tenant("a").await;
    let core = &domain.core;
    let fresh = domain.device(&tenant, "fresh").await;
    assert_eq!(cause(core.refresh_key(&tenant.scope, fresh.id, nothing()).await), Cause::DeviceNotActive);
    let device = domain.lwm2m_device(&tenant, "n").await;
    assert_eq!(cause(core.refresh_key(&tenant.scope, device.id, nothing()).await), Cause::DeviceOnline);
    let caller = core.device_caller(&device);
    core.deregister(&caller, "l", StatusDetail::None).await.unwrap();
    assert_eq!(core.registration(&tenant.scope, device.id).await.unwrap(), None);
    for bad in [
        RefreshKey { node_id: Some("a/b".into()), ..nothing() },
        RefreshKey { verify_code: Some(Secret::new("")), ..nothing() },
        RefreshKey { timeout_s: Some(1 << 31), ..nothing() },
    ] {
        assert_eq!(cause(core.refresh_key(&tenant.scope, device.id, bad.clone()).await), Cause::InvalidField, "{bad:?}");
    }
    let taken = RefreshKey { node_id: Some("fresh".into()), ..nothing() };
    assert_eq!(cause(core.refresh_key(&tenant.scope, device.id, taken).await), Cause::NodeIdTaken);

    let before = domain.newest();
    let code = Some(Secret::new("code"));
    let request = RefreshKey { node_id: Some("new".into()), verify_code: code.clone(), timeout_s: Some(60) };
    let key = core.refresh_key(&tenant.scope, device.id, request).await.unwrap();
    assert_eq!((Some(key.verify_code), key.timeout_s), (code, 60));
    let refreshed = domain.reread(&device).await;
    assert_eq!((refreshed.node_id.as_str(), refreshed.activated), ("new", false));
    assert_eq!((refreshed.status, refreshed.status_detail), (DeviceStatus::Inactive, StatusDetail::NotActive));
    assert_eq!(cause(core.device_by_psk_identity("n").await), Cause::DeviceNotFound, "the old identity is free");
    assert_eq!(core.device_by_psk_identity("new").await.unwrap().id, device.id);
    let again = RefreshKey { node_id: Some("newer".into()), ..nothing() };
    core.refresh_key(&tenant.scope, device.id, again).await.unwrap();
    let refreshed = domain.reread(&device).await;
    assert_eq!((refreshed.node_id.as_str(), refreshed.activated), ("newer", false), "again before it has bound");
    domain.come(&refreshed).await;
    let told = ["info INACTIVE", "info INACTIVE", "bound Succeeded", "info ONLINE"];
    assert_eq!(domain.told_since(before).await, told, "it is bound anew");

    core.deregister(&caller, "l", StatusDetail::None).await.unwrap();
    let key = core.refresh_key(&tenant.scope, device.id, nothing()).await.unwrap();
    assert_eq!((key.timeout_s, key.verify_code.expose().len()), (180, 20), "made where none is given");
    domain.advance_s(181);
    let before = domain.newest();
    core.sweep().await.unwrap();
    assert_eq!(domain.told_since(before).await, ["bound Expired", "deleted"]);
}

#[tokio::test]
async fn an_account_learns_of_its_own_devices_alone_that_they_are_bound() {
    let domain = Ground::new(102).await;
    let (tenant, other) = domain.two_tenants().await;
    domain.device(&tenant, "waits").await;
    domain.online_device(&tenant, "urn:imei:863703030668222").await;
    for (scope, name, bound) in [
        (&tenant.scope, "waits", false),
        (&tenant.scope, "nobody", false),
        (&tenant.scope, "863703030668222", true),
        (&other.scope, "863703030668222", false),
    ] {
        assert_eq!(domain.core.is_bound(scope, name).await, Ok(bound), "{name}");
    }
}

#[tokio::test]
async fn a_pre_shared_key_is_whole_bytes() {
    let domain = Ground::new(103).await;
    let tenant = domain.tenant("a").await;
    let device = domain.device(&tenant, "n").await;
    for (psk, taken) in
        [("00112233", true), ("0011223", false), ("001122334", false), ("00112233g0", false), ("0011223344", true)]
    {
        let key = || Some(Secret::new(psk));
        let new = RegisterDevice { psk: key(), ..new_device(&format!("with-{psk}"), &tenant.product) };
        let change = DeviceChange { psk: key(), ..DeviceChange::default() };
        let refused = [
            domain.core.register_device(&tenant.scope, new).await.err(),
            domain.core.modify_device(&tenant.scope, device.id, change).await.err(),
        ];
        for error in refused {
            let expected = (!taken).then_some((Cause::InvalidField, Some("psk")));
            assert_eq!(error.as_ref().map(|error| (error.cause, error.path.as_deref())), expected, "{psk}");
        }
    }
}

#[tokio::test]
async fn identities_of_pre_shared_keys_are_unique() {
    let domain = Ground::new(101).await;
    let tenant = domain.tenant("a").await;
    let core = &domain.core;
    let with =
        |node: &str, identity: &str| RegisterDevice { psk_identity: Some(identity.into()), ..new_device(node, &tenant.product) };
    let plain = domain.device(&tenant, "plain").await;
    let named = core.register_device(&tenant.scope, with("named", "key-7")).await.unwrap();
    assert_eq!(core.device_by_psk_identity("plain").await.unwrap().id, plain.id, "the nodeId where none is given");
    assert_eq!(core.device_by_psk_identity("key-7").await.unwrap().id, named.id);
    assert_eq!(cause(core.device_by_psk_identity("named").await), Cause::DeviceNotFound);
    for (node, identity) in [("x", "key-7"), ("y", "plain")] {
        assert_eq!(cause(core.register_device(&tenant.scope, with(node, identity)).await), Cause::NodeIdTaken, "{identity}");
    }
    for bad in [String::new(), "i".repeat(129), "a\n".to_owned()] {
        assert_eq!(cause(core.register_device(&tenant.scope, with("z", &bad)).await), Cause::InvalidField);
    }
    let change = |identity: &str| DeviceChange { psk_identity: Some(identity.into()), ..DeviceChange::default() };
    assert_eq!(cause(core.modify_device(&tenant.scope, plain.id, change("key-7")).await), Cause::NodeIdTaken);
    core.modify_device(&tenant.scope, named.id, change("key-8")).await.unwrap();
    assert_eq!(core.device_by_psk_identity("key-8").await.unwrap().id, named.id);
    assert_eq!(cause(core.device_by_psk_identity("key-7").await), Cause::DeviceNotFound);
    assert_eq!(domain.live.closed.lock().len(), 1, "what came with the old identity must come again");
}
