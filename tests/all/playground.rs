//! The page and the OpenAPI document of the running service: in Debian's Chromium, with a validator, and with the page
//! turned off.
//!
//! `BLESS=1` makes the browser test write the documentation's screenshots to `docs/`.

use std::path::PathBuf;
use std::process::Command;

use crate::support;
use crate::support::chromium::Chromium;
use crate::support::client::{get, send};
use crate::support::models::REPOSITORY;
use crate::support::python::{Python, succeed};
use crate::support::service::Service;
use crate::support::tasks;
use crate::support::texts;

fn folder() -> PathBuf {
    support::root().join("tests/playground")
}

/// Run Python modules of the folder against a service with these models. `configure` may change the command. The failure
/// message contains the output.
fn unittest(modules: &[&str], models: Option<&PathBuf>, configure: impl FnOnce(&mut Command)) {
    let models = models.map(|models| models.to_str().unwrap());
    let arguments: Vec<&str> = models.map_or_else(Vec::new, |models| vec!["--models", models]);
    unittest_with(modules, &arguments, configure);
}

/// The same with arguments of `infer up`.
fn unittest_with(modules: &[&str], arguments: &[&str], configure: impl FnOnce(&mut Command)) {
    let Some(python) = Python::prepare(&folder()) else {
        return;
    };
    let service = Service::start_with(arguments, &[]);
    let mut command = python.command("python");
    command
        .args(["-m", "unittest", "--verbose"])
        .args(modules)
        .current_dir(folder())
        .env("INFER_ADDRESS", service.address.to_string())
        .env("INFER_ROOT", support::root());
    configure(&mut command);
    succeed(&mut command).unwrap_or_else(|reason| panic!("{reason}"));
}

fn in_the_browser(modules: &[&str], models: Option<&PathBuf>) {
    if let Some(chromium) = Chromium::prepare() {
        unittest(modules, models, |command| chromium.configure(command));
    }
}

#[test]
fn the_page_works_in_a_browser() {
    in_the_browser(&["test_page", "test_reference"], None);
}

#[test]
fn the_page_takes_texts_in_a_browser() {
    in_the_browser(&["test_texts"], Some(&texts::REPOSITORY));
}

#[test]
fn the_page_shows_every_task_in_a_browser() {
    in_the_browser(&["test_tasks"], Some(&tasks::REPOSITORY));
}

#[test]
fn the_page_shows_the_demo_in_a_browser() {
    if let Some(chromium) = Chromium::prepare() {
        unittest_with(
            &["test_demo", "test_openapi", "test_pictures"],
            &["--demo"],
            |command| {
                chromium.configure(command);
            },
        );
    }
}

#[test]
fn the_document_is_valid_and_its_examples_work() {
    unittest(&["test_openapi"], None, |_| {});
}

#[test]
fn the_document_is_valid_for_models_of_every_kind() {
    unittest(&["test_openapi"], Some(&REPOSITORY), |_| {});
    unittest(&["test_openapi"], Some(&texts::REPOSITORY), |_| {});
}

#[test]
fn the_page_can_be_turned_off() {
    let service = Service::start_with(&[], &[("INFER_PLAYGROUND", "off")]);
    // The path `/` stays, since Hugging Face's clients post to it.
    assert_eq!(get(service.address, "/").status, 405);
    for path in ["/playground/page.js", "/playground/reference"] {
        let response = get(service.address, path);
        assert_eq!(response.status, 404, "{path}");
        let sentence = format!("there is no route `{path}`; there are `POST /infer`, ");
        assert!(
            response.error().starts_with(&sentence),
            "{}",
            response.error()
        );
    }
    let response = get(service.address, "/openapi.json");
    assert_eq!(response.status, 200);
    assert!(response.json()["paths"]["/"]["get"].is_null());
}

#[test]
fn the_page_is_cacheable_and_compressed() {
    let service = Service::start();
    let page = get(service.address, "/");
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    let head = send(service.address, "HEAD", "/", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), page.header("content-length"));
    let tag = page.header("etag").unwrap();
    let again = send(service.address, "GET", "/", &[("if-none-match", tag)], b"");
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), Some(tag));
    let packed = send(
        service.address,
        "GET",
        "/playground/style.css",
        &[("accept-encoding", "gzip")],
        b"",
    );
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < 5000, "{}", packed.body.len());
}
