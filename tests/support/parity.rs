//! The cases of `tests/parity`: whole output tensors that ONNX Runtime computed.

use std::path::PathBuf;

use serde::Deserialize;

/// Inputs and the outputs that another engine computed.
#[derive(Debug, Deserialize)]
pub struct Case {
    #[serde(skip)]
    pub name: String,
    pub model: String,
    pub inputs: Vec<Entry>,
    pub outputs: Vec<Entry>,
    pub rtol: f64,
    pub atol: f64,
}

/// A tensor, whose data are in a file.
#[derive(Debug, Deserialize)]
pub struct Entry {
    pub name: String,
    pub datatype: String,
    pub shape: Vec<u64>,
    file: String,
    #[serde(skip)]
    pub data: Vec<u8>,
}

/// The folder of cases and graphs.
pub fn folder() -> PathBuf {
    super::root().join("tests/parity")
}

/// All cases, in name order.
pub fn cases() -> Vec<Case> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(folder().join("cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    folders
        .into_iter()
        .map(|folder| {
            let text = std::fs::read_to_string(folder.join("case.json")).unwrap();
            let mut case: Case = serde_json::from_str(&text).unwrap();
            case.name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            for entry in case.inputs.iter_mut().chain(&mut case.outputs) {
                entry.data = std::fs::read(folder.join(&entry.file)).unwrap();
            }
            case
        })
        .collect()
}

impl Case {
    /// Compare an output with the reference as `numpy.allclose` does; the error has the first element that differs.
    pub fn compare(&self, expected: &Entry, shape: &[u64], data: &[u8]) -> Result<(), String> {
        if shape != expected.shape {
            return Err(format!(
                "{} {}: shape {shape:?}, expected {:?}",
                self.name, expected.name, expected.shape
            ));
        }
        let (actual, reference) = (
            values(&expected.datatype, data),
            values(&expected.datatype, &expected.data),
        );
        if actual.len() != reference.len() {
            return Err(format!(
                "{} {}: {} values, expected {}",
                self.name,
                expected.name,
                actual.len(),
                reference.len()
            ));
        }
        let close = |actual: f64, reference: f64| {
            actual == reference
                || (actual.is_nan() && reference.is_nan())
                || (actual - reference).abs() <= self.atol + self.rtol * reference.abs()
        };
        match actual
            .iter()
            .zip(&reference)
            .position(|(a, b)| !close(*a, *b))
        {
            None => Ok(()),
            Some(index) => Err(format!(
                "{} {}: value {index} is {}, expected {}",
                self.name, expected.name, actual[index], reference[index]
            )),
        }
    }
}

/// The elements of a tensor; 64-bit integers of the cases fit the 53 bits of a double.
pub fn values(datatype: &str, data: &[u8]) -> Vec<f64> {
    match datatype {
        "FP32" => chunks(data, |bytes| f32::from_le_bytes(bytes).into()),
        "FP16" => chunks(data, |bytes| half::f16::from_le_bytes(bytes).into()),
        "INT32" => chunks(data, |bytes| i32::from_le_bytes(bytes).into()),
        "INT64" => chunks(data, |bytes| i64::from_le_bytes(bytes) as f64),
        "UINT8" | "BOOL" => chunks(data, |[byte]: [u8; 1]| byte.into()),
        "FP64" => chunks(data, f64::from_le_bytes),
        "BF16" => chunks(data, |bytes| half::bf16::from_le_bytes(bytes).into()),
        other => panic!("no case has {other}"),
    }
}

fn chunks<const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (chunks, rest) = data.as_chunks::<N>();
    assert!(rest.is_empty());
    chunks.iter().map(|bytes| value(*bytes)).collect()
}
