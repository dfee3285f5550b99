//! Calls of device services (1.7.7, device-side section 7): sent at once or refused, never cached.

use crate::{
    Core, Downlink, Obstacle, Purpose, Scope, Undelivered, batch, device_event,
    product::{
        check::check_call,
        frame::{Asked, check_raw, cloud_request},
    },
    subscription::address::Address,
    turns::Record,
};
use landfall_model::{
    Batch, CallId, CallState, Cause, Confirmation, DataFormat, Device, DeviceId, Error, Event, EventBody, Product, Result,
    ServiceCall, SubscriptionId, Time, Write,
};
use std::sync::{Arc, atomic::Ordering};

/// What an application asks a device to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRequest {
    /// Service of the product.
    pub service_id: String,
    /// Command of the service, 1 to 32 characters.
    pub method: String,
    /// JSON object of parameters.
    pub paras: String,
    /// Given or absent; up to 128 characters.
    pub request_id: Option<String>,
    /// Who asks, up to 128 characters; the `to` of the pushes.
    pub from: Option<String>,
    /// Whether confirmations are wanted.
    pub ack: bool,
    /// Address that takes every change of status.
    pub callback_url: Option<String>,
}

/// What 1.7.7 answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallTaken {
    /// Whether the connection took it.
    pub sent: bool,
    /// When.
    pub at: Time,
    /// Given or made.
    pub request_id: String,
}

impl Core {
    /// Sends a command to a connected device. The call is durable before it is sent, so that its answer finds it after a restart.
    ///
    /// One that cannot be put in the device's form, or that its connection does not take, is not sent, and leaves a why record.
    ///
    /// `DeviceNotFound`, `DeviceForeign`, `ServiceNotFound`, `CommandUnknown`, `InvalidField`, `CommandMuted`, `GatewayOffline`,
    /// `DeviceOffline`, `TooMany` for a device with 32 waiting calls or for too many callback addresses.
    pub async fn call_service(&self, scope: &Scope, device: DeviceId, request: CallRequest) -> Result<CallTaken> {
        let device = self.device(scope, device).await?;
        check_request(&request)?;
        let product =
            self.product_of(&device).await.map_err(|_| Error::new(Cause::ServiceNotFound, "the device has no product"))?;
        let Checked { service_type, response, paras } = check_command(&product, &request)?;
        if let Some(url) = &request.callback_url {
            self.check_address(url).map_err(|error| error.at("header.callbackURL"))?;
        }
        check_muted(&device, &request)?;
        let via = device.gateway_id();
        self.live.accepts(via, device.id, None).map_err(|why| unreachable_by(&device, &why))?;
        let waiting = self.store.calls(device.id).await?;
        check_room(&waiting, self.settings.calls_per_device)?;
        let (now, app) = (self.now(), scope.name_at(&device));
        let call = ServiceCall {
            id: CallId::from_random(self.random_16()),
            account: device.account,
            app,
            by: scope.guest_of(app),
            device: device.id,
            mid: self.next_number(|mid| waiting.iter().any(|call| call.mid == mid)),
            request_id: request.request_id.filter(|id| !id.is_empty()).unwrap_or_else(|| self.generated(16)),
            from: request.from.unwrap_or_default(),
            ack: request.ack,
            service_id: request.service_id,
            service_type,
            method: request.method,
            response,
            paras,
            callback_url: request.callback_url,
            state: CallState::Sent,
            created_at: now,
            expires_at: self.end_of(self.settings.call_timeout_s.into()),
        };
        let message = match self.encode(&product, &call).await {
            Ok(message) => message,
            Err(error) if matches!(error.cause, Cause::CodecFailed | Cause::CodecNotFound) => {
                return self.not_sent(&device, &call, "command.encode", &error).await;
            }
            Err(error) => return Err(error),
        };
        match self.live.accepts(via, device.id, Some(&message)) {
            Ok(()) => self.send(&device, via, call, message).await,
            Err(why) if why.obstacle == Obstacle::TooLarge => {
                let error = why.error();
                self.refused(&device, why.step, &error);
                Err(error)
            }
            Err(why) => self.not_sent(&device, &call, why.step, &why.error()).await,
        }
    }

