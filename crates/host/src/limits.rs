//! What one request, one connection, and all of them together, may take.

use std::time::Duration;

/// The host's limits. Each default has its reason at its constant.
#[derive(Clone, Debug)]
pub struct Limits {
    /// From the first byte of a request to the last of its answer.
    pub request_timeout: Duration,
    /// Of one instance, all its linear memories together.
    pub instance_memory_bytes: usize,
    /// Instances at the same time; requests beyond wait.
    pub max_instances: usize,
    /// Requests that wait for an instance; those beyond are answered 503.
    pub max_waiting: usize,
    /// How long a stopping server waits for running requests.
    pub drain_timeout: Duration,
    /// How long a stopping server goes on as before, but for saying that it is not ready.
    pub drain_delay: Duration,
    /// Request line and headers together. Larger ones are answered 431.
    pub max_header_bytes: usize,
    /// From a request's first byte (or a connection's beginning) to the end of its headers.
    pub header_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub keep_alive_timeout: Duration,
    /// How long a client may send nothing of a body that is waited for; the request is answered 408 then.
    pub body_timeout: Duration,
    /// How long a client may take nothing of an answer; its connection is closed then.
    pub write_timeout: Duration,
    /// Of a body, and of what a connection takes, at the least, once [`Limits::body_timeout`] or
    /// [`Limits::write_timeout`] has been spent on waiting: bytes a second.
    pub min_bytes_per_second: u64,
    /// Of an answer's body, after which it is cut off.
    pub max_answer_bytes: u64,
    /// Open connections; those beyond are answered 503 and closed.
    pub max_connections: usize,
}

/// What Fermyon Cloud and Akamai Functions give a request.
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A 100 MB model that is read from the mount needs its file, its weights and its packed weights.
pub const DEFAULT_INSTANCE_MEMORY_BYTES: usize = 1024 * 1024 * 1024;

/// Inference keeps a core busy, so more instances than cores gain nothing but this: those whose
/// clients are slow to send do not keep the others from computing.
pub const DEFAULT_MAX_INSTANCES: usize = 16;

/// A burst of some hundred clients is served in turn; what waits longer would time out anyway.
pub const DEFAULT_MAX_WAITING: usize = 512;

/// As long as a request may take.
pub const DEFAULT_DRAIN_TIMEOUT: Duration = DEFAULT_REQUEST_TIMEOUT;

/// Who runs the service behind a load balancer sets what that needs to notice.
pub const DEFAULT_DRAIN_DELAY: Duration = Duration::ZERO;

/// What most servers and proxies take.
pub const DEFAULT_MAX_HEADER_BYTES: usize = 64 * 1024;

/// Headers fit a few packets: whoever takes longer is not waiting for an answer.
pub const DEFAULT_HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Longer than the minute for which load balancers keep their connections, so that it is they who close them.
pub const DEFAULT_KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);

/// A mobile connection that changes cells is silent for a few seconds.
pub const DEFAULT_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// As slow as a client may be to send.
pub const DEFAULT_WRITE_TIMEOUT: Duration = DEFAULT_BODY_TIMEOUT;

/// Slower than any connection, and far too fast to hold an instance by a byte now and then.
pub const DEFAULT_MIN_BYTES_PER_SECOND: u64 = 1024;

/// A map of 21 classes for each of 1024x1024 pixels, as JSON text.
pub const DEFAULT_MAX_ANSWER_BYTES: u64 = 256 * 1024 * 1024;

/// More than there are places for requests, and fewer than the 1024 descriptors that a process mostly has.
pub const DEFAULT_MAX_CONNECTIONS: usize = 768;

/// How long inferences may take to end after the last request has.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(5);

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_timeout: DEFAULT_REQUEST_TIMEOUT,
            instance_memory_bytes: DEFAULT_INSTANCE_MEMORY_BYTES,
            max_instances: DEFAULT_MAX_INSTANCES,
            max_waiting: DEFAULT_MAX_WAITING,
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
            drain_delay: DEFAULT_DRAIN_DELAY,
            max_header_bytes: DEFAULT_MAX_HEADER_BYTES,
            header_timeout: DEFAULT_HEADER_TIMEOUT,
            keep_alive_timeout: DEFAULT_KEEP_ALIVE_TIMEOUT,
            body_timeout: DEFAULT_BODY_TIMEOUT,
            write_timeout: DEFAULT_WRITE_TIMEOUT,
            min_bytes_per_second: DEFAULT_MIN_BYTES_PER_SECOND,
            max_answer_bytes: DEFAULT_MAX_ANSWER_BYTES,
            max_connections: DEFAULT_MAX_CONNECTIONS,
        }
    }
}
