//! Pillow's filters.

use std::f64::consts::PI;

/// A filter.
pub(crate) struct Kernel {
    /// The distance from the center beyond which the weight is 0, in source pixels of an image that is not shrunk.
    pub(super) support: f64,
    /// The weight at a distance from the center.
    pub(super) weight: fn(f64) -> f64,
}

/// Pillow's `BILINEAR`.
pub(crate) const TRIANGLE: Kernel = Kernel {
    support: 1.0,
    weight: triangle,
};

/// Pillow's `HAMMING`.
pub(crate) const HAMMING: Kernel = Kernel {
    support: 1.0,
    weight: hamming,
};

/// Pillow's `BICUBIC`.
pub(crate) const CUBIC: Kernel = Kernel {
    support: 2.0,
    weight: cubic,
};

/// Pillow's `LANCZOS`.
pub(crate) const LANCZOS: Kernel = Kernel {
    support: 3.0,
    weight: lanczos,
};

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

fn hamming(x: f64) -> f64 {
    if x.abs() >= 1.0 {
        return 0.0;
    }
    // Pillow's constants are of single precision.
    sinc(x) * (f64::from(0.54_f32) + f64::from(0.46_f32) * (x * PI).cos())
}

/// Keys' cubic with a = -0.5.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn lanczos(x: f64) -> f64 {
    if (-3.0..3.0).contains(&x) {
        sinc(x) * sinc(x / 3.0)
    } else {
        0.0
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * PI;
    x.sin() / x
}
