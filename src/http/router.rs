//! The route of a request: its method and path, looked up in the route table.

use infer_routes::{Match, Names};

use super::error::{ApiError, ErrorKind, quoted};
use super::request::{Head, percent_decoded};

/// The route of a request, and the names in its path.
///
/// The names are decoded but unchecked: the table of models looks them up, and nothing uses them as a file path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The row of the route table.
    pub route: &'static infer_routes::Route,
    /// The model, if the path has one.
    pub model: Option<String>,
    /// The version, if the path has one.
    pub version: Option<String>,
    /// The task, if the path has one.
    pub task: Option<String>,
}

/// The routes, for the message of a 404.
const ROUTES: &str = "`POST /infer`, `POST /infer/{model}`, the Open Inference Protocol under `/v2`, \
                      the V1 protocol under `/v1/models`, and the routes of other services' clients, all of them in \
                      `GET /openapi.json`";

/// Find the route of a request. `is_page` says whether the path, as sent, is a file of the page that is served.
///
/// # Errors
/// 404 for a path that matches no route, 405 for a method that the route does not allow, 400 for broken
/// percent-encoding, 501 for loading and unloading models.
pub fn route(head: &Head, is_page: impl Fn(&str) -> bool) -> Result<Found, ApiError> {
    // Split before decoding: an encoded slash is part of a name, and no name has one.
    let segments = head
        .path
        .strip_prefix('/')
        .unwrap_or(&head.path)
        .split('/')
        .map(percent_decoded)
        .collect::<Result<Vec<String>, ApiError>>()?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let routes: Vec<Match> = infer_routes::find_all(&segments, Names::Any)
        .filter(|found| found.route.handler != infer_routes::Handler::Page || is_page(&head.path))
        .filter(|_| !head.path.is_empty())
        .collect();
    if routes.is_empty() {
        return Err(no_route(head, &segments));
    }
    let found = routes
        .iter()
        .find(|found| found.route.methods.contains(&head.method))
        .ok_or_else(|| not_allowed(head, infer_routes::allow(&routes)))?;
    Ok(Found {
        route: found.route,
        model: found.model.map(str::to_owned),
        version: found.version.map(str::to_owned),
        task: found.task.map(str::to_owned),
    })
}

fn no_route(head: &Head, segments: &[&str]) -> ApiError {
    if let ["v2", "repository", "models", _, "load" | "unload"] = segments {
        return ApiError::new(
            ErrorKind::Unsupported,
            "models are neither loaded nor unloaded at this address; `infer up` does both at its admin address, and here \
             with `--allow-model-control`",
        );
    }
    ApiError::not_found(format!(
        "there is no route {}; there are {ROUTES}",
        quoted(&head.path)
    ))
    .with_code("unknown_url")
}

