//! Jobs whose rows are handed over: begun when all are there, stopped when they stop coming.

use super::*;
use landfall_core::{HandOver, Settings};

async fn open(domain: &Ground, scope: &Scope, name: &str) -> HandOver {
    let new = NewJob { choosing: None, ..list(domain, name, "") };
    domain.core.open_job(scope, new).await.unwrap()
}

fn rows(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|n| format!("done {n}")).collect()
}

#[tokio::test]
async fn rows_are_begun_once_all_are_there() {
    let domain = ground(940).await;
    let tenant = domain.tenant("t").await;
    let mut open = open(&domain, &tenant.scope, "j").await;
    let id = open.job().id;
    for n in 0..25 {
        domain.core.hand_over(&mut open, rows(n * 100, n * 100 + 100)).await.unwrap();
        assert_eq!(work(&domain).await, 0);
    }
    assert_eq!(open.rows(), 2_500);
    assert_eq!(cause(domain.core.pause_job(&tenant.scope, id).await), Cause::JobNotReady);
    let job = domain.core.close_job(open).await.unwrap();
    assert_eq!((job.state, job.total, job.begun, job.due_at), (JobState::Waiting, 2_500, 0, None));
    assert_eq!(now(&domain, id).await.0, job, "what is told is durable");
    let domain = domain.restart().await;
    work(&domain).await;
    let told = told_of(&domain, id).await;
    assert!(told.len() == 2_501 && told.values().all(|times| *times == 1), "{told:?}");
    assert_eq!(counts(&domain, id).await, [0, 2_500, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_job_whose_rows_stop_coming_is_stopped() {
    let domain = ground(941).await;
    let tenant = domain.tenant("t").await;
    let mut left = open(&domain, &tenant.scope, "left").await;
    domain.core.hand_over(&mut left, rows(0, 1_500)).await.unwrap();
    let id = left.job().id;
    domain.advance_s(100);
    domain.core.hand_over(&mut left, rows(1_500, 1_600)).await.unwrap();
    domain.advance_s(100);
    work(&domain).await;
    assert_eq!(state(&domain, id).await, JobState::Receiving, "what lingers is written, which sets its time anew");
    drop(left);
    let domain = domain.restart().await;
    assert_eq!((state(&domain, id).await, work(&domain).await), (JobState::Receiving, 0));
    domain.advance_s(30);
    work(&domain).await;
    let (job, _) = now(&domain, id).await;
    let why = Some("its rows stopped coming before all were there");
    assert_eq!((job.state, job.is_over(), job.reason.as_deref()), (JobState::Stopped, true, why));
    assert_eq!(counts(&domain, id).await[5], job.total);
    assert!(told_of(&domain, id).await.keys().all(|what| what.starts_with("over")), "none was begun");
}

#[tokio::test]
async fn somebody_stops_a_job_while_its_rows_come() {
    let domain = ground(942).await;
    let tenant = domain.tenant("t").await;
    let mut one = open(&domain, &tenant.scope, "one").await;
    domain.core.hand_over(&mut one, rows(0, 3_000)).await.unwrap();
    let id = one.job().id;
    domain.core.stop_job(&tenant.scope, id).await.unwrap();
    let refused = domain.core.hand_over(&mut one, rows(3_000, 9_000)).await;
    let refused = match refused {
        Ok(()) => domain.core.close_job(one).await.map(|_| ()),
        refused => refused,
    };
    assert_eq!(cause(refused), Cause::JobNotReady);
    work(&domain).await;
    assert_eq!((state(&domain, id).await, counts(&domain, id).await), (JobState::Stopped, [0, 0, 0, 0, 0, 3_000]));
    let mut two = open(&domain, &tenant.scope, "two").await;
    domain.core.hand_over(&mut two, rows(0, 10)).await.unwrap();
    let id = two.job().id;
    domain.core.abandon_job(two, "the file has no header").await.unwrap();
    work(&domain).await;
    let (job, _) = now(&domain, id).await;
    assert_eq!((job.state, job.reason.as_deref(), job.total), (JobState::Stopped, Some("the file has no header"), 0));
    let empty = open(&domain, &tenant.scope, "empty").await;
    let id = domain.core.close_job(empty).await.unwrap().id;
    work(&domain).await;
    assert_eq!(state(&domain, id).await, JobState::Finished);
}

#[tokio::test]
async fn rows_have_limits() {
    let settings = Settings { import_rows: 1_200, import_bytes: 20_000, ..Settings::default() };
    let domain = Ground::plan(943).settings(settings).tasks(&[&Play]).open().await;
    let tenant = domain.tenant("t").await;
    let refused = |rows: Vec<String>, name: &'static str| {
        let (domain, scope) = (&domain, &tenant.scope);
        async move {
            let mut open = open(domain, scope, name).await;
            cause(domain.core.hand_over(&mut open, rows).await)
        }
    };
    assert_eq!(refused(rows(0, 1_201), "rows").await, Cause::TooMany);
    assert_eq!(refused(vec!["x".repeat(10_001); 2], "bytes").await, Cause::TooMany);
    assert_eq!(refused(vec!["x".repeat(70_000)], "long").await, Cause::TooMany);
    assert_eq!(refused(vec![String::new()], "empty").await, Cause::TooMany);
}
