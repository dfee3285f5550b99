//! The server role against hand-made datagrams.

use super::*;
use crate::{Failure, SendError, encode_empty};

#[test]
fn a_request_in_time_is_answered_on_its_acknowledgement_and_repeated_to_duplicates() {
    let mut bench = Bench::new();
    let request = con(7, b"tok", &get("/3/0/9").with_query("a=b"));
    let outputs = bench.hear(&request);
    let (ticket, asked) = requests(&outputs).remove(0);
    assert_eq!(outputs.len(), 1);
    assert_eq!(asked.opts().uri_path().collect::<Vec<_>>(), ["3", "0", "9"]);
    assert_eq!(asked.opts().uri_query().collect::<Vec<_>>(), ["a=b"]);
    assert_eq!(bench.hear(&request), [], "not answered yet: nothing to repeat");

    bench.endpoint.respond(bench.now, ticket, content("100")).unwrap();
    let first = bench.drain();
    let answer = only(&first);
    assert_eq!((answer.kind, answer.code, answer.message_id), (Kind::Acknowledgement, Code::CONTENT, 7));
    assert_eq!((&answer.token[..], &answer.payload[..]), (&b"tok"[..], &b"100"[..]));
    bench.until(bench.now + s(246));
    assert_eq!(bench.hear(&request), first, "the same bytes again");
    assert!(bench.endpoint.respond(bench.now, ticket, content("x")).is_err());
    bench.until(bench.now + s(2));
    assert_eq!(requests(&bench.hear(&request)).len(), 1, "after EXCHANGE_LIFETIME it is a new one");
}

#[test]
fn a_late_answer_goes_apart_and_is_repeated_until_acknowledged() {
    let mut bench = Bench::new();
    let request = con(7, b"t", &get("/1"));
    let (ticket, _) = requests(&bench.hear(&request)).remove(0);
    let start = bench.now;
    let outputs = bench.until(start + ms(1_500));
    assert_eq!(outputs.len(), 1);
    assert_eq!((outputs[0].0, gist(&[outputs[0].1.clone()])), (start + s(1), (Kind::Acknowledgement, Code::EMPTY, 7)));
    assert_eq!(gist(&bench.hear(&request)), (Kind::Acknowledgement, Code::EMPTY, 7));

    bench.endpoint.respond(bench.now, ticket, content("late")).unwrap();
    let answer = only(&bench.drain());
    assert_eq!((answer.kind, answer.code, &answer.token[..]), (Kind::Confirmable, Code::CONTENT, &b"t"[..]));
    let repeated = bench.until(bench.now + s(4));
    assert_eq!(only(&[repeated[0].1.clone()]), answer);
    assert_eq!(bench.hear(&encode_empty(Kind::Acknowledgement, answer.message_id)), []);
    assert_eq!(bench.rest(), []);
    assert_eq!(bench.endpoint.load(), Default::default());
}

#[test]
fn a_separate_answer_that_nobody_takes_is_told() {
    for (reset, check) in [(false, "response.unacknowledged"), (true, "response.reset")] {
        let mut bench = Bench::new();
        let (ticket, _) = requests(&bench.hear(&con(7, b"t", &get("/1")))).remove(0);
        bench.until(bench.now + s(2));
        bench.endpoint.respond(bench.now, ticket, content("late")).unwrap();
        let answer = only(&bench.drain());
        let outputs = if reset {
            bench.hear(&encode_empty(Kind::Reset, answer.message_id))
        } else {
            let outputs: Vec<_> = bench.rest().into_iter().map(|(_, output)| output).collect();
            assert_eq!(sent(&outputs).len(), 4, "MAX_RETRANSMIT");
            outputs
        };
        assert_eq!(refusals(&outputs), [check]);
    }
}

#[test]
fn non_confirmable_requests_get_non_confirmable_answers_once() {
    let mut bench = Bench::new();
    let request = non(9, b"n", &get("/1"));
    let (ticket, _) = requests(&bench.hear(&request)).remove(0);
    assert_eq!(bench.until(bench.now + s(3)), [], "no acknowledgement");
    bench.endpoint.respond(bench.now, ticket, content("x")).unwrap();
    let answer = only(&bench.drain());
    assert_eq!((answer.kind, answer.code, &answer.token[..]), (Kind::NonConfirmable, Code::CONTENT, &b"n"[..]));
    assert_eq!(bench.hear(&request), []);
    assert_eq!(bench.rest(), []);
}

