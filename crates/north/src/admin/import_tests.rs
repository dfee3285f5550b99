//! Case tables for the import.

use super::*;
use crate::admin::package::{fuzz_profile_package, read_package};
use encoding_rs::GBK;
use std::io::{Cursor, Write};

const DEVICE: &str = r#"{"devices":[{"manufacturerId":"Huawei","manufacturerName":"Huawei","protocolType":"MQTT","deviceType":"WaterMeter",
    "model":"NB01","omCapability":{"upgradeCapability":{"supportUpgrade":true}},
    "serviceTypeCapabilities":[{"serviceId":"Meter","serviceType":"WaterMeterBasic","option":"Mandatory"}]}]}"#;
const SERVICE: &str = r#"{"services":[{"serviceType":"WaterMeterBasic","description":"basic","commands":[{"commandName":"SET","paras":[
    {"paraName":"value","dataType":"int","required":"true","min":0,"max":"65535","step":1,"maxLength":0,"unit":"hour","enumList":null}],
    "responses":[{"responseName":"SET_RSP","paras":[{"paraName":"result","dataType":"int","required":true,"min":"-10","max":10.5,
    "step":"","maxLength":"10","unit":null,"enumList":null}]}]}],"properties":[{"propertyName":"state","dataType":"enum","required":"false",
    "min":"","max":null,"step":0.1,"maxLength":16,"method":"RWE","unit":null,"enumList":["ON","OFF"]}]}]}"#;
const DEVICE_PATH: &str = "profile/devicetype-capability.json";
const SERVICE_PATH: &str = "service/WaterMeterBasic/profile/servicetype-capability.json";

fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(vec![]));
    for (name, content) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn a_profile_package_becomes_a_product() {
    let draft = read_package(&packed(&[(DEVICE_PATH, DEVICE.as_bytes()), (SERVICE_PATH, SERVICE.as_bytes())])).unwrap().draft;
    assert_eq!(
        (draft.name.as_str(), draft.key.device_type.as_str(), draft.key.protocol_type.as_str()),
        ("Huawei NB01", "WaterMeter", "MQTT")
    );
    let service = &draft.services[0];
    assert_eq!((service.service_id.as_str(), service.service_type.as_str()), ("Meter", "WaterMeterBasic"));
    assert_eq!((service.option.as_str(), service.description.as_str()), ("Mandatory", "basic"));
    let para = &service.commands[0].paras[0];
    assert_eq!((para.required, para.min.as_deref(), para.max.as_deref()), (true, Some("0"), Some("65535")));
    let answer = &service.commands[0].responses[0].paras[0];
    assert_eq!((answer.min.as_deref(), answer.max.as_deref(), answer.max_length), (Some("-10"), Some("10.5"), Some(10)));
    let property = &service.properties[0];
    assert_eq!((property.method.as_str(), property.parameter.required, property.parameter.step), ("RWE", false, Some(0.1)));
    assert_eq!((property.parameter.min.as_deref(), property.parameter.enum_list.len()), (None, 2));
}

#[test]
fn packages_of_other_tools_are_read_too() {
    let with_mark = [b"\xef\xbb\xbf", DEVICE.as_bytes()].concat();
    let cases: [&[(&str, &[u8])]; 3] = [
        &[
            ("Meter/profile/devicetype-capability.json", DEVICE.as_bytes()),
            ("Meter/service/W/profile/servicetype-capability.json", SERVICE.as_bytes()),
        ],
        &[
            ("profile\\devicetype-capability.json", DEVICE.as_bytes()),
            ("service\\W\\profile\\servicetype-capability.json", SERVICE.as_bytes()),
        ],
        &[(DEVICE_PATH, &with_mark), (SERVICE_PATH, SERVICE.as_bytes()), ("readme.txt", b"not JSON")],
    ];
    for (n, files) in cases.into_iter().enumerate() {
        assert_eq!(read_package(&packed(files)).map(|package| package.draft.services.len()), Ok(1), "case {n}");
    }
}

