//! Tables whose records carry a version. Each says its columns once: the texts of its statements, their parameters, the check of its texts
//! and what it means when nothing was written follow from that.
//!
//! Absent: tables that are written most often, whose statements stand by hand with them.

#[cfg(test)]
pub(crate) mod tests;

use crate::{
    effects::{Done, Refused},
    engine::sql::{Sql, SqlError, Value, insert_new, parameters, query_all, query_one, to_db},
};
use landfall_model::{Cause, Error};
use std::{collections::HashSet, sync::OnceLock};

/// A table of records `R`. The place of a column is the number of its parameter.
pub(crate) struct Table<R: 'static> {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column<R>],
    pub(crate) version: fn(&R) -> u64,
    pub(crate) kind: Kind,
    pub(crate) statements: OnceLock<Statements>,
}

/// What a record stands on.
pub(crate) enum Kind {
    /// Itself: it is refused with this cause and detail where another record has the same in all columns of one of the sets.
    Registry { unique: &'static [&'static [&'static str]], taken: Cause, detail: &'static str },
    /// The device in this column: it is not kept when that is gone.
    OfDevice(&'static str),
}

pub(crate) struct Column<R> {
    name: &'static str,
    role: Role,
    nullable: bool,
    /// Absent for the record as JSON and for its version.
    value: Option<fn(&R) -> Cell<'_>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Key,
    Version,
    /// The record as JSON.
    Doc,
    /// An update sets it.
    Moves,
    /// An update sets it and writes its index, so that one that leaves it alone looks at it instead.
    Placed,
    /// An update sets it where the new value is greater.
    Newest,
    /// No update changes it.
    Stays,
}

/// A value of a column.
pub(crate) enum Cell<'r> {
    Is(Value<'r>),
    Text(String),
    Bytes(Vec<u8>),
}

/// The texts of a table's statements.
pub(crate) struct Statements {
    pub(crate) insert: String,
    /// The table and its columns.
    into: String,
    /// An update of a record whose placed columns stay, if the table has such columns: a database that is told to set an indexed column writes
    /// the index even where the value is the same.
    pub(crate) in_place: Option<String>,
    pub(crate) update: String,
    pub(crate) version: String,
}

/// The column by which a record is found.
pub(crate) const fn key<R>(name: &'static str, value: fn(&R) -> Cell<'_>) -> Column<R> {
    Column { name, role: Role::Key, nullable: false, value: Some(value) }
}

/// The column of the version.
pub(crate) const fn version<R>() -> Column<R> {
    Column { name: "version", role: Role::Version, nullable: false, value: None }
}

/// The column of the record as JSON.
pub(crate) const fn doc<R>() -> Column<R> {
    Column { name: "doc", role: Role::Doc, nullable: false, value: None }
}

/// A column that updates set.
pub(crate) const fn moves<R>(name: &'static str, value: fn(&R) -> Cell<'_>) -> Column<R> {
    Column { name, role: Role::Moves, nullable: false, value: Some(value) }
}

/// A column that updates set, and that an update in place only compares, as it has an index.
pub(crate) const fn placed<R>(name: &'static str, value: fn(&R) -> Cell<'_>) -> Column<R> {
    Column { name, role: Role::Placed, nullable: false, value: Some(value) }
}

/// As [`placed`], for a column that may be null.
pub(crate) const fn placed_or_null<R>(name: &'static str, value: fn(&R) -> Cell<'_>) -> Column<R> {
    Column { name, role: Role::Placed, nullable: true, value: Some(value) }
}

/// A column that never goes back.
pub(crate) const fn newest<R>(name: &'static str, value: fn(&R) -> Cell<'_>) -> Column<R> {
    Column { name, role: Role::Newest, nullable: true, value: Some(value) }
}

/// A column that no update changes.
pub(crate) const fn stays<R>(name: &'static str, value: fn(&R) -> Cell<'_>) -> Column<R> {
    Column { name, role: Role::Stays, nullable: false, value: Some(value) }
}

/// As [`stays`], for a column that may be null.
pub(crate) const fn stays_or_null<R>(name: &'static str, value: fn(&R) -> Cell<'_>) -> Column<R> {
    Column { name, role: Role::Stays, nullable: true, value: Some(value) }
}

impl<'r> Cell<'r> {
    pub(crate) fn bytes(bytes: &'r [u8]) -> Self {
        Self::Is(Value::Bytes(bytes))
    }

    pub(crate) fn opt_bytes(bytes: Option<&'r [u8]>) -> Self {
        Self::Is(Value::opt_bytes(bytes))
    }

    pub(crate) fn text(text: &'r str) -> Self {
        Self::Is(Value::Text(text))
    }

    pub(crate) fn opt_text(text: Option<&'r str>) -> Self {
        Self::Is(Value::opt_text(text))
    }

    pub(crate) fn int(number: impl Into<i64>) -> Self {
        Self::Is(Value::Int(number.into()))
    }

    pub(crate) fn opt_int(number: Option<impl Into<i64>>) -> Self {
        Self::Is(Value::opt_int(number.map(Into::into)))
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Is(value) => *value,
            Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
        }
    }
}

impl<R> Column<R> {
    /// That the stored value is that of the parameter.
    fn is(&self, place: usize) -> String {
        let operator = if self.nullable { "IS NOT DISTINCT FROM" } else { "=" };
        format!("{} {operator} ?{place}", self.name)
    }

