//! The topics of this kind of client, and how its CONNECT names it (contract section 7). Pure.

use landfall_model::User;
use landfall_mqtt::ConnectRequest;

/// Where operations come.
pub(super) const OPERATIONS: &str = "s/ds";
/// Where a client learns what was wrong with its lines.
pub(super) const ERRORS: &str = "s/e";
/// Where a client that is not registered yet receives its credentials.
pub(super) const CREDENTIALS: &str = "s/dcr";
/// Where a client learns of its template collections.
pub(super) const COLLECTIONS: &str = "s/dt";
/// Before the collection by whose templates operations and answers come.
pub(super) const OWN: &str = "s/dc/";
/// The same for the default collection of a clientId.
pub(super) const OWN_DEFAULT: &str = "s/dd";
/// Where operations come as JSON.
pub(super) const JSON_OPERATIONS: &str = "devicecontrol/notifications";
/// Where a client learns what was wrong with its JSON.
pub(super) const JSON_ERRORS: &str = "error";
/// Tokens for HTTP, which are not given out: a client has its password.
const TOKENS: &str = "s/dat";

/// Longest id of a device, in characters.
const ID_MAX: usize = 1_000;
/// Most devices below each other in a topic.
const DEPTH: usize = 3;

/// What a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Topic<'a> {
    /// Static templates, about the device behind these, each below the one before; none: the client's own.
    Static(Vec<&'a str>),
    /// Templates of a collection; none: the default one.
    Own(Option<&'a str>),
    /// Makes a collection, or asks for it.
    Collection(&'a str),
    /// Asks for credentials.
    Credentials,
    /// Asks for a token, in vain.
    Token,
    /// A JSON document, or as many as a list has.
    Json(Json<'a>),
}

/// What a JSON document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Json<'a> {
    Measurement,
    Measurements,
    Event,
    Events,
    Alarm,
    Alarms,
    /// An object, by the id of its device; none: the client's own.
    Object(Option<&'a str>),
}

/// Takes a publish topic apart. The error is for people.
pub(super) fn published(topic: &str) -> Result<Topic<'_>, &'static str> {
    const NONE: &str =
        "a device of this kind publishes to s/us, s/uc/{collection}, s/ut/{collection}, s/ud, s/uat or a JSON topic only";
    // Persistent, transient, quiescent, CEP: whatever comes is kept.
    let (mode, rest) = topic.split_once('/').ok_or(NONE)?;
    if !matches!(mode, "s" | "t" | "q" | "c") {
        return json(topic).ok_or(NONE);
    }
    let (kind, path) = rest.split_once('/').map_or((rest, None), |(kind, path)| (kind, Some(path)));
    match (kind, path) {
        ("us", None) => Ok(Topic::Static(vec![])),
        ("us", Some(path)) => {
            let ids: Vec<_> = path.split('/').collect();
            let is_whole = ids.len() <= DEPTH && ids.iter().all(|id| is_id(id));
            is_whole.then_some(Topic::Static(ids)).ok_or("the ids after s/us/ must be one to three, each of a device")
        }
        ("uc", Some(collection)) if is_id(collection) => Ok(Topic::Own(Some(collection))),
        ("ud", None) => Ok(Topic::Own(None)),
        ("ut", Some(collection)) if is_id(collection) && mode == "s" => Ok(Topic::Collection(collection)),
        ("ucr", None) if mode == "s" => Ok(Topic::Credentials),
        ("uat", None) if mode == "s" => Ok(Topic::Token),
        _ => json(rest).filter(|_| mode != "s").ok_or(NONE),
    }
}

fn json(topic: &str) -> Option<Topic<'_>> {
    Some(Topic::Json(match topic {
        "measurement/measurements/create" => Json::Measurement,
        "measurement/measurements/createBulk" => Json::Measurements,
        "event/events/create" => Json::Event,
        "event/events/createBulk" => Json::Events,
        "alarm/alarms/create" => Json::Alarm,
        "alarm/alarms/createBulk" => Json::Alarms,
        "inventory/managedObjects/update" => Json::Object(None),
        _ => Json::Object(Some(topic.strip_prefix("inventory/managedObjects/update/").filter(|id| is_id(id))?)),
    }))
}

/// Whether a filter is one of those that this kind of client may have. The error is for people.
pub(super) fn subscribed(filter: &str) -> Result<(), &'static str> {
    let is_own = || filter.strip_prefix(OWN).is_some_and(|collection| matches!(collection, "#" | "+") || is_id(collection));
    match filter {
        OPERATIONS | ERRORS | COLLECTIONS | OWN_DEFAULT | TOKENS | JSON_OPERATIONS | JSON_ERRORS => Ok(()),
        _ if is_own() => Ok(()),
        _ => Err(
            "a device of this kind subscribes to s/ds, s/e, s/dt, s/dd, s/dat, s/dc/{collection}, devicecontrol/notifications or error only",
        ),
    }
}

/// Whether operations come by a filter.
pub(super) fn is_of_operations(filter: &str) -> bool {
    matches!(filter, OPERATIONS | JSON_OPERATIONS | OWN_DEFAULT) || filter.starts_with(OWN)
}

/// One level of a topic that names something.
fn is_id(text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', '+', '#']) && text.chars().count() <= ID_MAX
}

/// Who a CONNECT claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Login<'a> {
    /// Where it is said.
    pub(super) tenant: Option<&'a str>,
    pub(super) user: &'a str,
    /// What the device calls itself.
    pub(super) id: &'a str,
    /// Its default template collection.
    pub(super) collection: Option<&'a str>,
}

