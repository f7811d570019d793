//! The place of an image in the input of a model, to convert places in the input to places in the image.

/// The size of an image as sent, and where its pixels are in the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// The width of the image as sent, upright, in pixels.
    pub width: u32,
    /// The height of the image as sent, upright, in pixels.
    pub height: u32,
    /// The width of the input, in pixels.
    pub input_width: u32,
    /// The height of the input, in pixels.
    pub input_height: u32,
    /// Pixels of the input for each pixel of the image, across.
    pub scale_x: f64,
    /// Pixels of the input for each pixel of the image, down.
    pub scale_y: f64,
    /// The image's left edge in the input, in pixels; negative if it is cropped.
    pub left: f64,
    /// The image's upper edge in the input, in pixels; negative if it is cropped.
    pub top: f64,
}

impl Placement {
    /// The placement of an input that was sent as a tensor: it is the image.
    #[must_use]
    pub fn of_input(width: u32, height: u32) -> Self {
        Self {
            width,
            height,
            input_width: width,
            input_height: height,
            scale_x: 1.0,
            scale_y: 1.0,
            left: 0.0,
            top: 0.0,
        }
    }

    /// The place in the image of a place in the input, in pixels, which may be outside of the image.
    #[must_use]
    pub fn to_image(&self, x: f64, y: f64) -> (f64, f64) {
        (
            (x - self.left) / self.scale_x,
            (y - self.top) / self.scale_y,
        )
    }

    /// The place moved to the image's nearest edge, if it is outside.
    #[must_use]
    pub fn clip(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (
            x.clamp(0.0, f64::from(self.width)),
            y.clamp(0.0, f64::from(self.height)),
        )
    }
}
