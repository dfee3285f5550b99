//! What a change (1.4.4) makes of a device. Pure: the device, the change and its product come in; the next device goes out.

use crate::{
    ProductRef,
    device::{bind_product, check_psk, check_psk_identity},
    extension,
};
use landfall_model::{Device, DeviceInfo, Error, MutedCommand, Product, ProductKey, Result, Secret, Tag, Time};
use std::sync::Arc;

/// Changes of a device (1.4.4); `None` leaves a field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceChange {
    /// Another product.
    pub product: Option<ProductRef>,
    /// Fields to set; absent ones stay.
    pub info: DeviceInfo,
    /// Set the tags (an empty list removes them all).
    pub tags: Option<Vec<Tag>>,
    /// The end user, or `Some(None)` to clear it.
    pub end_user: Option<Option<String>>,
    /// Freeze or thaw.
    pub mute: Option<bool>,
    /// Encryption device.
    pub is_secure: Option<bool>,
    /// New pre-shared key, 8 to 32 hex digits.
    pub psk: Option<Secret>,
    /// New identity that goes with the key, as in [`crate::RegisterDevice`].
    pub psk_identity: Option<String>,
    /// Days of history, 0 to 90.
    pub data_aging_days: Option<u8>,
    /// Shielded commands.
    pub muted_commands: Option<Vec<MutedCommand>>,
}

/// Whether a change may be made to any device.
pub(crate) fn check(change: &DeviceChange) -> Result<()> {
    if change.data_aging_days.is_some_and(|days| days > 90) {
        return Err(Error::invalid("deviceConfig.dataConfig.dataAgingTime", "must be 0 to 90 days"));
    }
    change.psk_identity.as_deref().map_or(Ok(()), check_psk_identity)?;
    change.psk.as_ref().map_or(Ok(()), check_psk)
}

/// The keys of the product that the device is to be bound to, where the change touches keys and the device then has all five.
pub(crate) fn key_named(device: &Device, change: &DeviceChange) -> Option<ProductKey> {
    let new = &change.info;
    let keys = [&new.manufacturer_id, &new.manufacturer_name, &new.device_type, &new.model, &new.protocol_type];
    if keys.iter().all(|key| key.is_none()) {
        return None;
    }
    let mut info = (*device.info).clone();
    info.merge(new);
    full_key(info)
}

/// The device after the change, bound to `product` where there is one; keys of no product stay mere text.
pub(crate) fn changed(device: &Device, change: &DeviceChange, product: Option<&Product>, now: Time) -> Device {
    let mut next = Device { version: device.version + 1, modified_at: now, ..device.clone() };
    let info = Arc::make_mut(&mut next.info);
    info.merge(&change.info);
    if let Some(tags) = &change.tags {
        info.tags = tags.clone();
    }
    if let Some(end_user) = &change.end_user {
        info.end_user = end_user.clone();
    }
    if let Some(muted) = &change.muted_commands {
        next.muted_commands = muted.clone();
    }
    next.mute = change.mute.unwrap_or(next.mute);
    next.data_aging_days = change.data_aging_days.or(next.data_aging_days);
    next.credentials.is_secure = change.is_secure.unwrap_or(next.credentials.is_secure);
    if let Some(psk) = &change.psk {
        next.credentials.psk = Some(psk.clone());
    }
    if let Some(identity) = &change.psk_identity {
        next.credentials.psk_identity = Some(identity.clone());
    }
    extension::follow(&mut next, &change.info, now);
    if let Some(product) = product {
        bind_product(&mut next, product);
    }
    next
}

