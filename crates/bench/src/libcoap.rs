//! The peer of LwM2M: Debian's `coap-server-openssl` of libcoap, as a child process. It shakes hands with one key for every identity, answers
//! requests and stores nothing.

use crate::{Outcome, clock, landfall::tail, process};
use std::{
    fs::File,
    net::{SocketAddr, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

const PROGRAM: &str = "coap-server-openssl";
const START: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
const ATTEMPTS: usize = 100;

/// A small resource that it has.
pub const RESOURCE: &str = "time";

/// A running `coap-server-openssl`.
pub struct CoapServer {
    child: Child,
    /// Where it speaks DTLS.
    pub address: SocketAddr,
}

impl CoapServer {
    /// Starts it with a pre-shared key; its log goes to `dir`.
    pub fn start(dir: &Path, key: &str) -> Outcome<Self> {
        std::fs::create_dir_all(dir)?;
        let address = free_pair()?;
        let log = dir.join("coap-server.log");
        let mut command = Command::new(PROGRAM);
        command.args(["-A", "127.0.0.1", "-p", &(address.port() - 1).to_string(), "-k", key, "-v", "2"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let child = command.spawn().map_err(|e| format!("{PROGRAM}: {e}"))?;
        let mut server = Self { child, address };
        let began = clock::now();
        // It has the port when nobody else can take it.
        while UdpSocket::bind(address).is_ok() {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("{PROGRAM} ended with {status}: {}", tail(&log)).into());
            }
            if began.elapsed() > START {
                return Err(format!("{PROGRAM} does not listen").into());
            }
            clock::pause(POLL);
        }
        Ok(server)
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for CoapServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The second of two free ports, as it takes the one behind its CoAP port for DTLS.
fn free_pair() -> Outcome<SocketAddr> {
    for _ in 0..ATTEMPTS {
        let first = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let Some(port) = first.port().checked_add(1) else { continue };
        let second = SocketAddr::new(first.ip(), port);
        if UdpSocket::bind(second).is_ok() {
            return Ok(second);
        }
    }
    Err("no two free ports in a row".into())
}

/// Its version, as the package manager tells it.
pub fn version() -> Outcome<String> {
    let text = process::output("dpkg-query", &["-W", "-f", "libcoap ${Version}", "libcoap3-bin"])?;
    Ok(text.trim().to_owned())
}
