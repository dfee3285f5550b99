//! One keep-alive connection to the admin API.

use super::{Done, Failure, connect::Target};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request,
    body::{Body, Bytes, Frame, SizeHint},
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::Value;
use std::{
    cell::RefCell,
    fmt::Write,
    io::{Read, Write as _},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// For all of a file.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(6 * 3_600);
/// Bytes of a file that are read at once.
const PIECE: u64 = 64 * 1024;
const ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// A client of the admin API.
pub(super) struct Client {
    target: Target,
    /// Taken while a request is under way.
    open: RefCell<Option<SendRequest<Sending>>>,
}

/// What a request carries.
pub(super) enum Payload {
    Nothing,
    Json(Value),
    /// Bytes with their media type.
    Raw(&'static str, Vec<u8>),
    /// A file with its media type, read while it is sent.
    File(&'static str, PathBuf),
}

/// A body on its way.
enum Sending {
    Whole(Full<Bytes>),
    File(std::fs::File, u64),
}

impl Body for Sending {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match &mut *self {
            Self::Whole(whole) => Pin::new(whole).poll_frame(context).map_err(|never| match never {}),
            Self::File(_, 0) => Poll::Ready(None),
            Self::File(file, left) => {
                let mut bytes = vec![0; PIECE.min(*left) as usize];
                Poll::Ready(Some(file.read_exact(&mut bytes).map(|()| {
                    *left -= bytes.len() as u64;
                    Frame::data(bytes.into())
                })))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::File(_, left) => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::File(_, left) => SizeHint::with_exact(*left),
        }
    }
}

/// Query parameters; absent values are left out.
pub(super) type Query<'a> = &'a [(&'a str, Option<String>)];

/// Which page of a list.
#[derive(clap::Args, Debug)]
pub struct Paging {
    /// Page, from 0 on
    #[arg(long, value_name = "N", default_value_t = 0)]
    page: u64,
    /// Entries a page, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 50)]
    page_size: u32,
}

impl Paging {
    pub(super) fn query(&self) -> Vec<(&'static str, Option<String>)> {
        vec![("pageNo", Some(self.page.to_string())), ("pageSize", Some(self.page_size.to_string()))]
    }
}

impl Client {
    pub(super) fn new(target: Target) -> Self {
        Self { target, open: RefCell::new(None) }
    }

    pub(super) async fn get(&self, path: &str, query: Query<'_>) -> Done<Value> {
        self.call(Method::GET, path, query, Payload::Nothing).await
    }

    pub(super) async fn post(&self, path: &str, query: Query<'_>, body: Value) -> Done<Value> {
        self.call(Method::POST, path, query, Payload::Json(body)).await
    }

    pub(super) async fn patch(&self, path: &str, body: Value) -> Done<Value> {
        self.call(Method::PATCH, path, &[], Payload::Json(body)).await
    }

    pub(super) async fn put(&self, path: &str) -> Done<Value> {
        self.call(Method::PUT, path, &[], Payload::Nothing).await
    }

    pub(super) async fn put_json(&self, path: &str, body: Value) -> Done<Value> {
        self.call(Method::PUT, path, &[], Payload::Json(body)).await
    }

    pub(super) async fn delete(&self, path: &str, query: Query<'_>) -> Done<Value> {
        self.call(Method::DELETE, path, query, Payload::Nothing).await
    }

    /// One request; null for an answer without a body. An error answer becomes a `Failure` with its cause.
    pub(super) async fn call(&self, method: Method, path: &str, query: Query<'_>, payload: Payload) -> Done<Value> {
        let wait = if matches!(payload, Payload::File(..)) { UPLOAD_TIMEOUT } else { ANSWER_TIMEOUT };
        let request = self.request(method, path, query, payload)?;
        let mut sender = self.sender().await?;
        let answer = timeout(wait, async {
            let response = sender.send_request(request).await.map_err(|error| self.lost(&error.to_string()))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
            Ok((status, body.map_err(|error| self.lost(&error.to_string()))?.to_bytes()))
        });
        let (status, body) = answer.await.map_err(|_| self.lost(&format!("no answer within {} s", wait.as_secs())))??;
        self.open.replace(Some(sender));
        let value: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap_or(Value::Null) };
        if status.is_success() { Ok(value) } else { Err(refused(status.as_u16(), &value)) }
    }

    /// Writes the answer into a file that only the user may read, while it comes.
    pub(super) async fn download(&self, path: &str, into: &Path) -> Done {
        let request = self.request(Method::GET, path, &[], Payload::Nothing)?;
        let mut sender = self.sender().await?;
        let lost = |error: hyper::Error| self.lost(&error.to_string());
        let response = timeout(ANSWER_TIMEOUT, sender.send_request(request)).await;
        let response = response.map_err(|_| self.lost("no answer within 120 s"))?.map_err(lost)?;
        if !response.status().is_success() {
            return Err(Failure::new(format!("the server answered {}", response.status())));
        }
        let (mut file, mut body) = (super::private_file(into)?, response.into_body());
        while let Some(frame) = timeout(ANSWER_TIMEOUT, body.frame()).await.map_err(|_| self.lost("the answer stopped"))? {
            if let Ok(bytes) = frame.map_err(lost)?.into_data() {
                let written = file.write_all(&bytes);
                written.map_err(|error| Failure::new(format!("cannot write {}: {error}", into.display())))?;
            }
        }
        self.open.replace(Some(sender));
        Ok(())
    }

    /// The open connection, unless the server closed it meanwhile.
    async fn sender(&self) -> Done<SendRequest<Sending>> {
        let open = self.open.take();
        if let Some(mut sender) = open
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        self.connect().await
    }

    fn request(&self, method: Method, path: &str, query: Query<'_>, payload: Payload) -> Done<Request<Sending>> {
        let mut uri = format!("/api/v1{path}");
        let account = [("account", self.target.account.clone())];
        let given = query.iter().chain(&account).filter_map(|(name, value)| Some((name, value.as_ref()?)));
        for (n, (name, value)) in given.enumerate() {
            let _ = write!(uri, "{}{name}={}", if n == 0 { '?' } else { '&' }, encoded(value));
        }
        let host = if self.target.host.contains(':') { format!("[{}]", self.target.host) } else { self.target.host.clone() };
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::HOST, format!("{host}:{}", self.target.port))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.target.token));
        let body = match payload {
            Payload::Nothing => vec![],
            Payload::Json(value) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                value.to_string().into_bytes()
            }
            Payload::Raw(media, bytes) => {
                request = request.header(header::CONTENT_TYPE, media);
                bytes
            }
            Payload::File(media, path) => {
                let opened = std::fs::File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
                let (bytes, file) = opened.map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
                let body = request.header(header::CONTENT_TYPE, media).body(Sending::File(file, bytes));
                return body.map_err(|_| unsendable());
            }
        };
        request.body(Sending::Whole(Full::new(body.into()))).map_err(|_| unsendable())
    }

    async fn connect(&self) -> Done<SendRequest<Sending>> {
        let address = (self.target.host.as_str(), self.target.port);
        let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
        let stream =
            stream.map_err(|_| self.lost("no connection within 10 s"))?.map_err(|error| self.lost(&error.to_string()))?;
        let _ = stream.set_nodelay(true);
        let Some(pem) = &self.target.ca_pem else { return self.speak(stream).await };
        let name =
            ServerName::try_from(self.target.host.clone()).map_err(|_| Failure::new("the server has no valid host name"))?;
        let connecting = TlsConnector::from(trusting(pem)?).connect(name, stream);
        let secured = timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| self.lost("no TLS handshake within 10 s"))?;
        self.speak(secured.map_err(|error| self.lost(&error.to_string()))?).await
    }

    async fn speak(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Done<SendRequest<Sending>> {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| self.lost(&error.to_string()))?;
        #[allow(clippy::disallowed_methods, reason = "the connection of a one-shot command is driven beside it")]
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    fn lost(&self, what: &str) -> Failure {
        Failure::new(format!("cannot talk to the server at {}:{}: {what}", self.target.host, self.target.port))
    }
}

