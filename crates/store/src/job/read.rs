//! What readers of jobs get.

use crate::{
    engine::{
        documents::{Conditions, id_value, parse, text},
        sql::{Row, Sql, SqlResult, Value, query_all, query_one, storable},
    },
    job::{blocks, claims, pages},
    store::{SharedStore, THE_SERVER},
    stream::replay::id,
};
use async_trait::async_trait;
use landfall_core::store::{JobFilter, JobStore, TargetFilter};
use landfall_model::{Job, JobBlock, JobClaim, JobCounts, JobId, JobTarget, Page, PageRequest, Result, TargetState, Time};

/// What is selected of a job.
const COLUMNS: &str = "doc, running, succeeded, failed, timed_out, expired, stopped";

#[async_trait]
impl JobStore for SharedStore {
    async fn job(&self, id: JobId) -> Result<Option<(Job, JobCounts)>> {
        self.read(move |sql| job(sql, id)).await
    }

    async fn jobs(&self, filter: &JobFilter, page: PageRequest) -> Result<Page<(Job, JobCounts)>> {
        let filter = filter.clone();
        self.scan(filter.account.unwrap_or(THE_SERVER), move |sql| jobs(sql, &filter, page)).await
    }

    async fn open_jobs(&self, limit: u32) -> Result<Vec<(Job, JobCounts)>> {
        self.read(move |sql| {
            let text = format!("SELECT {COLUMNS} FROM job WHERE finished_at IS NULL ORDER BY created_at, id LIMIT ?1");
            query_all(sql, &text, &[Value::Int(i64::from(limit))], counted)
        })
        .await
    }

    async fn jobs_over_before(&self, before: Time, limit: u32) -> Result<Vec<JobId>> {
        const TEXT: &str = "SELECT id FROM job WHERE finished_at < ?1 ORDER BY finished_at, id LIMIT ?2";
        let params = [Value::Int(before.0), Value::Int(i64::from(limit))];
        self.read(move |sql| query_all(sql, TEXT, &params, |row| id(row.bytes(0)?).map(JobId))).await
    }

    async fn job_block(&self, job: JobId, place: u64) -> Result<Option<JobBlock>> {
        self.read(move |sql| match self::job(sql, job)? {
            Some(_) => blocks::at(sql, job, place),
            None => Ok(None),
        })
        .await
    }

    async fn job_targets(&self, filter: &TargetFilter, page: PageRequest) -> Result<Page<JobTarget>> {
        let filter = filter.clone();
        let Some((found, _)) = self.job(filter.job).await? else { return Ok(Page { total: 0, items: vec![] }) };
        self.scan(found.account, move |sql| {
            sql.begin_read()?;
            let page = match job(sql, filter.job)? {
                Some(job) => pages::page(sql, &job, &filter, page)?,
                None => Page { total: 0, items: vec![] },
            };
            sql.batch("COMMIT")?;
            Ok(page)
        })
        .await
    }

    async fn job_claims(&self, job: JobId, keys: Vec<[u8; 16]>) -> Result<Vec<JobClaim>> {
        self.read(move |sql| claims::of(sql, job, &keys)).await
    }

    async fn begun_targets(&self, job: JobId, state: TargetState, from: u64, limit: u32) -> Result<Vec<JobTarget>> {
        self.read(move |sql| match self::job(sql, job)? {
            Some(_) => pages::in_state_from(sql, job, state, from, limit),
            None => Ok(vec![]),
        })
        .await
    }
}

fn job(sql: &mut dyn Sql, id: JobId) -> SqlResult<Option<(Job, JobCounts)>> {
    query_one(sql, &format!("SELECT {COLUMNS} FROM job WHERE id = ?1"), &[Value::Bytes(id.0.as_bytes())], counted)
}

/// A page of jobs, newest first.
fn jobs(sql: &mut dyn Sql, filter: &JobFilter, page: PageRequest) -> SqlResult<Page<(Job, JobCounts)>> {
    if filter.name.as_deref().is_some_and(|name| !storable(name)) {
        return Ok(Page { total: 0, items: vec![] });
    }
    let mut conditions = Conditions::first_of([
        ("name", text(filter.name.as_ref())),
        ("app", filter.app.as_ref().map(|app| id_value(&app.0))),
        ("account", filter.account.as_ref().map(|account| id_value(&account.0))),
    ]);
    if let Some(kind) = filter.kind {
        conditions.sift("kind", Value::Text(kind.as_str()));
    }
    match filter.over {
        Some(true) => conditions.and_also("finished_at IS NOT NULL"),
        Some(false) => conditions.and_also("finished_at IS NULL"),
        None => (),
    }
    sql.begin_read()?;
    let found = conditions.rows_within(sql, ("job", COLUMNS), "created_at DESC, id DESC", page, None, counted)?;
    sql.batch("COMMIT")?;
    Ok(found)
}

/// A row of [`COLUMNS`].
fn counted(row: &dyn Row) -> SqlResult<(Job, JobCounts)> {
    let [running, succeeded, failed, timed_out, expired, stopped] = [1, 2, 3, 4, 5, 6].map(|column| row.seq(column));
    let counts = JobCounts {
        running: running?,
        succeeded: succeeded?,
        failed: failed?,
        timed_out: timed_out?,
        expired: expired?,
        stopped: stopped?,
    };
    Ok((parse(row, 0)?, counts))
}
