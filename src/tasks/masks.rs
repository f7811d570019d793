//! Masks and maps in the size of an image: interpolation from a graph's resolution, and PNG files.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::http::error::ApiError;
use crate::input::image::Placement;

/// Eight-bit gray pixels in the size of an image as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mask {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Row by row.
    pub(super) pixels: Vec<u8>,
}

impl Mask {
    /// A mask of zeros in the size of an image.
    pub(super) fn empty(placement: &Placement) -> Self {
        let (width, height) = (placement.width, placement.height);
        Self {
            width,
            height,
            pixels: vec![0; width as usize * height as usize],
        }
    }

    pub(super) fn set(&mut self, x: u32, y: u32, value: u8) {
        let place = y as usize * self.width as usize + x as usize;
        if let Some(pixel) = self.pixels.get_mut(place) {
            *pixel = value;
        }
    }

    /// A PNG file of eight-bit gray in base64.
    pub(super) fn to_base64(&self) -> Result<String, ApiError> {
        let file = png(
            &self.pixels,
            (self.width, self.height),
            ExtendedColorType::L8,
        )?;
        Ok(BASE64_STANDARD.encode(file))
    }
}

/// Encode pixels as a PNG file, fast rather than small.
pub(super) fn png(
    pixels: &[u8],
    (width, height): (u32, u32),
    color: ExtendedColorType,
) -> Result<Vec<u8>, ApiError> {
    let mut file = Vec::new();
    // Masks are flat, and filters cost time on drawings.
    let filter = match color {
        ExtendedColorType::L8 => FilterType::NoFilter,
        _ => FilterType::Sub,
    };
    PngEncoder::new_with_quality(&mut file, CompressionType::Fast, filter)
        .write_image(pixels, width, height, color)
        .map_err(|error| ApiError::internal(format!("encoding a PNG file: {error}")))?;
    Ok(file)
}

/// Values on a grid, interpolated at the pixels of an image.
pub(super) struct Levels<'a> {
    values: &'a [f32],
    columns: usize,
    across: Axis,
    down: Axis,
}

/// The part of an edge of the grid that the image covers, and the scale of the image's pixels to it.
#[derive(Clone, Copy)]
struct Axis {
    /// The first place of the part.
    start: usize,
    /// The last place of the part.
    last: usize,
    /// Where the part begins: between places, if the padding does not end at one.
    offset: f64,
    /// Places of the grid for each pixel of the image.
    scale: f64,
}

impl Axis {
    /// The part of `size` places that covers `from` to `to`, for an image edge of `pixels`.
    fn new(size: usize, from: f64, to: f64, pixels: u32) -> Self {
        let limit = size as f64;
        let (from, to) = (from.clamp(0.0, limit), to.clamp(0.0, limit));
        let start = (from.floor() as usize).min(size.saturating_sub(1));
        let last = (to.ceil() as usize)
            .saturating_sub(1)
            .clamp(start, size.saturating_sub(1));
        Self {
            start,
            last,
            offset: from,
            scale: (to - from).max(0.0) / f64::from(pixels.max(1)),
        }
    }

    /// The place of a pixel's center in the part: half a place is at a place's center.
    fn place(self, pixel: u32) -> f64 {
        self.offset + (f64::from(pixel) + 0.5) * self.scale - 0.5
    }

    fn clamp(self, place: isize) -> usize {
        usize::try_from(place)
            .unwrap_or(0)
            .clamp(self.start, self.last)
    }
}

impl<'a> Levels<'a> {
    /// The values of a grid of `(columns, rows)` that covers the whole input.
    pub(super) fn new(
        values: &'a [f32],
        (columns, rows): (usize, usize),
        placement: &Placement,
    ) -> Self {
        let axis = |size: usize, input: u32, start: f64, scale: f64, pixels: u32| {
            let ratio = size as f64 / f64::from(input);
            let length = f64::from(pixels) * scale;
            Axis::new(size, start * ratio, (start + length) * ratio, pixels)
        };
        Self {
            values,
            columns,
            across: axis(
                columns,
                placement.input_width,
                placement.left,
                placement.scale_x,
                placement.width,
            ),
            down: axis(
                rows,
                placement.input_height,
                placement.top,
                placement.scale_y,
                placement.height,
            ),
        }
    }

    fn value(&self, column: usize, row: usize) -> f32 {
        let place = row * self.columns + column;
        self.values.get(place).copied().unwrap_or(0.0)
    }

