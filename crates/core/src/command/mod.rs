//! Cached commands (1.7.1 to 1.7.3): queued for the device, sent one after the other, followed to their result.

pub(crate) mod batch;
pub(crate) mod call;
mod operated;
pub(crate) mod operation;
pub(crate) mod revocation;
mod state;

use crate::{
    CommandFilter, Core, DeviceCaller, Scope, Takes, Wake,
    product::{
        check::check_call,
        frame::{Asked, check_raw},
    },
    subscription::address::Address,
    turns::Record,
    uplink::message,
};
use landfall_model::{
    Batch, Cause, Command, CommandId, Device, DeviceId, Error, Event, EventBody, Page, PageRequest, Product, ResourceId, Result,
    ServiceCommand, SubscriptionId, Time, Write,
};
use state::{Numbers, Times};
use std::{borrow::Cow, sync::Arc};

/// What an application wants a device to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRequest {
    /// Service of the product, 1 to 64 characters.
    pub service_id: String,
    /// Command of the service, 1 to 128 characters.
    pub method: String,
    /// JSON object of parameters, at most 64 KiB.
    pub paras: String,
    /// Takes a callback on every change of state.
    pub callback_url: Option<String>,
    /// Seconds for which it may wait; 0: sent at once or never; absent: the server's default.
    pub expire_s: Option<u32>,
    /// Sends after the first, 0 to 3.
    pub max_retransmit: u8,
}

/// Something to be done at a device, already marked as on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// What it belongs to.
    pub of: WorkOf,
    /// What to do, in order, at most 64 steps; the first that fails ends it.
    pub steps: Vec<Step>,
}

/// What a [`Work`] belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkOf {
    /// A command.
    Command(CommandId),
    /// A message of the device's `outgoing-msg` (D2C).
    Message(ResourceId),
    /// Desired properties of a service.
    Desired {
        /// Service.
        service_id: String,
        /// The JSON object of what is written.
        properties: String,
    },
}

/// One operation at the device.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Write a value, given as JSON, to a resource.
    Write {
        /// Resource.
        path: String,
        /// Data type in the product model.
        data_type: String,
        /// JSON value.
        value: String,
    },
    /// Read an object, an instance or a resource.
    Read {
        /// Where.
        path: String,
    },
    /// Ask what there is below an object, an instance or a resource.
    Discover {
        /// Where.
        path: String,
    },
    /// Execute a resource.
    Execute {
        /// Resource.
        path: String,
        /// JSON values in the order of the parameters, at most 10.
        arguments: Vec<String>,
    },
    /// Write a frame of the product's codec to a resource.
    Frame {
        /// Resource.
        path: String,
        /// The frame.
        bytes: Vec<u8>,
    },
}

/// What became of a command that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The device acknowledged it; the result comes later.
    Delivered,
    /// The device took and executed it: a JSON object; of [`Step::Discover`], which messages alone have, a link format.
    Done(String),
    /// The device refused it, in its acknowledgement or afterwards: a JSON object.
    Refused(String),
    /// It could not be sent: a JSON object.
    Failed(String),
    /// No acknowledgement came.
    Unanswered,
}

/// Parameters that can be arguments of an execution (LwM2M core, 5.4.5: digits 0 to 9).
const ARGUMENTS: usize = 10;

impl Core {
    /// Queues a command (1.7.1). It goes out at once where the device can hear it, else when the device comes.
    ///
    /// `DeviceNotFound`, `DeviceForeign`, `ServiceNotFound`, `InvalidField`, `CallbackInvalid`, `TakesNoWork`, `DeviceZombie`, `DeviceOffline`
    /// for one without validity while the device has no registration, `CommandLimit`, `TooMany` for too many callback addresses.
    pub async fn submit_command(&self, scope: &Scope, device: DeviceId, request: CommandRequest) -> Result<Command> {
        let device = self.device(scope, device).await?;
        let product = self.product_if_any(&device).await?;
        check_sends(request.max_retransmit)?;
        let paras = match &product {
            Some(product) => check_call_of(product, (&request.service_id, &request.method), &request.paras)?,
            None => self.check_free_call(&device, (&request.service_id, &request.method), &request.paras).await?.into(),
        };
        let (app, by) = (scope.name_at(&device), scope.by);
        if let Some(url) = &request.callback_url {
            self.check_address(url).map_err(|error| error.at("callbackUrl"))?;
        }
        self.check_takes_commands(&device, product.as_deref(), "command.access").await?;
        let seen = self.store.device_state(device.id).await?.last_seen;
        self.check_seen(&device, seen)?;
        let expire_s = request.expire_s.unwrap_or(self.settings.command_expire_s);
        if expire_s == 0 && !self.live.takes(device.id, Takes::Work) {
            return Err(Error::new(Cause::DeviceOffline, "the device has no registration, so nothing can be sent at once"));
        }
        let now = self.now();
        let id = CommandId::new(now, self.random_16());
        let wait_s = if expire_s == 0 { self.settings.immediate_command_s } else { expire_s };
        let command = self
            .decide(&[Record::Device(device.id)], || {
                Box::pin(async {
                    let open = self.store.open_commands(device.id).await?;
                    state::check_room(&open, self.settings.commands_per_device)?;
                    let url = request.callback_url.as_deref();
                    let address = self.new_address(device.account, (app, by), url).await;
                    let mut whole = address.map_err(|error| error.at("callbackUrl"))?.made;
                    let mid = self.next_number(|mid| open.iter().any(|command| command.mid == mid));
                    let place = self.store.last_command_place(device.id).await? + 1;
                    let numbers = Numbers { id, mid, place };
                    let command = Command {
                        expire_s: request.expire_s,
                        max_retransmit: request.max_retransmit,
                        callback_url: request.callback_url.clone(),
                        due_at: Some(self.end_of(wait_s.into())),
                        ..state::pending(&device, (app, by), numbers, (&request.service_id, &request.method, &paras), now)
                    };
                    whole.writes.push(Write::Command(Box::new(command.clone())));
                    Ok((whole, command))
                })
            })
            .await?;
        self.wake_for_work(&device);
        Ok(command)
    }

