//! A detected object in pixels of the image as sent: its JSON, and its drawing.

use infer_model_card::{DetectionSpec, Labels};
use ndarray::ArrayView3;
use serde::Serialize;
use serde_json::json;

use super::candidates::Candidate;
use super::masks;
use crate::http::error::ApiError;
use crate::input::image::Placement;
use crate::tasks::drawing::{Canvas, Color};
use crate::tasks::masks::Mask;
use crate::tasks::pipeline::Schema;

/// An object.
#[derive(Debug, Serialize)]
pub(super) struct Detection {
    /// The class's label, or its index if the model has no label for it.
    label: String,
    index: usize,
    score: f32,
    #[serde(rename = "box")]
    edges: Edges,
    /// The corners of an oriented box.
    #[serde(skip_serializing_if = "Option::is_none")]
    polygon: Option<[[f32; 2]; 4]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keypoints: Option<Vec<Keypoint>>,
    /// A PNG file in base64.
    #[serde(rename = "mask", skip_serializing_if = "Option::is_none")]
    mask_file: Option<String>,
    #[serde(skip)]
    mask: Option<Mask>,
}

#[derive(Debug, Serialize)]
struct Edges {
    xmin: f32,
    ymin: f32,
    xmax: f32,
    ymax: f32,
}

#[derive(Debug, Serialize)]
struct Keypoint {
    x: f32,
    y: f32,
    /// Whether the point is visible; `None` for a graph that does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl Detection {
    /// Convert a box to the pixels of the image. Boxes are clipped to the image, but for those of DETR and oriented ones, as
    /// their references do.
    pub(super) fn new(
        candidate: Candidate,
        spec: &DetectionSpec,
        labels: &Labels,
        placement: &Placement,
        prototypes: Option<&ArrayView3<'_, f32>>,
    ) -> Result<Self, ApiError> {
        let to_image = |[x, y]: [f32; 2]| placement.to_image(x.into(), y.into());
        let clipped = |place: [f32; 2]| placement.clip(to_image(place));
        let polygon = spec.oriented.then(|| {
            // Ultralytics converts the place and the size, and keeps the angle.
            let (x, y) = to_image([candidate.x, candidate.y]);
            corners(&Candidate {
                x: x as f32,
                y: y as f32,
                width: (f64::from(candidate.width) / placement.scale_x) as f32,
                height: (f64::from(candidate.height) / placement.scale_y) as f32,
                angle: candidate.angle,
                score: 0.0,
                class: 0,
                extras: Vec::new(),
            })
        });
        let [left, top, right, bottom] = candidate.edges();
        let ends = match polygon {
            Some(polygon) => bounds(&polygon),
            None if spec.form.has_boxes_output() => {
                [to_image([left, top]), to_image([right, bottom])]
            }
            None => [clipped([left, top]), clipped([right, bottom])],
        };
        let [(xmin, ymin), (xmax, ymax)] = ends;
        let mask = prototypes.map(|prototypes| {
            let edges = [xmin, ymin, xmax, ymax];
            masks::mask(&candidate.extras, prototypes, edges, placement)
        });
        let keypoints = (spec.keypoints > 0).then(|| {
            let values = candidate.extras.chunks_exact(spec.keypoint_values as usize);
            let values = values.enumerate().take(spec.keypoints as usize);
            values
                .map(|(index, values)| {
                    let (x, y) = clipped([values[0], values[1]]);
                    Keypoint {
                        x: x as f32,
                        y: y as f32,
                        score: values.get(2).copied(),
                        name: spec.keypoint_names.get(index).cloned(),
                    }
                })
                .collect::<Vec<_>>()
        });
        let mut scores = keypoints.iter().flatten().filter_map(|point| point.score);
        if let Some(score) = scores.find(|score| !score.is_finite()) {
            return Err(ApiError::invalid(format!(
                "a keypoint has the score {score}, which JSON cannot represent; send \
                 `Accept: application/octet-stream`"
            )));
        }
        let index = candidate.class;
        let label = labels.get(index);
        Ok(Self {
            label: label.map_or_else(|| index.to_string(), str::to_owned),
            index,
            score: candidate.score,
            edges: Edges {
                xmin: xmin as f32,
                ymin: ymin as f32,
                xmax: xmax as f32,
                ymax: ymax as f32,
            },
            polygon,
            keypoints,
            mask_file: mask.as_ref().map(Mask::to_base64).transpose()?,
            mask,
        })
    }

