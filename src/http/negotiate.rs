//! Content negotiation: the type of a response, by the header `Accept`.

use crate::http::error::{ApiError, ErrorKind, listed};
use crate::http::media_type::{MediaRange, MediaType};
use crate::http::request::Head;

/// The type of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseType {
    /// `application/json`, with every output.
    Json,
    /// `application/x-npy`: the first output as a NumPy array.
    Npy,
    /// `application/octet-stream`: the bytes of the first output.
    Raw,
    /// `image/png`: the image with the predictions drawn onto it.
    Png,
}

impl ResponseType {
    /// The types of tensors, the preferred one first.
    pub const TENSORS: [Self; 3] = [Self::Json, Self::Npy, Self::Raw];

    /// The media type of the response.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Npy => "application/x-npy",
            Self::Raw => "application/octet-stream",
            Self::Png => "image/png",
        }
    }
}

/// The advice for tensors that JSON cannot represent.
pub const RAW_ADVICE: &str = "ask for `Accept: application/octet-stream`";

/// Select the type of the response from `possible`, which has JSON and starts with the preferred type.
///
/// The largest weight wins, then the range that matches most closely, then the order of `possible`. Malformed items of
/// `Accept` are ignored.
///
/// # Errors
/// 406 if `Accept` allows none of them.
pub fn response_type(head: &Head, possible: &[ResponseType]) -> Result<ResponseType, ApiError> {
    let accept = head.headers("accept").collect::<Vec<_>>().join(",");
    if accept.trim().is_empty() {
        return Ok(ResponseType::Json);
    }
    let ranges = ranges(&accept);
    let mut best: Option<(f32, u8, ResponseType)> = None;
    for candidate in possible.iter().copied() {
        // The closest range decides the weight of a type, even if a wider range has a larger one.
        let closest = ranges
            .iter()
            .filter_map(|range| Some((range.closeness(candidate.media_type())?, range.weight)))
            .max_by_key(|(closeness, _)| *closeness);
        let Some((closeness, weight)) = closest else {
            continue;
        };
        let is_better = best.is_none_or(|(best_weight, best_closeness, _)| {
            (weight, closeness) > (best_weight, best_closeness)
        });
        if weight > 0.0 && is_better {
            best = Some((weight, closeness, candidate));
        }
    }
    best.map(|(_, _, candidate)| candidate).ok_or_else(|| {
        ApiError::new(
            ErrorKind::NotAcceptable,
            format!(
                "`Accept` allows no response of this route, expected {}",
                listed(possible.iter().map(|kind| kind.media_type()), "or")
            ),
        )
    })
}

/// Check that `Accept` allows the only media type that the route responds with.
///
/// # Errors
/// 406 if it does not.
pub fn check_acceptable(head: &Head, content_type: &str) -> Result<(), ApiError> {
    let media_type = MediaType::parse(content_type);
    let media_type = media_type.as_ref().map_or(content_type, MediaType::as_str);
    let accept = head.headers("accept").collect::<Vec<_>>().join(",");
    // The closest range decides, even if a wider range has a larger weight.
    let weight = ranges(&accept)
        .iter()
        .filter_map(|range| Some((range.closeness(media_type)?, range.weight)))
        .max_by_key(|(closeness, _)| *closeness)
        .map(|(_, weight)| weight);
    if accept.trim().is_empty() || weight.is_some_and(|weight| weight > 0.0) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::NotAcceptable,
        format!("`Accept` allows no response of this route, expected `{media_type}`"),
    ))
}

/// Whether `Accept` names JSON itself, and not only a range that contains it.
#[must_use]
pub fn names_json(head: &Head) -> bool {
    head.headers("accept").any(|accept| {
        ranges(accept).iter().any(|range| {
            range.weight > 0.0 && range.closeness(ResponseType::Json.media_type()) == Some(2)
        })
    })
}

fn ranges(accept: &str) -> Vec<MediaRange> {
    accept.split(',').filter_map(MediaRange::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept() {
        use ResponseType::{Json, Npy, Raw};
        let cases: [(&[&str], Option<ResponseType>); 20] = [
            (&[], Some(Json)),
            (&[""], Some(Json)),
            (&["*/*"], Some(Json)),
            (&["application/*"], Some(Json)),
            (&["application/json"], Some(Json)),
            (&["Application/X-NPY"], Some(Npy)),
            (&["application/octet-stream"], Some(Raw)),
            (
                &["application/octet-stream;q=0.5, application/x-npy"],
                Some(Npy),
            ),
            (
                &["application/octet-stream", "application/json;q=0.9"],
                Some(Raw),
            ),
            (&["application/octet-stream, */*"], Some(Raw)),
            (&["application/octet-stream;q=0.1, */*"], Some(Json)),
            (&["application/json;q=0, */*"], Some(Npy)),
            (&["text/html,application/xhtml+xml,*/*;q=0.8"], Some(Json)),
            (&["text/html"], None),
            (&["application/json;q=0"], None),
            (&["*/*;q=0"], None),
            (&["application/json;q=x"], None),
            (&["application/json;q=2"], None),
            (&["application/json;q=NaN"], None),
            (&["json"], None),
        ];
        let mut wrong = Vec::new();
        for (values, expected) in cases {
            let headers = values
                .iter()
                .map(|value| ("accept".to_owned(), (*value).to_owned()))
                .collect();
            let actual = response_type(
                &Head::new("POST", "/infer", headers),
                &ResponseType::TENSORS,
            );
            if actual.as_ref().ok() != expected.as_ref() {
                wrong.push((values, actual));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn the_only_media_type_is_acceptable_or_not() {
        let html = "text/html; charset=utf-8";
        let cases = [
            ("", true),
            ("text/html", true),
            ("text/html;q=0.1, */*;q=0", true),
            ("*/*", true),
            ("application/json, text/*", true),
            ("application/json", false),
            ("text/html;q=0, */*", false),
        ];
        for (accept, expected) in cases {
            let head = Head::new("GET", "/", vec![("accept".to_owned(), accept.to_owned())]);
            let actual = check_acceptable(&head, html);
            assert_eq!(actual.is_ok(), expected, "{accept:?}");
        }
    }
}