#[test]
fn errors_name_the_file_and_the_place() {
    let device = |from: &str, to: &str| DEVICE.replace(from, to);
    let service = |from: &str, to: &str| SERVICE.replace(from, to);
    let cases = [
        (device("\"model\":\"NB01\",", ""), SERVICE.into(), "profile/devicetype-capability.json:devices[0].model: is missing"),
        (
            device("\"WaterMeterBasic\"", "\"Other\""),
            SERVICE.into(),
            "profile/devicetype-capability.json:devices[0].serviceTypeCapabilities[0].serviceType: no \
             service/*/profile/servicetype-capability.json in the package defines the service type Other",
        ),
        ("[]".into(), SERVICE.into(), "profile/devicetype-capability.json: must be an object"),
        (
            r#"{"devices":[]}"#.into(),
            SERVICE.into(),
            "profile/devicetype-capability.json:devices: must hold exactly one device type",
        ),
        (
            DEVICE.into(),
            service("\"max\":\"65535\"", "\"max\":\"many\""),
            "service/WaterMeterBasic/profile/servicetype-capability.json:services[0].commands[0].paras[0].max: must be a number",
        ),
        (
            DEVICE.into(),
            service("\"ON\",", "1,"),
            "service/WaterMeterBasic/profile/servicetype-capability.json:services[0].properties[0].enumList[0]: must be a string",
        ),
        (
            DEVICE.into(),
            service("\"required\":\"true\"", "\"required\":\"yes\""),
            "service/WaterMeterBasic/profile/servicetype-capability.json:services[0].commands[0].paras[0].required: must be true or false",
        ),
        (
            DEVICE.into(),
            "{".into(),
            "service/WaterMeterBasic/profile/servicetype-capability.json: is no JSON: EOF while parsing an object at line 1 column 1",
        ),
    ];
    for (device, service, expected) in cases {
        let package = packed(&[(DEVICE_PATH, device.as_bytes()), (SERVICE_PATH, service.as_bytes())]);
        assert_eq!(read_package(&package).unwrap_err().to_string(), expected);
    }
}

#[test]
fn the_built_in_service_need_not_be_defined() {
    let listed = DEVICE.replace(
        "\"serviceType\":\"WaterMeterBasic\",\"option\":\"Mandatory\"}",
        "\"option\":\"Mandatory\"},{\"serviceId\":\"RawData\",\"serviceType\":\"RawData\"}",
    );
    let listed = listed.replace("\"serviceId\":\"Meter\",", "\"serviceId\":\"WaterMeterBasic\",");
    let package = read_package(&packed(&[(DEVICE_PATH, listed.as_bytes()), (SERVICE_PATH, SERVICE.as_bytes())])).unwrap();
    assert_eq!((package.draft.services[1].clone(), package.draft.format), (Service::raw_data(), DataFormat::Binary));
    let empty = r#"{"services":[{"serviceType":"RawData","properties":[],"commands":null}]}"#;
    let raw_path = "service/RawData/profile/servicetype-capability.json";
    let files = [(DEVICE_PATH, listed.as_bytes()), (SERVICE_PATH, SERVICE.as_bytes()), (raw_path, empty.as_bytes())];
    assert_eq!(read_package(&packed(&files)).unwrap().draft.services[1], Service::raw_data());
    let shown = serde_json::json!({ "services": crate::admin::view::services(&[Service::raw_data()]) });
    let named = serde_json::json!({ "serviceId": "RawData" });
    for services in [shown["services"].clone(), serde_json::json!([named])] {
        let model = serde_json::json!({
            "manufacturerId": "m", "manufacturerName": "M", "deviceType": "t", "model": "x", "protocolType": "LWM2M", "services": services,
        });
        assert_eq!(read_model(model.to_string().as_bytes()).unwrap().services, [Service::raw_data()]);
    }
}

