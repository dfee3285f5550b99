//! What becomes of what clients said: reports of their product, and for nodes messages and what is known of the device (D2C).
//!
//! Absent: how it came and is acknowledged (`reports.rs`).

use super::{
    Lwm2m,
    asks::caller,
    bindings::Bindings,
    client::{Origin, Said},
    node::{self_description, senml},
    plan::Plan,
};
use crate::note::Note;
use landfall_core::{DeviceCaller, NodeFault, Owed, Reading};
use landfall_lwm2m::{Entry, EntryTime, Path, Value};
use landfall_model::{Cause, Device, DeviceId, Error, ErrorKind, Result, Time};
use std::collections::BTreeSet;

/// Paths that one why record names.
const PATHS: usize = 8;

/// What was kept of what a client said.
#[derive(Default)]
pub(crate) struct Kept {
    pub(super) anything: bool,
    /// What the product's codec wants sent to the client for it.
    pub(super) owed: Vec<Owed>,
}

/// Stores what a client said. What has no meaning for its product is taken and dropped, with a why record.
pub(super) async fn store(shared: &Lwm2m, id: DeviceId, plan: &Plan, said: Said) -> Result<Kept> {
    let (device, caller) = caller(shared, id).await?;
    let reported = report(shared, &device, &caller, plan, &said).await;
    if device.node.is_none() {
        if let Said::Values(entries, Origin::Sent) = &said {
            tell_unbound(shared, &device, plan, entries);
        }
        return reported;
    }
    // What its product refuses is still something that a node said.
    let reported = match reported {
        Err(error) if may_pass(&error) => return Err(error),
        reported => reported.unwrap_or_default(),
    };
    let news = match said {
        Said::Values(entries, Origin::Learned) => {
            learn(shared, &caller, id, &entries).await?;
            return Ok(Kept { anything: true, ..reported });
        }
        Said::Values(entries, Origin::News | Origin::Sent) => entries,
        Said::Values(entries, Origin::Read) => entries.into_iter().filter(|entry| !is_self(&entry.path)).collect(),
        Said::Frame(bytes, path) => vec![Entry::new(path, Value::Opaque(bytes))],
    };
    // What a frozen device says is taken and dropped (1.4.4).
    if news.is_empty() || device.mute {
        return Ok(reported);
    }
    let text = senml(&absolute(news, shared.core.now())).map_err(|error| Error::new(Cause::PayloadInvalid, error))?;
    shared.core.node_said(&caller, &text).await.map(|()| Kept { anything: true, ..reported })
}

/// Tells the owner of a node what went wrong with it. Nothing waits for this.
pub(super) async fn tell_fault(shared: &Lwm2m, device: DeviceId, fault: NodeFault, data: &str) {
    let told = match caller(shared, device).await {
        Ok((_, caller)) => shared.core.node_fault(&caller, fault, data).await,
        Err(error) => Err(error),
    };
    if let Err(error) = told {
        tracing::debug!(%error, %device, "what went wrong with a node was not told");
    }
}

/// The report of the product that was made of it.
async fn report(shared: &Lwm2m, device: &Device, caller: &DeviceCaller, plan: &Plan, said: &Said) -> Result<Kept> {
    let mut readings = vec![];
    let mut learned = false;
    match said {
        Said::Frame(bytes, path) => readings.push(frame(shared, device, caller, bytes, path).await?),
        Said::Values(entries, origin) => {
            // A frame is one only where it comes by itself: beside what it comes with, an observation of its own brings it.
            for entry in entries.iter().filter(|entry| *origin == Origin::Sent && plan.is_uplink(&entry.path)) {
                if let Value::Opaque(bytes) = &entry.value
                    && !bytes.is_empty()
                {
                    readings.push(frame(shared, device, caller, bytes, &entry.path).await?);
                }
            }
            let info = Bindings::info(entries);
            if info != Default::default() {
                shared.core.learn(caller, &info).await?;
                learned = true;
            }
            let items = plan.bindings.as_ref().map(|bindings| bindings.items(entries, shared.core.now())).unwrap_or_default();
            if !items.is_empty() {
                match shared.core.read_items(caller, device.id, items).await {
                    Ok(reading) => readings.push(reading),
                    // The core left a why record; the frames are good.
                    Err(error) if !readings.is_empty() && !may_pass(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    let mut kept = Kept { anything: learned || !readings.is_empty(), owed: vec![] };
    for reading in readings {
        kept.owed.extend(shared.core.keep_owing(reading).await?.1.map(|owed| *owed));
    }
    Ok(kept)
}

async fn frame(shared: &Lwm2m, device: &Device, caller: &DeviceCaller, bytes: &[u8], path: &Path) -> Result<Reading> {
    let meta = serde_json::json!({ "path": path.to_string(), "nodeId": device.node_id }).to_string();
    shared.core.read_binary(caller, device.id, bytes, &meta).await
}

/// Leaves one why record of all that a device sent and that means nothing to its product.
fn tell_unbound(shared: &Lwm2m, device: &Device, plan: &Plan, entries: &[Entry]) {
    let means = |path: &Path| plan.bindings.as_ref().is_some_and(|bindings| bindings.means(path)) || plan.is_uplink(path);
    let unbound: BTreeSet<Path> = entries.iter().map(|entry| entry.path).filter(|path| !means(path)).collect();
    if unbound.is_empty() {
        return;
    }
    let mut detail = unbound.iter().take(PATHS).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if unbound.len() > PATHS {
        detail += &format!(" and {} more", unbound.len() - PATHS);
    }
    detail += match plan.bindings {
        Some(_) => ": sent, but no property of the product is bound to it",
        None => ": sent, but the device has no product",
    };
    let why = Note { identity: &device.node_id, peer: None, step: "lwm2m.send", check: "unbound", detail };
    shared.refused(Some((device.account, device.id)), why);
}

async fn learn(shared: &Lwm2m, caller: &DeviceCaller, device: DeviceId, entries: &[Entry]) -> Result<()> {
    let learned = shared.core.learn_node(caller, &self_description(entries)).await;
    if learned.is_err() {
        tell_fault(shared, device, NodeFault::UpdateDeviceData, "").await;
    }
    learned
}

/// Whether the same report may be taken later.
fn may_pass(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Internal | ErrorKind::Unavailable | ErrorKind::Limit | ErrorKind::Conflict)
}

/// Of objects 3 and 6, which say what the device is.
fn is_self(path: &Path) -> bool {
    matches!(path.object_id(), Some(3 | 6))
}

/// A message is read later, when times relative to its receipt would mean nothing.
fn absolute(mut entries: Vec<Entry>, received_at: Time) -> Vec<Entry> {
    for entry in &mut entries {
        entry.time = entry.time.map(|time| EntryTime::AbsoluteMs(time.at_ms(received_at.0)));
    }
    entries
}
