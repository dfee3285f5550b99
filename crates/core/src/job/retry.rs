//! Failed targets again: a job whose targets are those of another one that did not succeed.

use super::{Chosen, state};
use crate::{Core, Scope, batch};
use landfall_model::{Cause, Error, Job, JobBlock, JobId, JobState, Result, TargetState, Targets, Time, Write};

/// Targets in these states are tried again, one state after the other. Those that somebody stopped are not.
const AGAIN: [TargetState; 3] = [TargetState::Failed, TargetState::TimedOut, TargetState::Expired];

impl Core {
    /// Makes a job that tries the targets of another one again that failed, timed out or expired. It has as long for that as the first, counted
    /// from now. Without a name it has that of the first with its own id.
    ///
    /// `ResourceNotFound`, `JobNotReady` for a job that is not over or of which no target failed, and what [`Core::make_job`] says.
    pub async fn retry_job(&self, scope: &Scope, id: JobId, name: Option<String>) -> Result<Job> {
        let (first, counts) = self.job(scope, id).await?;
        state::to_retry(&first, &counts)?;
        let (id, now) = (JobId::new(self.now(), self.random_16()), self.now());
        let job = Job {
            id,
            version: 1,
            by: scope.by,
            name: name.unwrap_or_else(|| format!("{}-{id}", first.name.chars().take(super::NAME - 37).collect::<String>())),
            state: JobState::Waiting,
            reason: None,
            retry_of: Some(first.id),
            choosing: Some(Mark::default().to_string()),
            total: 0,
            begun: 0,
            created_at: now,
            started_at: None,
            finished_at: None,
            due_at: first.due_at.map(|due| Time(due.0.saturating_sub(first.created_at.0).saturating_add(now.0))),
            ..first
        };
        self.commit_new_job(&job, batch(vec![Write::Job(Box::new(job.clone()))], vec![])).await?;
        Ok(job)
    }

    /// The next of the targets that are tried again. `ResourceNotFound` where the first job is gone meanwhile.
    pub(super) async fn choose_again(&self, first: JobId, at: &str) -> Result<Chosen> {
        let gone = || Error::new(Cause::ResourceNotFound, "the job whose failed targets are to be tried again is gone");
        let mut mark = Mark::read(at)?;
        let Some(state) = AGAIN.get(mark.state) else { return Ok(Chosen::of(Targets::Rows(vec![]), None)) };
        let found = self.store.begun_targets(first, *state, mark.place, JobBlock::SIZE as u32).await?;
        let (mut targets, mut block): (Targets, Option<JobBlock>) = (Targets::Rows(vec![]), None);
        for target in &found {
            let mut one = block.as_ref().and_then(|block| block.part(target.place, 1));
            if one.is_none() {
                block = Some(self.store.job_block(first, target.place).await?.ok_or_else(gone)?);
                one = block.as_ref().and_then(|block| block.part(target.place, 1));
            }
            targets.append(one.ok_or_else(gone)?.targets);
        }
        mark = match found.last() {
            Some(last) if found.len() == JobBlock::SIZE => Mark { place: last.place + 1, ..mark },
            _ => Mark { state: mark.state + 1, place: 0 },
        };
        if self.store.job(first).await?.is_none() {
            return Err(gone());
        }
        Ok(Chosen::of(targets, (mark.state < AGAIN.len()).then(|| mark.to_string())))
    }
}

/// How far the choice is: which of the states, and which place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    state: usize,
    place: u64,
}

impl Mark {
    fn read(text: &str) -> Result<Self> {
        let read =
            text.split_once(' ').and_then(|(state, place)| Some(Self { state: state.parse().ok()?, place: place.parse().ok()? }));
        read.ok_or_else(|| Error::new(Cause::Internal, format!("{text:?} is no mark of a retry")))
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.state, self.place)
    }
}
