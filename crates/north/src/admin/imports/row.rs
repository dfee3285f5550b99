//! Rows of files as devices: cells by the names of their columns, objects as POST /devices takes them.

use super::{super::register::RegisterBody, file::Piece};
use landfall_core::{NewDevice, Row, Unread};
use landfall_model::{Error, Result};
use serde_json::{Map, Value, json};

/// Columns that are no descriptive field.
pub(super) const TOP: [&str; 10] =
    ["nodeId", "app", "access", "product", "secret", "verifyCode", "psk", "pskIdentity", "timeoutSeconds", "isSecure"];
/// What a column with a tag begins with.
pub(super) const TAG: &str = "tag:";
/// Columns that the file of failed rows adds; ignored when it is imported again.
pub(super) const ADDED: [&str; 2] = ["row", "error"];

/// What a row says, and the name of the application that it gives.
pub(super) fn read_row(header: &[String], piece: Piece) -> (Option<String>, Row) {
    let (given, told) = match piece {
        Piece::Header(_) => (Value::Null, Err(Error::invalid("body", "is a header"))),
        Piece::Cells(cells, Some((column, reason))) => {
            let column = column.and_then(|at| header.get(at)).map_or("row", |name| name);
            (cells_of(header, &cells), Err(Error::invalid(column.to_owned(), reason)))
        }
        Piece::Cells(cells, None) => (cells_of(header, &cells), device(header, &cells)),
        Piece::Object(text) => match serde_json::from_slice::<Map<String, Value>>(&text) {
            Ok(mut object) => {
                ADDED.iter().for_each(|name| drop(object.remove(*name)));
                (Value::Object(object.clone()), Ok(Value::Object(object)))
            }
            Err(error) => (String::from_utf8_lossy(&text).into(), Err(Error::invalid("body", error.to_string()))),
        },
    };
    let read = told.and_then(|value| {
        let body: RegisterBody = serde_json::from_value(value).map_err(|error| Error::invalid("body", error.to_string()))?;
        body.into_named_request()
    });
    match read {
        Ok((app, device)) => (app, Row::Device(Box::new(NewDevice { app: None, device }))),
        Err(error) => {
            // Messages about a row as a whole name no column.
            let column = error.path.filter(|path| !["body", "row"].contains(&&**path)).map(Into::into);
            (None, Row::Unread(Box::new(Unread { column, reason: error.detail.into(), given })))
        }
    }
}

/// The cells by the names of their columns.
fn cells_of(header: &[String], cells: &[String]) -> Value {
    header.iter().zip(cells).map(|(name, cell)| (name.clone(), Value::from(cell.as_str()))).collect()
}

/// A row of a table as a device; empty cells are absent.
fn device(header: &[String], cells: &[String]) -> Result<Value> {
    let (mut device, mut info, mut tags) = (Map::new(), Map::new(), vec![]);
    for (name, cell) in header.iter().zip(cells).filter(|(name, cell)| !cell.is_empty() && !ADDED.contains(&name.as_str())) {
        match name.as_str() {
            "isSecure" => {
                let flag: bool = cell.parse().map_err(|_| Error::invalid("isSecure", "must be true or false"))?;
                device.insert(name.clone(), flag.into());
            }
            "timeoutSeconds" => {
                let seconds: u32 = cell.parse().map_err(|_| Error::invalid("timeoutSeconds", "must be a number"))?;
                device.insert(name.clone(), seconds.into());
            }
            top if TOP.contains(&top) => {
                device.insert(name.clone(), cell.as_str().into());
            }
            other => match other.strip_prefix(TAG) {
                Some(tag) => tags.push(json!({ "name": tag, "value": cell })),
                None => {
                    info.insert(name.clone(), cell.as_str().into());
                }
            },
        }
    }
    device.insert("info".into(), info.into());
    device.insert("tags".into(), tags.into());
    Ok(device.into())
}
