//! What composition refuses, word by word, on components of a few lines each.

use infer_pack::compose::compose;

/// Serves HTTP (a handler that is never called here) and imports one interface of wasi:nn.
const INFER: &str = r#"(component
  (import "wasi:nn/graph@0.2.0-rc-2024-10-28" (instance $graph
    (export "count" (func (result u32)))))
  (core module $m
    (func (export "handle")))
  (core instance $i (instantiate $m))
  (func $handle (canon lift (core func $i "handle")))
  (component $handler
    (import "handle" (func $f))
    (export "handle" (func $f)))
  (instance $exported (instantiate $handler (with "handle" (func $handle))))
  (export "wasi:http/incoming-handler@0.2.0" (instance $exported)))"#;

/// Provides the interface; `{type}` and `{name}` are filled in.
const ENGINE: &str = r#"(component
  (core module $m
    (func (export "count") (result i32) i32.const 7))
  (core instance $i (instantiate $m))
  (func $count (result {type}) (canon lift (core func $i "count")))
  (component $graph
    (import "count" (func $f (result {type})))
    (export "count" (func $f)))
  (instance $exported (instantiate $graph (with "count" (func $count))))
  (export "{name}" (instance $exported)))"#;

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

fn engine(name: &str, ty: &str) -> Vec<u8> {
    component(&ENGINE.replace("{name}", name).replace("{type}", ty))
}

const GRAPH: &str = "wasi:nn/graph@0.2.0-rc-2024-10-28";

#[test]
fn what_fits_is_composed() {
    let composed = compose(&component(INFER), &engine(GRAPH, "u32")).unwrap();
    let interface = infer_pack::check::interface(&composed).unwrap();
    assert_eq!(interface.imports, [""; 0]);
    assert_eq!(interface.exports, ["wasi:http/incoming-handler@0.2.0"]);
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let infer = || component(INFER);
    let without_nn = INFER.replace(GRAPH, "other:nn/graph@0.2.0");
    let without_http = INFER.replace("wasi:http/incoming-handler@0.2.0", "a:b/c@0.2.0");
    let cases: Vec<(&str, Vec<u8>, Vec<u8>, &str)> = vec![
        (
            "an engine with something else",
            infer(),
            engine("wasi:nn/tensor@0.2.0-rc-2024-10-28", "u32"),
            "`infer` imports `wasi:nn/graph@0.2.0-rc-2024-10-28`, which the engine does not export; it \
             exports wasi:nn/tensor@0.2.0-rc-2024-10-28",
        ),
        (
            "an engine of another version",
            infer(),
            engine("wasi:nn/graph@0.2.0-rc-2024-06-25", "u32"),
            "`infer` imports `wasi:nn/graph@0.2.0-rc-2024-10-28`, which the engine does not export",
        ),
        (
            "an engine of another type",
            infer(),
            engine(GRAPH, "s32"),
            "the engine's `wasi:nn/graph@0.2.0-rc-2024-10-28` does not fit `infer`: ",
        ),
        (
            "nothing to compose",
            component(&without_nn),
            engine(GRAPH, "u32"),
            "`infer` imports no `wasi:nn/…`, so there is nothing to compose",
        ),
        (
            "no handler",
            component(&without_http),
            engine(GRAPH, "u32"),
            "`infer` does not export `wasi:http/incoming-handler@…`; it exports a:b/c@0.2.0",
        ),
        (
            "a text",
            b"hello".to_vec(),
            engine(GRAPH, "u32"),
            "`infer` cannot be read as a component: ",
        ),
        (
            "a core module",
            infer(),
            component("(module)"),
            "`engine` cannot be read as a component: ",
        ),
    ];
    let wrong: Vec<_> = cases
        .into_iter()
        .filter_map(|(name, infer, engine, expected)| {
            let message = match compose(&infer, &engine) {
                Ok(_) => "it was composed".to_owned(),
                Err(error) => error.to_string(),
            };
            (!message.starts_with(expected)).then(|| format!("{name}: {message}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
