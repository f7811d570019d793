//! Bare tensors, and bodies whose kind their first bytes decide. The first byte picks a model.

#![no_main]

use infer::input::body;
use infer::tensor::raw;
use infer_fuzz::{check_decoded, check_refused, with_model};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    with_model(bytes, |model, bytes| {
        match raw::decode(bytes.to_vec(), &model.card) {
            Ok(input) => {
                assert_eq!(input.1.data, bytes);
                check_decoded(&[input]);
            }
            Err(error) => check_refused(&error.into()),
        }
        if let Err(error) = body::sniff(bytes, model.accepts()) {
            check_refused(&error);
        }
    });
});
