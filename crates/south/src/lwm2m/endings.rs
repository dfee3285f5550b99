//! Observations that ended (RFC 7641 3.6, 4.2) or were not begun: they begin again when the client is heard, at once the first time, then with
//! back-off. What stands is kept, so that a restart begins the others.
//!
//! Absent: what is observed at all (`plan.rs`).

use super::{
    asks::Ask,
    client::{Client, Op, Peer},
    hub::{Hub, Moment},
    plan::Plan,
};
use landfall_coap::{Message, Token};
use landfall_core::NodeFault;
use landfall_lwm2m::Path;
use landfall_model::{DeviceId, Observed, Result};
use std::{collections::HashMap, net::SocketAddr, time::Duration};

/// Wait before an observation is begun for the third time; it doubles with each further time.
const WAIT: Duration = Duration::from_secs(60);
const WAIT_MAX: Duration = Duration::from_secs(86_400);
/// Addresses whose rejected notifications are remembered; all are forgotten when there are more.
const STRAYS: usize = 10_000;
/// Rejected notifications of one address that are remembered.
const STRAYS_OF_ADDRESS: usize = 16;

/// An observation in trouble.
pub(super) struct Ended {
    path: Path,
    /// How often it ended or was not begun since it brought something.
    times: u32,
    /// From when on it may be begun; `None`: it was.
    due: Option<Duration>,
}

/// Notifications that were rejected because nobody was known at their address, by that address: tokens. Without DTLS a device that a NAT moved is
/// known there only after its update, and has ended its observation by then.
#[derive(Default)]
pub(super) struct Strays(HashMap<SocketAddr, Vec<Token>>);

impl Strays {
    pub(super) fn add(&mut self, from: Peer, token: Token) {
        let Peer::Plain(from) = from else { return };
        if self.0.len() >= STRAYS && !self.0.contains_key(&from) {
            self.0.clear();
        }
        let tokens = self.0.entry(from).or_default();
        if tokens.len() < STRAYS_OF_ADDRESS && !tokens.contains(&token) {
            tokens.push(token);
        }
    }
}

impl Client {
    /// Queues the observations that may be begun again.
    pub(super) fn begin_again(&mut self, now: Duration) {
        let mut paths = vec![];
        for ended in self.ended.iter_mut().filter(|ended| ended.due.is_some_and(|due| due <= now)) {
            ended.due = None;
            paths.push(ended.path);
        }
        if paths.is_empty() {
            return;
        }
        // The client counts anew.
        let observed = self.plan.iter().flat_map(|plan| &plan.observe);
        observed.zip(&mut self.seen).filter(|(path, _)| paths.contains(path)).for_each(|(_, seen)| *seen = None);
        self.busy().ops.extend(paths.into_iter().map(Op::Observe));
    }

    /// An observation brought something.
    pub(super) fn brought(&mut self, path: &Path) {
        self.ended.retain(|ended| ended.path != *path);
    }

    /// Forgets the troubles of what is not observed any more.
    pub(super) fn follow_endings(&mut self, plan: &Plan) {
        self.ended.retain(|ended| plan.observe.contains(&ended.path));
    }

    /// Whether this is the first trouble with it.
    fn trouble(&mut self, now: Duration, path: Path, begun: bool) -> bool {
        if !self.plan.as_ref().is_some_and(|plan| plan.observe.contains(&path)) {
            return false;
        }
        self.unkept = true;
        let known = self.ended.iter().position(|ended| ended.path == path);
        if known.is_none() {
            self.ended.push(Ended { path, times: 0, due: None });
        }
        if let Some(ended) = self.ended.iter_mut().find(|ended| ended.path == path) {
            ended.times = ended.times.max(u32::from(!begun)).saturating_add(1);
            let wait = match ended.times {
                1 => Duration::ZERO,
                times => WAIT.saturating_mul(1 << (times - 2).min(20)).min(WAIT_MAX),
            };
            ended.due = Some(now.saturating_add(wait));
        }
        known.is_none()
    }

    /// The paths that are observed: begun, and not ended since. Asked when nothing is under way.
    fn standing(&self) -> Vec<String> {
        let ended = |path: &&Path| !self.ended.iter().any(|ended| ended.path == **path && ended.due.is_some());
        self.plan.iter().flat_map(|plan| &plan.observe).filter(ended).map(ToString::to_string).collect()
    }
}

impl Hub {
    /// Looks whether an observation was begun. An application that asked for it is told once if it was not.
    pub(super) fn check_observation(&mut self, now: Moment, device: DeviceId, path: &Path, answer: &Message) {
        if !answer.code.is_success() {
            return self.not_begun(now, device, path);
        }
        if answer.opts().observe().is_none() {
            self.note_device(device, "lwm2m.observe", "refused", "the device answers, but does not observe".into());
            return self.not_begun(now, device, path);
        }
        if let Some(client) = self.clients.get_mut(&device) {
            client.unkept = true;
        }
    }

    pub(super) fn not_begun(&mut self, now: Moment, device: DeviceId, path: &Path) {
        let Some(client) = self.clients.get_mut(&device) else { return };
        let first = client.trouble(now.since, *path, false);
        if first && self.plan_of(device).is_some_and(|plan| plan.is_asked(path)) {
            self.fault(device, NodeFault::CreateSubscription, path.to_string());
        }
    }

    /// A notification brought something, or ended its observation.
    pub(super) fn check_notification(&mut self, now: Moment, device: DeviceId, path: &Path, notification: &Message) {
        let Some(client) = self.clients.get_mut(&device) else { return };
        if notification.code.is_success() {
            client.brought(path);
        } else {
            client.trouble(now.since, *path, true);
        }
    }

    /// A client is known at this address now: what it notified from there before was rejected, and is observed no more.
    pub(super) fn came_back(&mut self, now: Moment, device: DeviceId, at: Peer) {
        let Peer::Plain(address) = at else { return };
        let tokens = self.strays.0.remove(&address).unwrap_or_default();
        let Some(client) = self.clients.get_mut(&device) else { return };
        let Some(plan) = client.plan.clone() else { return };
        let paths: Vec<Path> = tokens.iter().filter_map(|token| plan.observed(client.tag(token.as_bytes())?)).collect();
        for path in paths {
            client.trouble(now.since, path, true);
        }
    }

    /// Keeps what is observed, where that changed and nothing more is under way.
    pub(super) fn keep_standing(&mut self, device: DeviceId) {
        let Some(client) = self.clients.get_mut(&device).filter(|client| client.unkept) else { return };
        let waits = |op: &Op| matches!(op, Op::Observe(_) | Op::Cancel(_));
        if client.busy.as_ref().is_some_and(|busy| busy.exchange.is_some() || busy.ops.iter().any(waits)) {
            return;
        }
        client.unkept = false;
        let observed = Observed { generation: client.generation, paths: client.standing() };
        self.ask(Ask::Observes { device, observed });
    }

    /// The record of the registration was written, by an update perhaps with what stood before.
    pub(super) fn check_kept(&mut self, device: DeviceId, kept: &Observed) {
        if let Some(client) = self.clients.get_mut(&device) {
            client.unkept |= client.standing() != kept.paths;
        }
    }

    pub(super) fn standing_kept(&mut self, device: DeviceId, outcome: Result<()>) {
        if let Err(error) = outcome {
            tracing::debug!(%error, %device, "what is observed could not be kept");
            if let Some(client) = self.clients.get_mut(&device) {
                client.unkept = true;
            }
        }
    }
}
