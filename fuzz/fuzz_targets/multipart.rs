//! Forms: a line with the `Content-Type`, then the body.

#![no_main]

use infer::input::multipart::{boundary, parts};
use infer_fuzz::{check_refused, limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let (Some(header), Some(body)) = (lines.next(), lines.next()) else {
        return;
    };
    let limits = limits();
    let read = boundary(&String::from_utf8_lossy(header))
        .and_then(|boundary| parts(body.to_vec(), &boundary, &limits));
    match read {
        Ok(parts) => {
            assert!(parts.len() as u64 <= limits.max_parts);
            let all: usize = parts.iter().map(|part| part.len()).sum();
            assert!(all <= body.len());
        }
        Err(error) => check_refused(&error),
    }
});
