//! A registered client as a node (D2C): what it says of itself in the words of `device-info` and of management objects, and what it says at
//! all as SenML JSON.
//!
//! Absent: what is observed and read (`plan.rs`), and what is stored (`said.rs`).

use base64::{Engine, engine::general_purpose::STANDARD};
use landfall_core::SelfDescription;
use landfall_lwm2m::{ContentFormat, Entry, Path, Value, codec};
use landfall_model::ManagedKind;
use serde_json::{Map, Value as Json, json};

/// Characters of a text that are kept.
const TEXT: usize = 256;

/// What objects 3 and 6 tell of a device.
pub(super) fn self_description(entries: &[Entry]) -> SelfDescription {
    SelfDescription { info: device_info(entries), managed: managed(entries) }
}

/// Attributes of management objects (TS-0005, 6.2.2 to 6.2.6) that object 3 tells. Memory is in kilobytes, as OMA counts it.
fn managed(entries: &[Entry]) -> Vec<(ManagedKind, Map<String, Json>)> {
    let value = |resource| entries.iter().find(|entry| entry.path.ids() == [3, 0, resource]).map(|entry| &entry.value);
    let number = |resource| value(resource).and_then(whole);
    let (mut firmware, mut memory, mut battery) = (Map::new(), Map::new(), Map::new());
    put(&mut firmware, "vr", value(3).and_then(text));
    put(&mut memory, "mma", number(10));
    put(&mut memory, "mmt", number(21));
    let level = number(9).filter(|percent| *percent <= 100);
    if level.is_some() {
        put(&mut battery, "btl", level);
        // Without a word of its own: unknown. Its numbers begin with 1, those of OMA with 0.
        put(&mut battery, "bts", Some(number(20).filter(|status| *status <= 6).map_or(7, |status| status + 1)));
    }
    let told = [(ManagedKind::Firmware, firmware), (ManagedKind::Memory, memory), (ManagedKind::Battery, battery)];
    told.into_iter().filter(|(_, attributes)| !attributes.is_empty()).collect()
}

fn put(attributes: &mut Map<String, Json>, name: &str, value: Option<impl Into<Json>>) {
    attributes.extend(value.map(|value| (name.to_owned(), value.into())));
}

fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        Value::Unsigned(number) => Some(*number),
        _ => None,
    }
}

/// Attributes of `device-info` that objects 3 and 6 tell. What the device does not have is not there.
fn device_info(entries: &[Entry]) -> Map<String, Json> {
    let mut info = Map::new();
    let (mut latitude, mut longitude) = (None, None);
    for entry in entries {
        let name = match entry.path.ids() {
            [3, 0, 0] => "man",
            [3, 0, 1] => "mod",
            [3, 0, 3] => "fwv",
            [3, 0, 18] => "hwv",
            [3, 0, 19] => "swv",
            [3, 0, 13] => {
                info.extend(clock(&entry.value).map(|clock| ("syst".to_owned(), clock.into())));
                continue;
            }
            [6, 0, 0] => {
                latitude = degrees(&entry.value, 90.0);
                continue;
            }
            [6, 0, 1] => {
                longitude = degrees(&entry.value, 180.0);
                continue;
            }
            _ => continue,
        };
        info.extend(text(&entry.value).map(|text| (name.to_owned(), text.into())));
    }
    if let (Some(latitude), Some(longitude)) = (latitude, longitude) {
        info.insert("loc".into(), format!("geo:{latitude},{longitude}").into());
    }
    info.insert("ptl".into(), json!(["LWM2M"]));
    info
}

