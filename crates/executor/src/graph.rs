//! Runs graphs.

use std::collections::BTreeMap;

use rten_onnx::onnx::ModelProto;

use crate::error::{Error, Result};
use crate::ir::{Network, Node, Op, ValueId};
use crate::operator::{Input, Inputs, Operator, Runnable, Subgraph};
use crate::tensor::Tensor;
use crate::{build, load, optimize};

/// A graph that is ready to run: operators in the order in which they run, and constants.
pub struct Graph {
    steps: Vec<Step>,
    constants: BTreeMap<ValueId, Tensor>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
    values: usize,
}

/// A node that is ready to run.
struct Step {
    name: String,
    op_type: String,
    /// Whether an optimization pass made the operator.
    is_optimized: bool,
    operator: Box<dyn Operator>,
    inputs: Vec<Option<Use>>,
    outputs: Vec<Option<ValueId>>,
}

/// An input of a step.
#[derive(Clone, Copy)]
struct Use {
    value: ValueId,
    /// Whether no later step and no output of the graph uses the value, so that the operator may have it.
    is_last: bool,
}

impl Graph {
    /// Loads and optimizes a model's graph.
    ///
    /// # Errors
    /// `Graph` for a file that the specification does not allow, `Unsupported` for an operator, an attribute or a
    /// datatype that is not supported.
    pub fn load(model: ModelProto) -> Result<Self> {
        let network = load::network(model)?;
        build::check_operators(&network)?;
        Self::build(optimize::optimize(network)?)
    }

    /// Builds an operator for each node, and computes the nodes whose inputs are all constant.
    ///
    /// # Errors
    /// As [`Graph::load`].
    pub(crate) fn build(network: Network) -> Result<Self> {
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
            let name = node.name.clone();
            let op_type = node.op.name().to_owned();
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

    /// The number of inputs.
    #[must_use]
    pub fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// The number of outputs.
    #[must_use]
    pub fn output_count(&self) -> usize {
        self.outputs.len()
    }

    /// The names of the ONNX operators that no optimization pass has replaced.
    pub fn operators(&self) -> impl Iterator<Item = &str> {
        let plain = self.steps.iter().filter(|step| !step.is_optimized);
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
                // If a step uses a value twice, neither use is the last.
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

    /// Runs the graph. Inputs and outputs are in the graph's order, of any shape and datatype that its operators take.
    ///
    /// # Errors
    /// `Input` for values that do not fit the graph or each other, `Unsupported` for a datatype, `Memory`.
    pub fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        self.run_with(inputs, &[])
    }

    /// Runs the graph with its last inputs borrowed, so that the body of a loop can use captured values without a copy
    /// for each iteration.
    ///
    /// # Errors
    /// As [`Graph::run`].
    pub fn run_with(&self, inputs: Vec<Tensor>, lent: &[&Tensor]) -> Result<Vec<Tensor>> {
        let own = inputs.len();
        let mut values = self.initial(inputs, lent.len())?;
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

    /// Whether equal inputs give equal outputs, after a time that the inputs' sizes bound: whether every operator is
    /// deterministic.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.all(|step| step.operator.is_deterministic())
    }

    /// The values before the first step; the last `lent` inputs are left out.
    fn initial(&self, inputs: Vec<Tensor>, lent: usize) -> Result<Vec<Option<Tensor>>> {
        let actual = inputs.len() + lent;
        if actual != self.inputs.len() {
            return Err(Error::input(format!(
                "expected {} inputs, got {actual}",
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

    /// Runs the graph several times. Returns, for each step in order, the operator's name and its shortest time in
    /// seconds.
    ///
    /// # Errors
    /// As [`Graph::run`].
    pub fn profile(&self, inputs: Vec<Tensor>, runs: usize) -> Result<Vec<(String, f64)>> {
        let mut least = vec![f64::MAX; self.steps.len()];
        for _ in 0..runs {
            let mut values = self.initial(inputs.clone(), 0)?;
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
        // Inputs that the step owns are taken out first; the others can then be borrowed.
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
                "the node has {} outputs, the operator {}",
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

/// The step that runs a node; `None` if its inputs are constant and its outputs have become constants too.
fn step(node: Node, constants: &mut BTreeMap<ValueId, Tensor>) -> Result<Option<Step>> {
    let Node {
        name,
        op,
        mut inputs,
        outputs,
    } = node;
    let op_type = op.name().to_owned();
    let is_optimized = op.onnx().is_none();
    let operator = match op {
        Op::Onnx(mut onnx) => {
            let mut graphs = Vec::with_capacity(onnx.graphs.len());
            for subnetwork in &mut onnx.graphs {
                let network = std::mem::take(&mut subnetwork.network);
                let subgraph = Subgraph {
                    graph: Box::new(Graph::build(network)?),
                    captures: subnetwork.captures,
                    outputs: std::mem::take(&mut subnetwork.outputs),
                };
                graphs.push((subnetwork.attribute.clone(), subgraph));
            }
            build::onnx(&onnx, &mut inputs, &outputs, graphs, constants)?
        }
        op => build::optimized(op)?,
    };
    if build::fold(&*operator, &inputs, &outputs, constants)? {
        return Ok(None);
    }
    let inputs = inputs.into_iter().map(|id| {
        id.map(|value| Use {
            value,
            is_last: false,
        })
    });
    Ok(Some(Step {
        name,
        op_type,
        is_optimized,
        operator,
        inputs: inputs.collect(),
        outputs,
    }))
}
