//! Products.

use async_trait::async_trait;
use landfall_model::{AccountId, Page, PageRequest, Product, ProductId, ProductKey, Result};
use std::sync::Arc;

/// Products.
#[async_trait]
pub trait ProductStore: Send + Sync {
    /// One product.
    async fn product(&self, id: ProductId) -> Result<Option<Arc<Product>>>;
    /// The product with these keys.
    async fn product_by_key(&self, account: AccountId, key: &ProductKey) -> Result<Option<Arc<Product>>>;
    /// The products with these keys, whatever the manufacturer calls itself.
    async fn products_by_model(&self, account: AccountId, key: &ProductKey) -> Result<Vec<Arc<Product>>>;
    /// Products of an account by name.
    async fn products(&self, account: AccountId, page: PageRequest) -> Result<Page<Arc<Product>>>;
}
