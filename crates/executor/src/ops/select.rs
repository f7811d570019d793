//! Selecting elements by value: ArgMax, ArgMin, NonZero, TopK and Unique.

use std::cmp::Ordering;

use super::entry::{OperatorEntry, boxed, microsoft, onnx};
use crate::error::{Error, Result};
use crate::index::axis;
use crate::operator::{Build, Inputs, Operator};
use crate::strided_copy::{Rows, gather_runs, transposed};
use crate::tensor::{Element, Tensor, element_count, filled, with_room};
use crate::{with_element, with_number};

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("ArgMax", |build| arg_max(build, true)),
    onnx("ArgMin", |build| arg_max(build, false)),
    onnx("NonZero", |_| boxed(NonZero)),
    onnx("TopK", top_k),
    onnx("Unique", unique),
    microsoft("Unique", |_| {
        boxed(FirstUnique(Unique {
            axis: None,
            is_sorted: false,
        }))
    }),
];

fn arg_max(build: &Build<'_>, largest: bool) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(ArgMax {
        axis: attributes.int("axis", 0),
        keeps_axis: attributes.flag("keepdims", true),
        is_last: attributes.flag("select_last_index", false),
        largest,
    })
}

fn top_k(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(TopK {
        axis: attributes.int("axis", -1),
        count: match build.opset < 10 {
            true => Some(attributes.required_int("k")?),
            false => None,
        },
        largest: attributes.flag("largest", true),
    })
}

fn unique(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let attributes = build.attributes();
    boxed(Unique {
        axis: attributes.optional_int("axis"),
        is_sorted: attributes.flag("sorted", true),
    })
}

/// A total order of values: NaN comes after all others.
fn compare<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    let is_nan = |x: &T| x.partial_cmp(x).is_none();
    a.partial_cmp(b)
        .unwrap_or_else(|| is_nan(a).cmp(&is_nan(b)))
}

/// ArgMax and ArgMin: the index of the largest or smallest element along an axis. Of equal ones it is the first or, with
/// `select_last_index` (since version 12), the last.
struct ArgMax {
    axis: i64,
    keeps_axis: bool,
    is_last: bool,
    largest: bool,
}

impl Operator for ArgMax {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        let at = axis(self.axis, input.rank())?;
        let mut shape = input.shape().to_vec();
        let len = shape[at];
        match self.keeps_axis {
            true => shape[at] = 1,
            false => drop(shape.remove(at)),
        }
        let count = element_count(&shape)?;
        if len == 0 && count > 0 {
            return Err(Error::input(format!(
                "axis {at} has no elements, expected at least 1"
            )));
        }
        let (_, rows) = Rows::along(input, at)?;
        with_number!(rows.datatype(), T => {
            let elements = rows.elements::<T>()?;
            let mut to = with_room::<i64>(count)?;
            to.extend((0..count).map(|row| {
                let row = &elements[row * len..(row + 1) * len];
                let mut found = 0;
                for (at, element) in row.iter().enumerate() {
                    let is_better = match self.largest {
                        true => *element > row[found],
                        false => *element < row[found],
                    };
                    if is_better || (self.is_last && *element == row[found]) {
                        found = at;
                    }
                }
                found as i64
            }));
            Ok(vec![Tensor::of(&shape, to)?])
        })
    }
}

/// NonZero: the positions of the elements that are not zero, with one row per axis.
struct NonZero;

impl Operator for NonZero {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.required(0)?;
        // A scalar counts as a tensor with one axis.
        let shape = match input.shape() {
            [] => vec![1],
            shape => shape.to_vec(),
        };
        with_element!(input.datatype(), T => {
            let zero = T::default();
            let elements = input.elements::<T>()?;
            let count = elements.iter().filter(|&&element| element != zero).count();
            let mut to = filled(element_count(&[shape.len(), count])?, 0i64)?;
            let found = elements.iter().enumerate().filter(|(_, element)| **element != zero);
            for (column, (mut offset, _)) in found.enumerate() {
                for (axis, size) in shape.iter().enumerate().rev() {
                    to[axis * count + column] = (offset % size) as i64;
                    offset /= size;
                }
            }
            Ok(vec![Tensor::of(&[shape.len(), count], to)?])
        })
    }
}

/// TopK: the largest (or, since version 11, smallest) elements along an axis, and their indices; equal ones in order of
/// index. The result is always sorted.
struct TopK {
    axis: i64,
    /// The number of elements, if it is an attribute (before version 10).
    count: Option<i64>,
    largest: bool,
}

