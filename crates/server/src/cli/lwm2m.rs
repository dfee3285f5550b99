//! `landfall lwm2m`: one operation at a registered device.

use super::{Done, Failure, client::Client, command::values, device::path as device_path, output::Output};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

/// What to ask a registered LwM2M device. DEVICE is a deviceId or a nodeId, PATH such as /3/0/0.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Read an object, an instance, a resource; several paths are read at once (LwM2M 1.1)
    Read {
        #[command(flatten)]
        target: Target,
        /// What to read
        #[arg(required = true)]
        path: Vec<String>,
    },
    /// List what is there, with attributes
    Discover {
        #[command(flatten)]
        target: Target,
        /// Where to look
        path: String,
        /// Levels to go down, 0 to 3 (LwM2M 1.2)
        #[arg(long, value_name = "N")]
        depth: Option<u8>,
    },
    /// Write a resource, or replace an instance; without PATH values of several objects at once (LwM2M 1.1)
    Write(Box<Write>),
    /// Change resources of an instance; what is not named stays
    Update(Box<Write>),
    /// Execute a resource
    Execute {
        #[command(flatten)]
        target: Target,
        /// The resource
        path: String,
        /// Such as 0='a',5
        #[arg(default_value = "")]
        arguments: String,
    },
    /// Make an instance of an object
    Create {
        #[command(flatten)]
        target: Target,
        /// The object
        path: String,
        /// Resources by their whole path; a value that is no JSON is taken as text
        #[arg(value_name = "PATH=VALUE")]
        values: Vec<String>,
    },
    /// Delete an instance
    Delete {
        #[command(flatten)]
        target: Target,
        /// The instance
        path: String,
    },
    /// Write attributes, which shape notifications
    Attributes {
        #[command(flatten)]
        target: Target,
        /// What they belong to
        path: String,
        /// Such as pmin=10; NAME= takes one away
        #[arg(value_name = "NAME=NUMBER", required = true)]
        attributes: Vec<String>,
    },
}

/// Which device, and how.
#[derive(Args, Debug)]
pub struct Target {
    /// deviceId or nodeId
    device: String,
    /// Seconds to wait for the device and its answer, at most 100
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=100))]
    wait: u32,
    /// Content format: text, opaque, cbor, senml+json, senml+cbor, tlv, json or lwm2m+cbor; of a read also any, as the device likes
    #[arg(long)]
    format: Option<String>,
}

/// What to write.
#[derive(Args, Debug)]
pub struct Write {
    #[command(flatten)]
    target: Target,
    /// Where
    path: Option<String>,
    /// Value of a resource; one that is no JSON is taken as text
    #[arg(allow_negative_numbers = true)]
    value: Option<String>,
    /// A resource by its whole path; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE", conflicts_with = "value")]
    sets: Vec<String>,
}

impl Action {
    pub(super) async fn run(&self, client: &Client, out: &Output) -> Done {
        let (target, mut body) = self.body()?;
        body["waitS"] = target.wait.into();
        if let Some(format) = &target.format {
            body["format"] = format.as_str().into();
        }
        let path = format!("{}/lwm2m", device_path(client, &target.device).await?);
        let answer = client.post(&path, &[], body).await?;
        show(&answer, out)
    }

    fn body(&self) -> Done<(&Target, Value)> {
        Ok(match self {
            Self::Read { target, path } => match &path[..] {
                [path] => (target, json!({ "operation": "read", "path": path })),
                paths => (target, json!({ "operation": "readComposite", "paths": paths })),
            },
            Self::Discover { target, path, depth } => (target, json!({ "operation": "discover", "path": path, "depth": depth })),
            Self::Write(write) => (&write.target, write.body("write")?),
            Self::Update(write) => (&write.target, write.body("update")?),
            Self::Execute { target, path, arguments } => {
                (target, json!({ "operation": "execute", "path": path, "arguments": arguments }))
            }
            Self::Create { target, path, values: pairs } => {
                (target, json!({ "operation": "create", "path": path, "values": values(pairs)? }))
            }
            Self::Delete { target, path } => (target, json!({ "operation": "delete", "path": path })),
            Self::Attributes { target, path, attributes } => {
                (target, json!({ "operation": "attributes", "path": path, "attributes": numbers(attributes)? }))
            }
        })
    }
}

