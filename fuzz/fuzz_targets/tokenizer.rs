//! `tokenizer.json`, which comes with a model, and a text for it.
//!
//! The tokenizers' library panics on some that are damaged. It is read when a model is added and built, where a panic
//! is a trap that the build words in one sentence; here its panics are passed over, and told.

#![no_main]

use std::panic::{self, AssertUnwindSafe};
use std::sync::{LazyLock, Once};

use infer::input::text::Encoder;
use infer_fuzz::{pass_over, with_service};
use infer_model_card::TextSpec;
use libfuzzer_sys::{Corpus, fuzz_target};

static SPEC: LazyLock<TextSpec> = LazyLock::new(|| {
    with_service(|models, _| {
        let model = models.get("sentiment").expect("it was added");
        model.card.text.clone().expect("it takes texts")
    })
});

static HOOK: Once = Once::new();

fuzz_target!(|json: &str| -> Corpus {
    LazyLock::force(&SPEC);
    HOOK.call_once(|| pass_over("tokenizers"));
    let run = || match Encoder::new(json, &SPEC, None) {
        Ok(encoder) => {
            for (text, pair) in [("the lazy dog", None), ("a fox", Some("\u{1f98a} é\u{301}"))] {
                if let Ok(tokens) = encoder.encode(text, pair) {
                    assert!(tokens.ids.len() <= SPEC.max_tokens as usize);
                }
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    };
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(()) => Corpus::Keep,
        Err(_) => Corpus::Reject,
    }
});