    /// Whether the object has a mask without a pixel.
    pub(super) fn is_invisible(&self) -> bool {
        let mask = self.mask.as_ref();
        mask.is_some_and(|mask| mask.pixels.iter().all(|pixel| *pixel == 0))
    }

    /// Draw the mask, the box, the keypoints and the label.
    pub(super) fn draw(&self, canvas: &mut Canvas) {
        let color = Color::of_class(self.index);
        if let Some(mask) = &self.mask {
            canvas.blend(mask, color);
        }
        let edges = &self.edges;
        let corners = self.polygon.unwrap_or([
            [edges.xmin, edges.ymin],
            [edges.xmax, edges.ymin],
            [edges.xmax, edges.ymax],
            [edges.xmin, edges.ymax],
        ]);
        canvas.polygon(&corners, color);
        for point in self.keypoints.iter().flatten() {
            // Ultralytics does not draw points that are more likely hidden.
            if point.score.is_none_or(|score| score >= 0.5) {
                canvas.point([point.x, point.y], color);
            }
        }
        let caption = format!("{} {:.2}", self.label, self.score);
        canvas.caption([edges.xmin, edges.ymin], &caption, color);
    }
}

/// The corners of an oriented box, as Ultralytics orders them.
fn corners(candidate: &Candidate) -> [[f32; 2]; 4] {
    let (sin, cos) = candidate.angle.sin_cos();
    let (across, down) = (candidate.width / 2.0, candidate.height / 2.0);
    let (x, y) = (candidate.x, candidate.y);
    let first = [across * cos, across * sin];
    let second = [-down * sin, down * cos];
    [(1.0, 1.0), (1.0, -1.0), (-1.0, -1.0), (-1.0, 1.0)].map(|(a, b)| {
        [
            x + a * first[0] + b * second[0],
            y + a * first[1] + b * second[1],
        ]
    })
}

/// The smallest box with edges along the axes around a polygon.
fn bounds(polygon: &[[f32; 2]; 4]) -> [(f64, f64); 2] {
    let of = |axis: usize, pick: fn(f32, f32) -> f32| {
        let values = polygon.iter().map(|corner| corner[axis]);
        f64::from(values.reduce(pick).unwrap_or(0.0))
    };
    [
        (of(0, f32::min), of(1, f32::min)),
        (of(0, f32::max), of(1, f32::max)),
    ]
}

/// The JSON Schema of an object.
pub(super) fn schema(spec: &DetectionSpec) -> Schema {
    let number = || json!({ "type": "number" });
    let mut required = vec!["label", "index", "score", "box"];
    let mut properties = json!({
        "label": { "type": "string" },
        "index": { "type": "integer", "minimum": 0 },
        "score": { "type": "number", "minimum": 0, "maximum": 1 },
        "box": {
            "type": "object",
            "description": "In pixels of the image as sent",
            "required": ["xmin", "ymin", "xmax", "ymax"],
            "properties": {
                "xmin": number(), "ymin": number(), "xmax": number(), "ymax": number(),
            },
        },
    });
    let mut name = "Detection";
    if spec.oriented {
        name = "OrientedDetection";
        required.push("polygon");
        properties["polygon"] = json!({
            "type": "array", "minItems": 4, "maxItems": 4,
            "items": { "type": "array", "minItems": 2, "maxItems": 2, "items": number() },
        });
    }
    if spec.keypoints > 0 {
        name = "Pose";
        required.push("keypoints");
        properties["keypoints"] = json!({
            "type": "array",
            "items": {
                "type": "object",
                "required": ["x", "y"],
                "properties": {
                    "x": number(), "y": number(), "score": number(), "name": { "type": "string" },
                },
            },
        });
    }
    if spec.masks.is_some() {
        name = "Instance";
        required.push("mask");
        properties["mask"] = super::super::pictures::png_schema("8-bit gray, of the image's size");
    }
    Schema {
        name,
        value: json!({ "type": "object", "required": required, "properties": properties }),
    }
}
