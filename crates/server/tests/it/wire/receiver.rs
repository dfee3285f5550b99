//! A receiver of pushes that answers as the test says and remembers all.

use axum::{Router, body::Bytes, extract::State, http::HeaderMap};
use serde_json::Value;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU16, Ordering},
};

/// One push.
#[derive(Clone, Debug)]
pub struct Push {
    pub body: Value,
    pub headers: HeaderMap,
    /// The status it was answered with.
    pub answered: u16,
}

impl Push {
    /// The text of a header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A callback address on loopback.
pub struct Receiver {
    pub url: String,
    state: Arc<Remembered>,
    _runtime: tokio::runtime::Runtime,
}

struct Remembered {
    pushes: Mutex<Vec<Push>>,
    answer: AtomicU16,
}

impl Receiver {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let state = Arc::new(Remembered { pushes: Mutex::default(), answer: AtomicU16::new(200) });
        let router = Router::new().fallback(take).with_state(state.clone());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}/callback", listener.local_addr().unwrap());
        #[allow(clippy::disallowed_methods, reason = "the receiver lives beside the test")]
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, state, _runtime: runtime }
    }

    /// What to answer from now on.
    pub fn answer(&self, status: u16) {
        self.state.answer.store(status, Ordering::SeqCst);
    }

    pub fn pushes(&self) -> Vec<Push> {
        self.state.pushes.lock().unwrap().clone()
    }

    /// Pushes that were answered with 2xx.
    pub fn confirmed(&self) -> Vec<Push> {
        self.pushes().into_iter().filter(|push| push.answered < 300).collect()
    }
}

async fn take(State(state): State<Arc<Remembered>>, headers: HeaderMap, body: Bytes) -> axum::http::StatusCode {
    let answered = state.answer.load(Ordering::SeqCst);
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let is_verification = body["m2m:sgn"]["vrq"] == true;
    assert!(is_verification || headers.contains_key("x-landfall-event"), "a receiver can recognise a repeat");
    state.pushes.lock().unwrap().push(Push { body, headers, answered });
    axum::http::StatusCode::from_u16(answered).unwrap()
}
