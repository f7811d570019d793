//! Image formats that are not decoded, detected by the first bytes of a file, so that an error can name them.

/// A format that is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The name of the format.
    pub name: &'static str,
    /// Whether the signature is so short that a tensor may begin with it by chance.
    pub is_uncertain: bool,
}

/// Detect a format that is not decoded.
#[must_use]
pub fn unsupported(bytes: &[u8]) -> Option<Unsupported> {
    let certain = |name| Unsupported {
        name,
        is_uncertain: false,
    };
    /// The signatures of formats, at the beginning of a file.
    const SIGNATURES: [(&[u8], &str); 19] = [
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"II+\0", "TIFF"),
        (b"MM\0+", "TIFF"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x4f\xff\x51", "JPEG 2000"),
        (b"8BPS\0\x01", "PSD"),
        (b"8BPS\0\x02", "PSD"),
        (b"%PDF-", "PDF"),
        (b"\x76\x2f\x31\x01", "OpenEXR"),
        (b"#?RADIANCE", "Radiance HDR"),
        (b"qoif", "QOI"),
        (b"DDS ", "DDS"),
        (b"P4\n", "PNM"),
        (b"P5\n", "PNM"),
        (b"P6\n", "PNM"),
        (b"P7\n", "PNM"),
        (b"\x1aE\xdf\xa3", "Matroska or WebM video"),
    ];
    let signature = SIGNATURES
        .iter()
        .find(|(signature, _)| bytes.starts_with(signature));
    if let Some((_, name)) = signature {
        return Some(certain(name));
    }
    if let Some(name) = of_boxes(bytes) {
        return Some(certain(name));
    }
    if is_icon(bytes) {
        return Some(certain("ICO"));
    }
    if is_svg(bytes) {
        return Some(certain("SVG"));
    }
    bytes.starts_with(&[0xff, 0x0a]).then_some(Unsupported {
        name: "JPEG XL",
        is_uncertain: true,
    })
}

/// The format of a file of ISO's base media boxes, by the brands of its first box.
fn of_boxes(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(4..8)? != b"ftyp" {
        return None;
    }
    let length = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    let content = bytes.get(8..length.min(bytes.len()))?;
    let (brands, _) = content.as_chunks::<4>();
    // The second field is a version.
    let brands = brands.iter().enumerate().filter(|(index, _)| *index != 1);
    let has = |wanted: &[&[u8; 4]]| {
        brands
            .clone()
            .any(|(_, brand)| wanted.iter().any(|known| **known == *brand))
    };
    Some(if has(&[b"avif", b"avis"]) {
        "AVIF"
    } else if has(&[
        b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs",
    ]) {
        "HEIC"
    } else if has(&[b"mif1", b"msf1", b"mif2", b"miaf"]) {
        "HEIF"
    } else if has(&[b"jxl "]) {
        "JPEG XL"
    } else if has(&[b"jp2 ", b"jpx ", b"jpm ", b"mjp2"]) {
        "JPEG 2000"
    } else {
        "MP4 or QuickTime video"
    })
}

/// Whether bytes are an icon or a cursor of Windows. The first four bytes are a plausible number, so the first entry must fit
/// too.
fn is_icon(bytes: &[u8]) -> bool {
    let number = |at: usize| {
        let field = bytes.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*field) as usize)
    };
    let check = || {
        let is_signed = matches!(bytes.get(..4)?, [0, 0, 1 | 2, 0]);
        let count = usize::from(u16::from_le_bytes(*bytes.get(4..)?.first_chunk()?));
        let reserved = *bytes.get(9)?;
        let (size, offset) = (number(14)?, number(18)?);
        let directory = 6 + 16 * count;
        let is_inside = size > 0 && offset >= directory && offset < bytes.len();
        Some(is_signed && count > 0 && reserved == 0 && is_inside)
    };
    check().unwrap_or(false)
}

