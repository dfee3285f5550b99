//! Whose jobs they are, and what becomes of a job whose application may no longer act.

use super::*;
use landfall_core::{AppChange, JobFilter, NewApp, TargetFilter};
use landfall_model::{App, AppLimits};
use std::sync::Arc;

#[tokio::test]
async fn an_application_sees_its_own_jobs_an_operator_those_of_the_account_and_nobody_else_any() {
    let domain = ground(930).await;
    let (mine, theirs) = domain.two_tenants().await;
    let (other, _) = second_app(&domain, &mine).await;
    let other = domain.core.narrow(&mine.all, other.id).await.unwrap();
    let job = play(&domain, &mine.scope, "j", "fails 3").await;
    let own = play(&domain, &mine.all, "of the account", "done 1").await;
    play(&domain, &theirs.scope, "j", "done 1").await;
    work(&domain).await;
    for (scope, sees) in [(&mine.scope, vec!["j"]), (&mine.all, vec!["j", "of the account"]), (&other, vec![])] {
        // A filter cannot widen what is seen.
        let filter = JobFilter { account: Some(theirs.scope.account()), ..JobFilter::default() };
        let found = domain.core.jobs(scope, filter, ALL).await.unwrap();
        let mut names: Vec<_> = found.items.iter().map(|(job, _)| job.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, sees);
    }
    let filter = JobFilter { app: mine.scope.app(), ..JobFilter::default() };
    assert_eq!(domain.core.jobs(&theirs.all, filter.clone(), ALL).await.unwrap().total, 0);
    assert_eq!(domain.core.jobs(&mine.all, filter, ALL).await.unwrap().total, 1);
    for (scope, id) in [(&theirs.scope, job.id), (&theirs.all, job.id), (&other, job.id), (&mine.scope, own.id)] {
        let targets = TargetFilter { job: id, states: vec![], device: None, command: None };
        let refusals = [
            cause(domain.core.job(scope, id).await),
            cause(domain.core.job_targets(scope, &targets, ALL).await),
            cause(domain.core.pause_job(scope, id).await),
            cause(domain.core.resume_job(scope, id).await),
            cause(domain.core.stop_job(scope, id).await),
            cause(domain.core.retry_job(scope, id, None).await),
        ];
        assert_eq!(refusals, [Cause::ResourceNotFound; 6]);
    }
    assert!(domain.core.retry_job(&mine.all, job.id, None).await.is_ok());
}

async fn second_app(domain: &Ground, tenant: &Tenant) -> (Arc<App>, String) {
    let new = NewApp { name: "second".into(), limits: AppLimits::default() };
    let (app, secret) = domain.core.create_app(&tenant.all, new).await.unwrap();
    (app, secret.expose().to_owned())
}

#[tokio::test]
async fn a_job_stops_when_its_application_may_no_longer_act() {
    for (n, what) in ["frozen", "withdrawn", "guest frozen", "guest deleted"].into_iter().enumerate() {
        let domain = ground(931 + n as u64).await;
        let tenant = domain.tenant("t").await;
        let (guest, secret) = second_app(&domain, &tenant).await;
        domain.core.authorize_app(&tenant.all, tenant.app.id, guest.id, true).await.unwrap();
        let tokens = domain.core.login(&guest.id.to_string(), &secret).await.unwrap();
        let caller = domain.core.authenticate(&guest.id.to_string(), tokens.access.expose()).await.unwrap();
        let scope = domain.core.act_for(&caller, Some(&tenant.app.id.to_string())).await.unwrap();
        let job = play(&domain, &scope, "j", "runs 300").await;
        let unconcerned = play(&domain, &tenant.all, "j", "done 300").await;
        assert_eq!((job.app, job.by), (Some(tenant.app.id), Some(guest.id)));
        for _ in 0..4 {
            turn(&domain).await;
        }
        let begun = now(&domain, job.id).await.0.begun;
        assert!(begun > 0 && begun < 300);
        let freeze = AppChange { frozen: Some(true), ..AppChange::default() };
        let reason = match what {
            "frozen" => {
                domain.core.change_app(&tenant.all, tenant.app.id, freeze).await.unwrap();
                "the application app is frozen".to_owned()
            }
            "guest frozen" => {
                domain.core.change_app(&tenant.all, guest.id, freeze).await.unwrap();
                "the application second is frozen".to_owned()
            }
            "withdrawn" => {
                domain.core.authorize_app(&tenant.all, tenant.app.id, guest.id, false).await.unwrap();
                "the authorisation of the application second by app was withdrawn".to_owned()
            }
            _ => {
                domain.core.delete_app(&tenant.all, guest.id).await.unwrap();
                format!("the application {} is deleted", guest.id)
            }
        };
        work(&domain).await;
        let (stopped, counts) = now(&domain, job.id).await;
        assert_eq!((stopped.state, stopped.reason.as_deref()), (JobState::Stopped, Some(reason.as_str())), "{what}");
        assert_eq!((counts.stopped, stopped.is_over()), (300, true));
        let filter = TargetFilter { job: job.id, states: vec![], device: None, command: None };
        let targets = domain.core.job_targets(&tenant.all, &filter, ALL).await.unwrap().items;
        assert!(targets.iter().all(|target| target.detail.as_deref() == Some(reason.as_str())), "each says why");
        let told = told_of(&domain, job.id).await;
        assert_eq!(told.keys().filter(|what| what.starts_with("runs")).count() as u64, begun, "none is begun afterwards");
        let why = domain.core.why().app(tenant.scope.account(), tenant.app.id);
        assert!(why.iter().any(|why| why.step == "job" && why.detail.ends_with(&reason)), "{why:?}");
        assert_eq!(state(&domain, unconcerned.id).await, JobState::Finished);
    }
}

#[tokio::test]
async fn the_jobs_of_an_application_go_with_it() {
    let domain = ground(935).await;
    let tenant = domain.tenant("t").await;
    let (app, _) = second_app(&domain, &tenant).await;
    let scope = domain.core.narrow(&tenant.all, app.id).await.unwrap();
    let mut gone = vec![];
    for n in 0..5 {
        gone.push(play(&domain, &scope, &format!("j{n}"), "runs 150").await.id);
    }
    let stays = play(&domain, &tenant.scope, "j", "done 150").await;
    for _ in 0..9 {
        turn(&domain).await;
    }
    domain.core.delete_app(&tenant.all, app.id).await.unwrap();
    let left = domain.core.jobs(&tenant.all, JobFilter::default(), ALL).await.unwrap();
    assert_eq!(left.items.iter().map(|(job, _)| job.id).collect::<Vec<_>>(), [stays.id]);
    end(&domain, gone[0], 0..10, TargetState::Succeeded).await;
    work(&domain).await;
    assert_eq!(state(&domain, stays.id).await, JobState::Finished);
}
