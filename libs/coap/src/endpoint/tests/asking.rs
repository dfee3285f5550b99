//! The client role against hand-made datagrams.

use super::*;
use crate::{ExchangeId, Failure, Retransmit, SendError, Token, encode_empty};

fn ask(bench: &mut Bench, request: Message) -> (ExchangeId, Sent) {
    let id = bench.endpoint.request(bench.now, 1, request, SendOptions::default()).unwrap();
    (id, only(&bench.drain()))
}

fn ends(outputs: &[Output<u32>]) -> Vec<Result<(ExchangeId, Message), (ExchangeId, Failure)>> {
    let end = |output: &Output<u32>| match output {
        Output::Response { id, response, .. } => Some(Ok((*id, response.clone()))),
        Output::Failed { id, cause, .. } => Some(Err((*id, *cause))),
        _ => None,
    };
    outputs.iter().filter_map(end).collect()
}

#[test]
fn retransmission_times_are_exact() {
    for (ack_timeout, percent, most) in [(s(2), 150, 4), (s(10), 100, 2), (ms(500), 300, 0), (s(2), 150, 1)] {
        let mut bench = Bench::new();
        let retransmit = Retransmit { ack_timeout, ack_random_percent: percent, max_retransmit: most };
        let how = SendOptions { retransmit: Some(retransmit), ..SendOptions::default() };
        let id = bench.endpoint.request(bench.now, 1, get("/1"), how).unwrap();
        let first = only(&bench.drain());
        let start = bench.now;
        let outputs = bench.rest();
        assert_eq!(outputs.len(), usize::from(most) + 1);
        let wait = outputs[0].0 - start;
        assert!(wait >= ack_timeout && wait <= ack_timeout * percent / 100, "{wait:?}");
        let mut due = start;
        for (at, (time, output)) in outputs.iter().enumerate() {
            due += wait * (1 << at);
            assert_eq!(*time, due);
            if at < usize::from(most) {
                assert_eq!(only(std::slice::from_ref(output)), first, "the same bytes");
            } else {
                assert_eq!(ends(std::slice::from_ref(output)), [Err((id, Failure::Timeout))]);
            }
        }
        assert_eq!(bench.endpoint.load(), Default::default());
    }
}

#[test]
fn the_first_wait_is_spread_over_its_range() {
    let mut bench = Bench::new();
    let mut waits = Vec::new();
    for peer in 0..200 {
        bench.endpoint.request(bench.now, peer, get("/1"), SendOptions::default()).unwrap();
        waits.push(bench.endpoint.poll_timeout().unwrap() - bench.now);
        bench.endpoint.forget(peer);
    }
    let (low, high) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(*low >= s(2) && *low < ms(2_050) && *high > ms(2_950) && *high <= s(3), "{low:?} {high:?}");
}

#[test]
fn responses_come_on_the_acknowledgement_or_apart() {
    let mut bench = Bench::new();
    let (id, asked) = ask(&mut bench, get("/1"));
    let outputs = bench.hear(&ack(asked.message_id, &asked.token, &content("now")));
    assert_eq!(ends(&outputs), [Ok((id, content("now")))]);
    assert_eq!(refusals(&bench.hear(&ack(asked.message_id, &asked.token, &content("now")))), ["response.unexpected"]);

    let (id, asked) = ask(&mut bench, get("/2"));
    let empty = encode_empty(Kind::Acknowledgement, asked.message_id);
    assert!(matches!(bench.hear(&empty)[..], [Output::Acknowledged { id: told, peer: 1 }] if told == id));
    assert_eq!(bench.hear(&empty), []);
    bench.until(bench.now + s(90));
    let late = con(77, &asked.token, &content("later"));
    let outputs = bench.hear(&late);
    assert_eq!((gist(&outputs), ends(&outputs)), ((Kind::Acknowledgement, Code::EMPTY, 77), vec![Ok((id, content("later")))]));
    let again = bench.hear(&late);
    assert_eq!((gist(&again), again.len()), ((Kind::Acknowledgement, Code::EMPTY, 77), 1), "a duplicate is only acknowledged");

    let (id, asked) = ask(&mut bench, get("/3"));
    let outputs = bench.hear(&con(78, &asked.token, &content("before the ack")));
    assert_eq!(ends(&outputs), [Ok((id, content("before the ack")))]);
    assert_eq!(bench.hear(&encode_empty(Kind::Acknowledgement, asked.message_id)), []);
}

