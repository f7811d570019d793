//! Headers of MPEG audio, which tell MP3 from data that only begins like it.

/// A layer of MPEG audio.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    One,
    Two,
    Three,
}

/// The properties that all frames of a stream share, and the length of this frame in bytes.
struct Header {
    version: u8,
    layer: Layer,
    rate: u8,
    len: usize,
}

/// Kilobits per second of a bitrate's index (ISO 11172-3, 2.4.2.3; ISO 13818-3, 2.4.2.3). Zero is the free format.
const BITRATES: [[u16; 15]; 5] = [
    [
        0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448,
    ],
    [
        0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384,
    ],
    [
        0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
    ],
    [
        0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256,
    ],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// Whether the data begins with a frame of the layer that others follow: two more, or as many as fit, but at least one.
pub(crate) fn is_frames(bytes: &[u8], layer: Layer) -> bool {
    let Some(first) = header(bytes) else {
        return false;
    };
    let is_next = |header: &Header| {
        header.layer == layer && header.version == first.version && header.rate == first.rate
    };
    let Some(second) = bytes.get(first.len..).and_then(header).filter(is_next) else {
        return false;
    };
    let third = first.len + second.len;
    is_next(&first)
        && (bytes.len() < third + 4
            || bytes
                .get(third..)
                .and_then(header)
                .is_some_and(|it| is_next(&it)))
}

fn header(bytes: &[u8]) -> Option<Header> {
    let [0xff, b, c, _] = *bytes.first_chunk::<4>()? else {
        return None;
    };
    let version = b >> 3 & 3;
    let layer = match b >> 1 & 3 {
        3 => Layer::One,
        2 => Layer::Two,
        1 => Layer::Three,
        _ => return None,
    };
    let (bitrate, rate) = (usize::from(c >> 4), c >> 2 & 3);
    // The version 1 and the rate 3 are reserved.
    if b & 0xe0 != 0xe0 || version == 1 || rate == 3 {
        return None;
    }
    let is_first_version = version == 3;
    let row = match (is_first_version, layer) {
        (true, Layer::One) => 0,
        (true, Layer::Two) => 1,
        (true, Layer::Three) => 2,
        (false, Layer::One) => 3,
        (false, _) => 4,
    };
    let bits_per_second = usize::from(*BITRATES[row].get(bitrate)?) * 1000;
    let halvings = match version {
        3 => 0,
        2 => 1,
        _ => 2,
    };
    let hz = [44100, 48000, 32000][usize::from(rate)] >> halvings;
    let padding = usize::from(c >> 1 & 1);
    let len = match layer {
        Layer::One => (12 * bits_per_second / hz + padding) * 4,
        Layer::Three if !is_first_version => 72 * bits_per_second / hz + padding,
        _ => 144 * bits_per_second / hz + padding,
    };
    // The length of a frame of the free format is not in its header.
    (bits_per_second > 0).then_some(Header {
        version,
        layer,
        rate,
        len,
    })
}

/// Whether the data is AAC in ADTS frames (ISO 13818-7, 6.2): a header with another one where its frame ends.
pub(crate) fn is_adts(bytes: &[u8]) -> bool {
    let len = |bytes: &[u8]| {
        let [0xff, b, c, d, e, f] = *bytes.first_chunk::<6>()? else {
            return None;
        };
        let len = usize::from(d & 3) << 11 | usize::from(e) << 3 | usize::from(f >> 5);
        (b & 0xf6 == 0xf0 && c >> 2 & 15 < 13 && len >= 7).then_some(len)
    };
    len(bytes)
        .and_then(|first| len(bytes.get(first..)?))
        .is_some()
}

/// The data after its ID3v2 tags (id3.org, ID3v2.4.0, section 3.1). A tag may end beyond the data, which is then empty.
pub(crate) fn skip_id3(mut bytes: &[u8]) -> &[u8] {
    while let Some(&[b'I', b'D', b'3', major, minor, flags, s0, s1, s2, s3]) =
        bytes.first_chunk::<10>()
    {
        let size = [s0, s1, s2, s3];
        if major == 0xff || minor == 0xff || size.iter().any(|&byte| byte >= 0x80) {
            break;
        }
        let size = size
            .iter()
            .fold(0, |size, &byte| size << 7 | usize::from(byte));
        let footer = if flags & 0x10 == 0 { 0 } else { 10 };
        bytes = bytes.get(10 + size + footer..).unwrap_or_default();
    }
    bytes
}
