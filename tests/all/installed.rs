//! The installed program: any folder, no toolchain, no checkout.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support;
use crate::support::client::get;
use crate::support::packaged::{self, answer, digits};
use crate::support::service::Service;

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// A root folder with the program, the libraries that it is linked with, and a model.
fn bare_root(root: &Path) {
    let program = packaged::folder();
    for folder in ["bin/components", "tmp", "work"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::fs::copy(program.join("infer"), root.join("bin/infer")).unwrap();
    for entry in std::fs::read_dir(program.join("components")).unwrap() {
        let path = entry.unwrap().path();
        let to = root.join("bin/components").join(path.file_name().unwrap());
        std::fs::copy(path, to).unwrap();
    }
    for path in infer_packages::libraries(&program.join("infer")) {
        let to = root.join(path.strip_prefix("/").unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(path, to).unwrap();
    }
    std::fs::copy(digits(), root.join("work/digits.onnx")).unwrap();
}

/// The program in that root.
fn bare(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--root"])
        .arg(root)
        .args(["--wd", "/work", "/bin/infer"])
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .env("XDG_CACHE_HOME", "/tmp/cache");
    command
}

#[test]
fn a_root_with_the_program_alone_does_everything() {
    let root = tempfile::tempdir().unwrap();
    bare_root(root.path());
    let mut probe = bare(root.path(), &["--version"]);
    let probe = probe.output().unwrap();
    if !probe.status.success() {
        let reason = said(&probe);
        assert!(
            std::env::var_os("CI").is_none(),
            "no root of its own: {reason}"
        );
        eprintln!("skipped: this user may not have a root folder of its own: {reason}");
        return;
    }
    // (arguments, part of what is said)
    let rows: [(&[&str], &str); 7] = [
        (
            &["inspect", "digits.onnx"],
            "in WebAssembly on this machine",
        ),
        (&["new", "My App"], "created My App"),
        (&["add", "digits.onnx"], "added as "),
        (&["list"], "digits "),
        (&["check"], "ok      digits"),
        (&["build", "-o", "app.wasm"], "app.wasm"),
        (
            &["build", "--no-relaxed-simd"],
            "packaged without the component `engine` without relaxed SIMD",
        ),
    ];
    let mut wrong = Vec::new();
    for (arguments, part) in rows {
        let said = said(&bare(root.path(), arguments).output().unwrap());
        if !said.contains(part) {
            wrong.push(format!("{arguments:?}, expected {part:?}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let checkout = Service::start();
    let right = answer(&checkout);
    // The model, the repository, and the artifact.
    for source in [Some("digits.onnx"), Some("models"), None, Some("app.wasm")] {
        let mut arguments = vec!["up", "--listen", "127.0.0.1:0"];
        arguments.extend(source);
        let service = Service::spawn(bare(root.path(), &arguments));
        assert_eq!(answer(&service), right, "{source:?}");
    }
}

#[test]
fn a_new_application_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let infer = |at: &Path, arguments: &[&str]| {
        let mut command = packaged::infer(&cache);
        command.current_dir(at).args(arguments);
        command
    };
    let app = folder.path().join("my-app");
    let made = infer(folder.path(), &["new", "my-app"]).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let again = infer(folder.path(), &["new", "my-app"]).output().unwrap();
    assert_eq!(said(&again), "error: `my-app` already exists\n");
    let manifest = std::fs::read_to_string(app.join("spin.toml")).unwrap();
    assert!(manifest.contains("name = \"my-app\""), "{manifest}");
    let added = infer(&app.join("models"), &["add", digits().to_str().unwrap()]);
    let added = { added }.output().unwrap();
    assert!(
        app.join("models/digits/model.toml").is_file(),
        "{}",
        said(&added)
    );
    let built = infer(&app, &["build"]).output().unwrap();
    assert!(built.status.success(), "{}", said(&built));
    assert!(
        app.join("infer.wasm").is_file(),
        "where spin.toml expects it"
    );
    let service = Service::spawn(infer(&app, &["up", "--listen", "127.0.0.1:0"]));
    assert_eq!(get(service.address, "/v2/models/digits/ready").status, 200);
}

#[test]
fn what_cannot_be_served_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("notes.txt"), "no model\n").unwrap();
    std::fs::write(path("module.wasm"), b"\0asm\x01\0\0\0").unwrap();
    std::fs::write(path("half.wasm"), b"\0asm\x0d\0\x01\0half").unwrap();
    for name in [
        "two/a.onnx",
        "two/b.onnx",
        "empty/readme",
        "models/m/model.toml",
    ] {
        std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        std::fs::copy(digits(), path(name)).unwrap();
    }
    // A sparse file of 3 GB.
    let large = std::fs::File::create(path("large.onnx")).unwrap();
    large.set_len(3_000_000_000).unwrap();
    std::fs::create_dir(path("nothing")).unwrap();
    let cache = path("cache");
    // (folder, source, part of the error)
    let rows = [
        (
            "",
            Some("missing.onnx"),
            "cannot read `missing.onnx`: No such file",
        ),
        ("", Some("notes.txt"), "not a readable ONNX file of 9 bytes"),
        (
            "",
            Some("module.wasm"),
            "is a WebAssembly module, expected a component",
        ),
        ("", Some("half.wasm"), "cannot be compiled"),
        (
            "",
            Some("two"),
            "has several graphs; choose one with `--variant`: a, b",
        ),
        ("", Some("empty"), "has no `.onnx` file"),
        ("", Some("models"), "model `m`"),
        ("", Some("large.onnx"), "3.0 GB, expected at most 2.1 GB"),
        ("nothing", None, "there is no model in "),
    ];
    let mut wrong = Vec::new();
    for (at, source, part) in rows {
        let mut command = packaged::infer(&cache);
        command
            .current_dir(path(at))
            .args(["up", "--listen", "127.0.0.1:0"])
            .args(source)
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = said(&output);
        if output.status.success() || !said.contains(part) {
            wrong.push(format!("{source:?}, expected {part:?}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let model = digits();
    let model = model.to_str().unwrap();
    // (cache folder, arguments, part of what is said)
    let rows: [(&str, &[&str], &str); 3] = [
        (
            "",
            &["up", model],
            "no cache folder: set HOME or XDG_CACHE_HOME",
        ),
        (
            "relative",
            &["up", model],
            "no cache folder: set HOME or XDG_CACHE_HOME",
        ),
        (file.to_str().unwrap(), &["up", model], "cannot write `"),
    ];
    let mut wrong = Vec::new();
    for (cache, arguments, part) in rows {
        let mut command = packaged::infer(Path::new(cache));
        let output = command
            .current_dir(folder.path())
            .args(arguments)
            .output()
            .unwrap();
        let said = said(&output);
        if output.status.success() || !said.contains(part) {
            wrong.push(format!("{cache:?}, expected {part:?}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn two_builds_in_one_folder_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let models = support::root().join("models");
    let build = |output: &str| {
        let mut command = packaged::infer(&cache);
        command
            .current_dir(folder.path())
            .args(["build", "--models", models.to_str().unwrap(), "-o", output])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let outputs = [build("a.wasm"), build("b.wasm")].map(|child| child.wait_with_output().unwrap());
    for output in &outputs {
        assert!(output.status.success(), "{}", said(output));
    }
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(
        read("a.wasm"),
        read("b.wasm"),
        "the second build had nothing to do"
    );
}
