//! NumPy files. The first byte picks a model; what is read is the same when it is written and read again.

#![no_main]

use infer::tensor::npy;
use infer_fuzz::{check_decoded, check_refused, with_model};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    with_model(bytes, |model, body| match npy::decode(body, &model.card) {
        Ok(input) => {
            let written = npy::encode(&input.1).expect("what NumPy has was read");
            assert_eq!(npy::decode(&written, &model.card).as_ref(), Ok(&input));
            check_decoded(&[input]);
        }
        Err(error) => check_refused(&error),
    });
});
