//! JSON in all its forms: the protocols' requests, instances, texts, bare arrays. The first byte picks a model.

#![no_main]

use ::infer::protocols::{infer, v1};
use ::infer::tensor::json;
use infer_fuzz::{check_decoded, check_refused, limits, with_model};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    with_model(bytes, |model, body| {
        let limits = limits();
        match infer::json::decode(body, model, &limits) {
            Ok(decoded) => check_decoded(&decoded.request.inputs),
            Err(error) => check_refused(&error),
        }
        match v1::request::decode(body, model, &limits) {
            Ok(request) => check_decoded(&request.inputs),
            Err(error) => check_refused(&error),
        }
        // What one reader takes for JSON, the other does.
        let is_json = serde_json::from_slice::<serde_json::Value>(body).is_ok();
        assert!(!is_json || json::is_well_formed(body));
    });
});
