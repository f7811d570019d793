//! Runs the kernels' tests as WebAssembly, in Wasmtime as the host configures it. `cargo test` alone runs them natively,
//! where plain Rust replaces the generated WebAssembly code.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support;
use crate::support::python::succeed;
use infer_host::Limits;
use infer_pack::Silent;
use infer_pack::toolchain::{self, TARGET};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::bindings::sync::Command as Program;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Wasi {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.context,
            table: &mut self.table,
        }
    }
}

#[test]
fn kernels_pass_with_relaxed_simd() {
    pass("+simd128,+relaxed-simd");
}

#[test]
fn kernels_pass_without_relaxed_simd() {
    pass("+simd128");
}

fn pass(features: &str) {
    let programs = compile(features);
    assert!(programs.len() >= 3, "{programs:?}");
    let engine = infer_host::compile::engine(&Limits::default()).unwrap();
    let mut wrong = Vec::new();
    let mut tests = 0;
    for program in &programs {
        let name = program.file_stem().unwrap_or_default().to_string_lossy();
        match run(&engine, program) {
            Ok(output) => tests += output.matches(" ... ok").count(),
            Err(problem) => wrong.push(format!("{name}: {problem}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tests >= 14, "{tests} tests in {programs:?}");
}

/// Compile the test programs of the kernels, and return their paths.
fn compile(features: &str) -> Vec<PathBuf> {
    let root = support::root();
    toolchain::ensure(&root, &Silent).unwrap();
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("kernels{features}"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(&root)
        .args(["test", "--package", "infer-kernels", "--no-run", "--locked"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(target)
        .args(["--message-format", "json"])
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            format!("-Ctarget-feature={features}"),
        )
        .env_remove("RUSTFLAGS");
    let output = succeed(&mut cargo).unwrap_or_else(|reason| panic!("{reason}"));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .collect()
}

/// Run a test program, and return its output. The error contains the output too.
fn run(engine: &Engine, program: &Path) -> Result<String, String> {
    let component = Component::from_file(engine, program).unwrap();
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
    let output = MemoryOutputPipe::new(1024 * 1024);
    let context = WasiCtx::builder()
        .args(&["kernels", "--test-threads", "1", "--nocapture"])
        .stdout(output.clone())
        .stderr(output.clone())
        .build();
    let wasi = Wasi {
        context,
        table: ResourceTable::new(),
    };
    let mut store = Store::new(engine, wasi);
    // Nothing advances this engine's epoch.
    store.set_epoch_deadline(1);
    let ended = Program::instantiate(&mut store, &component, &linker)
        .and_then(|program| program.wasi_cli_run().call_run(&mut store));
    let output = String::from_utf8_lossy(&output.contents()).into_owned();
    match ended {
        Ok(Ok(())) => Ok(output),
        Ok(Err(())) => Err(output),
        Err(error) => Err(format!("{error:#}\n{output}")),
    }
}
