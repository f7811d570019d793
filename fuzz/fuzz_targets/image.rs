//! Encoded images, through decoding and preparation in every way that a card can say.

#![no_main]

use infer::input::image::to_tensor;
use infer_fuzz::limits;
use infer_model_card::{Alpha, Channels, Crop, Filter, ImageSpec, Layout, ResizeMode};
use infer_tensor::Datatype;
use libfuzzer_sys::{Corpus, fuzz_target};

fn pick<T: Copy>(all: &[T], byte: u8) -> T {
    all[usize::from(byte) % all.len()]
}

// Three bytes of the end say how it is prepared, so that a file of the corpus is an image as it is.
fuzz_target!(|bytes: &[u8]| -> Corpus {
    let [image @ .., how, fit, size] = bytes else {
        return Corpus::Reject;
    };
    let (channels, width, height) = (
        pick(&[Channels::Gray, Channels::Rgb, Channels::Bgr], *how),
        u32::from(*size % 16) + 1,
        u32::from(*size / 16) + 1,
    );
    let resize = pick(
        &[
            ResizeMode::Stretch,
            ResizeMode::ShortestEdge,
            ResizeMode::Pad,
            ResizeMode::None,
            ResizeMode::Letterbox,
            ResizeMode::Edges,
            ResizeMode::Closest,
        ],
        *fit,
    );
    let filters = [
        Filter::Nearest,
        Filter::Bilinear,
        Filter::Hamming,
        Filter::Bicubic,
        Filter::Lanczos,
        Filter::OpencvLinear,
    ];
    let values = if channels == Channels::Gray { 1 } else { 3 };
    let spec = ImageSpec {
        input: None,
        mask: None,
        longest_edge: (*fit & 32 != 0).then_some(40),
        multiple_of: (*fit & 16 != 0).then_some(7),
        width,
        height,
        resize,
        shortest_edge: (*fit & 128 != 0).then_some(20),
        resize_width: (*fit & 64 != 0).then_some(30),
        resize_height: (*fit & 64 != 0).then_some(3),
        crop: pick(&[Crop::Torchvision, Crop::Transformers], fit / 4),
        filter: pick(&filters, fit / 8),
        channels,
        alpha: pick(&[Alpha::White, Alpha::Drop], how / 64),
        layout: pick(&[Layout::Nchw, Layout::Nhwc], how / 4),
        scale: 1.0 / 255.0,
        mean: vec![0.5; values],
        std: vec![0.25; values],
    };
    let datatype = pick(&[Datatype::Fp32, Datatype::Fp16, Datatype::Uint8], how / 8);
    match to_tensor(image, &spec, datatype, limits().max_image_pixels) {
        Ok(prepared) => {
            let place = prepared.placement;
            let elements = place.input_width as usize * place.input_height as usize * values;
            assert_eq!(Some(prepared.bytes.len()), datatype.element_bytes().map(|bytes| bytes * elements));
        }
        Err(error) => assert!(error.to_string().len() < 4096, "{error}"),
    }
    Corpus::Keep
});
