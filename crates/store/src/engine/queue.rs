//! The bounded way to the writer: batches in the order in which they were handed over.

use crate::{stream::record::encode_event, write::Step};
use landfall_core::Committed;
use landfall_model::{Batch, Cause, Error, Event, Result, Time};
use parking_lot::{Condvar, Mutex};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// A batch, ready to be written.
pub(crate) struct Job {
    pub(crate) steps: Vec<Step>,
    /// Events with their encoded length in bytes.
    pub(crate) events: Vec<(Arc<Event>, u32)>,
    /// The records of the events.
    pub(crate) encoded: Vec<u8>,
    pub(crate) size: usize,
    pub(crate) answer: oneshot::Sender<Result<Committed>>,
}

impl Job {
    /// Encodes a batch, on the caller's thread.
    pub(crate) fn new(batch: Batch, answer: oneshot::Sender<Result<Committed>>, max_bytes: usize) -> Result<Self> {
        let steps = batch.writes.into_iter().map(Step::new).collect::<Result<Vec<_>>>()?;
        let mut encoded = Vec::new();
        let mut events = Vec::with_capacity(batch.events.len());
        for event in batch.events {
            let before = encoded.len();
            encode_event(&mut encoded, &event).map_err(|_| Error::new(Cause::InvalidField, "an event cannot be written"))?;
            let size = u32::try_from(encoded.len() - before).unwrap_or(u32::MAX);
            events.push((Arc::new(event), size));
        }
        let size = steps.iter().map(Step::size).sum::<usize>() + encoded.len() + 256;
        if size > max_bytes {
            return Err(Error::new(Cause::TooMany, "the batch is larger than the store takes"));
        }
        Ok(Self { steps, events, encoded, size, answer })
    }

    /// Whether it may be refused after it changed something. A refused step changes nothing by itself.
    pub(crate) fn needs_undo(&self) -> bool {
        let addressed = || !self.steps.is_empty() && self.events.iter().any(|(event, _)| event.body.call_address().is_some());
        self.steps.iter().skip_while(|step| step.is_check()).skip(1).any(Step::can_fail) || addressed()
    }
}

/// Bytes of a batch that is written alone where it may have to be undone: the transaction does that for nothing, while a savepoint costs more
/// with each page that was changed since it was set.
const LARGE: usize = 64 << 10;

#[allow(clippy::disallowed_methods, reason = "a deadline of a thread that waits for a database, not a time of the domain")]
fn now() -> Instant {
    Instant::now()
}

/// What the writer does.
pub(crate) enum Task {
    Commit(Job),
    Prune(Time, oneshot::Sender<Result<bool>>),
    /// Cut everything that waits into chunks.
    Flush(oneshot::Sender<Result<()>>),
    /// Write something, to show that it can be done.
    Probe(oneshot::Sender<Result<()>>),
}

impl Task {
    fn size(&self) -> usize {
        match self {
            Self::Commit(job) => job.size,
            Self::Prune(..) | Self::Flush(_) | Self::Probe(_) => 0,
        }
    }

    /// Whether it is done in a transaction of its own.
    fn is_alone(&self) -> bool {
        match self {
            Self::Commit(job) => job.size > LARGE && job.needs_undo(),
            Self::Prune(..) | Self::Flush(_) | Self::Probe(_) => true,
        }
    }

    /// Answers with an error.
    pub(crate) fn refuse(self, error: Error) {
        match self {
            Self::Commit(job) => drop(job.answer.send(Err(error))),
            Self::Prune(_, answer) => drop(answer.send(Err(error))),
            Self::Flush(answer) | Self::Probe(answer) => drop(answer.send(Err(error))),
        }
    }
}

/// How the queue ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It does not.
    Open,
    /// What is queued is done, then everything is flushed.
    Drain,
    /// The writer stops after the group it is at.
    Drop,
}

struct State {
    tasks: VecDeque<Task>,
    bytes: usize,
    end: End,
    waiting: bool,
    /// Since when the writer is at what it took.
    busy_since: Option<Instant>,
}

pub(crate) struct Queue {
    state: Mutex<State>,
    bell: Condvar,
    max_tasks: usize,
    max_bytes: usize,
    /// How long the writer may be at one group, flush or slice before nothing more is taken.
    stuck: Duration,
}

impl Queue {
    pub(crate) fn new(max_tasks: usize, max_bytes: usize, stuck: Duration) -> Self {
        let state = State { tasks: VecDeque::new(), bytes: 0, end: End::Open, waiting: false, busy_since: None };
        Self { state: Mutex::new(state), bell: Condvar::new(), max_tasks, max_bytes, stuck }
    }

    pub(crate) fn put(&self, task: Task) -> Result<()> {
        let size = task.size();
        let mut state = self.state.lock();
        if state.end != End::Open {
            return Err(stopping());
        }
        // The writer itself cannot tell when a disk or a database hangs.
        if state.busy_since.is_some_and(|since| since.elapsed() > self.stuck) {
            return Err(Error::new(Cause::Overloaded, "the database does not answer"));
        }
        if state.tasks.len() >= self.max_tasks || state.bytes + size > self.max_bytes {
            return Err(Error::new(Cause::Overloaded, "too many writes are waiting; try again"));
        }
        state.bytes += size;
        state.tasks.push_back(task);
        if state.waiting {
            self.bell.notify_one();
        }
        Ok(())
    }

    /// Takes what is there: batches up to the limits, or one that is done alone. Waits at most `patience` for something to come.
    pub(crate) fn take(&self, max_tasks: usize, max_bytes: usize, patience: Duration) -> (Vec<Task>, End) {
        let mut state = self.state.lock();
        state.busy_since = None;
        if state.tasks.is_empty() && state.end == End::Open && !patience.is_zero() {
            state.waiting = true;
            self.bell.wait_for(&mut state, patience);
            state.waiting = false;
        }
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(next) = state.tasks.front() {
            let alone = next.is_alone();
            let full = taken.len() >= max_tasks || bytes + next.size() > max_bytes;
            if !taken.is_empty() && (alone || full) {
                break;
            }
            bytes += next.size();
            let Some(task) = state.tasks.pop_front() else { break };
            taken.push(task);
            if alone {
                break;
            }
        }
        state.bytes -= bytes;
        state.busy_since = Some(now());
        (taken, state.end)
    }

    /// Takes nothing more.
    pub(crate) fn close(&self, end: End) {
        let mut state = self.state.lock();
        if state.end != End::Drop {
            state.end = end;
        }
        self.bell.notify_one();
    }

    /// Waits, unless the store ends.
    pub(crate) fn pause(&self, patience: Duration) -> End {
        let mut state = self.state.lock();
        if state.end == End::Open {
            self.bell.wait_for(&mut state, patience);
        }
        state.end
    }
}

pub(crate) fn stopping() -> Error {
    Error::new(Cause::Stopping, "the server is stopping")
}
