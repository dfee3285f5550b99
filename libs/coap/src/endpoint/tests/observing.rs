//! Observe (RFC 7641) in both roles against hand-made datagrams.

use super::*;
use crate::{Block, NotifyOutcome, SendError, Token, encode_empty};

fn notification(outputs: &[Output<u32>]) -> (Ticket, Vec<u8>, Message) {
    let found = |output: &Output<u32>| match output {
        Output::Notification { ticket, token, message, .. } => Some((*ticket, token.as_bytes().to_vec(), message.clone())),
        _ => None,
    };
    outputs.iter().find_map(found).unwrap()
}

#[test]
fn a_notification_is_settled_by_the_owner_and_duplicates_get_the_same() {
    for reject in [false, true] {
        let mut bench = Bench::new();
        let datagram = con(50, b"obs", &content("21.5").with_observe(4));
        let outputs = bench.hear(&datagram);
        let (ticket, token, message) = notification(&outputs);
        assert_eq!((outputs.len(), &token[..], message.opts().observe()), (1, &b"obs"[..], Some(4)));
        assert_eq!(bench.until(bench.now + s(20)), [], "no acknowledgement before the owner's word");
        assert_eq!(bench.hear(&datagram), []);
        assert!(bench.endpoint.respond(bench.now, ticket, content("x")).is_err());
        let (kind, settled) = if reject {
            (Kind::Reset, bench.endpoint.reject(bench.now, ticket))
        } else {
            (Kind::Acknowledgement, bench.endpoint.accept(bench.now, ticket))
        };
        assert_eq!((settled, gist(&bench.drain())), (Ok(()), (kind, Code::EMPTY, 50)));
        assert_eq!(gist(&bench.hear(&datagram)), (kind, Code::EMPTY, 50));
        assert_eq!(bench.endpoint.accept(bench.now, ticket), Err(SendError::Ticket));
        bench.rest();
        assert_eq!(bench.endpoint.load(), Default::default());
    }
}

#[test]
fn a_non_confirmable_notification_is_only_answered_when_rejected() {
    let mut bench = Bench::new();
    let (ticket, ..) = notification(&bench.hear(&non(50, b"obs", &content("1").with_observe(1))));
    bench.endpoint.accept(bench.now, ticket).unwrap();
    assert_eq!(bench.drain(), []);
    let (ticket, ..) = notification(&bench.hear(&non(51, b"obs", &content("2").with_observe(2))));
    bench.endpoint.reject(bench.now, ticket).unwrap();
    assert_eq!(gist(&bench.drain()), (Kind::Reset, Code::EMPTY, 51));
}

#[test]
fn the_token_of_an_observation_is_the_owners_and_costs_nothing_between() {
    let mut bench = Bench::new();
    let token = Token::new(b"mine").unwrap();
    let how = SendOptions { token: Some(token.clone()), ..SendOptions::default() };
    bench.endpoint.request(bench.now, 1, get("/3303").with_observe(0), how.clone()).unwrap();
    let asked = only(&bench.drain());
    assert_eq!(asked.token, b"mine");
    let outputs = bench.hear(&ack(asked.message_id, b"mine", &content("1").with_observe(1)));
    assert!(matches!(&outputs[..], [Output::Response { token: told, .. }] if *told == token));
    bench.rest();
    assert_eq!(bench.endpoint.load(), Default::default());
    let (ticket, told, _) = notification(&bench.hear(&con(1, b"mine", &content("2").with_observe(2))));
    assert_eq!(told, b"mine");
    bench.endpoint.accept(bench.now, ticket).unwrap();
    // A renewal that waits for its turn does not swallow a notification with its token.
    bench.endpoint.request(bench.now, 1, get("/0"), SendOptions::default()).unwrap();
    bench.endpoint.request(bench.now, 1, get("/3303").with_observe(0), how).unwrap();
    bench.drain();
    assert_eq!(notification(&bench.hear(&con(2, b"mine", &content("3").with_observe(3)))).1, b"mine");
}

#[test]
fn the_rest_of_a_large_notification_is_fetched_before_it_is_accepted() {
    let mut bench = Bench::new();
    let first =
        content(vec![1; 16]).with_observe(7).with_uint(OptionNumber::BLOCK2, Block { num: 0, more: true, szx: 0 }.value());
    let datagram = con(60, b"obs", &first);
    let (ticket, _, message) = notification(&bench.hear(&datagram));
    let observed = get("/3").with_observe(0);
    let small = content("no block");
    assert_eq!(
        bench.endpoint.fetch_rest(bench.now, ticket, observed.clone(), small, SendOptions::default()),
        Err(SendError::Code)
    );
    let id = bench.endpoint.fetch_rest(bench.now, ticket, observed, message, SendOptions::default()).unwrap();
    let asked = only(&bench.drain());
    let options = asked.options.get();
    assert_eq!((options.block2(), options.observe()), (Some(Block { num: 1, more: false, szx: 0 }), None));
    assert_ne!(asked.token, b"obs");
    assert_eq!(bench.hear(&datagram), []);
    let last = content("end").with_uint(OptionNumber::BLOCK2, 1 << 4);
    let outputs = bench.hear(&ack(asked.message_id, &asked.token, &last));
    let Output::Response { id: told, response, .. } = &outputs[0] else { panic!("{outputs:?}") };
    assert_eq!((*told, response.payload.len(), response.opts().observe()), (id, 19, Some(7)));
    bench.endpoint.accept(bench.now, ticket).unwrap();
    assert_eq!(gist(&bench.drain()), (Kind::Acknowledgement, Code::EMPTY, 60));
}

#[test]
fn notifications_that_are_sent_have_one_end() {
    let token = || Token::new(b"tok").unwrap();
    let outcome = |outputs: &[Output<u32>]| {
        let done = |output: &Output<u32>| match output {
            Output::NotifyDone { id, outcome, .. } => Some((*id, *outcome)),
            _ => None,
        };
        outputs.iter().find_map(done).unwrap()
    };
    for (confirmable, reply, expected, after) in [
        (true, Some(Kind::Acknowledgement), NotifyOutcome::Acked, None),
        (true, Some(Kind::Reset), NotifyOutcome::Reset, None),
        (true, None, NotifyOutcome::Timeout, Some(4)),
        (false, Some(Kind::Reset), NotifyOutcome::Reset, None),
        (false, None, NotifyOutcome::Unconfirmed, Some(0)),
    ] {
        let mut bench = Bench::new();
        let id = bench.endpoint.notify(bench.now, 1, token(), content("1").with_observe(1), confirmable).unwrap();
        let sent_one = only(&bench.drain());
        assert_eq!((sent_one.kind == Kind::Confirmable, &sent_one.token[..]), (confirmable, &b"tok"[..]));
        let outputs = match reply {
            Some(kind) => bench.hear(&encode_empty(kind, sent_one.message_id)),
            None => bench.rest().into_iter().map(|(_, output)| output).collect(),
        };
        assert_eq!(outcome(&outputs), (id, expected));
        assert!(after.is_none_or(|repeated| sent(&outputs).len() == repeated));
        assert!(bench.rest().is_empty());
    }
    let mut bench = Bench::new();
    let id = bench.endpoint.notify(bench.now, 1, token(), content("1"), true).unwrap();
    assert!(bench.endpoint.cancel(bench.now, id));
    assert_eq!(outcome(&bench.drain()), (id, NotifyOutcome::Dropped));
    assert_eq!(bench.endpoint.notify(bench.now, 1, token(), get("/"), true), Err(SendError::Code));
}
