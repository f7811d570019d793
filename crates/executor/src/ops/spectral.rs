//! Spectra of signals: DFT, STFT, MelWeightMatrix and windows.

use infer_tensor::Datatype;

use super::cast::{cast, datatype};
use super::entry::{OperatorEntry, boxed, onnx};
use crate::error::{Error, Result};
use crate::index;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{reals, rounded};
use crate::tensor::{Tensor, element_count, filled, with_room};

/// The largest prime factor of a length: the time of a transform grows with the length times its prime factors.
const MAX_PRIME: usize = 1 << 12;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("BlackmanWindow", |build| window(build, [0.42, -0.5, 0.08])),
    onnx("DFT", dft),
    onnx("HammingWindow", |build| {
        window(build, [25.0 / 46.0, -21.0 / 46.0, 0.0])
    }),
    onnx("HannWindow", |build| window(build, [0.5, -0.5, 0.0])),
    onnx("MelWeightMatrix", |build| {
        boxed(MelWeightMatrix {
            datatype: output_datatype(build)?,
        })
    }),
    onnx("STFT", |build| {
        boxed(Stft {
            is_one_sided: build.attributes().flag("onesided", true),
        })
    }),
];

fn output_datatype(build: &Build<'_>) -> Result<Datatype> {
    datatype(build.attributes().int("output_datatype", 1))
}

/// The only element of an input, as a count.
fn count(inputs: &Inputs<'_>, at: usize, name: &str) -> Result<usize> {
    match inputs.required(at)?.to_i64()?[..] {
        [count] => usize::try_from(count)
            .map_err(|_| Error::input(format!("`{name}` is {count}, expected 0 or more"))),
        ref other => Err(Error::input(format!(
            "`{name}` has {} values, expected 1",
            other.len()
        ))),
    }
}

fn window(build: &Build<'_>, weights: [f64; 3]) -> Result<Box<dyn Operator>> {
    boxed(Window {
        datatype: output_datatype(build)?,
        is_periodic: build.attributes().flag("periodic", true),
        weights,
    })
}

/// BlackmanWindow, HammingWindow and HannWindow: a sum of cosines. The input is the size, a scalar of INT64 or INT32; the output
/// is `[size]`. (ONNX's specification, version 17.)
struct Window {
    datatype: Datatype,
    is_periodic: bool,
    /// The factors of cos(0), cos(x) and cos(2 x).
    weights: [f64; 3],
}

impl Operator for Window {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let size = count(&inputs, 0, "size")?;
        let period = if self.is_periodic {
            size
        } else {
            size.saturating_sub(1)
        };
        let mut result: Vec<f64> = with_room(element_count(&[size])?)?;
        result.extend((0..size).map(|at| {
            let x = std::f64::consts::TAU * at as f64 / period.max(1) as f64;
            self.weights[0] + self.weights[1] * x.cos() + self.weights[2] * (2.0 * x).cos()
        }));
        Ok(vec![cast(Tensor::of(&[size], result)?, self.datatype)?])
    }
}

/// MelWeightMatrix: triangular filters of the mel scale. The inputs are scalars: the number of filters, the DFT's length, the
/// sample rate, and the lowest and the highest frequency; the output is `[dft_length / 2 + 1, num_mel_bins]`. (ONNX's
/// specification, version 17.)
struct MelWeightMatrix {
    datatype: Datatype,
}

impl Operator for MelWeightMatrix {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let bands = count(&inputs, 0, "num_mel_bins")?;
        let length = count(&inputs, 1, "dft_length")?;
        let rate = count(&inputs, 2, "sample_rate")? as f64;
        let edge = |at: usize| -> Result<f64> {
            match reals::<f64>(inputs.required(at)?)?[..] {
                [hertz] => Ok(2595.0 * (1.0 + hertz / 700.0).log10()),
                ref other => Err(Error::input(format!(
                    "input {at} has {} values, expected 1",
                    other.len()
                ))),
            }
        };
        let (low, high) = (edge(3)?, edge(4)?);
        let bins = length / 2 + 1;
        let mut result = filled(element_count(&[bins, bands])?, 0f64)?;
        let step = (high - low) / (bands as f64 + 2.0);
        let place = |at: usize| {
            let hertz = 700.0 * (10f64.powf((low + step * at as f64) / 2595.0) - 1.0);
            let bin = ((length as f64 + 1.0) * hertz / rate).floor();
            match (0.0..bins as f64).contains(&bin) {
                true => Ok(bin as usize),
                false => Err(Error::input(format!(
                    "a filter's edge of {hertz} Hz is outside the {bins} bins of the spectrum"
                ))),
            }
        };
        for band in 0..bands {
            let (from, center, to) = (place(band)?, place(band + 1)?, place(band + 2)?);
            let rise = center.saturating_sub(from);
            if rise == 0 {
                result[center * bands + band] = 1.0;
            } else {
                for bin in from..=center {
                    result[bin * bands + band] = (bin - from) as f64 / rise as f64;
                }
            }
            for bin in center..to {
                result[bin * bands + band] = (to - bin) as f64 / (to - center) as f64;
            }
        }
        let result = Tensor::of(&[bins, bands], result)?;
        Ok(vec![cast(result, self.datatype)?])
    }
}

