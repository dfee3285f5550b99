//! The suite of all accesses, with meters over DTLS.

use super::*;
use crate::access::tests::suite::{Shore, suite};

struct Meters(Ground);

impl Meters {
    fn sim_of(&self, device: DeviceId) -> Option<usize> {
        self.0.sims.iter().position(|sim| sim.id == device)
    }
}

impl Shore for Meters {
    const REQUEST: (&str, &str, &str) = ("Control", "SET_ZONE", r#"{"zone":"Europe/Rome"}"#);

    async fn new() -> Self {
        Self(Ground::new(1).await)
    }

    fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    fn scope(&self) -> &Scope {
        &self.0.scope
    }

    fn access(&self) -> Arc<dyn Access> {
        self.0.shared.desk.clone()
    }

    async fn device(&mut self, node_id: &str) -> DeviceId {
        self.0.known(node_id).await.id
    }

    async fn connect(&mut self, device: DeviceId) {
        let sim = match self.sim_of(device) {
            Some(sim) => {
                self.0.tell(sim, |device, now| device.lose_session(now, false));
                sim
            }
            None => {
                let name = self.0.core.device_by_id(device).await.unwrap().node_id.clone();
                let seed = self.0.sims.len() as u64 + 1;
                self.0.join(SimDevice::new(Client::new(&name, Version::V1_1), seed).secured(key_of(&name)), true, device)
            }
        };
        self.0.tell(sim, SimDevice::register);
        self.0.run_s(5).await;
        assert!(self.0.happened(sim).contains(&Happened::Done(Verb::Register)));
    }

    /// The core's answers are held back, so that an acknowledgement that does not wait for them comes first.
    async fn report(&mut self, device: DeviceId, temperature: i32) -> Option<Seq> {
        let sim = self.sim_of(device)?;
        self.0.held = Some(vec![]);
        self.0.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(temperature.into())));
        self.0.run_s(1).await;
        let newest = self.0.core.store().newest();
        let early = self.0.happened(sim).contains(&Happened::Notified);
        self.0.release().await;
        self.0.run_s(5).await;
        if early {
            return Some(newest);
        }
        self.0.happened(sim).contains(&Happened::Notified).then(|| self.0.core.store().newest())
    }

    async fn answer(&mut self, device: DeviceId) {
        let sim = self.sim_of(device).expect("a device that came");
        self.0.run_s(10).await;
        assert_eq!(self.0.done_to(sim), [("3/0/15".to_owned(), "Europe/Rome".to_owned())]);
    }

    async fn sent_away(&mut self, device: DeviceId) {
        let sim = self.sim_of(device).expect("a device that came");
        self.0.run_s(5).await;
        let happened = self.0.happened(sim);
        assert!(happened.iter().any(|one| matches!(one, Happened::Unsecured(_))), "{happened:?}");
    }

    async fn restart(&mut self) {
        self.0.restart(true).await;
        self.0.settle().await;
    }
}

suite!(Meters);
