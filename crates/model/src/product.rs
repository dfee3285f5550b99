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
    /// Newest codec last; at most 5 versions are kept. The last one is in force.
    pub codecs: Vec<Codec>,
    /// One-model-one-secret (MQTT authentication type 1); absent: refused.
    pub secret: Option<Secret>,
    /// Application that owns devices which register themselves with the product secret; absent: they must be registered before.
    pub auto_register: Option<AppId>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub modified_at: Time,
}

impl Product {
    /// The service with this id.
    pub fn service(&self, service_id: &str) -> Option<&Service> {
        self.services.iter().find(|s| s.service_id == service_id)
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
    /// `int`, `long`, `decimal`, `string`, `DateTime`, `jsonObject`, `enum`, `boolean`, `string list`; compared without case.
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
