//! Answers: headers, response status code and body (TS-0009, 6.4; contract section 1).

use super::{errors::Fault, names};
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use landfall_model::Time;
use serde_json::{Value, json};

/// Headers that every answer has (seed 51-59).
const STATIC: [(HeaderName, HeaderValue); 9] = [
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, max-age=0, must-revalidate")),
    (header::PRAGMA, HeaderValue::from_static("no-cache")),
    (header::EXPIRES, HeaderValue::from_static("0")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::X_XSS_PROTECTION, HeaderValue::from_static("1 ; mode=block")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::VARY, HeaderValue::from_static("Origin")),
];
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const ONEM2M_JSON: HeaderValue = HeaderValue::from_static("application/vnd.onem2m-res+json; charset=utf-8");

/// What an answer takes over from its request.
#[derive(Clone, Debug, Default)]
pub(super) struct Echo {
    /// `X-M2M-RI`
    pub request_id: Option<HeaderValue>,
    /// Whether only `application/vnd.onem2m-res+json` was asked for.
    pub onem2m_media_type: bool,
    /// `fullName: true`
    pub full_names: bool,
}

/// The outcome of an operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outcome {
    /// `X-M2M-RSC`
    pub rsc: u16,
    /// The body; none: an empty text.
    pub body: Option<Value>,
    /// `Content-Location` of what was made.
    pub location: Option<String>,
    /// Offset of what was left off, for `X-M2M-CTS` and `X-M2M-CTO`.
    pub next_offset: Option<u64>,
}

impl Outcome {
    /// An outcome with a body.
    pub fn of(rsc: u16, body: Value) -> Self {
        Self { rsc, body: Some(body), ..Self::default() }
    }

    /// An outcome without.
    pub fn empty(rsc: u16) -> Self {
        Self { rsc, ..Self::default() }
    }
}

/// The HTTP response of an outcome or a fault.
pub(super) fn answer(outcome: Result<Outcome, Fault>, echo: &Echo, now: Time) -> Response {
    let (status, outcome, reason) = match outcome {
        Ok(outcome) => (super::errors::status_of(outcome.rsc), outcome, None),
        Err(fault) => {
            let reason = fault.reason();
            (fault.status, Outcome::of(fault.rsc, json!({ "m2m:dbg": fault.text })), Some(reason))
        }
    };
    let Outcome { rsc, body, location, next_offset } = outcome;
    let (kind, bytes) = match body {
        None => (HeaderValue::from_static("text/plain; charset=utf-8"), Vec::new()),
        Some(mut body) => {
            if echo.full_names {
                lengthen(&mut body);
            }
            let kind = if echo.onem2m_media_type { ONEM2M_JSON } else { JSON };
            // JSON values always serialize.
            (kind, serde_json::to_vec(&body).unwrap_or_default())
        }
    };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.reserve(STATIC.len() + 10);
    headers.extend(STATIC);
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert("x-m2m-rvi", HeaderValue::from_static("4"));
    headers.insert("x-m2m-rsc", HeaderValue::from(rsc));
    let mut put = |name: &'static str, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    put("x-m2m-ot", &now.iso());
    if let Some(location) = location {
        put("content-location", &location);
    }
    if let Some(next) = next_offset {
        // 1: partial content (TS-0004, 6.3.4.2.38).
        put("x-m2m-cts", "1");
        put("x-m2m-cto", &next.to_string());
    }
    if status == 401 {
        put("www-authenticate", "Bearer");
    }
    if let Some(id) = &echo.request_id {
        headers.insert("x-m2m-ri", id.clone());
    }
    match reason {
        Some(reason) => reason.on(response),
        None => response,
    }
}

/// Long names for the attributes of a body. What an instance holds is not ours to rename.
fn lengthen(body: &mut Value) {
    let mut contents = vec![];
    each_instance(body, &mut |instance| contents.push(instance.get_mut("con").map(Value::take)));
    names::lengthen(body);
    let mut contents = contents.into_iter();
    each_instance(body, &mut |instance| {
        if let Some(Some(content)) = contents.next() {
            let name = if instance.get("con").is_some() { "con" } else { "content" };
            if let Some(slot) = instance.get_mut(name) {
                *slot = content;
            }
        }
    });
}

