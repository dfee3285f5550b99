//! Verification of addresses, over streams in memory.

use super::*;

fn verifier(rig: &Rig) -> Verifier {
    Verifier::with(&rig.config, Arc::clone(&rig.exchange) as _)
}

fn origin(value: &str) -> [(&'static str, String); 2] {
    [("X-M2M-Origin", value.to_owned()), ("Content-Type", "application/json;ty=5".to_owned())]
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_agrees_was_sent_the_headers_and_the_body() {
    let rig = Rig::new();
    let receiver = rig.receiver("a", |_, _| 204);
    let body = b"{\"m2m:sgn\":{\"vrq\":true}}".to_vec();
    assert_eq!(verifier(&rig).verify("http://a/in?x=1", &origin("/cse"), body.clone()).await, Ok(()));
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
        let error = verifier.verify(url, &origin(value), Vec::new()).await.unwrap_err();
        assert_eq!((error.cause, &*error.detail), (Cause::VerificationFailed, expected), "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_64_are_under_way() {
    let rig = Rig::new();
    let receiver = rig.receiver("silent", |_, _| 0);
    let verifier = Arc::new(verifier(&rig));
    let ask = || {
        let verifier = Arc::clone(&verifier);
        tokio::spawn(async move { verifier.verify("http://silent/", &[], Vec::new()).await.map_err(|error| error.cause) })
    };
    let first: Vec<_> = (0..64).map(|_| ask()).collect();
    until("all under way", || receiver.arrivals.lock().len() == 64).await;
    assert_eq!(ask().await.unwrap(), Err(Cause::Overloaded));
    for asked in first {
        assert_eq!(asked.await.unwrap(), Err(Cause::VerificationFailed));
    }
    receiver.set(|_, _| 200);
    assert_eq!(ask().await.unwrap(), Ok(()), "there is room again");
}
