//! Metrics in the OpenMetrics text format, which Prometheus reads.
//!
//! Label values come from fixed lists (routes, the operator's models, statuses), never from a client.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::record::Finished;

/// The media type of [`Metrics::encode`]'s output.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// In seconds, from a phase of the digits model to the default request timeout.
const SECONDS_BUCKETS: [f64; 17] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0,
];

/// From 4 MiB, below any instance, to 4 GiB, the maximum of a 32-bit memory.
const MEMORY_BUCKETS: (f64, u16) = (4.0 * 1024.0 * 1024.0, 11);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    model: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    model: String,
    phase: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GraphLabels {
    graph: String,
}

/// A limit that was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    AnswerBytes,
    BodyTime,
    Connections,
    HeaderBytes,
    HeaderTime,
    Memory,
    Queue,
    RequestTime,
    WriteTime,
}

impl Limit {
    const fn name(self) -> &'static str {
        match self {
            Self::AnswerBytes => "answer-bytes",
            Self::BodyTime => "body-time",
            Self::Connections => "connections",
            Self::HeaderBytes => "header-bytes",
            Self::HeaderTime => "header-time",
            Self::Memory => "memory",
            Self::Queue => "queue",
            Self::RequestTime => "request-time",
            Self::WriteTime => "write-time",
        }
    }
}

/// The values of the gauges when the metrics are scraped.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Now {
    pub(crate) instances: usize,
    pub(crate) waiting: usize,
    pub(crate) connections: usize,
    pub(crate) computing: usize,
}

/// The host's metrics.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    phases: Family<PhaseLabels, Histogram, fn() -> Histogram>,
    cut_off: Counter,
    limits: Family<LimitLabels, Counter>,
    reloads: Family<ReloadLabels, Counter>,
    memory: Histogram,
    graph_loads: Family<GraphLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    graphs: Gauge,
    instances: Gauge,
    waiting: Gauge,
    connections: Gauge,
    computing: Gauge,
    resident: Gauge,
}

/// The resident memory of this process; `None` where the operating system does not tell.
#[cfg(target_os = "linux")]
fn resident_bytes() -> Option<u64> {
    let pages = procfs::process::Process::myself()
        .ok()?
        .statm()
        .ok()?
        .resident;
    Some(pages.saturating_mul(procfs::page_size()))
}

#[cfg(not(target_os = "linux"))]
fn resident_bytes() -> Option<u64> {
    None
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS_BUCKETS)
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            phases: Family::new_with_constructor(seconds),
            cut_off: Counter::default(),
            limits: Family::default(),
            reloads: Family::default(),
            memory: Histogram::new(exponential_buckets(MEMORY_BUCKETS.0, 2.0, MEMORY_BUCKETS.1)),
            graph_loads: Family::default(),
            graphs: Gauge::default(),
            instances: Gauge::default(),
            waiting: Gauge::default(),
            connections: Gauge::default(),
            computing: Gauge::default(),
            resident: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("infer_requests", "Requests served", self.requests.clone());
        registry.register(
            "infer_cut_off",
            "Requests whose response was truncated or never sent",
            self.cut_off.clone(),
        );
        registry.register_with_unit(
            "infer_phase",
            "Duration of each phase of a request; total is the whole request",
            Unit::Seconds,
            self.phases.clone(),
        );
        registry.register(
            "infer_limits_reached",
            "Times that each limit was exceeded",
            self.limits.clone(),
        );
        registry.register(
            "infer_reloads",
            "Times that the model repository changed, by what came of it",
            self.reloads.clone(),
        );
        registry.register_with_unit(
            "infer_instance_memory",
            "Peak linear memory of an instance",
            Unit::Bytes,
            self.memory.clone(),
        );
        registry.register_with_unit(
            "infer_graph_load",
            "Time to load a graph into the native library",
            Unit::Seconds,
            self.graph_loads.clone(),
        );
        for (name, help, gauge) in [
            (
                "infer_graphs_loaded",
                "Graphs loaded in the native library",
                &self.graphs,
            ),
            ("infer_instances", "Running instances", &self.instances),
            (
                "infer_queue_depth",
                "Requests waiting for an instance",
                &self.waiting,
            ),
            (
                "infer_open_connections",
                "Open client connections",
                &self.connections,
            ),
            (
                "infer_computing",
                "Inferences running in the native library",
                &self.computing,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        if resident_bytes().is_some() {
            registry.register_with_unit(
                "process_resident_memory",
                "Resident memory of the process",
                Unit::Bytes,
                self.resident.clone(),
            );
        }
    }

    /// Record a finished request.
    pub(crate) fn request(&self, request: &Finished<'_>) {
        let labels = RequestLabels {
            route: request.route,
            model: request.model.to_owned(),
            status: request.status,
        };
        self.requests.get_or_create_owned(&labels).inc();
        if request.is_cut_off {
            self.cut_off.inc();
        }
        let total = std::iter::once(("total", request.total));
        let phases = request
            .phases
            .iter()
            .map(|phase| (phase.name, phase.duration));
        for (phase, duration) in phases.chain(total) {
            let labels = PhaseLabels {
                model: request.model.to_owned(),
                phase,
            };
            let phase = self.phases.get_or_create_owned(&labels);
            phase.observe(duration.as_secs_f64());
        }
    }

    /// Count an exceeded limit.
    pub(crate) fn limit(&self, limit: Limit) {
        let labels = LimitLabels {
            limit: limit.name(),
        };
        self.limits.get_or_create_owned(&labels).inc();
    }

    /// Count a change of the model repository that is served, or that is not.
    pub(crate) fn reload(&self, is_served: bool) {
        let outcome = if is_served { "served" } else { "failed" };
        self.reloads
            .get_or_create_owned(&ReloadLabels { outcome })
            .inc();
    }

    /// Record the loaded graphs, in place of those before.
    pub(crate) fn graphs<'a>(&self, graphs: impl Iterator<Item = (&'a str, Duration)>) {
        self.graph_loads.clear();
        let mut count = 0;
        for (name, took) in graphs {
            let labels = GraphLabels {
                graph: name.to_owned(),
            };
            let load = self.graph_loads.get_or_create_owned(&labels);
            load.set(took.as_secs_f64());
            count += 1;
        }
        self.graphs.set(count);
    }

    /// The histogram that records an instance's peak memory.
    pub(crate) fn memory(&self) -> Histogram {
        self.memory.clone()
    }

    /// Encode the metrics as OpenMetrics text.
    ///
    /// # Errors
    /// The encoder's; writing to a string does not fail.
    pub(crate) fn encode(&self, now: Now) -> Result<String, fmt::Error> {
        let gauges = [
            (&self.instances, now.instances),
            (&self.waiting, now.waiting),
            (&self.connections, now.connections),
            (&self.computing, now.computing),
        ];
        for (gauge, value) in gauges {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        if let Some(bytes) = resident_bytes() {
            self.resident.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
