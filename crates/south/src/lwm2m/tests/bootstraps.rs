//! Bootstrap: the holder of a key is told to register here with it; nobody else is told anything.

use super::*;
use landfall_lwm2m::Code;

const URI: &str = "coaps://iot.example.com:5684";

fn bootstrapping() -> Config {
    Config { public_uri: URI.into(), bootstrap_lifetime_s: 7_200, ..Config::default() }
}

#[tokio::test]
async fn the_holder_of_a_key_is_told_its_account_and_registers_with_it() {
    let mut ground = Ground::with(1, bootstrapping()).await;
    for version in [Version::V1_0, Version::V1_1] {
        let node = format!("m-{version}");
        let id = ground.known(&node).await.id;
        let sim = ground.join(SimDevice::new(Client::new(&node, version), 1).secured(key_of(&node)), true, id);
        ground.tell(sim, SimDevice::bootstrap);
        ground.run_s(20).await;
        assert_eq!(ground.happened(sim).last(), Some(&Happened::Done(Verb::Bootstrap)), "{version}");
        let client = ground.sims[sim].device.lwm2m();
        assert!(!client.is_bootstrapping(), "{version}: the server finished it");
        let account = |resource| Path::resource(0, 1, resource);
        assert_eq!(client.get(&account(0)), Some(&Value::Text(URI.into())), "{version}");
        assert_eq!(client.get(&account(3)), Some(&Value::Opaque(node.clone().into_bytes())), "{version}");
        assert_eq!(client.get(&account(5)), Some(&Value::Opaque(hex::decode(PSK).unwrap())), "{version}");
        ground.tell(sim, SimDevice::register);
        ground.run_s(10).await;
        assert_eq!(ground.happened(sim), [Happened::Done(Verb::Register)], "{version}");
        let kept = ground.core.registration(&ground.scope, id).await.unwrap().unwrap();
        assert_eq!(kept.lifetime_s, 7_200, "{version}: the lifetime it was told");
    }
}

#[tokio::test]
async fn keys_are_told_over_dtls_alone_to_their_own_device_where_it_is_on() {
    for (config, secure, name, code) in [
        (bootstrapping(), false, "m-1", Code::FORBIDDEN),
        (bootstrapping(), true, "m-2", Code::FORBIDDEN),
        (Config::default(), true, "m-1", Code::NOT_FOUND),
    ] {
        let mut ground = Ground::with(2, config).await;
        let id = ground.known("m-1").await.id;
        ground.known("m-2").await;
        let device = SimDevice::new(Client::new(name, Version::V1_1), 1);
        let device = if secure { device.secured(key_of("m-1")) } else { device };
        let sim = ground.join(device, secure, id);
        ground.tell(sim, SimDevice::bootstrap);
        ground.run_s(20).await;
        assert_eq!(ground.happened(sim).last(), Some(&Happened::Refused(Verb::Bootstrap, code)), "{secure} {name}");
        assert_eq!(ground.sims[sim].device.take_served(), [], "{secure} {name}");
        let told = ground.said.iter().any(|(_, _, bytes)| bytes.windows(16).any(|part| part == hex::decode(PSK).unwrap()));
        assert!(!told);
    }
}

#[tokio::test]
async fn the_binding_is_that_of_the_product_or_of_the_last_registration() {
    for (binding, registers, expected) in [(None, false, "U"), (None, true, "UQ"), (Some("UQS"), true, "UQS")] {
        let mut ground = Ground::with(3, bootstrapping()).await;
        let lwm2m = Lwm2mModel { binding: binding.map(str::to_owned), ..Lwm2mModel::default() };
        let product = ground.core.create_product(&ground.all, ProductDraft { lwm2m, ..meter("binding") }).await.unwrap();
        let product = Some(ProductRef::Id(product.id.to_string()));
        let asked = RegisterDevice { product, ..ground.registration("m-1", true) };
        let id = ground.core.register_device(&ground.scope, asked).await.unwrap().id;
        let client = Client::new("m-1", Version::V1_1).sleepy();
        let sim = ground.join(SimDevice::new(client, 1).secured(key_of("m-1")), true, id);
        if registers {
            ground.tell(sim, SimDevice::register);
            ground.run_s(5).await;
        }
        ground.tell(sim, SimDevice::bootstrap);
        ground.run_s(20).await;
        assert_eq!(ground.happened(sim).last(), Some(&Happened::Done(Verb::Bootstrap)), "{binding:?}");
        let told = ground.sims[sim].device.lwm2m().get(&Path::resource(1, 0, 7)).cloned();
        assert_eq!(told, Some(Value::Text(expected.into())), "{binding:?}");
    }
    let ground = Ground::new(4).await;
    for binding in ["", "Q", "UU", "UX", "S", "uq"] {
        let lwm2m = Lwm2mModel { binding: Some(binding.into()), ..Lwm2mModel::default() };
        let refused = ground.core.create_product(&ground.all, ProductDraft { lwm2m, ..meter("bad") }).await.unwrap_err();
        assert_eq!((refused.cause, refused.to_string().contains("lwm2m.binding")), (Cause::InvalidField, true), "{binding}");
    }
}
