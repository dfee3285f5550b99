//! Fixed runs of mutated datagrams through the fuzzing entry points.

use super::*;
use crate::Block;
use crate::fuzz::{fuzz_endpoint, fuzz_message};

pub(super) fn corpus() -> Vec<Vec<u8>> {
    let block = |num, more| Block { num, more, szx: 0 }.value();
    let put = |num, more| {
        Message::new(Code::PUT).with_path("/5/0").with_uint(OptionNumber::BLOCK1, block(num, more)).with_payload(vec![7; 16])
    };
    let register =
        Message::new(Code::POST).with_path("/rd").with_query("ep=urn:imei:1").with_query("lt=60").with_payload("</3/0>");
    vec![
        con(1, b"tok", &get("/3/0/9").with_query("a=1").with_accept(crate::ContentFormat::SENML_CBOR)),
        con(2, b"", &register),
        con(3, b"12345678", &get("/big").with_uint(OptionNumber::BLOCK2, block(1, false))),
        con(4, b"u", &put(0, true)),
        con(5, b"u", &put(1, true)),
        con(6, b"u", &put(2, false)),
        non(7, b"obs", &content("21").with_observe(300)),
        con(8, b"obs", &content(vec![1; 16]).with_observe(301).with_uint(OptionNumber::BLOCK2, block(0, true))),
        ack(9, b"tok", &content("x").with(OptionNumber::ETAG, b"etag").with_uint(OptionNumber::MAX_AGE, 30)),
        con(10, &[1; 20], &Message::new(Code::FETCH).with(OptionNumber(2048), &[0; 300]).with_payload("q")),
        non(11, b"n", &get("/x").with_uint(OptionNumber::NO_RESPONSE, 26).with_uint(OptionNumber::SIZE2, 0)),
        b"\x40\0\0\x0c".to_vec(),
        b"\x60\0\0\x0d".to_vec(),
        b"\x70\0\0\x0e".to_vec(),
    ]
}

pub(super) fn mutate(dice: &mut Dice, datagram: &mut Vec<u8>) {
    for _ in 0..dice.roll(4) {
        let at = dice.roll(datagram.len().max(1));
        match dice.roll(4) {
            0 if at < datagram.len() => datagram[at] = dice.roll(256) as u8,
            1 if at < datagram.len() => datagram[at] ^= 1 << dice.roll(8),
            2 => datagram.insert(at.min(datagram.len()), dice.roll(256) as u8),
            _ if at < datagram.len() => drop(datagram.remove(at)),
            _ => {}
        }
    }
}

#[test]
fn mutated_datagrams_have_one_form_or_are_refused() {
    let (corpus, mut dice) = (corpus(), Dice::new(1));
    for round in 0..100_000 {
        let mut datagram = corpus[round % corpus.len()].clone();
        mutate(&mut dice, &mut datagram);
        fuzz_message(&datagram);
    }
}

#[test]
fn mutated_traffic_never_breaks_an_invariant() {
    let (corpus, mut dice) = (corpus(), Dice::new(2));
    for _ in 0..2_000 {
        let mut input = Vec::new();
        for _ in 0..dice.roll(40) {
            let mut datagram = corpus[dice.roll(corpus.len())].clone();
            if dice.roll(3) == 0 {
                mutate(&mut dice, &mut datagram);
            }
            datagram.truncate(255);
            input.extend([dice.roll(256) as u8, datagram.len() as u8]);
            input.extend(datagram);
        }
        fuzz_endpoint(&input);
    }
}
