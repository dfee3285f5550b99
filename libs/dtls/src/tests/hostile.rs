//! Fixed runs of scripts and bytes through the fuzzing entry points. What is kept is bounded by their assertions.

use super::{Dice, World, all_forms};
use crate::Config;
use crate::fuzz::{fuzz_conversation, fuzz_datagrams, fuzz_saved, honest_script as honest};

#[test]
fn scripts_never_break_an_invariant() {
    let mut dice = Dice(0x1234_5678_9abc_def1);
    for _ in 0..6_000 {
        let mut script = honest(dice.roll(256) as u8);
        for _ in 0..dice.roll(3) {
            let tail = honest(0);
            script.extend(&tail[1..]);
        }
        for _ in 0..dice.roll(12) {
            let at = dice.roll(script.len() as u64) as usize;
            match dice.roll(4) {
                0 => script[at] = dice.roll(256) as u8,
                1 => drop(script.splice(at..at, [1 + dice.roll(4) as u8, dice.roll(256) as u8, dice.roll(256) as u8])),
                2 => drop(script.splice(at..at, [dice.roll(16) as u8, dice.roll(256) as u8])),
                _ => script.truncate(at.max(8)),
            }
        }
        fuzz_conversation(&script);
    }
}

#[test]
fn noise_never_breaks_an_invariant() {
    let mut dice = Dice(0xfeed_beef_1234_5671);
    for _ in 0..3_000 {
        let noise: Vec<u8> = (0..dice.roll(400)).map(|_| dice.roll(256) as u8).collect();
        fuzz_conversation(&noise);
        fuzz_datagrams(&noise);
        fuzz_saved(&noise);
    }
}

#[test]
fn changed_traffic_opens_nothing() {
    let mut dice = Dice(0x0bad_cafe_1234_5671);
    let mut traffic = Vec::new();
    for form in all_forms().into_iter().step_by(5) {
        let mut world = World::new(1, Config::default());
        let (device, _) = world.connected(form);
        world.say(device, b"data");
        world.settle();
        traffic.extend(world.tapped.into_iter().map(|(_, bytes)| bytes).filter(|bytes| bytes.len() < 256));
    }
    for _ in 0..4_000 {
        let mut input = Vec::new();
        for _ in 0..1 + dice.roll(4) {
            let mut datagram = traffic[dice.roll(traffic.len() as u64) as usize].clone();
            for _ in 0..dice.roll(4) {
                let at = dice.roll(datagram.len() as u64) as usize;
                datagram[at] = dice.roll(256) as u8;
            }
            input.extend([dice.roll(4) as u8, datagram.len() as u8]);
            input.extend(datagram);
        }
        fuzz_datagrams(&input);
    }
}

#[test]
fn changed_saved_sessions_break_nothing() {
    let mut dice = Dice(0x5eed_5eed_1234_5671);
    for form in all_forms() {
        let mut world = World::new(1, Config::default());
        let (_, session) = world.connected(form);
        let good = world.server.saved(session, 5).unwrap().to_bytes().to_vec();
        fuzz_saved(&good);
        for _ in 0..150 {
            let mut bytes = good.clone();
            for _ in 0..1 + dice.roll(3) {
                let at = dice.roll(bytes.len() as u64) as usize;
                match dice.roll(3) {
                    0 => bytes[at] = dice.roll(256) as u8,
                    1 => bytes[at] ^= 1 << dice.roll(8),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            fuzz_saved(&bytes);
        }
    }
}

/// The honest script does what it is for: without it the mutations would only meet refusals.
#[test]
fn the_honest_script_is_a_conversation() {
    for form in 0..=255 {
        let mut script = honest(form);
        assert_eq!(crate::fuzz::sessions_of(&script), 1, "{form}");
        // The same with both hellos in fragments of 60 bytes.
        for hello in [8, 4] {
            script.splice(hello..=hello, [6 << 2, 60]);
        }
        assert_eq!(crate::fuzz::sessions_of(&script), 1, "{form} in fragments");
    }
}
