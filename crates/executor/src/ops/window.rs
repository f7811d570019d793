//! Windows that slide over the spatial axes of a tensor: what convolutions and pooling have in common.

use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::index::strides as row_major;
use crate::tensor::with_room;

/// The largest size, stride, dilation or padding that a file may ask for: no tensor is longer, and products of
/// two of them fit an `i64`.
const MAX_SIZE: usize = 1 << 29;

/// How padding is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoPad {
    /// As `pads` says.
    NotSet,
    /// So that there are as many windows as values by stride; what is odd goes to the end.
    SameUpper,
    /// The same; what is odd goes to the beginning.
    SameLower,
    /// None.
    Valid,
}

/// What a node says of its windows.
pub struct Window {
    /// How many values are in a window, on each axis; weights say it for the operators that have some.
    pub kernel: Option<Vec<usize>>,
    /// How padding is found.
    pub auto_pad: AutoPad,
    strides: Option<Vec<usize>>,
    dilations: Option<Vec<usize>>,
    pads: Option<Vec<usize>>,
    is_ceil: bool,
}

impl Window {
    /// Read `kernel_shape`, `strides`, `dilations`, `pads`, `auto_pad` and `ceil_mode`.
    pub fn read(attributes: Attributes<'_>) -> Result<Self> {
        let sizes = |name: &str, least: usize| -> Result<Option<Vec<usize>>> {
            let found = attributes.sizes(name)?;
            match found
                .as_ref()
                .and_then(|sizes| sizes.iter().find(|&&s| s < least || s > MAX_SIZE))
            {
                Some(size) => Err(Error::graph(format!(
                    "the attribute `{name}` has a {size}, expected {least} to {MAX_SIZE}"
                ))),
                None => Ok(found),
            }
        };
        Ok(Self {
            kernel: sizes("kernel_shape", 1)?,
            strides: sizes("strides", 1)?,
            dilations: sizes("dilations", 1)?,
            pads: sizes("pads", 0)?,
            auto_pad: match attributes.string("auto_pad", "NOTSET") {
                "NOTSET" | "" => AutoPad::NotSet,
                "SAME_UPPER" => AutoPad::SameUpper,
                "SAME_LOWER" => AutoPad::SameLower,
                "VALID" => AutoPad::Valid,
                other => {
                    return Err(Error::graph(format!(
                        "the attribute `auto_pad` is `{other}`, expected NOTSET, SAME_UPPER, \
                         SAME_LOWER or VALID"
                    )));
                }
            },
            is_ceil: attributes.flag("ceil_mode", false),
        })
    }

    /// Stride, dilation and padding for each of `rank` spatial axes, with `kernel` as the window; the number of
    /// windows and of values is for the caller to fill in.
    pub fn frame(&self, kernel: &[usize]) -> Result<Frame> {
        let rank = kernel.len();
        let per_axis = |name: &str, given: &Option<Vec<usize>>, default: usize, count: usize| {
            let sizes = given.clone().unwrap_or_else(|| vec![default; count]);
            if sizes.len() == count {
                Ok(sizes)
            } else {
                Err(Error::input(format!(
                    "the attribute `{name}` has {} numbers, expected {count} for {rank} spatial axes",
                    sizes.len()
                )))
            }
        };
        if let Some(given) = &self.kernel
            && given != kernel
        {
            return Err(Error::input(format!(
                "the attribute `kernel_shape` is {given:?}, the weights have {kernel:?}"
            )));
        }
        if kernel.iter().any(|&size| size == 0 || size > MAX_SIZE) {
            return Err(Error::input(format!(
                "a window of {kernel:?} has nothing in it"
            )));
        }
        let pads = match self.auto_pad {
            AutoPad::NotSet => per_axis("pads", &self.pads, 0, 2 * rank)?,
            _ => vec![0; 2 * rank],
        };
        Ok(Frame {
            kernel: kernel.to_vec(),
            strides: per_axis("strides", &self.strides, 1, rank)?,
            dilations: per_axis("dilations", &self.dilations, 1, rank)?,
            begin: pads[..rank].to_vec(),
            end: pads[rank..].to_vec(),
            windows: vec![0; rank],
            values: vec![0; rank],
        })
    }

