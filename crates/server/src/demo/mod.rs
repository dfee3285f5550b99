//! `landfall demo`: the whole first journey against a server of its own, with a simulated device on real MQTT over TLS and an application on
//! real HTTP. Every step is printed with the command that does the same, and the first that fails ends it with an error.

mod application;
mod device;
mod receiver;

use crate::{
    config::{Address, Config, Listen},
    serve,
};
use application::{Application, http};
use device::{Device, stamp};
use receiver::Receiver;
use serde_json::{Value, json};
use std::{net::SocketAddr, path::Path, time::Duration};

const REPORT: &str = r#"{"msgType":"deviceReq","data":[{"serviceId":"Thermometer","serviceData":{"temperature":21.5}}]}"#;
const CALL: &str = r#"{"header":{"mode":"ACK","from":"/users/1","method":"SET"},"body":{"value":4}}"#;

/// Plays it. The error names the step.
pub async fn play() -> Result<(), String> {
    let data = std::env::temp_dir().join(format!("landfall-demo-{}", std::process::id()));
    let server = serve::start(&config(), &data, serve::Once::default()).await?;
    say("1. A server of its own", &format!("landfall serve --data {}", data.display()), "on free ports of 127.0.0.1");
    let played = journey(&server).await;
    server.stop().await;
    let removed = std::fs::remove_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()));
    played.and(removed)?;
    say("Done.", "make run", "and docs/applications.md for your own application");
    Ok(())
}

fn config() -> Config {
    let mut config = Config::default();
    let free = Address::On(SocketAddr::from(([127, 0, 0, 1], 0)));
    config.listen = Listen { https: free, http: free, bind: free, mqtts: free, ..Listen::off() };
    config.push.allow_private = true;
    config
}

async fn journey(server: &serve::Server) -> Result<(), String> {
    let port = |name| server.port(name).ok_or_else(|| format!("no listener {name}"));
    let (plain, mqtts) = (format!("http://127.0.0.1:{}", port("http")?), port("mqtts")?);
    let ca = server.data.join("ca.pem");
    let mut receiver = Receiver::start().await?;

    let (app, product) = set_up(&server.data, &plain).await?;
    for kind in ["deviceAdded", "bindDevice", "deviceDataChanged", "messageConfirm", "commandRsp"] {
        app.subscribe(kind, &receiver.url).await?;
    }
    say(
        "4. Subscriptions",
        &app.curl("POST", "/iocm/app/sub/v1.2.0/subscriptions", r#"{"notifyType":...,"callbackUrl":...}"#),
        &receiver.url,
    );

    let body = json!({"deviceInfo": {"nodeId": "demo-sensor"}, "mqttConnect": true, "productId": product});
    let made = app.call("POST", "/iocm/app/reg/v2.0.0/deviceCredentials", Some(&body)).await?;
    let (id, secret) = (text(&made, "deviceId")?, text(&made, "secret")?);
    say("5. A device is registered (1.4.2)", &app.curl("POST", "/iocm/app/reg/v2.0.0/deviceCredentials", &body.to_string()), &id);
    receiver.expect("deviceAdded").await?;

    let mut device = Device::connect(&id, &secret, mqtts, &ca).await?;
    let login =
        format!("mosquitto_pub -h localhost -p {mqtts} --cafile {} -u {id} -P HMAC -i {id}_0_1_{}", ca.display(), stamp());
    say("6. It connects over TLS and is bound", &login, &receiver.expect("bindDevice").await?.to_string());
    device.report(REPORT).await?;
    let pushed = receiver.expect("deviceDataChanged").await?;
    say(
        "7. It reports; the report is pushed",
        &format!("{login} -q 1 -t /huawei/v1/devices/{id}/data/json -m '{REPORT}'"),
        &pushed.to_string(),
    );

    let history = format!("/iocm/app/data/v1.2.0/deviceDataHistory?deviceId={id}&gatewayId={id}&pageSize=10");
    let kept = app.call("GET", &history, None).await?;
    if kept["totalCount"] != 1 {
        return Err(format!("the history does not hold the report: {kept}"));
    }
    say("8. It is in the history (1.5.3)", &app.curl("GET", &history, ""), &kept.to_string());

    let path = format!("/iocm/app/signaltrans/v1.1.0/devices/{id}/services/Switch/sendCommand");
    let call: Value = serde_json::from_str(CALL).map_err(|e| e.to_string())?;
    let sent = app.call("POST", &path, Some(&call)).await?;
    say("9. A command is sent (1.7.7)", &app.curl("POST", &path, CALL), &sent.to_string());
    let command = device.command().await?;
    let answer = json!({"msgType": "deviceRsp", "mid": command["mid"], "errcode": 0, "body": {"result": "ok"}});
    device.report(&answer.to_string()).await?;
    let answered = receiver.expect("commandRsp").await?;
    say(
        "10. The device answers, the application is told",
        &format!("{login} -q 1 -t .../data/json -m '{answer}'"),
        &answered.to_string(),
    );
    device.close().await
}

/// An application with a token, and the id of a product.
async fn set_up(data: &Path, plain: &str) -> Result<(Application, String), String> {
    let token = std::fs::read_to_string(data.join("admin.token")).map_err(|e| e.to_string())?;
    let bearer = format!("Bearer {}", token.trim());
    let operator = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let made = http("POST", &format!("{plain}/api/v1/apps"), &operator, r#"{"name":"demo"}"#).await?;
    let (app_id, secret) = (text(&made, "appId")?, text(&made, "secret")?);
    say("2. An application", "landfall app create demo", &app_id);
    let model = include_str!("../../../../docs/examples/thermometer.json");
    let product = text(&http("POST", &format!("{plain}/api/v1/products"), &operator, model).await?, "productId")?;
    say("3. A product model", "landfall product import docs/examples/thermometer.json", &product);
    Ok((Application::login(plain, &app_id, &secret).await?, product))
}

fn text(value: &Value, key: &str) -> Result<String, String> {
    value[key].as_str().map(str::to_owned).ok_or_else(|| format!("no {key} in {value}"))
}

#[allow(clippy::print_stdout, reason = "the demonstration is for the person who started it")]
fn say(step: &str, command: &str, outcome: &str) {
    println!("{step}\n    $ {command}\n    {outcome}\n");
}

/// A step that takes too long has failed.
async fn within<T>(what: &str, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let limit = Duration::from_secs(15);
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(format!("{what}: nothing within {} s", limit.as_secs())))
}
