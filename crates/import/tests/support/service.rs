//! The service with one imported model, natively on the engine itself.

use std::rc::Rc;

use infer::catalog::{Files, Model, Models};
use infer::http::request::Head;
use infer::http::settings::Settings;
use infer::http::timing::Timing;
use infer::protocols::Plan;
use infer::run::nn::{Backend, ExecutionContext};
use infer_engine::{Graph, Registry};
use infer_import::Found;
use infer_tensor::{Error, Tensor};
use serde_json::Value;

/// The service; its model is `m`.
pub struct Service {
    models: Models,
    engine: Engine,
}

struct Engine(Registry);

struct Context(Rc<Graph>);

impl Backend for Engine {
    fn load(&self, model: &Model) -> Result<Box<dyn ExecutionContext>, Error> {
        let graph = self.0.get(&model.id.to_string(), "/nowhere".as_ref())?;
        Ok(Box::new(Context(graph)))
    }
}

impl ExecutionContext for Context {
    fn compute(&self, inputs: Vec<(String, Tensor)>) -> Result<Vec<(String, Tensor)>, Error> {
        self.0.compute(inputs)
    }
}

impl Service {
    pub fn new(found: &Found) -> Self {
        let mut models = Models::new();
        let files = Files {
            labels: found.labels_text.as_deref(),
            tokenizer: found.tokenizer_text.as_deref(),
            ..Files::default()
        };
        models.add("m", &found.card_text, files).unwrap();
        let mut registry = Registry::new();
        registry.add("m", found.read_graph().unwrap()).unwrap();
        Self {
            models,
            engine: Engine(registry),
        }
    }

    /// Send JSON; the response's JSON, or the status and the message of the error.
    pub fn post(&self, target: &str, body: &[u8]) -> Result<Value, (u16, String)> {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let head = Head::new("POST", target, headers);
        let settings = Settings::default();
        let respond = || {
            let plan = Plan::new(&head, &self.models, &settings)?;
            plan.respond(body.to_vec(), &self.engine, &mut Timing::default())
        };
        let response = respond().map_err(|error: infer::http::error::ApiError| {
            (error.kind().status(), error.to_string())
        })?;
        Ok(serde_json::from_slice(&response.body).unwrap())
    }
}
