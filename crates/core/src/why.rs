//! "Why" records: for everything that was refused, the exact check that failed, kept for a short while.
//!
//! In memory only and bounded: an operator reads them while a device misbehaves; they are no audit log.

use crate::{minutes::Minutes, network};
use landfall_model::{AccountId, AppId, DeviceId, Time};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::Hash,
    net::{IpAddr, SocketAddr},
};

const PER_DEVICE: usize = 32;
const DEVICES: usize = 10_000;
const PER_APP: usize = 100;
const APPS: usize = 1_000;
const UNKNOWN: usize = 1_000;
/// Records of whoever proved nothing in a minute: of one address, and of all.
const PER_ADDRESS: u32 = 20;
const PER_MINUTE: u32 = 300;
/// Addresses whose records are counted.
const ADDRESSES: usize = 10_000;
const TEXT_BYTES: usize = 512;

/// Why something of a device, or a call of an application, was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// When.
    pub at: Time,
    /// Who it claimed to be: a deviceId, nodeId, clientId, appId or originator as sent, cut to 512 bytes.
    pub identity: String,
    /// From which address, where there is one.
    pub peer: Option<SocketAddr>,
    /// Protocol and step: `mqtt.connect`, `mqtt.publish`, `codec.decode`, ...; of a call the dialect.
    pub step: &'static str,
    /// The check that failed, a stable word.
    pub check: &'static str,
    /// What was wrong and what would be right. Never a credential.
    pub detail: String,
    /// The call that was refused, where it was one.
    pub call: Option<ApiCall>,
}

/// A call of a northbound API, as far as a record tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiCall {
    /// What the client called it, else the listener; cut to 512 bytes.
    pub request_id: String,
    /// operationId, `none` where the path is that of no operation.
    pub operation: &'static str,
    /// HTTP status of the answer.
    pub status: u16,
    /// The dialect's code in the answer.
    pub code: String,
}

/// The newest records: 32 a device for 10,000 devices, 100 an application for 1,000 applications, and 1,000 of unknown origin. Of whoever
/// proved nothing, one address makes at most 20 a minute and all together 300. More are counted and not kept.
#[derive(Debug, Default)]
pub struct WhyLog(Mutex<Records>);

#[derive(Debug)]
struct Records {
    devices: Shelf<DeviceId>,
    apps: Shelf<AppId>,
    unknown: VecDeque<Why>,
    by_address: Minutes<Option<IpAddr>>,
    by_all: Minutes<()>,
    /// By step, operation and check.
    counts: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    suppressed: u64,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            devices: Shelf::new(DEVICES, PER_DEVICE),
            apps: Shelf::new(APPS, PER_APP),
            unknown: VecDeque::new(),
            by_address: Minutes::new(ADDRESSES),
            by_all: Minutes::new(1),
            counts: BTreeMap::new(),
            suppressed: 0,
        }
    }
}

/// The newest records of each of those who were refused last.
#[derive(Debug)]
struct Shelf<K> {
    kept: HashMap<K, Kept>,
    order: VecDeque<K>,
    room: usize,
    room_each: usize,
}

#[derive(Debug)]
struct Kept {
    account: AccountId,
    records: VecDeque<Why>,
}

impl<K: Copy + Eq + Hash> Shelf<K> {
    fn new(room: usize, room_each: usize) -> Self {
        Self { kept: HashMap::new(), order: VecDeque::new(), room, room_each }
    }

    fn add(&mut self, account: AccountId, of: K, why: Why) {
        if !self.kept.contains_key(&of) {
            if self.kept.len() >= self.room
                && let Some(oldest) = self.order.pop_front()
            {
                self.kept.remove(&oldest);
            }
            self.order.push_back(of);
        }
        let kept = self.kept.entry(of).or_insert_with(|| Kept { account, records: VecDeque::new() });
        if kept.records.len() >= self.room_each {
            kept.records.pop_front();
        }
        push(&mut kept.records, why);
    }

    /// Newest first.
    fn of(&self, account: AccountId, of: K) -> Vec<Why> {
        let kept = self.kept.get(&of).filter(|kept| kept.account == account);
        kept.map(|kept| kept.records.iter().rev().cloned().collect()).unwrap_or_default()
    }
}

