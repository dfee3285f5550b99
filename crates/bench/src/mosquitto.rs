//! The peer: mosquitto from Debian, as a child process. It checks a password like Landfall, but stores nothing durably.

use crate::{Outcome, clock, landfall::tail, mqtt::Login, process};
use std::{
    fs::File,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

const START: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);
const USER: &str = "bench";
const PASSWORD: &str = "bench-password";

/// A running mosquitto.
pub struct Mosquitto {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Mosquitto {
    /// Starts it; its files go to `dir`. `persistence` keeps sessions and retained messages in a file that is not synced.
    pub fn start(dir: &Path, persistence: bool) -> Outcome<Self> {
        std::fs::create_dir_all(dir)?;
        let passwords = dir.join("passwords");
        process::output("mosquitto_passwd", &["-b", "-c", &passwords.display().to_string(), USER, PASSWORD])?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = dir.join("mosquitto.conf");
        std::fs::write(&config, configuration(address, &passwords, dir, persistence)?)?;
        let log = dir.join("mosquitto.log");
        let mut command = Command::new(program()?);
        command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let mut broker = Self { child: command.spawn()?, address };
        let began = clock::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = broker.child.try_wait()? {
                return Err(format!("mosquitto ended with {status}: {}", tail(&log)).into());
            }
            if began.elapsed() > START {
                return Err("mosquitto does not listen".into());
            }
            clock::pause(POLL);
        }
        Ok(broker)
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A login of a device of this id.
    pub fn login(device: &str) -> Login {
        Login { client_id: device.to_owned(), username: USER.into(), password: PASSWORD.into() }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Its version, as it says it.
pub fn version() -> Outcome<String> {
    // It prints its help with exit status 3.
    let help = Command::new(program()?).arg("-h").output()?;
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    Ok(text.lines().next().unwrap_or("mosquitto of unknown version").to_owned())
}

fn program() -> Outcome<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    folders.push("/usr/sbin".into());
    let found = folders.into_iter().map(|folder| folder.join("mosquitto")).find(|path| path.exists());
    Ok(found.ok_or("mosquitto is not installed")?)
}

fn configuration(address: SocketAddr, passwords: &Path, dir: &Path, persistence: bool) -> Outcome<String> {
    let user = process::output("id", &["-un"])?;
    let mut text = format!(
        "listener {} {}\nuser {}\nallow_anonymous false\npassword_file {}\nmax_connections -1\nset_tcp_nodelay true\n\
         log_dest stderr\nlog_type error\nconnection_messages false\nautosave_interval 0\n",
        address.port(),
        address.ip(),
        user.trim(),
        passwords.display()
    );
    if persistence {
        text.push_str(&format!("persistence true\npersistence_location {}/\n", dir.display()));
    } else {
        text.push_str("persistence false\n");
    }
    Ok(text)
}
