//! Callback addresses: whether they may be called, and whether their receivers agree (TS-0001, 10.2.10.2).

use crate::ask::{Asker, PATIENCE, Unanswered};
use crate::config::Config;
use crate::{Policy, check_url};
use landfall_core::Notification;
use landfall_model::{AccountId, Cause, Error, Result};
use std::time::Duration;

/// How long the body of an answer is waited for at most, beside all else.
const SLACK: Duration = Duration::from_secs(5);

/// Judges callback addresses and asks their receivers. Needs no running [`crate::Push`].
pub struct Verifier {
    policy: Policy,
    asker: Asker,
    deadline: Duration,
}

impl Verifier {
    /// A verifier with the rules, certificates and timeouts of the push.
    ///
    /// `InvalidField`: a certificate file of `config.trust` cannot be read.
    pub fn new(config: &Config) -> Result<Self> {
        Ok(Self::with(config, Asker::new(config)?))
    }

    pub(crate) fn with(config: &Config, asker: Asker) -> Self {
        let longest = Duration::from_millis(config.connect_timeout_ms.saturating_add(config.request_timeout_ms));
        Self { policy: config.policy.clone(), asker, deadline: PATIENCE + longest + SLACK }
    }

    /// Checks an address as text: `CallbackInvalid` with the reason.
    pub fn check(&self, url: &str) -> Result<()> {
        check_url(url, &self.policy)
    }

    /// Posts the body once and waits for a 2xx. Headers are sent as they are; a content type among them replaces `application/json`.
    ///
    /// `VerificationFailed` with the reason: an address that must not be called, no connection, no answer in time, another status.
    /// `Overloaded` where its account's turn does not come within 30 s, or 64 others of the account wait for theirs.
    pub async fn verify(&self, account: AccountId, url: &str, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<()> {
        let question = headers.iter().fold(Notification::json(body), |whole, (name, value)| whole.with(*name, value));
        match self.asker.ask(account, url, &question, self.deadline).await {
            Ok(_) => Ok(()),
            Err(Unanswered::Crowded) => Err(Error::new(Cause::Overloaded, "too many subscriptions are being verified")),
            Err(Unanswered::Failed { text, .. }) => Err(Error::new(Cause::VerificationFailed, text)),
        }
    }
}
