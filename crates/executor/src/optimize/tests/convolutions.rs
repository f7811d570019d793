//! Convolutions of signals and images, transposed ones, and what stands between them, in kernels and in plain loops.

use super::{Constant, graphs, input, model};
use crate::{Graph, load};

/// Weights and other constants of pseudo-random values.
pub(super) fn constants() -> Vec<(&'static str, Vec<i64>, Vec<f32>)> {
    let shapes: [(&str, &[i64]); 19] = [
        ("s1", &[6, 4, 1]),
        ("s3", &[6, 4, 3]),
        ("s16", &[9, 4, 16]),
        ("own", &[4, 1, 3]),
        ("pairs", &[6, 2, 3]),
        ("after", &[5, 6, 2]),
        ("i3", &[6, 4, 3, 2]),
        ("cube", &[6, 4, 2, 3, 2]),
        ("t2", &[4, 6, 2]),
        ("t5", &[4, 3, 5]),
        ("town", &[4, 1, 3]),
        ("tpairs", &[4, 3, 2]),
        ("t22", &[4, 6, 2, 2]),
        ("t34", &[4, 3, 3, 4]),
        ("town33", &[4, 1, 3, 3]),
        ("bias", &[6]),
        ("bias3", &[3]),
        ("bias4", &[4]),
        ("slope", &[6, 1]),
    ];
    let mut all: Vec<_> = shapes
        .iter()
        .map(|(name, shape)| {
            let count = shape.iter().product::<i64>();
            let values = (0..count).map(|at| (at as f32 * 2.7 + shape.len() as f32).sin());
            (*name, shape.to_vec(), values.collect())
        })
        .collect();
    all.push(("spread", vec![6], vec![0.5, 1.0, 2.0, 3.0, 0.1, 4.0]));
    all
}

