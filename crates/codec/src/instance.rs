//! One loaded script: an instance of the engine with its own memory. The protocol with the guest is that of quickjs/shim.c.
//! Nothing the guest says is trusted: every pointer and length is checked against its memory.

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Memory, Store, StoreLimitsBuilder, Trap, TypedFunc, UpdateDeadline};

use crate::error::{CodecError, line_of};
use crate::limits::Limits;
use crate::runtime::{Host, PRELUDE, Runtime};
use crate::script::{Exports, Function};

/// Loading a script may take this many times the time of one call.
const LOAD_TIMES: u32 = 10;
const STACK_LINES: usize = 5;
const INPUT_NOT_JSON: &str = "the JSON argument is not JSON";

/// Must be dropped after an error for which [`is_spent`] holds.
pub(crate) struct Instance {
    store: Store<Host>,
    memory: Memory,
    alloc: TypedFunc<u32, u32>,
    free: TypedFunc<u32, ()>,
    out: TypedFunc<(), u32>,
    out_bytes: TypedFunc<(), u32>,
    exports: TypedFunc<(), u32>,
    call: TypedFunc<(u32, u32, u32, u32, u32, u32), u32>,
    limits: Limits,
    calls: u32,
}

/// True when the instance that gave this error can no longer be used.
pub(crate) fn is_spent(error: &CodecError) -> bool {
    match error {
        CodecError::TimedOut { .. } | CodecError::OutOfMemory { .. } | CodecError::Internal(_) => true,
        CodecError::Threw { message, .. } => message == TOO_DEEP,
        _ => false,
    }
}

/// The engine's own words for a recursion that is too deep; also said when compiled code ran out of stack before the engine noticed.
const TOO_DEEP: &str = "RangeError: Maximum call stack size exceeded";

impl Instance {
    /// Makes an instance, runs `source` in it and finds its functions.
    pub(crate) fn load(runtime: &Runtime, limits: &Limits, source: &str) -> Result<Instance, CodecError> {
        let store_limits = StoreLimitsBuilder::new()
            .memory_size(limits.memory_bytes)
            .instances(1)
            .memories(1)
            .tables(1)
            .table_elements(4096)
            .build();
        let mut store = Store::new(runtime.template.module().engine(), Host { limits: store_limits, stop_at_ns: 0 });
        store.limiter(|host| &mut host.limits);
        store.epoch_deadline_callback(|context| {
            let late = thread_time_ns() >= context.data().stop_at_ns;
            Ok(if late { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(1) })
        });
        let time_ms = limits.time_ms.saturating_mul(LOAD_TIMES);
        let _ticking = runtime.ticker.enter();
        start_clock(&mut store, time_ms);
        let trap = |error| trapped(&error, limits, time_ms);
        let instance = runtime.template.instantiate(&mut store).map_err(trap)?;
        let memory =
            instance.get_memory(&mut store, "memory").ok_or_else(|| CodecError::Internal("no memory in the module".into()))?;
        instance
            .get_typed_func::<(), ()>(&mut store, "_initialize")
            .and_then(|start| start.call(&mut store, ()))
            .map_err(trap)?;
        let open = instance.get_typed_func::<(u32, u32, u32, u32, u32), u32>(&mut store, "lf_open").map_err(trap)?;
        let mut loaded = Instance {
            alloc: instance.get_typed_func(&mut store, "lf_alloc").map_err(trap)?,
            free: instance.get_typed_func(&mut store, "lf_free").map_err(trap)?,
            out: instance.get_typed_func(&mut store, "lf_out").map_err(trap)?,
            out_bytes: instance.get_typed_func(&mut store, "lf_out_bytes").map_err(trap)?,
            exports: instance.get_typed_func(&mut store, "lf_exports").map_err(trap)?,
            call: instance.get_typed_func(&mut store, "lf_call").map_err(trap)?,
            store,
            memory,
            limits: *limits,
            calls: 0,
        };
        let (prelude, prelude_bytes) = loaded.put(PRELUDE.as_bytes(), time_ms)?;
        let (text, text_bytes) = loaded.put(source.as_bytes(), time_ms)?;
        let heap = u32::try_from(limits.heap_bytes()).unwrap_or(u32::MAX);
        let status = open.call(&mut loaded.store, (heap, prelude, prelude_bytes, text, text_bytes)).map_err(trap)?;
        loaded.outcome(status, Function::Decode, time_ms)?;
        loaded.take(prelude, time_ms)?;
        loaded.take(text, time_ms)?;
        Ok(loaded)
    }

    /// Which functions the script defines.
    pub(crate) fn exports(&mut self) -> Result<Exports, CodecError> {
        let bits = self.exports.call(&mut self.store, ()).map_err(|error| trapped(&error, &self.limits, self.limits.time_ms))?;
        Ok(Exports { decode: bits & 1 != 0, encode: bits & 2 != 0, decode_uplink: bits & 4 != 0, encode_downlink: bits & 8 != 0 })
    }

