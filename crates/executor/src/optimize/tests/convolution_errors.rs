//! Inputs and attributes that convolutions reject, in kernels and in plain loops.

use super::convolutions::{borrowed, constants};
use super::{graphs, input, model};
use crate::{Graph, load};

#[test]
fn convolutions_reject_inputs_and_attributes() {
    let rows: &[(&str, &[usize])] = &[
        // Other channels or another number of axes.
        ("Conv x s3 -> y", &[1, 3, 17]),
        ("Conv x s3 -> y", &[1, 4, 9, 7]),
        ("Conv x s3 -> y", &[4, 17]),
        ("Conv x s3 -> y", &[1, 1, 9, 4]),
        ("Conv x i3 -> y", &[1, 4, 17]),
        ("Conv x s1 -> a; Conv a i3 -> y", &[1, 4, 17]),
        ("ConvTranspose x t5 -> y", &[1, 3, 17]),
        ("ConvTranspose x t5 -> y", &[1, 4, 9, 7]),
        ("ConvTranspose x t34 -> y", &[1, 4, 9]),
        ("ConvTranspose group=4 x town -> y", &[1, 5, 9]),
        // Windows that are larger than the image.
        ("Conv x s16 -> y", &[1, 4, 15]),
        ("Conv dilations=9, x s3 -> y", &[1, 4, 18]),
        ("Conv x s1 -> a; MaxPool kernel_shape=9, a -> y", &[1, 4, 8]),
        (
            "Conv x s1 -> a; MaxPool kernel_shape=2,2 a -> y",
            &[1, 4, 8],
        ),
        ("ConvTranspose pads=9,9 x t2 -> y", &[1, 4, 8]),
        // Attributes of another number of axes.
        ("Conv strides=1,1 x s3 -> y", &[1, 4, 17]),
        ("Conv pads=1, x s3 -> y", &[1, 4, 17]),
        ("Conv pads=1,1,1,1 x s3 -> y", &[1, 4, 17]),
        ("Conv kernel_shape=4, x s3 -> y", &[1, 4, 17]),
        ("ConvTranspose strides=1,1 x t5 -> y", &[1, 4, 17]),
        ("ConvTranspose output_padding=1,1 x t5 -> y", &[1, 4, 17]),
        ("ConvTranspose output_shape=9,9,9 x t34 -> y", &[1, 4, 9, 7]),
        ("ConvTranspose kernel_shape=4, x t5 -> y", &[1, 4, 17]),
        // Impossible and huge attributes.
        ("Conv strides=0, x s3 -> y", &[1, 4, 17]),
        ("Conv pads=-1,4611686018427387904 x s3 -> y", &[1, 4, 17]),
        ("Conv dilations=9223372036854775807, x s3 -> y", &[1, 4, 17]),
        ("Conv auto_pad=SAME x s3 -> y", &[1, 4, 17]),
        ("Conv group=3 x s3 -> y", &[1, 4, 17]),
        ("ConvTranspose group=0 x t5 -> y", &[1, 4, 17]),
        ("ConvTranspose group=3 x t5 -> y", &[1, 4, 17]),
        ("ConvTranspose strides=536870912, x t5 -> y", &[1, 4, 17]),
        (
            "ConvTranspose strides=536870912,536870912 x t34 -> y",
            &[1, 4, 9, 7],
        ),
        (
            "ConvTranspose strides=4611686018427387904, x t5 -> y",
            &[1, 4, 17],
        ),
        (
            "ConvTranspose dilations=536870912,536870912 x t34 -> y",
            &[1, 4, 9, 7],
        ),
        (
            "ConvTranspose output_shape=4611686018427387904, x t5 -> y",
            &[1, 4, 17],
        ),
        // A bias of other channels.
        ("Conv x s3 bias3 -> y", &[1, 4, 17]),
        ("ConvTranspose x t5 bias -> y", &[1, 4, 17]),
        ("Conv x cube bias4 -> y", &[1, 4, 5, 6, 4]),
        (
            "Conv pads=536870912,0,0,0,0,0 x cube -> y",
            &[1, 4, 5, 6, 4],
        ),
        (
            "ReduceSum x -> a; Mul a s3 -> b; Conv x b -> y",
            &[1, 5, 17],
        ),
    ];
    let all = constants();
    let constants = borrowed(&all);
    for (nodes, shape) in rows {
        let plain = load::network(model(nodes, &constants)).unwrap();
        for graph in [Graph::build(plain), Graph::load(model(nodes, &constants))] {
            let result = graph.and_then(|graph| graph.run(vec![input(shape)]));
            assert!(result.is_err(), "{nodes} of {shape:?}: {result:?}");
        }
    }
}

#[test]
fn empty_batches_and_images_give_what_plain_loops_give() {
    let rows: &[(&str, &[usize])] = &[
        ("Conv x s3 -> y", &[0, 4, 17]),
        ("Conv x s3 -> y", &[1, 4, 0]),
        ("ConvTranspose x t5 bias3 -> y", &[0, 4, 17]),
        ("ConvTranspose x t5 bias3 -> y", &[2, 4, 0]),
        ("ConvTranspose x t34 -> y", &[1, 4, 0, 7]),
        ("Conv x cube -> y", &[0, 4, 5, 6, 4]),
    ];
    let all = constants();
    for (nodes, shape) in rows {
        let [plain, optimized] = graphs(nodes, &borrowed(&all)).map(|graph| {
            let output = graph.run(vec![input(shape)]);
            output.map(|mut outputs| outputs.remove(0)).ok()
        });
        assert_eq!(plain, optimized, "{nodes} of {shape:?}");
    }
}
