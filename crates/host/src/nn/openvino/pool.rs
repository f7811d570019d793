//! A pool of inference requests.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openvino::{CompiledModel, InferRequest, InferenceError};

/// The inference requests of a graph. Each runs one inference at a time and keeps its memory for the next.
pub(super) struct Pool {
    compiled: Mutex<CompiledModel>,
    idle: Mutex<Vec<InferRequest>>,
}

impl Pool {
    /// An empty pool.
    pub(super) fn new(compiled: CompiledModel) -> Arc<Self> {
        Arc::new(Self {
            compiled: Mutex::new(compiled),
            idle: Mutex::default(),
        })
    }

    /// An idle request, or a new one.
    pub(super) fn lease(self: &Arc<Self>) -> Result<Lease, InferenceError> {
        let idle = locked(&self.idle).pop();
        let request = match idle {
            Some(request) => request,
            None => locked(&self.compiled).create_infer_request()?,
        };
        Ok(Lease {
            request: Some(request),
            pool: Arc::clone(self),
        })
    }
}

/// A request of the pool, which returns to it on drop.
pub(super) struct Lease {
    request: Option<InferRequest>,
    pool: Arc<Pool>,
}

impl Lease {
    /// Drop the request instead of returning it.
    pub(super) fn discard(mut self) {
        self.request = None;
    }
}

impl Deref for Lease {
    type Target = InferRequest;

    fn deref(&self) -> &InferRequest {
        self.request
            .as_ref()
            .expect("taken by `drop` and `discard` alone")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut InferRequest {
        self.request
            .as_mut()
            .expect("taken by `drop` and `discard` alone")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            locked(&self.pool.idle).push(request);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
