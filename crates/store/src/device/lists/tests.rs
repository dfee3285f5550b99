//! How the databases run the statements of lists: none may read a table from end to end or sort more than a page.

use crate::{
    account::accounts,
    alarm, command,
    device::{lists, shadows},
    engine::documents::named,
    engine::{
        backend::Backend,
        migrate::{NEWEST, migrate},
        postgres::Target,
        sql::{Canceller, RowFn, Sql, SqlResult, Value, query_all},
    },
    object::read::behind,
    onem2m::{instances, resources},
    stream::{history::history, record::tests::scratch},
    subscription::read::subscriptions,
};
use landfall_core::{
    AlarmFilter, CommandFilter, DeviceEventFilter, DeviceFilter, Due, HistoryOf, HistoryQuery, ResourceFilter, RevokeFilter,
    SettingFilter, SubscriptionFilter,
};
use landfall_model::*;
use landfall_testkit::ground::place::Place;
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

/// Explains each query before it runs it.
struct Explaining {
    sql: Box<dyn Sql>,
    explain: Explain,
    faults: Vec<String>,
}

/// The plan of a query, where it is one that a list must not have.
type Explain = fn(&mut dyn Sql, &str, &[Value<'_>]) -> SqlResult<Option<String>>;

fn in_sqlite(sql: &mut dyn Sql, text: &str, params: &[Value<'_>]) -> SqlResult<Option<String>> {
    let plan = query_all(sql, &format!("EXPLAIN QUERY PLAN {text}"), params, |row| Ok((row.int(1)?, row.text(3)?.to_owned())))?;
    let page_only = plan.iter().any(|(_, line)| line.starts_with("LIST SUBQUERY"));
    let bad = plan.iter().any(|(parent, line)| {
        // The outermost sort of a statement that picks its rows by a list of ids is one of a page.
        let sorts = line.contains("TEMP B-TREE") && !(page_only && *parent == 0);
        // Of what waits to be deleted, any row will do.
        let scans = line.starts_with("SCAN") && line != "SCAN unlinked";
        scans || sorts
    });
    Ok(bad.then(|| format!("{plan:#?}")))
}

/// Whether there is an index that can be used, as little as there is in the tables: reading them from end to end and sorting count as dear.
fn in_postgres(sql: &mut dyn Sql, text: &str, params: &[Value<'_>]) -> SqlResult<Option<String>> {
    let plan = query_all(sql, &format!("EXPLAIN (COSTS OFF) {text}"), params, |row| Ok(row.text(0)?.to_owned()))?;
    let depth = |line: &str| line.len() - line.trim_start().len();
    let bad = plan.iter().enumerate().any(|(at, line)| {
        let below = || plan[at + 1..].iter().take_while(|other| depth(other) > depth(line));
        let node = line.trim_start().trim_start_matches("-> ").trim_start();
        let scans = node.starts_with("Seq Scan") && !node.contains(" on unlinked");
        // The rows of an index that no condition bounds are all of the table, unless the index is of some rows alone.
        let walks = ["Index Scan", "Index Only Scan", "Bitmap Index Scan"].iter().any(|kind| node.starts_with(kind))
            && !node.contains(" on unlinked")
            && !node.contains(" using subscription_address ")
            && !below().next().is_some_and(|next| next.contains("Index Cond:"));
        // What is sorted after it was limited is a page.
        let sorts =
            (node == "Sort" || node == "Incremental Sort") && !below().any(|line| line.trim_start().starts_with("->  Limit"));
        scans || walks || sorts
    });
    Ok(bad.then(|| plan.join("\n")))
}

impl Sql for Explaining {
    fn execute(&mut self, text: &str, params: &[Value<'_>]) -> SqlResult<u64> {
        self.sql.execute(text, params)
    }

    fn query(&mut self, text: &str, params: &[Value<'_>], row: RowFn<'_>) -> SqlResult<()> {
        if let Some(plan) = (self.explain)(&mut *self.sql, text, params)? {
            self.faults.push(format!("{text}\n{plan}"));
        }
        self.sql.query(text, params, row)
    }

    fn batch(&mut self, text: &str) -> SqlResult<()> {
        self.sql.batch(text)
    }

    fn begin_write(&mut self) -> SqlResult<()> {
        self.sql.begin_write()
    }

    fn begin_read(&mut self) -> SqlResult<()> {
        self.sql.begin_read()
    }

    fn canceller(&self) -> Canceller {
        self.sql.canceller()
    }

    fn dialect(&self, ddl: &str) -> String {
        self.sql.dialect(ddl)
    }
}

const PAGE: PageRequest = PageRequest { no: 0, size: 25 };

/// In both databases; PostgreSQL where the tests have one.
fn with_plans(test: &str, look: impl Fn(&mut Explaining)) {
    let dir = scratch();
    let backend = Backend::Sqlite(dir.clone());
    let _lock = backend.lock().unwrap();
    explained(backend.writer().unwrap(), in_sqlite, &look);
    std::fs::remove_dir_all(dir).unwrap();
    let Some(place) = Place::postgres(test) else { return };
    let target = Target::parse(place.url(), None, Duration::from_secs(30)).unwrap();
    let mut sql = Backend::Postgres(Arc::new(target)).writer().unwrap();
    sql.batch("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; SET enable_incremental_sort = off")
        .unwrap();
    explained(sql, in_postgres, &look);
}

fn explained(mut sql: Box<dyn Sql>, explain: Explain, look: &impl Fn(&mut Explaining)) {
    migrate(&mut *sql, NEWEST).unwrap();
    // Pages are read only where the counters say that there is something.
    for kind in [DeviceStatus::Online, DeviceStatus::Offline] {
        let count = "INSERT INTO device_count (account, owner, status, node_type, n) VALUES (?1, ?1, ?2, 'GATEWAY', 9)";
        sql.execute(count, &[Value::Bytes(Uuid::nil().as_bytes()), Value::Text(kind.as_str())]).unwrap();
    }
    let mut explaining = Explaining { sql, explain, faults: Vec::new() };
    look(&mut explaining);
    assert!(explaining.faults.is_empty(), "{}", explaining.faults.join("\n\n"));
}

/// Every choice of up to three filters of 1.5.2 and the admin list.
#[test]
fn every_filter_of_devices_has_an_index() {
    let text = || Some("x".to_owned());
    let sets: [fn(&mut DeviceFilter, Option<String>); 11] = [
        |f, _| f.principal = Some(AppId(Uuid::nil())),
        |f, _| f.gateway = Some(DeviceId(Uuid::nil())),
        |f, _| f.node_type = Some(NodeType::Gateway),
        |f, x| f.device_type = x,
        |f, x| f.location = x,
        |f, x| f.name = x,
        |f, x| f.node_id = x,
        |f, _| f.product = Some(ProductId(Uuid::nil())),
        |f, _| f.status = Some(DeviceStatus::Online),
        |f, _| f.created_after = Some(Time(1)),
        |f, _| f.created_before = Some(Time(9)),
    ];
    with_plans("every_filter_of_devices_has_an_index", |sql| {
        for chosen in (0_u32..1 << sets.len()).filter(|chosen| chosen.count_ones() <= 3) {
            for sort in [Sort::Ascending, Sort::Descending] {
                let mut filter = DeviceFilter { sort, ..DeviceFilter::of(AccountId(Uuid::nil())) };
                sets.iter().enumerate().filter(|(i, _)| chosen >> i & 1 == 1).for_each(|(_, set)| set(&mut filter, text()));
                lists::devices(sql, &filter, PAGE).unwrap();
                lists::devices_after(sql, &filter, Some((Time(1), DeviceId(Uuid::nil()))), 25).unwrap();
            }
        }
    });
}

#[test]
fn every_filter_of_other_lists_has_an_index() {
    let (account, app, device) = (AccountId(Uuid::nil()), AppId(Uuid::nil()), DeviceId(Uuid::nil()));
    with_plans("every_filter_of_other_lists_has_an_index", |sql| {
        accounts(sql, Some("x"), PAGE).unwrap();
        named::<App>(sql, "app", account, PAGE).unwrap();
        named::<Product>(sql, "product", account, PAGE).unwrap();
        behind(sql, device, [Value::Int(5), Value::Int(0)]).unwrap();
        for chosen in 0_u32..64 {
            let on = |bit: u32| chosen >> bit & 1 == 1;
            let filter = SubscriptionFilter {
                account: on(0).then_some(account),
                owner: on(1).then_some(app),
                target: on(2).then_some(app),
                kind: on(3).then_some(SubscriptionKind::CallAddress),
                callback_url: on(4).then(|| "x".to_owned()),
                channel: on(5).then_some(Channel::Mqtt),
            };
            if chosen % 32 > 0 {
                subscriptions(sql, &filter, PAGE).unwrap();
            }
            let (after, before) = (on(2).then_some(Time(1)), on(3).then_some(Time(2)));
            let filter = CommandFilter { account, app: on(0).then_some(app), device: on(1).then_some(device), after, before };
            command::list(sql, &filter, PAGE).unwrap();
            for sort in [Sort::Ascending, Sort::Descending] {
                let (device, from, to) = (on(1).then_some(device), after, before);
                let filter = AlarmFilter {
                    device,
                    kinds: if on(0) { vec!["a".to_owned(), "b".to_owned()] } else { vec![] },
                    statuses: if on(4) { vec![AlarmStatus::Active, AlarmStatus::Acknowledged] } else { vec![] },
                    severities: if on(5) { vec![Severity::Major] } else { vec![] },
                    from,
                    to,
                    sort,
                    ..AlarmFilter::of(account)
                };
                alarm::alarms(sql, &filter, PAGE).unwrap();
                let (kind, fragment) = (on(0).then(|| "x".to_owned()), on(4).then(|| "y".to_owned()));
                let filter = DeviceEventFilter { device, kind, fragment, from, to, sort, ..DeviceEventFilter::of(account) };
                alarm::device_events(sql, &filter, PAGE).unwrap();
            }
            let filter = RevokeFilter {
                account,
                app: on(0).then_some(app),
                task: None,
                device: on(1).then_some(device),
                state: on(4).then_some(RevokeState::Waiting),
                after,
                before,
            };
            command::revoke_tasks(sql, &filter, PAGE).unwrap();
            for of in [HistoryOf::Device(device), HistoryOf::Gateway(device, None), HistoryOf::Gateway(device, Some(app))] {
                let (service_id, property) = (on(0).then(|| "s".to_owned()), on(1).then(|| "p".to_owned()));
                shadows::settings(sql, &SettingFilter { of, service_id, property, after, before }, PAGE).unwrap();
                let query = HistoryQuery { of, after, before, now: Time(9) };
                history(sql, &query, vec![], PAGE).unwrap();
            }
            let kinds = if on(2) { ResourceKind::ALL.to_vec() } else { vec![ResourceKind::Container] };
            let filter = ResourceFilter {
                account,
                parent: on(0).then_some(ResourceId([1; 12])),
                device: on(1).then_some(device),
                kinds: if on(3) { kinds } else { vec![] },
            };
            // Several kinds of a whole account are looked for by nobody.
            if filter.kinds.len() < 2 || on(0) || on(1) {
                resources::list(sql, &filter, PAGE).unwrap();
                resources::after(sql, &filter, Some((Time(1), ResourceId([1; 12]))), 25).unwrap();
            }
        }
        let container = ResourceId([1; 12]);
        for sort in [Sort::Ascending, Sort::Descending] {
            instances::end(sql, container, Time(1), sort).unwrap();
            instances::list(sql, container, Time(1), sort, PAGE).unwrap();
        }
        instances::after(sql, container, Time(1), 7, 25).unwrap();
        alarm::newest_open(sql, &[device]).unwrap();
        let after = (Time(1), device);
        lists::due(sql, Due::Silent(DeviceStatus::Online, Time(9)), after, 5).unwrap();
        lists::due(sql, Due::Expired(Time(9)), after, 5).unwrap();
        lists::connected(sql, Some(device), 5).unwrap();
    });
}
