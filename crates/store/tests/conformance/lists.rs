//! Lists: filters, pages, order, and the walls between accounts.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;

async fn found(store: &SharedStore, filter: &DeviceFilter, page: PageRequest) -> (u64, Vec<String>) {
    let page = store.devices(filter, page).await.unwrap();
    (page.total, page.items.iter().map(|d| d.node_id.clone()).collect())
}

fn names(names: &str) -> Vec<String> {
    names.split_whitespace().map(str::to_owned).collect()
}

pub async fn devices_by_filter_and_page(place: Place) {
    let store = place.open();
    let acc = account("a");
    let (p, q) = (app(acc.id, "p"), app(acc.id, "q"));
    let pr = product(acc.id, "m");
    let mut devices: Vec<Device> = (0..6).map(|i| device(acc.id, p.id, &format!("n{i}"))).collect();
    let gateway = devices[0].id;
    for (i, d) in devices.iter_mut().enumerate() {
        d.created_at = START.plus_s(i as i64 / 2 * 10);
    }
    devices[1].gateway = Some(gateway);
    devices[0].node_type = NodeType::Gateway;
    devices[2].principals = q.id.into();
    devices[3].principals = [q.id, p.id].into_iter().collect();
    devices[5].principals = Principals::default();
    std::sync::Arc::make_mut(&mut devices[3].info).device_type = Some("lamp".into());
    std::sync::Arc::make_mut(&mut devices[3].info).location = Some("hall".into());
    std::sync::Arc::make_mut(&mut devices[4].info).name = Some("tap".into());
    devices[4].product = Some(pr.id);
    devices[5].status = DeviceStatus::Online;
    // Equal times are told apart by id.
    devices.iter_mut().for_each(|d| d.id.0 = uuid::Uuid::from_u128(d.node_id.as_bytes()[1].into()));
    devices[1].gateway = Some(devices[0].id);
    let gateway = devices[0].id;
    store.commit(Batch { writes: devices.iter().map(write_device).collect(), events: vec![] }).await.unwrap();
    let all = DeviceFilter { sort: Sort::Ascending, ..DeviceFilter::of(acc.id) };
    let cases: Vec<(DeviceFilter, &str)> = vec![
        (all.clone(), "n0 n1 n2 n3 n4 n5"),
        (DeviceFilter::of(acc.id), "n5 n4 n3 n2 n1 n0"),
        (DeviceFilter { principal: Some(p.id), ..all.clone() }, "n0 n1 n3 n4"),
        (DeviceFilter { principal: Some(p.id), ..DeviceFilter::of(acc.id) }, "n4 n3 n1 n0"),
        (DeviceFilter { principal: Some(q.id), ..all.clone() }, "n2 n3"),
        (DeviceFilter { principal: Some(q.id), device_type: Some("lamp".into()), ..all.clone() }, "n3"),
        (DeviceFilter { principal: Some(p.id), location: Some("hall".into()), ..all.clone() }, "n3"),
        (DeviceFilter { principal: Some(q.id), node_type: Some(NodeType::Endpoint), ..all.clone() }, "n2 n3"),
        (DeviceFilter { principal: Some(q.id), gateway: Some(gateway), ..all.clone() }, ""),
        (DeviceFilter { principal: Some(p.id), status: Some(DeviceStatus::Online), ..all.clone() }, ""),
        (DeviceFilter { principal: Some(p.id), node_id: Some("n5".into()), ..all.clone() }, ""),
        (DeviceFilter { principal: Some(q.id), created_after: Some(START), ..all.clone() }, "n2 n3"),
        (DeviceFilter { gateway: Some(gateway), ..all.clone() }, "n0 n1"),
        (DeviceFilter { node_type: Some(NodeType::Gateway), ..all.clone() }, "n0"),
        (DeviceFilter { device_type: Some("lamp".into()), ..all.clone() }, "n3"),
        (DeviceFilter { location: Some("hall".into()), ..all.clone() }, "n3"),
        (DeviceFilter { location: Some("lamp".into()), ..all.clone() }, ""),
        (DeviceFilter { name: Some("tap".into()), ..all.clone() }, "n4"),
        (DeviceFilter { node_id: Some("n2".into()), ..all.clone() }, "n2"),
        (DeviceFilter { product: Some(pr.id), ..all.clone() }, "n4"),
        (DeviceFilter { status: Some(DeviceStatus::Online), ..all.clone() }, "n5"),
        (DeviceFilter { created_after: Some(START), ..all.clone() }, "n2 n3 n4 n5"),
        (DeviceFilter { created_before: Some(START.plus_s(20)), ..all.clone() }, "n0 n1 n2 n3"),
        (
            DeviceFilter {
                principal: Some(p.id),
                created_after: Some(START),
                status: Some(DeviceStatus::Inactive),
                ..all.clone()
            },
            "n3 n4",
        ),
    ];
    for (filter, expected) in cases {
        let expected = names(expected);
        assert_eq!(found(&store, &filter, ALL).await, (expected.len() as u64, expected.clone()), "{filter:?}");
        let page = PageRequest { no: 1, size: 2 };
        let second = expected.iter().skip(2).take(2).cloned().collect();
        assert_eq!(found(&store, &filter, page).await, (expected.len() as u64, second), "{filter:?}");
    }
    let beyond = PageRequest { no: u64::MAX, size: u32::MAX };
    assert_eq!(found(&store, &all, beyond).await, (6, vec![]));
}

