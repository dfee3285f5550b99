//! Landfall's own CA in the data directory, and the server certificate that it signs: made when missing, renewed when two thirds of their life
//! are over.
//!
//! `ca.pem` is what devices trust. When two thirds of the CA's life are over it gets a successor: its certificate joins the old one in `ca.pem`, its key waits
//! in `ca-next.key`. Devices have the time until a year before the old one's end to get the new file; then the successor signs. Whose key is in
//! `ca.key` is the one that signs, so the change is one move of a file.
//!
//! While the clock is doubted, what cannot be undone goes by the earliest time that it may be, and what is made is valid at all of them.

use super::certificate::{Certificate, Pair};
use crate::files::{PRIVATE, PUBLIC, replace_text};
use landfall_core::TimeBounds;
use landfall_model::Time;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

const DAY_S: i64 = 86_400;
const CA_DAYS: i64 = 3_650;
const SERVER_DAYS: i64 = 397;

/// The CA and what it is to sign.
pub struct Authority {
    data: PathBuf,
    names: Vec<String>,
}

impl Authority {
    /// In this folder, for these host names and addresses.
    pub fn new(data: &Path, names: Vec<String>) -> Self {
        Self { data: data.to_owned(), names }
    }

    /// The server's certificate.
    pub fn pair(&self) -> Pair {
        Pair { certificate: self.data.join("server.pem"), key: self.data.join("server.key") }
    }

    /// Makes what is missing and renews what is due; returns when the CA that signs will do so no more.
    pub fn keep(&self, bounds: TimeBounds) -> Result<Time, String> {
        let now = bounds.earliest;
        let (file, key_file) = (self.data.join("ca.pem"), self.data.join("ca.key"));
        if !file.exists() || !key_file.exists() {
            let (certificate, key) = make_ca(now)?;
            replace_text(&key_file, PRIVATE, &key.serialize_pem())?;
            replace_text(&file, PUBLIC, &certificate)?;
        }
        let mut all = Certificate::all(&read(&file)?).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut key = read_key(&key_file)?;
        let mut signs =
            owner(&all, &key).cloned().ok_or_else(|| format!("{}: is no key of {}", key_file.display(), file.display()))?;
        if days(now, signs.until) <= CA_DAYS / 3 {
            let next_file = self.data.join("ca-next.key");
            let next_key = if next_file.exists() { Some(read_key(&next_file)?) } else { None };
            let next = match next_key.and_then(|key| owner(&all, &key).cloned()) {
                Some(next) => next,
                None => self.make_successor(&file, &next_file, &mut all, now)?,
            };
            if days(now, signs.until) <= SERVER_DAYS {
                fs::rename(&next_file, &key_file).map_err(|e| format!("{}: {e}", key_file.display()))?;
                key = read_key(&key_file)?;
                signs = next;
                tracing::warn!("the new CA signs the server's certificate from now on; devices need the new {}", file.display());
            }
        }
        self.keep_server(&signs, &key, bounds)?;
        Ok(signs.until.minus_s(SERVER_DAYS * DAY_S))
    }

    fn make_successor(&self, file: &Path, key_file: &Path, all: &mut Vec<Certificate>, now: Time) -> Result<Certificate, String> {
        let (text, key) = make_ca(now)?;
        let made = Certificate::all(&text)?.pop().ok_or("no certificate was made")?;
        all.retain(|old| old.until > now);
        all.push(made.clone());
        replace_text(key_file, PRIVATE, &key.serialize_pem())?;
        replace_text(file, PUBLIC, &all.iter().map(|one| one.text.as_str()).collect::<String>())?;
        tracing::warn!("a new CA joined the old one in {}: give the file to devices within two years", file.display());
        Ok(made)
    }

