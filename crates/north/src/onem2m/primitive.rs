//! From an HTTP request to a oneM2M request primitive (TS-0009, 6.2; TS-0004, 6.4.1): operation, address, originator, filter, content.
//!
//! Pure. Absent: non-blocking requests, request expiration, notifications to the server, XML and CBOR.

use super::{answer::Echo, errors::Fault, errors::rsc, names};
use crate::http::Call;
use axum::http::{HeaderMap, Method, header};
use landfall_core::Criteria;
use landfall_model::{ResourceId, Secret, Time};
use serde_json::{Map, Value};

/// Children or references of one answer where the request names no limit.
const LIMIT_DEFAULT: usize = 1_000;
/// Children or references of one answer at most.
const LIMIT_MAX: usize = 10_000;
/// Bytes of representations after which an answer is cut.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Segments of an address.
const SEGMENTS: usize = 32;
/// Parameters of a query, and values of one of them.
const PARAMETERS: usize = 100;
const HEADER_CHARS: usize = 256;
const MEDIA_TYPES: [&str; 2] = ["application/json", "application/vnd.onem2m-res+json"];

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// With the type of what is to be made.
    Create(u8),
    Retrieve,
    /// Retrieve with `fu=1`.
    Discover,
    Update,
    Delete,
}

/// What an address names, below a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// Names down from the base; none: the base.
    Names(Vec<String>),
    /// An id, and names down from there.
    Id(ResourceId, Vec<String>),
}

/// A request, apart from its content.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Primitive {
    pub operation: Operation,
    /// None: that of the token, as the address is an id alone.
    pub tenant: Option<String>,
    pub to: To,
    /// `X-M2M-Origin`
    pub origin: String,
    /// `rcn`, the operation's default where none was given.
    pub result: u8,
    pub criteria: Criteria,
    /// `X-M2M-RI`
    pub request_id: String,
    /// `atrl`: the attributes that alone are asked for, by their short names; empty: all.
    pub attributes: Vec<String>,
    /// `drt` 2: ids instead of names.
    pub unstructured: bool,
    /// `lim`, at most 10,000.
    pub limit: usize,
    /// `ofst`
    pub offset: usize,
    /// Bytes of representations after which the answer is cut.
    pub answer_bytes: usize,
}

/// What the answer needs of the request, even if that is refused.
pub(super) fn echo(headers: &HeaderMap) -> Echo {
    let full_names = text(headers, "fullname").is_some_and(|given| given.eq_ignore_ascii_case("true"));
    let request_id = headers.get("x-m2m-ri").filter(|id| !id.is_empty() && id.len() <= HEADER_CHARS).cloned();
    let accepted = accepted(headers);
    Echo { request_id, full_names, onem2m_media_type: accepted == Some(1) }
}

/// Says of a call what can be said before anything is checked.
pub(super) fn introduce(call: &Call, method: &Method, headers: &HeaderMap, token: Option<&Secret>) {
    call.asks(match *method {
        Method::GET => "retrieve",
        Method::POST => "create",
        Method::PUT => "update",
        Method::DELETE => "delete",
        _ => "other",
    });
    if let Some(id) = text(headers, "x-m2m-ri") {
        call.is_called(id);
    }
    let app = token.and_then(|token| token.expose().split_once('.')).and_then(|(app, _)| app.parse().ok());
    call.claims(text(headers, "x-m2m-origin").unwrap_or_default(), app);
}

