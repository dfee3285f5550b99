//! What a job needs next, and how its record follows. Pure: what was loaded and the time come in.

use landfall_model::{Cause, Error, Job, JobCounts, JobState, Result, TargetState, Time};

/// What is done next for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Its rows stopped coming.
    BreakOff,
    /// Its time is over.
    TimeOut,
    /// Further targets are chosen.
    Choose,
    /// So many targets are begun.
    Begin(usize),
    /// What is open ends in this state.
    End(TargetState),
    /// It is over.
    Finish,
}

impl Step {
    /// With how many targets it is tried first.
    pub(super) fn count(self, part: usize) -> usize {
        match self {
            Self::Begin(count) => count,
            Self::End(_) => part,
            Self::BreakOff | Self::TimeOut | Self::Choose | Self::Finish => 1,
        }
    }
}

/// The next step; none: it waits, for ends of targets or for somebody who resumes it. All targets are chosen before the first is begun.
///
/// Of many targets under way, a tenth must have ended before others are begun, so that these are not begun one by one.
pub(super) fn next(job: &Job, counts: &JobCounts, now: Time, part: usize) -> Option<Step> {
    let left = job.total.saturating_sub(job.begun);
    let open = left > 0 || counts.running > 0;
    if job.is_over() {
        return None;
    }
    if job.state == JobState::Receiving {
        return job.due_at.is_none_or(|due| due <= now).then_some(Step::BreakOff);
    }
    if job.choosing.is_none() && !open {
        return Some(Step::Finish);
    }
    match job.state {
        JobState::Stopped => return Some(Step::End(TargetState::Stopped)),
        JobState::TimedOut => return Some(Step::End(TargetState::TimedOut)),
        _ if job.due_at.is_some_and(|due| due <= now) => return Some(Step::TimeOut),
        _ if job.choosing.is_some() => return Some(Step::Choose),
        JobState::Paused => return None,
        JobState::Receiving | JobState::Waiting | JobState::Running | JobState::Finished => {}
    }
    let room = u64::from(job.in_flight).saturating_sub(counts.running);
    let part = left.min(part as u64);
    let worth = part.min(u64::from(job.in_flight / 10)).max(1);
    (left > 0 && room >= worth).then(|| Step::Begin(part.min(room) as usize))
}

/// So many targets were begun.
pub(super) fn begun(job: &Job, count: usize, now: Time) -> Job {
    let state = if job.state == JobState::Waiting { JobState::Running } else { job.state };
    Job { begun: job.begun + count as u64, state, started_at: job.started_at.or(Some(now)), ..moved(job) }
}

/// So many targets ended that were never begun.
pub(super) fn passed(job: &Job, count: usize) -> Job {
    Job { begun: job.begun + count as u64, ..moved(job) }
}

/// So many targets were chosen; with a reason, nothing of it is carried out.
pub(super) fn chosen(job: &Job, count: usize, choosing: Option<String>, reason: Option<String>) -> Job {
    Job { total: job.total + count as u64, choosing, reason: job.reason.clone().or(reason), ..moved(job) }
}

/// So many rows more were handed over; the next must come by this time.
pub(super) fn handed_over(job: &Job, count: usize, due_at: Time) -> Job {
    Job { total: job.total + count as u64, due_at: Some(due_at), ..moved(job) }
}

/// All rows are there; what is open by this time ends.
pub(super) fn received(job: &Job, due_at: Option<Time>) -> Job {
    Job { state: JobState::Waiting, due_at, ..moved(job) }
}

/// No further target is chosen or begun.
pub(super) fn ending(job: &Job, state: JobState, reason: Option<String>) -> Job {
    Job { state, reason, choosing: None, ..moved(job) }
}

/// Every target is over.
pub(super) fn over(job: &Job, now: Time) -> Job {
    let state = if job.state.is_final() { job.state } else { JobState::Finished };
    Job { state, finished_at: Some(now), ..moved(job) }
}