    /// Windows of `kernel` over `values`.
    ///
    /// # Errors
    /// `Input` when the attributes are of another rank or no window fits.
    pub fn over(&self, values: &[usize], kernel: &[usize]) -> Result<Frame> {
        if values.len() != kernel.len() {
            return Err(Error::input(format!(
                "a window of {kernel:?} cannot slide over {} spatial axes",
                values.len()
            )));
        }
        let mut frame = self.frame(kernel)?;
        frame.values = values.to_vec();
        for (axis, &size) in values.iter().enumerate() {
            let stride = frame.strides[axis];
            let reach = frame.reach(axis)?;
            if matches!(self.auto_pad, AutoPad::SameUpper | AutoPad::SameLower) {
                let windows = size.div_ceil(stride);
                // One that no memory holds is refused with the output that it is for.
                let needed = (windows.saturating_sub(1) * stride).saturating_add(reach);
                let total = needed.saturating_sub(size);
                let less = total / 2;
                (frame.begin[axis], frame.end[axis]) = match self.auto_pad {
                    AutoPad::SameLower => (total - less, less),
                    _ => (less, total - less),
                };
                frame.windows[axis] = windows;
                continue;
            }
            let padded = frame.begin[axis]
                .checked_add(frame.end[axis])
                .and_then(|pads| pads.checked_add(size))
                .ok_or_else(|| Error::input("the padding is larger than any memory"))?;
            let room = padded.checked_sub(reach).ok_or_else(|| {
                Error::input(format!(
                    "a window that reaches over {reach} does not fit into {size} values with a \
                     padding of {} and {}",
                    frame.begin[axis], frame.end[axis]
                ))
            })?;
            let mut windows = room / stride + 1;
            if self.is_ceil {
                windows = room.div_ceil(stride) + 1;
                // A window that begins in the padding after the values has nothing to look at.
                if (windows - 1).saturating_mul(stride) >= size + frame.begin[axis] {
                    windows -= 1;
                }
            }
            frame.windows[axis] = windows;
        }
        Ok(frame)
    }
}

/// Where windows are: on each axis, window `w`'s tap `t` is value `w * stride + t * dilation - begin`.
#[derive(Clone, Debug)]
pub struct Frame {
    /// How many taps a window has.
    pub kernel: Vec<usize>,
    /// How far apart windows are.
    pub strides: Vec<usize>,
    /// How far apart a window's taps are.
    pub dilations: Vec<usize>,
    /// Padding before the first value.
    pub begin: Vec<usize>,
    /// Padding after the last value.
    pub end: Vec<usize>,
    /// How many windows there are.
    pub windows: Vec<usize>,
    /// How many values there are.
    pub values: Vec<usize>,
}

/// Windows side by side on the last axis that have a value under one tap: values are a stride apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The offset of the first window.
    pub window: usize,
    /// The offset of its value.
    pub value: usize,
    /// How many windows there are.
    pub count: usize,
}

impl Run {
    /// The windows of the run.
    pub fn windows(&self) -> std::ops::Range<usize> {
        self.window..self.window + self.count
    }

    /// From the first value to the last.
    pub fn values(&self, step: usize) -> std::ops::Range<usize> {
        self.value..self.value + (self.count - 1) * step + 1
    }
}

impl Frame {
    /// How many values a window reaches over.
    pub fn reach(&self, axis: usize) -> Result<usize> {
        (self.kernel[axis] - 1)
            .checked_mul(self.dilations[axis])
            .and_then(|reach| reach.checked_add(1))
            .ok_or_else(|| Error::input("a window reaches over more than any memory"))
    }

    /// How far apart the values of a run are.
    pub fn step(&self) -> usize {
        self.strides.last().copied().unwrap_or(1)
    }

