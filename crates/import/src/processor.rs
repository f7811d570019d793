//! `preprocessor_config.json`: what `transformers` does to an image before a model sees it.
//!
//! A file leaves out what its processor's class has for a default, and the classes differ, so a class
//! that is not known here is refused. The order of the steps is theirs: resize, crop, rescale,
//! normalize.

use infer_model_card::{Channels, Crop, Filter, ImageSpec, Layout, ResizeMode};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Why a processor cannot be taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessorError {
    /// No JSON object, or a value of another kind than that key has.
    #[error("`preprocessor_config.json` cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// The file does not say of which class it is.
    #[error(
        "`preprocessor_config.json` names no `image_processor_type`, and the defaults depend on it; \
         expected one of {}",
        known()
    )]
    NoType,
    /// A class whose steps are not known.
    #[error("image processor `{name}` is not known; expected one of {}", known())]
    UnknownType {
        /// As the file has it.
        name: String,
    },
    /// A value that says nothing that can be done.
    #[error("`{key}` in `preprocessor_config.json` is {value}, {problem}")]
    Value {
        /// Where.
        key: String,
        /// What stands there.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// What a class does where a file says nothing (`transformers` 5, the class's own attributes).
struct Class {
    name: &'static str,
    size: Size,
    /// What a lone number for `size` means: a square, or the shortest edge.
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

const CLASSES: [Class; 13] = [
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
    class("ConvNext", Size::Shortest(384), None, BICUBIC),
    class("DeiT", square(256), Some(224), BICUBIC),
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
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        ..class("Segformer", square(512), None, BILINEAR)
    },
    Class {
        is_square: false,
        ..class("Siglip", square(224), None, BICUBIC)
    },
    class("ViT", square(224), None, BILINEAR),
];

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
}

/// How images are prepared, as the card has it: for three channels, laid out as `layout` says.
///
/// # Errors
/// When the processor is not known, or does something that the card cannot say.
pub fn read(json: &str, layout: Layout) -> Result<ImageSpec, ProcessorError> {
    let file: Map<String, Value> = serde_json::from_str(json)?;
    let file = Fields(file);
    let class = file.class()?;
    file.refuse_unknown_steps()?;
    let resizes = file.truth("do_resize", true)?;
    let size = match file.0.get("size").filter(|size| !size.is_null()) {
        Some(size) => file.size("size", size, class.is_square)?,
        None => class.size,
    };
    let crops = file.truth("do_center_crop", class.crop.is_some())?;
    let crop = match file.0.get("crop_size").filter(|size| !size.is_null()) {
        Some(size) => Some(file.size("crop_size", size, true)?),
        None => class.crop.map(square),
    };
    let crop = if crops { crop } else { None };
    let mut image = ImageSpec {
        input: None,
        width: 0,
        height: 0,
        resize: ResizeMode::None,
        shortest_edge: None,
        resize_width: None,
        resize_height: None,
        crop: Crop::Transformers,
        filter: file.filter(class.resample)?,
        channels: Channels::Rgb,
        layout,
        scale: 1.0,
        mean: vec![0.0],
        std: vec![1.0],
    };
    if resizes && class.name == "ConvNext" {
        file.convnext(size, &mut image)?;
    } else {
        fit(&mut image, resizes.then_some(size), crop).ok_or_else(|| {
            file.wrong(
                "do_center_crop",
                "so that every image would have another shape; expected a crop, or a `size` with \
                 height and width",
            )
        })?;
    }
    let flips = file.truth("do_flip_channel_order", class.name == "MobileViT")?;
    if flips {
        image.channels = Channels::Bgr;
    }
    file.normalization(class, &mut image)?;
    Ok(image)
}

/// Set the sizes; `None` when an image's own proportions would decide them.
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
        Some(Size::Shortest(edge)) => {
            image.resize = ResizeMode::ShortestEdge;
            let is_covered = image.width == edge && image.height == edge;
            image.shortest_edge = (!is_covered).then_some(edge);
        }
        None => {}
    }
    Some(())
}

