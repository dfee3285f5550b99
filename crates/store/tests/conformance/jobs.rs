//! Jobs: their records, the blocks of their targets, what became of each, and the counts that the writer keeps.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;
use std::collections::BTreeMap;

fn job(account: AccountId, app: Option<AppId>, name: &str) -> Job {
    Job {
        id: JobId(fresh_uuid()),
        account,
        version: 1,
        app,
        by: app,
        kind: JobKind::Commands,
        name: name.into(),
        order: r#"{"rate":"\u0000"}"#.into(),
        state: JobState::Waiting,
        reason: None,
        retry_of: None,
        choosing: Some("from here".into()),
        total: 0,
        begun: 0,
        in_flight: 10,
        created_at: START,
        started_at: None,
        finished_at: None,
        due_at: Some(START.plus_s(60)),
    }
}

fn write(job: &Job) -> Write {
    Write::Job(Box::new(job.clone()))
}

fn moved(job: &Job, change: impl FnOnce(&mut Job)) -> Job {
    let mut next = Job { version: job.version + 1, ..job.clone() };
    change(&mut next);
    next
}

fn block(job: &Job, first: u64, targets: Targets) -> Write {
    Write::JobBlock(Box::new(JobBlock { job: job.id, first, targets }))
}

fn devices(n: usize) -> Vec<DeviceId> {
    (0..n).map(|_| DeviceId(fresh_uuid())).collect()
}

fn target(job: &Job, place: u64, state: TargetState) -> JobTarget {
    JobTarget { job: job.id, place, state, device: None, command: None, detail: None }
}

fn end(job: &Job, place: u64, state: TargetState) -> Write {
    Write::EndTarget(TargetEnd { job: job.id, place, state, detail: None })
}

async fn commit(store: &SharedStore, writes: impl IntoIterator<Item = Write>) -> Result<Committed> {
    store.commit(Batch { writes: writes.into_iter().collect(), events: vec![] }).await
}

async fn counts(store: &SharedStore, job: &Job) -> JobCounts {
    store.job(job.id).await.unwrap().unwrap().1
}

fn any(job: &Job) -> TargetFilter {
    TargetFilter { job: job.id, states: vec![], device: None, command: None }
}

async fn places(store: &SharedStore, filter: &TargetFilter, page: PageRequest) -> (u64, Vec<(u64, TargetState)>) {
    let found = store.job_targets(filter, page).await.unwrap();
    (found.total, found.items.iter().map(|target| (target.place, target.state)).collect())
}

pub async fn jobs_are_versioned_and_named(place: Place) {
    let store = place.open();
    let (one, two) = (account("a").id, account("b").id);
    let app = Some(AppId(fresh_uuid()));
    let a = job(one, app, "a");
    let fresh = [
        a.clone(),
        job(two, app, "a"),
        job(one, None, "a"),
        job(one, Some(AppId(fresh_uuid())), "a"),
        Job { kind: JobKind::Provisioning, ..job(one, app, "a") },
        job(one, app, "b"),
    ];
    for job in &fresh {
        commit(&store, [write(job)]).await.unwrap();
    }
    let taken = [job(one, app, "a"), job(one, None, "a"), Job { kind: JobKind::Provisioning, ..job(one, app, "a") }];
    for job in taken {
        let beside = self::job(one, app, "beside");
        assert_eq!(cause(commit(&store, [write(&beside), write(&job)]).await), Cause::NameTaken, "{job:?}");
        assert_eq!(store.job(beside.id).await, Ok(None), "a refused batch leaves nothing");
    }
    assert_eq!(cause(commit(&store, [write(&job(one, app, "a\0"))]).await), Cause::InvalidField);
    let next = moved(&a, |job| (job.state, job.begun, job.started_at) = (JobState::Running, 3, Some(START.plus_s(1))));
    for (version, fits) in [(1, false), (3, false), (2, true), (2, false)] {
        let result = commit(&store, [write(&Job { version, ..next.clone() })]).await.map(|_| ()).map_err(|e| e.cause);
        assert_eq!(result, if fits { Ok(()) } else { Err(Cause::Stale) }, "version {version}");
    }
    drop(store);
    let store = place.open();
    assert_eq!(store.job(a.id).await, Ok(Some((next, JobCounts::default()))));
    assert_eq!(store.job(JobId(fresh_uuid())).await, Ok(None));
}

