"""The cases of ai.onnx.ml that `runtime_cases.py` writes."""

import functools

import numpy as np

import runtime_cases_data

case = functools.partial(runtime_cases_data.case, domain="ai.onnx.ml", version=3)


def features(r):
    x, whole = r.floats(2, 5), r.integers(-9, 9, 2, 5)
    yield case("ArrayFeatureExtractor", "", [x, np.array([[0, 2, 4]])])
    yield case("ArrayFeatureExtractor", "int64", [whole, np.array([3, 1])])
    yield case("ArrayFeatureExtractor", "float64", [r.floats(3, 4, dtype="float64"), np.array([[1]])], symbolic=True)
    yield case("ArrayFeatureExtractor", "1d", [r.integers(-9, 9, 6, dtype="int32"), np.array([[0, 5]])])
    yield case("Binarizer", "batch", [x], symbolic=True, threshold=0.5)
    yield case("Binarizer", "default", [r.floats(3, 2, 2)])
    yield case("FeatureVectorizer", "batch", [x, r.floats(2, 3)], symbolic=True, inputdimensions=[5, 3])
    yield case("FeatureVectorizer", "int64", [whole, r.integers(-9, 9, 2, 2)], inputdimensions=[5, 2])
    yield case("FeatureVectorizer", "cut", [x, r.floats(2, 3)], inputdimensions=[4, 4])
    holes = np.where(r.integers(0, 2, 2, 5) == 1, x, np.float32("nan"))
    missing = {"replaced_value_float": float("nan")}
    yield case("Imputer", "nan", [holes], symbolic=True, imputed_value_floats=[0.5, 1, 2, 3, 4], **missing)
    holes = np.where(r.integers(0, 2, 2, 5) == 1, x, np.float32(-1))
    yield case("Imputer", "one", [holes], imputed_value_floats=[7.5], replaced_value_float=-1.0)
    yield case("Imputer", "int64", [r.integers(0, 3, 3, 4)], imputed_value_int64s=[7, 8, 9, 10], replaced_value_int64=1)
    for norm in ["MAX", "L1", "L2"]:
        yield case("Normalizer", norm.lower(), [x], symbolic=norm == "L2", norm=norm)
    yield case("Normalizer", "int64", [whole], norm="L1")
    yield case("Normalizer", "float64", [r.floats(5, dtype="float64")], norm="L2")
    ids = r.integers(0, 6, 2, 3)
    yield case("OneHotEncoder", "zeros", [ids], symbolic=True, cats_int64s=[0, 2, 3, 5], zeros=1)
    yield case("OneHotEncoder", "known", [r.integers(0, 3, 4)], cats_int64s=[2, 0, 1], zeros=0)
    yield case("OneHotEncoder", "float32", [ids.astype("float32")], cats_int64s=[1, 4], zeros=1)
    yield case("OneHotEncoder", "float64", [ids.astype("float64")], cats_int64s=[1, 4], zeros=1)
    scale, offset = [0.5, 2.0, 1.5, -1.0, 3.0], [0.1, -0.2, 0.3, 1.0, 0.0]
    for dtype in ["float32", "float64", "int64", "int32"]:
        values = r.floats(2, 5, low=-9, high=9).astype(dtype)
        yield case("Scaler", dtype, [values], symbolic=dtype == "float32", scale=scale, offset=offset)
    yield case("Scaler", "one", [x], scale=[0.5], offset=[1.0])


def labels(r):
    keys, found = [1, 3, 5], r.integers(0, 7, 2, 4)
    exact = [0.5, 1.5, 2.5]
    floats = np.array([[0.5, 2.5, 0.7], [1.5, 0.5, np.nan]], dtype="float32")
    operator = "LabelEncoder"
    options = {"keys_int64s": keys, "values_floats": exact, "default_float": -1.0}
    yield case(operator, "int64_float", [found], symbolic=True, version=2, **options)
    options = {"keys_floats": [*exact, float("nan")], "values_int64s": [*keys, 9], "default_int64": -7}
    yield case(operator, "float_int64", [floats], version=2, **options)
    options = {"keys_int64s": keys, "values_int64s": [30, 10, 20]}
    yield case(operator, "int64_int64", [found], version=2, **options)
    yield case(operator, "float_float", [floats], version=4, keys_floats=exact, values_floats=[4.0, 5.0, 6.0])
    for key, value in [("int64", "float64"), ("float64", "int64"), ("float64", "float64")]:
        pairs = {"keys_tensor": np.array(keys, dtype=key), "values_tensor": np.array([4, 6, 8], dtype=value)}
        pairs["default_tensor"] = np.array([-2], dtype=value)
        yield case(operator, f"tensor_{key}_{value}", [found.astype(key)], version=4, **pairs)