impl Primitive {
    /// Reads a request; `path` is what follows the version, still encoded.
    pub fn read(method: &Method, path: &str, query: &str, headers: &HeaderMap) -> Result<Self, Fault> {
        let origin = text(headers, "x-m2m-origin").ok_or_else(|| Fault::missing("from", "originator"))?.to_owned();
        let request_id = text(headers, "x-m2m-ri").ok_or_else(|| Fault::missing("ri", "requestIdentifier"))?.to_owned();
        check_release(headers)?;
        if accepted(headers).is_none() {
            return Err(Fault::new(rsc::NOT_ACCEPTABLE, "Accept: only application/json can be answered"));
        }
        let parameters = Parameters::read(query)?;
        parameters.check_known()?;
        let operation = operation(method, headers, parameters.number("fu", 1, 2)? == Some(1))?;
        let result = result(operation, parameters.number("rcn", 0, 255)?)?;
        let (tenant, to) = address(path)?;
        Ok(Self {
            operation,
            tenant,
            to,
            origin,
            result,
            criteria: parameters.criteria()?,
            request_id,
            attributes: parameters.attributes(operation, result)?,
            unstructured: parameters.number("drt", 1, 2)? == Some(2),
            limit: parameters.limit()?,
            offset: parameters.offset()?,
            answer_bytes: ANSWER_BYTES,
        })
    }
}

/// The root element of a body and its attributes. The text of a fault names line and column, never a value.
pub(super) fn content(body: &[u8]) -> Result<(String, Map<String, Value>), Fault> {
    let text = landfall_core::json::sound(body).map_err(Fault::bad)?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| Fault::bad(format!("no JSON at line {} column {}", error.line(), error.column())))?;
    let one_root = || Fault::bad("the body must be an object with one root element");
    let Value::Object(object) = value else { return Err(one_root()) };
    let mut members = object.into_iter();
    match (members.next(), members.next()) {
        (Some((root, Value::Object(attributes))), None) => Ok((root, attributes)),
        (Some((root, _)), None) => Err(Fault::bad(format!("{root}: must be an object"))),
        _ => Err(one_root()),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    Some(text).filter(|text| !text.is_empty() && text.len() <= HEADER_CHARS)
}

/// The release is optional (contract, Amb-8); one that is not known is refused.
fn check_release(headers: &HeaderMap) -> Result<(), Fault> {
    match headers.get("x-m2m-rvi").map(|release| release.to_str().unwrap_or_default().trim()) {
        None | Some("1" | "2" | "2a" | "3" | "4") => Ok(()),
        Some(_) => Err(Fault::new(rsc::RELEASE_NOT_SUPPORTED, "X-M2M-RVI: must be 1, 2, 2a, 3 or 4")),
    }
}

/// Which of the media types is accepted first; none: no one is.
fn accepted(headers: &HeaderMap) -> Option<usize> {
    let mut given = headers.get_all(header::ACCEPT).iter().peekable();
    if given.peek().is_none() {
        return Some(0);
    }
    let mut best = None;
    for range in given.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
        if quality.is_ok_and(|quality| quality <= 0.0) {
            continue;
        }
        let which = match kind.as_str() {
            "*/*" | "application/*" => Some(0),
            kind => MEDIA_TYPES.iter().position(|one| *one == kind),
        };
        best = best.into_iter().chain(which).min();
    }
    best
}

fn operation(method: &Method, headers: &HeaderMap, discovery: bool) -> Result<Operation, Fault> {
    Ok(match *method {
        Method::GET if discovery => Operation::Discover,
        Method::GET => Operation::Retrieve,
        Method::DELETE => Operation::Delete,
        Method::PUT => {
            content_type(headers)?;
            Operation::Update
        }
        Method::POST => match content_type(headers)? {
            Some(ty) => Operation::Create(ty),
            None => return Err(Fault::bad("Content-Type: ;ty= is mandatory to create; notifications are not taken")),
        },
        _ => return Err(Fault::new(rsc::OPERATION_NOT_ALLOWED, "the method must be GET, POST, PUT or DELETE")),
    })
}

