//! Which attributes a client may give for which type, their forms and ranges (TS-0001, 9.6; TS-0004, 7.4), and which are the platform's.
//!
//! Absent: what needs the tree (whether a policy exists, a name is free), and nodes and what describes them.

use super::errors::Fault;
use axum::http::{HeaderName, HeaderValue, header};
use landfall_core::NewInstance;
use landfall_model::{ResourceKind, Time, parse_duration_s};
use serde_json::{Map, Value};

const LABELS: usize = 200;
const LABEL_CHARS: usize = 512;
const TEXT_CHARS: usize = 256;
const URL_CHARS: usize = 1024;
const ADDRESSES: usize = 10;
const RULES: usize = 100;
/// Names in `enc.atr`.
const EVENT_ATTRIBUTES: usize = 50;
/// Members of a group.
const MEMBERS: usize = 1_000;
/// Headers of one `poah`, and bytes of all as JSON.
const HEADERS: usize = 20;
const HEADER_BYTES: usize = 8 * 1024;
const FRAMING: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
/// One hundred years.
const AGE_MAX_S: u64 = 3_155_760_000;

/// What the platform itself says of a resource.
const OURS: [&str; 13] = ["ri", "pi", "ty", "ct", "lt", "st", "cni", "cbs", "cs", "aei", "csi", "cnm", "mtv"];

/// What oneM2M knows (TS-0001, 9.6) and the platform does not.
const UNSUPPORTED: [&str; 20] = [
    "aa", "acrs", "ast", "at", "cbl", "conr", "daci", "disr", "gpi", "hld", "ln", "loc", "nec", "nfu", "nsp", "pn", "psn", "rl",
    "ssi", "trps",
];

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    Text,
    /// A list of at most so many texts.
    Texts(usize),
    Number(i64, i64),
    Float,
    Bool,
    Time,
    Urls,
    /// `poah`
    Headers,
    Url,
    /// `cnf`: a media type, then perhaps its encoding, then perhaps its security, `:` between them.
    ContentInfo,
    /// Media types of oneM2M.
    Serializations,
    /// `bn`
    Batch,
    /// `enc`
    Events,
    /// `pv`, `pvs`
    Privileges,
}

/// An attribute that clients give.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Attribute {
    pub name: &'static str,
    pub form: Form,
    pub mandatory: bool,
    /// Whether it can be changed later.
    pub writable: bool,
}

/// An attribute that may be left out.
pub(super) const fn optional(name: &'static str, form: Form) -> Attribute {
    Attribute { name, form, mandatory: false, writable: true }
}

/// One that may not.
pub(super) const fn mandatory(name: &'static str, form: Form) -> Attribute {
    Attribute { name, form, mandatory: true, writable: true }
}

const fn fixed(name: &'static str, form: Form) -> Attribute {
    Attribute { name, form, mandatory: true, writable: false }
}

/// One that may be left out, and is never changed.
const fn once(name: &'static str, form: Form) -> Attribute {
    Attribute { name, form, mandatory: false, writable: false }
}

const ACP: &[Attribute] = &[mandatory("pv", Form::Privileges), mandatory("pvs", Form::Privileges)];
const AE: &[Attribute] = &[
    fixed("api", Form::Text),
    optional("rr", Form::Bool),
    optional("poa", Form::Texts(ADDRESSES)),
    optional("poah", Form::Headers),
    optional("apn", Form::Text),
    optional("nl", Form::Text),
    optional("or", Form::Text),
    optional("srv", Form::Texts(10)),
    optional("csz", Form::Serializations),
];
const CNT: &[Attribute] = &[
    optional("mni", Form::Number(0, 1_000_000)),
    optional("mbs", Form::Number(0, 1_000_000_000)),
    optional("mia", Form::Number(1, AGE_MAX_S as i64)),
    optional("li", Form::Text),
    optional("or", Form::Text),
];
const GRP: &[Attribute] = &[
    once("mt", Form::Number(0, 65_535)),
    mandatory("mid", Form::Texts(MEMBERS)),
    mandatory("mnm", Form::Number(1, 1_000_000)),
    once("csy", Form::Number(1, 3)),
    optional("macp", Form::Texts(ADDRESSES)),
    optional("gn", Form::Text),
];
const SUB: &[Attribute] = &[
    mandatory("nu", Form::Urls),
    optional("nct", Form::Number(1, 5)),
    optional("enc", Form::Events),
    optional("exc", Form::Number(1, 1_000_000)),
    optional("bn", Form::Batch),
    once("su", Form::Url),
];

