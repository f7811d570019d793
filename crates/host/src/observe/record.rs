//! What is known of one request, from its first line to its end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use opentelemetry::trace::SpanContext;

use super::route::Called;
use super::server_timing::{GuestPhase, GuestTiming};
use super::{Observer, trace};

/// The status of a request whose client went away before it had an answer, as nginx has it.
const CLIENT_WENT_AWAY: u16 = 499;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Collects what is known of a request; when it is dropped, the request has ended, and log, metrics and traces
/// have it.
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

/// When the head of the answer came, and what it said.
struct Answered {
    status: u16,
    /// What it says of the body's size, after which hyper asks for no more of it.
    body_bytes: Option<u64>,
    after: Duration,
    timing: GuestTiming,
}

/// Where the task that runs the guest leaves how long its instance took to make.
#[derive(Clone, Default)]
pub(crate) struct Instantiated(Arc<OnceLock<Duration>>);

impl Instantiated {
    /// It was begun then, and is made now.
    pub(crate) fn since(&self, begun: Instant) {
        // A request has one instance.
        _ = self.0.set(begun.elapsed());
    }
}

/// A phase of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PhaseTime {
    pub(crate) name: &'static str,
    /// Since the request began. A guest says only how long its phases took: they are taken to have followed
    /// each other until its answer came.
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
    /// Whether the client has less than the whole answer.
    pub(crate) is_cut_off: bool,
    pub(crate) begun_at: SystemTime,
    /// Until the last byte of the answer was handed to the connection.
    pub(crate) total: Duration,
    pub(crate) phases: Vec<PhaseTime>,
    /// Of the body, as far as it was read.
    pub(crate) request_bytes: u64,
    /// Of the body, as far as it was sent.
    pub(crate) answer_bytes: u64,
    pub(crate) parent: Option<&'a SpanContext>,
}

impl Record {
    pub(super) fn new<B>(observer: &Arc<Observer>, request: &Request<B>) -> Self {
        Self {
            id: observer.ids.of(request.headers()),
            method: known_method(request.method()),
            called: observer.names.call(request.uri()),
            parent: trace::parent(request.headers()),
            begun: Instant::now(),
            begun_at: SystemTime::now(),
            queued: None,
            request_bytes: Arc::default(),
            instantiated: Instantiated::default(),
            answered: None,
            answer_bytes: 0,
            // A body is never begun where there is none to send.
            is_whole: request.method() == Method::HEAD,
            observer: Arc::clone(observer),
        }
    }

    /// The request's id.
    pub(crate) fn id(&self) -> &HeaderValue {
        &self.id
    }

    /// The same, for logs.
    pub(crate) fn id_text(&self) -> &str {
        self.id.to_str().unwrap_or_default()
    }

    /// Its turn has come.
    pub(crate) fn queued(&mut self) {
        self.queued = Some(self.begun.elapsed());
    }

    /// Where its body is counted.
    pub(crate) fn request_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.request_bytes)
    }

    /// Where its instance's making is timed.
    pub(crate) fn instantiated(&self) -> Instantiated {
        self.instantiated.clone()
    }

    /// The answer's head is there.
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

    /// Bytes of the answer's body are on their way.
    pub(super) fn sent(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.answer_bytes = self.answer_bytes.saturating_add(bytes);
    }

    /// There is no more of the answer.
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
            status: (self.answered.as_ref()).map_or(CLIENT_WENT_AWAY, |answered| answered.status),
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

/// A method's name, or `_OTHER` for what clients make up, as OpenTelemetry's conventions have it.
fn known_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ];
    let is_known = |known: &&str| *known == method.as_str();
    KNOWN.into_iter().find(is_known).unwrap_or("_OTHER")
}
