//! Resources with a record: made, changed and deleted by applications.

use super::{
    Right, Target,
    notice::{ADDRESSES, Happened, addresses, drop_all_pushes, drop_push, drop_pushes, pushes_changed},
};
use crate::{Core, OriginCaller, SubscriptionFilter, batch};
use landfall_model::{
    AccountPart, Batch, Cause, Changed, Channel, Cursor, Error, PageRequest, Resource, ResourceId, ResourceKind, Result,
    Subscription, SubscriptionId, SubscriptionKind, Time, Write,
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Resources below one that are deleted with it in one commit.
const BELOW: u32 = 10_000;

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

/// What applications may make below a target, beside instances.
fn allowed_below(target: &Target) -> &'static [ResourceKind] {
    use ResourceKind as Kind;
    const GENERAL: &[ResourceKind] =
        &[Kind::AccessControlPolicy, Kind::ApplicationEntity, Kind::Container, Kind::Subscription, Kind::FlexContainer];
    match target {
        Target::Place(AccountPart::Base) => GENERAL,
        Target::Place(AccountPart::Groups) => &[Kind::FlexContainer, Kind::Subscription],
        Target::Place(_) | Target::Box(..) | Target::Node(_) | Target::Info(..) => &[Kind::Subscription],
        Target::Channel(_) => &[Kind::Container, Kind::Subscription],
        Target::Resource(resource) => match resource.kind {
            Kind::ApplicationEntity => &[Kind::AccessControlPolicy, Kind::Container, Kind::Subscription, Kind::FlexContainer],
            Kind::Container | Kind::FlexContainer => &[Kind::Container, Kind::Subscription, Kind::FlexContainer],
            Kind::AccessControlPolicy => &[Kind::Subscription],
            Kind::Subscription => &[],
        },
        Target::Credentials(_) | Target::Instance(..) | Target::Request(_) | Target::Outcome(_) => &[],
    }
}

impl Core {
    /// Makes a resource and tells the subscribers of its parent. The addresses of a subscription must answer its verification first.
    ///
    /// `ChildNotAllowed`, `Forbidden`, `InvalidField`, `ResourceExists`, `CallbackInvalid`, `VerificationFailed`, `TooMany`.
    pub async fn create_resource(&self, by: &OriginCaller, parent: &Target, new: NewResource) -> Result<Arc<Resource>> {
        if !allowed_below(parent).contains(&new.kind) {
            return Err(Error::new(Cause::ChildNotAllowed, "a resource of this type cannot be made here"));
        }
        self.check_right(by, parent, Right::Create).await?;
        let now = self.now();
        let id = ResourceId::new(now, self.random_16());
        let name = new.name.unwrap_or_else(|| id.uuid_name());
        check_resource_name(&name)?;
        self.check_policies(by, &new.policies).await?;
        let resource = Resource {
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
        };
        self.check_name_is_free(by, parent, &resource).await?;
        let mut whole = batch(vec![Write::Resource(Box::new(resource.clone()))], vec![]);
        if !resource.labels.is_empty() {
            whole.writes.push(labels(&resource));
        }
        if resource.kind == ResourceKind::Subscription {
            self.verify(by, &resource).await?;
            add_pushes(&mut whole, &resource, &[], self.store.newest(), now);
        }
        let told = || Changed::Resource(Box::new(resource.clone()));
        let subject = (resource.parent, resource.device);
        whole.events.extend(self.notices((by.account.id, &by.account.name), subject, Happened::ChildCreated, now, told));
        self.store.commit(whole).await?;
        Ok(Arc::new(resource))
    }

