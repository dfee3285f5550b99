//! What nobody means well with: noise, replays, real traffic with changed bytes, floods of first words.

use super::*;
use crate::lwm2m::client::Peer;
use landfall_dtls::Client as DtlsClient;
use landfall_testkit::{mutate, world::Seeded};

/// Real traffic of a session with everything in it: handshake, registration, notifications, commands, a frame.
async fn traffic() -> (Ground, usize) {
    let mut ground = Ground::new(1).await;
    let sim = ground.running("m-1").await;
    ground.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(30.0)));
    ground.tell(sim, |device, now| device.uplink(now, &report(31)));
    let command = ground.submit(sim, "REBOOT", json!({}), None).await;
    ground.run_s(10).await;
    assert_eq!(ground.states(&[command]).await, [CommandState::Successful]);
    (ground, sim)
}

pub(super) fn stranger(n: u32) -> SocketAddr {
    format!("203.0.113.{}:{}", n % 250 + 1, 1_024 + n % 60_000).parse().unwrap()
}

#[tokio::test]
async fn noise_and_mutated_traffic_change_nothing() {
    let (mut ground, sim) = traffic().await;
    let reports = ground.reports(sim).await;
    let heard: Vec<Vec<u8>> = ground.heard.iter().map(|(_, _, datagram)| datagram.clone()).collect();
    let corpus: Vec<&[u8]> = heard.iter().map(Vec::as_slice).collect();
    let mut inputs = vec![];
    mutate::run(&corpus, 7, 3_000, |bytes| inputs.push(bytes.to_vec()));
    let mut seeded = Seeded::new(8);
    for n in 0..1_000 {
        let mut noise = vec![0; n % 300];
        seeded.fill(&mut noise);
        inputs.push(noise);
    }
    let own = ground.network.public(ground.sims[sim].host);
    for (n, bytes) in inputs.into_iter().enumerate() {
        let from = if n % 2 == 0 { own } else { stranger(n as u32) };
        ground.deliver(n % 3 != 0, from, bytes);
        if n % 64 == 0 {
            ground.settle().await;
        }
    }
    ground.run_s(5).await;
    assert_eq!(ground.reports(sim).await, reports, "nothing forged became a report");
    assert_eq!((ground.hub.clients.len(), ground.shared.desk.len()), (1, 1));
    ground.happened(sim);
    ground.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(40.0)));
    ground.run_s(10).await;
    assert_eq!(ground.happened(sim), [Happened::Notified], "the session lives");
    ground.run_s(600).await;
    let load = ground.hub.coap.load();
    let left = (load.open, load.exchanges, load.uploads, load.bodies, load.recent_bytes, ground.hub.exchanges.len());
    assert_eq!(left, (0, 0, 0, 0, 0, 0), "nothing is left of it");
    assert_eq!((ground.hub.dtls.handshakes(), ground.hub.dtls.sessions()), (0, 1));
}

#[tokio::test]
async fn replayed_records_are_refused() {
    let (mut ground, sim) = traffic().await;
    let (reports, executed) = (ground.reports(sim).await, ground.sims[sim].device.lwm2m().take_executed().len());
    let address = ground.address(sim);
    for (secure, _, datagram) in std::mem::take(&mut ground.heard) {
        for from in [address, stranger(1)] {
            ground.deliver(secure, from, datagram.clone());
        }
    }
    ground.run_s(10).await;
    assert_eq!(ground.reports(sim).await, reports);
    assert_eq!((executed, ground.sims[sim].device.lwm2m().take_executed().len()), (1, 0));
    assert_eq!(ground.address(sim), address, "a replay from elsewhere does not move the session");
}

#[tokio::test]
async fn nobody_is_flooded_through_the_server() {
    let mut ground = Ground::new(2).await;
    ground.known("m-1").await;
    let mut client = DtlsClient::new(key_of("m-1"), Box::new(|bytes| bytes.fill(7)));
    client.connect(Duration::ZERO);
    let Some(landfall_dtls::ClientOutput::Send(hello)) = client.poll() else { panic!("a client begins with a hello") };
    let mut heard = 0;
    for n in 0..5_000 {
        heard += hello.len();
        ground.deliver(true, stranger(n), hello.clone());
        ground.settle().await;
    }
    let said: usize = ground.said.iter().map(|(_, _, datagram)| datagram.len()).sum();
    assert!(said <= heard, "{said} bytes for {heard}");
    assert_eq!(
        (ground.hub.dtls.handshakes(), ground.hub.dtls.sessions()),
        (0, 0),
        "nothing is kept of who did not return a cookie"
    );
    assert_eq!(ground.hub.poll_timeout(), None);
}

#[tokio::test]
async fn plain_noise_is_answered_with_less_than_it_is() {
    let mut ground = Ground::new(3).await;
    for n in 0..2_000u32 {
        let [_, _, a, b] = n.to_be_bytes();
        // GET /3/0 and POST /rd without a name, confirmable.
        let asks: [&[u8]; 2] = [&[0x40, 1, a, b, 0xb1, b'3', 1, b'0'], &[0x40, 2, a, b, 0xb2, b'r', b'd']];
        for ask in asks {
            ground.deliver(false, stranger(n), ask.to_vec());
        }
        ground.settle().await;
    }
    assert!(ground.hub.clients.is_empty() && ground.shared.desk.is_empty());
    let device = ground.known("m-1").await;
    assert_eq!(ground.whys(device.id).await, []);
    let load = ground.hub.coap.load();
    assert!(load.peers > 0 && load.peers <= 4_000, "{load:?}");
    ground.run_s(300).await;
    let load = ground.hub.coap.load();
    assert_eq!((load.peers, load.open, load.exchanges), (0, 0, 0), "whoever is silent is forgotten");
}

impl Ground {
    /// The proven address of a device.
    pub(super) fn address(&self, sim: usize) -> SocketAddr {
        let client = &self.hub.clients[&self.sims[sim].id];
        let Peer::Secure(session) = client.peer else { panic!("not over DTLS") };
        self.hub.dtls.session(landfall_dtls::SessionId(session)).unwrap().peer
    }
}