/// The attributes of a type without those of all; those of flexContainers depend on their `cnd`.
pub(super) fn of_kind(kind: ResourceKind) -> &'static [Attribute] {
    match kind {
        ResourceKind::AccessControlPolicy => ACP,
        ResourceKind::ApplicationEntity => AE,
        ResourceKind::Container => CNT,
        ResourceKind::Group => GRP,
        ResourceKind::Subscription => SUB,
        ResourceKind::FlexContainer => &[],
    }
}

/// What a client gave for a new resource, or wants changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Given {
    /// `rn`
    pub name: Option<String>,
    /// `lbl`
    pub labels: Option<Vec<String>>,
    /// `acpi`, as written.
    pub policies: Option<Vec<String>>,
    /// `et`; the inner none takes it away.
    pub expires_at: Option<Option<Time>>,
    /// The attributes of the type; at a change, `null` takes one away.
    pub attributes: Map<String, Value>,
}

/// Reads what was given for a new resource.
pub(super) fn created(table: &[Attribute], given: Map<String, Value>, now: Time) -> Result<Given, Fault> {
    let mut read = Given::default();
    for (name, value) in given {
        if name == "rn" {
            read.name = Some(text(&name, &value)?);
        } else if !common(&mut read, &name, &value, now)? {
            let attribute = known(table, &name)?;
            // The public examples write what an entity does not have so.
            if value.is_null() && !attribute.mandatory {
                continue;
            }
            check(attribute, &value)?;
            read.attributes.insert(name, value);
        }
    }
    let missing = table.iter().find(|attribute| attribute.mandatory && !read.attributes.contains_key(attribute.name));
    match missing {
        Some(attribute) => Err(Fault::bad(format!("{}: is mandatory", attribute.name))),
        None => Ok(read),
    }
}

/// Reads what is to be changed.
pub(super) fn updated(table: &[Attribute], given: Map<String, Value>, now: Time) -> Result<Given, Fault> {
    let mut read = Given::default();
    for (name, value) in given {
        if value.is_null() && ["lbl", "acpi", "et"].contains(&name.as_str()) {
            match name.as_str() {
                "lbl" => read.labels = Some(vec![]),
                "acpi" => read.policies = Some(vec![]),
                _ => read.expires_at = Some(None),
            }
            continue;
        }
        if name == "rn" || name == "cnd" || name == "cr" {
            return Err(cannot_change(&name));
        }
        if common(&mut read, &name, &value, now)? {
            continue;
        }
        let attribute = known(table, &name)?;
        if !attribute.writable {
            return Err(cannot_change(&name));
        }
        if !value.is_null() {
            check(attribute, &value)?;
        } else if attribute.mandatory {
            return Err(Fault::bad(format!("{name}: is mandatory")));
        }
        read.attributes.insert(name, value);
    }
    Ok(read)
}

/// Reads a new content instance. `cs` counts the bytes of a text, or of the compact JSON (contract, Amb-6).
pub(super) fn instance(mut given: Map<String, Value>, now: Time) -> Result<NewInstance, Fault> {
    const CIN: &[Attribute] = &[
        optional("cnf", Form::ContentInfo),
        optional("or", Form::Text),
        optional("dgt", Form::Time),
        optional("dcnt", Form::Number(1, 1_000_000)),
    ];
    let content = given.remove("con").filter(|content| !content.is_null());
    let content = content.ok_or_else(|| Fault::bad("con: is mandatory"))?;
    if given.contains_key("acpi") {
        return Err(Fault::bad("acpi: an instance is ruled by its container's"));
    }
    let mut read = created(CIN, given, now)?;
    let json = content.to_string();
    Ok(NewInstance {
        name: read.name,
        size: content.as_str().map_or(json.len(), str::len) as u64,
        content: json,
        format: read.attributes.remove("cnf").as_ref().and_then(Value::as_str).map(str::to_owned),
        other: read.attributes,
        labels: read.labels.unwrap_or_default(),
        expires_at: read.expires_at.flatten(),
    })
}

