//! How request bodies come in, for all dialects: bytes are there for them before they are read, they come fast enough, and while they are waited
//! for nothing else is kept from being worked on.
//!
//! A request has a place among those that are worked on. Its body gives the place back when it is first read and takes one again at its end;
//! bytes of the listener's budget are taken before, and kept until the request is answered. Who waits for bytes holds no place, so the two
//! cannot wait for each other. Both are given to addresses in turns.

use super::room::{Open, WorkedOn};
use axum::{
    RequestExt,
    extract::rejection::BytesRejection,
    http::{Extensions, StatusCode},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use landfall_core::{Crowded, Place, Places, Taking};
use parking_lot::Mutex;
use std::{
    error::Error,
    fmt,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep, timeout};

/// Seconds in which the bytes of so many seconds must have come.
const WINDOW_S: u32 = 10;
const WINDOW: Duration = Duration::from_secs(WINDOW_S as u64);
/// How long a request may wait for its turn.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// What is read and dropped of a body that nobody wants before the answer goes out: a client that is still sending looks for no answer.
const DROPPED_BYTES: usize = 32 * 1024 * 1024;
const DROPPED_TIME: Duration = Duration::from_secs(30);
/// How long a client may send nothing of it.
const DROPPED_PAUSE: Duration = Duration::from_secs(2);

/// How a body must come in. Each route has that of its listener unless it sets its own before it reads: a body that is taken while it comes, or
/// a large one, has a rate and no deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes that must come each second, counted over ten seconds; at least one must come in them.
    pub bytes_per_s: u32,
    /// Seconds for all of the body, in steps of ten; `None`: as long as it keeps the rate.
    pub deadline_s: Option<u32>,
    /// Bytes of the budget that are taken at once when the length is not known, and at most.
    pub budget_bytes: usize,
    /// What was read is not kept, so that the same bytes of the budget serve for all of the body.
    pub streamed: bool,
}

impl Pace {
    /// Changes that of the request that has these extensions.
    pub fn set(extensions: &Extensions, change: impl FnOnce(&mut Self)) {
        if let Some(paced) = extensions.get::<Paced>() {
            change(&mut paced.0.lock().pace);
        }
    }
}

/// The body of a request, in its extensions: where its pace is set, and whether it was too large.
#[derive(Clone)]
pub(super) struct Paced(Arc<Mutex<Terms>>);

struct Terms {
    pace: Pace,
    too_large: bool,
}

/// Reads a body up to the limit of its route; the listener leaves word of a larger one.
///
/// # Errors
/// Those of axum's extractor.
pub async fn whole_body(request: axum::extract::Request) -> Result<Bytes, BytesRejection> {
    let paced = request.extensions().get::<Paced>().cloned();
    let read = request.extract::<Bytes, _>().await;
    if let (Some(paced), Err(rejection)) = (paced, &read) {
        paced.0.lock().too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
    }
    read
}

/// Why the listener gave up a body. Dialects may find it in the error that reading gave them; whatever error they answer in their own form, the
/// listener gives it the right status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It came too slowly, or not at all: 408.
    TooSlow,
    /// There was no room for it in time: 503.
    NoRoom,
}

impl Unread {
    /// Finds it among the causes of an error.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(why) = error.downcast_ref::<Self>() {
                return Some(*why);
            }
            cause = error.source();
        }
        None
    }

    /// The status of the answer.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The check of its why record.
    pub(super) fn check(self) -> &'static str {
        match self {
            Self::TooSlow => "body.timeout",
            Self::NoRoom => "body.no-room",
        }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooSlow => "the body came too slowly",
            Self::NoRoom => "too many bodies are being read; try again",
        })
    }
}

impl Error for Unread {}

/// What all requests of a listener share.
pub(super) struct Doors {
    /// Requests that are worked on.
    pub work: Places<IpAddr>,
    /// Bytes of bodies.
    pub budget: Places<IpAddr>,
    pub pace: Pace,
}

/// A request with a body on its way through the doors.
pub(super) struct Way<B> {
    doors: Arc<Doors>,
    network: IpAddr,
    open: Arc<Open>,
    terms: Arc<Mutex<Terms>>,
    held: Mutex<Held<B>>,
}

