//! Devices that joined with a user, as an application of another dialect sees and commands them.

use super::{Ground, commands::reboot};
use landfall_core::{
    AccountChange, BatchOrder, CommandRequest, NewObject, Operation, OperationChange, OperationQuery, OperationStatus, Selection,
};
use landfall_model::{AccountSettings, CommandState, DeviceId, JobState, PageRequest};
use serde_json::{Map, json};

const ALL: PageRequest = PageRequest { no: 0, size: 100 };

#[tokio::test]
async fn an_application_commands_what_agents_serve() {
    let domain = Ground::new(611).await;
    let (mine, theirs) = domain.two_tenants().await;
    let settings = AccountSettings { device_app: Some(mine.app.id), ..AccountSettings::default() };
    let change = AccountChange { settings: Some(settings), ..AccountChange::default() };
    domain.core.change_account(&domain.operator, mine.all.account(), change).await.unwrap();
    let core = &domain.core;
    let (agent, stranger) = (domain.device_user(&mine, "7").await, domain.admin(&theirs).await);
    let mut devices: Vec<DeviceId> = vec![];
    for name in ["first", "second"] {
        let fragments = Map::from_iter([("c8y_IsDevice".to_owned(), json!({}))]);
        let made =
            core.create_object(&agent, NewObject { name: Some(name.into()), fragments, ..NewObject::default() }).await.unwrap();
        devices.push(made.device().unwrap().id);
    }
    let asked = async |device: DeviceId| -> Vec<Operation> {
        let query = OperationQuery { device: Some(device), ..OperationQuery::default() };
        core.operations(&agent, &query, ALL).await.unwrap().items
    };
    let says = async |operation: &Operation, status: OperationStatus| {
        let change = OperationChange { status: Some(status), ..OperationChange::default() };
        core.change_operation(&agent, operation.id, &change).await.unwrap()
    };
    let one = CommandRequest { callback_url: Some("https://app.example/done".into()), ..reboot() };
    assert!(core.submit_command(&theirs.scope, devices[0], one.clone()).await.is_err());
    let command = core.submit_command(&mine.scope, devices[0], one).await.unwrap();
    let operation = asked(devices[0]).await.remove(0);
    assert_eq!((operation.id, &operation.fragments["Device"]), (command.id, &json!({ "delay": 5 })));
    let change = OperationChange { status: Some(OperationStatus::Executing), ..OperationChange::default() };
    assert!(core.change_operation(&stranger, operation.id, &change).await.is_err());
    let before = domain.newest();
    for (status, state) in
        [(OperationStatus::Executing, CommandState::Delivered), (OperationStatus::Successful, CommandState::Successful)]
    {
        says(&operation, status).await;
        assert_eq!(core.command(&mine.scope, command.id).await.unwrap().state, state);
    }
    assert!(domain.newest() > before, "the application is told");

    let request = reboot();
    let order = BatchOrder {
        selection: Selection::Devices(devices.iter().map(ToString::to_string).collect()),
        service_id: request.service_id,
        method: request.method,
        paras: request.paras,
        callback_url: None,
        max_retransmit: 0,
        timeout_min: 60,
        tags: vec![],
        group_tag: None,
    };
    let job = core.order_batch(&mine.scope, "all".to_owned(), order).await.unwrap();
    while core.turn_jobs().await.unwrap().more {}
    for (device, end) in devices.iter().zip([OperationStatus::Successful, OperationStatus::Failed]) {
        let operation = asked(*device).await.into_iter().find(|one| one.status == OperationStatus::Pending).unwrap();
        says(&operation, OperationStatus::Executing).await;
        says(&operation, end).await;
    }
    while core.turn_jobs().await.unwrap().more {}
    let (job, counts) = core.job(&mine.scope, job.id).await.unwrap();
    assert_eq!((job.state, counts.running, counts.succeeded, counts.failed), (JobState::Finished, 0, 1, 1));
}
