//! `multipart/form-data` (RFC 7578): encoded images or sounds in files, and parameters in text fields.

use std::convert::Infallible;

use futures_util::{future, stream};
use multer::bytes::Bytes;
use multer::{Constraints, Multipart, SizeLimit};

use crate::http::error::{ApiError, listed, quoted};
use crate::http::limits::{Limits, MAX_PARTS, exceeded};
use crate::input::image;

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

/// What the files of a form are.
#[derive(Clone, Copy)]
struct Kind {
    noun: &'static str,
    /// Whether bytes begin like such a file.
    is_file: fn(&[u8]) -> bool,
}

impl Kind {
    const IMAGE: Self = Self {
        noun: "image",
        is_file: image::is_image,
    };
    const SOUND: Self = Self {
        noun: "sound",
        is_file: |bytes| infer_audio::sniff(bytes).is_some(),
    };
}

/// The parts of a form.
#[derive(Debug, Default)]
pub struct Form {
    /// The files, in order, each with the name of its field.
    pub images: Vec<(String, Bytes)>,
    /// The text fields, in order, by name.
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// Read the parts of a form of images. `parameters` are the names of the text fields that the form may have.
    ///
    /// A part is an image if it has a file name, if its `Content-Type` is not of text, or if its bytes begin like an image;
    /// else it is a text field. A file without a name and without bytes is what a browser sends for a file input without a
    /// file, and is skipped.
    ///
    /// # Errors
    /// 400 if the body is malformed, has no image, or has another text field; 413 if it has too many parts.
    pub fn read(
        body: Vec<u8>,
        boundary: &str,
        parameters: &[&str],
        limits: &Limits,
    ) -> Result<Self, ApiError> {
        Self::read_files(body, boundary, parameters, limits, Kind::IMAGE)
    }

    /// Read the parts of a form of sounds, as [`Form::read`] does.
    ///
    /// # Errors
    /// Those of [`Form::read`].
    pub fn read_sounds(
        body: Vec<u8>,
        boundary: &str,
        parameters: &[&str],
        limits: &Limits,
    ) -> Result<Self, ApiError> {
        Self::read_files(body, boundary, parameters, limits, Kind::SOUND)
    }

    fn read_files(
        body: Vec<u8>,
        boundary: &str,
        parameters: &[&str],
        limits: &Limits,
        kind: Kind,
    ) -> Result<Self, ApiError> {
        let malformed = |error: multer::Error| {
            ApiError::invalid(format!("the multipart body cannot be read: {error}"))
        };
        let limit = limits.max_parts;
        // The body is within its limit, so each part is within it too.
        let unlimited = SizeLimit::new().whole_stream(u64::MAX).per_field(u64::MAX);
        let stream = stream::once(future::ready(Ok::<_, Infallible>(body)));
        let mut multipart =
            Multipart::with_constraints(stream, boundary, Constraints::new().size_limit(unlimited));
        let mut form = Self::default();
        let mut count = 0;
        pollster::block_on(async {
            while let Some(field) = multipart.next_field().await.map_err(malformed)? {
                if count == limit {
                    return Err(exceeded(
                        format_args!("the multipart body has more than {limit} parts"),
                        MAX_PARTS,
                    ));
                }
                count += 1;
                let name = field.name().unwrap_or_default().to_owned();
                let file_name = field.file_name().map(str::to_owned);
                let is_text_type = field
                    .content_type()
                    .is_none_or(|media_type| media_type.essence_str().starts_with("text/"));
                let bytes = field.bytes().await.map_err(malformed)?;
                match file_name.as_deref() {
                    Some("") if bytes.is_empty() => {}
                    None if is_text_type && !(kind.is_file)(&bytes) => {
                        form.fields
                            .push((name.clone(), text(&name, &bytes, parameters, kind)?));
                    }
                    _ => form.images.push((name, bytes)),
                }
            }
            Ok(())
        })?;
        if form.images.is_empty() {
            let noun = kind.noun;
            let what = if count == 0 { "parts" } else { noun };
            return Err(ApiError::invalid(format!(
                "the multipart body has no {what}, expected one {noun} in each part"
            )));
        }
        Ok(form)
    }
}

