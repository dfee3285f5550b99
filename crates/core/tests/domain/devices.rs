//! Registration, change and deletion (1.4.1, 1.4.2, 1.4.4, 1.4.5).

use super::{Ground, Tenant, cause, new_device, sensor};
use landfall_core::{BindRequest, DeviceChange, DeviceFilter, ProductDraft, ProductRef, RegisterDevice};
use landfall_model::{AccessMode, AppLimits, Cause, DeviceInfo, DeviceStatus, PageRequest, ProductKey, Secret, StatusDetail};

#[tokio::test]
async fn a_registered_device_is_inactive_and_told() {
    let domain = Ground::new(1).await;
    let tenant = domain.tenant("a").await;
    let before = domain.newest();
    let device = domain.device(&tenant, "n1").await;
    assert_eq!((device.status, device.status_detail, device.activated), (DeviceStatus::Inactive, StatusDetail::NotActive, false));
    assert_eq!(device.info.manufacturer_id.as_deref(), Some("acme"), "the product's keys are taken over");
    assert_eq!(device.credentials.psk.as_ref().map(|psk| psk.expose().len()), Some(32));
    assert!(device.credentials.secret.is_some());
    assert_eq!(domain.told_since(before).await, ["added"]);
}

#[tokio::test]
async fn bad_registrations_change_nothing() {
    let domain = Ground::new(2).await;
    let tenant = domain.tenant("a").await;
    domain.device(&tenant, "taken").await;
    let before = domain.newest();
    let good = || new_device("n", &tenant.product);
    let cases: Vec<(RegisterDevice, Cause)> = vec![
        (new_device("taken", &tenant.product), Cause::NodeIdTaken),
        (new_device("", &tenant.product), Cause::InvalidField),
        (new_device(&"x".repeat(257), &tenant.product), Cause::InvalidField),
        (new_device("a/b", &tenant.product), Cause::InvalidField),
        (RegisterDevice { psk: Some(Secret::new("xyz")), ..good() }, Cause::InvalidField),
        (RegisterDevice { timeout_s: Some(1 << 31), ..good() }, Cause::InvalidField),
        (RegisterDevice { product: Some(ProductRef::Id("nope".into())), ..good() }, Cause::ProductNotFound),
    ];
    for (request, expected) in cases {
        assert_eq!(cause(domain.core.register_device(&tenant.scope, request.clone()).await), expected, "{request:?}");
    }
    assert_eq!(domain.newest(), before);
}

#[tokio::test]
async fn an_application_may_not_own_more_devices_than_its_limit() {
    let domain = Ground::new(3).await;
    let tenant = domain.tenant("a").await;
    let limits = AppLimits { devices: Some(2), ..AppLimits::default() };
    let change = landfall_core::AppChange { limits: Some(limits), ..Default::default() };
    domain.core.change_app(&tenant.all, tenant.app.id, change).await.unwrap();
    domain.device(&tenant, "1").await;
    domain.device(&tenant, "2").await;
    let third = domain.core.register_device(&tenant.scope, new_device("3", &tenant.product)).await;
    assert_eq!(cause(third), Cause::DeviceLimit);
}

