//! Cached commands (1.7.1 to 1.7.6) at devices that hear, sleep, refuse, or have gone.

use super::*;
use landfall_coap::Retransmit;
use landfall_core::RevokeFilter;
use landfall_model::{PageRequest, RevokeState};
use landfall_testkit::network::Conditions;

fn zones(done: &[(String, String)]) -> Vec<&str> {
    done.iter().filter(|(path, _)| path == "3/0/15").map(|(_, text)| text.as_str()).collect()
}

#[tokio::test]
async fn commands_write_and_execute_and_tell_their_results() {
    let mut ground = Ground::new(1).await;
    let sim = ground.running("m-1").await;
    ground.sims[sim].device.take_served();
    let mut ids = vec![];
    for (method, paras) in
        [("SET_ZONE", json!({"zone": "Europe/Rome"})), ("REBOOT", json!({})), ("SET_MAKER", json!({"maker": "x"}))]
    {
        ids.push(ground.submit(sim, method, paras, None).await);
    }
    ground.run_s(10).await;
    let states = ground.states(&ids).await;
    assert_eq!(states, [CommandState::Successful, CommandState::Successful, CommandState::Failed]);
    let paths: Vec<String> = ground.done_to(sim).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["3/0/15", "3/0/4", "3/0/0"]);
    assert_eq!(ground.sims[sim].device.lwm2m().get(&ZONE), Some(&Value::Text("Europe/Rome".into())));
    assert_eq!(ground.sims[sim].device.lwm2m().take_executed().len(), 1);
    let results = [ground.command(ids[0]).await.result, ground.command(ids[2]).await.result].map(Option::unwrap);
    assert_eq!(results[0], r#"{"code":"2.04"}"#);
    assert!(results[1].contains(r#""code":"4.05""#), "{}", results[1]);
    assert!(ground.command(ids[2]).await.delivered_at.is_some(), "its refusal is an acknowledgement");
}

#[tokio::test]
async fn a_sleeper_gets_its_commands_in_order_when_it_wakes() {
    let mut ground = Ground::new(2).await;
    let sim = ground.sleeping("m-1").await;
    let mut ids = vec![];
    for n in 0..10 {
        ids.push(ground.submit(sim, "SET_ZONE", json!({"zone": format!("zone-{n}")}), None).await);
    }
    ground.run_s(600).await;
    assert_eq!(ground.states(&ids).await, [CommandState::Pending; 10]);
    assert_eq!(ground.shared.counters().requests, 3, "nothing was sent to a device that sleeps");
    ground.tell(sim, SimDevice::wake);
    ground.tell(sim, SimDevice::update);
    ground.run_s(20).await;
    assert_eq!(ground.states(&ids).await, [CommandState::Successful; 10]);
    let done = ground.done_to(sim);
    assert_eq!(zones(&done).len(), 10);
    for (n, zone) in zones(&done).iter().enumerate() {
        assert!(zone.contains(&format!("zone-{n}")), "{n}: {zone}");
    }
}

#[tokio::test]
async fn the_next_command_goes_when_the_one_before_was_acknowledged() {
    let mut ground = Ground::new(3).await;
    let sim = ground.running("m-1").await;
    let mut ids = vec![];
    ground.network.set(Conditions { loss_percent: 0, duplicate_percent: 0, delay_ms: 1_500..=1_500 });
    for n in 0..3 {
        ids.push(ground.submit(sim, "SET_ZONE", json!({"zone": format!("zone-{n}")}), None).await);
    }
    for sent in 1..=3 {
        ground.run_s(1).await;
        let states = ground.states(&ids).await;
        let expected = |n: usize| match n + 1 {
            n if n < sent => CommandState::Successful,
            n if n == sent => CommandState::Sent,
            _ => CommandState::Pending,
        };
        assert_eq!(states, [0, 1, 2].map(expected), "while command {sent} is on its way");
        ground.run_s(2).await;
    }
    ground.run_s(2).await;
    assert_eq!(ground.states(&ids).await, [CommandState::Successful; 3]);
}

#[tokio::test]
async fn no_command_is_done_twice_whatever_the_network_does() {
    for seed in 1..=5 {
        let mut ground = Ground::new(seed).await;
        let id = ground.known("m-1").await.id;
        let device = SimDevice::new(Client::new("m-1", Version::V1_1), seed).secured(key_of("m-1"));
        let sim = ground.join(device, true, id);
        ground.network.put_behind_nat(ground.sims[sim].host, Some(9));
        ground.shuffle = (seed % 2 == 0).then(|| Seeded::new(seed));
        ground.tell(sim, SimDevice::register);
        ground.run_s(5).await;
        ground.done_to(sim);
        ground.network.set(Conditions { loss_percent: 20, duplicate_percent: 30, delay_ms: 5..=900 });
        let mut ids = vec![];
        for n in 0..40 {
            ids.push(ground.submit(sim, "SET_ZONE", json!({"zone": format!("zone-{n:02}")}), None).await);
            if n % 10 == 9 {
                ground.run_s(600).await;
                // What was not answered made it seem gone; the next contact finds it.
                ground.tell(sim, SimDevice::update);
                ground.run_s(300).await;
            }
        }
        ground.network.set(Conditions::default());
        ground.tell(sim, SimDevice::update);
        ground.run_s(300).await;
        let done = ground.done_to(sim);
        let done = zones(&done);
        let mut once = done.clone();
        once.dedup();
        assert_eq!(done, once, "seed {seed}");
        assert!(done.is_sorted(), "seed {seed}: {done:?}");
        let states = ground.states(&ids).await;
        for (n, state) in states.iter().enumerate() {
            let at_device = done.iter().any(|zone| zone.contains(&format!("zone-{n:02}")));
            assert!(matches!(state, CommandState::Successful | CommandState::Timeout), "seed {seed}: {n} {state:?}");
            assert!(at_device || *state == CommandState::Timeout, "seed {seed}: {n} was done nowhere");
        }
        assert!(states.iter().filter(|state| **state == CommandState::Successful).count() >= 36, "seed {seed}: {states:?}");
    }
}

#[tokio::test]
async fn an_unanswered_command_is_sent_again_as_often_as_asked() {
    let mut ground = Ground::new(4).await;
    let sim = ground.running("m-1").await;
    let request = |max_retransmit| CommandRequest {
        service_id: "Control".into(),
        method: "REBOOT".into(),
        paras: "{}".into(),
        callback_url: None,
        expire_s: None,
        max_retransmit,
    };
    let mut ids = vec![];
    for repeats in [0, 2] {
        let made = ground.core.submit_command(&ground.scope, ground.sims[sim].id, request(repeats)).await.unwrap();
        ids.push(made.id);
    }
    ground.sims[sim].device.sleep();
    ground.run_s(120).await;
    assert_eq!(ground.states(&ids).await, [CommandState::Timeout, CommandState::Pending], "the device seems gone");
    ground.tell(sim, |device, _| device.sleep());
    let update = |device: &mut SimDevice, now| {
        device.wake(now);
        device.update(now);
    };
    ground.tell(sim, update);
    ground.settle().await;
    ground.run_s(1).await;
    assert_eq!(ground.states(&ids).await, [CommandState::Timeout, CommandState::Successful]);
    assert_eq!(ground.command(ids[0]).await.issued_times, 1);
    ground.sims[sim].device.sleep();
    let last = ground.core.submit_command(&ground.scope, ground.sims[sim].id, request(2)).await.unwrap().id;
    ground.run_s(600).await;
    let last = ground.command(last).await;
    assert_eq!((last.state, last.issued_times), (CommandState::Timeout, 3));
}

#[tokio::test]
async fn a_command_without_validity_is_tried_at_once_or_not_at_all() {
    let mut ground = Ground::new(5).await;
    let hears = ground.running("m-1").await;
    let sleeps = ground.sleeping("m-2").await;
    let done = ground.submit(hears, "REBOOT", json!({}), Some(0)).await;
    let lost = ground.submit(sleeps, "REBOOT", json!({}), Some(0)).await;
    let waits = ground.submit(sleeps, "SET_ZONE", json!({"zone": "UTC"}), None).await;
    ground.run_s(120).await;
    let states = ground.states(&[done, lost, waits]).await;
    assert_eq!(states, [CommandState::Successful, CommandState::Timeout, CommandState::Pending]);
    ground.tell(sleeps, SimDevice::wake);
    ground.tell(sleeps, SimDevice::update);
    ground.run_s(10).await;
    assert_eq!(ground.states(&[lost, waits]).await, [CommandState::Timeout, CommandState::Successful]);
    assert!(ground.sims[sleeps].device.lwm2m().take_executed().is_empty());
    let request = CommandRequest {
        service_id: "Control".into(),
        method: "REBOOT".into(),
        paras: "{}".into(),
        callback_url: None,
        expire_s: Some(0),
        max_retransmit: 0,
    };
    let absent = ground.known("m-3").await.id;
    let refused = ground.core.submit_command(&ground.scope, absent, request).await.unwrap_err();
    assert_eq!(refused.cause, Cause::DeviceOffline);
}

#[tokio::test]
async fn commands_expire_are_cancelled_and_revoked_before_they_go() {
    let mut ground = Ground::new(6).await;
    let sim = ground.sleeping("m-1").await;
    let expires = ground.submit(sim, "REBOOT", json!({}), Some(60)).await;
    let cancelled = ground.submit(sim, "REBOOT", json!({}), Some(6_000)).await;
    let revoked = ground.submit(sim, "REBOOT", json!({}), Some(6_000)).await;
    ground.core.cancel_command(&ground.scope, cancelled).await.unwrap();
    assert_eq!(ground.core.cancel_command(&ground.scope, cancelled).await.unwrap_err().cause, Cause::CommandNotPending);
    ground.run_s(61).await;
    ground.sweep().await;
    assert_eq!(ground.states(&[expires]).await, [CommandState::Expired]);
    let (task, commands) = ground.core.revoke_commands(&ground.scope, ground.sims[sim].id).await.unwrap();
    assert_eq!((task.state, commands.len()), (RevokeState::Success, 1));
    let last = ground.submit(sim, "SET_ZONE", json!({"zone": "UTC"}), None).await;
    ground.tell(sim, SimDevice::wake);
    ground.tell(sim, SimDevice::update);
    ground.run_s(10).await;
    let states = ground.states(&[expires, cancelled, revoked, last]).await;
    assert_eq!(states, [CommandState::Expired, CommandState::Canceled, CommandState::Canceled, CommandState::Successful]);
    assert!(ground.sims[sim].device.lwm2m().take_executed().is_empty());
    let filter = RevokeFilter {
        account: ground.scope.account(),
        app: None,
        task: None,
        device: None,
        state: Some(RevokeState::Success),
        after: None,
        before: None,
    };
    let tasks = ground.core.revoke_tasks(&ground.scope, filter, PageRequest { no: 0, size: 10 }).await.unwrap();
    assert_eq!(tasks.total, 1);
}

#[tokio::test]
async fn a_lost_acknowledgement_makes_no_second_execution() {
    let mut ground = Ground::new(7).await;
    let id = ground.known("m-1").await.id;
    let quick = Retransmit { ack_timeout: Duration::from_secs(1), ..Retransmit::default() };
    let device = SimDevice::new(Client::new("m-1", Version::V1_1), 1).retransmitting(quick).secured(key_of("m-1"));
    let sim = ground.join(device, true, id);
    ground.tell(sim, SimDevice::register);
    ground.run_s(5).await;
    let command = ground.submit(sim, "REBOOT", json!({}), None).await;
    // The request arrives, everything after it is lost for a while.
    ground.settle().await;
    ground.network.set(Conditions { loss_percent: 100, ..Conditions::default() });
    ground.run_s(4).await;
    assert_eq!(ground.states(&[command]).await, [CommandState::Sent]);
    assert_eq!(ground.sims[sim].device.lwm2m().take_executed().len(), 1);
    ground.network.set(Conditions::default());
    ground.run_s(60).await;
    assert_eq!(ground.states(&[command]).await, [CommandState::Successful]);
    assert!(ground.sims[sim].device.lwm2m().take_executed().is_empty());
}

#[tokio::test]
async fn a_new_registration_ends_what_was_under_way_and_goes_on() {
    let mut ground = Ground::new(8).await;
    let sim = ground.running("m-1").await;
    ground.network.set(Conditions { loss_percent: 100, ..Conditions::default() });
    let lost = ground.submit(sim, "REBOOT", json!({}), None).await;
    let next = ground.submit(sim, "SET_ZONE", json!({"zone": "UTC"}), None).await;
    ground.run_s(10).await;
    assert_eq!(ground.states(&[lost, next]).await, [CommandState::Sent, CommandState::Pending]);
    ground.network.set(Conditions::default());
    ground.sims[sim].device.take_served();
    ground.tell(sim, SimDevice::register);
    ground.run_s(10).await;
    assert_eq!(ground.observed(sim), 2, "each observation once");
    assert_eq!(ground.states(&[lost, next]).await, [CommandState::Timeout, CommandState::Successful]);
    // The same while an observation is asked for.
    ground.tell(sim, SimDevice::register);
    while ground.hub.exchanges.is_empty() {
        ground.advance_to(Duration::ZERO);
        ground.settle().await;
    }
    ground.network.set(Conditions { loss_percent: 100, ..Conditions::default() });
    ground.run_s(1).await;
    ground.network.set(Conditions::default());
    ground.tell(sim, SimDevice::register);
    ground.run_s(10).await;
    assert_eq!(ground.observed(sim), 3, "once for the registration that was replaced, then each once");
}
