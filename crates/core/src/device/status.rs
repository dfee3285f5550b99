//! The status of a device (1.4.1, 1.4.9, device-side section 8): what makes it ONLINE, ABNORMAL and OFFLINE, and when it is bound.
//!
//! Pure: the device as it was loaded, what happened and the time come in; a batch goes out, an empty one where nothing changes.

use crate::{
    batch,
    device::{deletion::delete, info_changed},
    device_event,
};
use landfall_model::{Batch, BindResult, Device, DeviceId, DeviceStatus, EventBody, StatusDetail, Time, Write};
use std::sync::Arc;

/// How a device was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It opened a connection.
    Connected,
    /// It said something, or registered.
    Speaking,
}

/// The device is heard, surely not before `earliest`: ONLINE, and bound if this is the first time.
pub(crate) fn heard(device: &Device, how: Heard, now: Time, earliest: Time) -> Batch {
    let connected = device.connected || how == Heard::Connected;
    if device.status == DeviceStatus::Online && device.activated && device.connected == connected {
        return Batch::default();
    }
    let mut next =
        Device { connected, heard_at: Some(earliest), ..changed(device, DeviceStatus::Online, StatusDetail::None, now) };
    let mut whole = Batch::default();
    activate(&mut next, &mut whole);
    let told = info_changed(device, &next, now);
    whole.writes.extend(told.writes);
    if device.status != DeviceStatus::Online {
        whole.events.extend(told.events);
    }
    whole
}

/// The status that a device, or the gateway before it, reports.
pub(crate) fn reported(device: &Device, status: DeviceStatus, detail: StatusDetail, now: Time) -> Batch {
    if device.status == status && device.status_detail == detail {
        return Batch::default();
    }
    let mut next = changed(device, status, detail, now);
    let mut whole = Batch::default();
    if status == DeviceStatus::Online {
        activate(&mut next, &mut whole);
    }
    whole.merge(info_changed(device, &next, now));
    whole
}

/// Nothing was heard of the device for too long; its connection, if it has one, stays.
pub(crate) fn silent(device: &Device, status: DeviceStatus, detail: StatusDetail, now: Time) -> Batch {
    info_changed(device, &changed(device, status, detail, now), now)
}

/// The registration of a device is over: OFFLINE, if it was heard of.
pub(crate) fn deregistered(device: &Device, detail: StatusDetail, now: Time) -> Batch {
    if is_heard(device) { offline(device, detail, now) } else { Batch::default() }
}

/// The connection of a gateway is gone: the next of the devices behind it are OFFLINE, and the gateway with the last of them. `slice` is in
/// order, may hold the gateway itself, and is the last one where it is shorter than `full`. Returns where to go on.
pub(crate) fn disconnected(gateway: &Device, slice: &[Arc<Device>], full: usize, now: Time) -> (Batch, Option<(Time, DeviceId)>) {
    let mut whole = Batch::default();
    for child in slice.iter().filter(|child| child.id != gateway.id && is_heard(child)) {
        whole.merge(offline(child, StatusDetail::None, now));
    }
    let last = slice.last().filter(|_| slice.len() == full);
    if last.is_none() {
        whole.merge(offline(gateway, StatusDetail::None, now));
    }
    (whole, last.map(|last| (last.created_at, last.id)))
}

/// A device did not bind in time: bindDevice expired. Then its record goes (contract section 4); one with `keep`, whose key was refreshed,
/// stays inactive.
pub(crate) fn unbound(device: &Device, keep: bool, now: Time) -> Batch {
    let body = |device: &Device| EventBody::DeviceBound { result: BindResult::Expired, device: Box::new(device.view()) };
    if !keep {
        let mut whole = batch(vec![], vec![device_event(device, now, body(device))]);
        delete(&mut whole, device, now);
        return whole;
    }
    let mut next = Device { version: device.version + 1, modified_at: now, ..device.clone() };
    next.credentials.code_expires_at = None;
    next.credentials.verify_code = None;
    let told = device_event(&next, now, body(&next));
    batch(vec![Write::Device(Box::new(next))], vec![told])
}

/// Marks a device as active; tells bindDevice the first time (1.4.7, 1.6.7.2).
pub(crate) fn activate(device: &mut Device, whole: &mut Batch) {
    if !device.activated {
        device.activated = true;
        device.credentials.code_expires_at = None;
        let body = EventBody::DeviceBound { result: BindResult::Succeeded, device: Box::new(device.view()) };
        whole.events.push(device_event(device, device.modified_at, body));
    }
}

fn is_heard(device: &Device) -> bool {
    matches!(device.status, DeviceStatus::Online | DeviceStatus::Abnormal)
}

fn offline(device: &Device, detail: StatusDetail, now: Time) -> Batch {
    info_changed(device, &Device { connected: false, ..changed(device, DeviceStatus::Offline, detail, now) }, now)
}

