//! The end of a JPEG file.

/// The file up to its end marker, without what follows it, such as the video of a motion photo; `None` if the file is
/// truncated, whose missing pixels the decoder would fill with gray.
///
/// The segments are read one by one: a thumbnail in a segment has an end marker of its own, and bytes behind the end may look
/// like any marker.
pub(super) fn without_trailer(bytes: &[u8]) -> Option<&[u8]> {
    const START_OF_IMAGE: u8 = 0xd8;
    const END_OF_IMAGE: u8 = 0xd9;
    const START_OF_SCAN: u8 = 0xda;
    let mut at = 0;
    let mut has_scan = false;
    loop {
        // Bytes between segments and the compressed data of a scan have no marker: 0xff is followed by 0 there.
        let marker = next_marker(bytes, &mut at)?;
        match marker {
            END_OF_IMAGE => return has_scan.then(|| &bytes[..at]),
            // TEM and the restarts of a scan have no content.
            0x01 | 0xd0..=START_OF_IMAGE => {}
            _ => {
                has_scan |= marker == START_OF_SCAN;
                let length = bytes.get(at..)?.first_chunk::<2>()?;
                at = at.checked_add(usize::from(u16::from_be_bytes(*length)).max(2))?;
            }
        }
    }
}

/// The next marker, and the position behind it.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        *at += bytes.get(*at..)?.iter().position(|byte| *byte == 0xff)?;
        // A marker may be preceded by any number of 0xff.
        let code = bytes.get(*at..)?.iter().position(|byte| *byte != 0xff)?;
        let marker = *bytes.get(*at + code)?;
        *at += code + 1;
        if marker != 0 {
            return Some(marker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCAN: &[u8] = b"\xff\xda\0\x04\x01\x02ab\xff\0c\xff\xd0d";

    fn file(parts: &[&[u8]]) -> Vec<u8> {
        [&[b"\xff\xd8".as_slice()], parts].concat().concat()
    }

    #[test]
    fn the_end_is_that_of_the_image_itself() {
        let thumbnail = b"\xff\xe1\0\x0a\xff\xd8\xff\xda\xff\xd9xx";
        let video = b"\0\0\0\x18ftypmp42\xff\xda\0\0\xff\xd9\xff\xda";
        // Parts, and the number of bytes behind the end; `None` if it is truncated.
        let end = b"\xff\xd9";
        type Case<'a> = (&'a str, Vec<&'a [u8]>, Option<usize>);
        let cases: [Case; 16] = [
            ("alone", vec![SCAN, end], Some(0)),
            ("a video behind", vec![SCAN, end, video], Some(video.len())),
            (
                "another image behind",
                vec![SCAN, end, b"\xff\xd8", SCAN],
                Some(2 + SCAN.len()),
            ),
            ("zeros behind", vec![SCAN, end, &[0; 9]], Some(9)),
            ("a thumbnail", vec![thumbnail, SCAN, end], Some(0)),
            (
                "several scans",
                vec![SCAN, b"\xff\xc4\0\x03x", SCAN, end],
                Some(0),
            ),
            (
                "filled markers",
                vec![b"\xff\xff\xff\xe0\0\x02", SCAN, b"\xff\xff", end],
                Some(0),
            ),
            (
                "bytes between segments",
                vec![b"\xff\xe0\0\x02junk", SCAN, end],
                Some(0),
            ),
            ("no end", vec![SCAN], None),
            (
                "no end, but one in a thumbnail",
                vec![thumbnail, SCAN],
                None,
            ),
            ("no scan", vec![end], None),
            (
                "no scan, but one in a thumbnail",
                vec![thumbnail, end],
                None,
            ),
            ("half an end", vec![SCAN, b"\xff"], None),
            ("an escaped end", vec![SCAN, b"\xff\0\xd9"], None),
            ("a segment without its length", vec![b"\xff\xe0\0"], None),
            (
                "a segment beyond the file",
                vec![b"\xff\xe0\xff\xff", SCAN, end],
                None,
            ),
        ];
        let wrong: Vec<_> = cases
            .iter()
            .filter_map(|(name, parts, behind)| {
                let bytes = file(parts);
                let actual = without_trailer(&bytes).map(|whole| bytes.len() - whole.len());
                (actual != *behind).then_some((name, actual, behind))
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
