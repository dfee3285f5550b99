//! What a client is to be told: accounts of servers (objects 0 and 1), and what to delete before. Absent: other objects; they can be
//! given as entries.

use std::collections::BTreeSet;
use std::fmt;

use crate::codec::{self, EncodeError};
use crate::content_format::ContentFormat;
use crate::message::Response;
use crate::path::{MAX_ID, Path};
use crate::registration::Binding;
use crate::value::{Entry, Value};

/// How a client secures its connection to a server (resource 2 of object 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecurityMode {
    /// 0: pre-shared key.
    Psk,
    /// 3: none.
    NoSec,
}

/// An instance of object 0: where a server is and with which key.
#[derive(Clone, PartialEq, Eq)]
pub struct SecurityInstance {
    /// The instance, 0 to 65534.
    pub instance: u16,
    /// Such as `coaps://lwm2m.example.com:5684`.
    pub uri: String,
    /// Whether it is this bootstrap server's own account.
    pub bootstrap: bool,
    /// Key or no key.
    pub mode: SecurityMode,
    /// PSK identity; empty for none.
    pub identity: Vec<u8>,
    /// PSK key; empty for none.
    pub key: Vec<u8>,
    /// The short id that ties it to its instance of object 1, 1 to 65534; not used for a bootstrap account.
    pub short_id: u16,
    /// Seconds that the client waits before it begins a bootstrap, where told.
    pub hold_off_s: Option<u32>,
}

/// The key and identity are not shown.
impl fmt::Debug for SecurityInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityInstance")
            .field("instance", &self.instance)
            .field("uri", &self.uri)
            .field("bootstrap", &self.bootstrap)
            .field("mode", &self.mode)
            .field("short_id", &self.short_id)
            .finish_non_exhaustive()
    }
}

impl SecurityInstance {
    /// The resources of it, at another instance number if need be. Those that do not apply are empty: 1.0 has them as mandatory.
    fn entries(&self, instance: u16) -> Vec<Entry> {
        let at = |resource, value| Entry::new(Path::resource(0, instance, resource), value);
        let mode = if self.mode == SecurityMode::Psk { 0 } else { 3 };
        let mut entries = vec![
            at(0, Value::Text(self.uri.clone())),
            at(1, Value::Boolean(self.bootstrap)),
            at(2, Value::Integer(mode)),
            at(3, Value::Opaque(self.identity.clone())),
            at(4, Value::Opaque(Vec::new())),
            at(5, Value::Opaque(self.key.clone())),
        ];
        if !self.bootstrap {
            entries.push(at(10, Value::Integer(i64::from(self.short_id))));
        }
        entries.extend(self.hold_off_s.map(|hold_off_s| at(11, Value::Integer(i64::from(hold_off_s)))));
        entries
    }
}

/// An instance of object 1: how to behave toward a server. What is `None` is not written, so that the client's default stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInstance {
    /// The instance, 0 to 65534.
    pub instance: u16,
    /// The short id, as in the instance of object 0.
    pub short_id: u16,
    /// Lifetime of the registration, seconds.
    pub lifetime_s: u32,
    /// How to be reached. Queue mode is written as the letter Q; a client that refuses it, as later ones than 1.0 may, is written to without.
    pub binding: Binding,
    /// Whether notifications are kept while the server cannot be reached.
    pub notification_storing: bool,
    /// Default least time between notifications, seconds.
    pub pmin_s: Option<u32>,
    /// Default longest time between notifications, seconds.
    pub pmax_s: Option<u32>,
    /// How long Disable lasts, seconds.
    pub disable_timeout_s: Option<u32>,
    /// Whether a registration update may be triggered by SMS (1.1).
    pub trigger: Option<bool>,
    /// Whether Send is muted (1.1).
    pub mute_send: Option<bool>,
}

impl ServerInstance {
    fn entries(&self) -> Vec<Entry> {
        let at = |resource, value| Entry::new(Path::resource(1, self.instance, resource), value);
        let number = |resource, n: Option<u32>| n.map(|n| at(resource, Value::Integer(i64::from(n))));
        let flag = |resource, b: Option<bool>| b.map(|b| at(resource, Value::Boolean(b)));
        let all = [
            number(0, Some(u32::from(self.short_id))),
            number(1, Some(self.lifetime_s)),
            number(2, self.pmin_s),
            number(3, self.pmax_s),
            number(5, self.disable_timeout_s),
            flag(6, Some(self.notification_storing)),
            Some(at(7, Value::Text(self.binding.to_string()))),
            flag(21, self.trigger),
            flag(23, self.mute_send),
        ];
        all.into_iter().flatten().collect()
    }
}

