//! Bodies of device-side sections 3 and 8.

use landfall_core::ProductRef;
use landfall_model::{DeviceInfo, DeviceStatus, Error, ProductKey, Result, StatusDetail};
use serde::{Deserialize, Serialize};

/// Request of bind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BindBody {
    pub verify_code: String,
    pub device_info: DeviceInfoBody,
}

/// Answer of bind.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BoundBody<'a> {
    pub result: u8,
    pub device_id: String,
    pub device_secret: &'a str,
    pub app_id: String,
    pub iocm_addr: &'a str,
    pub iocm_port: u16,
    pub mqtt_addr: &'a str,
    pub mqtt_port: u16,
}

/// Answer of HubDeviceAdd.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChildBody {
    pub result: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
}

macro_rules! declare {
    (said { $($(#[$doc:meta])* $text:ident $word:literal)* } $($rest:tt)*) => {
        /// What a device says of itself or of one behind it. Fields it may not set (status, keys) are ignored.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub(super) struct DeviceInfoBody {
            pub node_id: String,
            $($text: Option<String>,)*
        }

        impl DeviceInfoBody {
            /// The fields within their limits (1.4.9), and the product where its keys are given.
            pub fn check(self) -> Result<(DeviceInfo, Option<ProductRef>)> {
                let info = DeviceInfo { $($text: within($word, self.$text)?,)* ..DeviceInfo::default() };
                let product = product_key(&info).map(ProductRef::Key);
                Ok((info, product))
            }
        }
    };
}

landfall_model::device_texts!(declare);

/// Agents must say all but the name of the manufacturer (agentlite.yaml).
fn product_key(info: &DeviceInfo) -> Option<ProductKey> {
    Some(ProductKey {
        manufacturer_id: info.manufacturer_id.clone()?,
        manufacturer_name: info.manufacturer_name.clone().unwrap_or_default(),
        device_type: info.device_type.clone()?,
        model: info.model.clone()?,
        protocol_type: info.protocol_type.clone()?,
    })
}

/// An empty text counts as absent: agents send every field.
fn within(path: &'static str, text: Option<String>) -> Result<Option<String>> {
    let max = if matches!(path, "description" | "location") { 2048 } else { 256 };
    match text {
        Some(text) if text.chars().count() > max => Err(Error::invalid(path, format!("must be at most {max} characters"))),
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}

/// Request of DeviceStatusUpdate.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusBody {
    status: String,
    status_detail: Option<String>,
}

impl StatusBody {
    /// Status and detail, in any case (section 11 row 15). INACTIVE is not for a device to say.
    pub fn parse(self) -> Result<(DeviceStatus, StatusDetail)> {
        const DETAILS: [StatusDetail; 12] = [
            StatusDetail::None,
            StatusDetail::ConfigurationPending,
            StatusDetail::UeReachability,
            StatusDetail::AvailabilityAfterDdnFailure,
            StatusDetail::CommunicationError,
            StatusDetail::ConfigurationError,
            StatusDetail::BridgeOffline,
            StatusDetail::FirmwareUpdating,
            StatusDetail::DutyCycle,
            StatusDetail::NotActive,
            StatusDetail::LossOfConnectivity,
            StatusDetail::TimeOut,
        ];
        let statuses = [DeviceStatus::Online, DeviceStatus::Offline, DeviceStatus::Abnormal];
        let status = statuses.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(&self.status));
        let status = status.ok_or_else(|| Error::invalid("status", "must be ONLINE, OFFLINE or ABNORMAL"))?;
        let word = self.status_detail.filter(|word| !word.is_empty()).unwrap_or_else(|| "NONE".to_owned());
        let detail = DETAILS.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(&word));
        Ok((status, detail.ok_or_else(|| Error::invalid("statusDetail", "is none of the words of 1.4.9"))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(text: &str) -> Result<(DeviceInfo, Option<ProductRef>)> {
        serde_json::from_str::<DeviceInfoBody>(text).unwrap().check()
    }

    #[test]
    fn its_keys_name_a_product() {
        let five = r#"{"nodeId":"n","manufacturerId":"a","manufacturerName":"A","deviceType":"T","model":"1","protocolType":"MQTT","status":"x"}"#;
        assert!(matches!(info(five).unwrap().1, Some(ProductRef::Key(key)) if key.manufacturer_name == "A"));
        let (four, product) = info(&five.replace(r#""A""#, r#""""#)).unwrap();
        assert_eq!((four.manufacturer_name, four.model.as_deref()), (None, Some("1")));
        assert!(matches!(product, Some(ProductRef::Key(key)) if key.manufacturer_name.is_empty()));
        let (three, product) = info(&five.replace(r#""T""#, r#""""#)).unwrap();
        assert_eq!((three.model.as_deref(), product), (Some("1"), None));
        assert!(info(&format!(r#"{{"nodeId":"n","mac":"{}"}}"#, "m".repeat(257))).is_err());
    }

    #[test]
    fn statuses_are_read_in_any_case() {
        let parse = |text: &str| serde_json::from_str::<StatusBody>(text).unwrap().parse();
        assert_eq!(parse(r#"{"status":"online","statusDetail":"None"}"#).unwrap(), (DeviceStatus::Online, StatusDetail::None));
        assert_eq!(parse(r#"{"status":"OFFLINE"}"#).unwrap().1, StatusDetail::None);
        assert!(parse(r#"{"status":"INACTIVE"}"#).is_err() && parse(r#"{"status":"ONLINE","statusDetail":"x"}"#).is_err());
    }
}
