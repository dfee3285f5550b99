//! Devices that have no credentials yet.

use super::*;
use landfall_core::{Accepting, NewDeviceRequest};
use landfall_model::{RequestState, Role};

impl Ground {
    /// A device that connects as the bootstrap user and listens.
    async fn newcomer(&self, id: &str) -> Client {
        self.domain.bootstrap().await;
        let mut client = self.dial();
        assert_eq!(client.connect(id, "management/devicebootstrap", PASSWORD, true).await, [0, 0]);
        assert_eq!(client.subscribe(&["s/dcr"]).await, [1]);
        client
    }

    /// A tenant expects a device.
    async fn expected(&self, tenant: &Tenant, id: &str) -> UserCaller {
        let admin = self.domain.admin(tenant).await;
        self.core.create_device_request(&admin, NewDeviceRequest { id: id.into(), extras: None }).await.unwrap();
        admin
    }
}

#[tokio::test]
async fn credentials_come_once_the_device_is_accepted() {
    let ground = Ground::new().await;
    let mut client = ground.newcomer("d-1").await;
    assert_eq!(client.says("s/ucr", "", 0).await, [], "nobody expects it");
    let admin = ground.expected(&ground.tenant(), "d-1").await;
    assert_eq!(client.says("s/ucr", "", 0).await, []);
    let request = ground.core.device_request(&admin, "d-1").await.unwrap();
    assert_eq!(request.state, RequestState::PendingAcceptance);
    ground.core.accept_device_request(&admin, "d-1", Accepting::default()).await.unwrap();
    let told = client.says("s/ucr", "", 1).await;
    let tenant = ground.core.tenant_of(ground.all.account()).await.unwrap();
    let [(topic, line)] = &told[..] else { panic!("{told:?}") };
    let values: Vec<_> = line.split(',').collect();
    assert_eq!((&**topic, &values[..3]), ("s/dcr", &["70", &*tenant, "device_d-1"][..]));
    let password = values[3].to_owned();
    assert!(password.len() >= 20);
    // It asks once more before it uses what it got (as c8ydm does), and uses the first.
    let [(_, once_more)] = &client.says("s/ucr", "", 1).await[..] else { panic!("it has not logged in yet") };
    let second = once_more.rsplit(',').next().unwrap().to_owned();
    assert_ne!(password, second);
    client.leave().await;
    let mut device = ground.dial();
    assert_eq!(device.connect("d-1", &format!("{tenant}/device_d-1"), &password, true).await, [0, 0]);
    assert_eq!(device.says("s/us", "100", 0).await, []);
    assert_eq!(
        ground.dial().connect("d-1", &format!("{tenant}/device_d-1"), &second, true).await,
        [0, 4],
        "the first login ended the others"
    );
    let mut again = ground.newcomer("d-1").await;
    assert_eq!(again.says("s/ucr", "", 0).await, [], "it has them");
}

#[tokio::test]
async fn each_tenant_has_its_own_newcomers() {
    let ground = Ground::new().await;
    let other = ground.domain.tenant("other").await;
    let admins = [(ground.tenant(), "d-1"), (other, "x-1")];
    for (tenant, id) in &admins {
        let admin = ground.expected(tenant, id).await;
        let mut client = ground.newcomer(id).await;
        assert_eq!(client.says("s/ucr", "", 0).await, []);
        ground.core.accept_device_request(&admin, id, Accepting::default()).await.unwrap();
        let told = client.says("s/ucr", "", 1).await;
        let expected = format!("70,{},device_{id},", ground.core.tenant_of(tenant.all.account()).await.unwrap());
        assert!(told[0].1.starts_with(&expected), "{told:?}");
    }
}

#[tokio::test]
async fn the_bootstrap_user_may_nothing_else() {
    let ground = Ground::new().await;
    let mut client = ground.newcomer("d-1").await;
    assert_eq!(client.subscribe(&["s/ds", "s/e", "#", "s/dat"]).await, [0x80, 1, 0x80, 0x80]);
    for topic in ["s/us", "s/us/d-2", "s/uc/x", "s/ut/x", "s/uat", "event/events/create"] {
        assert_eq!(client.says(topic, "100", 0).await, []);
    }
    assert_eq!(ground.unknown_checks(), ["topic.bootstrap"; 9]);
    let admin = ground.domain.admin(&ground.tenant()).await;
    assert!(ground.core.external(&admin, "c8y_Serial", "d-1").await.is_err());
    // A person of the server itself is no bootstrap user, and one of a tenant asks for nothing.
    ground.domain.management().await;
    assert_eq!(ground.dial().connect("d-1", "management/admin", PASSWORD, true).await, [0, 5]);
    let mut agent = ground.agent("d-2").await;
    assert_eq!(agent.says("s/ucr", "", 0).await, []);
}

#[tokio::test]
async fn a_bootstrap_user_that_is_disabled_ends() {
    let ground = Ground::new().await;
    let client = ground.newcomer("d-1").await;
    assert_eq!(ground.domain.bootstrap().await.user().role, Role::Bootstrap);
    let change = landfall_core::UserChange { enabled: Some(false), ..landfall_core::UserChange::default() };
    let operator = &ground.domain.operator;
    ground.core.change_user(operator, landfall_model::AccountId::MANAGEMENT, "devicebootstrap", change).await.unwrap();
    client.ended().await;
}

#[tokio::test]
async fn a_flood_of_questions_is_slowed_and_harms_nobody() {
    let ground = Ground::new().await;
    let mut client = ground.newcomer("d-1").await;
    for _ in 0..200 {
        assert_eq!(client.says("s/ucr", "", 0).await, []);
    }
    ground.world.advance_s(61);
    let admin = ground.expected(&ground.tenant(), "d-1").await;
    assert_eq!(client.says("s/ucr", "", 0).await, []);
    ground.core.accept_device_request(&admin, "d-1", Accepting::default()).await.unwrap();
    assert_eq!(client.says("s/ucr", "", 1).await.len(), 1);
}
