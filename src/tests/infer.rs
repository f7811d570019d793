//! `/infer`: every kind of body for the digits model, and errors before and after the body is read.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use infer_engine::Registry;

use super::engine::Engine;
use super::{Refused, check_refused, file, json, send};
use crate::catalog::{Files, Models};
use crate::http::request::Head;
use crate::http::settings::Settings;
use crate::http::timing::Timing;
use crate::protocols::Plan;

#[test]
fn an_image_is_classified_whatever_its_media_type() {
    let png = file("models/digits/samples/7.png");
    let octets = [("content-type", "application/octet-stream")];
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let jpeg = [("content-type", "image/jpeg; q=1")];
    for headers in [&[][..], &octets, &form, &jpeg] {
        let response = send("POST", "/infer/digits", headers, &png).unwrap();
        let json = json(&response);
        assert_eq!(json["model_name"], "digits");
        assert_eq!(json["model_version"], "1");
        assert_eq!(json["predictions"][0][0]["label"], "7", "{headers:?}");
        assert_eq!(json["predictions"][0][0]["index"], 7);
        assert_eq!(json["predictions"][0].as_array().unwrap().len(), 5);
        assert_eq!(json.as_object().unwrap().len(), 3, "nothing else: {json}");
    }
}

#[test]
fn a_model_without_a_task_returns_its_outputs() {
    let body =
        br#"{"id":"q","inputs":[{"name":"x","datatype":"FP32","shape":[3],"data":[1,2,4]}]}"#;
    let headers = [("content-type", "application/json")];
    let response = send("POST", "/infer/sum", &headers, body).unwrap();
    assert_eq!(
        String::from_utf8(response.body).unwrap(),
        r#"{"model_name":"sum","model_version":"1","id":"q","outputs":[{"name":"y","datatype":"FP32","shape":[],"data":[7.0]}]}"#
    );
    let raw = send(
        "POST",
        "/infer/sum",
        &[("accept", "application/octet-stream")],
        &[0; 8],
    )
    .unwrap();
    assert_eq!(raw.body, 0_f32.to_le_bytes());
}

