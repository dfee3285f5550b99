//! CoRE Link Format (RFC 6690), as registrations and discovery answers use it: strict, and bounded by [`LinkLimits`].
//! Absent: relations between links, escaping in targets.

use crate::attributes::{AttributeError, Attributes};
use crate::path::Path;
use crate::version::ObjectVersion;

/// What one link document may hold.
#[derive(Clone, Copy, Debug)]
pub struct LinkLimits {
    /// Longest document, bytes.
    pub bytes: usize,
    /// Most links.
    pub links: usize,
    /// Most parameters of one link.
    pub params: usize,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self { bytes: 65_536, links: 4_096, params: 16 }
    }
}

/// One link: what stands between `<` and `>`, and its parameters in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The target as written.
    pub target: String,
    /// Names with their values, unquoted; a parameter may have none.
    pub params: Vec<(String, Option<String>)>,
}

impl Link {
    /// The value of a parameter; the first counts where it is repeated (RFC 6690 section 3.1).
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_deref().unwrap_or_default())
    }
}

/// Why a document is not in link format, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("link format: {check} at byte {at}")]
pub struct LinkError {
    /// What was checked.
    pub check: LinkCheck,
    /// Offset in the document.
    pub at: usize,
}

/// The checks of the link format reader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkCheck {
    /// Longer than [`LinkLimits::bytes`].
    #[error("too long")]
    TooLong,
    /// More than [`LinkLimits::links`].
    #[error("too many links")]
    TooManyLinks,
    /// More than [`LinkLimits::params`].
    #[error("too many parameters")]
    TooManyParams,
    /// Not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// A link does not begin with `<`.
    #[error("expected <")]
    Open,
    /// A target does not end with `>`, or has a character that must be escaped.
    #[error("bad target")]
    Target,
    /// Something else than `;` or `,` after a link or parameter.
    #[error("expected ; or ,")]
    Separator,
    /// A parameter has no name, or its name has a character that names do not have.
    #[error("bad parameter name")]
    Name,
    /// A value is empty, or a quote is not closed.
    #[error("bad parameter value")]
    Value,
    /// A path of an object is not one.
    #[error("bad path")]
    Path,
    /// The same path twice.
    #[error("path given twice")]
    Twice,
    /// An attribute does not have its form.
    #[error("{0}")]
    Attribute(AttributeError),
}

/// Reads a link document; empty is no links.
///
/// # Errors
/// The first check that fails, and where.
pub fn parse(document: &[u8], limits: &LinkLimits) -> Result<Vec<Link>, LinkError> {
    let fail = |check, at| Err(LinkError { check, at });
    if document.len() > limits.bytes {
        return fail(LinkCheck::TooLong, limits.bytes);
    }
    let text = std::str::from_utf8(document).map_err(|e| LinkError { check: LinkCheck::Utf8, at: e.valid_up_to() })?;
    let mut reader = Reader { text, at: 0 };
    let mut links = Vec::new();
    while !reader.rest().is_empty() {
        if links.len() == limits.links {
            return fail(LinkCheck::TooManyLinks, reader.at);
        }
        links.push(reader.link(limits)?);
        reader.skip_space();
        match reader.take(',') {
            // RFC 6690 has no blanks between links; clients in the field send them after the comma.
            true => reader.skip_space(),
            false if reader.rest().is_empty() => return Ok(links),
            false => return reader.fail(LinkCheck::Separator),
        }
        if reader.rest().is_empty() {
            return reader.fail(LinkCheck::Open);
        }
    }
    Ok(links)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fail<T>(&self, check: LinkCheck) -> Result<T, LinkError> {
        Err(LinkError { check, at: self.at })
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.rest().starts_with(c);
        self.at += usize::from(found) * c.len_utf8();
        found
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|c| !accept(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    fn skip_space(&mut self) {
        self.take_while(|c| c == ' ');
    }

    fn link(&mut self, limits: &LinkLimits) -> Result<Link, LinkError> {
        if !self.take('<') {
            return self.fail(LinkCheck::Open);
        }
        let target = self.take_while(|c| c != '>' && c != '<' && c > ' ').to_owned();
        if !self.take('>') {
            return self.fail(LinkCheck::Target);
        }
        let mut params = Vec::new();
        while self.take(';') {
            if params.len() == limits.params {
                return self.fail(LinkCheck::TooManyParams);
            }
            params.push(self.param()?);
        }
        Ok(Link { target, params })
    }

    fn param(&mut self) -> Result<(String, Option<String>), LinkError> {
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || "!#$&+-.^_`|~*".contains(c));
        if name.is_empty() {
            return self.fail(LinkCheck::Name);
        }
        let value = match self.take('=') {
            false => None,
            true if self.take('"') => Some(self.quoted()?),
            true => match self.take_while(|c| c > ' ' && !"\",;<>\\".contains(c) && c != '\u{7f}') {
                "" => return self.fail(LinkCheck::Value),
                token => Some(token.to_owned()),
            },
        };
        Ok((name.to_owned(), value))
    }

    fn quoted(&mut self) -> Result<String, LinkError> {
        let mut value = String::new();
        loop {
            value.push_str(self.take_while(|c| c != '"' && c != '\\'));
            if self.take('"') {
                return Ok(value);
            }
            self.take('\\');
            let Some(escaped) = self.rest().chars().next() else { return self.fail(LinkCheck::Value) };
            value.push(escaped);
            self.at += escaped.len_utf8();
        }
    }
}

/// One line of a discovery answer: a path and what is attached to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovered {
    /// What is there.
    pub path: Path,
    /// What is attached to it, not inherited.
    pub attributes: Attributes,
}