#[test]
fn message_layer_rules() {
    for (datagram, reply, check) in [
        (&b"\x40\0\0\x05"[..], Some((Kind::Reset, Code::EMPTY, 5)), None),
        (b"\x50\0\0\x05", None, Some("empty.non-confirmable")),
        (b"\x60\0\0\x05", None, None),
        (b"\x70\0\0\x05", None, None),
        (b"\x60\x01\0\x05", None, Some("ack.with-request")),
        (b"\x60\x45\0\x05", None, Some("response.unexpected")),
        (b"\x80\x01\0\x05", None, Some("header.version")),
        (b"\x4f\x01\0\x05", Some((Kind::Reset, Code::EMPTY, 5)), Some("token.length-reserved")),
        (b"\x40\x01\0\x05\xff", Some((Kind::Reset, Code::EMPTY, 5)), Some("payload.marker-alone")),
        (b"\x40\x21\0\x05", Some((Kind::Reset, Code::EMPTY, 5)), Some("code.class-reserved")),
        (b"\x50\x01\0\x05\xff", None, Some("payload.marker-alone")),
        (b"\x40\x01\0\x05\x91x", Some((Kind::Acknowledgement, Code::BAD_OPTION, 5)), Some("option.critical")),
        (b"\x50\x01\0\x05\x91x", None, Some("option.critical")),
        (b"\x40\x01\0\x05\xd1\x1ax", Some((Kind::Acknowledgement, Code::PROXYING_NOT_SUPPORTED, 5)), Some("request.proxy")),
        (b"\x40\x01\0\x05\xd1\x0a\x07", Some((Kind::Acknowledgement, Code::BAD_REQUEST, 5)), Some("block.size-reserved")),
        (b"\x40\x02\0\x05\xd1\x0e\x0f", Some((Kind::Acknowledgement, Code::BAD_REQUEST, 5)), Some("block.size-reserved")),
        (b"\x40\x45\0\x05\x91x", Some((Kind::Reset, Code::EMPTY, 5)), Some("option.critical")),
    ] {
        let mut bench = Bench::new();
        let outputs = bench.hear(datagram);
        assert_eq!(sent(&outputs).first().map(|sent| (sent.kind, sent.code, sent.message_id)), reply, "{datagram:02x?}");
        assert_eq!(refusals(&outputs).first().copied(), check, "{datagram:02x?}");
        assert!(requests(&outputs).is_empty());
    }
}

#[test]
fn unknown_critical_options_are_named_in_the_answer() {
    let mut bench = Bench::new();
    let answer = only(&bench.hear(&con(5, b"", &get("/a").with(OptionNumber(2049), b"x"))));
    assert_eq!((answer.code, &answer.payload[..]), (Code::BAD_OPTION, &b"option 2049"[..]));
    let elective = con(6, b"", &get("/a").with(OptionNumber(2048), b"x"));
    assert_eq!(requests(&bench.hear(&elective)).len(), 1);
}

#[test]
fn long_tokens_are_echoed_up_to_the_limit() {
    for (length, served) in [(8, true), (32, true), (33, false), (600, false)] {
        let mut bench = Bench::new();
        let token = vec![5; length];
        let outputs = bench.hear(&con(5, &token, &get("/a")));
        let answer = match requests(&outputs).pop() {
            Some((ticket, _)) => {
                bench.endpoint.respond(bench.now, ticket, content("x")).unwrap();
                only(&bench.drain())
            }
            None => only(&outputs),
        };
        assert_eq!((answer.code == Code::CONTENT, answer.token), (served, token), "{length}");
        assert!(served || answer.code == Code::BAD_REQUEST);
    }
}

