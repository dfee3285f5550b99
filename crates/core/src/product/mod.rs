//! Products: models, formats and codecs of an account.

pub(crate) mod check;
pub(crate) mod frame;
pub(crate) mod redecode;
pub(crate) mod trial;

use crate::{
    Core, DeviceFilter, Scope,
    account::check_name,
    batch,
    product::check::{check_binding, check_path, check_services},
    turns::Record,
};
use landfall_model::{
    AppId, Batch, Cause, Codec, DataFormat, Error, Event, EventBody, Lwm2mModel, Page, PageRequest, Product, ProductChange,
    ProductId, ProductKey, Result, SampleFrame, Secret, Service, Time, Write,
};
use std::sync::Arc;

const CODEC_VERSIONS: usize = 5;
const CODEC_BYTES: usize = 256 * 1024;
const SAMPLES: usize = 50;

/// A product to be made, or its next state.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductDraft {
    /// The five keys, each 1 to 256 characters.
    pub key: ProductKey,
    /// Name for people, 1 to 256 characters.
    pub name: String,
    /// What devices send.
    pub format: DataFormat,
    /// Services.
    pub services: Vec<Service>,
    /// How its devices speak LwM2M.
    pub lwm2m: Lwm2mModel,
    /// Application that owns devices which register themselves with the product secret.
    pub auto_register: Option<AppId>,
    /// Whether nodes may claim secrets with that of the product; absent: as before, and at first they may.
    pub claims: Option<bool>,
}

impl Core {
    /// Makes a product and tells deviceCapabilitiesAdded. `InvalidField`, `ProductExists`.
    pub async fn create_product(&self, scope: &Scope, draft: ProductDraft) -> Result<Arc<Product>> {
        self.check_product(scope, &draft).await?;
        let total = self.store.products(scope.account, PageRequest { no: 0, size: 1 }).await?.total;
        if total >= self.settings.products {
            return Err(Error::new(Cause::TooMany, "the account has as many products as it may"));
        }
        let now = self.now();
        let product = Product {
            id: ProductId::from_random(self.random_16()),
            account: scope.account,
            version: 1,
            key: draft.key,
            name: draft.name,
            format: draft.format,
            services: draft.services,
            lwm2m: draft.lwm2m,
            codecs: vec![],
            secret: None,
            auto_register: draft.auto_register,
            claims: draft.claims.unwrap_or(true),
            created_at: now,
            modified_at: now,
        };
        self.store.commit(told(&product, Some(ProductChange::Added), now)).await?;
        Ok(Arc::new(product))
    }

    /// Replaces what a draft holds; tells deviceCapabilitiesChanged when services changed.
    pub async fn replace_product(&self, scope: &Scope, id: ProductId, draft: ProductDraft) -> Result<Arc<Product>> {
        self.check_product(scope, &draft).await?;
        self.edit_product(scope, id, |product| {
            let draft = draft.clone();
            let changed = product.services != draft.services;
            product.key = draft.key;
            product.name = draft.name;
            product.format = draft.format;
            product.services = draft.services;
            product.lwm2m = draft.lwm2m;
            product.auto_register = draft.auto_register;
            product.claims = draft.claims.unwrap_or(product.claims);
            Ok(changed.then_some(ProductChange::Changed))
        })
        .await
    }

    /// Deletes a product that no device uses and tells deviceCapabilitiesDeleted. `ProductInUse`.
    pub async fn delete_product(&self, scope: &Scope, id: ProductId) -> Result<()> {
        let product = self.product(scope, id).await?;
        let filter = DeviceFilter { product: Some(id), ..DeviceFilter::of(scope.account) };
        if self.store.devices(&filter, PageRequest { no: 0, size: 1 }).await?.total > 0 {
            return Err(Error::new(Cause::ProductInUse, "devices still use the product; delete or rebind them first"));
        }
        let now = self.now();
        let mut whole = told(&product, Some(ProductChange::Deleted), now);
        whole.writes = vec![Write::DeleteProduct(id)];
        self.store.commit(whole).await.map(|_| ())
    }

    /// One product of the account.
    pub async fn product(&self, scope: &Scope, id: ProductId) -> Result<Arc<Product>> {
        let product = self.store.product(id).await?.filter(|product| product.account == scope.account);
        product.ok_or_else(|| Error::new(Cause::ProductNotFound, "there is no such product"))
    }

    /// The product with these keys.
    pub async fn product_by_key(&self, scope: &Scope, key: &ProductKey) -> Result<Option<Arc<Product>>> {
        self.store.product_by_key(scope.account, key).await
    }

