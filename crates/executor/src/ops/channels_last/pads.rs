//! Windows over images and signals and their padding, as ONNX's attributes describe them.

use infer_kernels::spec::{Images, Window};

use crate::attributes::Attributes;
use crate::error::{Error, Result};

/// How the padding of a window is determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pads {
    /// By the window itself.
    Given,
    /// So that there are ceil(size / stride) outputs; odd padding is larger at the end (`SAME_UPPER`).
    SameUpper,
    /// The same; odd padding is larger at the beginning (`SAME_LOWER`).
    SameLower,
}

impl Pads {
    /// Reads the window of a node with this kernel; `None` if it has neither one nor two axes, or has negative padding.
    /// A window over signals becomes one of height 1.
    ///
    /// # Errors
    /// `Graph` for attributes that ONNX's specification does not allow.
    pub fn window(attributes: Attributes<'_>, kernel: &[usize]) -> Result<Option<(Window, Self)>> {
        let rank = kernel.len();
        let lifted = |sizes: &[usize], least: usize| match *sizes {
            [width] if rank == 1 => Some([least, width]),
            [height, width] if rank == 2 => Some([height, width]),
            _ => None,
        };
        let pair = |name: &str| -> Result<Option<[usize; 2]>> {
            let found = attributes.sizes(name)?.unwrap_or_else(|| vec![1; rank]);
            Ok(lifted(&found, 1))
        };
        let Some(kernel) = lifted(kernel, 1) else {
            return Ok(None);
        };
        let (Some(strides), Some(dilations)) = (pair("strides")?, pair("dilations")?) else {
            return Ok(None);
        };
        if kernel.contains(&0) || strides.contains(&0) || dilations.contains(&0) {
            return Err(Error::graph(
                "a kernel size, stride or dilation is 0, expected at least 1",
            ));
        }
        let mut window = Window {
            kernel,
            strides,
            dilations,
            pads_before: [0, 0],
            pads_after: [0, 0],
        };
        let pads = match attributes.string("auto_pad", "NOTSET") {
            "NOTSET" | "" => {
                if let Some(pads) = attributes.ints("pads") {
                    let pads = pads.iter().map(|&pad| usize::try_from(pad));
                    let Ok(pads) = pads.collect::<Result<Vec<_>, _>>() else {
                        return Ok(None);
                    };
                    let (before, after) = pads.split_at(rank.min(pads.len()));
                    let (Some(before), Some(after)) = (lifted(before, 0), lifted(after, 0)) else {
                        return Ok(None);
                    };
                    (window.pads_before, window.pads_after) = (before, after);
                }
                Self::Given
            }
            "VALID" => Self::Given,
            "SAME_UPPER" => Self::SameUpper,
            "SAME_LOWER" => Self::SameLower,
            other => {
                return Err(Error::graph(format!(
                    "the attribute `auto_pad` is `{other}`, expected NOTSET, VALID, SAME_UPPER or SAME_LOWER"
                )));
            }
        };
        Ok(Some((window, pads)))
    }

    /// The window with its padding for images of that size.
    ///
    /// # Errors
    /// `Input` if the window does not fit into the images.
    pub fn fit(self, window: Window, images: Images) -> Result<Window> {
        let mut window = window;
        if self != Self::Given {
            for (axis, size) in [images.height, images.width].into_iter().enumerate() {
                let reach = window.dilations[axis].saturating_mul(window.kernel[axis] - 1);
                let outputs = size.div_ceil(window.strides[axis]);
                let needed = (outputs.saturating_sub(1) * window.strides[axis])
                    .saturating_add(reach)
                    .saturating_add(1);
                let total = needed.saturating_sub(size);
                let less = total / 2;
                let (before, after) = match self {
                    Self::SameLower => (total - less, less),
                    _ => (less, total - less),
                };
                window.pads_before[axis] = before;
                window.pads_after[axis] = after;
            }
        }
        match window.output([images.height, images.width]) {
            Some(_) => Ok(window),
            None => Err(Error::input(format!(
                "images of {} by {} are smaller than the window {:?}",
                images.height, images.width, window.kernel
            ))),
        }
    }
}
