//! /provisioning: lists of nodes that become devices in the background, as applications ask for them over oneM2M. How far they are, what failed,
//! and the same from an operator's hand.

use crate::admin::{
    caller::{JsonBody, Over},
    error::{Answer, Refusal},
    query::{id, listed},
};
use crate::onem2m::list::{BODY_BYTES, node_json, parse_body, request_json, upload};
use axum::{
    Json,
    extract::{DefaultBodyLimit, FromRequest, Path, Request},
    http::StatusCode,
};
use landfall_core::{FailedNode, Provisioning, Scope};
use landfall_model::{Cause, NodeRequest, PageRequest, Time};
use serde_json::{Value, json};

/// Failed nodes that are read at once.
const PAGE: u32 = 1_000;

/// A JSON body that may be as large as a list of nodes.
pub(in crate::admin) struct ListBody(Value);

impl<S: Send + Sync> FromRequest<S> for ListBody {
    type Rejection = Refusal;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Refusal> {
        DefaultBodyLimit::max(BODY_BYTES).apply(&mut request);
        upload(request.extensions());
        let JsonBody(value) = JsonBody::from_request(request, state).await?;
        Ok(Self(value))
    }
}

/// Requests, newest first.
pub(in crate::admin) async fn list(over: Over) -> Answer {
    let page = over.params.paged(&["app"])?;
    let scope = match over.params.text("app") {
        Some(_) => chosen(&over).await?,
        None => over.scope.clone(),
    };
    let now = over.core.now();
    Ok(listed(&over.core.provisionings(&scope, page).await?, |one| request(one, now)))
}

/// Takes a list, as an application's POST does.
pub(in crate::admin) async fn submit(over: Over, ListBody(body): ListBody) -> Answer<(StatusCode, Json<Value>)> {
    over.params.only(&["app"])?;
    let scope = chosen(&over).await?;
    let made = over.core.request_provisioning_for(&scope, parse_body(body)?).await?;
    Ok((StatusCode::CREATED, Json(request(&made, over.core.now()))))
}

/// Says what would become of a list now.
pub(in crate::admin) async fn dry_run(over: Over, ListBody(body): ListBody) -> Answer {
    over.params.only(&["app"])?;
    let scope = chosen(&over).await?;
    let nodes = parse_body(body)?.nodes;
    let outcomes = over.core.try_provisioning(&scope, &nodes).await?;
    let refused = nodes.iter().zip(outcomes).enumerate();
    let refused = refused.filter_map(|(place, (node, outcome))| Some(refusal(place as u64, node, &outcome?.message)));
    let refused: Vec<Value> = refused.collect();
    Ok(Json(json!({ "total": nodes.len(), "good": nodes.len() - refused.len(), "failed": refused.len(), "refused": refused })))
}

pub(in crate::admin) async fn show(over: Over, Path(which): Path<String>) -> Answer {
    over.params.only(&[])?;
    Ok(Json(request(&one(&over, &which).await?, over.core.now())))
}

/// Nodes that failed so far, in the order of the list.
pub(in crate::admin) async fn failures(over: Over, Path(which): Path<String>) -> Answer {
    let page = over.params.paged(&[])?;
    let of = one(&over, &which).await?;
    let render = |failed: &FailedNode| refusal(failed.place, &failed.node, &failed.message);
    Ok(listed(&over.core.failed_nodes(&of, page).await?, render))
}

/// The nodes that failed so far as the body of a new request, with their keys.
pub(in crate::admin) async fn failed_request(over: Over, Path(which): Path<String>) -> Answer {
    over.params.only(&[])?;
    let of = one(&over, &which).await?;
    let mut nodes = vec![];
    for no in 0.. {
        let page = over.core.failed_nodes(&of, PageRequest { no, size: PAGE }).await?;
        let is_last = page.items.len() < PAGE as usize;
        nodes.extend(page.items.iter().map(|failed| node_json(&failed.node)));
        if is_last {
            break;
        }
    }
    Ok(Json(request_json(&of.labels, nodes)))
}

