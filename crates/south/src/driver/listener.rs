//! Listeners, and a connection's way from being accepted to its machine: room, PROXY protocol, its turn for handshakes, their time.
//! Absent: what is done with it then (`stream.rs`, `message.rs`).

use super::{
    SOCKET_PAUSE,
    admission::{Admission, Open, count},
    stopped,
};
use crate::transport::{self, Fault, Transport};
use landfall_core::{Crowded, Places, network};
use landfall_ingress::Proxies;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::timeout,
};

/// How long a connection may wait for its turn to shake hands.
const HANDSHAKE_TURN: Duration = Duration::from_secs(300);
/// How long a listener that was stopped waits for its connections.
const STOP: Duration = Duration::from_secs(10);

/// A connection before its first byte.
pub(super) struct Start {
    pub(super) open: Open,
    pub(super) peer: SocketAddr,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) proxies: Arc<Proxies>,
    pub(super) handshakes: Places<IpAddr>,
}

/// Serves a listener until `stop` is true (or its sender is gone), then waits for its connections. `begin` starts the task of each.
pub(super) async fn accept(
    admission: Arc<Admission>,
    listener: TcpListener,
    transport: &Transport,
    proxies: Arc<Proxies>,
    mut stop: watch::Receiver<bool>,
    begin: impl Fn(Start, TcpStream) + Clone + Send + 'static,
) {
    let (alive, mut all_ended) = mpsc::channel::<()>(1);
    let handshakes = Places::new(admission.handshakes);
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(open) = Open::new(&admission, transport.index(), &alive) else {
                    count(&admission.arrivals.turned_away);
                    let step = admission.steps.get(transport.index()).copied().unwrap_or_default();
                    let detail = format!("there are {} connections, as many as there may be", admission.max_connections);
                    admission.refuse(peer, step, "connections.limit", detail);
                    continue;
                };
                let (proxies, handshakes) = (Arc::clone(&proxies), handshakes.clone());
                Start { open, peer, stop: stop.clone(), proxies, handshakes }.spawn(stream, begin.clone());
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(SOCKET_PAUSE).await;
            }
        }
    }
    drop((listener, alive));
    if timeout(STOP, all_ended.recv()).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
}

impl Start {
    #[allow(clippy::disallowed_methods, reason = "this is the driver: a task is a connection")]
    fn spawn(self, stream: TcpStream, begin: impl Fn(Self, TcpStream) + Send + 'static) {
        // Without it small packets wait for the acknowledgement of the one before; a socket that cannot is as good as lost anyway.
        let _ = stream.set_nodelay(true);
        if self.proxies.announces(self.peer) {
            tokio::spawn(self.behind_proxy(stream, begin));
        } else {
            begin(self, stream);
        }
    }

    /// Learns from a proxy who its client is, then goes on. A task of its own, so that those of other connections stay small.
    async fn behind_proxy(mut self, mut stream: TcpStream, begin: impl Fn(Self, TcpStream)) {
        let announced = timeout(self.open.admission.handshake_timeout, transport::announced(&mut stream));
        let announced = tokio::select! {
            () = stopped(&mut self.stop) => return,
            announced = announced => announced,
        };
        match announced {
            Ok(Ok(client)) => {
                self.peer = client.unwrap_or(self.peer);
                begin(self, stream);
            }
            Ok(Err(error)) => self.failed(transport::handshake_fault(&error)),
            Err(_) => self.late("proxy.timeout", "the proxy sent no whole PROXY header".to_owned()),
        }
    }

    /// Waits for its turn and for the handshake, and gives what that made. `None`: it failed, which was told, or the server stops.
    pub(super) async fn shake_hands<T>(&mut self, handshake: impl Future<Output = io::Result<T>>) -> Option<T> {
        let limit = self.open.admission.handshake_timeout;
        let turn = self.handshakes.take(network(self.peer.ip()), 1);
        let permitted = async {
            // The wait takes none of the handshake's own time.
            match timeout(HANDSHAKE_TURN, turn).await? {
                Ok(_place) => timeout(limit, handshake).await,
                Err(Crowded) => Ok(Err(io::ErrorKind::ResourceBusy.into())),
            }
        };
        // Boxed: its state is large and gone once the hands are shaken.
        let permitted = Box::pin(permitted);
        let shaken = tokio::select! {
            () = stopped(&mut self.stop) => return None,
            shaken = permitted => shaken,
        };
        match shaken {
            Ok(Ok(made)) => return Some(made),
            Ok(Err(error)) => self.failed(transport::handshake_fault(&error)),
            Err(_) => self.late("handshake.timeout", format!("the handshake was not done within {} s", limit.as_secs())),
        }
        None
    }

    fn late(&self, check: &'static str, detail: String) {
        self.failed(Some(Fault { check, detail }));
    }

    fn failed(&self, why: Option<Fault>) {
        count(&self.open.admission.arrivals.handshakes_failed);
        if let Some(Fault { check, detail }) = why {
            self.open.admission.refuse(self.peer, self.open.step(), check, detail);
        }
    }
}