/// A batch of no items is a batch: clients send what their filter has left.
#[test]
fn a_tensor_may_have_no_elements() {
    let json_type = [("content-type", "application/json")];
    let npy_type = [("content-type", "application/x-npy")];
    let mut npy =
        b"\x93NUMPY\x01\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (0, 1, 8, 8), }"
            .to_vec();
    npy.resize(127, b' ');
    npy.push(b'\n');
    let input = |shape: &str| {
        format!(r#"{{"inputs":[{{"name":"image","datatype":"FP32","shape":{shape},"data":[]}}]}}"#)
            .into_bytes()
    };
    let rows = [
        (
            "/infer/digits",
            &json_type,
            b"[]".to_vec(),
            r#""predictions":[]"#,
        ),
        (
            "/infer/digits",
            &json_type,
            input("[0,1,8,8]"),
            r#""predictions":[]"#,
        ),
        ("/infer/digits", &npy_type, npy, r#""predictions":[]"#),
        (
            "/v2/models/digits/infer",
            &json_type,
            input("[0,1,8,8]"),
            r#""shape":[0,10],"data":[]"#,
        ),
        (
            "/infer/sum",
            &json_type,
            br#"{"inputs":[{"name":"x","datatype":"FP32","shape":[0],"data":[]}]}"#.to_vec(),
            r#""shape":[],"data":[0.0]"#,
        ),
    ];
    let mut wrong = Vec::new();
    for (row, (target, headers, body, part)) in rows.into_iter().enumerate() {
        let text = match send("POST", target, headers, &body) {
            Ok(response) => String::from_utf8(response.body).unwrap(),
            Err(error) => error.to_string(),
        };
        if !text.contains(part) {
            wrong.push(format!("{row} {target}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn invalid_requests_have_their_errors() {
    struct Case(
        &'static str,
        &'static str,
        &'static [(&'static str, &'static str)],
        Vec<u8>,
        u16,
        &'static str,
    );
    let json = &[("content-type", "application/json")];
    let png = || file("models/digits/samples/7.png");
    let cases = [
        Case(
            "POST",
            "/infer",
            &[],
            png(),
            400,
            "the request names no model; send it to `/infer/{model}` with one of: `add`, `digits`, ",
        ),
        Case(
            "GET",
            "/infer",
            &[],
            vec![],
            405,
            "`GET` is not a method of `/infer`, expected POST",
        ),
        Case(
            "DELETE",
            "/infer/digits",
            &[],
            vec![],
            405,
            "`DELETE` is not a method of `/infer/digits`, expected POST",
        ),
        Case(
            "POST",
            "/nowhere",
            &[],
            vec![],
            404,
            "there is no route `/nowhere`; there are ",
        ),
        Case(
            "POST",
            "/infer/",
            &[],
            vec![],
            404,
            "there is no route `/infer/`",
        ),
        Case(
            "POST",
            "/infer/../digits",
            &[],
            vec![],
            404,
            "there is no route `/infer/../digits`",
        ),
        Case(
            "POST",
            "/infer/..",
            &[],
            png(),
            404,
            "there is no model `..`; there are: `add`, `digits`, ",
        ),
        Case(
            "POST",
            "/infer/%2e%2e%2fdigits",
            &[],
            png(),
            404,
            "there is no model `../digits`",
        ),
        Case(
            "POST",
            "/infer/%",
            &[],
            png(),
            400,
            "the percent-encoding of `%` is broken",
        ),
        Case(
            "POST",
            "/infer/Digits",
            &[],
            png(),
            404,
            "there is no model `Digits`",
        ),
        Case(
            "POST",
            "/infer/digits",
            &[("content-length", "10485761")],
            vec![],
            413,
            "the body has more than 10485760 bytes, got 10485761; the limit is the setting `INFER_MAX_BODY_BYTES`",
        ),
        Case(
            "POST",
            "/infer/digits",
            &[("content-length", "many")],
            vec![],
            400,
            "`Content-Length` is `many`, expected a number of bytes",
        ),
        Case(
            "POST",
            "/infer/digits",
            &[("content-type", "text/html")],
            vec![],
            415,
            "model `digits` does not take `text/html`; it takes `image/jpeg`, `image/png`, `image/webp`, `image/gif`, `image/bmp`, `multipart/form-data`, `application/json`, `application/x-npy` and `application/octet-stream`",
        ),
        Case(
            "POST",
            "/infer/digits",
            &[("content-type", "image/tiff")],
            vec![],
            415,
            "model `digits` does not take `image/tiff`",
        ),
        Case(
            "POST",
            "/infer/sum",
            &[("content-type", "image/png")],
            vec![],
            415,
            "model `sum` does not take `image/png`; it takes `application/json`, `application/x-npy` and `application/octet-stream`",
        ),
        Case(
            "POST",
            "/infer/sum",
            &[],
            png()[..57].to_vec(),
            415,
            "model `sum` does not take `image/png`",
        ),
        Case(
            "POST",
            "/infer/digits",
            &[],
            b"\x93NUMPY\x01\x00".to_vec(),
            400,
            "the body is not a NumPy file: it ends within the header",
        ),
        Case(
            "POST",
            "/infer/digits",
            &[("accept", "text/html")],
            png(),
            406,
            "`Accept` allows no response of this route",
        ),
        Case(
            "POST",
            "/infer/digits?top_k=0",
            &[],
            png(),
            400,
            "`top_k` is `0`, expected an integer from 1 to 4294967295",
        ),
        Case(
            "POST",
            "/infer/digits?top_k=-1",
            &[],
            png(),
            400,
            "`top_k` is `-1`, expected an integer from 1 to 4294967295",
        ),
        Case(
            "POST",
            "/infer/sum?top_k=1",
            &[],
            vec![],
            400,
            "model `sum` does not take `top_k`, which belongs to another task; leave it out",
        ),
        Case(
            "POST",
            "/infer/digits?outputs=2",
            &[],
            png(),
            400,
            "`outputs` is `2`, expected true or false",
        ),
        Case(
            "POST",
            "/infer/digits",
            &[],
            vec![],
            400,
            "the body is empty; model `digits` takes image/jpeg, ",
        ),
        Case(
            "POST",
            "/infer/digits",
            json,
            b"[1".to_vec(),
            400,
            "the JSON body cannot be read: EOF while parsing a list",
        ),
        Case(
            "POST",
            "/infer/digits",
            &[("content-type", "image/png")],
            b"text".to_vec(),
            400,
            "the 4 bytes are not an image, expected JPEG, PNG, WebP, GIF or BMP",
        ),
        Case(
            "POST",
            "/infer/digits",
            &[],
            b"text".to_vec(),
            400,
            "input `image` takes a multiple of 256 bytes (FP32 of shape [-1, 1, 8, 8]), got 4",
        ),
        Case(
            "POST",
            "/infer/sum",
            &[("accept", "application/json")],
            f32::INFINITY.to_le_bytes().to_vec(),
            400,
            "output `y` has the value inf, which JSON cannot represent; ask for `Accept: application/octet-stream`",
        ),
    ];
    let rows = cases.into_iter().map(|case| {
        let Case(method, target, headers, body, status, sentence) = case;
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Refused {
            method,
            target: target.to_owned(),
            headers: headers.collect(),
            body,
            status,
            sentence,
        }
    });
    check_refused(rows.collect());
}

#[test]
fn a_mounted_model_that_cannot_be_read_is_named() {
    let mut models = Models::new();
    let card = "placement = 'mount'\n[[input]]\nname = 'x'\ndatatype = 'FP32'\nshape = [-1]\n\
                [[output]]\nname = 'y'\ndatatype = 'FP32'\nshape = []\n";
    models.add("gone", card, Files::default()).unwrap();
    let mut registry = Registry::new();
    registry.mount("gone").unwrap();
    let head = Head::new("POST", "/infer/gone", Vec::new());
    let settings = Settings::default();
    let plan = Plan::new(&head, &models, &settings).unwrap();
    let error = plan
        .respond(b"[1]".to_vec(), &Engine(registry), &mut Timing::default())
        .unwrap_err();
    let cause = error.to_string();
    let response = error.into_response("7f", infer_routes::ErrorForm::Sentence);
    assert_eq!(response.status, 500);
    let body = String::from_utf8(response.body).unwrap();
    let sentence = "model `gone` could not be read from `INFER_MODELS_DIR`";
    assert!(
        body.contains(sentence) && body.contains("request id 7f"),
        "{body}"
    );
    assert!(
        cause.starts_with(sentence) && cause.contains("not found"),
        "{cause}"
    );
    // The engine of the tests reads from `/nowhere`.
    assert!(
        !body.contains("nowhere") && !cause.contains("nowhere"),
        "{body} {cause}"
    );
}

/// A form with the sample and these parts: name, file name, content.
fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let sample = file("models/digits/samples/7.png");
    let image: (&str, Option<&str>, &[u8]) = ("image", Some("7.png"), &sample);
    let mut body = Vec::new();
    for (name, file_name, content) in std::iter::once(&image).chain(parts) {
        body.extend(format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"").bytes());
        if let Some(file_name) = file_name {
            body.extend(format!("; filename=\"{file_name}\"").bytes());
        }
        body.extend(b"\r\n\r\n");
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(b"--x--\r\n");
    body
}

#[test]
fn text_fields_of_a_form_are_parameters() {
    type Parts = &'static [(&'static str, Option<&'static str>, &'static [u8])];
    const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=x");
    type Row = (&'static str, Parts, Result<(usize, bool), &'static str>);
    let rows: [Row; 15] = [
        ("", &[], Ok((5, false))),
        ("", &[("top_k", None, b"2")], Ok((2, false))),
        ("", &[("outputs", None, b"true")], Ok((5, true))),
        (
            "",
            &[("top_k", None, b"1"), ("outputs", None, b"")],
            Ok((1, true)),
        ),
        // The query wins.
        ("?top_k=3", &[("top_k", None, b"2")], Ok((3, false))),
        (
            "?outputs=false",
            &[("outputs", None, b"true")],
            Ok((5, false)),
        ),
        (
            "",
            &[("top_k", None, b"2"), ("top_k", None, b"3")],
            Ok((2, false)),
        ),
        ("", &[("other", Some(""), b"")], Ok((5, false))),
        (
            "",
            &[("top_k", None, b"0")],
            Err("`top_k` is `0`, expected an integer from 1"),
        ),
        (
            "?top_k=3",
            &[("top_k", None, b"x")],
            Err("`top_k` is `x`, expected an integer from 1"),
        ),
        (
            "",
            &[("outputs", None, b"yes")],
            Err("`outputs` is `yes`, expected true or false"),
        ),
        (
            "",
            &[("threshold", None, b"0.5")],
            Err(
                "the field `threshold` of the multipart body is a text of 3 bytes, expected images; the text \
                 fields of this model are `top_k`, `function_to_apply` and `outputs`",
            ),
        ),
        (
            "",
            &[("top_k", None, b"\xff\xfe")],
            Err("the field `top_k` of the multipart body is not UTF-8"),
        ),
        (
            "",
            &[("other", Some("a.txt"), b"hello")],
            Err("image 1, field `other`: the 5 bytes are not an image"),
        ),
        (
            "",
            &[("other", Some("a.png"), b"")],
            Err("image 1, field `other`: the 0 bytes are not an image"),
        ),
    ];
    let mut wrong = Vec::new();
    for (query, parts, expected) in rows {
        let target = format!("/infer/digits{query}");
        let actual = send("POST", &target, &[FORM], &form(parts)).map(|response| {
            let answer = json(&response);
            let classes = answer["predictions"][0].as_array().map_or(0, Vec::len);
            (classes, answer.get("outputs").is_some())
        });
        let is_expected = match (&actual, expected) {
            (Ok(actual), Ok(expected)) => *actual == expected,
            (Err(error), Err(message)) => {
                error.kind().status() == 400 && error.to_string().starts_with(message)
            }
            _ => false,
        };
        if !is_expected {
            wrong.push(format!(
                "{query} {parts:?}: {actual:?}, expected {expected:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let input = |parts| send("POST", "/infer/digits/input", &[FORM], &form(parts)).unwrap();
    assert_eq!(input(&[("top_k", None, b"2")]).body, input(&[]).body);
}

#[test]
fn formats_that_are_not_decoded_are_named_on_every_road() {
    let heic = |size: usize| {
        let mut bytes = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec();
        bytes.resize(size, 0);
        bytes
    };
    let tiff = [b"II*\0".as_slice(), &[0; 252]].concat();
    let jxl = [b"\xff\x0a".as_slice(), &[0; 98]].concat();
    let base64 = BASE64_STANDARD.encode(heic(512));
    let named = "the image is HEIC, which is not decoded; expected JPEG, PNG, WebP, GIF or BMP";
    let row = |target: &str, content_type: &str, body: Vec<u8>, sentence| Refused {
        method: "POST",
        target: target.to_owned(),
        headers: vec![("content-type", content_type.to_owned())],
        body,
        status: 415,
        sentence,
    };
    let form = [
        b"--x\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.heic\"\r\n\r\n"
            .as_slice(),
        &heic(512),
        b"\r\n--x--\r\n",
    ]
    .concat();
    let bytes = [&512_u32.to_le_bytes()[..], &heic(512)].concat();
    let json = format!(
        r#"{{"inputs":[{{"name":"image","datatype":"BYTES","shape":[1],"parameters":{{"binary_data_size":{}}}}}]}}"#,
        bytes.len()
    );
    let binary = Refused {
        headers: vec![("inference-header-content-length", json.len().to_string())],
        ..row(
            "/v2/models/digits/infer",
            "",
            [json.as_bytes(), &bytes].concat(),
            named,
        )
    };
    let raw = Refused {
        headers: vec![("inference-header-content-length", "0".to_owned())],
        ..row("/v2/models/digits/infer", "", heic(512), named)
    };
    let octets = "application/octet-stream";
    let curl = "application/x-www-form-urlencoded";
    let v1 = format!(r#"{{"instances":[{{"b64":"{base64}"}}]}}"#).into_bytes();
    let v2 = format!(
        r#"{{"inputs":[{{"name":"image","datatype":"BYTES","shape":[1],"data":["{base64}"]}}]}}"#
    )
    .into_bytes();
    check_refused(vec![
        row("/infer/digits", "image/jpeg", heic(500), named),
        row("/infer/digits", octets, heic(500), named),
        row("/infer/digits", octets, heic(512), named),
        row("/infer/digits", curl, heic(500), named),
        row("/infer/digits", curl, heic(512), named),
        row("/infer/digits/input", curl, heic(256), named),
        row(
            "/infer/digits",
            curl,
            tiff.clone(),
            "the image is TIFF, which is not decoded",
        ),
        row(
            "/infer/digits",
            curl,
            jxl,
            "the image is JPEG XL, which is not decoded",
        ),
        row(
            "/infer/digits",
            curl,
            b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
            "the image is SVG, which is not decoded",
        ),
        row(
            "/infer/digits",
            "image/heic",
            heic(500),
            "model `digits` does not take `image/heic`; it takes `image/jpeg`, `image/png`",
        ),
        row(
            "/infer/digits",
            "multipart/form-data; boundary=x",
            form,
            "field `photo`: the image is HEIC, which is not decoded",
        ),
        row("/infer/digits", "application/json", v1.clone(), named),
        row("/infer/digits", "application/json", v2.clone(), named),
        row("/v1/models/digits:predict", "application/json", v1, named),
        row("/v2/models/digits/infer", "application/json", v2, named),
        binary,
        raw,
        row(
            "/infer/add",
            curl,
            heic(500),
            "model `add` does not take images, here HEIC; it takes `application/json`",
        ),
        row(
            "/infer/sentiment",
            curl,
            tiff.clone(),
            "model `sentiment` does not take images, here TIFF; it takes `text/plain`",
        ),
    ]);
    // A tensor whose length fits, for a model that takes no images.
    assert!(send("POST", "/infer/sum", &[], &tiff).is_ok());
}
