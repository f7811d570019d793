//! The route and model labels of a request in logs and metrics.
//!
//! Labels are patterns of the route table and names of the operator's models, so that clients cannot create new ones.

use std::collections::BTreeSet;

use hyper::Uri;
use infer_routes::Names;

/// The route label of every path that matches no route.
pub(crate) const OTHER: &str = "other";

/// The model label of every model that is not the operator's.
pub(crate) const UNKNOWN_MODEL: &str = "unknown";

/// The models that have a label.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labels {
    models: BTreeSet<String>,
    /// The model of `/infer`.
    default_model: Option<String>,
}

/// The labels of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) route: &'static str,
    /// Empty if the path names no model.
    pub(crate) model: String,
}

impl Labels {
    /// Labels for these models. Without a `default_model`, `/infer` uses the only one.
    pub(crate) fn new(models: BTreeSet<String>, default_model: Option<&str>) -> Self {
        let only = || models.first().filter(|_| models.len() == 1);
        let default_model = match default_model {
            Some(name) => models.get(name),
            None => only(),
        };
        Self {
            default_model: default_model.cloned(),
            models,
        }
    }

    pub(crate) fn call(&self, uri: &Uri) -> Called {
        let path = uri.path().strip_prefix('/');
        let segments: Vec<&str> = path
            .map(|path| path.split('/').collect())
            .unwrap_or_default();
        let Some(found) = infer_routes::find(&segments, Names::WithoutColon) else {
            return Called {
                route: OTHER,
                model: String::new(),
            };
        };
        let route = found.route.pattern;
        let model = match found.model {
            Some(name) => self.models.get(name).map_or(UNKNOWN_MODEL, String::as_str),
            None if route == "/infer" => self.default_model.as_deref().unwrap_or_default(),
            None => "",
        };
        Called {
            route,
            model: model.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_pattern_and_a_model_or_neither() {
        let two = BTreeSet::from(["digits".to_owned(), "cats".to_owned()]);
        let labels = Labels::new(two, Some("cats"));
        let cases = [
            ("/", "/", ""),
            ("/infer", "/infer", "cats"),
            ("/infer?top_k=3", "/infer", "cats"),
            ("/infer/", OTHER, ""),
            ("/infer/digits", "/infer/{model}", "digits"),
            ("/infer/dogs", "/infer/{model}", UNKNOWN_MODEL),
            (
                "/infer/unknown/input",
                "/infer/{model}/input",
                UNKNOWN_MODEL,
            ),
            ("/infer/digits/more/than/that", OTHER, ""),
            ("/infer/../digits", OTHER, ""),
            (
                "/v1/models/digits:predict",
                "/v1/models/{model}:predict",
                "digits",
            ),
            ("/v1/models/digits:explode", OTHER, ""),
            ("/v1/models/:predict", OTHER, ""),
            ("/v1/models/digits", "/v1/models/{model}", "digits"),
            (
                "/v1/models/digits/versions/1:predict",
                "/v1/models/{model}/versions/{version}:predict",
                "digits",
            ),
            (
                "/v2/models/cats/versions/7/infer",
                "/v2/models/{model}/versions/{version}/infer",
                "cats",
            ),
            ("/v2/health/ready", "/v2/health/ready", ""),
            ("/models/digits", "/models/{model}", "digits"),
            (
                "/models/digits/pipeline/any-task",
                "/models/{model}/pipeline/{task}",
                "digits",
            ),
            ("/v2/health/ready/", OTHER, ""),
            ("/playground/page.js", "/playground/{file}", ""),
            ("/{model}", OTHER, ""),
            ("*", OTHER, ""),
        ];
        let mut wrong = Vec::new();
        for (path, route, model) in cases {
            let called = labels.call(&path.parse().unwrap());
            if (called.route, called.model.as_str()) != (route, model) {
                wrong.push(format!("{path}: {called:?}, expected {route} {model}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn the_default_model_is_the_named_one_or_the_only_one() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let cases = [
            (set(&["a"]), None, "a"),
            (set(&["a"]), Some("a"), "a"),
            (set(&["a"]), Some("b"), ""),
            (set(&["a", "b"]), None, ""),
            (set(&["a", "b"]), Some("b"), "b"),
            (set(&[]), None, ""),
        ];
        for (models, default_model, expected) in cases {
            let labels = Labels::new(models, default_model);
            let called = labels.call(&Uri::from_static("/infer"));
            assert_eq!(called.model, expected, "{labels:?}");
        }
    }
}
