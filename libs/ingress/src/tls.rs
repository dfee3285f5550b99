//! Why TLS handshakes fail, in words for operators.

use rustls::{AlertDescription as Alert, Error, InvalidMessage, PeerIncompatible};

/// The check that failed before a protocol began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// A stable word.
    pub check: &'static str,
    /// What was wrong and what would be right.
    pub detail: &'static str,
}

const fn because(check: &'static str, detail: &'static str) -> Refused {
    Refused { check, detail }
}

/// Judges the first byte on a TLS port; `None` where it may begin a handshake.
pub fn first_byte(byte: u8) -> Option<Refused> {
    match byte {
        // A handshake record (RFC 8446, 5.1).
        22 => None,
        // CONNECT with its flags (MQTT 3.1.1, 3.1.1).
        0x10 => Some(because(
            "tls.plain-mqtt",
            "the client speaks MQTT without TLS on a TLS port; switch TLS on, or use the port for MQTT without it",
        )),
        b'A'..=b'Z' => Some(because("tls.plain-http", "the client speaks HTTP without TLS on a TLS port; use https or wss")),
        _ => Some(because("tls.not-tls", "the client does not speak TLS, which this port needs")),
    }
}

/// Names what a handshake failed for.
pub fn refused(error: &Error) -> Refused {
    match error {
        Error::AlertReceived(alert) => alerted(*alert),
        Error::PeerIncompatible(why) => incompatible(why),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            because("tls.not-tls", "the client does not speak TLS, which this port needs")
        }
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            because("tls.malformed", "the client's handshake is malformed or out of order")
        }
        Error::NoApplicationProtocol => because("tls.alpn", "the client offers none of the application protocols of this port"),
        Error::DecryptError => because("tls.decrypt", "a record of the handshake could not be decrypted"),
        Error::PeerSentOversizedRecord => {
            because("tls.record-too-large", "the client sent a record that is larger than TLS allows")
        }
        _ => because("tls.failed", "the handshake failed"),
    }
}

fn alerted(alert: Alert) -> Refused {
    match alert {
        Alert::UnknownCA => because(
            "tls.unknown-ca",
            "the client does not trust the CA of the server's certificate; give it ca.pem, or a certificate of a CA that it knows",
        ),
        Alert::DecryptError => because(
            "tls.wrong-ca",
            "the client's CA has the name of the server's and another key, such as the ca.pem of an earlier server; give it the right one",
        ),
        Alert::CertificateExpired => because(
            "tls.certificate-expired",
            "the client says that the certificate is over or not valid yet; look at its clock and at the certificate",
        ),
        Alert::BadCertificate | Alert::CertificateUnknown | Alert::UnsupportedCertificate | Alert::CertificateRevoked => {
            because("tls.certificate-refused", "the client refuses the server's certificate; look at its names and its kind")
        }
        Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity | Alert::IllegalParameter => {
            because("tls.client-incompatible", "the client refuses what the server chose of versions, suites and groups")
        }
        Alert::CloseNotify | Alert::UserCanceled => because("tls.cancelled", "the client ended the handshake"),
        _ => because("tls.client-alert", "the client ended the handshake with an alert"),
    }
}

fn incompatible(why: &PeerIncompatible) -> Refused {
    use PeerIncompatible as Why;
    match why {
        Why::NoCipherSuitesInCommon => {
            because("tls.no-common-suite", "the client offers no cipher suite that the server has; docs/devices.md names them")
        }
        Why::NoKxGroupsInCommon | Why::NamedGroupsExtensionRequired | Why::KeyShareExtensionRequired => {
            because("tls.no-common-group", "the client offers no key exchange group that the server has")
        }
        Why::NoSignatureSchemesInCommon
        | Why::NoCertificateRequestSignatureSchemesInCommon
        | Why::SignatureAlgorithmsExtensionRequired => because(
            "tls.no-common-signature",
            "the client takes no signature that the server's key makes, such as RSA alone for an ECDSA key",
        ),
        Why::Tls12NotOffered
        | Why::Tls12NotOfferedOrEnabled
        | Why::Tls13RequiredForQuic
        | Why::SupportedVersionsExtensionRequired => because("tls.version", "the client offers neither TLS 1.2 nor TLS 1.3"),
        Why::ExtendedMasterSecretExtensionRequired => because("tls.no-ems", "the client lacks the extended master secret"),
        _ => because("tls.incompatible", "the client and the server have no versions, suites or groups in common"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_words_of_their_own() {
        for (error, check) in [
            (Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon), "tls.no-common-suite"),
            (Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon), "tls.no-common-signature"),
            (Error::PeerIncompatible(PeerIncompatible::Tls12NotOfferedOrEnabled), "tls.version"),
            (Error::AlertReceived(Alert::UnknownCA), "tls.unknown-ca"),
            (Error::AlertReceived(Alert::DecryptError), "tls.wrong-ca"),
            (Error::AlertReceived(Alert::CertificateExpired), "tls.certificate-expired"),
            (Error::AlertReceived(Alert::BadCertificate), "tls.certificate-refused"),
            (Error::InvalidMessage(InvalidMessage::InvalidContentType), "tls.not-tls"),
            (Error::General("x".into()), "tls.failed"),
        ] {
            assert_eq!(refused(&error).check, check);
        }
    }

    #[test]
    fn the_first_byte_tells_who_is_at_the_wrong_port() {
        let check = |byte| first_byte(byte).map(|refused| refused.check);
        assert_eq!([22, 0x10, b'G', 0].map(check), [None, Some("tls.plain-mqtt"), Some("tls.plain-http"), Some("tls.not-tls")]);
    }
}
