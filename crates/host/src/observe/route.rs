//! What a request's path is called in logs and metrics: a pattern and a model's name, of which there are as many
//! as the operator has models, whatever clients ask for.

use std::collections::BTreeSet;

use hyper::Uri;

/// The routes' patterns. `{model}` and `{version}` stand for one segment; what matches none is [`OTHER`].
const PATTERNS: [&str; 25] = [
    "/",
    "/infer",
    "/infer/{model}",
    "/infer/{model}/input",
    "/openapi.json",
    "/playground/{file}",
    "/v1/embeddings",
    "/v1/models",
    "/v1/models/{model}",
    "/v1/models/{model}/versions/{version}",
    "/v1/models/{model}/versions/{version}:predict",
    "/v1/models/{model}:predict",
    "/v2",
    "/v2/",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/{model}",
    "/v2/models/{model}/config",
    "/v2/models/{model}/infer",
    "/v2/models/{model}/ready",
    "/v2/models/{model}/versions/{version}",
    "/v2/models/{model}/versions/{version}/config",
    "/v2/models/{model}/versions/{version}/infer",
    "/v2/models/{model}/versions/{version}/ready",
    "/v2/repository/index",
];

/// The name of every path that is no route.
pub(crate) const OTHER: &str = "other";

/// The name of every model that is none of the operator's.
pub(crate) const UNKNOWN_MODEL: &str = "unknown";

/// The models that have a name in logs and metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    models: BTreeSet<String>,
    /// What `/infer` asks.
    default_model: Option<String>,
}

/// What a request is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) route: &'static str,
    /// Empty where the path names none.
    pub(crate) model: String,
}

impl Names {
    /// `default_model` is the one that is asked when a path names none; without one it is the only one.
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
        let path = uri.path();
        let found = PATTERNS
            .iter()
            .find_map(|pattern| matches(pattern, path).map(|model| (*pattern, model)));
        let Some((route, model)) = found else {
            return Called {
                route: OTHER,
                model: String::new(),
            };
        };
        let model = match model {
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

/// Whether a path fits the pattern, and what stands in place of `{model}`.
fn matches<'a>(pattern: &str, path: &'a str) -> Option<Option<&'a str>> {
    let mut model = None;
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        let segment = segments.next()?;
        let Some(placeholder) = wanted.strip_prefix('{') else {
            if wanted != segment {
                return None;
            }
            continue;
        };
        let (name, suffix) = placeholder.split_once('}')?;
        let value = segment.strip_suffix(suffix)?;
        if value.is_empty() || suffix.is_empty() && value.contains(':') {
            return None;
        }
        if name == "model" {
            model = Some(value);
        }
    }
    segments.next().is_none().then_some(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_pattern_and_a_model_or_neither() {
        let two = BTreeSet::from(["digits".to_owned(), "cats".to_owned()]);
        let names = Names::new(two, Some("cats"));
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
            ("/v2/health/ready/", OTHER, ""),
            ("/playground/page.js", "/playground/{file}", ""),
            ("/{model}", OTHER, ""),
            ("*", OTHER, ""),
        ];
        let mut wrong = Vec::new();
        for (path, route, model) in cases {
            let called = names.call(&path.parse().unwrap());
            if (called.route, called.model.as_str()) != (route, model) {
                wrong.push(format!("{path}: {called:?}, expected {route} {model}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_model_is_asked_by_default_when_it_is_named_or_the_only_one() {
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
            let names = Names::new(models, default_model);
            let called = names.call(&Uri::from_static("/infer"));
            assert_eq!(called.model, expected, "{names:?}");
        }
    }
}
