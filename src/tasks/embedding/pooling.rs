//! One vector a text, as the modules `Pooling` and `Normalize` of `sentence-transformers` make it.

use infer_model_card::{Datatype, EmbeddingSpec, Pooling, Side};

use crate::http::error::ApiError;
use crate::tensor::Tensor;

/// The length that a vector is divided by is at least this (torch's `normalize`).
const MIN_NORM: f64 = 1e-12;

/// Vectors of one size.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors {
    /// How many components each has.
    pub size: usize,
    /// One after the other.
    pub values: Vec<f32>,
}

impl Vectors {
    /// Each of them.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks(self.size.max(1))
    }

    /// `[texts, size]`
    ///
    /// # Errors
    /// 500 when that is more than 32 bits count.
    pub fn into_tensor(self) -> Result<Tensor, ApiError> {
        let size = |size: usize| {
            u32::try_from(size).map_err(|_| ApiError::internal(format!("{size} components")))
        };
        Ok(Tensor {
            datatype: Datatype::Fp32,
            shape: vec![size(self.rows().count())?, size(self.size)?],
            data: self
                .values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        })
    }
}

/// Append the vectors of a batch to those of the batches before. `lengths` says how many tokens each of
/// its texts has, `side` where the others are.
///
/// # Errors
/// 500 when the output is not of that batch.
pub fn pool(
    output: &Tensor,
    spec: &EmbeddingSpec,
    lengths: &[usize],
    side: Side,
    vectors: &mut Vectors,
) -> Result<(), ApiError> {
    let unfit = || {
        ApiError::internal(format!(
            "output `{}` has the shape {:?}, which is not that of {} texts",
            spec.output,
            output.shape,
            lengths.len()
        ))
    };
    let values = output.floats()?;
    let shape: Vec<usize> = output.shape.iter().map(|size| *size as usize).collect();
    let (count, width, size) = match shape.as_slice() {
        [count, size] if spec.pooling == Pooling::None => (*count, 1, *size),
        [count, width, size] if spec.pooling != Pooling::None => (*count, *width, *size),
        _ => return Err(unfit()),
    };
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let has_room = spec.pooling == Pooling::None || longest <= width;
    if count != lengths.len() || size == 0 || !has_room {
        return Err(unfit());
    }
    vectors.size = size;
    for (text, length) in values.chunks(width * size).zip(lengths) {
        let tokens = match (spec.pooling, side) {
            (Pooling::None, _) => text,
            (_, Side::Right) => &text[..length * size],
            (_, Side::Left) => &text[(width - length) * size..],
        };
        let mut vector = one(tokens, size, spec.pooling);
        if spec.normalize {
            normalize(&mut vector);
        }
        vectors.values.extend(vector);
    }
    Ok(())
}

/// The vector of all tokens of one text, of which there is at least one.
fn one(tokens: &[f32], size: usize, pooling: Pooling) -> Vec<f32> {
    let all = || tokens.chunks_exact(size);
    let vector = match pooling {
        Pooling::Cls => all().next().map(<[f32]>::to_vec),
        Pooling::Last => all().next_back().map(<[f32]>::to_vec),
        Pooling::None => Some(tokens.to_vec()),
        Pooling::Max => all().map(<[f32]>::to_vec).reduce(|mut largest, token| {
            for (largest, value) in largest.iter_mut().zip(token) {
                *largest = largest.max(value);
            }
            largest
        }),
        Pooling::Mean => {
            let mut sums = vec![0.0_f64; size];
            for token in all() {
                for (sum, value) in sums.iter_mut().zip(token) {
                    *sum += f64::from(*value);
                }
            }
            let count = all().len() as f64;
            Some(sums.iter().map(|sum| (sum / count) as f32).collect())
        }
    };
    vector.unwrap_or_default()
}

/// Bring a vector to length 1.
pub fn normalize(vector: &mut [f32]) {
    let squares: f64 = vector.iter().map(|value| f64::from(*value).powi(2)).sum();
    let norm = squares.sqrt().max(MIN_NORM);
    for value in vector {
        *value = (f64::from(*value) / norm) as f32;
    }
}
