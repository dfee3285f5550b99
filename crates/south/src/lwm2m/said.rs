//! What becomes of what clients said: reports of their product, and for nodes messages and what is known of the device (D2C).
//!
//! Absent: how it came and is acknowledged (`reports.rs`).

use super::{
    Lwm2m,
    asks::caller,
    bindings::Bindings,
    client::{Origin, Said},
    node::{device_info, senml},
    plan::Plan,
};
use landfall_core::{DeviceCaller, NodeFault};
use landfall_lwm2m::{Entry, EntryTime, Path, Value};
use landfall_model::{Cause, Device, DeviceId, Error, ErrorKind, Result, Time};

/// Stores what a client said. What has no meaning for its product is taken and dropped, with a why record from the core.
pub(super) async fn store(shared: &Lwm2m, id: DeviceId, plan: &Plan, said: Said) -> Result<()> {
    let (device, caller) = caller(shared, id).await?;
    let reported = report(shared, &device, &caller, plan, &said).await;
    if device.node.is_none() {
        return reported;
    }
    // What its product refuses is still something that a node said.
    if let Err(error) = reported
        && may_pass(&error)
    {
        return Err(error);
    }
    let news = match said {
        Said::Values(entries, Origin::Learned) => return learn(shared, &caller, id, &entries).await,
        Said::Values(entries, Origin::News) => entries,
        Said::Values(entries, Origin::Read) => entries.into_iter().filter(|entry| !is_self(&entry.path)).collect(),
        Said::Frame(bytes, path) => vec![Entry::new(path, Value::Opaque(bytes))],
    };
    // What a frozen device says is taken and dropped (1.4.4).
    if news.is_empty() || device.mute {
        return Ok(());
    }
    let text = senml(&absolute(news, shared.core.now())).map_err(|error| Error::new(Cause::PayloadInvalid, error))?;
    shared.core.node_said(&caller, &text).await
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

async fn report(shared: &Lwm2m, device: &Device, caller: &DeviceCaller, plan: &Plan, said: &Said) -> Result<()> {
    match said {
        Said::Frame(bytes, path) => {
            let meta = serde_json::json!({ "path": path.to_string(), "nodeId": device.node_id }).to_string();
            let reading = shared.core.read_binary(caller, device.id, bytes, &meta).await?;
            shared.core.keep(reading).await.map(|_| ())
        }
        Said::Values(entries, _) => {
            let info = Bindings::info(entries);
            if info != Default::default() {
                shared.core.learn(caller, &info).await?;
            }
            let items = plan.bindings.as_ref().map(|bindings| bindings.items(entries, shared.core.now())).unwrap_or_default();
            if items.is_empty() {
                return Ok(());
            }
            let reading = shared.core.read_items(caller, device.id, items).await?;
            shared.core.keep(reading).await.map(|_| ())
        }
    }
}

async fn learn(shared: &Lwm2m, caller: &DeviceCaller, device: DeviceId, entries: &[Entry]) -> Result<()> {
    let learned = shared.core.learn_node(caller, &device_info(entries)).await;
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
