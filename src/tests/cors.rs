//! Pages of other origins.

use infer_routes::ErrorForm;
use infer_routes::cors::Origins;

use super::service;
use crate::http::cors::allow;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::settings::Settings;
use crate::http::timing::Timing;
use crate::protocols::Plan;

const PAGE: &str = "http://page.example";

/// The response of a service with this setting, as the entry sends it.
fn answer(setting: Option<&str>, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
    let (models, engine) = service();
    let settings = Settings {
        cors_origins: setting.map(|value| Origins::parse(value).unwrap()),
        ..Settings::default()
    };
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let head = Head::new(method, target, headers);
    let response = Plan::new(&head, &models, &settings)
        .and_then(|plan| plan.respond(b"[1]".to_vec(), &engine, &mut Timing::default()))
        .unwrap_or_else(|error| error.into_response("7f", ErrorForm::of(&head.path)));
    allow(response, &head, settings.cors_origins.as_ref())
}

#[test]
fn preflights_and_requests_are_allowed_by_the_setting_alone() {
    let origin = ("origin", PAGE);
    let post = ("access-control-request-method", "POST");
    let names = ("access-control-request-headers", "content-type");
    let other = ("origin", "http://other.example");
    // Setting, method, target, headers, status, allowed origin, whether the response has the headers of a preflight.
    type Row<'a> = (
        Option<&'a str>,
        &'a str,
        &'a str,
        &'a [(&'a str, &'a str)],
        u16,
        Option<&'a str>,
        bool,
    );
    let preflight = &[origin, post, names][..];
    let rows: [Row; 19] = [
        (None, "OPTIONS", "/infer/sum", preflight, 405, None, false),
        (None, "POST", "/infer/sum", &[origin], 200, None, false),
        (
            Some("*"),
            "OPTIONS",
            "/infer/sum",
            preflight,
            204,
            Some("*"),
            true,
        ),
        (
            Some("*"),
            "OPTIONS",
            "/v2/health/live",
            &[origin, post],
            204,
            Some("*"),
            true,
        ),
        (
            Some("*"),
            "OPTIONS",
            "/v1/embeddings",
            preflight,
            204,
            Some("*"),
            true,
        ),
        (
            Some(PAGE),
            "OPTIONS",
            "/infer/sum",
            preflight,
            204,
            Some(PAGE),
            true,
        ),
        (
            Some(PAGE),
            "OPTIONS",
            "/infer/sum",
            &[other, post],
            204,
            None,
            false,
        ),
        // The page can read the error of the request itself.
        (
            Some("*"),
            "OPTIONS",
            "/nowhere",
            preflight,
            204,
            Some("*"),
            true,
        ),
        (
            Some("*"),
            "OPTIONS",
            "/infer/sum",
            &[origin, post, ("accept", "text/html")],
            204,
            Some("*"),
            true,
        ),
        // Not preflights.
        (
            Some("*"),
            "OPTIONS",
            "/infer/sum",
            &[origin],
            405,
            Some("*"),
            false,
        ),
        (
            Some("*"),
            "OPTIONS",
            "/infer/sum",
            &[post],
            405,
            Some("*"),
            false,
        ),
        (
            Some("*"),
            "POST",
            "/infer/sum",
            preflight,
            200,
            Some("*"),
            false,
        ),
        (Some("*"), "POST", "/infer/sum", &[], 200, Some("*"), false),
        (
            Some(PAGE),
            "POST",
            "/infer/sum",
            &[origin],
            200,
            Some(PAGE),
            false,
        ),
        (Some(PAGE), "POST", "/infer/sum", &[other], 200, None, false),
        (Some(PAGE), "POST", "/infer/sum", &[], 200, None, false),
        (
            Some(PAGE),
            "POST",
            "/infer/nobody",
            &[origin],
            404,
            Some(PAGE),
            false,
        ),
        (
            Some(PAGE),
            "GET",
            "/infer/sum",
            &[origin],
            405,
            Some(PAGE),
            false,
        ),
        (
            Some(PAGE),
            "GET",
            "/v1/models",
            &[origin],
            200,
            Some(PAGE),
            false,
        ),
    ];
    let mut wrong = Vec::new();
    for (setting, method, target, headers, status, allowed, is_preflight) in rows {
        let response = answer(setting, method, target, headers);
        let exposed = response.header("access-control-expose-headers");
        let is_expected = response.status == status
            && response.header("access-control-allow-origin") == allowed
            && exposed.is_some_and(|names| names.contains("Server-Timing")) == allowed.is_some()
            && (response.header("access-control-allow-methods") == Some("GET, HEAD, POST"))
                == is_preflight
            && response.header("access-control-max-age").is_some() == is_preflight
            && response.header("access-control-allow-headers").is_some() == is_preflight
            && (status == 204) == response.body.is_empty()
            && response
                .headers
                .iter()
                .any(|(name, value)| *name == "Vary" && value == "Origin")
                == setting.is_some();
        if !is_expected {
            wrong.push(format!(
                "{setting:?} {method} {target} {headers:?}: {response:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
