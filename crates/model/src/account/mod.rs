//! Accounts: the walls between customers.

pub(crate) mod app;
pub(crate) mod user;

use crate::{AccountId, Digest, Time};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// An account owns applications, products and devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Id.
    pub id: AccountId,
    /// Counts the writes, from 1.
    pub version: u64,
    /// Unique name, 1 to 64 characters.
    pub name: String,
    /// The tenant id that was set for it, 1 to 32 lower-case letters and digits; see [`Account::tenant_id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Of the operator token that sees this account alone.
    pub token: Option<Digest>,
    /// What its owner may tune.
    pub settings: AccountSettings,
    /// When it was made.
    pub created_at: Time,
}

impl Account {
    /// The tenant id of the server itself, which no account has.
    pub const MANAGEMENT_TENANT: &str = "management";

    /// The tenant id by which users and devices name it, unique on the server.
    pub fn tenant_id(&self) -> Cow<'_, str> {
        self.tenant.as_deref().map_or_else(|| Cow::Owned(self.id.derived_tenant()), Cow::Borrowed)
    }
}

/// What an account may tune.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountSettings {
    /// Days for which undelivered pushes are tried and events can be replayed, 1 to 90.
    pub event_retention_days: u32,
    /// Days for which history is kept, 1 to 3650; a device's `dataAgingTime` (1.4.4) may be shorter.
    pub history_retention_days: u32,
    /// The application that sees the devices which onboard by themselves or with a user; none: those are the account's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_app: Option<crate::AppId>,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self { event_retention_days: 7, history_retention_days: 90, device_app: None }
    }
}
