//! Operations of devices (`/devicecontrol/operations`): commands as an agent takes them, and says what became of them.
//!
//! A device that a user owns takes commands at any time: they wait until its agent asks for them, and only what that says moves them on.

mod shape;

use super::state;
use crate::{Core, OperationFilter, Permission, UserCaller, batch, device::status, turns::Record};
use landfall_model::{
    Batch, Cause, Command, CommandId, Device, DeviceId, Error, Page, PageRequest, Result, Role, Sort, Time, Write,
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Operations of a device that may be pending.
const PENDING: usize = 500;
/// Operations that are handed to an agent at once.
const AT_ONCE: u32 = 500;

/// An operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Id; on the wire [`Operation::number`].
    pub id: CommandId,
    /// The device it is for.
    pub device: DeviceId,
    /// The name of that, where it has one.
    pub device_name: Option<String>,
    /// Place in the device's queue; later ones have higher places.
    pub place: u64,
    /// How far it came.
    pub status: OperationStatus,
    /// When it was made.
    pub created_at: Time,
    /// Why it failed.
    pub failure_reason: Option<String>,
    /// What to do, what for people is (`description`), and what the device added.
    pub fragments: Map<String, Value>,
}

/// How far an operation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationStatus {
    /// Its device did not take it yet.
    Pending,
    /// Its device took it.
    Executing,
    /// It is done.
    Successful,
    /// It failed, was not taken in time or was withdrawn.
    Failed,
}

/// An operation as it is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewOperation {
    /// What to do; fields that every operation has are passed over.
    pub fragments: Map<String, Value>,
}

/// What is said of an operation; `None` leaves what there is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OperationChange {
    /// How far it came.
    pub status: Option<OperationStatus>,
    /// Why it failed, at most 1,024 characters; for one that fails.
    pub failure_reason: Option<String>,
    /// What is added.
    pub fragments: Map<String, Value>,
}

/// Which operations a user asks for; what is absent or empty does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperationQuery {
    /// For this device.
    pub device: Option<DeviceId>,
    /// For this agent and the devices behind it.
    pub agent: Option<DeviceId>,
    /// In one of these states.
    pub statuses: Vec<OperationStatus>,
    /// With a fragment of this name.
    pub fragment: Option<String>,
    /// Made at this time or later.
    pub from: Option<Time>,
    /// Made before this time.
    pub to: Option<Time>,
    /// Whether the newest come first, and not the oldest.
    pub newest_first: bool,
}

impl Operation {
    /// The id on the wire: a decimal number of 128 bits.
    pub fn number(&self) -> u128 {
        self.id.0.as_u128()
    }

    /// The id that is written as this number.
    pub fn id_of(text: &str) -> Option<CommandId> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).map(|number: u128| CommandId(uuid::Uuid::from_u128(number)))
    }
}

impl Core {
    /// Asks a device for something; it waits until the device takes it, and does not expire.
    ///
    /// `Forbidden`, `DeviceNotFound`, `InvalidField`, `TakesNoWork`, `CommandLimit` for one more than 500 that are pending.
    pub async fn create_operation(&self, caller: &UserCaller, device: DeviceId, new: NewOperation) -> Result<Operation> {
        caller.need(Permission::Speak)?;
        let device = self.reached_device(caller, device).await?;
        let (service_id, paras) = shape::asked(new)?;
        self.check_takes_commands(&device, self.product_if_any(&device).await?.as_deref(), "operation.access").await?;
        // In the order in which they are made, also within a millisecond.
        let (now, id) = (self.now(), CommandId(self.new_device_id().0));
        let made = self
            .decide(&[Record::Device(device.id)], || {
                Box::pin(async {
                    let open = self.store.open_commands(device.id).await?;
                    state::check_room(&open, PENDING.max(self.settings.commands_per_device))?;
                    let mid = self.next_number(|mid| open.iter().any(|command| command.mid == mid));
                    let place = self.store.last_command_place(device.id).await? + 1;
                    let numbers = state::Numbers { id, mid, place };
                    let command = state::pending(&device, (None, None), numbers, (&service_id, shape::METHOD, &paras), now);
                    Ok((batch(vec![Write::Command(Box::new(command.clone()))], vec![]), command))
                })
            })
            .await?;
        self.wake_for_work(&device);
        Ok(shape::shown(&made, device.info.name.clone()))
    }

    /// One operation of a device that the caller reaches. `Forbidden`, `CommandNotFound`.
    pub async fn operation(&self, caller: &UserCaller, id: CommandId) -> Result<Operation> {
        let (command, device) = self.reached_command(caller, id).await?;
        Ok(shape::shown(&command, device.info.name.clone()))
    }

    async fn reached_command(&self, caller: &UserCaller, id: CommandId) -> Result<(Command, Arc<Device>)> {
        caller.need(Permission::See)?;
        let unknown = || Error::new(Cause::CommandNotFound, "there is no such operation");
        let command = self.store.command(id).await?.ok_or_else(unknown)?;
        let device = self.reached_device(caller, command.device).await;
        let device = device.map_err(|error| if error.cause == Cause::DeviceNotFound { unknown() } else { error })?;
        Ok((command, device))
    }

    /// Operations that the caller reaches, the oldest first unless asked for otherwise; of a device's user they are a sign of life.
    ///
    /// `Forbidden`, also for a device that names none, `DeviceNotFound`.
    pub async fn operations(&self, caller: &UserCaller, query: &OperationQuery, page: PageRequest) -> Result<Page<Operation>> {
        caller.need(Permission::See)?;
        let filter = self.operation_filter(caller, query).await?;
        let Page { total, items } = self.store.operations(&filter, page).await?;
        let mut shown = Vec::with_capacity(items.len());
        for command in &items {
            let device = self.store.device(command.device).await?;
            shown.push(shape::shown(command, device.and_then(|device| device.info.name.clone())));
        }
        Ok(Page { total, items: shown })
    }

