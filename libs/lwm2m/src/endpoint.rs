//! Endpoint names (core 1.1 section 6.2.1.1): the identifiers that a name may stand for. Absent: which of them is allowed.

/// The identifiers to look a device up by: the name itself, then what is inside a known form of it. At most three.
///
/// Known forms: `urn:imei:N`, `urn:imei-imsi:N-M`, `urn:imei-msisdn:N-M`, `urn:gsma:imei:N`, `urn:esn:N`, `urn:meid:N`, `urn:uuid:N`, `urn:imei:N;...`,
/// `urn:dev:ops:OUI-CLASS-SERIAL`, `urn:dev:os:OUI-SERIAL`, `urn:dev:mac:N`, the same without `urn:dev:`, and `imei:N`. An IMEI is yielded
/// as its digits; hyphens (`35-209900-176148-1`) are taken out.
pub fn candidates(name: &str) -> Vec<String> {
    let mut found = vec![name.to_owned()];
    if let Some(inner) = inner(name) {
        if let Some(digits) = imei_digits(inner) {
            push(&mut found, digits);
        }
        push(&mut found, inner.to_owned());
    }
    found
}

/// The digits of the IMEI (14 to 16) that the name stands for, in one of the IMEI forms or bare.
pub fn imei(name: &str) -> Option<String> {
    imei_digits(inner(name).unwrap_or(name))
}

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

fn inner(name: &str) -> Option<&str> {
    let form = FORMS.iter().find(|form| name.get(..form.len()).is_some_and(|head| head.eq_ignore_ascii_case(form)))?;
    let rest = name.get(form.len()..)?;
    let rest = rest.split_once(';').map_or(rest, |(head, _)| head);
    let rest = if form.contains("imei-") { rest.rsplit_once('-').map_or(rest, |(imei, _)| imei) } else { rest };
    Some(rest).filter(|rest| !rest.is_empty())
}

fn imei_digits(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    ((14..=16).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

fn push(found: &mut Vec<String>, candidate: String) {
    if !found.contains(&candidate) {
        found.push(candidate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_yield_what_they_stand_for() {
        let cases: [(&str, &[&str]); 12] = [
            ("863703030668222", &["863703030668222"]),
            ("urn:imei:863703030668222", &["urn:imei:863703030668222", "863703030668222"]),
            ("URN:IMEI:863703030668222", &["URN:IMEI:863703030668222", "863703030668222"]),
            ("urn:gsma:imei:90420156-025763-0", &["urn:gsma:imei:90420156-025763-0", "904201560257630", "90420156-025763-0"]),
            ("urn:gsma:imei:904201560257630;svn=42", &["urn:gsma:imei:904201560257630;svn=42", "904201560257630"]),
            (
                "urn:imei-imsi:863703030668222-460001357924680",
                &["urn:imei-imsi:863703030668222-460001357924680", "863703030668222"],
            ),
            ("urn:dev:ops:32473-Refrigerator-5002", &["urn:dev:ops:32473-Refrigerator-5002", "32473-Refrigerator-5002"]),
            ("urn:dev:mac:0024befffe804ff1", &["urn:dev:mac:0024befffe804ff1", "0024befffe804ff1"]),
            ("os:8086-1234", &["os:8086-1234", "8086-1234"]),
            ("urn:imei:", &["urn:imei:"]),
            ("meter-7", &["meter-7"]),
            ("urn:im\u{e9}i:1", &["urn:im\u{e9}i:1"]),
        ];
        for (name, wanted) in cases {
            assert_eq!(candidates(name), wanted);
        }
        assert_eq!(imei("urn:gsma:imei:90420156-025763-0").as_deref(), Some("904201560257630"));
        assert_eq!(imei("863703030668222").as_deref(), Some("863703030668222"));
        assert_eq!(imei("urn:imei:12"), None);
    }
}
