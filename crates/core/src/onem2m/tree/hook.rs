//! Web hooks (D2C): what happens at a device is told to the application entities of its device groups, at their points of access.
//!
//! Each address of an entity (`poa`) has one push, whatever it is told through: a device group, or a subscription that names the entity in
//! `nu`. Rights are judged when a notice is made, and again before it goes out.

use super::{
    Right, Target,
    notice::{Happened, pushes_changed},
};
use crate::{Core, account::principal::Principal, onem2m::group::told_by, onem2m::tree::node_name};
use landfall_model::{
    Account, AccountId, Batch, Changed, Cursor, Device, DeviceId, DevicePart, Event, EventBody, GroupId, Notice, Resource,
    ResourceId, ResourceKind, Result, Subscription, SubscriptionId, Time, Write,
};
use serde_json::Value;
use std::sync::Arc;

/// Addresses of one entity, `poa`.
const ADDRESSES: u8 = 10;
/// Groups of one device whose applications are told.
const GROUPS: u32 = 1_000;

/// The address at this place of an entity's `poa`, if it can be called.
fn access_point(entity: &Resource, place: u8) -> Option<&str> {
    let list = entity.attributes.get("poa").and_then(Value::as_array)?;
    let url = list.get(usize::from(place))?.as_str()?;
    (url.starts_with("http://") || url.starts_with("https://")).then_some(url)
}

fn access_points(entity: &Resource) -> impl Iterator<Item = (u8, &str)> {
    (0..ADDRESSES).filter_map(|place| Some((place, access_point(entity, place)?)))
}

/// Whether an item of `nu` names an application entity instead of an address.
pub(super) fn names_entity(address: &str) -> bool {
    !address.contains("://")
}

impl Core {
    /// What the applications of a device's groups are told of something at a part of it.
    pub(crate) async fn hook_notices(
        &self,
        account: &Account,
        device: &Arc<Device>,
        part: DevicePart,
        (happened, at): (Happened, Time),
        changed: impl FnOnce() -> Changed + Send,
    ) -> Result<Vec<Event>> {
        if !self.store.has_telling_groups(account.id) {
            return Ok(vec![]);
        }
        let groups = self.store.group_ids_of(device.id, GROUPS).await?;
        self.hook_notices_in(account, (device, part), &groups, (happened, at), changed).await
    }

    /// The same of these groups.
    pub(crate) async fn hook_notices_in(
        &self,
        account: &Account,
        (device, part): (&Arc<Device>, DevicePart),
        groups: &[GroupId],
        (happened, at): (Happened, Time),
        changed: impl FnOnce() -> Changed + Send,
    ) -> Result<Vec<Event>> {
        let entities = self.entities_of(account.id, groups).await?;
        if entities.is_empty() {
            return Ok(vec![]);
        }
        let (changed, mut events) = (changed(), vec![]);
        for (group, entity) in entities {
            if let Some(reason) = self.unfit_for_device(&entity, device).await? {
                self.withhold(account, &entity, reason, at);
                continue;
            }
            let notice = Notice {
                address: SubscriptionId::of_resource(entity.id, 0),
                reference: reference(&account.name, device, part, (group, entity.id)),
                kind: happened as u8,
                content: 1,
                changed: changed.clone(),
                modified: vec![],
                batch: None,
                held: None,
                through: Some(group),
            };
            events.extend(at_points_of_access(&entity, &notice, Some(device.id), at));
        }
        Ok(events)
    }

    /// The entities that these groups tell, each once, with the first group that does.
    async fn entities_of(&self, account: AccountId, groups: &[GroupId]) -> Result<Vec<(ResourceId, Arc<Resource>)>> {
        let mut found: Vec<(ResourceId, Arc<Resource>)> = vec![];
        for group in groups {
            let Some(group) = self.store.telling_group(ResourceId::of_group(*group)) else { continue };
            if group.account != account || !self.is_alive(&group) {
                continue;
            }
            let named: Vec<&str> = told_by(&group).collect();
            for text in named {
                if let Some(entity) = self.entity_named(account, text).await?
                    && !found.iter().any(|(_, one)| one.id == entity.id)
                {
                    found.push((group.id, entity));
                }
            }
        }
        Ok(found)
    }

    /// Why an entity is not to be told of a device; none: it may be.
    async fn unfit_for_device(&self, entity: &Resource, device: &Arc<Device>) -> Result<Option<String>> {
        let app = match self.standing(entity.app).await? {
            Ok(app) => app,
            Err(reason) => return Ok(Some(reason)),
        };
        let sees = self.sees(&Principal::application(app), device).await?;
        Ok((!sees).then(|| format!("{} may not retrieve {}", entity.ae_id().unwrap_or_default(), node_name(device))))
    }

