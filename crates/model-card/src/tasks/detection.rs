//! `[detection]`: outputs become boxes with labels and scores, and masks or keypoints if the graph has them.

use serde::Deserialize;

use super::{Input, Section, SectionKeys, TaskName, check_unit};
use crate::card::{check_file_name, float_output};
use crate::{CardError, ModelCard};

/// How outputs become boxes with labels and scores, in pixels of the image as sent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct DetectionSpec {
    /// The layout of the outputs.
    pub form: DetectionForm,
    /// The output with one row per box; with the forms of DETR, the output with the classes' values.
    pub output: String,
    /// With the forms of DETR: the output with the boxes.
    #[serde(default)]
    pub boxes: Option<String>,
    /// The output with the mask prototypes, shape `[batch, prototypes, height, width]`, for instance
    /// segmentation: each row ends with one coefficient per prototype.
    #[serde(default)]
    pub masks: Option<String>,
    /// A file in the model's folder with one label per line.
    #[serde(default)]
    pub labels: Option<String>,
    /// Boxes with a smaller or equal score are left out, unless the request sets `threshold`; 0 to 1.
    #[serde(default = "default_threshold")]
    pub threshold: f32,
    /// Of two boxes of one class that overlap more (intersection over union), the one with the smaller score is
    /// left out, unless the request sets `iou_threshold`; 0 to 1. Not with forms that need no such suppression.
    #[serde(default = "default_iou_threshold")]
    pub iou_threshold: f32,
    /// The most boxes of an image in a response, unless the request sets `max_detections`.
    #[serde(default = "default_max_detections")]
    pub max_detections: u32,
    /// The number of keypoints of each box; 0 for a model without keypoints.
    #[serde(default)]
    pub keypoints: u32,
    /// The values of a keypoint: 2 for `x, y`, or 3 for `x, y, score`.
    #[serde(default = "default_keypoint_values")]
    pub keypoint_values: u32,
    /// The names of the keypoints, in order; none if they have no names.
    #[serde(default)]
    pub keypoint_names: Vec<String>,
    /// Whether boxes are rotated: a row has an angle in radians after the scores.
    #[serde(default)]
    pub oriented: bool,
}

/// The layout of a detector's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DetectionForm {
    /// Ultralytics' since v8: `[batch, 4 + classes + extras, boxes]`; a box is `center x, center y, width, height`
    /// in pixels of the input.
    Yolo,
    /// YOLOv5's: `[batch, boxes, 5 + classes + extras]`; the score is that of the object times that of the class.
    Yolov5,
    /// Suppressed by the graph itself: `[batch, boxes, 6 + extras]`, a row is `x min, y min, x max, y max, score,
    /// class`; an oriented one `center x, center y, width, height, score, class, angle`.
    EndToEnd,
    /// DETR's and YOLOS': softmax over the classes, of which the last is no object; boxes `center x, center y,
    /// width, height` from 0 to 1.
    Detr,
    /// RT-DETR's, D-FINE's and Deformable DETR's: sigmoid, and the best of all queries and classes; boxes as DETR's.
    RtDetr,
}

impl DetectionForm {
    /// Whether the boxes are in an output of their own.
    #[must_use]
    pub const fn has_boxes_output(self) -> bool {
        matches!(self, Self::Detr | Self::RtDetr)
    }

    /// Whether overlapping boxes are still to be suppressed.
    #[must_use]
    pub const fn is_unsuppressed(self) -> bool {
        matches!(self, Self::Yolo | Self::Yolov5)
    }
}

/// The most boxes that a card or a request may ask for.
pub const MAX_DETECTIONS: u32 = 10_000;

fn default_threshold() -> f32 {
    0.25
}

fn default_iou_threshold() -> f32 {
    0.7
}

fn default_max_detections() -> u32 {
    300
}

fn default_keypoint_values() -> u32 {
    3
}

