//! Subscriptions and tokens (1.3, 1.6).

use super::{Ground, Tenant, cause};
use landfall_core::{
    AppChange, CloseCause, CommandRequest, NewApp, Parcel, Receivers, SubscribeRequest, SubscriptionFilter, Unreceived,
};
use landfall_model::{AppId, AppLimits, Cause, Channel, NotifyType, PageRequest, SubscriptionKind};
use std::sync::Arc;

const PAGE: PageRequest = PageRequest { no: 0, size: 100 };

fn to(kind: NotifyType, url: &str) -> SubscribeRequest {
    SubscribeRequest {
        kind: SubscriptionKind::Notify(kind),
        callback_url: url.into(),
        channel: Channel::Http,
        owned_by_target: false,
    }
}

#[tokio::test]
async fn only_the_newest_token_is_valid_and_a_refresh_token_is_spent() {
    let domain = Ground::new(50).await;
    let Tenant { app, secret, .. } = domain.tenant("a").await;
    let (core, id) = (&domain.core, app.id.to_string());
    assert_eq!(cause(core.login(&id, "wrong").await), Cause::Unauthenticated);
    let first = core.login(&id, &secret).await.unwrap();
    core.authenticate(&id, first.access.expose()).await.unwrap();
    let second = core.login(&id, &secret).await.unwrap();
    assert_eq!(cause(core.authenticate(&id, first.access.expose()).await), Cause::Unauthenticated);
    assert_eq!(cause(core.refresh(&id, &secret, first.refresh.expose()).await), Cause::InvalidField);
    let third = core.refresh(&id, &secret, second.refresh.expose()).await.unwrap();
    assert_eq!(cause(core.authenticate(&id, second.access.expose()).await), Cause::Unauthenticated);
    domain.advance_s(3599);
    core.authenticate(&id, third.access.expose()).await.unwrap();
    domain.advance_s(1);
    assert_eq!(cause(core.authenticate(&id, third.access.expose()).await), Cause::Unauthenticated);
    domain.advance_s(30 * 86_400);
    assert_eq!(cause(core.refresh(&id, &secret, third.refresh.expose()).await), Cause::InvalidField);
}

#[tokio::test]
async fn a_frozen_application_gets_no_token_and_loses_its_own() {
    let domain = Ground::new(51).await;
    let tenant = domain.tenant("a").await;
    let id = tenant.app.id.to_string();
    let token = domain.core.login(&id, &tenant.secret).await.unwrap().access;
    let freeze = AppChange { frozen: Some(true), ..AppChange::default() };
    domain.core.change_app(&tenant.all, tenant.app.id, freeze).await.unwrap();
    assert_eq!(cause(domain.core.authenticate(&id, token.expose()).await), Cause::Unauthenticated);
    assert_eq!(cause(domain.core.login(&id, &tenant.secret).await), Cause::AppFrozen);
}

#[tokio::test]
async fn what_an_application_proved_with_its_secret_holds_until_something_changes() {
    let domain = Ground::new(53).await;
    let (mine, theirs) = domain.two_tenants().await;
    let (core, id) = (&domain.core, mine.app.id.to_string());
    for secret in ["", "wrong", &theirs.secret] {
        assert_eq!(cause(core.authenticate_by_secret(&id, secret).await), Cause::Unauthenticated, "{secret}");
    }
    for other in [theirs.app.id.to_string(), mine.app.account.to_string(), "no id".into()] {
        assert_eq!(cause(core.authenticate_by_secret(&other, &mine.secret).await), Cause::Unauthenticated, "{other}");
    }
    let caller = core.authenticate_by_secret(&id, &mine.secret).await.unwrap();
    assert_eq!(caller.app().id, mine.app.id);
    let change = async |change| core.change_app(&mine.all, mine.app.id, change).await.unwrap();
    change(AppChange { name: Some("renamed".into()), ..AppChange::default() }).await;
    core.still_proven(&caller).await.unwrap();
    change(AppChange { frozen: Some(true), ..AppChange::default() }).await;
    assert_eq!(cause(core.still_proven(&caller).await), Cause::AppFrozen);
    assert_eq!(cause(core.authenticate_by_secret(&id, &mine.secret).await), Cause::AppFrozen);
    change(AppChange { frozen: Some(false), ..AppChange::default() }).await;
    core.rotate_app_secret(&mine.all, mine.app.id).await.unwrap();
    assert_eq!(cause(core.still_proven(&caller).await), Cause::Unauthenticated);
    let caller = core.authenticate_by_secret(&theirs.app.id.to_string(), &theirs.secret).await.unwrap();
    core.delete_app(&theirs.all, theirs.app.id).await.unwrap();
    assert_eq!(cause(core.still_proven(&caller).await), Cause::Unauthenticated);
}

