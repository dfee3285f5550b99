//! Failed rows as a file: the columns of the one they came from, the number of each row, and why it failed.

use super::{
    super::view::Info,
    row::{ADDED, TAG, TOP},
};
use bytes::Bytes;
use futures_util::{Stream, stream::try_unfold};
use landfall_core::{Core, FailedRow, ProductRef, RegisterDevice, Row, Scope, Unread};
use landfall_model::{AccessMode, JobId, Result};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Rows that are read at once.
const PAGE: u32 = 500;

/// The columns of a file whose rows are objects.
pub(super) fn columns() -> Vec<String> {
    TOP.iter().chain(Info::WORDS).map(|name| (*name).to_owned()).collect()
}

/// The same row as one that fails, as it names an application that is not there.
pub(super) fn unread_app(row: &Row, name: &str) -> Row {
    let mut given = cells(row);
    given.insert("app".to_owned(), name.into());
    let reason = "there is no application of this id or name".to_owned();
    Row::Unread(Box::new(Unread { column: Some("app".to_owned()), reason, given: Value::Object(given) }))
}

/// The file, some rows at a time.
pub(super) fn lines(core: Arc<Core>, scope: Scope, id: JobId, columns: Vec<String>) -> impl Stream<Item = Result<Bytes>> {
    let columns: Vec<String> = columns.into_iter().filter(|name| !ADDED.contains(&name.as_str())).collect();
    try_unfold(Some(0), move |from| {
        let (core, scope, columns) = (core.clone(), scope.clone(), columns.clone());
        async move {
            let Some(from) = from else { return Ok(None) };
            let mut text = String::new();
            if from == 0 {
                line(&mut text, columns.iter().map(String::as_str).chain(ADDED));
            }
            let rows = core.failed_rows(&scope, id, from, PAGE).await?;
            for row in &rows {
                write(&mut text, &columns, row);
            }
            let next = rows.last().filter(|_| rows.len() == PAGE as usize).map(|last| last.number + 1);
            Ok(Some((Bytes::from(text), next)))
        }
    })
}

fn write(text: &mut String, columns: &[String], row: &FailedRow) {
    let (cells, number, why) = (cells(&row.row), row.number.to_string(), row.fault.to_string());
    let of = |name: &String| match cells.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let given: Vec<String> = columns.iter().map(of).collect();
    line(text, given.iter().map(String::as_str).chain([number.as_str(), why.as_str()]));
}

/// A line of CSV.
fn line<'c>(text: &mut String, cells: impl Iterator<Item = &'c str>) {
    for (n, cell) in cells.enumerate() {
        if n > 0 {
            text.push(',');
        }
        match cell.contains(['"', ',', '\r', '\n']) {
            true => text.push_str(&format!("\"{}\"", cell.replace('"', "\"\""))),
            false => text.push_str(cell),
        }
    }
    text.push_str("\r\n");
}

/// What a row says, by the names of columns.
fn cells(row: &Row) -> Map<String, Value> {
    let new = match row {
        Row::Device(new) => new,
        Row::Credentials(new) => return flat(json!(new).as_object().cloned().unwrap_or_default()),
        Row::Unread(row) => return flat(row.given.as_object().cloned().unwrap_or_default()),
    };
    let RegisterDevice { node_id, access, product, info, verify_code, psk, psk_identity, secret, timeout_s, is_secure } =
        &new.device;
    let shown = |secret: &Option<landfall_model::Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    let product = match product {
        Some(ProductRef::Id(id)) => json!(id),
        Some(ProductRef::Key(key)) => json!(key),
        None => Value::Null,
    };
    let access = if *access == AccessMode::VerifyCode { "verifyCode" } else { "secret" };
    let top = json!({
        "nodeId": node_id, "app": new.app, "access": access, "product": product, "secret": shown(secret), "verifyCode": shown(verify_code),
        "psk": shown(psk), "pskIdentity": psk_identity, "timeoutSeconds": timeout_s, "isSecure": is_secure.then_some(true),
        "info": json!(Info::of(info)), "tags": info.tags,
    });
    flat(top.as_object().cloned().unwrap_or_default())
}

/// Descriptive fields and tags beside the others.
fn flat(mut object: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Object(info)) = object.remove("info") {
        object.extend(info);
    }
    if let Some(Value::Array(tags)) = object.remove("tags") {
        for tag in tags {
            let name = format!("{TAG}{}", tag["name"].as_str().unwrap_or_default());
            object.insert(name, tag["value"].clone());
        }
    }
    object
}
