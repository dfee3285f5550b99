//! Imports: what becomes of each row of a file, and what is left of it.

use super::{Ground, Tenant, cause, new_device};
use landfall_core::{
    DeviceFilter, FailedRow, ImportMode, NewDevice, NewImport, ProductRef, RegisterDevice, Row, Scope, Settings, TargetFilter,
    Unread,
};
use landfall_model::{Cause, Job, JobCounts, JobId, JobState, PageRequest, Secret, TargetState};
use serde_json::json;

const ALL: PageRequest = PageRequest { no: 0, size: 10_000 };

fn request(tenant: &Tenant, node_id: &str) -> RegisterDevice {
    RegisterDevice { secret: Some(Secret::new(format!("secret-of-{node_id}"))), ..new_device(node_id, &tenant.product) }
}

fn row(tenant: &Tenant, node_id: &str) -> Row {
    Row::Device(Box::new(NewDevice { app: None, device: request(tenant, node_id) }))
}

fn unread(column: &str) -> Row {
    let (column, reason) = (Some(column.to_owned()), "must be true or false".to_owned());
    Row::Unread(Box::new(Unread { column, reason, given: json!({ "nodeId": "n" }) }))
}

fn file(tenant: &Tenant, rows: usize) -> Vec<Row> {
    (0..rows).map(|n| row(tenant, &format!("d{n}"))).collect()
}

async fn handed(domain: &Ground, scope: &Scope, new: NewImport, rows: Vec<Row>) -> JobId {
    let mut open = domain.core.open_import(scope, new).await.unwrap();
    domain.core.hand_over_rows(&mut open, rows).await.unwrap();
    domain.core.close_job(open).await.unwrap().id
}

async fn work(domain: &Ground) {
    loop {
        let turn = domain.core.turn_jobs().await.unwrap();
        assert!(turn.failed.is_empty(), "{turn:?}");
        if !turn.more {
            return;
        }
    }
}

async fn over(domain: &Ground, id: JobId) -> (Job, JobCounts) {
    work(domain).await;
    let found = domain.core.store().job(id).await.unwrap().unwrap();
    assert!(found.0.is_over(), "{found:?}");
    found
}

async fn imported(domain: &Ground, tenant: &Tenant, new: NewImport, rows: Vec<Row>) -> (Job, JobCounts) {
    let id = handed(domain, &tenant.scope, new, rows).await;
    over(domain, id).await
}

async fn devices(domain: &Ground, tenant: &Tenant) -> u64 {
    domain.core.devices(&tenant.all, DeviceFilter::of(tenant.all.account()), ALL).await.unwrap().total
}

async fn faults(domain: &Ground, tenant: &Tenant, job: &Job) -> Vec<(u64, String)> {
    let failed = domain.core.failed_rows(&tenant.scope, job.id, 1, 100).await.unwrap();
    failed.iter().map(|FailedRow { number, fault, .. }| (*number, fault.to_string())).collect()
}

fn all_or_nothing() -> NewImport {
    NewImport { mode: ImportMode::AllOrNothing, ..NewImport::default() }
}

fn dry_run() -> NewImport {
    NewImport { dry_run: true, ..NewImport::default() }
}

