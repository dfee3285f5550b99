//! Panics of handlers, which are defects: answered in the form of their API, and told by the listener.

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName},
    middleware::{Next, from_fn},
    response::Response,
};
use futures_util::FutureExt;
use landfall_model::Time;
use std::panic::AssertUnwindSafe;

/// How an API answers a request whose handler panicked.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Headers of the request that the answer is made of, in lower case.
    pub echoes: &'static [&'static str],
    /// The answer, from those headers and the time.
    pub failed: fn(&HeaderMap, Time) -> Response,
}

/// In the extensions of an answer to a panic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panicked;

/// These routes, answering a panic of their handlers in a form.
pub(crate) fn guarded(routes: Router, form: Form, now: impl Fn() -> Time + Clone + Send + Sync + 'static) -> Router {
    routes.layer(from_fn(move |request: Request, next: Next| {
        let kept = |name: &&'static str| Some((HeaderName::from_static(name), request.headers().get(*name)?.clone()));
        let (kept, now): (HeaderMap, _) = (form.echoes.iter().filter_map(kept).collect(), now.clone());
        async move {
            let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
            answered.unwrap_or_else(|_| {
                let mut answer = (form.failed)(&kept, now());
                answer.extensions_mut().insert(Panicked);
                answer
            })
        }
    }))
}
