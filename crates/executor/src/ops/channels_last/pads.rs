//! Windows and their padding, as ONNX's attributes give them.

use infer_kernels::spec::{Images, Window};

use crate::attributes::Attributes;
use crate::error::{Error, Result};

/// How a window's padding is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pads {
    /// It is what the window says.
    Given,
    /// So that there is an output for each stride; what is odd goes after (`SAME_UPPER`).
    SameUpper,
    /// As before; what is odd goes before.
    SameLower,
}

impl Pads {
    /// The window that a node's attributes say; none for one that is not two-dimensional or has negative padding.
    ///
    /// # Errors
    /// `Graph` for attributes that the specification does not allow.
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
            return Err(Error::graph("a kernel, stride or dilation is zero"));
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

    /// The window for those images.
    ///
    /// # Errors
    /// `Input` when it is larger than they are.
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
