//! A group of many devices: what joins it a second (1.9.7), and its pages (1.9.6), of a walk through all of them and of any. There is no peer: none
//! of them has groups.

use crate::{
    Outcome,
    api::{self, App, Http},
    clock,
    preload::below,
    stats::{percentile, sorted_us, whole},
    table::Row,
};
use hyper::Method;
use landfall_model::DeviceId;
use serde_json::{Value, json};
use std::{collections::HashSet, time::Duration};

/// Devices of one request, and of one page.
const SLICE: usize = 1_000;
/// Pages that are read anywhere in the group.
const ANYWHERE: usize = 200;
const GROUPS: &str = "/iocm/app/devgroup/v1.3.0/devGroups";
const ADD: &str = "/iocm/app/dm/v1.1.0/devices/addDevGroupTagToDevices";
const MEMBERS: &str = "/iocm/app/dm/v1.2.0/devices/ids";

pub(super) async fn measure(http: &mut Http, app: &App, devices: &[DeviceId]) -> Outcome<Vec<Row>> {
    let body = json!({ "name": "bench", "appId": app.id, "maxDevNum": 0, "deviceIds": [] });
    let made = http.json(Method::POST, GROUPS, &app.headers(), &body, 200).await?;
    let group = api::text(&made, "id")?;
    let began = clock::now();
    for some in devices.chunks(SLICE) {
        let body = json!({ "devGroupId": group, "deviceIds": some });
        http.json(Method::POST, ADD, &app.headers(), &body, 200).await?;
    }
    let per_s = devices.len() as f64 / began.elapsed().as_secs_f64();
    let pages = devices.len().div_ceil(SLICE);
    let (mut walk, mut anywhere, mut seen) = (vec![], vec![], HashSet::new());
    for no in 0..pages {
        let (took, ids) = page(http, app, group, no).await?;
        walk.push(took);
        seen.extend(ids);
    }
    if seen.len() != devices.len() || !devices.iter().all(|device| seen.contains(device)) {
        return Err(format!("the pages show {} of {} devices", seen.len(), devices.len()).into());
    }
    for _ in 0..ANYWHERE {
        anywhere.push(page(http, app, group, below(pages)).await?.0);
    }
    let of = whole(devices.len() as f64);
    Ok(vec![
        Row::new(format!("group of {of} devices: devices added a second (1.9.7, {SLICE} a request)"), whole(per_s)),
        Row::new(format!("a page of {SLICE} of its devices (1.9.6), walking through all, p50 / p99"), shown(walk)?),
        Row::new(format!("the same, {ANYWHERE} pages anywhere in it, p50 / p99"), shown(anywhere)?),
    ])
}

/// Time and devices of a page.
async fn page(http: &mut Http, app: &App, group: &str, no: usize) -> Outcome<(Duration, Vec<DeviceId>)> {
    let path = format!("{MEMBERS}?devGroupId={group}&pageNo={no}&pageSize={SLICE}");
    let began = clock::now();
    let mut page = http.json(Method::GET, &path, &app.headers(), &Value::Null, 200).await?;
    let took = began.elapsed();
    Ok((took, serde_json::from_value(page["deviceIds"].take())?))
}

fn shown(times: Vec<Duration>) -> Outcome<String> {
    let sorted = sorted_us(times);
    let ms = |per_mille| percentile(&sorted, per_mille).map(|us| us as f64 / 1000.0).ok_or("no page was read");
    Ok(format!("{:.1} / {:.1} ms", ms(500)?, ms(990)?))
}
