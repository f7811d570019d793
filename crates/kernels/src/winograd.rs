//! f32 convolution with 3x3 windows and a stride of one by Winograd's algorithm, channels last.
//!
//! Tiles of the output are computed from overlapping tiles of the input with fewer multiplications (Lavin and Gray,
//! arXiv:1509.09308). Additions transform tile and window. Then the sum over taps and channels is a matrix product over
//! channels, one for each position of the transformed tile. The products are transformed back.
//!
//! F(4x4, 3x3) needs a quarter of the multiplications, F(2x2, 3x3) four ninths. F(2x2, 3x3) has smaller rounding errors
//! and smaller transformed windows.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::gemm::{Clamp, Packed, ROWS, gemm};
use crate::lanes::{LANES, Lanes};
use crate::spec::{ConvSpec, Images, Window};

/// Bytes of transformed tiles and their products that are computed at a time: they stay in the L2 cache together with
/// the transformed windows.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Largest product of input and output channels for which 4x4 tiles are used. Their transformed windows are four times
/// as large as the original ones, and for large layers the saved time is not worth that size.
const MAX_CHANNELS_FOR_FOUR: usize = 256 * 256;

/// A convolution with transformed and packed windows.
#[derive(Clone, Debug)]
pub struct Winograd {
    spec: ConvSpec,
    size: Size,
    /// A matrix for each position of a transformed tile.
    weights: Arc<[Packed]>,
    bias: Arc<[f32]>,
}

/// The height and width of a tile of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Two,
    Four,
}

impl Winograd {
    /// Whether this algorithm applies to a convolution and beats im2col.
    #[must_use]
    pub fn wins(window: &Window, groups: usize, [channels_in, channels_out]: [usize; 2]) -> bool {
        let is_whole = |channels: usize| channels.is_multiple_of(LANES) && channels >= 16;
        window.kernel == [3; 2]
            && window.strides == [1; 2]
            && window.dilations == [1; 2]
            && groups == 1
            && is_whole(channels_in)
            && is_whole(channels_out)
    }

    /// Transform and pack weights `[channels_out, channels_in, 3, 3]` (ONNX's order) and biases (zero if `None`).
    ///
    /// # Panics
    /// If a slice has another length, or [`Winograd::wins`] is false.
    #[must_use]
    pub fn new(spec: ConvSpec, weights: &[f32], bias: Option<&[f32]>) -> Self {
        let channels = [spec.channels_in, spec.channels_out];
        let [channels_in, channels_out] = channels;
        assert!(Self::wins(&spec.window, 1, channels), "{spec:?}");
        assert_eq!(weights.len(), channels_out * channels_in * 9, "weights");
        assert!(bias.is_none_or(|bias| bias.len() == channels_out), "bias");
        let size = match channels_in * channels_out <= MAX_CHANNELS_FOR_FOUR {
            true => Size::Four,
            false => Size::Two,
        };
        Self {
            spec,
            size,
            weights: match size {
                Size::Two => pack::<Two, 4, 2>(channels, weights),
                Size::Four => pack::<Four, 6, 4>(channels, weights),
            },
            bias: bias.map_or_else(|| vec![0.0; channels_out].into(), Into::into),
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
        match self.size {
            Size::Two => self.run_in::<Two, 4, 2>(images, result, input, residual, output),
            Size::Four => self.run_in::<Four, 6, 4>(images, result, input, residual, output),
        }
    }

    fn run_in<T: Transform<I, O>, const I: usize, const O: usize>(
        &self,
        images: Images,
        result: Images,
        input: &[f32],
        residual: Option<&[f32]>,
        output: &mut [f32],
    ) {
        let tiles = Tiles::<T, I, O> {
            conv: self,
            images,
            result,
            transform: PhantomData,
        };
        let count = tiles.count();
        let tile_bytes =
            I * I * (self.spec.channels_in + self.spec.channels_out) * size_of::<f32>();
        let block = (BLOCK_BYTES / tile_bytes)
            .next_multiple_of(ROWS)
            .min(count.next_multiple_of(ROWS));
        let mut transformed = vec![0.0; I * I * block * self.spec.channels_in];
        let mut products = vec![0.0; I * I * block * self.spec.channels_out];
        let mut patch = vec![0.0; I * I * self.spec.channels_in];
        for first in (0..count).step_by(block) {
            let count = block.min(count - first);
            // Round up to whole tiles of the matrix product. The results of the extra rows are ignored.
            let rows = count.next_multiple_of(ROWS);
            for tile in 0..count {
                tiles.transform(
                    first + tile,
                    input,
                    &mut patch,
                    &mut transformed,
                    [tile, rows],
                );
            }
            for (place, weights) in self.weights.iter().enumerate() {
                let a = rows * self.spec.channels_in;
                let c = rows * self.spec.channels_out;
                gemm(
                    rows,
                    &transformed[place * a..][..a],
                    weights,
                    None,
                    Clamp::NONE,
                    &mut products[place * c..][..c],
                );
            }
            for tile in 0..count {
                tiles.transform_back(first + tile, &products, [tile, rows], residual, output);
            }
        }
    }
}

/// Transform the windows, and pack a matrix for each position of a transformed window.
fn pack<T: Transform<I, O>, const I: usize, const O: usize>(
    [channels_in, channels_out]: [usize; 2],
    weights: &[f32],
) -> Arc<[Packed]> {
    let transformed: Vec<[[f32; I]; I]> = weights
        .chunks_exact(9)
        .map(|window| {
            let at = |y: usize, x: usize| f64::from(window[y * 3 + x]);
            std::array::from_fn(|i| {
                std::array::from_fn(|j| {
                    let sum: f64 = (0..9)
                        .map(|tap| {
                            T::WINDOW[i][tap / 3] * T::WINDOW[j][tap % 3] * at(tap / 3, tap % 3)
                        })
                        .sum();
                    sum as f32
                })
            })
        })
        .collect();
    (0..I * I)
        .map(|place| {
            let value = |row: usize, column: usize| {
                transformed[column * channels_in + row][place / I][place % I]
            };
            Packed::new(channels_in, channels_out, value, |_| 0.0)
        })
        .collect()
}

/// A minimal filtering algorithm F(O, 3), which computes `O` outputs from `I` inputs. In two dimensions it is applied
/// to columns, then to rows.
trait Transform<const I: usize, const O: usize> {
    /// Transforms a window (`G`).
    const WINDOW: [[f64; 3]; I];

