//! What the rows of a job claim for themselves in it, so that a file that names something twice is found out without memory for all of its names.

use crate::{
    effects::{Done, Refused},
    engine::sql::{Sql, SqlResult, Value, insert_new, parameters, query_all, to_db},
    job::check,
};
use landfall_model::{Cause, Error, JobBlock, JobClaim, JobId};

/// Claims of one row.
const OF_ROW: usize = 8;
/// Keys that one statement asks for.
const AT_ONCE: usize = 100;

/// Of several claims to the same, the first stays.
pub(crate) fn put(sql: &mut dyn Sql, job: JobId, claims: &[JobClaim]) -> Done {
    check(sql, job, 0)?;
    if claims.len() > OF_ROW * JobBlock::SIZE {
        return Err(Refused::Batch(Error::new(Cause::TooMany, "at most 8000 claims of rows are written at once")));
    }
    let row = |claim: &'_ JobClaim| (claim.key, claim.row);
    let mut sorted: Vec<_> = claims.iter().map(row).collect();
    sorted.sort_unstable();
    let rows: Vec<_> = sorted
        .iter()
        .map(|(key, row)| vec![Value::Bytes(job.0.as_bytes()), Value::Bytes(key), Value::Int(to_db(*row))])
        .collect();
    insert_new(sql, "job_claim (job, key, row_no)", &rows)?;
    Ok(())
}

/// Those of these keys that are claimed.
pub(super) fn of(sql: &mut dyn Sql, job: JobId, keys: &[[u8; 16]]) -> SqlResult<Vec<JobClaim>> {
    let text = format!("SELECT key, row_no FROM job_claim WHERE job = ?1 AND key IN {}", parameters(2, AT_ONCE));
    let mut found = Vec::new();
    for some in keys.chunks(AT_ONCE) {
        let mut params = vec![Value::Bytes(job.0.as_bytes())];
        params.extend(some.iter().map(|key| Value::Bytes(key)));
        params.resize(1 + AT_ONCE, params[params.len() - 1]);
        found.extend(query_all(sql, &text, &params, |row| {
            Ok(JobClaim { key: row.bytes(0)?.try_into().unwrap_or_default(), row: row.seq(1)? })
        })?);
    }
    Ok(found)
}

/// Deletes about `limit` claims of a job that is gone; returns how many.
pub(super) fn delete(sql: &mut dyn Sql, job: &[u8], limit: i64) -> SqlResult<i64> {
    let text = "DELETE FROM job_claim WHERE job = ?1 AND key IN (SELECT key FROM job_claim WHERE job = ?1 LIMIT ?2)";
    Ok(sql.execute(text, &[Value::Bytes(job), Value::Int(limit)])?.cast_signed())
}
