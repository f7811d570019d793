//! Images as `transformers` prepares them: whole tensors, for every processor that is known, of images
//! that are wide, tall and smaller than what they become.

mod support;

use std::path::PathBuf;

use infer_import::processor;
use infer_model_card::Layout;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    config: serde_json::Value,
    image: String,
    shape: Vec<u32>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/processors")
}

#[test]
fn tensors_are_those_of_transformers() {
    let cases = std::fs::read_to_string(folder().join("cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&cases).unwrap();
    assert!(cases.len() > 80, "only {}", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let spec = processor::read(&case.config.to_string(), Layout::Nchw)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let image = folder()
            .join("../../../../tests/preprocessing/images")
            .join(&case.image);
        let image = std::fs::read(image).unwrap();
        let expected = std::fs::read(folder().join(format!("tensors/{}.f32", case.name))).unwrap();
        if case.shape != [3, spec.height, spec.width] {
            wrong.push(format!("{}: {:?} is {spec:?}", case.name, case.shape));
        }
        wrong.extend(support::differences(&case.name, &image, &spec, &expected));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsupported_processors_are_rejected() {
    let vit =
        |members: &str| format!("{{\"image_processor_type\": \"ViTImageProcessor\", {members}}}");
    let clip =
        |members: &str| format!("{{\"image_processor_type\": \"CLIPImageProcessor\", {members}}}");
    let cases = [
        (String::new(), "`preprocessor_config.json` cannot be read: EOF"),
        ("[]".to_owned(), "`preprocessor_config.json` cannot be read: invalid type"),
        (
            "{\"size\": 224}".to_owned(),
            "`preprocessor_config.json` has no `image_processor_type`, which decides the defaults",
        ),
        (
            "{\"image_processor_type\": \"SamImageProcessor\"}".to_owned(),
            "image processor `SamImageProcessor` is not supported; expected one of `BeitImageProcessor`, ",
        ),
        (
            "{\"image_processor_type\": \"ViT\"}".to_owned(),
            "image processor `ViT` is not supported",
        ),
        (
            vit("\"size\": {\"longest_edge\": 224}"),
            "`size` in `preprocessor_config.json` is {\"longest_edge\":224}, expected a number of pixels",
        ),
        (
            vit("\"size\": {\"shortest_edge\": 224, \"longest_edge\": 300}"),
            "`size` in `preprocessor_config.json` is ",
        ),
        (vit("\"size\": 0"), "`size` in `preprocessor_config.json` is 0, expected"),
        (vit("\"size\": -1"), "`size` in `preprocessor_config.json` is -1, expected"),
        (vit("\"size\": \"224\""), "`size` in `preprocessor_config.json` is \"224\", expected"),
        (vit("\"resample\": 6"), "`resample` in `preprocessor_config.json` is 6, expected Pillow's"),
        (vit("\"do_resize\": 1"), "`do_resize` in `preprocessor_config.json` is 1, expected true or false"),
        (
            vit("\"resample\": 4"),
            "`resample` in `preprocessor_config.json` is 4, Pillow's box filter, which is not supported",
        ),
        (
            vit("\"do_resize\": false"),
            "`do_center_crop` in `preprocessor_config.json` is missing, so the shape would depend on the image",
        ),
        (
            clip("\"do_center_crop\": false"),
            "`do_center_crop` in `preprocessor_config.json` is false, so the shape would depend on the image",
        ),
        (
            clip("\"do_center_crop\": null"),
            "`do_center_crop` in `preprocessor_config.json` is null, so the shape would depend on the image",
        ),
        (
            vit("\"do_pad\": true"),
            "`do_pad` in `preprocessor_config.json` is true, but this step is not supported",
        ),
        (
            vit("\"image_mean\": [0.5, 0.5]"),
            "`image_mean` in `preprocessor_config.json` is [0.5,0.5], expected one number, or one per channel",
        ),
        (
            vit("\"image_std\": [0.5, 0, 0.5]"),
            "`image_std` in `preprocessor_config.json` is [0.5,0,0.5], expected one number",
        ),
        (
            vit("\"rescale_factor\": \"x\""),
            "`rescale_factor` in `preprocessor_config.json` is \"x\", expected a number",
        ),
        (
            "{\"image_processor_type\": \"ConvNextImageProcessor\", \"size\": {\"height\": 9, \"width\": 9}}".to_owned(),
            "`size` in `preprocessor_config.json` is {\"height\":9,\"width\":9}, expected a shortest edge",
        ),
        (
            "{\"image_processor_type\": \"ConvNextImageProcessor\", \"size\": 9, \"crop_pct\": 0}".to_owned(),
            "`crop_pct` in `preprocessor_config.json` is 0, expected a fraction",
        ),
    ];
    let mut wrong = Vec::new();
    for (json, expected) in cases {
        let message = match processor::read(&json, Layout::Nchw) {
            Ok(spec) => format!("{spec:?}"),
            Err(error) => error.to_string(),
        };
        if !message.starts_with(expected) {
            wrong.push((message, expected));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn from_384_pixels_on_convnext_stretches() {
    let json = "{\"image_processor_type\": \"ConvNextImageProcessor\", \"size\": {\"shortest_edge\": 384}}";
    let spec = processor::read(json, Layout::Nchw).unwrap();
    assert_eq!((spec.width, spec.height), (384, 384));
    assert_eq!(spec.resize, infer_model_card::ResizeMode::Stretch);
    assert_eq!(spec.shortest_edge, None);
}
