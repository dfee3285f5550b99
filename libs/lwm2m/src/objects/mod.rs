//! What objects and resources are called and which types they have: a built-in table, and definitions that a user loads.
//! Absent: descriptions, and whether a value lies within its range.

mod builtin;
mod xml;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::path::Path;
use crate::value::ValueType;
use crate::version::{ObjectVersion, Version};

pub use xml::{XmlError, XmlLimits};

/// What may be done with a resource through the device management interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Operations {
    /// It can be read and observed.
    pub read: bool,
    /// It can be written.
    pub write: bool,
    /// It can be executed.
    pub execute: bool,
}

/// One resource of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceModel {
    /// 0 to 65534.
    pub id: u16,
    /// The name in the definition.
    pub name: Cow<'static, str>,
    /// What may be done with it; nothing at all for those that only a bootstrap server writes.
    pub operations: Operations,
    /// Whether it has resource instances.
    pub multiple: bool,
    /// Whether each object instance has it.
    pub mandatory: bool,
    /// `None` for resources that can only be executed.
    pub value_type: Option<ValueType>,
    /// Range or enumeration as written in the definition.
    pub range: Cow<'static, str>,
    /// Unit as written in the definition.
    pub unit: Cow<'static, str>,
}

/// One version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectModel {
    /// 0 to 65534.
    pub id: u16,
    /// The version of the object.
    pub version: ObjectVersion,
    /// The first enabler version that has it.
    pub lwm2m: Version,
    /// The name in the definition.
    pub name: Cow<'static, str>,
    /// Whether there may be more than one instance.
    pub multiple: bool,
    /// Whether each client has it.
    pub mandatory: bool,
    /// Its resources, ascending by id, each id once.
    pub resources: Vec<ResourceModel>,
}

impl ObjectModel {
    /// One of its resources.
    pub fn resource(&self, id: u16) -> Option<&ResourceModel> {
        let at = self.resources.binary_search_by_key(&id, |resource| resource.id).ok()?;
        self.resources.get(at)
    }
}

/// Definitions of objects, each in any number of versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectModels {
    objects: BTreeMap<(u16, ObjectVersion), ObjectModel>,
}

impl ObjectModels {
    /// No definitions at all.
    pub const fn empty() -> Self {
        Self { objects: BTreeMap::new() }
    }

    /// The objects of the core specification and the common ones of the public registry, from its facts.
    pub fn builtin() -> Self {
        let mut models = Self::empty();
        builtin::objects().for_each(|object| models.add(object));
        models
    }

    /// Adds a definition; the same object in the same version is replaced. Resources are put in order, later doubles dropped.
    pub fn add(&mut self, mut object: ObjectModel) {
        object.resources.sort_by_key(|resource| resource.id);
        object.resources.dedup_by_key(|resource| resource.id);
        self.objects.insert((object.id, object.version), object);
    }

    /// Reads definitions in the XML form of the public registry and adds them; returns which.
    ///
    /// # Errors
    /// What is wrong where; nothing is added then.
    pub fn load_xml(&mut self, xml: &[u8], limits: &XmlLimits) -> Result<Vec<(u16, ObjectVersion)>, XmlError> {
        let objects = xml::parse(xml, limits)?;
        let loaded = objects.iter().map(|object| (object.id, object.version)).collect();
        objects.into_iter().for_each(|object| self.add(object));
        Ok(loaded)
    }

    /// One version of an object.
    pub fn object(&self, id: u16, version: ObjectVersion) -> Option<&ObjectModel> {
        self.objects.get(&(id, version))
    }

    /// The highest version of an object.
    pub fn newest_object(&self, id: u16) -> Option<&ObjectModel> {
        self.versions_of(id).next_back()
    }

    fn versions_of(&self, id: u16) -> impl DoubleEndedIterator<Item = &ObjectModel> {
        let high = ObjectVersion { major: u8::MAX, minor: u8::MAX };
        self.objects.range((id, ObjectVersion { major: 0, minor: 0 })..=(id, high)).map(|(_, object)| object)
    }

    /// All definitions, ascending by object and version.
    pub fn iter(&self) -> impl Iterator<Item = &ObjectModel> {
        self.objects.values()
    }

    /// The definitions as seen toward a client that told nothing of versions.
    pub fn newest(&self) -> Models<'_> {
        Models { all: self, versions: &[] }
    }

    /// The definitions as seen toward a client that registered these objects in these versions (ascending by object).
    pub fn at<'a>(&'a self, versions: &'a [(u16, ObjectVersion)]) -> Models<'a> {
        Models { all: self, versions }
    }
}

/// Definitions seen through the versions that a client registered: those count, the newest where there is no such definition.
#[derive(Clone, Copy, Debug)]
pub struct Models<'a> {
    all: &'a ObjectModels,
    versions: &'a [(u16, ObjectVersion)],
}

impl<'a> Models<'a> {
    /// The definition of an object.
    pub fn object(self, id: u16) -> Option<&'a ObjectModel> {
        let told = self.versions.binary_search_by_key(&id, |(object, _)| *object).ok();
        let version = told.and_then(|at| self.versions.get(at)).map(|(_, version)| *version);
        version.and_then(|version| self.all.object(id, version)).or_else(|| self.all.newest_object(id))
    }

    /// The definition of the resource at, or above, `path`. Where no version was told, one that the newest no longer has is taken from
    /// the newest that has it.
    pub fn resource(self, path: &Path) -> Option<&'a ResourceModel> {
        let (object, id) = (path.object_id()?, path.resource_id()?);
        let told = self.versions.binary_search_by_key(&object, |(told, _)| *told).is_ok();
        let newest = self.object(object)?.resource(id);
        newest.or_else(|| if told { None } else { self.all.versions_of(object).rev().find_map(|older| older.resource(id)) })
    }

    /// The type of the resource at, or above, `path`, where it is known.
    pub fn value_type(self, path: &Path) -> Option<ValueType> {
        self.resource(path)?.value_type
    }
}

/// `R`, `W`, `RW`, `E` or nothing.
fn parse_operations(text: &str) -> Option<Operations> {
    let known = text.chars().all(|c| "RWE".contains(c)) && text.len() <= 3;
    known.then(|| Operations { read: text.contains('R'), write: text.contains('W'), execute: text.contains('E') })
}

/// The names that definitions use for types; nothing for executable resources.
fn parse_type(text: &str) -> Option<Option<ValueType>> {
    let value_type = match text.to_ascii_lowercase().as_str() {
        "" | "none" => return Some(None),
        "string" => ValueType::String,
        "integer" => ValueType::Integer,
        "unsigned integer" => ValueType::Unsigned,
        "float" => ValueType::Float,
        "boolean" => ValueType::Boolean,
        "opaque" => ValueType::Opaque,
        "time" => ValueType::Time,
        "objlnk" => ValueType::ObjectLink,
        "corelnk" => ValueType::CoreLink,
        _ => return None,
    };
    Some(Some(value_type))
}

#[cfg(test)]
mod tests;
