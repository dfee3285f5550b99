//! One request on its way to its operation: who calls, whether they may, and what they ask.

use super::{Cumulocity, Fault, Operation, Query, Reply, auth, errors::Asked, media, reply::Manner};
use crate::http::{Call, Origin, Peer, whole_body};
use axum::{
    RequestExt,
    extract::{RawPathParams, Request, State},
    http::{Method, StatusCode, header},
    response::Response,
};
use landfall_core::{Core, Permission, UserCaller};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use std::{fmt::Display, net::IpAddr, pin::Pin, sync::Arc};

/// A request of an operation, by a user that proved itself and may ask for it; by nobody in particular where `C` is `()`.
pub(super) struct Inbound<C = UserCaller> {
    pub(super) dialect: Arc<Cumulocity>,
    caller: C,
    origin: Origin,
    from: IpAddr,
    at: String,
    path: Vec<(String, String)>,
    query: Query,
    /// Not shared by anybody, but what holds it is to be.
    request: Mutex<Request>,
}

type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler of axum over the dialect.
pub(super) trait Handler: Fn(State<Arc<Cumulocity>>, Request) -> Answering + Clone + Send + Sync + 'static {}
impl<T: Fn(State<Arc<Cumulocity>>, Request) -> Answering + Clone + Send + Sync + 'static> Handler for T {}

/// Makes an axum handler of an operation's verb for users that have a permission.
pub(super) fn served<F, A>(operation: &'static Operation, permission: Permission, verb: F) -> impl Handler
where
    F: Fn(Inbound) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Reply, Fault>> + Send + 'static,
{
    let admit = move |dialect: Arc<Cumulocity>, request: Request| async move {
        let shown = auth::Shown::of(&request);
        let caller = shown.user(&dialect.core).await?;
        caller.need(permission)?;
        Inbound::read(dialect, caller, request).await
    };
    answered(operation, admit, verb)
}

/// The same of a verb that takes the requests of everybody.
pub(super) fn open<F, A>(operation: &'static Operation, verb: F) -> impl Handler
where
    F: Fn(Inbound<()>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Reply, Fault>> + Send + 'static,
{
    answered(operation, |dialect, request| Inbound::read(dialect, (), request), verb)
}

fn answered<C, D, R, F, A>(operation: &'static Operation, admit: D, verb: F) -> impl Handler
where
    C: Send + 'static,
    D: Fn(Arc<Cumulocity>, Request) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Inbound<C>, Fault>> + Send + 'static,
    F: Fn(Inbound<C>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Reply, Fault>> + Send + 'static,
{
    move |State(dialect): State<Arc<Cumulocity>>, request: Request| -> Answering {
        Call::of(request.extensions()).asks(operation.id);
        let asked = Asked::of(&request);
        let changes = [Method::POST, Method::PUT].contains(request.method());
        let manner = Manner {
            media: operation.media,
            bare: changes && !request.headers().contains_key(header::ACCEPT),
            plain: dialect.settings.plain_json && media::accepts_plain_alone(request.headers()),
        };
        let (admitted, verb) = (admit(dialect, request), verb.clone());
        Box::pin(async move {
            let answered = match admitted.await {
                Ok(inbound) => verb(inbound).await,
                Err(fault) => Err(fault),
            };
            match answered {
                Ok(reply) => reply.rendered(manner),
                Err(fault) => asked.refused(operation, fault),
            }
        })
    }
}

impl<C> Inbound<C> {
    async fn read(dialect: Arc<Cumulocity>, caller: C, mut request: Request) -> Result<Self, Fault> {
        let path = match request.extract_parts::<RawPathParams>().await {
            Ok(params) => params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            // No id is written with bytes that are no UTF-8: there is nothing of that name.
            Err(_) => vec![],
        };
        let query = Query::read(request.uri().query().unwrap_or_default())?;
        let origin = request.extensions().get::<Origin>().cloned().unwrap_or_else(|| Origin::of(false, None));
        let from = from(&request);
        let at = request.uri().path().to_owned();
        Ok(Self { dialect, caller, origin, from, at, path, query, request: Mutex::new(request) })
    }

    pub fn core(&self) -> &Core {
        &self.dialect.core
    }

    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The address of the client.
    pub fn from(&self) -> IpAddr {
        self.from
    }

    /// A segment of the path, decoded.
    pub fn segment(&self, name: &str) -> &str {
        self.path.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    /// The path that was asked for, as it was written.
    pub fn path(&self) -> &str {
        &self.at
    }

    /// The absolute address of a path, whose ids are encoded ([`encoded`]), as the client knows this server.
    pub fn url(&self, path: impl Display) -> String {
        format!("{}{path}", self.origin)
    }

    /// The body, an object in JSON of at most what the listener takes: 1 MiB.
    pub async fn json(&mut self) -> Result<Map<String, Value>, Fault> {
        match self.value().await? {
            Value::Object(fields) => Ok(fields),
            _ => Err(Fault::malformed("the body must be an object")),
        }
    }

    /// The same of any JSON.
    pub async fn value(&mut self) -> Result<Value, Fault> {
        let request = std::mem::take(self.request.get_mut());
        media::need_json(request.headers())?;
        let body = whole_body(request).await.map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Fault::too_large(),
            _ => Fault::malformed(error.to_string()),
        })?;
        let text = landfall_core::json::sound(&body).map_err(|why| Fault::malformed(format!("the body {why}")))?;
        serde_json::from_str(&text)
            .map_err(|error| Fault::malformed(format!("the body is no JSON at line {} column {}", error.line(), error.column())))
    }

    /// The request itself beside what was read of it, for a body that is read in another way by an operation that answers with addresses.
    pub fn split(mut self) -> (Self, Request) {
        let request = std::mem::take(self.request.get_mut());
        (self, request)
    }

    /// The request itself, for a body that is read in another way.
    pub fn into_request(self) -> Request {
        self.request.into_inner()
    }
}

impl Inbound {
    /// The user that asks.
    pub fn caller(&self) -> &UserCaller {
        &self.caller
    }
}

/// The address of the client.
pub(super) fn from(request: &Request) -> IpAddr {
    request.extensions().get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip())
}

/// A text as one segment of a path (RFC 3986, 2.3).
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A text of a body, at most so many characters; none where it is absent or null. 422.
pub(super) fn text<'a>(fields: &'a Map<String, Value>, name: &'static str, most: usize) -> Result<Option<&'a str>, Fault> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= most => Ok(Some(text)),
        Some(Value::String(_)) => Err(Fault::invalid(name, format!("must be at most {most} characters"))),
        Some(_) => Err(Fault::invalid(name, "must be a text")),
    }
}
