//! Reductions along axes.

use super::arithmetic::narrowed;
use super::entry::{OperatorEntry, boxed, onnx};
use crate::error::{Error, Result};
use crate::index::axes;
use crate::number::{Arithmetic, Number};
use crate::operator::{Build, Inputs, Operator};
use crate::strided_copy::transposed;
use crate::tensor::{Data, Tensor, element_count, with_room};
use crate::with_number;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("ReduceL1", |build| reduce(build, Kind::L1)),
    onnx("ReduceL2", |build| reduce(build, Kind::L2)),
    onnx("ReduceLogSum", |build| reduce(build, Kind::LogSum)),
    onnx("ReduceLogSumExp", |build| reduce(build, Kind::LogSumExp)),
    onnx("ReduceMax", |build| reduce(build, Kind::Max)),
    onnx("ReduceMean", |build| reduce(build, Kind::Mean)),
    onnx("ReduceMin", |build| reduce(build, Kind::Min)),
    onnx("ReduceProd", |build| reduce(build, Kind::Prod)),
    onnx("ReduceSum", |build| reduce(build, Kind::Sum)),
    onnx("ReduceSumSquare", |build| reduce(build, Kind::SumSquare)),
];

fn reduce(build: &Build<'_>, kind: Kind) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    // The axes became an input with version 13 of ReduceSum and 18 of the others.
    let are_inputs = build.opset
        >= match kind {
            Kind::Sum => 13,
            _ => 18,
        };
    boxed(Reduce {
        kind,
        axes: match are_inputs {
            true => None,
            false => Some(attributes.ints("axes").unwrap_or_default().to_vec()),
        },
        keeps_axes: attributes.flag("keepdims", true),
        keeps_all: attributes.flag("noop_with_empty_axes", false),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    L1,
    L2,
    LogSum,
    LogSumExp,
    Max,
    Mean,
    Min,
    Prod,
    Sum,
    SumSquare,
}

/// ReduceL1, ReduceL2, ReduceLogSum, ReduceLogSumExp, ReduceMax, ReduceMean, ReduceMin, ReduceProd, ReduceSum and
/// ReduceSumSquare, along some or all axes. Without elements the sum is 0, the product 1 and the maximum the lowest value.
struct Reduce {
    kind: Kind,
    /// The axes, if they are an attribute (older versions).
    axes: Option<Vec<i64>>,
    keeps_axes: bool,
    /// Whether an empty list of axes means no axes instead of all (`noop_with_empty_axes`).
    keeps_all: bool,
}

impl Operator for Reduce {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let named = match (&self.axes, inputs.get(1)) {
            (Some(axes), _) => axes.clone(),
            (None, Some(axes)) => axes.to_i64()?,
            (None, None) => Vec::new(),
        };
        let input = inputs.take(0)?;
        let rank = input.rank();
        let reduced: Vec<usize> = match named.is_empty() {
            true if self.keeps_all => Vec::new(),
            true => (0..rank).collect(),
            false => axes(&named, rank)?,
        };
        let mut shape = Vec::with_capacity(rank);
        for (axis, &size) in input.shape().iter().enumerate() {
            match reduced.contains(&axis) {
                true if self.keeps_axes => shape.push(1),
                true => {}
                false => shape.push(size),
            }
        }
        if let Data::Bool(_) = input.data() {
            return Ok(vec![self.of_bool(input, &reduced, &shape)?]);
        }
        // ONNX allows narrow integers for maximum and minimum only, since other reductions would overflow.
        if matches!(
            input.data(),
            Data::I8(_) | Data::U8(_) | Data::I16(_) | Data::U16(_)
        ) && !matches!(self.kind, Kind::Max | Kind::Min)
        {
            return Err(Error::unsupported(format!(
                "expected floats, or integers of at least 32 bits, got {}",
                input.datatype()
            )));
        }
        let (rows, len) = rows(input, &reduced)?;
        let count = element_count(&shape)?;
        with_number!(rows.datatype(), T => {
            let elements = rows.elements::<T>()?;
            let mut to = with_room(count)?;
            to.extend((0..count).map(|row| {
                T::narrow(self.kind.of_row(&elements[row * len..(row + 1) * len]))
            }));
            Ok(vec![Tensor::of(&shape, to)?])
        })
    }
}

impl Reduce {
    /// ReduceMax and ReduceMin of BOOL (since version 20): whether any element is true, or all are.
    fn of_bool(&self, input: Tensor, reduced: &[usize], shape: &[usize]) -> Result<Tensor> {
        let (rows, len) = rows(input, reduced)?;
        let count = element_count(shape)?;
        let elements = rows.elements::<bool>()?;
        let mut to = with_room(count)?;
        for row in 0..count {
            let row = &elements[row * len..(row + 1) * len];
            to.push(match self.kind {
                Kind::Max => row.contains(&true),
                Kind::Min => !row.contains(&false),
                _ => {
                    return Err(Error::unsupported("expected a number's datatype, got BOOL"));
                }
            });
        }
        Tensor::of(shape, to)
    }
}

/// Transposes the reduced axes to the end. Also returns the number of elements that each reduction covers.
fn rows(input: Tensor, reduced: &[usize]) -> Result<(Tensor, usize)> {
    let rank = input.rank();
    let sizes: Vec<usize> = reduced.iter().map(|&axis| input.shape()[axis]).collect();
    let len = element_count(&sizes)?;
    let mut order: Vec<usize> = (0..rank).filter(|axis| !reduced.contains(axis)).collect();
    order.extend_from_slice(reduced);
    match order.is_sorted() {
        true => Ok((input, len)),
        false => Ok((transposed(&input, &order)?, len)),
    }
}

impl Kind {
    fn of_row<T: Number>(self, row: &[T]) -> T::Wide {
        let real = |value: f64| Arithmetic::of_f64(value);
        match self {
            Self::L1 => sum(row, Arithmetic::magnitude),
            Self::L2 => real(sum(row, |x| x.times(x)).to_f64().sqrt()),
            Self::LogSum => real(sum(row, |x| x).to_f64().ln()),
            Self::LogSumExp => real(log_sum_exp(row)),
            Self::Max => row.iter().fold(Arithmetic::LOWEST, |found: T::Wide, x| {
                found.larger(x.widen())
            }),
            Self::Min => row.iter().fold(Arithmetic::HIGHEST, |found: T::Wide, x| {
                found.smaller(x.widen())
            }),
            Self::Mean => {
                let count = Arithmetic::of_f64(row.len() as f64);
                let total: T::Wide = sum(row, |x| x);
                total.over(count).unwrap_or(Arithmetic::ZERO)
            }
            Self::Prod => row
                .iter()
                .fold(Arithmetic::ONE, |found: T::Wide, x| found.times(x.widen())),
            Self::Sum => sum(row, |x| x),
            Self::SumSquare => sum(row, |x| x.times(x)),
        }
    }
}

/// The sum of a function of each element, as eight partial sums, which the compiler vectorizes.
pub(super) fn sum<T: Number>(row: &[T], function: impl Fn(T::Wide) -> T::Wide) -> T::Wide {
    let mut sums = [T::Wide::ZERO; 8];
    let (chunks, rest) = row.as_chunks::<8>();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum = sum.plus(function(x.widen()));
        }
    }
    let mut total = T::Wide::ZERO;
    for sum in sums {
        total = total.plus(sum);
    }
    for x in rest {
        total = total.plus(function(x.widen()));
    }
    total
}

/// ln(sum(e^x)), computed in FP64 without overflow.
fn log_sum_exp<T: Number>(row: &[T]) -> f64 {
    let largest = row.iter().fold(f64::NEG_INFINITY, |found, x| {
        found.larger(x.widen().to_f64())
    });
    if largest.is_infinite() {
        return largest;
    }
    let total: f64 = row
        .iter()
        .map(|x| (x.widen().to_f64() - largest).exp())
        .sum();
    largest + total.ln()
}

/// Sums along all axes but the first `kept`, in the datatype that is computed in.
///
/// # Errors
/// `Memory` if the result does not fit into memory.
pub(super) fn sum_after<T: Number>(tensor: Tensor, kept: usize) -> Result<Tensor> {
    let (shape, rest) = tensor.shape().split_at(kept);
    let (count, len) = (element_count(shape)?, element_count(rest)?);
    let shape = shape.to_vec();
    let elements = tensor.elements::<T>()?;
    let mut to = with_room(count)?;
    to.extend((0..count).map(|row| sum(&elements[row * len..(row + 1) * len], |x| x)));
    narrowed::<T>(&shape, to)
}
