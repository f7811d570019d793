//! The forms in which an input travels: what is sent, and what has to come back.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use super::connection::Request;
use super::load::{Expected, commas};
use crate::bench::component::protocol_json;

/// The networks of `bench/networks.py` that take pictures have this input.
const INPUT: &str = "data";
const SHAPE: [u32; 4] = [1, 3, 224, 224];

/// Of the largest logit.
const TOLERANCE: f32 = 1e-3;

/// The same for a picture: decoders may differ by a level or two in a pixel, and networks with random
/// weights make more of that than trained ones.
const PICTURE_TOLERANCE: f32 = 2e-2;

/// How an input travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Form {
    /// Little-endian floats, answered in kind
    Raw,
    /// The Open Inference Protocol
    Json,
    /// A picture of 640 x 480 pixels, answered in JSON
    Jpeg,
}

impl Form {
    /// As tables have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw tensor",
            Self::Json => "JSON",
            Self::Jpeg => "JPEG",
        }
    }

    /// The logits of an answer's body.
    fn logits(self, body: &[u8]) -> Result<Vec<f32>> {
        match self {
            Self::Raw => floats(body).context("the answer is no tensor of floats"),
            Self::Json | Self::Jpeg => {
                let answer: serde_json::Value =
                    serde_json::from_slice(body).context("the answer is not JSON")?;
                let data = answer["outputs"][0]["data"]
                    .as_array()
                    .context("the answer has no `outputs` with `data`")?;
                let value = |value: &serde_json::Value| value.as_f64().map(|value| value as f32);
                data.iter()
                    .map(value)
                    .collect::<Option<_>>()
                    .context("the answer's `data` are not numbers")
            }
        }
    }

    fn tolerance(self) -> f32 {
        match self {
            Self::Raw | Self::Json => TOLERANCE,
            Self::Jpeg => PICTURE_TOLERANCE,
        }
    }
}

/// What is asked of every server in one form, and what ONNX Runtime computed from that.
pub(super) struct Question {
    pub(super) form: Form,
    pub(super) request: Arc<Request>,
    reference: Vec<f32>,
}

impl Question {
    /// From the files that `bench/networks.py` wrote into a network's folder.
    pub(super) fn read(folder: &Path, network: &str, form: Form) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).with_context(|| {
                format!(
                    "cannot read `{}`, which bench/networks.py writes",
                    path.display()
                )
            })
        };
        let convenient = format!("/infer/{network}");
        let binary = "application/octet-stream";
        let (request, reference) = match form {
            Form::Raw => {
                let headers = [("content-type", binary), ("accept", binary)];
                let request = Request::post(&convenient, &headers, &read("input.bin")?);
                (request, "output.bin")
            }
            Form::Json => {
                let body = protocol_json(INPUT, &SHAPE, &read("input.bin")?);
                let headers = [("content-type", "application/json")];
                let path = format!("/v2/models/{network}/infer");
                (Request::post(&path, &headers, &body), "output.bin")
            }
            Form::Jpeg => {
                let headers = [("content-type", "image/jpeg")];
                let request = Request::post(&convenient, &headers, &read("picture.jpg")?);
                (request, "picture-output.bin")
            }
        };
        let reference = floats(&read(reference)?)
            .with_context(|| format!("`{reference}` is no tensor of floats"))?;
        Ok(Self {
            form,
            request: Arc::new(request),
            reference,
        })
    }

    /// Compare an answer with the reference; what later answers have to be like.
    pub(super) fn check(&self, body: &[u8]) -> Result<Expected> {
        compare(
            &self.form.logits(body)?,
            &self.reference,
            self.form.tolerance(),
        )?;
        Ok(match self.form {
            Form::Raw => Expected::Bytes(body.len()),
            Form::Json | Form::Jpeg => Expected::Commas(commas(body)),
        })
    }
}

fn floats(bytes: &[u8]) -> Option<Vec<f32>> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| {
        chunks
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    })
}

fn compare(came: &[f32], reference: &[f32], tolerance: f32) -> Result<()> {
    ensure!(
        came.len() == reference.len(),
        "{} logits are expected, {} came",
        reference.len(),
        came.len()
    );
    let largest = reference
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    // NaN is close to nothing.
    let is_close = |(a, b): (&f32, &f32)| (a - b).abs() <= tolerance * largest;
    match came.iter().zip(reference).position(|pair| !is_close(pair)) {
        None => Ok(()),
        Some(index) => bail!(
            "logit {index} is {}, expected {} within {tolerance} of the largest, {largest}",
            came[index],
            reference[index]
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(form: Form) -> Question {
        Question {
            form,
            request: Arc::new(Request::post("/", &[], b"")),
            reference: vec![1.0, -2.0],
        }
    }

    #[test]
    fn answers_are_read_and_compared() {
        let raw = [1.0005_f32, -2.0].map(f32::to_le_bytes).concat();
        assert_eq!(question(Form::Raw).check(&raw).unwrap(), Expected::Bytes(8));
        let json = br#"{"outputs":[{"name":"y","data":[1.0,-2]}]}"#;
        assert_eq!(
            question(Form::Json).check(json).unwrap(),
            Expected::Commas(2)
        );
        let picture = br#"{"outputs":[{"data":[1.03,-2.03]}]}"#;
        assert_eq!(
            question(Form::Jpeg).check(picture).unwrap(),
            Expected::Commas(1)
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        let cases: [(Form, &[u8], &str); 6] = [
            (Form::Raw, b"12345", "the answer is no tensor of floats"),
            (Form::Raw, b"1234", "2 logits are expected, 1 came"),
            (Form::Json, b"[1", "the answer is not JSON"),
            (Form::Json, b"{}", "the answer has no `outputs` with `data`"),
            (
                Form::Json,
                br#"{"outputs":[{"data":[null,1]}]}"#,
                "the answer's `data` are not numbers",
            ),
            (
                Form::Json,
                br#"{"outputs":[{"data":[1.0,-2.03]}]}"#,
                "logit 1 is -2.03, expected -2 within 0.001 of the largest, 2",
            ),
        ];
        for (form, body, reason) in cases {
            assert_eq!(question(form).check(body).unwrap_err().to_string(), reason);
        }
        assert!(compare(&[f32::NAN], &[1.0], 0.1).is_err());
    }
}
