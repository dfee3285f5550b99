//! The hub ends, in good order or not, and another one goes on from what is in the store.

use super::{super::asks::Answer, *};
use landfall_lwm2m::{Code, Entry};
use std::collections::HashSet;

impl Ground {
    /// Another run over the same store. `orderly`: the last one could save what it had to; otherwise what it wanted is lost.
    pub(super) async fn restart(&mut self, orderly: bool) {
        if orderly {
            self.hub.save_all();
            self.settle().await;
        }
        self.shared = access(&self.core, &self.world, &self.config);
        self.hub = Hub::new(Arc::clone(&self.shared));
        self.epoch = self.since_start();
        let store = self.core.store();
        let (sessions, registrations) =
            (store.secure_sessions(None, 1_000).await.unwrap(), store.registrations(None, 1_000).await.unwrap());
        self.hub.restore(sessions, registrations);
    }

    /// Whether each number of a protected record was written once, of all (at least so many) that were sent since the start.
    fn numbers_are_fresh(&self, at_least: usize) -> bool {
        let mut seen = HashSet::new();
        let records = self.said.iter().filter(|(secure, ..)| *secure).flat_map(|(_, _, datagram)| records(datagram));
        records.filter(|(epoch, _)| *epoch > 0).all(|number| seen.insert(number)) && seen.len() >= at_least
    }
}

/// Epoch and sequence number of the records of a datagram to a client that has no Connection ID of its own (RFC 6347 4.1).
fn records(datagram: &[u8]) -> Vec<(u16, u64)> {
    let (mut rest, mut found) = (datagram, vec![]);
    while let [_, _, _, e0, e1, s0, s1, s2, s3, s4, s5, l0, l1, body @ ..] = rest {
        found.push((u16::from_be_bytes([*e0, *e1]), u64::from_be_bytes([0, 0, *s0, *s1, *s2, *s3, *s4, *s5])));
        rest = body.get(usize::from(u16::from_be_bytes([*l0, *l1]))..).unwrap_or_default();
    }
    found
}

#[tokio::test]
async fn sessions_and_observations_go_on_without_a_handshake() {
    for orderly in [true, false] {
        let mut ground = Ground::new(1).await;
        let sim = ground.running("m-1").await;
        let mut expected = vec![21.5];
        for round in 0..4 {
            for n in 0..5 {
                let value = 100.0 + f64::from(round * 10 + n);
                expected.push(value);
                ground.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(value)));
                ground.run_s(10).await;
            }
            assert_eq!(ground.temperatures(sim).await, expected, "orderly: {orderly}, round {round}");
            ground.restart(orderly).await;
            assert_eq!(ground.shared.desk.holds(ground.sims[sim].id), Some(Takes::Work));
        }
        ground.tell(sim, SimDevice::update);
        ground.run_s(10).await;
        assert_eq!(ground.happened(sim).last(), Some(&Happened::Done(Verb::Update)));
        assert!(ground.numbers_are_fresh(25), "orderly: {orderly}");
        assert_eq!(ground.shared.counters().handshakes, 0);
    }
}

