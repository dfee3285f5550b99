//! What devices say: translated, checked against the product, stored and told.

pub(crate) mod acknowledgement;
pub mod json;
pub(crate) mod message;

use crate::{
    CodecRun, Core, DeviceCaller, Item, Message, Why, batch,
    device::status::{self, Heard},
    device_event, extension,
    product::{
        check::{check_report, fitting},
        frame::raw_report,
    },
    turns::Record,
};
use acknowledgement::Owed;
use landfall_model::{
    AccountId, Batch, Cause, Device, DeviceId, DeviceStatus, Error, EventBody, Frame, Product, Report, Result, ServiceReport,
    Time,
};
use std::sync::Arc;

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Services stored, or 1 for an answer.
    pub accepted: usize,
    /// Services that did not fit the product; each left a why record.
    pub dropped: usize,
}

/// A message that was read and checked, and not stored yet.
#[derive(Clone, Debug)]
pub struct Reading {
    device: Arc<Device>,
    taken: Taken,
    says: Says,
    /// The text of a message that extensions take, unless its protocol has a form of its own.
    heard: Option<String>,
    /// What its codec wants sent once it is stored.
    owed: Option<Box<Owed>>,
}

impl Reading {
    fn with_text(self, text: &str) -> Self {
        let heard = extension::hears(&self.device).then(|| text.to_owned());
        Self { heard, ..self }
    }
}

#[derive(Clone, Debug)]
enum Says {
    /// Nothing to keep: the device is frozen.
    Nothing,
    Report(Report),
    Answer {
        /// Of the why record of one that nothing waits for.
        step: &'static str,
        mid: Option<u16>,
        errcode: i64,
        body: String,
    },
}

impl Core {
    /// Takes a frame in the product's own format (`.../data/binary`): its codec makes a message of it. A frame that the codec cannot read
    /// is kept as it is, so that it can be decoded again after a fix; it leaves a why record. `meta` is a JSON object for the codec.
    pub async fn take_binary(&self, caller: &DeviceCaller, device: DeviceId, frame: &[u8], meta: &str) -> Result<Taken> {
        self.keep(self.read_binary(caller, device, frame, meta).await?).await
    }

    /// The first half of [`Core::take_binary`].
    pub async fn read_binary(&self, caller: &DeviceCaller, device: DeviceId, frame: &[u8], meta: &str) -> Result<Reading> {
        let device = self.speaks_for(caller, device).await?;
        match self.note(&device, "codec.decode", self.read_frame(&device, caller, frame, meta).await) {
            Err(error) if matches!(error.cause, Cause::CodecFailed | Cause::PayloadInvalid | Cause::CodecNotFound) => {
                let kept = Frame { meta: meta.to_owned(), bytes: frame.to_vec() };
                let says =
                    if device.mute { Says::Nothing } else { Says::Report(report(&device, vec![], Some(kept), self.now())) };
                Ok(Reading { device, taken: Taken { accepted: 0, dropped: 1 }, says, heard: None, owed: None })
            }
            reading => reading,
        }
    }

    /// Values that an access protocol has put into services by itself; [`Core::keep`] stores them. Each value is held to its property by itself: one
    /// that does not fit is left out with a why record, unless nothing else is there.
    pub async fn read_items(&self, caller: &DeviceCaller, device: DeviceId, mut items: Vec<Item<'_>>) -> Result<Reading> {
        let device = self.speaks_for(caller, device).await?;
        let product = self.product_of(&device).await.ok().filter(|_| !device.mute);
        for item in &mut items {
            let Some(service) = product.as_ref().and_then(|product| product.service(&item.service_id)) else { continue };
            let (fitting, errors) = fitting(service, &item.data)?;
            if let Some(fitting) = fitting.filter(|_| !errors.is_empty()) {
                errors.iter().for_each(|error| self.refused(&device, caller.step, error));
                item.data = fitting.into();
            }
        }
        let reading = self.check(&device, caller, caller.step, Message::Report(items), None).await;
        self.note(&device, caller.step, reading)
    }

    /// Reads a JSON message of the caller or of a device behind it (`.../data/json`); [`Core::keep`] stores it. It is ready at once when the
    /// records are in memory. A protocol that keeps several messages of a device under way keeps their order by reading them one after the
    /// other.
    ///
    /// `PayloadInvalid` when nothing of it could be used, `DeviceNotFound` for a device the caller does not speak for. Every refusal
    /// leaves a why record.
    pub async fn read_json(&self, caller: &DeviceCaller, device: DeviceId, payload: &[u8]) -> Result<Reading> {
        self.read_text(caller, device, None, payload).await
    }

