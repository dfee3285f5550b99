//! Scripts that mean harm.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{sandbox, script};
use crate::{CodecError, Limits, Sandbox, Script};

/// Enough time for memory to be the limit that is met.
const MEMORY_FIRST: Limits = Limits { time_ms: 5_000, memory_bytes: 8 << 20, ..LIMITS };
const TIME_FIRST: Limits = Limits { memory_bytes: 256 << 20, ..LIMITS };
const LIMITS: Limits = Limits {
    time_ms: 20,
    memory_bytes: 16 << 20,
    output_bytes: 64 << 10,
    source_bytes: 64 << 10,
    input_bytes: 4 << 10,
    cache_bytes: 64 << 20,
    queue_calls: 64,
    rest_ms: 3_600_000,
};

/// Each source fails as `failed` says; afterwards another codec, and the same codec with harmless source, work.
async fn all_fail(limits: Limits, sources: &[&str], failed: impl Fn(&CodecError) -> bool) {
    let sandbox = sandbox(limits);
    for source in sources {
        let result = sandbox.decode(&script(1, source), &[1, 2, 3], "{}").await;
        assert!(result.as_ref().is_err_and(&failed), "{source}: {result:?}");
        for id in [1, 2] {
            let after = sandbox.decode(&script(id, "function decode(bytes) { return [...bytes] }"), &[1, 2, 3], "{}").await;
            assert_eq!(after.as_deref(), Ok("[1,2,3]"), "after {source}");
        }
    }
}

#[tokio::test]
async fn endless_work_is_stopped() {
    let sources = [
        "function decode() { for (;;); }",
        "function decode() { for (;;) try { for (;;) f() } catch {} }",
        "function decode() { return /^(a+)+$/.test('a'.repeat(40) + '!') }",
        "function decode() { return {get a() { for (;;); }} }",
        "function decode() { return {toJSON() { for (;;); }} }",
        "function decode() { throw {toString() { for (;;); }} }",
        "function decode() { const again = () => Promise.resolve().then(again); again(); return [] }",
        "function decode() { return Array(2 ** 32 - 1).join('') }",
        "function decode() { return new Proxy([], {get() { for (;;); }}) }",
        "function decode() { return Array(1e9).fill(0).sort() }",
        "for (;;);",
    ];
    all_fail(TIME_FIRST, &sources, |error| matches!(error, CodecError::TimedOut { limit_ms: 20 | 200 })).await;
}

#[tokio::test]
async fn greed_is_stopped() {
    let sources = [
        "function decode() { const a = []; for (;;) a.push({a}) }",
        "function decode() { const a = []; for (;;) a.push('x'.repeat(1e5)) }",
        "function decode() { return {s: 'x'.repeat(1 << 28)} }",
        "function decode() { return new Uint8Array(1 << 30) }",
        "function decode() { const m = new Map(); for (let i = 0; ; i++) m.set(i, [i]) }",
        "let s = []; for (;;) s.push(new ArrayBuffer(1 << 16))",
    ];
    all_fail(MEMORY_FIRST, &sources, |error| *error == CodecError::OutOfMemory { limit_bytes: 6 << 20 }).await;
}

#[tokio::test]
async fn deep_recursion_is_stopped() {
    let sources = [
        "function decode() { return decode() }",
        "function decode() { const o = {toString() { return `${o}` }}; return {a: `${o}`} }",
        "function decode() { return JSON.parse('['.repeat(1e5)) }",
        "function decode() { return eval('('.repeat(1e5)) }",
        "function decode() { let a = []; for (let i = 0; i < 1e4; i++) a = [a]; return a }",
        "function decode() { const p = new Proxy({}, {get(t, k, r) { return r[k] }}); return {a: p.x} }",
        "function decode() { class A { get a() { return this.a } } return [new A().a] }",
        "function decode() { return [[1].map(function f() { return [1].map(f) })] }",
    ];
    let too_deep = |error: &CodecError| matches!(error, CodecError::Threw { message, .. } if message == "RangeError: Maximum call stack size exceeded");
    all_fail(Limits { time_ms: 5_000, ..LIMITS }, &sources, too_deep).await;
}

