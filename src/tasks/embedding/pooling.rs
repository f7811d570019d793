//! One vector per text, like the modules `Pooling` and `Normalize` of `sentence-transformers`.

use infer_model_card::{Datatype, EmbeddingSpec, Pooling, Side};

use crate::http::error::ApiError;
use crate::tensor::Tensor;

/// The smallest divisor of a normalization, like torch's `normalize`.
const MIN_NORM: f64 = 1e-12;

/// Vectors of equal size.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors {
    /// The number of components of each vector.
    pub size: usize,
    /// All vectors, concatenated.
    pub values: Vec<f32>,
}

impl Vectors {
    /// Each vector.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks(self.size.max(1))
    }

    /// The vectors as an FP32 tensor of shape `[texts, size]`.
    ///
    /// # Errors
    /// 500 when a dimension exceeds 32 bits.
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

/// Append the vectors of one batch. `lengths` has the number of tokens in each text, and `side` is the end of
/// a text that is padded.
///
/// # Errors
/// 500 when the output's shape is not the batch's.
pub fn pool(
    output: &Tensor,
    spec: &EmbeddingSpec,
    lengths: &[usize],
    side: Side,
    vectors: &mut Vectors,
) -> Result<(), ApiError> {
    let unfit = || {
        ApiError::internal(format!(
            "output `{}` has shape {:?}, which does not fit {} texts",
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

/// Pool the tokens of one text, which has at least one.
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

/// Scale a vector to length 1.
pub fn normalize(vector: &mut [f32]) {
    let squares: f64 = vector.iter().map(|value| f64::from(*value).powi(2)).sum();
    let norm = squares.sqrt().max(MIN_NORM);
    for value in vector {
        *value = (f64::from(*value) / norm) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_does_not_count() {
        // Two texts of three tokens of two components; the second has one token and padding.
        let values: [f32; 12] = [
            3.0, 0.0, 1.0, 4.0, 2.0, 2.0, // first
            0.0, 5.0, 99.0, 99.0, 99.0, 99.0, // second
        ];
        let output = Tensor {
            datatype: Datatype::Fp32,
            shape: vec![2, 3, 2],
            data: values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        };
        let spec = |pooling, normalize| EmbeddingSpec {
            output: "y".to_owned(),
            pooling,
            normalize,
        };
        let pooled = |pooling, normalize| {
            let mut vectors = Vectors::default();
            let spec = spec(pooling, normalize);
            pool(&output, &spec, &[3, 1], Side::Right, &mut vectors).map(|()| vectors.values)
        };
        assert_eq!(pooled(Pooling::Mean, false).unwrap(), [2.0, 2.0, 0.0, 5.0]);
        assert_eq!(pooled(Pooling::Cls, false).unwrap(), [3.0, 0.0, 0.0, 5.0]);
        assert_eq!(pooled(Pooling::Max, false).unwrap(), [3.0, 4.0, 0.0, 5.0]);
        assert_eq!(pooled(Pooling::Last, false).unwrap(), [2.0, 2.0, 0.0, 5.0]);
        assert_eq!(pooled(Pooling::Cls, true).unwrap(), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(
            pooled(Pooling::None, true).unwrap_err().kind().status(),
            500
        );
        let mut vectors = Vectors::default();
        let left = spec(Pooling::Last, false);
        pool(&output, &left, &[3, 1], Side::Left, &mut vectors).unwrap();
        assert_eq!(vectors.values, [2.0, 2.0, 99.0, 99.0]);
        for lengths in [&[3][..], &[3, 4], &[3, 1, 1]] {
            let error = pool(&output, &left, lengths, Side::Left, &mut vectors).unwrap_err();
            assert_eq!(error.kind().status(), 500, "{lengths:?}");
        }
    }
}
