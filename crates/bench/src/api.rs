//! HTTP/1.1 over one connection at a time, and the calls of Landfall's public interfaces that set a measurement up.

use crate::{Outcome, mqtt::Login};
use bytes::Bytes;
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};
use std::{net::SocketAddr, path::Path, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

const SUBSCRIPTIONS: &str = "/iocm/app/sub/v1.2.0/subscriptions";

/// A kept connection.
pub struct Http {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Http {
    /// Without TLS.
    pub async fn plain(address: SocketAddr) -> Outcome<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        Self::over(tcp, address).await
    }

    /// With TLS to `localhost`, trusting the certificates of a PEM file.
    pub async fn tls(address: SocketAddr, ca: &Path) -> Outcome<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca)? {
            roots.add(certificate?)?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let tls = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost")?, tcp).await?;
        Self::over(tls, address).await
    }

    /// Over any stream.
    pub async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, address: SocketAddr) -> Outcome<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, host: address.to_string() })
    }

    /// One request and its whole answer.
    pub async fn call(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Outcome<(StatusCode, Bytes)> {
        let mut request = Request::builder().method(method).uri(path).header("host", &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Full::new(body))?).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// A request with JSON that must be answered with `expected` and JSON or nothing.
    pub async fn json(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
        expected: u16,
    ) -> Outcome<Value> {
        let headers: Vec<(&str, &str)> = [("content-type", "application/json")].iter().chain(headers).copied().collect();
        let bytes = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let (status, answer) = self.call(method.clone(), path, &headers, bytes).await?;
        if status.as_u16() != expected {
            return Err(format!("{method} {path}: {status} {}", String::from_utf8_lossy(&answer)).into());
        }
        Ok(if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer)? })
    }
}

/// An application that is logged in.
#[derive(Clone)]
pub struct App {
    /// `appId`.
    pub id: String,
    /// `Authorization` of its calls.
    pub bearer: String,
    /// Its secret.
    pub secret: String,
}

impl App {
    /// Of its calls.
    pub fn headers(&self) -> [(&str, &str); 2] {
        [("app_key", &self.id), ("authorization", &self.bearer)]
    }
}

/// A device with its secret.
#[derive(Clone)]
pub struct Device {
    /// `deviceId`.
    pub id: String,
    secret: String,
}

impl Device {
    /// A device whose secret is known.
    pub fn new(id: String, secret: String) -> Self {
        Self { id, secret }
    }

    /// Its MQTT login in this hour.
    pub fn login(&self, hour: &str) -> Login {
        Login::of_device(&self.id, &self.secret, hour)
    }
}

/// Makes an application and logs it in (admin API, 1.3.1).
pub async fn make_app(http: &mut Http, admin_token: &str, name: &str) -> Outcome<App> {
    let admin = format!("Bearer {admin_token}");
    let made = http.json(Method::POST, "/api/v1/apps", &[("authorization", &admin)], &json!({ "name": name }), 201).await?;
    log_in(http, text(&made, "appId")?, text(&made, "secret")?).await
}

async fn log_in(http: &mut Http, id: &str, secret: &str) -> Outcome<App> {
    let form = format!("appId={id}&secret={secret}");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let (status, answer) = http.call(Method::POST, "/iocm/app/sec/v1.1.0/login", &headers, form.into()).await?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|e| format!("login: {status} {e}"))?;
    let token = answer["accessToken"].as_str().ok_or_else(|| format!("login: {status} {answer}"))?;
    Ok(App { id: id.to_owned(), bearer: format!("Bearer {token}"), secret: secret.to_owned() })
}

/// Makes the product of all measurements and returns its id (admin API).
pub async fn make_product(http: &mut Http, admin_token: &str) -> Outcome<String> {
    let model = json!({
        "manufacturerId": "bench", "manufacturerName": "Bench", "deviceType": "Thermometer", "model": "T1", "protocolType": "MQTT",
        "name": "Thermometer",
        "services": [{ "serviceId": "Thermometer", "serviceType": "Thermometer", "option": "Mandatory", "properties": [
            { "propertyName": "temperature", "dataType": "decimal", "required": true, "method": "R" }
        ], "commands": [] }]
    });
    add_product(http, admin_token, &model).await
}

