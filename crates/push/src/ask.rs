//! Questions to receivers, whose answers are used at once: beside the stream and its cursors, over the same network, with the same address
//! rules, certificates and limits. A question is asked once.

use crate::config::Config;
use crate::sink::http::Caller;
use crate::sink::{Answer, Ask};
use landfall_core::{Notification, Places};
use landfall_model::{AccountId, Result};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Questions under way: in all, so many of one account at most, and so many of it that wait for their turn. The slow receivers of one
/// account so delay nobody else.
const PLACES: usize = 64;
const PLACES_EACH: usize = 8;
const WAITING_EACH: usize = 64;
/// How long one waits for its turn.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// Its account's turn did not come in time, or 64 others of the account wait for theirs.
    Crowded,
    /// It could not be asked, was not answered in time, or was refused.
    Failed {
        /// The reason, for people.
        text: Cow<'static, str>,
        /// The status of the answer, in the numbers of its channel, if there was one.
        status: Option<u16>,
    },
}

/// Asks receivers. Needs no running [`crate::Push`].
#[derive(Clone)]
pub struct Asker {
    http: Arc<dyn Ask>,
    turns: Places<AccountId>,
}

impl Asker {
    /// With the rules, certificates and timeouts of the push.
    ///
    /// `InvalidField`: a certificate file of `config.trust` cannot be read.
    pub fn new(config: &Config) -> Result<Self> {
        Ok(Self::with(Caller::new(config)?))
    }

    pub(crate) fn with(http: Caller) -> Self {
        let turns = Places::new(PLACES).each(PLACES_EACH).each_waiting(WAITING_EACH);
        Self { http: Arc::new(http), turns }
    }

    /// Asks at an http or https address, and waits for the turn of the account and the answer, in all at most for `deadline`.
    pub async fn ask(
        &self,
        account: AccountId,
        address: &str,
        question: &Notification,
        deadline: Duration,
    ) -> std::result::Result<Answer, Unanswered> {
        let failed = |text, status| Unanswered::Failed { text, status };
        let asked = self.http.ask(address, question).map_err(|failure| failed(failure.text, failure.status))?;
        let answered = async {
            let Ok(Ok(_place)) = timeout(PATIENCE.min(deadline), self.turns.take(account, 1)).await else {
                return Err(Unanswered::Crowded);
            };
            asked.await.map_err(|failure| failed(failure.text, failure.status))
        };
        let late = |_| Err(failed(format!("no answer within {} ms", deadline.as_millis()).into(), None));
        timeout(deadline, answered).await.unwrap_or_else(late)
    }
}
