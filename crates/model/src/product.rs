//! Product models: services with properties and commands (1.5.5), and the payload codec.

use crate::{AccountId, AppId, ProductId, Secret, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A product of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// Id.
    pub id: ProductId,
    /// Owner.
    pub account: AccountId,
    /// Counts the writes, from 1.
    pub version: u64,
    /// The five product keys; unique in the account.
    pub key: ProductKey,
    /// Name for people.
    pub name: String,
    /// What devices send.
    pub format: DataFormat,
    /// Services of the model, at most 500.
    pub services: Vec<Service>,
    /// How its devices speak LwM2M.
    #[serde(default)]
    pub lwm2m: Lwm2mModel,
    /// Newest codec last; at most 5 versions are kept. The last one is in force.
    pub codecs: Vec<Codec>,
    /// One-model-one-secret (MQTT authentication type 1); absent: refused.
    pub secret: Option<Secret>,
    /// Application that owns devices which register themselves with the product secret; absent: they must be registered before.
    pub auto_register: Option<AppId>,
    /// Whether the secret may be used; off, it is kept, and every claim is refused.
    #[serde(default = "taken")]
    pub claims: bool,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub modified_at: Time,
}

fn taken() -> bool {
    true
}

impl Product {
    /// The service with this id.
    pub fn service(&self, service_id: &str) -> Option<&Service> {
        self.services.iter().find(|s| s.service_id == service_id)
    }

    /// The service of its frames where it has no codec.
    pub fn raw_service(&self) -> Option<&Service> {
        self.services.iter().find(|service| service.is_raw() && self.codecs.is_empty())
    }

    /// Where its devices put frames, if they do.
    pub fn app_data(&self) -> Option<AppData> {
        self.lwm2m.app_data.clone().or_else(|| (self.format == DataFormat::Binary).then(AppData::default))
    }

    /// The codec in force.
    pub fn codec(&self) -> Option<&Codec> {
        self.codecs.last()
    }
}

/// The five keys by which 1.4.1 and 1.4.2 name a product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ProductKey {
    pub manufacturer_id: String,
    pub manufacturer_name: String,
    pub device_type: String,
    pub model: String,
    pub protocol_type: String,
}

/// What devices of a product send: the `codecMode` of their topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataFormat {
    /// The JSON messages of device-side sections 6 and 7.
    #[default]
    Json,
    /// Bytes that the product's codec translates.
    Binary,
}

/// How devices of a product speak LwM2M, beside the paths of its properties and commands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Lwm2mModel {
    /// Whether devices that are not `isSecure` may come over CoAP without DTLS, where their endpoint name is all they prove.
    pub plain_coap: bool,
    /// Frames that the codec translates; absent: of a product with a binary format, those of [`AppData::default`].
    pub app_data: Option<AppData>,
    /// Binding that bootstrap tells its devices, such as `UQ`; absent: the one that they registered with, `U` where they never did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<String>,
}

/// Resources that carry frames of the product's own format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AppData {
    /// Observed: frames from the device.
    pub uplink: String,
    /// Written: frames to the device.
    pub downlink: String,
}

impl Default for AppData {
    /// BinaryAppDataContainer, as NB-IoT modules use it.
    fn default() -> Self {
        Self { uplink: "/19/0/0".into(), downlink: "/19/1/0".into() }
    }
}

/// A service of a product model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Service id, 1 to 256 characters.
    pub service_id: String,
    /// Service type; equal to the id when the model gives none.
    pub service_type: String,
    /// `Master`, `Mandatory` or `Optional`.
    pub option: String,
    /// Description.
    pub description: String,
    /// Properties.
    pub properties: Vec<Property>,
    /// Commands.
    pub commands: Vec<ServiceCommand>,
}

/// Type of the service of frames as they are: what devices of a product without a codec report, and what is sent to them, in base64.
pub const RAW_DATA: &str = "RawData";

impl Service {
    /// The service [`RAW_DATA`] of a model that names it and defines nothing of it.
    pub fn raw_data() -> Self {
        let raw = Parameter { name: "rawData".into(), data_type: "string".into(), required: true, ..Parameter::default() };
        let command = ServiceCommand { name: RAW_DATA.into(), paras: vec![raw.clone()], ..ServiceCommand::default() };
        Self {
            service_id: RAW_DATA.into(),
            service_type: RAW_DATA.into(),
            option: "Optional".into(),
            properties: vec![Property { parameter: raw, method: "RE".into() }],
            commands: vec![command],
            ..Self::default()
        }
    }

    /// Whether it holds frames as they are.
    pub fn is_raw(&self) -> bool {
        self.service_type == RAW_DATA
    }

    /// The service as it is meant: one that is named [`RAW_DATA`] and has nothing in it is the built-in one.
    pub fn completed(self) -> Self {
        if !(self.is_raw() && self.properties.is_empty() && self.commands.is_empty()) {
            return self;
        }
        let Self { properties, commands, .. } = Self::raw_data();
        Self { properties, commands, ..self }
    }

    /// The command of this name. That of the built-in service is named by programs as they like (`RawData`, `START`, ...).
    pub fn command(&self, name: &str) -> Option<&ServiceCommand> {
        let named = self.commands.iter().find(|command| command.name == name);
        named.or_else(|| self.commands.first().filter(|_| self.is_raw() && self.commands == Self::raw_data().commands))
    }
}

/// A property of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Property {
    /// Name, data type and limits.
    #[serde(flatten)]
    pub parameter: Parameter,
    /// Access letters: R readable, W writable, E observable.
    pub method: String,
}

/// A named value of a property, a command or its response.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameter {
    /// Name.
    pub name: String,
    /// `int`, `long`, `decimal`, `number`, `string`, `DateTime`, `jsonObject`, `enum`, `boolean`, `bool`, `string list`; kept as given, compared
    /// without case.
    pub data_type: String,
    /// Mandatory.
    pub required: bool,
    /// Lowest value, as printed in the model.
    pub min: Option<String>,
    /// Highest value.
    pub max: Option<String>,
    /// Step.
    pub step: Option<f64>,
    /// Greatest length in characters.
    pub max_length: Option<u32>,
    /// Unit symbol.
    pub unit: Option<String>,
    /// Allowed values.
    pub enum_list: Vec<String>,
    /// LwM2M resource that holds it, such as `/3303/0/5700`. A property is observed (method E), read at registration (R) and written by
    /// the shadow (W); a parameter of a command is written by the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A command of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceCommand {
    /// Command name.
    pub name: String,
    /// Parameters.
    pub paras: Vec<Parameter>,
    /// Responses.
    pub responses: Vec<CommandResponse>,
    /// LwM2M resource that is executed, after the parameters with a path were written; the others are its arguments in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execute: Option<String>,
}

/// A response of a command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommandResponse {
    /// Response name.
    pub name: String,
    /// Fields.
    pub paras: Vec<Parameter>,
}

/// One version of a payload codec in JavaScript.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Codec {
    /// From 1, one more with each upload.
    pub version: u32,
    /// The source, at most 256 KiB.
    pub source: Arc<str>,
    /// Frames that were run at upload, at most 50.
    pub samples: Vec<SampleFrame>,
    /// When it was uploaded.
    pub created_at: Time,
}

/// A frame with what the codec must make of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleFrame {
    /// The bytes, in hex.
    pub hex: String,
    /// Expected result of `decode`; absent: any result that fits the model.
    #[serde(default)]
    pub expected: Option<serde_json::Value>,
}
