//! Product models from outside: our own JSON model, and what it has in common with the files of a profile package.
//!
//! Every error names the file and the place in it.

use landfall_core::ProductDraft;
use landfall_model::{
    AppData, CommandResponse, DataFormat, Error, Lwm2mModel, Parameter, ProductKey, Property, Result, Service, ServiceCommand,
};
use serde_json::Value;

/// Reads our own JSON model. Unknown fields are refused, so that a typing error is not silently lost.
pub(super) fn read_model(bytes: &[u8]) -> Result<ProductDraft> {
    let value = parsed(bytes, "body")?;
    let root = Node { value: &value, path: String::new(), strict: true };
    root.only(&[
        "manufacturerId",
        "manufacturerName",
        "deviceType",
        "model",
        "protocolType",
        "name",
        "format",
        "autoRegister",
        "claims",
        "lwm2m",
        "services",
    ])?;
    let key = product_key(&root)?;
    let format = match root.text("format")?.as_deref() {
        None | Some("json") => DataFormat::Json,
        Some("binary") => DataFormat::Binary,
        Some(_) => return Err(root.wrong("format", "must be json or binary")),
    };
    let auto_register = match root.text("autoRegister")? {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| root.wrong("autoRegister", "must be an appId"))?),
    };
    let claims = match root.field("claims")? {
        None => None,
        Some(_) => Some(root.flag("claims")?),
    };
    let services = root.list("services")?.iter().map(|node| service(node, None)).collect::<Result<_>>()?;
    let lwm2m = root.node("lwm2m")?.map_or(Ok(Lwm2mModel::default()), |node| lwm2m(&node))?;
    let name = root.text("name")?.unwrap_or_else(|| default_name(&key));
    Ok(ProductDraft { name, key, format, services, lwm2m, auto_register, claims })
}

/// How the product's devices speak LwM2M.
fn lwm2m(node: &Node<'_>) -> Result<Lwm2mModel> {
    node.only(&["plainCoap", "appData", "binding"])?;
    let app_data = |node: Node<'_>| -> Result<AppData> {
        node.only(&["uplink", "downlink"])?;
        let usual = AppData::default();
        Ok(AppData {
            uplink: node.text("uplink")?.unwrap_or(usual.uplink),
            downlink: node.text("downlink")?.unwrap_or(usual.downlink),
        })
    };
    Ok(Lwm2mModel {
        plain_coap: node.flag("plainCoap")?,
        app_data: node.node("appData")?.map(app_data).transpose()?,
        binding: node.text("binding")?,
    })
}

pub(super) fn default_name(key: &ProductKey) -> String {
    format!("{} {}", key.manufacturer_name, key.model).chars().take(256).collect()
}

/// The five keys, which both forms name alike.
pub(super) fn product_key(node: &Node<'_>) -> Result<ProductKey> {
    Ok(ProductKey {
        manufacturer_id: node.needed("manufacturerId")?,
        manufacturer_name: node.needed("manufacturerName")?,
        device_type: node.needed("deviceType")?,
        model: node.needed("model")?,
        protocol_type: node.needed("protocolType")?,
    })
}

/// A service; `id` is given where the file holds a service type and the id stands elsewhere.
pub(super) fn service(node: &Node<'_>, id: Option<&str>) -> Result<Service> {
    node.only(&["serviceId", "serviceType", "option", "description", "properties", "commands"])?;
    let service_id = match id {
        Some(id) => id.to_owned(),
        None => node.needed("serviceId")?,
    };
    let service = Service {
        service_type: node.text("serviceType")?.unwrap_or_else(|| service_id.clone()),
        service_id,
        option: node.text("option")?.unwrap_or_else(|| "Optional".into()),
        description: node.text("description")?.unwrap_or_default(),
        properties: node.list("properties")?.iter().map(property).collect::<Result<_>>()?,
        commands: node.list("commands")?.iter().map(command).collect::<Result<_>>()?,
    };
    Ok(service.completed())
}

fn property(node: &Node<'_>) -> Result<Property> {
    Ok(Property { parameter: parameter(node, "propertyName", true)?, method: node.text("method")?.unwrap_or_default() })
}

fn command(node: &Node<'_>) -> Result<ServiceCommand> {
    node.only(&["commandName", "paras", "responses", "execute"])?;
    Ok(ServiceCommand {
        name: node.needed("commandName")?,
        paras: paras(node)?,
        responses: node.list("responses")?.iter().map(response).collect::<Result<_>>()?,
        execute: node.text("execute")?,
    })
}

fn response(node: &Node<'_>) -> Result<CommandResponse> {
    node.only(&["responseName", "paras"])?;
    Ok(CommandResponse { name: node.needed("responseName")?, paras: paras(node)? })
}

