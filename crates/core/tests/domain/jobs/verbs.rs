//! What is asked of a job: pause, resume, stop, retry, and how many there may be.

use super::*;
use landfall_core::{JobFilter, Settings};
use landfall_model::AppLimits;

#[tokio::test]
async fn a_job_pauses_and_goes_on() {
    let domain = ground(920).await;
    let tenant = domain.tenant("t").await;
    let (core, scope) = (&domain.core, &tenant.scope);
    let job = play(&domain, scope, "j", "done 100 runs 100 done 100").await;
    assert_eq!(core.pause_job(scope, job.id).await.unwrap().state, JobState::Paused);
    work(&domain).await;
    let (paused, _) = now(&domain, job.id).await;
    assert_eq!((paused.total, paused.begun), (300, 0), "targets are chosen meanwhile");
    assert_eq!(core.resume_job(scope, job.id).await.unwrap().state, JobState::Waiting);
    turn(&domain).await;
    turn(&domain).await;
    assert_eq!(core.pause_job(scope, job.id).await.unwrap().state, JobState::Paused);
    assert_eq!(core.pause_job(scope, job.id).await.unwrap().version, 7, "once");
    end(&domain, job.id, 100..150, TargetState::Succeeded).await;
    assert_eq!(work(&domain).await, 0);
    assert_eq!(counts(&domain, job.id).await, [50, 150, 0, 0, 0, 0], "what is under way goes on");
    let domain = domain.restart().await;
    assert_eq!(work(&domain).await, 0);
    assert_eq!(domain.core.resume_job(scope, job.id).await.unwrap().state, JobState::Running);
    end(&domain, job.id, 150..200, TargetState::Succeeded).await;
    work(&domain).await;
    assert_each_once(&domain, &job, &["over finished 300"]).await;
    for refused in [
        domain.core.pause_job(scope, job.id).await,
        domain.core.resume_job(scope, job.id).await,
        domain.core.stop_job(scope, job.id).await,
    ] {
        assert_eq!(cause(refused), Cause::JobNotReady);
    }
}

#[tokio::test]
async fn a_job_that_is_stopped_ends_what_is_open() {
    for (at, turns, chosen) in [("waiting", 0, 0), ("choosing", 1, 700), ("running", 4, 1_800)] {
        let mut domain = ground(921).await;
        let tenant = domain.tenant("t").await;
        let job = play(&domain, &tenant.scope, "j", "runs 1800").await;
        for _ in 0..turns {
            turn(&domain).await;
        }
        let stopped = domain.core.stop_job(&tenant.scope, job.id).await.unwrap();
        assert_eq!((stopped.state, stopped.is_over(), stopped.total), (JobState::Stopped, false, chosen), "{at}");
        assert_eq!(domain.core.stop_job(&tenant.scope, job.id).await.unwrap(), stopped, "once");
        while turn(&domain).await.more {
            domain = domain.restart().await;
        }
        assert_eq!(counts(&domain, job.id).await, [0, 0, 0, 0, 0, chosen], "{at}");
        let (job, _) = now(&domain, job.id).await;
        assert_eq!((job.state, job.begun, job.is_over(), job.reason), (JobState::Stopped, chosen, true, None), "{at}");
        let told = told_of(&domain, job.id).await;
        let withdrawn = told.keys().filter(|what| what.starts_with("stopped")).count();
        assert_eq!(withdrawn, if at == "running" { 100 } else { 0 });
        assert_eq!(cause(domain.core.retry_job(&tenant.scope, job.id, None).await), Cause::JobNotReady, "none failed");
    }
}

#[tokio::test]
async fn failed_targets_are_tried_again_by_a_new_job() {
    let mut domain = ground(922).await;
    let tenant = domain.tenant("t").await;
    let scope = &tenant.scope;
    let due_at = Some(domain.core.now().plus_s(600));
    let new = NewJob { due_at, ..list(&domain, "j", "done 30 fails 1200 runs 40") };
    let job = domain.core.make_job(scope, new).await.unwrap();
    work(&domain).await;
    assert_eq!(cause(domain.core.retry_job(scope, job.id, None).await), Cause::JobNotReady, "it is not over");
    end(&domain, job.id, 1_230..1_240, TargetState::Succeeded).await;
    end(&domain, job.id, 1_240..1_250, TargetState::Expired).await;
    end(&domain, job.id, 1_250..1_260, TargetState::Failed).await;
    domain.advance_s(600);
    work(&domain).await;
    assert_eq!(counts(&domain, job.id).await, [0, 40, 1_210, 10, 10, 0]);

    let again = domain.core.retry_job(scope, job.id, Some("again".into())).await.unwrap();
    assert_eq!((again.retry_of, again.name.as_str()), (Some(job.id), "again"));
    assert_eq!(again.due_at, Some(domain.core.now().plus_s(600)), "as long as the first had");
    while turn(&domain).await.more {
        domain = domain.restart().await;
    }
    let mut rows: Vec<String> = (30..1_230).map(|n| format!("fails {n}")).collect();
    rows.extend((1_240..1_270).map(|n| format!("runs {n}")));
    let expected: BTreeMap<String, usize> = rows.into_iter().map(|row| (row, 1)).collect();
    assert_eq!(told_of(&domain, again.id).await, expected);
    assert_eq!(cause(domain.core.retry_job(scope, job.id, Some("again".into())).await), Cause::NameTaken);
    let third = domain.core.retry_job(scope, job.id, None).await.unwrap();
    assert_eq!(third.name, format!("j-{}", third.id));
}

