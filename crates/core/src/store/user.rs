//! Users, and the requests for the credentials of devices.

use async_trait::async_trait;
use landfall_model::{Account, AccountId, DeviceRequest, Page, PageRequest, Result, Role, User};
use std::sync::Arc;

/// Users, and the tenant ids of accounts.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// The account with this tenant id.
    async fn account_of_tenant(&self, tenant: &str) -> Result<Option<Arc<Account>>>;
    /// One user, by its name without regard to case.
    async fn user(&self, account: AccountId, name: &str) -> Result<Option<Arc<User>>>;
    /// The user whose credentials were issued for a device of this id, whatever its account.
    async fn user_of_device(&self, device_id: &str) -> Result<Option<Arc<User>>>;
    /// Those of these devices' users that are there, in no order.
    async fn users_of_devices(&self, ids: Vec<String>) -> Result<Vec<User>>;
    /// Those of the users of these names that are there, in no order.
    async fn users_named(&self, names: Vec<(AccountId, String)>) -> Result<Vec<User>>;
    /// Users of an account by name, all or those of one role.
    async fn users(&self, account: AccountId, role: Option<Role>, page: PageRequest) -> Result<Page<Arc<User>>>;
}

/// Requests for the credentials of devices.
#[async_trait]
pub trait DeviceRequestStore: Send + Sync {
    /// The request for a device of this id, whatever its account.
    async fn device_request(&self, id: &str) -> Result<Option<DeviceRequest>>;
    /// Those of these devices' requests that are there, in no order.
    async fn requests_of_devices(&self, ids: Vec<String>) -> Result<Vec<DeviceRequest>>;
    /// Requests of an account, oldest first.
    async fn device_requests(&self, account: AccountId, page: PageRequest) -> Result<Page<DeviceRequest>>;
}