/// Each of them finds room when it is asked; the writer finds it for as many as there is.
#[tokio::test]
async fn parallel_registrations_do_not_pass_the_limit() {
    let domain = Ground::new(5).await;
    let (tenant, other) = (domain.tenant("a").await, domain.tenant("b").await);
    let limits = AppLimits { devices: Some(3), ..AppLimits::default() };
    let change = landfall_core::AppChange { limits: Some(limits), ..Default::default() };
    domain.core.change_app(&tenant.all, tenant.app.id, change).await.unwrap();
    let register = |of: &Tenant, n: usize| {
        let (core, scope, device) =
            (domain.core.clone(), of.scope.clone(), new_device(&format!("{}-{n}", of.app.id), &of.product));
        async move { core.register_device(&scope, device).await }
    };
    let outcomes = futures_util::future::join_all((0..10).map(|n| register(&tenant, n))).await;
    let (made, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (3, 7));
    assert!(refused.into_iter().all(|outcome| cause(outcome) == Cause::DeviceLimit));
    let outcomes = futures_util::future::join_all((0..10).map(|n| register(&other, n))).await;
    assert!(outcomes.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_change_sets_only_what_it_names() {
    let domain = Ground::new(4).await;
    let tenant = domain.tenant("a").await;
    let device = domain.device(&tenant, "n").await;
    let before = domain.newest();
    let info = DeviceInfo { name: Some("Sensor_12".into()), ..DeviceInfo::default() };
    let change = DeviceChange { info, mute: Some(true), data_aging_days: Some(30), ..DeviceChange::default() };
    let changed = domain.core.modify_device(&tenant.scope, device.id, change).await.unwrap();
    assert_eq!(changed.info.name.as_deref(), Some("Sensor_12"));
    assert_eq!(changed.info.model, device.info.model);
    assert_eq!((changed.mute, changed.data_aging_days, changed.version), (true, Some(30), device.version + 1));
    assert_eq!(*domain.reread(&device).await, *changed);
    assert_eq!(domain.told_since(before).await, ["info INACTIVE"]);
}

#[tokio::test]
async fn deleting_a_gateway_takes_or_frees_what_is_behind_it() {
    for cascade in [true, false] {
        let domain = Ground::new(5).await;
        let tenant = domain.tenant("a").await;
        let gateway = domain.online_device(&tenant, "gateway").await;
        let caller = domain.core.device_caller(&gateway);
        let child = domain.core.add_child(&caller, "child", None, DeviceInfo::default()).await.unwrap();
        assert_eq!(child.gateway_id(), gateway.id);
        domain.core.delete_device(&tenant.scope, gateway.id, cascade).await.unwrap();
        assert_eq!(cause(domain.core.device_by_id(gateway.id).await), Cause::Forbidden, "a tombstone stays");
        assert!(domain.live.closed.lock().iter().any(|(id, _)| *id == gateway.id));
        match cascade {
            true => assert_eq!(cause(domain.core.device(&tenant.scope, child.id).await), Cause::DeviceNotFound),
            false => assert_eq!(domain.reread(&child).await.gateway_id(), child.id),
        }
    }
}

#[tokio::test]
async fn a_verification_code_is_exchanged_once_and_only_in_time() {
    let domain = Ground::new(6).await;
    let tenant = domain.tenant("a").await;
    let code = |timeout_s| RegisterDevice {
        access: AccessMode::VerifyCode,
        verify_code: Some(Secret::new("code")),
        timeout_s: Some(timeout_s),
        ..new_device("bound", &tenant.product)
    };
    domain.core.register_device(&tenant.scope, code(60)).await.unwrap();
    let bind = |verify_code: &str| {
        domain.core.bind(BindRequest {
            verify_code: Secret::new(verify_code),
            node_id: "bound".into(),
            info: DeviceInfo::default(),
            product: None,
        })
    };
    assert_eq!(cause(bind("wrong").await), Cause::DeviceNotFound);
    let before = domain.newest();
    let (device, _) = bind("code").await.unwrap();
    assert!(device.activated);
    assert_eq!(domain.told_since(before).await, ["bound Succeeded", "info INACTIVE"]);
    assert_eq!(cause(bind("code").await), Cause::Forbidden, "a finite code is spent");
}

#[tokio::test]
async fn agents_name_a_product_without_its_manufacturers_name() {
    let domain = Ground::new(8).await;
    let (mine, theirs) = domain.two_tenants().await;
    let key = |name: &str| ProductKey { manufacturer_name: name.into(), ..mine.product.key.clone() };
    let said = |name: &str| Some(ProductRef::Key(key(name)));
    let gateway = domain.online_device(&mine, "gateway").await;
    let caller = domain.core.device_caller(&gateway);
    let add = async |node: &str| domain.core.add_child(&caller, node, said(""), DeviceInfo::default()).await;
    let registration = RegisterDevice {
        access: AccessMode::VerifyCode,
        verify_code: Some(Secret::new("code")),
        timeout_s: Some(0),
        product: None,
        ..new_device("bound", &mine.product)
    };
    domain.core.register_device(&mine.scope, registration).await.unwrap();
    let bind = async |product| {
        let (verify_code, info) = (Secret::new("code"), DeviceInfo::default());
        domain.core.bind(BindRequest { verify_code, node_id: "bound".into(), info, product }).await.unwrap().0
    };
    assert_eq!(bind(said("nobody")).await.product, None, "bound all the same");
    let why = domain.core.why().device(gateway.account, domain.core.device_by_node("bound").await.unwrap().id);
    assert_eq!((why[0].step, why[0].check), ("bind.product", "ProductNotFound"));
    assert_eq!(add("c1").await.unwrap().product, Some(mine.product.id), "not that of the other account");
    assert_eq!(bind(said("")).await.product, Some(mine.product.id));
    let another = ProductDraft { key: key("Another"), ..sensor() };
    domain.core.create_product(&mine.all, another).await.unwrap();
    let refused = add("c2").await.unwrap_err();
    assert_eq!((refused.cause, refused.path.as_deref()), (Cause::InvalidField, Some("manufacturerName")));
    assert_ne!(mine.product.id, theirs.product.id);
}

#[tokio::test]
async fn filters_and_pages_select() {
    let domain = Ground::new(7).await;
    let tenant = domain.tenant("a").await;
    for n in 0..7 {
        domain.device(&tenant, &format!("n{n}")).await;
        domain.advance_s(1);
    }
    let page = |no| PageRequest { no, size: 3 };
    let first = domain.core.devices(&tenant.scope, DeviceFilter::of(tenant.scope.account()), page(0)).await.unwrap();
    assert_eq!((first.total, first.items.len(), first.items[0].node_id.as_str()), (7, 3, "n6"));
    let last = domain.core.devices(&tenant.scope, DeviceFilter::of(tenant.scope.account()), page(2)).await.unwrap();
    assert_eq!((last.items.len(), last.items[0].node_id.as_str()), (1, "n0"));
}
