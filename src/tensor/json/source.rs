//! The JSON of a body becomes JSON that the parser reads: without a byte order mark and without lone surrogates.

use std::borrow::Cow;

use super::extent;
use crate::http::error::ApiError;
use crate::http::limits::Limits;

/// The byte order mark of UTF-8, which Windows' editors write in front of a file (RFC 8259, section 8.1).
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Prepare the JSON of a body for the parser, and check it against the limits. It may be malformed; the parser reports
/// that later.
///
/// A byte order mark in front is skipped. An escape of a lone surrogate becomes U+FFFD, as in JavaScript's
/// `String.prototype.toWellFormed`: a text that was cut within a pair is still a text, and the parser would refuse it.
///
/// # Errors
/// 400 for JSON in UTF-16 or UTF-32, and for deep nesting; 413 for too many values.
pub fn read<'a>(body: &'a [u8], limits: &Limits) -> Result<Cow<'a, [u8]>, ApiError> {
    if let Some(encoding) = foreign_encoding(body) {
        return Err(ApiError::invalid(format!(
            "the JSON body is in {encoding}, expected UTF-8"
        )));
    }
    let json = without_mark(body);
    extent::check(json, limits)?;
    Ok(well_formed(json))
}

/// The text behind a byte order mark of UTF-8, if there is one.
#[must_use]
pub fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(MARK).unwrap_or(body)
}

/// The encoding of JSON that is not in UTF-8, by its byte order mark or by the zeros of its first character, which is ASCII.
fn foreign_encoding(body: &[u8]) -> Option<&'static str> {
    match body {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [_, 0, 0, 0, ..] | [0, 0, 0, _, ..] => {
            Some("UTF-32")
        }
        [0xff, 0xfe, ..]
        | [0xfe, 0xff, ..]
        | [b'{' | b'[' | b'"', 0, ..]
        | [0, b'{' | b'[' | b'"', ..] => Some("UTF-16"),
        _ => None,
    }
}

/// Replace the escapes of lone surrogates. The replacement is as long, so that the columns of the parser's errors stay right.
fn well_formed(json: &[u8]) -> Cow<'_, [u8]> {
    /// The length of an escape such as `\ud83d`.
    const ESCAPE: usize = 6;
    let mut repaired = Cow::Borrowed(json);
    // A tensor has no escapes, so one quick search is usually enough.
    if !json.contains(&b'\\') {
        return repaired;
    }
    let mut at = 0;
    while let Some(before) = json[at..].iter().position(|byte| *byte == b'\\') {
        let start = at + before;
        let rest = &json[start..];
        let is_pair = || {
            let next = rest.get(ESCAPE..).and_then(surrogate);
            next == Some(Surrogate::Trailing)
        };
        at = match surrogate(rest) {
            // The escaped character is skipped: it may be another backslash.
            None => (start + 2).min(json.len()),
            Some(Surrogate::Leading) if is_pair() => start + 2 * ESCAPE,
            Some(_) => {
                repaired.to_mut()[start + 2..start + ESCAPE].copy_from_slice(b"fffd");
                start + ESCAPE
            }
        };
    }
    repaired
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Surrogate {
    Leading,
    Trailing,
}

/// The surrogate whose escape these bytes begin with.
fn surrogate(text: &[u8]) -> Option<Surrogate> {
    let [b'\\', b'u', b'd' | b'D', kind, third, fourth, ..] = text else {
        return None;
    };
    if !third.is_ascii_hexdigit() || !fourth.is_ascii_hexdigit() {
        return None;
    }
    match kind.to_ascii_lowercase() {
        b'8'..=b'9' | b'a' | b'b' => Some(Surrogate::Leading),
        b'c'..=b'f' => Some(Surrogate::Trailing),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        let cases = [
            (r#""plain""#, r#""plain""#),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\uD83D\uDE00""#, r#""\uD83D\uDE00""#),
            (r#""cut \ud83d""#, r#""cut \ufffd""#),
            (r#""\uDBFF""#, r#""\ufffd""#),
            (r#""\ude00 cut""#, r#""\ufffd cut""#),
            (r#""\uDFFFx""#, r#""\ufffdx""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\ude00\ude00""#, r#""\ud83d\ude00\ufffd""#),
            (r#""\ud83dx\ude00""#, r#""\ufffdx\ufffd""#),
            (r#""\ud83d\n""#, r#""\ufffd\n""#),
            (
                r#"["a","\ud800",{"\udc00":1}]"#,
                r#"["a","\ufffd",{"\ufffd":1}]"#,
            ),
            // Not surrogates, and escaped backslashes.
            (r#""\ud7ff\ue000""#, r#""\ud7ff\ue000""#),
            (r#""\\ud83d""#, r#""\\ud83d""#),
            (r#""\\\ud83d""#, r#""\\\ufffd""#),
            (r#""\\\\ud83d""#, r#""\\\\ud83d""#),
            (r#""\ud83d\\ude00""#, r#""\ufffd\\ude00""#),
            (r#""ud83d""#, r#""ud83d""#),
            // Malformed, for the parser.
            (r#""\ud8"#, r#""\ud8"#),
            (r#""\ud83g""#, r#""\ud83g""#),
            (r#""\"#, r#""\"#),
            (r"\", r"\"),
            ("", ""),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .map(|(json, expected)| {
                let actual = read(json.as_bytes(), &Limits::default()).unwrap();
                (
                    json,
                    expected,
                    String::from_utf8(actual.into_owned()).unwrap(),
                )
            })
            .filter(|(_, expected, actual)| actual != *expected)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_byte_order_mark_is_skipped_and_other_encodings_are_refused() {
        let cases: [(&[u8], Result<&str, &str>); 13] = [
            (b"\xef\xbb\xbf{}", Ok("{}")),
            (b"\xef\xbb\xbf\r\n[1]", Ok("\r\n[1]")),
            (b"\xef\xbb\xbf", Ok("")),
            (b"{}", Ok("{}")),
            // One mark is a mark, the next is not.
            (b"\xef\xbb\xbf\xef\xbb\xbf{}", Ok("\u{feff}{}")),
            (b"\xff\xfe{\0}\0", Err("UTF-16")),
            (b"\xfe\xff\0{\0}", Err("UTF-16")),
            (b"{\0}\0", Err("UTF-16")),
            (b"\0[\0]", Err("UTF-16")),
            (b"\xff\xfe\0\0{\0\0\0", Err("UTF-32")),
            (b"\0\0\xfe\xff\0\0\0{", Err("UTF-32")),
            (b"{\0\0\0}\0\0\0", Err("UTF-32")),
            (b"\0\0\0{\0\0\0}", Err("UTF-32")),
        ];
        let mut wrong = Vec::new();
        for (body, expected) in cases {
            let actual = read(body, &Limits::default())
                .map(|json| String::from_utf8(json.into_owned()).unwrap())
                .map_err(|error| (error.kind().status(), error.to_string()));
            let expected = expected.map(str::to_owned).map_err(|encoding| {
                let message = format!("the JSON body is in {encoding}, expected UTF-8");
                (400, message)
            });
            if actual != expected {
                wrong.push((body, actual, expected));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
