//! Decision trees: flat arrays of nodes, and the walk from a root to a leaf.

use crate::error::{Error, Result};
use crate::real::Real;
use crate::tensor::{filled, with_room};

/// The comparison of a feature with the value of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Less than the value, or equal to it.
    LessOrEqual,
    /// Less than the value.
    Less,
    /// Greater than the value, or equal to it.
    GreaterOrEqual,
    /// Greater than the value.
    Greater,
    /// Equal to the value.
    Equal,
    /// Not equal to the value.
    NotEqual,
    /// A member of the node's set.
    Member,
}

/// A child of a node: a branch, or a leaf, which has the highest bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child(u32);

const LEAF: u32 = 1 << 31;

impl Child {
    /// The branch at that position.
    ///
    /// # Errors
    /// `Unsupported` if the position needs more than 31 bits.
    pub fn branch(at: usize) -> Result<Self> {
        u32::try_from(at)
            .ok()
            .filter(|&at| at < LEAF)
            .map(Self)
            .ok_or_else(|| {
                Error::unsupported(format!(
                    "{at} nodes of trees are not supported, expected fewer than {LEAF}"
                ))
            })
    }

    /// The leaf at that position.
    ///
    /// # Errors
    /// As [`Child::branch`].
    pub fn leaf(at: usize) -> Result<Self> {
        Self::branch(at).map(|Self(at)| Self(at | LEAF))
    }

    /// The leaf's position; `None` for a branch.
    #[must_use]
    pub fn as_leaf(self) -> Option<usize> {
        self.is_leaf().then(|| self.at())
    }

    fn is_leaf(self) -> bool {
        self.0 & LEAF != 0
    }

    fn at(self) -> usize {
        (self.0 & !LEAF) as usize
    }
}

/// A branch of a tree.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The value that the feature is compared with; unused for [`Mode::Member`].
    pub value: f64,
    /// The feature's position in a row.
    pub feature: u32,
    /// The child if the comparison is true.
    pub yes: Child,
    /// The child if the comparison is false.
    pub no: Child,
    /// The comparison.
    pub mode: Mode,
    /// Whether NaN, a missing value, counts as true.
    pub is_missing_true: bool,
}

/// How the leaves of all trees become a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// The sum, divided by the number of trees.
    Average,
    /// The sum.
    Sum,
    /// The least value.
    Min,
    /// The largest value.
    Max,
}

/// Trees, checked: children exist, and no branch is below itself. Values are FP64, which represents those of all other
/// datatypes exactly, so that comparisons give the same results as in the input's datatype.
#[derive(Debug)]
pub struct Forest {
    nodes: Vec<Node>,
    roots: Vec<Child>,
    /// For each leaf, the start of its weights; one more at the end.
    starts: Vec<usize>,
    /// The targets and weights of the leaves.
    weights: Vec<(usize, f64)>,
    /// For each node of [`Mode::Member`], its position and its set, in ascending order.
    sets: Vec<(u32, Vec<f64>)>,
    targets: usize,
    features: usize,
    /// The mode of all nodes, if they have the same and none is [`Mode::Member`].
    mode: Option<Mode>,
    has_missing: bool,
}

/// The scores of rows: `[rows, targets]`.
pub struct Scores<R> {
    /// The aggregated weights; 0 for a target that has none.
    pub values: Vec<R>,
    /// Whether a leaf had a weight for the target.
    pub is_set: Vec<bool>,
}

/// Rows whose scores are computed together, so that a tree stays in the cache for all of them.
const BLOCK: usize = 128;

