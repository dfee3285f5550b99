//! The listener over real sockets on loopback.

mod http2;

use super::{answering::REQUEST_ID, *};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    routing::{get, post},
};
use bytes::Bytes;
use landfall_model::Time;
use parking_lot::Mutex;
use std::sync::atomic::Ordering;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
};

struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<()>,
}

/// Addresses of those who were turned away, and the checks.
type Words = Arc<Mutex<Vec<(SocketAddr, &'static str)>>>;

struct Heard(Words);

#[async_trait::async_trait]
impl Word for Heard {
    fn turned_away(&self, peer: SocketAddr, check: &'static str, _: String) {
        self.0.lock().push((peer, check));
    }

    async fn refused(&self, peer: SocketAddr, _: u64, _: u16, reason: Reason) {
        self.0.lock().push((peer, reason.check()));
    }
}

fn listening() -> (Front, Words) {
    let words = Words::default();
    let heard = Arc::clone(&words);
    (Front { word: Some(Arc::new(Heard(heard))), ..Front::default() }, words)
}

async fn running_with(tls: Option<Arc<rustls::ServerConfig>>, router: Router, limits: Limits) -> Running {
    running_behind(tls, router, limits, Front::default()).await
}

#[allow(clippy::disallowed_methods, reason = "the test is the driver here")]
async fn running_behind(tls: Option<Arc<rustls::ServerConfig>>, router: Router, limits: Limits, front: Front) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    let served = tokio::spawn(serve(listener, tls, router, limits, front, stopping));
    Running { address, stop, served }
}

async fn running(router: Router, limits: Limits) -> Running {
    running_with(None, router, limits).await
}

/// Reads one answer with a Content-Length.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let (mut text, mut byte) = (String::new(), [0; 1]);
    while !text.ends_with("\r\n\r\n") {
        stream.read_exact(&mut byte).await.unwrap();
        text.push(byte[0].into());
    }
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    text + &String::from_utf8(body).unwrap()
}

async fn asked(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    answer(stream).await
}

async fn broken() -> String {
    panic!("on purpose")
}

fn routes() -> Router {
    Router::new()
        .route("/small", post(async |body: Bytes| body.len().to_string()))
        .route("/large", post(async |body: Bytes| body.len().to_string()).layer(DefaultBodyLimit::max(64)))
        .route(
            "/own",
            post(async |request: Request<Body>| whole_body(request).await.map_err(|_| StatusCode::BAD_REQUEST).map(drop)),
        )
        .route("/peer", get(async |request: Request<Body>| request.extensions().get::<Peer>().unwrap().0.ip().to_string()))
        .route("/broken", get(broken))
        .merge(guarded(Router::new().route("/api/v1/broken", get(broken)), crate::admin::FORM, || Time(0)))
}

#[tokio::test]
async fn a_connection_is_kept_and_its_requests_are_numbered() {
    let running = running(routes(), Limits { body_bytes: 16, ..Limits::default() }).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let post = |path: &str, bytes: usize| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n{}", "x".repeat(bytes))
    };
    let cases = [
        (post("/small", 16), "200 OK", "16"),
        (post("/large", 64), "200 OK", "64"),
        ("GET /peer HTTP/1.1\r\nHost: a\r\n\r\n".into(), "200 OK", "127.0.0.1"),
        ("GET /broken HTTP/1.1\r\nHost: a\r\n\r\n".into(), "500 Internal", "Internal server error."),
        ("GET /api/v1/broken HTTP/1.1\r\nHost: a\r\n\r\n".into(), "500 Internal", r#"{"error":{"cause":"Internal""#),
        ("GET /none HTTP/1.1\r\nHost: a\r\n\r\n".into(), "404 Not Found", ""),
        (post("/small", 17), "413 Payload Too Large", "limit"),
    ];
    for (n, (request, status, body)) in (1..).zip(cases) {
        let text = asked(&mut stream, &request).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")) && text.contains(body), "{text}");
        assert!(text.contains(&format!("x-request-id: {n}\r\n")), "{text}");
    }
}

#[tokio::test]
async fn a_panic_leaves_word_and_is_told_to_those_who_ask_for_reasons() {
    let (front, words) = listening();
    let running = running_behind(None, routes(), Limits::default(), front).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for path in ["/broken", "/api/v1/broken"] {
        for (asked, told) in [("", false), ("X-Landfall-Reason: on\r\n", true)] {
            let text = asked_of(&mut stream, path, asked).await;
            assert_eq!(text.contains("x-landfall-reason: panic: internal server error\r\n"), told, "{text}");
            assert_eq!(std::mem::take(&mut *words.lock()), [(stream.local_addr().unwrap(), "panic")], "{path}");
        }
    }
}

