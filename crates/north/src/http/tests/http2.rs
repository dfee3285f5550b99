//! HTTP/2 with hyper's client.

use super::*;
use axum::routing::post as post_to;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use std::sync::atomic::AtomicUsize;
use tokio::{sync::Barrier, task::JoinHandle};

struct Client {
    sender: SendRequest<Full<Bytes>>,
    ended: JoinHandle<hyper::Result<()>>,
}

#[allow(clippy::disallowed_methods, reason = "the test is the driver here")]
async fn client_with(builder: &Builder<TokioExecutor>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Client {
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    Client { sender, ended: tokio::spawn(connection) }
}

async fn client_on(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Client {
    client_with(&Builder::new(TokioExecutor::new()), stream).await
}

async fn client(running: &Running) -> Client {
    let stream = TcpStream::connect(running.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    client_on(stream).await
}

fn post(path: &str, bytes: usize) -> Request<Full<Bytes>> {
    Request::post(format!("http://a.example{path}")).body(Full::new("x".repeat(bytes).into())).unwrap()
}

impl Client {
    /// Status and body.
    fn ask(&mut self, request: Request<Full<Bytes>>) -> impl Future<Output = hyper::Result<(u16, String)>> + use<> {
        let answer = self.sender.send_request(request);
        async move {
            let (head, body) = answer.await?.into_parts();
            let bytes = body.collect().await?.to_bytes();
            Ok((head.status.as_u16(), String::from_utf8(bytes.to_vec()).unwrap()))
        }
    }
}

/// Counts the requests that are worked on at a time.
#[derive(Default)]
struct Busy {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Busy {
    fn enter(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Tells when it goes.
struct Told(Arc<Notify>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A handler that never answers, with what tells that it was entered and that it is gone.
fn stuck() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (entered, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, drops) = (Arc::clone(&entered), Arc::clone(&gone));
    let handler = move || async move {
        let _told = Told(drops);
        told.notify_one();
        std::future::pending::<String>().await
    };
    (Router::new().route("/stuck", post_to(handler)), entered, gone)
}

#[tokio::test]
async fn requests_are_answered_as_over_http1() {
    let seen = async |request: Request<Body>| format!("{} {:?}", request.uri(), request.headers().get(header::HOST));
    let routes = routes().route("/seen", post_to(seen));
    let running = running(routes, Limits { body_bytes: 16, ..Limits::default() }).await;
    let mut client = client(&running).await;
    let cases = [
        ("/small", 16, 200, "16"),
        ("/large", 64, 200, "64"),
        ("/seen?x=1", 0, 200, "/seen?x=1 Some(\"a.example\")"),
        ("/broken", 0, 405, ""),
        ("/none", 0, 404, ""),
        ("/small", 17, 413, "Failed to buffer the request body: length limit exceeded"),
    ];
    for (path, bytes, status, body) in cases {
        assert_eq!(client.ask(post(path, bytes)).await.unwrap(), (status, body.to_owned()), "{path} {bytes}");
    }
    let broken = Request::get("http://a.example/broken").body(Full::default()).unwrap();
    let (status, body) = client.ask(broken).await.unwrap();
    assert!(status == 500 && body.contains("Internal server error."), "{status} {body}");
    let peer = Request::get("http://a.example/peer").body(Full::default()).unwrap();
    let response = client.sender.send_request(peer).await.unwrap();
    assert_eq!((&response.headers()[REQUEST_ID], response.version()), (&HeaderValue::from(8), axum::http::Version::HTTP_2));
}

#[tokio::test]
async fn headers_beyond_the_limit_are_refused() {
    let running = running(routes(), Limits { header_bytes: 1024, ..Limits::default() }).await;
    let mut client = client(&running).await;
    for (length, status) in [(500, 200), (1024, 431)] {
        let mut request = post("/small", 1);
        request.headers_mut().insert("x-long", "y".repeat(length).parse().unwrap());
        assert_eq!(client.ask(request).await.unwrap().0, status, "{length}");
    }
}

#[tokio::test]
async fn requests_beyond_the_limits_wait() {
    // Two at a time on a connection; one at a time over all connections.
    for (streams, requests, expected) in [(2, 10, 2), (100, 1, 1)] {
        let (busy, pair) = (Arc::new(Busy::default()), Arc::new(Barrier::new(expected)));
        let counted = Arc::clone(&busy);
        let handler = move || async move {
            counted.enter();
            pair.wait().await;
            tokio::task::yield_now().await;
            counted.leave();
        };
        let routes = routes().route("/busy", post_to(handler));
        let running = running(routes, Limits { streams, requests, ..Limits::default() }).await;
        let mut client = client(&running).await;
        client.ask(post("/small", 1)).await.unwrap();
        let asked: Vec<_> = (0..10).map(|_| client.ask(post("/busy", 0))).collect();
        for answer in futures_util::future::join_all(asked).await {
            assert_eq!(answer.unwrap().0, 200);
        }
        assert_eq!(busy.most.load(Ordering::SeqCst), expected);
    }
}

/// A body that never comes.
struct Silent;

impl hyper::body::Body for Silent {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "the test is the driver here")]
async fn silent_bodies_keep_no_request_from_being_worked_on() {
    let running = running(routes(), Limits { requests: 4, ..Limits::default() }).await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let (mut sender, connection) = Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let silent: Vec<_> =
        (0..20).map(|_| sender.send_request(Request::post("http://a.example/small").body(Silent).unwrap())).collect();
    let asked = async {
        let mut client = client(&running).await;
        for _ in 0..20 {
            assert_eq!(client.ask(post("/small", 5)).await.unwrap(), (200, "5".to_owned()));
        }
    };
    tokio::select! {
        _ = futures_util::future::join_all(silent) => panic!("answered"),
        () = asked => {}
    }
}

#[tokio::test]
async fn an_answer_given_before_the_body_was_read_arrives() {
    let running = running(routes(), Limits { body_bytes: 16, ..Limits::default() }).await;
    let mut client = client(&running).await;
    for (path, status) in [("/none", 404), ("/small", 413)] {
        for _ in 0..3 {
            assert_eq!(client.ask(post(path, 6_000_000)).await.unwrap().0, status, "{path}");
        }
    }
}

#[tokio::test]
async fn a_request_that_is_called_off_is_dropped() {
    let (routes, entered, gone) = stuck();
    let running = running(routes, Limits::default()).await;
    let mut client = client(&running).await;
    let asked = client.ask(post("/stuck", 0));
    tokio::select! {
        _ = asked => panic!("answered"),
        () = entered.notified() => {}
    }
    gone.notified().await;
    assert_eq!(client.ask(post("/none", 0)).await.unwrap().0, 404, "the connection stays");
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_long_request_is_not() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, waits) = (Arc::clone(&entered), Arc::clone(&release));
    let slow = move || async move {
        told.notify_one();
        waits.notified().await;
        "finished"
    };
    let limits = Limits { head_timeout_ms: 20, ..Limits::default() };
    let running = running(routes().route("/slow", post_to(slow)), limits).await;
    let mut busy = client(&running).await;
    let asked = busy.ask(post("/slow", 0));
    entered.notified().await;
    let mut idle = client(&running).await;
    assert_eq!(idle.ask(post("/small", 1)).await.unwrap().0, 200);
    assert!(idle.ended.await.unwrap().is_ok(), "a farewell, not a broken connection");
    release.notify_one();
    assert_eq!(asked.await.unwrap(), (200, "finished".to_owned()));
}

#[tokio::test]
async fn an_answer_that_is_read_slowly_is_not_cut_off() {
    const BYTES: usize = 1_000_000;
    let limits = Limits { head_timeout_ms: 20, ..Limits::default() };
    let running = running(routes().route("/long", post_to(async || vec![b'x'; BYTES])), limits).await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let mut slow = client_with(Builder::new(TokioExecutor::new()).initial_stream_window_size(70_000), stream).await;
    let mut body = slow.sender.send_request(post("/long", 0)).await.unwrap().into_body();
    let mut read = body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    for _ in 0..6 {
        // As long as an idle connection may last, each time.
        client(&running).await.ended.await.unwrap().unwrap();
    }
    assert_eq!(slow.ask(post("/small", 1)).await.unwrap().0, 200, "it is not even about to be closed");
    while let Some(frame) = body.frame().await {
        read += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(read, BYTES);
}

#[tokio::test]
async fn a_stop_lets_streams_finish_and_closes_idle_connections() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, waits) = (Arc::clone(&entered), Arc::clone(&release));
    let slow = move || async move {
        told.notify_one();
        waits.notified().await;
        "finished"
    };
    let running = running(routes().route("/slow", post_to(slow)), Limits::default()).await;
    let mut idle = client(&running).await;
    assert_eq!(idle.ask(post("/small", 1)).await.unwrap().0, 200);
    let mut busy = client(&running).await;
    let asked = busy.ask(post("/slow", 0));
    entered.notified().await;
    running.stop.send(true).unwrap();
    assert!(idle.ended.await.unwrap().is_ok());
    release.notify_one();
    assert_eq!(asked.await.unwrap(), (200, "finished".to_owned()));
    assert!(busy.ended.await.unwrap().is_ok());
    running.served.await.unwrap();
}

#[tokio::test]
async fn a_drain_that_takes_too_long_cuts_streams_off() {
    let (routes, entered, gone) = stuck();
    let running = running(routes, Limits { drain_timeout_ms: 10, ..Limits::default() }).await;
    let mut client = client(&running).await;
    let asked = client.ask(post("/stuck", 0));
    entered.notified().await;
    running.stop.send(true).unwrap();
    running.served.await.unwrap();
    gone.notified().await;
    assert!(asked.await.is_err());
}

#[tokio::test]
async fn over_tls_the_version_is_what_alpn_agreed() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server =
        rustls::ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let mut server = server.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let running = running_with(Some(Arc::new(server)), routes(), Limits::default()).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    for (offered, http2) in [(&[&b"h2"[..], b"http/1.1"][..], true), (&[b"http/1.1"], false), (&[], false)] {
        let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let mut config = config.unwrap().with_root_certificates(roots.clone()).with_no_client_auth();
        config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        let tcp = TcpStream::connect(running.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let mut tls = connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap();
        if http2 {
            let answer = client_on(tls).await.ask(post("/small", 3)).await.unwrap();
            assert_eq!(answer, (200, "3".to_owned()));
        } else {
            tls.write_all(b"POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nxxx").await.unwrap();
            let mut text = String::new();
            tls.read_to_string(&mut text).await.unwrap();
            assert!(text.starts_with("HTTP/1.1 200 OK") && text.ends_with("\r\n3"), "{offered:?}: {text}");
        }
    }
}
