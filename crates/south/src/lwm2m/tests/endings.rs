//! Observations that end without the server's wish: they begin again at the next contact, and the more seldom the more often they end.

use super::*;
use landfall_lwm2m::{Entry, Method, Request, Response};
use landfall_testkit::network::Conditions;

const INSTANCE: &str = "3303/0/5700";

impl Ground {
    fn delete(&mut self, sim: usize, instance: Path) -> Response {
        self.sims[sim].device.lwm2m().handle(0, 0, &Request::new(Method::Delete, instance.segments()))
    }

    /// Paths whose observation was begun since the last call.
    fn begun(&mut self, sim: usize) -> Vec<String> {
        let served = self.sims[sim].device.take_served();
        served.iter().filter(|request| request.observe.is_some()).map(|request| request.path.join("/")).collect()
    }

    async fn updates(&mut self, sim: usize) {
        self.tell(sim, SimDevice::update);
        self.run_s(5).await;
    }

    /// The device says something that is nobody's observation.
    async fn sends(&mut self, sim: usize, value: f64) {
        self.tell(sim, |device, now| device.send(now, &[Entry::new(TEMPERATURE, Value::Float(value))]).unwrap());
        self.run_s(5).await;
    }

    async fn notifies(&mut self, sim: usize, value: f64) {
        self.tell(sim, |device, now| device.set(now, TEMPERATURE, Value::Float(value)));
        self.run_s(5).await;
    }
}

#[tokio::test]
async fn an_observation_that_an_error_ended_begins_again_with_back_off() {
    let mut ground = Ground::new(1).await;
    let sim = ground.running("m-1").await;
    ground.begun(sim);
    // The instance goes, and that ends its observation; asked at once, the device has none.
    ground.delete(sim, TEMPERATURE.cut(2));
    ground.tell(sim, SimDevice::timeout);
    ground.run_s(5).await;
    assert_eq!(ground.begun(sim), [INSTANCE]);
    ground.updates(sim).await;
    assert_eq!(ground.begun(sim), [""; 0], "not before a minute is over");
    for wait in [60, 120, 240] {
        ground.run_s(wait).await;
        assert_eq!(ground.begun(sim), [""; 0], "nothing before it is heard");
        ground.updates(sim).await;
        assert_eq!(ground.begun(sim), [INSTANCE]);
        ground.updates(sim).await;
        assert_eq!(ground.begun(sim), [""; 0]);
    }
    ground.run_s(500).await;
    ground.notifies(sim, 30.0).await;
    ground.updates(sim).await;
    ground.notifies(sim, 31.0).await;
    assert_eq!(ground.temperatures(sim).await, [21.5, 30.0, 31.0]);
    ground.begun(sim);
    // It brought something, so the next end is the first again.
    ground.delete(sim, TEMPERATURE.cut(2));
    ground.tell(sim, SimDevice::timeout);
    ground.run_s(5).await;
    assert_eq!(ground.begun(sim), [INSTANCE]);
}

#[tokio::test]
async fn a_device_that_a_nat_moved_is_observed_again_after_its_update() {
    let mut ground = Ground::new(2).await;
    let open = ProductDraft { lwm2m: Lwm2mModel { plain_coap: true, ..Lwm2mModel::default() }, ..meter("plain") };
    let open = ground.core.create_product(&ground.all, open).await.unwrap();
    let asked = RegisterDevice { product: Some(ProductRef::Id(open.id.to_string())), ..ground.registration("m-1", false) };
    let id = ground.core.register_device(&ground.scope, asked).await.unwrap().id;
    let sim = ground.join(SimDevice::new(Client::new("m-1", Version::V1_0), 1), false, id);
    ground.network.put_behind_nat(ground.sims[sim].host, None);
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    ground.begun(sim);
    ground.network.rebind(ground.sims[sim].host);
    ground.updates(sim).await;
    assert_eq!(ground.begun(sim), [""; 0], "what was not rejected stands");
    ground.network.rebind(ground.sims[sim].host);
    ground.notifies(sim, 30.0).await;
    assert!(matches!(ground.happened(sim).last(), Some(Happened::NotNotified(_))));
    ground.updates(sim).await;
    assert_eq!(ground.begun(sim), [INSTANCE]);
    ground.notifies(sim, 31.0).await;
    assert_eq!(ground.temperatures(sim).await, [21.5, 30.0, 31.0]);
}

#[tokio::test]
async fn what_ended_or_was_not_begun_before_a_restart_begins_after_it() {
    for orderly in [true, false] {
        let mut ground = Ground::new(3).await;
        let sim = ground.running("m-1").await;
        ground.delete(sim, TEMPERATURE.cut(2));
        ground.tell(sim, SimDevice::timeout);
        ground.run_s(5).await;
        ground.begun(sim);
        ground.notifies(sim, 29.0).await;
        ground.restart(orderly).await;
        ground.sends(sim, 30.0).await;
        assert_eq!(ground.begun(sim), [INSTANCE], "orderly: {orderly}");
        ground.restart(orderly).await;
        ground.sends(sim, 31.0).await;
        assert_eq!(ground.begun(sim), [""; 0], "orderly: {orderly}");

        let sim = ground.meter("m-2").await;
        ground.tell(sim, SimDevice::register);
        while !ground.sims[sim].device.is_registered() {
            ground.run_s(0).await;
        }
        ground.network.set(Conditions { loss_percent: 100, ..Conditions::default() });
        ground.run_s(1).await;
        ground.restart(orderly).await;
        ground.network.set(Conditions::default());
        ground.begun(sim);
        ground.sends(sim, 30.0).await;
        assert!(ground.begun(sim).contains(&"19/0/0".to_owned()), "orderly: {orderly}");
    }
}
