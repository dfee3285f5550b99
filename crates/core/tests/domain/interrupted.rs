//! A database that fails for a while: what was asked is put off, and nobody is blamed for it.

use super::{Ground, cause, commands::reboot, tree::node};
use landfall_core::{ProvisioningRequest, Settings, WorkOf};
use landfall_model::{Cause, CommandState};

#[tokio::test]
async fn no_node_fails_for_want_of_the_database() {
    let domain = Ground::plan(330).settings(Settings { devices: Some(100), ..Settings::default() }).open().await;
    let (tenant, core) = (domain.tenant("t").await, &domain.core);
    let by = tenant.origin(&domain, "Capp").await;
    let request = ProvisioningRequest { nodes: vec![node("a"), node("b")], ..ProvisioningRequest::default() };
    let request = core.request_provisioning(&by, request).await.unwrap();
    domain.beside("ALTER TABLE device_count RENAME TO hidden");
    let failed = core.turn_jobs().await.unwrap().failed;
    assert_eq!(failed.iter().map(|(_, error)| error.cause).collect::<Vec<_>>(), [Cause::Internal]);
    domain.beside("ALTER TABLE hidden RENAME TO device_count");
    domain.advance_s(1);
    while core.turn_jobs().await.unwrap().more {}
    let done = core.provisioning(&tenant.scope, request.id).await.unwrap();
    assert_eq!((done.done, done.failed), (2, 0));
}

#[tokio::test]
async fn no_command_fails_for_want_of_the_database() {
    let domain = Ground::new(331).await;
    let tenant = domain.tenant("t").await;
    let device = domain.lwm2m_device(&tenant, "n").await;
    let command = domain.core.submit_command(&tenant.scope, device.id, reboot()).await.unwrap();
    // Started again, it has the product no longer in memory.
    let domain = domain.restart().await;
    let caller = domain.core.device_caller(&device);
    domain.beside("UPDATE product SET doc = 'x' || doc");
    assert_eq!(cause(domain.core.next_work(&caller, false).await), Cause::Internal);
    assert_eq!(domain.core.command(&tenant.scope, command.id).await.unwrap().state, CommandState::Pending);
    domain.beside("UPDATE product SET doc = SUBSTR(doc, 2)");
    let work = domain.core.next_work(&caller, false).await.unwrap();
    assert_eq!(work.map(|work| work.of), Some(WorkOf::Command(command.id)));
}