pub async fn jobs_by_filter_and_page(place: Place) {
    let store = place.open();
    let (one, two) = (account("a").id, account("b").id);
    let app = AppId(fresh_uuid());
    let at = |s: i64, job: Job| Job { created_at: START.plus_s(s), ..job };
    let done = |s: i64, job: Job| Job { finished_at: Some(START.plus_s(s)), state: JobState::Finished, ..job };
    let a = at(1, job(one, Some(app), "a"));
    let b = at(2, done(9, job(one, Some(app), "b")));
    let c = at(3, Job { kind: JobKind::Provisioning, ..job(one, None, "a") });
    // A job that was stopped is open until its targets are over.
    let d = at(4, Job { state: JobState::Stopped, ..job(two, Some(AppId(fresh_uuid())), "a") });
    let e = at(5, done(8, job(two, None, "e")));
    let all = [&a, &b, &c, &d, &e];
    commit(&store, all.map(write)).await.unwrap();
    let of = |account| JobFilter { account: Some(account), ..JobFilter::default() };
    let cases = [
        (JobFilter::default(), vec![&e, &d, &c, &b, &a]),
        (of(one), vec![&c, &b, &a]),
        (of(two), vec![&e, &d]),
        (JobFilter { app: Some(app), ..of(one) }, vec![&b, &a]),
        (JobFilter { app: Some(app), ..JobFilter::default() }, vec![&b, &a]),
        (JobFilter { app: Some(app), ..of(two) }, vec![]),
        (JobFilter { kind: Some(JobKind::Provisioning), ..JobFilter::default() }, vec![&c]),
        (JobFilter { name: Some("a".into()), ..JobFilter::default() }, vec![&d, &c, &a]),
        (JobFilter { name: Some("a".into()), kind: Some(JobKind::Commands), ..of(one) }, vec![&a]),
        (JobFilter { name: Some("a\0".into()), ..of(one) }, vec![]),
        (JobFilter { over: Some(true), ..JobFilter::default() }, vec![&e, &b]),
        (JobFilter { over: Some(false), app: Some(app), ..of(one) }, vec![&a]),
    ];
    for (filter, expected) in cases {
        let found = store.jobs(&filter, ALL).await.unwrap();
        let jobs: Vec<&Job> = found.items.iter().map(|(job, _)| job).collect();
        assert_eq!((found.total as usize, jobs), (expected.len(), expected), "{filter:?}");
    }
    let page = store.jobs(&of(one), PageRequest { no: 1, size: 2 }).await.unwrap();
    assert_eq!((page.total, page.items), (3, vec![(a.clone(), JobCounts::default())]));
    let open: Vec<Job> = store.open_jobs(9).await.unwrap().into_iter().map(|(job, _)| job).collect();
    assert_eq!(open, [a.clone(), c, d]);
    assert_eq!(store.open_jobs(1).await.unwrap()[0].0, a);
    assert_eq!(store.jobs_over_before(START.plus_s(10), 9).await, Ok(vec![e.id, b.id]));
    assert_eq!(store.jobs_over_before(START.plus_s(10), 1).await, Ok(vec![e.id]));
    assert_eq!(store.jobs_over_before(START.plus_s(9), 9).await, Ok(vec![e.id]));
}

