//! `--image` prepares images as torchvision does: whole tensors, of images that are wide, tall and smaller
//! than what they become.

#[path = "support/engine.rs"]
mod engine;
mod support;

use std::path::PathBuf;

use infer_import::Options;
use infer_import::source::Source;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    width: u32,
    height: u32,
    image: String,
}

fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn tensors_are_those_of_torchvision() {
    let cases = std::fs::read_to_string(file("tests/torchvision/cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&cases).unwrap();
    assert_eq!(cases.len(), 20);
    let mut wrong = Vec::new();
    for case in &cases {
        let options = Options {
            image: Some((case.width, case.height)),
            ..Options::default()
        };
        let model = file("../../tests/models/one/model.onnx");
        let found = infer_import::inspect(
            Source::find(&model, None).unwrap(),
            &options,
            &engine::Native,
        )
        .unwrap();
        let (spec, _) = found.card.image_input().unwrap();
        let image = file("../../tests/preprocessing/images").join(&case.image);
        let image = std::fs::read(image).unwrap();
        let expected = file("tests/torchvision/tensors").join(format!("{}.f32", case.name));
        let expected = std::fs::read(expected).unwrap();
        wrong.extend(support::differences(&case.name, &image, spec, &expected));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
