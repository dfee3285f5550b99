//! Callback addresses of calls and commands: a life and a limit of their own, and no answer lost (1.7.1, 1.7.7).

use super::{Ground, Tenant, cause};
use landfall_core::{CallRequest, CommandRequest, Outcome, Settings, SubscribeRequest, SubscriptionFilter};
use landfall_model::{
    Batch, Cause, Channel, Cursor, Device, NotifyType, PageRequest, Seq, SubscriptionId, SubscriptionKind, Write,
};
use std::sync::Arc;

const ALL: PageRequest = PageRequest { no: 0, size: 100 };

fn to(url: &str) -> CallRequest {
    CallRequest {
        service_id: "Switch".into(),
        method: "SET".into(),
        paras: r#"{"value":4}"#.into(),
        request_id: None,
        from: None,
        ack: false,
        callback_url: Some(url.into()),
    }
}

fn reboot_to(url: &str) -> CommandRequest {
    CommandRequest {
        service_id: "Device".into(),
        method: "REBOOT".into(),
        paras: "{}".into(),
        callback_url: Some(url.into()),
        expire_s: None,
        max_retransmit: 0,
    }
}

fn device_added() -> SubscribeRequest {
    SubscribeRequest {
        kind: SubscriptionKind::Notify(NotifyType::DeviceAdded),
        callback_url: "https://a.example/added".into(),
        channel: Channel::Http,
        owned_by_target: false,
    }
}

/// A server where an application has one subscription and two addresses.
async fn strict(seed: u64) -> Ground {
    Ground::plan(seed)
        .settings(Settings { subscriptions: 1, call_addresses: 2, calls_per_device: 10, ..Settings::default() })
        .open()
        .await
}

/// The addresses of calls and commands that an application has.
async fn addresses(domain: &Ground, tenant: &Tenant) -> Vec<String> {
    let kind = Some(SubscriptionKind::CallAddress);
    let filter = SubscriptionFilter { kind, owner: Some(tenant.app.id), ..Default::default() };
    let found = domain.core.subscriptions(&tenant.all, filter, ALL).await.unwrap();
    found.items.iter().map(|address| address.callback_url.clone()).collect()
}

