//! Resources with a record: made, changed and deleted by applications.

use super::{
    LEVELS, Right, Target,
    hook::{drop_points, names_entity},
    instance::ContainerLimits,
    notice::{
        ADDRESSES, Happened, SUBSCRIBER, Told, addresses, check_subscription, drop_all_pushes, drop_push, end_of, pushes_changed,
        reference, subscriber, urls,
    },
    target,
};
use crate::{Core, OriginCaller, batch, onem2m::group::is_device_group, turns::Record};
use landfall_model::{
    Account, AccountPart, Batch, Cause, ContainerChange, Cursor, Error, Resource, ResourceId, ResourceKind, Result, Seq,
    SubscriptionId, Time, Write,
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Resources below a deleted one whose pushes end with it; those of others end by themselves.
const BELOW: u32 = 1_000;

/// A resource to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewResource {
    /// Type.
    pub kind: ResourceKind,
    /// Name; one is made where there is none.
    pub name: Option<String>,
    /// `lbl`
    pub labels: Vec<String>,
    /// `acpi`
    pub policies: Vec<ResourceId>,
    /// The attributes of its type.
    pub attributes: Map<String, Value>,
    /// When it is to end by itself.
    pub expires_at: Option<Time>,
}

/// Changes of a resource; `None` leaves what there is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceChange {
    /// New `lbl`.
    pub labels: Option<Vec<String>>,
    /// New `acpi`.
    pub policies: Option<Vec<ResourceId>>,
    /// Attributes to set; `null` takes one away.
    pub attributes: Map<String, Value>,
    /// New end, or none.
    pub expires_at: Option<Option<Time>>,
}

impl Core {
    /// Makes a resource and tells the subscribers of its parent. The addresses of a subscription must answer its verification first.
    ///
    /// `ChildNotAllowed`, `Forbidden`, `InvalidField`, `ResourceExists`, `CallbackInvalid`, `VerificationFailed`, `TooMany`.
    pub async fn create_resource(&self, by: &OriginCaller, parent: &Target, new: NewResource) -> Result<Arc<Resource>> {
        if !target::allowed_below(parent).contains(&new.kind) {
            return Err(Error::new(Cause::ChildNotAllowed, "a resource of this type cannot be made here"));
        }
        let resource = self.new_resource(by, parent, new)?;
        if resource.kind == ResourceKind::ApplicationEntity {
            self.check_access_points(&resource)?;
            self.check_room(&resource, urls(&resource, "poa").len()).await?;
        }
        if resource.kind == ResourceKind::Subscription {
            self.check_creation(by, parent, &resource).await?;
            self.verify(by, &resource, &[]).await?;
        }
        // An entity claims its originator in the account's record.
        let entity = resource.kind == ResourceKind::ApplicationEntity;
        let claimed = entity.then_some(Record::Account(by.account.id));
        self.decide(claimed.as_slice(), || {
            Box::pin(async {
                let mut resource = resource.clone();
                let claim = match entity {
                    true => Some(self.claim_originator(by.account.id).await?),
                    false => None,
                };
                self.check_creation(by, parent, &resource).await?;
                if entity {
                    let ae_id = self.new_ae_id(by, &resource.name).await?;
                    resource.attributes.insert("aei".to_owned(), ae_id.into());
                }
                let given = resource.attributes.get("nds").cloned();
                let beside = match is_device_group(&resource) {
                    true => self.group_made(by, &mut resource).await?,
                    false => vec![],
                };
                let mut whole = written(None, &resource, self.store.newest());
                whole.writes.extend(claim.into_iter().chain(beside));
                if entity {
                    whole.merge(self.pushed(None, &resource).await?);
                    whole.merge(self.default_group(by, &resource).await?);
                }
                let (happened, at) = (Happened::ChildCreated, resource.created_at);
                let shown = self.as_told((resource.parent, happened), &resource, given.as_ref()).await?;
                let told = || Target::Resource(shown).into();
                whole.merge(self.notices(&by.account, resource.parent, happened, at, told).await?);
                Ok((whole, Arc::new(resource.clone())))
            })
        })
        .await
    }

    fn new_resource(&self, by: &OriginCaller, parent: &Target, new: NewResource) -> Result<Resource> {
        let now = self.now();
        let id = ResourceId::new(now, self.random_16());
        let name = new.name.unwrap_or_else(|| id.uuid_name());
        check_resource_name(&name)?;
        Ok(Resource {
            id,
            account: by.account.id,
            app: by.app.id,
            version: 1,
            parent: parent.id(by.account.id),
            device: parent.device(),
            name,
            kind: new.kind,
            creator: by.name.clone(),
            labels: new.labels,
            policies: new.policies,
            attributes: new.attributes,
            expires_at: new.expires_at,
            created_at: now,
            modified_at: now,
        })
    }

