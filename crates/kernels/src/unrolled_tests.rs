//! Tests sums around the longest that the unrolled kernels compute: one shorter, as long, and one longer.

use crate::conv::Conv2d;
use crate::depthwise::Depthwise;
use crate::layout::{CHANNEL_GROUP, COLUMNS, PAIR, QUAD, unrolled};
use crate::quantization::QuantParams;
use crate::quantized::{Output, QuantizedConv, QuantizedDepthwise};
use crate::spec::{ConvSpec, Images, Window};

/// Integers, so that f32 sums are exact in any order.
fn numbers(count: usize, seed: usize, from: i32, to: i32) -> Vec<i32> {
    let span = (to - from + 1) as usize;
    (0..count)
        .map(|at| from + ((at * 7919 + seed * 104_729) / 13 % span) as i32)
        .collect()
}

fn around(longest: usize) -> [usize; 3] {
    [longest - 1, longest, longest + 1]
}

fn floats(values: &[i32]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

const PIXELS: usize = 4;

#[test]
fn rows_around_the_unrolled_length_are_exact() {
    let lengths = around(unrolled::GEMM).into_iter();
    let words = around(unrolled::DOT);
    let lengths = lengths.chain(words.map(|words| words * QUAD));
    let lengths = lengths.chain(words.map(|words| words * PAIR));
    let mut wrong = Vec::new();
    for k in lengths {
        let images = Images {
            count: 1,
            height: 1,
            width: PIXELS,
            channels: k,
        };
        let spec = ConvSpec::new(Window::POINT, [k, COLUMNS]);
        let input = numbers(PIXELS * k, 1, 0, 255);
        // Small weights are multiplied as int8, large weights as int16.
        for largest in [20, 127] {
            let smallest = if largest == 127 { 120 } else { -largest };
            let weights = numbers(COLUMNS * k, 2, smallest, largest);
            let expected: Vec<i32> = input
                .chunks(k)
                .flat_map(|row| {
                    weights
                        .chunks(k)
                        .map(|column| row.iter().zip(column).map(|(a, b)| a * b).sum())
                })
                .collect();
            let mut output = vec![f32::NAN; PIXELS * COLUMNS];
            Conv2d::new(spec, 1, &floats(&weights), None).run(
                images,
                &floats(&input),
                None,
                &mut output,
            );
            if output != floats(&expected) {
                wrong.push(format!("FP32, {k} values: {output:?}"));
            }
            output.fill(f32::NAN);
            let bytes: Vec<u8> = input.iter().map(|&value| value as u8).collect();
            let weights: Vec<i8> = weights.iter().map(|&weight| weight as i8).collect();
            let input = QuantParams::new(1.0, 0, 255);
            QuantizedConv::new(spec, input, &weights, &[1.0], None)
                .expect("the sums fit into int32")
                .run(images, &bytes, Output::F32(&mut output));
            if output != floats(&expected) {
                wrong.push(format!("int8 up to {largest}, {k} values: {output:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn windows_around_the_unrolled_number_of_taps_are_exact() {
    const CHANNELS: usize = 2 * CHANNEL_GROUP;
    let mut wrong = Vec::new();
    for taps in around(unrolled::TAPS) {
        let window = Window {
            kernel: [1, taps],
            ..Window::POINT
        };
        let images = Images {
            count: 1,
            height: 1,
            width: PIXELS + taps - 1,
            channels: CHANNELS,
        };
        let spec = ConvSpec::new(window, [CHANNELS; 2]);
        let input = numbers(images.len(), 3, 0, 255);
        // Small weights are multiplied as int8, large weights as int16.
        for largest in [20, 127] {
            let weights = numbers(CHANNELS * taps, 4, -largest, largest);
            let sum = |pixel: usize, channel: usize| -> i32 {
                let products = (0..taps).map(|tap| {
                    input[(pixel + tap) * CHANNELS + channel] * weights[channel * taps + tap]
                });
                products.sum()
            };
            let expected: Vec<i32> = (0..PIXELS * CHANNELS)
                .map(|at| sum(at / CHANNELS, at % CHANNELS))
                .collect();
            let mut output = vec![f32::NAN; PIXELS * CHANNELS];
            Depthwise::new(spec, &floats(&weights), None).run(images, &floats(&input), &mut output);
            if output != floats(&expected) {
                wrong.push(format!("FP32, {taps} taps: {output:?}"));
            }
            output.fill(f32::NAN);
            let bytes: Vec<u8> = input.iter().map(|&value| value as u8).collect();
            let weights: Vec<i8> = weights.iter().map(|&weight| weight as i8).collect();
            let input = QuantParams::new(1.0, 0, 255);
            QuantizedDepthwise::new(spec, input, &weights, &[1.0], None)
                .expect("the sums fit into int32")
                .run(images, &bytes, Output::F32(&mut output));
            if output != floats(&expected) {
                wrong.push(format!("int8 up to {largest}, {taps} taps: {output:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
