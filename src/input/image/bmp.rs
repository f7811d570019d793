//! The headers of BMP files.

use std::borrow::Cow;

/// The length of the file header.
const FILE_HEADER: usize = 14;

/// The lengths of the headers of Windows and OS/2.
const CORE: usize = 12;
const OS2_SHORT: usize = 16;
const INFO: usize = 40;
const OS2: usize = 64;

/// Whether bytes begin as a BMP. Two letters alone would match a raw tensor now and then, so the header must have one of
/// the known lengths too (`BITMAPCOREHEADER` to `BITMAPV5HEADER`, and those of OS/2).
pub(super) fn is_bmp(bytes: &[u8]) -> bool {
    let known = [CORE, OS2_SHORT, INFO, 52, 56, OS2, 108, 124];
    bytes.starts_with(b"BM") && header_length(bytes).is_some_and(|length| known.contains(&length))
}

/// The width and height that the header declares. The height is negative if the rows begin at the top.
pub(super) fn size(bytes: &[u8]) -> Option<(u64, u64)> {
    let fields = bytes.get(FILE_HEADER + 4..)?;
    if header_length(bytes)? == CORE {
        let [width, height] = [fields.get(..2)?, fields.get(2..4)?].map(|field| {
            field
                .first_chunk()
                .map_or(0, |field| u16::from_le_bytes(*field))
        });
        return Some((width.into(), height.into()));
    }
    let [width, height] = [fields.get(..4)?, fields.get(4..8)?].map(|field| {
        let value = field
            .first_chunk()
            .map_or(0, |field| i32::from_le_bytes(*field));
        u64::from(value.unsigned_abs())
    });
    Some((width, height))
}

/// A file with a header that the decoder reads. The headers of OS/2 begin like `BITMAPINFOHEADER`.
pub(super) fn readable(bytes: &[u8]) -> Cow<'_, [u8]> {
    let length = match header_length(bytes) {
        Some(length @ (OS2_SHORT | OS2)) => length,
        _ => return Cow::Borrowed(bytes),
    };
    let parts = bytes
        .get(..FILE_HEADER)
        .zip(bytes.get(FILE_HEADER..FILE_HEADER + length));
    let (Some((file_header, header)), Some(rest)) = (parts, bytes.get(FILE_HEADER + length..))
    else {
        return Cow::Borrowed(bytes);
    };
    let mut info = header.to_vec();
    info.resize(INFO, 0);
    info[..4].copy_from_slice(&[INFO as u8, 0, 0, 0]);
    let offset = file_header[10..]
        .first_chunk()
        .map_or(0, |field| u32::from_le_bytes(*field));
    let offset = offset
        .saturating_add(INFO as u32)
        .saturating_sub(length as u32);
    Cow::Owned([&file_header[..10], &offset.to_le_bytes(), &info, rest].concat())
}

fn header_length(bytes: &[u8]) -> Option<usize> {
    let field = bytes.get(FILE_HEADER..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*field)).ok()
}