#[test]
fn what_does_not_fit_is_no_response() {
    let mut bench = Bench::new();
    let (id, asked) = ask(&mut bench, get("/1"));
    let other = asked.message_id.wrapping_add(1);
    assert_eq!(refusals(&bench.hear(&ack(asked.message_id, b"wrong", &content("x")))), ["response.unexpected"]);
    assert_eq!(refusals(&bench.hear(&ack(other, &asked.token, &content("x")))), ["response.unexpected"]);
    assert_eq!(refusals(&bench.hear_from(2, &ack(asked.message_id, &asked.token, &content("x")))), ["response.unexpected"]);
    assert_eq!(bench.hear(&encode_empty(Kind::Reset, other)), []);
    assert_eq!(bench.hear_from(2, &encode_empty(Kind::Reset, asked.message_id)), []);
    assert_eq!(ends(&bench.hear(&ack(asked.message_id, &asked.token, &content("y")))), [Ok((id, content("y")))]);
}

#[test]
fn ends_without_a_response() {
    let mut bench = Bench::new();
    let (id, asked) = ask(&mut bench, get("/1"));
    assert_eq!(ends(&bench.hear(&encode_empty(Kind::Reset, asked.message_id))), [Err((id, Failure::Reset))]);

    let (id, asked) = ask(&mut bench, get("/1"));
    bench.hear(&encode_empty(Kind::Acknowledgement, asked.message_id));
    let start = bench.now;
    let outputs = bench.until(start + s(200));
    assert_eq!((outputs.len(), outputs[0].0), (1, start + s(93)));
    assert_eq!(ends(&[outputs[0].1.clone()]), [Err((id, Failure::Timeout))]);

    let (id, _) = ask(&mut bench, get("/1"));
    assert!(bench.endpoint.cancel(bench.now, id));
    assert_eq!(ends(&bench.drain()), [Err((id, Failure::Cancelled))]);
    assert!(!bench.endpoint.cancel(bench.now, id));

    let (id, asked) = ask(&mut bench, get("/1"));
    let strange = content("x").with(OptionNumber(9), b"");
    assert_eq!(ends(&bench.hear(&ack(asked.message_id, &asked.token, &strange))), [Err((id, Failure::Protocol))]);
    assert_eq!(bench.rest(), []);
    assert_eq!(bench.endpoint.load(), Default::default());
}

#[test]
fn one_interaction_at_a_time_and_the_others_in_order() {
    let mut bench = Bench::new();
    let ids: Vec<_> =
        (0..4).map(|n| bench.endpoint.request(bench.now, 1, get(&format!("/{n}")), SendOptions::default()).unwrap()).collect();
    let first = only(&bench.drain());
    assert!(bench.endpoint.cancel(bench.now, ids[2]));
    bench.drain();
    // An acknowledgement ends the interaction at this layer: the next one goes, the response may come later (RFC 7252 4.7).
    let second = only(&bench.hear(&encode_empty(Kind::Acknowledgement, first.message_id)));
    assert_eq!(second.options.get().uri_path().next(), Some("1"));
    let outputs = bench.hear(&ack(second.message_id, &second.token, &content("b")));
    assert_eq!(ends(&outputs), [Ok((ids[1], content("b")))]);
    let fourth = only(&outputs);
    assert_eq!(fourth.options.get().uri_path().next(), Some("3"));
    assert_eq!(ends(&bench.hear(&non(5, &first.token, &content("a")))), [Ok((ids[0], content("a")))]);
    let to_others = bench.endpoint.request(bench.now, 2, get("/9"), SendOptions::default()).unwrap();
    assert_eq!(sent(&bench.drain()).len(), 1, "another peer does not wait");
    assert_ne!(to_others, ids[3]);
}