/// Takes an attribute that all types have; says whether it was one.
fn common(read: &mut Given, name: &str, value: &Value, now: Time) -> Result<bool, Fault> {
    match name {
        "lbl" => read.labels = Some(labels(value)?),
        "acpi" => read.policies = Some(texts(name, value, ADDRESSES, TEXT_CHARS)?),
        "et" => read.expires_at = Some(Some(expiry(value, now)?)),
        // Asks for what is shown anyway.
        "cr" if value.is_null() => {}
        _ => return Ok(false),
    }
    Ok(true)
}

fn expiry(value: &Value, now: Time) -> Result<Time, Fault> {
    let at = value.as_str().and_then(Time::parse_onem2m);
    let at = at.ok_or_else(|| Fault::bad("et: must be a time written yyyyMMddTHHmmss"))?;
    if at <= now {
        return Err(Fault::bad("et: must not be in the past"));
    }
    Ok(at)
}

fn known<'a>(table: &'a [Attribute], name: &str) -> Result<&'a Attribute, Fault> {
    if let Some(found) = table.iter().find(|attribute| attribute.name == name) {
        return Ok(found);
    }
    if OURS.contains(&name) || name == "cr" {
        return Err(Fault::bad(format!("{name}: is set by the platform")));
    }
    if UNSUPPORTED.contains(&name) {
        return Err(Fault::bad(format!("{name}: is not supported")));
    }
    // A name is shown as far as it can be one.
    let shown: String = name.chars().take(64).collect();
    Err(Fault::bad(format!("{shown}: unknown attribute")))
}

fn cannot_change(name: &str) -> Fault {
    Fault::bad(format!("{name}: cannot be changed"))
}

/// Whether a value has the form of its attribute.
pub(super) fn check(attribute: &Attribute, value: &Value) -> Result<(), Fault> {
    let name = attribute.name;
    let wrong = |what: &str| Err(Fault::bad(format!("{name}: must be {what}")));
    match attribute.form {
        Form::Text => drop(text(name, value)?),
        Form::Texts(most) => drop(texts(name, value, most, URL_CHARS)?),
        Form::Number(from, to) => {
            if !value.as_i64().is_some_and(|number| (from..=to).contains(&number)) {
                return wrong(&format!("a whole number from {from} to {to}"));
            }
        }
        Form::Float if !value.is_number() => return wrong("a number"),
        Form::Bool if !value.is_boolean() => return wrong("true or false"),
        Form::Time if value.as_str().and_then(Time::parse_onem2m).is_none() => return wrong("a time written yyyyMMddTHHmmss"),
        Form::Urls => addresses(name, value)?,
        Form::Headers => headers(name, value)?,
        Form::Url => addresses(name, &Value::Array(vec![value.clone()]))?,
        Form::ContentInfo if !is_content_info(&text(name, value)?) => {
            return wrong("a media type, perhaps with :0, :1 or :2 (encoding) and :0 to :5 (security) behind it");
        }
        Form::Serializations if !texts(name, value, 10, TEXT_CHARS)?.iter().all(|one| is_serialization(one)) => {
            return wrong("a list of media types of JSON, XML or CBOR");
        }
        Form::Batch => batch(value)?,
        Form::Events => events(value)?,
        Form::Privileges => privileges(name, value)?,
        Form::Float | Form::Bool | Form::Time | Form::ContentInfo | Form::Serializations => {}
    }
    match (name, value) {
        ("api", Value::String(api)) if api.len() < 2 || !api.starts_with(['N', 'R']) => wrong("N or R and a name"),
        ("nct", value) if !(value == 1 || value == 2 || value == 3) => {
            wrong("1 (all attributes), 2 (those that changed) or 3 (the id); no other is supported")
        }
        _ => Ok(()),
    }
}

