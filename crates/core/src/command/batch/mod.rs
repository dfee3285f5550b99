//! Batches (1.8.1): a command for each of many devices, as a kind of job.
//!
//! Each device becomes one command under the rules of 1.7.1, and the command's end is that of its target. What keeps a device from its command
//! stands in its target as `CAUSE: reason`, what became of a command as `STATE result`. Absent: the pace of the work, its turns and its stops,
//! which are the engine's.

mod choice;
mod order;

pub(super) use order::outcome;
pub use order::{BatchOrder, BatchTask, Selection, SubTask, Tag};

use super::{check_call_of, check_form, check_sends, state};
use crate::{Begun, Chosen, Core, NewJob, Scope, TargetFilter, Task, Wake, store::Addressee, subscription::address::Address};
use async_trait::async_trait;
use landfall_model::{
    Batch, Cause, Command, CommandId, CommandState, DeviceId, Error, Job, JobBlock, JobCounts, JobId, JobKind, JobTarget, Page,
    PageRequest, Product, ProductId, Result, TargetState, Targets, Write,
};
use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
};

/// Batches of an application that are not over (1.8.1).
const PER_APP: u64 = 10;
/// Targets of a batch, from the first, whose refusals leave why records; of all of them the targets tell.
const WHYS: u64 = 100;

/// The kind of job.
pub(crate) struct Commands;

#[async_trait]
impl Task for Commands {
    fn kind(&self) -> JobKind {
        JobKind::Commands
    }

    fn jobs_per_app(&self) -> Option<u64> {
        Some(PER_APP)
    }

    async fn choose(&self, core: &Core, job: &Job, at: &str) -> Result<Chosen> {
        core.choose_addressees(job, at).await
    }

    async fn begin(&self, core: &Core, job: &Job, part: &JobBlock) -> Result<Begun> {
        core.begin_commands(job, part).await
    }

    async fn give_up(&self, _: &Core, _: &Job, part: &JobBlock, error: &Error) -> Result<Begun> {
        Ok(Begun { targets: part.each(TargetState::Failed, Some(&order::refusal(error))), with: Batch::default() })
    }

    fn begun(&self, core: &Core, job: &Job, targets: &[JobTarget]) {
        for target in targets {
            let Some(device) = target.device else { continue };
            let refused = target.detail.as_deref().and_then(order::refused).filter(|_| target.place < WHYS);
            if target.state == TargetState::Running {
                core.live.wake(device, Wake::Work);
            } else if let Some(error) = refused {
                core.note_error((job.account, device), device.to_string(), "command.batch", &error);
            }
        }
    }

    async fn end(&self, core: &Core, _: &Job, targets: &[JobTarget], state: TargetState) -> Result<Batch> {
        core.withdraw_commands(targets, state).await
    }
}

/// What a model makes of the command of a batch: the parameters as it spells them, or why it does not take it.
type Fits = HashMap<ProductId, Result<Fit>>;

/// The product, where the device has one, and the parameters.
type Fit = (Option<Arc<Product>>, String);

impl Core {
    /// Makes a batch of the scope's application (1.8.1); it is durable when this returns, and done in the background.
    ///
    /// `InvalidField`, `CallbackInvalid`, `NameTaken`, `TooMany` for one more than the application may have under way, `TooMany` at
    /// `callbackUrl` for too many callback addresses.
    pub async fn order_batch(&self, scope: &Scope, name: String, order: BatchOrder) -> Result<Job> {
        scope.need_app()?;
        if !(10..=2_880).contains(&order.timeout_min) {
            return Err(Error::invalid("timeout", "must be 10 to 2880 minutes"));
        }
        check_sends(order.max_retransmit)?;
        check_form(&order.method, &order.paras)?;
        if let Some(url) = &order.callback_url {
            self.check_address(url).map_err(|error| error.at("callbackUrl"))?;
            let address = self.new_address(scope.account, (scope.app, scope.by), Some(url)).await;
            address.map_err(|error| error.at("callbackUrl"))?;
        }
        let (targets, choosing) = match &order.selection {
            Selection::Devices(list) => (listed(list), None),
            _ => (Targets::Devices(vec![]), Some(choice::START.to_owned())),
        };
        let text = serde_json::to_string(&order);
        let new = NewJob {
            id: JobId::from_random(self.random_16()),
            kind: JobKind::Commands,
            name,
            order: text.map_err(|_| Error::invalid("param", "cannot be written as JSON"))?,
            targets,
            choosing,
            in_flight: None,
            due_at: Some(self.end_of(i64::from(order.timeout_min) * 60)),
            with: Batch::default(),
        };
        self.make_job(scope, new).await
    }

