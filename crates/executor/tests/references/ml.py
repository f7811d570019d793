"""Writes ml.json: what ONNX Runtime gives for nodes of `ai.onnx.ml` and for small models, for ../ops_ml.rs.

    pip install onnx onnxruntime scikit-learn skl2onnx onnxmltools lightgbm xgboost catboost && python3 ml.py

A case is a node, its inputs and its outputs, or the bytes of a model, its inputs and its outputs. An output of null is not
used.
"""

import json
import pathlib
import tempfile

import catboost
import lightgbm
import numpy
import onnx
import onnxruntime
import xgboost
from onnx import helper, numpy_helper
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as ToolsFloat
from skl2onnx import to_onnx
from sklearn import ensemble, linear_model, naive_bayes, neighbors, pipeline, preprocessing, svm, tree

DATATYPES = {
    "float32": "FP32",
    "float64": "FP64",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "uint8": "UINT8",
    "bool": "BOOL",
}
random = numpy.random.default_rng(7)


def reals(*shape):
    return random.uniform(-2, 2, shape).astype("f4")


def wholes(*values):
    return numpy.array(values, "i8")


NAN = float("nan")
LINEAR = {
    "coefficients": [0.5, -1.0, 2.0, 0.25, 1.5, -0.75],
    "intercepts": [0.1, -0.2, 0.3],
    "classlabels_ints": [7, 5, 9],
}
ONE_ROW = {"coefficients": [0.5, -1.0], "intercepts": [0.1], "classlabels_ints": [7, 5]}

# A tree of depth two, and one that is a single leaf. Rows of leaf weights follow.
NODES = {
    "nodes_treeids": [0, 0, 0, 0, 0, 4, 4, 4],
    "nodes_nodeids": [0, 1, 2, 3, 4, 0, 1, 2],
    "nodes_featureids": [0, 1, 0, 0, 0, 1, 0, 0],
    "nodes_values": [0.25, -0.5, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0],
    "nodes_modes": ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
    "nodes_truenodeids": [1, 3, 0, 0, 0, 2, 0, 0],
    "nodes_falsenodeids": [2, 4, 0, 0, 0, 1, 0, 0],
}
ROWS = numpy.array([[0.25, -0.5], [0.25, 3], [1, 1], [-1, 1], [NAN, -3], [0, NAN], [9, 9], [0.2500001, -0.5]], "f4")


def nodes(mode, **others):
    return {**NODES, "nodes_modes": [name if name == "LEAF" else mode for name in NODES["nodes_modes"]], **others}


def leaves(kind, ids, weights):
    """The weights of the five leaves, each for that id."""
    return {
        f"{kind}_treeids": [0, 0, 0, 4, 4],
        f"{kind}_nodeids": [2, 3, 4, 1, 2],
        f"{kind}_ids": ids,
        f"{kind}_weights": weights,
    }


WEIGHTS = [0.5, -1.25, 2.0, 0.75, -0.3]
POSITIVE = [0.1, 0.3, 0.05, 0.4, 0.15]
BOTH = {
    "target_treeids": [0, 0, 0, 0, 0, 0, 4, 4, 4, 4],
    "target_nodeids": [2, 2, 3, 3, 4, 4, 1, 1, 2, 2],
    "target_ids": [1, 0] * 5,
    "target_weights": [0.1, 0.4, -0.5, 0.0, 0.3, -0.2, 0.25, 0.25, 0.45, -0.05],
}
EVERY = {
    "class_treeids": [0, 0, 0, 0, 0, 0, 4, 4, 4, 4],
    "class_nodeids": [2, 2, 3, 3, 4, 4, 1, 1, 2, 2],
    "class_ids": [0, 1] * 5,
    "class_weights": [0.1, 0.4, 0.5, 0.0, 0.3, 0.2, 0.25, 0.25, 0.45, 0.05],
}


def f8(values):
    return numpy.array(values, "f8")