/// `ty` of the Content-Type, which must be JSON.
fn content_type(headers: &HeaderMap) -> Result<Option<u8>, Fault> {
    let unsupported = || Fault::new(rsc::UNSUPPORTED_MEDIA_TYPE, "unsupported media type");
    let given = headers.get(header::CONTENT_TYPE).and_then(|given| given.to_str().ok()).ok_or_else(unsupported)?;
    let mut parts = given.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    if !MEDIA_TYPES.contains(&kind.as_str()) {
        return Err(unsupported());
    }
    for part in parts {
        if let Some((name, value)) = part.split_once('=')
            && name.trim().eq_ignore_ascii_case("ty")
        {
            let ty = value.trim().parse().map_err(|_| Fault::bad("Content-Type: ty must be the number of a resource type"))?;
            return Ok(Some(ty));
        }
    }
    Ok(None)
}

/// What the answer is to contain (TS-0004, 6.3.4.2.7), as far as the operation has it.
fn result(operation: Operation, given: Option<u64>) -> Result<u8, Fault> {
    let (default, known): (u8, &[u8]) = match operation {
        Operation::Create(_) => (1, &[0, 1, 2, 3, 9]),
        Operation::Retrieve => (1, &[1, 4, 5, 6, 8]),
        Operation::Discover => (11, &[6, 11]),
        Operation::Update => (1, &[0, 1, 9]),
        Operation::Delete => (0, &[0, 1]),
    };
    let Some(given) = given else { return Ok(default) };
    let found = known.iter().find(|one| u64::from(**one) == given);
    found.copied().ok_or_else(|| Fault::bad(format!("rcn: must be one of {known:?} for this operation")))
}

impl To {
    /// What an id means that a body names: `id`, `{tenant}/names`, `/{tenant}/id`, `/{tenant}/{tenant}/names` or `//{host}/{tenant}/...`
    /// (TS-0001, 7.2). The base has the tenant's name or `-`; names may also begin below it. None for one of another CSE.
    pub fn of_id(text: &str, tenant: &str) -> Option<Self> {
        let from_server = match text.strip_prefix("//") {
            // The host is not compared: there is no other that this server could pass it on to.
            Some(rest) => Some(rest.split_once('/').filter(|(host, _)| !host.is_empty())?.1),
            None => text.strip_prefix('/'),
        };
        let relative = match from_server {
            Some(rest) if rest == tenant => return Some(Self::Names(vec![])),
            Some(rest) => rest.strip_prefix(tenant)?.strip_prefix('/')?,
            None => text,
        };
        let mut names: Vec<String> = relative.split('/').map(str::to_owned).collect();
        if names.len() > SEGMENTS || names.iter().any(String::is_empty) {
            return None;
        }
        if names.first().is_some_and(|first| first == tenant || first == "-") {
            names.remove(0);
        }
        Some(Self::Names(names))
    }

    /// The names, down from the base or from the id.
    pub fn names(&self) -> &[String] {
        let (Self::Names(names) | Self::Id(_, names)) = self;
        names
    }

    /// The same address with other names.
    pub fn with_names(&self, names: &[String]) -> Self {
        match self {
            Self::Names(_) => Self::Names(names.to_vec()),
            Self::Id(id, _) => Self::Id(*id, names.to_vec()),
        }
    }
}