    async fn operation_filter(&self, caller: &UserCaller, query: &OperationQuery) -> Result<OperationFilter> {
        let mut filter = OperationFilter::of(caller.account());
        for (asked, place) in [(query.agent, &mut filter.gateway), (query.device, &mut filter.device)] {
            let Some(id) = asked else { continue };
            let device = self.reached_device(caller, id).await?;
            self.heard_from(caller, &device).await?;
            *place = Some(device.id);
        }
        if filter.gateway.is_none() && filter.device.is_none() {
            caller.scope()?;
        }
        filter.states = query.statuses.iter().flat_map(|status| status.states()).collect();
        filter.fragment.clone_from(&query.fragment);
        (filter.from, filter.to) = (query.from, query.to);
        filter.sort = if query.newest_first { Sort::Descending } else { Sort::Ascending };
        Ok(filter)
    }

    /// The oldest operation of a device in one of these states that has a fragment: what a device means that names no id (SmartREST 501 to 503).
    ///
    /// `Forbidden`, `DeviceNotFound`.
    pub async fn oldest_operation(
        &self,
        caller: &UserCaller,
        device: DeviceId,
        statuses: &[OperationStatus],
        fragment: &str,
    ) -> Result<Option<Operation>> {
        let statuses = statuses.to_vec();
        let query =
            OperationQuery { device: Some(device), statuses, fragment: Some(fragment.to_owned()), ..OperationQuery::default() };
        Ok(self.operations(caller, &query, PageRequest { no: 0, size: 1 }).await?.items.into_iter().next())
    }

    /// Operations of an agent and of the devices behind it that are pending, the oldest first, from `page` on 500 at a time; those that no
    /// application may give any more are left out. What was told already is known by device and place.
    ///
    /// `Forbidden`, `DeviceNotFound`.
    pub async fn pending_operations(&self, caller: &UserCaller, agent: DeviceId, page: u64) -> Result<Vec<Operation>> {
        caller.need(Permission::See)?;
        let agent = self.reached_device(caller, agent).await?;
        let states = OperationStatus::Pending.states().collect();
        let filter = OperationFilter { gateway: Some(agent.id), states, ..OperationFilter::of(agent.account) };
        self.pending_of(&filter, page).await
    }

    /// The same of one device, after a place in its queue.
    pub async fn pending_operations_of(&self, caller: &UserCaller, device: DeviceId, after_place: u64) -> Result<Vec<Operation>> {
        caller.need(Permission::See)?;
        let device = self.reached_device(caller, device).await?;
        let states = OperationStatus::Pending.states().collect();
        let after_place = Some(after_place);
        let filter = OperationFilter { device: Some(device.id), states, after_place, ..OperationFilter::of(device.account) };
        self.pending_of(&filter, 0).await
    }

    async fn pending_of(&self, filter: &OperationFilter, page: u64) -> Result<Vec<Operation>> {
        let found = self.store.operations(filter, PageRequest { no: page, size: AT_ONCE }).await?;
        let mut shown = Vec::with_capacity(found.items.len());
        for command in &found.items {
            let Some(device) = self.store.device(command.device).await? else { continue };
            if self.bar_at(&device, command.by).await?.is_none() {
                shown.push(shape::shown(command, device.info.name.clone()));
            }
        }
        Ok(shown)
    }

    /// What a device, or who speaks for it, says of an operation; of a device's user it is a sign of life. An application that asked for it is
    /// told each state, as of every command. One that its application may not give any more fails before its device takes it.
    ///
    /// `Forbidden`, also for one that fails so; `CommandNotFound`, `InvalidField`, `OperationNotAllowed` for a state that cannot follow.
    pub async fn change_operation(&self, caller: &UserCaller, id: CommandId, change: &OperationChange) -> Result<Operation> {
        caller.need(Permission::Speak)?;
        let (command, device) = self.reached_command(caller, id).await?;
        self.heard_from(caller, &device).await?;
        if command.state == landfall_model::CommandState::Pending
            && let Some(reason) = self.bar_at(&device, command.by).await?
        {
            let error = Error::new(Cause::Forbidden, reason);
            self.fail_command(&device, &command, "operation.rights", &error).await?;
            return Err(error);
        }
        let changed = self
            .decide(&[Record::Command(id)], || {
                Box::pin(async {
                    let (command, _) = self.reached_command(caller, id).await?;
                    let states = shape::after(&command, change, self.times())?;
                    let last = states.last().unwrap_or(&command).clone();
                    let whole = if last.state == command.state {
                        Batch { writes: states.into_iter().map(|next| Write::Command(Box::new(next))).collect(), events: vec![] }
                    } else {
                        self.told(&states).await?
                    };
                    Ok((whole, last))
                })
            })
            .await?;
        self.jobs_follow(changed.job);
        Ok(shape::shown(&changed, device.info.name.clone()))
    }

    /// A device's own user asks for what waits for it or says something: the device is there.
    pub async fn heard_from(&self, caller: &UserCaller, device: &Device) -> Result<()> {
        if caller.user().role != Role::Device || device.mute {
            return Ok(());
        }
        self.decide(&[Record::Device(device.id)], || {
            Box::pin(async {
                let Some(device) = self.store.device(device.id).await? else { return Ok((Batch::default(), ())) };
                Ok((status::heard(&device, status::Heard::Speaking, self.now(), self.earliest()), ()))
            })
        })
        .await
    }
}
