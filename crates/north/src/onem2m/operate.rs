//! The four operations on resources: parse, one core verb, show.

use super::{
    answer::Outcome,
    attributes::{self, Given},
    compose::{self, named},
    errors::{Fault, rsc},
    flex, group, names, node,
    primitive::{Operation, Primitive, To, content},
    provisioning,
    show::{id_text, root_of, show},
};
use landfall_core::{Core, NewResource, OriginCaller, ResourceChange, Right, Target};
use landfall_model::{AccountPart, Cause, Error, ErrorKind, Resource, ResourceId, ResourceKind};
use serde_json::{Map, Value, json};
use std::sync::Arc;

type Result<T> = std::result::Result<T, Fault>;

/// What a request's address stands for.
pub(super) enum Addressed {
    One(Target),
    /// All members of a group, and names below each.
    Members(Arc<Resource>, Vec<String>),
}

impl Addressed {
    /// Whether a retrieval shows outcomes of provisioning requests.
    pub fn shows_outcomes(&self) -> bool {
        matches!(self, Self::One(Target::Outcome(_) | Target::Place(AccountPart::Responses)))
    }

    /// Does what is asked. `body` is empty for operations that have none.
    pub async fn operate(self, core: &Core, by: &OriginCaller, asked: &Primitive, body: &[u8]) -> Result<Outcome> {
        match self {
            Self::One(target) => operate(core, by, asked, target, body).await,
            Self::Members(group, below) => group::fan_out(core, by, asked, &group, &below, body).await,
        }
    }
}

/// What a request's address stands for. `fopt` below anything but a group is no resource.
pub(super) async fn locate(core: &Core, by: &OriginCaller, asked: &Primitive) -> Result<Addressed> {
    if let Some((group, below)) = group::split(&asked.to)
        && let Target::Resource(found) = follow(core, by, &group).await?
        && found.kind == ResourceKind::Group
    {
        group::check(core, by, asked, &found).await?;
        return Ok(Addressed::Members(found, below.to_vec()));
    }
    locate_one(core, by, asked).await.map(Addressed::One)
}

/// The newest and the oldest instance of a container can neither be written nor have children.
pub(super) async fn locate_one(core: &Core, by: &OriginCaller, asked: &Primitive) -> Result<Target> {
    let writes = matches!(asked.operation, Operation::Create(_) | Operation::Update);
    if writes
        && let Some(("la" | "ol", above)) = asked.to.names().split_last().map(|(last, above)| (last.as_str(), above))
        && follow(core, by, &asked.to.with_names(above)).await?.holds_instances()
    {
        return Err(Fault::new(rsc::OPERATION_NOT_ALLOWED, "la and ol can be retrieved and deleted only"));
    }
    Ok(follow(core, by, &asked.to).await?)
}

/// Names come first; what no name leads to may be an id.
pub(super) async fn follow(core: &Core, by: &OriginCaller, to: &To) -> landfall_model::Result<Target> {
    let (id, below) = match to {
        To::Id(id, below) => (*id, below.as_slice()),
        To::Names(names) => {
            let path: Vec<&str> = names.iter().map(String::as_str).collect();
            let found = core.find(by, &path).await;
            let id = names.split_first().and_then(|(first, below)| Some((first.parse::<ResourceId>().ok()?, below)));
            match (found, id) {
                (Err(error), Some(id)) if error.kind() == ErrorKind::NotFound => id,
                (found, _) => return found,
            }
        }
    };
    let target = core.find_id(by, id).await?;
    if below.is_empty() {
        return Ok(target);
    }
    let path = core.path_of(by, &target).await?;
    let path: Vec<&str> = path.split('/').skip(1).chain(below.iter().map(String::as_str)).collect();
    core.find(by, &path).await
}

