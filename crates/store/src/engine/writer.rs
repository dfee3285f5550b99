//! The one thread that writes: group commit, flush of history in slices, pruning.
//!
//! A group is one transaction: every batch in it is applied alone (a refused one leaves no trace), the events of all of them become one
//! stream row, one sync makes them durable, and only then are memory and callers told.

use crate::{
    effects::{Counters, Done, Effects, Refused},
    engine::{
        backend::Backend,
        queue::{End, Job, Task, stopping},
        sql::{Sql, SqlError, SqlResult, Value, to_db},
    },
    extension,
    shared::Shared,
    stream::{flush::Flush, prune, record::EVENTS_VERSION, replay},
    subscription::addresses,
    write::Step,
};
use landfall_core::{Committed, World};
use landfall_model::{Cause, Error, EventBody, Result, Seq, Time};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// How long the writer sleeps at most before it looks at the age of what waits.
const IDLE: Duration = Duration::from_millis(1_000);
/// First and longest pause between attempts to reach a lost database.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Milliseconds that the clock may go back without rows that go back.
const STEP_MS: i64 = 3_600_000;
/// A batch of more writes than this is made in bulk.
pub(crate) const BULK: usize = 100;
/// Slices of a flush between two groups while a further flush is due already.
const SLICES_BEHIND: u32 = 8;

pub(crate) struct Writer {
    shared: Arc<Shared>,
    backend: Backend,
    world: Arc<dyn World>,
    /// `None` while the database cannot be reached.
    sql: Option<Box<dyn Sql>>,
    /// Grows with each start, so that a reconnected writer notices another one.
    epoch: i64,
    newest: u64,
    /// Time of the newest stream row.
    at: Time,
    flush: Option<Flush>,
    retry: Duration,
}

/// Ends the queue with the writer, however that ends, so that no caller waits for ever.
struct RefuseLeft(Arc<Shared>);

impl Drop for RefuseLeft {
    fn drop(&mut self) {
        self.0.queue.close(End::Drop);
        loop {
            let (tasks, _) = self.0.queue.take(usize::MAX, usize::MAX, Duration::ZERO);
            if tasks.is_empty() {
                return;
            }
            tasks.into_iter().for_each(|task| task.refuse(stopping()));
        }
    }
}

