//! Rows that give devices their credentials, and the objects that stand for them (Cumulocity, bulkNewDeviceRequests): what becomes of a thousand
//! of them, in their order. Later rows of a part see what earlier ones make.

use super::{
    RowFault,
    before::Before,
    part::{Made, Part},
};
use crate::{
    Core, DevicePlan, NewObject, check_device_id,
    device::check_node_id,
    inventory::{IS_DEVICE, node_id_of},
    plan_device_object,
    user::{credentials::name_of, password::check_form},
};
use landfall_model::{
    AccountId, AppId, Batch, Cause, ChildKind, Device, DeviceId, Error, ExternalId, GroupId, ObjectId, ObjectOf, PasswordHash,
    Principals, Result, Secret, User, Write,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

/// What the note of a row begins with whose device had credentials before; its account and its id follow.
const UPDATED: &str = "updated ";

/// A device as a list names it, without its password, of which only the code is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCredentials {
    /// What it calls itself.
    pub id: String,
    password: PasswordHash,
    /// The tenant that gets it; none: the account of the import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The object that stands for it, if one shall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<NewDeviceObject>,
}

/// The object of a device, which is made where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDeviceObject {
    /// Its type.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fragments: Map<String, Value>,
    /// Of which type its id is, as an external id.
    pub id_type: String,
    /// Type and value of further external ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external: Vec<(String, String)>,
    /// Names of the groups that it is below, the topmost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
}

/// A group of a path.
#[derive(Clone)]
struct Below {
    object: ObjectId,
    group: GroupId,
    /// Its name, where the part makes it.
    made: Option<String>,
}

/// What rows of a part make or have in common.
#[derive(Default)]
struct Known {
    before: Before,
    accounts: HashMap<String, Option<AccountId>>,
    /// By account and folded name.
    users: BTreeMap<(AccountId, String), User>,
    /// Ids of those, and of requests that go.
    ids: HashSet<String>,
    requests: HashSet<String>,
    /// Objects and devices that are made.
    names: HashMap<ExternalId, ObjectId>,
    devices: HashMap<ObjectId, DeviceId>,
    /// Their ids on the server.
    node_ids: HashSet<String>,
    principals: HashMap<AccountId, Principals>,
    groups: HashMap<(AccountId, Vec<String>), Below>,
    joins: BTreeMap<GroupId, Vec<DeviceId>>,
    adding: BTreeMap<(AccountId, Option<AppId>), u64>,
}

impl Known {
    /// Whether a device is known under this id on the server.
    fn knows(&self, node_id: &str) -> bool {
        self.node_ids.contains(node_id) || self.before.node_ids.contains(node_id)
    }
}

/// What an object row makes, before it is taken into its part.
#[derive(Default)]
struct Planned {
    device: Option<(Arc<Device>, Vec<Write>)>,
    names: Vec<ExternalId>,
    groups: Batch,
    below: Vec<(Vec<String>, Below)>,
}

type Judged<T> = std::result::Result<T, RowFault>;

/// Hands on faults of the server and judges the rest.
macro_rules! judged {
    ($result:expr) => {
        match $result {
            Ok(found) => found,
            Err(error) if error.is_ours() => return Err(error),
            Err(error) => return Ok(Err(column(error))),
        }
    };
}

impl Core {
    /// What is kept of a device that a list names. `InvalidField`, at `id` or `credentials`.
    pub fn new_credentials(
        &self,
        id: String,
        password: &Secret,
        tenant: Option<String>,
        object: Option<NewDeviceObject>,
    ) -> Result<NewCredentials> {
        check_device_id(&id)?;
        check_form(password.expose(), 1).map_err(|error| error.at("credentials"))?;
        let password = self.passwords.key.hash(self.random_16(), password.expose());
        Ok(NewCredentials { id, password, tenant, object })
    }

    /// The id of the device whose credentials a row updated, from what is kept of it; none where it had none before.
    pub fn updated_credentials(detail: Option<&str>) -> Option<&str> {
        Some(updated(detail)?.1)
    }

