//! How much a request may ask for: each limit with its variable, its default and why that.

use crate::http::error::{ApiError, quoted};

/// The limits of a request. A limit is the largest value that is still taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The body as it comes, in bytes.
    pub max_body_bytes: u64,
    /// The body after each of its content codings is undone, in bytes.
    pub max_inflated_bytes: u64,
    /// Width by height of an encoded image, as declared and as scaled before a crop.
    pub max_image_pixels: u64,
    /// The tensor that several images become, in bytes.
    pub max_images_bytes: u64,
    /// Images, and entries of a tensor's first dimension where the model leaves its size open.
    pub max_batch: u64,
    /// Parts of a multipart body.
    pub max_parts: u64,
    /// Texts.
    pub max_texts: u64,
    /// One text, in bytes.
    pub max_text_bytes: u64,
    /// Lists and objects in each other.
    pub max_json_depth: u64,
    /// Values in JSON, lists and objects among them.
    pub max_json_values: u64,
    /// The answer before it is compressed, in bytes.
    pub max_response_bytes: u64,
}

/// A limit that a host can set.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The environment variable.
    pub variable: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// The limit's place.
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
            // What is taken as it is may also come compressed, and no more.
            max_inflated_bytes: 10 * 1024 * 1024,
            // In RGBA 200 MB, which leave an instance room to work.
            max_image_pixels: 50_000_000,
            // An image of a few bytes fills as much of it as any other, so a body's limit is none on this.
            max_images_bytes: 64 * 1024 * 1024,
            // Rows of a table are many and small: what is large is stopped by its bytes.
            max_batch: 65_536,
            // A browser's form seldom has more than a few.
            max_parts: 1024,
            // OpenAI's own for embeddings.
            max_texts: 2048,
            // What a model reads of a text are a few thousand tokens at most.
            max_text_bytes: 1024 * 1024,
            // A tensor has at most 32 dimensions, and three levels around it.
            max_json_depth: 64,
            // A picture of 1024x1024 pixels in three channels has 3.1 million. Beyond it lists of the
            // smallest values, `{},{}`, become twenty times their text.
            max_json_values: 4_000_000,
            // What 64 MiB of numbers are as bytes; JSON of them is larger and refused while it is written.
            max_response_bytes: 64 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// All, in the order in which a request meets them.
    pub const ALL: [Limit; 11] = [
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

    /// Read what is set; `variable` gives a variable's value. A body may inflate to as much as a body may
    /// have, where nothing else is said.
    ///
    /// # Errors
    /// The variable, its value and what is expected, when that is no number from 1.
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

/// The refusal of what is over a limit: `problem` says what came and what is the most that is taken.
#[must_use]
pub fn exceeded(problem: impl std::fmt::Display, variable: &str) -> ApiError {
    ApiError::too_large(format!(
        "{problem}; the limit is the setting {}",
        quoted(variable)
    ))
}

/// Check a number of things against a limit, before anything is made of them: `` 3 parts, expected at
/// most 2 ``.
///
/// # Errors
/// 413, naming the setting.
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
