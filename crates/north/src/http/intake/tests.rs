//! Bodies in virtual time.

use super::{
    super::room::{Entry, Room},
    *,
};
use futures_util::{FutureExt, Stream, StreamExt};
use http_body_util::StreamBody;
use std::convert::Infallible;

type Pieces = StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>>;

/// Pieces of a body: seconds before each, and its bytes.
type Plan<'a> = &'a [(u64, usize)];

/// A body that comes in pieces, and then does not end unless told.
fn pieces(pieces: Plan<'_>, ends: bool) -> Pieces {
    let come = futures_util::stream::iter(pieces.to_vec()).then(|(seconds, bytes)| async move {
        if seconds > 0 {
            sleep(Duration::from_secs(seconds)).await;
        }
        Ok(Frame::data(Bytes::from(vec![b'x'; bytes])))
    });
    let never = futures_util::stream::pending().take(usize::from(!ends));
    StreamBody::new(Box::pin(come.chain(never)))
}

struct Ground {
    doors: Arc<Doors>,
    entry: Entry,
}

impl Ground {
    async fn new(requests: usize, budget: usize) -> Self {
        let pace = Pace { bytes_per_s: 100, deadline_s: Some(60), budget_bytes: 1_000, streamed: false };
        let doors = Arc::new(Doors { work: Places::new(requests), budget: Places::new(budget), pace });
        Self { doors, entry: Room::new(1).enter([192, 0, 2, 1].into()).await }
    }

    async fn way(&self, last: u8) -> Option<Arc<Way<Pieces>>> {
        Way::begin(&self.doors, [192, 0, 2, last].into(), &self.entry.open).await
    }

    /// Whether there is a place for another request now.
    fn has_place(&self) -> bool {
        self.doors.work.take([192, 0, 2, 99].into(), 1).now_or_never().is_some()
    }
}

/// How many bytes came, or why they did not.
async fn read(intake: Intake<Pieces>) -> Result<usize, Unread> {
    match intake.collect().await {
        Ok(whole) => Ok(whole.to_bytes().len()),
        Err(error) => Err(Unread::of(&error).unwrap()),
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_has_a_rate_in_each_window_and_a_deadline() {
    let steady = [(5, 500); 20];
    let cases: [(&str, Plan<'_>, bool, Result<usize, Unread>); 8] = [
        ("nothing comes", &[], false, Err(Unread::TooSlow)),
        ("short and late is no matter", &[(9, 1)], true, Ok(1)),
        ("nothing for ten seconds", &[(11, 1)], true, Err(Unread::TooSlow)),
        ("a first burst does not pay for silence", &[(0, 900), (0, 900), (30, 1)], true, Err(Unread::TooSlow)),
        ("a byte a second", &[(1, 1); 30], true, Err(Unread::TooSlow)),
        ("just the rate", &steady[..11], true, Ok(5_500)),
        ("the rate, for too long", &steady, true, Err(Unread::TooSlow)),
        ("all at once", &[(0, 500); 4], true, Ok(2_000)),
    ];
    for (what, come, ends, expected) in cases {
        let ground = Ground::new(1, 10_000).await;
        let way = ground.way(1).await.unwrap();
        let intake = way.intake(pieces(come, ends));
        assert_eq!(timeout(Duration::from_secs(3600), read(intake)).await, Ok(expected), "{what}");
        assert_eq!(way.gave_up(), expected.err(), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_may_have_a_rate_and_no_deadline() {
    let ground = Ground::new(1, 10_000).await;
    let way = ground.way(1).await.unwrap();
    let mut extensions = Extensions::new();
    extensions.insert(way.paced());
    Pace::set(&extensions, |pace| pace.deadline_s = None);
    assert_eq!(read(way.intake(pieces(&[(5, 500); 20], true))).await, Ok(10_000));
    let way = ground.way(1).await;
    assert!(way.is_none(), "the first one holds the place it took again");
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_dialect_takes_is_not_its_clients() {
    let ground = Ground::new(1, 10_000).await;
    let way = ground.way(1).await.unwrap();
    let mut intake = way.intake(pieces(&[(3, 500), (3, 500), (3, 500), (9, 500)], true));
    for _ in 0..4 {
        intake.frame().await.unwrap().unwrap();
        sleep(Duration::from_secs(3600)).await;
    }
    assert!(intake.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_body_holds_no_place() {
    let ground = Ground::new(1, 10_000).await;
    let way = ground.way(1).await.unwrap();
    assert!(!ground.has_place());
    let mut silent = Box::pin(read(way.intake(pieces(&[(5, 10)], true))));
    assert!(silent.as_mut().now_or_never().is_none());
    assert!(ground.has_place());
    // At its end it waits for a place.
    let other = ground.way(2).await.unwrap();
    assert!(timeout(Duration::from_secs(20), &mut silent).await.is_err());
    drop(other);
    assert_eq!(silent.await, Ok(10));
    assert!(!ground.has_place());
    assert!(way.end().await);
    assert!(ground.has_place());
}

#[tokio::test(start_paused = true)]
async fn bytes_are_given_in_turns_and_kept_until_the_request_ends() {
    let ground = Ground::new(10, 1_000).await;
    let first = ground.way(1).await.unwrap();
    assert_eq!(read(first.intake(pieces(&[(0, 10)], true))).await, Ok(10));
    let (own, foreign) = (ground.way(1).await.unwrap(), ground.way(2).await.unwrap());
    let also_own = ground.way(1).await.unwrap();
    let mut waiting: Vec<_> = [&own, &also_own, &foreign]
        .map(|way| Box::pin(read(way.intake(pieces(&[(0, 10)], true))).map(|read| read.is_ok())))
        .into_iter()
        .collect();
    waiting.iter_mut().for_each(|read| assert!(read.as_mut().now_or_never().is_none()));
    assert!(first.end().await);
    assert_eq!(waiting[0].as_mut().now_or_never(), Some(true));
    assert!(own.end().await);
    assert_eq!(waiting[1].as_mut().now_or_never(), None, "the other address has its turn");
    assert_eq!(waiting[2].as_mut().now_or_never(), Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_bytes_has_an_end() {
    let ground = Ground::new(10, 1_000).await;
    let first = ground.way(1).await.unwrap();
    assert_eq!(read(first.intake(pieces(&[(0, 10)], true))).await, Ok(10));
    let second = ground.way(2).await.unwrap();
    let waits = timeout(PATIENCE + Duration::from_secs(1), read(second.intake(pieces(&[(0, 10)], true))));
    assert_eq!(waits.await, Ok(Err(Unread::NoRoom)));
    assert!(second.end().await, "what it sent is dropped");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_read_is_dropped_within_bounds() {
    let large = vec![(0, 1024 * 1024); 33];
    let cases: [(&str, Plan<'_>, bool, bool); 4] = [
        ("comes", &[(1, 500_000); 4], true, true),
        ("pauses", &[(0, 500), (3, 500)], true, false),
        ("never ends", &[(1, 10); 100], true, false),
        ("is too large", &large, true, false),
    ];
    for (what, come, ends, read) in cases {
        let ground = Ground::new(1, 1_000).await;
        let way = ground.way(1).await.unwrap();
        drop(way.intake(pieces(come, ends)));
        assert_eq!(timeout(DROPPED_TIME + DROPPED_PAUSE, way.end()).await, Ok(read), "{what}");
        assert!(ground.has_place());
    }
}
