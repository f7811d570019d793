//! Resampling as Pillow 13 computes it on eight-bit channels (`src/libImaging/Resample.c`): a convolution across and one down,
//! whose support grows as the image shrinks, with weights of 22 fractional bits. The results are the same to the last bit.
//!
//! Between the passes values are bytes, so the order of the passes matters.

mod filters;
mod lanes;
mod passes;
mod taps;

pub(crate) use filters::{CUBIC, HAMMING, Kernel, LANCZOS, TRIANGLE};

use super::pixels::Pixels;
use passes::{LOADED, across_gray, across_rgb, down};
use taps::Taps;

/// Resize an image to `width` by `height`, both at least 1.
pub(super) fn resize(pixels: &Pixels, (width, height): (u32, u32), kernel: &Kernel) -> Pixels {
    let columns = Taps::new(pixels.width, width, kernel);
    let rows = Taps::new(pixels.height, height, kernel);
    let channels = pixels.channels;
    let across = match channels {
        1 => across_gray,
        _ => across_rgb,
    };
    let row_bytes = pixels.width as usize * channels;
    let target_bytes = width as usize * channels;
    let mut data = vec![0; target_bytes * height as usize];
    let targets = data.chunks_exact_mut(target_bytes).zip(rows.windows());
    // A row, and what is loaded behind it.
    let mut row = vec![0; row_bytes + LOADED];
    if goes_down_first(pixels, (width, height)) {
        for (target, window) in targets {
            let sources = pixels.data.chunks_exact(row_bytes).skip(window.start);
            let sources: Vec<&[u8]> = sources.take(window.length).collect();
            down(&sources, &window, &mut row[..row_bytes]);
            across(&row, &columns, target);
        }
    } else {
        // The rows that the target row needs: a row is at its index modulo their number.
        let count = rows.longest;
        let mut kept = vec![0; count * target_bytes];
        let mut next = 0;
        for (target, window) in targets {
            let needed = window.start..window.start + window.length;
            for index in needed.clone().skip_while(|index| *index < next) {
                row[..row_bytes].copy_from_slice(&pixels.data[index * row_bytes..][..row_bytes]);
                let slot = &mut kept[index % count * target_bytes..][..target_bytes];
                across(&row, &columns, slot);
            }
            next = next.max(needed.end);
            let sources = needed.map(|index| &kept[index % count * target_bytes..][..target_bytes]);
            down(&sources.collect::<Vec<_>>(), &window, target);
        }
    }
    Pixels {
        width,
        height,
        channels,
        data,
    }
}

/// Whether the pass down comes first: Pillow 13 does so if the height shrinks by more than twice what the width does.
fn goes_down_first(pixels: &Pixels, (width, height): (u32, u32)) -> bool {
    let shrunk = |from: u32, to: u32| i64::from(from) - i64::from(to);
    let down = shrunk(pixels.height, height);
    down > 0 && down > 2 * shrunk(pixels.width, width)
}

/// Pillow's `NEAREST`: the source pixel at the center of each target pixel. Pillow adds up the places one by one.
pub(super) fn nearest(pixels: &Pixels, (width, height): (u32, u32)) -> Pixels {
    let places = |from: u32, to: u32| {
        let scale = f64::from(from) / f64::from(to);
        let mut place = scale * 0.5;
        (0..to).map(move |_| {
            let index = (place as usize).min(from as usize - 1);
            place += scale;
            index
        })
    };
    let channels = pixels.channels;
    let columns: Vec<_> = places(pixels.width, width).collect();
    let row_bytes = pixels.width as usize * channels;
    let mut data = Vec::with_capacity(width as usize * height as usize * channels);
    for row in places(pixels.height, height) {
        let source = &pixels.data[row * row_bytes..][..row_bytes];
        for column in &columns {
            data.extend_from_slice(&source[column * channels..][..channels]);
        }
    }
    Pixels {
        width,
        height,
        channels,
        data,
    }
}
