//! A device against the plainest of servers: one that answers what a test tells it to.

use super::*;
use landfall_coap::{Code as CoapCode, ContentFormat as CoapFormat, Message, OptionNumber};
use landfall_lwm2m::{Version, sim::Client};

const NOW: Duration = Duration::from_secs(1);

/// A server and a device, joined by a network that carries everything at once.
struct Pair {
    device: SimDevice,
    server: Endpoint<u8>,
    asked: Vec<(Ticket, Message)>,
    answered: Vec<Message>,
    notified: Vec<Message>,
}

impl Pair {
    fn new(device: SimDevice) -> Self {
        let server = Endpoint::new(Config::default(), Limits::default(), random(99));
        Self { device, server, asked: vec![], answered: vec![], notified: vec![] }
    }

    fn settle(&mut self, now: Duration) {
        loop {
            let mut moved = false;
            while let Some(datagram) = self.device.poll() {
                moved = true;
                self.server.handle(now, 1, &datagram);
            }
            while let Some(output) = self.server.poll() {
                moved = true;
                match output {
                    Output::Send { datagram, .. } => self.device.handle(now, &datagram),
                    Output::Request { ticket, request, .. } => self.asked.push((ticket, request)),
                    Output::Response { response, .. } => self.answered.push(response),
                    Output::Notification { ticket, message, .. } => {
                        self.notified.push(message);
                        self.server.accept(now, ticket).unwrap();
                    }
                    other => panic!("{other:?}"),
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn answer(&mut self, now: Duration, message: Message) -> Message {
        let (ticket, asked) = self.asked.remove(0);
        self.server.respond(now, ticket, message).unwrap();
        self.settle(now);
        asked
    }
}

fn plain() -> Pair {
    Pair::new(SimDevice::new(Client::new("m-1", Version::V1_1), 1))
}

#[test]
fn it_registers_updates_and_leaves() {
    let mut pair = plain();
    pair.device.update(NOW);
    assert_eq!(pair.device.poll(), None, "there is nothing to update yet");
    pair.device.register(NOW);
    pair.settle(NOW);
    let asked = pair.answer(NOW, Message::new(CoapCode::CREATED).with_location("/rd/5a"));
    assert_eq!(asked.opts().uri_path().collect::<Vec<_>>(), ["rd"]);
    assert!(asked.opts().uri_query().any(|item| item == "ep=m-1"));
    assert!(pair.device.is_registered());
    pair.device.update(NOW);
    pair.settle(NOW);
    let asked = pair.answer(NOW, Message::new(CoapCode::CHANGED));
    assert_eq!(asked.opts().uri_path().collect::<Vec<_>>(), ["rd", "5a"]);
    pair.device.deregister(NOW);
    pair.settle(NOW);
    let asked = pair.answer(NOW, Message::new(CoapCode::NOT_FOUND));
    assert_eq!(asked.code, CoapCode::DELETE);
    let happened =
        [Happened::Done(Verb::Register), Happened::Done(Verb::Update), Happened::Refused(Verb::Deregister, Code::NOT_FOUND)];
    assert_eq!(pair.device.take_happened(), happened);
    assert!(!pair.device.is_registered());
}

#[test]
fn it_answers_and_notifies() {
    let mut pair = plain();
    let observe = Message::new(CoapCode::GET).with_path("/19/0/0").with_accept(CoapFormat(42)).with_observe(0);
    pair.server.request(NOW, 1, observe, SendOptions::default()).unwrap();
    pair.settle(NOW);
    assert_eq!(pair.answered[0].code, CoapCode::CONTENT);
    pair.device.uplink(NOW, b"frame");
    pair.settle(NOW);
    assert_eq!(pair.notified[0].payload, b"frame".as_slice());
    assert_eq!(pair.notified[0].options.get().first(OptionNumber::OBSERVE), Some([1].as_slice()));
    assert_eq!(pair.device.take_happened(), [Happened::Notified]);
    assert_eq!(pair.device.take_served().len(), 1);
}

#[test]
fn asleep_it_hears_nothing_and_says_later_what_it_has_to_say() {
    let mut pair = plain();
    let observe = Message::new(CoapCode::GET).with_path("/19/0/0").with_accept(CoapFormat(42)).with_observe(0);
    pair.server.request(NOW, 1, observe, SendOptions::default()).unwrap();
    pair.settle(NOW);
    pair.device.sleep();
    pair.device.uplink(NOW, b"frame");
    pair.server.request(NOW, 1, Message::new(CoapCode::GET).with_path("/3/0"), SendOptions::default()).unwrap();
    pair.settle(NOW);
    assert_eq!((pair.answered.len(), pair.notified.len(), pair.device.poll_timeout()), (1, 0, None));
    pair.device.wake(NOW);
    pair.settle(NOW);
    assert_eq!(pair.notified[0].payload, b"frame".as_slice());
}

#[test]
fn over_dtls_its_first_word_is_a_handshake() {
    let mut device = SimDevice::new(Client::new("m-1", Version::V1_1), 1).secured(ClientConfig::new("m-1", vec![1; 16]));
    device.register(NOW);
    let hello = device.poll().unwrap();
    assert_eq!(hello.first(), Some(&22), "a handshake record");
    assert_eq!(device.poll(), None);
    let mut now = NOW;
    while let Some(due) = device.poll_timeout() {
        now = due;
        device.timeout(now);
        while device.poll().is_some() {}
    }
    assert!(now > NOW + Duration::from_secs(60));
    let silence = [Happened::Unanswered(Verb::Register), Happened::Unsecured(CloseReason::Timeout)];
    assert_eq!(device.take_happened(), silence);
}
