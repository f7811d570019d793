//! f32 convolution by im2col and matrix products, channels last.

use std::ops::Range;
use std::sync::Arc;

use crate::gemm::{COLUMNS, Packed, ROWS, Target, gemm_into, panels_per_block};
use crate::im2col::Im2col;
use crate::spec::{ConvSpec, Images, Place, Window, copy};

/// A two-dimensional convolution with packed weights.
#[derive(Clone, Debug)]
pub struct Conv2d {
    spec: ConvSpec,
    groups: Arc<[Packed]>,
}

impl Conv2d {
    /// Pack weights `[channels_out, channels_in / groups, kernel height, kernel width]` (ONNX's order) and biases (zero
    /// if `None`).
    ///
    /// # Panics
    /// If a slice has another length, or the groups do not divide the channels.
    #[must_use]
    pub fn new(spec: ConvSpec, groups: usize, weights: &[f32], bias: Option<&[f32]>) -> Self {
        let ConvSpec {
            window,
            channels_in,
            channels_out,
            ..
        } = spec;
        let (k, n, taps) = (channels_in / groups, channels_out / groups, window.taps());
        assert_eq!(
            (k * groups, n * groups),
            (channels_in, channels_out),
            "groups"
        );
        assert_eq!(weights.len(), channels_out * k * taps, "weights");
        assert!(bias.is_none_or(|bias| bias.len() == channels_out), "bias");
        let pack = |group: usize| {
            let weight = |row: usize, column: usize| {
                let (tap, channel) = (window.tap(row / k), row % k);
                weights[((group * n + column) * k + channel) * taps + tap]
            };
            Packed::new(taps * k, n, weight, |column| {
                bias.map_or(0.0, |bias| bias[group * n + column])
            })
        };
        Self {
            spec,
            groups: (0..groups).map(pack).collect(),
        }
    }

    /// The parameters of the convolution.
    #[must_use]
    pub fn spec(&self) -> &ConvSpec {
        &self.spec
    }

    /// The same weights with other parameters.
    ///
    /// # Panics
    /// If anything but padding, clamp and quantization differs.
    #[must_use]
    pub fn with_spec(&self, spec: ConvSpec) -> Self {
        assert!(spec.takes_weights_of(&self.spec), "{spec:?}");
        Self {
            spec,
            ..self.clone()
        }
    }

    /// Compute the convolution; `residual` is added before values are clamped.
    ///
    /// # Panics
    /// If [`ConvSpec::output`] is `None`, or a slice does not have the length of its images.
    pub fn run(&self, images: Images, input: &[f32], residual: Option<&[f32]>, output: &mut [f32]) {
        let result = self.spec.fit(images, input.len(), output.len());
        assert!(
            residual.is_none_or(|residual| residual.len() == output.len()),
            "residual"
        );
        if result.is_empty() {
            return;
        }
        if let [packed] = &*self.groups
            && self.spec.window.is_pointwise()
        {
            let pixels = images.count * images.height * images.width;
            let target = Target {
                c: output,
                residual,
                stride: self.spec.channels_out,
                column: 0,
                clamp: self.spec.clamp,
                quantization: self.spec.quantization,
            };
            return gemm_into(pixels, input, packed, target);
        }
        let zeros = vec![0.0; self.spec.channels_in];
        let run = Run {
            window: &self.spec.window,
            input,
            zeros: &zeros,
            images,
            result,
        };
        for (group, packed) in self.groups.iter().enumerate() {
            let mut target = Target {
                c: output,
                residual,
                stride: self.spec.channels_out,
                column: group * packed.n(),
                clamp: self.spec.clamp,
                quantization: self.spec.quantization,
            };
            run.compute(packed, group, &mut target);
        }
    }
}

/// One run of a convolution.
struct Run<'a> {
    window: &'a Window,
    input: &'a [f32],
    /// A pixel of the padding.
    zeros: &'a [f32],
    images: Images,
    result: Images,
}

