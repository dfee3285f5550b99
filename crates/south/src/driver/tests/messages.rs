//! Messages over WebSocket: a machine that echoes, and a client of another make.

use super::*;
use crate::{
    driver::message::{Message, MessageMachine, Outbox, Protocol, listen},
    transport::{Request, TurnedAway},
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::{
    net::SocketAddr,
    sync::atomic::Ordering::Relaxed,
    task::{Context, Poll},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, client::IntoClientRequest, protocol::frame::coding::CloseCode},
};

/// Gives back what comes, but for a few words.
struct Echo {
    greeting: Option<String>,
    out: Vec<tungstenite::Message>,
    word: mpsc::UnboundedReceiver<String>,
    open: bool,
    asked: Option<String>,
    over: Option<(u16, &'static str)>,
    log: mpsc::UnboundedSender<String>,
}

impl Machine for Echo {
    type Ask = String;
    type Answer = String;

    fn happened(&mut self, _: Duration, event: Event) {
        self.log.send(format!("{event:?}")).unwrap();
        self.over = Some(match event {
            Event::Stop => (1001, "the server stops"),
            _ => (1000, ""),
        });
    }

    async fn ask(&mut self, ask: String) -> String {
        tokio::task::yield_now().await;
        ask.to_uppercase()
    }

    fn answered(&mut self, _: Duration, answer: String) {
        self.out.push(answer.into());
    }

    fn poll_work(&mut self, _: Duration, cx: &mut Context<'_>, room: bool) -> Poll<Option<String>> {
        match self.word.poll_recv(cx) {
            Poll::Ready(Some(word)) if room => Poll::Ready(Some(word)),
            _ => Poll::Pending,
        }
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    fn wants_read(&self) -> bool {
        true
    }

    fn is_open(&self) -> bool {
        self.open
    }

    fn owes(&self) -> bool {
        false
    }

    fn leave(&self) {}

    fn is_working(&self) -> bool {
        false
    }

    async fn end(self) {
        self.log.send("end".into()).unwrap();
    }
}

impl MessageMachine for Echo {
    fn message(&mut self, _: Duration, message: Message<'_>) {
        match message {
            Message::Text("open") => self.open = true,
            Message::Text("bye") => self.over = Some((4001, "bye to you, too")),
            Message::Text(text) => match text.strip_prefix("ask ") {
                Some(word) => self.asked = Some(word.into()),
                None => self.out.push(text.into()),
            },
            Message::Binary(bytes) => self.out.push(bytes.to_vec().into()),
        }
    }

    fn poll(&mut self, _: Duration, out: &mut Outbox) -> Step<String> {
        self.greeting.take().into_iter().for_each(|text| out.text(text));
        for message in self.out.drain(..) {
            match message {
                tungstenite::Message::Text(text) => out.text(text.to_string()),
                other => out.binary(other.into_data()),
            }
        }
        if let Some((code, reason)) = self.over {
            out.close(code, reason);
            return Step::End;
        }
        self.asked.take().map_or(Step::Wait, Step::Ask)
    }
}

struct Echoes {
    admission: Arc<Admission>,
    log: mpsc::UnboundedSender<String>,
    words: Mutex<Option<mpsc::UnboundedSender<String>>>,
}

impl Protocol for Echoes {
    type Machine = Echo;

    fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    fn machine(self: &Arc<Self>, peer: SocketAddr, request: &Request, _: Duration) -> Result<Echo, TurnedAway> {
        let path = request.uri().path();
        if !path.starts_with("/echo/") {
            return Err(TurnedAway { status: 404, check: "path.unknown", detail: format!("{path} is not served") });
        }
        let key = request.headers().get("authorization").and_then(|key| key.to_str().ok()).unwrap_or("no key");
        let (words, word) = mpsc::unbounded_channel();
        *self.words.lock() = Some(words);
        let greeting = Some(format!("{path} {key} {}", peer.ip()));
        Ok(Echo { greeting, out: vec![], word, open: false, asked: None, over: None, log: self.log.clone() })
    }
}

/// A listener of echoes.
struct Ground {
    echoes: Arc<Echoes>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    log: mpsc::UnboundedReceiver<String>,
    turned_away: Words,
}

impl Ground {
    #[allow(clippy::disallowed_methods, reason = "what the server does with a listener")]
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, turned_away) = (listener.local_addr().unwrap(), Words::default());
        let (sender, log) = mpsc::unbounded_channel();
        let echoes = Arc::new(Echoes { admission: admission(&turned_away), log: sender, words: Mutex::default() });
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(listen(Arc::clone(&echoes), listener, None, Arc::default(), stopped));
        Self { echoes, address, stop, task, log, turned_away }
    }

    async fn dial(&self, path: &str) -> tungstenite::Result<WebSocketStream<TcpStream>> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        request.headers_mut().insert("authorization", "Bearer key".parse().unwrap());
        Ok(client_async(request, TcpStream::connect(self.address).await.unwrap()).await?.0)
    }

    /// A client that was greeted.
    async fn greeted(&self) -> WebSocketStream<TcpStream> {
        let mut client = self.dial("/echo/1").await.unwrap();
        assert_eq!(text(&mut client).await, "/echo/1 Bearer key 127.0.0.1");
        client
    }
}

