//! A bell without a runtime: anybody rings it, one waits for it.

use futures_util::task::AtomicWaker;
use std::{
    future::poll_fn,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    task::Poll,
};

/// A bell. What rang while nobody waited is heard by who waits next, once.
#[derive(Default)]
pub struct Bell {
    rang: AtomicBool,
    waiting: AtomicWaker,
}

impl Bell {
    /// Rings.
    pub(crate) fn ring(&self) {
        self.rang.store(true, SeqCst);
        self.waiting.wake();
    }

    /// Waits until it rings. One at a time may wait.
    pub async fn rung(&self) {
        poll_fn(|cx| {
            self.waiting.register(cx.waker());
            if self.rang.swap(false, SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_ring_is_heard_once_also_by_who_comes_late() {
        let bell = Bell::default();
        assert!(bell.rung().now_or_never().is_none());
        bell.ring();
        bell.ring();
        assert!(bell.rung().now_or_never().is_some() && bell.rung().now_or_never().is_none());
    }

    #[test]
    fn who_waits_is_woken() {
        let (bell, woken) = (Bell::default(), std::sync::Arc::new(AtomicBool::new(false)));
        struct Flag(std::sync::Arc<AtomicBool>);
        impl std::task::Wake for Flag {
            fn wake(self: std::sync::Arc<Self>) {
                self.0.store(true, SeqCst);
            }
        }
        let waker = std::sync::Arc::new(Flag(woken.clone())).into();
        let mut rung = std::pin::pin!(bell.rung());
        assert!(rung.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        bell.ring();
        assert!(woken.load(SeqCst) && rung.now_or_never().is_some());
    }
}
