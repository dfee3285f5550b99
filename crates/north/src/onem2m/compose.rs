//! Answers that are made of several resources: children with theirs, references to them, and discovery (TS-0001, 10.2.6; TS-0004, 6.3.4.2.7).

use super::{
    answer::Outcome,
    errors::{Fault, rsc},
    primitive::Primitive,
    show::{id_text, show},
};
use landfall_core::{Core, Criteria, OriginCaller, Right, Target};
use landfall_model::{AccountPart, ResourceId, Result};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Children that are read at once.
const CHUNK: usize = 500;
/// Children that are read at once where each may be large.
const CHUNK_LARGE: usize = 50;

/// Looks for what fits: `{"m2m:uril": [...]}`, with `rcn` 6 `{"m2m:rrl": {"rrf": [...]}}`.
pub(super) async fn discover(
    core: &Core,
    by: &OriginCaller,
    asked: &Primitive,
    top: &Target,
) -> std::result::Result<Outcome, Fault> {
    let found = core.discover(by, top, &asked.criteria, asked.offset, asked.limit).await?;
    let next_offset = found.more.then(|| asked.offset.saturating_add(found.targets.len()) as u64);
    let body = if asked.result == 6 {
        json!({ "m2m:rrl": { "rrf": references_to(core, by, asked, &found.targets).await? } })
    } else {
        let mut addresses = Addresses::new(core, by, asked.unstructured);
        let mut list = Vec::with_capacity(found.targets.len());
        for target in &found.targets {
            list.push(addresses.of(target).await?);
        }
        list.sort_unstable();
        json!({ "m2m:uril": list })
    };
    Ok(Outcome { next_offset, ..Outcome::of(rsc::OK, body) })
}

/// A target with what is below it, as deep as `lvl` says and else one level (contract, section 10), in the form that `rcn` asks for.
pub(super) async fn retrieve(
    core: &Core,
    by: &OriginCaller,
    asked: &Primitive,
    target: &Target,
) -> std::result::Result<Outcome, Fault> {
    let below = Below::of(asked, target);
    if asked.result == 5 || asked.result == 6 {
        return references(core, by, asked, target, &below).await;
    }
    let (root, mut shown) = show(core, by, target).await?;
    if asked.result == 8 {
        shown = Map::new();
    }
    let next_offset = add_children(core, by, asked, target, &below, &mut shown).await?;
    Ok(Outcome { next_offset, ..Outcome::of(rsc::OK, named(root, shown)) })
}

/// A root element with its attributes.
pub(super) fn named(root: &str, shown: Map<String, Value>) -> Value {
    let mut whole = Map::new();
    whole.insert(root.to_owned(), Value::Object(shown));
    Value::Object(whole)
}

/// Which children are meant.
struct Below {
    types: Vec<u8>,
    /// Where more than the type counts.
    narrowed: Option<Criteria>,
}

impl Below {
    /// `ty` constrains the target alone where that has one of the types (contract, Amb-9).
    fn of(asked: &Primitive, target: &Target) -> Self {
        let given = &asked.criteria;
        let types = if given.types.contains(&target.ty()) { vec![] } else { given.types.clone() };
        let levels = Some(given.levels.unwrap_or(1));
        let criteria = Criteria { types: types.clone(), levels, ..given.clone() };
        let by_type = Criteria { types: types.clone(), levels: Some(1), any: given.any, ..Criteria::default() };
        Self { types, narrowed: (criteria != by_type).then_some(criteria) }
    }

    /// Whether children of children are meant too.
    fn is_deep(&self) -> bool {
        self.narrowed.as_ref().is_some_and(|criteria| criteria.levels.is_none_or(|levels| levels > 1))
    }

