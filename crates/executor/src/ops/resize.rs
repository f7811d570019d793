//! Resize and Upsample.

use super::entry::{LayoutRule, OperatorEntry, boxed, onnx};
use super::quantize::{nearest, saturated};
use crate::error::{Error, Result};
use crate::in_real;
use crate::index;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, each, into_reals, reals, rounded};
use crate::strided_copy::{FILL, gather_axes};
use crate::tensor::{Data, Tensor, element_count, filled};
use infer_tensor::Datatype;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("Resize", |build| resize(build, build.opset < 11)).layout(LayoutRule::EachAxis),
    onnx("Upsample", |build| resize(build, true)),
];

/// Builds Resize; `is_old` selects the rules of Upsample, which Resize had before version 11 too.
fn resize(build: &Build<'_>, is_old: bool) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let wrong = |name: &str, actual: &str| {
        Error::unsupported(format!(
            "the attribute `{name}` is `{actual}`, which is not supported"
        ))
    };
    let coordinates = match attributes.string("coordinate_transformation_mode", "half_pixel") {
        _ if is_old => Coordinates::Asymmetric,
        "half_pixel" => Coordinates::HalfPixel,
        "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
        "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        "tf_crop_and_resize" => Coordinates::Crop,
        other => return Err(wrong("coordinate_transformation_mode", other)),
    };
    let rounding = match attributes.string("nearest_mode", "round_prefer_floor") {
        _ if is_old => Rounding::Simple,
        "round_prefer_floor" => Rounding::PreferFloor,
        "round_prefer_ceil" => Rounding::PreferCeil,
        "floor" => Rounding::Floor,
        "ceil" => Rounding::Ceil,
        other => return Err(wrong("nearest_mode", other)),
    };
    boxed(Resize {
        mode: match attributes.string("mode", "nearest") {
            "nearest" => Mode::Nearest(rounding),
            "linear" | "bilinear" => Mode::Linear,
            "cubic" => Mode::Cubic(attributes.float("cubic_coeff_a", -0.75).into()),
            other => return Err(wrong("mode", other)),
        },
        coordinates,
        is_antialiased: attributes.flag("antialias", false),
        excludes_outside: attributes.flag("exclude_outside", false),
        extrapolation: attributes.float("extrapolation_value", 0.0).into(),
        axes: attributes.ints("axes").map(<[i64]>::to_vec),
        policy: match attributes.string("keep_aspect_ratio_policy", "stretch") {
            "stretch" => Policy::Stretch,
            "not_larger" => Policy::NotLarger,
            "not_smaller" => Policy::NotSmaller,
            other => return Err(wrong("keep_aspect_ratio_policy", other)),
        },
        // Before version 11 the scales directly follow the input; later the region of interest is in between.
        scales_at: if is_old { 1 } else { 2 },
        scales: attributes.floats("scales").map(<[f32]>::to_vec),
    })
}

enum Mode {
    Nearest(Rounding),
    Linear,
    Cubic(f64),
}

#[derive(Clone, Copy)]
enum Rounding {
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
    /// The rule before version 11, which ONNX does not specify: up for downsampling and down otherwise, as in ONNX Runtime.
    Simple,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    Crop,
}

enum Policy {
    Stretch,
    NotLarger,
    NotSmaller,
}

/// Resize, and its predecessor Upsample: interpolates along one axis after another.
struct Resize {
    mode: Mode,
    coordinates: Coordinates,
    is_antialiased: bool,
    excludes_outside: bool,
    extrapolation: f64,
    axes: Option<Vec<i64>>,
    policy: Policy,
    scales_at: usize,
    scales: Option<Vec<f32>>,
}

/// The resizing of one axis.
struct Axis {
    input: usize,
    output: usize,
    scale: f64,
    region: (f64, f64),
}

impl Axis {
    fn is_same(&self) -> bool {
        self.input == self.output && self.scale == 1.0 && self.region == (0.0, 1.0)
    }
}

