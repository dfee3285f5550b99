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

/// What a device says of itself or of one behind it. Fields it may not set (status, keys) are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceInfoBody {
    pub node_id: String,
    name: Option<String>,
    description: Option<String>,
    manufacturer_id: Option<String>,
    manufacturer_name: Option<String>,
    mac: Option<String>,
    location: Option<String>,
    device_type: Option<String>,
    model: Option<String>,
    sw_version: Option<String>,
    fw_version: Option<String>,
    hw_version: Option<String>,
    protocol_type: Option<String>,
    bridge_id: Option<String>,
    signal_strength: Option<String>,
    sig_version: Option<String>,
    serial_number: Option<String>,
    battery_level: Option<String>,
}

impl DeviceInfoBody {
    /// The fields within their limits (1.4.9), and the product where all five keys are given.
    pub fn check(self) -> Result<(DeviceInfo, Option<ProductRef>)> {
        let info = DeviceInfo {
            name: within("name", self.name, 256)?,
            description: within("description", self.description, 2048)?,
            manufacturer_id: within("manufacturerId", self.manufacturer_id, 256)?,
            manufacturer_name: within("manufacturerName", self.manufacturer_name, 256)?,
            device_type: within("deviceType", self.device_type, 256)?,
            model: within("model", self.model, 256)?,
            protocol_type: within("protocolType", self.protocol_type, 256)?,
            mac: within("mac", self.mac, 256)?,
            location: within("location", self.location, 2048)?,
            sw_version: within("swVersion", self.sw_version, 256)?,
            fw_version: within("fwVersion", self.fw_version, 256)?,
            hw_version: within("hwVersion", self.hw_version, 256)?,
            bridge_id: within("bridgeId", self.bridge_id, 256)?,
            signal_strength: within("signalStrength", self.signal_strength, 256)?,
            sig_version: within("sigVersion", self.sig_version, 256)?,
            serial_number: within("serialNumber", self.serial_number, 256)?,
            battery_level: within("batteryLevel", self.battery_level, 256)?,
            ..DeviceInfo::default()
        };
        let product = product_key(&info).map(ProductRef::Key);
        Ok((info, product))
    }
}

fn product_key(info: &DeviceInfo) -> Option<ProductKey> {
    Some(ProductKey {
        manufacturer_id: info.manufacturer_id.clone()?,
        manufacturer_name: info.manufacturer_name.clone()?,
        device_type: info.device_type.clone()?,
        model: info.model.clone()?,
        protocol_type: info.protocol_type.clone()?,
    })
}

/// An empty text counts as absent: agents send every field.
fn within(path: &'static str, text: Option<String>, max: usize) -> Result<Option<String>> {
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
    fn all_five_keys_name_a_product() {
        let five = r#"{"nodeId":"n","manufacturerId":"a","manufacturerName":"A","deviceType":"T","model":"1","protocolType":"MQTT","status":"x"}"#;
        assert!(matches!(info(five).unwrap().1, Some(ProductRef::Key(key)) if key.manufacturer_name == "A"));
        let (four, product) = info(&five.replace(r#""A""#, r#""""#)).unwrap();
        assert_eq!((four.manufacturer_name, four.model.as_deref(), product), (None, Some("1"), None));
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
