//! Query parameters and paging: every parameter is known by name, or the request is refused.

use super::error::Refusal;
use landfall_model::{Error, Page, PageRequest, Result, Time};
use serde_json::{Value, json};
use std::str::FromStr;

const PAGE_SIZE: u32 = 50;
const PAGE_SIZE_MAX: u32 = 1_000;
const PARAMETERS_MAX: usize = 32;
const PAGED: [&str; 2] = ["pageNo", "pageSize"];

/// The query of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string. `InvalidField` for one that is malformed, names a parameter twice or has more than 32.
    pub(super) fn read(query: &str) -> Result<Self> {
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(query).map_err(|error| Error::invalid("query", error.to_string()))?;
        if pairs.len() > PARAMETERS_MAX {
            return Err(Error::invalid("query", "has more than 32 parameters"));
        }
        for (n, (name, _)) in pairs.iter().enumerate() {
            if pairs[..n].iter().any(|(other, _)| other == name) {
                return Err(Error::invalid(shown(name), "is given twice"));
            }
        }
        Ok(Self(pairs))
    }

    /// Refuses every parameter that is not `account` or among `names`.
    pub(super) fn only(&self, names: &[&str]) -> Result<()> {
        match self.0.iter().find(|(name, _)| name != "account" && !names.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => Err(Error::invalid(shown(name), "is no parameter of this operation")),
        }
    }

    /// The same for a list, which also takes `pageNo` (from 0) and `pageSize` (1 to 1000, default 50).
    pub(super) fn paged(&self, names: &[&str]) -> Result<PageRequest> {
        let all: Vec<&str> = names.iter().copied().chain(PAGED).collect();
        self.only(&all)?;
        let no = self.parsed("pageNo", "must be a number from 0 on")?.unwrap_or(0);
        let size = self.parsed("pageSize", "must be 1 to 1000")?.unwrap_or(PAGE_SIZE);
        if !(1..=PAGE_SIZE_MAX).contains(&size) {
            return Err(Error::invalid("pageSize", "must be 1 to 1000"));
        }
        Ok(PageRequest { no, size })
    }

    /// The text of a parameter; an empty one counts as absent.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// `true` or `false`; absent is false.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool> {
        Ok(self.parsed(name, "must be true or false")?.unwrap_or(false))
    }

    /// A time: ISO 8601 in UTC.
    pub(super) fn time(&self, name: &'static str) -> Result<Option<Time>> {
        self.text(name).map(|text| time(name, text)).transpose()
    }

    /// Any value that parses.
    pub(super) fn parsed<T: FromStr>(&self, name: &'static str, rule: &'static str) -> Result<Option<T>> {
        self.text(name).map(|text| text.parse().map_err(|_| Error::invalid(name, rule))).transpose()
    }
}

/// Reads a time of the API: ISO 8601 in UTC.
pub(super) fn time(path: &'static str, text: &str) -> Result<Time> {
    Time::parse_iso(text).ok_or_else(|| Error::invalid(path, "must be a time in UTC such as 2026-01-31T12:00:00Z"))
}

/// A list: `{"total", "items"}`.
pub(super) fn listed<T>(page: &Page<T>, render: impl Fn(&T) -> Value) -> axum::Json<Value> {
    axum::Json(json!({ "total": page.total, "items": page.items.iter().map(render).collect::<Vec<_>>() }))
}

/// One page of a list that is held whole.
pub(super) fn cut<T>(all: Vec<T>, page: PageRequest) -> Page<T> {
    let total = all.len() as u64;
    let skip = usize::try_from(page.offset()).unwrap_or(usize::MAX);
    Page { total, items: all.into_iter().skip(skip).take(page.size as usize).collect() }
}

/// The id in a path. What is no id at all names nothing, hence `unknown`.
pub(super) fn id<T: FromStr>(text: &str, unknown: landfall_model::Cause) -> std::result::Result<T, Refusal> {
    text.parse().map_err(|_| Error::new(unknown, "there is nothing of this id").into())
}

fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_or_refused_by_name() {
        let cases = [
            ("", "ok"),
            ("pageNo=2&pageSize=1000&app=x&account=a", "ok"),
            ("pageSize=0", "pageSize: must be 1 to 1000"),
            ("pageSize=1001", "pageSize: must be 1 to 1000"),
            ("pageNo=-1", "pageNo: must be a number from 0 on"),
            ("nmae=x", "nmae: is no parameter of this operation"),
            ("app=x&app=y", "app: is given twice"),
        ];
        for (query, expected) in cases {
            let got = Params::read(query).and_then(|params| params.paged(&["app"]));
            assert_eq!(got.map(|_| "ok".to_owned()).unwrap_or_else(|e| e.to_string()), expected, "{query}");
        }
        let page = Params::read("pageNo=3&pageSize=7").unwrap().paged(&[]).unwrap();
        assert_eq!(page, PageRequest { no: 3, size: 7 });
    }

    #[test]
    fn values_are_typed() {
        let params = Params::read("dryRun=true&from=2026-01-31T12:00:00Z&bad=maybe&empty=&name=a%20b").unwrap();
        assert_eq!(params.flag("dryRun"), Ok(true));
        assert_eq!(params.flag("absent"), Ok(false));
        assert_eq!(params.flag("empty"), Ok(false));
        assert!(params.flag("bad").is_err());
        assert_eq!(params.time("from").unwrap().map(Time::iso).as_deref(), Some("2026-01-31T12:00:00.000Z"));
        assert!(params.time("bad").is_err());
        assert_eq!(params.text("name"), Some("a b"));
    }

    #[test]
    fn whole_lists_are_cut_into_pages() {
        let page = cut((0..10).collect(), PageRequest { no: 2, size: 4 });
        assert_eq!((page.total, page.items), (10, vec![8, 9]));
        assert!(cut(vec![1], PageRequest { no: u64::MAX, size: 1_000 }).items.is_empty());
    }
}