def linear(r):
    x, both = r.floats(6, 4), "Y,scores"
    several = {"coefficients": r.floats(12).tolist(), "intercepts": r.floats(3).tolist()}
    transforms = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"]
    for transform in transforms:
        options = several | {"classlabels_ints": [2, 5, 7], "post_transform": transform, "multi_class": 1}
        words = f"multi_{transform.lower()}"
        yield case("LinearClassifier", words, [x], both, symbolic=transform == "SOFTMAX", **options)
    binary = {"coefficients": [0.5, -1.5, 1.0, 0.25], "intercepts": [-0.1], "classlabels_ints": [0, 1]}
    for transform in ["NONE", "LOGISTIC", "SOFTMAX"]:
        yield case("LinearClassifier", f"binary_{transform.lower()}", [x], both, post_transform=transform, **binary)
    rows = several | {"classlabels_ints": [0, 1, 2]}
    yield case("LinearClassifier", "float64", [x.astype("float64")], both, **rows)
    yield case("LinearClassifier", "int64", [r.integers(-9, 9, 2, 4)], both, **rows)
    yield case("LinearRegressor", "batch", [x], symbolic=True, coefficients=[0.5, -1.5, 2.0, 0.25], intercepts=[0.3])
    yield case("LinearRegressor", "targets", [x], targets=3, **several)
    yield case("LinearRegressor", "no_intercepts", [x], targets=3, coefficients=several["coefficients"])
    yield case("LinearRegressor", "softmax", [x], targets=3, post_transform="SOFTMAX", **several)
    yield case("LinearRegressor", "logistic", [x], targets=3, post_transform="LOGISTIC", **several)


def support_vectors(r):
    x, both = r.floats(8, 4), "Y,scores"
    vectors = {"support_vectors": r.floats(24, low=-1, high=1).tolist(), "kernel_params": [0.4, 0.2, 3.0]}
    regressor = vectors | {"coefficients": r.floats(6).tolist(), "rho": [0.3], "n_supports": 6}
    for kernel in ["RBF", "LINEAR", "POLY", "SIGMOID"]:
        words = kernel.lower()
        yield case("SVMRegressor", words, [x], symbolic=kernel == "RBF", kernel_type=kernel, **regressor)
    yield case("SVMRegressor", "one_class", [x], kernel_type="RBF", one_class=1, **regressor)
    options = {"coefficients": [0.5, -1.0, 2.0, 0.25], "rho": [0.3], "n_supports": 0, "kernel_params": [0.0, 0.0, 0.0]}
    yield case("SVMRegressor", "no_vectors", [x], kernel_type="LINEAR", **options)
    two = vectors | {"coefficients": r.floats(6).tolist(), "rho": [0.3], "vectors_per_class": [3, 3]}
    two["classlabels_ints"] = [0, 1]
    three = vectors | {"coefficients": r.floats(12).tolist(), "rho": [0.3, -0.1, 0.2], "vectors_per_class": [2, 3, 1]}
    three["classlabels_ints"] = [4, 5, 9]
    odds = {"prob_a": [-1.5, -0.8, -1.1], "prob_b": [0.1, -0.2, 0.05]}
    one = {"prob_a": [-1.5], "prob_b": [0.1]}
    operator = "SVMClassifier"
    yield case(operator, "binary", [x], both, symbolic=True, kernel_type="RBF", **two)
    yield case(operator, "binary_probabilities", [x], both, kernel_type="RBF", **two, **one)
    yield case(operator, "binary_logistic", [x], both, kernel_type="POLY", post_transform="LOGISTIC", **two)
    yield case(operator, "multi", [x], both, kernel_type="LINEAR", **three)
    yield case(operator, "multi_probabilities", [x], both, kernel_type="RBF", **three, **odds)
    yield case(operator, "multi_softmax", [x], both, kernel_type="SIGMOID", post_transform="SOFTMAX", **three)
    options = {"coefficients": r.floats(12).tolist(), "rho": [0.3], "classlabels_ints": [0, 1, 2]}
    options["kernel_params"] = [0.0, 0.0, 0.0]
    yield case(operator, "no_vectors", [x], both, kernel_type="LINEAR", **options)


