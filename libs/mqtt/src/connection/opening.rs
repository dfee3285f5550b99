//! CONNECT and its answer. Absent: who may connect; the owner decides.

use std::{sync::Arc, time::Duration};

use super::{Connection, Phase};
use crate::check::{self, CloseReason};
use crate::event::{Accept, ConnectRefusal, Output};
use crate::{Qos, Version, packet, write};

/// Return code of MQTT 3.1.1: unacceptable protocol level.
const V311_LEVEL: u8 = 1;

impl Connection {
    pub(super) fn connect(&mut self, now: Duration, body: &[u8]) {
        let connect = match packet::connect(body, &self.limits) {
            Ok(connect) => connect,
            Err((failed, answer)) => {
                self.version = answer;
                return match answer {
                    Some(Version::V311) => self.reject(CloseReason { code: V311_LEVEL, ..failed.reason(answer) }),
                    Some(Version::V5) => self.reject(failed.reason(answer)),
                    None => self.fail_silently(failed),
                };
            }
        };
        let request = connect.request;
        self.version = Some(request.version);
        self.v31 = connect.v31;
        self.phase = Phase::Deciding;
        self.deadline = now + self.limits.accept_timeout;
        self.outbound.set_peer(&self.limits, connect.receive_maximum, request.maximum_packet_bytes);
        if request.version == Version::V311 && request.client_id.is_empty() && !request.clean_start {
            let code = ConnectRefusal::ClientIdentifierNotValid.code(Version::V311);
            return self.reject(CloseReason { code, ..check::CLIENT_ID_NEEDED.reason(self.version) });
        }
        self.keep_alive_s = request.keep_alive_s.min(self.limits.keep_alive_max_s.max(1));
        self.session_expiry_s = request.session_expiry_s;
        self.will = request.will.clone();
        self.inbound.announce_keep_alive = self.keep_alive_s != request.keep_alive_s;
        self.events.push_back(Output::Connect(request));
    }

    pub(super) fn accept(&mut self, now: Duration, accept: Accept) {
        let (Phase::Deciding, Some(version)) = (self.phase, self.version) else { return };
        if let Some(limits) = &accept.limits {
            self.outbound.set_limits(limits);
            self.limits = Arc::clone(limits);
        }
        let properties = if version == Version::V5 { self.connack_properties(&accept) } else { Vec::new() };
        // MQTT 3.1 reserves the flag.
        let session_present = accept.session_present && !self.v31;
        self.emit(|tx| write::connack(tx, version, session_present, 0, &properties));
        if self.phase == Phase::Closed {
            return;
        }
        self.phase = Phase::Open;
        self.deadline = now + self.silence_allowed();
        if let Some(seconds) = accept.session_expiry_s {
            self.session_expiry_s = seconds;
        }
        self.outbound.go_on_after(accept.last_packet_id);
        if let Some(saved) = accept.resume {
            self.subscriptions = saved.subscriptions;
            self.inbound.qos2_received = saved.qos2_received;
            self.redeliver(now, version, saved.outbound, saved.qos2_released);
        }
    }

    pub(super) fn refuse(&mut self, refusal: ConnectRefusal) {
        let (Phase::Deciding, Some(version)) = (self.phase, self.version) else { return };
        let code = refusal.code(version);
        self.reject(CloseReason { code, ..check::CONNECT_REFUSED.reason(Some(version)) });
    }

    /// CONNACK with a code other than 0, then the end [MQTT-3.2.2-5].
    fn reject(&mut self, reason: CloseReason) {
        if let Some(version) = self.version {
            write::connack(&mut self.tx, version, false, reason.code, &[]);
        }
        self.end(reason);
    }

    /// What is limited or absent here (MQTT 5, 3.2.2.3); defaults are not repeated.
    fn connack_properties(&self, accept: &Accept) -> Vec<u8> {
        let limits = &self.limits;
        let mut out = Vec::with_capacity(48);
        if let Some(seconds) = accept.session_expiry_s.filter(|seconds| *seconds != self.session_expiry_s) {
            write::property_u32(&mut out, 17, seconds);
        }
        if let Some(client_id) = &accept.assigned_client_id {
            write::property_text(&mut out, 18, client_id);
        }
        if self.inbound.announce_keep_alive {
            write::property_u16(&mut out, 19, self.keep_alive_s);
        }
        write::property_u16(&mut out, 33, limits.inflight.max(1));
        write::property_u16(&mut out, 34, limits.topic_aliases);
        if limits.qos_in < Qos::ExactlyOnce {
            out.extend_from_slice(&[36, limits.qos_in as u8]);
        }
        if !limits.retain_available {
            out.extend_from_slice(&[37, 0]);
        }
        write::property_u32(&mut out, 39, u32::try_from(limits.packet_bytes).unwrap_or(u32::MAX));
        if !limits.wildcards_available {
            out.extend_from_slice(&[40, 0]);
        }
        if !limits.subscription_ids_available {
            out.extend_from_slice(&[41, 0]);
        }
        if !limits.shared_available {
            out.extend_from_slice(&[42, 0]);
        }
        out
    }
}
