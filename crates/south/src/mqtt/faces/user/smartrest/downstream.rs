//! Operations as the static templates that a device receives, a line for each fragment that has one (contract section 7). Pure.

use super::{super::said::Fragments, csv::written};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A fragment of operations, and the template that carries it.
pub(crate) struct Template {
    pub(crate) fragment: &'static str,
    /// The id and the values after the id of the device, of which there may be none. The contract has the same text.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the contract, which is held to it"))]
    pub(crate) forms: &'static [&'static str],
    values: fn(&Value) -> Values<'_>,
}

/// A template's id and the values behind the device's id.
type Values<'a> = (&'static str, Vec<Cow<'a, str>>);

macro_rules! templates {
    ($($fragment:literal $($form:literal)+ => $values:expr;)*) => {
        /// All that are sent.
        pub(crate) const TEMPLATES: &[Template] = &[$(Template { fragment: $fragment, forms: &[$($form),+], values: $values },)*];
    };
}

templates! {
    "c8y_Restart" "510" => |_| ("510", vec![]);
    "c8y_Command" "511,text" => |of| ("511", fields(of, &["text"]));
    "c8y_Configuration" "513,config" => |of| ("513", fields(of, &["config"]));
    "c8y_Firmware" "515,name,version,url" "525,name,version,url,dependency" => |of| match of.get("dependency").or_else(|| of.get("patchFor")) {
        Some(dependency) => ("525", [fields(of, &["name", "version", "url"]), vec![shown(Some(dependency))]].concat()),
        None => ("515", fields(of, &["name", "version", "url"])),
    };
    "c8y_SoftwareList" "516,(name,version,url),..." => |of| ("516", each(of, &["name", "version", "url"]));
    "c8y_MeasurementRequestOperation" "517,requestName" => |of| ("517", fields(of, &["requestName"]));
    "c8y_Relay" "518,relayState" => |of| ("518", fields(of, &["relayState"]));
    "c8y_RelayArray" "519,relayState,..." => |of| ("519", items(of).iter().map(|state| shown(Some(state))).collect());
    "c8y_UploadConfigFile" "520" "526,type" => |of| match of.get("type") {
        Some(kind) => ("526", vec![shown(Some(kind))]),
        None => ("520", vec![]),
    };
    "c8y_DownloadConfigFile" "521,url" "524,url,type" => |of| match of.get("type") {
        Some(_) => ("524", fields(of, &["url", "type"])),
        None => ("521", fields(of, &["url"])),
    };
    "c8y_LogfileRequest" "522,logFile,dateFrom,dateTo,searchText,maximumLines" => |of| {
        ("522", fields(of, &["logFile", "dateFrom", "dateTo", "searchText", "maximumLines"]))
    };
    "c8y_CommunicationMode" "523,mode" => |of| ("523", fields(of, &["mode"]));
    "c8y_DeviceProfile" "527,$FW,name,version,url,isPatch,dependency,$SW,(name,version,url,action),...,$CONF,(url,type),..." => |of| ("527", profile(of));
    "c8y_SoftwareUpdate" "528,(name,version,url,action),..." "529,(name,version,softwareType,url,action),..." => |of| {
        if items(of).iter().any(|software| software.get("softwareType").is_some()) {
            ("529", each(of, &["name", "version", "softwareType", "url", "action"]))
        } else {
            ("528", each(of, &["name", "version", "url", "action"]))
        }
    };
    "c8y_RemoteAccessConnect" "530,hostname,port,connectionKey" => |of| ("530", fields(of, &["hostname", "port", "connectionKey"]));
}

/// An operation for a device of this id, a line for each of its fragments that has a template.
pub(crate) fn lines(serial: &str, operation: &Fragments) -> Vec<String> {
    let fragments = operation.iter();
    let known = fragments.filter_map(|(name, value)| Some((TEMPLATES.iter().find(|template| template.fragment == name)?, value)));
    known
        .map(|(template, value)| {
            let (id, values) = (template.values)(value);
            written([Cow::Borrowed(id), Cow::Borrowed(serial)].into_iter().chain(values))
        })
        .collect()
}

fn shown(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None | Some(Value::Null) => Cow::Borrowed(""),
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(other) => Cow::Owned(other.to_string()),
    }
}

fn fields<'a>(of: &'a Value, names: &[&str]) -> Vec<Cow<'a, str>> {
    names.iter().map(|name| shown(of.get(*name))).collect()
}

/// A list, which some wrap into an object of one field.
fn items(of: &Value) -> &[Value] {
    match of {
        Value::Array(items) => items,
        Value::Object(fields) => fields.values().find_map(Value::as_array).map_or(&[], Vec::as_slice),
        _ => &[],
    }
}

