//! /jobs: long work on many targets. How far each job is, what became of each target, and what operators ask of it.
//!
//! Absent: what a job was ordered to do and the rows of its list, which may hold keys of devices.

use super::{
    caller::{JsonBody, Over, job_id},
    error::Answer,
    query::listed,
};
use axum::{Json, extract::Path, http::StatusCode};
use landfall_core::{JobFilter, TargetFilter};
use landfall_model::{Error, Job, JobCounts, JobId, JobKind, JobState, JobTarget, TargetState, Time};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Between two looks at a job that is waited for; so often at most a watcher is answered.
const LOOK: Duration = Duration::from_millis(500);
/// Wait where none is named, and longest, seconds.
const WAIT_S: u32 = 30;
const WAIT_MAX_S: u32 = 60;

/// Jobs, newest first.
pub(super) async fn list(over: Over) -> Answer {
    let params = &over.params;
    let page = params.paged(&["app", "kind", "name", "state"])?;
    let app = match params.text("app") {
        Some(text) => Some(over.app(text).await.map_err(|error| error.at("app"))?.id),
        None => None,
    };
    let kind = params.text("kind").map(|word| by_word("kind", &JobKind::ALL, JobKind::as_str, word)).transpose()?;
    let over_or_open = |word: &str| by_word("state", &[false, true], |over| if over { "over" } else { "open" }, word);
    let ended = params.text("state").map(over_or_open).transpose()?;
    let filter = JobFilter { app, kind, name: params.text("name").map(str::to_owned), over: ended, ..JobFilter::default() };
    let now = over.core.now();
    Ok(listed(&over.core.jobs(&over.scope, filter, page).await?, |(job, counts)| shown(job, counts, now)))
}

/// One job. With `seen`, the mark of an earlier answer, it is answered once the job is another, or after `waitS`.
pub(super) async fn show(over: Over, Path(which): Path<String>) -> Answer {
    over.params.only(&["seen", "waitS"])?;
    let rule = "must be 1 to 60";
    let wait_s = over.params.parsed("waitS", rule)?.unwrap_or(WAIT_S);
    if !(1..=WAIT_MAX_S).contains(&wait_s) {
        return Err(Error::invalid("waitS", rule).into());
    }
    let job = job_id(&which)?;
    let mut found = over.core.job(&over.scope, job).await?;
    if let Some(seen) = over.params.text("seen") {
        let looks = u64::from(wait_s) * 1_000 / LOOK.as_millis() as u64;
        for _ in 0..looks {
            tokio::time::sleep(LOOK).await;
            found = over.core.job(&over.scope, job).await?;
            if mark(&found.0, &found.1) != seen || over.ops.ready().is_err() {
                break;
            }
        }
    }
    Ok(Json(shown(&found.0, &found.1, over.core.now())))
}

/// Targets by place.
pub(super) async fn targets(over: Over, Path(which): Path<String>) -> Answer {
    let page = over.params.paged(&["state", "from"])?;
    let word = over.params.text("state");
    let state = word.map(|word| by_word("state", &TargetState::ALL, TargetState::as_str, word)).transpose()?;
    let job = job_id(&which)?;
    let Some(from) = over.params.parsed("from", "must be a place from 0 on")? else {
        let filter = TargetFilter { job, states: state.into_iter().collect(), device: None, command: None };
        return Ok(listed(&over.core.job_targets(&over.scope, &filter, page).await?, target));
    };
    let Some(state) = state.filter(|state| *state != TargetState::Waiting && page.no == 0) else {
        return Err(Error::invalid("from", "needs a state of targets that were begun, and no pageNo").into());
    };
    Ok(listed(&over.core.begun_targets(&over.scope, job, state, from, page.size).await?, target))
}

pub(super) async fn pause(over: Over, Path(which): Path<String>) -> Answer {
    over.params.only(&[])?;
    let job = over.core.pause_job(&over.scope, job_id(&which)?).await?;
    answer(&over, job.id).await
}

