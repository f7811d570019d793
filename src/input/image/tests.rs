//! Comparison with Pillow's pixels (`tests/preprocessing`), and damaged files.

use std::path::PathBuf;

use infer_model_card::{Alpha, Channels, Crop, Filter, ImageSpec, Layout, ResizeMode};
use infer_tensor::Datatype;
use serde::Deserialize;

use super::{to_tensor as prepare, *};

fn to_tensor(
    bytes: &[u8],
    spec: &ImageSpec,
    datatype: Datatype,
    max_pixels: u64,
) -> Result<Vec<u8>, ImageError> {
    prepare(bytes, spec, datatype, max_pixels).map(|prepared| prepared.bytes)
}

const MAX_PIXELS: u64 = 50_000_000;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/preprocessing")
}

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(folder().join("images").join(name)).unwrap()
}

/// 19x13 pixels, without scaling.
fn spec(resize: ResizeMode, filter: Filter, channels: Channels, layout: Layout) -> ImageSpec {
    ImageSpec {
        input: None,
        mask: None,
        longest_edge: None,
        multiple_of: None,
        width: 19,
        height: 13,
        resize,
        shortest_edge: None,
        resize_width: None,
        resize_height: None,
        crop: Crop::Torchvision,
        filter,
        channels,
        alpha: Alpha::White,
        layout,
        scale: 1.0,
        mean: vec![0.0],
        std: vec![1.0],
    }
}

fn plain(channels: Channels, layout: Layout) -> ImageSpec {
    spec(ResizeMode::Stretch, Filter::Bilinear, channels, layout)
}

#[derive(Deserialize)]
struct Case {
    image: String,
    resize: ResizeMode,
    filter: Filter,
    channels: String,
    #[serde(default)]
    alpha: Alpha,
    pixels: String,
}

#[test]
fn pixels_are_pillows() {
    let cases: Vec<Case> =
        serde_json::from_str(&std::fs::read_to_string(folder().join("cases.json")).unwrap())
            .unwrap();
    assert!(cases.len() > 50);
    let mut wrong = Vec::new();
    for case in &cases {
        // JPEG decoders may differ by a rounding or two in each step, and CMYK adds a conversion. All other images are exact.
        let tolerance = match case.image.as_str() {
            "cmyk.jpg" => 6,
            name if name.ends_with(".jpg") => 3,
            _ => 0,
        };
        let channels = if case.channels == "L" {
            Channels::Gray
        } else {
            Channels::Rgb
        };
        let spec = ImageSpec {
            alpha: case.alpha,
            ..spec(case.resize, case.filter, channels, Layout::Nhwc)
        };
        let expected = std::fs::read(folder().join("resized").join(&case.pixels)).unwrap();
        let problem = match to_tensor(&sample(&case.image), &spec, Datatype::Uint8, MAX_PIXELS) {
            Err(error) => error.to_string(),
            Ok(actual) if actual.len() != expected.len() => format!("{} bytes", actual.len()),
            Ok(actual) => {
                let largest = actual
                    .iter()
                    .zip(&expected)
                    .map(|(a, b)| a.abs_diff(*b))
                    .max();
                if largest <= Some(tolerance) {
                    continue;
                }
                format!("largest difference {largest:?}")
            }
        };
        wrong.push(format!("{}: {problem}", case.pixels));
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn layouts_and_datatypes_have_the_same_values() {
    let bytes = sample("wide.png");
    let tensor = |channels, layout, datatype| {
        to_tensor(&bytes, &plain(channels, layout), datatype, MAX_PIXELS).unwrap()
    };
    let rgb = tensor(Channels::Rgb, Layout::Nhwc, Datatype::Uint8);
    let planes = tensor(Channels::Rgb, Layout::Nchw, Datatype::Uint8);
    let bgr = tensor(Channels::Bgr, Layout::Nhwc, Datatype::Uint8);
    let bgr_planes = tensor(Channels::Bgr, Layout::Nchw, Datatype::Uint8);
    let floats = tensor(Channels::Rgb, Layout::Nhwc, Datatype::Fp32);
    let halves = tensor(Channels::Rgb, Layout::Nhwc, Datatype::Fp16);
    let area = 19 * 13;
    assert_eq!(rgb.len(), area * 3);
    for pixel in 0..area {
        for channel in 0..3 {
            let index = pixel * 3 + channel;
            let value = rgb[index];
            assert_eq!(planes[channel * area + pixel], value);
            assert_eq!(bgr[pixel * 3 + 2 - channel], value);
            assert_eq!(bgr_planes[(2 - channel) * area + pixel], value);
            assert_eq!(floats[index * 4..][..4], f32::from(value).to_le_bytes());
            assert_eq!(
                halves[index * 2..][..2],
                half::f16::from(value).to_le_bytes()
            );
        }
    }
}

#[test]
fn values_are_scaled_then_normalized() {
    let mut spec = plain(Channels::Rgb, Layout::Nhwc);
    spec.scale = 1.0 / 255.0;
    spec.mean = vec![0.5, 0.25, 0.0];
    spec.std = vec![0.5, 0.25, 2.0];
    let bytes = sample("tiny.png");
    let raw = to_tensor(
        &bytes,
        &plain(Channels::Rgb, Layout::Nhwc),
        Datatype::Uint8,
        MAX_PIXELS,
    )
    .unwrap();
    let tensor = to_tensor(&bytes, &spec, Datatype::Fp32, MAX_PIXELS).unwrap();
    let (values, _) = tensor.as_chunks::<4>();
    for (index, (value, raw)) in values.iter().zip(&raw).enumerate() {
        let channel = index % 3;
        let expected = (f32::from(*raw) * spec.scale - spec.mean[channel]) / spec.std[channel];
        assert_eq!(f32::from_le_bytes(*value), expected);
    }
}

/// The header of a PNG that declares any size, with the right checksum and without pixels.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(width.to_be_bytes());
    chunk.extend(height.to_be_bytes());
    chunk.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    png.extend(&chunk);
    png.extend(crc32(&chunk).to_be_bytes());
    png
}

/// The checksum of PNG (annex D of its specification).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    })
}

