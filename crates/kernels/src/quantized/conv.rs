//! int8 convolution over all input channels.

use std::sync::Arc;

use super::{Output, Requantization, Scaled};
use crate::dot::{Element, RelaxedDot};
use crate::im2col::Im2col;
use crate::layout::{COLUMNS, QUAD, ROWS};
use crate::packed_int8::PackedInt8;
use crate::quantization::QuantParams;
use crate::spec::{ConvSpec, Images, Place};

/// Bytes of a block of panels, which is multiplied with all pixels before the next block: it stays in the L2 cache
/// together with the pixels. For f32 products, these are the bytes after the conversion.
const BLOCK_BYTES: usize = 512 * 1024;

/// A convolution of quantized images with packed, quantized weights.
#[derive(Clone, Debug)]
pub struct QuantizedConv {
    spec: ConvSpec,
    input: QuantParams,
    panels: PackedInt8,
    /// The scale of each output channel's sums.
    scales: Arc<[f32]>,
}

impl QuantizedConv {
    /// Pack weights `[channels_out, channels_in, kernel height, kernel width]` (ONNX's order). `input` quantizes the
    /// images, `scales` has one scale per tensor or one per output channel, and `bias` is not quantized (zero if
    /// `None`). Returns `None` if sums may overflow int32, if a scale is not a normal number, or if uint8 cannot
    /// represent the inputs.
    ///
    /// # Panics
    /// If a slice has another length.
    #[must_use]
    pub fn new(
        spec: ConvSpec,
        input: QuantParams,
        weights: &[i8],
        scales: &[f32],
        bias: Option<&[f32]>,
    ) -> Option<Self> {
        let (taps, n) = (spec.window.taps(), spec.channels_out);
        let k = taps * spec.channels_in;
        assert_eq!(weights.len(), n * k, "weights");
        let Scaled { scales, biases } = Scaled::new(input, weights, scales, bias, n)?;
        let zero = input.zero_point();
        let weight = |row: usize, column: usize| {
            let tap = spec.window.tap(row / spec.channels_in);
            let channel = row % spec.channels_in;
            weights[(column * spec.channels_in + channel) * taps + tap]
        };
        let bias = |column: usize| {
            let weights = weights[column * k..][..k].iter();
            biases[column] - zero * weights.map(|&weight| i32::from(weight)).sum::<i32>()
        };
        Some(Self {
            spec,
            input,
            panels: PackedInt8::new(k, n, weight, bias),
            scales: scales.into(),
        })
    }

    /// The parameters of the convolution.
    #[must_use]
    pub fn spec(&self) -> &ConvSpec {
        &self.spec
    }

    /// The quantization parameters of the input.
    #[must_use]
    pub fn input(&self) -> QuantParams {
        self.input
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

    /// Compute the convolution.
    ///
    /// # Panics
    /// If [`ConvSpec::output`] is `None`, or a slice does not have the length of its images.
    pub fn run(&self, images: Images, input: &[u8], output: Output<'_>) {
        self.run_with(RelaxedDot::detect(), images, input, output);
    }

    /// Compute the convolution for a host whose relaxed dot instruction behaves like `products`.
    ///
    /// # Panics
    /// As [`QuantizedConv::run`].
    pub fn run_with(
        &self,
        products: RelaxedDot,
        images: Images,
        input: &[u8],
        mut output: Output<'_>,
    ) {
        let result = self.spec.fit(images, input.len(), output.len());
        if result.is_empty() {
            return;
        }
        let run = Run {
            conv: self,
            images,
            result,
            input,
            requantization: Requantization::new(&self.spec, &self.scales),
        };
        match products {
            RelaxedDot::Other => run.compute::<f32>(&mut output),
            _ if self.panels.are_bytes() => run.compute::<u8>(&mut output),
            _ => run.compute::<i16>(&mut output),
        }
    }
}

/// One run of a convolution.
struct Run<'a> {
    conv: &'a QuantizedConv,
    images: Images,
    result: Images,
    input: &'a [u8],
    requantization: Requantization,
}

impl Run<'_> {
    fn compute<T: Element>(&self, output: &mut Output<'_>) {
        let panels = &self.conv.panels;
        let (row, n) = (panels.row(), self.conv.spec.channels_out);
        let panels_per_block = (BLOCK_BYTES / ((row + QUAD) * COLUMNS * size_of::<T>())).max(1);
        let pixels = self.result.count * self.result.height * self.result.width;
        let ConvSpec {
            window,
            channels_in,
            ..
        } = self.conv.spec;
        let zero = T::from(self.conv.input.zero_point() as u8);
        let (mut lines, mut patches) = match window.is_pointwise() && row == channels_in {
            true => (None, vec![zero; ROWS * row]),
            false => {
                let lines =
                    Im2col::new(window, self.images, self.result, 0..channels_in, zero, row);
                (Some(lines), Vec::new())
            }
        };
        let most = COLUMNS * panels_per_block.min(panels.count());
        let mut sums = vec![T::Sum::default(); ROWS.max(self.requantization.pixels) * most];
        for block in (0..panels.count()).step_by(panels_per_block) {
            let range = block..panels.count().min(block + panels_per_block);
            let columns = range.len() * COLUMNS;
            let first = block * COLUMNS;
            let width = columns.min(n - first);
            let packed = T::panels(panels, range);
            let mut place = Place::default();
            // Requantize several pixels in one call if the block has all their channels.
            let together = match columns == n {
                true => self.requantization.pixels,
                false => 1,
            };
            for first_pixel in (0..pixels).step_by(together.max(ROWS)) {
                let count = together.max(ROWS).min(pixels - first_pixel);
                let sums = &mut sums[..count.next_multiple_of(ROWS) * columns];
                for (tile, sums) in sums.chunks_exact_mut(ROWS * columns).enumerate() {
                    let pixel = first_pixel + tile * ROWS;
                    let height = ROWS.min(pixels - pixel);
                    let rows = match &mut lines {
                        Some(lines) => lines.rows(self.input, &mut place, height, T::copy),
                        None => self.pixels(pixel, height, &mut patches),
                    };
                    // SAFETY: each pointer points to all elements of a row: in the input, in a patch, or in a buffer of
                    // im2col.
                    unsafe { T::multiply(&packed, rows, height, sums) };
                }
                if together >= ROWS {
                    self.requantization
                        .apply(0, sums, output, first_pixel * n, count * n);
                    continue;
                }
                for (at, sums) in sums.chunks_exact(columns).take(count).enumerate() {
                    let to = (first_pixel + at) * n + first;
                    self.requantization.apply(first, sums, output, to, width);
                }
            }
        }
    }

    /// Pointers to `count` pixels of the input from `first` on; further pointers repeat the last. Pixels that need a
    /// conversion are converted into `patches`.
    #[inline(always)]
    fn pixels<T: Element>(
        &self,
        first: usize,
        count: usize,
        patches: &mut [T],
    ) -> [*const T; ROWS] {
        let row = self.conv.spec.channels_in;
        let mut rows = [std::ptr::null(); ROWS];
        for (at, patch) in patches.chunks_exact_mut(row).enumerate() {
            let pixel = (first + at.min(count - 1)) * row;
            let bytes = &self.input[pixel..][..row];
            rows[at] = T::row(bytes).unwrap_or_else(|| {
                T::copy(bytes, patch);
                patch.as_ptr()
            });
        }
        rows
    }
}