    /// Some of them, and after how many of all to go on, where there are more.
    async fn page(
        &self,
        core: &Core,
        by: &OriginCaller,
        target: &Target,
        skip: usize,
        room: usize,
    ) -> Result<(Vec<Target>, Option<usize>)> {
        let Some(criteria) = &self.narrowed else {
            let page = core.children_within(by, target, &self.types, skip as u64, room).await?;
            let end = skip.saturating_add(room);
            return Ok((page.items, Some(end).filter(|end| (*end as u64) < page.total)));
        };
        let found = core.discover(by, target, criteria, skip, room).await?;
        let next = found.more.then(|| skip.saturating_add(found.targets.len()));
        let mut readable = Vec::with_capacity(found.targets.len());
        for one in found.targets {
            if core.may(by, &one, Right::Retrieve).await? {
                readable.push(one);
            }
        }
        Ok((readable, next))
    }
}

/// Adds what is below a target to what is shown of it, by root elements; returns where an answer that was cut goes on.
async fn add_children(
    core: &Core,
    by: &OriginCaller,
    asked: &Primitive,
    target: &Target,
    below: &Below,
    shown: &mut Map<String, Value>,
) -> Result<Option<u64>> {
    let large = below.is_deep()
        || target.holds_instances()
        || matches!(target, Target::Place(AccountPart::Requests | AccountPart::Groups));
    let chunk = if large { CHUNK_LARGE } else { CHUNK };
    let end = asked.offset.saturating_add(asked.limit);
    let mut nest = Nest::default();
    let account = by.account().id;
    let mut bytes = 0;
    let mut offset = asked.offset;
    let next = 'all: loop {
        let room = chunk.min(end.saturating_sub(offset));
        let (items, after) = below.page(core, by, target, offset, room).await?;
        let count = items.len();
        for (at, item) in items.into_iter().enumerate() {
            let (root, attributes) = show(core, by, &item).await?;
            bytes += bytes_of(&attributes);
            nest.put(item.id(account), item.parent(account), root, attributes);
            if bytes > asked.answer_bytes && (after.is_some() || at + 1 < count) {
                break 'all Some(offset + at + 1);
            }
        }
        match after {
            Some(after) if after == offset + room && after < end => offset = after,
            // The limit is reached, or much was looked at for less than that.
            after => break after,
        }
    };
    nest.fill(shown);
    Ok(next.map(|next| next as u64))
}

fn bytes_of(attributes: &Map<String, Value>) -> usize {
    attributes.iter().map(|(name, value)| name.len() + value.to_string().len() + 4).sum()
}

/// Resources to be shown inside their parents; parents come before their children. One whose parent is not shown is right below the top.
#[derive(Default)]
struct Nest {
    shown: Vec<Nested>,
    places: HashMap<ResourceId, usize>,
}

struct Nested {
    parent: Option<usize>,
    root: &'static str,
    attributes: Map<String, Value>,
}

impl Nest {
    fn put(&mut self, id: ResourceId, parent: Option<ResourceId>, root: &'static str, attributes: Map<String, Value>) {
        let parent = parent.and_then(|parent| self.places.get(&parent).copied());
        self.places.insert(id, self.shown.len());
        self.shown.push(Nested { parent, root, attributes });
    }

    /// Puts each into its parent, the last ones first, as they are complete then.
    fn fill(self, top: &mut Map<String, Value>) {
        let mut below: Vec<Groups> = std::iter::repeat_with(Groups::default).take(self.shown.len()).collect();
        let mut first = Groups::default();
        for (place, mut one) in self.shown.into_iter().enumerate().rev() {
            put_groups(&mut one.attributes, below.pop().unwrap_or_default());
            debug_assert_eq!(place, below.len());
            let within = one.parent.and_then(|parent| below.get_mut(parent)).unwrap_or(&mut first);
            within.entry(one.root).or_default().push(Value::Object(one.attributes));
        }
        put_groups(top, first);
    }
}

/// Children by their root, the last one first.
type Groups = HashMap<&'static str, Vec<Value>>;

