//! Clocks that jump, in virtual time: nothing that cannot be undone happens for a day, or until an operator says so.

use super::{Ground, Tenant, cause, new_device};
use landfall_core::{CommandRequest, RegisterDevice};
use landfall_model::{AccessMode, Cause, CommandState, Device, DeviceStatus, PageRequest, StoredSession, Time};
use std::sync::Arc;

const DAY_S: i64 = 86_400;
const REPORT: &[u8] = br#"{"msgType":"deviceReq","data":[{"serviceId":"Thermometer","serviceData":{"temperature":1}}]}"#;

struct Case {
    domain: Ground,
    tenant: Tenant,
    online: Arc<Device>,
    waiting: Arc<Device>,
}

impl Case {
    /// A device that reported, and one whose verification code ends in three minutes.
    async fn new(seed: u64) -> Self {
        let domain = Ground::new(seed).await;
        let tenant = domain.tenant("t").await;
        let online = domain.lwm2m_device(&tenant, "online").await;
        domain.core.submit_command(&tenant.scope, online.id, reboot()).await.unwrap();
        let reporter = domain.online_device(&tenant, "reporter").await;
        domain.says(&domain.core.device_caller(&reporter), reporter.id, REPORT).await.unwrap();
        let request = RegisterDevice { access: AccessMode::VerifyCode, ..new_device("waiting", &tenant.product) };
        let waiting = domain.core.register_device(&tenant.scope, request).await.unwrap();
        Self { domain, tenant, online: reporter, waiting }
    }

    async fn work(&self) {
        while self.domain.core.sweep().await.unwrap() {}
        while self.domain.core.prune().await.unwrap() {}
    }

    async fn keep_session(&self) {
        let (device, expires_at) = (self.online.id, Time(0));
        let session = StoredSession { device, subscriptions: vec![], qos2_received: vec![], outbound: vec![], expires_at };
        self.domain.core.keep_session(&self.domain.core.device_caller(&self.online), session, 3_600).await.unwrap();
    }

    async fn session_is_kept(&self) -> bool {
        self.domain.core.kept_session(&self.domain.core.device_caller(&self.online)).await.unwrap().is_some()
    }

    /// Points of history, whether the code still waits, the status, and commands that wait.
    async fn kept(&self) -> (u64, bool, DeviceStatus, usize) {
        let core = &self.domain.core;
        let filter = landfall_core::HistoryFilter { device: Some(self.online.id), ..Default::default() };
        let points = core.history(&self.tenant.scope, filter, PageRequest { no: 0, size: 10 }).await.unwrap().total;
        let waits = core.device(&self.tenant.scope, self.waiting.id).await.is_ok();
        let filter = landfall_core::CommandFilter {
            account: self.tenant.all.account(),
            app: None,
            device: None,
            after: None,
            before: None,
        };
        let commands = core.commands(&self.tenant.scope, filter, PageRequest { no: 0, size: 10 }).await.unwrap().items;
        let pending = commands.iter().filter(|command| command.state == CommandState::Pending).count();
        (points, waits, self.domain.reread(&self.online).await.status, pending)
    }
}

