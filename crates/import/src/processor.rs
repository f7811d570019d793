//! `preprocessor_config.json`: the preprocessing of images in `transformers`.
//!
//! A file omits settings that have the default of its processor's class. The classes' defaults differ, so an
//! unknown class is an error. The order of the steps is the classes' own: resize, crop, rescale, normalize.

use infer_model_card::{Alpha, Channels, Crop, Filter, ImageSpec, Layout, ResizeMode};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A processor that is not supported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessorError {
    /// The file is not a JSON object, or a value has the wrong type.
    #[error("`preprocessor_config.json` cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// The file names no class.
    #[error(
        "`preprocessor_config.json` has no `image_processor_type`, which decides the defaults; expected one \
         of {}",
        known()
    )]
    NoType,
    /// The class is not supported.
    #[error(
        "image processor `{name}` is not supported; expected one of {}",
        known()
    )]
    UnknownType {
        /// The class in the file.
        name: String,
    },
    /// A value is not supported.
    #[error("`{key}` in `preprocessor_config.json` is {value}, {problem}")]
    Value {
        /// The key.
        key: String,
        /// The value in JSON.
        value: String,
        /// The reason and the expected value.
        problem: &'static str,
    },
}

/// The defaults of a class (`transformers` 5, the class's attributes).
struct Class {
    name: &'static str,
    size: Size,
    /// Whether a single number for `size` means a square instead of the shortest edge.
    is_square: bool,
    crop: Option<u32>,
    resample: u64,
    normalize: bool,
    mean: [f32; 3],
    std: [f32; 3],
}

const HALF: [f32; 3] = [0.5; 3];
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];
const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const CLIP_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

const BILINEAR: u64 = 2;
const BICUBIC: u64 = 3;

const fn class(name: &'static str, size: Size, crop: Option<u32>, resample: u64) -> Class {
    Class {
        name,
        size,
        is_square: matches!(size, Size::Exact { .. }),
        crop,
        resample,
        normalize: true,
        mean: HALF,
        std: HALF,
    }
}

const fn square(edge: u32) -> Size {
    Size::Exact {
        width: edge,
        height: edge,
    }
}

const CLASSES: [Class; 19] = [
    class("Beit", square(224), None, BICUBIC),
    Class {
        mean: CLIP_MEAN,
        std: CLIP_STD,
        ..class("Bit", Size::Shortest(224), Some(224), BICUBIC)
    },
    Class {
        mean: CLIP_MEAN,
        std: CLIP_STD,
        ..class("CLIP", Size::Shortest(224), Some(224), BICUBIC)
    },
    detr("ConditionalDetr"),
    class("ConvNext", Size::Shortest(384), None, BICUBIC),
    class("DeiT", square(256), Some(224), BICUBIC),
    class("DPT", square(384), None, BICUBIC),
    detr("DeformableDetr"),
    detr("Detr"),
    class("EfficientNet", square(346), None, BICUBIC),
    class("MobileNetV1", Size::Shortest(256), Some(224), BILINEAR),
    class("MobileNetV2", Size::Shortest(256), Some(224), BILINEAR),
    Class {
        normalize: false,
        ..class("MobileViT", Size::Shortest(224), Some(256), BICUBIC)
    },
    Class {
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        ..class("Pvt", square(224), None, BICUBIC)
    },
    Class {
        normalize: false,
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        ..class("RTDetr", square(640), None, BILINEAR)
    },
    Class {
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        ..class("Segformer", square(512), None, BILINEAR)
    },
    Class {
        is_square: false,
        ..class("Siglip", square(224), None, BICUBIC)
    },
    class("ViT", square(224), None, BILINEAR),
    detr("Yolos"),
];

/// A class of DETR's kind.
const fn detr(name: &'static str) -> Class {
    Class {
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        ..class(
            name,
            Size::Edges {
                shortest: 800,
                longest: 1333,
            },
            None,
            BILINEAR,
        )
    }
}

fn known() -> String {
    CLASSES
        .iter()
        .map(|class| format!("`{}ImageProcessor`", class.name))
        .collect::<Vec<_>>()
        .join(", ")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Exact { width: u32, height: u32 },
    Shortest(u32),
    Edges { shortest: u32, longest: u32 },
}

