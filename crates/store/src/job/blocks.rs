//! The targets of jobs as they were chosen: about as many bytes as their ids or rows have, a thousand of them a row.

use crate::{
    effects::Done,
    engine::sql::{Row, Sql, SqlResult, Value, query_all, query_one, to_db},
    job::check,
    stream::{record::Malformed, replay::id},
    versioned::stale,
};
use landfall_model::{DeviceId, JobBlock, JobId, Targets};
use std::ops::ControlFlow;

pub(crate) fn put_block(sql: &mut dyn Sql, block: &JobBlock) -> Done {
    const TEXT: &str = "INSERT INTO job_block (job, first, devices, list) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    check(sql, block.job, block.targets.len())?;
    let (devices, list) = encode(&block.targets);
    let params = [
        Value::Bytes(block.job.0.as_bytes()),
        Value::Int(to_db(block.first)),
        Value::opt_bytes(devices.as_deref()),
        Value::opt_text(list.as_deref()),
    ];
    if sql.execute(TEXT, &params)? == 0 {
        return Err(stale());
    }
    Ok(())
}

/// Leaves the rows of a block that are not empty.
pub(crate) fn keep_rows(sql: &mut dyn Sql, block: &JobBlock) -> SqlResult<()> {
    let (job, first) = (Value::Bytes(block.job.0.as_bytes()), Value::Int(to_db(block.first)));
    match &block.targets {
        Targets::Rows(rows) if rows.iter().any(|row| !row.is_empty()) => {
            let (_, list) = encode(&block.targets);
            let text = "UPDATE job_block SET list = ?3 WHERE job = ?1 AND first = ?2 AND list IS NOT NULL";
            sql.execute(text, &[job, first, Value::opt_text(list.as_deref())])?;
        }
        _ => {
            sql.execute("DELETE FROM job_block WHERE job = ?1 AND first = ?2", &[job, first])?;
        }
    }
    Ok(())
}

/// The block that has a place.
pub(super) fn at(sql: &mut dyn Sql, job: JobId, place: u64) -> SqlResult<Option<JobBlock>> {
    let text = "SELECT first, devices, list FROM job_block WHERE job = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1";
    let params = [Value::Bytes(job.0.as_bytes()), Value::Int(to_db(place))];
    let found = query_one(sql, text, &params, |row| read(job, row))?;
    Ok(found.filter(|block| place - block.first < block.targets.len() as u64))
}

/// The blocks that have places from `from` to before `to`.
pub(super) fn between(sql: &mut dyn Sql, job: JobId, from: u64, to: u64) -> SqlResult<Vec<JobBlock>> {
    let text = "SELECT first, devices, list FROM job_block WHERE job = ?1 AND first > ?2 AND first < ?3 ORDER BY first";
    let params = [Value::Bytes(job.0.as_bytes()), Value::Int(before(from)), Value::Int(to_db(to))];
    query_all(sql, text, &params, |row| read(job, row))
}

/// The first place of a device from `from` on.
pub(super) fn place_of(sql: &mut dyn Sql, job: JobId, device: DeviceId, from: u64) -> SqlResult<Option<u64>> {
    const TEXT: &str =
        "SELECT first, devices FROM job_block WHERE job = ?1 AND first > ?2 AND devices IS NOT NULL ORDER BY first";
    let params = [Value::Bytes(job.0.as_bytes()), Value::Int(before(from))];
    let mut found = None;
    sql.query(TEXT, &params, &mut |row| {
        let first = row.seq(0)?;
        let places = row.bytes(1)?.chunks_exact(16).zip(first..);
        found = places.filter(|(_, place)| *place >= from).find(|(id, _)| *id == device.0.as_bytes()).map(|(_, place)| place);
        Ok(if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

/// Every block that begins there or before ends before a place.
fn before(place: u64) -> i64 {
    to_db(place) - JobBlock::SIZE as i64
}

fn encode(targets: &Targets) -> (Option<Vec<u8>>, Option<String>) {
    match targets {
        Targets::Devices(devices) => (Some(devices.iter().flat_map(|device| *device.0.as_bytes()).collect()), None),
        Targets::Rows(rows) => (None, Some(serde_json::Value::from(rows.as_slice()).to_string())),
    }
}

fn read(job: JobId, row: &dyn Row) -> SqlResult<JobBlock> {
    let targets = match (row.opt_bytes(1)?, row.opt_text(2)?) {
        (Some(ids), _) => Targets::Devices(ids.chunks_exact(16).map(|bytes| id(bytes).map(DeviceId)).collect::<SqlResult<_>>()?),
        (None, Some(list)) => Targets::Rows(serde_json::from_str(list).map_err(|_| Malformed)?),
        (None, None) => return Err(Malformed.into()),
    };
    Ok(JobBlock { job, first: row.seq(0)?, targets })
}