/// The tenant of the server itself, whose users ask for the credentials of devices.
const MANAGEMENT: &str = "management/";

/// Whether a user name is that of somebody of a tenant, or of a device by its own.
pub(super) fn names_user(request: &ConnectRequest) -> bool {
    let name = request.username.as_deref().unwrap_or_default();
    let is_device = name.strip_prefix(User::DEVICE_PREFIX).is_some_and(|id| !id.is_empty());
    is_device || name.split_once('/').is_some_and(|(tenant, user)| !tenant.is_empty() && !user.is_empty())
}

/// Whether it is one of the server itself.
pub(super) fn names_management(request: &ConnectRequest) -> bool {
    names_user(request) && request.username.as_deref().is_some_and(|name| name.starts_with(MANAGEMENT))
}

impl<'a> Login<'a> {
    /// Takes user name and clientId apart: `{tenant}/{user}` or `device_{id}`, and `d:{id}[:{collection}]` or `{id}`. The error is for people.
    pub(super) fn parse(request: &'a ConnectRequest) -> Result<Self, &'static str> {
        let name = request.username.as_deref().unwrap_or_default();
        let (tenant, user) = name.split_once('/').map_or((None, name), |(tenant, user)| (Some(tenant), user));
        let client_id: &str = &request.client_id;
        let (id, collection) = match client_id.strip_prefix("d:") {
            Some(rest) => rest.split_once(':').map_or((rest, None), |(id, collection)| (id, Some(collection))),
            None => (client_id, None),
        };
        if !is_id(id) {
            return Err(
                "clientId must be d:{id}[:{collection}] or {id}, where the id is 1 to 1,000 characters without /, + and #",
            );
        }
        Ok(Self { tenant, user, id, collection: collection.filter(|collection| is_id(collection)) })
    }
}

/// Reads anything as a topic, a filter and a login; must never panic.
pub(crate) fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(Topic::Static(ids)) = published(text) {
        assert!(ids.len() <= DEPTH && ids.iter().all(|id| text.contains(id)));
    }
    let _ = subscribed(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_mqtt::Version;

    #[test]
    fn publish_topics_are_taken_apart() {
        let cases = [
            ("s/us", Topic::Static(vec![])),
            ("t/us", Topic::Static(vec![])),
            ("q/us/c-1", Topic::Static(vec!["c-1"])),
            ("c/us/c-1/g:1", Topic::Static(vec!["c-1", "g:1"])),
            ("s/us/1/2/3", Topic::Static(vec!["1", "2", "3"])),
            ("s/uc/x", Topic::Own(Some("x"))),
            ("t/uc/x", Topic::Own(Some("x"))),
            ("s/ud", Topic::Own(None)),
            ("s/ut/x", Topic::Collection("x")),
            ("s/ucr", Topic::Credentials),
            ("s/uat", Topic::Token),
            ("measurement/measurements/create", Topic::Json(Json::Measurement)),
            ("measurement/measurements/createBulk", Topic::Json(Json::Measurements)),
            ("event/events/create", Topic::Json(Json::Event)),
            ("t/event/events/createBulk", Topic::Json(Json::Events)),
            ("alarm/alarms/create", Topic::Json(Json::Alarm)),
            ("alarm/alarms/createBulk", Topic::Json(Json::Alarms)),
            ("inventory/managedObjects/update", Topic::Json(Json::Object(None))),
            ("inventory/managedObjects/update/d-1", Topic::Json(Json::Object(Some("d-1")))),
        ];
        for (topic, expected) in cases {
            assert_eq!(published(topic), Ok(expected), "{topic}");
        }
        for bad in [
            "",
            "s",
            "s/",
            "s/us/",
            "s/us//x",
            "s/us/1/2/3/4",
            "s/us/+",
            "s/uc",
            "s/uc/",
            "s/uc/a/b",
            "s/ut",
            "t/ut/x",
            "t/ucr",
            "s/ds",
            "s/ul/x",
            "us",
            "x/us",
            "s/event/events/create",
            "event/events",
            "event/events/create/1",
            "inventory/managedObjects/update/",
            "inventory/managedObjects/create",
        ] {
            assert!(published(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_own_topics_are_subscribed() {
        for good in ["s/ds", "s/e", "s/dt", "s/dat", "s/dd", "s/dc/x", "s/dc/#", "s/dc/+", JSON_OPERATIONS, "error"] {
            assert_eq!(subscribed(good), Ok(()), "{good}");
        }
        for bad in [
            "#",
            "+",
            "s/#",
            "s/+",
            "s/us",
            "s/dcr",
            "s/dc",
            "s/dc/",
            "s/dc/a/b",
            "s/dc/+/x",
            "$SYS/#",
            "/huawei/v1/devices/+/command/json",
            "errors",
        ] {
            assert!(subscribed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn logins_are_taken_apart() {
        let request = |client_id: &str, name: &str| ConnectRequest {
            version: Version::V311,
            client_id: client_id.into(),
            username: (!name.is_empty()).then(|| name.into()),
            password: None,
            clean_start: true,
            keep_alive_s: 60,
            session_expiry_s: 0,
            maximum_packet_bytes: u32::MAX,
            will: None,
            user: vec![],
        };
        let login = |tenant, user, id, collection| Ok(Login { tenant, user, id, collection });
        let cases = [
            ("d-1", "t1/device_d-1", login(Some("t1"), "device_d-1", "d-1", None)),
            ("d:d-1", "t1/device_d-1", login(Some("t1"), "device_d-1", "d-1", None)),
            ("d:d-1:own", "device_d-1", login(None, "device_d-1", "d-1", Some("own"))),
            ("d:d:1", "device_d", login(None, "device_d", "d", Some("1"))),
            ("d:d-1:", "t1/a/b", login(Some("t1"), "a/b", "d-1", None)),
        ];
        for (client_id, name, expected) in cases {
            let request = request(client_id, name);
            assert!(names_user(&request), "{name}");
            assert_eq!(Login::parse(&request), expected, "{client_id} {name}");
        }
        for client_id in ["", "d:", "d::own", "a/b", "d:a/b", "a+", "#"] {
            assert!(Login::parse(&request(client_id, "t1/a")).is_err(), "{client_id}");
        }
        for (name, is_user, is_management) in [
            ("management/devicebootstrap", true, true),
            ("management2/a", true, false),
            ("device_1", true, false),
            ("", false, false),
            ("device_", false, false),
            ("/a", false, false),
            ("management/", false, false),
            ("urn:imei:4711", false, false),
        ] {
            let request = request("d-1", name);
            assert_eq!((names_user(&request), names_management(&request)), (is_user, is_management), "{name}");
        }
    }

    #[test]
    fn anything_can_be_read() {
        let corpus: [&[u8]; 4] = [b"s/us/c-1/g-1", b"s/dc/+", b"inventory/managedObjects/update/d-1", b"t/uc/own"];
        landfall_testkit::mutate::run(&corpus, 12, 20_000, fuzz);
    }
}
