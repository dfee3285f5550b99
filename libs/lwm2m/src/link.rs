//! CoRE Link Format (RFC 6690), as registrations and discovery answers use it, bounded by [`LinkLimits`]. Read as clients in the field write
//! it: with blanks, line breaks and NUL around links, and values with blanks and no quotes. A link or parameter that cannot be read is passed
//! over. Absent: relations between links, escaping in targets.

use crate::attributes::{AttributeError, Attributes};
use crate::ignored::Ignored;
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
    /// A link does not begin with `<`, or none follows a comma.
    #[error("expected <")]
    Open,
    /// A target does not end with `>`, or has a blank or control character inside.
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

/// A link document as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// The links in order.
    pub links: Vec<Link>,
    /// The first things that were passed over, at most [`Ignored::TOLD_MAX`].
    pub ignored: Vec<LinkError>,
    /// How many more there are.
    pub ignored_untold: usize,
}

/// Reads a link document; empty is no links.
///
/// # Errors
/// Longer or with more links than `limits` allow.
pub fn parse(document: &[u8], limits: &LinkLimits) -> Result<Links, LinkError> {
    if document.len() > limits.bytes {
        return Err(LinkError { check: LinkCheck::TooLong, at: limits.bytes });
    }
    let text = String::from_utf8_lossy(document);
    let mut reader = Reader { text: &text, at: 0, read: Links::default() };
    if let Err(error) = std::str::from_utf8(document) {
        reader.ignore(LinkCheck::Utf8, error.valid_up_to());
    }
    reader.skip_blanks();
    while !reader.rest().is_empty() {
        if reader.read.links.len() == limits.links {
            return Err(LinkError { check: LinkCheck::TooManyLinks, at: reader.at });
        }
        let whole = reader.link(limits);
        reader.skip_blanks();
        // One that cannot be read ends where the next begins.
        if whole && !(reader.rest().is_empty() || reader.rest().starts_with(',')) {
            reader.ignore(LinkCheck::Separator, reader.at);
            reader.skip_to_link();
        }
        if reader.take(',') {
            reader.skip_blanks();
            if reader.rest().is_empty() {
                reader.ignore(LinkCheck::Open, reader.at);
            }
        }
    }
    Ok(reader.read)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    read: Links,
}

fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\0'
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn ignore(&mut self, check: LinkCheck, at: usize) {
        if self.read.ignored.len() < Ignored::TOLD_MAX {
            self.read.ignored.push(LinkError { check, at });
        } else {
            self.read.ignored_untold += 1;
        }
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

    fn skip_blanks(&mut self) {
        self.take_while(is_blank);
    }

    /// To the comma before the next link, to a link that stands here, or to the end.
    fn skip_to_link(&mut self) {
        while !self.rest().is_empty() && !self.is_at_link() {
            self.at += self.rest().chars().next().map_or(0, char::len_utf8);
        }
    }

    fn is_at_link(&self) -> bool {
        let rest = self.rest();
        rest.starts_with('<') || rest.strip_prefix(',').is_some_and(|rest| rest.trim_start_matches(is_blank).starts_with('<'))
    }

    /// Takes a link; false: it cannot be read.
    fn link(&mut self, limits: &LinkLimits) -> bool {
        let begin = self.at;
        if !self.take('<') {
            self.ignore(LinkCheck::Open, begin);
            self.skip_to_link();
            return false;
        }
        let target = self.take_while(|c| c != '>' && c != '<' && c != ',').trim_matches(is_blank).to_owned();
        if !self.take('>') || target.contains(|c: char| is_blank(c) || c.is_control()) {
            self.ignore(LinkCheck::Target, begin);
            self.skip_to_link();
            return false;
        }
        let mut params = Vec::new();
        self.skip_blanks();
        while self.take(';') {
            self.skip_blanks();
            let begin = self.at;
            match self.param() {
                Ok(_) if params.len() == limits.params => self.ignore(LinkCheck::TooManyParams, begin),
                Ok(param) => params.push(param),
                Err(check) => {
                    self.ignore(check, self.at);
                    while !self.rest().is_empty() && !self.rest().starts_with(';') && !self.is_at_link() {
                        self.at += self.rest().chars().next().map_or(0, char::len_utf8);
                    }
                }
            }
            self.skip_blanks();
        }
        self.read.links.push(Link { target, params });
        true
    }

    fn param(&mut self) -> Result<(String, Option<String>), LinkCheck> {
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || "!#$&+-.^_`|~*".contains(c));
        if name.is_empty() {
            return Err(LinkCheck::Name);
        }
        self.skip_blanks();
        if !self.take('=') {
            return Ok((name.to_owned(), None));
        }
        self.skip_blanks();
        let value = if self.take('"') {
            self.quoted()?
        } else {
            // Lists of formats come without quotes too.
            match self.take_while(|c| !"\",;<>\\".contains(c) && c != '\u{7f}').trim_end_matches(is_blank) {
                "" => return Err(LinkCheck::Value),
                token => token.to_owned(),
            }
        };
        Ok((name.to_owned(), Some(value)))
    }

    /// The value up to the closing quote; if there is none, nothing is taken.
    fn quoted(&mut self) -> Result<String, LinkCheck> {
        let (begin, mut value) = (self.at, String::new());
        loop {
            value.push_str(self.take_while(|c| c != '"' && c != '\\'));
            if self.take('"') {
                return Ok(value);
            }
            self.take('\\');
            let Some(escaped) = self.rest().chars().next() else {
                self.at = begin;
                return Err(LinkCheck::Value);
            };
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
    let read = parse(rest, limits)?;
    if let Some(error) = read.ignored.into_iter().next() {
        return Err(error);
    }
    for (at, link) in read.links.into_iter().enumerate() {
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

    fn links(document: &[u8]) -> Vec<Link> {
        let read = parse(document, &LinkLimits::default()).unwrap();
        assert_eq!(read.ignored, [], "{}", String::from_utf8_lossy(document));
        read.links
    }

    #[test]
    fn the_registration_example_is_read() {
        let document = br#"</>;rt="oma.lwm2m";ct="60 110 112 11542 11543",</1/0>,</3/0>,</5>;ver=1.1"#;
        let links = links(document);
        assert_eq!(links.len(), 4);
        assert_eq!(links[0].param("ct"), Some("60 110 112 11542 11543"));
        assert_eq!(links[0].param("rt"), Some("oma.lwm2m"));
        assert_eq!((links[3].target.as_str(), links[3].param("ver")), ("/5", Some("1.1")));
        assert_eq!(links[1].param("ver"), None);
    }

    /// As clients in the field write it.
    #[test]
    fn blanks_line_breaks_and_missing_quotes_do_no_harm() {
        for document in [
            "</>;ct=60 110;rt=\"oma.lwm2m\",</3/0>;ver=1.1",
            "</>;ct=60 110 ;rt=oma.lwm2m,\r\n</3/0>;ver=1.1\r\n",
            " </ > ; ct = 60 110 ; rt = \"oma.lwm2m\" ,\t< /3/0 >;ver=\"1.1\"\0\0",
        ] {
            let links = links(document.as_bytes());
            assert_eq!(
                (links[0].target.as_str(), links[0].param("ct"), links[0].param("rt")),
                ("/", Some("60 110"), Some("oma.lwm2m"))
            );
            assert_eq!((links[1].target.as_str(), links[1].param("ver"), links.len()), ("/3/0", Some("1.1"), 2), "{document:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_passed_over_by_name() {
        let cases: [(&[u8], &str, LinkCheck, usize); 18] = [
            (b"/1", "", LinkCheck::Open, 0),
            (b"x,</1>", "/1", LinkCheck::Open, 0),
            (b"</1", "", LinkCheck::Target, 0),
            (b"</1,</2>", "/2", LinkCheck::Target, 0),
            (b"</1 0>,</2>", "/2", LinkCheck::Target, 0),
            (b"</1>,", "/1", LinkCheck::Open, 5),
            (b"</1>,,</2>", "/1 /2", LinkCheck::Open, 5),
            (b"</1></2>", "/1 /2", LinkCheck::Separator, 4),
            (b"</1>;", "/1", LinkCheck::Name, 5),
            (b"</1>;,</2>", "/1 /2", LinkCheck::Name, 5),
            (b"</1>;=1;b,</2>", "/1;b /2", LinkCheck::Name, 5),
            (b"</1>;a=;b", "/1;b", LinkCheck::Value, 7),
            (b"</1>;a=\"b;c,</2>", "/1;c /2", LinkCheck::Value, 8),
            (b"</1>;a=\"b\\", "/1", LinkCheck::Value, 8),
            (b"</1>x,</2>", "/1 /2", LinkCheck::Separator, 4),
            (b"</1>;a=b\"c\",</2>", "/1;a /2", LinkCheck::Separator, 8),
            (b"</\xff>,</2>", "/\u{fffd} /2", LinkCheck::Utf8, 2),
            (b"junk", "", LinkCheck::Open, 0),
        ];
        for (document, expected, check, at) in cases {
            let read = parse(document, &LinkLimits::default()).unwrap();
            let told = |link: &Link| {
                [link.target.as_str()]
                    .into_iter()
                    .chain(link.params.iter().map(|(name, _)| name.as_str()))
                    .collect::<Vec<_>>()
                    .join(";")
            };
            let told: Vec<String> = read.links.iter().map(told).collect();
            assert_eq!(
                (told.join(" ").as_str(), read.ignored),
                (expected, vec![LinkError { check, at }]),
                "{}",
                String::from_utf8_lossy(document)
            );
        }
        assert_eq!(parse(b"", &LinkLimits::default()), Ok(Links::default()));
    }

    #[test]
    fn documents_are_bounded() {
        let limits = LinkLimits { bytes: 64, links: 2, params: 1 };
        assert_eq!(parse(&[b'<'; 65], &limits).unwrap_err().check, LinkCheck::TooLong);
        assert_eq!(parse(b"</1>,</2>,</3>", &limits).unwrap_err().check, LinkCheck::TooManyLinks);
        let read = parse(b"</1>;a;b", &limits).unwrap();
        assert_eq!((read.links[0].params.len(), &read.ignored[0].check), (1, &LinkCheck::TooManyParams));
        let read = parse(&b"<".repeat(60), &limits).unwrap();
        assert_eq!((read.links.len(), read.ignored.len(), read.ignored_untold > 8), (0, 8, true));
    }

    #[test]
    fn quotes_and_escapes_are_taken_off() {
        let links = links(br#"</1>;a="x,\"y\";<";b;c=1, </2>"#);
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
