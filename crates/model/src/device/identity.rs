//! Names of devices, and which of them mean the same device: the endpoint names of LwM2M (core 1.1, 6.2.1.1) and what is inside them.
//!
//! A device that was registered as `863703030668222` may call itself `urn:imei:863703030668222`. Admission looks a device up by the
//! [`Identity`] of the name that it was told, and no two devices may have names of one identity: one function for both, so that nobody can
//! register a name under which another's device is found. Absent: which names are allowed.

use serde::Serialize;

/// What a name stands for: names mean the same device exactly if their identities are equal.
///
/// The identity of a name is the innermost of what stands in one of these forms: `urn:imei:N`, `urn:imei-imsi:N-M`, `urn:imei-msisdn:N-M`,
/// `urn:gsma:imei:N`, `urn:esn:N`, `urn:meid:N`, `urn:uuid:N`, `urn:dev:ops:OUI-CLASS-SERIAL`, `urn:dev:os:OUI-SERIAL`, `urn:dev:mac:N`, `urn:dev:N`,
/// the same without `urn:dev:`, and `imei:N`, each without what follows a semicolon. The words of a form are of either case. 14 to 16 digits are
/// an IMEI, whatever hyphens stand between them (`35-209900-176148-1`). Any other name is its own identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Identity(Box<str>);

const FORMS: [&str; 14] = [
    "urn:gsma:imei:",
    "urn:imei-imsi:",
    "urn:imei-msisdn:",
    "urn:imei:",
    "urn:esn:",
    "urn:meid:",
    "urn:uuid:",
    "urn:dev:ops:",
    "urn:dev:os:",
    "urn:dev:mac:",
    "urn:dev:",
    "ops:",
    "os:",
    "imei:",
];

impl Identity {
    /// What a name stands for.
    pub fn of(name: &str) -> Self {
        let mut text = name;
        // What is inside is shorter each time.
        while let Some(inner) = inside(text) {
            text = inner;
        }
        Self(imei(text).unwrap_or_else(|| text.into()))
    }

    /// What the names of one device stand for, that of the nodeId first; without an identity of its own, the key of a device goes with the nodeId.
    pub fn of_device(node_id: &str, psk_identity: Option<&str>) -> Vec<Self> {
        let mut all = vec![Self::of(node_id)];
        all.extend(psk_identity.map(Self::of));
        all.dedup();
        all
    }

    /// As text, which is a name of this identity.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn inside(name: &str) -> Option<&str> {
    let form = FORMS.iter().find(|form| name.get(..form.len()).is_some_and(|head| head.eq_ignore_ascii_case(form)))?;
    let rest = name.get(form.len()..)?;
    let rest = rest.split_once(';').map_or(rest, |(head, _)| head);
    let rest = if form.contains("imei-") { rest.rsplit_once('-').map_or(rest, |(imei, _)| imei) } else { rest };
    Some(rest).filter(|rest| !rest.is_empty())
}

fn imei(text: &str) -> Option<Box<str>> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    ((14..=16).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_device_have_one_identity() {
        let cases: [(&str, &[&str]); 9] = [
            (
                "863703030668222",
                &[
                    "863703030668222",
                    "urn:imei:863703030668222",
                    "URN:IMEI:863703030668222",
                    "urn:imei:863703030668222;svn=42",
                    "urn:imei-imsi:863703030668222-460001357924680",
                    "urn:imei-msisdn:863703030668222-8613800000000",
                    "urn:gsma:imei:863703030668222",
                    "urn:gsma:imei:86370303-066822-2",
                    "86-370303-066822-2",
                    "imei:863703030668222",
                    "urn:dev:imei:863703030668222",
                    "os:imei:863703030668222",
                ],
            ),
            ("904201560257630", &["urn:gsma:imei:90420156-025763-0", "90420156-025763-0"]),
            ("32473-Refrigerator-5002", &["urn:dev:ops:32473-Refrigerator-5002", "ops:32473-Refrigerator-5002"]),
            ("0024befffe804ff1", &["urn:dev:mac:0024befffe804ff1", "urn:dev:0024befffe804ff1"]),
            ("8086-1234", &["os:8086-1234", "urn:dev:os:8086-1234", "8086-1234"]),
            ("urn:imei:", &["urn:imei:"]),
            ("urn:imei:;svn=1", &["urn:imei:;svn=1"]),
            ("meter-7", &["meter-7", "urn:imei:meter-7"]),
            ("urn:im\u{e9}i:1", &["urn:im\u{e9}i:1"]),
        ];
        for (identity, names) in cases {
            for name in names {
                assert_eq!(Identity::of(name).as_str(), identity, "{name}");
            }
        }
        let identities: std::collections::BTreeSet<_> = cases.iter().map(|(identity, _)| Identity::of(identity)).collect();
        assert_eq!(identities.len(), cases.len(), "an identity is a name of itself, and of no other");
    }

    #[test]
    fn other_names_stay_apart() {
        for (one, other) in [
            ("863703030668222", "863703030668223"),
            ("1234567890123", "12345678901-23"),
            ("meter-7", "Meter-7"),
            ("a;b", "a"),
            ("12345678901234567", "1234567890123456-7"),
            ("urn:dev:mac:0024befffe804ff1", "urn:dev:mac:0024BEFFFE804FF1"),
        ] {
            assert_ne!(Identity::of(one), Identity::of(other), "{one} {other}");
        }
    }
}
