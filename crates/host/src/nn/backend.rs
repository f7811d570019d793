//! The traits behind which a native library computes.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use infer_tensor::{Datatype, Error, Signature};

/// A native library.
pub trait Backend: Send + Sync {
    /// The library, its version and its device, in words.
    fn describe(&self) -> String;

    /// Load a graph from its file, for inferences on that share of the processor.
    ///
    /// # Errors
    /// `InvalidEncoding` for a file that cannot be read, `UnsupportedOperation` for an operator or datatype that the
    /// library or wasi-nn lacks. The message is the library's.
    fn load(&self, source: &GraphSource, share: Share) -> Result<Box<dyn Graph>, Error>;

    /// Whether a [`Share`] makes a difference, as it does on a processor.
    fn has_shares(&self) -> bool;

    /// Copy a guest's tensor into memory that the library computes from, so that it is copied only once. The tensor
    /// has not been checked.
    fn adopt(&self, _datatype: Datatype, _shape: &[u32], bytes: &[u8]) -> Shared {
        Shared::new(Bytes::copy_from_slice(bytes))
    }
}

/// The share of a processor that an inference gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// All threads: the lowest latency of a single inference.
    Whole,
    /// One thread: the highest throughput, if there are as many inferences at a time as threads.
    OneThread,
}

/// A graph that is ready to compute, on several threads at once.
pub trait Graph: Send + Sync {
    /// The graph's inputs and outputs.
    fn signature(&self) -> &Signature;

    /// Compute once. `inputs` are in the graph's order and have passed [`Signature::check`]; the outputs are in the
    /// graph's order.
    ///
    /// # Errors
    /// `RuntimeError` with the library's message, also for an inference that was cancelled.
    fn compute(&self, inputs: &[Tensor], cancellation: &Cancellation)
    -> Result<Vec<Tensor>, Error>;
}

/// The memory that holds a tensor's elements, row-major and little-endian.
pub trait Data: Any + Send + Sync {
    /// The elements.
    fn bytes(&self) -> &[u8];
}

impl Data for Bytes {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// A tensor's elements, which several tensors may share: a guest may compute with a tensor and go on reading it.
#[derive(Clone)]
pub struct Shared(Arc<dyn Data>);

impl Shared {
    /// The elements in that memory.
    pub fn new(data: impl Data) -> Self {
        Self(Arc::new(data))
    }

    /// The memory, if a backend of that type has made it.
    pub(super) fn downcast_ref<T: Data>(&self) -> Option<&T> {
        let any: &dyn Any = &*self.0;
        any.downcast_ref()
    }
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

/// A tensor on the host.
pub type Tensor = infer_tensor::Tensor<Shared>;

/// A graph's file, and the settings of its inferences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphSource {
    /// The name by which guests load the graph.
    pub name: String,
    /// The ONNX file; `None` if there is only OpenVINO's form.
    pub onnx: Option<PathBuf>,
    /// OpenVINO's form of the graph, `model.xml` with `model.bin` beside it.
    pub openvino_ir: Option<PathBuf>,
    /// The names that guests use for inputs and outputs.
    pub tensor_names: Vec<String>,
    /// The precision of FP32 graphs.
    pub precision: Precision,
    /// When to batch requests; `None` for never.
    pub batching: Option<Batching>,
}

impl GraphSource {
    /// An ONNX file in FP32, without batching.
    #[must_use]
    pub fn of_file(name: &str, onnx: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            onnx: Some(onnx),
            openvino_ir: None,
            tensor_names: Vec::new(),
            precision: Precision::Fp32,
            batching: None,
        }
    }
}

/// The precision of FP32 graphs, if the library and the device offer several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// FP32, as in the graph.
    #[default]
    Fp32,
    /// FP16, if the device has it.
    Fp16,
    /// BF16, if the device has it.
    Bf16,
    /// The one that the library expects to be fastest on the device.
    Fastest,
}

/// When requests run as one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// The most items in a batch: the sum of the first dimensions.
    pub max_size: u32,
    /// The longest that the first request waits for others.
    pub max_delay: Duration,
}

/// Cancels a running inference, because its client is gone or its time is up.
#[derive(Default)]
pub struct Cancellation {
    is_cancelled: AtomicBool,
    on_cancel: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Cancellation {
    /// Cancel. Returns at once; the inference ends when the library next checks.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::SeqCst);
        if let Some(hook) = self.hook().take() {
            hook();
        }
    }

    /// Whether the inference was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::SeqCst)
    }

    /// Call `hook` on cancellation, or now if the inference has been cancelled.
    pub fn on_cancel(&self, hook: impl FnOnce() + Send + 'static) {
        *self.hook() = Some(Box::new(hook));
        // A cancellation between the two lines above has missed the hook or has taken it.
        if self.is_cancelled()
            && let Some(hook) = self.hook().take()
        {
            hook();
        }
    }

    fn hook(&self) -> std::sync::MutexGuard<'_, Option<Box<dyn FnOnce() + Send>>> {
        self.on_cancel
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_called_once_in_either_order() {
        let calls = Arc::new(Mutex::new(0));
        let count = || {
            let calls = Arc::clone(&calls);
            move || *calls.lock().unwrap() += 1
        };
        let before = Cancellation::default();
        before.on_cancel(count());
        assert!(!before.is_cancelled());
        before.cancel();
        before.cancel();
        assert!(before.is_cancelled());
        assert_eq!(*calls.lock().unwrap(), 1);
        let after = Cancellation::default();
        after.cancel();
        after.on_cancel(count());
        assert_eq!(*calls.lock().unwrap(), 2);
    }
}
