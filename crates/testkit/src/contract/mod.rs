//! A wire contract (an OpenAPI 3.0 document of `spec/` with our `x-` members) as a judge of answers and pushed bodies.
//!
//! Feed every answer a test sees to [`Contract::check_answer`]: status, schema and the error table of the operation are all
//! looked at. Absent: request checks, which are the business of the server under test, and headers.

mod schema;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use serde_json::Value;

use schema::Schema;

const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];

/// A loaded contract.
#[derive(Debug)]
pub struct Contract {
    operations: Vec<Operation>,
    /// `x-empty-without-accept`: changes are answered without a body where the request had no `Accept`.
    bare: bool,
    pushes: BTreeMap<String, Schema>,
}

/// One operation of a contract.
#[derive(Debug)]
pub struct Operation {
    /// `operationId`.
    pub id: String,
    /// In upper case.
    pub method: String,
    /// The path with its `{parameters}`.
    pub template: String,
    /// `x-other-paths`: where other versions have the same operation.
    pub other_paths: Vec<String>,
    /// `x-section`, such as `1.4.1`; empty where the contract has none.
    pub section: String,
    /// The error table, without the misprints.
    pub errors: Vec<ErrorRow>,
    answers: BTreeMap<u16, Answer>,
}

/// One row of an operation's error table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorRow {
    /// HTTP status; 200 for business errors.
    pub http: u16,
    /// `error_code` on the wire.
    pub code: String,
    /// `error_desc` on the wire, misprints included.
    pub desc: String,
}

/// The schemas of one status: OceanConnect mixes success and failure under 200.
#[derive(Debug, Default)]
struct Answer {
    success: Option<Schema>,
    failure: Option<Schema>,
    has_body: bool,
    /// The body is binary, and anything.
    is_free: bool,
}

/// What an answer or a pushed body got wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// `operationId`, name of the push, or method and path when no operation matches.
    pub operation: String,
    /// At least one.
    pub faults: Vec<Fault>,
}

/// One fault in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer into the body; empty for the whole.
    pub pointer: String,
    /// In words.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} breaks the contract", self.operation)?;
        for fault in &self.faults {
            let at = if fault.pointer.is_empty() { "/" } else { &fault.pointer };
            write!(f, "\n  at {at}: {}", fault.problem)?;
        }
        Ok(())
    }
}

impl std::error::Error for Violation {}

impl Violation {
    fn whole(operation: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { operation: operation.into(), faults: vec![Fault { pointer: String::new(), problem: problem.into() }] }
    }
}

