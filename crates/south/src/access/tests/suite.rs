//! What every access must do, as a list of cases over the seam. A protocol runs it with a [`Shore`], which says how its devices behave; its own
//! tests stand beside it.

use landfall_core::{Access, CallRequest, CommandRequest, Core, Obstacle, Scope, Takes, Wake};
use landfall_model::{Cause, CommandState, Device, DeviceId, DeviceStatus, EventBody, Seq};
use serde_json::Value;
use std::sync::Arc;

/// Devices of one protocol before a server without sockets.
#[allow(async_fn_in_trait, reason = "of tests alone")]
pub(crate) trait Shore {
    /// Service, command and parameters of a request that its product has.
    const REQUEST: (&str, &str, &str);

    /// A server that nobody knows yet.
    async fn new() -> Self;
    fn core(&self) -> &Arc<Core>;
    fn scope(&self) -> &Scope;
    /// What the core asks in this run.
    fn access(&self) -> Arc<dyn Access>;
    /// A known device that is not here yet.
    async fn device(&mut self, node_id: &str) -> DeviceId;
    /// The device comes and listens to what it is asked; where it is here already, it comes a second time and the first one sees its end.
    async fn connect(&mut self, device: DeviceId);
    /// The device reports a temperature. Gives the newest place of the event stream when the acknowledgement came, where one came.
    async fn report(&mut self, device: DeviceId, temperature: i32) -> Option<Seq>;
    /// Exactly one request has come to the device: it does what it is asked, and answers.
    async fn answer(&mut self, device: DeviceId);
    /// The device sees that its connection was ended.
    async fn sent_away(&mut self, device: DeviceId);
    /// The server ends, and another one begins on what it left.
    async fn restart(&mut self);
}

/// The suite as tests of a module, for a [`Shore`].
macro_rules! suite {
    ($shore:ty) => {
        crate::access::tests::suite::suite! { $shore: connect report acknowledge command wake close take_over restart }
    };
    ($shore:ty: $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                crate::access::tests::suite::$case::<$shore>().await;
            }
        )*
    };
}
pub(crate) use suite;

async fn record(shore: &impl Shore, device: DeviceId) -> Arc<Device> {
    shore.core().device_by_id(device).await.unwrap()
}

async fn told(shore: &impl Shore, device: DeviceId, since: Seq) -> Vec<EventBody> {
    let events = shore.core().store().events_after(since, 10_000).await.unwrap();
    events.iter().filter(|stored| stored.event.device == Some(device)).map(|stored| stored.event.body.clone()).collect()
}

/// The temperatures that a device reported, in order.
async fn temperatures(shore: &impl Shore, device: DeviceId, since: Seq) -> Vec<f64> {
    let mut found = vec![];
    for body in told(shore, device, since).await {
        let EventBody::Reported(report) = body else { continue };
        for service in report.services {
            let data: Value = serde_json::from_str(&service.data).unwrap();
            found.extend(data.get("temperature").and_then(Value::as_f64));
        }
    }
    found
}

/// An application asks a device to do something, by the way that the device takes.
async fn ask<S: Shore>(shore: &S, device: DeviceId) {
    let (service_id, method, paras) = S::REQUEST;
    let (service_id, method, paras) = (service_id.to_owned(), method.to_owned(), paras.to_owned());
    match shore.access().holds(device) {
        Some(Takes::Calls) => {
            let (request_id, from, callback_url) = (None, None, None);
            let request = CallRequest { service_id, method, paras, request_id, from, ack: false, callback_url };
            assert!(shore.core().call_service(shore.scope(), device, request).await.unwrap().sent);
        }
        Some(Takes::Work) => {
            let (callback_url, expire_s, max_retransmit) = (None, None, 0);
            let request = CommandRequest { service_id, method, paras, callback_url, expire_s, max_retransmit };
            shore.core().submit_command(shore.scope(), device, request).await.unwrap();
        }
        None => panic!("the device is not here"),
    }
}

/// How often the device is said to have done what it was asked.
async fn done(shore: &impl Shore, device: DeviceId, since: Seq) -> usize {
    let is_done = |body: &EventBody| match body {
        EventBody::CommandAnswered { errcode, .. } => *errcode == 0,
        EventBody::CommandChanged { state, .. } => *state == CommandState::Successful,
        _ => false,
    };
    told(shore, device, since).await.iter().filter(|body| is_done(body)).count()
}

pub(crate) async fn connect<S: Shore>() {
    let mut shore = S::new().await;
    let (device, other) = (shore.device("d-1").await, shore.device("d-2").await);
    assert_eq!(shore.access().holds(device), None);
    shore.connect(device).await;
    assert!(shore.access().holds(device).is_some() && shore.access().holds(other).is_none());
    let (here, away) = (record(&shore, device).await, record(&shore, other).await);
    assert!(here.status == DeviceStatus::Online && here.activated && away.status != DeviceStatus::Online);
}

