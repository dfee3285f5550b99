//! /devices/{device}/lwm2m: one operation at a registered device, asked by an operator, with the device's answer.
//!
//! Absent: what the operations mean, which is the device access's.

use super::{
    caller::{JsonBody, Over, device_id},
    error::Answer,
    ops::DeviceRequest,
};
use axum::{Json, extract::Path};
use landfall_model::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Wait where none is named, seconds.
const WAIT_S: u32 = 30;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RequestBody {
    operation: String,
    path: Option<String>,
    #[serde(default)]
    paths: Vec<String>,
    value: Option<Value>,
    #[serde(default)]
    values: Map<String, Value>,
    #[serde(default)]
    arguments: String,
    #[serde(default)]
    attributes: Map<String, Value>,
    depth: Option<u8>,
    format: Option<String>,
    #[serde(rename = "waitS")]
    wait_s: Option<u32>,
}

impl RequestBody {
    fn into_request(self) -> Result<DeviceRequest> {
        let (mut paths, mut values) = (self.paths, self.values.into_iter().collect::<Vec<_>>());
        if let Some(value) = self.value {
            let path = self.path.clone().ok_or_else(|| Error::invalid("value", "needs a path"))?;
            values.push((path, value));
        }
        paths.extend(self.path);
        let attribute = |(name, value): (String, Value)| match value {
            Value::Null => Ok((name, None)),
            Value::Bool(bit) => Ok((name, Some(u8::from(bit).to_string()))),
            Value::Number(number) => Ok((name, Some(number.to_string()))),
            _ => Err(Error::invalid("attributes", "must be numbers, booleans or null")),
        };
        Ok(DeviceRequest {
            operation: self.operation,
            paths,
            values,
            arguments: self.arguments,
            attributes: self.attributes.into_iter().map(attribute).collect::<Result<_>>()?,
            depth: self.depth,
            format: self.format,
            wait_s: self.wait_s.unwrap_or(WAIT_S),
        })
    }
}

/// Asks the device and waits for its answer. A device that refuses has answered: its code is in the answer.
pub(super) async fn manage(over: Over, Path(device): Path<String>, JsonBody(body): JsonBody<RequestBody>) -> Answer {
    over.params.only(&[])?;
    let device = over.core.device(&over.scope, device_id(&device)?).await?;
    Ok(Json(over.ops.manage(device.id, body.into_request()?).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(body: Value) -> Result<DeviceRequest> {
        serde_json::from_value::<RequestBody>(body).unwrap().into_request()
    }

    #[test]
    fn one_value_belongs_to_the_path() {
        let made = request(json!({"operation": "write", "path": "/1/0/1", "value": 300})).unwrap();
        assert_eq!((made.paths, made.values), (vec!["/1/0/1".to_owned()], vec![("/1/0/1".to_owned(), json!(300))]));
        assert_eq!(made.wait_s, 30);
        assert_eq!(request(json!({"operation": "write", "value": 1})).unwrap_err().path.as_deref(), Some("value"));
    }

    #[test]
    fn attributes_are_set_or_taken_away() {
        let made = request(json!({"operation": "attributes", "attributes": {"pmin": 5, "gt": 1.5, "con": true, "st": null}}));
        let text = |text: &str| Some(text.to_owned());
        let mut attributes = made.unwrap().attributes;
        attributes.sort();
        let expected = [("con", text("1")), ("gt", text("1.5")), ("pmin", text("5")), ("st", None)];
        assert_eq!(attributes, expected.map(|(name, value)| (name.to_owned(), value)));
        assert!(request(json!({"operation": "attributes", "attributes": {"pmin": "5&gt=1"}})).is_err());
        assert!(serde_json::from_value::<RequestBody>(json!({"operation": "read", "pth": "/3"})).is_err());
    }
}
