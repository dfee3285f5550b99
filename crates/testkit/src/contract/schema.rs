//! OpenAPI 3.0 schemas as JSON Schema 2020-12: `nullable` becomes a null type, and objects are closed.
//!
//! Closed means that a property the contract does not name is a fault, also through `allOf`: our own answers say nothing
//! that the contract does not know. A consumer must be more tolerant than this (1.2); a producer under test must not.

use std::collections::BTreeSet;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::Fault;

const REF_PREFIX: &str = "#/components/schemas/";
/// Keywords that mean the same in both dialects.
const KEPT: &str = "type enum required minimum maximum minLength maxLength pattern minItems maxItems uniqueItems \
                    minProperties maxProperties multipleOf";
/// Keywords that describe and do not constrain; formats are not enforced because the contract spells its own out as patterns.
const DROPPED: &str = "description example examples default format title readOnly writeOnly deprecated externalDocs nullable";
/// At most this many faults are told about one body.
const FAULTS_MAX: usize = 8;

/// One schema of a contract, compiled.
#[derive(Debug)]
pub(super) struct Schema(Validator);

impl Schema {
    /// Compiles `schema`, resolving references against `components` (the contract's `components.schemas`).
    ///
    /// # Errors
    /// A keyword or reference that is not understood, by name: an unchecked constraint would be a silent hole.
    pub(super) fn compile(schema: &Value, components: &Value) -> Result<Self, String> {
        let mut needed = Needed::default();
        let mut root = translate(schema, true, &mut needed)?;
        let mut definitions = Map::new();
        while let Some(name) = needed.open.pop_first() {
            let (base, closed) = name.strip_suffix(".open").map_or((name.as_str(), true), |base| (base, false));
            let component = components.get(base).ok_or_else(|| format!("no component schema {base}"))?;
            let translated = translate(component, closed, &mut needed).map_err(|e| format!("{base}: {e}"))?;
            needed.done.insert(name.clone());
            definitions.insert(name, translated);
        }
        if let Value::Object(root) = &mut root {
            root.insert("$defs".to_owned(), Value::Object(definitions));
        }
        jsonschema::draft202012::new(&root).map(Self).map_err(|e| e.to_string())
    }

    /// What is wrong with `body`; empty when nothing is.
    pub(super) fn faults(&self, body: &Value) -> Vec<Fault> {
        let fault = |e: jsonschema::ValidationError<'_>| Fault { pointer: e.instance_path().to_string(), problem: e.to_string() };
        self.0.iter_errors(body).take(FAULTS_MAX).map(fault).collect()
    }
}

/// Component schemas that were referred to, with `.open` behind the name where the open form is meant.
#[derive(Default)]
struct Needed {
    open: BTreeSet<String>,
    done: BTreeSet<String>,
}

impl Needed {
    fn reference(&mut self, target: &str, closed: bool) -> Result<Value, String> {
        let name = target.strip_prefix(REF_PREFIX).ok_or_else(|| format!("reference {target} leads out of {REF_PREFIX}"))?;
        let name = if closed { name.to_owned() } else { format!("{name}.open") };
        let reference = json!({"$ref": format!("#/$defs/{name}")});
        if !self.done.contains(&name) {
            self.open.insert(name);
        }
        Ok(reference)
    }
}

fn translate(schema: &Value, closed: bool, needed: &mut Needed) -> Result<Value, String> {
    let Value::Object(schema) = schema else { return Err(format!("a schema must be an object: {schema}")) };
    if let Some(Value::String(target)) = schema.get("$ref") {
        return needed.reference(target, closed);
    }
    let mut out = Map::new();
    for (keyword, value) in schema {
        let translated = match keyword.as_str() {
            "properties" => each_value(value, needed)?,
            "items" => translate(value, true, needed)?,
            "additionalProperties" if value.is_boolean() => value.clone(),
            "additionalProperties" => translate(value, true, needed)?,
            "allOf" => each_item(value, false, needed)?,
            // A branch is only closed by itself when nothing beside it adds properties.
            "anyOf" | "oneOf" => each_item(value, closed && !schema.contains_key("properties"), needed)?,
            other if KEPT.split_whitespace().any(|k| k == other) => value.clone(),
            other if other.starts_with("x-") || DROPPED.split_whitespace().any(|k| k == other) => continue,
            other => return Err(format!("keyword {other} is not understood")),
        };
        out.insert(keyword.clone(), translated);
    }
    let names_properties = out.contains_key("properties") || out.contains_key("allOf");
    if closed && names_properties && !out.contains_key("additionalProperties") {
        out.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
    }
    Ok(if schema.get("nullable") == Some(&Value::Bool(true)) { or_null(out) } else { Value::Object(out) })
}

