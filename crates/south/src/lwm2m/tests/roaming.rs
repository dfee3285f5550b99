//! Devices whose address changes, and those who only make it look so.

use super::{hostile::stranger, *};

impl Ground {
    /// A registered device behind a NAT.
    async fn behind_nat(&mut self, node_id: &str) -> usize {
        let sim = self.meter(node_id).await;
        let host = self.sims[sim].host;
        self.network.put_behind_nat(host, None);
        self.tell(sim, SimDevice::register);
        self.run_s(5).await;
        assert!(self.happened(sim).contains(&Happened::Done(Verb::Register)));
        sim
    }

    /// The device says something from behind a new address of its NAT.
    async fn moves(&mut self, sim: usize) -> SocketAddr {
        let host = self.sims[sim].host;
        self.network.rebind(host);
        self.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(30.0)));
        self.run_s(3).await;
        self.network.public(host)
    }

    /// What the device says next, taken from the way.
    fn taken(&mut self, sim: usize, temperature: f64) -> Vec<u8> {
        self.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(temperature)));
        self.sims[sim].device.poll().unwrap()
    }

    /// Bytes sent to an address.
    fn said_to(&self, to: SocketAddr) -> usize {
        self.said.iter().filter(|(_, at, _)| *at == to).map(|(.., datagram)| datagram.len()).sum()
    }
}

#[tokio::test]
async fn a_device_that_moved_is_asked_once_it_answered_a_ping() {
    let mut ground = Ground::new(1).await;
    let sim = ground.behind_nat("m-1").await;
    let home = ground.address(sim);
    ground.happened(sim);
    let moved = ground.moves(sim).await;
    assert_ne!(moved, home);
    assert_eq!(ground.happened(sim), [Happened::Notified]);
    assert_eq!(ground.temperatures(sim).await, [21.5, 30.0]);
    let said = ground.said.iter().filter(|(_, to, _)| *to == moved).count();
    assert_eq!((said, ground.address(sim)), (1, home), "an acknowledgement, and no ping while nothing is wanted");
    let command = ground.submit(sim, "REBOOT", json!({}), None).await;
    ground.settle().await;
    assert_eq!(ground.states(&[command]).await, [CommandState::Pending]);
    ground.run_s(2).await;
    assert_eq!(ground.states(&[command]).await, [CommandState::Successful]);
    assert_eq!(ground.address(sim), moved);
    assert_eq!(ground.shared.counters().handshakes, 1);
}

/// Somebody on the way is faster with a device's record than the device: he is answered a little, and commands still reach the device.
#[tokio::test]
async fn a_copied_record_gets_little_and_moves_nothing() {
    let mut ground = Ground::new(2).await;
    let sim = ground.behind_nat("m-1").await;
    let (home, thief) = (ground.address(sim), stranger(1));
    let record = ground.taken(sim, 30.0);
    ground.deliver(true, thief, record.clone());
    ground.settle().await;
    let mut commands = vec![];
    for _ in 0..3 {
        commands.push(ground.submit(sim, "REBOOT", json!({}), None).await);
    }
    ground.run_s(1).await;
    assert_eq!(ground.states(&commands).await, [CommandState::Pending; 3]);
    ground.run_s(120).await;
    let got = ground.said_to(thief);
    assert!(got > 0 && got <= 3 * record.len(), "{got} bytes for {}", record.len());
    assert_eq!(ground.states(&commands).await, [CommandState::Successful; 3]);
    assert_eq!(ground.address(sim), home);
}

/// A crash loses the newest replay windows: what was recorded before it is taken once more, but it moves nothing.
#[tokio::test]
async fn a_record_replayed_after_a_crash_moves_nothing() {
    let mut ground = Ground::new(3).await;
    let sim = ground.behind_nat("m-1").await;
    ground.run_s(10).await;
    let (home, thief) = (ground.address(sim), stranger(1));
    for value in [30.0, 31.0, 32.0] {
        ground.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(value)));
        ground.run_s(1).await;
    }
    let recorded: Vec<_> = ground.heard.iter().rev().take(3).rev().map(|(.., datagram)| datagram.clone()).collect();
    ground.restart(false).await;
    for record in &recorded {
        ground.deliver(true, thief, record.clone());
        ground.run_s(60).await;
        assert_eq!(ground.address(sim), home);
    }
    let command = ground.submit(sim, "REBOOT", json!({}), None).await;
    ground.tell(sim, SimDevice::update);
    ground.run_s(10).await;
    assert_eq!((ground.states(&[command]).await, ground.address(sim)), (vec![CommandState::Successful], home));
    let (got, sent): (usize, usize) = (ground.said_to(thief), recorded.iter().map(Vec::len).sum());
    assert!(got <= 3 * sent, "{got} bytes for {sent}");
}

/// A device that answers no pings is asked at its new address when it is heard there again; its answer is the proof.
#[tokio::test]
async fn a_device_that_answers_no_pings_is_reached_all_the_same() {
    let mut ground = Ground::new(4).await;
    let sim = ground.behind_nat("m-1").await;
    let home = ground.address(sim);
    let moved = ground.moves(sim).await;
    ground.sims[sim].device.sleep();
    let command = ground.submit(sim, "REBOOT", json!({}), None).await;
    ground.run_s(200).await;
    assert_eq!(ground.address(sim), home);
    ground.tell(sim, SimDevice::wake);
    ground.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(31.0)));
    ground.run_s(5).await;
    let second = ground.submit(sim, "SET_ZONE", json!({"zone": "UTC"}), None).await;
    ground.run_s(20).await;
    assert_eq!(ground.states(&[second]).await, [CommandState::Successful], "{:?}", ground.states(&[command]).await);
    assert_eq!(ground.address(sim), moved);
}
