//! The subscriptions of the oneM2M tree by their subjects, all in memory.
//!
//! Read from the database at each start and after a lost connection; kept by the writer before it answers.

use crate::{
    engine::sql::{Sql, SqlResult},
    onem2m::resources,
};
use landfall_model::{Resource, ResourceId, ResourceKind};
use parking_lot::RwLock;
use std::{collections::HashMap, sync::Arc};

#[derive(Default)]
pub(crate) struct Subscribers(RwLock<Index>);

#[derive(Default)]
struct Index {
    below: HashMap<ResourceId, Vec<Arc<Resource>>>,
    subjects: HashMap<ResourceId, ResourceId>,
}

impl Index {
    fn put(&mut self, r: Arc<Resource>) {
        self.remove(r.id);
        self.subjects.insert(r.id, r.parent);
        let list = self.below.entry(r.parent).or_default();
        let at = list.partition_point(|other| (other.created_at, other.id) < (r.created_at, r.id));
        list.insert(at, r);
    }

    fn remove(&mut self, id: ResourceId) {
        let Some(subject) = self.subjects.remove(&id) else { return };
        let Some(list) = self.below.get_mut(&subject) else { return };
        list.retain(|other| other.id != id);
        if list.is_empty() {
            self.below.remove(&subject);
        }
    }
}

impl Subscribers {
    /// Reads all of them anew.
    pub(crate) fn load(&self, sql: &mut dyn Sql) -> SqlResult<()> {
        let mut index = Index::default();
        for r in resources::subscriptions(sql)? {
            index.put(Arc::new(r));
        }
        *self.0.write() = index;
        Ok(())
    }

    /// Those right below a subject, oldest first.
    pub(crate) fn of(&self, subject: ResourceId) -> Vec<Arc<Resource>> {
        self.0.read().below.get(&subject).cloned().unwrap_or_default()
    }

    /// A resource was written.
    pub(crate) fn changed(&self, r: &Arc<Resource>) {
        if r.kind == ResourceKind::Subscription {
            self.0.write().put(r.clone());
        }
    }

    /// A resource is gone.
    pub(crate) fn dropped(&self, id: ResourceId) {
        if self.0.read().subjects.contains_key(&id) {
            self.0.write().remove(id);
        }
    }
}
