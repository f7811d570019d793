//! Reading a detector's outputs: boxes in pixels of the input, whose score is over the threshold.

use infer_model_card::{DetectionForm, DetectionSpec};
use ndarray::{ArrayD, ArrayView1, ArrayView2, ArrayView3, Axis, Ix2, Ix3};

use crate::http::error::ApiError;
use crate::input::image::Placement;
use crate::tasks::scores::sigmoid;

/// The outputs that boxes are made of.
pub(super) struct Outputs {
    /// One row or column per box, or the values of the classes.
    pub(super) rows: ArrayD<f32>,
    /// The boxes, if they are in an output of their own.
    pub(super) boxes: Option<ArrayD<f32>>,
    /// The mask prototypes.
    pub(super) masks: Option<ArrayD<f32>>,
}

/// A box in pixels of the input, and what its row has beside it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    /// The center across.
    pub(super) x: f32,
    /// The center down.
    pub(super) y: f32,
    /// The width.
    pub(super) width: f32,
    /// The height.
    pub(super) height: f32,
    /// The angle in radians; 0 for a box that is not oriented.
    pub(super) angle: f32,
    /// The score of the class.
    pub(super) score: f32,
    /// The index of the class.
    pub(super) class: usize,
    /// The coefficients of the mask, or the values of the keypoints.
    pub(super) extras: Vec<f32>,
}

impl Candidate {
    /// The edges: left, top, right, bottom.
    pub(super) fn edges(&self) -> [f32; 4] {
        let (across, down) = (self.width / 2.0, self.height / 2.0);
        [
            self.x - across,
            self.y - down,
            self.x + across,
            self.y + down,
        ]
    }

    fn from_edges([left, top, right, bottom]: [f32; 4]) -> Self {
        Self {
            x: f32::midpoint(left, right),
            y: f32::midpoint(top, bottom),
            width: right - left,
            height: bottom - top,
            angle: 0.0,
            score: 0.0,
            class: 0,
            extras: Vec::new(),
        }
    }

    fn from_center([x, y, width, height]: [f32; 4]) -> Self {
        Self {
            x,
            y,
            width,
            height,
            angle: 0.0,
            score: 0.0,
            class: 0,
            extras: Vec::new(),
        }
    }

    /// Whether the box is one: a graph may compute NaN.
    fn is_finite(&self) -> bool {
        let values = [self.x, self.y, self.width, self.height, self.angle];
        values.iter().all(|value| value.is_finite()) && self.score.is_finite()
    }
}

impl Outputs {
    /// The boxes of an image whose score is greater than the threshold, in the order of the output.
    ///
    /// # Errors
    /// 500 when the outputs have other shapes than the card says.
    pub(super) fn candidates(
        &self,
        item: usize,
        spec: &DetectionSpec,
        placement: &Placement,
        threshold: f32,
    ) -> Result<Vec<Candidate>, ApiError> {
        let rows = matrix(&self.rows, item, &spec.output)?;
        let mut found = match spec.form {
            DetectionForm::Yolo => yolo(rows, spec, self.extras(spec), threshold)?,
            DetectionForm::Yolov5 => yolov5(rows, spec, self.extras(spec), threshold)?,
            DetectionForm::EndToEnd => end_to_end(rows, spec, threshold)?,
            DetectionForm::Detr | DetectionForm::RtDetr => {
                let name = spec.boxes.as_deref().unwrap_or_default();
                let boxes = self.boxes.as_ref().ok_or_else(|| unfit(name, &[]))?;
                let boxes = matrix(boxes, item, name)?;
                if boxes.ncols() != 4 || boxes.nrows() != rows.nrows() {
                    return Err(unfit(name, boxes.shape()));
                }
                let size = (placement.input_width as f32, placement.input_height as f32);
                match spec.form {
                    DetectionForm::Detr => detr(rows, boxes, size, threshold),
                    _ => rt_detr(rows, boxes, size, threshold),
                }
            }
        };
        found.retain(Candidate::is_finite);
        Ok(found)
    }

