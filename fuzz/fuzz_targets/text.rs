//! Texts that a client sends, through tokenizers of two kinds. The first byte picks one.

#![no_main]

use std::borrow::Cow;

use infer::input::text;
use infer_fuzz::{check_refused, limits, with_model};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    with_model(bytes, |model, bytes| {
        let Some(spec) = model.card.text.as_ref() else {
            return;
        };
        let texts: Vec<&[u8]> = bytes.splitn(3, |byte| *byte == 0).collect();
        let read: Result<Vec<Cow<str>>, _> = texts
            .iter()
            .map(|bytes| text::from_bytes(bytes).map(Cow::Borrowed))
            .collect();
        let encoded = read.and_then(|texts| {
            let pairs = (texts.len() == 2).then(|| &texts[1..]);
            let texts = if pairs.is_some() { &texts[..1] } else { &texts[..] };
            text::encode(model.accepts(), texts, pairs, &limits())
        });
        match encoded {
            Ok(texts) => {
                for row in &texts.rows {
                    assert!(row.ids.len() <= spec.max_tokens as usize);
                    assert_eq!(row.ids.len(), row.types.len());
                }
            }
            Err(error) => check_refused(&error),
        }
    });
});