#[tokio::test]
async fn one_subscription_a_type_and_scope() {
    let domain = Ground::new(52).await;
    let tenant = domain.tenant("a").await;
    let made = domain.core.subscribe(&tenant.scope, to(NotifyType::DeviceAdded, "https://a.example/1")).await.unwrap();
    let twice = domain.core.subscribe(&tenant.scope, to(NotifyType::DeviceAdded, "https://a.example/2")).await;
    assert_eq!(cause(twice), Cause::SubscriptionExists);
    assert_eq!(cause(domain.core.subscribe(&tenant.scope, to(NotifyType::BindDevice, "ftp://a")).await), Cause::CallbackInvalid);
    domain.core.subscribe(&tenant.scope, to(NotifyType::BindDevice, "https://a.example/1")).await.unwrap();
    assert_eq!(domain.core.subscriptions(&tenant.scope, SubscriptionFilter::default(), PAGE).await.unwrap().total, 2);
    domain.core.delete_subscription(&tenant.scope, made.id).await.unwrap();
    let rest = SubscriptionFilter { callback_url: Some("https://a.example/1".into()), ..SubscriptionFilter::default() };
    assert_eq!(domain.core.delete_subscriptions(&tenant.scope, rest.clone()).await.unwrap(), 1);
    assert_eq!(cause(domain.core.delete_subscriptions(&tenant.scope, rest).await), Cause::SubscriptionNotFound);
}

#[tokio::test]
async fn acting_for_another_application_needs_its_authorization() {
    let domain = Ground::new(53).await;
    let tenant = domain.tenant("a").await;
    let new = NewApp { name: "second".into(), limits: AppLimits::default() };
    let (second, secret) = domain.core.create_app(&tenant.all, new).await.unwrap();
    let token = domain.core.login(&second.id.to_string(), secret.expose()).await.unwrap().access;
    let caller = domain.core.authenticate(&second.id.to_string(), token.expose()).await.unwrap();
    let first = tenant.app.id.to_string();
    assert_eq!(cause(domain.core.act_for(&caller, Some("nonsense")).await), Cause::AppNotFound);
    assert_eq!(cause(domain.core.act_for(&caller, Some(&first)).await), Cause::AppNotAuthorized);
    domain.core.authorize_app(&tenant.all, tenant.app.id, second.id, true).await.unwrap();
    let scope = domain.core.act_for(&caller, Some(&first)).await.unwrap();
    assert_eq!(scope.app(), Some(tenant.app.id));
    let device = domain.device(&tenant, "n").await;
    domain.core.device(&scope, device.id).await.unwrap();
    let mine = domain.core.subscribe(&scope, to(NotifyType::DeviceAdded, "https://b.example/1")).await.unwrap();
    assert_eq!((mine.owner, mine.target), (second.id, tenant.app.id));
    domain.core.authorize_app(&tenant.all, tenant.app.id, second.id, false).await.unwrap();
    assert_eq!(cause(domain.core.act_for(&caller, Some(&first)).await), Cause::AppNotAuthorized);
}

