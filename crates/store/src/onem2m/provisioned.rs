//! Provisioning requests of older databases become jobs: their lists blocks of rows, what was done and what failed targets that were begun.
//!
//! Which device a node became was not kept.

use super::older::json;
use crate::engine::sql::{Sql, SqlError, SqlResult, Value, query_all, query_one, to_db};
use landfall_model::{AccountId, AppId, Job, JobKind, JobState, NodeRequest, ResourceId, TargetState, Time};
use serde::{Deserialize, de::DeserializeOwned};

/// Targets of a job that may be under way at once; these are begun and over in one.
const IN_FLIGHT: u32 = 1_000_000;

#[derive(Deserialize)]
struct Request {
    id: ResourceId,
    account: AccountId,
    app: AppId,
    name: String,
    creator: String,
    labels: Vec<String>,
    total: u32,
    done: u32,
    failed: u32,
    created_at: Time,
    started_at: Option<Time>,
    finished_at: Option<Time>,
}

#[derive(Deserialize)]
struct Part {
    first: u32,
    nodes: Vec<NodeRequest>,
}

#[derive(Deserialize)]
struct Failure {
    place: u32,
    message: String,
}

/// Makes the jobs.
pub(crate) fn fill(sql: &mut dyn Sql) -> SqlResult<()> {
    const TEXT: &str = "SELECT doc FROM provisioning WHERE id > ?1 ORDER BY id LIMIT 1";
    let mut after = ResourceId([0; 12]);
    while let Some(request) = query_one(sql, TEXT, &[Value::Bytes(&after.0)], |row| read::<Request>(row.text(0)?))? {
        put_job(sql, &request)?;
        put_blocks(sql, request.id)?;
        put_targets(sql, &request)?;
        after = request.id;
    }
    Ok(())
}

fn put_job(sql: &mut dyn Sql, request: &Request) -> SqlResult<()> {
    const TEXT: &str = "INSERT INTO job (id, version, account, app, kind, name, created_at, finished_at, doc, succeeded, failed) \
                        VALUES (?1, 1, ?2, ?3, 'provisioning', ?4, ?5, ?6, ?7, ?8, ?9)";
    let state = match (request.finished_at, request.started_at) {
        (Some(_), _) => JobState::Finished,
        (None, Some(_)) => JobState::Running,
        (None, None) => JobState::Waiting,
    };
    let job = Job {
        id: request.id.as_job(),
        account: request.account,
        version: 1,
        app: Some(request.app),
        by: Some(request.app),
        kind: JobKind::Provisioning,
        name: request.name.clone(),
        order: json(&serde_json::json!({ "creator": request.creator, "labels": request.labels }))?,
        state,
        reason: None,
        retry_of: None,
        choosing: None,
        total: request.total.into(),
        begun: request.done.into(),
        in_flight: IN_FLIGHT,
        created_at: request.created_at,
        started_at: request.started_at,
        finished_at: request.finished_at,
        due_at: None,
    };
    let params = [
        Value::Bytes(job.id.0.as_bytes()),
        Value::Bytes(request.account.0.as_bytes()),
        Value::Bytes(request.app.0.as_bytes()),
        Value::Text(&request.name),
        Value::Int(request.created_at.0),
        Value::opt_int(request.finished_at.map(|at| at.0)),
        Value::Text(&json(&job)?),
        Value::Int(i64::from(request.done - request.failed.min(request.done))),
        Value::Int(request.failed.into()),
    ];
    sql.execute(TEXT, &params)?;
    Ok(())
}

fn put_blocks(sql: &mut dyn Sql, request: ResourceId) -> SqlResult<()> {
    const PARTS: &str = "SELECT doc FROM provisioning_part WHERE request = ?1 AND first >= ?2 ORDER BY first LIMIT 1";
    const BLOCK: &str = "INSERT INTO job_block (job, first, list) VALUES (?1, ?2, ?3)";
    let mut from = 0;
    while let Some(part) = query_one(sql, PARTS, &[Value::Bytes(&request.0), Value::Int(from)], |row| read::<Part>(row.text(0)?))?
    {
        let rows = part.nodes.iter().map(json).collect::<SqlResult<Vec<_>>>()?;
        let job = request.as_job();
        let params = [Value::Bytes(job.0.as_bytes()), Value::Int(part.first.into()), Value::Text(&json(&rows)?)];
        sql.execute(BLOCK, &params)?;
        from = i64::from(part.first) + 1;
    }
    Ok(())
}

