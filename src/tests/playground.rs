//! The page, the OpenAPI document, and `/infer/{model}/input`, natively.

use super::{Engine, Refused, check_refused, file, json, send, service};
use crate::catalog::Models;
use crate::http::request::Head;
use crate::http::settings::Settings;
use crate::http::timing::Timing;
use crate::protocols::Plan;

#[test]
fn the_page_and_its_parts() {
    let html = [("accept", "text/html,application/xhtml+xml;q=0.9")];
    let page = send("GET", "/", &html, b"").unwrap();
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
    let known = send("GET", "/", &[("if-none-match", tag)], b"").unwrap();
    assert_eq!((known.status, known.body.len()), (304, 0));
    let other = send("GET", "/", &[("if-none-match", "W/\"0\"")], b"").unwrap();
    assert_eq!(other.status, 200);
    let style = send(
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
fn paths_without_a_page_are_refused() {
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
            "DELETE",
            "/",
            None,
            405,
            "`DELETE` is not a method of `/`, expected GET, HEAD, POST",
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
            "`Accept` allows no response of this route, expected `text/html",
        ),
        row(
            "GET",
            "/openapi.json",
            Some("text/html"),
            406,
            "`Accept` allows no response of this route",
        ),
    ]);
}

#[test]
fn the_document_has_all_models() {
    let document = json(&send("GET", "/openapi.json", &[], b"").unwrap());
    let (models, _) = service();
    for name in models.names() {
        for path in [format!("/infer/{name}"), format!("/infer/{name}/input")] {
            assert!(document["paths"][&path]["post"].is_object(), "{path}");
        }
        // JSON cannot represent FP16: the protocols take it as binary data.
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
    let answer = json(&send("POST", path, &[], &png).unwrap());
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
    let raw = send(
        "POST",
        path,
        &[("accept", "application/octet-stream")],
        &png,
    )
    .unwrap();
    assert_eq!(raw.body.len(), 256);
    let npy = send("POST", path, &[("accept", "application/x-npy")], &png).unwrap();
    assert!(npy.body.starts_with(b"\x93NUMPY") && npy.body.ends_with(&raw.body));
    // The response is a valid request with the same meaning.
    let image = json(&send("POST", "/infer/digits", &[], &png).unwrap());
    let tensor = json(&send("POST", "/infer/digits", &[], &npy.body).unwrap());
    assert_eq!(image, tensor);
}

#[test]
fn a_text_as_the_model_sees_it() {
    let text = [("content-type", "text/plain")];
    let one = json(&send("POST", "/infer/sentiment/input", &text, b"best of times").unwrap());
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
    // The shorter text of a batch is padded; its tokens are not.
    let both = json(
        &send(
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
fn invalid_inputs_have_their_errors() {
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
            "`Accept` allows no response of this route",
        ),
        row(
            "/infer/sentiment/input",
            accept("application/x-npy"),
            b"best",
            406,
            "`Accept` allows no response of this route, expected `application/json`",
        ),
        row(
            "/infer/identity-fp16/input",
            vec![],
            &[0, 0],
            400,
            "input `x` is FP16, which JSON cannot represent; ask for `Accept: application/octet-stream`",
        ),
    ]);
}

#[test]
fn the_setting_turns_the_page_off() {
    let (models, engine): (Models, Engine) = service();
    let settings = Settings {
        playground: false,
        ..Settings::default()
    };
    let get = |target: &str| {
        let head = Head::new("GET", target, Vec::new());
        let plan = Plan::new(&head, &models, &settings)?;
        plan.respond(Vec::new(), &engine, &mut Timing::default())
    };
    let refused = get("/").unwrap_err();
    assert_eq!(refused.kind().status(), 405);
    assert_eq!(
        refused.to_string(),
        "`GET` is not a method of `/`, expected POST"
    );
    let refused = get("/playground/page.js").unwrap_err();
    assert_eq!(refused.kind().status(), 404);
    assert_eq!(get("/openapi.json").unwrap().status, 200);
}

#[test]
fn every_route_is_documented_and_every_documented_path_is_a_route() {
    let (models, _) = service();
    let settings = Settings {
        default_model: Some(infer_model_card::ModelName::new("digits").unwrap()),
        ..Settings::default()
    };
    /// The routes that no model of these tests can do.
    const WITHOUT_MODEL: [&str; 3] = [
        "/embed_sparse",
        "/v1/vision/detection",
        "/v1/vision/custom/{model}",
    ];
    let document = crate::openapi::document(&models, &settings);
    let paths = document["paths"].as_object().unwrap();
    let mut wrong = Vec::new();
    let mut documented = Vec::new();
    for (path, item) in paths {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let routes: Vec<_> = infer_routes::find_all(&segments, infer_routes::Names::Any).collect();
        let Some(found) = routes.first() else {
            wrong.push(format!("{path} matches no route"));
            continue;
        };
        let mut methods: Vec<String> = item.as_object().unwrap().keys().cloned().collect();
        methods.retain(|member| member != "parameters");
        let allowed = infer_routes::allow(&routes).to_lowercase();
        if methods.join(", ") != allowed {
            wrong.push(format!("{path} has {methods:?}, its route {allowed}"));
        }
        documented.push(found.route.pattern);
    }
    for route in &infer_routes::ROUTES {
        let has_model = !WITHOUT_MODEL.contains(&route.pattern);
        if has_model && documented.contains(&route.pattern) == route.summary.is_empty() {
            wrong.push(format!(
                "{} is documented if it has a summary",
                route.pattern
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
