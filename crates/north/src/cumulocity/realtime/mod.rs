//! Real time: conversations after Bayeux 1.0 by long polls (`/notification/operations`, `/notification/realtime`, `/cep/realtime`).
//!
//! All is done by the requests: a connect that waits reads what happened, and says what of it fits the channels of its client.

mod channel;
mod clients;
mod news;

pub(super) use clients::Clients;

use super::{Cumulocity, Fault, Inbound, OPERATIONS, Reply, request::served as served_to};
use crate::http::Reason;
use axum::{
    Router,
    body::Body,
    http::{HeaderValue, header},
    response::Response,
    routing::post,
};
use channel::{Channel, What};
use clients::Client;
use landfall_core::Permission;
use landfall_model::Cause;
use serde_json::{Map, Value, json};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::time::sleep;

/// The longest wait, milliseconds.
const WAIT_MS: u64 = 60_000;
/// Messages of a request, and subscriptions of a message.
const MESSAGES: usize = 100;
/// Characters of what is said again in an answer.
const TEXT: usize = 256;

/// Why a message is refused: `code:arguments:text` (Bayeux 1.0), and what of the client is to be done.
struct Refusal {
    error: String,
    check: &'static str,
    advice: Option<&'static str>,
}

impl Refusal {
    fn of(code: u16, about: &str, text: &str, check: &'static str) -> Self {
        Self { error: format!("{code}:{about}:{text}"), check, advice: None }
    }

    fn unknown_client() -> Self {
        Self { advice: Some("handshake"), ..Self::of(402, "", "Unknown client", "realtime.client") }
    }
}