    /// Calls one function; the answer is JSON text or the encoded bytes.
    pub(crate) fn call(
        &mut self,
        runtime: &Runtime,
        function: Function,
        bytes: &[u8],
        json: &str,
    ) -> Result<Vec<u8>, CodecError> {
        self.calls = self.calls.saturating_add(1);
        let time_ms = self.limits.time_ms;
        let _ticking = runtime.ticker.enter();
        start_clock(&mut self.store, time_ms);
        let (payload, payload_bytes) = self.put(bytes, time_ms)?;
        let (text, text_bytes) = self.put(json.as_bytes(), time_ms)?;
        let most = u32::try_from(self.limits.output_bytes).unwrap_or(u32::MAX);
        let arguments = (function as u32, payload, payload_bytes, text, text_bytes, most);
        let status = self.call.call(&mut self.store, arguments).map_err(|error| trapped(&error, &self.limits, time_ms))?;
        let result = self.outcome(status, function, time_ms);
        if !result.as_ref().is_err_and(is_spent) {
            self.take(payload, time_ms)?;
            self.take(text, time_ms)?;
        }
        result
    }

    /// Calls made so far.
    pub(crate) fn calls(&self) -> u32 {
        self.calls
    }

    /// The linear memory it holds, bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory.data_size(&self.store)
    }

    /// Copies `data` into the guest, followed by the zero that the engine's parsers look for.
    fn put(&mut self, data: &[u8], time_ms: u32) -> Result<(u32, u32), CodecError> {
        let size = u32::try_from(data.len()).map_err(|_| CodecError::Internal("argument beyond 4 GiB".into()))?;
        let at =
            self.alloc.call(&mut self.store, size.saturating_add(1)).map_err(|error| trapped(&error, &self.limits, time_ms))?;
        if at == 0 {
            return Err(self.out_of_memory());
        }
        let copied = self.memory.write(&mut self.store, at as usize, data);
        copied.map(|()| (at, size)).map_err(|_| CodecError::Internal("the engine gave an address outside its memory".into()))
    }

    fn take(&mut self, at: u32, time_ms: u32) -> Result<(), CodecError> {
        self.free.call(&mut self.store, at).map_err(|error| trapped(&error, &self.limits, time_ms))
    }

    fn outcome(&mut self, status: u32, function: Function, time_ms: u32) -> Result<Vec<u8>, CodecError> {
        let trap = |error| trapped(&error, &self.limits, time_ms);
        let at = self.out.call(&mut self.store, ()).map_err(trap)? as usize;
        let size = self.out_bytes.call(&mut self.store, ()).map_err(trap)? as usize;
        let out = self.memory.data(&self.store).get(at..at.saturating_add(size));
        let out = out.ok_or_else(|| CodecError::Internal("the engine gave a result outside its memory".into()))?;
        if status == 0 {
            return Ok(out.to_vec());
        }
        let (message, stack) = message_and_stack(out);
        Err(match status {
            1 => CodecError::Syntax { message, line: line_of(&stack) },
            2 => CodecError::Threw { message, stack: first_lines(&stack) },
            3 => self.out_of_memory(),
            4 => CodecError::OutputTooLarge { limit_bytes: self.limits.output_bytes },
            5 if function == Function::Decode => CodecError::NoFunction { wanted: "decode or decodeUplink" },
            5 => CodecError::NoFunction { wanted: "encode or encodeDownlink" },
            6 => CodecError::BadResult { message },
            7 => CodecError::Internal(format!("{INPUT_NOT_JSON}: {message}")),
            other => CodecError::Internal(format!("the engine answered {other}")),
        })
    }

    fn out_of_memory(&self) -> CodecError {
        CodecError::OutOfMemory { limit_bytes: self.limits.heap_bytes() }
    }
}

/// Gives the running call `time_ms` of this thread's processor time: waiting for a processor is not the script's fault.
fn start_clock(store: &mut Store<Host>, time_ms: u32) {
    store.data_mut().stop_at_ns = thread_time_ns().saturating_add(u64::from(time_ms) * 1_000_000);
    store.set_epoch_deadline(1);
}

/// Processor time of this thread, ns.
pub(crate) fn thread_time_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

fn trapped(error: &wasmtime::Error, limits: &Limits, time_ms: u32) -> CodecError {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => CodecError::TimedOut { limit_ms: time_ms },
        Some(Trap::StackOverflow) => CodecError::Threw { message: TOO_DEEP.into(), stack: String::new() },
        Some(Trap::AllocationTooLarge) => CodecError::OutOfMemory { limit_bytes: limits.heap_bytes() },
        Some(trap) => CodecError::Internal(format!("the script broke the JavaScript engine: {trap}")),
        None => CodecError::Internal(error.to_string()),
    }
}

/// The guest's failure: length of the message (32 bits, little endian), message, stack.
fn message_and_stack(out: &[u8]) -> (String, String) {
    let Some((size, text)) = out.split_first_chunk::<4>() else { return Default::default() };
    let size = usize::try_from(u32::from_le_bytes(*size)).unwrap_or(usize::MAX);
    let (message, stack) = text.split_at_checked(size).unwrap_or((text, &[]));
    (String::from_utf8_lossy(message).into_owned(), String::from_utf8_lossy(stack).into_owned())
}

fn first_lines(stack: &str) -> String {
    stack.lines().map(str::trim).filter(|line| !line.is_empty()).take(STACK_LINES).collect::<Vec<_>>().join("\n")
}
