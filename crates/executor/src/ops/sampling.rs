//! GridSample, which interpolates an image at the positions of a grid, and AffineGrid, which creates such a grid.

use super::entry::{OperatorEntry, boxed, microsoft, onnx};
use super::window::spatial;
use crate::error::{Error, Result};
use crate::in_real;
use crate::index;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, reals, rounded};
use crate::tensor::{Tensor, element_count, filled, with_room};

/// The largest number of spatial axes. An interpolation uses up to 4 positions per axis, so that with more axes a small file
/// could ask for any amount of memory. ONNX's own test cases have 2 and 3.
const MAX_AXES: usize = 3;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("AffineGrid", affine_grid),
    onnx("GridSample", grid_sample),
    microsoft("GridSample", grid_sample),
];

fn affine_grid(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    boxed(AffineGrid {
        is_aligned: build.attributes().flag("align_corners", false),
    })
}

fn grid_sample(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    let unknown = |name: &str, actual: &str, expected: &str| {
        Error::graph(format!(
            "the attribute `{name}` is `{actual}`, expected {expected}"
        ))
    };
    boxed(GridSample {
        mode: match attributes.string("mode", "linear") {
            "linear" | "bilinear" => Mode::Linear,
            "nearest" => Mode::Nearest,
            "cubic" | "bicubic" => Mode::Cubic,
            other => return Err(unknown("mode", other, "`linear`, `nearest` or `cubic`")),
        },
        padding: match attributes.string("padding_mode", "zeros") {
            "zeros" => Padding::Zeros,
            "border" => Padding::Border,
            "reflection" => Padding::Reflection,
            other => {
                return Err(unknown(
                    "padding_mode",
                    other,
                    "`zeros`, `border` or `reflection`",
                ));
            }
        },
        is_aligned: attributes.flag("align_corners", false),
    })
}

#[derive(Clone, Copy)]
enum Mode {
    Linear,
    Nearest,
    Cubic,
}

#[derive(Clone, Copy)]
enum Padding {
    Zeros,
    Border,
    Reflection,
}

/// GridSample: interpolates the input at each position of the grid.
struct GridSample {
    mode: Mode,
    padding: Padding,
    is_aligned: bool,
}

impl GridSample {
    fn borders(&self, size: f64) -> (f64, f64) {
        if self.is_aligned {
            (0.0, size - 1.0)
        } else {
            (-0.5, size - 0.5)
        }
    }

    fn reflected(&self, place: f64, size: f64) -> f64 {
        let (least, most) = self.borders(size);
        let range = most - least;
        if range <= 0.0 || (least..=most).contains(&place) {
            return place.clamp(least, most);
        }
        // Reflection has a period of twice the range.
        let along = (place - least).rem_euclid(2.0 * range);
        least
            + if along > range {
                2.0 * range - along
            } else {
                along
            }
    }

    /// The positions on one axis that a coordinate (-1 to 1) is interpolated from, with their weights.
    fn taps(&self, coordinate: f64, size: usize) -> Vec<(usize, f64)> {
        let length = size as f64;
        let mut at = match self.is_aligned {
            true => (coordinate + 1.0) / 2.0 * (length - 1.0),
            false => ((coordinate + 1.0) * length - 1.0) / 2.0,
        };
        if let Mode::Nearest = self.mode {
            at = at.round_ties_even();
        }
        let (least, most) = self.borders(length);
        if at < least || at > most {
            at = match self.padding {
                Padding::Zeros => at,
                Padding::Border => at.clamp(0.0, length - 1.0),
                Padding::Reflection => self.reflected(at, length),
            };
        }
        let (floor, x) = (at.floor(), at - at.floor());
        let a = -0.75;
        let far = |x: f64| ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
        let near = |x: f64| ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
        let taps = match self.mode {
            Mode::Nearest => vec![(at, 1.0)],
            Mode::Linear => vec![(floor, 1.0 - x), (floor + 1.0, x)],
            Mode::Cubic => vec![
                (floor - 1.0, far(x + 1.0)),
                (floor, near(x)),
                (floor + 1.0, near(1.0 - x)),
                (floor + 2.0, far(2.0 - x)),
            ],
        };
        let inside = taps.into_iter().filter_map(|(place, weight)| {
            let last = length - 1.0;
            let place = match self.padding {
                Padding::Zeros if !(0.0..=last).contains(&place) => return None,
                Padding::Reflection => self.reflected(place, length).trunc(),
                _ => place,
            };
            Some((place.clamp(0.0, last) as usize, weight))
        });
        inside.collect()
    }