#[tokio::test]
async fn pending_commands_go_out_after_a_restart_once() {
    for orderly in [true, false] {
        let mut ground = Ground::new(2).await;
        let hears = ground.running("m-1").await;
        let sleeps = ground.sleeping("m-2").await;
        let waits = ground.submit(sleeps, "REBOOT", json!({}), None).await;
        ground.restart(orderly).await;
        let at_once = ground.submit(hears, "REBOOT", json!({}), None).await;
        ground.run_s(20).await;
        assert_eq!(ground.states(&[at_once, waits]).await, [CommandState::Successful, CommandState::Pending]);
        ground.tell(sleeps, SimDevice::wake);
        ground.tell(sleeps, SimDevice::update);
        ground.run_s(20).await;
        assert_eq!(ground.states(&[waits]).await, [CommandState::Successful]);
        for sim in [hears, sleeps] {
            assert_eq!(ground.sims[sim].device.lwm2m().take_executed().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_command_that_was_under_way_is_not_sent_again() {
    let mut ground = Ground::new(3).await;
    let sim = ground.running("m-1").await;
    let command = ground.submit(sim, "REBOOT", json!({}), None).await;
    let after = ground.submit(sim, "SET_ZONE", json!({"zone": "UTC"}), None).await;
    ground.settle().await;
    assert_eq!(ground.states(&[command, after]).await, [CommandState::Sent, CommandState::Pending]);
    ground.restart(false).await;
    ground.run_s(200).await;
    ground.tell(sim, SimDevice::update);
    ground.run_s(150).await;
    ground.sweep().await;
    ground.run_s(10).await;
    assert_eq!(ground.states(&[command, after]).await, [CommandState::Timeout, CommandState::Successful]);
    assert_eq!(ground.sims[sim].device.lwm2m().take_executed().len(), 1, "nobody knows whether it was done, so once");
}

#[tokio::test]
async fn old_records_are_refused_after_an_orderly_restart() {
    let mut ground = Ground::new(4).await;
    let sim = ground.running("m-1").await;
    for value in [30.0, 31.0, 32.0] {
        ground.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(value)));
        ground.run_s(10).await;
    }
    ground.restart(true).await;
    let before = ground.temperatures(sim).await;
    for (secure, from, datagram) in std::mem::take(&mut ground.heard) {
        ground.deliver(secure, from, datagram);
    }
    ground.run_s(10).await;
    assert_eq!(ground.temperatures(sim).await, before);
    ground.happened(sim);
    ground.tell(sim, SimDevice::update);
    ground.run_s(10).await;
    assert_eq!(ground.happened(sim), [Happened::Done(Verb::Update)]);
}

#[tokio::test]
async fn the_first_sends_wait_until_it_is_known_what_they_mean() {
    let mut ground = Ground::new(5).await;
    let sim = ground.running("m-1").await;
    ground.happened(sim);
    ground.restart(true).await;
    ground.held = Some(vec![]);
    for value in [30.0, 31.0] {
        ground.tell(sim, |device, now| device.send(now, &[Entry::new(TEMPERATURE, Value::Float(value))]).unwrap());
        ground.run_s(3).await;
    }
    assert_eq!(ground.happened(sim), []);
    ground.release().await;
    ground.run_s(5).await;
    assert_eq!(ground.happened(sim), [Happened::Done(Verb::Send), Happened::Done(Verb::Send)]);
    assert_eq!(ground.temperatures(sim).await, [21.5, 30.0, 31.0]);
    assert_eq!(ground.whys(ground.sims[sim].id).await, []);
}

#[tokio::test]
async fn a_send_that_cannot_wait_any_more_is_asked_for_again() {
    let mut ground = Ground::new(6).await;
    let sim = ground.running("m-1").await;
    let device = ground.sims[sim].id;
    ground.happened(sim);
    ground.restart(true).await;
    for leaves in [false, true] {
        ground.held = Some(vec![]);
        ground.tell(sim, |device, now| device.send(now, &[Entry::new(TEMPERATURE, Value::Float(30.0))]).unwrap());
        ground.run_s(3).await;
        if leaves {
            ground.shared.desk.close(device, CloseCause::Deleted);
        } else {
            ground.hub.answered(ground.moment(), Answer::Attached { device, outcome: None });
        }
        ground.held = None;
        ground.run_s(5).await;
        if !leaves {
            assert_eq!(ground.happened(sim), [Happened::Refused(Verb::Send, Code::SERVICE_UNAVAILABLE)]);
            assert_eq!(ground.whys(device).await, [("lwm2m.send", "plan")]);
        }
    }
    assert_eq!(ground.hub.coap.load().open, 0);
    assert_eq!(ground.temperatures(sim).await, [21.5]);
}
