//! The codec against `coap-lite`, which is laxer: what both accept they must read alike, and what is accepted here it must accept.

use super::hostile::{corpus, mutate};
use super::*;

#[test]
fn what_both_codecs_accept_they_read_alike() {
    let (corpus, mut dice, mut compared) = (corpus(), Dice::new(3), 0);
    for round in 0..100_000 {
        let mut datagram = corpus[round % corpus.len()].clone();
        mutate(&mut dice, &mut datagram);
        let Ok(ours) = MessageRef::parse(&datagram, &Limits::default()) else { continue };
        if ours.token.len() > 8 {
            continue; // Extended tokens are not known to it.
        }
        let theirs = coap_lite::Packet::from_bytes(&datagram).unwrap_or_else(|e| panic!("{datagram:02x?}: {e}"));
        assert_eq!(theirs.header.get_version(), 1);
        assert_eq!(theirs.header.message_id, ours.header.message_id);
        assert_eq!(u8::from(theirs.header.code), ours.header.code.0, "{datagram:02x?}");
        assert_eq!((theirs.get_token(), &theirs.payload[..]), (ours.token, ours.payload), "{datagram:02x?}");
        let options: Vec<_> = theirs.options().flat_map(|(n, values)| values.iter().map(|v| (*n, v.clone()))).collect();
        assert_eq!(options, ours.options.iter().map(|(n, v)| (n.0, v.to_vec())).collect::<Vec<_>>(), "{datagram:02x?}");
        compared += 1;
    }
    assert!(compared > 50_000, "only {compared} were comparable");
}

#[test]
fn what_is_written_here_it_reads_and_the_other_way_round() {
    for datagram in corpus() {
        if let Ok(theirs) = coap_lite::Packet::from_bytes(&datagram)
            && theirs.header.code != coap_lite::MessageClass::Empty
        {
            assert_eq!(theirs.to_bytes().unwrap(), datagram);
        }
    }
}
