//! Existing clients against the running service: `tritonclient`, the clients of KServe, OpenAI, Hugging Face, Cohere and
//! DeepStack, the embedding classes of LangChain and LlamaIndex, and Schemathesis, which generates requests from a schema.
//! Each runs in a Python environment that the test creates.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support;
use crate::support::models::REPOSITORY;
use crate::support::python::Python;
use crate::support::service::Service;
use crate::support::texts;

fn folder() -> PathBuf {
    support::root().join("tests/clients")
}

fn start() -> Service {
    Service::start_with(
        &["--models", REPOSITORY.to_str().unwrap()],
        // Five megabytes of floats take more than ten megabytes as text.
        &[("INFER_MAX_BODY_BYTES", "33554432")],
    )
}

fn start_texts() -> Service {
    Service::start_with(&["--models", texts::REPOSITORY.to_str().unwrap()], &[])
}

/// Run a command to completion. The failure message contains its output.
fn expect_success(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn unittest(module: &str, start: impl FnOnce() -> Service) {
    unittest_in(&folder(), module, start);
}

fn unittest_in(folder: &Path, module: &str, start: impl FnOnce() -> Service) {
    let Some(python) = Python::prepare(folder) else {
        return;
    };
    let service = start();
    expect_success(
        python
            .command("python")
            .args(["-m", "unittest", "--verbose", module])
            .current_dir(folder)
            .env("INFER_ADDRESS", service.address.to_string())
            .env("INFER_ROOT", support::root()),
    );
}

#[test]
fn tritons_client_works() {
    unittest("test_triton", start);
}

#[test]
fn kserves_client_works() {
    unittest("test_kserve", start);
}

#[test]
fn openais_client_embeds() {
    unittest("test_openai", start_texts);
}

#[test]
fn hugging_faces_client_predicts() {
    unittest("test_digits", start);
    unittest("test_huggingface", start_texts);
}

#[test]
fn langchains_and_llamaindexes_classes_embed() {
    let folder = support::root().join("tests/frameworks");
    unittest_in(&folder, "test_embeddings", || {
        let models = texts::REPOSITORY.to_str().unwrap();
        // TEI's protocol has no field for the model.
        Service::start_with(
            &["--models", models],
            &[("INFER_DEFAULT_MODEL", "passages")],
        )
    });
}

#[test]
fn coheres_and_deepstacks_clients_show_errors() {
    unittest("test_rerank", start_texts);
}

#[test]
fn generated_requests_get_the_responses_of_the_protocol() {
    let Some(python) = Python::prepare(&folder()) else {
        return;
    };
    let service = start();
    expect_success(
        python
            .command("schemathesis")
            .arg("run")
            .arg(folder().join("open-inference.yaml"))
            .args(["--url", &format!("http://{}", service.address)])
            // Generate the same requests each time.
            .args([
                "--seed",
                "1",
                "--generation-deterministic",
                "--max-examples",
                "100",
            ])
            // The service has no state, which the stateful phase needs.
            .args([
                "--checks",
                "all",
                "--phases",
                "coverage,fuzzing",
                "--no-color",
            ])
            .current_dir(env!("CARGO_TARGET_TMPDIR")),
    );
}

/// Check that the service accepts the requests that the OpenAPI document allows, and rejects other requests. `made_up.py`
/// provides binary bodies, because no schema describes which bytes are an image or a tensor. Requests that name no model go to
/// `default`.
fn check_generated_requests(models: &Path, default: &str) {
    let Some(python) = Python::prepare(&folder()) else {
        return;
    };
    let service = Service::start_with(
        &["--models", models.to_str().unwrap()],
        &[("INFER_DEFAULT_MODEL", default)],
    );
    expect_success(
        python
            .command("schemathesis")
            .arg("run")
            .arg(format!("http://{}/openapi.json", service.address))
            .args(["--seed", "1", "--generation-deterministic"])
            .args(["--max-examples", "50", "--checks", "all", "--no-color"])
            .env("SCHEMATHESIS_HOOKS", "made_up")
            .env("PYTHONPATH", folder())
            .env("INFER_ADDRESS", service.address.to_string())
            .current_dir(env!("CARGO_TARGET_TMPDIR")),
    );
}

#[test]
fn generated_requests_get_the_responses_of_the_openapi_document() {
    check_generated_requests(&support::root().join("models"), "digits");
}

#[test]
fn generated_requests_to_models_of_every_kind_get_the_responses_of_the_document() {
    check_generated_requests(&REPOSITORY, "digits");
    // Its vocabulary is the smallest, and the document's bound of token ids.
    check_generated_requests(&texts::REPOSITORY, "passages");
}
