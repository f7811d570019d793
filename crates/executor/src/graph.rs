//! A graph that is ready to run.

use std::collections::BTreeMap;

use rten_onnx::onnx::ModelProto;

use crate::error::{Error, Result};
use crate::ir::{Network, Node, ValueId};
use crate::operator::{Build, Input, Inputs, Operator, Runnable};
use crate::tensor::Tensor;
use crate::{load, ops, rewrite};

/// A graph: its operators, in the order in which they run, and what is known before any request.
pub struct Graph {
    steps: Vec<Step>,
    constants: BTreeMap<ValueId, Tensor>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
    values: usize,
}

pub(crate) struct Step {
    name: String,
    op_type: String,
    is_rewritten: bool,
    operator: Box<dyn Operator>,
    inputs: Vec<Option<Use>>,
    outputs: Vec<Option<ValueId>>,
}

/// A value that a step uses.
#[derive(Clone, Copy)]
struct Use {
    value: ValueId,
    /// Nobody needs it afterwards.
    is_last: bool,
}

impl Graph {
    /// Read a model's graph and make it ready to run.
    ///
    /// # Errors
    /// `Graph` for what the specification does not allow, `Unsupported` for an operator, an attribute or a
    /// datatype that is not done here.
    pub fn load(model: ModelProto) -> Result<Self> {
        Self::build(rewrite::rewrite(load::network(model)?)?)
    }

    /// Build an operator for each node, and run those whose inputs are all constant.
    ///
    /// # Errors
    /// As [`Graph::load`].
    pub fn build(network: Network) -> Result<Self> {
        let Network {
            nodes,
            mut constants,
            inputs,
            outputs,
            values,
            ..
        } = network;
        let mut steps = Vec::with_capacity(nodes.len());
        for node in nodes {
            let name = node.proto.name.clone().unwrap_or_default();
            let op_type = node.op_type().to_owned();
            step(node, &mut constants)
                .map(|built| steps.extend(built))
                .map_err(|error| error.at(&name, &op_type))?;
        }
        let mut graph = Self {
            steps,
            constants,
            inputs,
            outputs,
            values,
        };
        graph.find_last_uses();
        Ok(graph)
    }

    /// How many inputs it takes.
    #[must_use]
    pub fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// How many outputs it gives.
    #[must_use]
    pub fn output_count(&self) -> usize {
        self.outputs.len()
    }

    /// The operators of the steps that no rewriting has made, by their ONNX names.
    pub fn operators(&self) -> impl Iterator<Item = &str> {
        let plain = self.steps.iter().filter(|step| !step.is_rewritten);
        plain.map(|step| step.op_type.as_str())
    }

    fn find_last_uses(&mut self) {
        let mut needed = vec![false; self.values];
        let mut used = vec![false; self.values];
        for &output in &self.outputs {
            needed[output] = true;
            used[output] = true;
        }
        for step in self.steps.iter_mut().rev() {
            for input in step.inputs.iter_mut().flatten() {
                // Of two inputs of one step that are the same value, neither is the last.
                input.is_last = !needed[input.value];
                used[input.value] = true;
            }
            let twice = |value: ValueId, inputs: &[Option<Use>]| {
                inputs
                    .iter()
                    .flatten()
                    .filter(|other| other.value == value)
                    .count()
                    > 1
            };
            let inputs = step.inputs.clone();
            for input in step.inputs.iter_mut().flatten() {
                needed[input.value] = true;
                input.is_last &= !twice(input.value, &inputs);
            }
        }
        self.constants.retain(|&id, _| used[id]);
    }

