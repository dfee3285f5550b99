//! The compiled engine, shared by all instances of a process: made once, at first use.

use std::sync::OnceLock;

use wasmtime::{Caller, Config, InstancePre, Linker, Module, StoreLimits};

use crate::ticker::Ticker;

/// QuickJS-ng; see quickjs/README.md for its version, licence and build.
pub(crate) const QUICKJS_WASM: &[u8] = include_bytes!("../quickjs/quickjs.wasm");
/// What every script finds defined.
pub(crate) const PRELUDE: &str = include_str!("../quickjs/prelude.js");
/// The stack of compiled code; the engine's own check (quickjs/shim.c) is passed long before.
const WASM_STACK_BYTES: usize = 2 << 20;
/// Stack of a thread that runs scripts, bytes.
pub(crate) const THREAD_STACK_BYTES: usize = WASM_STACK_BYTES + (4 << 20);
/// `EBADF` of WASI preview 1.
const WASI_BAD_DESCRIPTOR: i32 = 8;

/// The compiled engine, or why there is none.
pub(crate) type Engine = OnceLock<Result<Runtime, String>>;

/// What the store of an instance carries.
pub(crate) struct Host {
    pub(crate) limits: StoreLimits,
    /// The thread's processor time at which the running call is stopped, ns.
    pub(crate) stop_at_ns: u64,
}

/// The compiled module with its imports, and the clock of its time limits.
pub(crate) struct Runtime {
    pub(crate) template: InstancePre<Host>,
    pub(crate) ticker: Ticker,
}

impl Runtime {
    /// Compiles; takes seconds.
    pub(crate) fn compile() -> Result<Runtime, String> {
        let mut config = Config::new();
        config.epoch_interruption(true).max_wasm_stack(WASM_STACK_BYTES).wasm_backtrace_max_frames(None);
        let engine = wasmtime::Engine::new(&config).map_err(|error| error.to_string())?;
        let module = Module::new(&engine, QUICKJS_WASM).map_err(|error| error.to_string())?;
        let template =
            wasi_stubs(&engine).and_then(|linker| linker.instantiate_pre(&module)).map_err(|error| error.to_string())?;
        let ticker = Ticker::start(move || engine.increment_epoch()).map_err(|error| error.to_string())?;
        Ok(Runtime { template, ticker })
    }
}

/// The five calls that the C library was linked with: a clock that always reads zero, and no open file.
fn wasi_stubs(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Host>> {
    const WASI: &str = "wasi_snapshot_preview1";
    let mut linker = Linker::new(engine);
    linker.func_wrap(WASI, "clock_time_get", |mut caller: Caller<'_, Host>, _clock: i32, _precision: i64, out: u32| -> i32 {
        let written = caller.get_export("memory").and_then(wasmtime::Extern::into_memory).map(|memory| {
            let at = usize::try_from(out).unwrap_or(usize::MAX);
            memory.write(&mut caller, at, &0u64.to_le_bytes()).is_ok()
        });
        if written == Some(true) { 0 } else { WASI_BAD_DESCRIPTOR }
    })?;
    linker.func_wrap(WASI, "fd_close", |_: i32| WASI_BAD_DESCRIPTOR)?;
    linker.func_wrap(WASI, "fd_fdstat_get", |_: i32, _: i32| WASI_BAD_DESCRIPTOR)?;
    linker.func_wrap(WASI, "fd_seek", |_: i32, _: i64, _: i32, _: i32| WASI_BAD_DESCRIPTOR)?;
    linker.func_wrap(WASI, "fd_write", |_: i32, _: i32, _: i32, _: i32| WASI_BAD_DESCRIPTOR)?;
    Ok(linker)
}
