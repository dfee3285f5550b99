//! A product model in LwM2M terms: which resources are observed and read, and values both ways.

use landfall_core::Item;
use landfall_lwm2m::{Entry, ObjectLink, Path, Value, ValueType};
use landfall_model::{DeviceInfo, Parameter, Product, Time};
use serde_json::{Map, Value as Json};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
};

/// Observations of one registration.
const OBSERVATIONS: usize = 200;
/// Reads after one registration.
const READS: usize = 200;
/// Device: what [`Bindings::info`] understands.
const DEVICE: Path = Path::instance(3, 0);
/// Serial number, firmware, battery level, hardware and software of it.
const INFO: [u16; 5] = [2, 3, 9, 18, 19];

/// A product model, by path.
pub(crate) struct Bindings {
    pub(crate) version: u64,
    /// Resources, or instances of them, that are properties.
    places: HashMap<Path, Place>,
    observed: BTreeSet<Path>,
    read: BTreeSet<Path>,
    /// Resource that frames come from.
    pub(crate) uplink: Option<Path>,
    /// Resource that frames go to.
    pub(crate) downlink: Option<String>,
}

struct Place {
    service: String,
    property: String,
    form: Form,
}

/// How a value is told in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Number,
    Whole,
    Text,
    Time,
    List,
    Object,
}

impl Form {
    fn of(parameter: &Parameter) -> Self {
        match parameter.data_type.to_ascii_lowercase().as_str() {
            "string" | "enum" => Self::Text,
            "datetime" | "date-time" => Self::Time,
            "array" | "string list" => Self::List,
            "jsonobject" => Self::Object,
            "int" | "integer" | "long" => Self::Whole,
            _ => Self::Number,
        }
    }
}

impl Bindings {
    pub(crate) fn new(product: &Product) -> Self {
        let app_data = product.app_data();
        let mut made = Self {
            version: product.version,
            places: HashMap::new(),
            observed: BTreeSet::new(),
            read: BTreeSet::new(),
            uplink: app_data.as_ref().and_then(|frames| frames.uplink.parse().ok()),
            downlink: app_data.map(|frames| frames.downlink),
        };
        for service in &product.services {
            for property in &service.properties {
                let Some(path) = property.parameter.path.as_deref().and_then(|path| path.parse::<Path>().ok()) else { continue };
                let place = Place {
                    service: service.service_id.clone(),
                    property: property.parameter.name.clone(),
                    form: Form::of(&property.parameter),
                };
                made.places.insert(path, place);
                if property.method.contains('E') {
                    made.observed.insert(path.cut(3));
                } else if property.method.contains('R') {
                    made.read.insert(path.cut(3));
                }
            }
        }
        made.observed.extend(made.uplink.map(|path| path.cut(3)));
        made
    }

    /// What to observe at a client with these object instances: resources, or the whole instance where several of its resources are
    /// wanted, which costs the device one notification instead of many.
    pub(crate) fn observe(&self, instances: &[Path]) -> Vec<Path> {
        let mut paths = grouped(self.observed.iter().filter(|path| Some(**path) != self.uplink), instances);
        paths.extend(self.uplink.filter(|path| instances.contains(&path.cut(2))));
        paths.truncate(OBSERVATIONS);
        paths
    }

    /// What to read once at such a client.
    pub(crate) fn read(&self, instances: &[Path]) -> Vec<Path> {
        let mut paths = grouped(self.read.iter(), instances);
        if instances.contains(&DEVICE) {
            paths.retain(|path| path.cut(2) != DEVICE);
            paths.insert(0, DEVICE);
        }
        paths.truncate(READS);
        paths
    }

