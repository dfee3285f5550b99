//! Which objects of the inventory are asked for: parameters, and of the query language what programs send.
//!
//! `query` (or `q`, for devices alone) is `$filter=` and conditions joined by `and`: `name eq 'x'`, where an asterisk at the end stands for
//! anything, `type eq 'x'`, `owner eq 'x'`, `text eq 'x'` and `has(fragment)`. Everything else is refused and not passed over.

use crate::cumulocity::{Fault, Query};
use landfall_core::ObjectFilter;
use landfall_model::{AccountId, ObjectId};

/// Ids that one request may name.
const IDS: usize = 2_000;
/// Conditions of a query.
const CONDITIONS: usize = 20;
const DEVICES: &str = "c8y_IsDevice";

pub(super) fn read(query: &Query, account: AccountId) -> Result<ObjectFilter, Fault> {
    let text = |name: &str| query.text(name).map(str::to_owned);
    let mut filter = ObjectFilter {
        kind: text("type"),
        fragments: text("fragmentType").into_iter().collect(),
        owner: text("owner"),
        prefix: text("text"),
        roots: query.flag("onlyRoots")?,
        ..ObjectFilter::of(account)
    };
    for name in ["childAdditionId", "childAssetId", "childDeviceId"] {
        if query.text(name).is_some() {
            return Err(Fault::invalid(name, "is no filter of this server; ask for the object withParents"));
        }
    }
    if let Some(text) = query.text("query") {
        add_all(&mut filter, "query", text)?;
    }
    if let Some(text) = query.text("q") {
        add_all(&mut filter, "q", text)?;
        filter.fragments.push(DEVICES.to_owned());
    }
    Ok(filter)
}

/// Ids between commas.
pub(in crate::cumulocity) fn ids(text: &str) -> Result<Vec<ObjectId>, Fault> {
    let ids: Vec<&str> = text.split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
    if ids.len() > IDS {
        return Err(Fault::invalid("ids", format!("at most {IDS} ids at once")));
    }
    // What is no number is the id of nothing.
    Ok(ids.into_iter().filter_map(|id| id.parse().ok()).collect())
}

fn add_all(filter: &mut ObjectFilter, parameter: &'static str, text: &str) -> Result<(), Fault> {
    let refused = |what: &str| {
        let rule = "conditions are name, type, owner or text eq '...', has(fragment), joined by and";
        Fault::invalid(parameter, format!("{what}: {rule}"))
    };
    let text = text.trim();
    let conditions = text.strip_prefix("$filter=").unwrap_or(text).trim();
    if conditions.contains("$orderby") {
        return Err(refused("$orderby is not supported"));
    }
    let conditions = conditions.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(conditions);
    let mut words = Words { text: conditions };
    for _ in 0..CONDITIONS {
        let condition = words.condition().ok_or_else(|| refused(&format!("'{}' is not supported", words.text)))?;
        add(filter, condition).ok_or_else(|| refused("a condition is not supported, or there are two of its kind"))?;
        if words.text.is_empty() {
            return Ok(());
        }
        words.joined().ok_or_else(|| refused(&format!("'{}' is not supported", words.text)))?;
    }
    Err(refused("there are too many conditions"))
}

/// One condition: a fragment that is there, or a field that equals a value.
#[derive(Debug, PartialEq, Eq)]
enum Condition {
    Has(String),
    Equals(String, String),
}

fn add(filter: &mut ObjectFilter, condition: Condition) -> Option<()> {
    match condition {
        Condition::Has(fragment) => filter.fragments.push(fragment),
        Condition::Equals(field, value) => {
            let (place, value) = match (field.as_str(), value.strip_suffix('*')) {
                ("name", Some(prefix)) | ("text", Some(prefix)) => (&mut filter.prefix, prefix.to_owned()),
                ("name", None) => (&mut filter.name, value),
                ("text", None) => (&mut filter.prefix, value),
                ("type", None) => (&mut filter.kind, value),
                ("owner", None) => (&mut filter.owner, value),
                _ => return None,
            };
            if value.contains('*') || place.replace(value).is_some() {
                return None;
            }
        }
    }
    Some(())
}

