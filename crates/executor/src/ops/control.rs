//! Control flow, which runs subgraphs: If, Loop and Scan.

use super::entry::{OperatorEntry, boxed, onnx};
use crate::error::{Error, Result};
use crate::index;
use crate::operator::{Build, Declared, Inputs, Operator, Subgraph};
use crate::strided_copy::{signed_strides, strided_copy};
use crate::tensor::{Element, Tensor, element_count, with_room};
use crate::with_element;

pub(super) const OPERATORS: &[OperatorEntry] = &[
    onnx("If", branches),
    onnx("Loop", looped),
    onnx("Scan", |build| boxed(Scan::read(build)?)),
];

fn branches(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    // Before the first branch is taken: the second one's captures come after those of the first.
    let starts = [
        first_capture(build, "then_branch"),
        first_capture(build, "else_branch"),
    ];
    let mut branch = |name, first_capture| -> Result<Body> {
        let graph = build.graph(name)?;
        Ok(Body {
            graph,
            first_capture,
        })
    };
    let then = branch("then_branch", starts[0])?;
    let otherwise = branch("else_branch", starts[1])?;
    let outputs = build.output_count();
    for branch in [&then, &otherwise] {
        branch.expect(0, 0)?;
        if branch.graph.graph.output_count() != outputs {
            return Err(Error::graph(format!(
                "a branch has {} outputs, expected {outputs}",
                branch.graph.graph.output_count()
            )));
        }
    }
    boxed(If { then, otherwise })
}

fn looped(build: &mut Build<'_>) -> Result<Box<dyn Operator>> {
    let body = body(build, "body")?;
    let states = build.input_count().saturating_sub(2);
    body.expect(states + 2, states + 1)?;
    boxed(Loop { body, states })
}

/// A subgraph, and the position of its first captured value among the node's inputs.
struct Body {
    graph: Subgraph,
    first_capture: usize,
}

/// The position of a subgraph's first captured value: captures follow the declared inputs, in the order of the subgraphs.
fn first_capture(build: &Build<'_>, name: &str) -> usize {
    let before = build.graphs.iter().take_while(|(other, _)| other != name);
    build.input_count() + before.map(|(_, graph)| graph.captures).sum::<usize>()
}

fn body(build: &mut Build<'_>, name: &str) -> Result<Body> {
    let first_capture = first_capture(build, name);
    let graph = build.graph(name)?;
    Ok(Body {
        graph,
        first_capture,
    })
}

impl Body {
    /// Rejects a subgraph that does not take `inputs` values beside its captures, or has fewer than `least_outputs`.
    fn expect(&self, inputs: usize, least_outputs: usize) -> Result<()> {
        let (actual, outputs) = (
            self.graph.graph.input_count(),
            self.graph.graph.output_count(),
        );
        if actual != inputs + self.graph.captures {
            return Err(Error::graph(format!(
                "the subgraph has {} inputs, expected {inputs}",
                actual.saturating_sub(self.graph.captures)
            )));
        }
        if outputs < least_outputs {
            return Err(Error::graph(format!(
                "the subgraph has {outputs} outputs, expected at least {least_outputs}"
            )));
        }
        Ok(())
    }

    fn run(&self, values: Vec<Tensor>, inputs: &Inputs<'_>) -> Result<Vec<Tensor>> {
        let captures = self.first_capture..self.first_capture + self.graph.captures;
        let lent = captures.map(|at| inputs.required(at));
        self.graph
            .graph
            .run(values, &lent.collect::<Result<Vec<_>>>()?)
    }
}

/// Reads a condition: one BOOL.
fn condition(tensor: &Tensor) -> Result<bool> {
    match tensor.elements::<bool>()? {
        [condition] => Ok(*condition),
        other => Err(Error::input(format!(
            "the condition has {} values, expected 1",
            other.len()
        ))),
    }
}

/// If: runs one of two subgraphs.
struct If {
    then: Body,
    otherwise: Body,
}

impl Operator for If {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let branch = match condition(inputs.required(0)?)? {
            true => &self.then,
            false => &self.otherwise,
        };
        branch.run(Vec::new(), &inputs)
    }

    /// A branch may contain a loop.
    fn is_deterministic(&self) -> bool {
        [&self.then, &self.otherwise]
            .iter()
            .all(|branch| branch.graph.graph.is_deterministic())
    }
}

/// Loop: runs a subgraph repeatedly, with the outputs of each iteration as inputs of the next.
struct Loop {
    body: Body,
    states: usize,
}

