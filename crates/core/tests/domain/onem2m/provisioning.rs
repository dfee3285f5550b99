//! Provisioning in virtual time: turns, names that other dialects took, limits, dry runs, and tokens that end.

use crate::{Ground, Tenant, cause, new_device, onem2m::tree::node};
use landfall_core::{AppChange, Provisioning, ProvisioningRequest, RegisterDevice, Target};
use landfall_model::{AppLimits, Cause, JobState, NodeRequest, PageRequest, ResourceId, Secret};

const ALL: PageRequest = PageRequest { no: 0, size: 1_000 };

fn request(nodes: Vec<NodeRequest>) -> ProvisioningRequest {
    ProvisioningRequest { nodes, ..ProvisioningRequest::default() }
}

async fn state(domain: &Ground, tenant: &Tenant, id: ResourceId) -> Provisioning {
    domain.core.provisioning(&tenant.scope, id).await.unwrap()
}

async fn messages(domain: &Ground, request: &Provisioning) -> Vec<String> {
    let failures = domain.core.failed_nodes(request, ALL).await.unwrap();
    failures.items.into_iter().map(|failure| failure.message).collect()
}

#[tokio::test]
async fn a_short_request_does_not_wait_for_a_long_one() {
    let domain = Ground::new(71).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Capp").await;
    let long = domain.core.request_provisioning(&by, request((0..650).map(|n| node(&format!("l{n}"))).collect())).await.unwrap();
    let short = domain.core.request_provisioning(&by, request(vec![node("s")])).await.unwrap();
    // A part of each, then the end of the short one.
    for _ in 0..4 {
        assert!(domain.core.turn_jobs().await.unwrap().more, "there was something to do");
    }
    let (long_now, short_now) = (state(&domain, &tenant, long.id).await, state(&domain, &tenant, short.id).await);
    assert_eq!((short_now.done, short_now.finished_at), (1, Some(domain.core.now())));
    assert!(long_now.done > 0 && long_now.done < 650 && long_now.finished_at.is_none(), "{long_now:?}");
    domain.advance_s(5);
    while domain.core.turn_jobs().await.unwrap().more {}
    let long_now = state(&domain, &tenant, long.id).await;
    assert_eq!((long_now.done, long_now.failed, long_now.finished_at), (650, 0, Some(domain.core.now())));
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
    while domain.core.turn_jobs().await.unwrap().more {}
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
    assert_eq!(messages(&domain, &made).await, expected);
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
    while domain.core.turn_jobs().await.unwrap().more {}
    let expected = [
        "psk info is missing",
        "conflicting credentials for AddEndPointRequest twice",
        "psk info is missing",
        "Node with nodeID urn:gsma:imei:bare already exists, The existed node resourceName = bare",
    ];
    assert_eq!(messages(&domain, &made).await, expected);
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

/// What a job can is a list's too: it rests, it is stopped, and what failed is tried again under a name of its own in the tree.
#[tokio::test]
async fn lists_are_paused_stopped_and_tried_again() {
    let domain = Ground::new(79).await;
    let (tenant, other) = (domain.tenant("t").await, domain.tenant("other").await);
    let by = tenant.origin(&domain, "Capp").await;
    let core = &domain.core;
    let mut nodes: Vec<NodeRequest> = (0..250).map(|n| node(&format!("n{n}"))).collect();
    nodes[3].profile = "none".into();
    let made = core.request_provisioning(&by, request(nodes)).await.unwrap();
    let (job, scope) = (made.job(), &tenant.scope);
    assert!(core.turn_jobs().await.unwrap().more);
    core.pause_job(scope, job).await.unwrap();
    assert!(!core.turn_jobs().await.unwrap().more);
    let rests = state(&domain, &tenant, made.id).await;
    assert!(rests.state == "paused" && rests.done > 0 && rests.done < 250 && rests.finished_at.is_none(), "{rests:?}");
    assert_eq!(cause(core.stop_job(&other.all, job).await), Cause::ResourceNotFound, "another account's");
    core.stop_job(scope, job).await.unwrap();
    while core.turn_jobs().await.unwrap().more {}
    let stopped = state(&domain, &tenant, made.id).await;
    assert_eq!((stopped.state, stopped.done, stopped.made + 1, stopped.failed), ("stopped", 250, rests.done, 1));
    let again = core.retry_job(scope, job, None).await.unwrap();
    while core.turn_jobs().await.unwrap().more {}
    let (over, counts) = core.job(scope, again.id).await.unwrap();
    assert_eq!((over.state, over.total, counts.failed), (JobState::Finished, 1, 1));
    let Target::Request(shown) = domain.at(&by, &format!("device-provisioning/request/{}", again.name)).await else { panic!() };
    assert_eq!((shown.job(), core.provisioning_nodes(&shown).await.unwrap()[0].node_id.as_str()), (again.id, "urn:gsma:imei:n3"));
}

/// Lists of two accounts are worked off side by side; a frozen application's is stopped, with the reason.
#[tokio::test]
async fn a_list_ends_with_the_rights_of_its_application() {
    let domain = Ground::new(80).await;
    let (tenant, other) = (domain.tenant("t").await, domain.tenant("other").await);
    let (by, by_other) = (tenant.origin(&domain, "Capp").await, other.origin(&domain, "Cother").await);
    let list = |name: &str| request((0..250).map(|n| node(&format!("{name}{n}"))).collect());
    let frozen = domain.core.request_provisioning(&by, list("a")).await.unwrap();
    let free = domain.core.request_provisioning(&by_other, list("b")).await.unwrap();
    assert!(domain.core.turn_jobs().await.unwrap().more);
    let change = AppChange { frozen: Some(true), ..AppChange::default() };
    domain.core.change_app(&tenant.all, tenant.app.id, change).await.unwrap();
    while domain.core.turn_jobs().await.unwrap().more {}
    let (job, counts) = domain.core.job(&tenant.all, frozen.job()).await.unwrap();
    assert_eq!((job.state, counts.over()), (JobState::Stopped, 250));
    assert!(counts.succeeded < 250 && job.reason.is_some(), "{job:?} {counts:?}");
    assert_eq!(domain.core.provisioning(&other.scope, free.id).await.unwrap().made, 250);
}
