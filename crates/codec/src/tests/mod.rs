//! One engine is compiled for all tests of the crate.

mod contract;
mod hostile;
mod module;
mod samples;

use std::sync::LazyLock;

use crate::{Limits, Sandbox, Script};

static COMPILED: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new(Limits::default(), 1).unwrap());

/// One worker, so that calls of one script meet one instance.
fn sandbox(limits: Limits) -> Sandbox {
    COMPILED.sibling(limits, 1).unwrap()
}

fn script(id: u128, source: &str) -> Script {
    Script { account: 1, id, version: 1, source: source.into(), trial: false }
}
