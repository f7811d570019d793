//! Weights that several nodes share.

use super::{difference, graphs, input, model};
use crate::ir::Op;
use crate::load;
use crate::optimize::optimize;

const MATRIX: &[f32] = &[0.5, -1.0, 2.0, 0.25, 3.0, -0.5, 1.0, 0.0, -2.0];
const CONSTANTS: [super::Constant<'_>; 4] = [
    ("square", &[3, 3], MATRIX),
    ("low", &[3], &[0.5, -1.0, 2.0]),
    ("high", &[3], &[10.0, 20.0, 30.0]),
    ("point", &[3, 3, 1, 1], MATRIX),
];

#[test]
fn products_with_one_matrix_pack_it_once_whatever_their_biases() {
    let rows = [
        ("MatMul x square -> a; MatMul a square -> y", 1),
        (
            "MatMul x square -> a; Add a low -> b; MatMul b square -> c; Add c high -> y",
            1,
        ),
        (
            "Gemm x square low -> a; Relu a -> b; Gemm transB=1 b square high -> y",
            2,
        ),
        ("Gemm x square low -> a; Relu a -> y", 1),
    ];
    let mut wrong = Vec::new();
    for (nodes, expected) in rows {
        let network = optimize(load::network(model(nodes, &CONSTANTS)).unwrap()).unwrap();
        let mut packed: Vec<_> = network
            .nodes
            .iter()
            .filter_map(|node| match &node.op {
                Op::MatMulKernel(product) => Some(std::rc::Rc::as_ptr(&product.matrix)),
                _ => None,
            })
            .collect();
        packed.sort();
        packed.dedup();
        if packed.len() != expected {
            wrong.push(format!(
                "{nodes}: {} matrices, expected {expected}",
                packed.len()
            ));
        }
        let found = difference(graphs(nodes, &CONSTANTS), &input(&[5, 3]), 1e-4);
        wrong.extend(found.map(|found| format!("{nodes}: {found}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn convolutions_with_the_same_weights_compute_the_same() {
    let rows = [
        "Conv x point -> a; Relu a -> b; Conv b point -> y",
        "Conv x point low -> a; Conv a point high -> y",
        "Conv x point low -> a; Clip a -> b; Conv b point low -> c; Relu c -> y",
    ];
    let wrong: Vec<_> = rows
        .into_iter()
        .filter_map(|nodes| {
            let found = difference(graphs(nodes, &CONSTANTS), &input(&[2, 3, 4, 5]), 1e-4)?;
            Some(format!("{nodes}: {found}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
