//! The status of devices in virtual time (1.4.1, 1.4.9).

use super::{Ground, new_device};
use landfall_core::RegisterDevice;
use landfall_model::{AccessMode, DeviceStatus, StatusDetail};

const HOUR_S: u32 = 3600;

#[tokio::test]
async fn the_first_connection_binds_and_the_end_of_it_is_offline() {
    let domain = Ground::new(10).await;
    let tenant = domain.tenant("a").await;
    let before = domain.newest();
    let device = domain.online_device(&tenant, "n").await;
    assert_eq!((device.status, device.activated), (DeviceStatus::Online, true));
    assert_eq!(domain.told_since(before).await, ["added", "bound Succeeded", "info ONLINE"]);

    let caller = domain.core.device_caller(&device);
    let before = domain.newest();
    domain.core.disconnected(&caller).await.unwrap();
    assert_eq!(domain.reread(&device).await.status, DeviceStatus::Online, "a newer connection is open");
    domain.live.shut(device.id);
    domain.core.disconnected(&caller).await.unwrap();
    assert_eq!(domain.reread(&device).await.status, DeviceStatus::Offline);
    domain.live.open(device.id);
    domain.core.connected(&caller).await.unwrap();
    assert_eq!(domain.told_since(before).await, ["info OFFLINE", "info ONLINE"], "bound only once");
}

#[tokio::test]
async fn silence_is_abnormal_after_25_hours_and_offline_after_49() {
    let domain = Ground::new(11).await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    let report = br#"{"msgType":"deviceReq","data":[{"serviceId":"Thermometer","serviceData":{"temperature":1}}]}"#;
    for (hours, expected) in
        [(24, DeviceStatus::Online), (2, DeviceStatus::Abnormal), (22, DeviceStatus::Abnormal), (2, DeviceStatus::Offline)]
    {
        domain.advance_s(hours * HOUR_S);
        domain.core.sweep().await.unwrap();
        assert_eq!(domain.reread(&device).await.status, expected);
    }
    assert_eq!(domain.reread(&device).await.status_detail, StatusDetail::TimeOut);
    domain.says(&domain.core.device_caller(&device), device.id, report).await.unwrap();
    assert_eq!(domain.reread(&device).await.status, DeviceStatus::Online, "any report gives ONLINE");
    domain.advance_s(24 * HOUR_S);
    domain.core.sweep().await.unwrap();
    assert_eq!(domain.reread(&device).await.status, DeviceStatus::Online);
}

/// Many devices fall silent at once: their changes share transactions.
#[tokio::test]
async fn silent_devices_are_changed_many_at_a_time() {
    let domain = Ground::new(13).await;
    let tenant = domain.tenant("a").await;
    let mut devices = vec![];
    for n in 0..200 {
        devices.push(domain.online_device(&tenant, &format!("n{n}")).await);
    }
    domain.advance_s(26 * HOUR_S);
    let before = domain.core.store().stats().await.unwrap();
    domain.core.sweep().await.unwrap();
    let after = domain.core.store().stats().await.unwrap();
    for device in &devices {
        assert_eq!(domain.reread(device).await.status, DeviceStatus::Abnormal);
    }
    assert_eq!(after.batches - before.batches, 200);
    assert!(after.commits - before.commits <= 50, "{} transactions", after.commits - before.commits);
}

#[tokio::test]
async fn a_registration_that_is_not_used_in_time_ends() {
    let domain = Ground::new(12).await;
    let tenant = domain.tenant("a").await;
    let request =
        |node: &str, timeout_s| RegisterDevice { access: AccessMode::VerifyCode, timeout_s, ..new_device(node, &tenant.product) };
    let short = domain.core.register_device(&tenant.scope, request("default", None)).await.unwrap();
    let ever = domain.core.register_device(&tenant.scope, request("ever", Some(0))).await.unwrap();
    assert_eq!(short.credentials.code_timeout_s, Some(180));
    domain.advance_s(179);
    domain.core.sweep().await.unwrap();
    domain.reread(&short).await;
    let before = domain.newest();
    domain.advance_s(2);
    domain.core.sweep().await.unwrap();
    assert_eq!(domain.told_since(before).await, ["bound Expired", "deleted"]);
    assert!(domain.core.device_by_id(short.id).await.is_err());
    domain.reread(&ever).await;
}

#[tokio::test]
async fn devices_that_a_crash_left_connected_are_offline_after_the_reconciliation() {
    let domain = Ground::new(13).await;
    let tenant = domain.tenant("a").await;
    let (back, away) = (domain.online_device(&tenant, "back").await, domain.online_device(&tenant, "away").await);
    domain.live.shut(away.id);
    domain.core.reconcile().await.unwrap();
    assert_eq!(domain.reread(&back).await.status, DeviceStatus::Online);
    assert_eq!(domain.reread(&away).await.status, DeviceStatus::Offline);
}