    /// Run the graph; inputs and outputs are in its own order.
    ///
    /// # Errors
    /// `Input` for values that it cannot be computed with, `Unsupported`, `Memory`.
    pub fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        self.run_with(inputs, &[])
    }

    /// As [`Graph::run`], with the last of the inputs lent instead of given: a graph inside another one that runs
    /// many times takes what is outside of it without a copy each time.
    ///
    /// # Errors
    /// As [`Graph::run`].
    pub fn run_with(&self, inputs: Vec<Tensor>, lent: &[&Tensor]) -> Result<Vec<Tensor>> {
        let own = inputs.len();
        let mut values = self.given(inputs, lent.len())?;
        let lent = self.inputs[own..].iter().copied().zip(lent.iter().copied());
        let lent: BTreeMap<ValueId, &Tensor> = lent.collect();
        for step in &self.steps {
            self.run_step(step, &mut values, &lent)
                .map_err(|error| error.at(&step.name, &step.op_type))?;
        }
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for (position, &id) in self.outputs.iter().enumerate() {
            let again = self.outputs[position + 1..].contains(&id);
            let found = match self.constants.get(&id) {
                Some(constant) => Some(constant.clone()),
                None if again => values[id].clone(),
                None => values[id].take(),
            };
            let found = found.or_else(|| lent.get(&id).map(|&tensor| tensor.clone()));
            outputs.push(found.ok_or_else(|| Error::graph("an output was not computed"))?);
        }
        Ok(outputs)
    }

    /// Whether the same inputs always give the same outputs, after a time that the inputs' sizes bound: each of
    /// its operators says so.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.all(|step| step.operator.is_deterministic())
    }

    /// The values before the first step, of which the last `lent` inputs are none.
    fn given(&self, inputs: Vec<Tensor>, lent: usize) -> Result<Vec<Option<Tensor>>> {
        let came = inputs.len() + lent;
        if came != self.inputs.len() {
            return Err(Error::input(format!(
                "expected {} inputs, came {came}",
                self.inputs.len()
            )));
        }
        let mut values: Vec<Option<Tensor>> = Vec::new();
        values.resize_with(self.values, || None);
        for (&id, tensor) in self.inputs.iter().zip(inputs) {
            values[id] = Some(tensor);
        }
        Ok(values)
    }

    /// Run the graph that often and give, for each step in its order, its operator and the least seconds that it
    /// took.
    ///
    /// # Errors
    /// As [`Graph::run`].
    pub fn profile(&self, inputs: Vec<Tensor>, runs: usize) -> Result<Vec<(String, f64)>> {
        let mut least = vec![f64::MAX; self.steps.len()];
        for _ in 0..runs {
            let mut values = self.given(inputs.clone(), 0)?;
            for (step, least) in self.steps.iter().zip(&mut least) {
                let start = std::time::Instant::now();
                self.run_step(step, &mut values, &BTreeMap::new())
                    .map_err(|error| error.at(&step.name, &step.op_type))?;
                *least = least.min(start.elapsed().as_secs_f64());
            }
        }
        let names = self.steps.iter().map(|step| step.op_type.clone());
        Ok(names.zip(least).collect())
    }

    fn run_step(
        &self,
        step: &Step,
        values: &mut [Option<Tensor>],
        lent: &BTreeMap<ValueId, &Tensor>,
    ) -> Result<()> {
        // Those that nobody else needs are taken out first; what is left can be lent.
        let mut owned: Vec<Option<Tensor>> = step
            .inputs
            .iter()
            .map(|input| match input {
                Some(input) if input.is_last => values[input.value].take(),
                _ => None,
            })
            .collect();
        let mut inputs = Vec::with_capacity(step.inputs.len());
        for (input, owned) in step.inputs.iter().zip(&mut owned) {
            inputs.push(match (input, owned.take()) {
                (_, Some(tensor)) => Some(Input::Owned(tensor)),
                (Some(input), None) => {
                    let lent = self
                        .constants
                        .get(&input.value)
                        .or(values[input.value].as_ref())
                        .or_else(|| lent.get(&input.value).copied());
                    let lent = lent.ok_or_else(|| Error::graph("an input was not computed"))?;
                    Some(Input::Borrowed(lent))
                }
                (None, None) => None,
            });
        }
        let outputs = step.operator.run(Inputs::new(inputs))?;
        if outputs.len() < step.outputs.len() {
            return Err(Error::unsupported(format!(
                "{} outputs are asked for, there are {}",
                step.outputs.len(),
                outputs.len()
            )));
        }
        for (id, tensor) in step.outputs.iter().zip(outputs) {
            if let Some(id) = id {
                values[*id] = Some(tensor);
            }
        }
        Ok(())
    }
}

impl Runnable for Graph {
    fn input_count(&self) -> usize {
        self.input_count()
    }

    fn output_count(&self) -> usize {
        self.output_count()
    }

    fn run(&self, inputs: Vec<Tensor>, captures: &[&Tensor]) -> Result<Vec<Tensor>> {
        self.run_with(inputs, captures)
    }

    fn is_deterministic(&self) -> bool {
        self.is_deterministic()
    }
}

/// A node's step; none when it could be run at once, which is when all it needs is constant.
pub(crate) fn step(node: Node, constants: &mut BTreeMap<ValueId, Tensor>) -> Result<Option<Step>> {
    let Node {
        proto,
        opset,
        mut inputs,
        outputs,
        graphs,
        operator,
        levels: _,
    } = node;
    let is_rewritten = operator.is_some();
    let operator = match operator {
        Some(operator) => operator,
        None => {
            let mut build = Build {
                node: &proto,
                opset,
                constants: inputs
                    .iter()
                    .map(|id| id.and_then(|id| constants.get(&id)))
                    .collect(),
                consumed: Vec::new(),
                graphs,
            };
            let operator = ops::build(&mut build)?;
            for position in build.consumed {
                inputs[position] = None;
            }
            operator
        }
    };
    let known: Option<Vec<Option<Input>>> = inputs
        .iter()
        .map(|id| match id {
            None => Some(None),
            Some(id) => constants
                .get(id)
                .map(|tensor| Some(Input::Borrowed(tensor))),
        })
        .collect();
    if let Some(known) = known.filter(|_| operator.is_deterministic()) {
        let computed = operator.run(Inputs::new(known))?;
        if computed.len() >= outputs.len() {
            for (id, tensor) in outputs.iter().zip(computed) {
                if let Some(id) = id {
                    constants.insert(*id, tensor);
                }
            }
            return Ok(None);
        }
    }
    Ok(Some(Step {
        name: proto.name.unwrap_or_default(),
        op_type: proto.op_type.unwrap_or_default(),
        is_rewritten,
        operator,
        inputs: inputs
            .into_iter()
            .map(|id| {
                id.map(|value| Use {
                    value,
                    is_last: false,
                })
            })
            .collect(),
        outputs,
    }))
}
