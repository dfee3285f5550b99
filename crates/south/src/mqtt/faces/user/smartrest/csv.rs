//! Messages of SmartREST 2.0 as lines of values, and back. Pure.
//!
//! A value stands between commas. One that begins with a quote ends with the next one that is not doubled, and may hold commas, line breaks and,
//! doubled, quotes (contract section 7). Absent: what the values mean.

use std::borrow::Cow;

/// A line: its message id and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a>(Vec<Cow<'a, str>>);

/// Why a line cannot be read: its message id, as far as there is one, and words for the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unread<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) why: &'static str,
}

impl<'a> Line<'a> {
    /// The message id.
    pub(crate) fn id(&self) -> &str {
        self.0.first().map_or("", |id| id.trim())
    }

    /// The value at a place, from 1; nothing where it is missing or empty.
    pub(crate) fn value(&self, place: usize) -> Option<&str> {
        self.0.get(place).map(AsRef::as_ref).filter(|value| !value.is_empty())
    }

    /// The values from a place on, empty ones with them.
    pub(crate) fn rest(&self, place: usize) -> &[Cow<'a, str>] {
        self.0.get(place..).unwrap_or_default()
    }
}

/// The lines of a message, without those that are empty. A quote that is not closed ends them, as nobody knows where the next line begins.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = Result<Line<'_>, Unread<'_>>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(['\n', '\r']);
        (!rest.is_empty()).then(|| line(&mut rest))
    })
}

fn line<'a>(rest: &mut &'a str) -> Result<Line<'a>, Unread<'a>> {
    let mut values = Vec::new();
    loop {
        let read = match rest.strip_prefix('"') {
            Some(quoted) => quoted_value(quoted),
            None => {
                let (value, after) = rest.split_at(rest.find([',', '\n']).unwrap_or(rest.len()));
                Ok((Cow::Borrowed(if after.starts_with(',') { value } else { value.trim_end_matches('\r') }), after))
            }
        };
        let unread = |why| Unread { id: values.first().cloned().unwrap_or_default(), why };
        let (value, after) = match read {
            Ok(read) => read,
            Err(why) => {
                *rest = "";
                return Err(unread(why));
            }
        };
        let after = after.strip_prefix('\r').filter(|after| after.is_empty() || after.starts_with('\n')).unwrap_or(after);
        if let Some(more) = after.strip_prefix(',') {
            values.push(value);
            *rest = more;
        } else if after.is_empty() || after.starts_with('\n') {
            values.push(value);
            *rest = after;
            return Ok(Line(values));
        } else {
            let unread = unread("there is text after the quote that ends a value");
            *rest = after.split_at(after.find('\n').unwrap_or(after.len())).1;
            return Err(unread);
        }
    }
}

/// A value whose first quote was read, and what stands after its last one.
fn quoted_value(text: &str) -> Result<(Cow<'_, str>, &str), &'static str> {
    let (mut value, mut rest) = (Cow::Borrowed(""), text);
    loop {
        let (head, tail) = rest.split_once('"').ok_or("a quote is not closed")?;
        value += head;
        match tail.strip_prefix('"') {
            Some(more) => {
                value += "\"";
                rest = more;
            }
            None => return Ok((value, tail)),
        }
    }
}

/// A line of these values, as short as it can be.
pub(crate) fn written<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> String {
    let mut line = String::new();
    for (at, value) in values.into_iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        let value = value.as_ref();
        if value.contains(['"', ',', '\n', '\r', '\t']) || value.starts_with(' ') || value.ends_with(' ') {
            line.push('"');
            line.push_str(&value.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(value);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<Vec<String>, (String, &'static str)>> {
        let one = |read: Result<Line<'_>, Unread<'_>>| match read {
            Ok(Line(values)) => Ok(values.into_iter().map(Cow::into_owned).collect()),
            Err(Unread { id, why }) => Err((id.into_owned(), why)),
        };
        lines(text).map(one).collect()
    }

    #[test]
    fn lines_are_taken_apart() {
        let line = |values: &[&str]| Ok(values.iter().map(|value| (*value).to_owned()).collect());
        let after = |id: &str| Err((id.to_owned(), "there is text after the quote that ends a value"));
        let open = |id: &str| Err((id.to_owned(), "a quote is not closed"));
        let cases = [
            ("", vec![]),
            ("\n\r\n\n", vec![]),
            ("100", vec![line(&["100"])]),
            ("100,,\r\n", vec![line(&["100", "", ""])]),
            ("100,a\n125\r\n\n500\n", vec![line(&["100", "a"]), line(&["125"]), line(&["500"])]),
            ("113,\"a=1\nb=\"\"2\"\", c\"", vec![line(&["113", "a=1\nb=\"2\", c"])]),
            ("113,\"a\r\nb\"\r\n125", vec![line(&["113", "a\r\nb"]), line(&["125"])]),
            ("400,\"\",\"\"\"\"", vec![line(&["400", "", "\""])]),
            ("400,a \"b\" c", vec![line(&["400", "a \"b\" c"])]),
            ("400,größe,\"grün\"", vec![line(&["400", "größe", "grün"])]),
            ("400,a\rb", vec![line(&["400", "a\rb"])]),
            ("400,\"a\"b,c\n125", vec![after("400"), line(&["125"])]),
            ("\"400\" ,a\n125", vec![after(""), line(&["125"])]),
            ("125\n400,\"a\n125", vec![line(&["125"]), open("400")]),
            ("400,\"a\"\"", vec![open("400")]),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn values_are_by_place() {
        let text = " 400 ,a,,c";
        let line = lines(text).next().unwrap().unwrap();
        assert_eq!(
            (line.id(), line.value(1), line.value(2), line.value(3), line.value(9)),
            ("400", Some("a"), None, Some("c"), None)
        );
        assert_eq!((line.rest(2).len(), line.rest(9).len()), (2, 0));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let cases: [(&[&str], &str); 5] = [
            (&["510", "d-1"], "510,d-1"),
            (&["511", "d-1", "say \"hi\", you"], "511,d-1,\"say \"\"hi\"\", you\""),
            (&["513", "d-1", "a=1\nb=2"], "513,d-1,\"a=1\nb=2\""),
            (&["70", "t1", "device_1", " x "], "70,t1,device_1,\" x \""),
            (&["522", "d-1", "", "", "5"], "522,d-1,,,5"),
        ];
        for (values, expected) in cases {
            assert_eq!(written(values), expected);
            assert_eq!(read(expected), [Ok(values.iter().map(|value| (*value).to_owned()).collect())]);
        }
    }
}