/// Values as SenML JSON (RFC 8428), with the object instance as base name where they share one.
///
/// # Errors
/// What SenML cannot say.
pub(super) fn senml(entries: &[Entry]) -> Result<String, String> {
    let first = entries.first().map(|entry| entry.path.cut(2)).unwrap_or_default();
    let base = if entries.iter().all(|entry| first.contains(&entry.path)) { first } else { Path::ROOT };
    let bytes = codec::encode(ContentFormat::SENML_JSON, &base, entries).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.chars().take(TEXT).collect()).filter(|text: &String| !text.is_empty()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Unsigned(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Base64 of the time as four bytes, as TLV has it; none where four bytes do not hold it.
fn clock(value: &Value) -> Option<String> {
    let (Value::Time(seconds) | Value::Integer(seconds)) = value else { return None };
    u32::try_from(*seconds).ok().map(|seconds| STANDARD.encode(seconds.to_be_bytes()))
}

/// A coordinate in decimal with at least one digit behind the point; old devices say it as a text.
fn degrees(value: &Value, most: f64) -> Option<String> {
    let degrees = match value {
        Value::Text(text) => text.trim().parse().ok()?,
        number => number.as_f64()?,
    };
    if !(-most..=most).contains(&degrees) {
        return None;
    }
    // A value that came in 32 bits has no more digits than those bits say.
    let short = degrees as f32;
    let text = if f64::from(short) == degrees { short.to_string() } else { degrees.to_string() };
    Some(if text.contains('.') { text } else { format!("{text}.0") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, value: Value) -> Entry {
        Entry::new(path.parse().unwrap(), value)
    }

    fn place(latitude: Value, longitude: Value) -> Option<String> {
        let info = device_info(&[entry("/6/0/0", latitude), entry("/6/0/1", longitude)]);
        info.get("loc").and_then(Json::as_str).map(str::to_owned)
    }

    #[test]
    fn objects_3_and_6_become_device_info() {
        let said = |path: &str, text: &str| entry(path, Value::Text(text.into()));
        let mut entries = vec![
            said("/3/0/0", "Leshan Demo Device"),
            said("/3/0/1", "Model 500"),
            said("/3/0/2", "LT-500-000-0001"),
            said("/3/0/3", "1.0.0"),
            entry("/3/0/9", Value::Integer(53)),
            entry("/3/0/13", Value::Time(0x69f9_cdf5)),
            said("/3/0/17", "Demo"),
            said("/3/0/18", ""),
            said("/3/0/19", "1.0.2"),
        ];
        let mut expected = json!({
            "man": "Leshan Demo Device", "mod": "Model 500", "fwv": "1.0.0", "swv": "1.0.2", "syst": "afnN9Q==", "ptl": ["LWM2M"],
        });
        assert_eq!(Json::Object(device_info(&entries)), expected);
        entries.push(said("/3/0/18", "2.1"));
        entries.push(entry("/6/0/0", Value::Float(-84.0)));
        entries.push(entry("/6/0/1", Value::Float(-138.0)));
        expected["hwv"] = "2.1".into();
        expected["loc"] = "geo:-84.0,-138.0".into();
        assert_eq!(Json::Object(device_info(&entries)), expected);
    }

    #[test]
    fn object_3_becomes_management_objects() {
        let told = |entries: &[(&str, Value)]| {
            let entries: Vec<Entry> = entries.iter().map(|(path, value)| entry(path, value.clone())).collect();
            let objects = managed(&entries).into_iter().map(|(kind, attributes)| (kind.name().to_owned(), attributes.into()));
            Json::Object(objects.collect())
        };
        let number = Value::Integer;
        for (entries, expected) in [
            (&[("/3/0/9", number(53))][..], json!({"battery": {"btl": 53, "bts": 7}})),
            (&[("/3/0/9", number(53)), ("/3/0/20", number(0))], json!({"battery": {"btl": 53, "bts": 1}})),
            (&[("/3/0/9", number(100)), ("/3/0/20", number(6))], json!({"battery": {"btl": 100, "bts": 7}})),
            (&[("/3/0/9", number(101)), ("/3/0/20", number(1))], json!({})),
            (&[("/3/0/9", number(-1))], json!({})),
            (&[("/3/0/10", number(15)), ("/3/0/21", Value::Unsigned(64))], json!({"memory": {"mma": 15, "mmt": 64}})),
            (&[("/3/0/3", Value::Text("1.0".into()))], json!({"firmware": {"vr": "1.0"}})),
            (&[("/6/0/0", number(1))], json!({})),
        ] {
            assert_eq!(told(entries), expected, "{entries:?}");
        }
    }

    #[test]
    fn places_are_decimal_and_on_earth() {
        for (latitude, longitude, expected) in [
            (Value::Float(54.32), Value::Float(10.13), Some("geo:54.32,10.13")),
            (Value::Float(f64::from(54.32_f32)), Value::Float(0.0), Some("geo:54.32,0.0")),
            (Value::Float(0.000_000_1), Value::Float(180.0), Some("geo:0.0000001,180.0")),
            (Value::Text("-43.5723".into()), Value::Text("153.21760".into()), Some("geo:-43.5723,153.2176")),
            (Value::Integer(7), Value::Integer(-7), Some("geo:7.0,-7.0")),
            (Value::Float(90.5), Value::Float(0.0), None),
            (Value::Float(1.0), Value::Float(180.5), None),
            (Value::Float(f64::NAN), Value::Float(0.0), None),
            (Value::Text("north".into()), Value::Float(0.0), None),
            (Value::Boolean(true), Value::Float(0.0), None),
        ] {
            assert_eq!(place(latitude.clone(), longitude.clone()).as_deref(), expected, "{latitude:?} {longitude:?}");
        }
        assert_eq!(device_info(&[entry("/6/0/0", Value::Float(1.0))]).get("loc"), None);
    }

    #[test]
    fn a_clock_beyond_four_bytes_is_not_told() {
        for (value, expected) in [
            (Value::Time(0), Some("AAAAAA==")),
            (Value::Integer(0x69f9_cdf5), Some("afnN9Q==")),
            (Value::Time(i64::from(u32::MAX)), Some("/////w==")),
            (Value::Time(i64::from(u32::MAX) + 1), None),
            (Value::Time(-1), None),
            (Value::Text("now".into()), None),
        ] {
            assert_eq!(clock(&value).as_deref(), expected, "{value:?}");
        }
    }

    #[test]
    fn values_are_told_in_senml() {
        let temperature = entry("/3303/0/5700", Value::Float(21.5));
        let unit = entry("/3303/0/5701", Value::Text("Cel".into()));
        let frame = entry("/19/0/0/0", Value::Opaque(vec![0xfb, 0xff]));
        for (entries, expected) in [
            (vec![temperature.clone()], json!([{"bn": "/3303/0/", "n": "5700", "v": 21.5}])),
            (
                vec![temperature.clone(), unit.clone()],
                json!([{"bn": "/3303/0/", "n": "5700", "v": 21.5}, {"n": "5701", "vs": "Cel"}]),
            ),
            (vec![frame.clone()], json!([{"bn": "/19/0/", "n": "0/0", "vd": "-_8"}])),
            (vec![temperature.clone(), frame], json!([{"n": "/3303/0/5700", "v": 21.5}, {"n": "/19/0/0/0", "vd": "-_8"}])),
            (vec![], json!([])),
        ] {
            let text = senml(&entries).unwrap();
            assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), expected);
        }
        assert!(senml(&[temperature.clone(), temperature]).is_err());
    }
}
