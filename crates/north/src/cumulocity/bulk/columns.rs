//! The columns of the CSV of bulk registration (contract section 3), and what each row makes of them. Pure.

use crate::csv::{Fault, Row};
use landfall_core::{NewDeviceObject, Unread, check_device_id};
use landfall_model::Secret;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The type of an external id where a row names none.
const SERIAL: &str = "c8y_Serial";
const OPERATIONS: &str = "c8y_SupportedOperations";
const EXTERNAL: &str = "external-";
const EMPTY: &str = "must not be empty";
/// Names in a dotted header, and groups of a path.
const DEPTH: usize = 10;
/// Characters of the type of an external id and of its value, and of the name of a group.
const EXTERNAL_TYPE: usize = 256;
const EXTERNAL_ID: usize = 1_024;
const GROUP: usize = 254;
/// What the server says of an object itself.
const RESERVED: [&str; 13] = [
    "id",
    "self",
    "owner",
    "type",
    "name",
    "creationTime",
    "lastUpdated",
    "childDevices",
    "childAssets",
    "childAdditions",
    "deviceParents",
    "assetParents",
    "c8y_IsDevice",
];

/// What a column is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Known(Known),
    /// An external id of this type.
    External(String),
    /// A property, in objects within each other.
    Custom(Vec<String>),
}

/// Columns with a meaning of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Id,
    Credentials,
    AuthType,
    Tenant,
    Type,
    Name,
    Iccid,
    IdType,
    Path,
    Shell,
}

impl Known {
    const ALL: [(Self, &str); 10] = [
        (Self::Id, "ID"),
        (Self::Credentials, "CREDENTIALS"),
        (Self::AuthType, "AUTH_TYPE"),
        (Self::Tenant, "TENANT"),
        (Self::Type, "TYPE"),
        (Self::Name, "NAME"),
        (Self::Iccid, "ICCID"),
        (Self::IdType, "IDTYPE"),
        (Self::Path, "PATH"),
        (Self::Shell, "SHELL"),
    ];

    fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(known, _)| *known)
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(known, _)| *known == self).map_or("", |(_, name)| name)
    }

    /// Whether it says something of the object of a device.
    fn of_object(self) -> bool {
        matches!(self, Self::Iccid | Self::IdType | Self::Path | Self::Shell)
    }
}

/// A device that a row asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub id: String,
    pub password: Secret,
    pub tenant: Option<String>,
    pub object: Option<NewDeviceObject>,
}

/// The columns of a file.
#[derive(Debug)]
pub(super) struct Columns {
    names: Vec<String>,
    columns: Vec<Column>,
    /// Whether the column TENANT says whose a device is.
    tenants: bool,
}

impl Columns {
    /// Those of a header line; of a file of the server itself where `tenants`. What is wrong with it, for people.
    pub fn read(names: Vec<String>, tenants: bool) -> Result<Self, String> {
        let mut seen = BTreeMap::new();
        for (at, name) in names.iter().enumerate() {
            if let Some(before) = seen.insert(column(at, name)?, at) {
                return Err(format!("the columns {} and {} have the same name: {name}", before + 1, at + 1));
            }
        }
        let has = |known| seen.contains_key(&Column::Known(known));
        for needed in [Known::Id, Known::Credentials, Known::Tenant] {
            if !has(needed) && (needed != Known::Tenant || tenants) {
                return Err(format!("the column {} is missing", needed.name()));
            }
        }
        let of_object = |column: &&Column| !matches!(column, Column::Known(known) if !known.of_object());
        for (needed, other) in [(Known::Type, Known::Name), (Known::Name, Known::Type)] {
            let asked = has(other).then(|| other.name());
            let asked = asked.or_else(|| seen.iter().find(|(column, _)| of_object(column)).map(|(_, at)| names[*at].as_str()));
            if let Some(asked) = asked.filter(|_| !has(needed)) {
                return Err(format!("the column {} is missing, which {asked} needs", needed.name()));
            }
        }
        check_nesting(seen.keys(), &names)?;
        let mut placed: Vec<_> = seen.into_iter().collect();
        placed.sort_by_key(|(_, at)| *at);
        Ok(Self { names, columns: placed.into_iter().map(|(column, _)| column).collect(), tenants })
    }

