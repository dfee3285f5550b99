//! The sample codecs of samples/: each against its case file, and the sandbox against Node (samples/node_oracle.js) on the same
//! calls and on random payloads.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{sandbox, script};
use crate::{CodecError, Limits, Sandbox, Script};

const RANDOM_PAYLOADS: usize = 300;
const SEED: u64 = 0x1a2d_f411_c0de_c001;

/// A script and its case file.
struct Sample {
    name: String,
    script: Script,
    cases: Value,
}

/// One call, in the form samples/node_oracle.js reads.
struct Call<'a> {
    sample: &'a Sample,
    request: Value,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")
}

fn samples() -> Vec<Sample> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".json")?.to_owned()))
        .collect();
    names.sort();
    let read = |file: String| std::fs::read_to_string(folder().join(file)).unwrap();
    let sample = |(id, name): (usize, String)| Sample {
        script: script(id as u128, &read(format!("{name}.js"))),
        cases: serde_json::from_str(&read(format!("{name}.json"))).unwrap(),
        name,
    };
    names.into_iter().enumerate().map(sample).collect()
}

fn cases<'a>(sample: &'a Sample, kind: &str) -> &'a [Value] {
    sample.cases[kind].as_array().map_or(&[], Vec::as_slice)
}

fn documented_calls(samples: &[Sample]) -> Vec<Call<'_>> {
    let of = |sample| {
        let decode = cases(sample, "decode").iter();
        let decode = decode.map(move |case| json!({"sample": sample.name, "bytes": case["bytes"], "meta": case["meta"]}));
        let encode = cases(sample, "encode").iter().map(move |case| json!({"sample": sample.name, "command": case["command"]}));
        decode.chain(encode).map(move |request| Call { sample, request })
    };
    samples.iter().flat_map(of).collect()
}

/// What the script answers: JSON text or hexadecimal bytes, or the thrown value as text.
async fn answer(sandbox: &Sandbox, call: &Call<'_>) -> Value {
    let script = &call.sample.script;
    let result = match &call.request["bytes"] {
        Value::String(bytes) => sandbox.decode(script, &hex::decode(bytes).unwrap(), &call.request["meta"].to_string()).await,
        _ => sandbox.encode(script, &call.request["command"].to_string()).await.map(hex::encode),
    };
    match result {
        Ok(text) => json!({"ok": text}),
        Err(CodecError::Threw { message, .. }) => json!({"error": message}),
        Err(other) => json!({"sandbox": other.to_string()}),
    }
}

/// The answers of Node; `None` without Node.
fn node_answers(samples: &[Sample], calls: &[Call]) -> Option<Vec<Value>> {
    let sources: serde_json::Map<String, Value> =
        samples.iter().map(|sample| (sample.name.clone(), json!(&*sample.script.source))).collect();
    let requests: Vec<&Value> = calls.iter().map(|call| &call.request).collect();
    let mut command = Command::new("node");
    command.arg(folder().join("node_oracle.js")).env("TZ", "UTC").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = match command.spawn() {
        Ok(node) => node,
        Err(error) => {
            println!("SKIPPED: codecs were not compared with Node, which cannot be started: {error}");
            return None;
        }
    };
    let mut input = node.stdin.take().unwrap();
    input.write_all(json!({"samples": sources, "calls": requests}).to_string().as_bytes()).unwrap();
    drop(input);
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "node_oracle.js failed");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

async fn assert_same_as_node(samples: &[Sample], calls: &[Call<'_>]) {
    let Some(expected) = node_answers(samples, calls) else { return };
    assert_eq!(expected.len(), calls.len());
    let sandbox = sandbox(Limits { time_ms: 500, ..Limits::default() });
    for (call, expected) in calls.iter().zip(expected) {
        assert_eq!(answer(&sandbox, call).await, expected, "{}", call.request);
    }
}

#[tokio::test]
async fn samples_answer_as_their_case_files_say() {
    let samples = samples();
    assert_eq!(samples.len(), 7);
    let sandbox = sandbox(Limits::default());
    for call in documented_calls(&samples) {
        let decode = call.request["bytes"].is_string();
        let (kind, key) = if decode { ("decode", "bytes") } else { ("encode", "command") };
        let same = |case: &&Value| case[key] == call.request[key] && (!decode || case["meta"] == call.request["meta"]);
        let case = cases(call.sample, kind).iter().find(same).unwrap();
        let mut answer = answer(&sandbox, &call).await;
        if decode && let Some(text) = answer["ok"].as_str() {
            answer["ok"] = serde_json::from_str(text).unwrap();
        }
        let expected = case.get("expected").map_or_else(|| json!({"error": case["error"]}), |value| json!({"ok": value}));
        // Numbers are compared as JavaScript does: 100 and 100.0 are one number.
        assert_eq!(as_floats(answer), as_floats(expected), "{}", call.request);
    }
}

#[tokio::test]
async fn samples_answer_as_in_node() {
    let samples = samples();
    assert_same_as_node(&samples, &documented_calls(&samples)).await;
}

#[tokio::test]
async fn random_payloads_are_decoded_as_in_node() {
    let samples = samples();
    let mut random = Random(SEED);
    let mut calls = Vec::new();
    for sample in &samples {
        for _ in 0..RANDOM_PAYLOADS {
            let known = cases(sample, "decode");
            let case = &known[random.below(known.len())];
            let bytes = random_payload(&mut random, &hex::decode(case["bytes"].as_str().unwrap()).unwrap());
            let request = json!({"sample": sample.name, "bytes": hex::encode(bytes), "meta": case["meta"]});
            calls.push(Call { sample, request });
        }
    }
    assert_same_as_node(&samples, &calls).await;
}

/// Half of the payloads are random bytes, half are known frames with a few bytes changed, cut or repeated.
fn random_payload(random: &mut Random, known: &[u8]) -> Vec<u8> {
    if random.below(2) == 0 {
        return (0..random.below(40)).map(|_| random.below(256) as u8).collect();
    }
    let mut bytes = known.to_vec();
    for _ in 0..random.below(4) {
        if !bytes.is_empty() {
            let at = random.below(bytes.len());
            bytes[at] = random.below(256) as u8;
        }
    }
    match random.below(4) {
        0 => bytes.truncate(random.below(bytes.len() + 1)),
        1 => bytes.extend_from_within(..),
        _ => {}
    }
    bytes
}

fn as_floats(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().unwrap()),
        Value::Array(items) => items.into_iter().map(as_floats).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, as_floats(value))).collect(),
        other => other,
    }
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % end
    }
}
