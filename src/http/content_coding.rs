//! Content codings of requests and responses: gzip (RFC 1952) and deflate (RFC 1950 around RFC 1951).

use std::io::{Read, Write};

use flate2::Compression;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::http::error::{ApiError, ErrorKind, quoted};
use crate::http::limits::{Limits, MAX_INFLATED_BYTES, exceeded};
use crate::http::request::Head;
use crate::http::response::Response;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`, also called `x-gzip`.
    Gzip,
    /// `deflate`: with zlib's wrapper, as RFC 9110 has it. The bare stream that some clients send is read too.
    Deflate,
}

/// The supported codings, as the header `Accept-Encoding` lists them.
pub const KNOWN: &str = "gzip, deflate";

impl Coding {
    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }
}

/// The codings of a request's body, in the order in which they were applied.
///
/// # Errors
/// 415 for an unsupported coding, and for too many.
pub fn of_request(head: &Head) -> Result<Vec<Coding>, ApiError> {
    /// Clients apply one coding. Decoding a list of thousands would waste time.
    const MAX_CODINGS: usize = 4;
    let mut codings = Vec::new();
    for name in head
        .headers("content-encoding")
        .flat_map(|value| value.split(','))
        .map(str::trim)
    {
        match name.to_ascii_lowercase().as_str() {
            "" | "identity" => {}
            "gzip" | "x-gzip" => codings.push(Coding::Gzip),
            "deflate" => codings.push(Coding::Deflate),
            _ => {
                return Err(ApiError::new(
                    ErrorKind::UnsupportedCoding { accept: KNOWN },
                    format!(
                        "the content encoding {} is unsupported, expected gzip or deflate",
                        quoted(name)
                    ),
                ));
            }
        }
    }
    if codings.len() > MAX_CODINGS {
        return Err(ApiError::new(
            ErrorKind::UnsupportedCoding { accept: KNOWN },
            format!(
                "{} content encodings, expected at most {MAX_CODINGS}",
                codings.len()
            ),
        ));
    }
    Ok(codings)
}

/// Decode a body. The limit on the inflated body applies to each coding.
///
/// # Errors
/// 400 if the body is not in these codings, 413 if it inflates to more than the limit.
pub fn inflate(
    mut body: Vec<u8>,
    codings: &[Coding],
    limits: &Limits,
) -> Result<Vec<u8>, ApiError> {
    for coding in codings.iter().rev() {
        body = inflate_once(&body, *coding, limits)?;
    }
    Ok(body)
}

fn inflate_once(body: &[u8], coding: Coding, limits: &Limits) -> Result<Vec<u8>, ApiError> {
    let mut rest = body;
    let mut inflated = Vec::new();
    let limit = limits.max_inflated_bytes;
    let reading = match coding {
        Coding::Gzip => read(MultiGzDecoder::new(&mut rest), limit, &mut inflated),
        Coding::Deflate if has_zlib_header(body) => {
            read(ZlibDecoder::new(&mut rest), limit, &mut inflated)
        }
        Coding::Deflate => read(DeflateDecoder::new(&mut rest), limit, &mut inflated),
    };
    let refused = |problem: &str| {
        ApiError::invalid(format!(
            "the body is declared as {} but cannot be inflated: {problem}",
            coding.name()
        ))
    };
    reading.map_err(|error| refused(&error.to_string()))?;
    if inflated.len() as u64 > limit {
        return Err(exceeded(
            format_args!(
                "the inflated body has more than {limit} bytes, and was not inflated to its end"
            ),
            MAX_INFLATED_BYTES,
        ));
    }
    if rest.is_empty() {
        Ok(inflated)
    } else {
        Err(refused(&format!("{} bytes follow its end", rest.len())))
    }
}

/// Inflate at most one byte more than the limit.
fn read(decoder: impl Read, limit: u64, inflated: &mut Vec<u8>) -> std::io::Result<usize> {
    decoder.take(limit.saturating_add(1)).read_to_end(inflated)
}

/// Whether a body starts with a zlib header: method 8, and a checksum over the first two bytes (RFC 1950, section 2.2).
fn has_zlib_header(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => {
            method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => false,
    }
}

/// The coding that a client prefers for the response: that of the largest weight, gzip if they are equal (RFC 9110,
/// section 12.5.3). `None` if it accepts no coding, or prefers an uncompressed response. Malformed items are ignored.
#[must_use]
pub fn of_response(head: &Head) -> Option<Coding> {
    let weight_of = |coding: &str| {
        let mut any = None;
        for item in head
            .headers("accept-encoding")
            .flat_map(|value| value.split(','))
        {
            let (name, parameter) = item.split_once(';').unwrap_or((item, ""));
            let weight = match parameter.trim().split_once('=') {
                Some((key, value)) if key.trim().eq_ignore_ascii_case("q") => {
                    value.trim().parse::<f32>().unwrap_or(0.0)
                }
                _ => 1.0,
            };
            let name = name.trim().to_ascii_lowercase();
            if name == coding || name.strip_prefix("x-") == Some(coding) {
                return Some(weight);
            }
            if name == "*" {
                any = Some(weight);
            }
        }
        any
    };
    let identity = weight_of("identity").unwrap_or(0.0);
    let mut best = None;
    for coding in [Coding::Gzip, Coding::Deflate] {
        let weight = weight_of(coding.name()).unwrap_or(0.0);
        if weight > 0.0 && weight >= identity && best.is_none_or(|(most, _)| weight > most) {
            best = Some((weight, coding));
        }
    }
    best.map(|(_, coding)| coding)
}

/// Encode a response, if that makes it smaller.
#[must_use]
pub fn encoded(mut response: Response, coding: Coding) -> Response {
    if let Ok(smaller) = deflate(&response.body, coding)
        && smaller.len() < response.body.len()
    {
        response.body = smaller;
        return response
            .with("Content-Encoding", coding.name())
            .with("Vary", "Accept-Encoding");
    }
    response
}

fn deflate(body: &[u8], coding: Coding) -> std::io::Result<Vec<u8>> {
    // More effort hardly makes tensors smaller, and delays the response.
    let effort = Compression::fast();
    match coding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), effort);
            encoder.write_all(body)?;
            encoder.finish()
        }
        Coding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), effort);
            encoder.write_all(body)?;
            encoder.finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(name: &str, values: &[&str]) -> Head {
        let headers = values
            .iter()
            .map(|value| (name.to_owned(), (*value).to_owned()))
            .collect();
        Head::new("POST", "/", headers)
    }

    #[test]
    fn accepted_codings_are_ranked() {
        use Coding::{Deflate, Gzip};
        let cases: [(&[&str], Option<Coding>); 16] = [
            (&[], None),
            (&[""], None),
            (&["gzip"], Some(Gzip)),
            (&["deflate"], Some(Deflate)),
            (&["deflate, gzip"], Some(Gzip)),
            (&["br", "X-GZIP"], Some(Gzip)),
            (&["gzip;q=0.5, deflate"], Some(Deflate)),
            (&["gzip;q=0, deflate ; q = 0.1"], Some(Deflate)),
            (&["gzip;q=0"], None),
            (&["*"], Some(Gzip)),
            (&["*;q=0.5, gzip;q=0"], Some(Deflate)),
            (&["identity"], None),
            (&["identity, gzip"], Some(Gzip)),
            (&["identity, gzip;q=0.5"], None),
            (&["gzip;q=x"], None),
            (&["br, zstd"], None),
        ];
        let mut wrong = Vec::new();
        for (values, expected) in cases {
            let actual = of_response(&head("accept-encoding", values));
            if actual != expected {
                wrong.push((values, actual));
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn encoded_bodies_inflate_to_themselves() {
        let body = b"tensor ".repeat(100);
        let limits = Limits::default();
        for coding in [Coding::Gzip, Coding::Deflate] {
            let response = encoded(Response::new(200, "text/plain", body.clone()), coding);
            assert_eq!(response.header("content-encoding"), Some(coding.name()));
            assert!(response.body.len() < body.len());
            assert_eq!(inflate(response.body, &[coding], &limits).unwrap(), body);
        }
        let twice = deflate(&deflate(&body, Coding::Deflate).unwrap(), Coding::Gzip).unwrap();
        let codings = of_request(&head("content-encoding", &["deflate", "identity, X-gzip"]));
        assert_eq!(inflate(twice, &codings.unwrap(), &limits).unwrap(), body);
        let tiny = encoded(
            Response::new(200, "text/plain", b"1".to_vec()),
            Coding::Gzip,
        );
        assert_eq!(
            (tiny.body.as_slice(), tiny.header("vary")),
            (&b"1"[..], None)
        );
    }

    #[test]
    fn a_bare_stream_is_deflate_too() {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"bare").unwrap();
        let bare = encoder.finish().unwrap();
        let inflated = inflate(bare, &[Coding::Deflate], &Limits::default());
        assert_eq!(inflated.unwrap(), b"bare");
    }

    #[test]
    fn damaged_and_oversized_bodies_are_refused() {
        let gzip = |body: &[u8]| deflate(body, Coding::Gzip).unwrap();
        let zlib = |body: &[u8]| deflate(body, Coding::Deflate).unwrap();
        let limits = Limits {
            max_inflated_bytes: 1000,
            ..Limits::default()
        };
        let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 5].to_vec();
        let longer = |bytes: Vec<u8>| [bytes, b"more".to_vec()].concat();
        let bomb = vec![0; 1_000_000];
        let cases = [
            (gzip(&[7; 1000]), Coding::Gzip, 200),
            (gzip(&[7; 1001]), Coding::Gzip, 413),
            (gzip(&bomb), Coding::Gzip, 413),
            (zlib(&bomb), Coding::Deflate, 413),
            (cut(gzip(b"x")), Coding::Gzip, 400),
            (cut(zlib(b"x")), Coding::Deflate, 400),
            (longer(gzip(b"x")), Coding::Gzip, 400),
            (longer(zlib(b"x")), Coding::Deflate, 400),
            (zlib(b"x"), Coding::Gzip, 400),
            (gzip(b"x"), Coding::Deflate, 400),
            (b"plain".to_vec(), Coding::Gzip, 400),
            (Vec::new(), Coding::Gzip, 400),
            (Vec::new(), Coding::Deflate, 400),
        ];
        let mut wrong = Vec::new();
        for (index, (body, coding, status)) in cases.into_iter().enumerate() {
            let actual = inflate(body, &[coding], &limits);
            let actual = actual.map_or_else(|error| error.kind().status(), |_| 200);
            if actual != status {
                wrong.push((index, actual, status));
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn unknown_codings_are_refused() {
        for (values, message) in [
            (
                &["br"][..],
                "the content encoding `br` is unsupported, expected gzip or deflate",
            ),
            (&["gzip"; 5][..], "5 content encodings, expected at most 4"),
        ] {
            let error = of_request(&head("content-encoding", values)).unwrap_err();
            assert_eq!(error.to_string(), message);
            let response = error.into_response("1", infer_routes::ErrorForm::Sentence);
            assert_eq!(response.status, 415);
            assert_eq!(response.header("accept-encoding"), Some(KNOWN));
        }
    }
}
