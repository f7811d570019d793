//! The parameters of `/infer`: in the query, in the text fields of a form, or in the `parameters` of JSON.

use crate::catalog::Model;
use crate::http::error::{ApiError, quoted};
use crate::http::request::Head;
use crate::tasks::parameters::{self, Given, Values};

/// The parameter that adds the output tensors to the response.
pub(super) const OUTPUTS: &str = "outputs";

/// The names of the parameters that a model takes.
pub fn names(model: &Model) -> impl Iterator<Item = &'static str> {
    let of_task = model.pipeline.parameters().into_iter();
    of_task
        .map(|parameter| parameter.name)
        .chain(std::iter::once(OUTPUTS))
}

/// The parameters of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// Those of the task.
    pub values: Values,
    /// Whether to add the output tensors to the response.
    pub with_outputs: bool,
    /// The parameters that the query has, as text.
    query: Vec<(&'static str, String)>,
}

impl Parameters {
    /// Read the query.
    ///
    /// # Errors
    /// 400 for a value that is out of range, for a parameter of another task, and for broken percent-encoding.
    pub fn new(head: &Head, model: &Model) -> Result<Self, ApiError> {
        let mut query = Vec::new();
        for name in parameters::NAMES.into_iter().chain([OUTPUTS]) {
            if let Some(value) = head.query_parameter(name)? {
                query.push((name, value));
            }
        }
        Self::of(query, &[], model)
    }

    /// Add the text fields of a form or the parameters of JSON. A parameter of the query overrides the field of that name,
    /// whose value is checked all the same; of two fields with one name the first counts, as in a query.
    ///
    /// # Errors
    /// 400 for a value that is out of range.
    pub fn with_fields(&self, fields: &[(String, Given)], model: &Model) -> Result<Self, ApiError> {
        if fields.is_empty() {
            return Ok(self.clone());
        }
        Self::check_fields(fields, model)?;
        Self::of(self.query.clone(), fields, model)
    }

    /// Check the text fields of a form, or the parameters of JSON.
    ///
    /// # Errors
    /// 400 for a value that is out of range.
    pub fn check_fields(fields: &[(String, Given)], model: &Model) -> Result<(), ApiError> {
        Self::of(Vec::new(), fields, model).map(drop)
    }

    fn of(
        query: Vec<(&'static str, String)>,
        fields: &[(String, Given)],
        model: &Model,
    ) -> Result<Self, ApiError> {
        let lookup = |wanted: &str| {
            let query = query.iter().find(|(name, _)| *name == wanted);
            let in_query = query.map(|(_, value)| Given::Text(value.clone()));
            let field = || fields.iter().find(|(name, _)| name == wanted);
            Ok(in_query.or_else(|| field().map(|(_, value)| value.clone())))
        };
        let values = Values::parse(&model.pipeline.parameters(), model.name.as_str(), lookup)?;
        let with_outputs = match lookup(OUTPUTS)? {
            None => false,
            Some(given) => flag(OUTPUTS, &given)?,
        };
        Ok(Self {
            values,
            with_outputs,
            query,
        })
    }
}

fn flag(name: &str, given: &Given) -> Result<bool, ApiError> {
    match given {
        Given::Text(text) if text == "false" => Ok(false),
        Given::Text(text) if text.is_empty() || text == "true" => Ok(true),
        Given::Json(serde_json::Value::Bool(value)) => Ok(*value),
        Given::Text(other) => Err(not_flag(name, other)),
        Given::Json(other) => Err(not_flag(name, &other.to_string())),
    }
}

fn not_flag(name: &str, value: &str) -> ApiError {
    ApiError::invalid(format!(
        "`{name}` is {}, expected true or false",
        quoted(value)
    ))
}