/// Authority over the application that is named, or over the account's only one.
async fn chosen(over: &Over) -> landfall_model::Result<Scope> {
    over.narrowed(over.params.text("app")).await
}

async fn one(over: &Over, text: &str) -> Result<Provisioning, Refusal> {
    let id = id(text, Cause::ResourceNotFound)?;
    Ok(over.core.provisioning(&over.scope, id).await?)
}

fn refusal(place: u64, node: &NodeRequest, message: &str) -> Value {
    json!({ "place": place, "nodeId": node.node_id, "name": node.name, "message": message })
}

/// A request and how far it is.
fn request(request: &Provisioning, now: Time) -> Value {
    let pace = pace(request, now);
    json!({
        "requestId": request.id,
        "jobId": request.job(),
        "accountId": request.account,
        "appId": request.app,
        "name": request.name,
        "originator": request.creator,
        "labels": request.labels,
        "state": request.state,
        "total": request.total,
        "done": request.done,
        "failed": request.failed,
        "nodesPerSecond": pace.map(|(per_s, _)| per_s),
        "createdAt": request.created_at.iso(),
        "startedAt": request.started_at.map(Time::iso),
        "finishedAt": request.finished_at.map(Time::iso),
        "expectedEnd": pace.and_then(|(_, end)| end).map(Time::iso),
    })
}

/// Nodes a second since it was taken, and the end at that pace while it runs; none before there is anything to measure.
fn pace(request: &Provisioning, now: Time) -> Option<(f64, Option<Time>)> {
    request.started_at?;
    let spent_ms = request.finished_at.unwrap_or(now).0.saturating_sub(request.created_at.0);
    if spent_ms <= 0 || request.done == 0 {
        return None;
    }
    let per_s = request.done as f64 * 1_000.0 / spent_ms as f64;
    let left_ms = request.total.saturating_sub(request.done) as f64 * 1_000.0 / per_s;
    let end = request.finished_at.is_none().then(|| Time(now.0.saturating_add(left_ms as i64)));
    Some(((per_s * 10.0).round() / 10.0, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{AccountId, AppId, ResourceId};

    #[test]
    fn the_pace_is_measured_from_the_taking_on() {
        let taken = Provisioning {
            id: ResourceId::new(Time(0), [1; 16]),
            account: AccountId::from_random([1; 16]),
            app: AppId::from_random([2; 16]),
            name: "r".into(),
            creator: "Cc".into(),
            labels: vec![],
            state: "waiting",
            total: 1_000,
            done: 0,
            made: 0,
            failed: 0,
            created_at: Time(10_000),
            started_at: None,
            finished_at: None,
        };
        let shown = request(&taken, Time(11_000));
        assert_eq!(
            (&shown["state"], &shown["nodesPerSecond"], &shown["expectedEnd"]),
            (&json!("waiting"), &json!(null), &json!(null))
        );
        let running = Provisioning { state: "running", done: 250, failed: 3, started_at: Some(Time(10_100)), ..taken };
        let shown = request(&running, Time(12_000));
        assert_eq!((&shown["state"], &shown["nodesPerSecond"]), (&json!("running"), &json!(125.0)));
        assert_eq!(shown["expectedEnd"], "1970-01-01T00:00:18.000Z");
        assert_eq!(request(&running, Time(10_000))["nodesPerSecond"], json!(null), "no time went by");
        let over = Provisioning { state: "finished", done: 1_000, finished_at: Some(Time(14_000)), ..running };
        let shown = request(&over, Time(99_000));
        assert_eq!((&shown["state"], &shown["nodesPerSecond"]), (&json!("finished"), &json!(250.0)));
        assert_eq!((&shown["finishedAt"], &shown["expectedEnd"]), (&json!("1970-01-01T00:00:14.000Z"), &json!(null)));
    }
}
