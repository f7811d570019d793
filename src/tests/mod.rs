//! Complete requests, natively on the engine itself: a file for each protocol.

mod cors;
mod engine;
mod infer;
mod layers;
mod limits;
mod openai;
mod playground;
mod predictions;
mod properties;
mod services;
mod sounds;
pub(crate) mod support;
mod tasks;
mod texts;
mod v1;
mod v2;
mod v2_refused;

use engine::Engine;
use infer_engine::Registry;

use crate::catalog::{Files, Models};
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::http::settings::Settings;
use crate::http::timing::Timing;
use crate::protocols::Plan;
use crate::tests::support::text;

fn file(path: &str) -> Vec<u8> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read(root.join(path)).unwrap()
}

/// The datatypes that the engine supports.
const SUPPORTED: [&str; 6] = ["BOOL", "FP16", "FP32", "INT32", "INT64", "UINT8"];

/// The digits model; `sum`, which is not a classifier and takes no images; `add`, which has two inputs; an identity of each
/// supported datatype; and two models that take texts.
fn service() -> (Models, Engine) {
    let mut models = Models::new();
    let labels = text("models/digits/labels.txt");
    models
        .add(
            "digits",
            &text("models/digits/model.toml"),
            Files {
                labels: Some(&labels),
                ..Files::default()
            },
        )
        .unwrap();
    let card = "[[input]]\nname = 'x'\ndatatype = 'FP32'\nshape = [-1]\n\
                [[output]]\nname = 'y'\ndatatype = 'FP32'\nshape = []\n";
    models.add("sum", card, Files::default()).unwrap();
    let mut registry = Registry::new();
    registry
        .add("digits", file("models/digits/model.onnx"))
        .unwrap();
    registry
        .add("sum", file("crates/engine/tests/graphs/sum.onnx"))
        .unwrap();
    let card = "[[input]]\nname = 'a'\ndatatype = 'FP32'\nshape = [-1, 2]\n\
                [[input]]\nname = 'b'\ndatatype = 'FP32'\nshape = [-1, 2]\n\
                [[output]]\nname = 'sum'\ndatatype = 'FP32'\nshape = [-1, 2]\n";
    models.add("add", card, Files::default()).unwrap();
    registry
        .add("add", file("crates/engine/tests/graphs/add.onnx"))
        .unwrap();
    for datatype in SUPPORTED {
        let name = format!("identity-{}", datatype.to_lowercase());
        let card = format!(
            "[[input]]\nname = 'x'\ndatatype = '{datatype}'\nshape = [-1]\n\
             [[output]]\nname = 'y'\ndatatype = '{datatype}'\nshape = [-1]\n"
        );
        models.add(&name, &card, Files::default()).unwrap();
        let graph = file(&format!("crates/engine/tests/graphs/{name}.onnx"));
        registry.add(&name, graph).unwrap();
    }
    let mut engine = Engine(registry);
    texts::add(&mut models, &mut engine);
    sounds::add(&mut models, &mut engine);
    (models, engine)
}

/// A request that is refused, and the beginning of the error.
struct Refused {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    status: u16,
    sentence: &'static str,
}

/// Send every request, and fail with all that have another response.
fn check_refused(rows: Vec<Refused>) {
    let wrong: Vec<_> = rows
        .into_iter()
        .filter_map(|row| {
            let headers: Vec<(&str, &str)> = row
                .headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let actual = send(row.method, &row.target, &headers, &row.body)
                .map(|response| String::from_utf8_lossy(&response.body).into_owned())
                .map_err(|error| (error.kind().status(), error.to_string()));
            let is_right = actual.as_ref().is_err_and(|(status, message)| {
                *status == row.status && message.starts_with(row.sentence)
            });
            (!is_right).then(|| {
                format!(
                    "{} {} {headers:?} {:?}\n  expected {} {}\n  got      {actual:?}",
                    row.method,
                    row.target,
                    String::from_utf8_lossy(&row.body[..row.body.len().min(200)]),
                    row.status,
                    row.sentence
                )
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn send(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Response, ApiError> {
    send_within(Limits::default(), method, target, headers, body)
}

fn send_within(
    limits: Limits,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Response, ApiError> {
    let (models, engine) = service();
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let head = Head::new(method, target, headers);
    let settings = Settings {
        limits,
        ..Settings::default()
    };
    let plan = Plan::new(&head, &models, &settings)?;
    plan.respond(body.to_vec(), &engine, &mut Timing::default())
}

fn json(response: &Response) -> serde_json::Value {
    serde_json::from_slice(&response.body).unwrap()
}