/// Somebody pauses it; none: it is paused.
pub(super) fn paused(job: &Job) -> Result<Option<Job>> {
    match job.state {
        JobState::Paused => Ok(None),
        JobState::Waiting | JobState::Running => Ok(Some(Job { state: JobState::Paused, ..moved(job) })),
        _ => Err(not_ready(job, "be paused")),
    }
}

/// Somebody resumes it; none: it is not paused.
pub(super) fn resumed(job: &Job) -> Result<Option<Job>> {
    match job.state {
        JobState::Waiting | JobState::Running => Ok(None),
        JobState::Paused => {
            let state = if job.begun > 0 { JobState::Running } else { JobState::Waiting };
            Ok(Some(Job { state, ..moved(job) }))
        }
        _ => Err(not_ready(job, "be resumed")),
    }
}

/// Somebody stops it; none: it is stopped.
pub(super) fn stopped(job: &Job) -> Result<Option<Job>> {
    match job.state {
        JobState::Stopped => Ok(None),
        state if state.is_final() => Err(not_ready(job, "be stopped")),
        _ => Ok(Some(ending(job, JobState::Stopped, None))),
    }
}

/// How many targets a retry of it has. `JobNotReady`: it is not over, or none failed.
pub(super) fn to_retry(job: &Job, counts: &JobCounts) -> Result<u64> {
    match counts.failed + counts.timed_out + counts.expired {
        _ if !job.is_over() => Err(Error::new(Cause::JobNotReady, "the job is not over, so that not all that fail are known")),
        0 => Err(Error::new(Cause::JobNotReady, "no target of the job failed")),
        some => Ok(some),
    }
}

/// Fewer targets after so many refusals of that many; none: the one that is left is given up.
pub(super) fn fewer(count: usize, refusals: u32) -> Option<usize> {
    match (count, refusals) {
        (0 | 1, 4..) => None,
        (2.., 2..) => Some(count / 2),
        _ => Some(count),
    }
}

fn moved(job: &Job) -> Job {
    Job { version: job.version + 1, ..job.clone() }
}