    fn set(&self, place: usize) -> String {
        let name = self.name;
        match self.role {
            Role::Newest => {
                let newer = format!("{name} IS NULL OR {name} < ?{place}");
                format!("{name} = CASE WHEN {newer} THEN COALESCE(?{place}, {name}) ELSE {name} END")
            }
            Role::Key | Role::Version | Role::Doc | Role::Moves | Role::Placed | Role::Stays => format!("{name} = ?{place}"),
        }
    }
}

impl<R> Table<R> {
    pub(crate) fn statements(&self) -> &Statements {
        self.statements.get_or_init(|| Statements {
            insert: self.insert(),
            into: self.into(),
            in_place: self.columns.iter().any(|column| column.role == Role::Placed).then(|| self.update(false)),
            update: self.update(true),
            version: format!("SELECT version FROM {} WHERE {} = ?1", self.name, self.columns[0].name),
        })
    }

    fn into(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        format!("{} ({})", self.name, names.join(", "))
    }

    fn insert(&self) -> String {
        let into = format!("INSERT INTO {}", self.into());
        let device = match self.kind {
            Kind::Registry { .. } => None,
            Kind::OfDevice(device) => Some(device),
        };
        let value = |(place, column): (usize, &Column<R>)| match device == Some(column.name) {
            true => "id".to_owned(),
            false => format!("?{}", place + 1),
        };
        let values = self.columns.iter().enumerate().map(value).collect::<Vec<_>>().join(", ");
        match device {
            None => format!("{into} VALUES ({values}) ON CONFLICT DO NOTHING"),
            Some(device) => {
                format!("{into} SELECT {values} FROM device WHERE id = ?{} ON CONFLICT DO NOTHING", self.place(device))
            }
        }
    }

    /// With `placed`, the placed columns are set; else they are compared.
    fn update(&self, placed: bool) -> String {
        let (mut set, mut kept) = (Vec::new(), String::new());
        for (column, place) in self.columns.iter().zip(1..) {
            match column.role {
                Role::Key => (),
                Role::Stays => kept += &format!(" AND {}", column.is(place)),
                Role::Placed if !placed => kept += &format!(" AND {}", column.is(place)),
                Role::Version | Role::Doc | Role::Moves | Role::Placed | Role::Newest => set.push(column.set(place)),
            }
        }
        let (name, key) = (self.name, self.columns[0].name);
        let mut text = format!("UPDATE {name} SET {} WHERE {key} = ?1 AND version + 1 = ?2{kept}", set.join(", "));
        if let Kind::Registry { unique, .. } = self.kind
            && placed
        {
            for columns in unique {
                let same: String = columns.iter().map(|column| format!("o.{column} = ?{} AND ", self.place(column))).collect();
                text += &format!(" AND NOT EXISTS (SELECT 1 FROM {name} o WHERE {same}o.{key} <> ?1)");
            }
        }
        text
    }

