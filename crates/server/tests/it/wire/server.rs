//! Starts the program and finds its ports.

use landfall_south::PROTOCOLS;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

/// Says where all listeners of a server are to be.
pub fn listen_at(command: &mut Command, address: &str) {
    let of_devices = PROTOCOLS.iter().flat_map(|protocol| protocol.listeners).map(|listener| listener.key);
    for key in ["https", "http", "bind"].into_iter().chain(of_devices) {
        command.env(format!("LANDFALL_LISTEN_{}", key.to_uppercase()), address);
    }
}

/// A running server; killed when dropped.
pub struct Server {
    child: Option<Child>,
    data: PathBuf,
    ports: Value,
    extra: Vec<(String, String)>,
    log: Option<PathBuf>,
    _own: Option<tempfile::TempDir>,
}

impl Server {
    /// On a fresh data directory.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With configuration overrides.
    pub fn start_with(extra: &[(&str, &str)]) -> Self {
        Self::start_logging_to(extra, None)
    }

    /// With its log in a file that is there; `None`: with that of the tests.
    pub fn start_logging_to(extra: &[(&str, &str)], log: Option<&Path>) -> Self {
        let own = tempfile::tempdir().unwrap();
        let data = own.path().to_owned();
        let extra = extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let log = log.map(Path::to_owned);
        let mut server = Self { child: None, data, ports: Value::Null, extra, log, _own: Some(own) };
        server.resume();
        server
    }

    /// Starts the program again on the same directory.
    pub fn resume(&mut self) {
        self.resume_with(&[]);
    }

    /// With these configuration overrides from its next start on.
    pub fn set(&mut self, extra: &[(&str, &str)]) {
        self.extra = extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    }

    /// The same with further arguments.
    pub fn resume_with(&mut self, arguments: &[&str]) {
        let ports = self.data.join("ports.json");
        let _ = std::fs::remove_file(&ports);
        let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
        command.arg("serve").arg("--data").arg(&self.data).args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        listen_at(&mut command, "127.0.0.1:0");
        command.env("LANDFALL_PUSH_ALLOW_PRIVATE", "true").env("LANDFALL_LOG_LEVEL", "warn");
        command.envs(self.extra.iter().map(|(name, value)| (name, value)));
        if let Some(log) = &self.log {
            command.stderr(std::fs::File::options().write(true).open(log).unwrap());
        }
        self.child = Some(command.spawn().unwrap());
        self.ports = loop {
            if let Some(found) = std::fs::read(&ports).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
                break found;
            }
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the server ended at start: {ended:?}");
            pause();
        };
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> bool {
        self.signal("-TERM");
        self.child.take().is_some_and(|mut child| child.wait().unwrap().success())
    }

    /// How it ended, if it did by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().unwrap())
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn admin_token(&self) -> String {
        std::fs::read_to_string(self.data.join("admin.token")).unwrap().trim().to_owned()
    }

    /// The port of a listener, by its key in ports.json.
    pub fn port(&self, name: &str) -> u16 {
        self.ports[name]["port"].as_u64().unwrap_or_else(|| panic!("no port {name} in {}", self.ports)) as u16
    }

    /// The plain HTTP listener.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port("http"))
    }

    /// The command line, pointed at this server.
    pub fn cli(&self, arguments: &[&str]) -> (bool, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_landfall"))
            .args(arguments)
            .env("LANDFALL_DATA", &self.data)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until `done` gives something, at most 30 s.
pub fn until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1500 {
        if let Some(value) = done() {
            return value;
        }
        pause();
    }
    panic!("waited 30 s for {what}");
}

#[allow(clippy::disallowed_methods, reason = "another process can only be looked at again after a while")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