/// Who subscribed for another application, and who gave the address of a command, is told as long as that application wants it.
#[tokio::test]
async fn what_was_made_for_another_application_stands_with_its_authorization() {
    let domain = Ground::new(54).await;
    let tenant = domain.tenant("a").await;
    let (core, all) = (&domain.core, &tenant.all);
    let new = |name: &str| NewApp { name: name.into(), limits: AppLimits::default() };
    let (guest, secret) = core.create_app(all, new("guest")).await.unwrap();
    let token = core.login(&guest.id.to_string(), secret.expose()).await.unwrap().access;
    let caller = core.authenticate(&guest.id.to_string(), token.expose()).await.unwrap();
    let authorize = async |allowed| core.authorize_app(all, tenant.app.id, guest.id, allowed).await.unwrap();
    authorize(true).await;
    let scope = core.act_for(&caller, Some(&tenant.app.id.to_string())).await.unwrap();
    let theirs = core.subscribe(&scope, to(NotifyType::DeviceAdded, "https://b.example/1")).await.unwrap();
    let given = SubscribeRequest { owned_by_target: true, ..to(NotifyType::BindDevice, "https://b.example/2") };
    let given = core.subscribe(&scope, given).await.unwrap();
    let device = domain.lwm2m_device(&tenant, "n").await;
    let command = CommandRequest {
        service_id: "Device".into(),
        method: "REBOOT".into(),
        paras: r#"{"delay":5}"#.into(),
        callback_url: Some("https://b.example/3".into()),
        expire_s: None,
        max_retransmit: 0,
    };
    core.submit_command(&scope, device.id, command.clone()).await.unwrap();
    core.submit_command(&tenant.scope, device.id, command).await.unwrap();
    let calls = SubscriptionFilter { kind: Some(SubscriptionKind::CallAddress), ..SubscriptionFilter::default() };
    let calls = core.subscriptions(all, calls, PAGE).await.unwrap().items;
    let of = |owner| calls.iter().find(|one| one.owner == owner).unwrap().clone();
    let (address, own) = (of(guest.id), of(tenant.app.id));
    let suspended = async || {
        let mut reasons = vec![];
        for one in [&theirs, &given, &address] {
            reasons.push(core.suspension(one).await.unwrap());
        }
        assert_eq!(core.suspension(&own).await.unwrap(), None, "the application's own stands");
        reasons.dedup();
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        reasons.remove(0).unwrap_or_default()
    };
    assert_eq!(suspended().await, "");
    authorize(false).await;
    assert_eq!(suspended().await, "the authorisation of the application guest by app was withdrawn");
    authorize(true).await;
    assert_eq!(suspended().await, "");
    let frozen = AppChange { frozen: Some(true), ..AppChange::default() };
    core.change_app(all, guest.id, frozen).await.unwrap();
    assert_eq!(suspended().await, "the application guest is frozen");

    let listed = core.subscriptions(&tenant.scope, SubscriptionFilter::default(), PAGE).await.unwrap();
    assert!(listed.items.iter().any(|one| one.id == theirs.id), "the granting side sees it");
    let matching = SubscriptionFilter { callback_url: Some("https://b.example/1".into()), ..SubscriptionFilter::default() };
    assert_eq!(cause(core.delete_subscriptions(&tenant.scope, matching).await), Cause::SubscriptionNotFound, "not with its own");
    core.delete_subscription(&tenant.scope, theirs.id).await.unwrap();
    core.delete_app(all, guest.id).await.unwrap();
    assert_eq!(core.suspension(&given).await.unwrap(), Some(format!("the application {} is deleted", guest.id)));
}