/// The device answers its oldest waiting call.
async fn answer(domain: &Ground, device: &Arc<Device>) {
    let call = domain.core.store().calls(device.id).await.unwrap().remove(0);
    let answer = format!(r#"{{"msgType":"deviceRsp","mid":{},"errcode":0,"body":{{}}}}"#, call.mid);
    domain.says(&domain.core.device_caller(device), device.id, answer.as_bytes()).await.unwrap();
}

/// Where what happened since was told.
async fn told_to(domain: &Ground, since: Seq) -> Vec<SubscriptionId> {
    domain.events_since(since).await.iter().filter_map(|stored| stored.event.body.call_address()).collect()
}

/// Delivers as the push does: all addresses confirm everything up to `to`.
async fn deliver_to(domain: &Ground, tenant: &Tenant, to: Seq) {
    let kind = Some(SubscriptionKind::CallAddress);
    let filter = SubscriptionFilter { kind, owner: Some(tenant.app.id), ..Default::default() };
    for address in domain.core.subscriptions(&tenant.all, filter, ALL).await.unwrap().items {
        let cursor = Cursor { subscription: address.id, read_to: to, open: vec![] };
        domain.core.store().commit(Batch { writes: vec![Write::Cursor(cursor)], events: vec![] }).await.unwrap();
    }
}

#[tokio::test]
async fn addresses_do_not_count_against_subscriptions_and_have_a_limit_of_their_own() {
    let domain = strict(300).await;
    let (a, b) = (domain.tenant("a").await, domain.tenant("b").await);
    let (device, other) = (domain.online_device(&a, "n").await, domain.online_device(&b, "o").await);
    for url in ["https://a.example/1", "https://a.example/2", "https://a.example/1"] {
        domain.core.call_service(&a.scope, device.id, to(url)).await.unwrap();
    }
    let before = domain.newest();
    let refused = domain.core.call_service(&a.scope, device.id, to("https://a.example/3")).await.unwrap_err();
    assert_eq!((refused.cause, refused.path.as_deref()), (Cause::TooMany, Some("header.callbackURL")));
    assert!(refused.detail.contains("limits.call_addresses"), "{refused}");
    assert_eq!((domain.live.sent.lock().len(), domain.newest()), (3, before), "nothing was sent, nothing kept");
    assert_eq!(domain.core.store().calls(device.id).await.unwrap().len(), 3);
    domain.core.subscribe(&a.scope, device_added()).await.unwrap();
    domain.core.call_service(&b.scope, other.id, to("https://b.example/1")).await.unwrap();
}

#[tokio::test]
async fn a_command_beyond_the_limit_is_refused_and_leaves_nothing() {
    let domain = strict(301).await;
    let tenant = domain.tenant("a").await;
    let device = domain.lwm2m_device(&tenant, "n").await;
    for n in 1..=2 {
        domain.core.submit_command(&tenant.scope, device.id, reboot_to(&format!("https://a.example/{n}"))).await.unwrap();
    }
    let third = domain.core.submit_command(&tenant.scope, device.id, reboot_to("https://a.example/3")).await;
    assert_eq!(cause(third), Cause::TooMany);
    assert_eq!(domain.core.store().open_commands(device.id).await.unwrap().len(), 2);
    assert_eq!(addresses(&domain, &tenant).await, ["https://a.example/1", "https://a.example/2"]);
    let long = reboot_to(&format!("https://a.example/{}", "x".repeat(1024)));
    assert_eq!(cause(domain.core.submit_command(&tenant.scope, device.id, long).await), Cause::CallbackInvalid);
}

#[tokio::test]
async fn the_answer_of_a_call_without_confirmations_is_told_when_no_address_is_free() {
    let domain = strict(302).await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    domain.core.call_service(&tenant.scope, device.id, to("https://a.example/1")).await.unwrap();
    domain.advance_s(1);
    // An operator deletes what the call is to be told to, and others take the places.
    let address = domain.core.subscriptions(&tenant.all, SubscriptionFilter::default(), ALL).await.unwrap().items.remove(0);
    domain.core.delete_subscription(&tenant.all, address.id).await.unwrap();
    for url in ["https://a.example/2", "https://a.example/3"] {
        domain.core.call_service(&tenant.scope, device.id, to(url)).await.unwrap();
    }
    let before = domain.newest();
    answer(&domain, &device).await;
    assert_eq!(domain.told_since(before).await, ["subscription", "confirmed Executed", "answered 0"]);
    let told = told_to(&domain, before).await;
    assert_eq!(told[0], told[1]);
    let address = domain.core.store().subscription(told[0]).await.unwrap().unwrap();
    assert_eq!(address.callback_url, "https://a.example/1");
    assert!(domain.core.store().cursor(address.id).await.unwrap().unwrap().read_to < domain.newest(), "it will be delivered");
}

#[tokio::test]
async fn both_changes_of_one_outcome_go_to_one_address() {
    let domain = strict(303).await;
    let tenant = domain.tenant("a").await;
    let device = domain.lwm2m_device(&tenant, "n").await;
    let command = domain.core.submit_command(&tenant.scope, device.id, reboot_to("https://a.example/1")).await.unwrap();
    let caller = domain.core.device_caller(&device);
    domain.core.next_work(&caller, false).await.unwrap().unwrap();
    let address = domain.core.subscriptions(&tenant.all, SubscriptionFilter::default(), ALL).await.unwrap().items.remove(0);
    domain.core.delete_subscription(&tenant.all, address.id).await.unwrap();
    let before = domain.newest();
    domain.core.command_outcome(&caller, command.id, Outcome::Done("{}".into())).await.unwrap();
    let told = told_to(&domain, before).await;
    assert_eq!(told.len(), 2);
    assert_eq!(told[0], told[1]);
    assert_eq!(addresses(&domain, &tenant).await, ["https://a.example/1"]);
}

#[tokio::test]
async fn an_address_is_freed_once_nothing_waits_and_nothing_is_owed() {
    let domain = strict(304).await;
    let (a, b) = (domain.tenant("a").await, domain.tenant("b").await);
    let (device, other) = (domain.online_device(&a, "n").await, domain.online_device(&b, "o").await);
    domain.core.call_service(&a.scope, device.id, to("https://a.example/1")).await.unwrap();
    domain.core.call_service(&b.scope, other.id, to("https://a.example/1")).await.unwrap();
    deliver_to(&domain, &a, domain.newest()).await;
    domain.core.sweep().await.unwrap();
    assert_eq!(addresses(&domain, &a).await.len(), 1, "the call waits");
    answer(&domain, &device).await;
    domain.core.sweep().await.unwrap();
    assert_eq!(addresses(&domain, &a).await.len(), 1, "the answer is not delivered");
    let before = domain.newest();
    deliver_to(&domain, &a, before).await;
    domain.core.sweep().await.unwrap();
    assert!(addresses(&domain, &a).await.is_empty());
    assert_eq!(domain.told_since(before).await, ["subscription"], "the push hears of it");
    assert_eq!(addresses(&domain, &b).await.len(), 1, "another account's");
    for n in 1..=2 {
        domain.core.call_service(&a.scope, device.id, to(&format!("https://a.example/{n}"))).await.unwrap();
    }
    let made = ["subscription", "confirmed Sent"];
    assert_eq!(domain.told_since(before).await[1..], [made, made].concat());
}

#[tokio::test]
async fn addresses_of_calls_that_end_without_an_answer_are_freed() {
    let domain = strict(305).await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    let sleeper = domain.lwm2m_device(&tenant, "s").await;
    domain.core.call_service(&tenant.scope, device.id, to("https://a.example/1")).await.unwrap();
    domain.core.submit_command(&tenant.scope, sleeper.id, reboot_to("https://a.example/2")).await.unwrap();
    domain.advance_s(61);
    domain.core.sweep().await.unwrap();
    assert_eq!(addresses(&domain, &tenant).await.len(), 2, "the end of the call is not delivered");
    deliver_to(&domain, &tenant, domain.newest()).await;
    domain.core.sweep().await.unwrap();
    assert_eq!(addresses(&domain, &tenant).await, ["https://a.example/2"], "the command still waits");
    domain.core.delete_device(&tenant.scope, sleeper.id, true).await.unwrap();
    domain.core.sweep().await.unwrap();
    assert!(addresses(&domain, &tenant).await.is_empty());
}

#[tokio::test]
async fn an_application_takes_all_its_addresses_with_it() {
    let domain = strict(306).await;
    let tenant = domain.tenant("a").await;
    let device = domain.online_device(&tenant, "n").await;
    domain.core.subscribe(&tenant.scope, device_added()).await.unwrap();
    for n in 1..=2 {
        domain.core.call_service(&tenant.scope, device.id, to(&format!("https://a.example/{n}"))).await.unwrap();
    }
    domain.core.delete_device(&tenant.scope, device.id, true).await.unwrap();
    domain.core.delete_app(&tenant.all, tenant.app.id).await.unwrap();
    assert_eq!(domain.core.subscriptions(&tenant.all, SubscriptionFilter::default(), ALL).await.unwrap().total, 0);
}
