//! What the hub asks of the core, and the answers: the only code here that awaits.

use super::{
    Lwm2m,
    client::{Peer, Said, Settle},
    plan::Plan,
};
use crate::note::{Note, note};
use landfall_coap::Ticket;
use landfall_core::{DeviceCaller, Outcome, Work, WorkOf};
use landfall_dtls::LookupId;
use landfall_lwm2m::{
    Code, LinkLimits, ObjectList, RegisterRequest, UpdateRequest, Version, bootstrap::BootstrapConfig, endpoint::candidates,
};
use landfall_model::{
    AccountId, Cause, Device, DeviceId, Error, ErrorKind, Observed, Registration, Result, Secret, SecureSession, StatusDetail,
};
use std::{net::SocketAddr, sync::Arc};

/// Moments of contact that are kept.
const CONTACTS: usize = 8;

/// A question.
pub(crate) enum Ask {
    /// The key of an identity.
    Psk {
        lookup: LookupId,
        identity: Vec<u8>,
        peer: SocketAddr,
    },
    /// Whose identity it is, for a session that began without a lookup.
    Whose {
        session: u64,
        identity: Vec<u8>,
    },
    Register(Box<Register>),
    Renew(Box<Renew>),
    /// `ticket`: the client's own wish.
    Deregister {
        ticket: Option<Ticket>,
        device: DeviceId,
        detail: StatusDetail,
    },
    /// The plan of a client that was registered before a restart.
    Attach {
        device: DeviceId,
    },
    Store {
        device: DeviceId,
        plan: Arc<Plan>,
        settle: Settle,
        said: Said,
    },
    Work {
        device: DeviceId,
        asleep: bool,
    },
    Outcome {
        device: DeviceId,
        of: WorkOf,
        outcome: Outcome,
    },
    /// What a client is to be told so that it registers here.
    Bootstrap {
        session: u64,
        device: DeviceId,
        endpoint: Option<String>,
        from: Option<SocketAddr>,
    },
    SaveSessions(Vec<Saving>),
    DropSession(u64),
    /// A refusal, for the log of them.
    Note {
        device: Option<DeviceId>,
        identity: String,
        peer: Option<SocketAddr>,
        step: &'static str,
        check: &'static str,
        detail: String,
    },
}

/// A registration that was asked for.
pub(crate) struct Register {
    pub(crate) ticket: Ticket,
    pub(crate) peer: Peer,
    pub(crate) from: Option<SocketAddr>,
    /// Whose session it came over.
    pub(crate) session_of: Option<DeviceId>,
    pub(crate) request: RegisterRequest,
    /// Random.
    pub(crate) location: u64,
}

/// An update of a registration.
pub(crate) struct Renew {
    pub(crate) ticket: Ticket,
    pub(crate) device: DeviceId,
    pub(crate) peer: Peer,
    pub(crate) from: Option<SocketAddr>,
    pub(crate) query: Vec<String>,
    pub(crate) content_format: Option<landfall_lwm2m::ContentFormat>,
    pub(crate) payload: Vec<u8>,
    /// Part of the tokens of observations that a new list of objects makes.
    pub(crate) generation: u16,
}

/// The state of a session to be kept.
pub(crate) struct Saving {
    pub(crate) device: DeviceId,
    pub(crate) session: u64,
    /// In hex.
    pub(crate) state: Secret,
    /// Goes to `dtls::Server::reserved` once it is kept.
    pub(crate) write_seq: u64,
}

/// An answer.
pub(crate) enum Answer {
    Psk {
        lookup: LookupId,
        identity: Vec<u8>,
        found: Option<(DeviceId, Vec<u8>)>,
    },
    Whose {
        session: u64,
        device: Option<DeviceId>,
    },
    Registered {
        ticket: Ticket,
        peer: Peer,
        outcome: std::result::Result<Box<Registered>, Refusal>,
    },
    Renewed {
        ticket: Ticket,
        device: DeviceId,
        peer: Peer,
        outcome: std::result::Result<Box<Registered>, Refusal>,
    },
    Deregistered {
        ticket: Option<Ticket>,
        outcome: Result<()>,
    },
    Attached {
        device: DeviceId,
        plan: Option<Arc<Plan>>,
    },
    Stored {
        device: DeviceId,
        settle: Settle,
        outcome: std::result::Result<(), Refusal>,
    },
    Work {
        device: DeviceId,
        outcome: Result<Option<Work>>,
    },
    /// The outcome of a piece of work is durable; the work is there again if it is to be done once more.
    Told {
        device: DeviceId,
        outcome: Result<Option<Work>>,
    },
    Bootstrap {
        session: u64,
        outcome: std::result::Result<BootstrapConfig, Refusal>,
    },
    Saved(Vec<(u64, u64)>),
    Nothing,
}

