//! Attributes of objects, instances and resources (core 1.1 section 7.3): those that a server writes to shape notifications, and those
//! that a client tells. Absent: when a notification is due; see [`crate::sim`] for the client's side of that.

use std::fmt::Write as _;

use crate::version::ObjectVersion;

/// Attributes as set on one path. Times in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes {
    /// Least time between two notifications, seconds.
    pub pmin_s: Option<u32>,
    /// Longest time between two notifications, seconds; 0 means none.
    pub pmax_s: Option<u32>,
    /// Notify when the value crosses this from below or above.
    pub gt: Option<f64>,
    /// The same for a lower bound.
    pub lt: Option<f64>,
    /// Notify when the value changed by at least this, above 0.
    pub st: Option<f64>,
    /// Least time between two evaluations, seconds (1.1).
    pub epmin_s: Option<u32>,
    /// Longest time between two evaluations, seconds (1.1).
    pub epmax_s: Option<u32>,
    /// Notify on the falling (false) or rising (true) edge of a boolean (1.2).
    pub edge: Option<bool>,
    /// Whether notifications are confirmable (1.2).
    pub con: Option<bool>,
    /// How many notifications a client keeps (1.2).
    pub hqmax: Option<u32>,
    /// Number of resource instances; the client tells it.
    pub dim: Option<u16>,
    /// Version of the object; the client tells it.
    pub ver: Option<ObjectVersion>,
    /// Short server id of a security, server or OSCORE instance; the client tells it to the bootstrap server.
    pub ssid: Option<u16>,
    /// Server address of a security instance; the client tells it to the bootstrap server.
    pub uri: Option<String>,
}

/// One attribute that a server can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names of section 7.3")]
pub enum AttributeName {
    Pmin,
    Pmax,
    Gt,
    Lt,
    St,
    Epmin,
    Epmax,
    Edge,
    Con,
    Hqmax,
}

impl AttributeName {
    const ALL: [(Self, &'static str); 10] = [
        (Self::Pmin, "pmin"),
        (Self::Pmax, "pmax"),
        (Self::Gt, "gt"),
        (Self::Lt, "lt"),
        (Self::St, "st"),
        (Self::Epmin, "epmin"),
        (Self::Epmax, "epmax"),
        (Self::Edge, "edge"),
        (Self::Con, "con"),
        (Self::Hqmax, "hqmax"),
    ];

    /// The name on the wire.
    pub fn text(self) -> &'static str {
        Self::ALL.iter().find(|(name, _)| *name == self).map_or("", |(_, text)| text)
    }

    fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(name, _)| *name)
    }
}

