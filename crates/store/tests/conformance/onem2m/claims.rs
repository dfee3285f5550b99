//! Who has a name already that a new node wants.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use std::sync::Arc;

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
