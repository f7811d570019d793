//! Compares int8 convolutions with plain loops over integers, to the bit.

use infer_kernels::gemm::Clamp;
use infer_kernels::quantization::QuantParams;
use infer_kernels::quantized::{Output, QuantizedConv, QuantizedDepthwise, RelaxedDot};
use infer_kernels::spec::{ConvSpec, Images, Window};

/// Pseudorandom integers, the same in each run.
fn numbers(count: usize, seed: u32, min: i32, max: i32) -> Vec<i32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let span = (max - min + 1) as u32;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            min + ((state >> 8) % span) as i32
        })
        .collect()
}

fn window(kernel: usize, stride: usize, pad: usize, dilation: usize) -> Window {
    Window {
        kernel: [kernel; 2],
        strides: [stride; 2],
        dilations: [dilation; 2],
        pads_before: [pad; 2],
        pads_after: [pad; 2],
    }
}

/// A convolution in integers. The zero point is subtracted from its input.
struct Case {
    spec: ConvSpec,
    images: Images,
    from: QuantParams,
    input: Vec<i32>,
    weights: Vec<i32>,
    scales: Vec<f32>,
    bias: Vec<i32>,
    /// Whether each channel is convolved alone.
    is_depthwise: bool,
}

impl Case {
    /// The exact sum of an output value.
    fn sum(&self, at: usize) -> i64 {
        let (spec, images) = (&self.spec, self.images);
        let output = spec.output(images).unwrap();
        let [down, across] = spec.window.kernel;
        let (pixel, to) = (at / output.channels, at % output.channels);
        let (x, rest) = (pixel % output.width, pixel / output.width);
        let (y, image) = (rest % output.height, rest / output.height);
        let (channels, a_channel) = match self.is_depthwise {
            true => (to..to + 1, 1),
            false => (0..images.channels, images.channels),
        };
        let mut sum = i64::from(self.bias[to]);
        for (tap_y, tap_x) in (0..down).flat_map(|y| (0..across).map(move |x| (y, x))) {
            let line = spec.window.input(0, y, tap_y, images.height);
            let column = spec.window.input(1, x, tap_x, images.width);
            let (Some(line), Some(column)) = (line, column) else {
                continue;
            };
            for (place, from) in channels.clone().enumerate() {
                let pixel = (image * images.height + line) * images.width + column;
                let weight = ((to * a_channel + place) * down + tap_y) * across + tap_x;
                let value = self.input[pixel * images.channels + from];
                sum += i64::from(value) * i64::from(self.weights[weight]);
            }
        }
        sum
    }

    /// The scale of an output channel's sums.
    fn scale(&self, to: usize) -> f32 {
        self.from.scale() * self.scales[to % self.scales.len()]
    }

    /// The expected output, and its uint8 form if the output is quantized.
    fn expected(&self) -> (Vec<f32>, Option<Vec<u8>>) {
        let ConvSpec {
            clamp,
            quantization: params,
            ..
        } = self.spec;
        let output = self.spec.output(self.images).unwrap();
        let sums =
            (0..output.len()).map(|at| (self.sum(at) as f32, self.scale(at % output.channels)));
        let Some(params) = params else {
            let values = sums.map(|(sum, scale)| clamp.apply(sum * scale));
            return (values.collect(), None);
        };
        let [min, max] = params.range();
        let bound = |bound: f32| (bound / params.scale()).round_ties_even();
        let quantized: Vec<f32> = sums
            .map(|(sum, scale)| {
                let value = (sum * (scale / params.scale())).round_ties_even();
                let value = value.clamp(bound(clamp.min), bound(clamp.max));
                value.clamp(min, max)
            })
            .collect();
        let values = quantized
            .iter()
            .map(|value| value * params.scale())
            .collect();
        let bytes = quantized.iter().map(|value| (value - min) as u8).collect();
        (values, Some(bytes))
    }

