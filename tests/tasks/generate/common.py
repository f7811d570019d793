"""Shared by the generators: a graph builder, the images, and the form of `cases.json`."""

import base64
import io
import json
import math
import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_CONFIG_DIR", "/tmp/refs-yolo")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

TASKS = Path(__file__).resolve().parent.parent
IMAGES = TASKS / "images"
AUDIO = TASKS / "audio"

TYPES = {
    "f32": TensorProto.FLOAT,
    "i64": TensorProto.INT64,
    "i32": TensorProto.INT32,
    "str": TensorProto.STRING,
}


class Set:
    """One folder of cases: a model, inputs, and the reference that answers them."""

    def __init__(self, path, build, cases, reference, thresholds=None):
        self.path = TASKS / path
        self.name = path
        self.build = build
        self.cases = cases
        self.reference = reference
        self.thresholds = thresholds

    def write(self):
        model = self.path / "model"
        model.mkdir(parents=True, exist_ok=True)
        self.build(model)
        answer = self.reference(model)
        rows = []
        for case in self.cases():
            if self.thresholds and fragile(answer, case, self.thresholds):
                print(f"{self.name}: left out {case['name']}, whose answer hangs on the last digits")
                continue
            rows.append({**case, "expected": tidy(answer(case))})
        with open(self.path / "cases.json", "w", encoding="utf-8") as file:
            lines = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
            file.write("[\n" + lines + "\n]\n")
        return len(rows)

    def read(self):
        return json.loads((self.path / "cases.json").read_text(encoding="utf-8"))


def shape(answer):
    return [row.get("label") if isinstance(row, dict) else None for row in answer]


def fragile(answer, case, defaults):
    """Whether a threshold moved by 0.0002 gains or loses an element."""
    expected = shape(answer(case))
    for name, default in defaults.items():
        for step in (-2e-4, 2e-4):
            value = min(1.0, max(0.0, case["parameters"].get(name, default) + step))
            moved = {**case, "parameters": {**case["parameters"], name: value}}
            if shape(answer(moved)) != expected:
                return True
    return False


def tidy(value):
    """JSON values, with the seven digits that a 32-bit float holds; NaN is null."""
    if isinstance(value, dict):
        return {key: tidy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [tidy(item) for item in value]
    if isinstance(value, np.ndarray):
        return tidy(value.tolist() if value.dtype != np.float32 else list(value))
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, np.float32) or (isinstance(value, float) and not isinstance(value, np.float64)):
        value = np.float32(value)
        return float(f"{value:.7g}") if np.isfinite(value) else None
    if isinstance(value, np.floating):
        return float(value) if math.isfinite(value) else None
    return value


class Graph:
    """Builds an ONNX graph, one node a call."""

    def __init__(self, opset=17):
        self.nodes, self.weights, self.inputs, self.outputs = [], [], [], []
        self.opset, self.count = opset, 0

    def input(self, name, type, shape):
        self.inputs.append(helper.make_tensor_value_info(name, TYPES[type], shape))
        return name

    def output(self, value, name, type, shape):
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, TYPES[type], shape))

    def const(self, array, dtype=np.float32):
        self.count += 1
        name = f"w{self.count}"
        self.weights.append(numpy_helper.from_array(np.asarray(array, dtype=dtype), name))
        return name

    def ints(self, *values):
        return self.const(list(values), np.int64)

    def __call__(self, op, *inputs, outputs=1, **attributes):
        names = []
        for _ in range(outputs):
            self.count += 1
            names.append(f"v{self.count}")
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def save(self, path, metadata=None):
        graph = helper.make_graph(self.nodes, "graph", self.inputs, self.outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        for key, value in (metadata or {}).items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, str(value)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def load(name):
    """The image `name` as RGB."""
    return Image.open(IMAGES / name).convert("RGB")


def png(array):
    """Base64 of the array as a gray PNG, of 8 or 16 bits by its type."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def unpng(text):
    return np.array(Image.open(io.BytesIO(base64.b64decode(text))))


def images():
    """Every input image, smallest name first."""
    return sorted(path.name for path in IMAGES.iterdir())


def image_cases(names=None, **parameters):
    return [
        {"name": Path(name).stem, "input": {"image": name}, "parameters": parameters} for name in (names or images())
    ]
