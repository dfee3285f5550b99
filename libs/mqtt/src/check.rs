//! Why a connection ended: one table of checks, each with its paragraph in both specifications and its MQTT 5 reason code.
//! Absent: texts for people; the name of a check is stable and machine-readable.

use crate::Version;

/// One rule a connection can break.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// Stable name, such as `connect.first`.
    pub name: &'static str,
    /// Paragraph of MQTT 3.1.1 (`MQTT-x.y.z-n`, or a section number where the text has no numbered statement).
    pub v311: &'static str,
    /// Paragraph of MQTT 5.0, same form.
    pub v5: &'static str,
    /// MQTT 5 reason code sent to the client.
    pub code: u8,
    /// What sort of end it is.
    pub kind: CloseKind,
}

/// Coarse classes of [`CloseReason`], for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseKind {
    /// The client sent DISCONNECT.
    ClientDisconnect,
    /// The network connection went away without DISCONNECT.
    NetworkLost,
    /// The client was silent too long, before or after CONNECT.
    Timeout,
    /// The owner refused the CONNECT.
    Refused,
    /// The owner ended the connection.
    ServerDisconnect,
    /// The client's bytes are not MQTT.
    Malformed,
    /// The packet is well formed and not allowed here.
    Protocol,
    /// A bound of [`crate::Limits`] was exceeded.
    Limit,
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// Class of the end.
    pub kind: CloseKind,
    /// Name of the check that failed, see [`Check::name`].
    pub check: &'static str,
    /// Paragraph of the specification of the client's version (3.1.1 before the version is known).
    pub paragraph: &'static str,
    /// Reason code sent or received: MQTT 5 codes; for a refused MQTT 3.1.1 CONNECT its return code.
    pub code: u8,
}

impl Check {
    /// The reason this check gives for a client of `version`.
    pub fn reason(&self, version: Option<Version>) -> CloseReason {
        let paragraph = if version == Some(Version::V5) { self.v5 } else { self.v311 };
        CloseReason { kind: self.kind, check: self.name, paragraph, code: self.code }
    }
}

/// One line per check: identifier, name, paragraph in 3.1.1, paragraph in 5.0, reason code, class.
macro_rules! checks {
    ($($id:ident $name:literal $v311:literal $v5:literal $code:literal $kind:ident;)*) => {
        $(pub(crate) static $id: Check = Check { name: $name, v311: $v311, v5: $v5, code: $code, kind: CloseKind::$kind };)*
        #[cfg(test)]
        pub(crate) static ALL: &[&Check] = &[$(&$id),*];
    };
}

