//! Provisioning requests.
use landfall_core::{Core, OriginCaller, Target};
use landfall_model::{Cause, Error, Provisioning, Result};
use serde_json::{Map, Value};
fn absent<T>() -> Result<T> {
    Err(Error::new(Cause::OperationNotAllowed, "absent"))
}
pub(super) async fn create(_: &Core, _: &OriginCaller, _: Map<String, Value>) -> Result<Target> {
    absent()
}
pub(super) async fn show_request(_: &Core, _: &Provisioning) -> Result<Map<String, Value>> {
    absent()
}
pub(super) async fn show_outcome(_: &Core, _: &Provisioning) -> Result<Map<String, Value>> {
    absent()
}
