//! Heap of an endpoint with many peers, counted by the allocator; its own binary because the allocator is one per program.
//! Absent: time; the example `request_cost` measures that.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use landfall_coap::{Code, Config, Endpoint, Header, Kind, Limits, Message, Output, encode};

thread_local! {
    static HELD_BYTES: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[allow(unsafe_code, reason = "an allocator cannot be written without; it only counts and passes on")]
// SAFETY: every call goes unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD_BYTES.set(HELD_BYTES.get() + layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD_BYTES.set(HELD_BYTES.get() - layout.size() as isize);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A peer name as large as a socket address.
type Name = [u64; 4];
const PEERS: u64 = 50_000;

#[test]
fn a_recent_peer_is_small_and_an_idle_one_costs_next_to_nothing() {
    let before = HELD_BYTES.get();
    let mut endpoint: Endpoint<Name> = Endpoint::new(Config::default(), Limits::default(), Box::new(|buffer| buffer.fill(1)));
    let update = Message::new(Code::POST).with_path("/rd/5a3f");
    let header = Header { kind: Kind::Confirmable, code: update.code, message_id: 1 };
    let datagram = encode(header, b"12345678", update.opts(), &[]);
    for peer in 0..PEERS {
        endpoint.handle(Duration::ZERO, [peer; 4], &datagram);
        while let Some(output) = endpoint.poll() {
            if let Output::Request { ticket, .. } = output {
                endpoint.respond(Duration::ZERO, ticket, Message::new(Code::CHANGED)).unwrap();
            }
        }
    }
    let recent = (HELD_BYTES.get() - before) / PEERS as isize;
    while let Some(due) = endpoint.poll_timeout() {
        endpoint.timeout(due);
    }
    let idle = (HELD_BYTES.get() - before) / PEERS as isize;
    println!("{recent} B for a peer within EXCHANGE_LIFETIME of its request, {idle} B after that");
    assert!(recent <= 700, "{recent} B");
    assert!(idle <= 40, "{idle} B");
}
