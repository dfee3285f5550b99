//! Whether who subscribed may retrieve what is to be shown, as things are now: asked when a notice is made, and again before it goes out.

use super::{Right, Target, notice::reference};
use crate::{Core, OriginCaller, Why};
use landfall_model::{Account, Cause, ErrorKind, Resource, ResourceId, Result, Time};
use std::collections::HashMap;

/// Subscriptions whose withheld notices are counted apart.
const COUNTED: usize = 10_000;
/// Milliseconds between two why records of one subscription.
const WHY_MS: i64 = 60_000;

/// Notices of a subscription that were not made, since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// How many.
    pub count: u64,
    /// When the newest was due.
    pub at: Time,
    /// Why that was not made.
    pub reason: String,
}

/// What was withheld, by subscription.
#[derive(Default)]
pub(crate) struct Withholding {
    total: u64,
    of: HashMap<ResourceId, (Withheld, Time)>,
}

impl Core {
    /// Notices of an oneM2M subscription that were not made because its subscriber may not retrieve what they show; none: there are none.
    pub fn withheld(&self, subscription: ResourceId) -> Option<Withheld> {
        self.tree.withholding.lock().of.get(&subscription).map(|(withheld, _)| withheld.clone())
    }

    /// Such notices of all subscriptions.
    pub fn withheld_total(&self) -> u64 {
        self.tree.withholding.lock().total
    }

    /// Why the subscriber is not to be told of its subject; none: it may be.
    pub(crate) async fn unfit_for_subject(&self, subscription: &Resource) -> Result<Option<String>> {
        match self.target(subscription.account, subscription.parent).await {
            Ok(subject) => self.unfit(subscription, subscription.parent, &subject).await,
            // The last notices of a subject that is gone were judged when they were made.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(self.subscriber(subscription).await?.err()),
            Err(error) => Err(error),
        }
    }

    /// Why the subscriber is not to be told of `shown`, which is `subject` or was right below it; none: it may be.
    pub(super) async fn unfit(&self, subscription: &Resource, subject: ResourceId, shown: &Target) -> Result<Option<String>> {
        let mut by = match self.subscriber(subscription).await? {
            Ok(by) => by,
            Err(reason) => return Ok(Some(reason)),
        };
        let account = by.account.id;
        let mut needed = vec![];
        if shown.id(account) != subject {
            match self.target(account, subject).await {
                Ok(subject) => needed.push(subject),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some("the subject is over".to_owned())),
                Err(error) => return Err(error),
            }
        }
        // An instance is ruled by its container, which is the subject.
        if !matches!(shown, Target::Instance(..)) {
            needed.push(shown.clone());
        }
        for target in needed {
            if self.may(&by, &target, Right::Retrieve).await? {
                continue;
            }
            // That the originator is registered counts for policies alone, and is not always known without a look.
            let registered = !by.registered && self.holder(&by.app, &by.name).await? == Some(by.app.id);
            by.registered |= registered;
            if !(registered && self.may(&by, &target, Right::Retrieve).await?) {
                return Ok(Some(self.no_privilege(&by, &target).await));
            }
        }
        Ok(None)
    }

    async fn no_privilege(&self, by: &OriginCaller, target: &Target) -> String {
        let path = self.path_of(by, target).await.unwrap_or_else(|_| target.id(by.account.id).to_string());
        format!("{} may not retrieve /{path}", by.name)
    }

    /// The originator of a subscription as it stands now; else why it cannot come any more.
    async fn subscriber(&self, subscription: &Resource) -> Result<std::result::Result<OriginCaller, String>> {
        let Some(account) = self.store.account(subscription.account).await? else {
            return Ok(Err("the account is gone".to_owned()));
        };
        let app = match self.standing(subscription.app).await? {
            Ok(app) => app,
            Err(reason) => return Ok(Err(reason)),
        };
        let Some(own) = &app.originator else {
            return Ok(Err(format!("the application {} has no originator any more", app.name)));
        };
        let (name, registered) = (subscription.creator.clone(), own.name == subscription.creator);
        Ok(Ok(OriginCaller { account, app, name, registered }))
    }

    /// Counts a notice that is not made; a why record tells of it, at most one a minute and subscription.
    pub(super) fn withhold(&self, account: &Account, subscription: &Resource, reason: String, at: Time) {
        if !self.tree.withholding.lock().add(subscription.id, &reason, at) {
            return;
        }
        let is_entity = subscription.kind == landfall_model::ResourceKind::ApplicationEntity;
        let what = if is_entity { "application entity" } else { "subscription" };
        let why = Why {
            at,
            identity: subscription.creator.clone(),
            peer: None,
            step: "onem2m.notice",
            check: Cause::Forbidden.as_str(),
            detail: format!("{reason}: {what} {} is not told", reference(&account.name, subscription)),
            call: None,
        };
        match subscription.device {
            Some(device) => self.why.of_device(account.id, device, why),
            None => self.why.of_unknown(why),
        }
    }
}

impl Withholding {
    /// Returns whether a why record is due.
    fn add(&mut self, subscription: ResourceId, reason: &str, at: Time) -> bool {
        self.total += 1;
        if self.of.len() >= COUNTED && !self.of.contains_key(&subscription) {
            self.of.clear();
        }
        let first = Withheld { count: 0, at, reason: String::new() };
        let (withheld, told_at) = self.of.entry(subscription).or_insert((first, Time(i64::MIN)));
        withheld.count += 1;
        withheld.at = at;
        reason.clone_into(&mut withheld.reason);
        let due = at.0.saturating_sub(told_at.0) >= WHY_MS;
        if due {
            *told_at = at;
        }
        due
    }
}