impl Contract {
    /// The OceanConnect northbound contract, loaded once for the process.
    ///
    /// # Panics
    /// When the committed document cannot be understood; there is nothing to test then.
    #[must_use]
    pub fn oceanconnect() -> &'static Self {
        static LOADED: OnceLock<Contract> = OnceLock::new();
        LOADED.get_or_init(|| Self::committed(include_str!("../../../../spec/oceanconnect/huawei-northbound.openapi.yaml")))
    }

    /// The contract of Device-to-Cloud over oneM2M, loaded once for the process. Its paths begin below the tenant.
    ///
    /// # Panics
    /// As [`Self::oceanconnect`].
    #[must_use]
    pub fn onem2m() -> &'static Self {
        static LOADED: OnceLock<Contract> = OnceLock::new();
        LOADED.get_or_init(|| Self::committed(include_str!("../../../../spec/onem2m/onem2m-d2c.openapi.yaml")))
    }

    /// The Cumulocity contract, loaded once for the process.
    ///
    /// # Panics
    /// As [`Self::oceanconnect`].
    #[must_use]
    pub fn cumulocity() -> &'static Self {
        static LOADED: OnceLock<Contract> = OnceLock::new();
        LOADED
            .get_or_init(|| Self::committed(include_str!("../../../../spec/devicecontrol/cumulocity-devicecontrol.openapi.yaml")))
    }

    #[allow(clippy::panic, reason = "a broken committed contract must stop every test that relies on it")]
    fn committed(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|e| panic!("a contract of spec/ cannot be understood: {e}"))
    }

    /// Reads an OpenAPI 3.0 document in YAML.
    ///
    /// # Errors
    /// What cannot be read or understood, and in which operation.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document = yaml::to_json(text)?;
        let mut operations = Vec::new();
        for (template, item) in members(&document, "/paths") {
            for method in METHODS {
                if let Some(source) = item.get(method) {
                    let operation = Operation::read(&document, template, method, source);
                    operations.push(operation.map_err(|e| format!("{method} {template}: {e}"))?);
                }
            }
        }
        let mut pushes = BTreeMap::new();
        for (name, item) in members(&document, "/x-webhooks") {
            if let Some(schema) = item.pointer("/post/requestBody/content/application~1json/schema") {
                let schema = Schema::compile(schema, components(&document)).map_err(|e| format!("push {name}: {e}"))?;
                pushes.insert(name.clone(), schema);
            }
        }
        let bare = document.get("x-empty-without-accept") == Some(&Value::Bool(true));
        Ok(Self { operations, bare, pushes })
    }

    /// Every operation, in the order of the document.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operation that `method` (any case) on `path` (query ignored) means; literal segments win over parameters.
    #[must_use]
    pub fn operation(&self, method: &str, path: &str) -> Option<&Operation> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let candidates = self.operations.iter().filter(|o| o.method.eq_ignore_ascii_case(method));
        let literals = |o: &Operation| o.paths().filter_map(|template| literal_segments(template, path)).max();
        candidates.filter_map(|o| Some((literals(o)?, o))).max_by_key(|(n, _)| *n).map(|(_, o)| o)
    }

    /// The operation with this `operationId`.
    #[must_use]
    pub fn operation_by_id(&self, id: &str) -> Option<&Operation> {
        self.operations.iter().find(|o| o.id == id)
    }

    /// Every (operation, error row) pair: what a coverage test has to provoke.
    pub fn error_pairs(&self) -> impl Iterator<Item = (&Operation, &ErrorRow)> {
        self.operations.iter().flat_map(|o| o.errors.iter().map(move |row| (o, row)))
    }

    /// The names of all pushed bodies: the subscribable `notifyType`s and the callbacks.
    pub fn pushes(&self) -> impl Iterator<Item = &str> {
        self.pushes.keys().map(String::as_str)
    }

    /// Judges an answer and returns the operation it belongs to.
    ///
    /// # Errors
    /// No such operation, a status it does not list, a body where there must be none, a body that is no JSON or breaks its
    /// schema, or an error that is no row of the operation's table.
    pub fn check_answer(&self, method: &str, path: &str, status: u16, body: &[u8]) -> Result<&Operation, Violation> {
        let operation = self.operation(method, path);
        let operation = operation.ok_or_else(|| Violation::whole(format!("{method} {path}"), "no such operation"))?;
        let is_bare = self.bare && body.is_empty() && status / 100 == 2 && ["POST", "PUT"].contains(&operation.method.as_str());
        if is_bare && operation.answers.contains_key(&status) {
            return Ok(operation);
        }
        operation.check(status, body).map(|()| operation)
    }

    /// Judges a pushed body by its name: a `notifyType`, or a callback such as `commandStatusCallback`.
    ///
    /// # Errors
    /// No such push, a body that breaks the schema, or a `notifyType` inside that is another.
    pub fn check_push(&self, name: &str, body: &Value) -> Result<(), Violation> {
        let schema = self.pushes.get(name).ok_or_else(|| Violation::whole(name, "no such push"))?;
        let mut faults = schema.faults(body);
        if let Some(inside) = body.get("notifyType").and_then(Value::as_str).filter(|inside| *inside != name) {
            faults.push(Fault { pointer: "/notifyType".to_owned(), problem: format!("says {inside}, not {name}") });
        }
        if faults.is_empty() { Ok(()) } else { Err(Violation { operation: format!("push {name}"), faults }) }
    }

    /// Judges a pushed body by the `notifyType` inside it.
    ///
    /// # Errors
    /// As [`Self::check_push`], and a body without `notifyType`.
    pub fn check_notification(&self, body: &Value) -> Result<(), Violation> {
        let name = body.get("notifyType").and_then(Value::as_str);
        self.check_push(name.ok_or_else(|| Violation::whole("push", "has no notifyType"))?, body)
    }
}

