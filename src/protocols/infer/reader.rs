//! The bodies of `/infer`, of every kind, become inference requests.

use std::borrow::Cow;

use super::json;
use super::query;
use crate::catalog::Model;
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::request::Head;
use crate::input::body::{self, BodyKind, Declared};
use crate::input::images;
use crate::input::multipart::Form;
use crate::input::text;
use crate::protocols::oip;
use crate::run::inference::InferenceRequest;
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

/// A request, and the text fields of its form.
#[derive(Debug)]
pub struct Decoded {
    /// The request.
    pub request: InferenceRequest,
    /// The parameters in the form, by name.
    pub fields: Vec<(String, String)>,
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
        fields: &mut Vec<(String, String)>,
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
            BodyKind::Json => return json::decode(&body, model, limits),
            BodyKind::Text => {
                let text = Cow::Borrowed(text::from_bytes(without_mark(&body))?);
                let texts = text::encode(model.accepts(), &[text], None, limits)?;
                return Ok(InferenceRequest::of_texts(texts));
            }
            BodyKind::Raw => raw::decode(body, &model.card)?,
            BodyKind::Npy => npy::decode(&body, &model.card)?,
            BodyKind::Image => images::to_input(&[&body], model.accepts(), limits)?,
            BodyKind::Multipart(boundary) => {
                let names: Vec<&str> = query::names(model).collect();
                let mut form = Form::read(body, &boundary, &names, limits)?;
                *fields = std::mem::take(&mut form.fields);
                images::form_to_input(&form, model.accepts(), limits)?
            }
        };
        Ok(InferenceRequest::of(input))
    }
}
