//! JSON as devices and applications send it, made sound before anything reads it: one rule for all of them.
//!
//! A byte order mark before it and NUL after it (firmware in C sends the end of its string) are dropped. Of members with one name the last
//! counts (RFC 8259, 4: what most readers do). A number that no double holds, and nesting at which readers give up, are errors: what is passed
//! on must be readable. Absent: the grammar; whoever reads the text finds what is wrong with it.

use serde::de::IgnoredAny;
use std::{borrow::Cow, ops::Range};

/// Deepest nesting; common readers give up at 128, and what is passed on is nested in more.
const DEPTH: usize = 100;
/// No number of fewer digits, and without an exponent, is beyond a double.
const SURE_DIGITS: usize = 308;

/// The text, sound. The error is for people and holds no value; positions count from where the text begins, in bytes.
pub fn sound(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let end = bytes.iter().rposition(|byte| *byte != 0 && !byte.is_ascii_whitespace()).map_or(0, |last| last + 1);
    let bytes = bytes.get(..end).unwrap_or_default();
    let text = std::str::from_utf8(bytes).map_err(|error| format!("is not UTF-8 at byte {}", error.valid_up_to()))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut scan = Scan { text, open: vec![], members: vec![], dropped: vec![] };
    scan.run()?;
    if scan.dropped.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    // What is dropped must be JSON too.
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| format!("is no JSON: {error}"))?;
    Ok(Cow::Owned(scan.rest()))
}

/// One pass over the text.
struct Scan<'a> {
    text: &'a str,
    open: Vec<Open>,
    /// Of the open objects, outer ones first.
    members: Vec<Member>,
    /// Members whose name comes again.
    dropped: Vec<Range<usize>>,
}

/// An object or array that has not ended.
struct Open {
    is_object: bool,
    /// Where its members begin.
    first: usize,
    /// The next string is a name.
    names: bool,
}

struct Member {
    /// Of the name, with its quotes.
    name: Range<usize>,
    /// Where the next member begins.
    end: usize,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), String> {
        let mut at = 0;
        while let Some(byte) = self.text.as_bytes().get(at) {
            at = match byte {
                b'"' => self.string(at),
                b'-' | b'0'..=b'9' => self.number(at)?,
                b'{' | b'[' => self.begin(at, *byte == b'{')?,
                b'}' | b']' => self.end(at),
                b',' => {
                    if let Some(top) = self.open.last_mut() {
                        top.names = top.is_object;
                    }
                    at + 1
                }
                _ => at + 1,
            };
        }
        Ok(())
    }

    fn begin(&mut self, at: usize, is_object: bool) -> Result<usize, String> {
        if self.open.len() == DEPTH {
            return Err(format!("is nested deeper than {DEPTH} at byte {at}"));
        }
        self.open.push(Open { is_object, first: self.members.len(), names: is_object });
        Ok(at + 1)
    }

    fn end(&mut self, at: usize) -> usize {
        let Some(ended) = self.open.pop() else { return at + 1 };
        let (text, members) = (self.text, self.members.get_mut(ended.first..).unwrap_or_default());
        members.sort_unstable_by(|one, other| {
            let by_name = name(text, one).cmp(&name(text, other));
            by_name.then_with(|| one.name.start.cmp(&other.name.start))
        });
        self.dropped.extend(members.windows(2).filter_map(|pair| match pair {
            [one, next] if name(text, one) == name(text, next) => Some(one.name.start..one.end),
            _ => None,
        }));
        self.members.truncate(ended.first);
        at + 1
    }

    fn string(&mut self, at: usize) -> usize {
        let mut escaped = false;
        let inside = self.text.as_bytes().iter().skip(at + 1);
        let length = inside.take_while(|byte| {
            let ends = **byte == b'"' && !escaped;
            escaped = **byte == b'\\' && !escaped;
            !ends
        });
        let end = at + length.count() + 2;
        if let Some(top) = self.open.last_mut().filter(|top| top.names) {
            top.names = false;
            if let Some(before) = self.members.get_mut(top.first..).and_then(|members| members.last_mut()) {
                before.end = at;
            }
            self.members.push(Member { name: at..end, end });
        }
        end
    }

    fn number(&self, at: usize) -> Result<usize, String> {
        let rest = self.text.get(at..).unwrap_or_default();
        let length = rest.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count();
        let number = rest.get(..length).unwrap_or_default();
        let doubtful = number.len() > SURE_DIGITS || number.contains(['e', 'E']);
        if doubtful && number.parse::<f64>().is_ok_and(f64::is_infinite) {
            return Err(format!("has a number beyond the range of a double at byte {at}"));
        }
        Ok(at + length)
    }

    /// The text without what is dropped.
    fn rest(mut self) -> String {
        self.dropped.sort_unstable_by_key(|range| range.start);
        let (mut rest, mut at) = (String::with_capacity(self.text.len()), 0);
        for range in self.dropped.iter().filter(|range| range.start < range.end) {
            // One inside another that is dropped begins before `at`.
            if range.start >= at {
                rest.push_str(self.text.get(at..range.start).unwrap_or_default());
                at = range.end;
            }
        }
        rest.push_str(self.text.get(at..).unwrap_or_default());
        rest
    }
}