impl WhyLog {
    /// Adds a record about a known device.
    pub fn of_device(&self, account: AccountId, device: DeviceId, why: Why) {
        let mut log = self.0.lock();
        log.count(&why);
        log.devices.add(account, device, why);
    }

    /// Adds a record about a call of a known application. `proven`: by it, not only in its name.
    pub fn of_app(&self, account: AccountId, app: AppId, proven: bool, why: Why) {
        let mut log = self.0.lock();
        log.count(&why);
        if proven || log.has_turn(&why) {
            log.apps.add(account, app, why);
        }
    }

    /// Adds a record about somebody unknown.
    pub fn of_unknown(&self, why: Why) {
        let mut log = self.0.lock();
        log.count(&why);
        if !log.has_turn(&why) {
            return;
        }
        if log.unknown.len() >= UNKNOWN {
            drop_of_busiest(&mut log.unknown);
        }
        push(&mut log.unknown, why);
    }

    /// Counts a refusal of which there is a record already.
    pub fn count(&self, step: &'static str, check: &'static str) {
        self.count_call(step, "", check);
    }

    /// Counts a refused call of which nobody needs a record.
    pub fn count_call(&self, dialect: &'static str, operation: &'static str, check: &'static str) {
        *self.0.lock().counts.entry((dialect, operation, check)).or_default() += 1;
    }

    /// The records of a device of this account, newest first.
    pub fn device(&self, account: AccountId, device: DeviceId) -> Vec<Why> {
        self.0.lock().devices.of(account, device)
    }

    /// The records of an application of this account, newest first.
    pub fn app(&self, account: AccountId, app: AppId) -> Vec<Why> {
        self.0.lock().apps.of(account, app)
    }

    /// The records of unknown origin, newest first; for the operator of the server alone, as no account can be told.
    pub fn unknown(&self) -> Vec<Why> {
        self.0.lock().unknown.iter().rev().cloned().collect()
    }

    /// How many refusals there were, other than of calls, by step and check.
    pub fn counts(&self) -> Vec<(&'static str, &'static str, u64)> {
        let log = self.0.lock();
        let counts = log.counts.iter().filter(|((_, operation, _), _)| operation.is_empty());
        counts.map(|((step, _, check), count)| (*step, *check, *count)).collect()
    }

    /// How many calls were refused, by dialect, operation and check.
    pub fn call_counts(&self) -> Vec<([&'static str; 3], u64)> {
        let log = self.0.lock();
        let counts = log.counts.iter().filter(|((_, operation, _), _)| !operation.is_empty());
        counts.map(|((dialect, operation, check), count)| ([*dialect, *operation, *check], *count)).collect()
    }

    /// How many records of whoever proved nothing were not kept, because there were too many in their minute.
    pub fn suppressed(&self) -> u64 {
        self.0.lock().suppressed
    }
}

impl Records {
    fn count(&mut self, why: &Why) {
        let operation = why.call.as_ref().map_or("", |call| call.operation);
        *self.counts.entry((why.step, operation, why.check)).or_default() += 1;
    }

