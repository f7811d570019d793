//! DeformConv: convolution whose taps are moved, each by an offset of its own at each place.

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
                "the attribute `{name}` is {given:?}, and two numbers above zero are what is done"
            ))),
        }
    };
    let count = |name: &str| -> Result<usize> {
        let given = attributes.int(name, 1);
        usize::try_from(given)
            .ok()
            .filter(|&count| count > 0)
            .ok_or_else(|| Error::graph(format!("the attribute `{name}` is {given}")))
    };
    let pads = attributes.sizes("pads")?.unwrap_or_else(|| vec![0; 4]);
    let [top, left, bottom, right] = pads[..] else {
        return Err(Error::unsupported(format!(
            "the attribute `pads` is {pads:?}, and four numbers are what is done"
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

/// DeformConv over images.
struct DeformConv {
    /// Its kernel's size is that of the weights.
    window: Window,
    groups: usize,
    /// Groups of input channels that have offsets of their own.
    offset_groups: usize,
}

/// What is at a place between four pixels.
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
            // Around the image is nothing.
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
                "images and windows of two dimensions are what is done, came {:?} and {:?}",
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
                "windows of {:?} in {} groups, {} with offsets, do not go with images of {:?}",
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
                "offsets of shape {:?} came, expected {expected:?}",
                offsets.shape()
            )));
        }
        let mask = match inputs.get(4) {
            Some(mask) if mask.shape() != [batch, moved, lines, columns] => {
                return Err(Error::input(format!(
                    "a mask of shape {:?} came, expected {:?}",
                    mask.shape(),
                    [batch, moved, lines, columns]
                )));
            }
            mask => mask.map(reals::<R>).transpose()?,
        };
        let bias = match inputs.get(3) {
            Some(bias) if bias.shape() != [channels_out] => {
                return Err(Error::input(format!(
                    "a bias of shape {:?} came, expected {:?}",
                    bias.shape(),
                    [channels_out]
                )));
            }
            bias => bias.map(reals::<R>).transpose()?,
        };
        let shape = vec![batch, channels_out, lines, columns];
        let mut output = filled(element_count(&shape)?, R::zero())?;
        // What is under the window at one place: of each input channel, its taps.
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
