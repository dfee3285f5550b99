//! Counters of devices: equal to what a count of the devices would tell, whatever happened to them.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;
use std::sync::Arc;

/// What the test knows of a device that is there.
type Known = Vec<Device>;

/// Small numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

const STATUSES: [DeviceStatus; 4] = [DeviceStatus::Inactive, DeviceStatus::Online, DeviceStatus::Abnormal, DeviceStatus::Offline];
const TYPES: [NodeType; 2] = [NodeType::Gateway, NodeType::Endpoint];

async fn check(store: &SharedStore, known: &Known, accounts: &[AccountId], apps: &[AppId], products: &[ProductId]) {
    let every = |filter: DeviceFilter| {
        let statuses = STATUSES.into_iter().map(Some).chain([None]);
        statuses.flat_map(move |status| {
            let filter = DeviceFilter { status, ..filter.clone() };
            TYPES.into_iter().map(Some).chain([None]).map(move |node_type| DeviceFilter { node_type, ..filter.clone() })
        })
    };
    let mut filters = Vec::new();
    for account in accounts {
        let of = DeviceFilter::of(*account);
        filters.extend(every(of.clone()));
        filters.extend(apps.iter().flat_map(|app| every(DeviceFilter { principal: Some(*app), ..of.clone() })));
        filters.extend(products.iter().flat_map(|id| every(DeviceFilter { product: Some(*id), ..of.clone() })));
        let gateways = known.iter().filter(|d| d.node_type == NodeType::Gateway);
        filters.extend(gateways.flat_map(|d| every(DeviceFilter { gateway: Some(d.id), ..of.clone() })));
    }
    for filter in filters {
        let fits = |d: &&Device| {
            d.account == filter.account
                && filter.principal.is_none_or(|app| d.principals.include(app))
                && filter.product.is_none_or(|product| Some(product) == d.product)
                && filter.gateway.is_none_or(|gateway| gateway == d.gateway_id())
                && filter.status.is_none_or(|status| status == d.status)
                && filter.node_type.is_none_or(|ty| ty == d.node_type)
        };
        let expected = known.iter().filter(fits).count();
        let page = store.devices(&filter, ALL).await.unwrap();
        assert_eq!((page.total, page.items.len()), (expected as u64, expected), "{filter:?}");
    }
}

pub async fn counters_equal_counts(place: Place) {
    let store = place.open();
    let accounts = [account("a"), account("b")];
    let apps: Vec<App> = accounts.iter().flat_map(|a| ["p", "q"].map(|name| app(a.id, name))).collect();
    let ids: Vec<AccountId> = accounts.iter().map(|a| a.id).collect();
    let (app_ids, products) = (apps.iter().map(|a| a.id).collect::<Vec<_>>(), [ProductId(fresh_uuid()), ProductId(fresh_uuid())]);
    let (mut known, mut dice): (Known, _) = (vec![], Dice(7));
    for round in 0..60 {
        let mut writes = vec![];
        let mut next = known.clone();
        for i in 0..dice.below(6) {
            change(&mut dice, &mut next, &mut writes, (&accounts, &apps, &products), &format!("n{round}-{i}"));
        }
        // Some batches are refused as a whole, by their last write.
        let refused = dice.below(4) == 0;
        if refused {
            writes.push(write_device(&Device { version: 9, ..device(ids[0], app_ids[0], &format!("no{round}")) }));
        }
        let outcome = store.commit(Batch { writes, events: vec![] }).await;
        assert_eq!(outcome.is_err(), refused, "{outcome:?}");
        known = if refused { known } else { next };
        if round % 20 == 19 {
            check(&store, &known, &ids, &app_ids, &products).await;
        }
    }
    assert!(known.len() > 10, "{}", known.len());
    drop(store);
    check(&place.open(), &known, &ids, &app_ids, &products).await;
}

fn change(
    dice: &mut Dice,
    known: &mut Known,
    writes: &mut Vec<Write>,
    (accounts, apps, products): (&[Account], &[App], &[ProductId]),
    name: &str,
) {
    if known.len() < 8 || dice.below(3) == 0 {
        let at = dice.below(accounts.len());
        let mut new = device(accounts[at].id, some(dice, &apps[2 * at..2 * at + 2]), name);
        new.node_type = TYPES[dice.below(2)];
        new.product = products.get(dice.below(4)).copied();
        let gateways: Vec<_> = known.iter().filter(|d| d.account == new.account && d.node_type == NodeType::Gateway).collect();
        if new.node_type == NodeType::Endpoint && !gateways.is_empty() {
            new.gateway = Some(gateways[dice.below(gateways.len())].id);
        }
        writes.push(write_device(&new));
        return known.push(new);
    }
    let at = dice.below(known.len());
    if dice.below(4) == 0 {
        return writes.push(Write::DeleteDevice(known.remove(at).id));
    }
    let one = &mut known[at];
    one.version += 1;
    match dice.below(5) {
        4 => {
            let own: Vec<App> = apps.iter().filter(|app| app.account == one.account).cloned().collect();
            one.principals = some(dice, &own);
        }
        0 => one.status = STATUSES[dice.below(4)],
        1 => one.product = products.get(dice.below(4)).copied(),
        2 => one.gateway = None,
        _ => Arc::make_mut(&mut one.info).name = Some(name.to_owned()),
    }
    writes.push(write_device(one));
}

/// None, one or all of them, in any order.
fn some(dice: &mut Dice, apps: &[App]) -> Principals {
    let first = dice.below(apps.len());
    (0..dice.below(apps.len() + 1)).map(|n| apps[(first + n) % apps.len()].id).collect()
}

pub async fn a_limit_holds_against_parallel_registrations(place: Place) {
    let store = place.open();
    let (one, other) = (one_device(&store, "one").await, one_device(&store, "other").await);
    let register = |of: &Device, name: String| {
        let error = Error::new(Cause::DeviceLimit, "full");
        let limit = DeviceLimit { account: of.account, owner: of.app().unwrap().0, adding: 1, most: 6, error };
        let new = device(of.account, of.app(), &name);
        let store = store.clone();
        async move { store.commit(put([Write::DeviceLimit(Box::new(limit)), write_device(&new)])).await }
    };
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..20 {
        tasks.spawn(register(&one, format!("n{i}")));
        tasks.spawn(register(&other, format!("m{i}")));
    }
    let outcomes = tasks.join_all().await;
    let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    assert_eq!(refused.filter(|error| error.cause == Cause::DeviceLimit).count(), 30);
    for of in [one, other] {
        let filter = DeviceFilter { principal: of.app(), ..DeviceFilter::of(of.account) };
        assert_eq!(store.devices(&filter, ALL).await.unwrap().items.len(), 6);
        store.commit(put([Write::DeleteDevice(of.id)])).await.unwrap();
        register(&of, format!("again-{}", of.node_id)).await.unwrap();
        assert_eq!(register(&of, format!("more-{}", of.node_id)).await.unwrap_err().cause, Cause::DeviceLimit);
    }
}