pub async fn blocks_hold_their_places(place: Place) {
    let store = place.open();
    let (one, other) = (job(account("a").id, None, "one"), job(account("b").id, None, "other"));
    let ids = devices(JobBlock::SIZE);
    let rows = vec!["a\0".to_owned(), String::new()];
    let writes = [
        write(&one),
        write(&other),
        block(&one, 0, Targets::Devices(ids.clone())),
        block(&one, 1_000, Targets::Devices(ids[..2].to_vec())),
        block(&one, 1_002, Targets::Rows(rows.clone())),
        block(&other, 0, Targets::Rows(rows.clone())),
    ];
    commit(&store, writes).await.unwrap();
    let firsts = [(0, Some(0)), (999, Some(0)), (1_000, Some(1_000)), (1_001, Some(1_000)), (1_003, Some(1_002)), (1_004, None)];
    for (place, first) in firsts {
        assert_eq!(store.job_block(one.id, place).await.unwrap().map(|block| block.first), first, "{place}");
    }
    let found = async |job: &Job, place| store.job_block(job.id, place).await.unwrap().unwrap().targets;
    assert_eq!(found(&one, 500).await, Targets::Devices(ids.clone()));
    assert_eq!((found(&one, 1_002).await, found(&other, 1).await), (Targets::Rows(rows.clone()), Targets::Rows(rows.clone())));
    assert_eq!(store.job_block(one.id, u64::MAX).await, Ok(None));
    let unknown = job(one.account, None, "unknown");
    for (block, expected) in [
        (block(&one, 1_000, Targets::Rows(rows.clone())), Cause::Stale),
        (block(&one, 2_000, Targets::Devices([ids, devices(1)].concat())), Cause::TooMany),
        (block(&unknown, 0, Targets::Rows(rows)), Cause::ResourceNotFound),
    ] {
        assert_eq!(cause(commit(&store, [block]).await), expected);
    }
}

pub async fn targets_are_begun_once(place: Place) {
    let store = place.open();
    let (one, unknown) = (job(account("a").id, None, "one"), job(account("a").id, None, "unknown"));
    commit(&store, [write(&one)]).await.unwrap();
    let begin = |from: u64, to: u64| Write::JobTargets((from..to).map(|n| target(&one, n, TargetState::Running)).collect());
    let first = moved(&one, |job| job.begun = 3);
    commit(&store, [write(&first), begin(0, 3)]).await.unwrap();
    for (refused, expected) in [
        (vec![write(&first), begin(3, 5)], Cause::Stale),
        (vec![write(&moved(&first, |job| job.begun = 5)), begin(3, 5), begin(2, 3)], Cause::Stale),
        (vec![begin(3, 1_004)], Cause::TooMany),
        (vec![Write::JobTargets(vec![target(&unknown, 0, TargetState::Failed)])], Cause::ResourceNotFound),
    ] {
        assert_eq!(cause(commit(&store, refused).await), expected);
    }
    assert_eq!(counts(&store, &one).await, JobCounts { running: 3, ..JobCounts::default() }, "what is refused counts nothing");
    let running = store.begun_targets(one.id, TargetState::Running, 1, 9).await.unwrap();
    assert_eq!(running, [target(&one, 1, TargetState::Running), target(&one, 2, TargetState::Running)]);
    assert_eq!(store.begun_targets(one.id, TargetState::Running, 0, 1).await.unwrap().len(), 1);
    assert!(store.begun_targets(one.id, TargetState::Failed, 0, 9).await.unwrap().is_empty());
}