    /// Whether what waits can ever reach the device: `TakesNoWork` where it is here by an access of calls, behind a gateway, or of a product that
    /// says it comes by MQTT and without a registration. Any other that is not here may come by an access of work.
    async fn takes_work(&self, device: &Device, product: Option<&Product>) -> Result<()> {
        if self.live.takes(device.id, Takes::Work) {
            return Ok(());
        }
        let mqtt = product.is_some_and(|product| product.key.protocol_type.eq_ignore_ascii_case("MQTT"));
        let why = if device.gateway.is_some() {
            "is behind a gateway"
        } else if self.live.takes(device.id, Takes::Calls) {
            "is connected over a protocol of calls"
        } else if mqtt && self.store.registration(device.id).await?.is_none() {
            "has the protocolType MQTT and no LwM2M registration"
        } else {
            return Ok(());
        };
        let detail = format!("the device {why}, so nothing can wait for it; call its services while it is connected (1.7.7)");
        Err(Error::new(Cause::TakesNoWork, detail))
    }

    /// A device that was not seen for long takes no commands (1.7.1: seven days). `last_seen`: when it last reported or connected.
    fn check_seen(&self, device: &Device, last_seen: Option<Time>) -> Result<()> {
        let seen = last_seen.max(device.heard_at).unwrap_or(device.created_at);
        if seen < self.now().minus_s(self.settings.zombie_after_s.into()) {
            return Err(Error::new(Cause::DeviceZombie, "the device was not seen for too long"));
        }
        Ok(())
    }

    /// Commands of the scope, newest first (1.7.2). `DeviceNotFound`, `DeviceForeign` for a device that is not the scope's.
    pub async fn commands(&self, scope: &Scope, mut filter: CommandFilter, page: PageRequest) -> Result<Page<Command>> {
        if let Some(device) = filter.device {
            self.device(scope, device).await?;
        }
        filter.account = scope.account;
        filter.app = scope.app.or(filter.app);
        self.store.commands(&filter, page).await
    }

    /// One command of the scope. `CommandNotFound`.
    pub async fn command(&self, scope: &Scope, id: CommandId) -> Result<Command> {
        let found = self.store.command(id).await?;
        let found = found.filter(|command| scope.covers_name(command.account, command.app));
        found.ok_or_else(|| Error::new(Cause::CommandNotFound, "there is no such command"))
    }

    /// Cancels a command that was not sent yet (1.7.3). `CommandNotFound`, `CommandNotPending`.
    pub async fn cancel_command(&self, scope: &Scope, id: CommandId) -> Result<Command> {
        let canceled = self
            .decide(&[Record::Command(id)], || {
                Box::pin(async {
                    let next = state::canceled(&self.command(scope, id).await?)?;
                    Ok((self.told(std::slice::from_ref(&next)).await?, next))
                })
            })
            .await?;
        self.jobs_follow(canceled.job);
        Ok(canceled)
    }

