//! Forms: a line with the `Content-Type`, then the body.

#![no_main]

use infer::input::multipart::{Form, boundary};
use infer_fuzz::{check_refused, limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let (Some(header), Some(body)) = (lines.next(), lines.next()) else {
        return;
    };
    let limits = limits();
    let read = boundary(&String::from_utf8_lossy(header))
        .and_then(|boundary| Form::read(body.to_vec(), &boundary, &["top_k", "outputs"], &limits));
    match read {
        Ok(form) => {
            assert!((form.images.len() + form.fields.len()) as u64 <= limits.max_parts);
            let images = form.images.iter().map(|(_, image)| image.len());
            let all = images.chain(form.fields.iter().map(|(_, value)| value.len()));
            assert!(all.sum::<usize>() <= body.len());
        }
        Err(error) => check_refused(&error),
    }
});
