//! Takes the pushes of the demonstration.

use super::within;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc};

/// A callback address on loopback that answers 200.
pub struct Receiver {
    /// Its address.
    pub url: String,
    pushes: mpsc::Receiver<Value>,
    seen: Vec<Value>,
}

impl Receiver {
    /// Listens on a free port.
    pub async fn start() -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
        let url = format!("http://{}/callback", listener.local_addr().map_err(|e| e.to_string())?);
        let (taken, pushes) = mpsc::channel(100);
        #[allow(clippy::disallowed_methods, reason = "the receiver lives beside the demonstration")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(TokioIo::new(stream), taken.clone()));
            }
        });
        Ok(Self { url, pushes, seen: vec![] })
    }

    /// Waits for a notification of this type.
    pub async fn expect(&mut self, notify_type: &str) -> Result<Value, String> {
        if let Some(at) = self.seen.iter().position(|push| push["notifyType"] == notify_type) {
            return Ok(self.seen.swap_remove(at));
        }
        within(notify_type, async {
            while let Some(push) = self.pushes.recv().await {
                if push["notifyType"] == notify_type {
                    return Ok(push);
                }
                self.seen.push(push);
            }
            Err("the receiver ended".into())
        })
        .await
    }
}

async fn connection(stream: TokioIo<tokio::net::TcpStream>, taken: mpsc::Sender<Value>) {
    let service = service_fn(|request: Request<Incoming>| {
        let taken = taken.clone();
        async move {
            let body = Limited::new(request.into_body(), 1 << 20).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            if let Ok(push) = serde_json::from_slice(&body) {
                let _ = taken.send(push).await;
            }
            Ok::<_, std::convert::Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let _ = http1::Builder::new().serve_connection(stream, service).await;
}
