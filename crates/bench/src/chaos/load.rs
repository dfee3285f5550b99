//! Mixed load that outlives faults: devices report, an application registers devices; what was acknowledged is noted, what was not is passed over.

use crate::{
    Outcome,
    api::{self, App, Device, Http},
    clock,
    measure::report_of,
    mqtt::{Answer, parse},
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// After a connection that broke.
const AGAIN: Duration = Duration::from_millis(50);
/// Between two messages of a device: faults are looked for, not the limit.
const PACE: Duration = Duration::from_millis(5);
/// For an answer; longer than any fault lasts.
const PATIENCE: Duration = Duration::from_secs(20);

/// Shared by all tasks of a load.
#[derive(Clone, Default)]
pub struct Control {
    /// Ends the load.
    pub stop: Arc<AtomicBool>,
    /// As fast as it goes, instead of at its pace.
    pub hurry: Arc<AtomicBool>,
    /// Reports that were acknowledged.
    pub reports: Arc<AtomicU64>,
    /// Registrations that were.
    pub registrations: Arc<AtomicU64>,
}

impl Control {
    fn goes_on(&self) -> bool {
        !self.stop.load(Relaxed)
    }

    async fn pace(&self) {
        if !self.hurry.load(Relaxed) {
            sleep(PACE).await;
        }
    }
}

/// Reports numbers from `first` upwards until the load ends; gives those that were acknowledged.
pub async fn report(device: Device, address: SocketAddr, first: u64, control: Control) -> Vec<u64> {
    let (mut next, mut acknowledged) = (first, Vec::new());
    while control.goes_on() {
        // A broken connection is what this is about: the device comes back with its next number.
        let _ = report_once(&device, address, &mut next, &mut acknowledged, &control).await;
        sleep(AGAIN).await;
    }
    acknowledged
}

async fn report_once(
    device: &Device,
    address: SocketAddr,
    next: &mut u64,
    acknowledged: &mut Vec<u64>,
    control: &Control,
) -> Outcome<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut bytes, mut input) = (device.login(&clock::utc().hour()).connect(0), Vec::new());
    stream.write_all(&bytes).await?;
    expect(&mut stream, &mut input, Answer::Connected(0)).await?;
    while control.goes_on() {
        let value = *next;
        *next += 1;
        let id = u16::try_from(value % 60_000)? + 1;
        bytes.clear();
        report_of(&device.id, &value.to_string()).write(&mut bytes, id, 0);
        stream.write_all(&bytes).await?;
        expect(&mut stream, &mut input, Answer::Acknowledged(id)).await?;
        acknowledged.push(value);
        control.reports.fetch_add(1, Relaxed);
        control.pace().await;
    }
    Ok(())
}

async fn expect(stream: &mut TcpStream, input: &mut Vec<u8>, expected: Answer) -> Outcome<()> {
    loop {
        if let Some((answer, length)) = parse(input) {
            input.drain(..length);
            return if answer == expected { Ok(()) } else { Err(format!("{answer:?}").into()) };
        }
        if timeout(PATIENCE, stream.read_buf(input)).await?? == 0 {
            return Err("closed".into());
        }
    }
}

/// Registers devices until the load ends; gives the ids of those that were acknowledged.
pub async fn register(app: App, product: String, address: SocketAddr, prefix: String, control: Control) -> Vec<String> {
    let (mut next, mut acknowledged) = (0_u64, Vec::new());
    while control.goes_on() {
        let Ok(mut http) = Http::plain(address).await else {
            sleep(AGAIN).await;
            continue;
        };
        while control.goes_on() {
            next += 1;
            let body = api::registration(&product, &format!("{prefix}-{next}"));
            match timeout(PATIENCE, api::register(&mut http, &app, body)).await {
                Ok(Ok(device)) => acknowledged.push(device.id),
                _ => break,
            }
            control.registrations.fetch_add(1, Relaxed);
            control.pace().await;
        }
        sleep(AGAIN).await;
    }
    acknowledged
}
