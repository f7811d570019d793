//! Times a model on made-up inputs, natively or as WebAssembly: `time FILE [RUNS] [INPUT=1x3x224x224…]`.
//!
//! Prints the first and the shortest time in milliseconds, and the first output's first values. Inputs whose sizes the file
//! leaves open need a shape, else these sizes are 1. `PROFILE=RUNS` also prints the time of each operator.

use std::collections::BTreeMap;
use std::time::Instant;

use infer_executor::{Data, Graph, Tensor};
use infer_tensor::Datatype;
use rten_onnx::onnx::{ModelProto, ValueInfoProto};

/// The datatype, and the shape with open sizes as 1.
fn signature(info: &ValueInfoProto) -> Option<(Datatype, Vec<usize>)> {
    let tensor = info.r#type.as_ref()?.tensor_type.as_ref()?;
    let datatype = Datatype::from_onnx(tensor.elem_type?.0.into()).ok()?;
    let dimensions = tensor.shape.as_ref().map(|shape| &shape.dim[..]);
    let sizes = dimensions.unwrap_or_default().iter();
    Some((
        datatype,
        sizes
            .map(|size| {
                usize::try_from(size.dim_value.unwrap_or(1))
                    .unwrap_or(1)
                    .max(1)
            })
            .collect(),
    ))
}

fn made_up(datatype: Datatype, shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let waves = (0..count).map(|at| (at as f64 * 0.37).sin());
    let data = match datatype {
        Datatype::Fp32 => Data::F32(waves.map(|wave| wave as f32).collect()),
        Datatype::Int64 => Data::I64(waves.map(|wave| (wave > 0.0).into()).collect()),
        other => {
            let bytes = vec![0; count * other.element_bytes().unwrap_or(1)];
            Data::from_le_bytes(other, &bytes).expect("a datatype of tensors")
        }
    };
    Tensor::new(shape.to_vec(), data).unwrap()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().expect("time FILE [RUNS] [INPUT=SHAPE…]");
    let runs: usize = arguments.next().map_or(20, |runs| runs.parse().unwrap());
    let shapes: BTreeMap<String, Vec<usize>> = arguments
        .map(|argument| {
            let (name, sizes) = argument.rsplit_once('=').expect("INPUT=SHAPE");
            let sizes = sizes.split('x').map(|size| size.parse().unwrap());
            (name.to_owned(), sizes.collect())
        })
        .collect();
    let model = ModelProto::parse_buf(&std::fs::read(&file).unwrap()).unwrap();
    let graph = model.graph.as_ref().expect("a graph");
    let weights: Vec<_> = graph.initializer.iter().map(|it| it.name.clone()).collect();
    let declared = graph.input.iter().filter(|it| !weights.contains(&it.name));
    let signatures: Vec<_> = declared
        .map(|info| {
            let (datatype, open) = signature(info).expect("a tensor");
            let name = info.name.as_deref().unwrap_or_default();
            (datatype, shapes.get(name).cloned().unwrap_or(open))
        })
        .collect();
    let inputs = || -> Vec<Tensor> {
        let all = signatures.iter();
        all.map(|(datatype, shape)| made_up(*datatype, shape))
            .collect()
    };
    let start = Instant::now();
    let graph = Graph::load(model).unwrap();
    println!("load {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let mut times = Vec::new();
    let mut last = Vec::new();
    for _ in 0..runs {
        let inputs = inputs();
        let start = Instant::now();
        last = graph.run(inputs).unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let least = times.iter().copied().fold(f64::MAX, f64::min);
    println!("first {:.2} ms, least {least:.3} ms", times[0]);
    if let Some(Ok(values)) = last.first().map(Tensor::elements::<f32>) {
        println!("{:?}", &values[..values.len().min(4)]);
    }
    if let Ok(profile) = std::env::var("PROFILE") {
        let profile = graph
            .profile(inputs(), profile.parse().unwrap_or(1))
            .unwrap();
        for (name, seconds) in profile {
            println!("{:8.3} ms  {name}", seconds * 1e3);
        }
    }
}
