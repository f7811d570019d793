//! Traces: the client's context (W3C Trace Context), and spans for a collector (OTLP over HTTP).
//!
//! A request's spans are created after it has ended, from times that the record holds anyway. Tracing costs nothing
//! while a request is served.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use hyper::{HeaderMap, Uri};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceId, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::record::{Finished, PhaseTime};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The collector's path for traces (OTLP 1.x, section OTLP/HTTP Request).
const TRACES_PATH: &str = "/v1/traces";

/// Time limit for exporting a batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit for exporting the last batch at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// The client's span that a request belongs to; `None` if the client sent none, or an invalid one.
pub(crate) fn parent(headers: &HeaderMap) -> Option<SpanContext> {
    let mut parents = headers.get_all(TRACEPARENT).into_iter();
    let parent = parents.next()?.to_str().ok()?;
    // With several headers, none can be trusted.
    if parents.next().is_some() || !is_well_formed(parent) {
        return None;
    }
    let states: Vec<&str> = headers
        .get_all(TRACESTATE)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let sent = Sent {
        parent,
        state: states.join(","),
    };
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &sent);
    let span = context.span().span_context().clone();
    span.is_valid().then_some(span)
}

/// Whether a `traceparent` has the specification's form. The library accepts numbers of any length.
fn is_well_formed(parent: &str) -> bool {
    const LENGTH: usize = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".len();
    let bytes = parent.as_bytes();
    let fits = bytes
        .iter()
        .take(LENGTH)
        .enumerate()
        .all(|(at, byte)| match at {
            2 | 35 | 52 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    // Future versions may append fields after another dash.
    let ends_well = match bytes.get(LENGTH) {
        None => bytes.len() == LENGTH,
        Some(next) => *next == b'-' && !parent.starts_with("00"),
    };
    fits && ends_well
}

/// A request's trace headers, as the library reads them.
struct Sent<'a> {
    parent: &'a str,
    state: String,
}

impl Extractor for Sent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => Some(self.parent),
            TRACESTATE if !self.state.is_empty() => Some(&self.state),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}

/// Why traces cannot be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The collector's address is invalid.
    #[error("`{url}` is not a collector's address, expected a URL such as http://127.0.0.1:4318")]
    Url {
        /// The address.
        url: String,
    },
    /// The exporter could not be created.
    #[error("traces cannot be exported: {0}")]
    Exporter(#[from] ExporterBuildError),
}

/// Sends spans to a collector, in batches and in the background. Requests never wait for it, and spans that it does
/// not accept are lost.
#[derive(Clone, Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Export to the collector at that address (`http://host:port`), as OTLP protobuf to `/v1/traces`. OpenTelemetry's
    /// `OTEL_*` variables for sampling, headers and resources apply.
    ///
    /// # Errors
    /// When the address is not a URL with the scheme `http`.
    pub fn export_to(url: &str) -> Result<Self, TraceError> {
        let is_http = Uri::from_str(url)
            .is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.authority().is_some());
        if !is_http {
            return Err(TraceError::Url {
                url: url.to_owned(),
            });
        }
        let base = url.trim_end_matches('/');
        let endpoint = match base.ends_with(TRACES_PATH) {
            true => base.to_owned(),
            false => format!("{base}{TRACES_PATH}"),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new())
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(Resource::builder().with_service_name("infer").build())
            .build();
        let tracer = provider.tracer("infer-host");
        Ok(Self { provider, tracer })
    }

    /// Export the remaining spans and stop.
    pub fn shutdown(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT) {
            tracing::warn!("cannot export the last traces: {error}");
        }
    }

    /// Export a request's span and a child span per phase. Returns the trace's id.
    pub(crate) fn export(&self, request: &Finished<'_>) -> TraceId {
        let parent = match request.parent {
            Some(span) => Context::new().with_remote_span_context(span.clone()),
            None => Context::new(),
        };
        let mut attributes = vec![
            KeyValue::new("http.request.method", request.method),
            KeyValue::new("http.route", request.route),
            KeyValue::new("http.response.status_code", i64::from(request.status)),
            KeyValue::new("http.request.body.size", integer(request.request_bytes)),
            KeyValue::new("http.response.body.size", integer(request.answer_bytes)),
            KeyValue::new("infer.request.id", request.id.to_owned()),
        ];
        if !request.model.is_empty() {
            attributes.push(KeyValue::new("infer.model", request.model.to_owned()));
        }
        let mut span = SpanBuilder::from_name(format!("{} {}", request.method, request.route))
            .with_kind(SpanKind::Server)
            .with_start_time(request.begun_at)
            .with_attributes(attributes)
            .start_with_context(&self.tracer, &parent);
        if request.status >= 500 || request.is_cut_off {
            span.set_status(Status::error(""));
        }
        let trace_id = span.span_context().trace_id();
        let context = parent.with_remote_span_context(span.span_context().clone());
        for phase in &request.phases {
            self.export_phase(phase, request.begun_at, &context);
        }
        span.end_with_timestamp(request.begun_at + request.total);
        trace_id
    }

    fn export_phase(&self, phase: &PhaseTime, begun_at: SystemTime, context: &Context) {
        let start = begun_at + phase.start;
        SpanBuilder::from_name(phase.name)
            .with_start_time(start)
            .start_with_context(&self.tracer, context)
            .end_with_timestamp(start + phase.duration);
    }
}