    /// Plans the rows of a part, each with its place in it.
    pub(super) async fn plan_credentials(&self, part: &mut Part<'_>, rows: Vec<(usize, Box<NewCredentials>)>) -> Result<()> {
        let mut known = Known::default();
        let mut accounts = vec![];
        for (_, new) in &rows {
            accounts.push(self.account_of_row(part, &mut known, new).await?);
        }
        let looked: Vec<_> = accounts.iter().copied().zip(rows.iter().map(|(_, new)| &**new)).collect();
        known.before = self.before_rows(&looked).await?;
        let rows = rows.into_iter().zip(accounts).map(|((at, new), account)| (at, new, account));
        for (at, new, account) in rows {
            match self.plan_credentials_row(part, &mut known, (account, &new)).await? {
                Ok(made) => part.made(at, made),
                Err(fault) => part.fail(at, fault),
            }
        }
        let mut limits = vec![];
        for ((account, app), adding) in known.adding {
            limits.extend(self.device_limit(account, app, adding).await?);
        }
        let writes = &mut part.batch.writes;
        writes.splice(0..0, limits);
        writes.extend(known.users.into_values().map(|user| Write::User(Box::new(user))));
        writes.extend(known.requests.into_iter().map(Write::DeleteDeviceRequest));
        writes.extend(known.joins.into_iter().map(|(group, devices)| Write::Join(group, devices)));
        writes.sort_by_key(turn);
        Ok(())
    }

    /// All of a row or nothing: what it needs is looked up before the first thing is taken into the part.
    async fn plan_credentials_row(
        &self,
        part: &mut Part<'_>,
        known: &mut Known,
        (account, new): (Option<AccountId>, &NewCredentials),
    ) -> Result<Judged<Made>> {
        let Some(account) = account else {
            return Ok(Err(RowFault::new(Cause::AccountNotFound, "TENANT", "there is no such tenant")));
        };
        let user = match self.credentials_of(known, account, new) {
            Ok(user) => user,
            Err(fault) => return Ok(Err(fault)),
        };
        let request = known.before.requests.get(&new.id).cloned();
        if request.as_ref().is_some_and(|request| request.account != account) {
            return Ok(Err(not_available()));
        }
        let mut made = Made::default();
        if let Some(object) = &new.object {
            match self.plan_object_row(part, known, (account, &user.name), &new.id, object).await? {
                Ok(device) => made.device = device,
                Err(fault) => return Ok(Err(fault)),
            }
        }
        let key = (account, User::folded(&user.name));
        if user.version > 1 || known.users.contains_key(&key) {
            made.note = Some(format!("{UPDATED}{} {}", account, new.id));
        }
        known.users.insert(key, user);
        known.ids.insert(new.id.clone());
        known.requests.extend(request.map(|request| request.id));
        Ok(Ok(made))
    }

    async fn account_of_row(&self, part: &Part<'_>, known: &mut Known, new: &NewCredentials) -> Result<Option<AccountId>> {
        match &new.tenant {
            None => Ok(Some(part.job.account).filter(|account| *account != AccountId::MANAGEMENT)),
            Some(tenant) => self.known_account(known, tenant).await,
        }
    }

    async fn known_account(&self, known: &mut Known, tenant: &str) -> Result<Option<AccountId>> {
        if let Some(account) = known.accounts.get(tenant) {
            return Ok(*account);
        }
        let account = self.store.account_of_tenant(tenant).await?.map(|account| account.id);
        known.accounts.insert(tenant.to_owned(), account);
        Ok(account)
    }

    /// The user of a device with its new password.
    fn credentials_of(&self, known: &Known, account: AccountId, new: &NewCredentials) -> Judged<User> {
        let key = (account, User::folded(&name_of(&new.id)));
        if let Some(user) = known.users.get(&key) {
            let same = user.device_id.as_deref() == Some(&*new.id);
            return if same { Ok(User { password: new.password.clone(), ..user.clone() }) } else { Err(not_available()) };
        }
        let before = known.before.users.get(&new.id);
        let taken = match before {
            Some(user) => user.account != account,
            None => known.before.user_names.contains(&key),
        };
        if taken || known.ids.contains(&new.id) {
            return Err(not_available());
        }
        Ok(self.issued(account, &new.id, new.password.clone(), before))
    }