impl Write {
    fn body(&self, operation: &str) -> Done<Value> {
        let sets = values(&self.sets)?;
        match (&self.path, &self.value) {
            (Some(path), Some(text)) => {
                let value: Value = serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into());
                Ok(json!({ "operation": operation, "path": path, "value": value }))
            }
            (Some(path), None) if !sets.is_empty() => Ok(json!({ "operation": operation, "path": path, "values": sets })),
            (None, _) if !sets.is_empty() && operation == "write" => Ok(json!({ "operation": "writeComposite", "values": sets })),
            _ => Err(Failure::new("name a PATH with a VALUE or with --set PATH=VALUE")),
        }
    }
}

/// `NAME=NUMBER` pairs; a name without a number is null.
fn numbers(pairs: &[String]) -> Done<Map<String, Value>> {
    let number = |(name, value): (String, Value)| match value {
        Value::String(text) if text.is_empty() => Ok((name, Value::Null)),
        Value::Number(_) | Value::Bool(_) => Ok((name, value)),
        _ => Err(Failure::new(format!("{name} must be a number"))),
    };
    values(pairs)?.into_iter().map(number).collect()
}

/// Prints the answer; a refusal is a failure.
fn show(answer: &Value, out: &Output) -> Done {
    let code = answer["code"].as_str().unwrap_or_default();
    if !code.starts_with('2') {
        let diagnostic = answer["diagnostic"].as_str().unwrap_or_default();
        return Err(Failure::new(format!("the device refuses with {code} {diagnostic}").trim_end()));
    }
    if out.json {
        out.record(answer);
    } else if let Some(links) = answer["links"].as_array() {
        out.rows(links, &[("PATH", "/path"), ("ATTRIBUTES", "/attributes")]);
    } else if let Some(found) = answer.get("values").filter(|found| found.as_object().is_some_and(|found| !found.is_empty())) {
        out.record(found);
    } else {
        out.record(answer);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser, Debug)]
    struct Program {
        #[command(subcommand)]
        action: Action,
    }

    fn body(line: &str) -> Done<Value> {
        let words = ["landfall"].into_iter().chain(line.split(' '));
        Program::try_parse_from(words).map_err(|error| Failure::new(error.to_string()))?.action.body().map(|(_, body)| body)
    }

    #[test]
    fn lines_become_requests() {
        for (line, expected) in [
            ("read d /3/0/0", json!({"operation": "read", "path": "/3/0/0"})),
            ("read d /3/0/0 /1/0", json!({"operation": "readComposite", "paths": ["/3/0/0", "/1/0"]})),
            ("discover d /3", json!({"operation": "discover", "path": "/3", "depth": null})),
            ("write d /1/0/1 300", json!({"operation": "write", "path": "/1/0/1", "value": 300})),
            ("write d /3/0/15 UTC", json!({"operation": "write", "path": "/3/0/15", "value": "UTC"})),
            ("write d /1/0/1 -3", json!({"operation": "write", "path": "/1/0/1", "value": -3})),
            ("write d --set /1/0/1=9", json!({"operation": "writeComposite", "values": {"/1/0/1": 9}})),
            ("update d /1/0 --set /1/0/1=9", json!({"operation": "update", "path": "/1/0", "values": {"/1/0/1": 9}})),
            ("execute d /3/0/4", json!({"operation": "execute", "path": "/3/0/4", "arguments": ""})),
            ("create d /16 /16/0/0/0=x", json!({"operation": "create", "path": "/16", "values": {"/16/0/0/0": "x"}})),
            ("delete d /16/0", json!({"operation": "delete", "path": "/16/0"})),
            (
                "attributes d /3 pmin=5 gt=",
                json!({"operation": "attributes", "path": "/3", "attributes": {"pmin": 5, "gt": null}}),
            ),
        ] {
            assert_eq!(body(line), Ok(expected), "{line}");
        }
        for line in ["write d /1/0/1", "update d --set /1/0/1=9", "attributes d /3 pmin=x", "read d", "read d /3 --wait 101"] {
            assert!(body(line).is_err(), "{line}");
        }
    }
}