    /// A batch of the scope. `ResourceNotFound`.
    pub async fn batch_task(&self, scope: &Scope, id: JobId) -> Result<BatchTask> {
        let (job, counts) = self.job_of_batch(scope, id).await?;
        let mut order = BatchOrder::of(&job)?;
        if let Selection::Devices(list) = &mut order.selection {
            while (list.len() as u64) < job.total {
                let Some(block) = self.store.job_block(id, list.len() as u64).await? else { break };
                list.extend((0..block.targets.len()).filter_map(|at| written(&block, block.first + at as u64)));
            }
        }
        Ok(BatchTask { job, counts, order })
    }

    async fn job_of_batch(&self, scope: &Scope, id: JobId) -> Result<(Job, JobCounts)> {
        let found = Some(self.job(scope, id).await?).filter(|(job, _)| job.kind == JobKind::Commands);
        found.ok_or_else(|| Error::new(Cause::ResourceNotFound, "there is no such batch"))
    }

    /// What the devices of a batch have of it, in its order. `ResourceNotFound`.
    pub async fn sub_tasks(&self, scope: &Scope, filter: &TargetFilter, page: PageRequest) -> Result<Page<SubTask>> {
        self.job_of_batch(scope, filter.job).await?;
        let found = self.store.job_targets(filter, page).await?;
        let mut items = Vec::with_capacity(found.items.len());
        let mut block: Option<JobBlock> = None;
        for target in found.items {
            let mut device = target.device.map(|device| device.to_string());
            if device.is_none() {
                let at = |block: &JobBlock| written(block, target.place);
                device = block.as_ref().and_then(at);
                if device.is_none() {
                    block = self.store.job_block(filter.job, target.place).await?;
                    device = block.as_ref().and_then(at);
                }
            }
            items.push(SubTask::of(target, device.unwrap_or_default()));
        }
        Ok(Page { total: found.total, items })
    }

    /// One command for each device of a part that can have one.
    async fn begin_commands(&self, job: &Job, part: &JobBlock) -> Result<Begun> {
        let order = BatchOrder::of(job)?;
        let ids: Vec<Option<DeviceId>> = match &part.targets {
            Targets::Devices(devices) => devices.iter().copied().map(Some).collect(),
            Targets::Rows(rows) => rows.iter().map(|row| device_id(row)).collect(),
        };
        let known: Vec<DeviceId> = ids.iter().copied().flatten().collect();
        let found = self.store.addressees(&known).await?;
        let found: HashMap<DeviceId, Addressee> = found.into_iter().map(|one| (one.device.id, one)).collect();
        let (mut begun, mut fits) = (Begun::default(), Fits::default());
        for (target, id) in part.each(TargetState::Running, None).into_iter().zip(ids) {
            let addressee = id.and_then(|id| found.get(&id));
            let made = self.command_of_batch((job, &order), target.place, addressee, &mut fits).await;
            begun.targets.push(match made {
                Ok(command) => {
                    let target = JobTarget { device: id, command: Some(command.id), ..target };
                    begun.with.writes.push(Write::Command(Box::new(command)));
                    target
                }
                Err(error) if error.is_ours() => return Err(error),
                Err(error) => {
                    JobTarget { device: id, state: TargetState::Failed, detail: Some(order::refusal(&error)), ..target }
                }
            });
        }
        if !begun.with.writes.is_empty() {
            let address = self.address(job.account, (job.app, job.by), order.callback_url.as_deref()).await?;
            let commands = std::mem::replace(&mut begun.with, address.made);
            begun.with.merge(commands);
        }
        Ok(begun)
    }