    /// What a row asks for, or why nothing is made of it.
    pub fn row(&self, row: &Row) -> Result<Asked, Unread> {
        let cell = |known| self.cell(row, known);
        let bad = |column: &str, reason: &str| self.unread(row, Some(column), reason);
        if let Some(Fault { column, detail }) = &row.fault {
            return Err(self.unread(row, column.and_then(|at| self.names.get(at)).map(String::as_str), detail));
        }
        let id = cell(Known::Id).ok_or_else(|| bad("ID", EMPTY))?;
        check_device_id(id).map_err(|error| bad("ID", &error.detail))?;
        match cell(Known::AuthType).map(|text| text.trim().to_ascii_uppercase()).as_deref() {
            None | Some("" | "BASIC") => {}
            Some("CERTIFICATES") => return Err(bad("AUTH_TYPE", "certificates of devices are not supported; only BASIC is")),
            Some(_) => return Err(bad("AUTH_TYPE", "must be BASIC")),
        }
        let password = cell(Known::Credentials).ok_or_else(|| bad("CREDENTIALS", EMPTY))?;
        let tenant = cell(Known::Tenant).filter(|_| self.tenants).map(str::to_owned);
        if self.tenants && tenant.is_none() {
            return Err(bad("TENANT", EMPTY));
        }
        let object = match (cell(Known::Type), cell(Known::Name)) {
            (Some(kind), Some(name)) => Some(self.object(row, kind, name).map_err(|(column, why)| bad(&column, &why))?),
            _ => None,
        };
        Ok(Asked { id: id.to_owned(), password: Secret::new(password), tenant, object })
    }

    /// A row of which nothing is made, with what it says of its device.
    pub fn unread(&self, row: &Row, column: Option<&str>, reason: &str) -> Unread {
        let id = self.cell(row, Known::Id).filter(|id| id.chars().count() <= 1_000);
        let tenant = self.cell(row, Known::Tenant).filter(|tenant| self.tenants && tenant.chars().count() <= 256);
        Unread { column: column.map(str::to_owned), reason: reason.to_owned(), given: json!({ "id": id, "tenant": tenant }) }
    }

    fn object(&self, row: &Row, kind: &str, name: &str) -> Result<NewDeviceObject, (String, String)> {
        let mut fragments = Map::new();
        let mut external = vec![];
        for ((column, header), cell) in self.columns.iter().zip(&self.names).zip(&row.cells).filter(|(_, cell)| !cell.is_empty())
        {
            match column {
                Column::Known(_) => {}
                Column::Custom(path) => put(&mut fragments, path, cell.as_str().into()),
                Column::External(_) if cell.chars().count() > EXTERNAL_ID => {
                    return Err((header.clone(), format!("must be at most {EXTERNAL_ID} characters")));
                }
                Column::External(kind) => external.push((kind.clone(), cell.clone())),
            }
        }
        if let Some(iccid) = self.cell(row, Known::Iccid) {
            put(&mut fragments, &["c8y_Mobile".to_owned(), "iccid".to_owned()], iccid.into());
        }
        if self.cell(row, Known::Shell).is_some_and(|cell| cell.trim() == "1") {
            let before = fragments.get(OPERATIONS).and_then(Value::as_str).unwrap_or_default();
            let mut all: Vec<_> = before.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
            if !all.contains(&"c8y_Command") {
                all.push("c8y_Command");
            }
            let all = json!(all);
            fragments.insert(OPERATIONS.to_owned(), all);
        }
        let id_type = self.cell(row, Known::IdType).unwrap_or(SERIAL);
        if id_type.chars().count() > EXTERNAL_TYPE {
            return Err(("IDTYPE".into(), format!("must be at most {EXTERNAL_TYPE} characters")));
        }
        let path = self.cell(row, Known::Path).map(groups).transpose().map_err(|why| ("PATH".to_owned(), why))?;
        let (kind, name, id_type) = (kind.to_owned(), name.to_owned(), id_type.to_owned());
        Ok(NewDeviceObject { kind, name, fragments, id_type, external, path: path.unwrap_or_default() })
    }

