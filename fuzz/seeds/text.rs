//! Seeds of what is text: JSON, names, topics, requests, packages.

use crate::Seeds;
use landfall_north::onem2m::{DEFINITION, ROOT};
use std::io::{Cursor, Write};

fn texts(texts: &[&str]) -> Seeds {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Reports and answers of devices.
pub fn device_messages() -> Seeds {
    texts(&[
        r#"{"msgType":"deviceReq","data":[{"serviceId":"s","serviceData":{"int":1,"decimal":2.5,"string":"ab"},"eventTime":"20160503T121540Z"}]}"#,
        r#"{"msgType":"deviceReq","data":[{"serviceId":"s","data":{"boolean":true,"jsonObject":{},"string list":["\u00e9"]}}]}"#,
        r#"{"msgType":"deviceRsp","mid":2016,"errcode":0,"hasMore":0,"body":{"result":"ok"}}"#,
        r#"{"int":7}"#,
    ])
}

/// Registrations, links, attributes, arguments and object definitions.
pub fn lwm2m_documents() -> Seeds {
    texts(&[
        r#"ep=urn:imei:863703030668222&lt=300&lwm2m=1.1&b=U&Q|</>;rt="oma.lwm2m";ct="60 110 112",</1/0>,</3/0>,</5>;ver=1.1"#,
        r#"ep=a&lwm2m=1.0&b=UQS&sms=4912345|</lwm2m>;rt="oma.lwm2m",</lwm2m/3/0>,</lwm2m/5>"#,
        "ep=a&lwm2m=1.3&b=UX&sms=| </ >;ct=60 110;rt=oma.lwm2m,\r\n</3/0/1>,<http://a/b>,< /3/0 >;ver=1,</5>;ver=\"1.1,\0",
        "ep=a&lwm2m=1.0.2|</lwm2m/>;rt=\"core oma.lwm2m\";ct=110;ct=112,</lwm2m/3/0></lwm2m/4/0>;,,",
        "</3/0>;pmin=10;pmax=60,</3/0/6>;dim=8;gt=50;lt=42.2",
        "pmin=1&pmax=2&gt=1.5&st",
        "0='http://example.com/a',1,2='x'",
        "<LWM2M><Object><Name>N</Name><ObjectID>1</ObjectID><MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory><Resources/></Object></LWM2M>",
    ])
}

/// ClientIds, with and without a password.
pub fn mqtt_identities() -> Seeds {
    texts(&["d_0_0_2018072417\n066d", "urn:imei:1_2_1_2018072417", "p_n_1_1_2018072417\nff"])
}

/// Messages of SmartREST 2.0, collections of templates, and an operation.
pub fn mqtt_smartrest() -> Seeds {
    texts(&[
        "100,a,b\n113,\"a=1\r\nb=\"\"2\"\"\"\r\n125",
        "201,t,2016-06-22T17:03:14.000+02:00,a,b,1,u\n116,a,1,u\n142,a,1\n503,c8y_Command,\"out\"",
        "10,9,PUT,INVENTORY,,false,c8y_Serial,a.b,NUMBER,\n11,8,a,a.b,b[*]\n9,d-1,5",
        r#"{"c8y_Command":{"text":"a, b"},"c8y_SoftwareUpdate":[{"name":"a","softwareType":"apt"}],"c8y_DeviceProfile":{}}"#,
    ])
}

/// Topics of the device that the target speaks for, and of others.
pub fn mqtt_topics() -> Seeds {
    let own = "07070707-0707-4707-8707-070707070707";
    let mut seeds = texts(&["/huawei/v1/devices/node/1/command/+", "/huawei/v1/products/p/sn/n_1/secretACK"]);
    for end in ["data/json", "data/binary", "command/json", "command/+", "services/Meter", "#"] {
        seeds.push(format!("/huawei/v1/devices/{own}/{end}").into_bytes());
    }
    seeds
}

/// Requests, their lines being method, path, query, Content-Type, Accept and body.
pub fn onem2m_primitives() -> Seeds {
    texts(&[
        "POST\nt/device-group\nrcn=3\napplication/json;ty=28\n*/*\n{\"dtiot:devGr\":{\"cnd\":\"com.telekom.iot.orchestrator.deviceGroup\",\"nds\":[\"a\"]}}",
        "POST\nt\n\napplication/json;ty=23\napplication/json\n{\"m2m:sub\":{\"nu\":[\"http://a\"],\"enc\":{\"net\":[1,3]},\"nct\":1,\"et\":\"20300101T000000\"}}",
        "GET\nt/~/t/0123456789abcdef01234567/la\nfu=1&ty=14+3&lbl=a%2Bb&crb=20260102T030405&limit=9\n\n\n",
        "POST\nt\n\napplication/json;ty=1\n*/*;q=0.1\n{\"m2m:acp\":{\"pv\":{\"acr\":[{\"acor\":[\"all\"],\"acop\":63}]},\"pvs\":{\"acr\":[]}}}",
        "PUT\nt/a%20b/-\nrcn=9\napplication/json\n\n{\"m2m:cnt\":{\"mni\":5,\"mbs\":null,\"lbl\":[\"x\"]}}",
    ])
}

/// Nodes under short and long names.
pub fn provisioning_lists() -> Seeds {
    let short = r#""rn":"r","opern":1,"lbl":["l"],"reqLt":[{"ni":"urn:imei:1","noRNe":"n","profe":"SCS-LwM2M","lbl":["d2c:1.0"],
        "ndvi":{"mgd":1007,"man":"ACME","dlb":["a"],"ptl":["LWM2M"]},"nCr":["psk-id:i","psk:dGVzdA=="],"nDGr":["cellar"],"netID":7},{}]"#;
    let long = r#""resourceName":"r","operation":1,"labels":["l"],"requestList":[{"nodeID":"urn:imei:1","nodeResourceName":"n","labels":["d2c:1.0"],
        "nodeCredentials":["psk-id:i","psk:dGVzdA=="],"nodeDeviceInfo":{"mgmtDefinition":1007,"manufacturer":"ACME","protocol":["LWM2M"],"country":null}}]"#;
    let request = |name: &str, rest: &str| format!(r#"{{"{ROOT}":{{"{name}":"{DEFINITION}",{rest}}}}}"#).into_bytes();
    vec![request("cnd", short), request("containerDefinition", long)]
}