async fn asked_of(stream: &mut TcpStream, path: &str, headers: &str) -> String {
    asked(stream, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n")).await
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let (front, words) = listening();
    let running = running_behind(None, routes(), Limits { head_timeout_ms: 20, ..Limits::default() }, front).await;
    for begin in [&b""[..], b"GET /peer HTT", b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0"] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(begin).await.unwrap();
        let mut rest = vec![];
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(!String::from_utf8_lossy(&rest).contains("200 OK"), "{begin:?}");
        let expected = (stream.local_addr().unwrap(), "head.timeout");
        assert_eq!(std::mem::take(&mut *words.lock()), [expected], "{begin:?}");
    }
}

#[tokio::test]
async fn what_the_listener_refuses_leaves_word_once() {
    let (front, words) = listening();
    let running = running_behind(None, routes(), Limits { body_bytes: 16, ..Limits::default() }, front).await;
    let large = |path| format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n{}", "x".repeat(17));
    let cases = [
        ("GET /peer HTTP/1.1\r\n\r\n".to_owned(), "400", Some("host.missing")),
        ("GET /peer HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_owned(), "400", Some("host.twice")),
        ("GET /peer HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(), "400", Some("host.form")),
        ("nonsense\r\n\r\n".to_owned(), "400", Some("head.malformed")),
        (format!("GET /{}", "x".repeat(HTTP1_BYTES - 5)), "431", Some("head.too-large")),
        (large("/small"), "413", Some("body.too-large")),
        (large("/own"), "400", Some("body.too-large")),
        ("GET /none HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "404", None),
        ("GET /peer HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "200", None),
    ];
    for (request, status, check) in cases {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let text = asked(&mut stream, &request).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{check:?}: {text}");
        stream.shutdown().await.unwrap();
        let _ = stream.read_to_end(&mut vec![]).await;
        let expected: Vec<_> = check.map(|check| (stream.local_addr().unwrap(), check)).into_iter().collect();
        assert_eq!(std::mem::take(&mut *words.lock()), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_without_word_and_half_a_head_with_it() {
    for (more, expected) in [("", &[][..]), ("GET /pe", &["head.timeout"][..])] {
        let (front, words) = listening();
        let (_stop, stopping) = watch::channel(false);
        let shared = Arc::new(Shared::new(routes(), None, Limits::default(), front, stopping));
        let (near, mut far) = tokio::io::duplex(1024);
        let entry = Room::new(1).enter([192, 0, 2, 1].into()).await;
        let asked = async {
            assert!(asked(&mut far, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").await.contains("200 OK"));
            far.write_all(more.as_bytes()).await.unwrap();
            let _ = far.read_to_end(&mut vec![]).await;
        };
        let near = Wire::new(near, Arc::clone(&entry.open));
        tokio::join!(shared.http1(near, ([192, 0, 2, 1], 4711).into(), &entry.open), asked);
        assert_eq!(words.lock().iter().map(|(_, check)| *check).collect::<Vec<_>>(), expected, "{more:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_gets_no_turn_is_told_so() {
    let (front, words) = listening();
    let (_stop, stopping) = watch::channel(false);
    let stuck = routes().route("/stuck", get(async || std::future::pending::<String>().await));
    let shared = Arc::new(Shared::new(stuck, None, Limits { requests: 1, ..Limits::default() }, front, stopping));
    let room = Room::new(2);
    let entries = [room.enter([192, 0, 2, 1].into()).await, room.enter([192, 0, 2, 2].into()).await];
    let ((first, mut busy), (second, mut late)) = (tokio::io::duplex(1024), tokio::io::duplex(1024));
    let asked = async {
        busy.write_all(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let text = asked(&mut late, "GET /peer HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(text.starts_with("HTTP/1.1 503"), "{text}");
    };
    tokio::select! {
        biased;
        () = shared.http1(first, ([192, 0, 2, 1], 1).into(), &entries[0].open) => panic!("it is stuck"),
        () = shared.http1(second, ([192, 0, 2, 2], 2).into(), &entries[1].open) => panic!("it is kept"),
        () = asked => {}
    }
    assert_eq!(*words.lock(), [(([192, 0, 2, 2], 2).into(), "requests.limit")]);
}

/// A connection from an address of the loopback.
async fn from(last: u8, to: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    socket.connect(to).await.unwrap()
}

/// A handler that waits for its release, with what tells that it was entered and what releases it.
fn slow() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, waits) = (Arc::clone(&entered), Arc::clone(&release));
    let handler = move || async move {
        told.notify_one();
        waits.notified().await;
        "finished"
    };
    (routes().route("/slow", get(handler)), entered, release)
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_while_all_are_worked_for() {
    let (routes, entered, release) = slow();
    let running = running(routes, Limits { connections: 1, ..Limits::default() }).await;
    let mut first = TcpStream::connect(running.address).await.unwrap();
    first.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    entered.notified().await;
    let mut second = TcpStream::connect(running.address).await.unwrap();
    second.write_all(b"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::select! {
        biased;
        _ = answer(&mut second) => panic!("served beyond the limit"),
        () = async { for _ in 0..10 { tokio::task::yield_now().await } } => {}
    }
    release.notify_one();
    assert!(answer(&mut first).await.ends_with("finished"));
    assert!(answer(&mut second).await.contains("127.0.0.1"));
}

#[tokio::test]
async fn silent_connections_of_one_address_do_not_shut_out_others() {
    let (front, words) = listening();
    let running = running_behind(None, routes(), Limits { connections: 8, ..Limits::default() }, front).await;
    let mut idle = from(3, running.address).await;
    asked(&mut idle, "GET /peer HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut silent = vec![];
    for n in 0..20 {
        let mut stream = from(2, running.address).await;
        // Nothing, half a head, half a body.
        let begin = ["", "GET / HT", "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"][n % 3];
        stream.write_all(begin.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    let mut honest = from(4, running.address).await;
    assert!(asked(&mut honest, "GET /peer HTTP/1.1\r\nHost: a\r\n\r\n").await.contains("127.0.0.4"));
    assert!(asked(&mut idle, "GET /peer HTTP/1.1\r\nHost: a\r\n\r\n").await.contains("127.0.0.3"), "it was not sent away");
    while words.lock().len() < 14 {
        tokio::task::yield_now().await;
    }
    let of_many =
        |(peer, check): &(SocketAddr, &str)| peer.ip() == std::net::Ipv4Addr::new(127, 0, 0, 2) && *check == "connections.limit";
    assert!(words.lock().iter().all(of_many), "{:?}", words.lock());
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let running = running(routes(), Limits::default()).await;
    let cases = [
        ("GET /peer HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("GET /peer HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400 Bad Request"),
        ("GET /peer HTTP/1.1\r\nHost: a b\r\n\r\n", "400 Bad Request"),
        ("GET /peer HTTP/1.1\r\nHost: a:80\r\n\r\n", "200 OK"),
        ("GET /peer HTTP/1.1\r\nHost:\r\n\r\n", "200 OK"),
    ];
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for (request, status) in cases {
        let text = asked(&mut stream, request).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{request:?}: {text}");
    }
    let text = asked(&mut stream, "GET /peer HTTP/1.0\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.0 200 OK"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_answered_with_408() {
    let (_stop, stopping) = watch::channel(false);
    let (front, words) = listening();
    let shared = Arc::new(Shared::new(routes(), None, Limits::default(), front, stopping));
    for sent in ["", "xx"] {
        let (near, mut far) = tokio::io::duplex(1024);
        let entry = Room::new(1).enter([192, 0, 2, 1].into()).await;
        let asked = async {
            let request = format!("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n{sent}");
            let text = asked(&mut far, &request).await;
            assert!(text.starts_with("HTTP/1.1 408") && text.contains("connection: close\r\n"), "{text}");
            assert_eq!(far.read(&mut [0; 1]).await.unwrap(), 0);
        };
        tokio::join!(shared.http1(near, ([192, 0, 2, 1], 4711).into(), &entry.open), asked);
        assert_eq!(std::mem::take(&mut *words.lock()), [(([192, 0, 2, 1], 4711).into(), "body.timeout")]);
    }
}

#[tokio::test]
async fn an_answer_given_before_the_body_was_read_arrives() {
    let running = running(routes(), Limits { body_bytes: 16, ..Limits::default() }).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for (path, status) in [("/none", "404"), ("/small", "413"), ("/none", "404")] {
        let mut request = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 6000000\r\n\r\n").into_bytes();
        request.resize(request.len() + 6_000_000, b'x');
        // The client looks for no answer before it has sent all; the connection is used again.
        stream.write_all(&request).await.unwrap();
        let text = answer(&mut stream).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
    }
}

#[tokio::test]
async fn an_answer_arrives_although_the_body_is_more_than_anybody_reads() {
    let running = running(routes(), Limits::default()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 60000000\r\n\r\n").await.unwrap();
    stream.write_all(&vec![b'x'; 3_000_000]).await.unwrap();
    let text = answer(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 404") && text.contains("connection: close\r\n"), "{text}");
}

#[tokio::test]
async fn a_stop_lets_requests_finish_and_closes_idle_connections() {
    let (routes, entered, release) = slow();
    let running = running(routes, Limits::default()).await;
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    let mut busy = TcpStream::connect(running.address).await.unwrap();
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    entered.notified().await;
    running.stop.send(true).unwrap();
    let mut rest = vec![];
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
    release.notify_one();
    assert!(answer(&mut busy).await.ends_with("finished"));
    running.served.await.unwrap();
}

#[tokio::test]
async fn a_drain_that_takes_too_long_is_cut_off() {
    let entered = Arc::new(Notify::new());
    let told = Arc::clone(&entered);
    let stuck = move || async move {
        told.notify_one();
        std::future::pending::<String>().await
    };
    let limits = Limits { drain_timeout_ms: 10, ..Limits::default() };
    let running = running(Router::new().route("/stuck", get(stuck)), limits).await;
    let mut busy = TcpStream::connect(running.address).await.unwrap();
    busy.write_all(b"GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    entered.notified().await;
    running.stop.send(true).unwrap();
    running.served.await.unwrap();
    let mut rest = vec![];
    let _ = busy.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}
