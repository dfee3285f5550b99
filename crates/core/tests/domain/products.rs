//! Product models and what is told of them (1.6.7.6 to 1.6.7.8).

use super::{Ground, Tenant, cause, new_device, thermometer};
use landfall_core::{AppChange, ProductDraft};
use landfall_model::{AppLimits, Cause, DataFormat, DeviceInfo, Product, ProductId};
use std::sync::Arc;

async fn product_refused(domain: &Ground, id: ProductId) -> (Cause, &'static str) {
    let refused = domain.core.product_for_claim(id).await.unwrap_err();
    (refused.error.cause, refused.check)
}

async fn claim_refused(domain: &Ground, product: &Product, node_id: &str) -> (Cause, &'static str) {
    let refused = domain.core.claim(product, node_id).await.unwrap_err();
    (refused.error.cause, refused.check)
}

/// The tenant's product with a secret, and with an owner for the devices that claim theirs.
async fn claimable(domain: &Ground, tenant: &Tenant) -> Arc<Product> {
    let id = tenant.product.id;
    domain.core.set_product_secret(&tenant.all, id, true).await.unwrap();
    let draft = ProductDraft { auto_register: Some(tenant.app.id), ..thermometer(DataFormat::Json) };
    domain.core.replace_product(&tenant.all, id, draft).await.unwrap();
    domain.core.product_for_claim(id).await.unwrap()
}

#[tokio::test]
async fn models_are_told_when_they_come_change_and_go() {
    let domain = Ground::new(40).await;
    let before = domain.newest();
    let tenant = domain.tenant("a").await;
    let id = tenant.product.id;
    assert_eq!(cause(domain.core.create_product(&tenant.all, thermometer(DataFormat::Json)).await), Cause::ProductExists);

    let same = ProductDraft { name: "renamed".into(), ..thermometer(DataFormat::Json) };
    domain.core.replace_product(&tenant.all, id, same).await.unwrap();
    let mut fewer = thermometer(DataFormat::Json);
    fewer.services.pop();
    domain.core.replace_product(&tenant.all, id, fewer).await.unwrap();

    let device = domain.device(&tenant, "n").await;
    assert_eq!(cause(domain.core.delete_product(&tenant.all, id).await), Cause::ProductInUse);
    domain.core.delete_device(&tenant.scope, device.id, true).await.unwrap();
    domain.core.delete_product(&tenant.all, id).await.unwrap();
    let told = ["model Added", "model Changed", "added", "deleted", "model Deleted"];
    assert_eq!(domain.told_since(before).await, told);
}

#[tokio::test]
async fn one_model_one_secret_hands_out_a_secret_once() {
    let domain = Ground::new(41).await;
    let tenant = domain.tenant("a").await;
    let id = tenant.product.id;
    assert_eq!(product_refused(&domain, id).await, (Cause::Forbidden, "product.no-claims"));
    domain.core.set_product_secret(&tenant.all, id, true).await.unwrap().unwrap();
    let product = domain.core.product_for_claim(id).await.unwrap();
    assert_eq!(claim_refused(&domain, &product, "new").await, (Cause::Forbidden, "device.not-registered"));

    let draft = ProductDraft { auto_register: Some(tenant.app.id), ..thermometer(DataFormat::Json) };
    domain.core.replace_product(&tenant.all, id, draft).await.unwrap();
    let product = domain.core.product_for_claim(id).await.unwrap();
    let (device, secret) = domain.core.claim(&product, "new").await.unwrap();
    let (again, same) = domain.core.claim(&product, "new").await.unwrap();
    assert_eq!((again.id, same), (device.id, secret), "a lost answer may be asked for again");
    domain.live.open(device.id);
    domain.core.connected(&domain.core.device_caller(&device)).await.unwrap();
    assert_eq!(claim_refused(&domain, &product, "new").await, (Cause::Forbidden, "device.active"));
}

#[tokio::test]
async fn claimed_devices_count_like_all_others() {
    let domain = Ground::new(42).await;
    let (tenant, other) = (domain.tenant("a").await, domain.tenant("b").await);
    let (product, elsewhere) = (claimable(&domain, &tenant).await, claimable(&domain, &other).await);
    let limits = AppLimits { devices: Some(2), ..AppLimits::default() };
    let change = AppChange { limits: Some(limits), ..AppChange::default() };
    domain.core.change_app(&tenant.all, tenant.app.id, change).await.unwrap();
    let gateway = domain.device(&tenant, "gateway").await;
    domain.core.claim(&product, "n1").await.unwrap();
    assert_eq!(claim_refused(&domain, &product, "n2").await, (Cause::DeviceLimit, "app.device-limit"));
    domain.core.claim(&product, "n1").await.expect("it is there already");
    domain.core.claim(&elsewhere, "n2").await.expect("another application has its own limit");
    let child = domain.core.add_child(&domain.core.device_caller(&gateway), "child", None, DeviceInfo::default()).await;
    assert_eq!(cause(child), Cause::DeviceLimit, "so do devices behind a gateway");
    domain.core.delete_device(&tenant.scope, gateway.id, true).await.unwrap();
    domain.core.claim(&product, "n3").await.unwrap();
}

#[tokio::test]
async fn claims_have_a_rate_and_a_switch_for_each_product() {
    let domain = Ground::new(43).await;
    let (tenant, other) = (domain.tenant("a").await, domain.tenant("b").await);
    let (product, elsewhere) = (claimable(&domain, &tenant).await, claimable(&domain, &other).await);
    let limit = domain.core.settings().claims_per_minute;
    domain.core.register_device(&tenant.scope, new_device("own", &product)).await.unwrap();
    // Guesses count as well: whoever has the product's secret could ask for the secrets of all names.
    for _ in 0..limit {
        domain.core.claim(&product, "own").await.unwrap();
    }
    assert_eq!(claim_refused(&domain, &product, "new").await, (Cause::Throttled, "product.claim-rate"));
    domain.core.claim(&elsewhere, "new").await.expect("another product has its own rate");
    domain.advance_s(60);
    domain.core.claim(&product, "newer").await.unwrap();

    let id = product.id;
    let draft = |claims| ProductDraft { auto_register: Some(tenant.app.id), claims, ..thermometer(DataFormat::Json) };
    domain.core.replace_product(&tenant.all, id, draft(Some(false))).await.unwrap();
    assert_eq!(product_refused(&domain, id).await, (Cause::Forbidden, "product.claims-off"));
    domain.core.replace_product(&tenant.all, id, draft(None)).await.unwrap();
    assert_eq!(product_refused(&domain, id).await, (Cause::Forbidden, "product.claims-off"), "a new model leaves the switch");
    domain.core.replace_product(&tenant.all, id, draft(Some(true))).await.unwrap();
    let on = domain.core.product_for_claim(id).await.unwrap();
    assert_eq!(on.secret, product.secret, "the secret outlives the switch");
}
