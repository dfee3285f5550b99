//! One step of a job: what is decided, what is written, and what follows where that is refused.

use super::{
    Begun, Task,
    state::{self, Step},
};
use crate::{Core, Why, batch, turns::Record};
use landfall_model::{
    Batch, Cause, Error, Job, JobBlock, JobCounts, JobState, JobTarget, Result, TargetEnd, TargetState, Targets, Time, Write,
};

/// Choices of targets that one commit takes, and targets from which on it takes no further.
const CHOICES: usize = 10;
const ENOUGH: usize = CHOICES * JobBlock::SIZE;

/// What a step writes, and what follows its commit.
struct Decided(Batch, After);

enum After {
    Nothing,
    /// These targets were begun.
    Begun(Vec<JobTarget>),
    /// The server stopped the job.
    Stopped(String),
}

/// How a step is tried.
enum Try {
    /// With at most so many targets.
    With(usize),
    /// The kind is told to give up the one target.
    GiveUp(Error),
    /// As far as it goes without the kind.
    Alone(Error),
}

impl Try {
    /// How it is tried after so many refusals; the error where there is no other way.
    fn after(self, refusals: &mut u32, error: Error) -> Result<Self> {
        *refusals += 1;
        match self {
            Self::With(count) => Ok(match state::fewer(count, *refusals) {
                Some(same) if same == count => Self::With(count),
                Some(fewer) => {
                    *refusals = 0;
                    Self::With(fewer)
                }
                None => Self::GiveUp(error),
            }),
            Self::GiveUp(why) => Ok(Self::Alone(why)),
            Self::Alone(_) => Err(error),
        }
    }

    fn count(&self) -> usize {
        if let Self::With(count) = self { *count } else { 1 }
    }
}

impl Core {
    /// Does the next step of a job; false: there is none. What is refused is decided anew, then with half as many targets, at last the one that
    /// is left fails with the reason. Errors are the server's own faults.
    pub(super) async fn step_job(&self, seen: &Job, counts: &JobCounts) -> Result<bool> {
        let task = self.task(seen.kind)?;
        let part = task.part().clamp(1, JobBlock::SIZE);
        let Some(step) = state::next(seen, counts, self.earliest(), part) else { return Ok(false) };
        let _turn = self.turns.take_all(&[Record::Job(seen.id)]).await?;
        let (mut how, mut refusals) = (Try::With(step.count(part)), 0);
        loop {
            let Some((job, counts)) = self.store.job(seen.id).await? else { return Ok(true) };
            let Some(step) = state::next(&job, &counts, self.earliest(), part) else { return Ok(true) };
            let finishes = step == Step::Finish;
            let done = match self.decide_step(task, (&job, &counts), step, &how).await {
                Ok(Decided(whole, after)) => self.store.commit(whole).await.map(|_| after),
                Err(error) => Err(error),
            };
            match done {
                Ok(After::Nothing) => {
                    if finishes {
                        self.jobs.waiting.over(job.id);
                    }
                    return Ok(true);
                }
                Ok(After::Begun(targets)) => {
                    task.begun(self, &job, &targets);
                    return Ok(true);
                }
                Ok(After::Stopped(reason)) => {
                    self.tell_stopped(&job, &reason);
                    return Ok(true);
                }
                Err(error) if error.is_ours() => return Err(error),
                Err(error) => how = how.after(&mut refusals, error)?,
            }
        }
    }

    async fn decide_step(&self, task: &dyn Task, at: (&Job, &JobCounts), step: Step, how: &Try) -> Result<Decided> {
        let (job, counts) = at;
        if matches!(step, Step::Choose | Step::Begin(_))
            && let Some(reason) = self.bar_of_job(job).await?
        {
            return Ok(stopped(job, reason));
        }
        match step {
            Step::BreakOff => {
                let reason = "its rows stopped coming before all were there";
                Ok(stopped(job, reason.to_owned()))
            }
            Step::TimeOut => Ok(written(state::ending(job, JobState::TimedOut, None), Batch::default())),
            Step::Choose => match how {
                Try::With(_) => self.choose_targets(task, job).await,
                Try::GiveUp(why) | Try::Alone(why) => Ok(stopped(job, format!("its targets cannot be chosen: {why}"))),
            },
            Step::Begin(count) => self.begin_targets(task, job, count.min(how.count()), how).await,
            Step::End(state) if counts.running > 0 => self.end_running(task, job, state, how).await,
            Step::End(state) => {
                let (block, part) = self.next_part(job, JobBlock::SIZE).await?;
                let targets = part.each(state, job.reason.as_deref());
                let mut writes = forgotten(task, job, block, &targets);
                let next = state::passed(job, targets.len());
                writes.push(Write::JobTargets(targets));
                Ok(written(next, batch(writes, vec![])))
            }
            Step::Finish => {
                let next = state::over(job, self.end_of(0));
                let with = match how {
                    Try::With(_) => task.over(self, &next, counts).await?,
                    Try::GiveUp(_) | Try::Alone(_) => Batch::default(),
                };
                Ok(written(next, with))
            }
        }
    }

    /// Why a job may not go on: the application in whose name it runs is deleted or frozen, or the one that asked for it may no longer act for
    /// that one.
    async fn bar_of_job(&self, job: &Job) -> Result<Option<String>> {
        let Some(app) = job.app else { return Ok(None) };
        match self.standing(app).await? {
            Err(reason) => Ok(Some(reason)),
            Ok(_) => self.bar(app, job.by).await,
        }
    }