fn not_allowed(head: &Head, allow: &'static str) -> ApiError {
    ApiError::new(
        ErrorKind::MethodNotAllowed { allow },
        format!(
            "{} is not a method of {}, expected {allow}",
            quoted(&head.method),
            quoted(&head.path)
        ),
    )
    .with_code("method_not_supported")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        type Expected = Result<(&'static str, Option<&'static str>, Option<&'static str>), u16>;
        let ok = |pattern, model, version| -> Expected { Ok((pattern, model, version)) };
        let cases = [
            ("POST", "/infer", ok("/infer", None, None)),
            ("POST", "/infer?top_k=1", ok("/infer", None, None)),
            (
                "POST",
                "/infer/digits",
                ok("/infer/{model}", Some("digits"), None),
            ),
            (
                "POST",
                "/infer/%64igits",
                ok("/infer/{model}", Some("digits"), None),
            ),
            // Never a file path: the table of models has no such name.
            ("POST", "/infer/..", ok("/infer/{model}", Some(".."), None)),
            (
                "POST",
                "/infer/%2e%2e%2fdigits",
                ok("/infer/{model}", Some("../digits"), None),
            ),
            (
                "POST",
                "/infer/a:b",
                ok("/infer/{model}", Some("a:b"), None),
            ),
            ("POST", "/infer/../digits", Err(404)),
            ("POST", "/infer/", Err(404)),
            ("POST", "//infer", Err(404)),
            ("POST", "/infer/digits/", Err(404)),
            ("POST", "/Infer", Err(404)),
            (
                "POST",
                "/infer/digits/input",
                ok("/infer/{model}/input", Some("digits"), None),
            ),
            ("GET", "/infer/digits/input", Err(405)),
            ("POST", "/infer//input", Err(404)),
            ("POST", "/infer/digits/input/", Err(404)),
            ("GET", "/openapi.json", ok("/openapi.json", None, None)),
            ("POST", "/openapi.json", Err(405)),
            ("POST", "/", ok("/", None, None)),
            ("GET", "/", ok("/", None, None)),
            ("PUT", "/", Err(405)),
            ("POST", "/models/m", ok("/models/{model}", Some("m"), None)),
            ("GET", "/models/m", Err(405)),
            (
                "POST",
                "/models/m/pipeline/feature-extraction",
                ok("/models/{model}/pipeline/{task}", Some("m"), None),
            ),
            ("POST", "/embed", ok("/embed", None, None)),
            ("GET", "/info", ok("/info", None, None)),
            ("POST", "/info", Err(405)),
            ("POST", "/v2/rerank", ok("/v2/rerank", None, None)),
            (
                "POST",
                "/v1/vision/custom/m",
                ok("/v1/vision/custom/{model}", Some("m"), None),
            ),
            ("POST", "/v1/vision/face", Err(404)),
            ("POST", "", Err(404)),
            ("POST", "/infer%2fdigits", Err(404)),
            ("POST", "/infer/%zz", Err(400)),
            ("GET", "/infer", Err(405)),
            ("PUT", "/infer", Err(405)),
            ("DELETE", "/infer/digits", Err(405)),
            ("post", "/infer", Err(405)),
            ("GET", "/nowhere", Err(404)),
            ("GET", "/v2", ok("/v2", None, None)),
            ("HEAD", "/v2/", ok("/v2/", None, None)),
            ("POST", "/v2", Err(405)),
            ("GET", "/v2/health/live", ok("/v2/health/live", None, None)),
            (
                "GET",
                "/v2/health/ready",
                ok("/v2/health/ready", None, None),
            ),
            ("GET", "/v2/health", Err(404)),
            ("GET", "/v2/models", Err(404)),
            ("GET", "/v2/models/", Err(404)),
            (
                "GET",
                "/v2/models/m",
                ok("/v2/models/{model}", Some("m"), None),
            ),
            ("GET", "/v2/models/m/", Err(404)),
            (
                "GET",
                "/v2/models/m/ready",
                ok("/v2/models/{model}/ready", Some("m"), None),
            ),
            (
                "GET",
                "/v2/models/m/config",
                ok("/v2/models/{model}/config", Some("m"), None),
            ),
            ("POST", "/v2/models/m/config", Err(405)),
            (
                "POST",
                "/v2/models/m/infer",
                ok("/v2/models/{model}/infer", Some("m"), None),
            ),
            ("HEAD", "/v2/models/m/infer", Err(405)),
            (
                "GET",
                "/v2/models/m/versions/1",
                ok(
                    "/v2/models/{model}/versions/{version}",
                    Some("m"),
                    Some("1"),
                ),
            ),
            (
                "POST",
                "/v2/models/%6D/versions/1%2F2/infer",
                ok(
                    "/v2/models/{model}/versions/{version}/infer",
                    Some("m"),
                    Some("1/2"),
                ),
            ),
            ("GET", "/v2/models/m/versions", Err(404)),
            ("GET", "/v2/models/m/versions/", Err(404)),
            ("GET", "/v2/models/m/stats", Err(404)),
            ("GET", "/v2/models/m/versions/1/x", Err(404)),
            (
                "POST",
                "/v2/repository/index",
                ok("/v2/repository/index", None, None),
            ),
            ("GET", "/v2/repository/index", Err(405)),
            ("POST", "/v2/repository/models/m/load", Err(501)),
            ("GET", "/v2/systemsharedmemory/status", Err(404)),
            ("POST", "/v1/embeddings", ok("/v1/embeddings", None, None)),
            (
                "POST",
                "/v1/audio/transcriptions",
                ok("/v1/audio/transcriptions", None, None),
            ),
            ("GET", "/v1/audio/transcriptions", Err(405)),
            ("GET", "/v1/embeddings", Err(405)),
            ("POST", "/v1/embeddings/", Err(404)),
            ("GET", "/v1/models", ok("/v1/models", None, None)),
            ("GET", "/v1", Err(404)),
            ("GET", "/v1/models/", Err(404)),
            (
                "GET",
                "/v1/models/m",
                ok("/v1/models/{model}", Some("m"), None),
            ),
            (
                "GET",
                "/v1/models/m/versions/1",
                ok(
                    "/v1/models/{model}/versions/{version}",
                    Some("m"),
                    Some("1"),
                ),
            ),
            ("POST", "/v1/models/m", Err(405)),
            (
                "POST",
                "/v1/models/m:predict",
                ok("/v1/models/{model}:predict", Some("m"), None),
            ),
            (
                "POST",
                "/v1/models/m%3Apredict",
                ok("/v1/models/{model}:predict", Some("m"), None),
            ),
            (
                "POST",
                "/v1/models/m/versions/1:predict",
                ok(
                    "/v1/models/{model}/versions/{version}:predict",
                    Some("m"),
                    Some("1"),
                ),
            ),
            ("GET", "/v1/models/m:predict", Err(405)),
            ("POST", "/v1/models/m:explain", Err(404)),
            ("POST", "/v1/models/:predict", Err(404)),
            ("POST", "/v1/models/m/versions/:predict", Err(404)),
            ("POST", "/v1/models/m:predict/x", Err(404)),
        ];
        let mut wrong = Vec::new();
        for (method, target, expected) in cases {
            let found = route(&Head::new(method, target, Vec::new()), |path| path == "/");
            let found = found.map_err(|error| error.kind().status());
            let found = found
                .as_ref()
                .map(|found| {
                    (
                        found.route.pattern,
                        found.model.as_deref(),
                        found.version.as_deref(),
                    )
                })
                .map_err(|status| *status);
            if found != expected {
                wrong.push(format!(
                    "{method} {target}: {found:?}, expected {expected:?}"
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn the_page_is_a_route_if_it_is_served() {
        use infer_routes::Handler::{HuggingFace, Page};
        let (post, none) = (Ok(HuggingFace), Err(404));
        for (path, served_post, unserved_get, unserved_post) in [
            ("/", post, Err(405), post),
            ("/playground/page.js", Err(405), none, none),
        ] {
            let status = |method, is_served| {
                route(&Head::new(method, path, Vec::new()), |_| is_served)
                    .map(|found| found.route.handler)
                    .map_err(|error| error.kind().status())
            };
            assert_eq!(status("GET", true), Ok(Page), "{path}");
            assert_eq!(status("HEAD", true), Ok(Page), "{path}");
            assert_eq!(status("POST", true), served_post, "{path}");
            assert_eq!(status("GET", false), unserved_get, "{path}");
            assert_eq!(status("POST", false), unserved_post, "{path}");
        }
        assert!(route(&Head::new("GET", "/openapi.json", Vec::new()), |_| false).is_ok());
    }
}
