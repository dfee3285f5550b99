//! MQTT load: many connections on one thread, readiness by epoll, packets as raw bytes, so that little CPU is left to the generator.
//!
//! Feed it with [`Fleet::connect`], then use [`Fleet::flood`] (as fast as acknowledgements allow) or [`Fleet::pace`] (by the clock).
//! Absent: reconnects. A connection that breaks, and a refusal, end the measurement.

use crate::{
    Outcome, clock,
    mqtt::{Answer, Template, parse},
};
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// How long a broker may be silent while an answer is due.
const SILENCE: Duration = Duration::from_secs(20);
/// Of so many messages one is timed.
const SAMPLE: u64 = 16;

/// Connections to one broker.
pub struct Fleet {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    input: Vec<u8>,
    scratch: Vec<u8>,
    began: Instant,
}

/// A run of publishes; everything that was sent is acknowledged.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Messages.
    pub acked: u64,
    /// From the first publish to the last acknowledgement.
    pub elapsed: Duration,
    /// Publish to acknowledgement, a sample of them.
    pub latencies: Vec<Duration>,
}

struct Connection {
    stream: TcpStream,
    hello: Vec<u8>,
    template: Option<Template>,
    phase: Phase,
    next_id: u16,
    in_flight: u32,
    acked: u64,
    sampled: Option<(u16, Instant)>,
    /// Bytes that the socket did not take yet.
    unsent: Vec<u8>,
    /// The beginning of a packet whose rest has not come yet.
    partial: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Greeting,
    Open,
}

