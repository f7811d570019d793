//! Logical, bitwise and comparison operators, and Where.

use super::arithmetic::broadcasting;
use super::entry::{OperatorEntry, onnx};
use crate::broadcast::{Runs, combine, zip};
use crate::error::{Error, Result};
use crate::index::broadcast;
use crate::number::{Arithmetic, Integer};
use crate::operator::{Build, Inputs, Operator};
use crate::tensor::{Data, Element, Tensor, element_count, with_room};
use crate::{with_element, with_integer, with_number};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("And", |build| broadcasting(build, Logic(|a, b| a && b))),
    onnx("BitShift", bit_shift),
    onnx("BitwiseAnd", |build| broadcasting(build, Bitwise::And)),
    onnx("BitwiseOr", |build| broadcasting(build, Bitwise::Or)),
    onnx("BitwiseXor", |build| broadcasting(build, Bitwise::Xor)),
    onnx("Equal", |build| broadcasting(build, Comparison::Equal)),
    onnx("Greater", |build| broadcasting(build, Comparison::Greater)),
    onnx("GreaterOrEqual", |build| {
        broadcasting(build, Comparison::GreaterOrEqual)
    }),
    onnx("Less", |build| broadcasting(build, Comparison::Less)),
    onnx("LessOrEqual", |build| {
        broadcasting(build, Comparison::LessOrEqual)
    }),
    onnx("Or", |build| broadcasting(build, Logic(|a, b| a || b))),
    onnx("Where", |build| broadcasting(build, Where)),
    onnx("Xor", |build| broadcasting(build, Logic(|a, b| a != b))),
];

fn bit_shift(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    match build.attributes().string("direction", "") {
        "LEFT" => broadcasting(build, Bitwise::Left),
        "RIGHT" => broadcasting(build, Bitwise::Right),
        other => Err(Error::graph(format!(
            "the attribute `direction` is `{other}`, expected `LEFT` or `RIGHT`"
        ))),
    }
}

/// And, Or and Xor of BOOL.
struct Logic(fn(bool, bool) -> bool);

impl Operator for Logic {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        Ok(vec![combine::<bool>(&mut inputs, self.0)?])
    }
}

/// BitwiseAnd, BitwiseOr, BitwiseXor and BitShift of integers. A shift by a negative number, or by at least the number of
/// bits, gives 0; a right shift of a negative number gives -1.
enum Bitwise {
    And,
    Or,
    Xor,
    Left,
    Right,
}

impl Operator for Bitwise {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        with_integer!(inputs.required(0)?.datatype(), T => {
            let function: fn(T, T) -> T = match self {
                Self::And => Integer::bits_and,
                Self::Or => Integer::bits_or,
                Self::Xor => Integer::bits_xor,
                Self::Left => |a, b| a.left(b.to_u32()),
                Self::Right => |a, b| match a.partial_cmp(&Arithmetic::ZERO) {
                    // An arithmetic shift repeats the sign bit.
                    Some(std::cmp::Ordering::Less) => {
                        a.right(b.to_u32().min(8 * size_of::<T>() as u32 - 1))
                    }
                    _ => a.right(b.to_u32()),
                },
            };
            Ok(vec![combine::<T>(&mut inputs, function)?])
        })
    }
}

/// Equal of all datatypes; Less, LessOrEqual, Greater and GreaterOrEqual of all number datatypes.
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator for Comparison {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (a, b) = (inputs.required(0)?, inputs.required(1)?);
        if let (Self::Equal, Data::Bool(_)) = (self, a.data()) {
            return Ok(vec![zip(a, b, |x: bool, y: bool| x == y)?]);
        }
        with_number!(a.datatype(), T => {
            let function: fn(T, T) -> bool = match self {
                Self::Equal => |x, y| x == y,
                Self::Less => |x, y| x < y,
                Self::LessOrEqual => |x, y| x <= y,
                Self::Greater => |x, y| x > y,
                Self::GreaterOrEqual => |x, y| x >= y,
            };
            Ok(vec![zip(a, b, function)?])
        })
    }
}

/// Where: elements of the second input where the first is true, of the third elsewhere.
struct Where;

impl Operator for Where {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let (condition, a, b) = (
            inputs.required(0)?,
            inputs.required(1)?,
            inputs.required(2)?,
        );
        with_element!(a.datatype(), T => Ok(vec![choose::<T>(condition, a, b)?]))
    }
}

fn choose<T: Element>(condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let shapes = [condition.shape(), a.shape(), b.shape()];
    let shape = broadcast(&shapes)?;
    let count = element_count(&shape)?;
    let conditions = condition.elements::<bool>()?;
    let (a, b) = (a.elements::<T>()?, b.elements::<T>()?);
    let mut to = with_room(count)?;
    if count > 0 {
        let runs = Runs::new(shapes, &shape);
        let [step, left, right] = runs.steps;
        for [at, x, y] in runs.starts() {
            match (step, conditions[at]) {
                (0, true) if left == 1 => to.extend_from_slice(&a[x..x + runs.len]),
                (0, false) if right == 1 => to.extend_from_slice(&b[y..y + runs.len]),
                _ => to.extend((0..runs.len).map(|i| match conditions[at + i * step] {
                    true => a[x + i * left],
                    false => b[y + i * right],
                })),
            }
        }
    }
    Tensor::of(&shape, to)
}