/// TS-0004, 6.3.3 (`m2m:contentInfo`). Programs leave the encoding away.
fn is_content_info(text: &str) -> bool {
    let mut parts = text.split(':');
    let (kind, encoding, security) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let names = kind.split_once('/').is_some_and(|(kind, of_it)| !kind.is_empty() && !of_it.is_empty() && !of_it.contains('/'));
    let within = |part: Option<&str>, known: &[&str]| part.is_none_or(|part| known.contains(&part));
    names
        && !kind.contains(|c: char| c.is_whitespace() || c.is_control())
        && within(encoding, &["0", "1", "2"])
        && within(security, &["0", "1", "2", "3", "4", "5"])
        && parts.next().is_none()
}

/// TS-0004, 6.3.3 (`m2m:serializations`), and the names that TS-0009 has for them.
fn is_serialization(text: &str) -> bool {
    let form = text.strip_prefix("application/").unwrap_or_default();
    let plain = form.strip_prefix("vnd.onem2m-").and_then(|form| form.split_once('+')).map_or(form, |(_, form)| form);
    ["json", "xml", "cbor"].contains(&plain)
}

fn text(name: &str, value: &Value) -> Result<String, Fault> {
    let text = value.as_str().filter(|text| (1..=TEXT_CHARS).contains(&text.chars().count()));
    text.map(str::to_owned).ok_or_else(|| Fault::bad(format!("{name}: must be a text of 1 to {TEXT_CHARS} characters")))
}

fn texts(name: &str, value: &Value, most: usize, chars: usize) -> Result<Vec<String>, Fault> {
    let list = value.as_array().filter(|list| list.len() <= most);
    let fits = |one: &Value| one.as_str().filter(|text| (1..=chars).contains(&text.chars().count())).map(str::to_owned);
    let texts: Option<Vec<String>> = list.and_then(|list| list.iter().map(fits).collect());
    texts.ok_or_else(|| Fault::bad(format!("{name}: must be a list of at most {most} texts of 1 to {chars} characters")))
}

/// Reads `lbl`.
pub(super) fn labels(value: &Value) -> Result<Vec<String>, Fault> {
    texts("lbl", value, LABELS, LABEL_CHARS)
}

fn addresses(name: &str, value: &Value) -> Result<(), Fault> {
    let given = texts(name, value, ADDRESSES, URL_CHARS)?;
    if given.is_empty() {
        return Err(Fault::bad(format!("{name}: must be 1 to {ADDRESSES} addresses")));
    }
    // What has no scheme names an application entity.
    if given.iter().any(|url| url.contains("://") && !url.starts_with("http://") && !url.starts_with("https://")) {
        return Err(Fault::bad(format!("{name}: only http and https addresses are supported")));
    }
    Ok(())
}

/// What frames a message is not for applications to say.
fn headers(name: &str, value: &Value) -> Result<(), Fault> {
    let pairs = header_pairs(value).filter(|pairs| pairs.len() <= HEADERS && value.to_string().len() <= HEADER_BYTES);
    let wrong = || {
        Fault::bad(format!(
            "{name}: must be a list of at most {HEADERS} texts, each an HTTP header's name, a colon and its value"
        ))
    };
    for (field, said) in pairs.ok_or_else(wrong)? {
        let field = HeaderName::try_from(field).ok().filter(|_| HeaderValue::from_str(&said).is_ok()).ok_or_else(wrong)?;
        if FRAMING.contains(&field) || field.as_str().starts_with("x-m2m-") {
            return Err(Fault::bad(format!("{name}: {field} is set by the platform")));
        }
    }
    Ok(())
}

/// The headers of a `poah`: a list of texts `Name: value`, or an object.
pub(super) fn header_pairs(value: &Value) -> Option<Vec<(String, String)>> {
    let pair = |name: &str, said: &str| (name.trim().to_owned(), said.trim().to_owned());
    match value {
        Value::Array(list) => list.iter().map(|one| one.as_str()?.split_once(':').map(|(name, said)| pair(name, said))).collect(),
        Value::Object(fields) => fields.iter().map(|(name, said)| Some(pair(name, said.as_str()?))).collect(),
        _ => None,
    }
}

