//! Who is let in, and with what: keys of identities, registrations and their updates, bootstrap.

use super::{
    Lwm2m,
    asks::{Attached, Refusal, Register, Registered, Renew, caller},
    client::Peer,
    plan::Plan,
};
use crate::note::Note;
use landfall_core::Core;
use landfall_lwm2m::{Binding, Code, Ignored, LinkLimits, ObjectList, UpdateRequest, Version, bootstrap::BootstrapConfig};
use landfall_model::{AccountId, Cause, Device, DeviceId, Error, ErrorKind, Identity, Observed, Registration, Result};
use std::{net::SocketAddr, sync::Arc};

/// Moments of contact that are kept.
const CONTACTS: usize = 8;

/// The key that goes with an identity.
pub(super) async fn key(shared: &Lwm2m, identity: &[u8], peer: SocketAddr) -> Option<(DeviceId, Vec<u8>)> {
    let refused = |of: Option<(AccountId, DeviceId)>, identity: &str, check, detail: &str| {
        shared.refused(of, Note { identity, peer: Some(peer), step: "dtls.psk", check, detail: detail.to_owned() });
    };
    let Ok(name) = std::str::from_utf8(identity) else {
        refused(None, "", "identity", "the pre-shared key identity is not UTF-8");
        return None;
    };
    let device = match shared.core.device_by_psk_identity(name).await {
        Ok(device) => device,
        Err(error) => {
            refused(None, name, error.cause.as_str(), &error.to_string());
            return None;
        }
    };
    let of = Some((device.account, device.id));
    let Some(psk) = device.credentials.psk.as_ref() else {
        refused(of, name, "psk", "the device has no pre-shared key");
        return None;
    };
    match hex::decode(psk.expose()) {
        Ok(key) => Some((device.id, key)),
        Err(_) => {
            refused(of, name, "psk", "the pre-shared key has an odd number of hex digits");
            None
        }
    }
}

pub(super) async fn register(shared: &Lwm2m, asked: Register) -> Result<Registered> {
    let Register { peer, from, session_of, request, location, .. } = asked;
    let name = request.endpoint.clone().unwrap_or_default();
    let early = session_of.map(|device| shared.desk.look(device));
    let outcome = admit(shared, session_of, &name).await;
    let device = match outcome {
        Ok(device) => device,
        Err(error) => {
            let of = match session_of {
                Some(id) => shared.core.device_by_id(id).await.ok().map(|device| (device.account, device.id)),
                None => shared.core.device_by_node(&name).await.ok().map(|device| (device.account, device.id)),
            };
            let detail = error.to_string();
            shared.refused(of, Note { identity: &name, peer: from, step: "lwm2m.register", check: error.cause.as_str(), detail });
            return Err(match error.kind() {
                ErrorKind::NotFound => Error::new(Cause::Forbidden, "unknown endpoint"),
                _ => error,
            });
        }
    };
    let now = shared.core.now();
    let look = early.unwrap_or_else(|| shared.desk.look(device.id));
    let plan = plan(shared, &device, request.version, &request.list).await?;
    let registration = Registration {
        device: device.id,
        location: format!("{location:016x}"),
        endpoint: name,
        lifetime_s: request.lifetime_s,
        version: request.version.to_string(),
        binding: request.binding.to_string(),
        queue_mode: request.binding.queue,
        links: String::from_utf8_lossy(&request.list.to_payload()).into_owned(),
        peer: from.map(|from| from.to_string()).unwrap_or_default(),
        session: session(peer),
        observed: Observed { generation: location as u16, paths: vec![] },
        registered_at: now,
        updated_at: now,
        expires_at: expiry(now, request.lifetime_s),
        contacts: vec![],
    };
    let registration = with_contact(shared, registration).await?;
    shared.core.register(&shared.core.device_caller(&device), registration.clone()).await?;
    tell_ignored(shared, &device, from, "lwm2m.register", &request.ignored);
    Ok(Registered { registration, plan, anew: true, look })
}