    /// The products of the account.
    pub async fn products(&self, scope: &Scope, page: PageRequest) -> Result<Page<Arc<Product>>> {
        self.store.products(scope.account, page).await
    }

    /// Makes or replaces the product secret of one-model-one-secret, or removes it; returns the new one, shown once.
    pub async fn set_product_secret(&self, scope: &Scope, id: ProductId, enabled: bool) -> Result<Option<Secret>> {
        let secret = enabled.then(|| Secret::new(self.generated(16)));
        self.edit_product(scope, id, |product| {
            product.secret = secret.clone();
            Ok(None)
        })
        .await?;
        Ok(secret)
    }

    /// Takes a new codec version once all its sample frames work; at least one is needed. `CodecFailed` names the first that does not.
    pub async fn upload_codec(
        &self,
        scope: &Scope,
        id: ProductId,
        source: &str,
        samples: &[SampleFrame],
    ) -> Result<Arc<Product>> {
        if samples.is_empty() {
            return Err(Error::invalid("samples", "give at least one frame that the codec must decode"));
        }
        for trial in self.try_codec(scope, id, source, samples).await? {
            if let Err(error) = trial.outcome {
                return Err(Error::new(Cause::CodecFailed, format!("frame {:.64}: {error}", trial.hex)).at("samples"));
            }
        }
        let now = self.now();
        self.edit_product(scope, id, |product| {
            let codec = next_codec(product, source, samples, now)?;
            product.codecs.push(codec);
            if product.codecs.len() > CODEC_VERSIONS {
                product.codecs.remove(0);
            }
            Ok(None)
        })
        .await
    }

    /// The checks of [`Core::create_product`] and [`Core::replace_product`] on the draft itself.
    pub async fn check_product(&self, scope: &Scope, draft: &ProductDraft) -> Result<()> {
        check_name(&draft.name, 256)?;
        let key = &draft.key;
        for (path, value) in [
            ("manufacturerId", &key.manufacturer_id),
            ("manufacturerName", &key.manufacturer_name),
            ("deviceType", &key.device_type),
            ("model", &key.model),
            ("protocolType", &key.protocol_type),
        ] {
            check_name(value, 256).map_err(|error| error.at(path))?;
        }
        check_services(&draft.services)?;
        if let Some(frames) = &draft.lwm2m.app_data {
            check_path(&frames.uplink, 4).and(check_path(&frames.downlink, 4)).map_err(|error| error.at("lwm2m.appData"))?;
        }
        if let Some(binding) = &draft.lwm2m.binding {
            check_binding(binding)?;
        }
        if let Some(app) = draft.auto_register {
            self.app(scope, app).await.map_err(|error| error.at("autoRegister"))?;
        }
        Ok(())
    }

    async fn edit_product(
        &self,
        scope: &Scope,
        id: ProductId,
        edit: impl Fn(&mut Product) -> Result<Option<ProductChange>> + Sync,
    ) -> Result<Arc<Product>> {
        self.decide(&[Record::Product(id)], || {
            Box::pin(async {
                let mut product = (*self.product(scope, id).await?).clone();
                product.version += 1;
                product.modified_at = self.now();
                let change = edit(&mut product)?;
                Ok((told(&product, change, product.modified_at), Arc::new(product)))
            })
        })
        .await
    }
}

/// Writes a product and tells what became of its model.
fn told(product: &Product, change: Option<ProductChange>, now: Time) -> Batch {
    let event = |change| Event {
        account: product.account,
        principals: None,
        device: None,
        at: now,
        body: EventBody::ProductModel { change, product: product.id, key: product.key.clone() },
    };
    batch(vec![Write::Product(Box::new(product.clone()))], change.map(event).into_iter().collect())
}

fn next_codec(product: &Product, source: &str, samples: &[SampleFrame], now: Time) -> Result<Codec> {
    if source.is_empty() || source.len() > CODEC_BYTES {
        return Err(Error::invalid("source", "must be 1 byte to 256 KiB of JavaScript"));
    }
    if samples.len() > SAMPLES || samples.iter().any(|sample| sample.hex.len() > 4096) {
        return Err(Error::invalid("samples", "must be at most 50 frames of at most 2048 bytes"));
    }
    let version = product.codec().map_or(1, |codec| codec.version + 1);
    Ok(Codec { version, source: source.into(), samples: samples.to_vec(), created_at: now })
}
