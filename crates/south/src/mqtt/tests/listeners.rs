//! Sockets: TCP and WebSocket on the loopback.

use super::*;
use futures_util::{SinkExt, StreamExt};
use landfall_ingress::Networks;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

/// A listener and its address.
async fn listening(ground: &Ground, transport: Transport) -> (SocketAddr, JoinHandle<()>) {
    listening_behind(ground, transport, Proxies::default()).await
}

/// The same behind proxies.
#[allow(clippy::disallowed_methods, reason = "what the server does with a listener")]
async fn listening_behind(ground: &Ground, transport: Transport, proxies: Proxies) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(stream::listen(ground.mqtt.clone(), listener, transport, Arc::new(proxies), ground.stop.subscribe())))
}

pub(super) fn connect_packet(device: &Device) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 0xc2, 0, 60];
    let id = device.id.to_string();
    for field in [&format!("{id}_0_1_{HOUR}"), &id, &password(HOUR, device.credentials.secret.as_ref().unwrap().expose())] {
        text(&mut body, field);
    }
    packet(0x10, &body)
}

#[tokio::test]
async fn tcp_is_served_until_the_stop() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let (address, task) = listening(&ground, Transport::Tcp).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&connect_packet(&device)).await.unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).await.unwrap();
    assert_eq!(connack, [0x20, 2, 0, 0]);
    assert_eq!(ground.mqtt.counters().connections, [1, 0, 0, 0]);
    ground.stop.send_replace(true);
    assert_eq!(stream.read(&mut connack).await.unwrap(), 0);
    task.await.unwrap();
    assert_eq!(ground.mqtt.counters().connections, [0; 4]);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn no_more_connections_than_allowed() {
    let mut ground = Ground::new().await;
    let config = Config { max_connections: 1, ..Config::default() };
    ground.mqtt = Mqtt::new(ground.core.clone(), config);
    let device = ground.device("node-1").await;
    let (address, _task) = listening(&ground, Transport::Tcp).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(&connect_packet(&device)).await.unwrap();
    first.read_exact(&mut [0; 4]).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    assert_eq!(second.read(&mut [0; 4]).await.unwrap_or(0), 0);
    assert_eq!(ground.mqtt.counters().turned_away, 1);
    let why = ground.core.why().unknown().remove(0);
    assert_eq!((why.step, why.check, why.peer), ("mqtt.tcp", "connections.limit", second.local_addr().ok()));
}

#[tokio::test]
async fn web_sockets_carry_mqtt_in_any_portions() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let (address, _task) = listening(&ground, Transport::WebSocket).await;
    let mut socket = web_socket(address).await;
    let connect = connect_packet(&device);
    let (left, right) = connect.split_at(5);
    socket.send(Message::Binary(left.to_vec().into())).await.unwrap();
    let ping = packet(0xc0, &[]);
    socket.send(Message::Binary([right, &ping].concat().into())).await.unwrap();
    let mut answer = vec![];
    while answer.len() < 6 {
        answer.extend_from_slice(&socket.next().await.unwrap().unwrap().into_data());
    }
    assert_eq!(answer, [0x20, 2, 0, 0, 0xd0, 0]);
    socket.send(Message::Text("not binary".into())).await.unwrap();
    gone(&mut socket).await;
    assert!(ended(&ground).await.is_empty());
    assert_eq!(ground.checks(&device), ["ws.text"]);
}

async fn web_socket(address: SocketAddr) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{address}/any/path").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("other, mqtt"));
    request.headers_mut().insert("x-forwarded-for", HeaderValue::from_static("198.51.100.1"));
    let (socket, response) = client_async(request, TcpStream::connect(address).await.unwrap()).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "mqtt");
    socket
}

async fn gone(socket: &mut WebSocketStream<TcpStream>) {
    while let Some(Ok(_)) = socket.next().await {}
}

/// The checks of those of unknown origin, once the listener has no connection any more.
async fn ended(ground: &Ground) -> Vec<(&'static str, &'static str)> {
    while ground.mqtt.counters().connections != [0; 4] {
        tokio::task::yield_now().await;
    }
    ground.core.why().unknown().iter().map(|why| (why.step, why.check)).collect()
}

