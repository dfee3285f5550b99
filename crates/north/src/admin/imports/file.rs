//! Files of devices, taken apart while they come: CSV, and JSON objects one after another, in an array or not.

use crate::csv::{Record, Table};
use landfall_model::{Error, Result};

/// Bytes of one object.
const OBJECT: usize = 1024 * 1024;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The columns of a table.
    Header(Vec<String>),
    /// A row of a table: its cells, and the column and reason where it is wrong.
    Cells(Vec<String>, Option<(Option<usize>, String)>),
    /// The text of an object.
    Object(Vec<u8>),
}

/// A file on its way.
pub(super) enum File {
    Csv(Box<Table>),
    Json(Objects),
}

impl File {
    /// By its media type. `InvalidField` for another one.
    pub fn of(media: &str) -> Result<Self> {
        match media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/csv" => Ok(Self::Csv(Box::default())),
            "application/json" | "application/x-ndjson" | "application/jsonl" => Ok(Self::Json(Objects::default())),
            _ => Err(Error::invalid("Content-Type", "must be text/csv, application/x-ndjson or application/json")),
        }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        match self {
            Self::Csv(table) => table.feed(bytes),
            Self::Json(objects) => objects.feed(bytes),
        }
    }

    /// Nothing more comes. `InvalidField` for an object that has no end.
    pub fn close(&mut self) -> Result<()> {
        match self {
            Self::Csv(table) => table.close(),
            Self::Json(objects) if objects.depth > 0 => return Err(Error::invalid("body", "ends within an object")),
            Self::Json(_) => {}
        }
        Ok(())
    }

    /// The next piece that is whole.
    pub fn next(&mut self) -> Result<Option<Piece>> {
        match self {
            Self::Csv(table) => {
                let record = table.next().map_err(|none| Error::invalid("body", none.0))?;
                Ok(record.map(|record| match record {
                    Record::Header(names) => Piece::Header(names),
                    Record::Row(row) => Piece::Cells(row.cells, row.fault.map(|fault| (fault.column, fault.detail))),
                }))
            }
            Self::Json(objects) => Ok(objects.next()?.map(Piece::Object)),
        }
    }
}

/// Objects on their way: between them are white space, commas and the brackets of an array.
#[derive(Default)]
pub(super) struct Objects {
    pending: Vec<u8>,
    /// Where the object at hand begins, and what was searched for its end.
    start: usize,
    at: usize,
    depth: u32,
    quoted: bool,
    escaped: bool,
    begun: bool,
}

impl Objects {
    fn feed(&mut self, bytes: &[u8]) {
        let gone = if self.depth > 0 { self.start } else { self.at };
        self.pending.drain(..gone);
        (self.start, self.at) = (self.start - gone.min(self.start), self.at - gone);
        self.pending.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        while let Some(byte) = self.pending.get(self.at).copied() {
            self.at += 1;
            match (byte, self.quoted) {
                _ if self.depth > 0 && self.at - self.start > OBJECT => {
                    return Err(Error::invalid("body", format!("holds an object of more than {OBJECT} bytes")));
                }
                _ if std::mem::take(&mut self.escaped) => {}
                (b'\\', true) => self.escaped = true,
                (b'"', _) if self.depth > 0 => self.quoted = !self.quoted,
                (_, true) => {}
                // It may come in pieces.
                (byte, _) if !self.begun && BOM.contains(&byte) => {}
                (b'{', _) => {
                    self.begun = true;
                    if self.depth == 0 {
                        self.start = self.at - 1;
                    }
                    self.depth += 1;
                }
                (b'}', _) if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Ok(Some(self.pending[self.start..self.at].to_vec()));
                    }
                }
                _ if self.depth > 0 => {}
                (b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[' | b']', _) => {}
                _ => return Err(Error::invalid("body", "must be objects, one after another or in an array")),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(text: &[u8], size: usize) -> Result<Vec<String>> {
        let (mut file, mut found) = (File::of("application/json; charset=utf-8")?, vec![]);
        let mut drain = |file: &mut File| -> Result<()> {
            while let Some(Piece::Object(text)) = file.next()? {
                found.push(String::from_utf8(text).unwrap());
            }
            Ok(())
        };
        for chunk in text.chunks(size) {
            file.feed(chunk);
            drain(&mut file)?;
        }
        file.close()?;
        Ok(found)
    }

    #[test]
    fn objects_are_found_however_they_come() {
        let expected = [r#"{"a":"}\"{","b":{"c":[1,2]}}"#, "{}", r#"{"d":"\\"}"#];
        let lines = expected.join("\r\n");
        let array = format!("\u{feff} [{}\n]", expected.join(" , "));
        for text in [lines, array] {
            for size in [1, 2, 3, 1_000] {
                assert_eq!(objects(text.as_bytes(), size).unwrap(), expected, "{text} by {size}");
            }
        }
        assert_eq!(objects(b"", 1).unwrap(), [""; 0]);
        for bad in ["{", "[{\"a\":\"}", "x", "[1]", "}"] {
            assert!(objects(bad.as_bytes(), 1).is_err(), "{bad}");
        }
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(OBJECT));
        assert!(objects(large.as_bytes(), 1_000).is_err());
        assert!(File::of("text/plain").is_err());
    }
}
