//! Pooling: each window is reduced to one value.

use super::entry::{LayoutRule, OperatorEntry, boxed, onnx};
use super::window::{Frame, Window, spatial};
use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, into_reals, reals, rounded};
use crate::tensor::{Data, Element, Tensor, element_count, filled};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("AveragePool", average_pool).layout(LayoutRule::Pooling),
    onnx("GlobalAveragePool", |_| boxed(Global::Average)).layout(LayoutRule::Pooling),
    onnx("GlobalLpPool", |build| boxed(Global::Lp(exponent(build)))),
    onnx("GlobalMaxPool", |_| boxed(Global::Max)),
    onnx("LpPool", lp_pool),
    onnx("MaxPool", max_pool).layout(LayoutRule::Pooling),
];

fn lp_pool(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(LpPool {
        window: window(build)?,
        p: exponent(build),
    })
}

fn average_pool(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(AveragePool {
        window: window(build)?,
        counts_padding: build.attributes().flag("count_include_pad", false),
    })
}

fn max_pool(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(MaxPool {
        window: window(build)?,
        is_column_major: build.attributes().flag("storage_order", false),
        wants_indices: build.has_output(1),
    })
}

/// Reads the window, whose `kernel_shape` is required.
pub(super) fn window(build: &Build<'_>) -> Result<Window> {
    let window = Window::read(build.attributes())?;
    match window.kernel {
        Some(_) => Ok(window),
        None => Err(Error::graph("the attribute `kernel_shape` is missing")),
    }
}

/// The exponent of a norm, a FLOAT in the first version.
fn exponent(build: &Build<'_>) -> f64 {
    let attributes = build.attributes();
    match (build.opset, attributes.optional_float("p")) {
        (..=1, Some(p)) => p.into(),
        _ => attributes.int("p", 2) as f64,
    }
}

/// Places the windows over an input. Returns them with the output's shape.
fn frame(window: &Window, input: &[usize]) -> Result<(Frame, Vec<usize>)> {
    let (batch, channels, values) = spatial(input)?;
    let frame = window.over(values, window.kernel.as_deref().unwrap_or_default())?;
    let mut shape = vec![batch, channels];
    shape.extend(&frame.windows);
    Ok((frame, shape))
}

/// Calls `visit` for each tap, plane and run with the windows' offsets and the values under the tap.
fn fold<T: Copy, O>(
    frame: &Frame,
    input: &[T],
    output: &mut [O],
    mut fold: impl FnMut(&mut [O], &[T], usize),
) -> Result<()> {
    if output.is_empty() {
        return Ok(());
    }
    let window_count = element_count(&frame.windows)?;
    let value_count = element_count(&frame.values)?;
    let step = frame.step();
    frame.for_each_tap(|_, runs| {
        let planes = output.chunks_exact_mut(window_count);
        for (plane, values) in planes.zip(input.chunks_exact(value_count)) {
            for run in runs {
                fold(
                    &mut plane[run.windows()],
                    &values[run.values(step)],
                    run.value,
                );
            }
        }
    })
}

/// AveragePool: the mean of each window's values, with padding included if `count_include_pad`.
struct AveragePool {
    window: Window,
    counts_padding: bool,
}

impl Operator for AveragePool {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let (frame, shape) = frame(&self.window, input.shape())?;
        let datatype = input.datatype();
        let count = element_count(&shape)?;
        in_real!(datatype, R => {
            let input = into_reals::<R>(input)?;
            let mut output = filled(count, R::default())?;
            let step = frame.step();
            fold(&frame, &input, &mut output, |sums, values, _| {
                for (sum, &value) in sums.iter_mut().zip(values.iter().step_by(step)) {
                    *sum += value;
                }
            })?;
            let counts = if count == 0 { Vec::new() } else { self.counts(&frame)? };
            if !counts.is_empty() {
                for plane in output.chunks_exact_mut(counts.len()) {
                    for (sum, &count) in plane.iter_mut().zip(&counts) {
                        // A window of padding alone has no values to average.
                        *sum /= R::of(count);
                    }
                }
            }
            Ok(vec![rounded(shape, output, datatype)?])
        })
    }
}

impl AveragePool {
    /// The number of values that each window's mean counts. Positions past the padding, which `ceil_mode` lets windows
    /// reach, never count.
    fn counts(&self, frame: &Frame) -> Result<Vec<f64>> {
        // The padding may be larger than a `usize`.
        let mut counts = vec![1.0];
        for axis in 0..frame.windows.len() {
            let (dilation, begin) = (frame.dilations[axis], frame.begin[axis]);
            let (first, past) = match self.counts_padding {
                true => (0, begin + frame.values[axis] + frame.end[axis]),
                false => (begin, begin + frame.values[axis]),
            };
            let mut next = crate::tensor::with_room(counts.len() * frame.windows[axis])?;
            let own = |window: usize| {
                let start = window * frame.strides[axis];
                let from = first.saturating_sub(start).div_ceil(dilation);
                let to = past.saturating_sub(start).div_ceil(dilation);
                to.min(frame.kernel[axis]).saturating_sub(from)
            };
            for count in counts {
                next.extend((0..frame.windows[axis]).map(|window| count * own(window) as f64));
            }
            counts = next;
        }
        Ok(counts)
    }
}

/// LpPool: the p-norm of each window's values.
struct LpPool {
    window: Window,
    p: f64,
}

