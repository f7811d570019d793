//! What the operator sees of requests: a line in the log ([`access_log`]), metrics ([`metrics`]) and spans
//! ([`trace`]), all of them from one [`record`] a request that is made when it begins and read when it ends.

pub mod access_log;
mod body;
mod metrics;
mod record;
mod request_id;
mod route;
mod server_timing;
mod trace;

use std::collections::BTreeSet;
use std::sync::Arc;

use hyper::Request;

pub(crate) use body::ObservedBody;
pub(crate) use metrics::{CONTENT_TYPE as METRICS_CONTENT_TYPE, Limit, Metrics, Now};
pub(crate) use record::{Instantiated, Record};
pub(crate) use request_id::HEADER as REQUEST_ID;
pub use trace::{TraceError, Traces};

/// What is observed, and how it is called.
#[derive(Clone, Debug, Default)]
pub struct ObserveOptions {
    /// The operator's models. In logs and metrics others are `unknown`.
    pub models: BTreeSet<String>,
    /// Where spans go.
    pub traces: Option<Traces>,
}

/// Takes the records of requests that have ended.
pub(crate) struct Observer {
    names: route::Names,
    ids: request_id::Ids,
    pub(crate) metrics: Metrics,
    traces: Option<Traces>,
}

impl Observer {
    /// `default_model` is the setting of that name.
    pub(crate) fn new(options: ObserveOptions, default_model: Option<&str>) -> Self {
        Self {
            names: route::Names::new(options.models, default_model),
            ids: request_id::Ids::default(),
            metrics: Metrics::new(),
            traces: options.traces,
        }
    }

    /// A request has begun.
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