fn reboot() -> CommandRequest {
    CommandRequest {
        service_id: "Device".into(),
        method: "REBOOT".into(),
        paras: r#"{"delay":1}"#.into(),
        callback_url: None,
        expire_s: None,
        max_retransmit: 0,
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_for_a_minute_ends_nothing() {
    let case = Case::new(310).await;
    let before = case.kept().await;
    case.keep_session().await;
    assert_eq!(before, (1, true, DeviceStatus::Online, 1));
    for wrong_s in [400 * DAY_S, -400 * DAY_S] {
        case.domain.world.set_clock_by_s(wrong_s);
        case.domain.advance_s(30);
        case.work().await;
        assert_eq!(case.kept().await, before, "{wrong_s}");
        assert_eq!(case.domain.core.clock_doubt().unwrap().ahead_ms, wrong_s * 1_000);
        assert!(case.session_is_kept().await, "{wrong_s}");
        case.keep_session().await;
        // What is made meanwhile does not end too soon.
        let request =
            RegisterDevice { access: AccessMode::VerifyCode, ..new_device(&format!("made{wrong_s}"), &case.tenant.product) };
        let made = case.domain.core.register_device(&case.tenant.scope, request).await.unwrap();
        case.domain.world.set_clock_by_s(-wrong_s);
        case.domain.advance_s(30);
        case.work().await;
        assert_eq!(case.kept().await, before);
        assert!(case.session_is_kept().await, "{wrong_s}");
        assert!(case.domain.core.device(&case.tenant.scope, made.id).await.is_ok(), "{wrong_s}");
        assert_eq!(case.domain.core.clock_doubt(), None);
    }
    case.domain.advance_s(180);
    case.work().await;
    assert!(!case.kept().await.1, "by the right clock the code is over now");
}

#[tokio::test]
async fn a_jump_is_right_after_a_day_or_when_the_operator_says_so() {
    for accepted in [false, true] {
        let case = Case::new(311).await;
        case.domain.world.set_clock_by_s(400 * DAY_S);
        case.work().await;
        assert_eq!(case.kept().await, (1, true, DeviceStatus::Online, 1));
        let tenant = case.domain.core.account_by_name(&case.domain.operator, "t").await.unwrap();
        let token = case.domain.core.rotate_account_token(&case.domain.operator, tenant.id).await.unwrap();
        let other = case.domain.core.operator(token.expose()).await.unwrap();
        assert_eq!(cause(case.domain.core.accept_clock(&other).map(|()| 0)), Cause::Forbidden);
        if accepted {
            case.domain.core.accept_clock(&case.domain.operator).unwrap();
        } else {
            case.domain.advance_s(86_400);
        }
        case.work().await;
        let (_, waits, status, pending) = case.kept().await;
        assert_eq!((waits, status, pending), (false, DeviceStatus::Offline, 0), "accepted: {accepted}");
        assert_eq!(case.domain.core.clock_doubt(), None);
    }
}

#[tokio::test]
async fn tokens_of_a_wrong_clock_do_not_outlast_it() {
    let case = Case::new(312).await;
    let id = case.tenant.app.id.to_string();
    case.domain.world.set_clock_by_s(400 * DAY_S);
    let pair = case.domain.core.login(&id, &case.tenant.secret).await.unwrap();
    case.domain.core.authenticate(&id, pair.access.expose()).await.unwrap();
    case.domain.world.set_clock_by_s(-400 * DAY_S);
    assert_eq!(cause(case.domain.core.authenticate(&id, pair.access.expose()).await), Cause::Unauthenticated);
    let refreshed = case.domain.core.refresh(&id, &case.tenant.secret, pair.refresh.expose()).await;
    assert_eq!(cause(refreshed), Cause::InvalidField);
    let pair = case.domain.core.login(&id, &case.tenant.secret).await.unwrap();
    case.domain.core.authenticate(&id, pair.access.expose()).await.unwrap();
}

#[tokio::test]
async fn no_device_is_heard_in_the_future() {
    let case = Case::new(314).await;
    let core = &case.domain.core;
    let late = case.domain.device(&case.tenant, "late").await;
    let last_seen = async |device: &Device| core.device_state(device).await.unwrap().last_seen.unwrap();
    for wrong_s in [-400 * DAY_S, 400 * DAY_S] {
        case.domain.world.set_clock_by_s(wrong_s);
        case.domain.advance_s(30);
        case.domain.says(&core.device_caller(&case.online), case.online.id, REPORT).await.unwrap();
        core.connected(&core.device_caller(&late)).await.unwrap();
        case.domain.world.set_clock_by_s(-wrong_s);
        assert!(last_seen(&case.online).await <= core.now());
        assert!(case.domain.reread(&late).await.heard_at.unwrap() <= core.now());
        case.work().await;
        assert_eq!(case.kept().await.2, DeviceStatus::Online, "it was just heard");
    }
    case.domain.advance_s(176_400 + 60);
    case.work().await;
    for device in [&case.online, &late] {
        assert_eq!(case.domain.reread(device).await.status, DeviceStatus::Offline, "silent for two days");
    }
}