    fn keep_server(&self, ca: &Certificate, ca_key: &KeyPair, bounds: TimeBounds) -> Result<(), String> {
        let TimeBounds { earliest, latest } = bounds;
        let (pair, stamp) = (self.pair(), self.data.join("server.names"));
        let good = || {
            let chain = Certificate::all(&read(&pair.certificate).ok()?).ok()?;
            let own = chain.first()?;
            let (life, left) = (own.until.0 - own.from.0, own.until.0 - earliest.0);
            // Over or not there yet, whatever time it is; what ends with its CA cannot be better.
            let fits_all = latest >= own.from && (latest < own.until || own.until >= ca.until);
            let names = fs::read_to_string(&stamp).ok()?;
            let fits = owner(&chain[..1], &read_key(&pair.key).ok()?).is_some() && chain.last()?.key == ca.key;
            Some(fits && left > life / 3 && fits_all && names.lines().skip(1).eq(self.names.iter().map(String::as_str)))
        };
        if good() == Some(true) {
            return Ok(());
        }
        let until = latest.plus_s(SERVER_DAYS * DAY_S).min(ca.until);
        let (certificate, key) = make_server(ca_key, &self.names, earliest, until)?;
        replace_text(&pair.key, PRIVATE, &key.serialize_pem())?;
        replace_text(&pair.certificate, PUBLIC, &(certificate + &ca.text))?;
        replace_text(&stamp, PUBLIC, &format!("{}\n{}\n", until.unix_s(), self.names.join("\n")))
    }
}

fn days(now: Time, until: Time) -> i64 {
    (until.0 - now.0) / 1_000 / DAY_S
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn read_key(path: &Path) -> Result<KeyPair, String> {
    KeyPair::from_pem(&read(path)?).map_err(|e| format!("{}: {e}", path.display()))
}

fn owner<'a>(all: &'a [Certificate], key: &KeyPair) -> Option<&'a Certificate> {
    let key = key.subject_public_key_info();
    all.iter().find(|certificate| certificate.key == key)
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Landfall CA");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn make_ca(now: Time) -> Result<(String, KeyPair), String> {
    let key = KeyPair::generate().map_err(text)?;
    let mut params = ca_params();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    set_validity(&mut params, now, now.plus_s(CA_DAYS * DAY_S));
    Ok((params.self_signed(&key).map_err(text)?.pem(), key))
}

fn make_server(ca_key: &KeyPair, names: &[String], from: Time, until: Time) -> Result<(String, KeyPair), String> {
    let issuer_params = ca_params();
    let issuer = Issuer::from_params(&issuer_params, ca_key);
    let key = KeyPair::generate().map_err(text)?;
    let mut params = CertificateParams::new(names.to_vec()).map_err(text)?;
    params.distinguished_name.push(DnType::CommonName, "Landfall");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, from, until);
    Ok((params.signed_by(&key, &issuer).map_err(text)?.pem(), key))
}

/// From a day before, as clocks of devices differ.
fn set_validity(params: &mut CertificateParams, now: Time, until: Time) {
    let at =
        |moment: Time| time::OffsetDateTime::from_unix_timestamp(moment.unix_s()).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    params.not_before = at(now.minus_s(DAY_S));
    params.not_after = at(until);
}