/// Tenant and target of `{tenant}/{names}`, `{tenant}/~/{tenant}/{id}`, `~/{tenant}/{id}`, `_/{host}/{tenant}/{id}` or
/// `{tenant}/_/{host}/{tenant}/{id}` (TS-0009, 6.2.2). Instead of an id there may be names from the base on, which has the tenant's name or `-`.
fn address(path: &str) -> Result<(Option<String>, To), Fault> {
    let not_found = || Fault::new(rsc::NOT_FOUND, "resource not found");
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<String> = path.split('/').map(decoded).collect::<Option<_>>().ok_or_else(not_found)?;
    if segments.len() > SEGMENTS || segments.iter().any(String::is_empty) {
        return Err(not_found());
    }
    let mut segments = segments.into_iter().peekable();
    let mut tenant = segments.next().ok_or_else(not_found)?;
    if let Ok(id) = tenant.parse() {
        return Ok((None, To::Id(id, segments.collect())));
    }
    let is_global = |segment: &String| segment == "~" || segment == "_";
    let mut relative = is_global(&tenant);
    if relative {
        if tenant == "_" {
            segments.next();
        }
        tenant = segments.next().ok_or_else(not_found)?;
    } else if let Some(form) = segments.next_if(is_global) {
        if form == "_" {
            segments.next();
        }
        relative = segments.next().is_some_and(|again| again == tenant);
        if !relative {
            return Err(not_found());
        }
    }
    if segments.peek().is_some_and(|first| first == "-" || (relative && *first == tenant)) {
        segments.next();
        relative = false;
    }
    let mut names: Vec<String> = segments.collect();
    let id = names.first().filter(|_| relative).and_then(|first| first.parse().ok());
    Ok(match id {
        Some(id) => (Some(tenant), To::Id(id, names.split_off(1))),
        None => (Some(tenant), To::Names(names)),
    })
}

/// Undoes percent-encoding; none where that or UTF-8 is broken.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

/// The parameters of a query, names decoded, values not: `+` joins values before they are.
struct Parameters<'a>(Vec<(String, &'a str)>);

impl<'a> Parameters<'a> {
    const KNOWN: [&'static str; 19] = [
        "rcn", "rt", "fu", "drt", "ty", "lbl", "crb", "cra", "ms", "us", "cr", "fo", "lvl", "lim", "limit", "ofst", "ofs",
        "offset", "atrl",
    ];

    fn read(query: &'a str) -> Result<Self, Fault> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let read: Option<Vec<_>> = pairs.map(|(name, value)| Some((decoded(name)?, value))).collect();
        let read = read.ok_or_else(|| Fault::bad("the query is not encoded as it should be"))?;
        if read.len() > PARAMETERS {
            return Err(Fault::bad(format!("the query has more than {PARAMETERS} parameters")));
        }
        Ok(Self(read))
    }

    fn check_known(&self) -> Result<(), Fault> {
        if let Some((name, _)) = self.0.iter().find(|(name, _)| !Self::KNOWN.contains(&name.as_str())) {
            return Err(Fault::bad(format!("{name}: unknown or unsupported parameter")));
        }
        match self.number("rt", 0, 99)? {
            None | Some(3) => Ok(()),
            Some(_) => Err(Fault::new(rsc::NOT_IMPLEMENTED, "rt: only blocking requests (3) are supported")),
        }
    }

    /// All values of a parameter, joined ones apart.
    fn all(&self, name: &str) -> Result<Vec<String>, Fault> {
        let given = self.0.iter().filter(|(key, _)| key == name).flat_map(|(_, value)| value.split('+'));
        let values: Option<Vec<String>> = given.filter(|value| !value.is_empty()).map(decoded).collect();
        let values = values.ok_or_else(|| Fault::bad(format!("{name}: not encoded as it should be")))?;
        if values.len() > PARAMETERS {
            return Err(Fault::bad(format!("{name}: must be at most {PARAMETERS} values")));
        }
        Ok(values)
    }

    fn one(&self, name: &str) -> Result<Option<String>, Fault> {
        let mut given = self.0.iter().filter(|(key, value)| key == name && !value.is_empty());
        let first = given.next();
        if given.next().is_some() {
            return Err(Fault::bad(format!("{name}: must be given once")));
        }
        let value =
            first.map(|(_, value)| decoded(value).ok_or_else(|| Fault::bad(format!("{name}: not encoded as it should be"))));
        value.transpose()
    }