pub(crate) async fn report<S: Shore>() {
    let mut shore = S::new().await;
    let (one, two) = (shore.device("d-1").await, shore.device("d-2").await);
    shore.connect(one).await;
    shore.connect(two).await;
    let before = shore.core().store().newest();
    for (device, temperature) in [(one, 31), (two, 41), (one, 32), (two, 42), (one, 33)] {
        assert!(shore.report(device, temperature).await.is_some(), "{temperature} was not acknowledged");
    }
    assert_eq!(temperatures(&shore, one, before).await, [31.0, 32.0, 33.0]);
    assert_eq!(temperatures(&shore, two, before).await, [41.0, 42.0]);
}

pub(crate) async fn acknowledge<S: Shore>() {
    let mut shore = S::new().await;
    let device = shore.device("d-1").await;
    shore.connect(device).await;
    for temperature in 30..40 {
        let before = shore.core().store().newest();
        let kept = shore.report(device, temperature).await.expect("an acknowledgement");
        assert!(kept > before, "{temperature} was acknowledged before it was kept");
    }
}

pub(crate) async fn command<S: Shore>() {
    let mut shore = S::new().await;
    let (device, other) = (shore.device("d-1").await, shore.device("d-2").await);
    shore.connect(device).await;
    shore.connect(other).await;
    let before = shore.core().store().newest();
    for n in 1..=3 {
        ask(&shore, device).await;
        shore.answer(device).await;
        assert_eq!(done(&shore, device, before).await, n);
    }
    assert_eq!(done(&shore, other, before).await, 0);
    ask(&shore, other).await;
    shore.answer(other).await;
    assert_eq!((done(&shore, device, before).await, done(&shore, other, before).await), (3, 1));
}

pub(crate) async fn wake<S: Shore>() {
    let mut shore = S::new().await;
    let device = shore.device("d-1").await;
    let access = shore.access();
    let every = [Wake::Work, Wake::LifetimeOver, Wake::ObserveAnew];
    assert_eq!(every.map(|why| access.wake(device, why)), [false; 3], "it is not here");
    assert_eq!(access.accepts(device, device, None).unwrap_err().obstacle, Obstacle::Gone);
    shore.connect(device).await;
    let takes = access.holds(device).expect("it is here");
    assert_eq!(every.map(|why| access.wake(device, why)), [takes == Takes::Work; 3]);
    assert_eq!(access.accepts(device, device, None).is_ok(), takes == Takes::Calls);
    let before = shore.core().store().newest();
    ask(&shore, device).await;
    shore.answer(device).await;
    assert_eq!(done(&shore, device, before).await, 1, "a word for it that means nothing changes nothing");
    assert!(access.holds(device).is_some(), "its lifetime was not over");
}

pub(crate) async fn close<S: Shore>() {
    let mut shore = S::new().await;
    let (device, other) = (shore.device("d-1").await, shore.device("d-2").await);
    shore.connect(device).await;
    shore.connect(other).await;
    shore.core().delete_device(shore.scope(), device, false).await.unwrap();
    shore.sent_away(device).await;
    assert!(shore.access().holds(device).is_none() && shore.access().holds(other).is_some());
    assert_eq!(shore.core().device_by_id(device).await.unwrap_err().cause, Cause::Forbidden);
    assert!(shore.report(other, 30).await.is_some(), "the other one goes on");
}

pub(crate) async fn take_over<S: Shore>() {
    let mut shore = S::new().await;
    let device = shore.device("d-1").await;
    shore.connect(device).await;
    assert!(shore.report(device, 30).await.is_some());
    shore.connect(device).await;
    assert!(shore.access().holds(device).is_some());
    assert_eq!(record(&shore, device).await.status, DeviceStatus::Online, "the end of the first one is not that of the device");
    let before = shore.core().store().newest();
    assert!(shore.report(device, 31).await.is_some());
    ask(&shore, device).await;
    shore.answer(device).await;
    assert_eq!((temperatures(&shore, device, before).await, done(&shore, device, before).await), (vec![31.0], 1));
}

pub(crate) async fn restart<S: Shore>() {
    let mut shore = S::new().await;
    let device = shore.device("d-1").await;
    shore.connect(device).await;
    let before = shore.core().store().newest();
    assert!(shore.report(device, 30).await.is_some());
    let earlier = Arc::downgrade(&shore.access());
    shore.restart().await;
    assert!(earlier.upgrade().is_none(), "the core asks nobody who has ended");
    if shore.access().holds(device).is_none() {
        shore.connect(device).await;
    }
    assert_eq!(record(&shore, device).await.status, DeviceStatus::Online);
    assert!(shore.report(device, 31).await.is_some());
    ask(&shore, device).await;
    shore.answer(device).await;
    let mut found = temperatures(&shore, device, before).await;
    // What is observed anew is told anew.
    found.dedup();
    assert_eq!((found, done(&shore, device, before).await), (vec![30.0, 31.0], 1));
}