    async fn send(&self, device: &Device, via: DeviceId, call: ServiceCall, message: Downlink) -> Result<CallTaken> {
        self.keep_call(device, &call, vec![Write::Call(Box::new(call.clone()))], Confirmation::Sent).await?;
        match self.live.deliver(via, message) {
            Ok(()) => Ok(CallTaken { sent: true, at: call.created_at, request_id: call.request_id }),
            Err(why) => self.not_sent(device, &call, why.step, &why.error()).await,
        }
    }

    /// The call does not reach its device: why is kept, and its address is told.
    async fn not_sent(&self, device: &Device, call: &ServiceCall, step: &'static str, error: &Error) -> Result<CallTaken> {
        self.refused(device, step, error);
        self.keep_call(device, call, vec![Write::DeleteCall(call.id)], Confirmation::Failed).await?;
        Ok(CallTaken { sent: false, at: call.created_at, request_id: call.request_id.clone() })
    }

    /// Writes what becomes of a call that was just taken, and tells it. `TooMany` for one address more than the application may use.
    async fn keep_call(&self, device: &Device, call: &ServiceCall, writes: Vec<Write>, status: Confirmation) -> Result<()> {
        self.decide(&[Record::Device(device.id)], || {
            Box::pin(async {
                let address = self.new_address(call.account, (call.app, call.by), call.callback_url.as_deref()).await;
                let Address { id, made: mut whole } = address.map_err(|error| error.at("header.callbackURL"))?;
                whole.writes.extend(writes.iter().cloned());
                whole.events.extend(confirmation(device, call, status, id, call.created_at));
                Ok((whole, ()))
            })
        })
        .await
    }

    /// Numbers go round from a random start and skip those that wait (device-side section 7).
    pub(crate) fn next_number(&self, waits: impl Fn(u16) -> bool) -> u16 {
        loop {
            let next = (self.mids.fetch_add(1, Ordering::Relaxed) % 65_535 + 1) as u16;
            if !waits(next) {
                return next;
            }
        }
    }

    async fn encode(&self, product: &Product, call: &ServiceCall) -> Result<Downlink> {
        let asked = Asked { service_id: &call.service_id, method: &call.method, mid: call.mid, paras: &call.paras };
        let binary = product.format == DataFormat::Binary;
        let payload = if binary { self.frame(product, &asked).await? } else { cloud_request(&asked, false)?.into_bytes() };
        Ok(Downlink { device: call.device, purpose: Purpose::Call(Box::new(call.clone())), binary, payload })
    }

    /// The device has acknowledged a call: messageConfirm `delivered`, where that is wanted.
    pub async fn call_delivered(&self, id: CallId) -> Result<()> {
        self.decide(&[Record::Call(id)], || {
            Box::pin(async {
                let nothing = (Batch::default(), ());
                let Some(call) = self.store.call(id).await?.filter(|call| call.state != CallState::Delivered) else {
                    return Ok(nothing);
                };
                let Some(device) = self.store.device(call.device).await? else { return Ok(nothing) };
                let address = self.address_of(&call).await?;
                Ok((delivered(&device, call, address, self.now()), ()))
            })
        })
        .await
    }

    /// The device's answer: commandRsp, after a messageConfirm of how it ended where that is wanted.
    pub(crate) async fn answer(&self, device: &Arc<Device>, mid: Option<u16>, errcode: i64, body: &str) -> Result<()> {
        let answers_call = self
            .decide(&[Record::Device(device.id)], || {
                Box::pin(async {
                    let waiting = self.store.calls(device.id).await?;
                    let Some(call) = waiting_for(&waiting, mid) else { return Ok((Batch::default(), false)) };
                    let address = self.address_of(call).await?;
                    Ok((answered(device, call, (errcode, body), address, self.now()), true))
                })
            })
            .await?;
        if answers_call || self.answer_command(device, mid, errcode, body).await? {
            return Ok(());
        }
        Err(Error::new(Cause::PayloadInvalid, "no call or command waits with this mid").at("mid"))
    }

