//! Writers of one record take turns, in the order in which they came.
//!
//! Writes are optimistic: of two that were decided on one state, one is `Stale`. Deciding anew is not enough where many write one record at
//! once, so they queue. Not all writers come by here; `Stale` stays possible, and seldom.

use crate::Core;
use landfall_model::{
    AccountId, AppId, Batch, CallId, Cause, CommandId, DeviceId, Error, GroupId, JobId, ObjectId, ProductId, ResourceId, Result,
    SubscriptionId, Time,
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    future::poll_fn,
    pin::Pin,
    task::{Poll, Waker},
};

/// Writers that may wait for one record; one more is `Overloaded`.
const WAITING: usize = 256;
/// Milliseconds after which a turn comes too late to be of use: `Overloaded`.
const PATIENCE_MS: i64 = 10_000;
/// Attempts at a turn, against writers that take none.
const ATTEMPTS: u32 = 8;

/// What is written in turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Record {
    Account(AccountId),
    App(AppId),
    Product(ProductId),
    /// A device with its registration, its shadow and the places of its commands.
    Device(DeviceId),
    Command(CommandId),
    Call(CallId),
    Subscription(SubscriptionId),
    Group(GroupId),
    Job(JobId),
    Resource(ResourceId),
    /// The request for a device of an id with this digest.
    DeviceRequest([u8; 32]),
    Object(ObjectId),
}

/// One try of [`Core::decide`].
pub(crate) type Attempt<'a, T> = Pin<Box<dyn Future<Output = Result<(Batch, T)>> + Send + 'a>>;

impl Core {
    /// Decides and commits, in turns with others that write one of the records.
    ///
    /// The first attempt comes before the turn: who may not write never queues. `Overloaded` where too many wait, or for too long.
    ///
    /// Attempts are boxed: the compiler cannot tell that the futures of a generic `AsyncFn` are `Send`, and callers spawn them.
    pub(crate) async fn decide<'a, T>(&self, records: &[Record], attempt: impl Fn() -> Attempt<'a, T> + Send) -> Result<T> {
        let mut decided = Some(attempt().await?);
        let since = self.now();
        let (_turns, waited) = self.turns.take_all(records).await?;
        if waited {
            decided = None;
        }
        if late(since, self.now()) {
            return Err(Error::new(Cause::Overloaded, "too many change the record at once; try again"));
        }
        for _ in 0..ATTEMPTS {
            let (batch, outcome) = match decided.take() {
                Some(decided) => decided,
                None => attempt().await?,
            };
            if batch.writes.is_empty() && batch.events.is_empty() {
                return Ok(outcome);
            }
            match self.store.commit(batch).await {
                Ok(_) => return Ok(outcome),
                Err(error) if error.cause == Cause::Stale => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(Cause::Overloaded, "the record changes too often; try again"))
    }
}

fn late(since: Time, now: Time) -> bool {
    now.0.saturating_sub(since.0) > PATIENCE_MS
}

/// Who writes a record, and who waits for that; the first of a lane has the turn.
#[derive(Default)]
pub(crate) struct Turns(Mutex<Lanes>);

#[derive(Default)]
struct Lanes {
    lanes: HashMap<Record, VecDeque<Writer>>,
    next: u64,
}

struct Writer {
    number: u64,
    waker: Option<Waker>,
}

/// A place in a lane; dropping it hands the turn on, or gives up waiting.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    record: Record,
    number: u64,
}

impl Turns {
    /// Waits for the turns of all these records; tells whether somebody else had one before.
    pub(crate) async fn take_all(&self, records: &[Record]) -> Result<(Vec<Turn<'_>>, bool)> {
        let mut turns = Vec::with_capacity(records.len());
        let mut waited = false;
        // In one order for all, so that no two wait for each other.
        for record in records.iter().copied().collect::<BTreeSet<_>>() {
            let (turn, behind) = self.take(record).await?;
            turns.push(turn);
            waited |= behind;
        }
        Ok((turns, waited))
    }