    /// Reads a message to `.../services/{serviceId}`: a whole message if it has a `msgType`, else the data of that service.
    pub async fn read_service(
        &self,
        caller: &DeviceCaller,
        device: DeviceId,
        service_id: &str,
        payload: &[u8],
    ) -> Result<Reading> {
        self.read_text(caller, device, Some(service_id), payload).await
    }

    async fn read_text(
        &self,
        caller: &DeviceCaller,
        device: DeviceId,
        service_id: Option<&str>,
        payload: &[u8],
    ) -> Result<Reading> {
        let device = self.speaks_for(caller, device).await?;
        let reading = async {
            let text = message::text(payload)?;
            let read = match service_id {
                Some(id) if !message::has_msg_type(&text) => message::read_service(id, &text),
                _ => message::read(&text),
            };
            Ok(self.check(&device, caller, caller.step, read?, None).await?.with_text(&text))
        };
        self.note(&device, caller.step, reading.await)
    }

    /// The second half: stores and tells what was read. Messages are stored in the order in which these futures were first polled.
    pub async fn keep(&self, reading: Reading) -> Result<Taken> {
        self.keep_owing(reading).await.map(|(taken, _)| taken)
    }

    /// [`Core::keep`], with the acknowledgement that the codec of a frame wants, for [`Core::acknowledge`].
    pub async fn keep_owing(&self, reading: Reading) -> Result<(Taken, Option<Box<Owed>>)> {
        let Reading { device, taken, says, heard, owed } = reading;
        match says {
            Says::Nothing => {}
            Says::Report(report) => {
                let stored = self.store_report(&device, report, heard.as_deref()).await;
                self.note(&device, "uplink.store", stored)?;
            }
            Says::Answer { step, mid, errcode, body } => {
                let answered = self.answer(&device, mid, errcode, &body).await;
                self.note(&device, step, answered)?;
            }
        }
        Ok((taken, owed))
    }

    async fn read_frame(&self, device: &Arc<Device>, caller: &DeviceCaller, frame: &[u8], meta: &str) -> Result<Reading> {
        let product = self.product_of(device).await?;
        let decoded = match product.codec() {
            Some(codec) => self.codecs.decode(CodecRun::of(&product, codec), frame, meta).await?,
            None => raw_report(&product, frame)?,
        };
        let text = message::text(decoded.as_bytes())?;
        let kept = Frame { meta: meta.to_owned(), bytes: frame.to_vec() };
        let reading = self.check(device, caller, "codec.decode", message::read(&text)?, Some(kept)).await?.with_text(&text);
        // Of a frozen device too: it is answered as if all were well (1.4.4).
        let owed = match reading.says {
            Says::Report(_) | Says::Nothing => self.owed(device, caller.device(), product, (&text, frame)),
            Says::Answer { .. } => None,
        };
        Ok(Reading { owed, ..reading })
    }

    async fn check(
        &self,
        device: &Arc<Device>,
        caller: &DeviceCaller,
        step: &'static str,
        read: Message<'_>,
        frame: Option<Frame>,
    ) -> Result<Reading> {
        let reading = |taken, says| Reading { device: Arc::clone(device), taken, says, heard: None, owed: None };
        match read {
            Message::Report(items) => {
                let (taken, says) = self.check_report(device, step, items, frame).await?;
                Ok(reading(taken, says))
            }
            Message::Answer { mid: None, .. } if frame.is_none() => {
                Err(Error::new(Cause::PayloadInvalid, "deviceRsp needs the mid of its call").at("mid"))
            }
            Message::Answer { mid, errcode, body } => {
                let answer = Says::Answer { step: caller.step, mid, errcode, body: body.to_owned() };
                Ok(reading(Taken { accepted: 1, dropped: 0 }, answer))
            }
        }
    }

    /// Holds a report to the product; what is dropped leaves a why record of this step, but for the error that is returned. A frozen device is
    /// answered as if all were well, and nothing is kept (1.4.4).
    async fn check_report(
        &self,
        device: &Arc<Device>,
        step: &'static str,
        items: Vec<Item<'_>>,
        frame: Option<Frame>,
    ) -> Result<(Taken, Says)> {
        let sent = items.len();
        if device.mute {
            return Ok((Taken { accepted: 0, dropped: sent }, Says::Nothing));
        }
        let product = self.product_of(device).await?;
        let now = self.now();
        let (services, errors) = fit_all(&product, items, now);
        let (accepted, dropped) = (services.len(), sent - services.len());
        let mut errors = errors.into_iter();
        let returned = if accepted == 0 { errors.next() } else { None };
        errors.for_each(|error| self.refused(device, step, &error));
        if let Some(error) = returned {
            return Err(error);
        }
        Ok((Taken { accepted, dropped }, Says::Report(report(device, services, frame, now))))
    }

