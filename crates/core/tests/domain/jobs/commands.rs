//! Targets that are devices with a command each: how the command ends, and devices that go meanwhile.

use super::*;
use crate::new_device;
use landfall_core::{Outcome, WorkOf};
use landfall_model::{Command, CommandId, CommandState, Device, DeviceId, DeviceInfo};
use std::sync::Arc;

/// A command for each device.
pub struct Reboot;

#[async_trait]
impl Task for Reboot {
    fn kind(&self) -> JobKind {
        JobKind::Commands
    }

    async fn choose(&self, _: &Core, _: &Job, _: &str) -> Result<Chosen> {
        panic!("its devices are known")
    }

    async fn begin(&self, core: &Core, job: &Job, part: &JobBlock) -> Result<Begun> {
        let mut begun = Begun { targets: part.each(TargetState::Running, None), with: Batch::default() };
        for target in &mut begun.targets {
            let Some(device) = core.store().device(target.device.unwrap()).await? else {
                (target.state, target.detail) = (TargetState::Failed, Some("there is no such device".into()));
                continue;
            };
            let command = command(job, target.place, &device, core.store().last_command_place(device.id).await? + 1);
            target.command = Some(command.id);
            begun.with.writes.push(Write::Command(Box::new(command)));
        }
        Ok(begun)
    }
}

fn command(job: &Job, place: u64, device: &Device, queued: u64) -> Command {
    let mut id = *job.id.0.as_bytes();
    id[8..].copy_from_slice(&place.to_be_bytes());
    Command {
        id: CommandId::from_random(id),
        account: job.account,
        app: job.app,
        by: job.by,
        device: device.id,
        version: 1,
        place: queued,
        mid: 1,
        service_id: "Device".into(),
        method: "REBOOT".into(),
        paras: r#"{"delay":5}"#.into(),
        callback_url: None,
        expire_s: Some(3_600),
        max_retransmit: 0,
        state: CommandState::Pending,
        created_at: job.created_at,
        issued_times: 0,
        issued_at: None,
        delivered_at: None,
        executed_at: None,
        result: None,
        due_at: Some(job.created_at.plus_s(3_600)),
        job: Some((job.id, place)),
    }
}

async fn reboot(domain: &Ground, scope: &Scope, devices: Vec<DeviceId>) -> Job {
    let (kind, targets) = (JobKind::Commands, Targets::Devices(devices));
    let new = NewJob { kind, targets, choosing: None, ..list(domain, "reboot", "{}") };
    let job = domain.core.make_job(scope, new).await.unwrap();
    work(domain).await;
    job
}

async fn target(domain: &Ground, job: &Job, place: u64) -> (TargetState, Option<String>) {
    let filter = landfall_core::TargetFilter { job: job.id, states: vec![], device: None, command: None };
    let page = PageRequest { no: place, size: 1 };
    let found = domain.core.store().job_targets(&filter, page).await.unwrap().items.remove(0);
    (found.state, found.detail)
}