impl Operator for LpPool {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let (frame, shape) = frame(&self.window, input.shape())?;
        let datatype = input.datatype();
        let count = element_count(&shape)?;
        in_real!(datatype, R => {
            let input = into_reals::<R>(input)?;
            let mut output = filled(count, R::default())?;
            let (step, p) = (frame.step(), R::of(self.p));
            fold(&frame, &input, &mut output, |sums, values, _| {
                for (sum, &value) in sums.iter_mut().zip(values.iter().step_by(step)) {
                    *sum += value.abs().powf(p);
                }
            })?;
            let root = R::of(1.0 / self.p);
            output.iter_mut().for_each(|sum| *sum = sum.powf(root));
            Ok(vec![rounded(shape, output, datatype)?])
        })
    }
}

/// MaxPool: the largest of each window's values, and its index; NaN counts as the largest.
struct MaxPool {
    window: Window,
    is_column_major: bool,
    wants_indices: bool,
}

impl MaxPool {
    fn compute<T: Element + PartialOrd>(&self, input: Tensor, least: T) -> Result<Vec<Tensor>> {
        let (frame, shape) = frame(&self.window, input.shape())?;
        let count = element_count(&shape)?;
        let values = input.elements::<T>()?;
        let step = frame.step();
        if !self.wants_indices {
            let mut output = filled(count, least)?;
            fold(&frame, values, &mut output, |found, values, _| {
                for (found, &value) in found.iter_mut().zip(values.iter().step_by(step)) {
                    *found = if replaces(value, *found) {
                        value
                    } else {
                        *found
                    };
                }
            })?;
            return Ok(vec![Tensor::of(&shape, output)?]);
        }
        let mut found = filled(count, (least, usize::MAX))?;
        fold(&frame, values, &mut found, |found, values, first| {
            let values = values.iter().step_by(step);
            for (at, (found, &value)) in found.iter_mut().zip(values).enumerate() {
                if found.1 == usize::MAX || replaces(value, found.0) {
                    *found = (value, first + at * step);
                }
            }
        })?;
        let value_count = element_count(&frame.values)?;
        let window_count = element_count(&frame.windows)?;
        let mut indices = filled(count, 0i64)?;
        for (at, (index, &(_, offset))) in indices.iter_mut().zip(&found).enumerate() {
            let offset = match self.is_column_major {
                _ if offset == usize::MAX => 0,
                true => column_major(offset, &frame.values),
                false => offset,
            };
            *index = i64::try_from(at / window_count * value_count + offset).unwrap_or(i64::MAX);
        }
        let mut output = filled(count, least)?;
        output
            .iter_mut()
            .zip(&found)
            .for_each(|(value, found)| *value = found.0);
        Ok(vec![
            Tensor::of(&shape, output)?,
            Tensor::of(&shape, indices)?,
        ])
    }
}

/// Whether `value` is larger than the largest so far, or the first NaN.
#[expect(
    clippy::eq_op,
    reason = "only NaN differs from itself, and integers have none"
)]
fn replaces<T: PartialOrd>(value: T, found: T) -> bool {
    value > found || (value != value && found == found)
}

/// Converts a row-major offset to a column-major one.
fn column_major(mut offset: usize, shape: &[usize]) -> usize {
    let mut stride: usize = shape.iter().product();
    let mut result = 0;
    for &size in shape.iter().rev() {
        stride /= size;
        result += offset % size * stride;
        offset /= size;
    }
    result
}

impl Operator for MaxPool {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        match input.data() {
            Data::I8(_) => self.compute(input, i8::MIN),
            Data::U8(_) => self.compute(input, u8::MIN),
            Data::F32(_) => self.compute(input, f32::NEG_INFINITY),
            Data::F64(_) => self.compute(input, f64::NEG_INFINITY),
            Data::F16(_) => self.compute(input, half::f16::NEG_INFINITY),
            Data::Bf16(_) => self.compute(input, half::bf16::NEG_INFINITY),
            other => Err(Error::unsupported(format!(
                "expected real numbers, INT8 or UINT8, got {}",
                other.datatype()
            ))),
        }
    }
}

/// GlobalAveragePool, GlobalMaxPool and GlobalLpPool: each channel is reduced to one value.
enum Global {
    Average,
    Max,
    Lp(f64),
}

impl Global {
    fn one<R: Real>(&self, values: &[R]) -> R {
        let sum = |each: &dyn Fn(R) -> R| values.iter().fold(R::zero(), |s, &v| s + each(v));
        match self {
            Self::Average => sum(&|value| value) / R::of(values.len() as f64),
            Self::Max => values.iter().fold(R::neg_infinity(), |found, &value| {
                if replaces(value, found) { value } else { found }
            }),
            Self::Lp(p) => sum(&|value| value.abs().powf(R::of(*p))).powf(R::of(1.0 / p)),
        }
    }
}

impl Operator for Global {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let (batch, channels, values) = spatial(input.shape())?;
        let mut shape = vec![batch, channels];
        shape.resize(input.rank(), 1);
        let count = element_count(values)?;
        let datatype = input.datatype();
        in_real!(datatype, R => {
            let planes = reals::<R>(input)?;
            let output: Vec<R> = match count {
                0 => filled(element_count(&shape)?, self.one(&[]))?,
                count => planes.chunks_exact(count).map(|plane| self.one(plane)).collect(),
            };
            Ok(vec![rounded(shape, output, datatype)?])
        })
    }
}
