//! OpenAI's routes: the form of their errors.

use infer_routes::ErrorForm;
use serde_json::{Value, json as value};

use super::{json, send_within};
use crate::http::limits::Limits;

struct Row {
    method: &'static str,
    target: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    status: u16,
    message: &'static str,
    param: Value,
    code: Value,
}

#[test]
fn errors_of_openais_routes_have_openais_form() {
    let embeddings = |body, status, message, param, code| Row {
        method: "POST",
        target: "/v1/embeddings",
        headers: &[],
        body,
        status,
        message,
        param,
        code,
    };
    let head = |method, target, headers, status, message, code| Row {
        method,
        target,
        headers,
        body: "",
        status,
        message,
        param: Value::Null,
        code,
    };
    let rows = [
        embeddings(
            r#"{"model":"nope","input":"a"}"#,
            404,
            "there is no model `nope`; there are: ",
            value!("model"),
            value!("model_not_found"),
        ),
        embeddings(
            r#"{"model":7,"input":"a"}"#,
            400,
            "`model` is `7`, expected the name of a model",
            value!("model"),
            Value::Null,
        ),
        embeddings(
            r#"{"model":"digits","input":"a"}"#,
            400,
            "model `digits` computes no embeddings",
            value!("model"),
            Value::Null,
        ),
        embeddings(
            r#"{"model":"passages"}"#,
            400,
            "the JSON body has no `input`",
            value!("input"),
            Value::Null,
        ),
        embeddings(
            r#"{"model":"passages","input":[[4,5]]}"#,
            400,
            "`input` has token ids, expected texts",
            value!("input"),
            Value::Null,
        ),
        embeddings(
            r#"{"model":"passages","input":{}}"#,
            400,
            "`input` is `{}`, expected a text",
            value!("input"),
            Value::Null,
        ),
        embeddings(
            r#"{"model":"passages","input":[]}"#,
            400,
            "the list of texts is empty",
            value!("input"),
            Value::Null,
        ),
        embeddings(
            r#"{"model":"passages","input":"a","encoding_format":"hex"}"#,
            400,
            "`encoding_format` is `hex`, expected float or base64",
            value!("encoding_format"),
            Value::Null,
        ),
        embeddings(
            r#"{"model":"passages","input":"a","encoding_format":1}"#,
            400,
            "`encoding_format` is `1`, expected float or base64",
            value!("encoding_format"),
            Value::Null,
        ),
        embeddings(
            r#"{"model":"passages","input":"a","dimensions":0}"#,
            400,
            "`dimensions` is `0`, expected a whole number from 1",
            value!("dimensions"),
            Value::Null,
        ),
        embeddings(
            r#"{"model":"passages","input":"a","dimensions":33}"#,
            400,
            "`dimensions` is 33, expected at most 32",
            value!("dimensions"),
            Value::Null,
        ),
        embeddings(
            "not JSON",
            400,
            "the JSON body cannot be read: ",
            Value::Null,
            Value::Null,
        ),
        embeddings(
            "[]",
            400,
            "the JSON body cannot be read: ",
            Value::Null,
            Value::Null,
        ),
        head(
            "GET",
            "/v1/embeddings",
            &[],
            405,
            "`GET` is not a method of `/v1/embeddings`",
            value!("method_not_supported"),
        ),
        head(
            "DELETE",
            "/v1/models/digits",
            &[],
            405,
            "`DELETE` is not a method of",
            value!("method_not_supported"),
        ),
        head(
            "POST",
            "/v1/models",
            &[],
            405,
            "`POST` is not a method of",
            value!("method_not_supported"),
        ),
        head(
            "POST",
            "/v1/chat/completions",
            &[],
            404,
            "there is no route `/v1/chat/completions`",
            value!("unknown_url"),
        ),
        head(
            "POST",
            "/v1/embeddings",
            &[("content-type", "text/plain")],
            415,
            "`text/plain` is unsupported on this route",
            Value::Null,
        ),
        head(
            "POST",
            "/v1/embeddings",
            &[("accept", "text/html")],
            406,
            "`Accept` allows no response",
            Value::Null,
        ),
        head(
            "GET",
            "/v1/models",
            &[("accept", "text/html")],
            406,
            "`Accept` allows no response",
            Value::Null,
        ),
        head(
            "POST",
            "/v1/embeddings",
            &[("content-length", "100000000")],
            413,
            "the body has more than",
            Value::Null,
        ),
        Row {
            param: value!("model"),
            ..head(
                "GET",
                "/v1/models/nope",
                &[],
                404,
                "there is no model `nope`; there are: ",
                value!("model_not_found"),
            )
        },
    ];
    let mut wrong = Vec::new();
    for row in rows {
        let body = row.body.as_bytes();
        let error = send_within(Limits::default(), row.method, row.target, row.headers, body)
            .map(|response| response.status)
            .unwrap_err();
        let response = error.into_response("7f", ErrorForm::of(row.target));
        let actual = json(&response)["error"].clone();
        let message = actual["message"].as_str().unwrap_or_default();
        let expected = value!({
            "message": message,
            "type": "invalid_request_error",
            "param": row.param,
            "code": row.code,
        });
        if response.status != row.status || !message.starts_with(row.message) || actual != expected
        {
            wrong.push(format!(
                "{} {} {}\n  expected {} {} {} {}\n  got      {} {actual}",
                row.method,
                row.target,
                row.body,
                row.status,
                row.message,
                row.param,
                row.code,
                response.status
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
