//! Observability: an access log line ([`access_log`]), metrics ([`metrics`]) and spans ([`trace`]) per request, all
//! from one [`record`] that starts and ends with the request.

pub mod access_log;
mod body;
mod metrics;
mod record;
mod request_id;
mod route;
mod server_timing;
mod trace;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use hyper::{Request, Uri};

pub(crate) use body::ObservedBody;
pub(crate) use metrics::{CONTENT_TYPE as METRICS_CONTENT_TYPE, Limit, Metrics, Now};
pub(crate) use record::{Instantiated, Record};
pub(crate) use request_id::HEADER as REQUEST_ID;
pub use trace::{TraceError, Traces};

/// The names and destinations of observability data.
#[derive(Clone, Debug, Default)]
pub struct ObserveOptions {
    /// The operator's models. Logs and metrics call any other model `unknown`.
    pub models: BTreeSet<String>,
    /// The exporter of spans.
    pub traces: Option<Traces>,
}

/// Reports finished requests.
pub(crate) struct Observer {
    names: RwLock<route::Labels>,
    ids: request_id::Ids,
    pub(crate) metrics: Metrics,
    traces: Option<Traces>,
}

impl Observer {
    /// `default_model` is the setting `INFER_DEFAULT_MODEL`.
    pub(crate) fn new(options: ObserveOptions, default_model: Option<&str>) -> Self {
        Self {
            names: RwLock::new(route::Labels::new(options.models, default_model)),
            ids: request_id::Ids::default(),
            metrics: Metrics::new(),
            traces: options.traces,
        }
    }

    /// Label the requests to these models from now on.
    pub(crate) fn set_models(&self, models: BTreeSet<String>, default_model: Option<&str>) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        *names = route::Labels::new(models, default_model);
    }

    fn call(&self, uri: &Uri) -> route::Called {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names.call(uri)
    }

    /// Start the record of a request.
    pub(crate) fn begin<B>(self: &Arc<Self>, request: &Request<B>) -> Record {
        Record::new(self, request)
    }

    fn finish(&self, request: &record::Finished<'_>) {
        self.metrics.request(request);
        let trace_id = match &self.traces {
            Some(traces) => Some(traces.export(request)),
            None => request
                .parent
                .map(opentelemetry::trace::SpanContext::trace_id),
        };
        access_log::write(request, trace_id);
    }
}