def member(dtype):
    """TreeEnsemble: sets, a comparison of each mode, and a root that is a leaf."""
    return {
        "n_targets": 2,
        "tree_roots": [0, 3, 4],
        "nodes_modes": numpy.array([6, 0, 6, 5, 2], "u1"),
        "nodes_featureids": [0, 1, 0, 0, 1],
        "nodes_splits": numpy.array([0, 0.25, 0, 1, 0.5], dtype),
        "nodes_truenodeids": [1, 0, 2, 3, 5],
        "nodes_trueleafs": [0, 1, 1, 1, 1],
        "nodes_falsenodeids": [2, 1, 3, 4, 5],
        "nodes_falseleafs": [0, 1, 1, 1, 1],
        "nodes_missing_value_tracks_true": [0, 1, 0, 0, 0],
        "membership_values": numpy.array([1, 3, 9, NAN, 2, NAN], dtype),
        "leaf_targetids": [0, 1, 0, 1, 1, 0],
        "leaf_weights": numpy.array([0.5, 1.5, -2, 0.25, 4, 8], dtype),
    }


MEMBERS = numpy.array([[1, 0.25], [3, 0.3], [9, NAN], [2, 0], [1.5, 9], [NAN, 0.5]], "f4")

SVC = {
    "kernel_type": "RBF",
    "kernel_params": [0.5, 0.25, 3.0],
    "vectors_per_class": [2, 1, 1],
    "support_vectors": [0.5, 1.0, -1.0, 0.25, 1.5, -0.5, 0.0, 2.0],
    "coefficients": [0.5, 1.0, -1.5, -0.25, 0.75, 0.5, 1.25, -2.0],
    "rho": [0.1, -0.2, 0.05],
    "classlabels_ints": [3, 1, 2],
}
SVC2 = {
    **SVC,
    "vectors_per_class": [2, 2],
    "coefficients": [0.5, 1.0, -1.5, -0.25],
    "rho": [0.1],
    "classlabels_ints": [3, 1],
}
SVR = {
    "kernel_type": "RBF",
    "kernel_params": [0.5, 0.25, 3.0],
    "n_supports": 2,
    "support_vectors": [0.5, 1.0, -1.0, 0.25],
    "coefficients": [0.5, -1.5],
    "rho": [0.1],
}
TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"]
ENCODED = {"keys_int64s": [3, 5, 3], "values_floats": [0.5, 1.5, 2.5]}