    /// The entity that a notice goes out to, if it still may be told of it. What is withheld is counted.
    pub(crate) async fn entity_to_tell(&self, event: &Event) -> Result<Option<Arc<Resource>>> {
        let EventBody::Notice(notice) = &event.body else { return Ok(None) };
        let entity = self.store.resource(notice.address.resource()).await?;
        let Some(entity) = entity.filter(|one| one.kind == ResourceKind::ApplicationEntity && self.is_alive(one)) else {
            return Ok(None);
        };
        let Some(reason) = self.untold(event, notice, &entity).await? else { return Ok(Some(entity)) };
        if let Some(account) = self.store.account(event.account).await? {
            self.withhold(&account, &entity, reason, self.now());
        }
        Ok(None)
    }

    async fn untold(&self, event: &Event, notice: &Notice, entity: &Arc<Resource>) -> Result<Option<String>> {
        let through = match notice.through {
            Some(through) => self.store.resource(through).await?,
            None => None,
        };
        if let Some(subscription) = through.filter(|one| one.kind == ResourceKind::Subscription) {
            return self.unfit_for_subject(&subscription).await;
        }
        // The last notices of a device that is gone were judged when they were made.
        let Some(device) = event.device else { return Ok(None) };
        let Some(device) = self.store.device(device).await? else { return Ok(None) };
        let groups = self.store.group_ids_of(device.id, GROUPS).await?;
        if !self.entities_of(event.account, &groups).await?.iter().any(|(_, one)| one.id == entity.id) {
            return Ok(Some(format!("{} is in no device group any more that tells {}", node_name(&device), entity.name)));
        }
        self.unfit_for_device(entity, &device).await
    }

    /// The pushes to the points of access of an entity that is made or changed. One whose address changed goes on from where it was.
    pub(super) async fn pushed(&self, before: Option<&Resource>, next: &Resource) -> Result<Batch> {
        let mut whole = Batch::default();
        for place in 0..ADDRESSES {
            let (was, url) = (before.and_then(|before| access_point(before, place)), access_point(next, place));
            let id = SubscriptionId::of_resource(next.id, place);
            let served = if was.is_some() { self.store.subscription(id).await? } else { None };
            let write = match (url, served) {
                (Some(url), Some(served)) if url == served.callback_url => continue,
                (Some(url), Some(served)) => {
                    let version = served.version + 1;
                    Write::Subscription(Box::new(Subscription { version, callback_url: url.to_owned(), ..(*served).clone() }))
                }
                (Some(url), None) => {
                    whole.writes.push(Write::Subscription(Box::new(next.push_to(place, url))));
                    Write::Cursor(Cursor { subscription: id, read_to: self.store.newest(), open: vec![] })
                }
                (None, Some(_)) => Write::DeleteSubscription(id),
                (None, None) => continue,
            };
            whole.writes.push(write);
            whole.events.push(pushes_changed(next, id, next.modified_at));
        }
        Ok(whole)
    }

    /// Each point of access that can be called must be one that the server may call. `CallbackInvalid`.
    pub(super) fn check_access_points(&self, entity: &Resource) -> Result<()> {
        access_points(entity).try_for_each(|(_, url)| self.check_address(url).map_err(|error| error.at("poa")))
    }

    /// What a subscription whose `nu` names an entity tells it.
    pub(super) async fn told_by_name(
        &self,
        account: AccountId,
        name: &str,
        notice: &Notice,
        (device, at): (Option<DeviceId>, Time),
    ) -> Result<Vec<Event>> {
        let entity = self.entity_named(account, name).await?;
        Ok(entity.map(|entity| at_points_of_access(&entity, notice, device, at)).unwrap_or_default())
    }

    /// Whether the caller may be told as an entity that `nu` names: it is its own, or it may notify it.
    pub(super) async fn may_name(&self, by: &crate::OriginCaller, name: &str) -> Result<bool> {
        match self.entity_named(by.account.id, name).await? {
            Some(entity) => self.may(by, &Target::Resource(entity), Right::Notify).await,
            None => Ok(false),
        }
    }
}

/// The events of a notice that goes to each point of access of an entity.
fn at_points_of_access(entity: &Resource, notice: &Notice, device: Option<DeviceId>, at: Time) -> Vec<Event> {
    let event = |(place, _)| {
        // Several at once would be judged as one.
        let notice = Notice { address: SubscriptionId::of_resource(entity.id, place), batch: None, ..notice.clone() };
        let body = EventBody::Notice(Box::new(notice));
        Event { account: entity.account, principals: Some(entity.app.into()), device, at, body }
    };
    access_points(entity).map(event).collect()
}

/// `sur`: where the platform that is followed has a subscription for each application of a group.
fn reference(tenant: &str, device: &Device, part: DevicePart, (group, entity): (ResourceId, ResourceId)) -> String {
    let name = node_name(device);
    let at = match part {
        DevicePart::Box(which) => format!("device-communication/{name}/{}", which.name()),
        _ => name,
    };
    format!("/{tenant}/{at}/{group}-{entity}")
}

/// Stops to serve the points of access of an entity that goes.
pub(super) fn drop_points(whole: &mut Batch, entity: &Resource, now: Time) {
    for place in 0..ADDRESSES {
        let id = SubscriptionId::of_resource(entity.id, place);
        whole.writes.push(Write::DeleteSubscription(id));
        whole.events.push(pushes_changed(entity, id, now));
    }
}