type Complex = [f64; 2];

fn product(a: Complex, b: Complex) -> Complex {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

/// Discrete Fourier transforms of one length: mixed radix, by decimation in time.
struct Transform {
    /// The powers of the primitive root of 1.
    roots: Vec<Complex>,
    /// The prime factors, in ascending order.
    primes: Vec<usize>,
}

impl Transform {
    fn new(length: usize, is_inverse: bool) -> Result<Self> {
        let mut primes = Vec::new();
        let (mut rest, mut prime) = (length, 2);
        while rest > 1 && prime <= MAX_PRIME {
            while rest.is_multiple_of(prime) {
                primes.push(prime);
                rest /= prime;
            }
            prime += 1;
        }
        if rest > 1 {
            return Err(Error::unsupported(format!(
                "a transform of the length {length} is not supported, since it has a prime factor above {MAX_PRIME}"
            )));
        }
        let mut roots = with_room(element_count(&[length])?)?;
        let sign = if is_inverse { 1.0 } else { -1.0 };
        roots.extend((0..length).map(|at| {
            let (sin, cos) = (std::f64::consts::TAU * at as f64 / length as f64).sin_cos();
            [cos, sign * sin]
        }));
        Ok(Self { roots, primes })
    }

    /// Transforms `input`, which has the transform's length.
    fn run(&self, input: &[Complex], output: &mut [Complex]) {
        let widest = self.primes.last().copied().unwrap_or(1);
        self.part(input, 1, &self.primes, &mut vec![[0.0; 2]; widest], output);
    }

    /// Transforms every `stride`-th element of `input`.
    fn part(
        &self,
        input: &[Complex],
        stride: usize,
        primes: &[usize],
        scratch: &mut [Complex],
        output: &mut [Complex],
    ) {
        let Some((&prime, rest)) = primes.split_first() else {
            if let (Some(to), Some(from)) = (output.first_mut(), input.first()) {
                *to = *from;
            }
            return;
        };
        let length = output.len();
        let size = length / prime;
        for (at, output) in output.chunks_exact_mut(size).enumerate() {
            self.part(&input[at * stride..], stride * prime, rest, scratch, output);
        }
        let scratch = &mut scratch[..prime];
        for place in 0..size {
            for (at, value) in scratch.iter_mut().enumerate() {
                *value = output[at * size + place];
            }
            for block in 0..prime {
                let target = block * size + place;
                let mut sum = [0.0; 2];
                // The exponent of the root, modulo the length.
                let mut exponent = 0;
                for &value in scratch.iter() {
                    let term = product(value, self.roots[exponent * stride]);
                    sum = [sum[0] + term[0], sum[1] + term[1]];
                    exponent += target;
                    if exponent >= length {
                        exponent -= length;
                    }
                }
                output[target] = sum;
            }
        }
    }
}

/// The number of parts of each value of a signal: 1 if it is real, 2 if it is complex.
fn parts(shape: &[usize]) -> Result<usize> {
    match shape.last() {
        Some(&parts @ (1 | 2)) => Ok(parts),
        _ => Err(Error::input(format!(
            "the signal has the shape {shape:?}, expected a last axis of 1 (real) or 2 (complex)"
        ))),
    }
}

fn value(values: &[f64], at: usize, parts: usize) -> Complex {
    match parts {
        1 => [values[at], 0.0],
        _ => [values[2 * at], values[2 * at + 1]],
    }
}

fn dft(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let operator = Dft {
        axis: (build.opset < 20).then(|| attributes.int("axis", 1)),
        is_inverse: attributes.flag("inverse", false),
        is_one_sided: attributes.flag("onesided", false),
    };
    boxed(operator)
}

/// DFT: the discrete Fourier transform along an axis of a float tensor whose last axis is 1 (real) or 2 (complex); that of the
/// output is 2. The length, input 1, cuts the signal or pads it with zeros. The axis is an attribute in version 17, and
/// input 2 since version 20. An inverse transform of a one-sided spectrum, whose other half mirrors it, gives a real signal, whose
/// last axis is 1. (ONNX's specification, versions 17 and 20.)
struct Dft {
    axis: Option<i64>,
    is_inverse: bool,
    is_one_sided: bool,
}

impl Dft {
    /// Whether the output is a real signal.
    fn is_real(&self) -> bool {
        self.is_inverse && self.is_one_sided
    }
}

impl Operator for Dft {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let shape = input.shape();
        let parts = parts(shape)?;
        let axis = match (self.axis, inputs.get(2)) {
            (Some(axis), _) => axis,
            (None, None) => -2,
            (None, Some(axis)) => match axis.to_i64()?[..] {
                [axis] => axis,
                ref other => {
                    return Err(Error::input(format!(
                        "the axis has {} values, expected 1",
                        other.len()
                    )));
                }
            },
        };
        let axis = index::axis(axis, shape.len())?;
        if axis + 1 == shape.len() {
            return Err(Error::input(
                "the axis is the last one, which has the parts of complex numbers",
            ));
        }
        let length = match inputs.get(1) {
            Some(_) => count(&inputs, 1, "dft_length")?,
            None if self.is_real() => shape[axis].saturating_sub(1).saturating_mul(2),
            None => shape[axis],
        };
        let bins = match self.is_one_sided && !self.is_inverse {
            true if length > 0 => length / 2 + 1,
            _ => length,
        };
        let mut to = shape.to_vec();
        to[axis] = bins;
        if let Some(last) = to.last_mut() {
            *last = if self.is_real() { 1 } else { 2 };
        }
        let mut result = filled(element_count(&to)?, 0f64)?;
        if result.is_empty() || input.is_empty() {
            return Ok(vec![rounded(to, result, input.datatype())?]);
        }
        let transform = Transform::new(length, self.is_inverse)?;
        let factor = if self.is_inverse {
            1.0 / length as f64
        } else {
            1.0
        };
        let values = reals::<f64>(input)?;
        let outer = element_count(&shape[..axis])?;
        let inner = element_count(&shape[axis + 1..shape.len() - 1])?;
        let (mut signal, mut spectrum) = (filled(length, [0.0; 2])?, filled(length, [0.0; 2])?);
        let size = shape[axis];
        for before in 0..outer {
            for after in 0..inner {
                for (at, element) in signal.iter_mut().enumerate().take(size) {
                    *element = value(&values, (before * size + at) * inner + after, parts);
                }
                if self.is_real() {
                    for at in 1..length.div_ceil(2) {
                        let [real, imaginary] = signal[at];
                        signal[length - at] = [real, -imaginary];
                    }
                }
                transform.run(&signal, &mut spectrum);
                if self.is_real() {
                    for (at, [real, _]) in spectrum.iter().enumerate() {
                        result[(before * length + at) * inner + after] = real * factor;
                    }
                    continue;
                }
                for (at, [real, imaginary]) in spectrum.iter().take(bins).enumerate() {
                    let place = 2 * ((before * bins + at) * inner + after);
                    result[place] = real * factor;
                    result[place + 1] = imaginary * factor;
                }
            }
        }
        Ok(vec![rounded(to, result, input.datatype())?])
    }
}