    /// The object of a row: made, or the one that has its name; it goes below the last group of its path. The device, where it is new.
    async fn plan_object_row(
        &self,
        part: &mut Part<'_>,
        known: &mut Known,
        (account, owner): (AccountId, &str),
        id: &str,
        object: &NewDeviceObject,
    ) -> Result<Judged<Option<DeviceId>>> {
        let named = |kind: &str, value: &str| ExternalId { account, kind: kind.to_owned(), value: value.to_owned() };
        let mut planned = Planned { names: vec![named(&object.id_type, id)], ..Planned::default() };
        let there = self.known_name(known, &planned.names[0], true).await?;
        for (kind, value) in &object.external {
            let name = named(kind, value);
            if self.known_name(known, &name, false).await?.is_some_and(|holder| Some(holder) != there) {
                let column = format!("external-{kind}");
                return Ok(Err(RowFault::new(Cause::NameTaken, &column, "another object has this external id")));
            }
            if !planned.names.contains(&name) {
                planned.names.push(name);
            }
        }
        if there.is_none() {
            let principals = match known.principals.get(&account) {
                Some(principals) => principals.clone(),
                None => self.device_principals(account).await?,
            };
            known.principals.insert(account, principals.clone());
            let device = (account, owner, principals);
            planned.device = Some(judged!(self.planned_object(known, device, id, object, &planned.names)));
        }
        judged!(self.plan_path(known, &mut planned, (account, owner), &object.path).await.map_err(|error| error.at("PATH")));
        let made = planned.device.as_ref().map(|(device, _)| device.id);
        let device = match there {
            None => made,
            Some(there) => match known.devices.get(&there) {
                Some(device) => Some(*device),
                None => self.store.device_of_object(account, there).await?.map(|device| device.id),
            },
        };
        let below = planned.below.last().map(|(_, below)| below.clone());
        self.take_planned(part, known, account, planned).await?;
        match (below, device, there) {
            (Some(below), Some(device), _) => known.joins.entry(below.group).or_default().push(device),
            (Some(below), None, Some(there)) => part.batch.writes.push(Write::Child(below.object, ChildKind::Asset, there)),
            _ => {}
        }
        Ok(Ok(made))
    }

    /// Takes what a good row makes into its part.
    async fn take_planned(&self, part: &mut Part<'_>, known: &mut Known, account: AccountId, planned: Planned) -> Result<()> {
        if let Some((device, writes)) = planned.device {
            part.batch.merge(self.added(&device).await?);
            part.batch.writes.extend(writes);
            let object = ObjectId::of_device(device.id);
            known.names.extend(planned.names.into_iter().map(|name| (name, object)));
            known.devices.insert(object, device.id);
            known.node_ids.insert(device.node_id.clone());
            *known.adding.entry((account, device.app())).or_default() += 1;
        }
        part.batch.merge(planned.groups);
        known.groups.extend(planned.below.into_iter().map(|(path, below)| ((account, path), below)));
        Ok(())
    }

    /// The object that has a name; `own` is that of the row's id.
    async fn known_name(&self, known: &Known, name: &ExternalId, own: bool) -> Result<Option<ObjectId>> {
        if let Some(object) = known.names.get(name).or_else(|| known.before.named.get(name)) {
            return Ok(Some(*object));
        }
        // Only a device that is known under it may have the name without being given it.
        if own && !known.knows(&name.value) { Ok(None) } else { self.device_called(name).await }
    }

