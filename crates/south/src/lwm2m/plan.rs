//! What a registered client is asked for: the product's bindings and what applications observe, applied to what it has. Shared by all clients
//! that are alike.

use super::bindings::Bindings;
use landfall_lwm2m::{
    ContentFormat, DecodeLimits, FormatChoice, Models, ObjectList, ObjectModels, ObjectVersion, Path, Reading, Version,
};
use landfall_model::{Node, Product, ProductId};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Plans kept; all are forgotten when there are more.
const PLANS: usize = 10_000;
/// Device and Location: what a node says of itself.
const SELF: [Path; 2] = [Path::instance(3, 0), Path::instance(6, 0)];

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
    /// Present for the node of a device (D2C).
    pub(crate) node: Option<Wanted>,
}

/// What is wanted of a client because it is a node.
pub(crate) struct Wanted {
    /// What is observed on behalf of applications, as they asked for it.
    pub(crate) asked: Vec<Path>,
    /// What tells what the device is; read at each registration.
    pub(crate) learn: Vec<Path>,
}

/// Tells the observations of a client apart, in their tokens.
pub(crate) type Tag = u32;

/// The tag of a path (FNV-1a). Of two paths with one tag, a plan has the first alone.
pub(crate) fn tag(path: &Path) -> Tag {
    let bytes = path.ids().iter().flat_map(|id| id.to_be_bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ Tag::from(byte)).wrapping_mul(0x0100_0193))
}

impl Plan {
    fn new(bindings: Option<Arc<Bindings>>, asked: Option<Vec<Path>>, version: Version, list: &ObjectList) -> Self {
        let instances = list.objects.iter().flat_map(|object| object.instances.iter().map(|n| Path::instance(object.id, *n)));
        let instances: Vec<Path> = instances.collect();
        let of =
            |wanted: fn(&Bindings, &[Path]) -> Vec<Path>| bindings.as_ref().map(|b| wanted(b, &instances)).unwrap_or_default();
        let (mut observe, read) = (of(Bindings::observe), of(Bindings::read));
        let uplink = bindings.as_ref().and_then(|bindings| bindings.uplink);
        let fits = |path: &Path| match path.depth() {
            1 => path.object_id().is_some_and(|id| list.has_object(id)),
            _ => instances.contains(&path.cut(2)),
        };
        let node = asked.map(|asked| Wanted { asked: asked.into_iter().filter(fits).collect(), learn: learn(&instances) });
        if let Some(wanted) = &node {
            observe = union(observe, &wanted.asked, uplink);
        }
        let mut tags = HashSet::new();
        observe.retain(|path| tags.insert(tag(path)));
        Self {
            version,
            root: list.root.clone(),
            formats: list.formats.clone(),
            versions: list.versions(),
            observe,
            read,
            node,
            bindings,
        }
    }

    /// The path of the observation with this tag.
    pub(crate) fn observed(&self, wanted: Tag) -> Option<Path> {
        self.observe.iter().copied().find(|path| tag(path) == wanted)
    }

    /// Whether this path is observed because an application asked for it.
    pub(crate) fn is_asked(&self, path: &Path) -> bool {
        self.node.as_ref().is_some_and(|wanted| wanted.asked.contains(path))
    }

    pub(crate) fn formats(&self) -> FormatChoice<'_> {
        FormatChoice { version: self.version, announced: &self.formats }
    }

    pub(crate) fn models<'a>(&'a self, all: &'a ObjectModels) -> Models<'a> {
        all.at(&self.versions)
    }

    /// How what the client says is read.
    pub(crate) fn reading<'a>(&'a self, all: &'a ObjectModels) -> Reading<'a> {
        Reading { models: self.models(all), root: &self.root, limits: DecodeLimits::default() }
    }

    /// Whether frames come from this resource or one of its instances.
    pub(crate) fn is_uplink(&self, path: &Path) -> bool {
        self.bindings
            .as_ref()
            .and_then(|bindings| bindings.uplink)
            .is_some_and(|uplink| uplink.contains(path) || path.depth() >= 3 && path.contains(&uplink))
    }
}

/// What a device with these instances can tell of itself: objects 3 and 6 (D2C, "LwM2M read at registration").
fn learn(instances: &[Path]) -> Vec<Path> {
    SELF.into_iter().filter(|path| instances.contains(path)).collect()
}

/// Paths of both, without those that another one covers. Frames keep an observation of their own: each one counts, so no value beside them
/// may bring them again.
fn union(product: Vec<Path>, asked: &[Path], uplink: Option<Path>) -> Vec<Path> {
    let mut all = product;
    all.extend_from_slice(asked);
    let covered = |path: &Path| all.iter().any(|other| other != path && other.contains(path));
    let mut seen = HashSet::new();
    all.iter().copied().filter(|path| (Some(*path) == uplink || !covered(path)) && seen.insert(*path)).collect()
}

type Key = (Option<(ProductId, u64)>, Option<Vec<Path>>, Version, Vec<u8>);

