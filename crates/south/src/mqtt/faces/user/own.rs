//! What a connection knows of its device and of those behind it.

use super::platform;
use crate::{
    mqtt::{Mqtt, Note, outbox::Outbox},
    note::About,
};
use landfall_core::{DeviceCaller, UserCaller};
use landfall_model::{CommandId, Device, DeviceId, Result};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

/// Devices behind the own one whose ids are remembered; those of others are looked up each time.
const BEHIND: usize = 10_000;

/// Topics on which operations come to one connection.
const WAYS: usize = 64;

/// A connection of a user, as its messages and its operations see it.
pub(super) struct Own {
    pub(super) user: UserCaller,
    /// What its device calls itself.
    pub(super) id: Box<str>,
    /// Its default template collection.
    pub(super) collection: Option<Box<str>>,
    pub(super) address: SocketAddr,
    pub(super) outbox: Arc<Outbox>,
    /// Once it is known or made.
    device: OnceLock<DeviceCaller>,
    /// Ids of devices behind it, at most [`BEHIND`].
    behind: Mutex<HashMap<DeviceId, Arc<str>>>,
    /// Open operations that were told in this connection, and on which topics.
    pub(super) told: Mutex<HashMap<CommandId, Vec<Arc<str>>>>,
    /// The filters by which the client listens to operations, at most [`WAYS`].
    ways: Mutex<Vec<Arc<str>>>,
}

impl Own {
    pub(super) fn new(user: UserCaller, id: &str, collection: Option<&str>, address: SocketAddr) -> Self {
        Self {
            user,
            id: id.into(),
            collection: collection.map(Into::into),
            address,
            outbox: Arc::default(),
            device: OnceLock::new(),
            behind: Mutex::default(),
            told: Mutex::default(),
            ways: Mutex::default(),
        }
    }

    /// Its device, once there is one.
    pub(super) fn device(&self) -> Option<&DeviceCaller> {
        self.device.get()
    }

    /// Its device is here from now on.
    pub(super) async fn arrive(&self, mqtt: &Mqtt, device: &Device) -> Result<()> {
        let caller = self.device.get_or_init(|| mqtt.core.device_caller(device).over("mqtt.publish"));
        mqtt.agents.enter(device.id, &self.outbox);
        mqtt.core.connected(caller).await
    }

    /// The connection is over.
    pub(super) async fn part(&self, mqtt: &Mqtt, stopping: bool) {
        mqtt.agents.sign_out(&self.user, &self.outbox);
        let Some(caller) = self.device() else { return };
        let behind: Vec<_> = self.behind.lock().keys().copied().collect();
        let left = mqtt.agents.leave(behind.into_iter().chain([caller.device()]), &self.outbox);
        if !stopping && left.contains(&caller.device()) {
            crate::mqtt::session::gone(mqtt, caller).await;
        }
    }

    /// A device behind the own one is here, too.
    pub(super) fn remember(&self, mqtt: &Mqtt, device: DeviceId, id: &str) {
        if self.device().is_some_and(|own| own.device() == device) {
            return;
        }
        let mut behind = self.behind.lock();
        if behind.len() < BEHIND && behind.insert(device, id.into()).is_none() {
            mqtt.agents.enter_behind(device, &self.outbox);
        }
    }

    /// The id of a device, by which its operations name it.
    pub(super) async fn id_of(&self, mqtt: &Mqtt, device: DeviceId) -> Result<Arc<str>> {
        if self.device().is_some_and(|own| own.device() == device) {
            return Ok((*self.id).into());
        }
        if let Some(id) = self.behind.lock().get(&device) {
            return Ok(Arc::clone(id));
        }
        let id = platform::id_of(&mqtt.core, &self.user, device).await?;
        self.remember(mqtt, device, &id);
        Ok(id.into())
    }

    /// The client listens to operations by this filter. False: it does so by as many as it may.
    pub(super) fn listens(&self, filter: &str) -> bool {
        let mut ways = self.ways.lock();
        if ways.iter().any(|way| **way == *filter) {
            return true;
        }
        let has_room = ways.len() < WAYS;
        if has_room {
            ways.push(filter.into());
        }
        has_room
    }

    /// The filters by which it does.
    pub(super) fn ways(&self) -> Vec<Arc<str>> {
        self.ways.lock().clone()
    }

    /// Leaves a why record.
    pub(super) fn note(&self, mqtt: &Mqtt, step: &'static str, check: &'static str, detail: String) {
        let about = self.device().map(|own| About::Device(own.account(), own.device()));
        mqtt.note(about, Note { identity: &self.id, peer: Some(self.address), step, check, detail });
    }
}
