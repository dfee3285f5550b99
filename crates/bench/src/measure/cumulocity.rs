//! What devices and tools made for Cumulocity do: a file of a million devices (bulkNewDeviceRequests), measurements over SmartREST, managed objects.
//! The peers: mosquitto, which stores nothing, and a bare hyper server that answers the same bytes. None of them takes files of devices.

use super::Bench;
use crate::{
    Outcome,
    api::{self, Http},
    clock,
    landfall::Landfall,
    load::Fleet,
    mosquitto::Mosquitto,
    mqtt::{Login, Template},
    peers::Echo,
    process,
    stats::{Spread, whole},
    table::Row,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::future::try_join_all;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::{fmt::Write, path::Path, time::Duration};

const AIM_S: f64 = 60.0;
const LATER_AIM_S: f64 = 20.0;
const AIM_MIB: f64 = 300.0;
const CONNECTIONS: usize = 16;
const WINDOW: u32 = 8;
const CONNECTS_AT_ONCE: usize = 64;
const KEEP_ALIVE_S: u16 = 1200;
const SETTLE: Duration = Duration::from_secs(2);
const BULK: &str = "/devicecontrol/bulkNewDeviceRequests";
const OBJECTS: &str = "/inventory/managedObjects";
const BOUNDARY: &str = "bench-boundary";
const MIB: f64 = (1 << 20) as f64;
/// Of the administrator and of each device.
const PASSWORD: &str = "a-secret-of-24-characters";

/// A server with the administrator of its first account.
struct Tenant {
    server: Landfall,
    id: String,
    authorization: String,
}

pub(super) async fn measure(bench: &mut Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let mut rows = bulk(bench, dir).await?;
    rows.extend(smartrest(bench, dir).await?);
    rows.extend(objects(bench, dir).await?);
    Ok(rows)
}

/// A file of credentials alone, and one of whole devices in groups.
async fn bulk(bench: &Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let count = bench.scale.bulk_rows;
    let mut rows = vec![];
    for (name, devices) in [("credentials", false), ("devices", true)] {
        let tenant = Tenant::start(&bench.program, &dir.join(name)).await?;
        let body = file(name, count, devices);
        clock::pause(SETTLE);
        let (before, _) = process::memory(tenant.server.pid())?;
        let began = clock::now();
        tenant.register(body, count).await?;
        let took = began.elapsed().as_secs_f64();
        let (_, most) = process::memory(tenant.server.pid())?;
        let more = most.saturating_sub(before) as f64 / MIB;
        tenant.server.stop()?;
        let of = whole(count as f64);
        let what = if devices { "whole devices (object, external id, ICCID, group)" } else { "credentials alone" };
        rows.extend([
            Row::new(format!("file of {of} rows, {what}: from the request to the answer"), format!("{took:.1} s"))
                .aims(format!("< {AIM_S} s, then {LATER_AIM_S} s"), took < AIM_S),
            Row::new("rows a second, durable", whole(count as f64 / took)),
            Row::new("resident memory more meanwhile, at most", format!("{} MiB", whole(more)))
                .aims(format!("< {AIM_MIB} MiB"), more < AIM_MIB),
        ]);
    }
    Ok(rows)
}

/// Measurements of many devices over SmartREST, beside the same messages to a broker that stores nothing.
async fn smartrest(bench: &Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let count = bench.scale.publishers;
    let tenant = Tenant::start(&bench.program, &dir.join("smartrest")).await?;
    tenant.register(file("meter", count, true), count).await?;
    let login = |n: usize| Login {
        client_id: serial("meter", n),
        username: format!("{}/device_{}", tenant.id, serial("meter", n)),
        password: PASSWORD.into(),
    };
    let hellos = (0..count).map(|n| login(n).connect(KEEP_ALIVE_S)).collect();
    let (mut own, _) = Fleet::connect(tenant.server.address("mqtt")?, hellos, CONNECTS_AT_ONCE)?;
    let broker = Mosquitto::start(&dir.join("mosquitto"), false)?;
    let hellos = (0..count).map(|n| Mosquitto::login(&serial("meter", n)).connect(KEEP_ALIVE_S)).collect();
    let (mut peer, _) = Fleet::connect(broker.address, hellos, CONNECTS_AT_ONCE)?;
    let (mut own_per_s, mut peer_per_s) = (vec![], vec![]);
    for fleet in [&mut own, &mut peer] {
        fleet.templates(|_| Template::new("s/us", "200,c8y_Temperature,T,21.5,C"));
    }
    // The first run of each is a warm-up, and does not count.
    for turn in 0..=bench.scale.repeats {
        for (fleet, per_s) in [(&mut own, &mut own_per_s), (&mut peer, &mut peer_per_s)] {
            let published = fleet.flood(WINDOW, u64::MAX, bench.scale.run)?;
            if turn > 0 {
                per_s.push(published.acked as f64 / published.elapsed.as_secs_f64());
            }
            clock::pause(SETTLE.min(bench.scale.run));
        }
    }
    let (own, peer) = (spread(&own_per_s)?, spread(&peer_per_s)?);
    let name =
        format!("durable measurements over SmartREST (`200` on `s/us`, QoS 1) a second, {count} connections, window {WINDOW}");
    Ok(vec![
        Row::new(name, own.show(whole, ""))
            .against(format!("mosquitto, nothing stored: {}", peer.show(whole, "")), own.median / peer.median),
    ])
}

/// Managed objects that are devices, each with its own request.
async fn objects(bench: &Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let tenant = Tenant::start(&bench.program, &dir.join("objects")).await?;
    let sample = tenant.create(&mut tenant.server.https().await?, "sample").await?;
    let echo = Echo::start(&dir.join("echo"), &sample, true)?;
    let (mut own, mut peer) = (vec![], vec![]);
    for turn in 0..bench.scale.repeats {
        let (mut ours, mut theirs) = (vec![], vec![]);
        for _ in 0..CONNECTIONS {
            ours.push(tenant.server.https().await?);
            theirs.push(Http::tls(echo.address, &echo.certificate).await?);
        }
        for (connections, per_s) in [(ours, &mut own), (theirs, &mut peer)] {
            per_s.push(tenant.flood(connections, turn, bench.scale.run).await?);
        }
    }
    let (own, peer) = (spread(&own)?, spread(&peer)?);
    Ok(vec![
        Row::new(
            format!("managedObjects created a second (devices), HTTPS, {CONNECTIONS} kept connections"),
            own.show(whole, ""),
        )
        .against(format!("bare hyper echo over TLS: {}", peer.show(whole, "")), own.median / peer.median),
    ])
}

fn spread(values: &[f64]) -> Outcome<Spread> {
    Ok(Spread::of(values).ok_or("nothing was measured")?)
}

fn serial(prefix: &str, n: usize) -> String {
    format!("{prefix}-{n:07}")
}

/// A multipart body with a file of so many rows.
fn file(prefix: &str, count: usize, devices: bool) -> Bytes {
    let mut text = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"devices.csv\"\r\nContent-Type: text/csv\r\n\r\n"
    );
    text.push_str(if devices { "ID;CREDENTIALS;TYPE;NAME;ICCID;PATH\n" } else { "ID;CREDENTIALS\n" });
    for n in 0..count {
        let id = serial(prefix, n);
        let row = if devices {
            writeln!(text, "{id};{PASSWORD};c8y_Meter;Meter {n};8949{n:015};Town/District {}", n % 100)
        } else {
            writeln!(text, "{id};{PASSWORD}")
        };
        // A String takes whatever is written.
        let _ = row;
    }
    text.push_str(&format!("\r\n--{BOUNDARY}--\r\n"));
    text.into()
}

