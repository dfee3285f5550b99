//! Many devices at once: ids of those that have something in common, and what is to be known of each.
//!
//! What is asked of a thousand devices is asked of a hundred in a statement, whose text is always the same.

use crate::{
    command,
    device::record::{self, SEEN_BY},
    engine::{
        documents::parse,
        sql::{Row, Sql, SqlResult, Value, query_all},
    },
    store::SharedStore,
    stream::replay::id,
};
use async_trait::async_trait;
use landfall_core::store::{Addressee, DeviceFilter, Fleet, FleetOf, FleetStore};
use landfall_model::{Command, CommandId, Device, DeviceId, Result, Time};
use std::{collections::HashMap, sync::Arc};
use uuid::Uuid;

/// Ids of one statement.
const AT_ONCE: usize = 100;

#[async_trait]
impl FleetStore for SharedStore {
    async fn device_ids_after(
        &self,
        filter: &DeviceFilter,
        after: Option<(Time, DeviceId)>,
        limit: u32,
    ) -> Result<Vec<(Time, DeviceId)>> {
        let filter = filter.clone();
        self.scan(filter.account, move |sql| {
            let after = after.as_ref().map(|(at, id)| (*at, &id.0.as_bytes()[..]));
            let found = record::conditions(&filter).ids_after(sql, "device", filter.sort, after, limit)?;
            Ok(found.into_iter().map(|(at, id)| (at, DeviceId(id))).collect())
        })
        .await
    }

    async fn fleet(&self, fleet: &Fleet, after: Option<DeviceId>, limit: u32) -> Result<Vec<DeviceId>> {
        let fleet = fleet.clone();
        self.scan(fleet.account, move |sql| members(sql, &fleet, after, limit)).await
    }

    async fn addressees(&self, devices: &[DeviceId]) -> Result<Vec<Addressee>> {
        let ids: Vec<Uuid> = devices.iter().map(|device| device.0).collect();
        let mut found = self.read(move |sql| addressees(sql, &ids)).await?;
        let pending = self.shared().pending.lock();
        for one in &mut found {
            one.last_seen = one.last_seen.max(pending.last_seen(one.device.id));
        }
        Ok(found)
    }

    async fn commands_by_id(&self, ids: &[CommandId]) -> Result<Vec<Command>> {
        const TEXT: &str =
            "SELECT doc FROM command WHERE id IN (#) AND EXISTS (SELECT 1 FROM device d WHERE d.id = command.device) ORDER BY id";
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        self.read(move |sql| of_each(sql, TEXT, &ids, |row| parse(row, 0))).await
    }
}

/// Each source is read no further than to the last id that is still wanted, so that many of them cost little more than one.
fn members(sql: &mut dyn Sql, fleet: &Fleet, after: Option<DeviceId>, limit: u32) -> SqlResult<Vec<DeviceId>> {
    let (rows, id_column, sources): (_, _, Vec<&Uuid>) = match &fleet.of {
        FleetOf::Groups(groups) => (
            "group_member m JOIN device ON device.id = m.device WHERE m.member_of = ?1 AND EXISTS (SELECT 1 FROM device_group WHERE id = ?1)",
            "m.device",
            groups.iter().map(|group| &group.0).collect(),
        ),
        FleetOf::Products(products) => {
            ("device WHERE device.product = ?1", "device.id", products.iter().map(|product| &product.0).collect())
        }
    };
    let seen = fleet.app.map_or(String::new(), |_| format!(" AND {}", SEEN_BY.replace('#', "?7")));
    let text = format!(
        "SELECT {id_column} FROM {rows} AND {id_column} > ?2 AND {id_column} <= ?3 AND device.account = ?4 AND device.created_at <= ?5{seen} \
         ORDER BY {id_column} LIMIT ?6"
    );
    let after = after.as_ref().map_or(&[][..], |id| id.0.as_bytes());
    let app = fleet.app.as_ref().map(|app| Value::Bytes(app.0.as_bytes()));
    let mut last = DeviceId(Uuid::max());
    let mut found: Vec<DeviceId> = vec![];
    for source in sources {
        let mut params = vec![
            Value::Bytes(source.as_bytes()),
            Value::Bytes(after),
            Value::Bytes(last.0.as_bytes()),
            Value::Bytes(fleet.account.0.as_bytes()),
            Value::Int(fleet.there_at.0),
            Value::Int(i64::from(limit)),
        ];
        params.extend(app);
        found.extend(query_all(sql, &text, &params, |row| id(row.bytes(0)?).map(DeviceId))?);
        found.sort_unstable();
        found.dedup();
        found.truncate(limit as usize);
        if let Some(end) = found.last().filter(|_| found.len() == limit as usize) {
            last = *end;
        }
    }
    Ok(found)
}

fn addressees(sql: &mut dyn Sql, ids: &[Uuid]) -> SqlResult<Vec<Addressee>> {
    const DEVICES: &str = "SELECT doc, last_seen FROM device WHERE id IN (#) ORDER BY id";
    let mut open: HashMap<DeviceId, Vec<Command>> = HashMap::new();
    for command in of_each(sql, command::OPEN_OF, ids, |row| parse::<Command>(row, 0))? {
        open.entry(command.device).or_default().push(command);
    }
    let place = |row: &dyn Row| Ok((id(row.bytes(0)?).map(DeviceId)?, row.seq(1)?));
    let places: HashMap<DeviceId, u64> = of_each(sql, command::LAST_PLACES, ids, place)?.into_iter().collect();
    let device = |row: &dyn Row| Ok((parse::<Device>(row, 0)?, row.opt_int(1)?.map(Time)));
    let found = of_each(sql, DEVICES, ids, device)?.into_iter().map(|(device, last_seen)| Addressee {
        last_seen,
        open: open.remove(&device.id).unwrap_or_default(),
        last_place: places.get(&device.id).copied().unwrap_or(0),
        device: Arc::new(device),
    });
    Ok(found.collect())
}

/// What a query finds of these ids; `#` in it stands for some of them, ascending.
fn of_each<T>(sql: &mut dyn Sql, text: &str, ids: &[Uuid], mut map: impl FnMut(&dyn Row) -> SqlResult<T>) -> SqlResult<Vec<T>> {
    let list: Vec<String> = (1..=AT_ONCE).map(|n| format!("?{n}")).collect();
    let text = text.replace('#', &list.join(", "));
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    let mut found = Vec::with_capacity(ids.len());
    for some in ids.chunks(AT_ONCE) {
        // The last one fills up what is missing.
        let filled = some.iter().chain(std::iter::repeat(&some[some.len() - 1])).take(AT_ONCE);
        let params: Vec<Value<'_>> = filled.map(|id| Value::Bytes(id.as_bytes())).collect();
        found.extend(query_all(sql, &text, &params, &mut map)?);
    }
    Ok(found)
}