    /// Whether a record may be kept of somebody who proved nothing. An address that makes too many does not use up what all may make.
    fn has_turn(&mut self, why: &Why) -> bool {
        let fits = self.by_address.add(address(why), why.at, PER_ADDRESS).0 <= PER_ADDRESS
            && self.by_all.add((), why.at, 0).0 <= PER_MINUTE;
        self.suppressed += u64::from(!fits);
        fits
    }
}

fn address(why: &Why) -> Option<IpAddr> {
    why.peer.map(|peer| network(peer.ip()))
}

/// Makes room at the cost of the address that has the most.
fn drop_of_busiest(records: &mut VecDeque<Why>) {
    let mut counts = HashMap::<_, u32>::new();
    records.iter().for_each(|why| *counts.entry(address(why)).or_default() += 1);
    let busiest = counts.into_iter().max_by_key(|(_, count)| *count).map(|(address, _)| address);
    if let Some(at) = records.iter().position(|why| Some(address(why)) == busiest) {
        records.remove(at);
    }
}

fn push(records: &mut VecDeque<Why>, mut why: Why) {
    cut(&mut why.identity);
    cut(&mut why.detail);
    if let Some(call) = &mut why.call {
        cut(&mut call.request_id);
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
        Why {
            at: Time(n as i64),
            identity: "d".into(),
            peer: None,
            step: "mqtt.publish",
            check: "topic",
            detail: n.to_string(),
            call: None,
        }
    }

    fn call(n: usize, peer: &str) -> Why {
        let call = ApiCall { request_id: n.to_string(), operation: "get_device", status: 404, code: "100403".into() };
        Why { step: "oceanconnect", peer: Some(peer.parse().unwrap()), call: Some(call), ..why(n) }
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
        assert_eq!(log.0.lock().devices.kept.len(), DEVICES);
        let mut long = why(1);
        long.detail = "é".repeat(1000);
        log.of_unknown(long);
        assert!(log.unknown()[0].detail.len() <= TEXT_BYTES);
    }

    #[test]
    fn applications_keep_what_they_proved_and_a_little_of_what_was_said_in_their_name() {
        let (log, app) = (WhyLog::default(), AppId::from_random([1; 16]));
        let (mine, other) = (AccountId::from_random([2; 16]), AccountId::from_random([3; 16]));
        for n in 0..2 * PER_APP {
            log.of_app(mine, app, true, call(n, "192.0.2.1:1"));
        }
        for n in 0..10_000 {
            log.of_app(mine, app, false, call(n, "192.0.2.2:1"));
        }
        let kept = log.app(mine, app);
        assert_eq!(kept.len(), PER_APP);
        let claimed = kept.iter().filter(|why| why.peer.is_some_and(|peer| peer.ip().to_string() == "192.0.2.2"));
        assert_eq!((claimed.count(), log.suppressed()), (PER_ADDRESS as usize, 10_000 - u64::from(PER_ADDRESS)));
        assert!(log.app(other, app).is_empty());
        assert_eq!(log.call_counts(), [(["oceanconnect", "get_device", "topic"], 10_200)]);
        assert!(log.counts().is_empty(), "calls are counted by themselves");
    }

    #[test]
    fn the_table_of_applications_is_bounded() {
        let (log, account) = (WhyLog::default(), AccountId::from_random([2; 16]));
        for n in 0..APPS + 5 {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(n as u64).to_le_bytes());
            log.of_app(account, AppId::from_random(id), true, call(n, "192.0.2.1:1"));
        }
        assert_eq!(log.0.lock().apps.kept.len(), APPS);
    }

    #[test]
    fn a_flood_of_one_address_is_counted_and_pushes_nobody_out() {
        let from = |address: &str, n: usize| Why { peer: Some(address.parse().unwrap()), ..why(n) };
        let log = WhyLog::default();
        log.of_unknown(from("192.0.2.1:1", 0));
        for n in 0..500_000 {
            log.of_unknown(from(&format!("[2001:db8::{:x}]:1", n % 9 + 1), n));
        }
        log.of_unknown(from("192.0.2.2:1", 500_000));
        let kept = log.unknown();
        assert_eq!(kept.iter().filter(|why| why.peer.is_some_and(|peer| peer.is_ipv4())).count(), 2);
        assert!(kept.len() <= 2 + 9 * PER_ADDRESS as usize, "{}", kept.len());
        assert_eq!(log.counts(), [("mqtt.publish", "topic", 500_002)]);
        assert_eq!(log.suppressed(), 500_002 - kept.len() as u64);
    }

    #[test]
    fn a_long_flood_makes_room_at_its_own_cost() {
        let log = WhyLog::default();
        let from = |last: u8, at: i64| Why { at: Time(at), peer: Some(([192, 0, 2, last], 1).into()), ..why(0) };
        log.of_unknown(from(1, 0));
        for minute in 0..100 {
            (0..PER_ADDRESS).for_each(|_| log.of_unknown(from(2, minute * 60_000)));
        }
        let kept = log.unknown();
        assert_eq!((kept.len(), kept.last().map(|why| why.at)), (UNKNOWN, Some(Time(0))));
        assert_eq!(kept.last().and_then(|why| why.peer), Some(([192, 0, 2, 1], 1).into()));
    }

    #[test]
    fn all_together_are_limited_too() {
        let log = WhyLog::default();
        for n in 0..1_000_u32 {
            log.of_unknown(Why { at: Time(0), peer: Some((n.to_be_bytes(), 1).into()), ..why(0) });
        }
        assert_eq!((log.unknown().len(), log.suppressed()), (PER_MINUTE as usize, 1_000 - u64::from(PER_MINUTE)));
    }
}
