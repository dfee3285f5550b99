//! A fixed run of mutated packets through the fuzzing entry point. Memory is bounded by its assertions and `tests/footprint.rs`.

use super::{connect, packet, publish};
use crate::fuzz::fuzz_connection;

fn corpus() -> Vec<Vec<u8>> {
    let mut corpus = Vec::new();
    for level in [4, 5] {
        let properties: &[u8] = if level == 5 { &[0] } else { &[] };
        let subscribe = packet(0x82, &[&[0, 1][..], properties, &[0, 3, b'a', b'/', b'+', 1, 0, 1, b'#', 0]].concat());
        let unsubscribe = packet(0xa2, &[&[0, 2][..], properties, &[0, 3, b'a', b'/', b'+']].concat());
        let flow = [
            connect(level),
            subscribe,
            publish(level, 0x30, 0),
            publish(level, 0x32, 1),
            publish(level, 0x34, 2),
            vec![0x62, 2, 0, 2, 0x40, 2, 0, 1, 0xc0, 0],
            vec![0x50, 2, 0, 1, 0x70, 2, 0, 1, 0x50, 2, 0, 2, 0x70, 2, 0, 2, 0x40, 2, 0, 3],
            publish(level, 0x3c, 2),
            unsubscribe,
            vec![0xe0, 0],
        ];
        corpus.push(flow.concat());
        corpus.push([connect(level), publish(level, 0x33, 9).repeat(20)].concat());
    }
    let shared = packet(0x82, b"\0\x03\x05\x0b\xff\xff\xff\x7f\0\x0c$share/g/a/+\x29\0\x01#\x12");
    corpus.push([connect(5), shared, packet(0xa2, b"\0\x04\0\0\x0c$share/g/a/+")].concat());
    let rich = b"\0\x01t\0\x05\x1d\x01\x01\x02\0\0\0\x05\x03\0\x01c\x08\0\x01r\x09\0\x01d\x23\0\x03\x26\0\x01n\0\0pay";
    corpus.push([connect(5), packet(0x32, rich), packet(0x30, b"\0\0\x03\x23\0\x03x")].concat());
    corpus.push(
        b"\x10\x29\0\x04MQTT\x05\xee\x01\x00\x05\x11\0\0\0\x07\0\x02id\x05\x18\0\0\0\x09\0\x01w\0\x02pl\0\x01u\0\x03sec\xe0\x01\x04"
            .to_vec(),
    );
    corpus
}

#[test]
fn mutated_packets_never_break_an_invariant() {
    let corpus = corpus();
    let mut dice = 0x1234_5678_9abc_def1_u64;
    let mut roll = move |below: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice as usize % below
    };
    for _ in 0..20_000 {
        let mut input = vec![roll(256) as u8];
        input.extend(&corpus[roll(corpus.len())]);
        for _ in 0..roll(6) {
            let at = 1 + roll(input.len() - 1);
            match roll(5) {
                0 => input[at] = roll(256) as u8,
                1 => input[at] ^= 1 << roll(8),
                2 => input.insert(at, roll(256) as u8),
                3 if input.len() > 2 => {
                    input.remove(at);
                }
                _ => {
                    let other = &corpus[roll(corpus.len())];
                    let from = roll(other.len());
                    let tail = other[from..].to_vec();
                    input.truncate(at.max(2));
                    input.extend(tail);
                }
            }
        }
        fuzz_connection(&input);
    }
}

#[test]
fn noise_and_nothing() {
    fuzz_connection(&[]);
    fuzz_connection(&[1]);
    let noise: Vec<u8> = (0..20_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for part in noise.chunks(97) {
        fuzz_connection(part);
    }
}