    /// Values as data of the product's services; what is bound to nothing is left out. Values of different times are different items.
    pub(crate) fn items(&self, entries: &[Entry], received_at: Time) -> Vec<Item<'static>> {
        let mut services: BTreeMap<(&str, Option<Time>), Map<String, Json>> = BTreeMap::new();
        for entry in entries {
            let Some(place) = self.places.get(&entry.path).or_else(|| self.places.get(&entry.path.cut(3))) else { continue };
            let Some(value) = place.form.json(&entry.value) else { continue };
            let at = entry.time.map(|time| Time(time.at_ms(received_at.0)));
            let data = services.entry((&place.service, at)).or_default();
            let index = entry.path.ids().get(3).copied();
            put(data, place, index, value);
        }
        let item = |((service, at), data): ((&str, Option<Time>), Map<String, Json>)| Item {
            service_id: Cow::Owned(service.to_owned()),
            data: Cow::Owned(Json::Object(data).to_string()),
            event_time: at,
        };
        services.into_iter().map(item).collect()
    }

    /// Whether a value there is part of a service, or of what is known of the device.
    pub(crate) fn means(&self, path: &Path) -> bool {
        let known = path.cut(2) == DEVICE && path.resource_id().is_some_and(|id| INFO.contains(&id));
        known || self.places.contains_key(path) || self.places.contains_key(&path.cut(3))
    }

    /// What the object Device says (LwM2M core, E.4), in the fields of 1.4.9.
    pub(crate) fn info(entries: &[Entry]) -> DeviceInfo {
        let mut info = DeviceInfo::default();
        for entry in entries.iter().filter(|entry| entry.path.cut(2) == DEVICE) {
            let text = || match &entry.value {
                Value::Text(text) => Some(text.chars().take(256).collect()),
                Value::Integer(number) => Some(number.to_string()),
                Value::Unsigned(number) => Some(number.to_string()),
                _ => None,
            };
            match entry.path.ids().get(2) {
                Some(2) => info.serial_number = text(),
                Some(3) => info.fw_version = text(),
                Some(9) => info.battery_level = text(),
                Some(18) => info.hw_version = text(),
                Some(19) => info.sw_version = text(),
                _ => {}
            }
        }
        info
    }
}

/// An instance of a resource that holds a list or an object is a part of it.
fn put(data: &mut Map<String, Json>, place: &Place, index: Option<u16>, value: Json) {
    match (index, place.form) {
        (Some(_), Form::List) => {
            if let Json::Array(list) = data.entry(place.property.clone()).or_insert_with(|| Json::Array(vec![])) {
                list.push(value);
            }
        }
        (Some(index), Form::Object) => {
            if let Json::Object(map) = data.entry(place.property.clone()).or_insert_with(|| Json::Object(Map::new())) {
                map.insert(index.to_string(), value);
            }
        }
        (_, Form::List) => {
            data.insert(place.property.clone(), Json::Array(vec![value]));
        }
        (_, Form::Object) => {
            data.insert(place.property.clone(), serde_json::json!({ "0": value }));
        }
        _ => {
            data.entry(place.property.clone()).or_insert(value);
        }
    }
}

fn grouped<'p>(wanted: impl Iterator<Item = &'p Path>, instances: &[Path]) -> Vec<Path> {
    let mut by_instance: BTreeMap<Path, Vec<Path>> = BTreeMap::new();
    for path in wanted.filter(|path| instances.contains(&path.cut(2))) {
        by_instance.entry(path.cut(2)).or_default().push(*path);
    }
    by_instance.into_iter().map(|(instance, paths)| if let [one] = paths[..] { one } else { instance }).collect()
}

impl Form {
    fn json(self, value: &Value) -> Option<Json> {
        let number = |x: f64| serde_json::Number::from_f64(x).map(Json::Number);
        Some(match (self, value) {
            (Self::Time, Value::Time(s)) => Json::String(Time(s.saturating_mul(1_000)).compact()),
            (Self::Text, Value::Integer(n) | Value::Time(n)) => Json::String(n.to_string()),
            (Self::Text, Value::Unsigned(n)) => Json::String(n.to_string()),
            (Self::Text, Value::Float(x)) => Json::String(x.to_string()),
            (_, Value::Integer(n) | Value::Time(n)) => Json::from(*n),
            (_, Value::Unsigned(n)) => Json::from(*n),
            (Self::Whole, Value::Float(x)) if is_whole(*x) => Json::from(*x as i64),
            (_, Value::Float(x)) => number(*x)?,
            (_, Value::Boolean(b)) => Json::Bool(*b),
            (_, Value::Text(text) | Value::CoreLink(text)) => Json::String(text.clone()),
            (_, Value::Opaque(bytes)) => Json::String(hex::encode(bytes)),
            (_, Value::ObjectLink(link)) => Json::String(link.to_string()),
        })
    }
}

