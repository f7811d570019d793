//! Bilinear interpolation as OpenCV's `INTER_LINEAR` computes it on eight-bit channels: without antialiasing, in fixed point
//! (`modules/imgproc/src/resize.cpp`).

use super::pixels::Pixels;

/// The bits of a weight's fraction.
const WEIGHT_BITS: u32 = 11;

/// The two source pixels of a target pixel, with their weights, which sum up to `1 << WEIGHT_BITS`.
struct Tap {
    first: usize,
    second: usize,
    weights: [i32; 2],
}

/// Resize an image to `width` by `height`, both at least 1.
pub(super) fn resize(pixels: &Pixels, (width, height): (u32, u32)) -> Pixels {
    let channels = pixels.channels;
    if (pixels.width, pixels.height) == (width.saturating_mul(2), height.saturating_mul(2)) {
        return halve(pixels, (width, height));
    }
    let mut columns = taps(pixels.width, width);
    let rows = taps(pixels.height, height);
    for tap in &mut columns {
        // Beyond the edges OpenCV repeats a column as it is, but interpolates between a row and itself, which truncates.
        if tap.first == tap.second {
            tap.weights = [1 << WEIGHT_BITS, 0];
        }
    }
    let row_values = pixels.width as usize * channels;
    let source_row = |row: usize| {
        let source = &pixels.data[row * row_values..][..row_values];
        let mut across = Vec::with_capacity(width as usize * channels);
        for Tap {
            first,
            second,
            weights,
        } in &columns
        {
            let (first, second) = (first * channels, second * channels);
            for channel in 0..channels {
                across.push(
                    i32::from(source[first + channel]) * weights[0]
                        + i32::from(source[second + channel]) * weights[1],
                );
            }
        }
        across
    };
    // The two rows that were interpolated last: a target row mostly needs one of them again.
    let mut kept: [(usize, Vec<i32>); 2] = [(usize::MAX, Vec::new()), (usize::MAX, Vec::new())];
    let mut data = Vec::with_capacity(width as usize * height as usize * channels);
    for Tap {
        first,
        second,
        weights,
    } in &rows
    {
        for row in [*first, *second] {
            if kept.iter().all(|(place, _)| *place != row) {
                // The rows ascend, so the earlier one is needed no more.
                kept.swap(0, 1);
                kept[1] = (row, source_row(row));
            }
        }
        let of = |row: usize| kept.iter().find(|(place, _)| *place == row);
        let (Some((_, above)), Some((_, below))) = (of(*first), of(*second)) else {
            continue;
        };
        data.extend(above.iter().zip(below).map(|(above, below)| {
            let sum = ((weights[0] * (above >> 4)) >> 16) + ((weights[1] * (below >> 4)) >> 16);
            u8::try_from((sum + 2) >> 2).unwrap_or(u8::MAX)
        }));
    }
    Pixels {
        width,
        height,
        channels,
        data,
    }
}

/// The mean of each square of four pixels: OpenCV does so if both edges become exactly half as long.
fn halve(pixels: &Pixels, (width, height): (u32, u32)) -> Pixels {
    let channels = pixels.channels;
    let row_values = pixels.width as usize * channels;
    let mut data = Vec::with_capacity(width as usize * height as usize * channels);
    for rows in pixels.data.chunks_exact(2 * row_values) {
        let (above, below) = rows.split_at(row_values);
        let pairs = above
            .chunks_exact(2 * channels)
            .zip(below.chunks_exact(2 * channels));
        for (above, below) in pairs {
            for channel in 0..channels {
                let sum: u16 = [above, below]
                    .iter()
                    .flat_map(|row| [row[channel], row[channel + channels]])
                    .map(u16::from)
                    .sum();
                data.push(u8::try_from((sum + 2) >> 2).unwrap_or(u8::MAX));
            }
        }
    }
    Pixels {
        width,
        height,
        channels,
        data,
    }
}

/// The taps of each target pixel of an edge.
fn taps(from: u32, to: u32) -> Vec<Tap> {
    let scale = f64::from(from) / f64::from(to);
    let last = i64::from(from) - 1;
    let one = 1 << WEIGHT_BITS;
    (0..to)
        .map(|target| {
            // OpenCV computes the place in 64 bits and keeps it in 32.
            let place = ((f64::from(target) + 0.5) * scale - 0.5) as f32;
            let floor = place.floor();
            let inside = |place: i64| place.clamp(0, last) as usize;
            let fraction = place - floor;
            let weight = |value: f32| (value * one as f32).round_ties_even() as i32;
            Tap {
                first: inside(floor as i64),
                second: inside(floor as i64 + 1),
                weights: [weight(1.0 - fraction), weight(fraction)],
            }
        })
        .collect()
}
