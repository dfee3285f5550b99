//! A simulated LwM2M client as a value: resources, attributes and observations that answer [`Request`]s. For tests, the demonstration and
//! the benchmark. Absent: CoAP, clocks, behaviour of its own (the owner sets resources and takes what was executed), access control.

mod notify;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::attributes::{AttributeChange, Attributes};
use crate::bootstrap::BootstrapRequest;
use crate::codec::{self, DecodeLimits};
use crate::content_format::ContentFormat;
use crate::ignored::Ignored;
use crate::link::{DiscoverAnswer, Discovered, format_discover};
use crate::message::{Code, Method, Observe, Request, Response};
use crate::objects::ObjectModels;
use crate::operation::{Argument, parse_arguments};
use crate::path::Path;
use crate::registration::{Binding, LIFETIME_DEFAULT_S, ObjectList, RegisterRequest, RegisteredObject};
use crate::value::{Entry, Value};
use crate::version::Version;

pub use notify::Notification;

/// Most observations and most attributes that a client keeps.
const KEPT_MAX: usize = 64;

/// A simulated client. Give it requests with [`Client::handle`], time with [`Client::poll_timeout`], and take what it wants to say with
/// [`Client::poll`].
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: String,
    version: Version,
    binding: Binding,
    formats: Vec<ContentFormat>,
    models: Arc<ObjectModels>,
    resources: BTreeMap<Path, Value>,
    attributes: BTreeMap<Path, Attributes>,
    observations: Vec<notify::Observation>,
    executed: Vec<(Path, Vec<Argument>)>,
    bootstrapping: bool,
}

/// What is wrong with a request, as a bare code.
type Answer = Result<Response, Code>;

impl Client {
    /// A client with objects 1, 3, 4, 5, 6, 19 and 3303, one instance each (two of 19), that speaks all formats of its version.
    pub fn new(endpoint: &str, version: Version) -> Self {
        Self::with_models(endpoint, version, Arc::new(ObjectModels::builtin()))
    }

    /// The same with given definitions, which many clients can share.
    pub fn with_models(endpoint: &str, version: Version, models: Arc<ObjectModels>) -> Self {
        let mut formats = vec![ContentFormat::TEXT, ContentFormat::OPAQUE, ContentFormat::TLV, ContentFormat::JSON];
        if version >= Version::V1_1 {
            formats.extend([ContentFormat::CBOR, ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR]);
        }
        if version >= Version::V1_2 {
            formats.push(ContentFormat::LWM2M_CBOR);
        }
        Self {
            endpoint: endpoint.to_owned(),
            version,
            binding: Binding::UDP,
            formats,
            models,
            resources: store::resources(endpoint),
            attributes: BTreeMap::new(),
            observations: Vec::new(),
            executed: Vec::new(),
            bootstrapping: false,
        }
    }

    /// The same client in queue mode.
    #[must_use]
    pub fn sleepy(mut self) -> Self {
        self.binding.queue = true;
        self
    }

    /// What it says when it registers.
    pub fn register(&self) -> RegisterRequest {
        let lifetime = self.resources.get(&Path::resource(1, 0, 1));
        let lifetime_s = match lifetime {
            Some(Value::Integer(seconds)) => u32::try_from(*seconds).unwrap_or(LIFETIME_DEFAULT_S),
            _ => LIFETIME_DEFAULT_S,
        };
        let formats = if self.version == Version::V1_0 { Vec::new() } else { self.formats.clone() };
        RegisterRequest {
            endpoint: Some(self.endpoint.clone()),
            lifetime_s,
            version: self.version,
            binding: self.binding,
            sms: None,
            profile: None,
            list: ObjectList { objects: self.objects(), root: String::new(), formats },
            ignored: Ignored::default(),
        }
    }

    /// A resource as it is.
    pub fn get(&self, path: &Path) -> Option<&Value> {
        self.resources.get(path)
    }

    /// Changes or adds a resource; observations notice it at the next [`Client::poll`].
    pub fn set(&mut self, path: Path, value: Value) {
        self.resources.insert(path, value);
    }

    /// What was executed since the last call, in order.
    pub fn take_executed(&mut self) -> Vec<(Path, Vec<Argument>)> {
        std::mem::take(&mut self.executed)
    }

    /// What it says when it wants to be bootstrapped. Until Finish, requests count as a bootstrap server's.
    pub fn bootstrap(&mut self) -> BootstrapRequest {
        self.bootstrapping = true;
        let preferred = (self.version >= Version::V1_1).then_some(ContentFormat::SENML_CBOR);
        BootstrapRequest { endpoint: Some(self.endpoint.clone()), preferred }
    }

