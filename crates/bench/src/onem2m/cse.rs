//! An application of a CSE: oneM2M primitives over HTTP (TS-0009) as far as the measurements need them, the same for every peer.
//!
//! Absent: responses beyond their status; what cannot be answered as expected ends the measurement.

use crate::{Outcome, api::Http};
use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::Value;
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

/// Release that is asked for; ACME CSE refuses a request without one.
const RELEASE: &str = "4";

/// Where an application works, and as whom.
pub struct Cse {
    address: SocketAddr,
    /// Path of the place below which it works.
    base: String,
    originator: String,
    authorization: Option<String>,
    /// Of the next request.
    request: AtomicU64,
}

impl Cse {
    /// `base` is a path without a slash at its end; `authorization` a whole header value.
    pub fn new(address: SocketAddr, base: &str, originator: &str, authorization: Option<String>) -> Self {
        Self { address, base: base.to_owned(), originator: originator.to_owned(), authorization, request: AtomicU64::new(0) }
    }

    /// The same server without authorization, at another place for another originator.
    pub fn of(&self, base: &str, originator: &str) -> Self {
        Self::new(self.address, base, originator, None)
    }

    /// A kept connection.
    pub async fn connect(&self) -> Outcome<Http> {
        Http::plain(self.address).await
    }

    /// CREATE of a resource of type `kind` below `place` (empty, or with a slash before it); 201 and its body, or an error.
    pub async fn create(&self, http: &mut Http, place: &str, kind: u8, body: Bytes) -> Outcome<Bytes> {
        let content_type = format!("application/json;ty={kind}");
        let (status, answer) = self.call(http, Method::POST, place, &content_type, body).await?;
        if status != StatusCode::CREATED {
            return Err(format!("CREATE below {}{place}: {status} {}", self.base, String::from_utf8_lossy(&answer)).into());
        }
        Ok(answer)
    }

    /// RETRIEVE, whatever comes.
    pub async fn retrieve(&self, http: &mut Http, place: &str) -> Outcome<(StatusCode, Bytes)> {
        self.call(http, Method::GET, place, "application/json", Bytes::new()).await
    }

    /// Makes a container, which holds what the server gives it by itself, unless it is to hold so many instances of a kilobyte.
    pub async fn make_container(&self, http: &mut Http, name: &str, most: Option<u64>) -> Outcome<()> {
        let limits = most.map_or(String::new(), |most| format!(r#","mni":{most},"mbs":{}"#, most * 1000));
        self.create(http, "", 3, format!(r#"{{"m2m:cnt":{{"rn":"{name}"{limits}}}}}"#).into()).await.map(drop)
    }

    /// Instances that a container has taken so far, gone ones included (`st`).
    pub async fn taken(&self, http: &mut Http, name: &str) -> Outcome<u64> {
        let (status, answer) = self.retrieve(http, &format!("/{name}")).await?;
        let body: Value = serde_json::from_slice(&answer)?;
        Ok(body["m2m:cnt"]["st"].as_u64().ok_or_else(|| format!("no state of the container {name}: {status} {body}"))?)
    }

    async fn call(
        &self,
        http: &mut Http,
        method: Method,
        place: &str,
        content_type: &str,
        body: Bytes,
    ) -> Outcome<(StatusCode, Bytes)> {
        let path = format!("{}{place}", self.base);
        let request = format!("bench-{}", self.request.fetch_add(1, Ordering::Relaxed));
        let mut headers = vec![
            ("content-type", content_type),
            ("accept", "application/json"),
            ("x-m2m-origin", self.originator.as_str()),
            ("x-m2m-ri", request.as_str()),
            ("x-m2m-rvi", RELEASE),
        ];
        headers.extend(self.authorization.as_deref().map(|value| ("authorization", value)));
        http.call(method, &path, &headers, body).await
    }
}
