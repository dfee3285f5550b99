//! Users by name and by device, and accounts by tenant id.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;

fn user(account: AccountId, name: &str, role: Role) -> User {
    User {
        account,
        name: name.into(),
        version: 1,
        role,
        password: PasswordHash::Argon2("$argon2id$".into()),
        enabled: true,
        device_id: None,
        proven: false,
        created_at: START,
    }
}

fn of_device(account: AccountId, id: &str) -> User {
    let password = PasswordHash::Keyed { key: 7, salt: [1; 16], code: Digest([2; 32]) };
    User { password, device_id: Some(id.into()), ..user(account, &format!("device_{id}"), Role::Device) }
}

async fn kept(store: &SharedStore, user: &User) -> Result<Seq> {
    seq(store.commit(put([Write::User(Box::new(user.clone()))])).await)
}

async fn named(store: &SharedStore, account: AccountId, role: Option<Role>, page: PageRequest) -> (u64, Vec<String>) {
    let found = store.users(account, role, page).await.unwrap();
    (found.total, found.items.iter().map(|user| user.name.clone()).collect())
}

pub async fn users_come_back_by_name_and_by_device(place: Place) {
    let mut store = place.open();
    let (a, b) = (account("a").id, account("b").id);
    // Long names that differ in their last character alone.
    let long = "ß".repeat(999);
    let (one, two) = (of_device(a, &format!("{long}1")), of_device(b, &format!("{long}2")));
    let (max, server) = (user(a, "Max", Role::Admin), user(AccountId::MANAGEMENT, "max", Role::Bootstrap));
    for user in [&one, &two, &max, &server] {
        kept(&store, user).await.unwrap();
    }
    for _ in 0..2 {
        assert_eq!(store.user(a, "mAX").await.unwrap().as_deref(), Some(&max));
        assert_eq!(store.user(b, "max").await, Ok(None));
        assert_eq!(store.user(AccountId::MANAGEMENT, "max").await.unwrap().as_deref(), Some(&server));
        assert_eq!(store.user(a, &one.name).await.unwrap().as_deref(), Some(&one));
        for user in [&one, &two] {
            assert_eq!(store.user_of_device(user.device_id.as_ref().unwrap()).await.unwrap().as_deref(), Some(user));
        }
        for absent in ["1", "max", "a\0"] {
            assert_eq!(
                (store.user(a, absent).await.unwrap().is_some(), store.user_of_device(absent).await),
                (absent == "max", Ok(None))
            );
        }
        let ids = ["1", &*one.device_id.clone().unwrap(), "a\0", &*two.device_id.clone().unwrap()].map(str::to_owned);
        let mut several = store.users_of_devices(ids.into()).await.unwrap();
        several.sort_by_key(|user| user.account != a);
        assert_eq!(several, [one.clone(), two.clone()]);
        let names = [(a, "mAX"), (b, "max"), (a, "a\0"), (a, &one.name), (b, &one.name)].map(|(of, name)| (of, name.to_owned()));
        let mut several = store.users_named(names.into()).await.unwrap();
        several.sort_by_key(|user| user.role != Role::Admin);
        assert_eq!(several, [max.clone(), one.clone()]);
        // The second time from the database.
        store.shutdown().await;
        store = place.open();
    }
    assert_eq!(cause(kept(&store, &User { name: "a\0".into(), ..max }).await), Cause::InvalidField);
    store.commit(put([Write::DeleteUser(a, "MAX".into()), Write::DeleteUser(b, two.name.clone())])).await.unwrap();
    assert_eq!(store.user(a, "max").await, Ok(None));
    assert_eq!(store.user_of_device(two.device_id.as_ref().unwrap()).await, Ok(None));
    kept(&store, &of_device(a, &format!("{long}2"))).await.unwrap();
    assert_eq!(store.user_of_device(two.device_id.as_ref().unwrap()).await.unwrap().unwrap().account, a);
}

pub async fn users_are_versioned_and_their_devices_unique(place: Place) {
    let store = place.open();
    let (a, b) = (account("a").id, account("b").id);
    let first = of_device(a, "1");
    kept(&store, &first).await.unwrap();
    // Of another name there, or of another account.
    for other in [User { name: "x".into(), ..first.clone() }, of_device(b, "1")] {
        assert_eq!(cause(kept(&store, &other).await), Cause::NameTaken);
    }
    for (version, fits) in [(1, false), (3, false), (2, true), (2, false)] {
        let next = User { name: "DEVICE_1".into(), version, proven: true, ..first.clone() };
        assert_eq!(kept(&store, &next).await.map_err(|error| error.cause), if fits { Ok(Seq(0)) } else { Err(Cause::Stale) });
    }
    let found = store.user(a, "device_1").await.unwrap().unwrap();
    assert_eq!((found.version, found.proven), (2, true));
    assert_eq!(store.user_of_device("1").await.unwrap(), Some(found));
}

pub async fn users_by_role_and_page(place: Place) {
    let store = place.open();
    let (a, b) = (account("a").id, account("b").id);
    let made = [user(a, "b", Role::Admin), user(a, "C", Role::Reader), user(a, "a", Role::Reader), user(b, "a", Role::Admin)];
    for user in made.into_iter().chain((0..5).map(|n| of_device(a, &n.to_string()))) {
        kept(&store, &user).await.unwrap();
    }
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (all, two) = (PageRequest { no: 0, size: 100 }, PageRequest { no: 1, size: 2 });
    assert_eq!(named(&store, a, None, two).await, (8, texts(&["C", "device_0"])));
    assert_eq!(named(&store, a, Some(Role::Reader), all).await, (2, texts(&["a", "C"])));
    assert_eq!(named(&store, a, Some(Role::Device), two).await, (5, texts(&["device_2", "device_3"])));
    assert_eq!(named(&store, a, Some(Role::Bootstrap), all).await, (0, vec![]));
    assert_eq!(named(&store, b, None, all).await, (1, texts(&["a"])));
    assert_eq!(named(&store, AccountId::MANAGEMENT, None, all).await, (0, vec![]));
}

pub async fn tenants_are_unique(place: Place) {
    let store = place.open();
    let (plain, own) = (account("a"), Account { tenant: Some("acme".into()), ..account("b") });
    store.commit(put([Write::Account(Box::new(plain.clone())), Write::Account(Box::new(own.clone()))])).await.unwrap();
    let derived = plain.tenant_id().into_owned();
    for same in ["acme", &derived] {
        let third = Account { tenant: Some(same.into()), ..account("c") };
        assert_eq!(cause(store.commit(put([Write::Account(Box::new(third))])).await), Cause::NameTaken);
    }
    let moved = Account { tenant: Some(derived.clone()), version: 2, ..own.clone() };
    assert_eq!(cause(store.commit(put([Write::Account(Box::new(moved))])).await), Cause::NameTaken);
    let found = async |store: &SharedStore, tenant: &str| {
        store.account_of_tenant(tenant).await.unwrap().map(|found| Account::clone(&found))
    };
    assert_eq!(found(&store, &derived).await, Some(plain.clone()));
    let renamed = Account { tenant: Some("other".into()), version: 2, ..own.clone() };
    assert_eq!(found(&store, "acme").await, Some(own));
    store.commit(put([Write::Account(Box::new(renamed.clone()))])).await.unwrap();
    drop(store);
    let store = place.open();
    for (tenant, expected) in
        [("acme", None), ("other", Some(renamed)), (&derived, Some(plain)), ("management", None), ("\0", None)]
    {
        assert_eq!(found(&store, tenant).await, expected, "{tenant}");
    }
}