impl Operator for TopK {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let asked = match self.count {
            Some(count) => vec![count],
            None => inputs.required(1)?.to_i64()?,
        };
        let input = inputs.take(0)?;
        let at = axis(self.axis, input.rank())?;
        let len = input.shape()[at];
        let count = match asked[..] {
            [count] => usize::try_from(count).ok().filter(|&count| count <= len),
            _ => None,
        };
        let Some(count) = count else {
            return Err(Error::input(format!(
                "the number of elements is {asked:?}, expected one number from 0 to {len}"
            )));
        };
        let (order, rows) = Rows::along(input, at)?;
        let mut shape = rows.shape().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = count;
        }
        let total = element_count(&shape)?;
        with_number!(rows.datatype(), T => {
            let elements = rows.elements::<T>()?;
            let (mut values, mut places) = (with_room::<T>(total)?, with_room::<i64>(total)?);
            let mut found: Vec<usize> = with_room(len)?;
            for row in elements.chunks_exact(len.max(1)).take(total.div_ceil(count.max(1))) {
                found.clear();
                found.extend(0..len);
                let better = |a: &usize, b: &usize| {
                    let by_value = match self.largest {
                        true => compare(&row[*b], &row[*a]),
                        false => compare(&row[*a], &row[*b]),
                    };
                    by_value.then(a.cmp(b))
                };
                if count < len {
                    found.select_nth_unstable_by(count, better);
                    found.truncate(count);
                }
                found.sort_unstable_by(better);
                values.extend(found.iter().map(|&at| row[at]));
                places.extend(found.iter().map(|&at| at as i64));
            }
            Ok(vec![
                order.back(Tensor::of(&shape, values)?)?,
                order.back(Tensor::of(&shape, places)?)?,
            ])
        })
    }
}

/// Unique: the distinct elements, or slices along an axis; the index of the first of each, the inverse indices, and the
/// counts.
struct Unique {
    axis: Option<i64>,
    is_sorted: bool,
}

/// A set of equal items.
struct Group {
    first: usize,
    count: i64,
}

impl Operator for Unique {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let input = inputs.take(0)?;
        // The items are transposed to the first axis.
        let (rows, order) = match self.axis {
            None => {
                let count = input.len();
                (input.reshaped(vec![count])?, vec![0])
            }
            Some(given) => {
                let at = axis(given, input.rank())?;
                let mut order = vec![at];
                order.extend((0..input.rank()).filter(|&axis| axis != at));
                (transposed(&input, &order)?, order)
            }
        };
        let items = rows.shape()[0];
        let run = element_count(&rows.shape()[1..])?;
        // A file can declare any number of empty slices without using memory; iterating over them could take forever.
        if run == 0 && items > 0 {
            return Err(Error::input(format!(
                "slices of shape {:?} have no elements, expected at least 1",
                &rows.shape()[1..]
            )));
        }
        let (groups, inverse) = with_element!(rows.datatype(), T => {
            self.groups(rows.elements::<T>()?, items, run)?
        });
        let starts: Vec<usize> = groups.iter().map(|group| group.first * run).collect();
        let mut shape = rows.shape().to_vec();
        shape[0] = groups.len();
        let found = Tensor::new(shape, gather_runs(rows.data(), run, &starts)?)?;
        let mut back = vec![0; order.len()];
        for (at, &axis) in order.iter().enumerate() {
            back[axis] = at;
        }
        Ok(vec![
            transposed(&found, &back)?,
            Tensor::vector(groups.iter().map(|group| group.first as i64).collect()),
            Tensor::vector(inverse),
            Tensor::vector(groups.iter().map(|group| group.count).collect()),
        ])
    }
}

/// Unique of `com.microsoft`: the values in the order of their first elements, the position in them of each element, and how
/// often each occurs.
struct FirstUnique(Unique);

impl Operator for FirstUnique {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let mut outputs = self.0.run(inputs)?;
        outputs.remove(1);
        Ok(outputs)
    }
}

impl Unique {
    fn groups<T: Element + PartialOrd>(
        &self,
        elements: &[T],
        items: usize,
        run: usize,
    ) -> Result<(Vec<Group>, Vec<i64>)> {
        let row = |item: usize| &elements[item * run..(item + 1) * run];
        let order_of = |a: usize, b: usize| {
            row(a)
                .iter()
                .zip(row(b))
                .map(|(a, b)| compare(a, b))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        };
        let mut sorted: Vec<usize> = with_room(items)?;
        sorted.extend(0..items);
        sorted.sort_by(|&a, &b| order_of(a, b));
        let mut groups: Vec<Group> = Vec::new();
        let mut inverse = filled(items, 0i64)?;
        for (at, &item) in sorted.iter().enumerate() {
            let is_same = at > 0 && order_of(sorted[at - 1], item).is_eq();
            match groups.last_mut().filter(|_| is_same) {
                Some(group) => group.count += 1,
                None => groups.push(Group {
                    first: item,
                    count: 1,
                }),
            }
            inverse[item] = groups.len() as i64 - 1;
        }
        if !self.is_sorted {
            let mut order: Vec<usize> = (0..groups.len()).collect();
            order.sort_unstable_by_key(|&group| groups[group].first);
            let mut moved = filled(groups.len(), 0i64)?;
            for (to, &from) in order.iter().enumerate() {
                moved[from] = to as i64;
            }
            for item in &mut inverse {
                *item = moved[usize::try_from(*item).unwrap_or_default()];
            }
            groups.sort_unstable_by_key(|group| group.first);
        }
        Ok((groups, inverse))
    }
}