fn text(error: rcgen::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01
    const START: Time = Time(1_767_225_600_000);

    fn after(days: i64) -> Time {
        START.plus_s(days * DAY_S)
    }

    struct Ground {
        data: tempfile::TempDir,
    }

    impl Ground {
        fn authority(&self) -> Authority {
            Authority::new(self.data.path(), vec!["localhost".into(), "127.0.0.1".into()])
        }

        fn keep(&self, day: i64) {
            self.keep_between(day, day);
        }

        /// While nobody knows which of the two days it is.
        fn keep_between(&self, earliest: i64, latest: i64) {
            self.authority().keep(TimeBounds { earliest: after(earliest), latest: after(latest) }).unwrap();
        }

        fn certificates(&self, file: &str) -> Vec<Certificate> {
            Certificate::all(&read(&self.data.path().join(file)).unwrap()).unwrap()
        }

        /// Certificate of the server, and which of `ca.pem` signed it.
        fn server(&self) -> (Certificate, usize) {
            let chain = self.certificates("server.pem");
            let ca = self.certificates("ca.pem").iter().position(|ca| ca.key == chain[1].key).unwrap();
            (chain[0].clone(), ca)
        }
    }

    fn ground() -> Ground {
        Ground { data: tempfile::tempdir().unwrap() }
    }

    #[test]
    fn the_servers_certificate_is_renewed_when_two_thirds_are_over() {
        let ground = ground();
        ground.keep(0);
        let (first, _) = ground.server();
        assert_eq!((first.from, first.until), (after(-1), after(397)));
        ground.keep(264);
        assert_eq!(ground.server().0.text, first.text);
        ground.keep(265);
        let (second, _) = ground.server();
        assert_eq!(second.until, after(265 + 397));
        // A clock that is set back to before its begin.
        ground.keep(263);
        assert_eq!(ground.server().0.until, after(263 + 397));
    }

    #[test]
    fn a_server_certificate_that_does_not_fit_is_made_anew() {
        let ground = ground();
        for spoil in
            ["", "rm server.key", "cp ca.key server.key", "echo x >server.pem", "cp ca.pem server.pem", "rm server.names"]
        {
            ground.keep(0);
            let before = ground.server().0.text;
            let mut shell = std::process::Command::new("sh");
            assert!(shell.args(["-c", spoil]).current_dir(ground.data.path()).status().unwrap().success());
            ground.keep(1);
            assert_eq!(ground.server().0.text == before, spoil.is_empty(), "{spoil}");
        }
        let other = Authority::new(ground.data.path(), vec!["other.example".into()]);
        let before = ground.server().0.text;
        other.keep(TimeBounds::exactly(after(1))).unwrap();
        assert_ne!(ground.server().0.text, before);
    }

    #[test]
    fn the_ca_gets_a_successor_that_signs_when_devices_had_time() {
        let ground = ground();
        ground.keep(0);
        let first = ground.certificates("ca.pem");
        ground.keep(2432);
        assert_eq!(ground.certificates("ca.pem").len(), 1);
        ground.keep(2434);
        let both = ground.certificates("ca.pem");
        assert_eq!((both.len(), &both[0].text), (2, &first[0].text), "the old one first, for devices that read only one");
        assert_eq!(ground.server().1, 0);
        ground.keep(3252);
        assert_eq!((ground.certificates("ca.pem").len(), ground.server().1), (2, 0));
        ground.keep(3253);
        let (server, ca) = ground.server();
        assert_eq!((ca, server.until), (1, after(3253 + 397)));
        assert!(!ground.data.path().join("ca-next.key").exists());
        // The successor's own successor; the first one is over by then.
        ground.keep(2434 + 2434);
        let later = ground.certificates("ca.pem");
        assert_eq!((later.len(), &later[0].text), (2, &both[1].text));
    }

    #[test]
    fn a_successor_that_was_cut_off_is_made_again_and_a_foreign_key_is_refused() {
        let ground = ground();
        ground.keep(0);
        fs::write(ground.data.path().join("ca-next.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        ground.keep(2434);
        assert_eq!(ground.certificates("ca.pem").len(), 2);
        fs::write(ground.data.path().join("ca.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        assert!(ground.authority().keep(TimeBounds::exactly(after(2434))).unwrap_err().contains("ca.key"));
    }

    #[test]
    fn a_clock_that_jumps_makes_no_certificate_of_another_year() {
        for (earliest, latest) in [(10, 410), (-390, 10), (10, 3_700), (-3_700, 10)] {
            let ground = ground();
            ground.keep(0);
            let ca = ground.certificates("ca.pem");
            ground.keep_between(earliest, latest);
            let (server, _) = ground.server();
            assert!(server.from <= after(10) && server.until > after(10), "on the right day, between {earliest} and {latest}");
            assert!(server.until > after(latest.min(CA_DAYS - 1)), "if it is {latest} after all");
            ground.keep_between(earliest, latest);
            assert_eq!(ground.server().0.text, server.text, "once");
            let texts = |all: &[Certificate]| all.iter().map(|one| one.text.clone()).collect::<Vec<_>>();
            assert_eq!(texts(&ground.certificates("ca.pem")), texts(&ca), "no CA joins or leaves");
        }
    }

    #[test]
    fn no_certificate_outlives_its_ca() {
        let ground = ground();
        ground.keep(0);
        // Switched off for nearly all of the CA's life.
        ground.keep(3252);
        let (server, _) = ground.server();
        assert!(server.until <= ground.certificates("ca.pem")[ground.server().1].until);
    }
}
