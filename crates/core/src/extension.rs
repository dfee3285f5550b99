//! What a dialect keeps beside the records of devices, and how that follows them: the one list through which the rest of the core reaches it.

pub(crate) use crate::onem2m::provisioning::Nodes;

use crate::{Core, Work, device::added, onem2m};
use async_trait::async_trait;
use landfall_model::{Batch, Device, DeviceInfo, Group, Result, Subscription, Time};
use std::sync::Arc;

/// Every extension; a dialect with records of its own is a line here.
const EXTENSIONS: &[&dyn Extension] = &[&onem2m::Tree];

/// What became of a group of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupEvent {
    Made,
    Renamed,
    Gone,
}

/// The part of a dialect in the life of a device.
#[async_trait]
pub(crate) trait Extension: Sync {
    /// Changes what it keeps in the record of a device as the descriptive fields were changed.
    fn follow(&self, device: &mut Device, change: &DeviceInfo, now: Time);

    /// Whether it takes the messages of a device as they came.
    fn hears(&self, device: &Device) -> bool;

    /// What else is written when such a message is taken.
    async fn heard(&self, core: &Core, device: &Arc<Device>, text: &str) -> Result<Batch>;

    /// The next piece of work it has for a device that has no other.
    async fn next_work(&self, core: &Core, device: &Arc<Device>) -> Result<Option<Work>>;

    /// What is written beside a group of devices that was made, renamed or deleted.
    async fn group_followed(&self, core: &Core, event: GroupEvent, group: &Group) -> Result<Batch>;

    /// What else is told of a new device.
    async fn added(&self, core: &Core, device: &Arc<Device>, now: Time) -> Result<Batch>;

    /// What else goes with devices of one account.
    async fn released(&self, core: &Core, devices: &[Arc<Device>], now: Time) -> Result<Batch>;

    /// Judges a subscription that serves a record of its own: why the subscriber may not be told, if so. Absent: it is none of its own.
    async fn suspension(&self, core: &Core, subscription: &Subscription) -> Result<Option<Option<String>>>;

    /// Deletes the record that a subscription serves. False: it serves none of its own.
    async fn delete_subject(&self, core: &Core, subscription: &Subscription) -> Result<bool>;
}

/// [`Extension::follow`] of all.
pub(crate) fn follow(device: &mut Device, change: &DeviceInfo, now: Time) {
    EXTENSIONS.iter().for_each(|extension| extension.follow(device, change, now));
}

/// [`Extension::hears`] of any.
pub(crate) fn hears(device: &Device) -> bool {
    EXTENSIONS.iter().any(|extension| extension.hears(device))
}

impl Core {
    pub(crate) async fn heard(&self, device: &Arc<Device>, text: &str) -> Result<Batch> {
        let mut whole = Batch::default();
        for extension in EXTENSIONS.iter().filter(|extension| extension.hears(device)) {
            whole.merge(extension.heard(self, device, text).await?);
        }
        Ok(whole)
    }

    pub(crate) async fn next_work_of_extensions(&self, device: &Arc<Device>) -> Result<Option<Work>> {
        for extension in EXTENSIONS {
            if let Some(work) = extension.next_work(self, device).await? {
                return Ok(Some(work));
            }
        }
        Ok(None)
    }

    pub(crate) async fn group_followed(&self, event: GroupEvent, group: &Group) -> Result<Batch> {
        let mut whole = Batch::default();
        for extension in EXTENSIONS {
            whole.merge(extension.group_followed(self, event, group).await?);
        }
        Ok(whole)
    }

    /// The batch of a new device.
    pub(crate) async fn added(&self, device: &Arc<Device>) -> Result<Batch> {
        let now = device.created_at;
        let mut whole = added(device, now);
        for extension in EXTENSIONS {
            whole.merge(extension.added(self, device, now).await?);
        }
        Ok(whole)
    }

    pub(crate) async fn released(&self, devices: &[Arc<Device>], now: Time) -> Result<Batch> {
        let mut whole = Batch::default();
        for extension in EXTENSIONS {
            whole.merge(extension.released(self, devices, now).await?);
        }
        Ok(whole)
    }

    pub(crate) async fn suspension_by_extension(&self, subscription: &Subscription) -> Result<Option<Option<String>>> {
        for extension in EXTENSIONS {
            if let Some(judged) = extension.suspension(self, subscription).await? {
                return Ok(Some(judged));
            }
        }
        Ok(None)
    }

    pub(crate) async fn delete_subject(&self, subscription: &Subscription) -> Result<bool> {
        for extension in EXTENSIONS {
            if extension.delete_subject(self, subscription).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