    /// A name that a device or a fixed place has is not free either, nor is that of an entity whose originator is another application's.
    async fn check_name_is_free(&self, by: &OriginCaller, parent: &Target, resource: &Resource) -> Result<()> {
        let name = resource.name.as_str();
        let below_base = *parent == Target::Place(AccountPart::Base);
        let reserved = ["la", "ol", "fopt", "pcu"].contains(&name);
        let taken = match self.fixed_children(parent).iter().any(|child| child.name() == name) || reserved {
            true => true,
            false => below_base && self.device_shown_as(by.account.id, name).await?.is_some(),
        };
        let entity = below_base && resource.kind == ResourceKind::ApplicationEntity;
        let holder = if entity { self.originator_of(by.account.id, &format!("C{name}")).await? } else { None };
        if taken || holder.is_some_and(|app| app != by.app.id) {
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

    /// Changes a resource and tells its subscribers. `Forbidden`, `InvalidField`; for a subscription also as for a new one.
    pub async fn update_resource(&self, by: &OriginCaller, id: ResourceId, change: ResourceChange) -> Result<Arc<Resource>> {
        if let Some(policies) = &change.policies {
            self.check_policies(by, policies).await?;
        }
        let (_, wanted) = self.changed(by, id, &change).await?;
        if wanted.kind == ResourceKind::Subscription {
            self.verify(by, &wanted).await?;
        }
        self.decide(|| {
            Box::pin(async {
                let (before, next) = self.changed(by, id, &change).await?;
                let now = next.modified_at;
                let mut whole = batch(vec![Write::Resource(Box::new(next.clone()))], vec![]);
                if next.labels != before.labels {
                    whole.writes.push(labels(&next));
                }
                if next.kind == ResourceKind::Subscription {
                    let kept: Vec<String> = addresses(&before).into_iter().map(str::to_owned).collect();
                    add_pushes(&mut whole, &next, &kept, self.store.newest(), now);
                    for address in addresses(&next).len()..kept.len() {
                        drop_push(&mut whole, &next, address as u8, now);
                    }
                }
                let told = || Changed::Resource(Box::new(next.clone()));
                let subject = (next.id, next.device);
                whole.events.extend(self.notices((by.account.id, &by.account.name), subject, Happened::Updated, now, told));
                Ok((whole, Arc::new(next)))
            })
        })
        .await
    }

    /// A resource before and after a change.
    async fn changed(&self, by: &OriginCaller, id: ResourceId, change: &ResourceChange) -> Result<(Arc<Resource>, Resource)> {
        let Target::Resource(before) = self.find_id(by, id).await? else {
            return Err(Error::new(Cause::OperationNotAllowed, "the resource cannot be updated"));
        };
        self.check_right(by, &Target::Resource(before.clone()), Right::Update).await?;
        let mut next = (*before).clone();
        next.labels = change.labels.clone().unwrap_or(next.labels);
        next.policies = change.policies.clone().unwrap_or(next.policies);
        next.expires_at = change.expires_at.unwrap_or(next.expires_at);
        for (name, value) in &change.attributes {
            match value {
                Value::Null => drop(next.attributes.remove(name)),
                value => drop(next.attributes.insert(name.clone(), value.clone())),
            }
        }
        next.version += 1;
        next.modified_at = self.now();
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
            Target::Place(_) | Target::Channel(_) | Target::Box(..) | Target::Request(_) | Target::Outcome(_) => {
                Err(Error::new(Cause::OperationNotAllowed, "the resource cannot be deleted"))
            }
        }
    }

    async fn delete_resource(&self, by: &OriginCaller, resource: &Arc<Resource>) -> Result<()> {
        self.check_right(by, &Target::Resource(resource.clone()), Right::Delete).await?;
        let (now, of) = (self.now(), (by.account.id, by.account.name.as_str()));
        let mut whole = batch(vec![Write::DeleteResource(resource.id)], vec![]);
        let below = self.store.resources_below(resource.id, BELOW).await?;
        below.iter().for_each(|one| drop_pushes(&mut whole, one, now));
        if resource.kind == ResourceKind::Subscription {
            drop_all_pushes(&mut whole, resource, now);
        }
        let gone = || Changed::Resource(Box::new((**resource).clone()));
        whole.events.extend(self.notices(of, (resource.id, resource.device), Happened::Deleted, now, gone));
        whole.events.extend(self.notices(of, (resource.parent, resource.device), Happened::ChildDeleted, now, gone));
        self.store.commit(whole).await.map(|_| ())
    }

    /// Every address of a new subscription must be allowed and answer (TS-0004, 7.5.1.2.2).
    async fn verify(&self, by: &OriginCaller, subscription: &Resource) -> Result<()> {
        let to = addresses(subscription);
        if to.is_empty() || to.len() > ADDRESSES {
            return Err(Error::invalid("nu", "must be 1 to 10 addresses"));
        }
        let owned = SubscriptionFilter { owner: Some(by.app.id), ..Default::default() };
        let total = self.store.subscriptions(&owned, PageRequest { no: 0, size: 1 }).await?.total;
        if subscription.version == 1 && total.saturating_add(to.len() as u64) > self.settings.subscriptions {
            return Err(Error::new(Cause::TooMany, "the application has as many subscriptions as it may"));
        }
        for url in to {
            self.callbacks.check(url).map_err(|error| error.at("nu"))?;
            let reference = format!("/{}/{}", by.account.name, subscription.id);
            let body = serde_json::json!({ "m2m:sgn": { "vrq": true, "sur": reference, "cr": by.name } });
            let headers = [
                ("X-M2M-Origin", format!("/{}", by.account.name)),
                ("X-M2M-RI", format!("vrq-{}", subscription.id)),
                ("X-M2M-RVI", "4".to_owned()),
                ("Content-Type", "application/json".to_owned()),
            ];
            self.callbacks.verify(url, &headers, body.to_string().into_bytes()).await.map_err(|error| error.at("nu"))?;
        }
        Ok(())
    }
}

/// Serves the addresses of a subscription that are not served yet; a changed one goes on from where it was.
fn add_pushes(whole: &mut Batch, subscription: &Resource, kept: &[String], newest: landfall_model::Seq, now: Time) {
    for (address, url) in addresses(subscription).into_iter().take(ADDRESSES).enumerate() {
        if kept.get(address).is_some_and(|before| before == url) {
            continue;
        }
        let id = SubscriptionId::of_resource(subscription.id, address as u8);
        // The version of a push is not counted: it is deleted and made anew.
        if address < kept.len() {
            whole.writes.push(Write::DeleteSubscription(id));
        }
        let push = Subscription {
            id,
            account: subscription.account,
            version: 1,
            owner: subscription.app,
            target: subscription.app,
            kind: SubscriptionKind::Resource(subscription.id, address as u8),
            channel: Channel::Http,
            callback_url: url.to_owned(),
            created_at: now,
        };
        whole.events.push(pushes_changed(subscription, id, now));
        whole.writes.push(Write::Subscription(Box::new(push)));
        whole.writes.push(Write::Cursor(Cursor { subscription: id, read_to: newest, open: vec![] }));
    }
}

fn labels(resource: &Resource) -> Write {
    Write::Labels { account: resource.account, subject: resource.id, labels: resource.labels.clone() }
}

/// Names are parts of addresses.
pub(crate) fn check_resource_name(name: &str) -> Result<()> {
    let fits = |c: char| !c.is_control() && !c.is_whitespace() && !['/', '?', '#', '%', '\\'].contains(&c);
    if !(1..=128).contains(&name.chars().count()) || !name.chars().all(fits) || name == "-" || name == "~" {
        return Err(Error::invalid("rn", "must be 1 to 128 characters without / ? # % \\ and spaces"));
    }
    Ok(())
}
