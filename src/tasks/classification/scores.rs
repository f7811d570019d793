//! The scores of a classifier's output, with labels.

use infer_model_card::{ClassificationSpec, Labels};
use ndarray::Axis;
use serde::Serialize;

use crate::http::error::ApiError;
use crate::tasks::scores::{activate, best, check_finite};
use crate::tensor::{Tensor, array};

/// A class with its score for one item of the batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The class's label, or its index if the model has no label for it.
    pub label: String,
    /// The class's index.
    pub index: usize,
    /// The score after the activation; 0 to 1 for softmax and sigmoid.
    pub score: f32,
}

/// The best `top_k` classes of each item of the batch, best first; equal scores are ordered by index. The
/// classes are the output's last dimension.
///
/// # Errors
/// 400 when a score is not finite, which JSON cannot represent.
pub fn classify(
    output: &Tensor,
    spec: &ClassificationSpec,
    labels: &Labels,
    top_k: usize,
) -> Result<Vec<Vec<Prediction>>, ApiError> {
    let mut values = array::floats(output)?;
    if values.ndim() == 0 {
        // A number without dimensions is the score of one class.
        values.insert_axis_inplace(Axis(0));
    }
    let rows = values.rows().into_iter().map(|row| {
        let mut scores = row.to_vec();
        activate(&mut scores, spec.activation);
        check_finite(&spec.output, "class", &scores)?;
        let classes = best(&scores, top_k).into_iter().map(|index| Prediction {
            label: labels
                .get(index)
                .map_or_else(|| index.to_string(), str::to_owned),
            index,
            score: scores[index],
        });
        Ok(classes.collect())
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use infer_model_card::Activation;
    use infer_tensor::Datatype;

    use super::*;

    fn output(shape: &[u32], values: &[f32]) -> Tensor {
        Tensor {
            datatype: Datatype::Fp32,
            shape: shape.to_vec(),
            data: values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        }
    }

    fn spec(activation: Activation) -> ClassificationSpec {
        ClassificationSpec {
            output: "y".to_owned(),
            activation,
            labels: None,
            top_k: 5,
        }
    }

    fn shown(predictions: &[Vec<Prediction>]) -> Vec<Vec<(&str, usize, f32)>> {
        predictions
            .iter()
            .map(|row| {
                row.iter()
                    .map(|class| (class.label.as_str(), class.index, class.score))
                    .collect()
            })
            .collect()
    }

    #[test]
    fn classes_are_ordered_by_score_then_index() {
        let labels = Labels::parse("cat\ndog").unwrap();
        let found = classify(
            &output(&[2, 3], &[0.25, 0.5, 0.25, 0.0, 0.1, 0.9]),
            &spec(Activation::None),
            &labels,
            2,
        )
        .unwrap();
        assert_eq!(
            shown(&found),
            [
                vec![("dog", 1, 0.5), ("cat", 0, 0.25)],
                vec![("2", 2, 0.9), ("dog", 1, 0.1)]
            ]
        );
    }

    #[test]
    fn activations() {
        let none = Labels::default();
        let logits = output(&[1, 3], &[1000.0, 1000.0, -1000.0]);
        let found = classify(&logits, &spec(Activation::Softmax), &none, 9).unwrap();
        assert_eq!(
            shown(&found),
            [vec![("0", 0, 0.5), ("1", 1, 0.5), ("2", 2, 0.0)]]
        );
        let logits = output(&[3], &[0.0, 100.0, -100.0]);
        let found = classify(&logits, &spec(Activation::Sigmoid), &none, 9).unwrap();
        assert_eq!(found[0][0].score, 1.0);
        assert_eq!(found[0][1].score, 0.5);
        assert!(found[0][2].score < 1e-30);
    }

    #[test]
    fn scores_that_are_not_finite_are_rejected() {
        for value in [f32::NAN, f32::INFINITY] {
            let error = classify(
                &output(&[1, 2], &[0.5, value]),
                &spec(Activation::None),
                &Labels::default(),
                5,
            )
            .unwrap_err();
            assert_eq!(error.kind().status(), 400);
            assert!(error.to_string().contains("octet-stream"), "{error}");
        }
    }
}
