//! DeformConv: convolution whose taps are displaced, each by its own offset at each output position.

use infer_kernels::spec::Window;

use super::entry::{OperatorEntry, boxed, onnx};
use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, reals, rounded};
use crate::tensor::{Tensor, element_count, filled};

pub(super) const OPERATORS: &[OperatorEntry] = &[onnx("DeformConv", deform_conv)];

fn deform_conv(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let pair = |name: &str| -> Result<[usize; 2]> {
        let given = attributes.sizes(name)?.unwrap_or_else(|| vec![1, 1]);
        match given[..] {
            [down, across] if down > 0 && across > 0 => Ok([down, across]),
            _ => Err(Error::unsupported(format!(
                "the attribute `{name}` is {given:?}, which is not supported, expected two positive numbers"
            ))),
        }
    };
    let count = |name: &str| -> Result<usize> {
        let given = attributes.int(name, 1);
        usize::try_from(given)
            .ok()
            .filter(|&count| count > 0)
            .ok_or_else(|| {
                Error::graph(format!(
                    "the attribute `{name}` is {given}, expected at least 1"
                ))
            })
    };
    let pads = attributes.sizes("pads")?.unwrap_or_else(|| vec![0; 4]);
    let [top, left, bottom, right] = pads[..] else {
        return Err(Error::unsupported(format!(
            "the attribute `pads` is {pads:?}, which is not supported, expected four numbers"
        )));
    };
    boxed(DeformConv {
        window: Window {
            strides: pair("strides")?,
            dilations: pair("dilations")?,
            pads_before: [top, left],
            pads_after: [bottom, right],
            ..Window::POINT
        },
        groups: count("group")?,
        offset_groups: count("offset_group")?,
    })
}

/// DeformConv of images (two spatial axes).
struct DeformConv {
    /// The window; the weights give its size.
    window: Window,
    groups: usize,
    /// The number of groups of input channels, each with its own offsets.
    offset_groups: usize,
}

/// Bilinear interpolation between four pixels.
fn between<R: Real>(plane: &[R], [height, width]: [usize; 2], [y, x]: [f64; 2]) -> R {
    let mut sum = R::zero();
    for (line, down) in [
        (y.floor(), 1.0 - (y - y.floor())),
        (y.floor() + 1.0, y - y.floor()),
    ] {
        for (column, across) in [
            (x.floor(), 1.0 - (x - x.floor())),
            (x.floor() + 1.0, x - x.floor()),
        ] {
            // Pixels outside the image are 0.
            let is_inside =
                (0.0..height as f64).contains(&line) && (0.0..width as f64).contains(&column);
            if is_inside {
                sum += plane[line as usize * width + column as usize] * R::of(down * across);
            }
        }
    }
    sum
}

impl DeformConv {
    fn compute<R: Real>(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>> {
        let (x, weights, offsets) = (
            inputs.required(0)?,
            inputs.required(1)?,
            inputs.required(2)?,
        );
        let (&[batch, channels, height, width], &[channels_out, own, down, across]) =
            (x.shape(), weights.shape())
        else {
            return Err(Error::unsupported(format!(
                "an input of shape {:?} with weights of shape {:?} is not supported, expected two spatial axes",
                x.shape(),
                weights.shape()
            )));
        };
        let fits = own.checked_mul(self.groups) == Some(channels)
            && channels_out.is_multiple_of(self.groups)
            && channels.is_multiple_of(self.offset_groups);
        let window = Window {
            kernel: [down, across],
            ..self.window
        };
        let Some([lines, columns]) = window.output([height, width]).filter(|_| fits) else {
            return Err(Error::input(format!(
                "weights of shape {:?} in {} groups and {} offset groups do not match an input of shape {:?}",
                weights.shape(),
                self.groups,
                self.offset_groups,
                x.shape()
            )));
        };
        let taps = window.taps();
        let moved = element_count(&[self.offset_groups, taps])?;
        let expected = [batch, element_count(&[moved, 2])?, lines, columns];
        if offsets.shape() != expected {
            return Err(Error::input(format!(
                "the offsets have the shape {:?}, expected {expected:?}",
                offsets.shape()
            )));
        }
        let mask = match inputs.get(4) {
            Some(mask) if mask.shape() != [batch, moved, lines, columns] => {
                return Err(Error::input(format!(
                    "the mask has the shape {:?}, expected {:?}",
                    mask.shape(),
                    [batch, moved, lines, columns]
                )));
            }
            mask => mask.map(reals::<R>).transpose()?,
        };
        let bias = match inputs.get(3) {
            Some(bias) if bias.shape() != [channels_out] => {
                return Err(Error::input(format!(
                    "the bias has the shape {:?}, expected {:?}",
                    bias.shape(),
                    [channels_out]
                )));
            }
            bias => bias.map(reals::<R>).transpose()?,
        };
        let shape = vec![batch, channels_out, lines, columns];
        let mut output = filled(element_count(&shape)?, R::zero())?;
        // The values under the window at one position, tap by tap for each input channel (im2col).
        let mut patch = filled(element_count(&[channels, taps])?, R::zero())?;
        let (values, weights, offsets) =
            (reals::<R>(x)?, reals::<R>(weights)?, reals::<f64>(offsets)?);
        let (plane, places) = (height * width, lines * columns);
        let a_group = channels / self.offset_groups;
        for (image, place) in (0..batch).flat_map(|image| (0..places).map(move |at| (image, at))) {
            let (line, column) = (place / columns, place % columns);
            for (channel, patch) in patch.chunks_exact_mut(taps).enumerate() {
                let plane = &values[(image * channels + channel) * plane..][..plane];
                for (tap, value) in patch.iter_mut().enumerate() {
                    let moved = (image * self.offset_groups + channel / a_group) * taps + tap;
                    let at = [0, 1].map(|axis| {
                        let (output, tap) = [(line, tap / across), (column, tap % across)][axis];
                        let still = output * window.strides[axis] + tap * window.dilations[axis];
                        still as f64 - window.pads_before[axis] as f64
                            + offsets[(moved * 2 + axis) * places + place]
                    });
                    *value = between(plane, [height, width], at);
                    if let Some(mask) = &mask {
                        *value *= mask[moved * places + place];
                    }
                }
            }
            for to in 0..channels_out {
                let group = to / (channels_out / self.groups);
                let weights = &weights[to * own * taps..][..own * taps];
                let patch = &patch[group * own * taps..][..own * taps];
                let start = bias.as_ref().map_or(R::zero(), |bias| bias[to]);
                let pairs = weights.iter().zip(patch);
                output[(image * channels_out + to) * places + place] = pairs
                    .fold(start, |sum, (&weight, &value)| {
                        sum.plus_product(weight, value)
                    });
            }
        }
        Ok(vec![rounded(shape, output, x.datatype())?])
    }
}

impl Operator for DeformConv {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        in_real!(inputs.required(0)?.datatype(), R => self.compute::<R>(&inputs))
    }
}
