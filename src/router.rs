//! From method and path to a route.

use crate::error::{ApiError, ErrorKind, quoted};
use crate::request::{Head, percent_decoded};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `POST /infer` and `POST /infer/{model}`.
    Infer {
        /// The model's name as the path has it, decoded; it has not been looked up yet.
        model: Option<String>,
    },
}

/// The routes, for the message of a 404.
const ROUTES: &str = "`POST /infer` and `POST /infer/{model}`";

/// Find the route of a request.
///
/// # Errors
/// 404 for a path that is none, 405 for a method that the path does not have, 400 for broken
/// percent-encoding.
pub fn route(head: &Head) -> Result<Route, ApiError> {
    // Split before decoding: an encoded slash is part of a name, and no name has one.
    let segments = head
        .path
        .strip_prefix('/')
        .unwrap_or(&head.path)
        .split('/')
        .map(percent_decoded)
        .collect::<Result<Vec<String>, ApiError>>()?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["infer"] => {
            only(head, "POST")?;
            Ok(Route::Infer { model: None })
        }
        ["infer", model] if !model.is_empty() => {
            only(head, "POST")?;
            Ok(Route::Infer {
                model: Some((*model).to_owned()),
            })
        }
        _ => Err(ApiError::not_found(format!(
            "there is no route {}; there are {ROUTES}",
            quoted(&head.path)
        ))),
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
            ("POST", "/", Err(404)),
            ("POST", "", Err(404)),
            ("POST", "/infer%2fdigits", Err(404)),
            ("POST", "/infer/%zz", Err(400)),
            ("GET", "/infer", Err(405)),
            ("PUT", "/infer", Err(405)),
            ("DELETE", "/infer/digits", Err(405)),
            ("post", "/infer", Err(405)),
            ("GET", "/nowhere", Err(404)),
        ];
        let mut wrong = Vec::new();
        for (method, target, expected) in cases {
            let came = route(&Head::new(method, target, Vec::new()));
            let came = came.map_err(|error| error.kind().status());
            if came != expected {
                wrong.push((method, target, came));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
