//! Short and long names of attributes (TS-0004, 8.2; D2C, section 2). The wire has short ones; with `fullName: true` an answer has long ones, and
//! a request may always have either.
//!
//! Absent: names of resource types, which are the same in both spellings (`m2m:nod`, `dtiot:noPRt`).

use serde_json::{Map, Value};

/// What an instance holds is its application's; its names are left alone.
const CONTENT: [&str; 2] = ["con", "content"];

macro_rules! names {
    ($($short:literal $long:literal),* $(,)?) => {
        /// The long name of a short one.
        pub(super) fn long(short: &str) -> Option<&'static str> {
            match short {
                $($short => Some($long),)*
                // The same things under the names that they have in outcomes and logs.
                "niD" => Some("nodeID"),
                "crr" => Some("creator"),
                "stg" => Some("stateTag"),
                _ => None,
            }
        }

        /// The short name of a long one.
        pub(super) fn short(long: &str) -> Option<&'static str> {
            match long {
                $($long => Some($short),)*
                _ => None,
            }
        }

        #[cfg(test)]
        const NAMES: &[(&str, &str)] = &[$(($short, $long)),*];
    };
}

names! {
    // D2C: provisioning, outcomes, groups.
    "aes" "applications",
    "errMe" "errorMessage",
    "geEMe" "generalMessage",
    "inEMs" "individualErrorMessages",
    "nCr" "nodeCredentials",
    "nDGr" "nodeDeviceGroups",
    "nds" "nodes",
    "ndvi" "nodeDeviceInfo",
    "noRNe" "nodeResourceName",
    "opern" "operation",
    "profe" "profile",
    "reqLt" "requestList",
    "reqRD" "requestResourceID",
    "resSs" "resultStatus",
    // Of every resource, or of many (TS-0004, table 8.2.3).
    "aa" "announcedAttribute",
    "acpi" "accessControlPolicyIDs",
    "at" "announceTo",
    "ch" "childResource",
    "cr" "creator",
    "cstn" "custodian",
    "ct" "creationTime",
    "dc" "description",
    "et" "expirationTime",
    "lbl" "labels",
    "loc" "location",
    "lt" "lastModifiedTime",
    "pi" "parentID",
    "ri" "resourceID",
    "rn" "resourceName",
    "st" "stateTag",
    "ty" "resourceType",
    // CSE base and application entity.
    "aei" "AE-ID",
    "api" "App-ID",
    "apn" "appName",
    "csi" "CSE-ID",
    "cst" "cseType",
    "csz" "contentSerialization",
    "esi" "e2eSecInfo",
    "nl" "nodeLink",
    "or" "ontologyRef",
    "poa" "pointOfAccess",
    "rr" "requestReachability",
    "srt" "supportedResourceType",
    "srv" "supportedReleaseVersions",
    // Container, instance, flexContainer.
    "cbs" "currentByteSize",
    "cnd" "containerDefinition",
    "cnf" "contentInfo",
    "cni" "currentNrOfInstances",
    "con" "content",
    "conr" "contentRef",
    "cs" "contentSize",
    "disr" "disableRetrieval",
    "li" "locationID",
    "mbs" "maxByteSize",
    "mia" "maxInstanceAge",
    "mni" "maxNrOfInstances",
    // Node and management objects.
    "cnty" "country",
    "crid" "credentialID",
    "crse" "credentialSecret",
    "dlb" "deviceLabel",
    "dty" "deviceType",
    "dvnm" "deviceName",
    "fwv" "fwVersion",
    "hcl" "hostedCSELink",
    "hwv" "hwVersion",
    "btl" "batteryLevel",
    "bts" "batteryStatus",
    "man" "manufacturer",
    "mfd" "manufacturingDate",
    "mfdl" "manufacturerDetailsLink",
    "mgd" "mgmtDefinition",
    "mma" "memAvailable",
    "mmt" "memTotal",
    "mod" "model",
    "purl" "presentationURL",
    "spur" "supportURL",
    "vr" "version",
    "ni" "nodeID",
    "obis" "objectIDs",
    "obps" "objectPaths",
    "osv" "osVersion",
    "ptl" "protocol",
    "smod" "subModel",
    "swv" "swVersion",
    "syst" "systemTime",
    // Access control policy.
    "acco" "accessControlContexts",
    "acop" "accessControlOperations",
    "acor" "accessControlOriginators",
    "acr" "accessControlRule",
    "pv" "privileges",
    "pvs" "selfPrivileges",
    // Group.
    "cnm" "currentNrOfMembers",
    "csy" "consistencyStrategy",
    "gn" "groupName",
    "macp" "membersAccessControlPolicyIDs",
    "mid" "memberIDs",
    "mnm" "maxNrOfMembers",
    "mt" "memberType",
    "mtv" "memberTypeValidated",
    // Subscription and notification.
    "enc" "eventNotificationCriteria",
    "exc" "expirationCounter",
    "net" "notificationEventType",
    "nev" "notificationEvent",
    "nct" "notificationContentType",
    "nu" "notificationURI",
    "pn" "pendingNotification",
    "rep" "representation",
    "su" "subscriberURI",
    "sud" "subscriptionDeletion",
    "sur" "subscriptionReference",
    "vrq" "verificationRequest",
}

