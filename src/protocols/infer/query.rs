//! The parameters of `/infer`: in the query, or in the text fields of a form.

use crate::catalog::Model;
use crate::http::error::{ApiError, quoted};
use crate::http::request::Head;
use crate::tasks::parameters::{self, Values};

/// The parameter that adds the output tensors to the response.
const OUTPUTS: &str = "outputs";

/// The names of the parameters that a model takes.
pub fn names(model: &Model) -> impl Iterator<Item = &'static str> {
    let of_task = model.pipeline.parameters().into_iter();
    of_task
        .map(|parameter| parameter.name)
        .chain(std::iter::once(OUTPUTS))
}

/// The parameters of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// Add the text fields of a form. A parameter of the query overrides the field of that name, whose value is checked all
    /// the same; of two fields with one name the first counts, as in a query.
    ///
    /// # Errors
    /// 400 for a value that is out of range.
    pub fn with_fields(
        &self,
        fields: &[(String, String)],
        model: &Model,
    ) -> Result<Self, ApiError> {
        if fields.is_empty() {
            return Ok(self.clone());
        }
        Self::check_fields(fields, model)?;
        Self::of(self.query.clone(), fields, model)
    }

    /// Check the text fields of a form.
    ///
    /// # Errors
    /// 400 for a value that is out of range.
    pub fn check_fields(fields: &[(String, String)], model: &Model) -> Result<(), ApiError> {
        Self::of(Vec::new(), fields, model).map(drop)
    }

    fn of(
        query: Vec<(&'static str, String)>,
        fields: &[(String, String)],
        model: &Model,
    ) -> Result<Self, ApiError> {
        let lookup = |wanted: &str| {
            let query = query.iter().map(|(name, value)| (*name, value));
            let fields = fields.iter().map(|(name, value)| (name.as_str(), value));
            let found = query.chain(fields).find(|(name, _)| *name == wanted);
            Ok(found.map(|(_, value)| value.clone()))
        };
        let values = Values::parse(&model.pipeline.parameters(), model.name.as_str(), lookup)?;
        let with_outputs = flag(OUTPUTS, lookup(OUTPUTS)?.as_deref())?;
        Ok(Self {
            values,
            with_outputs,
            query,
        })
    }
}

fn flag(name: &str, value: Option<&str>) -> Result<bool, ApiError> {
    match value {
        None | Some("false") => Ok(false),
        Some("true" | "") => Ok(true),
        Some(other) => Err(ApiError::invalid(format!(
            "`{name}` is {}, expected true or false",
            quoted(other)
        ))),
    }
}
