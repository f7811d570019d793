//! What one request, and all of them together, may take.

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

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_timeout: DEFAULT_REQUEST_TIMEOUT,
            instance_memory_bytes: DEFAULT_INSTANCE_MEMORY_BYTES,
            max_instances: DEFAULT_MAX_INSTANCES,
            max_waiting: DEFAULT_MAX_WAITING,
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
        }
    }
}
