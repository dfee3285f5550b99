//! The registration interface (core 1.1 section 6.2): what a client says of itself in Register and Update. Absent: who the client is
//! allowed to be, expiry, locations; those need an owner with a clock and a registry.

use std::collections::BTreeMap;
use std::fmt;

use crate::content_format::{ContentFormat, FormatChoice};
use crate::link::{self, LinkError, LinkLimits};
use crate::message::{Code, Method, Request};
use crate::path::Path;
use crate::version::{ObjectVersion, Version};

/// Lifetime of a registration that names none, seconds (core 1.0 section 5.3.1).
pub const LIFETIME_DEFAULT_S: u32 = 86_400;
/// Longest endpoint name, bytes.
pub const ENDPOINT_BYTES_MAX: usize = 256;
/// Longest alternative root, bytes.
pub const ROOT_BYTES_MAX: usize = 64;
/// Most query items of a Register or Update.
pub const QUERIES_MAX: usize = 32;
/// Most formats that are remembered of one registration.
const FORMATS_MAX: usize = 32;
/// Objects that a client never tells of: their contents are keys.
const SECRET_OBJECTS: [u16; 2] = [0, 21];

/// The transports that a client can be reached by, and queue mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Binding {
    /// U: CoAP over UDP.
    pub udp: bool,
    /// T: CoAP over TCP (1.1).
    pub tcp: bool,
    /// S: SMS.
    pub sms: bool,
    /// N: non-IP (1.1).
    pub non_ip: bool,
    /// M: MQTT (1.2).
    pub mqtt: bool,
    /// H: HTTP (1.2).
    pub http: bool,
    /// Q: the client sleeps, requests wait for it; part of the binding in 1.0, a query of its own since 1.1.
    pub queue: bool,
}

impl Binding {
    /// What counts when nothing is told: UDP without queue mode.
    pub const UDP: Self = Self { udp: true, tcp: false, sms: false, non_ip: false, mqtt: false, http: false, queue: false };

    /// Reads a binding such as `U`, `UQS` (1.0) or `UT` (1.1); letters in any order, each once, at least one transport.
    pub fn parse(text: &str, version: Version) -> Option<Self> {
        let mut binding = Self::default();
        for letter in text.chars() {
            let flag = match (letter, version) {
                ('U', _) => &mut binding.udp,
                ('S', _) => &mut binding.sms,
                // Clients of 1.1 in the field still write UQ.
                ('Q', _) => &mut binding.queue,
                ('T', Version::V1_1 | Version::V1_2) => &mut binding.tcp,
                ('N', Version::V1_1 | Version::V1_2) => &mut binding.non_ip,
                ('M', Version::V1_2) => &mut binding.mqtt,
                ('H', Version::V1_2) => &mut binding.http,
                _ => return None,
            };
            if std::mem::replace(flag, true) {
                return None;
            }
        }
        let reachable = binding.udp || binding.tcp || binding.sms || binding.non_ip || binding.mqtt || binding.http;
        reachable.then_some(binding)
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [
            (self.udp, "U"),
            (self.tcp, "T"),
            (self.queue, "Q"),
            (self.sms, "S"),
            (self.non_ip, "N"),
            (self.mqtt, "M"),
            (self.http, "H"),
        ];
        letters.iter().filter(|(set, _)| *set).try_for_each(|(_, letter)| f.write_str(letter))
    }
}

/// An object that a client has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredObject {
    /// 0 to 65534, but never 0 or 21.
    pub id: u16,
    /// The version told; `None` means the one that the client's enabler version has it in.
    pub version: Option<ObjectVersion>,
    /// Its instances, ascending.
    pub instances: Vec<u16>,
}

/// What the payload of a Register or Update lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectList {
    /// The objects, ascending by id.
    pub objects: Vec<RegisteredObject>,
    /// The alternative root such as `/lwm2m`; empty for none.
    pub root: String,
    /// The formats that the client announces in `ct`, in its order.
    pub formats: Vec<ContentFormat>,
}