    async fn take(&self, record: Record) -> Result<(Turn<'_>, bool)> {
        let turn = self.queue(record)?;
        let mut waited = false;
        poll_fn(|context| {
            let first = turn.is_first(context.waker());
            waited |= !first;
            if first { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        Ok((turn, waited))
    }

    fn queue(&self, record: Record) -> Result<Turn<'_>> {
        let mut lanes = self.0.lock();
        let number = lanes.next;
        let lane = lanes.lanes.entry(record).or_default();
        if lane.len() > WAITING {
            return Err(Error::new(Cause::Overloaded, "too many wait to change the record; try again"));
        }
        lane.push_back(Writer { number, waker: None });
        lanes.next += 1;
        Ok(Turn { turns: self, record, number })
    }
}

impl Turn<'_> {
    fn is_first(&self, waker: &Waker) -> bool {
        let mut lanes = self.turns.0.lock();
        let Some(lane) = lanes.lanes.get_mut(&self.record) else { return true };
        if lane.front().is_none_or(|first| first.number == self.number) {
            return true;
        }
        if let Some(own) = lane.iter_mut().find(|writer| writer.number == self.number) {
            own.waker = Some(waker.clone());
        }
        false
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut lanes = self.turns.0.lock();
        let Some(lane) = lanes.lanes.get_mut(&self.record) else { return };
        lane.retain(|writer| writer.number != self.number);
        let next = lane.front_mut().and_then(|first| first.waker.take());
        if lane.is_empty() {
            lanes.lanes.remove(&self.record);
        }
        drop(lanes);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Context, Wake},
    };

    const RECORD: Record = Record::Resource(ResourceId([1; 12]));

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Polls once.
    fn poll<T>(future: &mut Pin<Box<impl Future<Output = T>>>, bell: &Arc<Bell>) -> Option<T> {
        match future.as_mut().poll(&mut Context::from_waker(&bell.clone().into())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }

    #[test]
    fn turns_come_in_the_order_of_the_writers() {
        let turns = Turns::default();
        let bells: [Arc<Bell>; 3] = Default::default();
        let mut writers: Vec<_> = bells.iter().map(|_| Box::pin(turns.take(RECORD))).collect();
        let (first, waited) = poll(&mut writers[0], &bells[0]).unwrap().unwrap();
        assert!(!waited);
        assert!(poll(&mut writers[1], &bells[1]).is_none() && poll(&mut writers[2], &bells[2]).is_none());
        drop(first);
        assert_eq!([&bells[1], &bells[2]].map(|bell| bell.0.load(Ordering::SeqCst)), [1, 0]);
        assert!(poll(&mut writers[2], &bells[2]).is_none(), "the second is before the third, even where that asks first");
        let (second, waited) = poll(&mut writers[1], &bells[1]).unwrap().unwrap();
        assert!(waited);
        drop(second);
        drop(poll(&mut writers[2], &bells[2]).unwrap().unwrap());
        assert!(turns.0.lock().lanes.is_empty());
    }

    #[test]
    fn who_gives_up_passes_the_turn_on() {
        let turns = Turns::default();
        let bells: [Arc<Bell>; 4] = Default::default();
        let mut writers: Vec<_> = bells.iter().map(|_| Box::pin(turns.take(RECORD))).collect();
        let first = poll(&mut writers[0], &bells[0]).unwrap().unwrap();
        for n in 1..4 {
            assert!(poll(&mut writers[n], &bells[n]).is_none());
        }
        let last = writers.pop();
        let (third, second) = (writers.pop(), writers.pop());
        drop(third);
        drop(first);
        assert_eq!(bells[1].0.load(Ordering::SeqCst), 1);
        // It was woken, and ends before it hears of it.
        drop(second);
        assert_eq!(bells[3].0.load(Ordering::SeqCst), 1, "the turn is not lost with who had it");
        let mut last = last.unwrap();
        assert!(poll(&mut last, &bells[3]).unwrap().is_ok());
    }

    #[test]
    fn a_lane_has_an_end_and_others_are_free() {
        let turns = Turns::default();
        let bell = Arc::new(Bell::default());
        let mut waiting: Vec<_> = (0..=WAITING).map(|_| Box::pin(turns.take(RECORD))).collect();
        let held: Vec<_> = waiting.iter_mut().map(|writer| poll(writer, &bell)).collect();
        let refused = poll(&mut Box::pin(turns.take(RECORD)), &bell).unwrap().err().unwrap();
        assert_eq!(refused.cause, Cause::Overloaded);
        assert!(poll(&mut Box::pin(turns.take(Record::Resource(ResourceId([2; 12])))), &bell).unwrap().is_ok());
        drop((held, waiting));
        assert!(poll(&mut Box::pin(turns.take(RECORD)), &bell).unwrap().is_ok());
    }

    #[test]
    fn a_turn_that_comes_late_is_none() {
        assert!(!late(Time(0), Time(PATIENCE_MS)) && late(Time(0), Time(PATIENCE_MS + 1)));
        assert!(!late(Time(5), Time(0)), "a clock that was set back");
    }
}