impl Operator for Loop {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let trips = match inputs.get(0) {
            Some(trips) => match trips.elements::<i64>()? {
                [trips] => *trips,
                other => {
                    return Err(Error::input(format!(
                        "the trip count has {} values, expected 1",
                        other.len()
                    )));
                }
            },
            None => i64::MAX,
        };
        let mut goes_on = inputs.get(1).map_or(Ok(true), condition)?;
        let mut states = (0..self.states)
            .map(|at| inputs.take(at + 2))
            .collect::<Result<Vec<_>>>()?;
        let scans = self.body.graph.graph.output_count() - 1 - self.states;
        let mut rows: Vec<Vec<Tensor>> = vec![Vec::new(); scans];
        let mut trip = 0;
        while goes_on && trip < trips {
            let mut values = vec![Tensor::scalar(trip), Tensor::scalar(true)];
            values.append(&mut states);
            let mut outputs = self.body.run(values, &inputs)?;
            for (rows, row) in rows.iter_mut().zip(outputs.drain(1 + self.states..)) {
                rows.push(row);
            }
            goes_on = condition(&outputs[0])?;
            states.extend(outputs.drain(1..));
            trip += 1;
        }
        let declared = &self.body.graph.outputs;
        for (at, rows) in rows.iter().enumerate() {
            let declared = declared.get(1 + self.states + at);
            states.push(stacked(rows, 0, declared)?);
        }
        Ok(states)
    }

    /// A loop may never end. The host's time limit stops it during a request, but nothing would stop it at load time: a
    /// loop over constants is not computed in advance.
    fn is_deterministic(&self) -> bool {
        false
    }
}

/// Stacks tensors of one shape along a new axis. Without any, the result has no elements, and the datatype and the shape
/// that the subgraph declares for each.
fn stacked(rows: &[Tensor], axis: i64, declared: Option<&Declared>) -> Result<Tensor> {
    let Some(first) = rows.first() else {
        let unknown = || {
            Error::unsupported(
                "a loop or scan without iterations is not supported if its subgraph does not declare the datatype of a \
                 scan output",
            )
        };
        let declared = declared.ok_or_else(unknown)?;
        let datatype = declared.datatype.ok_or_else(unknown)?;
        let mut shape = declared.shape.clone();
        shape.insert(index::axis(axis, shape.len() + 1)?, 0);
        return with_element!(datatype, T => Tensor::of(&shape, Vec::<T>::new()));
    };
    let rank = first.rank() + 1;
    let axis = index::axis(axis, rank)?;
    if let Some(other) = rows
        .iter()
        .find(|row| row.shape() != first.shape() || row.datatype() != first.datatype())
    {
        return Err(Error::input(format!(
            "a scan output is {} of shape {:?}, but {} of shape {:?} in the first iteration",
            other.datatype(),
            other.shape(),
            first.datatype(),
            first.shape()
        )));
    }
    let mut shape = first.shape().to_vec();
    shape.insert(axis, rows.len());
    let count = element_count(&shape)?;
    let inner = element_count(&first.shape()[axis..])?;
    with_element!(first.datatype(), T => {
        let mut result: Vec<T> = with_room(count)?;
        let slices = rows.iter().map(Tensor::elements::<T>).collect::<Result<Vec<_>>>()?;
        if count > 0 {
            for at in (0..first.len()).step_by(inner) {
                slices.iter().for_each(|row| result.extend_from_slice(&row[at..at + inner]));
            }
        }
        Tensor::new(shape, T::wrap(result))
    })
}

/// Copies the slice at one position of an axis.
fn at(tensor: &Tensor, axis: usize, place: usize) -> Result<Tensor> {
    let mut shape = tensor.shape().to_vec();
    let mut steps = signed_strides(&shape);
    let offset = place * index::strides(&shape)[axis];
    shape.remove(axis);
    steps.remove(axis);
    let data = strided_copy(tensor.data(), offset, &shape, &steps)?;
    Tensor::new(shape, data)
}

/// Scan: runs a subgraph for each position along an axis of the scan inputs, and passes states from one iteration to the
/// next. In version 8 it runs for each item of a batch.
struct Scan {
    body: Body,
    states: usize,
    scans: usize,
    outputs: usize,
    is_batched: bool,
    input_axes: Vec<i64>,
    output_axes: Vec<i64>,
    input_reversed: Vec<bool>,
    output_reversed: Vec<bool>,
}

