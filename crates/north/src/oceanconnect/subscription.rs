//! Subscriptions to service data (1.6.1, 1.6.3 to 1.6.6). Absent: those to management data (1.6.2).

use super::{
    Errors, Fault, map,
    request::{Inbound, answer, done},
    row,
    wire::{SubscribeBody, SubscriptionBody, SubscriptionListBody},
};
use axum::{http::StatusCode, response::Response};
use landfall_core::{SubscribeRequest, SubscriptionFilter};
use landfall_model::{Cause, Channel, Error, NotifyType, PageRequest, SubscriptionId, SubscriptionKind};

/// Subscriptions 1.6.4 answers at most (100224).
const LIST_MAX: usize = 1_000;

/// What is wrong with another field than the address is answered with 50400, which the printed table lacks (contract section 17).
pub(super) const CREATE: Errors = Errors::of(&[
    (400, "100222", "The request callbackurl is illegal."),
    row::INVALID,
    row::NOT_AUTHORIZED,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    (409, "100227", "The resource is conflicted."),
]);

/// 1.6.1
pub(super) async fn create(inbound: Inbound) -> Result<Response, Fault> {
    let request: SubscribeBody = inbound.json()?;
    let scope = inbound.scope_of(request.app_id.as_deref()).await?;
    // Of the two applications, that which authorised the caller owns the address with `false` [A 49]; .NET writes the flag as True.
    let words = [("true", false), ("True", false), ("false", true), ("False", true)];
    let owned_by_target = inbound.query().word("ownerFlag", &words)?.unwrap_or(false);
    let request = SubscribeRequest {
        kind: SubscriptionKind::Notify(service_type(request.notify_type.as_deref())?),
        channel: channel(request.channel.as_deref())?,
        callback_url: request.callback_url.filter(|url| !url.is_empty()).ok_or(Fault::Missing("callbackUrl"))?,
        owned_by_target,
    };
    let made = inbound.core().subscribe(&scope, request).await?;
    // One client a channel: the application that owns the subscription, by its id [A 12].
    let client_ids = (made.channel == Channel::Mqtt).then_some([made.owner]);
    answer(StatusCode::CREATED, &map::subscription(&made).map(|body| SubscriptionBody { client_ids, ..body }))
}

/// One of the 13 types of 1.6.1, or of those that the SDK chapters name beside them (contract row 41).
fn service_type(word: Option<&str>) -> Result<NotifyType, Fault> {
    let kind = NotifyType::parse(word.ok_or(Fault::Missing("notifyType"))?).filter(|kind| !kind.is_management());
    kind.ok_or_else(|| Fault::invalid("notifyType", "is none of the service notifications"))
}

fn channel(word: Option<&str>) -> Result<Channel, Fault> {
    match word {
        None | Some("") => Ok(Channel::Http),
        Some(word) => named(word).ok_or_else(|| Fault::invalid("channel", "must be HTTP or MQTT")),
    }
}

fn named(word: &str) -> Option<Channel> {
    Channel::ALL.into_iter().find(|channel| channel.as_str() == word)
}

/// 1.6.3, 1.6.5 and 1.6.6: a filter that names nothing known matches nothing. The printed table of 1.6.3 has neither 100217 nor 100225; it takes
/// those of 1.6.5 (contract section 8).
pub(super) const ONE: Errors =
    Errors::of(&[row::NOT_AUTHORIZED, row::THROTTLED, row::UNAUTHENTICATED, row::NOT_FOUND]).invalid(row::NOT_FOUND);

/// 1.6.3
pub(super) async fn get(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let found = inbound.core().subscription(&scope, subscription_id(&inbound)?).await?;
    answer(StatusCode::OK, &map::subscription(&found))
}

/// 1.6.5
pub(super) async fn delete(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    inbound.core().delete_subscription(&scope, subscription_id(&inbound)?).await?;
    done()
}

fn subscription_id(inbound: &Inbound) -> Result<SubscriptionId, Fault> {
    inbound.segment("subscriptionId").parse().map_err(|_| not_found("there is no such subscription"))
}