pub(super) fn borrowed<'a>(all: &'a [(&'static str, Vec<i64>, Vec<f32>)]) -> Vec<Constant<'a>> {
    let all = all.iter();
    all.map(|(name, shape, values)| (*name, &shape[..], &values[..]))
        .collect()
}

const SIGNALS: &[&[usize]] = &[&[1, 4, 17], &[3, 4, 20]];
const IMAGES: &[&[usize]] = &[&[1, 4, 9, 7], &[3, 4, 6, 8]];

#[test]
fn kernels_compute_what_plain_loops_compute() {
    let rows: &[(&str, &[&[usize]])] = &[
        // Signals.
        ("Conv x s1 -> y", SIGNALS),
        ("Conv x s3 bias -> y", SIGNALS),
        ("Conv strides=2, pads=1,2 x s3 bias -> y", SIGNALS),
        ("Conv dilations=4, pads=5,3 x s3 -> y", SIGNALS),
        ("Conv strides=3, x s16 -> y", SIGNALS),
        ("Conv strides=5, pads=7,9 x s16 -> y", SIGNALS),
        ("Conv auto_pad=SAME_UPPER strides=2, x s16 -> y", SIGNALS),
        ("Conv auto_pad=SAME_LOWER x s16 -> y", SIGNALS),
        ("Conv auto_pad=VALID kernel_shape=3, x s3 -> y", SIGNALS),
        ("Conv group=4 pads=1,1 x own bias4 -> y", SIGNALS),
        ("Conv group=4 dilations=3, pads=3,0 x own -> y", SIGNALS),
        ("Conv group=2 x pairs bias -> y", SIGNALS),
        ("Conv x s3 -> a; Relu a -> b; Conv b after -> y", SIGNALS),
        (
            "Conv x s1 -> a; PRelu a slope -> b; Conv b after -> y",
            SIGNALS,
        ),
        (
            "Conv x s1 -> a; Add a slope -> b; Mul b slope -> y",
            SIGNALS,
        ),
        (
            "Conv x s3 -> a; BatchNormalization a bias bias bias spread -> b; Relu b -> y",
            SIGNALS,
        ),
        (
            "Conv x s3 -> a; Relu a -> b; BatchNormalization b bias bias bias spread -> c; Relu c -> y",
            SIGNALS,
        ),
        (
            "Conv x s1 -> a; Conv x s1 bias -> b; Concat axis=1 a b -> y",
            SIGNALS,
        ),
        (
            "Conv x s1 -> a; Conv x s1 bias -> b; Concat axis=-2 a b -> y",
            SIGNALS,
        ),
        (
            "Conv x s1 -> a; Conv x s1 bias -> b; Concat axis=2 a b -> y",
            SIGNALS,
        ),
        ("Conv x s1 -> a; Conv x s1 bias -> b; Add a b -> y", SIGNALS),
        (
            "Conv x s1 -> a; MaxPool kernel_shape=3, strides=2, a -> b; Relu b -> y",
            SIGNALS,
        ),
        (
            "Conv x s1 -> a; MaxPool ceil_mode=1 kernel_shape=3, strides=2, pads=1,0 a -> y",
            SIGNALS,
        ),
        (
            "Conv x s1 -> a; AveragePool ceil_mode=1 kernel_shape=4, strides=3, pads=1,2 a -> y",
            SIGNALS,
        ),
        (
            "Conv x s1 -> a; AveragePool kernel_shape=4, count_include_pad=1 pads=1,2 a -> y",
            SIGNALS,
        ),
        ("Conv x s1 -> a; GlobalAveragePool a -> y", SIGNALS),
        (
            "Conv x s1 -> a; Transpose perm=0,2,1 a -> b; Relu b -> y",
            SIGNALS,
        ),
        (
            "Conv x s1 -> a; Transpose perm=0,2,1 a -> b; Add a a -> c; Transpose perm=0,2,1 b -> d; Add c d -> y",
            SIGNALS,
        ),
        ("Conv x s1 -> a; Transpose perm=2,0,1 a -> y", SIGNALS),
        (
            "Transpose perm=0,2,1 x -> a; Conv a s3 -> b; Add a a -> c; ReduceSum c -> d; Add b d -> y",
            &[&[2, 17, 4]],
        ),
        (
            "Transpose perm=0,3,1,2 x -> a; Conv a i3 -> b; Transpose perm=0,2,3,1 b -> y",
            &[&[2, 9, 7, 4]],
        ),
        // A signal and an image, which are broadcast to each other as the file means them.
        (
            "Conv x s1 -> a; Unsqueeze a first -> b; Conv b one -> c; Add c a -> y",
            &[&[1, 4, 20]],
        ),
        // Images.
        (
            "Conv x i3 -> a; MaxPool ceil_mode=1 kernel_shape=2,2 strides=2,2 a -> y",
            IMAGES,
        ),
        (
            "Conv x i3 -> a; MaxPool ceil_mode=1 kernel_shape=3,2 strides=4,5 pads=1,1,2,1 a -> y",
            IMAGES,
        ),
        (
            "Conv x i3 -> a; MaxPool ceil_mode=1 kernel_shape=1,1 strides=2,3 pads=0,0,0,0 a -> y",
            IMAGES,
        ),
        (
            "Conv x i3 -> a; Relu a -> b; BatchNormalization b bias bias bias spread -> y",
            IMAGES,
        ),
        // Transposed.
        ("ConvTranspose x t2 -> y", SIGNALS),
        ("ConvTranspose strides=2, x t2 bias -> y", SIGNALS),
        (
            "ConvTranspose strides=3, output_padding=2, x t2 -> y",
            SIGNALS,
        ),
        ("ConvTranspose strides=2, pads=1,2 x t5 bias3 -> y", SIGNALS),
        (
            "ConvTranspose dilations=3, strides=2, pads=4,5 x t5 -> y",
            SIGNALS,
        ),
        (
            "ConvTranspose strides=2, output_shape=37, x t5 -> y",
            SIGNALS,
        ),
        (
            "ConvTranspose strides=2, output_shape=60, x t5 bias3 -> y",
            SIGNALS,
        ),
        (
            "ConvTranspose auto_pad=SAME_UPPER strides=2, x t5 -> y",
            SIGNALS,
        ),
        (
            "ConvTranspose auto_pad=SAME_LOWER strides=2, x t5 -> y",
            SIGNALS,
        ),
        ("ConvTranspose auto_pad=VALID strides=7, x t5 -> y", SIGNALS),
        (
            "ConvTranspose group=4 strides=2, pads=1,1 x town bias4 -> y",
            SIGNALS,
        ),
        ("ConvTranspose group=4 dilations=2, x town -> y", SIGNALS),
        (
            "ConvTranspose group=2 strides=2, x tpairs bias -> y",
            SIGNALS,
        ),
        ("ConvTranspose x t22 bias -> y", IMAGES),
        ("ConvTranspose strides=2,2 x t22 -> y", IMAGES),
        (
            "ConvTranspose strides=2,1 pads=2,1,0,3 x t34 bias3 -> y",
            IMAGES,
        ),
        (
            "ConvTranspose strides=3,2 dilations=2,3 output_padding=1,0 x t34 -> y",
            IMAGES,
        ),
        (
            "ConvTranspose output_shape=30,9 strides=3,1 x t34 -> y",
            IMAGES,
        ),
        (
            "ConvTranspose group=4 strides=2,2 pads=1,1,1,1 output_padding=1,1 x town33 -> y",
            IMAGES,
        ),
        (
            "ConvTranspose group=4 dilations=1,2 pads=9,0,3,0 x town33 -> y",
            &[&[1, 4, 12, 7]],
        ),
        ("ConvTranspose strides=2,2 x t22 -> a; Relu a -> y", IMAGES),
        (
            "ConvTranspose strides=2,2 x t22 bias -> a; BatchNormalization a bias bias bias spread -> b; Relu b -> y",
            IMAGES,
        ),
        (
            "ConvTranspose group=4 x town33 -> a; Conv a i3 -> b; Add b b -> y",
            IMAGES,
        ),
        (
            "ConvTranspose x t22 -> a; Conv x i3 pads=0,0,3,2 -> b; Add a b -> c; Relu c -> y",
            IMAGES,
        ),
        // Three axes, and weights that are computed.
        (
            "Conv pads=1,0,1,0,2,1 x cube bias -> y",
            &[&[2, 4, 5, 6, 4]],
        ),
        (
            "Conv strides=2,1,2 dilations=1,2,1 x cube -> y",
            &[&[1, 4, 5, 6, 9]],
        ),
        (
            "ReduceSum x -> a; Mul a s3 -> b; Conv pads=1,1 x b bias -> y",
            SIGNALS,
        ),
        (
            "ReduceSum x -> a; Mul a i3 -> b; Conv strides=2,1 pads=1,2,3,0 x b -> y",
            IMAGES,
        ),
        (
            "ReduceSum x -> a; Mul a pairs -> b; Conv group=2 x b -> y",
            SIGNALS,
        ),
    ];
    let mut all = constants();
    all.push(("one", vec![1, 1, 1, 1], vec![1.5]));
    let constants = borrowed(&all);
    let mut wrong = Vec::new();
    for (nodes, shapes) in rows {
        for shape in *shapes {
            let x = input(shape);
            let [plain, optimized] = graphs(nodes, &constants).map(|graph| {
                let output = graph.run(vec![x.clone()]);
                output.map(|mut outputs| outputs.remove(0))
            });
            let (Ok(plain), Ok(optimized)) = (&plain, &optimized) else {
                wrong.push(format!("{nodes} of {shape:?}: {plain:?} and {optimized:?}"));
                continue;
            };
            let [a, b] = [plain, optimized].map(|it| it.elements::<f32>().unwrap());
            let largest = a.iter().fold(1.0f32, |largest, a| largest.max(a.abs()));
            let is_close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * largest;
            if plain.shape() != optimized.shape() || !a.iter().zip(b).all(is_close) {
                wrong.push(format!("{nodes} of {shape:?}: {plain:?} and {optimized:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn products_compute_what_plain_loops_compute() {
    // Plain loops compute FP64, which convolutions otherwise compute as matrix products.
    let rows: &[(&str, &str, &[usize])] = &[
        ("", "s3", &[2, 4, 17]),
        ("strides=3, pads=20,5", "s16", &[1, 4, 600]),
        ("dilations=4, auto_pad=SAME_LOWER", "s3", &[1, 4, 5]),
        ("group=2 pads=1,1", "wide_pairs", &[3, 4, 9]),
        ("", "i3", &[2, 4, 9, 7]),
        (
            "strides=2,3 dilations=2,1 pads=0,1,2,3",
            "i3",
            &[1, 4, 90, 70],
        ),
        ("pads=1,0,1,0,2,1", "cube", &[2, 4, 5, 6, 4]),
        ("strides=2,1,2 dilations=1,2,1", "cube", &[1, 4, 5, 6, 9]),
        ("pads=9,9,9,9,9,9 strides=4,4,5", "cube", &[1, 4, 1, 2, 1]),
        (
            "auto_pad=SAME_UPPER strides=2,2,2",
            "cube",
            &[1, 4, 12, 31, 40],
        ),
    ];
    let mut all = constants();
    let values = (0..48).map(|at| (at as f32).cos());
    all.push(("wide_pairs", vec![8, 2, 3], values.collect()));
    let constants = borrowed(&all);
    for (attributes, weights, shape) in rows {
        let single = format!("Conv {attributes} x {weights} -> y");
        let double = format!(
            "Cast to=11 x -> a; Cast to=11 {weights} -> b; Conv {attributes} a b -> c; Cast to=1 c -> y"
        );
        let [single, double] = [single, double]
            .map(|nodes| Graph::build(load::network(model(&nodes, &constants)).unwrap()).unwrap());
        let wrong = super::difference([double, single], &input(shape), 2e-5);
        assert_eq!(wrong, None, "{attributes} of {shape:?}");
    }
}
