//! Helpers of unit tests.

use infer_model_card::{Labels, ModelCard, ModelId};

use crate::catalog::Model;

/// A text file of the repository.
pub(crate) fn text(path: &str) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// A card with these inputs (name, datatype, shape) and one output `y`.
pub(crate) fn card(inputs: &[(&str, &str, &[i64])]) -> ModelCard {
    let inputs: String = inputs
        .iter()
        .map(|(name, datatype, shape)| {
            format!("[[input]]\nname = '{name}'\ndatatype = '{datatype}'\nshape = {shape:?}\n")
        })
        .collect();
    let output = "[[output]]\nname = 'y'\ndatatype = 'FP32'\nshape = [-1]\n";
    ModelCard::parse(&format!("{inputs}{output}")).unwrap()
}

/// A model `m` with such a card.
pub(crate) fn model(inputs: &[(&str, &str, &[i64])]) -> Model {
    let id = ModelId::new("m").unwrap();
    let card = card(inputs);
    Model {
        name: id.name.clone(),
        id,
        pipeline: crate::tasks::pipeline(&card, Labels::default()),
        card,
        text: None,
        image: None,
        csv: None,
        sound: None,
        example: None,
    }
}