/// What a message brings: its answer in some fields, and messages of other channels before that.
#[derive(Default)]
struct Said {
    fields: Vec<(&'static str, Value)>,
    told: Vec<Value>,
}

enum Refused {
    Message(Refusal),
    Request(Fault),
}

impl<T: Into<Fault>> From<T> for Refused {
    fn from(fault: T) -> Self {
        Self::Request(fault.into())
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Message(refusal)
    }
}

/// Programs with CometD name the kind of their messages at the end of the path, which says nothing that the messages do not.
pub(super) fn routes() -> Router<Arc<Cumulocity>> {
    let named = |path: &str| OPERATIONS.iter().find(|operation| operation.path == path);
    ["/notification/operations", "/notification/realtime", "/cep/realtime"].into_iter().filter_map(named).fold(
        Router::new(),
        |router, operation| {
            let path = format!("{}/{{kind}}", operation.path);
            match operation.path {
                "/notification/operations" => router.route(&path, post(served_to(operation, Permission::See, operations))),
                _ => router.route(&path, post(served_to(operation, Permission::See, all))),
            }
        },
    )
}

/// `POST /notification/operations`
pub(super) async fn operations(inbound: Inbound) -> Result<Reply, Fault> {
    answered(inbound, true).await
}

/// `POST /notification/realtime`, `POST /cep/realtime`
pub(super) async fn all(inbound: Inbound) -> Result<Reply, Fault> {
    answered(inbound, false).await
}

async fn answered(mut inbound: Inbound, operations: bool) -> Result<Reply, Fault> {
    let messages = match inbound.value().await? {
        Value::Array(all) => all,
        one => vec![one],
    };
    if messages.is_empty() || messages.len() > MESSAGES {
        return Err(Fault::malformed(format!("the body must have 1 to {MESSAGES} messages")));
    }
    let (mut answers, mut reason) = (vec![], None);
    for message in messages {
        let Value::Object(message) = message else { return Err(Fault::malformed("a message must be an object")) };
        let channel = short(&message, "channel").ok_or_else(|| Fault::malformed("a message must have a channel"))?;
        let mut answer = Map::from_iter([("channel".to_owned(), Value::from(channel))]);
        let repeated = ["id", "clientId", "subscription"].into_iter().filter_map(|name| message.get_key_value(name));
        answer.extend(repeated.map(|(name, value)| (name.clone(), value.clone())));
        match served(&inbound, operations, channel, &message).await {
            Ok(said) => {
                answers.extend(said.told);
                answer.insert("successful".to_owned(), true.into());
                answer.extend(said.fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
            }
            Err(Refused::Request(fault)) => return Err(fault),
            Err(Refused::Message(refusal)) => {
                answer.insert("successful".to_owned(), false.into());
                answer.insert("error".to_owned(), refusal.error.as_str().into());
                if let Some(what) = refusal.advice {
                    answer.insert("advice".to_owned(), json!({ "reconnect": what, "interval": 0 }));
                }
                reason.get_or_insert_with(|| Reason::new("realtime", refusal.check, refusal.error));
            }
        }
        answers.push(answer.into());
    }
    let mut response = Response::new(Body::from(Value::Array(answers).to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Reply::Raw(match reason {
        Some(reason) => reason.on(response),
        None => response,
    }))
}

async fn served(inbound: &Inbound, operations: bool, channel: &str, message: &Map<String, Value>) -> Result<Said, Refused> {
    if channel == "/meta/handshake" {
        return Ok(handshake(inbound, operations, message)?);
    }
    let (clients, id) = (&inbound.dialect.realtime, short(message, "clientId").unwrap_or_default());
    let client = clients.find(id, inbound.caller(), inbound.core().now()).ok_or_else(Refusal::unknown_client)?;
    match channel {
        "/meta/connect" => connect(inbound, &client, message).await,
        "/meta/subscribe" => {
            for text in subscriptions(message)? {
                subscribe(inbound, &client, text).await?;
            }
            Ok(Said::default())
        }
        "/meta/unsubscribe" => {
            for text in subscriptions(message)? {
                Channel::parse(text, client.operations).iter().for_each(|channel| client.leave(channel));
            }
            Ok(Said::default())
        }
        "/meta/disconnect" => {
            clients.end(&client);
            Ok(Said::default())
        }
        other => Err(Refusal::of(403, other, "Nothing is published here", "realtime.publish").into()),
    }
}

fn handshake(inbound: &Inbound, operations: bool, message: &Map<String, Value>) -> Result<Said, Refusal> {
    let none = |refusal| Refusal { advice: Some("none"), ..refusal };
    let kinds = message.get("supportedConnectionTypes").and_then(Value::as_array);
    if kinds.is_some_and(|kinds| !kinds.iter().any(|kind| kind == "long-polling")) {
        return Err(none(Refusal::of(400, "", "The connection type long-polling is needed", "realtime.type")));
    }
    let core = inbound.core();
    let client = inbound.dialect.realtime.make(inbound.caller(), operations, core.store().newest(), core.now());
    let client = client.ok_or_else(|| none(Refusal::of(429, "", "There are too many clients", "realtime.clients")))?;
    Ok(Said {
        fields: vec![
            ("version", "1.0".into()),
            ("minimumVersion", "1.0".into()),
            ("supportedConnectionTypes", json!(["long-polling"])),
            ("clientId", client.id.as_str().into()),
            ("advice", json!({ "reconnect": "retry", "interval": 0, "timeout": WAIT_MS })),
        ],
        told: vec![],
    })
}

fn subscriptions(message: &Map<String, Value>) -> Result<Vec<&str>, Refusal> {
    let found: Option<Vec<&str>> = match message.get("subscription") {
        Some(Value::String(one)) => Some(vec![one]),
        Some(Value::Array(all)) if all.len() <= MESSAGES => all.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let found = found.filter(|all| !all.is_empty() && all.iter().all(|text| text.len() <= TEXT));
    found.ok_or_else(|| Refusal::of(403, "", "Subscription missing", "realtime.subscription"))
}

/// A device that the user does not reach is as one that there is not.
async fn subscribe(inbound: &Inbound, client: &Client, text: &str) -> Result<(), Refused> {
    let denied = |why: &str| Refusal::of(403, text, why, "realtime.channel");
    let channel = Channel::parse(text, client.operations).ok_or_else(|| denied("There is no such channel"))?;
    let (core, caller) = (inbound.core(), inbound.caller());
    if let Some(id) = channel.id {
        let found = match channel.what {
            What::Objects => core.managed_object(caller, id).await.map(|_| ()),
            _ => core.device_of_object(caller, id).await.map(|_| ()),
        };
        match found {
            Err(error) if error.cause == Cause::ResourceNotFound => return Err(denied("There is no such device").into()),
            other => other?,
        }
    }
    match client.listen(channel, core.store().newest(), core.now()) {
        true => Ok(()),
        false => Err(Refusal::of(403, text, "There are too many channels", "realtime.channels").into()),
    }
}

/// Waits until there is something to tell, another connect comes or the time is over.
async fn connect(inbound: &Inbound, client: &Arc<Client>, message: &Map<String, Value>) -> Result<Said, Refused> {
    let turn = client.begin();
    let asked = message.get("advice").and_then(|advice| advice.get("timeout")).and_then(Value::as_u64);
    let wait_ms = asked.unwrap_or(WAIT_MS).min(WAIT_MS);
    let (mut over, mut end) = (wait_ms == 0, pin!(sleep(Duration::from_millis(wait_ms))));
    let (core, mut bell) = (inbound.core(), client.bell.subscribe());
    loop {
        bell.mark_unchanged();
        let state = client.state();
        let found = if state.is_lost() { None } else { news::found(inbound, client, &state).await? };
        let Some(found) = found else {
            client.lose();
            inbound.dialect.realtime.end(client);
            return Err(Refusal::unknown_client().into());
        };
        if !client.keep(turn, &found) {
            return Ok(Said::default());
        }
        if !found.messages.is_empty() || over {
            return Ok(Said { fields: vec![], told: found.messages });
        }
        tokio::select! {
            _ = bell.changed() => {}
            () = core.store().wait_after(found.read_to), if client.reads(&state) => {}
            () = &mut end => over = true
        }
        core.still_signed_in(inbound.caller()).await?;
    }
}

/// A text of a message that is not too long.
fn short<'a>(message: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    message.get(name).and_then(Value::as_str).filter(|text| text.len() <= TEXT)
}
