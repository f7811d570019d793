//! Object detection: NonMaxSuppression.

use super::entry::{OperatorEntry, boxed, onnx};
use crate::error::{Error, Result};
use crate::operator::{Build, Inputs, Operator};
use crate::real::reals;
use crate::tensor::Tensor;

pub(super) const OPERATORS: &[OperatorEntry] = &[onnx("NonMaxSuppression", non_max_suppression)];

fn non_max_suppression(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(NonMaxSuppression {
        is_centered: build.attributes().flag("center_point_box", false),
    })
}

/// NonMaxSuppression: selects boxes by score, and drops those that overlap a better one.
struct NonMaxSuppression {
    is_centered: bool,
}

/// A box, as its smallest and largest y and x.
type Sides = [f32; 4];

impl NonMaxSuppression {
    fn sides(&self, given: &[f32]) -> Sides {
        let &[a, b, c, d] = given else {
            return [0.0; 4];
        };
        match self.is_centered {
            true => [b - d / 2.0, a - c / 2.0, b + d / 2.0, a + c / 2.0],
            false => [a.min(c), b.min(d), a.max(c), b.max(d)],
        }
    }
}

/// Intersection over union of two boxes.
fn overlap(a: Sides, b: Sides) -> f32 {
    let height = a[2].min(b[2]) - a[0].max(b[0]);
    let width = a[3].min(b[3]) - a[1].max(b[1]);
    let area = |sides: Sides| (sides[2] - sides[0]) * (sides[3] - sides[1]);
    if height <= 0.0 || width <= 0.0 || area(a) <= 0.0 || area(b) <= 0.0 {
        return 0.0;
    }
    let both = height * width;
    both / (area(a) + area(b) - both)
}

impl Operator for NonMaxSuppression {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (boxes, scores) = (inputs.required(0)?, inputs.required(1)?);
        let (&[batch, count, 4], &[scored, classes, places]) = (boxes.shape(), scores.shape())
        else {
            return Err(Error::input(format!(
                "boxes of shape {:?} and scores of {:?} are not [batch, boxes, 4] and \
                 [batch, classes, boxes]",
                boxes.shape(),
                scores.shape()
            )));
        };
        if (batch, count) != (scored, places) {
            return Err(Error::input(format!(
                "boxes of shape {:?} do not match scores of shape {:?}",
                boxes.shape(),
                scores.shape()
            )));
        }
        let (boxes, scores) = (reals::<f32>(boxes)?, reals::<f32>(scores)?);
        let limit = match inputs.get(2) {
            Some(limit) => limit.to_i64()?.first().copied().unwrap_or(0).max(0),
            None => 0,
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let threshold = |at: usize| -> Result<Option<f32>> {
            let found = inputs.get(at).map(reals::<f32>).transpose()?;
            Ok(found.and_then(|found| found.first().copied()))
        };
        let most = threshold(3)?.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&most) {
            return Err(Error::input(format!(
                "the IoU threshold is {most}, expected 0 to 1"
            )));
        }
        let least = threshold(4)?;
        let signed = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
        let mut selected = Vec::new();
        // Without boxes the number of batches and classes may be too large to iterate over.
        let batch = if scores.is_empty() { 0 } else { batch };
        for image in 0..batch {
            let sides: Vec<Sides> = boxes[image * count * 4..][..count * 4]
                .chunks_exact(4)
                .map(|given| self.sides(given))
                .collect();
            for class in 0..classes {
                let scores = &scores[(image * classes + class) * count..][..count];
                let mut order: Vec<usize> = (0..count)
                    .filter(|&at| least.is_none_or(|least| scores[at] > least))
                    .collect();
                order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
                let mut kept: Vec<usize> = Vec::new();
                for at in order {
                    if kept.len() >= limit {
                        break;
                    }
                    if kept
                        .iter()
                        .all(|&better| overlap(sides[at], sides[better]) <= most)
                    {
                        kept.push(at);
                        selected.extend([signed(image), signed(class), signed(at)]);
                    }
                }
            }
        }
        let shape = [selected.len() / 3, 3];
        Ok(vec![Tensor::of(&shape, selected)?])
    }
}
