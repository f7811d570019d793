//! Drawing predictions onto an image: masks, outlines, points and captions.
//!
//! The shapes and the fonts are those of the crate `embedded-graphics`.

use std::convert::Infallible;

use embedded_graphics::Drawable;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X13_BOLD, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::primitives::{Circle, Line, Primitive, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Baseline, Text};
use image::ExtendedColorType;

use super::masks::{Mask, png};
use crate::http::error::ApiError;
use crate::http::limits::Limits;
use crate::input::content::EncodedImage;
use crate::input::image::Pixels;
use crate::input::images;

/// A color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Color(pub(super) [u8; 3]);

impl Color {
    /// A color for a class: neighboring classes differ clearly.
    pub(super) fn of_class(index: usize) -> Self {
        let color = colorous::TABLEAU10[index % colorous::TABLEAU10.len()];
        Self(color.as_array())
    }

    fn rgb(self) -> Rgb888 {
        let [red, green, blue] = self.0;
        Rgb888::new(red, green, blue)
    }

    /// Black or white, whichever is easier to read on this color.
    fn contrast(self) -> Rgb888 {
        let [red, green, blue] = self.0.map(u32::from);
        if red * 299 + green * 587 + blue * 114 > 140_000 {
            Rgb888::BLACK
        } else {
            Rgb888::WHITE
        }
    }
}

/// An image that is drawn onto.
pub(super) struct Canvas {
    pixels: Pixels,
}

impl Canvas {
    /// The image of a request, upright and without transparency.
    ///
    /// # Errors
    /// Those of [`images::prepare`].
    pub(super) fn new(image: &EncodedImage, limits: &Limits) -> Result<Self, ApiError> {
        Ok(Self {
            pixels: images::to_rgb(image, limits)?,
        })
    }

    /// The width of lines, in pixels: it grows with the image.
    fn line(&self) -> u32 {
        let edge = self.pixels.width.min(self.pixels.height);
        (edge / 160).clamp(1, 8)
    }

    fn font(&self) -> &'static MonoFont<'static> {
        if self.pixels.width.min(self.pixels.height) < 400 {
            &FONT_6X13_BOLD
        } else {
            &FONT_10X20
        }
    }

    /// Blend a color into the pixels of a mask, by half at the most.
    pub(super) fn blend(&mut self, mask: &Mask, color: Color) {
        let (pixels, _) = self.pixels.data.as_chunks_mut::<3>();
        for (pixel, level) in pixels.iter_mut().zip(&mask.pixels) {
            let weight = u32::from(*level) / 2;
            for (value, color) in pixel.iter_mut().zip(color.0) {
                let mixed = u32::from(*value) * (255 - weight) + u32::from(color) * weight;
                *value = u8::try_from(mixed / 255).unwrap_or(u8::MAX);
            }
        }
    }

    /// Draw the outline of a polygon.
    pub(super) fn polygon(&mut self, corners: &[[f32; 2]], color: Color) {
        let style = PrimitiveStyle::with_stroke(color.rgb(), self.line());
        let ends = corners.iter().cycle().skip(1);
        for (from, to) in corners.iter().zip(ends) {
            let line = Line::new(self.point_of(*from), self.point_of(*to));
            let Ok(()) = line.into_styled(style).draw(self);
        }
    }

    /// Draw a point.
    pub(super) fn point(&mut self, place: [f32; 2], color: Color) {
        let circle = Circle::with_center(self.point_of(place), self.line() * 3 + 1);
        let style = PrimitiveStyle::with_fill(color.rgb());
        let Ok(()) = circle.into_styled(style).draw(self);
    }

    /// Write a caption above a place, or below if there is no room above. Characters beyond Latin-1 become question marks.
    pub(super) fn caption(&mut self, place: [f32; 2], caption: &str, color: Color) {
        let font = self.font();
        let (width, height) = (font.character_size.width, font.character_size.height);
        // A label may be longer than any image is wide.
        let room = (self.pixels.width / width.max(1)) as usize;
        let caption: String = caption.chars().take(room).collect();
        let size = Size::new(caption.chars().count() as u32 * width + 2, height);
        let corner = self.point_of(place);
        let edge = |length: u32| i32::try_from(length).unwrap_or(i32::MAX);
        let top = match corner.y - edge(height) {
            above if above >= 0 => above,
            _ => corner.y,
        };
        let left = corner
            .x
            .min(edge(self.pixels.width) - edge(size.width))
            .max(0);
        let background = Rectangle::new(Point::new(left, top), size);
        let fill = PrimitiveStyle::with_fill(color.rgb());
        let Ok(()) = background.into_styled(fill).draw(self);
        let style = MonoTextStyle::new(font, color.contrast());
        let text = Text::with_baseline(&caption, Point::new(left + 1, top), style, Baseline::Top);
        let Ok(_) = text.draw(self);
    }

    /// The pixel of a place. Places far outside are moved next to the image, since lines are drawn pixel by pixel.
    fn point_of(&self, [x, y]: [f32; 2]) -> Point {
        let near = |value: f32, size: u32| {
            let size = size as f32;
            // `as` is exact enough: the value is within a few image sizes.
            value.round().clamp(-size, 2.0 * size) as i32
        };
        Point::new(near(x, self.pixels.width), near(y, self.pixels.height))
    }

    /// Encode the image as a PNG file.
    pub(super) fn to_png(&self) -> Result<Vec<u8>, ApiError> {
        let size = (self.pixels.width, self.pixels.height);
        png(&self.pixels.data, size, ExtendedColorType::Rgb8)
    }

    /// The image with a mask as its opacity, as a PNG file.
    pub(super) fn cut_out(&self, mask: &Mask) -> Result<Vec<u8>, ApiError> {
        let (pixels, _) = self.pixels.data.as_chunks::<3>();
        let rgba: Vec<u8> = pixels
            .iter()
            .zip(&mask.pixels)
            .flat_map(|([red, green, blue], alpha)| [*red, *green, *blue, *alpha])
            .collect();
        png(
            &rgba,
            (self.pixels.width, self.pixels.height),
            ExtendedColorType::Rgba8,
        )
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.pixels.width, self.pixels.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = embedded_graphics::Pixel<Rgb888>>,
    {
        let (width, height) = (self.pixels.width as usize, self.pixels.height as usize);
        for embedded_graphics::Pixel(point, color) in pixels {
            let (Ok(x), Ok(y)) = (usize::try_from(point.x), usize::try_from(point.y)) else {
                continue;
            };
            if x < width && y < height {
                let place = (y * width + x) * 3;
                self.pixels.data[place..place + 3].copy_from_slice(&[
                    color.r(),
                    color.g(),
                    color.b(),
                ]);
            }
        }
        Ok(())
    }
}
