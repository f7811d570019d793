//! Measures the kernels in GFLOP/s (billions of multiplications and additions per second): in WebAssembly with
//! `wasmtime run`, or natively for comparison. For Winograd and int8, the count of operations is that of the direct f32
//! convolution.

use std::hint::black_box;
use std::time::Instant;

use infer_kernels::conv::Conv2d;
use infer_kernels::depthwise::Depthwise;
use infer_kernels::quantization::QuantParams;
use infer_kernels::quantized::{Output, QuantizedConv, QuantizedDepthwise, RelaxedDot};
use infer_kernels::spec::{ConvSpec, Images, Window};
use infer_kernels::winograd::Winograd;

fn best(runs: usize, mut run: impl FnMut()) -> f64 {
    (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::MAX, f64::min)
}

fn main() {
    for (kernel, stride, size, channels_in, channels_out) in [
        (3, 2, 224, 3, 32),
        (7, 2, 224, 3, 64),
        (1, 1, 112, 32, 16),
        (1, 1, 112, 16, 96),
        (1, 1, 56, 24, 144),
        (1, 1, 28, 192, 32),
        (1, 1, 14, 384, 64),
        (1, 1, 14, 96, 576),
        (1, 1, 7, 960, 320),
        (1, 1, 7, 320, 1280),
        (3, 1, 56, 64, 64),
        (3, 1, 28, 128, 128),
        (3, 1, 14, 256, 256),
        (3, 1, 7, 512, 512),
        (3, 1, 55, 16, 64),
        (3, 1, 27, 32, 128),
        (3, 1, 13, 48, 192),
        (3, 1, 13, 64, 256),
        (1, 1, 56, 64, 256),
        (1, 1, 7, 2048, 512),
    ] {
        let window = Window {
            kernel: [kernel; 2],
            strides: [stride; 2],
            dilations: [1; 2],
            pads_before: [kernel / 2; 2],
            pads_after: [kernel / 2; 2],
        };
        let images = Images {
            count: 1,
            height: size,
            width: size,
            channels: channels_in,
        };
        let weights = vec![0.01; channels_out * channels_in * kernel * kernel];
        let spec = ConvSpec::new(window, [channels_in, channels_out]);
        let conv = Conv2d::new(spec, 1, &weights, None);
        let result = spec.output(images).unwrap();
        let (input, mut output) = (vec![0.5; images.len()], vec![0.0; result.len()]);
        let seconds = best(20, || {
            conv.run(images, black_box(&input), None, black_box(&mut output))
        });
        let flops = 2 * result.len() * channels_in * kernel * kernel;
        println!(
            "conv {kernel}x{kernel}/{stride} {size} {channels_in}->{channels_out}: {:.1} GFLOP/s, {:.2} ms",
            flops as f64 / seconds / 1e9,
            seconds * 1e3
        );
        if Winograd::wins(&window, 1, [channels_in, channels_out]) {
            let conv = Winograd::new(spec, &weights, None);
            let seconds = best(20, || {
                conv.run(images, black_box(&input), None, black_box(&mut output))
            });
            println!(
                "  Winograd: {:.1} GFLOP/s, {:.2} ms",
                flops as f64 / seconds / 1e9,
                seconds * 1e3
            );
        }
        let (from, to) = (
            QuantParams::new(0.02, 0, 255),
            QuantParams::new(0.05, -128, 127),
        );
        let spec = ConvSpec {
            quantization: Some(to),
            ..spec
        };
        let (input, mut output) = (vec![25; images.len()], vec![0; result.len()]);
        for (bits, weight) in [(7, 1), (8, 127)] {
            let weights = vec![weight; weights.len()];
            let conv = QuantizedConv::new(spec, from, &weights, &[0.01], None).unwrap();
            for products in [RelaxedDot::detect(), RelaxedDot::Other] {
                let seconds = best(20, || {
                    let output = Output::U8(black_box(&mut output));
                    conv.run_with(products, images, black_box(&input), output)
                });
                println!(
                    "  int8, {bits}-bit weights ({products:?}): {:.1} GFLOP/s, {:.2} ms",
                    flops as f64 / seconds / 1e9,
                    seconds * 1e3
                );
            }
        }
    }
    for (stride, size, channels) in [
        (1, 112, 32),
        (2, 112, 96),
        (1, 56, 144),
        (1, 28, 192),
        (1, 14, 576),
        (1, 7, 960),
    ] {
        let window = Window {
            kernel: [3; 2],
            strides: [stride; 2],
            dilations: [1; 2],
            pads_before: [1; 2],
            pads_after: [1; 2],
        };
        let images = Images {
            count: 1,
            height: size,
            width: size,
            channels,
        };
        let spec = ConvSpec::new(window, [channels; 2]);
        let depthwise = Depthwise::new(spec, &vec![0.01; channels * 9], None);
        let result = spec.output(images).unwrap();
        let (input, mut output) = (vec![0.5; images.len()], vec![0.0; result.len()]);
        let seconds = best(20, || {
            depthwise.run(images, black_box(&input), black_box(&mut output))
        });
        println!(
            "depthwise 3x3/{stride} {size} {channels}: {:.1} GFLOP/s, {:.2} ms",
            (2 * result.len() * 9) as f64 / seconds / 1e9,
            seconds * 1e3
        );
        let (from, to) = (
            QuantParams::new(0.02, 0, 255),
            QuantParams::new(0.05, -128, 127),
        );
        let spec = ConvSpec {
            quantization: Some(to),
            ..spec
        };
        let weights = vec![1; channels * 9];
        let depthwise = QuantizedDepthwise::new(spec, from, &weights, &[0.01], None).unwrap();
        let (input, mut output) = (vec![25; images.len()], vec![0; result.len()]);
        let seconds = best(20, || {
            depthwise.run(
                images,
                black_box(&input),
                Output::U8(black_box(&mut output)),
            )
        });
        println!(
            "  int8: {:.1} GFLOP/s, {:.2} ms",
            (2 * result.len() * 9) as f64 / seconds / 1e9,
            seconds * 1e3
        );
    }
}
