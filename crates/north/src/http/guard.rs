//! What every API has around its handlers: each request is a [`Call`] of it, a refusal is about that call, and a panic, which is a defect, is
//! answered in the form of the API and told by the listener.

use super::reason::{Call, Reason};
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
    /// What the API is called in why records and metrics.
    pub api: &'static str,
    /// Headers of the request that the answer is made of, in lower case.
    pub echoes: &'static [&'static str],
    /// The answer, from those headers and the time.
    pub failed: fn(&HeaderMap, Time) -> Response,
}

/// These routes, answering a panic of their handlers in a form. Guarded twice, a request is a call of the outer API.
pub(crate) fn guarded(routes: Router, form: Form, now: impl Fn() -> Time + Clone + Send + Sync + 'static) -> Router {
    routes.layer(from_fn(move |mut request: Request, next: Next| {
        let kept = |name: &&'static str| Some((HeaderName::from_static(name), request.headers().get(*name)?.clone()));
        let (kept, now): (HeaderMap, _) = (form.echoes.iter().filter_map(kept).collect(), now.clone());
        let call = request.extensions_mut().get_or_insert_with(|| Call::to(form.api)).clone();
        async move {
            let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
            let mut answer = answered.unwrap_or_else(|_| Reason::panic().on((form.failed)(&kept, now())));
            if let Some(reason) = answer.extensions_mut().get_mut::<Reason>() {
                reason.about(call);
            }
            answer
        }
    }))
}
