//! `POST /v1/vision/detection` and `/v1/vision/custom/{model}`: the objects in an image, as DeepStack has it and home
//! automation and camera recorders ask for it.

use serde::Serialize;
use serde_json::Value;

use super::common::Service;
use super::common::prediction::predictions;
use crate::catalog::ability::Ability;
use crate::catalog::{Model, Models};
use crate::http::error::{ApiError, quoted};
use crate::http::json::response_within;
use crate::http::media_type::MediaType;
use crate::http::negotiate::{ResponseType, response_type};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::settings::Settings;
use crate::http::timing::{Phase, Timing};
use crate::input::images;
use crate::input::multipart::{self, Form};
use crate::run::inference::InferenceRequest;
use crate::tasks::parameters::{Given, MAX_DETECTIONS, THRESHOLD, Values};

/// The field with the least confidence.
const MIN_CONFIDENCE: &str = "min_confidence";

/// The least confidence if the form has none, as in DeepStack.
const DEFAULT_CONFIDENCE: &str = "0.45";

/// The text fields of a form. Keys are ignored: the service has none.
const FIELDS: [&str; 3] = [MIN_CONFIDENCE, "api_key", "admin_key"];

/// The most objects in a response: the detector of Frigate has room for as many.
const MAX_OBJECTS: usize = 20;

/// A request, as far as its head says.
#[derive(Clone, Debug)]
pub struct DeepStack<'a> {
    model: &'a Model,
    boundary: String,
}

#[derive(Serialize)]
struct Detections {
    success: bool,
    predictions: Vec<Detection>,
    duration: u32,
}

#[derive(Debug, PartialEq, Serialize)]
struct Detection {
    confidence: f64,
    label: String,
    y_min: i64,
    x_min: i64,
    y_max: i64,
    x_max: i64,
}

impl<'a> DeepStack<'a> {
    /// Read the head; `name` is the model of the path.
    ///
    /// # Errors
    /// 404 for an unknown model, 400 for one that detects no objects and if several do, 415 and 406 for the media types.
    pub fn new(
        head: &Head,
        name: Option<&str>,
        models: &'a Models,
        settings: &Settings,
    ) -> Result<Self, ApiError> {
        let unnamed = "the request names no model; send it to `/v1/vision/custom/{model}`";
        let model = models.with_ability(name, Ability::DETECTS, unnamed, settings)?;
        response_type(head, &[ResponseType::Json])?;
        let header = head.header("content-type").unwrap_or_default();
        let media_type = MediaType::parse(header);
        if media_type.as_ref().map(MediaType::as_str) != Some("multipart/form-data") {
            return Err(ApiError::unsupported_media_type(format!(
                "{} is unsupported on this route, expected `multipart/form-data` with the image in the field `image`",
                quoted(header)
            )));
        }
        Ok(Self {
            model,
            boundary: multipart::boundary(header)?,
        })
    }

    /// Decode the body, infer, and encode the response; `timing` gets the phases that ran.
    ///
    /// # Errors
    /// 400 for a form without exactly one image, and for a confidence that is out of range; the errors of images and of
    /// the backend.
    pub fn respond(
        &self,
        body: Vec<u8>,
        service: Service,
        timing: &mut Timing,
    ) -> Result<Response, ApiError> {
        let limits = service.limits();
        let (inputs, values) = timing.measure(Phase::Decode, || {
            let form = Form::read(body, &self.boundary, &FIELDS, limits)?;
            if form.images.len() > 1 {
                return Err(ApiError::invalid(format!(
                    "the multipart body has {} images, expected one",
                    form.images.len()
                )));
            }
            let values = self.values(&form)?;
            let images = images::of_form(&form);
            let mut request = InferenceRequest::of_images(images, self.model.accepts(), limits)?;
            Ok((request.take_inputs(), values))
        })?;
        let mut items = predictions(self.model, inputs, &values, service, timing)?;
        timing.measure(Phase::Encode, || {
            response_within(
                &Detections {
                    success: true,
                    predictions: detections(&items.pop().unwrap_or_default()),
                    duration: 0,
                },
                limits,
            )
        })
    }

    fn values(&self, form: &Form) -> Result<Values, ApiError> {
        let field = form.fields.iter().find(|(name, _)| name == MIN_CONFIDENCE);
        let confidence = field.map_or(DEFAULT_CONFIDENCE, |(_, value)| value);
        let parsed: Option<f32> = confidence.trim().parse().ok();
        if !parsed.is_some_and(|value| (0.0..=1.0).contains(&value)) {
            return Err(ApiError::invalid(format!(
                "`{MIN_CONFIDENCE}` is {}, expected a number from 0 to 1",
                quoted(confidence)
            )));
        }
        let declared = self.model.pipeline.parameters();
        let takes = |wanted: &str| declared.iter().any(|parameter| parameter.name == wanted);
        let takes_number = takes(MAX_DETECTIONS);
        Values::parse(&declared, self.model.name.as_str(), |name| {
            Ok(match name {
                THRESHOLD => Some(Given::Text(confidence.trim().to_owned())),
                MAX_DETECTIONS if takes_number => Some(Given::Text(MAX_OBJECTS.to_string())),
                _ => None,
            })
        })
    }
}

/// Detections in the other form, the best first.
fn detections(predictions: &[Value]) -> Vec<Detection> {
    let corner = |prediction: &Value, name: &str| {
        let value = prediction.pointer(&format!("/box/{name}"));
        value.and_then(Value::as_f64).unwrap_or_default() as i64
    };
    let mut detections: Vec<Detection> = predictions
        .iter()
        .map(|prediction| Detection {
            confidence: prediction
                .get("score")
                .and_then(Value::as_f64)
                .unwrap_or_default(),
            label: prediction
                .get("label")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            y_min: corner(prediction, "ymin"),
            x_min: corner(prediction, "xmin"),
            y_max: corner(prediction, "ymax"),
            x_max: corner(prediction, "xmax"),
        })
        .collect();
    detections.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    detections.truncate(MAX_OBJECTS);
    detections
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_best_come_first_and_no_more_than_twenty() {
        let object = |score: f64| {
            json!({
                "label": "cat", "index": 3, "score": score,
                "box": { "xmin": 1.9, "ymin": 2.0, "xmax": 30.99, "ymax": 4.5 },
            })
        };
        let all: Vec<Value> = (0..30)
            .map(|place| object(f64::from(place) / 30.0))
            .collect();
        let found = detections(&all);
        assert_eq!(found.len(), 20);
        assert_eq!(
            found.first(),
            Some(&Detection {
                confidence: 29.0 / 30.0,
                label: "cat".to_owned(),
                y_min: 2,
                x_min: 1,
                y_max: 4,
                x_max: 30,
            })
        );
        assert!(found.is_sorted_by(|a, b| a.confidence >= b.confidence));
        assert_eq!(detections(&[]), []);
    }
}
