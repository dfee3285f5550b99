//! Why calls are refused: what an API says of a call and of its refusal. The listener makes of it a why record, a counter, and the answer's
//! header where the client asks for one.

use axum::{
    http::{Extensions, HeaderMap, HeaderName, HeaderValue},
    response::Response,
};
use landfall_core::{ApiCall, Core, Why};
use landfall_model::{AccountId, App, AppId, Cause, Error, ErrorKind};
use parking_lot::Mutex;
use std::{borrow::Cow, net::SocketAddr, sync::Arc};

/// Asks for the reason of a refusal (`on`), and carries it in the answer.
pub(super) const REASON: HeaderName = HeaderName::from_static("x-landfall-reason");
/// Bytes of the header.
const REASON_BYTES: usize = 1_024;

/// What is known of a call, filled in by its API as it learns more. In the extensions of the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call(Arc<Mutex<Known>>);

#[derive(Clone, Debug, Default)]
struct Known {
    api: &'static str,
    operation: &'static str,
    identity: String,
    request_id: Option<String>,
    who: Who,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Who {
    #[default]
    Unknown,
    /// Whoever says to be this application.
    Claims(AppId),
    App(AccountId, AppId),
    /// An operator, who sees the reasons of all that it is refused in the answers.
    Operator,
}

impl Call {
    /// A call of this API of which nothing more is known.
    pub(super) fn to(api: &'static str) -> Self {
        Self(Arc::new(Mutex::new(Known { api, ..Known::default() })))
    }

    /// The call that a request is.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Which operation is asked for.
    pub(crate) fn asks(&self, operation: &'static str) {
        self.0.lock().operation = operation;
    }

    /// What the client calls the request.
    pub(crate) fn is_called(&self, request_id: &str) {
        self.0.lock().request_id = Some(request_id.to_owned());
    }

    /// Who the client says it is, which it has not proved yet.
    pub(crate) fn claims(&self, identity: &str, app: Option<AppId>) {
        let mut known = self.0.lock();
        identity.clone_into(&mut known.identity);
        known.who = app.map_or(Who::Unknown, Who::Claims);
    }

    /// The application that asks, or that an operator asks about.
    pub(crate) fn is_of(&self, app: &App) {
        self.0.lock().who = Who::App(app.account, app.id);
    }

    /// An operator asks.
    pub(crate) fn is_of_operator(&self) {
        self.0.lock().who = Who::Operator;
    }
}

/// Why a call is refused. In the extensions of its answer.
#[derive(Clone, Debug)]
pub struct Reason {
    code: Cow<'static, str>,
    check: &'static str,
    detail: Cow<'static, str>,
    /// What the client is told instead of the detail.
    told: Option<&'static str>,
    call: Option<Call>,
}

impl Reason {
    /// The dialect's code, the check that failed (a stable word), and what was wrong, in words for operators. The client may know all of it.
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, check: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), check, detail: detail.into(), told: None, call: None }
    }

    /// That of an error. The client is not told what is for operators: what failed in here, and what is wrong with a credential.
    pub(crate) fn of(code: impl Into<Cow<'static, str>>, error: &Error) -> Self {
        let told = match error.cause {
            Cause::Unauthenticated => Some("no credential, or a wrong one"),
            _ if error.kind() == ErrorKind::Internal => Some("internal server error"),
            _ => None,
        };
        Self { told, ..Self::new(code, error.cause.as_str(), error.to_string()) }
    }

    /// A handler panicked, which is a defect.
    pub(super) fn panic() -> Self {
        Self {
            told: Some("internal server error"),
            ..Self::new("", "panic", "a handler panicked: a defect, see the server's log")
        }
    }

    /// The check that failed.
    #[cfg(test)]
    pub(super) fn check(&self) -> &'static str {
        self.check
    }

    pub(super) fn is_panic(&self) -> bool {
        self.check == "panic"
    }

    /// Puts it into the answer.
    pub(crate) fn on(self, mut answer: Response) -> Response {
        answer.extensions_mut().insert(self);
        answer
    }

    /// The same of this call.
    pub(super) fn about(&mut self, call: Call) {
        self.call.get_or_insert(call);
    }

    /// What the listener knows better: the body was not taken. Whether the call is still to be kept; one of nobody known is the listener's.
    pub(super) fn unread(&mut self, check: &'static str, detail: String) -> bool {
        (self.check, self.detail, self.told) = (check, detail.into(), None);
        self.call.take_if(|call| call.0.lock().who == Who::Unknown);
        self.call.is_some()
    }

    /// For the header: one line of printable ASCII, other characters as `\u{e4}`.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let detail = self.told.unwrap_or(&self.detail);
        let printed = |c: char| if matches!(c, ' '..='~') { c.to_string() } else { c.escape_default().to_string() };
        let mut line = format!("{}: {}", self.check, detail.chars().map(printed).collect::<String>());
        line.truncate(REASON_BYTES);
        HeaderValue::from_str(&line).ok()
    }
}

