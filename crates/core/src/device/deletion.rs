//! Deletion of devices (1.4.5): what is behind a gateway goes, or is freed, a slice at a time, and the gateway comes last.

use crate::{
    CloseCause, Core, DeviceFilter, Downlink, Purpose, Scope,
    device::info_changed,
    device_event,
    product::frame::{AGENT, Asked, cloud_request},
    turns::Record,
};
use landfall_model::{Batch, Cause, Device, DeviceId, Error, EventBody, PageRequest, Result, Time, Write};
use std::sync::Arc;

/// Devices behind a gateway that one commit takes.
const SLICE: u32 = 200;

/// What a slice took: devices behind the gateway, and at last itself.
struct Slice {
    gone: Vec<DeviceId>,
    itself: Option<Arc<Device>>,
}

impl Core {
    /// Deletes a device and tells deviceDeleted, once a device. With `cascade` the devices behind a gateway go too, else they become
    /// directly connected. What stops it between two commits leaves a gateway with fewer devices behind it, to be deleted again.
    ///
    /// The device is told, where it is here; so is the gateway that it is behind. What goes with a gateway is not told one by one.
    ///
    /// `DeviceNotFound`, `DeviceForeign`, `Overloaded` where devices are added as fast as they go.
    pub async fn delete_device(&self, scope: &Scope, id: DeviceId, cascade: bool) -> Result<()> {
        self.device(scope, id).await?;
        for _ in 0..self.settings.children / u64::from(SLICE) + 8 {
            let slice = self.decide(&[Record::Device(id)], || Box::pin(self.slice(scope, id, cascade))).await?;
            for id in slice.gone {
                self.live.close(id, CloseCause::Deleted);
            }
            if let Some(device) = slice.itself {
                self.dismiss(&device);
                return Ok(());
            }
        }
        Err(Error::new(Cause::Overloaded, "devices are added behind the gateway while it is deleted; try again"))
    }

    /// Says to a device, or to the gateway that it is behind, that it was deleted, and ends its connection (device-side section 8). One that is
    /// away finds out when it comes.
    fn dismiss(&self, device: &Device) {
        let asked = Asked { service_id: AGENT, method: "UNBIND", mid: self.next_number(|_| false), paras: "{}" };
        let told = cloud_request(&asked, false).is_ok_and(|text| {
            let (purpose, payload) = (Purpose::Dismissal, text.into_bytes());
            self.live.deliver(device.gateway_id(), Downlink { device: device.id, purpose, binary: false, payload }).is_ok()
        });
        if !told {
            self.live.close(device.id, CloseCause::Deleted);
        }
    }

    /// The next devices behind the gateway; the gateway with the last of them.
    async fn slice(&self, scope: &Scope, id: DeviceId, cascade: bool) -> Result<(Batch, Slice)> {
        let device = self.device(scope, id).await?;
        let now = self.now();
        let behind = DeviceFilter { gateway: Some(id), ..DeviceFilter::of(device.account) };
        // A gateway is listed with those behind it.
        let page = self.store.devices(&behind, PageRequest { no: 0, size: SLICE + 1 }).await?;
        let last = page.items.len() <= SLICE as usize;
        let (mut whole, mut going) = (Batch::default(), vec![]);
        for child in page.items.into_iter().filter(|child| child.id != id).take(SLICE as usize) {
            if cascade {
                going.push(child);
            } else {
                whole.merge(freed(&child, now));
            }
        }
        let gone = going.iter().map(|one| one.id).collect();
        let itself = last.then_some(device);
        going.extend(itself.clone());
        whole.merge(self.released(&going, now).await?);
        going.iter().for_each(|one| delete(&mut whole, one, now));
        Ok((whole, Slice { gone, itself }))
    }
}

/// The batch of a device whose gateway goes.
fn freed(child: &Device, now: Time) -> Batch {
    info_changed(child, &Device { gateway: None, version: child.version + 1, modified_at: now, ..child.clone() }, now)
}

/// Adds the deletion of a device to a batch. The versioned write before it fails the batch when the record moved meanwhile.
pub(crate) fn delete(whole: &mut Batch, device: &Device, now: Time) {
    whole.writes.push(Write::Device(Box::new(Device { version: device.version + 1, ..device.clone() })));
    whole.writes.push(Write::DeleteDevice(device.id));
    whole.events.push(device_event(device, now, EventBody::DeviceDeleted { gateway: device.gateway_id() }));
}