/// The answer to Discover or Bootstrap-Discover.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiscoverAnswer {
    /// The enabler version, which a bootstrap answer begins with.
    pub lwm2m: Option<String>,
    /// The paths in the order told.
    pub links: Vec<Discovered>,
}

/// Reads the answer to Discover or Bootstrap-Discover (core 1.1 sections 6.3.2 and 6.1.7.3). `root` is the alternative path of the
/// registration, empty for none. Bootstrap answers of 1.0 begin with a bare `lwm2m="1.0",`, later ones with `</>;lwm2m=1.1,`.
///
/// # Errors
/// The first check that fails; offsets of paths and attributes count links, not bytes.
pub fn parse_discover(document: &[u8], root: &str, limits: &LinkLimits) -> Result<DiscoverAnswer, LinkError> {
    let mut answer = DiscoverAnswer::default();
    let mut rest = document;
    if let Some(bare) = document.strip_prefix(b"lwm2m=") {
        let end = bare.iter().position(|b| *b == b',').unwrap_or(bare.len());
        let (version, behind) = bare.split_at(end);
        answer.lwm2m = Some(String::from_utf8_lossy(version).trim_matches('"').chars().take(16).collect());
        rest = behind.get(1..).unwrap_or_default();
    }
    let mut seen = std::collections::BTreeSet::new();
    for (at, link) in parse(rest, limits)?.into_iter().enumerate() {
        let fail = |check| LinkError { check, at };
        let target = strip_root(&link.target, root);
        let path: Path = target.parse().map_err(|_| fail(LinkCheck::Path))?;
        if !seen.insert(path) {
            return Err(fail(LinkCheck::Twice));
        }
        if path.is_root() {
            answer.lwm2m = link.param("lwm2m").map(str::to_owned).or(answer.lwm2m);
            continue;
        }
        let attributes = Attributes::from_link(&link.params).map_err(|e| fail(LinkCheck::Attribute(e)))?;
        answer.links.push(Discovered { path, attributes });
    }
    Ok(answer)
}

/// The target without the alternative root, with its leading `/`.
pub(crate) fn strip_root<'a>(target: &'a str, root: &str) -> &'a str {
    match target.strip_prefix(root) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => target,
    }
}

/// Writes a discovery answer (what a client does).
pub fn format_discover(answer: &DiscoverAnswer) -> String {
    let version = answer.lwm2m.iter().map(|version| format!("</>;lwm2m={version}"));
    let links = answer.links.iter().map(|link| format!("<{}>{}", link.path, link.attributes.to_link()));
    version.chain(links).collect::<Vec<_>>().join(",")
}