    /// Who subscribes is told what the subject holds, so that needs the right to retrieve it too (TS-0004, 7.4.8.2.1).
    async fn check_creation(&self, by: &OriginCaller, parent: &Target, resource: &Resource) -> Result<()> {
        self.check_right(by, parent, Right::Create).await?;
        if resource.kind == ResourceKind::Subscription {
            self.check_right(by, parent, Right::Retrieve).await?;
        }
        if self.level(resource.parent).await? >= LEVELS {
            return Err(Error::new(Cause::ChildNotAllowed, "the tree is 32 levels deep at most"));
        }
        self.check_policies(by, &resource.policies).await?;
        self.check_name_is_free(by, parent, resource).await
    }

    /// A name that a device or a fixed place has is not free either.
    async fn check_name_is_free(&self, by: &OriginCaller, parent: &Target, resource: &Resource) -> Result<()> {
        let name = resource.name.as_str();
        let below_base = *parent == Target::Place(AccountPart::Base);
        let reserved = ["la", "ol", "fopt", "pcu"].contains(&name);
        // Other names are compared by the commit; the addresses of a subscription are asked before that.
        let compared = resource.kind == ResourceKind::Subscription;
        let taken = reserved
            || self.fixed_children(parent).iter().any(|child| child.name() == name)
            || compared && self.store.resource_named(resource.parent, name).await?.is_some()
            || below_base && self.device_shown_as(by.account.id, name).await?.is_some();
        if taken {
            return Err(Error::new(Cause::ResourceExists, "resource already exists").at("rn"));
        }
        Ok(())
    }

    async fn check_policies(&self, by: &OriginCaller, policies: &[ResourceId]) -> Result<()> {
        for id in policies {
            let found = self.store.resource(*id).await?;
            if !found.is_some_and(|one| one.account == by.account.id && one.kind == ResourceKind::AccessControlPolicy) {
                return Err(Error::invalid("acpi", "names no access control policy"));
            }
        }
        Ok(())
    }

    /// Changes a resource and tells its subscribers. `Forbidden`, `InvalidField`, also for a change of `acpi` and something else; for a
    /// subscription also as for a new one.
    pub async fn update_resource(&self, by: &OriginCaller, id: ResourceId, change: ResourceChange) -> Result<Arc<Resource>> {
        if let Some(policies) = &change.policies {
            if change != (ResourceChange { policies: Some(policies.clone()), ..ResourceChange::default() }) {
                return Err(Error::invalid("acpi", "must be the only attribute of a request that changes it"));
            }
            self.check_policies(by, policies).await?;
        }
        let (before, wanted) = self.changed(by, id, &change).await?;
        if wanted.kind == ResourceKind::Subscription {
            self.verify(by, &wanted, &told_at(&before)).await?;
        }
        if wanted.kind == ResourceKind::ApplicationEntity {
            self.check_access_points(&wanted)?;
            self.check_room(&wanted, urls(&wanted, "poa").len().saturating_sub(urls(&before, "poa").len())).await?;
        }
        self.decide(&[Record::Resource(id)], || {
            Box::pin(async {
                let (before, mut next) = self.changed(by, id, &change).await?;
                let beside = match is_device_group(&next) {
                    true => self.group_changed(by, &change, &mut next).await?,
                    false => vec![],
                };
                let mut whole = written(Some(&before), &next, self.store.newest());
                whole.writes.extend(beside);
                if next.kind == ResourceKind::ApplicationEntity {
                    whole.merge(self.pushed(Some(&before), &next).await?);
                }
                let (now, next) = (next.modified_at, Arc::new(next));
                let about = (next.id, Happened::Updated);
                let was = self.as_told(about, &before, None).await?;
                let is = self.as_told(about, &next, change.attributes.get("nds")).await?;
                let told = || Told::of_update(Target::Resource(was), Target::Resource(is));
                whole.merge(self.notices(&by.account, next.id, Happened::Updated, now, told).await?);
                Ok((whole, next))
            })
        })
        .await
    }

