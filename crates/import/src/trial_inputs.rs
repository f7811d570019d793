//! Inputs for a trial: of the kind that the model expects, and the same in every run.
//!
//! Zeros would not do: some graphs divide by an input, and zeros hide what a value out of range would show.

use std::collections::{BTreeMap, BTreeSet};

use half::{bf16, f16};
use infer_model_card::ImageSpec;
use infer_tensor::{Datatype, Dim, Error, Signature, Tensor, TensorInfo};

/// Sizes of inputs by name, from `--shape` or from a card.
pub type Shapes = BTreeMap<String, Vec<u32>>;

/// Values of inputs by name, from `--try`.
pub type Values = BTreeMap<String, Vec<f64>>;

/// Everything that is known about a graph's inputs before a trial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// The inputs as the file declares them.
    pub signature: &'a Signature,
    /// Sizes of inputs, by name.
    pub shapes: &'a Shapes,
    /// Values of inputs, by name.
    pub values: &'a Values,
    /// The number of rows of the table that an input indexes.
    pub table_rows: &'a BTreeMap<String, u64>,
    /// The name and the preprocessing of the input that takes images.
    pub image: Option<(&'a str, &'a ImageSpec)>,
}

/// The sizes of dynamic dimensions in a trial with a batch of one.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    /// The second of four dimensions: an image's channels.
    channels: u32,
    /// The third and fourth of four dimensions: an image's height and width.
    pixels: u32,
    /// Any other dimension: tokens, steps, samples.
    other: u32,
}

/// Common sizes of images and short texts, the minimum of most convolutions, a single item, lines of text, and
/// audio in frames and in samples.
pub(crate) const TRIALS: [Sizes; 9] = {
    const fn sizes(channels: u32, pixels: u32, other: u32) -> Sizes {
        Sizes {
            channels,
            pixels,
            other,
        }
    }
    [
        sizes(3, 224, 16),
        sizes(1, 224, 16),
        sizes(3, 32, 512),
        sizes(1, 32, 512),
        sizes(1, 1, 1),
        sizes(3, 48, 576),
        sizes(1, 64, 100),
        sizes(1, 28, 3000),
        sizes(3, 640, 16_000),
    ]
};

/// The limit of an input in a trial.
const MAX_TRIAL_BYTES: usize = 64 * 1024 * 1024;

