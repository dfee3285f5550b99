//! Texts with `{{placeholders}}`: captured on first sight, required ever after.

use std::collections::BTreeMap;

/// What a placeholder may stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `uuid`: 36 characters, lower-case hex and dashes in their places.
    Uuid,
    /// `hex32`: 32 lower-case hex digits.
    Hex32,
    /// `hex24`: 24 lower-case hex digits.
    Hex24,
    /// `hex`: lower-case hex digits, at least one.
    Hex,
    /// `time`: `yyyyMMdd'T'HHmmss'Z'`.
    Time,
    /// `stamp`: `yyyyMMdd'T'HHmmss,SSS000`, a timestamp of TS-0004 to the millisecond.
    Stamp,
    /// `int`: decimal digits, at least one.
    Int,
    /// `token`: letters, digits and `-._~+/=`, at least one.
    Token,
    /// `any`: anything but a quote or line end, at least one character.
    Any,
}

impl Kind {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "uuid" => Self::Uuid,
            "hex32" => Self::Hex32,
            "hex24" => Self::Hex24,
            "hex" => Self::Hex,
            "time" => Self::Time,
            "stamp" => Self::Stamp,
            "int" => Self::Int,
            "token" => Self::Token,
            "any" => Self::Any,
            _ => return None,
        })
    }

    /// The length of what this kind takes from the front of `text`; `None` when it takes nothing.
    fn take(self, text: &str) -> Option<usize> {
        let lower_hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        match self {
            Self::Uuid => shaped(text, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh"),
            Self::Hex32 => shaped(text, "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"),
            Self::Hex24 => shaped(text, "hhhhhhhhhhhhhhhhhhhhhhhh"),
            Self::Stamp => shaped(text, "ddddddddTdddddd,ddd000"),
            Self::Time => shaped(text, "ddddddddTddddddZ"),
            Self::Hex => run(text, lower_hex),
            Self::Int => run(text, |c| c.is_ascii_digit()),
            Self::Token => run(text, |c| c.is_ascii_alphanumeric() || "-._~+/=".contains(c)),
            Self::Any => run(text, |c| c != '"' && c != '\n'),
        }
    }
}

/// `h` a lower-case hex digit, `d` a decimal digit, anything else itself.
fn shaped(text: &str, shape: &str) -> Option<usize> {
    let fits = |(c, s): (u8, u8)| match s {
        b'h' => matches!(c, b'0'..=b'9' | b'a'..=b'f'),
        b'd' => c.is_ascii_digit(),
        s => c == s,
    };
    (text.len() >= shape.len() && text.bytes().zip(shape.bytes()).all(fits)).then_some(shape.len())
}

fn run(text: &str, fits: impl Fn(char) -> bool) -> Option<usize> {
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    (end > 0).then_some(end)
}

enum Part<'a> {
    Literal(&'a str),
    Slot { name: &'a str, kind: Option<Kind>, source: &'a str },
}

/// Splits a template. What looks like a placeholder and is none (`{{a b}}`, an unknown kind) stays literal text.
fn parts(template: &str) -> Vec<Part<'_>> {
    let (mut parts, mut literal_from, mut at) = (Vec::new(), 0, 0);
    while let Some(start) = template[at..].find("{{").map(|i| at + i) {
        let Some(end) = template[start..].find("}}").map(|i| start + i) else { break };
        match slot(&template[start + 2..end]) {
            Some((name, kind)) => {
                parts.push(Part::Literal(&template[literal_from..start]));
                parts.push(Part::Slot { name, kind, source: &template[start..end + 2] });
                (at, literal_from) = (end + 2, end + 2);
            }
            None => at = start + 1,
        }
    }
    parts.push(Part::Literal(&template[literal_from..]));
    parts
}

fn slot(inside: &str) -> Option<(&str, Option<Kind>)> {
    let (name, kind) = match inside.split_once(':') {
        Some((name, kind)) => (name, Some(Kind::parse(kind)?)),
        None => (inside, None),
    };
    let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    word.then_some((name, kind))
}

/// Values by placeholder name: given by the test, or captured from answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bindings(BTreeMap<String, String>);

impl Bindings {
    /// Binds `name`, replacing an earlier value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// What `name` is bound to.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// `template` with every placeholder replaced.
    ///
    /// # Errors
    /// The name that is not bound.
    pub fn fill(&self, template: &str) -> Result<String, String> {
        let text = parts(template).into_iter().map(|part| match part {
            Part::Literal(text) => Ok(text),
            Part::Slot { name, .. } => self.get(name).ok_or_else(|| format!("{{{{{name}}}}} is not bound")),
        });
        text.collect()
    }

    /// Whether `given` is what `template` says; captures only when it is.
    ///
    /// # Errors
    /// Both texts from the first difference on.
    pub fn check(&mut self, template: &str, given: &str) -> Result<(), String> {
        let mut captured = self.clone();
        let mut rest = given;
        for part in parts(template) {
            let taken = match &part {
                Part::Literal(text) => rest.starts_with(text).then_some(text.len()),
                Part::Slot { name, kind, .. } => captured.take(name, kind.unwrap_or(Kind::Any), rest),
            };
            let Some(taken) = taken else { return Err(difference(&part, rest)) };
            rest = &rest[taken..];
        }
        if !rest.is_empty() {
            return Err(format!("goes on with {:?}", excerpt(rest)));
        }
        *self = captured;
        Ok(())
    }

    fn take(&mut self, name: &str, kind: Kind, rest: &str) -> Option<usize> {
        if let Some(value) = self.get(name) {
            return rest.starts_with(value).then_some(value.len());
        }
        let taken = kind.take(rest)?;
        self.set(name, &rest[..taken]);
        Some(taken)
    }

    /// `given` as a template: placeholders of `old` are kept where the text before them still leads to a fitting value.
    /// Captures what it keeps, so that later exchanges can refer to it.
    pub(super) fn generalise(&mut self, old: &str, given: &str) -> String {
        let (mut out, mut rest, mut lead) = (String::new(), given, "");
        for part in parts(old) {
            match part {
                Part::Literal(text) => lead = text.rfind([',', '{', '[']).map_or(text, |i| &text[i + 1..]),
                Part::Slot { name, kind, source } => {
                    let Some(at) = rest.find(lead).map(|i| i + lead.len()) else { continue };
                    let Some(taken) = self.take(name, kind.unwrap_or(Kind::Any), &rest[at..]) else { continue };
                    out.push_str(&rest[..at]);
                    out.push_str(source);
                    rest = &rest[at + taken..];
                }
            }
        }
        out + rest
    }

    /// `given` with every bound value of at least 8 characters replaced by its name: how a fresh answer is recorded.
    pub(super) fn abstracted(&self, given: &str) -> String {
        let mut bound: Vec<_> = self.0.iter().filter(|(_, value)| value.len() >= 8).collect();
        bound.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        bound.into_iter().fold(given.to_owned(), |text, (name, value)| text.replace(value.as_str(), &format!("{{{{{name}}}}}")))
    }
}

fn difference(part: &Part<'_>, rest: &str) -> String {
    match part {
        Part::Literal(text) => {
            let same: usize = text.chars().zip(rest.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
            format!("{:?}, not {:?}", excerpt(&rest[same..]), excerpt(&text[same..]))
        }
        Part::Slot { source, .. } => format!("{:?}, not {source}", excerpt(rest)),
    }
}

fn excerpt(text: &str) -> String {
    const EXCERPT_MAX_CHARS: usize = 120;
    let mut shown: String = text.chars().take(EXCERPT_MAX_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
