//! Frames of history decoded again, after the codec of their product was fixed.
//!
//! A page at a time, so that a call has an end; who asks goes on at [`RedecodePage::next`] until there is none. Only history and the newest
//! values change: nothing is told, because subscribers were told of the frame when it came. Absent: answers to commands, which change nothing
//! when their frame is read a second time.

use crate::{
    CodecRun, Core, FrameQuery, Scope, batch,
    uplink::{fit_all, message},
};
use landfall_model::{
    Cause, Codec, Device, DeviceId, Error, KeptFrame, Product, ProductId, Redecoded, Result, Seq, ServiceReport, Time, Write,
};
use std::{fmt, str::FromStr, sync::Arc};

/// Devices of one call.
const DEVICES: u32 = 100;
/// Most frames of one call.
const FRAMES: u32 = 10_000;
/// Changed frames are committed when their new points reach so many bytes.
const COMMIT_BYTES: usize = 2 << 20;

/// Which frames to decode again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedecodeRequest {
    /// Of this device alone.
    pub device: Option<DeviceId>,
    /// Received at this time or later.
    pub from: Option<Time>,
    /// Received at this time or earlier.
    pub to: Option<Time>,
    /// Where the page before ended.
    pub after: Option<RedecodeCursor>,
    /// Frames of this call, 1 to 10,000.
    pub limit: u32,
    /// Count, and change nothing.
    pub dry_run: bool,
}

/// Where a call ended. Written as the device's id, with `:` and a place behind it where the device has frames left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedecodeCursor {
    device: DeviceId,
    /// Its frames were done up to here; absent: all of them.
    seq: Option<Seq>,
}

impl fmt::Display for RedecodeCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seq {
            Some(seq) => write!(f, "{}:{}", self.device, seq.0),
            None => write!(f, "{}", self.device),
        }
    }
}

impl FromStr for RedecodeCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("after", "must be the `next` of an earlier answer");
        let (device, seq) = text.split_once(':').map_or((text, None), |(device, seq)| (device, Some(seq)));
        let seq = seq.map(|seq| seq.parse().map(Seq)).transpose().map_err(|_| wrong())?;
        Ok(Self { device: device.parse().map_err(|_| wrong())?, seq })
    }
}

/// What a call came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedecodePage {
    /// Devices whose frames are done; one that goes on in the next page counts there.
    pub devices: u64,
    /// Frames that were decoded.
    pub frames: u64,
    /// Frames that mean something else now.
    pub changed: u64,
    /// Frames that the codec still cannot read or whose values do not fit the model; they keep what they had.
    pub failed: u64,
    /// The first of those.
    pub first_failure: Option<RedecodeFailure>,
    /// Where the next call goes on; absent: all is done.
    pub next: Option<RedecodeCursor>,
}

/// A frame that still fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedecodeFailure {
    /// Its device.
    pub device: DeviceId,
    /// When it was received.
    pub received_at: Time,
    /// Why.
    pub error: String,
}

/// A call under way.
struct Run<'a> {
    core: &'a Core,
    product: &'a Product,
    codec: &'a Codec,
    request: &'a RedecodeRequest,
    page: RedecodePage,
    /// Devices with changed frames that are not committed yet.
    changes: Vec<Redecoded>,
    bytes: usize,
}

impl Core {
    /// Decodes the kept frames of a product's devices with the codec in force, and gives history and newest values what they mean now.
    ///
    /// `ProductNotFound`, `CodecNotFound`, `DeviceNotFound`; `InvalidField` for a limit out of range or a device of another product. After any
    /// other error, what was changed so far stays changed, and the same call may be made again.
    pub async fn redecode(&self, scope: &Scope, product: ProductId, request: &RedecodeRequest) -> Result<RedecodePage> {
        if !(1..=FRAMES).contains(&request.limit) {
            return Err(Error::invalid("limit", "must be 1 to 10000 frames"));
        }
        let product = self.product(scope, product).await?;
        let codec = product.codec().ok_or_else(|| Error::new(Cause::CodecNotFound, "the product has no codec"))?;
        let devices = self.redecode_devices(scope, &product, request).await?;
        let page = RedecodePage::default();
        let mut run = Run { core: self, product: &product, codec, request, page, changes: vec![], bytes: 0 };
        for device in devices.iter().filter(|device| scope.covers(device)) {
            let begin = request.after.filter(|after| after.device == device.id).and_then(|after| after.seq);
            if let Some(seq) = run.device(device, begin.unwrap_or_default()).await? {
                run.page.next = Some(RedecodeCursor { device: device.id, seq: Some(seq) });
                break;
            }
        }
        run.commit().await?;
        let mut page = run.page;
        if page.next.is_none() && request.device.is_none() && devices.len() >= DEVICES as usize {
            page.next = devices.last().map(|device| RedecodeCursor { device: device.id, seq: None });
        }
        Ok(page)
    }

