//! Rows that register devices: every check of a registration for a thousand of them with a few looks into the store.

use super::{
    RowFault,
    part::{Made, Part, repeated},
};
use crate::{Core, DeviceFilter, ProductRef, RegisterDevice, TargetFilter, device::check_registration};
use landfall_model::{AppId, Cause, DeviceId, DeviceName, Error, PageRequest, Product, Result};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// A device to be registered by an import.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewDevice {
    /// The application that is to see it; none: that of the import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppId>,
    /// What is registered.
    #[serde(flatten)]
    pub device: RegisterDevice,
}

/// Columns of the names of a device, in the order of its identities.
const NAMES: [&str; 2] = ["nodeId", "pskIdentity"];

impl NewDevice {
    /// What it claims for itself, each with its column.
    pub(super) fn claims(&self) -> impl Iterator<Item = (&'static str, String)> {
        let identities = self.device.identities();
        NAMES.into_iter().zip(identities).map(|(column, identity)| (column, format!("identity {}", identity.as_str())))
    }
}

type Judged<T> = std::result::Result<T, RowFault>;

/// What rows of a part have in common, looked up once.
#[derive(Default)]
struct Known {
    apps: HashMap<AppId, Judged<()>>,
    products: HashMap<ProductRef, Judged<Arc<Product>>>,
    /// Further devices that each application may have, where that is limited.
    room: HashMap<AppId, Option<u64>>,
}

impl Core {
    /// Plans the devices of a part, each with its place in it.
    pub(super) async fn plan_devices(&self, part: &mut Part<'_>, rows: Vec<(usize, Box<NewDevice>)>) -> Result<()> {
        let names = rows.iter().flat_map(|(_, new)| new.device.identities()).map(DeviceName::Identity).collect();
        let mut holders = self.store.holders(names).await?.into_iter();
        let (mut known, mut adding) = (Known::default(), BTreeMap::<AppId, u64>::new());
        for (at, new) in rows {
            let held: Vec<_> = holders.by_ref().take(new.device.identities().len()).collect();
            match self.plan_row(part, &mut known, (at, &new), &held).await? {
                Ok(app) => *adding.entry(app).or_default() += 1,
                Err(fault) => part.fail(at, fault),
            }
        }
        let mut limits = vec![];
        for (app, adding) in adding {
            limits.extend(self.device_limit(part.job.account, Some(app), adding).await?);
        }
        part.batch.writes.splice(0..0, limits);
        Ok(())
    }

    async fn plan_row(
        &self,
        part: &mut Part<'_>,
        known: &mut Known,
        (at, new): (usize, &NewDevice),
        held: &[Option<DeviceId>],
    ) -> Result<Judged<AppId>> {
        let Some(app) = new.app.or(part.job.app) else {
            return Ok(Err(Error::invalid("app", "name the application that is to own it").into()));
        };
        if let Err(fault) = self.known_app(part, known, app).await? {
            return Ok(Err(fault));
        }
        if let Err(error) = check_registration(&new.device) {
            return Ok(Err(error.into()));
        }
        let product = match self.known_product(part, known, new.device.product.as_ref()).await? {
            Ok(product) => product,
            Err(fault) => return Ok(Err(fault)),
        };
        if let Some((column, holder)) = NAMES.into_iter().zip(held).find_map(|(column, holder)| Some((column, (*holder)?))) {
            return Ok(Err(self.taken_by(part, column, holder).await?));
        }
        let room = self.room(part, known, app, new.app.is_none()).await?;
        if *room == Some(0) {
            return Ok(Err(crate::device::limit_reached().into()));
        }
        if let Err(fault) = part.claim(at, new.claims()) {
            return Ok(Err(fault));
        }
        *room = room.map(|left| left - 1);
        let device = Arc::new(self.planned_device(part.job.account, app, &new.device, product.as_deref()));
        if part.writes {
            part.batch.merge(self.added(&device).await?);
        }
        part.made(at, Made { device: Some(device.id), note: None });
        Ok(Ok(app))
    }

    async fn known_app(&self, part: &Part<'_>, known: &mut Known, app: AppId) -> Result<Judged<()>> {
        if let Some(judged) = known.apps.get(&app) {
            return Ok(judged.clone());
        }
        let judged = match self.standing(app).await? {
            Ok(found) if found.account == part.job.account => Ok(()),
            Ok(_) => Err(RowFault::new(Cause::AppNotFound, "app", "there is no application of this id")),
            Err(reason) => Err(RowFault::new(Cause::AppNotFound, "app", reason)),
        };
        known.apps.insert(app, judged.clone());
        Ok(judged)
    }

    async fn known_product(
        &self,
        part: &Part<'_>,
        known: &mut Known,
        named: Option<&ProductRef>,
    ) -> Result<Judged<Option<Arc<Product>>>> {
        let Some(named) = named else { return Ok(Ok(None)) };
        if let Some(judged) = known.products.get(named) {
            return Ok(judged.clone().map(Some));
        }
        let judged = match self.named_product(part.job.account, Some(named)).await {
            Ok(Some(product)) => Ok(product),
            Ok(None) => return Ok(Ok(None)),
            Err(error) if error.is_ours() => return Err(error),
            Err(error) => Err(if error.path.is_none() { error.at("product") } else { error }.into()),
        };
        known.products.insert(named.clone(), judged.clone());
        Ok(judged.map(Some))
    }

    /// How many devices more an application may have; where nothing is written, those that were found good before count too.
    async fn room<'k>(&self, part: &Part<'_>, known: &'k mut Known, app: AppId, of_job: bool) -> Result<&'k mut Option<u64>> {
        use std::collections::hash_map::Entry;
        match known.room.entry(app) {
            Entry::Occupied(room) => Ok(room.into_mut()),
            Entry::Vacant(place) => {
                let room = match self.most_devices(app).await? {
                    None => None,
                    Some(most) => {
                        let filter = DeviceFilter { principal: Some(app), ..DeviceFilter::of(part.job.account) };
                        let there = self.store.devices(&filter, PageRequest { no: 0, size: 1 }).await?.total;
                        let planned = if of_job { part.good_before } else { 0 };
                        Some(most.saturating_sub(there).saturating_sub(planned))
                    }
                };
                Ok(place.insert(room))
            }
        }
    }

    /// A name is taken: by the device of an earlier row of the file, or by another.
    async fn taken_by(&self, part: &Part<'_>, column: &str, holder: DeviceId) -> Result<RowFault> {
        let filter = TargetFilter { job: part.job.id, states: vec![], device: Some(holder), command: None };
        let found = self.store.job_targets(&filter, PageRequest { no: 0, size: 1 }).await?.items;
        Ok(match found.first() {
            Some(target) => repeated(column, target.place + 1),
            None => RowFault::new(Cause::NodeIdTaken, column, "another device has a name that means the same"),
        })
    }
}
