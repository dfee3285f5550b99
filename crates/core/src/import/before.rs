//! What is there before rows of credentials are planned: asked for with one read of each kind for all of a part.

use super::credentials::NewCredentials;
use crate::{Core, user::credentials::name_of};
use landfall_model::{AccountId, DeviceName, DeviceRequest, ExternalId, Identity, ObjectId, Result, User};
use std::collections::{HashMap, HashSet};

/// What is there of the names and ids of some rows.
#[derive(Default)]
pub(super) struct Before {
    /// Users by the ids of their devices.
    pub(super) users: HashMap<String, User>,
    /// Accounts and folded names that are taken, whatever the device.
    pub(super) user_names: HashSet<(AccountId, String)>,
    /// By the ids of their devices.
    pub(super) requests: HashMap<String, DeviceRequest>,
    /// Objects by their names.
    pub(super) named: HashMap<ExternalId, ObjectId>,
    /// Ids under which a device is known on the server.
    pub(super) node_ids: HashSet<String>,
}

impl Core {
    /// What is there of some rows, each with its account where that is known.
    pub(super) async fn before_rows(&self, rows: &[(Option<AccountId>, &NewCredentials)]) -> Result<Before> {
        let ids: Vec<String> = rows.iter().map(|(_, new)| new.id.clone()).collect();
        let names = rows.iter().filter_map(|(account, new)| Some(((*account)?, name_of(&new.id)))).collect();
        let users = self.store.users_of_devices(ids.clone()).await?;
        let named = self.store.users_named(names).await?;
        let requests = self.store.requests_of_devices(ids).await?;
        Ok(Before {
            users: users.into_iter().filter_map(|user| Some((user.device_id.clone()?, user))).collect(),
            user_names: named.into_iter().map(|user| (user.account, User::folded(&user.name))).collect(),
            requests: requests.into_iter().map(|request| (request.id.clone(), request)).collect(),
            named: self.names_before(rows).await?,
            node_ids: self.known_node_ids(rows).await?,
        })
    }

    async fn names_before(&self, rows: &[(Option<AccountId>, &NewCredentials)]) -> Result<HashMap<ExternalId, ObjectId>> {
        let mut names = vec![];
        for (account, new) in rows {
            let (Some(account), Some(object)) = (*account, &new.object) else { continue };
            let own = (&object.id_type, &new.id);
            let all = std::iter::once(own).chain(object.external.iter().map(|(kind, value)| (kind, value)));
            names.extend(all.map(|(kind, value)| ExternalId { account, kind: kind.clone(), value: value.clone() }));
        }
        let holders = self.store.objects_named(names.clone()).await?;
        Ok(names.into_iter().zip(holders).filter_map(|(name, holder)| Some((name, holder?))).collect())
    }

    /// Those of the ids that are to have an object under which a device is known already.
    async fn known_node_ids(&self, rows: &[(Option<AccountId>, &NewCredentials)]) -> Result<HashSet<String>> {
        let ids: Vec<&String> = rows.iter().filter(|(_, new)| new.object.is_some()).map(|(_, new)| &new.id).collect();
        let names = ids.iter().map(|id| DeviceName::Identity(Identity::of(id))).collect();
        let holders = self.store.holders(names).await?;
        Ok(ids.into_iter().zip(holders).filter(|(_, holder)| holder.is_some()).map(|(id, _)| id.clone()).collect())
    }
}
