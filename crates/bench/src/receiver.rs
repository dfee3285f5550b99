//! Receivers of pushes, each on a thread of its own: HTTP/1.1 with kept connections, answering 200 to everything or nothing at all; or one
//! client of the channel MQTT that acknowledges everything.
//!
//! Absent: chunked bodies, pipelining, TLS. A request that it cannot read closes the connection.

use crate::{
    Outcome, clock,
    mqtt::{acknowledgement, delivery, read_stamp},
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// What stands before the number that the publisher put into its report.
const STAMP_KEY: &[u8] = b"\"temperature\":";

/// Requests below this path are read and never answered.
pub const HANG: &str = "/hang";

/// A running receiver.
pub struct Receiver {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What came since the last [`Receiver::reset`].
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Requests that were answered.
    pub requests: u64,
    /// Requests that hang.
    pub hanging: u64,
    /// Connections that carried at least one answered request.
    pub connections: u64,
    /// When the first answered request was complete.
    pub first: Option<Instant>,
    /// When the last one was.
    pub last: Option<Instant>,
    /// Time from the stamp in the body to its arrival, where there is a stamp.
    pub latencies: Vec<Duration>,
    /// The first body.
    pub body: Vec<u8>,
    /// All of them, where the receiver keeps them.
    pub bodies: Option<Vec<Vec<u8>>>,
    generation: u64,
}

impl Receiver {
    /// Starts it on a free loopback port. Stamps in bodies count microseconds from `epoch`.
    pub fn start(epoch: Instant) -> Outcome<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Self::on_a_thread(address, move |seen| accept(listener, seen, epoch))
    }

    /// One connection to an MQTT broker that opens with these packets, CONNECT and SUBSCRIBE. Each message counts as a request.
    pub fn connect(broker: SocketAddr, opening: Vec<u8>, epoch: Instant) -> Outcome<Self> {
        let stream = std::net::TcpStream::connect(broker)?;
        stream.set_nonblocking(true)?;
        Self::on_a_thread(broker, move |seen| async move {
            // A connection that breaks shows as pushes that never come.
            let _ = take(stream, &opening, &seen, epoch).await;
        })
    }

    fn on_a_thread<F>(address: SocketAddr, work: impl FnOnce(Arc<Mutex<Seen>>) -> F + Send + 'static) -> Outcome<Self>
    where
        F: Future<Output = ()>,
    {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (stop, stopped) = oneshot::channel();
        let shared = seen.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("receiver".into()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! { () = work(shared) => {} _ = stopped => {} }
            });
        })?;
        Ok(Self { address, seen, stop: Some(stop), thread: Some(thread) })
    }

    /// The same, which keeps all bodies until [`Receiver::reset`].
    pub fn keeping_bodies(epoch: Instant) -> Outcome<Self> {
        let receiver = Self::start(epoch)?;
        receiver.seen.lock().unwrap_or_else(PoisonError::into_inner).bodies = Some(Vec::new());
        Ok(receiver)
    }

    /// Address of a callback; `path` starts with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forgets what came so far.
    pub fn reset(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Seen { generation: seen.generation + 1, ..Seen::default() };
    }

    /// What came so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `count` requests were answered; an error tells how many came when nothing more came for `patience`.
    pub fn wait_for(&self, count: u64, patience: Duration) -> Outcome<Seen> {
        let mut progress = (0, clock::now());
        loop {
            let (requests, hanging) = {
                let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                (seen.requests, seen.hanging)
            };
            if requests >= count {
                return Ok(self.seen());
            }
            if requests > progress.0 {
                progress = (requests, clock::now());
            }
            if progress.1.elapsed() > patience {
                return Err(format!("{requests} of {count} pushes came, {hanging} more hang").into());
            }
            clock::pause(Duration::from_millis(2));
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, seen: Arc<Mutex<Seen>>, epoch: Instant) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let seen = seen.clone();
        tokio::spawn(async move {
            // A connection that breaks shows as pushes that never come.
            let _ = serve(stream, &seen, epoch).await;
        });
    }
}

async fn serve(mut stream: TcpStream, seen: &Mutex<Seen>, epoch: Instant) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let mut buffer: Vec<u8> = Vec::with_capacity(8192);
    let mut counted = None;
    loop {
        while let Some(request) = parse(&buffer) {
            let hangs = buffer.get(request.path.clone()).is_some_and(|path| path.starts_with(HANG.as_bytes()));
            let body = buffer.get(request.body.clone()).unwrap_or_default();
            note(seen, body, hangs, &mut counted, epoch);
            buffer.drain(..request.body.end);
            if !hangs {
                stream.write_all(ANSWER).await?;
            }
        }
        if buffer.len() > REQUEST_BYTES_MAX || stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// Acknowledges whatever comes, in one write for each read.
async fn take(stream: std::net::TcpStream, opening: &[u8], seen: &Mutex<Seen>, epoch: Instant) -> Outcome<()> {
    let mut stream = TcpStream::from_std(stream)?;
    stream.set_nodelay(true)?;
    stream.write_all(opening).await?;
    let (mut buffer, mut counted, mut answers) = (Vec::with_capacity(65_536), None, Vec::new());
    while stream.read_buf(&mut buffer).await? > 0 {
        let mut done = 0;
        while let Some((message, bytes)) = delivery(buffer.get(done..).unwrap_or_default()) {
            if let Some((id, payload)) = message {
                note(seen, payload, false, &mut counted, epoch);
                answers.extend(acknowledgement(id));
            }
            done += bytes;
        }
        buffer.drain(..done);
        stream.write_all(&answers).await?;
        answers.clear();
    }
    Ok(())
}

fn note(seen: &Mutex<Seen>, body: &[u8], hangs: bool, counted: &mut Option<u64>, epoch: Instant) {
    let now = clock::now();
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if hangs {
        seen.hanging += 1;
        return;
    }
    seen.requests += 1;
    if *counted != Some(seen.generation) {
        *counted = Some(seen.generation);
        seen.connections += 1;
    }
    seen.first.get_or_insert(now);
    seen.last = Some(now);
    if seen.body.is_empty() {
        seen.body = body.to_vec();
    }
    if let Some(bodies) = &mut seen.bodies {
        bodies.push(body.to_vec());
    }
    if let Some(stamp) = read_stamp(body, STAMP_KEY) {
        seen.latencies.push(now.saturating_duration_since(epoch + Duration::from_micros(stamp)));
    }
}

/// Places of a complete request in a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    path: std::ops::Range<usize>,
    body: std::ops::Range<usize>,
}

fn parse(buffer: &[u8]) -> Option<Request> {
    let head_end = buffer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(buffer.get(..head_end)?).ok()?;
    let path_from = head.find(' ')? + 1;
    let path_to = path_from + head.get(path_from..)?.find(' ')?;
    let length = head.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let end = head_end.checked_add(length.unwrap_or(0))?;
    (buffer.len() >= end).then_some(Request { path: path_from..path_to, body: head_end..end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_found_once_they_are_whole() {
        let whole = b"POST /ok HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabcPOST";
        let request = parse(whole).unwrap();
        assert_eq!((&whole[request.path], &whole[request.body]), (&b"/ok"[..], &b"abc"[..]));
        for cut in 0..whole.len() - 4 {
            assert_eq!(parse(&whole[..cut]), None, "{cut}");
        }
    }
}
