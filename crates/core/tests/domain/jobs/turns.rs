//! The engine: each target once whatever happens, turns, and how many are under way.

use super::*;

#[tokio::test]
async fn every_target_is_begun_once_through_a_restart_at_every_commit() {
    let mut domain = ground(900).await;
    let tenant = domain.tenant("t").await;
    let job = play(&domain, &tenant.scope, "j", "done 950 fails 150").await;
    assert_eq!((job.total, job.state), (0, JobState::Waiting), "accepted before a target is chosen");
    let mut restarts = 0;
    while turn(&domain).await.more {
        domain = domain.restart().await;
        restarts += 1;
    }
    // Two commits of ten choices each, eleven parts, and the end.
    assert_eq!(restarts, 14);
    let (done, counts) = now(&domain, job.id).await;
    assert_eq!((done.state, done.total, done.begun), (JobState::Finished, 1_100, 1_100));
    assert_eq!((counts.succeeded, counts.failed, counts.over()), (950, 150, 1_100));
    assert_eq!((done.started_at, done.finished_at), (Some(domain.core.now()), Some(domain.core.now())));
    assert_each_once(&domain, &job, &["over finished 1100"]).await;
    let filter = landfall_core::TargetFilter { job: job.id, states: vec![], device: None, command: None };
    let targets = domain.core.job_targets(&tenant.scope, &filter, ALL).await.unwrap();
    let places: Vec<u64> = targets.items.iter().map(|target| target.place).collect();
    assert_eq!((targets.total, places), (1_100, (0..1_100).collect()));
    assert!(targets.items.iter().all(|target| target.detail.as_ref().is_none_or(|detail| detail.len() <= JobTarget::DETAIL)));
}

#[tokio::test]
async fn known_targets_need_no_choice_and_none_at_all_is_the_end() {
    let domain = ground(901).await;
    let tenant = domain.tenant("t").await;
    let order = "done 2400";
    let known = NewJob { targets: Targets::Rows(Play::rows(order)), choosing: None, ..list(&domain, "known", order) };
    let known = domain.core.make_job(&tenant.all, known).await.unwrap();
    let empty = play(&domain, &tenant.all, "empty", "done 0").await;
    assert_eq!(known.total, 2_400);
    work(&domain).await;
    assert_each_once(&domain, &known, &["over finished 2400"]).await;
    let (empty, _) = now(&domain, empty.id).await;
    assert_eq!((empty.state, empty.started_at, empty.total), (JobState::Finished, None, 0));
}

#[tokio::test]
async fn accounts_take_turns_and_so_do_the_jobs_of_one() {
    let domain = ground(902).await;
    let (mine, theirs) = domain.two_tenants().await;
    let mut many = vec![];
    for n in 0..4 {
        many.push(play(&domain, &mine.scope, &format!("j{n}"), "done 1000").await);
    }
    let one = play(&domain, &theirs.scope, "one", "done 250").await;
    // A choice, three parts, the end.
    for _ in 0..5 {
        turn(&domain).await;
    }
    assert_eq!(state(&domain, one.id).await, JobState::Finished, "four jobs of another account take no turn of it");
    let mut steps = vec![];
    for job in &many {
        let (job, _) = now(&domain, job.id).await;
        steps.push(job.version - 1);
    }
    steps.sort_unstable();
    assert_eq!(steps, [1, 1, 1, 2], "jobs of one account take turns");
    work(&domain).await;
    for job in &many {
        assert_each_once(&domain, job, &["over finished 1000"]).await;
    }
}

#[tokio::test]
async fn no_account_is_left_out_where_there_are_more_than_one_turn_takes() {
    let domain = ground(903).await;
    let mut jobs = vec![];
    for n in 0..20 {
        let tenant = domain.tenant(&format!("t{n}")).await;
        jobs.push(play(&domain, &tenant.all, "j", "done 1000").await.id);
    }
    for turns in 1..=5 {
        turn(&domain).await;
        let mut steps = 0;
        for job in &jobs {
            let version = now(&domain, *job).await.0.version;
            assert!(version - 1 <= turns && version > turns * 16 / 20, "{version} after {turns}");
            steps += version - 1;
        }
        assert_eq!(steps, turns * 16);
    }
}

#[tokio::test]
async fn no_more_are_under_way_than_may_be() {
    let domain = ground(904).await;
    let tenant = domain.tenant("t").await;
    let new = NewJob { in_flight: Some(30), ..list(&domain, "j", "done 5 runs 294") };
    let job = domain.core.make_job(&tenant.scope, new).await.unwrap();
    let mut next = 5;
    loop {
        work(&domain).await;
        let (job, counts) = now(&domain, job.id).await;
        assert!(counts.running <= 30, "{counts:?}");
        if job.is_over() {
            break;
        }
        assert!(counts.running == 30 || job.begun == job.total, "{job:?} {counts:?}");
        let before = job.begun;
        // A single one that ends makes no part of its own, three do; the last ones end together.
        end(&domain, job.id, [next], TargetState::Succeeded).await;
        assert_eq!(work(&domain).await, 0);
        assert_eq!(now(&domain, job.id).await.0.begun, before);
        let to = if job.begun == job.total { 299 } else { next + 3 };
        end(&domain, job.id, next + 1..to, TargetState::Succeeded).await;
        next = to;
    }
    assert_eq!(counts(&domain, job.id).await, [0, 299, 0, 0, 0, 0]);
    assert_each_once(&domain, &job, &["over finished 299"]).await;
}