/// Our own models, and a package with a device type and a service type.
pub fn profile_packages() -> Seeds {
    const DEVICE: &str = r#"{"devices":[{"manufacturerId":"a","manufacturerName":"A","protocolType":"CoAP","deviceType":"Meter","model":"M1",
        "serviceTypeCapabilities":[{"serviceId":"Meter","serviceType":"Meter","option":"Mandatory"}]}]}"#;
    const SERVICE: &str = r#"{"services":[{"serviceType":"Meter","description":"d","commands":[{"commandName":"SET","paras":[{"paraName":"v","dataType":"int",
        "required":"true","min":0,"max":"9","step":1,"maxLength":0,"unit":"h","enumList":null}],"responses":[]}],
        "properties":[{"propertyName":"state","dataType":"string","required":"false","maxLength":16,"method":"RWE","enumList":["ON","OFF"]}]}]}"#;
    let files = [("profile/devicetype-capability.json", DEVICE), ("service/Meter/profile/servicetype-capability.json", SERVICE)];
    let mut zip = zip::ZipWriter::new(Cursor::new(vec![]));
    for (name, content) in files {
        let stored = zip::write::SimpleFileOptions::default();
        let added = zip.start_file(name, stored).is_ok() && zip.write_all(content.as_bytes()).is_ok();
        assert!(added, "{name} does not fit a zip in memory");
    }
    let package = zip.finish().map(Cursor::into_inner).unwrap_or_default();
    let models = [
        include_str!("../../docs/examples/thermometer.json"),
        include_str!("../../docs/examples/nbiot-meter.json"),
        include_str!("../../docs/examples/lwm2m-sensor.json"),
    ];
    texts(&models).into_iter().chain([package]).collect()
}

/// How large the pieces are, then a form with a table.
pub fn uploaded_tables() -> Seeds {
    texts(&[
        "\u{7}--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\nID;CREDENTIALS\r\na;\"1;\"\"\"\r\n\r\nb;2\r\n--B--\r\n",
        "\u{1}--B\nContent-Disposition: form-data; name=file\n\n\u{feff}ID,\"TYPE\n,\"\na,b\n--B",
        "Apreamble\r\n--B\r\nx: y\r\n\r\n\r\n--B\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\nID\tx\r\n\"\r\n--Bx",
    ])
}
