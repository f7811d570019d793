//! The shuffle of channels between groups (Zhang et al., ShuffleNet, arXiv:1707.01083).

use super::sizes;
use crate::buffer_pool::scratch;
use crate::error::{Error, Result};
use crate::operator::{Inputs, Operator};
use crate::tensor::Tensor;

/// Makes the channels of each pixel, `[groups, channels / groups]`, `[channels / groups, groups]`: what exporters write as a
/// reshape, a transpose and a reshape. FP32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelShuffle {
    /// The number of groups before the shuffle; it divides the channels.
    pub groups: usize,
    /// The number of channels.
    pub channels: usize,
    /// Height and width, which the reshapes of the file name.
    pub size: [usize; 2],
    /// Whether the input and the output are NHWC, not NCHW.
    pub is_channels_last: bool,
}

impl Operator for ChannelShuffle {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let shape = sizes(input)?;
        let (channels, size) = match (self.is_channels_last, shape) {
            (true, [_, height, width, channels]) | (false, [_, channels, height, width]) => {
                (channels, [height, width])
            }
        };
        if (channels, size) != (self.channels, self.size) {
            return Err(Error::input(format!(
                "expected {} channels of {} x {} values, got {channels} of {} x {}",
                self.channels, self.size[0], self.size[1], size[0], size[1]
            )));
        }
        let values = input.elements::<f32>()?;
        let mut output = scratch(values.len())?;
        // Values that stay together: one of each channel, or its whole image.
        let run = match self.is_channels_last {
            true => 1,
            false => size[0] * size[1],
        };
        let each = channels / self.groups;
        let block = (channels * run).max(1);
        for (from, to) in values
            .chunks_exact(block)
            .zip(output.chunks_exact_mut(block))
        {
            if run == 1 {
                // Far faster than copies of one value.
                for (group, from) in from.chunks_exact(each.max(1)).enumerate() {
                    let targets = to.iter_mut().skip(group).step_by(self.groups);
                    targets.zip(from).for_each(|(to, &value)| *to = value);
                }
                continue;
            }
            let targets = to.chunks_exact_mut(run.max(1));
            for (place, target) in targets.enumerate() {
                let (channel, group) = (place / self.groups, place % self.groups);
                let start = (group * each + channel) * run;
                target.copy_from_slice(&from[start..start + run]);
            }
        }
        Ok(vec![Tensor::of(input.shape(), output)?])
    }
}