impl Known<'_> {
    /// Whether a size of an input, other than its batch, is not known.
    pub(crate) fn has_guess(&self) -> bool {
        self.signature.inputs.iter().any(|input| {
            let dims = input.shape.iter().flatten().skip(1);
            !self.shapes.contains_key(&input.name)
                && dims.into_iter().any(|dim| !matches!(dim, Dim::Fixed(_)))
        })
    }

    /// Inputs of these sizes; `None` if one has no datatype or is too large for a trial.
    pub(crate) fn inputs(&self, sizes: Sizes) -> Option<Vec<(String, Tensor)>> {
        // A symbol that is the batch of one input is the batch of all inputs.
        let batch: BTreeSet<&str> = self
            .signature
            .inputs
            .iter()
            .filter_map(|input| match input.shape.as_deref()?.first()? {
                Dim::Symbolic(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        // The seed is fixed, so that a model that fails fails every time.
        let mut random = fastrand::Rng::with_seed(1);
        self.signature
            .inputs
            .iter()
            .map(|input| {
                let shape = match self.shapes.get(&input.name) {
                    Some(shape) => shape.clone(),
                    None => shape(input, sizes, &batch),
                };
                let datatype = input.wasi_nn_datatype().ok()?;
                let bytes = datatype.tensor_bytes(&shape)?;
                if bytes > MAX_TRIAL_BYTES {
                    return None;
                }
                let width = datatype.element_bytes()?;
                let mut data = Vec::with_capacity(bytes);
                let kind = self.kind(input, &shape);
                let given = self
                    .values
                    .get(&input.name)
                    .filter(|values| !values.is_empty());
                let columns = shape.last().copied().unwrap_or(1).max(1) as usize;
                for index in 0..bytes / width {
                    let value = match given {
                        Some(values) => values[index % values.len()],
                        None => kind.value(&mut random, index % columns),
                    };
                    push(value, datatype, &mut data)?;
                }
                let tensor = Tensor {
                    datatype,
                    shape,
                    data,
                };
                Some((input.name.clone(), tensor))
            })
            .collect()
    }

    /// Check that the sizes which are known fit the declarations.
    pub(crate) fn check(&self, inputs: &[(String, Tensor)]) -> Result<(), Error> {
        let borrowed = inputs.iter().map(|(name, tensor)| {
            let tensor = Tensor {
                datatype: tensor.datatype,
                shape: tensor.shape.clone(),
                data: tensor.bytes(),
            };
            (name.clone(), tensor)
        });
        self.signature.check(borrowed.collect()).map(drop)
    }

    fn kind(&self, input: &TensorInfo, shape: &[u32]) -> Kind {
        let name = input.name.to_ascii_lowercase();
        let is = |part: &str| name.contains(part);
        if let Some(rows) = self.table_rows.get(&input.name)
            && !is("position")
            && !is("token_type")
            && !is("segment")
        {
            return Kind::Below(*rows);
        }
        if let Some((image, spec)) = self.image
            && input.name == image
        {
            return Kind::Pixels {
                scale: f64::from(spec.scale),
                mean: spec.mean.first().copied().map_or(0.0, f64::from),
                std: spec.std.first().copied().map_or(1.0, f64::from),
            };
        }
        match input.datatype {
            _ if is("mask") => Kind::One,
            _ if is("token_type") || is("segment") => Kind::Zero,
            _ if is("position") && shape.len() > 1 => Kind::Column,
            Some(Datatype::Uint8) if shape.len() > 2 => Kind::Below(256),
            // A number rather than data: a step, a rate, a temperature.
            Some(datatype) if is_float(datatype) && shape.iter().all(|size| *size == 1) => {
                Kind::One
            }
            Some(datatype) if is_float(datatype) => Kind::Noise,
            _ => Kind::One,
        }
    }
}

/// The sizes of an input.
fn shape(input: &TensorInfo, sizes: Sizes, batch: &BTreeSet<&str>) -> Vec<u32> {
    let dims = input.shape.as_deref().unwrap_or_default();
    let is_image = dims.len() == 4;
    let size = |(place, dim): (usize, &Dim)| match dim {
        Dim::Fixed(size) => *size,
        Dim::Symbolic(name) if batch.contains(name.as_str()) => 1,
        _ if place == 0 => 1,
        _ if is_image && place == 1 => sizes.channels,
        _ if is_image => sizes.pixels,
        // In the state of recurrent networks, the second of three dimensions is the batch.
        _ if place == 1 && dims.len() == 3 && matches!(dims.first(), Some(Dim::Fixed(_))) => 1,
        _ => sizes.other,
    };
    dims.iter().enumerate().map(size).collect()
}

fn is_float(datatype: Datatype) -> bool {
    matches!(
        datatype,
        Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 | Datatype::Fp64
    )
}

/// The values of an input.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Zero,
    /// Also for what counts, indexes or divides.
    One,
    /// The place within a row.
    Column,
    /// Integers from 0 to below this.
    Below(u64),
    /// Preprocessed pixels.
    Pixels {
        scale: f64,
        mean: f64,
        std: f64,
    },
    /// Numbers from 0 to below 1.
    Noise,
}

impl Kind {
    fn value(self, random: &mut fastrand::Rng, column: usize) -> f64 {
        match self {
            Self::Zero => 0.0,
            Self::One => 1.0,
            Self::Column => column as f64,
            Self::Below(end) => random.u64(..end.max(1)) as f64,
            Self::Pixels { scale, mean, std } => (f64::from(random.u8(..)) * scale - mean) / std,
            Self::Noise => f64::from(random.u8(..)) / 256.0,
        }
    }
}

/// Append a value, which the kinds above keep within every datatype's range.
fn push(value: f64, datatype: Datatype, data: &mut Vec<u8>) -> Option<()> {
    match datatype {
        Datatype::Fp16 => data.extend(f16::from_f64(value).to_le_bytes()),
        Datatype::Bf16 => data.extend(bf16::from_f64(value).to_le_bytes()),
        Datatype::Fp32 => data.extend((value as f32).to_le_bytes()),
        Datatype::Fp64 => data.extend(value.to_le_bytes()),
        Datatype::Int32 => data.extend((value as i32).to_le_bytes()),
        Datatype::Int64 => data.extend((value as i64).to_le_bytes()),
        Datatype::Bool | Datatype::Uint8 => data.push(value as u8),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, datatype: Datatype, shape: &[i64]) -> TensorInfo {
        TensorInfo {
            name: name.to_owned(),
            datatype: Some(datatype),
            shape: Some(shape.iter().copied().map(Dim::from_size).collect()),
        }
    }

    #[test]
    fn values_are_of_the_kind_that_an_input_expects() {
        let image = ImageSpec {
            scale: 1.0 / 255.0,
            mean: vec![0.5],
            std: vec![0.5],
            ..toml::from_str("width = 2\nheight = 2").unwrap()
        };
        let rows = BTreeMap::from([("ids".to_owned(), 5), ("position_ids".to_owned(), 512)]);
        use Datatype::{Bool, Fp16, Fp32, Int32, Int64, Uint8};
        // (input, smallest and largest value, whether they differ)
        let table = [
            (info("ids", Int64, &[1, 64]), 0.0, 4.0, true),
            (info("attention_mask", Int64, &[1, 8]), 1.0, 1.0, false),
            (info("token_type_ids", Int64, &[1, 8]), 0.0, 0.0, false),
            (info("position_ids", Int64, &[2, 8]), 0.0, 7.0, true),
            (info("pixels", Fp32, &[1, 3, 2, 2]), -1.0, 1.0, true),
            (info("bytes", Uint8, &[1, 4, 4, 3]), 0.0, 255.0, true),
            (info("wave", Fp16, &[1, 64]), 0.0, 1.0, true),
            (info("delta", Fp32, &[]), 1.0, 1.0, false),
            (info("rate", Int32, &[1]), 1.0, 1.0, false),
            (info("flag", Bool, &[1]), 1.0, 1.0, false),
        ];
        let mut wrong = Vec::new();
        for (input, least, largest, differ) in table {
            let name = input.name.clone();
            let signature = Signature {
                inputs: vec![input],
                outputs: Vec::new(),
            };
            let known = Known {
                signature: &signature,
                shapes: &Shapes::new(),
                values: &Values::new(),
                table_rows: &rows,
                image: Some(("pixels", &image)),
            };
            let tensors = known.inputs(TRIALS[0]).unwrap();
            let values: Vec<f64> = values(&tensors[0].1);
            let (min, max) = values
                .iter()
                .fold((f64::MAX, f64::MIN), |(min, max), value| {
                    (min.min(*value), max.max(*value))
                });
            if min < least || max > largest || (min < max) != differ {
                wrong.push(format!("{name}: {min} to {max}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        let width = tensor.datatype.element_bytes().unwrap();
        let of = |bytes: &[u8]| match tensor.datatype {
            Datatype::Fp16 => f16::from_le_bytes(bytes.try_into().unwrap()).to_f64(),
            Datatype::Fp32 => f32::from_le_bytes(bytes.try_into().unwrap()).into(),
            Datatype::Int32 => i32::from_le_bytes(bytes.try_into().unwrap()).into(),
            Datatype::Int64 => i64::from_le_bytes(bytes.try_into().unwrap()) as f64,
            _ => bytes[0].into(),
        };
        tensor.data.chunks(width).map(of).collect()
    }
}
