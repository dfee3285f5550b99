//! Frames of commands and of reports: what the product's codec makes of them or, without one, the bytes as they are in the service RawData.

use crate::{CodecRun, Core};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use landfall_model::{Cause, Error, Product, Result, Service};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use std::borrow::Cow;

/// Base64 with padding, which those who send may leave out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The service by which the platform itself speaks to agents (device-side section 8); no product may have it.
pub(crate) const AGENT: &str = "$agent";

/// What a command asks, as a codec hears it.
pub(crate) struct Asked<'a> {
    pub(crate) service_id: &'a str,
    pub(crate) method: &'a str,
    pub(crate) mid: u16,
    /// A JSON object.
    pub(crate) paras: &'a str,
}

impl Core {
    /// The frame of a command. `CodecNotFound`, `CodecFailed`; `InvalidField` for raw data that is no base64.
    pub(crate) async fn frame(&self, product: &Product, asked: &Asked<'_>) -> Result<Vec<u8>> {
        let Some(codec) = product.codec() else {
            let service = product.service(asked.service_id).filter(|service| service.is_raw());
            return service.ok_or_else(no_codec).and_then(|_| raw_bytes(asked.paras));
        };
        self.codecs.encode(CodecRun::of(product, codec), &cloud_request(asked, true)?).await
    }
}

/// Whether the parameters of a command name bytes, where it is for a service of frames as they are. `InvalidField`.
pub(crate) fn check_raw(product: &Product, service: &Service, paras: &str) -> Result<()> {
    let passes = service.is_raw() && product.codecs.is_empty() && product.app_data().is_some();
    if passes { raw_bytes(paras).map(drop) } else { Ok(()) }
}

/// The report of a frame of a product without a codec. `CodecNotFound` where it has no service for it.
pub(crate) fn raw_report(product: &Product, frame: &[u8]) -> Result<String> {
    let service = product.raw_service().ok_or_else(no_codec)?;
    let data = json!([{ "serviceId": service.service_id, "serviceData": { "rawData": BASE64.encode(frame) } }]);
    Ok(json!({ "msgType": "deviceReq", "data": data }).to_string())
}

/// The JSON that a device or its codec gets (device-side section 7). A codec hears too that nothing follows, as those of the original did.
pub(crate) fn cloud_request(asked: &Asked<'_>, for_codec: bool) -> Result<String> {
    #[derive(serde::Serialize)]
    struct CloudRequest<'a> {
        #[serde(rename = "msgType")]
        msg_type: &'static str,
        #[serde(rename = "serviceId")]
        service_id: &'a str,
        mid: u16,
        cmd: &'a str,
        paras: &'a RawValue,
        #[serde(rename = "hasMore", skip_serializing_if = "Option::is_none")]
        has_more: Option<u8>,
    }
    let broken = |error: serde_json::Error| Error::invalid("body", error.to_string());
    let Asked { service_id, method: cmd, mid, paras } = *asked;
    let paras: &RawValue = serde_json::from_str(paras).map_err(broken)?;
    let request = CloudRequest { msg_type: "cloudReq", service_id, mid, cmd, paras, has_more: for_codec.then_some(0) };
    serde_json::to_string(&request).map_err(broken)
}

fn raw_bytes(paras: &str) -> Result<Vec<u8>> {
    #[derive(Deserialize)]
    struct Raw<'a> {
        #[serde(rename = "rawData", borrow)]
        raw_data: Cow<'a, str>,
    }
    let wrong = |detail: String| Error::invalid("rawData", detail);
    let Raw { raw_data } = serde_json::from_str(paras).map_err(|error| wrong(error.to_string()))?;
    let bytes = BASE64.decode(raw_data.as_bytes()).map_err(|error| wrong(format!("is no base64: {error}")))?;
    if bytes.is_empty() { Err(wrong("holds no bytes".into())) } else { Ok(bytes) }
}

fn no_codec() -> Error {
    Error::new(Cause::CodecNotFound, "the product has no codec, and no service RawData that takes frames as they are")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_data_is_base64() {
        let read = |paras: &str| raw_bytes(paras).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"rawData":"AQID"}"#), Ok(vec![1, 2, 3]));
        assert_eq!((read(r#"{"rawData":"AQ=="}"#), read(r#"{"rawData":"AQ"}"#)), (Ok(vec![1]), Ok(vec![1])));
        for (paras, expected) in [
            (r#"{"rawData":"A!"}"#, "rawData: is no base64"),
            (r#"{"rawData":""}"#, "rawData: holds no bytes"),
            (r#"{"rawData":7}"#, "rawData: invalid type"),
            ("{}", "rawData: missing field"),
        ] {
            assert!(read(paras).unwrap_err().starts_with(expected), "{paras}: {:?}", read(paras));
        }
    }
}