impl Resize {
    fn plan(&self, inputs: &Inputs<'_>, shape: &[usize]) -> Result<Vec<Axis>> {
        let rank = shape.len();
        let axes = match &self.axes {
            Some(axes) => axes
                .iter()
                .map(|&a| index::axis(a, rank))
                .collect::<Result<Vec<_>>>()?,
            None => (0..rank).collect(),
        };
        let mut plan: Vec<Axis> = shape
            .iter()
            .map(|&size| Axis {
                input: size,
                output: size,
                scale: 1.0,
                region: (0.0, 1.0),
            })
            .collect();
        let given = |position: usize| inputs.get(position).filter(|tensor| !tensor.is_empty());
        let count = |name: &str, actual: usize, expected: usize| match actual == expected {
            true => Ok(()),
            false => Err(Error::input(format!(
                "expected {expected} {name}, got {actual}"
            ))),
        };
        let sizes = if self.scales_at == 2 { given(3) } else { None };
        if let Some(sizes) = sizes {
            let sizes = sizes.to_i64()?;
            count("sizes", sizes.len(), axes.len())?;
            let mut scales = Vec::new();
            for (&axis, &size) in axes.iter().zip(&sizes) {
                plan[axis].output = usize::try_from(size).map_err(|_| {
                    Error::input(format!(
                        "the sizes are {sizes:?}, expected no negative ones"
                    ))
                })?;
                if plan[axis].input == 0 && size > 0 {
                    return Err(Error::input(
                        "an axis without elements cannot be resized to a size above 0",
                    ));
                }
                plan[axis].scale = size as f64 / plan[axis].input.max(1) as f64;
                scales.push(plan[axis].scale);
            }
            let one = match self.policy {
                Policy::Stretch => None,
                Policy::NotLarger => scales.iter().copied().reduce(f64::min),
                Policy::NotSmaller => scales.iter().copied().reduce(f64::max),
            };
            if let Some(scale) = one {
                for &axis in &axes {
                    plan[axis].scale = scale;
                    plan[axis].output = (scale * plan[axis].input as f64 + 0.5) as usize;
                }
            }
        } else {
            let scales = match (&self.scales, given(self.scales_at)) {
                (_, Some(scales)) => reals::<f32>(scales)?.into_owned(),
                (Some(scales), None) => scales.clone(),
                (None, None) => {
                    return Err(Error::input(
                        "neither scales nor sizes are given, expected one of them",
                    ));
                }
            };
            count("scales", scales.len(), axes.len())?;
            for (&axis, &scale) in axes.iter().zip(&scales) {
                if !(scale.is_finite() && scale > 0.0) {
                    return Err(Error::input(format!(
                        "the scales are {scales:?}, expected positive ones"
                    )));
                }
                plan[axis].scale = scale.into();
                // In FP32, as ONNX Runtime does, so that 0.7 times 10 is 7.
                plan[axis].output = (scale * plan[axis].input as f32) as usize;
            }
        }
        if self.coordinates == Coordinates::Crop {
            let region =
                given(1).ok_or_else(|| Error::input("the region of interest is missing"))?;
            let region = reals::<f64>(region)?;
            count(
                "bounds of a region of interest",
                region.len(),
                2 * axes.len(),
            )?;
            for (at, &axis) in axes.iter().enumerate() {
                plan[axis].region = (region[at], region[axes.len() + at]);
            }
        }
        Ok(plan)
    }

    /// The input coordinate of an output position; `None` outside the cropped region.
    fn origin(&self, axis: &Axis, at: usize) -> Option<f64> {
        let (x, input) = (at as f64, axis.input as f64);
        let output = axis.scale * input;
        Some(match self.coordinates {
            Coordinates::HalfPixel => (x + 0.5) / axis.scale - 0.5,
            Coordinates::HalfPixelSymmetric => {
                let offset = input / 2.0 * (1.0 - axis.output as f64 / output);
                offset + (x + 0.5) / axis.scale - 0.5
            }
            Coordinates::PytorchHalfPixel if axis.output == 1 => -0.5,
            Coordinates::PytorchHalfPixel => (x + 0.5) / axis.scale - 0.5,
            Coordinates::AlignCorners if output == 1.0 => 0.0,
            Coordinates::AlignCorners => x * (input - 1.0) / (output - 1.0),
            Coordinates::Asymmetric => x / axis.scale,
            Coordinates::Crop => {
                let (from, to) = axis.region;
                let inside = match output == 1.0 {
                    true => (to - from) * (input - 1.0) / 2.0,
                    false => x * (to - from) * (input - 1.0) / (output - 1.0),
                };
                let found = inside + from * (input - 1.0);
                return (found >= 0.0 && found <= input - 1.0).then_some(found);
            }
        })
    }

