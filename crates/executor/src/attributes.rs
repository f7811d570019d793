//! A node's attributes, by name and type.

use rten_onnx::onnx::{AttributeProto, TensorProto};

use crate::error::{Error, Result};

/// A node's attributes.
#[derive(Clone, Copy)]
pub struct Attributes<'a>(&'a [AttributeProto]);

impl<'a> Attributes<'a> {
    /// The attributes in this list.
    #[must_use]
    pub fn new(attributes: &'a [AttributeProto]) -> Self {
        Self(attributes)
    }

    fn find(self, name: &str) -> Option<&'a AttributeProto> {
        self.0
            .iter()
            .find(|attribute| attribute.name.as_deref() == Some(name))
    }

    /// Whether the node has the attribute.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// An INT, or the default if the attribute is missing.
    #[must_use]
    pub fn int(self, name: &str, default: i64) -> i64 {
        // Protobuf omits a value of zero.
        self.find(name)
            .map_or(default, |found| found.i.unwrap_or_default())
    }

    /// An INT that means true unless it is 0, or the default if the attribute is missing.
    #[must_use]
    pub fn flag(self, name: &str, default: bool) -> bool {
        self.int(name, default.into()) != 0
    }

    /// An optional INT.
    #[must_use]
    pub fn optional_int(self, name: &str) -> Option<i64> {
        self.find(name).map(|found| found.i.unwrap_or_default())
    }

    /// A FLOAT, or the default if the attribute is missing.
    #[must_use]
    pub fn float(self, name: &str, default: f32) -> f32 {
        self.find(name)
            .map_or(default, |found| found.f.unwrap_or_default())
    }

    /// An optional FLOAT.
    #[must_use]
    pub fn optional_float(self, name: &str) -> Option<f32> {
        self.find(name).map(|found| found.f.unwrap_or_default())
    }

    /// A STRING, or the default if the attribute is missing.
    #[must_use]
    pub fn string(self, name: &str, default: &'a str) -> &'a str {
        self.find(name)
            .map_or(default, |found| found.s.as_deref().unwrap_or_default())
    }

    /// Optional INTS.
    #[must_use]
    pub fn ints(self, name: &str) -> Option<&'a [i64]> {
        self.find(name).map(|found| found.ints.as_slice())
    }

    /// Optional FLOATS.
    #[must_use]
    pub fn floats(self, name: &str) -> Option<&'a [f32]> {
        self.find(name).map(|found| found.floats.as_slice())
    }

    /// Optional STRINGS.
    #[must_use]
    pub fn strings(self, name: &str) -> Option<&'a [String]> {
        self.find(name).map(|found| found.strings.as_slice())
    }

    /// An optional TENSOR.
    #[must_use]
    pub fn tensor(self, name: &str) -> Option<&'a TensorProto> {
        self.find(name).and_then(|found| found.t.as_ref())
    }

    /// A required INT.
    ///
    /// # Errors
    /// `Graph` if the attribute is missing.
    pub fn required_int(self, name: &str) -> Result<i64> {
        self.optional_int(name).ok_or_else(|| missing(name))
    }

    /// An optional INT that counts something, such as heads or groups.
    ///
    /// # Errors
    /// `Graph` if it is less than 1.
    pub fn count(self, name: &str) -> Result<Option<usize>> {
        let Some(count) = self.optional_int(name) else {
            return Ok(None);
        };
        match usize::try_from(count) {
            Ok(count) if count > 0 => Ok(Some(count)),
            _ => Err(Error::graph(format!(
                "the attribute `{name}` is {count}, expected at least 1"
            ))),
        }
    }

    /// As [`Attributes::count`], but required.
    ///
    /// # Errors
    /// `Graph` if the attribute is missing, or less than 1.
    pub fn required_count(self, name: &str) -> Result<usize> {
        self.count(name)?.ok_or_else(|| missing(name))
    }

    /// Optional INTS that are sizes, such as `kernel_shape` or `strides`.
    ///
    /// # Errors
    /// `Graph` if one is negative.
    pub fn sizes(self, name: &str) -> Result<Option<Vec<usize>>> {
        self.ints(name)
            .map(|values| {
                values
                    .iter()
                    .map(|&value| {
                        usize::try_from(value).map_err(|_| {
                            Error::graph(format!(
                                "the attribute `{name}` is {values:?}, expected no negative numbers"
                            ))
                        })
                    })
                    .collect()
            })
            .transpose()
    }
}

fn missing(name: &str) -> Error {
    Error::graph(format!("the attribute `{name}` is missing"))
}
