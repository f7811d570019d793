//! One vector per text, like the modules `Pooling` and `Normalize` of `sentence-transformers`.

use infer_model_card::{EmbeddingSpec, Pooling, Side};
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut1, Ix2, Ix3, s};

use crate::http::error::ApiError;
use crate::tensor::{Tensor, array};

/// The smallest divisor of a normalization, like torch's `normalize`.
const MIN_NORM: f64 = 1e-12;

/// The vectors of one batch, `[texts, components]`. `lengths` has the number of tokens in each text, and `side` is the
/// end of a text that is padded.
///
/// # Errors
/// 500 when the output's shape is not the batch's.
pub fn pool(
    output: &Tensor,
    spec: &EmbeddingSpec,
    lengths: &[usize],
    side: Side,
) -> Result<Array2<f32>, ApiError> {
    let unfit = || {
        ApiError::internal(format!(
            "output `{}` has shape {:?}, which does not fit {} texts",
            spec.output,
            output.shape,
            lengths.len()
        ))
    };
    let values = array::floats(output)?;
    let mut vectors = if spec.pooling == Pooling::None {
        values.into_dimensionality::<Ix2>().map_err(|_| unfit())?
    } else {
        let tokens = values.into_dimensionality::<Ix3>().map_err(|_| unfit())?;
        let (texts, width, size) = tokens.dim();
        let fits = |length: &usize| (1..=width).contains(length);
        if texts != lengths.len() || !lengths.iter().all(fits) {
            return Err(unfit());
        }
        let mut vectors = Array2::zeros((texts, size));
        for ((text, length), mut vector) in tokens.outer_iter().zip(lengths).zip(vectors.rows_mut())
        {
            let tokens = match side {
                Side::Right => text.slice(s![..*length, ..]),
                Side::Left => text.slice(s![width - length.., ..]),
            };
            vector.assign(&one(tokens, spec.pooling));
        }
        vectors
    };
    let (texts, size) = vectors.dim();
    if texts != lengths.len() || size == 0 {
        return Err(unfit());
    }
    if spec.normalize {
        vectors.rows_mut().into_iter().for_each(normalize);
    }
    Ok(vectors)
}

/// Pool the tokens of one text, `[tokens, components]`, of which there is at least one.
fn one(tokens: ArrayView2<'_, f32>, pooling: Pooling) -> Array1<f32> {
    match pooling {
        Pooling::Cls | Pooling::None => tokens.row(0).to_owned(),
        Pooling::Last => tokens.row(tokens.nrows() - 1).to_owned(),
        Pooling::Max => {
            let mut largest = tokens.row(0).to_owned();
            for token in tokens.outer_iter().skip(1) {
                largest.zip_mut_with(&token, |largest, value| *largest = largest.max(*value));
            }
            largest
        }
        Pooling::Mean => {
            let mut sums = Array1::<f64>::zeros(tokens.ncols());
            for token in tokens.outer_iter() {
                sums.zip_mut_with(&token, |sum, value| *sum += f64::from(*value));
            }
            let count = tokens.nrows() as f64;
            sums.mapv(|sum| (sum / count) as f32)
        }
    }
}

/// Scale a vector to length 1.
pub fn normalize(mut vector: ArrayViewMut1<'_, f32>) {
    let squares: f64 = vector.iter().map(|value| f64::from(*value).powi(2)).sum();
    let norm = squares.sqrt().max(MIN_NORM);
    vector.mapv_inplace(|value| (f64::from(value) / norm) as f32);
}

#[cfg(test)]
mod tests {
    use infer_tensor::Datatype;

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
            let spec = spec(pooling, normalize);
            let vectors = pool(&output, &spec, &[3, 1], Side::Right)?;
            Ok::<_, ApiError>(vectors.into_iter().collect::<Vec<f32>>())
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
        let left = spec(Pooling::Last, false);
        let vectors = pool(&output, &left, &[3, 1], Side::Left).unwrap();
        assert_eq!(vectors, ndarray::array![[2.0, 2.0], [99.0, 99.0]]);
        for lengths in [&[3][..], &[3, 4], &[3, 1, 1], &[3, 0]] {
            let error = pool(&output, &left, lengths, Side::Left).unwrap_err();
            assert_eq!(error.kind().status(), 500, "{lengths:?}");
        }
    }
}