def nodes(r, trees, features, mode, dtype=None):
    """The nodes of full trees of three levels: 0, 1 and 2 branch, 3 to 6 are leaves."""
    count, branches = 7 * trees, np.arange(7) < 3
    modes = [mode if branch else "LEAF" for branch in np.tile(branches, trees)]
    at = np.arange(7)
    found = {
        "nodes_treeids": np.repeat(np.arange(trees), 7).tolist(),
        "nodes_nodeids": np.tile(at, trees).tolist(),
        "nodes_featureids": (r.integers(0, features, count) * np.tile(branches, trees)).tolist(),
        "nodes_modes": modes,
        "nodes_truenodeids": np.tile((2 * at + 1) * branches, trees).tolist(),
        "nodes_falsenodeids": np.tile((2 * at + 2) * branches, trees).tolist(),
        "nodes_missing_value_tracks_true": (r.integers(0, 2, count) * np.tile(branches, trees)).tolist(),
    }
    values = r.floats(count, low=-1, high=1)
    if mode in ["BRANCH_EQ", "BRANCH_NEQ"]:
        values = np.round(values)
    return found | ({"nodes_values_as_tensor": values.astype(dtype)} if dtype else {"nodes_values": values.tolist()})


def leaves(r, kind, trees, ids, dtype=None):
    """The weights of the leaves of `nodes`, for classes or targets."""
    count = 4 * trees
    weights = r.floats(count, low=0, high=1)
    name = f"{kind}_weights"
    found = {
        f"{kind}_treeids": np.repeat(np.arange(trees), 4).tolist(),
        f"{kind}_nodeids": np.tile(np.arange(3, 7), trees).tolist(),
        f"{kind}_ids": (np.arange(count) % ids).tolist(),
    }
    return found | ({f"{name}_as_tensor": weights.astype(dtype)} if dtype else {name: weights.tolist()})


def tree_regressors(r):
    x, operator = r.floats(5, 4, low=-1, high=1), "TreeEnsembleRegressor"
    for mode in ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]:
        inputs = [np.round(x)] if mode in ["BRANCH_EQ", "BRANCH_NEQ"] else [x]
        options = nodes(r, 3, 4, mode) | leaves(r, "target", 3, 1) | {"n_targets": 1}
        yield case(operator, mode.lower(), inputs, symbolic=mode == "BRANCH_LEQ", **options)
    options = nodes(r, 3, 4, "BRANCH_LEQ") | leaves(r, "target", 3, 2) | {"n_targets": 2}
    for aggregate in ["AVERAGE", "MIN", "MAX"]:
        yield case(operator, aggregate.lower(), [x], aggregate_function=aggregate, **options)
    yield case(operator, "base_values", [x], base_values=[0.5, -0.25], **options)
    for transform in ["SOFTMAX", "LOGISTIC"]:
        yield case(operator, transform.lower(), [x], post_transform=transform, **options)
    holes = np.where(r.integers(0, 3, 5, 4) == 0, np.float32("nan"), x)
    yield case(operator, "nan", [holes], **options)
    options = nodes(r, 2, 4, "BRANCH_LEQ", "float64") | leaves(r, "target", 2, 1, "float64") | {"n_targets": 1}
    yield case(operator, "float64", [x.astype("float64")], **options)