/// Gives everything in an answer its long name; what already has the long name beside it keeps the short one.
pub(super) fn lengthen(value: &mut Value) {
    match value {
        Value::Object(fields) => rename(fields, long),
        Value::Array(values) => values.iter_mut().for_each(lengthen),
        _ => {}
    }
}

/// Gives everything in a request its short name. Of two spellings beside each other the long one stays, as it is then an unknown attribute.
pub(super) fn shorten(fields: &mut Map<String, Value>) {
    rename(fields, short);
}

fn rename(fields: &mut Map<String, Value>, other: fn(&str) -> Option<&'static str>) {
    for (_, value) in fields.iter_mut().filter(|(name, _)| !CONTENT.contains(&name.as_str())) {
        each_object(value, other);
    }
    let names: Vec<(String, &'static str)> = fields.keys().filter_map(|name| Some((name.clone(), other(name)?))).collect();
    for (name, renamed) in names {
        if !fields.contains_key(renamed)
            && let Some(value) = fields.remove(&name)
        {
            fields.insert(renamed.to_owned(), value);
        }
    }
}

fn each_object(value: &mut Value, other: fn(&str) -> Option<&'static str>) {
    match value {
        Value::Object(fields) => rename(fields, other),
        Value::Array(values) => values.iter_mut().for_each(|value| each_object(value, other)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    #[test]
    fn each_name_has_one_other() {
        for (one, other) in NAMES {
            assert_eq!((long(one), short(other)), (Some(*other), Some(*one)));
            assert_eq!((short(one), long(other)), (None, None), "{one} and {other} are not each other's");
        }
        let (shorts, longs): (BTreeSet<_>, BTreeSet<_>) = NAMES.iter().copied().unzip();
        assert_eq!((shorts.len(), longs.len()), (NAMES.len(), NAMES.len()));
        assert_eq!((long("m2m:nod"), short("dtiot:noPRt"), long(""), short("ICCID")), (None, None, None, None));
    }

    #[test]
    fn every_name_of_the_contract_is_known() {
        let table = "cnd opern reqLt ni noRNe profe nCr ndvi reqRD resSs geEMe inEMs niD errMe crr nDGr crid crse \
                     man mod smod dty dvnm dlb dc fwv swv hwv osv cnty loc ptl syst lbl ty rn ri pi ct lt st stg cr con cnf cs mgd";
        for name in table.split_whitespace() {
            assert!(long(name).is_some(), "{name}");
        }
    }

    #[test]
    fn answers_are_lengthened_to_the_leaves() {
        let mut answer = json!({"dtiot:noPRt": {
            "ri": "1", "cr": "C", "crr": "C", "lbl": ["rn"],
            "reqLt": [{"ni": "a", "ndvi": {"rn": "device-info", "man": "ACME"}, "ICCID": "8"}]
        }});
        lengthen(&mut answer);
        let expected = json!({"dtiot:noPRt": {
            "resourceID": "1", "creator": "C", "crr": "C", "labels": ["rn"],
            "requestList": [{"nodeID": "a", "nodeDeviceInfo": {"resourceName": "device-info", "manufacturer": "ACME"}, "ICCID": "8"}]
        }});
        assert_eq!(answer, expected);
        let mut list = json!([{"niD": "a", "errMe": "b"}, 1]);
        lengthen(&mut list);
        assert_eq!(list, json!([{"nodeID": "a", "errorMessage": "b"}, 1]));
    }

    #[test]
    fn contents_are_left_alone() {
        let mut instance = json!({"m2m:cin": {"con": {"rn": 1, "con": {"ty": 2}}, "cs": 3}});
        lengthen(&mut instance);
        assert_eq!(instance, json!({"m2m:cin": {"content": {"rn": 1, "con": {"ty": 2}}, "contentSize": 3}}));
        let mut back = instance["m2m:cin"].as_object().unwrap().clone();
        shorten(&mut back);
        assert_eq!(Value::Object(back), json!({"con": {"rn": 1, "con": {"ty": 2}}, "cs": 3}));
    }

    #[test]
    fn requests_may_mix_both_spellings() {
        let cases = [
            (json!({"containerDefinition": "c", "rn": "r"}), json!({"cnd": "c", "rn": "r"})),
            (json!({"requestList": [{"nodeID": "a", "noRNe": "b"}]}), json!({"reqLt": [{"ni": "a", "noRNe": "b"}]})),
            (json!({"lbl": ["a"], "labels": ["b"]}), json!({"lbl": ["a"], "labels": ["b"]})),
            (json!({"unknown": {"labels": []}}), json!({"unknown": {"lbl": []}})),
            (json!({}), json!({})),
        ];
        for (given, expected) in cases {
            let mut fields = given.as_object().unwrap().clone();
            shorten(&mut fields);
            assert_eq!(Value::Object(fields), expected, "{given}");
        }
    }
}