impl ObjectList {
    /// Reads the payload of a Register.
    ///
    /// # Errors
    /// Not link format, or a path that is neither an object nor an object instance, or contradicting versions.
    pub fn parse(payload: &[u8], limits: &LinkLimits) -> Result<Self, RegisterError> {
        let links = link::parse(payload, limits).map_err(RegisterError::Link)?;
        let mut list = Self::default();
        if let Some(root) = links.iter().find(|link| link.param("rt") == Some("oma.lwm2m")) {
            let target = root.target.trim_end_matches('/');
            let plain = target.is_empty() || target.starts_with('/');
            if !plain || target.len() > ROOT_BYTES_MAX {
                return Err(RegisterError::Root);
            }
            list.root = target.to_owned();
        }
        let mut objects: BTreeMap<u16, RegisteredObject> = BTreeMap::new();
        for link in &links {
            let target = link.target.as_str();
            if target == "/" || !list.root.is_empty() && target.trim_end_matches('/') == list.root {
                list.read_formats(link.param("ct").unwrap_or_default());
                continue;
            }
            let path = target.strip_prefix(list.root.as_str()).unwrap_or(target).parse::<Path>();
            let path = path.map_err(|_| RegisterError::Path(link.target.chars().take(64).collect()))?;
            let Some(id) = path.object_id().filter(|_| path.depth() <= 2) else {
                return Err(RegisterError::Path(link.target.chars().take(64).collect()));
            };
            let version =
                link.param("ver").map(|text| text.parse().map_err(|()| RegisterError::ObjectVersion(id))).transpose()?;
            let object = objects.entry(id).or_insert_with(|| RegisteredObject { id, version: None, instances: Vec::new() });
            match (object.version, version) {
                (Some(before), Some(now)) if before != now => return Err(RegisterError::ObjectVersion(id)),
                _ => object.version = object.version.or(version),
            }
            object.instances.extend(path.instance_id());
        }
        for secret in SECRET_OBJECTS {
            objects.remove(&secret);
        }
        for object in objects.values_mut() {
            object.instances.sort_unstable();
            object.instances.dedup();
        }
        list.objects = objects.into_values().collect();
        Ok(list)
    }

    /// `ct` is a number or several in quotes; what is no number is left out, it can only be a format that is not understood.
    fn read_formats(&mut self, ct: &str) {
        for format in ct.split(' ').filter_map(|number| number.parse().ok()).map(ContentFormat) {
            if self.formats.len() < FORMATS_MAX && !self.formats.contains(&format) {
                self.formats.push(format);
            }
        }
    }

    /// The objects that are told with a version, for [`crate::ObjectModels::at`].
    pub fn versions(&self) -> Vec<(u16, ObjectVersion)> {
        self.objects.iter().filter_map(|object| Some((object.id, object.version?))).collect()
    }

    /// Whether an object is listed, whatever its instances.
    pub fn has_object(&self, id: u16) -> bool {
        self.objects.binary_search_by_key(&id, |object| object.id).is_ok()
    }

    /// Whether an object instance is listed.
    pub fn has_instance(&self, object: u16, instance: u16) -> bool {
        let at = self.objects.binary_search_by_key(&object, |object| object.id).ok();
        at.and_then(|at| self.objects.get(at)).is_some_and(|object| object.instances.binary_search(&instance).is_ok())
    }

    /// The payload that says this (what a client does).
    pub fn to_payload(&self) -> Vec<u8> {
        let mut links = Vec::new();
        if !self.root.is_empty() || !self.formats.is_empty() {
            let root = if self.root.is_empty() { "/" } else { self.root.as_str() };
            let formats: Vec<String> = self.formats.iter().map(|format| format.0.to_string()).collect();
            let ct = if formats.is_empty() { String::new() } else { format!(";ct=\"{}\"", formats.join(" ")) };
            links.push(format!("<{root}>;rt=\"oma.lwm2m\"{ct}"));
        }
        for object in &self.objects {
            let instances =
                object.instances.iter().map(|instance| format!("<{}{}>", self.root, Path::instance(object.id, *instance)));
            if object.instances.is_empty() || object.version.is_some() {
                links.push(
                    format!("<{}/{}>", self.root, object.id) + &object.version.map(|v| format!(";ver={v}")).unwrap_or_default(),
                );
            }
            links.extend(instances);
        }
        links.join(",").into_bytes()
    }
}

/// A Register (core 1.1 section 6.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterRequest {
    /// The endpoint name; since 1.1 a client may leave it to its credentials.
    pub endpoint: Option<String>,
    /// How long the registration lasts without an Update, seconds; 0 is without end.
    pub lifetime_s: u32,
    /// The enabler version.
    pub version: Version,
    /// How the client can be reached; queue mode is in it.
    pub binding: Binding,
    /// The number for SMS.
    pub sms: Option<String>,
    /// The profile that stands for objects, as told (1.2); the owner knows what it means, or does not.
    pub profile: Option<String>,
    /// Objects, root and formats.
    pub list: ObjectList,
}

