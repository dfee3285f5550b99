//! Entry points for fuzzers: what reads the bytes of devices must hold whatever they are.

use crate::{product::check, uplink::message};
use landfall_model::{Parameter, Property, Service};

/// Reads arbitrary bytes as a device message in every way the platform does, and holds what was read to a small model.
pub fn fuzz_message(bytes: &[u8]) {
    let typed = |name: &str, data_type: &str| Property {
        parameter: Parameter {
            name: name.into(),
            data_type: data_type.into(),
            min: Some("0".into()),
            max: Some("9".into()),
            max_length: Some(2),
            ..Parameter::default()
        },
        method: "RWE".into(),
    };
    let properties =
        ["int", "decimal", "string", "boolean", "jsonObject", "string list"].map(|data_type| typed(data_type, data_type));
    let service = Service { service_id: "s".into(), properties: properties.into(), ..Service::default() };
    let Ok(text) = message::text(bytes) else { return };
    assert_eq!(message::text(text.as_bytes()).as_deref(), Ok(&*text), "what is sound stays as it is");
    let _ = message::has_msg_type(&text);
    for read in [message::read(&text), message::read_service("s", &text)].into_iter().flatten() {
        if let message::Message::Report(items) = read {
            for item in items {
                assert!(item.data.starts_with('{'), "an item is an object");
                let _ = check::check_report(&service, &item.data);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fuzz_message;

    #[test]
    fn mutated_messages_are_read_or_refused() {
        let corpus: [&[u8]; 6] = [
            br#"{"msgType":"deviceReq","data":[{"serviceId":"s","serviceData":{"int":1,"decimal":2.5,"string":"ab"},"eventTime":"20160503T121540Z"}]}"#,
            br#"{"msgType":"deviceReq","data":[{"serviceId":"s","data":{"boolean":true,"jsonObject":{},"string list":["\u00e9"]}}]}"#,
            br#"{"msgType":"deviceRsp","mid":2016,"errcode":0,"hasMore":0,"body":{"result":"ok"}}"#,
            br#"{"int":7}"#,
            b"\xef\xbb\xbf{\"int\":1e400,\"\\u0069nt\":{\"a\":1,\"a\":[2]},\"int\":7}\0",
            b"[[[[[[[[",
        ];
        landfall_testkit::mutate::run(&corpus, 1, 20_000, fuzz_message);
    }
}