impl Fleet {
    /// Opens a connection for each CONNECT packet, at most `at_once` of them in the making. Returns the time that all together took.
    pub fn connect(address: SocketAddr, hellos: Vec<Vec<u8>>, at_once: usize) -> Outcome<(Self, Duration)> {
        let began = clock::now();
        let mut fleet = Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            connections: Vec::with_capacity(hellos.len()),
            input: vec![0; 16 * 1024],
            scratch: Vec::new(),
            began,
        };
        let total = hellos.len();
        let mut waiting = hellos.into_iter();
        let mut open = 0;
        while open < total {
            while fleet.connections.len() - open < at_once {
                let Some(hello) = waiting.next() else { break };
                fleet.begin(address, hello)?;
            }
            for token in fleet.wait(SILENCE)? {
                open += usize::from(fleet.greet(token)?);
            }
        }
        Ok((fleet, began.elapsed()))
    }

    /// Sets what connection number `i` publishes.
    pub fn templates(&mut self, template: impl Fn(usize) -> Template) {
        for (i, connection) in self.connections.iter_mut().enumerate() {
            connection.template = Some(template(i));
        }
    }

    /// Messages that connection number `i` got acknowledged so far.
    pub fn acked(&self, i: usize) -> u64 {
        self.connections.get(i).map_or(0, |c| c.acked)
    }

    /// Keeps `window` publishes in flight on each connection until `most` were sent or `time` is over, then waits for the rest.
    pub fn flood(&mut self, window: u32, most: u64, time: Duration) -> Outcome<Published> {
        let began = clock::now();
        let mut done = Published::default();
        let mut sent = 0;
        for i in 0..self.connections.len() {
            let count = u64::from(window).min(most - sent);
            self.send(i, count, began, 0)?;
            sent += count;
        }
        let mut in_flight = sent;
        while in_flight > 0 {
            let tokens = self.wait(SILENCE)?;
            let now = clock::now();
            for token in tokens {
                let count = self.receive(token, now, &mut done)?;
                in_flight -= count;
                if now - began < time && count > 0 {
                    let again = count.min(most - sent);
                    self.send(token, again, now, 0)?;
                    sent += again;
                    in_flight += again;
                }
            }
        }
        done.elapsed = began.elapsed();
        Ok(done)
    }

    /// Sends `rounds` messages on each connection, one every `interval`, the connections one after the other. A stamp in the template is
    /// set to the microseconds since `epoch`.
    pub fn pace(&mut self, interval: Duration, rounds: u32, epoch: Instant) -> Outcome<Published> {
        let began = clock::now();
        let mut done = Published::default();
        let connections = self.connections.len();
        let total = connections as u64 * u64::from(rounds);
        let step = interval / u32::try_from(connections.max(1))?;
        let (mut sent, mut heard) = (0_u64, began);
        while done.acked < total {
            let due = step * u32::try_from(sent)?;
            let now = clock::now();
            if sent < total && now >= began + due {
                let stamp = u64::try_from((now - epoch).as_micros())?;
                self.send((sent % connections as u64) as usize, 1, now, stamp)?;
                sent += 1;
                continue;
            }
            let patience = if sent < total { (began + due).saturating_duration_since(now) } else { SILENCE };
            for token in self.ready(patience)? {
                if self.receive(token, clock::now(), &mut done)? > 0 {
                    heard = clock::now();
                }
            }
            if heard.elapsed() > SILENCE {
                return Err("the broker acknowledges nothing more".into());
            }
        }
        done.elapsed = began.elapsed();
        Ok(done)
    }

    fn begin(&mut self, address: SocketAddr, hello: Vec<u8>) -> Outcome<()> {
        let mut stream = TcpStream::connect(address)?;
        let token = Token(self.connections.len());
        self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        self.connections.push(Connection {
            stream,
            hello,
            template: None,
            phase: Phase::Opening,
            next_id: 0,
            in_flight: 0,
            acked: 0,
            sampled: None,
            unsent: Vec::new(),
            partial: Vec::new(),
        });
        Ok(())
    }

    /// The connections that something happened on; an error after `patience` without anything.
    fn wait(&mut self, patience: Duration) -> Outcome<Vec<usize>> {
        let tokens = self.ready(patience)?;
        if tokens.is_empty() {
            return Err(format!("nothing came from the broker for {} s", patience.as_secs()).into());
        }
        Ok(tokens)
    }

    fn ready(&mut self, patience: Duration) -> Outcome<Vec<usize>> {
        match self.poll.poll(&mut self.events, Some(patience)) {
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(Vec::new()),
            Err(e) => Err(e.into()),
            Ok(()) => Ok(self.events.iter().map(|event| event.token().0).collect()),
        }
    }

    /// Moves a connection on towards its CONNACK; true once it came.
    fn greet(&mut self, token: usize) -> Outcome<bool> {
        let connection = &mut self.connections[token];
        if connection.phase == Phase::Opening {
            if let Some(error) = connection.stream.take_error()? {
                return Err(format!("connection {token}: {error}").into());
            }
            if connection.stream.peer_addr().is_err() {
                return Ok(false);
            }
            connection.stream.set_nodelay(true)?;
            let hello = std::mem::take(&mut connection.hello);
            connection.write(&hello)?;
            connection.phase = Phase::Greeting;
            return Ok(false);
        }
        if connection.phase == Phase::Open {
            return Ok(false);
        }
        connection.read(&mut self.input)?;
        match connection.take() {
            None => Ok(false),
            Some(Answer::Connected(0)) => {
                connection.phase = Phase::Open;
                Ok(true)
            }
            Some(other) => {
                Err(format!("connection {token} after {:?}: the broker answers {other:?}", self.began.elapsed()).into())
            }
        }
    }

    fn send(&mut self, token: usize, count: u64, now: Instant, stamp: u64) -> Outcome<()> {
        let connection = &mut self.connections[token];
        let Some(template) = &connection.template else { return Err("no template".into()) };
        self.scratch.clear();
        for _ in 0..count {
            connection.next_id = connection.next_id.checked_add(1).unwrap_or(1);
            template.write(&mut self.scratch, connection.next_id, stamp);
        }
        if connection.sampled.is_none() && u64::from(connection.next_id) % SAMPLE < count {
            connection.sampled = Some((connection.next_id, now));
        }
        connection.in_flight += u32::try_from(count)?;
        connection.write(&self.scratch)
    }

    /// Reads acknowledgements and returns how many came.
    fn receive(&mut self, token: usize, now: Instant, done: &mut Published) -> Outcome<u64> {
        let connection = &mut self.connections[token];
        if !connection.unsent.is_empty() {
            connection.write(&[])?;
        }
        connection.read(&mut self.input)?;
        let mut count = 0;
        while let Some(answer) = connection.take() {
            let Answer::Acknowledged(id) = answer else { return Err(format!("connection {token}: {answer:?}").into()) };
            if connection.in_flight == 0 {
                return Err(format!("connection {token}: an acknowledgement too many").into());
            }
            connection.in_flight -= 1;
            connection.acked += 1;
            count += 1;
            if let Some((_, at)) = connection.sampled.take_if(|(sampled, _)| *sampled == id) {
                done.latencies.push(now - at);
            }
        }
        done.acked += count;
        Ok(count)
    }
}

