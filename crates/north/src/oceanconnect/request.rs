//! One request on its way through the checks that all operations share (contract section 1, "Order of checks").

pub(super) use super::body::parse;

use super::{Fault, OceanConnect, Operation, errors};
use crate::http::{Call, whole_body};
use axum::{
    RequestExt,
    body::Body,
    extract::{MatchedPath, RawPathParams, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use landfall_core::{AppCaller, Core, Scope};
use landfall_model::{App, Cause, DeviceId, Error, Time};
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    pin::Pin,
    sync::{Arc, OnceLock},
};

const DATA_BYTES_MAX: usize = 15 * 1024 * 1024;

/// An authenticated request of an operation.
pub(super) struct Inbound {
    dialect: Arc<OceanConnect>,
    caller: AppCaller,
    path: Vec<(String, String)>,
    older: bool,
    query: Query,
    headers: HeaderMap,
    body: Bytes,
    /// The text of the body where it differs, once it was asked for.
    sound: OnceLock<String>,
}

type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler of axum over the dialect.
pub(super) trait Handler: Fn(State<Arc<OceanConnect>>, Request) -> Answering + Clone + Send + Sync + 'static {}
impl<T: Fn(State<Arc<OceanConnect>>, Request) -> Answering + Clone + Send + Sync + 'static> Handler for T {}

/// Makes an axum handler of an operation's verb: flow control, authentication, then the verb; its fault becomes the operation's answer.
pub(super) fn served<F, A>(operation: &'static Operation, verb: F) -> impl Handler
where
    F: Fn(Inbound) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Response, Fault>> + Send + 'static,
{
    open(operation, move |dialect, request| {
        let verb = verb.clone();
        async move { verb(Inbound::admit(dialect, operation, request).await?).await }
    })
}

/// The same of a verb that takes the requests of everybody.
pub(super) fn open<F, A>(operation: &'static Operation, verb: F) -> impl Handler
where
    F: Fn(Arc<OceanConnect>, Request) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Response, Fault>> + Send + 'static,
{
    move |State(dialect): State<Arc<OceanConnect>>, request: Request| -> Answering {
        Call::of(request.extensions()).asks(operation.id);
        let answered = verb(dialect, request);
        Box::pin(async move { answered.await.unwrap_or_else(|fault| errors::refuse(operation, &fault)) })
    }
}

impl Inbound {
    async fn admit(dialect: Arc<OceanConnect>, operation: &Operation, mut request: Request) -> Result<Self, Fault> {
        let call = Call::of(request.extensions());
        let key = app_key(request.headers()).ok_or(Fault::NoAppKey)?;
        call.claims(&key, key.parse().ok());
        let token = token(request.headers());
        let token = token.ok_or_else(|| Error::new(Cause::Unauthenticated, "the Authorization header has no bearer token"))?;
        let caller = dialect.core.authenticate(&key, token).await?;
        call.is_of(caller.app());
        throttle(&dialect, operation.id, caller.app())?;
        let older = request.extensions().get::<MatchedPath>().is_some_and(|matched| matched.as_str() != operation.paths[0]);
        let path = match request.extract_parts::<RawPathParams>().await {
            Ok(params) => params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            // No id is written with bytes that are no UTF-8: the object does not exist.
            Err(_) => vec![],
        };
        let query = Query::read(request.uri().query().unwrap_or_default())?;
        let headers = std::mem::take(request.headers_mut());
        let body = read_body(request).await?;
        Ok(Self { dialect, caller, path, older, query, headers, body, sound: OnceLock::new() })
    }

    pub fn core(&self) -> &Core {
        &self.dialect.core
    }

    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Authority as the `appId` of the query asks, which tables of 1.9 call `accessAppId`.
    pub async fn scope(&self) -> Result<Scope, Fault> {
        self.scope_of(self.query.text("appId").or_else(|| self.query.text("accessAppId"))).await
    }

    /// Authority for this application, or for one's own.
    pub async fn scope_of(&self, app_id: Option<&str>) -> Result<Scope, Fault> {
        Ok(self.core().act_for(&self.caller, app_id).await?)
    }

    /// A segment of the path.
    pub fn segment(&self, name: &str) -> &str {
        self.path.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    /// Whether it came on a path of an earlier version.
    pub fn is_older(&self) -> bool {
        self.older
    }

    /// The device that the path names. One that is no id does not exist.
    pub fn device_id(&self) -> Result<DeviceId, Fault> {
        existing(self.segment("deviceId"), "deviceId")
    }

    /// The device that the path names, where it does, else the query.
    pub fn asked_device(&self) -> Result<Option<DeviceId>, Fault> {
        match self.segment("deviceId") {
            "" => self.query.device("deviceId"),
            _ => self.device_id().map(Some),
        }
    }

    /// The JSON body. `T` may borrow from it.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Fault> {
        if content_type(&self.headers).is_some_and(|kind| !kind.ends_with("json")) {
            return Err(Fault::Malformed("Content-Type must be application/json".into()));
        }
        match sound(&self.body)? {
            Cow::Borrowed(text) => parse(text),
            Cow::Owned(text) => parse(self.sound.get_or_init(|| text)),
        }
    }
}

/// Counts a call of an application that has proved itself: strangers must not use up what it may do.
fn throttle(dialect: &OceanConnect, operation: &'static str, app: &App) -> Result<(), Fault> {
    let limit = app.limits.calls_per_minute.unwrap_or(dialect.settings.calls_per_minute);
    if dialect.flow.admit(app.id, operation, limit, dialect.core.now()) {
        return Ok(());
    }
    Err(Error::new(Cause::Throttled, format!("more than {limit} calls a minute")).into())
}

/// A device id as 1.4.9 writes it, 36 characters.
pub(super) fn device_id(text: &str) -> Option<DeviceId> {
    if text.len() == 36 { text.parse().ok() } else { None }
}

/// The device of this id. One that is no id does not exist.
pub(super) fn existing(text: &str, path: &'static str) -> Result<DeviceId, Fault> {
    device_id(text).ok_or_else(|| Error::new(Cause::DeviceNotFound, "there is no such device").at(path).into())
}

/// The body, up to the listener's limit.
pub(super) async fn read_body(request: Request) -> Result<Bytes, Fault> {
    whole_body(request).await.map_err(|error| Fault::Malformed(error.to_string()))
}

/// The text of a JSON body.
pub(super) fn sound(body: &[u8]) -> Result<Cow<'_, str>, Fault> {
    landfall_core::json::sound(body).map_err(|why| Fault::Malformed(format!("the body {why}")))
}

/// The media type without its parameters, in lower case.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or("unreadable");
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// `app_key`, or its alias `x-app-key` (remark of 100025).
fn app_key(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("app_key").or_else(|| headers.get("x-app-key"))?;
    Some(value.to_str().unwrap_or_default().trim().to_owned()).filter(|key| !key.is_empty())
}

/// The bearer token; the edition of 2017 sent it bare in `access_token` (contract section 17).
fn token(headers: &HeaderMap) -> Option<&str> {
    let Some(authorization) = headers.get(header::AUTHORIZATION) else {
        return headers.get("access_token")?.to_str().ok().map(str::trim);
    };
    let (scheme, token) = authorization.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The parameters of a query or a form, known in any letter case; empty ones count as absent. Of twins the first counts, the one in the right
/// letter case before the others.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub fn read(text: &str) -> Result<Self, Fault> {
        let pairs = serde_urlencoded::from_str(text);
        pairs.map(Self).map_err(|error| Fault::Malformed(format!("query: {error}")))
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        let given = |same: fn(&str, &str) -> bool| self.0.iter().find(|(key, _)| same(key, name));
        let (_, value) = given(<str as PartialEq>::eq).or_else(|| given(str::eq_ignore_ascii_case))?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter of at most 256 characters.
    pub fn short(&self, name: &'static str) -> Result<Option<String>, Fault> {
        match self.text(name) {
            Some(text) if text.chars().count() > 256 => Err(Fault::invalid(name, "must be at most 256 characters")),
            text => Ok(text.map(str::to_owned)),
        }
    }

    /// A whole number within `from..=to`.
    pub fn number(&self, name: &'static str, from: u64, to: u64) -> Result<Option<u64>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let value = text.parse::<u64>().ok().filter(|value| (from..=to).contains(value));
        value.map(Some).ok_or_else(|| Fault::invalid(name, format!("must be a number from {from} to {to}")))
    }

    /// A time as 1.5.1 writes it.
    pub fn time(&self, name: &'static str) -> Result<Option<Time>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let time = Some(text).filter(|text| text.len() == 16).and_then(Time::parse_compact);
        time.map(Some).ok_or_else(|| Fault::invalid(name, "must be written yyyyMMdd'T'HHmmss'Z'"))
    }

    /// `startTime` and `endTime`, of which the second is not the earlier one.
    pub fn period(&self) -> Result<(Option<Time>, Option<Time>), Fault> {
        let (start, end) = (self.time("startTime")?, self.time("endTime")?);
        if start.zip(end).is_some_and(|(start, end)| end < start) {
            return Err(Fault::invalid("endTime", "must not be before startTime"));
        }
        Ok((start, end))
    }

    /// Whose history it is must be said: that of a device or of what is behind a gateway (1.5.3, 1.5.4). 100419.
    pub fn need_subject(&self) -> Result<(), Fault> {
        match self.text("deviceId").or(self.text("gatewayId")) {
            Some(_) => Ok(()),
            None => Err(Fault::Coded("100419", "deviceId or gatewayId must be given".into())),
        }
    }

    /// A device. One that is no id does not exist.
    pub fn device(&self, name: &'static str) -> Result<Option<DeviceId>, Fault> {
        self.text(name).map(|text| existing(text, name)).transpose()
    }

    /// One of the words.
    pub fn word<T: Copy>(&self, name: &'static str, words: &[(&str, T)]) -> Result<Option<T>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let known = words.iter().find(|(word, _)| *word == text);
        known.map(|(_, value)| Some(*value)).ok_or_else(|| Fault::invalid(name, "is none of the known words"))
    }
}

/// An answer with a JSON body.
pub(super) fn answer(status: StatusCode, body: &impl Serialize) -> Result<Response, Fault> {
    let text = serde_json::to_vec(body).map_err(|error| Error::new(Cause::Internal, format!("answer: {error}")))?;
    Ok(json(status, Body::from(text)))
}

fn json(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// 204 without a body.
pub(super) fn done() -> Result<Response, Fault> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// 200 without a body (contract section 1, "Success codes"). Its type is said all the same: clients ask each answer but 204 for it (section 17).
pub(super) fn taken() -> Result<Response, Fault> {
    Ok(json(StatusCode::OK, Body::empty()))
}

/// "Keep an answer under 16 MB" (1.5.3): room for the data, the rest is for names and ids. Leaving records out instead would lose them
/// for a client that goes on to the next page.
pub(super) fn check_size(data_bytes: usize) -> Result<(), Fault> {
    if data_bytes > DATA_BYTES_MAX {
        return Err(Fault::invalid("pageSize", "the answer would be larger than 16 MB; ask for fewer records"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_app_key_has_an_alias_and_the_token_a_scheme() {
        assert_eq!(app_key(&headers(&[("app_key", "a"), ("x-app-key", "b")])).as_deref(), Some("a"));
        assert_eq!(app_key(&headers(&[("x-app-key", "b")])).as_deref(), Some("b"));
        assert_eq!(app_key(&headers(&[("app_key", " ")])), None);
        for (text, expected) in [("Bearer t", Some("t")), ("bearer  t ", Some("t")), ("Basic t", None), ("t", None)] {
            assert_eq!(token(&headers(&[("authorization", text)])), expected, "{text}");
            assert_eq!(token(&headers(&[("authorization", text), ("access_token", "u")])), expected, "{text}");
        }
        assert_eq!(token(&headers(&[("access_token", " t ")])), Some("t"));
        assert_eq!(
            content_type(&headers(&[("content-type", "Application/JSON; charset=utf-8")])).as_deref(),
            Some("application/json")
        );
    }

    #[test]
    fn query_parameters_are_checked() {
        let query = Query::read("pageNo=&pageSize=2001&a=1&a=2&start=20151212T121212Z&end=2015-12-12&sort=UP&n=%C3%A4").unwrap();
        assert_eq!(query.text("pageNo"), None);
        assert_eq!(query.text("a"), Some("1"));
        assert_eq!(query.text("n"), Some("ä"));
        assert_eq!(query.text("pagesize"), Some("2001"));
        assert_eq!(Query::read("APPID=1&appid=2&appId=3").unwrap().text("appId"), Some("3"));
        assert_eq!(Query::read("APPID=1&appid=2").unwrap().text("appId"), Some("1"));
        assert!(query.number("pageSize", 1, 2000).is_err());
        assert_eq!(query.number("pageSize", 1, 2001).unwrap(), Some(2001));
        assert_eq!(query.number("none", 1, 2).unwrap(), None);
        assert!(query.number("n", 0, 9).is_err());
        assert_eq!(query.time("start").unwrap(), Some(Time(1_449_922_332_000)));
        assert!(query.time("end").is_err());
        assert!(query.word("sort", &[("ASC", 1)]).is_err());
        assert_eq!(query.word("a", &[("1", 7)]).unwrap(), Some(7));
    }

    #[test]
    fn a_period_does_not_end_before_it_begins() {
        let period = |text: &str| Query::read(text).unwrap().period();
        let (first, last) = (Time(1_449_922_332_000), Time(1_449_922_333_000));
        for (text, expected) in [
            ("", (None, None)),
            ("startTime=20151212T121212Z", (Some(first), None)),
            ("endTime=20151212T121212Z", (None, Some(first))),
            ("startTime=20151212T121212Z&endTime=20151212T121213Z", (Some(first), Some(last))),
            ("startTime=20151212T121212Z&endTime=20151212T121212Z", (Some(first), Some(first))),
        ] {
            assert_eq!(period(text).unwrap(), expected, "{text}");
        }
        let Err(Fault::Core(error)) = period("startTime=20151212T121213Z&endTime=20151212T121212Z") else { panic!("taken") };
        assert_eq!((error.cause, error.path.as_deref()), (Cause::InvalidField, Some("endTime")));
    }

    #[test]
    fn device_ids_have_36_characters() {
        let id = "92d3f8da-200a-4143-8d0d-591a7e11de6c";
        assert!(device_id(id).is_some());
        for bad in ["", "92d3f8da200a41438d0d591a7e11de6c", "{92d3f8da-200a-4143-8d0d-591a7e11de6c}"] {
            assert_eq!(device_id(bad), None, "{bad}");
        }
    }
}
