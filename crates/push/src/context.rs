//! What all parts of the running push share.

use crate::config::Config;
use crate::held::Budget;
use crate::inbox::Tail;
use crate::sink::Sinks;
use crate::status::Counters;
use crate::{Domain, PushStore};
use landfall_core::{Notifier, World};
use landfall_model::SubscriptionKind;
use std::sync::Arc;

pub(crate) struct Context {
    pub store: Arc<dyn PushStore>,
    pub world: Arc<dyn World>,
    pub domain: Arc<dyn Domain>,
    pub notifiers: Vec<&'static dyn Notifier>,
    pub config: Config,
    pub sinks: Sinks,
    pub tail: Tail,
    pub budget: Arc<Budget>,
    pub counters: Counters,
}

impl Context {
    /// The dialect that tells subscriptions of this kind; none while it is switched off.
    pub fn notifier(&self, kind: SubscriptionKind) -> Option<&'static dyn Notifier> {
        self.notifiers.iter().copied().find(|notifier| notifier.serves(kind))
    }
}
