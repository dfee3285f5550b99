//! Products.

use crate::{device::lists, rows::product_key, store::SharedStore};
use async_trait::async_trait;
use landfall_core::store::ProductStore;
use landfall_model::{AccountId, Page, PageRequest, Product, ProductId, ProductKey, Result};
use std::sync::Arc;

#[async_trait]
impl ProductStore for SharedStore {
    async fn product(&self, id: ProductId) -> Result<Option<Arc<Product>>> {
        self.cached(&self.shared().caches.products, id, id.0, "SELECT doc FROM product WHERE id = ?1").await
    }

    async fn product_by_key(&self, account: AccountId, key: &ProductKey) -> Result<Option<Arc<Product>>> {
        let fits = |product: &Arc<Product>| product.account == account && product.key == *key;
        let hints = &self.shared().caches.keys;
        if let Some(id) = hints.get(&(account, key.clone()))
            && let Some(product) = self.product(id).await?.filter(fits)
        {
            return Ok(Some(product));
        }
        const TEXT: &str = "SELECT id FROM product WHERE account = ?1 AND product_key = ?2";
        let Some(id) = self.id_of(TEXT, vec![product_key(key)], Some(account.0)).await?.map(ProductId) else { return Ok(None) };
        hints.put((account, key.clone()), id);
        Ok(self.product(id).await?.filter(fits))
    }

    async fn products(&self, account: AccountId, page: PageRequest) -> Result<Page<Arc<Product>>> {
        self.scan(account, move |sql| lists::named(sql, "product", account, page)).await
    }
}