#[tokio::test]
async fn a_web_socket_takes_no_more_than_a_connect_before_it() {
    let ground = Ground::new().await;
    let device = ground.device("node-1").await;
    let (address, _task) = listening(&ground, Transport::WebSocket).await;
    let mut raw = web_socket(address).await.into_inner();
    // The header of a binary frame of 1,000,000 bytes, and none of them.
    raw.write_all(&[0x82, 0xff, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40, 1, 2, 3, 4]).await.unwrap();
    let _ = raw.read_to_end(&mut vec![]).await;
    assert_eq!(ended(&ground).await, [("mqtt.connection", "ws.frame-too-large")]);

    let mut socket = web_socket(address).await;
    socket.send(Message::Binary(connect_packet(&device).into())).await.unwrap();
    assert_eq!(&socket.next().await.unwrap().unwrap().into_data()[..], [0x20, 2, 0, 0]);
    let mut body = vec![];
    text(&mut body, &data(device.id));
    body.extend_from_slice(&[0, 1]);
    body.resize(1_000_000, b' ');
    socket.send(Message::Binary(packet(0x32, &body).into())).await.unwrap();
    assert_eq!(&socket.next().await.unwrap().unwrap().into_data()[..], [0x40, 2, 0, 1], "after it, a message of its size");
}

#[tokio::test]
async fn handshakes_that_fail_leave_their_reason() {
    let ground = Ground::new().await;
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(config.with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new())));
    let (tls, _task) = listening(&ground, Transport::Tls(config)).await;
    let (ws, _task) = listening(&ground, Transport::WebSocket).await;
    let (device, mut expected) = (ground.device("node-1").await, vec![]);
    let connect = connect_packet(&device);
    for (address, bytes, word) in [
        (tls, &connect[..], Some(("mqtt.tls", "tls.plain-mqtt"))),
        (tls, b"GET / HTTP/1.1\r\n\r\n", Some(("mqtt.tls", "tls.plain-http"))),
        (tls, b"\x16\x03\x01\0\x05hello", Some(("mqtt.tls", "tls.malformed"))),
        (tls, b"", None),
        (ws, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", Some(("mqtt.ws", "ws.upgrade"))),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read_to_end(&mut vec![]).await;
        drop(expected.splice(0..0, word));
        assert_eq!(ended(&ground).await, expected);
    }
    assert_eq!(ground.mqtt.counters().handshakes_failed, 5);
}

#[tokio::test]
async fn proxies_name_the_clients_of_mqtt() {
    let ground = Ground::new().await;
    let believed = Networks::parse(&["127.0.0.0/8".into()]).unwrap();
    let announced = Proxies { protocol_from: believed.clone(), ..Proxies::default() };
    let (tcp, _task) = listening_behind(&ground, Transport::Tcp, announced).await;
    let mut stream = TcpStream::connect(tcp).await.unwrap();
    stream.write_all(b"PROXY TCP6 2001:db8::1 ::1 4711 1883\r\n\xc0\0").await.unwrap();
    let _ = stream.read_to_end(&mut vec![]).await;
    ended(&ground).await;
    let why = ground.core.why().unknown().remove(0);
    assert_eq!((why.check, why.peer), ("connect.first", "[2001:db8::1]:4711".parse().ok()));

    let forwarded = Proxies { forwarded_for_from: believed, ..Proxies::default() };
    let (ws, _task) = listening_behind(&ground, Transport::WebSocket, forwarded).await;
    let mut socket = web_socket(ws).await;
    socket.send(Message::Binary(packet(0xc0, &[]).into())).await.unwrap();
    gone(&mut socket).await;
    ended(&ground).await;
    let why = ground.core.why().unknown().remove(0);
    assert_eq!((why.check, why.peer), ("connect.first", "198.51.100.1:0".parse().ok()));
}

#[tokio::test]
async fn an_upgrade_names_its_host_once_and_the_subprotocol() {
    let ground = Ground::new().await;
    let (address, _task) = listening(&ground, Transport::WebSocket).await;
    let cases = [
        ("Host: h\r\n", "mqttv3", Some("ws.subprotocol")),
        ("", "mqtt", Some("host.missing")),
        ("Host: h\r\nHost: h\r\n", "mqtt", Some("host.twice")),
        ("Host: u@h\r\n", "mqtt", Some("host.form")),
        ("Host: h:8083\r\n", "mqtt", None),
    ];
    let mut expected = vec![];
    for (host, protocol, check) in cases {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET / HTTP/1.1\r\n{host}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        let Some(check) = check else {
            assert_eq!(&status, b"HTTP/1.1 101");
            continue;
        };
        assert_eq!(&status, b"HTTP/1.1 400", "{host}{protocol}");
        stream.read_to_end(&mut vec![]).await.unwrap();
        expected.insert(0, ("mqtt.ws", check));
        assert_eq!(ended(&ground).await, expected);
    }
    assert_eq!(ground.mqtt.counters().handshakes_failed, 4);
}
