//! "Why" records: for everything that was refused, the exact check that failed, kept for a short while.
//!
//! In memory only and bounded: an operator reads them while a device misbehaves; they are no audit log.

use landfall_model::{AccountId, DeviceId, Time};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};

const PER_DEVICE: usize = 32;
const DEVICES: usize = 10_000;
const UNKNOWN: usize = 1_000;
const TEXT_BYTES: usize = 512;

/// Why something of a device was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// When.
    pub at: Time,
    /// Who it claimed to be: a deviceId, nodeId or clientId as sent, cut to 512 bytes.
    pub identity: String,
    /// From which address, where there is one.
    pub peer: Option<String>,
    /// Protocol and step: `mqtt.connect`, `mqtt.publish`, `codec.decode`, ...
    pub step: &'static str,
    /// The check that failed, a stable word.
    pub check: &'static str,
    /// What was wrong and what would be right. Never a credential.
    pub detail: String,
}

/// The newest records: 32 a device for 10,000 devices, and 1,000 of unknown origin.
#[derive(Debug, Default)]
pub struct WhyLog(Mutex<Records>);

#[derive(Debug, Default)]
struct Records {
    devices: HashMap<DeviceId, Kept>,
    recent: VecDeque<DeviceId>,
    unknown: VecDeque<Why>,
    total: u64,
}

#[derive(Debug)]
struct Kept {
    account: AccountId,
    records: VecDeque<Why>,
}

impl WhyLog {
    /// Adds a record about a known device.
    pub fn of_device(&self, account: AccountId, device: DeviceId, why: Why) {
        let mut log = self.0.lock();
        log.total += 1;
        if !log.devices.contains_key(&device) {
            if log.devices.len() >= DEVICES
                && let Some(oldest) = log.recent.pop_front()
            {
                log.devices.remove(&oldest);
            }
            log.recent.push_back(device);
        }
        let kept = log.devices.entry(device).or_insert_with(|| Kept { account, records: VecDeque::new() });
        push(&mut kept.records, PER_DEVICE, why);
    }

    /// Adds a record about somebody unknown.
    pub fn of_unknown(&self, why: Why) {
        let mut log = self.0.lock();
        log.total += 1;
        push(&mut log.unknown, UNKNOWN, why);
    }

    /// The records of a device of this account, newest first.
    pub fn device(&self, account: AccountId, device: DeviceId) -> Vec<Why> {
        let log = self.0.lock();
        let kept = log.devices.get(&device).filter(|kept| kept.account == account);
        kept.map(|kept| kept.records.iter().rev().cloned().collect()).unwrap_or_default()
    }

    /// The records of unknown origin, newest first; for the operator of the server alone, as no account can be told.
    pub fn unknown(&self) -> Vec<Why> {
        self.0.lock().unknown.iter().rev().cloned().collect()
    }

    /// How many records were ever added.
    pub fn total(&self) -> u64 {
        self.0.lock().total
    }
}

fn push(records: &mut VecDeque<Why>, limit: usize, mut why: Why) {
    cut(&mut why.identity);
    cut(&mut why.detail);
    if records.len() >= limit {
        records.pop_front();
    }
    records.push_back(why);
}

fn cut(text: &mut String) {
    if text.len() > TEXT_BYTES {
        text.truncate(text.floor_char_boundary(TEXT_BYTES));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(n: usize) -> Why {
        Why { at: Time(n as i64), identity: "d".into(), peer: None, step: "mqtt.publish", check: "topic", detail: n.to_string() }
    }

    #[test]
    fn the_newest_records_stay_and_accounts_do_not_mix() {
        let (log, device) = (WhyLog::default(), DeviceId::from_random([1; 16]));
        let (mine, other) = (AccountId::from_random([2; 16]), AccountId::from_random([3; 16]));
        for n in 0..100 {
            log.of_device(mine, device, why(n));
        }
        let kept = log.device(mine, device);
        assert_eq!((kept.len(), kept[0].detail.as_str()), (PER_DEVICE, "99"));
        assert!(log.device(other, device).is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let (log, account) = (WhyLog::default(), AccountId::from_random([2; 16]));
        for n in 0..DEVICES + 5 {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(n as u64).to_le_bytes());
            log.of_device(account, DeviceId::from_random(id), why(n));
        }
        assert_eq!(log.0.lock().devices.len(), DEVICES);
        let mut long = why(1);
        long.detail = "é".repeat(1000);
        log.of_unknown(long);
        assert!(log.unknown()[0].detail.len() <= TEXT_BYTES);
    }
}
