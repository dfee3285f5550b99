//! Every static template, with and without what may be left out, and what is wrong with it.

use super::{
    super::said::{Fragments, Progress, Said, Which, cleared},
    *,
};
use landfall_core::{AlarmChange, NewAlarm, NewDeviceEvent, NewMeasurement};
use landfall_model::{Severity, Time};
use serde_json::{Value, json};
use std::collections::HashSet;

fn says(text: &str) -> Result<Said, String> {
    let mut heard = heard(text);
    let only = heard.next().unwrap().said;
    assert!(heard.next().is_none(), "{text} is one line");
    only
}

fn fragments(value: Value) -> Fragments {
    value.as_object().unwrap().clone()
}

fn has(value: Value) -> Said {
    Said::Has(fragments(value))
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn some(words: &str) -> Option<String> {
    Some(text(words))
}

fn at() -> Option<Time> {
    Time::parse_iso("2016-06-22T15:03:14.000Z")
}

#[test]
fn devices_tell_of_themselves() {
    let hardware = json!({"c8y_Hardware": {"serialNumber": "1234567890", "model": "myModel", "revision": "1.2.3"}});
    let software = |list: Value| json!({"c8y_SoftwareList": list});
    let item = |name: &str, version: &str, kind: &str, url: &str| json!({"name": name, "version": version, "softwareType": kind, "url": url});
    let cases = [
        ("100", Said::Made { name: None, kind: None }),
        ("100,,", Said::Made { name: None, kind: None }),
        ("100,,myType", Said::Made { name: None, kind: some("myType") }),
        ("100,\"my, device\",myType", Said::Made { name: some("my, device"), kind: some("myType") }),
        ("101,c-1", Said::Child { id: text("c-1"), name: None, kind: None }),
        ("101,c-1,n,t", Said::Child { id: text("c-1"), name: some("n"), kind: some("t") }),
        (
            "102,s-1,systemd,Database,up",
            Said::Service { id: text("s-1"), kind: text("systemd"), name: text("Database"), status: text("up") },
        ),
        ("104,up", has(json!({"status": "up"}))),
        ("105", Said::Children),
        ("107,c8y_Position,c8y_Configuration", has(json!({"c8y_Position": null, "c8y_Configuration": null}))),
        ("110,1234567890,myModel,1.2.3", has(hardware)),
        ("110,,myModel", has(json!({"c8y_Hardware": {"model": "myModel"}}))),
        ("111,1234567890,,54353", has(json!({"c8y_Mobile": {"imei": "1234567890", "imsi": "54353"}}))),
        ("112,50.323423,6.423423", has(json!({"c8y_Position": {"lat": 50.323423, "lng": 6.423423}}))),
        ("112,50,6,67,5", has(json!({"c8y_Position": {"lat": 50, "lng": 6, "alt": 67, "accuracy": 5}}))),
        ("113,\"val1=1\nval2=\"\"2\"\"\"", has(json!({"c8y_Configuration": {"config": "val1=1\nval2=\"2\""}}))),
        ("114,c8y_Restart, c8y_Command", has(json!({"c8y_SupportedOperations": ["c8y_Restart", "c8y_Command"]}))),
        ("114", has(json!({"c8y_SupportedOperations": []}))),
        ("115,f,1.0,u", has(json!({"c8y_Firmware": {"name": "f", "version": "1.0", "url": "u"}}))),
        (
            "116,a,1,u1,b,,u2,c,3",
            has(software(json!([
                {"name": "a", "version": "1", "url": "u1"}, {"name": "b", "version": "", "url": "u2"}, {"name": "c", "version": "3", "url": ""}
            ]))),
        ),
        ("117,60", Said::HasAtFirst(fragments(json!({"c8y_RequiredAvailability": {"responseInterval": 60}})))),
        ("118,dmesg,syslog", has(json!({"c8y_SupportedLogs": ["dmesg", "syslog"]}))),
        ("119,sshd,agent", has(json!({"c8y_SupportedConfigurations": ["sshd", "agent"]}))),
        ("120,t,u", has(json!({"c8y_Configuration_t": {"type": "t", "url": "u", "name": "t"}}))),
        (
            "120,t,u,f,2016-06-22T17:03:14.000+02:00",
            has(json!({"c8y_Configuration_t": {"type": "t", "url": "u", "name": "f", "time": "2016-06-22T15:03:14.000Z"}})),
        ),
        ("121,true,8473", Said::Profile { executed: true, id: some("8473") }),
        ("121,false", Said::Profile { executed: false, id: None }),
        ("122,a,1,,m", has(json!({"c8y_Agent": {"name": "a", "version": "1", "url": "", "maintainer": "m"}}))),
        ("123", Said::WhoAmI),
        ("125", Said::Heartbeat),
        ("140,a,1,apt,u,b,2", has(software(json!([item("a", "1", "apt", "u"), item("b", "2", "", "")])))),
        ("140", has(software(json!([])))),
        ("141,a,1,apt,u", Said::Installed(vec![item("a", "1", "apt", "u")])),
        ("142,a,1,b", Said::Removed(vec![(text("a"), text("1")), (text("b"), String::new())])),
        ("143,yum,,docker", has(json!({"c8y_SupportedSoftwareTypes": ["yum", "docker"]}))),
        ("143", has(json!({"c8y_SupportedSoftwareTypes": null}))),
        ("150,ssh", has(json!({"c8y_RemoteAccessList": ["ssh"]}))),
    ];
    for (line, expected) in cases {
        assert_eq!(says(line), Ok(expected), "{line}");
    }
}

#[test]
fn devices_tell_what_they_measure() {
    let measured = |kind: &str, at: Option<Time>, found: Value| {
        Said::Measured(NewMeasurement { kind: text(kind), at, fragments: fragments(found) })
    };
    let series = |value: Value, unit: &str| json!({"value": value, "unit": unit});
    let cases = [
        ("200,c8y_Temperature,T,25", measured("c8y_Temperature", None, json!({"c8y_Temperature": {"T": {"value": 25}}}))),
        (
            "200,c8y_Temperature,T,-2.5,C,2016-06-22T17:03:14.000+02:00",
            measured("c8y_Temperature", at(), json!({"c8y_Temperature": {"T": series(json!(-2.5), "C")}})),
        ),
        (
            "201,reading,2016-06-22T15:03:14Z,a,A+:1,1234,kWh,a,A-:1,2345,kWh,b,A+:1,1",
            measured(
                "reading",
                at(),
                json!({
                    "a": {"A+:1": series(json!(1234), "kWh"), "A-:1": series(json!(2345), "kWh")}, "b": {"A+:1": {"value": 1}}
                }),
            ),
        ),
        (
            "210,-90,23",
            measured(
                "c8y_SignalStrength",
                None,
                json!({"c8y_SignalStrength": {"rssi": series(json!(-90), "dBm"), "ber": series(json!(23), "%")}}),
            ),
        ),
        (
            "210,,23,2016-06-22T15:03:14Z",
            measured("c8y_SignalStrength", at(), json!({"c8y_SignalStrength": {"ber": series(json!(23), "%")}})),
        ),
        (
            "211,25",
            measured("c8y_TemperatureMeasurement", None, json!({"c8y_TemperatureMeasurement": {"T": series(json!(25), "C")}})),
        ),
        ("212,95,2016-06-22T15:03:14Z", measured("c8y_Battery", at(), json!({"c8y_Battery": {"level": series(json!(95), "%")}}))),
    ];
    for (line, expected) in cases {
        assert_eq!(says(line), Ok(expected), "{line}");
    }
}

#[test]
fn devices_raise_and_clear() {
    let alarm = |severity, words: &str, at| {
        Said::Alarm(NewAlarm { kind: text("hot"), text: text(words), severity, status: None, at, fragments: Fragments::new() })
    };
    let event = |words: &str, at| Said::Event {
        event: NewDeviceEvent { kind: text("e"), text: text(words), at, fragments: Fragments::new() },
        also: false,
    };
    let moved = |found: Value, at, also| {
        let fragments = fragments(json!({"c8y_Position": found}));
        let event = NewDeviceEvent { kind: text("c8y_LocationUpdate"), text: text("Location updated"), at, fragments };
        Said::Event { event, also }
    };
    let changed = |change| Said::AlarmIs { kind: text("hot"), change };
    let cases = [
        ("301,hot", alarm(Severity::Critical, "Alarm of type hot raised", None)),
        ("302,hot,\"too hot\"", alarm(Severity::Major, "too hot", None)),
        ("303,hot,,2016-06-22T17:03:14.000+02:00", alarm(Severity::Minor, "Alarm of type hot raised", at())),
        ("304,hot,warm", alarm(Severity::Warning, "warm", None)),
        ("305,hot,critical", changed(AlarmChange { severity: Some(Severity::Critical), ..AlarmChange::default() })),
        ("306,hot", changed(cleared())),
        ("307,hot,a,b", changed(AlarmChange { fragments: fragments(json!({"a": null, "b": null})), ..AlarmChange::default() })),
        ("400,e,\"done, well\"", event("done, well", None)),
        ("400,e,done,2016-06-22T15:03:14Z", event("done", at())),
        ("401,51.15,6.95,67", moved(json!({"lat": 51.15, "lng": 6.95, "alt": 67}), None, false)),
        ("402,51.15,6.95,,,2016-06-22T15:03:14Z", moved(json!({"lat": 51.15, "lng": 6.95}), at(), true)),
        ("407,e,a", Said::EventHas { kind: text("e"), fragments: fragments(json!({"a": null})) }),
    ];
    for (line, expected) in cases {
        assert_eq!(says(line), Ok(expected), "{line}");
    }
}

#[test]
fn devices_tell_how_far_they_are() {
    let oldest = |progress| Said::Operation { which: Which::Oldest(text("c8y_Restart")), progress };
    let one = |progress| Said::Operation { which: Which::Id(text("123")), progress };
    let cases = [
        ("500", Said::Pending),
        ("501,c8y_Restart", oldest(Progress::Executing)),
        ("502,c8y_Restart", oldest(Progress::Failed(None))),
        ("502,c8y_Restart,\"Could not, restart\"", oldest(Progress::Failed(some("Could not, restart")))),
        ("503,c8y_Restart", oldest(Progress::Successful(vec![]))),
        ("503,c8y_Restart,a,,", oldest(Progress::Successful(vec![text("a")]))),
        ("504,123", one(Progress::Executing)),
        ("505,123,no", one(Progress::Failed(some("no")))),
        ("506,123,OPEN,CLOSED", one(Progress::Successful(vec![text("OPEN"), text("CLOSED")]))),
        ("507", Said::Failed { fragment: None, reason: None }),
        ("507,c8y_Restart,lost", Said::Failed { fragment: some("c8y_Restart"), reason: some("lost") }),
    ];
    for (line, expected) in cases {
        assert_eq!(says(line), Ok(expected), "{line}");
    }
}

#[test]
fn the_device_learns_what_is_wrong() {
    let cases = [
        ("9999", "there is no static template of this id"),
        ("", ""),
        ("x,1", "there is no static template of this id"),
        ("101,,n", "childId is missing; the form is 101,childId,[name],[type]"),
        ("107", "fragment is missing; the form is 107,fragment,..."),
        ("112,north", "lat must be a number, not north; the form is 112,[latitude],[longitude],[altitude],[accuracy]"),
        ("116,,1,u", "a name is missing; the form is 116,[name,version,url],..."),
        ("117,soon", "minutes must be a whole number, not soon; the form is 117,[minutes]"),
        ("200,a,b,c", "value must be a number, not c; the form is 200,fragment,series,value,[unit],[time]"),
        ("200,a,b,1,,yesterday", "time must be ISO 8601, not yesterday; the form is 200,fragment,series,value,[unit],[time]"),
        ("201,t,,a,b", "value is missing; the form is 201,type,[time],(fragment,series,value,[unit]),..."),
        (
            "201,t",
            "a fragment with its series and value is missing; the form is 201,type,[time],(fragment,series,value,[unit]),...",
        ),
        ("210", "one of rssi and ber is needed; the form is 210,[rssi],[ber],[time]"),
        ("301", "type is missing; the form is 301,type,[text],[time]"),
        ("305,hot,BAD", "severity must be CRITICAL, MAJOR, MINOR or WARNING, not BAD; the form is 305,type,severity"),
        ("400,e", "text is missing; the form is 400,type,text,[time]"),
        ("501", "fragment is missing; the form is 501,fragment"),
        ("400,\"e", "a quote is not closed"),
    ];
    for (line, why) in cases.into_iter().filter(|(line, _)| !line.is_empty()) {
        assert_eq!(says(line), Err(text(why)), "{line}");
    }
}

#[test]
fn the_contract_lists_the_templates() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec/devicecontrol/cumulocity-devicecontrol.md");
    let contract = std::fs::read_to_string(path).unwrap();
    let mut ids = HashSet::new();
    for template in upstream::TEMPLATES {
        assert!(ids.insert(template.id), "{} twice", template.id);
        let form = [template.id, template.values].join(",");
        assert!(contract.contains(&format!("`{}`", form.trim_end_matches(','))), "{form}");
    }
    for template in downstream::TEMPLATES {
        for form in template.forms {
            assert!(contract.contains(&format!("`{form}`")), "{form}");
        }
        assert!(contract.contains(&format!("`{}`", template.fragment)), "{}", template.fragment);
    }
}

#[test]
fn anything_can_be_read() {
    let operation =
        json!({"c8y_Command": {"text": "a,\"b\"\n"}, "c8y_SoftwareUpdate": [{"name": "a"}], "c8y_DeviceProfile": {}}).to_string();
    let corpus: Vec<&[u8]> = vec![
        b"100,a,b\n113,\"a=1\r\nb=\"\"2\"\"\"\r\n125",
        b"200,c8y_Temperature,T,25.5,C,2016-06-22T17:03:14.000+02:00",
        b"201,t,,a,b,1,u,a,c,2,\n116,a,1,u,b\n142,a,1",
        b"503,c8y_Command,\"out\"\n305,hot,MAJOR\n120,t,u,,2016-06-22T17:03:14Z",
        operation.as_bytes(),
        b"10,9,PUT,INVENTORY,,false,c8y_Serial,a.b,NUMBER,\n11,8,a,a.b,b[*],b[1]\n9,d-1,5",
        b"10,9,POST,MEASUREMENT,,m,,a.b.value,NUMBER,\n9,,5\n9,,x",
    ];
    landfall_testkit::mutate::run(&corpus, 11, 20_000, fuzz);
}