/// A registration that is durable.
pub(crate) struct Registered {
    pub(crate) registration: Registration,
    pub(crate) plan: Arc<Plan>,
    /// Whether the objects are new, so that observations begin anew.
    pub(crate) anew: bool,
}

/// An answer that is an error.
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) text: String,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let code = match (error.cause, error.kind()) {
            (Cause::Forbidden, _) => Code::FORBIDDEN,
            (_, ErrorKind::NotFound) => Code::NOT_FOUND,
            (_, ErrorKind::Denied) => Code::FORBIDDEN,
            (_, ErrorKind::Unavailable | ErrorKind::Limit | ErrorKind::Conflict) => Code::SERVICE_UNAVAILABLE,
            (_, ErrorKind::Invalid) => Code::BAD_REQUEST,
            (_, ErrorKind::Internal) => Code::INTERNAL_SERVER_ERROR,
        };
        // Who has no right to know hears no reasons.
        let text = if code == Code::FORBIDDEN { String::new() } else { error.to_string() };
        Self { code, text }
    }
}

/// Answers a question.
pub(crate) async fn answer(shared: Arc<Lwm2m>, ask: Ask) -> Answer {
    match ask {
        Ask::Psk { lookup, identity, peer } => {
            let found = key(&shared, &identity, peer).await;
            Answer::Psk { lookup, identity, found }
        }
        Ask::Whose { session, identity } => {
            let device = psk_device(&shared, &String::from_utf8_lossy(&identity)).await.ok().map(|device| device.id);
            Answer::Whose { session, device }
        }
        Ask::Register(asked) => {
            let (ticket, peer) = (asked.ticket, asked.peer);
            let outcome = register(&shared, *asked).await.map(Box::new).map_err(Refusal::from);
            Answer::Registered { ticket, peer, outcome }
        }
        Ask::Renew(asked) => {
            let (ticket, device, peer) = (asked.ticket, asked.device, asked.peer);
            Answer::Renewed { ticket, device, peer, outcome: renew(&shared, *asked).await.map(Box::new) }
        }
        Ask::Deregister { ticket, device, detail } => {
            let outcome = match caller(&shared, device).await {
                Ok((_, caller)) => shared.core.deregister(&caller, detail).await,
                Err(error) if error.kind() == ErrorKind::Internal => Err(error),
                Err(_) => Ok(()),
            };
            Answer::Deregistered { ticket, outcome }
        }
        Ask::Attach { device } => Answer::Attached { device, plan: attach(&shared, device).await.ok().flatten() },
        Ask::Store { device, plan, settle, said } => {
            let outcome = store(&shared, device, &plan, said).await.map_err(Refusal::from);
            Answer::Stored { device, settle, outcome }
        }
        Ask::Work { device, asleep } => {
            let outcome = match caller(&shared, device).await {
                Ok((_, caller)) => shared.core.next_work(&caller, asleep).await,
                Err(error) => Err(error),
            };
            Answer::Work { device, outcome }
        }
        Ask::Outcome { device, of, outcome } => Answer::Told { device, outcome: told(&shared, device, of, outcome).await },
        Ask::Bootstrap { session, device, endpoint, from } => {
            let outcome = bootstrap(&shared, device, &endpoint.unwrap_or_default(), from).await.map_err(Refusal::from);
            Answer::Bootstrap { session, outcome }
        }
        Ask::SaveSessions(saving) => Answer::Saved(save(&shared, saving).await),
        Ask::DropSession(id) => {
            if let Err(error) = shared.core.drop_secure_session(id).await {
                tracing::debug!(%error, "a secure session could not be forgotten");
            }
            Answer::Nothing
        }
        Ask::Note { device, identity, peer, step, check, detail } => {
            let of = match device {
                Some(device) => caller(&shared, device).await.ok().map(|(known, _)| (known.account, known.id)),
                None => psk_device(&shared, &identity).await.ok().map(|known| (known.account, known.id)),
            };
            note(&shared.core, of, Note { identity: &identity, peer, step, check, detail });
            Answer::Nothing
        }
    }
}

async fn caller(shared: &Lwm2m, device: DeviceId) -> Result<(Arc<Device>, DeviceCaller)> {
    let device = shared.core.device_by_id(device).await?;
    let caller = shared.core.device_caller(&device);
    Ok((device, caller))
}

