//! Who a CONNECT claims to be, and whether it proves it (8.2.2; device-side section 4). Pure: no lookup, no clock.

use hmac::{Hmac, KeyInit, Mac};
use landfall_model::{Identity, Secret, Time};
use sha2::Sha256;

/// Longest clientId and user name, bytes (8.2.2).
pub(crate) const TEXT_MAX_BYTES: usize = 256;

const TIMESTAMP_DIGITS: usize = 10;
const HOUR_S: i64 = 3600;

/// A clientId taken apart: `{id}_{authenticationType}_{passwordSignatureType}_{timestamp}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Login<'a> {
    /// deviceId, nodeId, or `{productId}_{nodeId}`; may itself hold underscores and colons.
    pub(crate) id: &'a str,
    /// What `id` is.
    pub(crate) kind: Kind,
    /// Whether the timestamp is compared with the server's time (passwordSignatureType 1).
    pub(crate) dated: bool,
    /// UTC hour, `YYYYMMDDHH`: the key of the password's HMAC.
    pub(crate) timestamp: &'a str,
}

/// `authenticationType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 0: `id` is the deviceId.
    DeviceId,
    /// 1: one-model-one-secret, `id` is `{productId}_{nodeId}`.
    Claim,
    /// 2: `id` is the nodeId.
    NodeId,
}

impl<'a> Login<'a> {
    /// Reads a clientId from its right end, because ids may hold underscores. The error is for people.
    pub(crate) fn parse(client_id: &'a str) -> Result<Self, &'static str> {
        const FORM: &str = "clientId must be {id}_{0|1|2}_{0|1}_{YYYYMMDDHH}";
        if client_id.len() > TEXT_MAX_BYTES {
            return Err("clientId is longer than 256 bytes");
        }
        let (rest, timestamp) = client_id.rsplit_once('_').ok_or(FORM)?;
        let (rest, signature) = rest.rsplit_once('_').ok_or(FORM)?;
        let (id, authentication) = rest.rsplit_once('_').ok_or(FORM)?;
        if timestamp.len() != TIMESTAMP_DIGITS || !timestamp.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err("the timestamp at the end of clientId must be ten digits, YYYYMMDDHH in UTC");
        }
        let dated = match signature {
            "0" => false,
            "1" => true,
            _ => return Err("passwordSignatureType in clientId must be 0 or 1"),
        };
        let kind = match authentication {
            "0" => Kind::DeviceId,
            "1" => Kind::Claim,
            "2" => Kind::NodeId,
            _ => return Err("authenticationType in clientId must be 0, 1 or 2"),
        };
        if id.is_empty() {
            return Err("the id in clientId is empty");
        }
        Ok(Self { id, kind, dated, timestamp })
    }

    /// The user name must be the id; for type 1 the productId before it. Gives the nodeId of a type 1 login, else the id.
    pub(crate) fn named(&self, username: &str) -> Result<&'a str, &'static str> {
        let name = match self.kind {
            Kind::Claim => self.id.strip_prefix(username).and_then(|rest| rest.strip_prefix('_')),
            Kind::DeviceId | Kind::NodeId => (self.id == username).then_some(self.id),
        };
        match name {
            Some(name) if !name.is_empty() && !username.is_empty() => Ok(name),
            _ if self.kind == Kind::Claim => Err("username must be the productId before the nodeId in clientId"),
            _ => Err("username must equal the id in clientId"),
        }
    }

    /// Whether the timestamp may be used at `now`: type 0 always, type 1 within so many hours before and after the current one.
    pub(crate) fn is_fresh(&self, now: Time, tolerance_h: u32) -> bool {
        !self.dated
            || hour(self.timestamp).is_some_and(|hour| hour.abs_diff(now.unix_s().div_euclid(HOUR_S)) <= u64::from(tolerance_h))
    }

    /// Whether the password is the HMAC-SHA256 of the secret under the timestamp, in hex of either case. Compares in constant time.
    pub(crate) fn proves(&self, secret: &Secret, password: &[u8]) -> bool {
        let mut mac = [0; 32];
        if hex::decode_to_slice(password, &mut mac).is_err() {
            return false;
        }
        let Ok(keyed) = Hmac::<Sha256>::new_from_slice(self.timestamp.as_bytes()) else { return false };
        keyed.chain_update(secret.expose().as_bytes()).verify_slice(&mac).is_ok()
    }
}

/// The hour of a timestamp, counted from the epoch; `None` for no such hour.
fn hour(timestamp: &str) -> Option<i64> {
    let (day, hour) = timestamp.split_at_checked(8)?;
    Time::parse_compact(&format!("{day}T{hour}0000Z")).map(|time| time.unix_s() / HOUR_S)
}