pub async fn a_device_is_listed_by_each_of_its_principals(place: Place) {
    let store = place.open();
    let (one, other) = (one_device(&store, "n1").await, one_device(&store, "n2").await);
    let (p, q) = (app(one.account, "p").id, app(one.account, "q").id);
    let mut now = one;
    for seen_by in [vec![p, q], vec![q, p], vec![], vec![p], vec![p], vec![q]] {
        now = next(&now, |d| d.principals = seen_by.iter().copied().collect());
        store.commit(put([write_device(&now)])).await.unwrap();
        // Neither its presence nor its kind takes it from them.
        now = next(&now, |d| d.status = DeviceStatus::Online);
        store.commit(put([write_device(&now)])).await.unwrap();
        now =
            next(&now, |d| d.node_type = if d.node_type == NodeType::Endpoint { NodeType::Gateway } else { NodeType::Endpoint });
        store.commit(put([write_device(&now)])).await.unwrap();
        for principal in [p, q] {
            let filter =
                DeviceFilter { principal: Some(principal), node_type: Some(now.node_type), ..DeviceFilter::of(now.account) };
            let expected: Vec<_> = seen_by.contains(&principal).then_some(now.id).into_iter().collect();
            let page = store.devices(&filter, ALL).await.unwrap();
            assert_eq!((page.total, ids(&page.items)), (expected.len() as u64, expected.clone()), "{seen_by:?} {principal}");
            assert_eq!(ids(&store.devices_after(&filter, None, 9).await.unwrap()), expected);
            let foreign = DeviceFilter { account: other.account, ..filter };
            assert!(
                store.devices_after(&foreign, None, 9).await.unwrap().is_empty(),
                "not even the principal of another account"
            );
        }
    }
    let many = next(&now, |d| d.principals = (0..=Principals::MOST).map(|_| AppId(fresh_uuid())).collect());
    assert_eq!(cause(store.commit(put([write_device(&many)])).await), Cause::InvalidField);
    store.commit(put([Write::DeleteDevice(now.id)])).await.unwrap();
    drop(store);
    let store = place.open();
    let left = DeviceFilter { principal: Some(q), ..DeviceFilter::of(now.account) };
    assert_eq!(store.devices(&left, ALL).await.unwrap().total, 0);
    assert!(store.devices_after(&left, None, 9).await.unwrap().is_empty());
}

fn ids(devices: &[std::sync::Arc<Device>]) -> Vec<DeviceId> {
    devices.iter().map(|device| device.id).collect()
}

