//! The record of one request, from its first line to the end of its response.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use opentelemetry::trace::SpanContext;

use super::route::Called;
use super::server_timing::{GuestPhase, GuestTiming};
use super::{Observer, trace};

/// The status of a request whose client disconnected before the response; nginx's convention.
const CLIENT_CLOSED_REQUEST: u16 = 499;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Collects the measurements of a request. Dropping it ends the request and reports it to log, metrics and traces.
pub(crate) struct Record {
    observer: Arc<Observer>,
    id: HeaderValue,
    method: &'static str,
    called: Called,
    parent: Option<SpanContext>,
    begun: Instant,
    begun_at: SystemTime,
    queued: Option<Duration>,
    request_bytes: Arc<AtomicU64>,
    instantiated: Instantiated,
    answered: Option<Answered>,
    answer_bytes: u64,
    is_whole: bool,
}

/// The head of the response.
struct Answered {
    status: u16,
    /// `Content-Length`, after which hyper stops polling the body.
    body_bytes: Option<u64>,
    after: Duration,
    timing: GuestTiming,
}

/// Receives the instantiation time from the future that runs the guest.
#[derive(Clone, Default)]
pub(crate) struct Instantiated(Arc<OnceLock<Duration>>);

impl Instantiated {
    /// Instantiation began at `begun` and ends now.
    pub(crate) fn since(&self, begun: Instant) {
        // A request has one instance, so the cell is empty.
        _ = self.0.set(begun.elapsed());
    }
}

/// A phase of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PhaseTime {
    pub(crate) name: &'static str,
    /// Offset from the start of the request. A guest reports only durations, so its phases are assumed to follow
    /// each other and to end at its response.
    pub(crate) start: Duration,
    pub(crate) duration: Duration,
}

/// A request that has ended.
pub(crate) struct Finished<'a> {
    pub(crate) id: &'a str,
    pub(crate) method: &'static str,
    pub(crate) route: &'static str,
    pub(crate) model: &'a str,
    pub(crate) status: u16,
    /// Whether the client got less than the whole response.
    pub(crate) is_cut_off: bool,
    pub(crate) begun_at: SystemTime,
    /// Until the last byte of the response was handed to the connection.
    pub(crate) total: Duration,
    pub(crate) phases: Vec<PhaseTime>,
    /// Bytes of the request body that were read.
    pub(crate) request_bytes: u64,
    /// Bytes of the response body that were sent.
    pub(crate) answer_bytes: u64,
    pub(crate) parent: Option<&'a SpanContext>,
}

impl Record {
    pub(super) fn new<B>(observer: &Arc<Observer>, request: &Request<B>) -> Self {
        Self {
            id: observer.ids.of(request.headers()),
            method: known_method(request.method()),
            called: observer.call(request.uri()),
            parent: trace::parent(request.headers()),
            begun: Instant::now(),
            begun_at: SystemTime::now(),
            queued: None,
            request_bytes: Arc::default(),
            instantiated: Instantiated::default(),
            answered: None,
            answer_bytes: 0,
            // The response to HEAD has no body, which hyper never polls.
            is_whole: request.method() == Method::HEAD,
            observer: Arc::clone(observer),
        }
    }

    /// The request's id.
    pub(crate) fn id(&self) -> &HeaderValue {
        &self.id
    }

    /// The request's id as text, for logs.
    pub(crate) fn id_text(&self) -> &str {
        self.id.to_str().unwrap_or_default()
    }

    /// The request left the queue.
    pub(crate) fn queued(&mut self) {
        self.queued = Some(self.begun.elapsed());
    }

    /// The counter of request body bytes.
    pub(crate) fn request_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.request_bytes)
    }

    /// The cell for the instantiation time.
    pub(crate) fn instantiated(&self) -> Instantiated {
        self.instantiated.clone()
    }

    /// Record the head of the response.
    pub(crate) fn answered<B>(&mut self, response: &Response<B>) {
        let header = |name| response.headers().get(name)?.to_str().ok();
        let timing = header(SERVER_TIMING);
        self.answered = Some(Answered {
            status: response.status().as_u16(),
            body_bytes: header(CONTENT_LENGTH).and_then(|bytes| bytes.parse().ok()),
            after: self.begun.elapsed(),
            timing: timing.map(GuestTiming::parse).unwrap_or_default(),
        });
    }

    /// Count bytes of the response body.
    pub(super) fn sent(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.answer_bytes = self.answer_bytes.saturating_add(bytes);
    }

    /// The response body is complete.
    pub(super) fn ends(&mut self) {
        self.is_whole = true;
    }

    fn phases(&self) -> Vec<PhaseTime> {
        let mut phases = Vec::with_capacity(2 + GuestPhase::ALL.len());
        let Some(queued) = self.queued else {
            return phases;
        };
        phases.push(PhaseTime {
            name: "queue",
            start: Duration::ZERO,
            duration: queued,
        });
        if let Some(duration) = self.instantiated.0.get() {
            phases.push(PhaseTime {
                name: "instantiate",
                start: queued,
                duration: *duration,
            });
        }
        if let Some(answered) = &self.answered {
            let took = |phase| answered.timing.get(phase);
            let all: Duration = GuestPhase::ALL.into_iter().filter_map(took).sum();
            let mut start = answered.after.saturating_sub(all);
            for phase in GuestPhase::ALL {
                if let Some(duration) = took(phase) {
                    phases.push(PhaseTime {
                        name: phase.name(),
                        start,
                        duration,
                    });
                    start += duration;
                }
            }
        }
        phases
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let finished = Finished {
            id: self.id_text(),
            method: self.method,
            route: self.called.route,
            model: &self.called.model,
            status: (self.answered.as_ref())
                .map_or(CLIENT_CLOSED_REQUEST, |answered| answered.status),
            is_cut_off: !self.is_whole
                && (self.answered.as_ref())
                    .is_none_or(|answered| answered.body_bytes != Some(self.answer_bytes)),
            begun_at: self.begun_at,
            total: self.begun.elapsed(),
            phases: self.phases(),
            request_bytes: self.request_bytes.load(Ordering::Relaxed),
            answer_bytes: self.answer_bytes,
            parent: self.parent.as_ref(),
        };
        self.observer.finish(&finished);
    }
}

/// A method's name, or `_OTHER` for an unknown method, by OpenTelemetry's semantic conventions.
fn known_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ];
    let is_known = |known: &&str| *known == method.as_str();
    KNOWN.into_iter().find(is_known).unwrap_or("_OTHER")
}
