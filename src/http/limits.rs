//! Resource limits of a request: each with its environment variable, its default and the reason for the default.

use crate::http::error::{ApiError, quoted};

/// The limits of a request. Each is the largest value that is still accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The body as received, in bytes.
    pub max_body_bytes: u64,
    /// The body after each decoding of a content coding, in bytes.
    pub max_inflated_bytes: u64,
    /// Pixels of an encoded image: width by height, as declared and as resized before a crop.
    pub max_image_pixels: u64,
    /// The tensor of a batch of images, in bytes.
    pub max_images_bytes: u64,
    /// Images, and the first dimension of a tensor if the model leaves its size free.
    pub max_batch: u64,
    /// Parts of a multipart body.
    pub max_parts: u64,
    /// The sounds of a request together, in seconds.
    pub max_audio_seconds: u64,
    /// Texts.
    pub max_texts: u64,
    /// One text, in bytes.
    pub max_text_bytes: u64,
    /// Nesting of JSON lists and objects.
    pub max_json_depth: u64,
    /// JSON values, including lists and objects.
    pub max_json_values: u64,
    /// The response before compression, in bytes.
    pub max_response_bytes: u64,
}

/// A limit that an environment variable sets.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The environment variable.
    pub variable: &'static str,
    /// The unit, for messages.
    pub unit: &'static str,
    /// The field of [`Limits`].
    pub of: fn(&mut Limits) -> &mut u64,
}

/// The variable of [`Limits::max_body_bytes`].
pub const MAX_BODY_BYTES: &str = "INFER_MAX_BODY_BYTES";
/// The variable of [`Limits::max_inflated_bytes`].
pub const MAX_INFLATED_BYTES: &str = "INFER_MAX_INFLATED_BYTES";
/// The variable of [`Limits::max_image_pixels`].
pub const MAX_IMAGE_PIXELS: &str = "INFER_MAX_IMAGE_PIXELS";
/// The variable of [`Limits::max_images_bytes`].
pub const MAX_IMAGES_BYTES: &str = "INFER_MAX_IMAGES_BYTES";
/// The variable of [`Limits::max_batch`].
pub const MAX_BATCH: &str = "INFER_MAX_BATCH";
/// The variable of [`Limits::max_parts`].
pub const MAX_PARTS: &str = "INFER_MAX_PARTS";
/// The variable of [`Limits::max_audio_seconds`].
pub const MAX_AUDIO_SECONDS: &str = "INFER_MAX_AUDIO_SECONDS";
/// The variable of [`Limits::max_texts`].
pub const MAX_TEXTS: &str = "INFER_MAX_TEXTS";
/// The variable of [`Limits::max_text_bytes`].
pub const MAX_TEXT_BYTES: &str = "INFER_MAX_TEXT_BYTES";
/// The variable of [`Limits::max_json_depth`].
pub const MAX_JSON_DEPTH: &str = "INFER_MAX_JSON_DEPTH";
/// The variable of [`Limits::max_json_values`].
pub const MAX_JSON_VALUES: &str = "INFER_MAX_JSON_VALUES";
/// The variable of [`Limits::max_response_bytes`].
pub const MAX_RESPONSE_BYTES: &str = "INFER_MAX_RESPONSE_BYTES";