impl Run<'_> {
    fn compute(&self, packed: &Packed, group: usize, target: &mut Target) {
        let taps = self.window.taps();
        let k = packed.k() / taps;
        let pixels = self.result.count * self.result.height * self.result.width;
        if k == 0 {
            (0..pixels).for_each(|pixel| target.biases(packed, pixel));
            return;
        }
        let channels = group * k..(group + 1) * k;
        let panels = packed.n().div_ceil(COLUMNS);
        let step = panels_per_block(packed.k());
        // A window of one tap is contiguous in the input.
        let mut lines = (taps > 1).then(|| {
            let (window, row) = (*self.window, packed.k());
            Im2col::new(window, self.images, self.result, channels.clone(), 0.0, row)
        });
        // So is one of a single row of all channels, except where it reaches into the padding.
        let is_a_run = self.window.kernel[0] == 1
            && self.window.dilations[1] == 1
            && channels.len() == self.images.channels;
        for block in (0..panels).step_by(step) {
            let some = block..panels.min(block + step);
            let mut place = Place::default();
            for pixel in (0..pixels).step_by(ROWS) {
                let height = ROWS.min(pixels - pixel);
                let inside = match is_a_run {
                    true => self.runs(&mut place, height, packed.k()),
                    false => None,
                };
                let rows = match (inside, &mut lines) {
                    (Some(rows), _) => rows,
                    (None, Some(lines)) => lines.rows(self.input, &mut place, height, copy),
                    (None, None) => self.pixels(&mut place, height, &channels),
                };
                // SAFETY: each pointer points to `k` values: of the input, of the zeros, or of a copy by im2col.
                unsafe { target.compute(rows, packed, some.clone(), pixel, height) };
            }
        }
    }

    /// Pointers to the inputs of `count` pixels from `place` on, for windows of one tap; further pointers repeat the
    /// last. `place` moves past these pixels.
    fn pixels(
        &self,
        place: &mut Place,
        count: usize,
        channels: &Range<usize>,
    ) -> [*const f32; ROWS] {
        let mut rows = [std::ptr::null(); ROWS];
        for row in &mut rows[..count] {
            *row = self.pixel(*place, channels.clone()).as_ptr();
            place.advance(&self.result);
        }
        let last = rows[count - 1];
        rows[count..].fill(last);
        rows
    }

    /// Pointers to the windows of `count` pixels from `place` on, which are runs of `k` values of the input; further
    /// pointers repeat the last. `place` moves past these pixels. `None`, without moving, if a window has padding.
    #[inline(always)]
    fn runs(&self, place: &mut Place, count: usize, k: usize) -> Option<[*const f32; ROWS]> {
        let mut rows = [std::ptr::null(); ROWS];
        let mut at = *place;
        for row in &mut rows[..count] {
            let line = self.window.input(0, at.y, 0, self.images.height)?;
            let first = self.window.input(1, at.x, 0, self.images.width)?;
            self.window
                .input(1, at.x, self.window.kernel[1] - 1, self.images.width)?;
            let line = at.image * self.images.height + line;
            let first = (line * self.images.width + first) * self.images.channels;
            *row = self.input[first..][..k].as_ptr();
            at.advance(&self.result);
        }
        let last = rows[count - 1];
        rows[count..].fill(last);
        *place = at;
        Some(rows)
    }

    /// The input of a pixel for a window of one tap, or zeros in the padding.
    fn pixel(&self, place: Place, channels: Range<usize>) -> &[f32] {
        let line = self.window.input(0, place.y, 0, self.images.height);
        let column = self.window.input(1, place.x, 0, self.images.width);
        match (line, column) {
            (Some(line), Some(column)) => {
                let line = place.image * self.images.height + line;
                let pixel = line * self.images.width + column;
                &self.input[pixel * self.images.channels..][channels]
            }
            _ => &self.zeros[channels],
        }
    }
}
