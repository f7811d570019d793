use serde_json::Value;

use super::document;
use crate::catalog::{Files, Models};
use crate::http::settings::Settings;

const CARD: &str = "[[input]]\nname = 'x'\ndatatype = 'FP32'\nshape = [-1, 2]\n\
                    [[output]]\nname = 'y'\ndatatype = 'FP32'\nshape = [-1]\n";

fn models(ids: &[&str]) -> Models {
    let mut models = Models::new();
    for id in ids {
        models.add(id, CARD, Files::default()).unwrap();
    }
    models
}

fn paths(document: &Value) -> Vec<&str> {
    let paths = document["paths"].as_object().unwrap();
    paths.keys().map(String::as_str).collect()
}

#[test]
fn every_version_has_its_paths_and_the_latest_those_without() {
    let document = document(&models(&["m/1", "m/2"]), &Settings::default());
    let paths = paths(&document);
    for path in [
        "/infer",
        "/infer/m",
        "/infer/m/input",
        "/v2/models/m/infer",
        "/v2/models/m/versions/1/infer",
        "/v2/models/m/versions/2/infer",
        "/v1/models/m:predict",
        "/v1/models/m/versions/1:predict",
    ] {
        assert!(paths.contains(&path), "{path} in {paths:?}");
    }
    let answer = &document["paths"]["/infer/m"]["post"]["responses"]["200"]["content"];
    let version = &answer["application/json"]["schema"]["properties"]["model_version"]["const"];
    assert_eq!(version, "2");
    assert_eq!(
        document["x-models"][0]["versions"],
        serde_json::json!(["1", "2"])
    );
}

#[test]
fn unavailable_routes_are_not_documented() {
    let several = document(&models(&["a", "b"]), &Settings::default());
    assert!(!paths(&several).contains(&"/infer"));
    let description = several["info"]["description"].as_str().unwrap();
    assert!(
        description.contains("the request names no model"),
        "{description}"
    );
    assert!(!paths(&several).contains(&"/v1/embeddings"));
    assert!(paths(&several).contains(&"/"));
    let off = Settings {
        playground: false,
        ..Settings::default()
    };
    assert!(!paths(&document(&models(&["a"]), &off)).contains(&"/"));
}

#[test]
fn operation_ids_are_unique() {
    let document = document(
        &models(&["a-b", "a_b", "a.b", "c", "c_input"]),
        &Settings::default(),
    );
    let mut ids: Vec<&str> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    assert!(all > 20, "{all}");
}

#[test]
fn the_example_of_a_card_is_in_the_document() {
    let table = "[table]\ninput = 'x'\ncolumns = ['a', 'b']\n";
    let request = br#"{"instances":[{"a":1.5,"b":2}]}"#;
    let files = Files {
        example: Some(request),
        ..Files::default()
    };
    let mut models = Models::new();
    models.add("m", &format!("{CARD}{table}"), files).unwrap();
    let document = document(&models, &Settings::default());
    let content = &document["paths"]["/infer/m"]["post"]["requestBody"]["content"];
    assert_eq!(
        content["application/json"]["examples"]["example"]["value"],
        serde_json::from_slice::<Value>(request).unwrap()
    );
    let example = &document["x-models"][0]["example"];
    assert_eq!(example["media_type"], "application/json");
    assert_eq!(
        example["url"],
        "data:application/json;base64,eyJpbnN0YW5jZXMiOlt7ImEiOjEuNSwiYiI6Mn1dfQ=="
    );
}
