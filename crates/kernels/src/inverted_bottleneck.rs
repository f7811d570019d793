//! The fused inverted bottleneck: a pointwise convolution and the depthwise one after it.

use crate::conv::Conv2d;
use crate::depthwise::{Depthwise, Run};
use crate::spec::{ConvSpec, Images};

/// Intermediate values of a large image that are held at a time: they stay in the L2 cache.
const SOME: usize = 64 * 1024;
/// Intermediate values of an image up to which all of them are held.
const MOST: usize = 256 * 1024;

/// The fused inverted bottleneck of mobile networks: a pointwise convolution that expands the channels, and a depthwise one of its
/// output. Of a large image only a few lines of the expanded channels exist at a time, so that they stay in the cache.
#[derive(Clone, Debug)]
pub struct InvertedBottleneck {
    pointwise: Conv2d,
    depthwise: Depthwise,
}

impl InvertedBottleneck {
    /// Fuse two convolutions.
    ///
    /// # Panics
    /// When the first is not pointwise, or the channels do not match.
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
    /// When more than padding, clamp and quantization differ.
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

    /// Intermediate values of a line.
    fn line(&self, images: Images) -> usize {
        images.width.saturating_mul(self.pointwise().channels_out)
    }

    /// How many intermediate lines are held at a time, and how many output lines are computed from them.
    fn lines(&self, images: Images) -> (usize, usize) {
        let line = self.line(images);
        let window = self.depthwise().window;
        let under = (window.kernel[0] - 1) * window.dilations[0] + 1;
        let lines = (SOME / line.max(1)).max(under);
        match images.height.saturating_mul(line) <= MOST || lines >= images.height {
            true => (images.height, usize::MAX),
            false => (lines, (lines - under) / window.strides[0] + 1),
        }
    }

    /// Compute the output, with a scratch buffer for the intermediate values.
    ///
    /// # Panics
    /// When a convolution has no output, a slice does not have the length of its images, or the scratch buffer is shorter than
    /// [`InvertedBottleneck::scratch_len`].
    pub fn run(&self, images: Images, input: &[f32], scratch: &mut [f32], output: &mut [f32]) {
        let between = self
            .pointwise()
            .output(images)
            .expect("images that it takes");
        let result = self
            .depthwise()
            .output(between)
            .expect("images that it takes");
        assert_eq!(input.len(), images.len(), "input");
        assert_eq!(output.len(), result.len(), "output");
        if output.is_empty() {
            return;
        }
        let (lines, a_turn) = self.lines(images);
        let a_line = images.width * images.channels;
        let a_line_between = between.width * between.channels;
        let a_line_out = result.width * result.channels;
        let scratch = &mut scratch[..lines * a_line_between];
        let mut run = Run::new(&self.depthwise, between, result, lines);
        let inputs = input.chunks_exact(images.height * a_line);
        let outputs = output.chunks_exact_mut(result.height * a_line_out);
        for (input, output) in inputs.zip(outputs) {
            let mut there = 0;
            let mut done = 0;
            while done < result.height {
                let end = result.height.min(done.saturating_add(a_turn));
                // The end of the input lines under these output lines.
                let window = self.depthwise().window;
                let reach = (end - 1) * window.strides[0]
                    + (window.kernel[0] - 1) * window.dilations[0]
                    + 1;
                let needed = images
                    .height
                    .min(reach.saturating_sub(window.pads_before[0]));
                while there < needed {
                    // Up to the end of the ring buffer.
                    let place = there % lines;
                    let some = (needed - there).min(lines - place);
                    let images = Images {
                        count: 1,
                        height: some,
                        ..images
                    };
                    let scratch = &mut scratch[place * a_line_between..][..some * a_line_between];
                    let input = &input[there * a_line..][..some * a_line];
                    self.pointwise.run(images, input, None, scratch);
                    there += some;
                }
                let output = &mut output[done * a_line_out..end * a_line_out];
                run.lines(scratch, done..end, output);
                done = end;
            }
        }
    }
}
