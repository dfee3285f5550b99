//! Cached commands and revocation tasks.

use crate::place::*;
use landfall_core::store::*;
use landfall_model::*;
use landfall_store::SharedStore;

fn write(command: &Command) -> Write {
    Write::Command(Box::new(command.clone()))
}

fn write_task(task: &RevokeTask) -> Write {
    Write::RevokeTask(Box::new(task.clone()))
}

fn moved(command: &Command, state: CommandState) -> Command {
    Command { version: command.version + 1, state, ..command.clone() }
}

fn task(device: &Device, at: Time, state: RevokeState) -> RevokeTask {
    let commands = vec![CommandId(fresh_uuid())];
    RevokeTask {
        id: TaskId(fresh_uuid()),
        account: device.account,
        app: device.app(),
        device: device.id,
        state,
        commands,
        created_at: at,
    }
}

fn places(commands: &[Command]) -> Vec<u64> {
    commands.iter().map(|c| c.place).collect()
}

pub async fn commands_are_versioned_and_placed(place: Place) {
    let store = place.open();
    let (de, other) = (one_device(&store, "n").await, one_device(&store, "o").await);
    assert_eq!(store.last_command_place(de.id).await, Ok(0));
    let first = command(&de, 1, START);
    store.commit(put([write(&first)])).await.unwrap();
    assert_eq!(store.command(first.id).await, Ok(Some(first.clone())));
    let elsewhere = command(&other, 1, START);
    store.commit(put([write(&elsewhere)])).await.unwrap();
    let stale = [
        ("a place that is taken", command(&de, 1, START)),
        ("the same again", first.clone()),
        ("an unknown one", moved(&command(&de, 9, START), CommandState::Sent)),
        ("a version too far", Command { version: 3, ..first.clone() }),
        ("another place", Command { version: 2, place: 2, ..first.clone() }),
        ("another device", Command { version: 2, device: other.id, ..first.clone() }),
    ];
    for (what, command) in stale {
        // The device's own change goes down with the command.
        let renamed = next(&de, |d| d.connected = true);
        let result = store.commit(put([write_device(&renamed), write(&command)])).await;
        assert_eq!(cause(result), Cause::Stale, "{what}");
        assert_eq!(store.device(de.id).await.unwrap().as_deref(), Some(&de), "{what}");
    }
    let sent = moved(&first, CommandState::Sent);
    store.commit(put([write(&sent)])).await.unwrap();
    assert_eq!(cause(store.commit(put([write(&sent)])).await), Cause::Stale);
    assert_eq!(store.command(first.id).await, Ok(Some(sent)));
    assert_eq!(store.command(CommandId(fresh_uuid())).await, Ok(None));
}

