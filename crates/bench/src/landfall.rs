//! The program under measurement, as a child process on loopback ports of its own.

use crate::{Outcome, api::Http, clock, process};
use serde_json::Value;
use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const START: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(1);

/// A running `landfall serve`.
pub struct Landfall {
    child: Child,
    /// Its data directory.
    pub data: PathBuf,
    /// When the process was started.
    pub started: Instant,
    ports: Value,
}

impl Landfall {
    /// Starts `program` on a data directory and returns once it wrote its ports.
    pub fn start(program: &Path, data: &Path) -> Outcome<Self> {
        Self::start_with(program, data, &[])
    }

    /// The same with CoAP over DTLS at `coaps`, so that devices find a restarted server where they know it.
    pub fn start_at(program: &Path, data: &Path, coaps: SocketAddr) -> Outcome<Self> {
        Self::start_with(program, data, &[("LANDFALL_LISTEN_COAPS".to_owned(), coaps.to_string())])
    }

    /// The same with further environment variables, which win.
    pub fn start_with(program: &Path, data: &Path, environment: &[(String, String)]) -> Outcome<Self> {
        std::fs::create_dir_all(data)?;
        let ports_file = data.join("ports.json");
        if ports_file.exists() {
            std::fs::remove_file(&ports_file)?;
        }
        let log = data.with_extension("log");
        let mut command = Command::new(program);
        command.arg("serve").arg("--data").arg(data);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LANDFALL_")) {
            command.env_remove(name);
        }
        for listener in ["HTTPS", "HTTP", "BIND", "MQTT", "MQTTS", "MQTT_WS", "COAP", "COAPS"] {
            command.env(format!("LANDFALL_LISTEN_{listener}"), "127.0.0.1:0");
        }
        command.env("LANDFALL_PUSH_ALLOW_PRIVATE", "true");
        command.env("LANDFALL_NORTHBOUND_CALLS_PER_MINUTE", "0");
        command.env("LANDFALL_LOG_LEVEL", "warn");
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(File::create(&log)?).stderr(File::options().append(true).open(&log)?);
        let started = clock::now();
        let child = command.spawn()?;
        let mut server = Self { child, data: data.to_path_buf(), started, ports: Value::Null };
        while server.ports.is_null() {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("landfall ended with {status}: {}", tail(&log)).into());
            }
            if started.elapsed() > START {
                return Err(format!("landfall wrote no ports.json: {}", tail(&log)).into());
            }
            // The file may be read while it is written; then it is no JSON yet.
            let text = std::fs::read(&ports_file).unwrap_or_default();
            server.ports = serde_json::from_slice(&text).unwrap_or(Value::Null);
            if server.ports.is_null() {
                clock::pause(POLL);
            }
        }
        Ok(server)
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Address of a listener, by its key in `ports.json`.
    pub fn address(&self, listener: &str) -> Outcome<SocketAddr> {
        let place = &self.ports[listener];
        let (Some(host), Some(port)) = (place["host"].as_str(), place["port"].as_u64()) else {
            return Err(format!("no listener {listener} in ports.json").into());
        };
        Ok(SocketAddr::new(host.parse()?, u16::try_from(port)?))
    }

    /// A connection to the northbound and admin API without TLS.
    pub async fn http(&self) -> Outcome<Http> {
        Http::plain(self.address("http")?).await
    }

    /// A connection to the same over TLS.
    pub async fn https(&self) -> Outcome<Http> {
        Http::tls(self.address("https")?, &self.data.join("ca.pem")).await
    }

    /// Token of the operator.
    pub fn admin_token(&self) -> Outcome<String> {
        Ok(std::fs::read_to_string(self.data.join("admin.token"))?.trim().to_owned())
    }

    /// Ends it without a warning, as a crash would.
    pub fn kill(mut self) -> Outcome<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Shuts it down and waits for its end.
    pub fn stop(mut self) -> Outcome<()> {
        process::terminate(self.pid())?;
        let began = clock::now();
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > STOP {
                return Err(format!("landfall did not stop within {} s", STOP.as_secs()).into());
            }
            clock::pause(POLL);
        }
        Ok(())
    }
}

impl Drop for Landfall {
    fn drop(&mut self) {
        // After `stop` the process is gone and both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of a log.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}
