//! Media types (RFC 9110, section 8.3.1): the value of `Content-Type`, and the ranges of `Accept`.

/// A media type without its parameters, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType(String);

impl MediaType {
    /// Parse a header's value; `None` if it is not `type/subtype` with or without parameters.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let essence = value.split(';').next()?.trim();
        let (kind, subtype) = essence.split_once('/')?;
        (is_token(kind) && is_token(subtype)).then(|| Self(essence.to_ascii_lowercase()))
    }

    /// `type/subtype`
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A range of media types with its weight, one item of `Accept` (RFC 9110, section 12.5.1).
#[derive(Clone, Debug, PartialEq)]
pub struct MediaRange {
    range: MediaType,
    /// 0 to 1; 0 excludes the range.
    pub weight: f32,
}

impl MediaRange {
    /// Parse one item; `None` if it is malformed.
    #[must_use]
    pub fn parse(item: &str) -> Option<Self> {
        let range = MediaType::parse(item)?;
        let weight = item
            .split(';')
            .skip(1)
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(Some(1.0), |(_, value)| value.trim().parse().ok())?;
        (0.0..=1.0)
            .contains(&weight)
            .then_some(Self { range, weight })
    }

    /// How closely the range matches `media_type`: 2 for `type/subtype`, 1 for `type/*`, 0 for `*/*`, `None` for no
    /// match.
    #[must_use]
    pub fn closeness(&self, media_type: &str) -> Option<u8> {
        let range = self.range.as_str();
        if range == media_type {
            Some(2)
        } else if range == "*/*" {
            Some(0)
        } else {
            let kind = range.strip_suffix('*')?;
            media_type.starts_with(kind).then_some(1)
        }
    }
}

/// A token (RFC 9110, section 5.6.2). The asterisk of a range is a token too.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        let cases = [
            ("application/json", Some("application/json")),
            (" Image/PNG ; x=y", Some("image/png")),
            ("", None),
            ("json", None),
            ("/json", None),
            ("a/b/c", None),
            ("a b/c", None),
        ];
        for (value, expected) in cases {
            let actual = MediaType::parse(value);
            assert_eq!(
                actual.as_ref().map(MediaType::as_str),
                expected,
                "{value:?}"
            );
        }
    }
}
