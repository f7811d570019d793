"""Write the node tests of the `onnx` package as cases for `cargo xtask conformance`.

usage: python3 cases.py FOLDER        (after: pip install -r requirements.txt)

A case is written if its inputs and outputs are tensors of datatypes that a model of the service can have. At the end
the script prints how many cases it left out, by reason.
"""

import collections
import json
import sys
import warnings
from pathlib import Path

import numpy as np
from onnx.backend.test.case.node import collect_testcases

DTYPES = {"bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64"}


def entries(folder, kind, values, tensors):
    found = []
    for at, (value, tensor) in enumerate(zip(values, tensors)):
        # `ascontiguousarray` would turn a scalar into a tensor of one dimension.
        tensor = np.asarray(tensor, order="C")
        file = f"{kind}{at}.bin"
        (folder / file).write_bytes(tensor.astype(tensor.dtype.newbyteorder("<")).tobytes())
        found.append({"name": value.name, "dtype": tensor.dtype.name, "shape": list(tensor.shape), "file": file})
    return found


def reason(case, inputs, outputs):
    tensors = [*inputs, *outputs]
    if not all(isinstance(tensor, (np.ndarray, np.generic)) for tensor in tensors):
        return "a sequence, a map or nothing"
    other = [tensor.dtype.name for tensor in tensors if tensor.dtype.name not in DTYPES]
    return other[0] if other else None


def main():
    warnings.simplefilter("ignore")
    target, left_out = Path(sys.argv[1]), collections.Counter()
    written = 0
    for case in collect_testcases(None):
        inputs, outputs = case.data_sets[0]
        why = reason(case, inputs, outputs)
        if why:
            left_out[why] += 1
            continue
        folder = target / case.name
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(case.model.SerializeToString())
        graph = case.model.graph
        described = {
            "inputs": entries(folder, "inputs", graph.input, inputs),
            "outputs": entries(folder, "outputs", graph.output, outputs),
        }
        (folder / "case.json").write_text(json.dumps(described))
        written += 1
    print(written, "written; left out:", dict(left_out))


main()