async fn text(client: &mut WebSocketStream<TcpStream>) -> String {
    client.next().await.unwrap().unwrap().into_text().unwrap().to_string()
}

/// The code and reason of the close that comes next, and nothing after it.
async fn closed(client: &mut WebSocketStream<TcpStream>) -> (CloseCode, String) {
    let tungstenite::Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else { panic!("no close") };
    assert!(!matches!(client.next().await, Some(Ok(_))));
    (frame.code, frame.reason.to_string())
}

#[tokio::test]
async fn texts_and_bytes_go_both_ways_and_path_and_headers_are_seen() {
    let ground = Ground::new().await;
    let mut client = ground.greeted().await;
    client.send("größe".into()).await.unwrap();
    client.send(Bytes::from_static(&[0, 255, 1]).into()).await.unwrap();
    client.send(tungstenite::Message::Ping(Bytes::from_static(b"p"))).await.unwrap();
    assert_eq!(text(&mut client).await, "größe");
    assert_eq!(client.next().await.unwrap().unwrap(), tungstenite::Message::Binary(Bytes::from_static(&[0, 255, 1])));
    assert_eq!(client.next().await.unwrap().unwrap(), tungstenite::Message::Pong(Bytes::from_static(b"p")));
    assert_eq!(ground.echoes.admission.arrivals.open.each_ref().map(|n| n.load(Relaxed)), [0, 0, 1, 0]);
}

#[tokio::test]
async fn answers_and_word_from_the_program_reach_the_client() {
    let ground = Ground::new().await;
    let mut client = ground.greeted().await;
    client.send("ask one".into()).await.unwrap();
    assert_eq!(text(&mut client).await, "ONE");
    ground.echoes.words.lock().as_ref().unwrap().send("two".into()).unwrap();
    assert_eq!(text(&mut client).await, "TWO");
}

#[tokio::test]
async fn who_asks_for_another_path_is_turned_away_and_told() {
    let ground = Ground::new().await;
    let Err(tungstenite::Error::Http(answer)) = ground.dial("/none").await else { panic!("no answer of HTTP") };
    assert_eq!(answer.status(), 404);
    while ground.turned_away.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(*ground.turned_away.lock(), [("echo.ws", "path.unknown")]);
    assert_eq!(ground.echoes.admission.arrivals.handshakes_failed.load(Relaxed), 1);
}

#[tokio::test]
async fn a_message_is_as_long_as_it_may_be_before_and_after_the_client_is_admitted() {
    let mut ground = Ground::new().await;
    let mut client = ground.greeted().await;
    client.send("x".repeat(100).into()).await.unwrap();
    assert_eq!(text(&mut client).await.len(), 100);
    client.send("x".repeat(101).into()).await.unwrap();
    assert_eq!(closed(&mut client).await, (CloseCode::Size, String::new()));
    let lost = ground.log.recv().await.unwrap();
    assert!(lost.contains("ws.frame-too-large") && lost.contains("101 bytes, where 100 are allowed"), "{lost}");
    assert_eq!(ground.log.recv().await.unwrap(), "end");

    let mut client = ground.greeted().await;
    client.send("open".into()).await.unwrap();
    client.send("x".repeat(1_000).into()).await.unwrap();
    assert_eq!(text(&mut client).await.len(), 1_000);
    client.send("x".repeat(1_001).into()).await.unwrap();
    assert_eq!(closed(&mut client).await.0, CloseCode::Size);
}

#[tokio::test]
async fn a_machine_says_why_it_closes() {
    let mut ground = Ground::new().await;
    let mut client = ground.greeted().await;
    client.send("bye".into()).await.unwrap();
    assert_eq!(closed(&mut client).await, (CloseCode::Library(4001), "bye to you, too".into()));
    assert_eq!(ground.log.recv().await.unwrap(), "end");
}

#[tokio::test]
async fn a_stopping_server_tells_its_machines() {
    let mut ground = Ground::new().await;
    let mut client = ground.greeted().await;
    ground.stop.send_replace(true);
    assert_eq!(closed(&mut client).await, (CloseCode::Away, "the server stops".into()));
    ground.task.await.unwrap();
    assert_eq!([ground.log.recv().await.unwrap(), ground.log.recv().await.unwrap()], ["Stop", "end"]);
}

#[tokio::test]
async fn a_client_that_closes_is_answered_and_its_machine_told() {
    let mut ground = Ground::new().await;
    let mut client = ground.greeted().await;
    client.close(None).await.unwrap();
    while client.next().await.is_some_and(|message| message.is_ok()) {}
    assert_eq!([ground.log.recv().await.unwrap(), ground.log.recv().await.unwrap()], ["Lost(None)", "end"]);
}

#[test]
fn a_reason_is_cut_where_it_is_too_long() {
    let mut out = Outbox::default();
    out.close(1000, &format!("{}größe", "x".repeat(120)));
    out.close(1001, "another");
    assert_eq!(out.closing(), Some(&(1000, format!("{}gr", "x".repeat(120)))));
}
