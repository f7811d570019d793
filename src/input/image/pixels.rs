//! Decoded images.

/// Eight-bit pixels in shape `[height, width, channels]`, with 1 channel (gray) or 3 (RGB).
#[derive(Debug)]
pub(crate) struct Pixels {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: usize,
    pub(crate) data: Vec<u8>,
}
