//! A worker thread: takes calls off the queue and runs them in instances it keeps.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::error::CodecError;
use crate::instance::{Instance, is_spent, thread_time_ns};
use crate::job::{Answer, Call, Job};
use crate::limits::Limits;
use crate::queue::{Outcome, Queue, Ran};
use crate::runtime::{Engine, Runtime};

/// An instance is replaced after this many calls, so that what a script leaves in its globals cannot grow for ever.
const CALLS_PER_INSTANCE: u32 = 10_000;

/// State of one thread.
pub(crate) struct Worker {
    limits: Limits,
    cache_bytes: usize,
    engine: Arc<Engine>,
    kept: HashMap<(u128, u32), Kept>,
    /// Counts calls, to know which instance was unused longest.
    turn: u64,
}

struct Kept {
    instance: Instance,
    source: Arc<str>,
    last_turn: u64,
}

impl Worker {
    pub(crate) fn new(limits: Limits, cache_bytes: usize, engine: Arc<Engine>) -> Worker {
        Worker { limits, cache_bytes, engine, kept: HashMap::new(), turn: 0 }
    }

    /// Until the queue is closed.
    pub(crate) fn run(mut self, queue: &Queue) {
        while let Some((owner, job)) = queue.take() {
            let began_ns = thread_time_ns();
            // A panic would be a fault of the runtime; the caller sees its reply dropped, and the others are still served.
            let outcome = catch_unwind(AssertUnwindSafe(|| self.handle(job))).unwrap_or_else(|_| {
                tracing::error!("the WebAssembly runtime panicked; all codec instances of this worker are dropped");
                self.kept.clear();
                None
            });
            queue.done(Ran { owner, used_ns: thread_time_ns().saturating_sub(began_ns), outcome });
        }
    }

    /// A caller that no longer waits is no error, hence the ignored sends. Returns how a call ended that counts.
    fn handle(&mut self, job: Job) -> Option<Outcome> {
        let engine = self.engine.clone();
        let runtime = engine.get_or_init(Runtime::compile).as_ref().map_err(|error| CodecError::Internal(error.clone()));
        match job {
            Job::WarmUp(reply) => drop(reply.send(runtime.map(|_| ()))),
            Job::Check { source, reply } => {
                let load = |runtime| Instance::load(runtime, &self.limits, &source)?.exports();
                drop(reply.send(runtime.and_then(load)));
            }
            Job::Call(call) if call.reply.is_closed() => {}
            Job::Call(call) => {
                let answer = runtime.and_then(|runtime| self.call(runtime, &call));
                let timed_out = matches!(answer, Err(CodecError::TimedOut { .. }));
                let Call { script, function, pass, reply, .. } = call;
                drop(reply.send(answer));
                return (!script.trial).then_some(Outcome { function, source: script.source, pass, timed_out });
            }
        }
        None
    }

    fn call(&mut self, runtime: &Runtime, call: &Call) -> Answer<Vec<u8>> {
        let key = (call.script.id, call.script.version);
        let kept = self.kept.remove(&key).filter(|kept| *kept.source == *call.script.source);
        let mut instance = match kept {
            Some(kept) => kept.instance,
            None => Instance::load(runtime, &self.limits, &call.script.source)?,
        };
        let answer = instance.call(runtime, call.function, &call.bytes, &call.json);
        if !answer.as_ref().is_err_and(is_spent) && instance.calls() < CALLS_PER_INSTANCE {
            self.keep(key, instance, call.script.source.clone());
        }
        answer
    }

    fn keep(&mut self, key: (u128, u32), instance: Instance, source: Arc<str>) {
        self.turn += 1;
        self.kept.insert(key, Kept { instance, source, last_turn: self.turn });
        while self.kept.len() > 1 && self.kept.values().map(|kept| kept.instance.memory_bytes()).sum::<usize>() > self.cache_bytes
        {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.last_turn).map(|(key, _)| *key);
            oldest.and_then(|key| self.kept.remove(&key));
        }
    }
}
