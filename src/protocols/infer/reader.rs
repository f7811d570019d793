//! The bodies of `/infer`, of every kind, become inference requests.

use std::borrow::Cow;

use super::decoded::Decoded;
use super::json;
use super::query;
use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::request::Head;
use crate::input::body::{self, BodyKind, Declared};
use crate::input::content::{Content, Form};
use crate::input::images;
use crate::input::multipart;
use crate::input::sounds;
use crate::input::text;
use crate::protocols::oip;
use crate::run::inference::InferenceRequest;
use crate::tasks::parameters::Given;
use crate::tensor::inputs::check_batch;
use crate::tensor::json::without_mark;
use crate::tensor::npy;
use crate::tensor::raw;

/// The body of a request, as far as its head says.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    model: &'a Model,
    declared: Declared,
    /// The length of the JSON before binary tensor data.
    header_length: Option<u64>,
}

impl<'a> Reader<'a> {
    /// Read the head.
    ///
    /// # Errors
    /// 415 for the media type, 400 for the length of the JSON.
    pub fn new(head: &Head, model: &'a Model) -> Result<Self, ApiError> {
        let header_length = oip::binary::header_length(head)?;
        // With that header the body is binary, whatever its media type.
        let declared = match header_length {
            Some(_) => Declared::Bytes,
            None => body::declared(head, model.accepts())?,
        };
        Ok(Self {
            model,
            declared,
            header_length,
        })
    }

    /// Decode the body.
    ///
    /// # Errors
    /// 400 for a body that does not fit the model, 413 for a body over a limit, 415 for images.
    pub fn decode(&self, body: Vec<u8>, limits: &Limits) -> Result<Decoded, ApiError> {
        let mut fields = Vec::new();
        let request = self.read(body, &mut fields, limits)?;
        check_batch(&self.model.card, &request.inputs, limits)?;
        Ok(Decoded { request, fields })
    }

    fn read(
        &self,
        body: Vec<u8>,
        fields: &mut Vec<(String, Given)>,
        limits: &Limits,
    ) -> Result<InferenceRequest, ApiError> {
        let model = self.model;
        if body.is_empty() {
            return Err(ApiError::invalid(format!(
                "the body is empty; model `{}` takes {}",
                model.name,
                model.media_types().join(", ")
            )));
        }
        if self.header_length.is_some_and(|length| length > 0) {
            return oip::request::decode(&body, self.header_length, model, limits);
        }
        let kind = match &self.declared {
            Declared::Kind(kind) => kind.clone(),
            Declared::Bytes => body::sniff(&body, model.accepts())?,
        };
        let input = match kind {
            BodyKind::Json => {
                let decoded = json::decode(&body, model, limits)?;
                *fields = decoded.fields;
                return Ok(decoded.request);
            }
            BodyKind::Text => {
                let text = Cow::Borrowed(text::from_bytes(without_mark(&body))?);
                if model.accepts().form == Form::Texts {
                    let content = Content::Texts(vec![text.into_owned()]).checked(limits)?;
                    return Ok(InferenceRequest::of_content(content));
                }
                let texts = text::encode(model.accepts(), &[text], None, limits)?;
                return Ok(InferenceRequest::of_texts(texts));
            }
            BodyKind::Csv => {
                let csv = model.csv.ok_or_else(|| {
                    ApiError::unsupported_media_type(format!(
                        "model `{}` takes no tables",
                        model.name
                    ))
                })?;
                return Ok(InferenceRequest {
                    inputs: csv(&body, &model.card, limits)?,
                    ..InferenceRequest::default()
                });
            }
            BodyKind::Raw => raw::decode(body, &model.card)?,
            BodyKind::Npy => npy::decode(&body, &model.card)?,
            BodyKind::Image => {
                let images = images::placed(&[&body]);
                return InferenceRequest::of_images(images, model.accepts(), limits);
            }
            BodyKind::Sound => {
                let sounds = sounds::placed(vec![body]);
                return InferenceRequest::of_sounds(sounds, model.accepts(), limits);
            }
            BodyKind::Multipart(boundary) => {
                let names: Vec<&str> = query::names(model).collect();
                let takes_sounds = model.takes_sounds();
                let read = match takes_sounds {
                    true => multipart::Form::read_sounds,
                    false => multipart::Form::read,
                };
                let mut form = read(body, &boundary, &names, limits)?;
                let texts = std::mem::take(&mut form.fields).into_iter();
                *fields = texts
                    .map(|(name, text)| (name, Given::Text(text)))
                    .collect();
                if takes_sounds {
                    let sounds = sounds::of_form(&form);
                    return InferenceRequest::of_sounds(sounds, model.accepts(), limits);
                }
                let images = images::of_form(&form);
                return InferenceRequest::of_images(images, model.accepts(), limits);
            }
        };
        Ok(InferenceRequest::of(input))
    }
}