#[test]
fn invalid_images_have_their_errors() {
    let with_idat = |mut png: Vec<u8>| {
        png.extend(b"\0\0\0\0IDAT");
        png.extend(crc32(b"IDAT").to_be_bytes());
        png
    };
    let half = |name: &str| {
        let mut bytes = sample(name);
        bytes.truncate(bytes.len() / 2);
        bytes
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "empty",
            vec![],
            "the 0 bytes are not an image, expected JPEG, PNG, WebP, GIF or BMP",
        ),
        ("text", b"hello".to_vec(), "the 5 bytes are not an image"),
        (
            "BM alone",
            b"BMhello, this is text".to_vec(),
            "the 21 bytes are not an image",
        ),
        (
            "RIFF of another kind",
            b"RIFF\0\0\0\0WAVEfmt ".to_vec(),
            "the 16 bytes are not an image",
        ),
        (
            "HEIC",
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec(),
            "the image is HEIC, which is not decoded; expected JPEG, PNG, WebP, GIF or BMP",
        ),
        (
            "TIFF",
            b"II*\0\x08\0\0\0".to_vec(),
            "the image is TIFF, which is not decoded",
        ),
        (
            "JPEG signature",
            vec![0xff, 0xd8, 0xff],
            "the JPEG cannot be decoded: ",
        ),
        (
            "PNG signature",
            b"\x89PNG\r\n\x1a\n".to_vec(),
            "the PNG cannot be decoded: ",
        ),
        (
            "WebP signature",
            b"RIFF\0\0\0\0WEBP".to_vec(),
            "the WebP cannot be decoded: ",
        ),
        (
            "GIF signature",
            b"GIF89a".to_vec(),
            "the GIF cannot be decoded: ",
        ),
        (
            "BMP signature",
            [b"BM".as_slice(), &[0; 12], &[40, 0, 0, 0]].concat(),
            "the BMP cannot be decoded: ",
        ),
        (
            "PNG of 60000x60000",
            with_idat(png_header(60_000, 60_000)),
            "the PNG declares 60000x60000 pixels, 3600000000, expected at most 50000000",
        ),
        (
            "PNG of 0x5",
            with_idat(png_header(0, 5)),
            "the PNG cannot be decoded: ",
        ),
        (
            "PNG without pixels",
            with_idat(png_header(5, 5)),
            "the PNG cannot be decoded: ",
        ),
        (
            "half a PNG",
            half("wide.png"),
            "the PNG cannot be decoded: ",
        ),
        (
            "half a JPEG",
            half("wide.jpg"),
            "the JPEG cannot be decoded: it is truncated: the end marker is missing",
        ),
        (
            "half a BMP",
            half("wide.bmp"),
            "the BMP cannot be decoded: ",
        ),
        (
            "half a WebP",
            half("lossless.webp"),
            "the WebP cannot be decoded: ",
        ),
        (
            "half a GIF",
            half("palette.gif"),
            "the GIF cannot be decoded: ",
        ),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|(name, bytes, expected)| {
            let message = match to_tensor(
                bytes,
                &plain(Channels::Rgb, Layout::Nchw),
                Datatype::Fp32,
                MAX_PIXELS,
            ) {
                Ok(_) => "it was accepted".to_owned(),
                Err(error) => error.to_string(),
            };
            (!message.starts_with(expected)).then(|| format!("{name}: {message}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_elongated_image_is_refused() {
    let mut strip = image::RgbImage::new(60_000, 1);
    strip.put_pixel(3, 0, image::Rgb([1, 2, 3]));
    let mut png = Vec::new();
    strip
        .write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png)
        .unwrap();
    let mut spec = spec(
        ResizeMode::ShortestEdge,
        Filter::Bilinear,
        Channels::Rgb,
        Layout::Nchw,
    );
    (spec.width, spec.height) = (224, 224);
    assert_eq!(
        to_tensor(&png, &spec, Datatype::Fp32, MAX_PIXELS)
            .unwrap_err()
            .to_string(),
        "an image of 60000x1 pixels is too elongated for this model"
    );
}

/// Every format, truncated at every byte and with every byte changed, has a result or an error.
#[test]
fn damage_never_panics() {
    let spec = plain(Channels::Rgb, Layout::Nchw);
    let mut answered = 0_u32;
    for name in [
        "tiny.png",
        "alpha.png",
        "wide.jpg",
        "lossless.webp",
        "palette.gif",
        "wide.bmp",
    ] {
        let bytes = sample(name);
        let step = (bytes.len() / 150).max(1);
        for position in (0..bytes.len()).step_by(step) {
            _ = to_tensor(&bytes[..position], &spec, Datatype::Fp32, MAX_PIXELS);
            for change in [0x00, 0xff, 0x80] {
                let mut damaged = bytes.clone();
                damaged[position] = if damaged[position] == change {
                    0x55
                } else {
                    change
                };
                _ = to_tensor(&damaged, &spec, Datatype::Fp32, MAX_PIXELS);
                answered += 1;
            }
        }
    }
    assert!(answered > 1500, "{answered}");
}

/// A BMP of two rows of three pixels, the upper one black and the lower one white; `header` makes the header from the
/// height, and `bits` is the number of bits of a pixel, whose fourth byte is `alpha`.
fn bmp(header: &dyn Fn(i32) -> Vec<u8>, is_top_down: bool, bits: u16, alpha: u8) -> Vec<u8> {
    let row = |value: u8| match bits {
        32 => [value, value, value, alpha].repeat(3),
        _ => [[value; 9].as_slice(), &[0; 3]].concat(),
    };
    let header = header(if is_top_down { -2 } else { 2 });
    let rows = if is_top_down {
        [row(0), row(255)]
    } else {
        [row(255), row(0)]
    };
    let offset = 14 + header.len() as u32;
    let mut bytes = b"BM\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(offset.to_le_bytes());
    bytes.extend(header);
    bytes.extend(rows.concat());
    bytes
}

/// A header of `length` bytes with the fields of `BITMAPINFOHEADER`, and masks if `compression` is 3.
fn info(length: u32, bits: u16, compression: u32) -> impl Fn(i32) -> Vec<u8> {
    move |height| {
        let mut header = length.to_le_bytes().to_vec();
        header.extend(3_i32.to_le_bytes());
        header.extend(height.to_le_bytes());
        header.extend(1_u16.to_le_bytes());
        header.extend(bits.to_le_bytes());
        header.extend(compression.to_le_bytes());
        header.resize(40, 0);
        if compression == 3 {
            for mask in [0x00ff_0000_u32, 0xff00, 0xff, 0xff00_0000] {
                header.extend(mask.to_le_bytes());
            }
        }
        header.resize(length as usize, 0);
        header
    }
}

#[test]
fn bmps_of_every_header_have_the_same_pixels() {
    let core = |height: i32| {
        let mut header = 12_u32.to_le_bytes().to_vec();
        for field in [3, height as u16, 1, 24] {
            header.extend(field.to_le_bytes());
        }
        header
    };
    let core: &dyn Fn(i32) -> Vec<u8> = &core;
    let plain = |length| info(length, 24, 0);
    let masked = |length| info(length, 32, 3);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("core", bmp(core, false, 24, 0)),
        ("OS/2, short", bmp(&plain(16), false, 24, 0)),
        ("info", bmp(&plain(40), false, 24, 0)),
        ("info, top down", bmp(&plain(40), true, 24, 0)),
        ("OS/2", bmp(&plain(64), false, 24, 0)),
        ("OS/2, top down", bmp(&plain(64), true, 24, 0)),
        ("V2", bmp(&plain(52), false, 24, 0)),
        ("V3, top down", bmp(&plain(56), true, 24, 0)),
        ("V4", bmp(&plain(108), false, 24, 0)),
        ("V4, top down", bmp(&plain(108), true, 24, 0)),
        ("V5", bmp(&plain(124), false, 24, 0)),
        ("V5, top down", bmp(&plain(124), true, 24, 0)),
        ("32 bits", bmp(&info(40, 32, 0), false, 32, 0)),
        ("32 bits, top down", bmp(&info(40, 32, 0), true, 32, 77)),
        ("V3, masks, opaque", bmp(&masked(56), false, 32, 255)),
        ("V4, masks, opaque", bmp(&masked(108), true, 32, 255)),
        ("V4, masks, alpha 0", bmp(&masked(108), false, 32, 0)),
        (
            "V5, masks, alpha 0, top down",
            bmp(&masked(124), true, 32, 0),
        ),
    ];
    let mut spec = plain_size(3, 2);
    let expected = [[0; 9], [255; 9]].concat();
    let mut wrong = Vec::new();
    for (name, bytes) in cases {
        for alpha in [Alpha::White, Alpha::Drop] {
            spec.alpha = alpha;
            let actual = to_tensor(&bytes, &spec, Datatype::Uint8, 6);
            if actual.as_ref() != Ok(&expected) {
                wrong.push(format!("{name}, {alpha:?}: {actual:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The sizes are checked before the pixels are read.
    let declared = |header: &dyn Fn(i32) -> Vec<u8>| {
        let bytes = bmp(header, true, 24, 0);
        to_tensor(&bytes, &plain_size(3, 2), Datatype::Uint8, 5).map_err(|error| error.to_string())
    };
    let message = "the BMP declares 3x2 pixels, 6, expected at most 5";
    for length in [40, 64, 108] {
        assert_eq!(
            declared(&plain(length)),
            Err(message.to_owned()),
            "{length}"
        );
    }
}

fn plain_size(width: u32, height: u32) -> ImageSpec {
    ImageSpec {
        width,
        height,
        ..plain(Channels::Rgb, Layout::Nhwc)
    }
}

#[test]
fn bytes_behind_the_end_of_an_image_are_ignored() {
    let spec = plain(Channels::Rgb, Layout::Nhwc);
    let trailers: [&[u8]; 4] = [
        b"\0\0\0\x18ftypmp42\xff\xda\0\0",
        b"\xff\xd8\xff\xda",
        b"\xff\xff\xff",
        &[0; 100],
    ];
    let mut wrong = Vec::new();
    for name in [
        "wide.jpg",
        "wide.png",
        "palette.gif",
        "lossless.webp",
        "wide.bmp",
    ] {
        let bytes = sample(name);
        let alone = to_tensor(&bytes, &spec, Datatype::Uint8, MAX_PIXELS).unwrap();
        for trailer in trailers {
            let longer = [&bytes, trailer].concat();
            let actual = to_tensor(&longer, &spec, Datatype::Uint8, MAX_PIXELS);
            if actual.as_ref() != Ok(&alone) {
                wrong.push(format!("{name} {trailer:?}: {:?}", actual.err()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn transparency_is_put_on_white_or_dropped() {
    let pixels = [[200, 0, 0, 0], [0, 100, 0, 255], [0, 0, 100, 51]];
    let image = image::RgbaImage::from_raw(3, 1, pixels.concat()).unwrap();
    let mut png = Vec::new();
    image
        .write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png)
        .unwrap();
    let mut spec = plain_size(3, 1);
    let mut read = |alpha| {
        spec.alpha = alpha;
        to_tensor(&png, &spec, Datatype::Uint8, MAX_PIXELS).unwrap()
    };
    assert_eq!(
        read(Alpha::White),
        [255, 255, 255, 0, 100, 0, 204, 204, 224]
    );
    assert_eq!(read(Alpha::Drop), [200, 0, 0, 0, 100, 0, 0, 0, 100]);
}
