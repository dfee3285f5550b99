//! The topics of a device and who may use them (8.2.3; device-side section 5). Pure: whether a device is behind a gateway is asked elsewhere.
//!
//! Absent: free topics but those of services. They are refused, as nothing would read what is published there.

use crate::mqtt::listening::Commands;
use landfall_model::DeviceId;

const DEVICES: &str = "/huawei/v1/devices/";
/// Where the vendor's SDK tells at each connect of itself, in a dialect of its own.
const VENDOR: &str = "$oc/devices/";
const VENDOR_EVENTS: &str = "/sys/events/up";
/// Stands for the session's device and those behind it.
const ANY: &str = "+/";
const PRODUCTS: &str = "/huawei/v1/products/";
const ID_BYTES: usize = 36;
const SERVICE_ID_MAX_BYTES: usize = 256;

/// How a session names its own device in topics: by deviceId (type 0) or nodeId (type 2).
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) device: DeviceId,
    pub(crate) text: Box<str>,
}

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// The session's device, or one that should be behind it.
    pub(crate) device: DeviceId,
    pub(crate) content: Content<'a>,
}

/// What a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    /// `data/json`.
    Json,
    /// `data/binary`.
    Binary,
    /// `services/{serviceId}`.
    Service(&'a str),
}

impl Own {
    /// Takes a publish topic apart; nothing for one whose messages mean nothing here. The error is for people.
    pub(crate) fn publish<'a>(&self, topic: &'a str) -> Result<Option<Target<'a>>, &'static str> {
        if topic.strip_prefix(VENDOR).and_then(|rest| rest.strip_suffix(VENDOR_EVENTS)) == Some(&*self.text) {
            return Ok(None);
        }
        let (device, rest) = self.device(topic)?;
        let content = match rest {
            "data/json" => Content::Json,
            "data/binary" => Content::Binary,
            _ => match rest.strip_prefix("services/") {
                Some(id) if !id.is_empty() && id.len() <= SERVICE_ID_MAX_BYTES && !id.contains('/') => Content::Service(id),
                _ => return Err("a device publishes to .../data/json, .../data/binary or .../services/{serviceId} only"),
            },
        };
        Ok(Some(Target { device, content }))
    }

    /// Takes a filter apart. A wildcard may stand for both command topics, and for the own device and all behind it.
    pub(crate) fn subscribe(&self, filter: &str) -> Result<Commands, &'static str> {
        let (device, rest) = match filter.strip_prefix(DEVICES).and_then(|rest| rest.strip_prefix(ANY)) {
            Some(rest) => (None, rest),
            None => self.device(filter).map(|(device, rest)| (Some(device), rest))?,
        };
        let (json, binary) = match rest {
            "command/json" => (true, false),
            "command/binary" => (false, true),
            "command/+" => (true, true),
            _ => return Err("a device subscribes to .../command/json, .../command/binary or .../command/+ only"),
        };
        Ok(Commands { device, json, binary })
    }

    /// A filter as it is kept, whatever the device logs in with next: by deviceId.
    pub(crate) fn kept(&self, filter: &str) -> String {
        renamed(filter, &self.text, &self.device.to_string())
    }

    /// A kept filter with the id that this session uses.
    pub(crate) fn resumed(&self, filter: &str) -> String {
        renamed(filter, &self.device.to_string(), &self.text)
    }

    /// The topic of a command in the form of id that this session uses.
    pub(crate) fn command(&self, device: DeviceId, binary: bool) -> String {
        let mode = if binary { "binary" } else { "json" };
        if device == self.device {
            format!("{DEVICES}{}/command/{mode}", self.text)
        } else {
            format!("{DEVICES}{device}/command/{mode}")
        }
    }

    /// The own id is compared as text, since a nodeId may hold a slash; any other id must be a deviceId in its canonical form.
    fn device<'a>(&self, topic: &'a str) -> Result<(DeviceId, &'a str), &'static str> {
        let rest = topic.strip_prefix(DEVICES).ok_or("topics of devices begin with /huawei/v1/devices/")?;
        if let Some(rest) = rest.strip_prefix(&*self.text).and_then(|rest| rest.strip_prefix('/')) {
            return Ok((self.device, rest));
        }
        let (id, rest) = rest.split_once('/').ok_or("the topic ends after the id")?;
        match device_id(id) {
            Some(device) if device != self.device => Ok((device, rest)),
            _ => Err("the id is neither that of the login nor the deviceId of a device behind it"),
        }
    }
}

