//! YAML to JSON, as far as our contracts need it: one document, string keys, no tags.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value};

/// Reads the single document in `text`.
///
/// # Errors
/// What is wrong and where, for text that is no YAML, holds no document, or uses what JSON cannot say.
pub(super) fn to_json(text: &str) -> Result<Value, String> {
    let documents = Yaml::load_from_str(text).map_err(|e| e.to_string())?;
    documents.first().ok_or_else(|| "holds no document".to_owned()).and_then(convert)
}

fn convert(node: &Yaml<'_>) -> Result<Value, String> {
    Ok(match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(b)) => Value::Bool(*b),
        Yaml::Value(Scalar::Integer(i)) => Value::from(*i),
        Yaml::Value(Scalar::FloatingPoint(f)) => Value::from(f.into_inner()),
        Yaml::Value(Scalar::String(s)) => Value::String(s.to_string()),
        Yaml::Sequence(items) => Value::Array(items.iter().map(convert).collect::<Result<_, _>>()?),
        Yaml::Mapping(entries) => {
            let pairs = entries.iter().map(|(k, v)| Ok((key(k)?, convert(v)?)));
            Value::Object(pairs.collect::<Result<Map<_, _>, String>>()?)
        }
        other => return Err(format!("cannot be said in JSON: {other:?}")),
    })
}

fn key(node: &Yaml<'_>) -> Result<String, String> {
    match node {
        Yaml::Value(Scalar::String(s)) => Ok(s.to_string()),
        Yaml::Value(Scalar::Integer(i)) => Ok(i.to_string()),
        other => Err(format!("a key must be text: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn block_and_flow_become_json() {
        let text = "a: {b: [1, 2.5, '3', true, null]}\n'200': text # comment\nc:\n  - d: |\n      two\n      lines\n";
        let want = json!({"a": {"b": [1, 2.5, "3", true, null]}, "200": "text", "c": [{"d": "two\nlines\n"}]});
        assert_eq!(to_json(text), Ok(want));
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        for text in ["", "{[1]: 2}", "a: [1", "a: !custom 1"] {
            assert!(to_json(text).is_err(), "{text:?}");
        }
    }
}