    /// Transform inputs (the transpose of `B`).
    fn input(values: [Lanes; I]) -> [Lanes; I];

    /// Transform products to outputs (the transpose of `A`).
    fn output(products: [Lanes; I]) -> [Lanes; O];
}

/// F(2, 3), with the points 0, 1, -1 and infinity.
struct Two;

impl Transform<4, 2> for Two {
    const WINDOW: [[f64; 3]; 4] = [
        [1.0, 0.0, 0.0],
        [0.5, 0.5, 0.5],
        [0.5, -0.5, 0.5],
        [0.0, 0.0, 1.0],
    ];

    #[inline(always)]
    fn input([a, b, c, d]: [Lanes; 4]) -> [Lanes; 4] {
        [a - c, b + c, c - b, b - d]
    }

    #[inline(always)]
    fn output([a, b, c, d]: [Lanes; 4]) -> [Lanes; 2] {
        [a + b + c, b - c - d]
    }
}

/// F(4, 3), with the points 0, 1, -1, 2, -2 and infinity.
struct Four;

impl Transform<6, 4> for Four {
    const WINDOW: [[f64; 3]; 6] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];

    #[inline(always)]
    fn input([a, b, c, d, e, f]: [Lanes; 6]) -> [Lanes; 6] {
        let (two, four) = (Lanes::splat(2.0), Lanes::splat(4.0));
        let (minus_four, minus_five) = (Lanes::splat(-4.0), Lanes::splat(-5.0));
        let (even, odd) = (c.mul_add(minus_four, e), b.mul_add(minus_four, d));
        let (far, twice) = (e - c, (d - b) * two);
        [
            a.mul_add(four, c.mul_add(minus_five, e)),
            even + odd,
            even - odd,
            far + twice,
            far - twice,
            b.mul_add(four, d.mul_add(minus_five, f)),
        ]
    }

    #[inline(always)]
    fn output([a, b, c, d, e, f]: [Lanes; 6]) -> [Lanes; 4] {
        let (two, four, eight) = (Lanes::splat(2.0), Lanes::splat(4.0), Lanes::splat(8.0));
        let (near, near_apart) = (b + c, b - c);
        let (far, far_apart) = (d + e, d - e);
        [
            a + near + far,
            far_apart.mul_add(two, near_apart),
            far.mul_add(four, near),
            far_apart.mul_add(eight, near_apart) + f,
        ]
    }
}

/// Load the four values at `at`. Bounds checks of these loads and stores would make the convolution 5 to 10 % slower.
///
/// # Safety
/// `values` must have four values from `at` on.
#[inline(always)]
unsafe fn load(values: &[f32], at: usize) -> Lanes {
    debug_assert!(at + LANES <= values.len(), "values");
    // SAFETY: the caller guarantees four values, and an array has the alignment of its elements.
    Lanes::load(unsafe { &*values.as_ptr().add(at).cast() })
}

/// Store four values at `at`.
///
/// # Safety
/// `values` must have four values from `at` on.
#[inline(always)]
unsafe fn store(lanes: Lanes, values: &mut [f32], at: usize) {
    debug_assert!(at + LANES <= values.len(), "values");
    // SAFETY: the caller guarantees four values, and an array has the alignment of its elements.
    lanes.store(unsafe { &mut *values.as_mut_ptr().add(at).cast() });
}

/// The tiles of all images.
struct Tiles<'a, T, const I: usize, const O: usize> {
    conv: &'a Winograd,
    images: Images,
    result: Images,
    transform: PhantomData<T>,
}