fn each<'a>(of: &'a Value, names: &[&str]) -> Vec<Cow<'a, str>> {
    items(of).iter().flat_map(|item| fields(item, names)).collect()
}

fn profile(of: &Value) -> Vec<Cow<'_, str>> {
    static NOTHING: Value = Value::Null;
    let part = |name: &str| of.get(name).unwrap_or(&NOTHING);
    let mut values = vec![Cow::Borrowed("$FW")];
    if part("firmware").as_object().is_some_and(|firmware: &Map<_, _>| !firmware.is_empty()) {
        values.extend(fields(part("firmware"), &["name", "version", "url", "isPatch", "dependency"]));
    }
    values.push("$SW".into());
    values.extend(each(part("software"), &["name", "version", "url", "action"]));
    values.push("$CONF".into());
    values.extend(each(part("configuration"), &["url", "type"]));
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_become_lines() {
        let software = json!([{"name": "a", "version": "1", "url": "u1", "action": "install"}, {"name": "b", "version": "2", "action": "delete"}]);
        let profile = json!({
            "firmware": {"name": "f", "version": "1.0", "url": "u", "isPatch": true, "dependency": "d"},
            "software": software, "configuration": [{"url": "c", "type": "t", "name": "n"}]
        });
        let cases = [
            (json!({"c8y_Restart": {}}), vec!["510,s"]),
            (json!({"c8y_Command": {"text": "say \"hi\", you"}}), vec!["511,s,\"say \"\"hi\"\", you\""]),
            (json!({"c8y_Configuration": {"config": "a=1\nb=2"}}), vec!["513,s,\"a=1\nb=2\""]),
            (json!({"c8y_Firmware": {"name": "f", "version": "1.0", "url": "u"}}), vec!["515,s,f,1.0,u"]),
            (
                json!({"c8y_Firmware": {"name": "f", "version": "1.0", "url": "u", "dependency": "0.9"}}),
                vec!["525,s,f,1.0,u,0.9"],
            ),
            (json!({"c8y_SoftwareList": software}), vec!["516,s,a,1,u1,b,2,"]),
            (json!({"c8y_MeasurementRequestOperation": {"requestName": "LOGA"}}), vec!["517,s,LOGA"]),
            (json!({"c8y_Relay": {"relayState": "OPEN"}}), vec!["518,s,OPEN"]),
            (json!({"c8y_RelayArray": ["OPEN", "CLOSED"]}), vec!["519,s,OPEN,CLOSED"]),
            (json!({"c8y_UploadConfigFile": {}}), vec!["520,s"]),
            (json!({"c8y_UploadConfigFile": {"type": "t"}}), vec!["526,s,t"]),
            (json!({"c8y_DownloadConfigFile": {"url": "u"}}), vec!["521,s,u"]),
            (json!({"c8y_DownloadConfigFile": {"url": "u", "type": "t"}}), vec!["524,s,u,t"]),
            (
                json!({"c8y_LogfileRequest": {"logFile": "l", "dateFrom": "f", "dateTo": "t", "searchText": "", "maximumLines": 1000}}),
                vec!["522,s,l,f,t,,1000"],
            ),
            (json!({"c8y_CommunicationMode": {"mode": "SMS"}}), vec!["523,s,SMS"]),
            (json!({"c8y_DeviceProfile": profile}), vec!["527,s,$FW,f,1.0,u,true,d,$SW,a,1,u1,install,b,2,,delete,$CONF,c,t"]),
            (json!({"c8y_DeviceProfile": {}}), vec!["527,s,$FW,$SW,$CONF"]),
            (json!({"c8y_SoftwareUpdate": software}), vec!["528,s,a,1,u1,install,b,2,,delete"]),
            (
                json!({"c8y_SoftwareUpdate": [{"name": "a", "version": "1", "softwareType": "apt", "url": "u", "action": "install"}]}),
                vec!["529,s,a,1,apt,u,install"],
            ),
            (json!({"c8y_RemoteAccessConnect": {"hostname": "h", "port": 22, "connectionKey": "k"}}), vec!["530,s,h,22,k"]),
            (json!({"c8y_Own": {}, "description": "c8y_Restart"}), vec![]),
            (json!({"c8y_Relay": null, "c8y_RelayArray": 5}), vec!["518,s,", "519,s"]),
            (json!({"c8y_SoftwareUpdate": {"list": [{"name": "a"}]}}), vec!["528,s,a,,,"]),
        ];
        for (operation, expected) in cases {
            assert_eq!(lines("s", operation.as_object().unwrap()), expected, "{operation}");
        }
    }
}
