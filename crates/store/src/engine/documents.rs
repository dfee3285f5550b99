//! Records that are kept as JSON beside their columns: one by its id, and lists with filters and pages.

use crate::{
    engine::sql::{Row, Sql, SqlResult, Value, query_all, query_one, to_db},
    stream::{record::Malformed, replay::id},
};
use landfall_model::{AccountId, Page, PageRequest, Sort, Time};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use uuid::Uuid;

/// A record as it is stored.
pub(crate) fn parse<T: DeserializeOwned>(row: &dyn Row, column: usize) -> SqlResult<T> {
    serde_json::from_str(row.text(column)?).map_err(|_| Malformed.into())
}

/// The record of a statement that selects one document by one id.
pub(crate) fn one<T: DeserializeOwned>(sql: &mut dyn Sql, text: &str, id: &[u8]) -> SqlResult<Option<T>> {
    query_one(sql, text, &[Value::Bytes(id)], |row| parse(row, 0))
}

/// Conditions joined by AND, with their parameters.
pub(crate) struct Conditions<'a> {
    text: String,
    params: Vec<Value<'a>>,
    /// The table that is walked in place of the one with the documents; it has the columns that are looked at, and as many ids.
    walked: Option<&'static str>,
}

impl<'a> Conditions<'a> {
    pub(crate) fn new() -> Self {
        Self { text: "1 = 1".into(), params: Vec::new(), walked: None }
    }

