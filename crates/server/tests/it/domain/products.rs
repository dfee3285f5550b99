//! Product models and what is told of them (1.6.7.6 to 1.6.7.8).

use super::{Domain, cause, thermometer};
use landfall_core::ProductDraft;
use landfall_model::{Cause, DataFormat};

#[tokio::test]
async fn models_are_told_when_they_come_change_and_go() {
    let domain = Domain::new(40).await;
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
    let domain = Domain::new(41).await;
    let tenant = domain.tenant("a").await;
    let id = tenant.product.id;
    assert_eq!(cause(domain.core.product_for_claim(id).await), Cause::Forbidden);
    domain.core.set_product_secret(&tenant.all, id, true).await.unwrap().unwrap();
    let product = domain.core.product_for_claim(id).await.unwrap();
    assert_eq!(cause(domain.core.claim(&product, "new").await), Cause::Forbidden, "nobody would own it");

    let draft = ProductDraft { auto_register: Some(tenant.app.id), ..thermometer(DataFormat::Json) };
    domain.core.replace_product(&tenant.all, id, draft).await.unwrap();
    let product = domain.core.product_for_claim(id).await.unwrap();
    let (device, secret) = domain.core.claim(&product, "new").await.unwrap();
    let (again, same) = domain.core.claim(&product, "new").await.unwrap();
    assert_eq!((again.id, same), (device.id, secret), "a lost answer may be asked for again");
    domain.live.open(device.id);
    domain.core.connected(&domain.core.device_caller(&device)).await.unwrap();
    assert_eq!(cause(domain.core.claim(&product, "new").await), Cause::Forbidden, "an active device keeps its secret");
}
