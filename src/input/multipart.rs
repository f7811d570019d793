//! `multipart/form-data` (RFC 7578), with one encoded image in each part.

use std::convert::Infallible;

use futures_util::{future, stream};
use multer::bytes::Bytes;
use multer::{Constraints, Multipart, SizeLimit};

use crate::http::error::{ApiError, quoted};
use crate::http::limits::{Limits, MAX_PARTS, exceeded};

/// The boundary between the parts, from `Content-Type`.
///
/// # Errors
/// 400 if there is none.
pub fn boundary(content_type: &str) -> Result<String, ApiError> {
    match multer::parse_boundary(content_type) {
        Ok(boundary) if !boundary.is_empty() => Ok(boundary),
        _ => Err(ApiError::invalid(format!(
            "`Content-Type` is {}, expected multipart/form-data with a boundary between the parts",
            quoted(content_type)
        ))),
    }
}

/// The bytes of each part, in order, whatever its name.
///
/// # Errors
/// 400 if the body is malformed or has no part, 413 if it has too many.
pub fn parts(body: Vec<u8>, boundary: &str, limits: &Limits) -> Result<Vec<Bytes>, ApiError> {
    let malformed = |error: multer::Error| {
        ApiError::invalid(format!("the multipart body cannot be read: {error}"))
    };
    let limit = limits.max_parts;
    // The body is within its limit, so each part is within it too.
    let unlimited = SizeLimit::new().whole_stream(u64::MAX).per_field(u64::MAX);
    let stream = stream::once(future::ready(Ok::<_, Infallible>(body)));
    let mut multipart =
        Multipart::with_constraints(stream, boundary, Constraints::new().size_limit(unlimited));
    let parts = pollster::block_on(async {
        let mut parts = Vec::new();
        while let Some(field) = multipart.next_field().await.map_err(malformed)? {
            if parts.len() as u64 == limit {
                return Err(exceeded(
                    format_args!("the multipart body has more than {limit} parts"),
                    MAX_PARTS,
                ));
            }
            parts.push(field.bytes().await.map_err(malformed)?);
        }
        Ok(parts)
    })?;
    if parts.is_empty() {
        return Err(ApiError::invalid(
            "the multipart body has no parts, expected one image in each part",
        ));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries() {
        let cases = [
            ("multipart/form-data; boundary=x", Some("x")),
            (
                "multipart/form-data; charset=utf-8; boundary=\"a b\"",
                Some("a b"),
            ),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/mixed; boundary=x", None),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .map(|(value, expected)| (value, expected, boundary(value).ok()))
            .filter(|(_, expected, actual)| actual.as_deref() != **expected)
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn parts_are_found_or_the_body_is_refused() {
        let part = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
        let cases: [(String, Result<&[&str], ()>); 9] = [
            (format!("{part}1\r\n--x--\r\n"), Ok(&["1"])),
            (
                format!("{part}1\r\n{part}\r\n2\r\n--x--"),
                Ok(&["1", "\r\n2"]),
            ),
            (format!("before\r\n{part}--y\r\n--x--"), Ok(&["--y"])),
            ("--x--\r\n".to_owned(), Err(())),
            (String::new(), Err(())),
            ("no multipart".to_owned(), Err(())),
            (format!("{part}1\r\n--x"), Err(())),
            (format!("{part}1"), Err(())),
            (part.trim_end().to_owned(), Err(())),
        ];
        let mut wrong = Vec::new();
        for (body, expected) in cases {
            let actual = parts(body.clone().into_bytes(), "x", &Limits::default());
            let texts = actual.as_ref().map(|parts| {
                let texts = parts
                    .iter()
                    .map(|part| String::from_utf8_lossy(part).into_owned());
                texts.collect::<Vec<_>>()
            });
            let is_expected = match (&texts, expected) {
                (Ok(texts), Ok(expected)) => texts == expected,
                (Err(error), Err(())) => error.kind().status() == 400,
                _ => false,
            };
            if !is_expected {
                wrong.push((body, actual));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
