//! Groups as objects: each is a group of the account, whose name is the path to it, and an object that is called as the last part of that.

use super::{ManagedObject, NewObject, plan, view::IS_GROUP};
use crate::{Core, Scope, UserCaller, batch, extension::GroupEvent};
use landfall_model::{AccountId, Batch, ChildKind, Group, GroupId, ObjectId, ObjectOf, Result, Write};
use serde_json::{Map, json};
use std::sync::Arc;

/// Characters of the name of a group.
const NAME: usize = 256;
/// The type of a group below nothing, and of one below another.
const ROOT: &str = "c8y_DeviceGroup";
const BELOW: &str = "c8y_DeviceSubGroup";

impl Core {
    /// A group of a path, which is not there: below the object of another one, whose name is `above`, or below nothing. The owner is a user.
    /// `InvalidField`, `TooMany`.
    pub(crate) async fn plan_path_group(
        &self,
        account: AccountId,
        owner: &str,
        (parent, above): (Option<ObjectId>, Option<&str>),
        name: &str,
    ) -> Result<(Batch, ObjectId, Group)> {
        let new = NewObject {
            kind: Some(if parent.is_some() { BELOW } else { ROOT }.to_owned()),
            name: Some(name.to_owned()),
            owner: Some(owner.to_owned()),
            fragments: Map::from_iter([(IS_GROUP.to_owned(), json!({}))]),
            external: vec![],
            below: parent.map(|parent| (parent, ChildKind::Asset)),
        };
        let (made, object, group) = self.plan_group(account, new, above).await?;
        Ok((made, object.id(), group))
    }

    pub(super) async fn create_group_object(&self, caller: &UserCaller, new: NewObject) -> Result<ManagedObject> {
        let above = match new.below {
            Some((parent, ChildKind::Asset)) => match self.reached_object(caller, parent).await?.of() {
                ObjectOf::Group(group) => self.store.group(group).await?.map(|group| group.name.clone()),
                ObjectOf::Device(_) | ObjectOf::Itself => None,
            },
            Some((parent, _)) => self.reached_object(caller, parent).await.map(|_| None)?,
            None => None,
        };
        let (whole, object, _) = self.plan_group(caller.account(), new, above.as_deref()).await?;
        self.store.commit(whole).await?;
        Ok(object)
    }

    /// A group and its object, below the group whose name is `above`.
    async fn plan_group(&self, account: AccountId, new: NewObject, above: Option<&str>) -> Result<(Batch, ManagedObject, Group)> {
        let id = ObjectId::stamped(self.stamp());
        let own = new.name.clone().unwrap_or_else(|| id.to_string());
        let name = self.free_group_name(account, above, &own, None).await?;
        let scope: Scope = self.account_scope(account)?;
        let group = self.new_group(GroupId::new(self.now(), self.random_16()), &scope, &name).await?;
        let (below, names) = (new.below, new.external.clone());
        let record = plan::record(id, account, ObjectOf::Group(group.id), NewObject { name: Some(own), ..new }, self.now())?;
        let mut whole = batch(vec![Write::Group(Box::new(group.clone())), Write::Object(Box::new(record.clone()))], vec![]);
        whole.writes.extend(below.map(|(parent, kind)| Write::Child(parent, kind, id)));
        whole.writes.extend(plan::named(account, id, names)?);
        whole.merge(self.group_followed(GroupEvent::Made, &group).await?);
        Ok((whole, ManagedObject::of_record(Arc::new(record)), group))
    }

    /// A name for a group that no other of the account has: the path to it, with a number where that is taken.
    async fn free_group_name(&self, account: AccountId, above: Option<&str>, own: &str, of: Option<GroupId>) -> Result<String> {
        let path = above.map_or_else(|| own.to_owned(), |above| format!("{above}/{own}"));
        let path = if path.chars().count() > NAME { own.to_owned() } else { path };
        let holder = self.store.group_named(account, None, &path).await?;
        if holder.is_none_or(|holder| Some(holder.id) == of) {
            return Ok(path);
        }
        let number = self.stamp().to_string();
        let room = NAME - number.len() - 1;
        Ok(format!("{} {number}", path.chars().take(room).collect::<String>()))
    }

    /// A group whose object was renamed is called by its new path.
    pub(super) async fn renamed_group(&self, id: GroupId, before: Option<&str>, after: Option<&str>) -> Result<Batch> {
        let Some(group) = self.store.group(id).await? else { return Ok(Batch::default()) };
        let above = before.and_then(|before| group.name.strip_suffix(before)?.strip_suffix('/').map(str::to_owned));
        self.named_group(&group, above.as_deref(), after.unwrap_or_default()).await
    }

    /// A group that goes below another is called by its path there.
    pub(super) async fn moved_group(&self, to: GroupId, id: GroupId, own: Option<&str>) -> Result<Batch> {
        let (Some(to), Some(group)) = (self.store.group(to).await?, self.store.group(id).await?) else {
            return Ok(Batch::default());
        };
        self.named_group(&group, Some(&to.name), own.unwrap_or_default()).await
    }

    async fn named_group(&self, group: &Group, above: Option<&str>, own: &str) -> Result<Batch> {
        let name = self.free_group_name(group.account, above, own, Some(group.id)).await?;
        if name == group.name {
            return Ok(Batch::default());
        }
        let next = Group { version: group.version + 1, name, ..group.clone() };
        let mut whole = batch(vec![Write::Group(Box::new(next.clone()))], vec![]);
        whole.merge(self.group_followed(GroupEvent::Renamed, &next).await?);
        Ok(whole)
    }
}