/// Why a Register or Update is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// 1.0 clients must name their endpoint.
    #[error("the endpoint name is missing")]
    EndpointMissing,
    /// Empty, longer than [`ENDPOINT_BYTES_MAX`], or with control characters.
    #[error("the endpoint name is empty, too long, or has control characters")]
    Endpoint,
    /// A version that is not spoken here; answered with 4.12.
    #[error("LwM2M version {0:?} is not supported")]
    Version(String),
    /// Not a number of seconds of at most 32 bits.
    #[error("the lifetime is not a number of seconds")]
    Lifetime,
    /// Not a binding of this version.
    #[error("the binding is not valid for this version")]
    Binding,
    /// Not a telephone number.
    #[error("the SMS number is not a telephone number")]
    Sms,
    /// A parameter is given twice.
    #[error("parameter {0} is given twice")]
    Twice(&'static str),
    /// More than [`QUERIES_MAX`].
    #[error("too many parameters")]
    TooManyQueries,
    /// The payload is not in link format.
    #[error("content format is not link format")]
    ContentFormat,
    /// Nothing is listed, and no profile stands for it.
    #[error("no objects are listed")]
    NoObjects,
    /// The payload cannot be read.
    #[error("{0}")]
    Link(LinkError),
    /// A link that is neither an object nor an object instance.
    #[error("{0:?} is neither an object nor an object instance")]
    Path(String),
    /// The alternative root is not a path, or longer than [`ROOT_BYTES_MAX`].
    #[error("the root is not a path, or too long")]
    Root,
    /// An object's version is not one, or contradicts another.
    #[error("bad version of object {0}")]
    ObjectVersion(u16),
}

impl RegisterError {
    /// The answer's code: 4.12 for a version, 4.15 for a format, else 4.00 (core 1.1 table 6.4.1).
    pub const fn code(&self) -> Code {
        match self {
            Self::Version(_) => Code::PRECONDITION_FAILED,
            Self::ContentFormat => Code::UNSUPPORTED_CONTENT_FORMAT,
            _ => Code::BAD_REQUEST,
        }
    }
}

/// The parameters that Register and Update have, each at most once. Others are extensions and left alone.
#[derive(Default)]
struct Parameters<'a> {
    values: BTreeMap<&'static str, &'a str>,
}

const PARAMETERS: [&str; 7] = ["ep", "lt", "lwm2m", "b", "Q", "sms", "pid"];

impl<'a> Parameters<'a> {
    fn parse<S: AsRef<str>>(queries: &'a [S]) -> Result<Self, RegisterError> {
        if queries.len() > QUERIES_MAX {
            return Err(RegisterError::TooManyQueries);
        }
        let mut parameters = Self::default();
        for query in queries.iter().map(AsRef::as_ref) {
            let (key, value) = query.split_once('=').unwrap_or((query, ""));
            let Some(name) = PARAMETERS.into_iter().find(|name| *name == key) else { continue };
            if parameters.values.insert(name, value).is_some() {
                return Err(RegisterError::Twice(name));
            }
        }
        Ok(parameters)
    }

    fn lifetime_s(&self) -> Result<Option<u32>, RegisterError> {
        let number = |text: &&str| text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        self.values.get("lt").map(|text| number(text).ok_or(RegisterError::Lifetime)).transpose()
    }

    fn binding(&self, version: Version) -> Result<Option<Binding>, RegisterError> {
        let told = self.values.get("b").map(|text| Binding::parse(text, version).ok_or(RegisterError::Binding)).transpose()?;
        match self.values.get("Q") {
            None => Ok(told),
            Some(_) if version == Version::V1_0 => Err(RegisterError::Binding),
            Some(_) => Ok(Some(Binding { queue: true, ..told.unwrap_or(Binding::UDP) })),
        }
    }

