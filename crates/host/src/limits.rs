//! Resource limits of a request, a connection and the server.

use std::time::Duration;

/// The host's limits. Each default's constant states its reason.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time limit of a request, from its headers to the last byte of its response; then 504.
    pub request_timeout: Duration,
    /// Linear memory of one instance, all memories together.
    pub instance_memory_bytes: usize,
    /// Concurrent instances; further requests are queued.
    pub max_instances: usize,
    /// Queued requests; further ones get 503.
    pub max_waiting: usize,
    /// Time that a shutdown waits for running requests.
    pub drain_timeout: Duration,
    /// Time that a shutdown keeps serving while the server reports that it is not ready.
    pub drain_delay: Duration,
    /// Size of the request line and headers; larger ones get 431.
    pub max_header_bytes: usize,
    /// Time from a request's first byte (or the start of the connection) to the end of its headers.
    pub header_timeout: Duration,
    /// Idle time of a connection between two requests.
    pub keep_alive_timeout: Duration,
    /// Idle time while a request body is being read; then 408.
    pub body_timeout: Duration,
    /// Idle time while a client reads a response; then the connection is closed.
    pub write_timeout: Duration,
    /// Minimum rate in bytes per second of request bodies and responses, once [`Limits::body_timeout`] or
    /// [`Limits::write_timeout`] has been spent waiting.
    pub min_bytes_per_second: u64,
    /// Size of a response body; a longer response is truncated.
    pub max_answer_bytes: u64,
    /// Open connections; further ones get 503 and are closed.
    pub max_connections: usize,
}

/// The time limit of Fermyon Cloud and Akamai Functions.
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A mounted 100 MB model needs its file, its weights and its packed weights.
pub const DEFAULT_INSTANCE_MEMORY_BYTES: usize = 1024 * 1024 * 1024;

/// Inference keeps a core busy. More instances than cores only help when clients send slowly: those do not keep
/// others from computing.
pub const DEFAULT_MAX_INSTANCES: usize = 16;

/// Enough for a burst of a few hundred clients; requests further back would time out anyway.
pub const DEFAULT_MAX_WAITING: usize = 512;

/// The time limit of a request.
pub const DEFAULT_DRAIN_TIMEOUT: Duration = DEFAULT_REQUEST_TIMEOUT;

/// Operators behind a load balancer set the time that it needs to notice.
pub const DEFAULT_DRAIN_DELAY: Duration = Duration::ZERO;

/// The limit of most servers and proxies.
pub const DEFAULT_MAX_HEADER_BYTES: usize = 64 * 1024;

/// Headers fit into a few packets, so a slower client is not waiting for a response.
pub const DEFAULT_HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Longer than the 60 seconds of common load balancers, so that they close idle connections first.
pub const DEFAULT_KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);

/// A phone that changes cells is silent for a few seconds.
pub const DEFAULT_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The same as for request bodies.
pub const DEFAULT_WRITE_TIMEOUT: Duration = DEFAULT_BODY_TIMEOUT;

/// Slower than any real connection, and fast enough that a trickle of bytes cannot hold an instance.
pub const DEFAULT_MIN_BYTES_PER_SECOND: u64 = 1024;

/// A segmentation map of 21 classes at 1024×1024, as JSON.
pub const DEFAULT_MAX_ANSWER_BYTES: u64 = 256 * 1024 * 1024;

/// More than the requests that can run or wait, and fewer than the usual 1024 file descriptors of a process.
pub const DEFAULT_MAX_CONNECTIONS: usize = 768;

/// Time for cancelled inferences to end after the last request.
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
