//! The graph's image input and its preprocessing.

use infer_model_card::{Alpha, Channels, Crop, Filter, ImageSpec, Layout, ResizeMode, TensorSpec};
use infer_tensor::Datatype;

use crate::inspect::{InspectError, Options, read_text};
use crate::processor;
use crate::source::Source;
use crate::ultralytics::Ultralytics;

/// The first input that can be an image, with its layout and number of channels.
fn image_input(inputs: &[TensorSpec]) -> Option<(&TensorSpec, Layout, i64)> {
    inputs.iter().find_map(|spec| {
        let is_pixels = matches!(
            spec.datatype,
            Datatype::Fp32 | Datatype::Fp16 | Datatype::Uint8
        );
        match spec.shape.as_slice() {
            [_, channels @ (1 | 3), _, _] if is_pixels => Some((spec, Layout::Nchw, *channels)),
            [_, _, _, channels @ (1 | 3)] if is_pixels => Some((spec, Layout::Nhwc, *channels)),
            // Optimum exports the channels as a dimension of any size too.
            [_, -1, _, _] if is_pixels => Some((spec, Layout::Nchw, 3)),
            _ => None,
        }
    })
}

/// An image's preprocessing, a comment that names its source, and the input.
type Image<'a> = Option<(ImageSpec, String, &'a TensorSpec)>;

/// The preprocessing of images. `of_sound` says that `preprocessor_config.json` is that of sounds.
pub(crate) fn image<'a>(
    source: &Source,
    options: &Options,
    ultralytics: Option<&Ultralytics>,
    of_sound: bool,
    inputs: &'a [TensorSpec],
) -> Result<Image<'a>, InspectError> {
    let json = match (options.image, source.file("preprocessor_config.json")) {
        (None, Some(path)) if !of_sound => Some(read_text(&path)?),
        _ => None,
    };
    if let (None, None, Some(file)) = (options.image, &json, ultralytics) {
        let image = image_input(inputs).and_then(|(spec, _, _)| {
            let fixed = |place: usize| u32::try_from(spec.shape[place]).ok();
            let size = fixed(2).zip(fixed(3)).or(file.size)?;
            let origin = "From the metadata that Ultralytics wrote into the file.".to_owned();
            Some((file.image(size), origin, spec))
        });
        return Ok(image);
    }
    if options.image.is_none() && json.is_none() {
        return Ok(None);
    }
    let (spec, layout, channels) =
        image_input(inputs).ok_or_else(|| InspectError::NoImageInput {
            inputs: described(inputs),
        })?;
    let (mut image, origin) = match (options.image, json) {
        (Some(size), _) => (
            imagenet(size, layout, channels),
            "Like torchvision's preprocessing for ImageNet; please check.".to_owned(),
        ),
        (None, Some(json)) => (
            processor::read(&json, layout)?,
            "From preprocessor_config.json.".to_owned(),
        ),
        (None, None) => return Ok(None),
    };
    image.input = (inputs.len() > 1).then(|| spec.name.clone());
    let is_mask = |input: &&TensorSpec| input.name == "pixel_mask" && input.shape.len() == 3;
    image.mask = inputs.iter().find(is_mask).map(|input| input.name.clone());
    Ok(Some((image, origin, spec)))
}

/// torchvision's `ImageClassification` preset: `Resize(size / 0.875)`, `CenterCrop(size)`, ImageNet's
/// mean and standard deviation. Gray images have no preset: they are stretched and scaled to 0 to 1.
fn imagenet((width, height): (u32, u32), layout: Layout, channels: i64) -> ImageSpec {
    let is_color = channels == 3;
    let is_square = width == height;
    ImageSpec {
        input: None,
        mask: None,
        longest_edge: None,
        multiple_of: None,
        width,
        height,
        resize: if is_color && is_square {
            ResizeMode::ShortestEdge
        } else {
            ResizeMode::Stretch
        },
        shortest_edge: (is_color && is_square).then(|| (f64::from(width) / 0.875).round() as u32),
        resize_width: None,
        resize_height: None,
        crop: Crop::Torchvision,
        filter: Filter::Bilinear,
        alpha: Alpha::White,
        channels: if is_color {
            Channels::Rgb
        } else {
            Channels::Gray
        },
        layout,
        scale: 1.0 / 255.0,
        mean: if is_color {
            vec![0.485, 0.456, 0.406]
        } else {
            vec![0.0]
        },
        std: if is_color {
            vec![0.229, 0.224, 0.225]
        } else {
            vec![1.0]
        },
    }
}

/// A list of tensors for an error.
pub(crate) fn described(specs: &[TensorSpec]) -> String {
    let described: Vec<String> = specs
        .iter()
        .map(|spec| format!("`{}` ({} {:?})", spec.name, spec.datatype, spec.shape))
        .collect();
    described.join(", ")
}
