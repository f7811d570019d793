//! Decode and encode times of the tensor formats (JSON, binary, NumPy and raw) beside the compute time.

use anyhow::Result;
use infer_model_card::Model;
use serde_json::json;

use super::Input;
use super::http::Request;
use crate::bench::stats::{Stats, ms};
use crate::loopback::Loopback;

/// The measurements of one format for one model.
pub(super) struct Row {
    model: String,
    form: &'static str,
    body_bytes: usize,
    decode: Stats,
    compute: Stats,
    encode: Stats,
    response_bytes: usize,
}

/// Measure each format.
pub(super) fn measure(input: &Input, server: &Loopback, runs: u32) -> Result<Vec<Row>> {
    let forms = [
        ("JSON", json(input)),
        ("binary", protocol_binary(input)),
        ("npy", npy(input)),
        ("raw", raw(input)),
    ];
    forms
        .into_iter()
        .map(|(form, request)| row(input.model, form, &request, server, runs))
        .collect()
}

/// Measure a model's predictions for an encoded image.
pub(super) fn image(model: &Model, image: &[u8], server: &Loopback, runs: u32) -> Result<Row> {
    let model = model.id.name.as_str();
    let request = Request {
        path: format!("/infer/{model}"),
        // The service detects the format.
        headers: Vec::new(),
        body: image.to_vec(),
    };
    row(model, "image", &request, server, runs)
}

fn row(
    model: &str,
    form: &'static str,
    request: &Request,
    server: &Loopback,
    runs: u32,
) -> Result<Row> {
    let all = server.requests(request, runs / 10, runs)?;
    Ok(Row {
        model: model.to_owned(),
        form,
        body_bytes: request.body.len(),
        decode: Stats::of(all.iter().map(|one| one.decode).collect()),
        compute: Stats::of(all.iter().map(|one| one.compute).collect()),
        encode: Stats::of(all.iter().map(|one| one.encode).collect()),
        response_bytes: all.last().map_or(0, |one| one.response_bytes),
    })
}

/// A request to `/infer` whose body is the raw tensor, and whose response is a raw tensor too.
pub(super) fn raw(input: &Input) -> Request {
    alone(input, "application/octet-stream", input.tensor.data.clone())
}

fn npy(input: &Input) -> Request {
    let sizes: String = input
        .tensor
        .shape
        .iter()
        .map(|size| format!("{size},"))
        .collect();
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({sizes}), }}");
    // NumPy pads the header so that the data start at a multiple of 64 bytes.
    let padding = (10 + header.len() + 1).next_multiple_of(64) - 11 - header.len();
    let header = format!("{header}{}\n", " ".repeat(padding));
    let mut body = b"\x93NUMPY\x01\x00".to_vec();
    body.extend(
        u16::try_from(header.len())
            .unwrap_or_default()
            .to_le_bytes(),
    );
    body.extend(header.bytes());
    body.extend(&input.tensor.data);
    alone(input, "application/x-npy", body)
}

fn alone(input: &Input, media_type: &str, body: Vec<u8>) -> Request {
    Request {
        path: format!("/infer/{}", input.model),
        headers: vec![
            ("content-type", media_type.to_owned()),
            ("accept", media_type.to_owned()),
        ],
        body,
    }
}

fn json(input: &Input) -> Request {
    Request {
        path: format!("/v2/models/{}/infer", input.model),
        headers: vec![("content-type", "application/json".to_owned())],
        body: protocol_json(input.tensor.name, &input.tensor.shape, &input.tensor.data),
    }
}

/// A JSON body of the Open Inference Protocol with flat data, each float in its shortest form.
pub(in crate::bench) fn protocol_json(name: &str, shape: &[u32], data: &[u8]) -> Vec<u8> {
    let (floats, _) = data.as_chunks::<4>();
    let values: Vec<f32> = floats
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let body = json!({"inputs": [{
        "name": name, "datatype": "FP32", "shape": shape, "data": [],
    }]});
    // A `serde_json::Value` would hold f64 and write more digits.
    let values = serde_json::to_string(&values).unwrap_or_default();
    let body = body
        .to_string()
        .replace("\"data\":[]", &format!("\"data\":{values}"));
    body.into_bytes()
}

/// A request with the binary tensor data extension of the Open Inference Protocol, both ways.
fn protocol_binary(input: &Input) -> Request {
    let json = json!({
        "parameters": {"binary_data_output": true},
        "inputs": [{
            "name": input.tensor.name, "datatype": "FP32", "shape": input.tensor.shape,
            "parameters": {"binary_data_size": input.tensor.data.len()},
        }],
    });
    let mut body = json.to_string().into_bytes();
    let length = body.len().to_string();
    body.extend(&input.tensor.data);
    Request {
        path: format!("/v2/models/{}/infer", input.model),
        headers: vec![("inference-header-content-length", length)],
        body,
    }
}

/// Print the table, with the decode and encode throughput of each format.
pub(super) fn print(rows: &[Row]) {
    println!();
    println!("The same tensor in each form; phases as Server-Timing has them, in milliseconds.");
    println!();
    println!("| model | form | body | decode | MB/s | compute | encode | answer | MB/s |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for row in rows {
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.model,
            row.form,
            row.body_bytes,
            row.decode,
            megabytes_a_second(row.body_bytes, &row.decode),
            row.compute,
            row.encode,
            row.response_bytes,
            megabytes_a_second(row.response_bytes, &row.encode),
        );
    }
}

fn megabytes_a_second(bytes: usize, time: &Stats) -> String {
    let ms = ms(time.median);
    // Server-Timing has too few digits for shorter times.
    if ms < 0.01 {
        return "-".to_owned();
    }
    format!("{:.0}", bytes as f64 / 1e3 / ms)
}