    /// The first equality that is given chooses the index; the others are looked at in what it finds.
    pub(crate) fn first_of<const N: usize>(equal: [(&str, Option<Value<'a>>); N]) -> Self {
        let mut conditions = Self::new();
        let mut given = equal.into_iter().filter_map(|(column, value)| Some((column, value?)));
        if let Some((column, value)) = given.next() {
            conditions.and(&format!("{column} = #"), value);
        }
        given.for_each(|(column, value)| conditions.sift(column, value));
        conditions
    }

    /// Adds a condition; `#` in it stands for the value.
    pub(crate) fn and(&mut self, condition: &str, value: Value<'a>) {
        self.params.push(value);
        self.text.push_str(" AND ");
        self.text.push_str(&condition.replace('#', &format!("?{}", self.params.len())));
    }

    pub(crate) fn and_text(&mut self, column: &str, value: Option<&'a str>) {
        if let Some(value) = value {
            self.and(&format!("{column} = #"), Value::Text(value));
        }
    }

    pub(crate) fn and_id(&mut self, column: &str, value: Option<&'a Uuid>) {
        if let Some(value) = value {
            self.and(&format!("{column} = #"), Value::Bytes(value.as_bytes()));
        }
    }

    /// Adds an equality that is looked at in what the other conditions find, and never chooses the index.
    pub(crate) fn sift(&mut self, column: &str, value: Value<'a>) {
        self.and(&format!("COALESCE({column}, {column}) = #"), value);
    }

    /// One of these values, of which there is at least one.
    pub(crate) fn and_any(&mut self, column: &str, values: impl Iterator<Item = Value<'a>>) {
        let first = self.params.len();
        self.params.extend(values);
        let list: Vec<String> = (first..self.params.len()).map(|i| format!("?{}", i + 1)).collect();
        self.text.push_str(&format!(" AND {column} IN ({})", list.join(", ")));
    }

    /// One of these values, looked at in what the other conditions find.
    pub(crate) fn sift_any(&mut self, column: &str, values: impl Iterator<Item = Value<'a>>) {
        self.and_any(&format!("COALESCE({column}, {column})"), values);
    }

    /// Adds a condition without values.
    pub(crate) fn and_also(&mut self, condition: &str) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
    }

    /// Walks this table in place of the one with the documents.
    pub(crate) fn walk(&mut self, table: &'static str) {
        self.walked = Some(table);
    }

    /// Between two moments, both left out.
    pub(crate) fn and_between(&mut self, column: &str, after: Option<Time>, before: Option<Time>) {
        if let Some(t) = after {
            self.and(&format!("{column} > #"), Value::Int(t.0));
        }
        if let Some(t) = before {
            self.and(&format!("{column} < #"), Value::Int(t.0));
        }
    }

    /// The text and its parameters, for a query of another form.
    pub(crate) fn into_parts(self) -> (String, Vec<Value<'a>>) {
        (self.text, self.params)
    }

    /// A page of documents of a table, and how many there are.
    pub(crate) fn page<T: DeserializeOwned>(
        self,
        sql: &mut dyn Sql,
        table: &str,
        order: &str,
        page: PageRequest,
    ) -> SqlResult<Page<T>> {
        sql.begin_read()?;
        let found = self.page_within(sql, table, order, page, None)?;
        sql.batch("COMMIT")?;
        Ok(found)
    }

    /// The next documents after one, by the time when they were made (then id).
    pub(crate) fn after<T: DeserializeOwned>(
        mut self,
        sql: &mut dyn Sql,
        table: &str,
        sort: Sort,
        after: Option<(Time, &'a [u8])>,
        limit: u32,
    ) -> SqlResult<Vec<Arc<T>>> {
        let order = self.beyond(sort, after, limit);
        let n = self.params.len();
        let text = match self.walked {
            None => format!("SELECT doc FROM {table} WHERE {} ORDER BY {order} LIMIT ?{n}", self.text),
            Some(walked) => {
                let ids = format!("SELECT id FROM {walked} WHERE {} ORDER BY {order} LIMIT ?{n}", self.text);
                format!("SELECT doc FROM {table} WHERE id IN ({ids}) ORDER BY {order}")
            }
        };
        query_all(sql, &text, &self.params, |row| parse(row, 0).map(Arc::new))
    }

    /// Their ids, each with the time when it was made.
    pub(crate) fn ids_after(
        mut self,
        sql: &mut dyn Sql,
        table: &str,
        sort: Sort,
        after: Option<(Time, &'a [u8])>,
        limit: u32,
    ) -> SqlResult<Vec<(Time, Uuid)>> {
        let order = self.beyond(sort, after, limit);
        let walked = self.walked.unwrap_or(table);
        let text =
            format!("SELECT created_at, id FROM {walked} WHERE {} ORDER BY {order} LIMIT ?{}", self.text, self.params.len());
        query_all(sql, &text, &self.params, |row| Ok((Time(row.int(0)?), id(row.bytes(1)?)?)))
    }

    /// After one of them, and at most so many, which is the last parameter; returns their order.
    fn beyond(&mut self, sort: Sort, after: Option<(Time, &'a [u8])>, limit: u32) -> &'static str {
        let (beyond, order) = match sort {
            Sort::Ascending => (">", "created_at, id"),
            Sort::Descending => ("<", "created_at DESC, id DESC"),
        };
        if let Some((at, id)) = after {
            self.params.extend([Value::Int(at.0), Value::Bytes(id)]);
            let n = self.params.len();
            self.text.push_str(&format!(" AND (created_at, id) {beyond} (?{}, ?{n})", n - 1));
        }
        self.params.push(Value::Int(i64::from(limit)));
        order
    }

    /// The same within a transaction; `total` is given where it is known without counting.
    pub(crate) fn page_within<T: DeserializeOwned>(
        self,
        sql: &mut dyn Sql,
        table: &str,
        order: &str,
        page: PageRequest,
        total: Option<u64>,
    ) -> SqlResult<Page<T>> {
        self.rows_within(sql, (table, "doc"), order, page, total, |row| parse(row, 0))
    }

    /// The same of these columns of a table.
    pub(crate) fn rows_within<T>(
        mut self,
        sql: &mut dyn Sql,
        (table, columns): (&str, &str),
        order: &str,
        page: PageRequest,
        total: Option<u64>,
        read: impl FnMut(&dyn Row) -> SqlResult<T>,
    ) -> SqlResult<Page<T>> {
        let walked = self.walked.unwrap_or(table);
        let total = match total {
            Some(total) => total,
            None => {
                let count = format!("SELECT COUNT(*) FROM {walked} WHERE {}", self.text);
                query_one(sql, &count, &self.params, |row| row.seq(0))?.unwrap_or(0)
            }
        };
        let left = total.saturating_sub(page.offset()).min(page.size.into());
        if left == 0 {
            return Ok(Page { total, items: Vec::new() });
        }
        let n = self.params.len();
        // The inner query walks the index alone, no further than to the last that fits; documents are read for the page only.
        let text = format!(
            "SELECT {columns} FROM {table} WHERE id IN (SELECT id FROM {walked} WHERE {} ORDER BY {order} LIMIT ?{} OFFSET ?{}) ORDER BY {order}",
            self.text,
            n + 1,
            n + 2
        );
        self.params.push(Value::Int(to_db(left)));
        self.params.push(Value::Int(to_db(page.offset())));
        let items = query_all(sql, &text, &self.params, read)?;
        Ok(Page { total, items })
    }
}

/// A page of records that are shared with the caches.
pub(crate) fn arcs<T>(page: Page<T>) -> Page<Arc<T>> {
    Page { total: page.total, items: page.items.into_iter().map(Arc::new).collect() }
}

/// Records of an account by name; `table` is `app` or `product`.
pub(crate) fn named<T: DeserializeOwned>(
    sql: &mut dyn Sql,
    table: &str,
    account: AccountId,
    page: PageRequest,
) -> SqlResult<Page<Arc<T>>> {
    let mut conditions = Conditions::new();
    conditions.and_id("account", Some(&account.0));
    conditions.page(sql, table, "name, id", page).map(arcs)
}

/// The value of a text, where there is one.
pub(crate) fn text(value: Option<&String>) -> Option<Value<'_>> {
    value.map(|text| Value::Text(text))
}

/// The value of an id.
pub(crate) fn id_value(id: &Uuid) -> Value<'_> {
    Value::Bytes(id.as_bytes())
}
