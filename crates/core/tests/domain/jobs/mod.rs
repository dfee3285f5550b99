//! Jobs in virtual time, by two kinds of the tests: one plays what the rows of its list say, one sends commands.

mod commands;
mod faults;
mod hand_over;
mod rights;
mod turns;
mod verbs;

use super::{Ground, Tenant, cause};
use async_trait::async_trait;
use landfall_core::{Begun, Chosen, Core, JobsTurn, NewJob, Scope, Task};
use landfall_model::{
    Batch, Cause, Error, Event, EventBody, Job, JobBlock, JobCounts, JobId, JobKind, JobState, JobTarget, PageRequest, Result,
    Seq, TargetEnd, TargetState, Targets, Write,
};
use std::collections::BTreeMap;

pub const ALL: PageRequest = PageRequest { no: 0, size: 10_000 };
/// Rows of one choice, and of one part.
const CHOICE: usize = 70;
const PART: usize = 100;

/// Plays the rows of a list. An order is words and how many rows each: `done 100 runs 5`. Each row that is begun is told, so that twice is seen.
pub struct Play;

impl Play {
    fn rows(order: &str) -> Vec<String> {
        let words: Vec<&str> = order.split_whitespace().collect();
        let of = |pair: &[&str]| std::iter::repeat_n(pair[0].to_owned(), pair[1].parse().unwrap());
        words.chunks_exact(2).flat_map(of).enumerate().map(|(place, word)| format!("{word} {place}")).collect()
    }
}

fn told(job: &Job, what: &str) -> Event {
    let (service_id, properties) = (what.to_owned(), job.id.to_string());
    let body = EventBody::DesiredDelivered { service_id, properties, delivered: true };
    Event { account: job.account, principals: None, device: None, at: job.created_at, body }
}

#[async_trait]
impl Task for Play {
    fn kind(&self) -> JobKind {
        JobKind::Provisioning
    }

    fn jobs_per_app(&self) -> Option<u64> {
        Some(5)
    }

    fn part(&self) -> usize {
        PART
    }

    async fn choose(&self, _: &Core, job: &Job, at: &str) -> Result<Chosen> {
        if job.order.starts_with("nowhere") {
            return Err(Error::new(Cause::ResourceNotFound, "there is no such list"));
        }
        let (rows, from) = (Self::rows(&job.order), at.parse::<usize>().unwrap());
        let to = (from + CHOICE).min(rows.len());
        Ok(Chosen::of(Targets::Rows(rows[from..to].to_vec()), (to < rows.len()).then(|| to.to_string())))
    }

    async fn begin(&self, _: &Core, job: &Job, part: &JobBlock) -> Result<Begun> {
        let Targets::Rows(rows) = &part.targets else { panic!("{part:?}") };
        let mut begun = Begun { targets: part.each(TargetState::Succeeded, None), with: Batch::default() };
        for (row, target) in rows.iter().zip(&mut begun.targets) {
            match row.split(' ').next() {
                Some("done") => {}
                Some("runs") => target.state = TargetState::Running,
                Some("fails") => (target.state, target.detail) = (TargetState::Failed, Some("é".repeat(5_000))),
                Some("taken") => return Err(Error::new(Cause::NameTaken, format!("{row} is taken"))),
                _ => return Err(Error::new(Cause::Internal, "the database has no time")),
            }
            begun.with.events.push(told(job, row));
        }
        Ok(begun)
    }

    async fn end(&self, _: &Core, job: &Job, targets: &[JobTarget], state: TargetState) -> Result<Batch> {
        let events = targets.iter().map(|target| told(job, &format!("{} {}", state.as_str(), target.place))).collect();
        Ok(Batch { writes: vec![], events })
    }

    async fn over(&self, _: &Core, job: &Job, counts: &JobCounts) -> Result<Batch> {
        let events = vec![told(job, &format!("over {} {}", job.state.as_str(), counts.over()))];
        Ok(Batch { writes: vec![], events })
    }
}

/// The ground with both kinds.
pub async fn ground(seed: u64) -> Ground {
    Ground::plan(seed).tasks(&[&Play, &commands::Reboot]).open().await
}

/// A list to be played.
pub fn list(domain: &Ground, name: &str, order: &str) -> NewJob {
    NewJob {
        id: job_id(domain),
        kind: JobKind::Provisioning,
        name: name.into(),
        order: order.into(),
        targets: Targets::Rows(vec![]),
        choosing: Some("0".into()),
        in_flight: None,
        due_at: None,
        with: Batch::default(),
    }
}

pub fn job_id(domain: &Ground) -> JobId {
    let mut random = [0; 16];
    domain.world.random(&mut random);
    JobId::from_random(random)
}

pub async fn play(domain: &Ground, scope: &Scope, name: &str, order: &str) -> Job {
    domain.core.make_job(scope, list(domain, name, order)).await.unwrap()
}

/// Turns until there is nothing to do; how many did something.
pub async fn work(domain: &Ground) -> usize {
    for turns in 0.. {
        if !turn(domain).await.more {
            return turns;
        }
    }
    unreachable!()
}

pub async fn turn(domain: &Ground) -> JobsTurn {
    let turn = domain.core.turn_jobs().await.unwrap();
    assert!(turn.failed.is_empty(), "{turn:?}");
    turn
}

pub async fn now(domain: &Ground, id: JobId) -> (Job, JobCounts) {
    domain.core.store().job(id).await.unwrap().unwrap()
}

pub async fn state(domain: &Ground, id: JobId) -> JobState {
    now(domain, id).await.0.state
}

/// Running, succeeded, failed, timed out, expired, stopped.
pub async fn counts(domain: &Ground, id: JobId) -> [u64; 6] {
    let counts = now(domain, id).await.1;
    let JobCounts { running, succeeded, failed, timed_out, expired, stopped } = counts;
    [running, succeeded, failed, timed_out, expired, stopped]
}

/// Targets under way end so.
pub async fn end(domain: &Ground, job: JobId, places: impl IntoIterator<Item = u64>, state: TargetState) {
    let end = |place| Write::EndTarget(TargetEnd { job, place, state, detail: None });
    let batch = Batch { writes: places.into_iter().map(end).collect(), events: vec![] };
    domain.core.store().commit(batch).await.unwrap();
}

/// What was told of a job, and how often.
pub async fn told_of(domain: &Ground, job: JobId) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for stored in domain.events_since(Seq(0)).await {
        if let EventBody::DesiredDelivered { service_id, properties, .. } = &stored.event.body
            && *properties == job.to_string()
        {
            *all.entry(service_id.clone()).or_default() += 1;
        }
    }
    all
}

/// Every row of the order was told of once, and nothing else but `more`.
pub async fn assert_each_once(domain: &Ground, job: &Job, more: &[&str]) {
    let mut expected: BTreeMap<String, usize> = Play::rows(&job.order).into_iter().map(|row| (row, 1)).collect();
    expected.extend(more.iter().map(|what| ((*what).to_owned(), 1)));
    assert_eq!(told_of(domain, job.id).await, expected);
}