    /// What to do next at the calling device: what it must hear at once, then what applications desire, then its oldest command, unless
    /// an earlier one still waits for its acknowledgement. Call again until there is nothing. A command is SENT when this returns.
    ///
    /// `asleep`: the device cannot hear, so only commands without validity are tried.
    pub async fn next_work(&self, caller: &DeviceCaller, asleep: bool) -> Result<Option<Work>> {
        let device = self.caller_device(caller).await?;
        let Some(stamp) = self.store.work_stamp(device.id) else { return Ok(None) };
        // A command that cannot be sent after all frees the place of the next one.
        for _ in 0..=self.settings.commands_per_device {
            let open = self.store.open_commands(device.id).await?;
            let mut next = state::immediate(&open);
            if next.is_none() && !asleep {
                if let Some(desired) = self.next_desired(&device).await? {
                    return Ok(Some(desired));
                }
                next = state::in_turn(&open);
            }
            let Some(next) = next else {
                if !asleep && let Some(message) = self.next_work_of_extensions(&device).await? {
                    return Ok(Some(message));
                }
                if open.is_empty() && !asleep {
                    self.store.no_work(device.id, stamp);
                }
                return Ok(None);
            };
            if let Some(work) = self.send_command(&device, next.clone()).await? {
                return Ok(Some(work));
            }
        }
        Ok(None)
    }

