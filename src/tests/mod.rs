//! Requests as a whole, natively on the engine itself: a file for each door.

mod infer;
mod playground;
mod texts;
mod v1;
mod v2;
mod v2_refused;

use std::rc::Rc;

use infer_engine::{ElementType, ErrorKind, Graph, Registry};
use infer_model_card::{Datatype, RuntimeChoice};

use crate::error::ApiError;
use crate::handlers::Plan;
use crate::models::{Files, Model, Models};
use crate::nn::{Backend, ExecutionContext, NnError, NnErrorCode, OutputTensor};
use crate::request::Head;
use crate::response::Response;
use crate::settings::Settings;
use crate::tensor::Tensor;
use crate::timing::Timing;

/// The engine without WebAssembly around it.
struct Engine(Registry);

struct Context(Rc<Graph>);

fn nn_error(error: infer_engine::Error) -> NnError {
    let code = match error.kind() {
        ErrorKind::InvalidArgument => NnErrorCode::InvalidArgument,
        ErrorKind::UnsupportedOperation => NnErrorCode::UnsupportedOperation,
        ErrorKind::NotFound => NnErrorCode::NotFound,
        _ => NnErrorCode::RuntimeError,
    };
    NnError {
        code,
        message: error.message().to_owned(),
    }
}

impl Backend for Engine {
    fn load(&self, model: &Model) -> Result<Box<dyn ExecutionContext>, NnError> {
        let graph = self
            .0
            .get(&model.id.to_string(), "/nowhere".as_ref())
            .map_err(nn_error)?;
        Ok(Box::new(Context(graph)))
    }
}

impl ExecutionContext for Context {
    fn compute(
        &self,
        inputs: Vec<(String, Tensor)>,
    ) -> Result<Vec<(String, OutputTensor)>, NnError> {
        let inputs = inputs
            .into_iter()
            .map(|(name, tensor)| {
                let tensor = infer_engine::Tensor {
                    shape: tensor.shape,
                    element_type: match tensor.datatype {
                        Datatype::Fp32 => ElementType::Fp32,
                        Datatype::Fp16 => ElementType::Fp16,
                        Datatype::Uint8 | Datatype::Bool => ElementType::U8,
                        Datatype::Int32 => ElementType::I32,
                        Datatype::Int64 => ElementType::I64,
                        other => panic!("no test sends {other}"),
                    },
                    data: tensor.data,
                };
                (name, tensor)
            })
            .collect();
        let outputs = self.0.compute(inputs).map_err(nn_error)?;
        Ok(outputs
            .into_iter()
            .map(|(name, tensor)| {
                let output = OutputTensor {
                    shape: tensor.shape,
                    data: tensor.data,
                };
                (name, output)
            })
            .collect())
    }
}

fn file(path: &str) -> Vec<u8> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read(root.join(path)).unwrap()
}

fn text(path: &str) -> String {
    String::from_utf8(file(path)).unwrap()
}

/// The datatypes that the engine carries as they are.
const CARRIED: [&str; 6] = ["BOOL", "FP16", "FP32", "INT32", "INT64", "UINT8"];

/// The digits model; `sum`, which is no classifier and takes no images; `add`, which has two inputs;
/// an identity of each datatype that is carried; and two models that take texts.
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
        .add(
            "digits",
            file("models/digits/model.onnx"),
            RuntimeChoice::Auto,
        )
        .unwrap();
    registry
        .add(
            "sum",
            file("crates/engine/tests/graphs/sum.onnx"),
            RuntimeChoice::Auto,
        )
        .unwrap();
    let card = "[[input]]\nname = 'a'\ndatatype = 'FP32'\nshape = [-1, 2]\n\
                [[input]]\nname = 'b'\ndatatype = 'FP32'\nshape = [-1, 2]\n\
                [[output]]\nname = 'sum'\ndatatype = 'FP32'\nshape = [-1, 2]\n";
    models.add("add", card, Files::default()).unwrap();
    registry
        .add(
            "add",
            file("crates/engine/tests/graphs/add.onnx"),
            RuntimeChoice::Auto,
        )
        .unwrap();
    for datatype in CARRIED {
        let name = format!("identity-{}", datatype.to_lowercase());
        let card = format!(
            "[[input]]\nname = 'x'\ndatatype = '{datatype}'\nshape = [-1]\n\
             [[output]]\nname = 'y'\ndatatype = '{datatype}'\nshape = [-1]\n"
        );
        models.add(&name, &card, Files::default()).unwrap();
        let graph = file(&format!("crates/engine/tests/graphs/{name}.onnx"));
        registry.add(&name, graph, RuntimeChoice::Auto).unwrap();
    }
    let mut engine = Engine(registry);
    texts::add(&mut models, &mut engine);
    (models, engine)
}

/// A request that is refused, and the beginning of the sentence that says why.
struct Refused {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    status: u16,
    sentence: &'static str,
}

/// Fail with every row that is answered otherwise.
fn check_refused(rows: Vec<Refused>) {
    let wrong: Vec<_> = rows
        .into_iter()
        .filter_map(|row| {
            let headers: Vec<(&str, &str)> = row
                .headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let came = ask(row.method, &row.target, &headers, &row.body)
                .map(|response| String::from_utf8_lossy(&response.body).into_owned())
                .map_err(|error| (error.kind().status(), error.to_string()));
            let is_right = came.as_ref().is_err_and(|(status, message)| {
                *status == row.status && message.starts_with(row.sentence)
            });
            (!is_right).then(|| {
                format!(
                    "{} {} {headers:?} {:?}\n  expected {} {}\n  came     {came:?}",
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

fn ask(
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
    let settings = Settings::default();
    let plan = Plan::new(&head, &models, &settings)?;
    plan.answer(body.to_vec(), &engine, &mut Timing::default())
}

fn json(response: &Response) -> serde_json::Value {
    serde_json::from_slice(&response.body).unwrap()
}