/// Outcome of each job of a group: the place of its last event, or the newest before it, and what else it did.
type Outcomes = Vec<Result<(Seq, Effects)>>;

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        backend: Backend,
        world: Arc<dyn World>,
        sql: Box<dyn Sql>,
        start: &replay::Start,
    ) -> Self {
        let (epoch, newest, at) = (start.epoch, start.newest, start.at);
        Self { shared, backend, world, sql: Some(sql), epoch, newest, at, flush: None, retry: RETRY_MIN }
    }

    /// Works until the queue ends; whatever is left then is refused.
    pub(crate) fn run(self) {
        let _left = RefuseLeft(self.shared.clone());
        self.work_until_end();
    }

    fn work_until_end(mut self) {
        loop {
            let options = &self.shared.options;
            let patience = if self.flush.is_some() { Duration::ZERO } else { IDLE };
            let (tasks, end) = self.shared.queue.take(options.group_batches, options.group_bytes, patience);
            if end == End::Drop {
                tasks.into_iter().for_each(|task| task.refuse(stopping()));
                return;
            }
            if self.sql.is_none() {
                let unreachable = || Error::new(Cause::Overloaded, "the database is not reachable; try again");
                tasks.into_iter().for_each(|task| task.refuse(unreachable()));
                if end == End::Drain {
                    return;
                }
                self.reconnect();
                continue;
            }
            let idle = tasks.is_empty();
            self.work(tasks);
            if idle && end == End::Drain {
                if let Err(error) = self.flush_all() {
                    tracing::error!(error = %error.text, "history stays in the stream until the next start");
                }
                self.end_well();
                return;
            }
            self.keep_flushing();
        }
    }

    fn work(&mut self, mut tasks: Vec<Task>) {
        match tasks.pop() {
            Some(Task::Prune(now, answer)) => {
                let result = self.with_sql(|sql, shared| prune::prune(sql, now, shared));
                drop(answer.send(result.map_err(Error::from)));
            }
            Some(Task::Flush(answer)) => {
                let result = self.flush_all();
                drop(answer.send(result.map_err(Error::from)));
            }
            Some(Task::Probe(answer)) => {
                let result = self.with_sql(|sql, _| {
                    sql.batch("INSERT INTO meta (key, value) VALUES ('probe', 1) ON CONFLICT (key) DO UPDATE SET value = 1 - meta.value")
                });
                drop(answer.send(result.map_err(Error::from)));
            }
            Some(last) => {
                tasks.push(last);
                self.group(
                    tasks.into_iter().filter_map(|task| if let Task::Commit(job) = task { Some(job) } else { None }).collect(),
                );
            }
            None => (),
        }
    }

    /// The stamp of what is written now. Small steps of the clock are not shown; a wrong time is not held for ever.
    fn now(&self) -> Time {
        let now = self.world.bounds().latest;
        if (0..=STEP_MS).contains(&self.at.0.saturating_sub(now.0)) { self.at } else { now }
    }

    fn with_sql<T>(&mut self, work: impl FnOnce(&mut dyn Sql, &Shared) -> SqlResult<T>) -> SqlResult<T> {
        let Some(sql) = self.sql.as_deref_mut() else { return Err(SqlError::gone("no connection")) };
        let result = work(sql, &self.shared);
        if let Err(error) = &result {
            self.failed(error.gone);
        }
        result
    }

    /// After an error: back to no transaction, or to no connection.
    fn failed(&mut self, gone: bool) {
        let Some(sql) = self.sql.as_deref_mut() else { return };
        // SQLite may have rolled back by itself; then this fails and says nothing new.
        if gone || sql.batch("ROLLBACK").is_err_and(|e| e.gone) {
            tracing::error!("the database connection is lost");
            self.sql = None;
            self.retry = RETRY_MIN;
        }
    }

    fn group(&mut self, jobs: Vec<Job>) {
        let now = self.now();
        match self.with_newest(|newest, sql| write_group(sql, &jobs, newest, now)) {
            Ok(outcomes) => self.publish(jobs, outcomes, now),
            // One batch that the database cannot take must not fail the others.
            Err(error) if !error.gone && jobs.len() > 1 => jobs.into_iter().for_each(|job| self.group(vec![job])),
            Err(error) => {
                let error = Error::from(error);
                jobs.into_iter().for_each(|job| drop(job.answer.send(Err(error.clone()))));
            }
        }
    }

    fn with_newest<T>(&mut self, work: impl FnOnce(u64, &mut dyn Sql) -> SqlResult<T>) -> SqlResult<T> {
        let newest = self.newest;
        self.with_sql(|sql, _| work(newest, sql))
    }

    /// Tells memory, then the consumers, then the callers.
    fn publish(&mut self, mut jobs: Vec<Job>, mut outcomes: Outcomes, now: Time) {
        let mut seq = self.newest;
        {
            let mut pending = self.shared.pending.lock();
            pending.trust(self.world.bounds().earliest);
            let mut ring = self.shared.ring.lock();
            for (job, outcome) in jobs.iter_mut().zip(&mut outcomes) {
                let Ok((_, effects)) = outcome else { continue };
                for (event, size) in effects.told.take().unwrap_or_else(|| std::mem::take(&mut job.events)) {
                    seq += 1;
                    if let EventBody::Reported(report) = &event.body {
                        pending.add(report, seq, now);
                    }
                    ring.push(event, size);
                }
                if !effects.outgoing.is_empty() {
                    self.shared.work.set(effects.outgoing.iter().copied());
                }
                let bulk = job.steps.len() > BULK;
                for step in job.steps.drain(..) {
                    self.shared.committed(step.write, bulk, &mut pending);
                }
                self.shared.targets.lock().count(&effects.targets);
                effects.resources.drain(..).for_each(|r| self.shared.caches.put_resource(r));
                self.shared.caches.drop_resources(&effects.dropped);
            }
        }
        if seq > self.newest {
            self.newest = seq;
            self.at = now;
            self.shared.newest.send_replace(seq);
        }
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        self.shared.batches.fetch_add(jobs.len() as u64, Ordering::Relaxed);
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            let states = |effects: Effects| effects.held.iter().map(|held| held.state).collect();
            let committed = outcome.map(|(seq, effects)| Committed { seq, states: states(effects) });
            drop(job.answer.send(committed));
        }
    }

    /// Begins a flush when one is due, and does a slice of the one under way.
    fn keep_flushing(&mut self) {
        let due = self.flush_due();
        if self.flush.is_none() && due {
            self.seal();
        }
        let slices = if due { SLICES_BEHIND } else { 1 };
        for _ in 0..slices {
            if self.flush.is_none() {
                return;
            }
            if let Err(error) = self.slice() {
                tracing::error!(error = %error.text, "history could not be flushed; it stays in the stream");
                self.shared.queue.pause(IDLE);
                return;
            }
        }
    }

    fn flush_due(&self) -> bool {
        let options = &self.shared.options;
        let (points, bytes, oldest) = self.shared.pending.lock().active();
        let aged = oldest.is_some_and(|t| self.now().0.saturating_sub(t.0) >= options.flush_age_ms);
        points >= options.flush_points || bytes >= options.flush_bytes || aged
    }

    fn seal(&mut self) {
        let devices = self.shared.pending.lock().seal();
        self.flush = Some(Flush::new(devices, self.newest));
    }

    fn slice(&mut self) -> SqlResult<()> {
        let Some(mut flush) = self.flush.take() else { return Ok(()) };
        let result = self.with_sql(|sql, shared| flush.slice(sql, &shared.pending));
        if !matches!(result, Ok(true)) {
            self.flush = Some(flush);
        }
        result.map(|_| ())
    }

    fn flush_all(&mut self) -> SqlResult<()> {
        while self.flush.is_some() {
            self.slice()?;
        }
        self.seal();
        while self.flush.is_some() {
            self.slice()?;
        }
        Ok(())
    }

    /// Leaves the database as the next start likes it best; not needed for it.
    fn end_well(&mut self) {
        let earliest = self.world.bounds().earliest;
        let ended = self.with_sql(|sql, _| {
            prune::note_time(sql, earliest)?;
            sql.tidy()
        });
        if let Err(error) = ended {
            tracing::warn!(error = %error.text, "the database could not be tidied up");
        }
    }

    /// Waits and tries again to reach the database; closes the store when the database has had another writer.
    fn reconnect(&mut self) {
        if self.shared.queue.pause(self.retry) != End::Open {
            return;
        }
        self.retry = (self.retry * 2).min(RETRY_MAX);
        let mut sql = match self.backend.writer() {
            Ok(sql) => sql,
            Err(error) => {
                tracing::warn!(error = %error.text, "the database is still not reachable");
                // Another process may have the lock; or what is left of the lost connection, which ends by itself.
                let epoch = self.backend.reader().and_then(|mut sql| replay::epoch(&mut *sql));
                if !error.gone && epoch.is_ok_and(|epoch| epoch != self.epoch) {
                    self.lose(replay::ANOTHER_WRITER);
                }
                return;
            }
        };
        match replay::resume(&mut *sql, &self.shared, self.epoch, self.newest) {
            Ok((newest, at)) => {
                tracing::info!("the database is reachable again");
                self.newest = newest;
                self.at = at;
                self.sql = Some(sql);
                self.retry = RETRY_MIN;
            }
            Err(error) if error.gone => (),
            Err(error) => self.lose(&error.text),
        }
    }

    fn lose(&self, reason: &str) {
        tracing::error!(reason, "the database cannot be used any more");
        self.shared.lost.send_replace(Some(reason.to_owned()));
        self.shared.queue.close(End::Drop);
    }
}

