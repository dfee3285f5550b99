//! CoAP load: many simulated clients over some sockets on one thread, readiness by epoll.
//!
//! Clients are in lanes, one socket each; of a lane one client at a time does something, so the lanes are what is in flight. A server tells
//! the clients of a lane apart by Connection ID, and this program its own by theirs. What is not answered is repeated. A refusal, and a server
//! that is silent for long, end the measurement.

use crate::{
    Outcome, clock,
    device::{Ask, Device, Heard},
};
use landfall_dtls::ClientOutput;
use mio::{Events, Interest, Poll, Token, net::UdpSocket};
use std::{
    collections::VecDeque,
    io::ErrorKind,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// How long nothing may be finished.
const SILENCE: Duration = Duration::from_secs(20);
/// A request that is not answered is repeated after so long.
const REPEAT: Duration = Duration::from_secs(1);
/// Between looks at what must be repeated.
const TICK: Duration = Duration::from_millis(50);
/// Of so many things done one is timed.
const SAMPLE: u64 = 16;
/// Content type of records with a Connection ID, and where it stands (RFC 9146 4).
const WITH_CID: u8 = 25;
const CID: std::ops::Range<usize> = 11..15;

/// What each client is to do.
#[derive(Clone, Copy, Debug)]
pub enum Job {
    /// A full handshake.
    Handshake {
        /// Say close_notify at once.
        close: bool,
    },
    /// Register and answer the observation that follows.
    Register,
    /// A request and its answer.
    Ask(Ask),
    /// A bare datagram of so many bytes and its answer.
    Datagram(usize),
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// How often.
    pub count: u64,
    /// From the first datagram to the last.
    pub elapsed: Duration,
    /// Datagrams or flights that had to be repeated.
    pub repeated: u64,
    /// From begin to end, a sample.
    pub latencies: Vec<Duration>,
    /// Bytes of the last datagram of a request, and of its answer.
    pub sizes: (usize, usize),
}

/// Clients of one server.
pub struct Swarm {
    poll: Poll,
    events: Events,
    lanes: Vec<Lane>,
    devices: Vec<Device>,
    input: Vec<u8>,
    epoch: Instant,
    ticked: Instant,
    job: Job,
    /// Until when a client that is done begins again.
    again_until: Option<Instant>,
    busy: usize,
    done: Done,
}

struct Lane {
    socket: UdpSocket,
    queue: VecDeque<usize>,
    active: Option<usize>,
    began: Instant,
    sent: Instant,
    token: [u8; 4],
    request: Vec<u8>,
    answered: bool,
    observed: bool,
}

impl Swarm {
    /// Clients with these names, on so many lanes of a server.
    pub fn new(server: SocketAddr, names: &[String], lanes: usize) -> Outcome<Self> {
        let devices = names.iter().zip(0..).map(|(name, number)| Device::new(name, number)).collect();
        Self::of(server, devices, lanes)
    }

    /// Clients that exchange bare datagrams, one on each lane.
    pub fn bare(server: SocketAddr, lanes: usize) -> Outcome<Self> {
        Self::of(server, (0..lanes).map(|_| Device::bare()).collect(), lanes)
    }

    fn of(server: SocketAddr, devices: Vec<Device>, lanes: usize) -> Outcome<Self> {
        let (poll, now) = (Poll::new()?, clock::now());
        let mut all = Vec::with_capacity(lanes);
        for i in 0..lanes.max(1) {
            let mut socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            socket.connect(server)?;
            poll.registry().register(&mut socket, Token(i), Interest::READABLE)?;
            all.push(Lane {
                socket,
                queue: VecDeque::new(),
                active: None,
                began: now,
                sent: now,
                token: [0; 4],
                request: Vec::new(),
                answered: false,
                observed: false,
            });
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            lanes: all,
            devices,
            input: vec![0; 65_536],
            epoch: now,
            ticked: now,
            job: Job::Handshake { close: false },
            again_until: None,
            busy: 0,
            done: Done::default(),
        })
    }

    /// Has each of these clients do the job once; each on its lane, one after the other.
    pub fn run(&mut self, clients: impl IntoIterator<Item = usize>, job: Job) -> Outcome<Done> {
        self.work(clients, job, None)
    }

    /// Has one client of each lane do the job again and again for a time.
    pub fn flood(&mut self, job: Job, time: Duration) -> Outcome<Done> {
        let clients = 0..self.lanes.len().min(self.devices.len());
        self.work(clients, job, Some(clock::now() + time))
    }

    /// Lets the server ask for a time, and answers it.
    pub fn listen(&mut self, time: Duration) -> Outcome<()> {
        let until = clock::now() + time;
        while clock::now() < until {
            self.turn()?;
        }
        Ok(())
    }

    fn work(&mut self, clients: impl IntoIterator<Item = usize>, job: Job, again_until: Option<Instant>) -> Outcome<Done> {
        let began = clock::now();
        (self.job, self.again_until, self.done) = (job, again_until, Done::default());
        let lanes = self.lanes.len();
        for client in clients {
            self.lanes[client % lanes].queue.push_back(client);
        }
        for lane in 0..lanes {
            self.next(lane, began)?;
        }
        let (mut count, mut progress) = (0, began);
        while self.busy > 0 {
            self.turn()?;
            if self.done.count != count {
                (count, progress) = (self.done.count, clock::now());
            } else if progress.elapsed() > SILENCE {
                return Err(format!("nothing was finished for {} s, {count} before", SILENCE.as_secs()).into());
            }
        }
        self.done.elapsed = began.elapsed();
        Ok(std::mem::take(&mut self.done))
    }

    fn turn(&mut self) -> Outcome<()> {
        self.poll.poll(&mut self.events, Some(TICK))?;
        let now = clock::now();
        let ready: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
        for lane in ready {
            self.receive(lane, now)?;
        }
        if now.duration_since(self.ticked) >= TICK {
            self.ticked = now;
            for lane in 0..self.lanes.len() {
                self.repeat(lane, now)?;
            }
        }
        Ok(())
    }

    /// Begins with the next client of a lane.
    fn next(&mut self, lane: usize, now: Instant) -> Outcome<()> {
        let place = &mut self.lanes[lane];
        place.active = place.queue.pop_front();
        if let Some(client) = place.active {
            self.busy += 1;
            self.begin(lane, client, now)?;
        }
        Ok(())
    }

    fn begin(&mut self, lane: usize, client: usize, now: Instant) -> Outcome<()> {
        let place = &mut self.lanes[lane];
        (place.began, place.sent, place.answered, place.observed) = (now, now, false, false);
        let device = &mut self.devices[client];
        let ask = match self.job {
            Job::Handshake { .. } => {
                let dtls = device.dtls.as_mut().ok_or("a client without DTLS cannot shake hands")?;
                dtls.forget();
                dtls.connect(now - self.epoch);
                return self.drain(lane, client, now);
            }
            Job::Datagram(bytes) => {
                place.request.resize(bytes, 7);
                return self.say(lane, client, now);
            }
            Job::Register => Ask::Register,
            Job::Ask(ask) => ask,
        };
        (place.token, place.request) = device.request(ask);
        self.say(lane, client, now)
    }

    /// Sends the request of a lane.
    fn say(&mut self, lane: usize, client: usize, now: Instant) -> Outcome<()> {
        let (place, device) = (&mut self.lanes[lane], &mut self.devices[client]);
        place.sent = now;
        match &mut device.dtls {
            Some(dtls) => {
                dtls.send(&place.request).map_err(|e| format!("a client cannot send: {e:?}"))?;
                self.drain(lane, client, now)
            }
            None => put(&place.socket, &place.request),
        }
    }

    fn repeat(&mut self, lane: usize, now: Instant) -> Outcome<()> {
        let place = &self.lanes[lane];
        let Some(client) = place.active else { return Ok(()) };
        if !matches!(self.job, Job::Handshake { .. }) {
            if place.answered || now - place.sent < REPEAT {
                return Ok(());
            }
            self.done.repeated += 1;
            return self.say(lane, client, now);
        }
        let since = now - self.epoch;
        let Some(dtls) = self.devices[client].dtls.as_mut().filter(|d| d.poll_timeout().is_some_and(|due| due <= since)) else {
            return Ok(());
        };
        dtls.timeout(since);
        self.done.repeated += 1;
        self.drain(lane, client, now)
    }

    fn receive(&mut self, lane: usize, now: Instant) -> Outcome<()> {
        loop {
            let count = match self.lanes[lane].socket.recv(&mut self.input) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // A server that is not there (yet): what was sent is repeated.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error.into()),
            };
            let datagram = &self.input[..count];
            let Some(client) = addressee(datagram).or(self.lanes[lane].active) else { continue };
            let Some(device) = self.devices.get_mut(client) else { continue };
            match &mut device.dtls {
                Some(dtls) => {
                    dtls.handle(now - self.epoch, datagram);
                    self.done.sizes.1 = count;
                    self.drain(lane, client, now)?;
                }
                None => self.finish(lane, client, now)?,
            }
        }
    }

    /// Does what a session wants.
    fn drain(&mut self, lane: usize, client: usize, now: Instant) -> Outcome<()> {
        while let Some(output) = self.devices[client].dtls.as_mut().and_then(|dtls| dtls.poll()) {
            match output {
                ClientOutput::Send(datagram) => {
                    self.done.sizes.0 = datagram.len();
                    put(&self.lanes[lane].socket, &datagram)?;
                }
                ClientOutput::Established { .. } => self.established(lane, client, now)?,
                ClientOutput::Data(message) => self.heard(lane, client, now, &message)?,
                ClientOutput::Closed(reason) => return Err(format!("a session of client {client} ended: {reason:?}").into()),
            }
        }
        Ok(())
    }

    fn established(&mut self, lane: usize, client: usize, now: Instant) -> Outcome<()> {
        if let Job::Handshake { close } = self.job {
            if close && let Some(dtls) = self.devices[client].dtls.as_mut() {
                dtls.close();
                self.drain(lane, client, now)?;
            }
            self.finish(lane, client, now)?;
        }
        Ok(())
    }

    fn heard(&mut self, lane: usize, client: usize, now: Instant, message: &[u8]) -> Outcome<()> {
        let device = &mut self.devices[client];
        let (heard, said) = device.hear(message)?;
        if let (Some(said), Some(dtls)) = (said, device.dtls.as_mut()) {
            dtls.send(&said).map_err(|e| format!("a client cannot answer: {e:?}"))?;
        }
        let place = &mut self.lanes[lane];
        if place.active != Some(client) {
            return Ok(());
        }
        match heard {
            Heard::Answer { token, code } if token == place.token && !place.answered => {
                if !code.is_success() {
                    return Err(format!("client {client} was answered {code}").into());
                }
                place.answered = true;
            }
            Heard::Observed => place.observed = true,
            Heard::Answer { .. } | Heard::Nothing => return Ok(()),
        }
        let whole = match self.job {
            Job::Register => place.answered && place.observed,
            Job::Ask(_) => place.answered,
            Job::Handshake { .. } | Job::Datagram(_) => false,
        };
        if whole { self.finish(lane, client, now) } else { Ok(()) }
    }

    /// The client of a lane is done.
    fn finish(&mut self, lane: usize, client: usize, now: Instant) -> Outcome<()> {
        let place = &self.lanes[lane];
        if place.active != Some(client) {
            return Ok(());
        }
        if self.again_until.is_none() || self.done.count.is_multiple_of(SAMPLE) {
            self.done.latencies.push(now - place.began);
        }
        self.done.count += 1;
        if self.again_until.is_some_and(|until| now < until) {
            return self.begin(lane, client, now);
        }
        self.busy -= 1;
        self.next(lane, now)
    }
}

