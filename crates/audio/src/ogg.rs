//! The pages of an Ogg file (RFC 3533, section 6), checked before the library sees them.

use symphonia::core::checksum::Crc32;
use symphonia::core::io::Monitor;

use crate::{AudioError, Format, vorbis};

const HEADER_LEN: usize = 27;
const CONTINUED: u8 = 1;
const BEGIN: u8 = 2;

/// The whole pages of an Ogg file that has one stream.
///
/// The library resumes behind damaged data, and panics at some Vorbis setup headers. So every packet is checked, which
/// needs pages without gaps, with right checksums, and of one stream: then the library finds the same packets.
///
/// # Errors
///
/// [`AudioError`] if the pages are damaged or belong to several streams, or a Vorbis setup header is invalid.
pub(crate) fn pages(bytes: &[u8]) -> Result<&[u8], AudioError> {
    let damaged = |reason: String| AudioError::Damaged {
        format: Format::Ogg,
        reason,
    };
    let mut start = 0;
    let mut serial = None;
    // The packet that the next page continues.
    let mut open: Option<Vec<u8>> = None;
    while let Some(header) = bytes[start..].first_chunk::<HEADER_LEN>() {
        let (flags, segments) = (header[5], usize::from(header[26]));
        if !header.starts_with(b"OggS\0") {
            return Err(damaged(format!("expected a page at byte {start}")));
        }
        let Some(table) = bytes[start + HEADER_LEN..].get(..segments) else {
            break;
        };
        let body = start + HEADER_LEN + segments;
        let body_len: usize = table.iter().map(|&len| usize::from(len)).sum();
        let Some(mut rest) = bytes[body..].get(..body_len) else {
            break;
        };
        if checksum(&bytes[start..body + body_len]) != header[22..26] {
            return Err(damaged(format!(
                "the checksum of the page at byte {start} is wrong"
            )));
        }
        let first = *serial.get_or_insert(&header[14..18]);
        if *first != header[14..18] || (flags & BEGIN != 0) != (start == 0) {
            let reason = "expected one stream, got several".to_owned();
            return Err(AudioError::UnsupportedFeature {
                format: Format::Ogg,
                reason,
            });
        }
        if (flags & CONTINUED != 0) != open.is_some() {
            return Err(damaged(format!(
                "a packet is incomplete before byte {start}"
            )));
        }
        // A packet ends with a segment that is not full.
        for &len in table {
            let (segment, others) = rest.split_at(usize::from(len));
            rest = others;
            let mut packet = open.take().unwrap_or_default();
            packet.extend_from_slice(segment);
            if len == u8::MAX {
                open = Some(packet);
            } else if let Some(setup) = packet.strip_prefix(b"\x05vorbis") {
                vorbis::check_setup(setup)
                    .map_err(|reason| damaged(format!("the Vorbis setup header {reason}")))?;
            }
        }
        start = body + body_len;
    }
    if start == 0 {
        return Err(damaged("it ends too early".to_owned()));
    }
    Ok(&bytes[..start])
}

/// The checksum of a page, in which its own place counts as zeros.
fn checksum(page: &[u8]) -> [u8; 4] {
    let mut crc = Crc32::new(0);
    crc.process_buf_bytes(&page[..22]);
    crc.process_buf_bytes(&[0; 4]);
    crc.process_buf_bytes(&page[26..]);
    crc.crc().to_le_bytes()
}
