//! Short and long names of attributes (TS-0004, annex of short names).
use serde_json::{Map, Value};
pub(super) fn lengthen(_: &mut Value) {}
pub(super) fn shorten(_: &mut Map<String, Value>) {}