fn changed(device: &Device, status: DeviceStatus, detail: StatusDetail, now: Time) -> Device {
    Device { version: device.version + 1, modified_at: now, status, status_detail: detail, ..device.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DeviceStatus::{Abnormal, Inactive, Offline, Online};
    use landfall_model::{AccountId, AppId};

    const NOW: Time = Time(9_000);
    const EARLIEST: Time = Time(8_000);

    fn device(n: u8, status: DeviceStatus, activated: bool, connected: bool) -> Device {
        let (account, app) = (AccountId::from_random([1; 16]), AppId::from_random([2; 16]));
        let new = landfall_model::Device::new(DeviceId::from_random([n; 16]), account, app, format!("n{n}"), Time(i64::from(n)));
        Device { status, activated, connected, ..new }
    }

    /// The device as it is written, if it is, and what is told.
    fn written(whole: &Batch) -> (Option<&Device>, Vec<String>) {
        let device = whole.writes.iter().find_map(|write| if let Write::Device(device) = write { Some(&**device) } else { None });
        let word = |body: &EventBody| match body {
            EventBody::DeviceBound { result, .. } => format!("{result:?}"),
            EventBody::DeviceInfoChanged(view) => view.status.as_str().to_owned(),
            EventBody::DeviceDeleted { .. } => "deleted".to_owned(),
            other => format!("{other:?}"),
        };
        (device, whole.events.iter().map(|event| word(&event.body)).collect())
    }

    #[test]
    fn who_is_heard_is_online_and_told_when_that_is_new() {
        use Heard::{Connected, Speaking};
        for (status, activated, connected, how, told) in [
            (Inactive, false, false, Connected, Some(vec!["Succeeded", "ONLINE"])),
            (Inactive, false, false, Speaking, Some(vec!["Succeeded", "ONLINE"])),
            (Offline, true, false, Connected, Some(vec!["ONLINE"])),
            (Abnormal, true, true, Speaking, Some(vec!["ONLINE"])),
            (Online, true, false, Connected, Some(vec![])),
            (Online, false, true, Connected, Some(vec!["Succeeded"])),
            (Online, true, true, Connected, None),
            (Online, true, false, Speaking, None),
        ] {
            let before = device(1, status, activated, connected);
            let whole = heard(&before, how, NOW, EARLIEST);
            let case = format!("{status:?} {activated} {connected} {how:?}");
            let (after, words) = written(&whole);
            assert_eq!(words, told.clone().unwrap_or_default(), "{case}");
            let Some(after) = after else {
                assert_eq!(told, None, "{case}");
                continue;
            };
            assert_eq!((after.status, after.activated, after.version), (Online, true, 2), "{case}");
            assert_eq!((after.connected, after.heard_at), (connected || how == Connected, Some(EARLIEST)), "{case}");
        }
    }

    #[test]
    fn a_reported_status_is_taken_once_and_binds_where_it_is_online() {
        for (from, activated, to, told) in [
            (Online, true, Online, vec![]),
            (Online, true, Offline, vec!["OFFLINE"]),
            (Inactive, false, Offline, vec!["OFFLINE"]),
            (Inactive, false, Online, vec!["Succeeded", "ONLINE"]),
        ] {
            let before = Device { status_detail: StatusDetail::None, ..device(1, from, activated, false) };
            let whole = reported(&before, to, StatusDetail::None, NOW);
            assert_eq!(written(&whole).1, told, "{from:?} {to:?}");
            assert_eq!(whole.writes.is_empty(), told.is_empty(), "{from:?} {to:?}");
        }
        let before = Device { status_detail: StatusDetail::TimeOut, ..device(1, Offline, true, false) };
        let other_detail = reported(&before, Offline, StatusDetail::None, NOW);
        assert_eq!(written(&other_detail).1, ["OFFLINE"], "another detail is news");
    }

    #[test]
    fn silence_keeps_the_connection_and_the_end_of_a_registration_does_not() {
        let before = device(1, Online, true, true);
        let quiet = silent(&before, Abnormal, StatusDetail::None, NOW);
        assert!(written(&quiet).0.is_some_and(|after| after.connected && after.status == Abnormal));
        let gone = deregistered(&before, StatusDetail::TimeOut, NOW);
        let after = written(&gone).0.unwrap();
        assert_eq!((after.connected, after.status, after.status_detail), (false, Offline, StatusDetail::TimeOut));
        for status in [Inactive, Offline] {
            let nothing = deregistered(&device(1, status, true, false), StatusDetail::TimeOut, NOW);
            assert!(nothing.writes.is_empty() && nothing.events.is_empty(), "{status:?}");
        }
    }

    #[test]
    fn a_gateway_goes_with_the_last_of_those_behind_it() {
        let gateway = device(1, Online, true, true);
        let slice: Vec<_> =
            [(1, Online), (2, Online), (3, Offline), (4, Abnormal)].map(|(n, s)| Arc::new(device(n, s, true, false))).into();
        let ids = |whole: &Batch| {
            let id = |write: &Write| if let Write::Device(device) = write { device.node_id.clone() } else { String::new() };
            whole.writes.iter().map(id).collect::<Vec<_>>()
        };
        let (first, after) = disconnected(&gateway, &slice, 4, NOW);
        assert_eq!((ids(&first), after), (vec!["n2".into(), "n4".into()], Some((Time(4), slice[3].id))));
        let (last, after) = disconnected(&gateway, &slice, 5, NOW);
        assert_eq!((ids(&last), after), (vec!["n2".into(), "n4".into(), "n1".into()], None));
        assert_eq!(ids(&disconnected(&gateway, &[], 5, NOW).0), ["n1"]);
    }

    #[test]
    fn who_did_not_bind_in_time_goes_unless_it_was_bound_before() {
        let mut before = device(1, Inactive, false, false);
        before.credentials.code_expires_at = Some(Time(1));
        let kept = unbound(&before, true, NOW);
        let (after, told) = written(&kept);
        assert_eq!((after.unwrap().credentials.code_expires_at, told), (None, vec!["Expired".to_owned()]));
        let deleted = unbound(&before, false, NOW);
        assert_eq!(written(&deleted).1, ["Expired", "deleted"]);
        assert!(deleted.writes.contains(&Write::DeleteDevice(before.id)));
    }
}
