//! Why a datagram, a request or a transfer was refused: one table of checks, each with its paragraph.
//! Absent: texts for people; the name of a check is stable and machine-readable.

/// One rule that a peer can break, or one bound that it can hit.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// Stable name, such as `option.delta-15`.
    pub name: &'static str,
    /// The paragraph that asks for it; `-` for a bound of our own.
    pub source: &'static str,
    /// What sort of refusal it is.
    pub kind: CheckKind,
}

/// Coarse classes of [`Check`], for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckKind {
    /// The bytes are not a CoAP message.
    Format,
    /// A well-formed message that is not allowed here.
    Protocol,
    /// An option that is critical and unknown, malformed or repeated.
    Option,
    /// A block-wise transfer that went wrong.
    Transfer,
    /// A bound of [`crate::Limits`] was hit.
    Limit,
}

/// One line per check: identifier, name, paragraph, class.
macro_rules! checks {
    ($($id:ident $name:literal $source:literal $kind:ident;)*) => {
        $(pub(crate) static $id: Check = Check { name: $name, source: $source, kind: CheckKind::$kind };)*
        #[cfg(test)]
        pub(crate) static ALL: &[&Check] = &[$(&$id),*];
    };
}

checks! {
    ACK_REQUEST        "ack.with-request"            "RFC 7252 4.2"    Protocol;
    BLOCK1_GAP         "block1.out-of-order"         "RFC 7959 2.5"    Transfer;
    BLOCK1_LENGTH      "block1.payload-length"       "RFC 7959 2.3"    Transfer;
    BLOCK1_TOO_LARGE   "block1.body-too-large"       "RFC 7959 2.9.3"  Limit;
    BLOCK2_GONE        "block2.body-gone"            "RFC 7959 2.7"    Transfer;
    BLOCK2_RANGE       "block2.beyond-end"           "RFC 7959 2.4"    Transfer;
    BLOCK_SIZE         "block.size-reserved"         "RFC 7959 2.2"    Transfer;
    CODE_CLASS         "code.class-reserved"         "RFC 7252 4.2"    Format;
    DATAGRAM_TOO_LARGE "datagram.too-large"          "-"               Limit;
    EMPTY_NON          "empty.non-confirmable"       "RFC 7252 4.3"    Protocol;
    EMPTY_NOT_EMPTY    "empty.with-bytes"            "RFC 7252 4.1"    Format;
    HEADER             "header.truncated"            "RFC 7252 3"      Format;
    MARKER_ALONE       "payload.marker-alone"        "RFC 7252 3"      Format;
    NOTIFY_LIMIT       "notification.too-many-open"  "-"               Limit;
    OPEN_LIMIT         "request.too-many-open"       "-"               Limit;
    OPEN_PEER_LIMIT    "request.too-many-of-peer"    "-"               Limit;
    OPTION_BAD         "option.critical"             "RFC 7252 5.4.1"  Option;
    OPTION_COUNT       "option.too-many"             "-"               Limit;
    OPTION_DELTA       "option.delta-15"             "RFC 7252 3.1"    Format;
    OPTION_LENGTH      "option.length-15"            "RFC 7252 3.1"    Format;
    OPTION_NUMBER      "option.number-overflow"      "RFC 7252 3.1"    Format;
    OPTION_TRUNCATED   "option.truncated"            "RFC 7252 3.1"    Format;
    PROXY              "request.proxy"               "RFC 7252 5.10.2" Protocol;
    RESET_NOT_EMPTY    "reset.not-empty"             "RFC 7252 4.2"    Format;
    RESPONSE_LOST      "response.unacknowledged"     "RFC 7252 4.2"    Protocol;
    RESPONSE_RESET     "response.reset"              "RFC 7252 4.2"    Protocol;
    RESPONSE_STRAY     "response.unexpected"         "RFC 7252 4.2"    Protocol;
    RESPONSE_UNSENT    "response.too-many-exchanges" "-"               Limit;
    TOKEN_LENGTH       "token.length-reserved"       "RFC 7252 3"      Format;
    TOKEN_LIMIT        "token.too-long"              "RFC 8974 2.2.2"  Limit;
    TOKEN_TRUNCATED    "token.truncated"             "RFC 7252 3"      Format;
    VERSION            "header.version"              "RFC 7252 3"      Format;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_rule_of_a_standard_has_its_paragraph() {
        for (at, check) in ALL.iter().enumerate() {
            assert!(ALL.iter().skip(at + 1).all(|other| other.name != check.name), "{} twice", check.name);
            assert!(check.source != "-" || check.kind == CheckKind::Limit, "{} has no paragraph", check.name);
        }
    }
}
