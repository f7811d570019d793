//! From method and path to a route.

use crate::http::error::{ApiError, ErrorKind, quoted};
use crate::http::request::{Head, percent_decoded};
use crate::playground::{self, Asset};

/// What a request asks for. Names of models and versions are as the path has them, decoded; they have
/// not been looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are all alike: see above")]
pub enum Route {
    /// `POST /infer` and `POST /infer/{model}`.
    Infer { model: Option<String> },
    /// `POST /infer/{model}/input`
    Input { model: String },
    /// `GET /v2`
    ServerMetadata,
    /// `GET /v2/health/live`
    ServerLive,
    /// `GET /v2/health/ready`
    ServerReady,
    /// `GET /v2/models/{model}[/versions/{version}]` and what stands below it.
    V2Model {
        model: String,
        version: Option<String>,
        what: V2Model,
    },
    /// `POST /v2/repository/index`
    RepositoryIndex,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `GET /v1/models`
    V1Models,
    /// `GET /v1/models/{model}[/versions/{version}]`
    V1Model {
        model: String,
        version: Option<String>,
    },
    /// `POST /v1/models/{model}[/versions/{version}]:predict`
    V1Predict {
        model: String,
        version: Option<String>,
    },
    /// `GET /openapi.json`
    OpenApi,
    /// `GET /` and what the page there loads.
    Asset(&'static Asset),
}

/// What stands at a model in V2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum V2Model {
    /// The model's metadata.
    Metadata,
    /// `/ready`
    Ready,
    /// `/config`, Triton's model configuration extension.
    Config,
    /// `/infer`
    Infer,
}

/// The routes, for the message of a 404.
const ROUTES: &str = "`POST /infer`, `POST /infer/{model}`, the Open Inference Protocol under `/v2`, \
                      the V1 protocol under `/v1/models` and `POST /v1/embeddings`, all of them in \
                      `GET /openapi.json`";

/// The methods of what is only read, as the header `Allow` lists them.
const READ: &str = "GET, HEAD";

/// Find the route of a request; `has_page` is whether the page is one.
///
/// # Errors
/// 404 for a path that is none, 405 for a method that the path does not have, 400 for broken
/// percent-encoding.
pub fn route(head: &Head, has_page: bool) -> Result<Route, ApiError> {
    if let Some(asset) = playground::asset(&head.path).filter(|_| has_page) {
        only(head, READ)?;
        return Ok(Route::Asset(asset));
    }
    // Split before decoding: an encoded slash is part of a name, and no name has one.
    let segments = head
        .path
        .strip_prefix('/')
        .unwrap_or(&head.path)
        .split('/')
        .map(percent_decoded)
        .collect::<Result<Vec<String>, ApiError>>()?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (route, methods) = match segments.as_slice() {
        ["infer"] => (Some(Route::Infer { model: None }), "POST"),
        ["infer", model] if !model.is_empty() => {
            let model = Some((*model).to_owned());
            (Some(Route::Infer { model }), "POST")
        }
        ["infer", model, "input"] if !model.is_empty() => {
            let model = (*model).to_owned();
            (Some(Route::Input { model }), "POST")
        }
        ["openapi.json"] => (Some(Route::OpenApi), READ),
        ["v2", rest @ ..] => v2(rest)?,
        ["v1", "embeddings"] => (Some(Route::Embeddings), "POST"),
        ["v1", "models", rest @ ..] => v1(rest),
        _ => (None, ""),
    };
    let Some(route) = route else {
        return Err(ApiError::not_found(format!(
            "there is no route {}; there are {ROUTES}",
            quoted(&head.path)
        )));
    };
    only(head, methods)?;
    Ok(route)
}

