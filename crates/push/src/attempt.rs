//! One attempt for one event: get its bodies if they are not in memory, then send each of them, if it still may go out.

use crate::bodies::Bodies;
use crate::delivery::{Client, Failure};
use crate::target::Target;
use crate::worker::Context;
use landfall_model::{Seq, Subscription};
use std::sync::Arc;

/// An attempt that ended.
pub(crate) struct Outcome {
    /// Its event.
    pub seq: Seq,
    /// How.
    pub end: End,
}

/// How an attempt ended.
pub(crate) enum End {
    /// All bodies were confirmed.
    Delivered,
    /// So many bodies are confirmed, then it failed.
    Failed(usize, Failure),
    /// The event left the stream.
    Lost,
    /// Its subscriber may not be told any more.
    Withheld,
    /// It means nothing to the subscription any more.
    Unconcerned,
}

/// Sends the bodies of an event from `done` on.
pub(crate) async fn attempt(
    ctx: &Context,
    subscription: &Subscription,
    client: std::result::Result<Arc<Client>, Failure>,
    seq: Seq,
    bodies: Option<Arc<Bodies>>,
    done: usize,
) -> End {
    let client = match client {
        Ok(client) => client,
        Err(failure) => return End::Failed(done, failure),
    };
    let bodies = match bodies {
        Some(bodies) => bodies,
        None => match ctx.store.events_at(&[seq]).await {
            Err(error) => return End::Failed(done, Failure::new(format!("the event cannot be read: {error}"))),
            Ok(events) => match events.first() {
                None => return End::Lost,
                Some(event) => ctx.bodies(subscription, event, ctx.render.render(subscription, event)),
            },
        },
    };
    if bodies.list().is_empty() {
        return End::Unconcerned;
    }
    let mut confirmed = done;
    while let Some(part) = bodies.list().get(confirmed) {
        // Before each of them: the bodies of one event can take a while.
        match ctx.rights.suspension(subscription).await {
            Err(error) => return End::Failed(confirmed, Failure::new(format!("rights cannot be read: {error}"))),
            Ok(Some(_)) => return End::Withheld,
            Ok(None) => {}
        }
        match client.post(seq, part).await {
            Ok(()) => confirmed += 1,
            Err(failure) => return End::Failed(confirmed, failure),
        }
    }
    End::Delivered
}

/// The client of a subscription, or why there is none.
pub(crate) fn client(ctx: &Context, subscription: &Subscription) -> std::result::Result<Arc<Client>, Failure> {
    let target = Target::parse(&subscription.callback_url);
    let target = target.map_err(|error| Failure::new(format!("callback address: {}", error.detail)))?;
    Ok(Arc::new(Client::new(subscription.id, target, Arc::clone(&ctx.net))))
}
