//! A batch task over many devices (1.8.1): from the request to its acceptance, then until each device has its command, and the memory that it
//! takes. The devices are away, so that their commands wait. There is no peer: none of them has batch tasks. After it, a group of the same devices.

use super::{Bench, groups};
use crate::{
    Outcome,
    api::{self, App, Http},
    clock,
    conditions::gib,
    landfall::Landfall,
    preload::Preload,
    process,
    scene::Scene,
    stats::whole,
    table::Row,
};
use hyper::Method;
use landfall_model::DeviceId;
use serde_json::{Value, json};
use std::{path::Path, time::Duration};

const AIM_S: f64 = 5.0;
const AIM_PER_S: f64 = 20_000.0;
const AIM_MIB: f64 = 500.0;
const DISK_PER_DEVICE: u64 = 10_000;
const PSK: &str = "00112233445566778899aabbccddeeff";
const SETTLE: Duration = Duration::from_secs(2);
/// Between two looks at how far it is. The times are as exact as this.
const POLL: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(600);
const TASKS: &str = "/iocm/app/batchtask/v1.1.0/tasks";

pub(super) async fn measure(bench: &mut Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let count = bench.scale.batch_devices;
    if process::free_disk(dir)? < count as u64 * DISK_PER_DEVICE {
        return Err(format!("{:.0} GiB of free disk are needed", gib(count as u64 * DISK_PER_DEVICE)).into());
    }
    let (server, app, devices) = filled(&bench.program, &dir.join("landfall"), count).await?;
    clock::pause(SETTLE);
    let mut http = server.http().await?;
    let (before, _) = process::memory(server.pid())?;
    let began = clock::now();
    let task = order(&mut http, &app).await?;
    let accepted = began.elapsed();
    let mut most = before;
    while waiting(&mut http, &app, &task).await? < count as u64 {
        most = most.max(process::memory(server.pid())?.0);
        if began.elapsed() > PATIENCE {
            return Err(format!("the batch is not done after {PATIENCE:?}").into());
        }
        tokio::time::sleep(POLL).await;
    }
    let (done, more) = (began.elapsed() - accepted, (most - before) as f64 / f64::from(1 << 20));
    check(&mut http, &app, &task, count).await?;
    clock::pause(SETTLE);
    let group = groups::measure(&mut http, &app, &devices).await?;
    server.stop()?;
    let (accepted_s, per_s) = (accepted.as_secs_f64(), count as f64 / done.as_secs_f64());
    let of = whole(count as f64);
    let mut rows = vec![
        Row::new(
            format!("batch task (1.8.1) over {of} devices, from the request to its acceptance"),
            format!("{accepted_s:.3} s"),
        )
        .aims(format!("< {AIM_S} s"), accepted_s < AIM_S),
        Row::new("sub-tasks a second then, until each device has its command, durable", whole(per_s))
            .aims(format!("≥ {}", whole(AIM_PER_S)), per_s >= AIM_PER_S),
        Row::new("resident memory more meanwhile, at most", format!("{} MiB", whole(more)))
            .aims(format!("< {AIM_MIB} MiB"), more < AIM_MIB),
    ];
    rows.extend(group);
    Ok(rows)
}

/// A server with an application and its devices, and with nothing in memory yet.
async fn filled(program: &Path, data: &Path, count: usize) -> Outcome<(Landfall, App, Vec<DeviceId>)> {
    let scene = Scene::fresh(program, data).await?;
    let mut http = scene.server.http().await?;
    let product = api::make_lwm2m_product(&mut http, &scene.server.admin_token()?).await?;
    let body = api::keyed_registration(&product, "batch", PSK);
    let made = http.json(Method::POST, api::REGISTER_KEYED, &scene.app.headers(), &body, 200).await?;
    let first = api::text(&made, "deviceId")?;
    let template = api::Device::new(first.to_owned(), String::new());
    let app = scene.app;
    drop(http);
    scene.server.stop()?;
    let preload = Preload::open(data, &[template]).await?;
    let mut devices = preload.devices("batch", count - 1).await?;
    devices.push(first.parse()?);
    preload.close().await;
    Ok((Landfall::start(program, data)?, app, devices))
}

/// The id of a new task over all devices.
async fn order(http: &mut Http, app: &App) -> Outcome<String> {
    let command = json!({ "serviceId": "Temperature", "method": "SET_MIN", "paras": { "celsius": 7 } });
    let body = json!({
        "appId": app.id, "timeout": 2880, "taskName": "bench", "taskType": "DeviceCmd", "param": { "type": "Broadcast", "command": command }
    });
    let made = http.json(Method::POST, TASKS, &app.headers(), &body, 200).await?;
    Ok(api::text(&made, "taskID")?.to_owned())
}

/// How many sub-tasks have their command (1.8.3).
async fn waiting(http: &mut Http, app: &App, task: &str) -> Outcome<u64> {
    let path = format!("/iocm/app/batchtask/v1.1.0/taskDetails?taskId={task}&status=WaitResult&pageNo=0&pageSize=1");
    let page = http.json(Method::GET, &path, &app.headers(), &Value::Null, 200).await?;
    Ok(page["totalCount"].as_u64().ok_or_else(|| format!("no totalCount in {page}"))?)
}

/// All devices must have been chosen, and none of them failed.
async fn check(http: &mut Http, app: &App, task: &str, count: usize) -> Outcome<()> {
    let task = http.json(Method::GET, &format!("{TASKS}/{task}"), &app.headers(), &Value::Null, 200).await?;
    let whole = task["totalCnt"] == json!(count) && task["failCnt"] == json!(0);
    if whole { Ok(()) } else { Err(format!("the task is not what was asked for: {task}").into()) }
}
