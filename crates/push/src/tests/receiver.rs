//! Receivers in memory: real HTTP over duplex streams, so that time can be virtual.

use super::*;
use crate::sink::Failure;
use crate::sink::http::connect::Stream;
use crate::sink::http::target::Target;
use futures_util::future::{BoxFuture, FutureExt};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

/// What arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// 0 where no event is named.
    pub seq: u64,
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
    pub answer: u16,
}

/// How to answer an arrival; 0 is silence.
pub type Answer = Box<dyn Fn(u64, &str) -> u16 + Send + Sync>;

pub struct Receiver {
    pub arrivals: Mutex<Vec<Arrival>>,
    pub answer: Mutex<Answer>,
    pub headers: Mutex<Vec<(&'static str, &'static str)>>,
    pub busy: AtomicU64,
    pub busiest: AtomicU64,
    /// Milliseconds before each answer.
    pub delay_ms: AtomicU64,
    pub connections: AtomicU64,
}

impl Receiver {
    pub fn new(answer: impl Fn(u64, &str) -> u16 + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            arrivals: Mutex::default(),
            answer: Mutex::new(Box::new(answer)),
            headers: Mutex::default(),
            busy: AtomicU64::new(0),
            busiest: AtomicU64::new(0),
            delay_ms: AtomicU64::new(10),
            connections: AtomicU64::new(0),
        })
    }

    pub fn set(&self, answer: impl Fn(u64, &str) -> u16 + Send + Sync + 'static) {
        *self.answer.lock() = Box::new(answer);
    }

    /// Places of the events that were answered so, in order of arrival.
    pub fn answered(&self, status: u16) -> Vec<u64> {
        self.arrivals.lock().iter().filter(|arrival| arrival.answer == status).map(|arrival| arrival.seq).collect()
    }

    pub fn bodies(&self) -> Vec<String> {
        self.arrivals.lock().iter().map(|arrival| arrival.body.clone()).collect()
    }

    async fn take(self: Arc<Self>, request: Request<Incoming>) -> std::result::Result<Response<Full<Bytes>>, hyper::Error> {
        let seq = request.headers().get("x-landfall-event").map_or(0, |seq| seq.to_str().unwrap().parse().unwrap());
        assert!(request.headers()["content-type"].to_str().unwrap().starts_with("application/json"));
        assert!(request.headers()["user-agent"].to_str().unwrap().starts_with("landfall/"));
        let (path, headers) = (request.uri().to_string(), request.headers().clone());
        let body = String::from_utf8(request.into_body().collect().await?.to_bytes().to_vec()).unwrap();
        let answer = (self.answer.lock())(seq, &body);
        self.arrivals.lock().push(Arrival { seq, path, headers, body, answer });
        let busy = self.busy.fetch_add(1, Ordering::SeqCst) + 1;
        self.busiest.fetch_max(busy, Ordering::SeqCst);
        if answer == 0 {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(self.delay_ms.load(Ordering::SeqCst))).await;
        self.busy.fetch_sub(1, Ordering::SeqCst);
        let mut response = Response::new(Full::new(Bytes::from_static(b"thanks")));
        *response.status_mut() = http::StatusCode::from_u16(answer).unwrap();
        for (name, value) in self.headers.lock().iter() {
            response.headers_mut().insert(*name, http::HeaderValue::from_static(value));
        }
        Ok(response)
    }

    fn serve(self: &Arc<Self>) -> Box<dyn Stream> {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let (near, far) = tokio::io::duplex(64 * 1024);
        let receiver = Arc::clone(self);
        let service = service_fn(move |request| Arc::clone(&receiver).take(request));
        let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service);
        tokio::task::spawn(async move {
            let _closed = serving.await;
        });
        Box::new(near)
    }
}

/// Dials receivers by host name.
#[derive(Default)]
pub struct Exchange(pub Mutex<HashMap<String, Arc<Receiver>>>);

impl Dial for Exchange {
    fn dial<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, std::result::Result<Box<dyn Stream>, Failure>> {
        let receiver = self.0.lock().get(&target.host.to_string()).cloned();
        async move { receiver.map(|receiver| receiver.serve()).ok_or_else(|| Failure::new("connection refused")) }.boxed()
    }
}