/// Whether a float is an integer that it holds exactly.
fn is_whole(x: f64) -> bool {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    x.fract() == 0.0 && x.abs() <= EXACT
}

/// A value in JSON as it is: opaque ones in hex, times in seconds.
pub(crate) fn json_of(value: &Value) -> Option<Json> {
    Form::Number.json(value)
}

/// A JSON value as a resource of this type holds it; opaque ones are in hex, times are seconds or in the form of 1.5.1.
pub(crate) fn value_of(json: &str, wanted: ValueType) -> Option<Value> {
    let json: Json = serde_json::from_str(json).ok()?;
    match (wanted, json) {
        (ValueType::Boolean, Json::Bool(b)) => Some(Value::Boolean(b)),
        (ValueType::Boolean, Json::Number(n)) => match n.as_i64()? {
            0 => Some(Value::Boolean(false)),
            1 => Some(Value::Boolean(true)),
            _ => None,
        },
        (ValueType::Opaque, Json::String(text)) => hex::decode(text).ok().map(Value::Opaque),
        (ValueType::ObjectLink, Json::String(text)) => text.parse::<ObjectLink>().ok().map(Value::ObjectLink),
        (ValueType::Time, Json::String(text)) => Time::parse_iso(&text).map(|time| Value::Time(time.unix_s())),
        (ValueType::String, Json::String(text)) => Some(Value::Text(text)),
        (ValueType::CoreLink, Json::String(text)) => Some(Value::CoreLink(text)),
        (ValueType::String, Json::Array(_) | Json::Object(_)) => None,
        (ValueType::String, other) => Some(Value::Text(other.to_string())),
        (_, Json::Number(number)) => {
            let value = match (number.as_i64(), number.as_u64()) {
                (Some(n), _) => Value::Integer(n),
                (None, Some(n)) => Value::Unsigned(n),
                (None, None) => Value::Float(number.as_f64()?),
            };
            value.cast(wanted)
        }
        (_, Json::String(text)) => text.parse().ok().map(Value::Float).and_then(|value| value.cast(wanted)),
        _ => None,
    }
}

