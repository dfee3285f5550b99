//! Who waits for a job to be over.

use crate::{Bell, Core, Scope};
use landfall_model::{Job, JobCounts, JobId, Result};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

/// Bells of those who wait, by job. Only open jobs are waited for, so there are no more than of those.
#[derive(Default)]
pub(super) struct Waiting(Mutex<HashMap<JobId, Vec<Weak<Bell>>>>);

impl Waiting {
    fn bell(&self, id: JobId) -> Arc<Bell> {
        let bell = Arc::new(Bell::default());
        let mut bells = self.0.lock();
        let bells = bells.entry(id).or_default();
        bells.retain(|bell| bell.strong_count() > 0);
        bells.push(Arc::downgrade(&bell));
        bell
    }

    /// The job is over, or gone.
    pub(super) fn over(&self, id: JobId) {
        let bells = self.0.lock().remove(&id).unwrap_or_default();
        bells.iter().filter_map(Weak::upgrade).for_each(|bell| bell.ring());
    }
}

impl Core {
    /// Waits until a job of the scope is over ([`Job::is_over`]); for how long says who asks. `ResourceNotFound`.
    pub async fn job_over(&self, scope: &Scope, id: JobId) -> Result<(Job, JobCounts)> {
        loop {
            // Before the look, so that an end after it is heard.
            let bell = self.jobs.waiting.bell(id);
            let (job, counts) = self.job(scope, id).await?;
            if job.is_over() {
                self.jobs.waiting.over(id);
                return Ok((job, counts));
            }
            bell.rung().await;
        }
    }
}