/// The filter with another name of its device, if it has the one.
fn renamed(filter: &str, from: &str, to: &str) -> String {
    let rest = filter.strip_prefix(DEVICES).and_then(|rest| rest.strip_prefix(from)).filter(|rest| rest.starts_with('/'));
    rest.map_or_else(|| filter.to_owned(), |rest| format!("{DEVICES}{to}{rest}"))
}

/// A deviceId as the platform writes it: 36 characters, lower case.
pub(crate) fn device_id(text: &str) -> Option<DeviceId> {
    let canonical = text.len() == ID_BYTES && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    if canonical { text.parse().ok() } else { None }
}

/// The two topics of a one-model-one-secret session.
#[derive(Clone, Debug)]
pub(crate) struct ClaimTopics {
    /// Where the secret is published.
    pub(crate) notify: String,
    /// Where the device confirms it.
    pub(crate) ack: String,
}

impl ClaimTopics {
    pub(crate) fn new(product: &str, node_id: &str) -> Self {
        let base = format!("{PRODUCTS}{product}/sn/{node_id}/");
        Self { notify: format!("{base}secretNotify"), ack: format!("{base}secretACK") }
    }
}

/// Reads anything as topic and filter of one session; must never panic, and a filter that is taken must match its own command topic.
pub(crate) fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let device = DeviceId::from_random([7; 16]);
    for own in [Own { device, text: device.to_string().into() }, Own { device, text: "node/1".into() }] {
        let _ = own.publish(text);
        if let Ok(commands) = own.subscribe(text) {
            let topic = own.command(commands.device.unwrap_or(device), commands.binary);
            assert_eq!(own.resumed(&own.kept(text)), text, "a filter is resumed as it was");
            assert!(landfall_mqtt::Filter::new(text).is_ok_and(|filter| filter.matches(&topic)), "{text} {topic}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "07070707-0707-4707-8707-070707070707";
    const CHILD: &str = "08080808-0808-4808-8808-080808080808";

    fn sessions() -> [(Own, &'static str); 2] {
        let device = DeviceId::from_random([7; 16]);
        [(Own { device, text: OWN.into() }, OWN), (Own { device, text: "urn:imei:47/11".into() }, "urn:imei:47/11")]
    }

    #[test]
    fn data_and_services_may_be_published() {
        for (own, text) in sessions() {
            let child = DeviceId::from_random([8; 16]);
            let cases = [
                (text, "data/json", own.device, Content::Json),
                (text, "data/binary", own.device, Content::Binary),
                (text, "services/Battery", own.device, Content::Service("Battery")),
                (CHILD, "data/json", child, Content::Json),
                (CHILD, "services/a b", child, Content::Service("a b")),
            ];
            for (id, rest, device, content) in cases {
                assert_eq!(own.publish(&format!("{DEVICES}{id}/{rest}")), Ok(Some(Target { device, content })), "{id} {rest}");
            }
        }
    }

    #[test]
    fn other_publishes_are_refused() {
        for (own, text) in sessions() {
            for rest in ["", "data", "data/", "data/xml", "data/json/", "services", "services/", "services/a/b", "command/json"] {
                assert!(own.publish(&format!("{DEVICES}{text}/{rest}")).is_err(), "{rest}");
            }
            for topic in ["", "/", DEVICES, "/huawei/v1/devices/x", "/huawei/v1/devices/x/data/json", "a/b", "$SYS/broker"] {
                assert!(own.publish(topic).is_err(), "{topic}");
            }
            let upper = CHILD.to_uppercase().replace('8', "A");
            assert!(own.publish(&format!("{DEVICES}{upper}/data/json")).is_err());
            assert!(own.publish(&format!("{DEVICES}{text}{text}/data/json")).is_err());
            let long = "s".repeat(257);
            assert!(own.publish(&format!("{DEVICES}{text}/services/{long}")).is_err());
        }
        let [_, (by_node, _)] = sessions();
        assert!(by_node.publish(&format!("{DEVICES}{OWN}/data/json")).is_err(), "a nodeId session names itself by nodeId");
    }

    #[test]
    fn command_topics_may_be_subscribed() {
        for (own, text) in sessions() {
            let child = DeviceId::from_random([8; 16]);
            let cases = [
                (text, "command/json", Ok((Some(own.device), true, false))),
                (text, "command/binary", Ok((Some(own.device), false, true))),
                (text, "command/+", Ok((Some(own.device), true, true))),
                (CHILD, "command/json", Ok((Some(child), true, false))),
                (CHILD, "command/+", Ok((Some(child), true, true))),
                ("+", "command/json", Ok((None, true, false))),
                ("+", "command/+", Ok((None, true, true))),
                (text, "command/#", Err(())),
                (text, "command", Err(())),
                (text, "#", Err(())),
                (text, "data/json", Err(())),
                ("+", "data/json", Err(())),
                ("+", "+", Err(())),
                ("#", "", Err(())),
            ];
            for (id, rest, expected) in cases {
                let taken = own.subscribe(&format!("{DEVICES}{id}/{rest}"));
                assert_eq!(taken.map(|c| (c.device, c.json, c.binary)).map_err(|_| ()), expected, "{id} {rest}");
            }
            for filter in ["#", "+", "/huawei/#", "/huawei/v1/devices/#", "$SYS/#"] {
                assert!(own.subscribe(filter).is_err(), "{filter}");
            }
        }
    }

    #[test]
    fn commands_use_the_id_of_the_login() {
        let [(by_id, _), (by_node, text)] = sessions();
        let child = DeviceId::from_random([8; 16]);
        assert_eq!(by_id.command(by_id.device, false), format!("{DEVICES}{OWN}/command/json"));
        assert_eq!(by_node.command(by_node.device, true), format!("{DEVICES}{text}/command/binary"));
        assert_eq!(by_node.command(child, false), format!("{DEVICES}{CHILD}/command/json"));
    }

    #[test]
    fn kept_filters_name_the_device_whatever_it_logs_in_with() {
        let [(by_id, _), (by_node, text)] = sessions();
        for rest in ["command/json", "command/+"] {
            let (own, node) = (format!("{DEVICES}{OWN}/{rest}"), format!("{DEVICES}{text}/{rest}"));
            assert_eq!((by_node.kept(&node), by_id.kept(&own)), (own.clone(), own.clone()));
            assert_eq!((by_node.resumed(&own), by_id.resumed(&own)), (node, own));
        }
        for other in
            [format!("{DEVICES}{CHILD}/command/json"), format!("{DEVICES}+/command/+"), format!("{DEVICES}{OWN}x/command/+")]
        {
            assert_eq!((by_node.kept(&other), by_node.resumed(&other)), (other.clone(), other.clone()));
        }
    }

    #[test]
    fn what_the_vendors_sdk_says_of_itself_means_nothing() {
        for (own, text) in sessions() {
            assert_eq!(own.publish(&format!("$oc/devices/{text}/sys/events/up")), Ok(None));
            for topic in [format!("$oc/devices/{CHILD}/sys/events/up"), format!("$oc/devices/{text}/sys/properties/report")] {
                assert!(own.publish(&topic).is_err(), "{topic}");
            }
        }
    }

    #[test]
    fn claim_topics_name_product_and_node() {
        let topics = ClaimTopics::new("p", "n_1");
        assert_eq!(topics.notify, "/huawei/v1/products/p/sn/n_1/secretNotify");
        assert_eq!(topics.ack, "/huawei/v1/products/p/sn/n_1/secretACK");
    }

    #[test]
    fn anything_can_be_read() {
        let topics =
            [format!("{DEVICES}{OWN}/data/json"), format!("{DEVICES}node/1/command/+"), format!("{DEVICES}{CHILD}/command/json")];
        let corpus: Vec<&[u8]> = topics.iter().map(|topic| topic.as_bytes()).collect();
        landfall_testkit::mutate::run(&corpus, 2, 20_000, fuzz);
    }
}