#[tokio::test]
async fn an_application_that_goes_takes_what_others_subscribed_about_it_along() {
    let domain = Ground::new(55).await;
    let tenant = domain.tenant("a").await;
    let core = &domain.core;
    let (guest, secret) =
        core.create_app(&tenant.all, NewApp { name: "guest".into(), limits: AppLimits::default() }).await.unwrap();
    let token = core.login(&guest.id.to_string(), secret.expose()).await.unwrap().access;
    let caller = core.authenticate(&guest.id.to_string(), token.expose()).await.unwrap();
    core.authorize_app(&tenant.all, tenant.app.id, guest.id, true).await.unwrap();
    let scope = core.act_for(&caller, Some(&tenant.app.id.to_string())).await.unwrap();
    core.subscribe(&scope, to(NotifyType::DeviceAdded, "https://b.example/")).await.unwrap();
    core.delete_app(&tenant.all, tenant.app.id).await.unwrap();
    assert_eq!(core.subscriptions(&tenant.all, SubscriptionFilter::default(), PAGE).await.unwrap().total, 0);
}

/// Serves clients of the channel MQTT, and notes whose connection is to end.
#[derive(Default)]
struct Closed(parking_lot::Mutex<Vec<(AppId, CloseCause)>>);

#[async_trait::async_trait]
impl Receivers for Closed {
    fn channel(&self) -> Channel {
        Channel::Mqtt
    }

    async fn deliver(&self, _: Parcel) -> Result<(), Unreceived> {
        Ok(())
    }

    fn close(&self, client: AppId, why: CloseCause) {
        self.0.lock().push((client, why));
    }
}

#[tokio::test]
async fn over_mqtt_no_address_is_called_and_the_channel_is_a_scope_of_its_own() {
    let domain = Ground::new(56).await;
    let (core, tenant) = (&domain.core, domain.tenant("a").await);
    let over_mqtt = |url: &str| SubscribeRequest { channel: Channel::Mqtt, ..to(NotifyType::DeviceAdded, url) };
    assert_eq!(cause(core.subscribe(&tenant.scope, over_mqtt(&"x".repeat(1_025))).await), Cause::CallbackInvalid);
    let made = core.subscribe(&tenant.scope, over_mqtt("mqtt://10.0.0.1")).await.unwrap();
    assert_eq!((made.callback_url.as_str(), made.owner), ("mqtt://10.0.0.1", tenant.app.id));
    assert_eq!(cause(core.subscribe(&tenant.scope, over_mqtt("other")).await), Cause::SubscriptionExists);
    core.subscribe(&tenant.scope, to(NotifyType::DeviceAdded, "https://a.example/1")).await.unwrap();
    assert_eq!(cause(core.move_subscription(&tenant.scope, made.id, "https://a.example/1").await), Cause::InvalidField);
    let by = |channel| SubscriptionFilter { channel: Some(channel), ..SubscriptionFilter::default() };
    assert_eq!(core.delete_subscriptions(&tenant.scope, by(Channel::Mqtt)).await.unwrap(), 1);
    let left = core.subscriptions(&tenant.scope, SubscriptionFilter::default(), PAGE).await.unwrap();
    assert_eq!(left.items.iter().map(|one| one.channel).collect::<Vec<_>>(), [Channel::Http]);
}

#[tokio::test]
async fn the_connection_of_an_application_ends_with_its_rights() {
    let domain = Ground::new(57).await;
    let (core, tenant) = (&domain.core, domain.tenant("a").await);
    let closed = Arc::new(Closed::default());
    core.clients().enlist(&closed);
    let id = tenant.app.id;
    let change = async |frozen| {
        core.change_app(&tenant.all, id, AppChange { frozen: Some(frozen), ..AppChange::default() }).await.unwrap();
        std::mem::take(&mut *closed.0.lock())
    };
    assert_eq!(change(false).await, []);
    assert_eq!(change(true).await, [(id, CloseCause::CredentialsChanged)]);
    core.rotate_app_secret(&tenant.all, id).await.unwrap();
    core.delete_app(&tenant.all, id).await.unwrap();
    assert_eq!(*closed.0.lock(), [(id, CloseCause::CredentialsChanged), (id, CloseCause::Deleted)]);
}