impl Forest {
    /// Checks trees. Each leaf has a list of targets and weights; `sets` has the position and the values of each node of
    /// [`Mode::Member`].
    ///
    /// # Errors
    /// `Graph` if a child or a target does not exist, or if a branch is below itself; `Memory`.
    pub fn new(
        nodes: Vec<Node>,
        roots: Vec<Child>,
        leaves: usize,
        weights: Vec<(usize, usize, f64)>,
        sets: Vec<(usize, Vec<f64>)>,
        targets: usize,
    ) -> Result<Self> {
        let exists = |child: Child| {
            let count = if child.is_leaf() { leaves } else { nodes.len() };
            child.at() < count
        };
        let children = nodes.iter().flat_map(|node| [node.yes, node.no]);
        if !children.chain(roots.iter().copied()).all(exists) {
            return Err(Error::graph(
                "a node of a tree has a child that does not exist",
            ));
        }
        check_cycles(&nodes, &roots)?;
        let mut starts = filled(leaves.saturating_add(1), 0usize)?;
        for &(leaf, target, _) in &weights {
            if leaf >= leaves || target >= targets {
                return Err(Error::graph(format!(
                    "a leaf of a tree has a weight for the target {target}, but there are {targets} targets"
                )));
            }
            starts[leaf + 1] += 1;
        }
        for leaf in 0..leaves {
            starts[leaf + 1] += starts[leaf];
        }
        let mut next = starts.clone();
        let mut sorted = filled(weights.len(), (0, 0.0))?;
        for &(leaf, target, weight) in &weights {
            sorted[next[leaf]] = (target, weight);
            next[leaf] += 1;
        }
        let mode = nodes.first().map(|node| node.mode);
        let is_uniform = nodes.iter().all(|node| Some(node.mode) == mode);
        let mut by_node = with_room(sets.len())?;
        for (at, mut set) in sets {
            set.sort_unstable_by(f64::total_cmp);
            by_node.push((Child::branch(at)?.0, set));
        }
        by_node.sort_unstable_by_key(|set| set.0);
        Ok(Self {
            mode: mode.filter(|&mode| is_uniform && mode != Mode::Member),
            has_missing: nodes.iter().any(|node| node.is_missing_true),
            features: nodes
                .iter()
                .map(|node| node.feature as usize + 1)
                .max()
                .unwrap_or(0),
            nodes,
            roots,
            starts,
            weights: sorted,
            sets: by_node,
            targets,
        })
    }

    /// The number of features that a row needs at least.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }

    /// The number of targets.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// The number of trees.
    #[must_use]
    pub fn trees(&self) -> usize {
        self.roots.len()
    }

    /// Whether a leaf has a negative weight.
    #[must_use]
    pub fn has_negative_weights(&self) -> bool {
        self.weights.iter().any(|&(_, weight)| weight < 0.0)
    }

    /// Whether a node's comparison is true, for any mode.
    fn is_true(&self, at: usize, node: &Node, x: f64) -> bool {
        let is_true = match node.mode {
            Mode::LessOrEqual => x <= node.value,
            Mode::Less => x < node.value,
            Mode::GreaterOrEqual => x >= node.value,
            Mode::Greater => x > node.value,
            Mode::Equal => x == node.value,
            Mode::NotEqual => x != node.value,
            Mode::Member => self.is_member(at, x),
        };
        is_true || (node.is_missing_true && x.is_nan())
    }

    fn is_member(&self, at: usize, x: f64) -> bool {
        let set = self.sets.binary_search_by_key(&at, |set| set.0 as usize);
        let Some((_, set)) = set.ok().and_then(|at| self.sets.get(at)) else {
            return false;
        };
        let found = set.partition_point(|&member| member < x);
        set.get(found) == Some(&x)
    }

