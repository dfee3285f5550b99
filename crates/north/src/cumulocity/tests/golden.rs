//! The exact bytes of one good and each bad answer of every operation, and the proof that none is missing.

use super::{Asked, Scene};
use crate::cumulocity::OPERATIONS;
use landfall_testkit::golden::{self, Response};
use std::{collections::BTreeSet, path::Path};

#[test]
fn golden_answers() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cumulocity/golden");
    let (mut faults, mut seen) = (vec![], BTreeSet::new());
    for path in golden::files(&dir).unwrap() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let scene = runtime.block_on(Scene::new());
        let mut bindings = scene.bindings();
        if std::fs::read_to_string(&path).unwrap().contains("{{sensor}}") {
            runtime.block_on(scene.name_devices(&mut bindings));
        }
        let sent = |request: golden::Request| {
            let headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let asked = Asked { method: &request.method, path: &request.path, headers: &headers, body: &request.body };
            let answer = runtime.block_on(scene.answer(asked));
            seen.extend(answer.operation);
            Response { status: answer.status, headers: answer.headers, body: answer.body }
        };
        if let Err(fault) = golden::run_file(&path, &mut bindings, sent) {
            faults.push(fault);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    for operation in OPERATIONS {
        assert!(seen.contains(operation.id), "no golden file calls {}", operation.id);
    }
}
