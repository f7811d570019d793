//! The members of a JSON object, read by name. A member that is null counts as missing.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::http::error::{ApiError, listed, quoted};
use crate::input::text;
use crate::tensor::json;

/// The members of a JSON object, each once.
#[derive(Debug, Default)]
pub struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    // Objects of requests have few members.
                    if members.len() >= MAX_MEMBERS {
                        return Err(A::Error::custom(format_args!(
                            "an object has more than {MAX_MEMBERS} members"
                        )));
                    }
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format_args!(
                            "duplicate field {}",
                            quoted(&name)
                        )));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(All)
    }
}

/// The most members of an object.
const MAX_MEMBERS: usize = 256;

impl<'a> Members<'a> {
    /// Read the body of a request, which [`json::source`] prepared.
    ///
    /// # Errors
    /// 400 for malformed JSON, and for JSON that is no object.
    pub fn of_body(source: &'a [u8]) -> Result<Self, ApiError> {
        serde_json::from_slice(source).map_err(json::malformed)
    }

    /// Read a member that is an object; `None` if it is something else.
    #[must_use]
    pub fn of_value(value: &'a RawValue) -> Option<Self> {
        serde_json::from_str(value.get()).ok()
    }

    /// The names and values, without nulls.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        let all = self.0.iter();
        all.filter(|(_, value)| value.get() != "null")
            .map(|(name, value)| (&**name, *value))
    }

    /// A member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value)
    }

    /// A member that must be there.
    ///
    /// # Errors
    /// 400 if it is missing.
    pub fn required(&self, name: &'static str, expected: &str) -> Result<&'a RawValue, ApiError> {
        self.get(name).ok_or_else(|| {
            ApiError::invalid(format!(
                "the JSON body has no `{name}`, expected {expected}"
            ))
            .of_param(name)
        })
    }

    /// A text.
    ///
    /// # Errors
    /// 400 for a value of another type.
    pub fn text(
        &self,
        name: &'static str,
        expected: &str,
    ) -> Result<Option<Cow<'a, str>>, ApiError> {
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

        self.get(name)
            .map(|value| {
                serde_json::from_str(value.get())
                    .map(|Text(text)| text)
                    .map_err(|_| wrong(name, value, expected))
            })
            .transpose()
    }

    /// True or false.
    ///
    /// # Errors
    /// 400 for a value of another type.
    pub fn flag(&self, name: &'static str) -> Result<Option<bool>, ApiError> {
        self.get(name)
            .map(|value| {
                let flag = value.get().parse();
                flag.map_err(|_| wrong(name, value, "true or false"))
            })
            .transpose()
    }

    /// A whole number from 1.
    ///
    /// # Errors
    /// 400 for a value of another type or range.
    pub fn count(&self, name: &'static str) -> Result<Option<usize>, ApiError> {
        self.get(name)
            .map(|value| match value.get().parse() {
                Ok(count) if count > 0 => Ok(count),
                _ => Err(wrong(name, value, "a whole number from 1")),
            })
            .transpose()
    }

    /// A list of texts that must be there.
    ///
    /// # Errors
    /// 400 if it is missing, and for a value of another type.
    pub fn list(&self, name: &'static str) -> Result<Vec<Cow<'a, str>>, ApiError> {
        let value = self.required(name, "a list of texts")?;
        if !value.get().starts_with('[') {
            return Err(wrong(name, value, "a list of texts"));
        }
        text::from_json(name, value).map_err(|_| wrong(name, value, "a list of texts"))
    }

    /// One of several words.
    ///
    /// # Errors
    /// 400 for another value.
    pub fn choice(
        &self,
        name: &'static str,
        words: &[&'static str],
    ) -> Result<Option<&'static str>, ApiError> {
        let expected = || listed(words.iter().copied(), "or");
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let text = self.text(name, &expected())?;
        let word = words
            .iter()
            .find(|word| text.as_deref() == Some(**word))
            .copied();
        word.map(Some)
            .ok_or_else(|| wrong(name, value, &expected()))
    }
}

/// The error of a member whose value is wrong.
#[must_use]
pub fn wrong(name: &'static str, value: &RawValue, expected: &str) -> ApiError {
    ApiError::invalid(format!(
        "`{name}` is {}, expected {expected}",
        quoted(value.get().trim_matches('"'))
    ))
    .of_param(name)
}