/// STFT: the transforms of overlapping frames of signals, `[batch, length, 1 or 2]` of floats, each multiplied by a window. The
/// inputs are the signals, the step between frames, the window (optional), and the frames' length (by default the window's).
/// The output is `[batch, frames, bins, 2]`. (ONNX's specification, version 17.)
struct Stft {
    is_one_sided: bool,
}

impl Operator for Stft {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let (batch, size, parts) = match *input.shape() {
            [batch, size] => (batch, size, 1),
            [batch, size, _] => (batch, size, parts(input.shape())?),
            _ => {
                return Err(Error::input(format!(
                    "the signal has the shape {:?}, expected [batch, length, 1 or 2]",
                    input.shape()
                )));
            }
        };
        let step = count(&inputs, 1, "frame_step")?;
        let window = inputs.get(2).map(reals::<f64>).transpose()?;
        let length = match (inputs.get(3), &window) {
            (Some(_), _) => count(&inputs, 3, "frame_length")?,
            (None, Some(window)) => window.len(),
            (None, None) => {
                return Err(Error::graph(
                    "inputs 2 (`window`) and 3 (`frame_length`) are missing, expected at least one of them",
                ));
            }
        };
        if step == 0 || length == 0 || length > size {
            return Err(Error::input(format!(
                "frames of the length {length}, {step} apart, do not fit a signal of the length {size}"
            )));
        }
        if let Some(window) = window.as_ref().filter(|window| window.len() != length) {
            return Err(Error::input(format!(
                "the window has {} values, expected the frames' {length}",
                window.len()
            )));
        }
        let frames = (size - length) / step + 1;
        let bins = match self.is_one_sided {
            true if parts == 1 => length / 2 + 1,
            _ => length,
        };
        let shape = vec![batch, frames, bins, 2];
        let mut result: Vec<f64> = with_room(element_count(&shape)?)?;
        let transform = Transform::new(length, false)?;
        let values = reals::<f64>(input)?;
        let (mut signal, mut spectrum) = (filled(length, [0.0; 2])?, filled(length, [0.0; 2])?);
        for item in 0..batch {
            for frame in 0..frames {
                for (at, element) in signal.iter_mut().enumerate() {
                    let weight = window.as_ref().map_or(1.0, |window| window[at]);
                    let [real, imaginary] = value(&values, item * size + frame * step + at, parts);
                    *element = [real * weight, imaginary * weight];
                }
                transform.run(&signal, &mut spectrum);
                result.extend(spectrum.iter().take(bins).flatten());
            }
        }
        Ok(vec![rounded(shape, result, input.datatype())?])
    }
}
