//! Whose turn it is: accounts in turn, the jobs of an account in turn, one step each.

use super::over::Waiting;
use crate::{Bell, Core, Settings};
use landfall_model::{AccountId, Error, Job, JobCounts, JobId, Result, Time};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};

/// Accounts that get a step in one turn; the others come first in the next.
const ACCOUNTS: usize = 16;
/// Milliseconds for which a job rests after a fault of the server's: at first, and at most.
const REST_MS: i64 = 1_000;
const LONGEST_REST_MS: i64 = 60_000;

/// What came of one turn.
#[derive(Debug, Default)]
pub struct JobsTurn {
    /// Something was done, so there may be more to do.
    pub more: bool,
    /// Jobs that rest for a while because of a fault of the server's. They keep no other from its turn.
    pub failed: Vec<(JobId, Error)>,
}

/// What the engine knows besides the store: nothing that matters after a restart.
#[derive(Default)]
pub(crate) struct Engine {
    pub(super) bell: Bell,
    pub(super) waiting: Waiting,
    order: Mutex<Order>,
}

type Open = Vec<(Job, JobCounts)>;

#[derive(Default)]
struct Order {
    /// The account whose turn was last.
    account: Option<AccountId>,
    /// The job of each account whose turn was last.
    jobs: HashMap<AccountId, JobId>,
    /// Until when a job rests, and for how many milliseconds that was.
    resting: HashMap<JobId, (Time, i64)>,
}

impl Order {
    /// Jobs that do not rest, by account, in the order of their turns.
    fn lanes(&mut self, open: Open, now: Time) -> Vec<(AccountId, Open)> {
        let mut lanes = BTreeMap::<AccountId, Open>::new();
        let mut resting = HashMap::new();
        for one in open {
            let rest = self.resting.remove(&one.0.id);
            resting.extend(rest.map(|rest| (one.0.id, rest)));
            if rest.is_none_or(|(until, _)| until <= now) {
                lanes.entry(one.0.account).or_default().push(one);
            }
        }
        self.resting = resting;
        self.jobs.retain(|account, _| lanes.contains_key(account));
        for (account, jobs) in &mut lanes {
            let last = self.jobs.get(account);
            let next = jobs.iter().position(|(job, _)| Some(&job.id) == last).map_or(0, |at| at + 1);
            jobs.rotate_left(next);
        }
        let last = self.account;
        let (mut before, mut after) = (vec![], vec![]);
        for lane in lanes {
            if last.is_some_and(|last| lane.0 <= last) { before.push(lane) } else { after.push(lane) }
        }
        after.append(&mut before);
        after
    }

    fn went(&mut self, account: AccountId, job: JobId) {
        self.account = Some(account);
        self.jobs.insert(account, job);
        self.resting.remove(&job);
    }

    fn rests(&mut self, job: JobId, now: Time) {
        let before = self.resting.get(&job).map_or(0, |(_, ms)| *ms);
        let ms = (before * 2).clamp(REST_MS, LONGEST_REST_MS);
        self.resting.insert(job, (Time(now.0.saturating_add(ms)), ms));
    }
}

impl Core {
    /// One turn of the jobs: a step of one job of each account that has something to do. Call again while there is more, then when the bell
    /// rings and from time to time. One at a time may call it.
    pub async fn turn_jobs(&self) -> Result<JobsTurn> {
        let open = self.store.open_jobs(Settings::MOST_JOBS).await?;
        let lanes = self.jobs.order.lock().lanes(open, self.now());
        let (mut turn, mut accounts) = (JobsTurn::default(), 0);
        for (account, jobs) in lanes {
            for (job, counts) in jobs {
                match self.step_job(&job, &counts).await {
                    Ok(false) => {}
                    Ok(true) => {
                        self.jobs.order.lock().went(account, job.id);
                        turn.more = true;
                        accounts += 1;
                        break;
                    }
                    Err(error) => {
                        self.jobs.order.lock().rests(job.id, self.now());
                        turn.failed.push((job.id, error));
                    }
                }
            }
            if accounts == ACCOUNTS {
                break;
            }
        }
        Ok(turn)
    }
}
