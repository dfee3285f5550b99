//! Heap of live sessions and of clients, counted by the allocator; its own binary because the allocator is one per program.
//! Absent: time; the example `costs` measures that.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use landfall_dtls::{Client, ClientConfig, ClientOutput, Config, Output, Random, Server, Suite};

thread_local! {
    static HELD_BYTES: Cell<isize> = const { Cell::new(0) };
    static PEAK_BYTES: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

/// What the system's allocator takes for a block: at least 32 bytes, and 8 more than asked, in steps of 16.
fn count(size: usize, sign: isize) {
    let held = HELD_BYTES.get() + sign * ((size + 8).next_multiple_of(16).max(32) as isize);
    HELD_BYTES.set(held);
    PEAK_BYTES.set(PEAK_BYTES.get().max(held));
}

#[allow(unsafe_code, reason = "an allocator cannot be written without; it only counts and passes on")]
// SAFETY: every call goes unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counting(seed: u64) -> Random {
    let mut state = seed | 1;
    Box::new(move |bytes| {
        bytes.fill_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
    })
}

/// Connects one client from its own address, and sends a record so that nothing of the handshake is kept.
fn connect(server: &mut Server, number: u32, suite: Suite, cid: bool) -> Client {
    let from = (std::net::Ipv4Addr::from(0x0a00_0000 + number), 5_684).into();
    let mut config = ClientConfig::new(format!("urn:imei:{number:015}"), *b"0123456789abcdef");
    config.suites = vec![suite];
    config.cid = cid.then(Vec::new);
    let mut client = Client::new(config, counting(u64::from(number)));
    client.connect(Duration::ZERO);
    loop {
        let mut quiet = true;
        while let Some(output) = client.poll() {
            quiet = false;
            match output {
                ClientOutput::Send(datagram) => server.handle(Duration::ZERO, from, &datagram),
                ClientOutput::Established { .. } => assert_eq!(client.send(b"x"), Ok(())),
                other => assert!(matches!(other, ClientOutput::Data(_)), "{other:?}"),
            }
        }
        while let Some(output) = server.poll() {
            quiet = false;
            match output {
                Output::Send { datagram, .. } => client.handle(Duration::ZERO, &datagram),
                Output::PskWanted { lookup, .. } => server.psk(Duration::ZERO, lookup, Some(b"0123456789abcdef")),
                _ => {}
            }
        }
        if quiet {
            return client;
        }
    }
}

#[test]
fn a_live_session_is_small() {
    // Hash tables double: 1,792 fill one of 2,048 places, one more makes it 4,096.
    for (sessions, most) in [(1_792, 420), (1_793, 500)] {
        for (suite, cid) in [(Suite::PskAes128Ccm8, true), (Suite::PskAes128CbcSha256, false)] {
            let before = HELD_BYTES.get();
            let mut server = Server::new(Config { lingering: 16, ..Config::default() }, counting(1));
            for number in 0..sessions {
                drop(connect(&mut server, number, suite, cid));
            }
            assert_eq!(server.sessions(), sessions as usize);
            let each = (HELD_BYTES.get() - before) / sessions as isize;
            println!("{sessions} sessions of {suite:?}: {each} B each");
            assert!(each <= most, "{each} B");
        }
    }
}

/// A session that its client closed keeps a secret and no keys.
#[test]
fn closed_sessions_are_smaller_than_live_ones() {
    let before = HELD_BYTES.get();
    let mut server = Server::new(Config { lingering: 16, ..Config::default() }, counting(1));
    let sessions = 10_000;
    for number in 0..sessions {
        let mut client = connect(&mut server, number, Suite::PskAes128Ccm8, true);
        client.close();
        let Some(ClientOutput::Send(goodbye)) = client.poll() else { panic!("no word") };
        server.handle(Duration::ZERO, (std::net::Ipv4Addr::from(0x0a00_0000 + number), 5_684).into(), &goodbye);
        while server.poll().is_some() {}
    }
    assert_eq!((server.sessions(), server.closed()), (0, sessions as usize));
    let each = (HELD_BYTES.get() - before) / sessions as isize;
    println!("{sessions} closed sessions: {each} B each");
    assert!(each <= 320, "{each} B");
}

#[test]
fn a_client_is_small() {
    let mut server = Server::new(Config::default(), counting(1));
    drop(connect(&mut server, 1, Suite::PskAes128Ccm8, true));
    let before = HELD_BYTES.get();
    let clients: Vec<Client> = (2..102).map(|number| connect(&mut server, number, Suite::PskAes128Ccm8, true)).collect();
    drop(server);
    let held = HELD_BYTES.get() - before;
    println!("client: {} B in itself, at most {} B with all that it points to", size_of::<Client>(), held / 100);
    assert!(held / 100 <= 2_048 && clients.iter().all(Client::is_established));
}

/// Whatever is sent to a server that knows nobody, it holds no more afterwards.
#[test]
fn first_hellos_leave_nothing() {
    let mut server = Server::new(Config::default(), counting(1));
    drop(connect(&mut server, 1, Suite::PskAes128Ccm8, true));
    let mut client = Client::new(ClientConfig::new(*b"i", *b"k"), counting(9));
    client.connect(Duration::ZERO);
    let Some(ClientOutput::Send(hello)) = client.poll() else { panic!("no hello") };
    let before = HELD_BYTES.get();
    for number in 0..10_000_u32 {
        server.handle(Duration::ZERO, (std::net::Ipv4Addr::from(0x0b00_0000 + number), 1).into(), &hello);
        while server.poll().is_some() {}
    }
    assert_eq!((HELD_BYTES.get(), server.counters().cookies), (before, 10_001));
}
