//! Settings, from environment variables.
//!
//! They are read for each request: the environment of the snapshot's build is not that of the host.

use std::collections::BTreeMap;

use infer_model_card::ModelName;
use infer_routes::cors::{self, Origins};
use infer_tensor::Datatype;

use crate::http::limits::Limits;

/// The environment variable with the name of the model of `POST /infer`.
pub const DEFAULT_MODEL: &str = "INFER_DEFAULT_MODEL";
/// The environment variable with the datatypes that the host's wasi:nn supports, such as `FP32,INT64`.
pub const NN_DATATYPES: &str = "INFER_NN_DATATYPES";
/// The environment variable that turns the page on or off.
pub const PLAYGROUND: &str = "INFER_PLAYGROUND";
/// The environment variable with the models of the repository that are not served as they are there: a JSON object of their
/// names with the reason. A host that watches the repository sets it.
pub const UNAVAILABLE_MODELS: &str = "INFER_UNAVAILABLE_MODELS";

/// The settings of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The origins whose pages may send requests; if they are not set, no other than the service's own.
    pub cors_origins: Option<Origins>,
    /// The model of `POST /infer`; if it is not set, the only model.
    pub default_model: Option<ModelName>,
    /// The resource limits.
    pub limits: Limits,
    /// The datatypes that the host's wasi:nn supports; if it is not set, all of them.
    pub nn_datatypes: Option<Vec<Datatype>>,
    /// Whether the page is served.
    pub playground: bool,
    /// The models that are not served as they are in the repository, with the reason.
    pub unavailable_models: BTreeMap<String, String>,
}

/// An invalid setting. The client gets 500, and the log this message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable `{variable}` is `{value}`, expected {expected}")]
pub struct SettingsError {
    variable: &'static str,
    value: String,
    expected: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cors_origins: None,
            default_model: None,
            limits: Limits::default(),
            nn_datatypes: None,
            playground: true,
            unavailable_models: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Read the settings; `variable` returns the value of an environment variable. An empty value counts as not set.
    ///
    /// # Errors
    /// A value is invalid.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let read = |name: &'static str| variable(name).filter(|value| !value.is_empty());
        let limits = Limits::read(read).map_err(|(variable, value, expected)| SettingsError {
            variable,
            value,
            expected,
        })?;
        let mut settings = Self {
            limits,
            ..Self::default()
        };
        if let Some(value) = read(cors::VARIABLE) {
            let origins = Origins::parse(&value).ok_or_else(|| SettingsError {
                variable: cors::VARIABLE,
                value,
                expected: cors::EXPECTED.to_owned(),
            })?;
            settings.cors_origins = Some(origins);
        }
        if let Some(value) = read(DEFAULT_MODEL) {
            let name = ModelName::new(&value).map_err(|_| SettingsError {
                variable: DEFAULT_MODEL,
                value,
                expected: "the name of a model".to_owned(),
            })?;
            settings.default_model = Some(name);
        }
        if let Some(value) = read(NN_DATATYPES) {
            let datatypes = value.split(',').map(|name| name.trim().parse());
            settings.nn_datatypes =
                Some(
                    datatypes
                        .collect::<Result<_, _>>()
                        .map_err(|_| SettingsError {
                            variable: NN_DATATYPES,
                            value,
                            expected:
                                "datatypes of the Open Inference Protocol, separated by commas"
                                    .to_owned(),
                        })?,
                );
        }
        if let Some(value) = read(PLAYGROUND) {
            settings.playground = match value.as_str() {
                "on" => true,
                "off" => false,
                _ => {
                    return Err(SettingsError {
                        variable: PLAYGROUND,
                        value,
                        expected: "on or off".to_owned(),
                    });
                }
            };
        }
        if let Some(value) = read(UNAVAILABLE_MODELS) {
            settings.unavailable_models =
                serde_json::from_str(&value).map_err(|_| SettingsError {
                    variable: UNAVAILABLE_MODELS,
                    value,
                    expected: "a JSON object of names and reasons".to_owned(),
                })?;
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::limits::MAX_BODY_BYTES;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::read(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
        .map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_checked() {
        assert_eq!(read(&[]), Ok(Settings::default()));
        assert_eq!(
            read(&[(MAX_BODY_BYTES, ""), (DEFAULT_MODEL, "")]),
            Ok(Settings::default())
        );
        let set = read(&[(MAX_BODY_BYTES, "100"), (DEFAULT_MODEL, "digits")]).unwrap();
        assert_eq!(set.limits.max_body_bytes, 100);
        assert_eq!(set.default_model.unwrap().as_str(), "digits");
        for wrong in ["0", "-1", "10M", "1e6", "99999999999999999999"] {
            let message = read(&[(MAX_BODY_BYTES, wrong)]).unwrap_err();
            assert_eq!(
                message,
                format!(
                    "the environment variable `INFER_MAX_BODY_BYTES` is `{wrong}`, expected a number \
                     of bytes, 1 or more"
                )
            );
        }
        assert!(read(&[(DEFAULT_MODEL, "../x")]).is_err());
        let any = read(&[(cors::VARIABLE, "*")]).unwrap();
        assert_eq!(any.cors_origins, Some(Origins::Any));
        assert_eq!(
            read(&[(cors::VARIABLE, "example.org")]).unwrap_err(),
            "the environment variable `INFER_CORS_ORIGINS` is `example.org`, expected `*`, or origins such as \
             `https://example.org:8443` without a path, separated by commas"
        );
        let few = read(&[(NN_DATATYPES, "FP32, INT64")]).unwrap();
        assert_eq!(
            few.nn_datatypes,
            Some(vec![Datatype::Fp32, Datatype::Int64])
        );
        for wrong in ["float", "FP32;INT64", "FP32,"] {
            assert!(read(&[(NN_DATATYPES, wrong)]).is_err(), "{wrong}");
        }
        for (value, expected) in [("on", Ok(true)), ("off", Ok(false)), ("", Ok(true))] {
            let actual = read(&[(PLAYGROUND, value)]).map(|settings| settings.playground);
            assert_eq!(actual, expected, "{value}");
        }
        assert_eq!(
            read(&[(PLAYGROUND, "no")]).unwrap_err(),
            "the environment variable `INFER_PLAYGROUND` is `no`, expected on or off"
        );
    }
}
