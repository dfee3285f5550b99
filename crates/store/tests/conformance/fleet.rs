//! Many devices at once.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;

async fn walked(store: &SharedStore, fleet: &Fleet, limit: u32) -> Vec<DeviceId> {
    let (mut found, mut after) = (vec![], None);
    loop {
        let next = store.fleet(fleet, after, limit).await.unwrap();
        assert!(next.len() <= limit as usize);
        after = next.last().copied();
        if after.is_none() {
            return found;
        }
        found.extend(next);
    }
}

pub async fn a_fleet_has_each_device_once(place: Place) {
    let store = place.open();
    let (first, stranger) = (one_device(&store, "n0").await, one_device(&store, "stranger").await);
    let other = app(first.account, "other");
    let (meter, valve) = (product(first.account, "meter"), product(first.account, "valve"));
    let groups: Vec<Group> = ["a", "b", "c"].map(|name| group(first.account, name)).into();
    let mut writes = vec![Write::App(Box::new(other.clone()))];
    writes.extend([&meter, &valve].map(|product| Write::Product(Box::new(product.clone()))));
    writes.extend(groups.iter().map(|group| Write::Group(Box::new(group.clone()))));
    let mut devices = vec![];
    for n in 0..40_u8 {
        let principals = if n % 10 == 9 { other.id } else { first.app().unwrap() };
        let product = if n % 2 == 0 { &meter } else { &valve };
        let created_at = START.plus_s((n % 4).into());
        devices.push(Device { product: Some(product.id), created_at, ..device(first.account, principals, &format!("d{n}")) });
    }
    writes.extend(devices.iter().map(write_device));
    let ids = |from: usize, to: usize| devices[from..to].iter().map(|device| device.id).collect::<Vec<_>>();
    writes.extend([
        Write::Join(groups[0].id, ids(0, 20)),
        Write::Join(groups[1].id, ids(10, 30)),
        Write::Join(groups[2].id, ids(15, 16)),
    ]);
    store.commit(put(writes)).await.unwrap();
    let wanted = |fits: &dyn Fn(usize) -> bool| {
        let mut found: Vec<_> = (0..40).filter(|n| fits(*n)).map(|n| devices[n].id).collect();
        found.sort();
        found
    };
    let groups: Vec<GroupId> = groups.iter().map(|group| group.id).collect();
    let both = vec![meter.id, valve.id];
    let all = Fleet { account: first.account, app: None, there_at: START.plus_s(3), of: FleetOf::Groups(groups.clone()) };
    let by_app = Fleet { app: first.app(), ..all.clone() };
    for (fleet, expected) in [
        (all.clone(), wanted(&|n| n < 30)),
        (Fleet { of: FleetOf::Groups(groups[1..].to_vec()), ..all.clone() }, wanted(&|n| (10..30).contains(&n))),
        (Fleet { of: FleetOf::Groups(vec![]), ..all.clone() }, vec![]),
        (by_app.clone(), wanted(&|n| n < 30 && n % 10 != 9)),
        (Fleet { there_at: START, ..all.clone() }, wanted(&|n| n < 30 && n % 4 == 0)),
        (Fleet { of: FleetOf::Products(both.clone()), ..all.clone() }, wanted(&|_| true)),
        (Fleet { of: FleetOf::Products(vec![valve.id]), ..by_app.clone() }, wanted(&|n| n % 2 == 1 && n % 10 != 9)),
        (Fleet { account: stranger.account, ..all.clone() }, vec![]),
        (Fleet { account: stranger.account, of: FleetOf::Products(both), ..all.clone() }, vec![]),
    ] {
        for limit in [1, 7, 1_000] {
            assert_eq!(walked(&store, &fleet, limit).await, expected, "{fleet:?} {limit}");
        }
    }
    store.commit(put([Write::DeleteGroup(groups[0]), Write::DeleteDevice(devices[12].id)])).await.unwrap();
    assert_eq!(walked(&store, &all, 7).await, wanted(&|n| (10..30).contains(&n) && n != 12));
}