/// Why attributes are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// No such attribute, or not one that can be written.
    #[error("unknown attribute {0:?}")]
    Unknown(String),
    /// The value does not have the attribute's form.
    #[error("attribute {0} has a bad value")]
    Value(&'static str),
    /// Given more than once.
    #[error("attribute {0} is given twice")]
    Twice(&'static str),
    /// More than [`QUERIES_MAX`] items.
    #[error("too many attributes")]
    TooMany,
    /// pmax below pmin.
    #[error("pmax must not be below pmin")]
    PmaxBelowPmin,
    /// epmax not above epmin.
    #[error("epmax must be above epmin")]
    EpmaxNotAboveEpmin,
    /// lt not below gt.
    #[error("lt must be below gt")]
    LtNotBelowGt,
    /// The band between lt and gt is narrower than two steps.
    #[error("lt + 2 * st must be below gt")]
    StepTooLarge,
    /// st is not above 0.
    #[error("st must be above 0")]
    StepNotPositive,
}

/// Most items of one Write-Attributes.
pub const QUERIES_MAX: usize = 16;

impl Attributes {
    /// Checks the relations between the attributes.
    ///
    /// # Errors
    /// The first relation of core 1.1 section 7.3.2 that does not hold.
    pub fn validate(&self) -> Result<(), AttributeError> {
        if let (Some(min), Some(max)) = (self.pmin_s, self.pmax_s)
            && max != 0
            && max < min
        {
            return Err(AttributeError::PmaxBelowPmin);
        }
        if let (Some(min), Some(max)) = (self.epmin_s, self.epmax_s)
            && max <= min
        {
            return Err(AttributeError::EpmaxNotAboveEpmin);
        }
        if self.st.is_some_and(|st| st <= 0.0) {
            return Err(AttributeError::StepNotPositive);
        }
        if let (Some(lt), Some(gt)) = (self.lt, self.gt) {
            if lt >= gt {
                return Err(AttributeError::LtNotBelowGt);
            }
            if self.st.is_some_and(|st| lt + 2.0 * st >= gt) {
                return Err(AttributeError::StepTooLarge);
            }
        }
        Ok(())
    }

    /// These with those of `parent` where there is none of its own (core 1.1 section 7.3.2): resource over instance over object.
    #[must_use]
    pub fn inherit(mut self, parent: &Self) -> Self {
        for (own, above) in [
            (&mut self.pmin_s, parent.pmin_s),
            (&mut self.pmax_s, parent.pmax_s),
            (&mut self.epmin_s, parent.epmin_s),
            (&mut self.epmax_s, parent.epmax_s),
            (&mut self.hqmax, parent.hqmax),
        ] {
            *own = own.or(above);
        }
        self.con = self.con.or(parent.con);
        self
    }

    /// Sets one attribute from its text on the wire.
    ///
    /// # Errors
    /// [`AttributeError::Value`] when it does not have the attribute's form.
    pub fn set(&mut self, name: AttributeName, text: &str) -> Result<(), AttributeError> {
        let done = match name {
            AttributeName::Pmin => parse_count(text).map(|n| self.pmin_s = Some(n)),
            AttributeName::Pmax => parse_count(text).map(|n| self.pmax_s = Some(n)),
            AttributeName::Epmin => parse_count(text).map(|n| self.epmin_s = Some(n)),
            AttributeName::Epmax => parse_count(text).map(|n| self.epmax_s = Some(n)),
            AttributeName::Hqmax => parse_count(text).map(|n| self.hqmax = Some(n)),
            AttributeName::Gt => parse_number(text).map(|x| self.gt = Some(x)),
            AttributeName::Lt => parse_number(text).map(|x| self.lt = Some(x)),
            AttributeName::St => parse_number(text).map(|x| self.st = Some(x)),
            AttributeName::Edge => parse_bit(text).map(|b| self.edge = Some(b)),
            AttributeName::Con => parse_bit(text).map(|b| self.con = Some(b)),
        };
        done.ok_or(AttributeError::Value(name.text()))
    }

    fn unset(&mut self, name: AttributeName) {
        match name {
            AttributeName::Pmin => self.pmin_s = None,
            AttributeName::Pmax => self.pmax_s = None,
            AttributeName::Epmin => self.epmin_s = None,
            AttributeName::Epmax => self.epmax_s = None,
            AttributeName::Hqmax => self.hqmax = None,
            AttributeName::Gt => self.gt = None,
            AttributeName::Lt => self.lt = None,
            AttributeName::St => self.st = None,
            AttributeName::Edge => self.edge = None,
            AttributeName::Con => self.con = None,
        }
    }

    /// One attribute as text, where it is set.
    pub fn text(&self, name: AttributeName) -> Option<String> {
        let bit = |b: bool| u8::from(b).to_string();
        match name {
            AttributeName::Pmin => self.pmin_s.map(|n| n.to_string()),
            AttributeName::Pmax => self.pmax_s.map(|n| n.to_string()),
            AttributeName::Epmin => self.epmin_s.map(|n| n.to_string()),
            AttributeName::Epmax => self.epmax_s.map(|n| n.to_string()),
            AttributeName::Hqmax => self.hqmax.map(|n| n.to_string()),
            AttributeName::Gt => self.gt.map(|x| x.to_string()),
            AttributeName::Lt => self.lt.map(|x| x.to_string()),
            AttributeName::St => self.st.map(|x| x.to_string()),
            AttributeName::Edge => self.edge.map(bit),
            AttributeName::Con => self.con.map(bit),
        }
    }

    /// The written attributes as parameters of a link: `;pmin=10;pmax=60`.
    pub fn to_link(&self) -> String {
        let mut link = String::new();
        if let Some(dim) = self.dim {
            let _ = write!(link, ";dim={dim}");
        }
        if let Some(ssid) = self.ssid {
            let _ = write!(link, ";ssid={ssid}");
        }
        if let Some(uri) = &self.uri {
            let _ = write!(link, ";uri=\"{uri}\"");
        }
        if let Some(ver) = self.ver {
            let _ = write!(link, ";ver={ver}");
        }
        for (name, text) in AttributeName::ALL {
            if let Some(value) = self.text(name) {
                let _ = write!(link, ";{text}={value}");
            }
        }
        link
    }

    /// Takes the parameters of a link that are attributes; others are not ours and are left alone.
    ///
    /// # Errors
    /// [`AttributeError::Value`] for an attribute without its form, [`AttributeError::Twice`].
    pub fn from_link(params: &[(String, Option<String>)]) -> Result<Self, AttributeError> {
        let mut attributes = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for (key, value) in params {
            let told = ["dim", "ssid", "ver", "uri"].into_iter().find(|name| name == key);
            let written = AttributeName::from_text(key);
            let Some(text) = told.or(written.map(AttributeName::text)) else { continue };
            if seen.contains(&text) {
                return Err(AttributeError::Twice(text));
            }
            seen.push(text);
            let value = value.as_deref().unwrap_or_default();
            let small = || parse_count(value).and_then(|n| u16::try_from(n).ok()).ok_or(AttributeError::Value(text));
            match (text, written) {
                (_, Some(name)) => attributes.set(name, value)?,
                ("dim", _) => attributes.dim = Some(small()?),
                ("ssid", _) => attributes.ssid = Some(small()?),
                ("ver", _) => attributes.ver = Some(value.parse().map_err(|()| AttributeError::Value(text))?),
                _ => attributes.uri = Some(value.to_owned()),
            }
        }
        Ok(attributes)
    }
}

/// What a Write-Attributes changes: attributes get a value or lose it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttributeChange {
    /// Those that get a value.
    pub set: Attributes,
    /// Those that are taken away.
    pub unset: Vec<AttributeName>,
}