impl Default for Limits {
    fn default() -> Self {
        Self {
            // 10 MiB, the smallest limit on a body among the hosts.
            max_body_bytes: 10 * 1024 * 1024,
            // A body may be sent compressed, but not larger than uncompressed.
            max_inflated_bytes: 10 * 1024 * 1024,
            // 200 MB as RGBA, which leaves an instance room to work.
            max_image_pixels: 50_000_000,
            // The limit on the body does not bound this: an image of a few bytes becomes as large a tensor as any other.
            max_images_bytes: 64 * 1024 * 1024,
            // Rows of a table are many and small. The limits in bytes stop large items.
            max_batch: 65_536,
            // A browser's form seldom has more than a few parts.
            max_parts: 1024,
            // Ten minutes, 38 MB at 16 kHz. A FLAC of a few bytes may hold hours of silence.
            max_audio_seconds: 600,
            // OpenAI's limit for embeddings.
            max_texts: 2048,
            // A model reads a few thousand tokens of a text at most.
            max_text_bytes: 1024 * 1024,
            // A tensor has at most 32 dimensions, inside three levels.
            max_json_depth: 64,
            // An image of 1024x1024 pixels in three channels has 3.1 million values. The smallest values, `{},{}`,
            // take twenty times the memory of their text.
            max_json_values: 4_000_000,
            // 64 MiB of numbers as bytes. Their JSON is larger, and is refused while it is written.
            max_response_bytes: 64 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// Every limit, in the order in which a request meets them.
    pub const ALL: [Limit; 12] = [
        Limit {
            variable: MAX_BODY_BYTES,
            unit: "bytes",
            of: |limits| &mut limits.max_body_bytes,
        },
        Limit {
            variable: MAX_INFLATED_BYTES,
            unit: "bytes",
            of: |limits| &mut limits.max_inflated_bytes,
        },
        Limit {
            variable: MAX_PARTS,
            unit: "parts",
            of: |limits| &mut limits.max_parts,
        },
        Limit {
            variable: MAX_JSON_DEPTH,
            unit: "levels",
            of: |limits| &mut limits.max_json_depth,
        },
        Limit {
            variable: MAX_JSON_VALUES,
            unit: "values",
            of: |limits| &mut limits.max_json_values,
        },
        Limit {
            variable: MAX_BATCH,
            unit: "items",
            of: |limits| &mut limits.max_batch,
        },
        Limit {
            variable: MAX_IMAGE_PIXELS,
            unit: "pixels",
            of: |limits| &mut limits.max_image_pixels,
        },
        Limit {
            variable: MAX_IMAGES_BYTES,
            unit: "bytes",
            of: |limits| &mut limits.max_images_bytes,
        },
        Limit {
            variable: MAX_AUDIO_SECONDS,
            unit: "seconds",
            of: |limits| &mut limits.max_audio_seconds,
        },
        Limit {
            variable: MAX_TEXTS,
            unit: "texts",
            of: |limits| &mut limits.max_texts,
        },
        Limit {
            variable: MAX_TEXT_BYTES,
            unit: "bytes",
            of: |limits| &mut limits.max_text_bytes,
        },
        Limit {
            variable: MAX_RESPONSE_BYTES,
            unit: "bytes",
            of: |limits| &mut limits.max_response_bytes,
        },
    ];

    /// Read the limits; `variable` returns the value of an environment variable. Unless it is set, the limit of the
    /// inflated body is that of the body.
    ///
    /// # Errors
    /// The variable, its value, and a description of the expected value, if the value is not a number from 1.
    pub fn read(
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, (&'static str, String, String)> {
        let mut limits = Self::default();
        for limit in Self::ALL {
            if let Some(value) = variable(limit.variable) {
                match value.parse() {
                    Ok(number) if number > 0 => *(limit.of)(&mut limits) = number,
                    _ => {
                        let expected = format!("a number of {}, 1 or more", limit.unit);
                        return Err((limit.variable, value, expected));
                    }
                }
            } else if limit.variable == MAX_INFLATED_BYTES {
                limits.max_inflated_bytes = limits.max_body_bytes;
            }
        }
        Ok(limits)
    }
}

/// The error for a value over a limit; `problem` says what was received and what was expected.
#[must_use]
pub fn exceeded(problem: impl std::fmt::Display, variable: &str) -> ApiError {
    ApiError::too_large(format!(
        "{problem}; the limit is the setting {}",
        quoted(variable)
    ))
}

/// Check a count against a limit: `3 parts, expected at most 2`.
///
/// # Errors
/// 413, with the name of the setting.
pub fn check(count: usize, what: &str, limit: u64, variable: &str) -> Result<(), ApiError> {
    if count as u64 > limit {
        return Err(exceeded(
            format_args!("{count} {what}, expected at most {limit}"),
            variable,
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_read_from_its_own_variable() {
        let mut wrong = Vec::new();
        for limit in Limits::ALL {
            let read = |value: &str| {
                Limits::read(|name| (name == limit.variable).then(|| value.to_owned()))
            };
            let mut expected = Limits::default();
            *(limit.of)(&mut expected) = 7;
            if limit.variable == MAX_BODY_BYTES {
                expected.max_inflated_bytes = 7;
            }
            if read("7").as_ref() != Ok(&expected) {
                wrong.push((limit.variable, "7"));
            }
            for value in ["0", "-1", "10M", "1e6", " 7", "18446744073709551616"] {
                let message = format!("a number of {}, 1 or more", limit.unit);
                if read(value) != Err((limit.variable, value.to_owned(), message)) {
                    wrong.push((limit.variable, value));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(Limits::read(|_| None), Ok(Limits::default()));
    }

    #[test]
    fn the_book_has_each_with_its_default() {
        let page = crate::tests::support::text("docs/run/limits.md");
        let mut defaults = Limits::default();
        let missing: Vec<_> = Limits::ALL
            .iter()
            .map(|limit| {
                let default = match limit.variable {
                    MAX_INFLATED_BYTES => format!("that of `{MAX_BODY_BYTES}`"),
                    _ => (limit.of)(&mut defaults).to_string(),
                };
                format!("| `{}` | {default} |", limit.variable)
            })
            .filter(|row| !page.contains(row))
            .collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }
}
