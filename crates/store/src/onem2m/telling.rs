//! The device groups that tell applications, by account, all in memory: each report of a device asks for them, and most accounts have none.
//!
//! Read from the database at each start and after a lost connection; kept by the writer before it answers.

use crate::{
    engine::{
        documents::parse,
        sql::{Sql, SqlResult, Value, query_all, query_one},
    },
    stream::replay::id,
};
use landfall_model::{AccountId, AccountPart, GroupId, Resource, ResourceId, ResourceKind};
use parking_lot::RwLock;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

#[derive(Default)]
pub(crate) struct Telling(RwLock<Index>);

#[derive(Default)]
struct Index {
    accounts: HashMap<ResourceId, AccountId>,
    groups: HashMap<AccountId, BTreeMap<ResourceId, Arc<Resource>>>,
}

impl Index {
    fn put(&mut self, r: Arc<Resource>) {
        self.accounts.insert(r.id, r.account);
        self.groups.entry(r.account).or_default().insert(r.id, r);
    }

    fn remove(&mut self, id: ResourceId) {
        let Some(account) = self.accounts.remove(&id) else { return };
        let Some(groups) = self.groups.get_mut(&account) else { return };
        groups.remove(&id);
        if groups.is_empty() {
            self.groups.remove(&account);
        }
    }
}

impl Telling {
    /// Reads all of them anew.
    pub(crate) fn load(&self, sql: &mut dyn Sql) -> SqlResult<()> {
        const TEXT: &str = "SELECT doc FROM resource WHERE id = ?1";
        let mut index = Index::default();
        for group in query_all(sql, "SELECT id FROM device_group", &[], |row| id(row.bytes(0)?).map(GroupId))? {
            let record = ResourceId::of_group(group);
            let found: Option<Resource> = query_one(sql, TEXT, &[Value::Bytes(&record.0)], |row| parse(row, 0))?;
            found.filter(tells).into_iter().for_each(|found| index.put(Arc::new(found)));
        }
        *self.0.write() = index;
        Ok(())
    }

    /// Those of an account.
    pub(crate) fn of(&self, account: AccountId) -> Vec<Arc<Resource>> {
        self.0.read().groups.get(&account).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Whether an account has one.
    pub(crate) fn any(&self, account: AccountId) -> bool {
        self.0.read().groups.contains_key(&account)
    }

    /// One of them.
    pub(crate) fn one(&self, id: ResourceId) -> Option<Arc<Resource>> {
        let index = self.0.read();
        index.groups.get(index.accounts.get(&id)?)?.get(&id).cloned()
    }

    /// A resource was written.
    pub(crate) fn changed(&self, r: &Arc<Resource>) {
        if tells(r) {
            self.0.write().put(r.clone());
        } else {
            self.dropped(r.id);
        }
    }

    /// A resource is gone.
    pub(crate) fn dropped(&self, id: ResourceId) {
        if self.0.read().accounts.contains_key(&id) {
            self.0.write().remove(id);
        }
    }
}

fn tells(r: &Resource) -> bool {
    let applications = || r.attributes.get("aes").and_then(serde_json::Value::as_array).is_some_and(|aes| !aes.is_empty());
    r.kind == ResourceKind::FlexContainer && r.parent == ResourceId::of_account(r.account, AccountPart::Groups) && applications()
}
