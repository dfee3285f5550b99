//! Names of devices are walls: nobody takes, or shuts out, another account's device by a name that means the same.

use super::{Ground, Tenant, cause, new_device, tree::node};
use landfall_core::{BindRequest, DeviceChange, NodeFault, OriginCaller, RefreshKey, RegisterDevice};
use landfall_model::{AccessMode, Cause, Device, DeviceInfo, NodeRequest, Secret, StatusDetail};
use std::sync::Arc;

const IMEI: &str = "863703030668222";
const FORMS: [&str; 4] =
    [IMEI, "urn:imei:863703030668222", "urn:imei-imsi:863703030668222-460001357924680", "URN:GSMA:IMEI:86370303-066822-2;svn=42"];

/// The second account, with one device for each door.
struct Stranger {
    tenant: Tenant,
    by: OriginCaller,
    gateway: Arc<Device>,
    offline: Arc<Device>,
    node: Arc<Device>,
}

impl Stranger {
    async fn new(domain: &Ground) -> Self {
        let tenant = domain.tenant("stranger").await;
        let by = tenant.origin(domain, "Cstranger").await;
        let gateway = domain.device(&tenant, "gateway").await;
        let offline = domain.lwm2m_device(&tenant, "offline").await;
        domain.core.deregister(&domain.core.device_caller(&offline), "l", StatusDetail::None).await.unwrap();
        assert_eq!(domain.provision(&by, vec![node("n")]).await, 0);
        let node = domain.core.device_by_node("urn:gsma:imei:n").await.unwrap();
        let credentials = domain.core.find(&by, &["n", "credentials"]).await.unwrap();
        domain.core.delete_target(&by, &credentials).await.unwrap();
        let id = tenant.product.id;
        domain.core.set_product_secret(&tenant.all, id, true).await.unwrap();
        let draft = landfall_core::ProductDraft {
            auto_register: Some(tenant.app.id),
            ..super::thermometer(landfall_model::DataFormat::Json)
        };
        domain.core.replace_product(&tenant.all, id, draft).await.unwrap();
        Self { tenant, by, gateway, offline, node }
    }

    /// Tries every door by which a device gets a name.
    async fn tries(&self, domain: &Ground, name: &str) {
        let (core, scope) = (&domain.core, &self.tenant.scope);
        let of = |node: &str, identity: Option<&str>| RegisterDevice {
            psk_identity: identity.map(str::to_owned),
            ..new_device(node, &self.tenant.product)
        };
        let taken = |what: &str, found: Cause| assert_eq!(found, Cause::NodeIdTaken, "{what} {name}");
        for request in [of(name, None), of(name, Some("own")), of("new", Some(name))] {
            taken("a dry run of", cause(core.check_names(&request).await));
            taken("registering", cause(core.register_device(scope, request.clone()).await));
            let many = [of("first", None), request];
            taken("registering many", cause(core.register_devices(scope, &many).await));
        }
        let identity = DeviceChange { psk_identity: Some(name.into()), ..DeviceChange::default() };
        taken("a new identity", cause(core.modify_device(scope, self.gateway.id, identity).await));
        let refresh = RefreshKey { node_id: Some(name.into()), verify_code: None, timeout_s: None };
        taken("a refreshed key", cause(core.refresh_key(scope, self.offline.id, refresh).await));
        let gateway = core.device_caller(&self.gateway);
        taken("a child", cause(core.add_child(&gateway, name, None, DeviceInfo::default()).await));
        taken("new credentials", cause(core.create_credentials(&self.by, self.node.id, name, b"key").await));
        let nodes = [
            NodeRequest { node_id: name.into(), ..node("x") },
            NodeRequest {
                credentials: Some(vec![Secret::new(format!("psk-id:{name}")), Secret::new("psk:dGVzdDEyMw==")]),
                ..node("y")
            },
        ];
        for (refusal, fault) in core
            .try_provisioning(scope, &nodes)
            .await
            .unwrap()
            .into_iter()
            .zip([NodeFault::NameTaken, NodeFault::CreateDeviceObjects])
        {
            assert_eq!(refusal.map(|refusal| refusal.fault), Some(fault), "{name}");
        }
        assert_eq!(domain.provision(&self.by, nodes.to_vec()).await, 2, "{name}");
        let product = core.product_for_claim(self.tenant.product.id).await.unwrap();
        let refused = core.claim(&product, name).await.unwrap_err();
        assert!(matches!(refused.check, "device.other-product" | "node-id.taken"), "{name}: {refused:?}");
        assert_eq!(refused.device, None, "nothing of another account is told");
    }
}

