//! A compiled graph, and inferences with its requests.

use std::sync::Arc;

use infer_tensor::{Datatype, Error, Signature, TensorInfo};
use openvino::{CompiledModel, InferenceError, InferenceErrorKind};

use super::failed;
use super::pool::{Lease, Pool};
use super::tensor::OpenVinoTensor;
use crate::nn::backend::{Cancellation, Graph, Shared, Tensor};

/// The interval at which a thread that waits for an inference checks for cancellation.
const POLL_MS: i64 = 20;

/// A graph compiled for the device.
pub(super) struct OpenVinoGraph {
    pool: Arc<Pool>,
    signature: Signature,
    /// Whether the device's plugin silently computes INT64 and FP64 in 32 bits.
    is_narrow: bool,
}

impl OpenVinoGraph {
    /// A graph, if it can make a request.
    pub(super) fn new(
        compiled: CompiledModel,
        signature: Signature,
        is_narrow: bool,
    ) -> Result<Self, InferenceError> {
        let pool = Pool::new(compiled);
        drop(pool.lease()?);
        Ok(Self {
            pool,
            signature,
            is_narrow,
        })
    }
}

impl Graph for OpenVinoGraph {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn compute(
        &self,
        inputs: &[Tensor],
        cancellation: &Cancellation,
    ) -> Result<Vec<Tensor>, Error> {
        let mut request = self.pool.lease().map_err(|error| failed(&error))?;
        for (index, (tensor, info)) in inputs.iter().zip(&self.signature.inputs).enumerate() {
            self.check_values(tensor, info)?;
            let copy;
            let adopted = match tensor.data.downcast_ref::<OpenVinoTensor>() {
                // A guest's BOOL tensor was adopted as UINT8.
                Some(adopted) if adopted.datatype() == tensor.datatype => adopted,
                _ => {
                    copy = OpenVinoTensor::copy(tensor.datatype, &tensor.shape, tensor.bytes())?;
                    &copy
                }
            };
            request
                .set_input_tensor_by_index(index, adopted.tensor())
                .map_err(|error| failed(&error))?;
        }
        request.infer_async().map_err(|error| failed(&error))?;
        while let Err(error) = request.wait(POLL_MS) {
            if error.kind != InferenceErrorKind::ResultNotReady {
                // A request is in an unknown state after a failure, so that no other inference may reuse it.
                request.discard();
                return Err(failed(&error));
            }
            if cancellation.is_cancelled() {
                // The wait ends with an error once the request has stopped.
                _ = request.cancel();
            }
        }
        let request = Arc::new(request);
        self.signature
            .outputs
            .iter()
            .enumerate()
            .map(|(index, info)| output(&request, index, info))
            .collect()
    }
}

impl OpenVinoGraph {
    fn check_values(&self, tensor: &Tensor, info: &TensorInfo) -> Result<(), Error> {
        if !self.is_narrow {
            return Ok(());
        }
        let (elements, _) = tensor.bytes().as_chunks::<8>();
        let unfit = match tensor.datatype {
            Datatype::Int64 => first(elements, i64::from_le_bytes, |value| {
                i32::try_from(value).is_err()
            })
            .map(|(index, value)| (index, value.to_string(), "INT64")),
            Datatype::Fp64 => first(elements, f64::from_le_bytes, |value| {
                value.is_finite() && value.abs() > f64::from(f32::MAX)
            })
            .map(|(index, value)| (index, format!("{value:e}"), "FP64")),
            _ => None,
        };
        match unfit {
            None => Ok(()),
            Some((index, value, datatype)) => Err(Error::invalid(format!(
                "input `{}` has the {datatype} value {value} at index {index}; OpenVINO computes {datatype} in \
                 32 bits on this device, where that does not fit",
                info.name
            ))),
        }
    }
}

/// The first element for which `is_wanted` is true, with its index.
fn first<T: Copy>(
    elements: &[[u8; 8]],
    from_bytes: fn([u8; 8]) -> T,
    is_wanted: fn(T) -> bool,
) -> Option<(usize, T)> {
    let mut values = elements.iter().map(|bytes| from_bytes(*bytes)).enumerate();
    values.find(|(_, value)| is_wanted(*value))
}

/// An output in the request's memory, which no other inference uses before the output is dropped.
fn output(request: &Arc<Lease>, index: usize, info: &TensorInfo) -> Result<Tensor, Error> {
    let unexpected =
        |what: &str| Error::runtime(format!("OpenVINO computed output `{}` {what}", info.name));
    let datatype = info.wasi_nn_datatype()?;
    let tensor = request
        .get_output_tensor_by_index(index)
        .map_err(|error| failed(&error))?;
    let actual = tensor.get_element_type().map_err(|error| failed(&error))?;
    if actual != datatype.into() {
        return Err(unexpected("in another datatype than declared"));
    }
    let shape = tensor.get_shape().map_err(|error| failed(&error))?;
    let shape = shape
        .get_dimensions()
        .iter()
        .map(|size| u32::try_from(*size))
        .collect::<Result<Vec<u32>, _>>()
        .map_err(|_| unexpected("with a dimension of more than 2^32"))?;
    let bytes = tensor.get_byte_size().map_err(|error| failed(&error))?;
    if datatype.tensor_bytes(&shape) != Some(bytes) {
        return Err(unexpected(
            "with another number of bytes than its shape has",
        ));
    }
    Ok(Tensor {
        datatype,
        shape,
        data: Shared::new(OpenVinoTensor::of_request(tensor, datatype, bytes, request)),
    })
}