    /// A resource before and after a change.
    async fn changed(&self, by: &OriginCaller, id: ResourceId, change: &ResourceChange) -> Result<(Arc<Resource>, Resource)> {
        let Target::Resource(before) = self.find_id(by, id).await? else {
            return Err(Error::new(Cause::OperationNotAllowed, "the resource cannot be updated"));
        };
        match change.policies {
            Some(_) => self.check_may_link(by, &before).await?,
            None => self.check_right(by, &Target::Resource(before.clone()), Right::Update).await?,
        }
        let next = after(&before, change, self.now());
        Ok((before, next))
    }

    /// Deletes a target with all below it and tells subscribers. A node takes its device along.
    ///
    /// `OperationNotAllowed` for what the platform keeps: places, containers of messages, provisioning requests; `Forbidden`.
    pub async fn delete_target(&self, by: &OriginCaller, target: &Target) -> Result<()> {
        match target {
            Target::Resource(resource) => self.delete_resource(by, resource).await,
            Target::Instance(instance, within) => self.delete_instance(by, instance, within).await,
            Target::Node(device) => {
                self.check_right(by, target, Right::Delete).await?;
                self.delete_node(by, device).await
            }
            Target::Info(device, index) => {
                self.check_right(by, target, Right::Delete).await?;
                self.delete_info(by, device.id, *index).await
            }
            Target::Credentials(device) => {
                self.check_right(by, target, Right::Delete).await?;
                self.delete_credentials(by, device.id).await
            }
            Target::Place(_)
            | Target::Managed(..)
            | Target::Channel(_)
            | Target::Box(..)
            | Target::Request(_)
            | Target::Outcome(_) => Err(Error::new(Cause::OperationNotAllowed, "the resource cannot be deleted")),
        }
    }

    async fn delete_resource(&self, by: &OriginCaller, resource: &Arc<Resource>) -> Result<()> {
        self.check_right(by, &Target::Resource(resource.clone()), Right::Delete).await?;
        self.delete_record(&by.account, resource).await
    }

    /// Deletes a resource with all below it and tells subscribers, whoever wants that. Where much is below it the rows go in the background;
    /// nobody finds them any more.
    pub(crate) async fn delete_record(&self, account: &Account, resource: &Arc<Resource>) -> Result<()> {
        let now = self.now();
        let mut whole = batch(vec![Write::DeleteResource(resource.id)], vec![]);
        let below = self.store.resources_below(resource.id, BELOW).await?;
        whole.merge(self.ended(account, &below, now).await?);
        if resource.kind == ResourceKind::Subscription {
            drop_all_pushes(&mut whole, resource, now);
            whole.events.extend(end_of(account, resource, now));
        }
        if resource.kind == ResourceKind::ApplicationEntity {
            whole.writes.extend(self.application_gone(resource, now).await?);
            drop_points(&mut whole, resource, now);
        }
        if is_device_group(resource) {
            whole.writes.push(Write::DeleteGroup(resource.id.as_group()));
        }
        let shown = self.as_told((resource.parent, Happened::ChildDeleted), resource, None).await?;
        let gone = || Target::Resource(shown).into();
        whole.merge(self.notices(account, resource.parent, Happened::ChildDeleted, now, gone).await?);
        self.store.commit(whole).await.map(|_| ())
    }

    /// `TooMany` where the application may not have pushes to so many more addresses.
    async fn check_room(&self, resource: &Resource, more: usize) -> Result<()> {
        let total = self.subscriptions_of(resource.account, resource.app).await?;
        if more > 0 && total.saturating_add(more as u64) > self.settings.subscriptions {
            return Err(Error::new(Cause::TooMany, "the application has as many subscriptions as it may"));
        }
        Ok(())
    }

    /// Addresses that are not among those `kept` must answer (TS-0004, 7.5.1.2.2). All of them must be allowed before the first is asked.
    async fn verify(&self, by: &OriginCaller, subscription: &Resource, kept: &[(&str, &str)]) -> Result<()> {
        check_subscription(subscription)?;
        if !(1..=ADDRESSES).contains(&addresses(subscription).len()) {
            return Err(Error::invalid("nu", "must be 1 to 10 addresses"));
        }
        let to = told_at(subscription);
        for (name, url) in &to {
            if !names_entity(url) {
                self.callbacks.check(url).map_err(|error| error.at(*name))?;
            } else if !self.may_name(by, url).await? {
                return Err(Error::invalid(*name, "names no application entity that the originator may notify"));
            }
        }
        self.check_room(subscription, to.len().saturating_sub(kept.len())).await?;
        let reference = reference(&by.account.name, subscription);
        let body = serde_json::json!({ "m2m:sgn": { "vrq": true, "sur": reference, "cr": by.name } }).to_string().into_bytes();
        let headers = [
            ("X-M2M-Origin", format!("/{}", by.account.name)),
            ("X-M2M-RI", format!("vrq-{}", subscription.id)),
            ("X-M2M-RVI", "4".to_owned()),
            ("Content-Type", "application/json".to_owned()),
        ];
        for (name, url) in to.into_iter().filter(|(_, url)| !names_entity(url) && !kept.iter().any(|(_, known)| known == url)) {
            self.callbacks.verify(by.account.id, url, &headers, body.clone()).await.map_err(|error| error.at(name))?;
        }
        Ok(())
    }
}