impl Operation {
    /// Where it is: the path of the document, then those of other versions.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.template).chain(&self.other_paths).map(String::as_str)
    }

    fn read(document: &Value, template: &str, method: &str, source: &Value) -> Result<Self, String> {
        let text = |key: &str| source.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut answers = BTreeMap::new();
        for (status, response) in members(source, "/responses") {
            let number = status.parse().map_err(|_| format!("status {status} is no number"))?;
            answers.insert(number, Answer::read(document, response).map_err(|e| format!("{status}: {e}"))?);
        }
        let others = source.get("x-other-paths").and_then(Value::as_array).into_iter().flatten();
        let rows = source.get("x-error-codes").and_then(Value::as_array).into_iter().flatten();
        let errors = rows.map(ErrorRow::read).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            id: text("operationId"),
            method: method.to_uppercase(),
            template: template.to_owned(),
            other_paths: others.filter_map(Value::as_str).map(str::to_owned).collect(),
            section: text("x-section"),
            errors,
            answers,
        })
    }

    fn check(&self, status: u16, body: &[u8]) -> Result<(), Violation> {
        let refuse = |problem: String| Err(Violation::whole(&self.id, problem));
        let Some(answer) = self.answers.get(&status) else {
            return refuse(format!("status {status} is not listed: {}", String::from_utf8_lossy(body)));
        };
        if answer.is_free {
            return Ok(());
        }
        if !answer.has_body {
            return if body.is_empty() { Ok(()) } else { refuse(format!("status {status} has no body")) };
        }
        // Such an operation succeeds without a body and fails with one, under the same status.
        let only_failures = answer.success.is_none() && !self.answers.keys().any(|other| *other != status && other / 100 == 2);
        if body.is_empty() && status == 200 && only_failures {
            return Ok(());
        }
        let body: Value = match serde_json::from_slice(body) {
            Ok(body) => body,
            Err(e) => return refuse(format!("status {status}: the body is no JSON: {e}")),
        };
        let failed = body.get("error_code").is_some();
        let schema = if failed { &answer.failure } else { &answer.success };
        let Some(schema) = schema else {
            return refuse(format!("status {status} must {}be a failure: {body}", if failed { "not " } else { "" }));
        };
        let faults = schema.faults(&body);
        if !faults.is_empty() {
            return Err(Violation { operation: self.id.clone(), faults });
        }
        if failed && !self.errors.iter().any(|row| row.is(status, &body)) {
            return refuse(format!("status {status} with {body} is no row of the error table"));
        }
        Ok(())
    }
}

impl Answer {
    fn read(document: &Value, response: &Value) -> Result<Self, String> {
        let reference = response.get("$ref").and_then(Value::as_str);
        let response = match reference.map(|r| r.trim_start_matches('#')) {
            Some(pointer) => document.pointer(pointer).ok_or_else(|| format!("{pointer} leads nowhere"))?,
            None => response,
        };
        let is_free = members(response, "/content").any(|(_, content)| content["schema"]["format"] == "binary");
        let json = members(response, "/content").find(|(kind, _)| kind.ends_with("json"));
        let Some(schema) = json.and_then(|(_, content)| content.get("schema")) else {
            return Ok(Self { is_free, ..Self::default() });
        };
        let mut answer = Self { has_body: true, ..Self::default() };
        let branches = schema.get("anyOf").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![schema.clone()]);
        let is_failure = |b: &&Value| b.get("$ref").and_then(Value::as_str).is_some_and(|r| r.ends_with("/ErrorBody"));
        let (failures, successes): (Vec<_>, Vec<_>) = branches.iter().partition(is_failure);
        if let Some(failure) = failures.first() {
            answer.failure = Some(Schema::compile(failure, components(document))?);
        }
        match successes.as_slice() {
            [] => {}
            [one] => answer.success = Some(Schema::compile(one, components(document))?),
            many => answer.success = Some(Schema::compile(&serde_json::json!({"anyOf": many}), components(document))?),
        }
        Ok(answer)
    }
}

impl ErrorRow {
    fn read(source: &Value) -> Result<Self, String> {
        let http = source.get("http").and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok());
        let text = |key: &str| source.get(key).and_then(Value::as_str).map(str::to_owned);
        match (http, text("code"), text("desc")) {
            (Some(http), Some(code), Some(desc)) => Ok(Self { http, code, desc }),
            _ => Err(format!("x-error-codes row {source} needs http, code and desc")),
        }
    }

    fn is(&self, status: u16, body: &Value) -> bool {
        let says = |key: &str, text: &str| body.get(key).and_then(Value::as_str) == Some(text);
        self.http == status && says("error_code", &self.code) && says("error_desc", &self.desc)
    }
}

fn components(document: &Value) -> &Value {
    document.pointer("/components/schemas").unwrap_or(&Value::Null)
}

fn members<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

/// How many segments match literally; `None` when the path is another.
fn literal_segments(template: &str, path: &str) -> Option<usize> {
    let (wanted, given): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    if wanted.len() != given.len() {
        return None;
    }
    let mut literals = 0;
    for (wanted, given) in wanted.into_iter().zip(given) {
        match wanted.starts_with('{') {
            true if given.is_empty() => return None,
            true => {}
            false if wanted == given => literals += 1,
            false => return None,
        }
    }
    Some(literals)
}

#[cfg(test)]
mod tests;
