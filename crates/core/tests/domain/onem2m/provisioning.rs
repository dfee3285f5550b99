//! Provisioning in virtual time: turns, names that other dialects took, limits, dry runs, and tokens that end.

use crate::{Ground, cause, new_device, onem2m::tree::node};
use landfall_core::{AppChange, ProvisioningRequest, RegisterDevice, Target};
use landfall_model::{AppLimits, Cause, NodeRequest, PageRequest, Provisioning, ResourceId, Secret};

const ALL: PageRequest = PageRequest { no: 0, size: 1_000 };

fn request(nodes: Vec<NodeRequest>) -> ProvisioningRequest {
    ProvisioningRequest { nodes, ..ProvisioningRequest::default() }
}

async fn state(domain: &Ground, id: ResourceId) -> Provisioning {
    domain.core.store().provisioning(id).await.unwrap().unwrap()
}

async fn messages(domain: &Ground, id: ResourceId) -> Vec<String> {
    let failures = domain.core.store().provisioning_failures(id, ALL).await.unwrap();
    failures.items.into_iter().map(|failure| failure.message).collect()
}

#[tokio::test]
async fn a_short_request_does_not_wait_for_a_long_one() {
    let domain = Ground::new(71).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Capp").await;
    let long = domain.core.request_provisioning(&by, request((0..350).map(|n| node(&format!("l{n}"))).collect())).await.unwrap();
    let short = domain.core.request_provisioning(&by, request(vec![node("s")])).await.unwrap();
    assert!(domain.core.provision_some().await.unwrap(), "there was something to do");
    let (long_now, short_now) = (state(&domain, long.id).await, state(&domain, short.id).await);
    assert_eq!((short_now.done, short_now.finished_at), (1, Some(domain.core.now())));
    assert!(long_now.done > 0 && long_now.done < 350 && long_now.finished_at.is_none(), "{long_now:?}");
    domain.advance_s(5);
    while domain.core.provision_some().await.unwrap() {}
    let long_now = state(&domain, long.id).await;
    assert_eq!((long_now.done, long_now.failed, long_now.finished_at), (350, 0, Some(domain.core.now())));
    assert_eq!(long_now.started_at, short_now.finished_at);
}

/// nodeIDs and identities are one set for all dialects: DTLS and MQTT know no tenant.
#[tokio::test]
async fn what_another_dialect_took_is_taken() {
    let domain = Ground::new(72).await;
    let (tenant, other) = (domain.tenant("t").await, domain.tenant("other").await);
    let by = tenant.origin(&domain, "Capp").await;
    let own = domain.device(&tenant, "urn:gsma:imei:own").await;
    domain.device(&other, "urn:gsma:imei:foreign").await;
    let keyed = RegisterDevice { psk_identity: Some("taken-id".into()), ..new_device("keyed", &tenant.product) };
    domain.core.register_device(&tenant.scope, keyed).await.unwrap();
    let with_identity = |name: &str, identity: &str| NodeRequest {
        credentials: Some(vec![Secret::new(format!("psk-id:{identity}")), Secret::new("psk:dGVzdA==")]),
        ..node(name)
    };
    let list = vec![
        node("own"),
        node("foreign"),
        with_identity("a", "taken-id"),
        with_identity("c", "urn:gsma:imei:own"),
        NodeRequest { name: own.id.to_string(), ..node("d") },
        node("good"),
    ];
    let made = domain.core.request_provisioning(&by, request(list)).await.unwrap();
    while domain.core.provision_some().await.unwrap() {}
    let conflict = |name: &str| format!("conflicting credentials for AddEndPointRequest {name}");
    let expected = [
        format!("Node with nodeID urn:gsma:imei:own already exists, The existed node resourceName = {}", own.id),
        // The name of another account's device is not told.
        "Node with nodeID urn:gsma:imei:foreign already exists, The existed node resourceName = ".to_owned(),
        conflict("a"),
        // The identity of a device that has none of its own is its nodeId.
        conflict("c"),
        // A device without a node is found under its id.
        format!("{} device already exists", own.id),
    ];
    assert_eq!(messages(&domain, made.id).await, expected);
}