/// Everything that one bootstrap tells a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootstrapConfig {
    /// What to delete first, in order: the root, objects or object instances. The client keeps this bootstrap server's account and
    /// object 3 whatever is deleted (core 1.1 section 6.1.7.5).
    pub delete: Vec<Path>,
    /// Accounts.
    pub security: Vec<SecurityInstance>,
    /// Behaviour, one for each account that is not a bootstrap account.
    pub servers: Vec<ServerInstance>,
}

/// Why a configuration would leave a client without a usable server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No account that is not a bootstrap account.
    #[error("there is no server account")]
    NoServer,
    /// More than [`BootstrapConfig::INSTANCES_MAX`] of something.
    #[error("too many instances or deletions")]
    TooMany,
    /// An instance number is used twice, or is 65535.
    #[error("instance {0} is used twice or is not 0 to 65534")]
    Instance(Path),
    /// A short id is not 1 to 65534, is used twice, or stands in only one of the objects 0 and 1.
    #[error("short server id {0} is reserved, used twice, or in only one of the objects 0 and 1")]
    ShortId(u16),
    /// An address that is not `coap://` (without key) or `coaps://` (with key).
    #[error("the address of security instance {0} does not fit its mode")]
    Uri(u16),
    /// PSK without identity or key.
    #[error("security instance {0} has no identity or key")]
    Key(u16),
    /// A deletion deeper than an object instance.
    #[error("{0} cannot be deleted by a bootstrap server")]
    Delete(Path),
}

impl BootstrapConfig {
    /// Most accounts, behaviours and deletions each.
    pub const INSTANCES_MAX: usize = 16;

    /// Checks that a client could work with it.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.security.len().max(self.servers.len()).max(self.delete.len()) > Self::INSTANCES_MAX {
            return Err(ConfigError::TooMany);
        }
        if let Some(path) = self.delete.iter().find(|path| path.depth() > 2) {
            return Err(ConfigError::Delete(*path));
        }
        let mut instances = BTreeSet::new();
        let security = self.security.iter().map(|account| (0, account.instance));
        for (object, instance) in security.chain(self.servers.iter().map(|server| (1, server.instance))) {
            if instance == MAX_ID || !instances.insert((object, instance)) {
                return Err(ConfigError::Instance(Path::instance(object, instance)));
            }
        }
        for account in &self.security {
            let scheme = if account.mode == SecurityMode::Psk { "coaps://" } else { "coap://" };
            if account.uri.strip_prefix(scheme).is_none_or(str::is_empty) || account.uri.len() > 255 {
                return Err(ConfigError::Uri(account.instance));
            }
            if account.mode == SecurityMode::Psk && (account.identity.is_empty() || account.key.is_empty()) {
                return Err(ConfigError::Key(account.instance));
            }
        }
        let mut accounts = BTreeSet::new();
        for account in self.security.iter().filter(|account| !account.bootstrap) {
            if matches!(account.short_id, 0 | MAX_ID) || !accounts.insert(account.short_id) {
                return Err(ConfigError::ShortId(account.short_id));
            }
        }
        let mut behaviours = BTreeSet::new();
        for server in &self.servers {
            if !accounts.contains(&server.short_id) || !behaviours.insert(server.short_id) {
                return Err(ConfigError::ShortId(server.short_id));
            }
        }
        match accounts.difference(&behaviours).next() {
            Some(alone) => Err(ConfigError::ShortId(*alone)),
            None if accounts.is_empty() => Err(ConfigError::NoServer),
            None => Ok(()),
        }
    }

    /// The writes it takes, one for each object instance. Security instances whose numbers are in `taken` get the lowest free ones: the
    /// client has its bootstrap account there.
    pub(super) fn writes(&self, taken: &BTreeSet<u16>) -> Vec<(Path, Vec<Entry>)> {
        let mut used: BTreeSet<u16> = taken.iter().copied().collect();
        used.extend(self.security.iter().map(|account| account.instance));
        let mut writes = Vec::new();
        for account in &self.security {
            let mut instance = account.instance;
            if !account.bootstrap && taken.contains(&instance) {
                instance = (0..MAX_ID).find(|free| !used.contains(free)).unwrap_or(instance);
                used.insert(instance);
            }
            writes.push((Path::instance(0, instance), account.entries(instance)));
        }
        writes.extend(self.servers.iter().map(|server| (Path::instance(1, server.instance), server.entries())));
        writes
    }

    /// The answer to a Bootstrap-Pack-Request (1.2): all of it as one document. Deletions are not in it; the client replaces what it has.
    ///
    /// # Errors
    /// A format that is not SenML or LwM2M CBOR.
    pub fn pack(&self, format: ContentFormat) -> Result<Response, EncodeError> {
        if !format.is_composite() {
            return Err(EncodeError::UnknownFormat(format));
        }
        let entries: Vec<Entry> = self.writes(&BTreeSet::new()).into_iter().flat_map(|(_, entries)| entries).collect();
        Ok(Response::content(format, codec::encode(format, &Path::ROOT, &entries)?))
    }
}