fn full_key(info: DeviceInfo) -> Option<ProductKey> {
    Some(ProductKey {
        manufacturer_id: info.manufacturer_id?,
        manufacturer_name: info.manufacturer_name?,
        device_type: info.device_type?,
        model: info.model?,
        protocol_type: info.protocol_type?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{AccountId, AppId, Cause, DeviceId, MutedCommand, Secret, Tag};

    fn device() -> Device {
        let (account, app) = (AccountId::from_random([1; 16]), AppId::from_random([2; 16]));
        let mut device = landfall_model::Device::new(DeviceId::from_random([3; 16]), account, app, "n", Time(1));
        let info = Arc::make_mut(&mut device.info);
        (info.name, info.model, info.end_user) = (Some("old".into()), Some("M1".into()), Some("user".into()));
        info.tags = vec![Tag { name: "a".into(), value: "1".into(), kind: None }];
        device.data_aging_days = Some(7);
        device
    }

    fn info(set: impl FnOnce(&mut DeviceInfo)) -> DeviceChange {
        let mut change = DeviceChange::default();
        set(&mut change.info);
        change
    }

    #[test]
    fn what_a_change_does_not_name_stays() {
        let before = device();
        let after = changed(&before, &DeviceChange::default(), None, Time(9));
        assert_eq!(after, Device { version: before.version + 1, modified_at: Time(9), ..before });
    }

    #[test]
    fn each_field_is_set_by_itself() {
        let before = device();
        let next = |change: DeviceChange| changed(&before, &change, None, Time(9));
        assert_eq!(next(info(|info| info.name = Some("new".into()))).info.name.as_deref(), Some("new"));
        assert!(next(DeviceChange { tags: Some(vec![]), ..DeviceChange::default() }).info.tags.is_empty());
        assert_eq!(next(DeviceChange { end_user: Some(None), ..DeviceChange::default() }).info.end_user, None);
        assert!(next(DeviceChange { mute: Some(true), ..DeviceChange::default() }).mute);
        assert_eq!(next(DeviceChange { data_aging_days: Some(0), ..DeviceChange::default() }).data_aging_days, Some(0));
        let muted = vec![MutedCommand { service_id: "s".into(), method: "m".into() }];
        assert_eq!(next(DeviceChange { muted_commands: Some(muted.clone()), ..DeviceChange::default() }).muted_commands, muted);
        let keys = DeviceChange {
            psk: Some(Secret::new("0011223344556677")),
            psk_identity: Some("id".into()),
            is_secure: Some(true),
            ..DeviceChange::default()
        };
        let credentials = next(keys).credentials;
        assert_eq!(credentials.psk.as_ref().map(Secret::expose), Some("0011223344556677"));
        assert_eq!((credentials.psk_identity.as_deref(), credentials.is_secure), (Some("id"), true));
    }

    #[test]
    fn a_product_is_looked_for_where_a_key_changes_and_all_are_there() {
        let four = |info: &mut DeviceInfo| {
            info.manufacturer_id = Some("acme".into());
            info.manufacturer_name = Some("Acme".into());
            info.device_type = Some("Meter".into());
            info.protocol_type = Some("MQTT".into());
        };
        let mut whole = device();
        four(Arc::make_mut(&mut whole.info));
        let model = |change: &DeviceChange, of: &Device| key_named(of, change).map(|key| key.model);
        for (case, of, change, found) in [
            ("no key", &whole, info(|info| info.name = Some("x".into())), None),
            ("one of all", &whole, info(|info| info.model = Some("M2".into())), Some("M2")),
            ("one of too few", &device(), info(|info| info.model = Some("M2".into())), None),
            ("those that lacked", &device(), info(four), Some("M1")),
        ] {
            assert_eq!(model(&change, of).as_deref(), found, "{case}");
        }
    }

    #[test]
    fn what_no_device_may_have_is_refused() {
        for (case, change) in [
            ("days", DeviceChange { data_aging_days: Some(91), ..DeviceChange::default() }),
            ("identity", DeviceChange { psk_identity: Some(String::new()), ..DeviceChange::default() }),
            ("key", DeviceChange { psk: Some(Secret::new("0011")), ..DeviceChange::default() }),
        ] {
            assert_eq!(check(&change).unwrap_err().cause, Cause::InvalidField, "{case}");
        }
        assert!(check(&DeviceChange { data_aging_days: Some(90), ..DeviceChange::default() }).is_ok());
    }
}