#[tokio::test]
async fn long_output_is_refused() {
    let limit_bytes = LIMITS.output_bytes;
    let sources = [
        "function decode() { return {s: 'x'.repeat(70000)} }",
        "function decode() { return Array(40000).fill(1) }",
        "function decode() { return ['é'.repeat(32768)] }",
    ];
    all_fail(Limits { time_ms: 500, ..LIMITS }, &sources, |error| *error == CodecError::OutputTooLarge { limit_bytes }).await;
    let sandbox = sandbox(LIMITS);
    for source in ["function encode() { return new Uint8Array(65537) }", "function encode() { return Array(65537) }"] {
        assert_eq!(sandbox.encode(&script(1, source), "{}").await, Err(CodecError::OutputTooLarge { limit_bytes }));
    }
    let longest = sandbox.encode(&script(1, "function encode() { return new Uint8Array(65536) }"), "{}").await;
    assert_eq!(longest.map(|bytes| bytes.len()), Ok(65536));
}

#[tokio::test]
async fn getters_and_proxies_that_throw_are_reported() {
    let sources = [
        "function decode() { return {get a() { throw new Error('mine') }} }",
        "function decode() { return {toJSON() { throw new Error('mine') }} }",
        "function decode() { return new Proxy({}, {ownKeys() { throw new Error('mine') }}) }",
        "function decodeUplink() { return {get errors() { throw new Error('mine') }} }",
        "function decodeUplink() { return {get data() { throw new Error('mine') }} }",
        "function decodeUplink() { return {errors: [{toString() { throw new Error('mine') }}]} }",
        "Object.defineProperty(globalThis, 'decode', {get() { throw new Error('mine') }})",
        "function decode() { const e = new Error('mine'); Object.defineProperty(e, 'stack', {get() { throw 1 }}); throw e }",
    ];
    all_fail(LIMITS, &sources, |error| matches!(error, CodecError::Threw { message, .. } if message == "Error: mine")).await;
}

