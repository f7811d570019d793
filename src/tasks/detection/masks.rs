//! Masks of detected objects: a sum of prototypes, weighted by the coefficients of a box, cut at the box.

use ndarray::ArrayView3;

use crate::input::image::Placement;
use crate::tasks::masks::{Levels, Mask};

/// The mask of a box in pixels of the image as sent: 255 inside of the object, 0 outside.
///
/// `edges` are left, top, right and bottom in pixels of the image. The prototypes are interpolated bilinearly to the image's
/// size, as Ultralytics does for masks in the image's size.
pub(super) fn mask(
    coefficients: &[f32],
    prototypes: &ArrayView3<'_, f32>,
    edges: [f64; 4],
    placement: &Placement,
) -> Mask {
    let (_, height, width) = prototypes.dim();
    let mut sums = vec![0.0_f32; height * width];
    for (coefficient, prototype) in coefficients.iter().zip(prototypes.outer_iter()) {
        for (sum, value) in sums.iter_mut().zip(prototype) {
            *sum += coefficient * value;
        }
    }
    let levels = Levels::new(&sums, (width, height), placement);
    let mut mask = Mask::empty(placement);
    let clip = |edge: f64, end: u32| edge.clamp(0.0, f64::from(end));
    // A pixel is inside if its index is: `left <= x < right`.
    let columns =
        clip(edges[0], mask.width).ceil() as u32..clip(edges[2], mask.width).ceil() as u32;
    let rows = clip(edges[1], mask.height).ceil() as u32..clip(edges[3], mask.height).ceil() as u32;
    for y in rows {
        for x in columns.clone() {
            if levels.at(x, y) > 0.0 {
                mask.set(x, y, u8::MAX);
            }
        }
    }
    mask
}