impl<T: Transform<I, O>, const I: usize, const O: usize> Tiles<'_, T, I, O> {
    fn count(&self) -> usize {
        self.result.count * self.result.height.div_ceil(O) * self.result.width.div_ceil(O)
    }

    /// The image of a tile, and the row and the column of its first output pixel.
    fn place(&self, tile: usize) -> [usize; 3] {
        let (down, across) = (
            self.result.height.div_ceil(O),
            self.result.width.div_ceil(O),
        );
        let (image, tile) = (tile / (down * across), tile % (down * across));
        [image, tile / across * O, tile % across * O]
    }

    /// Transform the input of a tile into one row of each position's matrix. `patch` is a scratch buffer for tiles that
    /// extend over an edge of the image.
    fn transform(
        &self,
        tile: usize,
        input: &[f32],
        patch: &mut [f32],
        transformed: &mut [f32],
        [row, rows]: [usize; 2],
    ) {
        let Images {
            height,
            width,
            channels,
            ..
        } = self.images;
        let [image, y, x] = self.place(tile);
        let input = &input[image * height * width * channels..][..height * width * channels];
        let [above, before] = self.conv.spec.window.pads_before;
        let is_inside =
            y >= above && x >= before && y - above + I <= height && x - before + I <= width;
        let (values, line) = if is_inside {
            let first = ((y - above) * width + x - before) * channels;
            (&input[first..], width * channels)
        } else {
            for (down, line) in patch.chunks_exact_mut(I * channels).enumerate() {
                let from = (y + down).checked_sub(above).filter(|&y| y < height);
                for (across, pixel) in line.chunks_exact_mut(channels).enumerate() {
                    let column = (x + across).checked_sub(before).filter(|&x| x < width);
                    match (from, column) {
                        (Some(y), Some(x)) => {
                            pixel.copy_from_slice(&input[(y * width + x) * channels..][..channels])
                        }
                        _ => pixel.fill(0.0),
                    }
                }
            }
            (&*patch, I * channels)
        };
        assert!(values.len() >= (I - 1) * line + I * channels);
        assert!(transformed.len() >= ((I * I - 1) * rows + row + 1) * channels);
        for channel in (0..channels).step_by(LANES) {
            let mut half = [[Lanes::splat(0.0); I]; I];
            for across in 0..I {
                let column = std::array::from_fn(|down| {
                    // SAFETY: `values` has `I` lines of `I` pixels, and the channels are a multiple of four.
                    unsafe { load(values, down * line + across * channels + channel) }
                });
                for (half, value) in half.iter_mut().zip(T::input(column)) {
                    half[across] = value;
                }
            }
            for (down, half) in half.into_iter().enumerate() {
                for (across, value) in T::input(half).into_iter().enumerate() {
                    let at = ((down * I + across) * rows + row) * channels + channel;
                    // SAFETY: `transformed` has this row for each position, and the channels are a multiple of four.
                    unsafe { store(value, transformed, at) };
                }
            }
        }
    }

    /// Transform a row of each position's product into the part of a tile that is inside the output.
    fn transform_back(
        &self,
        tile: usize,
        products: &[f32],
        [row, rows]: [usize; 2],
        residual: Option<&[f32]>,
        output: &mut [f32],
    ) {
        let Images {
            height,
            width,
            channels,
            ..
        } = self.result;
        let [image, y, x] = self.place(tile);
        let first = ((image * height + y) * width + x) * channels;
        let (down, across) = (O.min(height - y), O.min(width - x));
        let end = first + ((down - 1) * width + across) * channels;
        let output = &mut output[first..end];
        let residual = residual.map(|residual| &residual[first..end]);
        assert!(products.len() >= ((I * I - 1) * rows + row + 1) * channels);
        let min = Lanes::splat(self.conv.spec.clamp.min);
        let max = Lanes::splat(self.conv.spec.clamp.max);
        for channel in (0..channels).step_by(LANES) {
            let mut half = [[Lanes::splat(0.0); I]; O];
            for x in 0..I {
                let column = std::array::from_fn(|y| {
                    let at = ((y * I + x) * rows + row) * channels + channel;
                    // SAFETY: `products` has this row for each position, and the channels are a multiple of four.
                    unsafe { load(products, at) }
                });
                for (half, value) in half.iter_mut().zip(T::output(column)) {
                    half[x] = value;
                }
            }
            let bias = &self.conv.bias[channel..];
            let bias = Lanes::load(
                bias.first_chunk()
                    .expect("the channels are a multiple of four"),
            );
            for (y, half) in half.into_iter().enumerate().take(down) {
                for (x, value) in T::output(half).into_iter().enumerate().take(across) {
                    let at = (y * width + x) * channels + channel;
                    let mut value = value + bias;
                    if let Some(residual) = residual {
                        // SAFETY: as below.
                        value = value + unsafe { load(residual, at) };
                    }
                    let mut value = value.clamp(min, max);
                    if let Some(params) = &self.conv.spec.quantization {
                        value = params.nearest(value);
                    }
                    // SAFETY: `output` ends after the tile's last pixel, and the channels are a multiple of four.
                    unsafe { store(value, output, at) };
                }
            }
        }
    }
}