    /// One commit for the report, what extensions make of it and, where it is the first sign of life, the status.
    async fn store_report(&self, device: &Arc<Device>, report: Report, heard: Option<&str>) -> Result<()> {
        let event = device_event(device, report.received_at, EventBody::Reported(report));
        let received = match heard {
            // Boxed, so that the future of a report that no extension takes stays small: there is one for each message under way.
            Some(text) => Box::pin(self.heard(device, text)).await?,
            None => Batch::default(),
        };
        let mut whole = batch(vec![], vec![event]);
        whole.merge(received);
        self.commit_heard(device, whole).await
    }

    /// Commits what a device said, and its status where that is its first sign of life.
    pub(crate) async fn commit_heard(&self, device: &Arc<Device>, said: Batch) -> Result<()> {
        if device.status == DeviceStatus::Online {
            return self.store.commit(said).await.map(|_| ());
        }
        self.decide(&[Record::Device(device.id)], || {
            Box::pin(async {
                let device = self.store.device(device.id).await?;
                let device = device.ok_or_else(|| Error::new(Cause::DeviceNotFound, "the device was deleted"))?;
                let mut whole = status::heard(&device, Heard::Speaking, self.now(), self.earliest());
                whole.merge(said.clone());
                Ok((whole, ()))
            })
        })
        .await
    }

    /// The product of a device. `ProductNotFound` where it has none.
    pub async fn product_of(&self, device: &Device) -> Result<Arc<Product>> {
        let product = match device.product {
            Some(id) => self.store.product(id).await?,
            None => None,
        };
        product
            .ok_or_else(|| Error::new(Cause::ProductNotFound, "the device has no product; set one with 1.4.4 or at registration"))
    }

    /// The device that a caller speaks for; a refusal leaves a why record.
    async fn speaks_for(&self, caller: &DeviceCaller, id: DeviceId) -> Result<Arc<Device>> {
        let found = self.reachable(caller, id).await;
        if let Err(error) = &found {
            self.note_error((caller.account, caller.device), caller.device.to_string(), "uplink.device", error);
        }
        found
    }

    fn note<T>(&self, device: &Device, step: &'static str, outcome: Result<T>) -> Result<T> {
        if let Err(error) = &outcome {
            self.note_error((device.account, device.id), device.node_id.clone(), step, error);
        }
        outcome
    }

    /// Whose device it is not, the access protocol tells: it knows what named the device.
    pub(crate) fn note_error(&self, of: (AccountId, DeviceId), identity: String, step: &'static str, error: &Error) {
        if error.cause != Cause::DeviceNotFound {
            self.why_of(of, identity, step, error);
        }
    }

    /// Leaves a why record about a device.
    pub(crate) fn refused(&self, device: &Device, step: &'static str, error: &Error) {
        self.why_of((device.account, device.id), device.node_id.clone(), step, error);
    }

    fn why_of(&self, (account, device): (AccountId, DeviceId), identity: String, step: &'static str, error: &Error) {
        let check = error.cause.as_str();
        let why = Why { at: self.now(), identity, peer: None, step, check, detail: error.to_string(), call: None };
        self.why.of_device(account, device, why);
    }
}

pub(crate) fn report(device: &Device, services: Vec<ServiceReport>, raw: Option<Frame>, received_at: Time) -> Report {
    let (account, app, gateway) = (device.account, device.app(), device.gateway_id());
    Report { device: device.id, account, app, gateway, received_at, services, raw }
}

/// What of a report received then fits the product, and why the rest does not.
pub(crate) fn fit_all(product: &Product, items: Vec<Item<'_>>, received_at: Time) -> (Vec<ServiceReport>, Vec<Error>) {
    let (mut services, mut errors) = (Vec::with_capacity(items.len()), Vec::new());
    for item in &items {
        match fit(product, item, received_at) {
            Ok(service) => services.push(service),
            Err(error) => errors.push(error),
        }
    }
    (services, errors)
}

/// What of a report received then its product takes.
pub(crate) fn fit(product: &Product, item: &Item<'_>, received_at: Time) -> Result<ServiceReport> {
    let service = product.service(&item.service_id).ok_or_else(|| {
        Error::new(Cause::PayloadInvalid, format!("the product has no service {:.64}", item.service_id)).at("serviceId")
    })?;
    check_report(service, &item.data)?;
    let service_type =
        (service.service_type != service.service_id && !service.service_type.is_empty()).then(|| service.service_type.clone());
    Ok(ServiceReport {
        service_id: service.service_id.clone(),
        service_type,
        data: item.data.clone().into_owned(),
        event_time: item.event_time.unwrap_or(received_at),
        meta: None,
    })
}