fn put_targets(sql: &mut dyn Sql, request: &Request) -> SqlResult<()> {
    const FAILURES: &str = "SELECT doc FROM provisioning_failure WHERE request = ?1 ORDER BY place";
    const TARGET: &str = "INSERT INTO job_target (job, place, state, detail) VALUES (?1, ?2, ?3, ?4)";
    let failures = query_all(sql, FAILURES, &[Value::Bytes(&request.id.0)], |row| read::<Failure>(row.text(0)?))?;
    let mut failures = failures.into_iter().peekable();
    let job = request.id.as_job();
    for place in 0..request.done {
        let failure = failures.next_if(|failure| failure.place == place);
        let state = if failure.is_some() { TargetState::Failed } else { TargetState::Succeeded };
        let params = [
            Value::Bytes(job.0.as_bytes()),
            Value::Int(to_db(place.into())),
            Value::Text(state.as_str()),
            Value::opt_bytes(failure.as_ref().map(|failure| failure.message.as_bytes())),
        ];
        sql.execute(TARGET, &params)?;
    }
    Ok(())
}

fn read<T: DeserializeOwned>(text: &str) -> SqlResult<T> {
    serde_json::from_str(text).map_err(|_| SqlError::wrong("a stored provisioning request cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Options,
        engine::{backend::Backend, migrate::migrate, postgres::Target, sql::query_one},
    };
    use landfall_core::store::{JobFilter, JobStore, TargetFilter};
    use landfall_model::{Page, PageRequest, Targets};
    use landfall_testkit::{World, ground::place::Place};
    use std::sync::Arc;

    /// Schema of the program that had tables for provisioning.
    const BEFORE: usize = 23;
    const ACCOUNT: [u8; 16] = [1; 16];

    fn backend(place: &Place) -> Backend {
        match place {
            Place::Sqlite { folder, .. } => Backend::Sqlite(folder.clone()),
            Place::Postgres { url, .. } => {
                Backend::Postgres(Arc::new(Target::parse(url, None, Options::default().statement()).unwrap()))
            }
        }
    }

    /// A database as that program left it: a request half way, one that waits, one that is over.
    fn older(place: &Place) -> [ResourceId; 3] {
        let backend = backend(place);
        let _lock = backend.lock().unwrap();
        let mut sql = backend.writer().unwrap();
        migrate(&mut *sql, BEFORE).unwrap();
        let account = "INSERT INTO account (id, version, name, history_days, event_days, doc) VALUES (?1, 1, 'a', 1, 1, '{}')";
        sql.execute(account, &[Value::Bytes(&ACCOUNT)]).unwrap();
        let cases = [("half", 100, 2, None), ("new", 0, 0, None), ("over", 150, 1, Some(Time(900)))];
        let ids = [1, 2, 3].map(|n| ResourceId::new(Time(n), [n as u8; 16]));
        for (id, (name, done, failed, finished_at)) in ids.into_iter().zip(cases) {
            let started_at = (done > 0).then_some(7);
            let doc = serde_json::json!({
                "id": id, "account": AccountId(uuid::Uuid::from_bytes(ACCOUNT)), "app": AppId(uuid::Uuid::from_bytes([2; 16])),
                "version": 4, "name": name, "creator": "Cc", "labels": ["l"], "total": 150, "done": done, "failed": failed,
                "created_at": 5, "started_at": started_at, "finished_at": finished_at,
            });
            let text = "INSERT INTO provisioning (id, version, account, app, name, created_at, finished_at, doc) VALUES (?1, 4, ?2, ?3, ?4, 5, ?5, ?6)";
            let finished = Value::opt_int(finished_at.map(|at| at.0));
            let (doc, app) = (doc.to_string(), [2; 16]);
            let params =
                [Value::Bytes(&id.0), Value::Bytes(&ACCOUNT), Value::Bytes(&app), Value::Text(name), finished, Value::Text(&doc)];
            sql.execute(text, &params).unwrap();
            for (first, n) in [(0, 100), (100, 50)] {
                let nodes: Vec<_> = (first..first + n).map(node).collect();
                let doc = serde_json::json!({ "request": id, "first": first, "nodes": nodes }).to_string();
                let text = "INSERT INTO provisioning_part (request, first, doc) VALUES (?1, ?2, ?3)";
                sql.execute(text, &[Value::Bytes(&id.0), Value::Int(first), Value::Text(&doc)]).unwrap();
            }
            for place in 0..failed {
                let doc =
                    serde_json::json!({ "request": id, "place": 9 * place, "node_id": "n", "message": "no\u{0}" }).to_string();
                let text = "INSERT INTO provisioning_failure (request, place, doc) VALUES (?1, ?2, ?3)";
                sql.execute(text, &[Value::Bytes(&id.0), Value::Int(9 * place), Value::Text(&doc)]).unwrap();
            }
        }
        ids
    }

    fn node(n: i64) -> NodeRequest {
        let credentials = Some(vec![landfall_model::Secret::new("psk-id:i"), landfall_model::Secret::new(format!("psk:{n}"))]);
        NodeRequest { node_id: format!("n{n}\0"), credentials, ..NodeRequest::default() }
    }

    async fn requests_become_jobs(place: Place) {
        // The PostgreSQL client must not block a thread of the runtime.
        let ids = std::thread::scope(|scope| scope.spawn(|| older(&place)).join().unwrap());
        let store = crate::open(place.url(), Options::default(), Arc::new(World::new(1))).unwrap();
        let all = PageRequest { no: 0, size: 1_000 };
        let found = store.jobs(&JobFilter { kind: Some(JobKind::Provisioning), ..JobFilter::default() }, all).await.unwrap();
        assert_eq!(found.total, 3);
        let expected =
            [(JobState::Running, 100, [0, 9].as_slice()), (JobState::Waiting, 0, &[]), (JobState::Finished, 150, &[0])];
        for (id, (state, begun, failed)) in ids.into_iter().zip(expected) {
            let (job, counts) = store.job(id.as_job()).await.unwrap().unwrap();
            assert_eq!((job.state, job.total, job.begun, job.is_over()), (state, 150, begun, state == JobState::Finished));
            assert_eq!((counts.succeeded, counts.failed), (begun - failed.len() as u64, failed.len() as u64));
            assert_eq!(job.order, r#"{"creator":"Cc","labels":["l"]}"#);
            let filter = TargetFilter { job: job.id, states: vec![], device: None, command: None };
            let Page { total, items } = store.job_targets(&filter, all).await.unwrap();
            assert_eq!((total, items.iter().filter(|target| target.state != TargetState::Waiting).count() as u64), (150, begun));
            let lost = items.iter().filter(|target| target.state == TargetState::Failed);
            assert_eq!(lost.map(|target| (target.place, target.detail.as_deref())).collect::<Vec<_>>(), {
                failed.iter().map(|place| (*place, Some("no\u{0}"))).collect::<Vec<_>>()
            });
            for at in [0, 99, 100, 149] {
                let block = store.job_block(job.id, at).await.unwrap().unwrap().part(at, 1).unwrap();
                assert_eq!(block.targets, Targets::Rows(vec![serde_json::to_string(&node(at as i64)).unwrap()]));
            }
        }
        store.shutdown().await;
        let gone =
            || query_one(&mut *backend(&place).writer().unwrap(), "SELECT 1 FROM provisioning_part", &[], |_| Ok(())).is_err();
        assert!(std::thread::scope(|scope| scope.spawn(gone).join().unwrap()), "the keys are in one place");
    }

    #[tokio::test]
    async fn requests_of_older_directories_become_jobs() {
        requests_become_jobs(Place::sqlite()).await;
    }

    #[tokio::test]
    async fn requests_of_older_postgres_databases_become_jobs() {
        if let Some(place) = Place::postgres("requests_of_older_postgres_databases_become_jobs") {
            requests_become_jobs(place).await;
        }
    }
}
