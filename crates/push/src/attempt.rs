//! One attempt for one event: get what is sent if it is not in memory, then send one after the other, if it still may go out.

use crate::context::Context;
use crate::held::Held;
use crate::sink::{Again, Failure, Link};
use futures_util::future::OptionFuture;
use landfall_core::{Notifier, Receipt, Subject, Verdict};
use landfall_model::{Seq, StoredEvent, Subscription, Write};
use std::sync::Arc;

/// Bytes of the events that are sent together; a larger one goes alone.
const TOGETHER_BYTES: usize = 1024 * 1024;

/// Whom a worker serves.
#[derive(Clone)]
pub(crate) struct Receiver {
    /// What it asked for.
    pub subscription: Arc<Subscription>,
    /// The dialect it is told in.
    pub notifier: &'static dyn Notifier,
    /// How it is reached, or why it cannot be.
    pub link: std::result::Result<Arc<dyn Link>, Failure>,
}

impl Receiver {
    /// Its next arrival; none where it is called, not waited for.
    pub fn arrival(&self) -> OptionFuture<impl Future<Output = ()>> {
        let arrivals = self.link.as_ref().ok().and_then(|link| link.arrivals());
        arrivals.map(|bell| bell.rung()).into()
    }
}

/// An attempt that ended.
pub(crate) struct Outcome {
    /// Its event, or the first of them.
    pub seq: Seq,
    /// Events that were sent, or were to be.
    pub events: usize,
    /// How.
    pub end: End,
    /// What the dialect wants written.
    pub writes: Vec<Write>,
}

/// How an attempt ended.
pub(crate) enum End {
    /// The receiver has everything.
    Delivered,
    /// So much is over, then it failed.
    Failed(usize, Failure),
    /// The dialect does not want it to be tried again, or the receiver will never take it.
    GivenUp(Failure),
    /// The event left the stream.
    Lost,
    /// Its subscriber may not be told any more.
    Withheld,
    /// It means nothing to the subscription any more.
    Unconcerned,
}

/// Sends what an event means from `done` on.
pub(crate) async fn attempt(ctx: &Context, to: &Receiver, seq: Seq, held: Option<Arc<Held>>, done: usize) -> Outcome {
    let mut writes = Vec::new();
    let end = match &to.link {
        Err(failure) => End::Failed(done, failure.clone()),
        Ok(link) => match rendered(ctx, to, seq, held).await {
            Ok(Some(held)) => send(ctx, to, &**link, &held, done, &mut writes).await,
            Ok(None) => End::Lost,
            Err(failure) => End::Failed(done, failure),
        },
    };
    Outcome { seq, events: 1, end, writes }
}

/// Sends events that were gathered as one, as many of them as there is room for.
pub(crate) async fn attempt_together(ctx: &Context, to: &Receiver, seqs: &[Seq]) -> Outcome {
    let mut writes = Vec::new();
    let (events, end) = match &to.link {
        Err(failure) => (1, End::Failed(0, failure.clone())),
        Ok(link) => match ctx.store.events_at(seqs).await {
            Err(error) => (1, End::Failed(0, unread("the events", &error))),
            Ok(there) => send_together(ctx, to, &**link, seqs, &there, &mut writes).await,
        },
    };
    Outcome { seq: seqs.first().copied().unwrap_or_default(), events, end, writes }
}

async fn send_together(
    ctx: &Context,
    to: &Receiver,
    link: &dyn Link,
    seqs: &[Seq],
    there: &[StoredEvent],
    writes: &mut Vec<Write>,
) -> (usize, End) {
    let taken = there.get(..fitting(to, there)).unwrap_or_default();
    let Some(last) = taken.last() else { return (seqs.len(), End::Lost) };
    // Those that left the stream are passed over.
    let events = seqs.iter().take_while(|seq| **seq <= last.seq).count();
    let Some(whole) = to.notifier.render_together(&to.subscription, taken) else { return (events, End::Unconcerned) };
    let held = Held::new(last.clone(), Some(vec![whole]), &ctx.budget);
    (events, send(ctx, to, link, &held, 0, writes).await)
}

/// How many of the events are sent at once.
fn fitting(to: &Receiver, events: &[StoredEvent]) -> usize {
    let mut bytes = 0;
    let mut fits = |event: &&StoredEvent| {
        let parts = to.notifier.render(&to.subscription, event, &Subject::default());
        bytes += parts.iter().map(|part| part.body.len()).sum::<usize>();
        bytes <= TOGETHER_BYTES
    };
    events.iter().take_while(|event| fits(event)).count().max(events.len().min(1))
}

/// The event with what is sent for it; none when it left the stream.
async fn rendered(
    ctx: &Context,
    to: &Receiver,
    seq: Seq,
    held: Option<Arc<Held>>,
) -> std::result::Result<Option<Arc<Held>>, Failure> {
    let event = match held {
        Some(held) if held.rendered().is_some() => return Ok(Some(held)),
        Some(held) => held.event().clone(),
        None => match ctx.store.events_at(&[seq]).await.map_err(|error| unread("the event", &error))?.pop() {
            Some(event) => event,
            None => return Ok(None),
        },
    };
    let needs = to.notifier.needs(&to.subscription, &event);
    let subject = ctx.domain.subject(&event.event, needs).await.map_err(|error| unread("its subject", &error))?;
    let list = to.notifier.render(&to.subscription, &event, &subject);
    Ok(Some(Held::new(event, Some(list), &ctx.budget)))
}

async fn send(ctx: &Context, to: &Receiver, link: &dyn Link, held: &Held, done: usize, writes: &mut Vec<Write>) -> End {
    let list = held.rendered().unwrap_or_default();
    if list.is_empty() {
        return End::Unconcerned;
    }
    let mut given_up = None;
    for (index, notification) in list.iter().enumerate().skip(done) {
        // Before each of them: all of one event can take a while.
        match ctx.domain.suspension(&to.subscription).await {
            Err(error) => return End::Failed(index, unread("rights", &error)),
            Ok(Some(_)) => return End::Withheld,
            Ok(None) => {}
        }
        let sent = link.send(held.event().seq, index, notification).await;
        let receipt = match &sent {
            Ok(status) => Receipt { accepted: true, status: *status },
            Err(failure) => Receipt { accepted: false, status: failure.status },
        };
        let hopeless = sent.as_ref().is_err_and(|failure| failure.again == Again::Never);
        let failure =
            || sent.err().unwrap_or_else(|| Failure { status: receipt.status, ..Failure::new("the answer is no confirmation") });
        match to.notifier.judge(&to.subscription, held.event(), receipt) {
            Verdict::Done(wanted) => writes.extend(wanted),
            Verdict::GivenUp(wanted) => {
                writes.extend(wanted);
                given_up = Some(failure());
            }
            Verdict::Retry if hopeless => given_up = Some(failure()),
            Verdict::Retry => return End::Failed(index, failure()),
        }
    }
    given_up.map_or(End::Delivered, End::GivenUp)
}

fn unread(what: &str, error: &landfall_model::Error) -> Failure {
    Failure::new(format!("{what} cannot be read: {error}"))
}
