//! Segmentation: one mask for each class in an image, or the mask of its foreground.

use infer_model_card::{Activation, Labels, SegmentationSpec};
use ndarray::{ArrayD, ArrayView3, Axis, Ix3};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::drawing::{Canvas, Color};
use super::masks::{Levels, Mask};
use super::pictures::{Pictures, png_schema};
use super::pipeline::{Call, Outcome, Pipeline, Runner, Schema, output};
use super::scores::{greatest, sigmoid};
use crate::http::error::ApiError;
use crate::http::json::ToJson;
use crate::http::timing::Phase;
use crate::input::content::Form;
use crate::input::image::Placement;
use crate::tensor::array;

/// The pipeline of a model that segments images.
#[derive(Debug)]
pub(super) struct Segmenter {
    spec: SegmentationSpec,
    /// Empty if the card names no label file.
    labels: Labels,
}

/// A segment of an image.
#[derive(Debug, Serialize)]
struct Segment {
    label: String,
    /// The mean score of the segment's pixels; for a foreground the mean opacity of the pixels that are at least half opaque.
    score: f32,
    #[serde(rename = "mask")]
    file: String,
    #[serde(skip)]
    mask: Mask,
    #[serde(skip)]
    index: usize,
}

impl Segmenter {
    pub(super) fn new(spec: SegmentationSpec, labels: Labels) -> Self {
        Self { spec, labels }
    }

    fn label(&self, index: usize, otherwise: impl Fn() -> String) -> String {
        let label = self.labels.get(index);
        label.map_or_else(otherwise, str::to_owned)
    }

    /// The segments of each image: those of classes in the order of the classes.
    fn segments(
        &self,
        values: &ArrayD<f32>,
        placements: &[Placement],
    ) -> Result<Vec<Vec<Segment>>, ApiError> {
        let unfit = || {
            ApiError::internal(format!(
                "output `{}` has shape {:?} for {} images, expected [batch, classes, height, width]",
                self.spec.output,
                values.shape(),
                placements.len()
            ))
        };
        if values.shape().first() != Some(&placements.len()) {
            return Err(unfit());
        }
        let items = values.axis_iter(Axis(0)).zip(placements);
        items
            .map(|(item, placement)| {
                // A foreground may have no dimension of classes.
                let item = match item.ndim() {
                    2 => item.insert_axis(Axis(0)),
                    _ => item,
                };
                let item = item.into_dimensionality::<Ix3>().map_err(|_| unfit())?;
                match item.dim() {
                    (0, _, _) | (_, 0, _) | (_, _, 0) => Err(unfit()),
                    (1, _, _) => Ok(vec![self.foreground(&item, placement)?]),
                    _ => self.classes(&item, placement),
                }
            })
            .collect()
    }

    fn foreground(
        &self,
        values: &ArrayView3<'_, f32>,
        placement: &Placement,
    ) -> Result<Segment, ApiError> {
        let (_, height, width) = values.dim();
        let levels: Vec<f32> = values
            .iter()
            .map(|value| match self.spec.activation {
                Activation::Sigmoid => sigmoid(*value),
                Activation::None | Activation::Softmax => *value,
            })
            .collect();
        let levels = Levels::new(&levels, (width, height), placement);
        let mut opacity: Vec<f32> = (0..placement.height)
            .flat_map(|y| (0..placement.width).map(move |x| (x, y)))
            .map(|(x, y)| levels.at(x, y))
            .collect();
        if self.spec.stretch {
            let least = opacity.iter().copied().fold(f32::INFINITY, f32::min);
            let greatest = opacity.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let range = greatest - least;
            if range > 0.0 {
                opacity
                    .iter_mut()
                    .for_each(|level| *level = (*level - least) / range);
            }
        }
        let mut mask = Mask::empty(placement);
        // `as` clamps a float to 0 to 255, and converts NaN to 0.
        let levels = opacity
            .iter()
            .map(|level| (level * 255.0).round_ties_even() as u8);
        mask.pixels
            .iter_mut()
            .zip(levels)
            .for_each(|(pixel, level)| *pixel = level);
        let opaque = mask.pixels.iter().filter(|level| **level >= 128);
        let (sum, count) = opaque.fold((0_u64, 0_u64), |(sum, count), level| {
            (sum + u64::from(*level), count + 1)
        });
        let score = match count {
            0 => 0.0,
            _ => (sum as f64 / count as f64 / 255.0) as f32,
        };
        Ok(Segment {
            label: self.label(0, || "foreground".to_owned()),
            score,
            file: mask.to_base64()?,
            mask,
            index: 0,
        })
    }

