//! The service in this process and its client.

use anyhow::{Context, Result, ensure};
use infer_host::{App, AppOptions, Limits, Manifest};
use infer_pack::BuildOptions;
use infer_tensor::{Datatype, Signature};
use serde::Deserialize;
use serde_json::json;

use super::Outcome;
use super::case::{Case, Tensor};
use super::compare::compare;
use super::repository::Prepared;
use crate::loopback::{Loopback, agent};
use crate::project;
use crate::project::Steps;

/// The header with the length of a body's JSON, which the tensors follow.
const HEADER: &str = "inference-header-content-length";

/// The largest request and response body: more than any case of one operator needs.
const MAX_BYTES: u32 = 512 * 1024 * 1024;

/// The service and its client.
pub(super) struct Service {
    server: Loopback,
    agent: ureq::Agent,
}

impl Service {
    /// Build the models of `options`, and serve them as `cargo infer up --backend wasm` does.
    pub(super) fn start(options: &BuildOptions) -> Result<Self> {
        let root = project::root();
        let artifacts = infer_pack::build(options, &Steps)?;
        let mut manifest = Manifest::read(&root.join(project::MANIFEST))?;
        manifest.source = artifacts.composed;
        let models = root.join("models");
        for mount in &mut manifest.mounts {
            if mount.source == models {
                mount.source.clone_from(&options.models);
            }
        }
        let settings = ["INFER_MAX_BODY_BYTES", "INFER_MAX_RESPONSE_BYTES"];
        let app = App::load(AppOptions {
            control: None,
            manifest,
            cache_dir: options.cache.clone(),
            limits: Limits::default(),
            graphs: None,
            observe: Default::default(),
            environment: settings
                .map(|name| (name.to_owned(), MAX_BYTES.to_string()))
                .into(),
        })?;
        Ok(Self {
            server: Loopback::start(app)?,
            agent: agent(),
        })
    }

    /// Send the inputs of a case, and compare the outputs.
    pub(super) fn run(&self, prepared: &Prepared) -> Outcome {
        let Prepared {
            name,
            case,
            signature,
            ..
        } = prepared;
        match self.post(name, &request(case, signature)) {
            Ok(Reply::Tensors(tensors)) => match compare_all(&case.outputs, &tensors) {
                Ok(()) => Outcome::Passed,
                Err(reason) => Outcome::Wrong(reason),
            },
            Ok(Reply::NotLoaded(reason)) => Outcome::NotLoaded(reason),
            Ok(Reply::Refused(reason)) => Outcome::Refused(reason),
            Err(error) => Outcome::Refused(format!("no valid response: {error:#}")),
        }
    }

    fn post(&self, model: &str, (json, tensors): &(String, Vec<u8>)) -> Result<Reply> {
        let body = [json.as_bytes(), tensors].concat();
        let mut response = self
            .agent
            .post(format!(
                "http://{}/v2/models/{model}/infer",
                self.server.address()
            ))
            .header(HEADER, json.len().to_string())
            .send(&body)?;
        let header = |name| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let (length, timing) = (header(HEADER), header("server-timing"));
        let body = response
            .body_mut()
            .with_config()
            .limit(MAX_BYTES.into())
            .read_to_vec()?;
        let status = response.status().as_u16();
        if status == 200 {
            return tensors_of(&body, length.as_deref()).map(Reply::Tensors);
        }
        let error: Option<Refusal> = serde_json::from_slice(&body).ok();
        let reason = match error {
            // The rest names the request ID, which differs between runs.
            Some(Refusal { error }) if status == 500 => {
                let sentence = error.split(';').next().unwrap_or_default();
                format!("{status}, {sentence}")
            }
            Some(Refusal { error }) => format!("{status}, {error}"),
            None => format!("{status}, {}", String::from_utf8_lossy(&body)),
        };
        // Server-Timing has the phases that began; `load` is the last one if the engine refused the graph.
        let begun = |phase| {
            timing
                .as_deref()
                .is_some_and(|timing| timing.contains(phase))
        };
        Ok(match begun("load;") && !begun("compute;") {
            true => Reply::NotLoaded(reason),
            false => Reply::Refused(reason),
        })
    }
}

/// A response.
enum Reply {
    Tensors(Vec<Tensor>),
    /// The engine refused the graph.
    NotLoaded(String),
    /// The engine loaded the graph, and the request failed.
    Refused(String),
}

/// The body of an error.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// The fields that are read of a response's JSON.
#[derive(Deserialize)]
struct Outputs {
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
struct Output {
    name: String,
    datatype: Datatype,
    shape: Vec<u64>,
    parameters: Parameters,
}

#[derive(Deserialize)]
struct Parameters {
    binary_data_size: usize,
}

/// The JSON of a request and the bytes of the tensors that follow it.
fn request(case: &Case, signature: &Signature) -> (String, Vec<u8>) {
    let inputs: Vec<serde_json::Value> = case
        .inputs
        .iter()
        .map(|tensor| {
            let info = signature
                .inputs
                .iter()
                .find(|info| info.name == tensor.name);
            let is_scalar = info.is_some_and(|info| info.shape.as_ref().is_some_and(Vec::is_empty));
            // A case may write a scalar as a tensor of one dimension, as in `compare`.
            let shape = match tensor.shape.as_slice() {
                [1] if is_scalar => &[],
                shape => shape,
            };
            json!({
                "name": tensor.name, "datatype": tensor.datatype.name(), "shape": shape,
                "parameters": {"binary_data_size": tensor.data.len()},
            })
        })
        .collect();
    let json = json!({"inputs": inputs, "parameters": {"binary_data_output": true}});
    let data: Vec<&[u8]> = case
        .inputs
        .iter()
        .map(|tensor| tensor.data.as_slice())
        .collect();
    (json.to_string(), data.concat())
}

/// The tensors of a response; `length` is the header with the length of its JSON.
fn tensors_of(body: &[u8], length: Option<&str>) -> Result<Vec<Tensor>> {
    let length = length.with_context(|| format!("the response has no `{HEADER}`"))?;
    let (json, mut rest) = length
        .parse()
        .ok()
        .and_then(|length| body.split_at_checked(length))
        .with_context(|| format!("`{HEADER}` is {length} of {} bytes", body.len()))?;
    let json: Outputs = serde_json::from_slice(json)?;
    let tensors = json.outputs.into_iter().map(|output| {
        let size = output.parameters.binary_data_size;
        let (data, behind) = rest.split_at_checked(size).with_context(|| {
            format!(
                "`{}` is declared with {size} bytes, but {} are left",
                output.name,
                rest.len()
            )
        })?;
        rest = behind;
        Ok(Tensor {
            name: output.name,
            datatype: output.datatype,
            shape: output.shape,
            data: data.to_vec(),
        })
    });
    let tensors = tensors.collect::<Result<_>>()?;
    ensure!(rest.is_empty(), "{} bytes follow the tensors", rest.len());
    Ok(tensors)
}

/// Compare all outputs with the expected ones.
fn compare_all(expected: &[Tensor], actual: &[Tensor]) -> Result<(), String> {
    expected.iter().try_for_each(|expected| {
        let actual = actual
            .iter()
            .find(|actual| actual.name == expected.name)
            .ok_or_else(|| format!("there is no output `{}`", expected.name))?;
        compare(expected, actual)
    })
}
