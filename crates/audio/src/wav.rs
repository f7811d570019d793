//! The header of a WAV file, checked against the limits and the length of the file.

use std::borrow::Cow;

use crate::{AudioError, Format, MAX_CHANNELS};

/// Programs that write to a pipe do not know the length and declare one of at least this.
const STREAMED: u32 = 0x7fff_0000;

/// The start of the WAV file with right lengths, if they are wrong because the file was streamed. The rest of the file
/// begins after as many bytes.
///
/// # Errors
///
/// [`AudioError`] if the file has too many channels, or ends before the samples that it declares.
pub(crate) fn header(bytes: &[u8]) -> Result<Cow<'_, [u8]>, AudioError> {
    let mut offset = 12;
    while let Some(&[a, b, c, d, s0, s1, s2, s3]) =
        bytes.get(offset..).and_then(<[u8]>::first_chunk::<8>)
    {
        let declared = u32::from_le_bytes([s0, s1, s2, s3]);
        let start = offset + 8;
        let available = bytes.len() - start;
        let is_whole = usize::try_from(declared).is_ok_and(|declared| declared <= available);
        if [a, b, c, d] == *b"fmt "
            && let Some(&[_, _, low, high]) = bytes[start..].first_chunk::<4>()
        {
            let channels = usize::from(u16::from_le_bytes([low, high]));
            if channels > MAX_CHANNELS {
                return Err(AudioError::TooManyChannels { channels });
            }
        }
        if [a, b, c, d] != *b"data" {
            if !is_whole {
                break;
            }
            // A chunk of odd length is followed by a byte of padding. What is whole fits into a usize.
            offset = start + declared as usize + (declared % 2) as usize;
            continue;
        }
        return match u32::try_from(available) {
            _ if is_whole => Ok(Cow::Borrowed(&[])),
            Ok(available) if declared >= STREAMED => {
                let mut header = bytes[..start].to_vec();
                header[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
                header[start - 4..].copy_from_slice(&available.to_le_bytes());
                Ok(Cow::Owned(header))
            }
            _ => {
                let reason = format!("expected {declared} bytes of samples, got {available}");
                Err(AudioError::Damaged {
                    format: Format::Wav,
                    reason,
                })
            }
        };
    }
    // The decoder says what is missing.
    Ok(Cow::Borrowed(&[]))
}
