//! The operators of `ai.onnx.ml`: against what ONNX Runtime computes (`references/ml.py` writes that), and on what they
//! cannot compute.

mod support;

use infer_executor::Tensor;
use support::Value::{self, Float, Int};
use support::refusals::{self, none, zeros};
use support::{floats, ints, references, text, texts};

#[test]
fn nodes_and_models_compute_what_onnx_runtime_does() {
    references::check(include_str!("references/ml.json"));
}

type Attributes = Vec<(&'static str, Value)>;

/// An operator, its attributes, its input, and its error; none when it computes.
type Row = (
    &'static str,
    Attributes,
    Option<Tensor>,
    Option<&'static str>,
);

fn check(rows: Vec<Row>) {
    let case = |(op_type, attributes, input, error)| (op_type, 5, attributes, vec![input], error);
    refusals::check("ai.onnx.ml", &[true, true], rows.into_iter().map(case));
}

fn whole(values: &[i64]) -> Option<Tensor> {
    Some(Tensor::vector(values.to_vec()))
}

fn bytes(values: &[u8]) -> Value {
    Value::Tensor(Tensor::vector(values.to_vec()))
}

fn reals(values: &[f32]) -> Value {
    Value::Tensor(Tensor::vector(values.to_vec()))
}

/// Attributes with some of them replaced, or added.
fn with(mut attributes: Attributes, others: Attributes) -> Attributes {
    for (name, value) in others {
        attributes.retain(|(known, _)| *known != name);
        attributes.push((name, value));
    }
    attributes
}

fn without(mut attributes: Attributes, name: &str) -> Attributes {
    attributes.retain(|(known, _)| *known != name);
    attributes
}

#[test]
#[rustfmt::skip]
fn linear_models_and_preprocessing_say_what_they_cannot_compute() {
    let classifier = || vec![
        ("coefficients", floats(&[1.0, 2.0, 3.0, 4.0])),
        ("intercepts", floats(&[1.0, 2.0])),
        ("classlabels_ints", ints(&[4, 5])),
    ];
    let regressor = || vec![("coefficients", floats(&[1.0, 2.0, 3.0, 4.0])), ("targets", Int(2))];
    let scaler = || vec![("offset", floats(&[1.0, 2.0])), ("scale", floats(&[1.0]))];
    let imputer = || vec![("imputed_value_floats", floats(&[1.0, 2.0]))];
    let encoder = || vec![("keys_int64s", ints(&[1, 2])), ("values_floats", floats(&[1.0, 2.0]))];
    check(vec![
        ("LinearClassifier", classifier(), zeros(&[3, 2]), None),
        ("LinearClassifier", classifier(), none(&[0, 2]), None),
        ("LinearClassifier", classifier(), zeros(&[3, 3]), Some("the input has 3 features, expected 2, got the shape [3, 3]")),
        ("LinearClassifier", classifier(), none(&[usize::MAX, 0]), Some("the input has 0 features, expected 2, got the shape [18446744073709551615, 0]")),
        ("LinearClassifier", classifier(), zeros(&[]), Some("expected rows of features, [N, C] or [C], got the shape []")),
        ("LinearClassifier", classifier(), zeros(&[1, 1, 2]), Some("expected rows of features, [N, C] or [C], got the shape [1, 1, 2]")),
        ("LinearClassifier", classifier(), Some(Tensor::vector(vec![true, false])), Some("expected FP32, FP64, INT64 or INT32, got BOOL")),
        ("LinearClassifier", classifier(), None, Some("input 0 is missing")),
        ("LinearClassifier", vec![], None, Some("the attributes `classlabels_ints` and `classlabels_strings` are missing, expected one of them")),
        ("LinearClassifier", with(without(classifier(), "classlabels_ints"), vec![("classlabels_strings", texts(&["a", "b"]))]), zeros(&[1, 2]), Some("the attribute `classlabels_strings` is not supported if the labels (output 0) are used, since tensors of strings are not supported; expected `classlabels_ints`, or a graph that uses the scores (output 1) alone")),
        ("LinearClassifier", with(classifier(), vec![("classlabels_strings", texts(&["a", "b"]))]), zeros(&[1, 2]), Some("there are both of the attributes `classlabels_ints` and `classlabels_strings`, expected one of them")),
        ("LinearClassifier", with(classifier(), vec![("classlabels_ints", ints(&[1, 2, 3]))]), zeros(&[1, 2]), Some("the attribute `coefficients` has 4 numbers, expected as many for each of 3 targets")),
        ("LinearClassifier", with(classifier(), vec![("intercepts", floats(&[1.0, 2.0, 3.0]))]), zeros(&[1, 2]), Some("the attribute `intercepts` has 3 numbers, expected 2, one for each target")),
        ("LinearClassifier", without(classifier(), "coefficients"), zeros(&[1, 2]), Some("the attribute `coefficients` has 0 numbers, expected as many for each of 2 targets")),
        ("LinearClassifier", with(classifier(), vec![("post_transform", text("SIGMOID"))]), zeros(&[1, 2]), Some("the attribute `post_transform` is `SIGMOID`, expected NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT")),
        ("LinearClassifier", with(classifier(), vec![("intercepts", floats(&[1.0])), ("post_transform", text("PROBIT"))]), zeros(&[1, 4]), Some("the attribute `post_transform` is PROBIT, which is not supported for two classes with one intercept")),
        ("LinearRegressor", regressor(), zeros(&[3, 2]), None),
        ("LinearRegressor", with(regressor(), vec![("targets", Int(i64::MAX))]), zeros(&[3, 2]), Some("the attribute `coefficients` has 4 numbers, expected as many for each of 9223372036854775807 targets")),
        ("LinearRegressor", with(regressor(), vec![("targets", Int(0))]), zeros(&[3, 2]), Some("the attribute `targets` is 0, expected at least 1")),
        ("LinearRegressor", with(regressor(), vec![("targets", Int(3))]), zeros(&[3, 2]), Some("the attribute `coefficients` has 4 numbers, expected as many for each of 3 targets")),
        ("LinearRegressor", vec![], zeros(&[3, 2]), Some("the attribute `coefficients` has 0 numbers, expected as many for each of 1 targets")),
        ("Scaler", scaler(), zeros(&[3, 2]), None),
        ("Scaler", scaler(), zeros(&[3, 3]), Some("the attribute `offset` has 2 numbers, but the input 3 features, expected 1 or as many")),
        ("Scaler", scaler(), none(&[0, usize::MAX]), Some("the attribute `offset` has 2 numbers, but the input 18446744073709551615 features, expected 1 or as many")),
        ("Scaler", without(scaler(), "scale"), zeros(&[3, 2]), Some("the attribute `scale` is missing or empty, expected one number for all features or one for each")),
        ("Scaler", scaler(), Some(Tensor::of(&[1, 2], vec![1u8, 2]).unwrap()), Some("expected FP32, FP64, INT64 or INT32, got UINT8")),
        ("Normalizer", vec![("norm", text("L3"))], None, Some("the attribute `norm` is `L3`, expected MAX, L1 or L2")),
        ("Normalizer", vec![], none(&[0, usize::MAX]), None),
        ("Normalizer", vec![], zeros(&[1, 2, 3]), Some("expected rows of features, [N, C] or [C], got the shape [1, 2, 3]")),
        ("Imputer", imputer(), zeros(&[3, 2]), None),
        ("Imputer", imputer(), zeros(&[3, 1]), Some("the attribute `imputed_value_floats` has 2 numbers, but the input 1 features, expected 1 or as many")),
        ("Imputer", imputer(), whole(&[1]), Some("expected FP32 or FP64 with the attribute `imputed_value_floats`, got INT64")),
        ("Imputer", vec![("imputed_value_int64s", ints(&[1]))], zeros(&[1]), Some("expected INT64 or INT32 with the attribute `imputed_value_int64s`, got FP32")),
        ("Imputer", vec![("imputed_value_int64s", ints(&[i64::MAX]))], Some(Tensor::vector(vec![1i32])), Some("the attribute `imputed_value_int64s` has a number that INT32, the input's datatype, cannot represent")),
        ("Imputer", vec![], zeros(&[1]), Some("the attributes `imputed_value_floats` and `imputed_value_int64s` are missing, expected one of them")),
        ("Imputer", with(imputer(), vec![("imputed_value_int64s", ints(&[1]))]), zeros(&[1]), Some("there are both of the attributes `imputed_value_floats` and `imputed_value_int64s`, expected one of them")),
        ("Binarizer", vec![], whole(&[1, -1]), None),
        ("Binarizer", vec![], Some(Tensor::vector(vec![1u8])), Some("expected FP32, FP64, INT64 or INT32, got UINT8")),
        ("FeatureVectorizer", vec![("inputdimensions", ints(&[3]))], zeros(&[2, 2]), None),
        ("FeatureVectorizer", vec![("inputdimensions", ints(&[1]))], zeros(&[2, 2]), None),
        ("FeatureVectorizer", vec![("inputdimensions", ints(&[0]))], zeros(&[2, 2]), None),
        ("FeatureVectorizer", vec![], zeros(&[2, 2]), Some("the attribute `inputdimensions` is missing")),
        ("FeatureVectorizer", vec![("inputdimensions", ints(&[-1]))], zeros(&[2, 2]), Some("the attribute `inputdimensions` is [-1], expected no negative numbers")),
        ("FeatureVectorizer", vec![("inputdimensions", ints(&[1, 2]))], zeros(&[2, 2]), Some("the attribute `inputdimensions` has 2 numbers, expected 1, one for each input")),
        ("FeatureVectorizer", vec![("inputdimensions", ints(&[i64::MAX]))], zeros(&[2, 2]), Some("a tensor of shape [2, 9223372036854775807] does not fit into memory")),
        ("OneHotEncoder", vec![("cats_int64s", ints(&[1]))], none(&[0, usize::MAX]), None),
        ("OneHotEncoder", vec![("cats_int64s", ints(&[]))], whole(&[1]), Some("the attribute `cats_int64s` is missing or empty")),
        ("OneHotEncoder", vec![("cats_strings", texts(&["a"]))], whole(&[1]), Some("the attribute `cats_strings` has strings, and tensors of strings are not supported; expected `cats_int64s`")),
        ("OneHotEncoder", vec![("cats_int64s", ints(&[1])), ("zeros", Int(0))], whole(&[2]), Some("the input has 2, which is no category, and the attribute `zeros` is 0")),
        ("OneHotEncoder", vec![("cats_int64s", ints(&[1]))], Some(Tensor::scalar(true)), Some("expected FP32, FP64, INT64 or INT32, got BOOL")),
        ("LabelEncoder", encoder(), whole(&[1, 9]), None),
        ("LabelEncoder", encoder(), zeros(&[1]), Some("expected INT64 as the keys, got FP32")),
        ("LabelEncoder", without(encoder(), "keys_int64s"), whole(&[1]), Some("the keys are in 0 attributes, expected one of `keys_tensor`, `keys_int64s` and `keys_floats`")),
        ("LabelEncoder", with(encoder(), vec![("keys_floats", floats(&[1.0]))]), whole(&[1]), Some("the keys are in 2 attributes, expected one of `keys_tensor`, `keys_int64s` and `keys_floats`")),
        ("LabelEncoder", with(encoder(), vec![("keys_int64s", ints(&[1]))]), whole(&[1]), Some("there are 1 keys and 2 values, expected as many of both")),
        ("LabelEncoder", with(without(encoder(), "values_floats"), vec![("values_strings", texts(&["a"]))]), whole(&[1]), Some("the attribute `values_strings` has strings, and tensors of strings are not supported; expected `values_tensor`, `values_int64s` or `values_floats`")),
        ("LabelEncoder", vec![("classes_strings", texts(&["a"]))], whole(&[1]), Some("the attribute `classes_strings`, of version 1, has strings, and tensors of strings are not supported")),
        ("LabelEncoder", with(without(encoder(), "keys_int64s"), vec![("keys_tensor", bytes(&[1, 2]))]), whole(&[1]), Some("keys of UINT8 are not supported, expected INT64, INT32, INT16, FP32 or FP64")),
        ("LabelEncoder", with(without(encoder(), "values_floats"), vec![("values_tensor", bytes(&[1, 2]))]), whole(&[1]), Some("values of UINT8 are not supported, expected INT64, INT32, INT16, FP32 or FP64")),
        ("LabelEncoder", with(encoder(), vec![("default_tensor", reals(&[1.0, 2.0]))]), whole(&[1]), Some("the attribute `default_tensor` has 2 elements of FP32, expected one of FP32 as the values")),
        ("LabelEncoder", with(without(encoder(), "keys_int64s"), vec![("keys_tensor", Int(1))]), whole(&[1]), Some("the attribute `keys_tensor` is not a tensor")),
    ]);
}

/// A regressor of one tree: a branch above two leaves.
fn regressor() -> Attributes {
    vec![
        ("nodes_treeids", ints(&[0, 0, 0])),
        ("nodes_nodeids", ints(&[0, 1, 2])),
        ("nodes_featureids", ints(&[1, 0, 0])),
        ("nodes_values", floats(&[0.5, 0.0, 0.0])),
        ("nodes_modes", texts(&["BRANCH_LEQ", "LEAF", "LEAF"])),
        ("nodes_truenodeids", ints(&[1, 0, 0])),
        ("nodes_falsenodeids", ints(&[2, 0, 0])),
        ("target_treeids", ints(&[0, 0])),
        ("target_nodeids", ints(&[1, 2])),
        ("target_ids", ints(&[0, 0])),
        ("target_weights", floats(&[1.0, 2.0])),
        ("n_targets", Int(1)),
    ]
}

/// The same tree of TreeEnsemble.
fn by_position() -> Attributes {
    vec![
        ("tree_roots", ints(&[0])),
        ("nodes_modes", bytes(&[0])),
        ("nodes_featureids", ints(&[1])),
        ("nodes_splits", reals(&[0.5])),
        ("nodes_truenodeids", ints(&[0])),
        ("nodes_falsenodeids", ints(&[1])),
        ("nodes_trueleafs", ints(&[1])),
        ("nodes_falseleafs", ints(&[1])),
        ("leaf_targetids", ints(&[0, 0])),
        ("leaf_weights", reals(&[1.0, 2.0])),
    ]
}

#[test]
#[rustfmt::skip]
fn trees_say_what_they_cannot_compute() {
    let tree = |others| ("TreeEnsembleRegressor", with(regressor(), others));
    let place = |others| ("TreeEnsemble", with(by_position(), others));
    let case = |(op_type, attributes): (&'static str, Attributes), expected| (op_type, attributes, zeros(&[2, 2]), Some(expected));
    let cycle = "a tree has a cycle: a branch is below itself, expected each branch above its children";
    let branches = || texts(&["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"]);
    check(vec![
        ("TreeEnsembleRegressor", regressor(), zeros(&[2, 2]), None),
        ("TreeEnsembleRegressor", regressor(), none(&[0, 2]), None),
        // A leaf alone needs no features.
        ("TreeEnsembleRegressor", with(regressor(), vec![("nodes_modes", texts(&["LEAF", "LEAF", "LEAF"]))]), none(&[3, 0]), None),
        ("TreeEnsembleRegressor", with(regressor(), vec![("nodes_modes", texts(&["LEAF", "LEAF", "LEAF"]))]), none(&[usize::MAX, 0]), Some("a tensor of shape [18446744073709551615, 1] does not fit into memory")),
        ("TreeEnsembleRegressor", regressor(), zeros(&[2, 1]), Some("the input has 1 features, expected at least 2, got the shape [2, 1]")),
        ("TreeEnsembleRegressor", regressor(), none(&[usize::MAX, 0]), Some("the input has 0 features, expected at least 2, got the shape [18446744073709551615, 0]")),
        ("TreeEnsembleRegressor", regressor(), Some(Tensor::of(&[1, 2], vec![1u8, 2]).unwrap()), Some("expected FP32, FP64, INT64 or INT32, got UINT8")),
        // Two branches may share a child, as in LightGBM's sets of categories.
        ("TreeEnsembleRegressor", with(regressor(), vec![("nodes_falsenodeids", ints(&[1, 0, 0]))]), zeros(&[2, 2]), None),
        case(tree(vec![("nodes_truenodeids", ints(&[0, 0, 0]))]), cycle),
        case(tree(vec![("nodes_modes", branches()), ("nodes_falsenodeids", ints(&[2, 0, 0]))]), cycle),
        case(tree(vec![("nodes_modes", branches()), ("nodes_truenodeids", ints(&[1, 1, 0])), ("nodes_falsenodeids", ints(&[2, 2, 0]))]), cycle),
        case(tree(vec![("nodes_truenodeids", ints(&[9, 0, 0]))]), "the node 9 of the tree 0 does not exist"),
        case(tree(vec![("nodes_falsenodeids", ints(&[i64::MIN, 0, 0]))]), "the node -9223372036854775808 of the tree 0 does not exist"),
        case(tree(vec![("nodes_treeids", ints(&[0, 1, 0]))]), "the node 1 of the tree 0 does not exist"),
        case(tree(vec![("nodes_nodeids", ints(&[0, 1, 1]))]), "the node 1 of the tree 0 is defined twice"),
        case(tree(vec![("nodes_nodeids", ints(&[0, 1]))]), "the attribute `nodes_nodeids` has 2 elements, expected 3 as `nodes_treeids`"),
        case(tree(vec![("nodes_featureids", ints(&[0]))]), "the attribute `nodes_featureids` has 1 elements, expected 3 as `nodes_treeids`"),
        case(tree(vec![("nodes_featureids", ints(&[-1, 0, 0]))]), "the attribute `nodes_featureids` has -1, expected positions of features"),
        case(tree(vec![("nodes_featureids", ints(&[i64::MAX, 0, 0]))]), "the attribute `nodes_featureids` has 9223372036854775807, expected positions of features"),
        case(tree(vec![("nodes_featureids", ints(&[1 << 31, 0, 0]))]), "the input has 2 features, expected at least 2147483649, got the shape [2, 2]"),
        case(tree(vec![("nodes_values", floats(&[0.5]))]), "the attribute `nodes_values` has 1 elements, expected 3 as `nodes_treeids`"),
        case(tree(vec![("nodes_modes", texts(&["BRANCH_LEQ"]))]), "the attribute `nodes_modes` has 1 elements, expected 3 as `nodes_treeids`"),
        case(tree(vec![("nodes_modes", texts(&["BRANCH", "LEAF", "LEAF"]))]), "the attribute `nodes_modes` has `BRANCH`, expected LEAF, BRANCH_LEQ, BRANCH_LT, BRANCH_GTE, BRANCH_GT, BRANCH_EQ or BRANCH_NEQ"),
        case(tree(vec![("nodes_missing_value_tracks_true", ints(&[1]))]), "the attribute `nodes_missing_value_tracks_true` has 1 elements, expected 3 as `nodes_treeids`"),
        case(tree(vec![("target_nodeids", ints(&[1, 9]))]), "the node 9 of the tree 0 does not exist"),
        case(tree(vec![("target_treeids", ints(&[0, 7]))]), "the node 2 of the tree 7 does not exist"),
        case(tree(vec![("target_nodeids", ints(&[1]))]), "the attribute `target_nodeids` has 1 elements, expected 2 as `target_treeids`"),
        case(tree(vec![("target_ids", ints(&[0, 1]))]), "the attribute `target_ids` has 1, expected positions of 1 targets"),
        case(tree(vec![("target_ids", ints(&[0, -1]))]), "the attribute `target_ids` has -1, expected positions of 1 targets"),
        case(tree(vec![("target_weights", floats(&[1.0]))]), "the attribute `target_weights` has 1 elements, expected 2 as `target_treeids`"),
        case(tree(vec![("n_targets", Int(0))]), "the attribute `n_targets` is 0, expected at least 1"),
        case(tree(vec![("n_targets", Int(i64::MAX))]), "a tensor of shape [2, 9223372036854775807] does not fit into memory"),
        ("TreeEnsembleRegressor", with(regressor(), vec![("n_targets", Int(i64::MAX))]), none(&[0, 2]), None),
        case(tree(vec![("base_values", floats(&[1.0, 2.0]))]), "the attribute `base_values` has 2 elements, expected 1 or 1, one for each target"),
        case(tree(vec![("aggregate_function", text("MEAN"))]), "the attribute `aggregate_function` is `MEAN`, expected AVERAGE, SUM, MIN or MAX"),
        case(tree(vec![("post_transform", text("TANH"))]), "the attribute `post_transform` is `TANH`, expected NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT"),
        case(tree(vec![("nodes_values_as_tensor", bytes(&[1, 2, 3]))]), "the attribute `nodes_values_as_tensor`: expected real numbers (FP32, FP64, FP16 or BF16), got UINT8"),
        case(("TreeEnsembleRegressor", without(regressor(), "nodes_treeids")), "the attribute `nodes_treeids` is missing"),
        case(("TreeEnsembleRegressor", without(regressor(), "nodes_values")), "the attribute `nodes_values` is missing"),
        case(("TreeEnsembleRegressor", without(regressor(), "nodes_modes")), "the attribute `nodes_modes` is missing"),
        case(("TreeEnsembleRegressor", without(regressor(), "target_weights")), "the attribute `target_weights` is missing"),
        case(("TreeEnsembleRegressor", vec![]), "the attribute `nodes_treeids` is missing"),
        case(("TreeEnsembleClassifier", vec![]), "the attributes `classlabels_int64s` and `classlabels_strings` are missing, expected one of them"),
        case(("TreeEnsembleClassifier", vec![("classlabels_strings", texts(&["a"]))]), "the attribute `classlabels_strings` is not supported if the labels (output 0) are used, since tensors of strings are not supported; expected `classlabels_int64s`, or a graph that uses the scores (output 1) alone"),
        ("TreeEnsemble", by_position(), zeros(&[2, 2]), None),
        ("TreeEnsemble", by_position(), whole(&[1, 2]), Some("expected FP32, FP64 or FP16, got INT64")),
        case(place(vec![("tree_roots", ints(&[1]))]), "the attribute `tree_roots` has 1, expected positions below 1"),
        case(place(vec![("tree_roots", ints(&[-1]))]), "the attribute `tree_roots` has -1, expected positions below 1"),
        case(place(vec![("nodes_trueleafs", ints(&[0]))]), cycle),
        case(place(vec![("nodes_truenodeids", ints(&[2]))]), "the attribute `nodes_truenodeids` has 2, expected positions below 2"),
        case(place(vec![("nodes_falsenodeids", ints(&[1, 1]))]), "the attribute `nodes_falsenodeids` has 2 elements, expected 1 as `nodes_featureids`"),
        case(place(vec![("nodes_falsenodeids", ints(&[i64::MAX]))]), "the attribute `nodes_falsenodeids` has 9223372036854775807, expected positions below 2"),
        case(place(vec![("nodes_modes", bytes(&[7]))]), "the attribute `nodes_modes` has 7, expected 0 to 6"),
        case(place(vec![("nodes_modes", bytes(&[]))]), "the attribute `nodes_modes` has 0 elements, expected 1 as `nodes_featureids`"),
        case(place(vec![("nodes_modes", reals(&[0.0]))]), "the attribute `nodes_modes`: expected a tensor of UINT8, got FP32"),
        case(place(vec![("nodes_splits", reals(&[0.0, 1.0]))]), "the attribute `nodes_splits` has 2 elements, expected 1 as `nodes_featureids`"),
        case(place(vec![("nodes_splits", bytes(&[0]))]), "the attribute `nodes_splits`: expected real numbers (FP32, FP64, FP16 or BF16), got UINT8"),
        case(place(vec![("nodes_modes", bytes(&[6]))]), "the attribute `membership_values` has 0 sets, expected one for each node of the mode 6 (BRANCH_MEMBER)"),
        case(place(vec![("membership_values", reals(&[1.0]))]), "the attribute `membership_values` has more than 0 sets, expected one for each node of the mode 6 (BRANCH_MEMBER)"),
        case(place(vec![("nodes_modes", bytes(&[6])), ("membership_values", reals(&[1.0, f32::NAN, 2.0]))]), "the attribute `membership_values` has more than 1 sets, expected one for each node of the mode 6 (BRANCH_MEMBER)"),
        ("TreeEnsemble", with(by_position(), vec![("nodes_modes", bytes(&[6])), ("membership_values", reals(&[f32::NAN]))]), zeros(&[2, 2]), None),
        case(place(vec![("leaf_targetids", ints(&[0, 1]))]), "the attribute `leaf_targetids` has 1, expected positions of 1 targets"),
        case(place(vec![("leaf_weights", reals(&[1.0]))]), "the attribute `leaf_weights` has 1 elements, expected 2 as `leaf_targetids`"),
        case(place(vec![("aggregate_function", Int(4))]), "the attribute `aggregate_function` is 4, expected 0 (AVERAGE), 1 (SUM), 2 (MIN) or 3 (MAX)"),
        case(place(vec![("post_transform", Int(-1))]), "the attribute `post_transform` is -1, expected 0 (NONE), 1 (SOFTMAX), 2 (LOGISTIC), 3 (SOFTMAX_ZERO) or 4 (PROBIT)"),
        case(("TreeEnsemble", without(by_position(), "leaf_weights")), "the attribute `leaf_weights` is missing"),
        case(("TreeEnsemble", vec![]), "the attribute `nodes_featureids` is missing"),
    ]);
}

#[test]
#[rustfmt::skip]
fn support_vector_machines_say_what_they_cannot_compute() {
    let classifier = || vec![
        ("classlabels_ints", ints(&[0, 1])),
        ("vectors_per_class", ints(&[1, 1])),
        ("support_vectors", floats(&[1.0, 2.0, 3.0, 4.0])),
        ("coefficients", floats(&[1.0, -1.0])),
        ("rho", floats(&[0.5])),
    ];
    let regressor = || vec![
        ("n_supports", Int(2)),
        ("support_vectors", floats(&[1.0, 2.0, 3.0, 4.0])),
        ("coefficients", floats(&[1.0, -1.0])),
        ("rho", floats(&[0.5])),
    ];
    let class = |others| ("SVMClassifier", with(classifier(), others));
    let value = |others| ("SVMRegressor", with(regressor(), others));
    let case = |(op_type, attributes): (&'static str, Attributes), expected| (op_type, attributes, zeros(&[2, 2]), Some(expected));
    check(vec![
        ("SVMClassifier", classifier(), zeros(&[2, 2]), None),
        ("SVMClassifier", classifier(), none(&[0, 2]), None),
        ("SVMClassifier", classifier(), zeros(&[2, 3]), Some("the input has 3 features, expected 2, got the shape [2, 3]")),
        case(class(vec![("vectors_per_class", ints(&[2]))]), "the attribute `vectors_per_class` has 1 numbers, expected 2"),
        case(class(vec![("vectors_per_class", ints(&[-1, 1]))]), "the attribute `vectors_per_class` is [-1, 1], expected no negative numbers"),
        case(class(vec![("vectors_per_class", ints(&[i64::MAX, i64::MAX, i64::MAX]))]), "the attribute `vectors_per_class` is [9223372036854775807, 9223372036854775807, 9223372036854775807], whose sum is too large"),
        case(class(vec![("vectors_per_class", ints(&[i64::MAX, 1]))]), "the attribute `support_vectors` has 4 numbers, expected as many for each of 9223372036854775808 vectors"),
        case(class(vec![("vectors_per_class", ints(&[2, 1]))]), "the attribute `support_vectors` has 4 numbers, expected as many for each of 3 vectors"),
        case(class(vec![("coefficients", floats(&[1.0]))]), "the attribute `coefficients` has 1 numbers, expected 2"),
        case(class(vec![("rho", floats(&[]))]), "the attribute `rho` has 0 numbers, expected 1"),
        case(class(vec![("prob_a", floats(&[1.0]))]), "the attribute `prob_b` has 0 numbers, expected 1"),
        case(class(vec![("prob_a", floats(&[1.0, 2.0])), ("prob_b", floats(&[1.0]))]), "the attribute `prob_a` has 2 numbers, expected 1"),
        case(class(vec![("kernel_type", text("COSINE"))]), "the attribute `kernel_type` is `COSINE`, expected LINEAR, POLY, RBF or SIGMOID"),
        case(class(vec![("kernel_params", floats(&[1.0]))]), "the attribute `kernel_params` has 1 numbers, expected 3: gamma, coef0 and degree"),
        case(class(vec![("post_transform", text("PROBIT"))]), "the attribute `post_transform` is PROBIT, which is not supported for two classes without `prob_a`"),
        case(class(vec![("classlabels_ints", ints(&[1]))]), "a machine with support vectors has 1 labels, expected at least 2"),
        case(class(vec![("vectors_per_class", ints(&[])), ("rho", floats(&[]))]), "the attribute `rho` is missing or empty"),
        case(class(vec![("vectors_per_class", ints(&[])), ("coefficients", floats(&[1.0]))]), "the attribute `coefficients` has 1 numbers, expected as many for each of 2 vectors"),
        case(("SVMClassifier", vec![]), "the attributes `classlabels_ints` and `classlabels_strings` are missing, expected one of them"),
        ("SVMRegressor", regressor(), zeros(&[2, 2]), None),
        ("SVMRegressor", regressor(), Some(Tensor::scalar(1f32)), Some("expected rows of features, [N, C] or [C], got the shape []")),
        case(value(vec![("n_supports", Int(-1))]), "the attribute `n_supports` is -1, expected 0 or more"),
        case(value(vec![("n_supports", Int(i64::MAX))]), "the attribute `coefficients` has 2 numbers, expected 9223372036854775807"),
        case(value(vec![("support_vectors", floats(&[1.0, 2.0, 3.0]))]), "the attribute `support_vectors` has 3 numbers, expected as many for each of 2 vectors"),
        case(value(vec![("rho", floats(&[]))]), "the attribute `rho` is missing or empty"),
        case(value(vec![("post_transform", text("LOGISTIC"))]), "the attribute `post_transform` is not supported for SVMRegressor, expected NONE"),
        case(("SVMRegressor", vec![("rho", floats(&[1.0]))]), "the attribute `coefficients` has 0 numbers, expected as many for each of 1 vectors"),
        ("Binarizer", vec![("threshold", Float(0.5))], zeros(&[2]), None),
    ]);
}
