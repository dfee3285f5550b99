//! The committed WebAssembly module is the one that is described.

use sha2::{Digest, Sha256};

use super::COMPILED;
use crate::runtime::QUICKJS_WASM;

#[test]
fn committed_module_is_the_documented_one() {
    let sha256 = hex::encode(Sha256::digest(QUICKJS_WASM));
    assert!(
        include_str!("../../quickjs/build.sh").contains(&format!("wasm_sha256={sha256}")),
        "build.sh does not state {sha256}"
    );
    assert!(include_str!("../../quickjs/README.md").contains(&sha256), "README.md does not state {sha256}");
}

#[tokio::test]
async fn module_imports_nothing_but_the_stubbed_calls() {
    COMPILED.warm_up().await.unwrap();
    let runtime = COMPILED.engine.get().unwrap().as_ref().unwrap_or_else(|error| panic!("{error}"));
    let imports =
        runtime.template.module().imports().map(|import| format!("{}.{}", import.module(), import.name())).collect::<Vec<_>>();
    let wasi = |name: &str| format!("wasi_snapshot_preview1.{name}");
    assert_eq!(imports, ["clock_time_get", "fd_close", "fd_fdstat_get", "fd_seek", "fd_write"].map(wasi));
}