#[test]
fn message_ids_follow_each_other_and_start_anew_after_the_peer_forgot() {
    let mut bench = Bench::new();
    let mut ids = Vec::new();
    for wait in [s(0), s(1), s(100), s(600)] {
        bench.until(bench.now + wait);
        let (_, asked) = ask(&mut bench, get("/1"));
        bench.hear(&ack(asked.message_id, &asked.token, &content("x")));
        ids.push(asked.message_id);
    }
    assert_eq!((ids[1], ids[2]), (ids[0].wrapping_add(1), ids[0].wrapping_add(2)));
    assert_ne!(ids[3], ids[0].wrapping_add(3), "random again");
}

#[test]
fn refused_requests() {
    let limits = Limits { exchanges: 3, exchanges_per_peer: 2, body_bytes: 100, ..Limits::default() };
    let mut bench = Bench::with(Config::default(), limits);
    let mut try_it = |peer, request: Message, token: Option<&[u8]>| {
        let token = token.map(|token| Token::new(token).unwrap());
        bench.endpoint.request(s(0), peer, request, SendOptions { token, ..SendOptions::default() }).err()
    };
    assert_eq!(try_it(1, Message::new(Code::CONTENT), None), Some(SendError::Code));
    assert_eq!(try_it(1, Message::new(Code::EMPTY), None), Some(SendError::Code));
    assert_eq!(try_it(1, Message::new(Code::PUT).with_payload(vec![0; 101]), None), Some(SendError::TooLarge));
    assert_eq!(try_it(1, get("/"), Some(&[1; 33])), Some(SendError::Token));
    assert_eq!(try_it(1, get("/"), Some(b"a")), None);
    assert_eq!(try_it(1, get("/"), Some(b"a")), Some(SendError::Token));
    assert_eq!(try_it(1, get("/"), None), None);
    assert_eq!(try_it(1, get("/"), None), Some(SendError::Full));
    assert_eq!(try_it(2, get("/"), Some(b"a")), None);
    assert_eq!(try_it(3, get("/"), None), Some(SendError::Full));
    assert_eq!(bench.endpoint.load().peers, 2, "a refused request leaves nothing");
}

#[test]
fn non_confirmable_requests_neither_wait_nor_repeat() {
    let mut bench = Bench::new();
    ask(&mut bench, get("/1"));
    let how = SendOptions { confirmable: false, response_timeout: Some(s(7)), ..SendOptions::default() };
    let id = bench.endpoint.request(bench.now, 1, get("/2"), how.clone()).unwrap();
    let asked = only(&bench.drain());
    assert_eq!(asked.kind, Kind::NonConfirmable);
    assert_eq!(ends(&bench.hear(&non(5, &asked.token, &content("x")))), [Ok((id, content("x")))]);
    let mut bench = Bench::new();
    let id = bench.endpoint.request(bench.now, 1, get("/2"), how.clone()).unwrap();
    bench.drain();
    let (start, outputs) = (bench.now, bench.rest());
    assert_eq!((outputs.len(), outputs[0].0), (1, start + s(7)));
    assert_eq!(ends(&[outputs[0].1.clone()]), [Err((id, Failure::Timeout))]);
    let id = bench.endpoint.request(bench.now, 1, get("/2"), how).unwrap();
    let asked = only(&bench.drain());
    assert_eq!(ends(&bench.hear(&encode_empty(Kind::Reset, asked.message_id))), [Err((id, Failure::Reset))]);
}

#[test]
fn an_echo_challenge_is_met_once() {
    let mut bench = Bench::new();
    let (id, asked) = ask(&mut bench, get("/1"));
    let challenge = Message::new(Code::UNAUTHORIZED).with(OptionNumber::ECHO, b"fresh");
    let again = only(&bench.hear(&ack(asked.message_id, &asked.token, &challenge)));
    assert_ne!(again.message_id, asked.message_id);
    assert_eq!((again.options.get().echo(), again.options.get().uri_path().next()), (Some(&b"fresh"[..]), Some("1")));
    let outputs = bench.hear(&ack(again.message_id, &again.token, &challenge));
    assert_eq!(ends(&outputs), [Ok((id, challenge))], "the second one is the answer");
}
