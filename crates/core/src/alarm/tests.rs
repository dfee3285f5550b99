//! What raising and changing make of an alarm.

use super::*;
use AlarmStatus::{Acknowledged, Active, Cleared};
use landfall_model::AccountId;
use serde_json::json;

const NOW: Time = Time(9_000);

fn device() -> Device {
    Device::new(DeviceId::from_random([1; 16]), AccountId::from_random([2; 16]), None, "n", Time(1))
}

fn id(n: u8) -> AlarmId {
    AlarmId::new(Time(1), [n; 16])
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn new(at: i64, severity: Severity, status: Option<AlarmStatus>) -> NewAlarm {
    let fragments = map(json!({ "at": at }));
    NewAlarm { kind: "hot".into(), text: format!("text of {at}"), severity, status, at: Some(Time(at)), fragments }
}

fn stored(status: AlarmStatus) -> Alarm {
    let first = new(5_000, Severity::Major, Some(status));
    Alarm { version: 3, count: 3, first_at: Time(4_000), ..decide_raised(&device(), None, &first, id(1), Time(6_000)) }
}

#[test]
fn an_alarm_counts_up_and_follows_the_newest() {
    use Severity::{Critical, Major};
    // Open one, when it is raised, with which status; then: time, first time, severity, status, of whom the text is.
    let cases = [
        (Active, 7_000, None, (7_000, 4_000, Critical, Active)),
        (Active, 5_000, None, (5_000, 4_000, Critical, Active)),
        (Active, 4_999, None, (5_000, 4_000, Major, Active)),
        (Active, 1_000, Some(Cleared), (5_000, 1_000, Major, Active)),
        (Acknowledged, 7_000, None, (7_000, 4_000, Critical, Acknowledged)),
        (Acknowledged, 7_000, Some(Active), (7_000, 4_000, Critical, Acknowledged)),
        (Active, 7_000, Some(Acknowledged), (7_000, 4_000, Critical, Acknowledged)),
        (Active, 7_000, Some(Cleared), (7_000, 4_000, Critical, Cleared)),
    ];
    for (status, at, asked, (last, first, severity, then)) in cases {
        let known = stored(status);
        let raised = decide_raised(&device(), Some(&known), &new(at, Critical, asked), id(2), NOW);
        let fragments = json!({ "at": last }).to_string();
        let expected = Alarm {
            version: 4,
            count: 4,
            at: Time(last),
            first_at: Time(first),
            severity,
            status: then,
            text: format!("text of {last}"),
            fragments,
            modified_at: NOW,
            ..known
        };
        assert_eq!(raised, expected, "{status:?} at {at} {asked:?}");
    }
}

#[test]
fn what_is_not_open_is_raised_anew() {
    let raised = decide_raised(&device(), None, &NewAlarm { at: None, ..new(1, Severity::Minor, None) }, id(2), NOW);
    assert_eq!((raised.id, raised.version, raised.count, raised.status), (id(2), 1, 1, Active));
    assert_eq!((raised.first_at, raised.at, raised.created_at), (NOW, NOW, NOW), "the time of receipt where none was given");
}

#[test]
fn a_change_leaves_what_it_does_not_name() {
    let nothing = AlarmChange::default();
    let status = |status| AlarmChange { status: Some(status), ..AlarmChange::default() };
    let fragments = AlarmChange { fragments: map(json!({ "at": null, "more": [1] })), ..AlarmChange::default() };
    let known = stored(Active);
    let next = Alarm { version: 4, modified_at: NOW, ..known.clone() };
    let cases = [
        (&nothing, next.clone()),
        (&status(Cleared), Alarm { status: Cleared, ..next.clone() }),
        (
            &AlarmChange { severity: Some(Severity::Warning), ..status(Active) },
            Alarm { severity: Severity::Warning, ..next.clone() },
        ),
        (&AlarmChange { text: Some("new".into()), ..nothing.clone() }, Alarm { text: "new".into(), ..next.clone() }),
        (&fragments, Alarm { fragments: r#"{"more":[1]}"#.into(), ..next.clone() }),
    ];
    for (change, expected) in cases {
        assert_eq!(decide_changed(&known, Some(&known), change, NOW), Ok(expected), "{change:?}");
    }
    let large = AlarmChange { fragments: map(json!({ "a": "x".repeat(FRAGMENTS) })), ..nothing };
    assert_eq!(decide_changed(&known, None, &large, NOW).unwrap_err().cause, Cause::InvalidField);
}

#[test]
fn a_device_has_one_open_alarm_of_a_kind() {
    let over = stored(Cleared);
    let other = Alarm { id: id(9), ..stored(Active) };
    let open = AlarmChange { status: Some(Acknowledged), ..AlarmChange::default() };
    assert_eq!(decide_changed(&over, Some(&other), &open, NOW).unwrap_err().cause, Cause::ResourceExists);
    assert_eq!(decide_changed(&over, None, &open, NOW).map(|next| next.status), Ok(Acknowledged));
    let text = AlarmChange { text: Some("t".into()), ..AlarmChange::default() };
    assert_eq!(decide_changed(&over, Some(&other), &text, NOW).map(|next| next.status), Ok(Cleared), "it stays over");
}

#[test]
fn what_is_said_is_bounded() {
    let empty = Map::new();
    let long = |n: usize| "ö".repeat(n);
    let cases = [
        (check_said("k", "", &empty), Ok(())),
        (check_said(&long(256), &long(1_024), &empty), Ok(())),
        (check_said("", "", &empty), Err(Some("type"))),
        (check_said(&long(257), "", &empty), Err(Some("type"))),
        (check_said("k", &long(1_025), &empty), Err(Some("text"))),
        (check_said("k", "", &map(json!({ "a": "x".repeat(FRAGMENTS) }))), Err(None)),
    ];
    for (n, (checked, expected)) in cases.into_iter().enumerate() {
        assert_eq!(checked.as_ref().map_err(|error| error.path.as_deref()), expected.as_ref().map_err(|path| *path), "{n}");
    }
    let both = [(device().id, "k"), (device().id, "")];
    let place = check_each(&both, |kind| check_said(kind, "", &empty)).unwrap_err();
    assert_eq!(place.path.as_deref(), Some("1.type"));
    assert_eq!(check_each(&vec![both[0]; 1_001], |_| Ok(())).unwrap_err().cause, Cause::TooMany);
}