    fn number(&self, name: &str, from: u64, to: u64) -> Result<Option<u64>, Fault> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let value = text.parse().ok().filter(|value| (from..=to).contains(value));
        value.map(Some).ok_or_else(|| Fault::bad(format!("{name}: must be a number from {from} to {to}")))
    }

    fn time(&self, name: &str) -> Result<Option<Time>, Fault> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let time = Time::parse_onem2m(&text);
        time.map(Some).ok_or_else(|| Fault::bad(format!("{name}: must be written yyyyMMddTHHmmss")))
    }

    fn criteria(&self) -> Result<Criteria, Fault> {
        let types =
            self.all("ty")?.into_iter().map(|ty| ty.parse().map_err(|_| Fault::bad("ty: must be numbers of resource types")));
        Ok(Criteria {
            types: types.collect::<Result<_, _>>()?,
            labels: self.all("lbl")?,
            created_before: self.time("crb")?,
            created_after: self.time("cra")?,
            modified_since: self.time("ms")?,
            unmodified_since: self.time("us")?,
            creator: self.one("cr")?,
            any: self.number("fo", 1, 2)? == Some(2),
            levels: self.number("lvl", 1, 32)?.map(|levels| levels as usize),
        })
    }

    /// `atrl`, in either spelling; only attributes of one resource can be chosen (TS-0004, 7.4.2.2).
    fn attributes(&self, operation: Operation, result: u8) -> Result<Vec<String>, Fault> {
        let given = self.all("atrl")?;
        if !given.is_empty() && (operation != Operation::Retrieve || result != 1) {
            return Err(Fault::bad("atrl: goes with a retrieval of attributes alone (rcn=1)"));
        }
        let known = |name: String| match names::short(&name) {
            Some(short) => Ok(short.to_owned()),
            None if names::long(&name).is_some() => Ok(name),
            None => {
                let shown: String = name.chars().take(64).collect();
                Err(Fault::bad(format!("atrl: {shown} is no known attribute")))
            }
        };
        given.into_iter().map(known).collect()
    }

    /// More than there can be in one answer is cut down, as clients ask for 1,000,000,000.
    fn limit(&self) -> Result<usize, Fault> {
        let given = self.number("lim", 1, u64::MAX)?.or(self.number("limit", 1, u64::MAX)?);
        Ok(given.map_or(LIMIT_DEFAULT, |limit| usize::try_from(limit).unwrap_or(LIMIT_MAX).min(LIMIT_MAX)))
    }

    fn offset(&self) -> Result<usize, Fault> {
        const MAX: u64 = u32::MAX as u64;
        let given = self.number("ofst", 0, MAX)?.or(self.number("ofs", 0, MAX)?).or(self.number("offset", 0, MAX)?);
        Ok(given.map_or(0, |offset| offset as usize))
    }
}

/// For fuzzing: reads `data` as a request, its lines being method, path, query, Content-Type, Accept and body, and only must not panic.
pub fn fuzz_primitive(data: &[u8]) {
    use axum::http::HeaderValue;
    let mut lines = data.splitn(6, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let method = Method::from_bytes(line()).unwrap_or(Method::GET);
    let (path, query) = (String::from_utf8_lossy(line()).into_owned(), String::from_utf8_lossy(line()).into_owned());
    let mut headers = HeaderMap::new();
    headers.insert("x-m2m-origin", HeaderValue::from_static("C"));
    headers.insert("x-m2m-ri", HeaderValue::from_static("1"));
    for name in [header::CONTENT_TYPE, header::ACCEPT] {
        if let Ok(value) = HeaderValue::from_bytes(line()) {
            headers.insert(name, value);
        }
    }
    let read = Primitive::read(&method, &path, &query, &headers);
    if let Ok(read) = read {
        assert!(read.limit <= LIMIT_MAX && read.tenant.is_none_or(|tenant| !tenant.is_empty()), "a limit holds");
    }
    if let Ok((root, attributes)) = content(line()) {
        super::attributes::fuzz(&attributes, Time(0));
        let _ = super::flex::created(&root, attributes, Time(0));
    }
}

#[cfg(test)]
#[path = "primitive_tests.rs"]
mod tests;
