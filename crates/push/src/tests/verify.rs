//! Verification of addresses, over streams in memory.

use super::*;

fn verifier(rig: &Rig) -> Verifier {
    Verifier::with(&rig.config, Asker::with(rig.caller()))
}

fn origin(value: &str) -> [(&'static str, String); 2] {
    [("X-M2M-Origin", value.to_owned()), ("Content-Type", "application/json;ty=5".to_owned())]
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_agrees_was_sent_the_headers_and_the_body() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 204);
    let body = b"{\"m2m:sgn\":{\"vrq\":true}}".to_vec();
    assert_eq!(verifier(&rig).verify(account(), "http://a/in?x=1", &origin("/cse"), body.clone()).await, Ok(()));
    let arrivals = receiver.arrivals.lock();
    assert_eq!((arrivals.len(), arrivals[0].path.as_str(), arrivals[0].body.as_bytes()), (1, "/in?x=1", &body[..]));
    assert_eq!(arrivals[0].headers["x-m2m-origin"], "/cse");
    assert_eq!(arrivals[0].headers["content-type"], "application/json;ty=5");
}

#[tokio::test(start_paused = true)]
async fn every_failure_tells_its_reason() {
    let rig = Rig::new();
    for (name, status) in [("missing", 404), ("moved", 307), ("silent", 0)] {
        rig.receiver(name, move |_, _| status);
    }
    let verifier = verifier(&rig);
    let cases = [
        ("http://missing/", "/cse", "HTTP 404"),
        ("http://moved/", "/cse", "HTTP 307: redirects are not followed; subscribe with the final address"),
        ("http://silent/", "/cse", "no answer within 15000 ms"),
        ("http://absent/", "/cse", "connection refused"),
        ("ftp://missing/", "/cse", "callback address: must begin with http:// or https://"),
        ("http://missing/", "two\r\nlines", "X-M2M-Origin cannot be sent as a header"),
    ];
    for (url, value, expected) in cases {
        let error = verifier.verify(account(), url, &origin(value), Vec::new()).await.unwrap_err();
        assert_eq!((error.cause, &*error.detail), (Cause::VerificationFailed, expected), "{url}");
    }
}

/// An account whose receivers are silent waits for itself; another one does not notice, and neither does a third one wait for ever.
#[tokio::test(start_paused = true)]
async fn slow_receivers_of_one_account_hold_up_no_other() {
    let rig = Rig::new();
    let silent = rig.receiver("silent", |_, _| 0);
    rig.receiver("a", |_, _| 200);
    let verifier = Arc::new(verifier(&rig));
    let ask = |account: u8, url: &'static str| {
        let (verifier, account) = (Arc::clone(&verifier), AccountId::from_random([account; 16]));
        tokio::spawn(async move { verifier.verify(account, url, &[], Vec::new()).await.map_err(|error| error.cause) })
    };
    let slow: Vec<_> = (0..72).map(|_| ask(1, "http://silent/")).collect();
    until("its share is under way", || silent.arrivals.lock().len() == 8).await;
    assert_eq!(ask(1, "http://a/").await.unwrap(), Err(Cause::Overloaded), "64 of the account wait already");
    let before = rig.world.now();
    assert_eq!(ask(2, "http://a/").await.unwrap(), Ok(()));
    assert!(rig.world.now().0 - before.0 < 1_000);
    let mut causes = Vec::new();
    for asked in slow {
        causes.push(asked.await.unwrap().unwrap_err());
    }
    assert_eq!(causes.iter().filter(|cause| **cause == Cause::VerificationFailed).count(), silent.arrivals.lock().len());
    assert!(causes.contains(&Cause::Overloaded), "the rest waited 30 s");
    assert_eq!(ask(1, "http://a/").await.unwrap(), Ok(()), "there is room again");
    let slow: Vec<_> =
        (10..20).flat_map(|account| (0..8).map(move |_| account)).map(|account| ask(account, "http://silent/")).collect();
    let before = rig.world.now();
    assert_eq!(ask(3, "http://a/").await.unwrap(), Ok(()), "all places are taken, but its turn comes");
    assert!(rig.world.now().0 - before.0 <= 16_000);
    drop(slow);
}
