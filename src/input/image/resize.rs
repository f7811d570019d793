//! An image is resized to the model's size, with the filters of [`pillow`] or [`opencv`].

use infer_model_card::{Crop, Filter, ImageSpec, ResizeMode};

use super::error::ImageError;
use super::pixels::Pixels;
use super::placement::Placement;
use super::{opencv, pillow};

/// Resize, crop and pad an image to the card's width and height.
///
/// # Errors
/// The image is so elongated that an intermediate image would have too many pixels.
pub(super) fn fit(
    pixels: Pixels,
    spec: &ImageSpec,
    max_pixels: u64,
) -> Result<(Pixels, Placement), ImageError> {
    let from = (pixels.width, pixels.height);
    let target = spec.size_for(from.0, from.1);
    let size = match spec.resize {
        ResizeMode::Stretch => (
            spec.resize_width.unwrap_or(spec.width),
            spec.resize_height.unwrap_or(spec.height),
        ),
        ResizeMode::Edges | ResizeMode::Closest => target,
        // The shortest edge has the length of a square's edge, if the image covers the square.
        ResizeMode::ShortestEdge => {
            let covered = spec.shortest_edge.map_or(target, |edge| (edge, edge));
            covering_size(&pixels, covered)
        }
        ResizeMode::Pad => inner_size(&pixels, target),
        ResizeMode::Letterbox => letterbox_size(from, target),
        ResizeMode::None => (pixels.width, pixels.height),
    };
    let scaled = resize(pixels, size, spec.filter, max_pixels)?;
    let (columns, rows) = match spec.resize {
        ResizeMode::Letterbox => (
            letterbox_overlap(size.0, target.0),
            letterbox_overlap(size.1, target.1),
        ),
        _ => (
            overlap(size.0, target.0, spec.crop),
            overlap(size.1, target.1, spec.crop),
        ),
    };
    let offset = |edge: &Overlap| edge.to as f64 - edge.from as f64;
    let placement = Placement {
        width: from.0,
        height: from.1,
        input_width: target.0,
        input_height: target.1,
        scale_x: f64::from(size.0) / f64::from(from.0),
        scale_y: f64::from(size.1) / f64::from(from.1),
        left: offset(&columns),
        top: offset(&rows),
    };
    if (scaled.width, scaled.height) == target {
        return Ok((scaled, placement));
    }
    let fill = match spec.resize {
        ResizeMode::Letterbox => LETTERBOX_GRAY,
        _ => 0,
    };
    Ok((place(&scaled, target, &columns, &rows, fill), placement))
}

/// The gray of Ultralytics' padding.
const LETTERBOX_GRAY: u8 = 114;

/// The smaller of the two ratios of the target's edges to the image's.
fn letterbox_ratio((width, height): (u32, u32), target: (u32, u32)) -> f64 {
    let across = f64::from(target.0) / f64::from(width);
    let down = f64::from(target.1) / f64::from(height);
    across.min(down)
}

/// The image's size in a letterbox: halves are rounded to even, as Python does; each edge is at least 1.
fn letterbox_size(from: (u32, u32), target: (u32, u32)) -> (u32, u32) {
    let ratio = letterbox_ratio(from, target);
    let edge = |from: u32, target: u32| {
        let rounded = (f64::from(from) * ratio).round_ties_even();
        // `as` is exact: the value is between 1 and the target.
        rounded.clamp(1.0, f64::from(target)) as u32
    };
    (edge(from.0, target.0), edge(from.1, target.1))
}

/// The place of an edge in a letterbox: `round(padding / 2 - 0.1)`.
fn letterbox_overlap(size: u32, target: u32) -> Overlap {
    Overlap {
        from: 0,
        // An odd pixel of padding comes last: (2k + 1) / 2 - 0.1 rounds to k.
        to: (target.saturating_sub(size) / 2) as usize,
        length: size.min(target) as usize,
    }
}

/// The smallest size of the same proportions that covers `target`: one edge is the target's, the other is rounded down,
/// as in torchvision's `Resize`.
fn covering_size(pixels: &Pixels, (width, height): (u32, u32)) -> (u32, u32) {
    let (from_width, from_height) = (u64::from(pixels.width), u64::from(pixels.height));
    let (to_width, to_height) = (u64::from(width), u64::from(height));
    // Compared as fractions: to_width / from_width > to_height / from_height.
    if to_width * from_height > to_height * from_width {
        (width, clamp(to_width * from_height / from_width))
    } else {
        (clamp(to_height * from_width / from_height), height)
    }
}

/// The largest size of the same proportions that fits into `target`; each edge is at least 1.
fn inner_size(pixels: &Pixels, (width, height): (u32, u32)) -> (u32, u32) {
    let (from_width, from_height) = (u64::from(pixels.width), u64::from(pixels.height));
    let (to_width, to_height) = (u64::from(width), u64::from(height));
    let rounded = |numerator: u64, denominator: u64| {
        clamp((numerator + denominator / 2) / denominator).max(1)
    };
    if to_width * from_height < to_height * from_width {
        (width, rounded(to_width * from_height, from_width))
    } else {
        (rounded(to_height * from_width, from_height), height)
    }
}

