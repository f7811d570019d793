//! Request ids.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

/// The header of the request id, in requests and responses.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Generates ids that are unique across processes.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    /// Random keys turn a counter into an id that no other process generates.
    random: RandomState,
    made: AtomicU64,
}

impl Ids {
    /// The client's id if it is safe to log, else a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(id) = headers.get(HEADER).filter(|id| is_sane(id)) {
            return id.clone();
        }
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:016x}", self.random.hash_one(number));
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("none"))
    }
}

/// The component checks the same rule, since other hosts pass clients' ids through unchecked.
fn is_sane(id: &HeaderValue) -> bool {
    /// A UUID has 36; a trace id with its span has 52.
    const MAX_LEN: usize = 64;
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !id.is_empty() && id.len() <= MAX_LEN && id.as_bytes().iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_ids_are_replaced() {
        let ids = Ids::default();
        let long = "a".repeat(65);
        let cases: [(&[u8], bool); 9] = [
            (b"0b5e5f3e-8a9b-4a3c-9d65-1f0b7a6f2c11", true),
            (b"A.b_c-9", true),
            (&long.as_bytes()[..64], true),
            (long.as_bytes(), false),
            (b"", false),
            (b"a b", false),
            (b"a\tb", false),
            (b"id=7", false),
            (b"\xc3\xa9", false),
        ];
        let mut wrong = Vec::new();
        for (sent, is_kept) in cases {
            let headers = HeaderMap::from_iter([(HEADER, HeaderValue::from_bytes(sent).unwrap())]);
            let id = ids.of(&headers);
            if (id.as_bytes() == sent) != is_kept {
                wrong.push(format!("{:?} became {id:?}", String::from_utf8_lossy(sent)));
            }
            assert!(is_sane(&id), "{id:?}");
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let (first, second) = (ids.of(&HeaderMap::new()), ids.of(&HeaderMap::new()));
        assert_ne!(first, second);
    }
}
