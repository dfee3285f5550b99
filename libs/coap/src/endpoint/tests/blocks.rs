//! Block-wise transfer (RFC 7959) in both roles against hand-made datagrams.

use super::*;
use crate::{Block, ExchangeId, Failure};

fn put(num: u32, more: bool, szx: u8, length: usize) -> Message {
    let block = Block { num, more, szx };
    Message::new(Code::PUT)
        .with_path("/5/0/0")
        .with_uint(OptionNumber::BLOCK1, block.value())
        .with_payload(vec![num as u8; length])
}

fn code_and_block1(outputs: &[Output<u32>]) -> (Code, Option<Block>) {
    let sent = only(outputs);
    (sent.code, sent.options.get().block1())
}

fn block(num: u32, more: bool, szx: u8) -> Option<Block> {
    Some(Block { num, more, szx })
}

#[test]
fn a_request_body_is_assembled_and_given_once() {
    let mut bench = Bench::new();
    let first = con(1, b"a", &put(0, true, 2, 64));
    assert_eq!(code_and_block1(&bench.hear(&first)), (Code::CONTINUE, block(0, true, 2)));
    assert_eq!(code_and_block1(&bench.hear(&first)), (Code::CONTINUE, block(0, true, 2)), "a duplicate changes nothing");
    assert_eq!(code_and_block1(&bench.hear(&con(2, b"b", &put(1, true, 2, 64)))), (Code::CONTINUE, block(1, true, 2)));
    let last = con(3, b"c", &put(2, false, 2, 10));
    let (ticket, request) = requests(&bench.hear(&last)).remove(0);
    assert_eq!(request.payload, [vec![0; 64], vec![1; 64], vec![2; 10]].concat());
    assert_eq!((request.opts().block1(), request.opts().uri_path().count()), (None, 3));
    bench.endpoint.respond(bench.now, ticket, Message::new(Code::CHANGED)).unwrap();
    assert_eq!(code_and_block1(&bench.drain()), (Code::CHANGED, block(2, false, 2)));
    assert_eq!(code_and_block1(&bench.hear(&last)), (Code::CHANGED, block(2, false, 2)));
    assert_eq!(bench.endpoint.load().assembly_bytes, 0);
}

#[test]
fn the_format_of_a_body_is_that_of_its_first_block() {
    for (first, last, expected) in
        [(Some(40), None, Some(40)), (Some(40), Some(40), Some(40)), (None, Some(40), Some(40)), (None, None, None)]
    {
        let mut bench = Bench::new();
        let of = |format: Option<u32>, message: Message| match format {
            Some(format) => message.with_uint(OptionNumber::CONTENT_FORMAT, format),
            None => message,
        };
        bench.hear(&con(1, b"a", &of(first, put(0, true, 0, 16))));
        let (_, request) = requests(&bench.hear(&con(2, b"b", &of(last, put(1, false, 0, 3))))).remove(0);
        assert_eq!(request.opts().content_format().map(|format| u32::from(format.0)), expected, "{first:?} {last:?}");
        assert_eq!(request.payload.len(), 19);
    }
}

#[test]
fn blocks_that_do_not_fit_are_refused() {
    type Steps = &'static [(u32, bool, u8, usize, Code)];
    const GAP: Code = Code::REQUEST_ENTITY_INCOMPLETE;
    let cases: [Steps; 8] = [
        &[(1, true, 0, 16, GAP)],
        &[(0, true, 0, 16, Code::CONTINUE), (2, true, 0, 16, GAP)],
        &[(0, true, 0, 16, Code::CONTINUE), (1, true, 0, 16, Code::CONTINUE), (1, true, 0, 16, GAP)],
        &[(0, true, 0, 15, Code::BAD_REQUEST)],
        &[(0, true, 0, 17, Code::BAD_REQUEST)],
        &[(0, true, 0, 16, Code::CONTINUE), (1, false, 0, 17, Code::BAD_REQUEST)],
        &[(0, true, 1, 32, Code::CONTINUE), (2, true, 0, 16, Code::CONTINUE), (3, true, 0, 16, Code::CONTINUE)],
        &[(0, true, 0, 16, Code::CONTINUE), (0, true, 0, 16, Code::CONTINUE), (1, true, 0, 16, Code::CONTINUE)],
    ];
    for steps in cases {
        let mut bench = Bench::new();
        for (at, (num, more, szx, length, code)) in steps.iter().enumerate() {
            let outputs = bench.hear(&con(at as u16, b"t", &put(*num, *more, *szx, *length)));
            assert_eq!(only(&outputs).code, *code, "{steps:?} at {at}");
        }
    }
}