    async fn choose_targets(&self, task: &dyn Task, job: &Job) -> Result<Decided> {
        let (mut targets, mut choosing) = (Targets::Rows(vec![]), job.choosing.clone());
        let (mut with, mut reason) = (Batch::default(), None);
        for _ in 0..CHOICES {
            let Some(at) = choosing.as_ref().filter(|_| targets.len() < ENOUGH) else { break };
            let chosen = match job.retry_of {
                Some(first) => self.choose_again(first, at).await?,
                None => task.choose(self, job, at).await?,
            };
            if !targets.append(chosen.targets) {
                return Err(Error::new(Cause::Internal, "a job has devices as well as rows as its targets"));
            }
            choosing = chosen.next;
            reason = chosen.reason;
            with.merge(chosen.with);
            // What a choice writes, the next one may have to read.
            if !with.writes.is_empty() {
                break;
            }
        }
        let next = state::chosen(job, targets.len(), choosing, reason);
        let blocks = targets.into_blocks(job.id, job.total).into_iter();
        let mut whole = batch(blocks.map(|block| Write::JobBlock(Box::new(block))).collect(), vec![]);
        whole.merge(with);
        Ok(written(next, whole))
    }

    async fn begin_targets(&self, task: &dyn Task, job: &Job, count: usize, how: &Try) -> Result<Decided> {
        let (block, part) = self.next_part(job, count).await?;
        let Begun { mut targets, with } = match how {
            Try::With(_) => task.begin(self, job, &part).await?,
            Try::GiveUp(why) => task.give_up(self, job, &part, why).await?,
            Try::Alone(why) => Begun { targets: part.each(TargetState::Failed, Some(&why.to_string())), with: Batch::default() },
        };
        if targets.len() != part.targets.len() {
            return Err(Error::new(Cause::Internal, "a kind of job told of other targets than it was given"));
        }
        for (target, place) in targets.iter_mut().zip(part.first..) {
            (target.job, target.place) = (job.id, place);
        }
        let mut whole = batch(forgotten(task, job, block, &targets), vec![]);
        whole.writes.push(Write::JobTargets(targets.clone()));
        whole.merge(with);
        let Decided(whole, _) = written(state::begun(job, targets.len(), self.now()), whole);
        Ok(Decided(whole, After::Begun(targets)))
    }

    /// Targets under way end, unless their kind ends them in another way.
    async fn end_running(&self, task: &dyn Task, job: &Job, state: TargetState, how: &Try) -> Result<Decided> {
        let running = self.store.begun_targets(job.id, TargetState::Running, 0, how.count() as u32).await?;
        if running.is_empty() {
            return Err(Error::new(Cause::Internal, "a job counts targets under way that are not there"));
        }
        let end = |target: &JobTarget| TargetEnd { job: job.id, place: target.place, state, detail: job.reason.clone() };
        let mut whole = match how {
            Try::With(_) => task.end(self, job, &running, state).await?,
            Try::GiveUp(_) | Try::Alone(_) => Batch::default(),
        };
        whole.writes.extend(running.iter().map(|target| Write::EndTarget(end(target))));
        Ok(Decided(whole, After::Nothing))
    }

    /// The targets that come next, at most so many, and the block they are part of.
    async fn next_part(&self, job: &Job, count: usize) -> Result<(JobBlock, JobBlock)> {
        let block = self.store.job_block(job.id, job.begun).await?;
        let part = block.and_then(|block| block.part(job.begun, count).map(|part| (block, part)));
        part.ok_or_else(|| Error::new(Cause::Internal, format!("the targets of the job {} are not whole", job.id)))
    }

    fn tell_stopped(&self, job: &Job, reason: &str) {
        const STEP: &str = "job";
        const CHECK: &str = "stopped";
        let Some(app) = job.app else { return self.why.count(STEP, CHECK) };
        let detail = format!("the job {} ({}) was stopped: {reason}", job.id, job.name);
        let at: Time = self.now();
        let why = Why { at, identity: app.to_string(), peer: None, step: STEP, check: CHECK, detail, call: None };
        self.why.of_app(job.account, app, true, why);
    }
}

/// The next record of a job, and what else is written; a record that moved refuses it all.
fn written(next: Job, with: Batch) -> Decided {
    let mut whole = batch(vec![Write::Job(Box::new(next))], vec![]);
    whole.merge(with);
    Decided(whole, After::Nothing)
}

/// Leaves of a block what a kind needs that keeps no row longer than until it is over: those that are not begun, and those that failed.
fn forgotten(task: &dyn Task, job: &Job, mut block: JobBlock, begun: &[JobTarget]) -> Vec<Write> {
    let Targets::Rows(rows) = &mut block.targets else { return vec![] };
    if !task.forgets() {
        return vec![];
    }
    let from = job.begun.saturating_sub(block.first) as usize;
    for (row, target) in rows.iter_mut().skip(from).zip(begun) {
        if target.state != TargetState::Failed {
            row.clear();
        }
    }
    vec![Write::KeepRows(Box::new(block))]
}

fn stopped(job: &Job, reason: String) -> Decided {
    let Decided(whole, _) = written(state::ending(job, JobState::Stopped, Some(reason.clone())), Batch::default());
    Decided(whole, After::Stopped(reason))
}
