//! `multipart/form-data` (RFC 7578), read while it comes: of each part what its header fields say, then its data in pieces.
//!
//! A machine without input and output, as `multer` reads ahead for as long as its stream has something, wants CRLF, and refuses a body that ends
//! without the closing boundary, as the seed of Cumulocity shows one. Lines may end in LF alone. Absent: encodings of parts, and nested ones.

use bytes::{Bytes, BytesMut};
use memchr::memmem;

/// Bytes of the header fields of a part, of what stands before the first one, and of the rest of a boundary's line.
const HEADERS: usize = 8 * 1024;
const PREAMBLE: usize = 64 * 1024;
const PADDING: usize = 256;
/// Characters of a boundary; RFC 2046 has 70.
const BOUNDARY: usize = 200;

/// What comes of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A part begins.
    Part(Part),
    /// Data of the part, never empty.
    Data(Bytes),
}

/// What the header fields of a part say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its name; empty where none is given.
    pub name: String,
    pub file_name: Option<String>,
    /// Its `Content-Type`.
    pub content_type: Option<String>,
}

/// What is wrong with a body, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub String);

/// Reads one body. `feed` what comes, then take pieces until there is none; at the end of the body `close`, and take the last ones.
pub(crate) struct Multipart {
    /// Line feed, two dashes, boundary; empty until the first line names that.
    delimiter: Vec<u8>,
    pending: BytesMut,
    place: Place,
    skipped: usize,
    /// The line end before the first data is still there, as it may be that of a boundary.
    fresh: bool,
    closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the line that names the boundary.
    FirstLine,
    Preamble,
    /// Behind a boundary.
    Boundary,
    Headers,
    Data,
    /// Behind the closing boundary.
    Over,
}

/// The media type of a `Content-Type`, in lower case.
pub(crate) fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

impl Multipart {
    /// For a body of this `Content-Type`, which must be multipart. Where that names no boundary, as some devices leave it out, the first line of the
    /// body does.
    pub fn of(content_type: &str) -> Result<Self, Malformed> {
        let (place, delimiter) = match parameter(content_type, "boundary") {
            Some(boundary) => (Place::Preamble, delimiter(boundary.as_bytes()).ok_or_else(no_boundary)?),
            None => (Place::FirstLine, vec![]),
        };
        // So a body that begins with its boundary is no special one.
        let pending = BytesMut::from(&b"\n"[..]);
        Ok(Self { delimiter, pending, place, skipped: 0, fresh: false, closed: false })
    }