fn unsendable() -> Failure {
    Failure::new("the operator token or a name holds characters that cannot be sent")
}

fn trusting(pem: &[u8]) -> Done<Arc<ClientConfig>> {
    let broken = |what: String| Failure::new(format!("the CA file is broken: {what}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| broken(error.to_string()))?;
        roots.add(certificate).map_err(|error| broken(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(broken("it holds no certificate".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| broken(error.to_string()))?.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

/// `Cause: path: detail`, or the status where the answer is not the admin API's.
fn refused(status: u16, value: &Value) -> Failure {
    let error = &value["error"];
    let Some(cause) = error["cause"].as_str() else { return Failure::new(format!("the server answered {status}")) };
    let detail = error["detail"].as_str().unwrap_or_default();
    match error["path"].as_str() {
        Some(path) => Failure::new(format!("{cause}: {path}: {detail}")),
        None => Failure::new(format!("{cause}: {detail}")),
    }
}

/// Percent-encodes a path segment or query value (RFC 3986, 2.3).
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn requests_carry_what_was_asked() {
        let target = Target { host: "::1".into(), port: 8080, ca_pem: None, token: "t".into(), account: Some("a b".into()) };
        let client = Client::new(target);
        let query = [("name", Some("x&y".to_owned())), ("status", None)];
        let request = client.request(Method::GET, "/devices", &query, Payload::Nothing).unwrap();
        assert_eq!(request.uri(), "/api/v1/devices?name=x%26y&account=a%20b");
        assert_eq!(
            (&request.headers()["host"], &request.headers()["authorization"]),
            (&"[::1]:8080".parse().unwrap(), &"Bearer t".parse().unwrap())
        );
    }

    #[test]
    fn refusals_are_one_clear_line() {
        let cases = [
            (json!({ "error": { "cause": "NodeIdTaken", "path": "nodeId", "detail": "d" } }), "NodeIdTaken: nodeId: d"),
            (json!({ "error": { "cause": "Internal", "path": null, "detail": "d" } }), "Internal: d"),
            (Value::Null, "the server answered 502"),
        ];
        for (value, expected) in cases {
            assert_eq!(refused(502, &value).to_string(), expected);
        }
    }
}