    /// Call `visit` with each tap that is over a value in some window, as its offset in the kernel and the runs
    /// of such windows. What is padding is in no run.
    pub fn for_each_tap(&self, mut visit: impl FnMut(usize, &[Run])) -> Result<()> {
        let rank = self.kernel.len();
        // Only taps that some window has over a value: a kernel far larger than the values costs nothing.
        let mut ranges = Vec::with_capacity(rank);
        for axis in 0..rank {
            if self.values[axis] == 0 || self.windows[axis] == 0 {
                return Ok(());
            }
            let last_start = (self.windows[axis] - 1).saturating_mul(self.strides[axis]);
            let first = self.begin[axis]
                .saturating_sub(last_start)
                .div_ceil(self.dilations[axis]);
            let past = (self.values[axis] - 1 + self.begin[axis]) / self.dilations[axis] + 1;
            let past = past.min(self.kernel[axis]);
            if first >= past {
                return Ok(());
            }
            ranges.push(first..past);
        }
        let mut tap: Vec<usize> = ranges.iter().map(|range| range.start).collect();
        let mut runs = Vec::new();
        loop {
            self.runs(&tap, &mut runs)?;
            if !runs.is_empty() {
                // Only kernels of weights are asked where a tap is, and these fit into memory.
                let at = tap
                    .iter()
                    .zip(&self.kernel)
                    .fold(0usize, |at, (&tap, &size)| {
                        at.wrapping_mul(size).wrapping_add(tap)
                    });
                visit(at, &runs);
            }
            let mut axis = rank;
            loop {
                if axis == 0 {
                    return Ok(());
                }
                axis -= 1;
                tap[axis] += 1;
                if tap[axis] < ranges[axis].end {
                    break;
                }
                tap[axis] = ranges[axis].start;
            }
        }
    }

    fn runs(&self, tap: &[usize], runs: &mut Vec<Run>) -> Result<()> {
        runs.clear();
        let rank = tap.len();
        let mut from = vec![0; rank];
        let mut to = vec![0; rank];
        for axis in 0..rank {
            let (stride, reach) = (self.strides[axis], tap[axis] * self.dilations[axis]);
            let begin = self.begin[axis];
            from[axis] = begin.saturating_sub(reach).div_ceil(stride);
            to[axis] = (self.values[axis] + begin)
                .saturating_sub(reach)
                .div_ceil(stride)
                .min(self.windows[axis]);
            if from[axis] >= to[axis] {
                return Ok(());
            }
        }
        let window_strides = row_major(&self.windows);
        let value_strides = row_major(&self.values);
        let rows = (0..rank - 1).map(|axis| to[axis] - from[axis]).product();
        if runs.capacity() < rows {
            *runs = with_room(rows)?;
        }
        let mut at = from.clone();
        for _ in 0..rows {
            let mut run = Run {
                window: 0,
                value: 0,
                count: to[rank - 1] - from[rank - 1],
            };
            for axis in 0..rank {
                let value = at[axis] * self.strides[axis] + tap[axis] * self.dilations[axis]
                    - self.begin[axis];
                run.window += at[axis] * window_strides[axis];
                run.value += value * value_strides[axis];
            }
            runs.push(run);
            for axis in (0..rank - 1).rev() {
                at[axis] += 1;
                if at[axis] < to[axis] {
                    break;
                }
                at[axis] = from[axis];
            }
        }
        Ok(())
    }
}

/// The sizes of a tensor's spatial axes: those after the batch and the channels.
///
/// # Errors
/// `Input` when there are none.
pub fn spatial(shape: &[usize]) -> Result<(usize, usize, &[usize])> {
    match shape {
        [batch, channels, spatial @ ..] if !spatial.is_empty() => Ok((*batch, *channels, spatial)),
        _ => Err(Error::input(format!(
            "expected a batch, channels and at least one spatial axis, came the shape {shape:?}"
        ))),
    }
}
