//! Image embedding: one vector per image.

use infer_model_card::{ImageEmbeddingSpec, Pooling};
use ndarray::{Array2, Axis, Ix2, Ix3};
use serde_json::{Map, Value, json};

use super::embedding::pooling::normalize;
use super::pipeline::{Call, Outcome, Outputs, Pipeline, Runner, output};
use crate::http::error::ApiError;
use crate::http::timing::Phase;
use crate::tensor::{Tensor, array};

/// The name of the output with one vector for each image.
const IMAGE_EMBEDDING: &str = "image_embedding";

/// The pipeline of a model that embeds images.
#[derive(Debug)]
pub(super) struct ImageEmbedder {
    spec: ImageEmbeddingSpec,
}

impl ImageEmbedder {
    pub(super) fn new(spec: ImageEmbeddingSpec) -> Self {
        Self { spec }
    }

    /// The vectors, `[images, components]`.
    fn vectors(&self, tensor: &Tensor) -> Result<Array2<f32>, ApiError> {
        let unfit = || {
            ApiError::internal(format!(
                "output `{}` has shape {:?}, which is not that of the card's `[image_embedding]`",
                self.spec.output, tensor.shape
            ))
        };
        let values = array::floats(tensor)?;
        let mut vectors = if self.spec.pooling == Pooling::None {
            values.into_dimensionality::<Ix2>().map_err(|_| unfit())?
        } else {
            let tokens = values.into_dimensionality::<Ix3>().map_err(|_| unfit())?;
            if tokens.len_of(Axis(1)) == 0 {
                return Err(unfit());
            }
            let tokens = tokens.view();
            match self.spec.pooling {
                Pooling::Mean => tokens.mean_axis(Axis(1)).ok_or_else(unfit)?,
                Pooling::Max => tokens.fold_axis(Axis(1), f32::NEG_INFINITY, |a, b| a.max(*b)),
                Pooling::Last => tokens
                    .index_axis(Axis(1), tokens.len_of(Axis(1)) - 1)
                    .to_owned(),
                Pooling::Cls | Pooling::None => tokens.index_axis(Axis(1), 0).to_owned(),
            }
        };
        if self.spec.normalize {
            vectors.rows_mut().into_iter().for_each(normalize);
        }
        Ok(vectors)
    }
}

impl Pipeline for ImageEmbedder {
    fn infer(&self, call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        let all_outputs = call.wanted.outputs == Outputs::All;
        let mut outputs = runner.run(call.inputs.tensors)?;
        runner.timing().measure(Phase::Encode, || {
            let vectors = self.vectors(output(&outputs, &self.spec.output)?)?;
            let vectors = array::to_tensor(&vectors)?;
            if !all_outputs {
                outputs.clear();
            }
            outputs.retain(|(name, _)| name != IMAGE_EMBEDDING);
            outputs.insert(0, (IMAGE_EMBEDDING.to_owned(), vectors));
            Ok(Outcome::tensors(outputs))
        })
    }

    fn description(&self) -> Map<String, Value> {
        Map::from_iter([("image_embedding".to_owned(), json!(true))])
    }
}
