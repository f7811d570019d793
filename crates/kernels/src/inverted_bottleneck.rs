//! A pointwise convolution, and a depthwise one of what it gives.

use crate::conv::Conv2d;
use crate::depthwise::{Depthwise, Run};
use crate::spec::{ConvSpec, Images};

/// Values between both that are there at a time, where there are more in an image: they stay in a core's second cache.
const SOME: usize = 64 * 1024;
/// Values between both that may be there at a time.
const MOST: usize = 256 * 1024;

/// A pointwise convolution and a depthwise one of what it gives, as networks for phones have them: the first makes several times
/// as many channels of an image, and the second is done with them at once. Of large images a few lines of
/// them are there at a time, and are not written to memory.
#[derive(Clone, Debug)]
pub struct InvertedBottleneck {
    pointwise: Conv2d,
    depthwise: Depthwise,
}

impl InvertedBottleneck {
    /// One after the other.
    ///
    /// # Panics
    /// When the first is not pointwise, or gives other channels than the second takes.
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

    /// What the first takes and gives.
    #[must_use]
    pub fn pointwise(&self) -> &ConvSpec {
        self.pointwise.spec()
    }

    /// What the second takes and gives.
    #[must_use]
    pub fn depthwise(&self) -> &ConvSpec {
        self.depthwise.spec()
    }

    /// The same weights with another form of the second.
    ///
    /// # Panics
    /// When they do not go with it: more than its padding and its end differ.
    #[must_use]
    pub fn with_depthwise(&self, spec: ConvSpec) -> Self {
        Self {
            depthwise: self.depthwise.with_spec(spec),
            ..self.clone()
        }
    }

    /// How many values there have to be room for, for [`InvertedBottleneck::run`] with these images.
    #[must_use]
    pub fn scratch_len(&self, images: Images) -> usize {
        let (lines, _) = self.lines(images);
        lines.saturating_mul(self.line(images))
    }

    /// Values of a line between both.
    fn line(&self, images: Images) -> usize {
        images.width.saturating_mul(self.pointwise().channels_out)
    }

    /// How many lines of what is between both are there at a time, and how many of the output are made of them.
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

    /// Compute it, with room for what is between both.
    ///
    /// # Panics
    /// When one of the two has no output, a slice is not as long as the images say, or there is less room than
    /// [`InvertedBottleneck::scratch_len`].
    pub fn run(&self, images: Images, input: &[f32], room: &mut [f32], output: &mut [f32]) {
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
        let room = &mut room[..lines * a_line_between];
        let mut run = Run::new(&self.depthwise, between, result, lines);
        let inputs = input.chunks_exact(images.height * a_line);
        let outputs = output.chunks_exact_mut(result.height * a_line_out);
        for (input, output) in inputs.zip(outputs) {
            let mut there = 0;
            let mut done = 0;
            while done < result.height {
                let end = result.height.min(done.saturating_add(a_turn));
                // The last line that is under the last of these.
                let window = self.depthwise().window;
                let reach = (end - 1) * window.strides[0]
                    + (window.kernel[0] - 1) * window.dilations[0]
                    + 1;
                let needed = images
                    .height
                    .min(reach.saturating_sub(window.pads_before[0]));
                while there < needed {
                    // As far as the places follow each other.
                    let place = there % lines;
                    let some = (needed - there).min(lines - place);
                    let images = Images {
                        count: 1,
                        height: some,
                        ..images
                    };
                    let room = &mut room[place * a_line_between..][..some * a_line_between];
                    let input = &input[there * a_line..][..some * a_line];
                    self.pointwise.run(images, input, None, room);
                    there += some;
                }
                let output = &mut output[done * a_line_out..end * a_line_out];
                run.lines(room, done..end, output);
                done = end;
            }
        }
    }
}
