//! Two-dimensional convolution, channels last.

use std::sync::Arc;

use crate::form::{Form, Images, Place, Window, copy};
use crate::gemm::{COLUMNS, Packed, ROWS, Target, gemm_into, panels_a_block};

/// A convolution with its weights packed.
#[derive(Clone, Debug)]
pub struct Conv2d {
    form: Form,
    groups: Arc<[Packed]>,
}

impl Conv2d {
    /// Pack weights `[channels_out, channels_in / groups, kernel height, kernel width]` (ONNX's order), and biases, zero where
    /// there are none.
    ///
    /// # Panics
    /// When the slices are not as long as that, or the groups do not divide the channels.
    #[must_use]
    pub fn new(form: Form, groups: usize, weights: &[f32], bias: Option<&[f32]>) -> Self {
        let Form {
            window,
            channels_in,
            channels_out,
            ..
        } = form;
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
                let (tap, channel) = (row / k, row % k);
                weights[((group * n + column) * k + channel) * taps + tap]
            };
            Packed::new(taps * k, n, weight, |column| {
                bias.map_or(0.0, |bias| bias[group * n + column])
            })
        };
        Self {
            form,
            groups: (0..groups).map(pack).collect(),
        }
    }

    /// What it takes and gives.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The same weights with another form.
    ///
    /// # Panics
    /// When they do not go with it: more than its padding and its end differ.
    #[must_use]
    pub fn with_form(&self, form: Form) -> Self {
        assert!(form.takes_weights_of(&self.form), "{form:?}");
        Self {
            form,
            ..self.clone()
        }
    }

    /// Compute it; `residual` is added before values are clamped.
    ///
    /// # Panics
    /// When [`Form::output`] has none, or a slice is not as long as the images say.
    pub fn run(&self, images: Images, input: &[f32], residual: Option<&[f32]>, output: &mut [f32]) {
        let result = self.form.fit(images, input.len(), output.len());
        assert!(
            residual.is_none_or(|residual| residual.len() == output.len()),
            "residual"
        );
        if result.is_empty() {
            return;
        }
        if let [packed] = &*self.groups
            && self.form.window.is_pointwise()
        {
            let pixels = images.count * images.height * images.width;
            let target = Target {
                c: output,
                residual,
                stride: self.form.channels_out,
                column: 0,
                clamp: self.form.clamp,
                levels: self.form.levels,
            };
            return gemm_into(pixels, input, packed, target);
        }
        let zeros = vec![0.0; self.form.channels_in];
        let (image_in, image_out) = (images.len() / images.count, result.len() / images.count);
        for image in 0..images.count {
            let out = image * image_out..(image + 1) * image_out;
            let one = One {
                window: &self.form.window,
                input: &input[image * image_in..(image + 1) * image_in],
                zeros: &zeros,
                images,
                result,
            };
            for (group, packed) in self.groups.iter().enumerate() {
                let mut target = Target {
                    c: &mut output[out.clone()],
                    residual: residual.map(|residual| &residual[out.clone()]),
                    stride: self.form.channels_out,
                    column: group * packed.n(),
                    clamp: self.form.clamp,
                    levels: self.form.levels,
                };
                one.run(packed, group, &mut target);
            }
        }
    }
}

/// One image's convolution.
struct One<'a> {
    window: &'a Window,
    input: &'a [f32],
    /// A pixel of the padding.
    zeros: &'a [f32],
    images: Images,
    result: Images,
}

impl One<'_> {
    fn run(&self, packed: &Packed, group: usize, target: &mut Target) {
        let k = packed.k() / self.window.taps();
        let pixels = self.result.height * self.result.width;
        if k == 0 {
            (0..pixels).for_each(|pixel| target.biases(packed, pixel));
            return;
        }
        let panels = packed.n().div_ceil(COLUMNS);
        // What is under the window, of four pixels. To copy it costs a few per cent of the time (once for all
        // panels); a kernel that steps from row to row by itself is slower by more.
        let mut patches = vec![0.0; ROWS * packed.k()];
        let is_one = self.window.taps() == 1;
        let step = panels_a_block(packed.k());
        for block in (0..panels).step_by(step) {
            let mut place = Place::default();
            for pixel in (0..pixels).step_by(ROWS) {
                let mut rows = [std::ptr::null(); ROWS];
                for (at, patch) in patches.chunks_exact_mut(packed.k()).enumerate() {
                    if pixel + at >= pixels {
                        rows[at] = rows[at - 1];
                        continue;
                    }
                    let Place { y, x, .. } = place;
                    rows[at] = match is_one {
                        true => self.pixel(y, x, group * k, k),
                        false => {
                            self.copy(y, x, group * k, k, patch);
                            patch.as_ptr()
                        }
                    };
                    place.advance(&self.result);
                }
                let some = block..panels.min(block + step);
                // SAFETY: each pointer is that of as many values of the input, of the zeros or of the patches.
                unsafe { target.compute(rows, packed, some, pixel, pixels - pixel) };
            }
        }
    }

    /// The values under a window of one tap: `k` channels from `channel` on.
    fn pixel(&self, y: usize, x: usize, channel: usize, k: usize) -> *const f32 {
        let line = self.window.input(0, y, 0, self.images.height);
        let column = self.window.input(1, x, 0, self.images.width);
        match (line, column) {
            (Some(line), Some(column)) => self.values(line, column, channel, k).as_ptr(),
            _ => self.zeros[..k].as_ptr(),
        }
    }

    fn values(&self, line: usize, column: usize, channel: usize, k: usize) -> &[f32] {
        let Images {
            width, channels, ..
        } = self.images;
        &self.input[(line * width + column) * channels + channel..][..k]
    }

    /// Copy what is under a window, `k` channels from `channel` on of each tap, one tap after another.
    fn copy(&self, y: usize, x: usize, channel: usize, k: usize, patch: &mut [f32]) {
        let channels = channel..channel + k;
        self.window
            .parts(self.images, [y, x], channels, |part, from| {
                let patch = &mut patch[part];
                match from {
                    Some(from) => copy(&self.input[from..][..patch.len()], patch),
                    None => patch.fill(0.0),
                }
            });
    }
}