/// Makes the product of the LwM2M measurements, with one resource to be observed and one command, and returns its id (admin API).
pub async fn make_lwm2m_product(http: &mut Http, admin_token: &str) -> Outcome<String> {
    let model = json!({
        "manufacturerId": "bench", "manufacturerName": "Bench", "deviceType": "RoomSensor", "model": "L1", "protocolType": "LWM2M",
        "name": "Room sensor", "format": "json",
        "services": [{ "serviceId": "Temperature", "serviceType": "Temperature", "properties": [
            { "propertyName": "temperature", "dataType": "decimal", "min": "-60", "max": "200", "method": "RE", "path": "/3303/0/5700" }
        ], "commands": [{ "commandName": "SET_MIN", "paras": [
            { "paraName": "celsius", "dataType": "decimal", "min": "-60", "max": "200", "required": true, "path": "/3303/0/5603" }
        ] }] }]
    });
    add_product(http, admin_token, &model).await
}

async fn add_product(http: &mut Http, admin_token: &str, model: &Value) -> Outcome<String> {
    let admin = format!("Bearer {admin_token}");
    let made = http.json(Method::POST, "/api/v1/products", &[("authorization", &admin)], model, 201).await?;
    Ok(text(&made, "productId")?.to_owned())
}

/// Body of 1.4.2 for an MQTT device.
pub fn registration(product: &str, node_id: &str) -> Bytes {
    json!({ "deviceInfo": { "nodeId": node_id, "model": "T1", "protocolType": "MQTT" }, "productId": product, "mqttConnect": true }).to_string().into()
}

/// Path of 1.4.2.
pub const REGISTER: &str = "/iocm/app/reg/v2.0.0/deviceCredentials";

/// Registers a device (1.4.2).
pub async fn register(http: &mut Http, app: &App, body: Bytes) -> Outcome<Device> {
    let headers = [("content-type", "application/json"), ("app_key", &app.id), ("authorization", &app.bearer)];
    let (status, answer) = http.call(Method::POST, REGISTER, &headers, body).await?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|e| format!("registration: {status} {e}"))?;
    match (answer["deviceId"].as_str(), answer["secret"].as_str()) {
        (Some(id), Some(secret)) => Ok(Device::new(id.to_owned(), secret.to_owned())),
        _ => Err(format!("registration: {status} {answer}").into()),
    }
}

/// Registers `count` devices over some connections; the result is in the order of their node ids.
pub async fn register_all(
    connections: &mut [Http],
    app: &App,
    product: &str,
    prefix: &str,
    count: usize,
) -> Outcome<Vec<Device>> {
    let lanes = connections.len().max(1);
    let work = connections.iter_mut().enumerate().map(|(lane, http)| async move {
        let mut made = Vec::new();
        for i in (lane..count).step_by(lanes) {
            made.push((i, register(http, app, registration(product, &format!("{prefix}-{i:07}"))).await?));
        }
        Outcome::Ok(made)
    });
    let mut all: Vec<(usize, Device)> = try_join_all(work).await?.into_iter().flatten().collect();
    all.sort_unstable_by_key(|(i, _)| *i);
    Ok(all.into_iter().map(|(_, device)| device).collect())
}

/// Body of 1.4.1 for an LwM2M device, which may come in whenever it likes.
pub fn keyed_registration(product: &str, node_id: &str, psk_hex: &str) -> Value {
    json!({ "nodeId": node_id, "verifyCode": node_id, "timeout": 0, "psk": psk_hex, "isSecure": true, "productId": product })
}

/// Path of 1.4.1.
pub const REGISTER_KEYED: &str = "/iocm/app/reg/v1.1.0/deviceCredentials";

