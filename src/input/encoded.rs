//! Files in a request, as they were sent.

/// An image as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedImage {
    /// The place of the image in the request, for messages: empty, or ending with `: `.
    pub place: String,
    /// The bytes of a file.
    pub bytes: Vec<u8>,
}

/// A sound as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedSound {
    /// The place of the sound in the request, for messages: empty, or ending with `: `.
    pub place: String,
    /// The bytes of a file.
    pub bytes: Vec<u8>,
}