    /// The number of a column's parameter; 0, which no database takes, for a column that is not there.
    fn place(&self, name: &str) -> usize {
        self.columns.iter().position(|column| column.name == name).map_or(0, |at| at + 1)
    }

    fn cells<'r>(&self, r: &'r R, doc: &'r str) -> Vec<Cell<'r>> {
        let cell = |column: &Column<R>| match (column.value, column.role) {
            (Some(value), _) => value(r),
            (None, Role::Version) => Cell::Is(Value::Int(to_db((self.version)(r)))),
            (None, _) => Cell::Is(Value::Text(doc)),
        };
        self.columns.iter().map(cell).collect()
    }

    /// Whether a text that becomes a column holds a character that not every database can.
    pub(crate) fn has_nul(&self, r: &R) -> bool {
        self.cells(r, "").iter().any(|cell| matches!(cell.value(), Value::Text(text) if text.contains('\0')))
    }

    /// Writes a record whose version is the next.
    pub(crate) fn put(&self, sql: &mut dyn Sql, r: &R, doc: &str) -> Done {
        self.keep(sql, r, doc).map(|_| ())
    }

    /// As [`Self::put`]; false where the record is not kept, because its device is gone.
    pub(crate) fn keep(&self, sql: &mut dyn Sql, r: &R, doc: &str) -> Result<bool, Refused> {
        self.keep_or(sql, r, doc, |_, error| Ok(Refused::Batch(error)))
    }

    /// As [`Self::keep`] for new records of devices, many to a statement; tells of each whether it is kept.
    pub(crate) fn keep_new(&self, sql: &mut dyn Sql, records: &[(&R, &str)]) -> Result<Vec<bool>, Refused> {
        let Kind::OfDevice(device) = self.kind else { return records.iter().map(|(r, doc)| self.keep(sql, r, doc)).collect() };
        let cells: Vec<Vec<Cell<'_>>> = records.iter().map(|(r, doc)| self.cells(r, doc)).collect();
        let rows = cells.iter().map(|cells| cells.iter().map(Cell::value).collect::<Vec<_>>());
        let device = self.place(device) - 1;
        let there = there(sql, cells.iter().map(|cells| cells[device].value()))?;
        let kept: Vec<bool> =
            cells.iter().map(|cells| matches!(cells[device].value(), Value::Bytes(id) if there.contains(id))).collect();
        let rows: Vec<_> = rows.zip(&kept).filter(|(_, kept)| **kept).map(|(row, _)| row).collect();
        if insert_new(sql, &self.statements().into, &rows)? < rows.len() as u64 {
            return Err(moved());
        }
        Ok(kept)
    }

    /// As [`Self::put`] for new records of a registry, many to a statement. Which of them is in the way of the batch is told as by that.
    pub(crate) fn put_new(&self, sql: &mut dyn Sql, records: &[(&R, &str)]) -> Done {
        let Kind::Registry { taken, detail, .. } = self.kind else {
            return records.iter().try_for_each(|(r, doc)| self.put(sql, r, doc));
        };
        let cells: Vec<Vec<Cell<'_>>> = records.iter().map(|(r, doc)| self.cells(r, doc)).collect();
        let rows: Vec<Vec<_>> = cells.iter().map(|cells| cells.iter().map(Cell::value).collect()).collect();
        if insert_new(sql, &self.statements().into, &rows)? == rows.len() as u64 {
            return Ok(());
        }
        let text = format!("SELECT doc FROM {} WHERE {} = ?1", self.name, self.columns[0].name);
        for (row, (_, doc)) in rows.iter().zip(records) {
            match query_one(sql, &text, &row[..1], |row| Ok(row.text(0)? == *doc))? {
                Some(true) => {}
                Some(false) => return Err(stale()),
                None => return Err(Refused::Batch(Error::new(taken, detail))),
            }
        }
        Err(stale())
    }