#[tokio::test]
async fn a_target_ends_with_its_command_whatever_ends_that() {
    let domain = ground(940).await;
    let tenant = domain.tenant("t").await;
    let mut devices: Vec<Arc<Device>> = vec![];
    for n in 0..7 {
        devices.push(domain.lwm2m_device(&tenant, &format!("n{n}")).await);
    }
    let job = reboot(&domain, &tenant.scope, devices.iter().map(|device| device.id).collect()).await;
    assert_eq!(counts(&domain, job.id).await, [7, 0, 0, 0, 0, 0]);
    let filter =
        landfall_core::CommandFilter { account: tenant.scope.account(), app: None, device: None, after: None, before: None };
    assert_eq!(domain.core.commands(&tenant.scope, filter, ALL).await.unwrap().total, 7);
    let outcomes = [
        Some(Outcome::Done(r#"{"ok":1}"#.into())),
        Some(Outcome::Refused(r#"{"code":"4.05"}"#.into())),
        Some(Outcome::Delivered),
        Some(Outcome::Unanswered),
        None,
    ];
    for (device, outcome) in devices.iter().zip(outcomes) {
        let caller = domain.core.device_caller(device);
        let work = domain.core.next_work(&caller, false).await.unwrap().unwrap();
        let (WorkOf::Command(id), Some(outcome)) = (work.of, outcome) else { continue };
        domain.core.command_outcome(&caller, id, outcome).await.unwrap();
    }
    let canceled = domain.core.store().open_commands(devices[5].id).await.unwrap()[0].id;
    domain.core.cancel_command(&tenant.scope, canceled).await.unwrap();
    use TargetState::{Expired, Failed, Running, Succeeded, TimedOut};
    for (place, state, detail) in [
        (0, Succeeded, r#"SUCCESSFUL {"ok":1}"#),
        (1, Failed, r#"FAILED {"code":"4.05"}"#),
        // Its model has no result that could still come.
        (2, Succeeded, "DELIVERED"),
        (3, TimedOut, "TIMEOUT"),
        (4, Running, ""),
        (5, Failed, "CANCELED"),
        (6, Running, ""),
    ] {
        let detail = Some(detail.to_owned()).filter(|detail| !detail.is_empty());
        assert_eq!(target(&domain, &job, place).await, (state, detail), "{place}");
    }
    assert_eq!(work(&domain).await, 0);
    domain.advance_s(3_600);
    while domain.core.sweep().await.unwrap() {}
    assert_eq!(target(&domain, &job, 4).await.0, TimedOut);
    assert_eq!(target(&domain, &job, 6).await.0, Expired);
    work(&domain).await;
    assert_eq!(state(&domain, job.id).await, JobState::Finished);
    assert_eq!(counts(&domain, job.id).await, [0, 2, 2, 2, 1, 0]);
}

#[tokio::test]
async fn the_targets_of_a_device_that_is_deleted_fail() {
    let domain = ground(941).await;
    let tenant = domain.tenant("t").await;
    let gateway = domain.online_device(&tenant, "gateway").await;
    let caller = domain.core.device_caller(&gateway);
    let mut devices = vec![gateway.id];
    for n in 0..3 {
        devices.push(domain.core.add_child(&caller, &format!("c{n}"), None, DeviceInfo::default()).await.unwrap().id);
    }
    let early = domain.device(&tenant, "early").await;
    let alone = domain.device(&tenant, "alone").await;
    devices.extend([early.id, alone.id]);
    let job = {
        domain.core.delete_device(&tenant.scope, early.id, false).await.unwrap();
        reboot(&domain, &tenant.scope, devices.clone()).await
    };
    assert_eq!(counts(&domain, job.id).await, [5, 0, 1, 0, 0, 0]);
    assert_eq!(target(&domain, &job, 4).await.0, TargetState::Failed, "it was gone when it was begun");
    domain.core.delete_device(&tenant.scope, alone.id, false).await.unwrap();
    let gone = (TargetState::Failed, Some("the device was deleted".to_owned()));
    assert_eq!(target(&domain, &job, 5).await, gone);
    domain.core.remove_child(&caller, devices[3]).await.unwrap();
    assert_eq!(target(&domain, &job, 3).await, gone);
    domain.core.delete_device(&tenant.scope, gateway.id, true).await.unwrap();
    for place in 0..3 {
        assert_eq!(target(&domain, &job, place).await, gone, "{place}");
    }
    work(&domain).await;
    assert_eq!((state(&domain, job.id).await, counts(&domain, job.id).await), (JobState::Finished, [0, 0, 6, 0, 0, 0]));
}

/// Between the look at a device and the commit of its command it may go: both orders of the two commits end the target.
#[tokio::test]
async fn a_device_that_goes_while_its_command_is_made_fails_its_target() {
    struct Late;

    #[async_trait]
    impl Task for Late {
        fn kind(&self) -> JobKind {
            JobKind::Commands
        }

        async fn choose(&self, _: &Core, _: &Job, _: &str) -> Result<Chosen> {
            panic!("its devices are known")
        }

        async fn begin(&self, core: &Core, job: &Job, part: &JobBlock) -> Result<Begun> {
            let begun = Reboot.begin(core, job, part).await?;
            let gone = begun.targets.iter().filter_map(|target| target.device).map(Write::DeleteDevice).collect();
            core.store().commit(Batch { writes: gone, events: vec![] }).await?;
            Ok(begun)
        }
    }

    let domain = Ground::plan(942).tasks(&[&Late]).open().await;
    let tenant = domain.tenant("t").await;
    let device = domain.core.register_device(&tenant.scope, new_device("n", &tenant.product)).await.unwrap();
    let job = reboot(&domain, &tenant.scope, vec![device.id]).await;
    assert_eq!(target(&domain, &job, 0).await, (TargetState::Failed, Some("the device was deleted".to_owned())));
    assert_eq!(state(&domain, job.id).await, JobState::Finished);
}