    /// More of the body has come.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.place != Place::Over {
            self.pending.extend_from_slice(bytes);
        }
    }

    /// Nothing more comes.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// The next piece; none: more must come, or nothing will.
    pub fn next(&mut self) -> Result<Option<Piece>, Malformed> {
        loop {
            match self.place {
                Place::FirstLine => {
                    if !self.read_first_line()? {
                        return Ok(None);
                    }
                }
                Place::Preamble => {
                    let (before, found) = self.up_to_boundary();
                    self.skipped += before.len();
                    if self.skipped > PREAMBLE || self.closed && !found {
                        return Err(Malformed("the body does not begin with the boundary that its Content-Type names".into()));
                    }
                    if !found {
                        return Ok(None);
                    }
                }
                Place::Boundary => {
                    let end = memchr::memchr(b'\n', &self.pending);
                    if self.pending.starts_with(b"--") || end.is_none() && self.closed {
                        self.place = Place::Over;
                    } else if let Some(end) = end.filter(|end| *end <= PADDING) {
                        drop(self.pending.split_to(end + 1));
                        self.place = Place::Headers;
                    } else if self.pending.len() > PADDING {
                        return Err(Malformed("a boundary is followed by more than spaces".into()));
                    } else {
                        return Ok(None);
                    }
                }
                Place::Headers => {
                    let Some((length, part)) = headers(&self.pending)? else {
                        if self.closed && self.pending.iter().all(u8::is_ascii_whitespace) {
                            self.place = Place::Over;
                            continue;
                        }
                        if self.closed || self.pending.len() > HEADERS {
                            return Err(Malformed(format!("the header fields of a part do not end within {HEADERS} bytes")));
                        }
                        return Ok(None);
                    };
                    drop(self.pending.split_to(length - 1));
                    (self.place, self.fresh) = (Place::Data, true);
                    return Ok(Some(Piece::Part(part)));
                }
                Place::Data => {
                    let (mut data, found) = self.up_to_boundary();
                    if self.fresh && !data.is_empty() {
                        self.fresh = false;
                        drop(data.split_to(1));
                    }
                    if !data.is_empty() {
                        return Ok(Some(Piece::Data(data)));
                    }
                    if !found {
                        return Ok(None);
                    }
                }
                Place::Over => {
                    self.pending.clear();
                    return Ok(None);
                }
            }
        }
    }

    /// Takes the boundary from the first line, where the Content-Type names none; false: more must come.
    fn read_first_line(&mut self) -> Result<bool, Malformed> {
        let line = &self.pending[1..];
        let end = memchr::memchr(b'\n', line).or(self.closed.then_some(line.len()));
        let Some(end) = end.filter(|end| *end <= BOUNDARY + PADDING) else {
            return if line.len() > BOUNDARY + PADDING { Err(no_boundary()) } else { Ok(false) };
        };
        let boundary = line[..end].trim_ascii_end().strip_prefix(b"--");
        self.delimiter = boundary.and_then(delimiter).ok_or_else(no_boundary)?;
        self.place = Place::Preamble;
        Ok(true)
    }

    /// What surely stands before the next boundary; true where that follows, which is then passed.
    fn up_to_boundary(&mut self) -> (Bytes, bool) {
        let mut from = 0;
        while let Some(at) = memmem::find(&self.pending[from..], &self.delimiter).map(|at| at + from) {
            let behind = at + self.delimiter.len();
            match self.pending.get(behind) {
                None if !self.closed => return (self.take(at), false),
                // What only begins with the boundary is data.
                Some(next) if !b"- \t\r\n".contains(next) => from = at + 1,
                _ => {
                    let data = self.take(at);
                    let line_end = self.pending.iter().take_while(|byte| **byte == b'\r').count() + self.delimiter.len();
                    drop(self.pending.split_to(line_end.min(self.pending.len())));
                    self.place = Place::Boundary;
                    return (data, true);
                }
            }
        }
        let held = if self.closed { 0 } else { self.held() };
        let sure = self.pending.len() - held;
        (self.pending.split_to(sure).freeze(), false)
    }

    /// Data up to a line feed, without the carriage return before it.
    fn take(&mut self, at: usize) -> Bytes {
        let end = if at > 0 && self.pending[at - 1] == b'\r' { at - 1 } else { at };
        self.pending.split_to(end).freeze()
    }

    /// How many of the last bytes may begin a boundary.
    fn held(&self) -> usize {
        let tail = self.pending.len().saturating_sub(self.delimiter.len());
        match memchr::memrchr(b'\n', &self.pending[tail..]) {
            Some(at) if self.delimiter.starts_with(&self.pending[tail + at..]) => {
                let at = tail + at;
                self.pending.len() - if at > 0 && self.pending[at - 1] == b'\r' { at - 1 } else { at }
            }
            _ => usize::from(self.pending.ends_with(b"\r")),
        }
    }
}

fn delimiter(boundary: &[u8]) -> Option<Vec<u8>> {
    (1..=BOUNDARY).contains(&boundary.len()).then(|| [b"\n--", boundary].concat())
}

fn no_boundary() -> Malformed {
    Malformed("neither the Content-Type nor the first line of the body names a boundary".into())
}

/// The header fields of a part: how long they are with the empty line behind them, and what they say; none where they are not whole.
fn headers(bytes: &[u8]) -> Result<Option<(usize, Part)>, Malformed> {
    let mut part = Part::default();
    let mut from = 0;
    while let Some(end) = memchr::memchr(b'\n', &bytes[from..]).map(|at| at + from) {
        let line = bytes[from..end].strip_suffix(b"\r").unwrap_or(&bytes[from..end]);
        if line.is_empty() {
            return Ok(Some((end + 1, part)));
        }
        let text = String::from_utf8_lossy(line);
        match text.split_once(':') {
            Some((field, value)) if field.trim().eq_ignore_ascii_case("content-disposition") => {
                part.name = parameter(value, "name").unwrap_or_default();
                part.file_name = parameter(value, "filename");
            }
            Some((field, value)) if field.trim().eq_ignore_ascii_case("content-type") => {
                part.content_type = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            }
            Some(_) => {}
            None if text.starts_with([' ', '\t']) => {}
            None => return Err(Malformed("a line among the header fields of a part has no colon".into())),
        }
        from = end + 1;
    }
    Ok(None)
}

/// A parameter of a header field, behind its first semicolon.
pub(crate) fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (name, behind) = rest.split_once('=')?;
        let name = name.rsplit(';').next().unwrap_or(name).trim();
        let (text, behind) = match behind.trim_start().strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (text, behind) = behind.split_once(';').unwrap_or((behind, ""));
                (text.trim().to_owned(), behind)
            }
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = behind;
    }
}

/// A text up to its closing quote, and what is behind that.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => text.push(chars.next()?.1),
            char => text.push(char),
        }
    }
    None
}

#[cfg(test)]
mod tests;