/// A route with its methods; none where there is no route.
type Found = (Option<Route>, &'static str);

/// Below `/v2`.
fn v2(segments: &[&str]) -> Result<Found, ApiError> {
    let model = |model: &str, version: Option<&str>, rest: &[&str]| {
        let (what, methods) = match rest {
            [] => (V2Model::Metadata, READ),
            ["ready"] => (V2Model::Ready, READ),
            ["config"] => (V2Model::Config, READ),
            ["infer"] => (V2Model::Infer, "POST"),
            _ => return (None, ""),
        };
        let route = Route::V2Model {
            model: model.to_owned(),
            version: version.map(str::to_owned),
            what,
        };
        (Some(route), methods)
    };
    Ok(match segments {
        // The protocol's own OpenAPI file has the slash.
        [] | [""] => (Some(Route::ServerMetadata), READ),
        ["health", "live"] => (Some(Route::ServerLive), READ),
        ["health", "ready"] => (Some(Route::ServerReady), READ),
        ["models", name, "versions", version, rest @ ..]
            if !name.is_empty() && !version.is_empty() =>
        {
            model(name, Some(version), rest)
        }
        ["models", name, rest @ ..] if !name.is_empty() => model(name, None, rest),
        ["repository", "index"] => (Some(Route::RepositoryIndex), "POST"),
        ["repository", "models", _, "load" | "unload"] => {
            return Err(ApiError::new(
                ErrorKind::Unsupported,
                "models are neither loaded nor unloaded while the service runs: they are part of its \
                 artifact, which `cargo infer build` makes",
            ));
        }
        _ => (None, ""),
    })
}

/// Below `/v1/models`.
fn v1(segments: &[&str]) -> Found {
    // The verb stands behind the last name.
    let split = |last: &'_ str| match last.rsplit_once(':') {
        Some((name, verb)) => (name.to_owned(), Some(verb.to_owned())),
        None => (last.to_owned(), None),
    };
    let (model, version, verb) = match segments {
        [] => return (Some(Route::V1Models), READ),
        [model] => {
            let (model, verb) = split(model);
            (model, None, verb)
        }
        [model, "versions", version] => {
            let (version, verb) = split(version);
            ((*model).to_owned(), Some(version), verb)
        }
        _ => return (None, ""),
    };
    if model.is_empty() || version.as_ref().is_some_and(String::is_empty) {
        return (None, "");
    }
    match verb.as_deref() {
        None => (Some(Route::V1Model { model, version }), READ),
        Some("predict") => (Some(Route::V1Predict { model, version }), "POST"),
        Some(_) => (None, ""),
    }
}

