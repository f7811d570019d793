//! CORS: pages of other origins, if the settings allow them.

use infer_routes::cors::Origins;

use super::request::Head;
use super::response::Response;

/// Whether a request is a preflight, which a browser sends before a request of a page.
#[must_use]
pub fn is_preflight(head: &Head) -> bool {
    head.method == "OPTIONS"
        && head.header("origin").is_some()
        && head.header("access-control-request-method").is_some()
}

/// The response to a preflight, without the headers of every response. Whether the route and the method exist is for the
/// request itself: a page can read its error.
#[must_use]
pub fn preflight(head: &Head, origins: &Origins) -> Response {
    let requested = head.header("access-control-request-headers");
    Response {
        status: 204,
        headers: origins.preflight_headers(head.header("origin"), requested),
        body: Vec::new(),
    }
}

/// Add the headers of every response, also of errors.
#[must_use]
pub fn allow(mut response: Response, head: &Head, origins: Option<&Origins>) -> Response {
    if let Some(origins) = origins {
        response
            .headers
            .extend(origins.headers(head.header("origin")));
    }
    response
}
