//! Windows that slide over the spatial axes of a tensor, for convolution and pooling.

use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::index::strides as row_major;
use crate::tensor::with_room;

/// The largest size, stride, dilation or padding: no tensor is longer, and the product of two of them fits an `i64`.
const MAX_SIZE: usize = 1 << 29;

/// How the padding is determined (`auto_pad`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoPad {
    /// By the attribute `pads`.
    NotSet,
    /// So that there are ceil(size / stride) windows; odd padding is larger at the end.
    SameUpper,
    /// The same; odd padding is larger at the beginning.
    SameLower,
    /// No padding.
    Valid,
}

/// The attributes that describe a node's windows.
#[derive(Clone)]
pub struct Window {
    /// The size of a window on each axis; operators with weights may omit it.
    pub kernel: Option<Vec<usize>>,
    /// How padding is found.
    pub auto_pad: AutoPad,
    strides: Option<Vec<usize>>,
    dilations: Option<Vec<usize>>,
    pads: Option<Vec<usize>>,
    is_ceil: bool,
}

impl Window {
    /// Reads `kernel_shape`, `strides`, `dilations`, `pads`, `auto_pad` and `ceil_mode`.
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

    /// Replaces the padding by one that is only known when the node runs.
    ///
    /// # Errors
    /// `Input` if a padding is negative or too large.
    pub fn set_pads(&mut self, pads: &[i64]) -> Result<()> {
        let mut sizes = with_room(pads.len())?;
        for &pad in pads {
            let size = usize::try_from(pad).ok().filter(|&size| size <= MAX_SIZE);
            sizes.push(size.ok_or_else(|| {
                Error::input(format!("a padding is {pad}, expected 0 to {MAX_SIZE}"))
            })?);
        }
        self.pads = Some(sizes);
        Ok(())
    }

    /// The stride, dilation and padding of `rank` spatial axes, with `kernel` as the window's size. The caller fills in the
    /// numbers of windows and of values.
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
                "the attribute `kernel_shape` is {given:?}, expected the weights' {kernel:?}"
            )));
        }
        if kernel.iter().any(|&size| size == 0 || size > MAX_SIZE) {
            return Err(Error::input(format!("a window of {kernel:?} is empty")));
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

    /// Places windows of size `kernel` over `values`.
    ///
    /// # Errors
    /// `Input` if the attributes have another rank, or if no window fits.
    pub fn over(&self, values: &[usize], kernel: &[usize]) -> Result<Frame> {
        if values.len() != kernel.len() {
            return Err(Error::input(format!(
                "a window of {kernel:?} does not match {} spatial axes",
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
                // A number of windows that does not fit into memory is rejected with the output.
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
                .ok_or_else(|| Error::input("the padding does not fit into memory"))?;
            let room = padded.checked_sub(reach).ok_or_else(|| {
                Error::input(format!(
                    "a window that spans {reach} values does not fit into {size} values with a padding of {} and {}",
                    frame.begin[axis], frame.end[axis]
                ))
            })?;
            let mut windows = room / stride + 1;
            if self.is_ceil {
                windows = room.div_ceil(stride) + 1;
                // A window that begins in the padding after the values would contain no value.
                if (windows - 1).saturating_mul(stride) >= size + frame.begin[axis] {
                    windows -= 1;
                }
            }
            frame.windows[axis] = windows;
        }
        Ok(frame)
    }
}

/// The positions of windows: on each axis, tap `t` of window `w` is value `w * stride + t * dilation - begin`.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The number of taps of a window.
    pub kernel: Vec<usize>,
    /// The distance between windows.
    pub strides: Vec<usize>,
    /// The distance between a window's taps.
    pub dilations: Vec<usize>,
    /// Padding before the first value.
    pub begin: Vec<usize>,
    /// Padding after the last value.
    pub end: Vec<usize>,
    /// The number of windows.
    pub windows: Vec<usize>,
    /// The number of values.
    pub values: Vec<usize>,
}

/// Consecutive windows on the last axis that have a value under one tap; the values are a stride apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The offset of the first window.
    pub window: usize,
    /// The offset of the value under its tap.
    pub value: usize,
    /// The number of windows.
    pub count: usize,
}

impl Run {
    /// The offsets of the run's windows.
    pub fn windows(&self) -> std::ops::Range<usize> {
        self.window..self.window + self.count
    }

    /// The offsets from the first value to the last.
    pub fn values(&self, step: usize) -> std::ops::Range<usize> {
        self.value..self.value + (self.count - 1) * step + 1
    }
}

impl Frame {
    /// The number of values that a window spans.
    pub fn reach(&self, axis: usize) -> Result<usize> {
        (self.kernel[axis] - 1)
            .checked_mul(self.dilations[axis])
            .and_then(|reach| reach.checked_add(1))
            .ok_or_else(|| Error::input("a window spans more values than fit into memory"))
    }

    /// The distance between the values of a run.
    pub fn step(&self) -> usize {
        self.strides.last().copied().unwrap_or(1)
    }

    /// Calls `visit` for each tap that is over a value in some window, with its offset in the kernel and the runs of such
    /// windows. Padding is in no run.
    pub fn for_each_tap(&self, mut visit: impl FnMut(usize, &[Run])) -> Result<()> {
        let rank = self.kernel.len();
        // Skips taps that no window has over a value, so that a kernel far larger than the input costs nothing.
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
                // The offset is only used for kernels with weights, which fit into memory.
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

/// The sizes of a tensor's spatial axes, which follow the batch and the channels.
///
/// # Errors
/// `Input` if there are none.
pub fn spatial(shape: &[usize]) -> Result<(usize, usize, &[usize])> {
    match shape {
        [batch, channels, spatial @ ..] if !spatial.is_empty() => Ok((*batch, *channels, spatial)),
        _ => Err(Error::input(format!(
            "expected a batch, channels and at least one spatial axis, got the shape {shape:?}"
        ))),
    }
}