fn put_groups(parent: &mut Map<String, Value>, children: Groups) {
    for (root, mut items) in children {
        items.reverse();
        parent.insert(root.to_owned(), Value::Array(items));
    }
}

/// `rcn` 5: attributes and references; 6: references alone.
async fn references(
    core: &Core,
    by: &OriginCaller,
    asked: &Primitive,
    target: &Target,
    below: &Below,
) -> std::result::Result<Outcome, Fault> {
    let (found, after) = below.page(core, by, target, asked.offset, asked.limit).await?;
    let list = references_to(core, by, asked, &found).await?;
    let body = if asked.result == 6 {
        json!({ "m2m:rrl": { "rrf": list } })
    } else {
        let (root, mut shown) = show(core, by, target).await?;
        shown.insert("ch".to_owned(), list.into());
        named(root, shown)
    };
    let next_offset = after.map(|after| after as u64);
    Ok(Outcome { next_offset, ..Outcome::of(rsc::OK, body) })
}

async fn references_to(core: &Core, by: &OriginCaller, asked: &Primitive, found: &[Target]) -> Result<Vec<Value>> {
    let mut addresses = Addresses::new(core, by, asked.unstructured);
    let mut list = Vec::with_capacity(found.len());
    for target in found {
        list.push(json!({ "nm": target.name(), "typ": target.ty(), "val": addresses.of(target).await? }));
    }
    Ok(list)
}

/// The addresses of many targets. Those of one parent are built on what was found out for the first.
struct Addresses<'a> {
    core: &'a Core,
    by: &'a OriginCaller,
    unstructured: bool,
    parents: HashMap<ResourceId, String>,
}

impl<'a> Addresses<'a> {
    fn new(core: &'a Core, by: &'a OriginCaller, unstructured: bool) -> Self {
        Self { core, by, unstructured, parents: HashMap::new() }
    }

    async fn of(&mut self, target: &Target) -> Result<String> {
        let account = self.by.account();
        if self.unstructured {
            return Ok(id_text(account.id, &account.name, target.id(account.id)));
        }
        let parent = match target {
            Target::Resource(resource) => resource.parent,
            Target::Instance(instance, _) => instance.container,
            _ => return self.core.path_of(self.by, target).await,
        };
        let name = target.name();
        if let Some(known) = self.parents.get(&parent) {
            return Ok(format!("{known}/{name}"));
        }
        let path = self.core.path_of(self.by, target).await?;
        let above = path.strip_suffix(&name).and_then(|path| path.strip_suffix('/')).unwrap_or_default();
        self.parents.insert(parent, above.to_owned());
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ResourceId {
        ResourceId([n; 12])
    }

    fn named_map(name: &str) -> Map<String, Value> {
        Map::from_iter([("rn".to_owned(), Value::from(name))])
    }

    #[test]
    fn children_are_inside_their_parents_in_their_order() {
        let mut nest = Nest::default();
        for (n, parent, root, name) in [
            (1, 0, "m2m:cnt", "a"),
            (2, 0, "m2m:cnt", "b"),
            (3, 1, "m2m:cnt", "a1"),
            (4, 1, "m2m:cin", "a2"),
            (5, 3, "m2m:cin", "a11"),
            (6, 3, "m2m:cin", "a12"),
            (7, 99, "m2m:cin", "stray"),
        ] {
            nest.put(id(n), Some(id(parent)), root, named_map(name));
        }
        let mut top = named_map("top");
        nest.fill(&mut top);
        let expected = json!({"rn": "top",
            "m2m:cnt": [
                {"rn": "a", "m2m:cnt": [{"rn": "a1", "m2m:cin": [{"rn": "a11"}, {"rn": "a12"}]}], "m2m:cin": [{"rn": "a2"}]},
                {"rn": "b"}
            ],
            "m2m:cin": [{"rn": "stray"}]
        });
        assert_eq!(Value::Object(top), expected);
    }
}
