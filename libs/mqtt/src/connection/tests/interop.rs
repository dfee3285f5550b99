//! An independent implementation as the client, so that both ends cannot share a mistake.

use mqtt_protocol_core::mqtt::Connection as Peer;
use mqtt_protocol_core::mqtt::Version as PeerVersion;
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::Event;
use mqtt_protocol_core::mqtt::connection::role::Client;
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet, Qos as PeerQos, SubEntry, SubOpts, v3_1_1, v5_0};

use super::Bench;
use crate::{Accept, Delivery, Input, Limits, Output, PublishProperties, Qos, SubscribeGrant};

struct Pair {
    peer: Peer<Client>,
    bench: Bench,
    received: Vec<Packet>,
}

impl Pair {
    fn new(version: PeerVersion) -> Self {
        let mut peer = Peer::<Client>::new(version);
        peer.set_auto_pub_response(true);
        Self { peer, bench: Bench::new(Limits::default()), received: Vec::new() }
    }

    fn send(&mut self, packet: impl Into<Packet>) {
        let events = self.peer.send(packet.into());
        self.carry(events);
        self.exchange();
    }

    /// Bytes both ways until both are quiet.
    fn exchange(&mut self) {
        loop {
            let bytes = self.bench.take();
            if bytes.is_empty() {
                return;
            }
            let mut cursor = Cursor::new(&bytes[..]);
            while (cursor.position() as usize) < bytes.len() {
                let events = self.peer.recv(&mut cursor);
                self.carry(events);
            }
        }
    }

    fn carry(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::RequestSendPacket { packet, .. } => self.bench.data(&packet.to_continuous_buffer()),
                Event::NotifyPacketReceived(packet) => self.received.push(packet),
                Event::NotifyError(error) => panic!("the peer objects: {error:?}"),
                Event::RequestClose => panic!("the peer closes"),
                _ => {}
            }
        }
    }

    fn input(&mut self, input: Input<'_>) {
        self.bench.input(input);
        self.exchange();
    }

    fn answer_publish(&mut self) {
        let ticket = self.bench.publishes.remove(0).ticket;
        self.input(Input::PublishDone { ticket, result: Ok(()) });
    }

    fn deliver_exactly_once(&mut self) {
        self.input(Input::Deliver(super::delivery(7, Qos::ExactlyOnce)));
        assert!(self.bench.events.iter().any(|event| matches!(event, Output::Delivered { token: 7, code: 0 })));
        assert!(self.bench.connection.outbound().next().is_none() && self.bench.connection.qos2_released().is_empty());
    }

    fn answer_subscribe(&mut self) {
        let Some(Output::Subscribe(asked)) = self.bench.events.pop() else { panic!("no question") };
        let grants = vec![SubscribeGrant::Granted(Qos::AtLeastOnce); asked.filters.len()];
        self.input(Input::SubscribeDone { ticket: asked.ticket, grants });
    }
}

fn entry() -> Vec<SubEntry> {
    vec![SubEntry::new("a/#", SubOpts::new().set_qos(PeerQos::AtLeastOnce)).unwrap()]
}

#[test]
fn version_3_1_1() {
    let mut pair = Pair::new(PeerVersion::V3_1_1);
    pair.send(v3_1_1::Connect::builder().client_id("c").unwrap().clean_session(true).keep_alive(30).build().unwrap());
    pair.input(Input::Accept(Accept::default()));
    assert!(matches!(&pair.received[..], [Packet::V3_1_1Connack(_)]));
    let id = pair.peer.acquire_packet_id().unwrap();
    pair.send(v3_1_1::Subscribe::builder().packet_id(id).entries(entry()).build().unwrap());
    pair.answer_subscribe();
    for qos in [PeerQos::AtLeastOnce, PeerQos::ExactlyOnce] {
        let id = pair.peer.acquire_packet_id().unwrap();
        let publish = v3_1_1::Publish::builder().topic_name("a/b").unwrap().qos(qos).packet_id(id).payload(b"hello".to_vec());
        pair.send(publish.build().unwrap());
        assert_eq!(&pair.bench.publishes[0].payload[..], b"hello");
        pair.answer_publish();
    }
    pair.deliver_exactly_once();
    pair.input(Input::Deliver(super::delivery(1, Qos::AtLeastOnce)));
    assert!(pair.bench.events.iter().any(|event| matches!(event, Output::Delivered { token: 1, .. })));
    pair.send(v3_1_1::Pingreq::new());
    let kinds: Vec<String> = pair.received.iter().map(|packet| packet.packet_type().as_str().to_owned()).collect();
    assert_eq!(kinds, ["connack", "suback", "puback", "pubrec", "pubcomp", "publish", "pubrel", "publish", "pingresp"]);
}

#[test]
fn version_5() {
    let mut pair = Pair::new(PeerVersion::V5_0);
    pair.send(v5_0::Connect::builder().client_id("c").unwrap().clean_start(true).keep_alive(0).build().unwrap());
    pair.input(Input::Accept(Accept {
        assigned_client_id: Some("n".to_owned()),
        session_expiry_s: Some(9),
        ..Accept::default()
    }));
    assert!(matches!(&pair.received[..], [Packet::V5_0Connack(_)]));
    let id = pair.peer.acquire_packet_id().unwrap();
    pair.send(v5_0::Subscribe::builder().packet_id(id).entries(entry()).build().unwrap());
    pair.answer_subscribe();
    for qos in [PeerQos::AtLeastOnce, PeerQos::ExactlyOnce] {
        let id = pair.peer.acquire_packet_id().unwrap();
        let publish = v5_0::Publish::builder().topic_name("a/b").unwrap().qos(qos).packet_id(id).payload(b"hello".to_vec());
        pair.send(publish.build().unwrap());
        pair.answer_publish();
    }
    pair.deliver_exactly_once();
    let properties = PublishProperties {
        payload_is_utf8: true,
        message_expiry_s: Some(7),
        content_type: Some("text".into()),
        response_topic: Some("r".into()),
        correlation_data: Some(vec![1, 2].into()),
        user: vec![("n".into(), "v".into())],
    };
    let delivery = Delivery { properties: Some(std::sync::Arc::new(properties)), ..super::delivery(1, Qos::AtLeastOnce) };
    pair.input(Input::Deliver(delivery));
    let Some(Packet::V5_0Publish(publish)) = pair.received.last() else { panic!("no PUBLISH") };
    assert_eq!((publish.topic_name(), publish.props().len()), ("d", 6));
    let id = pair.peer.acquire_packet_id().unwrap();
    pair.send(v5_0::Unsubscribe::builder().packet_id(id).entries(vec!["a/#"]).unwrap().build().unwrap());
    let Some(Output::Unsubscribe(asked)) = pair.bench.events.pop() else { panic!("no question") };
    pair.input(Input::UnsubscribeDone { ticket: asked.ticket });
    let kinds: Vec<String> = pair.received.iter().map(|packet| packet.packet_type().as_str().to_owned()).collect();
    assert_eq!(kinds, ["connack", "suback", "puback", "pubrec", "pubcomp", "publish", "pubrel", "publish", "unsuback"]);
}