/// Registers LwM2M devices with these node ids and one pre-shared key (1.4.1), over some connections.
pub async fn register_keyed(
    connections: &mut [Http],
    app: &App,
    product: &str,
    node_ids: &[String],
    psk_hex: &str,
) -> Outcome<()> {
    let lanes = connections.len().max(1);
    let headers = [("app_key", app.id.as_str()), ("authorization", app.bearer.as_str())];
    let work = connections.iter_mut().enumerate().map(|(lane, http)| async move {
        for node_id in node_ids.iter().skip(lane).step_by(lanes) {
            http.json(Method::POST, REGISTER_KEYED, &headers, &keyed_registration(product, node_id, psk_hex), 200).await?;
        }
        Outcome::Ok(())
    });
    try_join_all(work).await.map(drop)
}

/// Subscribes an application to the reports of its devices (1.6.1).
pub async fn subscribe(http: &mut Http, app: &App, callback_url: &str) -> Outcome<()> {
    subscribe_over(http, app, "HTTP", callback_url).await
}

/// The same over a channel.
pub async fn subscribe_over(http: &mut Http, app: &App, channel: &str, callback_url: &str) -> Outcome<()> {
    let headers = [("app_key", app.id.as_str()), ("authorization", app.bearer.as_str())];
    let body = json!({ "notifyType": "deviceDataChanged", "callbackUrl": callback_url, "channel": channel });
    http.json(Method::POST, SUBSCRIPTIONS, &headers, &body, 201).await.map(drop)
}

/// Ends all that the application has subscribed over a channel (1.6.6).
pub async fn unsubscribe(http: &mut Http, app: &App, channel: &str) -> Outcome<()> {
    let headers = [("app_key", app.id.as_str()), ("authorization", app.bearer.as_str())];
    http.json(Method::DELETE, &format!("{SUBSCRIPTIONS}?channel={channel}"), &headers, &Value::Null, 204).await.map(drop)
}

/// A page of a device's history (1.5.3), as it came.
pub async fn history(http: &mut Http, app: &App, device: &str, page: u64, size: u32) -> Outcome<Bytes> {
    let path =
        format!("/iocm/app/data/v1.2.0/deviceDataHistory?deviceId={device}&gatewayId={device}&pageNo={page}&pageSize={size}");
    let headers = [("app_key", app.id.as_str()), ("authorization", app.bearer.as_str())];
    let (status, answer) = http.call(Method::GET, &path, &headers, Bytes::new()).await?;
    if status != StatusCode::OK {
        return Err(format!("history: {status} {}", String::from_utf8_lossy(&answer)).into());
    }
    Ok(answer)
}

/// `totalCount` of a page of history, and how many records it holds.
pub fn history_counts(page: &[u8]) -> Outcome<(u64, usize)> {
    let page: Value = serde_json::from_slice(page)?;
    let records = page["deviceDataHistoryDTOs"].as_array().map(Vec::len);
    match (page["totalCount"].as_u64(), records) {
        (Some(total), Some(records)) => Ok((total, records)),
        _ => Err(format!("no page of history: {page}").into()),
    }
}

/// Reads a device (1.5.1); an error unless it is there.
pub async fn read_device(http: &mut Http, app: &App, device: &str) -> Outcome<()> {
    let path = format!("/iocm/app/dm/v1.4.0/devices/{device}");
    let headers = [("app_key", app.id.as_str()), ("authorization", app.bearer.as_str())];
    let answer = http.json(Method::GET, &path, &headers, &Value::Null, 200).await?;
    if answer["deviceId"].as_str() == Some(device) { Ok(()) } else { Err(format!("not the device: {answer}").into()) }
}

/// A text of an answer.
pub fn text<'a>(value: &'a Value, key: &str) -> Outcome<&'a str> {
    Ok(value[key].as_str().ok_or_else(|| format!("no {key} in {value}"))?)
}
