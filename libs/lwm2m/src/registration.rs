//! The registration interface (core 1.1 section 6.2): what a client says of itself in Register and Update. Absent: who the client is
//! allowed to be, expiry, locations; those need an owner with a clock and a registry.

use std::collections::BTreeMap;
use std::fmt;

use crate::content_format::{ContentFormat, FormatChoice};
use crate::ignored::Ignored;
use crate::link::{self, Link, LinkError, LinkLimits, Links};
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
        let (binding, understood) = Self::of_letters(text, version);
        (understood && binding.is_reachable()).then_some(binding)
    }

    /// What the letters say, and whether all of them have a meaning.
    fn of_letters(text: &str, version: Version) -> (Self, bool) {
        let (mut binding, mut understood) = (Self::default(), true);
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
                _ => {
                    understood = false;
                    continue;
                }
            };
            understood &= !std::mem::replace(flag, true);
        }
        (binding, understood)
    }

    const fn is_reachable(self) -> bool {
        self.udp || self.tcp || self.sms || self.non_ip || self.mqtt || self.http
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
    /// Reads a list as it was written by [`ObjectList::to_payload`].
    ///
    /// # Errors
    /// More than the limits allow.
    pub fn parse(payload: &[u8], limits: &LinkLimits) -> Result<Self, RegisterError> {
        Self::read(payload, limits, &mut Ignored::default())
    }

    /// Reads the payload of a Register or Update. A link that is neither an object nor an object instance, and a version that is none or contradicts
    /// another, is passed over.
    fn read(payload: &[u8], limits: &LinkLimits, ignored: &mut Ignored) -> Result<Self, RegisterError> {
        let Links { links, ignored: bad, ignored_untold } = link::parse(payload, limits).map_err(RegisterError::Link)?;
        bad.iter().for_each(|error| ignored.add(error));
        ignored.add_untold(ignored_untold);
        let mut list = Self::default();
        let is_root = |link: &&Link| link.param("rt").is_some_and(|types| types.split_whitespace().any(|t| t == "oma.lwm2m"));
        let mut roots = links.iter().filter(is_root).map(|link| link.target.trim_end_matches('/'));
        let usable = |root: &&str| root.is_empty() || root.starts_with('/') && root.len() <= ROOT_BYTES_MAX;
        list.root = roots.find(usable).unwrap_or_default().to_owned();
        let mut objects: BTreeMap<u16, RegisteredObject> = BTreeMap::new();
        for link in &links {
            let target = link.target.as_str();
            if target == "/" || !list.root.is_empty() && target.trim_end_matches('/') == list.root {
                list.read_formats(link);
                continue;
            }
            let path = target.strip_prefix(list.root.as_str()).unwrap_or(target).parse::<Path>().ok();
            let Some((path, id)) = path.filter(|path| path.depth() <= 2).and_then(|path| Some((path, path.object_id()?))) else {
                ignored.add(format_args!("{target:?} is neither an object nor an object instance"));
                continue;
            };
            let object = objects.entry(id).or_insert_with(|| RegisteredObject { id, version: None, instances: Vec::new() });
            object.instances.extend(path.instance_id());
            let Some(text) = link.param("ver") else { continue };
            match (object.version, text.parse().ok()) {
                (None, Some(version)) => object.version = Some(version),
                (Some(before), Some(version)) if before == version => {}
                _ => ignored.add(format_args!("version {text:?} of object {id}")),
            }
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

    /// `ct` is a number or several in quotes, or stands there several times; what is no number is left out, it can only be a format that is not
    /// understood.
    fn read_formats(&mut self, link: &Link) {
        let told = link.params.iter().filter(|(name, _)| name == "ct").filter_map(|(_, value)| value.as_deref());
        for format in told.flat_map(|ct| ct.split([' ', ','])).filter_map(|number| number.parse().ok()).map(ContentFormat) {
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
    /// What was said and could not be used.
    pub ignored: Ignored,
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
    /// A parameter is given twice.
    #[error("parameter {0} is given twice")]
    Twice(&'static str),
    /// More than [`QUERIES_MAX`].
    #[error("too many parameters")]
    TooManyQueries,
    /// The payload is not in link format.
    #[error("content format is not link format")]
    ContentFormat,
    /// Nothing is listed that can be used, and no profile stands for it. With what was passed over.
    #[error("no objects are listed{}", behind(.0))]
    NoObjects(Ignored),
    /// The payload cannot be read.
    #[error("{0}")]
    Link(LinkError),
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

fn behind(ignored: &Ignored) -> String {
    if ignored.is_empty() { String::new() } else { format!(" that can be used: {ignored}") }
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

    /// Letters that have no meaning are passed over: a client that is heard is reached over UDP.
    fn binding(&self, version: Version, ignored: &mut Ignored) -> Option<Binding> {
        let told = self.values.get("b").map(|text| {
            let (binding, understood) = Binding::of_letters(text, version);
            if !understood || !binding.is_reachable() {
                ignored.add(format_args!("letters of the binding {text:?}"));
            }
            if binding.is_reachable() { binding } else { Binding { udp: true, ..binding } }
        });
        if self.values.contains_key("Q") { Some(Binding { queue: true, ..told.unwrap_or(Binding::UDP) }) } else { told }
    }

    fn sms(&self, ignored: &mut Ignored) -> Option<String> {
        let text = *self.values.get("sms")?;
        let digits = text.strip_prefix('+').unwrap_or(text);
        let good = (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if !good {
            ignored.add(format_args!("{text:?} is no telephone number"));
        }
        good.then(|| text.to_owned())
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
        let mut ignored = Ignored::default();
        let version = match parameters.values.get("lwm2m") {
            None => Version::V1_0,
            Some(text) => Version::nearest(text).ok_or_else(|| RegisterError::Version(text.chars().take(16).collect()))?,
        };
        if let Some(text) = parameters.values.get("lwm2m").filter(|text| **text != version.text()) {
            ignored.add(format_args!("LwM2M version {text:?}, taken as {version}"));
        }
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
        let list = ObjectList::read(payload, limits, &mut ignored)?;
        if list.objects.is_empty() && profile.is_none() {
            return Err(RegisterError::NoObjects(ignored));
        }
        Ok(Self {
            endpoint,
            lifetime_s: parameters.lifetime_s()?.unwrap_or(LIFETIME_DEFAULT_S),
            version,
            binding: parameters.binding(version, &mut ignored).unwrap_or(Binding::UDP),
            sms: parameters.sms(&mut ignored),
            profile,
            list,
            ignored,
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
    /// What was said and could not be used.
    pub ignored: Ignored,
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
        let mut ignored = Ignored::default();
        let list = if payload.is_empty() { None } else { Some(ObjectList::read(payload, limits, &mut ignored)?) };
        // A list of nothing that can be used would end everything.
        if !ignored.is_empty() && list.as_ref().is_some_and(|list| list.objects.is_empty()) {
            return Err(RegisterError::NoObjects(ignored));
        }
        let (binding, sms) = (parameters.binding(version, &mut ignored), parameters.sms(&mut ignored));
        Ok(Self { lifetime_s: parameters.lifetime_s()?, binding, sms, list, ignored })
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
