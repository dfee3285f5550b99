//! DTLS sessions that their devices closed, and resume.

use super::*;
use landfall_core::DeviceChange;

impl Ground {
    /// A registered device that said goodbye to its session.
    async fn closed(&mut self) -> usize {
        let sim = self.running("m-1").await;
        self.tell(sim, SimDevice::close_session);
        self.run_s(1).await;
        self.happened(sim);
        let kept = self.core.store().secure_sessions(None, 10).await.unwrap();
        assert_eq!((self.shared.counters().sessions, self.hub.dtls.closed(), kept.len()), (0, 1, 0));
        sim
    }
}

#[tokio::test]
async fn a_device_resumes_the_session_that_it_closed_and_finds_what_waits() {
    let mut ground = Ground::new(1).await;
    let sim = ground.closed().await;
    let command = ground.submit(sim, "REBOOT", json!({}), None).await;
    ground.run_s(300).await;
    assert_eq!(ground.states(&[command]).await, [CommandState::Pending], "nothing is sent to where nobody hears");
    ground.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(30.0)));
    ground.run_s(20).await;
    let happened = ground.happened(sim);
    assert!(matches!(happened[0], Happened::Secured { resumed: true, .. }), "{happened:?}");
    assert_eq!(happened[1..], [Happened::Notified]);
    assert_eq!(ground.temperatures(sim).await, [21.5, 30.0]);
    assert_eq!(ground.states(&[command]).await, [CommandState::Successful]);
    assert_eq!(ground.core.store().secure_sessions(None, 10).await.unwrap().len(), 1);
}

/// The right to resume goes with the key.
#[tokio::test]
async fn a_closed_session_ends_with_its_key() {
    for deleted in [true, false] {
        let mut ground = Ground::new(2).await;
        let sim = ground.closed().await;
        let id = ground.sims[sim].id;
        if deleted {
            ground.core.delete_device(&ground.scope, id, false).await.unwrap();
        } else {
            let change = DeviceChange { psk: Some(Secret::new("0f".repeat(16))), ..DeviceChange::default() };
            ground.core.modify_device(&ground.scope, id, change).await.unwrap();
        }
        ground.run_s(1).await;
        assert_eq!(ground.hub.dtls.closed(), 0);
        ground.tell(sim, SimDevice::update);
        ground.run_s(200).await;
        assert!(!ground.happened(sim).iter().any(|one| matches!(one, Happened::Secured { .. })), "deleted: {deleted}");
    }
}
