//! Reads of rows: records, lists with filters and pages, background work.

use crate::{
    record::Malformed,
    replay::id,
    rows::kind_word,
    sql::{Row, Sql, SqlResult, Value, query_all, query_one, to_db},
};
use landfall_core::{DeviceFilter, Due, SubscriptionFilter};
use landfall_model::{AccountId, Device, DeviceId, Page, PageRequest, ProductId, Sort, Subscription, Time};
use serde::de::DeserializeOwned;
use std::sync::Arc;

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
}

impl<'a> Conditions<'a> {
    pub(crate) fn new() -> Self {
        Self { text: "1 = 1".into(), params: Vec::new() }
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

    pub(crate) fn and_id(&mut self, column: &str, value: Option<&'a uuid::Uuid>) {
        if let Some(value) = value {
            self.and(&format!("{column} = #"), Value::Bytes(value.as_bytes()));
        }
    }

    /// One of these values, of which there is at least one.
    pub(crate) fn and_any(&mut self, column: &str, values: impl Iterator<Item = Value<'a>>) {
        let first = self.params.len();
        self.params.extend(values);
        let list: Vec<String> = (first..self.params.len()).map(|i| format!("?{}", i + 1)).collect();
        self.text.push_str(&format!(" AND {column} IN ({})", list.join(", ")));
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
        mut self,
        sql: &mut dyn Sql,
        table: &str,
        order: &str,
        page: PageRequest,
    ) -> SqlResult<Page<T>> {
        sql.begin_read()?;
        let count = format!("SELECT COUNT(*) FROM {table} WHERE {}", self.text);
        let total = query_one(sql, &count, &self.params, |row| row.seq(0))?.unwrap_or(0);
        let mut items = Vec::new();
        if page.offset() < total {
            let n = self.params.len();
            // The inner query walks the index alone; documents are read for the page only.
            let text = format!(
                "SELECT doc FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {} ORDER BY {order} LIMIT ?{} OFFSET ?{}) ORDER BY {order}",
                self.text,
                n + 1,
                n + 2
            );
            self.params.push(Value::Int(i64::from(page.size)));
            self.params.push(Value::Int(to_db(page.offset())));
            items = query_all(sql, &text, &self.params, |row| parse(row, 0))?;
        }
        sql.batch("COMMIT")?;
        Ok(Page { total, items })
    }
}

/// A page of records that are shared with the caches.
pub(crate) fn arcs<T>(page: Page<T>) -> Page<Arc<T>> {
    Page { total: page.total, items: page.items.into_iter().map(Arc::new).collect() }
}

/// Accounts by name.
pub(crate) fn accounts<T: DeserializeOwned>(sql: &mut dyn Sql, name: Option<&str>, page: PageRequest) -> SqlResult<Page<Arc<T>>> {
    let mut conditions = Conditions::new();
    conditions.and_text("name", name);
    conditions.page(sql, "account", "name, id", page).map(arcs)
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

pub(crate) fn devices(sql: &mut dyn Sql, filter: &DeviceFilter, page: PageRequest) -> SqlResult<Page<Arc<Device>>> {
    let mut conditions = Conditions::new();
    conditions.and_id("account", Some(&filter.account.0));
    conditions.and_id("app", filter.app.as_ref().map(|id| &id.0));
    conditions.and_id("gateway", filter.gateway.as_ref().map(|id| &id.0));
    conditions.and_text("node_type", filter.node_type.map(|t| t.as_str()));
    conditions.and_text("device_type", filter.device_type.as_deref());
    conditions.and_text("location", filter.location.as_deref());
    conditions.and_text("name", filter.name.as_deref());
    conditions.and_text("node_id", filter.node_id.as_deref());
    conditions.and_id("product", filter.product.as_ref().map(|id| &id.0));
    conditions.and_text("status", filter.status.map(|s| s.as_str()));
    conditions.and_between("created_at", filter.created_after, filter.created_before);
    let order = match filter.sort {
        Sort::Ascending => "created_at, id",
        Sort::Descending => "created_at DESC, id DESC",
    };
    conditions.page(sql, "device", order, page).map(arcs)
}

/// Devices of a product, by id after `after`.
pub(crate) fn product_devices(
    sql: &mut dyn Sql,
    product: ProductId,
    after: Option<DeviceId>,
    limit: u32,
) -> SqlResult<Vec<Arc<Device>>> {
    let after = after.as_ref().map_or(&[][..], |id| id.0.as_bytes());
    let text = "SELECT doc FROM device WHERE product = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    let params = [Value::Bytes(product.0.as_bytes()), Value::Bytes(after), Value::Int(i64::from(limit))];
    query_all(sql, text, &params, |row| parse(row, 0).map(Arc::new))
}

/// The device whose id begins so.
pub(crate) fn device_by_prefix(sql: &mut dyn Sql, first: [u8; 11]) -> SqlResult<Option<DeviceId>> {
    let (mut from, mut to) = ([0; 16], [u8::MAX; 16]);
    from[..11].copy_from_slice(&first);
    to[..11].copy_from_slice(&first);
    let text = "SELECT id FROM device WHERE id >= ?1 AND id <= ?2 ORDER BY id LIMIT 1";
    query_one(sql, text, &[Value::Bytes(&from), Value::Bytes(&to)], |row| id(row.bytes(0)?).map(DeviceId))
}

pub(crate) fn subscriptions(
    sql: &mut dyn Sql,
    filter: &SubscriptionFilter,
    page: PageRequest,
) -> SqlResult<Page<Arc<Subscription>>> {
    let mut conditions = Conditions::new();
    conditions.and_id("account", filter.account.as_ref().map(|id| &id.0));
    conditions.and_id("owner", filter.owner.as_ref().map(|id| &id.0));
    conditions.and_id("target", filter.target.as_ref().map(|id| &id.0));
    conditions.and_text("kind", filter.kind.map(kind_word));
    conditions.and_text("callback_url", filter.callback_url.as_deref());
    conditions.page(sql, "subscription", "created_at, id", page).map(arcs)
}

/// Devices that the database knows to be due, by id after `after`.
pub(crate) fn due(sql: &mut dyn Sql, due: Due, after: Option<DeviceId>, limit: u32) -> SqlResult<Vec<Device>> {
    let after = after.map(|id| id.0);
    let after = Value::Bytes(after.as_ref().map_or(&[], |id| id.as_bytes().as_slice()));
    let limit = Value::Int(i64::from(limit));
    let doc = |row: &dyn Row| parse(row, 0);
    match due {
        Due::Silent(status, before) => query_all(
            sql,
            "SELECT doc FROM device WHERE status = ?1 AND COALESCE(last_seen, created_at) < ?2 AND id > ?3 ORDER BY id LIMIT ?4",
            &[Value::Text(status.as_str()), Value::Int(before.0), after, limit],
            doc,
        ),
        Due::Expired(before) => query_all(
            sql,
            "SELECT doc FROM device WHERE activated = 0 AND code_expires_at IS NOT NULL AND code_expires_at < ?1 AND id > ?2 \
             ORDER BY id LIMIT ?3",
            &[Value::Int(before.0), after, limit],
            doc,
        ),
        Due::Connected => {
            query_all(sql, "SELECT doc FROM device WHERE connected = 1 AND id > ?1 ORDER BY id LIMIT ?2", &[after, limit], doc)
        }
    }
}
