//! Start of the process with many registered devices on disk: until /health answers, until a device is read (1.5.1), and the memory then.
//! Beside it: the same on an empty directory. The file cache is warm, as after a restart of the process, not of the machine.

use super::{Bench, lists};
use crate::{
    Outcome,
    api::{self, App},
    clock,
    conditions::gib,
    landfall::Landfall,
    preload::{self, Preload},
    process,
    scene::Scene,
    stats::{Spread, decimal, whole},
    table::Row,
};
use bytes::Bytes;
use hyper::Method;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

const AIM_S: f64 = 3.0;
const AIM_GIB: f64 = 1.5;
const DISK_PER_DEVICE: u64 = 10_000;
const SETTLE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);

/// A data directory with devices.
struct Filled {
    data: PathBuf,
    app: App,
    product: String,
    ids: Vec<String>,
}

#[derive(Default)]
struct Values {
    health_s: Vec<f64>,
    device_s: Vec<f64>,
    gib: Vec<f64>,
    peak_gib: Vec<f64>,
}

pub(super) async fn measure(bench: &mut Bench, dir: &Path) -> Outcome<Vec<Row>> {
    let count = bench.scale.start_devices;
    if process::free_disk(dir)? < count as u64 * DISK_PER_DEVICE {
        return Err(format!("{:.0} GiB of free disk are needed", gib(count as u64 * DISK_PER_DEVICE)).into());
    }
    let small = Filled::new(&bench.program, &dir.join("small"), 1).await?;
    let began = clock::now();
    let full = Filled::new(&bench.program, &dir.join("full"), count).await?;
    let filling = count as f64 / began.elapsed().as_secs_f64();
    let disk = process::disk_usage(&full.data)?;
    let (mut own, mut none) = (Values::default(), Values::default());
    for _ in 0..bench.scale.repeats {
        own.run(&bench.program, &full).await?;
        none.run(&bench.program, &small).await?;
    }
    let spread = |values: &[f64]| Spread::of(values).ok_or("nothing was measured");
    let (health, device, memory, peak) =
        (spread(&own.health_s)?, spread(&own.device_s)?, spread(&own.gib)?, spread(&own.peak_gib)?);
    let beside = |values: &[f64], unit: &str| -> Outcome<String> {
        Ok(format!("with one device: {}", spread(values)?.show(decimal, unit)))
    };
    let devices = whole(count as f64);
    let text = format!("{} devices a second; {:.0} bytes a device", whole(filling), disk as f64 / count as f64);
    let mut rows = vec![
        Row::new(format!("process start to first answer of /health, {devices} devices on disk"), health.show(decimal, " s"))
            .beside(beside(&none.health_s, " s")?),
        Row::new("process start to a device read (1.5.1)", device.show(decimal, " s"))
            .beside(beside(&none.device_s, " s")?)
            .aims(format!("< {AIM_S} s"), device.high < AIM_S),
        Row::new("resident memory then (at most until then)", format!("{} ({:.2}) GiB", memory.show(decimal, ""), peak.high))
            .beside(beside(&none.gib, " GiB")?)
            .aims(format!("< {AIM_GIB} GiB"), peak.high < AIM_GIB),
        Row::new("registering those devices through the store, and their size on disk with the event stream", text),
    ];
    let Filled { data, app, product, ids } = full;
    let scene = Scene { server: Landfall::start(&bench.program, &data)?, app, product };
    rows.extend(lists::measure(bench, &scene, &ids).await?);
    scene.server.stop()?;
    Ok(rows)
}

impl Filled {
    /// Made by a server and its store.
    async fn new(program: &Path, data: &Path, count: usize) -> Outcome<Self> {
        let scene = Scene::fresh(program, data).await?;
        let template = scene.devices("start", 1).await?;
        let (app, product) = (scene.app, scene.product);
        scene.server.stop()?;
        let preload = Preload::open(data, &template).await?;
        let ids = preload.devices("start", count).await?.iter().map(ToString::to_string).collect();
        preload.close().await;
        Ok(Self { data: data.to_path_buf(), app, product, ids })
    }
}

impl Values {
    async fn run(&mut self, program: &Path, filled: &Filled) -> Outcome<()> {
        let server = Landfall::start(program, &filled.data)?;
        let mut http = server.http().await?;
        loop {
            let (status, _) = http.call(Method::GET, "/health", &[], Bytes::new()).await?;
            if status.is_success() {
                break;
            }
            if server.started.elapsed() > PATIENCE {
                return Err(format!("/health answers {status}").into());
            }
        }
        self.health_s.push(server.started.elapsed().as_secs_f64());
        api::read_device(&mut http, &filled.app, &filled.ids[preload::below(filled.ids.len())]).await?;
        self.device_s.push(server.started.elapsed().as_secs_f64());
        clock::pause(SETTLE);
        let (now, most) = process::memory(server.pid())?;
        self.gib.push(gib(now));
        self.peak_gib.push(gib(most));
        drop(http);
        server.stop()
    }
}
