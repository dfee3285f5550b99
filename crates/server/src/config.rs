//! Configuration: one TOML file, everything with a default, unknown keys refused by name, `LANDFALL_<SECTION>_<KEY>` overrides.

use crate::listeners;
use landfall_core::Settings;
use landfall_ingress::{Networks, Proxies};
use landfall_north::dialects::{DIALECTS, Sections};
use landfall_south::{PROTOCOLS, lwm2m, mqtt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{net::SocketAddr, path::Path, str::FromStr};

/// All that an operator may set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Listeners.
    pub listen: Listen,
    /// TLS of the listeners.
    pub tls: Tls,
    /// The database.
    pub store: StoreConfig,
    /// Limits and defaults of the domain.
    pub limits: Settings,
    /// Proxies in front of the listeners.
    pub proxy: Proxy,
    /// Northbound API.
    pub northbound: Northbound,
    /// MQTT access.
    pub mqtt: mqtt::Section,
    /// LwM2M access.
    pub lwm2m: lwm2m::Section,
    /// Pushes to applications.
    pub push: Push,
    /// Payload codecs.
    pub codec: Codec,
    /// Logs.
    pub log: Log,
    /// Dialects, a section each; any other section is refused here.
    #[serde(flatten)]
    pub dialects: Sections,
}

/// Addresses: `host:port`, port 0 for a free one, `off` for none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Northbound and admin over HTTPS.
    pub https: Address,
    /// The same without TLS; keep it on a loopback address.
    pub http: Address,
    /// Device bind over HTTPS.
    pub bind: Address,
    /// MQTT without TLS; on a loopback address unless devices cannot do TLS.
    pub mqtt: Address,
    /// MQTT over TLS.
    pub mqtts: Address,
    /// MQTT over WebSocket without TLS, for a proxy in front of it.
    pub mqtt_ws: Address,
    /// LwM2M over CoAP without DTLS; only devices whose product allows it are let in.
    pub coap: Address,
    /// LwM2M over CoAP and DTLS.
    pub coaps: Address,
}

impl Default for Listen {
    fn default() -> Self {
        let any = |port| Address::On(SocketAddr::from(([0, 0, 0, 0], port)));
        let own = |port| Address::On(SocketAddr::from(([127, 0, 0, 1], port)));
        Self {
            https: any(8743),
            http: own(8080),
            bind: any(8943),
            mqtt: own(1883),
            mqtts: any(8883),
            mqtt_ws: own(8083),
            coap: any(5683),
            coaps: any(5684),
        }
    }
}

impl Listen {
    /// No listener at all.
    pub fn off() -> Self {
        use Address::Off;
        Self { https: Off, http: Off, bind: Off, mqtt: Off, mqtts: Off, mqtt_ws: Off, coap: Off, coaps: Off }
    }

    /// The address of a listener by its key.
    pub fn address(&self, key: &str) -> Address {
        serde_json::from_value(member(self, key)).unwrap_or(Address::Off)
    }
}

fn member(of: &impl Serialize, name: &str) -> Value {
    serde_json::to_value(of).ok().and_then(|mut whole| whole.get_mut(name).map(Value::take)).unwrap_or_default()
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// Not at all.
    Off,
    /// Here.
    On(SocketAddr),
}

impl TryFrom<String> for Address {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        SocketAddr::from_str(&text)
            .map(Self::On)
            .map_err(|_| format!("{text:?} is neither host:port with a numeric host nor \"off\""))
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        match address {
            Address::Off => "off".into(),
            Address::On(address) => address.to_string(),
        }
    }
}

/// TLS of the listeners.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the operator's own certificate chain; empty: one of Landfall's own CA is made.
    pub certificate: String,
    /// PEM file of its key.
    pub key: String,
    /// PEM file of a certificate chain with an RSA key, shown to clients that know nothing else; empty: none.
    pub rsa_certificate: String,
    /// PEM file of its key.
    pub rsa_key: String,
    /// Further host names and addresses for the made certificate; localhost and the machine's name are always in it.
    pub names: Vec<String>,
}

