//! Parameters of requests that belong to a task.

use serde_json::{Value, json};

use crate::http::error::{ApiError, quoted};

/// The names of all tasks' parameters. A request for a model of another task is rejected if it sets one.
pub(crate) const NAMES: [&str; 1] = [TOP_K];

/// The number of classes in a response.
pub(super) const TOP_K: &str = "top_k";

/// A parameter that a task declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name in a query or in JSON.
    pub name: &'static str,
    /// One line for the OpenAPI document.
    pub description: &'static str,
    /// The type and the range.
    pub kind: Kind,
}

/// The type of a parameter, its range and its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An integer from `min` to `max`.
    Integer {
        /// The smallest value.
        min: u32,
        /// The largest value.
        max: u32,
        /// The value if the request has none.
        default: u32,
    },
}

impl Parameter {
    /// The JSON Schema of a value.
    #[must_use]
    pub fn schema(&self) -> Value {
        match self.kind {
            Kind::Integer { min, max, default } => {
                json!({ "type": "integer", "minimum": min, "maximum": max, "default": default })
            }
        }
    }

    fn parse(&self, text: Option<&str>) -> Result<u32, ApiError> {
        let Kind::Integer { min, max, default } = self.kind;
        let Some(text) = text else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|value| (min..=max).contains(value))
            .ok_or_else(|| {
                ApiError::invalid(format!(
                    "`{}` is {}, expected an integer from {min} to {max}",
                    self.name,
                    quoted(text)
                ))
            })
    }
}

/// The values of a task's parameters in one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(Vec<(&'static str, u32)>);

impl Values {
    /// Parse the values of the declared parameters; `lookup` returns the text of a parameter, if the request
    /// has it. A missing one has its default.
    ///
    /// # Errors
    /// 400 for a value that is out of range, for a parameter of another task, and whatever `lookup` returns.
    pub fn parse(
        declared: &[Parameter],
        model: &str,
        lookup: impl Fn(&str) -> Result<Option<String>, ApiError>,
    ) -> Result<Self, ApiError> {
        for name in NAMES {
            let is_declared = declared.iter().any(|parameter| parameter.name == name);
            if !is_declared && lookup(name)?.is_some() {
                return Err(ApiError::invalid(format!(
                    "model `{model}` does not take `{name}`, which belongs to another task; leave it out"
                )));
            }
        }
        let values = declared.iter().map(|parameter| {
            let text = lookup(parameter.name)?;
            Ok((parameter.name, parameter.parse(text.as_deref())?))
        });
        values.collect::<Result<_, _>>().map(Self)
    }

    /// An integer of the request, or its default; 0 for a parameter that the task has not declared.
    #[must_use]
    pub fn integer(&self, name: &str) -> usize {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(0, |(_, value)| *value as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(min: u32, max: u32) -> Parameter {
        Parameter {
            name: TOP_K,
            description: "",
            kind: Kind::Integer {
                min,
                max,
                default: 5,
            },
        }
    }

    #[test]
    fn a_value_is_an_integer_of_the_range() {
        let rows = [
            (None, Ok(5)),
            (Some("1"), Ok(1)),
            (Some("9"), Ok(9)),
            (Some("0"), Err("`0`")),
            (Some("10"), Err("`10`")),
            (Some("-1"), Err("`-1`")),
            (Some("1.0"), Err("`1.0`")),
            (Some(""), Err("``")),
            (Some("4294967296"), Err("`4294967296`")),
        ];
        let mut wrong = Vec::new();
        for (text, expected) in rows {
            let lookup = |_: &str| Ok(text.map(str::to_owned));
            let parsed = Values::parse(&[declared(1, 9)], "m", lookup);
            let actual = parsed.map(|values| values.integer(TOP_K));
            let actual = actual.map_err(|error| (error.kind().status(), error.to_string()));
            let expected = expected.map_err(|quoted| {
                let text = format!("`top_k` is {quoted}, expected an integer from 1 to 9");
                (400, text)
            });
            if actual != expected {
                wrong.push(format!("{text:?}: {actual:?}, expected {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_parameter_of_another_task_is_rejected() {
        let set = |_: &str| Ok(Some("1".to_owned()));
        let error = Values::parse(&[], "m", set).unwrap_err();
        assert_eq!(error.kind().status(), 400);
        assert_eq!(
            error.to_string(),
            "model `m` does not take `top_k`, which belongs to another task; leave it out"
        );
        let values = Values::parse(&[], "m", |_| Ok(None)).unwrap();
        assert_eq!(values.integer(TOP_K), 0);
    }

    #[test]
    fn an_error_of_the_request_is_returned() {
        let failing = |_: &str| Err(ApiError::invalid("not percent-encoded"));
        for parameters in [&[][..], &[declared(1, 9)]] {
            let error = Values::parse(parameters, "m", failing).unwrap_err();
            assert_eq!(error.to_string(), "not percent-encoded");
        }
    }
}