/// Devices of the profile SCS-UDP have no key; one that they have is checked like any other.
#[tokio::test]
async fn nodes_without_a_key_are_made_where_the_profile_knows_none() {
    let domain = Ground::new(78).await;
    let by = domain.tenant("t").await.origin(&domain, "Capp").await;
    let udp = |name: &str| NodeRequest { profile: "SCS-UDP".into(), credentials: None, ..node(name) };
    let with = |name: &str, credentials: &[&str]| NodeRequest {
        credentials: Some(credentials.iter().map(|one| Secret::new(*one)).collect()),
        ..udp(name)
    };
    let list = vec![
        udp("bare"),
        with("empty", &[]),
        with("keyed", &["psk-id:keyed-id", "psk:dGVzdA=="]),
        with("half", &["psk-id:half-id"]),
        with("twice", &["psk-id:keyed-id", "psk:dGVzdA=="]),
        NodeRequest { credentials: None, ..node("lwm2m") },
        NodeRequest { node_id: "urn:gsma:imei:bare".into(), ..udp("other") },
    ];
    let made = domain.core.request_provisioning(&by, request(list)).await.unwrap();
    while domain.core.provision_some().await.unwrap() {}
    let expected = [
        "psk info is missing",
        "conflicting credentials for AddEndPointRequest twice",
        "psk info is missing",
        "Node with nodeID urn:gsma:imei:bare already exists, The existed node resourceName = bare",
    ];
    assert_eq!(messages(&domain, made.id).await, expected);
    for (name, secure) in [("bare", false), ("empty", false), ("keyed", true)] {
        let Target::Node(device) = domain.at(&by, name).await else { panic!("{name} is a node") };
        let credentials = &device.credentials;
        assert_eq!((credentials.is_secure, credentials.psk.is_some()), (secure, secure), "{name}");
        assert!(device.node.as_ref().unwrap().labels.contains(&"profile:SCS-UDP".to_owned()));
    }
    assert_eq!(domain.absent(&by, "bare/credentials").await, Cause::ResourceNotFound);
}

#[tokio::test]
async fn a_dry_run_tells_what_would_be_and_makes_nothing() {
    let domain = Ground::new(73).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Capp").await;
    assert_eq!(domain.provision(&by, vec![node("there")]).await, 0);
    let newest = domain.newest();
    let nodes = [node("there"), node("new"), node("new"), NodeRequest::default()];
    let outcomes = domain.core.try_provisioning(&tenant.scope, &nodes).await.unwrap();
    let told: Vec<Option<String>> = outcomes.into_iter().map(|one| one.map(|refusal| refusal.message)).collect();
    let taken = |name: &str| {
        Some(format!("Node with nodeID urn:gsma:imei:{name} already exists, The existed node resourceName = {name}"))
    };
    assert_eq!(told, [taken("there"), None, taken("new"), Some("nodeID can not be empty.".to_owned())]);
    assert_eq!(domain.newest(), newest, "nothing was written");
    assert_eq!(domain.provision(&by, vec![node("new")]).await, 0);
}

#[tokio::test]
async fn an_application_owns_no_more_devices_than_it_may() {
    let domain = Ground::new(74).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Capp").await;
    let limits = AppLimits { devices: Some(2), ..AppLimits::default() };
    let change = AppChange { limits: Some(limits), ..AppChange::default() };
    domain.core.change_app(&tenant.all, tenant.app.id, change).await.unwrap();
    assert_eq!(domain.provision(&by, vec![node("a"), NodeRequest::default(), node("b"), node("c"), node("c")]).await, 3);
    assert!(domain.core.device_by_node("urn:gsma:imei:b").await.is_ok(), "as many as may be");
    assert_eq!(domain.provision(&by, vec![node("c")]).await, 1);
    let device = domain.core.device_by_node("urn:gsma:imei:a").await.unwrap();
    domain.core.delete_device(&tenant.scope, device.id, false).await.unwrap();
    assert_eq!(domain.provision(&by, vec![node("c")]).await, 0);
}

#[tokio::test]
async fn access_tokens_end_and_the_lasting_one_does_not() {
    let domain = Ground::new(75).await;
    let tenant = domain.tenant("t").await;
    tenant.origin(&domain, "Capp").await;
    let lasting = domain.core.rotate_originator_token(&tenant.all, tenant.app.id).await.unwrap();
    let (access, _) = domain.core.client_token(&tenant.app.id.to_string(), &tenant.secret).await.unwrap();
    let may = |token: Secret| {
        let core = domain.core.clone();
        async move { core.originator(Some("t"), token.expose(), "Capp").await.map(|_| ()) }
    };
    let (second, _) = domain.core.client_token(&tenant.app.id.to_string(), &tenant.secret).await.unwrap();
    for token in [&access, &second, &lasting] {
        assert_eq!(may(token.clone()).await, Ok(()), "one does not end another");
    }
    // What a token says of its end is signed.
    let parts: Vec<&str> = access.expose().split('.').collect();
    let longer = [parts[0], &format!("f{}", parts[1]), parts[2], parts[3]].join(".");
    for forged in [longer, access.expose()[..access.expose().len() - 1].to_owned(), parts[..3].join(".")] {
        assert_eq!(cause(may(Secret::new(forged)).await), Cause::Unauthenticated);
    }
    domain.core.rotate_app_secret(&tenant.all, tenant.app.id).await.unwrap();
    assert_eq!(cause(may(second).await), Cause::Unauthenticated, "a new secret ends them all");
    let renewed = domain.core.rotate_app_secret(&tenant.all, tenant.app.id).await.unwrap();
    let (access, ends_s) = domain.core.client_token(&tenant.app.id.to_string(), renewed.expose()).await.unwrap();
    domain.advance_s(ends_s);
    assert_eq!(cause(may(access).await), Cause::Unauthenticated);
    assert_eq!(may(lasting.clone()).await, Ok(()));
    domain.core.rotate_originator_token(&tenant.all, tenant.app.id).await.unwrap();
    assert_eq!(cause(may(lasting).await), Cause::Unauthenticated, "its successor ended it");
}