/// Writes a group in one transaction; tells what became of each batch.
fn write_group(sql: &mut dyn Sql, jobs: &[Job], newest: u64, now: Time) -> SqlResult<Outcomes> {
    if jobs.iter().all(|job| job.steps.is_empty() && job.events.is_empty()) {
        return Ok(jobs.iter().map(|_| Ok((Seq(newest), Effects::default()))).collect());
    }
    sql.begin_write()?;
    let mut outcomes = Vec::with_capacity(jobs.len());
    let mut blob = Vec::with_capacity(1 + jobs.iter().map(|job| job.encoded.len()).sum::<usize>());
    blob.push(EVENTS_VERSION);
    let mut seq = newest;
    let mut counters = Counters::default();
    for job in jobs {
        let mut outcome = apply(sql, job, seq, now, &mut counters, jobs.len() > 1)?;
        if let (Err(error), [_]) = (&outcome, jobs) {
            sql.batch("ROLLBACK")?;
            return Ok(vec![Err(error.clone())]);
        }
        if let Ok(effects) = &mut outcome {
            if !extension::complete(job, effects, &mut blob) {
                blob.extend_from_slice(&job.encoded);
            }
            seq += job.events.len() as u64;
        }
        outcomes.push(outcome.map(|effects| (Seq(seq), effects)));
    }
    counters.write(sql)?;
    if seq > newest {
        sql.execute(
            "INSERT INTO stream (first_seq, last_seq, at, events) VALUES (?1, ?2, ?3, ?4)",
            &[Value::Int(to_db(newest + 1)), Value::Int(to_db(seq)), Value::Int(now.0), Value::Bytes(&blob)],
        )?;
    }
    sql.batch("COMMIT")?;
    Ok(outcomes)
}

