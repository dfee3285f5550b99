//! What the writer and the readers have in common.

use crate::{
    Options, SharedStore,
    alarm::ALARMED,
    cache::{Cache, Hints},
    command::work::{WORK, Work},
    engine::{
        queue::{Queue, Task, stopping},
        sql::{Sql, SqlResult, given_up},
    },
    extension::{Subscribers, Telling},
    job::targets::Tally,
    stream::{pending::Pending, ring::Ring},
    user::UserKey,
};
use landfall_model::{
    Account, AccountId, App, AppId, Device, DeviceId, DeviceName, Product, ProductId, Resource, ResourceId, Result, Subscription,
    SubscriptionId, User, Write,
};
use parking_lot::Mutex;
use std::sync::{Arc, atomic::AtomicU64};
use tokio::sync::{oneshot, watch};

pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) queue: Queue,
    pub(crate) caches: Caches,
    pub(crate) work: Work,
    /// Devices that may have open alarms.
    pub(crate) alarmed: Work,
    pub(crate) pending: Mutex<Pending>,
    pub(crate) ring: Mutex<Ring>,
    /// The newest place; consumers wait on it.
    pub(crate) newest: watch::Sender<u64>,
    /// Why nothing can ever be written again.
    pub(crate) lost: watch::Sender<Option<String>>,
    pub(crate) batches: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) targets: Mutex<Tally>,
}

impl Shared {
    /// Memory for a stream that ends at `newest`.
    pub(crate) fn new(options: Options, newest: u64) -> Self {
        Self {
            queue: Queue::new(options.queue_batches, options.queue_bytes, given_up(options.statement())),
            caches: Caches::new(&options),
            work: Work::default(),
            alarmed: Work::default(),
            pending: Mutex::new(Pending::default()),
            ring: Mutex::new(Ring::new(newest, options.ring_events, options.ring_bytes)),
            newest: watch::Sender::new(newest),
            lost: watch::Sender::new(None),
            batches: AtomicU64::default(),
            commits: AtomicU64::default(),
            targets: Mutex::default(),
            options,
        }
    }

    /// Reads which devices have work, and which have open alarms.
    pub(crate) fn load_work(&self, sql: &mut dyn Sql) -> SqlResult<()> {
        self.work.load(sql, WORK)?;
        self.alarmed.load(sql, ALARMED)
    }

