//! Every form of JSON body: the tensor that it becomes, or the exact error.

use std::num::NonZeroUsize;

use super::{decode as decode_with_parameters, *};
use crate::tests::support::model;

fn decode(body: &[u8], model: &Model, limits: &Limits) -> Result<InferenceRequest, ApiError> {
    decode_with_parameters(body, model, limits).map(|decoded| decoded.request)
}

fn floats(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn sole(request: &InferenceRequest) -> (&str, &[u32], &[u8]) {
    let (name, tensor) = &request.inputs[0];
    (name, &tensor.shape, &tensor.data)
}

#[test]
fn all_forms_of_one_tensor_are_the_same() {
    let model = model(&[("x", "FP32", &[-1, 2, 2])]);
    let expected = floats(&[1.0, -2.5, 3e-3, 4.0]);
    let bodies = [
        r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2,2],"data":[1,-2.5,3e-3,4]}]}"#,
        r#"{"inputs":[{"data":[[[1,-2.5],[3e-3,4]]],"shape":[1,2,2],"name":"x","datatype":"FP32"}]}"#,
        r#"{"id":"a","parameters":{"x":[1]},"unknown":{},"inputs":[{"parameters":{"binary_data":true},
            "name":"x","datatype":"FP32","shape":[1,2,2],"data":[1,-2.5,3e-3,4],"more":null}]}"#,
        r#"{"instances":[[[1,-2.5],[3e-3,4]]]}"#,
        r#"{"instances":[{"x":[[1,-2.5],[3e-3,4]]}]}"#,
        "[[[1,-2.5],[3e-3,4]]]",
        " [ [ 1 , -2.5 ] ,\n[\t0.003,4.0] ] ",
    ];
    for body in bodies {
        let request = decode(body.as_bytes(), &model, &Limits::default())
            .unwrap_or_else(|error| panic!("{body}: {error}"));
        assert_eq!(
            sole(&request),
            ("x", &[1, 2, 2][..], &expected[..]),
            "{body}"
        );
    }
}

#[test]
fn ids_and_outputs() {
    let model = model(&[("x", "FP32", &[1])]);
    let body = r#"{"id":"4\u0032","inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}],
                   "outputs":[{"name":"y","parameters":{"classification":2}}]}"#;
    let request = decode(body.as_bytes(), &model, &Limits::default()).unwrap();
    assert_eq!(request.id.as_deref(), Some("42"));
    let [output] = request.outputs.as_slice() else {
        panic!("{:?}", request.outputs);
    };
    assert_eq!(output.name, "y");
    assert_eq!(output.binary, None);
    assert_eq!(output.classes.map(NonZeroUsize::get), Some(2));
}

#[test]
fn several_inputs_and_batches() {
    let model = model(&[("a", "FP32", &[-1, 2]), ("b", "INT64", &[-1])]);
    let body = r#"{"instances":[{"a":[1,2],"b":3},{"b":5,"a":[3,4]}]}"#;
    let request = decode(body.as_bytes(), &model, &Limits::default()).unwrap();
    assert_eq!(request.inputs[0].1.shape, [2, 2]);
    assert_eq!(request.inputs[0].1.data, floats(&[1.0, 2.0, 3.0, 4.0]));
    assert_eq!(request.inputs[1].1.shape, [2]);
    let longs: Vec<u8> = [3_i64, 5]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    assert_eq!(request.inputs[1].1.data, longs);
}

/// (stored, sent, value, the element's bytes or the reason)
type Value = (
    &'static str,
    &'static str,
    &'static str,
    Result<Vec<u8>, &'static str>,
);