/// Whether a client wants to be told the reason of a refusal.
pub(super) fn wanted(headers: &HeaderMap) -> bool {
    headers.get(REASON).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"on"))
}

/// Keeps why a call was refused: with its application, where there is one of that id. `number` is the listener's of the request.
pub(super) async fn keep(core: &Core, peer: SocketAddr, number: u64, status: u16, reason: Reason) {
    let Some(call) = reason.call else { return };
    let Known { api, operation, identity, request_id, who } = call.0.lock().clone();
    let request_id = request_id.unwrap_or_else(|| number.to_string());
    let operation = if operation.is_empty() { "none" } else { operation };
    let (check, code) = (reason.check, reason.code);
    if who == Who::Operator {
        tracing::debug!(number, api, operation, status, check, "request refused");
        return core.why().count_call(api, operation, check);
    }
    tracing::debug!(number, api, operation, identity, request_id, status, %code, check, detail = %reason.detail, "request refused");
    let call = ApiCall { request_id, operation, status, code: code.into_owned() };
    let detail = reason.detail.into_owned();
    let why = Why { at: core.now(), identity, peer: Some(peer), step: api, check, detail, call: Some(call) };
    let log = core.why();
    match who {
        Who::App(account, app) => log.of_app(account, app, true, why),
        Who::Claims(app) => match core.store().app(app).await {
            Ok(Some(app)) => log.of_app(app.account, app.id, false, why),
            _ => log.of_unknown(why),
        },
        Who::Unknown | Who::Operator => log.of_unknown(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_one_line_of_ascii() {
        let cases = [
            ("plain", "field: plain".to_owned()),
            ("two\r\nlines\u{7f}", r"field: two\r\nlines\u{7f}".to_owned()),
            ("Gerät 一", r"field: Ger\u{e4}t \u{4e00}".to_owned()),
            (&"é".repeat(2_000), format!("field: {}", r"\u{e9}".repeat(2_000))[..REASON_BYTES].to_owned()),
        ];
        for (detail, expected) in cases {
            assert_eq!(Reason::new("", "field", detail.to_owned()).header().unwrap(), expected.as_str());
        }
    }

    #[test]
    fn what_is_for_operators_is_not_told() {
        for (cause, told) in [
            (Cause::Unauthenticated, "Unauthenticated: no credential, or a wrong one"),
            (Cause::Internal, "Internal: internal server error"),
            (Cause::DeviceNotFound, "DeviceNotFound: secretly"),
        ] {
            let reason = Reason::of("1", &Error::new(cause, "secretly"));
            assert_eq!((reason.header().unwrap().to_str().unwrap(), &*reason.detail), (told, "secretly"));
        }
    }

    #[test]
    fn the_reason_is_asked_for() {
        for (value, asked) in [("on", true), ("ON", true), ("off", false), ("", false)] {
            let headers = HeaderMap::from_iter([(REASON, HeaderValue::from_static(value))]);
            assert_eq!(wanted(&headers), asked, "{value}");
        }
        assert!(!wanted(&HeaderMap::new()));
    }
}
