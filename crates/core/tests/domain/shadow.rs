//! The shadow (1.4.8, 1.4.9, 1.5.4): merged, delivered when the device can hear, told, and kept in history.

use super::{Ground, Tenant, cause};
use landfall_core::{DesiredRequest, HistoryFilter, Step, Work, WorkOf};
use landfall_model::{Cause, Device, PageRequest, Result};

fn interval(value: &str) -> DesiredRequest {
    DesiredRequest { service_id: "Settings".into(), desired: format!(r#"{{"interval":{value}}}"#) }
}

async fn set(domain: &Ground, tenant: &Tenant, device: &Device, request: DesiredRequest) -> Result<()> {
    domain.core.set_desired(&tenant.scope, device.id, &[request]).await
}

async fn work(domain: &Ground, device: &Device, asleep: bool) -> Option<Work> {
    domain.core.next_work(&domain.core.device_caller(device), asleep).await.unwrap()
}

/// What is written to the device next.
async fn written(domain: &Ground, device: &Device) -> Option<(String, String)> {
    let work = work(domain, device, false).await?;
    let [Step::Write { path, value, .. }] = work.steps.as_slice() else { panic!("{work:?}") };
    let WorkOf::Desired { properties, .. } = &work.of else { panic!("{work:?}") };
    assert_eq!(*properties, format!(r#"{{"interval":{value}}}"#));
    Some((path.clone(), value.clone()))
}

#[tokio::test]
async fn desired_values_wait_for_the_device_and_are_told_once() {
    let domain = Ground::new(90).await;
    let tenant = domain.tenant("a").await;
    let device = domain.lwm2m_device(&tenant, "n").await;
    let before = domain.newest();
    set(&domain, &tenant, &device, interval("60")).await.unwrap();
    assert_eq!(*domain.live.woken.lock(), [device.id]);
    assert_eq!(work(&domain, &device, true).await, None, "a sleeping device is not disturbed");
    assert_eq!(written(&domain, &device).await, Some(("/1/0/2".into(), "60".into())));
    assert_eq!(written(&domain, &device).await, Some(("/1/0/2".into(), "60".into())), "without an answer it is tried again");

    let caller = domain.core.device_caller(&device);
    set(&domain, &tenant, &device, interval("90")).await.unwrap();
    domain.core.desired_outcome(&caller, "Settings", r#"{"interval":60}"#, true).await.unwrap();
    assert_eq!(written(&domain, &device).await, Some(("/1/0/2".into(), "90".into())), "what was set meanwhile stays open");
    domain.core.desired_outcome(&caller, "Settings", r#"{"interval":90}"#, false).await.unwrap();
    assert_eq!(work(&domain, &device, false).await, None, "a refused value is not tried again");
    assert_eq!(domain.told_since(before).await, ["desired Settings true", "desired Settings false"]);
}

#[tokio::test]
async fn only_what_differs_from_the_reported_value_is_sent() {
    let domain = Ground::new(91).await;
    let tenant = domain.tenant("a").await;
    let device = domain.lwm2m_device(&tenant, "n").await;
    let report = br#"{"msgType":"deviceReq","data":[{"serviceId":"Settings","serviceData":{"interval":60}}]}"#;
    domain.says(&domain.core.device_caller(&device), device.id, report).await.unwrap();
    let before = domain.newest();
    set(&domain, &tenant, &device, interval("60")).await.unwrap();
    assert_eq!(work(&domain, &device, false).await, None);
    assert_eq!(domain.told_since(before).await, ["desired Settings true"], "it is so already");
    set(&domain, &tenant, &device, interval("61")).await.unwrap();
    assert_eq!(written(&domain, &device).await, Some(("/1/0/2".into(), "61".into())));
    let desired = domain.core.desired(&device).await.unwrap();
    assert_eq!(
        (desired.len(), desired[0].desired.as_str(), desired[0].open.as_slice()),
        (1, r#"{"interval":61}"#, &["interval".to_owned()][..])
    );
}

#[tokio::test]
async fn what_cannot_be_set_is_refused_and_leaves_no_trace() {
    let domain = Ground::new(92).await;
    let tenant = domain.tenant("a").await;
    let device = domain.lwm2m_device(&tenant, "n").await;
    let request = |service: &str, desired: &str| DesiredRequest { service_id: service.into(), desired: desired.into() };
    for (bad, expected) in [
        (request("None", r#"{"interval":1}"#), Cause::ServiceNotFound),
        (request("Device", r#"{"interval":1}"#), Cause::PropertiesEmpty),
        (request("Settings", r#"{"none":1}"#), Cause::PropertyUnknown),
        (request("Settings", r#"{"label":1}"#), Cause::PropertyUnknown),
        (request("Settings", r#"{"seen":1}"#), Cause::PropertyReadOnly),
        (request("Settings", r#"{"interval":"x"}"#), Cause::InvalidField),
        (request("Settings", "{}"), Cause::InvalidField),
    ] {
        let both = [interval("1"), bad.clone()];
        assert_eq!(cause(domain.core.set_desired(&tenant.scope, device.id, &both).await), expected, "{bad:?}");
    }
    assert_eq!(cause(domain.core.set_desired(&tenant.scope, device.id, &[]).await), Cause::InvalidField);
    assert!(domain.core.desired(&device).await.unwrap().is_empty(), "all or nothing");
    let bare = landfall_core::RegisterDevice { product: None, ..super::new_device("bare", &tenant.product) };
    let bare = domain.core.register_device(&tenant.scope, bare).await.unwrap();
    assert_eq!(cause(set(&domain, &tenant, &bare, interval("1")).await), Cause::ModelNotFound);
}

#[tokio::test]
async fn every_setting_is_history() {
    let domain = Ground::new(93).await;
    let tenant = domain.tenant("a").await;
    let device = domain.lwm2m_device(&tenant, "n").await;
    for value in ["1", "2", "3"] {
        set(&domain, &tenant, &device, interval(value)).await.unwrap();
        domain.advance_s(10);
    }
    let filter = HistoryFilter { device: Some(device.id), ..HistoryFilter::default() };
    let history = async |filter, service: Option<&str>, property: Option<&str>, size| {
        let (service, property) = (service.map(str::to_owned), property.map(str::to_owned));
        let page = PageRequest { no: 0, size };
        domain.core.desired_history(&tenant.scope, filter, service, property, page).await.unwrap()
    };
    let found = history(filter, None, None, 2).await;
    assert_eq!((found.total, found.items.len(), found.items[0].desired.as_str()), (3, 2, r#"{"interval":3}"#), "newest first");
    let oldest = found.items[1].at;
    assert_eq!(history(HistoryFilter { after: Some(oldest), ..filter }, None, None, 9).await.total, 1, "bounds are exclusive");
    assert_eq!(history(HistoryFilter { before: Some(oldest), ..filter }, None, None, 9).await.total, 1);
    assert_eq!(history(filter, Some("Settings"), Some("interval"), 9).await.total, 3);
    assert_eq!(history(filter, Some("Device"), None, 9).await.total, 0);
    assert_eq!(history(filter, None, Some("label"), 9).await.total, 0);
    assert_eq!(history(HistoryFilter { gateway: Some(device.id), ..filter }, None, None, 9).await.total, 3);
}
