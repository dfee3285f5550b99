//! Nodes and what describes them.
use landfall_core::{Core, OriginCaller, Target};
use landfall_model::{Cause, Device, DeviceId, Error, NodeInfo, Result};
use serde_json::{Map, Value};
use std::sync::Arc;
fn absent<T>() -> Result<T> {
    Err(Error::new(Cause::OperationNotAllowed, "absent"))
}
pub(super) fn show_node(_: &Device, _: &str) -> Map<String, Value> {
    Map::new()
}
pub(super) fn show_info(_: &Device, _: u8) -> Map<String, Value> {
    Map::new()
}
pub(super) fn show_credentials(_: &Device) -> Map<String, Value> {
    Map::new()
}
pub(super) fn show_info_of(_: &NodeInfo, _: DeviceId, _: u8) -> Map<String, Value> {
    Map::new()
}
pub(super) async fn update_node(_: &Core, _: &OriginCaller, _: &Arc<Device>, _: Map<String, Value>) -> Result<Arc<Device>> {
    absent()
}
pub(super) async fn update_info(
    _: &Core,
    _: &OriginCaller,
    _: &Arc<Device>,
    _: u8,
    _: Map<String, Value>,
) -> Result<Arc<Device>> {
    absent()
}
pub(super) async fn create_below(_: &Core, _: &OriginCaller, _: &Arc<Device>, _: &str, _: Map<String, Value>) -> Result<Target> {
    absent()
}