    /// Marks a command as sent. One that its application may not give any more, or that cannot be put in the device's form, fails here and
    /// now, and the next one's turn has come; one that could not be looked at stays as it is.
    async fn send_command(&self, device: &Arc<Device>, command: Command) -> Result<Option<Work>> {
        if let Some(reason) = self.bar_at(device, command.by).await? {
            return self.fail_command(device, &command, "command.rights", &Error::new(Cause::Forbidden, reason)).await;
        }
        let steps = match self.steps(device, &command).await {
            Ok(steps) => steps,
            Err(error) if error.is_ours() => return Err(error),
            Err(error) => return self.fail_command(device, &command, "command.encode", &error).await,
        };
        let sent = state::sent(&command, self.times());
        match self.store.commit(self.told(&[sent]).await?).await {
            Ok(_) => Ok(Some(Work { of: WorkOf::Command(command.id), steps })),
            Err(error) if error.cause == Cause::Stale => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn fail_command(&self, device: &Device, command: &Command, step: &'static str, error: &Error) -> Result<Option<Work>> {
        self.refused(device, step, error);
        let failed = state::failed(command, error, self.now());
        self.unless_moved(self.store.commit(self.told(&[failed]).await?).await)?;
        self.jobs_follow(command.job);
        Ok(None)
    }

    /// What became of a command that was sent. Returns it again when it is to be sent once more (maxRetransmit).
    pub async fn command_outcome(&self, caller: &DeviceCaller, id: CommandId, outcome: Outcome) -> Result<Option<Work>> {
        let device = self.caller_device(caller).await?;
        let Some(command) = self.store.command(id).await?.filter(|command| command.device == device.id) else { return Ok(None) };
        if state::goes_again(&command, &outcome) {
            return self.send_command(&device, command).await;
        }
        let product = self.product_of(&device).await?;
        self.decide(&[Record::Command(id)], || {
            Box::pin(async {
                let Some(command) = self.store.command(id).await? else { return Ok((Batch::default(), ())) };
                let has_result = command_of(&product, &command).is_ok_and(|(_, found)| !found.responses.is_empty());
                Ok((self.told(&state::after(&command, &outcome, has_result, self.times())).await?, ()))
            })
        })
        .await?;
        self.jobs_follow(command.job);
        Ok(None)
    }

    fn times(&self) -> Times {
        let (ack_by, result_by) =
            (self.end_of(self.settings.command_ack_s.into()), self.end_of(self.settings.command_result_s.into()));
        Times { now: self.now(), ack_by, result_by }
    }

    /// The device's own answer to a command that went out as a frame: by `mid`, else the oldest that waits. False: none waits.
    pub(crate) async fn answer_command(&self, device: &Arc<Device>, mid: Option<u16>, errcode: i64, body: &str) -> Result<bool> {
        let open = self.store.open_commands(device.id).await?;
        let Some(id) = state::answered(&open, mid).map(|command| command.id) else { return Ok(false) };
        let outcome = if errcode == 0 { Outcome::Done(body.to_owned()) } else { Outcome::Refused(body.to_owned()) };
        self.command_outcome(&self.device_caller(device), id, outcome).await?;
        Ok(true)
    }

    /// Ends commands whose time is over: EXPIRED before they were sent, TIMEOUT after. Returns whether more is left.
    pub(crate) async fn end_commands(&self, now: Time) -> Result<bool> {
        const ROUND: u32 = 500;
        let due = self.store.due_commands(now, ROUND).await?;
        let mut told = Vec::with_capacity(due.len());
        for command in &due {
            told.push(self.told(&[state::over(command, self.now())]).await?);
        }
        self.commit_each(told.into_iter()).await?;
        for command in &due {
            self.live.wake(command.device, Wake::Work);
            self.jobs_follow(command.job);
        }
        Ok(due.len() as u32 == ROUND)
    }

    /// A record that moved meanwhile is looked at again later.
    fn unless_moved<T>(&self, done: Result<T>) -> Result<()> {
        match done {
            Err(error) if error.cause != Cause::Stale => Err(error),
            _ => Ok(()),
        }
    }

    /// The batch that writes the next states of a command and tells them (1.6.7.12); its creation is told to nobody.
    async fn told(&self, states: &[Command]) -> Result<Batch> {
        let Some(Command { account, app, by, callback_url, .. }) = states.first() else { return Ok(Batch::default()) };
        let Address { id, made: mut whole } = self.address(*account, (*app, *by), callback_url.as_deref()).await?;
        whole.merge(self.told_to(id, states));
        Ok(whole)
    }

    /// The same, to an address that is known.
    fn told_to(&self, address: Option<SubscriptionId>, states: &[Command]) -> Batch {
        let mut whole = Batch::default();
        for command in states {
            let (command_id, state, result) = (command.id, command.state, command.result.clone());
            let body = EventBody::CommandChanged { command: command_id, state, result, address };
            let (principals, device) = (Some(command.app.into()), Some(command.device));
            whole.events.push(Event { account: command.account, principals, device, at: self.now(), body });
            whole.writes.push(Write::Command(Box::new(command.clone())));
        }
        whole.writes.extend(states.last().and_then(state::end_of_target).map(Write::EndTarget));
        whole
    }

    /// What a command means at its device: paths of the model, else a frame of the codec.
    async fn steps(&self, device: &Arc<Device>, command: &Command) -> Result<Vec<Step>> {
        let product = self.product_of(device).await?;
        let (_, model) = command_of(&product, command)?;
        let bound = bound_steps(model, &command.paras)?;
        if !bound.is_empty() {
            return Ok(bound);
        }
        let unbound =
            || Error::new(Cause::InvalidField, "the command is bound to no LwM2M resource, and the product has no frames");
        let app_data = product.app_data().ok_or_else(unbound)?;
        let Command { service_id, method, mid, paras, .. } = command;
        let bytes = self.frame(&product, &Asked { service_id, method, mid: *mid, paras }).await?;
        Ok(vec![Step::Frame { path: app_data.downlink, bytes }])
    }
}

/// Sends after the first are 0 to 3.
fn check_sends(max_retransmit: u8) -> Result<()> {
    if max_retransmit > 3 {
        return Err(Error::invalid("maxRetransmit", "must be 0 to 3"));
    }
    Ok(())
}

/// What a command has to be for any product.
fn check_form(method: &str, paras: &str) -> Result<()> {
    if paras.len() > 65_536 {
        return Err(Error::invalid("command.paras", "must be at most 64 KiB"));
    }
    if !(1..=128).contains(&method.chars().count()) {
        return Err(Error::invalid("command.method", "must be 1 to 128 characters"));
    }
    Ok(())
}

/// The parameters as the model spells them, once all is known to fit.
fn check_call_of<'a>(product: &Product, (service_id, method): (&str, &str), paras: &'a str) -> Result<Cow<'a, str>> {
    check_form(method, paras)?;
    let service = product.service(service_id);
    let service =
        service.ok_or_else(|| Error::new(Cause::ServiceNotFound, "the product has no such service").at("command.serviceId"))?;
    let model = service.command(method);
    let model = model.ok_or_else(|| Error::invalid("command.method", "the service has no such command"))?;
    let checked = check_call(model, paras).and_then(|paras| check_raw(product, service, &paras).map(|()| paras));
    checked.map_err(|error| {
        let path = error.path.as_deref().unwrap_or_default();
        let path = if path.is_empty() { "command.paras".to_owned() } else { format!("command.paras.{path}") };
        error.clone().at(path)
    })
}

fn command_of<'p>(product: &'p Product, command: &Command) -> Result<(&'p landfall_model::Service, &'p ServiceCommand)> {
    let gone = || Error::new(Cause::ServiceNotFound, "the product no longer has the command");
    let service = product.service(&command.service_id).ok_or_else(gone)?;
    Ok((service, service.command(&command.method).ok_or_else(gone)?))
}

/// Parameters with a path are written in the order of the model; then comes the execution, with the others as arguments.
fn bound_steps(model: &ServiceCommand, paras: &str) -> Result<Vec<Step>> {
    let given = message::properties(paras)?;
    let value = |name: &str| given.iter().find(|(given, _)| given == name).map(|(_, value)| value.get().to_owned());
    let mut steps = vec![];
    let mut arguments = vec![];
    for para in &model.paras {
        match (&para.path, value(&para.name)) {
            (Some(path), Some(value)) => steps.push(Step::Write { path: path.clone(), data_type: para.data_type.clone(), value }),
            (None, Some(value)) => arguments.push(value),
            (_, None) => {}
        }
    }
    if let Some(path) = &model.execute {
        arguments.truncate(ARGUMENTS);
        steps.push(Step::Execute { path: path.clone(), arguments });
    }
    Ok(steps)
}