/// Where a subscription tells something: `nu`, and `su`, which is asked once where both name one address.
fn told_at(subscription: &Resource) -> Vec<(&'static str, &str)> {
    let mut all: Vec<_> = addresses(subscription).into_iter().map(|url| ("nu", url)).collect();
    let own = subscriber(subscription).filter(|own| !all.iter().any(|(_, url)| url == own));
    all.extend(own.map(|own| ("su", own)));
    all
}

/// A resource after a change.
fn after(before: &Resource, change: &ResourceChange, now: Time) -> Resource {
    let mut next = Resource { version: before.version + 1, modified_at: now, ..before.clone() };
    next.labels = change.labels.clone().unwrap_or(next.labels);
    next.policies = change.policies.clone().unwrap_or(next.policies);
    next.expires_at = change.expires_at.unwrap_or(next.expires_at);
    for (name, value) in &change.attributes {
        match value {
            Value::Null => drop(next.attributes.remove(name)),
            value => drop(next.attributes.insert(name.clone(), value.clone())),
        }
    }
    next
}

/// The batch that writes a resource with what follows it: its labels, and the pushes to the addresses of a subscription. One that is served
/// already goes on from where it was; others begin after `newest`.
fn written(before: Option<&Resource>, next: &Resource, newest: Seq) -> Batch {
    let mut whole = batch(vec![Write::Resource(Box::new(next.clone()))], vec![]);
    if next.labels != before.map_or(&[][..], |before| before.labels.as_slice()) {
        whole.writes.push(Write::Labels { account: next.account, subject: next.id, labels: next.labels.clone() });
    }
    if next.kind == ResourceKind::Container && before.is_some() {
        whole.writes.push(Write::ContainerChange(changed_container(next)));
    }
    if next.kind != ResourceKind::Subscription {
        return whole;
    }
    let (now, served) = (next.modified_at, before.map(addresses).unwrap_or_default());
    let mut serve = |address: u8, url: &str, anew: bool| {
        let id = SubscriptionId::of_resource(next.id, address);
        // The version of a push is not counted: it is deleted and made anew.
        if anew {
            whole.writes.push(Write::DeleteSubscription(id));
        }
        whole.events.push(pushes_changed(next, id, now));
        whole.writes.push(Write::Subscription(Box::new(next.push_to(address, url))));
        whole.writes.push(Write::Cursor(Cursor { subscription: id, read_to: newest, open: vec![] }));
    };
    let wanted = addresses(next);
    for (address, url) in wanted.iter().copied().take(ADDRESSES).enumerate() {
        if served.get(address) != Some(&url) && !names_entity(url) {
            serve(address as u8, url, address < served.len());
        }
    }
    // It never changes.
    if let (None, Some(url)) = (before, subscriber(next)) {
        serve(SUBSCRIBER, url, false);
    }
    for (address, _) in served.iter().enumerate().filter(|(address, _)| wanted.get(*address).is_some_and(|url| names_entity(url)))
    {
        drop_push(&mut whole, next, address as u8, now);
    }
    for address in wanted.len()..served.len() {
        drop_push(&mut whole, next, address as u8, now);
    }
    whole
}

/// What a container may hold after it was changed.
fn changed_container(next: &Resource) -> ContainerChange {
    let limits = ContainerLimits::of_record(next);
    ContainerChange {
        container: next.id,
        account: next.account,
        device: next.device,
        max_instances: limits.instances,
        max_bytes: limits.bytes,
        at: next.modified_at,
    }
}