def tree_classifiers(r):
    x, operator, both = r.floats(12, 4, low=-1, high=1), "TreeEnsembleClassifier", "Y,scores"
    options = nodes(r, 3, 4, "BRANCH_LEQ") | leaves(r, "class", 3, 3) | {"classlabels_int64s": [3, 6, 8]}
    for transform in ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"]:
        words = f"multi_{transform.lower()}"
        yield case(operator, words, [x], both, symbolic=transform == "NONE", post_transform=transform, **options)
    yield case(operator, "base_values", [x], both, base_values=[0.5, -0.25, 0.1], **options)
    two = nodes(r, 4, 4, "BRANCH_LT") | leaves(r, "class", 4, 2) | {"classlabels_int64s": [0, 1]}
    yield case(operator, "two", [x], both, **two)
    # The weights of one class are scores of the second of two labels.
    two = nodes(r, 3, 4, "BRANCH_LT") | leaves(r, "class", 3, 1) | {"classlabels_int64s": [0, 1]}
    two["class_weights"] = [0.4 * value for value in two["class_weights"]]
    for transform in ["NONE", "LOGISTIC"]:
        yield case(operator, f"binary_{transform.lower()}", [x], both, post_transform=transform, **two)
    two["class_weights"] = [value - 0.2 for value in two["class_weights"]]
    yield case(operator, "binary_negative", [x], both, **two)
    yield case(operator, "int64", [r.integers(-2, 3, 5, 4)], both, **options)
    options = nodes(r, 2, 4, "BRANCH_LEQ", "float64") | leaves(r, "class", 2, 3, "float64")
    yield case(operator, "float64", [x.astype("float64")], both, classlabels_int64s=[0, 1, 2], **options)


def tree_ensembles(r):
    def ensemble(words, inputs, targets=1, modes=(0,) * 6, splits=None, dtype="float32", **options):
        """Two trees of three branches: 0 and 3 are roots, and the leaves are 0 to 3 and 4 to 7."""
        found = {
            "n_targets": targets,
            "tree_roots": [0, 3],
            "nodes_featureids": r.integers(0, 4, 6).tolist(),
            "nodes_modes": np.array(modes, dtype="uint8"),
            "nodes_splits": np.array(r.floats(6, low=-1, high=1) if splits is None else splits, dtype=dtype),
            "nodes_truenodeids": [1, 0, 2, 4, 4, 6],
            "nodes_trueleafs": [0, 1, 1, 0, 1, 1],
            "nodes_falsenodeids": [2, 1, 3, 5, 5, 7],
            "nodes_falseleafs": [0, 1, 1, 0, 1, 1],
            "leaf_targetids": [at % targets for at in range(8)],
            "leaf_weights": r.floats(8, dtype=dtype),
        }
        return case("TreeEnsemble", words, inputs, version=5, **found, **options)

    x = r.floats(5, 4, low=-1, high=1)
    yield ensemble("batch", [x], symbolic=True)
    yield ensemble("modes", [np.round(x * 2)], modes=(0, 1, 2, 3, 4, 5), splits=[0, 1, -1, 0, 1, 0])
    for name, aggregate in [("average", 0), ("min", 2), ("max", 3)]:
        yield ensemble(name, [x], targets=2, aggregate_function=aggregate)
    yield ensemble("softmax", [x], targets=3, post_transform=1)
    yield ensemble("logistic", [x], targets=2, post_transform=2)
    holes = np.where(r.integers(0, 3, 5, 4) == 0, np.float32("nan"), x)
    yield ensemble("nan", [holes], nodes_missing_value_tracks_true=[1, 0, 1, 0, 1, 0])
    yield ensemble("float64", [x.astype("float64")], dtype="float64")
    members = np.array([0, 1, np.nan, -1, 1, 2, np.nan], dtype="float32")
    modes, splits = (6, 0, 0, 6, 0, 0), [0, 0.5, -0.5, 0, 0.5, 0]
    yield ensemble("members", [np.round(x * 2)], modes=modes, splits=splits, membership_values=members)


FAMILIES = [features, labels, linear, support_vectors, tree_regressors, tree_classifiers, tree_ensembles]