fn integer(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The exporter's HTTP client. The exporter has its own thread, so a blocking client is enough.
#[derive(Debug)]
struct Collector {
    agent: ureq::Agent,
    /// Whether the last batch failed, so that the warning appears once and not with every batch.
    is_unreachable: AtomicBool,
}

impl Collector {
    fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(EXPORT_TIMEOUT))
            .http_status_as_error(false)
            // The operator names the collector; no proxy or redirect may change it.
            .proxy(None)
            .max_redirects(0)
            .build();
        Self {
            agent: config.into(),
            is_unreachable: AtomicBool::new(false),
        }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        /// A collector's response is empty or holds a short error.
        const MAX_RESPONSE_BYTES: u64 = 64 * 1024;
        let (head, body) = request.into_parts();
        let response = self.agent.run(Request::from_parts(head, &body[..]))?;
        let (head, mut body) = response.into_parts();
        let body = body.with_config().limit(MAX_RESPONSE_BYTES).read_to_vec()?;
        Ok(Response::from_parts(head, Bytes::from(body)))
    }
}

// The library's trait requires `async_trait`.
#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request);
        let problem = match &sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it responded {}", response.status())),
            Err(error) => Some(error.to_string()),
        };
        let was_unreachable = self
            .is_unreachable
            .swap(problem.is_some(), Ordering::Relaxed);
        if let Some(problem) = problem.filter(|_| !was_unreachable) {
            tracing::warn!("cannot export traces, which are lost: {problem}");
        }
        Ok(sent?)
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn valid_parents_are_accepted() {
        let taken = [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff",
            // Future versions: the known fields are read.
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like",
        ];
        let ignored = [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b70-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        ];
        let parse = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            parent(&HeaderMap::from_iter([(
                hyper::header::HeaderName::from_static(TRACEPARENT),
                value,
            )]))
        };
        let mut wrong = Vec::new();
        for text in taken {
            let trace = parse(text).map(|span| span.trace_id().to_string());
            if trace.as_deref() != Some(TRACE) {
                wrong.push(format!("{text}: {trace:?}"));
            }
        }
        for text in ignored {
            if let Some(span) = parse(text) {
                wrong.push(format!("{text}: {span:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn the_state_belongs_to_its_parent_and_two_parents_are_ignored() {
        let mut headers = HeaderMap::new();
        let parent_value = format!("00-{TRACE}-00f067aa0ba902b7-01");
        headers.append(TRACEPARENT, parent_value.parse().unwrap());
        headers.append(TRACESTATE, HeaderValue::from_static("a=1,b=2"));
        headers.append(TRACESTATE, HeaderValue::from_static("c=3"));
        let span = parent(&headers).unwrap();
        assert_eq!(span.trace_state().header(), "a=1,b=2,c=3");
        assert!(span.is_sampled());
        headers.insert(TRACESTATE, HeaderValue::from_static("no state"));
        assert_eq!(parent(&headers).unwrap().trace_state().header(), "");
        headers.append(TRACEPARENT, parent_value.parse().unwrap());
        assert_eq!(parent(&headers), None);
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for url in [
            "",
            "localhost:4318",
            "https://localhost:4318",
            "grpc://a",
            "http://",
            "not a url",
        ] {
            let error = Traces::export_to(url).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "`{url}` is not a collector's address, expected a URL such as http://127.0.0.1:4318"
                )
            );
        }
    }
}