#[test]
fn a_body_above_the_limit_gets_the_limit() {
    for request in [
        put(0, true, 2, 64).with_uint(OptionNumber::SIZE1, 201),
        put(3, true, 2, 64),
        Message::new(Code::PUT).with_uint(OptionNumber::BLOCK1, Block { num: 0xf_ffff, more: false, szx: 6 }.value()),
    ] {
        let mut bench = Bench::with(Config::default(), Limits { body_bytes: 200, ..Limits::default() });
        let answer = only(&bench.hear(&con(1, b"", &request)));
        assert_eq!((answer.code, answer.options.get().size1()), (Code::REQUEST_ENTITY_TOO_LARGE, Some(200)));
    }
}

#[test]
fn uploads_to_different_targets_do_not_mix() {
    let mut bench = Bench::new();
    let other = |num, more| put(num, more, 0, 16).with_query("other");
    let tagged = |num, more| put(num, more, 0, 16).with(OptionNumber::REQUEST_TAG, b"1");
    for (id, request) in [(1, put(0, true, 0, 16)), (2, other(0, true)), (3, tagged(0, true))] {
        assert_eq!(only(&bench.hear(&con(id, b"", &request))).code, Code::CONTINUE);
    }
    assert_eq!(bench.endpoint.load().uploads, 3);
    for (id, request) in [(4, put(1, false, 0, 16)), (5, other(1, false)), (6, tagged(1, false))] {
        assert_eq!(requests(&bench.hear(&con(id, b"", &request)))[0].1.payload.len(), 32);
    }
    assert_eq!(only(&bench.hear_from(2, &con(4, b"", &put(1, false, 0, 16)))).code, Code::REQUEST_ENTITY_INCOMPLETE);
}

#[test]
fn an_unfinished_upload_ends_after_its_time() {
    let mut bench = Bench::new();
    bench.hear(&con(1, b"", &put(0, true, 0, 16)));
    bench.until(bench.now + s(249));
    assert_eq!(bench.endpoint.load(), Default::default());
    assert_eq!(only(&bench.hear(&con(2, b"", &put(1, true, 0, 16)))).code, Code::REQUEST_ENTITY_INCOMPLETE);
}

fn body(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 16) as u8).collect()
}

fn get_block(num: u32, szx: u8) -> Message {
    get("/big").with_uint(OptionNumber::BLOCK2, Block { num, more: false, szx }.value())
}

#[test]
fn a_large_response_is_cut_and_its_blocks_are_served_without_the_owner() {
    let mut bench = Bench::new();
    let (ticket, _) = requests(&bench.hear(&con(1, b"t", &get("/big")))).remove(0);
    bench.endpoint.respond(bench.now, ticket, content(body(2_500))).unwrap();
    let first = only(&bench.drain());
    let options = first.options.get();
    assert_eq!((first.code, options.block2(), options.size2()), (Code::CONTENT, block(0, true, 6), Some(2_500)));
    assert_eq!((first.payload, options.etag().map(<[u8]>::len)), (body(2_500)[..1_024].to_vec(), Some(8)));
    // The client may go on with smaller blocks.
    for (id, num, szx, range, more) in
        [(2, 1, 6, 1_024..2_048, true), (3, 16, 3, 2_048..2_176, true), (4, 2, 6, 2_048..2_500, false)]
    {
        let outputs = bench.hear(&con(id, b"u", &get_block(num, szx)));
        let next = only(&outputs);
        assert_eq!((next.options.get().block2(), outputs.len()), (block(num, more, szx), 1));
        assert_eq!((&next.payload[..], next.options.get().etag()), (&body(2_500)[range], options.etag()));
    }
    assert_eq!(only(&bench.hear(&con(5, b"u", &get_block(3, 6)))).code, Code::BAD_REQUEST);
    bench.until(bench.now + s(600));
    assert_eq!(bench.endpoint.load(), Default::default());
}

