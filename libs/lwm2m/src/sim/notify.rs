//! When an observation of the simulated client is due (core 1.1 section 7.3.2). Absent: evaluation periods (epmin, epmax) and history
//! (hqmax), which the simulated client takes and does not act on.

use super::Client;
use crate::attributes::Attributes;
use crate::content_format::ContentFormat;
use crate::message::{Code, Response};
use crate::path::Path;
use crate::value::{Entry, Value};

/// A notification to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The owner's name for the observation, as given to [`Client::handle`].
    pub observation: u64,
    /// Whether it wants an acknowledgement (attribute `con`, or what the owner likes where that is not set).
    pub confirmable: Option<bool>,
    /// The notification itself, with its Observe number.
    pub response: Response,
}

#[derive(Clone, Debug)]
pub(super) struct Observation {
    name: u64,
    paths: Vec<Path>,
    format: ContentFormat,
    composite: bool,
    /// Given with the request (1.2); they win over those that were written.
    own: Attributes,
    told: Vec<Entry>,
    told_ms: u64,
    number: u32,
}

impl Observation {
    pub fn new(
        name: u64,
        paths: Vec<Path>,
        format: ContentFormat,
        composite: bool,
        own: Attributes,
        now_ms: u64,
        client: &Client,
    ) -> Self {
        let told = paths.iter().flat_map(|path| client.values(path)).collect();
        Self { name, paths, format, composite, own, told, told_ms: now_ms, number: 0 }
    }
}

impl Client {
    /// Ends an observation, as a Reset does.
    pub fn cancel(&mut self, observation: u64) {
        self.observations.retain(|kept| kept.name != observation);
    }

    /// The notifications that are due at `now_ms`.
    pub fn poll(&mut self, now_ms: u64) -> Vec<Notification> {
        let mut observations = std::mem::take(&mut self.observations);
        let mut due = Vec::new();
        observations.retain_mut(|observation| {
            let attributes = self.effective(observation);
            if self.due_ms(observation, &attributes).is_none_or(|due_ms| due_ms > now_ms) {
                return true;
            }
            observation.told = observation.paths.iter().flat_map(|path| self.values(path)).collect();
            observation.told_ms = now_ms;
            observation.number += 1;
            let read = self.read(&observation.paths, observation.format, observation.composite);
            let ended = read.is_err();
            let response = read.map(|response| Response { observe: Some(observation.number), ..response });
            // What was observed is gone: the error ends the observation (RFC 7641 section 4.2).
            let response = response.unwrap_or_else(|_| Response::new(Code::NOT_FOUND));
            due.push(Notification { observation: observation.name, confirmable: attributes.con, response });
            !ended
        });
        self.observations = observations;
        due
    }

    /// When [`Client::poll`] will have something, milliseconds, if nothing changes until then.
    pub fn poll_timeout(&self) -> Option<u64> {
        self.observations.iter().filter_map(|observation| self.due_ms(observation, &self.effective(observation))).min()
    }

    /// The attributes that count: those of the request in place of the path's own, then instance, object, the defaults of object 1.
    fn effective(&self, observation: &Observation) -> Attributes {
        let path = observation.paths.first().copied().unwrap_or(Path::ROOT);
        let of = |depth| self.attributes.get(&path.cut(depth)).filter(|_| depth <= path.depth()).cloned().unwrap_or_default();
        let mut own = if observation.own == Attributes::default() { of(path.depth()) } else { observation.own.clone() };
        for depth in (1..path.depth()).rev() {
            own = own.inherit(&of(depth));
        }
        let default = |resource| match self.resources.get(&Path::resource(1, 0, resource)) {
            Some(Value::Integer(seconds)) => u32::try_from(*seconds).ok(),
            _ => None,
        };
        own.inherit(&Attributes { pmin_s: default(2), pmax_s: default(3), ..Attributes::default() })
    }

    fn due_ms(&self, observation: &Observation, attributes: &Attributes) -> Option<u64> {
        let after = |seconds: u32| observation.told_ms + u64::from(seconds) * 1_000;
        let earliest_ms = after(attributes.pmin_s.unwrap_or_default());
        let latest_ms = attributes.pmax_s.filter(|pmax_s| *pmax_s > 0).map(after);
        let now: Vec<Entry> = observation.paths.iter().flat_map(|path| self.values(path)).collect();
        let changed = now != observation.told && matters(&observation.told, &now, attributes);
        match (changed, latest_ms) {
            (true, Some(latest_ms)) => Some(earliest_ms.min(latest_ms)),
            (true, None) => Some(earliest_ms),
            (false, latest_ms) => latest_ms,
        }
    }
}

/// Whether a change passes gt, lt, st and edge; without any of them every change does.
fn matters(before: &[Entry], now: &[Entry], attributes: &Attributes) -> bool {
    let ([before], [now]) = (before, now) else { return true };
    if let (Some(edge), Value::Boolean(was), Value::Boolean(is)) = (attributes.edge, &before.value, &now.value) {
        return was != is && *is == edge;
    }
    let (Some(was), Some(is)) = (before.value.as_f64(), now.value.as_f64()) else { return true };
    let crossed = |bound: f64| (was <= bound) != (is <= bound);
    let conditions = [
        attributes.gt.map(crossed),
        attributes.lt.map(|lt| (was < lt) != (is < lt)),
        attributes.st.map(|st| (is - was).abs() >= st),
    ];
    let mut set = conditions.into_iter().flatten().peekable();
    set.peek().is_none() || set.any(|passed| passed)
}
