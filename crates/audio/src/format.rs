//! The formats of encoded sounds, recognized by their first bytes.

use std::fmt;

use crate::mpeg::{self, Layer};

/// A format that [`decode`](crate::decode) supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// RIFF WAVE with PCM of 8 to 32 bits, floats of 32 or 64 bits, A-law or mu-law.
    Wav,
    /// Native FLAC.
    Flac,
    /// MPEG 1, 2 and 2.5 layer III.
    Mp3,
    /// Ogg with Vorbis or FLAC.
    Ogg,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Wav, Self::Flac, Self::Mp3, Self::Ogg];

    /// The formats as a list for messages.
    pub const LIST: &'static str = "WAV, FLAC, MP3, or Ogg with Vorbis or FLAC";

    /// The format's name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wav => "WAV",
            Self::Flac => "FLAC",
            Self::Mp3 => "MP3",
            Self::Ogg => "Ogg",
        }
    }

    /// The media types that clients send for the format. The first one is registered with IANA or the most common.
    pub fn media_types(self) -> &'static [&'static str] {
        match self {
            Self::Wav => &[
                "audio/wav",
                "audio/x-wav",
                "audio/wave",
                "audio/vnd.wave",
                "audio/x-pn-wav",
            ],
            Self::Flac => &["audio/flac", "audio/x-flac"],
            Self::Mp3 => &[
                "audio/mpeg",
                "audio/mp3",
                "audio/mpeg3",
                "audio/x-mpeg-3",
                "audio/x-mp3",
            ],
            Self::Ogg => &[
                "audio/ogg",
                "application/ogg",
                "audio/vorbis",
                "audio/x-vorbis+ogg",
            ],
        }
    }

    /// The format that a media type names, in any case and without parameters, if one does.
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        let is_named = |format: &Self| {
            format
                .media_types()
                .iter()
                .any(|name| name.eq_ignore_ascii_case(media_type))
        };
        Self::ALL.into_iter().find(is_named)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The format of an encoded sound, if it is a supported one.
///
/// The signature of MP3 is only eleven bits, which other data has by chance, such as the values of a tensor. So an MP3
/// needs an ID3 tag, or a plausible header of layer III with two more such headers where its frames end (one more if
/// the file ends there).
pub fn sniff(bytes: &[u8]) -> Option<Format> {
    let tagged = mpeg::skip_id3(bytes);
    let has_tag = tagged.len() < bytes.len();
    if is_riff_wave(bytes) {
        Some(Format::Wav)
    } else if tagged.starts_with(b"fLaC") {
        Some(Format::Flac)
    } else if let Some(packet) = ogg_packet(bytes) {
        (packet.starts_with(b"\x01vorbis") || packet.starts_with(b"\x7fFLAC"))
            .then_some(Format::Ogg)
    } else if mpeg::is_frames(tagged, Layer::Three)
        || (has_tag && sniff_unsupported(bytes).is_none())
    {
        Some(Format::Mp3)
    } else {
        None
    }
}

/// The name of an audio format that [`decode`](crate::decode) recognizes and does not support.
pub fn sniff_unsupported(bytes: &[u8]) -> Option<&'static str> {
    // The next format's signature and its name; all are at the file's start.
    const SIGNATURES: &[(&[u8], &str)] = &[
        (b"ADIF", "AAC"),
        (b"#!AMR", "AMR"),
        (b"#!SILK", "SILK"),
        (
            b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c",
            "WMA",
        ),
        (b"\x1a\x45\xdf\xa3", "WebM or Matroska"),
        (b".snd", "AU"),
        (b"caff\x00\x01", "CAF"),
        (b"wvpk", "WavPack"),
        (b"MAC ", "Monkey's Audio"),
        (b"MThd\x00\x00\x00\x06", "MIDI"),
    ];
    let body = mpeg::skip_id3(bytes);
    if let Some((_, name)) = SIGNATURES
        .iter()
        .find(|(signature, _)| bytes.starts_with(signature))
    {
        return Some(name);
    }
    if let Some(packet) = ogg_packet(bytes) {
        return if packet.starts_with(b"OpusHead") {
            Some("Ogg with Opus")
        } else if packet.starts_with(b"Speex   ") {
            Some("Ogg with Speex")
        } else if packet.starts_with(b"\x01vorbis") || packet.starts_with(b"\x7fFLAC") {
            None
        } else {
            Some("Ogg with an unknown codec")
        };
    }
    match (bytes.get(..4), bytes.get(8..12)) {
        (Some(b"RF64" | b"BW64" | b"RIFX"), Some(b"WAVE")) => {
            return Some("WAV of the kind RF64, BW64 or RIFX");
        }
        (Some(b"FORM"), Some(b"AIFF" | b"AIFC")) => return Some("AIFF"),
        _ => {}
    }
    if bytes.get(4..8) == Some(b"ftyp") && bytes.get(8..11).is_some_and(is_mp4_brand) {
        return Some("MP4 or M4A");
    }
    if mpeg::is_adts(body) {
        return Some("AAC");
    }
    if mpeg::is_frames(body, Layer::One) || mpeg::is_frames(body, Layer::Two) {
        return Some("MPEG audio of layer I or II");
    }
    None
}

/// Images have the same container with other brands.
fn is_mp4_brand(brand: &[u8]) -> bool {
    const BRANDS: [&[u8; 3]; 10] = [
        b"M4A", b"M4B", b"M4V", b"mp4", b"iso", b"das", b"3gp", b"3g2", b"qt ", b"MSN",
    ];
    BRANDS.iter().any(|known| brand == known.as_slice())
}

fn is_riff_wave(bytes: &[u8]) -> bool {
    bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE")
}

/// The start of the first packet of an Ogg stream, whose kind names the codec (RFC 3533, section 6).
fn ogg_packet(bytes: &[u8]) -> Option<&[u8]> {
    let segments = usize::from(*bytes.strip_prefix(b"OggS\0")?.get(21)?);
    bytes.get(27 + segments..)
}
