//! What a script may return and what its caller gets.

use std::fmt::Write as _;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::{COMPILED, sandbox, script};
use crate::{CodecError, Exports, Limits, Script};

fn bad(message: &str) -> CodecError {
    CodecError::BadResult { message: message.into() }
}

#[tokio::test]
async fn decoders() {
    let sandbox = sandbox(Limits::default());
    let cases = [
        ("function decode(bytes, meta) { return {sum: bytes[0] + bytes[2], meta} }", r#"{"sum":4,"meta":{"port":7}}"#),
        ("const decode = (bytes) => [bytes instanceof Uint8Array, bytes.length]", "[true,3]"),
        ("globalThis.decode = () => ({})", "{}"),
        (
            "function decode() { return {now: Date.now(), year: new Date().getFullYear(), zone: new Date().getTimezoneOffset()} }",
            r#"{"now":0,"year":1970,"zone":0}"#,
        ),
        ("let first = Math.random(); function decode() { return {first} }", r#"{"first":0.6711372530266764}"#),
        (
            "function decode() { return {a: NaN, b: -Infinity, c: undefined, d: () => 1, e: -0, f: new Date(0)} }",
            r#"{"a":null,"b":null,"e":0,"f":"1970-01-01T00:00:00.000Z"}"#,
        ),
        (
            "function decode() { Promise.resolve().then(() => { throw 1 }); console.log('x'); return [typeof setTimeout, typeof require] }",
            r#"["undefined","undefined"]"#,
        ),
        (
            "function decode(b) { return {h: Buffer.from(b).readUInt16BE(1), i: Buffer.from('fffe', 'hex').readInt16LE(), t: Buffer.from(b)} }",
            r#"{"h":515,"i":-257,"t":{"type":"Buffer","data":[1,2,3]}}"#,
        ),
        ("function decodeUplink(i) { return {data: [i.fPort, Array.isArray(i.bytes), i.bytes]} }", "[null,true,[1,2,3]]"),
        ("function decodeUplink() { return {data: [1]} } function decode() { return [2] }", "[2]"),
    ];
    for (source, expected) in cases {
        let result = sandbox.decode(&script(1, source), &[1, 2, 3], r#"{"port":7}"#).await;
        assert_eq!(result.as_deref(), Ok(expected), "{source}");
    }
}

#[tokio::test]
async fn encoders() {
    let sandbox = sandbox(Limits::default());
    let cases: [(&str, &[u8]); 7] = [
        ("function encode(command) { return [command.on ? 1 : 0, 255] }", &[1, 255]),
        ("function encode(command) { return new Uint8Array([7, 8, 9]).subarray(1) }", &[8, 9]),
        ("function encode(command) { return new Uint8ClampedArray([300]) }", &[255]),
        ("function encode(command) { return Buffer.from('é') }", &[0xc3, 0xa9]),
        ("function encode() { return [] }", &[]),
        ("function encodeDownlink(input) { return {bytes: [input.data.on ? 5 : 6], fPort: 1} }", &[5]),
        ("class A extends Array {} function encode() { return A.from([1, 2]) }", &[1, 2]),
    ];
    for (source, expected) in cases {
        let result = sandbox.encode(&script(1, source), r#"{"on":true}"#).await;
        assert_eq!(result.as_deref(), Ok(expected), "{source}");
    }
}

#[tokio::test]
async fn wrong_decoder_results_are_named() {
    let sandbox = sandbox(Limits::default());
    let cases = [
        ("undefined", "decode returned undefined; it must return an object or an array"),
        ("null", "decode returned null; it must return an object or an array"),
        ("NaN", "decode returned NaN; it must return an object or an array"),
        ("5", "decode returned a number; it must return an object or an array"),
        ("'text'", "decode returned a string; it must return an object or an array"),
        ("true", "decode returned a boolean; it must return an object or an array"),
        ("10n", "decode returned a BigInt; it must return an object or an array"),
        ("Symbol('x')", "decode returned a symbol; it must return an object or an array"),
        ("() => 1", "decode returned a function; it must return an object or an array"),
        ("Promise.resolve({})", "decode returned a Promise (codecs are synchronous); it must return an object or an array"),
        ("{a: {b: 1n}}", "decode returned a value that JSON cannot hold: a BigInt"),
        ("cycle", "decode returned a value that JSON cannot hold: it contains itself"),
        ("{toJSON() {}}", "decode returned undefined; it must return an object or an array (its toJSON returned nothing)"),
        ("new Date(0)", "the decoder's result turned itself (toJSON) into something that is neither an object nor an array"),
        (
            "['\\ud800']",
            "the decoder's result is not JSON that can be read back: unexpected end of hex escape at line 1 column 9",
        ),
    ];
    for (value, expected) in cases {
        let source = format!("const cycle = []; cycle.push({{cycle}}); function decode() {{ return ({value}) }}");
        assert_eq!(sandbox.decode(&script(1, &source), &[], "{}").await, Err(bad(expected)), "{value}");
    }
}

#[tokio::test]
async fn wrong_encoder_results_are_named() {
    let sandbox = sandbox(Limits::default());
    let element = |n| format!("encode returned an array whose element {n} is not a whole number from 0 to 255");
    let array = |kind| format!("encode returned {kind}; it must return an array of byte values or a Uint8Array");
    let cases = [
        ("[1, 256]", element(1)),
        ("[-1]", element(0)),
        ("[0.5]", element(0)),
        ("[1, 2, NaN]", element(2)),
        ("['1']", element(0)),
        ("[,1]", element(0)),
        ("new Uint16Array(2)", array("an object")),
        ("{}", array("an object")),
        ("'0102'", array("a string")),
        ("undefined", array("undefined")),
    ];
    for (value, expected) in cases {
        let source = format!("function encode() {{ return ({value}) }}");
        assert_eq!(sandbox.encode(&script(1, &source), "{}").await, Err(bad(&expected)), "{value}");
    }
    let source = "function decodeUplink() { return {date: 1} } function encodeDownlink() { return 5 }";
    let decoded = sandbox.decode(&script(1, source), &[], "{}").await;
    assert_eq!(decoded, Err(bad("decodeUplink returned undefined; it must return {data} or {errors}")));
    let encoded = sandbox.encode(&script(1, source), "{}").await;
    assert_eq!(encoded, Err(bad("encodeDownlink returned a number; it must return {bytes} or {errors}")));
}

#[tokio::test]
async fn thrown_values_carry_message_and_place() {
    let sandbox = sandbox(Limits::default());
    let threw = |message: &str, stack: &str| Err(CodecError::Threw { message: message.into(), stack: stack.into() });
    let source = "function deep() { throw new RangeError('frame of 2 bytes') }\nfunction decode() { deep() }";
    let result = sandbox.decode(&script(1, source), &[], "{}").await;
    assert_eq!(result, threw("RangeError: frame of 2 bytes", "at deep (codec.js:1:29)\nat decode (codec.js:2:21)"));
    assert_eq!(result.unwrap_err().to_string(), "the codec threw RangeError: frame of 2 bytes (line 1)");
    let cases = [
        ("throw 'plain'", "plain"),
        ("throw null", "null"),
        ("throw {toString() { throw 1 }}", "the thrown value cannot be turned into text"),
        ("throw Symbol('s')", "the thrown value cannot be turned into text"),
    ];
    for (statement, message) in cases {
        let source = format!("function decode() {{ {statement} }}");
        assert_eq!(sandbox.decode(&script(1, &source), &[], "{}").await, threw(message, ""), "{statement}");
    }
    let top = sandbox.decode(&script(1, "\nmissing()"), &[], "{}").await;
    assert_eq!(top, threw("ReferenceError: missing is not defined", "at <eval> (codec.js:2:1)"));
    let long = sandbox.decode(&script(1, "function decode() { throw 'é'.repeat(10000) }"), &[], "{}").await;
    assert!(matches!(long, Err(CodecError::Threw { message, .. }) if message.len() == 1024));
}

#[tokio::test]
async fn check_tells_functions_and_mistakes() {
    let sandbox = sandbox(Limits::default());
    let all = Exports { decode: true, encode: true, decode_uplink: true, encode_downlink: true };
    let cases = [
        ("", Exports::default()),
        ("const decode = 5", Exports::default()),
        ("const encode = () => []", Exports { encode: true, ..Exports::default() }),
        ("function decode() {} function encode() {} function decodeUplink() {} var encodeDownlink = () => 0", all),
    ];
    for (source, expected) in cases {
        assert_eq!(sandbox.check(source).await, Ok(expected), "{source}");
    }
    assert!(all.can_decode() && all.can_encode() && !Exports::default().can_decode());
    let syntax = |message: &str, line| Err(CodecError::Syntax { message: message.into(), line: Some(line) });
    assert_eq!(
        sandbox.check("function decode() {\n  return {a:;\n}").await,
        syntax("SyntaxError: unexpected token in expression: ';'", 2)
    );
    assert_eq!(sandbox.check("\n\nexport function decode() {}").await, syntax("SyntaxError: unsupported keyword: export", 3));
    let shown = sandbox.check("}").await.map_err(|error| error.to_string());
    assert_eq!(shown, Err("SyntaxError: unexpected token in expression: '}' (line 1)".into()));
}

#[tokio::test]
async fn missing_functions_and_bad_arguments() {
    let sandbox = sandbox(Limits::default());
    let empty = script(1, "");
    assert_eq!(sandbox.decode(&empty, &[], "{}").await, Err(CodecError::NoFunction { wanted: "decode or decodeUplink" }));
    assert_eq!(sandbox.encode(&empty, "{}").await, Err(CodecError::NoFunction { wanted: "encode or encodeDownlink" }));
    let fine = script(2, "function decode() { return [] }");
    let not_json = sandbox.decode(&fine, &[], "{").await;
    assert!(matches!(not_json, Err(CodecError::Internal(text)) if text.starts_with("the JSON argument is not JSON")));
    assert_eq!(sandbox.decode(&fine, &[], "null").await.as_deref(), Ok("[]"));
}

#[tokio::test]
async fn globals_belong_to_one_codec_and_version() {
    let sandbox = sandbox(Limits::default());
    let source = "let calls = 0; function decode() { globalThis.leak = 1; Array.prototype.leak = 2; return {calls: ++calls} }";
    let counter = script(1, source);
    for expected in [r#"{"calls":1}"#, r#"{"calls":2}"#] {
        assert_eq!(sandbox.decode(&counter, &[], "{}").await.as_deref(), Ok(expected));
    }
    let other = script(2, "function decode() { return [typeof leak, typeof [].leak] }");
    assert_eq!(sandbox.decode(&other, &[], "{}").await.as_deref(), Ok(r#"["undefined","undefined"]"#));
    let newer = Script { version: 2, ..counter.clone() };
    assert_eq!(sandbox.decode(&newer, &[], "{}").await.as_deref(), Ok(r#"{"calls":1}"#));
    assert_eq!(sandbox.decode(&counter, &[], "{}").await.as_deref(), Ok(r#"{"calls":3}"#));
    let changed = script(1, &source.replace("calls = 0", "calls = 40"));
    assert_eq!(sandbox.decode(&changed, &[], "{}").await.as_deref(), Ok(r#"{"calls":41}"#));
}

#[tokio::test]
async fn an_instance_ends_after_ten_thousand_calls() {
    let sandbox = sandbox(Limits::default());
    let counter = script(1, "let calls = 0; function decode() { return [++calls] }");
    for expected in (1..=10_000).chain([1, 2]) {
        let result = sandbox.decode(&counter, &[], "{}").await;
        assert_eq!(result, Ok(format!("[{expected}]")));
    }
}

#[tokio::test]
async fn the_longest_unused_instance_goes_first() {
    let instance_bytes = 3 << 20;
    let sandbox = sandbox(Limits { cache_bytes: 2 * instance_bytes, ..Limits::default() });
    let of = |id| script(id, "const held = new Uint8Array(2 << 20); let calls = 0; function decode() { return [++calls] }");
    let mut seen = Vec::new();
    for id in [1, 2, 1, 3, 1, 2] {
        seen.push(sandbox.decode(&of(id), &[], "{}").await.unwrap());
    }
    assert_eq!(seen, ["[1]", "[1]", "[2]", "[1]", "[3]", "[1]"]);
}

#[tokio::test]
async fn a_source_of_the_greatest_length_loads_in_time() {
    let mut source = String::from("function decode() { return [f0(1, 2).c] }\n");
    for n in 0.. {
        let before = source.len();
        writeln!(
            source,
            "function f{n}(a, b) {{ if (a > 5) {{ return b.map((x) => x * a + {n}); }} return {{ a, b, c: 'text {n}' }}; }}"
        )
        .unwrap();
        if source.len() > Limits::default().source_bytes {
            source.truncate(before);
            break;
        }
    }
    let result = sandbox(Limits::default()).decode(&script(1, &source), &[], "{}").await;
    assert_eq!(result.as_deref(), Ok(r#"["text 0"]"#));
}

#[tokio::test]
async fn many_codecs_at_once_on_several_workers() {
    let sandbox = Arc::new(COMPILED.sibling(Limits::default(), 3).unwrap());
    let mut calls = JoinSet::new();
    for number in 0..300u32 {
        let sandbox = sandbox.clone();
        let id = u128::from(number % 10);
        let codec = script(id, &format!("function decode(bytes) {{ return [{id}, bytes[0]] }}"));
        calls.spawn(async move { (id, number, sandbox.decode(&codec, &[number as u8], "{}").await) });
    }
    for (id, number, result) in calls.join_all().await {
        assert_eq!(result, Ok(format!("[{id},{}]", number as u8)));
    }
}
