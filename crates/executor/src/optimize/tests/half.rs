//! Graphs of FP16 and BF16, which are computed in FP32.

use half::{bf16, f16};
use infer_tensor::Datatype;
use rten_onnx::onnx::{DataType, ModelProto, TensorProto, TypeProto, TypeProtoTensor};

use super::{Constant, input, model};
use crate::tensor::{Data, Tensor};
use crate::{Graph, load};

/// The same model with FP16 or BF16 for `x` and each FP32 constant.
fn narrowed(mut model: ModelProto, datatype: DataType) -> ModelProto {
    let graph = model.graph.as_mut().unwrap();
    let bits = |value: f32| match datatype {
        DataType::FLOAT16 => f16::from_f32(value).to_bits(),
        _ => bf16::from_f32(value).to_bits(),
    };
    for constant in &mut graph.initializer {
        if constant.data_type == Some(DataType::FLOAT) {
            let values = std::mem::take(&mut constant.float_data);
            *constant = TensorProto {
                name: constant.name.clone(),
                dims: constant.dims.clone(),
                data_type: Some(datatype),
                int32_data: values.into_iter().map(|value| bits(value).into()).collect(),
                ..TensorProto::default()
            };
        }
    }
    graph.input[0].r#type = Some(TypeProto {
        tensor_type: Some(TypeProtoTensor {
            elem_type: Some(datatype),
            ..TypeProtoTensor::default()
        }),
        ..TypeProto::default()
    });
    model
}

/// Values for `x`, small integers, which both datatypes can hold.
fn values(shape: &[usize], datatype: DataType) -> Tensor {
    let wide = input(shape);
    let wide = wide
        .elements::<f32>()
        .unwrap()
        .iter()
        .map(|it| (it * 4.0).round());
    let data = match datatype {
        DataType::FLOAT16 => Data::F16(wide.map(f16::from_f32).collect()),
        _ => Data::Bf16(wide.map(bf16::from_f32).collect()),
    };
    Tensor::new(shape.to_vec(), data).unwrap()
}

#[test]
fn graphs_are_computed_in_fp32() {
    let (last, first) = ("ToChannelsLast", "ToChannelsFirst");
    // The steps; the output has the file's datatype, unless it is FP32 or an integer.
    let rows: &[(&str, &[&str], Option<Datatype>)] = &[
        (
            "Conv x point -> y",
            &["Cast", last, "Conv", first, "Cast"],
            None,
        ),
        (
            "Conv x point shift -> a; Relu a -> y",
            &["Cast", last, "Conv", first, "Cast"],
            None,
        ),
        (
            "Conv x point -> a; Cast to=1 a -> b; Cast to=10 b -> c; Relu c -> y",
            &["Cast", last, "Conv", first, "Cast"],
            None,
        ),
        (
            "Conv x point -> a; Cast to=1 a -> y",
            &["Cast", last, "Conv", first],
            Some(Datatype::Fp32),
        ),
        (
            "Conv x point -> a; ArgMax axis=1 a -> y",
            &["Cast", last, "Conv", first, "ArgMax"],
            Some(Datatype::Int64),
        ),
        (
            "Conv x point -> a; Shape a -> b; Cast to=10 b -> c; ReduceSum c -> d; Mul a d -> y",
            &[
                "Cast",
                last,
                "Conv",
                first,
                "Shape",
                "Cast",
                "ReduceSum",
                "Mul",
                "Cast",
            ],
            None,
        ),
        (
            "Conv x point -> a; Shape a -> b; CastLike b x -> c; ReduceSum c -> d; Mul a d -> y",
            &[
                "Cast",
                last,
                "Conv",
                first,
                "Shape",
                "CastLike",
                "ReduceSum",
                "Mul",
                "Cast",
            ],
            None,
        ),
        (
            "Conv x point -> a; Greater a low -> b; Where b a low -> y",
            &["Cast", last, "Conv", first, "Greater", "Where", "Cast"],
            None,
        ),
        (
            "Conv x point -> a; Identity x -> y",
            &["Cast", last, "Conv", "Identity", first, "Cast"],
            None,
        ),
        // Not understood, so that nothing changes.
        (
            "Conv x point -> a; BitCast to=5 a -> y",
            &["Conv", "BitCast"],
            Some(Datatype::Int16),
        ),
        (
            "Conv x point -> a; EyeLike dtype=1 square -> b; ReduceSum b -> c; Cast to=10 c -> d; Add a d -> y",
            &["Conv", "Add"],
            None,
        ),
        // Nothing to gain.
        ("Relu x -> y", &["Relu"], None),
    ];
    let numbers: Vec<f32> = (0..16u8).map(|at| (f32::from(at) * 1.7).cos()).collect();
    let constants: [Constant<'_>; 4] = [
        ("point", &[4, 3, 1, 1], &numbers[..12]),
        ("shift", &[4], &numbers[..4]),
        ("low", &[], &[-0.5]),
        ("square", &[4, 4], &numbers),
    ];
    let mut wrong = Vec::new();
    for datatype in [DataType::FLOAT16, DataType::BFLOAT16] {
        let x = values(&[2, 3, 9, 7], datatype);
        for (nodes, steps, output) in rows {
            let nodes = match datatype {
                DataType::FLOAT16 => nodes.to_string(),
                _ => nodes.replace("to=10", "to=16"),
            };
            let file = || narrowed(model(&nodes, &constants), datatype);
            let plain = Graph::build(load::network(file()).unwrap()).unwrap();
            let wide = Graph::load(file()).unwrap();
            let profile = wide.profile(vec![x.clone()], 1).unwrap();
            let names: Vec<&str> = profile.iter().map(|(name, _)| name.as_str()).collect();
            if names != *steps {
                wrong.push(format!("{nodes}: {names:?}"));
            }
            let [plain, wide] = [plain, wide].map(|it| it.run(vec![x.clone()]).unwrap().remove(0));
            let expected = output.unwrap_or(x.datatype());
            if [plain.datatype(), wide.datatype()] != [expected; 2] {
                wrong.push(format!(
                    "{nodes}: {} and {}",
                    plain.datatype(),
                    wide.datatype()
                ));
            }
            let [a, b] = [&plain, &wide]
                .map(|it| crate::ops::cast::cast(it.clone(), Datatype::Fp32).unwrap());
            let [a, b] = [&a, &b].map(|it| it.elements::<f32>().unwrap());
            let is_close = |(a, b): (&f32, &f32)| (a - b).abs() <= 0.01 * a.abs().max(4.0);
            if plain.shape() != wide.shape() || !a.iter().zip(b).all(is_close) {
                wrong.push(format!("{nodes}: {plain:?} and {wide:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_value_between_operators_may_exceed_fp16() {
    let constants: [Constant<'_>; 2] = [
        ("large", &[1, 1, 1, 1], &[60000.0]),
        ("small", &[1, 1, 1, 1], &[0.0001]),
    ];
    let nodes = "Conv x large -> a; Conv a small -> y";
    let graph = Graph::load(narrowed(model(nodes, &constants), DataType::FLOAT16)).unwrap();
    let x = Tensor::new(vec![1, 1, 1, 1], Data::F16(vec![f16::from_f32(4.0)])).unwrap();
    let output = graph.run(vec![x]).unwrap().remove(0);
    let value = output.elements::<f16>().unwrap()[0].to_f32();
    assert!((23.5..24.5).contains(&value), "{value}");
}
