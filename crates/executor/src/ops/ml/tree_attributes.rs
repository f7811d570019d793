//! The attributes of tree ensembles: nodes with ids (TreeEnsembleClassifier and TreeEnsembleRegressor), and branches and
//! leaves by position (TreeEnsemble).

use super::tree::{Aggregation, Child, Forest, Mode, Node};
use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::real::reals;
use crate::tensor::{Tensor, with_room};
use crate::tensor_proto;

/// Rejects an attribute whose number of elements is not that of another one.
fn check_count(name: &str, count: usize, expected: usize, of: &str) -> Result<()> {
    if count == expected {
        return Ok(());
    }
    Err(Error::graph(format!(
        "the attribute `{name}` has {count} elements, expected {expected} as `{of}`"
    )))
}

/// The elements of an attribute that is a list of floats, or a tensor in another attribute.
fn floats(attributes: Attributes<'_>, name: &str) -> Result<Option<Vec<f64>>> {
    let as_tensor = format!("{name}_as_tensor");
    if let Some(tensor) = attributes.tensor(&as_tensor) {
        return tensor_values(&tensor_proto::tensor(tensor.clone())?, &as_tensor).map(Some);
    }
    let Some(values) = attributes.floats(name) else {
        return Ok(None);
    };
    let mut result = with_room(values.len())?;
    result.extend(values.iter().map(|&value| f64::from(value)));
    Ok(Some(result))
}

fn tensor_values(tensor: &Tensor, name: &str) -> Result<Vec<f64>> {
    Ok(reals::<f64>(tensor)
        .map_err(|error| Error::unsupported(format!("the attribute `{name}`: {error}")))?
        .into_owned())
}

/// The elements of a required attribute that is a tensor.
fn tensor(attributes: Attributes<'_>, name: &str) -> Result<Vec<f64>> {
    let tensor = attributes.tensor(name).ok_or_else(|| missing(name))?;
    tensor_values(&tensor_proto::tensor(tensor.clone())?, name)
}

fn missing(name: &str) -> Error {
    Error::graph(format!("the attribute `{name}` is missing"))
}

fn required<'a>(attributes: Attributes<'a>, name: &str) -> Result<&'a [i64]> {
    attributes.ints(name).ok_or_else(|| missing(name))
}

fn feature(id: i64) -> Result<u32> {
    u32::try_from(id).map_err(|_| {
        Error::graph(format!(
            "the attribute `nodes_featureids` has {id}, expected positions of features"
        ))
    })
}

/// The base values: none, or one for each target, or a single one.
///
/// # Errors
/// `Graph` for another number of them.
pub fn base_values(attributes: Attributes<'_>, targets: usize) -> Result<Vec<f64>> {
    let values = floats(attributes, "base_values")?.unwrap_or_default();
    match values.len() {
        0 | 1 => Ok(values),
        count if count == targets => Ok(values),
        count => Err(Error::graph(format!(
            "the attribute `base_values` has {count} elements, expected 1 or {targets}, one for each target"
        ))),
    }
}

/// The names of the attributes that say which leaf has which weight.
pub struct LeafNames {
    /// The trees.
    pub trees: &'static str,
    /// The nodes.
    pub nodes: &'static str,
    /// The targets.
    pub targets: &'static str,
    /// The weights.
    pub weights: &'static str,
}

/// The nodes of all trees by their ids: the positions in the attributes, in the order of the ids.
struct Ids<'a> {
    trees: &'a [i64],
    nodes: &'a [i64],
    order: Vec<usize>,
}

impl<'a> Ids<'a> {
    fn new(trees: &'a [i64], nodes: &'a [i64]) -> Result<Self> {
        check_count("nodes_nodeids", nodes.len(), trees.len(), "nodes_treeids")?;
        let mut order = with_room(trees.len())?;
        order.extend(0..trees.len());
        order.sort_unstable_by_key(|&at: &usize| (trees[at], nodes[at]));
        let id = |at: usize| (trees[at], nodes[at]);
        if let Some(&[_, at]) = order
            .array_windows()
            .find(|&&[before, at]| id(before) == id(at))
        {
            return Err(Error::graph(format!(
                "the node {} of the tree {} is defined twice",
                nodes[at], trees[at]
            )));
        }
        Ok(Self {
            trees,
            nodes,
            order,
        })
    }

