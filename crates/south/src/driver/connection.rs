//! Runs one connection's machine to its end. Absent: what goes over the wire, bytes (`stream.rs`) or messages (`message.rs`).
//!
//! One task a connection. It feeds the machine one thing, drains it, and waits.

use super::{Clock, LAST_ANSWERS, admission::Open, stopped};
use crate::transport::{Fault, fault};
use std::{
    future::poll_fn,
    io,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

/// How long a client may take none of what is sent to it.
const STALL: Duration = Duration::from_secs(30);
/// How long a connection that ended waits for its last bytes to be taken.
const LAST_BYTES: Duration = Duration::from_secs(2);

/// One connection's machine, without socket and clock.
///
/// Its driver feeds it one thing (what came, an [`Event`], [`Machine::poll_work`], an answer), then drains it until it has a [`Step`] to take,
/// and waits. After [`Step::End`] it is left ([`Machine::leave`]), its work is waited for, and it ends.
pub(crate) trait Machine: Sized + Send + 'static {
    /// What it asks the rest of the program, and waits for before anything else of the connection.
    type Ask: Send;
    /// The answer.
    type Answer: Send;

    /// Takes in a happening.
    fn happened(&mut self, now: Duration, event: Event);
    /// Asks.
    fn ask(&mut self, ask: Self::Ask) -> impl Future<Output = Self::Answer> + Send;
    /// Takes in the answer.
    fn answered(&mut self, now: Duration, answer: Self::Answer);
    /// Takes in work that ended, and where there is `room` for what it sends, word from the rest of the program; or wakes the task once there is some.
    fn poll_work(&mut self, now: Duration, cx: &mut Context<'_>, room: bool) -> Poll<Option<Self::Ask>>;
    /// When it wants [`Event::Timeout`].
    fn deadline(&self) -> Duration;
    /// Whether it takes more from its client now; while not, the client feels it.
    fn wants_read(&self) -> bool;
    /// Whether its client is admitted.
    fn is_open(&self) -> bool;
    /// Whether its client is still to be answered something.
    fn owes(&self) -> bool;
    /// The connection is over, and takes no more word.
    fn leave(&self);
    /// Whether work is under way whose end it should see.
    fn is_working(&self) -> bool;
    /// Ends, as the last thing.
    fn end(self) -> impl Future<Output = ()> + Send;
}

/// What happens to a connection.
#[derive(Debug)]
pub(crate) enum Event {
    /// It is gone; with what its client did wrong, if that is why.
    Lost(Option<Fault>),
    /// Its client took none of what was sent to it for so long: as good as gone.
    Stalled(Duration),
    /// The time has come.
    Timeout,
    /// The server stops.
    Stop,
}

/// What a machine wants next.
pub(crate) enum Step<A> {
    /// To be fed.
    Wait,
    /// An answer.
    Ask(A),
    /// To end.
    End,
}

/// What goes over a connection's wire.
pub(super) trait Carrier<M: Machine>: Send + 'static {
    /// Drains the machine.
    fn drain(&mut self, machine: &mut M, now: Duration) -> Step<M::Ask>;
    /// Whether more may be put out.
    fn has_room(&self) -> bool;
    /// Whether something waits to be written.
    fn has_output(&self) -> bool;
    /// Ready once the client's side has taken everything. `moved` becomes true when it took something.
    fn poll_write(&mut self, cx: &mut Context<'_>, moved: &mut bool) -> Poll<io::Result<()>>;
    /// Feeds the machine what came; false at the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, machine: &mut M, now: Duration) -> Poll<io::Result<bool>>;
    /// The client is admitted.
    fn opened(&mut self);
    /// Whether a client that has ended its side may still be written to.
    fn half_closes(&self) -> bool;
    /// It broke at a fault of the client's.
    fn broken(&mut self, _: &Fault) {}
    /// Closes.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Runs one connection to its end, and holds `open` so long. No async function, which would keep its arguments twice.
pub(super) fn serve<M: Machine>(
    mut machine: M,
    carrier: impl Carrier<M>,
    clock: Clock,
    mut stop: watch::Receiver<bool>,
    open: Open,
) -> impl Future<Output = ()> + Send {
    let mut wire = Wire { carrier, stalled: None, ended: None };
    async move {
        let sleep = tokio::time::sleep_until(clock.at(machine.deadline()));
        tokio::pin!(sleep);
        let mut stopping = false;
        loop {
            match wire.step(&mut machine, clock.now()) {
                Step::Wait => {}
                Step::Ask(ask) => {
                    Box::pin(consult(&mut machine, ask, clock)).await;
                    continue;
                }
                Step::End => break,
            }
            // Put off only when it fires: most deadlines move with every packet.
            let deadline = wire.deadline(&machine, clock);
            if deadline < sleep.deadline() {
                sleep.as_mut().reset(deadline);
            }
            let raised = tokio::select! {
                biased;
                () = stopped(&mut stop), if !stopping => {
                    stopping = true;
                    machine.happened(clock.now(), Event::Stop);
                    None
                }
                raised = poll_fn(|cx| wire.poll(cx, &mut machine, clock.now())) => raised,
                () = &mut sleep => {
                    wire.timeout(&mut machine, clock.now());
                    sleep.as_mut().reset(wire.deadline(&machine, clock));
                    None
                }
            };
            if let Some(ask) = raised {
                Box::pin(consult(&mut machine, ask, clock)).await;
            }
        }
        let _ = timeout(LAST_BYTES, wire.finish::<M>()).await;
        drop(wire);
        machine.leave();
        let place = open.admission.ends.acquire().await;
        // Its state is large: many at once would leave holes in memory that nothing else fills.
        Box::pin(finish(machine, clock)).await;
        drop(place);
        drop(open);
    }
}

async fn consult<M: Machine>(machine: &mut M, ask: M::Ask, clock: Clock) {
    let answer = machine.ask(ask).await;
    machine.answered(clock.now(), answer);
}

/// Waits for the ends of a machine's work, which belong to it, and ends it.
async fn finish<M: Machine>(mut machine: M, clock: Clock) {
    let work = async {
        while machine.is_working() {
            poll_fn(|cx| machine.poll_work(clock.now(), cx, false)).await;
        }
    };
    if timeout(LAST_ANSWERS, work).await.is_err() {
        tracing::warn!("a connection ended before all its work was done");
    }
    machine.end().await;
}

/// A carrier and how long its client has been silent.
struct Wire<C> {
    carrier: C,
    /// Since when the client takes nothing.
    stalled: Option<Duration>,
    /// Since when nothing more comes from a client that may still listen.
    ended: Option<Duration>,
}

impl<C> Wire<C> {
    fn deadline<M: Machine>(&self, machine: &M, clock: Clock) -> Instant {
        let (stalled, ended) = (self.stalled.map(|since| since + STALL), self.ended.map(|since| since + LAST_ANSWERS));
        clock.at([stalled, ended].into_iter().flatten().fold(machine.deadline(), Duration::min))
    }

    /// The time has come. Ends a connection whose client has not taken what was sent to it in time, or has ended its side long ago.
    fn timeout<M: Machine>(&self, machine: &mut M, now: Duration) {
        if self.stalled.is_some_and(|since| now >= since + STALL) {
            machine.happened(now, Event::Stalled(STALL));
        }
        if self.ended.is_some_and(|since| now >= since + LAST_ANSWERS) {
            machine.happened(now, Event::Lost(None));
        }
        machine.happened(now, Event::Timeout);
    }

    /// Drains the machine; one whose client sends no more, and has what it was still owed, is told that it is gone.
    fn step<M: Machine>(&mut self, machine: &mut M, now: Duration) -> Step<M::Ask>
    where
        C: Carrier<M>,
    {
        loop {
            let step = self.carrier.drain(machine, now);
            let is_over = self.ended.is_some() && !machine.owes() && !self.carrier.has_output();
            if !is_over || !matches!(step, Step::Wait) {
                return step;
            }
            machine.happened(now, Event::Lost(None));
        }
    }

    /// Feeds the machine what is there. Ready when something changed.
    fn poll<M: Machine>(&mut self, cx: &mut Context<'_>, machine: &mut M, now: Duration) -> Poll<Option<M::Ask>>
    where
        C: Carrier<M>,
    {
        if let Poll::Ready(raised) = machine.poll_work(now, cx, self.carrier.has_room()) {
            return Poll::Ready(raised);
        }
        if let Err(error) = ready!(self.poll_carrier(cx, machine, now)) {
            let fault = fault(&error);
            fault.iter().for_each(|fault| self.carrier.broken(fault));
            machine.happened(now, Event::Lost(fault));
        }
        Poll::Ready(None)
    }

    /// Writes what waits and feeds the machine what came. Ready when something changed; the error is how the connection was lost.
    fn poll_carrier<M: Machine>(&mut self, cx: &mut Context<'_>, machine: &mut M, now: Duration) -> Poll<io::Result<()>>
    where
        C: Carrier<M>,
    {
        let (had_room, had_output) = (self.carrier.has_room(), self.carrier.has_output());
        let (was_stalled, mut moved) = (self.stalled.is_some(), false);
        let written = self.carrier.poll_write(cx, &mut moved)?;
        if moved || written.is_ready() {
            self.stalled = None;
        }
        if written.is_pending() {
            self.stalled.get_or_insert(now);
        }
        if self.ended.is_some() {
            return if had_output && !self.carrier.has_output() { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        let mut read = Poll::Pending;
        if machine.wants_read() && self.carrier.has_room() {
            if machine.is_open() {
                self.carrier.opened();
            }
            read = self.carrier.poll_read(cx, machine, now)?;
        }
        match read {
            Poll::Ready(true) => Poll::Ready(Ok(())),
            Poll::Ready(false) if !machine.is_open() || !self.carrier.half_closes() => {
                Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
            }
            Poll::Ready(false) => {
                self.ended = Some(now);
                Poll::Ready(Ok(()))
            }
            // A stall that begins now has a deadline that the caller must see.
            Poll::Pending if had_room != self.carrier.has_room() || self.stalled.is_some() && !was_stalled => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Writes what is left and closes.
    async fn finish<M: Machine>(&mut self) -> io::Result<()>
    where
        C: Carrier<M>,
    {
        poll_fn(|cx| self.carrier.poll_write(cx, &mut false)).await?;
        poll_fn(|cx| self.carrier.poll_close(cx)).await
    }
}
