//! The flexContainers that are known: root, `cnd` and attributes (TS-0023, 5.3; D2C, device groups).
//!
//! Absent: device models, actions, custom attributes, and the requests and outcomes of provisioning, which are no records.

use super::{
    attributes::{self, Attribute, Form, Given, mandatory, optional},
    errors::{Fault, rsc},
};
use landfall_model::Time;
use serde_json::{Map, Value};

/// Root of a device group.
pub(super) const GROUP_ROOT: &str = "dtiot:devGr";
/// Members of a group.
const MEMBERS: usize = 20_000;
const ANY: Form = Form::Number(i64::MIN, i64::MAX);
const COUNT: Form = Form::Number(0, i64::MAX);

/// A kind of flexContainer.
pub(super) struct Flex {
    pub root: &'static str,
    /// Its last part; for those of the common module classes what follows their prefix.
    cnd: &'static str,
    pub attributes: &'static [Attribute],
}

const MODULE_CLASS: &str = "org.onem2m.common.moduleclass.";
const GROUP: Flex = Flex {
    root: GROUP_ROOT,
    cnd: "com.telekom.iot.orchestrator.deviceGroup",
    attributes: &[optional("nds", Form::Texts(MEMBERS)), optional("aes", Form::Texts(MEMBERS))],
};

const fn module(root: &'static str, cnd: &'static str, attributes: &'static [Attribute]) -> Flex {
    Flex { root, cnd, attributes }
}

const DGT: Attribute = optional("dgt", Form::Time);

/// Module classes of TS-0023 that applications of meters, rooms and assets use.
const MODULES: &[Flex] = &[
    module("cod:acoSr", "acousticSensor", &[DGT, mandatory("louds", Form::Float), optional("acoSs", ANY)]),
    module(
        "cod:bat",
        "battery",
        &[
            DGT,
            mandatory("lvl", ANY),
            optional("capay", ANY),
            optional("reche", Form::Bool),
            optional("charg", Form::Bool),
            optional("discg", Form::Bool),
            optional("lowBy", Form::Bool),
            optional("batTd", ANY),
        ],
    ),
    // `powSe` until release 3, `state` since.
    module("cod:binSh", "binarySwitch", &[DGT, optional("powSe", Form::Bool), optional("state", Form::Bool)]),
    module("cod:brigs", "brightness", &[DGT, mandatory("brigs", ANY)]),
    module("cod:color", "colour", &[DGT, mandatory("red", ANY), mandatory("green", ANY), mandatory("blue", ANY)]),
    module(
        "cod:geoLn",
        "geoLocation",
        &[
            DGT,
            mandatory("latie", Form::Float),
            mandatory("longe", Form::Float),
            optional("altie", Form::Float),
            optional("headg", Form::Float),
            optional("horAy", Form::Float),
            optional("verAy", Form::Float),
        ],
    ),
    module("cod:lock", "lock", &[DGT, mandatory("lock", Form::Bool)]),
    module("cod:motSr", "motionSensor", &[DGT, mandatory("alarm", Form::Bool), optional("silTe", ANY), optional("sensy", ANY)]),
    module("cod:relHy", "relativeHumidity", &[DGT, mandatory("relHy", Form::Float), optional("desHy", Form::Float)]),
    module(
        "cod:smoSr",
        "smokeSensor",
        &[DGT, mandatory("alarm", Form::Bool), optional("detTe", Form::Time), optional("smoTd", ANY)],
    ),
    module(
        "cod:tempe",
        "temperature",
        &[
            DGT,
            mandatory("curT0", Form::Float),
            optional("tarTe", Form::Float),
            optional("unit", COUNT),
            optional("minVe", Form::Float),
            optional("maxVe", Form::Float),
            optional("steVe", Form::Float),
        ],
    ),
    module("cod:watSr", "waterSensor", &[DGT, mandatory("alarm", Form::Bool)]),
    module("cod:weigt", "weight", &[DGT, mandatory("weigt", Form::Float), optional("unit", COUNT)]),
];

/// The kind with this `cnd`.
pub(super) fn by_cnd(cnd: &str) -> Option<&'static Flex> {
    if cnd == GROUP.cnd {
        return Some(&GROUP);
    }
    let name = cnd.strip_prefix(MODULE_CLASS)?;
    MODULES.iter().find(|one| one.cnd == name)
}

