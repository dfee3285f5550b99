//! No verb ever shows or changes what is another account's.

use super::{Ground, cause, thermometer};
use landfall_core::{
    CallRequest, CommandFilter, CommandRequest, DesiredRequest, DeviceChange, DeviceFilter, HistoryFilter, RedecodeRequest,
    RefreshKey, RevokeFilter, SubscribeRequest, SubscriptionFilter,
};
use landfall_model::{Cause, Channel, DataFormat, DeviceInfo, NotifyType, PageRequest, SubscriptionKind};

const PAGE: PageRequest = PageRequest { no: 0, size: 100 };

#[tokio::test]
async fn every_verb_treats_another_account_as_absent() {
    let domain = Ground::new(60).await;
    let (mine, theirs) = domain.two_tenants().await;
    let core = &domain.core;
    let device = domain.online_device(&theirs, "theirs").await;
    let subscribe = SubscribeRequest {
        kind: SubscriptionKind::Notify(NotifyType::DeviceAdded),
        callback_url: "https://a.example/".into(),
        channel: Channel::Http,
        owned_by_target: false,
    };
    let subscription = core.subscribe(&theirs.scope, subscribe).await.unwrap();
    let queued = CommandRequest {
        service_id: "Switch".into(),
        method: "SET".into(),
        paras: r#"{"value":1}"#.into(),
        callback_url: None,
        expire_s: None,
        max_retransmit: 0,
    };
    // Commands wait for it once it comes by LwM2M.
    domain.live.shut(device.id);
    domain.come(&device).await;
    let command = core.submit_command(&theirs.scope, device.id, queued.clone()).await.unwrap();
    let (task, _) = core.revoke_commands(&theirs.scope, device.id).await.unwrap();
    domain.live.open(device.id);
    let device = domain.reread(&device).await;
    let kept = core.command(&theirs.scope, command.id).await.unwrap();
    let before = domain.newest();
    let (scope, all, id) = (&mine.scope, &mine.all, device.id);
    let call = CallRequest {
        service_id: "Switch".into(),
        method: "SET".into(),
        paras: r#"{"value":1}"#.into(),
        request_id: None,
        from: None,
        ack: true,
        callback_url: None,
    };
    let history = HistoryFilter { device: Some(id), ..HistoryFilter::default() };
    let behind = HistoryFilter { gateway: Some(id), ..HistoryFilter::default() };
    let account = theirs.all.account();
    let commands = |device| CommandFilter { account, app: Some(theirs.app.id), device, after: None, before: None };
    let tasks =
        RevokeFilter { account, app: None, task: Some(task.id), device: Some(id), state: None, after: None, before: None };
    let desired = [DesiredRequest { service_id: "Thermometer".into(), desired: r#"{"temperature":1}"#.into() }];
    let refresh = RefreshKey { node_id: Some("mine now".into()), verify_code: None, timeout_s: None };
    for scope in [scope, all] {
        assert_eq!(cause(core.device(scope, id).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.modify_device(scope, id, DeviceChange::default()).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.delete_device(scope, id, true).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.add_child_for(scope, id, "c", None, DeviceInfo::default()).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.call_service(scope, id, call.clone()).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.history(scope, history, PAGE).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.history(scope, behind, PAGE).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.submit_command(scope, id, queued.clone()).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.revoke_commands(scope, id).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.command(scope, command.id).await), Cause::CommandNotFound);
        assert_eq!(cause(core.cancel_command(scope, command.id).await), Cause::CommandNotFound);
        assert_eq!(cause(core.commands(scope, commands(Some(id)), PAGE).await), Cause::DeviceNotFound);
        assert_eq!(core.commands(scope, commands(None), PAGE).await.unwrap().total, 0);
        assert_eq!(core.revoke_tasks(scope, tasks.clone(), PAGE).await.unwrap().total, 0);
        assert_eq!(cause(core.set_desired(scope, id, &desired).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.desired_history(scope, history, None, None, PAGE).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.desired_history(scope, behind, None, None, PAGE).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.refresh_key(scope, id, refresh.clone()).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.registration(scope, id).await), Cause::DeviceNotFound);
        assert_eq!(cause(core.subscription(scope, subscription.id).await), Cause::SubscriptionNotFound);
        assert_eq!(cause(core.delete_subscription(scope, subscription.id).await), Cause::SubscriptionNotFound);
        assert_eq!(cause(core.delete_subscriptions(scope, SubscriptionFilter::default()).await), Cause::SubscriptionNotFound);
        assert_eq!(
            cause(core.move_subscription(scope, subscription.id, "https://b.example/").await),
            Cause::SubscriptionNotFound
        );
        assert_eq!(core.subscriptions(scope, SubscriptionFilter::default(), PAGE).await.unwrap().total, 0);
        assert_eq!(core.devices(scope, DeviceFilter::of(theirs.all.account()), PAGE).await.unwrap().total, 0);
        assert_eq!(cause(core.app(scope, theirs.app.id).await), Cause::AppNotFound);
        assert_eq!(cause(core.narrow(scope, theirs.app.id).await), Cause::AppNotFound);
        assert_eq!(cause(core.product(scope, theirs.product.id).await), Cause::ProductNotFound);
    }
    assert_eq!(core.apps(all, PAGE).await.unwrap().total, 1);
    assert_eq!(core.products(all, PAGE).await.unwrap().total, 1);
    assert_eq!(cause(core.change_app(all, theirs.app.id, Default::default()).await), Cause::AppNotFound);
    assert_eq!(cause(core.rotate_app_secret(all, theirs.app.id).await), Cause::AppNotFound);
    assert_eq!(cause(core.delete_app(all, theirs.app.id).await), Cause::AppNotFound);
    assert_eq!(cause(core.authorize_app(all, mine.app.id, theirs.app.id, true).await), Cause::AppNotFound);
    assert_eq!(cause(core.authorize_app(all, theirs.app.id, mine.app.id, true).await), Cause::AppNotFound);
    let draft = thermometer(DataFormat::Json);
    assert_eq!(cause(core.replace_product(all, theirs.product.id, draft).await), Cause::ProductNotFound);
    assert_eq!(cause(core.delete_product(all, theirs.product.id).await), Cause::ProductNotFound);
    assert_eq!(cause(core.set_product_secret(all, theirs.product.id, true).await), Cause::ProductNotFound);
    assert_eq!(cause(core.try_codec(all, theirs.product.id, "x", &[]).await), Cause::ProductNotFound);
    assert_eq!(cause(core.try_commands(all, theirs.product.id, "x", &[]).await), Cause::ProductNotFound);
    assert_eq!(cause(core.upload_codec(all, theirs.product.id, "x", &[]).await), Cause::InvalidField);
    let redecode = RedecodeRequest { device: Some(id), from: None, to: None, after: None, limit: 1, dry_run: false };
    assert_eq!(cause(core.redecode(all, mine.product.id, &redecode).await), Cause::CodecNotFound);
    assert_eq!(cause(core.redecode(all, theirs.product.id, &redecode).await), Cause::ProductNotFound);

    let named = landfall_core::ProductRef::Id(theirs.product.id.to_string());
    let request = landfall_core::RegisterDevice { product: Some(named), ..super::new_device("mine", &theirs.product) };
    assert_eq!(cause(core.register_device(scope, request).await), Cause::ProductNotFound);
    let token = core.login(&mine.app.id.to_string(), &mine.secret).await.unwrap().access;
    let caller = core.authenticate(&mine.app.id.to_string(), token.expose()).await.unwrap();
    assert_eq!(cause(core.act_for(&caller, Some(&theirs.app.id.to_string())).await), Cause::AppNotFound);

    let rotated = core.rotate_account_token(&domain.operator, mine.all.account()).await.unwrap();
    let operator = core.operator(rotated.expose()).await.unwrap();
    assert_eq!(cause(operator.over(theirs.all.account())), Cause::AccountNotFound);
    assert_eq!(cause(core.account(&operator, theirs.all.account()).await), Cause::AccountNotFound);
    assert_eq!(cause(core.account_by_name(&operator, "theirs").await), Cause::AccountNotFound);
    assert_eq!(cause(core.rotate_account_token(&operator, theirs.all.account()).await), Cause::AccountNotFound);
    assert_eq!(cause(core.change_account(&operator, theirs.all.account(), Default::default()).await), Cause::AccountNotFound);
    assert_eq!(core.accounts(&operator, PAGE).await.unwrap().total, 1);
    assert_eq!(domain.newest(), before, "no refusal left a trace");
    assert_eq!(*domain.reread(&device).await, *device);
    assert_eq!(core.command(&theirs.scope, command.id).await.unwrap(), kept);
    assert!(core.registration(&theirs.scope, id).await.unwrap().is_some());
    assert!(domain.live.closed.lock().is_empty() && domain.live.sent.lock().is_empty());
    assert!(domain.core.now().0 > 0);
}