pub async fn open_commands_wait_in_order(place: Place) {
    let store = place.open();
    let (de, other) = (one_device(&store, "n").await, one_device(&store, "o").await);
    let mut all: Vec<Command> = Vec::new();
    for (i, state) in CommandState::ALL.into_iter().enumerate() {
        // Later places are written first and end first.
        let n = 8 - i as u64;
        let made = Command { state, due_at: Some(START.plus_s(n as i64 * 10)), ..command(&de, n, START) };
        store.commit(put([write(&made)])).await.unwrap();
        all.push(made);
    }
    store.commit(put([write(&command(&other, 77, START))])).await.unwrap();
    let open = store.open_commands(de.id).await.unwrap();
    assert_eq!(open, all[..3].iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(store.last_command_place(de.id).await, Ok(8));
    // What is over is never due, and what has no end neither.
    assert_eq!(places(&store.due_commands(START.plus_s(70), 10).await.unwrap()), [6, 7]);
    assert_eq!(places(&store.due_commands(START.plus_s(900), 10).await.unwrap()), [6, 7, 8]);
    assert_eq!(places(&store.due_commands(START.plus_s(900), 2).await.unwrap()), [6, 7]);
    assert_eq!(places(&store.due_commands(START.plus_s(59), 2).await.unwrap()), [0; 0]);
    store.commit(put([write(&moved(&all[1], CommandState::Timeout))])).await.unwrap();
    assert_eq!(places(&store.open_commands(de.id).await.unwrap()), [6, 8]);
    assert_eq!(places(&store.due_commands(START.plus_s(900), 10).await.unwrap()), [6, 8]);
    let batch = (100..1_200).map(|n| write(&command(&de, n, START))).collect();
    store.commit(Batch { writes: batch, events: vec![] }).await.unwrap();
    assert_eq!(store.open_commands(de.id).await.unwrap().len(), 1_000);
    assert_eq!(store.last_command_place(de.id).await, Ok(1_199));
}

async fn listed(store: &SharedStore, filter: &CommandFilter) -> Vec<u64> {
    let page = store.commands(filter, ALL).await.unwrap();
    assert_eq!(page.total, page.items.len() as u64);
    places(&page.items)
}

pub async fn commands_by_filter_and_page(place: Place) {
    let store = place.open();
    let (de, stranger) = (one_device(&store, "n").await, one_device(&store, "o").await);
    let q = app(de.account, "q");
    let second = device(de.account, q.id, "n2");
    store.commit(put([Write::App(Box::new(q.clone())), write_device(&second)])).await.unwrap();
    for n in 1..=6 {
        let owner = if n % 2 == 0 { &second } else { &de };
        store.commit(put([write(&command(owner, n, START.plus_s(n as i64)))])).await.unwrap();
    }
    store.commit(put([write(&command(&stranger, 1, START))])).await.unwrap();
    let all = CommandFilter { account: de.account, app: None, device: None, after: None, before: None };
    let cases: Vec<(CommandFilter, &[u64])> = vec![
        (all.clone(), &[6, 5, 4, 3, 2, 1]),
        (CommandFilter { app: Some(q.id), ..all.clone() }, &[6, 4, 2]),
        (CommandFilter { device: Some(de.id), ..all.clone() }, &[5, 3, 1]),
        (CommandFilter { device: Some(de.id), app: Some(q.id), ..all.clone() }, &[]),
        (CommandFilter { device: Some(stranger.id), ..all.clone() }, &[]),
        (CommandFilter { app: stranger.app(), ..all.clone() }, &[]),
        (CommandFilter { after: Some(START.plus_s(4)), ..all.clone() }, &[6, 5]),
        (CommandFilter { before: Some(START.plus_s(2)), ..all.clone() }, &[1]),
        (CommandFilter { after: Some(START.plus_s(1)), before: Some(START.plus_s(5)), app: Some(q.id), ..all.clone() }, &[4, 2]),
    ];
    for (filter, expected) in cases {
        assert_eq!(listed(&store, &filter).await, expected, "{filter:?}");
    }
    let page = store.commands(&all, PageRequest { no: 1, size: 4 }).await.unwrap();
    assert_eq!((page.total, places(&page.items)), (6, vec![2, 1]));
}

pub async fn revoke_tasks_by_filter(place: Place) {
    let store = place.open();
    let (de, stranger) = (one_device(&store, "n").await, one_device(&store, "o").await);
    let second = device(de.account, AppId(fresh_uuid()), "n2");
    store.commit(put([write_device(&second)])).await.unwrap();
    let mut one = task(&de, START.plus_s(1), RevokeState::Waiting);
    let two = task(&second, START.plus_s(2), RevokeState::PartSuccess);
    let other = task(&stranger, START.plus_s(3), RevokeState::Waiting);
    store.commit(put([write_task(&one), write_task(&two), write_task(&other)])).await.unwrap();
    one = RevokeTask { state: RevokeState::Success, commands: vec![], ..one };
    store.commit(put([write_task(&one)])).await.unwrap();
    let all = RevokeFilter { account: de.account, app: None, task: None, device: None, state: None, after: None, before: None };
    let cases: Vec<(RevokeFilter, Vec<&RevokeTask>)> = vec![
        (all.clone(), vec![&two, &one]),
        (RevokeFilter { app: de.app(), ..all.clone() }, vec![&one]),
        (RevokeFilter { task: Some(two.id), ..all.clone() }, vec![&two]),
        (RevokeFilter { task: Some(other.id), ..all.clone() }, vec![]),
        (RevokeFilter { device: Some(second.id), ..all.clone() }, vec![&two]),
        (RevokeFilter { state: Some(RevokeState::Success), ..all.clone() }, vec![&one]),
        (RevokeFilter { state: Some(RevokeState::Waiting), ..all.clone() }, vec![]),
        (RevokeFilter { after: Some(START.plus_s(1)), ..all.clone() }, vec![&two]),
        (RevokeFilter { before: Some(START.plus_s(2)), ..all.clone() }, vec![&one]),
    ];
    for (filter, expected) in cases {
        let page = store.revoke_tasks(&filter, ALL).await.unwrap();
        assert_eq!(page.items.iter().collect::<Vec<_>>(), expected, "{filter:?}");
        assert_eq!(page.total, expected.len() as u64);
    }
}

pub async fn retention_of_commands(place: Place) {
    let store = place.open();
    let de = one_device(&store, "n").await;
    let waiting = command(&de, 1, START.minus_s(1));
    let writes = [
        write(&waiting),
        write(&Command { state: CommandState::Canceled, ..command(&de, 2, START) }),
        write(&Command { state: CommandState::Successful, ..command(&de, 3, START.plus_s(10)) }),
        write_task(&task(&de, START, RevokeState::Success)),
        write_task(&task(&de, START.plus_s(10), RevokeState::Success)),
    ];
    store.commit(put(writes)).await.unwrap();
    let all = CommandFilter { account: de.account, app: None, device: None, after: None, before: None };
    let tasks = RevokeFilter { account: de.account, app: None, task: None, device: None, state: None, after: None, before: None };
    for (seconds, left, tasks_left) in [(0, vec![3, 2, 1], 2), (5, vec![3, 1], 1), (11, vec![1], 0), (10 * DAY_S, vec![1], 0)] {
        assert_eq!(store.prune(START.plus_s(30 * DAY_S + seconds)).await, Ok(false));
        assert_eq!(listed(&store, &all).await, left, "{seconds} s later");
        assert_eq!(store.revoke_tasks(&tasks, ALL).await.unwrap().total, tasks_left, "{seconds} s later");
    }
    let many = (10..1_510).map(|n| write(&Command { state: CommandState::Expired, ..command(&de, n, START) })).collect();
    store.commit(Batch { writes: many, events: vec![] }).await.unwrap();
    let late = START.plus_s(31 * DAY_S);
    assert_eq!((store.prune(late).await, store.commands(&all, ALL).await.unwrap().total), (Ok(true), 501));
    assert_eq!((store.prune(late).await, store.commands(&all, ALL).await.unwrap().total), (Ok(false), 1));
}

/// As a job makes them: whatever their number, they are written as one by one.
pub async fn many_commands_at_once(place: Place) {
    let store = place.open();
    let (one, gone) = (one_device(&store, "one").await, device(AccountId(fresh_uuid()), AppId(fresh_uuid()), "gone"));
    let more: Vec<Device> = (0..129).map(|i| device(one.account, one.app(), &format!("n{i}"))).collect();
    store.commit(Batch { writes: more.iter().map(write_device).collect(), events: vec![] }).await.unwrap();
    let all: Vec<&Device> = more.iter().chain([&one, &gone]).collect();
    let put_all = async |commands: &[Command]| {
        let writes = commands.iter().map(write).chain([write(&command(&one, 77, START))]).collect();
        store.commit(Batch { writes, events: vec![] }).await
    };
    let made: Vec<Command> = all.iter().map(|device| command(device, 1, START)).collect();
    for refused in [command(&one, 1, START), made[3].clone(), Command { id: made[5].id, ..command(&one, 2, START) }] {
        let twice: Vec<Command> = made.iter().cloned().chain([refused]).collect();
        assert_eq!(cause(put_all(&twice).await), Cause::Stale);
        assert_eq!(store.command(made[0].id).await, Ok(None), "a refused batch leaves nothing");
    }
    put_all(&made).await.unwrap();
    for command in &made {
        let kept = Some(command.clone()).filter(|command| command.device != gone.id);
        assert_eq!(store.command(command.id).await, Ok(kept));
    }
    assert_eq!(places(&store.open_commands(one.id).await.unwrap()), [1, 77]);
    assert_eq!(cause(put_all(&made).await), Cause::Stale);
}

pub async fn operations_by_filter_and_page(place: Place) {
    let store = place.open();
    let (agent, other) = (one_device(&store, "agent").await, one_device(&store, "other").await);
    let child = Device { gateway: Some(agent.id), ..device(agent.account, agent.app(), "child") };
    store.commit(put([write_device(&child)])).await.unwrap();
    let (restart, update) = (r#"{"c8y_Restart":{},"description":"d"}"#, r#"{"c8y_Firmware":{"c8y_Restart":1},"x\n":1}"#);
    // Device, place, seconds, state, service, fragments.
    let mut made = vec![];
    for (device, place, at, state, service, paras) in [
        (&agent, 1, 5, CommandState::Pending, "c8y_Restart", restart),
        (&child, 1, 4, CommandState::Delivered, "c8y_Firmware", update),
        (&agent, 2, 6, CommandState::Sent, "Meter", "{}"),
        (&agent, 3, 7, CommandState::Failed, "c8y_Restart", restart),
        (&child, 2, 8, CommandState::Pending, "c8y_Restart", restart),
        (&other, 1, 9, CommandState::Pending, "c8y_Restart", restart),
    ] {
        let (service_id, paras) = (service.to_owned(), paras.to_owned());
        let job = None;
        made.push(Command { state, service_id, paras, job, ..command(device, place, START.plus_s(at)) });
    }
    for command in &made {
        store.commit(put([write(command)])).await.unwrap();
    }
    let all = OperationFilter::of(agent.account);
    let of = |device: &Device| OperationFilter { device: Some(device.id), ..all.clone() };
    let agents = OperationFilter { gateway: Some(agent.id), ..all.clone() };
    let in_states =
        |filter: &OperationFilter, states: &[CommandState]| OperationFilter { states: states.to_vec(), ..filter.clone() };
    let with = |filter: &OperationFilter, name: &str| OperationFilter { fragment: Some(name.into()), ..filter.clone() };
    let (pending, executing) = ([CommandState::Pending], [CommandState::Sent, CommandState::Delivered]);
    for (filter, expected) in [
        (all.clone(), vec![1, 0, 2, 3, 4]),
        (OperationFilter { sort: Sort::Descending, ..all.clone() }, vec![4, 3, 2, 0, 1]),
        (OperationFilter::of(AccountId(fresh_uuid())), vec![]),
        (of(&agent), vec![0, 2, 3]),
        (agents.clone(), vec![1, 0, 2, 3, 4]),
        (in_states(&of(&agent), &pending), vec![0]),
        (in_states(&agents, &pending), vec![0, 4]),
        (in_states(&agents, &executing), vec![1, 2]),
        (in_states(&all, &pending), vec![0, 4]),
        (in_states(&agents, &[CommandState::Failed, CommandState::Pending]), vec![0, 3, 4]),
        (OperationFilter { account: AccountId(fresh_uuid()), ..in_states(&of(&agent), &pending) }, vec![]),
        (OperationFilter { device: Some(other.id), ..agents.clone() }, vec![]),
        (with(&all, "c8y_Restart"), vec![0, 3, 4]),
        (with(&in_states(&agents, &executing), "c8y_Firmware"), vec![1]),
        (with(&all, "x\n"), vec![1]),
        (with(&all, "Meter"), vec![2]),
        (with(&all, "c8y_"), vec![]),
        (with(&all, "\0"), vec![]),
        (OperationFilter { after_place: Some(1), ..of(&agent) }, vec![2, 3]),
        (OperationFilter { from: Some(START.plus_s(5)), to: Some(START.plus_s(8)), ..all.clone() }, vec![0, 2, 3]),
    ] {
        let page = store.operations(&filter, ALL).await.unwrap();
        let ids: Vec<_> = expected.iter().map(|n: &usize| made[*n].id).collect();
        assert_eq!(page.items.iter().map(|command| command.id).collect::<Vec<_>>(), ids, "{filter:?}");
        assert_eq!(page.total, ids.len() as u64, "{filter:?}");
        let second = store.operations(&filter, PageRequest { no: 1, size: 1 }).await.unwrap();
        assert_eq!(second.items.first().map(|command| command.id), ids.get(1).copied(), "{filter:?}");
    }
    let done = Command { result: None, ..moved(&made[0], CommandState::Successful) };
    store.commit(put([write(&done)])).await.unwrap();
    let found = store.operations(&with(&in_states(&agents, &[CommandState::Successful]), "c8y_Restart"), ALL).await.unwrap();
    assert_eq!(found.items, [done]);
}