#[test]
fn no_response_silences_the_classes_it_names() {
    for (value, code, silent) in [
        (0, Code::CONTENT, false),
        (2, Code::CONTENT, true),
        (2, Code::NOT_FOUND, false),
        (8, Code::NOT_FOUND, true),
        (16, Code::INTERNAL_SERVER_ERROR, true),
        (26, Code::INTERNAL_SERVER_ERROR, true),
        (24, Code::CHANGED, false),
    ] {
        for confirmable in [true, false] {
            let mut bench = Bench::new();
            let request = get("/a").with_uint(OptionNumber::NO_RESPONSE, value);
            let datagram = if confirmable { con(5, b"t", &request) } else { non(5, b"t", &request) };
            let (ticket, _) = requests(&bench.hear(&datagram)).remove(0);
            bench.endpoint.respond(bench.now, ticket, Message::new(code)).unwrap();
            let codes: Vec<_> = sent(&bench.drain()).into_iter().map(|sent| sent.code).collect();
            let expected = match (silent, confirmable) {
                (false, _) => vec![code],
                (true, true) => vec![Code::EMPTY],
                (true, false) => vec![],
            };
            assert_eq!(codes, expected, "{value} {code} {confirmable}");
            assert_eq!(bench.hear(&datagram).len(), usize::from(confirmable), "a duplicate of a CON is acknowledged again");
        }
    }
}

#[test]
fn an_owner_that_never_answers_loses_the_ticket() {
    let mut bench = Bench::new();
    let (ticket, _) = requests(&bench.hear(&con(5, b"t", &get("/a")))).remove(0);
    bench.rest();
    assert!(bench.endpoint.respond(bench.now, ticket, content("x")).is_err());
    assert_eq!(bench.endpoint.load(), Default::default());
}

#[test]
fn answers_must_be_answers() {
    let mut bench = Bench::new();
    let (ticket, _) = requests(&bench.hear(&con(5, b"t", &get("/a")))).remove(0);
    for (response, error) in [
        (Message::new(Code::GET), SendError::Code),
        (Message::new(Code::EMPTY), SendError::Code),
        (Message::new(Code::CONTINUE), SendError::Code),
        (content(vec![0; (1 << 20) + 1]), SendError::TooLarge),
    ] {
        assert_eq!(bench.endpoint.respond(bench.now, ticket, response), Err(error));
    }
    assert_eq!(bench.endpoint.accept(bench.now, ticket), Err(SendError::Ticket));
    assert_eq!(bench.endpoint.respond(bench.now, ticket, content("x")), Ok(()));
}

#[test]
fn a_peer_that_moved_finds_its_exchanges_and_duplicates() {
    let mut bench = Bench::new();
    let request = con(5, b"t", &get("/a"));
    let (ticket, _) = requests(&bench.hear(&request)).remove(0);
    let waiting = bench.endpoint.request(bench.now, 1, get("/3"), SendOptions::default()).unwrap();
    let mine = only(&bench.drain());
    let other = requests(&bench.hear_from(2, &con(6, b"u", &get("/b")))).remove(0).0;
    bench.endpoint.rename(bench.now, 1, 2);
    bench.endpoint.request(bench.now, 2, get("/4"), SendOptions::default()).unwrap();
    assert_eq!(bench.drain(), [], "it waits for the one under way (NSTART)");
    assert_eq!(bench.hear_from(2, &request), [], "a duplicate, not answered yet");
    for ticket in [ticket, other] {
        bench.endpoint.respond(bench.now, ticket, content("x")).unwrap();
        assert!(matches!(bench.drain()[..], [Output::Send { peer: 2, .. }]));
    }
    let outputs = bench.hear_from(2, &ack(mine.message_id, &mine.token, &content("y")));
    assert!(matches!(outputs[..], [Output::Response { id, peer: 2, .. }, Output::Send { .. }] if id == waiting), "{outputs:?}");
    bench.rest();
    assert_eq!(bench.endpoint.load(), Default::default());
}

#[test]
fn forgetting_a_peer_ends_everything_of_it() {
    let mut bench = Bench::new();
    let (ticket, _) = requests(&bench.hear(&con(5, b"t", &get("/a")))).remove(0);
    let first = bench.endpoint.request(bench.now, 1, get("/3"), SendOptions::default()).unwrap();
    let second = bench.endpoint.request(bench.now, 1, get("/4"), SendOptions::default()).unwrap();
    bench.hear(&con(6, b"t", &Message::new(Code::PUT).with_uint(OptionNumber::BLOCK1, 8).with_payload(vec![0; 16])));
    bench.endpoint.forget(1);
    let failed: Vec<_> = bench
        .drain()
        .into_iter()
        .filter_map(|output| match output {
            Output::Failed { id, cause: Failure::PeerGone, .. } => Some(id),
            _ => None,
        })
        .collect();
    assert_eq!(failed, [first, second]);
    assert!(bench.endpoint.respond(bench.now, ticket, content("x")).is_err());
    bench.rest();
    assert_eq!(bench.endpoint.load(), Default::default());
}