    fn sms(&self) -> Result<Option<String>, RegisterError> {
        let Some(text) = self.values.get("sms") else { return Ok(None) };
        let digits = text.strip_prefix('+').unwrap_or(text);
        let good = (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if good { Ok(Some((*text).to_owned())) } else { Err(RegisterError::Sms) }
    }
}

impl RegisterRequest {
    /// Reads the queries and payload of `POST /rd`.
    ///
    /// # Errors
    /// The first check that fails; [`RegisterError::code`] is the answer.
    pub fn parse<S: AsRef<str>>(
        queries: &[S],
        content_format: Option<ContentFormat>,
        payload: &[u8],
        limits: &LinkLimits,
    ) -> Result<Self, RegisterError> {
        let parameters = Parameters::parse(queries)?;
        let version = match parameters.values.get("lwm2m") {
            None => Version::V1_0,
            Some(text) => text.parse().map_err(|()| RegisterError::Version(text.chars().take(16).collect()))?,
        };
        let endpoint = match parameters.values.get("ep") {
            None if version == Version::V1_0 => return Err(RegisterError::EndpointMissing),
            None => None,
            Some(name) if endpoint_is_valid(name) => Some((*name).to_owned()),
            Some(_) => return Err(RegisterError::Endpoint),
        };
        // Some clients of 1.0 leave the format out.
        if content_format.is_some_and(|format| format != ContentFormat::LINK) {
            return Err(RegisterError::ContentFormat);
        }
        let profile =
            parameters.values.get("pid").filter(|_| version >= Version::V1_2).map(|text| text.chars().take(128).collect());
        let list = ObjectList::parse(payload, limits)?;
        if list.objects.is_empty() && profile.is_none() {
            return Err(RegisterError::NoObjects);
        }
        Ok(Self {
            endpoint,
            lifetime_s: parameters.lifetime_s()?.unwrap_or(LIFETIME_DEFAULT_S),
            version,
            binding: parameters.binding(version)?.unwrap_or(Binding::UDP),
            sms: parameters.sms()?,
            profile,
            list,
        })
    }

    /// The request that says this (what a client does).
    pub fn to_request(&self) -> Request {
        let mut request = Request::new(Method::Post, vec!["rd".into()]);
        request.query.extend(self.endpoint.iter().map(|name| format!("ep={name}")));
        request.query.push(format!("lt={}", self.lifetime_s));
        request.query.push(format!("lwm2m={}", self.version));
        push_binding(&mut request.query, self.binding, self.version);
        request.query.extend(self.sms.iter().map(|number| format!("sms={number}")));
        request.query.extend(self.profile.iter().map(|profile| format!("pid={profile}")));
        request.content_format = Some(ContentFormat::LINK);
        request.payload = self.list.to_payload();
        request
    }

    /// What decides the formats toward this client.
    pub fn formats(&self) -> FormatChoice<'_> {
        FormatChoice { version: self.version, announced: &self.list.formats }
    }
}

/// An Update (core 1.1 section 6.2.2): only what changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateRequest {
    /// The new lifetime, seconds.
    pub lifetime_s: Option<u32>,
    /// The new binding; queue mode is in it.
    pub binding: Option<Binding>,
    /// The new number for SMS.
    pub sms: Option<String>,
    /// The whole new list of objects, if it changed.
    pub list: Option<ObjectList>,
}

impl UpdateRequest {
    /// Reads the queries and payload of `POST /rd/{location}` of a client that registered with `version`.
    ///
    /// # Errors
    /// The first check that fails; [`RegisterError::code`] is the answer.
    pub fn parse<S: AsRef<str>>(
        queries: &[S],
        content_format: Option<ContentFormat>,
        payload: &[u8],
        version: Version,
        limits: &LinkLimits,
    ) -> Result<Self, RegisterError> {
        let parameters = Parameters::parse(queries)?;
        if !payload.is_empty() && content_format.is_some_and(|format| format != ContentFormat::LINK) {
            return Err(RegisterError::ContentFormat);
        }
        let list = if payload.is_empty() { None } else { Some(ObjectList::parse(payload, limits)?) };
        Ok(Self { lifetime_s: parameters.lifetime_s()?, binding: parameters.binding(version)?, sms: parameters.sms()?, list })
    }

    /// The request that says this (what a client does); `location` is what the server answered to Register.
    pub fn to_request(&self, location: Vec<String>, version: Version) -> Request {
        let mut request = Request::new(Method::Post, location);
        request.query.extend(self.lifetime_s.map(|lifetime_s| format!("lt={lifetime_s}")));
        if let Some(binding) = self.binding {
            push_binding(&mut request.query, binding, version);
        }
        request.query.extend(self.sms.iter().map(|number| format!("sms={number}")));
        if let Some(list) = &self.list {
            request.content_format = Some(ContentFormat::LINK);
            request.payload = list.to_payload();
        }
        request
    }
}

/// 1.0 writes queue mode into the binding, later versions beside it.
fn push_binding(query: &mut Vec<String>, binding: Binding, version: Version) {
    if version == Version::V1_0 {
        query.push(format!("b={binding}"));
    } else {
        query.push(format!("b={}", Binding { queue: false, ..binding }));
        query.extend(binding.queue.then(|| "Q".to_owned()));
    }
}

/// 1 to [`ENDPOINT_BYTES_MAX`] bytes without control characters.
pub fn endpoint_is_valid(name: &str) -> bool {
    (1..=ENDPOINT_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests;