impl AttributeChange {
    /// Reads the queries of a Write-Attributes: `pmin=10` sets, `pmin` takes away.
    ///
    /// # Errors
    /// What is wrong with which attribute; relations are checked by [`AttributeChange::apply`].
    pub fn parse<S: AsRef<str>>(queries: &[S]) -> Result<Self, AttributeError> {
        if queries.len() > QUERIES_MAX {
            return Err(AttributeError::TooMany);
        }
        let mut change = Self::default();
        let mut seen = Vec::new();
        for query in queries.iter().map(AsRef::as_ref) {
            let (key, value) = query.split_once('=').map_or((query, None), |(key, value)| (key, Some(value)));
            let name = AttributeName::from_text(key).ok_or_else(|| AttributeError::Unknown(key.chars().take(32).collect()))?;
            if seen.contains(&name) {
                return Err(AttributeError::Twice(name.text()));
            }
            seen.push(name);
            match value {
                Some(value) => change.set.set(name, value)?,
                None => change.unset.push(name),
            }
        }
        Ok(change)
    }

    /// The queries of it.
    pub fn queries(&self) -> Vec<String> {
        let set = AttributeName::ALL.iter().filter_map(|(name, text)| Some(format!("{text}={}", self.set.text(*name)?)));
        set.chain(self.unset.iter().map(|name| name.text().to_owned())).collect()
    }

    /// `before` with the change, if the result is valid.
    ///
    /// # Errors
    /// The relation that would not hold; nothing is changed then.
    pub fn apply(&self, before: &Attributes) -> Result<Attributes, AttributeError> {
        let mut after = before.clone();
        self.unset.iter().for_each(|name| after.unset(*name));
        for (name, _) in AttributeName::ALL {
            if let Some(text) = self.set.text(name) {
                after.set(name, &text)?;
            }
        }
        after.validate().map(|()| after)
    }
}

fn parse_count(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

fn parse_bit(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// Digits with an optional sign and fraction; exponents and names such as `inf` are not in the grammar of section 7.3.2.
fn parse_number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let decimal = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if text.len() > 64 || !decimal(whole) || !decimal(fraction) {
        return None;
    }
    text.parse().ok().filter(|x: &f64| x.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_checked() {
        let cases: [(&[&str], Result<(), AttributeError>); 12] = [
            (&["pmin=10", "pmax=60"], Ok(())),
            (&["pmin=10", "pmax=10"], Ok(())),
            (&["pmin=10", "pmax=9"], Err(AttributeError::PmaxBelowPmin)),
            (&["pmin=10", "pmax=0"], Ok(())),
            (&["epmin=1", "epmax=1"], Err(AttributeError::EpmaxNotAboveEpmin)),
            (&["lt=1", "gt=5", "st=1.5"], Ok(())),
            (&["lt=1", "gt=5", "st=2"], Err(AttributeError::StepTooLarge)),
            (&["lt=5", "gt=5"], Err(AttributeError::LtNotBelowGt)),
            (&["st=0"], Err(AttributeError::StepNotPositive)),
            (&["gt=-3.25", "edge=1", "con=0", "hqmax=5"], Ok(())),
            (&["gt=NaN"], Err(AttributeError::Value("gt"))),
            (&["pmin=+1"], Err(AttributeError::Value("pmin"))),
        ];
        for (queries, result) in cases {
            let got = AttributeChange::parse(queries).and_then(|change| change.apply(&Attributes::default()));
            assert_eq!(got.map(|_| ()), result, "{queries:?}");
        }
    }

    #[test]
    fn a_change_sets_and_takes_away() {
        let before = Attributes { pmin_s: Some(10), pmax_s: Some(60), ..Attributes::default() };
        let change = AttributeChange::parse(&["pmax", "gt=4.5"]).unwrap();
        assert_eq!(change.queries(), ["gt=4.5", "pmax"]);
        let after = change.apply(&before).unwrap();
        assert_eq!(after, Attributes { pmin_s: Some(10), gt: Some(4.5), ..Attributes::default() });
        assert_eq!(after.to_link(), ";pmin=10;gt=4.5");
        assert_eq!(AttributeChange::parse(&["pmin=1", "pmin=2"]), Err(AttributeError::Twice("pmin")));
        assert_eq!(AttributeChange::parse(&["dim=1"]), Err(AttributeError::Unknown("dim".into())));
        assert_eq!(AttributeChange::parse(&["pmin"; 17]), Err(AttributeError::TooMany));
    }

    #[test]
    fn a_resource_inherits_periods_from_above() {
        let object = Attributes { pmin_s: Some(1), pmax_s: Some(60), gt: Some(1.0), ..Attributes::default() };
        let own = Attributes { pmin_s: Some(5), ..Attributes::default() };
        assert_eq!(own.inherit(&object), Attributes { pmin_s: Some(5), pmax_s: Some(60), ..Attributes::default() });
    }
}