/// The database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `postgres://...`; empty: SQLite in the data directory.
    pub url: String,
    /// Authorities of PostgreSQL's certificate (PEM file), for `sslmode=verify-full` in the URL.
    pub ca_file: String,
    /// Devices kept in memory (about 1 KiB each).
    pub cache_devices: usize,
    /// Seconds that PostgreSQL may be at a statement; half as long again, and a server that does not answer is given up.
    pub statement_s: u32,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: String::new(), ca_file: String::new(), cache_devices: 200_000, statement_s: 30 }
    }
}

/// Proxies and load balancers in front of the listeners that are believed when they name their clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Proxy {
    /// Addresses and networks whose connections begin with a PROXY protocol header, version 1 or 2; it is demanded of them.
    pub protocol_from: Vec<String>,
    /// TCP listeners that this is for, by their names in `listen`; empty: all of them.
    pub protocol_on: Vec<String>,
    /// Addresses and networks whose `X-Forwarded-For` counts, on HTTP and WebSocket listeners.
    pub forwarded_for_from: Vec<String>,
}

impl Proxy {
    /// The proxies of a listener. The error names the key.
    pub fn of(&self, listener: &str) -> Result<Proxies, String> {
        let networks = |key: &str, texts: &[String]| Networks::parse(texts).map_err(|e| format!("proxy.{key}: {e}"));
        let here = self.protocol_on.is_empty() || self.protocol_on.iter().any(|name| name == listener);
        let protocol_from = networks("protocol_from", &self.protocol_from)?;
        Ok(Proxies {
            protocol_from: if here { protocol_from } else { Networks::default() },
            forwarded_for_from: networks("forwarded_for_from", &self.forwarded_for_from)?,
        })
    }
}

/// Northbound API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Northbound {
    /// Open connections of a listener; when there is one more, the oldest idle one goes of the address that has the most.
    pub max_connections: usize,
    /// Requests of a listener that are worked on at a time; further ones wait, and addresses take turns.
    pub max_requests: usize,
    /// Bytes of all request bodies of a listener at a time; further ones wait, and addresses take turns.
    pub body_budget_bytes: usize,
    /// Bytes of a body that must come each second, counted over ten seconds.
    pub body_bytes_per_s: u32,
    /// Seconds for a whole body; those that may be large have the rate alone.
    pub body_s: u32,
    /// Seconds for a TLS handshake.
    pub handshake_s: u32,
    /// Whether /metrics needs no token.
    pub open_metrics: bool,
}

impl Default for Northbound {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_requests: 10_000,
            body_budget_bytes: 128 * 1024 * 1024,
            body_bytes_per_s: 500,
            body_s: 120,
            handshake_s: 30,
            open_metrics: false,
        }
    }
}

/// Pushes to applications.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Push {
    /// Whether callbacks may go to private and loopback addresses.
    pub allow_private: bool,
    /// Networks (CIDR) and host names that callbacks may go to although they are private.
    pub allow: Vec<String>,
    /// PEM files of further certificate authorities.
    pub ca_files: Vec<String>,
    /// Requests in flight for one subscription.
    pub concurrency: usize,
    /// Time for one push in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Push {
    fn default() -> Self {
        Self { allow_private: false, allow: vec![], ca_files: vec![], concurrency: 32, timeout_ms: 15_000 }
    }
}

/// Payload codecs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Codec {
    /// Time for one run in milliseconds.
    pub time_ms: u32,
    /// Threads that run them.
    pub workers: usize,
}

impl Default for Codec {
    fn default() -> Self {
        Self { time_ms: 10, workers: 2 }
    }
}

/// Logs, to standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives like `info,landfall_push=debug`.
    pub level: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

/// Form of the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogFormat {
    Text,
    Json,
}

/// Variables with the prefix that are no configuration.
const OTHER_VARIABLES: [&str; 7] = [
    "LANDFALL_DATA",
    "LANDFALL_CONFIG",
    "LANDFALL_TOKEN",
    "LANDFALL_ACCOUNT",
    "LANDFALL_SERVER",
    "LANDFALL_CA",
    "LANDFALL_TOKEN_FILE",
];

