//! RoiAlign: regions of images, sampled to one size (He et al., Mask R-CNN, arXiv:1703.06870).

use super::entry::{OperatorEntry, boxed, onnx};
use crate::error::{Error, Result};
use crate::in_real;
use crate::operator::{Build, Inputs, Operator};
use crate::real::{Real, common_datatype, reals, rounded};
use crate::tensor::{Tensor, element_count, with_room};

pub(super) const OPERATORS: &[OperatorEntry] = &[onnx("RoiAlign", roi_align)];

/// The most samples along one side of a cell. A region is in the coordinates of an image, which no network makes larger.
const MAX_SAMPLES: usize = 1 << 12;

fn roi_align(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    // Before version 16 the operator had no such attribute, and half a pixel was not subtracted.
    let default = match build.opset {
        ..16 => "output_half_pixel",
        _ => "half_pixel",
    };
    let is_half_pixel = match attributes.string("coordinate_transformation_mode", default) {
        "half_pixel" => true,
        "output_half_pixel" => false,
        other => {
            return Err(Error::graph(format!(
                "the attribute `coordinate_transformation_mode` is `{other}`, expected half_pixel or output_half_pixel"
            )));
        }
    };
    let is_max = match attributes.string("mode", "avg") {
        "avg" => false,
        "max" => true,
        other => {
            return Err(Error::graph(format!(
                "the attribute `mode` is `{other}`, expected avg or max"
            )));
        }
    };
    let size = |name: &str| -> Result<usize> {
        match attributes.count(name)?.unwrap_or(1) {
            0 => Err(Error::graph(format!(
                "the attribute `{name}` is 0, expected at least 1"
            ))),
            size => Ok(size),
        }
    };
    boxed(RoiAlign {
        is_half_pixel,
        is_max,
        cells: [size("output_height")?, size("output_width")?],
        samples: attributes.count("sampling_ratio")?.unwrap_or(0),
        scale: attributes.float("spatial_scale", 1.0).into(),
    })
}

/// RoiAlign: averages or maxima of bilinear samples, for each cell of a grid over each region.
struct RoiAlign {
    is_half_pixel: bool,
    is_max: bool,
    /// The grid's rows and columns.
    cells: [usize; 2],
    /// Samples along each side of a cell; 0 is about one for each pixel.
    samples: usize,
    /// The scale of the regions' coordinates.
    scale: f64,
}

/// Samples of one axis in one cell: the places of the two pixels around each sample, and their weights. `None` for a sample
/// outside of the image.
type Samples<R> = Vec<Option<[(usize, R); 2]>>;

impl RoiAlign {
    /// The samples of each cell along one axis of a region from `start` to `end`, in an image of `size` pixels.
    fn axis<R: Real>(
        &self,
        [start, end]: [R; 2],
        axis: usize,
        size: usize,
    ) -> Result<Vec<Samples<R>>> {
        let offset = R::of(if self.is_half_pixel { 0.5 } else { 0.0 });
        let scale = R::of(self.scale);
        let (start, end) = (start * scale - offset, end * scale - offset);
        let length = match self.is_half_pixel {
            true => end - start,
            false => (end - start).max(R::one()),
        };
        let count = self.cells[axis];
        let cell = length / R::of(count as f64);
        let samples = match self.samples {
            0 => cell.ceil().max(R::zero()).to_usize(),
            samples => Some(samples),
        };
        let samples = samples.filter(|&samples| samples <= MAX_SAMPLES);
        let samples = samples.filter(|_| start.is_finite() && cell.is_finite());
        let samples = samples.ok_or_else(|| {
            Error::input(format!(
                "a region from {} to {} needs more than {MAX_SAMPLES} samples in a cell",
                start.wide(),
                end.wide()
            ))
        })?;
        let mut cells = with_room(count)?;
        for at in 0..count {
            let mut places: Samples<R> = with_room(samples)?;
            for sample in 0..samples {
                let part = (R::of(sample as f64) + R::of(0.5)) * cell / R::of(samples as f64);
                places.push(around(start + R::of(at as f64) * cell + part, size));
            }
            cells.push(places);
        }
        Ok(cells)
    }