struct Held<B> {
    place: Option<(Place<IpAddr>, WorkedOn)>,
    budget: Vec<Place<IpAddr>>,
    /// What was not read of the body.
    rest: Option<B>,
    gave_up: Option<Unread>,
}

impl<B: Body<Data = Bytes> + Unpin> Way<B> {
    /// Waits for a place among the requests that are worked on; `None` when there was none in time.
    pub async fn begin(doors: &Arc<Doors>, network: IpAddr, open: &Arc<Open>) -> Option<Arc<Self>> {
        let place = timeout(PATIENCE, doors.work.take(network, 1)).await.ok()?.ok()?;
        Some(Arc::new(Self {
            doors: Arc::clone(doors),
            network,
            open: Arc::clone(open),
            terms: Arc::new(Mutex::new(Terms { pace: doors.pace, too_large: false })),
            held: Mutex::new(Held { place: Some((place, open.work())), budget: vec![], rest: None, gave_up: None }),
        }))
    }

    pub fn paced(&self) -> Paced {
        Paced(Arc::clone(&self.terms))
    }

    pub fn intake(self: &Arc<Self>, body: B) -> Intake<B> {
        Intake {
            way: Arc::clone(self),
            body: Some(body),
            stage: Stage::Fresh,
            timer: None,
            left: WINDOW,
            taken: 0,
            received: 0,
            window: 0,
            windows: 0,
            kept: None,
        }
    }

    /// Whether its dialect found the body too large.
    pub fn was_too_large(&self) -> bool {
        self.terms.lock().too_large
    }

    /// Why the body was given up, if it was.
    pub fn gave_up(&self) -> Option<Unread> {
        self.held.lock().gave_up
    }

    /// Gives everything back, and reads and drops what was not read of the body; false when the client may still send more of it.
    pub async fn end(&self) -> bool {
        let rest = {
            let mut held = self.held.lock();
            held.place = None;
            held.budget.clear();
            held.rest.take().filter(|_| held.gave_up != Some(Unread::TooSlow))
        };
        let Some(mut rest) = rest else { return self.gave_up() != Some(Unread::TooSlow) };
        if rest.size_hint().lower() > DROPPED_BYTES as u64 {
            return false;
        }
        let dropping = async {
            let mut dropped = 0;
            while dropped <= DROPPED_BYTES {
                match timeout(DROPPED_PAUSE, rest.frame()).await {
                    Ok(Some(Ok(frame))) => dropped += frame.data_ref().map_or(0, Bytes::len),
                    Ok(None) => return true,
                    Ok(Some(Err(_))) | Err(_) => return false,
                }
                self.open.moves();
            }
            false
        };
        timeout(DROPPED_TIME, dropping).await.unwrap_or(false)
    }
}

/// A request's body as its dialect reads it.
pub(super) struct Intake<B: Body<Data = Bytes> + Unpin> {
    way: Arc<Way<B>>,
    body: Option<B>,
    stage: Stage,
    /// Ends the window, while the client is waited for.
    timer: Option<Pin<Box<Sleep>>>,
    /// What is left of the window when its dialect goes on reading.
    left: Duration,
    /// Bytes of the budget.
    taken: usize,
    received: usize,
    /// Bytes received in this window, and windows before it.
    window: u64,
    windows: u32,
    /// A frame that waits for bytes of the budget.
    kept: Option<Frame<Bytes>>,
}

type Waiting = (Taking<IpAddr>, Pin<Box<Sleep>>);

enum Stage {
    Fresh,
    Room(usize, Waiting),
    Reading,
    Returning(Waiting),
    Over,
}

fn waiting(turns: &Places<IpAddr>, network: IpAddr, places: usize) -> Waiting {
    (turns.take(network, places), Box::pin(sleep(PATIENCE)))
}

fn poll_turn((taking, patience): &mut Waiting, cx: &mut Context<'_>) -> Poll<Result<Place<IpAddr>, Unread>> {
    if let Poll::Ready(place) = Pin::new(taking).poll(cx) {
        return Poll::Ready(place.map_err(|Crowded| Unread::NoRoom));
    }
    patience.as_mut().poll(cx).map(|()| Err(Unread::NoRoom))
}