    /// Whether a bootstrap is under way.
    pub const fn is_bootstrapping(&self) -> bool {
        self.bootstrapping
    }

    /// Answers a request of the server. `observation` is the owner's name for it, should it begin or end an observation.
    pub fn handle(&mut self, now_ms: u64, observation: u64, request: &Request) -> Response {
        let answer = match (request.method, request.path.as_slice()) {
            (Method::Post, [only]) if only == "bs" && self.bootstrapping => self.finish_bootstrap(),
            _ => match Path::from_segments(&request.path) {
                Ok(path) => self.at(now_ms, observation, request, path),
                Err(_) => Err(Code::NOT_FOUND),
            },
        };
        answer.unwrap_or_else(Response::new)
    }

    /// An account that is not a bootstrap account, and behaviour toward it, is the least that makes sense.
    fn finish_bootstrap(&mut self) -> Answer {
        let account = self.resources.iter().any(|(at, value)| is_account_flag(at) && *value == Value::Boolean(false));
        let server = self.resources.keys().any(|at| at.object_id() == Some(1));
        if !account || !server {
            return Err(Code::NOT_ACCEPTABLE);
        }
        self.bootstrapping = false;
        Ok(Response::new(Code::CHANGED))
    }

    fn at(&mut self, now_ms: u64, observation: u64, request: &Request, path: Path) -> Answer {
        if path.object_id() == Some(0) && !self.bootstrapping {
            return Err(Code::UNAUTHORIZED);
        }
        match request.method {
            Method::Get if request.accept == Some(ContentFormat::LINK) => self.discover(&path, &request.query),
            Method::Get => self.read_or_observe(now_ms, observation, request, vec![path], false),
            Method::Fetch => {
                let format = request.content_format.ok_or(Code::BAD_REQUEST)?;
                let limits = DecodeLimits { entries: KEPT_MAX, ..DecodeLimits::default() };
                let paths = codec::decode_paths(format, &request.payload, &limits).map_err(|_| Code::BAD_REQUEST)?;
                self.read_or_observe(now_ms, observation, request, paths, true)
            }
            Method::Put if request.content_format.is_none() && !request.query.is_empty() => {
                self.write_attributes(&path, &request.query)
            }
            Method::Put if path.depth() >= 2 => self.write(request, &path, true),
            Method::Post if path.depth() == 3 && self.is_executable(&path) => self.execute(request, path),
            Method::Post if path.depth() == 1 => self.create(request, &path),
            Method::Post if path.depth() >= 2 => self.write(request, &path, false),
            Method::Ipatch if path.is_root() => self.write(request, &path, false),
            Method::Delete => self.delete(&path),
            _ => Err(Code::METHOD_NOT_ALLOWED),
        }
    }

    fn is_executable(&self, path: &Path) -> bool {
        self.models.newest().resource(path).is_some_and(|resource| resource.operations.execute)
    }

    /// The values at or below a path that may be read; the security object never.
    fn values(&self, path: &Path) -> Vec<Entry> {
        let below = self.resources.range(*path..).take_while(|(at, _)| path.contains(at));
        let readable = |at: &Path| {
            let model = self.models.newest().resource(at);
            at.object_id() != Some(0) && model.is_none_or(|resource| resource.operations.read)
        };
        below.filter(|(at, _)| readable(at)).map(|(at, value)| Entry::new(*at, value.clone())).collect()
    }

    /// Without a depth, which 1.2 brought, an object is told down to its resources, and a resource with its instances.
    fn discover(&self, path: &Path, queries: &[String]) -> Answer {
        let mut links = Vec::new();
        let usual = if path.depth() < 3 { 3 } else { 4 };
        let deepest = match queries.iter().find_map(|query| query.strip_prefix("depth=")) {
            Some(text) if self.version >= Version::V1_2 => path.depth() + text.parse::<u8>().map_or(0, |depth| depth.min(3)),
            _ => usual,
        };
        let mut seen = std::collections::BTreeSet::new();
        for at in self.resources.keys().filter(|at| path.contains(at)) {
            let depths = if path.is_root() { 1..=2 } else { path.depth().max(1)..=deepest };
            for depth in depths {
                let part = at.cut(depth);
                if part.depth() == depth && seen.insert(part) {
                    links.push(Discovered { path: part, attributes: self.told(&part) });
                }
            }
        }
        if links.is_empty() && !path.is_root() {
            return Err(Code::NOT_FOUND);
        }
        let lwm2m = path.is_root().then(|| self.version.to_string());
        let answer = format_discover(&DiscoverAnswer { lwm2m, links });
        Ok(Response::content(ContentFormat::LINK, answer.into_bytes()))
    }