    /// Aggregates the leaves that rows of `columns` features reach, in the type `R`; an average is not yet divided by the
    /// number of trees. `columns` must be at least [`Forest::features`].
    ///
    /// # Errors
    /// `Memory`.
    pub fn scores<X: Copy + Into<f64>, R: Real>(
        &self,
        values: &[X],
        [rows, columns]: [usize; 2],
        aggregation: Aggregation,
    ) -> Result<Scores<R>> {
        let count = super::features::size(rows, self.targets)?;
        let mut scores = Scores {
            values: filled(count, R::zero())?,
            is_set: filled(count, false)?,
        };
        if count == 0 {
            return Ok(scores);
        }
        if columns == 0 {
            // Trees that are leaves need no features.
            let none = filled(rows, 0f32)?;
            self.walk(&none, 1, &mut scores, aggregation, |_, _, _| false);
            return Ok(scores);
        }
        // The common modes have loops of their own.
        let to = &mut scores;
        match (self.mode, self.has_missing) {
            (Some(Mode::LessOrEqual), false) => {
                self.walk(values, columns, to, aggregation, |_, node, x| {
                    x <= node.value
                });
            }
            (Some(Mode::LessOrEqual), true) => {
                self.walk(values, columns, to, aggregation, |_, node, x| {
                    x <= node.value || (node.is_missing_true && x.is_nan())
                });
            }
            (Some(Mode::Less), false) => {
                self.walk(values, columns, to, aggregation, |_, node, x| {
                    x < node.value
                });
            }
            (Some(Mode::Less), true) => {
                self.walk(values, columns, to, aggregation, |_, node, x| {
                    x < node.value || (node.is_missing_true && x.is_nan())
                });
            }
            _ => self.walk(values, columns, to, aggregation, |at, node, x| {
                self.is_true(at, node, x)
            }),
        }
        Ok(scores)
    }

    fn walk<X: Copy + Into<f64>, R: Real>(
        &self,
        values: &[X],
        columns: usize,
        scores: &mut Scores<R>,
        aggregation: Aggregation,
        is_true: impl Fn(usize, &Node, f64) -> bool,
    ) {
        let targets = self.targets;
        let blocks = values.chunks(BLOCK.saturating_mul(columns));
        let block = BLOCK.saturating_mul(targets);
        let sums = scores.values.chunks_mut(block);
        let are_set = scores.is_set.chunks_mut(block);
        for ((block, sums), are_set) in blocks.zip(sums).zip(are_set) {
            for &root in &self.roots {
                let rows = block.chunks_exact(columns);
                let to = sums.chunks_exact_mut(targets);
                let are_set = are_set.chunks_exact_mut(targets);
                for ((row, sums), are_set) in rows.zip(to).zip(are_set) {
                    let mut at = root;
                    while !at.is_leaf() {
                        let node = &self.nodes[at.at()];
                        let x = row[node.feature as usize].into();
                        at = match is_true(at.at(), node, x) {
                            true => node.yes,
                            false => node.no,
                        };
                    }
                    let weights = self.starts[at.at()]..self.starts[at.at() + 1];
                    for &(target, weight) in &self.weights[weights] {
                        let weight = R::of(weight);
                        let (sum, is_set) = (&mut sums[target], &mut are_set[target]);
                        *sum = match aggregation {
                            Aggregation::Average | Aggregation::Sum => *sum + weight,
                            Aggregation::Min if *is_set && *sum <= weight => *sum,
                            Aggregation::Max if *is_set && *sum >= weight => *sum,
                            Aggregation::Min | Aggregation::Max => weight,
                        };
                        *is_set = true;
                    }
                }
            }
        }
    }
}

/// Rejects trees in which a branch is below itself: a walk would never end.
fn check_cycles(nodes: &[Node], roots: &[Child]) -> Result<()> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        /// On the path from the root.
        Open,
        Done,
    }
    let mut states = filled(nodes.len(), State::New)?;
    // Each entry is a branch, and the number of its children that have been visited.
    let mut path: Vec<(usize, usize)> = Vec::new();
    for root in roots.iter().filter(|root| !root.is_leaf()) {
        if states[root.at()] == State::New {
            states[root.at()] = State::Open;
            path.push((root.at(), 0));
        }
        while let Some((at, visited)) = path.last_mut() {
            let node = &nodes[*at];
            let child = match *visited {
                0 => node.yes,
                1 => node.no,
                _ => {
                    states[*at] = State::Done;
                    path.pop();
                    continue;
                }
            };
            *visited += 1;
            if child.is_leaf() {
                continue;
            }
            match states[child.at()] {
                State::Done => {}
                State::Open => {
                    return Err(Error::graph(
                        "a tree has a cycle: a branch is below itself, expected each branch above its children",
                    ));
                }
                State::New => {
                    states[child.at()] = State::Open;
                    path.push((child.at(), 0));
                }
            }
        }
    }
    Ok(())
}