    fn planned_object(
        &self,
        known: &Known,
        (account, owner, principals): (AccountId, &str, Principals),
        id: &str,
        object: &NewDeviceObject,
        names: &[ExternalId],
    ) -> Result<(Arc<Device>, Vec<Write>)> {
        let device = self.new_device_id();
        let free = check_node_id(id).is_ok() && !known.knows(id);
        let node_id = if free { id.to_owned() } else { node_id_of(device) };
        let mut fragments = object.fragments.clone();
        fragments.insert(IS_DEVICE.to_owned(), Value::Object(Map::new()));
        let new = NewObject {
            kind: Some(object.kind.clone()),
            name: Some(object.name.clone()),
            owner: None,
            fragments,
            external: names.iter().map(|name| (name.kind.clone(), name.value.clone())).collect(),
            below: None,
        };
        let owner = Some(Arc::from(owner));
        plan_device_object(DevicePlan {
            account,
            device,
            node_id,
            owner,
            principals,
            gateway: None,
            object: new,
            now: self.now(),
        })
    }

    /// The groups of a path, those that are not there as they are made.
    async fn plan_path(
        &self,
        known: &Known,
        planned: &mut Planned,
        (account, owner): (AccountId, &str),
        path: &[String],
    ) -> Result<()> {
        for depth in 1..=path.len() {
            let (here, name) = (path[..depth].to_vec(), &path[depth - 1]);
            let above = planned.below.last().map(|(_, above)| above.clone());
            let known = known.groups.get(&(account, here.clone())).cloned();
            let below = match (known, &above) {
                (Some(below), _) => Some(below),
                (None, Some(Below { made: Some(_), .. })) => None,
                (None, above) => {
                    let above = above.as_ref().map(|above| above.object);
                    let found = self.store.group_below(account, above, name).await?;
                    found.and_then(|object| match object.of {
                        ObjectOf::Group(group) => Some(Below { object: object.id, group, made: None }),
                        ObjectOf::Device(_) | ObjectOf::Itself => None,
                    })
                }
            };
            let below = match below {
                Some(below) => below,
                None => self.plan_group_below(planned, (account, owner), above, name).await?,
            };
            planned.below.push((here, below));
        }
        Ok(())
    }

    async fn plan_group_below(
        &self,
        planned: &mut Planned,
        (account, owner): (AccountId, &str),
        above: Option<Below>,
        name: &str,
    ) -> Result<Below> {
        let path = match &above {
            Some(Below { made: Some(path), .. }) => Some(path.clone()),
            Some(above) => self.store.group(above.group).await?.map(|group| group.name.clone()),
            None => None,
        };
        let (made, object, group) =
            self.plan_path_group(account, owner, (above.map(|above| above.object), path.as_deref()), name).await?;
        planned.groups.merge(made);
        Ok(Below { object, group: group.id, made: Some(group.name) })
    }
}

/// When a write of a part has its turn: records of a kind follow one another, so that they are written together, and each what it is of.
fn turn(write: &Write) -> u8 {
    match write {
        Write::DeviceLimit(_) => 0,
        Write::Group(_) => 1,
        Write::Device(_) => 2,
        Write::Object(_) => 3,
        Write::ExternalId(_) => 4,
        Write::User(r) if r.version == 1 => 5,
        _ => 6,
    }
}

/// The account and the id of the device whose credentials a row updated.
pub(super) fn updated(detail: Option<&str>) -> Option<(AccountId, &str)> {
    let (account, id) = detail?.strip_prefix(UPDATED)?.split_once(' ')?;
    Some((account.parse().ok()?, id))
}

/// The id is of another tenant, or means the same as another one: which, is nobody's business.
fn not_available() -> RowFault {
    RowFault::new(Cause::NameTaken, "ID", "cannot be given to a device of this tenant")
}

/// What is wrong with a row, at the column that it came from.
fn column(error: Error) -> RowFault {
    let mut fault = RowFault::from(error);
    let column = match fault.column.as_deref() {
        Some("type") => Some("TYPE"),
        Some("name") => Some("NAME"),
        Some("externalId") => Some("ID"),
        _ => return fault,
    };
    fault.column = column.map(str::to_owned);
    fault
}
