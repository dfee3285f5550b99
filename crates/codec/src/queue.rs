//! The bounded queue between callers and workers: turns and rests under one lock.

use parking_lot::{Condvar, Mutex};
use rustix::time::{ClockId, clock_gettime};

use crate::error::CodecError;
use crate::job::Job;
use crate::limits::Limits;
use crate::rest::{Pass, Resting, Rests};
use crate::script::Function;
use crate::turns::{Owner, Turns};

/// What callers and workers share.
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

struct State {
    turns: Turns<Job>,
    rests: Rests,
    closed: bool,
}

/// What is to be told when a job is over.
pub(crate) struct Ran {
    pub(crate) owner: Owner,
    /// Processor time, ns.
    pub(crate) used_ns: u64,
    /// Of a call that counts: what ran, and whether it was stopped by the clock.
    pub(crate) outcome: Option<Outcome>,
}

/// How a call ended.
pub(crate) struct Outcome {
    pub(crate) function: Function,
    pub(crate) source: std::sync::Arc<str>,
    pub(crate) pass: Pass,
    pub(crate) timed_out: bool,
}

impl Queue {
    pub(crate) fn new(limits: &Limits) -> Queue {
        let state = State { turns: Turns::new(limits.queue_calls), rests: Rests::new(limits.rest_ms.into()), closed: false };
        Queue { state: Mutex::new(state), filled: Condvar::new() }
    }

    /// Lets a job wait. One that has no place, this or another, is answered with `Busy`; a call of a codec that rests with `Resting`.
    pub(crate) fn push(&self, mut job: Job) {
        let mut state = self.state.lock();
        if let Job::Call(call) = &mut job
            && !call.script.trial
        {
            match state.rests.admit((call.script.id, call.function), &call.script.source, now_ms()) {
                Ok(pass) => call.pass = pass,
                Err(rest) => {
                    drop(state);
                    return job.refuse(resting(rest));
                }
            }
        }
        let given_up = state.turns.push(job.owner(), job);
        drop(state);
        self.filled.notify_one();
        if let Some(job) = given_up {
            job.refuse(CodecError::Busy);
        }
    }

    /// Waits for the next job; `None` once closed. It must be told of with [`Queue::done`].
    pub(crate) fn take(&self) -> Option<(Owner, Job)> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(next) = state.turns.take() {
                return Some(next);
            }
            self.filled.wait(&mut state);
        }
    }

    /// A job is over. If its codec rests from now on, what waits of it is refused.
    pub(crate) fn done(&self, ran: Ran) {
        let mut state = self.state.lock();
        state.turns.done(ran.owner, ran.used_ns);
        let Some(outcome) = ran.outcome else { return };
        let of = (ran.owner.codec, outcome.function);
        if !outcome.timed_out {
            return state.rests.ended(of);
        }
        let Some(rest) = state.rests.timed_out(of, &outcome.source, outcome.pass, now_ms()) else { return };
        let refused = state.turns.take_out(ran.owner, |job| {
            matches!(job, Job::Call(call) if call.function == outcome.function && call.script.source == outcome.source && !call.script.trial)
        });
        drop(state);
        tracing::warn!(codec = %format_args!("{:032x}", ran.owner.codec), function = ?outcome.function, in_a_row = rest.in_a_row,
            rest_ms = rest.left_ms, "a codec takes too long and rests");
        refused.into_iter().for_each(|job| job.refuse(resting(rest)));
    }

    /// Drops what waits and ends every `take`.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.turns.clear();
        self.filled.notify_all();
    }
}

fn resting(rest: Resting) -> CodecError {
    CodecError::Resting { in_a_row: rest.in_a_row, left_ms: rest.left_ms }
}

/// Milliseconds of a clock that only goes forward.
fn now_ms() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}