#[test]
fn values_are_carried_whole_or_refused() {
    let cases: Vec<Value> = vec![
        ("FP32", "FP32", "0.1", Ok(floats(&[0.1]))),
        (
            "FP32",
            "FP32",
            "1e999",
            Err("value 0 is `1e999`, which FP32 does not hold"),
        ),
        (
            "FP32",
            "FP32",
            "true",
            Err("value 0 is `true`, expected a number"),
        ),
        (
            "FP32",
            "FP32",
            "null",
            Err("value 0 is `null`, expected a number"),
        ),
        (
            "FP32",
            "FP32",
            "\"1\"",
            Err("value 0 is `\"1\"]`, expected a number"),
        ),
        ("FP32", "FP64", "1", Err("datatype FP64, expected FP32")),
        (
            "FP32",
            "FP16",
            "1",
            Err("JSON cannot represent FP16; send binary"),
        ),
        ("FP16", "INT8", "-2", Ok(vec![0x00, 0xc0])),
        (
            "FP16",
            "UINT16",
            "2049",
            Err("value 0 is `2049`, which FP16 does not hold"),
        ),
        ("FP32", "UINT16", "65535", Ok(floats(&[65535.0]))),
        (
            "FP32",
            "UINT16",
            "65536",
            Err("value 0 is `65536`, which UINT16 does not hold"),
        ),
        (
            "FP32",
            "UINT32",
            "16777217",
            Err("value 0 is `16777217`, which FP32 does not hold"),
        ),
        ("FP32", "BOOL", "true", Ok(floats(&[1.0]))),
        (
            "FP32",
            "STRING",
            "1",
            Err("unknown datatype `STRING`, expected one of "),
        ),
        (
            "FP64",
            "FP64",
            "-1.5",
            Ok((-1.5_f64).to_le_bytes().to_vec()),
        ),
        ("UINT8", "UINT8", "255", Ok(vec![255])),
        (
            "UINT8",
            "UINT8",
            "256",
            Err("value 0 is `256`, which UINT8 does not hold"),
        ),
        (
            "UINT8",
            "UINT8",
            "-1",
            Err("value 0 is `-1`, which UINT8 does not hold"),
        ),
        (
            "UINT8",
            "INT8",
            "-1",
            Err("value 0 is `-1`, which UINT8 does not hold"),
        ),
        ("UINT8", "UINT8", "2.0", Ok(vec![2])),
        (
            "UINT8",
            "UINT8",
            "2.5",
            Err("value 0 is `2.5`, expected a whole number"),
        ),
        (
            "INT32",
            "INT32",
            "2147483648",
            Err("value 0 is `2147483648`, which INT32 does not hold"),
        ),
        (
            "INT32",
            "INT16",
            "-32768",
            Ok((-32768_i32).to_le_bytes().to_vec()),
        ),
        (
            "INT64",
            "INT64",
            "9223372036854775807",
            Ok(i64::MAX.to_le_bytes().to_vec()),
        ),
        (
            "INT64",
            "UINT64",
            "9223372036854775808",
            Err("value 0 is `9223372036854775808`, which INT64 does not hold"),
        ),
        (
            "INT64",
            "INT64",
            "1e300",
            Err("value 0 is `1e300`, expected a whole number"),
        ),
        ("BOOL", "BOOL", "false", Ok(vec![0])),
        (
            "BOOL",
            "BOOL",
            "2",
            Err("value 0 is `2`, which BOOL does not hold"),
        ),
        (
            "BOOL",
            "BOOL",
            "null",
            Err("value 0 is `null`, expected true or false"),
        ),
        (
            "FP16",
            "FP16",
            "1",
            Err("JSON cannot represent FP16; send binary"),
        ),
        (
            "BF16",
            "BF16",
            "1",
            Err("JSON cannot represent BF16; send binary"),
        ),
    ];
    let wrong: Vec<_> = cases
        .into_iter()
        .filter_map(|(stored, sent, value, expected)| {
            let body = format!(
                "{{\"inputs\":[{{\"name\":\"x\",\"datatype\":\"{sent}\",\"shape\":[1],\"data\":[{value}]}}]}}"
            );
            let actual = decode(
                body.as_bytes(),
                &model(&[("x", stored, &[-1])]),
                &Limits::default(),
            );
            let is_right = match (&actual, &expected) {
                (Ok(request), Ok(bytes)) => request.inputs[0].1.data == *bytes,
                (Err(error), Err(reason)) => error.to_string().starts_with(&format!("input `x`: {reason}")),
                _ => false,
            };
            (!is_right).then(|| format!("{sent} {value} into {stored}: {actual:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bodies_that_do_not_fit_are_refused_in_words() {
    let one = model(&[("x", "FP32", &[-1, 2])]);
    let two = model(&[("a", "FP32", &[2]), ("b", "FP32", &[2])]);
    let input = |shape: &str, data: &str| {
        format!(
            "{{\"inputs\":[{{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":{shape},\"data\":{data}}}]}}"
        )
    };
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let cases: Vec<(&Model, String, &str)> = vec![
        (
            &one,
            String::new(),
            "the JSON body cannot be read: EOF while parsing a value",
        ),
        (
            &one,
            "{".to_owned(),
            "the JSON body cannot be read: EOF while parsing an object",
        ),
        (
            &one,
            "hello".to_owned(),
            "the JSON body cannot be read: expected value",
        ),
        (
            &one,
            "\"hello\"".to_owned(),
            "the JSON body is neither an object nor an array",
        ),
        (
            &one,
            "7".to_owned(),
            "the JSON body is neither an object nor an array",
        ),
        (
            &one,
            "{}".to_owned(),
            "the JSON body has neither `inputs` nor `instances`",
        ),
        (
            &one,
            "{\"inputs\":[],\"instances\":[]}".to_owned(),
            "the JSON body has both `inputs` and `instances`",
        ),
        (
            &one,
            "{\"inputs\":[]}".to_owned(),
            "input `x` is missing; the model needs `x`",
        ),
        (
            &one,
            "{\"inputs\":7}".to_owned(),
            "the JSON body cannot be read: invalid type",
        ),
        (
            &one,
            "{\"inputs\":[],\"inputs\":[]}".to_owned(),
            "the JSON body cannot be read: duplicate field `inputs`",
        ),
        (
            &one,
            "[[1,2]] x".to_owned(),
            "the JSON body cannot be read: trailing characters",
        ),
        (
            &one,
            "[[1,NaN]]".to_owned(),
            "the JSON body cannot be read: expected value",
        ),
        (
            &one,
            "[[1,-Infinity]]".to_owned(),
            "the JSON body cannot be read: ",
        ),
        (
            &one,
            "[[1,2],[3]]".to_owned(),
            "input `x`: the array is ragged at value 3: lists of one level have different lengths",
        ),
        (
            &one,
            "[[1,2],3]".to_owned(),
            "input `x`: the array is ragged at value 2: a value where others have a list",
        ),
        (
            &one,
            "[1,[2]]".to_owned(),
            "input `x`: the array is ragged at value 1: a list where others have a value",
        ),
        (
            &one,
            "[[1,{}]]".to_owned(),
            "input `x`: value 1 is `{}]]`, expected a number",
        ),
        (
            &one,
            deep.clone(),
            "the JSON is nested more than 64 levels deep; the limit is the setting `INFER_MAX_JSON_DEPTH`",
        ),
        (
            &one,
            format!("{{\"instances\":{deep}}}"),
            "the JSON is nested more than 64 levels deep; the limit is the setting `INFER_MAX_JSON_DEPTH`",
        ),
        (
            &one,
            input("[1,2]", &deep),
            "the JSON is nested more than 64 levels deep; the limit is the setting `INFER_MAX_JSON_DEPTH`",
        ),
        (
            &one,
            "[[1,2,3]]".to_owned(),
            "input `x`: shape [1, 3] does not fit [-1, 2] (-1 is any size)",
        ),
        (
            &one,
            "{\"instances\":7}".to_owned(),
            "`instances` is `7`, expected a list",
        ),
        (
            &one,
            input("[1,3]", "[1,2,3]"),
            "input `x`: shape [1, 3] does not fit [-1, 2]",
        ),
        (
            &one,
            input("[2,2]", "[1,2,3]"),
            "input `x`: shape [2, 2] has 4 values, `data` has the shape [3]",
        ),
        (
            &one,
            input("[2,2]", "[[1,2]]"),
            "input `x`: shape [2, 2] has 4 values, `data` has the shape [1, 2]",
        ),
        (
            &one,
            input("[18446744073709551615,2]", "[]"),
            "input `x`: a dimension of 18446744073709551615, expected at most 4294967295",
        ),
        (
            &one,
            input("[4294967295,2]", "[]"),
            "input `x`: shape [4294967295, 2] has 8589934590 values",
        ),
        (
            &one,
            input("[-1,2]", "[1,2]"),
            "the JSON body cannot be read: invalid value: integer `-1`",
        ),
        (
            &one,
            input("[0,3]", "[]"),
            "input `x`: shape [0, 3] does not fit [-1, 2]",
        ),
        (
            &one,
            input("[0,2]", "[1,2]"),
            "input `x`: shape [0, 2] has 0 values, `data` has the shape [2]",
        ),
        (
            &one,
            input("[1,2]", "[1,2]").replace("\"x\"", "\"z\""),
            "there is no input `z`; the model has `x`",
        ),
        (
            &one,
            "{\"inputs\":[{\"name\":\"x\"}]}".to_owned(),
            "the JSON body cannot be read: missing field",
        ),
        (
            &one,
            "{\"instances\":[[1,2]],\"outputs\":[{\"name\":\"z\"}]}".to_owned(),
            "there is no output `z`; the model has `y`",
        ),
        (
            &one,
            "{\"instances\":[{\"z\":[1,2]}]}".to_owned(),
            "there is no input `z`; the model has `x`",
        ),
        (
            &one,
            "{\"instances\":[{\"x\":[1,2]},{\"x\":[1]}]}".to_owned(),
            "input `x`: instance 1 has the shape [1], expected [2] in every instance",
        ),
        (
            &two,
            "[1,2]".to_owned(),
            "a bare array needs a model with one input, this one has 2: `a` and `b`; name them",
        ),
        (
            &two,
            "{\"instances\":[[1,2]]}".to_owned(),
            "a list of plain instances needs a model with one input, this one has 2",
        ),
        (
            &two,
            "{\"inputs\":[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[2],\"data\":[1,2]},\
             {\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[2],\"data\":[1,2]}]}"
                .to_owned(),
            "input `a` is repeated, expected each input once",
        ),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|(model, body, expected)| {
            let message = match decode(body.as_bytes(), model, &Limits::default()) {
                Ok(request) => format!("{request:?}"),
                Err(error) => format!(
                    "{}{error}",
                    if error.kind().status() == 400 {
                        ""
                    } else {
                        "not 400: "
                    }
                ),
            };
            let body: String = body.chars().take(60).collect();
            (!message.starts_with(expected))
                .then(|| format!("{body}\n  expected {expected}\n  got      {message}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
