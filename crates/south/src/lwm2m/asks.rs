//! What the hub asks of the core, and the answers: the only code here that awaits.

use super::{
    Lwm2m,
    admission::{attach, bootstrap, key, register, renew},
    client::{Peer, Said, Settle},
    desk::Look,
    plan::Plan,
    said::{Kept, store},
};
use crate::note::Note;
use landfall_coap::Ticket;
use landfall_core::{DeviceCaller, NodeFault, Outcome, Owed, Work, WorkOf};
use landfall_dtls::LookupId;
use landfall_lwm2m::{Code, Path, RegisterRequest, bootstrap::BootstrapConfig};
use landfall_model::{
    Cause, Device, DeviceId, Error, ErrorKind, Observed, Registration, Result, Secret, SecureSession, StatusDetail,
};
use std::{net::SocketAddr, sync::Arc};

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
        location: u64,
        detail: StatusDetail,
    },
    /// The plan of a client as it is now: of one that was registered before a restart, or of which something else is wanted.
    Attach {
        device: DeviceId,
    },
    Store {
        device: DeviceId,
        plan: Arc<Plan>,
        settle: Settle,
        said: Said,
    },
    /// What is owed for a report that is acknowledged.
    Acknowledge(Box<Owed>),
    /// What is observed at a client, for the record of its registration.
    Observes {
        device: DeviceId,
        observed: Observed,
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
    /// What went wrong with a node, for its owner (D2C).
    Fault {
        device: DeviceId,
        fault: NodeFault,
        data: String,
    },
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
        outcome: Option<Attached>,
    },
    Stored {
        device: DeviceId,
        settle: Settle,
        outcome: std::result::Result<Kept, Refusal>,
    },
    Observes {
        device: DeviceId,
        outcome: Result<()>,
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
    pub(crate) look: Look,
}

/// What is wanted of a client.
pub(crate) struct Attached {
    /// Where it is registered.
    pub(crate) location: String,
    pub(crate) plan: Arc<Plan>,
    /// What is observed already.
    pub(crate) kept: Vec<Path>,
    pub(crate) look: Look,
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
            let device =
                shared.core.device_by_psk_identity(&String::from_utf8_lossy(&identity)).await.ok().map(|device| device.id);
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
        Ask::Deregister { ticket, device, location, detail } => {
            let outcome = match caller(&shared, device).await {
                Ok((_, caller)) => shared.core.deregister(&caller, &format!("{location:016x}"), detail).await,
                Err(error) if error.is_ours() => Err(error),
                Err(_) => Ok(()),
            };
            Answer::Deregistered { ticket, outcome }
        }
        Ask::Attach { device } => Answer::Attached { device, outcome: attach(&shared, device).await.ok().flatten() },
        Ask::Store { device, plan, settle, said } => {
            let outcome = store(&shared, device, &plan, said).await.map_err(Refusal::from);
            Answer::Stored { device, settle, outcome }
        }
        Ask::Acknowledge(owed) => {
            shared.core.acknowledge(*owed).await;
            Answer::Nothing
        }
        Ask::Observes { device, observed } => Answer::Observes { device, outcome: shared.core.observes(device, observed).await },
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
            drop_session(&shared, id).await;
            Answer::Nothing
        }
        Ask::Fault { device, fault, data } => {
            super::said::tell_fault(&shared, device, fault, &data).await;
            Answer::Nothing
        }
        Ask::Note { device, identity, peer, step, check, detail } => {
            let of = match device {
                Some(device) => caller(&shared, device).await.ok().map(|(known, _)| (known.account, known.id)),
                None => shared.core.device_by_psk_identity(&identity).await.ok().map(|known| (known.account, known.id)),
            };
            shared.refused(of, Note { identity: &identity, peer, step, check, detail });
            Answer::Nothing
        }
    }
}

pub(super) async fn caller(shared: &Lwm2m, device: DeviceId) -> Result<(Arc<Device>, DeviceCaller)> {
    let device = shared.core.device_by_id(device).await?;
    let caller = shared.core.device_caller(&device).over("lwm2m.values");
    Ok((device, caller))
}

async fn told(shared: &Lwm2m, device: DeviceId, of: WorkOf, outcome: Outcome) -> Result<Option<Work>> {
    let (_, caller) = caller(shared, device).await?;
    match of {
        WorkOf::Command(id) => shared.core.command_outcome(&caller, id, outcome).await,
        WorkOf::Message(_) => shared.core.message_outcome(&caller, outcome).await.map(|()| None),
        WorkOf::Desired { service_id, properties } => {
            let delivered = matches!(outcome, Outcome::Done(_));
            shared.core.desired_outcome(&caller, &service_id, &properties, delivered).await.map(|()| None)
        }
    }
}

async fn drop_session(shared: &Lwm2m, id: u64) {
    if let Err(error) = shared.core.drop_secure_session(id).await {
        tracing::debug!(%error, "a secure session could not be forgotten");
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
