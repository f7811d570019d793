//! The Open Inference Protocol: every way to send an inconsistent request.

use super::{Refused, check_refused, send};

const HEADER: &str = "inference-header-content-length";

fn row(target: &str, body: String, status: u16, sentence: &'static str) -> Refused {
    Refused {
        method: "POST",
        target: target.to_owned(),
        headers: Vec::new(),
        body: body.into_bytes(),
        status,
        sentence,
    }
}

/// JSON for the identity of FP32.
fn invalid(body: String, sentence: &'static str) -> Refused {
    row("/v2/models/identity-fp32/infer", body, 400, sentence)
}

/// JSON and bytes behind it, with the right length of the JSON.
fn inconsistent(json: String, bytes: &[u8], sentence: &'static str) -> Refused {
    let mut row = invalid(json, sentence);
    row.headers.push((HEADER, row.body.len().to_string()));
    row.body.extend(bytes);
    row
}

/// The input `x`, two floats, with more members.
fn x(members: &str) -> String {
    format!(r#"{{"inputs":[{{"name":"x","datatype":"FP32","shape":[2]{members}}}]}}"#)
}

/// The input `x` with a `binary_data_size`.
fn size(size: &str) -> String {
    x(&format!(r#","parameters":{{"binary_data_size":{size}}}"#))
}

/// The input `x`, one value of a datatype.
fn of(datatype: &str, data: &str) -> String {
    format!(r#"{{"inputs":[{{"name":"x","datatype":"{datatype}","shape":[1],"data":{data}}}]}}"#)
}

/// A valid input, and another member of the request.
fn with_member(member: &str) -> String {
    let good = of("FP32", "[1]");
    format!("{},{member}}}", &good[..good.len() - 1])
}

fn output(parameters: &str) -> String {
    with_member(&format!(
        r#""outputs":[{{"name":"y","parameters":{parameters}}}]"#
    ))
}

/// A request with a header that may be invalid.
fn with_header(name: &'static str, value: &str, status: u16, sentence: &'static str) -> Refused {
    Refused {
        headers: vec![(name, value.to_owned())],
        status,
        ..invalid(of("FP32", "[1]"), sentence)
    }
}

#[test]
fn inconsistent_sizes() {
    let json_length = |value: &str, sentence| Refused {
        headers: vec![(HEADER, value.to_owned())],
        ..invalid(size("8"), sentence)
    };
    check_refused(vec![
        invalid(String::new(), "the JSON body cannot be read: EOF"),
        invalid("[1]".to_owned(), "the JSON body cannot be read: "),
        invalid("{}".to_owned(), "the JSON body has no `inputs`"),
        invalid(
            r#"{"inputs":[]}"#.to_owned(),
            "input `x` is missing; the model needs `x`",
        ),
        invalid(
            r#"{"id":7,"inputs":[]}"#.to_owned(),
            "the JSON body cannot be read: invalid type: integer `7`",
        ),
        invalid(
            x(""),
            "input `x`: it has neither `data` nor the parameter `binary_data_size`",
        ),
        invalid(x(r#","data":null"#), "input `x`: it has neither `data` nor"),
        invalid(
            x(r#","data":[1]"#),
            "input `x`: shape [2] has 2 values, `data` has the shape [1]",
        ),
        invalid(
            size("8"),
            "input `x`: `binary_data_size` says that its bytes follow the JSON, but the request has no \
             header `Inference-Header-Content-Length`",
        ),
        json_length(
            "-1",
            "`Inference-Header-Content-Length` is `-1`, expected the number of bytes of JSON",
        ),
        json_length(
            "many",
            "`Inference-Header-Content-Length` is `many`, expected",
        ),
        json_length(
            "1e2",
            "`Inference-Header-Content-Length` is `1e2`, expected",
        ),
        json_length("", "`Inference-Header-Content-Length` is ``, expected"),
        json_length(
            "1000",
            "`Inference-Header-Content-Length` is 1000, but the body has ",
        ),
        json_length(
            "18446744073709551615",
            "`Inference-Header-Content-Length` is 18446744073709551615, but the body has ",
        ),
        json_length(
            "18446744073709551616",
            "`Inference-Header-Content-Length` is `18446744073709551616`",
        ),
        json_length("10", "the JSON body cannot be read: EOF"),
        json_length(
            "0",
            "input `x` takes a multiple of 4 bytes (FP32 of shape [-1]), got ",
        ),
        inconsistent(
            size("8"),
            &[0; 7],
            "input `x`: `binary_data_size` is 8, but 7 bytes are left behind the JSON",
        ),
        inconsistent(size("8"), &[0; 9], "1 bytes follow the last tensor"),
        inconsistent(
            size("4"),
            &[0; 4],
            "input `x`: shape [2] of FP32 has 8 bytes, got 4",
        ),
        inconsistent(
            size("0"),
            &[],
            "input `x`: shape [2] of FP32 has 8 bytes, got 0",
        ),
        inconsistent(
            size("-8"),
            &[0; 8],
            "input `x`: `binary_data_size` is `-8`, expected a number of bytes",
        ),
        inconsistent(
            size("8.0"),
            &[0; 8],
            "input `x`: `binary_data_size` is `8.0`, expected",
        ),
        inconsistent(
            size("\"8\""),
            &[0; 8],
            "input `x`: `binary_data_size` is `\"8\"`, expected",
        ),
        inconsistent(
            size("[8]"),
            &[0; 8],
            "input `x`: `binary_data_size` is `[8]`, expected",
        ),
        inconsistent(
            size("18446744073709551615"),
            &[0; 8],
            "input `x`: `binary_data_size` is 18446744073709551615, but 8 bytes are left",
        ),
        inconsistent(
            x(r#","data":[1,2],"parameters":{"binary_data_size":8}"#),
            &[0; 8],
            "input `x`: it has both `data` and the parameter `binary_data_size`",
        ),
        inconsistent(
            x(r#","data":[1,2]"#),
            &[0; 8],
            "8 bytes follow the last tensor",
        ),
        inconsistent(
            x(""),
            &[0; 9],
            "input `x`: shape [2] of FP32 has 8 bytes, got 9",
        ),
        inconsistent(
            x(r#","parameters":[]"#).replace("[]", "7"),
            &[],
            "the JSON body cannot be read: invalid type",
        ),
        inconsistent(
            size("8").replace("[2]", "[4294967295,4294967295]"),
            &[0; 8],
            "input `x`: shape [4294967295, 4294967295] does not fit [-1]",
        ),
        inconsistent(
            size("5").replace("FP32", "BYTES"),
            b"\x01\0\0\0a",
            "input `x`: datatype BYTES, expected FP32",
        ),
        inconsistent(
            r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]},
                {"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}"#
                .to_owned(),
            &[],
            "input `x` is repeated, expected each input once",
        ),
    ]);
}

#[test]
fn values_out_of_range() {
    let two_bools = size("2").replace("FP32", "BOOL");
    check_refused(vec![
        invalid(
            of("FP32", "[1e39]"),
            "input `x`: value 0 is `1e39`, which FP32 does not hold",
        ),
        invalid(of("FP64", "[1]"), "input `x`: datatype FP64, expected FP32"),
        invalid(
            of("FP16", "[1]"),
            "input `x`: JSON cannot represent FP16; send binary",
        ),
        invalid(
            of("BF16", "[1]"),
            "input `x`: JSON cannot represent BF16; send binary",
        ),
        invalid(
            of("BYTES", "[\"a\"]"),
            "input `x`: datatype BYTES, expected FP32",
        ),
        invalid(
            of("fp32", "[1]"),
            "input `x`: unknown datatype `fp32`, expected one of BOOL, ",
        ),
        invalid(
            of("BOOL", "[2]"),
            "input `x`: value 0 is `2`, which BOOL does not hold",
        ),
        invalid(
            of("INT8", "[128]"),
            "input `x`: value 0 is `128`, which INT8 does not hold",
        ),
        invalid(
            of("INT16", "[-32769]"),
            "input `x`: value 0 is `-32769`, which INT16 does not hold",
        ),
        invalid(
            of("UINT16", "[65536]"),
            "input `x`: value 0 is `65536`, which UINT16 does not hold",
        ),
        invalid(
            of("UINT32", "[4294967296]"),
            "input `x`: value 0 is `4294967296`, which UINT32 does not hold",
        ),
        invalid(
            of("UINT32", "[16777217]"),
            "input `x`: value 0 is `16777217`, which FP32 does not hold",
        ),
        invalid(
            of("UINT64", "[-1]"),
            "input `x`: value 0 is `-1`, which UINT64 does not hold",
        ),
        invalid(
            of("UINT64", "[18446744073709551616]"),
            "input `x`: value 0 is `18446744073709551616`, expected a whole number",
        ),
        row(
            "/v2/models/identity-bool/infer",
            of("UINT8", "[1]"),
            400,
            "input `x`: datatype UINT8, expected BOOL",
        ),
        row(
            "/v2/models/identity-uint8/infer",
            of("UINT8", "[-1]"),
            400,
            "input `x`: value 0 is `-1`, which UINT8 does not hold",
        ),
        row(
            "/v2/models/identity-int32/infer",
            of("INT32", "[2147483648]"),
            400,
            "input `x`: value 0 is `2147483648`, which INT32 does not hold",
        ),
        row(
            "/v2/models/identity-int64/infer",
            of("INT64", "[9223372036854775808]"),
            400,
            "input `x`: value 0 is `9223372036854775808`, which INT64 does not hold",
        ),
        row(
            "/v2/models/identity-fp16/infer",
            of("FP16", "[1]"),
            400,
            "input `x`: JSON cannot represent FP16; send binary",
        ),
        Refused {
            target: "/v2/models/identity-bool/infer".to_owned(),
            ..inconsistent(
                two_bools,
                &[1, 2],
                "input `x`: value 1 is 2, which BOOL does not hold",
            )
        },
    ]);
}

#[test]
fn invalid_outputs() {
    check_refused(vec![
        invalid(
            output(r#"{"classification":0}"#),
            "output `y`: `classification` is `0`, expected a whole number from 1",
        ),
        invalid(
            output(r#"{"classification":-1}"#),
            "output `y`: `classification` is `-1`, expected",
        ),
        invalid(
            output(r#"{"classification":1.5}"#),
            "output `y`: `classification` is `1.5`, expected",
        ),
        invalid(
            output(r#"{"classification":"3"}"#),
            "output `y`: `classification` is `\"3\"`, expected",
        ),
        invalid(
            output(r#"{"binary_data":1}"#),
            "output `y`: `binary_data` is `1`, expected true or false",
        ),
        invalid(
            with_member(r#""parameters":{"binary_data_output":"yes"}"#),
            "`binary_data_output` is `\"yes\"`, expected true or false",
        ),
        invalid(
            with_member(r#""outputs":[{"name":"y"},{"name":"y"}]"#),
            "output `y` is repeated, expected each output once",
        ),
        invalid(
            with_member(r#""outputs":[{"name":"z"}]"#),
            "there is no output `z`; the model has `y`",
        ),
    ]);
}

#[test]
fn invalid_images() {
    let digits = |count: u64, size: usize, bytes: &[u8], sentence| {
        let json = format!(
            r#"{{"inputs":[{{"name":"image","datatype":"BYTES","shape":[{count}],
                "parameters":{{"binary_data_size":{size}}}}}]}}"#
        );
        Refused {
            target: "/v2/models/digits/infer".to_owned(),
            ..inconsistent(json, bytes, sentence)
        }
    };
    let image_texts = |count: u64, texts: &str, sentence| {
        let json = format!(
            r#"{{"inputs":[{{"name":"image","datatype":"BYTES","shape":[{count}],"data":[{texts}]}}]}}"#
        );
        row("/v2/models/digits/infer", json, 400, sentence)
    };
    check_refused(vec![
        digits(
            1,
            0,
            b"",
            "input `image`: the BYTES tensor has 0 elements, its shape says 1",
        ),
        digits(
            1,
            6,
            b"\x04\0\0\0ab",
            "input `image`: element 0 of the BYTES tensor ends past the data: 4 bytes are announced, 2 are",
        ),
        digits(
            1,
            3,
            b"\x04\0\0",
            "input `image`: element 0 of the BYTES tensor ends past the data",
        ),
        digits(
            3,
            8,
            &[0; 8],
            "input `image`: the BYTES tensor has 2 elements, its shape says 3",
        ),
        digits(2, 8, &[0; 8], "image 0: the 0 bytes are not an image"),
        digits(
            0,
            0,
            b"",
            "input `image`: encoded images as BYTES need the shape [n]",
        ),
        image_texts(1, r#""é""#, "input `image`: image 0 is not base64: "),
        image_texts(
            2,
            r#""AAAA""#,
            "input `image`: the shape says 2 images, `data` has 1",
        ),
        image_texts(
            1,
            r#"7"#,
            "input `image`: `data` is not a flat list of encoded images in base64",
        ),
    ]);
}

#[test]
fn invalid_heads() {
    check_refused(vec![
        row(
            "/v2/models/nobody/infer",
            String::new(),
            404,
            "there is no model `nobody`",
        ),
        row(
            "/v2/models/digits/versions/9/infer",
            String::new(),
            404,
            "model `digits` has no version `9`; it has `1`",
        ),
        row(
            "/v2/models/digits",
            String::new(),
            405,
            "`POST` is not a method of `/v2/models/digits`, expected GET, HEAD",
        ),
        row(
            "/v2/repository/index",
            "[]x".to_owned(),
            400,
            "the JSON body cannot be read: ",
        ),
        row(
            "/v2/repository/models/digits/unload",
            String::new(),
            501,
            "models are neither loaded nor unloaded",
        ),
        with_header(
            "content-type",
            "image/png",
            415,
            "`image/png` is unsupported on this route, expected `application/json`",
        ),
        with_header(
            "content-encoding",
            "br",
            415,
            "the content encoding `br` is unsupported",
        ),
        with_header(
            "content-encoding",
            "gzip",
            400,
            "the body is declared as gzip but cannot be inflated",
        ),
        with_header(
            "accept",
            "text/html",
            406,
            "`Accept` allows no response of this route",
        ),
        with_header(
            "accept",
            "application/x-npy",
            406,
            "`Accept` allows no response of this route",
        ),
        with_header(
            "content-length",
            "99999999",
            413,
            "the body has more than 10485760 bytes",
        ),
    ]);
}

#[test]
fn shared_memory_is_refused_by_name() {
    let region = r#"{"shared_memory_region":"region0","shared_memory_byte_size":8}"#;
    let rest = "is unsupported, because the service shares no memory with its clients";
    let sentence = |place: &str, name: &str| -> &'static str {
        format!("{place}: the parameter `{name}` {rest}").leak()
    };
    let both = x(&format!(r#","data":[1,2],"parameters":{region}"#));
    let text = format!(
        r#"{{"inputs":[{{"name":"text","datatype":"BYTES","shape":[1],"parameters":{region}}}]}}"#
    );
    let mut rows = vec![
        invalid(
            output(region),
            sentence("output `y`", "shared_memory_region"),
        ),
        invalid(
            output(r#"{"shared_memory_byte_size":8}"#),
            sentence("output `y`", "shared_memory_byte_size"),
        ),
        invalid(
            output(r#"{"binary_data":true,"shared_memory_offset":0}"#),
            sentence("output `y`", "shared_memory_offset"),
        ),
        invalid(
            x(&format!(r#","parameters":{region}"#)),
            sentence("input `x`", "shared_memory_region"),
        ),
        invalid(both.clone(), sentence("input `x`", "shared_memory_region")),
        invalid(
            x(r#","data":[1,2],"parameters":{"shared_memory_offset":8}"#),
            sentence("input `x`", "shared_memory_offset"),
        ),
        Refused {
            target: "/infer/identity-fp32".to_owned(),
            ..invalid(both, sentence("input `x`", "shared_memory_region"))
        },
        Refused {
            target: "/v2/models/sentiment/infer".to_owned(),
            ..invalid(text, sentence("input `text`", "shared_memory_region"))
        },
    ];
    for row in &mut rows {
        row.headers
            .push(("content-type", "application/json".to_owned()));
    }
    check_refused(rows);
    let unset = output(r#"{"shared_memory_region":null,"unknown":1}"#);
    let answer = send(
        "POST",
        "/v2/models/identity-fp32/infer",
        &[],
        unset.as_bytes(),
    );
    assert_eq!(answer.map(|response| response.status), Ok(200));
}