    fn of(&self, tree: i64, node: i64) -> Result<usize> {
        let found = self
            .order
            .binary_search_by_key(&(tree, node), |&at| (self.trees[at], self.nodes[at]));
        match found {
            Ok(found) => Ok(self.order[found]),
            Err(_) => Err(Error::graph(format!(
                "the node {node} of the tree {tree} does not exist"
            ))),
        }
    }

    /// The first node of each tree in the attributes, which is its root.
    fn roots(&self) -> Vec<usize> {
        let trees = self.order.chunk_by(|&a, &b| self.trees[a] == self.trees[b]);
        let mut roots: Vec<usize> = trees
            .filter_map(|tree| tree.iter().min().copied())
            .collect();
        roots.sort_unstable();
        roots
    }
}

/// Reads trees whose nodes have ids: `nodes_treeids`, `nodes_nodeids` and so on.
///
/// # Errors
/// `Graph` for attributes whose numbers of elements differ, and for nodes that do not exist or are defined twice.
pub fn forest_by_ids(
    attributes: Attributes<'_>,
    names: &LeafNames,
    targets: usize,
) -> Result<Forest> {
    let trees = required(attributes, "nodes_treeids")?;
    let ids = Ids::new(trees, required(attributes, "nodes_nodeids")?)?;
    let count = trees.len();
    let ints = |name: &str| -> Result<&[i64]> {
        let values = required(attributes, name)?;
        check_count(name, values.len(), count, "nodes_treeids")?;
        Ok(values)
    };
    let features = ints("nodes_featureids")?;
    let (yes, no) = (ints("nodes_truenodeids")?, ints("nodes_falsenodeids")?);
    let values: Vec<f64> =
        floats(attributes, "nodes_values")?.ok_or_else(|| missing("nodes_values"))?;
    check_count("nodes_values", values.len(), count, "nodes_treeids")?;
    let modes = attributes
        .strings("nodes_modes")
        .ok_or_else(|| missing("nodes_modes"))?;
    check_count("nodes_modes", modes.len(), count, "nodes_treeids")?;
    let missing = match attributes.ints("nodes_missing_value_tracks_true") {
        None | Some([]) => None,
        Some(_) => Some(ints("nodes_missing_value_tracks_true")?),
    };
    // The position of each node among the branches or among the leaves.
    let mut children = with_room(count)?;
    let (mut branches, mut leaves) = (0, 0);
    for mode in modes {
        let counter = match mode.as_str() {
            "LEAF" => &mut leaves,
            _ => &mut branches,
        };
        children.push(match mode.as_str() {
            "LEAF" => Child::leaf(*counter)?,
            _ => Child::branch(*counter)?,
        });
        *counter += 1;
    }
    let mut nodes = with_room(branches)?;
    for at in 0..count {
        let mode = match modes[at].as_str() {
            "LEAF" => continue,
            "BRANCH_LEQ" => Mode::LessOrEqual,
            "BRANCH_LT" => Mode::Less,
            "BRANCH_GTE" => Mode::GreaterOrEqual,
            "BRANCH_GT" => Mode::Greater,
            "BRANCH_EQ" => Mode::Equal,
            "BRANCH_NEQ" => Mode::NotEqual,
            other => {
                return Err(Error::graph(format!(
                    "the attribute `nodes_modes` has `{other}`, expected LEAF, BRANCH_LEQ, BRANCH_LT, BRANCH_GTE, \
                     BRANCH_GT, BRANCH_EQ or BRANCH_NEQ"
                )));
            }
        };
        nodes.push(Node {
            value: values[at],
            feature: feature(features[at])?,
            yes: children[ids.of(trees[at], yes[at])?],
            no: children[ids.of(trees[at], no[at])?],
            mode,
            is_missing_true: missing.is_some_and(|missing| missing[at] != 0),
        });
    }
    let leaf_trees = required(attributes, names.trees)?;
    let (leaf_nodes, leaf_targets) = (
        required(attributes, names.nodes)?,
        required(attributes, names.targets)?,
    );
    let leaf_weights: Vec<f64> =
        floats(attributes, names.weights)?.ok_or_else(|| self::missing(names.weights))?;
    for (name, actual) in [
        (names.nodes, leaf_nodes.len()),
        (names.targets, leaf_targets.len()),
        (names.weights, leaf_weights.len()),
    ] {
        check_count(name, actual, leaf_trees.len(), names.trees)?;
    }
    let mut weights = with_room(leaf_trees.len())?;
    for (at, &weight) in leaf_weights.iter().enumerate() {
        let target = target(leaf_targets[at], targets, names.targets)?;
        // As in ONNX Runtime, a branch's weights do not count.
        if let Some(leaf) = children[ids.of(leaf_trees[at], leaf_nodes[at])?].as_leaf() {
            weights.push((leaf, target, weight));
        }
    }
    let roots = ids.roots().into_iter().map(|at| children[at]).collect();
    Forest::new(nodes, roots, leaves, weights, Vec::new(), targets)
}