/// What of a query is not read yet.
struct Words<'a> {
    text: &'a str,
}

impl Words<'_> {
    fn condition(&mut self) -> Option<Condition> {
        let inner = self.text.strip_prefix("has(");
        if let Some((fragment, rest)) = inner.and_then(|inner| inner.split_once(')')) {
            let fragment = fragment.trim().trim_matches('\'');
            self.text = rest.trim_start();
            return Some(Condition::Has(fragment.to_owned())).filter(|_| !fragment.is_empty() && !fragment.contains(['.', '(']));
        }
        let (field, rest) = self.text.split_once(' ')?;
        let rest = rest.trim_start().strip_prefix("eq ")?.trim_start();
        let (value, rest) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted_value(quoted)?,
            None => {
                let end = rest.find(' ').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        self.text = rest.trim_start();
        (!value.is_empty() && !value.contains(['(', ')'])).then(|| Condition::Equals(field.to_owned(), value))
    }

    fn joined(&mut self) -> Option<()> {
        self.text = self.text.strip_prefix("and ")?.trim_start();
        Some(())
    }
}

/// A value up to its quote, in which two stand for one, and the rest.
fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find('\'')?;
        match text.get(at + 1..) {
            Some(rest) if rest.starts_with('\'') => from = at + 2,
            rest => return Some((text[..at].replace("''", "'"), rest.unwrap_or_default())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Result<ObjectFilter, Fault> {
        let mut filter = ObjectFilter::of(AccountId::MANAGEMENT);
        add_all(&mut filter, "query", text).map(|()| filter)
    }

    #[test]
    fn conditions_are_read_as_programs_write_them() {
        let all = || ObjectFilter::of(AccountId::MANAGEMENT);
        let text = |text: &str| Some(text.to_owned());
        for (query, expected) in [
            ("$filter=name eq 'a b'", ObjectFilter { name: text("a b"), ..all() }),
            ("$filter=(name eq 'O''Neil and ''x''')", ObjectFilter { name: text("O'Neil and 'x'"), ..all() }),
            ("name eq 'a*'", ObjectFilter { prefix: text("a"), ..all() }),
            ("$filter=(text eq 'a')", ObjectFilter { prefix: text("a"), ..all() }),
            ("$filter=(has(x) and has(y))", ObjectFilter { fragments: vec!["x".into(), "y".into()], ..all() }),
            ("$filter=(type eq t1 and owner eq ann)", ObjectFilter { kind: text("t1"), owner: text("ann"), ..all() }),
            (
                "$filter=(has(c8y_IsDevice) and name eq 'n' and type eq 't')",
                ObjectFilter { fragments: vec!["c8y_IsDevice".into()], name: text("n"), kind: text("t"), ..all() },
            ),
        ] {
            assert_eq!(filter(query).ok(), Some(expected), "{query}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for query in [
            "",
            "$filter=",
            "$filter=name ne 'a'",
            "$filter=name eq 'a' or name eq 'b'",
            "$filter=not(has(x))",
            "$filter=(name eq 'a') and (type eq 'b')",
            "$filter=name eq 'a",
            "$filter=name eq '*a'",
            "$filter=creationTime.date gt '2026'",
            "$filter=bygroupid(12)",
            "$filter=has(a.b)",
            "$filter=has()",
            "$filter=name eq 'a' and name eq 'b'",
            "$filter=name eq 'a' and",
            "$filter=name eq 'a' $orderby=name",
            "$orderby=name",
        ] {
            assert!(filter(query).is_err(), "{query}");
        }
        assert!(filter(&vec!["has(x)"; CONDITIONS].join(" and ")).is_ok());
        assert!(filter(&vec!["has(x)"; CONDITIONS + 1].join(" and ")).is_err());
    }
}
