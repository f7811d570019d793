//! A library that computes, seen through two small traits.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use infer_tensor::{Datatype, Error, Signature};

/// A library that computes.
pub trait Backend: Send + Sync {
    /// What computes, for people: the library, its version, the device.
    fn describe(&self) -> String;

    /// Load a graph from its file, to compute on that share of the machine.
    ///
    /// # Errors
    /// With the library's own words: `InvalidEncoding` when the file cannot be read,
    /// `UnsupportedOperation` for what the library or wasi-nn lacks.
    fn load(&self, source: &GraphSource, share: Share) -> Result<Box<dyn Graph>, Error>;

    /// Whether the share makes a difference: it does on a processor.
    fn has_shares(&self) -> bool;

    /// Copy a guest's tensor into memory that the library computes from, so that it need not be copied
    /// again. Nothing about the tensor has been checked.
    fn adopt(&self, _datatype: Datatype, _shape: &[u32], bytes: &[u8]) -> Shared {
        Shared::new(Bytes::copy_from_slice(bytes))
    }
}

/// What an inference has of a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// All threads: the fastest for one inference alone.
    Whole,
    /// One thread: the most inferences a second, when there are as many at a time as threads.
    OneThread,
}

/// A graph that is ready to compute, from several threads at once.
pub trait Graph: Send + Sync {
    /// What the graph declares, in its own names.
    fn signature(&self) -> &Signature;

    /// Compute once. `inputs` are in the order of the graph's inputs and fit their declarations; the
    /// outputs come in the order of the graph's.
    ///
    /// # Errors
    /// `Runtime` with the library's own words, `Timeout`-like ends included: one that was cancelled fails.
    fn compute(&self, inputs: &[Tensor], cancellation: &Cancellation)
    -> Result<Vec<Tensor>, Error>;
}

/// A tensor's elements, row-major and little-endian, in whoever's memory they are.
pub trait Data: Any + Send + Sync {
    /// All of them.
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

/// A graph's file, and how it is to be computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphSource {
    /// The name that guests ask for.
    pub name: String,
    /// The ONNX file; `None` where there is OpenVINO's form alone.
    pub onnx: Option<PathBuf>,
    /// OpenVINO's form of the graph, `model.xml` with `model.bin` beside it.
    pub openvino_ir: Option<PathBuf>,
    /// The names of inputs and outputs that guests know.
    pub tensor_names: Vec<String>,
    /// What FP32 graphs are computed in.
    pub precision: Precision,
    /// Whether inferences that wait together are computed together.
    pub batching: Option<Batching>,
}

/// What FP32 graphs are computed in, where the library and the processor leave a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// FP32, as the graph says.
    #[default]
    Fp32,
    /// FP16 where the device has it.
    Fp16,
    /// BF16 where the device has it.
    Bf16,
    /// What the library finds fastest on the device.
    Fastest,
}

/// When inferences are computed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Items of one batch at most: the sum of the first dimensions.
    pub max_size: u32,
    /// How long the first of them waits for others.
    pub max_delay: Duration,
}

/// Asks a running inference to end early: its client is gone, or its time is up.
#[derive(Default)]
pub struct Cancellation {
    is_cancelled: AtomicBool,
    on_cancel: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Cancellation {
    /// Ask. Returns at once; the inference ends when the library next looks up.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::SeqCst);
        if let Some(hook) = self.hook().take() {
            hook();
        }
    }

    /// Whether it was asked for.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::SeqCst)
    }

    /// What to do when it is asked for; done now if it has been.
    pub fn on_cancel(&self, hook: impl FnOnce() + Send + 'static) {
        *self.hook() = Some(Box::new(hook));
        // Whoever asked between the two lines above did not find the hook, or has taken it.
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
    fn a_hook_is_called_once_whoever_comes_first() {
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