pub(super) async fn resume(over: Over, Path(which): Path<String>) -> Answer {
    over.params.only(&[])?;
    let job = over.core.resume_job(&over.scope, job_id(&which)?).await?;
    answer(&over, job.id).await
}

/// Ends what is open; what waits unsent is withdrawn.
pub(super) async fn stop(over: Over, Path(which): Path<String>) -> Answer {
    over.params.only(&[])?;
    let job = over.core.stop_job(&over.scope, job_id(&which)?).await?;
    answer(&over, job.id).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetryBody {
    name: Option<String>,
}

/// Makes a new job of the targets that did not succeed.
pub(super) async fn retry(
    over: Over,
    Path(which): Path<String>,
    JsonBody(body): JsonBody<RetryBody>,
) -> Answer<(StatusCode, Json<Value>)> {
    over.params.only(&[])?;
    let job = over.core.retry_job(&over.scope, job_id(&which)?, body.name).await?;
    Ok((StatusCode::CREATED, answer(&over, job.id).await?))
}

async fn answer(over: &Over, job: JobId) -> Answer {
    let (job, counts) = over.core.job(&over.scope, job).await?;
    Ok(Json(shown(&job, &counts, over.core.now())))
}

/// What has this word.
fn by_word<T: Copy>(path: &'static str, all: &[T], word_of: impl Fn(T) -> &'static str, word: &str) -> landfall_model::Result<T> {
    all.iter().copied().find(|one| word_of(*one) == word).ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|one| word_of(*one)).collect();
        Error::invalid(path, format!("must be one of {}", words.join(", ")))
    })
}

/// Another one wherever something of the job or of its targets has changed.
fn mark(job: &Job, counts: &JobCounts) -> String {
    format!("{}.{}.{}", job.version, counts.running, counts.over())
}

/// A job and how far it is.
pub(super) fn shown(job: &Job, counts: &JobCounts, now: Time) -> Value {
    let pace = pace(job, counts, now);
    json!({
        "jobId": job.id,
        "accountId": job.account,
        "appId": job.app,
        "requestedBy": job.by,
        "kind": job.kind.as_str(),
        "name": job.name,
        "state": job.state.as_str(),
        "reason": job.reason,
        "retryOf": job.retry_of,
        "choosing": job.choosing.is_some(),
        "total": job.total,
        "done": counts.over(),
        "counts": {
            "waiting": job.total.saturating_sub(job.begun),
            "running": counts.running,
            "succeeded": counts.succeeded,
            "failed": counts.failed,
            "timedOut": counts.timed_out,
            "expired": counts.expired,
            "stopped": counts.stopped,
        },
        "inFlight": job.in_flight,
        "targetsPerSecond": pace.map(|(per_s, _)| per_s),
        "createdAt": job.created_at.iso(),
        "startedAt": job.started_at.map(Time::iso),
        "finishedAt": job.finished_at.map(Time::iso),
        "dueAt": job.due_at.map(Time::iso),
        "expectedEnd": pace.and_then(|(_, end)| end).map(Time::iso),
        "mark": mark(job, counts),
    })
}

/// Targets that ended a second since the first was begun, and the end at that pace while there is one to be expected; none before there is
/// anything to measure.
fn pace(job: &Job, counts: &JobCounts, now: Time) -> Option<(f64, Option<Time>)> {
    let spent_ms = job.finished_at.unwrap_or(now).0.saturating_sub(job.started_at?.0);
    let done = counts.over();
    if spent_ms <= 0 || done == 0 {
        return None;
    }
    let per_s = done as f64 * 1_000.0 / spent_ms as f64;
    let left_ms = job.total.saturating_sub(done) as f64 / per_s * 1_000.0;
    let under_way = !job.state.is_final() && job.state != JobState::Paused && job.choosing.is_none();
    let end = under_way.then(|| Time(now.0.saturating_add(left_ms as i64)));
    Some(((per_s * 10.0).round() / 10.0, end))
}

fn target(target: &JobTarget) -> Value {
    json!({
        "place": target.place,
        "state": target.state.as_str(),
        "deviceId": target.device,
        "commandId": target.command,
        "detail": target.detail,
    })
}