pub async fn counts_are_exact_whatever_ends(place: Place) {
    use TargetState::{Expired, Failed, Running, Stopped, Succeeded, TimedOut};
    const N: u64 = 600;
    let store = place.open();
    let (one, other) = (job(account("a").id, None, "one"), job(account("b").id, None, "other"));
    let one = Job { total: N, begun: N, ..one };
    let over = [Succeeded, Failed, TimedOut, Expired, Stopped];
    let begun = |job: &Job| Write::JobTargets((0..N).map(|n| target(job, n, Running)).collect());
    commit(&store, [write(&one), begun(&one), write(&other), begun(&other)]).await.unwrap();
    // Each end in a batch of its own, most of them twice, some of nobody, while the job itself is written.
    let unknown = job(one.account, None, "unknown");
    let (mut writes, mut version) = (Vec::new(), one.clone());
    for n in 0..N + 10 {
        let state = over[(n % 5) as usize];
        writes.push(end(&one, n, state));
        writes.push(end(&one, n.saturating_sub(7), over[(n % 3) as usize]));
        writes.push(end(&unknown, n, state));
        if n % 50 == 0 {
            version = moved(&version, |_| ());
            writes.push(write(&version));
        }
    }
    // A refused batch ends nothing, alone or between others.
    let refused = |n| commit(&store, [end(&other, n, Failed), write(&other)]);
    assert_eq!(cause(refused(0).await), Cause::Stale);
    let ends = futures_util::future::join_all(writes.into_iter().map(|end| commit(&store, [end])));
    let (ends, refused) = tokio::join!(ends, futures_util::future::join_all((0..N).map(refused)));
    ends.into_iter().for_each(|done| drop(done.unwrap()));
    refused.into_iter().for_each(|done| assert_eq!(cause(done), Cause::Stale));
    let told = store.stats().await.unwrap();
    drop(store);
    let store = place.open();
    let mut states: BTreeMap<TargetState, u64> = BTreeMap::new();
    for target in store.job_targets(&any(&one), ALL).await.unwrap().items {
        *states.entry(target.state).or_default() += 1;
    }
    let found = counts(&store, &one).await;
    let each = [found.succeeded, found.failed, found.timed_out, found.expired, found.stopped];
    assert_eq!((found.running, found.over(), states), (0, N, over.into_iter().zip(each).collect()));
    assert_eq!((told.targets_begun, told.targets_ended), (2 * N, found));
    assert_eq!(counts(&store, &other).await, JobCounts { running: N, ..JobCounts::default() });
}

pub async fn targets_by_page_begun_or_not(place: Place) {
    use TargetState::{Expired, Failed, Running, Succeeded, Waiting};
    let store = place.open();
    let (ids, made) = (devices(8), job(account("a").id, None, "one"));
    let one = Job { total: 8, begun: 4, ..made };
    let long = "ä".repeat(3_000);
    let begun = vec![
        target(&one, 0, Running),
        JobTarget { device: Some(ids[1]), command: Some(CommandId(fresh_uuid())), ..target(&one, 1, Running) },
        JobTarget { detail: Some("no\0".into()), ..target(&one, 2, Failed) },
        JobTarget { detail: Some(long), ..target(&one, 3, Failed) },
    ];
    let blocks = [
        block(&one, 0, Targets::Devices(ids[..3].to_vec())),
        block(&one, 3, Targets::Devices(ids[3..6].to_vec())),
        block(&one, 6, Targets::Rows(vec!["r".into(), "s".into()])),
    ];
    commit(&store, [write(&one)].into_iter().chain(blocks).chain([Write::JobTargets(begun.clone())])).await.unwrap();
    let told = TargetEnd { job: one.id, place: 1, state: Succeeded, detail: Some("done".into()) };
    commit(&store, [Write::EndTarget(told), end(&one, 2, Succeeded), end(&one, 5, Succeeded)]).await.unwrap();
    let all = store.job_targets(&any(&one), ALL).await.unwrap();
    let ended = JobTarget { state: Succeeded, detail: Some("done".into()), ..begun[1].clone() };
    assert_eq!((all.total, &all.items[..3]), (8, &[begun[0].clone(), ended, begun[2].clone()][..]));
    assert_eq!(all.items[3].detail.as_ref().map(String::len), Some(JobTarget::DETAIL));
    let waiting = |place: u64, device| JobTarget { device, ..target(&one, place, Waiting) };
    let left = [waiting(4, Some(ids[4])), waiting(5, Some(ids[5])), waiting(6, None), waiting(7, None)];
    assert_eq!(all.items[4..], left);
    let in_states = |states: &[TargetState]| TargetFilter { states: states.to_vec(), ..any(&one) };
    let in_state = |state| in_states(&[state]);
    let page = |no| PageRequest { no, size: 3 };
    let cases = [
        (any(&one), page(1), 8, vec![(3, Failed), (4, Waiting), (5, Waiting)]),
        (any(&one), page(2), 8, vec![(6, Waiting), (7, Waiting)]),
        (any(&one), page(9), 8, vec![]),
        (any(&one), PageRequest { no: u64::MAX, size: 9 }, 8, vec![]),
        (in_state(Waiting), page(0), 4, vec![(4, Waiting), (5, Waiting), (6, Waiting)]),
        (in_state(Waiting), page(1), 4, vec![(7, Waiting)]),
        (in_state(Failed), PageRequest { no: 1, size: 1 }, 2, vec![(3, Failed)]),
        (in_state(Succeeded), page(0), 1, vec![(1, Succeeded)]),
        (in_state(Succeeded), page(1), 1, vec![]),
        (in_state(Running), page(0), 1, vec![(0, Running)]),
        (in_states(&[Failed, Waiting]), page(0), 6, vec![(2, Failed), (3, Failed), (4, Waiting)]),
        (in_states(&[Failed, Waiting]), page(1), 6, vec![(5, Waiting), (6, Waiting), (7, Waiting)]),
        (in_states(&[Waiting, Expired, Failed]), PageRequest { no: 1, size: 5 }, 6, vec![(3, Failed)]),
        (in_states(&[Expired, Succeeded]), page(0), 1, vec![(1, Succeeded)]),
    ];
    for (filter, page, total, expected) in cases {
        assert_eq!(places(&store, &filter, page).await, (total, expected), "{filter:?} {page:?}");
    }
}

