//! The example request of a model, from the file that its card names.

use crate::input::accepts::Accepts;
use crate::input::image;

/// The body of a request to `POST /infer/{model}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The media type of the body, which the model takes.
    pub media_type: &'static str,
    /// The body.
    pub bytes: Vec<u8>,
}

/// The reason why a file is no example.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExampleError {
    /// The file is too large.
    #[error("it has {bytes} bytes, expected at most {MAX_BYTES}")]
    TooLarge {
        /// The size of the file.
        bytes: usize,
    },
    /// The bytes are no image, sound, JSON or text.
    #[error("it is no image, no sound and no text in UTF-8")]
    Unknown,
    /// The model takes no such body.
    #[error("it is {media_type}, but the model takes {}", expected.join(", "))]
    NotTaken {
        /// The media type of the file.
        media_type: &'static str,
        /// The media types that the model takes.
        expected: Vec<&'static str>,
    },
}

/// The most bytes of an example: `/openapi.json` contains it, in base64.
const MAX_BYTES: usize = 256 * 1024;

impl Example {
    /// Detect the media type of a file.
    ///
    /// # Errors
    /// The file is too large, or the model does not take it.
    pub fn new(bytes: &[u8], accepts: Accepts) -> Result<Self, ExampleError> {
        if bytes.len() > MAX_BYTES {
            return Err(ExampleError::TooLarge { bytes: bytes.len() });
        }
        let media_type = media_type(bytes).ok_or(ExampleError::Unknown)?;
        let expected = accepts.media_types();
        if !expected.contains(&media_type) {
            return Err(ExampleError::NotTaken {
                media_type,
                expected,
            });
        }
        Ok(Self {
            media_type,
            bytes: bytes.to_vec(),
        })
    }

    /// The text of an example of this media type.
    #[must_use]
    pub fn text(&self, media_type: &str) -> Option<&str> {
        let bytes = (self.media_type == media_type).then_some(&self.bytes)?;
        std::str::from_utf8(bytes).ok()
    }
}

fn media_type(bytes: &[u8]) -> Option<&'static str> {
    if let Some(format) = image::sniff(bytes) {
        return Some(format.media_type());
    }
    if let Some(format) = infer_audio::sniff(bytes) {
        return format.media_types().first().copied();
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let is_json = text.trim_start().starts_with(['{', '['])
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    Some(if is_json {
        "application/json"
    } else {
        "text/plain"
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Files, Models};

    const IMAGE: &str = "[[input]]\nname = 'x'\ndatatype = 'FP32'\nshape = [-1, 3, 8, 8]\n\
                         [[output]]\nname = 'y'\ndatatype = 'FP32'\nshape = [-1]\n\
                         [image]\nwidth = 8\nheight = 8\n";
    const TABLE: &str = "[[input]]\nname = 'x'\ndatatype = 'FP32'\nshape = [-1, 2]\n\
                         [[output]]\nname = 'y'\ndatatype = 'FP32'\nshape = [-1]\n\
                         [table]\ninput = 'x'\ncolumns = ['a', 'b']\n";

    #[test]
    fn an_example_is_a_request_of_the_model() {
        let file = |name: &str| std::fs::read(format!("tests/{name}")).unwrap();
        let png = file("preprocessing/images/tiny.png");
        let wav = file("tasks/audio/short.wav");
        let long = vec![b'x'; MAX_BYTES + 1];
        let images = "image/jpeg, image/png, image/webp, image/gif, image/bmp, multipart/form-data";
        let cases: [(&str, &[u8], Result<&str, String>); 9] = [
            (IMAGE, &png, Ok("image/png")),
            (IMAGE, b"[[0]]", Ok("application/json")),
            (
                TABLE,
                br#"{"instances":[{"a":1,"b":2}]}"#,
                Ok("application/json"),
            ),
            (
                IMAGE,
                &wav,
                Err(format!("it is audio/wav, but the model takes {images}")),
            ),
            (
                IMAGE,
                b"a text",
                Err(format!("it is text/plain, but the model takes {images}")),
            ),
            // Broken JSON is a text.
            (
                TABLE,
                b"{\"instances\"",
                Err("it is text/plain, but the model takes text/csv, ".to_owned()),
            ),
            (
                TABLE,
                &png,
                Err("it is image/png, but the model takes text/csv, ".to_owned()),
            ),
            (
                IMAGE,
                b"\xff\xfe\x00",
                Err("it is no image, no sound and no text in UTF-8".to_owned()),
            ),
            (
                IMAGE,
                &long,
                Err("it has 262145 bytes, expected at most 262144".to_owned()),
            ),
        ];
        let mut wrong = Vec::new();
        for (card, bytes, expected) in cases {
            let mut models = Models::new();
            let files = Files {
                example: Some(bytes),
                ..Files::default()
            };
            let added = models
                .add("m", card, files)
                .map_err(|error| error.to_string());
            let is_right = match (&added, &expected) {
                (Ok(()), Ok(media_type)) => models.get("m").is_ok_and(|model| {
                    model.example.as_ref().is_some_and(|found| {
                        found.media_type == *media_type && found.bytes == bytes
                    })
                }),
                (Err(error), Err(expected)) => {
                    error.starts_with(&format!("the example: {expected}"))
                }
                _ => false,
            };
            if !is_right {
                wrong.push(format!("{added:?}, expected {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