fn clamp(size: u64) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// Put the image into `target`: crop it if it is larger, pad it with `fill` if it is smaller.
fn place(
    pixels: &Pixels,
    (width, height): (u32, u32),
    columns: &Overlap,
    rows: &Overlap,
    fill: u8,
) -> Pixels {
    let channels = pixels.channels;
    let row_bytes = |width: u32| width as usize * channels;
    let mut data = vec![fill; row_bytes(width) * height as usize];
    let sources = pixels.data.chunks_exact(row_bytes(pixels.width).max(1));
    let targets = data.chunks_exact_mut(row_bytes(width).max(1));
    for (source, target) in sources
        .skip(rows.from)
        .zip(targets.skip(rows.to))
        .take(rows.length)
    {
        let bytes = columns.length * channels;
        let from = source.iter().skip(columns.from * channels);
        let to = target.iter_mut().skip(columns.to * channels);
        for (value, slot) in from.zip(to).take(bytes) {
            *slot = *value;
        }
    }
    Pixels {
        width,
        height,
        channels,
        data,
    }
}

/// The common pixels of two edges that are centered on each other.
struct Overlap {
    from: usize,
    to: usize,
    length: usize,
}

fn overlap(source: u32, target: u32, crop: Crop) -> Overlap {
    let cut = source.saturating_sub(target);
    let added = target.saturating_sub(source);
    let (from, to) = match crop {
        // Round halves to even: an odd difference is rounded up if its half is odd.
        Crop::Torchvision => (cut / 2 + (cut % 2) * (cut / 2 % 2), added / 2),
        Crop::Transformers => (cut / 2, added.div_ceil(2)),
    };
    Overlap {
        from: from as usize,
        to: to as usize,
        length: source.min(target) as usize,
    }
}

fn resize(
    pixels: Pixels,
    (width, height): (u32, u32),
    filter: Filter,
    max_pixels: u64,
) -> Result<Pixels, ImageError> {
    if (pixels.width, pixels.height) == (width, height) {
        return Ok(pixels);
    }
    let area = |height: u32| u64::from(width) * u64::from(height);
    // Check the pixels that are resized across too: a strip of one pixel's height would otherwise take unbounded time.
    if area(height.max(pixels.height)) > max_pixels {
        return Err(ImageError::TooElongated {
            width: pixels.width,
            height: pixels.height,
        });
    }
    Ok(match filter {
        Filter::OpencvLinear => opencv::resize(&pixels, (width, height)),
        Filter::Nearest => pillow::nearest(&pixels, (width, height)),
        Filter::Bilinear => pillow::resize(&pixels, (width, height), &pillow::TRIANGLE),
        Filter::Hamming => pillow::resize(&pixels, (width, height), &pillow::HAMMING),
        Filter::Bicubic => pillow::resize(&pixels, (width, height), &pillow::CUBIC),
        Filter::Lanczos => pillow::resize(&pixels, (width, height), &pillow::LANCZOS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(width: u32, height: u32) -> Pixels {
        Pixels {
            width,
            height,
            channels: 1,
            data: vec![0; (width * height) as usize],
        }
    }

    #[test]
    fn sizes_keep_the_proportions() {
        let cases = [
            ((640, 480), (224, 224), (298, 224), (224, 168)),
            ((480, 640), (224, 224), (224, 298), (168, 224)),
            ((100, 100), (224, 224), (224, 224), (224, 224)),
            ((1000, 1), (8, 8), (8000, 8), (8, 1)),
            ((300, 200), (100, 200), (300, 200), (100, 67)),
        ];
        for ((width, height), target, covering, inner) in cases {
            let source = pixels(width, height);
            assert_eq!(covering_size(&source, target), covering, "{width}x{height}");
            assert_eq!(inner_size(&source, target), inner, "{width}x{height}");
        }
    }

    #[test]
    fn the_middle_stays_the_middle() {
        // (source, target, crop) to (first source pixel, first target pixel, length); by torchvision's
        // and transformers' own functions.
        let cases = [
            ((5, 5, Crop::Torchvision), (0, 0, 5)),
            ((6, 4, Crop::Torchvision), (1, 0, 4)),
            ((7, 4, Crop::Torchvision), (2, 0, 4)),
            ((5, 4, Crop::Torchvision), (0, 0, 4)),
            ((4, 7, Crop::Torchvision), (0, 1, 4)),
            ((6, 4, Crop::Transformers), (1, 0, 4)),
            ((7, 4, Crop::Transformers), (1, 0, 4)),
            ((5, 4, Crop::Transformers), (0, 0, 4)),
            ((4, 7, Crop::Transformers), (0, 2, 4)),
        ];
        for ((source, target, crop), expected) in cases {
            let Overlap { from, to, length } = overlap(source, target, crop);
            assert_eq!((from, to, length), expected, "{source} into {target}");
        }
    }
}