    /// The cell of a row in a column, unless it is empty or there is none.
    fn cell<'a>(&self, row: &'a Row, known: Known) -> Option<&'a str> {
        let at = self.columns.iter().position(|column| *column == Column::Known(known))?;
        row.cells.get(at).map(String::as_str).filter(|cell| !cell.is_empty())
    }
}

/// What the column of this name is.
fn column(at: usize, name: &str) -> Result<Column, String> {
    if name.is_empty() {
        return Err(format!("the column {} has no name", at + 1));
    }
    if let Some(known) = Known::of(name) {
        return Ok(Column::Known(known));
    }
    if let Some(kind) = name.get(EXTERNAL.len()..).filter(|_| name[..EXTERNAL.len()].eq_ignore_ascii_case(EXTERNAL)) {
        if kind.is_empty() || kind.chars().count() > EXTERNAL_TYPE {
            return Err(format!("the column {} names no type of external ids of 1 to {EXTERNAL_TYPE} characters", at + 1));
        }
        return Ok(Column::External(kind.to_owned()));
    }
    let path: Vec<_> = name.split('.').map(str::to_owned).collect();
    if path.len() > DEPTH || path.iter().any(String::is_empty) {
        return Err(format!("the name of the column {} must be up to {DEPTH} names with dots between them", at + 1));
    }
    if RESERVED.contains(&path[0].as_str()) {
        return Err(format!("the column {name} stands for what the server says of each object"));
    }
    Ok(Column::Custom(path))
}

/// Refuses a property that is a text by one column and an object by another.
fn check_nesting<'a>(columns: impl Iterator<Item = &'a Column>, names: &[String]) -> Result<(), String> {
    let paths: Vec<&[String]> =
        columns.filter_map(|column| if let Column::Custom(path) = column { Some(&**path) } else { None }).collect();
    let mobile = ["c8y_Mobile".to_owned(), "iccid".to_owned()];
    let iccid = names.iter().any(|name| Known::of(name) == Some(Known::Iccid));
    let shell = names.iter().any(|name| Known::of(name) == Some(Known::Shell));
    for path in &paths {
        let within = |inner: &[String]| inner.len() > path.len() && inner.starts_with(path);
        if paths.iter().any(|inner| within(inner)) || iccid && (within(&mobile) || **path == mobile) {
            return Err(format!("the column {} gives a text to what another column fills", path.join(".")));
        }
        if shell && path.len() > 1 && path[0] == OPERATIONS {
            return Err(format!("the column {} fills what the column SHELL makes a list", path.join(".")));
        }
    }
    Ok(())
}

/// Puts a value into objects within each other.
fn put(into: &mut Map<String, Value>, path: &[String], value: Value) {
    let [first, rest @ ..] = path else { return };
    if rest.is_empty() {
        into.insert(first.clone(), value);
    } else if let Value::Object(inner) = into.entry(first.clone()).or_insert_with(|| Value::Object(Map::new())) {
        put(inner, rest, value);
    }
}

/// The names of a path of groups.
fn groups(path: &str) -> Result<Vec<String>, String> {
    let names: Vec<_> = path.split('/').map(str::to_owned).collect();
    if names.len() > DEPTH || names.iter().any(|name| name.trim().is_empty() || name.chars().count() > GROUP) {
        return Err(format!("must be up to {DEPTH} names of 1 to {GROUP} characters with / between them"));
    }
    Ok(names)
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
