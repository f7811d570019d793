"""scikit-learn's models by skl2onnx: one matrix, or one input a feature. Expected: scikit-learn itself."""

import warnings

import numpy as np
from common import Set, session

warnings.filterwarnings("ignore")
NAMES = ["age", "income", "height in cm", "children"]
KINDS = ["low", "middle", "high"]


def data():
    random = np.random.default_rng(121)
    x = np.stack(
        [
            random.uniform(18, 90, 200),
            random.lognormal(10, 0.5, 200),
            random.normal(170, 10, 200),
            random.integers(0, 5, 200),
        ],
        1,
    ).astype(np.float32)
    value = 0.4 * x[:, 0] + x[:, 1] / 2000 - 0.1 * x[:, 2] + 3 * np.sin(x[:, 3]) + random.normal(0, 1, 200)
    return x, value.astype(np.float32)


def rows():
    x, _ = data()
    random = np.random.default_rng(122)
    picked = x[random.choice(len(x), 16, replace=False)] + random.normal(0, 0.5, (16, 4)).astype(np.float32)
    extra = np.array([[0, 0, 0, 0], [1e6, 1e6, 1e6, 1e6], [-50, -50, -50, -50], [50, 22026.5, 170, 2]], np.float32)
    return np.concatenate([picked, extra]).astype(np.float32)


def kinds(value):
    low, high = np.quantile(value, [0.33, 0.66])
    return np.array(KINDS)[np.digitize(value, [low, high])]


def text_rows():
    cities = ["Oslo", "Zürich", "北京", "Oslo", "elsewhere"]
    return [{"age": float(r[0]), "income": float(r[1]), "city": cities[i % 5]} for i, r in enumerate(rows())]


def convert(model, path, types, **options):
    from skl2onnx import to_onnx

    found = to_onnx(model, initial_types=types, target_opset={"": 17, "ai.onnx.ml": 3}, **options)
    found.producer_version = ""
    path.write_bytes(found.SerializeToString())


def matrix(width=4):
    from skl2onnx.common.data_types import FloatTensorType

    return [("float_input", FloatTensorType([None, width]))]


def train(kind):
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    x, value = data()
    if kind == "logistic":
        return make_pipeline(StandardScaler(), LogisticRegression()).fit(x, kinds(value))
    if kind == "forest":
        return RandomForestClassifier(8, max_depth=4, random_state=0).fit(x, kinds(value))
    if kind == "integers":
        return make_pipeline(StandardScaler(), LogisticRegression()).fit(x, (value > np.median(value)).astype(int))
    if kind == "linear":
        return make_pipeline(StandardScaler(), LinearRegression()).fit(x, value)
    if kind == "boosting":
        return GradientBoostingRegressor(n_estimators=12, max_depth=3, random_state=0).fit(x, value)
    import pandas

    table = pandas.DataFrame(x[:, :2], columns=["age", "income"])
    table["city"] = np.array(["Oslo", "Zürich", "北京"])[np.arange(len(x)) % 3]
    columns = make_column_transformer(
        (StandardScaler(), ["age", "income"]), (OneHotEncoder(handle_unknown="ignore"), ["city"])
    )
    answer = value + (table["city"] == "Oslo") * 5
    if kind == "columns":
        return make_pipeline(columns, LogisticRegression()).fit(table, kinds(answer))
    return make_pipeline(columns, LinearRegression()).fit(table, answer)


def build(kind, named=False, zipmap=True):
    def write(folder):
        if (folder / "model.onnx").exists():  # kept, since each conversion orders the file in another way
            return
        from skl2onnx.common.data_types import FloatTensorType, StringTensorType

        model = train(kind)
        options = (
            {} if kind in ("linear", "boosting", "columns-value") else {"options": {id(model): {"zipmap": zipmap}}}
        )
        if named:
            types = [(n, FloatTensorType([None, 1])) for n in ("age", "income")]
            types.append(("city", StringTensorType([None, 1])))
        else:
            types = matrix()
        convert(model, folder / "model.onnx", types, **options)

    return write


def classes_reference(kind):
    def reference(folder):
        model = train(kind)

        run = session(folder / "model.onnx")

        def answer(case):
            (p,) = model.predict_proba(table(case))
            agree(case, probabilities(run.run(None, feed(run, case))[1], model.classes_), p)
            order = np.argsort(-p, kind="stable")
            return [{"label": str(model.classes_[i]), "index": int(i), "score": np.float32(p[i])} for i in order]

        return answer

    return reference


def value_reference(kind):
    def reference(folder):
        model = train(kind)
        run = session(folder / "model.onnx")

        def answer(case):
            value = np.float32(np.ravel(model.predict(table(case)))[0])
            agree(case, np.ravel(run.run(None, feed(run, case))[0]), [value])
            return [{"value": value}]

        return answer

    return reference


def feed(run, case):
    """The graph's inputs: one matrix, or a column each."""
    (row,) = case["input"]["instances"]
    if isinstance(row, list):
        return {run.get_inputs()[0].name: np.array([row], np.float32)}
    return {name: np.array([[value]], None if isinstance(value, str) else np.float32) for name, value in row.items()}


def probabilities(found, classes):
    return np.array([found[0][kind] for kind in classes]) if isinstance(found, list) else found[0]


def agree(case, found, expected):
    """The graph's answer is scikit-learn's, up to 32-bit arithmetic."""
    if not np.allclose(found, expected, rtol=2e-4, atol=2e-5):
        raise AssertionError(f"{case['name']}: ONNX Runtime has {found}, scikit-learn has {expected}")


def table(case):
    (row,) = case["input"]["instances"]
    if isinstance(row, list):
        return np.array([row], np.float32)
    import pandas

    return pandas.DataFrame([row])


def cases(named=False):
    def make():
        inputs = text_rows() if named else [[float(str(v)) for v in row] for row in rows()]
        return [{"name": f"row {i}", "input": {"instances": [row]}, "parameters": {}} for i, row in enumerate(inputs)]

    return make


SETS = [
    Set("tabular-classification/logistic-zipmap", build("logistic"), cases(), classes_reference("logistic")),
    Set("tabular-classification/forest", build("forest", zipmap=False), cases(), classes_reference("forest")),
    Set("tabular-classification/integers", build("integers", zipmap=False), cases(), classes_reference("integers")),
    Set(
        "tabular-classification/columns",
        build("columns", named=True, zipmap=False),
        cases(True),
        classes_reference("columns"),
    ),
    Set("tabular-regression/linear", build("linear"), cases(), value_reference("linear")),
    Set("tabular-regression/boosting", build("boosting"), cases(), value_reference("boosting")),
    Set(
        "tabular-regression/columns",
        build("columns-value", named=True),
        cases(True),
        value_reference("columns-value"),
    ),
]
