//! The built-in definitions by sample, and definitions in XML. Absent: a comparison with the public registry.

use super::*;

#[test]
fn the_objects_that_matter_are_built_in() {
    let models = ObjectModels::builtin();
    let objects = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 13, 16, 19, 20, 21];
    let sensors = [3300, 3303, 3304, 3305, 3311, 3313, 3315, 3316, 3323, 3328, 3331, 3337, 3338, 3340, 3342, 3347];
    for id in objects.into_iter().chain(sensors) {
        assert!(models.newest_object(id).is_some(), "{id}");
    }
    let newest = models.newest();
    let cases = [
        ("/3/0/9", "Battery Level", Some(ValueType::Integer), "R", false),
        ("/3/0/7/1", "Power Source Voltage", Some(ValueType::Integer), "R", true),
        ("/3/0/4", "Reboot", None, "E", false),
        ("/1/0/1", "Lifetime", Some(ValueType::Integer), "RW", false),
        ("/5/0/0", "Package", Some(ValueType::Opaque), "W", false),
        ("/6/0/5", "Timestamp", Some(ValueType::Time), "R", false),
        ("/0/0/5", "Secret Key", Some(ValueType::Opaque), "", false),
        ("/3/0/22", "ExtDevInfo", Some(ValueType::ObjectLink), "R", true),
        ("/3303/0/5700", "Sensor Value", Some(ValueType::Float), "R", false),
        ("/19/1/0", "Data", Some(ValueType::Opaque), "RW", true),
    ];
    for (path, name, value_type, operations, multiple) in cases {
        let resource = newest.resource(&path.parse().unwrap()).unwrap();
        let wanted = (name, value_type, parse_operations(operations).unwrap(), multiple);
        assert_eq!((resource.name.as_ref(), resource.value_type, resource.operations, resource.multiple), wanted, "{path}");
    }
    assert_eq!(newest.value_type(&"/3/0/99".parse().unwrap()), None);
    assert_eq!(newest.resource(&"/3/0".parse().unwrap()), None);
}

#[test]
fn the_version_that_a_client_told_counts() {
    let models = ObjectModels::builtin();
    let secret = "/21/0/0".parse().unwrap();
    let at = |version: &str| models.at(&[(21, version.parse().unwrap())]).value_type(&secret);
    assert_eq!(models.newest().value_type(&secret), Some(ValueType::Opaque));
    assert_eq!(at("1.0"), Some(ValueType::String));
    assert_eq!(at("9.9"), Some(ValueType::Opaque), "an unknown version is read as the newest");
    let gone = "/10/0/6".parse().unwrap();
    assert_eq!(models.newest().value_type(&gone), Some(ValueType::Integer), "a resource that only 1.0 had");
    assert_eq!(models.at(&[(10, "1.1".parse().unwrap())]).value_type(&gone), None);
}

fn xml(object: &str) -> String {
    format!(
        "\u{feff}<?xml version=\"1.0\"?>\n<LWM2M xmlns:x=\"y\">\n<Object ObjectType=\"MODefinition\">{object}</Object></LWM2M>"
    )
}

const HEAD: &str =
    "<Name>Meter</Name><ObjectID>33001</ObjectID><LWM2MVersion>1.1</LWM2MVersion><ObjectVersion>2.1</ObjectVersion>
    <MultipleInstances>Multiple</MultipleInstances><Mandatory>Optional</Mandatory>";

fn item(id: &str, operations: &str, value_type: &str) -> String {
    format!(
        "<Item ID=\"{id}\"><Name>R{id}</Name><Operations>{operations}</Operations><MultipleInstances>Single</MultipleInstances>
        <Mandatory>Mandatory</Mandatory><Type>{value_type}</Type><RangeEnumeration>0..9</RangeEnumeration><Units>s</Units>
        <Description><![CDATA[any <b>text</b>]]></Description></Item>"
    )
}

fn load(text: &str) -> Result<ObjectModels, XmlError> {
    let mut models = ObjectModels::empty();
    models.load_xml(text.as_bytes(), &XmlLimits::default()).map(|_| models)
}

#[test]
fn definitions_are_loaded() {
    let items = item("7", "RW", "Unsigned Integer") + &item("2", "E", "") + &item("5", "R", "Corelnk");
    let models = load(&xml(&format!("{HEAD}<Resources>{items}</Resources>"))).unwrap();
    let object = models.newest_object(33_001).unwrap();
    assert_eq!((object.name.as_ref(), object.version.to_string(), object.lwm2m), ("Meter", "2.1".into(), Version::V1_1));
    assert_eq!(
        object.resources.iter().map(|r| (r.id, r.value_type)).collect::<Vec<_>>(),
        [(2, None), (5, Some(ValueType::CoreLink)), (7, Some(ValueType::Unsigned)),]
    );
    let resource = object.resource(7).unwrap();
    assert_eq!((resource.range.as_ref(), resource.unit.as_ref(), resource.mandatory), ("0..9", "s", true));
}

#[test]
fn definitions_that_are_not_are_refused_and_add_nothing() {
    let cases = [
        (String::new(), "root node"),
        ("<LWM2M/>".into(), "no object in it"),
        (xml(""), "ObjectID"),
        (xml(&HEAD.replace("33001", "65535")), "ObjectID"),
        (xml(&HEAD.replace("2.1", "two")), "ObjectVersion"),
        (xml(&HEAD.replace("1.1", "3.0")), "LWM2MVersion"),
        (xml(&HEAD.replace("Multiple<", "Many<")), "MultipleInstances"),
        (xml(&HEAD.replace("Meter", "")), "Name is missing"),
        (xml(&format!("{HEAD}<Resources>{}</Resources>", item("x", "R", "String"))), "ID is not"),
        (xml(&format!("{HEAD}<Resources>{}</Resources>", item("1", "X", "String"))), "Operations"),
        (xml(&format!("{HEAD}<Resources>{}</Resources>", item("1", "R", "Complex"))), "Type"),
        (xml(&format!("{HEAD}<Resources>{0}{0}</Resources>", item("1", "R", "String"))), "twice"),
        ("<!DOCTYPE a [<!ENTITY b \"c\">]><LWM2M>&b;</LWM2M>".into(), "DTD"),
        ("<a>".repeat(300_000), "nodes limit"),
    ];
    for (text, check) in cases {
        let error = load(&text).unwrap_err().to_string();
        assert!(error.contains(check), "{error}");
    }
    let limits = XmlLimits { bytes: 10, ..XmlLimits::default() };
    assert_eq!(ObjectModels::empty().load_xml(&[b' '; 11], &limits).unwrap_err().check, "too long");
    let few = XmlLimits { nodes: 5, ..XmlLimits::default() };
    assert!(ObjectModels::empty().load_xml(xml(HEAD).as_bytes(), &few).is_err());
}
