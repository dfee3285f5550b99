//! Short verbs of users.

use super::{Ground, Tenant};
use base64::prelude::{BASE64_STANDARD, Engine};
use landfall_core::{NewUser, UserCaller};
use landfall_model::{AccountId, Batch, Cause, Role, Secret, Write};
use std::net::{IpAddr, Ipv4Addr};

/// The password of every user that a ground makes.
pub const PASSWORD: &str = "password-of-the-test";
/// Whence users of a test come.
pub const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

impl Ground {
    /// The user `admin` of the tenant.
    pub async fn admin(&self, tenant: &Tenant) -> UserCaller {
        self.person(tenant.all.account(), "admin", Role::Admin).await
    }

    /// The user `reader` of the tenant.
    pub async fn reader(&self, tenant: &Tenant) -> UserCaller {
        self.person(tenant.all.account(), "reader", Role::Reader).await
    }

    /// The user `device_{id}` of the tenant, signed in.
    pub async fn device_user(&self, tenant: &Tenant, id: &str) -> UserCaller {
        let account = tenant.all.account();
        let before = self.core.user_of_device(account, id).await.unwrap();
        let user = self.core.issue_credentials(account, id, PASSWORD, before.as_deref()).unwrap();
        let name = user.name.clone();
        self.core.store().commit(Batch { writes: vec![Write::User(Box::new(user))], events: vec![] }).await.unwrap();
        self.signed_in(account, &name).await
    }

    /// The user `management/devicebootstrap`.
    pub async fn bootstrap(&self) -> UserCaller {
        self.person(AccountId::MANAGEMENT, "devicebootstrap", Role::Bootstrap).await
    }

    /// The user `management/admin`.
    pub async fn management(&self) -> UserCaller {
        self.person(AccountId::MANAGEMENT, "admin", Role::Admin).await
    }

    /// A user of any name and role, who is made on the way, signed in.
    pub async fn person(&self, account: AccountId, name: &str, role: Role) -> UserCaller {
        let new = NewUser { name: name.into(), role, password: Some(Secret::new(PASSWORD)) };
        match self.core.create_user(&self.operator, account, new).await {
            Err(error) if error.cause != Cause::NameTaken => panic!("{error}"),
            _ => self.signed_in(account, name).await,
        }
    }

    /// The caller again, as the next call or connection has it.
    pub async fn signed_in(&self, account: AccountId, name: &str) -> UserCaller {
        let tenant = self.core.tenant_of(account).await.unwrap();
        self.core.sign_in(Some(&tenant), name, PASSWORD, FROM).await.unwrap()
    }

    /// The header `Authorization` of a user that a ground made.
    pub async fn basic(&self, caller: &UserCaller) -> String {
        let tenant = self.core.tenant_of(caller.account()).await.unwrap();
        format!("Basic {}", BASE64_STANDARD.encode(format!("{tenant}/{}:{PASSWORD}", caller.user().name)))
    }
}
