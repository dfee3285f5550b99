//! What this face asks of the core, in its own words.

use super::{
    said::{Fragments, Progress, Which},
    smartrest::collection::{Collection, FRAGMENT, Named},
};
use landfall_core::{
    Core, DeviceEventChange, DeviceEventQuery, Issued, NewObject, ObjectChange, ObjectFilter, Operation, OperationChange,
    OperationQuery, OperationStatus, UserCaller,
};
use landfall_model::{Cause, ChildKind, Device, DeviceId, Error, ExternalId, ObjectId, PageRequest, Result, Sort};
use serde_json::{Map, Value};
use std::{net::IpAddr, sync::Arc};

/// The usual kind of name of a device.
const SERIAL: &str = "c8y_Serial";
/// The kind of name of a template collection, and the type of its object.
const COLLECTION: &str = "c8y_SmartRest2DeviceIdentifier";
const COLLECTION_TYPE: &str = "c8y_SmartRest2Template";
/// Pages of operations that are looked at, at most.
const PAGES: u64 = 20;
/// Devices behind one that are listed.
const CHILDREN: u32 = 1_000;

/// A program on a device.
pub(super) struct Service {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) status: String,
}

/// What a name of the usual kind stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Device(DeviceId),
    /// Another object.
    Other(ObjectId),
}

impl Found {
    pub(super) fn object(self) -> ObjectId {
        match self {
            Self::Device(device) => ObjectId::of_device(device),
            Self::Other(object) => object,
        }
    }
}

