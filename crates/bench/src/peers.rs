//! Peers for what mosquitto does not do, as child processes of this same program, so that they have a process for themselves as Landfall has.
//!
//! `echo`: a bare hyper server that answers every request with the same body. `post`: a bare loop that posts one body over some
//! connections. `datagrams`: a bare UDP socket that answers every datagram with one of a fixed size. Absent: routes, checks, storage; they show what the HTTP library and the machine give at most.

use crate::{Outcome, api::Http, clock};
use bytes::Bytes;
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use std::{
    convert::Infallible,
    io::{BufRead, BufReader},
    net::{SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// This program, even when the file it was started from was replaced meanwhile.
const OWN: &str = "/proc/self/exe";

/// A running echo server.
pub struct Echo {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its certificate, if it speaks TLS.
    pub certificate: PathBuf,
}

impl Echo {
    /// Starts one that answers with `answer`; its files go to `dir`.
    pub fn start(dir: &Path, answer: &[u8], tls: bool) -> Outcome<Self> {
        std::fs::create_dir_all(dir)?;
        let (body, certificate) = (dir.join("echo.body"), dir.join("echo.pem"));
        std::fs::write(&body, answer)?;
        let mut command = Command::new(OWN);
        command.arg("--peer").arg("echo").arg("--body").arg(&body);
        if tls {
            command.arg("--certificate").arg(&certificate);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no output of the echo server")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|e| format!("the echo server says {line:?}: {e}"));
        let echo = Self { child, address: address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))), certificate };
        if echo.address.port() == 0 { Err(format!("the echo server says {line:?}").into()) } else { Ok(echo) }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running datagram echo.
pub struct DatagramEcho {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl DatagramEcho {
    /// Starts one that answers each datagram with one of `answer_bytes`.
    pub fn start(answer_bytes: usize) -> Outcome<Self> {
        let mut command = Command::new(OWN);
        command.args(["--peer", "datagrams", "--count", &answer_bytes.to_string()]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let mut echo = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        echo.address = line.trim().parse().map_err(|e| format!("the datagram echo says {line:?}: {e}"))?;
        Ok(echo)
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for DatagramEcho {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The datagram echo itself; prints its address and serves until it is killed.
pub fn run_datagrams(answer_bytes: usize) -> Outcome<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    println!("{}", socket.local_addr()?);
    let mut buffer = [0; 65_536];
    let answer = vec![7; answer_bytes];
    loop {
        let (_, from) = socket.recv_from(&mut buffer)?;
        socket.send_to(&answer, from)?;
    }
}

/// Runs the posting loop to its end and returns how long it took.
pub fn post_loop(dir: &Path, address: SocketAddr, body: &[u8], count: u64, connections: u64) -> Outcome<Duration> {
    let file = dir.join("post.body");
    std::fs::write(&file, body)?;
    let mut command = Command::new(OWN);
    command.args(["--peer", "post", "--address", &address.to_string(), "--count", &count.to_string()]);
    command.args(["--connections", &connections.to_string()]).arg("--body").arg(&file);
    let done = command.stdin(Stdio::null()).output()?;
    if !done.status.success() {
        return Err(format!("the posting loop: {}", String::from_utf8_lossy(&done.stderr)).into());
    }
    let micros: u64 = String::from_utf8_lossy(&done.stdout).trim().parse()?;
    Ok(Duration::from_micros(micros))
}

/// The echo server itself; prints its address and serves until it is killed. With a path it speaks TLS and leaves its certificate there.
pub async fn run_echo(body: &Path, certificate: Option<&Path>) -> Outcome<()> {
    let answer = Bytes::from(std::fs::read(body)?);
    let acceptor = certificate.map(acceptor).transpose()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let (answer, acceptor) = (answer.clone(), acceptor.clone());
        tokio::spawn(async move {
            // The client closes its connections when it is done.
            let _ = match acceptor {
                None => echo(TokioIo::new(tcp), answer).await,
                Some(acceptor) => match acceptor.accept(tcp).await {
                    Ok(tls) => echo(TokioIo::new(tls), answer).await,
                    Err(e) => Err(e.into()),
                },
            };
        });
    }
}

async fn echo<I: hyper::rt::Read + hyper::rt::Write + Unpin>(io: I, answer: Bytes) -> Outcome<()> {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            // The request is read to its end, as Landfall must.
            let _ = request.into_body().collect().await;
            let mut response = Response::new(Full::new(answer));
            response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
            Ok::<_, Infallible>(response)
        }
    });
    Ok(http1::Builder::new().serve_connection(io, service).await?)
}

fn acceptor(certificate: &Path) -> Outcome<TlsAcceptor> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    std::fs::write(certificate, made.cert.pem())?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The posting loop itself; prints the microseconds it took.
pub async fn run_post(address: SocketAddr, body: &Path, count: u64, connections: u64) -> Outcome<()> {
    let body = Bytes::from(std::fs::read(body)?);
    let mut lanes = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        lanes.push(Http::over(stream, address).await?);
    }
    let began = clock::now();
    let lanes = lanes.into_iter().zip(0..).map(|(mut http, lane): (Http, u64)| {
        let body = body.clone();
        tokio::spawn(async move {
            for _ in (lane..count).step_by(usize::try_from(connections)?) {
                let (status, _) = http.call(Method::POST, "/ok", &[("content-type", "application/json")], body.clone()).await?;
                if !status.is_success() {
                    return Err(format!("the receiver answers {status}").into());
                }
            }
            Outcome::Ok(())
        })
    });
    for outcome in try_join_all(lanes).await? {
        outcome?;
    }
    println!("{}", began.elapsed().as_micros());
    Ok(())
}
