//! Which devices a batch has: a slice at a time, each device once, and none that was registered after the batch.
//!
//! Groups and products are looked up when the choice begins, and go with its cursor; so does who is read last.

use super::{BatchOrder, Selection};
use crate::{
    Chosen, Core, DeviceFilter,
    store::{Fleet, FleetOf},
};
use landfall_model::{Cause, DeviceId, Error, GroupId, Job, JobBlock, PageRequest, ProductId, Result, Sort, Targets, Time};
use serde::{Deserialize, Serialize};

/// Devices of a list that are chosen together, 2 MiB of ids.
const RUN: usize = 131_072;
/// Products that are looked at together.
const PRODUCTS: u32 = 100;

/// Where a choice goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Cursor {
    /// After this device, by time of registration.
    Listed(Time, DeviceId),
    /// After this device, by id, in these groups.
    Grouped(Vec<GroupId>, Option<DeviceId>),
    /// After this device, by id, of these products.
    Made(Vec<ProductId>, Option<DeviceId>),
}

/// Where the choice of a batch without a list begins.
pub(super) const START: &str = "";

impl Core {
    /// The targets of a batch that follow at `at`.
    pub(super) async fn choose_addressees(&self, job: &Job, at: &str) -> Result<Chosen> {
        let selection = BatchOrder::of(job)?.selection;
        let cursor = match at {
            START => self.first_cursor(job, &selection).await?,
            at => Some(
                serde_json::from_str(at).map_err(|_| Error::new(Cause::Internal, "the cursor of the choice cannot be read"))?,
            ),
        };
        let (devices, next) = match cursor {
            Some(Cursor::Grouped(groups, after)) => {
                let (devices, last) = self.slice_of(job, FleetOf::Groups(groups.clone()), after).await?;
                (devices, last.map(|last| Cursor::Grouped(groups, Some(last))))
            }
            Some(Cursor::Made(products, after)) => {
                let (devices, last) = self.slice_of(job, FleetOf::Products(products.clone()), after).await?;
                (devices, last.map(|last| Cursor::Made(products, Some(last))))
            }
            Some(Cursor::Listed(at, id)) => self.listed(job, &selection, Some((at, id))).await?,
            None => self.listed(job, &selection, None).await?,
        };
        let next = next.map(|next| serde_json::to_string(&next)).transpose();
        let next = next.map_err(|_| Error::new(Cause::Internal, "the cursor of the choice cannot be written"))?;
        Ok(Chosen::of(Targets::Devices(devices), next))
    }

    /// None: the choice goes by the list of devices. Groups that the application does not have are passed over.
    async fn first_cursor(&self, job: &Job, selection: &Selection) -> Result<Option<Cursor>> {
        let mut groups = vec![];
        match selection {
            Selection::GroupsNamed(names) => {
                for name in names {
                    groups.extend(self.store.group_named(job.account, job.app, name).await?);
                }
            }
            Selection::Groups(ids) => {
                for id in ids.iter().filter_map(|id| id.parse().ok()) {
                    groups.extend(self.store.group(id).await?);
                }
            }
            Selection::Model { device_type, manufacturer_id, model } => {
                let keys = [device_type, manufacturer_id, model];
                return Ok(Some(Cursor::Made(self.products_of(job, keys).await?, None)));
            }
            Selection::Location(_) | Selection::All | Selection::Devices(_) => return Ok(None),
        }
        groups.retain(|group| group.account == job.account && group.owner == job.app);
        Ok(Some(Cursor::Grouped(groups.iter().map(|group| group.id).collect(), None)))
    }

    /// Products of the account with these keys, whatever the others are.
    async fn products_of(&self, job: &Job, keys: [&String; 3]) -> Result<Vec<ProductId>> {
        let (mut found, mut page) = (vec![], PageRequest { no: 0, size: PRODUCTS });
        loop {
            let some = self.store.products(job.account, page).await?.items;
            let fits = |key: &landfall_model::ProductKey| [&key.device_type, &key.manufacturer_id, &key.model] == keys;
            found.extend(some.iter().filter(|product| fits(&product.key)).map(|product| product.id));
            if (some.len() as u32) < PRODUCTS {
                return Ok(found);
            }
            page.no += 1;
        }
    }

    async fn slice_of(&self, job: &Job, of: FleetOf, after: Option<DeviceId>) -> Result<(Vec<DeviceId>, Option<DeviceId>)> {
        let fleet = Fleet { account: job.account, app: job.app, there_at: job.created_at, of };
        let devices = self.store.fleet(&fleet, after, JobBlock::SIZE as u32).await?;
        let last = devices.last().copied().filter(|_| devices.len() == JobBlock::SIZE);
        Ok((devices, last))
    }

    /// A run of those that were registered one after the other, by id: what is kept of devices is kept by their ids, so that each part of a job
    /// finds and writes what lies together.
    async fn listed(
        &self,
        job: &Job,
        selection: &Selection,
        after: Option<(Time, DeviceId)>,
    ) -> Result<(Vec<DeviceId>, Option<Cursor>)> {
        let location = if let Selection::Location(location) = selection { Some(location.clone()) } else { None };
        let filter = DeviceFilter {
            principal: job.app,
            location,
            created_before: Some(Time(job.created_at.0 + 1)),
            sort: Sort::Ascending,
            ..DeviceFilter::of(job.account)
        };
        let found = self.store.device_ids_after(&filter, after, RUN as u32).await?;
        let next = found.last().filter(|_| found.len() == RUN).map(|(at, id)| Cursor::Listed(*at, *id));
        let mut devices: Vec<DeviceId> = found.into_iter().map(|(_, id)| id).collect();
        devices.sort_unstable();
        Ok((devices, next))
    }
}