#[tokio::test]
async fn good_rows_are_made_and_bad_ones_are_told() {
    let domain = Ground::new(950).await;
    let (tenant, other) = domain.two_tenants().await;
    domain.device(&other, "d1").await;
    let mut rows = file(&tenant, 2_200);
    rows[5] = unread("isSecure");
    rows[7] = row(&tenant, "d6");
    rows[2_100] = row(&tenant, "d100");
    let unknown = RegisterDevice { product: Some(ProductRef::Id("none".into())), ..request(&tenant, "x") };
    rows[9] = Row::Device(Box::new(NewDevice { app: None, device: unknown }));
    rows[10] = Row::Device(Box::new(NewDevice { app: Some(other.app.id), device: request(&tenant, "y") }));
    rows[11] = row(&tenant, "a/b");
    let (job, counts) = imported(&domain, &tenant, NewImport::default(), rows.clone()).await;
    assert_eq!((job.state, counts.succeeded, counts.failed), (JobState::Finished, 2_193, 7));
    assert_eq!(devices(&domain, &tenant).await, 2_193);
    let rule = "must be 1 to 256 characters without /, + , # and control characters";
    let expected = [
        (2, "nodeId: NodeIdTaken: another device has a name that means the same".to_owned()),
        (6, "isSecure: InvalidField: must be true or false".to_owned()),
        (8, "nodeId: NodeIdTaken: means the same as row 7 of the file".to_owned()),
        (10, "product: ProductNotFound: there is no such product".to_owned()),
        (11, "app: AppNotFound: there is no application of this id".to_owned()),
        (12, format!("nodeId: InvalidField: {rule}")),
        (2_101, "nodeId: NodeIdTaken: means the same as row 101 of the file".to_owned()),
    ];
    assert_eq!(faults(&domain, &tenant, &job).await, expected);
    let failed = domain.core.failed_rows(&tenant.scope, job.id, 6, 2).await.unwrap();
    assert_eq!(failed.iter().map(|one| (one.number, &one.row)).collect::<Vec<_>>(), [(6, &rows[5]), (8, &rows[7])]);
    assert_eq!(cause(domain.core.failed_rows(&other.scope, job.id, 1, 1).await), Cause::ResourceNotFound);
    let made = domain.core.store().device_by_node("d2199").await.unwrap().unwrap();
    assert_eq!(made.credentials.secret.as_ref().unwrap().expose(), "secret-of-d2199");
    assert_eq!((made.product, made.app()), (Some(tenant.product.id), Some(tenant.app.id)));
}

/// Rows that are done are forgotten; those that failed stay with what they hold.
#[tokio::test]
async fn rows_are_kept_until_they_are_done() {
    let domain = Ground::new(951).await;
    let tenant = domain.tenant("t").await;
    let mut rows = file(&tenant, 2_500);
    rows[1_500] = row(&tenant, "d0");
    let id = handed(&domain, &tenant.scope, NewImport::default(), rows).await;
    assert!(domain.core.store().job_block(id, 2_400).await.unwrap().is_some());
    over(&domain, id).await;
    for (place, kept) in [(0, false), (1_000, true), (2_400, false)] {
        let block = domain.core.store().job_block(id, place).await.unwrap();
        assert_eq!(block.is_some(), kept, "{place}");
        let text = format!("{:?}", block.map(|block| block.targets));
        assert_eq!(text.matches("secret-of").count(), usize::from(kept), "{place}: the failed row alone");
    }
    let stopped = handed(&domain, &tenant.scope, NewImport::default(), file(&tenant, 1_001)).await;
    domain.core.stop_job(&tenant.scope, stopped).await.unwrap();
    let (_, counts) = over(&domain, stopped).await;
    assert_eq!(counts.stopped, 1_001);
    assert_eq!(domain.core.store().job_block(stopped, 0).await.unwrap(), None);
    assert_eq!(domain.core.store().job_block(stopped, 1_000).await.unwrap(), None);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let domain = Ground::new(952).await;
    let tenant = domain.tenant("t").await;
    let mut rows = file(&tenant, 1_500);
    rows[3] = row(&tenant, "d2");
    rows[1_400] = row(&tenant, "d2");
    let (job, counts) = imported(&domain, &tenant, dry_run(), rows).await;
    assert_eq!((job.state, counts.succeeded, counts.failed), (JobState::Finished, 1_498, 2));
    assert_eq!(devices(&domain, &tenant).await, 0);
    let same = "nodeId: NodeIdTaken: means the same as row 3 of the file".to_owned();
    assert_eq!(faults(&domain, &tenant, &job).await, [(4, same.clone()), (1_401, same)]);
    assert_eq!(cause(domain.core.undo_import(&tenant.scope, job.id).await), Cause::JobNotReady, "it made nothing");
}

