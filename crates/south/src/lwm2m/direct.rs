//! What operators ask of a registered device directly (LwM2M core, 6.3): one request, one answer, in the device's line of operations.
//!
//! Absent: observations, which the product model wants or not; anything that outlives the process, as cached commands do.

use super::{
    bindings::{json_of, value_of},
    client::{Client, Op},
    desk::Place,
    hub::{Hub, Moment},
    plan::Plan,
    wire,
};
use landfall_coap::{ExchangeId, Failure, Message};
use landfall_lwm2m::{
    AttributeChange, Attributes, ContentFormat, Entry, LinkLimits, Models, ObjectModels, Path, Request, Response, ValueType,
    link,
    operation::{self, Argument, WriteMode},
};
use landfall_model::{Cause, DeviceId, Error, Result, Time};
use serde_json::{Map, Value as Json, json};
use std::{fmt, time::Duration};
use tokio::sync::oneshot;

/// Longest wait for a device, seconds.
const WAIT_S: u32 = 300;
/// Paths of one request.
const PATHS: usize = 100;
/// Values of one request.
const VALUES: usize = 1_000;
/// Characters of a diagnostic that are told.
const DIAGNOSTIC: usize = 200;
/// Formats that may be asked for by name; the device's own choice or that of its registration without.
const FORMATS: [ContentFormat; 8] = [
    ContentFormat::TEXT,
    ContentFormat::OPAQUE,
    ContentFormat::CBOR,
    ContentFormat::SENML_JSON,
    ContentFormat::SENML_CBOR,
    ContentFormat::TLV,
    ContentFormat::JSON,
    ContentFormat::LWM2M_CBOR,
];

/// Format of a `read` that leaves it to the device.
const ANY: &str = "any";

/// What an operator asks of a device, in plain words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Direct {
    /// `read`, `discover`, `write` (replaces), `update`, `execute`, `create`, `delete`, `attributes`, `readComposite`, `writeComposite`.
    pub operation: String,
    /// Exactly one; at least one for `readComposite`, none for `writeComposite`.
    pub paths: Vec<String>,
    /// By path, for `write`, `update`, `create` and `writeComposite`.
    pub values: Vec<(String, Json)>,
    /// For `execute`, such as `0='a',5` (LwM2M core, 6.3.5).
    pub arguments: String,
    /// For `attributes`: set, or taken away where there is no value.
    pub attributes: Vec<(String, Option<String>)>,
    /// Levels that `discover` goes down, 0 to 3; only devices of 1.2 know it.
    pub depth: Option<u8>,
    /// Content format by name, such as `tlv` or `senml+json`; for `read` also `any`, as the device likes (no Accept).
    pub format: Option<String>,
    /// Seconds to wait for the device and its answer, 1 to 300.
    pub wait_s: u32,
}

/// An operation, understood.
enum Act {
    /// In the format that the device likes, or that suits it.
    Read(Path, bool),
    Discover(Path, Option<u8>),
    Write(Path, WriteMode, Values),
    Execute(Path, Vec<Argument>),
    Create(Path, Values),
    Delete(Path),
    Attributes(Path, Box<AttributeChange>),
    ReadComposite(Vec<Path>),
    WriteComposite(Values),
}

type Values = Vec<(Path, Json)>;

/// A request in the line of its device.
pub(crate) struct Order {
    act: Act,
    format: Option<ContentFormat>,
    pub(super) wait: Duration,
    /// Until when it waits on the machine's clock, and a number of its own.
    pub(super) key: (Duration, u64),
    reply: oneshot::Sender<Result<Json>>,
    _place: Place,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Direct")
    }
}

impl Order {
    pub(super) fn new(direct: &Direct, reply: oneshot::Sender<Result<Json>>, place: Place) -> Result<Self> {
        if !(1..=WAIT_S).contains(&direct.wait_s) {
            return Err(Error::invalid("waitS", "must be 1 to 300"));
        }
        let named = |name: &String| FORMATS.into_iter().find(|format| format.name() == Some(name.as_str()));
        let format = match &direct.format {
            Some(_) if is_any(direct) => None,
            Some(name) => Some(named(name).ok_or_else(|| Error::invalid("format", "is none of LwM2M"))?),
            None => None,
        };
        let wait = Duration::from_secs(direct.wait_s.into());
        Ok(Self { act: Act::new(direct)?, format, wait, key: Default::default(), reply, _place: place })
    }

    /// Whether nobody waits for the answer any more.
    pub(super) fn is_closed(&self) -> bool {
        self.reply.is_closed()
    }

