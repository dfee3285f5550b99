//! Where the server is and which token opens it: from its data directory, or as told.

use super::{Done, Failure, read_file};
use clap::Args;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// How to reach the server.
#[derive(Args, Debug)]
#[command(next_help_heading = "Server")]
pub struct Connection {
    /// Data directory of the server
    #[arg(long, global = true, env = "LANDFALL_DATA", default_value = "./landfall-data", value_name = "DIR")]
    data: PathBuf,
    /// Address of a server elsewhere, such as https://iot.example.org:8743
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// File with the operator token; else the variable LANDFALL_TOKEN, else DIR/admin.token
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates that sign the server's; else DIR/ca.pem
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Account by id or name
    #[arg(long, global = true)]
    account: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// A server and the right to use it.
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    /// The certificates to trust, in PEM; absent for plain HTTP.
    pub(super) ca_pem: Option<Vec<u8>>,
    pub(super) token: String,
    pub(super) account: Option<String>,
}

impl Connection {
    /// Finds the server.
    pub(super) fn resolve(&self) -> Done<Target> {
        let (secure, host, port) = match &self.server {
            Some(url) => split_url(url)?,
            None => self.local()?,
        };
        let ca_pem = if secure { Some(self.ca_pem()?) } else { None };
        Ok(Target { host, port, ca_pem, token: self.token()?, account: self.account.clone() })
    }

    fn local(&self) -> Done<(bool, String, u16)> {
        let path = self.data.join("ports.json");
        let text = std::fs::read(&path).map_err(|error| {
            Failure::new(format!(
                "no server found: cannot read {} ({error}); start one, or give --data or --server",
                path.display()
            ))
        })?;
        let ports: Value =
            serde_json::from_slice(&text).map_err(|error| Failure::new(format!("{} is broken: {error}", path.display())))?;
        choose(&ports).ok_or_else(|| Failure::new(format!("{} names no http or https port", path.display())))
    }

    fn token(&self) -> Done<String> {
        let from_file = |path: &Path| Ok(String::from_utf8_lossy(&read_file(path)?).trim().to_owned());
        if let Some(path) = &self.token_file {
            return from_file(path);
        }
        match std::env::var("LANDFALL_TOKEN") {
            Ok(token) if !token.trim().is_empty() => Ok(token.trim().to_owned()),
            _ => from_file(&self.data.join("admin.token")),
        }
    }

    fn ca_pem(&self) -> Done<Vec<u8>> {
        match &self.ca {
            Some(path) => read_file(path),
            None => read_file(&self.data.join("ca.pem")),
        }
    }
}

/// The plain port on loopback when there is one, else HTTPS.
fn choose(ports: &Value) -> Option<(bool, String, u16)> {
    let named = |name: &str, secure| {
        let listener = &ports[name];
        let port = u16::try_from(listener["port"].as_u64()?).ok()?;
        Some((secure, reachable(listener["host"].as_str()?), port))
    };
    named("http", false).or_else(|| named("https", true))
}

/// Where a listener on all addresses is reached from this machine.
fn reachable(host: &str) -> String {
    match host {
        "" | "0.0.0.0" | "::" | "[::]" => "localhost".into(),
        host => host.trim_matches(['[', ']']).into(),
    }
}

fn split_url(url: &str) -> Done<(bool, String, u16)> {
    let wrong = || Failure::new("--server must be a URL such as https://iot.example.org:8743");
    let uri: hyper::Uri = url.parse().map_err(|_| wrong())?;
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(wrong()),
    };
    if !matches!(uri.path(), "" | "/") {
        return Err(wrong());
    }
    let host = uri.host().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    Ok((secure, host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_http_is_preferred_on_the_same_machine() {
        let https = json!({ "host": "0.0.0.0", "port": 8743 });
        let http = json!({ "host": "127.0.0.1", "port": 8080 });
        assert_eq!(choose(&json!({ "http": http, "https": https })), Some((false, "127.0.0.1".into(), 8080)));
        assert_eq!(choose(&json!({ "https": https })), Some((true, "localhost".into(), 8743)));
        assert_eq!(choose(&json!({ "mqtt": https })), None);
        assert_eq!(choose(&json!({ "http": { "host": "x", "port": 70_000 } })), None);
    }

    #[test]
    fn urls_are_split() {
        assert_eq!(split_url("https://a.example:8743"), Ok((true, "a.example".into(), 8743)));
        assert_eq!(split_url("http://[::1]/"), Ok((false, "::1".into(), 80)));
        for bad in ["a.example", "ftp://a", "https://a/api", "https://"] {
            assert!(split_url(bad).is_err(), "{bad}");
        }
    }
}