/// The kind of a stored resource, which its `cnd` tells.
pub(super) fn of_stored(attributes: &Map<String, Value>) -> Option<&'static Flex> {
    by_cnd(attributes.get("cnd")?.as_str()?)
}

/// Reads a new flexContainer. Its `cnd` must be known, and the root must be that of the `cnd`.
pub(super) fn created(root: &str, mut given: Map<String, Value>, now: Time) -> Result<(&'static Flex, Given), Fault> {
    let cnd = given.remove("cnd").ok_or_else(|| Fault::bad("cnd: is mandatory"))?;
    let flex = cnd.as_str().and_then(by_cnd).ok_or_else(|| Fault::bad("cnd: unknown container definition"))?;
    if flex.root != root {
        return Err(Fault::new(rsc::CONTENTS_UNACCEPTABLE, format!("the root element must be {}", flex.root)));
    }
    let mut read = attributes::created(flex.attributes, given, now)?;
    read.attributes.insert("cnd".to_owned(), cnd);
    Ok((flex, read))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn make(root: &str, given: Value) -> Result<Given, Fault> {
        let Value::Object(given) = given else { panic!("no object") };
        created(root, given, Time(0)).map(|(_, read)| read)
    }

    #[test]
    fn roots_and_definitions_are_pairs() {
        let temperature = "org.onem2m.common.moduleclass.temperature";
        let group = "com.telekom.iot.orchestrator.deviceGroup";
        let cases = [
            (GROUP_ROOT, json!({"cnd": group, "rn": "g", "nds": ["a", "b"], "aes": []}), None),
            ("cod:tempe", json!({"cnd": temperature, "curT0": 21.5, "unit": 1}), None),
            ("cod:tempe", json!({"cnd": temperature, "curT0": 21}), None),
            ("cod:binSh", json!({"cnd": "org.onem2m.common.moduleclass.binarySwitch", "powSe": true}), None),
            ("cod:tempe", json!({"curT0": 1}), Some((4000, "cnd: is mandatory"))),
            ("cod:tempe", json!({"cnd": "a.b"}), Some((4000, "cnd: unknown container definition"))),
            ("cod:tempe", json!({"cnd": 7}), Some((4000, "cnd: unknown container definition"))),
            ("cod:tempr", json!({"cnd": temperature, "curT0": 1}), Some((4102, "the root element must be cod:tempe"))),
            ("cod:tempe", json!({"cnd": temperature}), Some((4000, "curT0: is mandatory"))),
            ("cod:tempe", json!({"cnd": temperature, "curT0": "1"}), Some((4000, "curT0: must be a number"))),
            ("cod:tempe", json!({"cnd": temperature, "curT0": 1, "lvl": 1}), Some((4000, "lvl: unknown attribute"))),
            (
                GROUP_ROOT,
                json!({"cnd": group, "nds": [1]}),
                Some((4000, "nds: must be a list of at most 20000 texts of 1 to 1024 characters")),
            ),
        ];
        for (root, given, refused) in cases {
            let found = make(root, given.clone()).map(|_| ()).map_err(|fault| (fault.rsc, fault.text));
            assert_eq!(found.err(), refused.map(|(code, text)| (code, text.to_owned())), "{root} {given}");
        }
    }

    #[test]
    fn a_group_has_room_for_its_members_and_no_more() {
        let cnd = GROUP.cnd;
        assert!(make(GROUP_ROOT, json!({"cnd": cnd, "nds": vec!["n"; MEMBERS]})).is_ok());
        assert!(make(GROUP_ROOT, json!({"cnd": cnd, "nds": vec!["n"; MEMBERS + 1]})).is_err());
    }

    #[test]
    fn what_is_stored_knows_its_root() {
        for flex in MODULES.iter().chain([&GROUP]) {
            let cnd = if flex.root == GROUP_ROOT { flex.cnd.to_owned() } else { format!("{MODULE_CLASS}{}", flex.cnd) };
            let Value::Object(stored) = json!({ "cnd": cnd }) else { panic!("no object") };
            assert_eq!(of_stored(&stored).map(|found| found.root), Some(flex.root));
        }
        assert!(of_stored(&Map::new()).is_none());
    }
}