    /// The attributes of a path, with the number of its instances or the short server id it has.
    fn told(&self, path: &Path) -> Attributes {
        let mut attributes = self.attributes.get(path).cloned().unwrap_or_default();
        let instances =
            self.resources.range(*path..).take_while(|(at, _)| path.contains(at)).filter(|(at, _)| at.depth() == 4).count();
        attributes.dim = (path.depth() == 3 && instances > 0).then(|| u16::try_from(instances).unwrap_or(u16::MAX));
        let short_id = match path.ids() {
            [0, instance] => self.resources.get(&Path::resource(0, *instance, 10)),
            [1, instance] => self.resources.get(&Path::resource(1, *instance, 0)),
            _ => None,
        };
        if let Some(Value::Integer(short_id)) = short_id {
            attributes.ssid = u16::try_from(*short_id).ok();
        }
        attributes
    }

    fn read_or_observe(&mut self, now_ms: u64, observation: u64, request: &Request, paths: Vec<Path>, composite: bool) -> Answer {
        if request.observe == Some(Observe::Cancel) {
            self.cancel(observation);
        }
        let format = self.answer_format(request.accept, &paths, composite)?;
        let mut response = self.read(&paths, format, composite)?;
        if request.observe == Some(Observe::Register) && self.observations.len() < KEPT_MAX {
            self.cancel(observation);
            let own = if self.version >= Version::V1_2 { request.query.as_slice() } else { &[] };
            let own = AttributeChange::parse(own).and_then(|change| change.apply(&Attributes::default()));
            let own = own.map_err(|_| Code::BAD_REQUEST)?;
            self.observations.push(notify::Observation::new(observation, paths, format, composite, own, now_ms, self));
            response.observe = Some(0);
        }
        Ok(response)
    }

    fn read(&self, paths: &[Path], format: ContentFormat, composite: bool) -> Answer {
        let mut entries: Vec<Entry> = paths.iter().flat_map(|path| self.values(path)).collect();
        entries.sort_by_key(|entry| entry.path);
        entries.dedup_by_key(|entry| entry.path);
        let base = match paths {
            [path] if !composite => {
                if entries.is_empty() {
                    let hidden = self.resources.keys().any(|at| path.contains(at)) || self.is_executable(path);
                    return Err(if hidden { Code::METHOD_NOT_ALLOWED } else { Code::NOT_FOUND });
                }
                *path
            }
            _ => Path::ROOT,
        };
        let payload = codec::encode(format, &base, &entries).map_err(|_| Code::NOT_ACCEPTABLE)?;
        Ok(Response::content(format, payload))
    }

    fn answer_format(&self, accept: Option<ContentFormat>, paths: &[Path], composite: bool) -> Result<ContentFormat, Code> {
        if let Some(format) = accept {
            return if self.formats.contains(&format) { Ok(format) } else { Err(Code::NOT_ACCEPTABLE) };
        }
        let usual = match (composite, self.version) {
            (true, _) | (_, Version::V1_1 | Version::V1_2) => ContentFormat::SENML_CBOR,
            _ => ContentFormat::TLV,
        };
        let single =
            paths.first().filter(|_| !composite && self.version == Version::V1_0).and_then(|path| self.resources.get(path));
        Ok(match single {
            Some(Value::Opaque(_)) => ContentFormat::OPAQUE,
            Some(_) => ContentFormat::TEXT,
            None => usual,
        })
    }

    fn write_attributes(&mut self, path: &Path, queries: &[String]) -> Answer {
        if !self.resources.keys().any(|at| path.contains(at)) {
            return Err(Code::NOT_FOUND);
        }
        let before = self.attributes.get(path).cloned().unwrap_or_default();
        let after = AttributeChange::parse(queries).and_then(|change| change.apply(&before)).map_err(|_| Code::BAD_REQUEST)?;
        if self.attributes.len() == KEPT_MAX && !self.attributes.contains_key(path) {
            return Err(Code::INTERNAL_SERVER_ERROR);
        }
        self.attributes.insert(*path, after);
        Ok(Response::new(Code::CHANGED))
    }

    fn decode(&self, request: &Request, path: &Path) -> Result<Vec<Entry>, Code> {
        let format = request.content_format.unwrap_or(ContentFormat::TEXT);
        if !self.formats.contains(&format) {
            return Err(Code::UNSUPPORTED_CONTENT_FORMAT);
        }
        codec::decode(format, path, &request.payload, self.models.newest(), &DecodeLimits::default())
            .map_err(|_| Code::BAD_REQUEST)
    }