    /// The differences between the output and the expected output.
    fn differences(&self) -> Vec<String> {
        let images = self.images;
        let [min, _] = self.from.range();
        let input: Vec<u8> = self
            .input
            .iter()
            .map(|&value| (value - min as i32) as u8)
            .collect();
        let weights: Vec<i8> = self.weights.iter().map(|&weight| weight as i8).collect();
        let bias = self.bias.iter().enumerate();
        let bias: Vec<f32> = bias
            .map(|(to, &bias)| bias as f32 * self.scale(to))
            .collect();
        let (spec, from, scales) = (self.spec, self.from, &self.scales);
        type Run<'a> = Box<dyn Fn(Output<'_>) + 'a>;
        let mut runs: Vec<(String, Run<'_>)> = Vec::new();
        for products in [RelaxedDot::Exact, RelaxedDot::Other] {
            let (name, input) = (format!("{products:?}"), &input);
            if self.is_depthwise {
                let conv = QuantizedDepthwise::new(spec, from, &weights, scales, Some(&bias));
                let conv = conv.unwrap();
                let run = move |output: Output<'_>| conv.run_with(products, images, input, output);
                runs.push((name, Box::new(run)));
            } else {
                let conv = QuantizedConv::new(spec, from, &weights, scales, Some(&bias)).unwrap();
                let run = move |output: Output<'_>| conv.run_with(products, images, input, output);
                runs.push((name, Box::new(run)));
            }
        }
        let (values, bytes) = self.expected();
        let mut wrong = Vec::new();
        for (name, run) in runs {
            let mut output = vec![f32::NAN; values.len()];
            run(Output::F32(&mut output));
            // Compare values and not bits, because zero has two signs.
            if let Some(at) = (0..values.len()).find(|&at| output[at] != values[at]) {
                wrong.push(format!(
                    "{name}: value {at} is {}, expected {}",
                    output[at], values[at]
                ));
            }
            if let Some(bytes) = &bytes {
                let mut output = vec![77; bytes.len()];
                run(Output::U8(&mut output));
                if let Some(at) = (0..bytes.len()).find(|&at| output[at] != bytes[at]) {
                    wrong.push(format!(
                        "{name}: byte {at} is {}, expected {}",
                        output[at], bytes[at]
                    ));
                }
            }
        }
        wrong
    }
}

