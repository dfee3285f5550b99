//! What a command is as an operation, and what may follow.

use super::*;
use CommandState::{Canceled, Delivered, Expired, Failed, Pending, Sent, Successful, Timeout};
use landfall_model::{AccountId, AppId, CommandId, Device, DeviceId, Time};
use serde_json::json;

const TIMES: Times = Times { now: Time(1_000), ack_by: Time(2_000), result_by: Time(3_000) };

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn command(app: Option<AppId>, call: (&str, &str, &str)) -> Command {
    let device = Device::new(DeviceId::from_random([1; 16]), AccountId::from_random([2; 16]), None, "n", Time(1));
    let numbers = state::Numbers { id: CommandId::from_random([3; 16]), mid: 4, place: 5 };
    state::pending(&device, (app, None), numbers, call, Time(500))
}

/// As it is made here of these fragments.
fn made(fragments: Value) -> Command {
    let (service, paras) = asked(NewOperation { fragments: map(fragments) }).unwrap();
    command(None, (&service, METHOD, &paras))
}

fn of_app() -> Command {
    Command { due_at: Some(Time(9_000)), ..command(Some(AppId::from_random([6; 16])), ("Meter", "SET", r#"{"rate":5}"#)) }
}

fn in_state(command: &Command, state: CommandState, result: Option<&str>) -> Command {
    Command { state, result: result.map(str::to_owned), ..command.clone() }
}

fn says(status: Option<OperationStatus>) -> OperationChange {
    OperationChange { status, ..OperationChange::default() }
}

#[test]
fn an_operation_is_a_command_of_its_first_fragment() {
    let given = json!({ "description": "d", "c8y_Restart": {}, "status": "FAILED", "deviceId": "7", "zz": 1 });
    let command = made(given);
    assert_eq!((command.service_id.as_str(), command.method.as_str()), ("c8y_Restart", "operation"));
    let operation = shown(&command, Some("pump".into()));
    assert_eq!(operation.fragments, map(json!({ "description": "d", "c8y_Restart": {}, "zz": 1 })));
    assert_eq!((operation.status, operation.place, operation.failure_reason), (OperationStatus::Pending, 5, None));
    assert_eq!((operation.device_name.as_deref(), operation.created_at), (Some("pump"), Time(500)));
    for bad in [
        json!({}),
        json!({ "description": "d", "id": "7" }),
        json!({ "": 1 }),
        json!({ "x".repeat(257): 1 }),
        json!({ "a": "x".repeat(FRAGMENTS) }),
    ] {
        assert_eq!(asked(NewOperation { fragments: map(bad.clone()) }).unwrap_err().cause, Cause::InvalidField, "{bad}");
    }
}

#[test]
fn a_command_of_an_application_shows_service_and_method() {
    let expected = json!({ "Meter": { "rate": 5 }, "description": "SET" });
    assert_eq!(shown(&of_app(), None).fragments, map(expected));
    // Its method says nothing of who made it.
    let named = Command { method: METHOD.into(), ..of_app() };
    assert_eq!(shown(&named, None).fragments["Meter"], json!({ "rate": 5 }));
    let answered = in_state(&of_app(), Successful, Some(r#"{"c8y_Command":{"result":"ok"},"status":"x"}"#));
    assert_eq!(shown(&answered, None).fragments["c8y_Command"]["result"], "ok");
    assert!(!shown(&answered, None).fragments.contains_key("status"));
}

#[test]
fn each_state_has_a_status_and_failures_a_reason() {
    use OperationStatus as Status;
    let why = Some(r#"{"failureReason":"no room"}"#);
    for (state, result, status, reason) in [
        (Pending, None, Status::Pending, None),
        (Sent, None, Status::Executing, None),
        (Delivered, None, Status::Executing, None),
        (Successful, why, Status::Successful, None),
        (Failed, None, Status::Failed, None),
        (Failed, why, Status::Failed, Some("no room")),
        (Failed, Some(r#"{"error":"encode: no"}"#), Status::Failed, Some("encode: no")),
        (Failed, Some(r#"{"error":{"a":1}}"#), Status::Failed, Some(r#"{"a":1}"#)),
        (Timeout, None, Status::Failed, Some("the device did not answer in time")),
        (Expired, None, Status::Failed, Some("the device did not take it in time")),
        (Canceled, None, Status::Failed, Some("canceled before the device took it")),
    ] {
        let operation = shown(&in_state(&of_app(), state, result), None);
        assert_eq!((operation.status, operation.failure_reason.as_deref()), (status, reason), "{state:?} {result:?}");
        assert!(status.states().any(|one| one == state), "{state:?}");
    }
}

#[test]
fn a_device_moves_an_operation_forward_and_may_repeat_itself() {
    use OperationStatus as Status;
    for command in [made(json!({ "c8y_Restart": {} })), of_app()] {
        for state in CommandState::ALL {
            for (word, from_pending, from_sent, from_delivered) in [
                (Status::Pending, Some(vec![]), None, None),
                (Status::Executing, Some(vec![Sent, Delivered]), Some(vec![Delivered]), Some(vec![])),
                (
                    Status::Successful,
                    Some(vec![Sent, Delivered, Successful]),
                    Some(vec![Delivered, Successful]),
                    Some(vec![Successful]),
                ),
                (Status::Failed, Some(vec![Sent, Delivered, Failed]), Some(vec![Delivered, Failed]), Some(vec![Failed])),
            ] {
                let expected = match state {
                    Pending => from_pending,
                    Sent => from_sent,
                    Delivered => from_delivered,
                    _ => (Status::of(state) == word).then(Vec::new),
                };
                let followed = after(&in_state(&command, state, None), &says(Some(word)), TIMES);
                let Some(expected) = expected else {
                    let error = followed.unwrap_err();
                    assert_eq!((error.cause, error.path.as_deref()), (Cause::OperationNotAllowed, Some("status")));
                    let told = format!("{} and cannot become {}", Status::of(state).as_str(), word.as_str());
                    assert!(error.detail.contains(&told), "{error}");
                    continue;
                };
                let states = followed.unwrap();
                assert_eq!(states.iter().map(|one| one.state).collect::<Vec<_>>(), expected, "{state:?} {word:?}");
                let versions: Vec<_> = states.iter().map(|one| one.version).collect();
                assert_eq!(versions, (2..).take(states.len()).collect::<Vec<_>>());
                for one in states {
                    let over = one.state.is_final();
                    assert_eq!(one.executed_at, over.then_some(TIMES.now));
                    assert_eq!(one.result.is_some(), over, "{state:?} {word:?}");
                    // It keeps the time that it was given.
                    assert_eq!(one.due_at, command.due_at.filter(|_| !over));
                }
            }
        }
    }
}

#[test]
fn what_the_device_adds_is_kept() {
    let command = made(json!({ "c8y_Command": { "text": "ls" } }));
    let answer = json!({ "c8y_Command": { "text": "ls", "result": "a b" }, "id": "7", "deviceId": "8" });
    let change = OperationChange { fragments: map(answer), ..says(Some(OperationStatus::Successful)) };
    let done = after(&command, &change, TIMES).unwrap().pop().unwrap();
    assert_eq!(shown(&done, None).fragments, map(json!({ "c8y_Command": { "text": "ls", "result": "a b" } })));
    // Said again, nothing is written; something new is, and what is asked for said back is not.
    assert_eq!(after(&done, &change, TIMES), Ok(vec![]));
    assert_eq!(after(&done, &OperationChange { status: None, ..change.clone() }, TIMES), Ok(vec![]));
    let echo = OperationChange { fragments: map(json!({ "c8y_Command": { "text": "ls" } })), ..says(None) };
    assert_eq!(after(&command, &echo, TIMES), Ok(vec![]));
    let more = OperationChange { fragments: map(json!({ "progress": 50 })), ..says(None) };
    for state in [Pending, Sent, Delivered] {
        let kept = after(&in_state(&command, state, None), &more, TIMES).unwrap();
        assert_eq!((kept.len(), kept[0].state, kept[0].version), (1, state, 2));
        assert_eq!(shown(&kept[0], None).fragments["progress"], 50);
    }
    let reason = |text: &str, status| OperationChange { failure_reason: Some(text.into()), ..says(Some(status)) };
    let failed = after(&command, &reason("no room", OperationStatus::Failed), TIMES).unwrap().pop().unwrap();
    assert_eq!(shown(&failed, None).failure_reason.as_deref(), Some("no room"));
    let passed = after(&command, &reason("none", OperationStatus::Successful), TIMES).unwrap().pop().unwrap();
    assert_eq!(passed.result.as_deref(), Some("{}"));
    let long = after(&command, &reason(&"x".repeat(1_025), OperationStatus::Failed), TIMES);
    assert_eq!(long.unwrap_err().path.as_deref(), Some("failureReason"));
    let large = OperationChange { fragments: map(json!({ "a": "x".repeat(FRAGMENTS) })), ..says(None) };
    assert_eq!(after(&command, &large, TIMES).unwrap_err().cause, Cause::InvalidField);
}

#[test]
fn ids_are_numbers() {
    let operation = shown(&made(json!({ "a": 1 })), None);
    assert_eq!(Operation::id_of(&operation.number().to_string()), Some(operation.id));
    for bad in ["", "+1", "-1", "x", "340282366920938463463374607431768211456"] {
        assert_eq!(Operation::id_of(bad), None, "{bad}");
    }
}
