//! Requests for the credentials of devices: one for an id on the whole server, listed for their account.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;

fn request(id: &str, account: AccountId, at: i64) -> DeviceRequest {
    let state = RequestState::WaitingForConnection;
    DeviceRequest {
        id: id.into(),
        account,
        version: 1,
        state,
        owner: "ann".into(),
        extras: Some(r#"{"type":"c8y_Linux"}"#.into()),
        token: Some(Digest([7; 32])),
        issued: vec![PasswordHash::Keyed { key: 1, salt: [2; 16], code: Digest([3; 32]) }],
        created_at: Time(at),
    }
}

pub async fn device_requests_are_unique_on_the_server(place: Place) {
    let store = place.open();
    let (mine, theirs) = (AccountId(fresh_uuid()), AccountId(fresh_uuid()));
    let written = |request: &DeviceRequest| store.commit(put([Write::DeviceRequest(Box::new(request.clone()))]));
    // As long as an id may be, and longer in bytes than what an index takes.
    let long: String = (0..1_000).map(|n| char::from_u32(0x1_f300 + n * 7 % 600).unwrap()).collect();
    let all = [request("b", mine, 10), request("a", mine, 20), request(&long, mine, 30), request("A", theirs, 5)];
    for one in &all {
        written(one).await.unwrap();
    }
    assert_eq!(cause(written(&request("a", theirs, 40)).await), Cause::Stale, "another account's");
    assert_eq!(cause(written(&request("a", mine, 40)).await), Cause::Stale, "its own");
    let asked = DeviceRequest { version: 2, state: RequestState::PendingAcceptance, token: None, ..all[0].clone() };
    written(&asked).await.unwrap();
    assert_eq!(cause(written(&asked).await), Cause::Stale);
    let other = DeviceRequest { version: 2, account: theirs, ..all[1].clone() };
    assert_eq!(cause(written(&other).await), Cause::Stale, "an account keeps its requests");

    drop(store);
    let store = place.open();
    assert_eq!(store.device_request("b").await.unwrap(), Some(asked.clone()));
    assert_eq!(store.device_request(&long).await.unwrap(), Some(all[2].clone()));
    assert_eq!(store.device_request("B").await.unwrap(), None);
    let several = store.requests_of_devices(["B", "b", "nobody", &long].map(str::to_owned).into()).await.unwrap();
    assert!(several.len() == 2 && several.contains(&asked) && several.contains(&all[2]), "{several:?}");
    let page = |no, size| store.device_requests(mine, PageRequest { no, size });
    assert_eq!(page(0, 2).await.unwrap(), Page { total: 3, items: vec![asked, all[1].clone()] });
    assert_eq!(page(1, 2).await.unwrap(), Page { total: 3, items: vec![all[2].clone()] });
    let gone = |id: &str| store.commit(put([Write::DeleteDeviceRequest(id.into())]));
    for id in ["b", &long, "nobody"] {
        gone(id).await.unwrap();
    }
    assert_eq!(page(0, 2).await.unwrap(), Page { total: 1, items: vec![all[1].clone()] });
    assert_eq!(store.device_requests(theirs, PageRequest { no: 0, size: 5 }).await.unwrap().total, 1);
}
