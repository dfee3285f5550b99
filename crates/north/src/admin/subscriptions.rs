//! /subscriptions: who is told what, how far each was served, and replay.

use super::{
    caller::{JsonBody, Over},
    error::{Answer, Refusal},
    ops::Delivery,
    query::{id, listed, time},
    view,
};
use axum::{Json, extract::Path, http::StatusCode};
use landfall_core::SubscriptionFilter;
use landfall_model::{Cause, Error, NotifyType, Subscription, SubscriptionKind};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

pub(super) async fn list(over: Over) -> Answer {
    let params = &over.params;
    let page = params.paged(&["app", "kind", "callbackUrl"])?;
    let target = match params.text("app") {
        Some(text) => Some(over.app(text).await.map_err(|error| error.at("app"))?.id),
        None => None,
    };
    let kind = params.text("kind").map(kind).transpose()?;
    let callback_url = params.text("callbackUrl").map(str::to_owned);
    let filter = SubscriptionFilter { target, kind, callback_url, ..SubscriptionFilter::default() };
    Ok(listed(&over.core.subscriptions(&over.scope, filter, page).await?, |one| view::subscription(one)))
}

fn kind(word: &str) -> landfall_model::Result<SubscriptionKind> {
    if word == "callAddress" {
        return Ok(SubscriptionKind::CallAddress);
    }
    let unknown = || Error::invalid("kind", "must be a notifyType or callAddress");
    NotifyType::parse(word).map(SubscriptionKind::Notify).ok_or_else(unknown)
}

/// One subscription with its delivery state.
pub(super) async fn show(over: Over, Path(text): Path<String>) -> Answer {
    over.params.only(&[])?;
    let found = one(&over, &text).await?;
    let mut shown = view::subscription(&found);
    shown["delivery"] = view::delivery(&delivered(&over, &found).await?);
    Ok(Json(shown))
}

pub(super) async fn delivery(over: Over, Path(text): Path<String>) -> Answer {
    over.params.only(&[])?;
    let found = one(&over, &text).await?;
    Ok(Json(view::delivery(&delivered(&over, &found).await?)))
}

/// How far it was served; what was not even made for it counts as withheld.
async fn delivered(over: &Over, found: &Subscription) -> Result<Delivery, Refusal> {
    let mut delivery = over.ops.delivery(found.id).await.unwrap_or_default();
    if let SubscriptionKind::Resource(resource, _) = found.kind
        && let Some(withheld) = over.core.withheld(resource)
    {
        delivery.withheld += withheld.count;
        delivery.withheld_because = Some((withheld.at, withheld.reason));
    }
    if let Some(reason) = over.core.suspension(found).await? {
        delivery.state = format!("suspended: {reason}");
    }
    Ok(delivery)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MoveBody {
    callback_url: String,
}

pub(super) async fn change(over: Over, Path(text): Path<String>, JsonBody(body): JsonBody<MoveBody>) -> Answer {
    over.params.only(&[])?;
    let id = own(&over, &text).await?.id;
    Ok(Json(view::subscription(&*over.core.move_subscription(&over.scope, id, &body.callback_url).await?)))
}

pub(super) async fn delete(over: Over, Path(text): Path<String>) -> Answer<StatusCode> {
    over.params.only(&[])?;
    let id = one(&over, &text).await?.id;
    over.core.delete_subscription(&over.scope, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayBody {
    from: String,
}

pub(super) async fn replay(over: Over, Path(text): Path<String>, JsonBody(body): JsonBody<ReplayBody>) -> Answer {
    over.params.only(&[])?;
    let found = one(&over, &text).await?;
    if let Some(reason) = over.core.suspension(&found).await? {
        return Err(Error::new(Cause::Forbidden, format!("the subscription is suspended: {reason}")).into());
    }
    let seq = over.ops.replay(found.id, time("from", &body.from)?).await?;
    Ok(Json(json!({ "subscriptionId": found.id, "after": seq })))
}

async fn one(over: &Over, text: &str) -> Result<Arc<Subscription>, Refusal> {
    let id = id(text, Cause::SubscriptionNotFound)?;
    Ok(over.core.subscription(&over.scope, id).await?)
}

/// One that stands for itself. What serves an address of a resource changes with that alone.
async fn own(over: &Over, text: &str) -> Result<Arc<Subscription>, Refusal> {
    let found = one(over, text).await?;
    match found.kind {
        SubscriptionKind::Resource(..) => {
            let rule = "serves an address of a resource: change that";
            Err(Error::invalid("subscription", rule).into())
        }
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_words() {
        assert_eq!(kind("callAddress"), Ok(SubscriptionKind::CallAddress));
        assert_eq!(kind("bindDevice"), Ok(SubscriptionKind::Notify(NotifyType::BindDevice)));
        assert_eq!(kind("bind").unwrap_err().path.as_deref(), Some("kind"));
    }
}