/// Reads anything as a clientId, its user name and password; must never panic, and what it takes must be what was written.
pub(crate) fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (client_id, password) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(login) = Login::parse(client_id) else { return };
    let digits = [
        match login.kind {
            Kind::DeviceId => "0",
            Kind::Claim => "1",
            Kind::NodeId => "2",
        },
        if login.dated { "1" } else { "0" },
    ];
    assert_eq!(format!("{}_{}_{}_{}", login.id, digits[0], digits[1], login.timestamp), client_id);
    let identity = Identity::of(login.id);
    assert_eq!(Identity::of(identity.as_str()), identity, "what a name stands for is a name of itself");
    let _ = login.named(login.id.split('_').next().unwrap_or_default());
    let _ = login.is_fresh(Time(0), 1);
    assert!(!login.proves(&Secret::new("a secret that nobody guesses"), password.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: [(&str, &str, &str); 2] = [
        ("2018072417", "0123456789abcdef0123", "066decdb9d159476cf3117cbf3e818f41aa9c014e5204ae6b05d6349f04fc3fa"),
        ("2019082800", "s3cr3t-of-device", "f3ae7a961dfc8d2f3262eab241af7384727ae536bc12f097c5c00f76d991dc5a"),
    ];

    #[test]
    fn client_ids_are_read_from_the_right() {
        let cases = [
            ("abc_0_0_2018072417", "abc", Kind::DeviceId, false),
            ("abc_0_1_2018072417", "abc", Kind::DeviceId, true),
            ("urn:imei:4711_2_1_2018072417", "urn:imei:4711", Kind::NodeId, true),
            ("a_b_0_1_2_0_0000000000", "a_b_0_1", Kind::NodeId, false),
            ("__2_0_2018072417", "_", Kind::NodeId, false),
            ("product_node_1_1_2018072417", "product_node", Kind::Claim, true),
            ("größe_2_0_2018072417", "größe", Kind::NodeId, false),
        ];
        for (client_id, id, kind, dated) in cases {
            let login = Login::parse(client_id).unwrap_or_else(|why| panic!("{client_id}: {why}"));
            assert_eq!((login.id, login.kind, login.dated), (id, kind, dated), "{client_id}");
            assert_eq!(login.timestamp, &client_id[client_id.len() - 10..]);
        }
    }

    #[test]
    fn other_client_ids_are_refused() {
        let long = format!("{}_0_0_2018072417", "x".repeat(256));
        for bad in [
            "",
            "abc",
            "_0_0_2018072417",
            "0_0_2018072417",
            "abc_0_2018072417",
            "abc_3_0_2018072417",
            "abc_0_2_2018072417",
            "abc_00_0_2018072417",
            "abc_0__2018072417",
            "abc_0_0_201807241",
            "abc_0_0_20180724170",
            "abc_0_0_201807241x",
            "abc_0_0_２018072417",
            "abc_0_0_",
            &long,
        ] {
            assert!(Login::parse(bad).is_err(), "{bad}");
        }
        let longest = format!("{}_0_0_2018072417", "x".repeat(256 - 15));
        assert!(Login::parse(&longest).is_ok());
    }

    #[test]
    fn the_user_name_is_the_id_or_the_product() {
        let cases = [
            ("d_0_0_2018072417", "d", Some("d")),
            ("d_0_0_2018072417", "D", None),
            ("d_0_0_2018072417", "", None),
            ("a_b_2_0_2018072417", "a_b", Some("a_b")),
            ("a_b_2_0_2018072417", "a", None),
            ("p_n_1_0_2018072417", "p", Some("n")),
            ("p_n_o_1_0_2018072417", "p", Some("n_o")),
            ("p_n_1_0_2018072417", "p_n", None),
            ("p__1_0_2018072417", "p", None),
            ("_n_1_0_2018072417", "", None),
        ];
        for (client_id, username, name) in cases {
            assert_eq!(Login::parse(client_id).unwrap().named(username).ok(), name, "{client_id} {username}");
        }
    }

    #[test]
    fn passwords_follow_the_vectors() {
        for (timestamp, secret, password) in VECTORS {
            let client_id = format!("d_0_0_{timestamp}");
            let (login, secret) = (Login::parse(&client_id).unwrap(), Secret::new(secret));
            assert!(login.proves(&secret, password.as_bytes()), "{timestamp}");
            assert!(login.proves(&secret, password.to_uppercase().as_bytes()), "{timestamp} upper case");
            assert!(!login.proves(&Secret::new("another"), password.as_bytes()));
            for bad in ["", "00", &password[1..], &password[..62], &format!("{password}00"), &"0".repeat(64), &"x".repeat(64)] {
                assert!(!login.proves(&secret, bad.as_bytes()), "{bad}");
            }
            let other = Login::parse("d_0_0_2018072418").unwrap();
            assert!(!other.proves(&secret, password.as_bytes()), "another timestamp is another key");
        }
    }

    #[test]
    fn only_type_1_looks_at_the_hour() {
        let now = Time::parse_compact("20180724T173000Z").unwrap();
        let cases = [
            ("d_0_1_2018072417", 0, true),
            ("d_0_1_2018072416", 1, true),
            ("d_0_1_2018072418", 1, true),
            ("d_0_1_2018072415", 1, false),
            ("d_0_1_2018072419", 1, false),
            ("d_0_1_2018072415", 2, true),
            ("d_0_1_2018072416", 0, false),
            ("d_0_1_2018079917", 1, false),
            ("d_0_1_2018072425", 24, false),
            ("d_0_0_2001010100", 1, true),
            ("d_0_0_9999999999", 1, true),
        ];
        for (client_id, tolerance_h, fresh) in cases {
            assert_eq!(Login::parse(client_id).unwrap().is_fresh(now, tolerance_h), fresh, "{client_id} {tolerance_h}");
        }
    }

    #[test]
    fn a_day_boundary_is_an_hour_like_any_other() {
        let now = Time::parse_compact("20180801T000001Z").unwrap();
        assert!(Login::parse("d_0_1_2018073123").unwrap().is_fresh(now, 1));
        assert!(!Login::parse("d_0_1_2018073122").unwrap().is_fresh(now, 1));
    }

    #[test]
    fn anything_can_be_read() {
        let corpus: [&[u8]; 3] = [b"d_0_0_2018072417\n066d", b"urn:imei:1_2_1_2018072417", b"p_n_1_1_2018072417\nff"];
        landfall_testkit::mutate::run(&corpus, 1, 20_000, fuzz);
    }
}
