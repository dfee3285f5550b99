//! Who may do what in the tree (TS-0003, 7.1).
//!
//! An account's originators share its fixed places. Everything else belongs to the application that made it: that application may all, and so
//! may one it has authorized. Others may what access control policies grant them. Absent: conditions of time and place in policies.

use super::Target;
use crate::{Core, OriginCaller, account::principal::acts_for};
use landfall_model::{AccountPart, AppId, Cause, Error, ErrorKind, Resource, ResourceId, ResourceKind, Result};
use serde_json::Value;

/// An operation that a policy can grant; the numbers of `acop` (TS-0004, 6.3.4.2.29).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Right {
    Create = 1,
    Retrieve = 2,
    Update = 4,
    Delete = 8,
    Notify = 16,
    Discover = 32,
}

impl Core {
    /// `Forbidden` unless the originator may.
    pub async fn check_right(&self, by: &OriginCaller, target: &Target, right: Right) -> Result<()> {
        if self.may(by, target, right).await? {
            return Ok(());
        }
        Err(Error::new(Cause::Forbidden, "originator has no privilege"))
    }

    /// Whether the originator may.
    pub async fn may(&self, by: &OriginCaller, target: &Target, right: Right) -> Result<bool> {
        match target {
            Target::Place(place) => Ok(place_grants(*place, right)),
            Target::Node(device)
            | Target::Credentials(device)
            | Target::Info(device, _)
            | Target::Managed(device, _)
            | Target::Channel(device)
            | Target::Box(device, _) => self.sees(&by.principal(), device).await,
            Target::Request(request) | Target::Outcome(request) => self.is_open_to(request.app, by).await,
            Target::Resource(resource) => self.resource_grants(by, resource, right).await,
            Target::Instance(_, within) => match &**within {
                Target::Resource(resource) => self.resource_grants(by, resource, right).await,
                Target::Place(place) => Ok(place_grants(*place, right)),
                within => Box::pin(self.may(by, within, right)).await,
            },
        }
    }

    async fn is_open_to(&self, owner: AppId, by: &OriginCaller) -> Result<bool> {
        self.may_act_for(owner, by.app.id).await
    }

    /// The applications whose devices the originator may see.
    pub(super) async fn apps_open_to(&self, by: &OriginCaller) -> Result<Vec<AppId>> {
        let apps = self.account_apps(by.account.id).await?;
        let open = apps.iter().filter(|app| acts_for(by.app.id, app));
        Ok(open.map(|app| app.id).collect())
    }

    async fn resource_grants(&self, by: &OriginCaller, resource: &Resource, right: Right) -> Result<bool> {
        if self.is_open_to(resource.app, by).await? {
            return Ok(true);
        }
        if !by.registered {
            return Ok(false);
        }
        // Whose subject it is sees who is told of it, and may end that.
        let ends =
            resource.kind == ResourceKind::Subscription && matches!(right, Right::Retrieve | Right::Discover | Right::Delete);
        if ends && self.is_of(by, resource.parent).await? {
            return Ok(true);
        }
        if resource.kind == ResourceKind::AccessControlPolicy {
            return Ok(rules_grant(&resource.attributes, "pvs", by.name(), right));
        }
        self.policies_grant(by, &resource.policies, ("pv", right)).await
    }

    /// `Forbidden` unless the originator may reach the members of a group together: by `macp`, and where the group has none by `acpi`
    /// (TS-0001, 10.2.7.6). What it may at each member is judged there.
    pub async fn check_fan_out(&self, by: &OriginCaller, group: &Resource, right: Right) -> Result<()> {
        let members = group.attributes.get("macp").and_then(Value::as_array);
        let members: Option<Vec<ResourceId>> = members.map(|ids| ids.iter().filter_map(|id| id.as_str()?.parse().ok()).collect());
        let policies = members.as_deref().unwrap_or(&group.policies);
        let owner = self.is_open_to(group.app, by).await?;
        if owner || by.registered && self.policies_grant(by, policies, ("pv", right)).await? {
            return Ok(());
        }
        Err(Error::new(Cause::Forbidden, "originator has no privilege"))
    }

    /// Whether a subject belongs to an application that the originator's may act for; fixed places belong to nobody.
    async fn is_of(&self, by: &OriginCaller, subject: ResourceId) -> Result<bool> {
        match self.target(by.account.id, subject).await {
            Ok(Target::Resource(subject)) => self.is_open_to(subject.app, by).await,
            Ok(Target::Place(_)) => Ok(false),
            Ok(part) => Box::pin(self.may(by, &part, Right::Delete)).await,
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// `Forbidden` unless the originator may change `acpi`: the owner, and others by `pvs` of a policy that is linked (TS-0001, 9.6.1.3.2).
    pub(super) async fn check_may_link(&self, by: &OriginCaller, resource: &Resource) -> Result<()> {
        let owner = self.is_open_to(resource.app, by).await?;
        if owner || by.registered && self.policies_grant(by, &resource.policies, ("pvs", Right::Update)).await? {
            return Ok(());
        }
        Err(Error::new(Cause::Forbidden, "originator has no privilege"))
    }

    async fn policies_grant(&self, by: &OriginCaller, policies: &[ResourceId], (rules, right): (&str, Right)) -> Result<bool> {
        for id in policies {
            let policy =
                self.store.resource(*id).await?.filter(|policy| policy.account == by.account.id && self.is_alive(policy));
            if policy.is_some_and(|policy| rules_grant(&policy.attributes, rules, by.name(), right)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn place_grants(place: AccountPart, right: Right) -> bool {
    match right {
        Right::Retrieve | Right::Discover => true,
        Right::Create => place != AccountPart::Provisioning,
        Right::Update | Right::Delete | Right::Notify => false,
    }
}

fn rules_grant(attributes: &serde_json::Map<String, Value>, rules: &str, name: &str, right: Right) -> bool {
    let rules = attributes.get(rules).and_then(|rules| rules.get("acr")).and_then(Value::as_array);
    rules.into_iter().flatten().any(|rule| {
        let granted = rule.get("acop").and_then(Value::as_u64).unwrap_or(0);
        let whom = rule.get("acor").and_then(Value::as_array);
        granted & right as u64 != 0 && whom.into_iter().flatten().filter_map(Value::as_str).any(|one| one == "all" || one == name)
    })
}
