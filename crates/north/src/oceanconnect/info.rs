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
    pub node_id: Option<&'a str>,
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
    pub status: Option<&'a str>,
    pub status_detail: Option<&'a str>,
    pub mute: Option<&'a str>,
    pub supported_security: Option<&'a str>,
    pub is_security: Option<&'a str>,
    pub signal_strength: Option<&'a str>,
    pub sig_version: Option<&'a str>,
    pub serial_number: Option<&'a str>,
    pub battery_level: Option<&'a str>,
}

impl<'a> DeviceInfoBody<'a> {
    /// As pushes show it (1.6.7.1, 1.6.7.2).
    pub fn of(view: &'a DeviceView) -> Self {
        let info = &view.info;
        Self {
            node_id: Some(&view.node_id),
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
            status: Some(view.status.as_str()),
            status_detail: Some(view.status_detail.as_str()),
            mute: Some(flag(view.mute)),
            supported_security: None,
            is_security: Some(flag(view.is_secure)),
            signal_strength: info.signal_strength.as_deref(),
            sig_version: info.sig_version.as_deref(),
            serial_number: info.serial_number.as_deref(),
            battery_level: info.battery_level.as_deref(),
        }
    }

    /// What of it changed (1.6.7.3); all of it where the event does not say.
    pub fn news(view: &'a DeviceView) -> Self {
        let mut body = Self::of(view);
        if let Some(changed) = &view.changed {
            for (word, field) in body.fields() {
                field.take_if(|_| !changed.iter().any(|changed| changed == word));
            }
        }
        body
    }

    fn fields(&mut self) -> [(&'static str, &mut Option<&'a str>); 22] {
        [
            ("nodeId", &mut self.node_id),
            ("name", &mut self.name),
            ("description", &mut self.description),
            ("manufacturerId", &mut self.manufacturer_id),
            ("manufacturerName", &mut self.manufacturer_name),
            ("mac", &mut self.mac),
            ("location", &mut self.location),
            ("deviceType", &mut self.device_type),
            ("model", &mut self.model),
            ("swVersion", &mut self.sw_version),
            ("fwVersion", &mut self.fw_version),
            ("hwVersion", &mut self.hw_version),
            ("protocolType", &mut self.protocol_type),
            ("bridgeId", &mut self.bridge_id),
            ("status", &mut self.status),
            ("statusDetail", &mut self.status_detail),
            ("mute", &mut self.mute),
            ("isSecurity", &mut self.is_security),
            ("signalStrength", &mut self.signal_strength),
            ("sigVersion", &mut self.sig_version),
            ("serialNumber", &mut self.serial_number),
            ("batteryLevel", &mut self.battery_level),
        ]
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
