//! The acknowledgement of a report in the product's own format (`cloudRsp`): a codec that wants one says so in what it decodes, and makes it
//! by `encode` once the report is durable.
//!
//! Absent: the acknowledgement of the access protocol, which does not wait for this one. Nothing of it is kept: a device that misses it
//! reports again.

use crate::{CodecRun, Core, Downlink, Purpose};
use landfall_model::{Cause, Device, DeviceId, Error, Product, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;

/// Of the why records about it.
const STEP: &str = "codec.cloudRsp";

/// The acknowledgement of a report that is durable. Only [`Core::keep_owing`] gives it.
#[derive(Clone, Debug)]
pub struct Owed {
    pub(super) device: Arc<Device>,
    /// Whose connection or registration the report came over.
    pub(super) via: DeviceId,
    pub(super) product: Arc<Product>,
    /// The `cloudRsp` that its codec encodes.
    pub(super) request: String,
}

impl Core {
    /// Has the codec make the acknowledgement and sends it; an empty frame is not sent. What keeps it from the device leaves a why record.
    pub async fn acknowledge(&self, owed: Owed) {
        let Owed { device, via, product, request } = owed;
        let Some(codec) = product.codec() else { return };
        let payload = match self.codecs.encode(CodecRun::of(&product, codec), &request).await {
            Ok(payload) if payload.is_empty() => return,
            Ok(payload) => payload,
            Err(error) => return self.refused(&device, STEP, &error),
        };
        let message = Downlink { device: device.id, purpose: Purpose::Acknowledgement, binary: true, payload };
        if let Err(why) = self.live.acknowledge(via, message) {
            self.refused(&device, why.step, &why.error());
        }
    }

    /// A wish that cannot be read is none, and leaves a why record: the report itself is good.
    pub(super) fn owed(
        &self,
        device: &Arc<Device>,
        via: DeviceId,
        product: Arc<Product>,
        (decoded, frame): (&str, &[u8]),
    ) -> Option<Box<Owed>> {
        let request = cloud_response(decoded, frame).unwrap_or_else(|error| {
            self.refused(device, STEP, &error);
            None
        })?;
        Some(Box::new(Owed { device: Arc::clone(device), via, product, request }))
    }
}

/// The `cloudRsp` for a frame, where the message that the codec made of it asks for one by `cloudRsp: true`. `PayloadInvalid`.
pub(crate) fn cloud_response(decoded: &str, frame: &[u8]) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Wish<'a> {
        #[serde(rename = "cloudRsp")]
        cloud_rsp: Option<bool>,
        #[serde(borrow)]
        identifier: Option<&'a RawValue>,
    }
    #[derive(Serialize)]
    struct CloudResponse<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        identifier: Option<&'a RawValue>,
        #[serde(rename = "msgType")]
        msg_type: &'static str,
        request: &'a [u8],
        errcode: u8,
        #[serde(rename = "hasMore")]
        has_more: u8,
    }
    // Most codecs want none, and their messages are not read twice.
    if !decoded.contains("\"cloudRsp\"") {
        return Ok(None);
    }
    let invalid =
        |error: serde_json::Error| Error::new(Cause::PayloadInvalid, format!("must be true or false: {error}")).at("cloudRsp");
    let Wish { cloud_rsp, identifier } = serde_json::from_str(decoded).map_err(invalid)?;
    if cloud_rsp != Some(true) {
        return Ok(None);
    }
    let response = CloudResponse { identifier, msg_type: "cloudRsp", request: frame, errcode: 0, has_more: 0 };
    serde_json::to_string(&response).map(Some).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_says_whether_it_wants_one() {
        let wish = |decoded: &str| cloud_response(decoded, &[0xaa, 1]).map_err(|error| error.to_string());
        for none in
            [r#"{"msgType":"deviceReq"}"#, r#"{"cloudRsp":false}"#, r#"{"cloudRsp":null}"#, r#"{"data":{"cloudRsp":true}}"#]
        {
            assert_eq!(wish(none), Ok(None), "{none}");
        }
        let plain = r#"{"msgType":"cloudRsp","request":[170,1],"errcode":0,"hasMore":0}"#;
        assert_eq!(wish(r#"{"msgType":"deviceReq","cloudRsp":true}"#).unwrap().as_deref(), Some(plain));
        let named = r#"{"identifier":"123","msgType":"cloudRsp","request":[170,1],"errcode":0,"hasMore":0}"#;
        assert_eq!(wish(r#"{"identifier":"123","cloudRsp":true}"#).unwrap().as_deref(), Some(named));
        assert!(wish(r#"{"cloudRsp":"yes"}"#).unwrap_err().starts_with("cloudRsp: must be true or false"));
    }
}
