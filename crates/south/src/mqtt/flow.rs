//! Work for the store on its way: many pieces of a connection at once, so that they share commits, and their ends.

use futures_util::{StreamExt, stream::FuturesUnordered};
use landfall_mqtt::{DisconnectReason, PublishRefusal, Qos, Ticket};
use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

type Task = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It will never be taken.
    Refused(PublishRefusal),
    /// It may be taken later, or the device may no longer be here: the connection ends and nothing is acknowledged.
    Disconnect(DisconnectReason),
}

/// A piece of work for the store.
pub(crate) struct Job {
    /// The message it answers; absent where nobody waits.
    pub(super) message: Option<(Ticket, Qos, Option<u16>)>,
    /// Whether it must end before the next one starts: a codec gives no promise about order.
    pub(super) alone: bool,
    pub(super) task: Task,
}

/// The end of a [`Job`].
pub(crate) struct Done {
    /// The message, its quality of service and packet identifier.
    pub(crate) message: Option<(Ticket, Qos, Option<u16>)>,
    pub(crate) result: Result<(), Failure>,
    alone: bool,
}

/// The jobs of a connection. At most as many as the machine leaves unanswered, and one for each outbound message.
#[derive(Default)]
pub(crate) struct Flow {
    /// Absent while nothing runs: even an empty one has a heap of its own.
    running: Option<FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send>>>>,
    waiting: VecDeque<Job>,
    alone: bool,
}

impl Flow {
    /// Starts a job, or lets it wait for the one that must run alone. Jobs start in the order of this call.
    pub(crate) fn push(&mut self, job: Job) {
        if self.alone {
            self.waiting.push_back(job);
        } else {
            self.start(job);
        }
    }

    /// Whether nothing runs and nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.running.as_ref().is_none_or(|running| running.is_empty())
    }

    /// The next job to end. Never ready while the flow is empty.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Done> {
        let Some(running) = &mut self.running else { return Poll::Pending };
        let Some(done) = ready!(running.poll_next_unpin(cx)) else { return Poll::Pending };
        self.go_on(&done);
        if self.is_empty() {
            self.running = None;
        }
        Poll::Ready(done)
    }

    fn start(&mut self, job: Job) {
        let Job { message, alone, task } = job;
        self.alone |= alone;
        self.running.get_or_insert_default().push(Box::pin(async move { Done { message, alone, result: task.await } }));
    }

    fn go_on(&mut self, done: &Done) {
        if done.alone {
            self.alone = false;
            while !self.alone
                && let Some(job) = self.waiting.pop_front()
            {
                self.start(job);
            }
            if self.waiting.is_empty() {
                self.waiting = VecDeque::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use parking_lot::Mutex;
    use std::sync::Arc;
    use tokio::sync::oneshot;

    /// A job that logs its start and ends when told.
    fn job(n: u64, alone: bool, log: &Arc<Mutex<Vec<u64>>>) -> (Job, oneshot::Sender<()>) {
        let (end, ended) = oneshot::channel();
        let log = Arc::clone(log);
        let task = Box::pin(async move {
            log.lock().push(n);
            let _ = ended.await;
            Ok(())
        });
        (Job { message: Some((Ticket(n), Qos::AtLeastOnce, None)), alone, task }, end)
    }

    async fn next(flow: &mut Flow) -> Done {
        std::future::poll_fn(|cx| flow.poll_next(cx)).await
    }

    #[tokio::test]
    async fn jobs_start_in_order_and_a_lone_one_holds_back_the_rest() {
        let (mut flow, log) = (Flow::default(), Arc::default());
        let mut ends = vec![];
        for (n, alone) in [(1, false), (2, false), (3, true), (4, false), (5, true), (6, false)] {
            let (job, end) = job(n, alone, &log);
            flow.push(job);
            ends.push(Some(end));
        }
        assert!(next(&mut flow).now_or_never().is_none());
        assert_eq!(*log.lock(), [1, 2, 3]);
        for (at, ended, started) in [(1, 2, vec![1, 2, 3]), (2, 3, vec![1, 2, 3, 4, 5]), (0, 1, vec![1, 2, 3, 4, 5])] {
            ends[at].take().unwrap().send(()).unwrap();
            let done = next(&mut flow).await;
            assert_eq!(done.message.map(|(ticket, ..)| ticket), Some(Ticket(ended)));
            assert!(next(&mut flow).now_or_never().is_none());
            assert_eq!(*log.lock(), started);
        }
        for at in [3, 4, 5] {
            ends[at].take().unwrap().send(()).unwrap();
            next(&mut flow).await;
        }
        assert!(flow.is_empty() && *log.lock() == [1, 2, 3, 4, 5, 6]);
    }
}