fn target(id: i64, targets: usize, name: &str) -> Result<usize> {
    usize::try_from(id)
        .ok()
        .filter(|&target| target < targets)
        .ok_or_else(|| {
            Error::graph(format!(
                "the attribute `{name}` has {id}, expected positions of {targets} targets"
            ))
        })
}

/// Reads the attribute `aggregate_function` where it is a string.
///
/// # Errors
/// `Graph` for an unknown name.
pub fn aggregation(attributes: Attributes<'_>) -> Result<Aggregation> {
    match attributes.string("aggregate_function", "SUM") {
        "AVERAGE" => Ok(Aggregation::Average),
        "SUM" => Ok(Aggregation::Sum),
        "MIN" => Ok(Aggregation::Min),
        "MAX" => Ok(Aggregation::Max),
        other => Err(Error::graph(format!(
            "the attribute `aggregate_function` is `{other}`, expected AVERAGE, SUM, MIN or MAX"
        ))),
    }
}

/// Reads the attribute `aggregate_function` where it is a number.
///
/// # Errors
/// `Graph` for an unknown number.
pub fn aggregation_number(attributes: Attributes<'_>) -> Result<Aggregation> {
    match attributes.int("aggregate_function", 1) {
        0 => Ok(Aggregation::Average),
        1 => Ok(Aggregation::Sum),
        2 => Ok(Aggregation::Min),
        3 => Ok(Aggregation::Max),
        other => Err(Error::graph(format!(
            "the attribute `aggregate_function` is {other}, expected 0 (AVERAGE), 1 (SUM), 2 (MIN) or 3 (MAX)"
        ))),
    }
}

