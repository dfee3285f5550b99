//! The built-in definitions: facts of the public object registry, one line each, in `builtin.tsv`. Absent: reading files; the table is
//! part of the program, and a test reads every line of it.

use std::borrow::Cow;

use super::{ObjectModel, ResourceModel, parse_operations, parse_type};

const TABLE: &str = include_str!("builtin.tsv");

/// The objects of the table, each with the resources on the lines below it.
pub(super) fn objects() -> impl Iterator<Item = ObjectModel> {
    let mut lines = TABLE.lines().peekable();
    std::iter::from_fn(move || {
        let mut object = loop {
            if let Some(object) = object_line(lines.next()?) {
                break object;
            }
        };
        while let Some(resource) = lines.next_if(|line| line.starts_with("R\t")) {
            object.resources.extend(resource_line(resource));
        }
        Some(object)
    })
}

/// `O`, id, version, enabler version, instances, mandatory, name.
pub(super) fn object_line(line: &'static str) -> Option<ObjectModel> {
    let fields: [&str; 7] = line.split('\t').collect::<Vec<_>>().try_into().ok()?;
    let ["O", id, version, lwm2m, multiple, mandatory, name] = fields else { return None };
    Some(ObjectModel {
        id: id.parse().ok()?,
        version: version.parse().ok()?,
        lwm2m: lwm2m.parse().ok()?,
        name: Cow::Borrowed(name),
        multiple: flag(multiple)?,
        mandatory: flag(mandatory)?,
        resources: Vec::new(),
    })
}

/// `R`, id, operations, multiple, mandatory, type, range, unit, name.
pub(super) fn resource_line(line: &'static str) -> Option<ResourceModel> {
    let fields: [&str; 9] = line.split('\t').collect::<Vec<_>>().try_into().ok()?;
    let ["R", id, operations, multiple, mandatory, value_type, range, unit, name] = fields else { return None };
    Some(ResourceModel {
        id: id.parse().ok()?,
        name: Cow::Borrowed(name),
        operations: parse_operations(operations)?,
        multiple: flag(multiple)?,
        mandatory: flag(mandatory)?,
        value_type: parse_type(value_type)?,
        range: Cow::Borrowed(range),
        unit: Cow::Borrowed(unit),
    })
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        for line in TABLE.lines() {
            assert!(object_line(line).is_some() || resource_line(line).is_some(), "{line}");
        }
        let resources: usize = objects().map(|object| object.resources.len()).sum();
        assert_eq!(resources + objects().count(), TABLE.lines().count());
        for object in objects() {
            assert!(object.resources.is_sorted_by(|a, b| a.id < b.id), "object {} {}", object.id, object.version);
        }
    }
}