/// Every content instance of a body.
fn each_instance(value: &mut Value, each: &mut dyn FnMut(&mut Value)) {
    let Value::Object(members) = value else {
        if let Value::Array(items) = value {
            items.iter_mut().for_each(|item| each_instance(item, each));
        }
        return;
    };
    for (name, member) in members {
        match member {
            Value::Array(items) if name == "m2m:cin" => items.iter_mut().for_each(&mut *each),
            member if name == "m2m:cin" => each(member),
            member => each_instance(member, each),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{Cause, Error};

    fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
        response.headers().get(name)?.to_str().ok()
    }

    #[tokio::test]
    async fn answers_have_the_headers_of_the_contract() {
        let echo = Echo { request_id: Some(HeaderValue::from_static("123")), ..Echo::default() };
        let made = Outcome { location: Some("/t/ab".into()), ..Outcome::of(2001, json!({"m2m:cnt": {}})) };
        let response = answer(Ok(made), &echo, Time(1_778_092_785_501));
        assert_eq!(response.status(), 201);
        for (name, value) in [
            ("x-m2m-ri", Some("123")),
            ("x-m2m-rvi", Some("4")),
            ("x-m2m-rsc", Some("2001")),
            ("x-m2m-ot", Some("2026-05-06T18:39:45.501Z")),
            ("content-type", Some("application/json; charset=utf-8")),
            ("cache-control", Some("no-cache, no-store, max-age=0, must-revalidate")),
            ("x-content-type-options", Some("nosniff")),
            ("content-location", Some("/t/ab")),
            ("x-m2m-cts", None),
            ("www-authenticate", None),
        ] {
            assert_eq!(header(&response, name), value, "{name}");
        }
    }

    #[tokio::test]
    async fn deletions_are_empty_and_faults_are_told() {
        let gone = answer(Ok(Outcome::empty(2002)), &Echo::default(), Time(0));
        assert_eq!((gone.status().as_u16(), header(&gone, "content-type")), (200, Some("text/plain; charset=utf-8")));
        assert_eq!(axum::body::to_bytes(gone.into_body(), 10).await.unwrap().len(), 0);
        let fault = Fault::from(Error::new(Cause::Unauthenticated, "for operators"));
        let refused = answer(Err(fault), &Echo::default(), Time(0));
        assert_eq!((refused.status().as_u16(), header(&refused, "www-authenticate")), (401, Some("Bearer")));
        let body = axum::body::to_bytes(refused.into_body(), 100).await.unwrap();
        assert_eq!(&body[..], br#"{"m2m:dbg":"missing or invalid access token"}"#);
        let cut = Outcome { next_offset: Some(7), ..Outcome::of(2000, json!({})) };
        let cut = answer(Ok(cut), &Echo { onem2m_media_type: true, ..Echo::default() }, Time(0));
        assert_eq!((header(&cut, "x-m2m-cts"), header(&cut, "x-m2m-cto")), (Some("1"), Some("7")));
        assert_eq!(header(&cut, "content-type"), Some("application/vnd.onem2m-res+json; charset=utf-8"));
    }

    #[test]
    fn long_names_leave_contents_alone() {
        let content = json!({"rn": 1, "ni": ["lbl"]});
        let one = json!({"con": content, "ty": 4});
        let mut body = json!({"m2m:cnt": {"m2m:cin": [one, {"con": "text"}]}});
        lengthen(&mut body);
        let instances = &body["m2m:cnt"]["m2m:cin"];
        let held = |at: usize| instances[at].get("content").or_else(|| instances[at].get("con")).cloned();
        assert_eq!((held(0), held(1)), (Some(content), Some(json!("text"))));
    }
}