#[tokio::test]
async fn all_or_nothing_makes_all_or_nothing() {
    let domain = Ground::new(953).await;
    let tenant = domain.tenant("t").await;
    let mut rows = file(&tenant, 1_500);
    rows[1_300] = row(&tenant, "d2");
    rows[1_400] = unread("isSecure");
    let (job, counts) = imported(&domain, &tenant, all_or_nothing(), rows).await;
    assert_eq!((job.state, counts.stopped, counts.failed), (JobState::Finished, 1_498, 2));
    let same = "nodeId: NodeIdTaken: means the same as row 3 of the file";
    assert_eq!(job.reason.unwrap(), format!("nothing is made: row 1301: {same}"));
    assert_eq!(devices(&domain, &tenant).await, 0);
    let (job, counts) = imported(&domain, &tenant, all_or_nothing(), file(&tenant, 1_500)).await;
    assert_eq!((job.reason, counts.succeeded, devices(&domain, &tenant).await), (None, 1_500, 1_500));
}

/// Somebody takes a name between the two passes.
#[tokio::test]
async fn what_others_break_is_undone() {
    let domain = Ground::new(954).await;
    let tenant = domain.tenant("t").await;
    let id = handed(&domain, &tenant.scope, all_or_nothing(), file(&tenant, 2_500)).await;
    while domain.core.store().job(id).await.unwrap().unwrap().0.begun == 0 {
        domain.core.turn_jobs().await.unwrap();
    }
    assert_eq!(devices(&domain, &tenant).await, 1_000);
    domain.device(&tenant, "d1100").await;
    let (_, counts) = over(&domain, id).await;
    assert_eq!((counts.succeeded, counts.failed, counts.stopped), (1_000, 1, 1_499));
    assert_eq!(devices(&domain, &tenant).await, 1, "the other's alone");
}

#[tokio::test]
async fn an_import_is_undone_but_for_what_was_used() {
    let domain = Ground::new(955).await;
    let (tenant, other) = domain.two_tenants().await;
    let (job, _) = imported(&domain, &tenant, NewImport::default(), file(&tenant, 450)).await;
    let used = domain.core.store().device_by_node("d7").await.unwrap().unwrap();
    domain.live.open(used.id);
    domain.core.connected(&domain.core.device_caller(&used)).await.unwrap();
    let gone = domain.core.store().device_by_node("d8").await.unwrap().unwrap();
    domain.core.delete_device(&tenant.scope, gone.id, false).await.unwrap();
    assert_eq!(cause(domain.core.undo_import(&other.scope, job.id).await), Cause::ResourceNotFound);
    let undo = domain.core.undo_import(&tenant.scope, job.id).await.unwrap();
    let (_, counts) = over(&domain, undo.id).await;
    assert_eq!((counts.succeeded, counts.failed, devices(&domain, &tenant).await), (449, 1, 1));
    let filter = TargetFilter { job: undo.id, states: vec![TargetState::Failed], device: None, command: None };
    let stays = domain.core.store().job_targets(&filter, ALL).await.unwrap().items;
    assert_eq!((stays[0].device, stays[0].detail.as_deref()), (Some(used.id), Some("it stays: it has connected since")));
    assert_eq!(cause(domain.core.undo_import(&tenant.scope, job.id).await), Cause::NameTaken, "once");
    assert_eq!(cause(domain.core.undo_import(&tenant.scope, undo.id).await), Cause::ResourceNotFound);
}

#[tokio::test]
async fn devices_are_limited_row_by_row() {
    let domain = Ground::plan(956).settings(Settings { devices: Some(1_200), ..Settings::default() }).open().await;
    let tenant = domain.tenant("t").await;
    let (_, counts) = imported(&domain, &tenant, dry_run(), file(&tenant, 1_300)).await;
    assert_eq!((counts.succeeded, counts.failed), (1_200, 100));
    let (job, counts) = imported(&domain, &tenant, all_or_nothing(), file(&tenant, 1_300)).await;
    assert_eq!((counts.stopped, counts.failed, devices(&domain, &tenant).await), (1_200, 100, 0), "{job:?}");
    let (job, counts) = imported(&domain, &tenant, NewImport::default(), file(&tenant, 1_300)).await;
    assert_eq!((counts.succeeded, counts.failed, devices(&domain, &tenant).await), (1_200, 100, 1_200));
    assert!(faults(&domain, &tenant, &job).await[0].1.starts_with("DeviceLimit: "));
}