    fn request(&self, plan: &Plan, models: &ObjectModels) -> std::result::Result<Request, String> {
        let (root, models) = (plan.root.as_str(), plan.models(models));
        let many = || self.format.unwrap_or_else(|| plan.formats().many());
        let composite = || {
            let usual = plan.formats().composite().ok_or_else(|| "LwM2M 1.0 has no composite operations".to_owned());
            usual.map(|usual| self.format.unwrap_or(usual))
        };
        let built = match &self.act {
            Act::Read(path, any) => {
                let wanted = (path.depth() < 3 && !any).then(|| plan.formats().many());
                operation::read(root, path, self.format.or(wanted))
            }
            Act::Discover(path, None) => operation::discover(root, path),
            Act::Discover(path, Some(depth)) => operation::discover_depth(root, path, *depth),
            Act::Write(path, mode, values) => {
                let entries = entries(models, values)?;
                let (wanted, multiple) = (models.value_type(path), models.resource(path).is_some_and(|r| r.multiple));
                let plain = || if path.depth() < 3 { plan.formats().many() } else { plan.formats().at(path, wanted, multiple) };
                operation::write(root, path, *mode, self.format.unwrap_or_else(plain), &entries)
            }
            Act::Execute(path, arguments) => operation::execute(root, path, arguments),
            Act::Create(path, values) => operation::create(root, path, many(), &entries(models, values)?),
            Act::Delete(path) => operation::delete(root, path),
            Act::Attributes(path, change) => operation::write_attributes(root, path, change),
            Act::ReadComposite(paths) => operation::read_composite(root, paths, composite()?),
            Act::WriteComposite(values) => operation::write_composite(root, &entries(models, values)?, composite()?),
        };
        built.map_err(|error| error.to_string())
    }

    fn answer(&self, plan: &Plan, models: &ObjectModels, response: &Response) -> Json {
        let mut answer = json!({ "code": response.code.to_string() });
        if response.code.class() != 2 {
            let diagnostic: String = String::from_utf8_lossy(&response.payload).chars().take(DIAGNOSTIC).collect();
            answer["diagnostic"] = diagnostic.into();
            return answer;
        }
        let (name, (value, unread)) = match &self.act {
            Act::Read(path, _) => ("values", values_of(plan, models, response, path)),
            Act::ReadComposite(_) => ("values", values_of(plan, models, response, &Path::ROOT)),
            Act::Discover(..) => ("links", links_of(plan, response)),
            Act::Create(..) => ("location", (format!("/{}", response.location.join("/")).into(), None)),
            _ => return answer,
        };
        if !value.is_null() {
            answer[name] = value;
        }
        if let Some(unread) = unread {
            answer["diagnostic"] = format!("the answer cannot be read: {unread}").into();
        }
        answer
    }
}

impl Act {
    fn new(direct: &Direct) -> Result<Self> {
        let word = direct.operation.as_str();
        let takes = |name: &'static str, words: &[&str], empty: bool| {
            let wrong = !empty && !words.contains(&word);
            if wrong { Err(Error::invalid(name, "does not belong to the operation")) } else { Ok(()) }
        };
        takes("values", &["write", "update", "create", "writeComposite"], direct.values.is_empty())?;
        takes("arguments", &["execute"], direct.arguments.is_empty())?;
        takes("attributes", &["attributes"], direct.attributes.is_empty())?;
        takes("depth", &["discover"], direct.depth.is_none())?;
        // An instance that is replaced by nothing would lose everything.
        if direct.values.is_empty() && ["write", "update", "writeComposite"].contains(&word) {
            return Err(Error::invalid("values", "name what to write"));
        }
        if direct.paths.len() > PATHS || direct.values.len() > VALUES {
            return Err(Error::invalid("paths", "must be at most 100 paths and 1000 values"));
        }
        let paths = direct.paths.iter().map(|text| path("path", text)).collect::<Result<Vec<Path>>>()?;
        let values = || {
            let value = |(at, value): &(String, Json)| Ok((path("values", at)?, value.clone()));
            direct.values.iter().map(value).collect::<Result<Values>>()
        };
        match (word, &paths[..]) {
            ("read", [path]) => Ok(Self::Read(*path, is_any(direct))),
            ("discover", [path]) => Ok(Self::Discover(*path, direct.depth)),
            ("write", [path]) => Ok(Self::Write(*path, WriteMode::Replace, values()?)),
            ("update", [path]) => Ok(Self::Write(*path, WriteMode::Update, values()?)),
            ("execute", [path]) => {
                let arguments = operation::parse_arguments(&direct.arguments);
                let arguments = arguments.ok_or_else(|| Error::invalid("arguments", "must be such as 0='a',5"))?;
                Ok(Self::Execute(*path, arguments))
            }
            ("create", [path]) => Ok(Self::Create(*path, values()?)),
            ("delete", [path]) => Ok(Self::Delete(*path)),
            ("attributes", [path]) => Ok(Self::Attributes(*path, Box::new(change(&direct.attributes)?))),
            ("readComposite", [_, ..]) => Ok(Self::ReadComposite(paths)),
            ("writeComposite", []) => Ok(Self::WriteComposite(values()?)),
            ("read" | "discover" | "write" | "update" | "execute" | "create" | "delete" | "attributes", _) => {
                Err(Error::invalid("path", "name one path"))
            }
            ("readComposite" | "writeComposite", _) => {
                Err(Error::invalid("paths", "readComposite needs them, writeComposite has none"))
            }
            _ => Err(Error::invalid("operation", "is none of LwM2M")),
        }
    }
}

