//! Object definitions in the XML form of the public registry. Absent: descriptions, schema validation, document types and entities
//! (a document with a DTD is refused).

use std::borrow::Cow;

use super::{ObjectModel, ResourceModel, parse_operations, parse_type};
use crate::path::MAX_ID;
use crate::version::{ObjectVersion, Version};

/// What one definition file may hold.
#[derive(Clone, Copy, Debug)]
pub struct XmlLimits {
    /// Longest document, bytes.
    pub bytes: usize,
    /// Most elements, attributes and texts together.
    pub nodes: u32,
    /// Most objects.
    pub objects: usize,
    /// Most resources of one object.
    pub resources: usize,
    /// Longest name, range or unit, bytes; longer names are refused, longer ranges and units left out.
    pub text_bytes: usize,
}

impl Default for XmlLimits {
    fn default() -> Self {
        Self { bytes: 1_048_576, nodes: 65_536, objects: 64, resources: 1_024, text_bytes: 256 }
    }
}

/// Why a definition is refused, in which line of the document (0: the whole).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("object definition: {check} (line {line})")]
pub struct XmlError {
    /// What was checked.
    pub check: Cow<'static, str>,
    /// Line, from 1.
    pub line: u32,
}

type Parse<T> = Result<T, XmlError>;
type Node<'a> = roxmltree::Node<'a, 'a>;

pub(super) fn parse(xml: &[u8], limits: &XmlLimits) -> Parse<Vec<ObjectModel>> {
    let whole = |check: &'static str| XmlError { check: check.into(), line: 0 };
    if xml.len() > limits.bytes {
        return Err(whole("too long"));
    }
    let text = std::str::from_utf8(xml.strip_prefix(b"\xef\xbb\xbf").unwrap_or(xml)).map_err(|_| whole("not UTF-8"))?;
    let options = roxmltree::ParsingOptions { allow_dtd: false, nodes_limit: limits.nodes, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(text, options)
        .map_err(|e| XmlError { line: e.pos().row, check: e.to_string().chars().take(200).collect::<String>().into() })?;
    let mut objects = Vec::new();
    for node in document.root_element().children().filter(|node| node.has_tag_name("Object")) {
        if objects.len() == limits.objects {
            return Err(fault(node, "too many objects"));
        }
        objects.push(object(node, limits)?);
    }
    if objects.is_empty() { Err(whole("no object in it")) } else { Ok(objects) }
}

fn object(node: Node<'_>, limits: &XmlLimits) -> Parse<ObjectModel> {
    let version = match child(node, "ObjectVersion") {
        "" => ObjectVersion::V1_0,
        text => text.parse().map_err(|()| fault(node, "ObjectVersion is not a version"))?,
    };
    let lwm2m = match child(node, "LWM2MVersion") {
        "" => Version::V1_0,
        text => text.parse().map_err(|()| fault(node, "LWM2MVersion is not known"))?,
    };
    let mut object = ObjectModel {
        id: id(child(node, "ObjectID")).ok_or_else(|| fault(node, "ObjectID is not 0 to 65534"))?,
        version,
        lwm2m,
        name: name(node, limits)?,
        multiple: choice(node, "MultipleInstances", "Multiple", "Single")?,
        mandatory: choice(node, "Mandatory", "Mandatory", "Optional")?,
        resources: Vec::new(),
    };
    let items = node.children().filter(|part| part.has_tag_name("Resources")).flat_map(|part| part.children());
    for item in items.filter(|item| item.has_tag_name("Item")) {
        if object.resources.len() == limits.resources {
            return Err(fault(item, "too many resources"));
        }
        object.resources.push(resource(item, limits)?);
    }
    object.resources.sort_by_key(|resource| resource.id);
    match object.resources.is_sorted_by(|a, b| a.id < b.id) {
        true => Ok(object),
        false => Err(fault(node, "a resource is defined twice")),
    }
}

fn resource(node: Node<'_>, limits: &XmlLimits) -> Parse<ResourceModel> {
    let text =
        |part| Some(child(node, part)).filter(|text| text.len() <= limits.text_bytes).unwrap_or_default().to_owned().into();
    Ok(ResourceModel {
        id: node.attribute("ID").and_then(id).ok_or_else(|| fault(node, "ID is not 0 to 65534"))?,
        name: name(node, limits)?,
        operations: parse_operations(child(node, "Operations")).ok_or_else(|| fault(node, "Operations are not R, W, RW or E"))?,
        multiple: choice(node, "MultipleInstances", "Multiple", "Single")?,
        mandatory: choice(node, "Mandatory", "Mandatory", "Optional")?,
        value_type: parse_type(child(node, "Type")).ok_or_else(|| fault(node, "Type is not known"))?,
        range: text("RangeEnumeration"),
        unit: text("Units"),
    })
}

fn name(node: Node<'_>, limits: &XmlLimits) -> Parse<Cow<'static, str>> {
    match child(node, "Name") {
        "" => Err(fault(node, "Name is missing")),
        text if text.len() > limits.text_bytes => Err(fault(node, "Name is too long")),
        text => Ok(text.to_owned().into()),
    }
}

fn choice(node: Node<'_>, part: &'static str, yes: &str, no: &str) -> Parse<bool> {
    match child(node, part) {
        text if text == yes => Ok(true),
        text if text == no => Ok(false),
        _ => Err(XmlError { check: format!("{part} is neither {yes} nor {no}").into(), line: line(node) }),
    }
}

/// The text of the first child with this name, trimmed; empty where there is none.
fn child<'a>(node: Node<'a>, name: &str) -> &'a str {
    let part = node.children().find(|part| part.has_tag_name(name));
    part.and_then(|part| part.text()).unwrap_or_default().trim()
}

fn id(text: &str) -> Option<u16> {
    text.parse().ok().filter(|id| *id != MAX_ID && text.bytes().all(|b| b.is_ascii_digit()))
}

fn fault(node: Node<'_>, check: &'static str) -> XmlError {
    XmlError { check: check.into(), line: line(node) }
}

fn line(node: Node<'_>) -> u32 {
    node.document().text_pos_at(node.range().start).row
}