    fn compute<R: Real>(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>> {
        let (x, grid) = (inputs.required(0)?, inputs.required(1)?);
        let (batch, channels, sizes) = spatial(x.shape())?;
        let given = grid.shape();
        let rank = sizes.len();
        if rank > MAX_AXES {
            return Err(Error::unsupported(format!(
                "sampling {rank} spatial axes is not supported, expected at most {MAX_AXES}"
            )));
        }
        if given.len() != x.rank() || given[0] != batch || given[rank + 1] != rank {
            return Err(Error::input(format!(
                "a grid of shape {given:?} does not match an input of shape {:?}",
                x.shape()
            )));
        }
        let mut shape = vec![batch, channels];
        shape.extend(&given[1..=rank]);
        let mut output = filled(element_count(&shape)?, R::zero())?;
        let places = element_count(&given[1..=rank])?;
        let plane = element_count(sizes)?;
        if plane == 0 && !output.is_empty() {
            return Err(Error::input("an image without values cannot be sampled"));
        }
        let (values, grid) = (reals::<R>(x)?, reals::<f64>(grid)?);
        let strides = index::strides(sizes);
        if output.is_empty() {
            return Ok(vec![rounded(shape, output, x.datatype())?]);
        }
        for (at, point) in grid.chunks_exact(rank).enumerate() {
            // A grid's coordinates begin with the last axis.
            let mut taps = vec![(0, 1.0)];
            for (axis, &coordinate) in point.iter().rev().enumerate() {
                let own = self.taps(coordinate, sizes[axis]);
                let all = taps.iter().flat_map(|&(offset, weight)| {
                    let stride = strides[axis];
                    own.iter()
                        .map(move |&(place, by)| (offset + place * stride, weight * by))
                });
                taps = all.collect();
            }
            let (image, place) = (at / places, at % places);
            for channel in image * channels..(image + 1) * channels {
                let values = &values[channel * plane..][..plane];
                let sum = &mut output[channel * places + place];
                taps.iter()
                    .for_each(|&(offset, weight)| *sum += values[offset] * R::of(weight));
            }
        }
        Ok(vec![rounded(shape, output, x.datatype())?])
    }
}

impl Operator for GridSample {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        in_real!(inputs.required(0)?.datatype(), R => self.compute::<R>(&inputs))
    }
}

/// AffineGrid: maps each position of the output image by the affine matrices `theta`.
struct AffineGrid {
    is_aligned: bool,
}

impl AffineGrid {
    /// The coordinate (-1 to 1) of a position.
    fn coordinate(&self, at: usize, size: usize) -> f64 {
        let (at, size) = (at as f64, size as f64);
        match self.is_aligned {
            // The only position of an axis is in the middle.
            true if size <= 1.0 => 0.0,
            true => 2.0 * at / (size - 1.0) - 1.0,
            false => (2.0 * at + 1.0) / size - 1.0,
        }
    }

    fn compute<R: Real>(&self, inputs: &Inputs<'_>) -> Result<Vec<Tensor>> {
        let (theta, size) = (inputs.required(0)?, inputs.required(1)?.to_i64()?);
        let sizes = size.iter().map(|&size| usize::try_from(size).ok());
        let sizes: Option<Vec<usize>> = sizes.collect();
        let spatial = sizes.as_deref().and_then(|sizes| match sizes {
            [batch, _, spatial @ ..] if matches!(spatial.len(), 2 | 3) => Some((*batch, spatial)),
            _ => None,
        });
        let Some((batch, spatial)) = spatial else {
            return Err(Error::input(format!(
                "the size is {size:?}, expected four or five numbers, none negative"
            )));
        };
        let rank = spatial.len();
        if theta.shape() != [batch, rank, rank + 1] {
            return Err(Error::input(format!(
                "`theta` has the shape {:?}, expected {:?}",
                theta.shape(),
                [batch, rank, rank + 1]
            )));
        }
        let shape = [&[batch], spatial, &[rank]].concat();
        let mut grid = with_room(element_count(&shape)?)?;
        let places = element_count(spatial)?;
        for matrix in reals::<f64>(theta)?.chunks_exact(rank * (rank + 1)) {
            for place in 0..places {
                // Homogeneous coordinates: the last axis first, and a 1 at the end.
                let mut rest = place;
                let mut point = [1.0; MAX_AXES + 1];
                for (coordinate, &size) in point.iter_mut().zip(spatial.iter().rev()) {
                    *coordinate = self.coordinate(rest % size, size);
                    rest /= size;
                }
                point[rank] = 1.0;
                for row in matrix.chunks_exact(rank + 1) {
                    let products = row.iter().zip(point).map(|(a, b)| a * b);
                    grid.push(R::of(products.sum()));
                }
            }
        }
        Ok(vec![rounded(shape, grid, theta.datatype())?])
    }
}

impl Operator for AffineGrid {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        in_real!(inputs.required(0)?.datatype(), R => self.compute::<R>(&inputs))
    }
}
