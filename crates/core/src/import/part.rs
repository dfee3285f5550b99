//! The rows of an import that are planned together: what becomes of each, what that writes, and what each claims for itself in the file.

use super::RowFault;
use landfall_model::{Batch, Cause, DeviceId, Job, JobClaim, Write};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// What a row made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Made {
    /// The device.
    pub(crate) device: Option<DeviceId>,
    /// What else is to be known of it, in the words of its variant.
    pub(crate) note: Option<String>,
}

/// Rows that are planned together.
pub(crate) struct Part<'a> {
    pub(crate) job: &'a Job,
    /// The number of its first row, from 1.
    pub(crate) first: u64,
    /// Whether what is planned is written, so that later parts see it.
    pub(crate) writes: bool,
    /// Rows before these that were found good and not written.
    pub(crate) good_before: u64,
    /// What the good rows write.
    pub(crate) batch: Batch,
    /// What becomes of each row.
    pub(super) outcomes: Vec<Result<Made, RowFault>>,
    /// What earlier rows claim.
    pub(super) claimed: HashMap<[u8; 16], u64>,
    /// What these rows claim.
    claims: Vec<JobClaim>,
}

/// What stands for a claim.
pub(super) fn key_of(claim: &str) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&Sha256::digest(claim.as_bytes())[..16]);
    key
}

impl<'a> Part<'a> {
    pub(super) fn new(job: &'a Job, first: u64, rows: usize, writes: bool, good_before: u64) -> Self {
        Self {
            job,
            first,
            writes,
            good_before,
            batch: Batch::default(),
            outcomes: vec![Ok(Made::default()); rows],
            claimed: HashMap::new(),
            claims: vec![],
        }
    }

    /// The row at a place within the part fails.
    pub(crate) fn fail(&mut self, at: usize, fault: impl Into<RowFault>) {
        self.outcomes[at] = Err(fault.into());
    }

    /// The row at a place within the part made this.
    pub(crate) fn made(&mut self, at: usize, made: Made) {
        self.outcomes[at] = Ok(made);
    }

    /// The good row at a place claims these for itself, each with its column. Fails where an earlier row of the file has claimed one.
    pub(crate) fn claim<'c>(&mut self, at: usize, claims: impl IntoIterator<Item = (&'c str, String)>) -> Result<(), RowFault> {
        let number = self.first + at as u64;
        let keys: Vec<_> = claims.into_iter().map(|(column, claim)| (column, key_of(&claim))).collect();
        for (column, key) in &keys {
            if let Some(first) = self.claimed.get(key).filter(|first| **first != number) {
                return Err(repeated(column, *first));
            }
        }
        for (_, key) in keys {
            self.claimed.insert(key, number);
            self.claims.push(JobClaim { key, row: number });
        }
        Ok(())
    }

    /// What keeps the claims for parts to come.
    pub(super) fn kept_claims(&mut self) -> Option<Write> {
        let claims = std::mem::take(&mut self.claims);
        (!claims.is_empty()).then_some(Write::JobClaims(self.job.id, claims))
    }

    /// The first row that fails.
    pub(super) fn first_fault(&self) -> Option<(u64, &RowFault)> {
        (self.first..).zip(&self.outcomes).find_map(|(number, outcome)| Some((number, outcome.as_ref().err()?)))
    }
}

/// A row means what an earlier one of its file means.
pub(super) fn repeated(column: &str, first: u64) -> RowFault {
    RowFault::new(Cause::NodeIdTaken, column, format!("means the same as row {first} of the file"))
}