fn not_found(why: &'static str) -> Fault {
    Error::new(Cause::SubscriptionNotFound, why).into()
}

/// As [`CREATE`].
pub(super) const LIST: Errors = Errors::of(&[
    (400, "100224", "The resource exceeds 1000, please refinement query conditions."),
    row::INVALID,
    row::NOT_AUTHORIZED,
    row::THROTTLED,
    row::UNAUTHENTICATED,
]);

/// 1.6.4. The addresses of calls are no subscriptions to applications, so they are neither listed nor counted.
pub(super) async fn list(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let kind = filter_type(&inbound)?.map(SubscriptionKind::Notify);
    let page_no = inbound.query().number("pageNo", 0, u32::MAX.into())?;
    let page_size = inbound.query().number("pageSize", 1, u32::MAX.into())?.unwrap_or(10) as usize;
    let filter = SubscriptionFilter { kind, ..SubscriptionFilter::default() };
    let size = u32::try_from(inbound.core().settings().subscriptions).unwrap_or(u32::MAX);
    let found = inbound.core().subscriptions(&scope, filter, PageRequest { no: 0, size }).await?;
    let shown: Vec<_> = found.items.iter().filter_map(|subscription| map::subscription(subscription)).collect();
    let total_count = shown.len();
    if total_count > LIST_MAX {
        return Err(Fault::Coded("100224", format!("{total_count} subscriptions match")));
    }
    let (skip, take) = match page_no {
        Some(no) => (usize::try_from(no).unwrap_or(usize::MAX).saturating_mul(page_size), page_size),
        None => (0, total_count),
    };
    let subscriptions = shown.into_iter().skip(skip).take(take).collect();
    let body = SubscriptionListBody { total_count, page_no: page_no.unwrap_or(0), page_size: take, subscriptions };
    answer(StatusCode::OK, &body)
}

fn filter_type(inbound: &Inbound) -> Result<Option<NotifyType>, Fault> {
    inbound.query().word("notifyType", &NotifyType::ALL.map(|kind| (kind.as_str(), kind)))
}

/// 1.6.6
pub(super) async fn delete_matching(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let kinds = match filter_type(&inbound)? {
        Some(kind) => vec![kind],
        None => NotifyType::ALL.to_vec(),
    };
    // [A 13]: without a channel, those over HTTP; of other channels there are none.
    let word = inbound.query().text("channel").unwrap_or(Channel::Http.as_str());
    let channel = named(word).ok_or_else(|| not_found("no subscription has this channel"))?;
    let callback_url = inbound.query().text("callbackUrl").map(str::to_owned);
    let mut deleted = 0;
    // Type by type, so that the addresses of calls stay.
    for kind in kinds {
        let kind = Some(SubscriptionKind::Notify(kind));
        let filter =
            SubscriptionFilter { kind, channel: Some(channel), callback_url: callback_url.clone(), ..Default::default() };
        match inbound.core().delete_subscriptions(&scope, filter).await {
            Ok(count) => deleted += count,
            Err(error) if error.cause == Cause::SubscriptionNotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    if deleted == 0 { Err(not_found("no subscription matches")) } else { done() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_service_types_and_known_channels_are_taken() {
        for kind in NotifyType::ALL {
            assert_eq!(service_type(Some(kind.as_str())).is_ok(), !kind.is_management(), "{kind:?}");
        }
        for word in ["deviceEvent", "serviceInfoChanged", "deviceModelAdded", "deviceModelDeleted"] {
            assert!(service_type(Some(word)).is_ok(), "{word}");
        }
        for bad in [None, Some("swUpgradeResultNotify"), Some("deviceadded"), Some("")] {
            assert!(service_type(bad).is_err(), "{bad:?}");
        }
        assert_eq!(channel(None).unwrap(), Channel::Http);
        assert_eq!(channel(Some("HTTP")).unwrap(), Channel::Http);
        assert_eq!(channel(Some("MQTT")).unwrap(), Channel::Mqtt);
        assert!(channel(Some("mqtt")).is_err() && channel(Some("http")).is_err());
    }
}