/// Refuse every method but those of `allow`, a list as in the header of that name.
fn only(head: &Head, allow: &'static str) -> Result<(), ApiError> {
    if allow.split(", ").any(|method| method == head.method) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::MethodNotAllowed { allow },
        format!(
            "{} is not a method of {}, expected {allow}",
            quoted(&head.method),
            quoted(&head.path)
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        let infer = |model: Option<&str>| {
            Ok(Route::Infer {
                model: model.map(str::to_owned),
            })
        };
        let v2 = |model: &str, version: Option<&str>, what| {
            Ok(Route::V2Model {
                model: model.to_owned(),
                version: version.map(str::to_owned),
                what,
            })
        };
        let v1 = |model: &str, version: Option<&str>| {
            Ok(Route::V1Model {
                model: model.to_owned(),
                version: version.map(str::to_owned),
            })
        };
        let predict = |model: &str, version: Option<&str>| {
            Ok(Route::V1Predict {
                model: model.to_owned(),
                version: version.map(str::to_owned),
            })
        };
        let cases = [
            ("POST", "/infer", infer(None)),
            ("POST", "/infer?top_k=1", infer(None)),
            ("POST", "/infer/digits", infer(Some("digits"))),
            ("POST", "/infer/%64igits", infer(Some("digits"))),
            // No path: these names are looked up, and no model has them.
            ("POST", "/infer/..", infer(Some(".."))),
            ("POST", "/infer/%2e%2e%2fdigits", infer(Some("../digits"))),
            ("POST", "/infer/../digits", Err(404)),
            ("POST", "/infer/", Err(404)),
            ("POST", "//infer", Err(404)),
            ("POST", "/infer/digits/", Err(404)),
            ("POST", "/Infer", Err(404)),
            (
                "POST",
                "/infer/digits/input",
                Ok(Route::Input {
                    model: "digits".to_owned(),
                }),
            ),
            ("GET", "/infer/digits/input", Err(405)),
            ("POST", "/infer//input", Err(404)),
            ("POST", "/infer/digits/input/", Err(404)),
            ("GET", "/openapi.json", Ok(Route::OpenApi)),
            ("POST", "/openapi.json", Err(405)),
            ("POST", "/", Err(405)),
            ("POST", "", Err(404)),
            ("POST", "/infer%2fdigits", Err(404)),
            ("POST", "/infer/%zz", Err(400)),
            ("GET", "/infer", Err(405)),
            ("PUT", "/infer", Err(405)),
            ("DELETE", "/infer/digits", Err(405)),
            ("post", "/infer", Err(405)),
            ("GET", "/nowhere", Err(404)),
            ("GET", "/v2", Ok(Route::ServerMetadata)),
            ("HEAD", "/v2/", Ok(Route::ServerMetadata)),
            ("POST", "/v2", Err(405)),
            ("GET", "/v2/health/live", Ok(Route::ServerLive)),
            ("GET", "/v2/health/ready", Ok(Route::ServerReady)),
            ("GET", "/v2/health", Err(404)),
            ("GET", "/v2/models", Err(404)),
            ("GET", "/v2/models/", Err(404)),
            ("GET", "/v2/models/m", v2("m", None, V2Model::Metadata)),
            ("GET", "/v2/models/m/", Err(404)),
            ("GET", "/v2/models/m/ready", v2("m", None, V2Model::Ready)),
            ("GET", "/v2/models/m/config", v2("m", None, V2Model::Config)),
            ("POST", "/v2/models/m/config", Err(405)),
            ("POST", "/v2/models/m/infer", v2("m", None, V2Model::Infer)),
            ("HEAD", "/v2/models/m/infer", Err(405)),
            (
                "GET",
                "/v2/models/m/versions/1",
                v2("m", Some("1"), V2Model::Metadata),
            ),
            (
                "POST",
                "/v2/models/%6D/versions/1%2F2/infer",
                v2("m", Some("1/2"), V2Model::Infer),
            ),
            ("GET", "/v2/models/m/versions", Err(404)),
            ("GET", "/v2/models/m/versions/", Err(404)),
            ("GET", "/v2/models/m/stats", Err(404)),
            ("GET", "/v2/models/m/versions/1/x", Err(404)),
            ("POST", "/v2/repository/index", Ok(Route::RepositoryIndex)),
            ("GET", "/v2/repository/index", Err(405)),
            ("POST", "/v2/repository/models/m/load", Err(501)),
            ("GET", "/v2/systemsharedmemory/status", Err(404)),
            ("POST", "/v1/embeddings", Ok(Route::Embeddings)),
            ("GET", "/v1/embeddings", Err(405)),
            ("POST", "/v1/embeddings/", Err(404)),
            ("GET", "/v1/models", Ok(Route::V1Models)),
            ("GET", "/v1", Err(404)),
            ("GET", "/v1/models/", Err(404)),
            ("GET", "/v1/models/m", v1("m", None)),
            ("GET", "/v1/models/m/versions/1", v1("m", Some("1"))),
            ("POST", "/v1/models/m", Err(405)),
            ("POST", "/v1/models/m:predict", predict("m", None)),
            ("POST", "/v1/models/m%3Apredict", predict("m", None)),
            (
                "POST",
                "/v1/models/m/versions/1:predict",
                predict("m", Some("1")),
            ),
            ("GET", "/v1/models/m:predict", Err(405)),
            ("POST", "/v1/models/m:explain", Err(404)),
            ("POST", "/v1/models/:predict", Err(404)),
            ("POST", "/v1/models/m/versions/:predict", Err(404)),
            ("POST", "/v1/models/m:predict/x", Err(404)),
        ];
        let mut wrong = Vec::new();
        for (method, target, expected) in cases {
            let came = route(&Head::new(method, target, Vec::new()), true);
            let came = came.map_err(|error| error.kind().status());
            if came != expected {
                wrong.push((method, target, came));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn the_page_is_a_route_where_it_is_wanted() {
        for path in ["/", "/playground/page.js"] {
            let came = |method, has_page| {
                route(&Head::new(method, path, Vec::new()), has_page)
                    .map_err(|error| error.kind().status())
            };
            assert!(matches!(came("GET", true), Ok(Route::Asset(_))), "{path}");
            assert!(matches!(came("HEAD", true), Ok(Route::Asset(_))), "{path}");
            assert_eq!(came("POST", true), Err(405), "{path}");
            assert_eq!(came("GET", false), Err(404), "{path}");
            assert_eq!(came("POST", false), Err(404), "{path}");
        }
        assert!(route(&Head::new("GET", "/openapi.json", Vec::new()), false).is_ok());
    }
}
