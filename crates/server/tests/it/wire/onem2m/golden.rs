//! The exact bytes of a good and of the bad answers of each operation of the contract, and the proof that none is missing.

use super::{BASE, Client, node_with, start};
use crate::wire::api;
use landfall_testkit::{
    Contract,
    golden::{self, Bindings, Request, Response},
};
use serde_json::json;
use std::{collections::BTreeSet, path::Path};

#[test]
fn golden_answers() {
    let server = start();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../north/src/onem2m/golden");
    let (mut faults, mut seen) = (vec![], BTreeSet::new());
    for (n, path) in golden::files(&dir).unwrap().into_iter().enumerate() {
        let (client, foreign) = (Client::start(&server, &format!("golden-{n}")), Client::start(&server, &format!("foreign-{n}")));
        Client::join(&server, &client.tenant, "second");
        let mut bindings = bindings(&client, &foreign, n);
        let sent = |request: Request| {
            let headers: Vec<(&str, &str)> = request.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let answer = api::send(&server, &request.method, &request.path, &headers, Some(&request.body));
            let (_, path) = request.path.strip_prefix(BASE).unwrap()[1..].split_once('/').unwrap();
            let judged =
                Contract::onem2m().check_answer(&request.method, &format!("/{path}"), answer.status, answer.text.as_bytes());
            match judged {
                Ok(operation) => drop(seen.insert((operation.id.clone(), answer.status))),
                Err(violation) => panic!("{} {path} -> {} {}: {violation}", request.method, answer.status, answer.text),
            }
            Response { status: answer.status, headers: answer.headers, body: answer.text.into_bytes() }
        };
        if let Err(fault) = golden::run_file(&path, &mut bindings, sent) {
            faults.push(fault);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    for operation in Contract::onem2m().operations() {
        for status in if operation.method == "POST" { [201, 400] } else { [200, 404] } {
            assert!(seen.contains(&(operation.id.clone(), status)), "no golden file has {} answer {status}", operation.id);
        }
    }
}

/// The variables that every golden file may use: a tenant with a node, a request that went well and one that did not.
fn bindings(client: &Client, foreign: &Client, n: usize) -> Bindings {
    let name = format!("meter-{n}");
    let ndvi = json!({"rn": "device-info", "mgd": 1007, "man": "ACME", "dty": "Some sensor", "mod": "12345",
        "dlb": ["d2c:1.0", "some:label"], "dc": "a comment"});
    let labels = json!(["Location:13509 Berlin, Holzhauser Str 4-8, Building A", "d2c-uplink-property_Room:1234", "d2c:1.0"]);
    let good = client.request(&[node_with(&name, json!({"lbl": labels, "ICCID": "89800000000000020111", "ndvi": ndvi}))]);
    client.outcome(&good);
    let bad = client.request(&[
        node_with(&format!("other-{n}"), json!({"profe": "SCS-NEUL"})),
        node_with(&name, json!({"noRNe": format!("other-{n}")})),
    ]);
    client.outcome(&bad);
    let mut bindings = Bindings::default();
    for (name, value) in [
        ("base", format!("{BASE}/{}", client.tenant)),
        ("emptyBase", format!("{BASE}/{}", foreign.tenant)),
        ("tenant", client.tenant.clone()),
        ("origin", client.originator.clone()),
        ("token", client.token.clone()),
        ("foreignToken", foreign.token.clone()),
        ("node", name),
        ("other", format!("other-{n}")),
        ("good", good),
        ("bad", bad),
    ] {
        bindings.set(name, value);
    }
    bindings
}