#[test]
fn packages_in_gbk_are_read() {
    let gbk = |text: &str| GBK.encode(text).0.into_owned();
    let (device, service) = (DEVICE.replace("Huawei", "华为"), SERVICE.replace("\"basic\"", "\"水表，基本\""));
    // The second byte of 縗 is a backslash in GBK.
    let names = [format!("縗/{DEVICE_PATH}"), format!("縗/{SERVICE_PATH}")];
    for encode in [gbk, |text: &str| text.as_bytes().to_vec()] {
        let mut package = packed(&[
            ("A0/profile/devicetype-capability.json", &encode(&device)),
            ("A0/service/WaterMeterBasic/profile/servicetype-capability.json", &encode(&service)),
        ]);
        if encode(&names[0]) != names[0].as_bytes() {
            replace(&mut package, b"A0/", &gbk("縗/"));
        }
        let draft = read_package(&package).unwrap().draft;
        assert_eq!((draft.key.manufacturer_name.as_str(), draft.services[0].description.as_str()), ("华为", "水表，基本"));
    }
    for (broken, expected) in [
        (
            packed(&[(DEVICE_PATH, b"{\"devices\":\"\xc4\xff\"}")]),
            "profile/devicetype-capability.json: the text is neither in UTF-8 (wrong at byte 12) nor in GBK",
        ),
        (
            {
                let mut package = packed(&[("A0/profile/devicetype-capability.json", DEVICE.as_bytes())]);
                replace(&mut package, b"A0/", b"\xff\xff/");
                package
            },
            "package: a name in it is neither in UTF-8 (wrong at byte 0) nor in GBK",
        ),
    ] {
        assert_eq!(read_package(&broken).unwrap_err().to_string(), expected);
    }
}

/// Other bytes of the same number wherever these are.
fn replace(package: &mut [u8], from: &[u8], to: &[u8]) {
    let places: Vec<usize> = (0..package.len() - from.len()).filter(|at| package[*at..].starts_with(from)).collect();
    places.into_iter().for_each(|at| package[at..at + from.len()].copy_from_slice(to));
}

#[test]
fn a_java_plug_in_is_named_with_what_to_do() {
    let jar = ("codec/meter-1.0.jar", &b"PK"[..]);
    let package = read_package(&packed(&[(DEVICE_PATH, DEVICE.as_bytes()), (SERVICE_PATH, SERVICE.as_bytes()), jar])).unwrap();
    assert_eq!(package.notes.len(), 1);
    assert!(package.notes[0].starts_with("codec/meter-1.0.jar was left out: a Java plug-in cannot run here"));
    let alone = read_package(&packed(&[("package-info.json", b"{}"), jar])).unwrap_err().to_string();
    assert!(alone.starts_with("codec/meter-1.0.jar: is no profile: a Java plug-in cannot run here"), "{alone}");
    assert!(alone.contains("docs/codecs.md") && alone.contains("landfall codec upload"), "{alone}");
    let porting = include_str!("../../../../docs/codecs.md");
    assert!(porting.contains("## From a Java plug-in"), "the place that it names exists");
}

