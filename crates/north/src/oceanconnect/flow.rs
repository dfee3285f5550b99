//! Flow control (contract section 3): calls in a sliding minute, counted for each application and operation.
//!
//! A window counts whole seconds, so it forgets a call up to one second early. Refused calls do not count: a client that
//! keeps asking gets what its limit allows. Windows without calls are dropped, so the table is bounded by the applications that called.

use landfall_model::{AppId, Time};
use parking_lot::Mutex;
use std::collections::HashMap;

const SECONDS: i64 = 60;
const SWEEP_MIN: usize = 1_024;

/// The windows of all applications.
#[derive(Debug)]
pub(super) struct FlowControl(Mutex<Windows>);

#[derive(Debug)]
struct Windows {
    by_caller: HashMap<(AppId, &'static str), Window>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Window {
    newest_s: i64,
    total: u32,
    calls: [u32; SECONDS as usize],
}

impl FlowControl {
    pub fn new() -> Self {
        Self(Mutex::new(Windows { by_caller: HashMap::new(), sweep_at: SWEEP_MIN }))
    }

    /// Counts a call of an operation (its id); false once `limit` calls were counted in the last minute. 0 is no limit. `app` must be
    /// known to exist.
    pub fn admit(&self, app: AppId, operation: &'static str, limit: u32, now: Time) -> bool {
        if limit == 0 {
            return true;
        }
        let now_s = now.unix_s();
        let mut windows = self.0.lock();
        if windows.by_caller.len() >= windows.sweep_at {
            windows.by_caller.retain(|_, window| window.newest_s + SECONDS > now_s);
            windows.sweep_at = SWEEP_MIN.max(2 * windows.by_caller.len());
        }
        let fresh = || Window { newest_s: now_s, total: 0, calls: [0; SECONDS as usize] };
        windows.by_caller.entry((app, operation)).or_insert_with(fresh).admit(limit, now_s)
    }
}

impl Window {
    fn admit(&mut self, limit: u32, now_s: i64) -> bool {
        // A clock that was set back counts on in the newest second.
        let now_s = now_s.max(self.newest_s);
        for second in self.newest_s + 1..=now_s.min(self.newest_s + SECONDS) {
            let slot = &mut self.calls[second.rem_euclid(SECONDS) as usize];
            self.total -= std::mem::take(slot);
        }
        self.newest_s = now_s;
        if self.total >= limit {
            return false;
        }
        self.total += 1;
        self.calls[now_s.rem_euclid(SECONDS) as usize] += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(n: u8) -> AppId {
        AppId::from_random([n; 16])
    }

    fn admitted(flow: &FlowControl, at_s: i64, calls: u32) -> u32 {
        (0..calls).filter(|_| flow.admit(app(1), "get_device", 100, Time(at_s * 1000))).count() as u32
    }

    #[test]
    fn the_minute_slides() {
        let flow = FlowControl::new();
        assert_eq!(admitted(&flow, 1_000, 60), 60);
        assert_eq!(admitted(&flow, 1_030, 60), 40);
        assert_eq!(admitted(&flow, 1_059, 1), 0, "the first 60 are 59 s old");
        assert_eq!(admitted(&flow, 1_060, 100), 60, "they are a minute old");
        assert_eq!(admitted(&flow, 1_030, 1), 0, "a clock set back frees nothing");
        assert_eq!(admitted(&flow, 9_000, 101), 100);
    }

    #[test]
    fn applications_operations_and_limits_are_apart() {
        let (flow, now) = (FlowControl::new(), Time(0));
        assert!(flow.admit(app(1), "get_device", 1, now));
        assert!(!flow.admit(app(1), "get_device", 1, now));
        assert!(flow.admit(app(2), "get_device", 1, now));
        assert!(flow.admit(app(1), "list_devices", 1, now));
        assert!((0..1000).all(|_| flow.admit(app(1), "get_device", 0, now)), "0 is no limit");
    }

    #[test]
    fn windows_without_calls_are_dropped() {
        let flow = FlowControl::new();
        for n in 0..10_000u64 {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&n.to_le_bytes());
            flow.admit(AppId::from_random(id), "get_device", 9, Time(n as i64 * 1_000));
        }
        assert!(flow.0.lock().by_caller.len() <= SWEEP_MIN);
    }
}