    /// The value of a cell: of its samples in the rows and columns of one channel.
    fn cell<R: Real>(
        &self,
        image: &[R],
        width: usize,
        rows: &Samples<R>,
        columns: &Samples<R>,
    ) -> R {
        let mut sum = R::zero();
        let mut most = None;
        for (row, column) in rows
            .iter()
            .flat_map(|row| columns.iter().map(move |column| (row, column)))
        {
            let (Some(rows), Some(columns)) = (row, column) else {
                // A sample outside of the image is 0.
                most = Some(most.map_or(R::zero(), |most: R| most.max(R::zero())));
                continue;
            };
            for &(y, row_weight) in rows {
                for &(x, column_weight) in columns {
                    let value = image[y * width + x] * (row_weight * column_weight);
                    sum += value;
                    // The reference takes the largest weighted pixel, not the largest sample.
                    most = Some(most.map_or(value, |most: R| most.max(value)));
                }
            }
        }
        let count = (rows.len() * columns.len()).max(1);
        match self.is_max {
            true => most.unwrap_or_else(R::zero),
            false => sum / R::of(count as f64),
        }
    }

    fn compute<R: Real>(&self, inputs: &Inputs<'_>) -> Result<Tensor> {
        let datatype = common_datatype(inputs, &[1])?;
        let (x, regions, images) = (
            inputs.required(0)?,
            inputs.required(1)?,
            inputs.required(2)?,
        );
        let (&[batch, channels, height, width], &[count, 4], &[indices]) =
            (x.shape(), regions.shape(), images.shape())
        else {
            return Err(Error::input(format!(
                "expected images with 4 axes, regions [count, 4] and their images [count], got the shapes {:?}, {:?} and {:?}",
                x.shape(),
                regions.shape(),
                images.shape()
            )));
        };
        if count != indices {
            return Err(Error::input(format!(
                "there are {count} regions, but {indices} numbers of images"
            )));
        }
        let [rows, columns] = self.cells;
        let shape = vec![count, channels, rows, columns];
        let mut output = with_room(element_count(&shape)?)?;
        let (x, regions, images) = (reals::<R>(x)?, reals::<R>(regions)?, images.to_i64()?);
        for (region, &image) in regions.chunks_exact(4).zip(&images) {
            let image = usize::try_from(image).ok().filter(|&image| image < batch);
            let image = image.ok_or_else(|| {
                Error::input(format!(
                    "a region is in an image that is not among the {batch}"
                ))
            })?;
            let ys = self.axis([region[1], region[3]], 0, height)?;
            let xs = self.axis([region[0], region[2]], 1, width)?;
            for channel in 0..channels {
                let plane = &x[(image * channels + channel) * height * width..][..height * width];
                for row in &ys {
                    output.extend(xs.iter().map(|column| self.cell(plane, width, row, column)));
                }
            }
        }
        rounded(shape, output, datatype)
    }
}

/// The two pixels around a place, and their weights; `None` more than a pixel outside.
fn around<R: Real>(place: R, size: usize) -> Option<[(usize, R); 2]> {
    if size == 0 || !(place >= -R::one() && place <= R::of(size as f64)) {
        return None;
    }
    let place = place.max(R::zero());
    let low = place.to_usize().unwrap_or(0);
    if low >= size - 1 {
        return Some([(size - 1, R::one()), (size - 1, R::zero())]);
    }
    let part = place - R::of(low as f64);
    Some([(low, R::one() - part), (low + 1, part)])
}

impl Operator for RoiAlign {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        in_real!(inputs.required(0)?.datatype(), R => Ok(vec![self.compute::<R>(&inputs)?]))
    }
}
