//! Provisioning: requests, their parts and failures, and who has a name already.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use std::sync::Arc;

fn request(account: AccountId, app: AppId, name: &str) -> Provisioning {
    Provisioning {
        id: fresh_id(),
        account,
        app,
        version: 1,
        name: name.into(),
        creator: "C1".into(),
        labels: vec!["l".into()],
        total: 3,
        done: 0,
        failed: 0,
        created_at: START,
        started_at: None,
        finished_at: None,
    }
}

fn write(r: &Provisioning) -> Write {
    Write::Provisioning(Box::new(r.clone()))
}

fn part(request: ResourceId, first: u32, nodes: u32) -> ProvisioningPart {
    let node = |i| NodeRequest {
        node_id: format!("n{i}"),
        credentials: Some(vec![Secret::new("psk:00"), Secret::new("")]),
        groups: Some(vec![]),
        ..NodeRequest::default()
    };
    ProvisioningPart { request, first, nodes: (first..first + nodes).map(node).collect() }
}

fn failure(request: ResourceId, place: u32) -> ProvisioningFailure {
    ProvisioningFailure { request, place, node_id: format!("n{place}\0"), message: "no".into() }
}

fn write_part(r: &ProvisioningPart) -> Write {
    Write::ProvisioningPart(Box::new(r.clone()))
}

fn write_failure(r: &ProvisioningFailure) -> Write {
    Write::ProvisioningFailure(Box::new(r.clone()))
}

pub async fn requests_are_versioned_and_named(place: Place) {
    let store = place.open();
    let (a, b) = (account("a").id, account("b").id);
    let (p, q) = (app(a, "p").id, app(a, "q").id);
    let mut one = request(a, p, "one");
    let two = Provisioning { created_at: START.plus_s(1), ..request(a, q, "two") };
    let foreign = Provisioning { created_at: START.plus_s(-1), ..request(b, p, "one") };
    store.commit(put([write(&one), write(&two), write(&foreign)])).await.unwrap();
    for (version, fits) in [(1, false), (3, false), (2, true), (2, false)] {
        (one.version, one.done) = (version, version as u32);
        let result = seq(store.commit(put([write(&one)])).await).map_err(|e| e.cause);
        assert_eq!(result, if fits { Ok(Seq(0)) } else { Err(Cause::Stale) }, "version {version}");
    }
    let fine = request(a, p, "fine");
    assert_eq!(cause(store.commit(put([write(&fine), write(&request(a, q, "one"))])).await), Cause::ResourceExists);
    assert_eq!(store.provisioning(fine.id).await, Ok(None));
    assert_eq!(cause(store.commit(put([write(&request(a, q, "a\0"))])).await), Cause::InvalidField);
    assert_eq!(store.provisioning(one.id).await, Ok(Some(one.clone())));
    assert_eq!(store.provisioning_named(a, "one").await, Ok(Some(one.clone())));
    assert_eq!(store.provisioning_named(b, "one").await, Ok(Some(foreign.clone())));
    for name in ["two ", "a\0"] {
        assert_eq!(store.provisioning_named(a, name).await, Ok(None), "{name}");
    }
    let lists = [
        (a, None, ALL, 2, vec![&two, &one]),
        (a, Some(p), ALL, 1, vec![&one]),
        (a, None, PageRequest { no: 1, size: 1 }, 2, vec![&one]),
        (b, Some(q), ALL, 0, vec![]),
    ];
    for (account, app, page, total, expected) in lists {
        let found = store.provisionings(account, app, page).await.unwrap();
        assert_eq!((found.total, found.items.iter().collect::<Vec<_>>()), (total, expected));
    }
    assert_eq!(store.open_provisionings(9).await, Ok(vec![foreign.clone(), one.clone(), two.clone()]));
    assert_eq!(store.open_provisionings(1).await, Ok(vec![foreign.clone()]));
    (one.version, one.finished_at) = (3, Some(START.plus_s(9)));
    store.commit(put([write(&one), Write::DeleteProvisioning(foreign.id)])).await.unwrap();
    store.shutdown().await;
    let store = place.open();
    assert_eq!(store.open_provisionings(9).await, Ok(vec![two]));
    assert_eq!(store.provisioning(foreign.id).await, Ok(None));
}

pub async fn parts_hold_their_places(place: Place) {
    let store = place.open();
    let a = account("a");
    let (one, other) = (request(a.id, AppId(a.id.0), "one"), request(a.id, AppId(a.id.0), "other"));
    let parts = [part(one.id, 0, 3), part(one.id, 3, 2), part(one.id, 7, 1)];
    let beside = part(other.id, 0, 9);
    let mut writes: Vec<Write> = parts.iter().map(write_part).collect();
    writes.extend([write(&one), write(&other), write_part(&beside)]);
    store.commit(Batch { writes, events: vec![] }).await.unwrap();
    let expected = [Some(0), Some(0), Some(0), Some(1), Some(1), None, None, Some(2), None];
    for (place, expected) in expected.into_iter().enumerate() {
        let found = store.provisioning_part(one.id, place as u32).await.unwrap();
        assert_eq!(found.as_ref(), expected.map(|i: usize| &parts[i]), "place {place}");
    }
    assert_eq!(store.provisioning_part(one.id, u32::MAX).await, Ok(None));
    store.commit(put([Write::DeleteProvisioning(one.id)])).await.unwrap();
    assert_eq!(store.provisioning_part(one.id, 0).await, Ok(None));
    assert_eq!(store.provisioning_part(other.id, 8).await, Ok(Some(beside)));
}

