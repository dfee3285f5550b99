//! The desired half of shadows, and the settings that made it.

use crate::{
    device::unlinked,
    effects::Done,
    engine::{
        documents::Conditions,
        sql::{Sql, SqlResult, Value},
    },
    versioned::{Cell, Kind, Table, doc, key, version},
};
use landfall_core::SettingFilter;
use landfall_model::{Page, PageRequest, Setting, Shadow};
use serde::de::IgnoredAny;
use std::{collections::BTreeMap, sync::OnceLock};

pub(crate) static SHADOW: Table<Shadow> = Table {
    name: "shadow",
    columns: &[key("device", |r| Cell::bytes(r.device.0.as_bytes())), version(), doc()],
    version: |r| r.version,
    kind: Kind::OfDevice("device"),
    statements: OnceLock::new(),
};

/// Appends a setting; its number is one above the highest, which is safe because only the writer appends.
pub(crate) fn put_setting(sql: &mut dyn Sql, r: &Setting, doc: &str) -> Done {
    sql.execute(
        "INSERT INTO setting (id, account, device, at, service_id, properties, doc) \
         SELECT (SELECT COALESCE(MAX(id), 0) + 1 FROM setting), ?2, id, ?3, ?4, ?5, ?6 FROM device WHERE id = ?1",
        &[
            Value::Bytes(r.device.0.as_bytes()),
            Value::Bytes(r.account.0.as_bytes()),
            Value::Int(r.at.0),
            Value::Text(&r.service_id),
            Value::Text(&properties(&r.desired)),
            Value::Text(doc),
        ],
    )?;
    Ok(())
}

/// A page of settings, newest first; `slots` is how many devices the statement has room for, so that few statements serve all lists.
pub(crate) fn settings(sql: &mut dyn Sql, filter: &SettingFilter, slots: usize, page: PageRequest) -> SqlResult<Page<Setting>> {
    let property = filter.property.as_deref().map(line);
    let mut conditions = Conditions::new();
    let Some(last) = filter.devices.last() else { return Ok(Page { total: 0, items: Vec::new() }) };
    let slots = if filter.devices.len() == 1 { 1 } else { slots };
    let padding = std::iter::repeat(last);
    conditions.and_any("device", filter.devices.iter().chain(padding).take(slots).map(|id| Value::Bytes(id.0.as_bytes())));
    conditions.and_text("service_id", filter.service_id.as_deref());
    if let Some(property) = &property {
        // The one way to look for a text that both databases compare by bytes and without a pattern.
        conditions.and("replace(properties, #, '') <> properties", Value::Text(property));
    }
    conditions.and_also(&unlinked::visible("setting.device"));
    conditions.and_between("at", filter.after, filter.before);
    conditions.page(sql, "setting", "at DESC, id DESC", page)
}

/// The keys of a JSON object, each a JSON string on a line of its own; empty for anything else.
fn properties(desired: &str) -> String {
    let keys: BTreeMap<String, IgnoredAny> = serde_json::from_str(desired).unwrap_or_default();
    keys.keys().map(|key| line(key)).collect()
}

/// A key as JSON, which holds no bare line end, between two of them.
fn line(key: &str) -> String {
    format!("\n{}\n", serde_json::Value::from(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_lines_that_are_not_mistaken() {
        let cases = [
            ("{}", ""),
            ("[1]", ""),
            ("nonsense", ""),
            (r#"{"a":{"b":1}}"#, "\n\"a\"\n"),
            (r#"{"b":1,"a":null}"#, "\n\"a\"\n\n\"b\"\n"),
            (r#"{"a\nb\"\u0000":1}"#, "\n\"a\\nb\\\"\\u0000\"\n"),
        ];
        for (desired, expected) in cases {
            assert_eq!(properties(desired), expected, "{desired}");
        }
        let stored = properties(r#"{"ab":1,"c":"d"}"#);
        for (key, found) in [("ab", true), ("c", true), ("a", false), ("b", false), ("d", false), ("AB", false), ("", false)] {
            assert_eq!(stored.contains(&line(key)), found, "{key}");
        }
    }
}