    /// The command of one device, by the checks of 1.7.1 in their order.
    async fn command_of_batch(
        &self,
        (job, order): (&Job, &BatchOrder),
        place: u64,
        addressee: Option<&Addressee>,
        fits: &mut Fits,
    ) -> Result<Command> {
        let there = addressee.filter(|one| one.device.account == job.account);
        let there = there.ok_or_else(|| Error::new(Cause::DeviceNotFound, "there is no such device"))?;
        let device = &there.device;
        if job.app.is_some_and(|app| !device.principals.include(app)) {
            return Err(Error::new(Cause::DeviceForeign, "the device is of another application"));
        }
        let fit = match device.product {
            None => {
                let paras = self.check_free_call(device, (&order.service_id, &order.method), &order.paras).await?;
                &(None, paras.to_owned())
            }
            Some(id) => match fits.entry(id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.fit(id, order).await?),
            }
            .as_ref()
            .map_err(Error::clone)?,
        };
        let (product, paras) = fit;
        self.takes_commands(device, product.as_deref()).await?;
        self.check_seen(device, there.last_seen)?;
        state::check_room(&there.open, self.settings.commands_per_device)?;
        let mid = self.next_number(|mid| there.open.iter().any(|command| command.mid == mid));
        let now = self.now();
        let numbers = state::Numbers { id: CommandId::new(now, self.random_16()), mid, place: there.last_place + 1 };
        let left_s = job.due_at.map(|due| u32::try_from((due.0 - now.0).div_euclid(1_000)).unwrap_or(0).max(1));
        let call = (order.service_id.as_str(), order.method.as_str(), paras.as_str());
        Ok(Command {
            job: Some((job.id, place)),
            expire_s: left_s,
            max_retransmit: order.max_retransmit,
            callback_url: order.callback_url.clone(),
            due_at: job.due_at,
            ..state::pending(device, (job.app, job.by), numbers, call, now)
        })
    }

    async fn fit(&self, product: ProductId, order: &BatchOrder) -> Result<Result<Fit>> {
        let Some(product) = self.store.product(product).await? else {
            return Ok(Err(Error::new(Cause::ServiceNotFound, "the device has no product")));
        };
        let paras = check_call_of(&product, (&order.service_id, &order.method), &order.paras).map(|paras| paras.into_owned());
        Ok(paras.map(|paras| (Some(product), paras)))
    }

    /// What was not sent when its target ends: it expires with the time of the batch, and its target with it, and is canceled with its stop. What
    /// is on its way goes its own way.
    async fn withdraw_commands(&self, targets: &[JobTarget], ends: TargetState) -> Result<Batch> {
        let ids: Vec<CommandId> = targets.iter().filter_map(|target| target.command).collect();
        let mut unsent = self.store.commands_by_id(&ids).await?;
        unsent.retain(|command| command.state == CommandState::Pending);
        let Some(Command { account, app, by, callback_url, .. }) = unsent.first() else { return Ok(Batch::default()) };
        // All commands of a batch have one address.
        let Address { id, made: mut whole } = self.address(*account, (*app, *by), callback_url.as_deref()).await?;
        for command in &unsent {
            let next = match ends {
                TargetState::TimedOut => state::over(command, self.now()),
                _ => state::canceled(command)?,
            };
            whole.merge(self.told_to(id, &[next]));
        }
        if ends != TargetState::TimedOut {
            whole.writes.retain(|write| !matches!(write, Write::EndTarget(_)));
        }
        Ok(whole)
    }
}

/// Each device of a list once; as texts where one of them is no id.
fn listed(list: &[String]) -> Targets {
    let mut seen = BTreeSet::new();
    let each = list.iter().map(|text| (text, device_id(text)));
    let each = each.filter(|(text, id)| seen.insert(id.map_or_else(|| (*text).clone(), |id| id.to_string())));
    let (texts, ids): (Vec<&String>, Vec<Option<DeviceId>>) = each.unzip();
    match ids.into_iter().collect() {
        Some(ids) => Targets::Devices(ids),
        None => Targets::Rows(texts.into_iter().cloned().collect()),
    }
}

/// A device id as 1.4.9 writes it, 36 characters.
fn device_id(text: &str) -> Option<DeviceId> {
    if text.len() == 36 { text.parse().ok() } else { None }
}

/// The target at a place of a block, as text.
fn written(block: &JobBlock, place: u64) -> Option<String> {
    let at = usize::try_from(place.checked_sub(block.first)?).ok()?;
    match &block.targets {
        Targets::Devices(devices) => devices.get(at).map(ToString::to_string),
        Targets::Rows(rows) => rows.get(at).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_each_device_once() {
        let id = |n: usize| format!("92d3f8da-200a-4143-8d0d-{n:012x}");
        let bare = "92d3f8da200a41438d0d591a7e11de6c".to_owned();
        let mut list = vec![id(0xab), id(0), id(0xab).to_uppercase()];
        assert_eq!(listed(&list), Targets::Devices([id(0xab), id(0)].map(|text| text.parse().unwrap()).into()));
        list.extend(["nobody".to_owned(), bare.clone(), "nobody".to_owned(), String::new()]);
        assert_eq!(listed(&list), Targets::Rows(vec![id(0xab), id(0), "nobody".into(), bare, String::new()]));
        assert_eq!(listed(&[]), Targets::Devices(vec![]));
        let block = JobBlock { job: JobId::from_random([1; 16]), first: 1_000, targets: listed(&[id(1), id(2)]) };
        assert_eq!([999, 1_000, 1_001, 1_002].map(|place| written(&block, place)), [None, Some(id(1)), Some(id(2)), None]);
    }
}
