//! What waits for a device goes out only while the application that wants it may still act for the device's.

use super::{Ground, Tenant};
use landfall_core::{AppChange, CommandRequest, DesiredRequest, NewApp, Outcome, Scope, WorkOf};
use landfall_model::{App, AppLimits, Command, CommandState, Device, EventBody};
use std::sync::Arc;

/// A sleeping device, and another application that acts for its owner's.
struct Guest {
    domain: Ground,
    tenant: Tenant,
    device: Arc<Device>,
    app: Arc<App>,
    scope: Scope,
}

impl Guest {
    async fn new(seed: u64) -> Self {
        let domain = Ground::new(seed).await;
        let tenant = domain.tenant("a").await;
        let device = domain.lwm2m_device(&tenant, "n").await;
        let new = NewApp { name: "guest".into(), limits: AppLimits::default() };
        let (app, secret) = domain.core.create_app(&tenant.all, new).await.unwrap();
        domain.core.authorize_app(&tenant.all, tenant.app.id, app.id, true).await.unwrap();
        let scope = acting(&domain, &app, secret.expose(), &tenant.app).await;
        Self { domain, tenant, device, app, scope }
    }

    async fn withdraw(&self) {
        self.domain.core.authorize_app(&self.tenant.all, self.tenant.app.id, self.app.id, false).await.unwrap();
    }

    async fn freeze(&self, app: &App) {
        let frozen = AppChange { frozen: Some(true), ..AppChange::default() };
        self.domain.core.change_app(&self.tenant.all, app.id, frozen).await.unwrap();
    }

    async fn submit(&self, scope: &Scope, max_retransmit: u8) -> Command {
        let request = CommandRequest {
            service_id: "Device".into(),
            method: "REBOOT".into(),
            paras: r#"{"delay":5}"#.into(),
            callback_url: Some("https://b.example/".into()),
            expire_s: None,
            max_retransmit,
        };
        self.domain.core.submit_command(scope, self.device.id, request).await.unwrap()
    }

    async fn desire(&self, scope: &Scope, interval: u32) {
        let desired = format!(r#"{{"interval":{interval}}}"#);
        let request = DesiredRequest { service_id: "Settings".into(), desired };
        self.domain.core.set_desired(scope, self.device.id, &[request]).await.unwrap();
    }

    /// What goes out next.
    async fn next(&self) -> Option<WorkOf> {
        let caller = self.domain.core.device_caller(&self.device);
        self.domain.core.next_work(&caller, false).await.unwrap().map(|work| work.of)
    }

    async fn unanswered(&self, command: &Command) -> bool {
        let caller = self.domain.core.device_caller(&self.device);
        self.domain.core.command_outcome(&caller, command.id, Outcome::Unanswered).await.unwrap().is_some()
    }

    /// The command failed because of this, which is told to its callback address and left as a why record.
    async fn assert_failed(&self, command: &Command, reason: &str) {
        let now = self.domain.core.command(&self.tenant.scope, command.id).await.unwrap();
        assert_eq!((now.state, now.due_at), (CommandState::Failed, None));
        assert!(now.result.unwrap().contains(reason), "{reason}");
        let told = self.domain.events_since(landfall_model::Seq(0)).await;
        let failed = told.iter().filter(|stored| match &stored.event.body {
            EventBody::CommandChanged { command: id, state, address, .. } => {
                *id == command.id && *state == CommandState::Failed && address.is_some()
            }
            _ => false,
        });
        assert_eq!(failed.count(), 1, "told once");
        let whys = self.domain.core.why().device(self.device.account, self.device.id);
        assert!(whys.iter().any(|why| why.step == "command.rights" && why.detail.contains(reason)), "{whys:?}");
    }
}

pub async fn acting(domain: &Ground, app: &App, secret: &str, target: &App) -> Scope {
    let token = domain.core.login(&app.id.to_string(), secret).await.unwrap().access;
    let caller = domain.core.authenticate(&app.id.to_string(), token.expose()).await.unwrap();
    domain.core.act_for(&caller, Some(&target.id.to_string())).await.unwrap()
}

#[tokio::test]
async fn a_command_of_an_application_that_may_no_more_fails_and_holds_up_none() {
    let guest = Guest::new(320).await;
    let (first, second) = (guest.submit(&guest.scope, 0).await, guest.submit(&guest.scope, 0).await);
    let own = guest.submit(&guest.tenant.scope, 0).await;
    guest.withdraw().await;
    assert_eq!(guest.next().await, Some(WorkOf::Command(own.id)), "those before it end");
    for command in [&first, &second] {
        guest.assert_failed(command, "the authorisation of the application guest by app was withdrawn").await;
    }
}

#[tokio::test]
async fn a_command_of_a_frozen_application_fails_whosever_the_device_is() {
    let guest = Guest::new(321).await;
    let secret = guest.tenant.secret.clone();
    let owner = acting(&guest.domain, &guest.tenant.app, &secret, &guest.tenant.app).await;
    let (theirs, own) = (guest.submit(&guest.scope, 0).await, guest.submit(&owner, 0).await);
    guest.freeze(&guest.app).await;
    guest.freeze(&guest.tenant.app).await;
    let operators = guest.submit(&guest.tenant.scope, 0).await;
    assert_eq!(guest.next().await, Some(WorkOf::Command(operators.id)), "an operator always may");
    guest.assert_failed(&theirs, "the application guest is frozen").await;
    guest.assert_failed(&own, "the application app is frozen").await;
}

#[tokio::test]
async fn a_command_is_not_sent_again_without_the_right_to_it() {
    let guest = Guest::new(322).await;
    let command = guest.submit(&guest.scope, 3).await;
    assert_eq!(guest.next().await, Some(WorkOf::Command(command.id)));
    assert!(guest.unanswered(&command).await);
    guest.withdraw().await;
    assert!(!guest.unanswered(&command).await);
    guest.assert_failed(&command, "was withdrawn").await;
}

#[tokio::test]
async fn desired_values_of_an_application_that_may_no_more_are_given_up() {
    let guest = Guest::new(323).await;
    guest.desire(&guest.scope, 60).await;
    let before = guest.domain.newest();
    guest.withdraw().await;
    assert_eq!(guest.next().await, None);
    assert_eq!(guest.next().await, None, "once");
    assert_eq!(guest.domain.told_since(before).await, ["desired Settings false"]);
    let whys = guest.domain.core.why().device(guest.device.account, guest.device.id);
    assert_eq!(whys.iter().filter(|why| why.step == "shadow.rights" && why.detail.contains("withdrawn")).count(), 1, "{whys:?}");
    guest.desire(&guest.tenant.scope, 60).await;
    assert!(matches!(guest.next().await, Some(WorkOf::Desired { .. })), "what the owner sets anew goes out");
}

#[tokio::test]
async fn a_desired_value_is_of_who_set_it_last() {
    let guest = Guest::new(324).await;
    guest.desire(&guest.scope, 60).await;
    guest.desire(&guest.tenant.scope, 60).await;
    guest.withdraw().await;
    assert!(matches!(guest.next().await, Some(WorkOf::Desired { .. })));
}