impl<B: Body<Data = Bytes> + Unpin> Intake<B>
where
    B::Error: Into<axum::BoxError>,
{
    /// To the budget: for the length that is declared, or another portion.
    fn room(&self) -> Stage {
        let pace = self.way.terms.lock().pace;
        let declared = self.body.as_ref().and_then(|body| body.size_hint().exact()).and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = declared.unwrap_or(usize::MAX).clamp(1, pace.budget_bytes.max(1));
        Stage::Room(bytes, waiting(&self.way.doors.budget, self.way.network, bytes))
    }

    /// Whether the window that ended had enough; then the next one begins.
    fn keeps_pace(&mut self) -> bool {
        let pace = self.way.terms.lock().pace;
        self.windows += 1;
        let enough = std::mem::take(&mut self.window) >= (u64::from(pace.bytes_per_s) * u64::from(WINDOW_S)).max(1);
        enough && pace.deadline_s.is_none_or(|deadline| self.windows < deadline.div_ceil(WINDOW_S))
    }

    /// The next piece while it is read; `None` when the stage is another one now.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(frame) = self.kept.take() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let Some(body) = &mut self.body else {
            self.stage = Stage::Over;
            return Poll::Ready(None);
        };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.way.open.moves();
                self.received += bytes;
                self.window += bytes as u64;
                self.pause();
                if self.received <= self.taken || self.way.terms.lock().pace.streamed {
                    return Poll::Ready(Some(Ok(frame)));
                }
                self.kept = Some(frame);
                self.stage = self.room();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.body = None;
                self.stage = Stage::Over;
                Poll::Ready(Some(Err(axum::Error::new(error))))
            }
            Poll::Ready(None) => {
                self.body = None;
                self.stage = Stage::Returning(waiting(&self.way.doors.work, self.way.network, 1));
                Poll::Ready(None)
            }
            Poll::Pending => {
                let left = self.left;
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(left)));
                ready!(timer.as_mut().poll(cx));
                (self.timer, self.left) = (None, WINDOW);
                if self.keeps_pace() {
                    return self.poll_read(cx);
                }
                Poll::Ready(Some(Err(self.give_up(Unread::TooSlow))))
            }
        }
    }

    /// The time that its dialect takes is not the client's.
    #[allow(clippy::disallowed_methods, reason = "the listener measures its clients")]
    fn pause(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.left = timer.deadline().saturating_duration_since(Instant::now());
        }
    }

    fn give_up(&mut self, why: Unread) -> axum::Error {
        self.stage = Stage::Over;
        self.way.held.lock().gave_up = Some(why);
        axum::Error::new(why)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Intake<B>
where
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        loop {
            match &mut this.stage {
                Stage::Fresh if this.body.as_ref().is_none_or(Body::is_end_stream) => this.stage = Stage::Over,
                Stage::Fresh => {
                    this.way.held.lock().place = None;
                    this.stage = this.room();
                }
                Stage::Room(bytes, turn) => {
                    let bytes = *bytes;
                    let place = match ready!(poll_turn(turn, cx)) {
                        Ok(place) => place,
                        Err(why) => return Poll::Ready(Some(Err(this.give_up(why)))),
                    };
                    this.way.held.lock().budget.push(place);
                    this.taken += bytes;
                    this.stage = Stage::Reading;
                }
                Stage::Reading => {
                    if let Some(read) = ready!(this.poll_read(cx)) {
                        return Poll::Ready(Some(read));
                    }
                }
                Stage::Returning(turn) => match ready!(poll_turn(turn, cx)) {
                    Ok(place) => {
                        this.way.held.lock().place = Some((place, this.way.open.work()));
                        this.stage = Stage::Over;
                    }
                    Err(why) => return Poll::Ready(Some(Err(this.give_up(why)))),
                },
                Stage::Over => return Poll::Ready(None),
            }
        }
    }

    /// Not before a place was taken again.
    fn is_end_stream(&self) -> bool {
        match self.stage {
            Stage::Over => true,
            Stage::Fresh => self.body.as_ref().is_none_or(Body::is_end_stream),
            _ => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Drop for Intake<B> {
    fn drop(&mut self) {
        self.way.held.lock().rest = self.body.take().filter(|body| !body.is_end_stream());
    }
}

#[cfg(test)]
mod tests;