/// A name as it is meant, whatever is escaped in it.
fn name<'a>(text: &'a str, member: &Member) -> Cow<'a, str> {
    let quoted = text.get(member.name.clone()).unwrap_or_default();
    let plain = || Cow::Borrowed(quoted.trim_matches('"'));
    if quoted.contains('\\') { serde_json::from_str(quoted).map_or_else(|_| plain(), Cow::Owned) } else { plain() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_the_text_is_dropped() {
        for bytes in
            [&b"{\"a\":1}"[..], b"\xef\xbb\xbf{\"a\":1}", b"{\"a\":1}\0", b"{\"a\":1}\r\n\0\0", b"\xef\xbb\xbf{\"a\":1}\0\n"]
        {
            assert!(matches!(sound(bytes), Ok(Cow::Borrowed(r#"{"a":1}"#))), "{bytes:?}");
        }
        for untouched in ["", "{\"a\u{0}\":1}", "\0{}", "nonsense", r#"{"a":"\"{"#] {
            assert_eq!(sound(untouched.as_bytes()).unwrap(), untouched);
        }
        assert_eq!(sound(b"\"\xff\"").unwrap_err(), "is not UTF-8 at byte 1");
    }

    #[test]
    fn of_members_with_one_name_the_last_counts() {
        let cases = [
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"b":2,"a":3}"#),
            (r#"{"a":1, "a":2, "a":3 }"#, r#"{"a":3 }"#),
            (r#"{"a":{"a":1,"a":2},"b":[{"c":",","c":"}"}]}"#, r#"{"a":{"a":2},"b":[{"c":"}"}]}"#),
            (r#"{"a":{"x":1,"x":2},"a":{"y":1,"y":2}}"#, r#"{"a":{"y":2}}"#),
            (r#"{"a":1,"\u0061":2}"#, r#"{"\u0061":2}"#),
            (r#"{"a\"":1,"a\\":2,"a":3}"#, r#"{"a\"":1,"a\\":2,"a":3}"#),
            (r#"{"a":"a","b":["a","a"]}"#, r#"{"a":"a","b":["a","a"]}"#),
            (r#"[{"a":1},{"a":1}]"#, r#"[{"a":1},{"a":1}]"#),
        ];
        for (text, expected) in cases {
            assert_eq!(sound(text.as_bytes()).unwrap(), expected, "{text}");
        }
        assert!(sound(br#"{"a":nonsense,"a":1}"#).unwrap_err().starts_with("is no JSON"));
    }

    #[test]
    fn numbers_beyond_a_double_are_refused() {
        let long = |digits: usize| "9".repeat(digits);
        for good in ["1e308", "-1.5E-400", "1E+2", "[0,-1.25,123456789012345678901234567890]", r#""1e400""#, &long(308)] {
            assert_eq!(sound(good.as_bytes()).unwrap(), good);
        }
        for bad in ["1e400", r#"{"a":[-1e309]}"#, r#"{"a":{"b":1.0E+999}}"#, &long(310)] {
            assert!(sound(bad.as_bytes()).unwrap_err().contains("double"), "{bad}");
        }
    }

    #[test]
    fn nesting_ends() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(sound(nested(DEPTH).as_bytes()).is_ok());
        assert_eq!(sound(nested(DEPTH + 1).as_bytes()).unwrap_err(), "is nested deeper than 100 at byte 100");
    }
}
