//! `tokenizer.json`, which comes with a model, and a text for it.

#![no_main]

use std::sync::LazyLock;

use infer::text::Encoder;
use infer_fuzz::with_service;
use infer_model_card::TextSpec;
use libfuzzer_sys::fuzz_target;

static SPEC: LazyLock<TextSpec> = LazyLock::new(|| {
    with_service(|models, _| {
        let model = models.get("sentiment").expect("it was added");
        model.card.text.clone().expect("it takes texts")
    })
});

fuzz_target!(|json: &str| {
    match Encoder::new(json, &SPEC, None) {
        Ok(encoder) => {
            for (text, pair) in [("the lazy dog", None), ("a fox", Some("\u{1f98a} é\u{301}"))] {
                if let Ok(tokens) = encoder.encode(text, pair) {
                    assert!(tokens.ids.len() <= SPEC.max_tokens as usize);
                }
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
