//! Seeded mutation for fixed fuzz runs: the same inputs on every machine, in every run, in milliseconds.
//!
//! Absent: coverage feedback. The open-ended search lives in `fuzz/`; what it finds is added to a corpus and stays found here.

use crate::world::Seeded;

/// A mutated input never grows beyond this many bytes.
pub const INPUT_MAX_BYTES: usize = 64 * 1024;

/// Calls `target` with every seed of the corpus as it is, then `iterations` times with a mutation of one.
/// A failure names nothing by itself: let the target panic, and print `bytes` from it if that helps.
pub fn run(corpus: &[&[u8]], seed: u64, iterations: u32, mut target: impl FnMut(&[u8])) {
    for bytes in corpus {
        target(bytes);
    }
    let mut random = Seeded::new(seed);
    for _ in 0..iterations {
        let mut bytes = pick(corpus, &mut random).to_vec();
        for _ in 0..=random.below(4) {
            mutate(&mut bytes, corpus, &mut random);
        }
        bytes.truncate(INPUT_MAX_BYTES);
        target(&bytes);
    }
}

/// Bytes and lengths that sit on the edges parsers get wrong.
const EDGES: [u8; 10] = [0x00, 0x01, 0x02, 0x04, 0x7f, 0x80, 0x81, 0xfe, 0xff, b'"'];

fn mutate(bytes: &mut Vec<u8>, corpus: &[&[u8]], random: &mut Seeded) {
    let at = random.below(bytes.len());
    match random.below(8) {
        0 => flip(bytes, at, 1 << random.below(8)),
        1 => bytes.truncate(at),
        2 => splice(bytes, at, pick(corpus, random), random),
        3 => insert(bytes, at, random),
        4 => set(bytes, at, EDGES[random.below(EDGES.len())]),
        5 => nudge(bytes, at, if random.below(2) == 0 { 1 } else { u8::MAX }),
        6 => set_length(bytes, at, random),
        _ => repeat(bytes, at, random),
    }
}

fn pick<'a>(corpus: &[&'a [u8]], random: &mut Seeded) -> &'a [u8] {
    corpus.get(random.below(corpus.len())).copied().unwrap_or_default()
}

fn flip(bytes: &mut [u8], at: usize, mask: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= mask;
    }
}

fn set(bytes: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = value;
    }
}

fn nudge(bytes: &mut [u8], at: usize, by: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = byte.wrapping_add(by);
    }
}

/// Puts a length where one may stand: two or four bytes big-endian, or a variable-length number of up to five bytes.
fn set_length(bytes: &mut [u8], at: usize, random: &mut Seeded) {
    let near = bytes.len().wrapping_add(random.below(5)).wrapping_sub(2);
    match random.below(3) {
        0 => (near as u16).to_be_bytes().into_iter().enumerate().for_each(|(i, b)| set(bytes, at + i, b)),
        1 => (near as u32).to_be_bytes().into_iter().enumerate().for_each(|(i, b)| set(bytes, at + i, b)),
        _ => (0..=random.below(5)).for_each(|i| flip(bytes, at + i, 0x80)),
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, random: &mut Seeded) {
    let mut fresh = vec![0; 1 + random.below(16)];
    random.fill(&mut fresh);
    bytes.splice(at..at, fresh);
}

fn splice(bytes: &mut Vec<u8>, at: usize, other: &[u8], random: &mut Seeded) {
    let from = random.below(other.len());
    bytes.truncate(at);
    bytes.extend_from_slice(other.get(from..).unwrap_or_default());
}

fn repeat(bytes: &mut Vec<u8>, at: usize, random: &mut Seeded) {
    let tail: Vec<u8> = bytes.iter().skip(at).take(1 + random.below(64)).copied().collect();
    for _ in 0..=random.below(8) {
        bytes.splice(at..at, tail.iter().copied());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn inputs(seed: u64, corpus: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut seen = Vec::new();
        run(corpus, seed, 500, |bytes| seen.push(bytes.to_vec()));
        seen
    }

    #[test]
    fn the_seed_decides_and_the_corpus_comes_first() {
        let corpus: [&[u8]; 2] = [b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c", b"{\"a\":1}"];
        let seen = inputs(1, &corpus);
        assert_eq!(seen.len(), 502);
        assert_eq!(&seen[..2], &[corpus[0].to_vec(), corpus[1].to_vec()]);
        assert_eq!(seen, inputs(1, &corpus));
        assert_ne!(seen, inputs(2, &corpus));
    }

    #[test]
    fn mutations_vary_in_content_and_length() {
        let seen = inputs(3, &[b"0123456789abcdef0123456789abcdef"]);
        let distinct: HashSet<_> = seen.iter().collect();
        assert!(distinct.len() > 400, "{} distinct inputs of {}", distinct.len(), seen.len());
        assert!(seen.iter().any(|s| s.len() < 32) && seen.iter().any(|s| s.len() > 32));
    }

    #[test]
    fn an_empty_corpus_or_seed_is_no_trouble() {
        assert_eq!(inputs(4, &[]).len(), 500);
        assert_eq!(inputs(4, &[b""]).len(), 501);
    }
}