    async fn address_of(&self, call: &ServiceCall) -> Result<Address> {
        self.address(call.account, (call.app, call.by), call.callback_url.as_deref()).await
    }

    /// Frees the `mid`s of calls that nobody answered; each leaves a why record, and its address is told.
    pub(crate) async fn free_mids(&self, now: Time) -> Result<bool> {
        const ROUND: u32 = 500;
        let over = self.store.expired_calls(now, ROUND).await?;
        let mut ended = Vec::with_capacity(over.len());
        for call in &over {
            let mut whole = batch(vec![Write::DeleteCall(call.id)], vec![]);
            if let Some(device) = self.store.device(call.device).await? {
                let detail = format!("no answer to {} {} (mid {}) in time", call.service_id, call.method, call.mid);
                self.refused(&device, "call.answer", &Error::new(Cause::DeviceOffline, detail));
                let Address { id, made } = self.address_of(call).await?;
                whole.merge(made);
                whole.events.extend(confirmation(&device, call, Confirmation::Timeout, id, self.now()));
            }
            ended.push(whole);
        }
        self.commit_each(ended.into_iter()).await?;
        Ok(over.len() as u32 == ROUND)
    }
}

/// messageConfirm (1.6.7.10), where it is wanted: subscribers are told what that section names, in mode ACK; an address of the call's own is
/// told every change of status (1.7.7).
fn confirmation(
    device: &Device,
    call: &ServiceCall,
    status: Confirmation,
    address: Option<SubscriptionId>,
    now: Time,
) -> Option<Event> {
    let named = !matches!(status, Confirmation::Failed | Confirmation::Timeout);
    (address.is_some() || call.ack && named).then(|| {
        let (request_id, service_id, to) = (call.request_id.clone(), call.service_id.clone(), call.from.clone());
        device_event(device, now, EventBody::MessageConfirmed { status, request_id, service_id, to, address })
    })
}

/// Why a call does not go to a device that its connection does not take it for.
fn unreachable_by(device: &Device, why: &Undelivered) -> Error {
    match (why.obstacle, device.gateway) {
        (Obstacle::Gone, Some(_)) => Error::new(Cause::GatewayOffline, "the gateway of the device has no connection"),
        (Obstacle::Gone, None) => Error::new(Cause::DeviceOffline, "the device has no connection"),
        _ => why.error(),
    }
}

/// Whether one more may wait. `TooMany`.
fn check_room(waiting: &[ServiceCall], most: usize) -> Result<()> {
    if waiting.len() >= most {
        return Err(Error::new(Cause::TooMany, "the device has as many waiting calls as it may"));
    }
    Ok(())
}

/// The call that an answer is for: by its number, else the oldest.
fn waiting_for(waiting: &[ServiceCall], mid: Option<u16>) -> Option<&ServiceCall> {
    waiting.iter().find(|call| mid.is_none_or(|mid| call.mid == mid))
}

/// The device has acknowledged a call.
fn delivered(device: &Device, call: ServiceCall, Address { id, made: mut whole }: Address, now: Time) -> Batch {
    let call = ServiceCall { state: CallState::Delivered, ..call };
    whole.events.extend(confirmation(device, &call, Confirmation::Delivered, id, now));
    whole.writes.push(Write::Call(Box::new(call)));
    whole
}

/// Ends a call and tells its answer.
fn answered(
    device: &Device,
    call: &ServiceCall,
    (errcode, body): (i64, &str),
    Address { id: address, made: mut whole }: Address,
    now: Time,
) -> Batch {
    let status = if errcode == 0 { Confirmation::Executed } else { Confirmation::Failed };
    whole.events.extend(confirmation(device, call, status, address, now));
    let answer = EventBody::CommandAnswered {
        request_id: call.request_id.clone(),
        service_id: call.service_id.clone(),
        service_type: call.service_type.clone(),
        method: call.response.clone().unwrap_or_else(|| format!("{}-RSP", call.method)),
        to: call.from.clone(),
        body: body.to_owned(),
        errcode,
        address,
    };
    whole.events.push(device_event(device, now, answer));
    whole.writes.push(Write::DeleteCall(call.id));
    whole
}

