//! Compares convolutions and matrix products of many shapes with plain loops.

use infer_kernels::conv::Conv2d;
use infer_kernels::depthwise::Depthwise;
use infer_kernels::gemm::{Clamp, Packed, gemm};
use infer_kernels::inverted_bottleneck::InvertedBottleneck;
use infer_kernels::quantization::QuantParams;
use infer_kernels::spec::{ConvSpec, Images, Window};
use infer_kernels::winograd::Winograd;

/// Pseudorandom values, the same in each run.
fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// The convolution in f64, as ONNX specifies it.
fn plain(
    window: Window,
    groups: usize,
    images: Images,
    output: Images,
    input: &[f32],
    weights: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f64> {
    let (k, n) = (images.channels / groups, output.channels / groups);
    let mut sums = Vec::new();
    for image in 0..images.count {
        for y in 0..output.height {
            for x in 0..output.width {
                for channel in 0..output.channels {
                    let mut sum = bias.map_or(0.0, |bias| f64::from(bias[channel]));
                    for from in 0..k {
                        for tap_y in 0..window.kernel[0] {
                            for tap_x in 0..window.kernel[1] {
                                let line = (y * window.strides[0] + tap_y * window.dilations[0])
                                    .wrapping_sub(window.pads_before[0]);
                                let column = (x * window.strides[1] + tap_x * window.dilations[1])
                                    .wrapping_sub(window.pads_before[1]);
                                if line >= images.height || column >= images.width {
                                    continue;
                                }
                                let at = ((image * images.height + line) * images.width + column)
                                    * images.channels
                                    + channel / n * k
                                    + from;
                                let weight = ((channel * k + from) * window.kernel[0] + tap_y)
                                    * window.kernel[1]
                                    + tap_x;
                                sum += f64::from(input[at]) * f64::from(weights[weight]);
                            }
                        }
                    }
                    sums.push(sum);
                }
            }
        }
    }
    sums
}

/// Add the residual to the sums, and clamp them.
fn end(mut sums: Vec<f64>, residual: Option<&[f32]>, clamp: Clamp) -> Vec<f64> {
    for (at, sum) in sums.iter_mut().enumerate() {
        *sum += residual.map_or(0.0, |residual| residual[at].into());
        *sum = sum.clamp(clamp.min.into(), clamp.max.into());
    }
    sums
}

fn differs(actual: &[f32], expected: &[f64]) -> Option<String> {
    assert_eq!(actual.len(), expected.len());
    let mut pairs = actual.iter().zip(expected).enumerate();
    pairs
        .find(|(_, (actual, expected))| {
            let is_close = (f64::from(**actual) - **expected).abs() <= 1e-4 + 1e-4 * expected.abs();
            // Negated, so that NaN counts as a difference: it marks an element that a kernel left out.
            !is_close
        })
        .map(|(at, (actual, expected))| format!("value {at} is {actual}, expected {expected}"))
}

fn window(kernel: usize, stride: usize, pad: usize, dilation: usize) -> Window {
    Window {
        kernel: [kernel, kernel],
        strides: [stride, stride],
        dilations: [dilation, dilation],
        pads_before: [pad, pad],
        pads_after: [pad, pad],
    }
}

#[test]
fn convolutions_match_plain_loops() {
    let mut wrong = Vec::new();
    let mut cases = 0;
    let windows = [
        window(1, 1, 0, 1),
        window(1, 2, 0, 1),
        window(3, 1, 1, 1),
        window(3, 2, 1, 1),
        window(3, 1, 2, 2),
        window(5, 1, 2, 1),
        Window {
            kernel: [2, 3],
            strides: [1, 2],
            dilations: [2, 1],
            pads_before: [1, 0],
            pads_after: [0, 2],
        },
    ];
    for (at, window) in windows.into_iter().enumerate() {
        for (channels_in, channels_out, groups) in [
            (1, 1, 1),
            (3, 8, 1),
            (8, 24, 1),
            (13, 9, 1),
            (16, 12, 4),
            (6, 6, 2),
            (32, 17, 1),
        ] {
            // The last image is copied in parts, the last of which may be a single pixel.
            for [count, height, width] in [[1, 7, 7], [2, 5, 9], [1, 4, 6], [1, 3, 456]] {
                let images = Images {
                    count,
                    height,
                    width,
                    channels: channels_in,
                };
                if width > 9 && channels_in > 13 {
                    continue;
                }
                let input = values(images.len(), 1);
                let weights = values(channels_out * channels_in / groups * window.taps(), 2);
                let bias = values(channels_out, 3);
                for (has_bias, has_residual, clamp) in [
                    (true, false, Clamp::NONE),
                    (false, true, Clamp::NONE),
                    (true, true, Clamp { min: 0.0, max: 0.5 }),
                ] {
                    let bias = has_bias.then_some(bias.as_slice());
                    let spec = ConvSpec {
                        clamp,
                        ..ConvSpec::new(window, [channels_in, channels_out])
                    };
                    let conv = Conv2d::new(spec, groups, &weights, bias);
                    let Some(result) = spec.output(images) else {
                        continue;
                    };
                    let residual = values(result.len(), 4);
                    let residual = has_residual.then_some(residual.as_slice());
                    let mut output = vec![f32::NAN; result.len()];
                    conv.run(images, &input, residual, &mut output);
                    let sums = plain(window, groups, images, result, &input, &weights, bias);
                    let expected = end(sums, residual, clamp);
                    cases += 1;
                    if let Some(difference) = differs(&output, &expected) {
                        wrong.push(format!("window {at}, {images:?} to {channels_out} in {groups}, {clamp:?}: {difference}"));
                    }
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {cases} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(cases > 300, "{cases}");
}

#[test]
fn winograd_convolutions_match_plain_loops() {
    let mut wrong = Vec::new();
    let mut cases = 0;
    let sizes = [
        [1, 3, 5],
        [1, 8, 8],
        [2, 5, 9],
        [1, 1, 1],
        [1, 3, 13],
        [1, 13, 2],
    ];
    // The last case has so many channels that its tiles are smaller.
    for ([channels_in, channels_out], sizes) in [
        ([16, 16], &sizes[..]),
        ([20, 36], &sizes),
        ([64, 24], &sizes),
        ([260, 256], &sizes[..1]),
    ] {
        for pads in [[1, 1, 1, 1], [0, 0, 0, 0], [2, 0, 1, 3]] {
            let window = Window {
                pads_before: [pads[0], pads[1]],
                pads_after: [pads[2], pads[3]],
                ..window(3, 1, 0, 1)
            };
            let channels = [channels_in, channels_out];
            let weights = values(channels_out * channels_in * 9, 2);
            let bias = values(channels_out, 3);
            for &[count, height, width] in sizes {
                let images = Images {
                    count,
                    height,
                    width,
                    channels: channels_in,
                };
                let input = values(images.len(), 1);
                for (has_bias, has_residual, clamp) in [
                    (true, false, Clamp::NONE),
                    (false, true, Clamp { min: 0.0, max: 0.5 }),
                ] {
                    let bias = has_bias.then_some(bias.as_slice());
                    let spec = ConvSpec {
                        clamp,
                        ..ConvSpec::new(window, channels)
                    };
                    let conv = Winograd::new(spec, &weights, bias);
                    let Some(result) = spec.output(images) else {
                        continue;
                    };
                    let residual = values(result.len(), 4);
                    let residual = has_residual.then_some(residual.as_slice());
                    let mut output = vec![f32::NAN; result.len()];
                    conv.run(images, &input, residual, &mut output);
                    let sums = plain(window, 1, images, result, &input, &weights, bias);
                    let expected = end(sums, residual, clamp);
                    cases += 1;
                    if let Some(difference) = differs(&output, &expected) {
                        wrong.push(format!(
                            "{pads:?}, {images:?} to {channels_out}: {difference}"
                        ));
                    }
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {cases} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(cases > 80, "{cases}");
}

#[test]
fn winograd_wins_only_where_it_applies() {
    let simple = window(3, 1, 1, 1);
    for (window, groups, channels, wins) in [
        (simple, 1, [16, 16], true),
        (simple, 1, [64, 256], true),
        (simple, 2, [64, 64], false),
        (simple, 1, [18, 64], false),
        (simple, 1, [64, 66], false),
        (simple, 1, [4, 64], false),
        (simple, 1, [64, 8], false),
        (window(3, 2, 1, 1), 1, [64, 64], false),
        (window(3, 1, 2, 2), 1, [64, 64], false),
        (window(5, 1, 2, 1), 1, [64, 64], false),
        (window(1, 1, 0, 1), 1, [64, 64], false),
    ] {
        assert_eq!(
            Winograd::wins(&window, groups, channels),
            wins,
            "{window:?} in {groups}, {channels:?}"
        );
    }
}

#[test]
fn depthwise_convolutions_match_plain_loops() {
    let mut wrong = Vec::new();
    for window in [
        window(3, 1, 1, 1),
        window(3, 2, 1, 1),
        window(5, 1, 2, 1),
        window(3, 1, 2, 2),
        window(1, 1, 0, 1),
    ] {
        for channels in [1, 4, 8, 15, 16, 17, 48, 50] {
            for [count, height, width] in [
                [1, 7, 7],
                [2, 5, 9],
                [1, 1, 1],
                [3, 1, 2],
                [1, 5, 30],
                [2, 4, 1],
            ] {
                let images = Images {
                    count,
                    height,
                    width,
                    channels,
                };
                let input = values(images.len(), 5);
                let weights = values(channels * window.taps(), 6);
                let bias = values(channels, 7);
                let clamp = Clamp {
                    min: -0.5,
                    max: 6.0,
                };
                let spec = ConvSpec {
                    clamp,
                    ..ConvSpec::new(window, [channels; 2])
                };
                let depthwise = Depthwise::new(spec, &weights, Some(&bias));
                let Some(result) = spec.output(images) else {
                    continue;
                };
                let mut output = vec![f32::NAN; result.len()];
                depthwise.run(images, &input, &mut output);
                let sums = plain(
                    window,
                    channels,
                    images,
                    result,
                    &input,
                    &weights,
                    Some(&bias),
                );
                let expected = end(sums, None, clamp);
                if let Some(difference) = differs(&output, &expected) {
                    wrong.push(format!("{window:?} {images:?}: {difference}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_inverted_bottleneck_equals_separate_convolutions() {
    let mut wrong = Vec::new();
    let far = Window {
        pads_before: [11, 2],
        pads_after: [0, 5],
        ..window(3, 1, 0, 1)
    };
    let windows = [
        window(3, 1, 1, 1),
        window(3, 2, 1, 1),
        window(3, 2, 0, 1),
        window(5, 1, 2, 1),
        window(5, 2, 4, 2),
        window(3, 5, 0, 1),
        window(1, 1, 0, 1),
        far,
    ];
    // For the last three, only some lines are in memory at the same time.
    for ([count, height, width], [channels_in, between]) in [
        ([1, 1, 1], [1, 1]),
        ([3, 7, 7], [5, 24]),
        ([1, 40, 200], [3, 40]),
        ([2, 300, 3], [2, 512]),
        ([1, 23, 1600], [1, 9]),
    ] {
        let images = Images {
            count,
            height,
            width,
            channels: channels_in,
        };
        let clamp = Clamp { min: 0.0, max: 1.5 };
        let input = values(images.len(), 1);
        for params in [None, Some(QuantParams::new(0.1, 0, 255))] {
            let spec = ConvSpec {
                clamp,
                quantization: params,
                ..ConvSpec::new(Window::POINT, [channels_in, between])
            };
            let weights = values(between * channels_in, 2);
            let pointwise = Conv2d::new(spec, 1, &weights, Some(&values(between, 3)));
            let pixels = spec.output(images).unwrap();
            let mut first = vec![f32::NAN; pixels.len()];
            pointwise.run(images, &input, None, &mut first);
            for window in windows {
                let spec = ConvSpec {
                    quantization: params,
                    ..ConvSpec::new(window, [between; 2])
                };
                let Some(result) = spec.output(pixels) else {
                    continue;
                };
                let weights = values(between * window.taps(), 4);
                let depthwise = Depthwise::new(spec, &weights, Some(&values(between, 5)));
                let mut expected = vec![f32::NAN; result.len()];
                depthwise.run(pixels, &first, &mut expected);
                let both = InvertedBottleneck::new(pointwise.clone(), depthwise);
                let mut scratch = vec![f32::NAN; both.scratch_len(images)];
                let mut output = vec![f32::NAN; result.len()];
                both.run(images, &input, &mut scratch, &mut output);
                if output != expected {
                    wrong.push(format!("{window:?} {images:?}"));
                }
                let is_part = height > 7;
                assert_eq!(scratch.len() < first.len() / count, is_part, "{images:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn products_match_plain_loops() {
    let mut wrong = Vec::new();
    for m in [1, 2, 4, 5, 9] {
        // The unrolled kernels compute up to 96 steps, and the others 32 steps per round.
        for k in [0, 1, 3, 4, 7, 64, 96, 97, 128, 131] {
            // The kernels for one row compute 32 columns at a time.
            for n in [1, 7, 8, 9, 24, 32, 77] {
                let (a, b, bias) = (values(m * k, 8), values(k * n, 9), values(n, 10));
                let packed = Packed::new(
                    k,
                    n,
                    |row, column| b[row * n + column],
                    |column| bias[column],
                );
                let mut c = vec![f32::NAN; m * n];
                gemm(m, &a, &packed, None, Clamp::NONE, &mut c);
                let expected: Vec<f64> = (0..m * n)
                    .map(|at| {
                        let (row, column) = (at / n, at % n);
                        (0..k).fold(f64::from(bias[column]), |sum, step| {
                            sum + f64::from(a[row * k + step]) * f64::from(b[step * n + column])
                        })
                    })
                    .collect();
                if let Some(difference) = differs(&c, &expected) {
                    wrong.push(format!("{m} x {k} x {n}: {difference}"));
                }
                let mut repacked = packed.clone();
                repacked.repack(k, n, &b).unwrap();
                let without: Vec<f64> = expected
                    .iter()
                    .enumerate()
                    .map(|(at, sum)| sum - f64::from(bias[at % n]))
                    .collect();
                gemm(m, &a, &repacked, None, Clamp::NONE, &mut c);
                if let Some(difference) = differs(&c, &without) {
                    wrong.push(format!("{m} x {k} x {n} repacked: {difference}"));
                }
                let (residual, clamp) = (values(m * n, 11), Clamp { min: 0.0, max: 1.5 });
                gemm(m, &a, &packed, Some(&residual), clamp, &mut c);
                if let Some(difference) = differs(&c, &end(expected, Some(&residual), clamp)) {
                    wrong.push(format!("{m} x {k} x {n} and a residual: {difference}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn clamping_keeps_nan() {
    let packed = Packed::new(1, 1, |_, _| 1.0, |_| 0.0);
    let mut c = [0.0; 3];
    gemm(
        3,
        &[f32::NAN, -1.0, 9.0],
        &packed,
        None,
        Clamp { min: 0.0, max: 6.0 },
        &mut c,
    );
    assert!(c[0].is_nan());
    assert_eq!(c[1..], [0.0, 6.0]);
}
