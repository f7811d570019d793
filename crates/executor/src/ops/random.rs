//! Random numbers: Bernoulli, Multinomial, RandomNormal, RandomNormalLike, RandomUniform and RandomUniformLike.
//!
//! The specification leaves the generator open. With the attribute `seed` a run gives the same numbers as every other run of
//! the node; without, each run gives others.

use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use infer_tensor::Datatype;

use super::cast::{cast, datatype};
use super::entry::{OperatorEntry, boxed, onnx};
use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::operator::{Build, Inputs, Operator};
use crate::real::reals;
use crate::tensor::{Tensor, element_count, with_room};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("Bernoulli", |build| {
        boxed(Bernoulli {
            datatype: optional_datatype(build)?,
            seed: seed(build.attributes()),
        })
    }),
    onnx("Multinomial", multinomial),
    onnx("RandomNormal", |build| random(build, false, normal(build))),
    onnx("RandomNormalLike", |build| {
        random(build, true, normal(build))
    }),
    onnx("RandomUniform", |build| {
        random(build, false, uniform(build))
    }),
    onnx("RandomUniformLike", |build| {
        random(build, true, uniform(build))
    }),
];

fn optional_datatype(build: &Build<'_>) -> Result<Option<Datatype>> {
    let number = build.attributes().optional_int("dtype");
    number.map(datatype).transpose()
}

fn seed(attributes: Attributes<'_>) -> Option<u64> {
    attributes
        .optional_float("seed")
        .map(|seed| seed.to_bits().into())
}

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
struct Generator(u64);

impl Generator {
    fn new(seed: Option<u64>) -> Self {
        // The keys of the hasher may be those of the snapshot, the same in every instance; the time is not.
        Self(seed.unwrap_or_else(|| RandomState::new().hash_one(Instant::now())))
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number of 0..1.
    fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number of the standard normal distribution, by the Box-Muller transform.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// A distribution of real numbers.
#[derive(Clone, Copy)]
enum Distribution {
    Normal { mean: f64, scale: f64 },
    Uniform { low: f64, high: f64 },
}

fn normal(build: &Build<'_>) -> Distribution {
    Distribution::Normal {
        mean: build.attributes().float("mean", 0.0).into(),
        scale: build.attributes().float("scale", 1.0).into(),
    }
}

fn uniform(build: &Build<'_>) -> Distribution {
    Distribution::Uniform {
        low: build.attributes().float("low", 0.0).into(),
        high: build.attributes().float("high", 1.0).into(),
    }
}

fn random(
    build: &Build<'_>,
    is_like: bool,
    distribution: Distribution,
) -> Result<Box<dyn Operator>> {
    let datatype = optional_datatype(build)?;
    if let Some(other) = datatype.filter(|&datatype| !is_float(datatype)) {
        return Err(Error::graph(format!(
            "the attribute `dtype` is {other}, expected FP32, FP64, FP16 or BF16"
        )));
    }
    let shape = match is_like {
        true => None,
        false => Some(
            build
                .attributes()
                .sizes("shape")?
                .ok_or_else(|| Error::graph("the attribute `shape` is missing"))?,
        ),
    };
    boxed(Random {
        datatype,
        shape,
        distribution,
        seed: seed(build.attributes()),
    })
}

fn is_float(datatype: Datatype) -> bool {
    matches!(
        datatype,
        Datatype::Fp32 | Datatype::Fp64 | Datatype::Fp16 | Datatype::Bf16
    )
}

/// RandomNormal and RandomUniform: a float tensor of the attribute's shape. RandomNormalLike and RandomUniformLike: of the
/// input's shape, and of its datatype unless `dtype` names one. (ONNX's specification, versions 1 and 22.)
struct Random {
    datatype: Option<Datatype>,
    /// The shape; `None` for the input's.
    shape: Option<Vec<usize>>,
    distribution: Distribution,
    seed: Option<u64>,
}

impl Operator for Random {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (shape, default) = match &self.shape {
            Some(shape) => (&shape[..], Datatype::Fp32),
            None => {
                let input = inputs.required(0)?;
                (input.shape(), input.datatype())
            }
        };
        let datatype = self.datatype.unwrap_or(default);
        if !is_float(datatype) {
            return Err(Error::unsupported(format!(
                "expected FP32, FP64, FP16 or BF16, or the attribute `dtype`, got {datatype}"
            )));
        }
        let mut generator = Generator::new(self.seed);
        let count = element_count(shape)?;
        let mut values: Vec<f64> = with_room(count)?;
        values.extend((0..count).map(|_| match self.distribution {
            Distribution::Normal { mean, scale } => mean + scale * generator.normal(),
            Distribution::Uniform { low, high } => low + (high - low) * generator.uniform(),
        }));
        Ok(vec![cast(Tensor::of(shape, values)?, datatype)?])
    }

    fn is_deterministic(&self) -> bool {
        false
    }
}

/// Bernoulli: 1 with the probability that the input has at each position, 0 otherwise; the datatype is the input's unless
/// `dtype` names one. (ONNX's specification, version 15.)
struct Bernoulli {
    datatype: Option<Datatype>,
    seed: Option<u64>,
}

impl Operator for Bernoulli {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let probabilities = reals::<f64>(input)?;
        let mut generator = Generator::new(self.seed);
        let mut values = with_room(probabilities.len())?;
        let each = probabilities.iter();
        values.extend(each.map(|&probability| generator.uniform() < probability));
        let datatype = self.datatype.unwrap_or(input.datatype());
        Ok(vec![cast(Tensor::of(input.shape(), values)?, datatype)?])
    }

    fn is_deterministic(&self) -> bool {
        false
    }
}

fn multinomial(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    // INT32 is 6, and INT64 7.
    let datatype = datatype(attributes.int("dtype", 6))?;
    if !matches!(datatype, Datatype::Int32 | Datatype::Int64) {
        return Err(Error::graph(format!(
            "the attribute `dtype` is {datatype}, expected INT32 or INT64"
        )));
    }
    boxed(Multinomial {
        datatype,
        samples: attributes.count("sample_size")?.unwrap_or(1),
        seed: seed(attributes),
    })
}

/// Multinomial: classes drawn by their unnormalized logarithmic probabilities, `[batch, classes]` of floats, as INT32 or INT64
/// `[batch, sample_size]`. (ONNX's specification, version 7.)
struct Multinomial {
    datatype: Datatype,
    samples: usize,
    seed: Option<u64>,
}

impl Operator for Multinomial {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        let &[batch, classes] = input.shape() else {
            return Err(Error::input(format!(
                "expected [batch, classes], got the shape {:?}",
                input.shape()
            )));
        };
        let logarithms = reals::<f64>(input)?;
        let shape = [batch, self.samples];
        let mut result: Vec<i64> = with_room(element_count(&shape)?)?;
        if classes == 0 && batch > 0 {
            return Err(Error::input("there are no classes to draw from"));
        }
        let mut generator = Generator::new(self.seed);
        let mut sums = with_room(classes)?;
        for row in logarithms.chunks_exact(classes.max(1)) {
            let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mut total = 0.0;
            sums.clear();
            sums.extend(row.iter().map(|logarithm| {
                total += (logarithm - most).exp();
                total
            }));
            for _ in 0..self.samples {
                let drawn = generator.uniform() * total;
                let class = sums.partition_point(|&sum| sum <= drawn).min(classes - 1);
                result.push(i64::try_from(class).unwrap_or(i64::MAX));
            }
        }
        Ok(vec![cast(Tensor::of(&shape, result)?, self.datatype)?])
    }

    fn is_deterministic(&self) -> bool {
        false
    }
}
