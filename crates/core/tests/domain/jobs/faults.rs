//! What is refused, what fails, and whose time is over.

use super::*;
use landfall_core::TargetFilter;

async fn in_state(domain: &Ground, job: JobId, state: TargetState) -> Vec<JobTarget> {
    let filter = TargetFilter { job, states: vec![state], device: None, command: None };
    domain.core.store().job_targets(&filter, ALL).await.unwrap().items
}

#[tokio::test]
async fn what_no_attempt_can_begin_fails_alone_and_with_its_reason() {
    let domain = ground(910).await;
    let tenant = domain.tenant("t").await;
    let job = play(&domain, &tenant.scope, "j", "done 130 taken 2 done 100 taken 1 done 1").await;
    work(&domain).await;
    assert_eq!(counts(&domain, job.id).await, [0, 231, 3, 0, 0, 0]);
    let failed = in_state(&domain, job.id, TargetState::Failed).await;
    let told: Vec<_> = failed.iter().map(|target| (target.place, target.detail.clone().unwrap())).collect();
    let reason = |n| format!("taken {n} is taken");
    assert_eq!(told, [130, 131, 232].map(|place| (place, reason(place))));
    let told = told_of(&domain, job.id).await;
    assert_eq!(told.values().sum::<usize>(), 232, "each that was begun, and the end");
}

#[tokio::test]
async fn a_job_rests_after_a_fault_of_the_server_and_holds_up_no_other() {
    let domain = ground(911).await;
    let (mine, theirs) = domain.two_tenants().await;
    let broken = play(&domain, &mine.scope, "broken", "done 150 broken 1").await;
    let next = play(&domain, &mine.scope, "next", "done 500").await;
    let other = play(&domain, &theirs.scope, "other", "done 500").await;
    let (mut failed, mut turns) = (vec![], 0);
    loop {
        let turn = domain.core.turn_jobs().await.unwrap();
        failed.extend(turn.failed.into_iter().map(|(job, error)| (job, error.cause)));
        turns += 1;
        if !turn.more {
            break;
        }
    }
    assert_eq!(failed, [(broken.id, Cause::Internal)], "it is tried once, then rests");
    assert!(turns < 20);
    assert_eq!([state(&domain, next.id).await, state(&domain, other.id).await], [JobState::Finished; 2]);
    assert_eq!(now(&domain, broken.id).await.0.begun, 100, "no target fails for want of the database");
    // It rests for twice as long each time.
    for (wait_s, tries) in [(1, 1), (1, 0), (1, 1), (3, 0), (1, 1)] {
        domain.advance_s(wait_s);
        let turn = domain.core.turn_jobs().await.unwrap();
        assert_eq!((turn.failed.len(), turn.more), (tries, false));
    }
}

#[tokio::test]
async fn a_choice_that_is_refused_stops_the_job() {
    let domain = ground(912).await;
    let tenant = domain.tenant("t").await;
    let job = play(&domain, &tenant.scope, "j", "nowhere 1").await;
    work(&domain).await;
    let (job, _) = now(&domain, job.id).await;
    let reason = "its targets cannot be chosen: there is no such list";
    assert_eq!((job.state, job.reason.as_deref(), job.is_over()), (JobState::Stopped, Some(reason), true));
    let why = domain.core.why().app(tenant.scope.account(), tenant.app.id);
    assert!(why[0].detail.ends_with(reason) && why[0].step == "job", "{why:?}");
}

#[tokio::test]
async fn a_job_whose_time_is_over_ends_what_is_open_in_slices() {
    for paused in [false, true] {
        let mut domain = ground(913).await;
        let tenant = domain.tenant("t").await;
        let due_at = Some(domain.core.now().plus_s(60));
        let new = NewJob { in_flight: Some(150), due_at, ..list(&domain, "j", "done 50 runs 2350") };
        let job = domain.core.make_job(&tenant.scope, new).await.unwrap();
        work(&domain).await;
        end(&domain, job.id, [60], TargetState::Succeeded).await;
        if paused {
            domain.core.pause_job(&tenant.scope, job.id).await.unwrap();
        }
        domain.advance_s(59);
        work(&domain).await;
        assert_eq!(counts(&domain, job.id).await, [149, 51, 0, 0, 0, 0], "not yet");
        domain.advance_s(1);
        let mut slices = 0;
        while turn(&domain).await.more {
            slices += 1;
            let (job, counts) = now(&domain, job.id).await;
            assert_eq!(job.state, JobState::TimedOut);
            assert_eq!(counts.over() + counts.running, job.begun);
            domain = domain.restart().await;
        }
        assert_eq!(slices, 8, "the state, two of what is under way, four of what was not begun, the end");
        assert_eq!(counts(&domain, job.id).await, [0, 51, 0, 2_349, 0, 0]);
        let (job, _) = now(&domain, job.id).await;
        assert_eq!(job.finished_at, Some(domain.core.now()));
        let told = told_of(&domain, job.id).await;
        let withdrawn = told.keys().filter(|what| what.starts_with("timed-out")).count();
        assert_eq!((withdrawn, told.values().all(|times| *times == 1)), (149, true), "what was under way is told to the kind");
        assert!(told.contains_key("over timed-out 2400"));
    }
}

#[tokio::test]
async fn what_is_all_done_is_finished_though_its_time_is_over() {
    let domain = ground(914).await;
    let tenant = domain.tenant("t").await;
    let due_at = Some(domain.core.now().plus_s(60));
    let job = domain.core.make_job(&tenant.scope, NewJob { due_at, ..list(&domain, "j", "runs 1") }).await.unwrap();
    work(&domain).await;
    end(&domain, job.id, [0], TargetState::Failed).await;
    domain.advance_s(61);
    work(&domain).await;
    assert_eq!(state(&domain, job.id).await, JobState::Finished);
    end(&domain, job.id, [0], TargetState::Succeeded).await;
    assert_eq!(counts(&domain, job.id).await, [0, 0, 1, 0, 0, 0], "what is over stays so");
}
