//! The front of the crate: callers await here while a worker thread runs the script.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::error::CodecError;
use crate::job::{Answer, Call, Job};
use crate::limits::Limits;
use crate::queue::Queue;
use crate::rest::Pass;
use crate::runtime::{Engine, THREAD_STACK_BYTES};
use crate::script::{Exports, Function, Script};
use crate::worker::Worker;

/// Most worker threads of one sandbox.
const MOST_WORKERS: usize = 64;

/// Runs scripts on worker threads of its own, each with a cache of loaded scripts. The engine is compiled at the first call (or by
/// [`Sandbox::warm_up`]), which then takes seconds. Dropping it ends the threads; calls that still wait get `Internal`.
///
/// Accounts have turns, so that one cannot delay the calls of another by more than those that run already. A codec that takes too long three
/// times in a row rests ([`CodecError::Resting`]) for a time that grows up to a minute, or until it has another source.
///
/// Calls of one codec may run at the same time on several workers, in separate instances: a codec must not rely on globals to
/// carry anything from one call to the next. An instance is thrown away after 10,000 calls and after every limit it ran into.
pub struct Sandbox {
    limits: Limits,
    pub(crate) engine: Arc<Engine>,
    queue: Arc<Queue>,
}

impl Sandbox {
    /// Starts `workers` (1 to 64) threads.
    ///
    /// # Errors
    /// `Internal` when the limits contradict each other or a thread cannot be started.
    pub fn new(limits: Limits, workers: usize) -> Result<Sandbox, CodecError> {
        Sandbox::start(limits, workers, Arc::default())
    }

    /// Another sandbox with its own threads, queue and limits that shares the compiled engine: trial runs need not disturb traffic.
    ///
    /// # Errors
    /// As [`Sandbox::new`].
    pub fn sibling(&self, limits: Limits, workers: usize) -> Result<Sandbox, CodecError> {
        Sandbox::start(limits, workers, self.engine.clone())
    }

    fn start(limits: Limits, workers: usize, engine: Arc<Engine>) -> Result<Sandbox, CodecError> {
        limits.check().map_err(CodecError::Internal)?;
        let workers = workers.clamp(1, MOST_WORKERS);
        let sandbox = Sandbox { limits, engine, queue: Arc::new(Queue::new(&limits)) };
        for number in 0..workers {
            let worker = Worker::new(limits, limits.cache_bytes / workers, sandbox.engine.clone());
            let queue = sandbox.queue.clone();
            let thread = std::thread::Builder::new().name(format!("codec-{number}")).stack_size(THREAD_STACK_BYTES);
            thread.spawn(move || worker.run(&queue)).map_err(|error| CodecError::Internal(format!("no thread: {error}")))?;
        }
        Ok(sandbox)
    }

    /// Compiles the engine now rather than at the first call.
    ///
    /// # Errors
    /// `Busy`, or `Internal` when this machine cannot run it.
    pub async fn warm_up(&self) -> Result<(), CodecError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Job::WarmUp(reply), answer).await
    }

    /// Calls `decode` of the script; the answer is the JSON text of an object or array, readable by `serde_json`.
    /// `meta_json` is JSON text, `{}` if there is nothing to tell.
    ///
    /// # Errors
    /// Every variant of [`CodecError`]; `Internal` also when `meta_json` is not JSON.
    pub async fn decode(&self, codec: &Script, bytes: &[u8], meta_json: &str) -> Result<String, CodecError> {
        let text = self.call(codec, Function::Decode, bytes, meta_json).await?;
        let text = String::from_utf8(text).map_err(|_| CodecError::Internal("the engine gave text that is not UTF-8".into()))?;
        readable(&text)?;
        Ok(text)
    }

    /// Calls `encode` of the script with a command (JSON text); the answer is the payload to send.
    ///
    /// # Errors
    /// As [`Sandbox::decode`].
    pub async fn encode(&self, codec: &Script, command_json: &str) -> Result<Vec<u8>, CodecError> {
        self.call(codec, Function::Encode, &[], command_json).await
    }

    /// Loads a source without keeping it: tells what is wrong with it, or which functions it defines.
    ///
    /// # Errors
    /// `Syntax`, `TooLarge`, `Busy`, `Internal`; and, for code at the top level, `Threw`, `TimedOut`, `OutOfMemory`.
    pub async fn check(&self, source: impl Into<Arc<str>>) -> Result<Exports, CodecError> {
        let source = source.into();
        self.check_source(&source)?;
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Check { source, reply }, answer).await
    }

    async fn call(&self, codec: &Script, function: Function, bytes: &[u8], json: &str) -> Result<Vec<u8>, CodecError> {
        self.check_source(&codec.source)?;
        if bytes.len().max(json.len()) > self.limits.input_bytes {
            return Err(CodecError::TooLarge { what: "input", limit_bytes: self.limits.input_bytes });
        }
        let (reply, answer) = oneshot::channel();
        let (bytes, json) = (bytes.to_vec(), json.to_owned());
        let call = Call { script: codec.clone(), function, bytes, json, pass: Pass::Free, reply };
        self.submit(Job::Call(call), answer).await
    }

    fn check_source(&self, source: &str) -> Result<(), CodecError> {
        if source.len() > self.limits.source_bytes {
            return Err(CodecError::TooLarge { what: "source", limit_bytes: self.limits.source_bytes });
        }
        Ok(())
    }

    async fn submit<T>(&self, job: Job, answer: oneshot::Receiver<Answer<T>>) -> Answer<T> {
        self.queue.push(job);
        answer.await.unwrap_or_else(|_| Err(CodecError::Internal("the sandbox was stopped".into())))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// JSON.stringify can give text that other readers refuse: a `toJSON` that answers with a string, half a surrogate pair, and
/// nesting without end.
fn readable(text: &str) -> Result<(), CodecError> {
    let message = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Object(_) | serde_json::Value::Array(_)) => return Ok(()),
        Ok(_) => "the decoder's result turned itself (toJSON) into something that is neither an object nor an array".to_owned(),
        Err(error) => format!("the decoder's result is not JSON that can be read back: {error}"),
    };
    Err(CodecError::BadResult { message })
}