pub async fn failures_by_page(place: Place) {
    let store = place.open();
    let a = account("a");
    let one = request(a.id, AppId(a.id.0), "one");
    let mut writes = vec![write(&one)];
    writes.extend([5, 1, 3, 1].map(|place| write_failure(&failure(one.id, place))));
    writes.push(write_failure(&failure(fresh_id(), 2)));
    store.commit(Batch { writes, events: vec![] }).await.unwrap();
    for (page, expected) in
        [(ALL, vec![1, 3, 5]), (PageRequest { no: 1, size: 2 }, vec![5]), (PageRequest { no: 2, size: 2 }, vec![])]
    {
        let found = store.provisioning_failures(one.id, page).await.unwrap();
        let expected: Vec<_> = expected.into_iter().map(|place| failure(one.id, place)).collect();
        assert_eq!((found.total, found.items), (3, expected));
    }
    store.commit(put([Write::DeleteProvisioning(one.id)])).await.unwrap();
    assert_eq!(store.provisioning_failures(one.id, ALL).await.unwrap().total, 0);
}

pub async fn claims_name_who_is_there(place: Place) {
    let store = place.open();
    let one = one_device(&store, "n1").await;
    let one = next(&one, |d| {
        d.node = Some(Arc::new(node("meter")));
        d.credentials.psk_identity = Some("key".into());
    });
    let plain = device(one.account, one.app(), "n2");
    store.commit(put([write_device(&one), write_device(&plain)])).await.unwrap();
    let (one, plain) = (Arc::new(one), Arc::new(plain));
    let claim =
        |node_id: &str, name: &str, psk: &str| Claim { node_id: node_id.into(), name: name.into(), psk_identity: psk.into() };
    let taken = |node_id, name, psk_identity| TakenNames { node_id, name, psk_identity, resource: false };
    let free = TakenNames::default();
    let cases = [
        (claim("x", "y", "z"), free.clone()),
        (claim("n1", "y", "z"), taken(Some(one.clone()), None, false)),
        (claim("n2", "meter", "z"), taken(Some(plain.clone()), Some(one.clone()), false)),
        // The nodeId of a device without an identity of its own is one.
        (claim("x", "y", "n2"), taken(None, None, true)),
        // And so is that of a device that has one: it may be without it one day.
        (claim("x", "y", "n1"), taken(None, None, true)),
        (claim("key", "y", "urn:imei:n2"), taken(Some(one.clone()), None, true)),
        (claim("", "", "key"), taken(None, None, true)),
        (claim("n1\0", "meter\0", "key\0"), free.clone()),
    ];
    let (claims, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    assert_eq!(store.claims(one.account, claims.clone()).await, Ok(expected));
    // Names of nodes are the account's own, the others the server's.
    let elsewhere = store.claims(AccountId(fresh_uuid()), claims).await.unwrap();
    assert_eq!(elsewhere[2], taken(Some(plain), None, false));
    assert_eq!(store.claims(one.account, vec![]).await, Ok(vec![]));
    let many = vec![claim("x", "y", "z"); 1_001];
    assert_eq!(cause(store.claims(one.account, many).await), Cause::TooMany);
}

pub async fn finished_requests_go_in_time(place: Place) {
    let store = place.open();
    let a = account("a");
    let app = AppId(a.id.0);
    let done = |name: &str, s| Provisioning { finished_at: Some(START.plus_s(s)), ..request(a.id, app, name) };
    let (first, second, open) = (done("first", 0), done("second", 10), request(a.id, app, "open"));
    let stray = fresh_id();
    let mut writes: Vec<Write> = [&first, &second, &open].into_iter().map(write).collect();
    for id in [first.id, second.id, open.id, stray] {
        writes.extend([write_part(&part(id, 0, 1)), write_failure(&failure(id, 0))]);
    }
    store.commit(Batch { writes, events: vec![] }).await.unwrap();
    let left = async || {
        let mut left = Vec::new();
        for id in [first.id, second.id, open.id, stray] {
            let part = store.provisioning_part(id, 0).await.unwrap().is_some();
            assert_eq!(store.provisioning_failures(id, ALL).await.unwrap().total == 1, part);
            left.push(part);
        }
        left
    };
    // What has no request waits for it a day.
    assert_eq!(store.prune(START.plus_s(3_600)).await, Ok(false));
    assert_eq!(left().await, [true, true, true, true]);
    assert_eq!(store.prune(START.plus_s(2 * DAY_S)).await, Ok(false));
    assert_eq!(left().await, [true, true, true, false]);
    assert_eq!(store.prune(START.plus_s(90 * DAY_S + 5)).await, Ok(false));
    assert_eq!(left().await, [false, true, true, false]);
    assert_eq!(store.provisioning(first.id).await, Ok(None));
    assert_eq!(store.provisioning(second.id).await, Ok(Some(second.clone())));
    assert_eq!(store.prune(START.plus_s(900 * DAY_S)).await, Ok(false));
    assert_eq!(left().await, [false, false, true, false]);
}