#[test]
fn a_block_of_a_body_no_longer_kept_is_cut_from_a_fresh_answer() {
    let mut bench = Bench::new();
    let (ticket, request) = requests(&bench.hear(&con(1, b"t", &get_block(2, 6)))).remove(0);
    assert_eq!(request.opts().block2(), block(2, false, 6));
    bench.endpoint.respond(bench.now, ticket, content(body(2_500))).unwrap();
    let sent = only(&bench.drain());
    assert_eq!((sent.options.get().block2(), &sent.payload[..]), (block(2, false, 6), &body(2_500)[2_048..]));
    let (ticket, _) = requests(&bench.hear_from(2, &con(1, b"t", &get_block(2, 6)))).remove(0);
    bench.endpoint.respond(bench.now, ticket, Message::new(Code::NOT_FOUND).with_payload("gone")).unwrap();
    assert_eq!(only(&bench.drain()).code, Code::NOT_FOUND, "an error is not cut");
    let post = Message { code: Code::POST, ..get_block(1, 6) };
    assert_eq!(only(&bench.hear(&con(9, b"t", &post))).code, Code::REQUEST_ENTITY_INCOMPLETE, "what acts is not done twice");
}

#[test]
fn a_small_block_asked_for_is_given_also_for_a_small_body() {
    for (szx, length, expected) in [(0, 40, block(0, true, 0)), (2, 40, block(0, false, 2)), (6, 40, block(0, false, 6))] {
        let mut bench = Bench::new();
        let (ticket, _) = requests(&bench.hear(&con(1, b"t", &get_block(0, szx)))).remove(0);
        bench.endpoint.respond(bench.now, ticket, content(body(length))).unwrap();
        assert_eq!(only(&bench.drain()).options.get().block2(), expected);
    }
}

#[test]
fn a_fetch_that_repeats_its_body_gets_blocks_of_its_own_answer() {
    let mut bench = Bench::new();
    let fetch = |payload: &'static str, message: Message| Message { code: Code::FETCH, ..message }.with_payload(payload);
    for (id, which, size) in [(1, "a", 1_500), (2, "b", 1_600)] {
        let (ticket, _) = requests(&bench.hear(&con(id, b"t", &fetch(which, get("/big"))))).remove(0);
        bench.endpoint.respond(bench.now, ticket, content(body(size))).unwrap();
        bench.drain();
    }
    assert_eq!(requests(&bench.hear(&con(3, b"t", &fetch("a", get_block(1, 6))))).len(), 1, "replaced: the owner is asked");
    assert_eq!(only(&bench.hear(&con(4, b"t", &fetch("b", get_block(1, 6))))).payload.len(), 576);
    assert_eq!(only(&bench.hear(&con(5, b"t", &fetch("", get_block(1, 6))))).payload.len(), 576);
}

fn begin(bench: &mut Bench, request: Message, block_bytes: Option<usize>) -> (ExchangeId, Sent) {
    let how = SendOptions { block_bytes, ..SendOptions::default() };
    let id = bench.endpoint.request(bench.now, 1, request, how).unwrap();
    (id, only(&bench.drain()))
}