    /// The number of values that follow the classes in a row.
    fn extras(&self, spec: &DetectionSpec) -> usize {
        let prototypes = self.masks.as_ref().and_then(|masks| masks.shape().get(1));
        prototypes.copied().unwrap_or(0)
            + spec.keypoints as usize * spec.keypoint_values as usize
            + usize::from(spec.oriented)
    }

    /// The mask prototypes of an image: `[prototypes, height, width]`.
    ///
    /// # Errors
    /// 500 when the output has another shape than the card says.
    pub(super) fn prototypes(&self, item: usize) -> Result<Option<ArrayView3<'_, f32>>, ApiError> {
        let Some(masks) = &self.masks else {
            return Ok(None);
        };
        if item >= masks.shape().first().copied().unwrap_or(0) {
            return Err(unfit("masks", masks.shape()));
        }
        masks
            .index_axis(Axis(0), item)
            .into_dimensionality::<Ix3>()
            .map(Some)
            .map_err(|_| unfit("masks", masks.shape()))
    }
}

fn unfit(name: &str, shape: &[usize]) -> ApiError {
    ApiError::internal(format!(
        "output `{name}` has shape {shape:?}, which is not that of the card's `[detection]`"
    ))
}

fn matrix<'a>(
    values: &'a ArrayD<f32>,
    item: usize,
    name: &str,
) -> Result<ArrayView2<'a, f32>, ApiError> {
    if item >= values.shape().first().copied().unwrap_or(0) {
        return Err(unfit(name, values.shape()));
    }
    values
        .index_axis(Axis(0), item)
        .into_dimensionality::<Ix2>()
        .map_err(|_| unfit(name, values.shape()))
}

/// The class with the greatest value, the first of equal ones. NaN is the greatest, as in torch.
fn best(values: impl Iterator<Item = f32>) -> Option<(usize, f32)> {
    values
        .enumerate()
        .fold(None, |best, (index, value)| match best {
            Some((_, greatest)) if greatest >= value || greatest.is_nan() => best,
            _ => Some((index, value)),
        })
}

/// Put the values behind the classes to the candidate: the angle, or coefficients and keypoints.
fn finish(
    mut candidate: Candidate,
    spec: &DetectionSpec,
    extras: ArrayView1<'_, f32>,
) -> Candidate {
    if spec.oriented {
        candidate.angle = extras.first().copied().unwrap_or(0.0);
    } else {
        candidate.extras = extras.to_vec();
    }
    candidate
}

/// `[4 + classes + extras, boxes]`
fn yolo(
    columns: ArrayView2<'_, f32>,
    spec: &DetectionSpec,
    extras: usize,
    threshold: f32,
) -> Result<Vec<Candidate>, ApiError> {
    let (rows, count) = columns.dim();
    let classes = rows.checked_sub(4 + extras).filter(|classes| *classes > 0);
    let classes = classes.ok_or_else(|| unfit(&spec.output, columns.shape()))?;
    // The greatest value of each box, row by row: the output is in memory like that.
    let mut greatest = vec![(0_usize, f32::NEG_INFINITY); count];
    for class in 0..classes {
        let values = columns.row(4 + class);
        for (best, value) in greatest.iter_mut().zip(values) {
            // A box with NaN among its scores is none, as in torch, whose maximum is NaN then.
            if *value > best.1 || value.is_nan() {
                *best = (class, *value);
            }
        }
    }
    let over = greatest.into_iter().enumerate();
    Ok(over
        .filter(|(_, (_, score))| *score > threshold)
        .map(|(place, (class, score))| {
            let column = columns.column(place);
            let mut candidate =
                Candidate::from_center([column[0], column[1], column[2], column[3]]);
            (candidate.score, candidate.class) = (score, class);
            finish(candidate, spec, column.split_at(Axis(0), 4 + classes).1)
        })
        .collect())
}