#[tokio::test]
async fn a_retry_of_a_job_that_is_gone_stops() {
    let domain = ground(923).await;
    let tenant = domain.tenant("t").await;
    let job = play(&domain, &tenant.scope, "j", "fails 5").await;
    work(&domain).await;
    let again = domain.core.retry_job(&tenant.scope, job.id, None).await.unwrap();
    domain.core.store().commit(Batch { writes: vec![Write::DeleteJob(job.id)], events: vec![] }).await.unwrap();
    work(&domain).await;
    let (again, _) = now(&domain, again.id).await;
    assert_eq!((again.state, again.total, again.is_over()), (JobState::Stopped, 0, true));
    assert!(again.reason.unwrap().ends_with("is gone"));
}

#[tokio::test]
async fn an_application_an_account_and_the_server_have_so_many_open_jobs() {
    let settings = Settings { jobs_per_account: 7, jobs: 9, ..Settings::default() };
    let domain = Ground::plan(924).settings(settings).tasks(&[&Play]).open().await;
    let (mine, theirs) = domain.two_tenants().await;
    let new = landfall_core::NewApp { name: "second".into(), limits: AppLimits::default() };
    let (second, _) = domain.core.create_app(&mine.all, new).await.unwrap();
    let second = domain.core.narrow(&mine.all, second.id).await.unwrap();
    let full = |result: Result<Job>, whose: &str| {
        let error = result.unwrap_err();
        assert_eq!(error.cause, Cause::TooMany);
        assert!(error.detail.starts_with(whose), "{error}");
    };
    let attempts = (0..12).map(|n| domain.core.make_job(&mine.scope, list(&domain, &format!("j{n}"), "runs 1")));
    let made = futures_util::future::join_all(attempts).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 5, "those who come at once are counted too");
    full(domain.core.make_job(&mine.scope, list(&domain, "more", "runs 1")).await, "the application");
    play(&domain, &second, "a", "runs 1").await;
    play(&domain, &mine.all, "a", "runs 1").await;
    full(domain.core.make_job(&second, list(&domain, "b", "runs 1")).await, "the account");
    for n in 0..2 {
        play(&domain, &theirs.scope, &format!("j{n}"), "runs 1").await;
    }
    full(domain.core.make_job(&theirs.scope, list(&domain, "b", "runs 1")).await, "the server");
    let open = domain.core.jobs(&mine.all, JobFilter { over: Some(false), ..JobFilter::default() }, ALL).await.unwrap();
    assert_eq!(open.total, 7);
    // One that is over makes room.
    let job = open.items.iter().find(|(job, _)| job.app == mine.scope.app()).unwrap().0.id;
    domain.core.stop_job(&mine.scope, job).await.unwrap();
    full(domain.core.make_job(&mine.scope, list(&domain, "b", "runs 1")).await, "the application");
    work(&domain).await;
    play(&domain, &mine.scope, "b", "runs 1").await;
}

#[tokio::test]
async fn names_and_orders_have_their_limits() {
    let domain = ground(925).await;
    let tenant = domain.tenant("t").await;
    let make = |name: &str, order: &str| {
        let new = list(&domain, name, order);
        let (core, scope) = (domain.core.clone(), tenant.scope.clone());
        async move { core.make_job(&scope, new).await }
    };
    assert_eq!(cause(make("", "done 1").await), Cause::InvalidField);
    assert_eq!(cause(make(&"n".repeat(257), "done 1").await), Cause::InvalidField);
    assert_eq!(cause(make("n", &" ".repeat(Job::ORDER_BYTES + 1)).await), Cause::InvalidField);
    let long = make(&"é".repeat(256), "fails 1").await.unwrap();
    assert_eq!(cause(make(&"é".repeat(256), "done 1").await), Cause::NameTaken);
    work(&domain).await;
    let again = domain.core.retry_job(&tenant.scope, long.id, None).await.unwrap();
    assert_eq!(again.name.chars().count(), 256);
    play(&domain, &tenant.all, "n", "done 1").await;
    play(&domain, &tenant.scope, "n", "done 1").await;
}

#[tokio::test]
async fn jobs_that_are_over_are_kept_for_a_while() {
    let domain = ground(926).await;
    let tenant = domain.tenant("t").await;
    let (over, open) =
        (play(&domain, &tenant.scope, "over", "done 5").await, play(&domain, &tenant.scope, "open", "runs 5").await);
    work(&domain).await;
    let kept_s = domain.core.settings().job_retention_s;
    domain.advance_s(kept_s);
    while domain.core.prune().await.unwrap() {}
    assert!(domain.core.job(&tenant.scope, over.id).await.is_ok());
    domain.advance_s(1);
    while domain.core.prune().await.unwrap() {}
    assert_eq!(cause(domain.core.job(&tenant.scope, over.id).await), Cause::ResourceNotFound);
    assert!(domain.core.job(&tenant.scope, open.id).await.is_ok());
    play(&domain, &tenant.scope, "over", "done 5").await;
}