/// The type of a parameter whose resource no object model describes.
pub(crate) fn type_of(data_type: &str) -> ValueType {
    match data_type.to_ascii_lowercase().as_str() {
        "int" | "integer" | "long" => ValueType::Integer,
        "decimal" | "double" | "float" | "number" => ValueType::Float,
        "boolean" | "bool" => ValueType::Boolean,
        "datetime" | "date-time" => ValueType::Time,
        _ => ValueType::String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_model::{DataFormat, ProductId, Property, Service};

    fn product(properties: &[(&str, &str, &str, &str)], format: DataFormat) -> Product {
        let property = |(name, data_type, method, path): &(&str, &str, &str, &str)| Property {
            parameter: Parameter {
                name: (*name).into(),
                data_type: (*data_type).into(),
                path: Some((*path).into()),
                ..Parameter::default()
            },
            method: (*method).into(),
        };
        let service =
            Service { service_id: "Sensor".into(), properties: properties.iter().map(property).collect(), ..Service::default() };
        Product {
            id: ProductId::from_random([1; 16]),
            account: landfall_model::AccountId::from_random([2; 16]),
            version: 1,
            key: Default::default(),
            name: String::new(),
            format,
            services: vec![service],
            lwm2m: Default::default(),
            codecs: vec![],
            secret: None,
            auto_register: None,
            claims: true,
            created_at: Time(0),
            modified_at: Time(0),
        }
    }

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_registered_and_wanted_is_observed_and_read() {
        let model = product(
            &[
                ("t", "decimal", "RE", "/3303/0/5700"),
                ("min", "decimal", "RE", "/3303/0/5601"),
                ("h", "decimal", "RE", "/3304/0/5700"),
                ("absent", "decimal", "RE", "/3305/0/5700"),
                ("lifetime", "int", "RW", "/1/0/1"),
            ],
            DataFormat::Binary,
        );
        let bindings = Bindings::new(&model);
        let instances: Vec<Path> = ["/1/0", "/3/0", "/3303/0", "/3304/0", "/19/0", "/19/1"].map(path).to_vec();
        assert_eq!(bindings.observe(&instances), ["/3303/0", "/3304/0/5700", "/19/0/0"].map(path));
        assert_eq!(bindings.read(&instances), ["/3/0", "/1/0/1"].map(path));
        assert_eq!(bindings.observe(&[]), []);
    }

    #[test]
    fn values_become_data_of_services() {
        let model = product(
            &[
                ("t", "decimal", "RE", "/3303/0/5700"),
                ("on", "boolean", "RE", "/3306/0/5850"),
                ("at", "DateTime", "R", "/3/0/13"),
                ("names", "string list", "R", "/3/0/0"),
                ("count", "int", "R", "/3303/0/5601"),
                ("far", "long", "R", "/3303/0/5602"),
            ],
            DataFormat::Json,
        );
        let bindings = Bindings::new(&model);
        let entries = [
            Entry::new(path("/3303/0/5700"), Value::Float(21.5)),
            Entry::new(path("/3306/0/5850"), Value::Boolean(true)),
            Entry::new(path("/3/0/13"), Value::Time(1_700_000_000)),
            Entry::new(path("/3/0/0/0"), Value::Text("a".into())),
            Entry::new(path("/3/0/0/1"), Value::Text("b".into())),
            Entry::new(path("/3303/0/5601"), Value::Float(-7.0)),
            Entry::new(path("/3303/0/5602"), Value::Float(9_007_199_254_740_992.0)),
            Entry::new(path("/9/0/1"), Value::Integer(1)),
        ];
        let items = bindings.items(&entries, Time(5));
        assert_eq!(items.len(), 1);
        let data: Json = serde_json::from_str(&items[0].data).unwrap();
        let expected = serde_json::json!({
            "t": 21.5, "on": true, "at": "20231114T221320Z", "names": ["a", "b"], "count": -7, "far": 9_007_199_254_740_992_i64
        });
        assert_eq!(data, expected);
        for x in [7.5, 9_007_199_254_740_994.0, 1e300] {
            assert!(!is_whole(x), "{x} stays a float, which the property refuses by name");
        }
    }

    #[test]
    fn data_types_are_known_by_all_their_names() {
        for (names, expected) in [
            (&["int", "Integer", "long"][..], ValueType::Integer),
            (&["decimal", "double", "float", "number"], ValueType::Float),
            (&["boolean", "bool"], ValueType::Boolean),
            (&["DateTime", "date-time"], ValueType::Time),
            (&["string", "enum"], ValueType::String),
        ] {
            assert!(names.iter().all(|name| type_of(name) == expected), "{names:?}");
        }
    }

    #[test]
    fn json_becomes_values_without_loss_or_not_at_all() {
        for (json, wanted, expected) in [
            ("35", ValueType::Integer, Some(Value::Integer(35))),
            ("35.5", ValueType::Integer, None),
            ("35", ValueType::Float, Some(Value::Float(35.0))),
            ("\"35.5\"", ValueType::Float, Some(Value::Float(35.5))),
            ("true", ValueType::Boolean, Some(Value::Boolean(true))),
            ("2", ValueType::Boolean, None),
            ("\"0aff\"", ValueType::Opaque, Some(Value::Opaque(vec![10, 255]))),
            ("\"20231114T221320Z\"", ValueType::Time, Some(Value::Time(1_700_000_000))),
            ("7", ValueType::String, Some(Value::Text("7".into()))),
            ("{}", ValueType::String, None),
            ("\"3:0\"", ValueType::ObjectLink, Some(Value::ObjectLink(ObjectLink { object: 3, instance: 0 }))),
        ] {
            assert_eq!(value_of(json, wanted), expected, "{json} {wanted:?}");
        }
    }
}
