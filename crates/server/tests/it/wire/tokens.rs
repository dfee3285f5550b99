//! Programs of many threads and workers: one token for all of them, and logins at the same moment (1.3.1).

use super::{
    api::{self, App, send, text},
    server::Server,
};
use std::{sync::Barrier, thread};

const THREADS: usize = 16;

fn status(app: &App<'_>, token: &str) -> (u16, String) {
    let bearer = format!("Bearer {token}");
    let headers = [("app_key", app.id.as_str()), ("Authorization", &bearer)];
    send(app.server, "GET", "/iocm/app/dm/v1.4.0/devices?pageNo=0", &headers, None).error()
}

fn login(app: &App<'_>) -> String {
    let body = format!("appId={}&secret={}", app.id, app.secret);
    let answer = send(app.server, "POST", "/iocm/app/sec/v1.1.0/login", &[], Some(body.as_bytes()));
    assert_eq!(answer.status, 200, "{}", answer.text);
    text(&answer.json(), "accessToken")
}

/// What all threads do at the same moment.
fn at_once<T: Send>(work: impl Fn() -> T + Sync) -> Vec<T> {
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| (start.wait(), work()).1)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn threads_share_a_token_and_logins_at_once_all_succeed() {
    let server = Server::start_with(&[("LANDFALL_NORTHBOUND_CALLS_PER_MINUTE", "0")]);
    let account = api::account(&server, "workers");
    let (app, other) = (App::create(&server, &account, "app"), App::create(&server, &account, "other"));
    let good = (200, String::new());
    assert!(at_once(|| status(&app, &app.token)).iter().all(|got| *got == good));
    // Each is let in, and as the source says only the token that was given out last is valid: a worker that finds its own void logs in again.
    let tokens = at_once(|| login(&app));
    let valid: Vec<_> = tokens.iter().filter(|token| status(&app, token) == good).collect();
    assert_eq!(valid.len(), 1);
    assert!(tokens.iter().all(|token| valid[0] == token || status(&app, token) == (403, "1010005".to_owned())));
    assert_eq!(status(&app, &login(&app)), good);
    assert_eq!(status(&app, valid[0]), (403, "1010005".to_owned()));
    assert_eq!(status(&other, &other.token), good, "another application's token stays");
}
