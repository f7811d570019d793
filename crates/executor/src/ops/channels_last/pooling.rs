//! FP32 pooling, channels last.

use infer_kernels::spec::{Images, Window};

use super::pads::Pads;
use super::{images, shape};
use crate::buffer_pool::scratch;
use crate::error::Result;
use crate::operator::{Inputs, Operator};
use crate::tensor::{Tensor, element_count};

/// The value of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The largest value.
    Max,
    /// The mean of the values.
    Average {
        /// Whether padding counts, as zeros.
        includes_padding: bool,
    },
}

/// Max or average pooling, channels last.
pub struct Pooling {
    /// The value of each window.
    pub kind: Kind,
    /// The window.
    pub window: Window,
    /// How the padding is determined.
    pub pads: Pads,
    /// Whether there is a last window that is only partly in the padded image (`ceil_mode`).
    pub rounds_up: bool,
}

impl Operator for Pooling {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let values = input.elements::<f32>()?;
        let images = images(input)?;
        let mut window = self.pads.fit(self.window, images)?;
        if self.rounds_up && self.pads == Pads::Given {
            extend(&mut window, images);
        }
        let [height, width] = window
            .output([images.height, images.width])
            .unwrap_or_default();
        let result = shape(Images {
            height,
            width,
            ..images
        });
        let mut output = scratch(element_count(&result)?)?;
        if !output.is_empty() && !values.is_empty() {
            let mut pixels = output.chunks_exact_mut(images.channels);
            for image in values.chunks_exact(images.height * images.width * images.channels) {
                for y in 0..height {
                    for x in 0..width {
                        if let Some(pixel) = pixels.next() {
                            self.pixel(&window, images, image, (y, x), pixel);
                        }
                    }
                }
            }
        }
        Ok(vec![Tensor::of(&result, output)?])
    }
}

/// Extends the padding, which counts nothing, so that a last partial window fits. A window that would begin in the padding
/// behind the image is left out.
fn extend(window: &mut Window, images: Images) {
    for (axis, size) in [images.height, images.width].into_iter().enumerate() {
        let inside = size + window.pads_before[axis];
        let reach = window.dilations[axis] * (window.kernel[axis] - 1) + 1;
        let room = (inside + window.pads_after[axis]).saturating_sub(reach);
        let stride = window.strides[axis];
        let last = room.div_ceil(stride).saturating_mul(stride);
        window.pads_after[axis] = match last < inside {
            true => last.saturating_add(reach).saturating_sub(inside),
            // One value less than that window needs.
            false => (last.saturating_add(reach) - 1)
                .saturating_sub(inside)
                .min(window.pads_after[axis]),
        };
    }
}

impl Pooling {
    fn pixel(
        &self,
        window: &Window,
        images: Images,
        image: &[f32],
        (y, x): (usize, usize),
        output: &mut [f32],
    ) {
        let mut count = 0;
        output.fill(match self.kind {
            Kind::Max => f32::NEG_INFINITY,
            Kind::Average { .. } => 0.0,
        });
        for tap_y in 0..window.kernel[0] {
            let Some(line) = window.input(0, y, tap_y, images.height) else {
                continue;
            };
            for tap_x in 0..window.kernel[1] {
                let Some(column) = window.input(1, x, tap_x, images.width) else {
                    continue;
                };
                let values =
                    &image[(line * images.width + column) * images.channels..][..images.channels];
                count += 1;
                match self.kind {
                    // NaN counts as the largest value and stays. Without branches, so that the loop is vectorized.
                    Kind::Max => output.iter_mut().zip(values).for_each(|(largest, &value)| {
                        let is_larger = (value > *largest) | value.is_nan();
                        *largest = if is_larger { value } else { *largest };
                    }),
                    Kind::Average { .. } => {
                        output
                            .iter_mut()
                            .zip(values)
                            .for_each(|(sum, value)| *sum += value);
                    }
                }
            }
        }
        if let Kind::Average { includes_padding } = self.kind {
            let count = if includes_padding {
                window.taps()
            } else {
                count
            };
            let share = 1.0 / (count as f32);
            output.iter_mut().for_each(|sum| *sum *= share);
        }
    }
}

/// The mean of each channel over all pixels.
pub struct GlobalAveragePooling;

impl Operator for GlobalAveragePooling {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let values = input.elements::<f32>()?;
        let images = images(input)?;
        let result = shape(Images {
            height: 1,
            width: 1,
            ..images
        });
        let mut output = scratch(element_count(&result)?)?;
        let pixels = images.height * images.width;
        output.fill(0.0);
        if images.channels > 0 && pixels > 0 {
            let share = 1.0 / (pixels as f32);
            for (image, sums) in values
                .chunks_exact(pixels * images.channels)
                .zip(output.chunks_exact_mut(images.channels))
            {
                for pixel in image.chunks_exact(images.channels) {
                    sums.iter_mut()
                        .zip(pixel)
                        .for_each(|(sum, value)| *sum += value);
                }
                sums.iter_mut().for_each(|sum| *sum *= share);
            }
        } else {
            output.fill(f32::NAN);
        }
        Ok(vec![Tensor::of(&result, output)?])
    }
}