#[tokio::test]
async fn tampering_reaches_only_the_tamperer() {
    let sandbox = sandbox(LIMITS);
    let tampering = [
        "JSON.stringify = () => 'no'; JSON.parse = null;",
        "Uint8Array = Array = Object = Promise = undefined;",
        "Object.prototype.toJSON = undefined; Object.defineProperty(Object.prototype, 'first', {set() { throw 1 }});",
        "Object.defineProperty(Object.prototype, 'bytes', {set() { throw 1 }}); Object.freeze(Object.prototype);",
        "Array.prototype.join = Array.prototype[Symbol.iterator] = () => { throw 1 };",
        "Error.prepareStackTrace = () => { throw 1 }; Error.stackTraceLimit = 1e9;",
        "globalThis.eval = null; delete globalThis.Buffer; delete globalThis.console;",
    ];
    for source in tampering {
        let plain =
            format!("{source} function decode(bytes) {{ return {{first: bytes[0]}} }} function encode(c) {{ return [c.a] }}");
        assert_eq!(sandbox.decode(&script(1, &plain), &[9], "{}").await.as_deref(), Ok(r#"{"first":9}"#), "{source}");
        assert_eq!(sandbox.encode(&script(1, &plain), r#"{"a":7}"#).await.as_deref(), Ok(&[7][..]), "{source}");
        let uplink = format!("{source} function decodeUplink(input) {{ return {{data: {{first: input.bytes[0]}}}} }}");
        assert_eq!(sandbox.decode(&script(2, &uplink), &[9], "{}").await.as_deref(), Ok(r#"{"first":9}"#), "{source}");
        let honest = script(3, "function decode(bytes) { return JSON.parse(JSON.stringify([...bytes])) }");
        assert_eq!(sandbox.decode(&honest, &[9], "{}").await.as_deref(), Ok("[9]"), "{source}");
    }
}

#[tokio::test]
async fn a_stopped_codec_starts_afresh() {
    let sandbox = sandbox(LIMITS);
    let source = "let calls = 0; function decode(bytes) { calls++; while (bytes[0]); return [calls] }";
    let codec = script(1, source);
    assert_eq!(sandbox.decode(&codec, &[0], "{}").await.as_deref(), Ok("[1]"));
    assert_eq!(sandbox.decode(&codec, &[0], "{}").await.as_deref(), Ok("[2]"));
    assert_eq!(sandbox.decode(&codec, &[1], "{}").await, Err(CodecError::TimedOut { limit_ms: 20 }));
    assert_eq!(sandbox.decode(&codec, &[0], "{}").await.as_deref(), Ok("[1]"));
}

#[tokio::test]
async fn sizes_of_source_and_input_are_limited() {
    let sandbox = sandbox(LIMITS);
    let source = format!("function decode(b) {{ return [b.length] }} //{}", "x".repeat(65536));
    let too_long = Err(CodecError::TooLarge { what: "source", limit_bytes: 65536 });
    assert_eq!(sandbox.decode(&script(1, &source), &[], "{}").await, too_long);
    assert_eq!(sandbox.check(source.clone()).await.map(|_| String::new()), too_long);
    let fitting = script(2, &source[..65536]);
    assert_eq!(sandbox.decode(&fitting, &[0; 4096], "{}").await.as_deref(), Ok("[4096]"));
    let too_long = Err(CodecError::TooLarge { what: "input", limit_bytes: 4096 });
    assert_eq!(sandbox.decode(&fitting, &[0; 4097], "{}").await, too_long);
    assert_eq!(sandbox.decode(&fitting, &[], &" ".repeat(4097)).await, too_long);
}

#[tokio::test]
async fn contradictory_limits_are_refused() {
    for limits in [
        Limits { time_ms: 0, ..LIMITS },
        Limits { memory_bytes: 1 << 20, ..LIMITS },
        Limits { output_bytes: 64 << 20, ..LIMITS },
        Limits { queue_calls: 0, ..LIMITS },
    ] {
        assert!(matches!(Sandbox::new(limits, 1), Err(CodecError::Internal(_))), "{limits:?}");
    }
}

#[tokio::test]
async fn a_full_queue_is_busy() {
    let sandbox = Arc::new(sandbox(Limits { time_ms: 300, queue_calls: 2, ..LIMITS }));
    let mut calls = JoinSet::new();
    for id in 0..20 {
        let sandbox = sandbox.clone();
        calls.spawn(async move { sandbox.decode(&script(id, "function decode() { for (;;); }"), &[], "{}").await });
    }
    let results = calls.join_all().await;
    let busy = results.iter().filter(|result| **result == Err(CodecError::Busy)).count();
    let stopped = results.iter().filter(|result| **result == Err(CodecError::TimedOut { limit_ms: 300 })).count();
    assert!(busy > 0 && stopped > 0 && busy + stopped == 20, "{results:?}");
}

#[tokio::test]
async fn a_codec_that_times_out_in_a_row_rests_until_its_source_changes() {
    let sandbox = sandbox(LIMITS);
    let source = "function decode(bytes) { while (bytes[0]); return [] } function encode() { return [1] }";
    let codec = script(1, source);
    for _ in 0..3 {
        assert_eq!(sandbox.decode(&codec, &[1], "{}").await, Err(CodecError::TimedOut { limit_ms: 20 }));
    }
    let refused = sandbox.decode(&codec, &[0], "{}").await.unwrap_err();
    assert!(matches!(refused, CodecError::Resting { in_a_row: 3, .. }), "{refused:?}");
    let why = "the codec is not run for 3600 s, as it was stopped for taking too long 3 times in a row";
    assert_eq!(refused.to_string(), why);
    assert_eq!(sandbox.encode(&codec, "{}").await.as_deref(), Ok(&[1][..]), "the other function works");
    assert_eq!(sandbox.decode(&script(2, source), &[0], "{}").await.as_deref(), Ok("[]"), "another codec");
    let trial = Script { trial: true, ..codec.clone() };
    assert_eq!(sandbox.decode(&trial, &[0], "{}").await.as_deref(), Ok("[]"), "who asks is told how it is");
    assert!(sandbox.decode(&codec, &[0], "{}").await.is_err(), "and it rests still");
    let fixed = Script { version: 2, source: format!("{source} // fixed").into(), ..codec };
    assert_eq!(sandbox.decode(&fixed, &[0], "{}").await.as_deref(), Ok("[]"));
}

#[tokio::test]
async fn one_account_cannot_take_the_queue_or_the_turns_of_another() {
    let sandbox = Arc::new(sandbox(Limits { time_ms: 300, queue_calls: 16, ..LIMITS }));
    let mut calls = JoinSet::new();
    for id in 0..40 {
        let (sandbox, codec) = (sandbox.clone(), Script { account: 9, ..script(100 + id, "function decode() { for (;;); }") });
        calls.spawn(async move { sandbox.decode(&codec, &[], "{}").await });
    }
    tokio::task::yield_now().await;
    let fine = script(1, "function decode() { return [] }");
    let (first, second) = tokio::join!(sandbox.decode(&fine, &[], "{}"), sandbox.decode(&fine, &[], "{}"));
    assert_eq!((first.as_deref(), second.as_deref()), (Ok("[]"), Ok("[]")));
    let mut before = 0;
    while let Some(ended) = calls.try_join_next() {
        before += usize::from(!matches!(ended.unwrap(), Err(CodecError::Busy)));
    }
    assert!(before <= 3, "{before} calls of the other account ran first");
}