#[test]
fn hostile_packages_are_refused() {
    let zeros = vec![b' '; 900_000];
    let huge = vec![b' '; 1_100_000];
    let many: Vec<String> = (0..2_001).map(|n| format!("{n}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let other = ("other/profile/devicetype-capability.json", DEVICE.as_bytes());
    let cases: [(Vec<u8>, &str); 6] = [
        (b"PK\x03\x04 no zip".to_vec(), "package: is no readable zip"),
        (packed(&[("x", b"")]), "profile/devicetype-capability.json: is missing in the package"),
        (packed(&[(DEVICE_PATH, &zeros)]), "profile/devicetype-capability.json: is packed more than 200 to 1"),
        (packed(&[(DEVICE_PATH, &huge)]), "profile/devicetype-capability.json: is larger than 1 MiB"),
        (packed(&many), "package: has more than 2000 entries"),
        (packed(&[other, (DEVICE_PATH, DEVICE.as_bytes())]), "profile/devicetype-capability.json: is a second device type"),
    ];
    for (package, expected) in cases {
        let error = read_package(&package).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let whole = packed(&[(DEVICE_PATH, DEVICE.as_bytes()), (SERVICE_PATH, SERVICE.as_bytes())]);
    for end in 0..whole.len() {
        fuzz_profile_package(&whole[..end]);
        let mut bent = whole.clone();
        bent[end] ^= 0xff;
        fuzz_profile_package(&bent);
    }
}

#[test]
fn our_own_model_is_strict() {
    let model = r#"{"manufacturerId":"m","manufacturerName":"M","deviceType":"t","model":"x","protocolType":"MQTT","format":"binary",
        "services":[{"serviceId":"s","properties":[{"propertyName":"p","dataType":"int","method":"R"}]}]}"#;
    let draft = read_model(model.as_bytes()).unwrap();
    assert_eq!((draft.format, draft.name.as_str(), draft.services[0].service_type.as_str()), (DataFormat::Binary, "M x", "s"));
    let cases = [
        ("\"binary\"", "\"xml\"", "format: must be json or binary"),
        ("\"model\"", "\"modle\"", "modle: is no field of a product model"),
        ("\"dataType\"", "\"datatype\"", "services[0].properties[0].datatype: is no field of a product model"),
        ("\"serviceId\":\"s\"", "\"serviceId\":7", "services[0].serviceId: must be a string"),
        ("\"format\":\"binary\"", "\"autoRegister\":\"x\"", "autoRegister: must be an appId"),
        ("\"format\":\"binary\"", "\"lwm2m\":{\"plain\":true}", "lwm2m.plain: is no field of a product model"),
        ("\"format\":\"binary\"", "\"lwm2m\":{\"appData\":{\"uplink\":1}}", "lwm2m.appData.uplink: must be a string"),
        ("\"format\":\"binary\"", "\"lwm2m\":[]", "lwm2m: must be an object"),
        ("\"method\":\"R\"", "\"path\":7", "services[0].properties[0].path: must be a string"),
    ];
    for (from, to, expected) in cases {
        assert_eq!(read_model(model.replace(from, to).as_bytes()).unwrap_err().to_string(), expected);
    }
}

#[test]
fn models_bind_properties_and_commands_to_resources() {
    let model = r#"{"manufacturerId":"m","manufacturerName":"M","deviceType":"t","model":"x","protocolType":"LWM2M",
        "lwm2m":{"plainCoap":true,"appData":{"uplink":"/10250/0/0"},"binding":"UQ"},
        "services":[{"serviceId":"s","properties":[{"propertyName":"p","dataType":"decimal","method":"RE","path":"/3303/0/5700"}],
        "commands":[{"commandName":"REBOOT","execute":"/3/0/4","paras":[{"paraName":"a","dataType":"int","path":"/1/0/1"}]}]}]}"#;
    let draft = read_model(model.as_bytes()).unwrap();
    let app_data = AppData { uplink: "/10250/0/0".into(), ..AppData::default() };
    assert_eq!(draft.lwm2m, Lwm2mModel { plain_coap: true, app_data: Some(app_data), binding: Some("UQ".into()) });
    let service = &draft.services[0];
    assert_eq!(service.properties[0].parameter.path.as_deref(), Some("/3303/0/5700"));
    let command = &service.commands[0];
    assert_eq!((command.execute.as_deref(), command.paras[0].path.as_deref()), (Some("/3/0/4"), Some("/1/0/1")));
    let none =
        model.replace(r#""lwm2m":{"plainCoap":true,"appData":{"uplink":"/10250/0/0"},"binding":"UQ"},"#, r#""lwm2m":null,"#);
    assert_eq!(read_model(none.as_bytes()).unwrap().lwm2m, Lwm2mModel::default());
    let shown = serde_json::json!({
        "manufacturerId": "m", "manufacturerName": "M", "deviceType": "t", "model": "x", "protocolType": "LWM2M",
        "lwm2m": draft.lwm2m, "services": crate::admin::view::services(&draft.services),
    });
    assert_eq!(read_model(shown.to_string().as_bytes()), Ok(draft), "what the API shows can be imported again");
}

#[test]
fn the_examples_are_models() {
    for text in [
        include_str!("../../../../docs/examples/thermometer.json"),
        include_str!("../../../../docs/examples/lwm2m-sensor.json"),
        include_str!("../../../../docs/examples/nbiot-meter.json"),
        include_str!("../../../../docs/examples/smoke-detector.json"),
    ] {
        assert!(read_model(text.as_bytes()).is_ok_and(|draft| !draft.services.is_empty()));
    }
}

#[test]
fn what_the_api_shows_can_be_imported_again() {
    let draft = read_package(&packed(&[(DEVICE_PATH, DEVICE.as_bytes()), (SERVICE_PATH, SERVICE.as_bytes())])).unwrap().draft;
    let shown = serde_json::json!({
        "manufacturerId": draft.key.manufacturer_id, "manufacturerName": draft.key.manufacturer_name, "deviceType": draft.key.device_type,
        "model": draft.key.model, "protocolType": draft.key.protocol_type, "services": crate::admin::view::services(&draft.services),
    });
    assert_eq!(read_model(shown.to_string().as_bytes()), Ok(draft));
}
