//! What devices say: translated, checked against the product, stored and told.

use crate::{
    Core, DeviceCaller, Item, Message, Why, batch, device_event, message, presence::went_online, product_check::check_report,
};
use landfall_model::{
    Cause, DataFormat, Device, DeviceId, DeviceStatus, Error, EventBody, Product, Report, Result, ServiceReport,
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

impl Core {
    /// Takes a JSON message of the caller or of a device behind it (`.../data/json`). Returns once it is durable.
    ///
    /// `PayloadInvalid` when nothing of it could be used, `DeviceNotFound` for a device the caller does not speak for. Every refusal
    /// leaves a why record.
    pub async fn take_json(&self, caller: &DeviceCaller, device: DeviceId, payload: &[u8]) -> Result<Taken> {
        let device = self.reachable(caller, device).await?;
        let taken = match message::read(payload) {
            Ok(read) => self.take(&device, read, None).await,
            Err(error) => Err(error),
        };
        self.note(&device, "mqtt.publish", taken)
    }

    /// Takes a message to `.../services/{serviceId}`: a whole message if it has a `msgType`, else the data of that service.
    pub async fn take_service(&self, caller: &DeviceCaller, device: DeviceId, service_id: &str, payload: &[u8]) -> Result<Taken> {
        if message::has_msg_type(payload) {
            return self.take_json(caller, device, payload).await;
        }
        let device = self.reachable(caller, device).await?;
        let taken = match message::read_service(service_id, payload) {
            Ok(read) => self.take(&device, read, None).await,
            Err(error) => Err(error),
        };
        self.note(&device, "mqtt.publish", taken)
    }

    /// Takes a frame in the product's own format (`.../data/binary`): its codec makes a message of it.
    pub async fn take_binary(&self, caller: &DeviceCaller, device: DeviceId, frame: &[u8]) -> Result<Taken> {
        let device = self.reachable(caller, device).await?;
        let taken = self.take_frame(&device, frame).await;
        self.note(&device, "codec.decode", taken)
    }

    async fn take_frame(&self, device: &Arc<Device>, frame: &[u8]) -> Result<Taken> {
        let product = self.product_of(device).await?;
        let codec = product.codec().ok_or_else(|| Error::new(Cause::CodecNotFound, "the product has no codec"))?;
        let text = self.codecs.decode(product.id, codec, frame, "{}").await?;
        self.take(device, message::read(text.as_bytes())?, Some(frame)).await
    }

    async fn take(&self, device: &Arc<Device>, read: Message<'_>, frame: Option<&[u8]>) -> Result<Taken> {
        match read {
            Message::Report(items) => self.report(device, items, frame).await,
            Message::Answer { mid, errcode, body } => {
                if mid.is_none() && frame.is_none() {
                    return Err(Error::new(Cause::PayloadInvalid, "deviceRsp needs the mid of its call").at("mid"));
                }
                self.answer(device, mid, errcode, body).await?;
                Ok(Taken { accepted: 1, dropped: 0 })
            }
        }
    }

    /// Stores a report. A frozen device is answered as if all were well, and nothing is kept (1.4.4).
    async fn report(&self, device: &Arc<Device>, items: Vec<Item<'_>>, frame: Option<&[u8]>) -> Result<Taken> {
        let sent = items.len();
        if device.mute {
            return Ok(Taken { accepted: 0, dropped: sent });
        }
        let product = self.product_of(device).await?;
        let now = self.now();
        let mut services = Vec::with_capacity(sent);
        let mut first_error = None;
        for item in items {
            match fit(&product, &item, now) {
                Ok(service) => services.push(service),
                Err(error) => {
                    self.refused(device, "mqtt.publish", &error);
                    first_error.get_or_insert(error);
                }
            }
        }
        let (accepted, dropped) = (services.len(), sent - services.len());
        if let (0, Some(error)) = (accepted, first_error) {
            return Err(error);
        }
        let report = Report {
            device: device.id,
            account: device.account,
            app: device.app,
            gateway: device.gateway_id(),
            received_at: now,
            services,
            raw: frame.map(<[u8]>::to_vec),
        };
        self.keep(device, report).await?;
        Ok(Taken { accepted, dropped })
    }

    /// One commit for the report and, where it is the first sign of life, the status.
    async fn keep(&self, device: &Arc<Device>, report: Report) -> Result<()> {
        let event = device_event(device, report.received_at, EventBody::Reported(report));
        if device.status == DeviceStatus::Online {
            return self.store.commit(batch(vec![], vec![event])).await.map(|_| ());
        }
        self.decide(|| {
            Box::pin(async {
                let device = self.store.device(device.id).await?;
                let device = device.ok_or_else(|| Error::new(Cause::DeviceNotFound, "the device was deleted"))?;
                let mut whole = batch(vec![], vec![]);
                if device.status != DeviceStatus::Online {
                    whole = went_online(&device, false, event.at);
                }
                whole.events.push(event.clone());
                Ok((whole, ()))
            })
        })
        .await
    }

    pub(crate) async fn product_of(&self, device: &Device) -> Result<Arc<Product>> {
        let product = match device.product {
            Some(id) => self.store.product(id).await?,
            None => None,
        };
        product
            .ok_or_else(|| Error::new(Cause::ProductNotFound, "the device has no product; set one with 1.4.4 or at registration"))
    }

    /// The topic ending and payload form that the device's product asks for.
    pub async fn format_of(&self, device: &Device) -> Result<DataFormat> {
        Ok(self.product_of(device).await.map(|product| product.format).unwrap_or_default())
    }

    fn note(&self, device: &Device, step: &'static str, taken: Result<Taken>) -> Result<Taken> {
        if let Err(error) = &taken {
            self.refused(device, step, error);
        }
        taken
    }

    /// Leaves a why record about a device.
    pub(crate) fn refused(&self, device: &Device, step: &'static str, error: &Error) {
        let why = Why {
            at: self.now(),
            identity: device.node_id.clone(),
            peer: None,
            step,
            check: error.cause.as_str(),
            detail: error.to_string(),
        };
        self.why.of_device(device.account, device.id, why);
    }
}

fn fit(product: &Product, item: &Item<'_>, now: landfall_model::Time) -> Result<ServiceReport> {
    let service = product.service(&item.service_id).ok_or_else(|| {
        Error::new(Cause::PayloadInvalid, format!("the product has no service {:.64}", item.service_id)).at("serviceId")
    })?;
    check_report(service, item.data)?;
    let service_type =
        (service.service_type != service.service_id && !service.service_type.is_empty()).then(|| service.service_type.clone());
    Ok(ServiceReport {
        service_id: service.service_id.clone(),
        service_type,
        data: item.data.to_owned(),
        event_time: item.event_time.unwrap_or(now),
    })
}