pub async fn lists_stay_within_their_account(place: Place) {
    let store = place.open();
    let (one, two) = (one_device(&store, "n1").await, one_device(&store, "n2").await);
    for (mine, other) in [(&one, &two), (&two, &one)] {
        let filters = [
            DeviceFilter::of(mine.account),
            DeviceFilter { principal: other.app(), ..DeviceFilter::of(mine.account) },
            DeviceFilter { gateway: Some(other.id), ..DeviceFilter::of(mine.account) },
            DeviceFilter { node_id: Some(other.node_id.clone()), ..DeviceFilter::of(mine.account) },
        ];
        for (filter, count) in filters.into_iter().zip([1, 0, 0, 0]) {
            let page = store.devices(&filter, ALL).await.unwrap();
            assert_eq!(page.total, count, "{filter:?}");
            assert!(page.items.iter().all(|d| d.account == mine.account));
        }
        let apps = store.apps(mine.account, ALL).await.unwrap();
        assert_eq!((apps.total, apps.items[0].id), (1, mine.app().unwrap()));
        let su = subscription(mine.account, mine.app().unwrap(), SubscriptionKind::Notify(NotifyType::CommandRsp), "http://x");
        let over_mqtt = Subscription { id: SubscriptionId(fresh_uuid()), channel: Channel::Mqtt, ..su.clone() };
        let told = [su, over_mqtt].map(|one| Write::Subscription(Box::new(one)));
        let products = put(told.into_iter().chain([Write::Product(Box::new(product(mine.account, "m")))]));
        store.commit(products).await.unwrap();
        let products = store.products(mine.account, ALL).await.unwrap();
        assert_eq!((products.total, products.items[0].account), (1, mine.account));
    }
    for mine in [&one, &two] {
        let filter = SubscriptionFilter { account: Some(mine.account), ..Default::default() };
        let page = store.subscriptions(&filter, ALL).await.unwrap();
        assert_eq!((page.total, page.items[0].account), (2, mine.account));
        let cases = [
            (SubscriptionFilter { owner: mine.app(), ..Default::default() }, 2),
            (SubscriptionFilter { target: mine.app(), ..filter.clone() }, 2),
            (SubscriptionFilter { channel: Some(Channel::Http), ..filter.clone() }, 1),
            (SubscriptionFilter { channel: Some(Channel::Mqtt), ..filter.clone() }, 1),
            (SubscriptionFilter { kind: Some(SubscriptionKind::CallAddress), ..filter.clone() }, 0),
            (SubscriptionFilter { kind: Some(SubscriptionKind::Notify(NotifyType::CommandRsp)), ..filter.clone() }, 2),
            (SubscriptionFilter { callback_url: Some("http://x".into()), ..Default::default() }, 4),
            (SubscriptionFilter { callback_url: Some("http://".into()), ..Default::default() }, 0),
        ];
        for (filter, count) in cases {
            assert_eq!(store.subscriptions(&filter, ALL).await.unwrap().total, count, "{filter:?}");
        }
    }
    assert_eq!(store.accounts(None, PageRequest { no: 1, size: 1 }).await.unwrap().items[0].name, "account of n2");
}