impl Config {
    /// Reads the file, if there is one, and the overrides. The error names the file, key or variable.
    pub fn load(file: Option<&Path>, variables: impl Iterator<Item = (String, String)>) -> Result<Self, String> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?,
            None => String::new(),
        };
        let origin = file.map_or_else(|| "configuration".to_owned(), |path| path.display().to_string());
        let mut table: toml::Table = toml::from_str(&text).map_err(|e| format!("{origin}: {e}"))?;
        for (name, value) in variables {
            override_by(&mut table, &name, &value)?;
        }
        take_former_keys(&mut table)?;
        let config: Self = table.try_into().map_err(|e| format!("{origin}: {e}"))?;
        config.check()?;
        Ok(config)
    }

    /// A section by its name.
    pub fn section(&self, name: &str) -> Value {
        member(self, name)
    }

    fn check(&self) -> Result<(), String> {
        if self.tls.certificate.is_empty() != self.tls.key.is_empty() {
            return Err("tls.certificate and tls.key must be given together".into());
        }
        if self.tls.rsa_certificate.is_empty() != self.tls.rsa_key.is_empty() {
            return Err("tls.rsa_certificate and tls.rsa_key must be given together".into());
        }
        self.proxy.of("")?;
        let streams: Vec<_> = listeners::streams().collect();
        if let Some(name) = self.proxy.protocol_on.iter().find(|name| !streams.contains(&name.as_str())) {
            return Err(format!("proxy.protocol_on: {name:?} is none of {}", streams.join(", ")));
        }
        if self.limits.abnormal_after_s >= self.limits.offline_after_s {
            return Err("limits.abnormal_after_s must be below limits.offline_after_s".into());
        }
        if self.limits.jobs > u64::from(Settings::MOST_JOBS) {
            return Err(format!("limits.jobs must be at most {}", Settings::MOST_JOBS));
        }
        if self.limits.hand_over_s < 10 {
            return Err("limits.hand_over_s must be at least 10".into());
        }
        for (name, value) in [
            ("limits.job_in_flight", self.limits.job_in_flight as usize),
            ("store.statement_s", self.store.statement_s as usize),
            ("push.concurrency", self.push.concurrency),
            ("codec.workers", self.codec.workers),
            ("northbound.max_connections", self.northbound.max_connections),
            ("northbound.max_requests", self.northbound.max_requests),
            ("northbound.body_budget_bytes", self.northbound.body_budget_bytes),
            ("northbound.body_s", self.northbound.body_s as usize),
            ("northbound.handshake_s", self.northbound.handshake_s as usize),
        ] {
            if value == 0 {
                return Err(format!("{name} must be at least 1"));
            }
        }
        for protocol in PROTOCOLS {
            let section = self.section(protocol.name);
            if let Some(key) = protocol.at_least_1.iter().find(|key| section.get(**key).is_some_and(|value| *value == 0)) {
                return Err(format!("{}.{key} must be at least 1", protocol.name));
            }
        }
        Ok(())
    }
}

fn override_by(table: &mut toml::Table, name: &str, value: &str) -> Result<(), String> {
    let Some(rest) = name.strip_prefix("LANDFALL_") else { return Ok(()) };
    if OTHER_VARIABLES.contains(&name) || rest.starts_with("TEST_") {
        return Ok(());
    }
    let lower = rest.to_ascii_lowercase();
    let (section, key) = lower.split_once('_').ok_or_else(|| format!("{name} names no section and key"))?;
    let value = toml::from_str::<toml::Table>(&format!("v = {value}"))
        .ok()
        .and_then(|mut parsed| parsed.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let section = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    let section = section.as_table_mut().ok_or_else(|| format!("{name}: that section is no table"))?;
    section.insert(key.to_owned(), value);
    Ok(())
}

/// Brings keys that have moved into the section of a dialect from where they stood before.
fn take_former_keys(table: &mut toml::Table) -> Result<(), String> {
    for dialect in DIALECTS {
        for (former, key) in dialect.former_keys {
            let Some((section, old)) = former.split_once('.') else { continue };
            let given = table.get_mut(section).and_then(toml::Value::as_table_mut).and_then(|section| section.remove(old));
            let Some(given) = given else { continue };
            let own = table.entry(dialect.name).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            let own = own.as_table_mut().ok_or_else(|| format!("{}: that section is no table", dialect.name))?;
            if own.insert((*key).to_owned(), given).is_some() {
                return Err(format!("{former} is the former name of {}.{key}: give one of them", dialect.name));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