/// `[boxes, 5 + classes + extras]`
fn yolov5(
    rows: ArrayView2<'_, f32>,
    spec: &DetectionSpec,
    extras: usize,
    threshold: f32,
) -> Result<Vec<Candidate>, ApiError> {
    let classes = rows.ncols().checked_sub(5 + extras);
    let classes = classes.ok_or_else(|| unfit(&spec.output, rows.shape()))?;
    let mut found = Vec::new();
    for row in rows.rows() {
        let object = row[4];
        // NaN is not greater either.
        let is_object = object > threshold;
        if !is_object {
            continue;
        }
        let scores = row.iter().skip(5).take(classes);
        // A detector of one class may have no value for it.
        let (class, score) = match classes {
            0 => (0, object),
            _ => match best(scores.map(|value| value * object)) {
                Some(best) => best,
                None => continue,
            },
        };
        if score > threshold {
            let mut candidate = Candidate::from_center([row[0], row[1], row[2], row[3]]);
            (candidate.score, candidate.class) = (score, class);
            found.push(finish(
                candidate,
                spec,
                row.split_at(Axis(0), 5 + classes).1,
            ));
        }
    }
    Ok(found)
}

/// `[boxes, 6 + extras]`
fn end_to_end(
    rows: ArrayView2<'_, f32>,
    spec: &DetectionSpec,
    threshold: f32,
) -> Result<Vec<Candidate>, ApiError> {
    if rows.ncols() < 6 {
        return Err(unfit(&spec.output, rows.shape()));
    }
    Ok(rows
        .rows()
        .into_iter()
        .filter(|row| row[4] > threshold && row[5] >= 0.0)
        .map(|row| {
            let place = [row[0], row[1], row[2], row[3]];
            let mut candidate = match spec.oriented {
                true => Candidate::from_center(place),
                false => Candidate::from_edges(place),
            };
            candidate.score = row[4];
            // `as` saturates: an absurd class has no label.
            candidate.class = row[5] as usize;
            finish(candidate, spec, row.split_at(Axis(0), 6).1)
        })
        .collect())
}

/// A box from 0 to 1 in pixels of the input.
fn in_pixels(row: ArrayView1<'_, f32>, (width, height): (f32, f32)) -> Candidate {
    Candidate::from_center([
        row[0] * width,
        row[1] * height,
        row[2] * width,
        row[3] * height,
    ])
}

/// Softmax, without the last class.
fn detr(
    logits: ArrayView2<'_, f32>,
    boxes: ArrayView2<'_, f32>,
    size: (f32, f32),
    threshold: f32,
) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (logits, place) in logits.rows().into_iter().zip(boxes.rows()) {
        let largest = logits.fold(f32::NEG_INFINITY, |largest, value| largest.max(*value));
        let sum: f32 = logits.iter().map(|value| (value - largest).exp()).sum();
        let objects = logits.len().saturating_sub(1);
        let Some((class, logit)) = best(logits.iter().take(objects).copied()) else {
            continue;
        };
        let score = (logit - largest).exp() / sum;
        if score > threshold {
            let mut candidate = in_pixels(place, size);
            (candidate.score, candidate.class) = (score, class);
            found.push(candidate);
        }
    }
    found
}

/// Sigmoid, and the best pairs of query and class.
fn rt_detr(
    logits: ArrayView2<'_, f32>,
    boxes: ArrayView2<'_, f32>,
    size: (f32, f32),
    threshold: f32,
) -> Vec<Candidate> {
    let classes = logits.ncols();
    let mut pairs: Vec<(usize, f32)> = logits
        .iter()
        .map(|logit| sigmoid(*logit))
        .enumerate()
        .filter(|(_, score)| *score > threshold)
        .collect();
    // A stable sort: equal scores stay in the order of the output.
    pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
    // No response has more, and a threshold of 0 lets every pair of query and class pass.
    pairs.truncate(infer_model_card::MAX_DETECTIONS as usize);
    let candidate = |(place, score): (usize, f32)| {
        let mut candidate = in_pixels(boxes.row(place / classes), size);
        (candidate.score, candidate.class) = (score, place % classes);
        candidate
    };
    pairs.into_iter().map(candidate).collect()
}