/// Whether it leaves the format to the device.
fn is_any(direct: &Direct) -> bool {
    direct.operation == "read" && direct.format.as_deref() == Some(ANY)
}

fn path(name: &'static str, text: &str) -> Result<Path> {
    text.parse().map_err(|error| Error::invalid(name, format!("{error}")))
}

fn change(attributes: &[(String, Option<String>)]) -> Result<AttributeChange> {
    let query = |(name, value): &(String, Option<String>)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    };
    let queries: Vec<String> = attributes.iter().map(query).collect();
    let wrong = |error: landfall_lwm2m::AttributeError| Error::invalid("attributes", error.to_string());
    let change = AttributeChange::parse(&queries).map_err(wrong)?;
    change.apply(&Attributes::default()).map_err(wrong)?;
    Ok(change)
}

fn entries(models: Models<'_>, values: &Values) -> std::result::Result<Vec<Entry>, String> {
    let entry = |(path, json): &(Path, Json)| {
        let wanted = models.value_type(path).unwrap_or_else(|| type_of_json(json));
        let value = value_of(&json.to_string(), wanted).ok_or_else(|| format!("{path}: the value does not fit {wanted:?}"))?;
        Ok(Entry::new(first_of(models, path), value))
    };
    values.iter().map(entry).collect()
}

/// Where a single value of a resource goes that may have several.
pub(super) fn first_of(models: Models<'_>, path: &Path) -> Path {
    let multiple = path.depth() == 3 && models.resource(path).is_some_and(|resource| resource.multiple);
    if multiple { path.child(0).unwrap_or(*path) } else { *path }
}

/// What a value is at a resource that no object model describes.
fn type_of_json(json: &Json) -> ValueType {
    match json {
        Json::Bool(_) => ValueType::Boolean,
        Json::Number(number) if number.is_f64() => ValueType::Float,
        Json::Number(_) => ValueType::Integer,
        _ => ValueType::String,
    }
}

/// The values of an answer by path, and what of it cannot be read.
fn values_of(plan: &Plan, models: &ObjectModels, response: &Response, path: &Path) -> (Json, Option<String>) {
    let decoded = match operation::values(response, path, &plan.reading(models)) {
        Ok(decoded) => decoded,
        Err(error) => return (Json::Null, Some(error.to_string())),
    };
    let value = |entry: &Entry| Some((entry.path.to_string(), json_of(&entry.value)?));
    let mut unread: Vec<String> = decoded.faults.iter().map(ToString::to_string).collect();
    unread.extend((decoded.faults_untold > 0).then(|| format!("{} more", decoded.faults_untold)));
    let values = Json::Object(decoded.entries.iter().filter_map(value).collect());
    (values, Some(unread.join("; ")).filter(|text| !text.is_empty()))
}

fn links_of(plan: &Plan, response: &Response) -> (Json, Option<String>) {
    let answer = match link::parse_discover(&response.payload, &plan.root, &LinkLimits::default()) {
        Ok(answer) => answer,
        Err(error) => return (Json::Null, Some(error.to_string())),
    };
    let link = |link: &link::Discovered| {
        // In the form of the link format: `;dim=2;pmin=10`.
        let told = link.attributes.to_link();
        let pair = |text: &str| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            (name.to_owned(), Json::from(value.trim_matches('"')))
        };
        let attributes: Map<String, Json> = told.split(';').filter(|text| !text.is_empty()).map(pair).collect();
        json!({ "path": link.path.to_string(), "attributes": attributes })
    };
    (answer.links.iter().map(link).collect(), None)
}

fn offline(text: impl Into<String>) -> Error {
    Error::new(Cause::DeviceOffline, text.into())
}

pub(super) fn not_registered() -> Error {
    offline("the device is not registered over LwM2M")
}

impl Hub {
    /// Puts a request into the line of its device.
    pub(super) fn order(&mut self, now: Moment, device: DeviceId, mut order: Order) {
        let Some(client) = self.clients.get_mut(&device).filter(|_| !order.is_closed()) else {
            return self.settle_order(order, Err(not_registered()));
        };
        self.order_number += 1;
        order.key = (now.since + order.wait, self.order_number);
        self.orders.insert(order.key, device);
        client.busy().ops.push_back(Op::Direct(Box::new(order)));
        self.pump(now, device);
    }