/// Reads trees whose branches and leaves are numbered by position: `tree_roots`, `nodes_splits` and so on.
///
/// # Errors
/// `Graph` for attributes whose numbers of elements differ, and for positions that do not exist.
pub fn forest_by_position(attributes: Attributes<'_>, targets: usize) -> Result<Forest> {
    let features = required(attributes, "nodes_featureids")?;
    let count = features.len();
    let ints = |name: &str| -> Result<&[i64]> {
        let values = required(attributes, name)?;
        check_count(name, values.len(), count, "nodes_featureids")?;
        Ok(values)
    };
    let splits: Vec<f64> = tensor(attributes, "nodes_splits")?;
    check_count("nodes_splits", splits.len(), count, "nodes_featureids")?;
    let modes = attributes
        .tensor("nodes_modes")
        .ok_or_else(|| missing("nodes_modes"))?;
    let modes = tensor_proto::tensor(modes.clone())?;
    let modes: &[u8] = modes
        .elements()
        .map_err(|error| Error::unsupported(format!("the attribute `nodes_modes`: {error}")))?;
    check_count("nodes_modes", modes.len(), count, "nodes_featureids")?;
    let (yes, no) = (ints("nodes_truenodeids")?, ints("nodes_falsenodeids")?);
    let (is_yes_leaf, is_no_leaf) = (ints("nodes_trueleafs")?, ints("nodes_falseleafs")?);
    let missing_true = match attributes.ints("nodes_missing_value_tracks_true") {
        None | Some([]) => None,
        Some(_) => Some(ints("nodes_missing_value_tracks_true")?),
    };
    let leaf_targets = required(attributes, "leaf_targetids")?;
    let leaf_weights: Vec<f64> = tensor(attributes, "leaf_weights")?;
    let leaves = leaf_targets.len();
    check_count("leaf_weights", leaf_weights.len(), leaves, "leaf_targetids")?;
    let position = |id: i64, count: usize, name: &str| {
        let at = usize::try_from(id).ok().filter(|&at| at < count);
        at.ok_or_else(|| {
            Error::graph(format!(
                "the attribute `{name}` has {id}, expected positions below {count}"
            ))
        })
    };
    let child = |id: i64, is_leaf: i64, name: &str| match is_leaf {
        0 => Child::branch(position(id, count, name)?),
        _ => Child::leaf(position(id, leaves, name)?),
    };
    let mut members = match attributes.tensor("membership_values") {
        Some(_) => tensor(attributes, "membership_values")?,
        None => Vec::new(),
    };
    let has_sets = !members.is_empty();
    // The last set may end without its delimiter.
    if members.last().is_some_and(|member: &f64| member.is_nan()) {
        members.pop();
    }
    let given = members.split(|member: &f64| member.is_nan());
    let mut given = given.take(if has_sets { usize::MAX } else { 0 });
    let mut sets = Vec::new();
    let mut nodes = with_room(count)?;
    for at in 0..count {
        let mode = match modes[at] {
            0 => Mode::LessOrEqual,
            1 => Mode::Less,
            2 => Mode::GreaterOrEqual,
            3 => Mode::Greater,
            4 => Mode::Equal,
            5 => Mode::NotEqual,
            6 => Mode::Member,
            other => {
                return Err(Error::graph(format!(
                    "the attribute `nodes_modes` has {other}, expected 0 to 6"
                )));
            }
        };
        if mode == Mode::Member {
            let set = given.next().ok_or_else(|| {
                Error::graph(format!(
                    "the attribute `membership_values` has {} sets, expected one for each node of the mode 6 (BRANCH_MEMBER)",
                    sets.len()
                ))
            })?;
            sets.push((at, set.to_vec()));
        }
        nodes.push(Node {
            value: splits[at],
            feature: feature(features[at])?,
            yes: child(yes[at], is_yes_leaf[at], "nodes_truenodeids")?,
            no: child(no[at], is_no_leaf[at], "nodes_falsenodeids")?,
            mode,
            is_missing_true: missing_true.is_some_and(|missing| missing[at] != 0),
        });
    }
    if given.next().is_some() {
        return Err(Error::graph(format!(
            "the attribute `membership_values` has more than {} sets, expected one for each node of the mode 6 \
             (BRANCH_MEMBER)",
            sets.len()
        )));
    }
    let mut weights = with_room(leaves)?;
    for (leaf, (&id, &weight)) in leaf_targets.iter().zip(&leaf_weights).enumerate() {
        weights.push((leaf, target(id, targets, "leaf_targetids")?, weight));
    }
    let roots = required(attributes, "tree_roots")?.iter();
    let roots = roots
        .map(|&root| Child::branch(position(root, count, "tree_roots")?))
        .collect::<Result<Vec<_>>>()?;
    Forest::new(nodes, roots, leaves, weights, sets, targets)
}
