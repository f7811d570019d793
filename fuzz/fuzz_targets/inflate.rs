//! Content codings: the first byte picks them. What is deflated inflates to itself.

#![no_main]

use infer::http::content_coding::{Coding, encoded, inflate};
use infer::http::response::Response;
use infer_fuzz::{check_refused, limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((how, body)) = bytes.split_first() else {
        return;
    };
    let (gzip, deflate) = (Coding::Gzip, Coding::Deflate);
    let all: [&[Coding]; 4] = [&[gzip], &[deflate], &[deflate, gzip], &[gzip; 4]];
    let limits = limits();
    match inflate(body.to_vec(), all[usize::from(*how) % all.len()], &limits) {
        Ok(inflated) => assert!(inflated.len() as u64 <= limits.max_inflated_bytes),
        Err(error) => check_refused(&error),
    }
    for coding in [gzip, deflate] {
        let deflated = encoded(Response::new(200, "text/plain", body.to_vec()), coding);
        if deflated.header("content-encoding").is_some() {
            assert_eq!(inflate(deflated.body, &[coding], &limits).as_deref(), Ok(body));
        }
    }
});