/// Leaves one why record of what a device said of itself that could not be used.
fn tell_ignored(shared: &Lwm2m, device: &Device, peer: Option<SocketAddr>, step: &'static str, ignored: &Ignored) {
    if !ignored.is_empty() {
        let detail = format!("passed over: {ignored}; the rest counts");
        shared
            .refused(Some((device.account, device.id)), Note { identity: &device.node_id, peer, step, check: "ignored", detail });
    }
}

fn session(peer: Peer) -> Option<u64> {
    match peer {
        Peer::Plain(_) => None,
        Peer::Secure(id) => Some(id),
    }
}

/// A lifetime of 0 has no end (LwM2M core, 6.2.1).
fn expiry(now: landfall_model::Time, lifetime_s: u32) -> landfall_model::Time {
    if lifetime_s == 0 { landfall_model::Time(i64::MAX) } else { now.plus_s(lifetime_s.into()) }
}

/// Who may register: over DTLS the holder of the key, under a name that is its own; without, whoever the device and its product let.
async fn admit(shared: &Lwm2m, session_of: Option<DeviceId>, name: &str) -> Result<Arc<Device>> {
    let Some(id) = session_of else {
        let device = shared.core.device_by_node(name).await?;
        check_plain(&shared.core, &device).await?;
        return Ok(device);
    };
    let device = shared.core.device_by_id(id).await?;
    if name.is_empty() || device.identities().contains(&Identity::of(name)) {
        return Ok(device);
    }
    Err(Error::new(Cause::Forbidden, "the endpoint name is not that of the device whose key was used"))
}

/// Whether a device may come over CoAP without DTLS: only if it is not `isSecure` and its product allows it. `Forbidden`.
async fn check_plain(core: &Core, device: &Device) -> Result<()> {
    if device.credentials.is_secure {
        return Err(Error::new(Cause::Forbidden, "the device is isSecure, so it must come over DTLS"));
    }
    match core.product_of(device).await {
        Ok(product) if product.lwm2m.plain_coap => Ok(()),
        Err(error) if error.is_ours() => Err(error),
        _ => Err(Error::new(Cause::Forbidden, "its product does not allow CoAP without DTLS (lwm2m.plainCoap)")),
    }
}

/// The account that a device is to have here: its own identity and key.
pub(super) async fn bootstrap(shared: &Lwm2m, device: DeviceId, name: &str, from: Option<SocketAddr>) -> Result<BootstrapConfig> {
    let device = match admit(shared, Some(device), name).await {
        Ok(device) => device,
        Err(error) => {
            let (check, detail) = (error.cause.as_str(), error.to_string());
            shared.refused(None, Note { identity: name, peer: from, step: "lwm2m.bootstrap", check, detail });
            return Err(error);
        }
    };
    let credentials = &device.credentials;
    let key = credentials.psk.as_ref().and_then(|psk| hex::decode(psk.expose()).ok());
    let key = key.ok_or_else(|| Error::new(Cause::Forbidden, "the device has no pre-shared key"))?;
    let identity = device.psk_identity().to_owned();
    let binding = bootstrap_binding(shared, &device).await?;
    Ok(super::bootstrap::account(&shared.config.public_uri, shared.config.bootstrap_lifetime_s, binding, identity, key))
}

/// The binding that a device is to have: as its product says, else as it registered last.
async fn bootstrap_binding(shared: &Lwm2m, device: &Device) -> Result<Binding> {
    let product = shared.core.product_of(device).await.ok();
    let wanted = match product.and_then(|product| product.lwm2m.binding.clone()) {
        Some(binding) => Some(binding),
        None => shared.core.store().registration(device.id).await?.map(|registration| registration.binding),
    };
    Ok(wanted.and_then(|letters| Binding::parse(&letters, Version::V1_2)).unwrap_or(Binding::UDP))
}

async fn plan(shared: &Lwm2m, device: &Device, version: Version, list: &ObjectList) -> Result<Arc<Plan>> {
    let product = match shared.core.product_of(device).await {
        Ok(product) => Some(product),
        Err(error) if error.cause == Cause::ProductNotFound => None,
        Err(error) => return Err(error),
    };
    Ok(shared.plans.of(product.as_deref(), device.node.as_deref(), version, list))
}