pub async fn targets_by_device_and_command(place: Place) {
    use TargetState::{Failed, Running, Succeeded, Waiting};
    let store = place.open();
    let device = one_device(&store, "n").await;
    let (one, other) = (job(device.account, None, "one"), job(device.account, None, "other"));
    let one = Job { total: 1_003, begun: 2, ..one };
    let ids: Vec<DeviceId> = [vec![device.id], devices(1_002)].concat();
    let made = Command { job: Some((one.id, 0)), ..command(&device, 1, START) };
    let begun = vec![
        JobTarget { device: Some(ids[0]), command: Some(made.id), ..target(&one, 0, Running) },
        JobTarget { device: Some(ids[1]), ..target(&one, 1, Succeeded) },
    ];
    let writes = [
        write(&one),
        write(&other),
        block(&one, 0, Targets::Devices(ids[..1_000].to_vec())),
        block(&one, 1_000, Targets::Devices(ids[1_000..].to_vec())),
        Write::JobTargets(begun),
        Write::Command(Box::new(made.clone())),
    ];
    commit(&store, writes).await.unwrap();
    assert_eq!(store.command(made.id).await, Ok(Some(made.clone())));
    let of = |device: DeviceId| TargetFilter { device: Some(device), ..any(&one) };
    let with = |command: CommandId| TargetFilter { command: Some(command), ..any(&one) };
    let cases = [
        (of(ids[0]), vec![(0, Running)]),
        (of(ids[1]), vec![(1, Succeeded)]),
        (of(ids[2]), vec![(2, Waiting)]),
        (of(ids[1_002]), vec![(1_002, Waiting)]),
        (of(DeviceId(fresh_uuid())), vec![]),
        (TargetFilter { states: vec![Running], ..of(ids[0]) }, vec![(0, Running)]),
        (TargetFilter { states: vec![Waiting], ..of(ids[0]) }, vec![]),
        (with(made.id), vec![(0, Running)]),
        (TargetFilter { device: Some(ids[1]), ..with(made.id) }, vec![]),
        (with(CommandId(fresh_uuid())), vec![]),
        (TargetFilter { job: other.id, ..with(made.id) }, vec![]),
        (TargetFilter { job: other.id, ..of(ids[2]) }, vec![]),
    ];
    for (filter, expected) in cases {
        assert_eq!(places(&store, &filter, ALL).await, (expected.len() as u64, expected), "{filter:?}");
    }
    assert_eq!(places(&store, &of(ids[0]), PageRequest { no: 1, size: 1 }).await, (1, vec![]));
    // What became of it is known when device and command are gone: it ended with them.
    commit(&store, [Write::DeleteDevice(device.id)]).await.unwrap();
    for filter in [of(ids[0]), with(made.id)] {
        assert_eq!(places(&store, &filter, ALL).await, (1, vec![(0, Failed)]));
    }
    let (_, counts) = store.job(one.id).await.unwrap().unwrap();
    assert_eq!((counts.running, counts.failed), (0, 1));
}

