"""Write cases for `cargo xtask conformance` whose outputs ONNX Runtime computes: com.microsoft and ai.onnx.ml.

usage: python3 runtime_cases.py FOLDER        (after: pip install -r requirements.txt)

The cases are data, in generators for families of operators (`runtime_cases_microsoft.py`, `runtime_cases_quantized.py`,
`runtime_cases_ml.py`). An input is an array, which the graph takes as an input of its own, a weight, which is an
initializer, or None where an optional input is omitted. A Cast node is put at inputs and outputs of datatypes that a
model of the service cannot have. ONNX Runtime computes the outputs with one thread and without graph optimizations. At
the end the script prints how many cases it wrote for each operator and which ones it left out, by reason.
"""

import collections
import json
import re
import sys
import zlib
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import runtime_cases_microsoft
import runtime_cases_ml
import runtime_cases_quantized
from runtime_cases_data import Bfloat16, Random, Weight

DTYPES = {"bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64"}

# The datatypes that inputs and outputs of graphs have in place of others.
WIDER = {"int8": "int32", "uint16": "int32", "int16": "int32", "uint32": "int64", "uint64": "int64"}

# NumPy has no bfloat16, so ONNX Runtime gets and returns these tensors as float32, which has all of their values.
AT_RUNTIME = {**WIDER, "bfloat16": "float32"}

FAMILIES = [*runtime_cases_microsoft.FAMILIES, *runtime_cases_quantized.FAMILIES, *runtime_cases_ml.FAMILIES]


def element_type(dtype):
    return getattr(TensorProto, {"float32": "FLOAT", "float64": "DOUBLE"}.get(dtype, dtype.upper()))


def unwrapped(value):
    """The datatype and the array of an input, a weight or a tensor of bfloat16."""
    if isinstance(value, Weight):
        value = value.array
    return ("bfloat16", value.array) if isinstance(value, Bfloat16) else (value.dtype.name, value)


def build(case, wider, outputs=None):
    """A model, with Casts at the datatypes that `wider` has, and its inputs, each a datatype and an array by name.

    `outputs` has the datatypes and the shapes of outputs. Without it, the graph declares only the names of its outputs
    and has no Casts there.
    """
    nodes, graph_inputs, initializers, names, given = [], [], [], [], {}
    batch = None
    for at, value in enumerate(case["inputs"]):
        names.append("" if value is None else f"X{at}")
        if value is None:
            continue
        dtype, array = unwrapped(value)
        kind = element_type(dtype)
        if isinstance(value, Weight):
            flat = array.flatten() if dtype == "bfloat16" else array.tobytes()
            tensor = helper.make_tensor(names[-1], kind, array.shape, flat, raw=dtype != "bfloat16")
            initializers.append(tensor)
            continue
        name, outer = names[-1], wider.get(dtype, dtype)
        if outer != dtype:
            name = f"{names[-1]}_{outer}"
            nodes.append(helper.make_node("Cast", [name], [names[-1]], to=kind))
        batch = array.shape[0] if batch is None and array.shape else batch
        is_batch = case["symbolic"] and array.shape and array.shape[0] == batch
        shape = ["batch", *array.shape[1:]] if is_batch else array.shape
        graph_inputs.append(helper.make_tensor_value_info(name, element_type(outer), shape))
        given[name] = (outer, array.astype("float32" if outer == "bfloat16" else outer))
    tensor = numpy_helper.from_array
    attributes = {k: tensor(v) if isinstance(v, np.ndarray) else v for k, v in case["attributes"].items()}
    results = case["outputs"].split(",")
    nodes.append(helper.make_node(case["operator"], names, results, domain=case["domain"], **attributes))
    declared = []
    for name in filter(None, results):
        if outputs is None:
            declared.append(helper.make_empty_tensor_value_info(name))
            continue
        dtype, shape = outputs[name]
        outer = wider.get(dtype, dtype)
        if outer != dtype:
            nodes.append(helper.make_node("Cast", [name], [f"{name}_{outer}"], to=element_type(outer)))
            name = f"{name}_{outer}"
        shape = [None] * len(shape) if case["symbolic"] and shape else shape
        declared.append(helper.make_tensor_value_info(name, element_type(outer), shape))
    graph = helper.make_graph(nodes, case["name"], graph_inputs, declared, initializers)
    opsets = {"": 21, case["domain"]: 21 if case["domain"] == "" else case["version"]}
    opsets = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10), given


def session(model):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(case):
    """The model of a case, and its inputs and outputs, each a datatype and an array."""
    model, _ = build(case, {})
    inferred = {output.name: output.type.removeprefix("tensor(")[:-1] for output in session(model).get_outputs()}
    dtypes = {name: {"float": "float32", "double": "float64"}.get(dtype, dtype) for name, dtype in inferred.items()}
    model, given = build(case, AT_RUNTIME, {name: (dtype, None) for name, dtype in dtypes.items()})
    feed = {name: array for name, (_, array) in given.items()}
    results, again = (session(model).run(None, feed) for _ in range(2))
    if not all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(results, again)):
        raise ValueError("other outputs in another run")
    shapes = {name: (dtype, result.shape) for (name, dtype), result in zip(dtypes.items(), results)}
    model, given = build(case, WIDER, shapes)
    expected = [(WIDER.get(dtype, dtype), result) for dtype, result in zip(dtypes.values(), results)]
    other = {dtype for dtype, _ in [*given.values(), *expected]} - DTYPES
    if other:
        raise ValueError(f"{other.pop()} inputs or outputs")
    return model, given.values(), expected


def entries(folder, kind, values, tensors):
    found = []
    for at, (value, (dtype, array)) in enumerate(zip(values, tensors)):
        file = f"{kind}{at}.bin"
        data = np.asarray(array, order="C")
        if dtype == "bfloat16":
            data = (data.view("uint32") >> 16).astype("uint16")
        (folder / file).write_bytes(data.astype(data.dtype.newbyteorder("<")).tobytes())
        found.append({"name": value.name, "dtype": dtype, "shape": list(array.shape), "file": file})
    return found


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def main():
    target = Path(sys.argv[1])
    written, left_out = collections.Counter(), collections.defaultdict(list)
    for family in FAMILIES:
        for case in family(Random(zlib.crc32(family.__name__.encode()))):
            case["name"] = "_".join(filter(None, ["test", snake(case["operator"]), case["words"]]))
            try:
                model, inputs, outputs = run(case)
            except Exception as error:  # ONNX Runtime has a class of its own for each status.
                left_out[str(error).splitlines()[0]].append(case["name"])
                continue
            folder = target / case["name"]
            folder.mkdir(parents=True)
            (folder / "model.onnx").write_bytes(model.SerializeToString())
            graph = model.graph
            described = {
                "inputs": entries(folder, "inputs", graph.input, inputs),
                "outputs": entries(folder, "outputs", graph.output, outputs),
            }
            (folder / "case.json").write_text(json.dumps(described))
            written[f"{case['domain']}.{case['operator']}".lstrip(".")] += 1
    for operator, count in sorted(written.items()):
        print(operator, count)
    print(written.total(), "written of", len(written), "operators; left out:", sum(map(len, left_out.values())))
    for reason, names in left_out.items():
        print(len(names), reason, names)


main()
