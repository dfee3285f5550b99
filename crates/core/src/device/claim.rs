//! One-model-one-secret (authentication type 1; device-side section 4): a node that knows only its product's secret claims one of its own.
//!
//! Whoever has a product's secret can claim under any name, so a product has a switch, claims have a rate, and the devices they make count like
//! all others of their application.

use crate::{
    Core, batch,
    device::{bind_product, check_node_id},
};
use landfall_model::{AccessMode, AccountId, Cause, Device, DeviceId, Error, Product, ProductId, Secret, Time};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};

/// Products whose claims are counted at once; beyond them the one counted longest is forgotten.
const PRODUCTS: usize = 10_000;
const WINDOW_S: i64 = 60;

/// Why a node gets no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRefused {
    /// The check that failed, a stable word.
    pub check: &'static str,
    /// What was wrong.
    pub error: Error,
    /// The device that has the name, where it is of the product's account.
    pub device: Option<(AccountId, DeviceId)>,
}

impl ClaimRefused {
    fn new(check: &'static str, error: Error) -> Self {
        Self { check, error, device: None }
    }

    fn forbidden(check: &'static str, detail: &'static str) -> Self {
        Self::new(check, Error::new(Cause::Forbidden, detail))
    }
}

impl From<Error> for ClaimRefused {
    fn from(error: Error) -> Self {
        let check = match error.cause {
            Cause::InvalidField => "node-id.form",
            Cause::NodeIdTaken => "node-id.taken",
            Cause::DeviceLimit => "app.device-limit",
            cause => cause.as_str(),
        };
        Self::new(check, error)
    }
}

impl Core {
    /// The product of one-model-one-secret access. `ProductNotFound`, or `Forbidden` where it has no secret or takes no claims.
    pub async fn product_for_claim(&self, id: ProductId) -> Result<Arc<Product>, ClaimRefused> {
        let product = self.store.product(id).await?;
        let unknown =
            || ClaimRefused::new("product.unknown", Error::new(Cause::ProductNotFound, "there is no product of this id"));
        let product = product.ok_or_else(unknown)?;
        if product.secret.is_none() {
            let detail = "the product has no secret: it does not allow one-model-one-secret access";
            return Err(ClaimRefused::forbidden("product.no-claims", detail));
        }
        if !product.claims {
            return Err(ClaimRefused::forbidden("product.claims-off", "claims of the product are switched off"));
        }
        Ok(product)
    }

    /// Gives a node of the product its own secret, registering it if the product says for whom.
    ///
    /// `Throttled` beyond the claims that a product may have in a minute; `Forbidden` for a device that was active before (its secret must not
    /// go to whoever knows the product's), of another product, or where devices must be registered first; `DeviceLimit`, `NodeIdTaken`,
    /// `InvalidField`.
    pub async fn claim(&self, product: &Product, node_id: &str) -> Result<(Arc<Device>, Secret), ClaimRefused> {
        check_node_id(node_id)?;
        if !self.claims.admits(product.id, self.settings.claims_per_minute, self.now()) {
            let detail =
                format!("the product had {} claims in a minute (limits.claims_per_minute)", self.settings.claims_per_minute);
            return Err(ClaimRefused::new("product.claim-rate", Error::new(Cause::Throttled, detail)));
        }
        if let Some(device) = self.store.device_by_node(node_id).await? {
            let secret = claimable(product, &device).map_err(|refused| ClaimRefused {
                device: (device.account == product.account).then_some((device.account, device.id)),
                ..refused
            })?;
            return Ok((device, secret));
        }
        let first = || ClaimRefused::forbidden("device.not-registered", "devices of the product must be registered first");
        let app = product.auto_register.ok_or_else(first)?;
        let mut whole = batch(self.device_limit(product.account, Some(app), 1).await?, vec![]);
        let now = self.now();
        let secret = Secret::new(self.generated(10));
        let mut device = Device::new(self.new_device_id(), product.account, app, node_id, now);
        device.access = AccessMode::Secret;
        device.credentials.secret = Some(secret.clone());
        device.credentials.psk = Some(Secret::new(self.generated(16)));
        bind_product(&mut device, product);
        let device = Arc::new(device);
        whole.merge(self.added(&device).await?);
        self.store.commit(whole).await?;
        Ok((device, secret))
    }
}

fn claimable(product: &Product, device: &Device) -> Result<Secret, ClaimRefused> {
    if device.product != Some(product.id) {
        return Err(ClaimRefused::forbidden("device.other-product", "the device is not of this product"));
    }
    if device.activated {
        return Err(ClaimRefused::forbidden("device.active", "the device is active already and has its secret"));
    }
    let none = || ClaimRefused::forbidden("device.no-secret", "the device proves itself in another way than by a secret");
    device.credentials.secret.clone().ok_or_else(none)
}

/// Claims of each product in the minute that began with the first of them.
#[derive(Debug, Default)]
pub(crate) struct Claims(Mutex<HashMap<ProductId, Window>>);

#[derive(Clone, Copy, Debug)]
struct Window {
    since_s: i64,
    claims: u32,
}

impl Window {
    /// A clock that was set back ends the window too.
    fn is_open(self, now_s: i64) -> bool {
        (0..WINDOW_S).contains(&(now_s - self.since_s))
    }
}

impl Claims {
    /// Counts a claim; whether it is within the limit. 0 is no limit.
    fn admits(&self, product: ProductId, limit: u32, now: Time) -> bool {
        if limit == 0 {
            return true;
        }
        let now_s = now.unix_s();
        let mut windows = self.0.lock();
        if windows.len() >= PRODUCTS && !windows.contains_key(&product) {
            windows.retain(|_, window| window.is_open(now_s));
            let oldest = windows.iter().min_by_key(|(_, window)| window.since_s).map(|(id, _)| *id);
            if let Some(oldest) = oldest.filter(|_| windows.len() >= PRODUCTS) {
                windows.remove(&oldest);
            }
        }
        let fresh = Window { since_s: now_s, claims: 0 };
        let window = windows.entry(product).or_insert(fresh);
        if !window.is_open(now_s) {
            *window = fresh;
        }
        window.claims = window.claims.saturating_add(1);
        window.claims <= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(n: u32) -> ProductId {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        ProductId::from_random(id)
    }

    #[test]
    fn each_product_has_its_own_rate() {
        let claims = Claims::default();
        let at = |s: i64| Time(s * 1000);
        for (n, s, expected) in [(1, 0, true), (1, 59, true), (1, 59, false), (2, 59, true), (1, 60, true), (1, 30, true)] {
            assert_eq!(claims.admits(product(n), 2, at(s)), expected, "product {n} at {s}");
        }
        assert!((0..10).all(|_| claims.admits(product(3), 0, at(0))), "0 is no limit");
    }

    #[test]
    fn the_table_is_bounded() {
        let claims = Claims::default();
        for n in 0..PRODUCTS as u32 + 10 {
            assert!(claims.admits(product(n), 1, Time(0)));
        }
        assert_eq!(claims.0.lock().len(), PRODUCTS);
        assert!(claims.admits(product(u32::MAX), 1, Time(60_000)));
        assert_eq!(claims.0.lock().len(), 1, "what is over goes first");
    }
}