/// Takes the moment into the pattern of contacts, which an earlier registration of the device may have begun.
async fn with_contact(shared: &Lwm2m, mut registration: Registration) -> Result<Registration> {
    if registration.contacts.is_empty()
        && shared.desk.is_registered(registration.device)
        && let Some(before) = shared.core.store().registration(registration.device).await?
    {
        registration.contacts = before.contacts;
    }
    // What comes while it is awake belongs to the same waking.
    let awake_since = registration.updated_at.minus_s(shared.config.awake_s.into());
    if registration.contacts.last().is_some_and(|last| *last > awake_since) {
        return Ok(registration);
    }
    registration.contacts.push(registration.updated_at);
    let beyond = registration.contacts.len().saturating_sub(CONTACTS);
    registration.contacts.drain(..beyond);
    Ok(registration)
}

pub(super) async fn renew(shared: &Lwm2m, asked: Renew) -> std::result::Result<Registered, Refusal> {
    let gone = || Refusal { code: Code::NOT_FOUND, text: "there is no such registration".into() };
    let look = shared.desk.look(asked.device);
    let (device, caller) = caller(shared, asked.device).await.map_err(|_| gone())?;
    let mut registration = shared.core.store().registration(asked.device).await.map_err(Refusal::from)?.ok_or_else(gone)?;
    let version: Version = registration.version.parse().unwrap_or_default();
    let limits = LinkLimits::default();
    let request = UpdateRequest::parse(&asked.query, asked.content_format, &asked.payload, version, &limits)
        .map_err(|error| Refusal { code: error.code(), text: error.to_string() })?;
    if let Some(binding) = request.binding {
        registration.binding = binding.to_string();
        registration.queue_mode = binding.queue;
    }
    registration.lifetime_s = request.lifetime_s.unwrap_or(registration.lifetime_s);
    let before = ObjectList::parse(registration.links.as_bytes(), &limits).unwrap_or_default();
    let list = match request.list {
        // Root and formats stand where an update lists objects alone.
        Some(new) if new.root.is_empty() && new.formats.is_empty() => {
            ObjectList { root: before.root.clone(), formats: before.formats.clone(), ..new }
        }
        Some(new) => new,
        None => before.clone(),
    };
    let links = String::from_utf8_lossy(&list.to_payload()).into_owned();
    let old = plan(shared, &device, version, &before).await.map_err(Refusal::from)?;
    let plan = plan(shared, &device, version, &list).await.map_err(Refusal::from)?;
    // Under the same objects, observations come and go one by one.
    let anew = plan.observe != old.observe;
    if anew {
        registration.observed = Observed { generation: asked.generation, paths: vec![] };
    }
    registration.links = links;
    let now = shared.core.now();
    registration.updated_at = now;
    registration.expires_at = expiry(now, registration.lifetime_s);
    registration.session = session(asked.peer);
    registration.peer = asked.from.map(|from| from.to_string()).unwrap_or_default();
    let registration = with_contact(shared, registration).await.map_err(Refusal::from)?;
    shared.core.register(&caller, registration.clone()).await.map_err(Refusal::from)?;
    tell_ignored(shared, &device, asked.from, "lwm2m.update", &request.ignored);
    Ok(Registered { registration, plan, anew, look })
}

pub(super) async fn attach(shared: &Lwm2m, id: DeviceId) -> Result<Option<Attached>> {
    let look = shared.desk.look(id);
    let device = shared.core.device_by_id(id).await?;
    let Some(registration) = shared.core.store().registration(id).await? else { return Ok(None) };
    let list = ObjectList::parse(registration.links.as_bytes(), &LinkLimits::default()).unwrap_or_default();
    let plan = plan(shared, &device, registration.version.parse().unwrap_or_default(), &list).await?;
    let kept = registration.observed.paths.iter().filter_map(|path| path.parse().ok()).collect();
    Ok(Some(Attached { location: registration.location, plan, kept, look }))
}
