//! The standard library from Debian's packages, for real: fetched, built, installed into a sysroot
//! beside the machine's own, and used to compile and run a program.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use infer_pack::Silent;
use infer_pack::toolchain::{Compiler, TARGET, debian};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::bindings::sync::Command as WasiCommand;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

#[test]
fn debians_packages_make_a_working_target() {
    let missing: Vec<_> = ["apt-get", "apt-cache", "dpkg-deb"]
        .into_iter()
        .filter(|tool| Command::new(tool).arg("--version").output().is_err())
        .collect();
    if !missing.is_empty() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI runs on Debian, but {missing:?} cannot be run"
        );
        eprintln!("skipped: not a Debian machine ({missing:?} cannot be run)");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let machine = Compiler::find(root).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let compiler = Compiler {
        release: machine.release.clone(),
        sysroot: folder.path().join("sysroot"),
    };
    link_sysroot(&machine.sysroot, &compiler.sysroot);
    assert!(!compiler.has_target());

    debian::install(&compiler, &Silent).unwrap_or_else(|error| panic!("{error}"));

    assert!(compiler.has_target());
    let program = folder.path().join("hello.wasm");
    let source = folder.path().join("hello.rs");
    fs::write(
        &source,
        "fn main() { println!(\"{}\", [1, 2, 39].iter().sum::<i32>()); }",
    )
    .unwrap();
    let rustc = Command::new("rustc")
        .arg("--sysroot")
        .arg(&compiler.sysroot)
        .args(["--target", TARGET, "--edition", "2024", "-o"])
        .args([&program, &source])
        .output()
        .unwrap();
    assert!(
        rustc.status.success(),
        "{}",
        String::from_utf8_lossy(&rustc.stderr)
    );
    assert_eq!(run(&fs::read(program).unwrap()), "42\n");
}

/// A version that no archive has: the error must say so, not try something near it.
#[test]
fn another_version_is_not_taken() {
    if Command::new("apt-get").arg("--version").output().is_err() {
        eprintln!("skipped: not a Debian machine");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let compiler = Compiler {
        release: "1.0.999".to_owned(),
        sysroot: folder.path().to_owned(),
    };
    let error = debian::install(&compiler, &Silent).unwrap_err().to_string();
    assert_eq!(
        error,
        "no package `rust-src` of version 1.0.999+dfsg in trixie-backports or forky"
    );
}

/// A sysroot with the machine's compiler libraries and host target, but without others.
fn link_sysroot(machine: &Path, sysroot: &Path) {
    let rustlib = sysroot.join("lib/rustlib");
    fs::create_dir_all(&rustlib).unwrap();
    symlink(machine.join("bin"), sysroot.join("bin")).unwrap();
    for (from, to) in [
        (machine.join("lib"), sysroot.join("lib")),
        (machine.join("lib/rustlib"), rustlib),
    ] {
        for entry in fs::read_dir(from).unwrap().flatten() {
            let name = entry.file_name();
            if name != "rustlib" && name != TARGET {
                symlink(entry.path(), to.join(name)).unwrap();
            }
        }
    }
}

#[derive(Default)]
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

/// Run a command component and return its standard output.
fn run(program: &[u8]) -> String {
    let engine = Engine::default();
    let component = Component::new(&engine, program).unwrap();
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
    let stdout = MemoryOutputPipe::new(1024);
    let wasi = Wasi {
        context: WasiCtx::builder().stdout(stdout.clone()).build(),
        table: ResourceTable::new(),
    };
    let mut store = Store::new(&engine, wasi);
    let command = WasiCommand::instantiate(&mut store, &component, &linker).unwrap();
    command
        .wasi_cli_run()
        .call_run(&mut store)
        .unwrap()
        .unwrap();
    String::from_utf8(stdout.contents().to_vec()).unwrap()
}
