//! The peer of oneM2M: ACME CSE from PyPI, as a child process behind its WSGI server. It keeps everything in memory and nothing durably.

use crate::{Outcome, clock, landfall::tail, onem2m::cse::Cse, process};
use hyper::StatusCode;
use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Where `scripts/setup.sh bench` installs it.
const PYTHON: &str = ".cache/acmecse/bin/python";
const START: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Its default is 100.
const CONNECTIONS_MAX: usize = 400;
const BASE: &str = "/cse-in";
const ADMIN: &str = "CAdmin";
const APPLICATION: &str = "Cbench";
/// Of the application entity, below the base.
const APPLICATION_NAME: &str = "bench";

/// A running ACME CSE.
pub struct Acme {
    child: Child,
    /// How an application talks to it.
    pub cse: Cse,
}

impl Acme {
    /// Starts an empty one with one application; its files go to `dir`.
    pub async fn start(dir: &Path) -> Outcome<Self> {
        std::fs::create_dir_all(dir)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        std::fs::write(dir.join("acme.ini"), configuration(address, dir))?;
        let log = dir.join("acme.log");
        let output = File::create(&log)?;
        let mut command = Command::new(std::path::absolute(PYTHON)?);
        // It reads its whole environment as configuration.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", dir).env("PYTHONUTF8", "1");
        command.args(["-m", "acmecse", "--headless", "--http-wsgi", "--db-type", "memory", "--log-level", "off"]);
        command.args(["--config", "acme.ini", "--base-directory"]).arg(dir).current_dir(dir);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().map_err(|e| format!("{PYTHON}: {e}; run scripts/setup.sh bench"))?;
        let mut acme = Self { child, cse: Cse::new(address, &format!("{BASE}/{APPLICATION_NAME}"), APPLICATION, None) };
        let began = clock::now();
        while !acme.answers().await {
            if let Some(status) = acme.child.try_wait()? {
                return Err(format!("ACME CSE ended with {status}: {}", tail(&log)).into());
            }
            if began.elapsed() > START {
                return Err(format!("ACME CSE does not answer: {}", tail(&log)).into());
            }
            clock::pause(POLL);
        }
        acme.register(address).await?;
        Ok(acme)
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether its base is there: it listens some time before that.
    async fn answers(&self) -> bool {
        let base = self.cse.of(BASE, ADMIN);
        match base.connect().await {
            Ok(mut http) => matches!(base.retrieve(&mut http, "").await, Ok((StatusCode::OK, _))),
            Err(_) => false,
        }
    }

    async fn register(&self, address: SocketAddr) -> Outcome<()> {
        let base = Cse::new(address, BASE, APPLICATION, None);
        let entity = format!(r#"{{"m2m:ae":{{"rn":"{APPLICATION_NAME}","api":"Nbench","rr":false,"srv":["4"]}}}}"#);
        base.create(&mut base.connect().await?, "", 2, entity.into()).await.map(drop)
    }
}

impl Drop for Acme {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Its version, as its package tells it.
pub fn version() -> Outcome<String> {
    let program = "import importlib.metadata as m; print('ACME CSE', m.version('acmecse'))";
    let text = process::output(PYTHON, &["-c", program]).map_err(|e| format!("{e}; run scripts/setup.sh bench"))?;
    Ok(text.trim().to_owned())
}

/// What it is not asked for here is off: it costs it time.
fn configuration(address: SocketAddr, dir: &Path) -> String {
    let mut text = format!(
        "[basic.config]\nbaseDirectory={}\nsecret=bench\ncseType=IN\ncseID=id-in\ncseName=cse-in\nadminID={ADMIN}\n\
         networkInterface={}\ncseHost={}\nhttpPort={}\ndatabaseType=memory\nlogLevel=off\n\
         [cse]\nenableRemoteCSE=false\n[cse.statistics]\nenable=false\n[console]\nheadless=true\n\
         [logging]\nenableScreenLogging=false\nenableFileLogging=false\n[scripting]\nfileMonitoringInterval=0\n\
         [http.wsgi]\nconnectionLimit={CONNECTIONS_MAX}\n[webui]\nenable=false\n[textui]\nenable=false\nstartWithTUI=false\n",
        dir.display(),
        address.ip(),
        address.ip(),
        address.port(),
    );
    for service in ["action", "announcement", "group", "location", "remoteCSE", "semantic", "time", "timeSeries"] {
        text.push_str(&format!("[cse.service.{service}]\nenable=false\n"));
    }
    text
}
