//! The V1 protocol: instances, columns, and errors.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Refused, check_refused, file, json, send};

fn predict(model: &str, body: &str) -> String {
    let response = send(
        "POST",
        &format!("/v1/models/{model}:predict"),
        &[("content-type", "application/json")],
        body.as_bytes(),
    );
    let response = response.unwrap_or_else(|error| panic!("{body}: {error}"));
    assert_eq!(response.header("content-type"), Some("application/json"));
    String::from_utf8(response.body).unwrap()
}

#[test]
fn rows_and_columns() {
    let cases = [
        (
            "identity-int32",
            r#"{"instances":[1,-2]}"#,
            r#"{"predictions":[1,-2]}"#,
        ),
        (
            "identity-int32",
            r#"{"signature_name":"x","inputs":[1,-2]}"#,
            r#"{"outputs":[1,-2]}"#,
        ),
        (
            "identity-int32",
            r#"{"inputs":{"x":[1,-2]}}"#,
            r#"{"outputs":[1,-2]}"#,
        ),
        (
            "add",
            r#"{"instances":[{"a":[1,2],"b":[0.5,0]},{"b":[1,1],"a":[3,4]}]}"#,
            r#"{"predictions":[[1.5,2.0],[4.0,5.0]]}"#,
        ),
        (
            "add",
            r#"{"inputs":{"a":[[1,2]],"b":[[0.5,0]]}}"#,
            r#"{"outputs":[[1.5,2.0]]}"#,
        ),
        ("sum", r#"{"inputs":[1,2,4]}"#, r#"{"outputs":7.0}"#),
        (
            "identity-bool",
            r#"{"instances":[true,false]}"#,
            r#"{"predictions":[true,false]}"#,
        ),
        // No rows.
        ("digits", r#"{"instances":[]}"#, r#"{"predictions":[]}"#),
        ("add", r#"{"inputs":{"a":[],"b":[]}}"#, r#"{"outputs":[]}"#),
        (
            "identity-int32",
            r#"{"instances":[]}"#,
            r#"{"predictions":[]}"#,
        ),
    ];
    for (model, body, expected) in cases {
        assert_eq!(predict(model, body), expected, "{body}");
    }
}

#[test]
fn encoded_images_are_the_image_itself() {
    let png = file("models/digits/samples/7.png");
    let expected = send("POST", "/infer/digits?outputs=true", &[], &png).unwrap();
    let expected = json(&expected)["outputs"][0]["data"].clone();
    let b64 = format!("{{\"b64\":\"{}\"}}", BASE64_STANDARD.encode(png));
    let bodies = [
        format!("{{\"instances\":[{b64}]}}"),
        format!("{{\"instances\":[{{\"image\":{b64}}}]}}"),
        format!("{{\"inputs\":[{b64}]}}"),
        format!("{{\"inputs\":{b64}}}"),
    ];
    for body in bodies {
        let answer: serde_json::Value = serde_json::from_str(&predict("digits", &body)).unwrap();
        let rows = answer["predictions"].as_array();
        let rows = rows.or(answer["outputs"].as_array()).unwrap();
        assert_eq!(rows, std::slice::from_ref(&expected), "{body}");
    }
    let two = predict("digits", &format!("{{\"instances\":[{b64},{b64}]}}"));
    let two: serde_json::Value = serde_json::from_str(&two).unwrap();
    // Sums of a batch may be added in another order.
    assert_eq!(two["predictions"][0], two["predictions"][1]);
    for (class, value) in two["predictions"][0].as_array().unwrap().iter().enumerate() {
        let difference = value.as_f64().unwrap() - expected[class].as_f64().unwrap();
        assert!(difference.abs() < 1e-5, "{two}");
    }
}

#[test]
fn lists_and_status() {
    let list = send("GET", "/v1/models", &[], b"").unwrap();
    let list = json(&list);
    assert_eq!(list["models"][1], "digits");
    assert_eq!(list["object"], "list");
    let openai = serde_json::json!({
        "id": "digits", "object": "model", "created": 0, "owned_by": "infer",
    });
    assert_eq!(list["data"][1], openai);
    let count = |member: &str| list[member].as_array().map(Vec::len);
    assert_eq!(count("data"), count("models"));
    let mut expected = serde_json::json!({
        "name": "digits",
        "ready": true,
        "model_version_status": [{
            "version": "1",
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }],
    });
    let status = |target| json(&send("GET", target, &[], b"").unwrap());
    assert_eq!(status("/v1/models/digits/versions/1"), expected);
    for (name, value) in openai.as_object().unwrap() {
        expected[name] = value.clone();
    }
    assert_eq!(status("/v1/models/digits"), expected);
}

#[test]
fn invalid_requests_have_their_errors() {
    let cases = [
        ("digits", "", 400, "the JSON body cannot be read: EOF"),
        ("digits", "[1]", 400, "the JSON body cannot be read: "),
        (
            "digits",
            "{}",
            400,
            "the JSON body has neither `instances` nor `inputs`",
        ),
        (
            "digits",
            r#"{"instances":[],"inputs":[]}"#,
            400,
            "the JSON body has both `instances` and `inputs`",
        ),
        (
            "digits",
            r#"{"instances":7}"#,
            400,
            "`instances` is `7`, expected a list",
        ),
        (
            "digits",
            r#"{"instances":{"image":7}}"#,
            400,
            "`instances` is `{\"image\":7}`, expected a list",
        ),
        (
            "digits",
            r#"{"instances":[{"b64":"%%%"}]}"#,
            400,
            "image 0 is not base64: `%%%`: ",
        ),
        (
            "digits",
            r#"{"instances":[{"b64":"AAAA"}]}"#,
            400,
            "the 3 bytes are not an image",
        ),
        (
            "digits",
            r#"{"instances":[{"image":{"b64":"AAAA"}},{"image":{"b64":"AAAA"}}]}"#,
            400,
            "image 0: the 3 bytes are not an image",
        ),
        (
            "digits",
            r#"{"instances":[{"image":{"b64":7}}]}"#,
            400,
            "input `image`: value 0 is ",
        ),
        (
            "sum",
            r#"{"instances":[{"b64":"AAAA"}]}"#,
            400,
            "there is no input `b64`; the model has `x`",
        ),
        (
            "sum",
            r#"{"instances":[1,2]}"#,
            400,
            "output `y` has the shape [], which is not one item for each of 2 instances; send `inputs`",
        ),
        (
            "add",
            r#"{"instances":[[1,2]]}"#,
            400,
            "a list of plain instances needs a model with one input, this one has 2",
        ),
        (
            "add",
            r#"{"inputs":[1,2]}"#,
            400,
            "a bare tensor needs a model with one input",
        ),
        (
            "add",
            r#"{"instances":[{"a":[1,2]}]}"#,
            400,
            "input `b` is missing; the model needs `a` and `b`",
        ),
        (
            "add",
            r#"{"instances":[{"a":[1,2],"b":[1,2]},{"a":[1,2]}]}"#,
            400,
            "input `b`: not every instance has it",
        ),
        (
            "add",
            r#"{"instances":[{"a":[1,2]},{"a":[1,2],"b":[1,2]}]}"#,
            400,
            "input `b`: not every instance has it",
        ),
        (
            "add",
            r#"{"instances":[{"a":[1,2],"b":[1,2]},{"a":[1,2],"b":[[1,2]]}]}"#,
            400,
            "input `b`: instance 1 has the shape [1, 2], expected [2] in every instance",
        ),
        (
            "add",
            r#"{"inputs":{"a":[[1,2]],"c":[[1,2]]}}"#,
            400,
            "there is no input `c`; the model has `a` and `b`",
        ),
        (
            "add",
            r#"{"inputs":{"a":[[1,2]],"a":[[1,2]]}}"#,
            400,
            "input `b` is missing",
        ),
        (
            "identity-int32",
            r#"{"instances":[1.5]}"#,
            400,
            "input `x`: value 0 is `1.5`, expected a whole",
        ),
        (
            "identity-uint8",
            r#"{"instances":[256]}"#,
            400,
            "input `x`: value 0 is `256`, which UINT8",
        ),
        (
            "identity-fp16",
            r#"{"instances":[1]}"#,
            400,
            "input `x`: JSON cannot represent FP16; send binary",
        ),
        (
            "nobody",
            r#"{"instances":[1]}"#,
            404,
            "there is no model `nobody`; there are: ",
        ),
    ];
    let mut rows: Vec<Refused> = cases
        .into_iter()
        .map(|(model, body, status, sentence)| Refused {
            method: "POST",
            target: format!("/v1/models/{model}:predict"),
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
            status,
            sentence,
        })
        .collect();
    let row = |method, target: &str, headers, status, sentence| Refused {
        method,
        target: target.to_owned(),
        headers,
        body: Vec::new(),
        status,
        sentence,
    };
    let header = |name, value: &str| vec![(name, value.to_owned())];
    rows.extend([
        row(
            "GET",
            "/v1/models/digits:predict",
            vec![],
            405,
            "`GET` is not a method of",
        ),
        row(
            "GET",
            "/v1/models/nobody",
            vec![],
            404,
            "there is no model `nobody`",
        ),
        row(
            "GET",
            "/v1/models/digits/versions/2",
            vec![],
            404,
            "model `digits` has no version `2`; it has `1`",
        ),
        row(
            "POST",
            "/v1/models/digits/versions/2:predict",
            vec![],
            404,
            "model `digits` has no version `2`; it has `1`",
        ),
        row(
            "POST",
            "/v1/models/digits:predict",
            header("content-type", "image/png"),
            415,
            "`image/png` is unsupported on this route, expected `application/json`",
        ),
        row(
            "POST",
            "/v1/models/digits:predict",
            header("accept", "application/x-npy"),
            406,
            "`Accept` allows no response of this route, expected `application/json`",
        ),
        row(
            "POST",
            "/v1/models",
            vec![],
            405,
            "`POST` is not a method of `/v1/models`",
        ),
    ]);
    check_refused(rows);
}
