//! Who listens, and how far each was told.
//!
//! A client reads the stream by itself while it waits; only of new work for devices, which the stream does not have, it is told here.

use super::channel::{Channel, What};
use landfall_core::{Access, CloseCause, Takes, UserCaller, Wake};
use landfall_model::{AccountId, DeviceId, ObjectId, Seq, Time};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::watch;

/// Clients of the server, of an account and of a user.
const ALL: usize = 10_000;
const OF_ACCOUNT: usize = 1_000;
const OF_USER: usize = 100;
/// Channels of a client.
pub(super) const CHANNELS: usize = 100;
/// Devices of which a client may have to look for work, and those of which it was told.
const DEVICES: usize = 1_000;
/// Milliseconds for which a client is kept that asks for nothing: the longest wait, and a minute.
const IDLE_MS: i64 = 120_000;

/// The clients of this process.
#[derive(Default)]
pub(in crate::cumulocity) struct Clients {
    all: Mutex<HashMap<String, Arc<Client>>>,
    made: AtomicU64,
}

/// A client: one conversation of a user.
pub(super) struct Client {
    pub id: String,
    account: AccountId,
    user: String,
    /// Whether it came to the address of operations, which tells them as they are.
    pub operations: bool,
    /// Changes when there is something to look at.
    pub bell: watch::Sender<u64>,
    state: Mutex<State>,
}

/// How far it is.
#[derive(Clone)]
pub(super) struct State {
    /// With the time since which each is listened to.
    pub channels: Vec<(Channel, Time)>,
    /// The place in the stream up to which it was told.
    pub read_to: Seq,
    /// Devices that may have work, each with the number of its last call.
    pub woken: HashMap<DeviceId, u64>,
    /// The last place in the queue of each device that was told.
    pub told: HashMap<DeviceId, u64>,
    calls: u64,
    /// The connect that may wait.
    turn: u64,
    heard_at: Time,
    /// It missed more than is kept for it.
    lost: bool,
}

/// What a connect found, and how far it read for that.
pub(super) struct Found {
    pub messages: Vec<serde_json::Value>,
    pub read_to: Seq,
    /// Devices that were looked at, as they were called.
    pub looked: Vec<(DeviceId, u64)>,
    pub told: Vec<(DeviceId, u64)>,
}

impl Clients {
    /// A new client of a user, which is told what happens after this place. None where there are as many as may be.
    pub(super) fn make(&self, caller: &UserCaller, operations: bool, newest: Seq, now: Time) -> Option<Arc<Client>> {
        let mut all = self.all.lock();
        all.retain(|_, client| !client.is_over(now));
        let ofs = all.values().filter(|client| client.account == caller.account());
        let (account, user) = ofs.fold((0, 0), |(account, user), client| (account + 1, user + usize::from(client.is_of(caller))));
        if all.len() >= ALL || account >= OF_ACCOUNT || user >= OF_USER {
            return None;
        }
        let client = Arc::new(Client {
            id: format!("l{}n{}", now.0, self.made.fetch_add(1, Ordering::Relaxed)),
            account: caller.account(),
            user: caller.user().name.clone(),
            operations,
            bell: watch::Sender::default(),
            state: Mutex::new(State {
                channels: vec![],
                read_to: newest,
                woken: HashMap::new(),
                told: HashMap::new(),
                calls: 0,
                turn: 0,
                heard_at: now,
                lost: false,
            }),
        });
        all.insert(client.id.clone(), Arc::clone(&client));
        Some(client)
    }

    /// A client of this user that is not over; it was heard from.
    pub(super) fn find(&self, id: &str, caller: &UserCaller, now: Time) -> Option<Arc<Client>> {
        let mut all = self.all.lock();
        let client = all.get(id).filter(|client| client.is_of(caller))?;
        if client.is_over(now) {
            all.remove(id);
            return None;
        }
        client.state.lock().heard_at = now;
        Some(Arc::clone(client))
    }

    /// Ends a client, and its connect that waits.
    pub(super) fn end(&self, client: &Client) {
        self.all.lock().remove(&client.id);
        client.begin();
    }
}

impl Client {
    fn is_of(&self, caller: &UserCaller) -> bool {
        self.account == caller.account() && self.user == caller.user().name
    }

    fn is_over(&self, now: Time) -> bool {
        let state = self.state.lock();
        state.lost || now.0.saturating_sub(state.heard_at.0) > IDLE_MS
    }

    /// Begins a connect, and ends the one that waits. Gives its number.
    pub fn begin(&self) -> u64 {
        let mut state = self.state.lock();
        state.turn += 1;
        self.bell.send_modify(|rings| *rings += 1);
        state.turn
    }

    /// How far it is now.
    pub fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// Listens to a channel from now on. False: it has as many as may be.
    pub fn listen(&self, channel: Channel, newest: Seq, now: Time) -> bool {
        let mut state = self.state.lock();
        if state.channels.iter().any(|(known, _)| *known == channel) {
            return true;
        }
        if state.channels.len() >= CHANNELS {
            return false;
        }
        if !self.reads(&state) {
            state.read_to = newest;
        }
        state.channels.push((channel, now));
        self.bell.send_modify(|rings| *rings += 1);
        true
    }

    pub fn leave(&self, channel: &Channel) {
        self.state.lock().channels.retain(|(known, _)| known != channel);
    }

    /// Whether anything that it listens to is in the stream.
    pub fn reads(&self, state: &State) -> bool {
        !self.operations && !state.channels.is_empty()
    }

    /// Keeps how far a connect read, whose messages are then told; false for one that another one has ended, which tells nothing.
    pub fn keep(&self, turn: u64, found: &Found) -> bool {
        let mut state = self.state.lock();
        if state.turn != turn {
            return false;
        }
        state.read_to = found.read_to.max(state.read_to);
        for (device, call) in &found.looked {
            if state.woken.get(device) == Some(call) {
                state.woken.remove(device);
            }
        }
        state.told.extend(found.told.iter().copied());
        state.lost |= state.told.len() > DEVICES;
        true
    }

    /// It cannot be told all any more.
    pub fn lose(&self) {
        self.state.lock().lost = true;
    }

    fn call(&self, device: DeviceId) {
        let id = ObjectId::of_device(device);
        let mut state = self.state.lock();
        if !state.channels.iter().any(|(channel, _)| channel.tells(What::Operations, id)) {
            return;
        }
        if state.woken.len() >= DEVICES && !state.woken.contains_key(&device) {
            state.lost = true;
            state.woken = HashMap::new();
        } else {
            state.calls += 1;
            let call = state.calls;
            state.woken.insert(device, call);
        }
        drop(state);
        self.bell.send_modify(|rings| *rings += 1);
    }
}

impl State {
    /// Whether it missed more than is kept for it.
    pub fn is_lost(&self) -> bool {
        self.lost
    }
}

impl Access for Clients {
    fn holds(&self, _device: DeviceId) -> Option<Takes> {
        None
    }

    fn wake(&self, device: DeviceId, why: Wake) -> bool {
        if why == Wake::Work {
            self.all.lock().values().for_each(|client| client.call(device));
        }
        false
    }

    fn close(&self, _device: DeviceId, _why: CloseCause) {}
}
