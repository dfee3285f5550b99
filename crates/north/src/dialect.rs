//! What a dialect is to the rest of the program.

use crate::http::Form;
use axum::Router;
use landfall_core::{Core, Notifier};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::sync::Arc;

/// The northbound API of a platform, in its own words.
pub struct Dialect {
    /// That of its section of the configuration, a word without `_`.
    pub name: &'static str,
    /// What its paths begin with. Below the first, it answers what it does not have as well.
    pub prefixes: &'static [&'static str],
    /// The keys of its section with their values, made of those that are given; the error names what is wrong with them. The list itself
    /// knows `enabled`.
    pub settings: fn(Value) -> Result<Value, String>,
    /// Keys that stood elsewhere before, as `section.key`, and what they are called in its section.
    pub former_keys: &'static [(&'static str, &'static str)],
    /// Its OpenAPI document: the contract.
    pub document: &'static str,
    /// Its routes over a core, with such settings.
    pub routes: fn(Arc<Core>, Value) -> Result<Router, String>,
    /// What it answers where a handler panicked.
    pub form: Form,
    /// How its subscribers are told, where it has any that are told by a push.
    pub notifier: Option<&'static dyn Notifier>,
}

/// [`Dialect::settings`] of a type.
pub(crate) fn settings<T: Serialize + DeserializeOwned>(given: Value) -> Result<Value, String> {
    let read: T = serde_json::from_value(given).map_err(|error| error.to_string())?;
    serde_json::to_value(read).map_err(|error| error.to_string())
}