fn events(value: &Value) -> Result<(), Fault> {
    let object = value.as_object().ok_or_else(|| Fault::bad("enc: must be an object"))?;
    if let Some(other) = object.keys().find(|key| !["net", "atr"].contains(&key.as_str())) {
        let shown: String = other.chars().take(64).collect();
        return Err(Fault::bad(format!("enc.{shown}: unknown or unsupported condition")));
    }
    if let Some(names) = object.get("atr")
        && texts("enc.atr", names, EVENT_ATTRIBUTES, TEXT_CHARS)?.is_empty()
    {
        return Err(Fault::bad("enc.atr: must not be empty"));
    }
    let Some(kinds) = object.get("net") else { return Ok(()) };
    let kinds = kinds.as_array().filter(|kinds| (1..=4).contains(&kinds.len()));
    let kinds = kinds.ok_or_else(|| Fault::bad("enc.net: must be a list of 1 to 4 numbers"))?;
    match kinds.iter().find(|kind| !kind.as_u64().is_some_and(|kind| (1..=4).contains(&kind))) {
        Some(Value::Number(other)) => {
            Err(Fault::bad(format!("enc.net: {other} is not supported; 1 update, 2 deletion, 3 child made, 4 child deleted are")))
        }
        Some(_) => Err(Fault::bad("enc.net: must be a list of 1 to 4 numbers")),
        None => Ok(()),
    }
}

fn batch(value: &Value) -> Result<(), Fault> {
    let object = value.as_object().filter(|object| !object.is_empty());
    let object = object.ok_or_else(|| Fault::bad("bn: must be an object with num, dur or both"))?;
    for (name, value) in object {
        let within = |number: Option<u64>, most: u64| number.is_some_and(|number| (1..=most).contains(&number));
        match name.as_str() {
            "num" if within(value.as_u64(), 100) => {}
            "dur" if within(value.as_str().and_then(parse_duration_s), 86_400) => {}
            "num" => return Err(Fault::bad("bn.num: must be a whole number from 1 to 100")),
            "dur" => return Err(Fault::bad("bn.dur: must be a duration from PT1S to P1D")),
            _ => return Err(Fault::bad("bn: must be an object with num, dur or both")),
        }
    }
    Ok(())
}

fn privileges(name: &str, value: &Value) -> Result<(), Fault> {
    let object = value.as_object().ok_or_else(|| Fault::bad(format!("{name}: must be an object")))?;
    if object.keys().any(|key| key != "acr") {
        return Err(Fault::bad(format!("{name}: only acr is known")));
    }
    let rules = object.get("acr").and_then(Value::as_array).filter(|rules| rules.len() <= RULES);
    let rules = rules.ok_or_else(|| Fault::bad(format!("{name}.acr: must be a list of at most {RULES} rules")))?;
    if name == "pvs" && rules.is_empty() {
        return Err(Fault::bad("pvs.acr: must not be empty, or nobody could change the policy"));
    }
    rules.iter().try_for_each(|rule| privilege(name, rule))
}

fn privilege(name: &str, rule: &Value) -> Result<(), Fault> {
    let rule = rule.as_object().ok_or_else(|| Fault::bad(format!("{name}.acr: must be a list of objects")))?;
    if let Some(other) = rule.keys().find(|key| !["acor", "acop"].contains(&key.as_str())) {
        let shown: String = other.chars().take(64).collect();
        return Err(Fault::bad(format!("{name}.acr.{shown}: unknown or unsupported condition")));
    }
    let whom = rule.get("acor").unwrap_or(&Value::Null);
    if texts(&format!("{name}.acr.acor"), whom, RULES, TEXT_CHARS)?.is_empty() {
        return Err(Fault::bad(format!("{name}.acr.acor: must not be empty")));
    }
    match rule.get("acop").and_then(Value::as_u64) {
        Some(0..=63) => Ok(()),
        _ => Err(Fault::bad(format!("{name}.acr.acop: must be a number from 0 to 63"))),
    }
}

/// For fuzzing: reads attributes as those of every type, and only must not panic.
pub(super) fn fuzz(given: &Map<String, Value>, now: Time) {
    for kind in ResourceKind::ALL {
        let _ = created(of_kind(kind), given.clone(), now);
        let _ = updated(of_kind(kind), given.clone(), now);
    }
    if let Ok(instance) = instance(given.clone(), now) {
        assert!(instance.size as usize <= instance.content.len(), "a text is shorter than its JSON");
    }
}

#[cfg(test)]
#[path = "attributes_tests.rs"]
mod tests;
