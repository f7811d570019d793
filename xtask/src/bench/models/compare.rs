//! The difference between the engine's outputs and ONNX Runtime's.

use anyhow::{Context, Result, bail, ensure};
use half::f16;

use super::native::Described;
use super::session::Output;

/// The largest difference of any output, relative to the largest value of that output in ONNX Runtime.
///
/// Outputs that the engine leaves out (sequences, maps, texts) are not compared.
pub(super) fn apart(expected: &[Described], mut data: &[u8], actual: &[Output]) -> Result<f64> {
    let mut most = 0.0;
    let mut compared = 0;
    for output in expected {
        let Some(bytes) = output.bytes() else {
            // The sizes of later outputs are known, but their places in the data are not.
            break;
        };
        let (own, rest) = data
            .split_at_checked(bytes)
            .context("ONNX Runtime's outputs are shorter than described")?;
        data = rest;
        let Some((_, found)) = actual.iter().find(|(name, _)| *name == output.name) else {
            continue;
        };
        ensure!(
            found.len() == own.len(),
            "the output `{}` has {} bytes, in ONNX Runtime {}",
            output.name,
            found.len(),
            own.len()
        );
        let (expected, found) = (values(output, own)?, values(output, found)?);
        let finite = expected.iter().filter(|value| value.is_finite());
        let largest = finite.fold(0.0, |largest, value| f64::max(largest, value.abs()));
        for (expected, found) in expected.iter().zip(&found) {
            let is_equal = expected == found || expected.is_nan() && found.is_nan();
            if !is_equal {
                let difference = (expected - found).abs() / f64::max(largest, f64::MIN_POSITIVE);
                // NaN is not smaller than anything.
                most = if difference > most || difference.is_nan() {
                    difference
                } else {
                    most
                };
            }
        }
        compared += 1;
    }
    ensure!(compared > 0, "no output could be compared");
    Ok(most)
}

fn values(output: &Described, data: &[u8]) -> Result<Vec<f64>> {
    fn each<const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        data.as_chunks::<N>()
            .0
            .iter()
            .map(|bytes| value(*bytes))
            .collect()
    }
    Ok(match output.datatype.as_str() {
        "FP32" => each(data, |bytes| f32::from_le_bytes(bytes).into()),
        "FP64" => each(data, f64::from_le_bytes),
        "FP16" => each(data, |bytes| f16::from_le_bytes(bytes).to_f64()),
        "INT64" => each(data, |bytes| i64::from_le_bytes(bytes) as f64),
        "INT32" => each(data, |bytes| i32::from_le_bytes(bytes).into()),
        "UINT8" | "BOOL" => each(data, |[byte]| byte.into()),
        other => bail!("the output `{}` is {other}", output.name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(shape: &str) -> Vec<Described> {
        let text = format!(r#"[{{"name": "y", "datatype": "FP32", "shape": {shape}}}]"#);
        serde_json::from_str(&text).unwrap()
    }

    fn bytes(values: &[f32]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    }

    #[test]
    fn differences_are_relative_to_the_largest_output() {
        let found = |values: &[f32]| vec![("y".to_owned(), bytes(values))];
        let outputs = described("[2]");
        let expected = bytes(&[1.0, -4.0]);
        assert_eq!(
            apart(&outputs, &expected, &found(&[1.0, -4.0])).unwrap(),
            0.0
        );
        assert_eq!(
            apart(&outputs, &expected, &found(&[2.0, -4.0])).unwrap(),
            0.25
        );
        assert!(
            apart(&outputs, &expected, &found(&[f32::NAN, 0.0]))
                .unwrap()
                .is_nan()
        );
        assert!(apart(&outputs, &expected, &found(&[1.0])).is_err());
        assert!(apart(&outputs, &expected[1..], &found(&[1.0, 2.0])).is_err());
        assert!(
            apart(&outputs, &expected, &[]).is_err(),
            "no output was compared"
        );
    }
}
