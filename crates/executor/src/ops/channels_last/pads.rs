//! Two-dimensional windows and their padding, as ONNX's attributes describe them.

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
    /// Reads the window of a node; `None` if it is not two-dimensional or has negative padding.
    ///
    /// # Errors
    /// `Graph` for attributes that ONNX's specification does not allow.
    pub fn window(
        attributes: Attributes<'_>,
        kernel: [usize; 2],
    ) -> Result<Option<(Window, Self)>> {
        let pair = |name: &str| -> Result<Option<[usize; 2]>> {
            let found = attributes.sizes(name)?.unwrap_or_else(|| vec![1, 1]);
            Ok(<[usize; 2]>::try_from(found).ok())
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
                    let Ok(pads) = <[i64; 4]>::try_from(pads) else {
                        return Ok(None);
                    };
                    let Ok(pads) = pads
                        .map(usize::try_from)
                        .into_iter()
                        .collect::<Result<Vec<_>, _>>()
                    else {
                        return Ok(None);
                    };
                    window.pads_before = [pads[0], pads[1]];
                    window.pads_after = [pads[2], pads[3]];
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
                let reach = window.dilations[axis] * (window.kernel[axis] - 1) + 1;
                let outputs = size.div_ceil(window.strides[axis]);
                let total =
                    (outputs.saturating_sub(1) * window.strides[axis] + reach).saturating_sub(size);
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
