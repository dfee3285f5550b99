//! Jobs: their records and counts, their targets as they were chosen, and what became of each that was begun.
//!
//! What is deleted is out of all lists at once, as these ask for the record; the rows of its targets go later, in slices.

mod blocks;
pub(crate) mod claims;
mod pages;
mod read;
pub(crate) mod targets;

pub(crate) use blocks::{keep_rows, put_block};

use crate::{
    device::{principals::or_account, unlinked},
    effects::{Done, Refused},
    engine::sql::{Sql, SqlResult, Value, query_one},
    versioned::{Cell, Kind, Table, doc, key, moves, stays, version},
};
use landfall_model::{Cause, Error, Job, JobBlock, JobId};
use std::sync::OnceLock;

pub(crate) static JOB: Table<Job> = Table {
    name: "job",
    columns: &[
        key("id", |r| Cell::bytes(r.id.0.as_bytes())),
        version(),
        stays("account", |r| Cell::bytes(r.account.0.as_bytes())),
        stays("app", |r| Cell::bytes(or_account(r.app.as_ref(), &r.account))),
        stays("kind", |r| Cell::text(r.kind.as_str())),
        stays("name", |r| Cell::text(&r.name)),
        stays("created_at", |r| Cell::int(r.created_at.0)),
        moves("finished_at", |r| Cell::opt_int(r.finished_at.map(|t| t.0))),
        doc(),
    ],
    version: |r| r.version,
    kind: Kind::Registry {
        unique: &[&["name", "account", "app", "kind"]],
        taken: Cause::NameTaken,
        detail: "another job of this kind has this name",
    },
    statements: OnceLock::new(),
};

/// A job goes; its targets are to go.
pub(crate) fn delete_job(sql: &mut dyn Sql, id: JobId) -> Done {
    sql.execute("DELETE FROM job WHERE id = ?1", &[Value::Bytes(id.0.as_bytes())])?;
    Ok(unlinked::put_job(sql, id)?)
}

/// Deletes about `limit` rows of a job that is gone; returns how many.
pub(crate) fn delete_rows(sql: &mut dyn Sql, job: &[u8], limit: i64) -> SqlResult<i64> {
    /// A block is as long as so many other rows.
    const BLOCK: i64 = 100;
    let targets = "DELETE FROM job_target WHERE job = ?1 AND place IN (SELECT place FROM job_target WHERE job = ?1 LIMIT ?2)";
    let blocks = "DELETE FROM job_block WHERE job = ?1 AND first IN (SELECT first FROM job_block WHERE job = ?1 LIMIT ?2)";
    let mut deleted = sql.execute(targets, &[Value::Bytes(job), Value::Int(limit)])?.cast_signed();
    if deleted < limit {
        deleted += claims::delete(sql, job, limit - deleted)?;
    }
    if deleted >= limit {
        return Ok(deleted);
    }
    let left = (limit - deleted + BLOCK - 1) / BLOCK;
    Ok(deleted + BLOCK * sql.execute(blocks, &[Value::Bytes(job), Value::Int(left)])?.cast_signed())
}

/// Refuses what has lost its job, and more targets than one write may have.
fn check(sql: &mut dyn Sql, job: JobId, targets: usize) -> Done {
    if targets > JobBlock::SIZE {
        return Err(Refused::Batch(Error::new(Cause::TooMany, "at most 1000 targets of a job are written at once")));
    }
    match query_one(sql, "SELECT version FROM job WHERE id = ?1", &[Value::Bytes(job.0.as_bytes())], |_| Ok(()))? {
        Some(()) => Ok(()),
        None => Err(Refused::Batch(Error::new(Cause::ResourceNotFound, "the job is gone"))),
    }
}
