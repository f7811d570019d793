//! Which kind of answer a client wants: the header `Accept`.

use crate::http::error::{ApiError, ErrorKind, listed};
use crate::http::media_type::{MediaRange, MediaType};
use crate::http::request::Head;

/// A kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerType {
    /// Everything, `application/json`.
    Json,
    /// The first output as a NumPy array, `application/x-npy`.
    Npy,
    /// The first output's bytes, `application/octet-stream`.
    Raw,
}

impl AnswerType {
    /// In the order in which equal wishes are served.
    pub const ALL: [Self; 3] = [Self::Json, Self::Npy, Self::Raw];

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Npy => "application/x-npy",
            Self::Raw => "application/octet-stream",
        }
    }
}

/// Pick the answer's kind among those that are possible, in the order in which equal wishes are served
/// (JSON is one of them): the largest weight, then the one that is named most closely.
/// Items that are malformed are passed over.
///
/// # Errors
/// 406 when nothing that there is is acceptable.
pub fn answer_type(head: &Head, possible: &[AnswerType]) -> Result<AnswerType, ApiError> {
    let accept = head.headers("accept").collect::<Vec<_>>().join(",");
    if accept.trim().is_empty() {
        return Ok(AnswerType::Json);
    }
    let ranges = ranges(&accept);
    let mut best: Option<(f32, u8, AnswerType)> = None;
    for answer in possible.iter().copied() {
        // The closest range decides a type's weight, whatever a wider one says.
        let closest = ranges
            .iter()
            .filter_map(|range| Some((range.closeness(answer.media_type())?, range.weight)))
            .max_by_key(|(closeness, _)| *closeness);
        let Some((closeness, weight)) = closest else {
            continue;
        };
        let is_better = best.is_none_or(|(best_weight, best_closeness, _)| {
            (weight, closeness) > (best_weight, best_closeness)
        });
        if weight > 0.0 && is_better {
            best = Some((weight, closeness, answer));
        }
    }
    best.map(|(_, _, answer)| answer).ok_or_else(|| {
        ApiError::new(
            ErrorKind::NotAcceptable,
            format!(
                "`Accept` allows none of the answers that there are: {}",
                listed(possible.iter().map(|kind| kind.media_type()), "and")
            ),
        )
    })
}

/// Check that a client takes the one kind of answer that there is.
///
/// # Errors
/// 406 when it does not.
pub fn check_acceptable(head: &Head, content_type: &str) -> Result<(), ApiError> {
    let media_type = MediaType::parse(content_type);
    let media_type = media_type.as_ref().map_or(content_type, MediaType::as_str);
    let accept = head.headers("accept").collect::<Vec<_>>().join(",");
    // The closest range decides, whatever a wider one says.
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
        format!("`Accept` allows none of the answers that there are: `{media_type}`"),
    ))
}

/// Whether a client names JSON itself, and not only by a range that it falls in.
#[must_use]
pub fn names_json(head: &Head) -> bool {
    head.headers("accept").any(|accept| {
        ranges(accept).iter().any(|range| {
            range.weight > 0.0 && range.closeness(AnswerType::Json.media_type()) == Some(2)
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
        use AnswerType::{Json, Npy, Raw};
        let cases: [(&[&str], Option<AnswerType>); 20] = [
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
            let came = answer_type(&Head::new("POST", "/infer", headers), &AnswerType::ALL);
            if came.as_ref().ok() != expected.as_ref() {
                wrong.push((values, came));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn one_kind_of_answer_is_acceptable_or_not() {
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
            let came = check_acceptable(&head, html);
            assert_eq!(came.is_ok(), expected, "{accept:?}");
        }
    }
}
