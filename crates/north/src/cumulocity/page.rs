//! Pages of collections (seed 15 to 22; contract sections 1 and 5).

use super::{Fault, Inbound, Query};
use landfall_model::PageRequest;
use serde_json::{Map, Value, json};

/// Entries a page where nothing is said, and at most.
const USUAL: u32 = 5;
const MOST: u32 = 2_000;
/// The last page that can be asked for.
const LAST: u64 = 1_000_000_000;

/// Which page of a collection is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paging {
    size: u32,
    current: u64,
    with_pages: bool,
    with_elements: bool,
}

impl Paging {
    /// By `pageSize`, `currentPage`, `withTotalPages` and `withTotalElements`.
    pub fn read(query: &Query) -> Result<Self, Fault> {
        let size = query.number("pageSize", 1, u64::from(MOST))?;
        Ok(Self {
            size: size.and_then(|size| u32::try_from(size).ok()).unwrap_or(USUAL),
            current: query.number("currentPage", 1, LAST)?.unwrap_or(1),
            with_pages: query.flag("withTotalPages")?,
            with_elements: query.flag("withTotalElements")?,
        })
    }

    /// The same for the core.
    pub fn core_page(self) -> PageRequest {
        PageRequest { no: self.current - 1, size: self.size }
    }

    /// Whether the entries of all pages are to be counted.
    pub fn counts(self) -> bool {
        self.with_pages || self.with_elements
    }

    /// The body of a page with these entries, of a collection that has `total`, where that is known: with `prev` from the second page on, and `next` where the page
    /// is full (Amb-19).
    pub fn collection<C>(self, inbound: &Inbound<C>, name: &str, items: Vec<Value>, total: impl Into<Option<u64>>) -> Value {
        let own = ["pageSize", "currentPage"];
        let others = serde_urlencoded::to_string(inbound.query().others(&own).collect::<Vec<_>>()).unwrap_or_default();
        let others = if others.is_empty() { others } else { format!("{others}&") };
        let path = inbound.path();
        let at = |page: u64| Value::from(inbound.url(format_args!("{path}?{others}pageSize={}&currentPage={page}", self.size)));
        let mut body =
            Map::from_iter([("self".to_owned(), at(self.current)), ("statistics".to_owned(), self.statistics(total.into()))]);
        if self.current > 1 {
            body.insert("prev".to_owned(), at(self.current - 1));
        }
        if items.len() == self.size as usize {
            body.insert("next".to_owned(), at(self.current + 1));
        }
        body.insert(name.to_owned(), items.into());
        body.into()
    }

    fn statistics(self, total: Option<u64>) -> Value {
        let mut statistics = json!({ "currentPage": self.current, "pageSize": self.size });
        if let Some(total) = total.filter(|_| self.with_pages) {
            statistics["totalPages"] = total.div_ceil(u64::from(self.size)).into();
        }
        if let Some(total) = total.filter(|_| self.with_elements) {
            statistics["totalElements"] = total.into();
        }
        statistics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_asked_for_within_bounds() {
        let read = |text: &str| Paging::read(&Query::read(text).unwrap());
        assert_eq!(read("").unwrap().core_page(), PageRequest { no: 0, size: 5 });
        assert_eq!(read("pageSize=2000&currentPage=3").unwrap().core_page(), PageRequest { no: 2, size: 2_000 });
        for bad in ["pageSize=0", "pageSize=2001", "pageSize=x", "currentPage=0", "currentPage=-1", "withTotalPages=2"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let counted = read("pageSize=2&withTotalPages=true&withTotalElements=TRUE").unwrap();
        assert_eq!(counted.statistics(Some(5)), json!({ "currentPage": 1, "pageSize": 2, "totalPages": 3, "totalElements": 5 }));
        assert_eq!(read("").unwrap().statistics(Some(5)), json!({ "currentPage": 1, "pageSize": 5 }));
    }
}