/// Whichever comes first, the command or the end of its device.
pub async fn the_targets_of_a_device_that_goes_fail(place: Place) {
    use TargetState::{Failed, Running, Succeeded};
    let store = place.open();
    let (device, other) = (one_device(&store, "n").await, one_device(&store, "m").await);
    let job = Job { total: 4, begun: 4, ..job(device.account, None, "j") };
    let of_job = |device: &Device, place| Command { job: Some((job.id, place)), ..command(device, place + 1, START) };
    let made = [of_job(&device, 0), of_job(&device, 1), of_job(&other, 2)].map(|command| Write::Command(Box::new(command)));
    let rows = (0..4).map(|place| target(&job, place, Running)).collect();
    let unconcerned = Write::Command(Box::new(command(&device, 9, START)));
    let started = [write(&job), Write::JobTargets(rows), unconcerned];
    commit(&store, started.into_iter().chain(made)).await.unwrap();
    // One that is over keeps its end.
    commit(&store, [end(&job, 1, Succeeded), Write::DeleteDevice(device.id)]).await.unwrap();
    assert_eq!(store.open_commands(device.id).await, Ok(vec![]));
    // What is written for a device that is gone is not kept.
    commit(&store, [Write::Command(Box::new(of_job(&device, 3)))]).await.unwrap();
    let found = store.job_targets(&any(&job), ALL).await.unwrap().items;
    let gone = Some("the device was deleted".to_owned());
    let told: Vec<_> = found.into_iter().map(|target| (target.state, target.detail)).collect();
    assert_eq!(told, [(Failed, gone.clone()), (Succeeded, None), (Running, None), (Failed, gone)]);
    assert_eq!(counts(&store, &job).await, JobCounts { running: 1, succeeded: 1, failed: 2, ..JobCounts::default() });
}

pub async fn a_job_is_gone_at_once_and_its_targets_go_in_slices(place: Place) {
    let store = place.open();
    let (account, app) = (account("a").id, AppId(fresh_uuid()));
    let (large, other) = (Job { total: 6_000, begun: 3_000, ..job(account, Some(app), "large") }, job(account, None, "large"));
    let other = Job { total: 2, begun: 1, ..other };
    let ids = devices(1_000);
    let mut writes = vec![write(&large), write(&other)];
    for part in 0..6 {
        writes.push(block(&large, part * 1_000, Targets::Devices(ids.clone())));
        if part < 3 {
            let places = part * 1_000..(part + 1) * 1_000;
            writes.push(Write::JobTargets(places.map(|n| target(&large, n, TargetState::Running)).collect()));
        }
    }
    writes.push(block(&other, 0, Targets::Devices(ids[..2].to_vec())));
    writes.push(Write::JobTargets(vec![target(&other, 0, TargetState::Running)]));
    commit(&store, writes).await.unwrap();
    commit(&store, [Write::DeleteJob(large.id)]).await.unwrap();
    let all = JobFilter { account: Some(account), ..JobFilter::default() };
    let gone = async |store: &SharedStore| {
        assert_eq!(store.job(large.id).await, Ok(None));
        assert_eq!(store.jobs(&all, ALL).await.unwrap().total, 1);
        assert_eq!(store.job_targets(&any(&large), ALL).await.unwrap().total, 0);
        assert_eq!(store.job_block(large.id, 0).await, Ok(None));
        assert!(store.begun_targets(large.id, TargetState::Running, 0, 9).await.unwrap().is_empty());
    };
    gone(&store).await;
    commit(&store, [end(&large, 0, TargetState::Succeeded), Write::DeleteJob(large.id)]).await.unwrap();
    let late = moved(&large, |job| job.begun = 3_001);
    assert_eq!(cause(commit(&store, [write(&late)]).await), Cause::Stale);
    let mut slices = 1;
    while store.prune(place.now()).await.unwrap() {
        slices += 1;
    }
    assert!(slices > 2, "{slices}");
    gone(&store).await;
    // Its name is free. The other job has what it had.
    commit(&store, [write(&job(account, Some(app), "large"))]).await.unwrap();
    assert_eq!(counts(&store, &other).await.running, 1);
    assert_eq!(places(&store, &any(&other), ALL).await.1, [(0, TargetState::Running), (1, TargetState::Waiting)]);
}

