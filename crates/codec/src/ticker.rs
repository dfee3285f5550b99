//! The thread that advances the engine's epoch every millisecond while at least one script runs, and sleeps otherwise.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

const TICK: Duration = Duration::from_millis(1);

/// Ends its thread when dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Rouses the thread when the first script starts.
    begin: Condvar,
    /// Never notified but to stop: a wait on it is one tick.
    stop: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    stopped: bool,
}

/// Ticks go on at least as long as this lives.
pub(crate) struct Ticking<'a>(&'a Shared);

impl Ticker {
    /// Starts the thread; `tick` is called about every millisecond while any [`Ticking`] lives.
    pub(crate) fn start(tick: impl Fn() + Send + 'static) -> std::io::Result<Ticker> {
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        std::thread::Builder::new().name("codec-ticker".into()).spawn(move || of_thread.run(tick))?;
        Ok(Ticker { shared })
    }

    /// Counts one running script.
    pub(crate) fn enter(&self) -> Ticking<'_> {
        let mut state = self.shared.state.lock();
        state.running += 1;
        if state.running == 1 {
            self.shared.begin.notify_one();
        }
        Ticking(&self.shared)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.state.lock().stopped = true;
        self.shared.begin.notify_one();
        self.shared.stop.notify_one();
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.state.lock().running -= 1;
    }
}

impl Shared {
    fn run(&self, tick: impl Fn()) {
        let mut state = self.state.lock();
        while !state.stopped {
            if state.running == 0 {
                self.begin.wait(&mut state);
            } else if self.stop.wait_for(&mut state, TICK).timed_out() {
                tick();
            }
        }
    }
}
