//! The desired half of shadows, and the settings that made it.

use crate::{
    device::{principals, unlinked},
    effects::Done,
    engine::{
        documents::{Conditions, id_value, parse},
        sql::{Sql, SqlResult, Value, query_all, query_one, to_db},
    },
    versioned::{Cell, Kind, Table, doc, key, version},
};
use landfall_core::{HistoryOf, SettingFilter};
use landfall_model::{AppId, DeviceId, Page, PageRequest, Setting, Shadow};
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
        "INSERT INTO setting (id, account, device, at, service_id, properties, doc, gateway) \
         SELECT (SELECT COALESCE(MAX(id), 0) + 1 FROM setting), ?2, id, ?3, ?4, ?5, ?6, CASE WHEN gateway <> id THEN gateway END \
         FROM device WHERE id = ?1",
        &[
            Value::Bytes(r.device.0.as_bytes()),
            Value::Bytes(r.account.0.as_bytes()),
            Value::Int(r.at.0),
            Value::Text(&r.service_id),
            Value::Text(&names(&r.desired)),
            Value::Text(doc),
        ],
    )?;
    Ok(())
}

/// A page of settings, newest first.
pub(crate) fn settings(sql: &mut dyn Sql, filter: &SettingFilter, page: PageRequest) -> SqlResult<Page<Setting>> {
    let property = filter.property.as_deref().map(line);
    let mut conditions = Conditions::new();
    conditions.and_text("service_id", filter.service_id.as_deref());
    if let Some(property) = &property {
        // The one way to look for a text that both databases compare by bytes and without a pattern.
        conditions.and("replace(properties, #, '') <> properties", Value::Text(property));
    }
    conditions.and_between("at", filter.after, filter.before);
    match &filter.of {
        HistoryOf::Device(id) => {
            conditions.and_id("device", Some(&id.0));
            conditions.and_also(&unlinked::visible("setting.device"));
            conditions.page(sql, "setting", "at DESC, id DESC", page)
        }
        HistoryOf::Gateway(gateway, app) => of_gateway(sql, conditions, gateway, app.as_ref(), page),
    }
}

/// A page of the settings of a gateway and of what was behind it: two lists in order, laid together.
fn of_gateway<'a>(
    sql: &mut dyn Sql,
    conditions: Conditions<'a>,
    gateway: &'a DeviceId,
    app: Option<&'a AppId>,
    page: PageRequest,
) -> SqlResult<Page<Setting>> {
    let (text, mut params) = conditions.into_parts();
    params.push(id_value(&gateway.0));
    let of = params.len();
    let seen = match app {
        Some(app) => {
            params.push(id_value(&app.0));
            principals::seen("setting.device", params.len())
        }
        None => unlinked::visible("setting.device"),
    };
    let [own, behind] = ["device", "gateway"].map(|column| format!("setting WHERE {column} = ?{of} AND {seen} AND {text}"));
    sql.begin_read()?;
    let mut total = 0;
    for list in [&own, &behind] {
        total += query_one(sql, &format!("SELECT COUNT(*) FROM {list}"), &params, |row| row.seq(0))?.unwrap_or(0);
    }
    let left = total.saturating_sub(page.offset()).min(page.size.into());
    let n = params.len();
    let text = format!(
        "SELECT at, id FROM {own} UNION ALL SELECT at, id FROM {behind} ORDER BY at DESC, id DESC LIMIT ?{} OFFSET ?{}",
        n + 1,
        n + 2
    );
    params.extend([Value::Int(to_db(left)), Value::Int(to_db(page.offset()))]);
    let ids = if left == 0 { Vec::new() } else { query_all(sql, &text, &params, |row| row.int(1))? };
    let mut items = Vec::with_capacity(ids.len());
    for id in ids {
        items.extend(query_one(sql, "SELECT doc FROM setting WHERE id = ?1", &[Value::Int(id)], |row| parse(row, 0))?);
    }
    sql.batch("COMMIT")?;
    Ok(Page { total, items })
}

/// The keys of a JSON object, each a JSON string on a line of its own; empty for anything else.
pub(crate) fn names(object: &str) -> String {
    let keys: BTreeMap<String, IgnoredAny> = serde_json::from_str(object).unwrap_or_default();
    keys.keys().map(|key| line(key)).collect()
}

/// A key as JSON, which holds no bare line end, between two of them.
pub(crate) fn line(key: &str) -> String {
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
            assert_eq!(names(desired), expected, "{desired}");
        }
        let stored = names(r#"{"ab":1,"c":"d"}"#);
        for (key, found) in [("ab", true), ("c", true), ("a", false), ("b", false), ("d", false), ("AB", false), ("", false)] {
            assert_eq!(stored.contains(&line(key)), found, "{key}");
        }
    }
}