    /// A write was committed. One arm a variant, so that the compiler asks what memory makes of a new one.
    ///
    /// What is made in bulk is not remembered: a file of a million devices would put out all that is used, and fill memory to its bounds.
    pub(crate) fn committed(&self, write: Write, bulk: bool, pending: &mut Pending) {
        let caches = &self.caches;
        match write {
            Write::User(r) if bulk && r.version == 1 => caches.users.changed(UserKey::of(r.account, &r.name), None),
            Write::Device(r) if bulk && r.version == 1 => caches.devices.changed(r.id, None),
            Write::Account(r) => {
                caches.tenants.put(r.tenant_id().into_owned(), r.id);
                caches.accounts.changed(r.id, Some(Arc::new(*r)));
            }
            Write::User(r) => caches.put_user(Arc::new(*r)),
            Write::DeleteUser(account, name) => caches.users.changed(UserKey::of(account, &name), None),
            Write::App(r) => caches.apps.changed(r.id, Some(Arc::new(*r))),
            Write::DeleteApp(id) => caches.apps.changed(id, None),
            Write::Product(r) => {
                caches.keys.put((r.account, r.key.clone()), r.id);
                caches.products.changed(r.id, Some(Arc::new(*r)));
            }
            Write::DeleteProduct(id) => caches.products.changed(id, None),
            Write::Device(r) => {
                // A new device holds its names; one that is changed may wait for one.
                if r.version == 1 {
                    r.names().into_iter().for_each(|name| caches.names.put(name, r.id));
                }
                caches.devices.changed(r.id, Some(Arc::new(*r)));
            }
            Write::DeleteDevice(id) => {
                pending.forget(id);
                self.work.forget(id);
                self.alarmed.forget(id);
                caches.devices.changed(id, None);
            }
            Write::DeviceLimit(_) | Write::Group(_) | Write::DeleteGroup(_) | Write::Join(..) | Write::Leave(..) => (),
            Write::Subscription(r) => caches.subscriptions.changed(r.id, Some(Arc::new(*r))),
            Write::DeleteSubscription(id) | Write::FreeAddress(id) => caches.subscriptions.changed(id, None),
            Write::Cursor(_) | Write::Call(_) | Write::DeleteCall(_) | Write::Session(_) | Write::DeleteSession(_) => (),
            Write::Command(r) => self.work.set([r.device]),
            Write::Shadow(r) => self.work.set([r.device]),
            Write::RevokeTask(_) | Write::Setting(_) => (),
            Write::Registration(_)
            | Write::Observed(..)
            | Write::DeleteRegistration(_)
            | Write::SecureSession(_)
            | Write::DeleteSecureSession(_) => (),
            Write::Origin(_) => (),
            // History is not cached.
            Write::Redecoded(_) => (),
            Write::Resource(r) => caches.put_resource(Arc::new(*r)),
            Write::DeleteResource(_)
            | Write::Append(_)
            | Write::ContainerChange(_)
            | Write::CountNotice(_)
            | Write::CountRetrieval(_)
            | Write::DeleteInstance(_)
            | Write::Labels { .. } => (),
            Write::Alarm(r) if r.status.is_open() => self.alarmed.set([r.device]),
            Write::Alarm(_) | Write::DeleteAlarm(_) | Write::DeviceEvent(_) | Write::DeleteDeviceEvent(_) => (),
            Write::DeviceRequest(_) | Write::DeleteDeviceRequest(_) => (),
            Write::Object(_)
            | Write::DeleteObject(_)
            | Write::Child(..)
            | Write::Unchild(..)
            | Write::ExternalId(_)
            | Write::DeleteExternalId(_) => (),
            Write::Job(_) | Write::JobBlock(_) | Write::KeepRows(_) | Write::JobClaims(..) => (),
            Write::JobTargets(_) | Write::EndTarget(_) | Write::DeleteJob(_) => (),
            Write::Binary(_) | Write::BinaryPart(_) | Write::DeleteBinary(_) => (),
        }
    }
}

impl SharedStore {
    /// Cuts all history that waits into chunks now.
    ///
    /// # Errors
    /// As [`landfall_core::Store::commit`].
    pub async fn flush(&self) -> Result<()> {
        let (answer, done) = oneshot::channel();
        self.shared().queue.put(Task::Flush(answer))?;
        done.await.map_err(|_| stopping())?
    }

    /// Returns, with the reason, once the store can never write again because the database has had another writer.
    pub async fn lost(&self) -> String {
        let mut lost = self.shared().lost.subscribe();
        // The sender lives as long as this store.
        let reason = lost.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.unwrap_or_default()
    }
}

/// Records by id, and hints to ids.
pub(crate) struct Caches {
    pub(crate) accounts: Cache<AccountId, Account>,
    /// Accounts by their tenant ids.
    pub(crate) tenants: Hints<String, AccountId>,
    pub(crate) apps: Cache<AppId, App>,
    pub(crate) users: Cache<UserKey, User>,
    /// Users by the ids of their devices.
    pub(crate) device_users: Hints<String, UserKey>,
    pub(crate) products: Cache<ProductId, Product>,
    pub(crate) devices: Cache<DeviceId, Device>,
    pub(crate) subscriptions: Cache<SubscriptionId, Subscription>,
    /// Devices by the names that they hold.
    pub(crate) names: Hints<DeviceName, DeviceId>,
    pub(crate) keys: Hints<(AccountId, landfall_model::ProductKey), ProductId>,
    /// Devices by the first bytes of their ids, once that was asked for.
    pub(crate) prefixes: Hints<[u8; 11], DeviceId>,
    pub(crate) resources: Cache<ResourceId, Resource>,
    /// Resources by their parent and name.
    pub(crate) resource_names: Hints<(ResourceId, Box<str>), ResourceId>,
    /// Not a cache: it holds all of them.
    pub(crate) subscribers: Subscribers,
    pub(crate) telling: Telling,
}

