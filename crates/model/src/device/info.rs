//! Descriptive fields of a device, from one table: who shows or takes them all gets their names from it.

use crate::Tag;
use serde::{Deserialize, Serialize};

/// Gives the texts of [`DeviceInfo`] to the macro `$then`, each with its name on the wire: first what a device may say of itself (1.4.9), then
/// what applications alone set (1.4.4).
#[macro_export]
macro_rules! device_texts {
    ($then:ident) => {
        $then! {
            said {
                /// Device name.
                name "name"
                /// Description.
                description "description"
                /// Manufacturer id.
                manufacturer_id "manufacturerId"
                /// Manufacturer name.
                manufacturer_name "manufacturerName"
                /// Device type.
                device_type "deviceType"
                /// Model.
                model "model"
                /// Protocol.
                protocol_type "protocolType"
                /// MAC address.
                mac "mac"
                /// Location.
                location "location"
                /// Software version.
                sw_version "swVersion"
                /// Firmware version.
                fw_version "fwVersion"
                /// Hardware version.
                hw_version "hwVersion"
                /// Bridge.
                bridge_id "bridgeId"
                /// Signal strength.
                signal_strength "signalStrength"
                /// SIG version.
                sig_version "sigVersion"
                /// Serial number.
                serial_number "serialNumber"
                /// Battery level.
                battery_level "batteryLevel"
            }
            set {
                /// IMSI of an NB-IoT device.
                imsi "imsi"
                /// Address.
                ip "ip"
                /// Organization.
                organization "organization"
                /// Region.
                region "region"
                /// Time zone.
                timezone "timezone"
            }
        }
    };
}

macro_rules! declare {
    ($($group:ident { $($(#[$doc:meta])* $text:ident $word:literal)* })*) => {
        /// Descriptive fields (DeviceInfo of 1.4.9 and 1.5.1, and what 1.4.2 and 1.4.4 add); limits are those of the contract.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct DeviceInfo {
            $($($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $text: Option<String>,)*)*
            /// End user.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub end_user: Option<String>,
            /// User-defined fields, as the JSON array that was given.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub custom_fields: Option<serde_json::Value>,
            /// Tags.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub tags: Vec<Tag>,
        }

        impl DeviceInfo {
            /// The words of the texts that differ.
            pub fn differing(&self, other: &Self) -> impl Iterator<Item = &'static str> {
                let texts = [$($((self.$text != other.$text, $word),)*)*];
                texts.into_iter().filter_map(|(differs, word)| differs.then_some(word))
            }

            /// Sets the texts and user-defined fields that `new` has; end user and tags, which can be taken away, stay.
            pub fn merge(&mut self, new: &Self) {
                $($(if new.$text.is_some() {
                    self.$text.clone_from(&new.$text);
                })*)*
                if new.custom_fields.is_some() {
                    self.custom_fields.clone_from(&new.custom_fields);
                }
            }
        }
    };
}

device_texts!(declare);
