//! Tables as text (CSV, RFC 4180), read while they come: the header line, then a row at a time, however large the file is.
//!
//! The separator is found in the header line. `csv-core` takes the records apart; here is what it does not judge: limits, widths, UTF-8, quotes
//! that are not closed. Absent: what the columns mean.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// Columns of a header line.
pub(crate) const COLUMNS: usize = 200;
/// Bytes of a cell, and of a line.
pub(crate) const CELL: usize = 64 * 1024;
pub(crate) const LINE: usize = 1024 * 1024;
/// Separators, the preferred one first.
const SEPARATORS: [u8; 3] = [b'\t', b';', b','];
const BOM: &[u8] = b"\xef\xbb\xbf";
/// Cells of one record that are told apart: one more than a good one has.
const ENDS: usize = COLUMNS + 1;

/// What comes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The names of the columns, without spaces around them, as they stand there.
    Header(Vec<String>),
    /// A line below.
    Row(Row),
}

/// A line of a file, which may be several lines of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Which it is of those below the header line, from 1; blank lines are not counted.
    pub number: u64,
    /// Its cells, as far as they could be read.
    pub cells: Vec<String>,
    /// Why it is no good row.
    pub fault: Option<Fault>,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The column, from 0, where it is one.
    pub column: Option<usize>,
    /// For people. Never holds what a cell holds.
    pub detail: String,
}

/// Why a file is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoTable(pub String);

/// Reads one file. `feed` what comes, then take records until there is none; at the end of the file `close`, and take the last ones.
#[derive(Default)]
pub(crate) struct Table {
    pending: Vec<u8>,
    /// How much of that was taken.
    taken: usize,
    /// How much of it was searched for the end of the header line, and whether that ends within quotes.
    searched: usize,
    quoted: bool,
    rows: Option<Rows>,
    closed: bool,
}

/// Reads lines.
struct Rows {
    core: Reader,
    /// Columns of the header line, once that was read.
    width: Option<usize>,
    number: u64,
    line: Vec<u8>,
    length: usize,
    ends: [usize; ENDS],
    cells: usize,
    overlong: bool,
    /// All of the file was taken.
    finishing: bool,
}

impl Table {
    /// More of the file has come.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.pending.drain(..self.taken);
        self.searched = self.searched.saturating_sub(self.taken);
        self.taken = 0;
        self.pending.extend_from_slice(bytes);
    }

    /// Nothing more comes.
    pub fn close(&mut self) {
        // Ends the last line, unless it is within quotes.
        self.feed(b"\n");
        self.closed = true;
    }

    /// The next record; none: more must come, or nothing will.
    pub fn next(&mut self) -> Result<Option<Record>, NoTable> {
        if let Some(rows) = &mut self.rows {
            let (taken, row) = rows.read(&self.pending[self.taken..], self.closed);
            self.taken += taken;
            return Ok(row.map(Record::Row));
        }
        let Some(end) = self.header_end()? else { return Ok(None) };
        let (names, rows) = Rows::below(without_bom(&self.pending[self.taken..end]))?;
        (self.taken, self.rows) = (end, Some(rows));
        Ok(Some(Record::Header(names)))
    }

    /// Where the header line ends, the first that is not blank.
    fn header_end(&mut self) -> Result<Option<usize>, NoTable> {
        while let Some(byte) = self.pending.get(self.searched) {
            self.searched += 1;
            self.quoted ^= *byte == b'"';
            if *byte == b'\n' && !self.quoted {
                if !without_bom(&self.pending[self.taken..self.searched]).trim_ascii().is_empty() {
                    return Ok(Some(self.searched));
                }
                self.taken = self.searched;
            }
            if self.searched - self.taken > LINE {
                return Err(NoTable(format!("the header line has more than {LINE} bytes")));
            }
        }
        match self.closed {
            true if self.quoted => Err(NoTable("a quote in the header line is not closed".into())),
            true => Err(NoTable("the file has no header line".into())),
            false => Ok(None),
        }
    }
}

