//! The formats of an input: the request in each, and the expected response.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use super::connection::Request;
use super::load::{Expected, commas};
use crate::bench::component::protocol_json;

/// The input of the image networks of `bench/networks.py`.
const INPUT: &str = "data";
const SHAPE: [u32; 4] = [1, 3, 224, 224];

/// The tolerance relative to the largest logit.
const TOLERANCE: f32 = 1e-3;

/// The tolerance for an encoded image: decoders may differ by one or two in a pixel's value, and networks with random
/// weights amplify that more than trained ones.
const IMAGE_TOLERANCE: f32 = 2e-2;

/// The format of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Form {
    /// Little-endian floats, in the response too
    Raw,
    /// The Open Inference Protocol
    Json,
    /// Image of 640 x 480 pixels, with a JSON response
    Jpeg,
}

impl Form {
    /// The name in tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw tensor",
            Self::Json => "JSON",
            Self::Jpeg => "JPEG",
        }
    }

    /// The logits in a response body.
    fn logits(self, body: &[u8]) -> Result<Vec<f32>> {
        match self {
            Self::Raw => floats(body).context("the response is not a tensor of floats"),
            Self::Json | Self::Jpeg => {
                let response: serde_json::Value =
                    serde_json::from_slice(body).context("the response is not JSON")?;
                let data = response["outputs"][0]["data"]
                    .as_array()
                    .context("the response has no `outputs` with `data`")?;
                let value = |value: &serde_json::Value| value.as_f64().map(|value| value as f32);
                data.iter()
                    .map(value)
                    .collect::<Option<_>>()
                    .context("the `data` of the response are not numbers")
            }
        }
    }

    fn tolerance(self) -> f32 {
        match self {
            Self::Raw | Self::Json => TOLERANCE,
            Self::Jpeg => IMAGE_TOLERANCE,
        }
    }
}

/// The request that every server gets in one format, and the logits that ONNX Runtime computed for it.
pub(super) struct Probe {
    pub(super) form: Form,
    pub(super) request: Arc<Request>,
    reference: Vec<f32>,
}

impl Probe {
    /// Read the files that `bench/networks.py` wrote into the folder of a network.
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
            .with_context(|| format!("`{reference}` is not a tensor of floats"))?;
        Ok(Self {
            form,
            request: Arc::new(request),
            reference,
        })
    }

    /// Compare a response with the reference, and return the check for later responses.
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

fn compare(logits: &[f32], reference: &[f32], tolerance: f32) -> Result<()> {
    ensure!(
        logits.len() == reference.len(),
        "expected {} logits, found {}",
        reference.len(),
        logits.len()
    );
    let largest = reference
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    // NaN fails this comparison.
    let is_close = |(a, b): (&f32, &f32)| (a - b).abs() <= tolerance * largest;
    match logits
        .iter()
        .zip(reference)
        .position(|pair| !is_close(pair))
    {
        None => Ok(()),
        Some(index) => bail!(
            "logit {index} is {}, expected {} within {tolerance} of the largest, {largest}",
            logits[index],
            reference[index]
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(form: Form) -> Probe {
        Probe {
            form,
            request: Arc::new(Request::post("/", &[], b"")),
            reference: vec![1.0, -2.0],
        }
    }

    #[test]
    fn responses_are_parsed_and_compared() {
        let raw = [1.0005_f32, -2.0].map(f32::to_le_bytes).concat();
        assert_eq!(probe(Form::Raw).check(&raw).unwrap(), Expected::Bytes(8));
        let json = br#"{"outputs":[{"name":"y","data":[1.0,-2]}]}"#;
        assert_eq!(probe(Form::Json).check(json).unwrap(), Expected::Commas(2));
        let image = br#"{"outputs":[{"data":[1.03,-2.03]}]}"#;
        assert_eq!(probe(Form::Jpeg).check(image).unwrap(), Expected::Commas(1));
    }

    #[test]
    fn wrong_responses_have_reasons() {
        let cases: [(Form, &[u8], &str); 6] = [
            (
                Form::Raw,
                b"12345",
                "the response is not a tensor of floats",
            ),
            (Form::Raw, b"1234", "expected 2 logits, found 1"),
            (Form::Json, b"[1", "the response is not JSON"),
            (
                Form::Json,
                b"{}",
                "the response has no `outputs` with `data`",
            ),
            (
                Form::Json,
                br#"{"outputs":[{"data":[null,1]}]}"#,
                "the `data` of the response are not numbers",
            ),
            (
                Form::Json,
                br#"{"outputs":[{"data":[1.0,-2.03]}]}"#,
                "logit 1 is -2.03, expected -2 within 0.001 of the largest, 2",
            ),
        ];
        for (form, body, reason) in cases {
            assert_eq!(probe(form).check(body).unwrap_err().to_string(), reason);
        }
        assert!(compare(&[f32::NAN], &[1.0], 0.1).is_err());
    }
}