fn check_request(request: &CallRequest) -> Result<()> {
    let too_long = |text: &Option<String>, max| text.as_ref().is_some_and(|text: &String| text.chars().count() > max);
    if too_long(&request.request_id, 128) {
        return Err(Error::invalid("header.requestId", "must be at most 128 characters"));
    }
    if too_long(&request.from, 128) {
        return Err(Error::invalid("header.from", "must be at most 128 characters"));
    }
    if !(1..=32).contains(&request.method.chars().count()) {
        return Err(Error::invalid("header.method", "must be 1 to 32 characters"));
    }
    if request.paras.len() > 65_536 {
        return Err(Error::invalid("body", "must be at most 64 KiB"));
    }
    Ok(())
}

/// What the product says of a request that fits it.
struct Checked {
    service_type: String,
    /// Its name for the response, where it has one.
    response: Option<String>,
    /// The parameters as the model spells them.
    paras: String,
}

fn check_command(product: &Product, request: &CallRequest) -> Result<Checked> {
    let service = product.service(&request.service_id);
    let service = service.ok_or_else(|| Error::new(Cause::ServiceNotFound, "the product has no such service").at("serviceId"))?;
    let command = service.command(&request.method);
    let command =
        command.ok_or_else(|| Error::new(Cause::CommandUnknown, "the service has no such command").at("header.method"))?;
    let paras = check_call(command, &request.paras)?.into_owned();
    check_raw(product, service, &paras)?;
    let service_type = if service.service_type.is_empty() { service.service_id.clone() } else { service.service_type.clone() };
    let response = command.responses.first().map(|response| response.name.clone()).filter(|name| !name.is_empty());
    Ok(Checked { service_type, response, paras })
}