    pub(super) fn settle_order(&mut self, order: Order, outcome: Result<Json>) {
        self.orders.remove(&order.key);
        let Order { reply, .. } = order;
        // Nobody waits any more where this fails.
        let _ = reply.send(outcome);
    }

    /// Takes the requests out that wait with a client.
    pub(super) fn take_orders(&mut self, device: DeviceId) -> Vec<Order> {
        let Some(busy) = self.clients.get_mut(&device).and_then(|client| client.busy.as_mut()) else { return vec![] };
        let (mut orders, ops) = (vec![], std::mem::take(&mut busy.ops));
        for op in ops {
            match op {
                Op::Direct(order) => orders.push(*order),
                op => busy.ops.push_back(op),
            }
        }
        orders
    }

    /// Requests whose callers left make room.
    pub(super) fn drop_orders(&mut self, device: DeviceId) {
        for order in self.take_orders(device) {
            if order.is_closed() {
                self.settle_order(order, Err(not_registered()));
            } else if let Some(client) = self.clients.get_mut(&device) {
                client.busy().ops.push_back(Op::Direct(Box::new(order)));
            }
        }
    }

    /// The request of an order; `None`: it is settled already.
    pub(super) fn order_request(&mut self, plan: &Plan, order: Order) -> Option<(Request, Op)> {
        if order.is_closed() {
            self.settle_order(order, Err(not_registered()));
            return None;
        }
        match order.request(plan, &self.shared.models) {
            Ok(request) => Some((request, Op::Direct(Box::new(order)))),
            Err(error) => {
                self.settle_order(order, Err(Error::invalid("operation", error)));
                None
            }
        }
    }

    pub(super) fn order_answered(&mut self, now: Moment, device: DeviceId, order: Order, message: &Message) {
        let plan = self.plan_of(device);
        let outcome = match plan {
            Some(plan) => Ok(order.answer(&plan, &self.shared.models, &wire::response(message))),
            None => Err(not_registered()),
        };
        self.settle_order(order, outcome);
        self.pump(now, device);
    }

    pub(super) fn order_failed(&mut self, now: Moment, device: DeviceId, order: Order, cause: Failure) {
        let late = !self.orders.contains_key(&order.key);
        let error = match cause {
            Failure::Timeout | Failure::PeerGone => offline("the device did not answer"),
            Failure::Cancelled if late => {
                offline(format!("the device did not answer within {} s; it may have done it", order.wait.as_secs()))
            }
            Failure::Cancelled => offline("the device registered anew or left before it answered"),
            Failure::TooLong => offline("the request is longer than the device takes in one record"),
            other => offline(format!("the exchange failed: {other:?}")),
        };
        self.settle_order(order, Err(error));
        self.pump(now, device);
    }

    /// Ends the requests whose time is over.
    pub(super) fn late_orders(&mut self, now: Moment) {
        while let Some((key, device)) = self.orders.first_key_value().map(|(key, device)| (*key, *device)) {
            if key.0 > now.since {
                return;
            }
            self.orders.remove(&key);
            self.late_order(now, device, key);
        }
    }

    fn late_order(&mut self, now: Moment, device: DeviceId, key: (Duration, u64)) {
        let awake = self.shared.awake();
        let Some(client) = self.clients.get_mut(&device) else { return };
        let reason = why_it_waited(client, now, awake);
        let Some(busy) = client.busy.as_mut() else { return };
        if let Some(at) = busy.ops.iter().position(|op| is_order(op, key)) {
            if let Some(Op::Direct(order)) = busy.ops.remove(at) {
                self.settle_order(*order, Err(offline(reason)));
            }
            return;
        }
        let under_way: Option<ExchangeId> = busy.exchange;
        if let Some(id) = under_way.filter(|id| self.exchanges.get(id).is_some_and(|(_, op)| is_order(op, key))) {
            self.coap.cancel(now.since, id);
        }
    }
}

fn is_order(op: &Op, key: (Duration, u64)) -> bool {
    matches!(op, Op::Direct(order) if order.key == key)
}

fn why_it_waited(client: &Client, now: Moment, awake: Duration) -> String {
    let heard = client.awake_until.checked_sub(awake).filter(|_| !client.awake_until.is_zero());
    let ago_ms = heard.and_then(|heard| i64::try_from(now.since.saturating_sub(heard).as_millis()).ok());
    let last = match ago_ms {
        Some(ago_ms) => format!("it was last heard at {}", Time(now.at.0.saturating_sub(ago_ms)).iso()),
        None => "it was not heard since the server started".to_owned(),
    };
    match (client.hears(now.since), client.reachable) {
        (true, _) => "the device was busy with other requests".to_owned(),
        (false, true) => format!("the device sleeps; {last}"),
        (false, false) => format!("the device did not answer before; {last}"),
    }
}
