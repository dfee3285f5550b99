//! What a registered client is asked for: the product's bindings applied to what it has. Shared by all clients that are alike.

use super::bindings::Bindings;
use landfall_lwm2m::{ContentFormat, FormatChoice, Models, ObjectList, ObjectModels, ObjectVersion, Path, Version};
use landfall_model::{Product, ProductId};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};

/// Plans kept; all are forgotten when there are more.
const PLANS: usize = 10_000;

/// What a client has and what is wanted of it.
pub(crate) struct Plan {
    version: Version,
    /// Alternative root of its objects.
    pub(crate) root: String,
    formats: Vec<ContentFormat>,
    versions: Vec<(u16, ObjectVersion)>,
    /// Absent: the device has no product, so nothing it says has a meaning.
    pub(crate) bindings: Option<Arc<Bindings>>,
    pub(crate) observe: Vec<Path>,
    pub(crate) read: Vec<Path>,
}

impl Plan {
    fn new(bindings: Option<Arc<Bindings>>, version: Version, list: &ObjectList) -> Self {
        let instances = list.objects.iter().flat_map(|object| object.instances.iter().map(|n| Path::instance(object.id, *n)));
        let instances: Vec<Path> = instances.collect();
        let of =
            |wanted: fn(&Bindings, &[Path]) -> Vec<Path>| bindings.as_ref().map(|b| wanted(b, &instances)).unwrap_or_default();
        Self {
            version,
            root: list.root.clone(),
            formats: list.formats.clone(),
            versions: list.versions(),
            observe: of(Bindings::observe),
            read: of(Bindings::read),
            bindings,
        }
    }

    pub(crate) fn formats(&self) -> FormatChoice<'_> {
        FormatChoice { version: self.version, announced: &self.formats }
    }

    pub(crate) fn models<'a>(&'a self, all: &'a ObjectModels) -> Models<'a> {
        all.at(&self.versions)
    }

    /// Whether frames come from this resource or one of its instances.
    pub(crate) fn is_uplink(&self, path: &Path) -> bool {
        self.bindings
            .as_ref()
            .and_then(|bindings| bindings.uplink)
            .is_some_and(|uplink| uplink.contains(path) || path.contains(&uplink))
    }
}

type Key = (Option<(ProductId, u64)>, Version, Vec<u8>);

/// Plans by product, version and what a client registered.
#[derive(Default)]
pub(crate) struct Plans {
    plans: Mutex<HashMap<Key, Arc<Plan>>>,
    bindings: Mutex<HashMap<ProductId, Arc<Bindings>>>,
}

impl Plans {
    pub(crate) fn of(&self, product: Option<&Product>, version: Version, list: &ObjectList) -> Arc<Plan> {
        let key = (product.map(|product| (product.id, product.version)), version, list.to_payload());
        if let Some(plan) = self.plans.lock().get(&key) {
            return Arc::clone(plan);
        }
        let plan = Arc::new(Plan::new(product.map(|product| self.bindings(product)), version, list));
        put(&mut self.plans.lock(), key, Arc::clone(&plan));
        plan
    }

    fn bindings(&self, product: &Product) -> Arc<Bindings> {
        let mut all = self.bindings.lock();
        if let Some(known) = all.get(&product.id).filter(|known| known.version == product.version) {
            return Arc::clone(known);
        }
        let made = Arc::new(Bindings::new(product));
        put(&mut all, product.id, Arc::clone(&made));
        made
    }
}

fn put<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, V>, key: K, value: V) {
    if map.len() >= PLANS {
        map.clear();
    }
    map.insert(key, value);
}
