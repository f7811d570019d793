//! The cache is shared with the Python package `huggingface_hub`. Without the package, the test says so and ends.
//!
//! `INFER_HUB_PYTHON` names an interpreter that has it; otherwise it is `python3`.

use std::env;
use std::process::Command;

use crate::fixture::{COMMIT, Fixture, TOKEN, large_bytes, reference};

const LARGE: &str = "onnx/model.onnx";

/// Run a script with the fixture's hub and cache, and return its output, or `None` without the package.
fn python(fixture: &Fixture, script: &str) -> Option<String> {
    let python = env::var("INFER_HUB_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_package = Command::new(&python)
        .args(["-c", "import huggingface_hub"])
        .output();
    if !has_package.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "skipped: `{python}` does not have `huggingface_hub`; name one that has it in `INFER_HUB_PYTHON`"
        );
        return None;
    }
    let output = Command::new(&python)
        .args(["-c", script])
        .env_clear()
        .env("HF_ENDPOINT", fixture.hub.url())
        .env("HF_HOME", fixture.home())
        .env("HF_TOKEN", TOKEN)
        .env("HF_HUB_DISABLE_XET", "1")
        .env("HF_HUB_DISABLE_TELEMETRY", "1")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn python_finds_what_was_downloaded() {
    let fixture = Fixture::new();
    let listing = fixture.list();
    let snapshot = fixture
        .client()
        .download(&listing, &[LARGE, "config.json"], &())
        .unwrap();
    fixture.hub.take_requests();
    let script = "from huggingface_hub import hf_hub_download as get\n\
        for path in ['onnx/model.onnx', 'config.json']: print(get('owner/name', path, local_files_only=True))";
    let Some(output) = python(&fixture, script) else {
        return;
    };
    let expected = format!(
        "{}\n{}",
        snapshot.join(LARGE).display(),
        snapshot.join("config.json").display()
    );
    assert_eq!(output, expected);
    // Online, it takes the blobs too.
    let script = "from huggingface_hub import hf_hub_download as get; print(get('owner/name', 'onnx/model.onnx'))";
    python(&fixture, script).unwrap();
    let downloads = fixture.storage.take_requests();
    assert!(
        downloads
            .iter()
            .filter(|request| request.method == "GET")
            .count()
            <= 1,
        "{downloads:?}"
    );
}

#[test]
fn what_python_downloaded_is_used() {
    let fixture = Fixture::new();
    let script = "from huggingface_hub import hf_hub_download as get\n\
        for path in ['onnx/model.onnx', 'config.json', 'onnx/a b#?%c.json']: print(get('owner/name', path))";
    let Some(output) = python(&fixture, script) else {
        return;
    };
    assert_eq!(output.lines().count(), 3, "{output}");
    let listing = fixture.list();
    fixture.hub.take_requests();
    fixture.storage.take_requests();
    let paths = [LARGE, "config.json", "onnx/a b#?%c.json"];
    let snapshot = fixture.client().download(&listing, &paths, &()).unwrap();
    assert_eq!(
        fixture.hub.take_requests().len() + fixture.storage.take_requests().len(),
        0
    );
    assert_eq!(std::fs::read(snapshot.join(LARGE)).unwrap(), large_bytes());
    // Offline, from the reference that Python wrote.
    let mut settings = fixture.settings();
    settings.offline = true;
    let cached = infer_hub::Hub::new(settings)
        .unwrap()
        .list(&reference())
        .unwrap();
    assert_eq!(cached.commit(), COMMIT);
    assert_eq!(cached.files().len(), 3);
}