    /// The bilinear value at a pixel of the image, as torch's `interpolate` computes it without aligned corners.
    pub(super) fn at(&self, x: u32, y: u32) -> f32 {
        let tap = |axis: Axis, pixel: u32| {
            let place = axis.place(pixel).max(axis.start as f64);
            let floor = place.floor();
            let first = axis.clamp(floor as isize);
            (
                first,
                axis.clamp(first as isize + 1),
                (place - floor) as f32,
            )
        };
        let (left, right, across) = tap(self.across, x);
        let (above, below, down) = tap(self.down, y);
        let row =
            |row: usize| self.value(left, row) * (1.0 - across) + self.value(right, row) * across;
        row(above) * (1.0 - down) + row(below) * down
    }

    /// The bicubic value at a pixel of the image, as torch's `interpolate` computes it without aligned corners.
    pub(super) fn bicubic(&self, x: u32, y: u32) -> f32 {
        let taps = |axis: Axis, pixel: u32| {
            let place = axis.place(pixel);
            let floor = place.floor();
            let weights = cubic((place - floor) as f32);
            let first = floor as isize - 1;
            std::array::from_fn::<_, 4, _>(|tap| (axis.clamp(first + tap as isize), weights[tap]))
        };
        let across = taps(self.across, x);
        let row = |row: usize| -> f32 {
            across
                .iter()
                .map(|(column, weight)| self.value(*column, row) * weight)
                .sum()
        };
        taps(self.down, y)
            .iter()
            .map(|(place, weight)| row(*place) * weight)
            .sum()
    }
}

/// The weights of cubic convolution with the coefficient -0.75, for the four places around a fraction.
fn cubic(fraction: f32) -> [f32; 4] {
    const A: f32 = -0.75;
    let near = |distance: f32| ((A + 2.0) * distance - (A + 3.0)) * distance * distance + 1.0;
    let far = |distance: f32| ((A * distance - 5.0 * A) * distance + 8.0 * A) * distance - 4.0 * A;
    [
        far(fraction + 1.0),
        near(fraction),
        near(1.0 - fraction),
        far(2.0 - fraction),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_is_interpolated_as_torch_does() {
        let placement = Placement {
            width: 4,
            height: 2,
            input_width: 2,
            input_height: 2,
            scale_x: 0.5,
            scale_y: 1.0,
            left: 0.0,
            top: 0.0,
        };
        let levels = Levels::new(&[0.0, 1.0, 2.0, 3.0], (2, 2), &placement);
        let row = |y| -> Vec<f32> { (0..4).map(|x| levels.at(x, y)).collect() };
        // torch.nn.functional.interpolate(t, size=(2, 4), mode="bilinear", align_corners=False)
        assert_eq!(row(0), [0.0, 0.25, 0.75, 1.0]);
        assert_eq!(row(1), [2.0, 2.25, 2.75, 3.0]);
        // The same with mode="bicubic".
        let cubic: Vec<f32> = (0..4).map(|x| levels.bicubic(x, 0)).collect();
        let expected = [-0.105_468_75, 0.226_562_5, 0.773_437_5, 1.105_468_8];
        for (actual, expected) in cubic.iter().zip(expected) {
            assert!((actual - expected).abs() < 1e-5, "{cubic:?}");
        }
    }

    #[test]
    fn padding_is_no_part_of_the_image() {
        // An image of 4x2 in a letterbox of 4x4: the grid's first and last rows are padding.
        let placement = Placement {
            width: 4,
            height: 2,
            input_width: 4,
            input_height: 4,
            scale_x: 1.0,
            scale_y: 1.0,
            left: 0.0,
            top: 1.0,
        };
        let rows = [9.0_f32, 1.0, 2.0, 9.0];
        let values: Vec<f32> = rows.iter().flat_map(|value| [*value; 4]).collect();
        let levels = Levels::new(&values, (4, 4), &placement);
        assert_eq!(levels.at(0, 0), 1.0);
        assert_eq!(levels.at(3, 1), 2.0);
    }

    #[test]
    fn a_mask_is_a_gray_png() {
        let mut mask = Mask::empty(&Placement::of_input(3, 2));
        mask.set(2, 1, 200);
        mask.set(3, 2, 255);
        let file = BASE64_STANDARD.decode(mask.to_base64().unwrap()).unwrap();
        let decoded = image::load_from_memory(&file).unwrap();
        assert_eq!(decoded.color(), image::ColorType::L8);
        assert_eq!(decoded.into_bytes(), [0, 0, 0, 0, 0, 200]);
    }
}
