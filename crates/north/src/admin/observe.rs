//! /health, /ready and /metrics, for load balancers and Prometheus.

use super::{Admin, WITHHELD_HELP, caller::bearer, error::Refusal};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, header},
    response::IntoResponse,
    routing::get,
};
use landfall_core::{Core, Count, JobFilter, Metric, StoreStats};
use landfall_model::{Cause, Error, JobKind, PageRequest, TargetState, Time};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use serde_json::{Value, json};
use std::{
    borrow::Cow,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use super::ops::Snapshot;

/// Milliseconds for which a probe of the store is good.
const PROBE_MS: u64 = 1_000;
/// How long a probe may take.
const PROBE_WAIT: Duration = Duration::from_secs(5);

/// When the store was probed, and what came of it.
type Probe = (Time, landfall_model::Result<()>);

#[derive(Clone)]
struct Observed {
    admin: Arc<Admin>,
    metrics_open: bool,
    probed: Arc<tokio::sync::Mutex<Option<Probe>>>,
}

/// The three paths. Without `metrics_open`, /metrics needs the token of the server's operator.
pub fn router(admin: Arc<Admin>, metrics_open: bool) -> Router {
    Router::new().route("/health", get(health)).route("/ready", get(ready)).route("/metrics", get(metrics)).with_state(Observed {
        admin,
        metrics_open,
        probed: Arc::default(),
    })
}

/// The process is up.
async fn health() -> Json<Value> {
    Json(json!({ "status": "up" }))
}

/// All listeners are up, and the store has just written something. Tells strangers no more than that, and why not.
async fn ready(State(observed): State<Observed>) -> Result<Json<Value>, Refusal> {
    let unready = |what: Cow<'static, str>| Refusal::from(Error::new(Cause::Overloaded, what));
    observed.admin.ops.ready().map_err(|_| unready("the server is starting or stopping".into()))?;
    // Whoever asks, there is one probe at a time, and one a second.
    let answers = async {
        let mut last = observed.probed.lock().await;
        let now = observed.admin.core.now();
        if last.as_ref().is_none_or(|(at, _)| now.0.abs_diff(at.0) >= PROBE_MS) {
            *last = Some((now, observed.admin.core.store().probe().await));
        }
        last.as_ref().map_or(Ok(()), |(_, result)| result.clone())
    };
    match tokio::time::timeout(PROBE_WAIT, answers).await {
        Ok(Ok(())) => Ok(Json(json!({ "status": "ready" }))),
        Ok(Err(error)) => Err(unready(error.detail)),
        Err(_) => Err(unready("the database does not answer".into())),
    }
}

async fn metrics(State(observed): State<Observed>, headers: HeaderMap) -> Result<impl IntoResponse, Refusal> {
    let core = &observed.admin.core;
    if !observed.metrics_open && !core.operator(bearer(&headers)?).await?.is_server() {
        return Err(Error::new(Cause::Forbidden, "only the operator of the server may do this").into());
    }
    let stats = core.store().stats().await?;
    let (nodes_made, nodes_failed) = core.provisioned_total();
    let numbers = CoreNumbers {
        newest: core.store().newest().0,
        refusals: core.why().counts(),
        calls_refused: core.why().call_counts(),
        unrecorded: core.why().suppressed(),
        open_requests: open_of(core, Some(JobKind::Provisioning)).await?,
        open_jobs: open_of(core, None).await?,
        nodes_made,
        nodes_failed,
        withheld: core.withheld_total(),
        clock_doubted: core.clock_doubt().is_some().into(),
    };
    let text = rendered(&observed.admin.ops.metrics(), &stats, &numbers, core.now());
    let text = text.map_err(|_| Error::new(Cause::Internal, "the metrics could not be written"))?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}

/// Jobs of a kind, or of all, that are not over.
async fn open_of(core: &Core, kind: Option<JobKind>) -> landfall_model::Result<u64> {
    let filter = JobFilter { kind, over: Some(false), ..JobFilter::default() };
    Ok(core.store().jobs(&filter, PageRequest { no: 0, size: 1 }).await?.total)
}

/// What the core counts.
#[derive(Default)]
struct CoreNumbers {
    newest: u64,
    /// By step and check.
    refusals: Vec<(&'static str, &'static str, u64)>,
    /// By dialect, operation and check.
    calls_refused: Vec<([&'static str; 3], u64)>,
    unrecorded: u64,
    open_requests: u64,
    open_jobs: u64,
    nodes_made: u64,
    nodes_failed: u64,
    withheld: u64,
    clock_doubted: u64,
}

impl CoreNumbers {
    fn refused(&self) -> u64 {
        let others = self.refusals.iter().map(|(_, _, count)| count);
        others.chain(self.calls_refused.iter().map(|(_, count)| count)).sum()
    }
}

/// Name, help and number of a metric.
type Row = (&'static str, &'static str, u64);
/// A metric by labels.
type Labelled<M> = Family<Vec<(String, String)>, M>;

/// The exposition text of one scrape. Built anew each time, as the counters live where they are counted.
fn rendered(snapshot: &Snapshot, stats: &StoreStats, numbers: &CoreNumbers, now: Time) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("landfall");
    let left = snapshot.certificates.iter().map(|one| (one.name, one.until.unix_s() - now.unix_s()));
    let help = "Time to the end of a TLS certificate in use";
    registry.register_with_unit("tls_certificate_expires", help, Unit::Seconds, by_label("certificate", left));
    for Metric { name, help, count } in &snapshot.accesses {
        match count {
            Count::NowBy(label, open) => {
                let open = open.iter().map(|(of, open)| (*of, signed(*open)));
                registry.register(*name, *help, by_label(label, open));
            }
            Count::Refused(refusals) => registry.register(*name, *help, by_check(refusals)),
            Count::Total(_) | Count::Now(_) => {}
        }
    }
    registry.register("refusals_by_check", "Refusals by step and check", by_check(&numbers.refusals));
    registry.register("calls_refused", "Calls refused by dialect, operation and check", by_call(&numbers.calls_refused));
    let ends = TargetState::ALL.into_iter().filter(|state| state.is_over()).map(|state| (state, stats.targets_ended.of(state)));
    registry.register("job_targets_ended", "Targets of jobs that ended, by outcome", by_outcome(ends));
    for (name, help, value) in totals(snapshot, stats, numbers) {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    for (name, help, value) in states(snapshot, stats, numbers) {
        registry.register(name, help, gauge(value));
    }
    registry.register_with_unit("process_resident_memory", "Resident memory", Unit::Bytes, gauge(snapshot.memory_bytes));
    registry.register_with_unit("store_wal", "SQLite's write-ahead log in use", Unit::Bytes, gauge(stats.wal_bytes));
    let cpu = Counter::<f64, AtomicU64>::default();
    cpu.inc_by(snapshot.cpu_s.max(0.0));
    registry.register_with_unit("process_cpu", "CPU time", Unit::Seconds, cpu);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// What is counted from the start.
fn totals(snapshot: &Snapshot, stats: &StoreStats, numbers: &CoreNumbers) -> Vec<Row> {
    let of_access = |metric: &Metric| match metric.count {
        Count::Total(count) => Some((metric.name, metric.help, count)),
        _ => None,
    };
    let others = [
        ("pushes_delivered", "Pushes confirmed by their receiver", snapshot.pushes_delivered),
        ("pushes_failed", "Attempts to push that failed", snapshot.pushes_failed),
        ("pushes_withheld", "Events passed over because their subscription was suspended", snapshot.pushes_withheld),
        ("notices_withheld", WITHHELD_HELP, numbers.withheld),
        ("codec_runs", "Codec runs", snapshot.codec_runs),
        ("codec_failures", "Codec runs that failed", snapshot.codec_failures),
        ("codec_refused", "Codec runs refused: the codec rests after time-outs, or too many wait", snapshot.codec_refused),
        ("job_targets_begun", "Targets of jobs that were begun", stats.targets_begun),
        ("nodes_provisioned", "Nodes that were provisioned", numbers.nodes_made),
        ("nodes_failed", "Nodes that could not be provisioned", numbers.nodes_failed),
        ("refusals", "Refusals, each with its reason", numbers.refused()),
        ("refusals_unrecorded", "Refusals of nobody known without a why record, as there were too many", numbers.unrecorded),
        ("store_batches", "Batches committed", stats.batches),
        ("store_commits", "Transactions that carried them", stats.commits),
        ("store_lists_overdue", "Lists that were ended by their deadline", stats.overdue_lists),
    ];
    snapshot.accesses.iter().filter_map(of_access).chain(others).collect()
}

/// What is so many now.
fn states(snapshot: &Snapshot, stats: &StoreStats, numbers: &CoreNumbers) -> Vec<Row> {
    let of_access = |metric: &Metric| match metric.count {
        Count::Now(count) => Some((metric.name, metric.help, count)),
        _ => None,
    };
    let devices = [("devices", "Registered devices", stats.devices)];
    let others = [
        ("store_pending_points", "Points that wait to be cut into chunks", stats.pending_points),
        ("jobs_open", "Jobs that are not over", numbers.open_jobs),
        ("provisioning_requests_open", "Provisioning requests that are not finished", numbers.open_requests),
        ("clock_doubted", "1 while the clock is not trusted after a jump: nothing expires then", numbers.clock_doubted),
        ("events_newest", "Newest place of the event stream", numbers.newest),
        ("events_oldest", "Oldest place that is still kept", stats.oldest_seq),
    ];
    devices.into_iter().chain(snapshot.accesses.iter().filter_map(of_access)).chain(others).collect()
}

fn by_label<'a>(label: &str, values: impl Iterator<Item = (&'a str, i64)>) -> Labelled<Gauge> {
    let family = Labelled::<Gauge>::default();
    for (name, value) in values {
        family.get_or_create(&vec![(label.to_owned(), name.to_owned())]).set(value);
    }
    family
}

fn by_check(refusals: &[(&str, &str, u64)]) -> Labelled<Counter> {
    let family = Labelled::<Counter>::default();
    for (step, check, count) in refusals {
        let label = vec![("step".to_owned(), (*step).to_owned()), ("check".to_owned(), (*check).to_owned())];
        family.get_or_create(&label).inc_by(*count);
    }
    family
}

fn by_call(refusals: &[([&str; 3], u64)]) -> Labelled<Counter> {
    let family = Labelled::<Counter>::default();
    for (words, count) in refusals {
        let labels =
            ["dialect", "operation", "check"].iter().zip(words).map(|(label, word)| ((*label).to_owned(), (*word).to_owned()));
        family.get_or_create(&labels.collect()).inc_by(*count);
    }
    family
}

fn by_outcome(ends: impl Iterator<Item = (TargetState, u64)>) -> Labelled<Counter> {
    let family = Labelled::<Counter>::default();
    for (state, count) in ends {
        family.get_or_create(&vec![("outcome".to_owned(), state.as_str().to_owned())]).inc_by(count);
    }
    family
}

fn gauge(value: u64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(signed(value));
    gauge
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{super::ops::Certificate, *};
    use landfall_model::JobCounts;

    #[test]
    fn a_scrape_holds_the_numbers() {
        let metric = |name, count| Metric { name, help: "as its protocol says", count };
        let snapshot = Snapshot {
            accesses: vec![
                metric("mqtt_connections", Count::NowBy("transport", vec![("tcp", 3), ("tls", 4)])),
                metric("mqtt_publishes", Count::Total(7)),
                metric("claims_refused", Count::Total(12)),
                metric("lwm2m_registered", Count::Now(5)),
                metric("lwm2m_reports", Count::Total(6)),
                metric("lwm2m_refused", Count::Refused(vec![("dtls.handshake", "hello.suite", 4), ("dtls.psk", "psk.key", 5)])),
            ],
            certificates: vec![
                Certificate { name: "server", until: Time(5_000), ends_soon: false },
                Certificate { name: "ca", until: Time(0), ends_soon: true },
            ],
            memory_bytes: 1024,
            cpu_s: 1.5,
            ..Snapshot::default()
        };
        let numbers = CoreNumbers {
            newest: 11,
            refusals: vec![("mqtt.tls", "tls.unknown-ca", 1), ("bind.code", "code.wrong", 1)],
            calls_refused: vec![(["oceanconnect", "get_device", "panic"], 2)],
            unrecorded: 12,
            open_requests: 1,
            open_jobs: 2,
            nodes_made: 98,
            nodes_failed: 3,
            withheld: 8,
            clock_doubted: 1,
        };
        let text = rendered(&snapshot, &StoreStats { devices: 9, ..StoreStats::default() }, &numbers, Time(1_000)).unwrap();
        for line in [
            "landfall_mqtt_connections{transport=\"tls\"} 4",
            "landfall_tls_certificate_expires_seconds{certificate=\"server\"} 4",
            "landfall_tls_certificate_expires_seconds{certificate=\"ca\"} -1",
            "landfall_mqtt_publishes_total 7",
            "landfall_claims_refused_total 12",
            "landfall_devices 9",
            "landfall_lwm2m_registered 5",
            "landfall_lwm2m_reports_total 6",
            "landfall_lwm2m_refused_total{step=\"dtls.handshake\",check=\"hello.suite\"} 4",
            "landfall_lwm2m_refused_total{step=\"dtls.psk\",check=\"psk.key\"} 5",
            "landfall_events_newest 11",
            "landfall_refusals_total 4",
            "landfall_refusals_by_check_total{step=\"mqtt.tls\",check=\"tls.unknown-ca\"} 1",
            "landfall_calls_refused_total{dialect=\"oceanconnect\",operation=\"get_device\",check=\"panic\"} 2",
            "landfall_refusals_unrecorded_total 12",
            "landfall_provisioning_requests_open 1",
            "landfall_jobs_open 2",
            "landfall_nodes_provisioned_total 98",
            "landfall_nodes_failed_total 3",
            "landfall_notices_withheld_total 8",
            "landfall_clock_doubted 1",
            "landfall_process_resident_memory_bytes 1024",
            "landfall_process_cpu_seconds_total 1.5",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_scrape_tells_of_the_stores_log_and_lists() {
        let targets_ended = JobCounts { succeeded: 7, timed_out: 2, ..JobCounts::default() };
        let stats = StoreStats { wal_bytes: 4_120, overdue_lists: 2, targets_begun: 10, targets_ended, ..StoreStats::default() };
        let text = rendered(&Snapshot::default(), &stats, &CoreNumbers::default(), Time(0)).unwrap();
        for line in [
            "landfall_store_wal_bytes 4120",
            "landfall_store_lists_overdue_total 2",
            "landfall_job_targets_begun_total 10",
            "landfall_job_targets_ended_total{outcome=\"succeeded\"} 7",
            "landfall_job_targets_ended_total{outcome=\"timed-out\"} 2",
            "landfall_job_targets_ended_total{outcome=\"stopped\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }
}
