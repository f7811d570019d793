//! The kernels of support vector machines.

use super::features::{numbers, rows_of};
use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, with_room};

/// The function of two vectors that replaces their product.
#[derive(Clone, Copy)]
pub enum Kernel {
    /// x y.
    Linear,
    /// (gamma x y + coef0)^degree.
    Polynomial {
        /// The factor of the product, or of the distance.
        gamma: f32,
        /// The summand of the product.
        coef0: f32,
        /// The exponent.
        degree: f32,
    },
    /// e^(-gamma |x - y|^2).
    RadialBasis {
        /// The factor of the product, or of the distance.
        gamma: f32,
    },
    /// tanh(gamma x y + coef0).
    Sigmoid {
        /// The factor of the product, or of the distance.
        gamma: f32,
        /// The summand of the product.
        coef0: f32,
    },
}

/// The product of two vectors.
pub fn dot(x: &[f32], y: &[f32]) -> f32 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

impl Kernel {
    /// Reads the attributes `kernel_type` and `kernel_params`.
    ///
    /// # Errors
    /// `Graph` for an unknown name, or another number of parameters than 3.
    pub fn read(attributes: Attributes<'_>) -> Result<Self> {
        let (gamma, coef0, degree) = match attributes.floats("kernel_params") {
            None | Some([]) => (0.0, 0.0, 0.0),
            Some(&[gamma, coef0, degree]) => (gamma, coef0, degree),
            Some(given) => {
                return Err(Error::graph(format!(
                    "the attribute `kernel_params` has {} numbers, expected 3: gamma, coef0 and degree",
                    given.len()
                )));
            }
        };
        match attributes.string("kernel_type", "LINEAR") {
            "LINEAR" => Ok(Self::Linear),
            "POLY" => Ok(Self::Polynomial {
                gamma,
                coef0,
                degree,
            }),
            "RBF" => Ok(Self::RadialBasis { gamma }),
            "SIGMOID" => Ok(Self::Sigmoid { gamma, coef0 }),
            other => Err(Error::graph(format!(
                "the attribute `kernel_type` is `{other}`, expected LINEAR, POLY, RBF or SIGMOID"
            ))),
        }
    }

    fn of(self, x: &[f32], y: &[f32]) -> f32 {
        match self {
            Self::Linear => dot(x, y),
            Self::Polynomial {
                gamma,
                coef0,
                degree,
            } => (gamma * dot(x, y) + coef0).powf(degree),
            Self::RadialBasis { gamma } => {
                let squares = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y));
                (-gamma * squares.sum::<f32>()).exp()
            }
            Self::Sigmoid { gamma, coef0 } => (gamma * dot(x, y) + coef0).tanh(),
        }
    }
}

/// Vectors of which a machine knows the kernel's value for each input: support vectors, or rows of coefficients.
pub struct Vectors {
    values: Vec<f32>,
    /// The number of features of each vector.
    pub features: usize,
    kernel: Kernel,
}

impl Vectors {
    /// Splits an attribute into `count` vectors of equal length.
    ///
    /// # Errors
    /// `Graph` if it has another number of elements.
    pub fn new(values: &[f32], count: usize, name: &str, kernel: Kernel) -> Result<Self> {
        if values.is_empty() || !values.len().is_multiple_of(count) {
            return Err(Error::graph(format!(
                "the attribute `{name}` has {} numbers, expected as many for each of {count} vectors",
                values.len()
            )));
        }
        Ok(Self {
            values: values.to_vec(),
            features: values.len() / count,
            kernel,
        })
    }

    /// Calls `visit` with the kernel's values for each row of the input. Returns the number of rows.
    ///
    /// # Errors
    /// `Input` for another shape than rows of as many features, `Unsupported` for a datatype, `Memory`.
    pub fn each(&self, input: &Tensor, mut visit: impl FnMut(&[f32])) -> Result<usize> {
        let rows = rows_of(input, self.features)?;
        let values = numbers::<f32>(input)?;
        let mut found = with_room(self.values.len() / self.features)?;
        for row in values.chunks_exact(self.features) {
            found.clear();
            let vectors = self.values.chunks_exact(self.features);
            found.extend(vectors.map(|vector| self.kernel.of(row, vector)));
            visit(&found);
        }
        Ok(rows)
    }
}