impl Tenant {
    async fn start(program: &Path, data: &Path) -> Outcome<Self> {
        let server = Landfall::start(program, data)?;
        let admin = format!("Bearer {}", server.admin_token()?);
        let mut http = server.http().await?;
        let headers = [("authorization", admin.as_str())];
        let user = json!({ "name": "admin", "role": "admin", "password": PASSWORD });
        let made = http.json(Method::POST, "/api/v1/users", &headers, &user, 201).await?;
        let id = api::text(&made, "tenant")?.to_owned();
        let authorization = format!("Basic {}", STANDARD.encode(format!("{id}/admin:{PASSWORD}")));
        Ok(Self { server, id, authorization })
    }

    /// Sends a file; each of its rows must have been created.
    async fn register(&self, body: Bytes, count: usize) -> Outcome<()> {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let headers = [("authorization", self.authorization.as_str()), ("content-type", &kind), ("accept", "application/json")];
        let (status, answer) = self.server.http().await?.call(Method::POST, BULK, &headers, body).await?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|e| format!("bulk: {status} {e}"))?;
        let all =
            status == StatusCode::CREATED && answer["numberOfCreated"] == json!(count) && answer["numberOfAll"] == json!(count);
        if all { Ok(()) } else { Err(format!("bulk: {status} {:.500}", answer.to_string()).into()) }
    }

    async fn create(&self, http: &mut Http, name: &str) -> Outcome<Bytes> {
        let headers = [
            ("authorization", self.authorization.as_str()),
            ("content-type", "application/json"),
            ("accept", "application/json"),
        ];
        let body = json!({ "name": name, "type": "c8y_Meter", "c8y_IsDevice": {}, "c8y_Hardware": { "model": "M1", "serialNumber": name } });
        let (status, answer) = http.call(Method::POST, OBJECTS, &headers, body.to_string().into()).await?;
        if status.is_success() {
            Ok(answer)
        } else {
            Err(format!("{OBJECTS}: {status} {}", String::from_utf8_lossy(&answer)).into())
        }
    }

    /// Creates over all connections until the time is over; how many a second.
    async fn flood(&self, connections: Vec<Http>, turn: usize, time: Duration) -> Outcome<f64> {
        let began = clock::now();
        let lanes = connections.into_iter().enumerate().map(|(lane, mut http)| async move {
            let mut count = 0_u64;
            while began.elapsed() < time {
                self.create(&mut http, &format!("{turn}-{lane}-{count}")).await?;
                count += 1;
            }
            Outcome::Ok(count)
        });
        let count: u64 = try_join_all(lanes).await?.into_iter().sum();
        Ok(count as f64 / began.elapsed().as_secs_f64())
    }
}
