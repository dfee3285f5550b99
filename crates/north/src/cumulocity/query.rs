//! The parameters of a query.

use super::Fault;
use landfall_model::Time;

/// In their order; empty ones count as absent, and of twins the first counts.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub fn read(text: &str) -> Result<Self, Fault> {
        let pairs = serde_urlencoded::from_str(text);
        pairs.map(Self).map_err(|error| Fault::malformed(format!("query: {error}")))
    }

    /// All of them but those of these names.
    pub fn others(&self, names: &[&str]) -> impl Iterator<Item = &(String, String)> {
        self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()))
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// True or false; false where it is absent.
    pub fn flag(&self, name: &'static str) -> Result<bool, Fault> {
        self.flag_or(name, false)
    }

    /// True or false; `absent` where it is absent.
    pub fn flag_or(&self, name: &'static str, absent: bool) -> Result<bool, Fault> {
        match self.text(name) {
            None => Ok(absent),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(Fault::invalid(name, "must be true or false")),
        }
    }

    /// A whole number within `from..=to`.
    pub fn number(&self, name: &'static str, from: u64, to: u64) -> Result<Option<u64>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let value = text.parse::<u64>().ok().filter(|value| (from..=to).contains(value));
        value.map(Some).ok_or_else(|| Fault::invalid(name, format!("must be a number from {from} to {to}")))
    }

    /// A time in ISO 8601, such as `2026-05-06T18:39:45.501+02:00` or `2026-05-06`.
    pub fn time(&self, name: &'static str) -> Result<Option<Time>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        // A plus that was not encoded is a space.
        let time = Time::parse_iso8601(&text.replace(' ', "+"));
        time.map(Some).ok_or_else(|| Fault::invalid(name, "must be a date or a time in ISO 8601"))
    }
}