pub async fn due_devices_are_found(place: Place) {
    let store = place.open();
    let first = one_device(&store, "n0").await;
    let mut all = vec![first.clone()];
    for i in 1..5 {
        let mut d = device(first.account, first.app(), &format!("n{i}"));
        d.status = DeviceStatus::Online;
        d.connected = i % 2 == 0;
        d.heard_at = Some(START.plus_s(i * 10));
        d.credentials.code_expires_at = Some(START.plus_s(i));
        d.activated = i == 4;
        store.commit(put([write_device(&d)])).await.unwrap();
        all.push(d);
    }
    let ids = async |due: Due, limit: u32| -> Vec<String> {
        let found = store.due_devices(due, limit).await.unwrap();
        found.iter().map(|d| d.node_id.clone()).collect()
    };
    let online = |before_s| Due::Silent(DeviceStatus::Online, START.plus_s(before_s));
    for limit in [1, 2, 100] {
        let longest = |all: &str| names(all).into_iter().take(limit as usize).collect::<Vec<_>>();
        assert_eq!(ids(online(30), limit).await, longest("n1 n2"));
        assert_eq!(ids(Due::Silent(DeviceStatus::Offline, START.plus_s(99)), limit).await, names(""));
        assert_eq!(ids(Due::Expired(START.plus_s(3)), limit).await, longest("n1 n2"));
        assert_eq!(ids(Due::Expired(START.plus_s(9)), limit).await, longest("n1 n2 n3"));
        let mut connected = Vec::new();
        while let next = store.connected_devices(connected.last().map(|d: &std::sync::Arc<Device>| d.id), limit).await.unwrap()
            && !next.is_empty()
        {
            assert!(next.len() <= limit as usize);
            connected.extend(next);
        }
        assert!(connected.is_sorted_by_key(|d| d.id));
        let mut connected: Vec<_> = connected.iter().map(|d| d.node_id.clone()).collect();
        connected.sort();
        assert_eq!(connected, names("n2 n4"));
    }
    // What waits in memory counts as heard, and so does what was flushed.
    place.set(START.plus_s(50));
    store.commit(tell(vec![reported(&all[1], place.now(), "s", "{}", START)])).await.unwrap();
    for _ in 0..2 {
        assert_eq!(ids(online(30), 1).await, names("n2"));
        let mut silent = ids(online(51), 100).await;
        silent.sort();
        assert_eq!(silent, names("n1 n2 n3 n4"));
        assert_eq!(store.device_state(all[1].id).await.unwrap().last_seen, Some(START.plus_s(50)));
        store.flush().await.unwrap();
    }
    assert_eq!(store.device_state(all[2].id).await.unwrap().last_seen, Some(START.plus_s(20)));
    assert_eq!(store.device_state(all[0].id).await.unwrap().last_seen, None);
}

pub async fn many_devices_page_well(place: Place) {
    let store = place.open();
    let first = one_device(&store, "first").await;
    for block in 0..10 {
        let writes = (0..100).map(|i| {
            let mut d = device(first.account, first.app(), &format!("n{block}-{i}"));
            d.created_at = START.plus_s(1 + (i * 7 + block) % 50);
            write_device(&d)
        });
        store.commit(Batch { writes: writes.collect(), events: vec![] }).await.unwrap();
    }
    let filter = DeviceFilter { principal: first.app(), ..DeviceFilter::of(first.account) };
    let mut seen = Vec::new();
    for no in 0..8 {
        let page = store.devices(&filter, PageRequest { no, size: 150 }).await.unwrap();
        assert_eq!(page.total, 1001);
        seen.extend(page.items.iter().map(|d| (d.created_at, d.id)));
    }
    assert_eq!(seen.len(), 1001);
    assert!(seen.windows(2).all(|w| w[0] > w[1]), "strictly descending by time, then id");
}

/// No text that is stored holds NUL, and a database that takes none says the same.
pub async fn nul_in_a_filter_finds_nothing(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let page = PageRequest { no: 0, size: 10 };
    let odd = || Some("n\0".to_owned());
    let all = DeviceFilter::of(de.account);
    for filter in [
        DeviceFilter { node_id: odd(), ..all.clone() },
        DeviceFilter { name: odd(), ..all.clone() },
        DeviceFilter { location: odd(), ..all.clone() },
        DeviceFilter { device_type: odd(), ..all.clone() },
    ] {
        assert_eq!(store.devices(&filter, page).await.unwrap(), Page { total: 0, items: vec![] }, "{filter:?}");
    }
    let filter = SubscriptionFilter { callback_url: odd(), ..SubscriptionFilter::default() };
    assert_eq!(store.subscriptions(&filter, page).await.unwrap().total, 0);
    assert_eq!(store.accounts(Some("a\0"), page).await.unwrap().total, 0);
    assert_eq!(store.device_by_node("n\0").await, Ok(None));
    assert_eq!(store.device_by_psk_identity("n\0").await, Ok(None));
    assert_eq!(store.devices(&all, page).await.unwrap().total, 1);
}
