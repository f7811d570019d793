//! Binary tensor data behind JSON. A byte picks a model, two are the length of the JSON.

#![no_main]

use infer::protocols::oip;
use infer::tensor::byte_strings;
use infer_fuzz::{check_decoded, check_refused, limits, with_model};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    with_model(bytes, |model, rest| {
        let Some((length, body)) = rest.split_first_chunk::<2>() else {
            return;
        };
        // So that most lengths lie within the body, and some do not.
        let length = u64::from(u16::from_le_bytes(*length)) % (body.len() as u64 + 2);
        match oip::request::decode(body, Some(length), model, &limits()) {
            Ok(request) => check_decoded(&request.inputs),
            Err(error) => check_refused(&error),
        }
        if let Ok(elements) = byte_strings::split(body, length) {
            let mut again = Vec::new();
            elements.iter().for_each(|element| byte_strings::push(element, &mut again));
            assert_eq!(again, body);
        }
    });
});
