//! The page, the OpenAPI document, and `/infer/{model}/input`, natively.

use super::{Engine, Refused, ask, check_refused, file, json, service};
use crate::catalog::Models;
use crate::http::request::Head;
use crate::http::settings::Settings;
use crate::http::timing::Timing;
use crate::protocols::Plan;

#[test]
fn the_page_and_its_parts() {
    let html = [("accept", "text/html,application/xhtml+xml;q=0.9")];
    let page = ask("GET", "/", &html, b"").unwrap();
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("script-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let tag = page.header("etag").unwrap();
    let known = ask("GET", "/", &[("if-none-match", tag)], b"").unwrap();
    assert_eq!((known.status, known.body.len()), (304, 0));
    let other = ask("GET", "/", &[("if-none-match", "W/\"0\"")], b"").unwrap();
    assert_eq!(other.status, 200);
    let style = ask(
        "GET",
        "/playground/style.css",
        &[("accept", "text/css,*/*;q=0.1")],
        b"",
    );
    assert_eq!(
        style.unwrap().header("content-type"),
        Some("text/css; charset=utf-8")
    );
}

#[test]
fn what_has_no_page_says_so() {
    let row = |method, target: &str, accept: Option<&str>, status, sentence| Refused {
        method,
        target: target.to_owned(),
        headers: accept
            .map(|accept| ("accept", accept.to_owned()))
            .into_iter()
            .collect(),
        body: Vec::new(),
        status,
        sentence,
    };
    check_refused(vec![
        row(
            "POST",
            "/",
            None,
            405,
            "`POST` is not a method of `/`, expected GET, HEAD",
        ),
        row(
            "GET",
            "/playground/none",
            None,
            404,
            "there is no route `/playground/none`; there are",
        ),
        row(
            "GET",
            "/playground/../page.js",
            None,
            404,
            "there is no route",
        ),
        row(
            "GET",
            "/",
            Some("image/png"),
            406,
            "`Accept` allows none of the answers that there are: `text/html",
        ),
        row(
            "GET",
            "/openapi.json",
            Some("text/html"),
            406,
            "`Accept` allows none of the answers",
        ),
    ]);
}

#[test]
fn the_document_has_all_models() {
    let document = json(&ask("GET", "/openapi.json", &[], b"").unwrap());
    let (models, _) = service();
    for name in models.names() {
        for path in [format!("/infer/{name}"), format!("/infer/{name}/input")] {
            assert!(document["paths"][&path]["post"].is_object(), "{path}");
        }
        // JSON does not carry FP16: the protocols take it as bytes behind a header.
        let has_json = name != "identity-fp16";
        for path in [
            format!("/v2/models/{name}/infer"),
            format!("/v2/models/{name}/versions/1/infer"),
            format!("/v1/models/{name}:predict"),
        ] {
            let is_there = document["paths"][&path]["post"].is_object();
            assert_eq!(is_there, has_json, "{path}");
        }
        let answers = &document["paths"][format!("/infer/{name}")]["post"]["responses"]["200"];
        assert_eq!(
            answers["content"]["application/json"].is_object(),
            has_json,
            "{name}"
        );
    }
    let digits = &document["paths"]["/infer/digits"]["post"]["requestBody"]["content"];
    assert!(digits["image/png"].is_object() && digits["text/plain"].is_null());
    let sentiment = &document["paths"]["/infer/sentiment"]["post"]["requestBody"]["content"];
    assert!(sentiment["image/png"].is_null() && sentiment["text/plain"].is_object());
}

#[test]
fn an_image_as_the_model_sees_it() {
    let png = file("models/digits/samples/7.png");
    let path = "/infer/digits/input";
    let answer = json(&ask("POST", path, &[], &png).unwrap());
    assert_eq!(answer["model_name"], "digits");
    assert!(answer["tokens"].is_null());
    let input = &answer["inputs"][0];
    assert_eq!(
        (&input["name"], &input["datatype"]),
        (&"image".into(), &"FP32".into())
    );
    assert_eq!(input["shape"], serde_json::json!([1, 1, 8, 8]));
    let values = input["data"].as_array().unwrap();
    // The sample has the model's own size: its fourth pixel is 143 of 255.
    assert_eq!(values.len(), 64);
    assert!((values[3].as_f64().unwrap() - 143.0 / 255.0).abs() < 1e-6);
    let raw = ask(
        "POST",
        path,
        &[("accept", "application/octet-stream")],
        &png,
    )
    .unwrap();
    assert_eq!(raw.body.len(), 256);
    let npy = ask("POST", path, &[("accept", "application/x-npy")], &png).unwrap();
    assert!(npy.body.starts_with(b"\x93NUMPY") && npy.body.ends_with(&raw.body));
    // What comes out goes in again, and means the same.
    let image = json(&ask("POST", "/infer/digits", &[], &png).unwrap());
    let tensor = json(&ask("POST", "/infer/digits", &[], &npy.body).unwrap());
    assert_eq!(image, tensor);
}

#[test]
fn a_text_as_the_model_sees_it() {
    let text = [("content-type", "text/plain")];
    let one = json(&ask("POST", "/infer/sentiment/input", &text, b"best of times").unwrap());
    let tokens = one["tokens"][0].as_array().unwrap();
    let ids = &one["inputs"][0];
    assert_eq!(ids["name"], "input_ids");
    assert_eq!(ids["shape"], serde_json::json!([1, tokens.len()]));
    assert!(
        tokens
            .iter()
            .all(|token| !token.as_str().unwrap().is_empty()),
        "{tokens:?}"
    );
    // The shorter text of a batch is filled up; its tokens are not.
    let both = json(
        &ask(
            "POST",
            "/infer/sentiment/input",
            &[],
            br#"{"text":["best of times","best"]}"#,
        )
        .unwrap(),
    );
    assert_eq!(
        both["inputs"][1]["shape"],
        serde_json::json!([2, tokens.len()])
    );
    assert!(both["tokens"][1].as_array().unwrap().len() < tokens.len());
    let mask = both["inputs"][1]["data"].as_array().unwrap();
    assert_eq!(mask.last().unwrap(), 0);
}

#[test]
fn inputs_that_cannot_be_answered() {
    let row = |target: &str, headers, body: &[u8], status, sentence| Refused {
        method: "POST",
        target: target.to_owned(),
        headers,
        body: body.to_vec(),
        status,
        sentence,
    };
    let accept = |value: &str| vec![("accept", value.to_owned())];
    check_refused(vec![
        row(
            "/infer/none/input",
            vec![],
            b"x",
            404,
            "there is no model `none`",
        ),
        row(
            "/infer/digits/input",
            vec![],
            b"",
            400,
            "the body is empty; model `digits` takes",
        ),
        row(
            "/infer/digits/input",
            accept("text/html"),
            b"x",
            406,
            "`Accept` allows none",
        ),
        row(
            "/infer/sentiment/input",
            accept("application/x-npy"),
            b"best",
            406,
            "`Accept` allows none of the answers that there are: `application/json`",
        ),
        row(
            "/infer/identity-fp16/input",
            vec![],
            &[0, 0],
            400,
            "input `x` is FP16, which is not supported in JSON; ask for `Accept: application/octet-stream`",
        ),
    ]);
}

#[test]
fn the_page_is_off_where_it_is_not_wanted() {
    let (models, engine): (Models, Engine) = service();
    let settings = Settings {
        playground: false,
        ..Settings::default()
    };
    let get = |target: &str| {
        let head = Head::new("GET", target, Vec::new());
        let plan = Plan::new(&head, &models, &settings)?;
        plan.answer(Vec::new(), &engine, &mut Timing::default())
    };
    let refused = get("/").unwrap_err();
    assert_eq!(refused.kind().status(), 404);
    assert!(
        refused
            .to_string()
            .starts_with("there is no route `/`; there are `POST /infer`")
    );
    assert_eq!(get("/openapi.json").unwrap().status, 200);
}