/// The text of a field that names a parameter.
fn text(name: &str, bytes: &[u8], parameters: &[&str], kind: Kind) -> Result<String, ApiError> {
    if !parameters.contains(&name) {
        return Err(ApiError::invalid(format!(
            "the field {} of the multipart body is a text of {} bytes, expected {}s; {}",
            quoted(name),
            bytes.len(),
            kind.noun,
            match parameters {
                [] => "the model has no parameters, which are the other fields".to_owned(),
                _ => format!(
                    "the text fields of this model are {}",
                    listed(parameters.iter().copied(), "and")
                ),
            }
        )));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| {
        ApiError::invalid(format!(
            "the field {} of the multipart body is not UTF-8, expected the value of the parameter",
            quoted(name)
        ))
    })?;
    Ok(text.to_owned())
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

    /// A part with these headers after `Content-Disposition: form-data`.
    fn part(rest: &str, content: &str) -> String {
        format!("--x\r\nContent-Disposition: form-data{rest}\r\n\r\n{content}\r\n")
    }

    #[test]
    fn parts_are_images_parameters_or_refused() {
        const FILE: &str = "; name=\"a\"; filename=\"a.png\"";
        const GIF: &str = "GIF89a";
        type Parts = &'static [(&'static str, &'static str)];
        type Row = (String, Result<(Parts, Parts), &'static str>);
        let end = "--x--\r\n";
        let ok = |images: Parts, fields: Parts| Ok((images, fields));
        let unknown = "the field `b` of the multipart body is a text of ";
        let rows: Vec<Row> = vec![
            (part(FILE, "1") + end, ok(&[("a", "1")], &[])),
            (
                part(FILE, "1") + &part(FILE, "\r\n2") + "--x--",
                ok(&[("a", "1"), ("a", "\r\n2")], &[]),
            ),
            (
                format!("before\r\n{}{end}", part(FILE, "--y")),
                ok(&[("a", "--y")], &[]),
            ),
            // Not files by name, but by type or content.
            (
                part("; name=\"a\"\r\nContent-Type: image/png", "1") + end,
                ok(&[("a", "1")], &[]),
            ),
            (
                part(
                    "; name=\"a\"\r\nContent-Type: application/octet-stream",
                    "1",
                ) + end,
                ok(&[("a", "1")], &[]),
            ),
            (
                part("; name=\"top_k\"", GIF) + end,
                ok(&[("top_k", GIF)], &[]),
            ),
            (part("", GIF) + end, ok(&[("", GIF)], &[])),
            (
                part("; name=\"top_k\"; filename=\"k\"", "2") + end,
                ok(&[("top_k", "2")], &[]),
            ),
            // Parameters.
            (
                part(FILE, "1") + &part("; name=\"top_k\"", "2") + end,
                ok(&[("a", "1")], &[("top_k", "2")]),
            ),
            (
                part(
                    "; name=\"outputs\"\r\nContent-Type: text/plain; charset=utf-8",
                    "",
                ) + &part(FILE, "1")
                    + end,
                ok(&[("a", "1")], &[("outputs", "")]),
            ),
            // A file input without a file.
            (
                part(
                    "; name=\"b\"; filename=\"\"\r\nContent-Type: application/octet-stream",
                    "",
                ) + &part(FILE, "1")
                    + end,
                ok(&[("a", "1")], &[]),
            ),
            (
                part("; name=\"b\"; filename=\"\"", "") + end,
                Err("the multipart body has no image, expected one image in each part"),
            ),
            // Read as an image, which it is not.
            (
                part("; name=\"b\"; filename=\"b\"", "") + end,
                ok(&[("b", "")], &[]),
            ),
            (
                part("; name=\"top_k\"", "2") + end,
                Err("the multipart body has no image, expected one image in each part"),
            ),
            (
                part(FILE, "1") + &part("; name=\"b\"", "2") + end,
                Err(unknown),
            ),
            (
                part(FILE, "1") + &part("; name=\"b\"", "") + end,
                Err(unknown),
            ),
            (
                part(FILE, "1") + &part("; name=\"b\"\r\nContent-Type: text/html", "<p>") + end,
                Err(unknown),
            ),
            (
                part(FILE, "1") + &part("; name=\"TOP_K\"", "2") + end,
                Err(
                    "the field `TOP_K` of the multipart body is a text of 1 bytes, expected images; \
                     the text fields of this model are `top_k` and `outputs`",
                ),
            ),
            (
                part("", "2") + end,
                Err("the field `` of the multipart body is a text of 1 bytes"),
            ),
            (
                "--x--\r\n".to_owned(),
                Err("the multipart body has no parts, expected one image in each part"),
            ),
            (String::new(), Err("the multipart body cannot be read: ")),
            (
                "no multipart".to_owned(),
                Err("the multipart body cannot be read: "),
            ),
            (
                part(FILE, "1") + "--x",
                Err("the multipart body cannot be read: "),
            ),
            (part(FILE, "1"), Err("the multipart body cannot be read: ")),
            (
                part(FILE, "").trim_end().to_owned(),
                Err("the multipart body cannot be read: "),
            ),
        ];
        let mut wrong = Vec::new();
        for (body, expected) in rows {
            let bytes = body.clone().into_bytes();
            let actual = Form::read(bytes, "x", &["top_k", "outputs"], &Limits::default());
            let actual = actual.map(|form| {
                let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
                let images = form.images.iter();
                let images: Vec<_> = images
                    .map(|(name, image)| (name.clone(), text(image)))
                    .collect();
                (images, form.fields)
            });
            let is_expected = match (&actual, expected) {
                (Ok((images, fields)), Ok(expected)) => {
                    let same = |actual: &[(String, String)], expected: Parts| {
                        let actual = actual.iter().map(|(name, value)| (&**name, &**value));
                        actual.eq(expected.iter().copied())
                    };
                    same(images, expected.0) && same(fields, expected.1)
                }
                (Err(error), Err(message)) => {
                    error.kind().status() == 400 && error.to_string().starts_with(message)
                }
                _ => false,
            };
            if !is_expected {
                wrong.push((body, actual, expected));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
