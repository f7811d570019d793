//! What an operator writes: model cards, labels, names.

#![no_main]

use infer_model_card::{Labels, ModelCard, ModelId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(card) = ModelCard::parse(text) {
        for spec in card.inputs.iter().chain(&card.outputs) {
            _ = spec.usual_shape();
            _ = spec.check_shape(&[1, 2, 3]);
            _ = card.known_shape(spec);
        }
        _ = (card.image_input(), card.text_input());
    }
    _ = Labels::parse(text).map(|labels| labels.get(labels.len()).is_none());
    _ = ModelId::new(text);
});