    /// The input positions that an output position is interpolated from, with their weights; `None` if it is
    /// extrapolated.
    fn taps(&self, axis: &Axis, at: usize) -> Option<Vec<(usize, f64)>> {
        let origin = self.origin(axis, at)?;
        let inside = |place: f64| place.clamp(0.0, axis.input.saturating_sub(1) as f64) as usize;
        let (floor, fraction) = (origin.floor(), origin - origin.floor());
        // Antialiasing widens the kernel when downsampling.
        let scale = if self.is_antialiased {
            axis.scale.min(1.0)
        } else {
            1.0
        };
        let (reach, kernel): (f64, &dyn Fn(f64) -> f64) = match &self.mode {
            Mode::Nearest(rounding) => {
                let is_up = match rounding {
                    _ if fraction == 0.0 => false,
                    Rounding::PreferFloor => fraction > 0.5,
                    Rounding::PreferCeil => fraction >= 0.5,
                    Rounding::Floor => false,
                    Rounding::Ceil => true,
                    Rounding::Simple => axis.scale < 1.0,
                };
                return Some(vec![(inside(if is_up { floor + 1.0 } else { floor }), 1.0)]);
            }
            Mode::Linear => (1.0, &|x: f64| (1.0 - x.abs()).max(0.0)),
            Mode::Cubic(a) => (2.0, &move |x: f64| {
                let x = x.abs();
                match x {
                    ..=1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
                    ..2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
                    _ => 0.0,
                }
            }),
        };
        let first = (-reach / scale).floor() as i64 + 1;
        let mut taps = Vec::new();
        let mut sum = 0.0;
        for step in first..2 - first {
            let place = floor + step as f64;
            let is_outside = place < 0.0 || place > axis.input as f64 - 1.0;
            let mut weight = kernel((step as f64 - fraction) * scale);
            if self.excludes_outside && is_outside {
                weight = 0.0;
            }
            sum += weight;
            if weight != 0.0 {
                taps.push((inside(place), weight));
            }
        }
        if (self.is_antialiased || self.excludes_outside) && sum != 0.0 {
            taps.iter_mut().for_each(|tap| tap.1 /= sum);
        }
        Some(taps)
    }

    fn interpolate<R: Real>(&self, mut values: Vec<R>, plan: &[Axis]) -> Result<Vec<R>> {
        let mut shape: Vec<usize> = plan.iter().map(|axis| axis.input).collect();
        for (at, axis) in plan.iter().enumerate() {
            if axis.is_same() {
                continue;
            }
            let inner = element_count(&shape[at + 1..])?;
            shape[at] = axis.output;
            let mut next = filled(element_count(&shape)?, R::zero())?;
            for place in 0..axis.output {
                let taps = self.taps(axis, place);
                let blocks = values.chunks_exact(axis.input * inner);
                for (from, to) in blocks.zip(next.chunks_exact_mut(axis.output * inner)) {
                    let to = &mut to[place * inner..][..inner];
                    let Some(taps) = &taps else {
                        to.fill(R::of(self.extrapolation));
                        continue;
                    };
                    for &(place, weight) in taps {
                        let weight = R::of(weight);
                        let from = &from[place * inner..][..inner];
                        to.iter_mut()
                            .zip(from)
                            .for_each(|(to, &from)| *to += weight * from);
                    }
                }
            }
            values = next;
        }
        Ok(values)
    }
}

impl Operator for Resize {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let plan = self.plan(&inputs, inputs.required(0)?.shape())?;
        let shape: Vec<usize> = plan.iter().map(|axis| axis.output).collect();
        let count = element_count(&shape)?;
        let input = inputs.take(0)?;
        if plan.iter().all(Axis::is_same) {
            return Ok(vec![input]);
        }
        let datatype = input.datatype();
        if count == 0 {
            return crate::with_element!(datatype, T => Ok(vec![Tensor::of::<T>(&shape, Vec::new())?]));
        }
        if let Mode::Nearest(_) = self.mode {
            let mut maps = Vec::new();
            for axis in &plan {
                let mut map = filled(axis.output, FILL)?;
                for (at, from) in map.iter_mut().enumerate() {
                    *from = match axis.is_same() {
                        true => at,
                        false => self.taps(axis, at).map_or(FILL, |taps| taps[0].0),
                    };
                }
                maps.push(map);
            }
            let filling = match self.coordinates {
                Coordinates::Crop => {
                    let one = vec![self.extrapolation];
                    Some(match datatype {
                        Datatype::Fp64 | Datatype::Fp32 | Datatype::Fp16 | Datatype::Bf16 => {
                            rounded(vec![1], one, datatype)?
                        }
                        _ => saturated(vec![1], &[nearest(self.extrapolation)], datatype)?,
                    })
                }
                _ => None,
            };
            return Ok(vec![gather_axes(&input, &maps, filling.as_ref())?]);
        }
        let bytes = match input.data() {
            Data::U8(values) => Some(each(values, f32::from)?),
            Data::I8(values) => Some(each(values, f32::from)?),
            _ => None,
        };
        if let Some(bytes) = bytes {
            let values = self.interpolate::<f32>(bytes, &plan)?;
            let values = each(&values, nearest)?;
            return Ok(vec![saturated(shape, &values, datatype)?]);
        }
        in_real!(datatype, R => {
            let values = self.interpolate::<R>(into_reals(input)?, &plan)?;
            Ok(vec![rounded(shape, values, datatype)?])
        })
    }
}
