//! Descriptive fields of a device: as they are shown, and as 1.4.4 changes them.

use super::{
    Fault,
    body::present,
    map::{flag, within},
    wire::{CustomField, DeviceConfig, TagBody},
};
use landfall_model::{DeviceInfo, DeviceView};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `DeviceInfo` of 1.4.9 and the pushes; with `imsi` and `radiusIp` it is `DeviceInfoQueryDTO` of 1.5.1. Unset fields are null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceInfoBody<'a> {
    pub node_id: &'a str,
    pub name: Option<&'a str>,
    pub description: Option<&'a str>,
    pub manufacturer_id: Option<&'a str>,
    pub manufacturer_name: Option<&'a str>,
    pub mac: Option<&'a str>,
    pub location: Option<&'a str>,
    pub device_type: Option<&'a str>,
    pub model: Option<&'a str>,
    pub sw_version: Option<&'a str>,
    pub fw_version: Option<&'a str>,
    pub hw_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imsi: Option<Option<&'a str>>,
    pub protocol_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub radius_ip: Option<()>,
    pub bridge_id: Option<&'a str>,
    pub status: &'static str,
    pub status_detail: &'static str,
    pub mute: &'static str,
    pub supported_security: Option<&'static str>,
    pub is_security: &'static str,
    pub signal_strength: Option<&'a str>,
    pub sig_version: Option<&'a str>,
    pub serial_number: Option<&'a str>,
    pub battery_level: Option<&'a str>,
}

impl<'a> DeviceInfoBody<'a> {
    /// As pushes show it (1.6.7.1 to 1.6.7.3).
    pub fn of(view: &'a DeviceView) -> Self {
        let info = &view.info;
        Self {
            node_id: &view.node_id,
            name: info.name.as_deref(),
            description: info.description.as_deref(),
            manufacturer_id: info.manufacturer_id.as_deref(),
            manufacturer_name: info.manufacturer_name.as_deref(),
            mac: info.mac.as_deref(),
            location: info.location.as_deref(),
            device_type: info.device_type.as_deref(),
            model: info.model.as_deref(),
            sw_version: info.sw_version.as_deref(),
            fw_version: info.fw_version.as_deref(),
            hw_version: info.hw_version.as_deref(),
            imsi: None,
            protocol_type: info.protocol_type.as_deref(),
            radius_ip: None,
            bridge_id: info.bridge_id.as_deref(),
            status: view.status.as_str(),
            status_detail: view.status_detail.as_str(),
            mute: flag(view.mute),
            supported_security: None,
            is_security: flag(view.is_secure),
            signal_strength: info.signal_strength.as_deref(),
            sig_version: info.sig_version.as_deref(),
            serial_number: info.serial_number.as_deref(),
            battery_level: info.battery_level.as_deref(),
        }
    }
}

/// Request of 1.4.4.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModifyDevice {
    pub custom_fields: Option<Vec<CustomField>>,
    pub device_config: Option<DeviceConfig>,
    pub device_type: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub end_user: Option<Option<String>>,
    pub location: Option<String>,
    pub product_id: Option<String>,
    pub manufacturer_id: Option<String>,
    pub manufacturer_name: Option<String>,
    pub model: Option<String>,
    pub mute: Option<String>,
    pub name: Option<String>,
    pub organization: Option<String>,
    pub protocol_type: Option<String>,
    pub region: Option<String>,
    pub timezone: Option<String>,
    pub imsi: Option<String>,
    pub ip: Option<String>,
    /// Any JSON, as a wrong type has a code of its own (100440).
    pub is_secure: Option<Value>,
    pub psk: Option<String>,
    pub tags: Option<Vec<TagBody>>,
}

impl ModifyDevice {
    /// The texts within the lengths of the contract.
    pub fn texts(&self) -> Result<DeviceInfo, Fault> {
        self.check()?;
        Ok(DeviceInfo {
            name: self.name.clone(),
            manufacturer_id: self.manufacturer_id.clone(),
            manufacturer_name: self.manufacturer_name.clone(),
            device_type: self.device_type.clone(),
            model: self.model.clone(),
            protocol_type: self.protocol_type.clone(),
            location: self.location.clone(),
            imsi: self.imsi.clone(),
            ip: self.ip.clone(),
            organization: self.organization.clone(),
            region: self.region.clone(),
            timezone: self.timezone.clone(),
            ..DeviceInfo::default()
        })
    }

    fn check(&self) -> Result<(), Fault> {
        for (path, text, from, to) in [
            ("deviceType", &self.device_type, 1, 256),
            ("location", &self.location, 1, 1024),
            ("productId", &self.product_id, 0, 256),
            ("manufacturerId", &self.manufacturer_id, 1, 256),
            ("manufacturerName", &self.manufacturer_name, 1, 256),
            ("model", &self.model, 1, 256),
            ("name", &self.name, 1, 256),
            ("organization", &self.organization, 1, 256),
            ("protocolType", &self.protocol_type, 1, 256),
            ("region", &self.region, 1, 256),
            ("timezone", &self.timezone, 1, 256),
            ("imsi", &self.imsi, 0, 64),
            ("ip", &self.ip, 0, 128),
        ] {
            within(path, text.as_ref(), from, to)?;
        }
        within("endUser", self.end_user.as_ref().and_then(Option::as_ref), 1, 256)?;
        for field in self.custom_fields.iter().flatten() {
            within("customFields.fieldName", field.field_name.as_ref(), 0, 256)?;
            within("customFields.fieldType", field.field_type.as_ref(), 0, 256)?;
        }
        Ok(())
    }
}