impl Scan {
    fn read(build: &mut Build<'_>) -> Result<Self> {
        let attributes = build.attributes();
        let body = body(build, "body")?;
        let is_batched = build.opset < 9;
        let given = build.input_count() - usize::from(is_batched && build.input_count() > 0);
        let scans = usize::try_from(attributes.required_int("num_scan_inputs")?)
            .ok()
            .filter(|&scans| scans > 0 && scans <= given)
            .ok_or_else(|| {
                Error::graph(format!(
                    "the attribute `num_scan_inputs` is not between 1 and {given}, the number of inputs"
                ))
            })?;
        let states = given - scans;
        body.expect(given, states)?;
        let outputs = body.graph.graph.output_count() - states;
        let ints = |name: &str, count: usize| match attributes.ints(name) {
            None => Ok(vec![0; count]),
            Some(given) if given.len() == count => Ok(given.to_vec()),
            Some(given) => Err(Error::graph(format!(
                "the attribute `{name}` has {} numbers, expected {count}",
                given.len()
            ))),
        };
        let flags = |name: &str, count: usize| -> Result<Vec<bool>> {
            Ok(ints(name, count)?.iter().map(|&flag| flag != 0).collect())
        };
        let directions = if is_batched {
            "directions"
        } else {
            "scan_input_directions"
        };
        Ok(Self {
            states,
            scans,
            outputs,
            is_batched,
            input_axes: ints("scan_input_axes", scans)?,
            output_axes: ints("scan_output_axes", outputs)?,
            input_reversed: flags(directions, scans)?,
            output_reversed: flags("scan_output_directions", outputs)?,
            body,
        })
    }

    fn scan(
        &self,
        mut states: Vec<Tensor>,
        scans: &[Tensor],
        captures: &Inputs<'_>,
    ) -> Result<Vec<Tensor>> {
        let mut axes = Vec::new();
        let mut length = None;
        for (scan, &axis) in scans.iter().zip(&self.input_axes) {
            let axis = index::axis(axis, scan.rank())?;
            let own = scan.shape()[axis];
            if *length.get_or_insert(own) != own {
                return Err(Error::input(format!(
                    "the scan inputs have different lengths, {} and {own}",
                    length.unwrap_or(own)
                )));
            }
            axes.push(axis);
        }
        let length = length.unwrap_or(0);
        let mut rows: Vec<Vec<Tensor>> = vec![Vec::new(); self.outputs];
        for place in 0..length {
            let mut values = std::mem::take(&mut states);
            for ((scan, &axis), &reversed) in scans.iter().zip(&axes).zip(&self.input_reversed) {
                let place = if reversed { length - 1 - place } else { place };
                values.push(at(scan, axis, place)?);
            }
            let mut outputs = self.body.run(values, captures)?;
            for (rows, row) in rows.iter_mut().zip(outputs.drain(self.states..)) {
                rows.push(row);
            }
            states = outputs;
        }
        for (at, rows) in rows.iter_mut().enumerate() {
            if self.output_reversed[at] {
                rows.reverse();
            }
            let declared = self.body.graph.outputs.get(self.states + at);
            states.push(stacked(rows, self.output_axes[at], declared)?);
        }
        Ok(states)
    }
}

impl Operator for Scan {
    fn run(&self, mut inputs: Inputs<'_>) -> Result<Vec<Tensor>> {
        let first = usize::from(self.is_batched);
        let mut given = (0..self.states + self.scans)
            .map(|at| inputs.take(first + at))
            .collect::<Result<Vec<_>>>()?;
        if !self.is_batched {
            let scans = given.split_off(self.states);
            return self.scan(given, &scans, &inputs);
        }
        if inputs.get(0).is_some() {
            return Err(Error::unsupported(
                "the input of sequence lengths, which Scan has in version 8, is not supported",
            ));
        }
        let batch = given[self.states].shape().first().copied().unwrap_or(0);
        if given
            .iter()
            .any(|tensor| tensor.shape().first() != Some(&batch))
        {
            return Err(Error::input("the inputs have different batch sizes"));
        }
        let mut columns: Vec<Vec<Tensor>> = vec![Vec::new(); self.states + self.outputs];
        for image in 0..batch {
            let mut own = given
                .iter()
                .map(|tensor| at(tensor, 0, image))
                .collect::<Result<Vec<_>>>()?;
            let scans = own.split_off(self.states);
            let outputs = self.scan(own, &scans, &inputs)?;
            columns
                .iter_mut()
                .zip(outputs)
                .for_each(|(all, output)| all.push(output));
        }
        columns
            .iter()
            .map(|column| stacked(column, 0, None))
            .collect()
    }

    /// The subgraph may contain a loop.
    fn is_deterministic(&self) -> bool {
        self.body.graph.graph.is_deterministic()
    }
}