/// Applies one batch; a refused one of several (`among`) is undone alone.
fn apply(
    sql: &mut dyn Sql,
    job: &Job,
    newest: u64,
    now: Time,
    counters: &mut Counters,
    among: bool,
) -> SqlResult<Result<Effects>> {
    let guarded = among && job.needs_undo();
    if guarded {
        sql.batch("SAVEPOINT one")?;
    }
    let mut effects = Effects { counters: std::mem::take(counters), ..Effects::default() };
    let refused = apply_steps(sql, job, newest, now, &mut effects)?;
    *counters = std::mem::take(&mut effects.counters);
    effects.targets = counters.jobs.at_hand().map(|((_, state), n)| (*state, n)).collect();
    counters.end(refused.is_none());
    if guarded {
        sql.batch(if refused.is_some() { "ROLLBACK TO SAVEPOINT one; RELEASE SAVEPOINT one" } else { "RELEASE SAVEPOINT one" })?;
    }
    Ok(refused.map_or(Ok(effects), Err))
}

/// Why the batch is refused, if it is.
fn apply_steps(sql: &mut dyn Sql, job: &Job, newest: u64, now: Time, effects: &mut Effects) -> SqlResult<Option<Error>> {
    let done = Step::apply_all(&job.steps, sql, now, effects);
    let done = done.and_then(|()| tell(sql, job, newest));
    match done {
        Ok(()) => Ok(None),
        Err(Refused::Group(error)) => Err(error),
        Err(Refused::Batch(error)) => Ok(Some(error)),
    }
}

/// Notes the places of events at the addresses of calls and commands that they are for; one that is gone must be made anew.
fn tell(sql: &mut dyn Sql, job: &Job, newest: u64) -> Done {
    for ((event, _), seq) in job.events.iter().zip(newest + 1..) {
        if let Some(address) = event.body.call_address()
            && !addresses::tell(sql, address, Seq(seq))?
        {
            return Err(Refused::Batch(Error::new(Cause::Stale, "the callback address was freed meanwhile")));
        }
    }
    Ok(())
}