/// Convert a `preprocessor_config.json` to a card's section, for three channels and the given layout.
///
/// # Errors
/// When the class or one of its steps is not supported.
pub fn read(json: &str, layout: Layout) -> Result<ImageSpec, ProcessorError> {
    let file: Map<String, Value> = serde_json::from_str(json)?;
    let file = Fields(file);
    let class = file.class()?;
    file.check_steps(class)?;
    let resizes = file.boolean("do_resize", true)?;
    let size = match file.0.get("size").filter(|size| !size.is_null()) {
        Some(size) => file.size("size", size, class.is_square)?,
        None => class.size,
    };
    if matches!(size, Size::Edges { .. }) && !matches!(class.size, Size::Edges { .. }) {
        return Err(file.wrong("size", "expected height and width, or only a shortest edge"));
    }
    let crops = file.boolean("do_center_crop", class.crop.is_some())?;
    let crop = match file.0.get("crop_size").filter(|size| !size.is_null()) {
        Some(size) => Some(file.size("crop_size", size, true)?),
        None => class.crop.map(square),
    };
    let crop = if crops { crop } else { None };
    let mut image = ImageSpec {
        input: None,
        mask: None,
        width: 0,
        height: 0,
        resize: ResizeMode::None,
        shortest_edge: None,
        longest_edge: None,
        multiple_of: None,
        resize_width: None,
        resize_height: None,
        crop: Crop::Transformers,
        filter: file.filter(class.resample)?,
        channels: Channels::Rgb,
        // `load_image` converts to RGB, which drops the transparency.
        alpha: Alpha::Drop,
        layout,
        scale: 1.0,
        mean: vec![0.0],
        std: vec![1.0],
    };
    if resizes && class.name == "ConvNext" {
        file.convnext(size, &mut image)?;
    } else if resizes && class.name == "DPT" {
        file.dpt(size, &mut image)?;
    } else if let (true, Size::Edges { shortest, longest }, None) = (resizes, size, crop) {
        image.resize = ResizeMode::Edges;
        image.shortest_edge = Some(shortest);
        image.longest_edge = Some(longest);
        image.multiple_of = (class.name == "Yolos").then_some(16);
        // An example for trials: a square.
        (image.width, image.height) = image.size_for(shortest, shortest);
    } else {
        fit(&mut image, resizes.then_some(size), crop).ok_or_else(|| {
            file.wrong(
                "do_center_crop",
                "so the shape would depend on the image; expected a crop, or a `size` with height and \
                 width",
            )
        })?;
    }
    let flips = file.boolean("do_flip_channel_order", class.name == "MobileViT")?;
    if flips {
        image.channels = Channels::Bgr;
    }
    file.normalization(class, &mut image)?;
    Ok(image)
}

/// Set the sizes; `None` if they depend on the image's aspect ratio.
fn fit(image: &mut ImageSpec, size: Option<Size>, crop: Option<Size>) -> Option<()> {
    let exact = |size: Option<Size>| match size {
        Some(Size::Exact { width, height }) => Some((width, height)),
        _ => None,
    };
    (image.width, image.height) = exact(crop).or(exact(size))?;
    match size {
        Some(Size::Exact { width, height }) => {
            image.resize = ResizeMode::Stretch;
            image.resize_width = (width != image.width).then_some(width);
            image.resize_height = (height != image.height).then_some(height);
        }
        Some(Size::Edges { .. }) => return None,
        Some(Size::Shortest(edge)) => {
            image.resize = ResizeMode::ShortestEdge;
            let is_covered = image.width == edge && image.height == edge;
            image.shortest_edge = (!is_covered).then_some(edge);
        }
        None => {}
    }
    Some(())
}

/// The members of the file.
struct Fields(Map<String, Value>);

impl Fields {
    fn wrong(&self, key: &str, problem: &'static str) -> ProcessorError {
        let value = self
            .0
            .get(key)
            .map_or_else(|| "missing".to_owned(), Value::to_string);
        ProcessorError::Value {
            key: key.to_owned(),
            value,
            problem,
        }
    }