fn not_ready(job: &Job, what: &str) -> Error {
    Error::new(Cause::JobNotReady, format!("a job that is {} cannot {what}", job.state.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{AccountId, JobId, JobKind};

    fn job(state: JobState, choosing: bool, total: u64, begun: u64) -> Job {
        Job {
            id: JobId::from_random([1; 16]),
            account: AccountId::from_random([1; 16]),
            version: 3,
            app: None,
            by: None,
            kind: JobKind::Commands,
            name: "j".into(),
            order: "{}".into(),
            state,
            reason: None,
            retry_of: None,
            choosing: choosing.then(String::new),
            total,
            begun,
            in_flight: 100,
            created_at: Time(0),
            started_at: None,
            finished_at: None,
            due_at: Some(Time(1_000)),
        }
    }

    #[test]
    fn each_job_has_its_next_step() {
        use JobState::{Paused, Receiving, Running, Stopped, TimedOut, Waiting};
        use Step::{Begin, BreakOff, Choose, End, Finish, TimeOut};
        let (early, late) = (Time(999), Time(1_000));
        for (state, choosing, total, begun, running, now, expected) in [
            (Receiving, false, 0, 0, 0, early, None),
            (Receiving, true, 500, 0, 0, early, None),
            (Receiving, true, 500, 0, 0, late, Some(BreakOff)),
            (Waiting, true, 0, 0, 0, early, Some(Choose)),
            (Waiting, true, 500, 0, 0, early, Some(Choose)),
            (Waiting, true, 500, 0, 0, late, Some(TimeOut)),
            (Waiting, false, 0, 0, 0, early, Some(Finish)),
            (Waiting, false, 500, 0, 0, early, Some(Begin(50))),
            (Running, false, 500, 480, 0, early, Some(Begin(20))),
            (Running, false, 500, 100, 60, early, Some(Begin(40))),
            (Running, false, 500, 100, 90, early, Some(Begin(10))),
            (Running, false, 500, 100, 91, early, None),
            (Running, false, 500, 499, 91, early, Some(Begin(1))),
            (Running, false, 500, 100, 100, early, None),
            (Running, false, 500, 100, 101, early, None),
            (Running, false, 500, 500, 1, early, None),
            (Running, false, 500, 500, 1, late, Some(TimeOut)),
            (Running, false, 500, 500, 0, late, Some(Finish)),
            (Paused, true, 0, 0, 0, early, Some(Choose)),
            (Paused, false, 500, 100, 0, early, None),
            (Paused, false, 500, 100, 0, late, Some(TimeOut)),
            (Paused, false, 500, 500, 0, early, Some(Finish)),
            (Stopped, false, 500, 100, 0, late, Some(End(TargetState::Stopped))),
            (Stopped, false, 500, 500, 1, early, Some(End(TargetState::Stopped))),
            (Stopped, false, 500, 500, 0, early, Some(Finish)),
            (TimedOut, false, 500, 500, 1, late, Some(End(TargetState::TimedOut))),
        ] {
            let counts = JobCounts { running, ..JobCounts::default() };
            let job = job(state, choosing, total, begun);
            assert_eq!(next(&job, &counts, now, 50), expected, "{state:?} {choosing} {total} {begun} {running} {now:?}");
            let gone = Job { finished_at: Some(early), ..job };
            assert_eq!(next(&gone, &counts, now, 50), None);
        }
    }

    #[test]
    fn one_at_a_time_is_a_bound_too() {
        let job = Job { in_flight: 1, ..job(JobState::Running, false, 5, 1) };
        let running = |running| JobCounts { running, ..JobCounts::default() };
        assert_eq!(next(&job, &running(0), Time(0), 50), Some(Step::Begin(1)));
        assert_eq!(next(&job, &running(1), Time(0), 50), None);
    }

    #[test]
    fn each_state_allows_what_it_allows() {
        use JobState::{Finished, Paused, Receiving, Running, Stopped, TimedOut, Waiting};
        let after = |done: Result<Option<Job>>| match done {
            Ok(next) => Ok(next.map(|next| next.state)),
            Err(error) => Err(error.cause),
        };
        let no = Err(Cause::JobNotReady);
        for (state, begun, pause, resume, stop) in [
            (Receiving, 0, no, no, Ok(Some(Stopped))),
            (Waiting, 0, Ok(Some(Paused)), Ok(None), Ok(Some(Stopped))),
            (Running, 1, Ok(Some(Paused)), Ok(None), Ok(Some(Stopped))),
            (Paused, 0, Ok(None), Ok(Some(Waiting)), Ok(Some(Stopped))),
            (Paused, 1, Ok(None), Ok(Some(Running)), Ok(Some(Stopped))),
            (Finished, 1, no, no, no),
            (TimedOut, 1, no, no, no),
            (Stopped, 1, no, no, Ok(None)),
        ] {
            let job = job(state, false, 1, begun);
            assert_eq!([after(paused(&job)), after(resumed(&job)), after(stopped(&job))], [pause, resume, stop], "{state:?}");
        }
    }

    #[test]
    fn refusals_leave_fewer_and_fewer_until_one_is_given_up() {
        let (mut count, mut tried) = (1_000, vec![]);
        let mut refusals = 0;
        loop {
            tried.push(count);
            refusals += 1;
            let Some(next) = fewer(count, refusals) else { break };
            if next != count {
                (count, refusals) = (next, 0);
            }
        }
        let twice = [1_000, 500, 250, 125, 62, 31, 15, 7, 3].into_iter().flat_map(|count| [count, count]);
        assert_eq!(tried, twice.chain([1; 4]).collect::<Vec<_>>());
    }
}