fn check_muted(device: &Device, request: &CallRequest) -> Result<()> {
    let muted = device.muted_commands.iter().any(|c| c.service_id == request.service_id && c.method == request.method);
    if device.mute || muted {
        return Err(Error::new(Cause::CommandMuted, "the command is shielded, or the device is frozen"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{AccountId, AppId, MutedCommand};

    fn device(gateway: Option<DeviceId>) -> Device {
        let (account, app) = (AccountId::from_random([1; 16]), AppId::from_random([2; 16]));
        let new = landfall_model::Device::new(DeviceId::from_random([3; 16]), account, app, "n", Time(0));
        Device { gateway, ..new }
    }

    fn call(mid: u16, ack: bool) -> ServiceCall {
        let device = device(None);
        ServiceCall {
            id: CallId::from_random([4; 16]),
            account: device.account,
            app: None,
            by: None,
            device: device.id,
            mid,
            request_id: "r".into(),
            from: "me".into(),
            ack,
            service_id: "Switch".into(),
            service_type: "Switch".into(),
            method: "SET".into(),
            response: None,
            paras: "{}".into(),
            callback_url: None,
            state: CallState::Sent,
            created_at: Time(0),
            expires_at: Time(1),
        }
    }

    fn request() -> CallRequest {
        CallRequest {
            service_id: "Switch".into(),
            method: "SET".into(),
            paras: "{}".into(),
            request_id: None,
            from: None,
            ack: true,
            callback_url: None,
        }
    }

    fn words(whole: &Batch) -> Vec<String> {
        let word = |event: &Event| match &event.body {
            EventBody::MessageConfirmed { status, .. } => format!("{status:?}"),
            EventBody::CommandAnswered { errcode, .. } => format!("answered {errcode}"),
            other => format!("{other:?}"),
        };
        whole.events.iter().map(word).collect()
    }

    #[test]
    fn the_obstacle_says_who_is_away() {
        let gateway = Some(DeviceId::from_random([9; 16]));
        for (obstacle, gateway, cause) in [
            (Obstacle::Gone, None, Cause::DeviceOffline),
            (Obstacle::Gone, gateway, Cause::GatewayOffline),
            (Obstacle::NotSubscribed, gateway, Cause::DeviceOffline),
            (Obstacle::Full, None, Cause::Overloaded),
        ] {
            let why = Undelivered { obstacle, step: "call.send", detail: "why".into() };
            assert_eq!(unreachable_by(&device(gateway), &why).cause, cause, "{obstacle:?} {gateway:?}");
        }
    }

    #[test]
    fn answers_find_their_call_and_calls_their_room() {
        let waiting = [call(5, true), call(7, true)];
        for (mid, found) in [(None, Some(5)), (Some(7), Some(7)), (Some(6), None)] {
            assert_eq!(waiting_for(&waiting, mid).map(|call| call.mid), found, "{mid:?}");
        }
        assert!(check_room(&waiting, 3).is_ok());
        assert_eq!(check_room(&waiting, 2).unwrap_err().cause, Cause::TooMany);
    }

    #[test]
    fn subscribers_are_told_in_mode_ack_and_an_address_of_every_status() {
        let device = device(None);
        let own = || Address { id: Some(SubscriptionId::from_random([6; 16])), made: Batch::default() };
        for (ack, errcode, told, told_to_address) in [
            (true, 0, vec!["Executed", "answered 0"], vec!["Executed", "answered 0"]),
            (true, 3, vec!["answered 3"], vec!["Failed", "answered 3"]),
            (false, 0, vec!["answered 0"], vec!["Executed", "answered 0"]),
            (false, 3, vec!["answered 3"], vec!["Failed", "answered 3"]),
        ] {
            for (address, told) in [(Address::default(), told), (own(), told_to_address)] {
                let whole = answered(&device, &call(5, ack), (errcode, "{}"), address, Time(1));
                assert_eq!(words(&whole), told, "{ack} {errcode}");
                assert_eq!(whole.writes, [Write::DeleteCall(call(5, ack).id)]);
            }
        }
        for (ack, address, told) in [
            (true, Address::default(), vec!["Delivered"]),
            (false, Address::default(), vec![]),
            (true, own(), vec!["Delivered"]),
            (false, own(), vec!["Delivered"]),
        ] {
            let whole = delivered(&device, call(5, ack), address, Time(1));
            assert_eq!(words(&whole), told);
            let [Write::Call(written)] = whole.writes.as_slice() else { panic!("{whole:?}") };
            assert_eq!(written.state, CallState::Delivered);
        }
        for status in [Confirmation::Failed, Confirmation::Timeout] {
            let told = |address: Address| confirmation(&device, &call(5, true), status, address.id, Time(1)).is_some();
            assert!(!told(Address::default()) && told(own()), "{status:?} is no word of 1.6.7.10");
        }
    }

    #[test]
    fn an_answer_has_the_name_that_the_product_gives_it() {
        for (response, method) in [(None, "SET-RSP"), (Some("INVITE-RSP"), "INVITE-RSP")] {
            let call = ServiceCall { response: response.map(str::to_owned), ..call(5, false) };
            let whole = answered(&device(None), &call, (0, "{}"), Address::default(), Time(1));
            let [Event { body: EventBody::CommandAnswered { method: told, .. }, .. }] = whole.events.as_slice() else {
                panic!("{whole:?}")
            };
            assert_eq!(told, method);
        }
    }

    #[test]
    fn what_is_too_long_or_shielded_is_refused() {
        for (path, request) in [
            ("header.requestId", CallRequest { request_id: Some("r".repeat(129)), ..request() }),
            ("header.from", CallRequest { from: Some("f".repeat(129)), ..request() }),
            ("header.method", CallRequest { method: "m".repeat(33), ..request() }),
            ("header.method", CallRequest { method: String::new(), ..request() }),
            ("body", CallRequest { paras: " ".repeat(65_537), ..request() }),
        ] {
            assert_eq!(check_request(&request).unwrap_err().path.as_deref(), Some(path));
        }
        assert!(check_request(&request()).is_ok());
        let shielded = |method: &str| MutedCommand { service_id: "Switch".into(), method: method.into() };
        for (mute, muted, refused) in [
            (false, vec![], false),
            (true, vec![], true),
            (false, vec![shielded("SET")], true),
            (false, vec![shielded("GET")], false),
        ] {
            let device = Device { mute, muted_commands: muted.clone(), ..device(None) };
            assert_eq!(check_muted(&device, &request()).is_err(), refused, "{mute} {muted:?}");
        }
    }
}