pub async fn rows_are_left_at_their_places(place: Place) {
    let store = place.open();
    let one = job(account("a").id, None, "j");
    let rows = |words: &[&str]| Targets::Rows(words.iter().map(|word| (*word).to_owned()).collect());
    let keep = |first, words: &[&str]| Write::KeepRows(Box::new(JobBlock { job: one.id, first, targets: rows(words) }));
    let writes = [write(&one), block(&one, 0, rows(&["a", "b", "c"])), block(&one, 3, rows(&["d"]))];
    commit(&store, writes).await.unwrap();
    commit(&store, [keep(0, &["", "b", ""])]).await.unwrap();
    let left = store.job_block(one.id, 2).await.unwrap().unwrap();
    assert_eq!((left.first, left.targets), (0, rows(&["", "b", ""])));
    assert!(store.job_block(one.id, 3).await.unwrap().is_some());
    commit(&store, [keep(0, &["", "", ""]), keep(3, &[""]), keep(7, &["x"])]).await.unwrap();
    for place in [0, 3, 7] {
        assert_eq!(store.job_block(one.id, place).await.unwrap(), None, "{place}");
    }
}

pub async fn the_first_claim_stays(place: Place) {
    let store = place.open();
    let (one, two) = (job(account("a").id, None, "one"), job(account("a").id, None, "two"));
    let claim = |key: u8, row| JobClaim { key: [key; 16], row };
    let claims = |job: &Job, claims: &[JobClaim]| Write::JobClaims(job.id, claims.to_vec());
    commit(&store, [write(&one), write(&two), claims(&one, &[claim(2, 8), claim(1, 7)])]).await.unwrap();
    commit(&store, [claims(&one, &[claim(1, 9), claim(3, 9)]), claims(&two, &[claim(1, 1)])]).await.unwrap();
    let keys = (0..150).map(|key| [key; 16]).collect();
    let mut found = store.job_claims(one.id, keys).await.unwrap();
    found.sort_by_key(|claim| claim.key);
    assert_eq!(found, [claim(1, 7), claim(2, 8), claim(3, 9)]);
    assert_eq!(store.job_claims(one.id, vec![]).await.unwrap(), []);
    let gone = commit(&store, [Write::DeleteJob(one.id), claims(&one, &[claim(4, 1)])]).await;
    assert_eq!(cause(gone), Cause::ResourceNotFound);
    let many: Vec<_> = (0..8_001).map(|row| claim(5, row)).collect();
    assert_eq!(cause(commit(&store, [claims(&two, &many)]).await), Cause::TooMany);
    commit(&store, [Write::DeleteJob(one.id)]).await.unwrap();
    while store.prune(START).await.unwrap() {}
    assert_eq!(store.job_claims(one.id, vec![[1; 16]]).await.unwrap(), []);
    assert_eq!(store.job_claims(two.id, vec![[1; 16]]).await.unwrap(), [claim(1, 1)]);
}