#[tokio::test]
async fn no_form_of_a_name_takes_another_accounts_device() {
    for (seed, held) in (110..).zip(FORMS) {
        let domain = Ground::new(seed).await;
        let (owner, stranger) = (domain.tenant("owner").await, Stranger::new(&domain).await);
        let device = domain.device(&owner, held).await;
        for name in FORMS {
            stranger.tries(&domain, name).await;
            assert_eq!(domain.core.device_by_node(name).await.unwrap().id, device.id, "{held} is found as {name}");
            assert_eq!(domain.core.device_by_psk_identity(name).await.unwrap().id, device.id);
        }
        // The same where only its key has the name.
        domain.core.delete_device(&owner.scope, device.id, false).await.unwrap();
        let keyed = RegisterDevice { psk_identity: Some(held.into()), ..new_device("meter", &owner.product) };
        let device = domain.core.register_device(&owner.scope, keyed).await.unwrap();
        for name in FORMS {
            stranger.tries(&domain, name).await;
            assert_eq!(domain.core.device_by_psk_identity(name).await.unwrap().id, device.id);
            assert_eq!(cause(domain.core.device_by_node(name).await), Cause::DeviceNotFound, "it is no nodeId");
        }
        domain.core.delete_device(&owner.scope, device.id, false).await.unwrap();
        domain.device(&stranger.tenant, IMEI).await;
    }
}

#[tokio::test]
async fn a_device_may_change_the_form_of_its_own_name() {
    let domain = Ground::new(120).await;
    let tenant = domain.tenant("a").await;
    let core = &domain.core;
    let code = RegisterDevice {
        access: AccessMode::VerifyCode,
        verify_code: Some(Secret::new("code")),
        ..new_device("urn:imei:863703030668222", &tenant.product)
    };
    let device = core.register_device(&tenant.scope, code).await.unwrap();
    let (verify_code, info) = (Secret::new("code"), DeviceInfo::default());
    let bind = BindRequest { verify_code, node_id: IMEI.into(), info, product: None };
    assert_eq!(core.bind(bind).await.unwrap().0.id, device.id, "it binds under any form of its name");
    let change = DeviceChange { psk_identity: Some(IMEI.into()), ..DeviceChange::default() };
    core.modify_device(&tenant.scope, device.id, change).await.unwrap();
    assert_eq!(core.device_by_psk_identity("imei:863703030668222").await.unwrap().id, device.id);
}

#[tokio::test]
async fn one_list_holds_a_name_once() {
    let domain = Ground::new(121).await;
    let tenant = domain.tenant("a").await;
    let by = tenant.origin(&domain, "Capp").await;
    let both = [new_device(IMEI, &tenant.product), new_device("imei:863703030668222", &tenant.product)];
    assert_eq!(cause(domain.core.register_devices(&tenant.scope, &both).await), Cause::NodeIdTaken);
    let nodes = vec![node(IMEI), NodeRequest { node_id: IMEI.into(), ..node("other") }];
    let told = domain.core.try_provisioning(&tenant.scope, &nodes).await.unwrap();
    assert_eq!(told.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
    assert_eq!(domain.provision(&by, nodes).await, 1);
}
