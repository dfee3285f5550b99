//! A small general MQTT 3.1.1 and 5 broker on the library, which public conformance suites are pointed at:
//! `cargo run -p landfall-mqtt --example broker -- [ADDRESS] [REFUSED_FILTER]`. Absent: TLS, users, a store, speed.

mod hub;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use hub::{Action, Hub, LinkId};
use landfall_mqtt::Input;

/// Connections at once.
const LINKS_MAX: usize = 1_000;
/// Bytes of one read.
const READ_BYTES: usize = 16_384;
/// How long a client may take nothing of what is written to it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

enum Event {
    Opened(TcpStream),
    Data(LinkId, Vec<u8>),
    Written(LinkId, usize),
    Closed(LinkId),
}

/// The ends of a connection's two threads; they end when it is dropped.
struct Link {
    read: Sender<()>,
    write: Sender<Vec<u8>>,
}

#[allow(clippy::print_stdout, reason = "an example for people")]
fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let listener = TcpListener::bind(arguments.next().unwrap_or_else(|| "127.0.0.1:1883".to_owned()))?;
    println!("listening on {}", listener.local_addr()?);
    let (events, inbox) = sync_channel(1_024);
    let accepted = events.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if accepted.send(Event::Opened(stream)).is_err() {
                break;
            }
        }
    });
    serve(Hub::new(arguments.next()), &events, &inbox);
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "the shell of the example has the clock")]
fn serve(mut hub: Hub, events: &SyncSender<Event>, inbox: &Receiver<Event>) {
    let (start, mut links, mut next) = (Instant::now(), BTreeMap::new(), 0);
    loop {
        let patience = hub.next_timeout().map_or(Duration::from_secs(60), |at| at.saturating_sub(start.elapsed()));
        let event = inbox.recv_timeout(patience);
        let now = start.elapsed();
        match event {
            Ok(Event::Opened(stream)) => {
                next += 1;
                if links.len() < LINKS_MAX
                    && let Ok(link) = open(next, stream, events)
                {
                    links.insert(next, link);
                    hub.opened(now, next);
                }
            }
            Ok(Event::Data(id, bytes)) => hub.input(now, id, Input::Data(&bytes)),
            Ok(Event::Written(id, bytes)) => hub.written(now, id, bytes),
            Ok(Event::Closed(id)) => hub.input(now, id, Input::Closed),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if hub.next_timeout().is_some_and(|at| at <= now) {
            hub.timeout(now);
        }
        for action in hub.actions() {
            match action {
                // A thread that is gone has said so, or will.
                Action::Send(id, bytes) => drop(links.get(&id).map(|link: &Link| link.write.send(bytes))),
                Action::Read(id) => drop(links.get(&id).map(|link| link.read.send(()))),
                Action::Close(id) => drop(links.remove(&id)),
            }
        }
    }
}

/// Starts the two threads of a connection.
fn open(id: LinkId, stream: TcpStream, events: &SyncSender<Event>) -> io::Result<Link> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let (read, asked) = channel();
    let (write, bytes) = channel();
    let (reader, told) = (stream.try_clone()?, events.clone());
    thread::spawn(move || read_all(id, reader, &asked, &told));
    let told = events.clone();
    thread::spawn(move || write_all(id, stream, &bytes, &told));
    Ok(Link { read, write })
}

/// One read for each time that it is asked, so that what the machine does not want stays in the socket.
fn read_all(id: LinkId, mut stream: TcpStream, asked: &Receiver<()>, events: &SyncSender<Event>) {
    let mut buffer = vec![0; READ_BYTES];
    while asked.recv().is_ok() {
        let event = match stream.read(&mut buffer) {
            Ok(count) if count > 0 => Event::Data(id, buffer[..count].to_vec()),
            _ => Event::Closed(id),
        };
        let is_over = matches!(event, Event::Closed(_));
        if events.send(event).is_err() || is_over {
            return;
        }
    }
}

fn write_all(id: LinkId, mut stream: TcpStream, asked: &Receiver<Vec<u8>>, events: &SyncSender<Event>) {
    for bytes in asked {
        let event = match stream.write_all(&bytes) {
            Ok(()) => Event::Written(id, bytes.len()),
            Err(_) => Event::Closed(id),
        };
        let is_over = matches!(event, Event::Closed(_));
        if events.send(event).is_err() || is_over {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}