    /// A mask for each class that is the best one of a pixel.
    fn classes(
        &self,
        values: &ArrayView3<'_, f32>,
        placement: &Placement,
    ) -> Result<Vec<Segment>, ApiError> {
        let (classes, height, width) = values.dim();
        let planes: Vec<Vec<f32>> = values
            .outer_iter()
            .map(|plane| plane.iter().copied().collect())
            .collect();
        let levels: Vec<Levels> = planes
            .iter()
            .map(|plane| Levels::new(plane, (width, height), placement))
            .collect();
        let mut masks: Vec<Option<Mask>> = vec![None; classes];
        for y in 0..placement.height {
            for x in 0..placement.width {
                let (class, _) = greatest(levels.iter().map(|levels| levels.at(x, y)));
                let mask = masks[class].get_or_insert_with(|| Mask::empty(placement));
                mask.set(x, y, u8::MAX);
            }
        }
        let scores = self.scores(&planes);
        let found = masks.into_iter().enumerate();
        found
            .filter_map(|(index, mask)| Some((index, mask?)))
            .map(|(index, mask)| {
                Ok(Segment {
                    label: self.label(index, || index.to_string()),
                    score: scores[index],
                    file: mask.to_base64()?,
                    mask,
                    index,
                })
            })
            .collect()
    }

    /// The mean score of each class over the places of the graph's grid where it is the best; 0 without such a place.
    fn scores(&self, planes: &[Vec<f32>]) -> Vec<f32> {
        let mut sums = vec![(0.0_f64, 0_u32); planes.len()];
        let places = planes.first().map_or(0, Vec::len);
        for place in 0..places {
            let values = || planes.iter().map(|plane| plane[place]);
            let best = greatest(values());
            let score = match self.spec.activation {
                Activation::None => f64::from(best.1),
                Activation::Sigmoid => 1.0 / (1.0 + f64::from(-best.1).exp()),
                Activation::Softmax => {
                    let sum: f64 = values().map(|value| f64::from(value - best.1).exp()).sum();
                    1.0 / sum
                }
            };
            if score.is_finite() {
                sums[best.0].0 += score;
                sums[best.0].1 += 1;
            }
        }
        let mean = |(sum, count)| match count {
            0 => 0.0,
            _ => (sum / f64::from(count)) as f32,
        };
        sums.into_iter().map(mean).collect()
    }

    /// The image with the segments in color, or with nothing but the foreground.
    fn draw(
        &self,
        canvas: &mut Canvas,
        segments: &[Segment],
        is_foreground: bool,
    ) -> Result<Vec<u8>, ApiError> {
        if let (true, [only]) = (is_foreground, segments) {
            return canvas.cut_out(&only.mask);
        }
        for segment in segments {
            canvas.blend(&segment.mask, Color::of_class(segment.index));
        }
        canvas.to_png()
    }
}

impl Pipeline for Segmenter {
    fn form(&self) -> Form {
        Form::Images
    }

    fn draws(&self) -> bool {
        true
    }

    fn infer(&self, call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        let (wanted, limits) = (call.wanted, call.limits);
        let Pictures {
            images,
            placements,
            outputs,
        } = Pictures::run(call, runner)?;
        if !(wanted.predictions || wanted.drawing) {
            return Ok(Outcome::tensors(outputs));
        }
        runner.timing().measure(Phase::Encode, || {
            let values = array::floats(output(&outputs, &self.spec.output)?)?;
            let is_foreground = values.ndim() == 3 || values.shape().get(1) == Some(&1);
            let found = self.segments(&values, &placements)?;
            let drawing = match (wanted.drawing, images.first(), found.first()) {
                (true, Some(image), Some(found)) => {
                    let mut canvas = Canvas::new(image, limits)?;
                    Some(self.draw(&mut canvas, found, is_foreground)?)
                }
                _ => None,
            };
            Ok(Outcome {
                predictions: Some(Box::new(found) as Box<dyn ToJson>),
                drawing,
                outputs,
            })
        })
    }

    fn schema(&self) -> Option<Schema> {
        Some(Schema {
            name: "Segment",
            value: json!({
                "type": "object",
                "required": ["label", "score", "mask"],
                "additionalProperties": false,
                "properties": {
                    "label": { "type": "string" },
                    "score": { "type": "number" },
                    "mask": png_schema("8-bit gray, of the image's size"),
                },
            }),
        })
    }

    fn description(&self) -> Map<String, Value> {
        let facts = json!({ "labels": self.labels.len() });
        Map::from_iter([("segmentation".to_owned(), facts)])
    }
}
