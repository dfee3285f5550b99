//! Calls of device services (1.7.7, device-side section 7): sent at once or refused, never cached.

use crate::{CodecRun, Core, Downlink, Scope, SubscribeRequest, batch, device_event, product_check::check_call};
use landfall_model::{
    AccountId, AppId, Batch, CallId, CallState, Cause, Channel, Confirmation, DataFormat, Device, DeviceId, Error, Event,
    EventBody, Product, Result, ServiceCall, SubscriptionId, SubscriptionKind, Time, Write,
};
use serde_json::value::RawValue;
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
    /// Address that takes the pushes instead of the subscribers.
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
    /// `DeviceNotFound`, `DeviceForeign`, `ServiceNotFound`, `CommandUnknown`, `InvalidField`, `CommandMuted`, `GatewayOffline`,
    /// `DeviceOffline`, `TooMany` for a device with 32 waiting calls, `CodecFailed`.
    pub async fn call_service(&self, scope: &Scope, device: DeviceId, request: CallRequest) -> Result<CallTaken> {
        let device = self.device(scope, device).await?;
        check_request(&request)?;
        let product =
            self.product_of(&device).await.map_err(|_| Error::new(Cause::ServiceNotFound, "the device has no product"))?;
        let service_type = check_command(&product, &request)?;
        if let Some(url) = &request.callback_url {
            self.callbacks.check(url).map_err(|error| error.at("header.callbackURL"))?;
        }
        check_muted(&device, &request)?;
        let via = self.route(&device)?;
        let waiting = self.store.calls(device.id).await?;
        if waiting.len() >= self.settings.calls_per_device {
            return Err(Error::new(Cause::TooMany, "the device has as many waiting calls as it may"));
        }
        let now = self.now();
        let call = ServiceCall {
            id: CallId::from_random(self.random_16()),
            account: device.account,
            app: device.app,
            by: scope.by.filter(|by| *by != device.app),
            device: device.id,
            mid: self.next_number(|mid| waiting.iter().any(|call| call.mid == mid)),
            request_id: request.request_id.filter(|id| !id.is_empty()).unwrap_or_else(|| self.generated(16)),
            from: request.from.unwrap_or_default(),
            ack: request.ack,
            service_id: request.service_id,
            service_type,
            method: request.method,
            paras: request.paras,
            callback_url: request.callback_url,
            state: CallState::Sent,
            created_at: now,
            expires_at: now.plus_s(self.settings.call_timeout_s.into()),
        };
        let message = self.encode(&product, call).await?;
        self.send(&device, via, message, now).await
    }

    async fn send(&self, device: &Device, via: DeviceId, message: Downlink, now: Time) -> Result<CallTaken> {
        let call = &message.call;
        let (id, request_id) = (call.id, call.request_id.clone());
        let mut events = vec![];
        if call.ack {
            events.push(self.confirmation(device, call, Confirmation::Sent, now).await?);
        }
        self.store.commit(batch(vec![Write::Call(Box::new(call.clone()))], events)).await?;
        let sent = self.live.deliver(via, message);
        if !sent {
            self.store.commit(batch(vec![Write::DeleteCall(id)], vec![])).await?;
        }
        Ok(CallTaken { sent, at: now, request_id })
    }

    /// The connection that leads to a device: its own, or its gateway's.
    fn route(&self, device: &Device) -> Result<DeviceId> {
        let via = device.gateway_id();
        if !self.live.is_connected(via) {
            return Err(match device.gateway {
                Some(_) => Error::new(Cause::GatewayOffline, "the gateway of the device has no connection"),
                None => Error::new(Cause::DeviceOffline, "the device has no connection"),
            });
        }
        if !self.live.listens(via, device.id) {
            return Err(Error::new(Cause::DeviceOffline, "the device has not subscribed to its command topic"));
        }
        Ok(via)
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

    async fn encode(&self, product: &Product, call: ServiceCall) -> Result<Downlink> {
        let text = cloud_request(&call.service_id, &call.method, call.mid, &call.paras)?;
        if product.format == DataFormat::Json {
            return Ok(Downlink { call, binary: false, payload: text.into_bytes() });
        }
        let codec = product.codec().ok_or_else(|| Error::new(Cause::CodecNotFound, "the product has no codec"))?;
        let payload = self.codecs.encode(CodecRun::of(product, codec), &text).await?;
        Ok(Downlink { call, binary: true, payload })
    }

    /// The device's PUBACK for a call: messageConfirm `delivered`, where confirmations are wanted.
    pub async fn call_delivered(&self, id: CallId) -> Result<()> {
        let Some(mut call) = self.store.call(id).await? else { return Ok(()) };
        let Some(device) = self.store.device(call.device).await? else { return Ok(()) };
        if call.state == CallState::Delivered {
            return Ok(());
        }
        call.state = CallState::Delivered;
        let mut events = vec![];
        if call.ack {
            events.push(self.confirmation(&device, &call, Confirmation::Delivered, self.now()).await?);
        }
        self.store.commit(batch(vec![Write::Call(Box::new(call))], events)).await.map(|_| ())
    }

    /// The device's answer: commandRsp, and messageConfirm `executed` after a success where confirmations are wanted.
    pub(crate) async fn answer(&self, device: &Arc<Device>, mid: Option<u16>, errcode: i64, body: &str) -> Result<()> {
        let waiting = self.store.calls(device.id).await?;
        let call = match mid {
            Some(mid) => waiting.into_iter().find(|call| call.mid == mid),
            None => waiting.into_iter().next(),
        };
        let Some(call) = call else {
            if self.answer_command(device, mid, errcode, body).await? {
                return Ok(());
            }
            return Err(Error::new(Cause::PayloadInvalid, "no call or command waits with this mid").at("mid"));
        };
        let now = self.now();
        let mut events = vec![];
        if call.ack && errcode == 0 {
            events.push(self.confirmation(device, &call, Confirmation::Executed, now).await?);
        }
        let answered = EventBody::CommandAnswered {
            request_id: call.request_id.clone(),
            service_id: call.service_id.clone(),
            service_type: call.service_type.clone(),
            method: call.method.clone(),
            to: call.from.clone(),
            body: body.to_owned(),
            errcode,
            address: self.call_address(&call).await?,
        };
        events.push(device_event(device, now, answered));
        self.store.commit(batch(vec![Write::DeleteCall(call.id)], events)).await.map(|_| ())
    }

    /// Frees the `mid`s of calls that nobody answered; each leaves a why record.
    pub(crate) async fn free_mids(&self, now: Time) -> Result<bool> {
        const ROUND: u32 = 500;
        let over = self.store.expired_calls(now, ROUND).await?;
        let mut whole = Batch::default();
        for call in &over {
            whole.writes.push(Write::DeleteCall(call.id));
            if let Some(device) = self.store.device(call.device).await? {
                let detail = format!("no answer to {} {} (mid {}) in time", call.service_id, call.method, call.mid);
                self.refused(&device, "mqtt.command", &Error::new(Cause::DeviceOffline, detail));
            }
        }
        if !over.is_empty() {
            self.store.commit(whole).await?;
        }
        Ok(over.len() as u32 == ROUND)
    }

    async fn confirmation(&self, device: &Device, call: &ServiceCall, status: Confirmation, now: Time) -> Result<Event> {
        let body = EventBody::MessageConfirmed {
            status,
            request_id: call.request_id.clone(),
            service_id: call.service_id.clone(),
            to: call.from.clone(),
            address: self.call_address(call).await?,
        };
        Ok(device_event(device, now, body))
    }

    /// The hidden subscription of a call's or command's own address, made at its first use. It belongs to the application that asked, `by`,
    /// so that it is served only while that one may act for the device's.
    pub(crate) async fn address(
        &self,
        account: AccountId,
        (app, by): (AppId, Option<AppId>),
        url: &str,
    ) -> Result<SubscriptionId> {
        let scope = Scope { account, app: Some(app), by: by.or(Some(app)) };
        if let Some(id) = self.address_id(&scope, url).await? {
            return Ok(id);
        }
        let request = SubscribeRequest {
            kind: SubscriptionKind::CallAddress,
            callback_url: url.to_owned(),
            channel: Channel::Http,
            owned_by_target: false,
        };
        match self.subscribe(&scope, request).await {
            Ok(made) => Ok(made.id),
            Err(error) if error.cause == Cause::SubscriptionExists => {
                let found = self.address_id(&scope, url).await?;
                found.ok_or_else(|| Error::new(Cause::Stale, "the address was taken and freed meanwhile"))
            }
            Err(error) => Err(error),
        }
    }

    async fn call_address(&self, call: &ServiceCall) -> Result<Option<SubscriptionId>> {
        match &call.callback_url {
            Some(url) => self.address(call.account, (call.app, call.by), url).await.map(Some),
            None => Ok(None),
        }
    }

    async fn address_id(&self, scope: &Scope, url: &str) -> Result<Option<SubscriptionId>> {
        let filter = crate::SubscriptionFilter {
            account: Some(scope.account),
            owner: scope.by,
            target: scope.app,
            kind: Some(SubscriptionKind::CallAddress),
            callback_url: Some(url.to_owned()),
        };
        let page = landfall_model::PageRequest { no: 0, size: 1 };
        Ok(self.store.subscriptions(&filter, page).await?.items.first().map(|found: &Arc<_>| found.id))
    }
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

/// The service type, once service, command and parameters are known to fit.
fn check_command(product: &Product, request: &CallRequest) -> Result<String> {
    let service = product.service(&request.service_id);
    let service = service.ok_or_else(|| Error::new(Cause::ServiceNotFound, "the product has no such service").at("serviceId"))?;
    let command = service.commands.iter().find(|command| command.name == request.method);
    let command =
        command.ok_or_else(|| Error::new(Cause::CommandUnknown, "the service has no such command").at("header.method"))?;
    check_call(command, &request.paras)?;
    Ok(if service.service_type.is_empty() { service.service_id.clone() } else { service.service_type.clone() })
}

fn check_muted(device: &Device, request: &CallRequest) -> Result<()> {
    let muted = device.muted_commands.iter().any(|c| c.service_id == request.service_id && c.method == request.method);
    if device.mute || muted {
        return Err(Error::new(Cause::CommandMuted, "the command is shielded, or the device is frozen"));
    }
    Ok(())
}

/// The JSON that a device or its codec gets (device-side section 7).
pub(crate) fn cloud_request(service_id: &str, method: &str, mid: u16, paras: &str) -> Result<String> {
    #[derive(serde::Serialize)]
    struct CloudRequest<'a> {
        #[serde(rename = "msgType")]
        msg_type: &'static str,
        #[serde(rename = "serviceId")]
        service_id: &'a str,
        mid: u16,
        cmd: &'a str,
        paras: &'a RawValue,
    }
    let broken = |error: serde_json::Error| Error::invalid("body", error.to_string());
    let paras: &RawValue = serde_json::from_str(paras).map_err(broken)?;
    let request = CloudRequest { msg_type: "cloudReq", service_id, mid, cmd: method, paras };
    serde_json::to_string(&request).map_err(broken)
}