#[test]
fn quantized_convolutions_equal_plain_loops() {
    let mut wrong = Vec::new();
    let mut cases = 0;
    let windows = [
        window(1, 1, 0, 1),
        window(1, 2, 0, 1),
        window(3, 1, 1, 1),
        window(3, 2, 1, 1),
        window(3, 1, 2, 2),
        window(5, 1, 2, 1),
        // The windows of the output's outer lines contain only padding.
        window(1, 1, 2, 1),
        Window {
            kernel: [2, 3],
            strides: [1, 2],
            dilations: [2, 1],
            pads_before: [1, 0],
            pads_after: [0, 2],
        },
    ];
    // Ranges relative to the zero point: unsigned, signed, and with other zero points.
    let limits = [[0, 255], [-128, 127], [-255, 0], [-37, 218]];
    let ends = [
        (Clamp::NONE, Some(QuantParams::new(0.37, -128, 127))),
        (
            Clamp { min: 0.0, max: 6.0 },
            Some(QuantParams::new(0.011, -3, 252)),
        ),
        (
            Clamp {
                min: -1.0,
                max: 2.5,
            },
            None,
        ),
        (Clamp::NONE, None),
    ];
    for window in windows {
        for ([channels_in, channels_out], is_depthwise) in [
            ([1, 1], false),
            ([3, 8], false),
            ([4, 9], false),
            ([16, 24], false),
            ([19, 7], false),
            ([36, 40], false),
            // The unrolled kernels compute up to 32 words.
            ([128, 8], false),
            ([8, 8], true),
            ([16, 16], true),
            ([24, 24], true),
            ([64, 64], true),
        ] {
            for [count, height, width] in [[1, 7, 7], [2, 5, 9], [1, 1, 1]] {
                let images = Images {
                    count,
                    height,
                    width,
                    channels: channels_in,
                };
                let [min, max] = limits[cases % limits.len()];
                let (clamp, params) = ends[cases / 2 % ends.len()];
                let spec = ConvSpec {
                    clamp,
                    quantization: params,
                    ..ConvSpec::new(window, [channels_in, channels_out])
                };
                if spec.output(images).is_none() {
                    continue;
                }
                cases += 1;
                let from = if is_depthwise { 1 } else { channels_in };
                let mut weights = numbers(channels_out * from * window.taps(), 2, -64, 64);
                // Every other case has few or many weights of eight bits.
                let distance = [0, 11, 0, 53][cases % 4];
                for (at, weight) in weights.iter_mut().enumerate() {
                    let channel = at / window.taps();
                    match channel.checked_rem(distance) {
                        Some(0 | 1) => *weight = 127,
                        Some(6 | 7) => *weight = -128,
                        _ => {}
                    }
                }
                let case = Case {
                    spec,
                    images,
                    from: QuantParams::new(0.023, min, max),
                    input: numbers(images.len(), 1, min, max),
                    weights,
                    scales: match cases % 3 {
                        0 => vec![0.004],
                        _ => (0..channels_out)
                            .map(|to| 0.001 + 0.0001 * to as f32)
                            .collect(),
                    },
                    bias: numbers(channels_out, 3, -5000, 5000),
                    is_depthwise,
                };
                for difference in case.differences() {
                    wrong.push(format!("{spec:?}, {images:?}: {difference}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong of {cases} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(cases > 150, "{cases}");
}

#[test]
fn several_blocks_of_columns_equal_plain_loops() {
    let [channels_in, channels_out] = [2048, 300];
    let images = Images {
        count: 1,
        height: 1,
        width: 5,
        channels: channels_in,
    };
    let mut weights = numbers(channels_out * channels_in, 5, -64, 64);
    // Every 13th column has large weights, at a different position each.
    for (column, weights) in weights.chunks_exact_mut(channels_in).enumerate() {
        if column % 13 == 0 {
            let word = 4 * (column * 7 % (channels_in / 4));
            weights[word..][..2].fill(127);
            weights[(word + 42) % channels_in..][..2].fill(-128);
        }
    }
    let case = Case {
        spec: ConvSpec::new(window(1, 1, 0, 1), [channels_in, channels_out]),
        images,
        from: QuantParams::new(0.5, 0, 255),
        input: numbers(images.len(), 6, 0, 255),
        weights,
        scales: vec![0.25],
        bias: numbers(channels_out, 7, -5000, 5000),
        is_depthwise: false,
    };
    assert_eq!(case.differences(), Vec::<String>::new());
}

#[test]
fn without_a_bias_sums_start_at_zero() {
    let spec = ConvSpec::new(window(1, 1, 0, 1), [2, 1]);
    let from = QuantParams::new(0.5, -10, 245);
    let conv = QuantizedConv::new(spec, from, &[3, -2], &[1.0], None).unwrap();
    let images = Images {
        count: 1,
        height: 1,
        width: 2,
        channels: 2,
    };
    let mut output = [0.0; 2];
    let mut bytes = [0; 4];
    from.quantize(&[0.5, 1.0, -5.0, 122.5], &mut bytes);
    assert_eq!(bytes, [11, 12, 0, 255]);
    conv.run(images, &bytes, Output::F32(&mut output));
    assert_eq!(output, [3.0 * 0.5 - 2.0, -15.0 - 245.0]);
}

#[test]
fn packed_weights_are_shared_by_other_parameters() {
    let spec = ConvSpec::new(window(3, 1, 1, 1), [1, 1]);
    let from = QuantParams::new(1.0, 0, 255);
    let conv = QuantizedConv::new(spec, from, &[1; 9], &[1.0], None).unwrap();
    let images = Images {
        count: 1,
        height: 3,
        width: 3,
        channels: 1,
    };
    let other = conv.with_spec(ConvSpec {
        window: window(3, 1, 0, 1),
        quantization: Some(QuantParams::new(10.0, 0, 255)),
        ..spec
    });
    let mut output = [0.0];
    other.run(images, &[7; 9], Output::F32(&mut output));
    assert_eq!(output, [60.0]);
}

#[test]
fn parameters_without_exact_sums_are_rejected() {
    let spec = ConvSpec::new(window(1, 1, 0, 1), [4, 1]);
    let bytes = QuantParams::new(1.0, -128, 127);
    let weights = [64; 4];
    for (name, from, scale, bias, is_taken) in [
        ("bytes", bytes, 1.0, 0.0, true),
        (
            "int16",
            QuantParams::new(1.0, -32768, 32767),
            1.0,
            0.0,
            false,
        ),
        (
            "a range on one side of zero",
            QuantParams::new(1.0, 1, 200),
            1.0,
            0.0,
            false,
        ),
        ("a large bias", bytes, 1.0, 2e9, true),
        ("a bias that is too large", bytes, 1.0, 2.2e9, false),
        ("a bias that is too small", bytes, 1.0, -2.2e9, false),
        ("an infinite bias", bytes, 1.0, f32::INFINITY, false),
        ("a scale of zero", bytes, 0.0, 0.0, false),
        ("a scale that is NaN", bytes, f32::NAN, 0.0, false),
    ] {
        let conv = QuantizedConv::new(spec, from, &weights, &[scale], Some(&[bias]));
        assert_eq!(conv.is_some(), is_taken, "{name}");
        let spec = ConvSpec::new(window(1, 1, 0, 1), [8, 8]);
        let conv = QuantizedDepthwise::new(spec, from, &[64; 8], &[scale], Some(&[bias; 8]));
        assert_eq!(conv.is_some(), is_taken, "{name}, depthwise");
    }
    // The sum of so many products may overflow.
    let weights = vec![64; 40_000 * 2];
    let spec = ConvSpec::new(window(1, 1, 0, 1), [80_000, 1]);
    assert!(QuantizedConv::new(spec, bytes, &weights, &[1.0], None).is_none());
}
