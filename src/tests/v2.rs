//! The Open Inference Protocol: metadata, and inference in JSON and in binary.

use half::f16;
use serde_json::{Value, json};

use super::{SUPPORTED, file, json as body_json, send};
use crate::http::content_coding::Coding;
use crate::http::error::ApiError;
use crate::http::response::Response;

const HEADER: &str = "inference-header-content-length";

/// Send JSON with bytes behind it.
fn binary(model: &str, request: &Value, bytes: &[u8]) -> Result<Response, ApiError> {
    let mut body = request.to_string().into_bytes();
    let length = body.len().to_string();
    body.extend(bytes);
    let target = format!("/v2/models/{model}/infer");
    send("POST", &target, &[(HEADER, &length)], &body)
}

/// The JSON of a response, and the bytes behind it.
fn split(response: &Response) -> (Value, &[u8]) {
    let length = response
        .header(HEADER)
        .map_or(response.body.len(), |length| length.parse().unwrap());
    let (json, bytes) = response.body.split_at(length);
    (serde_json::from_slice(json).unwrap(), bytes)
}

fn floats(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

#[test]
fn the_server_and_its_models_describe_themselves() {
    let get = |target: &str| body_json(&send("GET", target, &[], b"").unwrap());
    let server = get("/v2");
    assert_eq!(server["name"], "infer");
    assert_eq!(
        server["extensions"],
        json!([
            "binary_tensor_data",
            "classification",
            "model_configuration",
            "model_repository"
        ])
    );
    assert_eq!(get("/v2/"), server);
    assert_eq!(get("/v2/health/live"), json!({"live": true}));
    assert_eq!(get("/v2/health/ready"), json!({"ready": true}));
    assert_eq!(
        get("/v2/models/digits"),
        json!({
            "name": "digits",
            "versions": ["1"],
            "platform": "onnx_onnxv1",
            "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}],
            "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
        })
    );
    assert_eq!(
        get("/v2/models/digits/versions/1"),
        get("/v2/models/digits")
    );
    assert_eq!(
        get("/v2/models/digits/ready"),
        json!({"name": "digits", "ready": true})
    );
    assert_eq!(
        get("/v2/models/digits/config"),
        json!({
            "name": "digits",
            "platform": "onnx_onnxv1",
            "backend": "wasi-nn",
            "version_policy": {"latest": {"num_versions": 1}},
            // 10 MiB of images of 8 by 8 floats.
            "max_batch_size": 40960,
            "input": [{
                "name": "image",
                "data_type": "TYPE_FP32",
                "format": "FORMAT_NCHW",
                "dims": [1, 8, 8],
            }],
            "output": [{
                "name": "probabilities",
                "data_type": "TYPE_FP32",
                "dims": [10],
                "label_filename": "labels.txt",
            }],
            "default_model_filename": "model.onnx",
        })
    );
    let config = get("/v2/models/sum/config");
    assert_eq!(config["max_batch_size"], 0, "a scalar comes out: {config}");
    assert_eq!(config["input"][0]["dims"], json!([-1]));
}

#[test]
fn the_repository_has_an_index() {
    for body in [
        "",
        " ",
        "{}",
        r#"{"ready":true}"#,
        r#"{"ready":false,"more":[1]}"#,
    ] {
        let index = send("POST", "/v2/repository/index", &[], body.as_bytes()).unwrap();
        let index = body_json(&index);
        assert_eq!(
            index[1],
            json!({"name": "digits", "version": "1", "state": "READY", "reason": ""}),
            "{body:?}"
        );
        assert_eq!(index.as_array().unwrap().len(), 15);
    }
}

/// The bytes of two values of a datatype, that of a lone byte for BOOL.
fn sample(datatype: &str) -> Vec<u8> {
    match datatype {
        "BOOL" => vec![1, 0],
        "UINT8" => vec![255, 0],
        "INT8" => vec![127, 0x80],
        "UINT16" => [u16::MAX, 1]
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        "INT16" => [i16::MIN, 1]
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        "UINT32" => [7_u32, 1]
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        "INT32" => [i32::MIN, 1]
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        "UINT64" => [7_u64, 1]
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        "INT64" => [-7_i64, 1]
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        "FP16" => [f16::MAX, f16::NEG_ZERO]
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        "FP32" => floats(&[f32::NAN, f32::MIN_POSITIVE]),
        other => panic!("{other}"),
    }
}

#[test]
fn every_datatype_round_trips_bit_for_bit() {
    for datatype in SUPPORTED {
        let data = sample(datatype);
        let request = json!({
            "id": "é",
            "parameters": {"binary_data_output": true, "timeout": 5, "priority": [1]},
            "inputs": [{"name": "x", "datatype": datatype, "shape": [2],
                        "parameters": {"binary_data_size": data.len(), "more": null}}],
            "more": {},
        });
        let model = format!("identity-{}", datatype.to_lowercase());
        let response = binary(&model, &request, &data).unwrap();
        assert_eq!(
            response.header("content-type"),
            Some("application/octet-stream")
        );
        let (answer, bytes) = split(&response);
        assert_eq!(
            answer,
            json!({
                "model_name": model,
                "model_version": "1",
                "id": "é",
                "outputs": [{"name": "y", "datatype": datatype, "shape": [2],
                             "parameters": {"binary_data_size": data.len()}}],
            })
        );
        assert_eq!(bytes, data, "{datatype}");
    }
}

#[test]
fn other_datatypes_are_converted_by_value() {
    let cases: [(&str, &str, Value); 9] = [
        ("INT8", "int32", json!([127, -128])),
        ("UINT16", "int32", json!([65535, 1])),
        ("INT16", "int64", json!([-32768, 1])),
        ("UINT32", "uint8", json!([7, 1])),
        ("UINT64", "int64", json!([7, 1])),
        ("UINT16", "fp32", json!([65535.0, 1.0])),
        ("INT8", "fp32", json!([127.0, -128.0])),
        ("BOOL", "uint8", json!([1, 0])),
        ("BOOL", "fp32", json!([1.0, 0.0])),
    ];
    for (sent, model, expected) in cases {
        let data = sample(sent);
        let request = json!({"inputs": [{"name": "x", "datatype": sent, "shape": [2],
                                         "parameters": {"binary_data_size": data.len()}}]});
        let response = binary(&format!("identity-{model}"), &request, &data);
        let response = response.unwrap_or_else(|error| panic!("{sent} to {model}: {error}"));
        assert_eq!(
            body_json(&response)["outputs"][0]["data"],
            expected,
            "{sent} to {model}"
        );
    }
}

#[test]
fn each_output_has_its_requested_form() {
    let x = json!({"name": "x", "datatype": "FP32", "shape": [1], "data": [0.5]});
    // (request parameters, output parameters, whether the output is binary)
    let cases = [
        (json!({}), None, false),
        (Value::Null, Some(json!({})), false),
        (json!({"binary_data_output": true}), None, true),
        (json!({"binary_data_output": true}), Some(json!({})), true),
        (
            json!({"binary_data_output": true}),
            Some(json!({"binary_data": false})),
            false,
        ),
        (
            json!({"binary_data_output": false}),
            Some(json!({"binary_data": true})),
            true,
        ),
        (
            json!({}),
            Some(json!({"binary_data": true, "more": 1})),
            true,
        ),
    ];
    for (parameters, output, is_binary) in cases {
        let mut request = json!({"parameters": parameters, "inputs": [x]});
        if let Some(output) = &output {
            request["outputs"] = json!([{"name": "y", "parameters": output}]);
        }
        let body = request.to_string();
        let response = send(
            "POST",
            "/v2/models/identity-fp32/infer",
            &[],
            body.as_bytes(),
        )
        .unwrap();
        let (answer, bytes) = split(&response);
        assert_eq!(response.header(HEADER).is_some(), is_binary, "{request}");
        assert_eq!(bytes, if is_binary { floats(&[0.5]) } else { vec![] });
        assert_eq!(
            answer["outputs"][0].get("data").is_none(),
            is_binary,
            "{answer}"
        );
    }
}

#[test]
fn several_tensors_follow_the_json_in_order() {
    let request = json!({"inputs": [
        {"name": "b", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},
        {"name": "a", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},
    ]});
    let answer = binary("add", &request, &floats(&[1.0, 2.0, 10.0, 20.0])).unwrap();
    assert_eq!(
        body_json(&answer)["outputs"][0]["data"],
        json!([11.0, 22.0])
    );
    let mixed = json!({"inputs": [
        {"name": "b", "datatype": "FP32", "shape": [1, 2], "data": [[1, 2]]},
        {"name": "a", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},
    ]});
    let answer = binary("add", &mixed, &floats(&[10.0, 20.0])).unwrap();
    assert_eq!(
        body_json(&answer)["outputs"][0]["data"],
        json!([11.0, 22.0])
    );
}

#[test]
fn a_raw_request_has_a_raw_response() {
    let target = "/v2/models/identity-fp32/infer";
    let data = floats(&[1.0, 2.0, 3.0]);
    let response = send("POST", target, &[(HEADER, "0")], &data).unwrap();
    let (answer, bytes) = split(&response);
    assert_eq!(answer["outputs"][0]["shape"], json!([3]));
    assert_eq!(bytes, data);
    let headers = [(HEADER, "0"), ("accept", "application/json")];
    let response = send("POST", target, &headers, &data).unwrap();
    assert_eq!(
        body_json(&response)["outputs"][0]["data"],
        json!([1.0, 2.0, 3.0])
    );
    // The response to JSON is bytes, if `Accept` allows nothing else.
    let body = br#"{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}"#;
    let response = send(
        "POST",
        target,
        &[("accept", "application/octet-stream")],
        body,
    )
    .unwrap();
    assert_eq!(split(&response).1, floats(&[1.0]));
    // The size of the only tensor is optional.
    let request = json!({"inputs": [{"name": "x", "datatype": "FP32", "shape": [3]}]});
    let response = binary("identity-fp32", &request, &data).unwrap();
    assert_eq!(
        body_json(&response)["outputs"][0]["data"],
        json!([1.0, 2.0, 3.0])
    );
}

#[test]
fn images_are_elements_of_a_bytes_tensor() {
    let images = ["3", "7"].map(|digit| file(&format!("models/digits/samples/{digit}.png")));
    let mut data = Vec::new();
    for image in &images {
        data.extend(u32::try_from(image.len()).unwrap().to_le_bytes());
        data.extend(image);
    }
    let outputs = json!([{"name": "probabilities", "parameters": {"classification": 1}}]);
    for shape in [json!([2]), json!([2, 1])] {
        let request = json!({
            "inputs": [{"name": "image", "datatype": "BYTES", "shape": shape,
                        "parameters": {"binary_data_size": data.len()}}],
            "outputs": outputs,
        });
        let answer = body_json(&binary("digits", &request, &data).unwrap());
        let output = &answer["outputs"][0];
        assert_eq!(output["datatype"], "BYTES");
        assert_eq!(output["shape"], json!([2, 1]));
        for (digit, text) in ["3", "7"].iter().zip(output["data"].as_array().unwrap()) {
            let text = text.as_str().unwrap();
            assert!(text.ends_with(&format!(":{digit}:{digit}")), "{text}");
        }
    }
    use base64::Engine as _;
    let texts = images.map(|image| base64::prelude::BASE64_STANDARD.encode(image));
    let request = json!({
        "inputs": [{"name": "image", "datatype": "BYTES", "shape": [2], "data": texts}],
        "outputs": outputs,
    });
    let answer = send(
        "POST",
        "/v2/models/digits/infer",
        &[],
        request.to_string().as_bytes(),
    );
    assert_eq!(
        body_json(&answer.unwrap())["outputs"][0]["shape"],
        json!([2, 1])
    );
    // The whole body is one element.
    let headers = [(HEADER, "0"), ("accept", "application/json")];
    let png = file("models/digits/samples/7.png");
    let answer = send("POST", "/v2/models/digits/infer", &headers, &png).unwrap();
    assert_eq!(body_json(&answer)["outputs"][0]["shape"], json!([1, 10]));
}

#[test]
fn classes_are_at_most_those_of_the_model() {
    let png = file("models/digits/samples/7.png");
    let mut data = u32::try_from(png.len()).unwrap().to_le_bytes().to_vec();
    data.extend(&png);
    for (count, is_binary) in [(3_u64, true), (1_000_000_000, false), (u64::MAX, true)] {
        let request = json!({
            "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1],
                        "parameters": {"binary_data_size": data.len()}}],
            "outputs": [{"name": "probabilities",
                         "parameters": {"classification": count, "binary_data": is_binary}}],
        });
        let response = binary("digits", &request, &data).unwrap();
        let (answer, bytes) = split(&response);
        let expected = count.min(10);
        assert_eq!(answer["outputs"][0]["shape"], json!([1, expected]));
        let texts: Vec<String> = if is_binary {
            let texts = crate::tensor::byte_strings::split(bytes, expected).unwrap();
            texts
                .iter()
                .map(|text| String::from_utf8_lossy(text).into_owned())
                .collect()
        } else {
            serde_json::from_value(answer["outputs"][0]["data"].clone()).unwrap()
        };
        assert_eq!(texts.len() as u64, expected);
        assert!(
            texts[0].starts_with("0.9") && texts[0].ends_with(":7:7"),
            "{texts:?}"
        );
    }
}

#[test]
fn bodies_are_inflated_and_responses_deflated() {
    let body = json!({"inputs": [{"name": "x", "datatype": "FP32", "shape": [500],
                                  "data": vec![0.25; 500]}]});
    let limits = crate::http::limits::Limits::default();
    for (name, coding) in [("gzip", Coding::Gzip), ("deflate", Coding::Deflate)] {
        let sent = crate::http::content_coding::encoded(
            Response::new(200, "", body.to_string().into_bytes()),
            coding,
        );
        let headers = [("content-encoding", name), ("accept-encoding", name)];
        let response = send(
            "POST",
            "/v2/models/identity-fp32/infer",
            &headers,
            &sent.body,
        )
        .unwrap();
        assert_eq!(response.header("content-encoding"), Some(name));
        let inflated =
            crate::http::content_coding::inflate(response.body, &[coding], &limits).unwrap();
        let answer: Value = serde_json::from_slice(&inflated).unwrap();
        assert_eq!(answer["outputs"][0]["data"], json!(vec![0.25; 500]));
    }
}