/// Credentials for a device that asks for them; nothing before it is accepted.
pub(super) async fn issue(core: &Core, user: &UserCaller, id: &str, from: IpAddr) -> Result<Option<Issued>> {
    match core.bootstrap_device(user, id, None, from).await {
        Ok(issued) => Ok(Some(issued)),
        Err(error) if matches!(error.cause, Cause::DeviceRequestNotFound | Cause::CredentialsNotReady) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What an id stands for, where the user reaches it. `Forbidden` where it is another one's.
pub(super) async fn find(core: &Core, user: &UserCaller, id: &str) -> Result<Option<Found>> {
    match core.external(user, SERIAL, id).await {
        Ok(object) => Ok(Some(object.device().map_or(Found::Other(object.id()), |device| Found::Device(device.id)))),
        Err(error) if error.cause == Cause::ResourceNotFound => {
            let name = ExternalId { account: user.account(), kind: SERIAL.into(), value: id.to_owned() };
            match core.store().object_named(&name).await? {
                Some(_) => Err(Error::new(Cause::Forbidden, "the id is that of an object that the user does not reach")),
                None => Ok(None),
            }
        }
        Err(error) => Err(error),
    }
}

/// Makes a device under an id, below another one or not.
pub(super) async fn make(
    core: &Core,
    user: &UserCaller,
    above: Option<DeviceId>,
    id: &str,
    name: String,
    kind: String,
) -> Result<Arc<Device>> {
    let new = NewObject {
        kind: Some(kind),
        name: Some(name),
        owner: None,
        fragments: Map::from_iter([("c8y_IsDevice".to_owned(), Value::Object(Map::new()))]),
        external: vec![(SERIAL.into(), id.to_owned())],
        below: above.map(|above| (ObjectId::of_device(above), ChildKind::Device)),
    };
    let made = core.create_object(user, new).await?;
    made.device().map(Arc::clone).ok_or_else(|| Error::new(Cause::Internal, "a device that was made is none"))
}

/// Puts a device below another one, unless it is there.
pub(super) async fn put_behind(core: &Core, user: &UserCaller, above: DeviceId, device: DeviceId) -> Result<()> {
    let (above, device) = (ObjectId::of_device(above), ObjectId::of_device(device));
    match core.child_object(user, above, ChildKind::Device, device).await {
        Err(error) if error.cause == Cause::ResourceNotFound => {
            core.add_child_object(user, above, ChildKind::Device, device).await.map(|_| ())
        }
        there => there.map(|_| ()),
    }
}

/// A program on a device: an object that goes with it, made or changed.
pub(super) async fn service(core: &Core, user: &UserCaller, above: DeviceId, id: &str, service: Service) -> Result<()> {
    let Service { kind, name, status } = service;
    let fragments = Map::from_iter([("serviceType".to_owned(), kind.into()), ("status".to_owned(), status.into())]);
    match find(core, user, id).await? {
        Some(Found::Device(_)) => Err(Error::new(Cause::NameTaken, "the id is that of a device")),
        Some(Found::Other(object)) => {
            let change = ObjectChange { name: Some(Some(name)), fragments, ..ObjectChange::default() };
            core.change_object(user, object, change).await.map(|_| ())
        }
        None => {
            let new = NewObject {
                kind: Some("c8y_Service".into()),
                name: Some(name),
                owner: None,
                fragments,
                external: vec![(SERIAL.into(), id.to_owned())],
                below: Some((ObjectId::of_device(above), ChildKind::Addition)),
            };
            core.create_object(user, new).await.map(|_| ())
        }
    }
}

/// The ids of the devices right below one, at most [`CHILDREN`].
pub(super) async fn ids_behind(core: &Core, user: &UserCaller, device: DeviceId) -> Result<Vec<String>> {
    let page = PageRequest { no: 0, size: CHILDREN };
    let children = core.child_objects(user, ObjectId::of_device(device), ChildKind::Device, page).await?;
    let mut ids = Vec::with_capacity(children.items.len());
    for child in children.items {
        if let Some(device) = child.device() {
            ids.push(id_of(core, user, device.id).await?);
        }
    }
    Ok(ids)
}

/// The id of a device.
pub(super) async fn id_of(core: &Core, user: &UserCaller, device: DeviceId) -> Result<String> {
    let names = core.external_ids(user, ObjectId::of_device(device)).await?;
    match names.into_iter().find(|name| name.kind == SERIAL) {
        Some(name) => Ok(name.value),
        None => core.reached_device(user, device).await.map(|device| device.node_id.clone()),
    }
}

/// The fragments of an object.
pub(super) async fn fragments(core: &Core, user: &UserCaller, object: ObjectId) -> Result<Fragments> {
    core.managed_object(user, object).await.map(|object| object.fragments())
}

/// Changes fragments of an object, its name and its type; `null` takes one away.
pub(super) async fn change(core: &Core, user: &UserCaller, object: ObjectId, mut fragments: Fragments) -> Result<()> {
    // What a program read it sends back.
    for own in ["id", "self", "owner", "creationTime", "lastUpdated"] {
        fragments.remove(own);
    }
    let (kind, name) = (text(&mut fragments, "type")?, text(&mut fragments, "name")?);
    core.change_object(user, object, ObjectChange { kind, name, owner: None, fragments }).await.map(|_| ())
}

fn text(fragments: &mut Fragments, name: &str) -> Result<Option<Option<String>>> {
    match fragments.remove(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(Value::String(text)) => Ok(Some(Some(text))),
        Some(_) => Err(Error::invalid(name.to_owned(), "must be a text")),
    }
}

/// A collection of templates, whichever device of the tenant made it, and its object; one that cannot be read counts as empty.
pub(super) async fn collection(core: &Core, user: &UserCaller, name: &str) -> Result<Option<(ObjectId, Collection)>> {
    let name = ExternalId { account: user.account(), kind: COLLECTION.into(), value: name.to_owned() };
    let Some(id) = core.store().object_named(&name).await? else { return Ok(None) };
    let Some(object) = core.store().object(id).await?.filter(|object| object.account == user.account()) else { return Ok(None) };
    let mut fragments: Fragments = serde_json::from_str(&object.fragments).unwrap_or_default();
    let kept = fragments.remove(FRAGMENT).and_then(|kept| serde_json::from_value(kept).ok());
    Ok(Some((id, kept.unwrap_or_default())))
}

/// The names of the tenant's collections.
pub(super) async fn collections(core: &Core, user: &UserCaller, most: u32) -> Result<Vec<String>> {
    let filter = ObjectFilter { kind: Some(COLLECTION_TYPE.into()), ..ObjectFilter::of(user.account()) };
    let mut names = vec![];
    for found in core.store().objects(&filter, PageRequest { no: 0, size: most }).await?.items {
        let id = found.object.as_ref().map(|object| object.id);
        for name in core.store().external_ids(id.unwrap_or(ObjectId(0))).await? {
            names.extend((name.kind == COLLECTION).then_some(name.value));
        }
    }
    Ok(names)
}

/// Makes a collection. `NameTaken`: it can be changed over REST alone.
pub(super) async fn make_collection(core: &Core, user: &UserCaller, name: &str, collection: &Collection) -> Result<()> {
    let kept = serde_json::to_value(collection).map_err(|error| Error::new(Cause::Internal, error.to_string()))?;
    let new = NewObject {
        kind: Some(COLLECTION_TYPE.into()),
        name: Some(name.to_owned()),
        owner: None,
        fragments: Map::from_iter([(FRAGMENT.to_owned(), kept), ("__externalId".to_owned(), name.into())]),
        external: vec![(COLLECTION.into(), name.to_owned())],
        below: None,
    };
    core.create_object(user, new).await.map(|_| ())
}

/// Makes an object with another name or none.
pub(super) async fn make_object(
    core: &Core,
    user: &UserCaller,
    external: Option<(String, String)>,
    mut fragments: Fragments,
) -> Result<()> {
    let (kind, name) = (text(&mut fragments, "type")?.flatten(), text(&mut fragments, "name")?.flatten());
    let new = NewObject { kind, name, owner: None, fragments, external: external.into_iter().collect(), below: None };
    core.create_object(user, new).await.map(|_| ())
}

/// The object that a line names.
pub(super) async fn named(core: &Core, user: &UserCaller, of: &Named) -> Result<ObjectId> {
    match of {
        Named::External(kind, value) => core.external(user, kind, value).await.map(|object| object.id()),
        Named::Id(id) => {
            let id = id.parse().map_err(|_| Error::new(Cause::ResourceNotFound, "there is no object of this id"))?;
            core.managed_object(user, id).await.map(|object| object.id())
        }
    }
}

/// An object as a document.
pub(super) async fn document(core: &Core, user: &UserCaller, object: ObjectId) -> Result<Value> {
    let object = core.managed_object(user, object).await?;
    let mut document = object.fragments();
    document.insert("id".into(), object.id().to_string().into());
    for (name, value) in [("name", object.name()), ("type", object.kind()), ("owner", object.owner())] {
        document.extend(value.map(|value| (name.to_owned(), value.into())));
    }
    document.insert("creationTime".into(), object.created_at().iso().into());
    document.insert("lastUpdated".into(), object.modified_at().iso().into());
    Ok(document.into())
}

/// Changes the newest event of a kind; `null` takes a fragment away. `ResourceNotFound`.
pub(super) async fn change_event(
    core: &Core,
    user: &UserCaller,
    device: DeviceId,
    kind: String,
    fragments: Fragments,
) -> Result<()> {
    let query =
        DeviceEventQuery { device: Some(device), kind: Some(kind), sort: Sort::Descending, ..DeviceEventQuery::default() };
    let newest = core.device_events(user, &query, PageRequest { no: 0, size: 1 }).await?.items.into_iter().next();
    let event = newest.ok_or_else(|| Error::new(Cause::ResourceNotFound, "the device has no event of this type"))?;
    core.change_event(user, event.id, &DeviceEventChange { fragments, ..DeviceEventChange::default() }).await.map(|_| ())
}

/// Operations that a device and those behind it did not take yet, the oldest first.
pub(super) async fn waiting(core: &Core, user: &UserCaller, device: DeviceId) -> Result<Vec<Operation>> {
    let mut all = vec![];
    for page in 0..PAGES {
        let some = core.pending_operations(user, device, page).await?;
        if some.is_empty() {
            break;
        }
        all.extend(some);
    }
    // Of those that were made at the same time, those of one device in the order of its queue.
    all.sort_by_key(|operation: &Operation| (operation.created_at, operation.device, operation.place));
    Ok(all)
}

/// The operation with this fragment that is going on.
pub(super) async fn executing(core: &Core, user: &UserCaller, device: DeviceId, fragment: &str) -> Result<Option<Operation>> {
    core.oldest_operation(user, device, &[OperationStatus::Executing], fragment).await
}

/// Takes a step of an operation, whose results it keeps; gives the operation.
pub(super) async fn progress(
    core: &Core,
    user: &UserCaller,
    device: DeviceId,
    which: &Which,
    progress: &Progress,
) -> Result<Operation> {
    let operation = meant(core, user, device, which, progress).await?;
    let (status, failure_reason, fragments) = match progress {
        Progress::Executing => (OperationStatus::Executing, None, Fragments::new()),
        Progress::Failed(reason) => (OperationStatus::Failed, reason.clone(), Fragments::new()),
        Progress::Successful(results) => (OperationStatus::Successful, None, with_results(&operation.fragments, results)),
    };
    let change = OperationChange { status: Some(status), failure_reason, fragments };
    core.change_operation(user, operation.id, &change).await
}

async fn meant(core: &Core, user: &UserCaller, device: DeviceId, which: &Which, progress: &Progress) -> Result<Operation> {
    use OperationStatus::{Executing, Pending};
    let unknown = || Error::new(Cause::CommandNotFound, "there is no such operation in the right state");
    let (fragment, in_turn) = match which {
        Which::Id(id) => {
            let id = Operation::id_of(id.trim()).ok_or_else(unknown)?;
            return core.operation(user, id).await;
        }
        Which::Oldest(fragment) if *progress == Progress::Executing => (fragment, &[Pending][..]),
        Which::Oldest(fragment) => (fragment, &[Executing][..]),
        Which::Current(fragment) => (fragment, &[Executing, Pending][..]),
    };
    for status in in_turn {
        if let Some(operation) = core.oldest_operation(user, device, &[*status], fragment).await? {
            return Ok(operation);
        }
    }
    Err(unknown())
}

/// The fragment of an operation that has a result, with it.
fn with_results(operation: &Fragments, results: &[String]) -> Fragments {
    let Some(result) = results.first() else { return Fragments::new() };
    let name = operation.iter().find_map(|(name, value)| value.is_object().then_some(name));
    let Some((name, Value::Object(mut fragment))) = name.and_then(|name| Some((name, operation.get(name)?.clone()))) else {
        return Fragments::new();
    };
    let field = if matches!(&**name, "c8y_LogfileRequest" | "c8y_UploadConfigFile") { "file" } else { "result" };
    fragment.insert(field.into(), result.as_str().into());
    Map::from_iter([(name.clone(), fragment.into())])
}

/// All operations that are going on, or those with a fragment, failed.
pub(super) async fn fail_all(
    core: &Core,
    user: &UserCaller,
    device: DeviceId,
    fragment: Option<&str>,
    reason: Option<&str>,
) -> Result<()> {
    let query = OperationQuery {
        device: Some(device),
        statuses: vec![OperationStatus::Executing],
        fragment: fragment.map(str::to_owned),
        ..OperationQuery::default()
    };
    let failed = OperationStatus::Failed;
    let change = OperationChange { status: Some(failed), failure_reason: reason.map(str::to_owned), fragments: Map::new() };
    for _ in 0..PAGES {
        let some = core.operations(user, &query, PageRequest { no: 0, size: CHILDREN }).await?.items;
        if some.is_empty() {
            break;
        }
        for operation in some {
            core.change_operation(user, operation.id, &change).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_result_stands_in_the_fragment_that_it_is_of() {
        let after = |operation: Value, results: &[&str]| {
            let results: Vec<_> = results.iter().map(|result| (*result).to_owned()).collect();
            Value::Object(with_results(operation.as_object().unwrap(), &results))
        };
        assert_eq!(
            after(json!({"c8y_Command": {"text": "ls"}, "description": "d"}), &["a"]),
            json!({"c8y_Command": {"text": "ls", "result": "a"}})
        );
        assert_eq!(after(json!({"c8y_LogfileRequest": {}}), &["url"]), json!({"c8y_LogfileRequest": {"file": "url"}}));
        assert_eq!(after(json!({"c8y_RelayArray": ["OPEN"]}), &["OPEN"]), json!({}));
        assert_eq!(after(json!({"c8y_Restart": {}}), &[]), json!({}));
    }
}