fn response(outputs: &[Output<u32>], wanted: ExchangeId) -> Result<Message, Failure> {
    let end = |output: &Output<u32>| match output {
        Output::Response { id, response, .. } if *id == wanted => Some(Ok(response.clone())),
        Output::Failed { id, cause, .. } if *id == wanted => Some(Err(*cause)),
        _ => None,
    };
    outputs.iter().find_map(end).unwrap()
}

fn continues(num: u32, szx: u8) -> Message {
    Message::new(Code::CONTINUE).with_uint(OptionNumber::BLOCK1, Block { num, more: true, szx }.value())
}

#[test]
fn a_large_request_goes_in_blocks_of_the_size_the_peer_likes() {
    let mut bench = Bench::new();
    let request = Message::new(Code::PUT).with_path("/5/0/0").with_payload(body(200));
    let (id, first) = begin(&mut bench, request, Some(100));
    assert_eq!((first.options.get().block1(), first.options.get().size1()), (block(0, true, 2), Some(200)));
    assert_eq!(first.payload, body(200)[..64]);
    let mut sent = only(&bench.hear(&ack(first.message_id, &first.token, &continues(0, 1))));
    for (num, range) in [(2, 64..96), (3, 96..128), (4, 128..160), (5, 160..192)] {
        assert_eq!((sent.options.get().block1(), &sent.payload[..]), (block(num, true, 1), &body(200)[range]));
        sent = only(&bench.hear(&ack(sent.message_id, &sent.token, &continues(num, 1))));
    }
    assert_eq!((sent.options.get().block1(), &sent.payload[..]), (block(6, false, 1), &body(200)[192..]));
    let done = Message::new(Code::CHANGED).with_uint(OptionNumber::BLOCK1, 6 << 4 | 1);
    assert_eq!(response(&bench.hear(&ack(sent.message_id, &sent.token, &done)), id).map(|r| r.code), Ok(Code::CHANGED));
}

#[test]
fn an_upload_starts_again_smaller_or_ends_as_the_peer_says() {
    let request = || Message::new(Code::PUT).with_payload(body(200));
    let too_large = Message::new(Code::REQUEST_ENTITY_TOO_LARGE);
    let mut bench = Bench::new();
    let (_, first) = begin(&mut bench, request(), Some(128));
    let smaller = too_large.clone().with_uint(OptionNumber::BLOCK1, Block { num: 0, more: true, szx: 1 }.value());
    let again = only(&bench.hear(&ack(first.message_id, &first.token, &smaller)));
    assert_eq!((again.options.get().block1(), again.payload.len()), (block(0, true, 1), 32));

    for (answer, end) in [
        (too_large, Ok(Code::REQUEST_ENTITY_TOO_LARGE)),
        (Message::new(Code::REQUEST_ENTITY_INCOMPLETE), Ok(Code::REQUEST_ENTITY_INCOMPLETE)),
        (Message::new(Code::CHANGED), Err(Failure::Protocol)),
        (continues(7, 3), Err(Failure::Protocol)),
    ] {
        let mut bench = Bench::new();
        let (id, first) = begin(&mut bench, request(), Some(128));
        let outputs = bench.hear(&ack(first.message_id, &first.token, &answer));
        assert_eq!(response(&outputs, id).map(|r| r.code), end, "{answer:?}");
    }
}

fn part(num: u32, more: bool, range: core::ops::Range<usize>) -> Message {
    let block = Block { num, more, szx: 2 };
    content(body(200)[range].to_vec()).with_uint(OptionNumber::BLOCK2, block.value()).with(OptionNumber::ETAG, b"e")
}