/// The client that a record names by its Connection ID.
fn addressee(datagram: &[u8]) -> Option<usize> {
    let cid = datagram.get(CID).filter(|_| datagram.first() == Some(&WITH_CID))?;
    Some(u32::from_be_bytes(cid.try_into().ok()?) as usize)
}

/// Sends a datagram. One that the system does not take is lost, as others are, and repeated.
fn put(socket: &UdpSocket, datagram: &[u8]) -> Outcome<()> {
    match socket.send(datagram) {
        Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused) => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{KEY, SUITE};
    use landfall_coap::{Code, Header, Kind, Limits, MessageRef, Options, encode};
    use landfall_dtls::{Config, Output, Server};
    use std::{
        net::UdpSocket as Blocking,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        thread,
    };

    /// Answers every request with 2.04 and drops each ninth datagram.
    fn lossy_server(socket: Blocking, over: Arc<AtomicBool>) {
        let began = clock::now();
        let mut number = 0_u8;
        let random = Box::new(move |bytes: &mut [u8]| {
            bytes.iter_mut().for_each(|byte| {
                number = number.wrapping_mul(31).wrapping_add(17);
                *byte = number;
            });
        });
        let mut server = Server::new(Config::default(), random);
        let (mut buffer, mut count) = ([0; 2048], 0_u64);
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        while !over.load(Ordering::Relaxed) {
            let now = began.elapsed();
            match socket.recv_from(&mut buffer) {
                Ok((bytes, from)) => {
                    count += 1;
                    if count % 9 != 4 {
                        server.handle(now, from, &buffer[..bytes]);
                    }
                }
                Err(_) => server.timeout(now),
            }
            while let Some(output) = server.poll() {
                match output {
                    Output::Send { to, datagram } => drop(socket.send_to(&datagram, to)),
                    Output::PskWanted { lookup, .. } => server.psk(now, lookup, Some(KEY.as_bytes())),
                    Output::Established { suite, cid, .. } => assert_eq!((suite, cid), (SUITE, true)),
                    Output::Data { session, bytes, .. } => {
                        let request = MessageRef::parse(&bytes, &Limits::default()).unwrap();
                        let message_id = request.header.message_id;
                        let header = Header { kind: Kind::Acknowledgement, code: Code::CHANGED, message_id };
                        let _ = server.send(now, session, &encode(header, request.token, Options::default().get(), b""));
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn clients_share_lanes_and_what_is_lost_is_repeated() {
        let socket = Blocking::bind("127.0.0.1:0").unwrap();
        let (address, over) = (socket.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let server = thread::spawn({
            let over = Arc::clone(&over);
            move || lossy_server(socket, over)
        });
        let names: Vec<String> = (0..9).map(|i| format!("d{i}")).collect();
        let mut swarm = Swarm::new(address, &names, 4).unwrap();
        let hands = swarm.run(0..9, Job::Handshake { close: false }).unwrap();
        let asked = swarm.run((0..9).rev(), Job::Ask(Ask::Get(&["x"]))).unwrap();
        over.store(true, Ordering::Relaxed);
        server.join().unwrap();
        assert_eq!((hands.count, hands.latencies.len(), asked.count), (9, 9, 9));
        assert!(hands.repeated + asked.repeated > 0, "each ninth datagram was dropped");
    }

    #[test]
    fn bare_datagrams_go_forth_and_back() {
        let socket = Blocking::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let server = thread::spawn(move || {
            let mut buffer = [0; 64];
            for _ in 0..3 {
                let (bytes, from) = socket.recv_from(&mut buffer).unwrap();
                assert_eq!(bytes, 33);
                socket.send_to(b"answer", from).unwrap();
            }
        });
        let done = Swarm::bare(address, 3).unwrap().run(0..3, Job::Datagram(33)).unwrap();
        server.join().unwrap();
        assert_eq!(done.count, 3);
    }

    #[test]
    fn records_with_a_connection_id_name_their_client() {
        let mut record = vec![25, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 0, 1, 2, 0, 5];
        assert_eq!(addressee(&record), Some(258));
        record[0] = 23;
        assert_eq!(addressee(&record), None);
        assert_eq!(addressee(&[25, 254]), None);
    }
}