/// Plans by product, what applications observe, version and what a client registered.
#[derive(Default)]
pub(crate) struct Plans {
    plans: Mutex<HashMap<Key, Arc<Plan>>>,
    bindings: Mutex<HashMap<ProductId, Arc<Bindings>>>,
}

impl Plans {
    pub(crate) fn of(&self, product: Option<&Product>, node: Option<&Node>, version: Version, list: &ObjectList) -> Arc<Plan> {
        let asked: Option<Vec<Path>> = node.map(|node| {
            node.observed.iter().filter_map(|one| one.path.parse().ok()).filter(|path: &Path| !path.is_root()).collect()
        });
        let key = (product.map(|product| (product.id, product.version)), asked.clone(), version, list.to_payload());
        if let Some(plan) = self.plans.lock().get(&key) {
            return Arc::clone(plan);
        }
        let plan = Arc::new(Plan::new(product.map(|product| self.bindings(product)), asked, version, list));
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

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_lwm2m::LinkLimits;
    use landfall_model::{NodeObservation, Time};

    fn paths(texts: &[&str]) -> Vec<Path> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn node(observed: &[&str]) -> Node {
        let one = |path: &&str| NodeObservation { path: (*path).into(), id: String::new() };
        Node {
            name: "node".into(),
            labels: vec![],
            profile: None,
            iccid: None,
            infos: vec![],
            credentials_at: None,
            observed: observed.iter().map(one).collect(),
            managed: vec![],
            created_at: Time(0),
            modified_at: Time(0),
        }
    }

    fn list(links: &str) -> ObjectList {
        ObjectList::parse(links.as_bytes(), &LinkLimits::default()).unwrap()
    }

    #[test]
    fn a_node_is_asked_for_what_it_has() {
        let plans = Plans::default();
        for (links, observed, expected, learn) in [
            ("</3/0>,</6/0>,</3303/0>", &["/3303/0/5700"][..], &["/3303/0/5700"][..], &["/3/0", "/6/0"][..]),
            ("</3/0>,</3303/1>", &["/3303/0/5700", "/3303/1", "/3303"], &["/3303"], &["/3/0"]),
            ("</3303>", &["/3303", "/3303/0/5700"], &["/3303"], &[]),
            ("</3303/0>", &["/", "/3303/0/", "3303", "/3303/0/5700/0/0", "/3303/0/5700/0"], &["/3303/0/5700/0"], &[]),
            ("</3303/0>", &["/3303/0/5700", "/3303/0/5700"], &["/3303/0/5700"], &[]),
            ("</6/1>", &[], &[], &[]),
        ] {
            let plan = plans.of(None, Some(&node(observed)), Version::V1_1, &list(links));
            assert_eq!(plan.observe, paths(expected), "{links} {observed:?}");
            assert_eq!(plan.node.as_ref().unwrap().learn, paths(learn), "{links}");
        }
    }

    #[test]
    fn plans_are_shared_by_those_of_whom_the_same_is_wanted() {
        let (plans, list) = (Plans::default(), list("</3/0>,</3303/0>"));
        let of = |node: Option<&Node>| plans.of(None, node, Version::V1_1, &list);
        let (none, empty, one) = (of(None), of(Some(&node(&[]))), of(Some(&node(&["/3303/0/5700"]))));
        assert!(Arc::ptr_eq(&one, &of(Some(&node(&["/3303/0/5700"])))));
        assert!(!Arc::ptr_eq(&none, &empty) && !Arc::ptr_eq(&empty, &one));
        assert!(none.node.is_none() && none.observe.is_empty() && empty.node.is_some());
    }

    #[test]
    fn what_another_observation_covers_needs_none_of_its_own() {
        let uplink = paths(&["/19/0/0"])[0];
        for (product, asked, expected) in [
            (&["/3303/0/5700", "/19/0/0"][..], &["/3303/0/5601"][..], &["/3303/0/5700", "/19/0/0", "/3303/0/5601"][..]),
            (&["/3303/0", "/19/0/0"], &["/3303/0/5700", "/3303/0/5700/0"], &["/3303/0", "/19/0/0"]),
            (&["/3303/0/5700", "/19/0/0"], &["/3303"], &["/19/0/0", "/3303"]),
            (&["/19/0/0"], &["/19/0/0", "/19/0/0/0", "/19/0"], &["/19/0/0", "/19/0"]),
        ] {
            assert_eq!(union(paths(product), &paths(asked), Some(uplink)), paths(expected), "{product:?} {asked:?}");
        }
    }

    #[test]
    fn tags_find_paths_and_stand_for_one_each() {
        let (one, other) = ("/51878/68/36077", "/7149/89/11420");
        assert_eq!(tag(&paths(&[one])[0]), tag(&paths(&[other])[0]));
        let list = list("</51878/68>,</7149/89>,</3303/0>");
        let plan = Plans::default().of(None, Some(&node(&["/3303/0/5700", one, other])), Version::V1_1, &list);
        assert_eq!(plan.observe, paths(&["/3303/0/5700", one]));
        for path in &plan.observe {
            assert_eq!(plan.observed(tag(path)), Some(*path));
        }
        assert_eq!(plan.observed(tag(&paths(&["/3303/0/5701"])[0])), None);
    }
}
