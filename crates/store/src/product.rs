//! Products.

use crate::{
    engine::{
        documents::named,
        sql::{Sql, Value, query_all},
    },
    store::SharedStore,
    stream::replay,
    versioned::{Cell, Kind, Table, doc, key, moves, version},
};
use async_trait::async_trait;
use landfall_core::store::ProductStore;
use landfall_model::{AccountId, Cause, Page, PageRequest, Product, ProductId, ProductKey, Result};
use std::sync::{Arc, OnceLock};

pub(crate) static PRODUCT: Table<Product> = Table {
    name: "product",
    columns: &[
        key("id", |r| Cell::bytes(r.id.0.as_bytes())),
        version(),
        moves("account", |r| Cell::bytes(r.account.0.as_bytes())),
        moves("product_key", |r| Cell::Text(product_key(&r.key))),
        moves("name", |r| Cell::text(&r.name)),
        doc(),
    ],
    version: |r| r.version,
    kind: Kind::Registry {
        unique: &[&["account", "product_key"]],
        taken: Cause::ProductExists,
        detail: "another product of the account has these keys",
    },
    statements: OnceLock::new(),
};

/// The five keys as one text; JSON, so that no two keys look alike.
fn product_key(key: &ProductKey) -> String {
    let keys = [&key.manufacturer_id, &key.manufacturer_name, &key.device_type, &key.model, &key.protocol_type];
    serde_json::to_string(&keys).unwrap_or_default()
}

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

    async fn products_by_model(&self, account: AccountId, key: &ProductKey) -> Result<Vec<Arc<Product>>> {
        // As `product_key` writes it; what begins so lies between the comma and the sign after it.
        const TEXT: &str = "SELECT id FROM product WHERE account = ?1 AND product_key > ?2 AND product_key < ?3";
        let first = serde_json::to_string(&key.manufacturer_id).unwrap_or_default();
        let (from, to) = (format!("[{first},"), format!("[{first}-"));
        let read = move |sql: &mut dyn Sql| {
            let params = [Value::Bytes(account.0.as_bytes()), Value::Text(&from), Value::Text(&to)];
            query_all(sql, TEXT, &params, |row| replay::id(row.bytes(0)?))
        };
        let mut found = vec![];
        for id in self.scan(account, read).await? {
            found.extend(self.product(ProductId(id)).await?);
        }
        let said = |of: &ProductKey| [&of.device_type, &of.model, &of.protocol_type].map(Clone::clone);
        found.retain(|product| said(&product.key) == said(key));
        Ok(found)
    }

    async fn products(&self, account: AccountId, page: PageRequest) -> Result<Page<Arc<Product>>> {
        self.scan(account, move |sql| named(sql, "product", account, page)).await
    }
}
