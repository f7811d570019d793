//! Detection: boxes in an image with labels and scores, with masks, keypoints or angles if the graph has them.
//!
//! [`candidates`] reads the outputs, [`suppression`] leaves out overlapping boxes, and [`prediction`] converts what is left
//! to the pixels of the image as sent.

mod candidates;
mod masks;
mod prediction;
mod suppression;

#[cfg(test)]
mod tests;

use infer_model_card::{DetectionSpec, Labels, MAX_DETECTIONS as MAX};
use serde_json::{Map, Value, json};

use super::drawing::Canvas;
use super::parameters::{IOU_THRESHOLD, Kind, MAX_DETECTIONS, Parameter, THRESHOLD};
use super::pictures::Pictures;
use super::pipeline::{Call, NamedTensors, Outcome, Pipeline, Runner, Schema, output};
use crate::http::error::ApiError;
use crate::http::json::ToJson;
use crate::http::timing::Phase;
use crate::input::content::Form;
use crate::input::image::Placement;
use crate::tensor::array;
use candidates::Outputs;
use prediction::Detection;

/// The pipeline of a detector.
#[derive(Debug)]
pub(super) struct Detector {
    spec: DetectionSpec,
    /// Empty if the card names no label file.
    labels: Labels,
}

/// The limits of a request.
#[derive(Clone, Copy, Debug)]
struct Limits {
    threshold: f32,
    iou_threshold: f32,
    max_detections: usize,
}

impl Detector {
    pub(super) fn new(spec: DetectionSpec, labels: Labels) -> Self {
        Self { spec, labels }
    }

    /// The objects in each image of the batch, best first.
    fn detect(
        &self,
        outputs: &NamedTensors,
        placements: &[Placement],
        limits: Limits,
    ) -> Result<Vec<Vec<Detection>>, ApiError> {
        let of = |name: &str| array::floats(output(outputs, name)?);
        let optional = |name: &Option<String>| name.as_deref().map(of).transpose();
        let outputs = Outputs {
            rows: of(&self.spec.output)?,
            boxes: optional(&self.spec.boxes)?,
            masks: optional(&self.spec.masks)?,
        };
        let images = placements.iter().enumerate();
        images
            .map(|(item, placement)| {
                let mut found =
                    outputs.candidates(item, &self.spec, placement, limits.threshold)?;
                if self.spec.form.is_unsuppressed() {
                    found = suppression::suppress(found, limits.iou_threshold, self.spec.oriented);
                }
                // A stable sort: equal scores stay in the order of the output.
                found.sort_by(|a, b| b.score.total_cmp(&a.score));
                found.truncate(limits.max_detections);
                let prototypes = outputs.prototypes(item)?;
                let convert = |candidate| {
                    Detection::new(
                        candidate,
                        &self.spec,
                        &self.labels,
                        placement,
                        prototypes.as_ref(),
                    )
                };
                let detections = found.into_iter().map(convert);
                // Ultralytics leaves out objects without a pixel.
                detections
                    .filter(|detection| !detection.as_ref().is_ok_and(Detection::is_invisible))
                    .collect()
            })
            .collect()
    }
}

impl Pipeline for Detector {
    fn form(&self) -> Form {
        Form::Images
    }

    fn draws(&self) -> bool {
        true
    }

    fn parameters(&self) -> Vec<Parameter> {
        let unit = |default| Kind::Number {
            min: 0.0,
            max: 1.0,
            default,
        };
        vec![
            Parameter {
                name: THRESHOLD,
                description: "Boxes with a smaller or equal score are left out",
                kind: unit(self.spec.threshold),
            },
            Parameter {
                name: IOU_THRESHOLD,
                description: "Of two boxes of one class with a greater intersection over union, the one with the \
                              smaller score is left out; ignored if the model leaves them out itself",
                kind: unit(self.spec.iou_threshold),
            },
            Parameter {
                name: MAX_DETECTIONS,
                description: "The maximum number of boxes per image, best first",
                kind: Kind::Integer {
                    min: 1,
                    max: MAX,
                    default: self.spec.max_detections,
                },
            },
        ]
    }

    fn infer(&self, call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        let (wanted, request_limits) = (call.wanted, call.limits);
        let limits = Limits {
            threshold: call.values.number(THRESHOLD),
            iou_threshold: call.values.number(IOU_THRESHOLD),
            max_detections: call.values.integer(MAX_DETECTIONS),
        };
        let Pictures {
            images,
            placements,
            outputs,
        } = Pictures::run(call, runner)?;
        if !(wanted.predictions || wanted.drawing) {
            return Ok(Outcome::tensors(outputs));
        }
        runner.timing().measure(Phase::Encode, || {
            let found = self.detect(&outputs, &placements, limits)?;
            let drawing = match (wanted.drawing, images.first(), found.first()) {
                (true, Some(image), Some(found)) => {
                    let mut canvas = Canvas::new(image, request_limits)?;
                    for detection in found.iter().rev() {
                        detection.draw(&mut canvas);
                    }
                    Some(canvas.to_png()?)
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

    fn labels(&self, output: &str) -> Option<&Labels> {
        // Only a row of DETR's logits has one value for each class.
        let is_classes = self.spec.form.has_boxes_output() && output == self.spec.output;
        is_classes.then_some(&self.labels)
    }

    fn schema(&self) -> Option<Schema> {
        Some(prediction::schema(&self.spec))
    }

    fn description(&self) -> Map<String, Value> {
        let facts = json!({
            "labels": self.labels.len(),
            "threshold": self.spec.threshold,
            "masks": self.spec.masks.is_some(),
            "keypoints": self.spec.keypoints,
            "oriented": self.spec.oriented,
        });
        Map::from_iter([("detection".to_owned(), facts)])
    }
}
