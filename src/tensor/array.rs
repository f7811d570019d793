//! Tensors as arrays of `ndarray`, for the arithmetic of tasks.

use infer_tensor::Datatype;
use ndarray::{Array, ArrayD, Dimension, IxDyn};

use super::Tensor;
use crate::http::error::ApiError;

/// The elements of an FP32 or FP16 tensor, in the tensor's shape.
///
/// # Errors
/// 500 for another datatype, which a card's check excludes, and if the number of elements is not the shape's.
pub fn floats(tensor: &Tensor) -> Result<ArrayD<f32>, ApiError> {
    let shape: Vec<usize> = tensor.shape.iter().map(|size| *size as usize).collect();
    ArrayD::from_shape_vec(IxDyn(&shape), tensor.floats()?).map_err(|error| {
        ApiError::internal(format!("a tensor of shape {:?}: {error}", tensor.shape))
    })
}

/// An FP32 tensor with the elements and the shape of an array.
///
/// # Errors
/// 500 when a dimension exceeds 32 bits.
pub fn to_tensor<D: Dimension>(array: &Array<f32, D>) -> Result<Tensor, ApiError> {
    let sizes = array.shape().iter().map(|size| u32::try_from(*size));
    let shape = sizes.collect::<Result<_, _>>().map_err(|_| {
        ApiError::internal(format!(
            "an array of shape {:?} is no tensor",
            array.shape()
        ))
    })?;
    Ok(Tensor {
        datatype: Datatype::Fp32,
        shape,
        data: array.iter().flat_map(|value| value.to_le_bytes()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_and_arrays_have_the_same_elements() {
        let tensor = Tensor {
            datatype: Datatype::Fp32,
            shape: vec![2, 3],
            data: (0_u8..6)
                .flat_map(|value| f32::from(value).to_le_bytes())
                .collect(),
        };
        let array = floats(&tensor).unwrap();
        assert_eq!(array[[1, 0]], 3.0);
        assert_eq!(to_tensor(&array).unwrap(), tensor);
        // In memory the array is transposed, and the tensor is in row-major order.
        let transposed = to_tensor(&array.reversed_axes()).unwrap();
        assert_eq!(transposed.shape, [3, 2]);
        assert_eq!(transposed.floats().unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    }

    #[test]
    fn other_tensors_are_errors() {
        let tensor = |datatype, shape: &[u32], bytes| Tensor {
            datatype,
            shape: shape.to_vec(),
            data: vec![0; bytes],
        };
        for wrong in [
            tensor(Datatype::Fp32, &[2, 3], 20),
            tensor(Datatype::Fp32, &[u32::MAX, u32::MAX, u32::MAX], 4),
            tensor(Datatype::Int32, &[1], 4),
        ] {
            let error = floats(&wrong).unwrap_err();
            assert_eq!(error.kind().status(), 500, "{:?}", wrong.shape);
        }
    }
}
