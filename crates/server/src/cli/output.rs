//! What people and programs read: aligned tables, or JSON.

use serde_json::Value;
use std::{fmt::Write as _, io::Write as _};

/// How to print.
pub(super) struct Output {
    pub(super) json: bool,
}

/// Heading and JSON pointer of a column.
pub(super) type Columns<'a> = &'a [(&'a str, &'a str)];

impl Output {
    /// A page of a list. People are told on stderr when there is more.
    pub(super) fn list(&self, page: &Value, columns: Columns<'_>) {
        if self.json {
            return emit_json(page);
        }
        let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        self.rows(items, columns);
        let total = page["total"].as_u64().unwrap_or_default();
        if total > items.len() as u64 {
            eprintln!("{} of {total}; see --page and --page-size", items.len());
        }
    }

    /// A table.
    pub(super) fn rows(&self, items: &[Value], columns: Columns<'_>) {
        let heads = columns.iter().map(|(head, _)| (*head).to_owned()).collect();
        let row = |item: &Value| columns.iter().map(|(_, at)| item.pointer(at).map(cell).unwrap_or_default()).collect();
        let rows: Vec<Vec<String>> = std::iter::once(heads).chain(items.iter().map(row)).collect();
        emit(&aligned(&rows));
    }

    /// One record, a line a field.
    pub(super) fn record(&self, record: &Value) {
        if self.json {
            return emit_json(record);
        }
        let mut rows = vec![];
        flatten("", record, &mut rows);
        emit(&aligned(&rows));
    }

    /// A sentence for people; programs get the record.
    pub(super) fn done(&self, sentence: &str, record: &Value) {
        if self.json { emit_json(record) } else { emit(&format!("{}\n", printable(sentence))) }
    }
}

/// Writes to stdout. A reader that closed the pipe has read enough, so that is no failure.
pub(super) fn emit(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn emit_json(value: &Value) {
    emit(&format!("{value}\n"));
}

fn flatten(prefix: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, field) in fields {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&name, field, rows);
            }
        }
        Value::Null => {}
        other => rows.push(vec![printable(prefix), cell(other)]),
    }
}

/// A value in one line.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => printable(text),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().map(cell).collect::<Vec<_>>().join(", ")
        }
        other => printable(&other.to_string()),
    }
}

/// Without control characters: devices choose some of these texts, and a terminal obeys what it is sent.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Columns as wide as their widest cell, two spaces apart, no spaces at the end of a line.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |n: usize| rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tables_are_aligned() {
        let rows =
            [vec!["NAME".into(), "STATUS".into()], vec!["Zähler".into(), "ONLINE".into()], vec!["b".into(), String::new()]];
        assert_eq!(aligned(&rows), "NAME    STATUS\nZähler  ONLINE\nb\n");
    }

    #[test]
    fn records_are_flat_and_harmless() {
        let mut rows = vec![];
        flatten("", &json!({ "a": { "b": 1, "c": null }, "list": ["x", "y"], "text": "\u{1b}[31m" }), &mut rows);
        assert_eq!(rows, [vec!["a.b", "1"], vec!["list", "x, y"], vec!["text", "\u{fffd}[31m"]]);
    }
}