/// Does what is asked. `body` is empty for operations that have none.
pub(super) async fn operate(core: &Core, by: &OriginCaller, asked: &Primitive, target: Target, body: &[u8]) -> Result<Outcome> {
    match asked.operation {
        Operation::Create(ty) => create(core, by, asked, &target, ty, body).await,
        Operation::Retrieve => {
            core.check_right(by, &target, Right::Retrieve).await?;
            if let Target::Instance(instance, within) = &target {
                core.retrieved(by, instance, within).await?;
            }
            if asked.result == 1 {
                let (root, mut shown) = show(core, by, &target).await?;
                if !asked.attributes.is_empty() {
                    shown.retain(|name, _| asked.attributes.contains(name));
                }
                return Ok(Outcome::of(rsc::OK, named(root, shown)));
            }
            compose::retrieve(core, by, asked, &target).await
        }
        Operation::Discover => compose::discover(core, by, asked, &target).await,
        Operation::Update => update(core, by, asked, &target, body).await,
        Operation::Delete => delete(core, by, asked, &target).await,
    }
}

async fn create(core: &Core, by: &OriginCaller, asked: &Primitive, parent: &Target, ty: u8, body: &[u8]) -> Result<Outcome> {
    check_type(ty)?;
    let (root, mut given) = content(body)?;
    shorten(&mut given);
    let wanted = (asked.result == 9).then(|| given.clone());
    let made = match (ty, parent) {
        (4, _) => {
            check_root(&root, "m2m:cin")?;
            let new = attributes::instance(given, core.now())?;
            Target::Instance(Box::new(core.append(by, parent, new).await?), Box::new(parent.clone()))
        }
        (13, Target::Node(device)) => node::create_below(core, by, device, &root, given).await?,
        (13, _) => return Err(not_here("information objects are below nodes")),
        (28, Target::Place(AccountPart::Requests)) => {
            check_root(&root, super::list::ROOT)?;
            provisioning::create(core, by, given).await?
        }
        (28, _) => {
            let (flex, read) = flex::created(&root, given, core.now())?;
            let among_groups = *parent == Target::Place(AccountPart::Groups);
            if among_groups != (flex.root == flex::GROUP_ROOT) {
                return Err(not_here("device groups, and no other flexContainers, are below device-group"));
            }
            create_record(core, by, parent, ResourceKind::FlexContainer, read).await?
        }
        (ty, _) => {
            let kind = ResourceKind::of_ty(ty).ok_or_else(|| Fault::bad("ty: unknown resource type"))?;
            check_root(&root, root_of_kind(kind))?;
            let read = attributes::created(attributes::of_kind(kind), given, core.now())?;
            let read = match kind {
                ResourceKind::ApplicationEntity => entity(core, by, read).await?,
                ResourceKind::Group => grouped(core, by, None, read).await?,
                _ => read,
            };
            create_record(core, by, parent, kind, read).await?
        }
    };
    created(core, by, asked, &made, wanted).await
}

/// Which types cannot be made at all, and why.
fn check_type(ty: u8) -> Result<()> {
    match ty {
        1..=4 | 9 | 13 | 23 | 28 => Ok(()),
        5 => Err(Fault::new(rsc::OPERATION_NOT_ALLOWED, "ty: a CSEBase cannot be created")),
        14 => Err(Fault::new(rsc::OPERATION_NOT_ALLOWED, "ty: nodes are created by device-provisioning/request")),
        ty => Err(Fault::bad(format!("ty: {ty} is unknown or unsupported"))),
    }
}

/// An originator that is not the application's own registers itself, once; without a name the entity has that of the originator (TS-0001,
/// 10.2.2.2).
async fn entity(core: &Core, by: &OriginCaller, mut read: Given) -> Result<Given> {
    if core.entity_before(by).await?.is_some() {
        return Err(Fault::new(rsc::ALREADY_REGISTERED, "the originator is registered already"));
    }
    let own = by.app().originator.as_ref().is_some_and(|own| own.name == by.name());
    let stem = by.name().get(1..).filter(|stem| !own && !stem.is_empty());
    read.name = read.name.or(stem.map(str::to_owned));
    Ok(read)
}

