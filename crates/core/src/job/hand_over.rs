//! Jobs whose rows are handed over while they are read: a block a commit, several of them under way, so that the reader does not wait for
//! each. None is begun before all are there; a job whose rows stop coming is stopped.

use super::{NewJob, state};
use crate::{Core, Scope, batch, turns::Record};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use landfall_model::{Cause, Error, Job, JobBlock, JobState, Result, Targets, Time, Write};
use std::{future::poll_fn, task::Poll};

/// Blocks under way at once.
const AT_ONCE: usize = 4;
/// Bytes of rows from which on a block is written though it has room for more.
const BLOCK_BYTES: usize = 4 << 20;
/// Bytes of one row.
pub const ROW_BYTES: usize = 64 << 10;
/// Milliseconds after which rows are written though their block has room for more.
const LINGER_MS: i64 = 5_000;

/// A job whose rows are being handed over. When it is dropped, the job is stopped after a while.
pub struct HandOver {
    job: Job,
    due_at: Option<Time>,
    rows: Vec<String>,
    /// Bytes of these rows, and of all.
    bytes: usize,
    all_bytes: u64,
    wrote_at: Time,
    under_way: FuturesOrdered<BoxFuture<'static, Result<()>>>,
}

impl HandOver {
    /// The job as it will be once all that was handed over is written.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Rows handed over.
    pub fn rows(&self) -> u64 {
        self.job.total + self.rows.len() as u64
    }
}

impl Core {
    /// Makes a job whose rows come later. It is begun once it is closed. The same errors as of [`Core::make_job`].
    pub async fn open_job(&self, scope: &Scope, new: NewJob) -> Result<HandOver> {
        let due_at = new.due_at;
        let new = NewJob { due_at: Some(self.end_of(self.settings.hand_over_s.into())), ..new };
        let job = self.make_job_in(scope, new, JobState::Receiving).await?;
        let wrote_at = self.now();
        Ok(HandOver { job, due_at, rows: vec![], bytes: 0, all_bytes: 0, wrote_at, under_way: FuturesOrdered::new() })
    }

    /// Hands over the rows that follow, none of which is empty. They are durable once the job is closed.
    ///
    /// `TooMany` for more rows or bytes than a job may have, `JobNotReady` where somebody stopped it meanwhile.
    pub async fn hand_over(&self, to: &mut HandOver, rows: Vec<String>) -> Result<()> {
        for row in rows {
            if row.is_empty() || row.len() > ROW_BYTES {
                return Err(Error::new(Cause::TooMany, format!("a row has 1 to {ROW_BYTES} bytes")));
            }
            let (most, most_bytes) = (self.settings.import_rows, self.settings.import_bytes);
            if to.rows() >= most {
                return Err(Error::new(Cause::TooMany, format!("there may be at most {most} rows (limits.import_rows)")));
            }
            to.all_bytes += row.len() as u64;
            if to.all_bytes > most_bytes {
                return Err(Error::new(Cause::TooMany, format!("there may be at most {most_bytes} bytes (limits.import_bytes)")));
            }
            to.bytes += row.len();
            to.rows.push(row);
            if to.rows.len() == JobBlock::SIZE || to.bytes >= BLOCK_BYTES {
                self.write_block(to).await?;
            }
        }
        if !to.rows.is_empty() && self.now().0.saturating_sub(to.wrote_at.0) > LINGER_MS {
            self.write_block(to).await?;
        }
        Ok(())
    }

    /// All rows are there and durable: the job may begin.
    pub async fn close_job(&self, mut open: HandOver) -> Result<Job> {
        if !open.rows.is_empty() {
            self.write_block(&mut open).await?;
        }
        let next = state::received(&open.job, open.due_at);
        self.write_next(&mut open, next, vec![]).await?;
        while let Some(done) = open.under_way.next().await {
            done.map_err(stopped_meanwhile)?;
        }
        self.jobs.bell.ring();
        Ok(open.job)
    }

    /// The rest will not come: the job is stopped, with the reason.
    pub async fn abandon_job(&self, mut open: HandOver, reason: &str) -> Result<()> {
        while open.under_way.next().await.is_some() {}
        let (id, reason) = (open.job.id, reason.chars().take(1_000).collect::<String>());
        self.decide(&[Record::Job(id)], || {
            Box::pin(async {
                let found = self.store.job(id).await?.filter(|(job, _)| job.state == JobState::Receiving);
                let next = found.map(|(job, _)| state::ending(&job, JobState::Stopped, Some(reason.clone())));
                Ok((batch(next.map(|next| Write::Job(Box::new(next))).into_iter().collect(), vec![]), ()))
            })
        })
        .await?;
        self.jobs.bell.ring();
        Ok(())
    }

    async fn write_block(&self, to: &mut HandOver) -> Result<()> {
        let rows = std::mem::take(&mut to.rows);
        to.bytes = 0;
        to.wrote_at = self.now();
        let block = JobBlock { job: to.job.id, first: to.job.total, targets: Targets::Rows(rows) };
        let due_at = self.end_of(self.settings.hand_over_s.into());
        let next = state::handed_over(&to.job, block.targets.len(), due_at);
        self.write_next(to, next, vec![Write::JobBlock(Box::new(block))]).await
    }

    /// Puts a commit under way, behind those before it. Whoever wants to stop the job gets a turn in between; within the turn nobody does, and
    /// what waits was queued before, so that nothing is written over a job that was stopped.
    async fn write_next(&self, to: &mut HandOver, next: Job, with: Vec<Write>) -> Result<()> {
        while to.under_way.len() >= AT_ONCE {
            to.under_way.next().await.unwrap_or(Ok(())).map_err(stopped_meanwhile)?;
        }
        let _turn = self.turns.take_all(&[Record::Job(to.job.id)]).await?;
        if self.store.job(to.job.id).await?.is_none_or(|(job, _)| job.state != JobState::Receiving) {
            return Err(stopped_meanwhile(Error::new(Cause::Stale, "")));
        }
        let mut whole = batch(vec![Write::Job(Box::new(next.clone()))], vec![]);
        whole.writes.extend(with);
        let store = self.store.clone();
        to.job = next;
        let mut write = async move { store.commit(whole).await.map(|_| ()) }.boxed();
        // Commits are applied in the order in which they were first polled.
        match poll_fn(|context| Poll::Ready(write.as_mut().poll(context))).await {
            Poll::Ready(done) => done.map_err(stopped_meanwhile),
            Poll::Pending => {
                to.under_way.push_back(write);
                Ok(())
            }
        }
    }
}

fn stopped_meanwhile(error: Error) -> Error {
    match error.cause {
        Cause::Stale | Cause::ResourceNotFound => Error::new(Cause::JobNotReady, "the job was stopped while its rows came"),
        _ => error,
    }
}