# The operator, its version, its attributes, its inputs; the outputs that are used, if not all.
CASES = [
    *[("LinearClassifier", 1, {**LINEAR, "post_transform": t}, [reals(3, 2)]) for t in TRANSFORMS],
    ("LinearClassifier", 1, {**LINEAR, "post_transform": "PROBIT"}, [reals(3, 2) * 0 + 0.05]),
    ("LinearClassifier", 1, LINEAR, [reals(2)]),
    ("LinearClassifier", 1, LINEAR, [reals(2, 2).astype("f8")]),
    ("LinearClassifier", 1, LINEAR, [wholes([1, 2], [-3, 4])]),
    ("LinearClassifier", 1, LINEAR, [wholes([1, 2], [-3, 4]).astype("i4")]),
    *[("LinearClassifier", 1, {**ONE_ROW, "post_transform": t}, [reals(3, 2)]) for t in TRANSFORMS],
    (
        "LinearClassifier",
        1,
        {**{k: v for k, v in LINEAR.items() if k != "classlabels_ints"}, "classlabels_strings": ["a", "b", "c"]},
        [reals(2, 2)],
        [False, True],
    ),
    *[
        ("LinearRegressor", 1, {"coefficients": [0.5, 2.0, -1.0, 3.0], "targets": 2, "post_transform": t, **more}, [reals(3, 2)])
        for t, more in [("NONE", {"intercepts": [0.5, -1.0]}), ("SOFTMAX", {}), ("LOGISTIC", {})]
    ],
    ("LinearRegressor", 1, {"coefficients": [0.5, 2.0], "intercepts": [0.25], "post_transform": "LOGISTIC"}, [reals(3, 2)]),
    *[
        ("TreeEnsembleRegressor", 1, {**nodes(mode), **leaves("target", [0] * 5, WEIGHTS), "n_targets": 1}, [ROWS])
        for mode in ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
    ],
    *[
        (
            "TreeEnsembleRegressor",
            1,
            {
                **nodes(mode, nodes_missing_value_tracks_true=[1, 0, 0, 0, 0, 1, 0, 0]),
                **leaves("target", [0] * 5, WEIGHTS),
                "n_targets": 1,
            },
            [ROWS],
        )
        for mode in ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT"]
    ],
    (
        "TreeEnsembleRegressor",
        1,
        {
            **NODES,
            "nodes_modes": ["BRANCH_GT", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF", "BRANCH_LT", "LEAF", "LEAF"],
            **leaves("target", [0] * 5, WEIGHTS),
            "n_targets": 1,
        },
        [ROWS],
    ),
    *[
        (
            "TreeEnsembleRegressor",
            1,
            {
                **NODES,
                **weights,
                "n_targets": targets,
                "aggregate_function": function,
                "base_values": [0.5, -1.0][:targets],
            },
            [ROWS],
        )
        for function in ["SUM", "AVERAGE", "MIN", "MAX"]
        for targets, weights in [(1, leaves("target", [0] * 5, WEIGHTS)), (2, BOTH)]
    ],
    *[
        (
            "TreeEnsembleRegressor",
            1,
            {**NODES, **leaves("target", ids, WEIGHTS), "n_targets": targets, "post_transform": transform},
            [ROWS],
        )
        for transform in TRANSFORMS
        for targets, ids in [(1, [0] * 5), (2, [0, 1, 1, 0, 1])]
    ],
    *[
        ("TreeEnsembleClassifier", 1, {**NODES, **EVERY, "classlabels_int64s": [0, 1]}, [rows])
        for rows in (wholes([1, 2], [0, 0], [0, -5], [-9, 1]), wholes([1, 2], [0, -5], [2**24 + 1, 1]).astype("i4"))
    ],
    (
        "TreeEnsembleRegressor",
        3,
        {
            **{k: v for k, v in NODES.items() if k != "nodes_values"},
            **{k: v for k, v in leaves("target", [0] * 5, []).items() if k != "target_weights"},
            "nodes_values_as_tensor": f8([0.1, -0.5, 0, 0, 0, 1, 0, 0]),
            "target_weights_as_tensor": f8(WEIGHTS),
            "base_values_as_tensor": f8([0.125]),
            "n_targets": 1,
        },
        [f8([[0.1, -0.5], [numpy.nextafter(0.1, 1), 1], [numpy.float32(0.1), 1]])],
    ),
    *[
        (
            "TreeEnsembleClassifier",
            1,
            {
                **NODES,
                **leaves("class", ids, weights),
                "classlabels_int64s": labels,
                "post_transform": transform,
                **({"base_values": offsets} if offsets else {}),
            },
            [ROWS],
        )
        for transform in TRANSFORMS
        for labels, ids, weights, offsets in [
            ([5, 7], [0] * 5, WEIGHTS, []),
            ([5, 7], [0] * 5, POSITIVE, []),
            ([5, 7], [1] * 5, WEIGHTS, []),
            ([5, 7], [1] * 5, POSITIVE, []),
            ([5, 7], [0] * 5, WEIGHTS, [0.1, 0.6]),
            ([5, 7], [1] * 5, WEIGHTS, [0.1, 0.6]),
            ([5, 7], [0, 1, 1, 0, 1], POSITIVE, []),
            ([5, 7, 8], [0, 1, 2, 0, 1], WEIGHTS, []),
            ([5, 7, 8], [0, 1, 2, 0, 1], WEIGHTS, [-9.0, 0.5, 0.25]),
            ([5], [0] * 5, WEIGHTS, [0.25]),
        ]
    ],
    *[
        ("TreeEnsembleClassifier", 1, {**NODES, **EVERY, "classlabels_int64s": labels}, [ROWS])
        for labels in ([0, 1], [5, 7], [5, 7, 9])
    ],
    *[
        ("TreeEnsembleClassifier", 1, {**NODES, **EVERY, "classlabels_int64s": [0, 1], "base_values": [0.5, 0.25]}, [rows])
        for rows in (ROWS, ROWS.astype("f8"))
    ],
    (
        "TreeEnsembleClassifier",
        1,
        {**NODES, **EVERY, "classlabels_strings": ["a", "b"]},
        [ROWS],
        [False, True],
    ),
    ("TreeEnsemble", 5, member("f4"), [MEMBERS]),
    ("TreeEnsemble", 5, {**member("f4"), "aggregate_function": 0}, [MEMBERS]),
    ("TreeEnsemble", 5, {**member("f4"), "aggregate_function": 2}, [MEMBERS]),
    # ONNX Runtime swaps SOFTMAX and LOGISTIC, against the specification.
    ("TreeEnsemble", 5, {**member("f4"), "aggregate_function": 3, "post_transform": 3}, [MEMBERS]),
    ("TreeEnsemble", 5, member("f8"), [MEMBERS.astype("f8")]),
    *[
        ("SVMClassifier", 1, {**machine, "kernel_type": kernel, "post_transform": transform}, [reals(4, 2)])
        for machine in (SVC, SVC2)
        for kernel, transform in [
            ("LINEAR", "NONE"),
            ("POLY", "NONE"),
            ("RBF", "NONE"),
            ("SIGMOID", "NONE"),
            ("RBF", "SOFTMAX"),
            ("RBF", "LOGISTIC"),
            ("RBF", "SOFTMAX_ZERO"),
        ]
    ],
    ("SVMClassifier", 1, {**SVC, "prob_a": [-1.5, -0.5, -2.0], "prob_b": [0.1, -0.2, 0.05]}, [reals(4, 2)]),
    ("SVMClassifier", 1, {**SVC, "prob_a": [-1.5, -0.5, -2.0], "prob_b": [0.1, -0.2, 0.05], "post_transform": "SOFTMAX"}, [reals(4, 2)]),
    ("SVMClassifier", 1, {**SVC2, "prob_a": [-1.5], "prob_b": [0.1]}, [reals(4, 2)]),
    ("SVMClassifier", 1, SVC, [wholes([1, -1], [0, 2])]),
    *[
        (
            "SVMClassifier",
            1,
            {
                "coefficients": coefficients,
                "rho": [0.25],
                "classlabels_ints": labels,
                "kernel_params": [],
                "post_transform": transform,
            },
            [reals(4, 2)],
        )
        for coefficients, labels, transform in [
            ([0.5, 1.0, -1.5, -0.25], [4, 6], "NONE"),
            ([0.5, 1.0, 1.5, 0.25], [4, 6], "NONE"),
            ([0.5, 1.0, -1.5, -0.25, 1.0, 2.0], [4, 6, 8], "LOGISTIC"),
        ]
    ],
    *[("SVMRegressor", 1, {**SVR, "kernel_type": kernel}, [reals(4, 2)]) for kernel in ("LINEAR", "POLY", "RBF", "SIGMOID")],
    ("SVMRegressor", 1, {**SVR, "one_class": 1}, [reals(4, 2)]),
    ("SVMRegressor", 1, {"coefficients": [0.5, -1.5], "rho": [0.1], "n_supports": 0, "kernel_params": []}, [reals(4, 2)]),
    ("Scaler", 1, {"offset": [0.5, -1.0], "scale": [2.0, 0.25]}, [reals(3, 2)]),
    ("Scaler", 1, {"offset": [0.5], "scale": [2.0]}, [wholes([1, 2], [3, 4])]),
    ("Scaler", 1, {"offset": [0.5, -1.0], "scale": [2.0, 0.25]}, [reals(2).astype("f8")]),
    *[("Normalizer", 1, {"norm": norm}, [numpy.array([[1, -3, 2], [0, 0, 0], [-1, -2, -4]], "f4")]) for norm in ("MAX", "L1", "L2")],
    ("Normalizer", 1, {"norm": "L2"}, [wholes([3, 4], [5, 12])]),
    ("Imputer", 1, {"imputed_value_floats": [0.5, -1.0], "replaced_value_float": NAN}, [numpy.array([[NAN, 1], [2, NAN]], "f4")]),
    ("Imputer", 1, {"imputed_value_floats": [7.0], "replaced_value_float": 2.0}, [numpy.array([[NAN, 1], [2, NAN]], "f4")]),
    ("Imputer", 1, {"imputed_value_int64s": [7, 8], "replaced_value_int64": 2}, [wholes([1, 2], [2, 3])]),
    ("Binarizer", 1, {"threshold": 0.5}, [numpy.array([[0.5, 0.75], [-1, 9]], "f4")]),
    (
        "FeatureVectorizer",
        1,
        {"inputdimensions": [2, 3]},
        [reals(2, 2), reals(2, 3)],
    ),
    *[
        ("OneHotEncoder", 1, {"cats_int64s": [5, 3, 9]}, [values])
        for values in (
            wholes([3, 9], [4, 5]),
            numpy.array([[3.9, 5]], "f4"),
            numpy.array([9.0, 5], "f8"),
        )
    ],
    ("OneHotEncoder", 1, {"cats_int64s": [5, 3], "zeros": 0}, [wholes(5, 3)]),
    ("LabelEncoder", 2, ENCODED, [wholes([3, 5], [7, 3])]),
    ("LabelEncoder", 2, {**ENCODED, "default_float": 9.5}, [wholes(4)]),
    ("LabelEncoder", 2, {"keys_floats": [0.0, 1.5], "values_int64s": [10, 20]}, [numpy.array([-0.0, 1.5, 2], "f4")]),
    ("LabelEncoder", 2, {"keys_int64s": [1, 2], "values_int64s": [2, 1]}, [wholes(1, 2, 3)]),
    ("LabelEncoder", 2, {"keys_floats": [NAN, 1.5], "values_floats": [0.25, 0.5], "default_float": 2.0}, [numpy.array([NAN, 1.5, 3], "f4")]),
    ("LabelEncoder", 4, {"keys_floats": [NAN, 1.5], "values_floats": [0.25, 0.5], "default_float": 2.0}, [numpy.array([NAN, 1.5, 3], "f4")]),
    (
        "LabelEncoder",
        4,
        {
            "keys_tensor": f8([1, 2]),
            "values_tensor": f8([0.5, 0.75]),
            "default_tensor": f8([-4]),
        },
        [f8([2, 1, 0])],
    ),
]

DATA = random.normal(size=(120, 4)).astype("f4")
TWO = (DATA[:, 0] + DATA[:, 1] * DATA[:, 2] > 0).astype("i8")
THREE = (numpy.digitize(DATA[:, 0] + 0.5 * DATA[:, 3], [-0.5, 0.5])).astype("i8")
TARGET = DATA[:, 0] * 2 - DATA[:, 1] ** 2
GROUPS = random.integers(0, 4, (120, 2))
ROWS4 = DATA[:6]
MISSING = numpy.where(random.uniform(size=DATA.shape) < 0.2, NAN, DATA).astype("f4")


def sklearn(model, target, data=DATA):
    model.fit(data, target)
    options = {"zipmap": False} if hasattr(model, "predict_proba") else {}
    return to_onnx(model, data[:1], options=options, target_opset={"": 17, "ai.onnx.ml": 3})


def boosted(convert, model, target, data=DATA, **options):
    model.fit(data, target)
    return convert(model, initial_types=[("x", ToolsFloat([None, data.shape[1]]))], target_opset=15, **options)


def cat(model, target):
    model.fit(DATA, target)
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        model.save_model(file.name, format="onnx")
        made = onnx.load(file.name)
    # The probabilities are also in a sequence of maps, which this project does not have.
    for at, node in reversed(list(enumerate(made.graph.node))):
        if node.op_type == "ZipMap":
            name = node.input[0]
            del made.graph.node[at]
            for output in made.graph.output:
                if output.name == node.output[0]:
                    output.CopyFrom(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return made


CATBOOST = {"depth": 2, "verbose": 0, "allow_writing_files": False}

# The name, the model, its input.
MODELS = [
    ("logistic regression, 2 classes", sklearn(linear_model.LogisticRegression(), TWO), ROWS4),
    ("logistic regression, 3 classes", sklearn(linear_model.LogisticRegression(), THREE), ROWS4),
    ("linear regression", sklearn(linear_model.LinearRegression(), TARGET), ROWS4),
    ("decision tree, 2 classes", sklearn(tree.DecisionTreeClassifier(max_depth=3), TWO), ROWS4),
    ("random forest, 2 classes", sklearn(ensemble.RandomForestClassifier(5, max_depth=3, random_state=1), TWO + 4), ROWS4),
    ("random forest, 3 classes", sklearn(ensemble.RandomForestClassifier(5, max_depth=3, random_state=1), THREE), ROWS4),
    ("random forest, regression", sklearn(ensemble.RandomForestRegressor(5, max_depth=3, random_state=1), TARGET), ROWS4),
    ("gradient boosting, 2 classes", sklearn(ensemble.GradientBoostingClassifier(n_estimators=5, max_depth=2), TWO), ROWS4),
    ("gradient boosting, 3 classes", sklearn(ensemble.GradientBoostingClassifier(n_estimators=4, max_depth=2), THREE), ROWS4),
    ("SVC with probabilities, 2 classes", sklearn(svm.SVC(probability=True, random_state=1), TWO[:40], DATA[:40]), ROWS4),
    ("SVC with probabilities, 3 classes", sklearn(svm.SVC(probability=True, random_state=1), THREE[:40], DATA[:40]), ROWS4),
    ("LinearSVC", sklearn(svm.LinearSVC(), THREE), ROWS4),
    ("SVR", sklearn(svm.SVR(), TARGET[:30], DATA[:30]), ROWS4),
    ("one-class SVM", sklearn(svm.OneClassSVM(nu=0.2), None, DATA[:30]), ROWS4),
    (
        "scaler and logistic regression",
        sklearn(pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression()), TWO),
        ROWS4,
    ),
    (
        "bins",
        sklearn(preprocessing.KBinsDiscretizer(3, encode="onehot-dense", quantile_method="averaged_inverted_cdf"), None),
        ROWS4,
    ),
    ("one-hot", sklearn(preprocessing.OneHotEncoder(sparse_output=False), None, GROUPS), GROUPS[:5]),
    ("normalizer", sklearn(preprocessing.Normalizer(), None), ROWS4),
    ("Gaussian naive Bayes", sklearn(naive_bayes.GaussianNB(), THREE), ROWS4),
    ("nearest neighbors", sklearn(neighbors.KNeighborsClassifier(3), THREE[:20], DATA[:20]), ROWS4),
    (
        "LightGBM, 2 classes",
        boosted(convert_lightgbm, lightgbm.LGBMClassifier(n_estimators=4, num_leaves=4, verbose=-1), TWO, zipmap=False),
        ROWS4,
    ),
    (
        "LightGBM, 3 classes with missing values",
        boosted(
            convert_lightgbm, lightgbm.LGBMClassifier(n_estimators=3, num_leaves=4, verbose=-1), THREE, MISSING, zipmap=False
        ),
        MISSING[:6],
    ),
    ("LightGBM, regression", boosted(convert_lightgbm, lightgbm.LGBMRegressor(n_estimators=4, num_leaves=4, verbose=-1), TARGET), ROWS4),
    ("XGBoost, 2 classes", boosted(convert_xgboost, xgboost.XGBClassifier(n_estimators=4, max_depth=2), TWO), ROWS4),
    ("XGBoost, 3 classes", boosted(convert_xgboost, xgboost.XGBClassifier(n_estimators=3, max_depth=2), THREE, MISSING), MISSING[:6]),
    ("XGBoost, regression", boosted(convert_xgboost, xgboost.XGBRegressor(n_estimators=4, max_depth=2), TARGET), ROWS4),
    ("CatBoost, 2 classes", cat(catboost.CatBoostClassifier(iterations=4, **CATBOOST), TWO), ROWS4),
    ("CatBoost, 3 classes", cat(catboost.CatBoostClassifier(iterations=3, **CATBOOST), THREE), ROWS4),
]


def number(value):
    # JSON has no infinity.
    if isinstance(value, float) and (value != value or abs(value) > 1e300):
        return str(value)
    return value


def tensor(array):
    if array.dtype == numpy.float32:
        values = [float(str(value)) for value in array.ravel()]
    else:
        values = array.ravel().tolist()
    return {"datatype": DATATYPES[str(array.dtype)], "shape": list(array.shape), "values": [number(v) for v in values]}


def attribute(value):
    if isinstance(value, numpy.ndarray):
        return tensor(value)
    if isinstance(value, list) and any(v != v for v in value):
        return tensor(numpy.array(value, "f4"))
    return number(value)


def session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def compute(operator, opset, attributes, inputs, used):
    names = [f"i{at}" for at in range(len(inputs))]
    outputs = [f"o{at}" for at in range(len(used))]
    of = lambda name, array: helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
    )
    made = {
        name: numpy_helper.from_array(value, name) if isinstance(value, numpy.ndarray) else value
        for name, value in attributes.items()
    }
    node = helper.make_node(operator, names, outputs, domain="ai.onnx.ml")
    for name, value in made.items():
        kind = onnx.AttributeProto.FLOATS if name == "kernel_params" else None
        node.attribute.append(helper.make_attribute(name, value, attr_type=kind))
    graph = helper.make_graph(
        [node],
        "case",
        [of(name, array) for name, array in zip(names, inputs)],
        [helper.make_empty_tensor_value_info(name) for name, is_used in zip(outputs, used) if is_used],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    found = iter(session(model).run(None, dict(zip(names, inputs))))
    return [tensor(numpy.asarray(next(found))) if is_used else None for is_used in used]


def case(operator, opset, attributes, inputs, used=None):
    used = used or ([True, True] if "Classifier" in operator else [True])
    return {
        "domain": "ai.onnx.ml",
        "operator": operator,
        "opset": opset,
        "attributes": {name: attribute(value) for name, value in attributes.items()},
        "inputs": [tensor(array) for array in inputs],
        "outputs": compute(operator, opset, attributes, inputs, used),
    }


def whole(name, model, rows):
    model.doc_string = ""
    del model.metadata_props[:]
    del model.graph.value_info[:]
    for node in model.graph.node:
        for attribute in list(node.attribute):
            if attribute.name == "nodes_hitrates":
                node.attribute.remove(attribute)
    run = session(model)
    outputs = run.run(None, {run.get_inputs()[0].name: rows})
    return {
        "name": name,
        "model": model.SerializeToString().hex(),
        "inputs": [tensor(rows)],
        "outputs": [tensor(numpy.asarray(output)) for output in outputs],
    }


if __name__ == "__main__":
    cases = [case(*row) for row in CASES] + [whole(*row) for row in MODELS]
    path = pathlib.Path(__file__).with_name("ml.json")
    path.write_text("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in cases) + "\n]\n")