    /// As [`Self::put`]; `taken` says more of a collision with another record.
    pub(crate) fn put_or(
        &self,
        sql: &mut dyn Sql,
        r: &R,
        doc: &str,
        taken: impl FnOnce(&mut dyn Sql, Error) -> Result<Refused, SqlError>,
    ) -> Done {
        self.keep_or(sql, r, doc, taken).map(|_| ())
    }

    fn keep_or(
        &self,
        sql: &mut dyn Sql,
        r: &R,
        doc: &str,
        taken: impl FnOnce(&mut dyn Sql, Error) -> Result<Refused, SqlError>,
    ) -> Result<bool, Refused> {
        let cells = self.cells(r, doc);
        let params: Vec<Value<'_>> = cells.iter().map(Cell::value).collect();
        let statements = self.statements();
        let version = (self.version)(r);
        let text = if version == 1 { &statements.insert } else { &statements.update };
        if sql.execute(text, &params)? > 0 {
            return Ok(true);
        }
        match self.kind {
            Kind::OfDevice(device) => stale_or_gone(sql, params[self.place(device) - 1]).map(|()| false),
            Kind::Registry { .. } if !self.is_next(sql, &params[..1], version)? => Err(stale()),
            Kind::Registry { taken: cause, detail, .. } => Err(taken(sql, Error::new(cause, detail))?),
        }
    }

    /// Changes a record whose placed columns stay as they are; false where they do not.
    pub(crate) fn put_in_place(&self, sql: &mut dyn Sql, r: &R, doc: &str) -> Result<bool, SqlError> {
        let Some(text) = self.statements().in_place.as_deref().filter(|_| (self.version)(r) > 1) else { return Ok(false) };
        let cells = self.cells(r, doc);
        let params: Vec<Value<'_>> = cells.iter().map(Cell::value).collect();
        Ok(sql.execute(text, &params)? > 0)
    }

    /// Whether this is the version after the stored one.
    pub(crate) fn is_next(&self, sql: &mut dyn Sql, key: &[Value<'_>], version: u64) -> Result<bool, SqlError> {
        let stored = query_one(sql, &self.statements().version, key, |row| row.seq(0))?;
        Ok(stored.unwrap_or(0).checked_add(1) == Some(version))
    }
}

pub(crate) fn stale() -> Refused {
    Refused::Batch(Error::new(Cause::Stale, "the record changed meanwhile"))
}

/// After a write about a device that changed nothing: it came too late, unless the device is gone, whose records are not kept.
fn stale_or_gone(sql: &mut dyn Sql, device: Value<'_>) -> Done {
    match query_one(sql, "SELECT version FROM device WHERE id = ?1", &[device], |row| row.seq(0))? {
        None => Ok(()),
        Some(_) => Err(moved()),
    }
}

fn moved() -> Refused {
    Refused::Batch(Error::new(Cause::Stale, "the record or its place changed meanwhile"))
}

/// Which of these devices are there.
fn there<'v>(sql: &mut dyn Sql, devices: impl Iterator<Item = Value<'v>>) -> Result<HashSet<Vec<u8>>, SqlError> {
    /// Devices that one statement asks for; the last one fills up what is missing.
    const AT_ONCE: usize = 100;
    let text = format!("SELECT id FROM device WHERE id IN {}", parameters(1, AT_ONCE));
    let devices: Vec<Value<'_>> = devices.collect();
    let mut there = HashSet::new();
    for some in devices.chunks(AT_ONCE) {
        let mut params = some.to_vec();
        params.resize(AT_ONCE, some[some.len() - 1]);
        there.extend(query_all(sql, &text, &params, |row| Ok(row.bytes(0)?.to_vec()))?);
    }
    Ok(there)
}
