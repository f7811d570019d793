//! Objects in images, as DeepStack and Hugging Face have them.

use infer_routes::ErrorForm;
use serde_json::{Value, json as value};

use crate::catalog::{Files, Models};
use crate::http::error::ApiError;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::settings::Settings;
use crate::http::timing::Timing;
use crate::protocols::Plan;
use crate::tests::{Engine, file, json, send};

const CARD: &str = "[[input]]\nname = 'images'\ndatatype = 'FP32'\nshape = [1, 3, 64, 96]\n\
                    [[output]]\nname = 'output0'\ndatatype = 'FP32'\nshape = [1, 7, -1]\n\
                    [image]\nwidth = 96\nheight = 64\n[detection]\nform = 'yolo'\noutput = 'output0'\n";

/// The response of a service with a detector only.
fn post(target: &str, content_type: &str, body: &[u8]) -> Result<Response, ApiError> {
    let files = Files {
        labels: Some("person\ntraffic light\ncat\n"),
        tokenizer: None,
        ..Files::default()
    };
    let (mut models, mut engine) = (Models::new(), Engine(infer_engine::Registry::new()));
    models.add("m", CARD, files).unwrap();
    let graph = file("tests/tasks/object-detection/yolov8/model/model.onnx");
    engine.0.add("m", graph).unwrap();
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    let head = Head::new("POST", target, headers);
    let settings = Settings::default();
    let plan = Plan::new(&head, &models, &settings)?;
    plan.respond(body.to_vec(), &engine, &mut Timing::default())
}

fn picture() -> Vec<u8> {
    file("tests/tasks/images/almost.png")
}

fn part(rest: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--x\r\nContent-Disposition: form-data{rest}\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

const FORM: &str = "multipart/form-data; boundary=x";

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let parts = parts.iter().map(|(rest, content)| part(rest, content));
    [parts.collect::<Vec<_>>().concat(), b"--x--\r\n".to_vec()].concat()
}

/// The corners in whole pixels.
fn whole(corners: &Value, name: &str) -> i64 {
    corners[name].as_f64().unwrap() as i64
}

#[test]
fn objects_are_those_of_infer_in_whole_pixels() {
    let image = picture();
    let expected = post("/infer/m?threshold=0.05", "image/png", &image).unwrap();
    let expected = json(&expected)["predictions"][0]
        .as_array()
        .unwrap()
        .clone();
    assert!(!expected.is_empty());
    let file = ("; name=\"image\"; filename=\"image\"", image.as_slice());
    let fields: [(&str, &[u8]); 3] = [
        file,
        ("; name=\"min_confidence\"", b"0.05"),
        ("; name=\"api_key\"", b""),
    ];
    for target in ["/v1/vision/detection", "/v1/vision/custom/m"] {
        let answer = json(&post(target, FORM, &form(&fields)).unwrap());
        assert_eq!(answer["success"], true);
        let found = answer["predictions"].as_array().unwrap();
        assert_eq!(found.len(), expected.len().min(20));
        for (found, expected) in found.iter().zip(&expected) {
            let corners = &expected["box"];
            let expected = value!({
                "confidence": expected["score"], "label": expected["label"],
                "x_min": whole(corners, "xmin"), "y_min": whole(corners, "ymin"),
                "x_max": whole(corners, "xmax"), "y_max": whole(corners, "ymax"),
            });
            assert_eq!(found, &expected);
        }
    }
    // Hugging Face's client sends the threshold with the image in base64.
    use base64::Engine as _;
    let base64 = base64::prelude::BASE64_STANDARD.encode(&image);
    let body = value!({ "inputs": base64, "parameters": { "threshold": 0.05, "subtask": null } });
    let answer = post("/", "application/json", body.to_string().as_bytes()).unwrap();
    let answer = json(&answer);
    assert_eq!(answer.as_array().unwrap().len(), expected.len());
    assert_eq!(answer[0]["label"], expected[0]["label"]);
    assert_eq!(answer[0]["box"]["xmin"], whole(&expected[0]["box"], "xmin"));
    // Over the Open Inference Protocol.
    let body = value!({
        "inputs": [{ "name": "images", "datatype": "BYTES", "shape": [1], "data": [base64] }],
        "outputs": [{ "name": "predictions" }],
    });
    let answer = post(
        "/v2/models/m/infer",
        "application/json",
        body.to_string().as_bytes(),
    );
    let answer = json(&answer.unwrap());
    let item = answer["outputs"][0]["data"][0].as_str().unwrap();
    let item: Value = serde_json::from_str(item).unwrap();
    let expected = json(&post("/infer/m", "image/png", &image).unwrap());
    assert_eq!(value!([item]), expected["predictions"]);
}

#[test]
fn invalid_forms_have_their_errors() {
    let image = picture();
    let file = ("; name=\"image\"; filename=\"image\"", image.as_slice());
    let confidence = |value: &'static str| ("; name=\"min_confidence\"", value.as_bytes());
    for (parts, status, message) in [
        (vec![], 400, "the multipart body has no parts"),
        (
            vec![confidence("0.3")],
            400,
            "the multipart body has no image",
        ),
        (
            vec![file, file],
            400,
            "the multipart body has 2 images, expected one",
        ),
        (
            vec![file, confidence("2")],
            400,
            "`min_confidence` is `2`, expected a number from 0 to 1",
        ),
        (
            vec![file, confidence("NaN")],
            400,
            "`min_confidence` is `NaN`",
        ),
        (
            vec![file, ("; name=\"label\"", b"cat")],
            400,
            "the field `label` of the multipart body is a text",
        ),
    ] {
        let error = post("/v1/vision/detection", FORM, &form(&parts)).unwrap_err();
        assert_eq!(error.kind().status(), status, "{error}");
        assert!(error.to_string().starts_with(message), "{error}");
    }
    let error = post("/v1/vision/detection", "image/png", &image).unwrap_err();
    assert_eq!(error.kind().status(), 415);
}

#[test]
fn errors_of_deepstack_have_its_form() {
    let none = "the request names no model; send it to `/v1/vision/custom/{model}`; no model of this service detects objects";
    for (target, headers, status, message) in [
        ("/v1/vision/detection", &[][..], 400, none),
        (
            "/v1/vision/custom/digits",
            &[],
            400,
            "model `digits` detects no objects",
        ),
        (
            "/v1/vision/custom/nope",
            &[],
            404,
            "there is no model `nope`",
        ),
        (
            "/v1/vision/face",
            &[],
            404,
            "there is no route `/v1/vision/face`",
        ),
    ] {
        let error = send("POST", target, headers, b"").unwrap_err();
        let response = error.into_response("7f", ErrorForm::of(target));
        let body = json(&response);
        assert_eq!(
            (response.status, &body["success"]),
            (status, &value!(false))
        );
        let sentence = body["error"].as_str().unwrap();
        assert!(sentence.starts_with(message), "{sentence}");
    }
}
