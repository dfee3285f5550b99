//! The faults, and what each needs: a database, a small disk, a clock that can be set, many clients.

use super::ground::Ground;
use crate::{Outcome, clock, process};
use clap::ValueEnum;
use postgres::{Client, NoTls};
use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    time::sleep,
};

/// URL of a PostgreSQL whose user may make databases.
const POSTGRES: &str = "LANDFALL_TEST_POSTGRES";
/// The library that fakes the wall clock, where Debian puts it on this kind of machine.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
const DISK: &str = "size=256m";
/// How long a disk stays full, a clock wrong, a body slow.
const LASTS: Duration = Duration::from_secs(3);
const JUMP: &str = "+400d";
const SLOW_BODIES: usize = 2_000;
/// Slow clients have an address of their own, as attackers do.
const STRANGER: [u8; 4] = [127, 0, 0, 2];

/// What a round does to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// kill -9.
    Kill,
    /// All connections to PostgreSQL are terminated.
    Postgres,
    /// The disk is full for a while.
    Disk,
    /// The wall clock is 400 days ahead for a while.
    Clock,
    /// Thousands of bodies that never end.
    Bodies,
    /// Load as fast as it goes, until the database's log has begun anew.
    Speed,
}

impl Fault {
    /// As in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::Postgres => "PostgreSQL connections terminated",
            Self::Disk => "disk full",
            Self::Clock => "clock 400 days ahead",
            Self::Bodies => "2,000 slow bodies",
            Self::Speed => "full speed beyond the bound of the log",
        }
    }

    /// What this machine lacks for it.
    pub fn missing(self) -> Option<&'static str> {
        let root = || process::output("id", &["-u"]).is_ok_and(|id| id.trim() == "0");
        match self {
            Self::Postgres if std::env::var_os(POSTGRES).is_none() => Some("LANDFALL_TEST_POSTGRES names no PostgreSQL"),
            Self::Disk if !root() => Some("only root can mount a small disk"),
            Self::Clock if !Path::new(FAKETIME).exists() => Some("libfaketime is not installed"),
            _ => None,
        }
    }

    /// Does it.
    pub async fn strike(self, ground: &mut Ground) -> Outcome<()> {
        match self {
            Self::Kill => ground.kill().await,
            Self::Postgres => {
                let url = std::env::var(POSTGRES)?;
                let database = ground.stage.database.clone();
                tokio::task::spawn_blocking(move || terminate(&url, &database)).await?
            }
            Self::Disk => {
                let filler = ground.stage.data.join("filler");
                fill(&filler)?;
                sleep(LASTS).await;
                Ok(std::fs::remove_file(filler)?)
            }
            Self::Clock => {
                std::fs::write(&ground.stage.clock, JUMP)?;
                sleep(LASTS).await;
                Ok(std::fs::write(&ground.stage.clock, "+0")?)
            }
            Self::Bodies => {
                let address = ground.server.as_ref().ok_or("the server does not run")?.address("http")?;
                let mut slow = Vec::with_capacity(SLOW_BODIES);
                for _ in 0..SLOW_BODIES {
                    slow.extend(slow_body(address).await);
                }
                let began = clock::now();
                while began.elapsed() < LASTS {
                    ground.wait_for_progress().await?;
                    for stream in &mut slow {
                        // The server may well have closed it.
                        let _ = stream.write_all(b" ").await;
                    }
                }
                Ok(())
            }
            Self::Speed => ground.hurry().await,
        }
    }
}

async fn slow_body(address: std::net::SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind((STRANGER, 0).into()).ok()?;
    let mut stream = socket.connect(address).await.ok()?;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n",
        crate::api::REGISTER
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    Some(stream)
}

fn terminate(url: &str, database: &str) -> Outcome<()> {
    let mut client = Client::connect(url, NoTls)?;
    client.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", &[&database])?;
    Ok(())
}

/// Writes until nothing more fits.
fn fill(path: &Path) -> Outcome<()> {
    let mut file = File::create(path)?;
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    Ok(())
}

/// Where a server runs that is to suffer.
pub struct Stage {
    /// Its data directory.
    pub data: PathBuf,
    /// What is set for it.
    pub environment: Vec<(String, String)>,
    /// Name of its database, on PostgreSQL.
    database: String,
    /// The file that sets its clock.
    clock: PathBuf,
    mounted: Option<PathBuf>,
}

impl Stage {
    /// Makes it below `dir`.
    pub fn prepare(fault: Fault, dir: &Path) -> Outcome<Self> {
        let dir = dir.join(format!("{fault:?}"));
        // The server's log stays beside it, and so on another disk than the one that is filled.
        let data = dir.join("data");
        std::fs::create_dir_all(&data)?;
        let mut stage = Self {
            data: data.clone(),
            environment: Vec::new(),
            database: format!("landfall_chaos_{}", std::process::id()),
            clock: dir.join("clock"),
            mounted: None,
        };
        match fault {
            Fault::Postgres => {
                let url = std::env::var(POSTGRES)?;
                let database = stage.database.clone();
                // The client blocks, and it has a runtime of its own that must not run within ours.
                std::thread::spawn(move || Client::connect(&url, NoTls)?.batch_execute(&format!("CREATE DATABASE {database}")))
                    .join()
                    .map_err(|_| "the database could not be made")??;
                let (server, _) = std::env::var(POSTGRES)?
                    .rsplit_once('/')
                    .map(|(s, d)| (s.to_owned(), d.to_owned()))
                    .ok_or("no database in the URL")?;
                stage.set("LANDFALL_STORE_URL", format!("{server}/{}", stage.database));
            }
            Fault::Disk => {
                process::output("mount", &["-t", "tmpfs", "-o", DISK, "landfall-chaos", &data.display().to_string()])?;
                stage.mounted = Some(data);
            }
            Fault::Clock => {
                std::fs::write(&stage.clock, "+0")?;
                stage.set("LD_PRELOAD", FAKETIME.into());
                stage.set("FAKETIME_TIMESTAMP_FILE", stage.clock.display().to_string());
                stage.set("FAKETIME_NO_CACHE", "1".into());
                stage.set("FAKETIME_DONT_FAKE_MONOTONIC", "1".into());
            }
            Fault::Kill | Fault::Bodies | Fault::Speed => {}
        }
        Ok(stage)
    }

    fn set(&mut self, name: &str, value: String) {
        self.environment.push((name.into(), value));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(disk) = &self.mounted {
            let _ = process::output("umount", &["--lazy", &disk.display().to_string()]);
        }
    }
}
