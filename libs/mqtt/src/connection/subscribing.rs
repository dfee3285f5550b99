//! SUBSCRIBE and UNSUBSCRIBE. Absent: rights; the owner decides per filter.

use std::num::NonZeroU32;

use super::Connection;
use crate::event::{Output, Subscribe, SubscribeGrant, Ticket, Unsubscribe};
use crate::filter::{Filter, SHARE};
use crate::packet::NO_LOCAL;
use crate::{Qos, Subscription, Version, write};

const SUBACK: u8 = 0x90;
const UNSUBACK: u8 = 0xb0;

/// Reason codes of SUBACK and UNSUBACK (MQTT 5, 3.9.3, 3.11.3).
const NO_SUBSCRIPTION: u8 = 0x11;
const FAILURE: u8 = 0x80;
const FILTER_INVALID: u8 = 0x8f;
const QUOTA: u8 = 0x97;
const SHARED: u8 = 0x9e;
const WITH_ID: u8 = 0xa1;
const WILDCARD: u8 = 0xa2;

/// Bytes of a refused filter that the owner is told.
const FILTER_TOLD_BYTES: usize = 256;

/// The stable name of what a filter is refused for.
fn refusal(code: u8) -> &'static str {
    match code {
        QUOTA => "filter.too-many",
        SHARED => "filter.shared",
        WITH_ID => "filter.with-id",
        WILDCARD => "filter.wildcard",
        _ => "filter.invalid",
    }
}

/// A request the owner has not answered.
pub(super) struct Pending {
    ticket: Ticket,
    packet_id: u16,
    kind: Kind,
}

enum Kind {
    /// Per filter of the packet: what is asked of the owner, or the code it already has.
    Subscribe(Vec<Result<Subscription, u8>>),
    Unsubscribe(Vec<Box<str>>),
}

impl Connection {
    pub(super) fn subscribe(&mut self, version: Version, packet_id: u16, id: Option<NonZeroU32>, filters: &[(&str, u8)]) {
        let mut asked: Vec<Result<Subscription, u8>> = Vec::with_capacity(filters.len());
        let id_refused = id.is_some() && !self.limits.subscription_ids_available;
        let mut room = self.limits.subscriptions.saturating_sub(self.subscriptions.len() + self.subscriptions_pending());
        for (text, options) in filters {
            let checked = if id_refused { Err(WITH_ID) } else { self.check_filter(text, *options, &mut room) };
            asked.push(checked.map(|subscription| Subscription { id, ..subscription }));
        }
        let mut refused = filters.iter().zip(&asked).filter_map(|((text, _), checked)| Some((text, checked.as_ref().err()?)));
        if let Some((text, code)) = refused.next() {
            let filter = text.get(..text.floor_char_boundary(FILTER_TOLD_BYTES)).unwrap_or_default();
            let further = refused.count();
            self.events.push_back(Output::SubscribeRefused { filter: filter.into(), check: refusal(*code), further });
        }
        let questions: Vec<Subscription> = asked.iter().flatten().cloned().collect();
        if questions.is_empty() {
            return self.suback(version, packet_id, &asked, &[]);
        }
        let ticket = self.ticket();
        self.pending.push(Pending { ticket, packet_id, kind: Kind::Subscribe(asked) });
        self.events.push_back(Output::Subscribe(Subscribe { ticket, filters: questions }));
    }

    fn subscriptions_pending(&self) -> usize {
        let count = |pending: &Pending| match &pending.kind {
            Kind::Subscribe(asked) => asked.iter().flatten().count(),
            Kind::Unsubscribe(_) => 0,
        };
        self.pending.iter().map(count).sum()
    }