fn paras(node: &Node<'_>) -> Result<Vec<Parameter>> {
    node.list("paras")?.iter().map(|para| parameter(para, "paraName", false)).collect()
}

fn parameter(node: &Node<'_>, name: &str, with_method: bool) -> Result<Parameter> {
    let mut known =
        vec![name, "dataType", "required", "min", "max", "step", "maxLength", "unit", "enumList", "description", "path"];
    if with_method {
        known.push("method");
    }
    node.only(&known)?;
    let step = node.number("step")?;
    let step = step.map(|text| text.parse::<f64>().map_err(|_| node.wrong("step", "must be a number"))).transpose()?;
    let length = node.number("maxLength")?;
    let rule = "must be a whole number from 0 to 4294967295";
    let max_length = length.map(|text| text.parse::<u32>().map_err(|_| node.wrong("maxLength", rule))).transpose()?;
    Ok(Parameter {
        name: node.needed(name)?,
        data_type: node.needed("dataType")?,
        required: node.flag("required")?,
        min: node.bound("min")?,
        max: node.bound("max")?,
        step,
        max_length,
        unit: node.text("unit")?,
        enum_list: node.list("enumList")?.iter().map(Node::word).collect::<Result<_>>()?,
        path: node.text("path")?,
    })
}

/// A JSON value and the way to it.
pub(super) struct Node<'a> {
    pub(super) value: &'a Value,
    /// `file:services[0].properties[1]`, or without the file for a request body.
    pub(super) path: String,
    /// Whether unknown fields are refused.
    pub(super) strict: bool,
}

impl<'a> Node<'a> {
    /// The field, unless it is absent or null.
    fn field(&self, name: &str) -> Result<Option<&'a Value>> {
        let fields = self.value.as_object().ok_or_else(|| Error::invalid(self.here(), "must be an object"))?;
        Ok(fields.get(name).filter(|value| !value.is_null()))
    }

    fn only(&self, names: &[&str]) -> Result<()> {
        let fields = self.value.as_object().ok_or_else(|| Error::invalid(self.here(), "must be an object"))?;
        match fields.keys().find(|key| self.strict && !names.contains(&key.as_str())) {
            None => Ok(()),
            Some(odd) => Err(self.wrong(&odd.chars().take(64).collect::<String>(), "is no field of a product model")),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        match self.field(name)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(name, "must be a string")),
        }
    }

    pub(super) fn needed(&self, name: &str) -> Result<String> {
        let text = self.text(name)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| self.wrong(name, "is missing"))
    }

    /// A number, written as such or as a string; an empty string is none.
    fn number(&self, name: &str) -> Result<Option<String>> {
        match self.field(name)? {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.wrong(name, "must be a number")),
        }
    }

    fn bound(&self, name: &str) -> Result<Option<String>> {
        match self.number(name)? {
            Some(text) if text.parse::<f64>().is_ok_and(f64::is_finite) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "must be a number")),
            None => Ok(None),
        }
    }

    fn flag(&self, name: &str) -> Result<bool> {
        match self.field(name)? {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(Value::String(text)) if text.is_empty() || text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(self.wrong(name, "must be true or false")),
        }
    }

    pub(super) fn list(&self, name: &str) -> Result<Vec<Node<'a>>> {
        let items = match self.field(name)? {
            None => return Ok(vec![]),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(self.wrong(name, "must be an array")),
        };
        let path = self.join(name);
        let item = |(n, value)| Node { value, path: format!("{path}[{n}]"), strict: self.strict };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// The object of this name.
    fn node(&self, name: &str) -> Result<Option<Node<'a>>> {
        Ok(self.field(name)?.map(|value| Node { value, path: self.join(name), strict: self.strict }))
    }

    fn word(&self) -> Result<String> {
        self.value.as_str().map(str::to_owned).ok_or_else(|| Error::invalid(self.here(), "must be a string"))
    }

    pub(super) fn wrong(&self, name: &str, rule: &'static str) -> Error {
        Error::invalid(self.join(name), rule)
    }

    pub(super) fn join(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path if path.ends_with(':') => format!("{path}{name}"),
            path => format!("{path}.{name}"),
        }
    }

    fn here(&self) -> String {
        if self.path.is_empty() { "body".into() } else { self.path.trim_end_matches(':').to_owned() }
    }
}

/// Parses JSON; profile editors on Windows write a byte order mark.
pub(super) fn parsed(bytes: &[u8], file: &str) -> Result<Value> {
    let text = landfall_core::json::sound(bytes).map_err(|why| Error::invalid(file.to_owned(), why))?;
    serde_json::from_str(&text).map_err(|error| Error::invalid(file.to_owned(), format!("is no JSON: {error}")))
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
