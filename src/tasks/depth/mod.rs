//! Depth: one map of an image, with the range of its values.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image::ExtendedColorType;
use infer_model_card::DepthSpec;
use ndarray::Axis;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::masks::{Levels, png};
use super::pictures::{Pictures, png_schema};
use super::pipeline::{Call, Outcome, Pipeline, Runner, Schema, output};
use crate::http::error::ApiError;
use crate::http::json::ToJson;
use crate::http::timing::Phase;
use crate::input::content::Form;
use crate::input::image::Placement;
use crate::tensor::array;

/// The pipeline of a model that computes a map.
#[derive(Debug)]
pub(super) struct Mapper {
    spec: DepthSpec,
}

/// A map in the size of the image.
struct Values {
    width: u32,
    height: u32,
    values: Vec<f32>,
    min: f32,
    max: f32,
}

/// The map as a response has it.
#[derive(Debug, Serialize)]
struct Prediction {
    /// A PNG file of 16-bit gray in base64: 0 is `min`, 65535 is `max`.
    map: String,
    min: f32,
    max: f32,
}

impl Values {
    /// The values at the pixels of the image.
    ///
    /// # Errors
    /// 400 when a value is not finite.
    fn new(levels: &Levels, placement: &Placement, name: &str) -> Result<Self, ApiError> {
        let (width, height) = (placement.width, placement.height);
        let rows = 0..height;
        // Bicubic, as `post_process_depth_estimation` of `transformers`.
        let values: Vec<f32> = rows
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .map(|(x, y)| levels.bicubic(x, y))
            .collect();
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(ApiError::invalid(format!(
                "output `{name}` has the value {value}, which no image can represent; send \
                 `Accept: application/octet-stream`"
            )));
        }
        let min = values.iter().copied().fold(f32::INFINITY, f32::min);
        let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        Ok(Self {
            width,
            height,
            values,
            min,
            max,
        })
    }

    /// The values from 0 to 1; all 0 if they are equal.
    fn unit(&self) -> impl Iterator<Item = f32> {
        let range = f64::from(self.max) - f64::from(self.min);
        self.values.iter().map(move |value| match range > 0.0 {
            true => ((f64::from(*value) - f64::from(self.min)) / range) as f32,
            false => 0.0,
        })
    }

    fn prediction(&self) -> Result<Prediction, ApiError> {
        // The encoder takes the bytes of the machine's order.
        let gray: Vec<u8> = self
            .unit()
            .flat_map(|value| ((value * 65535.0).round_ties_even() as u16).to_ne_bytes())
            .collect();
        let file = png(&gray, (self.width, self.height), ExtendedColorType::L16)?;
        Ok(Prediction {
            map: BASE64_STANDARD.encode(file),
            min: self.min,
            max: self.max,
        })
    }

    /// The map in color, as a PNG file.
    fn drawing(&self) -> Result<Vec<u8>, ApiError> {
        let color = |value: f32| colorous::INFERNO.eval_continuous(value.into()).as_array();
        let pixels: Vec<u8> = self.unit().flat_map(color).collect();
        png(&pixels, (self.width, self.height), ExtendedColorType::Rgb8)
    }
}

impl Mapper {
    pub(super) fn new(spec: DepthSpec) -> Self {
        Self { spec }
    }
}

impl Pipeline for Mapper {
    fn form(&self) -> Form {
        Form::Images
    }

    fn draws(&self) -> bool {
        true
    }

    fn infer(&self, call: Call, runner: &mut dyn Runner) -> Result<Outcome, ApiError> {
        let wanted = call.wanted;
        let Pictures {
            images,
            placements,
            outputs,
        } = Pictures::run(call, runner)?;
        if !(wanted.predictions || wanted.drawing) {
            return Ok(Outcome::tensors(outputs));
        }
        runner.timing().measure(Phase::Encode, || {
            let name = &self.spec.output;
            let values = array::floats(output(&outputs, name)?)?;
            let unfit = || {
                ApiError::internal(format!(
                    "output `{name}` has shape {:?} for {} images, expected [batch, height, width]",
                    values.shape(),
                    placements.len()
                ))
            };
            let size = match *values.shape() {
                [batch, height, width] | [batch, 1, height, width]
                    if batch == placements.len() && height * width > 0 =>
                {
                    (width, height)
                }
                _ => return Err(unfit()),
            };
            let items = values.axis_iter(Axis(0)).zip(&placements);
            let maps = items
                .map(|(item, placement)| {
                    let item: Vec<f32> = item.iter().copied().collect();
                    Values::new(&Levels::new(&item, size, placement), placement, name)
                })
                .collect::<Result<Vec<_>, _>>()?;
            let predictions = maps
                .iter()
                .map(|map| Ok(vec![map.prediction()?]))
                .collect::<Result<Vec<_>, ApiError>>()?;
            let drawing = match (wanted.drawing && !images.is_empty(), maps.first()) {
                (true, Some(map)) => Some(map.drawing()?),
                _ => None,
            };
            Ok(Outcome {
                predictions: Some(Box::new(predictions) as Box<dyn ToJson>),
                drawing,
                outputs,
            })
        })
    }

    fn schema(&self) -> Option<Schema> {
        Some(Schema {
            name: "DepthMap",
            value: json!({
                "type": "object",
                "required": ["map", "min", "max"],
                "additionalProperties": false,
                "properties": {
                    "map": png_schema("16-bit gray, of the image's size: 0 is `min`, 65535 is `max`"),
                    "min": { "type": "number" },
                    "max": { "type": "number" },
                },
            }),
        })
    }

    fn description(&self) -> Map<String, Value> {
        Map::from_iter([("depth".to_owned(), json!(true))])
    }
}