    /// The next devices by id, at most 100: first the one that the cursor is in the middle of.
    async fn redecode_devices(&self, scope: &Scope, product: &Product, request: &RedecodeRequest) -> Result<Vec<Arc<Device>>> {
        if let Some(id) = request.device {
            let device = self.device(scope, id).await?;
            if device.product != Some(product.id) {
                return Err(Error::invalid("device", "is not of this product"));
            }
            return Ok(vec![device]);
        }
        let mut devices = vec![];
        if let Some(RedecodeCursor { device, seq: Some(_) }) = request.after {
            let begun = self.store.device(device).await?;
            devices.extend(begun.filter(|device| device.product == Some(product.id)));
        }
        let room = DEVICES.saturating_sub(u32::try_from(devices.len()).unwrap_or(DEVICES));
        devices.extend(self.store.product_devices(product.id, request.after.map(|after| after.device), room).await?);
        Ok(devices)
    }
}

impl Run<'_> {
    /// Decodes the frames of a device after a place; returns the place reached when the limit ends the call before they are done.
    async fn device(&mut self, device: &Device, begin: Seq) -> Result<Option<Seq>> {
        // What `dataAgingTime` hides already stays as it is.
        let from = self.request.from.max(self.core.kept_since(device));
        let mut after = begin;
        loop {
            let done = u32::try_from(self.page.frames).unwrap_or(u32::MAX);
            let limit = self.request.limit.saturating_sub(done);
            if limit == 0 {
                return Ok(Some(after));
            }
            let query = FrameQuery { device: device.id, after, from, to: self.request.to, limit };
            let found = self.core.store.frames(&query).await?;
            let nothing = found.frames.is_empty();
            for kept in &found.frames {
                after = kept.seq;
                self.frame(device, kept).await?;
            }
            if nothing || !found.more {
                self.page.devices += 1;
                return Ok(None);
            }
        }
    }

    async fn frame(&mut self, device: &Device, kept: &KeptFrame) -> Result<()> {
        self.page.frames += 1;
        let services = match self.decode(kept).await {
            Ok(Some(services)) => services,
            Ok(None) => return Ok(()),
            Err(error) if matches!(error.cause, Cause::CodecFailed | Cause::PayloadInvalid) => {
                self.page.failed += 1;
                self.page.first_failure.get_or_insert_with(|| RedecodeFailure {
                    device: device.id,
                    received_at: kept.received_at,
                    error: error.to_string(),
                });
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if same(&kept.points, &services) {
            return Ok(());
        }
        self.page.changed += 1;
        if self.request.dry_run {
            return Ok(());
        }
        self.bytes += services.iter().map(|service| service.data.len() + service.service_id.len()).sum::<usize>();
        match self.changes.last_mut().filter(|last| last.device == device.id) {
            Some(last) => last.frames.push((kept.seq, services)),
            None => self.changes.push(Redecoded { device: device.id, frames: vec![(kept.seq, services)] }),
        }
        if self.bytes >= COMMIT_BYTES { self.commit().await } else { Ok(()) }
    }

    /// The services of a frame; `None` for an answer to a command.
    async fn decode(&self, kept: &KeptFrame) -> Result<Option<Vec<ServiceReport>>> {
        let frame = &kept.frame;
        let text = self.core.codecs.decode(CodecRun::trial(self.product, self.codec), &frame.bytes, &frame.meta).await?;
        let text = message::text(text.as_bytes())?;
        let message::Message::Report(items) = message::read(&text)? else { return Ok(None) };
        let (services, errors) = fit_all(self.product, items, kept.received_at);
        match errors.into_iter().next() {
            Some(error) if services.is_empty() => Err(error),
            _ => Ok(Some(services)),
        }
    }

    async fn commit(&mut self) -> Result<()> {
        let changes = std::mem::take(&mut self.changes);
        self.bytes = 0;
        if changes.is_empty() {
            return Ok(());
        }
        let writes = changes.into_iter().map(|device| Write::Redecoded(Box::new(device))).collect();
        self.core.store.commit(batch(writes, vec![])).await.map(|_| ())
    }
}

/// Whether history has these values already; it does not keep service types.
fn same(points: &[ServiceReport], services: &[ServiceReport]) -> bool {
    let equal = |(a, b): (&ServiceReport, &ServiceReport)| {
        (&a.service_id, &a.data, a.event_time) == (&b.service_id, &b.data, b.event_time)
    };
    points.len() == services.len() && points.iter().zip(services).all(equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_texts() {
        let id = "8f2c7b6e-9d1a-4a53-b0f7-0c1d2e3f4a5b";
        for text in [id.to_owned(), format!("{id}:0"), format!("{id}:18446744073709551615")] {
            assert_eq!(text.parse::<RedecodeCursor>().map(|cursor| cursor.to_string()), Ok(text));
        }
        for text in ["", ":", "x", &format!("{id}:"), &format!("{id}:-1"), &format!("{id}:1:2")] {
            assert!(text.parse::<RedecodeCursor>().is_err(), "{text}");
        }
    }
}