/// An object with its version as a link of a registration: `</3>;ver=1.1`.
pub fn format_object(path: &Path, version: Option<ObjectVersion>) -> String {
    version.map_or_else(|| format!("<{path}>"), |version| format!("<{path}>;ver={version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registration_example_is_read() {
        let document = br#"</>;rt="oma.lwm2m";ct="60 110 112 11542 11543",</1/0>,</3/0>,</5>;ver=1.1"#;
        let links = parse(document, &LinkLimits::default()).unwrap();
        assert_eq!(links.len(), 4);
        assert_eq!(links[0].param("ct"), Some("60 110 112 11542 11543"));
        assert_eq!(links[0].param("rt"), Some("oma.lwm2m"));
        assert_eq!((links[3].target.as_str(), links[3].param("ver")), ("/5", Some("1.1")));
        assert_eq!(links[1].param("ver"), None);
    }

    #[test]
    fn what_is_not_link_format_is_refused_by_name() {
        let cases: [(&[u8], LinkCheck, usize); 13] = [
            (b"/1", LinkCheck::Open, 0),
            (b"</1", LinkCheck::Target, 3),
            (b"</1 >", LinkCheck::Target, 3),
            (b"</1>,", LinkCheck::Open, 5),
            (b"</1>,,</2>", LinkCheck::Open, 5),
            (b"</1></2>", LinkCheck::Separator, 4),
            (b"</1>;", LinkCheck::Name, 5),
            (b"</1>;=1", LinkCheck::Name, 5),
            (b"</1>;a=", LinkCheck::Value, 7),
            (b"</1>;a=\"b", LinkCheck::Value, 9),
            (b"</1>;a=\"b\\", LinkCheck::Value, 10),
            (b"</1>x", LinkCheck::Separator, 4),
            (b"</\xff>", LinkCheck::Utf8, 2),
        ];
        for (document, check, at) in cases {
            let error = parse(document, &LinkLimits::default()).unwrap_err();
            assert_eq!(error, LinkError { check, at }, "{}", String::from_utf8_lossy(document));
        }
        assert_eq!(parse(b"", &LinkLimits::default()), Ok(vec![]));
    }

    #[test]
    fn documents_are_bounded() {
        let limits = LinkLimits { bytes: 64, links: 2, params: 1 };
        assert_eq!(parse(&[b'<'; 65], &limits).unwrap_err().check, LinkCheck::TooLong);
        assert_eq!(parse(b"</1>,</2>,</3>", &limits).unwrap_err().check, LinkCheck::TooManyLinks);
        assert_eq!(parse(b"</1>;a;b", &limits).unwrap_err().check, LinkCheck::TooManyParams);
    }

    #[test]
    fn quotes_and_escapes_are_taken_off() {
        let links = parse(br#"</1>;a="x,\"y\";<";b;c=1, </2>"#, &LinkLimits::default()).unwrap();
        assert_eq!(links[0].param("a"), Some("x,\"y\";<"));
        assert_eq!(links[0].param("b"), Some(""));
        assert_eq!(links[1].target, "/2");
    }

    #[test]
    fn discovery_answers_are_read_and_written() {
        let limits = LinkLimits::default();
        let text = "</3/0>;pmin=10;pmax=60,</3/0/1>,</3/0/6>;dim=8,</3/0/7>;dim=8;gt=50;lt=42.2";
        let answer = parse_discover(text.as_bytes(), "", &limits).unwrap();
        assert_eq!(answer.links[0].attributes.pmax_s, Some(60));
        assert_eq!((answer.links[3].attributes.dim, answer.links[3].attributes.lt), (Some(8), Some(42.2)));
        assert_eq!(format_discover(&answer), text);
        for bootstrap in ["lwm2m=\"1.1\",</0/0>;ssid=1,</1/0>;ssid=1,</3/0>", "</>;lwm2m=1.1,</0/0>;ssid=1,</1/0>;ssid=1,</3/0>"]
        {
            let answer = parse_discover(bootstrap.as_bytes(), "", &limits).unwrap();
            assert_eq!(answer.lwm2m.as_deref(), Some("1.1"));
            assert_eq!((answer.links.len(), answer.links[0].attributes.ssid), (3, Some(1)));
        }
        let below = parse_discover(b"</lwm2m/3/0>", "/lwm2m", &limits).unwrap();
        assert_eq!(below.links[0].path, Path::instance(3, 0));
        assert_eq!(parse_discover(b"</3>,</3>", "", &limits).unwrap_err(), LinkError { check: LinkCheck::Twice, at: 1 });
        assert_eq!(parse_discover(b"</rd>", "", &limits).unwrap_err().check, LinkCheck::Path);
        let error = parse_discover(b"</3>;pmin=x", "", &limits).unwrap_err();
        assert_eq!(error.check, LinkCheck::Attribute(AttributeError::Value("pmin")));
    }
}