impl Rows {
    /// What stands below a header line, whose cells are given with it.
    fn below(header: &[u8]) -> Result<(Vec<String>, Self), NoTable> {
        if header.starts_with(b"\xff\xfe") || header.starts_with(b"\xfe\xff") {
            return Err(NoTable("the file is UTF-16; it must be UTF-8".into()));
        }
        let core = ReaderBuilder::new().delimiter(separator(header)).build();
        let mut rows = Self {
            core,
            width: None,
            number: 0,
            line: vec![0; 4_096],
            length: 0,
            ends: [0; ENDS],
            cells: 0,
            overlong: false,
            finishing: false,
        };
        let read = rows.read(header, false).1;
        let Row { cells, fault, .. } = read.ok_or_else(|| NoTable("the file has no header line".into()))?;
        if let Some(Fault { column, detail }) = fault {
            let place = column.map_or(String::new(), |at| format!(", column {}", at + 1));
            return Err(NoTable(format!("the header line{place} {detail}")));
        }
        (rows.width, rows.number) = (Some(cells.len()), 0);
        Ok((cells.iter().map(|name| name.trim().to_owned()).collect(), rows))
    }

    /// The next row out of some bytes, and how many it took.
    fn read(&mut self, mut input: &[u8], closed: bool) -> (usize, Option<Row>) {
        let all = input.len();
        let mut scratch = [0; 4_096];
        loop {
            // An empty input means the end to the reader.
            if input.is_empty() && !self.finishing {
                if !closed {
                    return (all, None);
                }
                self.finishing = true;
            }
            let line = if self.overlong { &mut scratch[..] } else { &mut self.line[self.length..] };
            let (result, taken, put, ends) = self.core.read_record(input, line, &mut self.ends[self.cells.min(COLUMNS)..]);
            input = &input[taken..];
            self.cells += ends;
            self.length += if self.overlong { 0 } else { put };
            match result {
                ReadRecordResult::End => return (all, None),
                ReadRecordResult::InputEmpty | ReadRecordResult::OutputEndsFull => {}
                ReadRecordResult::OutputFull if self.line.len() < LINE => self.line.resize(self.line.len() * 2, 0),
                ReadRecordResult::OutputFull => self.overlong = true,
                ReadRecordResult::Record => {
                    let row = self.row();
                    (self.length, self.cells, self.overlong) = (0, 0, false);
                    if row.is_some() {
                        return (all - input.len(), row);
                    }
                }
            }
        }
    }

    /// The record that was read; none where it is blank.
    fn row(&mut self) -> Option<Row> {
        let ends = self.ends[..self.cells.min(ENDS)].iter().take_while(|end| **end <= self.length);
        let mut start = 0;
        let cells: Vec<&[u8]> = ends.map(|end| &self.line[std::mem::replace(&mut start, *end)..*end]).collect();
        let blank = self.cells == 1 && cells.first().is_some_and(|cell| cell.trim_ascii().is_empty());
        if blank && self.width.is_some_and(|width| width > 1) {
            return None;
        }
        self.number += 1;
        let fault = self.fault_of_line().map(|detail| Fault { column: None, detail });
        let fault = fault.or_else(|| cells.iter().enumerate().find_map(|(at, cell)| fault_of_cell(at, cell)));
        let cells = cells.into_iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
        Some(Row { number: self.number, cells, fault })
    }

    fn fault_of_line(&self) -> Option<String> {
        match self.width {
            _ if self.finishing => Some("has a quote that is not closed".into()),
            _ if self.overlong => Some(format!("has more than {LINE} bytes")),
            None if self.cells > COLUMNS => Some(format!("has {} columns; there may be {COLUMNS}", self.cells)),
            Some(width) if self.cells != width => Some(format!("has {} values; the header line has {width} columns", self.cells)),
            _ => None,
        }
    }
}

fn fault_of_cell(at: usize, cell: &[u8]) -> Option<Fault> {
    let detail = match std::str::from_utf8(cell) {
        _ if cell.len() > CELL => format!("has more than {CELL} bytes"),
        Ok(_) => return None,
        Err(error) => format!("is not UTF-8 from its byte {} on", error.valid_up_to() + 1),
    };
    Some(Fault { column: Some(at), detail })
}

fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(BOM).unwrap_or(text)
}

/// The separator of a header line: the most frequent one outside of quotes.
fn separator(header: &[u8]) -> u8 {
    let (mut counts, mut quoted) = ([0; SEPARATORS.len()], false);
    for byte in header {
        quoted ^= *byte == b'"';
        if let Some(at) = SEPARATORS.iter().position(|separator| separator == byte && !quoted) {
            counts[at] += 1;
        }
    }
    // Of equal ones `max_by_key` takes the last.
    let most = counts.iter().zip(SEPARATORS).rev().max_by_key(|(count, _)| **count);
    most.map_or(b',', |(_, separator)| separator)
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
