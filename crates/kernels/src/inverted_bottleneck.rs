//! The fused inverted bottleneck: a pointwise convolution followed by a depthwise convolution.

use crate::conv::Conv2d;
use crate::depthwise::{Depthwise, Run};
use crate::spec::{ConvSpec, Images};

/// Intermediate values of a large image that are in memory at the same time, so that they stay in the L2 cache.
const PART_VALUES: usize = 64 * 1024;
/// The largest number of intermediate values of an image that are all computed at once.
const MAX_WHOLE_VALUES: usize = 256 * 1024;

/// The fused inverted bottleneck of mobile networks: a pointwise convolution that expands the channels, and a depthwise
/// convolution of its output. For a large image, only a few lines of the expanded channels exist at the same time, so
/// that they stay in the cache.
#[derive(Clone, Debug)]
pub struct InvertedBottleneck {
    pointwise: Conv2d,
    depthwise: Depthwise,
}

impl InvertedBottleneck {
    /// Fuse two convolutions.
    ///
    /// # Panics
    /// If the first is not pointwise, or the channels do not match.
    #[must_use]
    pub fn new(pointwise: Conv2d, depthwise: Depthwise) -> Self {
        let spec = pointwise.spec();
        assert!(spec.window.is_pointwise(), "{:?}", spec.window);
        assert_eq!(spec.channels_out, depthwise.spec().channels_in, "channels");
        Self {
            pointwise,
            depthwise,
        }
    }

    /// The parameters of the pointwise convolution.
    #[must_use]
    pub fn pointwise(&self) -> &ConvSpec {
        self.pointwise.spec()
    }

    /// The parameters of the depthwise convolution.
    #[must_use]
    pub fn depthwise(&self) -> &ConvSpec {
        self.depthwise.spec()
    }

    /// The same weights with other parameters of the depthwise convolution.
    ///
    /// # Panics
    /// If anything but padding, clamp and quantization differs.
    #[must_use]
    pub fn with_depthwise(&self, spec: ConvSpec) -> Self {
        Self {
            depthwise: self.depthwise.with_spec(spec),
            ..self.clone()
        }
    }

    /// The length of the scratch buffer that [`InvertedBottleneck::run`] needs for these images.
    #[must_use]
    pub fn scratch_len(&self, images: Images) -> usize {
        let (lines, _) = self.lines(images);
        lines.saturating_mul(self.line(images))
    }

    /// The number of intermediate values in a line.
    fn line(&self, images: Images) -> usize {
        images.width.saturating_mul(self.pointwise().channels_out)
    }

    /// The number of intermediate lines in memory, and the number of output lines that are computed from them in one turn.
    fn lines(&self, images: Images) -> (usize, usize) {
        let line = self.line(images);
        let window = self.depthwise().window;
        let window_height = (window.kernel[0] - 1) * window.dilations[0] + 1;
        let lines = (PART_VALUES / line.max(1)).max(window_height);
        match images.height.saturating_mul(line) <= MAX_WHOLE_VALUES || lines >= images.height {
            true => (images.height, usize::MAX),
            false => (lines, (lines - window_height) / window.strides[0] + 1),
        }
    }

    /// Compute the output, with a scratch buffer for the intermediate values.
    ///
    /// # Panics
    /// If a convolution has no output, a slice does not have the length of its images, or the scratch buffer is shorter than
    /// [`InvertedBottleneck::scratch_len`].
    pub fn run(&self, images: Images, input: &[f32], scratch: &mut [f32], output: &mut [f32]) {
        let between = self
            .pointwise()
            .output(images)
            .expect("the pointwise convolution takes these images");
        let result = self
            .depthwise()
            .output(between)
            .expect("the depthwise convolution takes these images");
        assert_eq!(input.len(), images.len(), "input");
        assert_eq!(output.len(), result.len(), "output");
        if output.is_empty() {
            return;
        }
        let (lines, lines_per_turn) = self.lines(images);
        let input_line = images.width * images.channels;
        let between_line = between.width * between.channels;
        let output_line = result.width * result.channels;
        let scratch = &mut scratch[..lines * between_line];
        let mut run = Run::new(&self.depthwise, between, result, lines);
        let inputs = input.chunks_exact(images.height * input_line);
        let outputs = output.chunks_exact_mut(result.height * output_line);
        for (input, output) in inputs.zip(outputs) {
            let mut there = 0;
            let mut done = 0;
            while done < result.height {
                let end = result.height.min(done.saturating_add(lines_per_turn));
                // The end of the input lines that these output lines depend on.
                let window = self.depthwise().window;
                let reach = (end - 1) * window.strides[0]
                    + (window.kernel[0] - 1) * window.dilations[0]
                    + 1;
                let needed = images
                    .height
                    .min(reach.saturating_sub(window.pads_before[0]));
                while there < needed {
                    // Stop at the end of the ring buffer.
                    let place = there % lines;
                    let height = (needed - there).min(lines - place);
                    let images = Images {
                        count: 1,
                        height,
                        ..images
                    };
                    let scratch = &mut scratch[place * between_line..][..height * between_line];
                    let input = &input[there * input_line..][..height * input_line];
                    self.pointwise.run(images, input, None, scratch);
                    there += height;
                }
                let output = &mut output[done * output_line..end * output_line];
                run.lines(scratch, done..end, output);
                done = end;
            }
        }
    }
}
