//! Desired halves of shadows, and their settings.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;

fn write(shadow: &Shadow) -> Write {
    Write::Shadow(Box::new(shadow.clone()))
}

pub async fn shadows_are_versioned(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    assert_eq!(store.shadow(de.id).await, Ok(None));
    let mut shadow = shadow(de.id);
    for (version, fits) in [(2, false), (1, true), (1, false), (3, false), (2, true), (3, true), (3, false)] {
        shadow.version = version;
        let result = seq(store.commit(put([write(&shadow)])).await);
        assert_eq!(result.map_err(|e| e.cause), if fits { Ok(Seq(0)) } else { Err(Cause::Stale) }, "version {version}");
    }
    assert_eq!(store.shadow(de.id).await, Ok(Some(shadow.clone())));
    // A refused shadow takes its batch with it.
    let batch = put([Write::Setting(Box::new(setting(&de, "Meter", "{}", START))), write(&shadow)]);
    assert_eq!(cause(store.commit(batch).await), Cause::Stale);
    assert_eq!(listed(&store, &of(de.id)).await, Vec::<String>::new());
}

fn of(device: DeviceId) -> SettingFilter {
    about(HistoryOf::Device(device))
}

fn about(of: HistoryOf) -> SettingFilter {
    SettingFilter { of, service_id: None, property: None, after: None, before: None }
}

async fn listed(store: &SharedStore, filter: &SettingFilter) -> Vec<String> {
    let page = store.settings(filter, ALL).await.unwrap();
    assert_eq!(page.total, page.items.len() as u64);
    page.items.into_iter().map(|s| s.desired).collect()
}

pub async fn settings_by_filter(place: Place) {
    let store = place.open();
    let (a, c) = (one_device(&store, "a").await, one_device(&store, "c").await);
    let b = Device { gateway: Some(a.id), ..device(a.account, a.principals.clone(), "b") };
    store.commit(put([write_device(&b)])).await.unwrap();
    let rows = [
        (&a, "Meter", r#"{"rate":1}"#, 1),
        (&b, "Meter", r#"{"Rate":2,"a%b_\"?1":{"rate":3}}"#, 2),
        (&a, "Lamp", r#"{"on":true,"rate":4}"#, 3),
        (&c, "Meter", r#"{"rate":5}"#, 4),
        (&b, "Lamp", r#"{"":6}"#, 4),
    ];
    for (device, service, desired, at) in rows {
        store.commit(put([Write::Setting(Box::new(setting(device, service, desired, START.plus_s(at))))])).await.unwrap();
    }
    let both = about(HistoryOf::Gateway(a.id, a.app()));
    let text = |s: &str| Some(s.to_owned());
    let cases: Vec<(SettingFilter, &[usize])> = vec![
        (of(a.id), &[2, 0]),
        (both.clone(), &[4, 2, 1, 0]),
        (about(HistoryOf::Gateway(a.id, None)), &[4, 2, 1, 0]),
        (about(HistoryOf::Gateway(a.id, c.app())), &[]),
        (about(HistoryOf::Gateway(b.id, None)), &[4, 1]),
        (of(DeviceId(fresh_uuid())), &[]),
        (SettingFilter { service_id: text("Lamp"), ..both.clone() }, &[4, 2]),
        (SettingFilter { service_id: text("lamp"), ..both.clone() }, &[]),
        (SettingFilter { service_id: text("La\0mp"), ..both.clone() }, &[]),
        (SettingFilter { property: text("rate"), ..both.clone() }, &[2, 0]),
        (SettingFilter { property: text("Rate"), ..both.clone() }, &[1]),
        (SettingFilter { property: text("rat"), ..both.clone() }, &[]),
        (SettingFilter { property: text("%"), ..both.clone() }, &[]),
        (SettingFilter { property: text("a%b_\"?1"), ..both.clone() }, &[1]),
        (SettingFilter { property: text(""), ..both.clone() }, &[4]),
        (SettingFilter { property: text("\0"), ..both.clone() }, &[]),
        (SettingFilter { property: text("rate"), service_id: text("Meter"), ..both.clone() }, &[0]),
        (SettingFilter { after: Some(START.plus_s(1)), before: Some(START.plus_s(4)), ..both.clone() }, &[2, 1]),
    ];
    for (filter, expected) in cases {
        let expected: Vec<&str> = expected.iter().map(|i| rows[*i].2).collect();
        assert_eq!(listed(&store, &filter).await, expected, "{filter:?}");
    }
    let page = store.settings(&both, PageRequest { no: 1, size: 3 }).await.unwrap();
    assert_eq!((page.total, page.items), (4, vec![setting(&a, "Meter", rows[0].2, START.plus_s(1))]));
    let freed = Device { gateway: None, version: 2, ..b.clone() };
    store
        .commit(put([write_device(&freed), Write::Setting(Box::new(setting(&freed, "Lamp", "{}", START.plus_s(9))))]))
        .await
        .unwrap();
    assert_eq!(listed(&store, &of(b.id)).await.len(), 3);
    store.commit(put([Write::DeleteDevice(b.id)])).await.unwrap();
    assert_eq!(listed(&store, &both).await, [rows[2].2, rows[0].2]);
}

pub async fn retention_of_settings(place: Place) {
    let store = place.open();
    let (long, short) = (one_device(&store, "long").await, one_device(&store, "short").await);
    let account = Account::clone(&*store.account(short.account).await.unwrap().unwrap());
    let settings = AccountSettings { history_retention_days: 2, ..account.settings };
    store.commit(put([Write::Account(Box::new(Account { version: 2, settings, ..account }))])).await.unwrap();
    for day in 0..4 {
        for device in [&long, &short] {
            let setting = setting(device, "Meter", &day.to_string(), START.plus_s(day * DAY_S));
            store.commit(put([Write::Setting(Box::new(setting))])).await.unwrap();
        }
    }
    assert_eq!(store.prune(START.plus_s(3 * DAY_S + 1)).await, Ok(false));
    assert_eq!(listed(&store, &of(long.id)).await, ["3", "2", "1", "0"]);
    assert_eq!(listed(&store, &of(short.id)).await, ["3", "2"]);
    assert_eq!(store.prune(START.plus_s(91 * DAY_S + 1)).await, Ok(false));
    assert_eq!(listed(&store, &of(long.id)).await, ["3", "2"]);
    assert_eq!(listed(&store, &of(short.id)).await, Vec::<String>::new());
    // Numbers may come again after the newest ones went; order goes by time first.
    let late = setting(&long, "Meter", "late", START.plus_s(92 * DAY_S));
    store.commit(put([Write::Setting(Box::new(late))])).await.unwrap();
    assert_eq!(listed(&store, &of(long.id)).await, ["late", "3", "2"]);
}
