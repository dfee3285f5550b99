//! Questions whose answer is used within a deadline.

use super::*;

const DEADLINE: Duration = Duration::from_secs(3);

fn question() -> Notification {
    Notification::json(&b"{}"[..]).with("X-Session", "7")
}

async fn asked(rig: &Rig, url: &str) -> std::result::Result<Answer, Unanswered> {
    Asker::with(rig.caller()).ask(account(), url, &question(), DEADLINE).await
}

fn failed(text: &'static str, status: Option<u16>) -> std::result::Result<Answer, Unanswered> {
    Err(Unanswered::Failed { text: text.into(), status })
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_is_returned_with_its_body() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 201);
    receiver.delay_ms.store(2_900, Ordering::SeqCst);
    assert_eq!(asked(&rig, "http://a/join").await, Ok(Answer { status: 201, body: Some("thanks".into()) }));
    let arrivals = receiver.arrivals.lock();
    assert_eq!(
        (arrivals.len(), &arrivals[0].path[..], &arrivals[0].headers["x-session"]),
        (1, "/join", &HeaderValue::from_static("7"))
    );
    assert!(!arrivals[0].headers.contains_key("x-landfall-event"), "it is no event");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_late_or_never_comes_is_not_waited_for() {
    let rig = Rig::new();
    let late = rig.receiver("late", |_, _| 200);
    late.delay_ms.store(3_100, Ordering::SeqCst);
    rig.receiver("silent", |_, _| 0);
    for url in ["http://late/", "http://silent/"] {
        let before = rig.world.now();
        assert_eq!(asked(&rig, url).await, failed("no answer within 3000 ms", None), "{url}");
        assert!(rig.world.now().0 - before.0 < 3_050, "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_its_status_and_an_address_that_must_not_be_called_its_reason() {
    let rig = Rig::new();
    rig.receiver("a", |_, _| 403);
    assert_eq!(asked(&rig, "http://a/").await, failed("HTTP 403", Some(403)));
    assert_eq!(asked(&rig, "ftp://a/").await, failed("callback address: must begin with http:// or https://", None));
}

/// Its turn is part of the deadline, and other accounts do not wait with it.
#[tokio::test(start_paused = true)]
async fn a_question_whose_turn_does_not_come_in_time_is_not_asked() {
    let rig = Rig::new();
    let silent = rig.receiver("silent", |_, _| 0);
    rig.receiver("a", |_, _| 200);
    let asker = Asker::with(rig.caller());
    let ask = |account: u8, url: &'static str, seconds| {
        let (asker, account) = (asker.clone(), AccountId::from_random([account; 16]));
        tokio::spawn(async move {
            asker.ask(account, url, &question(), Duration::from_secs(seconds)).await.map(|answer| answer.status)
        })
    };
    let slow: Vec<_> = (0..8).map(|_| ask(1, "http://silent/", 10)).collect();
    until("its share is under way", || silent.arrivals.lock().len() == 8).await;
    assert_eq!(ask(1, "http://a/", 3).await.unwrap(), Err(Unanswered::Crowded));
    assert_eq!(ask(2, "http://a/", 3).await.unwrap(), Ok(200));
    for one in slow {
        assert!(one.await.unwrap().is_err());
    }
    assert_eq!(ask(1, "http://a/", 3).await.unwrap(), Ok(200));
}