#[test]
fn a_response_in_blocks_is_fetched_to_its_end() {
    let mut bench = Bench::new();
    let (id, first) = begin(&mut bench, get("/big").with_query("q").with_observe(0), None);
    let mut sent = only(&bench.hear(&ack(first.message_id, &first.token, &part(0, true, 0..64).with_observe(9))));
    for (num, range) in [(1, 64..128), (2, 128..192)] {
        let options = sent.options.get();
        assert_eq!((options.block2(), options.observe(), options.uri_query().next()), (block(num, false, 2), None, Some("q")));
        assert_ne!(sent.token, first.token);
        sent = only(&bench.hear(&ack(sent.message_id, &sent.token, &part(num, true, range))));
    }
    let outputs = bench.hear(&ack(sent.message_id, &sent.token, &part(3, false, 192..200)));
    let whole = response(&outputs, id).unwrap();
    assert_eq!((&whole.payload[..], whole.opts().observe(), whole.opts().block2()), (&body(200)[..], Some(9), None));
    assert!(matches!(&outputs[0], Output::Response { token, .. } if token.as_bytes() == first.token));
    assert_eq!(bench.endpoint.load().assembly_bytes, 0);
}

#[test]
fn downloads_that_go_wrong() {
    let changed = part(1, true, 64..128);
    let changed = Message { options: changed.opts().iter().filter(|(n, _)| *n != OptionNumber::ETAG).collect(), ..changed };
    for (first, second, end) in [
        (part(0, true, 0..63), None, Err(Failure::Protocol)),
        (part(1, true, 0..64), None, Err(Failure::Protocol)),
        (part(0, true, 0..64).with_uint(OptionNumber::SIZE2, 151), None, Err(Failure::TooLarge)),
        (part(0, true, 0..64), Some(part(2, true, 64..128)), Err(Failure::Protocol)),
        (part(0, true, 0..64), Some(part(1, true, 64..100)), Err(Failure::Protocol)),
        (part(0, true, 0..64), Some(changed), Err(Failure::Changed)),
        (part(0, true, 0..64), Some(Message::new(Code::NOT_FOUND)), Ok(Code::NOT_FOUND)),
        (part(0, true, 0..64), Some(Message { code: Code::CHANGED, ..part(1, true, 64..128) }), Err(Failure::Protocol)),
        (part(0, true, 0..64), Some(content("all")), Ok(Code::CONTENT)),
    ] {
        let mut bench = Bench::with(Config::default(), Limits { body_bytes: 150, ..Limits::default() });
        let (id, asked) = begin(&mut bench, get("/big"), None);
        let mut outputs = bench.hear(&ack(asked.message_id, &asked.token, &first));
        if let Some(second) = &second {
            let asked = only(&outputs);
            outputs = bench.hear(&ack(asked.message_id, &asked.token, second));
        }
        assert_eq!(response(&outputs, id).map(|r| r.code), end, "{first:?} {second:?}");
        assert_eq!(bench.endpoint.load().assembly_bytes, 0);
    }
    let mut bench = Bench::with(Config::default(), Limits { body_bytes: 150, ..Limits::default() });
    let (id, mut asked) = begin(&mut bench, get("/big"), None);
    for num in 0..2 {
        asked =
            only(&bench.hear(&ack(asked.message_id, &asked.token, &part(num, true, num as usize * 64..(num as usize + 1) * 64))));
    }
    let outputs = bench.hear(&ack(asked.message_id, &asked.token, &part(2, true, 128..192)));
    assert_eq!(response(&outputs, id), Err(Failure::TooLarge));
}

#[test]
fn between_blocks_an_acknowledged_exchange_waits_for_its_turn_before_the_others() {
    let mut bench = Bench::new();
    let (id, first) = begin(&mut bench, get("/big"), None);
    bench.endpoint.request(bench.now, 1, get("/second"), SendOptions::default()).unwrap();
    bench.endpoint.request(bench.now, 1, get("/third"), SendOptions::default()).unwrap();
    let second = only(&bench.hear(&crate::encode_empty(Kind::Acknowledgement, first.message_id)));
    assert_eq!(second.options.get().uri_path().next(), Some("second"));
    assert_eq!(sent(&bench.hear(&non(40, &first.token, &part(0, true, 0..64)))), [], "the turn is the second one's");
    let next = only(&bench.hear(&ack(second.message_id, &second.token, &content("x"))));
    assert_eq!(next.options.get().block2(), block(1, false, 2), "before the third");
    let outputs = bench.hear(&ack(next.message_id, &next.token, &part(1, false, 64..100)));
    assert_eq!(response(&outputs, id).unwrap().payload, body(200)[..100]);
    assert_eq!(only(&outputs).options.get().uri_path().next(), Some("third"));
}