/// Whether bytes are an SVG: the first element is `svg`, behind a byte order mark, declarations and comments.
fn is_svg(bytes: &[u8]) -> bool {
    /// Longer prologs are not searched.
    const PROLOG: usize = 4096;
    let start = &bytes[..bytes.len().min(PROLOG)];
    let mut rest = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    loop {
        rest = rest.trim_ascii_start();
        let end: &[u8] = if rest.starts_with(b"<!--") {
            b"-->"
        } else if rest.starts_with(b"<?") {
            b"?>"
        } else if rest.starts_with(b"<!") {
            b">"
        } else {
            break;
        };
        let at = rest.windows(end.len()).position(|window| window == end);
        let Some(after) = at.and_then(|at| rest.get(at + end.len()..)) else {
            return false;
        };
        rest = after;
    }
    let Some(name) = rest.strip_prefix(b"<") else {
        return false;
    };
    let end = name
        .iter()
        .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'));
    let name = &name[..end.unwrap_or(name.len())];
    name == b"svg" || name.ends_with(b":svg")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(brands: &[&str]) -> Vec<u8> {
        let content = format!("ftyp{}\0\0\0\0{}", brands[0], brands[1..].concat());
        let mut bytes = (content.len() as u32 + 4).to_be_bytes().to_vec();
        bytes.extend(content.bytes());
        bytes.extend(b"\0\0\0\x08mdat avif heic");
        bytes
    }

    /// An icon with these first bytes, one entry and a content.
    fn icon(signature: &[u8], offset: u8) -> Vec<u8> {
        let entry = [16, 16, 0, 0, 1, 0, 32, 0, 4, 0, 0, 0, offset, 0, 0, 0];
        [signature, &[1, 0], &entry, b"data"].concat()
    }

    #[test]
    fn formats_that_are_not_decoded_have_their_names() {
        let svg = |text: &str| text.as_bytes().to_vec();
        let cases: Vec<(Vec<u8>, Option<&str>)> = vec![
            (boxes(&["avif", "mif1"]), Some("AVIF")),
            (boxes(&["mif1", "miaf", "avif"]), Some("AVIF")),
            (boxes(&["avis"]), Some("AVIF")),
            (boxes(&["heic", "mif1"]), Some("HEIC")),
            (boxes(&["mif1", "heic"]), Some("HEIC")),
            (boxes(&["mif1"]), Some("HEIF")),
            (boxes(&["msf1", "iso8"]), Some("HEIF")),
            (boxes(&["isom", "mp42"]), Some("MP4 or QuickTime video")),
            (b"\0\0\0\x18ftypheic".to_vec(), Some("HEIC")),
            (b"II*\0\x08\0\0\0".to_vec(), Some("TIFF")),
            (b"MM\0*\0\0\0\x08".to_vec(), Some("TIFF")),
            (b"MM\0+\0\x08\0\0".to_vec(), Some("TIFF")),
            (b"\0\0\0\x0cJXL \r\n\x87\n".to_vec(), Some("JPEG XL")),
            (b"\xff\x0a\xfa\x1f".to_vec(), Some("JPEG XL")),
            (b"\0\0\0\x0cjP  \r\n\x87\n".to_vec(), Some("JPEG 2000")),
            (b"\xff\x4f\xff\x51\0".to_vec(), Some("JPEG 2000")),
            (b"8BPS\0\x01\0\0".to_vec(), Some("PSD")),
            (b"%PDF-1.7\n".to_vec(), Some("PDF")),
            (icon(&[0, 0, 1, 0], 22), Some("ICO")),
            (icon(&[0, 0, 2, 0], 22), Some("ICO")),
            (svg("<svg/>"), Some("SVG")),
            (svg("\u{feff} \n<svg width='1'>"), Some("SVG")),
            (
                svg("<?xml version='1.0'?>\n<!-- a > b --><!DOCTYPE svg PUBLIC 'x'>\n<svg>"),
                Some("SVG"),
            ),
            (svg("<s:svg xmlns:s='x'>"), Some("SVG")),
            // Nothing of the kind.
            (vec![], None),
            (vec![0; 512], None),
            (icon(&[0, 0, 1, 0], 5), None),
            (icon(&[0, 0, 1, 0], 200), None),
            (icon(&[0, 0, 3, 0], 22), None),
            ([65_536_i32.to_le_bytes(); 16].concat(), None),
            (b"\0\0\x18ftypheic".to_vec(), None),
            (b"II*".to_vec(), None),
            (b"8BPS\0\x03".to_vec(), None),
            (svg("<html><svg>"), None),
            (svg("<svgx>"), None),
            (svg("<!-- <svg>"), None),
            (svg("svg"), None),
            (svg("%PDF"), None),
            (b"\xff\xd8\xff\xe0".to_vec(), None),
            (b"\x89PNG\r\n\x1a\n".to_vec(), None),
            ([0.5_f32.to_le_bytes(); 64].concat(), None),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .map(|(bytes, expected)| {
                let actual = unsupported(bytes).map(|found| found.name);
                (String::from_utf8_lossy(bytes), *expected, actual)
            })
            .filter(|(_, expected, actual)| expected != actual)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
