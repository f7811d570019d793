//! The scores of classes, labels, tokens and documents: the functions that turn a model's values into them, and their order.

use infer_model_card::Activation;

use crate::http::error::ApiError;

/// Turn the values of one item into scores, in place.
pub(super) fn activate(values: &mut [f32], activation: Activation) {
    match activation {
        Activation::None => {}
        Activation::Sigmoid => {
            for value in values {
                *value = sigmoid(*value);
            }
        }
        Activation::Softmax => softmax(values),
    }
}

/// The logistic function, computed in FP64 and rounded once.
pub fn sigmoid(value: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(value)).exp())) as f32
}

/// Softmax, in place, computed in FP64 and rounded once.
pub(super) fn softmax(values: &mut [f32]) {
    // Subtract the largest value, so that no exponential overflows.
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponential = |value: f32| (f64::from(value) - f64::from(largest)).exp();
    let sum: f64 = values.iter().map(|value| exponential(*value)).sum();
    for value in values {
        *value = (exponential(*value) / sum) as f32;
    }
}

/// The places of the greatest scores, best first; equal scores are ordered by place.
pub(super) fn best(scores: &[f32], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..scores.len()).collect();
    let order = |a: &usize, b: &usize| {
        let score = |place: &usize| scores.get(*place).copied().unwrap_or(f32::NEG_INFINITY);
        score(b).total_cmp(&score(a)).then(a.cmp(b))
    };
    // A vocabulary has many more entries than a response.
    if count < places.len() {
        places.select_nth_unstable_by(count, order);
        places.truncate(count);
    }
    places.sort_unstable_by(order);
    places
}

/// The greatest value and its place, the first of equal ones; place 0 and negative infinity if there is no number.
pub(super) fn greatest(values: impl IntoIterator<Item = f32>) -> (usize, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (place, value) in values.into_iter().enumerate() {
        if value > best.1 {
            best = (place, value);
        }
    }
    best
}

/// Check that scores are finite; `what` is what each of them belongs to, for messages.
///
/// # Errors
/// 400 for NaN and infinity, which JSON cannot represent.
pub(super) fn check_finite(output: &str, what: &str, scores: &[f32]) -> Result<(), ApiError> {
    let mut scores = scores.iter().enumerate();
    match scores.find(|(_, score)| !score.is_finite()) {
        None => Ok(()),
        Some((index, score)) => Err(ApiError::invalid(format!(
            "output `{output}` has the score {score} for {what} {index}, which JSON cannot represent; send \
             `Accept: application/octet-stream`"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_ordered_by_score_then_place() {
        let rows: [(&[f32], usize, &[usize]); 7] = [
            (&[], 3, &[]),
            (&[0.5], 0, &[]),
            (&[0.1, 0.9, 0.5], 2, &[1, 2]),
            (&[0.1, 0.9, 0.5], 3, &[1, 2, 0]),
            (&[0.1, 0.9, 0.5], 99, &[1, 2, 0]),
            (&[0.5, 0.5, 0.5, 0.5], 2, &[0, 1]),
            (&[-1.0, f32::NEG_INFINITY, -0.5], 3, &[2, 0, 1]),
        ];
        let wrong: Vec<_> = rows
            .into_iter()
            .filter(|(scores, count, expected)| best(scores, *count) != *expected)
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn activations_do_not_overflow() {
        let rows = [
            (
                Activation::Softmax,
                [1000.0, 1000.0, -1000.0],
                [0.5, 0.5, 0.0],
            ),
            (Activation::Sigmoid, [0.0, 200.0, -200.0], [0.5, 1.0, 0.0]),
            (Activation::None, [1000.0, -1.0, 0.5], [1000.0, -1.0, 0.5]),
        ];
        for (activation, mut values, expected) in rows {
            activate(&mut values, activation);
            assert_eq!(values, expected, "{activation:?}");
        }
        let mut values = [f32::NAN, 1.0];
        softmax(&mut values);
        assert!(check_finite("y", "class", &values).is_err());
    }

    #[test]
    fn the_greatest_is_the_first_of_equal_ones() {
        let rows: [(&[f32], (usize, f32)); 4] = [
            (&[0.5, 0.9, 0.9], (1, 0.9)),
            (&[f32::NAN, -1.0], (1, -1.0)),
            (&[f32::NAN], (0, f32::NEG_INFINITY)),
            (&[], (0, f32::NEG_INFINITY)),
        ];
        for (values, expected) in rows {
            assert_eq!(greatest(values.iter().copied()), expected, "{values:?}");
        }
    }
}