impl Connection {
    fn write(&mut self, bytes: &[u8]) -> Outcome<()> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            let waiting = std::mem::take(&mut self.unsent);
            return self.write_now(&waiting);
        }
        self.write_now(bytes)
    }

    fn write_now(&mut self, mut bytes: &[u8]) -> Outcome<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.unsent = bytes.to_vec();
                    return Ok(());
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Reads until the socket is empty, which a read shorter than the buffer tells.
    fn read(&mut self, input: &mut [u8]) -> Outcome<()> {
        loop {
            match self.stream.read(input) {
                Ok(0) => return Err("the broker closed a connection".into()),
                Ok(n) => {
                    self.partial.extend_from_slice(&input[..n]);
                    if n < input.len() {
                        return Ok(());
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn take(&mut self) -> Option<Answer> {
        let (answer, length) = parse(&self.partial)?;
        self.partial.drain(..length);
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::{Login, STAMP, read_stamp};
    use std::{
        net::TcpListener,
        sync::{Arc, Mutex},
    };

    const KEY: &[u8] = b"n=";

    /// Answers CONNECT with `code` and every PUBLISH to a topic of one letter with a PUBACK, in pieces; keeps the stamps.
    fn broker(code: u8) -> (SocketAddr, Arc<Mutex<Vec<u64>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stamps = Arc::new(Mutex::new(Vec::new()));
        let seen = stamps.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, seen) = (stream.unwrap(), seen.clone());
                std::thread::spawn(move || answer(stream, code, &seen));
            }
        });
        (address, stamps)
    }

    /// Ends with the connection.
    fn answer(mut stream: std::net::TcpStream, code: u8, seen: &Mutex<Vec<u64>>) -> Option<()> {
        let mut head = [0; 2];
        loop {
            stream.read_exact(&mut head).ok()?;
            let mut body = vec![0; usize::from(head[1])];
            stream.read_exact(&mut body).ok()?;
            match head[0] {
                0x10 => stream.write_all(&[0x20, 2, 0, code]).ok()?,
                _ => {
                    seen.lock().unwrap().push(read_stamp(&body, KEY)?);
                    stream.write_all(&[0x40]).ok()?;
                    stream.write_all(&[2, body[3], body[4]]).ok()?;
                }
            }
        }
    }

    fn fleet(address: SocketAddr, count: usize) -> Outcome<Fleet> {
        let login = Login { client_id: "c".into(), username: "u".into(), password: "p".into() };
        let (mut fleet, _) = Fleet::connect(address, vec![login.connect(60); count], 2)?;
        fleet.templates(|_| Template::new("t", &format!("n={STAMP}")));
        Ok(fleet)
    }

    #[test]
    fn a_flood_ends_when_all_is_acknowledged() {
        let (address, stamps) = broker(0);
        let mut fleet = fleet(address, 5).unwrap();
        for (most, so_far) in [(3, 3), (1000, 1003)] {
            let done = fleet.flood(4, most, Duration::MAX).unwrap();
            assert_eq!(done.acked, most);
            assert_eq!(stamps.lock().unwrap().len() as u64, so_far);
        }
        assert_eq!((0..5).map(|i| fleet.acked(i)).sum::<u64>(), 1003);
    }

    #[test]
    fn paced_messages_carry_their_time() {
        let (address, stamps) = broker(0);
        let epoch = clock::now();
        let done = fleet(address, 3).unwrap().pace(Duration::from_millis(3), 4, epoch).unwrap();
        assert_eq!(done.acked, 12);
        let stamps = stamps.lock().unwrap();
        assert_eq!(stamps.len(), 12);
        let most = epoch.elapsed().as_micros();
        assert!(stamps.iter().all(|stamp| u128::from(*stamp) <= most), "{stamps:?} within {most}");
    }

    #[test]
    fn a_refusal_is_told() {
        let error = fleet(broker(4).0, 1).err().unwrap().to_string();
        assert!(error.contains("Connected(4)"), "{error}");
    }
}