fn or_null(mut schema: Map<String, Value>) -> Value {
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
    match schema.get_mut("type") {
        Some(kind) => *kind = json!([kind.clone(), "null"]),
        None => return json!({"anyOf": [schema, {"type": "null"}]}),
    }
    Value::Object(schema)
}

fn each_value(value: &Value, needed: &mut Needed) -> Result<Value, String> {
    let Value::Object(entries) = value else { return Err("properties must be an object".to_owned()) };
    let entries = entries.iter().map(|(k, v)| Ok((k.clone(), translate(v, true, needed).map_err(|e| format!("{k}: {e}"))?)));
    entries.collect::<Result<Map<_, _>, String>>().map(Value::Object)
}

fn each_item(value: &Value, closed: bool, needed: &mut Needed) -> Result<Value, String> {
    let Value::Array(items) = value else { return Err("a composition must be a list".to_owned()) };
    items.iter().map(|item| translate(item, closed, needed)).collect::<Result<_, _>>().map(Value::Array)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(schema: &Value, body: &Value) -> bool {
        let components = json!({
            "Base": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "maxLength": 3}}},
            "Child": {"allOf": [{"$ref": "#/components/schemas/Base"}, {"type": "object", "properties": {"n": {"type": "integer"}}}]},
            "Tree": {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}}},
        });
        Schema::compile(schema, &components).unwrap().faults(body).is_empty()
    }

    #[test]
    fn bodies_are_judged_as_openapi_means() {
        let component = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
        let either = json!({"anyOf": [component("Base"), component("Tree")]});
        let nullable_enum = json!({"type": "string", "nullable": true, "enum": ["A"]});
        let nullable_object = json!({"nullable": true, "allOf": [component("Base")]});
        let map = json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "integer"}});
        let cases = [
            (component("Base"), json!({"id": "abc"}), true),
            (component("Base"), json!({"id": "abcd"}), false),
            (component("Base"), json!({"id": "abc", "extra": 1}), false),
            (component("Child"), json!({"id": "abc", "n": 1}), true),
            (component("Child"), json!({"id": "abc", "n": "1"}), false),
            (component("Child"), json!({"id": "abc", "m": 1}), false),
            (component("Tree"), json!({"kids": [{"kids": []}]}), true),
            (component("Tree"), json!({"kids": [{"kid": []}]}), false),
            (either.clone(), json!({"kids": []}), true),
            (either, json!({"id": "a", "kids": []}), false),
            (nullable_enum.clone(), Value::Null, true),
            (nullable_enum.clone(), json!("A"), true),
            (nullable_enum, json!("B"), false),
            (nullable_object.clone(), Value::Null, true),
            (nullable_object.clone(), json!({"id": "x"}), true),
            (nullable_object, json!({"id": "x", "y": 1}), false),
            (map.clone(), json!({"a": "s", "b": 1}), true),
            (map, json!({"b": "s"}), false),
            (json!({"type": "object"}), json!({"anything": [1]}), true),
        ];
        for (schema, body, good) in cases {
            assert_eq!(verdict(&schema, &body), good, "{body} against {schema}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (schema, word) in [
            (json!({"if": {}}), "if"),
            (json!({"$ref": "#/components/schemas/None"}), "None"),
            (json!({"$ref": "other.yaml"}), "other.yaml"),
            (json!({"properties": {"a": {"const": 1}}}), "a: keyword const"),
        ] {
            let error = Schema::compile(&schema, &json!({})).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
