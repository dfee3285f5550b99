//! Turns and times of handshakes.

use super::*;
use crate::driver::{admission::Open, listener::Start};
use landfall_core::Places;
use std::{io, net::IpAddr, sync::atomic::Ordering::Relaxed};
use tokio::{sync::mpsc, task::JoinHandle};

/// A handshake of a client at an address: it notes its name when it begins, takes `time` and fails.
#[allow(clippy::disallowed_methods, reason = "what the listener does with a connection")]
fn shaking(
    admission: &Arc<Admission>,
    places: &Places<IpAddr>,
    peer: &str,
    time: Duration,
    log: &mpsc::UnboundedSender<String>,
) -> JoinHandle<()> {
    let (alive, _) = mpsc::channel(1);
    let open = Open::new(admission, 0, &alive).unwrap();
    let (keep, stop) = watch::channel(false);
    let mut start = Start { open, peer: peer.parse().unwrap(), stop, proxies: Arc::default(), handshakes: places.clone() };
    let (log, peer) = (log.clone(), peer.to_owned());
    tokio::spawn(async move {
        let handshake = async {
            log.send(format!("{peer} begins")).unwrap();
            tokio::time::sleep(time).await;
            log.send(format!("{peer} ends")).unwrap();
            Err::<(), _>(io::ErrorKind::InvalidData.into())
        };
        assert!(start.shake_hands(handshake).await.is_none());
        drop(keep);
    })
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_place_takes_none_of_the_time_and_addresses_take_turns() {
    let (words, (log, mut said)) = (Words::default(), mpsc::unbounded_channel());
    let (admission, places) = (admission(&words), Places::new(1));
    // The first never ends, the others take most of the time that one may take.
    let slow = Duration::from_secs(25);
    let clients =
        [("192.0.2.1:1", Duration::from_secs(3600)), ("192.0.2.1:2", slow), ("192.0.2.1:3", slow), ("198.51.100.7:1", slow)];
    let mut tasks = vec![];
    for (peer, time) in clients {
        tasks.push(shaking(&admission, &places, peer, time, &log));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    drop(log);
    let mut all = vec![];
    while let Some(text) = said.recv().await {
        all.push(text);
    }
    let expected = [
        "192.0.2.1:1 begins",
        "192.0.2.1:2 begins",
        "192.0.2.1:2 ends",
        "198.51.100.7:1 begins",
        "198.51.100.7:1 ends",
        "192.0.2.1:3 begins",
        "192.0.2.1:3 ends",
    ];
    assert_eq!(all, expected);
    assert_eq!(admission.arrivals.handshakes_failed.load(Relaxed), 4);
    assert_eq!(*words.lock(), [("echo.tcp", "handshake.timeout")]);
}