    /// Write and Write-Composite: all or nothing.
    fn write(&mut self, request: &Request, path: &Path, replace: bool) -> Answer {
        let read_only = self.models.newest().resource(path).is_some_and(|resource| !resource.operations.write);
        if read_only && !self.bootstrapping {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        let entries = self.decode(request, path)?;
        let models = self.models.newest();
        for entry in entries.iter().filter(|_| !self.bootstrapping) {
            if entry.path.object_id() == Some(0) {
                return Err(Code::UNAUTHORIZED);
            }
            if models.resource(&entry.path).is_some_and(|resource| !resource.operations.write) {
                return Err(Code::METHOD_NOT_ALLOWED);
            }
            if !self.resources.keys().any(|at| entry.path.cut(2).contains(at)) {
                return Err(Code::NOT_FOUND);
            }
        }
        let multiple = entries.iter().any(|entry| entry.path.depth() == 4);
        if replace && (path.depth() == 2 || path.depth() == 3 && multiple) {
            let read_only = |at: &Path| models.resource(at).is_some_and(|resource| !resource.operations.write);
            let stays = |at: &Path| read_only(at) && !self.bootstrapping;
            let gone: Vec<Path> = self.resources.keys().filter(|at| path.contains(at) && !stays(at)).copied().collect();
            gone.iter().for_each(|at| drop(self.resources.remove(at)));
        }
        self.resources.extend(entries.into_iter().map(|entry| (entry.path, entry.value)));
        Ok(Response::new(Code::CHANGED))
    }

    fn execute(&mut self, request: &Request, path: Path) -> Answer {
        if !self.resources.keys().any(|at| path.cut(2).contains(at)) {
            return Err(Code::NOT_FOUND);
        }
        if let [5, instance, 2] = path.ids() {
            // Update exists in the state Downloaded only (core 1.1 section E.6).
            if self.resources.get(&Path::resource(5, *instance, 3)) != Some(&Value::Integer(2)) {
                return Err(Code::METHOD_NOT_ALLOWED);
            }
        }
        let text = std::str::from_utf8(&request.payload).map_err(|_| Code::BAD_REQUEST)?;
        let arguments = parse_arguments(text).ok_or(Code::BAD_REQUEST)?;
        if self.executed.len() == KEPT_MAX {
            return Err(Code::SERVICE_UNAVAILABLE);
        }
        self.executed.push((path, arguments));
        Ok(Response::new(Code::CHANGED))
    }

    fn create(&mut self, request: &Request, object: &Path) -> Answer {
        let known = object.object_id().and_then(|id| self.models.newest().object(id));
        if known.is_none_or(|object| !object.multiple) {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        let entries = self.decode(request, object)?;
        let mut instances: Vec<Path> = entries.iter().map(|entry| entry.path.cut(2)).collect();
        instances.dedup();
        let exists = instances.iter().any(|instance| self.resources.keys().any(|at| instance.contains(at)));
        if instances.is_empty() || exists {
            return Err(Code::BAD_REQUEST);
        }
        self.resources.extend(entries.into_iter().map(|entry| (entry.path, entry.value)));
        let location = instances.first().map(Path::segments).unwrap_or_default();
        Ok(Response { location, ..Response::new(Code::CREATED) })
    }

    fn delete(&mut self, path: &Path) -> Answer {
        let allowed = if self.bootstrapping { path.depth() <= 2 } else { matches!(path.depth(), 2 | 4) };
        if !allowed || path.object_id() == Some(3) {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        let before = self.resources.len();
        // Its own bootstrap account and the device object outlive everything.
        let own = |(at, value): (&Path, &Value)| (is_account_flag(at) && *value == Value::Boolean(true)).then(|| at.cut(2));
        let accounts: Vec<Path> = self.resources.iter().filter_map(own).collect();
        let stays = |at: &Path| at.object_id() == Some(3) || accounts.iter().any(|account| account.contains(at));
        self.resources.retain(|at, _| !path.contains(at) || stays(at));
        let gone = before > self.resources.len() || path.depth() < 2;
        if gone { Ok(Response::new(Code::DELETED)) } else { Err(Code::NOT_FOUND) }
    }

    fn objects(&self) -> Vec<RegisteredObject> {
        let mut objects: Vec<RegisteredObject> = Vec::new();
        for at in self.resources.keys() {
            let (Some(id), Some(instance)) = (at.object_id(), at.instance_id()) else { continue };
            match objects.last_mut().filter(|object| object.id == id) {
                Some(object) if object.instances.last() == Some(&instance) => {}
                Some(object) => object.instances.push(instance),
                None if id == 0 => {}
                None => objects.push(RegisteredObject { id, version: None, instances: vec![instance] }),
            }
        }
        objects
    }
}

/// Resource 1 of object 0: whether the account is a bootstrap server's.
fn is_account_flag(at: &Path) -> bool {
    at.object_id() == Some(0) && at.resource_id() == Some(1)
}

#[cfg(test)]
mod tests;
