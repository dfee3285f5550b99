//! An object as JSON, with what is below and above it.

use crate::cumulocity::{Fault, Inbound};
use landfall_core::ManagedObject;
use landfall_model::{ChildKind, PageRequest};
use serde_json::{Map, Value, json};

/// References of one kind that an object shows; the rest is in their collection.
const SHOWN: u32 = 100;

/// An object with references to what is below it and, if asked for, above it.
pub(super) async fn whole(inbound: &Inbound, object: &ManagedObject, children: bool, parents: bool) -> Result<Value, Fault> {
    let mut body = fields(inbound, object);
    let (core, caller, id) = (inbound.core(), inbound.caller(), object.id());
    for kind in ChildKind::ALL {
        let below = match children {
            true => core.child_objects(caller, id, kind, PageRequest { no: 0, size: SHOWN }).await?.items,
            false => vec![],
        };
        body.insert(kind.as_str().to_owned(), references(inbound, object, kind.as_str(), below.iter()));
    }
    if parents {
        let above = core.parent_objects(caller, id).await?;
        for kind in ChildKind::ALL {
            let above = above.iter().filter(|(_, of)| *of == kind).map(|(parent, _)| parent);
            body.insert(parents_of(kind).to_owned(), references(inbound, object, parents_of(kind), above));
        }
    }
    Ok(body.into())
}

/// An object without references.
pub(in crate::cumulocity) fn plain(inbound: &Inbound, object: &ManagedObject) -> Value {
    fields(inbound, object).into()
}

fn fields(inbound: &Inbound, object: &ManagedObject) -> Map<String, Value> {
    let mut body = object.fragments();
    let texts = [("type", object.kind()), ("name", object.name()), ("owner", object.owner())];
    body.extend(texts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
    body.insert("id".into(), object.id().to_string().into());
    body.insert("self".into(), address(inbound, object).into());
    body.insert("creationTime".into(), object.created_at().iso().into());
    body.insert("lastUpdated".into(), object.modified_at().iso().into());
    body
}

fn references<'a>(
    inbound: &Inbound,
    object: &ManagedObject,
    collection: &str,
    others: impl Iterator<Item = &'a ManagedObject>,
) -> Value {
    let own = format!("{}/{collection}", address(inbound, object));
    let reference = |other: &ManagedObject| {
        let mut named = json!({ "id": other.id().to_string(), "self": address(inbound, other) });
        if let (Some(name), Value::Object(named)) = (other.name(), &mut named) {
            named.insert("name".to_owned(), name.into());
        }
        json!({ "managedObject": named, "self": format!("{own}/{}", other.id()) })
    };
    json!({ "references": others.map(reference).collect::<Vec<_>>(), "self": own })
}

/// An object with its place below another one.
pub(super) fn reference(inbound: &Inbound, parent: impl std::fmt::Display, kind: ChildKind, child: &ManagedObject) -> Value {
    let own = inbound.url(format_args!("/inventory/managedObjects/{parent}/{}/{}", kind.as_str(), child.id()));
    json!({ "managedObject": plain(inbound, child), "self": own })
}

fn address(inbound: &Inbound, object: &ManagedObject) -> String {
    inbound.url(format_args!("/inventory/managedObjects/{}", object.id()))
}

fn parents_of(kind: ChildKind) -> &'static str {
    match kind {
        ChildKind::Device => "deviceParents",
        ChildKind::Asset => "assetParents",
        ChildKind::Addition => "additionParents",
    }
}