impl SectionKeys for DetectionSpec {
    const KEYS: &'static [&'static str] = &[
        "boxes",
        "form",
        "iou_threshold",
        "keypoint_names",
        "keypoint_values",
        "keypoints",
        "labels",
        "masks",
        "max_detections",
        "oriented",
        "output",
        "threshold",
    ];
    const NAMES: &'static [TaskName] = &[
        TaskName("object-detection", Input::Image),
        TaskName("instance-segmentation", Input::Image),
        TaskName("keypoint-detection", Input::Image),
    ];
}

impl Section for DetectionSpec {
    fn name(&self, _: &ModelCard) -> Option<&'static str> {
        Some(match (&self.masks, self.keypoints) {
            (Some(_), _) => "instance-segmentation",
            (None, 0) => "object-detection",
            (None, _) => "keypoint-detection",
        })
    }

    fn check(&self, card: &ModelCard) -> Result<(), CardError> {
        let place = |key: &str| format!("[detection] `{key}`");
        let fail = |key: &str, problem: String| Err(CardError::value(place(key), problem));
        if card.image.is_none() {
            return Err(CardError::value(
                "[detection]",
                "needs the section `[image]`: boxes are in pixels of an image",
            ));
        }
        let rank = |key: &str, name: &str, expected: usize, dimensions: &str| {
            let output = float_output(card, &place(key), name)?;
            if output.shape.len() == expected {
                return Ok(());
            }
            fail(
                key,
                format!(
                    "`{name}` has shape {:?}, expected {dimensions}",
                    output.shape
                ),
            )
        };
        rank("output", &self.output, 3, "[batch, rows, columns]")?;
        match (&self.boxes, self.form.has_boxes_output()) {
            (Some(boxes), true) => rank("boxes", boxes, 3, "[batch, queries, 4]")?,
            (None, true) => {
                return fail(
                    "boxes",
                    "required with `form = \"detr\"` and `\"rt-detr\"`: the output with the boxes"
                        .to_owned(),
                );
            }
            (Some(_), false) => {
                return fail(
                    "boxes",
                    "needs `form = \"detr\"` or `\"rt-detr\"`; other forms have the boxes in `output`"
                        .to_owned(),
                );
            }
            (None, false) => {}
        }
        if let Some(masks) = &self.masks {
            if self.form.has_boxes_output() || self.oriented {
                return fail(
                    "masks",
                    "needs boxes that are not oriented, in one of the forms of YOLO".to_owned(),
                );
            }
            rank("masks", masks, 4, "[batch, prototypes, height, width]")?;
        }
        let has_extras = self.keypoints > 0 || self.oriented;
        if has_extras && self.form.has_boxes_output() {
            return fail(
                "form",
                "keypoints and oriented boxes need one of the forms of YOLO".to_owned(),
            );
        }
        if self.keypoints > 0 && (self.masks.is_some() || self.oriented) {
            return fail(
                "keypoints",
                "a model has keypoints, masks or oriented boxes, not two of them".to_owned(),
            );
        }
        if !(2..=3).contains(&self.keypoint_values) {
            return fail(
                "keypoint_values",
                format!("expected 2 or 3, got {}", self.keypoint_values),
            );
        }
        if self.keypoints > 1000 {
            return fail(
                "keypoints",
                format!("expected at most 1000, got {}", self.keypoints),
            );
        }
        let names = self.keypoint_names.len();
        if names != 0 && names != self.keypoints as usize {
            return fail(
                "keypoint_names",
                format!("{names} names for {} keypoints", self.keypoints),
            );
        }
        check_unit(&place("threshold"), self.threshold)?;
        check_unit(&place("iou_threshold"), self.iou_threshold)?;
        if !(1..=MAX_DETECTIONS).contains(&self.max_detections) {
            return fail(
                "max_detections",
                format!(
                    "expected 1 to {MAX_DETECTIONS}, got {}",
                    self.max_detections
                ),
            );
        }
        match &self.labels {
            Some(file) => check_file_name(&place("labels"), file),
            None => Ok(()),
        }
    }

    fn labels_file(&self) -> Option<&str> {
        self.labels.as_deref()
    }
}