/// The file's members.
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
        // The same steps under several names: by other libraries, and from before version 5.
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

    /// A step that is switched on and not known would change the pixels behind the user's back.
    fn refuse_unknown_steps(&self) -> Result<(), ProcessorError> {
        const KNOWN: [&str; 8] = [
            "do_center_crop",
            "do_convert_rgb",
            "do_flip_channel_order",
            "do_normalize",
            // Of segmentation maps, not of images.
            "do_reduce_labels",
            "do_rescale",
            "do_resize",
            "do_reduce_label",
        ];
        let unknown = self.0.iter().find(|(key, value)| {
            key.starts_with("do_") && !KNOWN.contains(&key.as_str()) && **value == Value::Bool(true)
        });
        match unknown {
            Some((key, _)) => Err(self.wrong(key, "a step that is not known here")),
            None => Ok(()),
        }
    }

    fn truth(&self, key: &str, otherwise: bool) -> Result<bool, ProcessorError> {
        match self.0.get(key) {
            None => Ok(otherwise),
            // Written down as nothing, which counts as no, whatever the class's default is.
            Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => Err(self.wrong(key, "expected true or false")),
        }
    }

    fn number(&self, key: &str, otherwise: f64) -> Result<f64, ProcessorError> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(otherwise),
            Some(value) => value
                .as_f64()
                .ok_or_else(|| self.wrong(key, "expected a number")),
        }
    }

    /// A number, a pair of height and width, or an object.
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
        let expected = "expected a number of pixels, height and width, or a shortest edge alone";
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
            Form::Named(_) => return Err(self.wrong(key, expected)),
        };
        let is_possible = match size {
            Size::Exact { width, height } => width > 0 && height > 0,
            Size::Shortest(edge) => edge > 0,
        };
        if is_possible {
            Ok(size)
        } else {
            Err(self.wrong(key, expected))
        }
    }

    /// The filter by Pillow's number for it.
    fn filter(&self, otherwise: u64) -> Result<Filter, ProcessorError> {
        let code = match self.0.get("resample") {
            None | Some(Value::Null) => Some(otherwise),
            Some(code) => code.as_u64(),
        };
        match code {
            Some(0) => Ok(Filter::Nearest),
            Some(1) => Ok(Filter::Lanczos),
            Some(2) => Ok(Filter::Bilinear),
            Some(3) => Ok(Filter::Bicubic),
            // Where the box's edge meets a pixel's middle, Pillow's rounding errors decide.
            Some(4) => {
                Err(self.wrong("resample", "Pillow's box filter, which is not at hand here"))
            }
            Some(5) => Ok(Filter::Hamming),
            _ => Err(self.wrong(
                "resample",
                "expected Pillow's number of a filter, 0 to 3 or 5",
            )),
        }
    }

    /// Below 384 the shortest edge becomes `size / crop_pct` and the middle is cut out; from there on
    /// the image is stretched.
    fn convnext(&self, size: Size, image: &mut ImageSpec) -> Result<(), ProcessorError> {
        let Size::Shortest(edge) = size else {
            return Err(self.wrong("size", "expected a shortest edge, as ConvNeXT's has"));
        };
        (image.width, image.height) = (edge, edge);
        if edge >= 384 {
            image.resize = ResizeMode::Stretch;
            return Ok(());
        }
        let share = self.number("crop_pct", 224.0 / 256.0)?;
        if !(0.01..=1.0).contains(&share) {
            return Err(self.wrong("crop_pct", "expected a share of 0.01 to 1"));
        }
        image.resize = ResizeMode::ShortestEdge;
        // Rounded down, as `int` does.
        image.shortest_edge = Some((f64::from(edge) / share) as u32);
        Ok(())
    }

    /// Rescaling and normalizing are one multiplication and one addition a channel.
    fn normalization(&self, class: &Class, image: &mut ImageSpec) -> Result<(), ProcessorError> {
        if self.truth("do_rescale", true)? {
            image.scale = self.number("rescale_factor", 1.0 / 255.0)? as f32;
        }
        let normalizes = self.truth("do_normalize", class.normalize)?;
        // MobileViT's processor has the key, and does nothing with it.
        let normalizes = normalizes && class.name != "MobileViT";
        let mean = self.channels("image_mean", &class.mean)?;
        let std = self.channels("image_std", &class.std)?;
        if normalizes {
            image.mean.clone_from(&mean);
            image.std.clone_from(&std);
        }
        if class.name == "EfficientNet" {
            if self.truth("rescale_offset", false)? {
                // 1 is subtracted before the mean is.
                image.mean = image.mean.iter().map(|mean| mean + 1.0).collect();
            }
            if self.truth("include_top", true)? {
                // Divided by the deviation once more.
                let once = |channel: usize| *image.std.get(channel).unwrap_or(&image.std[0]);
                let count = std.len().max(image.std.len());
                image.std = (0..count)
                    .map(|channel| once(channel) * std.get(channel).unwrap_or(&std[0]))
                    .collect();
            }
        }
        Ok(())
    }

    /// One number, or one for each of three channels.
    fn channels(&self, key: &str, otherwise: &[f32; 3]) -> Result<Vec<f32>, ProcessorError> {
        let values = match self.0.get(key) {
            None | Some(Value::Null) => return Ok(otherwise.to_vec()),
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
            _ => Err(self.wrong(
                key,
                "expected one number, or one for each of three channels",
            )),
        }
    }
}