/// A group whose members and policies are named by their ids.
async fn grouped(core: &Core, by: &OriginCaller, before: Option<&Resource>, mut read: Given) -> Result<Given> {
    if let Some(Value::Array(given)) = read.attributes.get("macp") {
        let given: Vec<String> = given.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let ids = policies(core, by, &given, "macp").await?;
        read.attributes.insert("macp".to_owned(), ids.iter().map(|id| json!(id.to_string())).collect());
    }
    group::settle(core, by, before, &mut read).await?;
    Ok(read)
}

async fn create_record(core: &Core, by: &OriginCaller, parent: &Target, kind: ResourceKind, read: Given) -> Result<Target> {
    let new = NewResource {
        kind,
        name: read.name,
        labels: read.labels.unwrap_or_default(),
        policies: policies(core, by, read.policies.as_deref().unwrap_or_default(), "acpi").await?,
        attributes: read.attributes,
        expires_at: read.expires_at.flatten(),
    };
    Ok(Target::Resource(core.create_resource(by, parent, new).await?))
}

/// The policies that an attribute names, by id or by their names.
async fn policies(core: &Core, by: &OriginCaller, given: &[String], attribute: &str) -> Result<Vec<ResourceId>> {
    let mut ids = Vec::with_capacity(given.len());
    for text in given {
        let unknown = || Fault::bad(format!("{attribute}: names no access control policy"));
        let to = To::of_id(text, &by.account().name).ok_or_else(unknown)?;
        match follow(core, by, &to).await {
            Ok(Target::Resource(found)) if found.kind == ResourceKind::AccessControlPolicy => ids.push(found.id),
            Ok(_) => return Err(unknown()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(unknown()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ids)
}

/// The answer to a creation, in the form that `rcn` asks for.
async fn created(
    core: &Core,
    by: &OriginCaller,
    asked: &Primitive,
    made: &Target,
    wanted: Option<Map<String, Value>>,
) -> Result<Outcome> {
    let account = by.account();
    let location = format!("/{}/{}", account.name, id_text(account.id, &account.name, made.id(account.id)));
    let body = match asked.result {
        0 => None,
        2 => Some(json!({ "m2m:uri": core.path_of(by, made).await? })),
        3 => {
            let (root, shown) = show(core, by, made).await?;
            Some(json!({ "m2m:rce": { "uri": core.path_of(by, made).await?, root: shown } }))
        }
        result => {
            let (root, mut shown) = show(core, by, made).await?;
            if let Some(wanted) = wanted.filter(|_| result == 9) {
                shown.retain(|name, value| wanted.get(name) != Some(value));
            }
            Some(named(root, shown))
        }
    };
    Ok(Outcome { rsc: rsc::CREATED, body, location: Some(location), next_offset: None })
}

async fn update(core: &Core, by: &OriginCaller, asked: &Primitive, target: &Target, body: &[u8]) -> Result<Outcome> {
    let fixed = || Fault::from(Error::new(Cause::OperationNotAllowed, "the resource cannot be updated"));
    let root = match target {
        Target::Resource(resource) => root_of(resource),
        Target::Node(_) => "m2m:nod",
        Target::Info(..) => "m2m:dvi",
        _ => return Err(fixed()),
    };
    let (given_root, mut given) = content(body)?;
    check_root(&given_root, root)?;
    shorten(&mut given);
    let wanted = given.clone();
    let before = if asked.result == 9 { show(core, by, target).await?.1 } else { Map::new() };
    let next = match target {
        Target::Resource(resource) => Target::Resource(change(core, by, resource, given).await?),
        Target::Node(device) => Target::Node(node::update_node(core, by, device, given).await?),
        Target::Info(device, index) => Target::Info(node::update_info(core, by, device, *index, given).await?, *index),
        _ => return Err(fixed()),
    };
    if asked.result == 0 {
        return Ok(Outcome::empty(rsc::UPDATED));
    }
    let (root, mut shown) = show(core, by, &next).await?;
    if asked.result == 9 {
        shown.retain(|name, value| before.get(name) != Some(value) && wanted.get(name) != Some(value));
    }
    // Who may update and not retrieve is told no more than it said itself.
    if !core.may(by, &next, Right::Retrieve).await? {
        shown.retain(|name, _| name == "lt" || name == "st" || wanted.contains_key(name));
    }
    Ok(Outcome::of(rsc::UPDATED, named(root, shown)))
}

async fn change(core: &Core, by: &OriginCaller, resource: &Resource, given: Map<String, Value>) -> Result<Arc<Resource>> {
    let table = match resource.kind {
        ResourceKind::FlexContainer => flex::of_stored(&resource.attributes).map_or(&[][..], |flex| flex.attributes),
        kind => attributes::of_kind(kind),
    };
    let mut read = attributes::updated(table, given, core.now())?;
    if resource.kind == ResourceKind::Group {
        read = grouped(core, by, Some(resource), read).await?;
    }
    let policies = match &read.policies {
        Some(given) => Some(policies(core, by, given, "acpi").await?),
        None => None,
    };
    let change = ResourceChange { labels: read.labels, policies, attributes: read.attributes, expires_at: read.expires_at };
    Ok(core.update_resource(by, resource.id, change).await?)
}

async fn delete(core: &Core, by: &OriginCaller, asked: &Primitive, target: &Target) -> Result<Outcome> {
    let mut last = None;
    if asked.result == 1 {
        core.check_right(by, target, Right::Retrieve).await?;
        let (root, shown) = show(core, by, target).await?;
        last = Some(named(root, shown));
    }
    core.delete_target(by, target).await?;
    Ok(Outcome { body: last, ..Outcome::empty(rsc::DELETED) })
}

/// Both spellings of attributes are taken; what an instance holds is not ours to rename.
fn shorten(given: &mut Map<String, Value>) {
    let content = given.remove("con").or_else(|| given.remove("content"));
    names::shorten(given);
    if let Some(content) = content {
        given.insert("con".to_owned(), content);
    }
}

fn root_of_kind(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::AccessControlPolicy => "m2m:acp",
        ResourceKind::ApplicationEntity => "m2m:ae",
        ResourceKind::Container => "m2m:cnt",
        ResourceKind::Group => "m2m:grp",
        ResourceKind::Subscription => "m2m:sub",
        ResourceKind::FlexContainer => "m2m:fcnt",
    }
}

fn check_root(given: &str, wanted: &str) -> Result<()> {
    if given == wanted {
        return Ok(());
    }
    Err(Fault::new(rsc::CONTENTS_UNACCEPTABLE, format!("the root element must be {wanted}")))
}

fn not_here(text: &'static str) -> Fault {
    Error::new(Cause::ChildNotAllowed, text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_cannot_be_made_say_why() {
        for (ty, code, text) in [
            (5, 4005, "ty: a CSEBase cannot be created"),
            (14, 4005, "ty: nodes are created by device-provisioning/request"),
            (58, 4000, "ty: 58 is unknown or unsupported"),
            (99, 4000, "ty: 99 is unknown or unsupported"),
        ] {
            let fault = check_type(ty).unwrap_err();
            assert_eq!((fault.rsc, fault.text.as_str()), (code, text));
        }
        for kind in ResourceKind::ALL {
            assert!(check_type(kind.ty()).is_ok());
        }
        let fault = check_root("m2m:cnt", "m2m:cin").unwrap_err();
        assert_eq!((fault.rsc, fault.status), (4102, 400));
    }

    #[test]
    fn contents_keep_their_names() {
        let Value::Object(mut given) = json!({"content": {"labels": 1, "lbl": 2}}) else { panic!("no object") };
        shorten(&mut given);
        assert_eq!(Value::Object(given), json!({"con": {"labels": 1, "lbl": 2}}));
    }
}