/// Names are parts of addresses.
pub(crate) fn check_resource_name(name: &str) -> Result<()> {
    let fits = |c: char| !c.is_control() && !c.is_whitespace() && !['/', '?', '#', '%', '\\'].contains(&c);
    if !(1..=128).contains(&name.chars().count()) || !name.chars().all(fits) || name == "-" || name == "~" {
        return Err(Error::invalid("rn", "must be 1 to 128 characters without / ? # % \\ and spaces"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{AccountId, AppId};
    use serde_json::json;

    fn resource(kind: ResourceKind, attributes: Value) -> Resource {
        let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
        Resource {
            id: ResourceId([1; 12]),
            account: AccountId::from_random([1; 16]),
            app: AppId::from_random([2; 16]),
            version: 1,
            parent: ResourceId([2; 12]),
            device: None,
            name: "r".into(),
            kind,
            creator: "C".into(),
            labels: vec!["a".into()],
            policies: vec![ResourceId([3; 12])],
            attributes,
            expires_at: Some(Time(9)),
            created_at: Time(1),
            modified_at: Time(1),
        }
    }

    #[test]
    fn a_change_sets_what_it_names() {
        let before = resource(ResourceKind::Container, json!({"mni": 3, "mbs": 10}));
        assert_eq!(
            after(&before, &ResourceChange::default(), Time(5)),
            Resource { version: 2, modified_at: Time(5), ..before.clone() }
        );
        let Value::Object(attributes) = json!({"mni": 4, "mbs": null, "x": 1}) else { unreachable!() };
        let change = ResourceChange { labels: Some(vec![]), policies: Some(vec![]), attributes, expires_at: Some(None) };
        let next = after(&before, &change, Time(5));
        assert_eq!(Value::Object(next.attributes), json!({"mni": 4, "x": 1}));
        assert!(next.labels.is_empty() && next.policies.is_empty() && next.expires_at.is_none());
    }

    #[test]
    fn labels_are_written_where_they_are_new() {
        let whole = resource(ResourceKind::Container, json!({}));
        let bare = Resource { labels: vec![], ..whole.clone() };
        for (before, next, expected) in [
            (None, &whole, true),
            (None, &bare, false),
            (Some(&whole), &whole, false),
            (Some(&whole), &bare, true),
            (Some(&bare), &whole, true),
        ] {
            let labelled = written(before, next, Seq(0)).writes.iter().any(|write| matches!(write, Write::Labels { .. }));
            assert_eq!(labelled, expected, "{before:?}");
        }
    }

    #[test]
    fn each_address_of_a_subscription_is_served_once() {
        let url = |host: &str| format!("http://{host}");
        let with = |hosts: &[&str]| {
            let addresses: Vec<_> = hosts.iter().copied().map(url).collect();
            resource(ResourceKind::Subscription, json!({ "nu": addresses }))
        };
        for (before, next, expected) in [
            (None, &["a", "b"][..], vec!["make 0 a", "read 0 after 7", "make 1 b", "read 1 after 7"]),
            (Some(&["a", "b"][..]), &["a", "b"], vec![]),
            (Some(&["a", "b"]), &["a", "c"], vec!["drop 1", "make 1 c", "read 1 after 7"]),
            (Some(&["a", "b"]), &["a"], vec!["drop 1"]),
            (Some(&["a"]), &["a", "b"], vec!["make 1 b", "read 1 after 7"]),
            (Some(&["a", "b"]), &["b"], vec!["drop 0", "make 0 b", "read 0 after 7", "drop 1"]),
        ] {
            let before = before.map(with);
            let whole = written(before.as_ref(), &with(next), Seq(7));
            let place = |id: SubscriptionId| (0..9).find(|n| SubscriptionId::of_resource(ResourceId([1; 12]), *n) == id).unwrap();
            let word = |write: &Write| match write {
                Write::Subscription(push) => {
                    Some(format!("make {} {}", place(push.id), push.callback_url.trim_start_matches("http://")))
                }
                Write::DeleteSubscription(id) => Some(format!("drop {}", place(*id))),
                Write::Cursor(cursor) => Some(format!("read {} after {}", place(cursor.subscription), cursor.read_to)),
                _ => None,
            };
            let words: Vec<_> = whole.writes.iter().filter_map(word).collect();
            assert_eq!(words, expected, "{before:?} {next:?}");
            let changes = expected.iter().filter(|word| word.starts_with("make")).count();
            let ends = expected.iter().filter(|word| word.starts_with("drop")).count();
            let anew = expected.windows(2).filter(|pair| pair[0].starts_with("drop") && pair[1].starts_with("make")).count();
            assert_eq!(whole.events.len(), changes + ends - anew, "each is told once: {next:?}");
        }
    }
}