checks! {
    ACCEPT_TIMEOUT       "connect.unanswered"             "3.1.4"          "3.1.4"          0x88 Timeout;
    AUTH_PACKET          "auth.not-started"               "2.2.1"          "MQTT-4.12.0-7"  0x82 Protocol;
    BOOLEAN_PROPERTY     "property.not-boolean"           "-"              "2.2.2.2"        0x82 Protocol;
    CLIENT_DISCONNECT    "client.disconnect"              "3.14"           "3.14"           0x00 ClientDisconnect;
    CLIENT_ID_NEEDED     "connect.client-id-empty"        "MQTT-3.1.3-8"   "3.1.3.1"        0x85 Refused;
    CONNECT_AUTH         "connect.auth-method"            "-"              "MQTT-4.12.0-1"  0x8C Refused;
    CONNECT_AUTH_DATA    "connect.auth-data-alone"        "-"              "3.1.2.11.10"    0x82 Protocol;
    CONNECT_FIRST        "connect.first"                  "MQTT-3.1.0-1"   "MQTT-3.1.0-1"   0x82 Protocol;
    CONNECT_FLAG         "connect.reserved-flag"          "MQTT-3.1.2-3"   "MQTT-3.1.2-3"   0x81 Malformed;
    CONNECT_LEVEL        "connect.protocol-level"         "MQTT-3.1.2-2"   "MQTT-3.1.2-2"   0x84 Refused;
    CONNECT_NAME         "connect.protocol-name"          "MQTT-3.1.2-1"   "MQTT-3.1.2-1"   0x84 Protocol;
    CONNECT_PASSWORD     "connect.password-alone"         "MQTT-3.1.2-22"  "-"              0x81 Protocol;
    CONNECT_REFUSED      "connect.refused"                "3.2.2.3"        "3.2.2.2"        0x87 Refused;
    CONNECT_TIMEOUT      "connect.timeout"                "3.1"            "3.1"            0x8D Timeout;
    CONNECT_TWICE        "connect.twice"                  "MQTT-3.1.0-2"   "MQTT-3.1.0-2"   0x82 Protocol;
    CONNECT_WILL_QOS     "connect.will-qos"               "MQTT-3.1.2-14"  "MQTT-3.1.2-12"  0x81 Malformed;
    CONNECT_WILL_QOS_OFF "connect.will-qos-without-will"  "MQTT-3.1.2-13"  "MQTT-3.1.2-11"  0x81 Malformed;
    CONNECT_WILL_RETAIN  "connect.will-retain-without-will" "MQTT-3.1.2-15" "MQTT-3.1.2-13" 0x81 Malformed;
    DIRECTION            "packet.server-only"             "MQTT-4.8.0-1"   "MQTT-4.13.1-1"  0x82 Protocol;
    DISCONNECT_EXPIRY    "disconnect.session-expiry"      "-"              "3.14.2.2.2"     0x82 Protocol;
    FILTER_EMPTY         "filter.empty"                   "MQTT-4.7.3-1"   "MQTT-4.7.3-1"   0x81 Malformed;
    FLAGS                "packet.flags"                   "MQTT-2.2.2-2"   "MQTT-2.1.3-1"   0x81 Malformed;
    INPUT_OVERRUN        "input.overrun"                  "-"              "-"              0x97 Limit;
    KEEP_ALIVE           "keep-alive"                     "MQTT-3.1.2-24"  "MQTT-3.1.2-22"  0x8D Timeout;
    NETWORK_LOST         "network.lost"                   "MQTT-3.1.2-8"   "MQTT-3.1.2-8"   0x00 NetworkLost;
    PACKET_ID            "packet.id-zero"                 "MQTT-2.3.1-1"   "MQTT-2.2.1-3"   0x82 Protocol;
    PACKET_TOO_LARGE     "packet.too-large"               "2.2.3"          "MQTT-3.2.2-15"  0x95 Limit;
    PACKET_TYPE          "packet.type-reserved"           "2.2.1"          "2.1.2"          0x81 Malformed;
    PEER_PACKET_LIMIT    "answer.too-large-for-client"    "-"              "MQTT-3.1.2-24"  0x95 Limit;
    PROPERTIES_TOO_MANY  "property.too-many"              "-"              "2.2.2"          0x97 Limit;
    PROPERTY_DUPLICATE   "property.twice"                 "-"              "2.2.2.2"        0x82 Protocol;
    PROPERTY_LENGTH      "property.length"                "-"              "2.2.2.1"        0x81 Malformed;
    PROPERTY_UNKNOWN     "property.not-for-this-packet"   "-"              "2.2.2.2"        0x81 Malformed;
    PROPERTY_ZERO        "property.zero"                  "-"              "3.1.2.11"       0x82 Protocol;
    PUBLISH_ALIAS_RANGE  "publish.topic-alias-range"      "-"              "MQTT-3.3.2-9"   0x94 Protocol;
    PUBLISH_ALIAS_UNSET  "publish.topic-alias-unknown"    "-"              "3.3.2.3.4"      0x82 Protocol;
    PUBLISH_DUP          "publish.dup-qos0"               "MQTT-3.3.1-2"   "MQTT-3.3.1-2"   0x81 Malformed;
    PUBLISH_QOS          "publish.qos"                    "MQTT-3.3.1-4"   "MQTT-3.3.1-4"   0x81 Malformed;
    PUBLISH_QOS_LIMIT    "publish.qos-not-supported"      "3.3.1.2"        "MQTT-3.2.2-11"  0x9B Protocol;
    PUBLISH_RESPONSE     "publish.response-topic"         "-"              "MQTT-3.3.2-14"  0x82 Protocol;
    PUBLISH_RETAIN       "publish.retain-not-supported"   "3.3.1.3"        "MQTT-3.2.2-14"  0x9A Protocol;
    PUBLISH_SUB_ID       "publish.subscription-id"        "-"              "MQTT-3.3.4-6"   0x82 Protocol;
    PUBLISH_TOPIC        "publish.topic-wildcard"         "MQTT-3.3.2-2"   "MQTT-3.3.2-2"   0x90 Protocol;
    PUBLISH_TOPIC_EMPTY  "publish.topic-empty"            "MQTT-4.7.3-1"   "MQTT-4.7.3-1"   0x82 Protocol;
    QOS2_LIMIT           "publish.too-many-unreleased"    "4.3.3"          "4.3.3"          0x97 Limit;
    RECEIVE_MAXIMUM      "publish.receive-maximum"        "-"              "MQTT-3.3.4-7"   0x93 Protocol;
    REMAINING_LENGTH     "packet.remaining-length"        "2.2.3"          "MQTT-1.5.5-1"   0x81 Malformed;
    SERVER_DISCONNECT    "server.disconnect"              "4.8"            "MQTT-3.14.0-1"  0x80 ServerDisconnect;
    SILENCE              "silence"                        "3.1.2.10"       "3.1.2.10"       0x98 Timeout;
    SUBSCRIBE_EMPTY      "subscribe.empty"                "MQTT-3.8.3-3"   "MQTT-3.8.3-2"   0x82 Protocol;
    SUBSCRIBE_OPTIONS    "subscribe.options"              "MQTT-3-8.3-4"   "MQTT-3.8.3-5"   0x81 Malformed;
    SUBSCRIBE_SHARED_LOCAL "subscribe.shared-no-local"    "-"              "MQTT-3.8.3-4"   0x82 Protocol;
    TOPIC_TOO_LONG       "topic.too-long"                 "4.7.3"          "4.7.3"          0x90 Limit;
    TRAILING             "packet.trailing-bytes"          "MQTT-4.8.0-1"   "4.13.1"         0x81 Malformed;
    TRUNCATED            "packet.truncated"               "MQTT-4.8.0-1"   "4.13.1"         0x81 Malformed;
    UNSUBSCRIBE_EMPTY    "unsubscribe.empty"              "MQTT-3.10.3-2"  "MQTT-3.10.3-2"  0x82 Protocol;
    UTF8                 "string.utf8"                    "MQTT-1.5.3-1"   "MQTT-1.5.4-1"   0x81 Malformed;
    UTF8_NUL             "string.nul"                     "MQTT-1.5.3-2"   "MQTT-1.5.4-2"   0x81 Malformed;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_check_has_a_paragraph() {
        for (at, check) in ALL.iter().enumerate() {
            assert!(ALL.iter().skip(at + 1).all(|other| other.name != check.name), "{} twice", check.name);
            assert!(check.v311 != "-" || check.v5 != "-" || check.name == "input.overrun", "{} has no paragraph", check.name);
        }
    }

    #[test]
    fn the_paragraph_follows_the_version() {
        assert_eq!(KEEP_ALIVE.reason(Some(Version::V311)).paragraph, "MQTT-3.1.2-24");
        assert_eq!(KEEP_ALIVE.reason(Some(Version::V5)).paragraph, "MQTT-3.1.2-22");
        assert_eq!(CONNECT_FIRST.reason(None).paragraph, "MQTT-3.1.0-1");
    }
}
