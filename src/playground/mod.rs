//! The page to try a model in, as plain files in the component. Nothing of it is made at run time: what
//! models there are, the page reads in `/openapi.json`.

use crate::http::request::Head;
use crate::http::response::Response;

/// A file that a browser is given.
#[derive(Debug, PartialEq, Eq)]
pub struct Asset {
    path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    body: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

static ASSETS: [Asset; 13] = [
    asset_of("/", HTML, include_str!("page.html")),
    asset_of("/playground/page.js", JS, include_str!("page.js")),
    asset_of("/playground/sources.js", JS, include_str!("sources.js")),
    asset_of("/playground/sound.js", JS, include_str!("sound.js")),
    asset_of("/playground/fields.js", JS, include_str!("fields.js")),
    asset_of("/playground/elements.js", JS, include_str!("elements.js")),
    asset_of("/playground/result.js", JS, include_str!("result.js")),
    asset_of("/playground/views.js", JS, include_str!("views.js")),
    asset_of("/playground/snippets.js", JS, include_str!("snippets.js")),
    asset_of("/playground/style.css", CSS, include_str!("style.css")),
    asset_of(
        "/playground/icon.svg",
        "image/svg+xml",
        include_str!("icon.svg"),
    ),
    asset_of(
        "/playground/reference",
        HTML,
        include_str!("reference.html"),
    ),
    asset_of("/playground/reference.js", JS, include_str!("reference.js")),
];

/// What the page may do: load and ask what its own origin has, show pictures that it made itself, and
/// nothing else. No script and no style stands in the markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      connect-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const fn asset_of(path: &'static str, media_type: &'static str, body: &'static str) -> Asset {
    Asset {
        path,
        media_type,
        body,
    }
}

/// The asset of a path.
#[must_use]
pub fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

/// Whether the client says that it has this very file (RFC 9110, section 13.1.2).
#[must_use]
pub fn is_known(head: &Head, asset: &Asset) -> bool {
    let tag = asset.tag();
    head.headers("if-none-match")
        .flat_map(|value| value.split(','))
        .any(|known| known.trim() == tag || known.trim() == "*")
}

/// The file, or that the client's own is still right.
#[must_use]
pub fn respond(asset: &Asset, is_known: bool) -> Response {
    let response = if is_known {
        Response::new(304, asset.media_type, Vec::new())
    } else {
        Response::new(200, asset.media_type, asset.body.into())
    };
    response
        .with("ETag", asset.tag())
        // Another build may have another page: a browser asks each time, and mostly is told 304.
        .with("Cache-Control", "no-cache")
        .with("Content-Security-Policy", POLICY)
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer")
}

impl Asset {
    /// Weak, since the bytes that are sent may be compressed.
    fn tag(&self) -> String {
        format!("W/\"{:016x}\"", fnv1a(self.body.as_bytes()))
    }
}

/// FNV-1a: it tells versions of a file apart, and needs no more than that.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_page_is_small() {
        let bytes: usize = ASSETS.iter().map(|asset| asset.body.len()).sum();
        assert!(bytes < 100_000, "{bytes} bytes");
    }

    #[test]
    fn everything_that_the_pages_name_is_there() {
        let mut named = 0;
        for asset in &ASSETS {
            for part in asset.body.split(['"', '\'']) {
                if part.starts_with("/playground/") {
                    named += 1;
                    assert!(super::asset(part).is_some(), "{}: {part}", asset.path);
                }
            }
        }
        assert!(named >= ASSETS.len(), "{named}");
    }

    #[test]
    fn the_policy_allows_nothing_in_the_markup() {
        assert!(!POLICY.contains("unsafe"));
        for asset in ASSETS.iter().filter(|asset| asset.media_type == HTML) {
            for wrong in ["<style", " style=", " onclick=", " onload=", "javascript:"] {
                assert!(!asset.body.contains(wrong), "{}: {wrong}", asset.path);
            }
            let scripts = asset.body.matches("<script").count();
            let sourced = asset.body.matches("<script type=\"module\" src=\"").count();
            assert_eq!(scripts, sourced, "{}", asset.path);
        }
    }
}
