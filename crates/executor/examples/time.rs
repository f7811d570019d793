//! Times a model with one FP32 input of shape [1, 3, 224, 224], natively or on Wasm: `time FILE [RUNS]`. Prints the first
//! and the shortest time in milliseconds, and the first outputs. `PROFILE=RUNS` also prints the time of each operator.

use std::time::Instant;

use infer_executor::{Graph, Tensor};
use rten_onnx::onnx::ModelProto;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().expect("time FILE [RUNS]");
    let runs: usize = arguments.next().map_or(20, |runs| runs.parse().unwrap());
    let model = ModelProto::parse_buf(&std::fs::read(&file).unwrap()).unwrap();
    let start = Instant::now();
    let graph = Graph::load(model).unwrap();
    println!("load {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let values: Vec<f32> = (0..3 * 224 * 224)
        .map(|at| (at as f32 * 0.01).sin())
        .collect();
    let mut times = Vec::new();
    let mut last = Vec::new();
    for _ in 0..runs {
        let input = Tensor::of(&[1, 3, 224, 224], values.clone()).unwrap();
        let start = Instant::now();
        last = graph.run(vec![input]).unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let least = times.iter().copied().fold(f64::MAX, f64::min);
    println!("first {:.2} ms, least {least:.2} ms", times[0]);
    println!("{:?}", &last[0].elements::<f32>().unwrap()[..4]);
    if let Ok(profile) = std::env::var("PROFILE") {
        let input = Tensor::of(&[1, 3, 224, 224], values).unwrap();
        for (name, seconds) in graph
            .profile(vec![input], profile.parse().unwrap_or(1))
            .unwrap()
        {
            println!("{:8.3} ms  {name}", seconds * 1e3);
        }
    }
}