pub async fn ids_are_listed_as_their_devices(place: Place) {
    let store = place.open();
    let first = one_device(&store, "n0").await;
    let stranger = one_device(&store, "stranger").await;
    for n in 1..9 {
        let info = DeviceInfo { location: (n % 2 == 0).then(|| "hall".into()), ..DeviceInfo::default() };
        let created_at = START.plus_s((n % 3).into());
        let more = Device { info: info.into(), created_at, ..device(first.account, first.app(), &format!("n{n}")) };
        store.commit(put([write_device(&more)])).await.unwrap();
    }
    let all = DeviceFilter { sort: Sort::Ascending, ..DeviceFilter::of(first.account) };
    let located = DeviceFilter { location: Some("hall".into()), principal: first.app(), ..all.clone() };
    let early = DeviceFilter { principal: first.app(), created_before: Some(START.plus_s(1)), ..all.clone() };
    for (filter, expected) in [
        (all.clone(), 9),
        (DeviceFilter { sort: Sort::Descending, ..all.clone() }, 9),
        (located, 4),
        (early, 3),
        (DeviceFilter { principal: stranger.app(), ..all }, 0),
    ] {
        let (mut ids, mut records, mut after) = (vec![], vec![], None);
        loop {
            let next = store.device_ids_after(&filter, after, 2).await.unwrap();
            records.extend(
                store.devices_after(&filter, after, 2).await.unwrap().iter().map(|device| (device.created_at, device.id)),
            );
            after = next.last().copied();
            ids.extend(next);
            if after.is_none() {
                break;
            }
        }
        assert_eq!((ids.len(), &ids), (expected, &records), "{filter:?}");
    }
}

pub async fn addressees_are_known_whole(place: Place) {
    let store = place.open();
    let first = one_device(&store, "n0").await;
    let mut devices = vec![first.clone()];
    for n in 1..250 {
        devices.push(Device { heard_at: (n == 7).then_some(START), ..device(first.account, first.app(), &format!("n{n}")) });
    }
    store.commit(put(devices[1..].iter().map(write_device))).await.unwrap();
    let sent = Command { place: 1, ..command(&devices[3], 1, START) };
    let over = Command { state: CommandState::Failed, ..command(&devices[3], 2, START) };
    let waits = command(&devices[3], 3, START);
    let other = command(&devices[4], 9, START);
    let gone = DeviceId(fresh_uuid());
    let made = [&sent, &over, &waits, &other].map(|command| Write::Command(Box::new(command.clone())));
    store.commit(put(made)).await.unwrap();
    let mut ids: Vec<DeviceId> = devices.iter().map(|device| device.id).chain([gone]).collect();
    let found = store.addressees(&ids).await.unwrap();
    ids.retain(|id| *id != gone);
    ids.sort();
    assert_eq!(found.iter().map(|one| one.device.id).collect::<Vec<_>>(), ids);
    for (n, device) in devices.iter().enumerate() {
        let one = found.iter().find(|one| one.device.id == device.id).unwrap();
        let (open, last_place): (Vec<&Command>, _) = match n {
            3 => (vec![&sent, &waits], 3),
            4 => (vec![&other], 9),
            _ => (vec![], 0),
        };
        assert_eq!(&*one.device, device);
        assert_eq!((one.open.iter().collect::<Vec<_>>(), one.last_place), (open, last_place), "{n}");
        assert_eq!(one.last_seen, (n == 7).then_some(START), "{n}");
    }
    assert_eq!(store.addressees(&[]).await.unwrap(), []);
    let mut expected = vec![sent.clone(), over, other];
    expected.sort_by_key(|command| command.id);
    let asked: Vec<CommandId> = expected.iter().map(|command| command.id).chain([CommandId(fresh_uuid())]).collect();
    assert_eq!(store.commands_by_id(&asked).await.unwrap(), expected);
    store.commit(put([Write::DeleteDevice(devices[3].id)])).await.unwrap();
    assert_eq!(store.commands_by_id(&[sent.id]).await.unwrap(), []);
}