impl Caches {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            accounts: Cache::new(options.cache_records),
            tenants: Hints::new(options.cache_records),
            apps: Cache::new(options.cache_records),
            users: Cache::new(options.cache_devices),
            device_users: Hints::new(options.cache_devices),
            products: Cache::new(options.cache_records),
            devices: Cache::new(options.cache_devices),
            subscriptions: Cache::new(options.cache_records),
            names: Hints::new(options.cache_devices),
            keys: Hints::new(options.cache_records),
            prefixes: Hints::new(options.cache_devices),
            resources: Cache::new(options.cache_records),
            resource_names: Hints::new(options.cache_records),
            subscribers: Subscribers::default(),
            telling: Telling::default(),
        }
    }

    /// A user was written.
    pub(crate) fn put_user(&self, user: Arc<User>) {
        let key = UserKey::of(user.account, &user.name);
        if let Some(device) = &user.device_id {
            self.device_users.put(device.clone(), key);
        }
        self.users.changed(key, Some(user));
    }

    /// A resource was written.
    pub(crate) fn put_resource(&self, r: Arc<Resource>) {
        self.resource_names.put((r.parent, r.name.as_str().into()), r.id);
        self.subscribers.changed(&r);
        self.telling.changed(&r);
        self.resources.changed(r.id, Some(r));
    }

    /// These resources are gone.
    pub(crate) fn drop_resources(&self, dropped: &[ResourceId]) {
        for id in dropped {
            self.resources.changed(*id, None);
            self.subscribers.dropped(*id);
            self.telling.dropped(*id);
        }
    }

    /// The database may hold more than is known here.
    pub(crate) fn forget_all(&self) {
        self.accounts.forget_all();
        self.apps.forget_all();
        self.users.forget_all();
        self.products.forget_all();
        self.devices.forget_all();
        self.subscriptions.forget_all();
        self.resources.forget_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cache::Look, engine::writer::BULK, stream::record::tests::scratch};
    use landfall_core::store::*;
    use landfall_model::{Batch, Time};
    use landfall_testkit::World;

    #[tokio::test]
    async fn what_is_made_in_bulk_is_not_remembered_until_it_is_used() {
        let dir = scratch();
        let store = crate::open_sqlite(&dir, Options::default(), Arc::new(World::new(1))).unwrap();
        let mut next = 0;
        for (many, remembered) in [(BULK, true), (BULK + 1, false)] {
            let devices: Vec<Device> = (next..next + many)
                .map(|n| {
                    let (account, app) = (AccountId::from_random([1; 16]), AppId::from_random([2; 16]));
                    let mut id = [0; 16];
                    id[..8].copy_from_slice(&n.to_be_bytes());
                    Device::new(DeviceId::from_random(id), account, app, format!("n{n}"), Time(1))
                })
                .collect();
            next += many;
            let writes = devices.iter().map(|device| Write::Device(Box::new(device.clone()))).collect();
            store.commit(Batch { writes, events: vec![] }).await.unwrap();
            let there = |device: &Device| matches!(store.shared().caches.devices.look(device.id), Look::Hit(_));
            let hint = |device: &Device| store.shared().caches.names.get(&device.names()[0]).is_some();
            assert!(devices.iter().all(|device| there(device) == remembered && hint(device) == remembered), "{many}");
            let one = &devices[7];
            assert_eq!(store.device(one.id).await.unwrap().as_deref(), Some(one));
            assert!(there(one));
        }
        drop(store);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
