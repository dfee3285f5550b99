//! Heap of one connection, counted by the allocator; its own binary because the allocator is one per program.
//! Absent: time; the example `publish_cost` measures that.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use landfall_mqtt::{Accept, Connection, Delivery, Input, Limits, Output, Qos, SubscribeGrant};

thread_local! {
    static HELD_BYTES: Cell<isize> = const { Cell::new(0) };
    static PEAK_BYTES: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(bytes: isize) {
    let held = HELD_BYTES.get() + bytes;
    HELD_BYTES.set(held);
    PEAK_BYTES.set(PEAK_BYTES.get().max(held));
}

#[allow(unsafe_code, reason = "an allocator cannot be written without; it only counts and passes on")]
// SAFETY: every call goes unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONNECT: &[u8] = b"\x10\x14\0\x04MQTT\x04\x02\0\x3c\0\x08device-1";

/// Feeds, answers everything and forgets the output, as a driver with nothing else to do.
fn step(connection: &mut Connection, input: Input<'_>) {
    connection.handle(Duration::ZERO, input);
    while let Some(output) = connection.poll() {
        match output {
            Output::Connect(_) => connection.handle(Duration::ZERO, Input::Accept(Accept::default())),
            Output::Publish(publish) => {
                connection.handle(Duration::ZERO, Input::PublishDone { ticket: publish.ticket, result: Ok(()) })
            }
            Output::Subscribe(asked) => {
                let grants = vec![SubscribeGrant::Granted(Qos::AtLeastOnce); asked.filters.len()];
                connection.handle(Duration::ZERO, Input::SubscribeDone { ticket: asked.ticket, grants });
            }
            _ => {}
        }
    }
}

#[test]
fn an_idle_connection_is_small() {
    let limits = Arc::new(Limits::default());
    let before = HELD_BYTES.get();
    let mut connection = Box::new(Connection::new(limits, Duration::ZERO));
    step(&mut connection, Input::Data(CONNECT));
    step(&mut connection, Input::Data(b"\x82\x26\0\x01\0\x21plant/7/devices/123456/commands/+\x01"));
    for _ in 0..100 {
        step(&mut connection, Input::Data(b"\x32\x07\0\x01t\0\x01xx"));
    }
    for (qos, answers) in [(Qos::AtLeastOnce, &b"\x40\x02\0\x01"[..]), (Qos::ExactlyOnce, b"\x50\x02\0\x02\x70\x02\0\x02")] {
        step(&mut connection, Input::Deliver(Delivery::new(1, "t", vec![0; 100], qos)));
        step(&mut connection, Input::Data(answers));
    }
    assert!(connection.is_open() && connection.subscriptions().len() == 1);
    let held = HELD_BYTES.get() - before;
    println!("idle connection with one subscription: {held} B, of which the struct is {} B", size_of::<Connection>());
    assert!(held <= 512, "{held} B");
    // What only subscribers need is behind pointers, and not there when nothing is under way.
    assert!(size_of::<Connection>() <= 296, "{} B", size_of::<Connection>());
}

#[test]
fn hostile_packets_cost_memory_in_proportion() {
    let cases: &[(&str, Vec<u8>, isize)] = &[
        ("announced and not sent", vec![0x30, 0x80, 0x80, 0x40], 64),
        ("filters by the thousand", subscribe(16_000), 1_000_000),
        ("user properties by the hundred", properties(200), 4_000),
    ];
    for (name, bytes, allowed) in cases {
        let mut connection = Connection::new(Arc::new(Limits::default()), Duration::ZERO);
        step(&mut connection, Input::Data(b"\x10\x0d\0\x04MQTT\x05\x02\0\x3c\0\0\0"));
        assert!(connection.is_open());
        let start = HELD_BYTES.get();
        PEAK_BYTES.set(start);
        step(&mut connection, Input::Data(bytes));
        let peak = PEAK_BYTES.get() - start;
        println!("{name}: {} B sent, {peak} B at most", bytes.len());
        assert!(peak <= *allowed, "{name}: {peak} B");
    }
}

fn subscribe(filters: usize) -> Vec<u8> {
    let body = 3 + filters * 4;
    let mut out = vec![0x82];
    remaining_length(&mut out, body);
    out.extend([0, 1, 0]);
    out.extend(std::iter::repeat_n([0, 1, b'#', 0], filters).flatten());
    out
}

fn properties(pairs: usize) -> Vec<u8> {
    let block = pairs * 5;
    let mut out = vec![0x30];
    remaining_length(&mut out, 3 + 2 + block);
    out.extend([0, 1, b't']);
    remaining_length(&mut out, block);
    out.extend(std::iter::repeat_n([38, 0, 0, 0, 0], pairs).flatten());
    out
}

fn remaining_length(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