    fn class(&self) -> Result<&'static Class, ProcessorError> {
        let name = ["image_processor_type", "feature_extractor_type"]
            .iter()
            .find_map(|key| self.0.get(*key)?.as_str())
            .ok_or(ProcessorError::NoType)?;
        // Other image libraries and versions before 5 use other names for the same steps.
        let plain = ["Fast", "Pil", "ImageProcessor", "FeatureExtractor"]
            .iter()
            .fold(name, |name, suffix| {
                name.strip_suffix(suffix).unwrap_or(name)
            });
        CLASSES
            .iter()
            .find(|class| class.name == plain && plain != name)
            .ok_or_else(|| ProcessorError::UnknownType {
                name: name.to_owned(),
            })
    }

    /// Check that every enabled step is known. An ignored step would silently change the pixels.
    fn check_steps(&self, class: &Class) -> Result<(), ProcessorError> {
        const KNOWN: [&str; 8] = [
            "do_center_crop",
            "do_convert_rgb",
            "do_flip_channel_order",
            "do_normalize",
            // A step for segmentation maps, not for images.
            "do_reduce_labels",
            "do_rescale",
            "do_resize",
            "do_reduce_label",
        ];
        // DETR pads the images of a batch, which have one size here.
        let pads = matches!(class.size, Size::Edges { .. });
        let is_known = |key: &str| KNOWN.contains(&key) || pads && key == "do_pad";
        let unknown = self.0.iter().find(|(key, value)| {
            key.starts_with("do_") && !is_known(key) && **value == Value::Bool(true)
        });
        match unknown {
            Some((key, _)) => Err(self.wrong(key, "but this step is not supported")),
            None => Ok(()),
        }
    }

    fn boolean(&self, key: &str, default: bool) -> Result<bool, ProcessorError> {
        match self.0.get(key) {
            None => Ok(default),
            // An explicit null is false, whatever the class's default is.
            Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(self.wrong(key, "expected true or false")),
        }
    }

    fn number(&self, key: &str, default: f64) -> Result<f64, ProcessorError> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value
                .as_f64()
                .ok_or_else(|| self.wrong(key, "expected a number")),
        }
    }

    /// A size: a number, a pair of height and width, or an object.
    fn size(&self, key: &str, value: &Value, is_square: bool) -> Result<Size, ProcessorError> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Edge(u32),
            Pair([u32; 2]),
            Named(Named),
        }
        #[derive(Deserialize)]
        struct Named {
            height: Option<u32>,
            width: Option<u32>,
            shortest_edge: Option<u32>,
            longest_edge: Option<u32>,
            max_height: Option<u32>,
            max_width: Option<u32>,
        }
        let expected = "expected a number of pixels, height and width, or only a shortest edge";
        let form = Form::deserialize(value).map_err(|_| self.wrong(key, expected))?;
        let size = match form {
            Form::Edge(edge) if is_square => square(edge),
            Form::Edge(edge) => Size::Shortest(edge),
            Form::Pair([height, width]) => Size::Exact { width, height },
            Form::Named(Named {
                height: Some(height),
                width: Some(width),
                shortest_edge: None,
                longest_edge: None,
                ..
            }) => Size::Exact { width, height },
            Form::Named(Named {
                height: None,
                width: None,
                shortest_edge: Some(edge),
                longest_edge: None,
                max_height: None,
                max_width: None,
            }) => Size::Shortest(edge),
            Form::Named(Named {
                height: None,
                width: None,
                shortest_edge: Some(shortest),
                longest_edge: Some(longest),
                max_height: None,
                max_width: None,
            }) => Size::Edges { shortest, longest },
            Form::Named(_) => return Err(self.wrong(key, expected)),
        };
        let is_possible = match size {
            Size::Exact { width, height } => width > 0 && height > 0,
            Size::Shortest(edge) => edge > 0,
            Size::Edges { shortest, longest } => shortest > 0 && longest >= shortest,
        };
        if is_possible {
            Ok(size)
        } else {
            Err(self.wrong(key, expected))
        }
    }

    /// The filter with Pillow's number.
    fn filter(&self, default: u64) -> Result<Filter, ProcessorError> {
        let code = match self.0.get("resample") {
            None | Some(Value::Null) => Some(default),
            Some(code) => code.as_u64(),
        };
        match code {
            Some(0) => Ok(Filter::Nearest),
            Some(1) => Ok(Filter::Lanczos),
            Some(2) => Ok(Filter::Bilinear),
            Some(3) => Ok(Filter::Bicubic),
            // If the box's edge is at a pixel's center, the result depends on Pillow's rounding errors.
            Some(4) => Err(self.wrong("resample", "Pillow's box filter, which is not supported")),
            Some(5) => Ok(Filter::Hamming),
            _ => Err(self.wrong(
                "resample",
                "expected Pillow's number of a filter, 0 to 3 or 5",
            )),
        }
    }

    /// Set the sizes of ConvNeXT. Below 384 pixels the shortest edge becomes `size / crop_pct` and the center is
    /// cropped; from 384 on the image is stretched.
    fn convnext(&self, size: Size, image: &mut ImageSpec) -> Result<(), ProcessorError> {
        let Size::Shortest(edge) = size else {
            return Err(self.wrong("size", "expected a shortest edge for ConvNeXT"));
        };
        (image.width, image.height) = (edge, edge);
        if edge >= 384 {
            image.resize = ResizeMode::Stretch;
            return Ok(());
        }
        let fraction = self.number("crop_pct", 224.0 / 256.0)?;
        if !(0.01..=1.0).contains(&fraction) {
            return Err(self.wrong("crop_pct", "expected a fraction of 0.01 to 1"));
        }
        image.resize = ResizeMode::ShortestEdge;
        // Rounded down, like Python's `int`.
        image.shortest_edge = Some((f64::from(edge) / fraction) as u32);
        Ok(())
    }

    /// Set the sizes of DPT and Depth Anything, which may keep the image's proportions.
    fn dpt(&self, size: Size, image: &mut ImageSpec) -> Result<(), ProcessorError> {
        let Size::Exact { width, height } = size else {
            return Err(self.wrong("size", "expected height and width for DPT"));
        };
        let multiple = self.number("ensure_multiple_of", 1.0)?;
        if !(1.0..=512.0).contains(&multiple) || multiple.fract() != 0.0 {
            return Err(self.wrong("ensure_multiple_of", "expected an integer of 1 to 512"));
        }
        let multiple = multiple as u32;
        (image.width, image.height) = (width, height);
        image.resize = ResizeMode::Closest;
        image.multiple_of = (multiple > 1).then_some(multiple);
        let rounded = image.size_for(width, height);
        (image.width, image.height) = rounded;
        if !self.boolean("keep_aspect_ratio", false)? {
            image.resize = ResizeMode::Stretch;
            image.multiple_of = None;
        }
        Ok(())
    }

    /// Set scale, mean and standard deviation.
    fn normalization(&self, class: &Class, image: &mut ImageSpec) -> Result<(), ProcessorError> {
        if self.boolean("do_rescale", true)? {
            image.scale = self.number("rescale_factor", 1.0 / 255.0)? as f32;
        }
        let normalizes = self.boolean("do_normalize", class.normalize)?;
        // MobileViT's processor ignores the key.
        let normalizes = normalizes && class.name != "MobileViT";
        let mean = self.channels("image_mean", &class.mean)?;
        let std = self.channels("image_std", &class.std)?;
        if normalizes {
            image.mean.clone_from(&mean);
            image.std.clone_from(&std);
        }
        if class.name == "EfficientNet" {
            if self.boolean("rescale_offset", false)? {
                // The processor subtracts 1 before the mean.
                image.mean = image.mean.iter().map(|mean| mean + 1.0).collect();
            }
            if self.boolean("include_top", true)? {
                // The processor divides by the standard deviation twice.
                let once = |channel: usize| *image.std.get(channel).unwrap_or(&image.std[0]);
                let count = std.len().max(image.std.len());
                image.std = (0..count)
                    .map(|channel| once(channel) * std.get(channel).unwrap_or(&std[0]))
                    .collect();
            }
        }
        Ok(())
    }

    /// One number, or one per channel of three.
    fn channels(&self, key: &str, default: &[f32; 3]) -> Result<Vec<f32>, ProcessorError> {
        let values = match self.0.get(key) {
            None | Some(Value::Null) => return Ok(default.to_vec()),
            Some(Value::Number(number)) => vec![number.as_f64()],
            Some(Value::Array(values)) => values.iter().map(Value::as_f64).collect(),
            Some(_) => Vec::new(),
        };
        let values: Option<Vec<f32>> = values
            .into_iter()
            .map(|value| value.map(|value| value as f32))
            .collect();
        match values {
            Some(values)
                if [1, 3].contains(&values.len())
                    && (key != "image_std" || values.iter().all(|value| *value != 0.0)) =>
            {
                Ok(values)
            }
            _ => Err(self.wrong(key, "expected one number, or one per channel of three")),
        }
    }
}