/// A peer with a short record: whatever goes to it fits, and bodies arrive whole.
#[test]
fn blocks_fit_what_a_peer_takes() {
    let body: Vec<u8> = (0..3_000).map(|n| n as u8).collect();
    let most = |bytes: usize| bytes.max(64);
    for bytes in [64, 100, 512, 1_024, 1_100, 16_384] {
        let mut bench = Bench::new();
        bench.endpoint.limit_datagrams(1, bytes);
        let request = Message::new(Code::PUT).with_path("/3303/0/5700").with_payload(body.clone());
        bench.endpoint.request(bench.now, 1, request, SendOptions::default()).unwrap();
        let (mut arrived, mut outputs) = (vec![], bench.drain());
        while let [Output::Send { datagram, .. }, ..] = &outputs[..] {
            assert!(datagram.len() <= most(bytes), "{} of {bytes}", datagram.len());
            let part = read(datagram);
            let block = part.options.get().block1().unwrap();
            arrived.extend(part.payload);
            let code = if block.more { Code::CONTINUE } else { Code::CHANGED };
            let answer = Message::new(code).with_uint(OptionNumber::BLOCK1, block.value());
            outputs = bench.hear(&ack(part.message_id, &part.token, &answer));
        }
        assert_eq!(arrived, body, "{bytes}");
        let (mut arrived, mut num) = (vec![], 0);
        loop {
            let asked =
                get("/a").with_uint(OptionNumber::BLOCK2, Block { num, more: false, szx: if num == 0 { 6 } else { 0 } }.value());
            let asked = if num == 0 { get("/a") } else { asked };
            let mut outputs = bench.hear(&con(num as u16, b"12345678", &asked));
            for (ticket, _) in requests(&outputs) {
                bench.endpoint.respond(bench.now, ticket, content(body.clone())).unwrap();
                outputs = bench.drain();
            }
            let Some(Output::Send { datagram, .. }) = outputs.first() else { panic!("{outputs:?}") };
            assert!(datagram.len() <= most(bytes), "{} of {bytes}", datagram.len());
            let part = read(datagram);
            arrived.extend(part.payload);
            num = (arrived.len() / 16) as u32;
            if !part.options.get().block2().unwrap().more {
                break;
            }
        }
        assert_eq!(arrived, body, "{bytes}");
        bench.endpoint.forget(1);
        bench.endpoint.notify(bench.now, 1, crate::Token::EMPTY, content(body.clone()), true).unwrap();
        let told = only(&bench.drain());
        assert_eq!(told.payload.len(), 1_024, "forgotten");
    }
}

#[test]
fn what_cannot_be_sent_ends_at_once() {
    let mut bench = Bench::new();
    let id = bench.endpoint.request(bench.now, 1, get("/3").with_query(&"q".repeat(200)), SendOptions::default()).unwrap();
    let [Output::Send { datagram, .. }] = &bench.drain()[..] else { panic!("not sent") };
    let mine = read(datagram);
    bench.endpoint.unsendable(bench.now, 1, &ack(mine.message_id, &mine.token, &content("x")));
    assert_eq!(bench.drain(), [], "an answer is not the request of the same number");
    bench.endpoint.unsendable(bench.now, 1, datagram);
    assert_eq!(bench.drain(), [Output::Failed { id, peer: 1, cause: Failure::TooLong }]);
    assert!(bench.rest().is_empty(), "nothing is sent again");
    assert_eq!(bench.endpoint.load(), Default::default());
}