/// The device that an endpoint name stands for: the nodeId, or the IMEI or serial number in the name.
async fn endpoint_device(shared: &Lwm2m, name: &str) -> Result<Arc<Device>> {
    let mut last = Error::new(Cause::DeviceNotFound, "there is no device of this endpoint name");
    for candidate in candidates(name) {
        match shared.core.device_by_node(&candidate).await {
            Err(error) if error.cause == Cause::DeviceNotFound => last = error,
            found => return found,
        }
    }
    Err(last)
}

/// The key that goes with an identity.
async fn key(shared: &Lwm2m, identity: &[u8], peer: SocketAddr) -> Option<(DeviceId, Vec<u8>)> {
    let refused = |of: Option<(AccountId, DeviceId)>, identity: &str, check, detail: &str| {
        note(&shared.core, of, Note { identity, peer: Some(peer), step: "dtls.psk", check, detail: detail.to_owned() });
    };
    let Ok(name) = std::str::from_utf8(identity) else {
        refused(None, "", "identity", "the pre-shared key identity is not UTF-8");
        return None;
    };
    let device = match psk_device(shared, name).await {
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

/// The device of a pre-shared key identity: the exact one, or that of the IMEI or serial number in it.
async fn psk_device(shared: &Lwm2m, name: &str) -> Result<Arc<Device>> {
    let mut last = Error::new(Cause::DeviceNotFound, "there is no device with this pre-shared key identity");
    for candidate in candidates(name) {
        match shared.core.device_by_psk_identity(&candidate).await {
            Err(error) if error.cause == Cause::DeviceNotFound => last = error,
            found => return found,
        }
    }
    Err(last)
}

async fn register(shared: &Lwm2m, asked: Register) -> Result<Registered> {
    let Register { peer, from, session_of, request, location, .. } = asked;
    let name = request.endpoint.clone().unwrap_or_default();
    let outcome = admit(shared, session_of, &name).await;
    let device = match outcome {
        Ok(device) => device,
        Err(error) => {
            let of = match session_of {
                Some(id) => shared.core.device_by_id(id).await.ok().map(|device| (device.account, device.id)),
                None => endpoint_device(shared, &name).await.ok().map(|device| (device.account, device.id)),
            };
            let detail = error.to_string();
            note(
                &shared.core,
                of,
                Note { identity: &name, peer: from, step: "lwm2m.register", check: error.cause.as_str(), detail },
            );
            return Err(match error.kind() {
                ErrorKind::NotFound => Error::new(Cause::Forbidden, "unknown endpoint"),
                _ => error,
            });
        }
    };
    let now = shared.core.now();
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
        observed: observed(location as u16, &plan),
        registered_at: now,
        updated_at: now,
        expires_at: expiry(now, request.lifetime_s),
        contacts: vec![],
    };
    let registration = with_contact(shared, registration).await?;
    shared.core.register(&shared.core.device_caller(&device), registration.clone()).await?;
    Ok(Registered { registration, plan, anew: true })
}

fn session(peer: Peer) -> Option<u64> {
    match peer {
        Peer::Plain(_) => None,
        Peer::Secure(id) => Some(id),
    }
}

fn observed(generation: u16, plan: &Plan) -> Observed {
    Observed { generation, paths: plan.observe.iter().map(ToString::to_string).collect() }
}

/// A lifetime of 0 has no end (LwM2M core, 6.2.1).
fn expiry(now: landfall_model::Time, lifetime_s: u32) -> landfall_model::Time {
    if lifetime_s == 0 { landfall_model::Time(i64::MAX) } else { now.plus_s(lifetime_s.into()) }
}

/// Who may register: over DTLS the holder of the key, under a name that is its own; without, whoever the device and its product let.
async fn admit(shared: &Lwm2m, session_of: Option<DeviceId>, name: &str) -> Result<Arc<Device>> {
    let Some(id) = session_of else {
        let device = endpoint_device(shared, name).await?;
        shared.core.check_plain(&device).await?;
        return Ok(device);
    };
    let device = shared.core.device_by_id(id).await?;
    let own = |candidate: &String| *candidate == device.node_id || Some(candidate) == device.credentials.psk_identity.as_ref();
    if name.is_empty() || candidates(name).iter().any(own) {
        return Ok(device);
    }
    Err(Error::new(Cause::Forbidden, "the endpoint name is not that of the device whose key was used"))
}

/// The account that a device is to have here: its own identity and key.
async fn bootstrap(shared: &Lwm2m, device: DeviceId, name: &str, from: Option<SocketAddr>) -> Result<BootstrapConfig> {
    let device = match admit(shared, Some(device), name).await {
        Ok(device) => device,
        Err(error) => {
            let (check, detail) = (error.cause.as_str(), error.to_string());
            note(&shared.core, None, Note { identity: name, peer: from, step: "lwm2m.bootstrap", check, detail });
            return Err(error);
        }
    };
    let credentials = &device.credentials;
    let key = credentials.psk.as_ref().and_then(|psk| hex::decode(psk.expose()).ok());
    let key = key.ok_or_else(|| Error::new(Cause::Forbidden, "the device has no pre-shared key"))?;
    let identity = credentials.psk_identity.clone().unwrap_or_else(|| device.node_id.clone());
    Ok(super::bootstrap::account(&shared.config.public_uri, shared.config.bootstrap_lifetime_s, identity, key))
}

async fn plan(shared: &Lwm2m, device: &Device, version: Version, list: &ObjectList) -> Result<Arc<Plan>> {
    let product = match shared.core.product_of(device).await {
        Ok(product) => Some(product),
        Err(error) if error.cause == Cause::ProductNotFound => None,
        Err(error) => return Err(error),
    };
    Ok(shared.plans.of(product.as_deref(), version, list))
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

async fn renew(shared: &Lwm2m, asked: Renew) -> std::result::Result<Registered, Refusal> {
    let gone = || Refusal { code: Code::NOT_FOUND, text: "there is no such registration".into() };
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
    registration.links = String::from_utf8_lossy(&list.to_payload()).into_owned();
    let plan = plan(shared, &device, version, &list).await.map_err(Refusal::from)?;
    let paths: Vec<String> = plan.observe.iter().map(ToString::to_string).collect();
    let anew = paths != registration.observed.paths;
    if anew {
        registration.observed = Observed { generation: asked.generation, paths };
    }
    let now = shared.core.now();
    registration.updated_at = now;
    registration.expires_at = expiry(now, registration.lifetime_s);
    registration.session = session(asked.peer);
    registration.peer = asked.from.map(|from| from.to_string()).unwrap_or_default();
    let registration = with_contact(shared, registration).await.map_err(Refusal::from)?;
    shared.core.register(&caller, registration.clone()).await.map_err(Refusal::from)?;
    Ok(Registered { registration, plan, anew })
}

async fn attach(shared: &Lwm2m, id: DeviceId) -> Result<Option<Arc<Plan>>> {
    let device = shared.core.device_by_id(id).await?;
    let Some(registration) = shared.core.store().registration(id).await? else { return Ok(None) };
    let list = ObjectList::parse(registration.links.as_bytes(), &LinkLimits::default()).unwrap_or_default();
    plan(shared, &device, registration.version.parse().unwrap_or_default(), &list).await.map(Some)
}

/// Stores what a client said. What has no meaning for its product is taken and dropped, with a why record from the core.
async fn store(shared: &Lwm2m, id: DeviceId, plan: &Plan, said: Said) -> Result<()> {
    let (device, caller) = caller(shared, id).await?;
    match said {
        Said::Frame(bytes, path) => {
            let meta = serde_json::json!({ "path": path.to_string(), "nodeId": device.node_id }).to_string();
            let reading = shared.core.read_binary(&caller, id, &bytes, &meta).await?;
            shared.core.keep(reading).await.map(|_| ())
        }
        Said::Values(entries) => {
            let info = super::bindings::Bindings::info(&entries);
            if info != Default::default() {
                shared.core.learn(&caller, &info).await?;
            }
            let items = plan.bindings.as_ref().map(|bindings| bindings.items(&entries, shared.core.now())).unwrap_or_default();
            if items.is_empty() {
                return Ok(());
            }
            let reading = shared.core.read_items(&caller, id, items).await?;
            shared.core.keep(reading).await.map(|_| ())
        }
    }
}

async fn told(shared: &Lwm2m, device: DeviceId, of: WorkOf, outcome: Outcome) -> Result<Option<Work>> {
    let (_, caller) = caller(shared, device).await?;
    match of {
        WorkOf::Command(id) => shared.core.command_outcome(&caller, id, outcome).await,
        WorkOf::Desired { service_id, properties } => {
            let delivered = matches!(outcome, Outcome::Done(_));
            shared.core.desired_outcome(&caller, &service_id, &properties, delivered).await.map(|()| None)
        }
    }
}

async fn save(shared: &Lwm2m, saving: Vec<Saving>) -> Vec<(u64, u64)> {
    let kept: Vec<(u64, u64)> = saving.iter().map(|one| (one.session, one.write_seq)).collect();
    let session = |one: Saving| SecureSession { id: one.session, device: one.device, state: one.state };
    match shared.core.keep_secure_sessions(saving.into_iter().map(session).collect()).await {
        Ok(()) => kept,
        Err(error) => {
            tracing::warn!(%error, "secure sessions could not be kept");
            vec![]
        }
    }
}
