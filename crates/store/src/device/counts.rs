//! How many devices an account, an application (of those that it sees), a product and a gateway have, by status and kind; and how many are in
//! a group, whatever they are.
//!
//! The writer keeps these counters in the transaction that changes the devices, so that nobody has to count rows: deltas gather in memory
//! and are written once a group. A gateway is not counted among the devices behind it.

use crate::{
    device::principals,
    effects::Changes,
    engine::sql::{Sql, SqlResult, Value, query_one},
};
use landfall_core::DeviceFilter;
use landfall_model::{AccountId, Device, DeviceId, GroupId};
use std::{collections::BTreeSet, ops::ControlFlow};
use uuid::Uuid;

/// What of a device its counters go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) account: [u8; 16],
    /// The principals that see it, one after the other.
    pub(crate) principals: Vec<u8>,
    product: Option<[u8; 16]>,
    /// The gateway it is behind; it is none itself then.
    behind: Option<[u8; 16]>,
    status: String,
    pub(crate) node_type: String,
    pub(crate) created_at: i64,
}

impl Counted {
    pub(crate) fn of(device: &Device) -> Self {
        Self {
            account: *device.account.0.as_bytes(),
            principals: principals::bytes(&device.principals),
            product: device.product.map(|id| *id.0.as_bytes()),
            behind: Some(device.gateway_id()).filter(|gateway| *gateway != device.id).map(|id| *id.0.as_bytes()),
            status: device.status.as_str().to_owned(),
            node_type: device.node_type.as_str().to_owned(),
            created_at: device.created_at.0,
        }
    }

    /// As the database has it.
    pub(crate) fn stored(sql: &mut dyn Sql, device: DeviceId) -> SqlResult<Option<Self>> {
        let text = "SELECT account, principals, product, gateway, status, node_type, created_at FROM device WHERE id = ?1";
        let id = device.0.as_bytes();
        query_one(sql, text, &[Value::Bytes(id)], |row| {
            Ok(Self {
                account: key(row.bytes(0)?),
                principals: row.bytes(1)?.to_vec(),
                product: row.opt_bytes(2)?.map(key),
                behind: Some(row.bytes(3)?).filter(|gateway| gateway != id).map(key),
                status: row.text(4)?.to_owned(),
                node_type: row.text(5)?.to_owned(),
                created_at: row.int(6)?,
            })
        })
    }

    /// Who counts it, each once.
    fn owners(&self) -> BTreeSet<[u8; 16]> {
        let principals = principals::each(&self.principals).map(key);
        [Some(self.account), self.product, self.behind].into_iter().flatten().chain(principals).collect()
    }

    fn fits(&self, filter: &DeviceFilter) -> bool {
        filter.status.is_none_or(|status| status.as_str() == self.status)
            && filter.node_type.is_none_or(|ty| ty.as_str() == self.node_type)
    }
}

fn key(id: &[u8]) -> [u8; 16] {
    id.try_into().unwrap_or_default()
}

type Key = ([u8; 16], [u8; 16], String, String);

/// Changes of counters that are not written yet.
#[derive(Debug, Default)]
pub(crate) struct Counts(Changes<Key>);

impl Counts {
    /// A device is now one that counts as `after`, and was one that counted as `before`.
    pub(crate) fn change(&mut self, before: Option<&Counted>, after: Option<&Counted>) {
        if before == after {
            return;
        }
        for (counted, n) in before.into_iter().map(|one| (one, -1)).chain(after.into_iter().map(|one| (one, 1))) {
            for owner in counted.owners() {
                self.0.add((counted.account, owner, counted.status.clone(), counted.node_type.clone()), n);
            }
        }
    }

    /// A group has so many members more.
    pub(crate) fn change_group(&mut self, account: AccountId, group: GroupId, n: i64) {
        let key = (*account.0.as_bytes(), *group.0.as_bytes(), String::new(), String::new());
        self.0.add(key, n);
    }

    /// The batch at hand is over; refused, it counts nothing.
    pub(crate) fn end(&mut self, taken: bool) {
        self.0.end(taken);
    }

    /// How many devices an owner has once all that is not written yet is.
    pub(crate) fn total(&self, sql: &mut dyn Sql, account: AccountId, owner: Uuid) -> SqlResult<u64> {
        let mut stored: u64 = 0;
        each(sql, account, owner, |_, _, n| stored += n)?;
        let from = (*account.0.as_bytes(), *owner.as_bytes(), String::new(), String::new());
        Ok(stored.saturating_add_signed(self.0.sum(&from, |(a, o, ..)| (a, o) == (&from.0, &from.1))))
    }

    /// Writes the changes of the group.
    pub(crate) fn write(self, sql: &mut dyn Sql) -> SqlResult<()> {
        const ADD: &str = "INSERT INTO device_count (account, owner, status, node_type, n) VALUES (?1, ?2, ?3, ?4, ?5) \
                           ON CONFLICT (account, owner, status, node_type) DO UPDATE SET n = device_count.n + excluded.n";
        const EMPTY: &str =
            "DELETE FROM device_count WHERE account = ?1 AND owner = ?2 AND status = ?3 AND node_type = ?4 AND n = 0";
        for ((account, owner, status, node_type), n) in self.0.into_changes() {
            let key =
                [Value::Bytes(&account), Value::Bytes(&owner), Value::Text(&status), Value::Text(&node_type), Value::Int(n)];
            sql.execute(ADD, &key)?;
            if n < 0 {
                sql.execute(EMPTY, &key[..4])?;
            }
        }
        Ok(())
    }
}

/// The counters of an owner: the status, the kind and the number of each.
fn each(sql: &mut dyn Sql, account: AccountId, owner: Uuid, mut tell: impl FnMut(&str, &str, u64)) -> SqlResult<()> {
    let text = "SELECT status, node_type, n FROM device_count WHERE account = ?1 AND owner = ?2";
    sql.query(text, &[Value::Bytes(account.0.as_bytes()), Value::Bytes(owner.as_bytes())], &mut |row| {
        tell(row.text(0)?, row.text(1)?, row.seq(2)?);
        Ok(ControlFlow::Continue(()))
    })
}

/// How many devices are in a group of the account.
pub(crate) fn in_group(sql: &mut dyn Sql, account: AccountId, group: GroupId) -> SqlResult<u64> {
    Counts::default().total(sql, account, group.0)
}

/// How many devices fit a filter that counters know.
pub(crate) fn of(sql: &mut dyn Sql, filter: &DeviceFilter) -> SqlResult<u64> {
    let named = filter.principal.map(|id| id.0).or(filter.product.map(|id| id.0)).or(filter.gateway.map(|id| id.0));
    let mut total = 0;
    each(sql, filter.account, named.unwrap_or(filter.account.0), |status, node_type, n| {
        let fits = filter.status.is_none_or(|wanted| wanted.as_str() == status)
            && filter.node_type.is_none_or(|wanted| wanted.as_str() == node_type);
        total += if fits { n } else { 0 };
    })?;
    // A list of what is behind a gateway begins with the gateway.
    if let Some(gateway) = filter.gateway
        && let Some(itself) = Counted::stored(sql, gateway)?
    {
        let shown = itself.account == *filter.account.0.as_bytes() && itself.behind.is_none() && itself.fits(filter);
        total += u64::from(shown);
    }
    Ok(total)
}