    fn check_filter(&self, text: &str, options: u8, room: &mut usize) -> Result<Subscription, u8> {
        if text.len() > self.limits.topic_bytes {
            return Err(FILTER_INVALID);
        }
        if text.starts_with(SHARE) && !self.limits.shared_available {
            return Err(SHARED);
        }
        let filter = Filter::new(text).map_err(|_| FILTER_INVALID)?;
        if filter.has_wildcard() && !self.limits.wildcards_available {
            return Err(WILDCARD);
        }
        if !self.subscriptions.iter().any(|existing| existing.filter == filter) {
            *room = room.checked_sub(1).ok_or(QUOTA)?;
        }
        Ok(Subscription {
            filter,
            qos: Qos::from_level(options & 3).ok_or(FILTER_INVALID)?,
            no_local: options & NO_LOCAL != 0,
            retain_as_published: options & 0x08 != 0,
            retain_handling: options >> 4 & 3,
            id: None,
        })
    }

    pub(super) fn subscribe_done(&mut self, ticket: Ticket, grants: &[SubscribeGrant]) {
        let found =
            self.pending.iter().position(|pending| pending.ticket == ticket && matches!(pending.kind, Kind::Subscribe(_)));
        let (Some(at), Some(version)) = (found, self.version) else { return };
        let pending = self.take_pending(at);
        if let Kind::Subscribe(asked) = pending.kind {
            self.suback(version, pending.packet_id, &asked, grants);
        }
    }

    /// Records what was granted and answers, one code per filter in its order [MQTT-3.8.4-5], [MQTT-3.9.3-1].
    fn suback(&mut self, version: Version, packet_id: u16, asked: &[Result<Subscription, u8>], grants: &[SubscribeGrant]) {
        let mut grants = grants.iter();
        let mut codes = Vec::with_capacity(asked.len());
        for filter in asked {
            let code = match filter {
                Err(code) => *code,
                Ok(wanted) => match grants.next() {
                    Some(SubscribeGrant::Granted(qos)) => {
                        let qos = wanted.qos.min(*qos).min(self.limits.qos_out);
                        self.record(Subscription { qos, ..wanted.clone() });
                        qos as u8
                    }
                    Some(SubscribeGrant::Refused(refusal)) => *refusal as u8,
                    None => FAILURE,
                },
            };
            codes.push(if version == Version::V311 { code.min(FAILURE) } else { code });
        }
        self.emit(|tx| write::sub_ack(tx, SUBACK, version, packet_id, &codes));
    }

    /// An equal filter replaces the old one [MQTT-3.8.4-3].
    fn record(&mut self, subscription: Subscription) {
        match self.subscriptions.iter_mut().find(|existing| existing.filter == subscription.filter) {
            Some(existing) => *existing = subscription,
            None => {
                // Most clients have one.
                if self.subscriptions.is_empty() {
                    self.subscriptions.reserve_exact(1);
                }
                self.subscriptions.push(subscription);
            }
        }
    }

    pub(super) fn unsubscribe(&mut self, packet_id: u16, filters: &[&str]) {
        let ticket = self.ticket();
        let filters: Vec<Box<str>> = filters.iter().map(|filter| (*filter).into()).collect();
        self.pending.push(Pending { ticket, packet_id, kind: Kind::Unsubscribe(filters.clone()) });
        self.events.push_back(Output::Unsubscribe(Unsubscribe { ticket, filters }));
    }

    pub(super) fn unsubscribe_done(&mut self, ticket: Ticket) {
        let found =
            self.pending.iter().position(|pending| pending.ticket == ticket && matches!(pending.kind, Kind::Unsubscribe(_)));
        let (Some(at), Some(version)) = (found, self.version) else { return };
        let pending = self.take_pending(at);
        let Kind::Unsubscribe(filters) = pending.kind else { return };
        let mut codes = Vec::with_capacity(filters.len());
        for filter in filters {
            let existing = self.subscriptions.iter().position(|subscription| subscription.filter.as_str() == &*filter);
            codes.push(if existing.is_some() { 0 } else { NO_SUBSCRIPTION });
            if let Some(at) = existing {
                self.subscriptions.remove(at);
            }
        }
        self.emit(|tx| write::sub_ack(tx, UNSUBACK, version, pending.packet_id, &codes));
    }

    fn take_pending(&mut self, at: usize) -> Pending {
        let pending = self.pending.remove(at);
        if self.pending.is_empty() {
            self.pending = Vec::new();
        }
        pending
    }
}
