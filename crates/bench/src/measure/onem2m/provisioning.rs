//! Provisioning requests of many nodes (contract D2C, 3): from the answer to the request until its outcome exists, which must tell that all
//! nodes were provisioned. There is no peer: ACME CSE knows no such requests.

use super::Scene;
use crate::{
    Outcome, clock,
    measure::{
        Bench,
        runs::{Begun, Runs, spread},
    },
    onem2m::cse::Cse,
    profile::{self, Sampled},
    stats::whole,
    swarm::Done,
    table::Row,
};
use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};
use std::{path::Path, time::Duration};

const AIM_PER_S: f64 = 5_000.0;
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two questions for the outcome; they cost the server little, and the times are as exact as this.
const POLL: Duration = Duration::from_millis(5);

/// How long a request took, from the beginning of its sending.
struct Times {
    answered: Duration,
    done: Duration,
}

pub(in crate::measure) async fn measure(bench: &mut Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let (nodes, requests) = (bench.scale.nodes, bench.scale.provisionings);
    let scene = Scene::fresh(&bench.program, &dir.join("landfall")).await?;
    let (mut runs, mut answered_ms, mut whole_per_s) = (Runs::default(), Vec::new(), Vec::new());
    for turn in 0..requests {
        let request = request(turn, nodes);
        let begun = Begun::now(scene.server.pid())?;
        let times = provision(&scene.cse, request, nodes).await?;
        runs.add(&begun, Done { count: nodes as u64, elapsed: times.done - times.answered, ..Done::default() })?;
        answered_ms.push(times.answered.as_secs_f64() * 1000.0);
        whole_per_s.push(nodes as f64 / times.done.as_secs_f64());
        check_node(&scene.cse, &node_name(turn, nodes / 2)).await?;
    }
    let (rate, per_cpu_s) = (runs.per_s()?, runs.per_cpu_s()?);
    if rate.median < AIM_PER_S || bench.always_profile {
        let request = request(requests, nodes);
        let begun = profile::Begun::now(Sampled::Cpu, scene.server.pid(), dir)?;
        provision(&scene.cse, request, nodes).await?;
        let text = begun.end()?;
        bench.add_profile("a provisioning request", &text);
    }
    let name = format!(
        "provisioned nodes a second, durable, from the 201 to the outcome, {requests} requests of {} nodes one after the other",
        whole(nodes as f64)
    );
    Ok(vec![
        Row::new(name, rate.show(whole, "")).aims(format!("≥ {}", whole(AIM_PER_S)), rate.median >= AIM_PER_S),
        Row::new("the same from the first byte of the request", spread(&whole_per_s)?.show(whole, "")),
        Row::new("the first byte of such a request to its 201", spread(&answered_ms)?.show(whole, " ms")),
        Row::new("provisioned nodes a CPU-second of the server, the request included", per_cpu_s.show(whole, "")),
    ])
}

/// Sends a request and waits for its outcome.
async fn provision(cse: &Cse, request: Bytes, nodes: usize) -> Outcome<Times> {
    let mut http = cse.connect().await?;
    let began = clock::now();
    let answer = cse.create(&mut http, "/device-provisioning/request", 28, request).await?;
    let answered = began.elapsed();
    let answer: Value = serde_json::from_slice(&answer)?;
    let id = answer["dtiot:noPRt"]["ri"].as_str().ok_or("no ri in the answer to a provisioning request")?;
    let place = format!("/device-provisioning/response/responseToRequest-{id}");
    loop {
        let (status, outcome) = cse.retrieve(&mut http, &place).await?;
        let done = began.elapsed();
        match status {
            StatusCode::OK => {
                let outcome: Value = serde_json::from_slice(&outcome)?;
                let expected = format!("Total to be provisioned: {nodes}; Successfully processed: {nodes}; Errors: 0");
                let told = &outcome["dtiot:prRRe"]["geEMe"];
                return if *told == *expected { Ok(Times { answered, done }) } else { Err(format!("outcome: {told}").into()) };
            }
            StatusCode::NOT_FOUND if done < PATIENCE => tokio::time::sleep(POLL).await,
            _ => return Err(format!("{place}: {status} after {:.0} s", done.as_secs_f64()).into()),
        }
    }
}

/// A node must be there with what was asked for.
async fn check_node(cse: &Cse, name: &str) -> Outcome<()> {
    let (status, answer) = cse.retrieve(&mut cse.connect().await?, &format!("/{name}?ty=14&rcn=4")).await?;
    let node: Value = serde_json::from_slice(&answer)?;
    let (id, known) = (&node["m2m:nod"]["ni"], node_id(name));
    if *id == *known { Ok(()) } else { Err(format!("node {name}: {status} {node}").into()) }
}

fn node_name(turn: usize, index: usize) -> String {
    format!("bench-{turn}-{index:06}")
}

fn node_id(name: &str) -> String {
    format!("urn:x-dtiot:dev:sn:{name}")
}

fn request(turn: usize, nodes: usize) -> Bytes {
    let list: Vec<Value> = (0..nodes).map(|index| entry(turn, index)).collect();
    let request = json!({
        "cnd": "com.telekom.iot.orchestrator.nodeProvisioningRequest", "rn": format!("bench-{turn}"), "opern": 1, "reqLt": list
    });
    json!({ "dtiot:noPRt": request }).to_string().into()
}

fn entry(turn: usize, index: usize) -> Value {
    let name = node_name(turn, index);
    json!({
        "ni": node_id(&name),
        "noRNe": name,
        "ICCID": format!("8949{turn:04}{index:011}"),
        "profe": "SCS-LwM2M",
        "lbl": ["d2c:1.0", "d2c-uplink-property_Room:1234", format!("building:{}", index % 100)],
        // Digits are base64 as well: 18 bytes.
        "nCr": [format!("psk-id:{name}"), format!("psk:{turn:04}{index:020}")],
        "ndvi": {
            "rn": "device-info", "mgd": 1007, "man": "Bench", "mod": "Room sensor", "dty": "Sensor", "dlb": ["d2c:1.0", "some:label"],
            "dc": "measures temperature", "fwv": "1.0.3"
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn nodes_share_nothing_that_must_be_unique() {
        let entries: Vec<Value> = (0..3).flat_map(|turn| (0..200).map(move |index| entry(turn, index))).collect();
        for pointer in ["/ni", "/noRNe", "/ICCID", "/nCr/0", "/nCr/1"] {
            let values: BTreeSet<&str> = entries.iter().filter_map(|entry| entry.pointer(pointer)?.as_str()).collect();
            assert_eq!(values.len(), entries.len(), "{pointer}");
        }
    }
}
